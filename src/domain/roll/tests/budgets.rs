//! PodDisruptionBudgets that block a drain, and those that do not.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::fixtures::now;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::budgets::{
    PdbIndex, blocks_eviction, find_fix, is_misconfigured,
};
use crate::domain::roll::blocker::cause::{
    MissingReplica, ObjectName, PdbBlock, PdbFix, PdbStatus,
};
use crate::domain::roll::blocker::{Blocker, BlockerCause, Severity};
use crate::domain::roll::classify::Since;
use crate::domain::roll::tests::blockers::{about, kinds, object, preparing, sample};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::tracking::{draining, old, snapshot};
use crate::domain::roll::tests::{ago, at_once};
use crate::domain::roll::timeline::TimelineEvent;
use crate::domain::roll::tracker::RollTracker;
use crate::domain::snapshot::{
    Budget, ClusterSnapshot, Event, Labels, Node, Pod, Requirement, Selector, Unseen,
};

#[test]
fn k8s_11_every_kind_of_budget_is_matched_rightly_or_called_unreadable() {
    let roll = at_once(&preparing(), &fixture("blocked_by_budgets"));
    let shown: Vec<(Severity, String)> =
        roll.blockers.iter().map(|blocker| (blocker.severity(), object(blocker))).collect();
    assert_eq!(
        shown,
        [
            (Severity::Blocks, "PodDisruptionBudget billing/one".to_owned()),
            (Severity::Blocks, "PodDisruptionBudget shop/db".to_owned()),
            (Severity::Blocks, "Pod twice/web-1".to_owned()),
            (Severity::Delays, "PodDisruptionBudget payments/api".to_owned()),
            (Severity::Note, "PodDisruptionBudget odd/unreadable".to_owned()),
        ]
    );
    let api = about(&roll, "payments/api");
    assert_eq!(api.since, Some(Since::exact(ago(47))));
    assert_eq!(api.place, Some(("web".into(), "eu01-2".into())));
    assert_eq!(api.node.as_ref().unwrap().short, "web-z2-aaaaa-77777");
    let of = |name: &str| {
        let BlockerCause::Pdb(block) = &about(&roll, name).cause else { panic!("{name}") };
        block.clone()
    };
    let status = |desired, healthy, expected| Some(PdbStatus { desired, healthy, expected });
    assert_eq!(
        of("payments/api"),
        PdbBlock {
            budget: ObjectName::new("payments", "api"),
            misconfigured: false,
            pods: sample(&["payments/api-6f9"]),
            status: status(3, 3, 4),
            fix: PdbFix::AwaitReplicas(1),
            unready: None,
            missing: None,
        }
    );
    assert_eq!(of("shop/db").fix, PdbFix::Relax(Some("maxUnavailable 0".into())));
    assert_eq!(
        (of("billing/one").status, of("billing/one").fix),
        (status(1, 1, 1), PdbFix::AddReplicas(1))
    );
    assert_eq!((roll.counts.draining, roll.counts.blocked), (1, 1));
    let node = roll.nodes().find(|node| node.blocked).unwrap();
    assert_eq!(roll.blockers_of(node).count(), 4);
}

#[test]
fn a_budget_blocks_only_after_some_time() {
    let mut early = fixture("blocked_by_budgets");
    for node in &mut early.nodes {
        if node.terminating.is_some() {
            *node = Arc::new(draining((**node).clone(), ago(1)));
        }
    }
    let roll = at_once(&preparing(), &early);
    let all: Vec<String> = roll.blockers.iter().map(object).collect();
    assert!(!all.contains(&"PodDisruptionBudget payments/api".to_owned()));
    assert!(all.contains(&"PodDisruptionBudget shop/db".to_owned()), "it will not get better");
}

#[test]
fn a_budget_that_allows_one_eviction_at_a_time_is_no_blocker() {
    let subject = preparing();
    let with = |allowed| {
        let mut seen = fixture("blocked_by_budgets");
        for budget in &mut seen.budgets {
            if budget.name == "api" {
                *budget = Arc::new(Budget { allowed, ..(**budget).clone() });
            }
        }
        seen
    };
    let mut tracker = RollTracker::default();
    for (minutes, allowed) in [(10, 0), (9, 1), (8, 0), (7, 1), (6, 0)] {
        tracker.observe(&subject, &with(allowed), ago(minutes));
    }
    let at = |minutes| Roll::evaluate(&subject, &with(0), tracker.history(), ago(minutes));
    assert!(!at(5).blockers.iter().map(object).any(|name| name.ends_with("payments/api")));
    assert_eq!(about(&at(2), "payments/api").since, Some(Since::exact(ago(6))));
}

