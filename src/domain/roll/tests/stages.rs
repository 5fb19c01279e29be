//! Every case of the classification, from manifests; the expected stage is in each node's annotation.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::domain::cluster::NodePool;
use crate::domain::fixtures::{issuance, now, signing_keys};
use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage, Since};
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::generation::EstimateReason;
use crate::domain::roll::progress::{NodeCounts, PoolState};
use crate::domain::roll::start_steps::{StartStepDetail, StartStepName, StepState};
use crate::domain::roll::tests::manifest::load;
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::roll::{Roll, RollNote};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Templates, Unseen};

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../fixtures/", $name, ".yaml")))),*]
    };
}

/// All manifests by name.
pub const FIXTURES: [(&str, &str); 21] = fixtures![
    "control_plane_first",
    "every_stage",
    "labels_absent",
    "labels_absent_on_some",
    "secrets_forbidden_taints",
    "secrets_forbidden_ages",
    "secrets_forbidden_not_begun",
    "all_new",
    "prepared_but_lagging",
    "another_roll_while_prepared",
    "another_roll_while_preparing",
    "templates_lag",
    "pools",
    "never_rotated",
    "blocked_by_budgets",
    "unhealthy_budgets",
    "slow_drains",
    "budget_in_percent",
    "held_by_pods",
    "no_new_node",
    "webhooks_unanswered",
];

/// A manifest's snapshot.
pub fn fixture(name: &str) -> ClusterSnapshot {
    let (_, yaml) = FIXTURES.iter().find(|(known, _)| *known == name).unwrap();
    load(yaml).0
}

fn stage_name(node: &NodeRoll) -> &'static str {
    match node.stage {
        NodeStage::New => "new",
        NodeStage::Leaving => "leaving",
        NodeStage::Joining => "joining",
        NodeStage::Draining => "draining",
        NodeStage::Cordoned => "cordoned",
        NodeStage::Old => "old",
        NodeStage::Preserved => "preserved",
    }
}

/// Evaluates a fixture and compares every node with the stage in its annotation.
fn checked(name: &str, phase: Phase) -> Roll {
    let (_, yaml) = FIXTURES.iter().find(|(known, _)| *known == name).unwrap();
    let (snapshot, expected) = load(yaml);
    let roll = at_once(&cluster(phase), &snapshot);
    assert_eq!(roll.counts.seen(), expected.len(), "{name}: every node is counted once");
    for node in roll.nodes() {
        assert_eq!(stage_name(node), expected[&node.name], "{name}: {}", node.name);
    }
    roll
}

/// Fixture, phase, nodes left to replace and in total, state of the first pool, and why it is an estimate.
type Row = (&'static str, Phase, (usize, usize), PoolState, &'static [EstimateReason]);

#[test]
fn every_node_of_every_fixture_is_in_its_expected_stage() {
    use EstimateReason::{LabelsAbsent, NoTemplate, SecretsForbidden, TemplatesLag};
    use PoolState::{AllNew, NotBegun, Rolling, Settled};
    let rows: [Row; 14] = [
        ("control_plane_first", Phase::Preparing, (3, 3), NotBegun, &[]),
        ("every_stage", Phase::Preparing, (5, 6), Rolling, &[]),
        ("labels_absent", Phase::Preparing, (4, 4), Rolling, &[LabelsAbsent]),
        ("labels_absent_on_some", Phase::Preparing, (2, 4), Rolling, &[LabelsAbsent]),
        ("secrets_forbidden_taints", Phase::Preparing, (2, 4), Rolling, &[SecretsForbidden]),
        ("secrets_forbidden_ages", Phase::Preparing, (2, 3), Rolling, &[SecretsForbidden]),
        ("secrets_forbidden_not_begun", Phase::Preparing, (3, 3), NotBegun, &[SecretsForbidden]),
        ("all_new", Phase::Preparing, (0, 3), AllNew, &[]),
        ("prepared_but_lagging", Phase::Prepared, (0, 3), Settled, &[]),
        ("another_roll_while_preparing", Phase::Preparing, (2, 3), Rolling, &[]),
        ("templates_lag", Phase::Preparing, (1, 3), Rolling, &[TemplatesLag]),
        ("pools", Phase::Preparing, (3, 5), Rolling, &[NoTemplate]),
        ("blocked_by_budgets", Phase::Preparing, (2, 3), Rolling, &[]),
        ("no_new_node", Phase::Preparing, (2, 4), Rolling, &[]),
    ];
    for (name, phase, (old, goal), state, estimate_reasons) in rows {
        let roll = checked(name, phase);
        let progress = roll.rotation.unwrap();
        assert_eq!((progress.old, progress.goal.nodes), (old, goal), "{name}");
        assert_eq!(roll.pools[0].state, state, "{name}");
        let is_full = roll.pools[0].progress.percent() == 100;
        assert_eq!(is_full, matches!(state, AllNew | Settled), "{name}");
        let estimate_reasons: BTreeSet<EstimateReason> = estimate_reasons.iter().copied().collect();
        assert_eq!(roll.estimate_reasons, estimate_reasons, "{name}");
    }
}

