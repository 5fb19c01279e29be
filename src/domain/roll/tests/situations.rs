//! Situations of a roll as tables: a row is what a snapshot shows, and the blockers that are found in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::cluster::{Cluster, NodePool, ReportedError};
use crate::domain::fixtures::now;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::cause::{
    EvictionBlock, FullPool, NodeName, ObjectName, PdbBlock, PdbFix, VolumeBinding, WebhookBlock,
};
use crate::domain::roll::blocker::{Blocker, BlockerCause, Severity};
use crate::domain::roll::classify::Since;
use crate::domain::roll::tests::blockers::{kinds, object, preparing, sample};
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::tracking::{NEW, draining, joining, node, old, snapshot, template};
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, ClusterSnapshot, Event, Node, OwnerReference, Pod, Selector,
    Templates, Unseen,
};

/// A node of before the start that has been draining for half an hour, and one that waits.
fn rolling() -> ClusterSnapshot {
    snapshot(vec![draining(old("a", "eu01-1"), ago(30)), old("b", "eu01-1")])
}

fn with_pods(pods: Vec<Pod>) -> ClusterSnapshot {
    let mut seen = rolling();
    seen.pods.extend(pods.into_iter().map(Arc::new));
    seen
}

fn of(kind: &str, name: &str) -> OwnerReference {
    OwnerReference { kind: kind.into(), name: name.into() }
}

/// A pod of a workload on a node, evictable.
fn owned(name: &str, node: &str) -> Pod {
    Pod { owner: Some(of("StatefulSet", "api")), ..pod(name, Some(node)) }
}

/// A pod of a workload that cannot be scheduled since so many minutes.
fn waiting(name: &str, minutes: i64) -> Pod {
    let unscheduled = Some((Some(ago(minutes)), format!("no room for {name}")));
    Pod { pending: true, ready: false, unscheduled, node: None, ..owned(name, "") }
}

fn found(seen: &ClusterSnapshot) -> Vec<BlockerCause> {
    at_once(&preparing(), seen).blockers.into_iter().map(|blocker| blocker.cause).collect()
}

fn problem(code: &str) -> ReportedError {
    ReportedError { code: code.into(), message: "why".into() }
}

