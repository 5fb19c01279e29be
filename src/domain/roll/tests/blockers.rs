//! Blockers of a roll, from manifests: object, since when, and cause.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::cluster::{Cluster, ClusterState, HibernationSchedule, NodePool, ReportedError};
use crate::domain::fixtures::now;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::cause::{FullPool, NameSample, ObjectName, VolumeBinding};
use crate::domain::roll::blocker::pods::find_full_pools;
use crate::domain::roll::blocker::{Blocker, BlockerCause, Severity};
use crate::domain::roll::classify::{JoiningReason, Since};
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::tracking::{NEW, draining, joining, node, old, snapshot};
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::roll::timeline::TimelineEvent;
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::admission::Webhook;
use crate::domain::snapshot::{
    Attachment, Budget, ClusterSnapshot, Event, Node, OwnerReference, Pod, Requirement, Selector,
    Unseen,
};

/// The fixtures' cluster while nodes roll.
pub fn preparing() -> Cluster {
    cluster(Phase::Preparing)
}

/// Variant names of all blockers, in order.
pub fn kinds(roll: &Roll) -> Vec<String> {
    roll.blockers.iter().map(kind).collect()
}

fn kind(blocker: &Blocker) -> String {
    let text = format!("{:?}", blocker.cause);
    text.split([' ', '(', '{']).next().unwrap().to_owned()
}

/// Kind and name of the blocking object.
pub fn object(blocker: &Blocker) -> String {
    blocker.object().map_or_else(String::new, |(kind, name)| format!("{kind} {name}"))
}

/// The blocker about an object, or about a reported error.
pub fn about<'a>(roll: &'a Roll, name: &str) -> &'a Blocker {
    let is_about = |blocker: &&Blocker| {
        object(blocker).ends_with(&format!(" {name}"))
            || matches!(&blocker.cause, BlockerCause::Reported(problem) if problem.code == name)
    };
    roll.blockers.iter().find(is_about).unwrap()
}

/// A sample of object names.
pub fn sample(names: &[&str]) -> NameSample {
    let names = names.iter().map(|name| {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        ObjectName::new(namespace, name)
    });
    names.collect()
}

fn problem(code: &str, message: &str) -> ReportedError {
    ReportedError { code: code.into(), message: message.into() }
}

