//! What holds a roll up, from manifests: named object, since when, why, what frees it, and the command.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::cluster::{Cluster, ClusterState, HibernationSchedule, ReportedError};
use crate::domain::fixtures::now;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::pods::pools_at_maximum;
use crate::domain::roll::blocker::{Blocker, BlockerKind, Severity};
use crate::domain::roll::classify::Since;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::watched::{NEW, draining, joining, node, old, snapshot};
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{Budget, ClusterSnapshot, Node, Pod, Unseen};

/// The fixtures' cluster while nodes roll.
pub fn preparing() -> Cluster {
    cluster(Phase::Preparing)
}

/// Kinds of all blockers in their order.
pub fn kinds(roll: &Roll) -> Vec<BlockerKind> {
    roll.blockers.iter().map(|blocker| blocker.kind).collect()
}

/// The blocker whose sentence contains a text.
pub fn about<'a>(roll: &'a Roll, text: &str) -> &'a Blocker {
    roll.blockers.iter().find(|blocker| blocker.why.contains(text)).unwrap()
}

fn problem(code: &str, message: &str) -> ReportedError {
    ReportedError { code: code.into(), message: message.into() }
}

#[test]
fn what_ske_reports_is_shown_even_when_nodes_cannot_be_seen() {
    let mut subject = preparing();
    subject.problems = vec![problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api")];
    let mut blind = ClusterSnapshot::default();
    blind.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    subject.pools.clear();
    assert_eq!(kinds(&at_once(&subject, &blind)), [BlockerKind::Reported]);
}

#[test]
fn pods_and_volumes_that_hang_or_do_not_survive_are_named() {
    let roll = at_once(&preparing(), &fixture("held_by_pods"));
    assert_eq!(
        kinds(&roll),
        [
            BlockerKind::HungPod,
            BlockerKind::Volume,
            BlockerKind::PendingPods,
            BlockerKind::BarePods,
            BlockerKind::LocalData,
            BlockerKind::LocalVolumes,
        ]
    );
    let whys: Vec<&str> = roll.blockers.iter().map(|blocker| blocker.why.as_str()).collect();
    assert_eq!(
        whys,
        [
            "web-z2-aaaaa-77777 waits 47m: pod jobs/stuck-1 should have been gone 14m ago, held by example.com/archive.",
            "web-z2-aaaaa-77777 waits 47m: volume pv-disk does not detach, since 12m: volume is busy.",
            "pod shop/zonal-1 finds no node, for 22m: 0/5 nodes are available: 3 node(s) had volume node affinity conflict. Its volume pv-zonal is bound to eu01-2.",
            "1 pod on draining nodes does not come back, nothing controls it: tools/shell.",
            "1 pod on draining nodes loses what is in emptyDir or hostPath: shop/cache-1.",
            "pod shop/disk-0 on web-z2-aaaaa-77777 uses volume pv-local, which stays on its node; the pod cannot start elsewhere with it.",
        ]
    );
    assert_eq!(
        roll.blockers[0].command.as_ref().map(|command| command.line(None)).as_deref(),
        Some("kubectl -n jobs describe pod stuck-1")
    );
    assert!(roll.blockers[2].frees.contains("a node in eu01-2 has room"));
    assert_eq!(roll.counts.blocked, 1);
}

#[test]
fn full_pools_are_named_only_when_pods_find_no_node() {
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].maximum) = (2, 3);
    subject.pools[0].max_surge = 0;
    assert!(kinds(&at_once(&subject, &fixture("held_by_pods"))).contains(&BlockerKind::AtMaximum));
    assert!(
        !kinds(&at_once(&subject, &fixture("blocked_by_budgets")))
            .contains(&BlockerKind::AtMaximum)
    );
}

