//! Effects of readings on the wait.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::app::settings::Settings;
use crate::cli::args::Goal;
use crate::cli::commands::wait::tests::{after, ago, cluster};
use crate::cli::commands::wait::text;
use crate::cli::commands::wait::tracker::{Reached, START_GRACE, WaitResult, WaitTracker};
use crate::domain::cluster::{Cluster, ClusterState};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::{Phase, Rotation};

const REACHED: WaitResult = Some(Ok(Reached::DuringWait));
const PASSED: WaitResult = Some(Ok(Reached::Passed));
const ALREADY_REACHED: WaitResult = Some(Ok(Reached::BeforeWait));

fn tracker(goal: Goal) -> WaitTracker {
    WaitTracker::new(goal, cluster(Phase::Never).id, false, None)
}

/// A cluster whose rotation started and completed this many minutes before the wait.
fn rotated(phase: Phase, started: Option<i64>, completed: Option<i64>) -> Cluster {
    let rotation = Rotation { phase, initiated: started.map(ago), completed: completed.map(ago) };
    Cluster { rotation, ..cluster(Phase::Never) }
}

/// Completed yesterday.
fn idle() -> Cluster {
    rotated(Phase::Completed, Some(1_500), Some(1_440))
}

/// Started a minute before the wait, with an older completion.
fn under_way(phase: Phase) -> Cluster {
    rotated(phase, Some(1), Some(1_440))
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "HTTP 5xx")
}

/// Results of readings ten seconds apart.
fn results(goal: Goal, readings: &[Cluster]) -> Vec<WaitResult> {
    let mut tracker = tracker(goal);
    (0..)
        .zip(readings)
        .map(|(n, reading)| tracker.take_reading(reading.clone(), after(10 * n)))
        .collect()
}

#[track_caller]
fn reason(verdict: WaitResult) -> String {
    let Some(Err(text)) = verdict else { panic!("{verdict:?}") };
    text
}

#[test]
fn a_completion_before_an_accepted_start_is_not_the_one_that_is_waited_for() {
    let id = cluster(Phase::Never).id;
    let expecting =
        |minutes: i64| WaitTracker::new(Goal::Completed, id.clone(), false, Some(ago(minutes)));
    let mut tracker = expecting(1);
    assert_eq!(tracker.take_reading(idle(), after(0)), None);
    assert_eq!(tracker.take_reading(idle(), after(60)), None);
    let why = reason(tracker.take_reading(idle(), after(301)));
    assert!(why.contains("a start was accepted at 2026-"), "{why}");
    // The start shows, and its rotation completes.
    let mut tracker = expecting(1);
    assert_eq!(tracker.take_reading(idle(), after(0)), None);
    assert_eq!(tracker.take_reading(under_way(Phase::Preparing), after(60)), None);
    let done = rotated(Phase::Completed, Some(1), Some(-1));
    assert_eq!(tracker.take_reading(done, after(120)), REACHED);
    // The rotation completed before the wait; the server's clock is ten minutes behind.
    let done = rotated(Phase::Completed, Some(60), Some(10));
    assert_eq!(expecting(60).take_reading(done.clone(), after(0)), ALREADY_REACHED);
    let mut tracker = expecting(5);
    tracker.set_skew(Some(SignedDuration::from_mins(-10)));
    // An answer without a Date header leaves the skew unchanged.
    tracker.set_skew(None);
    assert_eq!(tracker.take_reading(done, after(0)), ALREADY_REACHED);
    // The cluster was recreated under the same name.
    let mut recreated = idle();
    recreated.created = Some(ago(0));
    assert_eq!(expecting(1).take_reading(recreated, after(0)), ALREADY_REACHED);
    // Without a completion time, the start time decides.
    let without = rotated(Phase::Completed, Some(1_500), None);
    assert_eq!(expecting(1).take_reading(without, after(0)), None);
    let without = rotated(Phase::Completed, Some(60), None);
    assert_eq!(expecting(60).take_reading(without, after(0)), ALREADY_REACHED);
}

