//! Knowledge about nodes, the current observations, and the nodes tab.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::nodes::blocker_text;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text;
use crate::app::requests::RequestId;
use crate::app::settings::{ObservationScope, Settings};
use crate::domain::age::passed;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::roll::Roll;
use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::snapshot::ClusterSnapshot;

/// Knowledge about nodes, the current observations, and the nodes tab.
#[derive(Debug, Clone, Default)]
pub struct NodesState {
    /// Results of this run's observations.
    pub observed: BTreeMap<ClusterId, ObservedCluster>,
    /// Current observations.
    pub observing: BTreeMap<ClusterId, Observation>,
    /// Clusters with notifications on.
    pub watched: BTreeSet<ClusterId>,
    /// Clusters for which the user agreed to disable static tokens.
    pub agreed: BTreeSet<ClusterId>,
    /// Uid of the node under the cursor of the tab.
    pub cursor: Option<String>,
    /// Whether the tab shows only that node, with all its events.
    pub in_full: bool,
    /// First visible line of that node.
    pub scroll: usize,
}

/// A current observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Its request; events of earlier ones are ignored.
    pub request: RequestId,
    /// Since when it is no longer needed (monotonic clock); `None` while it is needed.
    pub unneeded_since: Option<Duration>,
    /// Whether the roll is stalled or has a blocker.
    pub is_blocked: bool,
    /// Remaining old nodes.
    pub remaining: Option<usize>,
}

impl NodesState {
    /// Resets the tab to its top, with the cursor on the most urgent node.
    pub fn reset_view(&mut self) {
        (self.cursor, self.in_full, self.scroll) = (None, false, 0);
    }

    /// Whether the roll is stalled or blocked, according to the cluster's own API.
    pub fn is_blocked(&self, id: &ClusterId) -> bool {
        self.observing.get(id).is_some_and(|observation| observation.is_blocked)
    }

    /// Remaining old nodes when the cluster was last observed.
    pub fn remaining(&self, id: &ClusterId) -> Option<usize> {
        Some(self.observed.get(id)?.progress()?.old)
    }

    /// The latest snapshot, however old.
    pub fn last_snapshot(&self, id: &ClusterId) -> Option<Arc<ClusterSnapshot>> {
        self.observed.get(id)?.snapshot.clone()
    }

    /// The latest snapshot, if it is current.
    pub fn current_snapshot(&self, id: &ClusterId) -> Option<Arc<ClusterSnapshot>> {
        self.observed.get(id).filter(|observed| observed.live)?.snapshot.clone()
    }

    /// The roll as last evaluated.
    pub fn roll(&self, id: &ClusterId) -> Option<&Roll> {
        self.observed.get(id)?.roll.as_ref()
    }

    /// The node under the cursor: the selected one, or the most urgent one.
    pub fn node_at_cursor(&self, id: &ClusterId) -> Option<&NodeRoll> {
        let roll = self.roll(id)?;
        let find = |holds: &dyn Fn(&NodeRoll) -> bool| roll.nodes().find(|node| holds(node));
        let place = roll.worst().and_then(|worst| worst.place.as_ref());
        let chosen = self.cursor.as_ref();
        chosen
            .and_then(|uid| find(&|node| node.uid == *uid))
            .or_else(|| find(&|node| node.blocked))
            .or_else(|| find(&|node| place.is_some_and(|place| node.is_in(place))))
            .or_else(|| find(&|node| node.stage == NodeStage::Draining))
            .or_else(|| find(&|node| node.stage == NodeStage::Joining))
            .or_else(|| roll.nodes().next())
    }

    /// Why the roll is blocked, in one line; with its age if not current.
    pub fn blocked_text(&self, id: &ClusterId, now: Timestamp) -> Option<String> {
        let observed = self.observed.get(id).filter(|_| self.is_blocked(id))?;
        let roll = observed.roll.as_ref()?;
        let at = observed.as_of(now);
        let text = roll.worst().map(|worst| blocker_text::headline(worst, at));
        let text = text.or_else(|| text::stall(roll, at).filter(|_| observed.live));
        let text = text.unwrap_or_else(|| text::WAS_STALLED.to_owned());
        Some(if observed.live { text } else { text::as_of_ago(text, passed(at, now)) })
    }

    /// Why nodes are not currently observed, as a sentence without a full stop; `None` while they are.
    pub fn unseen(
        &self,
        id: &ClusterId,
        cluster: Option<&Cluster>,
        settings: &Settings,
    ) -> Option<String> {
        let observed = self.observed.get(id);
        let observing = self.observing.contains_key(id);
        match observed.and_then(|observed| observed.trouble.as_ref()) {
            Some((trouble, _)) if observing => return Some(text::unavailable(trouble)),
            None if observing && observed.is_some_and(|observed| observed.live) => return None,
            None if observing => return Some(text::CONNECTING.to_owned()),
            Some(_) | None => {}
        }
        Some(if settings.read_only {
            text::READ_ONLY.to_owned()
        } else if settings.watch == ObservationScope::Never {
            text::SWITCHED_OFF.to_owned()
        } else if cluster.is_some_and(|cluster| cluster.hibernated) {
            text::HIBERNATED.to_owned()
        } else if self.observing.len() >= settings.watch_limit {
            text::limit_reached(self.observing.len())
        } else {
            text::NOT_OBSERVED.to_owned()
        })
    }
}