#[test]
fn a_budget_that_is_read_later_than_the_nodes_counts_as_exhausted_from_the_start() {
    let subject = preparing();
    let seen = fixture("blocked_by_budgets");
    let mut unread = seen.clone();
    unread.budgets.clear();
    unread.unseen.insert("poddisruptionbudgets", Unseen::Unread);
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &unread, ago(1));
    tracker.observe(&subject, &seen, now());
    let roll = Roll::evaluate(&subject, &seen, tracker.history(), now());
    assert_eq!(about(&roll, "payments/api").since, Some(Since::exact(ago(47))));
}

#[test]
fn a_budget_exhausted_during_an_interruption_may_have_been_exhausted_for_longer() {
    let subject = preparing();
    let exhausted = fixture("blocked_by_budgets");
    let mut relaxed = exhausted.clone();
    for budget in &mut relaxed.budgets {
        *budget = Arc::new(Budget { allowed: 1, ..(**budget).clone() });
    }
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &relaxed, ago(60));
    let mut unread = exhausted.clone();
    unread.unseen.insert("poddisruptionbudgets", Unseen::Unread);
    unread.budgets.clear();
    tracker.observe(&subject, &unread, ago(1));
    tracker.observe(&subject, &exhausted, now());
    let roll = Roll::evaluate(&subject, &exhausted, tracker.history(), now());
    assert_eq!(about(&roll, "payments/api").since, Some(Since::exact(ago(47))), "as the drain");
}

#[test]
fn a_node_stays_blocked_while_its_pods_are_listed_again() {
    let subject = preparing();
    let seen = fixture("blocked_by_budgets");
    let mut unread = seen.clone();
    for kind in ["pods", "poddisruptionbudgets"] {
        unread.unseen.insert(kind, Unseen::Failing("no answer".into()));
    }
    (unread.pods, unread.budgets) = (Vec::new(), Vec::new());
    let mut tracker = RollTracker::default();
    let mut free = seen.clone();
    free.pods.clear();
    for (minutes, snapshot) in [(9, &seen), (8, &unread), (7, &seen), (6, &free)] {
        tracker.observe(&subject, snapshot, ago(minutes));
    }
    let of_blocks: Vec<&TimelineEvent> = tracker
        .timeline()
        .entries()
        .map(|entry| &entry.what)
        .filter(|event| {
            matches!(event, TimelineEvent::Blocked { .. } | TimelineEvent::Unblocked { .. })
        })
        .collect();
    assert!(
        matches!(of_blocks[..], [TimelineEvent::Blocked { .. }, TimelineEvent::Unblocked { .. }]),
        "{of_blocks:?}"
    );
    assert!(!tracker.has_blocked());
}

/// Budget `payments/api` for pods `app: api`, with this status.
pub fn budget(allowed: i32, healthy: i32, desired: i32, expected: i32) -> Budget {
    Budget {
        namespace: "payments".into(),
        name: "api".into(),
        selector: Selector::Labels(vec![Requirement::In("app".into(), vec!["api".into()])]),
        min_available: None,
        max_unavailable: None,
        allowed,
        healthy,
        desired,
        expected,
        observed: true,
        disrupted: 0,
        sync_failure: None,
        always_lets_unready_go: false,
    }
}

fn labelled(app: &str) -> Labels {
    [("app".to_owned(), app.to_owned())].into_iter().collect()
}

/// A ready pod `app: api` in namespace `payments`.
pub fn pod(name: &str, node: Option<&str>) -> Pod {
    Pod {
        uid: format!("uid-{name}"),
        namespace: "payments".into(),
        name: name.into(),
        labels: labelled("api"),
        node: node.map(str::to_owned),
        owner: None,
        created: None,
        ready: true,
        pending: false,
        unscheduled: None,
        finished: false,
        waiting: None,
        grace_seconds: 30,
        deletion_deadline: None,
        finalizers: Vec::new(),
        claims: Vec::new(),
        local_data: false,
        mirror: false,
    }
}

