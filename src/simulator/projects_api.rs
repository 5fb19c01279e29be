//! The resource manager API v2, as far as names of projects need it.

use serde_json::{Value, json};

use crate::simulator::ske_api::ApiResponse;
use crate::simulator::state::SimulatorState;

/// Container that holds every project here.
const PARENT: &str = "rehearsal-organization-q7t3k1xy";
/// Id of that container.
const PARENT_ID: &str = "0d3f7c11-5b7e-4a37-9c76-3f0e5a0d9b10";

/// Answers a request to a path below `/v2`; `None` if this API has no such path.
pub fn route(
    state: &SimulatorState,
    method: &str,
    path: &[&str],
    query: &[(String, String)],
) -> Option<ApiResponse> {
    match (method, path) {
        ("GET", ["projects"]) => Some(list(state, query)),
        ("GET", ["projects", id]) => Some(
            match state
                .cloud
                .projects
                .iter()
                .find(|(known, name)| known == id || container(name) == **id)
            {
                Some((id, name)) => (200, project(id, name)),
                None => (404, error(404, "Not Found", "project not found")),
            },
        ),
        _ => None,
    }
}

fn list(state: &SimulatorState, query: &[(String, String)]) -> ApiResponse {
    let number = |name: &str, default: usize| {
        query
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(default)
    };
    let chosen = ["member", "containerParentId", "containerIds"]
        .iter()
        .filter(|name| query.iter().any(|(key, _)| key == *name))
        .count();
    if chosen != 1 {
        let message = "exactly one of containerParentId, containerIds and member is needed";
        return (400, error(400, "Bad Request", message));
    }
    let (offset, limit) = (number("offset", 0), number("limit", 50).clamp(1, 100));
    let items: Vec<Value> = state
        .cloud
        .projects
        .iter()
        .skip(offset)
        .take(limit)
        .map(|(id, name)| project(id, name))
        .collect();
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
        "creationTime": "2024-02-15T11:06:29Z",
        "updateTime": "2025-01-15T11:06:29Z",
    })
}

fn error(status: u16, word: &str, message: &str) -> Value {
    json!({
        "timeStamp": "2026-01-01T00:00:00Z",
        "path": "/v2/projects",
        "status": status,
        "error": word,
        "message": message,
    })
}
