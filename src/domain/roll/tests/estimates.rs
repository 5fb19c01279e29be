//! When a roll will be done, and when it counts as stalled.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::cluster::{Cluster, ReportedError};
use crate::domain::roll::Roll;
use crate::domain::roll::durations::{DurationRange, RollEstimate};
use crate::domain::roll::progress::PoolState;
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::tracking::{NEW, draining, joining, node, old, snapshot};
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Node, Templates};

fn ready(name: &str, zone: &str, created: i64, ready: i64) -> Node {
    Node { ready_changed: Some(ago(ready)), ..node(name, zone, ago(created), NEW) }
}

/// Observes a snapshot at each of these minutes before now, and evaluates it at the last.
fn watched(snapshot: &ClusterSnapshot, minutes: &[i64]) -> Roll {
    let subject = cluster(Phase::Preparing);
    let mut tracker = RollTracker::default();
    for minute in minutes {
        tracker.observe(&subject, snapshot, ago(*minute));
    }
    Roll::evaluate(&subject, snapshot, tracker.history(), ago(*minutes.last().unwrap()))
}

fn mins(low: i64, high: i64) -> DurationRange {
    DurationRange { low: SignedDuration::from_mins(low), high: SignedDuration::from_mins(high) }
}

#[test]
fn the_estimate_is_the_usual_one_until_two_nodes_were_replaced() {
    let one = snapshot(vec![ready("web-1", "eu01-1", 20, 16), old("web-2", "eu01-2")]);
    let roll = watched(&one, &[0]);
    assert!(matches!(
        roll.estimate,
        RollEstimate::Remaining { from_usual: true, blocked: false, .. }
    ));
    // Three batches of the typical duration: 4 to 5m to join, 3 to 5m to drain.
    let none = snapshot((0..3).map(|number| old(&format!("web-{number}"), "eu01-1")).collect());
    let roll = watched(&none, &[0]);
    let RollEstimate::Remaining { range, .. } = roll.estimate else { panic!("{roll:?}") };
    assert_eq!(range, mins(21, 30));
    let measured = [40, 30, 20].map(|at| ready(&format!("web-{at}"), "eu01-2", at, at - 4));
    let two = snapshot(measured.into_iter().chain([old("web-3", "eu01-2")]).collect());
    let measured = watched(&two, &[0]).estimate;
    assert!(matches!(measured, RollEstimate::Remaining { blocked: false, from_usual: false, .. }));
}

#[test]
fn the_slowest_zone_counts_and_its_batches_follow_each_other() {
    let mut nodes = vec![ready("web-1", "eu01-1", 8, 4), ready("web-2", "eu01-2", 7, 3)];
    nodes.extend((0..4).map(|number| old(&format!("web-1{number}"), "eu01-1")));
    nodes.extend((0..2).map(|number| old(&format!("web-2{number}"), "eu01-2")));
    let roll = watched(&snapshot(nodes), &[0]);
    let RollEstimate::Remaining { range, worst_case, blocked, .. } = roll.estimate else {
        panic!("{:?}", roll.estimate)
    };
    // Four batches of 4m to join and, as no drain was measured, 3 to 5m to drain, with a margin.
    assert_eq!(range.low, SignedDuration::from_secs(4 * 7 * 60 * 9 / 10));
    assert_eq!(range.high, SignedDuration::from_secs(4 * 9 * 60 * 6 / 5));
    assert_eq!(worst_case, SignedDuration::from_mins(4 * 140));
    assert!(!blocked);
    assert!(matches!(roll.pools[0].estimate, RollEstimate::Remaining { .. }));
}

#[test]
fn a_stall_stops_the_countdown_and_has_a_time() {
    let nodes = vec![
        ready("web-1", "eu01-1", 70, 66),
        ready("web-2", "eu01-2", 75, 71),
        draining(old("web-3", "eu01-3"), ago(47)),
    ];
    let roll = watched(&snapshot(nodes), &[0]);
    assert_eq!(roll.estimate, RollEstimate::Stalled { since: ago(47) });
}

