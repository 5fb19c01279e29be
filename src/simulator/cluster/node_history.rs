//! Histories of nodes, for tests only: not visible to clients.

use std::sync::Arc;

use jiff::Timestamp;

/// The history of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHistory {
    pub name: Arc<str>,
    pub pool: Arc<str>,
    pub zone: Arc<str>,
    /// Template of its machine; increases with each roll.
    pub template: u32,
    pub requested: Timestamp,
    pub registered: Option<Timestamp>,
    /// When it became schedulable.
    pub ready: Option<Timestamp>,
    pub draining: Option<Timestamp>,
    pub forced: Option<Timestamp>,
    /// When the node object was removed.
    pub gone: Option<Timestamp>,
}

impl NodeHistory {
    /// A node whose machine has just been requested.
    pub fn new(
        name: &Arc<str>,
        pool: &Arc<str>,
        zone: &Arc<str>,
        template: u32,
        requested: Timestamp,
    ) -> Self {
        Self {
            name: Arc::clone(name),
            pool: Arc::clone(pool),
            zone: Arc::clone(zone),
            template,
            requested,
            registered: None,
            ready: None,
            draining: None,
            forced: None,
            gone: None,
        }
    }

    /// The stage at a point in time; `None` while clients could not see the node.
    pub fn stage(&self, at: Timestamp) -> Option<NodeStage> {
        let by = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= at);
        if !by(self.registered) || by(self.gone) {
            None
        } else if by(self.draining) {
            Some(NodeStage::Draining)
        } else if by(self.ready) {
            Some(NodeStage::Ready)
        } else {
            Some(NodeStage::Joining)
        }
    }
}

/// The stage of a node as visible to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStage {
    /// Registered, but not schedulable yet.
    Joining,
    Ready,
    Draining,
}

/// Number of nodes by template and stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    pub old: usize,
    /// Of older templates.
    pub draining: usize,
    /// Of the newest template.
    pub joining: usize,
    /// Of the newest template.
    pub ready: usize,
    /// Draining, and of the newest template.
    pub leaving: usize,
}

/// Counts the nodes visible to clients at a point in time; `template` is the newest one.
pub fn count_nodes(histories: &[NodeHistory], template: u32, at: Timestamp) -> NodeCounts {
    let mut counts = NodeCounts::default();
    for history in histories {
        let old = history.template != template;
        match history.stage(at) {
            Some(NodeStage::Draining) if old => counts.draining += 1,
            Some(_) if old => counts.old += 1,
            Some(NodeStage::Joining) => counts.joining += 1,
            Some(NodeStage::Ready) => counts.ready += 1,
            Some(NodeStage::Draining) => counts.leaving += 1,
            None => {}
        }
    }
    counts
}
