//! What holds a roll up, each with the object's name, since when, why, and what would free it.
//!
//! Only what a snapshot and the SKE API show is said. What SKE reports is put beside what the cluster shows of the
//! same thing; nothing is said twice. Nothing is done about it from here: the commands only look.

pub mod budgets;
mod nodes;
pub mod pods;
mod reported;
pub mod webhooks;

use std::collections::HashMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::{long, since};
use crate::domain::cluster::{Cluster, ReportedError};
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::budgets::BudgetIndex;
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::generation::{RolloutStage, rollout_stage};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::{PoolRoll, PoolState};
use crate::domain::snapshot::{ClusterSnapshot, Pod};
use crate::domain::text::clean;

/// Blockers listed at most.
pub const MAX_BLOCKERS: usize = 100;
/// A PodDisruptionBudget that allows nothing is normal for a moment: the replica that was evicted before must come
/// back first. After this much of a drain it is called a blocker.
const PATIENCE: SignedDuration = SignedDuration::from_mins(3);
/// The machine controller waits this long by default for a new machine's health, and a drain's volumes.
const NODE_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
const VOLUME_PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// The remedy after all others, and what it costs.
const LAST_RESORT: &str = "As a last resort, deleting the Node object makes the platform remove and replace the machine; its pods go without a drain.";

/// What kind of thing it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockerKind {
    /// A PodDisruptionBudget that can never allow an eviction as it is.
    MisconfiguredBudget,
    /// A pod under more than one PodDisruptionBudget, which the eviction API refuses.
    SeveralBudgets,
    /// PREPARING for more than 12 hours and unhealthy.
    GaveUp,
    /// Webhooks that nobody can ask refuse what new nodes need.
    Webhook,
    /// No new node comes.
    NoNewNode,
    /// SKE reports an error that is known to hold up a roll, and nothing here shows it.
    Reported,
    /// A PodDisruptionBudget that allows no eviction now.
    Budget,
    /// A pod that should be gone by now.
    HungPod,
    /// A volume that does not detach.
    Volume,
    /// A new node that does not become ready.
    NodeNotReady,
    /// Pods that find no node.
    PendingPods,
    /// SKE reports another error.
    OtherReport,
    /// A PodDisruptionBudget that cannot be judged from here.
    UnreadableBudget,
    /// Webhooks that nobody can ask may refuse what new nodes need.
    UnclearWebhook,
    /// Pods that do not come back, because nothing controls them.
    BarePods,
    /// Pods that lose what they keep on the node's disk.
    LocalData,
    /// Pods whose volume stays on its node.
    LocalVolumes,
    /// Pods without room, and no pool may grow.
    AtMaximum,
    /// The cluster is to fall asleep before the roll is done.
    Hibernation,
    /// The maintenance window begins before the roll is done.
    Maintenance,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does not go away by itself.
    Stops,
    /// It may go away by itself, but has lasted too long.
    Holds,
    /// It holds nothing up; take note.
    Note,
}

impl BlockerKind {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::MisconfiguredBudget
            | Self::SeveralBudgets
            | Self::GaveUp
            | Self::Webhook
            | Self::NoNewNode
            | Self::Reported => Severity::Stops,
            Self::Budget
            | Self::HungPod
            | Self::Volume
            | Self::NodeNotReady
            | Self::PendingPods
            | Self::OtherReport => Severity::Holds,
            Self::UnreadableBudget
            | Self::UnclearWebhook
            | Self::BarePods
            | Self::LocalData
            | Self::LocalVolumes
            | Self::AtMaximum
            | Self::Hibernation
            | Self::Maintenance => Severity::Note,
        }
    }
}

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    pub kind: &'static str,
    /// Namespace; empty for what has none.
    pub namespace: String,
    /// Name, as the API writes it.
    pub name: String,
}

