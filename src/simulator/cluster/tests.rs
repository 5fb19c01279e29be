//! Properties of the simulated cluster: limits at every step, consistent objects, consistent credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::machine_deployment::MachineStage;
use crate::simulator::cluster::node_history::{NodeCounts, count_nodes};
use crate::simulator::cluster::nodes::{
    CHECKSUM_ANNOTATION, NODE_AGENT_SECRET_LABEL, REPLACEMENT_TAINT,
};
use crate::simulator::cluster::objects::{ObjectBody, ObjectKey, ObjectKind};
use crate::simulator::rng::Rng;
use crate::simulator::rules::ClusterOperation;
use crate::simulator::scene::Scene;
use crate::simulator::speed::Speed;

fn start() -> Timestamp {
    "2026-11-24T14:00:00Z".parse().unwrap()
}

fn later(at: Timestamp, minutes: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
}

/// A cluster from a few lines of a scene.
fn cluster(text: &str, seed: u64) -> SimulatedCluster {
    cluster_at(text, seed, 1.0)
}

fn cluster_at(text: &str, seed: u64, speed: f64) -> SimulatedCluster {
    let scene = format!(
        "regions = [\"eu01\"]\n[[projects]]\nid = \"p\"\nname = \"shop\"\n[[projects.clusters]]\nname = \"c\"\n{text}"
    );
    let scene = Scene::parse(&scene, "test").unwrap();
    let template = scene.projects[0].clusters[0].clone();
    let id = ClusterId::new("p", "eu01", "c");
    SimulatedCluster::new(id, template, "shop", start(), Speed::new(speed), Rng::new(seed))
}

/// Runs tasks one by one, inspecting the cluster after each, until it is PREPARED; returns the time.
fn advance_until(
    cluster: &mut SimulatedCluster,
    mut now: Timestamp,
    until: Timestamp,
    mut inspect: impl FnMut(&SimulatedCluster, Timestamp),
) -> Timestamp {
    while let Some(next) = cluster.next_due().filter(|next| *next <= until) {
        now = next;
        cluster.advance(now);
        inspect(cluster, now);
        if cluster.phase == "PREPARED" {
            break;
        }
    }
    now
}

fn count(cluster: &SimulatedCluster, at: Timestamp) -> NodeCounts {
    count_nodes(&cluster.data_plane.node_histories, cluster.data_plane.template, at)
}

/// Checks that the objects are consistent.
fn check_objects(cluster: &SimulatedCluster) {
    let data_plane = &cluster.data_plane;
    let stored: BTreeSet<&str> =
        data_plane.store.list(ObjectKind::Node).map(|node| &*node.meta.key.name).collect();
    let nodes: BTreeSet<&str> = data_plane.nodes.keys().map(|name| &**name).collect();
    assert_eq!(stored, nodes);
    let mut placed: BTreeMap<&str, BTreeSet<&ObjectKey>> = BTreeMap::new();
    let mut waiting = BTreeSet::new();
    for object in data_plane.store.list(ObjectKind::Pod) {
        let pod = object.pod().unwrap();
        if let Some(node) = &pod.node {
            assert!(nodes.contains(&**node), "{:?} is on a node that is gone", object.meta.key);
            placed.entry(node).or_default().insert(&object.meta.key);
        } else {
            waiting.insert(&object.meta.key);
            assert!(!pod.ready.0);
        }
        assert!(data_plane.workloads[pod.workload].pods.contains(&object.meta.key));
    }
    assert_eq!(waiting, data_plane.pending.iter().collect());
    for (name, info) in &data_plane.nodes {
        let here = placed.remove(&**name).unwrap_or_default();
        assert_eq!(here, info.pods.iter().collect(), "{name}");
        let cpu: u32 = here.iter().map(|key| data_plane.store.pod(key).unwrap().cpu).sum();
        assert_eq!(cpu, info.requested_cpu);
        assert!(info.requested_cpu <= info.cpu);
    }
    let workload_pods: usize =
        data_plane.workloads.iter().map(|workload| workload.pods.len()).sum();
    assert_eq!(workload_pods, data_plane.store.list(ObjectKind::Pod).count());
    for object in data_plane.store.list(ObjectKind::Budget) {
        let budget = object.budget().unwrap();
        let workload = &data_plane.workloads[data_plane.budgets[&object.meta.key]];
        let healthy = workload
            .pods
            .iter()
            .map(|key| data_plane.store.get(ObjectKind::Pod, key).unwrap())
            .filter(|pod| pod.meta.deletion.is_none() && pod.pod().unwrap().ready.0)
            .count();
        assert_eq!(usize::try_from(budget.healthy).unwrap(), healthy, "{:?}", object.meta.key);
        assert_eq!(budget.allowed, budget.healthy.saturating_sub(budget.desired));
    }
    let mut attached = BTreeSet::new();
    for object in data_plane.store.list(ObjectKind::VolumeAttachment) {
        let attachment = object.attachment().unwrap();
        assert!(nodes.contains(&*attachment.node));
        assert!(attached.insert(&attachment.volume), "a volume is on one node at a time");
    }
}