#[test]
fn a_roll_that_is_blocked_before_anything_was_measured_takes_the_usual_time() {
    let nodes = |since| vec![draining(old("web-1", "eu01-1"), since), old("web-2", "eu01-2")];
    let moving = watched(&snapshot(nodes(ago(2))), &[0]);
    assert!(matches!(
        moving.estimate,
        RollEstimate::Remaining { from_usual: true, blocked: false, .. }
    ));
    let held = watched(&snapshot(nodes(ago(47))), &[0]);
    assert!(matches!(
        held.estimate,
        RollEstimate::Remaining { from_usual: true, blocked: true, .. }
    ));
}

#[test]
fn a_change_before_the_watch_is_no_stall() {
    let nodes = vec![
        ready("web-1", "eu01-1", 70, 66),
        ready("web-2", "eu01-2", 75, 71),
        old("web-3", "eu01-3"),
    ];
    let seen = snapshot(nodes);
    assert!(matches!(watched(&seen, &[0]).estimate, RollEstimate::Remaining { .. }));
    let patient = watched(&seen, &[40, 20, 0]);
    assert!(matches!(patient.estimate, RollEstimate::Stalled { .. }), "{:?}", patient.estimate);
}

#[test]
fn a_pool_that_has_just_begun_is_not_stalled() {
    // The control plane took an hour of the watch; the pool's template is two minutes old.
    let mut begun = snapshot(vec![old("web-1", "eu01-1"), old("web-2", "eu01-2")]);
    let Templates::Known(templates) = &mut begun.templates else { panic!("no templates") };
    for template in templates {
        template.created = Some(ago(2));
    }
    let estimate = watched(&begun, &[60, 30, 0]).estimate;
    assert!(matches!(estimate, RollEstimate::Remaining { from_usual: true, .. }), "{estimate:?}");
    let Templates::Known(templates) = &mut begun.templates else { panic!("no templates") };
    for template in templates {
        template.created = Some(ago(50));
    }
    let waiting = watched(&begun, &[60, 30, 0]);
    assert_eq!(waiting.estimate, RollEstimate::Stalled { since: ago(50) });
}

#[test]
fn one_blocked_zone_does_not_hide_what_the_others_do() {
    let nodes = vec![
        ready("web-1", "eu01-1", 9, 5),
        ready("web-2", "eu01-2", 75, 71),
        old("web-4", "eu01-1"),
        draining(old("web-3", "eu01-3"), ago(47)),
    ];
    let roll = watched(&snapshot(nodes), &[0]);
    assert!(
        matches!(roll.estimate, RollEstimate::Remaining { blocked: true, .. }),
        "{:?}",
        roll.estimate
    );
}

#[test]
fn a_slow_cluster_is_given_three_times_its_own_median() {
    let nodes = |since| {
        vec![
            ready("web-1", "eu01-1", 160, 140),
            ready("web-2", "eu01-2", 150, 130),
            draining(old("web-3", "eu01-3"), ago(since)),
        ]
    };
    // 20m to join and 4m to drain: 72m.
    assert!(matches!(watched(&snapshot(nodes(70)), &[0]).estimate, RollEstimate::Remaining { .. }));
    assert!(matches!(watched(&snapshot(nodes(74)), &[0]).estimate, RollEstimate::Stalled { .. }));
}

#[test]
fn k8s_34_every_instance_measures_the_same_and_joins_apart_from_drains() {
    // One at a time: created every 10m, ready after 1m, so 9m per drain; one was blocked by a budget for an hour.
    let zone = |held: i64| {
        let ready = |number: i64, at: i64| ready(&format!("web-{number}"), "eu01-1", at, at - 1);
        let mut nodes: Vec<Node> = (1..=4).map(|n| ready(n, 10 * n)).collect();
        nodes.push(ready(5, 50 + held));
        nodes.push(old("web-9", "eu01-1"));
        snapshot(nodes)
    };
    for held in [0, 60] {
        let roll = watched(&zone(held), &[0]);
        assert_eq!(roll.times.joins.len(), 5);
        assert_eq!(roll.times.drains.len(), if held == 0 { 4 } else { 3 });
        assert_eq!(roll.times.median(), SignedDuration::from_mins(10), "held {held}m");
        let estimate = |minutes: &[i64]| {
            let RollEstimate::Remaining { range, from_usual, .. } =
                watched(&zone(held), minutes).estimate
            else {
                panic!("not remaining")
            };
            (range, from_usual)
        };
        assert_eq!(estimate(&[0]), estimate(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]));
        assert!(!estimate(&[0]).1);
    }
    // Many joins of seconds, but no drain yet: too little for a measured pace.
    let mut nodes: Vec<Node> = (0..14)
        .map(|n| ready(&format!("web-{n}"), &format!("zone-{n}"), 4, 4))
        .map(|node| Node {
            ready_changed: Some(ago(4).saturating_add(SignedDuration::from_secs(20)).unwrap()),
            ..node
        })
        .collect();
    nodes.push(old("web-99", "eu01-1"));
    let roll = watched(&snapshot(nodes), &[0]);
    let RollEstimate::Remaining { range, from_usual: true, .. } = roll.estimate else {
        panic!("{:?}", roll.estimate)
    };
    assert!(range.high >= SignedDuration::from_mins(5), "{range:?}");
}

