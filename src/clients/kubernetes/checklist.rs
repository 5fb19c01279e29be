//! The checklist shared through the cluster: `ConfigMap` `default/skeys-checklist`, written with optimistic locking.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::clients::kubernetes::connection::{ANSWER_LIMIT, Connection};
use crate::clients::kubernetes::context::ObserverContext;
use crate::clients::kubernetes::decode;
use crate::clients::kubernetes::error::KubeError;
use crate::domain::checklist::{CHECKLIST_NAME, CHECKLIST_NAMESPACE, Checklist, SharedWrite};
use crate::domain::failure::{Failure, FailureKind};

/// Maximum attempts after conflicts.
const MOST_TRIES: usize = 5;

/// A write, and the channel for the resulting list.
pub type ChecklistRequest = (SharedWrite, oneshot::Sender<Result<Checklist, Failure>>);

/// The `ConfigMap` as it was read.
struct StoredChecklist {
    list: Checklist,
    version: String,
}

/// Performs writes sequentially.
pub async fn write_checklists(
    context: &ObserverContext,
    requests: &mut mpsc::Receiver<ChecklistRequest>,
) {
    while let Some((write, answer)) = requests.recv().await {
        let connection = context.connections.borrow().clone();
        let result = match connection {
            Some(connection) => perform(&connection, &write).await,
            None => Err(Failure::new(FailureKind::Unreachable, "The cluster cannot be reached")),
        };
        // The requester may be gone.
        drop(answer.send(result));
    }
    // All senders are gone.
    std::future::pending::<()>().await;
}

async fn perform(connection: &Arc<Connection>, write: &SharedWrite) -> Result<Checklist, Failure> {
    for _ in 0..MOST_TRIES {
        let found = find(connection).await?;
        let sent = match (write, found) {
            (SharedWrite::Change(change), Some(StoredChecklist { mut list, version })) => {
                list.apply(change).map_err(Failure::from)?;
                put(connection, list, Some(version)).await
            }
            (SharedWrite::Change(_), None) => {
                return Err(Failure::new(
                    FailureKind::NotFound,
                    format!("{CHECKLIST_NAMESPACE}/{CHECKLIST_NAME} was deleted in the cluster"),
                )
                .hint("Share the checklist again, or keep it on this machine"));
            }
            (SharedWrite::Share(local), None) => put(connection, local.clone(), None).await,
            (SharedWrite::Share(local), Some(StoredChecklist { mut list, version })) => {
                list.add_missing(local);
                put(connection, list, Some(version)).await
            }
            (SharedWrite::Unshare, None) => return Ok(Checklist::default()),
            (SharedWrite::Unshare, Some(found)) => delete(connection, found).await,
        };
        match sent {
            Ok(list) => return Ok(list),
            // Conflict: nothing was written, so it can be retried.
            Err(KubeError::Status { code: 409, .. }) => {}
            Err(error) => return Err(connection.failure(&error)),
        }
    }
    Err(Failure::new(
        FailureKind::Refused,
        "Others are changing the checklist at the same time; nothing was written",
    )
    .hint("Try again"))
}

async fn find(connection: &Connection) -> Result<Option<StoredChecklist>, Failure> {
    let path = path(CHECKLIST_NAME);
    let body = match connection.get(&path).await {
        Ok(body) => body,
        Err(KubeError::NotServed(_)) => return Ok(None),
        Err(error) => return Err(connection.failure(&error)),
    };
    let object = serde_json::from_slice::<ConfigMap>(&body);
    let object = object.map_err(|error| {
        connection.failure(&KubeError::Format(format!("column {}", error.column())))
    })?;
    let list = decode::checklist(&object).map_err(|why| {
        let name = format!("{CHECKLIST_NAMESPACE}/{CHECKLIST_NAME}");
        Failure::new(FailureKind::Format, format!("ConfigMap {name} of the cluster: {why}"))
            .hint("Repair it, or delete it to start with a new one")
    })?;
    Ok(Some(StoredChecklist {
        list,
        version: object.metadata.resource_version.unwrap_or_default(),
    }))
}

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/{CHECKLIST_NAMESPACE}/configmaps/{name}")
}

/// Creates the `ConfigMap`, or patches only the list in it if `version` still matches.
async fn put(
    connection: &Connection,
    list: Checklist,
    version: Option<String>,
) -> Result<Checklist, KubeError> {
    let request = match version {
        Some(_) => http::Request::patch(path(CHECKLIST_NAME))
            .header(http::header::CONTENT_TYPE, "application/merge-patch+json"),
        None => http::Request::post(path("").trim_end_matches('/'))
            .header(http::header::CONTENT_TYPE, "application/json"),
    };
    let (name, namespace) = (CHECKLIST_NAME, CHECKLIST_NAMESPACE);
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
        "data": {decode::CHECKLIST_KEY: format!("{:#}", list.to_json())},
    });
    send(connection, request, &object).await.map(|()| list)
}

async fn delete(connection: &Connection, found: StoredChecklist) -> Result<Checklist, KubeError> {
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"resourceVersion": found.version},
    });
    let request = http::Request::delete(path(CHECKLIST_NAME))
        .header(http::header::CONTENT_TYPE, "application/json");
    send(connection, request, &options).await.map(|()| found.list)
}

async fn send(
    connection: &Connection,
    request: http::request::Builder,
    body: &Value,
) -> Result<(), KubeError> {
    let request = request
        .body(body.to_string().into_bytes())
        .map_err(|error| KubeError::Format(error.to_string()))?;
    connection.read(request, ANSWER_LIMIT).await.map(drop)
}