/// Checks the limits of every zone, and that no budget is violated.
fn check_limits(cluster: &SimulatedCluster) {
    for zone in &cluster.data_plane.machine_deployments {
        assert!(zone.machines.len() <= zone.desired + zone.surge, "{zone:?}");
        assert!(zone.ready() + zone.unavailable >= zone.desired, "{zone:?}");
    }
    for object in cluster.data_plane.store.list(ObjectKind::Budget) {
        let budget = object.budget().unwrap();
        assert!(budget.healthy >= budget.desired, "{:?} {budget:?}", object.meta.key);
    }
}

proptest! {
    #![proptest_config(crate::property_cases(48))]

    #[test]
    fn a_roll_keeps_its_limits_at_every_step_and_ends(
        nodes in 1_u32..10, zones in 1_u32..4, surge in 0_u32..4, unavailable in 0_u32..3,
        other in 1_u32..4, seed in any::<u64>(),
    ) {
        let text = format!(
            "initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\npools = [\
             {{ name = \"web\", nodes = {nodes}, zones = {zones}, surge = {surge}, unavailable = {unavailable} }}, \
             {{ name = \"batch\", nodes = {other}, zones = 2, surge = 1 }}]"
        );
        let mut cluster = cluster(&text, seed);
        cluster.begin(ClusterOperation::StartRotation, start());
        check_objects(&cluster);
        let end = advance_until(&mut cluster, start(), later(start(), 24 * 60), |cluster, now| {
            check_objects(cluster);
            check_limits(cluster);
            assert!(count(cluster, now).leaving == 0);
        });
        prop_assert_eq!(&cluster.phase, "PREPARED");
        prop_assert!(end > later(start(), 5));
        let wanted = usize::try_from(nodes + other).unwrap();
        let counts = count(&cluster, end);
        prop_assert_eq!(counts, NodeCounts { ready: wanted, ..NodeCounts::default() });
        // All nodes of older templates are removed.
        for history in &cluster.data_plane.node_histories {
            prop_assert!(history.forced.is_none());
            prop_assert!(history.gone.is_none_or(|gone| history.draining.is_some_and(|d| d < gone)));
            prop_assert_eq!(history.gone.is_some(), history.template != cluster.data_plane.template);
        }
        // Half an hour later all pods are ready.
        let calm = later(end, 30);
        advance_until(&mut cluster, end, calm, |_, _| {});
        cluster.advance(calm);
        check_objects(&cluster);
        for workload in &cluster.data_plane.workloads {
            if workload.scene.replicas > 0 && workload.scene.pool.is_none() {
                prop_assert!(workload.pods.iter().all(|key| {
                    cluster.data_plane.store.get(ObjectKind::Pod, key).unwrap().pod().unwrap().ready.0
                }), "{}", workload.key);
            }
        }
    }

    #[test]
    fn the_middle_of_a_roll_is_consistent_too(
        nodes in 2_u32..12, progress in 0.0_f64..1.0, surge in 0_u32..4, seed in any::<u64>(),
        blocked in any::<bool>(),
    ) {
        let blocked = if blocked { "blocked = [\"web\", \"eu01-1\", \"payments/api\"]" } else { "" };
        let text = format!(
            "phase = \"PREPARING\"\ninitiated_ago = \"70m\"\ncompleted_ago = \"200d\"\nprogress = {progress}\n\
             pools = [{{ name = \"web\", nodes = {nodes}, surge = {surge} }}]\n{blocked}"
        );
        let mut cluster = cluster(&text, seed);
        cluster.advance(start());
        check_objects(&cluster);
        check_limits(&cluster);
        let end = advance_until(&mut cluster, start(), later(start(), 24 * 60), |cluster, _| check_objects(cluster));
        prop_assert_eq!(&cluster.phase, "PREPARED");
        prop_assert_eq!(count(&cluster, end).ready, usize::try_from(nodes).unwrap());
    }
}

