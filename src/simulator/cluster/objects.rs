//! What a simulated cluster stores: of each Kubernetes object only what somebody reads, as plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// A text that many objects share.
pub type Text = Arc<str>;
/// Labels or annotations.
pub type LabelMap = BTreeMap<Cow<'static, str>, Text>;

/// The kinds that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `v1 ConfigMap`.
    ConfigMap,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Event,
    MutatingWebhook,
    Namespace,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Budget,
    Secret,
    Service,
    ServiceAccount,
    StatefulSet,
    VolumeAttachment,
    ValidatingWebhook,
}

/// Namespace and name; the namespace is empty for kinds that have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// `metadata.namespace`.
    pub namespace: Text,
    pub name: Text,
}

impl ObjectKey {
    /// Of an object in a namespace.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Of an object of the whole cluster.
    pub fn global(name: &str) -> Self {
        Self::new("", name)
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObject {
    pub meta: ObjectMeta,
    pub body: ObjectBody,
}

/// `metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    pub key: ObjectKey,
    pub uid: Text,
    pub created: Timestamp,
    pub version: u64,
    pub labels: LabelMap,
    pub annotations: LabelMap,
    pub owner: Option<OwnerReference>,
    pub finalizers: Vec<String>,
    pub deletion: Option<Deletion>,
    /// Time of the last entry of `managedFields`, where one is kept.
    pub written: Option<Timestamp>,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReference {
    pub version: &'static str,
    pub kind: &'static str,
    pub name: Text,
    pub uid: Text,
}

/// Deletion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    pub by: Timestamp,
    pub grace: i64,
}

/// What differs between kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectBody {
    ConfigMap(BTreeMap<String, String>),
    Event(Box<StoredEvent>),
    /// Nothing but its name.
    Namespace,
    Node(Box<StoredNode>),
    PersistentVolume(StoredVolume),
    /// The name of the claimed volume.
    PersistentVolumeClaim(Text),
    Pod(Box<StoredPod>),
    Budget(StoredBudget),
    Controller(StoredController),
    Secret(StoredSecret),
    /// Names of the Secrets in `.secrets[]`.
    ServiceAccount(Vec<Text>),
    VolumeAttachment(StoredAttachment),
    Service(StoredService),
    /// What stands behind a service.
    EndpointSlice(Vec<StoredEndpoint>),
    ValidatingWebhook(StoredWebhook),
}

impl ObjectBody {
    /// Its kind.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::ConfigMap(_) => ObjectKind::ConfigMap,
            Self::Event(_) => ObjectKind::Event,
            Self::Namespace => ObjectKind::Namespace,
            Self::Node(_) => ObjectKind::Node,
            Self::PersistentVolume(_) => ObjectKind::PersistentVolume,
            Self::PersistentVolumeClaim(_) => ObjectKind::PersistentVolumeClaim,
            Self::Pod(_) => ObjectKind::Pod,
            Self::Budget(_) => ObjectKind::Budget,
            Self::Controller(controller) => controller.kind,
            Self::Secret(_) => ObjectKind::Secret,
            Self::ServiceAccount(_) => ObjectKind::ServiceAccount,
            Self::VolumeAttachment(_) => ObjectKind::VolumeAttachment,
            Self::Service(_) => ObjectKind::Service,
            Self::EndpointSlice(_) => ObjectKind::EndpointSlice,
            Self::ValidatingWebhook(_) => ObjectKind::ValidatingWebhook,
        }
    }
}

/// `v1 Node`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNode {
    pub ready: Condition,
    /// Condition `Terminating`, once it is there.
    pub terminating: Option<Condition>,
    pub unschedulable: bool,
    pub taints: Vec<Taint>,
    pub machine: Text,
    pub version: Text,
    /// Number from which its addresses follow.
    pub number: u32,
}

impl StoredNode {
    /// Whether it has a taint.
    pub fn has_taint(&self, key: &str) -> bool {
        self.taints.iter().any(|taint| taint.key == key)
    }

    /// Removes a taint.
    pub fn remove_taint(&mut self, key: &str) {
        self.taints.retain(|taint| taint.key != key);
    }

    /// Whether pods without special tolerations may be placed on it.
    pub fn takes_pods(&self) -> bool {
        let closed = |taint: &Taint| taint.effect != "PreferNoSchedule";
        self.ready.status && !self.unschedulable && !self.taints.iter().any(closed)
    }
}

/// A condition that is true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub status: bool,
    /// `lastTransitionTime`.
    pub since: Timestamp,
    pub reason: Cow<'static, str>,
    pub message: Cow<'static, str>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    pub key: Cow<'static, str>,
    pub value: Cow<'static, str>,
    pub effect: Cow<'static, str>,
    /// `timeAdded`.
    pub added: Option<Timestamp>,
}

/// `v1 Pod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPod {
    /// Number of its workload.
    pub workload: usize,
    pub node: Option<Text>,
    /// `spec.nodeSelector`: the pool.
    pub pool: Option<Text>,
    pub cpu: u32,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace: i64,
    /// Claims of its volumes.
    pub claims: Vec<Text>,
    /// Volumes that do not move with it.
    pub local: LocalStorage,
    pub scheduled: Option<Timestamp>,
    /// Why it cannot be placed, while it cannot.
    pub unschedulable: Option<(Timestamp, String)>,
    /// When its containers started; absent while they are made.
    pub started: Option<Timestamp>,
    /// Condition `Ready`, and since when.
    pub ready: (bool, Timestamp),
    /// Number from which its address follows.
    pub number: u32,
}

