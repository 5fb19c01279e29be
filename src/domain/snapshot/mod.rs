//! State from a cluster's own Kubernetes API, reduced to what a rotation needs. Plain data; the rules are in `roll`.

pub mod admission;
mod labels;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::checklist::SharedChecklist;
use crate::domain::credential::{ClientCertificate, Issuance, SigningKeys};
use crate::domain::failure::Failure;
use crate::domain::snapshot::admission::{Endpoints, Namespace, WebhookConfiguration};
pub use crate::domain::snapshot::labels::{Labels, Requirement, Selector};

/// The observed state of one cluster. Parts are shared, so a new snapshot costs only what changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterSnapshot {
    /// Nodes by name.
    pub nodes: Vec<Arc<Node>>,
    /// Target node generation of each pool.
    pub templates: Templates,
    /// Pods by namespace and name; finished ones only while terminating.
    pub pods: Vec<Arc<Pod>>,
    /// PodDisruptionBudgets by namespace and name.
    pub budgets: Vec<Arc<Budget>>,
    /// Volumes that are, or should no longer be, attached to a node.
    pub attachments: Vec<Arc<Attachment>>,
    /// Persistent volumes that cannot follow a pod to every node.
    pub volumes: Vec<Arc<BoundVolume>>,
    /// Admission webhooks that can make the API server reject requests.
    pub webhook_configurations: Vec<Arc<WebhookConfiguration>>,
    /// Endpoints of services.
    pub endpoints: Vec<Arc<Endpoints>>,
    /// Namespaces by name.
    pub namespaces: Vec<Arc<Namespace>>,
    /// Secrets with service account tokens, without the tokens.
    pub token_secrets: Vec<Arc<TokenSecret>>,
    /// Service accounts that list such Secrets.
    pub service_accounts: Vec<Arc<ServiceAccount>>,
    /// CA bundles of the pods of each namespace.
    pub root_bundles: Vec<Arc<RootBundle>>,
    /// The checklist shared through the cluster.
    pub checklist: SharedChecklist,
    /// Recent events, oldest first, bounded.
    pub events: Vec<Arc<Event>>,
    /// Signs of the steps before the nodes.
    pub control_plane: ControlPlane,
    /// Kinds whose current state is not known ("pods"), and why; what depends on them is unknown.
    pub unseen: BTreeMap<&'static str, Unseen>,
    /// The server's clock minus ours, in seconds.
    pub skew_seconds: i64,
}

/// Why the current state of a kind is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unseen {
    /// Its first list is in progress.
    Unread,
    /// It was listed; with what is missing.
    Partly(String),
    /// It currently cannot be listed, and why; the earlier list is kept.
    Failing(String),
}

impl ClusterSnapshot {
    /// Whether the first list of some kind is in progress: what depends on it is not known yet.
    pub fn is_being_read(&self) -> bool {
        self.unseen.values().any(|why| *why == Unseen::Unread)
    }

    /// Whether a kind ("nodes") was ever listed completely: what is not in the list did not exist.
    pub fn is_whole(&self, kind: &str) -> bool {
        match self.unseen.get(kind) {
            None => true,
            Some(Unseen::Failing(_)) => !self.is_blind_to(kind),
            Some(Unseen::Unread | Unseen::Partly(_)) => false,
        }
    }

    /// Whether nothing is known about a kind ("nodes"): it could not be listed, and there is no earlier list.
    pub fn is_blind_to(&self, kind: &str) -> bool {
        let is_empty = match kind {
            "nodes" => self.nodes.is_empty(),
            "pods" => self.pods.is_empty(),
            "poddisruptionbudgets" => self.budgets.is_empty(),
            "volumeattachments" => self.attachments.is_empty(),
            "persistentvolumes" => self.volumes.is_empty(),
            "validatingwebhookconfigurations" => {
                !self.has_webhook_configuration("ValidatingWebhookConfiguration")
            }
            "mutatingwebhookconfigurations" => {
                !self.has_webhook_configuration("MutatingWebhookConfiguration")
            }
            "endpointslices" => self.endpoints.is_empty(),
            "namespaces" => self.namespaces.is_empty(),
            "token secrets" => self.token_secrets.is_empty(),
            "serviceaccounts" => self.service_accounts.is_empty(),
            "configmaps" => self.root_bundles.is_empty(),
            "checklist" => self.checklist == SharedChecklist::Unread,
            "events" => self.events.is_empty(),
            _ => true,
        };
        is_empty && self.unseen.contains_key(kind)
    }

    /// Whether the obstacles of a drain are known; otherwise it is unknown whether a node is unblocked.
    pub fn tells_drains(&self) -> bool {
        ["pods", "poddisruptionbudgets"]
            .into_iter()
            .all(|kind| !self.is_blind_to(kind) && self.unseen.get(kind) != Some(&Unseen::Unread))
    }

    fn has_webhook_configuration(&self, kind: &str) -> bool {
        self.webhook_configurations.iter().any(|admission| admission.kind == kind)
    }
}