#[test]
fn nodes_that_the_roll_adds_for_a_while_do_not_count_against_the_maximum() {
    let subject = preparing();
    let new = |name: &str, zone: &str| node(name, zone, ago(50), NEW);
    let asked = BTreeSet::from(["eu01-1", "eu01-2"]);
    let full = |nodes: Vec<Node>| -> (String, String) {
        let pools = at_once(&subject, &snapshot(nodes)).pools;
        let texts = |asked: &BTreeSet<&str>| {
            pools_at_maximum(&subject, &pools, asked).into_iter().map(|(_, text)| text).collect()
        };
        (texts(&BTreeSet::new()), texts(&asked))
    };
    let five = || {
        vec![
            old("web-1", "eu01-1"),
            new("web-3", "eu01-2"),
            new("web-4", "eu01-2"),
            new("web-5", "eu01-3"),
            new("web-6", "eu01-3"),
        ]
    };
    let with = |node: Node| [five(), vec![node]].concat();
    let in_one = || (String::new(), "pool web is at its maximum in eu01-2 (2)".to_owned());
    let in_all = || {
        let text = "pool web is at its maximum of 6".to_owned();
        (text.clone(), text)
    };
    assert_eq!(full(five()), in_one());
    let joins = joining(new("web-2", "eu01-1"));
    assert_eq!(full(with(joins)), in_one(), "it is there for the roll only");
    assert_eq!(full(with(draining(new("web-2", "eu01-1"), ago(5)))), in_one(), "it goes");
    assert_eq!(full(with(old("web-2", "eu01-1"))), in_all());
    let surge = vec![draining(old("web-0", "eu01-1"), ago(1)), old("web-2", "eu01-1")];
    assert_eq!(full([five(), surge].concat()), in_all());
}

/// Watches a fixture long enough that what does not come is missed.
fn watched(subject: &Cluster, seen: &ClusterSnapshot) -> Roll {
    let mut history = RollHistory::default();
    for minutes in [30, 15, 0] {
        history.observe(subject, seen, ago(minutes));
    }
    Roll::read(subject, seen, &history, now())
}

#[test]
fn new_nodes_that_do_not_come_or_do_not_get_ready_are_named() {
    let seen = fixture("no_new_node");
    let roll = watched(&preparing(), &seen);
    assert_eq!(kinds(&roll), [BlockerKind::NoNewNode, BlockerKind::NodeNotReady]);
    assert_eq!(
        roll.blockers[0].why,
        "pool web in eu01-2 waits 2h 38m: 1 old node is left and no new one comes."
    );
    assert_eq!(
        roll.blockers[1].why,
        "web-z1-bbbbb-11111 is not ready for 22m: its system pods are not ready (kube-system/calico-node-1)."
    );
    let fresh = at_once(&preparing(), &seen);
    assert_eq!(kinds(&fresh), [BlockerKind::NodeNotReady], "nobody has watched long enough yet");
}

#[test]
fn what_ske_reports_is_put_beside_what_the_cluster_shows() {
    let mut subject = preparing();
    subject.problems = vec![
        problem("SKE_NODE_NO_VALID_HOST_FOUND", "no host for c1.4 in eu01-2"),
        problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api"),
        problem("SKE_DNS_ZONE_NOT_FOUND", "zone"),
        problem("SKE_FETCHING_ERRORS_NOT_POSSIBLE", "?"),
    ];
    let roll = at_once(&subject, &fixture("no_new_node"));
    let none = roll.blockers.iter().find(|blocker| blocker.kind == BlockerKind::NoNewNode).unwrap();
    assert_eq!(none.reported, [subject.problems[0].clone()]);
    assert!(none.frees.contains("room for this machine type"));
    assert_eq!(about(&roll, "SKE_NODE_MISCONFIGURED_PDB").kind, BlockerKind::Reported);
    assert_eq!(about(&roll, "SKE_DNS_ZONE_NOT_FOUND").kind, BlockerKind::OtherReport);
    assert!(!roll.blockers.iter().any(|blocker| blocker.why.contains("FETCHING")));
    let held = at_once(&subject, &fixture("blocked_by_budgets"));
    assert!(!held.blockers.iter().any(|b| b.why.contains("MISCONFIGURED_PDB")), "not said twice");
    assert_eq!(about(&held, "billing/one ").reported.len(), 1);
}

