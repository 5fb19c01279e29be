//! PodDisruptionBudgets that hold a drain, and those that do not.

use std::sync::Arc;

use crate::domain::fixtures::now;
use crate::domain::roll::blocker::BlockerKind;
use crate::domain::roll::blocker::budgets::{BudgetIndex, frees, holds, is_misconfigured};
use crate::domain::roll::classify::Since;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::tests::blockers::{about, kinds, preparing};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::watched::{draining, old, snapshot};
use crate::domain::roll::tests::{ago, at_once};
use crate::domain::roll::timeline::TimelineEvent;
use crate::domain::roll::{Roll, format};
use crate::domain::snapshot::{
    Budget, ClusterSnapshot, Labels, Node, Pod, Requirement, Selector, Unseen,
};

#[test]
fn k8s_11_every_kind_of_budget_is_matched_rightly_or_called_unreadable() {
    let roll = at_once(&preparing(), &fixture("blocked_by_budgets"));
    let waits = "web-z2-aaaaa-77777 waits 47m";
    let shown: Vec<(BlockerKind, &str)> =
        roll.blockers.iter().map(|blocker| (blocker.kind, blocker.why.as_str())).collect();
    assert_eq!(
        shown,
        [
            (
                BlockerKind::MisconfiguredBudget,
                &*format!(
                    "{waits}: pod billing/one-1 may not be evicted, PodDisruptionBudget billing/one allows 0 (needs 1 healthy, has 1 of 1)."
                )
            ),
            (
                BlockerKind::MisconfiguredBudget,
                &*format!(
                    "{waits}: pod shop/db-0 may not be evicted, PodDisruptionBudget shop/db allows 0 (needs 1 healthy, has 1 of 1)."
                )
            ),
            (
                BlockerKind::SeveralBudgets,
                &*format!(
                    "{waits}: pod twice/web-1 is under 2 PodDisruptionBudgets (by-app, by-team); such a pod cannot be evicted."
                )
            ),
            (
                BlockerKind::Budget,
                &*format!(
                    "{waits}: pod payments/api-6f9 may not be evicted, PodDisruptionBudget payments/api allows 0 (needs 3 healthy, has 3)."
                )
            ),
            (
                BlockerKind::UnreadableBudget,
                "PodDisruptionBudget odd/unreadable cannot be judged (unknown operator Near of app); it may hold pods on web-z2-aaaaa-77777."
            ),
        ]
    );
    let api = about(&roll, "payments/api ");
    assert!(api.frees.starts_with("It moves when one more replica is ready. Deleting the pod"));
    assert_eq!(
        api.command.as_ref().map(|command| command.line(None)).as_deref(),
        Some("kubectl -n payments get pdb api")
    );
    assert_eq!(api.since, Some(Since::told(ago(47))));
    assert_eq!(
        format::headline(api, now()),
        "PDB payments/api allows 0 · web-z2-aaaaa-77777 blocked 47m"
    );
    assert_eq!(api.object_text(), "PodDisruptionBudget payments/api");
    assert_eq!(api.place, Some(("web".into(), "eu01-2".into())));
    assert!(about(&roll, "shop/db ").frees.contains("maxUnavailable 0 lets no pod go"));
    assert!(about(&roll, "billing/one ").frees.contains("one more ready replica"));
    assert_eq!((roll.counts.draining, roll.counts.blocked), (1, 1));
    let node = roll.nodes().find(|node| node.blocked).unwrap();
    assert_eq!(roll.blockers_of(node).count(), 4);
}

#[test]
fn a_budget_is_given_time_before_it_is_called_a_blocker() {
    let mut early = fixture("blocked_by_budgets");
    for node in &mut early.nodes {
        if node.terminating.is_some() {
            *node = Arc::new(draining((**node).clone(), ago(1)));
        }
    }
    let roll = at_once(&preparing(), &early);
    assert!(!kinds(&roll).contains(&BlockerKind::Budget));
    assert!(
        kinds(&roll).contains(&BlockerKind::MisconfiguredBudget),
        "that one will not get better"
    );
}

