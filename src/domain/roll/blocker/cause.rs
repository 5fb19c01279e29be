//! What can block a roll, as it was detected.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::domain::cluster::ReportedError;
use crate::domain::roll::classify::{JoiningReason, NodeRoll, Since};
use crate::domain::snapshot::{Budget, OwnerReference, Pod};
use crate::domain::text::clean;

/// How bad a blocker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does not end by itself.
    Blocks,
    /// It may end by itself, but has lasted too long.
    Delays,
    /// It blocks nothing.
    Note,
}

/// Something that blocks a roll, or is worth knowing while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    pub cause: BlockerCause,
    /// The node that waits.
    pub node: Option<NodeName>,
    /// Pool and zone that wait.
    pub place: Option<(String, String)>,
    pub since: Option<Since>,
    /// What SKE reports about the same.
    pub reported: Vec<ReportedError>,
}

/// A node's name in full, as the API writes it, and from its pool on, safe to draw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeName {
    pub full: String,
    pub short: String,
}

impl From<&NodeRoll> for NodeName {
    fn from(node: &NodeRoll) -> Self {
        Self { full: node.name.clone(), short: node.short.clone() }
    }
}

/// What was detected, worst first among what is equally bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockerCause {
    /// A PodDisruptionBudget allows no eviction.
    Pdb(PdbBlock),
    /// The eviction API refuses pods that more than one PodDisruptionBudget covers; of a node, or of those whose drain has
    /// not begun.
    SeveralPdbs { pods: NameSample, budgets: Vec<String> },
    /// PREPARING and unhealthy for longer than Gardener retries by default.
    PreparingTooLong,
    /// Webhooks call a service without endpoints about what new nodes need, or about evictions.
    Webhook(WebhookBlock),
    /// No new node joins; how many old ones are left here, or are missing.
    NoNewNode { old_left: usize, missing: usize },
    /// SKE reports an error of which the cluster itself shows nothing.
    Reported(ReportedError),
    /// Pods that should be deleted by now; the finalizers of the first.
    HungPods { pods: NameSample, finalizers: Vec<String> },
    /// Pods that are being deleted may stay until their grace period is over; the last of them until then. The
    /// platform's drain limit, where the node drains.
    GracePeriod { pods: NameSample, until: Timestamp, limit: Option<Timestamp> },
    /// Pods that nothing else blocks are not evicted, and webhooks are asked about evictions.
    EvictionWebhook(EvictionBlock),
    /// A machine that failed is preserved on purpose, and no other one replaces it.
    PreservedNode { reason: Option<String> },
    /// A node that is to be removed has not been ready for long; its reason.
    OldNodeNotReady { reason: Option<String> },
    /// A volume does not detach.
    Volume { volume: String, attachment: String, error: Option<String> },
    /// A new node does not become ready; its own reason, and its system pods that are not ready.
    NodeNotReady { why: Option<JoiningReason>, reason: Option<String>, pods: NameSample },
    /// Pods of one controller cannot be scheduled; the scheduler's message about the first.
    UnschedulablePods {
        pods: NameSample,
        owner: Option<OwnerReference>,
        message: String,
        volume: Option<VolumeBinding>,
    },
    /// A PodDisruptionBudget whose selector cannot be read, and why; it may cover pods of the node.
    UnreadablePdb { budget: ObjectName, reason: String, node: String },
    /// A PodDisruptionBudget that can allow no eviction covers pods of nodes whose drain has not begun.
    PdbAhead { budget: ObjectName, pods: NameSample, fix: PdbFix },
    /// Pods of draining nodes that have no controller.
    BarePods(NameSample),
    /// Pods of draining nodes that have data in emptyDir or hostPath.
    LocalData(NameSample),
    /// A pod's volume stays on its node.
    LocalVolume { pod: ObjectName, volume: String },
    /// Pods cannot be scheduled, and these pools may not grow.
    PoolsAtMaximum(Vec<FullPool>),
    /// The cluster is to be hibernated before the roll is done.
    Hibernation { at: Timestamp, rotation_runs: bool },
    /// The maintenance window begins before the roll is done; `None` when it is open.
    Maintenance { opens: Option<Timestamp> },
}

impl BlockerCause {
    /// When pods in their grace period have ended, at the earliest and at the latest.
    pub fn grace_period(&self) -> Option<(Timestamp, Timestamp)> {
        let Self::GracePeriod { until, limit, .. } = self else { return None };
        Some((limit.map_or(*until, |limit| limit.min(*until)), *until))
    }
}