impl Object {
    fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Object {
    /// "PodDisruptionBudget payments/api", safe to draw.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        f.write_str(" ")?;
        f.write_str(&place(&self.namespace, &self.name))
    }
}

/// Something that holds a roll up, or is worth knowing while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    pub kind: BlockerKind,
    /// The object that is in the way.
    pub object: Option<Object>,
    /// Name of the node that waits, as the API writes it.
    pub node: Option<String>,
    /// Pool and zone that wait.
    pub place: Option<(String, String)>,
    pub since: Option<Since>,
    /// What it is, as a clause without times ("PodDisruptionBudget payments/api allows 0"): the same as long as it lasts.
    pub brief: String,
    /// Why, as a sentence.
    pub why: String,
    /// What would free it, as a sentence.
    pub frees: String,
    /// A command that looks at it.
    pub command: Option<Kubectl>,
    /// What SKE reports about the same.
    pub reported: Vec<ReportedError>,
}

impl Blocker {
    fn new(
        kind: BlockerKind,
        brief: impl Into<String>,
        why: String,
        frees: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            object: None,
            node: None,
            place: None,
            since: None,
            brief: brief.into(),
            why,
            frees: frees.into(),
            command: None,
            reported: Vec::new(),
        }
    }

    /// Whether it keeps a draining node from going.
    pub fn holds_drain(&self) -> bool {
        let kind = match self.kind {
            BlockerKind::MisconfiguredBudget
            | BlockerKind::SeveralBudgets
            | BlockerKind::Budget
            | BlockerKind::HungPod
            | BlockerKind::Volume => true,
            BlockerKind::GaveUp
            | BlockerKind::Webhook
            | BlockerKind::NoNewNode
            | BlockerKind::Reported
            | BlockerKind::NodeNotReady
            | BlockerKind::PendingPods
            | BlockerKind::OtherReport
            | BlockerKind::UnreadableBudget
            | BlockerKind::UnclearWebhook
            | BlockerKind::BarePods
            | BlockerKind::LocalData
            | BlockerKind::LocalVolumes
            | BlockerKind::AtMaximum
            | BlockerKind::Hibernation
            | BlockerKind::Maintenance => false,
        };
        kind && self.node.is_some()
    }

    /// Whether it does not go away by itself.
    pub fn stops(&self) -> bool {
        self.kind.severity() == Severity::Stops
    }

    /// Whether it is about a pool, or about all of them.
    pub fn concerns(&self, pool: &str) -> bool {
        self.place.as_ref().is_none_or(|(waiting, _)| waiting == pool)
    }

    /// The object, or what stands for it ("PodDisruptionBudget payments/api", "SKE").
    pub fn object_text(&self) -> String {
        self.object.as_ref().map_or_else(|| "SKE".to_owned(), Object::to_string)
    }
}

/// What blockers are looked for in.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    pub cluster: &'a Cluster,
    pub snapshot: &'a ClusterSnapshot,
    /// Its pools, classified.
    pub pools: &'a [PoolRoll],
    pub history: &'a RollHistory,
    /// Both clocks.
    pub clock: ClusterClock,
}

impl Scene<'_> {
    /// Whether something that began then cannot be of this rotation's roll.
    fn is_older(&self, began: Timestamp) -> bool {
        let rotation = &self.cluster.rotation;
        rollout_stage(rotation) == RolloutStage::Rolling
            && rotation.initiated.is_some_and(|started| began < started)
    }
}

/// The pods that matter for a roll: one pass over all pods, and everything after it looks at these only.
pub struct BlockerDraft<'a> {
    /// Pods that a drain must move, of old nodes and of new ones that go again.
    pub leaving: Vec<(&'a Pod, &'a NodeRoll)>,
    /// Pods on joining nodes that are not ready, by the node's name.
    pub starting: HashMap<&'a str, Vec<&'a Pod>>,
    /// Pods that the scheduler finds no node for, since when, by our clock.
    pub pending: Vec<(&'a Pod, Option<Timestamp>)>,
}