/// A node (`v1 Node`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `metadata.uid`: a node that is recreated under the same name is a different one.
    pub uid: String,
    /// `metadata.name`.
    pub name: String,
    /// Label `worker.gardener.cloud/pool`; empty when absent.
    pub pool: String,
    /// Label `topology.kubernetes.io/zone`; empty when absent.
    pub zone: String,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Label `worker.gardener.cloud/gardener-node-agent-secret-name`: the generation it was created with.
    pub generation: Option<String>,
    /// Annotation `checksum/cloud-config-data`: the applied configuration.
    pub checksum: Option<String>,
    /// Label `worker.gardener.cloud/kubernetes-version`, else the kubelet's version.
    pub version: String,
    /// Taint `deployment.machine.sapcloud.io/prefer-no-schedule`: it belongs to an old machine set.
    pub marked_for_deletion: bool,
    /// Annotation `cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm`: its machine deployment rolls.
    pub rolling: bool,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// Condition `Terminating` is true.
    pub terminating: Option<Terminating>,
    /// Condition `Ready` is true.
    pub ready: bool,
    /// `lastTransitionTime` of the condition `Ready`.
    pub ready_changed: Option<Timestamp>,
    /// Reason and message of `Ready` while it is not true.
    pub not_ready_because: Option<String>,
    /// Taint `node.gardener.cloud/critical-components-not-ready` or `node.cloudprovider.kubernetes.io/uninitialized`.
    pub still_joining: bool,
    /// Condition `Preserved`, or annotation `node.machine.sapcloud.io/preserve` with `now` or `auto-preserved`: kept on
    /// purpose.
    pub preserved: bool,
}

/// Condition `Terminating` of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminating {
    /// `lastTransitionTime`: when the drain began.
    pub since: Option<Timestamp>,
    pub reason: String,
}

/// Secrets in `kube-system` that define a pool's nodes (label `gardener.cloud/role=operating-system-config`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Templates {
    #[default]
    Unread,
    Known(Vec<Template>),
    /// Reading Secrets is forbidden; generations are inferred from the nodes.
    Forbidden,
}

/// Metadata of such a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// `metadata.name`: the generation, which is the value of the nodes' label.
    pub name: String,
    /// Label `worker.gardener.cloud/pool`.
    pub pool: String,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Annotation `checksum/data-script`.
    pub checksum: Option<String>,
}

/// A Secret of type `kubernetes.io/service-account-token`, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSecret {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Annotation `kubernetes.io/service-account.name`; empty when absent.
    pub account: String,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Label `kubernetes.io/legacy-token-last-used`: a day in UTC.
    pub last_used: Option<Date>,
}

/// A service account (`v1 ServiceAccount`) that lists Secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `secrets[].name`.
    pub secrets: Vec<String>,
}

/// The `ConfigMap` `kube-root-ca.crt` of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootBundle {
    /// `metadata.namespace`.
    pub namespace: String,
    /// Certificates in `ca.crt`.
    pub authorities: usize,
    /// The last of `metadata.managedFields[].time`.
    pub written: Option<Timestamp>,
}

/// A pod (`v1 Pod`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// The controller among `metadata.ownerReferences`; `None` for a bare pod.
    pub owner: Option<OwnerReference>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Condition `Ready` is true.
    pub ready: bool,
    /// `status.phase` is `Pending`.
    pub pending: bool,
    /// Condition `PodScheduled` is false, except for scheduling gates: since when, and the scheduler's message.
    pub unscheduled: Option<(Option<Timestamp>, String)>,
    /// `status.phase` is `Succeeded` or `Failed`.
    pub finished: bool,
    /// Reason of the first container that waits for more than its creation (`CrashLoopBackOff`), or `SchedulingGated`.
    pub waiting: Option<String>,
    /// `spec.terminationGracePeriodSeconds`; while terminating, `metadata.deletionGracePeriodSeconds`.
    pub grace_seconds: i64,
    /// `metadata.deletionTimestamp`: the time by which it should be gone, grace period included.
    pub deletion_deadline: Option<Timestamp>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Names of its PersistentVolumeClaims, in its namespace.
    pub claims: Vec<String>,
    /// Whether it has an `emptyDir` on disk, or a `hostPath`: data that does not move.
    pub local_data: bool,
    /// A mirror pod of a static pod.
    pub mirror: bool,
}

/// The controller of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerReference {
    /// `kind` ("`ReplicaSet`").
    pub kind: String,
    pub name: String,
}

impl Pod {
    /// Whether a drain skips it: DaemonSet pods and mirror pods.
    pub fn stays_on_its_node(&self) -> bool {
        self.mirror || self.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet")
    }
}