#[test]
fn the_fix_of_a_budget_counts_percentages_as_the_platform_does() {
    let least =
        |text: &str, figures: Budget| Budget { min_available: Some(text.into()), ..figures };
    let most =
        |text: &str, figures: Budget| Budget { max_unavailable: Some(text.into()), ..figures };
    let relax = |rule: &str| PdbFix::Relax(Some(rule.to_owned()));
    for (budget, fix) in [
        (least("90%", budget(0, 3, 3, 3)), PdbFix::AddReplicas(7)),
        (least("50%", budget(0, 1, 1, 1)), PdbFix::AddReplicas(1)),
        (least("99%", budget(0, 4, 4, 4)), PdbFix::AddReplicas(96)),
        (least("90%", budget(0, 2, 3, 3)), PdbFix::AddReplicas(8)),
        (least("50%", budget(0, 2, 2, 4)), PdbFix::AwaitReplicas(1)),
        (least("100%", budget(0, 3, 3, 3)), relax("minAvailable 100%")),
        (least("700%", budget(0, 3, 21, 3)), PdbFix::AddReplicas(19)),
        (least("3", budget(0, 3, 3, 3)), PdbFix::AddReplicas(1)),
        (least("500", budget(0, 3, 500, 3)), PdbFix::AddReplicas(498)),
        (least("3", budget(0, 0, 3, 0)), PdbFix::AddReplicas(4)),
        (least("2", budget(0, 3, 2, 3)), PdbFix::AddReplicas(1)),
        (budget(0, 0, 0, 0), PdbFix::UnmanagedPods),
        (Budget { observed: false, ..budget(0, 0, 0, 0) }, PdbFix::AwaitStatus),
        (most("30%", budget(0, 2, 2, 3)), PdbFix::RepairReplicas(1)),
        (most("0%", budget(0, 3, 3, 3)), relax("maxUnavailable 0%")),
        (most("1", budget(0, 2, 2, 3)), PdbFix::RepairReplicas(1)),
    ] {
        assert_eq!(find_fix(&budget, false), fix, "{budget:?}");
    }
    // Unready pods can be evicted as soon as enough others are ready; once all are ready, there is none left to exempt.
    for (budget, fix) in [
        (least("2", budget(0, 1, 2, 3)), PdbFix::AwaitReplicas(1)),
        (least("3", budget(0, 2, 3, 3)), PdbFix::AddReplicas(1)),
        (least("90%", budget(0, 2, 3, 3)), PdbFix::AddReplicas(7)),
        (least("100%", budget(0, 2, 3, 3)), relax("minAvailable 100%")),
        (most("0", budget(0, 2, 3, 3)), relax("maxUnavailable 0")),
        (most("1", budget(0, 1, 2, 3)), PdbFix::RepairReplicas(1)),
    ] {
        assert_eq!(find_fix(&budget, true), fix, "{budget:?}");
    }
    // No arithmetic overflows.
    for number in [i32::MIN, i32::MAX] {
        for unready in [false, true] {
            find_fix(&least("50%", budget(i32::MIN, number, number, number)), unready);
            find_fix(&least("50%", budget(0, i32::MIN, number, number)), unready);
        }
    }
}

#[test]
fn a_percentage_in_a_manifest_is_counted_out() {
    let roll = at_once(&preparing(), &fixture("budget_in_percent"));
    let [Blocker { cause: BlockerCause::Pdb(block), .. }] = roll.blockers.as_slice() else {
        panic!("{:?}", roll.blockers)
    };
    assert_eq!((block.misconfigured, &block.fix), (true, &PdbFix::AddReplicas(7)));
}

#[test]
fn a_budget_blocks_what_the_eviction_api_refuses() {
    let healthy = pod("a", Some("n"));
    let unready = Pod { ready: false, ..healthy.clone() };
    let waiting = Pod { pending: true, ready: false, ..healthy.clone() };
    let going = Pod { deletion_deadline: Some(now()), ..healthy.clone() };
    let stale = Budget { observed: false, ..budget(1, 4, 3, 4) };
    let lenient = Budget { always_lets_unready_go: true, ..budget(0, 1, 3, 3) };
    for (budget, pod, expected) in [
        (budget(0, 3, 3, 3), &healthy, true),
        (budget(1, 4, 3, 4), &healthy, false),
        (budget(0, 3, 3, 4), &unready, false),
        (budget(0, 2, 3, 4), &unready, true),
        (lenient, &unready, false),
        // Of none that should be healthy, none is enough.
        (budget(0, 0, 0, 1), &unready, true),
        (budget(0, 2, 3, 3), &waiting, false),
        (budget(0, 3, 3, 3), &going, false),
        (stale, &healthy, true),
    ] {
        assert_eq!(blocks_eviction(&budget, pod), expected, "{budget:?} {pod:?}");
    }
    assert!(is_misconfigured(&budget(0, 3, 3, 3)));
    assert!(!is_misconfigured(&budget(0, 3, 3, 4)), "one replica is missing: it may become ready");
    assert!(!is_misconfigured(&budget(0, 0, 0, 0)));
    assert!(!is_misconfigured(&Budget { observed: false, ..budget(0, 3, 3, 3) }));
    assert!(!is_misconfigured(&Budget { disrupted: 1, ..budget(0, 3, 3, 3) }));
}