#[test]
fn k8s_28_a_wait_claims_no_more_than_phase_and_times_say() {
    let at = |second| Timestamp::from_second(second).ok();
    let of = |phase, initiated, completed| {
        text::last_rotation(&Rotation { phase, initiated, completed })
    };
    assert_eq!(of(Phase::Never, None, None), "never rotated");
    assert_eq!(of(Phase::Completed, None, None), "SKE reports no times of the last rotation");
    assert_eq!(of(Phase::Completed, None, at(60)), "last completed 1970-01-01T00:01:00Z");
    assert_eq!(of(Phase::Completed, at(60), None), "last started 1970-01-01T00:01:00Z");
}

#[test]
fn prepared_is_reached_during_the_wait_and_on_the_first_read() {
    let steps = [under_way(Phase::Preparing), under_way(Phase::Prepared)];
    assert_eq!(results(Goal::Prepared, &steps), [None, REACHED]);
    assert_eq!(results(Goal::Prepared, &steps[1..]), [ALREADY_REACHED]);
}

#[test]
fn completed_waits_through_all_phases_before_it() {
    let steps = [
        under_way(Phase::Preparing),
        under_way(Phase::Prepared),
        under_way(Phase::Completing),
        rotated(Phase::Completed, Some(1), Some(0)),
    ];
    let goes_on = None;
    assert_eq!(
        results(Goal::Completed, &steps),
        [goes_on.clone(), goes_on.clone(), goes_on, REACHED]
    );
    assert_eq!(results(Goal::Completed, &[idle()]), [ALREADY_REACHED]);
}

#[test]
fn api_11_stale_reads_after_a_start_do_not_end_the_wait() {
    for before in [idle(), rotated(Phase::Never, None, None)] {
        let mut tracker = tracker(Goal::Prepared);
        for second in (0..180).step_by(3) {
            assert_eq!(tracker.take_reading(before.clone(), after(second)), None);
            assert!(tracker.is_idle());
        }
        assert_eq!(tracker.take_reading(under_way(Phase::Preparing), after(180)), None);
        assert!(!tracker.is_idle());
        assert_eq!(tracker.take_reading(under_way(Phase::Prepared), after(4_000)), REACHED);
    }
}

#[test]
fn alternating_stale_answers_do_not_reset_the_wait() {
    for goal in [Goal::Prepared, Goal::Completed] {
        let steps = [under_way(Phase::Preparing), idle(), under_way(Phase::Preparing), idle()];
        assert!(results(goal, &steps).iter().all(Option::is_none));
    }
    let mut tracker = tracker(Goal::Completed);
    tracker.take_reading(under_way(Phase::Completing), after(0));
    tracker.take_reading(under_way(Phase::Prepared), after(3));
    assert_eq!(tracker.latest().unwrap().rotation.phase, Phase::Completing);
}

#[test]
fn a_phase_that_precedes_its_timestamp_is_not_stale() {
    // SKE shows the new phase with the times of the previous rotation.
    let mut tracker = tracker(Goal::Completed);
    let early = rotated(Phase::Preparing, Some(1_500), Some(1_440));
    assert_eq!(tracker.take_reading(early, after(0)), None);
    assert_eq!(tracker.take_reading(idle(), after(3)), None, "not completed by this");
    // SKE shows the new start time with the phase of the previous rotation.
    let early = rotated(Phase::Completed, Some(1), Some(1_440));
    for goal in [Goal::Prepared, Goal::Completed] {
        assert_eq!(results(goal, std::slice::from_ref(&early)), [None]);
    }
}

/// Readings of one state, a minute apart, for an hour.
fn an_hour_of(goal: Goal, shown: &Cluster) -> Vec<WaitResult> {
    let mut tracker = tracker(goal);
    (0..60).map(|n| tracker.take_reading(shown.clone(), after(60 * n))).collect()
}

