//! The resources that a simulated API server offers: their names, and what can be done with them.

use crate::simulator::cluster::objects::ObjectKind;

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: ObjectKind,
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
    kind: ObjectKind,
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
    core(ObjectKind::ConfigMap, "configmaps", "configmap", "ConfigMap", true, &["cm"]),
    core(ObjectKind::Event, "events", "event", "Event", true, &["ev"]),
    core(ObjectKind::Namespace, "namespaces", "namespace", "Namespace", false, &["ns"]),
    Resource {
        verbs: READ_DELETE_PATCH,
        ..core(ObjectKind::Node, "nodes", "node", "Node", false, &["no"])
    },
    core(
        ObjectKind::PersistentVolumeClaim,
        "persistentvolumeclaims",
        "persistentvolumeclaim",
        "PersistentVolumeClaim",
        true,
        &["pvc"],
    ),
    core(
        ObjectKind::PersistentVolume,
        "persistentvolumes",
        "persistentvolume",
        "PersistentVolume",
        false,
        &["pv"],
    ),
    Resource {
        verbs: READ_DELETE_PATCH,
        ..core(ObjectKind::Pod, "pods", "pod", "Pod", true, &["po"])
    },
    core(ObjectKind::Secret, "secrets", "secret", "Secret", true, &[]),
    core(ObjectKind::Service, "services", "service", "Service", true, &["svc"]),
    core(
        ObjectKind::ServiceAccount,
        "serviceaccounts",
        "serviceaccount",
        "ServiceAccount",
        true,
        &["sa"],
    ),
    Resource {
        group: "admissionregistration.k8s.io",
        ..core(
            ObjectKind::MutatingWebhook,
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
            ObjectKind::ValidatingWebhook,
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
            "ValidatingWebhookConfiguration",
            false,
            &[],
        )
    },
    Resource {
        group: "apps",
        ..core(ObjectKind::DaemonSet, "daemonsets", "daemonset", "DaemonSet", true, &["ds"])
    },
    Resource {
        group: "apps",
        verbs: READ_PATCH,
        ..core(ObjectKind::Deployment, "deployments", "deployment", "Deployment", true, &["deploy"])
    },
    Resource {
        group: "apps",
        verbs: READ_PATCH,
        ..core(
            ObjectKind::StatefulSet,
            "statefulsets",
            "statefulset",
            "StatefulSet",
            true,
            &["sts"],
        )
    },
    Resource {
        group: "discovery.k8s.io",
        ..core(
            ObjectKind::EndpointSlice,
            "endpointslices",
            "endpointslice",
            "EndpointSlice",
            true,
            &[],
        )
    },
    Resource {
        group: "policy",
        verbs: READ_DELETE_PATCH,
        ..core(
            ObjectKind::Budget,
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
            ObjectKind::VolumeAttachment,
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