#[test]
fn k8s_11_the_index_finds_what_comparing_with_all_budgets_finds() {
    let with = |name: &str, requirements: Option<Vec<Requirement>>| {
        let selector = requirements.map_or(Selector::Nothing, Selector::Labels);
        Arc::new(Budget { name: name.into(), selector, ..budget(0, 1, 1, 1) })
    };
    let (key, value) = (|| "app".to_owned(), |text: &str| vec![text.to_owned()]);
    let budgets = vec![
        with("nothing", None),
        with("everything", Some(Vec::new())),
        with(
            "in",
            Some(vec![Requirement::In(key(), vec!["api".into(), "db".into(), "api".into()])]),
        ),
        with("not", Some(vec![Requirement::NotIn(key(), value("db"))])),
        with("absent", Some(vec![Requirement::Absent("tier".into())])),
        with("both", Some(vec![Requirement::Exists(key()), Requirement::In(key(), value("db"))])),
        Arc::new(Budget { namespace: "elsewhere".into(), ..budget(0, 1, 1, 1) }),
    ];
    let index = PdbIndex::of(&budgets);
    let all = ["api", "db", "web"].map(labelled);
    for labels in all.into_iter().chain([Labels::default()]) {
        let subject = Pod { labels, ..pod("a", None) };
        let mut found: Vec<&str> =
            index.covering(&subject).iter().map(|budget| budget.name.as_str()).collect();
        let mut all: Vec<&str> = budgets
            .iter()
            .filter(|budget| budget.namespace == subject.namespace)
            .filter(|budget| budget.selector.matches(&subject.labels) == Some(true))
            .map(|budget| budget.name.as_str())
            .collect();
        found.sort_unstable();
        all.sort_unstable();
        assert_eq!(found, all, "{subject:?}");
    }
}

#[test]
fn a_replica_that_cannot_be_scheduled_is_named_beside_its_budget_and_not_again() {
    let mut seen = fixture("blocked_by_budgets");
    let mut waiting = pod("api-9zz", None);
    waiting.pending = true;
    let held = seen.pods.iter().find(|pod| pod.name == "api-6f9").unwrap();
    waiting.owner.clone_from(&held.owner);
    waiting.unscheduled =
        Some((Some(ago(20)), "0/5 nodes are available: 5 Insufficient cpu.".into()));
    seen.pods.push(Arc::new(waiting));
    let roll = at_once(&preparing(), &seen);
    let BlockerCause::Pdb(block) = &about(&roll, "payments/api").cause else { panic!("no budget") };
    let Some(MissingReplica::Unscheduled(pod, message)) = &block.missing else { panic!("none") };
    assert_eq!(pod.to_string(), "payments/api-9zz");
    assert!(message.ends_with("5 Insufficient cpu."));
    assert!(!kinds(&roll).contains(&"UnschedulablePods".to_owned()));
}

fn block_of(name: &str) -> PdbBlock {
    let roll = at_once(&preparing(), &fixture("unhealthy_budgets"));
    let blocker = about(&roll, &format!("{name}/guard"));
    let BlockerCause::Pdb(block) = &blocker.cause else { panic!("{name}") };
    block.clone()
}

#[test]
fn k8s_19_unready_pods_need_as_many_ready_replicas_as_are_missing_and_name_their_crash_loop() {
    let block = block_of("crash");
    assert_eq!(block.fix, PdbFix::AwaitReplicas(1), "up to desired, not beyond");
    assert_eq!(block.unready.as_deref(), Some("CrashLoopBackOff"));
    let many = budget(0, 1, 5, 3);
    let least = |number: &str| Budget { min_available: Some(number.into()), ..many.clone() };
    assert_eq!(find_fix(&least("5"), true), PdbFix::AddReplicas(4), "two unready, four missing");
}

#[test]
fn k8s_20_the_reason_why_a_replica_does_not_come_is_named_beside_the_budget() {
    let rejecting = Some(MissingReplica::Rejected(ObjectName::new("images", "check")));
    assert_eq!(block_of("rejected").missing, rejecting);
    let mut seen = fixture("unhealthy_budgets");
    let held = seen.pods.iter().find(|pod| pod.namespace == "most").unwrap();
    let starting = Pod {
        name: "api-2".into(),
        node: Some("web-9".into()),
        pending: true,
        ready: false,
        ..(**held).clone()
    };
    seen.pods.push(Arc::new(starting));
    seen.events.push(Arc::new(Event {
        uid: "e".into(),
        at: Some(ago(3)),
        kind: "Pod".into(),
        namespace: "most".into(),
        name: "api-2".into(),
        reason: "FailedAttachVolume".into(),
        message: "Multi-Attach error for volume pv-1".into(),
        warning: true,
        count: 3,
    }));
    let roll = at_once(&preparing(), &seen);
    let BlockerCause::Pdb(block) = &about(&roll, "most/guard").cause else { panic!("no budget") };
    let Some(MissingReplica::NotStarting(pod, text)) = &block.missing else { panic!("nothing") };
    assert_eq!(pod.to_string(), "most/api-2");
    assert!(text.starts_with("FailedAttachVolume: Multi-Attach"), "{text}");
}

