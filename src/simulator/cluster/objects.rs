//! Storage of a simulated cluster: of each Kubernetes object only the fields in use, as plain data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Labels or annotations.
pub type LabelMap = BTreeMap<Cow<'static, str>, Arc<str>>;

/// Annotation of DaemonSets: the generation of the template.
pub const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The kinds that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    CertificateRequest,
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
    ReplicaSet,
    Secret,
    Service,
    ServiceAccount,
    StatefulSet,
    VolumeAttachment,
    ValidatingWebhook,
}

/// Namespace and name; the namespace is empty for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of an object in a namespace.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of a cluster-scoped object.
    pub fn global(name: impl Into<Arc<str>>) -> Self {
        Self::new("", name)
    }

    /// The key of another object in the same namespace.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: Arc::clone(&self.namespace), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
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
    pub uid: Arc<str>,
    pub created: Timestamp,
    pub version: u64,
    pub labels: LabelMap,
    pub annotations: LabelMap,
    pub owner: Option<OwnerReference>,
    pub finalizers: Vec<String>,
    pub deletion: Option<Deletion>,
    /// Time of the last entry of `managedFields`, for kinds that have one.
    pub written: Option<Timestamp>,
}

impl ObjectMeta {
    /// The metadata of a new object.
    pub fn new(key: ObjectKey, uid: Arc<str>, created: Timestamp) -> Self {
        Self {
            key,
            uid,
            created,
            version: 0,
            labels: LabelMap::new(),
            annotations: LabelMap::new(),
            owner: None,
            finalizers: Vec::new(),
            deletion: None,
            written: None,
        }
    }
}

/// An entry of `ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReference {
    pub version: &'static str,
    pub kind: &'static str,
    pub name: Arc<str>,
    pub uid: Arc<str>,
}

/// `deletionTimestamp` and `deletionGracePeriodSeconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    pub by: Timestamp,
    pub grace: i64,
}

/// The part that is specific to a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectBody {
    CertificateRequest(Box<StoredCertificateRequest>),
    ConfigMap(BTreeMap<String, String>),
    Controller(StoredController),
    EndpointSlice(Vec<StoredEndpoint>),
    Event(Box<StoredEvent>),
    Namespace,
    Node(Box<StoredNode>),
    PersistentVolume(StoredVolume),
    PersistentVolumeClaim(Arc<str>),
    Pod(Box<StoredPod>),
    Budget(StoredBudget),
    Secret(StoredSecret),
    Service(StoredService),
    /// Names of the Secrets in `.secrets[]`.
    ServiceAccount(Vec<Arc<str>>),
    VolumeAttachment(StoredAttachment),
    ValidatingWebhook(StoredWebhook),
}

impl ObjectBody {
    /// The kind of the body.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::CertificateRequest(_) => ObjectKind::CertificateRequest,
            Self::ConfigMap(_) => ObjectKind::ConfigMap,
            Self::Controller(controller) => controller.kind,
            Self::EndpointSlice(_) => ObjectKind::EndpointSlice,
            Self::Event(_) => ObjectKind::Event,
            Self::Namespace => ObjectKind::Namespace,
            Self::Node(_) => ObjectKind::Node,
            Self::PersistentVolume(_) => ObjectKind::PersistentVolume,
            Self::PersistentVolumeClaim(_) => ObjectKind::PersistentVolumeClaim,
            Self::Pod(_) => ObjectKind::Pod,
            Self::Budget(_) => ObjectKind::Budget,
            Self::Secret(_) => ObjectKind::Secret,
            Self::Service(_) => ObjectKind::Service,
            Self::ServiceAccount(_) => ObjectKind::ServiceAccount,
            Self::VolumeAttachment(_) => ObjectKind::VolumeAttachment,
            Self::ValidatingWebhook(_) => ObjectKind::ValidatingWebhook,
        }
    }
}