#[test]
fn how_bad_a_blocker_is_and_what_it_is_about_follow_from_its_cause() {
    let (pods, name) = (|| sample(&["shop/api"]), || ObjectName::new("shop", "api"));
    let pdb = |misconfigured| {
        let (status, unready, missing) = (None, None, None);
        let (budget, fix) = (name(), PdbFix::AwaitStatus);
        BlockerCause::Pdb(PdbBlock {
            budget,
            misconfigured,
            pods: pods(),
            status,
            fix,
            unready,
            missing,
        })
    };
    let webhook = |certain| {
        let (configurations, refused) = (BTreeSet::new(), BTreeSet::new());
        BlockerCause::Webhook(WebhookBlock { service: name(), configurations, refused, certain })
    };
    let eviction = |dead| {
        let configurations = BTreeSet::new();
        BlockerCause::EvictionWebhook(EvictionBlock {
            pods: pods(),
            configurations,
            dead,
            denial: None,
        })
    };
    let full = FullPool { pool: "db".into(), maximum: 3, zones: Vec::new() };
    let unschedulable = BlockerCause::UnschedulablePods {
        pods: pods(),
        owner: None,
        message: String::new(),
        volume: None,
    };
    let several = || BlockerCause::SeveralPdbs { pods: pods(), budgets: Vec::new() };
    let fix = PdbFix::AwaitStatus;
    let on_node = |cause| Blocker {
        node: Some(NodeName { full: "shoot-web-1".into(), short: "web-1".into() }),
        place: Some(("web".into(), "eu01-1".into())),
        ..Blocker::new(cause, None)
    };
    let (blocks, delays, note) = (Severity::Blocks, Severity::Delays, Severity::Note);
    let hung = BlockerCause::HungPods { pods: pods(), finalizers: Vec::new() };
    let grace = BlockerCause::GracePeriod { pods: pods(), until: now(), limit: None };
    let volume =
        BlockerCause::Volume { volume: "pv".into(), attachment: "csi".into(), error: None };
    let local = BlockerCause::LocalVolume { pod: name(), volume: "pv".into() };
    let not_ready = BlockerCause::NodeNotReady { why: None, reason: None, pods: pods() };
    let unreadable =
        BlockerCause::UnreadablePdb { budget: name(), reason: "x".into(), node: "web-1".into() };
    for (cause, severity, blocks_drain, about) in [
        (pdb(true), blocks, true, "PodDisruptionBudget shop/api"),
        (pdb(false), delays, true, "PodDisruptionBudget shop/api"),
        (several(), blocks, true, "Pod shop/api"),
        (hung, delays, true, "Pod shop/api"),
        (grace, delays, true, "Pod shop/api"),
        (eviction(Some(name())), blocks, true, "Pod shop/api"),
        (eviction(None), delays, true, "Pod shop/api"),
        (volume, delays, true, "VolumeAttachment csi"),
        (webhook(true), blocks, false, "Service shop/api"),
        (webhook(false), note, false, "Service shop/api"),
        (BlockerCause::PreparingTooLong, blocks, false, ""),
        (BlockerCause::NoNewNode { old_left: 1, missing: 0 }, blocks, false, "node pool web"),
        (BlockerCause::PreservedNode { reason: None }, blocks, false, "Node shoot-web-1"),
        (BlockerCause::OldNodeNotReady { reason: None }, delays, false, "Node shoot-web-1"),
        (not_ready, delays, false, "Node shoot-web-1"),
        (unschedulable, delays, false, "Pod shop/api"),
        (BlockerCause::Reported(problem("SKE_QUOTA_EXCEEDED")), blocks, false, ""),
        (BlockerCause::Reported(problem("SKE_DNS_ZONE_NOT_FOUND")), delays, false, ""),
        (unreadable, note, false, "PodDisruptionBudget shop/api"),
        (
            BlockerCause::PdbAhead { budget: name(), pods: pods(), fix },
            note,
            false,
            "PodDisruptionBudget shop/api",
        ),
        (BlockerCause::BarePods(pods()), note, false, "Pod shop/api"),
        (BlockerCause::LocalData(pods()), note, false, "Pod shop/api"),
        (local, note, false, "PersistentVolume pv"),
        (BlockerCause::PoolsAtMaximum(vec![full]), note, false, "node pool db"),
        (BlockerCause::Hibernation { at: now(), rotation_runs: true }, note, false, ""),
        (BlockerCause::Maintenance { opens: None }, note, false, ""),
    ] {
        let blocker = on_node(cause);
        assert_eq!(blocker.severity(), severity, "{blocker:?}");
        assert_eq!(blocker.stops(), severity == blocks, "{blocker:?}");
        assert_eq!(blocker.blocks_drain(), blocks_drain, "{blocker:?}");
        assert_eq!(object(&blocker), about, "{blocker:?}");
        assert!(blocker.concerns("web") && !blocker.concerns("db"));
        let of_roll = Blocker::new(blocker.cause, None);
        assert!(of_roll.concerns("web") && !of_roll.blocks_drain(), "it is of no node");
    }
    let ahead = Blocker::new(several(), None);
    assert_eq!(ahead.severity(), note, "the drain of its node has not begun");
}

