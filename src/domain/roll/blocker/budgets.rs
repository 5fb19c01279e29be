//! PodDisruptionBudgets: which one covers a pod, and whether it allows the pod's eviction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::age::since;
use crate::domain::roll::blocker::cause::{
    Blocker, BlockerCause, ObjectName, PdbBlock, PdbFix, PdbStatus,
};
use crate::domain::roll::blocker::context::{BlockerContext, PATIENCE, RelevantPods};
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::snapshot::{Budget, Pod, Requirement, Selector};

/// Budgets by namespace and by one label that they require, so that a pod is compared with the few that may
/// cover it and not with all.
#[derive(Debug, Default)]
pub struct BudgetIndex<'a>(HashMap<&'a str, Namespace<'a>>);

#[derive(Debug, Default)]
struct Namespace<'a> {
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Budget>>,
    without_label: Vec<&'a Budget>,
    unreadable: Vec<&'a Budget>,
}

impl<'a> BudgetIndex<'a> {
    /// Indexes all budgets.
    pub fn of(budgets: &'a [Arc<Budget>]) -> Self {
        let mut out = Self::default();
        for budget in budgets {
            let space = out.0.entry(&budget.namespace).or_default();
            let requirements = match &budget.selector {
                Selector::Nothing => continue,
                Selector::Unreadable(_) => {
                    space.unreadable.push(budget);
                    continue;
                }
                Selector::Labels(requirements) => requirements,
            };
            let required = requirements.iter().find_map(|requirement| match requirement {
                Requirement::In(key, values) => Some((key, values)),
                Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::Absent(_) => None,
            });
            match required {
                Some((key, values)) => {
                    for value in values.iter().collect::<HashSet<_>>() {
                        space.by_label.entry((key, value)).or_default().push(budget);
                    }
                }
                None => space.without_label.push(budget),
            }
        }
        out
    }

    /// Budgets that cover a pod, by name; those that cannot be read are left out.
    pub fn covering(&self, pod: &Pod) -> Vec<&'a Budget> {
        let Some(space) = self.0.get(pod.namespace.as_str()) else { return Vec::new() };
        let asked = pod.labels.iter().filter_map(|label| space.by_label.get(&label));
        let mut out: Vec<&Budget> = asked
            .flatten()
            .chain(&space.without_label)
            .copied()
            .filter(|budget| budget.selector.matches(&pod.labels) == Some(true))
            .collect();
        out.sort_by(|a, b| a.name.cmp(&b.name));
        out
    }

    /// Budgets of a namespace whose selector cannot be read.
    pub fn unreadable(&self, namespace: &str) -> &[&'a Budget] {
        self.0.get(namespace).map(|space| space.unreadable.as_slice()).unwrap_or_default()
    }
}

/// Whether a budget can never allow an eviction as it is: every pod is healthy, and still it allows none
/// (`isMisconfiguredPdb` of the machine controller).
pub fn is_misconfigured(budget: &Budget) -> bool {
    budget.observed
        && budget.expected > 0
        && budget.healthy >= budget.expected
        && budget.disrupted == 0
        && budget.allowed == 0
}

/// Whether the eviction API refuses a pod because of its only PodDisruptionBudget. Pending pods, and pods that are being
/// deleted, may always go; pods that are not ready may go while enough others are healthy.
pub fn blocks_eviction(budget: &Budget, pod: &Pod) -> bool {
    if pod.pending || pod.deleted_by.is_some() {
        return false;
    }
    let enough_others = budget.healthy >= budget.desired && budget.desired > 0;
    let may_go = !pod.ready && (budget.always_lets_unready_go || enough_others);
    !may_go && (budget.allowed <= 0 || !budget.observed)
}

/// A node, and its pods that the same budgets cover.
type Several<'a> = (&'a NodeRoll, Vec<&'a Pod>);

/// A node, the budget that covers some of its pods, and those pods.
type Held<'a> = (&'a NodeRoll, &'a Budget, Vec<&'a Pod>);

