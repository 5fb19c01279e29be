//! One line per change, and none without.

use jiff::SignedDuration;

use crate::app::outage::Outage;
use crate::cli::args::Goal;
use crate::cli::commands::wait::lines::Lines;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::tests::{Scene, after, ago, blocked, seen};
use crate::cli::commands::wait::text;
use crate::cli::commands::wait::tracker::Reached;
use crate::domain::cluster::{ClusterState, ReportedError};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::roll::RollNote;
use crate::domain::roll::durations::RollEstimate;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{Templates, Unavailable, Unseen};

/// Lines printed for scenes at these seconds.
fn printed(scenes: &[(u64, &Scene)]) -> Vec<String> {
    let mut lines = Lines::default();
    scenes.iter().filter_map(|(second, scene)| lines.next_line(&scene.at(*second))).collect()
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Unreachable, "no route to host")
}

#[test]
fn a_line_has_time_name_phase_and_progress() {
    assert_eq!(
        printed(&[(49, &Scene::rolling(seen(9)))]),
        [
            "2026-11-24T14:03:00Z shop-prod PREPARING 6 of 15 nodes left to replace, about 40–60m left"
        ]
    );
}

#[test]
fn time_alone_prints_no_line_and_a_node_does() {
    let (nine, ten) = (Scene::rolling(seen(9)), Scene::rolling(seen(10)));
    let mut later = Scene::rolling(seen(9));
    if let Some(RollEstimate::Remaining { range, .. }) =
        later.observed.roll.as_mut().map(|roll| &mut roll.estimate)
    {
        range.high += SignedDuration::from_mins(60);
    }
    let lines = printed(&[(0, &nine), (600, &nine), (700, &later), (800, &ten), (900, &ten)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].starts_with("2026-11-24T14:15:31Z shop-prod PREPARING 5 of 15"), "{lines:?}");
}

#[test]
fn the_age_of_a_blocker_stops_while_nodes_are_unobserved() {
    let mut away = Scene::rolling(blocked(9));
    assert!(away.at(2_400).is_blocked());
    assert!(away.at(2_400).headline().unwrap().ends_with("blocked 1h 27m"));
    away.observed.seen = Some(after(0));
    away.observed.live = false;
    assert!(away.at(2_400).headline().unwrap().ends_with("blocked 47m"));
    assert!(!away.at(2_400).is_blocked(), "not known while unobserved");
}

#[test]
fn nodes_are_omitted_until_every_kind_is_listed() {
    let mut again = Scene::rolling(blocked(9));
    let mut snapshot = (**again.observed.snapshot.as_ref().unwrap()).clone();
    snapshot.unseen.insert("pods", Unseen::Unread);
    again.observed.snapshot = Some(std::sync::Arc::new(snapshot));
    assert!(again.at(0).roll().is_none() && again.at(0).headline().is_none());
}

#[test]
fn k8s_26_what_cannot_be_read_any_more_or_only_in_part_is_printed() {
    let before = Scene::rolling(blocked(9));
    for (kind, why, text) in [
        ("pods", Unseen::Failing("no answer".into()), "cannot read pods: no answer"),
        ("nodes", Unseen::Partly("1 object".into()), "cannot read nodes: 1 object"),
    ] {
        let mut later = Scene::rolling(blocked(9));
        let note = RollNote::Unseen { kind, why, nothing_known: false };
        later.observed.roll.as_mut().unwrap().notes.push(note);
        let lines = printed(&[(0, &before), (60, &later)]);
        assert!(lines[1].contains(&format!("{text}; the data shown may be stale")), "{lines:?}");
    }
}

#[test]
fn what_says_only_how_much_is_not_shown_has_no_code() {
    let mut scene = Scene::rolling(seen(9));
    let message = "and 400 more node pools, which are not shown".to_owned();
    let cluster = scene.cluster.as_mut().unwrap();
    cluster.problems.push(ReportedError { code: String::new(), message });
    let lines = printed(&[(0, &scene)]);
    assert!(lines[0].ends_with(" (and 400 more node pools, which are not shown)"), "{lines:?}");
}

#[test]
fn node_changes_in_quick_succession_share_a_line() {
    let scenes: Vec<Scene> = (0..6).map(|new| Scene::rolling(seen(new))).collect();
    let mut times: Vec<(u64, &Scene)> = (100..).zip(&scenes).collect();
    times.push((108, &scenes[5]));
    let lines = printed(&times);
    let progress: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(3)).collect();
    assert_eq!(progress, ["15", "12", "10"]);
    // A phase is printed immediately.
    let prepared = Scene::new(Phase::Prepared);
    assert_eq!(printed(&[(0, &scenes[5]), (1, &prepared)]).len(), 2);
}