#[test]
fn k8s_20_a_replica_that_crashes_is_named_beside_the_budget() {
    let mut seen = fixture("unhealthy_budgets");
    let held = seen.pods.iter().find(|pod| pod.namespace == "most").unwrap();
    // Its phase is Running: its container has been started before.
    let crashing = Pod {
        uid: "crashing".into(),
        name: "api-2".into(),
        node: Some("web-9".into()),
        ready: false,
        waiting: Some("CrashLoopBackOff".into()),
        ..(**held).clone()
    };
    seen.pods.push(Arc::new(crashing));
    let roll = at_once(&preparing(), &seen);
    let BlockerCause::Pdb(block) = &about(&roll, "most/guard").cause else { panic!("no budget") };
    let name = ObjectName::new("most", "api-2");
    assert_eq!(block.missing, Some(MissingReplica::NotReady(name, "CrashLoopBackOff".into())));
}

/// Why the replica `api-2` of the budget `most/guard` is missing, given these events.
fn missing(replica: impl FnOnce(Pod) -> Pod, events: &[(&str, i64)]) -> Option<MissingReplica> {
    let mut seen = fixture("unhealthy_budgets");
    let held = seen.pods.iter().find(|pod| pod.namespace == "most").unwrap();
    let (uid, name) = ("replica".to_owned(), "api-2".to_owned());
    let node = Some("web-9".to_owned());
    let starting = Pod { uid, name, node, pending: true, ready: false, ..(**held).clone() };
    seen.pods.push(Arc::new(replica(starting)));
    seen.events.extend(events.iter().map(|(reason, minutes)| {
        Arc::new(Event {
            uid: format!("{reason}/{minutes}"),
            at: Some(ago(*minutes)),
            kind: "Pod".into(),
            namespace: "most".into(),
            name: "api-2".into(),
            reason: (*reason).into(),
            message: "something".into(),
            warning: reason.starts_with("Failed"),
            count: 1,
        })
    }));
    let roll = at_once(&preparing(), &seen);
    let BlockerCause::Pdb(block) = &about(&roll, "most/guard").cause else { panic!("no budget") };
    block.missing.clone()
}

#[test]
fn k8s_20_no_event_of_an_earlier_pod_or_of_before_it_was_scheduled_explains_a_replica() {
    let name = || ObjectName::new("most", "api-2");
    let starting = |pod: Pod| Pod { created: Some(ago(5)), ..pod };
    // A StatefulSet reuses pod names.
    assert_eq!(missing(starting, &[("FailedMount", 7)]), None);
    assert_eq!(missing(starting, &[("FailedScheduling", 4)]), None, "it has a node");
    let mount = MissingReplica::NotStarting(name(), "FailedMount: something".into());
    assert_eq!(missing(starting, &[("FailedMount", 4), ("FailedScheduling", 3)]), Some(mount));
}

#[test]
fn k8s_20_a_warning_that_is_over_explains_no_replica() {
    let none = |pod: Pod| pod;
    let attached = [("FailedAttachVolume", 9), ("SuccessfulAttachVolume", 7), ("Pulling", 6)];
    assert_eq!(missing(none, &attached), None);
    // Sandbox creation is retried forever.
    let sandbox = [("FailedCreatePodSandBox", 4), ("SandboxChanged", 3)];
    assert!(matches!(missing(none, &sandbox), Some(MissingReplica::NotStarting(..))));
    let again = [("Pulling", 6), ("FailedMount", 5)];
    assert!(matches!(missing(none, &again), Some(MissingReplica::NotStarting(..))));
}

#[test]
fn k8s_31_no_replicas_are_asked_for_by_the_figures_of_an_earlier_rule() {
    let edited = |least: &str| Budget {
        observed: false,
        min_available: Some(least.into()),
        ..budget(0, 3, 3, 3)
    };
    assert_eq!(find_fix(&edited("2"), false), PdbFix::AwaitStatus);
    assert_eq!(find_fix(&edited("2"), true), PdbFix::AwaitStatus);
    let never = PdbFix::Relax(Some("minAvailable 100%".into()));
    assert_eq!(find_fix(&edited("100%"), false), never);
}