/// `v1 Node`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNode {
    pub ready: Condition,
    /// Condition `Terminating`, for machines that are being deleted.
    pub terminating: Option<Condition>,
    /// Condition `Preserved`.
    pub preserved: Option<Condition>,
    pub unschedulable: bool,
    pub taints: Vec<Taint>,
    pub machine_type: Arc<str>,
    pub version: Arc<str>,
    /// Addresses are derived from this number.
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

    /// Whether pods without tolerations can be scheduled to it.
    pub fn is_schedulable(&self) -> bool {
        let repels = |taint: &Taint| taint.effect != "PreferNoSchedule";
        self.ready.status && !self.unschedulable && !self.taints.iter().any(repels)
    }
}

/// A condition that is `True` or `False`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub status: bool,
    pub since: Timestamp,
    pub reason: &'static str,
    pub message: &'static str,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    pub key: Cow<'static, str>,
    pub value: Cow<'static, str>,
    pub effect: Cow<'static, str>,
    pub added: Option<Timestamp>,
}

/// `v1 Pod`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPod {
    pub workload: usize,
    pub node: Option<Arc<str>>,
    /// `spec.nodeSelector`: the pool.
    pub pool: Option<Arc<str>>,
    pub cpu: u32,
    pub grace: i64,
    pub claims: Vec<Arc<str>>,
    pub local_storage: LocalStorage,
    pub scheduled: Option<Timestamp>,
    /// Why it cannot be scheduled, and since when.
    pub unschedulable: Option<(Timestamp, String)>,
    pub started: Option<Timestamp>,
    /// When its containers terminated for good.
    pub finished: Option<Timestamp>,
    /// Whether its containers keep crashing.
    pub crashes: bool,
    /// Condition `Ready`, and since when.
    pub ready: (bool, Timestamp),
    /// Revision of its workload's template.
    pub revision: u32,
    /// Its address is derived from this number.
    pub number: u32,
}

impl StoredPod {
    /// `status.phase`.
    pub fn phase(&self) -> &'static str {
        match (self.started, self.finished) {
            (_, Some(_)) => "Succeeded",
            (Some(_), None) => "Running",
            (None, None) => "Pending",
        }
    }
}

/// Storage of a pod that does not move with it.
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
    pub kind: &'static str,
    pub involved: ObjectKey,
    pub uid: Arc<str>,
    pub reason: &'static str,
    pub message: String,
    /// `type`: `Normal` or `Warning`.
    pub severity: &'static str,
    pub component: &'static str,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
}

/// `v1 PersistentVolume`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVolume {
    pub claim: ObjectKey,
    pub zone: Arc<str>,
    /// The node that it is bound to, if it is on a node's local disk.
    pub node: Option<Arc<str>>,
}

/// A number or a percentage of pods.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum IntOrPercent {
    Int(u32),
    /// Including the sign ("25%").
    Percent(String),
}

impl IntOrPercent {
    /// The number of pods out of `total`, rounded up like in Kubernetes.
    pub fn of(&self, total: u32) -> u32 {
        match self {
            Self::Int(number) => *number,
            Self::Percent(text) => {
                let percent = text.trim_end_matches('%').parse::<u32>().unwrap_or(0);
                total.saturating_mul(percent).div_ceil(100)
            }
        }
    }
}

/// `policy/v1 PodDisruptionBudget`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBudget {
    /// `spec.selector.matchLabels.app`.
    pub app: Arc<str>,
    pub min_available: Option<IntOrPercent>,
    pub max_unavailable: Option<IntOrPercent>,
    /// `spec.unhealthyPodEvictionPolicy`.
    pub unhealthy_policy: Option<String>,
    /// `metadata.generation`.
    pub generation: u32,
    /// `status.observedGeneration`.
    pub observed: u32,
    pub allowed: u32,
    pub healthy: u32,
    pub desired: u32,
    pub expected: u32,
}

impl StoredBudget {
    /// Whether another budget has the same spec.
    pub fn has_same_spec(&self, other: &Self) -> bool {
        self.app == other.app
            && self.min_available == other.min_available
            && self.max_unavailable == other.max_unavailable
            && self.unhealthy_policy == other.unhealthy_policy
    }

    /// Whether it blocks every drain forever (machine-controller-manager: `isMisconfiguredPdb`).
    pub fn is_misconfigured(&self) -> bool {
        self.expected > 0 && self.healthy >= self.expected && self.allowed == 0
    }
}