#[test]
fn what_ske_reports_is_shown_beside_the_likeliest_cause_in_the_cluster() {
    let capacity = [
        "SKE_NODE_NO_VALID_HOST_FOUND",
        "SKE_NETWORK_NO_AVAILABLE_IPS",
        "SKE_QUOTA_EXCEEDED",
        "SKE_NODE_MACHINE_TYPE_NOT_FOUND",
    ];
    let nodes = [
        "SKE_UNREADY_NODES",
        "SKE_NODE_MEMORY_PRESSURE",
        "SKE_NODE_DISK_PRESSURE",
        "SKE_NODE_PID_PRESSURE",
    ];
    let shown_as = |code: &str, seen: &ClusterSnapshot| {
        let subject = Cluster { problems: vec![problem(code)], ..preparing() };
        let roll = at_once(&subject, seen);
        let told = roll.blockers.iter().filter(|blocker| !blocker.reported.is_empty());
        let kind = |blocker: &Blocker| {
            let text = format!("{:?}", blocker.cause);
            (text.split([' ', '(']).next().unwrap().to_owned(), object(blocker))
        };
        let told: Vec<(String, String)> = told.map(kind).collect();
        told
    };
    let missing = fixture("no_new_node");
    for code in capacity {
        let [(kind, _)] = &shown_as(code, &missing)[..] else { panic!("{code}") };
        assert_eq!(kind, "NoNewNode", "{code}");
    }
    for code in nodes {
        let [(kind, _)] = &shown_as(code, &missing)[..] else { panic!("{code}") };
        assert_eq!(kind, "NodeNotReady", "{code}");
    }
    // Budgets: those that can allow nothing first, then one that allows nothing now, then SKE's word alone.
    let code = "SKE_NODE_MISCONFIGURED_PDB";
    let covered = |figures: &[Budget]| {
        let mut seen = with_pods(vec![owned("api-0", "a")]);
        seen.budgets.extend(figures.iter().cloned().map(Arc::new));
        shown_as(code, &seen)
    };
    let (never, now_none) = (budget(0, 2, 2, 2), budget(0, 1, 1, 2));
    let second = Budget { name: "second".into(), ..budget(1, 2, 1, 2) };
    let guard = "PodDisruptionBudget payments/api";
    for (figures, kind, about) in [
        (vec![never.clone()], "Pdb", guard),
        (vec![now_none.clone()], "Pdb", guard),
        (vec![never, second], "SeveralPdbs", "Pod payments/api-0"),
        (vec![], "Reported", ""),
    ] {
        assert_eq!(covered(&figures), [(kind.to_owned(), about.to_owned())], "{figures:?}");
    }
    let mut both = with_pods(vec![
        owned("api-0", "a"),
        Pod { namespace: "billing".into(), ..owned("api-0", "a") },
    ]);
    let misconfigured = Budget { namespace: "billing".into(), ..budget(0, 2, 2, 2) };
    both.budgets.extend([now_none, misconfigured].map(Arc::new));
    assert_eq!(shown_as(code, &both), [("Pdb".into(), "PodDisruptionBudget billing/api".into())]);
    // One that only waits for its turn explains nothing yet.
    let mut ahead = with_pods(vec![owned("api-0", "b")]);
    ahead.budgets.push(Arc::new(budget(0, 2, 2, 2)));
    let two = Budget { name: "second".into(), ..budget(1, 2, 1, 2) };
    assert_eq!(shown_as(code, &ahead), [("Reported".to_owned(), String::new())]);
    ahead.budgets.push(Arc::new(two));
    assert_eq!(shown_as(code, &ahead), [("Reported".to_owned(), String::new())]);
    // How much of the list is left out is no error.
    let rest = ReportedError { code: String::new(), message: "and 400 more".into() };
    let subject = Cluster { problems: vec![rest], ..preparing() };
    assert_eq!(kinds(&at_once(&subject, &rolling())), Vec::<String>::new());
}

#[test]
fn nothing_blocks_a_cluster_in_which_nothing_rolls() {
    let problems = vec![problem("SKE_DNS_ZONE_NOT_FOUND")];
    let settled = snapshot(vec![node("a", "eu01-1", ago(60), NEW)]);
    for (phase, is_found) in
        [(Phase::Never, false), (Phase::Completed, false), (Phase::Preparing, true)]
    {
        let subject = Cluster { problems: problems.clone(), ..cluster(phase.clone()) };
        assert_eq!(kinds(&at_once(&subject, &settled)).is_empty(), !is_found, "{phase:?}");
    }
    // One of two pools is replaced for another reason.
    let mut subject = Cluster { problems, ..cluster(Phase::Prepared) };
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let mut seen = fixture("another_roll_while_prepared");
    let of_db = "gardener-node-agent-db-0000000000000002";
    seen.nodes
        .push(Arc::new(Node { pool: "db".into(), ..node("db-1", "eu01-1", ago(150), of_db) }));
    assert!(kinds(&at_once(&subject, &seen)).contains(&"Reported".to_owned()));
}

