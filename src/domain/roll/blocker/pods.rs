//! Pods and volumes that keep a node from going, or that do not survive its going.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::{long, since};
use crate::domain::cluster::Cluster;
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::{
    Blocker, BlockerDraft, BlockerKind, LAST_RESORT, Object, Scene, VOLUME_PATIENCE, is_drained,
    lasting, place, waits,
};
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::roll::format::{first_names, list};
use crate::domain::roll::progress::{PoolRoll, ZoneRoll};
use crate::domain::snapshot::{Attachment, BoundVolume, Pod};
use crate::domain::text::{clean, plural};

/// A pod that is still there so long after its grace period is over hangs.
const HUNG_AFTER: SignedDuration = SignedDuration::from_mins(2);
/// A pod without a node for this long is worth a word.
const PENDING_AFTER: SignedDuration = SignedDuration::from_mins(3);
/// Groups of waiting pods that are listed.
const MAX_GROUPS: usize = 20;

/// Pods with the moment that counts for them, by our clock.
type Dated<'a> = Vec<(Timestamp, &'a Pod)>;

/// Finds them. `explained` are waiting pods that a budget's sentence has named already.
pub fn find(
    scene: &Scene<'_>,
    gathered: &BlockerDraft<'_>,
    explained: &HashSet<&str>,
    out: &mut Vec<Blocker>,
) {
    hung(scene, gathered, out);
    volumes(scene, out);
    pending(scene, gathered, explained, out);
    lost(gathered, out);
    local_volumes(scene, gathered, out);
}