#[test]
fn k8s_20_a_replica_that_cannot_be_created_is_named_with_what_its_controller_says() {
    let missing = |kind: &str, name: &str, minutes: i64, sibling: Option<i64>| {
        let mut seen = fixture("unhealthy_budgets");
        let held = seen.pods.iter().find(|pod| pod.namespace == "most").unwrap();
        let later =
            |minutes| Pod { name: "api-2".into(), created: Some(ago(minutes)), ..(**held).clone() };
        let later = sibling.map(later).map(Arc::new);
        seen.pods.extend(later);
        seen.events.push(Arc::new(Event {
            uid: "e".into(),
            at: Some(ago(minutes)),
            kind: kind.into(),
            namespace: "most".into(),
            name: name.into(),
            reason: "FailedCreate".into(),
            message: "Error creating: pods \"api-6a8c1-x\" is forbidden: exceeded quota".into(),
            warning: true,
            count: 9,
        }));
        let roll = at_once(&preparing(), &seen);
        let BlockerCause::Pdb(block) = &about(&roll, "most/guard").cause else { panic!("none") };
        block.missing.clone()
    };
    let Some(MissingReplica::NotCreated(owner, message)) =
        missing("ReplicaSet", "api-6a8c1", 5, None)
    else {
        panic!("not named")
    };
    assert_eq!(owner.to_string(), "most/api-6a8c1");
    assert!(message.ends_with("exceeded quota"), "{message}");
    assert_eq!(missing("ReplicaSet", "api-6a8c1", 30, None), None, "it was not tried again");
    assert_eq!(missing("ReplicaSet", "api-6a8c1", 5, Some(2)), None, "one was created since");
    assert_eq!(missing("ReplicaSet", "other-6a8c1", 5, None), None);
    assert_eq!(missing("StatefulSet", "api-6a8c1", 5, None), None);
}

#[test]
fn k8s_20_a_replica_that_waits_without_an_event_is_named_with_what_it_waits_for() {
    let found =
        |reason: &str| MissingReplica::NotReady(ObjectName::new("most", "api-2"), reason.into());
    let waiting = |reason: &str| Some(reason.to_owned());
    let pulling = |pod| Pod { waiting: waiting("ImagePullBackOff"), ..pod };
    assert_eq!(missing(pulling, &[]), Some(found("ImagePullBackOff")));
    let gated = |pod| Pod { waiting: waiting("SchedulingGated"), node: None, ..pod };
    assert_eq!(missing(gated, &[]), Some(found("SchedulingGated")));
    assert_eq!(missing(|pod| pod, &[]), None, "it starts");
}

#[test]
fn k8s_20_a_held_pod_that_nothing_would_replace_is_not_to_be_deleted() {
    let roll = at_once(&preparing(), &held_by(budget(0, 1, 1, 1), 11));
    let BlockerCause::Pdb(block) = &about(&roll, "payments/api").cause else { panic!("none") };
    assert_eq!(block.missing, Some(MissingReplica::NoController));
}

#[test]
fn k8s_27_pods_under_several_budgets_are_named_before_the_drain_of_their_node_begins() {
    let mut seen = snapshot(vec![old("a", "eu01-1"), old("b", "eu01-2")]);
    seen.pods.extend(
        [("api-1", "a"), ("api-2", "b")].map(|(name, node)| Arc::new(pod(name, Some(node)))),
    );
    let other = Budget { name: "other".into(), ..budget(1, 2, 1, 2) };
    seen.budgets.extend([budget(1, 2, 1, 2), other].map(Arc::new));
    let roll = at_once(&preparing(), &seen);
    let [blocker] = roll.blockers.as_slice() else { panic!("{:?}", roll.blockers) };
    let budgets = vec!["api".to_owned(), "other".to_owned()];
    let pods = sample(&["payments/api-1", "payments/api-2"]);
    assert_eq!(blocker.cause, BlockerCause::SeveralPdbs { pods, budgets });
    assert_eq!((blocker.severity(), blocker.blocks_drain()), (Severity::Note, false));
}

#[test]
fn k8s_27_the_remedy_before_a_drain_is_the_one_that_helps() {
    for (most, least, fix) in [
        (Some("0"), None, PdbFix::Relax(Some("maxUnavailable 0".into()))),
        (None, Some("100%"), PdbFix::Relax(Some("minAvailable 100%".into()))),
        (None, Some("1"), PdbFix::AddReplicas(1)),
    ] {
        let mut guard = budget(0, 1, 1, 1);
        guard.max_unavailable = most.map(str::to_owned);
        guard.min_available = least.map(str::to_owned);
        let mut seen = snapshot(vec![old("a", "eu01-1"), old("b", "eu01-2")]);
        seen.pods.push(Arc::new(pod("api-1", Some("a"))));
        seen.budgets.push(Arc::new(guard));
        let roll = at_once(&preparing(), &seen);
        let BlockerCause::PdbAhead { fix: found, .. } = &about(&roll, "payments/api").cause else {
            panic!("not named")
        };
        assert_eq!(*found, fix);
    }
}

