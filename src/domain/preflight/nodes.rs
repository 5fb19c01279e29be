//! Findings from a snapshot before a step: what will block nodes, what is lost, and what is planned at the time.
//!
//! Counts with the first few names; every list is bounded. Pods in `kube-system` belong to the platform and are
//! skipped, except for PodDisruptionBudgets, which block a drain in any namespace.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::age::since;
use crate::domain::cluster::{Cluster, NodePool};
use crate::domain::preflight::finding::Finding;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::budgets::{PdbIndex, is_misconfigured};
use crate::domain::roll::blocker::cause::{NameSample, ObjectName};
use crate::domain::roll::blocker::pods::{bound_volumes, find_full_pools};
use crate::domain::roll::blocker::webhooks::find_unanswered;
use crate::domain::roll::calendar::{PlannedEvent, planned_events};
use crate::domain::roll::classify::short_name;
use crate::domain::roll::durations::{DurationRange, USUAL_NODE};
use crate::domain::roll::generation::{CONTROL_PLANE, pool_of};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::limits::{Limits, share, zones_that_drain_first};
use crate::domain::snapshot::{Budget, ClusterSnapshot, Node, Pod, Selector, Unseen};

/// Termination grace periods from this on matter for the duration of a node's replacement.
const LONG_GRACE_SECONDS: i64 = 600;

/// Before start: everything about the nodes. Without a snapshot, only what the SKE API reports.
pub fn before_start(
    cluster: &Cluster,
    snapshot: Option<&ClusterSnapshot>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut out = Vec::new();
    let expected = nodes_to_replace(cluster, snapshot);
    if let Some((count, takes)) = expected.filter(|_| snapshot.is_some()) {
        out.push(Finding::NodesToReplace { count, takes });
    }
    out.extend(cluster.pools.iter().filter_map(find_drains_first));
    // The control plane comes first.
    let within = expected.map(|(_, takes)| takes.high).unwrap_or_default() + CONTROL_PLANE;
    out.extend(planned_events(cluster, now, within).into_iter().map(|event| match event {
        PlannedEvent::Hibernation(at) => Finding::HibernationIn(since(now, at)),
        PlannedEvent::Maintenance(at) => Finding::MaintenanceIn(since(now, at)),
        PlannedEvent::Unreadable(text) => Finding::UnreadableSchedule(text),
    }));
    out.push(Finding::Capacity);
    let Some(snapshot) = snapshot else {
        out.push(Finding::PdbsNotVisible);
        return out;
    };
    find_unseen(snapshot, &mut out);
    let cordoned = snapshot.nodes.iter().filter(|node| node.cordoned && node.terminating.is_none());
    let cordoned = cordoned.map(|node| ObjectName::new("", &short_name(&node.name, &node.pool)));
    push_some(cordoned.collect(), Finding::CordonedNodes, &mut out);
    find_pdbs(snapshot, &mut out);
    let unanswered = find_unanswered(snapshot).unwrap_or_default();
    for certain in [true, false] {
        let found = || unanswered.iter().filter(move |webhook| webhook.certain == certain);
        let services: NameSample = found().map(|webhook| webhook.service.clone()).collect();
        if services.count > 0 {
            let refused = found().flat_map(|webhook| &webhook.refused).copied().collect();
            out.push(Finding::Webhooks { services, certain, refused });
        }
    }
    find_workloads(snapshot, &mut out);
    let roll = Roll::evaluate(cluster, snapshot, &RollHistory::default(), now);
    let full = find_full_pools(cluster, &roll.pools, &BTreeSet::new()).into_iter().take(3);
    out.extend(full.map(Finding::PoolAtMaximum));
    out
}

