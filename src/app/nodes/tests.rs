//! Tests of the texts about rolls, nodes and blockers.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::{blocker_text, table, text};
use crate::app::now::Now;
use crate::app::rotation::findings_text;
use crate::domain::cluster::{Cluster, ReportedError};
use crate::domain::fixtures::now;
use crate::domain::preflight::nodes::{before_complete, before_start};
use crate::domain::roll::Roll;
use crate::domain::roll::classify::NodeStage;
use crate::domain::roll::durations::{DurationRange, RollEstimate};
use crate::domain::roll::history::{RollGoal, RollHistory};
use crate::domain::roll::progress::RollProgress;
use crate::domain::roll::tests::blockers::preparing;
use crate::domain::roll::tests::budgets::{budget, held_by};
use crate::domain::roll::tests::stages::{FIXTURES, fixture};
use crate::domain::roll::tests::tracking::{NEW, draining, node, old, snapshot};
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable, Unseen};

/// Observes an unchanged snapshot until every time limit has passed.
fn watched(subject: &Cluster, seen: &ClusterSnapshot) -> (Roll, RollTracker) {
    let mut tracker = RollTracker::default();
    for minutes in [40, 39, 20, 0] {
        tracker.still_holds(ago(minutes + 1));
        tracker.observe(subject, seen, ago(minutes));
    }
    (Roll::evaluate(subject, seen, tracker.history(), now()), tracker)
}

fn assert_texts(name: &str, texts: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, texts);
    });
}

#[test]
fn the_texts_of_every_fixture_as_a_roll() {
    let mut out = String::new();
    let problem = |code: &str| ReportedError { code: code.into(), message: "no host".into() };
    let mut with_problems = preparing();
    with_problems.problems = vec![
        problem("SKE_NODE_NO_VALID_HOST_FOUND"),
        problem("SKE_DNS_ZONE_NOT_FOUND"),
        problem("SKE_NODE_MISCONFIGURED_PDB"),
    ];
    let pool = &mut with_problems.pools[0];
    (pool.minimum, pool.maximum, pool.max_surge) = (2, 3, 0);
    for (name, _) in FIXTURES {
        let with_problems =
            matches!(name, "no_new_node" | "held_by_pods").then_some(&with_problems);
        let (roll, tracker) = watched(with_problems.unwrap_or(&preparing()), &fixture(name));
        writeln!(out, "# {name}\n{}", text::summary(&roll, now())).unwrap();
        writeln!(out, "{}", text::counts(roll.counts)).unwrap();
        writeln!(out, "{}", text::basis(&roll.estimate_reasons)).unwrap();
        for note in &roll.notes {
            writeln!(out, "note: {}", text::note(note)).unwrap();
        }
        for step in &roll.steps {
            let detail = step.detail.map(text::start_step_detail).unwrap_or_default();
            writeln!(out, "step: {} {detail}", text::start_step(step.name)).unwrap();
        }
        for node in roll.nodes() {
            let detail = text::stage_detail(node, now()).unwrap_or_default();
            writeln!(out, "node: {} {} {detail}", node.short, text::stage(node, roll.idle))
                .unwrap();
        }
        for entry in tracker.timeline().entries() {
            writeln!(out, "timeline: {}", text::timeline_event(&entry.what)).unwrap();
        }
        for blocker in &roll.blockers {
            writeln!(out, "blocker: {}", blocker_text::headline(blocker, now())).unwrap();
            writeln!(out, "  why: {}", blocker_text::why(blocker, now())).unwrap();
            writeln!(out, "  fix: {}", blocker_text::fix(blocker)).unwrap();
            if let Some(command) = blocker_text::inspect(blocker) {
                writeln!(out, "  inspect: {}", command.line(None)).unwrap();
            }
        }
    }
    assert_texts("rolls", &out);
}

#[test]
fn the_texts_of_every_fixture_as_findings() {
    let mut out = String::new();
    let mut write = |name: &str, found| {
        writeln!(out, "# {name}").unwrap();
        for finding in found {
            writeln!(out, "{}", findings_text::finding(&finding)).unwrap();
        }
    };
    let mut subject = cluster(Phase::Completed);
    subject.pools[0].max_surge = 1;
    write("without a snapshot", before_start(&subject, None, now()));
    let prepared = cluster(Phase::Prepared);
    for (name, _) in FIXTURES {
        let mut seen = fixture(name);
        write(&format!("start, {name}"), before_start(&subject, Some(&seen), now()));
        seen.unseen.insert("pods", Unseen::Failing("forbidden".into()));
        write(&format!("complete, {name}"), before_complete(&prepared, &seen, now()));
    }
    assert_texts("findings", &out);
}