#[test]
fn what_ske_reports_is_shown_even_when_nodes_cannot_be_seen() {
    let mut subject = preparing();
    subject.problems = vec![problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api")];
    let mut unread = ClusterSnapshot::default();
    unread.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    subject.pools.clear();
    assert_eq!(kinds(&at_once(&subject, &unread)), ["Reported"]);
}

#[test]
fn pods_and_volumes_that_are_stuck_or_do_not_survive_are_named() {
    let roll = at_once(&preparing(), &fixture("held_by_pods"));
    let causes: Vec<BlockerCause> = roll.blockers.iter().map(|one| one.cause.clone()).collect();
    let no_room = "0/5 nodes are available: 3 node(s) had volume node affinity conflict.";
    assert_eq!(
        causes,
        [
            BlockerCause::HungPods {
                pods: sample(&["jobs/stuck-1"]),
                finalizers: vec!["example.com/archive".into()],
            },
            BlockerCause::Volume {
                volume: "pv-disk".into(),
                attachment: "csi-1".into(),
                error: Some("volume is busy".into()),
            },
            BlockerCause::UnschedulablePods {
                pods: sample(&["shop/zonal-1"]),
                owner: Some(OwnerReference { kind: "StatefulSet".into(), name: "zonal".into() }),
                message: no_room.into(),
                volume: Some(VolumeBinding {
                    volume: "pv-zonal".into(),
                    zones: Some(vec!["eu01-2".into()]),
                }),
            },
            BlockerCause::BarePods(sample(&["tools/shell"])),
            BlockerCause::LocalData(sample(&["shop/cache-1"])),
            BlockerCause::LocalVolume {
                pod: ObjectName::new("shop", "disk-0"),
                volume: "pv-local".into(),
            },
        ]
    );
    let since = |index: usize| roll.blockers[index].since;
    assert_eq!((since(0), since(1)), (Some(Since::exact(ago(14))), Some(Since::exact(ago(12)))));
    assert_eq!(roll.blockers[2].place, Some(("web".into(), "eu01-2".into())));
    assert_eq!(object(&roll.blockers[0]), "Pod jobs/stuck-1");
    assert_eq!(roll.counts.blocked, 1);
}

#[test]
fn k8s_16_a_pod_with_a_long_grace_period_is_named_with_its_end_and_the_drain_limit() {
    let roll = at_once(&preparing(), &fixture("slow_drains"));
    let blocker = about(&roll, "queue/worker-1");
    let until = "2026-11-25T13:20:11Z".parse().unwrap();
    let limit = Some("2026-11-24T15:15:11Z".parse().unwrap());
    let pods = sample(&["queue/worker-1"]);
    assert_eq!(blocker.cause, BlockerCause::GracePeriod { pods, until, limit });
    assert_eq!(blocker.since, Some(Since::exact(ago(42))));
    assert!(blocker.blocks_drain());
}

#[test]
fn k8s_31_a_node_stays_blocked_between_the_grace_period_of_a_pod_and_the_time_from_which_it_hangs()
{
    let stays = |grace: i64| {
        let asked = ago(30);
        let deletion_deadline = asked.checked_add(SignedDuration::from_secs(grace)).ok();
        let held = Pod { deletion_deadline, grace_seconds: grace, ..pod("api-1", Some("a")) };
        let mut seen = snapshot(vec![draining(old("a", "eu01-1"), asked)]);
        seen.pods.push(Arc::new(held));
        let mut tracker = RollTracker::default();
        tracker.observe(&preparing(), &seen, asked);
        let mut blocked = Vec::new();
        for minutes in 1..25 {
            let roll = tracker.reevaluate(&preparing(), &seen, ago(30 - minutes));
            if roll.counts.blocked > 0 {
                blocked.push(minutes);
            }
        }
        let entries = tracker.timeline().entries();
        let ends = entries.filter(|e| matches!(e.what, TimelineEvent::Unblocked { .. })).count();
        (blocked.first().copied(), blocked.len(), ends)
    };
    assert_eq!(stays(600), (Some(4), 21, 0));
    assert_eq!(stays(60), (Some(4), 21, 0), "no long one: it hangs only after some time");
    assert_eq!(stays(170), (Some(5), 20, 0));
}

#[test]
fn k8s_17_a_finished_pod_that_a_finalizer_keeps_is_named_and_other_finished_ones_are_not() {
    let seen = fixture("slow_drains");
    assert!(seen.pods.iter().all(|pod| pod.name != "report-0"), "nothing keeps it");
    let roll = at_once(&preparing(), &seen);
    let finalizers = vec!["example.com/archive".to_owned()];
    let pods = sample(&["batch/report-1"]);
    assert_eq!(about(&roll, "batch/report-1").cause, BlockerCause::HungPods { pods, finalizers });
}

#[test]
fn k8s_18_webhooks_on_evictions_are_candidates_where_nothing_else_blocks_a_pod() {
    let mut seen = fixture("slow_drains");
    let denial = "admission webhook \"guard.example.com\" denied the request: not today";
    seen.events.push(Arc::new(Event {
        uid: "e".into(),
        at: Some(ago(1)),
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: "front-1".into(),
        reason: "EvictionFailed".into(),
        message: denial.into(),
        warning: true,
        count: 9,
    }));
    let of = |seen: &ClusterSnapshot| {
        let roll = at_once(&preparing(), seen);
        roll.blockers.into_iter().find_map(|blocker| {
            if let BlockerCause::EvictionWebhook(block) = blocker.cause {
                Some(block)
            } else {
                None
            }
        })
    };
    let block = of(&seen).unwrap();
    assert_eq!(block.pods, sample(&["shop/front-1"]));
    let names: Vec<&str> = block.configurations.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["drain-policy", "eviction-guard"]);
    let drains = ObjectName::new("policy", "drains");
    assert_eq!(block.dead, Some(drains.clone()));
    assert_eq!(block.denial.as_deref(), Some(denial));
    let of_service = |seen: &ClusterSnapshot| {
        let of_it = |blocker: &&Blocker| matches!(&blocker.cause, BlockerCause::Webhook(block) if block.service == drains);
        watched(&preparing(), seen).blockers.iter().filter(of_it).count()
    };
    assert_eq!(of_service(&seen), 0, "it is listed once");
    // A budget that blocks the pod is the only explanation.
    let mut guard = budget(0, 1, 1, 1);
    guard.namespace = "shop".into();
    guard.selector = Selector::Labels(Vec::new());
    seen.budgets.push(Arc::new(guard));
    assert_eq!((of(&seen), of_service(&seen)), (None, 1));
}

