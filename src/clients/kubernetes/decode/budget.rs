//! PodDisruptionBudgets and their label selectors.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::clients::kubernetes::decode::{some, text};
use crate::domain::snapshot::{Budget, Requirement, Selector};
use crate::domain::text::clean;

/// Reads a PodDisruptionBudget.
pub fn budget(budget: &PodDisruptionBudget) -> Option<Budget> {
    let meta = &budget.metadata;
    let spec = budget.spec.as_ref();
    let status = budget.status.as_ref();
    Some(Budget {
        namespace: text(meta.namespace.as_ref()),
        name: some(meta.name.as_ref())?,
        selector: selector(spec.and_then(|spec| spec.selector.as_ref())),
        min_available: spec.and_then(|spec| spec.min_available.as_ref()).map(amount),
        max_unavailable: spec.and_then(|spec| spec.max_unavailable.as_ref()).map(amount),
        allowed: status.map_or(0, |status| status.disruptions_allowed),
        healthy: status.map_or(0, |status| status.current_healthy),
        desired: status.map_or(0, |status| status.desired_healthy),
        expected: status.map_or(0, |status| status.expected_pods),
        observed: status.is_some_and(|status| status.observed_generation >= meta.generation),
        sync_failure: status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default()
            .iter()
            .find(|found| found.type_ == "DisruptionAllowed" && found.reason == "SyncFailed")
            .map(|found| clean(&found.message)),
        always_lets_unready_go: spec.and_then(|spec| spec.unhealthy_pod_eviction_policy.as_deref())
            == Some("AlwaysAllow"),
        disrupted: status
            .and_then(|status| status.disrupted_pods.as_ref())
            .map_or(0, std::collections::BTreeMap::len),
    })
}

fn amount(amount: &IntOrString) -> String {
    match amount {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => clean(text),
    }
}

/// In `policy/v1` an absent selector matches nothing, and an empty one everything.
pub fn selector(selector: Option<&LabelSelector>) -> Selector {
    let Some(selector) = selector else { return Selector::Nothing };
    let labels = selector.match_labels.iter().flatten();
    let mut all: Vec<Requirement> =
        labels.map(|(key, value)| Requirement::In(clean(key), vec![clean(value)])).collect();
    for written in selector.match_expressions.iter().flatten() {
        match requirement(written) {
            Ok(requirement) => all.push(requirement),
            Err(reason) => return Selector::Unreadable(reason),
        }
    }
    Selector::Labels(all)
}

fn requirement(written: &LabelSelectorRequirement) -> Result<Requirement, String> {
    let key = clean(&written.key);
    let values: Vec<String> = written.values.iter().flatten().map(|value| clean(value)).collect();
    match (written.operator.as_str(), values.is_empty()) {
        ("In", false) => Ok(Requirement::In(key, values)),
        ("NotIn", false) => Ok(Requirement::NotIn(key, values)),
        ("Exists", _) => Ok(Requirement::Exists(key)),
        ("DoesNotExist", _) => Ok(Requirement::Absent(key)),
        ("In" | "NotIn", true) => Err(format!("{} of {key} without values", written.operator)),
        (operator, _) => Err(format!("unknown operator {} of {key}", clean(operator))),
    }
}