#[test]
fn since_when_a_waiting_pod_can_be_of_the_roll() {
    let mut two = preparing();
    two.pools.push(NodePool { name: "db".into(), ..two.pools[0].clone() });
    // The rotation started 180 minutes ago; the template of pool web is 174 minutes old, that of pool db 100.
    let db = "gardener-node-agent-db-0000000000000002";
    let of_db = |name: &str| Node {
        pool: "db".into(),
        ..draining(
            node(name, "eu01-1", ago(60 * 24), "gardener-node-agent-db-0000000000000001"),
            ago(30),
        )
    };
    let known = |created: &[(&str, Option<i64>)]| {
        let created = created.iter().map(|(name, minutes)| {
            let pool = if *name == db { "db" } else { "web" };
            let mut of_pool = template(name, ago(minutes.unwrap_or_default()));
            (of_pool.pool, of_pool.created) = (pool.into(), minutes.map(ago));
            of_pool
        });
        Templates::Known(created.collect())
    };
    let both = [(NEW, Some(174)), (db, Some(100))];
    let old_only = "gardener-node-agent-web-0000000000000001";
    for (templates, subject, ages, expected) in [
        // The pool whose nodes were replaced first begins it.
        (known(&both), &two, [200, 177, 150, 20], [false, false, true, true]),
        // Where one is not known, its nodes may have been replaced from the start on.
        (
            known(&[(NEW, Some(174)), (db, None)]),
            &two,
            [200, 177, 150, 20],
            [false, true, true, true],
        ),
        // No node is replaced yet: what begins after the start may be of it.
        (
            known(&[(old_only, Some(60 * 24))]),
            &preparing(),
            [200, 177, 150, 20],
            [false, true, true, true],
        ),
    ] {
        let is_named = |minutes: i64| {
            let mut nodes = vec![old("a", "eu01-1"), old("b", "eu01-1")];
            if subject.pools.len() > 1 {
                nodes = vec![draining(old("a", "eu01-1"), ago(30)), of_db("d")];
            }
            let mut seen = snapshot(nodes);
            seen.templates = templates.clone();
            seen.pods.push(Arc::new(waiting("api-2", minutes)));
            kinds(&at_once(subject, &seen)).contains(&"UnschedulablePods".to_owned())
        };
        assert_eq!(ages.map(is_named), expected, "{templates:?}");
    }
}

#[test]
fn pods_that_wait_for_a_node_are_one_blocker_for_each_workload_since_the_first() {
    let named = |pods: Vec<Pod>| -> Vec<(BlockerCause, Option<Since>)> {
        let roll = at_once(&preparing(), &with_pods(pods));
        let is_of_pods =
            |blocker: &Blocker| matches!(blocker.cause, BlockerCause::UnschedulablePods { .. });
        let blockers = roll.blockers.into_iter().filter(is_of_pods);
        blockers.map(|blocker| (blocker.cause, blocker.since)).collect()
    };
    let cause = |pods: &[&str], owner: Option<OwnerReference>, first: &str| {
        let message = format!("no room for {first}");
        BlockerCause::UnschedulablePods { pods: sample(pods), owner, message, volume: None }
    };
    let bare = |name: &str, minutes| Pod { owner: None, ..waiting(name, minutes) };
    let since = |minutes| Some(Since::exact(ago(minutes)));
    assert_eq!(
        named(vec![waiting("api-1", 10), waiting("api-2", 20), bare("x", 15), bare("y", 25)]),
        [
            (cause(&["payments/y"], None, "y"), since(25)),
            (
                cause(
                    &["payments/api-2", "payments/api-1"],
                    Some(of("StatefulSet", "api")),
                    "api-2"
                ),
                since(20),
            ),
            (cause(&["payments/x"], None, "x"), since(15)),
        ]
    );
    for pod in [
        waiting("young", 2),
        Pod { deletion_deadline: Some(ago(-1)), ..waiting("going", 20) },
        Pod { owner: Some(of("DaemonSet", "agent")), ..waiting("agent", 20) },
    ] {
        assert_eq!(named(vec![pod]), []);
    }
    // Many are cut, the ones that wait longest stay.
    let many = (0..30).map(|number| bare(&format!("pod-{number}"), 10 + number)).collect();
    let rows = named(many);
    assert_eq!((rows.len(), rows[0].1, rows[19].1), (20, since(39), since(20)));
}