#[test]
fn api_20_a_reported_start_after_the_completion_is_an_open_rotation_however_long_it_is_shown() {
    for shown in [
        rotated(Phase::Completed, Some(1), Some(1_440)),
        rotated(Phase::Completed, Some(-500), Some(-400)),
        rotated(Phase::Never, Some(1), None),
        rotated(Phase::Never, Some(1), Some(1_440)),
    ] {
        for goal in [Goal::Prepared, Goal::Completed] {
            let all = an_hour_of(goal, &shown);
            assert!(all.iter().all(Option::is_none), "{goal:?} {:?}: {all:?}", shown.rotation);
        }
    }
    // Its phases show in the end.
    let start = rotated(Phase::Completed, Some(1), Some(1_440));
    let done = rotated(Phase::Completed, Some(1), Some(0));
    let shown = [start.clone(), done];
    assert_eq!(results(Goal::Completed, &shown), [None, REACHED]);
    assert_eq!(results(Goal::Prepared, &shown), [None, PASSED]);
    // The awaited rotation was completed, and the next one started, between two readings.
    let next = rotated(Phase::Completed, Some(-20), Some(-10));
    for before in [under_way(Phase::Prepared), start] {
        assert_eq!(results(Goal::Completed, &[before, next.clone()]), [None, PASSED]);
    }
}

#[test]
fn api_20_a_start_that_appears_while_idle_restarts_the_grace_period() {
    let grace = START_GRACE.as_secs();
    for (goal, reached) in [(Goal::Prepared, PASSED), (Goal::Completed, REACHED)] {
        let mut tracker = tracker(goal);
        tracker.take_reading(rotated(Phase::Never, None, None), after(0));
        // Started at 270 s by SKE's clock, reported without a completion.
        let started = Rotation { initiated: Some(after(270).wall), ..idle().rotation };
        let started = Rotation { completed: None, ..started };
        let started = Cluster { rotation: started, ..idle() };
        assert_eq!(tracker.take_reading(started.clone(), after(grace)), None, "{goal:?}");
        assert_eq!(tracker.take_reading(started.clone(), after(grace + 269)), None);
        assert_eq!(tracker.take_reading(started, after(grace + 270)), reached);
    }
}

#[test]
fn a_completed_phase_without_a_completion_counts_unless_its_start_is_too_recent() {
    let first = |shown: Cluster| tracker(Goal::Completed).take_reading(shown, after(0));
    assert_eq!(first(rotated(Phase::Completed, None, None)), ALREADY_REACHED);
    assert_eq!(first(rotated(Phase::Completed, None, Some(5))), ALREADY_REACHED);
    assert_eq!(first(rotated(Phase::Completed, Some(60), None)), ALREADY_REACHED);
    for start in [1, -90] {
        let recent = rotated(Phase::Completed, Some(start), None);
        let all = an_hour_of(Goal::Completed, &recent);
        let waited = all.iter().position(Option::is_some);
        assert_eq!(waited, Some(if start == 1 { 4 } else { 5 }), "{all:?}");
        assert_eq!(all[waited.unwrap()], REACHED);
    }
}

#[test]
fn persistent_old_answers_are_accepted() {
    let mut tracker = tracker(Goal::Completed);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    assert_eq!(tracker.take_reading(idle(), after(3)), None);
    assert_eq!(tracker.take_reading(idle(), after(602)), None);
    assert_eq!(tracker.take_reading(idle(), after(603)), REACHED);
}

#[test]
fn without_a_rotation_the_wait_fails_after_the_grace_period() {
    let mut completed = tracker(Goal::Prepared);
    let grace = START_GRACE.as_secs();
    assert_eq!(completed.take_reading(idle(), after(0)), None);
    assert_eq!(completed.take_reading(idle(), after(grace - 1)), None);
    let text = reason(completed.take_reading(idle(), after(grace)));
    assert_eq!(
        text,
        "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21/eu01/shop has no rotation in progress: last started \
         2026-11-23T13:02:11Z, completed 2026-11-23T14:02:11Z; SKE has shown no start for 5m. \
         Start a rotation first"
    );
    for goal in [Goal::Prepared, Goal::Completed] {
        let mut never = tracker(goal);
        let cluster = rotated(Phase::Never, None, None);
        assert_eq!(never.take_reading(cluster.clone(), after(0)), None);
        assert!(reason(never.take_reading(cluster, after(grace))).contains("never rotated"));
    }
}