#[test]
fn nodes_carry_the_marks_of_their_generation() {
    let text = "phase = \"PREPARING\"\ninitiated_ago = \"70m\"\ncompleted_ago = \"200d\"\nprogress = 0.5\n\
                pools = [{ name = \"web\", nodes = 6 }]";
    let mut cluster = cluster(text, 3);
    cluster.advance(start());
    let data_plane = &cluster.data_plane;
    let secrets: Vec<_> = data_plane
        .store
        .list(ObjectKind::Secret)
        .filter(|secret| secret.label("gardener.cloud/role") == Some("operating-system-config"))
        .collect();
    assert_eq!(secrets.len(), 1);
    let wanted = &*secrets[0].meta.key.name;
    assert!(wanted.starts_with("gardener-node-agent-web-") && wanted.len() == 24 + 16);
    assert!(secrets[0].meta.created > cluster.initiated.unwrap());
    let (mut new, mut old) = (0, 0);
    for object in data_plane.store.list(ObjectKind::Node) {
        let node = object.node().unwrap();
        if object.label(NODE_AGENT_SECRET_LABEL) == Some(wanted) {
            new += 1;
            assert!(!node.has_taint(REPLACEMENT_TAINT));
            assert!(object.meta.created > cluster.initiated.unwrap());
            let applied = object.meta.annotations.get(CHECKSUM_ANNOTATION);
            assert_eq!(applied.is_some(), node.is_schedulable());
            assert!(applied.is_none_or(|applied| {
                secrets[0].meta.annotations.get("checksum/data-script") == Some(applied)
            }));
        } else {
            old += 1;
            assert!(node.has_taint(REPLACEMENT_TAINT));
            assert!(object.meta.created < cluster.initiated.unwrap());
        }
    }
    assert!(new >= 3 && old == 3, "{new} {old}");
}

#[test]
fn deleting_the_pod_frees_a_blocked_drain() {
    let text = "initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\npools = [{ name = \"web\", nodes = 6 }]\n\
                blocked = [\"web\", \"eu01-2\", \"payments/api\"]";
    let mut cluster = cluster(text, 5);
    cluster.begin(ClusterOperation::StartRotation, start());
    let now = advance_until(&mut cluster, start(), later(start(), 90), |cluster, _| {
        check_objects(cluster);
    });
    assert_eq!(cluster.phase, "PREPARING");
    let drained: Vec<_> = cluster
        .data_plane
        .machine_deployments
        .iter()
        .flat_map(|zone| &zone.machines)
        .filter(|node| node.stage == MachineStage::Draining)
        .cloned()
        .collect();
    assert_eq!(drained.len(), 1);
    assert_eq!(drained[0].blocked.as_ref().unwrap().1, "payments/api");
    let errors = cluster.errors(now);
    assert_eq!(errors[0].code.as_deref(), Some("SKE_NODE_MISCONFIGURED_PDB"));
    assert!(errors[0].message.as_ref().unwrap().contains(&*drained[0].name));
    let pod = cluster
        .data_plane
        .store
        .list(ObjectKind::Pod)
        .find(|object| &*object.meta.key.namespace == "payments")
        .unwrap()
        .meta
        .key
        .clone();
    assert!(cluster.data_plane.evict(&pod, None, now).is_err());
    cluster.data_plane.delete_pod(&pod, None, now);
    cluster.data_plane.settle(now);
    advance_until(&mut cluster, now, later(now, 60), |cluster, _| check_objects(cluster));
    assert_eq!(cluster.phase, "PREPARED");
}

