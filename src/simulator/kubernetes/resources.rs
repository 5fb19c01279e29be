//! The resources of a simulated API server, and their verbs.

use crate::simulator::cluster::objects::ObjectKind;

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: ObjectKind,
    /// API group; empty for the core group.
    pub group: &'static str,
    pub name: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    pub short_name: Option<&'static str>,
    pub verbs: &'static [&'static str],
}

const READ: &[&str] = &["get", "list", "watch"];
const READ_CREATE: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const READ_PATCH: &[&str] = &["get", "list", "patch", "watch"];
const READ_DELETE_PATCH: &[&str] = &["delete", "get", "list", "patch", "watch"];

const ADMISSION: &str = "admissionregistration.k8s.io";
/// Signer of client certificates for API servers.
pub const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// The newer group of events: the same objects with other field names.
pub const EVENTS: &str = "events.k8s.io";

macro_rules! resources {
    ($($group:expr, $kind:ident $name:literal $plural:literal $namespaced:literal $short:expr, $verbs:ident;)*) => {
        /// All resources, by group and name.
        pub const RESOURCES: &[Resource] = &[$(Resource {
            kind: ObjectKind::$kind,
            group: $group,
            name: $name,
            plural: $plural,
            namespaced: $namespaced,
            short_name: $short,
            verbs: $verbs,
        }),*];
    };
}

resources! {
    "", ConfigMap "ConfigMap" "configmaps" true Some("cm"), READ_CREATE;
    "", Event "Event" "events" true Some("ev"), READ;
    "", Namespace "Namespace" "namespaces" false Some("ns"), READ;
    "", Node "Node" "nodes" false Some("no"), READ_DELETE_PATCH;
    "", PersistentVolumeClaim "PersistentVolumeClaim" "persistentvolumeclaims" true Some("pvc"), READ;
    "", PersistentVolume "PersistentVolume" "persistentvolumes" false Some("pv"), READ;
    "", Pod "Pod" "pods" true Some("po"), READ_DELETE_PATCH;
    "", Secret "Secret" "secrets" true None, READ;
    "", Service "Service" "services" true Some("svc"), READ;
    "", ServiceAccount "ServiceAccount" "serviceaccounts" true Some("sa"), READ;
    ADMISSION, MutatingWebhook "MutatingWebhookConfiguration" "mutatingwebhookconfigurations" false None, READ;
    ADMISSION, ValidatingWebhook "ValidatingWebhookConfiguration" "validatingwebhookconfigurations" false None,
        READ_DELETE_PATCH;
    "apps", DaemonSet "DaemonSet" "daemonsets" true Some("ds"), READ_PATCH;
    "apps", Deployment "Deployment" "deployments" true Some("deploy"), READ_PATCH;
    "apps", ReplicaSet "ReplicaSet" "replicasets" true Some("rs"), READ;
    "apps", StatefulSet "StatefulSet" "statefulsets" true Some("sts"), READ_PATCH;
    "certificates.k8s.io", CertificateRequest "CertificateSigningRequest" "certificatesigningrequests" false Some("csr"), READ;
    EVENTS, Event "Event" "events" true Some("ev"), READ;
    "discovery.k8s.io", EndpointSlice "EndpointSlice" "endpointslices" true None, READ;
    "policy", Budget "PodDisruptionBudget" "poddisruptionbudgets" true Some("pdb"), READ_DELETE_PATCH;
    "storage.k8s.io", VolumeAttachment "VolumeAttachment" "volumeattachments" false None, READ;
}

impl Resource {
    /// The resource of a group and a plural name.
    pub fn find(group: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.group == group && resource.plural == plural)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group) }
    }

    /// Name and group as in error messages ("poddisruptionbudgets.policy").
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}
