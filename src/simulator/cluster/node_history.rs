//! What really happened to nodes, for tests: no client sees this.

use jiff::Timestamp;

use crate::simulator::cluster::objects::Text;

/// The life of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHistory {
    pub name: Text,
    pub pool: Text,
    pub zone: Text,
    /// Template that it was made from; it grows with each roll.
    pub template: u32,
    /// When the machine was asked for.
    pub requested: Timestamp,
    /// When the node appeared.
    pub registered: Option<Timestamp>,
    /// When it took pods.
    pub ready: Option<Timestamp>,
    /// When its drain began.
    pub draining: Option<Timestamp>,
    /// When the drain was forced.
    pub forced: Option<Timestamp>,
    /// When the node object was removed.
    pub gone: Option<Timestamp>,
}

impl NodeHistory {
    /// What it was at a moment; `None` while clients could not see it.
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

/// What a node is, as clients may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStage {
    /// There, but takes no pods yet.
    Joining,
    /// Works.
    Ready,
    /// On its way out.
    Draining,
}

/// How many nodes are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    pub old: usize,
    /// Of older templates, on their way out.
    pub draining: usize,
    /// Of the newest template, not working yet.
    pub joining: usize,
    /// Of the newest template, working.
    pub ready: usize,
    /// Of the newest template, on their way out.
    pub leaving: usize,
}

/// Counts the nodes that clients could see at a moment; `template` is the newest one.
pub fn count_nodes(lives: &[NodeHistory], template: u32, at: Timestamp) -> NodeCounts {
    let mut tally = NodeCounts::default();
    for history in lives {
        let old = history.template != template;
        match history.stage(at) {
            Some(NodeStage::Draining) if old => tally.draining += 1,
            Some(_) if old => tally.old += 1,
            Some(NodeStage::Joining) => tally.joining += 1,
            Some(NodeStage::Ready) => tally.ready += 1,
            Some(NodeStage::Draining) => tally.leaving += 1,
            None => {}
        }
    }
    tally
}