#[test]
fn a_drain_that_cannot_end_is_forced_after_its_time() {
    let text = "phase = \"PREPARING\"\ninitiated_ago = \"3h\"\ncompleted_ago = \"200d\"\nprogress = 0.9\n\
                pools = [{ name = \"web\", nodes = 3 }]\nblocked = [\"web\", \"eu01-1\", \"payments/api\"]";
    let mut cluster = cluster(text, 5);
    cluster.advance(start());
    assert_eq!(cluster.errors(start()).len(), 1);
    let end = advance_until(&mut cluster, start(), later(start(), 600), |_, _| {});
    assert_eq!(cluster.phase, "PREPARED");
    // 47 of 120 minutes had elapsed.
    assert!(end > later(start(), 73) && end < later(start(), 80), "{end}");
    assert_eq!(
        cluster.data_plane.node_histories.iter().filter(|history| history.forced.is_some()).count(),
        1
    );
}

#[test]
fn a_scene_keeps_its_ages_at_any_speed() {
    let text = "phase = \"PREPARING\"\ninitiated_ago = \"3h\"\ncompleted_ago = \"200d\"\nprogress = 0.9\n\
                pools = [{ name = \"web\", nodes = 3 }]\nblocked = [\"web\", \"eu01-1\", \"payments/api\"]";
    let mut cluster = cluster_at(text, 5, 120.0);
    cluster.advance(start());
    assert_eq!(cluster.phase, "PREPARING");
    assert_eq!(cluster.errors(start()).len(), 1);
    let since =
        cluster.data_plane.node_histories.iter().find_map(|history| history.draining).unwrap();
    assert_eq!(start().duration_since(since), SignedDuration::from_mins(47));
    // 73 minutes are left until the drain is forced: 36.5 seconds at this speed.
    let soon = |seconds| start().saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    advance_until(&mut cluster, start(), soon(36), |_, _| {});
    assert!(cluster.data_plane.node_histories.iter().all(|history| history.forced.is_none()));
    advance_until(&mut cluster, soon(36), soon(40), |_, _| {});
    assert!(cluster.data_plane.node_histories.iter().any(|history| history.forced.is_some()));
}

#[test]
fn another_roll_after_the_rotation_is_one_of_its_own() {
    let text = "phase = \"PREPARED\"\ninitiated_ago = \"5h\"\ncompleted_ago = \"200d\"\n\
                pools = [{ name = \"web\", nodes = 3 }]";
    let mut cluster = cluster(text, 5);
    cluster.build_data_plane();
    let before = cluster.data_plane.node_agent_secret("web", cluster.data_plane.template);
    cluster.roll_again(start());
    assert_eq!((&*cluster.phase, cluster.aggregated(start())), ("PREPARED", "STATE_RECONCILING"));
    let secrets: Vec<_> = cluster
        .data_plane
        .store
        .list(ObjectKind::Secret)
        .filter(|secret| secret.label("gardener.cloud/role").is_some())
        .map(|secret| secret.meta.key.name.to_string())
        .collect();
    assert!(secrets.len() == 1 && secrets[0] != before, "{secrets:?}");
    cluster.advance(later(start(), 60));
    assert_eq!(cluster.aggregated(later(start(), 60)), "STATE_HEALTHY");
    assert_eq!(count(&cluster, later(start(), 60)).ready, 3);
}

#[test]
fn without_capacity_a_roll_waits_is_reported_and_goes_on_when_there_is_some() {
    let text = "initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\npools = [{ name = \"web\", nodes = 3 }]\n\
                no_capacity = \"web\"";
    let mut cluster = cluster(text, 5);
    cluster.begin(ClusterOperation::StartRotation, start());
    let now = later(start(), 60);
    cluster.advance(now);
    let errors = cluster.errors(now);
    assert_eq!(errors.len(), 3, "one for each zone");
    assert_eq!(errors[0].code.as_deref(), Some("SKE_NODE_NO_VALID_HOST_FOUND"));
    assert_eq!((cluster.phase.as_str(), count(&cluster, now).old), ("PREPARING", 3));
    cluster.set_capacity("web", true);
    advance_until(&mut cluster, now, later(now, 60), |cluster, _| check_objects(cluster));
    assert_eq!(cluster.phase, "PREPARED");
}