fn hung(scene: &Scene<'_>, gathered: &BlockerDraft<'_>, out: &mut Vec<Blocker>) {
    let mut by_node: BTreeMap<&str, (&NodeRoll, Dated<'_>)> = BTreeMap::new();
    for (pod, node) in &gathered.leaving {
        let Some(by) = pod.deleted_by.map(|by| scene.clock.planned(by)) else { continue };
        if since(by, scene.clock.now()) > HUNG_AFTER {
            by_node.entry(&node.name).or_insert((node, Vec::new())).1.push((by, pod));
        }
    }
    for (node, mut pods) in by_node.into_values() {
        pods.sort_by_key(|(by, pod)| (*by, &pod.name));
        let Some((by, pod)) = pods.first() else { continue };
        let more =
            if pods.len() > 1 { format!(", {} more", pods.len() - 1) } else { String::new() };
        let (why, frees) = match pod.finalizers.as_slice() {
            [] => (
                String::new(),
                "It moves when its node confirms that its containers and mounts are gone.",
            ),
            finalizers => (
                format!(", held by {}", list(finalizers.iter().map(|name| clean(name)), 3)),
                "It moves when the owner of the finalizer takes it off.",
            ),
        };
        let mut blocker = Blocker::new(
            BlockerKind::HungPod,
            format!("pod {} hangs in its deletion", place(&pod.namespace, &pod.name)),
            format!(
                "{}: pod {} should have been gone {} ago{why}{more}.",
                waits(node, node.since, scene.clock),
                place(&pod.namespace, &pod.name),
                long(since(*by, scene.clock.now()))
            ),
            format!("{frees} {LAST_RESORT}"),
        );
        blocker.command = Kubectl::about(Some(&pod.namespace), "describe pod", &pod.name, "");
        blocker.object = Some(Object::new("Pod", &pod.namespace, &pod.name));
        blocker.node = Some(node.name.clone());
        blocker.place = Some((node.pool.clone(), node.zone.clone()));
        blocker.since = Some(Since::told(*by));
        out.push(blocker);
    }
}

fn volumes(scene: &Scene<'_>, out: &mut Vec<Blocker>) {
    if scene.snapshot.attachments.is_empty() || scene.snapshot.is_blind_to("nodes") {
        return;
    }
    let nodes: HashMap<&str, &NodeRoll> =
        scene.pools.iter().flat_map(PoolRoll::nodes).map(|node| (&*node.name, node)).collect();
    for attachment in &scene.snapshot.attachments {
        let node = nodes.get(attachment.node.as_str()).copied();
        let began = attachment.detaching_since.map(|at| scene.clock.ours(at));
        let of_roll = node.is_some() || !began.is_some_and(|began| scene.is_older(began));
        if node.is_none_or(is_drained) && of_roll {
            out.extend(stuck_volume(scene, attachment, node));
        }
    }
}

fn stuck_volume(
    scene: &Scene<'_>,
    attachment: &Attachment,
    node: Option<&NodeRoll>,
) -> Option<Blocker> {
    let began = attachment.detaching_since.map(|at| scene.clock.ours(at));
    let long_under_way = began.is_some_and(|at| since(at, scene.clock.now()) > VOLUME_PATIENCE);
    if attachment.detach_error.is_none() && !long_under_way {
        return None;
    }
    let volume = clean(&attachment.volume);
    let subject = match node {
        Some(node) => {
            format!("{}: volume {volume} does not detach", waits(node, node.since, scene.clock))
        }
        None => format!("volume {volume} does not detach from a node that is gone"),
    };
    let lasts = began
        .map(|at| format!(", since {}", long(since(at, scene.clock.now()))))
        .unwrap_or_default();
    let words = attachment
        .detach_error
        .as_deref()
        .map_or(String::new(), |words| format!(": {}", clean(words.trim_end_matches('.'))));
    let mut blocker = Blocker::new(
        BlockerKind::Volume,
        format!("volume {volume} does not detach"),
        format!("{subject}{lasts}{words}."),
        "It moves when the volume is detached; pods that use it elsewhere wait as well.",
    );
    blocker.command = Kubectl::about(None, "get volumeattachment", &attachment.name, "-o yaml");
    blocker.object = Some(Object::new("VolumeAttachment", "", &attachment.name));
    blocker.node = node.map(|node| node.name.clone());
    blocker.place = node.map(|node| (node.pool.clone(), node.zone.clone()));
    blocker.since = began.map(Since::told);
    Some(blocker)
}

fn pending(
    scene: &Scene<'_>,
    gathered: &BlockerDraft<'_>,
    explained: &HashSet<&str>,
    out: &mut Vec<Blocker>,
) {
    let mut groups: BTreeMap<(&str, &str, &str), Dated<'_>> = BTreeMap::new();
    let bound = bound_volumes(scene.snapshot.volumes.iter().map(|volume| &**volume));
    let (mut any, mut asked) = (false, BTreeSet::new());
    for (pod, began) in &gathered.pending {
        let Some(began) = began else { continue };
        if since(*began, scene.clock.now()) <= PENDING_AFTER || scene.is_older(*began) {
            continue;
        }
        any = true;
        let volumes = pod.claims.iter().filter_map(|claim| bound.get(&(&*pod.namespace, &**claim)));
        asked.extend(volumes.flat_map(|volume| &volume.zones).map(String::as_str));
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
        out.extend(finds_no_node(scene, &pods, &bound));
    }
    if any {
        at_maximum(scene, &asked, out);
    }
}

fn finds_no_node(
    scene: &Scene<'_>,
    pods: &[(Timestamp, &Pod)],
    bound: &HashMap<(&str, &str), &BoundVolume>,
) -> Option<Blocker> {
    let (began, pod) = pods.first()?;
    let began = Since::told(*began);
    let more = match (pods.len() - 1, &pod.owner) {
        (0, _) => String::new(),
        (count, Some(owner)) => {
            format!(" and {count} more of {} {}", clean(&owner.kind), clean(&owner.name))
        }
        (count, None) => format!(" and {count} more"),
    };
    let words = pod.unscheduled.as_ref().map(|(_, words)| words.trim_end_matches('.'));
    let words = words
        .filter(|words| !words.is_empty())
        .map(|words| format!(": {}", clean(words)))
        .unwrap_or_default();
    let volume = pod
        .claims
        .iter()
        .find_map(|claim| bound.get(&(pod.namespace.as_str(), claim.as_str())))
        .filter(|volume| volume.on_node || !volume.zones.is_empty());
    let (bound, frees) = match volume {
        Some(volume) if volume.on_node => (
            format!(" Its volume {} stays on one node.", clean(&volume.name)),
            "It moves when that node is back, or the pod gets another volume.".to_owned(),
        ),
        Some(volume) => {
            let zones = list(volume.zones.iter().map(|zone| clean(zone)), 3);
            (
                format!(" Its volume {} is bound to {zones}.", clean(&volume.name)),
                format!("It moves when a node in {zones} has room for it."),
            )
        }
        None => (String::new(), "It moves when a node has room for it.".to_owned()),
    };
    let mut blocker = Blocker::new(
        BlockerKind::PendingPods,
        format!("pod {}{more} finds no node", place(&pod.namespace, &pod.name)),
        format!(
            "pod {}{more} finds no node, for {}{words}.{bound}",
            place(&pod.namespace, &pod.name),
            lasting(began, scene.clock)
        ),
        frees,
    );
    blocker.command = Kubectl::about(Some(&pod.namespace), "describe pod", &pod.name, "");
    blocker.object = Some(Object::new("Pod", &pod.namespace, &pod.name));
    // Which pool could take it cannot be told where there are several.
    if let ([pool], Some([zone])) = (scene.pools, volume.map(|volume| volume.zones.as_slice())) {
        blocker.place = Some((pool.name.clone(), zone.clone()));
    }
    blocker.since = Some(began);
    Some(blocker)
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

/// `asked`: zones to which waiting pods are bound.
fn at_maximum(scene: &Scene<'_>, asked: &BTreeSet<&str>, out: &mut Vec<Blocker>) {
    let full = pools_at_maximum(scene.cluster, scene.pools, asked);
    if full.is_empty() {
        return;
    }
    let texts = || full.iter().map(|(_, text)| text.clone());
    let mut blocker = Blocker::new(
        BlockerKind::AtMaximum,
        list(texts(), 3),
        format!("{}; the autoscaler adds no node there for pods that find none.", list(texts(), 3)),
        "It moves when a pool may have more nodes, or pods need less.",
    );
    if let [(pool, _), ..] = full.as_slice() {
        blocker.command = Kubectl::nodes_of(pool, "");
        blocker.object = Some(Object::new("node pool", "", pool));
    }
    out.push(blocker);
}

/// "pool web is at its maximum of 6", "pool web is at its maximum in eu01-1 (2)": pools that have all the nodes that
/// they may have, in all zones, or in some of those that are asked about. The autoscaler counts each zone against its
/// share. With the name of each pool.
pub fn pools_at_maximum(
    cluster: &Cluster,
    pools: &[PoolRoll],
    asked: &BTreeSet<&str>,
) -> Vec<(String, String)> {
    let seen: HashMap<&str, &PoolRoll> =
        pools.iter().map(|pool| (pool.name.as_str(), pool)).collect();
    let may_grow = cluster.pools.iter().filter(|pool| pool.maximum > pool.minimum);
    let told = may_grow.filter_map(|pool| {
        let zones = &seen.get(pool.name.as_str())?.zones;
        let full: Vec<(&str, u32)> = zones
            .iter()
            .filter_map(|zone| Some((zone.name.as_str(), zone.limits?.maximum, zone)))
            .filter(|(_, most, zone)| {
                *most > 0 && machines(zone) >= usize::try_from(*most).unwrap_or(usize::MAX)
            })
            .map(|(name, most, _)| (name, most))
            .collect();
        let name = clean(&pool.name);
        let shares = zones.iter().filter(|zone| zone.limits.is_some_and(|l| l.maximum > 0)).count();
        let text = match full.len() {
            0 => None,
            count if count == shares => {
                Some(format!("pool {name} is at its maximum of {}", pool.maximum))
            }
            _ => {
                let full = full.iter().filter(|(zone, _)| asked.contains(zone));
                let full = list(full.map(|(zone, most)| format!("{} ({most})", clean(zone))), 3);
                (!full.is_empty()).then(|| format!("pool {name} is at its maximum in {full}"))
            }
        }?;
        Some((pool.name.clone(), text))
    });
    told.collect()
}

/// Machines of a zone that count against its maximum: those that the roll adds for a while do not.
fn machines(zone: &ZoneRoll) -> usize {
    let counts = zone.counts;
    let surge = zone.limits.map_or(0, |limits| usize::try_from(limits.surge).unwrap_or(0));
    let in_flight =
        if counts.old_left() > 0 { surge.min(counts.joining + counts.draining) } else { 0 };
    (counts.seen() - counts.leaving).saturating_sub(in_flight)
}

fn lost(gathered: &BlockerDraft<'_>, out: &mut Vec<Blocker>) {
    let going = |wanted: &dyn Fn(&Pod) -> bool| {
        gathered.leaving.iter().copied().filter(|(pod, _)| wanted(pod)).collect::<Vec<_>>()
    };
    let names = |pods: &[(&Pod, &NodeRoll)]| {
        first_names(&pods.iter().map(|(pod, _)| *pod).collect::<Vec<_>>())
    };
    let bare = going(&|pod| pod.owner.is_none());
    if !bare.is_empty() {
        let mut blocker = Blocker::new(
            BlockerKind::BarePods,
            plural(bare.len(), "pod does not come back", "pods do not come back"),
            format!(
                "{} on draining nodes {} not come back, nothing controls {}: {}.",
                plural(bare.len(), "pod", "pods"),
                if bare.len() == 1 { "does" } else { "do" },
                if bare.len() == 1 { "it" } else { "them" },
                names(&bare)
            ),
            "Make them anew elsewhere, if they are needed.",
        );
        point_at(&mut blocker, &bare);
        out.push(blocker);
    }
    let local =
        going(&|pod| pod.local_data && pod.owner.is_some() && pod.namespace != "kube-system");
    if !local.is_empty() {
        let mut blocker = Blocker::new(
            BlockerKind::LocalData,
            plural(local.len(), "pod loses local data", "pods lose local data"),
            format!(
                "{} on draining nodes {} what is in emptyDir or hostPath: {}.",
                plural(local.len(), "pod", "pods"),
                if local.len() == 1 { "loses" } else { "lose" },
                names(&local)
            ),
            "Copy it before the pods go, if it is needed.",
        );
        point_at(&mut blocker, &local);
        out.push(blocker);
    }
}

/// Names the first of these pods, and their node if they share one.
fn point_at(blocker: &mut Blocker, pods: &[(&Pod, &NodeRoll)]) {
    let [(pod, node), ..] = pods else { return };
    blocker.command = Kubectl::about(Some(&pod.namespace), "get pod", &pod.name, "-o wide");
    blocker.object = Some(Object::new("Pod", &pod.namespace, &pod.name));
    if pods.iter().all(|(_, other)| other.name == node.name) {
        blocker.node = Some(node.name.clone());
        blocker.place = Some((node.pool.clone(), node.zone.clone()));
    }
}

fn local_volumes(scene: &Scene<'_>, gathered: &BlockerDraft<'_>, out: &mut Vec<Blocker>) {
    let volumes = scene.snapshot.volumes.iter().map(|volume| &**volume);
    let bound = bound_volumes(volumes.filter(|volume| volume.on_node));
    if bound.is_empty() {
        return;
    }
    for (pod, node) in &gathered.leaving {
        let Some(volume) = pod
            .claims
            .iter()
            .find_map(|claim| bound.get(&(pod.namespace.as_str(), claim.as_str())))
        else {
            continue;
        };
        let mut blocker = Blocker::new(
            BlockerKind::LocalVolumes,
            format!("volume {} stays on its node", clean(&volume.name)),
            format!(
                "pod {} on {} uses volume {}, which stays on its node; the pod cannot start elsewhere with it.",
                place(&pod.namespace, &pod.name),
                node.short,
                clean(&volume.name)
            ),
            "Copy the data to a volume that can follow the pod.",
        );
        blocker.command = Kubectl::about(None, "get pv", &volume.name, "-o yaml");
        blocker.object = Some(Object::new("PersistentVolume", "", &volume.name));
        blocker.node = Some(node.name.clone());
        out.push(blocker);
    }
}