#[test]
fn k8s_20_a_webhook_is_named_where_the_budget_counts_only_the_pods_that_are_there() {
    let mut seen = fixture("unhealthy_budgets");
    let budget = seen.budgets.iter_mut().find(|budget| budget.namespace == "rejected").unwrap();
    // As with an absolute minAvailable: the controller expects no more pods than exist.
    let all_healthy = Budget { expected: budget.healthy, ..(**budget).clone() };
    *budget = Arc::new(all_healthy);
    let roll = at_once(&preparing(), &seen);
    let BlockerCause::Pdb(block) = &about(&roll, "rejected/guard").cause else { panic!("none") };
    let rejecting = Some(MissingReplica::Rejected(ObjectName::new("images", "check")));
    assert!(block.misconfigured);
    assert_eq!(block.missing, rejecting);
}

#[test]
fn k8s_23_a_pending_pod_of_another_workload_is_not_called_a_replica() {
    assert_eq!(block_of("broad").missing, None);
    let roll = at_once(&preparing(), &fixture("unhealthy_budgets"));
    assert!(kinds(&roll).contains(&"UnschedulablePods".to_owned()), "it is named by itself");
}

#[test]
fn k8s_27_a_budget_that_never_allows_an_eviction_is_named_before_the_drain_of_its_node_begins() {
    let mut budget = budget(0, 1, 1, 1);
    let covered = pod("api-1", Some("a"));
    let mut seen = snapshot(vec![old("a", "eu01-1"), old("b", "eu01-2")]);
    seen.pods.push(Arc::new(covered.clone()));
    seen.budgets.push(Arc::new(budget.clone()));
    let roll = at_once(&preparing(), &seen);
    let cause = &about(&roll, "payments/api").cause;
    let pods = sample(&["payments/api-1"]);
    assert_eq!(
        *cause,
        BlockerCause::PdbAhead { budget: (&budget).into(), pods, fix: PdbFix::AddReplicas(1) }
    );
    assert_eq!(about(&roll, "payments/api").severity(), Severity::Note);
    // Once the drain has started, it is only reported as the node's blocker.
    let mut seen = snapshot(vec![draining(old("a", "eu01-1"), ago(20)), old("b", "eu01-2")]);
    seen.pods.push(Arc::new(covered));
    seen.pods.push(Arc::new(pod("api-2", Some("b"))));
    (budget.healthy, budget.expected, budget.desired) = (2, 2, 2);
    seen.budgets.push(Arc::new(budget));
    assert_eq!(kinds(&at_once(&preparing(), &seen)), ["Pdb", "BarePods"]);
}

#[test]
fn k8s_30_a_budget_whose_status_cannot_be_computed_asks_for_no_replicas() {
    let message = "found no controllers for pod api-1".to_owned();
    assert_eq!(block_of("failed").fix, PdbFix::NotComputed(message));
    assert_eq!(block_of("failed").status, None);
    assert_eq!(block_of("unmanaged").fix, PdbFix::UnmanagedPods);
}

#[test]
fn k8s_30_a_budget_that_cannot_be_computed_is_named_before_a_drain_as_one_that_allows_nothing() {
    let message = "found no controllers for pod api-1".to_owned();
    let failed = Budget { sync_failure: Some(message.clone()), ..budget(0, 0, 0, 0) };
    for (guard, expected) in
        [(failed, PdbFix::NotComputed(message)), (budget(0, 0, 0, 0), PdbFix::UnmanagedPods)]
    {
        let mut seen = snapshot(vec![old("a", "eu01-1"), old("b", "eu01-2")]);
        seen.pods.push(Arc::new(pod("api-1", Some("a"))));
        seen.budgets.push(Arc::new(guard));
        let roll = at_once(&preparing(), &seen);
        let fixes = roll.blockers.iter().filter_map(|blocker| {
            let BlockerCause::PdbAhead { fix, .. } = &blocker.cause else { return None };
            Some(fix)
        });
        assert_eq!(fixes.collect::<Vec<_>>(), [&expected]);
    }
}

#[test]
fn k8s_36_under_max_unavailable_replicas_are_repaired_and_not_added() {
    assert_eq!(block_of("most").fix, PdbFix::RepairReplicas(1));
    for (figures, fix) in [
        (budget(0, 3, 3, 4), PdbFix::RepairReplicas(1)),
        (budget(0, 1, 3, 4), PdbFix::RepairReplicas(3)),
    ] {
        let figures = Budget { max_unavailable: Some("1".into()), ..figures };
        assert_eq!(find_fix(&figures, false), fix);
    }
}

/// 1,000 nodes, 20,000 pods, 500 budgets in one namespace (K8S-07).
pub fn large() -> ClusterSnapshot {
    let zones = ["eu01-1", "eu01-2", "eu01-3"];
    let nodes: Vec<Node> = (0..1_000_usize)
        .map(|number| {
            let node = old(&format!("web-{number}"), zones[number % 3]);
            if number % 50 == 0 { draining(node, ago(30)) } else { node }
        })
        .collect();
    let mut seen = snapshot(nodes);
    for number in 0..20_000 {
        let mut subject = pod(&format!("api-{number}"), Some(&format!("web-{}", number % 1_000)));
        subject.labels = labelled(&format!("app-{}", number % 500));
        seen.pods.push(Arc::new(subject));
    }
    for number in 0..500 {
        let asked = Requirement::In("app".into(), vec![format!("app-{number}")]);
        let selector = Selector::Labels(vec![asked]);
        let name = format!("app-{number}");
        seen.budgets.push(Arc::new(Budget { name, selector, ..budget(0, 40, 40, 41) }));
    }
    seen
}

