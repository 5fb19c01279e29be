//! A real kube-apiserver with the objects of the simulator.

use std::path::Path;

use serde_json::{Value, json};

use crate::processes::{ADMINS, SharedPlane};
use crate::server::Server;

/// The user of Gardener's admin kubeconfigs.
const USER: &str = "gardener.cloud:admin:demo@simulator";
/// These plugins reject or change the copied objects.
const ADMISSION: &str = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority";
/// Kinds that are copied, in the order of creation; and whether they have a status to write.
const COPIED: &[(&str, &str, bool)] = &[
    ("/api/v1", "namespaces", false),
    ("/api/v1", "serviceaccounts", false),
    ("/api/v1", "nodes", true),
    ("/api/v1", "configmaps", false),
    ("/api/v1", "secrets", false),
    ("/api/v1", "persistentvolumes", true),
    ("/api/v1", "persistentvolumeclaims", true),
    ("/apis/apps/v1", "daemonsets", true),
    ("/apis/apps/v1", "deployments", true),
    ("/apis/apps/v1", "replicasets", true),
    ("/apis/apps/v1", "statefulsets", true),
    ("/apis/policy/v1", "poddisruptionbudgets", true),
    ("/api/v1", "pods", true),
    ("/api/v1", "events", false),
    ("/apis/storage.k8s.io/v1", "volumeattachments", true),
];

/// A running kube-apiserver, stopped on drop.
pub struct RealServer {
    pub server: Server,
    _plane: SharedPlane,
}

impl RealServer {
    /// Starts etcd and kube-apiserver, without controllers: changes come only from requests.
    pub async fn start(assets: &Path) -> Self {
        let plane = SharedPlane::start(assets, &[ADMISSION]).await;
        plane.allow_admins().await;
        let server = plane.lock().client(USER, ADMINS);
        Self { server, _plane: plane }
    }

    /// Copies the objects of another server, including their status.
    pub async fn copy_from(&self, other: &Server) {
        for (group, plural, has_status) in COPIED {
            let list = other.get(&format!("{group}/{plural}")).await.json();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let copies = items.into_iter().map(|item| self.copy(group, plural, *has_status, item));
            futures_util::StreamExt::for_each_concurrent(
                futures_util::stream::iter(copies),
                8,
                |copy| copy,
            )
            .await;
        }
    }

    async fn copy(&self, group: &str, plural: &str, has_status: bool, mut item: Value) {
        let metadata = item["metadata"].as_object_mut().unwrap();
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
        let name = metadata["name"].as_str().unwrap().to_owned();
        let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or("").to_owned();
        let path = match &*namespace {
            "" => format!("{group}/{plural}"),
            _ => format!("{group}/namespaces/{namespace}/{plural}"),
        };
        let status = item.as_object_mut().unwrap().remove("status");
        let answer = self.server.write("POST", &path, "json", &item).await;
        let exists = answer.code == 409;
        assert!(
            matches!(answer.code, 201 | 409),
            "{plural} {namespace}/{name}: {}\n{item}",
            String::from_utf8_lossy(&answer.body)
        );
        if let Some(status) = status.filter(|_| has_status && !exists) {
            let path = format!("{path}/{name}/status");
            let patch = json!({"status": status});
            let answer = self.server.write("PATCH", &path, "merge-patch+json", &patch).await;
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.code, 200, "status of {plural} {namespace}/{name}: {text}");
        }
    }
}