#[test]
fn k8s_16_the_estimate_contains_the_rest_of_a_grace_period() {
    let mut seen = snapshot(vec![draining(old("web-1", "eu01-1"), ago(40))]);
    let mut stays = pod("worker-1", Some("web-1"));
    (stays.grace_seconds, stays.deletion_deadline) = (86_400, Some(ago(40 - 24 * 60)));
    seen.pods.push(Arc::new(stays));
    let roll = watched(&seen, &[0]);
    let RollEstimate::Remaining { range, blocked: false, .. } = roll.estimate else {
        panic!("{:?}", roll.estimate)
    };
    // Gardener's default timeout ends the drain after two hours; SKE's is unknown.
    assert_eq!(range.low, SignedDuration::from_mins(80));
    assert_eq!(range.high, SignedDuration::from_mins(24 * 60 - 40 + 10));
    let mut guard = budget(0, 1, 1, 1);
    guard.name = "guard".into();
    seen.budgets.push(Arc::new(guard));
    seen.pods.push(Arc::new(pod("api-1", Some("web-1"))));
    assert!(!matches!(
        watched(&seen, &[0]).estimate,
        RollEstimate::Remaining { blocked: false, .. }
    ));
}

fn remaining(roll: &Roll) -> DurationRange {
    let RollEstimate::Remaining { range, .. } = roll.estimate else {
        panic!("{:?}", roll.estimate)
    };
    range
}

/// One pool in one zone, with at most one node missing and no surge.
fn one_zone(nodes: u32) -> Cluster {
    let mut subject = cluster(Phase::Preparing);
    let pool = &mut subject.pools[0];
    pool.zones.truncate(1);
    (pool.minimum, pool.maximum) = (nodes, nodes);
    (pool.max_surge, pool.max_unavailable) = (0, 1);
    subject
}

fn seen_once(subject: &Cluster, nodes: Vec<Node>) -> Roll {
    let mut tracker = RollTracker::default();
    tracker.observe(subject, &snapshot(nodes), ago(0)).unwrap()
}

#[test]
fn the_last_node_takes_only_as_long_as_it_still_joins() {
    let new = |name: &str| ready(name, "eu01-1", 170, 170);
    let born = |minutes| joining(node("web-3", "eu01-1", ago(minutes), NEW));
    let left =
        |minutes| remaining(&seen_once(&one_zone(3), vec![new("a"), new("b"), born(minutes)]));
    // 4 to 5m are typical.
    assert_eq!((left(0), left(3)), (mins(4, 5), mins(1, 2)));
    assert_eq!(left(8), mins(0, 1));
}

#[test]
fn several_nodes_of_a_zone_at_a_time_take_as_many_batches_as_they_fill() {
    let mut subject = one_zone(0);
    subject.pools[0].max_surge = 1;
    let olds = |count: usize| (0..count).map(|n| old(&format!("web-{n}"), "eu01-1")).collect();
    for (count, batches) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        let roll = seen_once(&subject, olds(count));
        assert_eq!(remaining(&roll).high, SignedDuration::from_mins(10 * batches), "{count}");
    }
}

