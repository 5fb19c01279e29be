//! Pods and volumes that block the removal of a node, or do not survive it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;
use crate::domain::cluster::Cluster;
use crate::domain::roll::blocker::budgets::{PdbIndex, blocks_eviction};
use crate::domain::roll::blocker::cause::{
    Blocker, BlockerCause, EvictionBlock, FullPool, ObjectName, VolumeBinding,
};
use crate::domain::roll::blocker::context::{BlockerContext, PATIENCE, RelevantPods, is_drained};
use crate::domain::roll::blocker::webhooks;
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::roll::progress::{PoolRoll, ZoneRoll};
use crate::domain::snapshot::{Attachment, BoundVolume, Event, Pod};

/// Time after the grace period from which a pod counts as stuck in Terminating.
const HUNG_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// Default time that the machine controller waits for the volumes of a drain.
const VOLUME_PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// Maximum number of groups of unschedulable pods listed.
const MAX_GROUPS: usize = 20;

/// Pods with the relevant time, by our clock.
type Dated<'a> = Vec<(Timestamp, &'a Pod)>;

/// Finds them. `explained`: unscheduled pods that the blocker of a PodDisruptionBudget already names.
pub fn find(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    (index, explained): (&PdbIndex<'_>, &HashSet<&str>),
    out: &mut Vec<Blocker>,
) {
    // What can no longer be read may be gone.
    find_volumes(&context.while_known("volumeattachments"), out);
    let known = &context.while_known("pods");
    find_hung(known, pods, out);
    find_grace_periods(known, pods, out);
    find_denied_evictions(&known.while_known("poddisruptionbudgets"), pods, index, out);
    find_unschedulable(known, pods, explained, out);
    find_lost(pods, out);
    find_local_volumes(context, pods, out);
}

fn find_hung(context: &BlockerContext<'_>, pods: &RelevantPods<'_>, out: &mut Vec<Blocker>) {
    let mut by_node: BTreeMap<&str, (&NodeRoll, Dated<'_>)> = BTreeMap::new();
    for (pod, node) in &pods.leaving {
        let Some(by) = pod.deletion_deadline.map(|by| context.clock.planned(by)) else { continue };
        if context.has_lasted(Since::exact(by), HUNG_AFTER) {
            by_node.entry(&node.name).or_insert((node, Vec::new())).1.push((by, pod));
        }
    }
    for (node, mut pods) in by_node.into_values() {
        pods.sort_by_key(|(by, pod)| (*by, &pod.name));
        let Some((by, pod)) = pods.first().copied() else { continue };
        let cause = BlockerCause::HungPods {
            pods: pods.into_iter().map(|(_, pod)| pod).collect(),
            finalizers: pod.finalizers.clone(),
        };
        out.push(Blocker::of_node(cause, node, Some(Since::exact(by))));
    }
}

/// Evicted pods that may stay long because of their own grace period.
fn find_grace_periods(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    out: &mut Vec<Blocker>,
) {
    let mut by_node: BTreeMap<&str, (&NodeRoll, Dated<'_>)> = BTreeMap::new();
    for (pod, node) in &pods.leaving {
        let Some((began, until)) = deletion(context, pod) else { continue };
        let is_long = since(began, until) > PATIENCE;
        let hangs = context.has_lasted(Since::exact(until), HUNG_AFTER);
        if is_long && !hangs && context.has_lasted(Since::exact(began), PATIENCE) {
            by_node.entry(&node.name).or_insert((node, Vec::new())).1.push((until, pod));
        }
    }
    for (node, mut pods) in by_node.into_values() {
        pods.sort_by_key(|(until, pod)| (std::cmp::Reverse(*until), &pod.name));
        let Some((until, last)) = pods.first().copied() else { continue };
        let began = deletion(context, last).map(|(began, _)| Since::exact(began));
        let pods = pods.into_iter().map(|(_, pod)| pod).collect();
        let cause = BlockerCause::GracePeriod { pods, until, limit: node.deadline };
        out.push(Blocker::of_node(cause, node, began));
    }
}

/// Pods of a draining node that should have been evicted by now and are not terminating, though no budget covers them:
/// this points to the webhooks that are called for evictions.
fn find_denied_evictions(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    index: &PdbIndex<'_>,
    out: &mut Vec<Blocker>,
) {
    if !tells_evictions(context) {
        return;
    }
    let mut by_node: BTreeMap<&str, (&NodeRoll, Vec<&Pod>)> = BTreeMap::new();
    for (pod, node) in &pods.leaving {
        let budgets = index.covering(pod);
        // The platform retries every 20 seconds.
        let released = budgets.first().and_then(|budget| context.history.budget_since(budget));
        let came = pod.created.map(|at| Since::exact(context.clock.ours(at)));
        let lasts = |began: Option<Since>| began.is_none_or(|at| context.has_lasted(at, PATIENCE));
        let is_due = lasts(released) && lasts(came) && is_its_turn(context, pod, node);
        let drains = node.since.filter(|began| context.has_lasted(*began, PATIENCE));
        let is_free = pod.deletion_deadline.is_none()
            && (is_due || denial(context, &[pod]).is_some())
            && !pod.finished
            && index.unreadable(&pod.namespace).is_empty()
            && budgets.len() < 2
            && !budgets.iter().any(|budget| blocks_eviction(budget, pod));
        if drains.is_some() && is_free {
            by_node.entry(&node.name).or_insert((node, Vec::new())).1.push(pod);
        }
    }
    for (node, held) in by_node.into_values() {
        let mut configurations = BTreeSet::new();
        let mut dead = None;
        let mut named = Vec::new();
        for pod in held {
            let asked = webhooks::asked_about_eviction(context.snapshot, pod);
            if asked.is_empty() {
                continue;
            }
            named.push(pod);
            for (kind, name, service) in asked {
                configurations.insert((kind, name.to_owned()));
                dead = dead.or(service);
            }
        }
        if named.is_empty() {
            continue;
        }
        let denial = denial(context, &named).or_else(|| {
            let of_node = |event: &Event| event.kind == "Node" && event.name == node.name;
            latest_denial(context, of_node)
        });
        let cause = BlockerCause::EvictionWebhook(EvictionBlock {
            pods: named.iter().copied().collect(),
            configurations,
            dead: dead.map(|service| ObjectName::new(&service.namespace, &service.name)),
            denial: denial.map(|event| event.message.clone()),
        });
        out.push(Blocker::of_node(cause, node, node.since));
    }
}

/// Whether only a denial can keep a pod on its node: a drain evicts pods with volumes one by one, and waits for the
/// volumes of each before the next.
fn is_its_turn(context: &BlockerContext<'_>, pod: &Pod, node: &NodeRoll) -> bool {
    pod.claims.is_empty()
        || context
            .history
            .turn(&node.uid)
            .is_none_or(|turn| !turn.is_under_way() && context.has_lasted(turn.since, PATIENCE))
}

/// The latest event about a webhook denial for one of these pods.
fn denial<'a>(context: &BlockerContext<'a>, pods: &[&Pod]) -> Option<&'a Event> {
    latest_denial(context, |event| pods.iter().any(|pod| event.is_about(pod)))
}

fn latest_denial<'a>(
    context: &BlockerContext<'a>,
    is_about: impl Fn(&Event) -> bool,
) -> Option<&'a Event> {
    let is_denial = |event: &&Event| event.message.contains("admission webhook") && is_about(event);
    context.snapshot.events.iter().map(|event| &**event).rev().find(is_denial)
}