/// Pods whose denied eviction is attributed to webhooks, on a node that has been draining for 40 minutes.
fn denied(tracker: &RollTracker, seen: &ClusterSnapshot) -> Option<NameSample> {
    let roll = Roll::evaluate(&preparing(), seen, tracker.history(), now());
    roll.blockers.into_iter().find_map(|blocker| {
        let BlockerCause::EvictionWebhook(block) = blocker.cause else { return None };
        Some(block.pods)
    })
}

#[test]
fn k8s_18_pods_with_volumes_wait_for_each_other_and_not_for_a_webhook() {
    let mut seen = fixture("slow_drains");
    let node = "shoot--f00--shop-web-z2-aaaaa-77777";
    let with_claim = |name: &str| Pod {
        namespace: "shop".into(),
        claims: vec![name.into()],
        ..pod(name, Some(node))
    };
    seen.pods.retain(|pod| pod.name != "front-1");
    seen.pods.push(Arc::new(with_claim("db-0")));
    let watched = |steps: &[(i64, &ClusterSnapshot)]| {
        let mut tracker = RollTracker::default();
        for (minutes, seen) in steps {
            tracker.observe(&preparing(), seen, ago(*minutes));
        }
        tracker
    };
    let alone = seen.clone();
    let mut leaving = seen.clone();
    let deletion_deadline = Some(ago(-1));
    leaving.pods.push(Arc::new(Pod { deletion_deadline, ..with_claim("db-1") }));
    let mut detaching = seen.clone();
    detaching.attachments.push(Arc::new(Attachment {
        name: "csi-1".into(),
        node: node.into(),
        volume: "pv-1".into(),
        detaching_since: Some(ago(1)),
        detach_error: None,
    }));
    for seen in [&leaving, &detaching] {
        assert_eq!(denied(&watched(&[(30, seen)]), seen), None, "another one is on its way");
    }
    let steps = [(30, &leaving), (6, &detaching), (2, &alone)];
    assert_eq!(denied(&watched(&steps), &alone), None, "the next one is about to be evicted");
    let held = Some(sample(&["shop/db-0"]));
    let steps = [(30, &leaving), (6, &detaching), (4, &alone)];
    assert_eq!(denied(&watched(&steps), &alone), held);
    // An event counts immediately.
    let mut refused = leaving.clone();
    refused.events.push(Arc::new(Event {
        uid: "e".into(),
        at: Some(ago(1)),
        kind: "Pod".into(),
        namespace: "shop".into(),
        name: "db-0".into(),
        reason: "EvictionFailed".into(),
        message: "admission webhook \"guard.example.com\" denied the request".into(),
        warning: true,
        count: 9,
    }));
    assert_eq!(denied(&watched(&[(30, &refused)]), &refused), held);
}

#[test]
fn k8s_18_no_webhook_denies_a_pod_that_has_just_come_or_that_its_budget_has_just_released() {
    let guarded = |figures: Budget| {
        let mut seen = fixture("slow_drains");
        let everything = Selector::Labels(Vec::new());
        let guard = Budget { namespace: "shop".into(), selector: everything, ..figures };
        seen.budgets.push(Arc::new(guard));
        seen
    };
    // The platform retries every 20 seconds.
    let (full, released) = (guarded(budget(0, 1, 1, 2)), guarded(budget(1, 2, 1, 2)));
    let after = |minutes: i64| {
        let mut tracker = RollTracker::default();
        tracker.observe(&preparing(), &full, ago(30));
        tracker.observe(&preparing(), &released, ago(minutes));
        denied(&tracker, &released)
    };
    assert_eq!((after(2), after(4)), (None, Some(sample(&["shop/front-1"]))));
    let mut seen = fixture("slow_drains");
    let front = seen.pods.iter_mut().find(|pod| pod.name == "front-1").unwrap();
    // It tolerates unschedulable nodes.
    *front = Arc::new(Pod { created: Some(ago(2)), ..(**front).clone() });
    assert_eq!(denied(&RollTracker::default(), &seen), None);
}