#[test]
fn ranges_are_rounded_outwards() {
    let minutes = SignedDuration::from_mins;
    for (low, high, text) in [
        (41, 58, "40–60m"),
        (5, 10, "5–10m"),
        (3, 3, "3–4m"),
        (0, 4, "0–4m"),
        (0, 1, "0–1m"),
        (44, 71, "40–75m"),
        (85, 133, "1h 20m–2h 20m"),
        (300, 500, "5h–8h 30m"),
    ] {
        assert_eq!(text::range(DurationRange { low: minutes(low), high: minutes(high) }), text);
    }
}

#[test]
fn progress_is_written_by_rule() {
    let of = |old, nodes, estimated, done| RollProgress {
        goal: RollGoal { nodes, estimated },
        old,
        awaited: 0,
        done,
    };
    for (progress, wide, narrow, percent) in [
        (of(6, 15, false, false), "6 of 15 nodes left to replace", "9/15", 60),
        (of(6, 15, true, false), "6 of about 15 nodes left to replace", "9/~15", 60),
        (of(0, 0, false, false), "no nodes", "no nodes", 0),
        (of(0, 0, false, true), "no nodes", "no nodes", 100),
        (of(1, 1, false, false), "1 of 1 node left to replace", "0/1", 0),
        (of(0, 1, true, true), "the only node is new", "done 1/1", 100),
        (of(0, 1, false, true), "the only node is replaced", "done 1/1", 100),
        (of(0, 15, true, true), "all 15 nodes new", "done 15/15", 100),
        (of(0, 15, false, true), "all 15 nodes replaced", "done 15/15", 100),
        (of(1, 1000, false, false), "1 of 1000 nodes left to replace", "999/1000", 99),
        (of(0, 15, false, false), "0 of 15 nodes left to replace", "15/15", 99),
    ] {
        assert_eq!(text::progress(progress), wide);
        assert_eq!(text::progress_narrow(progress), narrow);
        assert_eq!(progress.percent(), percent);
        assert_eq!(progress.fraction() < 1.0, percent < 100);
    }
}

#[test]
fn progress_is_written_by_rule_where_there_is_less_room() {
    let of = |old, estimated, done| RollProgress {
        goal: RollGoal { nodes: 15, estimated },
        old,
        awaited: 0,
        done,
    };
    for (progress, short, narrow) in [
        (of(6, false, false), "6 of 15 left to replace", "9/15"),
        (of(6, true, false), "6 of about 15 left to replace", "9/~15"),
        (of(0, false, true), "all 15 nodes replaced", "done 15/15"),
    ] {
        assert_eq!(text::progress_short(progress), short);
        assert_eq!(text::progress_narrow(progress), narrow);
    }
}

#[test]
fn an_estimate_shows_whether_it_was_measured_and_whether_the_roll_is_blocked() {
    let minutes = SignedDuration::from_mins;
    let remaining = |blocked, from_usual| RollEstimate::Remaining {
        range: DurationRange { low: minutes(41), high: minutes(58) },
        worst_case: minutes(560),
        blocked,
        from_usual,
    };
    let shown = |estimate| {
        (text::estimate(estimate, now()), text::time_left(estimate), text::worst_case(estimate))
    };
    let mut out = String::new();
    for estimate in [
        remaining(false, false),
        remaining(false, true),
        remaining(true, false),
        remaining(true, true),
        RollEstimate::Idle,
        RollEstimate::Unknown,
        RollEstimate::NotBegun,
        RollEstimate::Stalled { since: ago(47) },
        RollEstimate::Finishing,
    ] {
        writeln!(out, "{:?}", shown(estimate)).unwrap();
    }
    assert_texts("estimates", &out);
    let done = |name, zone| node(name, zone, ago(170), NEW);
    let held = draining(old("web-3", "eu01-3"), ago(47));
    let all = snapshot(vec![done("web-1", "eu01-1"), done("web-2", "eu01-2"), held]);
    let stalled = at_once(&preparing(), &all);
    assert!(text::stall(&stalled, now()).unwrap().contains("47m"));
    assert!(text::unexplained_stall(&stalled, now()).unwrap().contains("47m"));
}