/// A PodDisruptionBudget that allows no eviction, and the pods that it blocks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PdbBlock {
    pub budget: ObjectName,
    /// It can never allow an eviction as it is.
    pub misconfigured: bool,
    /// The pods of the node that cannot be evicted.
    pub pods: NameSample,
    /// `None` while its status is of an earlier spec.
    pub status: Option<PdbStatus>,
    pub fix: PdbFix,
    /// What keeps the pods of the node that are not ready from running (`CrashLoopBackOff`), where none of them is
    /// ready; empty while that is not known.
    pub unready: Option<String>,
    /// Why the replica that it waits for does not come.
    pub missing: Option<MissingReplica>,
}

/// Why a replica does not come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReplica {
    /// It cannot be scheduled, and the scheduler's message.
    Unscheduled(ObjectName, String),
    /// It is scheduled and does not start, and the latest warning about that.
    NotStarting(ObjectName, String),
    /// It runs and is not ready, and what keeps it from that (`CrashLoopBackOff`); empty while that is not known.
    NotReady(ObjectName, String),
    /// Nothing would replace one of the pods.
    NoController,
    /// Its controller cannot create it, and the controller's message.
    NotCreated(ObjectName, String),
    /// The API server rejects new pods of its namespace: a webhook's service has no endpoints.
    Rejected(ObjectName),
}

/// Pods that a PodDisruptionBudget counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PdbStatus {
    pub desired: i32,
    pub healthy: i32,
    pub expected: i32,
}

/// What lets a PodDisruptionBudget allow one eviction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PdbFix {
    /// Only another rule; the one that allows none ("maxUnavailable 0"), where one does alone.
    Relax(Option<String>),
    /// So many replicas more, or another rule.
    AddReplicas(i64),
    /// So many of its replicas must become ready.
    AwaitReplicas(i32),
    /// So many of its replicas must become ready, and further ones do not help: `maxUnavailable` counts from all.
    RepairReplicas(i32),
    /// Its status is of an earlier spec, or absent: the disruption controller must update it.
    AwaitStatus,
    /// The disruption controller cannot compute its status, and its message.
    NotComputed(String),
    /// Its pods have no controller that it could count by.
    UnmanagedPods,
}

/// A service without endpoints that must be called about what new nodes need, or about evictions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebhookBlock {
    pub service: ObjectName,
    /// Kind and name of the configurations whose webhooks call it.
    pub configurations: BTreeSet<(&'static str, String)>,
    pub refused: BTreeSet<NodeResource>,
    /// Whether the webhook is certainly called; conditions and some selectors cannot be evaluated here.
    pub certain: bool,
}

/// Webhooks that are asked before a pod is evicted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvictionBlock {
    pub pods: NameSample,
    /// Kind and name of their configurations.
    pub configurations: BTreeSet<(&'static str, String)>,
    /// The service of one of them, which has no endpoints.
    pub dead: Option<ObjectName>,
    /// What the latest event says about a denial.
    pub denial: Option<String>,
}

/// What the API server must accept so that a node joins, and another one is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeResource {
    Nodes,
    NodeCertificates,
    NodeLeases,
    /// Leases in `kube-system`: by these the controllers that create machines and approve certificates find their leader.
    SystemLeases,
    /// Pods in `kube-system`.
    SystemPods,
    /// Evictions of pods.
    Evictions,
}

/// A volume that cannot follow a pod everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeBinding {
    pub volume: String,
    /// Zones that may mount it; `None`: it stays on one node.
    pub zones: Option<Vec<String>>,
}

/// A pool that has all the nodes that it may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FullPool {
    pub pool: String,
    pub maximum: u32,
    /// Zones that are full, with their share; empty when all are.
    pub zones: Vec<(String, u32)>,
}

/// Namespace, empty for what has none, and name of an object. Written as "payments/api", safe to draw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

impl ObjectName {
    /// The name of an object in a namespace, or of one without.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl From<&Pod> for ObjectName {
    fn from(pod: &Pod) -> Self {
        Self::new(&pod.namespace, &pod.name)
    }
}

impl From<&Budget> for ObjectName {
    fn from(budget: &Budget) -> Self {
        Self::new(&budget.namespace, &budget.name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&clean(&self.name))
        } else {
            f.write_str(&clean(&format!("{}/{}", self.namespace, self.name)))
        }
    }
}

/// The first few of many objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameSample {
    pub count: usize,
    /// Three at most.
    pub first: Vec<ObjectName>,
}

impl<T: Into<ObjectName>> FromIterator<T> for NameSample {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut all = all.into_iter();
        let first: Vec<ObjectName> = all.by_ref().take(3).map(Into::into).collect();
        Self { count: first.len() + all.count(), first }
    }
}

