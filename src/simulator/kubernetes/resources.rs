//! The resources that a simulated API server offers: their names, and what can be done with them.

use crate::simulator::cluster::objects::Kind;

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: Kind,
    /// API group; empty for the core.
    pub group: &'static str,
    pub plural: &'static str,
    pub singular: &'static str,
    /// `kind` of one.
    pub name: &'static str,
    pub namespaced: bool,
    /// Short names for people.
    pub short: &'static [&'static str],
    pub verbs: &'static [&'static str],
}

const READ: &[&str] = &["get", "list", "watch"];
const READ_PATCH: &[&str] = &["get", "list", "patch", "watch"];
const READ_DELETE_PATCH: &[&str] = &["delete", "get", "list", "patch", "watch"];

const fn core(
    kind: Kind,
    plural: &'static str,
    singular: &'static str,
    name: &'static str,
    namespaced: bool,
    short: &'static [&'static str],
) -> Resource {
    Resource { kind, group: "", plural, singular, name, namespaced, short, verbs: READ }
}

/// All resources, by group and name.
pub const RESOURCES: &[Resource] = &[
    core(Kind::ConfigMap, "configmaps", "configmap", "ConfigMap", true, &["cm"]),
    core(Kind::Event, "events", "event", "Event", true, &["ev"]),
    core(Kind::Namespace, "namespaces", "namespace", "Namespace", false, &["ns"]),
    Resource {
        verbs: READ_DELETE_PATCH,
        ..core(Kind::Node, "nodes", "node", "Node", false, &["no"])
    },
    core(
        Kind::Claim,
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        "PersistentVolumeClaim",
        true,
        &["pvc"],
    ),
    core(Kind::Volume, "persistentvolumes", "persistentvolume", "PersistentVolume", false, &["pv"]),
    Resource { verbs: READ_DELETE_PATCH, ..core(Kind::Pod, "pods", "pod", "Pod", true, &["po"]) },
    core(Kind::Secret, "secrets", "secret", "Secret", true, &[]),
    core(Kind::Service, "services", "service", "Service", true, &["svc"]),
    core(
        Kind::ServiceAccount,
        "serviceaccounts",
        "serviceaccount",
        "ServiceAccount",
        true,
        &["sa"],
    ),
    Resource {
        group: "admissionregistration.k8s.io",
        ..core(
            Kind::MutatingWebhook,
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
            "MutatingWebhookConfiguration",
            false,
            &[],
        )
    },
    Resource {
        group: "admissionregistration.k8s.io",
        verbs: READ_DELETE_PATCH,
        ..core(
            Kind::Webhook,
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
            "ValidatingWebhookConfiguration",
            false,
            &[],
        )
    },
    Resource {
        group: "apps",
        ..core(Kind::DaemonSet, "daemonsets", "daemonset", "DaemonSet", true, &["ds"])
    },
    Resource {
        group: "apps",
        verbs: READ_PATCH,
        ..core(Kind::Deployment, "deployments", "deployment", "Deployment", true, &["deploy"])
    },
    Resource {
        group: "apps",
        verbs: READ_PATCH,
        ..core(Kind::StatefulSet, "statefulsets", "statefulset", "StatefulSet", true, &["sts"])
    },
    Resource {
        group: "discovery.k8s.io",
        ..core(Kind::Endpoints, "endpointslices", "endpointslice", "EndpointSlice", true, &[])
    },
    Resource {
        group: "policy",
        verbs: READ_DELETE_PATCH,
        ..core(
            Kind::Budget,
            "poddisruptionbudgets",
            "poddisruptionbudget",
            "PodDisruptionBudget",
            true,
            &["pdb"],
        )
    },
    Resource {
        group: "storage.k8s.io",
        ..core(
            Kind::Attachment,
            "volumeattachments",
            "volumeattachment",
            "VolumeAttachment",
            false,
            &[],
        )
    },
];

impl Resource {
    /// Finds a resource by group and name in paths.
    pub fn find(group: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| resource.group == group && resource.plural == plural)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group) }
    }

    /// Its name with the group, as errors write it ("poddisruptionbudgets.policy").
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}