#[test]
fn a_pod_waits_where_its_volume_is() {
    let volume = |on_node, zones: &[&str]| BoundVolume {
        name: "pv".into(),
        claim: Some(("payments".into(), "data".into())),
        on_node,
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
    };
    let binding = |zones: Option<Vec<String>>| Some(VolumeBinding { volume: "pv".into(), zones });
    let (one, two) = (vec!["eu01-1".to_owned()], vec!["eu01-1".to_owned(), "eu01-2".to_owned()]);
    let place = |zone: &str| Some(("web".to_owned(), zone.to_owned()));
    for (volume, told, waits) in [
        (volume(false, &["eu01-1"]), binding(Some(one)), place("eu01-1")),
        (volume(false, &["eu01-1", "eu01-2"]), binding(Some(two)), None),
        (volume(true, &[]), binding(None), None),
        (volume(false, &[]), None, None),
    ] {
        let mut seen = with_pods(vec![Pod { claims: vec!["data".into()], ..waiting("api-2", 20) }]);
        seen.volumes.push(Arc::new(volume));
        let roll = at_once(&preparing(), &seen);
        let is_of_pods =
            |blocker: &&Blocker| matches!(blocker.cause, BlockerCause::UnschedulablePods { .. });
        let blocker = roll.blockers.iter().find(is_of_pods).unwrap();
        let BlockerCause::UnschedulablePods { volume, .. } = &blocker.cause else { panic!("none") };
        assert_eq!((volume, &blocker.place), (&told, &waits), "{seen:?}");
    }
    // The zone of its volume has all the nodes that it may have; the other zones do not matter.
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].maximum) = (2, 4);
    let full = |zones: &[&str]| {
        let mut seen = with_pods(vec![Pod { claims: vec!["data".into()], ..waiting("api-2", 20) }]);
        seen.volumes.push(Arc::new(volume(false, zones)));
        seen.nodes.push(Arc::new(old("c", "eu01-1")));
        let roll = at_once(&subject, &seen);
        kinds(&roll).contains(&"PoolsAtMaximum".to_owned())
    };
    assert_eq!((full(&["eu01-1"]), full(&["eu01-2"])), (true, false));
}

#[test]
fn a_volume_blocks_where_its_node_drains_or_is_gone_since_the_roll() {
    let attached = |node: &str, minutes: Option<i64>, error: Option<&str>| Attachment {
        name: "csi".into(),
        node: node.into(),
        volume: "pv".into(),
        detaching_since: minutes.map(ago),
        detach_error: error.map(str::to_owned),
    };
    let error = Some("volume is busy");
    for (attachment, is_found) in [
        (attached("a", Some(10), None), true),
        (attached("a", Some(1), None), false),
        (attached("a", Some(1), error), true),
        (attached("a", None, error), true),
        (attached("a", None, None), false),
        // It drains whenever that began.
        (attached("a", Some(600), None), true),
        // Of a node that is not drained.
        (attached("b", Some(10), error), false),
        (attached("new", Some(10), error), false),
        // Of a node that is gone.
        (attached("gone", Some(10), None), true),
        (attached("gone", None, error), true),
        (attached("gone", Some(600), error), false),
    ] {
        let mut seen = snapshot(vec![
            draining(old("a", "eu01-1"), ago(30)),
            old("b", "eu01-1"),
            node("new", "eu01-1", ago(40), NEW),
        ]);
        seen.attachments.push(Arc::new(attachment.clone()));
        let is_volume = |cause: &BlockerCause| matches!(cause, BlockerCause::Volume { .. });
        assert_eq!(found(&seen).iter().any(is_volume), is_found, "{attachment:?}");
        seen.nodes.clear();
        seen.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
        assert!(!found(&seen).iter().any(is_volume), "nodes are not known");
    }
}

#[test]
fn what_does_not_survive_a_drain_is_named_once() {
    let local = || Pod { local_data: true, ..owned("api-0", "a") };
    let bare = || Pod { owner: None, ..pod("shell", Some("a")) };
    let data = || BlockerCause::LocalData(sample(&["payments/api-0"]));
    let bares = || BlockerCause::BarePods(sample(&["payments/shell"]));
    for (pod, expected) in [
        (local(), vec![data()]),
        (bare(), vec![bares()]),
        (Pod { local_data: true, ..bare() }, vec![bares()]),
        (Pod { finished: true, ..local() }, vec![]),
        (Pod { finished: true, ..bare() }, vec![]),
        (Pod { namespace: "kube-system".into(), ..local() }, vec![]),
        (Pod { owner: Some(of("DaemonSet", "agent")), ..local() }, vec![]),
        (Pod { node: Some("b".into()), ..local() }, vec![]),
    ] {
        assert_eq!(found(&with_pods(vec![pod.clone()])), expected, "{pod:?}");
    }
    // Of one node it is said which one.
    let mut seen = with_pods(vec![local(), Pod { node: Some("c".into()), ..local() }]);
    let node_of = |seen: &ClusterSnapshot| {
        let roll = at_once(&preparing(), seen);
        roll.blockers[0].node.as_ref().map(|node| node.full.clone())
    };
    seen.nodes.push(Arc::new(draining(old("c", "eu01-2"), ago(30))));
    assert_eq!(node_of(&seen), None);
    seen.pods.remove(1);
    assert_eq!(node_of(&seen).as_deref(), Some("a"));
}