#[test]
fn a_budget_that_lets_pods_go_one_by_one_is_no_blocker() {
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
    let mut history = RollHistory::default();
    for (minutes, allowed) in [(10, 0), (9, 1), (8, 0), (7, 1), (6, 0)] {
        history.observe(&subject, &with(allowed), ago(minutes));
    }
    let at = |minutes| Roll::read(&subject, &with(0), &history, ago(minutes));
    assert!(!kinds(&at(5)).contains(&BlockerKind::Budget));
    let held = at(2);
    assert_eq!(about(&held, "payments/api ").since, Some(Since::told(ago(6))));
    assert!(about(&held, "payments/api ").why.starts_with("web-z2-aaaaa-77777 waits 4m: "));
}

#[test]
fn a_budget_that_is_read_later_than_the_nodes_is_taken_to_have_been_tight_all_along() {
    let subject = preparing();
    let seen = fixture("blocked_by_budgets");
    let mut unread = seen.clone();
    unread.budgets.clear();
    unread.unseen.insert("poddisruptionbudgets", Unseen::Unread);
    let mut history = RollHistory::default();
    history.observe(&subject, &unread, ago(1));
    history.observe(&subject, &seen, now());
    let roll = Roll::read(&subject, &seen, &history, now());
    assert_eq!(about(&roll, "payments/api ").since, Some(Since::told(ago(47))));
}

#[test]
fn a_budget_that_became_tight_while_nobody_watched_may_have_been_so_for_longer() {
    let subject = preparing();
    let tight = fixture("blocked_by_budgets");
    let mut loose = tight.clone();
    for budget in &mut loose.budgets {
        *budget = Arc::new(Budget { allowed: 1, ..(**budget).clone() });
    }
    let mut history = RollHistory::default();
    history.observe(&subject, &loose, ago(60));
    let mut unread = tight.clone();
    unread.unseen.insert("poddisruptionbudgets", Unseen::Unread);
    unread.budgets.clear();
    history.observe(&subject, &unread, ago(1));
    history.observe(&subject, &tight, now());
    let roll = Roll::read(&subject, &tight, &history, now());
    assert_eq!(about(&roll, "payments/api ").since, Some(Since::told(ago(47))), "as the drain");
}

#[test]
fn a_node_is_not_called_free_because_its_pods_are_read_anew() {
    let subject = preparing();
    let seen = fixture("blocked_by_budgets");
    let mut unread = seen.clone();
    for kind in ["pods", "poddisruptionbudgets"] {
        unread.unseen.insert(kind, Unseen::Failing("no answer".into()));
    }
    (unread.pods, unread.budgets) = (Vec::new(), Vec::new());
    let mut history = RollHistory::default();
    let mut free = seen.clone();
    free.pods.clear();
    for (minutes, snapshot) in [(9, &seen), (8, &unread), (7, &seen), (6, &free)] {
        history.observe(&subject, snapshot, ago(minutes));
    }
    let of_blocks: Vec<String> = history
        .timeline()
        .entries()
        .filter(|entry| {
            matches!(entry.what, TimelineEvent::Blocked { .. } | TimelineEvent::Freed { .. })
        })
        .map(|entry| format::happening(&entry.what))
        .collect();
    assert_eq!(of_blocks.len(), 2, "{of_blocks:?}");
    assert!(of_blocks[1].ends_with(" goes on"), "{of_blocks:?}");
    assert!(!history.has_blocked());
}

/// Budget `payments/api` for pods `app: api`, with these figures.
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
        deleted_by: None,
        finalizers: Vec::new(),
        claims: Vec::new(),
        local_data: false,
        mirror: false,
    }
}