#[test]
fn before_nodes_are_replaced_nothing_is_new_and_the_steps_show_why() {
    let roll = checked("control_plane_first", Phase::Preparing);
    let progress = roll.rotation.unwrap();
    assert_eq!((progress.percent(), progress.old, progress.goal.nodes), (0, 3, 3));
    assert_eq!(roll.estimate, RollEstimate::NotBegun);
    assert_eq!(roll.pools[0].state, PoolState::NotBegun);
    let states: Vec<_> = roll.steps.iter().map(|step| (step.name, step.state)).collect();
    assert_eq!(
        states,
        [
            (StartStepName::Accepted, StepState::Done),
            (StartStepName::ControlPlane, StepState::Now),
            (StartStepName::Secrets, StepState::Waiting),
            (StartStepName::Nodes, StepState::Waiting),
            (StartStepName::Prepared, StepState::Waiting),
        ]
    );
}

#[test]
fn steps_follow_the_signs_of_the_control_plane() {
    let mut snapshot = fixture("control_plane_first");
    let mut step = |keys: Option<usize>, reencrypted| {
        snapshot.control_plane.signing_keys = keys.map(signing_keys);
        snapshot.control_plane.reencrypted = reencrypted;
        let roll = at_once(&cluster(Phase::Preparing), &snapshot);
        let secrets = &roll.steps[2];
        (roll.steps[1].state, secrets.state, secrets.detail)
    };
    assert_eq!(step(Some(1), Some((0, 40))), (StepState::Now, StepState::Waiting, None));
    assert_eq!(step(Some(2), Some((0, 40))), (StepState::Done, StepState::Now, None));
    assert_eq!(
        step(Some(2), Some((3, 40))),
        (StepState::Done, StepState::Now, Some(StartStepDetail::Secrets { done: 3, total: 40 }))
    );
    assert_eq!(step(Some(2), Some((40, 40))).1, StepState::Done);
    assert_eq!(step(Some(2), None), (StepState::Done, StepState::Unknown, None));
    snapshot.control_plane.issuance = Some(issuance(2, &[1, 2], None));
    snapshot.control_plane.reencrypted = None;
    let mut detail = |keys: Option<usize>| {
        snapshot.control_plane.signing_keys = keys.map(signing_keys);
        at_once(&cluster(Phase::Preparing), &snapshot).steps[1].detail
    };
    let authority = |only_old_key| Some(StartStepDetail::NewAuthority { only_old_key });
    assert_eq!(detail(Some(1)), authority(true));
    assert_eq!(detail(None), authority(false), "the keys could not be read");
    snapshot.control_plane.issuance = Some(issuance(2, &[1], None));
    let state = |snapshot: &ClusterSnapshot| {
        let steps = at_once(&cluster(Phase::Preparing), snapshot).steps;
        (steps[1].state, steps[1].detail)
    };
    assert_eq!(state(&snapshot), (StepState::Now, None), "the bundle is still the old one");
    snapshot.control_plane.ready = Some(false);
    let not_ready = Some(StartStepDetail::ApiServerNotReady);
    assert_eq!(state(&snapshot), (StepState::Now, not_ready));
    snapshot.control_plane.reencrypted = Some((1, 40));
    assert_eq!(state(&snapshot).0, StepState::Done, "Secrets come later");
    let before = at_once(&cluster(Phase::Never), &snapshot);
    assert!(before.steps.iter().all(|step| step.state == StepState::Waiting));
    let rolling = checked("every_stage", Phase::Preparing);
    assert_eq!(rolling.steps[1].state, StepState::Done);
    assert_eq!(rolling.steps[2].state, StepState::Done);
    assert_eq!(rolling.steps[3].detail, rolling.rotation.map(StartStepDetail::Nodes));
    let done = at_once(&cluster(Phase::Prepared), &fixture("all_new"));
    assert!(done.steps.iter().all(|step| step.state == StepState::Done));
}