#[test]
fn pods_that_hang_or_may_stay_for_long_are_told_by_the_one_that_counts() {
    let deleted = |name: &str, by: i64, grace: i64| {
        let finalizers = vec![format!("of/{name}")];
        Pod {
            deletion_deadline: Some(ago(by)),
            grace_seconds: grace,
            finalizers,
            ..owned(name, "a")
        }
    };
    let hung = |pods: &[&str], finalizers: &str| BlockerCause::HungPods {
        pods: sample(pods),
        finalizers: vec![finalizers.to_owned()],
    };
    let limit = Some(ago(30 - 120));
    let grace = |pods: &[&str], until: i64| BlockerCause::GracePeriod {
        pods: sample(pods),
        until: ago(until),
        limit,
    };
    for (pods, expected) in [
        // The one that should be gone for the longest time.
        (
            vec![deleted("a", 5, 30), deleted("b", 9, 30)],
            vec![hung(&["payments/b", "payments/a"], "of/b")],
        ),
        (vec![deleted("a", 1, 30)], vec![]),
        // The one that may stay longest.
        (
            vec![deleted("a", -10, 1_200), deleted("b", -40, 3_000)],
            vec![grace(&["payments/b", "payments/a"], -40)],
        ),
        // Asked for less than three minutes ago; a short one; one that hangs already.
        (vec![deleted("a", -18, 1_200)], vec![]),
        (vec![deleted("a", 1, 180)], vec![]),
        (vec![deleted("a", 5, 1_200)], vec![hung(&["payments/a"], "of/a")]),
    ] {
        assert_eq!(found(&with_pods(pods.clone())), expected, "{pods:?}");
    }
}

