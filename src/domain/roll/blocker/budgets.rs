//! PodDisruptionBudgets: which ones cover a pod, and whether they allow its eviction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::age::since;
use crate::domain::roll::blocker::cause::{
    Blocker, BlockerCause, MissingReplica, ObjectName, PdbBlock, PdbFix, PdbStatus,
};
use crate::domain::roll::blocker::context::{BlockerContext, PATIENCE, RelevantPods};
use crate::domain::roll::blocker::webhooks;
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::snapshot::{Budget, Event, FAILED_CREATE, Pod, Requirement, Selector};

/// Event reasons that supersede an earlier warning about a starting pod.
const GOES_ON: [&str; 4] = ["SuccessfulAttachVolume", "Pulling", "Pulled", "Started"];
/// Upper bound for the retry interval of controllers that fail to create a pod (17 minutes), with a margin.
const RETRIED: SignedDuration = SignedDuration::from_mins(20);

/// Budgets by namespace and one required label, so that a pod is compared only with the few that may cover it.
#[derive(Debug, Default)]
pub struct PdbIndex<'a>(HashMap<&'a str, Namespace<'a>>);

#[derive(Debug, Default)]
struct Namespace<'a> {
    by_label: HashMap<(&'a str, &'a str), Vec<&'a Budget>>,
    without_label: Vec<&'a Budget>,
    unreadable: Vec<&'a Budget>,
}

impl<'a> PdbIndex<'a> {
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

    /// Budgets that cover a pod, by name; those with an unreadable selector are skipped.
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

/// Whether a budget can never allow an eviction as it is: all pods are healthy, yet it allows none
/// (`isMisconfiguredPdb` of the machine controller).
pub fn is_misconfigured(budget: &Budget) -> bool {
    budget.observed
        && budget.expected > 0
        && budget.healthy >= budget.expected
        && budget.disrupted == 0
        && budget.allowed == 0
}

/// Whether it is misconfigured, or its status cannot be computed.
fn never_allows(budget: &Budget) -> bool {
    let fix = find_fix(budget, false);
    is_misconfigured(budget) || matches!(fix, PdbFix::NotComputed(_) | PdbFix::UnmanagedPods)
}

/// Whether the eviction API refuses a pod because of its only PodDisruptionBudget. Pending and terminating pods can
/// always be evicted; unready pods can while enough others are healthy.
pub fn blocks_eviction(budget: &Budget, pod: &Pod) -> bool {
    if pod.pending || pod.deletion_deadline.is_some() {
        return false;
    }
    let enough_others = budget.healthy >= budget.desired && budget.desired > 0;
    let may_go = !pod.ready && (budget.always_lets_unready_go || enough_others);
    !may_go && budget.allows_none()
}

/// A draining node, if any, and its pods covered by the same budgets.
type PodsOfSeveral<'a> = (Option<&'a NodeRoll>, Vec<&'a Pod>);

/// A node, a budget, and the node's pods that it covers.
type CoveredPods<'a> = (&'a NodeRoll, &'a Budget, Vec<&'a Pod>);