#[test]
fn an_outage_restarts_the_grace_period() {
    let mut tracker = tracker(Goal::Prepared);
    tracker.take_reading(idle(), after(0));
    tracker.take_failure(failure(FailureKind::Server), after(10));
    assert_eq!(tracker.take_reading(idle(), after(1_200)), None);
    // A short one does not.
    tracker.take_failure(failure(FailureKind::Server), after(1_300));
    assert_eq!(tracker.take_reading(idle(), after(1_301)), None);
    assert_eq!(tracker.take_reading(idle(), after(1_499)), None);
    reason(tracker.take_reading(idle(), after(1_500)));
}

#[test]
fn a_suspend_restarts_the_grace_period() {
    let mut tracker = tracker(Goal::Prepared);
    assert_eq!(tracker.take_reading(idle(), after(0)), None);
    tracker.handle_suspend();
    assert_eq!(tracker.take_reading(idle(), after(660)), None, "two readings are no five minutes");
    assert_eq!(tracker.take_reading(under_way(Phase::Preparing), after(700)), None);
}

#[test]
fn an_observed_rotation_past_prepared_counts() {
    let done = rotated(Phase::Completed, Some(1), Some(0));
    let outcome = |readings: &[Cluster]| results(Goal::Prepared, readings).pop().unwrap();
    assert_eq!(outcome(&[under_way(Phase::Preparing), under_way(Phase::Completing)]), PASSED);
    assert_eq!(outcome(&[under_way(Phase::Preparing), done.clone()]), PASSED);
    // Started and completed while SKE was unreachable.
    assert_eq!(outcome(&[idle(), done.clone()]), PASSED);
    assert_eq!(outcome(&[rotated(Phase::Never, None, None), done.clone()]), PASSED);
    // It was prepared, at an unknown time.
    assert_eq!(outcome(&[under_way(Phase::Completing)]), PASSED);
    // Completed when the wait began: another rotation may be meant.
    assert_eq!(outcome(&[done]), None);
}

#[test]
fn api_07_an_unknown_phase_does_not_end_the_wait() {
    let unknown = || under_way(Phase::Unknown("WAITING_FOR_WORKERS_ROLLOUT".into()));
    let mut tracker = tracker(Goal::Prepared);
    for hour in 0..48 {
        assert_eq!(tracker.take_reading(unknown(), after(hour * 3_600)), None);
    }
    assert_eq!(tracker.take_reading(under_way(Phase::Prepared), after(180_000)), REACHED);
    // The same for an idle cluster: its completion is not newer than what was seen.
    let hiccup = rotated(Phase::Unknown(String::new()), Some(1_500), Some(1_440));
    assert_eq!(results(Goal::Prepared, &[hiccup, idle()]).pop(), Some(None));
}

#[test]
fn unhealthy_hibernated_or_deleting_clusters_do_not_end_the_wait() {
    for state in [ClusterState::Unhealthy, ClusterState::Hibernated, ClusterState::Deleting] {
        let stuck = Cluster { state, ..under_way(Phase::Preparing) };
        let mut tracker = tracker(Goal::Prepared);
        assert_eq!(tracker.take_reading(stuck.clone(), after(0)), None);
        assert_eq!(tracker.take_reading(stuck, after(50 * 3_600)), None);
    }
}

#[test]
fn api_17_a_cluster_missing_twice_in_a_row_is_gone() {
    let mut tracker = tracker(Goal::Prepared);
    let missing = || failure(FailureKind::NotFound);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    assert_eq!(tracker.take_failure(missing(), after(3)), None);
    assert!(tracker.outage().is_none(), "a missing cluster is no outage");
    tracker.take_reading(under_way(Phase::Preparing), after(6));
    for second in [9, 12, 38] {
        assert_eq!(tracker.take_failure(missing(), after(second)), None);
    }
    let text = reason(tracker.take_failure(missing(), after(39)));
    assert!(
        text.contains("eu01/shop is no longer listed") && text.contains("phase PREPARING"),
        "{text}"
    );
}

