//! What a simulated cluster stores: of each Kubernetes object only what somebody reads, as plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// A text that many objects share.
pub type Text = Arc<str>;
/// Labels or annotations.
pub type Labels = BTreeMap<Cow<'static, str>, Text>;

/// The kinds that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `v1 ConfigMap`.
    ConfigMap,
    /// `apps/v1 DaemonSet`.
    DaemonSet,
    /// `apps/v1 Deployment`.
    Deployment,
    /// `discovery.k8s.io/v1 EndpointSlice`.
    Endpoints,
    /// `v1 Event`.
    Event,
    /// `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`; there are none.
    MutatingWebhook,
    /// `v1 Namespace`.
    Namespace,
    /// `v1 Node`.
    Node,
    /// `v1 PersistentVolume`.
    Volume,
    /// `v1 PersistentVolumeClaim`.
    Claim,
    /// `v1 Pod`.
    Pod,
    /// `policy/v1 PodDisruptionBudget`.
    Budget,
    /// `v1 Secret`.
    Secret,
    /// `v1 Service`.
    Service,
    /// `v1 ServiceAccount`.
    ServiceAccount,
    /// `apps/v1 StatefulSet`.
    StatefulSet,
    /// `storage.k8s.io/v1 VolumeAttachment`.
    Attachment,
    /// `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration`.
    Webhook,
}

/// Namespace and name; the namespace is empty for kinds that have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `metadata.namespace`.
    pub namespace: Text,
    /// `metadata.name`.
    pub name: Text,
}

impl Key {
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
pub struct Object {
    /// `metadata`.
    pub meta: Meta,
    /// The rest.
    pub body: Body,
}

/// `metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// `uid`.
    pub uid: Text,
    /// `creationTimestamp`.
    pub created: Timestamp,
    /// `resourceVersion`; the store writes it.
    pub version: u64,
    /// `labels`.
    pub labels: Labels,
    /// `annotations`.
    pub annotations: Labels,
    /// The controller among `ownerReferences`.
    pub owner: Option<Owner>,
    /// `finalizers`.
    pub finalizers: Vec<String>,
    /// Deletion began.
    pub deletion: Option<Deletion>,
    /// Time of the last entry of `managedFields`, where one is kept.
    pub written: Option<Timestamp>,
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `apiVersion`.
    pub version: &'static str,
    /// `kind`.
    pub kind: &'static str,
    /// `name`.
    pub name: Text,
    /// `uid`.
    pub uid: Text,
}

/// Deletion under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// `deletionTimestamp`: when it should be over.
    pub by: Timestamp,
    /// `deletionGracePeriodSeconds`.
    pub grace: i64,
}

/// What differs between kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Data.
    ConfigMap(BTreeMap<String, String>),
    /// An event.
    Event(Box<Event>),
    /// Nothing but its name.
    Namespace,
    /// A node.
    Node(Box<Node>),
    /// A persistent volume.
    Volume(Volume),
    /// The name of the claimed volume.
    Claim(Text),
    /// A pod.
    Pod(Box<Pod>),
    /// A PodDisruptionBudget.
    Budget(Budget),
    /// A deployment, stateful set or daemon set.
    Controller(Controller),
    /// A secret.
    Secret(Secret),
    /// Names of the Secrets in `.secrets[]`.
    ServiceAccount(Vec<Text>),
    /// A volume attachment.
    Attachment(Attachment),
    /// A service.
    Service(Service),
    /// What stands behind a service.
    Endpoints(Vec<Endpoint>),
    /// A webhook.
    Webhook(Webhook),
}

impl Body {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ConfigMap(_) => Kind::ConfigMap,
            Self::Event(_) => Kind::Event,
            Self::Namespace => Kind::Namespace,
            Self::Node(_) => Kind::Node,
            Self::Volume(_) => Kind::Volume,
            Self::Claim(_) => Kind::Claim,
            Self::Pod(_) => Kind::Pod,
            Self::Budget(_) => Kind::Budget,
            Self::Controller(controller) => controller.kind,
            Self::Secret(_) => Kind::Secret,
            Self::ServiceAccount(_) => Kind::ServiceAccount,
            Self::Attachment(_) => Kind::Attachment,
            Self::Service(_) => Kind::Service,
            Self::Endpoints(_) => Kind::Endpoints,
            Self::Webhook(_) => Kind::Webhook,
        }
    }
}

/// `v1 Node`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Condition `Ready`.
    pub ready: Condition,
    /// Condition `Terminating`, once it is there.
    pub terminating: Option<Condition>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// Machine type.
    pub machine: Text,
    /// Version of kubelet.
    pub version: Text,
    /// Number from which its addresses follow.
    pub number: u32,
}

impl Node {
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
    /// Whether it is true.
    pub status: bool,
    /// `lastTransitionTime`.
    pub since: Timestamp,
    /// `reason`.
    pub reason: Cow<'static, str>,
    /// `message`.
    pub message: Cow<'static, str>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// `key`.
    pub key: Cow<'static, str>,
    /// `value`.
    pub value: Cow<'static, str>,
    /// `effect`.
    pub effect: Cow<'static, str>,
    /// `timeAdded`.
    pub added: Option<Timestamp>,
}