#[test]
fn since_when_ske_reports_something_is_remembered() {
    let mut subject = preparing();
    let seen = snapshot(vec![old("web-1", "eu01-1")]);
    let mut history = RollHistory::default();
    subject.problems = vec![problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api")];
    history.observe(&subject, &seen, ago(30));
    subject.problems.push(problem("SKE_DNS_ZONE_NOT_FOUND", "zone"));
    history.still_holds(ago(21));
    history.observe(&subject, &seen, ago(20));
    subject.problems.push(problem("SKE_OBSERVABILITY_INSTANCE_NOT_FOUND", "gone"));
    subject.problems[0].message = "payments/api, shop/db".into();
    history.observe(&subject, &seen, ago(10));
    let roll = Roll::read(&subject, &seen, &history, now());
    assert_eq!(about(&roll, "MISCONFIGURED_PDB").since, Some(Since::seen(ago(30))));
    assert_eq!(about(&roll, "DNS_ZONE").since, Some(Since::told(ago(20))));
    assert_eq!(
        about(&roll, "OBSERVABILITY").since,
        Some(Since::seen(ago(10))),
        "nobody watched meanwhile"
    );
    assert_eq!(
        about(&roll, "MISCONFIGURED_PDB")
            .command
            .as_ref()
            .map(|command| command.line(None))
            .as_deref(),
        Some("kubectl get pdb -A")
    );
    subject.problems.clear();
    history.observe(&subject, &seen, ago(5));
    assert!(history.memory().reported.is_empty());
}

#[test]
fn blockers_name_an_object_a_place_and_a_command_that_looks() {
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].maximum, subject.pools[0].max_surge) = (2, 3, 0);
    let held = at_once(&subject, &fixture("held_by_pods"));
    let of = |kind: BlockerKind| held.blockers.iter().find(|blocker| blocker.kind == kind).unwrap();
    for (kind, object, command) in [
        (BlockerKind::BarePods, "Pod tools/shell", "kubectl -n tools get pod shell -o wide"),
        (BlockerKind::LocalData, "Pod shop/cache-1", "kubectl -n shop get pod cache-1 -o wide"),
        (
            BlockerKind::AtMaximum,
            "node pool web",
            "kubectl get nodes -l worker.gardener.cloud/pool=web",
        ),
    ] {
        assert_eq!(of(kind).object_text(), object);
        assert_eq!(
            of(kind).command.as_ref().map(|command| command.line(None)).as_deref(),
            Some(command)
        );
    }
    assert_eq!(of(BlockerKind::PendingPods).place, Some(("web".into(), "eu01-2".into())));
    assert!(of(BlockerKind::HungPod).frees.contains("deleting the Node object"));
    let none = watched(&preparing(), &fixture("no_new_node"));
    assert_eq!(none.blockers[0].object_text(), "node pool web");
    assert_eq!(
        none.blockers[0].command.as_ref().map(|command| command.line(None)).as_deref(),
        Some(
            "kubectl get nodes -l worker.gardener.cloud/pool=web,topology.kubernetes.io/zone=eu01-2"
        )
    );
    assert!(none.blockers[1].frees.contains("deleting the Node object"));
    let budgets = at_once(&preparing(), &fixture("blocked_by_budgets"));
    assert!(about(&budgets, "payments/api ").frees.contains("Deleting the pod"));
    assert!(about(&budgets, "twice/web-1 ").frees.contains("Deleting the pod"));
}

#[test]
fn a_new_node_that_goes_again_is_held_by_the_same_things() {
    for name in ["blocked_by_budgets", "held_by_pods"] {
        let seen = fixture(name);
        let mut again = seen.clone();
        for node in &mut again.nodes {
            if node.terminating.is_some() {
                let generation = Some(NEW.to_owned());
                *node =
                    Arc::new(Node { generation, marked_for_deletion: false, ..(**node).clone() });
            }
        }
        let roll = at_once(&preparing(), &again);
        assert_eq!((roll.counts.leaving, roll.counts.blocked), (1, 0));
        assert_eq!(kinds(&roll), kinds(&at_once(&preparing(), &seen)), "{name}");
    }
}

#[test]
fn half_a_day_of_preparing_and_unhealthy_asks_for_a_reconcile() {
    let mut subject = preparing();
    subject.state = ClusterState::Unhealthy;
    subject.remember(None, ago(20));
    subject.rotation.initiated = Some(ago(13 * 60));
    let seen = snapshot(vec![old("web-1", "eu01-1")]);
    let roll = at_once(&subject, &seen);
    assert_eq!(roll.blockers[0].kind, BlockerKind::GaveUp);
    assert!(roll.blockers[0].why.contains("may have stopped trying"));
    subject.rotation.initiated = Some(ago(11 * 60));
    assert!(!kinds(&at_once(&subject, &seen)).contains(&BlockerKind::GaveUp));
}

#[test]
fn what_is_due_before_the_nodes_are_done_is_noted() {
    let mut subject = preparing();
    subject.schedules = vec![HibernationSchedule {
        start: "5 14 * * *".into(),
        end: "0 6 * * *".into(),
        timezone: "UTC".into(),
    }];
    subject.maintenance = Some(("14:00".into(), "15:00".into()));
    let roll = at_once(&subject, &snapshot(vec![old("web-1", "eu01-1"), old("web-2", "eu01-1")]));
    assert_eq!(kinds(&roll), [BlockerKind::Hibernation, BlockerKind::Maintenance]);
    assert!(roll.blockers.iter().all(|blocker| blocker.kind.severity() == Severity::Note));
    assert!(roll.blockers[0].why.starts_with("Hibernation is scheduled in 2m"));
    assert!(roll.blockers[1].why.starts_with("The maintenance window is open"));
}

