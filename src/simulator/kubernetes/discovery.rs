//! What a client may ask an API server about itself: groups, resources, version, health, token issuer.

use serde_json::{Value, json};

use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::resources::{RESOURCES, Resource};
use crate::simulator::kubernetes::status::ApiResponse;

/// Groups that are offered besides the core.
const GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "discovery.k8s.io",
    "policy",
    "storage.k8s.io",
];

/// Answers discovery; `None` if the path is no part of it.
pub fn route(path: &[&str], version: &str) -> Option<ApiResponse> {
    let answer = match path {
        ["api"] => json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
        }),
        ["apis"] => {
            let groups: Vec<Value> = GROUPS.iter().map(|group| describe(group)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", group] if GROUPS.contains(group) => describe(group),
        ["api", "v1"] => resources("", "v1"),
        ["apis", group, "v1"] if GROUPS.contains(group) => resources(group, &format!("{group}/v1")),
        ["version"] => {
            let mut numbers = version.split('.');
            let mut next = || numbers.next().unwrap_or("0").to_owned();
            json!({
                "major": next(), "minor": next(), "gitVersion": format!("v{version}"),
                "gitCommit": "0000000000000000000000000000000000000000", "gitTreeState": "clean",
                "buildDate": "2025-09-01T00:00:00Z", "goVersion": "go1.24.5", "compiler": "gc",
                "platform": "linux/amd64",
            })
        }
        _ => return None,
    };
    Some((200, answer))
}

fn describe(group: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [version], "preferredVersion": version,
    })
}

fn resources(group: &str, group_version: &str) -> Value {
    let mut found: Vec<Value> =
        RESOURCES.iter().filter(|resource| resource.group == group).map(listed).collect();
    let mut also = |name: &str, kind: &str, namespaced: bool, extra: Value| {
        let mut entry = json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["create"],
        });
        if let (Some(entry), Value::Object(extra)) = (entry.as_object_mut(), extra) {
            entry.extend(extra);
        }
        found.push(entry);
    };
    match group {
        "" => {
            let policy = json!({"group": "policy", "version": "v1"});
            also("pods/eviction", "Eviction", true, policy);
            let tokens = json!({"group": "authentication.k8s.io", "version": "v1"});
            also("serviceaccounts/token", "TokenRequest", true, tokens);
        }
        "apps" => {
            for name in ["deployments/scale", "statefulsets/scale"] {
                let scale = json!({
                    "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"],
                });
                also(name, "Scale", true, scale);
            }
        }
        "authorization.k8s.io" => {
            also("selfsubjectaccessreviews", "SelfSubjectAccessReview", false, json!({}));
        }
        "authentication.k8s.io" => {
            also("selfsubjectreviews", "SelfSubjectReview", false, json!({}));
        }
        _ => {}
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": found})
}

fn listed(resource: &Resource) -> Value {
    let mut entry = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.name, "verbs": resource.verbs,
    });
    if !resource.short.is_empty() {
        set(&mut entry, "shortNames", json!(resource.short));
    }
    entry
}
