//! What a snapshot tells before a step: what will hold the nodes up, what is lost, and what falls into the time.
//!
//! Counts with the first names; every list is bounded. Pods of `kube-system` are the platform's and left out, but
//! for PodDisruptionBudgets, which hold a drain wherever they are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::age::{long, since};
use crate::domain::cluster::{Cluster, NodePool};
use crate::domain::preflight::{Finding, FindingMark};
use crate::domain::roll::blocker::budgets::{BudgetIndex, is_misconfigured};
use crate::domain::roll::blocker::pods::{bound_volumes, pools_at_maximum};
use crate::domain::roll::blocker::webhooks::{Unanswered, unanswered};
use crate::domain::roll::calendar::{Due, due};
use crate::domain::roll::eta::{DurationRange, usual};
use crate::domain::roll::format::{first_names, list, span};
use crate::domain::roll::generation::pool_of;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::limits::{Limits, share, zones_that_drain_first};
use crate::domain::roll::{Roll, format};
use crate::domain::snapshot::{Budget, ClusterSnapshot, Node, Pod, Selector, Unseen};
use crate::domain::text::{clean, plural};

/// Before start: everything the nodes will meet. Without a snapshot, what the SKE API alone tells.
pub fn start(
    cluster: &Cluster,
    snapshot: Option<&ClusterSnapshot>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut out = Vec::new();
    let lasts = estimate(cluster, snapshot);
    if let Some((nodes, lasts)) = lasts.filter(|_| snapshot.is_some()) {
        out.push(Finding::new(
            FindingMark::Fine,
            format!(
                "{} to replace, usually {} in all if nothing blocks",
                plural(nodes, "node", "nodes"),
                span(lasts)
            ),
        ));
    }
    out.extend(cluster.pools.iter().filter_map(drains_first));
    let within = lasts.map(|(_, lasts)| lasts.high).unwrap_or_default();
    out.extend(due(cluster, now, within).iter().map(|due| meanwhile(due, now)));
    out.push(Finding::new(
        FindingMark::Unknowable,
        "free capacity and quota cannot be seen from here",
    ));
    match snapshot {
        None => out.push(Finding::new(
            FindingMark::Unknowable,
            "PodDisruptionBudgets: not visible in the SKE API",
        )),
        Some(snapshot) => {
            out.extend(unseen(snapshot));
            let index = BudgetIndex::of(&snapshot.budgets);
            budgets(snapshot, &index, &mut out);
            webhooks(snapshot, &mut out);
            workloads(snapshot, &mut out);
            let roll = Roll::read(cluster, snapshot, &RollHistory::default(), now);
            for (_, text) in
                pools_at_maximum(cluster, &roll.pools, &BTreeSet::new()).into_iter().take(3)
            {
                out.push(Finding::new(
                    FindingMark::Note,
                    format!("{text}; no node is added there for pods that find none"),
                ));
            }
        }
    }
    out
}

/// Before complete: whether every node is new, and what else the snapshot tells of the nodes.
pub fn complete(cluster: &Cluster, snapshot: &ClusterSnapshot, now: Timestamp) -> Vec<Finding> {
    let mut out: Vec<Finding> =
        snapshot.unseen.get("nodes").map(|why| not_listed("nodes", why)).into_iter().collect();
    if snapshot.is_blind_to("nodes") {
        return out;
    }
    let roll = Roll::read(cluster, snapshot, &RollHistory::default(), now);
    let counted = roll.counts.seen() - roll.counts.preserved;
    // Both moments as they were written: one of them brought to our clock would not compare with the other.
    let named = |wanted: &dyn Fn(&Node) -> bool| -> Vec<String> {
        let chosen = snapshot.nodes.iter().filter(|node| wanted(node));
        let names: BTreeSet<&str> = chosen.map(|node| node.name.as_str()).collect();
        let nodes = roll.nodes().filter(|node| names.contains(node.name.as_str()));
        nodes.map(|node| node.short.clone()).collect()
    };
    let start = cluster.rotation.initiated;
    let old = named(&|node| start.is_some() && node.created.is_some() && node.created < start);
    let unclear = named(&|node| node.created.is_none());
    if start.is_none() && counted > 0 {
        out.push(Finding::new(
            FindingMark::Unknowable,
            "whether the nodes were created after the start cannot be told: SKE does not state when it was",
        ));
    } else if !unclear.is_empty() {
        out.push(Finding::new(
            FindingMark::Unknowable,
            format!(
                "whether {} created after the start cannot be told: {}",
                plural(unclear.len(), "node was", "nodes were"),
                list(unclear, 3)
            ),
        ));
    } else if old.is_empty() && counted > 0 {
        out.push(Finding::new(
            FindingMark::Fine,
            format!("{counted} of {counted} nodes were created after the start"),
        ));
    }
    if !old.is_empty() {
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{} created before the start and may not outlive complete: {}",
                plural(old.len(), "node was", "nodes were"),
                list(old, 3)
            ),
        ));
    }
    if let Some(another) = roll.another {
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "another roll is under way ({}); it is not part of the rotation",
                format::figure(another)
            ),
        ));
    }
    let unready = roll.counts.joining + roll.counts.preserved;
    if unready > 0 {
        out.push(Finding::new(
            FindingMark::Note,
            format!("{} not ready", plural(unready, "node is", "nodes are")),
        ));
    }
    let waiting: Vec<&Pod> = pods(snapshot).filter(|pod| pod.unscheduled.is_some()).collect();
    if !waiting.is_empty() {
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{} no node: {}",
                plural(waiting.len(), "pod finds", "pods find"),
                first_names(&waiting)
            ),
        ));
    }
    out
}