#[test]
fn what_frees_a_budget_counts_percentages_as_the_platform_does() {
    let least =
        |text: &str, figures: Budget| Budget { min_available: Some(text.into()), ..figures };
    let most =
        |text: &str, figures: Budget| Budget { max_unavailable: Some(text.into()), ..figures };
    for (budget, text) in [
        (least("90%", budget(0, 3, 3, 3)), "the workload has 7 more ready replicas, or"),
        (least("50%", budget(0, 1, 1, 1)), "the workload has one more ready replica, or"),
        (least("99%", budget(0, 4, 4, 4)), "the workload has 96 more ready replicas, or"),
        (least("90%", budget(0, 2, 3, 3)), "the workload has 8 more ready replicas, or"),
        (least("50%", budget(0, 2, 2, 4)), "when one more replica is ready."),
        (least("100%", budget(0, 3, 3, 3)), "only when the budget is loosened: minAvailable 100%"),
        (least("700%", budget(0, 3, 21, 3)), "the workload has 19 more ready replicas, or"),
        (least("3", budget(0, 3, 3, 3)), "the workload has one more ready replica, or"),
        (least("500", budget(0, 3, 500, 3)), "the workload has 498 more ready replicas, or"),
        (most("30%", budget(0, 2, 2, 3)), "when one more replica is ready."),
        (most("0%", budget(0, 3, 3, 3)), "only when the budget is loosened: maxUnavailable 0%"),
        (most("1", budget(0, 2, 2, 3)), "when one more replica is ready."),
    ] {
        assert!(frees(&budget).contains(text), "{budget:?}\n{}", frees(&budget));
    }
    let extreme = least("50%", budget(i32::MIN, i32::MAX, i32::MAX, i32::MAX));
    assert!(frees(&extreme).starts_with("It moves"));
    let negative = least("50%", budget(i32::MIN, i32::MIN, i32::MIN, i32::MIN));
    assert!(frees(&negative).starts_with("It moves"));
}

#[test]
fn a_percentage_in_a_manifest_is_counted_out() {
    let roll = at_once(&preparing(), &fixture("budget_in_percent"));
    assert_eq!(kinds(&roll), [BlockerKind::MisconfiguredBudget]);
    assert!(roll.blockers[0].frees.contains("7 more ready replicas"), "{}", roll.blockers[0].frees);
}

#[test]
fn a_budget_holds_what_the_eviction_api_refuses() {
    let healthy = pod("a", Some("n"));
    let unready = Pod { ready: false, ..healthy.clone() };
    let waiting = Pod { pending: true, ready: false, ..healthy.clone() };
    let going = Pod { deleted_by: Some(now()), ..healthy.clone() };
    let stale = Budget { observed: false, ..budget(1, 4, 3, 4) };
    let lenient = Budget { always_lets_unready_go: true, ..budget(0, 1, 3, 3) };
    for (budget, pod, expected) in [
        (budget(0, 3, 3, 3), &healthy, true),
        (budget(1, 4, 3, 4), &healthy, false),
        (budget(0, 3, 3, 4), &unready, false),
        (budget(0, 2, 3, 4), &unready, true),
        (lenient, &unready, false),
        (budget(0, 2, 3, 3), &waiting, false),
        (budget(0, 3, 3, 3), &going, false),
        (stale, &healthy, true),
    ] {
        assert_eq!(holds(&budget, pod), expected, "{budget:?} {pod:?}");
    }
    assert!(is_misconfigured(&budget(0, 3, 3, 3)));
    assert!(!is_misconfigured(&budget(0, 3, 3, 4)), "one replica is missing: it may come");
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
    let index = BudgetIndex::of(&budgets);
    for app in ["api", "db", "web"] {
        let mut subject = pod("a", None);
        subject.labels = labelled(app);
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
        assert_eq!(found, all, "{app}");
    }
}

#[test]
fn a_replica_that_finds_no_node_is_named_beside_its_budget_and_not_again() {
    let mut seen = fixture("blocked_by_budgets");
    let mut waiting = pod("api-9zz", None);
    waiting.pending = true;
    waiting.unscheduled =
        Some((Some(ago(20)), "0/5 nodes are available: 5 Insufficient cpu.".into()));
    seen.pods.push(Arc::new(waiting));
    let roll = at_once(&preparing(), &seen);
    assert!(about(&roll, "payments/api ").why.ends_with(
        "Replica payments/api-9zz finds no node: 0/5 nodes are available: 5 Insufficient cpu."
    ));
    assert!(!kinds(&roll).contains(&BlockerKind::PendingPods));
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
    let mut history = RollHistory::default();
    history.observe(&subject, &seen, ago(1));
    let roll = Roll::read(&subject, &seen, &history, now());
    assert_eq!((roll.counts.draining, roll.counts.blocked), (20, 20));
    let index = BudgetIndex::of(&seen.budgets);
    assert!(seen.pods.iter().all(|pod| index.covering(pod).len() == 1));
}