#[test]
fn what_is_under_way_shortens_the_rest_and_what_leaves_or_is_missing_adds_to_it() {
    let new = |name: &str| ready(name, "eu01-1", 170, 170);
    let born = |name: &str, minutes| joining(node(name, "eu01-1", ago(minutes), NEW));
    let wait = || old("o", "eu01-1");
    let leaving = || draining(new("l"), ago(0));
    // Surge, nodes, time left, worst case: 20m to create a machine and 2h to drain a node.
    for (surge, nodes, left, worst) in [
        (1, vec![new("a"), born("b", 3), born("c", 0)], mins(4, 5), 20),
        (1, vec![wait(), new("a"), born("b", 3)], mins(4, 10), 140),
        (1, vec![new("a"), new("b"), leaving()], mins(7, 10), 20),
        (1, vec![wait(), new("b"), leaving()], mins(7, 10), 140),
        (0, vec![new("a"), new("b")], mins(4, 5), 20),
        (0, vec![new("a"), wait()], mins(11, 15), 160),
    ] {
        let mut subject = one_zone(3);
        (subject.pools[0].max_surge, subject.pools[0].max_unavailable) = (surge, 1 - surge);
        let roll = seen_once(&subject, nodes);
        let RollEstimate::Remaining { worst_case, .. } = roll.estimate else { panic!("{roll:?}") };
        assert_eq!((remaining(&roll), worst_case), (left, SignedDuration::from_mins(worst)));
    }
}

#[test]
fn an_error_of_ske_that_stops_a_rollout_makes_its_time_depend_on_it() {
    let blocked = |code: &str| {
        let mut subject = one_zone(3);
        subject.problems = vec![ReportedError { code: code.into(), message: String::new() }];
        let roll = seen_once(&subject, ["a", "b", "c"].map(|name| old(name, "eu01-1")).to_vec());
        [roll.estimate, roll.pools[0].estimate]
            .map(|estimate| matches!(estimate, RollEstimate::Remaining { blocked: true, .. }))
    };
    assert_eq!(blocked("SKE_QUOTA_EXCEEDED"), [true, true]);
    assert_eq!(blocked("SKE_DNS_ZONE_NOT_FOUND"), [false, false]);
}

#[test]
fn a_node_that_joins_for_too_long_is_a_stall() {
    let joins = |minutes| {
        let born =
            Node { ready_changed: None, ..joining(node("web-1", "eu01-1", ago(minutes), NEW)) };
        let mut subject = one_zone(1);
        subject.pools[0].max_surge = 1;
        seen_once(&subject, vec![born]).estimate
    };
    assert!(matches!(joins(5), RollEstimate::Remaining { .. }));
    assert_eq!(joins(60), RollEstimate::Stalled { since: ago(60) });
}

#[test]
fn a_node_that_is_missing_is_waited_for() {
    let new = |name: &str| ready(name, "eu01-1", 170, 170);
    let roll = seen_once(&one_zone(3), vec![new("a"), new("b")]);
    assert_eq!((roll.pools[0].state, roll.counts.missing), (PoolState::Rolling, 1));
    assert_eq!(remaining(&roll), mins(4, 5));
    assert!(!roll.pools[0].progress.done);
    // Also before the last batch.
    let roll = seen_once(&one_zone(3), vec![new("a"), old("b", "eu01-1")]);
    assert_eq!(remaining(&roll), mins(4 + 7, 5 + 10));
    let all = seen_once(&one_zone(3), vec![new("a"), new("b"), new("c")]);
    assert_eq!((all.pools[0].state, all.estimate), (PoolState::AllNew, RollEstimate::Finishing));
}

#[test]
fn k8s_34_the_time_for_which_a_node_is_held_is_no_progress() {
    let mut seen = snapshot(vec![draining(old("web-1", "eu01-1"), ago(5)), old("web-2", "eu01-1")]);
    seen.pods.push(Arc::new(pod("api-1", Some("web-1"))));
    let free = remaining(&watched(&seen, &[5, 4, 3, 2, 1, 0])).low;
    let mut guard = budget(0, 1, 1, 1);
    guard.name = "guard".into();
    seen.budgets.push(Arc::new(guard));
    let held = remaining(&watched(&seen, &[5, 4, 3, 2, 1, 0])).low;
    assert_eq!((free, held), (SignedDuration::from_mins(9), SignedDuration::from_mins(14)));
    // Also if the budget may soon allow an eviction.
    let mut guard = budget(0, 1, 1, 2);
    guard.name = "guard".into();
    seen.budgets = vec![Arc::new(guard)];
    let estimate = watched(&seen, &[5, 4, 3, 2, 1, 0]).estimate;
    assert!(matches!(estimate, RollEstimate::Remaining { blocked: true, .. }), "{estimate:?}");
}