#[test]
fn evictions_are_refused_as_the_api_does() {
    let text = "[[projects.clusters.workloads]]\nname = \"both\"\nmax_unavailable = 1\nbudgets = 2\n\
                [[projects.clusters.workloads]]\nname = \"one\"\nreplicas = 3\nmin_available = \"60%\"\n\
                [[projects.clusters.workloads]]\nname = \"lone\"\nkind = \"bare\"\n";
    let mut cluster = cluster(text, 5);
    cluster.build_data_plane();
    let data_plane = &mut cluster.data_plane;
    let pods = |data_plane: &crate::simulator::cluster::data_plane::DataPlane, app: &str| {
        data_plane
            .store
            .list(ObjectKind::Pod)
            .filter(|object| object.label("app") == Some(app))
            .map(|object| object.meta.key.clone())
            .collect::<Vec<_>>()
    };
    let both = pods(data_plane, "both");
    assert_eq!(data_plane.evict(&both[0], None, start()), Err(EvictionRefusal::SeveralBudgets));
    let one = pods(data_plane, "one");
    assert_eq!(data_plane.evict(&one[0], None, start()), Ok(()));
    assert!(data_plane.evict(&one[1], None, start()).is_err(), "60% of 3 are 2");
    assert_eq!(data_plane.evict(&one[0], None, start()), Ok(()), "it goes already");
    let lone = pods(data_plane, "lone");
    assert_eq!(data_plane.evict(&lone[0], None, start()), Ok(()));
    data_plane.settle(start());
    cluster.advance(later(start(), 10));
    check_objects(&cluster);
    assert!(pods(&cluster.data_plane, "lone").is_empty(), "nobody makes it anew");
    assert_eq!(pods(&cluster.data_plane, "one").len(), 3);
}