/// `v1 Pod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Number of its workload.
    pub workload: usize,
    /// `spec.nodeName`.
    pub node: Option<Text>,
    /// `spec.nodeSelector`: the pool.
    pub pool: Option<Text>,
    /// Millicores that it asks for.
    pub cpu: u32,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace: i64,
    /// Claims of its volumes.
    pub claims: Vec<Text>,
    /// Volumes that do not move with it.
    pub local: Local,
    /// When it was placed on its node.
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
pub enum Local {
    /// None.
    #[default]
    Nothing,
    /// An `emptyDir`.
    EmptyDir,
    /// A `hostPath`.
    HostPath,
    /// A persistent volume on the node's own disk.
    OwnDisk,
}

/// `v1 Event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `involvedObject`: kind.
    pub kind: &'static str,
    /// `involvedObject`: namespace and name.
    pub about: Key,
    /// `involvedObject`: uid.
    pub uid: Text,
    /// `reason`.
    pub reason: &'static str,
    /// `message`.
    pub message: String,
    /// Whether `type` is `Warning`.
    pub warning: bool,
    /// `source.component`.
    pub component: &'static str,
    /// `firstTimestamp`.
    pub first: Timestamp,
    /// `lastTimestamp`.
    pub last: Timestamp,
    /// `count`.
    pub count: u32,
}

/// `v1 PersistentVolume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Namespace and name of its claim.
    pub claim: Key,
    /// Zone that it is bound to.
    pub zone: Text,
    /// Node that it is bound to, if it is on a node's own disk.
    pub node: Option<Text>,
}

/// A number or a percentage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// A number of pods.
    Number(u32),
    /// A share of the wanted pods ("25%").
    Percent(String),
}

impl Amount {
    /// The number of pods out of `whole`, rounded up as Kubernetes does.
    pub fn of(&self, whole: u32) -> u32 {
        match self {
            Self::Number(number) => *number,
            Self::Percent(text) => {
                let percent = text.trim_end_matches('%').parse::<u32>().unwrap_or(0);
                whole.saturating_mul(percent).div_ceil(100)
            }
        }
    }
}

/// `policy/v1 PodDisruptionBudget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// `spec.selector.matchLabels`: value of the label `app`.
    pub app: Text,
    /// `spec.minAvailable`.
    pub min_available: Option<Amount>,
    /// `spec.maxUnavailable`.
    pub max_unavailable: Option<Amount>,
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

impl Budget {
    /// Whether it holds up every drain, whatever is waited for (machine-controller-manager: `isMisconfiguredPdb`).
    pub fn is_misconfigured(&self) -> bool {
        self.expected > 0 && self.healthy >= self.expected && self.allowed == 0
    }
}

/// A deployment, stateful set or daemon set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Which of them.
    pub kind: Kind,
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
pub struct Secret {
    /// `type`.
    pub kind: &'static str,
    /// `data`, decoded.
    pub data: BTreeMap<&'static str, String>,
}

/// Type of Secrets that hold a token of a service account.
pub const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";

/// `storage.k8s.io/v1 VolumeAttachment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `spec.nodeName`.
    pub node: Text,
    /// `spec.source.persistentVolumeName`.
    pub volume: Text,
    /// `status.attached`.
    pub attached: bool,
    /// `status.detachError`: when, and the message.
    pub detach_error: Option<(Timestamp, String)>,
}

/// `v1 Service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `spec.selector`: value of the label `app`.
    pub app: Text,
    /// Number from which its address follows.
    pub number: u32,
}

/// One of `endpoints` of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `targetRef.name`.
    pub pod: Text,
    /// `nodeName`.
    pub node: Text,
    /// Number from which the pod's address follows.
    pub number: u32,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
}

/// A configuration with one webhook, which is asked about new nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `clientConfig.service`.
    pub service: Key,
    /// `failurePolicy`.
    pub failure_policy: Text,
}

impl Object {
    /// The node, if it is one.
    pub fn node(&self) -> Option<&Node> {
        if let Body::Node(node) = &self.body { Some(node) } else { None }
    }

    /// The pod, if it is one.
    pub fn pod(&self) -> Option<&Pod> {
        if let Body::Pod(pod) = &self.body { Some(pod) } else { None }
    }

    /// The PodDisruptionBudget, if it is one.
    pub fn budget(&self) -> Option<&Budget> {
        if let Body::Budget(budget) = &self.body { Some(budget) } else { None }
    }

    /// The deployment, stateful set or daemon set, if it is one.
    pub fn controller(&self) -> Option<&Controller> {
        if let Body::Controller(controller) = &self.body { Some(controller) } else { None }
    }

    /// The Secret, if it is one.
    pub fn secret(&self) -> Option<&Secret> {
        if let Body::Secret(secret) = &self.body { Some(secret) } else { None }
    }

    /// The volume attachment, if it is one.
    pub fn attachment(&self) -> Option<&Attachment> {
        if let Body::Attachment(attachment) = &self.body { Some(attachment) } else { None }
    }

    /// A label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.meta.labels.get(key).map(AsRef::as_ref)
    }
}