#[test]
fn nodes_are_omitted_until_templates_are_read() {
    let mut early = Scene::rolling(seen(15));
    if let Some(snapshot) = &mut early.observed.snapshot {
        std::sync::Arc::make_mut(snapshot).templates = Templates::Unread;
    }
    assert_eq!(printed(&[(0, &early)]), ["2026-11-24T14:02:11Z shop-prod PREPARING"]);
}

#[test]
fn a_blocker_is_printed_when_it_appears_and_when_it_is_gone() {
    let (free, held) = (Scene::rolling(seen(9)), Scene::rolling(blocked(9)));
    let lines = printed(&[(0, &free), (60, &held), (3_600, &held), (3_660, &free)]);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(
        lines[1].ends_with(
            "6 of 15 nodes left to replace, about 40–60m left, 1 node blocked; \
             PDB payments/api allows no evictions now · web-7 blocked 48m"
        ),
        "{lines:#?}"
    );
    assert!(lines[2].ends_with("about 40–60m left"), "{lines:#?}");
}

#[test]
fn a_stall_is_printed_once() {
    let mut still = Scene::rolling(seen(9));
    if let Some(roll) = &mut still.observed.roll {
        roll.estimate = RollEstimate::Stalled { since: ago(20) };
    }
    let lines = printed(&[(0, &Scene::rolling(seen(9))), (60, &still), (600, &still)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].ends_with("6 of 15 nodes left to replace, stalled 21m"), "{lines:#?}");
}

#[test]
fn cli_03_the_start_and_the_end_of_an_outage_are_printed_once() {
    let well = Scene::rolling(seen(9));
    let outage = Outage::new(unreachable(), after(100));
    let out = Scene { outage: Some(outage), ..Scene::rolling(seen(9)) };
    let times = [(0, &well), (100, &out), (110, &out), (120, &out), (600, &out), (1_300, &well)];
    let lines = printed(&times);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(
        lines[1].ends_with(
            "(SKE reads failing since 2026-11-24T14:03:51Z: no route to host; retrying)"
        ),
        "{lines:#?}"
    );
    assert!(lines[2].ends_with("(SKE reads succeed again after 20m)"), "{lines:#?}");
    // Advice, if known: nothing else shows it.
    let hinted = unreachable().hint("check the API address");
    let out = Scene { outage: Some(Outage::new(hinted, after(100))), ..Scene::rolling(seen(9)) };
    let lines = printed(&[(0, &well), (120, &out)]);
    assert!(lines[1].ends_with("no route to host; retrying. Check the API address)"), "{lines:#?}");
    // A short failure is not an outage.
    assert_eq!(printed(&[(0, &well), (100, &out), (103, &well)]).len(), 1);
}

#[test]
fn an_outage_of_ske_does_not_hide_node_changes() {
    let outage = || Some(Outage::new(unreachable(), after(0)));
    let out = Scene { outage: outage(), ..Scene::rolling(seen(9)) };
    let more = Scene { outage: outage(), ..Scene::rolling(seen(10)) };
    let mut blind = Scene { outage: outage(), ..Scene::rolling(seen(10)) };
    blind.observed.trouble = Some((Unavailable::NoAccess(unreachable()), after(100).wall));
    let lines = printed(&[(30, &out), (60, &more), (300, &blind)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].ends_with("5 of 15 nodes left to replace, about 40–60m left"), "{lines:#?}");
}

#[test]
fn unavailable_nodes_are_printed_after_a_minute_and_again_on_recovery() {
    let well = Scene::rolling(seen(9));
    let mut blind = Scene::rolling(seen(9));
    blind.observed.trouble = Some((Unavailable::Unreachable(unreachable()), after(10).wall));
    let lines = printed(&[(0, &well), (10, &blind), (69, &blind), (70, &blind), (90, &well)]);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].ends_with("(cannot read nodes: no route to host)"), "{lines:#?}");
    assert!(lines[2].ends_with("(nodes can be read again)"), "{lines:#?}");
}

