//! The part of a response that must be equal: everything that a client depends on, without server-specific values.

use serde_json::{Map, Value, json};

use crate::server::Answer;

/// Fields of a spec or status that are compared if present.
const COMPARED: &[&str] = &[
    "/spec/unschedulable",
    "/spec/replicas",
    "/spec/minAvailable",
    "/spec/maxUnavailable",
    "/spec/unhealthyPodEvictionPolicy",
    "/spec/selector",
    "/spec/template/metadata/annotations",
    "/spec/template/spec/containers/0/image",
    "/spec/audiences",
    "/spec/expirationSeconds",
    "/spec/resourceAttributes",
    "/spec/nonResourceAttributes",
    "/status/allowed",
    "/status/denied",
    "/status/userInfo/username",
    "/status/userInfo/groups",
    "/webhooks/0/failurePolicy",
];

/// The part of a response that is compared.
pub fn shape(answer: &Answer) -> Value {
    let content = answer.headers.get("content-type").map_or("", |value| value);
    let content = content.split(';').next().unwrap_or_default();
    let mut found = json!({"code": answer.code, "content": content});
    for header in ["retry-after", "allow", "www-authenticate"] {
        if let Some(value) = answer.headers.get(header) {
            found[header] = json!(value);
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    let documents: Vec<Value> = match serde_json::from_str(&text) {
        Ok(document) => vec![document],
        Err(_) => text.lines().map(|l| serde_json::from_str(l).unwrap_or(Value::Null)).collect(),
    };
    let is_json = content == "application/json" && documents.iter().all(|one| !one.is_null());
    found["body"] = match &documents[..] {
        // Other texts are for display.
        _ if !is_json => json!(text.lines().next().unwrap_or_default()),
        [one] if one.get("type").is_none() || one.get("object").is_none() => document(one),
        events => events.iter().map(event).collect(),
    };
    found
}

/// The message of a `Status` response.
pub fn message(answer: &Answer) -> Option<String> {
    let body = answer.json();
    (body["kind"] == "Status").then(|| body["message"].as_str().unwrap_or_default().to_owned())
}

fn event(event: &Value) -> Value {
    json!([event["type"], document(&event["object"])])
}

fn document(document: &Value) -> Value {
    let kind = document["kind"].as_str().unwrap_or_default();
    let mut found = json!({"kind": kind, "apiVersion": document["apiVersion"]});
    match kind {
        "Status" => {
            for field in ["status", "reason", "code"] {
                found[field] = document[field].clone();
            }
            found["details"] = details(&document["details"]);
        }
        "Table" => {
            let column = |c: &Value| json!([c["name"], c["type"], c["format"], c["priority"]]);
            found["columns"] = list(&document["columnDefinitions"]).map(column).collect();
            found["rows"] = list(&document["rows"]).map(row).collect();
            found["metadata"] = list_metadata(&document["metadata"]);
        }
        "APIResourceList" | "APIGroupList" | "APIGroup" | "APIVersions" => {}
        _ if kind.ends_with("List") => {
            found["items"] = list(&document["items"]).map(|item| name(&item["metadata"])).collect();
            found["metadata"] = list_metadata(&document["metadata"]);
        }
        _ => object(document, &mut found),
    }
    found
}

fn object(document: &Value, found: &mut Value) {
    let metadata = &document["metadata"];
    for field in
        ["name", "namespace", "finalizers", "generation", "deletionGracePeriodSeconds", "labels"]
    {
        found[field] = metadata[field].clone();
    }
    found["annotations"] = metadata["annotations"].clone();
    found["deleted"] = json!(metadata["deletionTimestamp"].is_string());
    if document["spec"]["taints"].is_array() {
        let taint = |taint: &Value| json!([taint["key"], taint["value"], taint["effect"]]);
        // Added by the node controller, which does not run with the real server.
        let is_own = |taint: &&Value| taint["key"] != "node.kubernetes.io/unschedulable";
        let taints: Vec<Value> =
            list(&document["spec"]["taints"]).filter(is_own).map(taint).collect();
        if !taints.is_empty() {
            found["taints"] = taints.into();
        }
    }
    if document["kind"] == "PodDisruptionBudget" {
        found["observed"] = document["status"]["observedGeneration"].clone();
    }
    for pointer in COMPARED {
        if let Some(value) = document.pointer(pointer) {
            found[pointer] = value.clone();
        }
    }
    found["token"] = json!(document.pointer("/status/token").is_some_and(Value::is_string));
    found["initial"] = metadata["annotations"]["k8s.io/initial-events-end"].clone();
}

fn details(details: &Value) -> Value {
    let Some(fields) = details.as_object() else { return Value::Null };
    let mut found = Map::new();
    for field in ["name", "group", "kind", "retryAfterSeconds"] {
        if let Some(value) = fields.get(field) {
            found.insert(field.to_owned(), value.clone());
        }
    }
    found.insert("uid".to_owned(), json!(fields.contains_key("uid")));
    let mut causes: Vec<Value> =
        list(&details["causes"]).map(|cause| json!([cause["reason"], cause["field"]])).collect();
    causes.sort_by_key(Value::to_string);
    // Some objects are validated more than once.
    causes.dedup();
    found.insert("causes".to_owned(), causes.into());
    Value::Object(found)
}

fn row(row: &Value) -> Value {
    let cells = row["cells"].as_array().map_or(0, Vec::len);
    let object = &row["object"];
    json!([cells, object["kind"], name(&object["metadata"])])
}

fn list_metadata(metadata: &Value) -> Value {
    json!({
        "continue": metadata["continue"].as_str().is_some_and(|token| !token.is_empty()),
        "remaining": metadata["remainingItemCount"],
        "version": metadata["resourceVersion"].is_string(),
    })
}

fn name(metadata: &Value) -> Value {
    match metadata["namespace"].as_str() {
        Some(namespace) => json!(format!("{namespace}/{}", metadata["name"].as_str().unwrap())),
        None => metadata["name"].clone(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
