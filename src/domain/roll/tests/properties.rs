//! Properties of the roll over arbitrary sequences of events: counts add up, progress stays in [0,1] and does not
//! regress without a named cause, and the final progress depends only on the final state.

use std::sync::Arc;

use proptest::prelude::*;

use crate::domain::cluster::{Cluster, NodePool};
use crate::domain::roll::Roll;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::RollProgress;
use crate::domain::roll::regression::has_regressed;
use crate::domain::roll::tests::tracking::{NEW, draining, joining, node, old, snapshot, template};
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::timeline::TimelineEvent;
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Node, Template, Templates};

/// State of a node slot in one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    Old,
    Unlabelled,
    Cordoned,
    Draining,
    Joining,
    Configuring,
    New,
    Leaving,
    Preserved,
    Third,
}

const SLOTS: [Slot; 11] = [
    Slot::Empty,
    Slot::Old,
    Slot::Unlabelled,
    Slot::Cordoned,
    Slot::Draining,
    Slot::Joining,
    Slot::Configuring,
    Slot::New,
    Slot::Leaving,
    Slot::Preserved,
    Slot::Third,
];

const THIRD: &str = "gardener-node-agent-web-0000000000000003";

fn build(place: usize, slot: Slot) -> Option<Node> {
    let zone = ["eu01-1", "eu01-2", "eu01-3", ""][place % 4];
    let name = format!("web-{place}");
    let new = || node(&name, zone, ago(120), NEW);
    let mut out = match slot {
        Slot::Empty => return None,
        Slot::Old => old(&name, zone),
        Slot::Unlabelled => {
            Node { generation: None, marked_for_deletion: false, ..old(&name, zone) }
        }
        Slot::Cordoned => Node { cordoned: true, ..old(&name, zone) },
        Slot::Draining => draining(old(&name, zone), ago(40)),
        Slot::Joining => joining(new()),
        Slot::Configuring => Node { still_joining: true, ..new() },
        Slot::New => new(),
        Slot::Leaving => draining(new(), ago(10)),
        Slot::Preserved => Node { preserved: true, ready: false, ..old(&name, zone) },
        Slot::Third => node(&name, zone, ago(60), THIRD),
    };
    // One uid per place and side, so that nodes also change in place.
    let side = if matches!(slot, Slot::Old | Slot::Cordoned | Slot::Draining | Slot::Preserved) {
        "old"
    } else {
        "new"
    };
    out.uid = format!("{place}/{side}");
    Some(out)
}

fn templates(kind: u8) -> Templates {
    match kind % 5 {
        0 => Templates::Forbidden,
        1 => Templates::Known(vec![template(super::tracking::OLD, ago(60 * 24))]),
        2 => Templates::Known(vec![template(THIRD, ago(90))]),
        3 => Templates::Unread,
        _ => Templates::Known(vec![template(NEW, ago(174))]),
    }
}

fn seen(slots: &[Slot], kind: u8) -> ClusterSnapshot {
    let nodes = slots.iter().enumerate().filter_map(|(place, slot)| build(place, *slot)).collect();
    ClusterSnapshot { templates: templates(kind), ..snapshot(nodes) }
}

/// The fixtures' cluster with a second pool, in a phase of the same rotation.
fn two_pools(phase: Phase) -> Cluster {
    let mut subject = cluster(Phase::Preparing);
    subject.rotation.phase = phase;
    let db = NodePool { name: "db".into(), ..subject.pools[0].clone() };
    subject.pools.push(db);
    subject
}

/// Nodes and templates of two pools.
fn both((web, kind): &(Vec<Slot>, u8), (db, other): &(Vec<Slot>, u8)) -> ClusterSnapshot {
    let renamed = |name: &str| name.replace("-web-", "-db-");
    let mut all = seen(web, *kind);
    for node in seen(db, *other).nodes {
        all.nodes.push(Arc::new(Node {
            uid: format!("db/{}", node.uid),
            name: format!("db-{}", node.name),
            pool: "db".into(),
            generation: node.generation.as_deref().map(renamed),
            ..(*node).clone()
        }));
    }
    if let (Templates::Known(list), Templates::Known(more)) =
        (&mut all.templates, templates(*other))
    {
        list.extend(more.into_iter().map(|template| Template {
            name: renamed(&template.name),
            pool: "db".into(),
            ..template
        }));
    }
    all
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    proptest::collection::vec(proptest::sample::select(SLOTS.as_slice()), 0..9)
}

