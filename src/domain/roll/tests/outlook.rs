//! When a roll will be done, and when it stands still.

use jiff::SignedDuration;

use crate::domain::roll::eta::{DurationRange, RollEstimate};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::Figure;
use crate::domain::roll::tests::watched::{NEW, draining, node, old, snapshot};
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::{Roll, format};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Node, Templates};

fn ready(name: &str, zone: &str, created: i64, ready: i64) -> Node {
    Node { ready_changed: Some(ago(ready)), ..node(name, zone, ago(created), NEW) }
}

/// Watches a snapshot at each of these minutes before now, and reads it at the last.
fn watched(snapshot: &ClusterSnapshot, minutes: &[i64]) -> Roll {
    let subject = cluster(Phase::Preparing);
    let mut history = RollHistory::default();
    for minute in minutes {
        history.observe(&subject, snapshot, ago(*minute));
    }
    Roll::read(&subject, snapshot, &history, ago(*minutes.last().unwrap()))
}

fn mins(low: i64, high: i64) -> DurationRange {
    DurationRange { low: SignedDuration::from_mins(low), high: SignedDuration::from_mins(high) }
}

#[test]
fn the_eta_is_an_estimate_until_two_nodes_were_replaced() {
    let one = snapshot(vec![ready("web-1", "eu01-1", 20, 16), old("web-2", "eu01-2")]);
    let roll = watched(&one, &[0]);
    assert!(matches!(roll.outlook, RollEstimate::Left { estimate: true, held: false, .. }));
    assert!(format::outlook(roll.outlook, ago(0)).unwrap().starts_with("estimate "));
    // Three waves of what is usual: 4 to 5m to join, 3 to 5m to drain.
    let none = snapshot((0..3).map(|number| old(&format!("web-{number}"), "eu01-1")).collect());
    let roll = watched(&none, &[0]);
    assert_eq!(format::outlook(roll.outlook, ago(0)).unwrap(), "estimate 20–30m left");
    assert!(format::worst_case(roll.outlook).is_some());
    let two = snapshot(vec![
        ready("web-1", "eu01-1", 20, 16),
        ready("web-2", "eu01-2", 15, 11),
        old("web-3", "eu01-2"),
    ]);
    let measured = watched(&two, &[0]).outlook;
    assert!(matches!(measured, RollEstimate::Left { held: false, estimate: false, .. }));
}

#[test]
fn the_slowest_zone_counts_and_its_batches_follow_each_other() {
    let mut nodes = vec![ready("web-1", "eu01-1", 8, 4), ready("web-2", "eu01-2", 7, 3)];
    nodes.extend((0..4).map(|number| old(&format!("web-1{number}"), "eu01-1")));
    nodes.extend((0..2).map(|number| old(&format!("web-2{number}"), "eu01-2")));
    let roll = watched(&snapshot(nodes), &[0]);
    let RollEstimate::Left { span, worst, held, .. } = roll.outlook else {
        panic!("{:?}", roll.outlook)
    };
    // Four waves of 4m to join and, as no drain was watched, 3 to 5m to drain, with a margin.
    assert_eq!(span.low, SignedDuration::from_secs(4 * 7 * 60 * 9 / 10));
    assert_eq!(span.high, SignedDuration::from_secs(4 * 9 * 60 * 6 / 5));
    assert_eq!(worst, SignedDuration::from_mins(4 * 140));
    assert!(!held);
    assert_eq!(format::outlook(roll.outlook, ago(0)).unwrap(), "about 25–45m left");
    assert!(format::worst_case(roll.outlook).unwrap().starts_with("at worst 9h 20m"));
    assert!(matches!(roll.pools[0].outlook, RollEstimate::Left { .. }));
}

#[test]
fn a_standstill_stops_the_countdown_and_says_since_when() {
    let nodes = vec![
        ready("web-1", "eu01-1", 70, 66),
        ready("web-2", "eu01-2", 75, 71),
        draining(old("web-3", "eu01-3"), ago(47)),
    ];
    let roll = watched(&snapshot(nodes), &[0]);
    assert_eq!(roll.outlook, RollEstimate::Stalled { since: ago(47) });
    assert_eq!(format::outlook(roll.outlook, ago(0)).unwrap(), "stalled 47m");
    assert_eq!(
        format::evidence(&roll, ago(0)).unwrap(),
        "No node that is left has changed for 47m, and nothing that is seen holds it up."
    );
}

#[test]
fn a_roll_that_is_held_up_before_it_has_a_pace_takes_the_usual_time_once_it_moves() {
    let nodes = |since| vec![draining(old("web-1", "eu01-1"), since), old("web-2", "eu01-2")];
    let moving = watched(&snapshot(nodes(ago(2))), &[0]);
    assert!(matches!(moving.outlook, RollEstimate::Left { estimate: true, held: false, .. }));
    let held = watched(&snapshot(nodes(ago(47))), &[0]);
    assert!(matches!(held.outlook, RollEstimate::Left { estimate: true, held: true, .. }));
    let text = format::outlook(held.outlook, ago(0)).unwrap();
    assert!(text.starts_with("estimate ") && text.ends_with(" once it moves"), "{text}");
}