#[test]
fn k8s_26_no_webhook_denies_a_pod_that_a_budget_may_cover_that_cannot_be_read() {
    let mut tracker = RollTracker::default();
    let mut young = fixture("slow_drains");
    let front = young.pods.iter_mut().find(|pod| pod.name == "front-1").unwrap();
    *front = Arc::new(Pod { created: Some(ago(12)), ..(**front).clone() });
    let guard = Budget { namespace: "elsewhere".into(), ..budget(1, 2, 1, 2) };
    young.budgets.push(Arc::new(guard));
    tracker.observe(&preparing(), &young, ago(12));
    assert!(denied(&tracker, &young).is_some());
    for why in [Unseen::Partly("1 object could not be read".into()), Unseen::Failing("gone".into())]
    {
        let mut lost = young.clone();
        lost.unseen.insert("poddisruptionbudgets", why);
        let mut tracker = RollTracker::default();
        tracker.observe(&preparing(), &young, ago(12));
        tracker.observe(&preparing(), &lost, ago(11));
        assert_eq!(denied(&tracker, &lost), None);
    }
}

#[test]
fn k8s_18_a_webhook_that_is_not_asked_or_cannot_deny_is_no_candidate() {
    let names = |change: fn(&mut Webhook)| {
        let mut seen = fixture("slow_drains");
        for admission in &mut seen.webhook_configurations {
            let mut changed = (**admission).clone();
            if changed.name == "drain-policy" {
                changed.webhooks.iter_mut().for_each(change);
            }
            *admission = Arc::new(changed);
        }
        let roll = at_once(&preparing(), &seen);
        let mut names = Vec::new();
        for blocker in roll.blockers {
            if let BlockerCause::EvictionWebhook(block) = blocker.cause {
                names.extend(block.configurations.into_iter().map(|(_, name)| name));
            }
        }
        names
    };
    let both = ["drain-policy", "eviction-guard"];
    let other = ["eviction-guard"];
    assert_eq!(names(|_| {}), both);
    // Its service has no endpoints, and the API server proceeds without a response.
    assert_eq!(names(|webhook| webhook.ignores_failures = true), other);
    // The Eviction itself has no labels.
    let labelled: fn(&mut Webhook) = |webhook| {
        let wanted = Requirement::In("app".into(), vec!["front".into()]);
        webhook.objects = Selector::Labels(vec![wanted]);
    };
    assert_eq!(names(labelled), other);
    let unlabelled: fn(&mut Webhook) = |webhook| {
        webhook.objects = Selector::Labels(vec![Requirement::Absent("skip".into())]);
    };
    assert_eq!(names(unlabelled), both);
}

#[test]
fn no_pod_begins_to_block_by_time_alone_while_pods_cannot_be_read() {
    let mut seen = snapshot(vec![draining(old("a", "eu01-1"), ago(30)), old("b", "eu01-1")]);
    let deletion_deadline = Some(ago(21));
    seen.pods.push(Arc::new(Pod { deletion_deadline, ..pod("api-1", Some("a")) }));
    let mut tracker = RollTracker::default();
    let blocked = |tracker: &mut RollTracker, seen: &ClusterSnapshot| {
        kinds(&tracker.reevaluate(&preparing(), seen, now())).contains(&"HungPods".to_owned())
    };
    tracker.observe(&preparing(), &seen, ago(22));
    let mut lost = seen.clone();
    lost.unseen.insert("pods", Unseen::Failing("no answer".into()));
    tracker.observe(&preparing(), &lost, ago(20));
    assert!(!blocked(&mut tracker, &lost), "it may be gone");
    assert_eq!(tracker.history().unread_since("pods").map(|since| since.at), Some(ago(20)));
    let mut again = RollTracker::default();
    again.observe(&preparing(), &seen, ago(22));
    assert!(blocked(&mut again, &seen));
    // Existing blockers persist.
    let mut later = RollTracker::default();
    later.observe(&preparing(), &seen, ago(22));
    later.observe(&preparing(), &lost, ago(10));
    assert!(blocked(&mut later, &lost));
}