#[test]
fn a_full_address_without_a_cluster_is_not_found() {
    let mut tracker = tracker(Goal::Prepared);
    let mut missing = failure(FailureKind::NotFound);
    missing.trace = Some("t-1".into());
    assert_eq!(tracker.take_failure(missing.clone(), after(0)), None);
    let text = reason(tracker.take_failure(missing, after(3)));
    assert!(
        text.starts_with("5f1c")
            && text.contains(" not found: ")
            && text.ends_with("(trace id t-1)"),
        "{text}"
    );
}

#[test]
fn api_18_a_recreated_cluster_is_another_one() {
    let mut tracker = tracker(Goal::Completed);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    let recreated = Cluster { created: Some(after(60).wall), ..rotated(Phase::Never, None, None) };
    let text = reason(tracker.take_reading(recreated, after(70)));
    assert!(text.contains("recreated at 2026-11-24T14:03:11Z"), "{text}");
}

#[test]
fn api_18_an_old_answer_of_a_deleted_cluster_does_not_end_the_wait() {
    let mut tracker = tracker(Goal::Prepared);
    let recreated = Cluster { created: Some(ago(60)), ..under_way(Phase::Preparing) };
    tracker.take_reading(recreated, after(0));
    let deleted = rotated(Phase::Prepared, Some(500), Some(1_440));
    assert_eq!(tracker.take_reading(deleted, after(10)), None);
}

#[test]
fn a_completion_that_nobody_saw_shows_by_the_next_start() {
    let next = |started| rotated(Phase::Preparing, Some(started), Some(-10));
    assert_eq!(results(Goal::Completed, &[under_way(Phase::Prepared), next(-20)])[1], PASSED);
    // The same rotation, whose times change or arrive late.
    let goes_on = [
        [under_way(Phase::Prepared), rotated(Phase::Prepared, Some(0), Some(1_440))],
        [rotated(Phase::Preparing, None, Some(1_440)), under_way(Phase::Preparing)],
        [rotated(Phase::Preparing, Some(1_500), Some(1_440)), under_way(Phase::Preparing)],
    ];
    for readings in goes_on {
        assert_eq!(results(Goal::Completed, &readings)[1], None, "{readings:?}");
    }
    // The goal of the new rotation is still ahead.
    let preparing = under_way(Phase::Preparing);
    assert_eq!(results(Goal::Prepared, &[preparing, next(-20)])[1], None);
}

#[test]
fn cli_03_an_outage_of_any_length_does_not_end_the_wait() {
    let mut tracker = tracker(Goal::Prepared);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    for second in (3..86_400).step_by(60) {
        let kinds = [FailureKind::Unreachable, FailureKind::Server, FailureKind::RateLimited];
        for kind in kinds {
            assert_eq!(tracker.take_failure(failure(kind), after(second)), None);
        }
    }
    assert!(tracker.outage().is_some());
    assert_eq!(tracker.take_reading(under_way(Phase::Prepared), after(86_400)), REACHED);
    assert!(tracker.outage().is_none());
}

#[test]
fn auth_04_a_rejected_token_fails_the_first_read_and_later_ones_after_a_while() {
    let refused = || failure(FailureKind::SignedOut);
    assert_eq!(reason(tracker(Goal::Prepared).take_failure(refused(), after(0))), "HTTP 5xx");
    for (renews, patience) in [(false, 30), (true, 600)] {
        let mut tracker = WaitTracker::new(Goal::Prepared, cluster(Phase::Never).id, renews, None);
        tracker.take_reading(under_way(Phase::Preparing), after(0));
        assert_eq!(tracker.take_failure(refused(), after(10)), None);
        assert_eq!(tracker.take_failure(refused(), after(9 + patience)), None);
        reason(tracker.take_failure(refused(), after(10 + patience)));
    }
}

#[test]
fn a_missing_permission_fails_the_first_read_and_later_ones_after_a_while() {
    let refused = || failure(FailureKind::Forbidden);
    reason(tracker(Goal::Prepared).take_failure(refused(), after(0)));
    let mut tracker = tracker(Goal::Prepared);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    assert_eq!(tracker.take_failure(refused(), after(3)), None);
    reason(tracker.take_failure(refused(), after(33)));
}