#[test]
fn hibernation_is_called_refused_only_while_the_rotation_runs() {
    let schedules = vec![HibernationSchedule {
        start: "5 14 * * *".into(),
        end: "0 6 * * *".into(),
        timezone: "UTC".into(),
    }];
    for (phase, fixture_name, refused) in [
        (Phase::Preparing, "another_roll_while_preparing", true),
        (Phase::Prepared, "another_roll_while_prepared", false),
        (Phase::Completing, "another_roll_while_prepared", true),
        (Phase::Completed, "another_roll_while_prepared", false),
    ] {
        let subject = Cluster { schedules: schedules.clone(), ..cluster(phase.clone()) };
        let roll = at_once(&subject, &fixture(fixture_name));
        let sleep = about(&roll, "Hibernation is scheduled");
        assert_eq!(sleep.why.contains("refuse"), refused, "{phase:?}: {}", sleep.why);
        assert_eq!(sleep.why.contains("would fall asleep"), !refused, "{phase:?}");
        assert_eq!(sleep.why.contains("not known"), refused, "{phase:?}");
    }
}

#[test]
fn worse_things_come_first_and_the_list_is_bounded() {
    let mut seen = fixture("blocked_by_budgets");
    for number in 0..500 {
        let space = format!("space-{number}");
        let node = "shoot--f00--shop-web-z2-aaaaa-77777";
        seen.pods.push(Arc::new(Pod { namespace: space.clone(), ..pod("api-1", Some(node)) }));
        seen.budgets.push(Arc::new(Budget { namespace: space, ..budget(0, 3, 3, 4) }));
    }
    let roll = at_once(&preparing(), &seen);
    assert_eq!(roll.blockers.len(), 100);
    let severities: Vec<Severity> =
        roll.blockers.iter().map(|blocker| blocker.kind.severity()).collect();
    assert!(severities.is_sorted());
}

#[test]
fn what_keeps_a_node_comes_first_and_what_is_older_than_the_roll_is_not_of_it() {
    let mut seen = fixture("blocked_by_budgets");
    seen.budgets.retain(|budget| budget.name == "api");
    let waiting = |name: &str, since| Pod {
        pending: true,
        unscheduled: Some((Some(since), "no room".into())),
        namespace: "ml".into(),
        ..pod(name, None)
    };
    let subject = preparing();
    let started = subject.rotation.initiated.unwrap();
    let before = started.checked_sub(SignedDuration::from_hours(900)).unwrap();
    seen.pods.push(Arc::new(waiting("gpu-0", before)));
    let later = started.checked_add(SignedDuration::from_mins(1)).unwrap();
    seen.pods.push(Arc::new(waiting("late-0", later)));
    let roll = at_once(&subject, &seen);
    assert_eq!(roll.worst().unwrap().kind, BlockerKind::Budget, "{:?}", kinds(&roll));
    assert!(about(&roll, "late-0").since < roll.worst().unwrap().since);
    assert!(roll.blockers.iter().all(|blocker| !blocker.why.contains("gpu-0")));
}

#[test]
fn a_node_is_called_blocked_however_much_else_there_is() {
    let mut seen = fixture("blocked_by_budgets");
    let node = "shoot--f00--shop-web-z2-aaaaa-77777";
    for number in 0..120 {
        let name = format!("many-{number}");
        let labels = pod(&name, Some(node)).labels;
        seen.pods.push(Arc::new(Pod {
            namespace: "many".into(),
            labels,
            ..pod(&name, Some(node))
        }));
    }
    for name in ["by-one", "by-two"] {
        let budget = Budget { namespace: "many".into(), name: name.into(), ..budget(1, 3, 3, 4) };
        seen.budgets.push(Arc::new(budget));
    }
    let roll = at_once(&preparing(), &seen);
    let several: Vec<&Blocker> =
        roll.blockers.iter().filter(|blocker| blocker.why.contains("by-two")).collect();
    assert_eq!(several.len(), 1, "{several:#?}");
    assert!(several[0].why.contains(", and 119 more pods here, is under 2"), "{several:#?}");
    assert_eq!(roll.counts.blocked, 1);
}