#[test]
fn stages_carry_since_when_and_why() {
    let roll = checked("every_stage", Phase::Preparing);
    let node = |end: &str| roll.nodes().find(|node| node.name.ends_with(end)).unwrap();
    let draining = node("33333");
    assert_eq!(draining.since, Some(Since::exact(ago(47))));
    assert_eq!(draining.deadline, Some(ago(-73)));
    assert_eq!(draining.short, "web-z2-aaaaa-33333");
    assert_eq!(draining.reason.as_deref(), Some("MachineDeleted"));
    let leaving = roll.nodes().find(|node| node.stage == NodeStage::Leaving).unwrap();
    assert_eq!(leaving.deadline, None, "it is drained for another reason");
    assert_eq!(node("11111").since, None);
    assert_eq!(node("77777").joining_reason, Some(JoiningReason::NotReady));
    assert_eq!(
        node("77777").reason.as_deref(),
        Some("KubeletNotReady: container runtime network not ready")
    );
    assert_eq!(node("88888").joining_reason, Some(JoiningReason::Starting));
    assert_eq!(node("99999").joining_reason, Some(JoiningReason::Starting));
    assert_eq!(node("aaaaa").joining_reason, Some(JoiningReason::Configuring));
    assert!(node("66666").cordoned, "a new node that was cordoned is still new");
    assert_eq!(
        roll.counts,
        NodeCounts {
            new: 2,
            joining: 4,
            old: 2,
            cordoned: 1,
            draining: 2,
            blocked: 0,
            leaving: 1,
            preserved: 1,
            missing: 0,
        }
    );
}

#[test]
fn all_new_is_not_a_hundred_percent_before_the_phase_says_so() {
    let roll = checked("all_new", Phase::Preparing);
    let progress = roll.rotation.unwrap();
    assert_eq!(progress.percent(), 99);
    assert!(progress.fraction() < 1.0);
    assert_eq!(roll.estimate, RollEstimate::Finishing);
    let done = at_once(&cluster(Phase::Prepared), &fixture("all_new"));
    assert_eq!(done.rotation.unwrap().percent(), 100);
    assert_eq!(done.rotation.unwrap().goal.nodes, 3);
    assert_eq!(done.estimate, RollEstimate::Done);
}

#[test]
fn the_phase_overrides_a_list_that_lags() {
    for phase in [Phase::Prepared, Phase::Completing, Phase::Completed] {
        let roll = checked("prepared_but_lagging", phase);
        let progress = roll.rotation.unwrap();
        assert!(progress.done);
        assert_eq!(roll.another, None, "nodes that are older than the start are no roll");
        assert_eq!(roll.estimate, RollEstimate::Done);
        assert!(roll.blockers.is_empty());
    }
}

#[test]
fn k8s_12_an_upgrade_while_prepared_is_another_roll() {
    for phase in [Phase::Prepared, Phase::Completed] {
        let roll = checked("another_roll_while_prepared", phase);
        assert!(roll.rotation.unwrap().done, "the rotation's own nodes were done");
        let another = roll.another.unwrap();
        assert_eq!((another.old, another.goal.nodes), (2, 3));
        assert!(roll.pools[0].another);
        assert_eq!(roll.notes, [RollNote::AnotherRoll("web".into())]);
        assert_eq!(roll.progress(), roll.another);
    }
}