/// Kind and name of an object ("PodDisruptionBudget payments/api").
pub type ObjectReference = (&'static str, ObjectName);

impl Blocker {
    /// A blocker of the whole roll.
    pub fn new(cause: BlockerCause, since: Option<Since>) -> Self {
        Self { cause, node: None, place: None, since, reported: Vec::new() }
    }

    /// A blocker of one node.
    pub fn of_node(cause: BlockerCause, node: &NodeRoll, since: Option<Since>) -> Self {
        let place = Some((node.pool.clone(), node.zone.clone()));
        Self { node: Some(node.into()), place, ..Self::new(cause, since) }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match &self.cause {
            BlockerCause::SeveralPdbs { .. } if self.node.is_none() => Severity::Note,
            BlockerCause::Pdb(PdbBlock { misconfigured: true, .. })
            | BlockerCause::SeveralPdbs { .. }
            | BlockerCause::PreparingTooLong
            | BlockerCause::Webhook(WebhookBlock { certain: true, .. })
            | BlockerCause::EvictionWebhook(EvictionBlock { dead: Some(_), .. })
            | BlockerCause::PreservedNode { .. }
            | BlockerCause::NoNewNode { .. } => Severity::Blocks,
            BlockerCause::Reported(problem) if problem.blocks_roll() => Severity::Blocks,
            BlockerCause::Pdb(_)
            | BlockerCause::HungPods { .. }
            | BlockerCause::GracePeriod { .. }
            | BlockerCause::EvictionWebhook(_)
            | BlockerCause::OldNodeNotReady { .. }
            | BlockerCause::Volume { .. }
            | BlockerCause::NodeNotReady { .. }
            | BlockerCause::UnschedulablePods { .. }
            | BlockerCause::Reported(_) => Severity::Delays,
            BlockerCause::UnreadablePdb { .. }
            | BlockerCause::PdbAhead { .. }
            | BlockerCause::Webhook(_)
            | BlockerCause::BarePods(_)
            | BlockerCause::LocalData(_)
            | BlockerCause::LocalVolume { .. }
            | BlockerCause::PoolsAtMaximum(_)
            | BlockerCause::Hibernation { .. }
            | BlockerCause::Maintenance { .. } => Severity::Note,
        }
    }

    /// Whether it does not end by itself.
    pub fn stops(&self) -> bool {
        self.severity() == Severity::Blocks
    }

    /// Whether it blocks the eviction of pods from a draining node.
    pub fn blocks_drain(&self) -> bool {
        let of_pods = matches!(
            self.cause,
            BlockerCause::Pdb(_)
                | BlockerCause::SeveralPdbs { .. }
                | BlockerCause::HungPods { .. }
                | BlockerCause::GracePeriod { .. }
                | BlockerCause::EvictionWebhook(_)
                | BlockerCause::Volume { .. }
        );
        of_pods && self.node.is_some()
    }

    /// Whether it is about a pool, or about all of them.
    pub fn concerns(&self, pool: &str) -> bool {
        self.place.as_ref().is_none_or(|(waiting, _)| waiting == pool)
    }

    /// The object that blocks; `None` where only SKE reports it.
    pub fn object(&self) -> Option<ObjectReference> {
        let cluster_wide = |name: &str| ObjectName::new("", name);
        let first = |pods: &NameSample| Some(("Pod", pods.first.first()?.clone()));
        match &self.cause {
            BlockerCause::Pdb(PdbBlock { budget, .. })
            | BlockerCause::PdbAhead { budget, .. }
            | BlockerCause::UnreadablePdb { budget, .. } => {
                Some(("PodDisruptionBudget", budget.clone()))
            }
            BlockerCause::SeveralPdbs { pods, .. }
            | BlockerCause::HungPods { pods, .. }
            | BlockerCause::GracePeriod { pods, .. }
            | BlockerCause::EvictionWebhook(EvictionBlock { pods, .. })
            | BlockerCause::UnschedulablePods { pods, .. }
            | BlockerCause::BarePods(pods)
            | BlockerCause::LocalData(pods) => first(pods),
            BlockerCause::Webhook(webhook) => Some(("Service", webhook.service.clone())),
            BlockerCause::Volume { attachment, .. } => {
                Some(("VolumeAttachment", cluster_wide(attachment)))
            }
            BlockerCause::LocalVolume { volume, .. } => {
                Some(("PersistentVolume", cluster_wide(volume)))
            }
            BlockerCause::NodeNotReady { .. }
            | BlockerCause::PreservedNode { .. }
            | BlockerCause::OldNodeNotReady { .. } => {
                Some(("Node", cluster_wide(&self.node.as_ref()?.full)))
            }
            BlockerCause::NoNewNode { .. } => {
                Some(("node pool", cluster_wide(&self.place.as_ref()?.0)))
            }
            BlockerCause::PoolsAtMaximum(pools) => {
                Some(("node pool", cluster_wide(&pools.first()?.pool)))
            }
            BlockerCause::PreparingTooLong
            | BlockerCause::Reported(_)
            | BlockerCause::Hibernation { .. }
            | BlockerCause::Maintenance { .. } => None,
        }
    }
}