/// Whether budgets and pods are known, so that anything that they do not explain has another cause.
fn tells_evictions(context: &BlockerContext<'_>) -> bool {
    context.snapshot.is_whole("poddisruptionbudgets") && !context.snapshot.is_being_read()
}

/// When the deletion of a pod was requested, and until when the pod may stay, by our clock.
fn deletion(context: &BlockerContext<'_>, pod: &Pod) -> Option<(Timestamp, Timestamp)> {
    let until = context.clock.planned(pod.deletion_deadline?);
    let began = until.checked_sub(SignedDuration::from_secs(pod.grace_seconds)).ok()?;
    Some((began, until))
}

fn find_volumes(context: &BlockerContext<'_>, out: &mut Vec<Blocker>) {
    if context.snapshot.attachments.is_empty() || context.snapshot.is_blind_to("nodes") {
        return;
    }
    let nodes: HashMap<&str, &NodeRoll> =
        context.pools.iter().flat_map(PoolRoll::nodes).map(|node| (&*node.name, node)).collect();
    for attachment in &context.snapshot.attachments {
        let node = nodes.get(attachment.node.as_str()).copied();
        let began = attachment.detaching_since.map(|at| context.clock.ours(at));
        let of_roll = node.is_some() || !began.is_some_and(|began| context.is_older(began));
        if node.is_none_or(is_drained) && of_roll {
            out.extend(find_stuck_volume(context, attachment, node, began.map(Since::exact)));
        }
    }
}