#[test]
fn k8s_12_a_change_while_nodes_roll_is_named() {
    let roll = checked("another_roll_while_preparing", Phase::Preparing);
    assert!(roll.pools[0].another);
    assert_eq!(roll.another, None, "it is part of what PREPARED waits for");
    assert_eq!(roll.notes, [RollNote::ChangedSinceStart("web".into())]);
}

#[test]
fn k8s_05_without_secrets_the_figures_are_estimates_and_say_so() {
    for name in ["secrets_forbidden_taints", "secrets_forbidden_ages"] {
        let roll = checked(name, Phase::Preparing);
        assert!(roll.estimate_reasons.contains(&EstimateReason::SecretsForbidden));
    }
    assert!(!checked("every_stage", Phase::Preparing).is_estimated());
}

#[test]
fn k8s_05_with_and_without_secrets_the_same_nodes_are_old() {
    for name in ["every_stage", "secrets_forbidden_taints", "another_roll_while_preparing"] {
        let known = fixture(name);
        let mut forbidden = known.clone();
        forbidden.templates = Templates::Forbidden;
        let olds = |snapshot: &ClusterSnapshot| {
            let roll = at_once(&cluster(Phase::Preparing), snapshot);
            let olds = roll.nodes().filter(|node| node.stage.is_old());
            olds.map(|node| node.name.clone()).collect::<BTreeSet<_>>()
        };
        assert_eq!(olds(&known), olds(&forbidden), "{name}");
    }
}

#[test]
fn k8s_06_ages_decide_where_labels_are_absent() {
    let roll = checked("labels_absent", Phase::Preparing);
    assert!(roll.estimate_reasons.contains(&EstimateReason::LabelsAbsent));
    let estimated = roll.nodes().filter(|node| node.estimated).count();
    assert_eq!(estimated, 4, "the tainted one is certain");
}

#[test]
fn k8s_06_without_a_start_nothing_is_called_new_by_its_age() {
    let mut subject = cluster(Phase::Preparing);
    subject.rotation.initiated = None;
    let mut snapshot = fixture("labels_absent");
    snapshot.templates = Templates::Forbidden;
    let roll = at_once(&subject, &snapshot);
    assert!(roll.estimate_reasons.contains(&EstimateReason::StartUnknown));
    let shown: Vec<_> = roll.nodes().map(|node| (node.short.as_str(), stage_name(node))).collect();
    assert_eq!(
        shown,
        [
            ("web-z1-aaaaa-11111", "old"),
            ("web-z1-aaaaa-55555", "old"),
            ("web-z1-bbbbb-44444", "old"),
            ("web-z2-aaaaa-22222", "draining"),
            ("web-z3-aaaaa-33333", "old"),
        ],
        "each is older than the one with the taint"
    );
    assert_eq!(roll.counts.new, 0);
    for node in &mut snapshot.nodes {
        let mut clean = (**node).clone();
        clean.marked_for_deletion = false;
        *node = std::sync::Arc::new(clean);
    }
    let unreported = at_once(&subject, &snapshot);
    assert_eq!(
        unreported.pools[0].state,
        PoolState::NotBegun,
        "nothing says that nodes have begun"
    );
    assert_eq!(unreported.counts.new, 0);
}

#[test]
fn pools_without_nodes_unknown_pools_and_stray_nodes_are_listed() {
    let mut subject = cluster(Phase::Preparing);
    let pool = |name: &str, minimum| NodePool {
        name: name.into(),
        minimum,
        zones: vec!["eu01-1".into()],
        ..subject.pools[0].clone()
    };
    let (zero, missing) = (pool("zero", 0), pool("lost", 2));
    subject.pools.extend([zero, missing]);
    let roll = at_once(&subject, &fixture("pools"));
    let shown: Vec<_> = roll
        .pools
        .iter()
        .map(|pool| (pool.name.as_str(), pool.known_to_ske, pool.state, pool.counts.seen()))
        .collect();
    assert_eq!(
        shown,
        [
            ("web", true, PoolState::Rolling, 3),
            ("zero", true, PoolState::Empty, 0),
            ("lost", true, PoolState::Missing, 0),
            ("gone", false, PoolState::NotBegun, 1),
            ("", false, PoolState::NotBegun, 1),
        ]
    );
    assert_eq!(roll.pools[1].progress.percent(), 100, "zero of zero is done");
    assert_eq!(roll.pools[2].progress.percent(), 0);
    assert!(roll.notes.contains(&RollNote::UnlistedPool("gone".into())));
    let zones: Vec<_> = roll.pools[0].zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(zones, ["eu01-1", "eu01-2", "eu01-3", ""]);
}