#[test]
fn pods_wait_when_there_is_no_room_and_go_on_when_there_is() {
    let text = "initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
                pools = [{ name = \"web\", nodes = 1, zones = 1, surge = 0, unavailable = 1 }]\n\
                usual_workloads = false\n\
                [[projects.clusters.workloads]]\nname = \"big\"\nreplicas = 1\ncpu = 3000\n\
                [[projects.clusters.workloads]]\nname = \"data\"\nkind = \"stateful_set\"\nreplicas = 1\nvolume = true\n";
    let mut cluster = cluster(text, 5);
    cluster.begin(ClusterOperation::StartRotation, start());
    let mut waited = false;
    let mut events = BTreeSet::new();
    // One of two coredns pods cannot be scheduled elsewhere: the drain is forced.
    let end = advance_until(&mut cluster, start(), later(start(), 180), |cluster, _| {
        check_objects(cluster);
        for object in cluster.data_plane.store.list(ObjectKind::Pod) {
            if let Some((_, why)) = &object.pod().unwrap().unschedulable {
                waited |= why.contains("nodes are available");
            }
        }
        for object in cluster.data_plane.store.list(ObjectKind::Event) {
            if let ObjectBody::Event(event) = &object.body {
                events.insert(event.reason);
            }
        }
    });
    assert_eq!(cluster.phase, "PREPARED");
    assert!(waited);
    advance_until(&mut cluster, end, later(end, 10), |_, _| {});
    cluster.advance(later(end, 10));
    assert!(cluster.data_plane.pending.is_empty());
    for reason in
        ["FailedScheduling", "RegisteredNode", "NodeReady", "NodeNotSchedulable", "Killing"]
    {
        assert!(events.contains(reason), "{reason}: {events:?}");
    }
}

#[test]
fn a_rotation_goes_through_its_steps_in_the_platforms_order() {
    let text = "phase = \"NEVER\"\nversion = \"1.26.15\"\nage = \"400d\"\npools = [{ name = \"web\", nodes = 3 }]";
    let mut cluster = cluster(text, 5);
    assert!(cluster.credentials.static_token.is_some());
    cluster.begin(ClusterOperation::StartRotation, start());
    assert_eq!(
        (cluster.credentials.accepted.clone(), cluster.credentials.bundle.clone()),
        (vec![1], vec![2, 1])
    );
    let mut seen: Vec<&str> = Vec::new();
    let note = |word: &'static str, seen: &mut Vec<&str>| {
        if !seen.contains(&word) {
            seen.push(word);
        }
    };
    advance_until(&mut cluster, start(), later(start(), 300), |cluster, _| {
        let store = &cluster.data_plane.store;
        if cluster.credentials.accepted == [2, 1] && cluster.credentials.static_token.is_none() {
            note("trusted", &mut seen);
        }
        let labelled = store
            .list(ObjectKind::Secret)
            .filter(|secret| secret.label("credentials.gardener.cloud/key-name").is_some())
            .count();
        if labelled > 0 {
            note("first secret", &mut seen);
        }
        if labelled == store.list(ObjectKind::Secret).count() {
            note("all secrets", &mut seen);
        }
        if store.list(ObjectKind::ServiceAccount).any(
            |object| matches!(&object.body, ObjectBody::ServiceAccount(secrets) if secrets.len() == 2),
        ) {
            note("second token", &mut seen);
        }
        let bundles = store
            .list(ObjectKind::ConfigMap)
            .filter(|object| {
                matches!(&object.body, ObjectBody::ConfigMap(data)
                if data.get("ca.crt").is_some_and(|pem| pem.matches("BEGIN").count() == 2))
            })
            .count();
        if bundles == store.list(ObjectKind::Namespace).count() {
            note("all bundles", &mut seen);
        }
        if cluster.data_plane.template == 2 {
            note("templates", &mut seen);
        }
        if count(cluster, Timestamp::MAX).joining > 0 {
            note("new node", &mut seen);
        }
    });
    assert_eq!(
        seen,
        [
            "trusted",
            "first secret",
            "all secrets",
            "second token",
            "all bundles",
            "templates",
            "new node"
        ]
    );
    assert_eq!(cluster.phase, "PREPARED");
    let now = later(start(), 300);
    cluster.advance(now);
    let nodes = cluster.data_plane.node_histories.len();
    cluster.begin(ClusterOperation::CompleteRotation, now);
    assert_eq!(cluster.credentials.serving, 1);
    let mut dropped_while = None;
    while let Some(next) = cluster.next_due().filter(|next| *next < later(now, 20)) {
        cluster.advance(next);
        if cluster.credentials.accepted == [2] && dropped_while.is_none() {
            dropped_while = Some(cluster.phase.clone());
            assert_eq!(cluster.credentials.serving, 2);
        }
    }
    assert_eq!(dropped_while.as_deref(), Some("COMPLETING"));
    assert_eq!(cluster.phase, "COMPLETED");
    assert_eq!(cluster.data_plane.node_histories.len(), nodes, "completing rolls no node");
    let secrets = cluster.data_plane.store.list(ObjectKind::ServiceAccount).find_map(|object| {
        if let ObjectBody::ServiceAccount(secrets) = &object.body
            && !secrets.is_empty()
        {
            Some(secrets.len())
        } else {
            None
        }
    });
    assert_eq!(secrets, Some(1), "the old listed one is gone");
}

#[test]
fn a_scene_may_begin_while_the_control_plane_is_renewed_or_the_old_is_dropped() {
    let text = "phase = \"PREPARING\"\ninitiated_ago = \"1m\"\ncompleted_ago = \"200d\"\npools = [{ name = \"web\", nodes = 3 }]";
    let mut early = cluster(text, 5);
    early.advance(start());
    let bundles = |cluster: &SimulatedCluster| {
        let mut counts = BTreeSet::new();
        for object in cluster.data_plane.store.list(ObjectKind::ConfigMap) {
            if let ObjectBody::ConfigMap(data) = &object.body
                && let Some(pem) = data.get("ca.crt")
            {
                counts.insert(pem.matches("BEGIN").count());
            }
        }
        counts
    };
    assert_eq!((early.credentials.accepted.clone(), bundles(&early)), (vec![1], [1].into()));
    let end = advance_until(&mut early, start(), later(start(), 120), |_, _| {});
    assert_eq!(early.phase, "PREPARED");
    assert!(end < later(start(), 60));
    assert_eq!((early.credentials.accepted.clone(), bundles(&early)), (vec![2, 1], [2].into()));

    let text = "phase = \"COMPLETING\"\ninitiated_ago = \"5h\"\ncompleted_ago = \"200d\"\npools = [{ name = \"web\", nodes = 3 }]";
    let mut late = cluster(text, 5);
    late.advance(start());
    assert_eq!((late.credentials.accepted.clone(), bundles(&late)), (vec![2, 1], [2].into()));
    late.advance(later(start(), 1));
    assert_eq!(late.phase, "COMPLETED");
    assert_eq!((late.credentials.accepted.clone(), bundles(&late)), (vec![2], [1].into()));
    // Tokens that users created before the start are not accepted.
    let manual = late
        .data_plane
        .store
        .get(ObjectKind::Secret, &ObjectKey::new("shop", "deployer-token"))
        .unwrap();
    assert!(manual.meta.created < late.initiated.unwrap());
    let token = manual.secret().unwrap().data["token"].clone();
    assert_eq!(late.credentials.verify(&token), None);
    let mut calm = cluster("initiated_ago = \"40d\"\ncompleted_ago = \"39d\"", 5);
    calm.build_data_plane();
    let manual = calm
        .data_plane
        .store
        .get(ObjectKind::Secret, &ObjectKey::new("shop", "deployer-token"))
        .unwrap();
    assert!(manual.meta.created > calm.completed.unwrap());
    let token = manual.secret().unwrap().data["token"].clone();
    assert!(calm.credentials.verify(&token).is_some());
}

#[test]
fn the_autoscaler_stays_within_its_limits_and_a_roll_still_ends() {
    let text = "initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
                pools = [{ name = \"web\", nodes = 6, maximum = 12, autoscale = true }]";
    let mut cluster = cluster(text, 11);
    cluster.build_data_plane();
    let mut sizes = BTreeSet::new();
    advance_until(&mut cluster, start(), later(start(), 300), |cluster, _| {
        check_objects(cluster);
        sizes.insert(
            cluster.data_plane.machine_deployments.iter().map(|zone| zone.desired).sum::<usize>(),
        );
    });
    assert!(sizes.len() > 2 && sizes.iter().all(|size| (6..=12).contains(size)), "{sizes:?}");
    let now = later(start(), 300);
    cluster.advance(now);
    cluster.begin(ClusterOperation::StartRotation, now);
    advance_until(&mut cluster, now, later(now, 600), |cluster, _| check_objects(cluster));
    assert_eq!(cluster.phase, "PREPARED");
}

#[test]
fn a_deleted_node_is_replaced_and_hibernation_takes_all() {
    let mut cluster = cluster("pools = [{ name = \"web\", nodes = 3 }]", 5);
    cluster.build_data_plane();
    let name = Arc::clone(&cluster.data_plane.machine_deployments[0].machines[0].name);
    cluster.data_plane.delete_node(&name, start());
    check_objects(&cluster);
    assert_eq!(cluster.data_plane.store.list(ObjectKind::Node).count(), 2);
    cluster.advance(later(start(), 20));
    check_objects(&cluster);
    assert_eq!(cluster.data_plane.store.list(ObjectKind::Node).count(), 3);
    assert!(cluster.data_plane.machine(&name).is_none());
    cluster.set_state("STATE_HIBERNATED");
    check_objects(&cluster);
    assert_eq!(cluster.data_plane.store.list(ObjectKind::Node).count(), 0);
    assert!(!cluster.has_api_server());
    cluster.begin(ClusterOperation::WakeUp, later(start(), 21));
    assert!(!cluster.has_api_server());
    cluster.advance(later(start(), 40));
    assert!(cluster.has_api_server());
    assert_eq!(cluster.state, "STATE_HEALTHY");
    assert_eq!(cluster.data_plane.store.list(ObjectKind::Node).count(), 3);
    check_objects(&cluster);
}