/// Nodes that will be replaced and how long that usually takes: the slowest zone counts. From the nodes that are
/// there, else from the fewest that the pools may have; `None` without any.
pub fn estimate(
    cluster: &Cluster,
    snapshot: Option<&ClusterSnapshot>,
) -> Option<(usize, DurationRange)> {
    let seen = snapshot.filter(|snapshot| !snapshot.is_blind_to("nodes"));
    let known: BTreeSet<String> = cluster.pools.iter().map(|pool| pool.name.clone()).collect();
    let mut nodes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    match seen {
        Some(snapshot) => {
            for node in &snapshot.nodes {
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
    let slowest = nodes
        .iter()
        .map(|(place, count)| usual(*count, batch(*place).unwrap_or(1)))
        .max_by_key(|lasts| lasts.high)?;
    (total > 0).then_some((total, slowest))
}

fn drains_first(pool: &NodePool) -> Option<Finding> {
    let zones = zones_that_drain_first(pool);
    let (surge, unavailable) = (pool.max_surge, pool.max_unavailable);
    let count = u32::try_from(pool.zones.len()).unwrap_or(u32::MAX);
    if zones.is_empty() || surge.saturating_add(unavailable) >= count {
        return None;
    }
    Some(Finding::new(
        FindingMark::Note,
        format!(
            "pool {}: surge {surge} + unavailable {unavailable} over {count} zones; {} a node before its replacement exists",
            clean(&pool.name),
            if zones.len() == 1 {
                format!("{} drains", clean(zones.first().copied().unwrap_or_default()))
            } else {
                format!("{} drain", list(zones.iter().map(|zone| clean(zone)), 3))
            }
        ),
    ))
}

fn meanwhile(due: &Due, now: Timestamp) -> Finding {
    match due {
        Due::Hibernation(at) => Finding::new(
            FindingMark::Note,
            format!(
                "hibernation is scheduled in {}, before the nodes are likely done; the platform's rules refuse it while a rotation runs, what SKE does then is not known",
                long(since(now, *at))
            ),
        ),
        Due::Maintenance(at) if *at <= now => Finding::new(
            FindingMark::Note,
            "the maintenance window is open; an update made in it may replace nodes once more",
        ),
        Due::Maintenance(at) => Finding::new(
            FindingMark::Note,
            format!(
                "the maintenance window opens in {}, before the nodes are likely done; an update made in it may replace nodes once more",
                long(since(now, *at))
            ),
        ),
        Due::Unreadable(text) => Finding::new(
            FindingMark::Unknowable,
            format!("hibernation is scheduled ({text}); when, cannot be read here"),
        ),
    }
}

fn unseen(snapshot: &ClusterSnapshot) -> Vec<Finding> {
    let (unread, others): (Vec<_>, Vec<_>) =
        // Nothing here is read off events.
        snapshot.unseen.iter().filter(|(kind, _)| **kind != "events").partition(|(_, why)| **why == Unseen::Unread);
    let mut out: Vec<Finding> =
        others.into_iter().map(|(kind, why)| not_listed(kind, why)).collect();
    if !unread.is_empty() {
        let kinds = list(unread.into_iter().map(|(kind, _)| (*kind).to_owned()), 2);
        let text = format!("the cluster is being read, a moment more: {kinds}");
        out.push(Finding::new(FindingMark::Unknowable, text));
    }
    out
}

fn not_listed(kind: &str, why: &Unseen) -> Finding {
    Finding::new(
        FindingMark::Unknowable,
        format!("{kind} are not known: {}", clean(&why.to_string())),
    )
}

fn budgets(snapshot: &ClusterSnapshot, index: &BudgetIndex<'_>, out: &mut Vec<Finding>) {
    if snapshot.is_blind_to("poddisruptionbudgets") {
        return;
    }
    let names = |wanted: &dyn Fn(&Budget) -> bool| {
        let chosen = snapshot.budgets.iter().filter(|budget| wanted(budget));
        chosen
            .map(|budget| clean(&format!("{}/{}", budget.namespace, budget.name)))
            .collect::<Vec<_>>()
    };
    let covers =
        |budget: &Budget| budget.expected > 0 && !matches!(budget.selector, Selector::Nothing);
    let never = names(&|budget| is_misconfigured(budget) && covers(budget));
    let now = names(&|b| b.allowed <= 0 && !is_misconfigured(b) && covers(b));
    let unclear = names(&|budget| matches!(budget.selector, Selector::Unreadable(_)));
    let mut note = |mark, names: Vec<String>, one: &str, many: &str| {
        if !names.is_empty() {
            let text = format!("{}: {}", plural(names.len(), one, many), list(names, 3));
            out.push(Finding::new(mark, text));
        }
    };
    let quiet = never.is_empty() && now.is_empty() && unclear.is_empty();
    note(
        FindingMark::Note,
        never,
        "PodDisruptionBudget never lets a pod go and will hold every drain of its nodes",
        "PodDisruptionBudgets never let a pod go and will hold every drain of their nodes",
    );
    note(
        FindingMark::Note,
        now,
        "PodDisruptionBudget allows no eviction now",
        "PodDisruptionBudgets allow no eviction now",
    );
    note(
        FindingMark::Unknowable,
        unclear,
        "PodDisruptionBudget cannot be judged",
        "PodDisruptionBudgets cannot be judged",
    );
    if snapshot.is_blind_to("pods") {
        return;
    }
    let several: Vec<&Pod> = all_pods(snapshot)
        .filter(|pod| !pod.stays_on_its_node() && index.covering(pod).len() > 1)
        .collect();
    if !several.is_empty() {
        let count = plural(several.len(), "pod is", "pods are");
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{count} under more than one PodDisruptionBudget and cannot be evicted: {}",
                first_names(&several)
            ),
        ));
    } else if quiet {
        out.push(Finding::new(FindingMark::Fine, "no PodDisruptionBudget stands in the way now"));
    }
}