#[test]
fn what_moved_before_the_watch_began_is_not_taken_for_a_standstill() {
    let nodes = vec![
        ready("web-1", "eu01-1", 70, 66),
        ready("web-2", "eu01-2", 75, 71),
        old("web-3", "eu01-3"),
    ];
    let seen = snapshot(nodes);
    assert!(matches!(watched(&seen, &[0]).outlook, RollEstimate::Left { .. }));
    let patient = watched(&seen, &[40, 20, 0]);
    assert!(matches!(patient.outlook, RollEstimate::Stalled { .. }), "{:?}", patient.outlook);
}

#[test]
fn a_pool_whose_turn_has_just_come_is_not_taken_for_a_standstill() {
    // The control plane took an hour of the watch; the pool's template is two minutes old.
    let mut begun = snapshot(vec![old("web-1", "eu01-1"), old("web-2", "eu01-2")]);
    let Templates::Known(templates) = &mut begun.templates else { panic!("no templates") };
    for template in templates {
        template.created = Some(ago(2));
    }
    let outlook = watched(&begun, &[60, 30, 0]).outlook;
    assert!(matches!(outlook, RollEstimate::Left { estimate: true, .. }), "{outlook:?}");
    let Templates::Known(templates) = &mut begun.templates else { panic!("no templates") };
    for template in templates {
        template.created = Some(ago(50));
    }
    let waiting = watched(&begun, &[60, 30, 0]);
    assert_eq!(waiting.outlook, RollEstimate::Stalled { since: ago(50) });
}

#[test]
fn one_held_zone_does_not_hide_what_the_others_do() {
    let nodes = vec![
        ready("web-1", "eu01-1", 9, 5),
        ready("web-2", "eu01-2", 75, 71),
        old("web-4", "eu01-1"),
        draining(old("web-3", "eu01-3"), ago(47)),
    ];
    let roll = watched(&snapshot(nodes), &[0]);
    assert!(matches!(roll.outlook, RollEstimate::Left { held: true, .. }), "{:?}", roll.outlook);
    assert!(format::outlook(roll.outlook, ago(0)).unwrap().ends_with("once it moves"));
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
    assert!(matches!(watched(&snapshot(nodes(70)), &[0]).outlook, RollEstimate::Left { .. }));
    assert!(matches!(watched(&snapshot(nodes(74)), &[0]).outlook, RollEstimate::Stalled { .. }));
}

#[test]
fn ranges_are_rounded_outwards() {
    for (span, text) in [
        (mins(41, 58), "40–60m"),
        (mins(5, 10), "5–10m"),
        (mins(3, 3), "3–4m"),
        (mins(0, 4), "0–4m"),
        (mins(0, 1), "0–1m"),
        (mins(44, 71), "40–75m"),
        (mins(85, 133), "1h 20m–2h 20m"),
        (mins(300, 500), "5h–8h 30m"),
    ] {
        assert_eq!(format::span(span), text);
    }
}

#[test]
fn figures_are_said_by_rule() {
    let figure = |new, old, done| Figure { new, old, between: 0, done };
    assert_eq!(format::figure(figure(9, 6, false)), "9 of 15 nodes new");
    assert_eq!(format::figure_narrow(figure(9, 6, false)), "9/15");
    assert_eq!(format::figure_narrow(figure(0, 0, false)), "no nodes");
    assert_eq!(format::figure_narrow(figure(0, 0, true)), "no nodes", "as in the wide form");
    assert_eq!(format::figure(figure(0, 0, true)), "no nodes");
    // All of them join, or go again: they are there.
    let between = Figure { between: 3, ..figure(0, 0, false) };
    assert_eq!(format::figure(between), "0 of 3 nodes new");
    assert_eq!(format::figure_narrow(between), "0/3");
    assert_eq!(between.percent(), 0);
    assert_eq!(format::figure(figure(1, 0, true)), "the only node is new");
    assert_eq!(figure(999, 1, false).percent(), 99);
    assert_eq!(figure(15, 0, false).percent(), 99);
    assert!(figure(15, 0, false).fraction() < 1.0);
    assert_eq!(figure(0, 0, false).percent(), 0);
}

#[test]
fn a_summary_says_everything_in_one_line() {
    let nodes = vec![
        ready("web-1", "eu01-1", 9, 5),
        ready("web-2", "eu01-2", 8, 4),
        old("web-4", "eu01-1"),
    ];
    let roll = watched(&snapshot(nodes), &[0]);
    assert_eq!(format::summary(&roll, ago(0)), "2 of 3 nodes new, about 6–11m left");
}