fn find_stuck_volume(
    context: &BlockerContext<'_>,
    attachment: &Attachment,
    node: Option<&NodeRoll>,
    began: Option<Since>,
) -> Option<Blocker> {
    let lasts = began.is_some_and(|began| context.has_lasted(began, VOLUME_PATIENCE));
    if attachment.detach_error.is_none() && !lasts {
        return None;
    }
    let cause = BlockerCause::Volume {
        volume: attachment.volume.clone(),
        attachment: attachment.name.clone(),
        error: attachment.detach_error.clone(),
    };
    Some(match node {
        Some(node) => Blocker::of_node(cause, node, began),
        None => Blocker::new(cause, began),
    })
}

fn find_unschedulable(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    explained: &HashSet<&str>,
    out: &mut Vec<Blocker>,
) {
    let mut groups: BTreeMap<(&str, &str, &str), Dated<'_>> = BTreeMap::new();
    let bound = bound_volumes(context.snapshot.volumes.iter().map(|volume| &**volume));
    let (mut any, mut zones) = (false, BTreeSet::new());
    for (pod, began) in &pods.pending {
        let Some(began) = began else { continue };
        // A pod of a DaemonSet waits only for its own node.
        let is_of_others = pod.stays_on_its_node() || context.is_older(*began);
        if is_of_others || !context.has_lasted(Since::exact(*began), PATIENCE) {
            continue;
        }
        any = true;
        let volumes = pod.claims.iter().filter_map(|claim| bound.get(&(&*pod.namespace, &**claim)));
        zones.extend(volumes.flat_map(|volume| &volume.zones).map(String::as_str));
        if explained.contains(pod.uid.as_str()) {
            continue;
        }
        let key = match &pod.owner {
            Some(owner) => (pod.namespace.as_str(), owner.kind.as_str(), owner.name.as_str()),
            None => (pod.namespace.as_str(), "", pod.name.as_str()),
        };
        groups.entry(key).or_default().push((*began, pod));
    }
    let mut groups: Vec<Dated<'_>> = groups.into_values().collect();
    for pods in &mut groups {
        pods.sort_by_key(|(began, pod)| (*began, &pod.name));
    }
    groups.sort_by_key(|pods| pods.first().map(|(began, _)| *began));
    for pods in groups.into_iter().take(MAX_GROUPS) {
        out.extend(unschedulable(context, &pods, &bound));
    }
    let full =
        if any { find_full_pools(context.cluster, context.pools, &zones) } else { Vec::new() };
    if !full.is_empty() {
        out.push(Blocker::new(BlockerCause::PoolsAtMaximum(full), None));
    }
}

fn unschedulable(
    context: &BlockerContext<'_>,
    pods: &[(Timestamp, &Pod)],
    bound: &HashMap<(&str, &str), &BoundVolume>,
) -> Option<Blocker> {
    let (began, pod) = pods.first()?;
    let volume = pod
        .claims
        .iter()
        .find_map(|claim| bound.get(&(pod.namespace.as_str(), claim.as_str())))
        .filter(|volume| volume.on_node || !volume.zones.is_empty());
    // With several pools it is unknown which could take the pod.
    let place = match (context.pools, volume.map(|volume| volume.zones.as_slice())) {
        ([pool], Some([zone])) => Some((pool.name.clone(), zone.clone())),
        _ => None,
    };
    let cause = BlockerCause::UnschedulablePods {
        pods: pods.iter().map(|(_, pod)| *pod).collect(),
        owner: pod.owner.clone(),
        message: pod.unscheduled.clone().map(|(_, message)| message).unwrap_or_default(),
        volume: volume.map(|volume| VolumeBinding {
            volume: volume.name.clone(),
            zones: (!volume.on_node).then(|| volume.zones.clone()),
        }),
    };
    Some(Blocker { place, ..Blocker::new(cause, Some(Since::exact(*began))) })
}