#[test]
fn a_reported_error_is_printed_once_even_if_numbers_in_it_change() {
    let well = Scene::new(Phase::Preparing);
    let reporting = |message: &str| {
        let mut scene = Scene::new(Phase::Preparing);
        if let Some(cluster) = &mut scene.cluster {
            let code = "SKE_NODE_MISCONFIGURED_PDB".to_owned();
            cluster.problems.push(ReportedError { code, message: message.to_owned() });
        }
        scene
    };
    let (first, second) =
        (reporting("payments/api waits 12m"), reporting("payments/api waits 13m"));
    let lines = printed(&[(0, &well), (60, &first), (120, &second)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[1].ends_with("(SKE reports SKE_NODE_MISCONFIGURED_PDB: payments/api waits 12m)"),
        "{lines:#?}"
    );
}

#[test]
fn a_change_that_is_not_shown_prints_no_line() {
    let (mut few, mut more) = (Scene::rolling(seen(9)), Scene::rolling(seen(9)));
    for (scene, joining) in [(&mut few, 1), (&mut more, 2)] {
        if let Some(roll) = &mut scene.observed.roll {
            roll.counts.joining = joining;
        }
    }
    assert_ne!(few.observed.roll.as_ref().unwrap(), more.observed.roll.as_ref().unwrap());
    let lines = printed(&[(0, &few), (60, &more)]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

#[test]
fn the_end_of_a_state_or_error_is_printed() {
    let well = Scene::new(Phase::Preparing);
    let (mut asleep, mut reporting) = (Scene::new(Phase::Preparing), Scene::new(Phase::Preparing));
    if let (Some(one), Some(other)) = (&mut asleep.cluster, &mut reporting.cluster) {
        one.state = ClusterState::Hibernating;
        let (code, message) = ("SKE_QUOTA".to_owned(), "no floating IP is left".to_owned());
        other.problems.push(ReportedError { code, message });
    }
    let lines =
        printed(&[(0, &well), (60, &asleep), (120, &well), (180, &reporting), (240, &well)]);
    let ends: Vec<&str> =
        lines.iter().map(|line| line.split_once(" PREPARING").unwrap().1.trim()).collect();
    assert_eq!(
        ends,
        [
            "",
            "(cluster is hibernating)",
            "(cluster is healthy)",
            "(SKE reports SKE_QUOTA: no floating IP is left)",
            "(SKE reports no more errors)",
        ]
    );
}

#[test]
fn a_stuck_preparation_is_printed_once() {
    let mut tired = Scene::new(Phase::Preparing);
    if let Some(cluster) = &mut tired.cluster {
        cluster.state = ClusterState::Unhealthy;
        cluster.unhealthy = Some((ago(20), ago(0)));
        cluster.rotation.initiated = Some(ago(13 * 60));
    }
    let mut flickering = Scene::new(Phase::Preparing);
    flickering.cluster.clone_from(&tired.cluster);
    if let Some(cluster) = &mut flickering.cluster {
        cluster.state = ClusterState::Reconciling;
        cluster.carry_over(tired.cluster.as_ref(), ago(1));
    }
    let lines = printed(&[
        (0, &tired),
        (3_600, &tired),
        (7_200, &tired),
        (7_260, &flickering),
        (7_320, &tired),
    ]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("preparing for 13h and unhealthy; reconcile the cluster"),
        "{lines:#?}"
    );
}

#[test]
fn phases_have_their_remarks() {
    let line = |change: &dyn Fn(&mut Scene), phase: Phase| {
        let mut scene = Scene::new(phase);
        change(&mut scene);
        let (_, text) = printed(&[(0, &scene)])
            .pop()
            .unwrap()
            .split_once(' ')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        text
    };
    let plain: &dyn Fn(&mut Scene) = &|_| {};
    assert_eq!(line(plain, Phase::Completing), "shop-prod COMPLETING");
    assert_eq!(
        line(&|scene| scene.goal = Goal::Completed, Phase::Prepared),
        "shop-prod PREPARED (waiting for someone to complete the rotation)"
    );
    assert_eq!(
        line(&|scene| scene.unobserved = Some(text::READ_ONLY), Phase::Preparing),
        "shop-prod PREPARING (nodes not observed: read-only mode)"
    );
    assert_eq!(
        line(&|scene| scene.is_idle = true, Phase::Never),
        "shop-prod NEVER (no rotation in progress; an accepted start may take 5m to show)"
    );
    assert_eq!(
        line(plain, Phase::Unknown("GOING ON".into())),
        "shop-prod GOING_ON (phase unknown to skeys; waiting for another)"
    );
    assert!(line(plain, Phase::Unknown(String::new())).starts_with("shop-prod UNSTATED ("));
    let started = |scene: &mut Scene| {
        if let Some(cluster) = &mut scene.cluster {
            (cluster.rotation.initiated, cluster.rotation.completed) = (Some(ago(1)), Some(ago(9)));
        }
    };
    assert_eq!(
        line(&started, Phase::Completed),
        "shop-prod COMPLETED (SKE reports a start at 2026-11-24T14:01:11Z, and no phase of that \
         rotation yet)"
    );
    let asleep = |scene: &mut Scene| {
        if let Some(cluster) = &mut scene.cluster {
            cluster.state = ClusterState::Hibernated;
        }
    };
    assert_eq!(line(&asleep, Phase::Preparing), "shop-prod PREPARING (cluster is hibernated)");
}

#[test]
fn during_the_search_only_outages_are_printed() {
    let mut search = Scene::new(Phase::Never);
    search.cluster = None;
    assert!(printed(&[(0, &search), (60, &search)]).is_empty());
    search.outage = Some(Outage::new(unreachable(), after(0)));
    let lines = printed(&[(30, &search)]);
    assert!(
        lines[0].starts_with("2026-11-24T14:02:41Z shop-prod - (SKE reads failing"),
        "{lines:?}"
    );
}

#[test]
fn host_01_control_characters_of_the_server_are_replaced() {
    let mut scene = Scene::new(Phase::Unknown("EVIL\u{1b}[2J\nNEXT".into()));
    if let Some(cluster) = &mut scene.cluster {
        let message = "\u{1b}]0;title\u{7}\u{202e}".repeat(200);
        cluster.problems.push(ReportedError { code: "C\r".into(), message });
    }
    let lines = printed(&[(0, &scene)]);
    assert!(lines[0].chars().all(|c| !c.is_control()), "{lines:?}");
    assert!(lines[0].contains("EVIL␛[2J_NEXT") && lines[0].len() < 2_000, "{lines:?}");
}

#[test]
fn the_last_line_names_how_the_phase_was_reached() {
    let reached =
        |phase: Phase, how: Reached| Scene::new(phase).at(3_480).reached(how, after(0), None);
    assert_eq!(
        reached(Phase::Prepared, Reached::DuringWait),
        "2026-11-24T15:00:11Z shop-prod PREPARED (started 2026-11-24T11:02:11Z; waited 58m)"
    );
    assert_eq!(
        reached(Phase::Completing, Reached::Passed),
        "2026-11-24T15:00:11Z shop-prod COMPLETING \
         (passed PREPARED; started 2026-11-24T11:02:11Z; waited 58m)"
    );
    assert_eq!(
        reached(Phase::Completed, Reached::BeforeWait),
        "2026-11-24T15:00:11Z shop-prod COMPLETED (already reached; \
         started 2026-11-12T14:02:11Z; completed 2026-11-13T14:02:11Z)"
    );
}

#[test]
fn a_notification_names_what_was_waited_for_not_the_phase_after_it() {
    let scene = Scene { goal: Goal::Completed, ..Scene::new(Phase::Preparing) };
    assert_eq!(scene.at(60).reached_word(Reached::Passed), "passed COMPLETED");
    let scene = Scene::new(Phase::Prepared);
    assert_eq!(scene.at(60).reached_word(Reached::DuringWait), "PREPARED");
}

#[test]
fn time_01_a_start_of_a_clock_that_is_ahead_is_not_in_the_future() {
    let mut scene = Scene::new(Phase::Prepared);
    let ahead = SignedDuration::from_mins(30);
    if let Some(cluster) = &mut scene.cluster {
        cluster.rotation.initiated = Some(after(60).wall + ahead);
    }
    let reached = |server_now| {
        let status = WaitStatus { server_now, ..scene.at(60) };
        status.reached(Reached::DuringWait, after(0), None)
    };
    assert!(reached(after(60).wall).contains("inconsistent times"));
    assert!(!reached(after(60).wall + ahead).contains("inconsistent times"));
}

#[test]
fn the_last_sentence_has_the_current_status() {
    assert_eq!(
        Scene::rolling(blocked(9)).at(60).sentence(),
        "shop-prod is PREPARING, 6 of 15 nodes left to replace, about 40–60m left, 1 node blocked; \
         the rotation continues without skeys"
    );
    assert_eq!(Scene::new(Phase::Prepared).at(60).sentence(), "shop-prod is PREPARED");
    let mut started = Scene::new(Phase::Completed);
    if let Some(cluster) = &mut started.cluster {
        cluster.rotation.initiated = Some(ago(1));
    }
    assert_eq!(
        started.at(60).sentence(),
        "shop-prod is COMPLETED; SKE reports a start at 2026-11-24T14:01:11Z, and no phase of that \
         rotation yet"
    );
    // It appears while the wait goes on.
    let lines = printed(&[(0, &Scene::new(Phase::Completed)), (60, &started), (90, &started)]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let outage = Some(Outage::new(unreachable(), after(0)));
    let lost = Scene { outage, ..Scene::new(Phase::Completing) };
    assert!(lost.at(600).sentence().ends_with("; SKE reads failing for 10m: no route to host"));
    let sought = Scene { cluster: None, ..Scene::new(Phase::Never) };
    assert_eq!(sought.at(60).sentence(), "shop-prod not found yet");
    let outage = Some(Outage::new(unreachable(), after(0)));
    let unasked = Scene { cluster: None, outage, ..Scene::new(Phase::Never) };
    // However short, it explains why nothing was found.
    assert_eq!(
        unasked.at(5).sentence(),
        "shop-prod not found yet; SKE reads failing for 5s: no route to host"
    );
}