#[test]
fn an_eviction_is_called_denied_only_where_nothing_else_can_block_it() {
    let base = fixture("slow_drains");
    let is_front = |pod: &&Arc<Pod>| pod.name == "front-1";
    let front = Pod::clone(base.pods.iter().find(is_front).unwrap());
    let on = front.node.clone().unwrap();
    let denied = |change: &dyn Fn(&mut ClusterSnapshot)| {
        let mut seen = base.clone();
        change(&mut seen);
        at_once(&preparing(), &seen).blockers.into_iter().find_map(|blocker| {
            let BlockerCause::EvictionWebhook(block) = blocker.cause else { return None };
            Some(block.denial)
        })
    };
    let replace = |pod: Pod| {
        move |seen: &mut ClusterSnapshot| {
            let place = seen.pods.iter_mut().find(|pod| pod.name == "front-1").unwrap();
            *place = Arc::new(pod.clone());
        }
    };
    let guard = |name: &str, figures: Budget| {
        let selector = Selector::Labels(Vec::new());
        Arc::new(Budget { namespace: "shop".into(), name: name.into(), selector, ..figures })
    };
    let unreadable = Selector::Unreadable("x".into());
    assert_eq!(denied(&|_| {}), Some(None));
    assert_eq!(denied(&replace(Pod { finished: true, ..front.clone() })), None);
    assert_eq!(denied(&replace(Pod { deletion_deadline: Some(ago(-1)), ..front })), None);
    assert_eq!(denied(&|seen| seen.budgets.push(guard("one", budget(1, 2, 1, 2)))), Some(None));
    let two = |seen: &mut ClusterSnapshot| {
        seen.budgets.push(guard("one", budget(1, 2, 1, 2)));
        seen.budgets.push(guard("two", budget(1, 2, 1, 2)));
    };
    assert_eq!(denied(&two), None, "the API refuses it for them");
    let odd = |seen: &mut ClusterSnapshot| {
        let selector = unreadable.clone();
        let guard = Budget { selector, ..Budget::clone(&guard("odd", budget(0, 2, 2, 2))) };
        seen.budgets.push(Arc::new(guard));
    };
    assert_eq!(denied(&odd), None, "it may cover the pod");
    let young = |seen: &mut ClusterSnapshot| {
        for node in seen.nodes.iter_mut().filter(|node| node.name == on) {
            *node = Arc::new(draining(Node::clone(node), ago(2)));
        }
    };
    assert_eq!(denied(&young), None, "its drain has just begun");
    for kind in ["pods", "poddisruptionbudgets", "nodes"] {
        let unread = |seen: &mut ClusterSnapshot| {
            seen.unseen.insert(kind, Unseen::Unread);
        };
        assert_eq!(denied(&unread), None, "{kind}");
    }
    // What events say of it: the latest, of the pod, else of its node.
    let event = |kind: &str, name: &str, minutes, message: &str| {
        Arc::new(Event {
            uid: format!("{name}-{minutes}"),
            at: Some(ago(minutes)),
            kind: kind.into(),
            namespace: if kind == "Pod" { "shop".into() } else { String::new() },
            name: name.into(),
            reason: "Failed".into(),
            message: message.into(),
            warning: true,
            count: 1,
        })
    };
    let (webhook, later) = ("admission webhook \"a\" denied", "admission webhook \"b\" denied");
    for (events, expected) in [
        (vec![event("Pod", "front-1", 5, webhook)], Some(webhook)),
        (vec![event("Pod", "front-1", 5, webhook), event("Pod", "front-1", 3, later)], Some(later)),
        (vec![event("Pod", "front-1", 5, "no room")], None),
        (vec![event("Pod", "front-2", 5, webhook)], None),
        (vec![event("Node", &on, 5, webhook)], Some(webhook)),
        (vec![event("Node", "other", 5, webhook)], None),
        (vec![event("Machine", &on, 5, webhook)], None),
        (vec![event("Pod", "front-1", 5, webhook), event("Node", &on, 3, later)], Some(webhook)),
    ] {
        let told = denied(&|seen| seen.events.extend(events.iter().cloned()));
        assert_eq!(told, Some(expected.map(str::to_owned)), "{events:?}");
    }
}

#[test]
fn a_new_node_that_is_not_ready_names_the_system_pods_that_are_not() {
    let born = |minutes| joining(node("new", "eu01-1", ago(minutes), NEW));
    let of_system = |name: &str, ready| Pod {
        namespace: "kube-system".into(),
        owner: Some(of("DaemonSet", "calico")),
        ready,
        ..pod(name, Some("new"))
    };
    let user = Pod { ready: false, ..owned("api-0", "new") };
    let pods = vec![of_system("calico-1", false), of_system("proxy-1", true), user];
    let named = |minutes| {
        let mut seen = with_pods(pods.clone());
        seen.nodes.push(Arc::new(born(minutes)));
        seen.budgets.push(Arc::new(budget(0, 2, 2, 2)));
        found(&seen).into_iter().find_map(|cause| {
            if let BlockerCause::NodeNotReady { pods, .. } = cause {
                Some(Ok(pods))
            } else if let BlockerCause::PdbAhead { pods, .. } = cause {
                Some(Err(pods))
            } else {
                None
            }
        })
    };
    assert_eq!(named(20), Some(Ok(sample(&["kube-system/calico-1"]))));
    assert_eq!(named(9), None, "it takes as long; its pods are of no node that is drained");
}

#[test]
fn a_budget_is_named_ahead_for_each_node_that_is_still_to_be_drained() {
    let ahead = |node: Node, guard: Budget| {
        let mut seen = rolling();
        seen.nodes.push(Arc::new(node));
        seen.pods.push(Arc::new(owned("api-0", "x")));
        seen.budgets.push(Arc::new(guard));
        let named = |cause: &BlockerCause| matches!(cause, BlockerCause::PdbAhead { .. });
        found(&seen).iter().any(named)
    };
    let (never, once) = (budget(0, 2, 2, 2), budget(0, 1, 1, 2));
    assert!(ahead(old("x", "eu01-1"), never.clone()));
    assert!(ahead(Node { cordoned: true, ..old("x", "eu01-1") }, never.clone()));
    assert!(!ahead(old("x", "eu01-1"), once), "it may allow one by then");
    assert!(!ahead(node("x", "eu01-1", ago(50), NEW), never.clone()));
    assert!(!ahead(joining(node("x", "eu01-1", ago(5), NEW)), never));
    // What lets pods go that are not ready is in nobody's way.
    let mut seen = rolling();
    seen.pods.push(Arc::new(Pod { ready: false, ..owned("api-0", "b") }));
    seen.budgets.push(Arc::new(budget(0, 2, 2, 2)));
    assert_eq!(found(&seen), []);
}