#[test]
fn k8s_07_a_large_cluster_is_looked_at_as_a_small_one_is() {
    let (subject, seen) = (preparing(), large());
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &seen, ago(1));
    let roll = Roll::evaluate(&subject, &seen, tracker.history(), now());
    assert_eq!((roll.counts.draining, roll.counts.blocked), (20, 20));
    let index = PdbIndex::of(&seen.budgets);
    assert!(seen.pods.iter().all(|pod| index.covering(pod).len() == 1));
}

/// A node that has been draining for `minutes`, with a pod covered by a budget.
pub fn held_by(guard: Budget, minutes: i64) -> ClusterSnapshot {
    let mut seen = snapshot(vec![draining(old("web-1", "eu01-1"), ago(minutes))]);
    seen.pods = vec![Arc::new(pod("api-1", Some("web-1")))];
    seen.budgets = vec![Arc::new(guard)];
    seen
}

#[test]
fn k8s_31_a_node_stays_blocked_since_its_first_moment_while_its_budget_gets_worse_or_is_edited() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let misconfigured = || budget(0, 1, 1, 1);
    let edited = Budget { observed: false, ..budget(1, 1, 1, 1) };
    for (at, guard) in [
        (4, misconfigured()),
        (3, budget(1, 2, 1, 2)),
        (2, misconfigured()),
        // One replica became unready, which is normal for a while.
        (1, budget(0, 0, 1, 1)),
        (1, edited),
    ] {
        let exhausted = guard.allowed == 0 || !guard.observed;
        let roll = tracker.observe(&subject, &held_by(guard, 11), ago(at)).unwrap();
        assert_eq!(roll.counts.blocked == 1, exhausted, "{at}");
        let node = roll.nodes().next().unwrap();
        let first = if at == 4 { ago(11) } else { ago(2) };
        let since = exhausted.then_some(Since::exact(first));
        assert_eq!(
            (node.blocked_since, roll.worst().and_then(|worst| worst.since)),
            (since, since)
        );
    }
    let ends = || {
        let entries = tracker.timeline().entries();
        entries.filter(|e| matches!(e.what, TimelineEvent::Unblocked { .. })).count()
    };
    assert_eq!(ends(), 1, "only when the budget allowed an eviction");
    let mut free = held_by(misconfigured(), 11);
    free.budgets.clear();
    tracker.observe(&subject, &free, ago(0));
    let entries = tracker.timeline().entries();
    let ends = entries.filter(|e| matches!(e.what, TimelineEvent::Unblocked { .. })).count();
    assert_eq!(ends, 2);
}

#[test]
fn k8s_31_a_budget_that_is_edited_while_it_allows_evictions_does_not_block_since_the_drain_began() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let edited = Budget { observed: false, ..budget(1, 2, 1, 2) };
    for (at, guard) in [(2, budget(1, 2, 1, 2)), (1, edited)] {
        let roll = tracker.observe(&subject, &held_by(guard, 11), ago(at)).unwrap();
        assert_eq!(roll.counts.blocked, 0, "{at}");
    }
}

#[test]
fn k8s_33_a_block_that_begins_by_time_alone_is_in_the_timeline_when_it_shows() {
    let subject = preparing();
    let seen = held_by(budget(0, 0, 1, 1), 4);
    let mut tracker = RollTracker::default();
    let at = |seconds: i64| ago(4).saturating_add(SignedDuration::from_secs(seconds)).unwrap();
    let blocked = |tracker: &RollTracker| {
        let entries = tracker.timeline().entries();
        let blocked = entries.filter(|e| matches!(e.what, TimelineEvent::Blocked { .. }));
        blocked.map(|entry| entry.at).collect::<Vec<_>>()
    };
    assert_eq!(tracker.observe(&subject, &seen, at(5)).unwrap().counts.blocked, 0);
    assert_eq!(tracker.reevaluate(&subject, &seen, at(175)).counts.blocked, 0);
    assert_eq!(blocked(&tracker), []);
    assert_eq!(tracker.reevaluate(&subject, &seen, at(181)).counts.blocked, 1);
    assert_eq!(tracker.reevaluate(&subject, &seen, at(186)).counts.blocked, 1);
    assert_eq!(blocked(&tracker), [at(181)]);
}