/// Before complete: whether all nodes are new, and other facts about the nodes.
pub fn before_complete(
    cluster: &Cluster,
    snapshot: &ClusterSnapshot,
    now: Timestamp,
) -> Vec<Finding> {
    let unseen = snapshot.unseen.get("nodes");
    let mut out: Vec<Finding> =
        unseen.map(|why| Finding::KindUnseen("nodes", why.clone())).into_iter().collect();
    let roll = Roll::evaluate(cluster, snapshot, &RollHistory::default(), now);
    let counted = roll.counts.seen() - roll.counts.preserved;
    // Both times by the cluster's clock: converting one would make them incomparable.
    let named = |wanted: &dyn Fn(&Node) -> bool| -> NameSample {
        let chosen = snapshot.nodes.iter().filter(|node| wanted(node));
        let names: BTreeSet<&str> = chosen.map(|node| node.name.as_str()).collect();
        let nodes = roll.nodes().filter(|node| names.contains(node.name.as_str()));
        nodes.map(|node| ObjectName::new("", &node.short)).collect()
    };
    let rotation = &cluster.rotation;
    let start = rotation.start();
    let old = named(&|node| node.created.is_some() && node.created < start);
    let unclear = named(&|node| node.created.is_none());
    if start.is_none() && counted > 0 {
        out.push(Finding::NodesOfUnknownAge(None));
    } else if unclear.count > 0 {
        out.push(Finding::NodesOfUnknownAge(Some(unclear)));
    } else if old.count == 0 && counted > 0 && unseen.is_none() {
        out.push(Finding::NodesSinceStart(counted));
    }
    push_some(old, Finding::NodesBeforeStart, &mut out);
    out.extend(roll.another.map(Finding::AnotherRoll));
    let unready = roll.counts.joining + roll.counts.preserved;
    out.extend((unready > 0).then_some(Finding::NodesNotReady(unready)));
    let unscheduled = user_pods(snapshot).filter(|pod| pod.unscheduled.is_some());
    push_some(unscheduled.collect(), Finding::UnschedulablePods, &mut out);
    out
}

/// Number of nodes to replace and the usual duration: the slowest zone counts. Based on existing nodes, otherwise on
/// the minimum of the pools; `None` if there are none.
pub fn nodes_to_replace(
    cluster: &Cluster,
    snapshot: Option<&ClusterSnapshot>,
) -> Option<(usize, DurationRange)> {
    let seen = snapshot.filter(|snapshot| !snapshot.is_blind_to("nodes"));
    let known: BTreeSet<String> = cluster.pools.iter().map(|pool| pool.name.clone()).collect();
    let mut nodes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    match seen {
        Some(snapshot) => {
            // A failed node that is preserved is not replaced.
            for node in snapshot.nodes.iter().filter(|node| node.ready || !node.preserved) {
                let pool = pool_of(node, &snapshot.templates, &known);
                *nodes.entry((pool, &node.zone)).or_default() += 1;
            }
        }
        None => {
            for pool in &cluster.pools {
                for (index, zone) in pool.zones.iter().enumerate() {
                    let fewest = share(pool.minimum, pool.zones.len(), index);
                    let fewest = usize::try_from(fewest).unwrap_or(usize::MAX);
                    *nodes.entry((&pool.name, zone)).or_default() += fewest;
                }
            }
        }
    }
    let batch = |(pool, zone): (&str, &str)| {
        let pool = cluster.pools.iter().find(|known| known.name == pool)?;
        let index = pool.zones.iter().position(|known| known == zone)?;
        Some(Limits::of(pool, index).batch())
    };
    let total: usize = nodes.values().sum();
    let batches = nodes
        .iter()
        .map(|(location, count)| count.div_ceil(batch(*location).unwrap_or(1)))
        .max()?;
    (total > 0).then_some((total, USUAL_NODE.times(batches)))
}

fn find_drains_first(pool: &NodePool) -> Option<Finding> {
    let (surge, unavailable, zones) = (pool.max_surge, pool.max_unavailable, pool.zones.len());
    if !(0..zones).any(|index| Limits::of(pool, index).forced) {
        return None;
    }
    let draining = zones_that_drain_first(pool).into_iter().map(str::to_owned).collect();
    Some(Finding::DrainsFirst { pool: pool.name.clone(), surge, unavailable, zones, draining })
}

fn find_unseen(snapshot: &ClusterSnapshot, out: &mut Vec<Finding>) {
    // No finding is based on events.
    let kinds = snapshot.unseen.iter().filter(|(kind, _)| **kind != "events");
    let (unread, others): (Vec<_>, Vec<_>) = kinds.partition(|(_, why)| **why == Unseen::Unread);
    out.extend(others.into_iter().map(|(kind, why)| Finding::KindUnseen(kind, why.clone())));
    if !unread.is_empty() {
        out.push(Finding::BeingRead(unread.into_iter().map(|(kind, _)| *kind).collect()));
    }
}

