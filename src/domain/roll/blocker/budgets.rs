//! PodDisruptionBudgets: which one covers a pod, and whether it lets the pod go.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::age::since;
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::{
    Blocker, BlockerDraft, BlockerKind, Object, PATIENCE, Scene, place, waits,
};
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::snapshot::{Budget, Pod, Requirement, Selector};
use crate::domain::text::clean;

/// The remedy that needs no change of a budget or a workload, and what it costs.
const BY_HAND: &str =
    "Deleting the pod goes past the budget and leaves one fewer until another is ready.";

/// Budgets found by namespace and by one label that they ask for, so that a pod is compared with the few that may
/// cover it and not with all.
#[derive(Debug, Default)]
pub struct BudgetIndex<'a>(HashMap<&'a str, Namespace<'a>>);

#[derive(Debug, Default)]
struct Namespace<'a> {
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Budget>>,
    by_nothing: Vec<&'a Budget>,
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
            let asked = requirements.iter().find_map(|requirement| match requirement {
                Requirement::In(key, values) => Some((key, values)),
                Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::Absent(_) => None,
            });
            match asked {
                Some((key, values)) => {
                    for value in values.iter().collect::<HashSet<_>>() {
                        space.by_label.entry((key, value)).or_default().push(budget);
                    }
                }
                None => space.by_nothing.push(budget),
            }
        }
        out
    }

    /// Budgets that cover a pod, by name; those that cannot be judged are left out.
    pub fn covering(&self, pod: &Pod) -> Vec<&'a Budget> {
        let Some(space) = self.0.get(pod.namespace.as_str()) else { return Vec::new() };
        let asked = pod.labels.iter().filter_map(|label| space.by_label.get(&label));
        let mut out: Vec<&Budget> = asked
            .flatten()
            .chain(&space.by_nothing)
            .copied()
            .filter(|budget| budget.selector.matches(&pod.labels) == Some(true))
            .collect();
        out.sort_by(|a, b| a.name.cmp(&b.name));
        out
    }

    /// Budgets of a namespace whose selector cannot be judged.
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

/// Whether the eviction API refuses a pod because of its only budget. Pending pods, and pods that are being
/// deleted, may always go; pods that are not ready may go while enough others are healthy.
pub fn holds(budget: &Budget, pod: &Pod) -> bool {
    if pod.pending || pod.deleted_by.is_some() {
        return false;
    }
    let enough_others = budget.healthy >= budget.desired && budget.desired > 0;
    let free = !pod.ready && (budget.always_lets_unready_go || enough_others);
    !free && (budget.allowed <= 0 || !budget.observed)
}

/// A node, the budget that holds it, and the pods that stay because of that.
type Held<'a> = (&'a NodeRoll, &'a Budget, Vec<&'a Pod>);

/// A node, and its pods that the same budgets cover.
type Several<'a> = (&'a NodeRoll, Vec<&'a Pod>);