/// A `Deployment`, `ReplicaSet`, `StatefulSet` or `DaemonSet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredController {
    pub kind: ObjectKind,
    pub workload: usize,
    /// Value of its pods' label `app`.
    pub app: Arc<str>,
    /// Desired pods.
    pub replicas: u32,
    pub pods: u32,
    pub ready: u32,
    /// Pods of the current template.
    pub updated: u32,
    /// Revision of the template, incremented by each change of its annotations.
    pub revision: u32,
    /// `spec.template.metadata.annotations`.
    pub template_annotations: LabelMap,
    /// `metadata.generation`, which is observed immediately.
    pub generation: u32,
}

/// `v1 Secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    pub kind: &'static str,
    /// `data`, decoded.
    pub data: BTreeMap<&'static str, String>,
}

/// `storage.k8s.io/v1 VolumeAttachment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAttachment {
    pub node: Arc<str>,
    pub volume: Arc<str>,
    pub attached: bool,
    /// Time and message of `status.detachError`.
    pub detach_error: Option<(Timestamp, &'static str)>,
}

/// `certificates.k8s.io/v1 CertificateSigningRequest` for a client certificate, approved and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificateRequest {
    /// `spec.username`.
    pub user: Arc<str>,
    /// `spec.request`, as PEM.
    pub request: String,
    /// `status.certificate`, as PEM.
    pub certificate: String,
}

/// `v1 Service`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredService {
    pub app: Arc<str>,
    /// Its address is derived from this number.
    pub number: u32,
}

/// One of `endpoints` of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEndpoint {
    pub pod: Arc<str>,
    pub node: Arc<str>,
    /// The pod's address is derived from this number.
    pub number: u32,
    pub serving: bool,
    pub terminating: bool,
}

/// A configuration with one webhook, called for new nodes or evictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWebhook {
    /// `clientConfig.service`.
    pub service: ObjectKey,
    /// The resource whose creation it is called for.
    pub resource: &'static str,
    /// Whether it denies every request.
    pub denies: bool,
    pub failure_policy: Arc<str>,
    /// `metadata.generation`.
    pub generation: u32,
}

macro_rules! bodies {
    ($($get:ident $get_mut:ident $variant:ident $body:ty;)*) => {
        impl StoredObject {
            $(
                /// The body, if it has this kind.
                pub fn $get(&self) -> Option<&$body> {
                    if let ObjectBody::$variant(body) = &self.body { Some(body) } else { None }
                }

                /// The mutable body, if it has this kind.
                pub fn $get_mut(&mut self) -> Option<&mut $body> {
                    if let ObjectBody::$variant(body) = &mut self.body { Some(body) } else { None }
                }
            )*
        }
    };
}

bodies! {
    node node_mut Node StoredNode;
    pod pod_mut Pod StoredPod;
    event event_mut Event StoredEvent;
    budget budget_mut Budget StoredBudget;
    controller controller_mut Controller StoredController;
    secret secret_mut Secret StoredSecret;
    service_account service_account_mut ServiceAccount Vec<Arc<str>>;
    attachment attachment_mut VolumeAttachment StoredAttachment;
}

impl StoredObject {
    /// Increments `metadata.generation` if the spec changed.
    pub fn raise_generation(&mut self, before: &Self) {
        match (&mut self.body, &before.body) {
            (ObjectBody::Budget(budget), ObjectBody::Budget(before)) => {
                budget.generation = before.generation + u32::from(!budget.has_same_spec(before));
            }
            (ObjectBody::Controller(controller), ObjectBody::Controller(before)) => {
                let restarts = controller.template_annotations != before.template_annotations;
                let scales = controller.replicas != before.replicas;
                controller.generation = before.generation + u32::from(restarts || scales);
                if controller.kind == ObjectKind::DaemonSet {
                    let number = controller.generation.to_string();
                    self.meta.annotations.insert(TEMPLATE_GENERATION.into(), number.into());
                }
            }
            (ObjectBody::ValidatingWebhook(webhook), ObjectBody::ValidatingWebhook(before)) => {
                webhook.generation = before.generation + u32::from(webhook != before);
            }
            _ => {}
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.meta.labels.get(key).map(AsRef::as_ref)
    }
}