/// What budgets do to the pods of nodes that are drained, and of the next nodes.
#[derive(Default)]
struct Found<'a> {
    /// By node, namespace and budget.
    blocking: BTreeMap<(&'a str, &'a str, &'a str), CoveredPods<'a>>,
    /// The same, if the previously evicted replica may only have to become ready first.
    recent: BTreeMap<(&'a str, &'a str, &'a str), CoveredPods<'a>>,
    /// Pods under several budgets, by node, namespace and budgets.
    several: BTreeMap<(&'a str, &'a str, Vec<&'a str>), PodsOfSeveral<'a>>,
    /// By namespace and budget.
    unreadable: BTreeMap<(&'a str, &'a str), (&'a NodeRoll, &'a Budget)>,
    /// Budgets that will block the next nodes, by namespace and name.
    ahead: BTreeMap<(&'a str, &'a str), (&'a Budget, Vec<&'a Pod>)>,
}

impl<'a> Found<'a> {
    fn of(context: &BlockerContext<'a>, pods: &RelevantPods<'a>, index: &PdbIndex<'a>) -> Self {
        let mut found = Self::default();
        for (pod, node) in &pods.leaving {
            found.add_leaving(context, index, pod, node);
        }
        // A node stays blocked by a budget until it progresses, even if the budget changes.
        let mut recent = std::mem::take(&mut found.recent);
        recent.retain(|_, (node, budget, _)| {
            let block = context.history.blocked.get(&node.uid);
            block.is_some_and(|block| block.budgets.contains_key(&ObjectName::from(*budget)))
        });
        found.blocking.extend(recent);
        for pod in &pods.next {
            found.add_next(index, pod);
        }
        found
    }

    fn add_leaving(
        &mut self,
        context: &BlockerContext<'_>,
        index: &PdbIndex<'a>,
        pod: &'a Pod,
        node: &'a NodeRoll,
    ) {
        for budget in index.unreadable(&pod.namespace) {
            self.unreadable.entry((&budget.namespace, &budget.name)).or_insert((node, budget));
        }
        match index.covering(pod).as_slice() {
            [budget] if blocks_eviction(budget, pod) => {
                // Unread kinds may have changed since.
                let known = context.known_until(&["pods", "poddisruptionbudgets"]);
                let lasts = began(context, node, budget)
                    .is_some_and(|began| since(began.at, known) >= PATIENCE);
                let counts = is_misconfigured(budget) || lasts;
                let found = if counts { &mut self.blocking } else { &mut self.recent };
                let key = (node.name.as_str(), &*budget.namespace, &*budget.name);
                found.entry(key).or_insert((node, budget, Vec::new())).2.push(pod);
            }
            [] | [_] => {}
            budgets => self.add_several(Some(node), pod, budgets),
        }
    }

    fn add_next(&mut self, index: &PdbIndex<'a>, pod: &'a Pod) {
        match index.covering(pod).as_slice() {
            [budget] if never_allows(budget) && blocks_eviction(budget, pod) => {
                let mut blocking = self.blocking.values();
                if blocking.all(|(_, other, _)| !std::ptr::eq(*other, *budget)) {
                    let key = (&*budget.namespace, &*budget.name);
                    self.ahead.entry(key).or_insert((budget, Vec::new())).1.push(pod);
                }
            }
            [] | [_] => {}
            budgets => self.add_several(None, pod, budgets),
        }
    }

    fn add_several(&mut self, node: Option<&'a NodeRoll>, pod: &'a Pod, budgets: &[&'a Budget]) {
        if !pod.pending && pod.deletion_deadline.is_none() {
            let names = budgets.iter().map(|budget| &*budget.name).collect();
            let key = (node.map_or("", |node| &node.name), pod.namespace.as_str(), names);
            self.several.entry(key).or_insert((node, Vec::new())).1.push(pod);
        }
    }
}

/// Finds PodDisruptionBudgets that block the drain of a node. Returns the uids of unscheduled pods that they explain.
pub fn find<'a>(
    context: &BlockerContext<'a>,
    pods: &RelevantPods<'a>,
    index: &PdbIndex<'a>,
    out: &mut Vec<Blocker>,
) -> HashSet<&'a str> {
    let found = Found::of(context, pods, index);
    for ((_, _, budgets), (node, pods)) in found.several {
        let budgets = budgets.into_iter().map(str::to_owned).collect();
        let cause = BlockerCause::SeveralPdbs { pods: pods.into_iter().collect(), budgets };
        out.push(match node {
            Some(node) => Blocker::of_node(cause, node, node.since),
            None => Blocker::new(cause, None),
        });
    }
    out.extend(found.ahead.into_values().map(|(budget, pods)| {
        let (pods, fix) = (pods.into_iter().collect(), find_fix(budget, false));
        Blocker::new(BlockerCause::PdbAhead { budget: budget.into(), pods, fix }, None)
    }));
    let mut explained = HashSet::new();
    for (node, budget, blocked) in found.blocking.into_values() {
        let missing = find_missing(context, budget, &blocked, pods);
        explained.extend(missing.as_ref().and_then(|(pod, _)| *pod).map(|pod| pod.uid.as_str()));
        let cause = BlockerCause::Pdb(block(budget, blocked, missing.map(|(_, missing)| missing)));
        out.push(Blocker::of_node(cause, node, began(context, node, budget)));
    }
    out.extend(found.unreadable.into_values().map(|(node, budget)| {
        let reason = match &budget.selector {
            Selector::Unreadable(reason) => reason.clone(),
            Selector::Nothing | Selector::Labels(_) => String::new(),
        };
        let (budget, node) = (ObjectName::from(budget), node.short.clone());
        Blocker::new(BlockerCause::UnreadablePdb { budget, reason, node }, None)
    }));
    explained
}

/// What is shown of a budget that blocks the eviction of pods.
fn block(budget: &Budget, blocked: Vec<&Pod>, missing: Option<MissingReplica>) -> PdbBlock {
    let unready = blocked.iter().all(|pod| !pod.ready);
    let waiting = blocked.iter().find_map(|pod| pod.waiting.clone()).unwrap_or_default();
    PdbBlock {
        budget: budget.into(),
        misconfigured: is_misconfigured(budget),
        fix: find_fix(budget, unready),
        pods: blocked.into_iter().collect(),
        status: (budget.observed && budget.sync_failure.is_none()).then_some(PdbStatus {
            desired: budget.desired,
            healthy: budget.healthy,
            expected: budget.expected,
        }),
        unready: unready.then_some(waiting),
        missing,
    }
}

/// Why the replica that a budget waits for is missing, and the pod concerned, if any.
fn find_missing<'a>(
    context: &BlockerContext<'a>,
    budget: &Budget,
    blocked: &[&Pod],
    pods: &RelevantPods<'a>,
) -> Option<(Option<&'a Pod>, MissingReplica)> {
    let is_replica = |pod: &Pod| {
        let of_owner = blocked.iter().any(|blocked| is_sibling(blocked, pod));
        of_owner
            && pod.namespace == budget.namespace
            && budget.selector.matches(&pod.labels) == Some(true)
    };
    let unscheduled = pods.pending.iter().map(|(pod, _)| *pod).find(|pod| is_replica(pod));
    if let Some(pod) = unscheduled {
        let message = pod.unscheduled.clone().map(|(_, message)| message).unwrap_or_default();
        return Some((Some(pod), MissingReplica::Unscheduled(pod.into(), message)));
    }
    let placed = |pod: &&Pod| pod.pending && pod.node.is_some() && pod.deletion_deadline.is_none();
    let starting = context.snapshot.pods.iter().map(|pod| &**pod).filter(placed);
    for pod in starting.filter(|pod| is_replica(pod)) {
        // It is scheduled, so scheduling failures are outdated.
        let is_about = |event: &&Arc<Event>| {
            (event.warning || GOES_ON.contains(&&*event.reason))
                && event.reason != "FailedScheduling"
                && event.is_about(pod)
        };
        let latest = context.snapshot.events.iter().rev().find(is_about);
        if let Some(event) = latest.filter(|event| event.warning) {
            let text = format!("{}: {}", event.reason, event.message);
            return Some((Some(pod), MissingReplica::NotStarting(pod.into(), text)));
        }
    }
    // A crash-looping pod has started: it is not pending. The node's own pods are covered elsewhere.
    let runs = |pod: &&Pod| {
        !(pod.finished || pod.ready || pod.deletion_deadline.is_some())
            && (!pod.pending || pod.waiting.is_some())
            && blocked.iter().all(|blocked| blocked.uid != pod.uid)
    };
    let running = context.snapshot.pods.iter().map(|pod| &**pod).filter(runs);
    // Pods with a reason take precedence.
    if let Some(pod) = running.filter(|pod| is_replica(pod)).max_by_key(|pod| pod.waiting.is_some())
    {
        let reason = pod.waiting.clone().unwrap_or_default();
        return Some((Some(pod), MissingReplica::NotReady(pod.into(), reason)));
    }
    // The budget's figures do not show a missing replica: it may expect only as many pods as exist.
    let rejecting = |pod: &&Pod| webhooks::rejecting_pods(context.snapshot, pod);
    if let Some(rejecting) = blocked.iter().find_map(rejecting) {
        return Some((None, MissingReplica::Rejected(rejecting)));
    }
    // A later pod shows that creation works again.
    let is_latest = |event: &Event| {
        let mut replicas = context.snapshot.pods.iter().filter(|pod| is_replica(pod));
        replicas.all(|pod| pod.created < event.at)
            && event.at.is_some_and(|at| context.clock.age(at) < RETRIED)
    };
    let is_about = |event: &&Arc<Event>| {
        event.reason == FAILED_CREATE
            && event.namespace == budget.namespace
            && blocked.iter().filter_map(|pod| pod.owner.as_ref()).any(|owner| {
                is_same_workload((&owner.kind, &owner.name), (&event.kind, &event.name))
            })
            && is_latest(event)
    };
    if let Some(event) = context.snapshot.events.iter().rev().find(is_about) {
        let owner = ObjectName::new(&event.namespace, &event.name);
        return Some((None, MissingReplica::NotCreated(owner, event.message.clone())));
    }
    let is_bare = blocked.iter().any(|pod| pod.owner.is_none())
        && find_fix(budget, false) != PdbFix::UnmanagedPods;
    is_bare.then_some((None, MissingReplica::NoController))
}

