//! Window title and terminal progress for watched clusters.

use crate::app::fleet::state::Fleet;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::state::NodesState;
use crate::app::nodes::text;
use crate::domain::cluster::ClusterId;
use crate::domain::roll::progress::RollProgress;
use crate::domain::rotation::Phase;
use crate::domain::text::clean;

/// Window title and terminal progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowStatus {
    pub title: String,
    pub progress: Progress,
}

/// Progress as displayed by terminals (OSC 9;4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    None,
    /// In progress, but how far is unknown.
    Unknown,
    /// Percentage of new nodes.
    Percent(u8),
    /// Blocked at this percentage.
    Blocked(u8),
}

impl Progress {
    /// The progress of a rotation in this phase; `roll` if known, `held` if blocked.
    pub fn of(phase: &Phase, roll: Option<RollProgress>, held: bool) -> Self {
        let percent = roll.map(|roll| u8::try_from(roll.percent()).unwrap_or(99));
        match (phase.is_running(), percent, held) {
            (false, ..) => Self::None,
            (true, None, _) => Self::Unknown,
            (true, Some(percent), false) => Self::Percent(percent),
            (true, Some(percent), true) => Self::Blocked(percent),
        }
    }
}

/// Title and progress of a watched cluster: the first blocked one, or else the first rolling one, or else the first.
pub fn window_status(fleet: &Fleet, nodes: &NodesState) -> Option<WindowStatus> {
    let rank = |id: &&ClusterId| (!nodes.is_blocked(id), !fleet.rolls(id));
    let is_read = |id: &&ClusterId| fleet.entries.get(*id).is_some_and(|e| !e.is_last_known());
    let id = nodes.watched.iter().filter(is_read).min_by_key(rank)?;
    let phase = &fleet.cluster(id)?.rotation.phase;
    let seen = nodes.observed.get(id).filter(|seen| seen.live && *phase == Phase::Preparing);
    let progress = seen.and_then(ObservedCluster::progress);
    let held = nodes.is_blocked(id) && seen.is_some();
    let mut title = format!("skeys: {} ", clean(&fleet.label(id)));
    match progress {
        Some(progress) => title.push_str(&text::progress_narrow(progress)),
        None => title.push_str(&clean(phase.label())),
    }
    if held {
        title.push_str(" blocked");
    }
    Some(WindowStatus { title, progress: Progress::of(phase, progress, held) })
}