#[test]
fn a_node_without_a_zone_label_belongs_to_the_only_zone() {
    let mut subject = cluster(Phase::Preparing);
    subject.pools[0].zones = vec!["eu01-1".into()];
    let roll = at_once(&subject, &fixture("pools"));
    assert_eq!(roll.pools[0].zones[0].counts.seen(), 2);
}

#[test]
fn a_cluster_that_was_never_rotated_has_no_roll() {
    let roll = checked("never_rotated", Phase::Never);
    assert_eq!((roll.rotation, roll.another, roll.estimate), (None, None, RollEstimate::Idle));
    assert!(roll.blockers.is_empty());
}

#[test]
fn nodes_that_cannot_be_listed_are_unknown_not_removed() {
    let mut snapshot = fixture("every_stage");
    snapshot.nodes.clear();
    snapshot.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    let roll = at_once(&cluster(Phase::Preparing), &snapshot);
    assert_eq!((roll.rotation, roll.estimate), (None, RollEstimate::Unknown));
    assert!(matches!(roll.notes[..], [RollNote::Unseen { nothing_known: true, .. }]));
    assert_eq!(roll.steps[3].state, StepState::Unknown);
    assert_eq!(roll.steps[3].detail, Some(StartStepDetail::NodesUnseen));
}

#[test]
fn k8s_04_a_list_that_is_old_is_shown_and_said_to_be() {
    let mut snapshot = fixture("every_stage");
    snapshot.unseen.insert("nodes", Unseen::Failing("503 for 2m".into()));
    let roll = at_once(&cluster(Phase::Preparing), &snapshot);
    assert_eq!(roll.counts.new, 2);
    let why = Unseen::Failing("503 for 2m".into());
    assert_eq!(roll.notes[0], RollNote::Unseen { kind: "nodes", why, nothing_known: false });
}

#[test]
fn an_unknown_phase_of_an_open_rotation_never_reads_as_done() {
    let roll = checked("all_new", Phase::Unknown("WAITING_FOR_WORKERS_ROLLOUT".into()));
    assert_eq!(roll.rotation.unwrap().percent(), 99);
}

#[test]
fn k8s_08_names_and_messages_are_safe_to_draw() {
    let mut snapshot = fixture("every_stage");
    for node in &mut snapshot.nodes {
        let mut hostile = (**node).clone();
        hostile.name.push_str("\u{1b}]0;pwned\u{7}");
        hostile.not_ready_because = Some("\u{1b}[2J".into());
        hostile.version = "\u{202e}1".into();
        *node = std::sync::Arc::new(hostile);
    }
    let roll = at_once(&cluster(Phase::Preparing), &snapshot);
    for node in roll.nodes() {
        let texts = [&node.short, &node.version, node.reason.as_ref().unwrap_or(&node.short)];
        assert!(texts.iter().all(|text| !text.chars().any(char::is_control)), "{texts:?}");
    }
}

#[test]
fn k8s_14_a_wrong_clock_is_noted_and_corrected() {
    let mut snapshot = fixture("every_stage");
    snapshot.skew_seconds = 300;
    let roll = at_once(&cluster(Phase::Preparing), &snapshot);
    let since = |end: &str| {
        let node = roll.nodes().find(|node| node.name.ends_with(end)).unwrap();
        node.since.unwrap().at
    };
    assert_eq!(since("33333"), ago(52));
    assert!(roll.nodes().all(|node| node.since.is_none_or(|since| since.at <= now())));
    assert_eq!(roll.notes[0], RollNote::ClockSkew(SignedDuration::from_mins(5)));
    snapshot.skew_seconds = -300;
    let behind = at_once(&cluster(Phase::Preparing), &snapshot);
    assert!(behind.nodes().all(|node| node.since.is_none_or(|since| since.at <= now())));
    assert_eq!(behind.counts, roll.counts, "the clock changes no progress");
}