#[test]
fn k8s_26_nothing_begins_to_block_by_time_alone_while_it_cannot_be_read() {
    let subject = preparing();
    let mut detaching = snapshot(vec![draining(old("a", "eu01-1"), ago(30)), old("b", "eu01-1")]);
    detaching.attachments.push(Arc::new(Attachment {
        name: "csi-1".into(),
        node: "a".into(),
        volume: "pv-1".into(),
        detaching_since: Some(ago(12)),
        detach_error: None,
    }));
    for (kind, seen, blocker) in [
        ("volumeattachments", &detaching, "Volume"),
        ("nodes", &snapshot(vec![old("a", "eu01-1")]), "NoNewNode"),
        ("endpointslices", &fixture("webhooks_unanswered"), "Webhook"),
    ] {
        let read = |lost: &ClusterSnapshot| {
            let mut tracker = RollTracker::default();
            tracker.observe(&subject, seen, ago(12));
            tracker.observe(&subject, lost, ago(11));
            tracker.reevaluate(&subject, lost, now())
        };
        let mut lost = seen.clone();
        lost.unseen.insert(kind, Unseen::Failing("forbidden".into()));
        assert!(kinds(&read(seen)).contains(&blocker.to_owned()), "{kind}");
        let roll = read(&lost);
        assert!(!kinds(&roll).contains(&blocker.to_owned()), "{kind}");
        let stalls = matches!(roll.estimate, RollEstimate::Stalled { .. });
        assert!(kind != "nodes" || !stalls, "nobody knows");
    }
}

#[test]
fn k8s_21_a_preserved_node_that_is_drained_all_the_same_is_counted() {
    let failed = Node { preserved: true, ready: false, ..old("a", "eu01-1") };
    let seen = snapshot(vec![draining(failed, ago(5))]);
    let counts = at_once(&preparing(), &seen).counts;
    assert_eq!((counts.draining, counts.preserved), (1, 0));
}

#[test]
fn k8s_21_a_failed_machine_that_is_preserved_is_the_blocker() {
    let roll = at_once(&preparing(), &fixture("slow_drains"));
    let blocker = about(&roll, "shoot--f00--shop-web-z3-bbbbb-33333");
    assert!(matches!(&blocker.cause, BlockerCause::PreservedNode { reason: Some(_) }));
    assert_eq!(blocker.severity(), Severity::Blocks);
}

#[test]
fn k8s_22_an_old_node_whose_kubelet_does_not_answer_is_named() {
    let roll = at_once(&preparing(), &fixture("slow_drains"));
    let blocker = about(&roll, "shoot--f00--shop-web-z1-aaaaa-11111");
    assert!(matches!(&blocker.cause, BlockerCause::OldNodeNotReady { reason: Some(_) }));
    assert_eq!(blocker.since, Some(Since::exact(ago(240))));
}

#[test]
fn k8s_24_a_pool_that_cannot_be_read_has_begun_where_it_drains_or_another_pool_rolls() {
    use crate::domain::roll::progress::PoolState;
    use crate::domain::snapshot::Templates;
    let unmarked = |name: &str| Node { marked_for_deletion: false, ..old(name, "eu01-1") };
    let state = |seen: &ClusterSnapshot, pool: &str| {
        let roll = at_once(&preparing(), seen);
        roll.pools.iter().find(|known| known.name == pool).unwrap().state
    };
    let mut seen = snapshot(vec![unmarked("a"), unmarked("b")]);
    seen.templates = Templates::Forbidden;
    assert_eq!(state(&seen, "web"), PoolState::NotBegun);
    let mut drains = snapshot(vec![draining(unmarked("a"), ago(5)), unmarked("b")]);
    drains.templates = Templates::Forbidden;
    assert_eq!(state(&drains, "web"), PoolState::Rolling);
    let mut other = old("c", "eu01-1");
    other.pool = "db".into();
    seen.nodes.push(Arc::new(draining(other, ago(5))));
    assert_eq!(state(&seen, "web"), PoolState::Rolling, "the pool beside it rolls");
}

#[test]
fn k8s_32_a_pod_of_a_daemon_set_is_no_pod_that_finds_no_node() {
    let mut seen = snapshot(vec![draining(old("a", "eu01-1"), ago(30))]);
    let mut waiting = pod("agent-1", None);
    waiting.pending = true;
    waiting.owner = Some(OwnerReference { kind: "DaemonSet".into(), name: "agent".into() });
    waiting.unscheduled = Some((Some(ago(20)), "0/5 nodes are available".into()));
    seen.pods.push(Arc::new(waiting));
    assert!(!kinds(&at_once(&preparing(), &seen)).contains(&"UnschedulablePods".to_owned()));
}

