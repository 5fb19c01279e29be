//! What can block a roll, as detected.

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
    /// It does not resolve on its own.
    Blocks,
    /// It may resolve on its own, but has lasted too long.
    Delays,
    /// It blocks nothing.
    Note,
}

/// Something that blocks a roll, or is worth knowing in the meantime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    pub cause: BlockerCause,
    /// The waiting node.
    pub node: Option<NodeName>,
    /// The waiting pool and zone.
    pub place: Option<(String, String)>,
    pub since: Option<Since>,
    /// Errors that SKE reports about the same cause.
    pub reported: Vec<ReportedError>,
}

/// Full name of a node as in the API, and short name from its pool on, safe to display.
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

/// What was detected, in order of severity among equally severe ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockerCause {
    /// A PodDisruptionBudget allows no eviction.
    Pdb(PdbBlock),
    /// Pods covered by more than one PodDisruptionBudget, which the eviction API refuses: those of a node, or those of
    /// nodes whose drain has not started.
    SeveralPdbs { pods: NameSample, budgets: Vec<String> },
    /// PREPARING and unhealthy for longer than Gardener retries by default.
    PreparingTooLong,
    /// A service without endpoints that webhooks call for what new nodes need, or for evictions.
    Webhook(WebhookBlock),
    /// No new node joins; number of old nodes left here, and of missing ones.
    NoNewNode { old_left: usize, missing: usize },
    /// SKE reports an error that the cluster itself does not show.
    Reported(ReportedError),
    /// Pods that should have been deleted by now; the finalizers of the first.
    HungPods { pods: NameSample, finalizers: Vec<String> },
    /// Terminating pods within their grace period, which for the last one ends at `until`. `limit`: the platform's
    /// drain timeout, if the node drains.
    GracePeriod { pods: NameSample, until: Timestamp, limit: Option<Timestamp> },
    /// Pods that nothing else blocks are not evicted, and webhooks are called for evictions.
    EvictionWebhook(EvictionBlock),
    /// A failed machine is preserved on purpose and not replaced.
    PreservedNode { reason: Option<String> },
    /// A node to be removed has not been ready for long; with its reason.
    OldNodeNotReady { reason: Option<String> },
    /// A volume does not detach.
    Volume { volume: String, attachment: String, error: Option<String> },
    /// A new node does not become ready; its own reason, and its unready system pods.
    NodeNotReady { why: Option<JoiningReason>, reason: Option<String>, pods: NameSample },
    /// Unschedulable pods of one controller; the scheduler's message about the first.
    UnschedulablePods {
        pods: NameSample,
        owner: Option<OwnerReference>,
        message: String,
        volume: Option<VolumeBinding>,
    },
    /// A PodDisruptionBudget with an unreadable selector, and the reason; it may cover pods of the node.
    UnreadablePdb { budget: ObjectName, reason: String, node: String },
    /// A PodDisruptionBudget that can never allow an eviction covers pods of nodes whose drain has not started.
    PdbAhead { budget: ObjectName, pods: NameSample, fix: PdbFix },
    /// Pods of draining nodes without a controller.
    BarePods(NameSample),
    /// Pods of draining nodes with data in emptyDir or hostPath.
    LocalData(NameSample),
    /// A pod's volume stays on its node.
    LocalVolume { pod: ObjectName, volume: String },
    /// Pods cannot be scheduled, and these pools are at their maximum.
    PoolsAtMaximum(Vec<FullPool>),
    /// The cluster is scheduled for hibernation before the roll is done.
    Hibernation { at: Timestamp, rotation_runs: bool },
    /// The maintenance window opens before the roll is done; `None` if it is open.
    Maintenance { opens: Option<Timestamp> },
}

impl BlockerCause {
    /// When the grace periods of pods end, at the earliest and at the latest.
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
    /// Why the node's unready pods do not run (`CrashLoopBackOff`), if none of its pods is ready; empty if unknown.
    pub unready: Option<String>,
    /// Why the replica that it waits for is missing.
    pub missing: Option<MissingReplica>,
}

/// Why a replica is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingReplica {
    /// It cannot be scheduled; with the scheduler's message.
    Unscheduled(ObjectName, String),
    /// It is scheduled but does not start; with the latest warning.
    NotStarting(ObjectName, String),
    /// It runs but is not ready; with the reason (`CrashLoopBackOff`), empty if unknown.
    NotReady(ObjectName, String),
    /// Nothing would replace one of the pods.
    NoController,
    /// Its controller cannot create it; with the controller's message.
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

/// The change after which a PodDisruptionBudget allows one eviction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PdbFix {
    /// Only another rule helps; the one that allows none ("maxUnavailable 0"), if it is a single one.
    Relax(Option<String>),
    /// Number of additional replicas, or another rule.
    AddReplicas(i64),
    /// Number of its replicas that must become ready.
    AwaitReplicas(i32),
    /// Number of its replicas that must become ready; more do not help, since `maxUnavailable` counts from all.
    RepairReplicas(i32),
    /// Its status is outdated or absent: the disruption controller must update it.
    AwaitStatus,
    /// The disruption controller cannot compute its status; with its message.
    NotComputed(String),
    /// Its pods have no controller to count by.
    UnmanagedPods,
}

/// A service without endpoints that must be called for what new nodes need, or for evictions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebhookBlock {
    pub service: ObjectName,
    /// Kind and name of the configurations whose webhooks call it.
    pub configurations: BTreeSet<(&'static str, String)>,
    pub refused: BTreeSet<NodeResource>,
    /// Whether the webhook is certainly called; conditions and some selectors cannot be evaluated here.
    pub certain: bool,
}

/// Webhooks that are called for pod evictions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvictionBlock {
    pub pods: NameSample,
    /// Kind and name of their configurations.
    pub configurations: BTreeSet<(&'static str, String)>,
    /// The service of one of them, if it has no endpoints.
    pub dead: Option<ObjectName>,
    /// The latest event about a denial.
    pub denial: Option<String>,
}

/// Requests that the API server must accept so that a node can join, or another can be drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeResource {
    Nodes,
    NodeCertificates,
    NodeLeases,
    /// Leases in `kube-system`: leader election of the controllers that create machines and approve certificates.
    SystemLeases,
    /// Pods in `kube-system`.
    SystemPods,
    /// Evictions of pods.
    Evictions,
}

/// A volume that restricts where its pod can run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeBinding {
    pub volume: String,
    /// Zones that may mount it; `None`: bound to one node.
    pub zones: Option<Vec<String>>,
}

/// A pool at its maximum size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FullPool {
    pub pool: String,
    pub maximum: u32,
    /// Full zones with their share; empty if all are full.
    pub zones: Vec<(String, u32)>,
}

/// Namespace (empty for cluster-scoped objects) and name. Displayed as "payments/api", safe to display.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

impl ObjectName {
    /// A namespaced object, or a cluster-scoped one with an empty namespace.
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

/// Count and first names of many objects.
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

    /// How severe the cause is.
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

    /// Whether it does not resolve on its own.
    pub fn stops(&self) -> bool {
        self.severity() == Severity::Blocks
    }

    /// Whether it blocks pod evictions from a draining node.
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

    /// Whether it concerns a pool, or all of them.
    pub fn concerns(&self, pool: &str) -> bool {
        self.place.as_ref().is_none_or(|(waiting, _)| waiting == pool)
    }

    /// The blocking object; `None` if only SKE reports it.
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