#[test]
fn a_pool_that_does_not_roll_holds_up_no_roll() {
    let mut subject = cluster(Phase::Prepared);
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let mut seen = fixture("another_roll_while_prepared");
    seen.pods.clear();
    seen.budgets.clear();
    let of_db = "gardener-node-agent-db-0000000000000002";
    let leaving = draining(node("db-1", "eu01-1", ago(150), of_db), ago(30));
    seen.nodes.push(Arc::new(Node { pool: "db".into(), ..leaving }));
    seen.pods.push(Arc::new(owned("api-0", "db-1")));
    seen.budgets.push(Arc::new(budget(0, 2, 2, 2)));
    let about = |roll: &Roll| roll.blockers.iter().map(object).collect::<Vec<_>>();
    assert_eq!(about(&at_once(&subject, &seen)), Vec::<String>::new(), "the autoscaler removes it");
}

#[test]
fn a_node_that_fails_or_is_missing_blocks_only_after_some_time() {
    let preserved = |minutes| Node {
        preserved: true,
        ready: false,
        ready_changed: Some(ago(minutes)),
        ..node("new", "eu01-1", ago(60), NEW)
    };
    let names = |node: Node| {
        let mut seen = rolling();
        seen.nodes.push(Arc::new(node));
        kinds(&at_once(&preparing(), &seen))
    };
    assert_eq!(names(preserved(10)), ["PreservedNode"]);
    assert_eq!(names(preserved(2)), Vec::<String>::new());
    // Nothing is under way, and one is old.
    let still = snapshot(vec![old("a", "eu01-1")]);
    let reporting = |code: &str| {
        let mut subject = Cluster { problems: vec![problem(code)], ..preparing() };
        // No other zone must have a node.
        subject.pools[0].minimum = 1;
        subject
    };
    let missing = |watched: &[i64], code: &str| {
        let subject = reporting(code);
        let mut tracker = RollTracker::default();
        for minutes in watched {
            tracker.observe(&subject, &still, ago(*minutes));
        }
        let roll = Roll::evaluate(&subject, &still, tracker.history(), now());
        kinds(&roll).contains(&"NoNewNode".to_owned())
    };
    let (capacity, other) = ("SKE_QUOTA_EXCEEDED", "SKE_DNS_ZONE_NOT_FOUND");
    assert!(missing(&[30, 15], other));
    assert!(!missing(&[9, 5], other), "it was not watched for long enough");
    let (subject, mut tracker) = (reporting(capacity), RollTracker::default());
    let mut before = still.clone();
    before.nodes.push(Arc::new(draining(old("b", "eu01-1"), ago(20))));
    tracker.observe(&subject, &before, ago(15));
    tracker.observe(&subject, &still, ago(5));
    let roll = Roll::evaluate(&subject, &still, tracker.history(), now());
    assert!(!kinds(&roll).contains(&"NoNewNode".to_owned()), "one was just removed");
}

#[test]
fn several_budgets_are_named_only_for_pods_that_they_keep() {
    let covered = |pod: Pod| {
        let mut seen = with_pods(vec![pod]);
        for name in ["one", "two"] {
            seen.budgets.push(Arc::new(Budget { name: name.into(), ..budget(1, 2, 1, 2) }));
        }
        let is_several = |cause: &BlockerCause| matches!(cause, BlockerCause::SeveralPdbs { .. });
        found(&seen).iter().any(is_several)
    };
    assert!(covered(owned("api-0", "a")) && covered(owned("api-0", "b")));
    assert!(!covered(Pod { pending: true, ..owned("api-0", "a") }));
    assert!(!covered(Pod { deletion_deadline: Some(ago(-1)), ..owned("api-0", "a") }));
}