#[test]
fn k8s_32_a_pod_that_was_pending_before_nodes_were_replaced_is_no_blocker() {
    let pending = |minutes: i64| {
        let mut waiting = pod("api-2", None);
        waiting.pending = true;
        waiting.unscheduled = Some((Some(ago(minutes)), "0/5 nodes are available".into()));
        let mut seen = snapshot(vec![draining(old("a", "eu01-1"), ago(30))]);
        seen.pods.push(Arc::new(waiting));
        kinds(&at_once(&preparing(), &seen)).contains(&"UnschedulablePods".to_owned())
    };
    // The rotation started 180 minutes ago, and the pool's new template is 174 minutes old.
    assert_eq!([200, 177, 20].map(pending), [false, false, true]);
}

#[test]
fn k8s_14_a_pod_that_is_pending_since_the_roll_is_named_whatever_our_clock_shows() {
    let mut waiting = pod("api-2", None);
    waiting.pending = true;
    waiting.unscheduled = Some((Some(ago(20)), "0/5 nodes are available".into()));
    let mut seen = snapshot(vec![draining(old("a", "eu01-1"), ago(30))]);
    seen.pods.push(Arc::new(waiting));
    for hours in [0, 3, 24] {
        seen.skew_seconds = hours * 3600;
        let found = kinds(&at_once(&preparing(), &seen));
        assert!(found.contains(&"UnschedulablePods".to_owned()), "{hours}: {found:?}");
    }
}

#[test]
fn k8s_12_a_failed_node_of_a_pool_that_does_not_roll_does_not_block_the_roll_of_another() {
    let mut subject = cluster(Phase::Prepared);
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let mut seen = fixture("another_roll_while_prepared");
    let changed = Some(ago(40));
    let of_db = |name: &str| Node {
        pool: "db".into(),
        ready: false,
        ready_changed: changed,
        ..node(name, "eu01-1", ago(150), "gardener-node-agent-db-0000000000000002")
    };
    seen.nodes.push(Arc::new(Node { preserved: true, ..of_db("db-1") }));
    seen.nodes.push(Arc::new(of_db("db-2")));
    let roll = at_once(&subject, &seen);
    assert!(roll.another.is_some());
    assert_eq!(roll.blockers, []);
}

#[test]
fn k8s_32_a_pool_without_room_is_named_once() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let zones = ["eu01-1", "eu01-2", "eu01-3"];
    let seen = snapshot(zones.map(|zone| old(&format!("web-{zone}"), zone)).to_vec());
    for minutes in [30, 15, 0] {
        tracker.observe(&subject, &seen, ago(minutes));
    }
    let roll = Roll::evaluate(&subject, &seen, tracker.history(), now());
    assert_eq!(kinds(&roll), ["NoNewNode"]);
    let blocker = roll.blockers.first().unwrap();
    assert_eq!(blocker.cause, BlockerCause::NoNewNode { old_left: 3, missing: 0 });
    assert_eq!(blocker.place, Some(("web".into(), String::new())));
}

#[test]
fn full_pools_are_named_only_when_pods_cannot_be_scheduled() {
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].maximum) = (2, 3);
    subject.pools[0].max_surge = 0;
    let is_named =
        |name| kinds(&at_once(&subject, &fixture(name))).contains(&"PoolsAtMaximum".to_owned());
    assert!(is_named("held_by_pods") && !is_named("blocked_by_budgets"));
}

#[test]
fn nodes_that_the_roll_adds_temporarily_do_not_count_against_the_maximum() {
    let subject = preparing();
    let new = |name: &str, zone: &str| node(name, zone, ago(50), NEW);
    let asked = BTreeSet::from(["eu01-1", "eu01-2"]);
    let full = |nodes: Vec<Node>| {
        let pools = at_once(&subject, &snapshot(nodes)).pools;
        let find = |asked: &BTreeSet<&str>| find_full_pools(&subject, &pools, asked);
        (find(&BTreeSet::new()), find(&asked))
    };
    let of_web = |zones: &[(&str, u32)]| {
        let zones = zones.iter().map(|(zone, most)| ((*zone).to_owned(), *most)).collect();
        vec![FullPool { pool: "web".into(), maximum: 6, zones }]
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
    let in_one = || (Vec::new(), of_web(&[("eu01-2", 2)]));
    let in_all = || (of_web(&[]), of_web(&[]));
    assert_eq!(full(five()), in_one());
    let joins = joining(new("web-2", "eu01-1"));
    assert_eq!(full(with(joins)), in_one(), "it is there for the roll only");
    assert_eq!(full(with(draining(new("web-2", "eu01-1"), ago(5)))), in_one(), "it is removed");
    assert_eq!(full(with(old("web-2", "eu01-1"))), in_all());
    let surge = vec![draining(old("web-0", "eu01-1"), ago(1)), old("web-2", "eu01-1")];
    assert_eq!(full([five(), surge].concat()), in_all());
}

#[test]
fn a_zone_whose_share_of_the_maximum_is_none_is_full() {
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].maximum) = (1, 2);
    let pools = at_once(&subject, &snapshot(vec![old("web-1", "eu01-1")])).pools;
    let full = find_full_pools(&subject, &pools, &BTreeSet::from(["eu01-3"]));
    let zones = vec![("eu01-3".to_owned(), 0)];
    assert_eq!(full, [FullPool { pool: "web".into(), maximum: 2, zones }]);
}