/// Finds PodDisruptionBudgets that block the drain of a node. Returns the uids of unscheduled pods that they explain.
pub fn find<'a>(
    context: &BlockerContext<'a>,
    pods: &RelevantPods<'a>,
    index: &BudgetIndex<'a>,
    out: &mut Vec<Blocker>,
) -> HashSet<&'a str> {
    let mut held: BTreeMap<(&str, &str, &str), Held<'_>> = BTreeMap::new();
    let mut several: BTreeMap<(&str, &str, Vec<&str>), Several<'_>> = BTreeMap::new();
    let mut unreadable: BTreeMap<(&str, &str), (&NodeRoll, &Budget)> = BTreeMap::new();
    for (pod, node) in &pods.leaving {
        for budget in index.unreadable(&pod.namespace) {
            unreadable.entry((&budget.namespace, &budget.name)).or_insert((node, budget));
        }
        match index.covering(pod).as_slice() {
            [] => {}
            [budget] => {
                // The replica that was evicted before may have to come back first.
                let lasts = began(context, node, budget)
                    .is_some_and(|began| since(began.at, context.clock.now()) >= PATIENCE);
                if blocks_eviction(budget, pod) && (is_misconfigured(budget) || lasts) {
                    let key = (node.name.as_str(), &*budget.namespace, &*budget.name);
                    held.entry(key).or_insert((node, budget, Vec::new())).2.push(pod);
                }
            }
            budgets => {
                if !pod.pending && pod.deleted_by.is_none() {
                    let names = budgets.iter().map(|budget| &*budget.name).collect();
                    let key = (node.name.as_str(), pod.namespace.as_str(), names);
                    several.entry(key).or_insert((node, Vec::new())).1.push(pod);
                }
            }
        }
    }
    for ((_, _, budgets), (node, pods)) in several {
        let budgets = budgets.into_iter().map(str::to_owned).collect();
        let cause = BlockerCause::SeveralPdbs { pods: pods.into_iter().collect(), budgets };
        out.push(Blocker::of_node(cause, node, node.since));
    }
    let mut explained = HashSet::new();
    for (node, budget, held) in held.into_values() {
        let waiting = pods.pending.iter().map(|(pod, _)| *pod).find(|pod| {
            pod.namespace == budget.namespace && budget.selector.matches(&pod.labels) == Some(true)
        });
        explained.extend(waiting.map(|pod| pod.uid.as_str()));
        let message = |pod: &Pod| pod.unscheduled.clone().map(|(_, message)| message);
        let cause = BlockerCause::Pdb(PdbBlock {
            budget: budget.into(),
            misconfigured: is_misconfigured(budget),
            pods: held.into_iter().collect(),
            status: budget.observed.then_some(PdbStatus {
                desired: budget.desired,
                healthy: budget.healthy,
                expected: budget.expected,
            }),
            fix: find_fix(budget),
            unscheduled: waiting.map(|pod| (pod.into(), message(pod).unwrap_or_default())),
        });
        out.push(Blocker::of_node(cause, node, began(context, node, budget)));
    }
    out.extend(unreadable.into_values().map(|(node, budget)| {
        let reason = match &budget.selector {
            Selector::Unreadable(reason) => reason.clone(),
            Selector::Nothing | Selector::Labels(_) => String::new(),
        };
        let (budget, node) = (ObjectName::from(budget), node.short.clone());
        Blocker::new(BlockerCause::UnreadablePdb { budget, reason, node }, None)
    }));
    explained
}

/// Since when a budget blocks a node: it drains, and the budget allows nothing. A budget that was exhausted when it was
/// first seen is taken to have been so all along.
fn began(context: &BlockerContext<'_>, node: &NodeRoll, budget: &Budget) -> Option<Since> {
    let exhausted = context.history.exhausted_since(budget).filter(|since| !since.at_least);
    node.since.map(|drains| exhausted.map_or(drains, |exhausted| drains.max(exhausted)))
}

/// Finds what lets a budget allow one eviction.
pub fn find_fix(budget: &Budget) -> PdbFix {
    let rule = |name: &str, value: &Option<String>, never: &[&str]| {
        let value = value.as_deref().filter(|value| never.contains(value))?;
        Some(format!("{name} {value}"))
    };
    let never = rule("maxUnavailable", &budget.max_unavailable, &["0", "0%"])
        .or_else(|| rule("minAvailable", &budget.min_available, &["100%"]));
    if never.is_some() {
        return PdbFix::Relax(never);
    }
    let Some(enough) = enough(budget) else { return PdbFix::Relax(None) };
    if enough > i64::from(budget.expected) || is_misconfigured(budget) {
        return PdbFix::AddReplicas((enough - i64::from(budget.healthy)).max(1));
    }
    PdbFix::AwaitReplicas(budget.desired.saturating_add(1).saturating_sub(budget.healthy).max(1))
}

/// The fewest pods, no fewer than there should be, of which one may go when all are ready. A percentage asks for
/// more of more pods, and the platform rounds up.
fn enough(budget: &Budget) -> Option<i64> {
    let percent = |text: &Option<String>| {
        let number = text.as_deref()?.strip_suffix('%')?.parse::<i64>().ok()?;
        (0..=100).contains(&number).then_some(number)
    };
    let part = |percent: i64, pods: i64| (percent * pods + 99) / 100;
    let allowed = |pods: i64| match (percent(&budget.min_available), &budget.max_unavailable) {
        (Some(least), _) => pods - part(least, pods),
        (None, Some(_)) => match percent(&budget.max_unavailable) {
            Some(most) => part(most, pods),
            // As many as it says, and that is not none.
            None => 1,
        },
        (None, None) => pods - i64::from(budget.desired),
    };
    let expected = i64::from(budget.expected).max(1);
    // Below a hundred percent, a hundred pods leave one; a number leaves one as soon as there is one more.
    let first = expected.max(i64::from(budget.desired)).saturating_add(1);
    (expected..=expected + 100)
        .find(|pods| allowed(*pods) >= 1)
        .or(Some(first))
        .filter(|pods| allowed(*pods) >= 1)
}