#[test]
fn prepared_makes_no_count_of_old_nodes_that_were_seen_before_it() {
    let at = |seconds: u64| Now {
        wall: ago(4).saturating_add(Duration::from_secs(seconds)).unwrap(),
        monotonic: Duration::from_secs(seconds),
    };
    let new = node("web-2", "eu01-2", ago(50), NEW);
    let prepared = Cluster { rotation: cluster(Phase::Prepared).rotation, ..preparing() };
    // Whether an old node is in the last snapshot, whether it was current at PREPARED, whether there is a count.
    for (has_old, current, counts) in
        [(true, false, false), (false, false, true), (true, true, true)]
    {
        let nodes =
            if has_old { vec![new.clone(), old("web-1", "eu01-1")] } else { vec![new.clone()] };
        let mut observed = ObservedCluster::default();
        let seen = ObserverEvent::Snapshot(Arc::new(snapshot(nodes)));
        observed.take_event(&preparing(), seen, at(1));
        if current {
            observed.take_reading(&prepared, at(2));
        }
        let lost = ObserverEvent::Unavailable(Unavailable::Hibernated);
        observed.take_event(&prepared, lost, at(3));
        observed.take_reading(&prepared, at(4));
        let roll = observed.roll.unwrap();
        assert_eq!(
            roll.rotation.is_some_and(|progress| progress.done),
            counts,
            "{has_old} {current}"
        );
    }
}

#[test]
fn what_is_no_longer_observed_has_no_time_left() {
    let mut observed = ObservedCluster::default();
    let at = Now { wall: now(), monotonic: Duration::from_secs(1) };
    let seen = |nodes| ObserverEvent::Snapshot(Arc::new(snapshot(nodes)));
    for nodes in [Vec::new(), vec![old("web-1", "eu01-1")]] {
        observed.take_event(&preparing(), seen(nodes), at);
        observed.take_event(&preparing(), ObserverEvent::Unavailable(Unavailable::Hibernated), at);
        let roll = observed.roll.as_ref().unwrap();
        assert_eq!(
            (roll.estimate, roll.pools[0].estimate),
            (RollEstimate::Unknown, RollEstimate::Idle)
        );
    }
    let mut stopped = preparing();
    assert!(!observed.is_blocked());
    stopped.problems =
        vec![ReportedError { code: "SKE_QUOTA_EXCEEDED".into(), message: String::new() }];
    observed.take_event(&stopped, seen(vec![old("web-1", "eu01-1")]), at);
    assert!(observed.is_blocked(), "SKE says so");
}

#[test]
fn without_a_roll_no_node_is_exported_as_new() {
    let words = |phase| {
        let roll = at_once(&cluster(phase), &fixture("all_new"));
        let json = table::table(&roll, now()).json();
        ["new", "ready"].map(|word| json.to_string().matches(&format!("{word:?}")).count())
    };
    assert_eq!(words(Phase::Preparing), [3, 0]);
    assert_eq!(words(Phase::Completed), [0, 3]);
}

#[test]
fn a_drain_past_the_default_timeout_is_marked() {
    let seen = fixture("every_stage");
    let mut roll = Roll::evaluate(&preparing(), &seen, &RollHistory::default(), now());
    let nodes = roll.pools.iter_mut().flat_map(|pool| &mut pool.zones);
    let mut nodes = nodes.flat_map(|zone| &mut zone.nodes);
    let node = nodes.find(|node| node.stage == NodeStage::Draining).unwrap();
    assert!(text::stage_detail(node, now()).unwrap().contains("1h 13m"));
    node.deadline = Some(ago(1));
    assert_eq!(text::stage_detail(node, now()).as_deref(), Some(text::FORCED_OVERDUE));
}

#[test]
fn k8s_33_a_short_block_between_two_snapshots_is_in_the_timeline() {
    let subject = preparing();
    let at = |seconds: u64| Now {
        wall: ago(4).saturating_add(Duration::from_secs(seconds)).unwrap(),
        monotonic: Duration::from_secs(seconds),
    };
    let held = held_by(budget(0, 0, 1, 1), 4);
    let mut free = held.clone();
    free.budgets.clear();
    let mut observed = ObservedCluster::default();
    for (seconds, seen) in [(170, held), (182, free)] {
        observed.take_event(&subject, ObserverEvent::Snapshot(Arc::new(seen)), at(seconds));
    }
    let entries = observed.tracker.timeline().entries().rev().take(2);
    let shown: Vec<_> = entries.map(|e| (e.at, text::timeline_event(&e.what))).collect();
    let blocked = "web-1 blocked by PodDisruptionBudget payments/api".to_owned();
    assert_eq!(shown, [(at(182).wall, "web-1 unblocked".to_owned()), (at(182).wall, blocked)]);
}