/// Watches a fixture long enough for missing nodes to become blockers.
fn watched(subject: &Cluster, seen: &ClusterSnapshot) -> Roll {
    let mut tracker = RollTracker::default();
    for minutes in [30, 15, 0] {
        tracker.observe(subject, seen, ago(minutes));
    }
    Roll::evaluate(subject, seen, tracker.history(), now())
}

#[test]
fn new_nodes_that_do_not_join_or_do_not_become_ready_are_named() {
    let seen = fixture("no_new_node");
    let roll = watched(&preparing(), &seen);
    assert_eq!(kinds(&roll), ["NoNewNode", "NodeNotReady"]);
    assert_eq!(roll.blockers[0].cause, BlockerCause::NoNewNode { old_left: 1, missing: 0 });
    assert_eq!(roll.blockers[0].since, Some(Since::exact("2026-11-24T11:24:00Z".parse().unwrap())));
    assert_eq!(object(&roll.blockers[0]), "node pool web");
    assert_eq!(
        roll.blockers[1].cause,
        BlockerCause::NodeNotReady {
            why: Some(JoiningReason::Starting),
            reason: None,
            pods: sample(&["kube-system/calico-node-1"]),
        }
    );
    assert_eq!(roll.blockers[1].since, Some(Since::exact(ago(22))));
    let fresh = at_once(&preparing(), &seen);
    assert_eq!(kinds(&fresh), ["NodeNotReady"], "not watched for long enough yet");
}

#[test]
fn what_ske_reports_is_attached_to_what_the_cluster_shows() {
    let mut subject = preparing();
    subject.problems = vec![
        problem("SKE_NODE_NO_VALID_HOST_FOUND", "no host for c1.4 in eu01-2"),
        problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api"),
        problem("SKE_DNS_ZONE_NOT_FOUND", "zone"),
        problem("SKE_FETCHING_ERRORS_NOT_POSSIBLE", "?"),
    ];
    let roll = at_once(&subject, &fixture("no_new_node"));
    let none = roll.blockers.iter().find(|blocker| kind(blocker) == "NoNewNode").unwrap();
    assert_eq!(none.reported, [subject.problems[0].clone()]);
    assert_eq!(about(&roll, "SKE_NODE_MISCONFIGURED_PDB").severity(), Severity::Blocks);
    assert_eq!(about(&roll, "SKE_DNS_ZONE_NOT_FOUND").severity(), Severity::Delays);
    let reported = |roll: &Roll| kinds(roll).iter().filter(|kind| *kind == "Reported").count();
    assert_eq!(reported(&roll), 2, "an incomplete list is no error of the cluster");
    let held = at_once(&subject, &fixture("blocked_by_budgets"));
    assert_eq!(reported(&held), 1, "not listed twice");
    assert_eq!(about(&held, "billing/one").reported.len(), 1);
}

#[test]
fn since_when_ske_reports_something_is_recorded() {
    let mut subject = preparing();
    let seen = snapshot(vec![old("web-1", "eu01-1")]);
    let mut tracker = RollTracker::default();
    subject.problems = vec![problem("SKE_NODE_MISCONFIGURED_PDB", "payments/api")];
    tracker.observe(&subject, &seen, ago(30));
    subject.problems.push(problem("SKE_DNS_ZONE_NOT_FOUND", "zone"));
    tracker.still_holds(ago(21));
    tracker.observe(&subject, &seen, ago(20));
    subject.problems.push(problem("SKE_OBSERVABILITY_INSTANCE_NOT_FOUND", "gone"));
    subject.problems[0].message = "payments/api, shop/db".into();
    tracker.observe(&subject, &seen, ago(10));
    let roll = Roll::evaluate(&subject, &seen, tracker.history(), now());
    assert_eq!(about(&roll, "SKE_NODE_MISCONFIGURED_PDB").since, Some(Since::at_least(ago(30))));
    assert_eq!(about(&roll, "SKE_DNS_ZONE_NOT_FOUND").since, Some(Since::exact(ago(20))));
    assert_eq!(
        about(&roll, "SKE_OBSERVABILITY_INSTANCE_NOT_FOUND").since,
        Some(Since::at_least(ago(10))),
        "not observed meanwhile"
    );
    subject.problems.clear();
    tracker.observe(&subject, &seen, ago(5));
    assert_eq!(tracker.history().reported_since(&problem("SKE_DNS_ZONE_NOT_FOUND", "zone")), None);
}

