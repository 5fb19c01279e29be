//! The resource manager API v2: projects and their parents; and permissions from the authorization API v2.

use serde_json::{Value, json};

use crate::simulator::cloud::SimulatedCloud;
use crate::simulator::http::JsonResponse;
use crate::simulator::token_api::ACCOUNT;

const PARENT: &str = "demo-organization-q7t3k1xy";
const CREATED: &str = "2024-02-15T11:06:29Z";
const UPDATED: &str = "2025-01-15T11:06:29Z";
const PARENT_ID: &str = "0d3f7c11-5b7e-4a37-9c76-3f0e5a0d9b10";

/// Answers a request to a path below `/v2`; `None` if this API has no such path.
pub fn route(
    cloud: &SimulatedCloud,
    method: &str,
    path: &[&str],
    query: &[(String, String)],
) -> Option<JsonResponse> {
    match (method, path) {
        ("GET", ["projects"]) => Some(list(cloud, query)),
        ("GET", ["projects", wanted]) => {
            let mut projects = cloud.projects.iter();
            let found = projects.find(|(id, name)| id == wanted || container(name) == **wanted);
            Some(match found {
                Some((id, name)) => (200, project(id, name)),
                None => error(404, "Not Found", "project not found"),
            })
        }
        ("GET", ["organizations"]) => {
            let organization = json!({
                "organizationId": PARENT_ID, "containerId": PARENT, "name": "demo-organization",
                "lifecycleState": "ACTIVE", "creationTime": CREATED, "updateTime": UPDATED,
            });
            Some((200, json!({"items": [organization], "limit": 50, "offset": 0})))
        }
        ("GET", ["folders"]) => Some((200, json!({"items": [], "limit": 50, "offset": 0}))),
        ("GET", ["users", email, "permissions" | "memberships"]) if *email != ACCOUNT => {
            Some(error(403, "Forbidden", "only the permissions of the own account can be read"))
        }
        ("GET", ["users", _, "permissions"]) => Some(permissions(cloud, query)),
        ("GET", ["users", email, "memberships"]) => {
            let membership = |(id, _): &(String, String)| json!({"resourceType": "project", "resourceId": id, "role": "owner", "subject": email});
            let items: Vec<Value> = cloud.projects.iter().map(membership).collect();
            Some((200, json!({"items": items})))
        }
        _ => None,
    }
}

/// The account has all requested permissions in every project.
fn permissions(cloud: &SimulatedCloud, query: &[(String, String)]) -> JsonResponse {
    let values = |name: &'static str| {
        query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    };
    if values("resourceType").any(|kind| kind != "project") {
        return (200, json!({"items": []}));
    }
    let permission = |name| json!({"name": name, "description": ""});
    let asked: Vec<Value> = values("permissions").map(permission).collect();
    let item = |(id, _): &(String, String)| json!({"resourceId": id, "resourceType": "project", "permissions": asked});
    let items: Vec<Value> = cloud.projects.iter().map(item).collect();
    (200, json!({"items": items}))
}

fn list(cloud: &SimulatedCloud, query: &[(String, String)]) -> JsonResponse {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let number = |name: &str| value(name).and_then(|value| value.parse::<usize>().ok());
    let scopes = ["member", "containerParentId", "containerIds"];
    if scopes.into_iter().filter(|name| value(name).is_some()).count() != 1 {
        let message = "exactly one of containerParentId, containerIds and member is needed";
        return error(400, "Bad Request", message);
    }
    let offset = number("offset").unwrap_or(0);
    let limit = number("limit").unwrap_or(50).clamp(1, 100);
    let page = cloud.projects.iter().skip(offset).take(limit);
    let items: Vec<Value> = page.map(|(id, name)| project(id, name)).collect();
    (200, json!({"items": items, "limit": limit, "offset": offset}))
}

fn container(name: &str) -> String {
    format!("{name}-a1b2c3d")
}

fn project(id: &str, name: &str) -> Value {
    json!({
        "projectId": id,
        "containerId": container(name),
        "name": name,
        "lifecycleState": "ACTIVE",
        "parent": {"id": PARENT_ID, "containerId": PARENT, "type": "ORGANIZATION"},
        "creationTime": CREATED,
        "updateTime": UPDATED,
    })
}

fn error(status: u16, error: &str, message: &str) -> JsonResponse {
    let body = json!({
        "timeStamp": "2026-01-01T00:00:00Z", "path": "/v2/projects", "status": status,
        "error": error, "message": message,
    });
    (status, body)
}
