//! Discovery: API groups, their resources, and the version of the server.

use serde_json::{Value, json};

use crate::simulator::http::JsonResponse;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::resources::{EVENTS, RESOURCES, Resource};

/// Groups besides the core group.
const GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "discovery.k8s.io",
    EVENTS,
    "policy",
    "storage.k8s.io",
];

const CREATE: &[&str] = &["create"];
const SCALE: &[&str] = &["get", "patch", "update"];

/// Subresources and reviews: group, name, kind, the kind's group if different, verbs.
const SUBRESOURCES: &[(&str, &str, &str, &str, &[&str])] = &[
    ("", "pods/eviction", "Eviction", "policy", CREATE),
    ("", "serviceaccounts/token", "TokenRequest", "authentication.k8s.io", CREATE),
    ("apps", "deployments/scale", "Scale", "autoscaling", SCALE),
    ("apps", "statefulsets/scale", "Scale", "autoscaling", SCALE),
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", "", CREATE),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", "", CREATE),
];

/// Answers a discovery request; `None` if the path is not part of it.
pub fn route(path: &[&str], version: &str) -> Option<JsonResponse> {
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

/// Whether the path is a discovery document.
pub fn is_document(path: &[&str]) -> bool {
    match path {
        ["api" | "apis"] | ["api", "v1"] => true,
        ["apis", group] | ["apis", group, "v1"] => GROUPS.contains(group),
        _ => false,
    }
}

/// Whether a path is below a served group.
pub fn is_below_group(path: &[&str]) -> bool {
    match path {
        ["api", ..] => true,
        ["apis", group, ..] => GROUPS.contains(group),
        _ => false,
    }
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
    let also = SUBRESOURCES.iter().filter(|(of, ..)| *of == group);
    found.extend(also.map(|(_, name, kind, kind_group, verbs)| {
        let mut entry = json!({
            "name": name, "singularName": "", "namespaced": name.contains('/'), "kind": kind, "verbs": verbs,
        });
        if !kind_group.is_empty() {
            set(&mut entry, "group", json!(kind_group));
            set(&mut entry, "version", json!("v1"));
        }
        entry
    }));
    let mut list =
        json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": found});
    if !group.is_empty() {
        set(&mut list, "apiVersion", json!("v1"));
    }
    list
}

fn listed(resource: &Resource) -> Value {
    let Resource { name, plural, namespaced, verbs, .. } = resource;
    let mut entry = json!({
        "name": plural, "singularName": plural.trim_end_matches('s'), "namespaced": namespaced, "kind": name,
        "verbs": verbs,
    });
    let is_usual = matches!(
        *plural,
        "pods" | "services" | "daemonsets" | "deployments" | "replicasets" | "statefulsets"
    );
    if is_usual {
        // What `kubectl get all` shows.
        set(&mut entry, "categories", json!(["all"]));
    }
    if let Some(name) = resource.short_name {
        set(&mut entry, "shortNames", json!([name]));
    }
    entry
}