/// Volumes by namespace and name of their claim.
pub fn bound_volumes<'a>(
    volumes: impl Iterator<Item = &'a BoundVolume>,
) -> HashMap<(&'a str, &'a str), &'a BoundVolume> {
    volumes
        .filter_map(|volume| {
            let (namespace, name) = volume.claim.as_ref()?;
            Some(((namespace.as_str(), name.as_str()), volume))
        })
        .collect()
}

/// Pools at their maximum size, in all zones, or in some of those that pods are bound to. The autoscaler checks each
/// zone against its share.
pub fn find_full_pools(
    cluster: &Cluster,
    pools: &[PoolRoll],
    bound_to: &BTreeSet<&str>,
) -> Vec<FullPool> {
    let seen: HashMap<&str, &PoolRoll> =
        pools.iter().map(|pool| (pool.name.as_str(), pool)).collect();
    let may_grow = cluster.pools.iter().filter(|pool| pool.maximum > pool.minimum);
    let found = may_grow.filter_map(|pool| {
        let zones = &seen.get(pool.name.as_str())?.zones;
        let shares = zones.iter().filter_map(|zone| Some((zone, zone.limits?.maximum)));
        let shares: Vec<(&ZoneRoll, u32)> = shares.collect();
        let is_full = |(zone, most): &(&ZoneRoll, u32)| {
            zone.machines() >= usize::try_from(*most).unwrap_or(usize::MAX)
        };
        let full: Vec<(&ZoneRoll, u32)> = shares.iter().copied().filter(is_full).collect();
        let all = !full.is_empty() && full.len() == shares.len();
        let asked = full.into_iter().filter(|(zone, _)| !all && bound_to.contains(&*zone.name));
        let zones: Vec<_> = asked.map(|(zone, most)| (zone.name.clone(), most)).collect();
        let full = FullPool { pool: pool.name.clone(), maximum: pool.maximum, zones };
        (all || !full.zones.is_empty()).then_some(full)
    });
    found.collect()
}

fn find_lost(pods: &RelevantPods<'_>, out: &mut Vec<Blocker>) {
    let mut add = |lost: &dyn Fn(&Pod) -> bool, cause: fn(_) -> BlockerCause| {
        let kept = pods.leaving.iter().filter(|(pod, _)| !pod.finished);
        let lost: Vec<_> = kept.filter(|(pod, _)| lost(pod)).collect();
        let Some((_, node)) = lost.first() else { return };
        let cause = cause(lost.iter().map(|(pod, _)| *pod).collect());
        out.push(if lost.iter().all(|(_, other)| other.name == node.name) {
            Blocker::of_node(cause, node, None)
        } else {
            Blocker::new(cause, None)
        });
    };
    add(&|pod| pod.owner.is_none(), BlockerCause::BarePods);
    add(
        &|pod| pod.local_data && pod.owner.is_some() && pod.namespace != "kube-system",
        BlockerCause::LocalData,
    );
}

fn find_local_volumes(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    out: &mut Vec<Blocker>,
) {
    let volumes = context.snapshot.volumes.iter().map(|volume| &**volume);
    let bound = bound_volumes(volumes.filter(|volume| volume.on_node));
    if bound.is_empty() {
        return;
    }
    for (pod, node) in &pods.leaving {
        let mut claims = pod.claims.iter();
        let volume = claims.find_map(|claim| bound.get(&(&*pod.namespace, claim.as_str())));
        let Some(volume) = volume else { continue };
        let cause = BlockerCause::LocalVolume { pod: (*pod).into(), volume: volume.name.clone() };
        out.push(Blocker::of_node(cause, node, None));
    }
}