#[test]
fn reads_are_frequent_while_a_step_runs_and_rare_otherwise() {
    let cadence = Settings {
        poll_running: Duration::from_secs(3),
        poll_idle: Duration::from_secs(30),
        ..Settings::defaults()
    };
    let seconds = |cluster: Cluster| {
        let mut tracker = tracker(Goal::Completed);
        tracker.take_reading(cluster, after(100));
        tracker.next_read(after(100), &cadence, 0.5).as_secs() - 100
    };
    assert_eq!(tracker(Goal::Prepared).next_read(after(0), &cadence, 0.5).as_secs(), 3);
    assert_eq!(seconds(under_way(Phase::Preparing)), 3);
    assert_eq!(seconds(under_way(Phase::Completing)), 3);
    assert_eq!(seconds(rotated(Phase::Never, None, None)), 3);
    assert_eq!(seconds(under_way(Phase::Prepared)), 30);
    assert_eq!(seconds(under_way(Phase::Unknown("X".into()))), 10);
    let mut tracker = tracker(Goal::Prepared);
    tracker.take_reading(under_way(Phase::Preparing), after(0));
    let mut limited = failure(FailureKind::RateLimited);
    limited.retry_at = Some(after(130).wall);
    tracker.take_failure(limited, after(100));
    assert_eq!(tracker.next_read(after(100), &cadence, 0.5).as_secs(), 130, "Retry-After is kept");
}

fn phases() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Never),
        Just(Phase::Preparing),
        Just(Phase::Prepared),
        Just(Phase::Completing),
        Just(Phase::Completed),
        Just(Phase::Unknown("X".into())),
    ]
}

fn moments() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(-2_000_i64..2_000)
}

proptest! {
    #![proptest_config(crate::property_cases(256))]

    /// Whatever SKE shows in whatever order: only a reading of the goal or of a later phase reaches it, the known phase
    /// is one that was shown, and a next read is always due.
    #[test]
    fn only_a_reading_of_the_goal_or_past_it_reaches_it(
        readings in proptest::collection::vec((phases(), moments(), moments(), 1_u64..900), 1..40),
        to_completed in any::<bool>(),
    ) {
        let goal = if to_completed { Goal::Completed } else { Goal::Prepared };
        let cadence = Settings {
 poll_running: Duration::from_secs(3), poll_idle: Duration::from_secs(30), ..Settings::defaults() };
        let mut tracker = tracker(goal);
        let mut second = 0;
        let mut shown = Vec::new();
        for (phase, started, completed, wait) in readings {
            second += wait;
            shown.push(phase.clone());
            let reading = rotated(phase.clone(), started, completed);
            let is_started = reading.rotation.is_started_before_phase();
            match tracker.take_reading(reading, after(second)) {
                None => {}
                Some(Ok(Reached::Passed)) => {
                    let is_past = match phase {
                        Phase::Never => false,
                        // The next start is reported, so the awaited rotation was completed.
                        Phase::Completed => to_completed == is_started,
                        Phase::Completing => true,
                        Phase::Preparing | Phase::Prepared | Phase::Unknown(_) => to_completed,
                    };
                    prop_assert!(is_past);
                    break;
                }
                Some(Ok(_)) => {
                    prop_assert!(!is_started, "its rotation is open");
                    prop_assert_eq!(phase, if to_completed { Phase::Completed } else { Phase::Prepared });
                    break;
                }
                Some(Err(_)) => {
                    prop_assert!(matches!(phase, Phase::Never | Phase::Completed));
                    break;
                }
            }
            prop_assert!(shown.contains(&tracker.latest().unwrap().rotation.phase));
            prop_assert!(tracker.next_read(after(second), &cadence, 0.5) > after(second).monotonic);
        }
    }
}

#[test]
fn the_timestamps_of_these_tests_are_consistent() {
    let at = |cluster: Cluster| cluster.rotation.initiated.unwrap();
    let begin: Timestamp = after(0).wall;
    assert_eq!(begin.duration_since(at(under_way(Phase::Preparing))), SignedDuration::from_mins(1));
}