/// Budgets that hold draining nodes. Gives back the uids of waiting pods that are explained by one of them.
pub fn find<'a>(
    scene: &Scene<'a>,
    gathered: &BlockerDraft<'a>,
    index: &BudgetIndex<'a>,
    out: &mut Vec<Blocker>,
) -> HashSet<&'a str> {
    let mut held: BTreeMap<(&str, &str, &str), Held<'_>> = BTreeMap::new();
    let mut several: BTreeMap<(&str, &str, Vec<&str>), Several<'_>> = BTreeMap::new();
    let mut unreadable: BTreeMap<(&str, &str), (&NodeRoll, &Budget)> = BTreeMap::new();
    for (pod, node) in &gathered.leaving {
        for budget in index.unreadable(&pod.namespace) {
            unreadable.entry((&budget.namespace, &budget.name)).or_insert((node, budget));
        }
        match index.covering(pod).as_slice() {
            [] => {}
            [budget] => {
                let patient = began(scene, node, budget)
                    .is_some_and(|began| since(began.at, scene.clock.now()) >= PATIENCE);
                if holds(budget, pod) && (is_misconfigured(budget) || patient) {
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
    for ((_, _, names), (node, pods)) in several {
        out.extend(under_several(scene, &pods, node, &names));
    }
    let mut explained = HashSet::new();
    for (node, budget, pods) in held.into_values() {
        let waiting = gathered.pending.iter().map(|(pod, _)| *pod).find(|pod| {
            pod.namespace == budget.namespace && budget.selector.matches(&pod.labels) == Some(true)
        });
        explained.extend(waiting.map(|pod| pod.uid.as_str()));
        out.push(held_by(scene, node, budget, &pods, waiting));
    }
    out.extend(unreadable.into_values().map(|(node, budget)| cannot_be_judged(node, budget)));
    explained
}

/// Since when a budget holds a node: it drains, and the budget allows nothing. A budget that was so when it was first
/// seen is taken to have been so all along.
fn began(scene: &Scene<'_>, node: &NodeRoll, budget: &Budget) -> Option<Since> {
    let tight = scene.history.memory().tight_since(budget).filter(|since| !since.at_least);
    node.since.map(|drains| tight.map_or(drains, |tight| drains.max(tight)))
}

fn held_by(
    scene: &Scene<'_>,
    node: &NodeRoll,
    budget: &Budget,
    pods: &[&Pod],
    waiting: Option<&Pod>,
) -> Blocker {
    let since = began(scene, node, budget);
    let first = pods.first().map(|pod| place(&pod.namespace, &pod.name)).unwrap_or_default();
    let more = match pods.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let (kind, of) = if is_misconfigured(budget) {
        (BlockerKind::MisconfiguredBudget, format!(" of {}", budget.expected))
    } else {
        (BlockerKind::Budget, String::new())
    };
    let figures = if budget.observed {
        format!("allows 0 (needs {} healthy, has {}{of})", budget.desired, budget.healthy)
    } else {
        "was changed and is not computed anew yet".to_owned()
    };
    let object = Object::new("PodDisruptionBudget", &budget.namespace, &budget.name);
    let mut why = format!(
        "{}: pod {first}{more} may not be evicted, {object} {figures}.",
        waits(node, since, scene.clock)
    );
    if let Some(pod) = waiting {
        why.push_str(&format!(" Replica {} finds no node", place(&pod.namespace, &pod.name)));
        match &pod.unscheduled {
            Some((_, words)) if !words.is_empty() => {
                why.push_str(&format!(": {}.", clean(words.trim_end_matches('.'))));
            }
            Some(_) | None => why.push('.'),
        }
    }
    let brief = format!(
        "{object} {}",
        if kind == BlockerKind::MisconfiguredBudget { "never lets a pod go" } else { "allows 0" }
    );
    let mut blocker = Blocker::new(kind, brief, why, format!("{} {BY_HAND}", frees(budget)));
    blocker.command = Kubectl::about(Some(&budget.namespace), "get pdb", &budget.name, "");
    blocker.object = Some(object);
    blocker.node = Some(node.name.clone());
    blocker.place = Some((node.pool.clone(), node.zone.clone()));
    blocker.since = since;
    blocker
}

/// What lets a budget allow one eviction.
pub fn frees(budget: &Budget) -> String {
    let is = |text: &Option<String>, values: &[&str]| {
        text.as_deref().filter(|text| values.contains(text)).map(str::to_owned)
    };
    let never = is(&budget.max_unavailable, &["0", "0%"])
        .map(|text| format!("maxUnavailable {text}"))
        .or_else(|| {
            is(&budget.min_available, &["100%"]).map(|text| format!("minAvailable {text}"))
        });
    if let Some(rule) = never {
        return format!("It moves only when the budget is loosened: {rule} lets no pod go.");
    }
    let Some(enough) = enough(budget) else {
        return "It moves only when the budget is loosened.".to_owned();
    };
    if enough > i64::from(budget.expected) || is_misconfigured(budget) {
        return match (enough - i64::from(budget.healthy)).max(1) {
            1 => {
                "It moves when the workload has one more ready replica, or the budget is loosened."
                    .to_owned()
            }
            more => format!(
                "It moves when the workload has {more} more ready replicas, or the budget is loosened."
            ),
        };
    }
    match budget.desired.saturating_add(1).saturating_sub(budget.healthy).max(1) {
        1 => "It moves when one more replica is ready.".to_owned(),
        more => format!("It moves when {more} more replicas are ready."),
    }
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

fn under_several(
    scene: &Scene<'_>,
    pods: &[&Pod],
    node: &NodeRoll,
    budgets: &[&str],
) -> Option<Blocker> {
    let pod = pods.first()?;
    let more = match pods.len() {
        0 | 1 => String::new(),
        count => format!(", and {} more pods here,", count - 1),
    };
    let names: Vec<String> = budgets.iter().take(3).map(|name| clean(name)).collect();
    let object = Object::new("Pod", &pod.namespace, &pod.name);
    let mut blocker = Blocker::new(
        BlockerKind::SeveralBudgets,
        format!(
            "pod {} is under {} PodDisruptionBudgets",
            place(&pod.namespace, &pod.name),
            budgets.len()
        ),
        format!(
            "{}: pod {}{more} is under {} PodDisruptionBudgets ({}); such a pod cannot be evicted.",
            waits(node, node.since, scene.clock),
            place(&pod.namespace, &pod.name),
            budgets.len(),
            names.join(", ")
        ),
        format!("It moves when only one of them covers the pod. {BY_HAND}"),
    );
    let first = budgets.first().copied().unwrap_or_default();
    blocker.command = Kubectl::about(Some(&pod.namespace), "get pdb", first, "");
    blocker.object = Some(object);
    blocker.node = Some(node.name.clone());
    blocker.place = Some((node.pool.clone(), node.zone.clone()));
    blocker.since = node.since;
    Some(blocker)
}

fn cannot_be_judged(node: &NodeRoll, budget: &Budget) -> Blocker {
    let object = Object::new("PodDisruptionBudget", &budget.namespace, &budget.name);
    let why = match &budget.selector {
        Selector::Unreadable(why) => clean(why),
        Selector::Nothing | Selector::Labels(_) => String::new(),
    };
    let mut blocker = Blocker::new(
        BlockerKind::UnreadableBudget,
        format!("{object} cannot be judged"),
        format!("{object} cannot be judged ({why}); it may hold pods on {}.", node.short),
        "Look at it by hand.",
    );
    blocker.command = Kubectl::about(Some(&budget.namespace), "get pdb", &budget.name, "-o yaml");
    blocker.object = Some(object);
    blocker
}
