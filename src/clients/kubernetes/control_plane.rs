//! Signs of the steps that come before the nodes: keys that sign tokens, and Secrets that were encrypted anew.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Request};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::clients::kubernetes::connection::{Connection, PAGE_LIMIT};
use crate::clients::kubernetes::context::{ObserverContext, wait_for_connection};
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::resources::PAGE;
use crate::domain::cluster::Cluster;
use crate::domain::rotation::Phase;

/// Poll interval while a step runs, and otherwise.
const INTERVAL_RUNNING: Duration = Duration::from_secs(30);
const INTERVAL_IDLE: Duration = Duration::from_mins(2);
/// Secrets are counted up to this many pages; beyond that the count is unknown.
const MOST_PAGES: usize = 40;
/// Label that a Secret gets when it is written with the new key (Gardener).
const KEY_NAME: &str = "credentials.gardener.cloud/key-name";

/// Polls these signs; never ends.
pub async fn watch_control_plane(context: &ObserverContext, mut cluster: watch::Receiver<Cluster>) {
    let mut connections = context.connections.clone();
    loop {
        let connection = wait_for_connection(&mut connections).await;
        // What cannot be read stays unknown; the connection manager reports why.
        let keys = connection.get("/openid/v1/jwks").await.ok().and_then(|body| count_keys(&body));
        let (phase, start) = {
            let cluster = cluster.borrow_and_update();
            (cluster.rotation.phase.clone(), cluster.rotation.initiated)
        };
        let counts = phase == Phase::Preparing
            && start.is_none_or(|start| !context.store().node_replacement_began(start));
        let reencrypted =
            if counts { count_secrets(&connection).await.ok().flatten() } else { None };
        context.update(|store| {
            store.update_control_plane(|plane| {
                plane.signing_keys = keys.or(plane.signing_keys);
                if counts || phase != Phase::Preparing {
                    plane.reencrypted = reencrypted;
                }
            });
        });
        let wait = if phase.is_running() { INTERVAL_RUNNING } else { INTERVAL_IDLE };
        tokio::select! {
            () = context.clock.sleep(wait) => {}
            () = wait_for_phase_change(&mut cluster, &phase) => {}
        }
    }
}

async fn wait_for_phase_change(cluster: &mut watch::Receiver<Cluster>, phase: &Phase) {
    loop {
        if cluster.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if cluster.borrow_and_update().rotation.phase != *phase {
            return;
        }
    }
}

fn count_keys(body: &[u8]) -> Option<usize> {
    #[derive(Deserialize)]
    struct Keys<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    serde_json::from_slice::<Keys<'_>>(body).ok().map(|keys| keys.keys.len())
}

/// How many Secrets carry the label, and how many there are; metadata alone is asked for.
async fn count_secrets(connection: &Connection) -> Result<Option<(usize, usize)>, KubeError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        metadata: ListMeta,
        #[serde(default)]
        items: Vec<PartialObjectMeta<Secret>>,
    }
    #[derive(Deserialize, Default)]
    struct ListMeta {
        #[serde(default, rename = "continue")]
        next: Option<String>,
    }
    let (mut labelled, mut all) = (0_usize, 0_usize);
    let mut next: Option<String> = None;
    for _page in 0..MOST_PAGES {
        let mut params = ListParams::default().limit(PAGE);
        params.continue_token = next.take();
        let request = Request::new("/api/v1/secrets")
            .list_metadata(&params)
            .map_err(|error| KubeError::Format(error.to_string()))?;
        let body = connection.read(request, PAGE_LIMIT).await?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|error| KubeError::Format(format!("column {}", error.column())))?;
        all = all.saturating_add(page.items.len());
        labelled =
            labelled.saturating_add(page.items.iter().filter(|secret| is_new(secret)).count());
        next = page.metadata.next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(Some((labelled, all)));
        }
    }
    Ok(None)
}

fn is_new(secret: &PartialObjectMeta<Secret>) -> bool {
    secret.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(KEY_NAME))
}