#[test]
fn a_new_node_that_is_removed_is_blocked_by_the_same_things() {
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
    subject.unhealthy = Some((ago(20), ago(0)));
    subject.rotation.initiated = Some(ago(13 * 60));
    let seen = snapshot(vec![old("web-1", "eu01-1")]);
    let roll = at_once(&subject, &seen);
    assert_eq!(roll.blockers[0].cause, BlockerCause::PreparingTooLong);
    subject.rotation.initiated = Some(ago(11 * 60));
    assert!(!kinds(&at_once(&subject, &seen)).contains(&"PreparingTooLong".to_owned()));
}

#[test]
fn what_is_planned_before_the_nodes_are_done_is_noted() {
    let mut subject = preparing();
    subject.schedules = vec![HibernationSchedule {
        start: "5 14 * * *".into(),
        end: "0 6 * * *".into(),
        timezone: "UTC".into(),
    }];
    subject.maintenance = Some(("14:00".into(), "15:00".into()));
    let roll = at_once(&subject, &snapshot(vec![old("web-1", "eu01-1"), old("web-2", "eu01-1")]));
    let at = "2026-11-24T14:05:00Z".parse().unwrap();
    assert_eq!(
        [&roll.blockers[0].cause, &roll.blockers[1].cause],
        [
            &BlockerCause::Hibernation { at, rotation_runs: true },
            &BlockerCause::Maintenance { opens: None },
        ]
    );
    assert!(roll.blockers.iter().all(|blocker| blocker.severity() == Severity::Note));
}

#[test]
fn hibernation_differs_by_whether_the_rotation_runs() {
    let schedules = vec![HibernationSchedule {
        start: "5 14 * * *".into(),
        end: "0 6 * * *".into(),
        timezone: "UTC".into(),
    }];
    for (phase, fixture_name, runs) in [
        (Phase::Preparing, "another_roll_while_preparing", true),
        (Phase::Prepared, "another_roll_while_prepared", false),
        (Phase::Completing, "another_roll_while_prepared", true),
        (Phase::Completed, "another_roll_while_prepared", false),
    ] {
        let subject = Cluster { schedules: schedules.clone(), ..cluster(phase.clone()) };
        let roll = at_once(&subject, &fixture(fixture_name));
        let found = roll.blockers.iter().find_map(|blocker| {
            let BlockerCause::Hibernation { rotation_runs, .. } = blocker.cause else {
                return None;
            };
            Some(rotation_runs)
        });
        assert_eq!(found, Some(runs), "{phase:?}");
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
    assert!(roll.blockers.iter().map(Blocker::severity).is_sorted());
}

#[test]
fn blockers_of_a_node_come_first_and_those_older_than_the_roll_are_left_out() {
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
    // The pool's template was created eight minutes after the start.
    let later = started.checked_add(SignedDuration::from_mins(30)).unwrap();
    seen.pods.push(Arc::new(waiting("late-0", later)));
    let roll = at_once(&subject, &seen);
    let worst = roll.worst().unwrap();
    assert_eq!(object(worst), "PodDisruptionBudget payments/api");
    assert!(about(&roll, "ml/late-0").since < worst.since);
    assert!(roll.blockers.iter().all(|blocker| object(blocker) != "Pod ml/gpu-0"));
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
    let several: Vec<&BlockerCause> = roll
        .blockers
        .iter()
        .map(|blocker| &blocker.cause)
        .filter(|cause| format!("{cause:?}").contains("by-two"))
        .collect();
    assert!(
        matches!(several.as_slice(), [BlockerCause::SeveralPdbs { pods, .. }] if pods.count == 120),
        "{several:#?}"
    );
    assert_eq!(roll.counts.blocked, 1);
}