fn webhooks(snapshot: &ClusterSnapshot, out: &mut Vec<Finding>) {
    let (certain, unclear): (Vec<_>, Vec<_>) =
        unanswered(snapshot).unwrap_or_default().into_iter().partition(Unanswered::is_certain);
    for (found, may) in [(certain, "refuses"), (unclear, "may refuse")] {
        let Some(first) = found.first() else { continue };
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{} no endpoints for the webhooks that must ask {}, and the API server {may} {}: {}",
                plural(found.len(), "service has", "services have"),
                if found.len() == 1 { "it" } else { "them" },
                if found.len() == 1 { first.refused() } else { "what new nodes need".to_owned() },
                list(found.iter().map(Unanswered::place), 3)
            ),
        ));
    }
}

fn workloads(snapshot: &ClusterSnapshot, out: &mut Vec<Finding>) {
    if snapshot.is_blind_to("pods") {
        return;
    }
    let mut replicas: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for pod in pods(snapshot) {
        if let Some(owner) = pod.owner.as_ref().filter(|owner| owner.kind != "Job") {
            *replicas.entry((&pod.namespace, &owner.kind, &owner.name)).or_default() += 1;
        }
    }
    let single: Vec<String> = replicas
        .into_iter()
        .filter(|(_, count)| *count == 1)
        .map(|((namespace, _, name), _)| clean(&format!("{namespace}/{name}")))
        .collect();
    if !single.is_empty() {
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{}: {}",
                plural(
                    single.len(),
                    "workload with a single replica pauses while its pod moves",
                    "workloads with a single replica pause while their pods move"
                ),
                list(single, 3)
            ),
        ));
    }
    let mut note = |chosen: Vec<&Pod>, one: &str, many: &str| {
        if !chosen.is_empty() {
            let text = format!("{}: {}", plural(chosen.len(), one, many), first_names(&chosen));
            out.push(Finding::new(FindingMark::Note, text));
        }
    };
    note(
        pods(snapshot).filter(|pod| pod.owner.is_none()).collect(),
        "pod has no controller and does not come back",
        "pods have no controller and do not come back",
    );
    let volumes = snapshot.volumes.iter().map(|volume| &**volume);
    let bound = bound_volumes(volumes.filter(|volume| volume.on_node));
    let is_bound = |pod: &Pod| {
        pod.claims.iter().any(|claim| bound.contains_key(&(&*pod.namespace, claim.as_str())))
    };
    note(
        pods(snapshot).filter(|pod| is_bound(pod)).collect(),
        "pod uses a volume that stays on its node and cannot start elsewhere",
        "pods use volumes that stay on their node and cannot start elsewhere",
    );
    note(
        pods(snapshot).filter(|pod| pod.local_data && pod.owner.is_some()).collect(),
        "pod loses what it keeps in emptyDir or hostPath",
        "pods lose what they keep in emptyDir or hostPath",
    );
}

/// Pods of the users that a drain moves.
fn pods(snapshot: &ClusterSnapshot) -> impl Iterator<Item = &Pod> {
    all_pods(snapshot).filter(|pod| pod.namespace != "kube-system" && !pod.stays_on_its_node())
}

fn all_pods(snapshot: &ClusterSnapshot) -> impl Iterator<Item = &Pod> {
    snapshot.pods.iter().map(|pod| &**pod)
}
