//! Admission webhooks, and the endpoints of their services.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::core::PartialObjectMeta;

use crate::clients::kubernetes::decode::budget::selector;
use crate::clients::kubernetes::decode::{label, labels, some, text};
use crate::domain::snapshot::Selector;
use crate::domain::snapshot::admission::{
    Endpoints, Namespace, Operation, Rule, Service, Webhook, WebhookConfiguration, WebhookScope,
};
use crate::domain::text::clean;

/// The fields that both kinds of webhooks share.
struct Written<'a> {
    client: &'a WebhookClientConfig,
    failure_policy: Option<&'a str>,
    rules: &'a [RuleWithOperations],
    namespaces: Option<&'a LabelSelector>,
    objects: Option<&'a LabelSelector>,
    conditional: bool,
}

macro_rules! written {
    ($webhook:ident : $kind:ty) => {
        |$webhook: &$kind| {
            webhook(&Written {
                client: &$webhook.client_config,
                failure_policy: $webhook.failure_policy.as_deref(),
                rules: $webhook.rules.as_deref().unwrap_or_default(),
                namespaces: $webhook.namespace_selector.as_ref(),
                objects: $webhook.object_selector.as_ref(),
                conditional: $webhook.match_conditions.as_ref().is_some_and(|all| !all.is_empty()),
            })
        }
    };
}

/// Reads a ValidatingWebhookConfiguration; one that cannot block anything is skipped.
pub fn validating(found: &ValidatingWebhookConfiguration) -> Option<WebhookConfiguration> {
    let webhooks = found.webhooks.iter().flatten().filter_map(written!(one: ValidatingWebhook));
    admission("ValidatingWebhookConfiguration", &found.metadata, webhooks.collect())
}

/// Reads a MutatingWebhookConfiguration; one that cannot block anything is skipped.
pub fn mutating(found: &MutatingWebhookConfiguration) -> Option<WebhookConfiguration> {
    let webhooks = found.webhooks.iter().flatten().filter_map(written!(one: MutatingWebhook));
    admission("MutatingWebhookConfiguration", &found.metadata, webhooks.collect())
}

fn admission(
    kind: &'static str,
    meta: &ObjectMeta,
    webhooks: Vec<Webhook>,
) -> Option<WebhookConfiguration> {
    let name = some(meta.name.as_ref())?;
    (!webhooks.is_empty()).then_some(WebhookConfiguration { kind, name, webhooks })
}

/// `None` if no rule covers create or update. An absent `failurePolicy` means `Fail`.
fn webhook(written: &Written<'_>) -> Option<Webhook> {
    let ignores_failures = written.failure_policy == Some("Ignore");
    let service = written.client.service.as_ref();
    let rules: Vec<Rule> = written.rules.iter().filter_map(rule).collect();
    // A webhook whose failures are ignored blocks nothing, unless it can deny evictions.
    let may_deny =
        rules.iter().any(|rule| rule.is_about(Operation::Create, "", "pods/eviction", true));
    let matters = (service.is_some() && !ignores_failures) || may_deny;
    (!rules.is_empty() && matters).then(|| Webhook {
        service: service.map(|service| Service {
            namespace: clean(&service.namespace),
            name: clean(&service.name),
        }),
        ignores_failures,
        rules,
        namespaces: or_everything(written.namespaces),
        objects: or_everything(written.objects),
        conditional: written.conditional,
    })
}

/// An absent selector of a webhook selects everything, unlike that of a PodDisruptionBudget.
fn or_everything(written: Option<&LabelSelector>) -> Selector {
    written.map_or_else(|| Selector::Labels(Vec::new()), |written| selector(Some(written)))
}

/// All relevant kinds are served only as `v1`: a rule for other versions only never matches, whatever its
/// `matchPolicy`.
fn rule(written: &RuleWithOperations) -> Option<Rule> {
    let has = |list: &Option<Vec<String>>, wanted: &str| {
        list.iter().flatten().any(|known| known == "*" || known == wanted)
    };
    let creates = has(&written.operations, "CREATE");
    let updates = has(&written.operations, "UPDATE");
    if !(creates || updates) || !has(&written.api_versions, "v1") {
        return None;
    }
    let all = |list: &Option<Vec<String>>| list.iter().flatten().map(|one| clean(one)).collect();
    Some(Rule {
        creates,
        updates,
        groups: all(&written.api_groups),
        resources: all(&written.resources),
        scope: match written.scope.as_deref() {
            Some("Cluster") => WebhookScope::Cluster,
            Some("Namespaced") => WebhookScope::Namespaced,
            Some(_) | None => WebhookScope::Any,
        },
    })
}

/// Reads an EndpointSlice; one without a service is skipped.
pub fn endpoints(slice: &EndpointSlice) -> Option<Endpoints> {
    let name = label(&slice.metadata, "kubernetes.io/service-name")?;
    let namespace = text(slice.metadata.namespace.as_ref());
    let serves = slice.endpoints.iter().any(serves);
    Some(Endpoints { service: Service { namespace, name }, serves })
}

/// Absent conditions count as true; a terminating endpoint may still serve.
fn serves(endpoint: &Endpoint) -> bool {
    endpoint
        .conditions
        .as_ref()
        .is_none_or(|found| found.ready.unwrap_or(true) || found.serving == Some(true))
}

/// Reads a namespace.
pub fn namespace(found: &PartialObjectMeta<core::Namespace>) -> Option<Namespace> {
    let labels = labels(found.metadata.labels.as_ref());
    Some(Namespace { name: some(found.metadata.name.as_ref())?, labels })
}