fn phases() -> impl Strategy<Value = Phase> {
    proptest::sample::select(vec![
        Phase::Never,
        Phase::Preparing,
        Phase::Prepared,
        Phase::Completing,
        Phase::Completed,
        Phase::Unknown("SOON".into()),
    ])
}

/// Change in a step, apart from one node.
#[derive(Debug, Clone)]
enum Turn {
    None,
    Phase(Phase),
    Templates(u8),
}

fn sometimes() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => Just(Turn::None),
        1 => phases().prop_map(Turn::Phase),
        1 => any::<u8>().prop_map(Turn::Templates),
    ]
}

fn regressions(tracker: &RollTracker) -> usize {
    let entries = tracker.timeline().entries();
    entries.filter(|entry| matches!(entry.what, TimelineEvent::ProgressRegressed { .. })).count()
}

proptest! {
    #![proptest_config(crate::property_cases(256))]

    #[test]
    fn counts_add_up_to_the_nodes_seen_and_progress_lies_between_0_and_1(
        slots in slots(), kind in any::<u8>(), phase in phases(), skew in any::<i64>(),
    ) {
        let snapshot = ClusterSnapshot { skew_seconds: skew, ..seen(&slots, kind) };
        let roll = Roll::evaluate(&cluster(phase.clone()), &snapshot, &RollHistory::default(), ago(0));
        prop_assert_eq!(roll.counts.seen(), snapshot.nodes.len());
        prop_assert_eq!(roll.nodes().count(), snapshot.nodes.len());
        prop_assert!(roll.counts.blocked <= roll.counts.draining);
        let pools: usize = roll.pools.iter().map(|pool| pool.counts.seen()).sum();
        prop_assert_eq!(pools, snapshot.nodes.len());
        for progress in roll.pools.iter().map(|pool| pool.progress).chain(roll.rotation).chain(roll.another) {
            prop_assert!((0.0..=1.0).contains(&progress.fraction()));
            prop_assert!(progress.percent() <= 100);
            prop_assert_eq!(progress.percent() == 100, progress.done);
        }
        if matches!(phase, Phase::Preparing | Phase::Unknown(_)) {
            prop_assert!(!roll.rotation.unwrap().done);
        }
        for node in roll.nodes() {
            prop_assert!(node.since.is_none_or(|since| since.at <= ago(0)));
        }
    }

    #[test]
    fn progress_regresses_only_with_a_named_cause(
        rounds in proptest::collection::vec((slots(), any::<u8>()), 1..12),
    ) {
        let subject = cluster(Phase::Preparing);
        let mut tracker = RollTracker::default();
        let mut shown: Option<RollProgress> = None;
        let mut at = 600;
        for (slots, kind) in rounds {
            at -= 3;
            let snapshot = seen(&slots, kind);
            let before = regressions(&tracker);
            tracker.observe(&subject, &snapshot, ago(at));
            if snapshot.templates == Templates::Unread {
                continue;
            }
            let now = Roll::evaluate(&subject, &snapshot, tracker.history(), ago(at)).rotation.unwrap();
            let regressed = shown.is_some_and(|shown| now.fraction() < shown.fraction());
            if regressed {
                prop_assert_eq!(regressions(&tracker), before + 1);
            }
            for entry in tracker.timeline().entries() {
                if let TimelineEvent::ProgressRegressed { causes, .. } = &entry.what {
                    prop_assert!(!causes.is_empty(), "{:?}", entry);
                }
            }
            shown = Some(now);
        }
    }

    #[test]
    fn k8s_12_no_figure_of_two_pools_falls_without_a_named_cause_in_any_phase(
        mut web in (slots(), any::<u8>()),
        mut db in (slots(), any::<u8>()),
        steps in proptest::collection::vec(
            (any::<bool>(), 0_usize..5, proptest::sample::select(SLOTS.as_slice()), sometimes()),
            1..24,
        ),
    ) {
        let mut tracker = RollTracker::default();
        let mut phase = Phase::Prepared;
        let mut shown: (Option<RollProgress>, Option<RollProgress>) = (None, None);
        let mut at = 600;
        for (of_web, place, slot, turn) in steps {
            at -= 3;
            match turn {
                Turn::None => {}
                Turn::Phase(next) => phase = next,
                Turn::Templates(kind) if of_web => web.1 = kind,
                Turn::Templates(kind) => db.1 = kind,
            }
            let changed = if of_web { &mut web.0 } else { &mut db.0 };
            changed.resize(changed.len().max(place + 1), Slot::Empty);
            changed[place] = slot;
            let subject = two_pools(phase.clone());
            let snapshot = both(&web, &db);
            let before = regressions(&tracker);
            tracker.observe(&subject, &snapshot, ago(at));
            if snapshot.templates == Templates::Unread {
                continue;
            }
            let roll = Roll::evaluate(&subject, &snapshot, tracker.history(), ago(at));
            let regressed = |shown: Option<RollProgress>, now: Option<RollProgress>| {
                matches!((shown, now), (Some(shown), Some(now)) if has_regressed(shown, now))
            };
            let regressed_counts = [regressed(shown.0, roll.rotation), regressed(shown.1, roll.another)];
            let regressed_counts = regressed_counts.into_iter().filter(|regressed| *regressed).count();
            prop_assert_eq!(regressions(&tracker), before + regressed_counts);
            for entry in tracker.timeline().entries() {
                if let TimelineEvent::ProgressRegressed { causes, .. } = &entry.what {
                    prop_assert!(!causes.is_empty(), "{:?}", entry);
                }
            }
            shown = (roll.rotation, roll.another);
        }
    }

    #[test]
    fn only_the_end_state_decides_the_counts(
        rounds in proptest::collection::vec((slots(), any::<u8>()), 0..8),
        turned in any::<bool>(),
        (last, kind) in (slots(), any::<u8>()),
    ) {
        let subject = cluster(Phase::Preparing);
        let end = seen(&last, kind);
        let mut order: Vec<usize> = (0..rounds.len()).collect();
        if turned {
            order.reverse();
        }
        let mut tracker = RollTracker::default();
        for (step, place) in order.into_iter().enumerate() {
            let (slots, kind) = &rounds[place];
            let minutes = 500 - i64::try_from(step).unwrap();
            tracker.observe(&subject, &seen(slots, *kind), ago(minutes));
        }
        tracker.observe(&subject, &end, ago(1));
        let watched = Roll::evaluate(&subject, &end, tracker.history(), ago(0));
        let fresh = Roll::evaluate(&subject, &end, &RollHistory::default(), ago(0));
        prop_assert_eq!(watched.counts, fresh.counts);
        prop_assert_eq!(watched.rotation.unwrap().old, fresh.rotation.unwrap().old);
        prop_assert_eq!(watched.estimate_reasons, fresh.estimate_reasons);
    }

    #[test]
    fn k8s_10_every_uid_is_counted_once_whatever_its_name(
        names in proptest::collection::vec(0_u8..3, 1..20),
    ) {
        let subject = cluster(Phase::Preparing);
        let mut tracker = RollTracker::default();
        let mut at = 600;
        for (number, name) in names.iter().enumerate() {
            at -= 3;
            let mut only = node(&format!("web-{name}"), "eu01-1", ago(at + 1), NEW);
            only.uid = format!("uid-{number}");
            tracker.observe(&subject, &snapshot(vec![only]), ago(at));
        }
        prop_assert_eq!(tracker.history().nodes.len(), 1);
    }

    #[test]
    fn snapshots_out_of_order_never_panic_and_stay_bounded(
        rounds in proptest::collection::vec((slots(), any::<u8>(), phases(), -600_i64..600, -9_i64..9), 1..20),
    ) {
        let mut tracker = RollTracker::default();
        for (slots, kind, phase, minutes, start) in rounds {
            let mut subject = cluster(phase);
            subject.rotation.initiated = (start != 0).then(|| ago(180 + start));
            let snapshot = seen(&slots, kind);
            let on_the_way = tracker.observe(&subject, &snapshot, ago(minutes));
            let roll = Roll::evaluate(&subject, &snapshot, tracker.history(), ago(minutes));
            prop_assert!(on_the_way.is_none_or(|on_the_way| on_the_way == roll));
            prop_assert_eq!(roll.counts.seen(), snapshot.nodes.len());
            prop_assert!(tracker.history().nodes.len() <= 9);
        }
    }
}