/// A PodDisruptionBudget (`policy/v1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `spec.selector`.
    pub selector: Selector,
    /// `spec.minAvailable`, a number or a percentage.
    pub min_available: Option<String>,
    /// `spec.maxUnavailable`, a number or a percentage.
    pub max_unavailable: Option<String>,
    /// `status.disruptionsAllowed`.
    pub allowed: i32,
    /// `status.currentHealthy`.
    pub healthy: i32,
    /// `status.desiredHealthy`.
    pub desired: i32,
    /// `status.expectedPods`.
    pub expected: i32,
    /// `status.observedGeneration` has reached `metadata.generation`: the status matches the current spec.
    pub observed: bool,
    /// Number of `status.disruptedPods`.
    pub disrupted: usize,
    /// Message of the condition `DisruptionAllowed` with reason `SyncFailed`: the status cannot be computed.
    pub sync_failure: Option<String>,
    /// `spec.unhealthyPodEvictionPolicy` is `AlwaysAllow`: pods that are not ready may always be evicted.
    pub always_lets_unready_go: bool,
}

impl Budget {
    /// Whether it currently allows no eviction of a ready pod: none is left, or its status is of an earlier spec.
    pub fn allows_none(&self) -> bool {
        self.allowed <= 0 || !self.observed
    }
}

/// A volume on a node (`storage.k8s.io/v1 VolumeAttachment`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `metadata.name`.
    pub name: String,
    /// `spec.nodeName`.
    pub node: String,
    /// `spec.source.persistentVolumeName`.
    pub volume: String,
    /// `metadata.deletionTimestamp`: when detaching began.
    pub detaching_since: Option<Timestamp>,
    /// `status.detachError.message`.
    pub detach_error: Option<String>,
}

/// A persistent volume that is bound to a node or a zone (`v1 PersistentVolume`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundVolume {
    /// `metadata.name`.
    pub name: String,
    /// Namespace and name of its claim.
    pub claim: Option<(String, String)>,
    /// `spec.local` or `spec.hostPath`: its data stays on one node.
    pub on_node: bool,
    /// Zones that `spec.nodeAffinity` allows; empty if any.
    pub zones: Vec<String>,
}

/// Reason of an event about a controller that could not create a pod; its message has the cause.
pub const FAILED_CREATE: &str = "FailedCreate";

/// An event (`v1 Event`) about a node, a pod, or a pod that could not be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `metadata.uid`.
    pub uid: String,
    /// `lastTimestamp`, otherwise `eventTime`, otherwise the creation.
    pub at: Option<Timestamp>,
    /// `involvedObject.kind`.
    pub kind: String,
    /// `involvedObject.namespace`; empty for nodes.
    pub namespace: String,
    /// `involvedObject.name`.
    pub name: String,
    pub reason: String,
    /// `message`, cleaned.
    pub message: String,
    /// `type` is `Warning`.
    pub warning: bool,
    /// `count`, at least 1.
    pub count: u32,
}

impl Event {
    /// Whether it is about this pod rather than an earlier one with the same name.
    pub fn is_about(&self, pod: &Pod) -> bool {
        self.kind == "Pod"
            && (&self.namespace, &self.name) == (&pod.namespace, &pod.name)
            && self.at >= pod.created
    }
}

/// Signs of the steps before the nodes (in the order of the start flow).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlPlane {
    /// `/readyz` succeeded; `None` if not checked.
    pub ready: Option<bool>,
    /// Keys in `/openid/v1/jwks`; `None` if they are not read.
    pub signing_keys: Option<SigningKeys>,
    /// Certificate facts of the newest kubeconfig of skeys itself, and the rotation before it was requested.
    pub issuance: Option<Issuance>,
    /// Client certificates that the cluster signed for requests that still exist; `None` if they are not read, and
    /// while no rotation is open.
    pub signed_requests: Option<Vec<SignedRequest>>,
    /// Secrets with the label of the new encryption key, and all of them; `None` if not counted.
    pub reencrypted: Option<(usize, usize)>,
}

/// A `CertificateSigningRequest` for which the cluster signed a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    pub name: String,
    /// `spec.username`: the requesting user.
    pub requester: String,
    pub certificate: ClientCertificate,
}

/// An event of an observer.
#[derive(Debug, Clone)]
pub enum ObserverEvent {
    Snapshot(Arc<ClusterSnapshot>),
    /// Why there is no snapshot; the last one keeps its age.
    Unavailable(Unavailable),
}

/// Why a cluster's own API is not available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// A kubeconfig is being requested, or the first lists are being read.
    Connecting,
    /// The API server and the fresh credentials do not match yet (401, or its certificate is still the old one);
    /// retried.
    NotAcceptedYet { since: Timestamp },
    /// The API server rejects the credentials.
    CredentialsRefused(Failure),
    /// SKE issues no kubeconfig.
    NoAccess(Failure),
    /// The kubeconfig that SKE returned is rejected, and why.
    KubeconfigRefused(Failure),
    /// The API server cannot be reached (network, access control list, proxy).
    Unreachable(Failure),
    /// The cluster is hibernated: its API server is off.
    Hibernated,
    /// Requesting a kubeconfig would permanently disable static tokens; not done without the user's consent.
    WouldDisableStaticTokens,
}