/// Data of a pod that stays where it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalStorage {
    #[default]
    None,
    EmptyDir,
    HostPath,
    /// A persistent volume on the node's own disk.
    PersistentVolume,
}

/// `v1 Event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// `involvedObject`: kind.
    pub kind: &'static str,
    pub about: ObjectKey,
    pub uid: Text,
    pub reason: &'static str,
    pub message: String,
    /// Whether `type` is `Warning`.
    pub warning: bool,
    /// `source.component`.
    pub component: &'static str,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
}

/// `v1 PersistentVolume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVolume {
    /// Namespace and name of its claim.
    pub claim: ObjectKey,
    /// Zone that it is bound to.
    pub zone: Text,
    /// Node that it is bound to, if it is on a node's own disk.
    pub node: Option<Text>,
}

/// A number or a percentage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub enum IntOrPercent {
    /// A number of pods.
    Int(u32),
    /// A share of the wanted pods ("25%").
    Percent(String),
}

impl IntOrPercent {
    /// The number of pods out of `whole`, rounded up as Kubernetes does.
    pub fn of(&self, whole: u32) -> u32 {
        match self {
            Self::Int(number) => *number,
            Self::Percent(text) => {
                let percent = text.trim_end_matches('%').parse::<u32>().unwrap_or(0);
                whole.saturating_mul(percent).div_ceil(100)
            }
        }
    }
}

/// `policy/v1 PodDisruptionBudget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBudget {
    /// `spec.selector.matchLabels`: value of the label `app`.
    pub app: Text,
    /// `spec.minAvailable`.
    pub min_available: Option<IntOrPercent>,
    /// `spec.maxUnavailable`.
    pub max_unavailable: Option<IntOrPercent>,
    /// `metadata.generation`, which is observed at once.
    pub generation: u32,
    /// `status.disruptionsAllowed`.
    pub allowed: u32,
    /// `status.currentHealthy`.
    pub healthy: u32,
    /// `status.desiredHealthy`.
    pub desired: u32,
    /// `status.expectedPods`.
    pub expected: u32,
}

impl StoredBudget {
    /// Whether it holds up every drain, whatever is waited for (machine-controller-manager: `isMisconfiguredPdb`).
    pub fn is_misconfigured(&self) -> bool {
        self.expected > 0 && self.healthy >= self.expected && self.allowed == 0
    }
}

/// A deployment, stateful set or daemon set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredController {
    pub kind: ObjectKind,
    /// Number of its workload.
    pub workload: usize,
    /// Value of its pods' label `app`.
    pub app: Text,
    /// Pods that it wants.
    pub wanted: u32,
    /// Pods that it has.
    pub there: u32,
    /// Pods of these that are ready.
    pub ready: u32,
    /// `metadata.generation`, which is observed at once.
    pub generation: u32,
}

/// `v1 Secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// `type`.
    pub kind: &'static str,
    /// `data`, decoded.
    pub data: BTreeMap<&'static str, String>,
}

/// Type of Secrets that hold a token of a service account.
pub const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";

/// `storage.k8s.io/v1 VolumeAttachment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttachment {
    pub node: Text,
    pub volume: Text,
    pub attached: bool,
    /// `status.detachError`: when, and the message.
    pub detach_error: Option<(Timestamp, String)>,
}

/// `v1 Service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredService {
    pub app: Text,
    /// Number from which its address follows.
    pub number: u32,
}

/// One of `endpoints` of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEndpoint {
    pub pod: Text,
    pub node: Text,
    /// Number from which the pod's address follows.
    pub number: u32,
    pub serving: bool,
    pub terminating: bool,
}

/// A configuration with one webhook, which is asked about new nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWebhook {
    /// `clientConfig.service`.
    pub service: ObjectKey,
    pub failure_policy: Text,
}

impl StoredObject {
    /// The node, if it is one.
    pub fn node(&self) -> Option<&StoredNode> {
        if let ObjectBody::Node(node) = &self.body { Some(node) } else { None }
    }

    /// The pod, if it is one.
    pub fn pod(&self) -> Option<&StoredPod> {
        if let ObjectBody::Pod(pod) = &self.body { Some(pod) } else { None }
    }

    /// The PodDisruptionBudget, if it is one.
    pub fn budget(&self) -> Option<&StoredBudget> {
        if let ObjectBody::Budget(budget) = &self.body { Some(budget) } else { None }
    }

    /// The deployment, stateful set or daemon set, if it is one.
    pub fn controller(&self) -> Option<&StoredController> {
        if let ObjectBody::Controller(controller) = &self.body { Some(controller) } else { None }
    }

    /// The Secret, if it is one.
    pub fn secret(&self) -> Option<&StoredSecret> {
        if let ObjectBody::Secret(secret) = &self.body { Some(secret) } else { None }
    }

    /// The volume attachment, if it is one.
    pub fn attachment(&self) -> Option<&StoredAttachment> {
        if let ObjectBody::VolumeAttachment(attachment) = &self.body {
            Some(attachment)
        } else {
            None
        }
    }

    /// A label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.meta.labels.get(key).map(AsRef::as_ref)
    }
}