fn find_pdbs(snapshot: &ClusterSnapshot, out: &mut Vec<Finding>) {
    let named = |wanted: &dyn Fn(&Budget) -> bool| -> NameSample {
        snapshot.budgets.iter().map(|budget| &**budget).filter(|budget| wanted(budget)).collect()
    };
    let index = PdbIndex::of(&snapshot.budgets);
    // Budgets of pods that a drain evicts, and of those that it skips.
    let (mut evicted, mut left) = (BTreeSet::new(), BTreeSet::new());
    for pod in all_pods(snapshot) {
        let of = if pod.stays_on_its_node() { &mut left } else { &mut evicted };
        of.extend(index.covering(pod).into_iter().map(ObjectName::from));
    }
    let matches = |budget: &Budget| evicted.contains(&budget.into());
    let may_block = |budget: &Budget| matches(budget) || !left.contains(&budget.into());
    // A new or changed budget has no status yet for the pods that it covers.
    let covers = |budget: &Budget| {
        let counts = budget.expected > 0 && !matches!(budget.selector, Selector::Nothing);
        matches(budget) || (counts && may_block(budget))
    };
    let misconfigured = named(&|budget| is_misconfigured(budget) && covers(budget));
    let uncomputed = |budget: &Budget| {
        budget.allows_none()
            && (budget.sync_failure.is_some() && may_block(budget)
                || (budget.observed && budget.expected == 0 && matches(budget)))
    };
    let exhausted =
        named(&|b| b.allows_none() && !is_misconfigured(b) && covers(b) && !uncomputed(b));
    let uncomputed = named(&uncomputed);
    let unreadable = named(&|budget| matches!(budget.selector, Selector::Unreadable(_)));
    let none = misconfigured.count + exhausted.count + unreadable.count + uncomputed.count == 0;
    push_some(misconfigured, Finding::MisconfiguredPdbs, out);
    push_some(exhausted, Finding::ExhaustedPdbs, out);
    push_some(uncomputed, Finding::UncomputedPdbs, out);
    push_some(unreadable, Finding::UnreadablePdbs, out);
    let several: NameSample = all_pods(snapshot)
        .filter(|pod| !pod.stays_on_its_node() && index.covering(pod).len() > 1)
        .collect();
    if several.count > 0 {
        out.push(Finding::PodsUnderSeveralPdbs(several));
    } else if none
        && ["pods", "poddisruptionbudgets"].iter().all(|kind| !snapshot.unseen.contains_key(kind))
    {
        out.push(Finding::NoPdbBlocks);
    }
}

fn find_workloads(snapshot: &ClusterSnapshot, out: &mut Vec<Finding>) {
    let mut replicas: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for pod in user_pods(snapshot) {
        if let Some(owner) = pod.owner.as_ref().filter(|owner| owner.kind != "Job") {
            *replicas.entry((&pod.namespace, &owner.kind, &owner.name)).or_default() += 1;
        }
    }
    let single = replicas.into_iter().filter(|(_, count)| *count == 1);
    let single = single.map(|((namespace, _, name), _)| ObjectName::new(namespace, name));
    push_some(single.collect(), Finding::SingleReplicas, out);
    let volumes = snapshot.volumes.iter().map(|volume| &**volume);
    let bound = bound_volumes(volumes.filter(|volume| volume.on_node));
    let is_bound = |pod: &&Pod| {
        pod.claims.iter().any(|claim| bound.contains_key(&(&*pod.namespace, claim.as_str())))
    };
    let has_data = |pod: &&Pod| pod.local_data && pod.owner.is_some();
    let pods = || user_pods(snapshot);
    let stays_long = |pod: &&Pod| pod.grace_seconds >= LONG_GRACE_SECONDS;
    push_some(pods().filter(stays_long).collect(), Finding::LongGracePeriods, out);
    push_some(pods().filter(|pod| pod.owner.is_none()).collect(), Finding::BarePods, out);
    push_some(pods().filter(is_bound).collect(), Finding::PodsWithLocalVolumes, out);
    push_some(pods().filter(has_data).collect(), Finding::PodsWithLocalData, out);
}

fn push_some(found: NameSample, finding: fn(NameSample) -> Finding, out: &mut Vec<Finding>) {
    if found.count > 0 {
        out.push(finding(found));
    }
}

/// User pods that a drain evicts.
fn user_pods(snapshot: &ClusterSnapshot) -> impl Iterator<Item = &Pod> {
    all_pods(snapshot).filter(|pod| pod.namespace != "kube-system" && !pod.stays_on_its_node())
}

fn all_pods(snapshot: &ClusterSnapshot) -> impl Iterator<Item = &Pod> {
    snapshot.pods.iter().map(|pod| &**pod).filter(|pod| !pod.finished)
}