/// Whether two pods are replicas of the same workload.
fn is_sibling(one: &Pod, other: &Pod) -> bool {
    let (Some(one), Some(other)) = (&one.owner, &other.owner) else { return false };
    is_same_workload((&one.kind, &one.name), (&other.kind, &other.name))
}

/// Whether two controllers, by kind and name, belong to the same workload. `ReplicaSet`s of one Deployment differ only
/// in the last part of their names.
fn is_same_workload(one: (&str, &str), other: (&str, &str)) -> bool {
    let workload = |name: &str| name.rsplit_once('-').map(|(name, _)| name.to_owned());
    let of_deployment = one.0 == "ReplicaSet" && workload(one.1) == workload(other.1);
    one.0 == other.0 && (one.1 == other.1 || of_deployment)
}

/// Since when a budget blocks a node: the node drains and the budget allows nothing. A budget that was exhausted when
/// first seen counts as exhausted from the start.
fn began(context: &BlockerContext<'_>, node: &NodeRoll, budget: &Budget) -> Option<Since> {
    let blocked = context.history.blocked.get(&node.uid);
    if let Some(since) = blocked.and_then(|block| block.budgets.get(&budget.into())) {
        return Some(*since);
    }
    let exhausted = context.history.budget_since(budget).filter(|since| !since.at_least);
    node.since.map(|drains| exhausted.map_or(drains, |exhausted| drains.max(exhausted)))
}

