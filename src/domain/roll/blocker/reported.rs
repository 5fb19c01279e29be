//! What only the SKE API tells: its errors, put beside what the cluster shows of them, and what is due meanwhile.

use crate::domain::age::{long, since};
use crate::domain::attention;
use crate::domain::cluster::ReportedError;
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::{Blocker, BlockerKind, Scene};
use crate::domain::roll::calendar::{Due, due};
use crate::domain::roll::classify::Since;
use crate::domain::roll::eta::horizon;
use crate::domain::text::clean;

/// Adds what SKE tells to what was found in the cluster.
pub fn find(scene: &Scene<'_>, out: &mut Vec<Blocker>) {
    gave_up(scene, out);
    for problem in scene.cluster.problems.iter().filter(|problem| !problem.is_only_incomplete()) {
        put_beside(scene, problem, out);
    }
    let pace = scene.history.pace();
    let within = horizon(scene.pools, pace, scene.clock.now());
    for due in due(scene.cluster, scene.clock.now(), within) {
        out.extend(meanwhile(scene, &due));
    }
}

/// Whether SKE says that no machine can be had.
pub fn is_about_capacity(problem: &ReportedError) -> bool {
    matches!(
        problem.code.as_str(),
        "SKE_NODE_NO_VALID_HOST_FOUND"
            | "SKE_NETWORK_NO_AVAILABLE_IPS"
            | "SKE_QUOTA_EXCEEDED"
            | "SKE_NODE_MACHINE_TYPE_NOT_FOUND"
    )
}

/// Kinds of what the cluster may show of a reported error, the likelier ones first.
fn shows_as(problem: &ReportedError) -> &'static [&'static [BlockerKind]] {
    match problem.code.as_str() {
        "SKE_NODE_MISCONFIGURED_PDB" => &[
            &[BlockerKind::MisconfiguredBudget, BlockerKind::SeveralBudgets],
            &[BlockerKind::Budget],
        ],
        "SKE_UNREADY_NODES"
        | "SKE_NODE_MEMORY_PRESSURE"
        | "SKE_NODE_DISK_PRESSURE"
        | "SKE_NODE_PID_PRESSURE" => &[&[BlockerKind::NodeNotReady]],
        _ if is_about_capacity(problem) => &[&[BlockerKind::NoNewNode]],
        _ => &[],
    }
}

fn put_beside(scene: &Scene<'_>, problem: &ReportedError, out: &mut Vec<Blocker>) {
    let shown = |kinds: &&&[BlockerKind]| out.iter().any(|blocker| kinds.contains(&blocker.kind));
    let kinds = shows_as(problem).iter().find(shown).copied().unwrap_or_default();
    let mut beside = false;
    for blocker in out.iter_mut().filter(|blocker| kinds.contains(&blocker.kind)) {
        blocker.reported.push(problem.clone());
        if let Some(frees) = capacity_frees(problem) {
            frees.clone_into(&mut blocker.frees);
        }
        beside = true;
    }
    if beside {
        return;
    }
    let kind = if problem.blocks_roll() { BlockerKind::Reported } else { BlockerKind::OtherReport };
    let mut blocker = Blocker::new(
        kind,
        format!("SKE reports {}", clean(&problem.code)),
        format!("SKE reports {}: {}.", clean(&problem.code), clean(problem.message.trim_end_matches('.'))),
        capacity_frees(problem).unwrap_or(match problem.code.as_str() {
            "SKE_NODE_MISCONFIGURED_PDB" => {
                "It moves when the PodDisruptionBudget lets a pod go: one more replica, or a looser budget."
            }
            _ => "Look at what SKE says.",
        }),
    );
    blocker.command = looks_at(problem).map(Kubectl::plain);
    blocker.since = scene.history.memory().reported_since(problem);
    blocker.reported.push(problem.clone());
    out.push(blocker);
}

/// A command that looks at what SKE reports, where the cluster itself can show something of it.
fn looks_at(problem: &ReportedError) -> Option<&'static str> {
    match problem.code.as_str() {
        "SKE_NODE_MISCONFIGURED_PDB" => Some("get pdb -A"),
        "SKE_UNREADY_NODES"
        | "SKE_NODE_MEMORY_PRESSURE"
        | "SKE_NODE_DISK_PRESSURE"
        | "SKE_NODE_PID_PRESSURE" => Some("describe nodes"),
        _ if is_about_capacity(problem) => Some("get nodes -o wide"),
        _ => None,
    }
}

fn capacity_frees(problem: &ReportedError) -> Option<&'static str> {
    Some(match problem.code.as_str() {
        "SKE_NODE_NO_VALID_HOST_FOUND" => {
            "It moves when there is room for this machine type in this zone; another type or zone may have it."
        }
        "SKE_NETWORK_NO_AVAILABLE_IPS" => "It moves when addresses of the network become free.",
        "SKE_QUOTA_EXCEEDED" => "It moves when the project's quota allows another machine.",
        "SKE_NODE_MACHINE_TYPE_NOT_FOUND" => {
            "It moves when the pool gets a machine type that exists."
        }
        _ => return None,
    })
}

fn gave_up(scene: &Scene<'_>, out: &mut Vec<Blocker>) {
    let now = scene.clock.now();
    let Some(running) = attention::gave_up(scene.cluster, now) else { return };
    let mut blocker = Blocker::new(
        BlockerKind::GaveUp,
        "PREPARING for more than 12h and unhealthy",
        format!(
            "PREPARING for {} and unhealthy: the platform may have stopped trying.",
            long(running)
        ),
        "Ask SKE to reconcile the cluster; that likely makes the platform try again.",
    );
    blocker.command = Some(Kubectl::plain("get nodes"));
    blocker.since = scene.cluster.rotation.initiated.map(Since::told);
    out.push(blocker);
}

fn meanwhile(scene: &Scene<'_>, due: &Due) -> Option<Blocker> {
    let now = scene.clock.now();
    match due {
        Due::Hibernation(at) => {
            let (follows, frees) = if scene.cluster.rotation.phase.is_running() {
                (
                    "the platform's rules refuse it while a rotation runs, what SKE does then is not known",
                    "If it is refused, the cluster stays awake; sleep it by hand later, if it should.",
                )
            } else {
                (
                    "the cluster would fall asleep in the middle of this roll",
                    "Move the schedule, if the roll should be done before.",
                )
            };
            Some(Blocker::new(
                BlockerKind::Hibernation,
                "hibernation is scheduled before the nodes are done",
                format!(
                    "Hibernation is scheduled in {}, before the nodes are done; {follows}.",
                    long(since(now, *at))
                ),
                frees,
            ))
        }
        Due::Maintenance(at) if *at <= now => Some(Blocker::new(
            BlockerKind::Maintenance,
            "the maintenance window is open",
            "The maintenance window is open; an update made in it may replace nodes once more."
                .to_owned(),
            "Nothing to do, unless an update is due.",
        )),
        Due::Maintenance(at) => Some(Blocker::new(
            BlockerKind::Maintenance,
            "the maintenance window opens before the nodes are done",
            format!(
                "The maintenance window opens in {}, before the nodes are done; an update made in it may replace nodes once more.",
                long(since(now, *at))
            ),
            "Nothing to do, unless an update is due.",
        )),
        // The preflight says so; while the nodes roll it changes nothing.
        Due::Unreadable(_) => None,
    }
}