impl<'a> BlockerDraft<'a> {
    fn of(scene: &Scene<'a>) -> Self {
        let concerned: HashMap<&str, &NodeRoll> = scene
            .pools
            .iter()
            .flat_map(PoolRoll::nodes)
            .filter(|node| is_drained(node) || node.stage == NodeStage::Joining)
            .map(|node| (node.name.as_str(), node))
            .collect();
        let mut out = Self { leaving: Vec::new(), starting: HashMap::new(), pending: Vec::new() };
        for pod in &scene.snapshot.pods {
            if let Some((since, _)) = &pod.unscheduled
                && pod.pending
                && pod.deleted_by.is_none()
            {
                out.pending.push((pod, since.map(|at| scene.clock.ours(at))));
            }
            let Some(node) = pod.node.as_deref().and_then(|name| concerned.get(name)) else {
                continue;
            };
            if is_drained(node) && !pod.stays_on_its_node() {
                out.leaving.push((pod, node));
            } else if node.stage == NodeStage::Joining && !pod.ready {
                out.starting.entry(&node.name).or_default().push(pod);
            }
        }
        out
    }
}

/// Whether pods are being evicted from a node.
fn is_drained(node: &NodeRoll) -> bool {
    matches!(node.stage, NodeStage::Draining | NodeStage::Leaving)
}

/// Everything that holds the roll up, worst and longest first, not bounded. Empty when nothing rolls.
pub fn find(scene: &Scene<'_>) -> Vec<Blocker> {
    let rolls = |pool: &PoolRoll| match pool.state {
        PoolState::NotBegun | PoolState::Rolling | PoolState::AllNew | PoolState::Missing => true,
        PoolState::Settled | PoolState::Empty => false,
    };
    if rollout_stage(&scene.cluster.rotation) != RolloutStage::Rolling
        && !scene.pools.iter().any(rolls)
    {
        return Vec::new();
    }
    let gathered = BlockerDraft::of(scene);
    let index = BudgetIndex::of(&scene.snapshot.budgets);
    let mut out = Vec::new();
    let explained = budgets::find(scene, &gathered, &index, &mut out);
    pods::find(scene, &gathered, &explained, &mut out);
    let kept_away = webhooks::find(scene, &mut out);
    nodes::find(scene, &gathered, kept_away, &mut out);
    reported::find(scene, &mut out);
    out.sort_by(|a, b| order(a).cmp(&order(b)));
    out
}

/// What keeps a node from going comes before what may have to do with the roll.
fn order(blocker: &Blocker) -> (Severity, bool, Timestamp, BlockerKind, &str) {
    let since = blocker.since.map_or(Timestamp::MAX, |since| since.at);
    (blocker.kind.severity(), !blocker.holds_drain(), since, blocker.kind, &blocker.why)
}

/// "payments/api-6f9", safe to draw.
fn place(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { clean(name) } else { clean(&format!("{namespace}/{name}")) }
}

/// "web-7 waits 47m".
fn waits(node: &NodeRoll, since: Option<Since>, clock: ClusterClock) -> String {
    match since {
        Some(began) => format!("{} waits {}", node.short, lasting(began, clock)),
        None => format!("{} waits", node.short),
    }
}

/// "47m", or "at least 47m" when it may have begun before it was seen.
fn lasting(began: Since, clock: ClusterClock) -> String {
    let lasted = long(since(began.at, clock.now()));
    if began.at_least { format!("at least {lasted}") } else { lasted }
}

/// "pool web in eu01-2".
fn where_it_is(pool: &str, zone: &str) -> String {
    match (pool, zone) {
        ("", "") => "the nodes without a pool".to_owned(),
        ("", zone) => format!("the nodes without a pool in {}", clean(zone)),
        (pool, "") => format!("pool {}", clean(pool)),
        (pool, zone) => format!("pool {} in {}", clean(pool), clean(zone)),
    }
}