/// The change after which a budget allows one eviction; `unready`: of pods that are not ready, which can be evicted as
/// soon as enough others are ready.
pub fn find_fix(budget: &Budget, unready: bool) -> PdbFix {
    if let Some(message) = &budget.sync_failure {
        return PdbFix::NotComputed(message.clone());
    }
    if budget.observed && budget.expected == 0 && budget.desired == 0 {
        return PdbFix::UnmanagedPods;
    }
    let rule = |name: &str, value: &Option<String>, never: &[&str]| {
        let value = value.as_deref().filter(|value| never.contains(value))?;
        Some(format!("{name} {value}"))
    };
    let never = rule("maxUnavailable", &budget.max_unavailable, &["0", "0%"])
        .or_else(|| rule("minAvailable", &budget.min_available, &["100%"]));
    if never.is_some() {
        return PdbFix::Relax(never);
    }
    if !budget.observed {
        return PdbFix::AwaitStatus;
    }
    let Some(enough) = enough(budget) else { return PdbFix::Relax(None) };
    // One of them is unready and may stay so.
    let spared = i32::from(unready && budget.desired > 0);
    if enough > i64::from(budget.expected) || is_misconfigured(budget) {
        return PdbFix::AddReplicas(
            (enough - i64::from(spared) - i64::from(budget.healthy)).max(1),
        );
    }
    let least = budget.desired.saturating_add(1).saturating_sub(spared);
    let count = least.saturating_sub(budget.healthy).max(1);
    if budget.max_unavailable.is_some() {
        PdbFix::RepairReplicas(count)
    } else {
        PdbFix::AwaitReplicas(count)
    }
}

/// The minimum number of pods, at least the expected ones, that allows one eviction when all are ready. A percentage
/// requires more of more pods, and the platform rounds up.
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
            // A number other than zero always allows one.
            None => 1,
        },
        (None, None) => pods - i64::from(budget.desired),
    };
    let expected = i64::from(budget.expected).max(1);
    // Below 100 %, one of a hundred pods can be evicted; with a number, one extra pod suffices.
    let first = expected.max(i64::from(budget.desired)).saturating_add(1);
    (expected..=expected + 100)
        .find(|pods| allowed(*pods) >= 1)
        .or(Some(first))
        .filter(|pods| allowed(*pods) >= 1)
}
