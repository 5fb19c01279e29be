//! Signs of the steps before the nodes: service account signing keys, and re-encrypted Secrets.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::core::{PartialObjectMeta, Request};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::clients::kubernetes::connection::{ANSWER_LIMIT, Connection, PAGE_LIMIT};
use crate::clients::kubernetes::context::{ObserverContext, wait_for_connection};
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::resources::{ListMeta, PAGE, null_as_empty};
use crate::domain::cluster::Cluster;
use crate::domain::credential::{SigningKeys, TokenFacts, read_client};
use crate::domain::kubeconfig::token_facts;
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::snapshot::SignedRequest;
use crate::domain::text::clean;

/// Poll interval while a step runs, and otherwise.
const INTERVAL_RUNNING: Duration = Duration::from_secs(30);
const INTERVAL_IDLE: Duration = Duration::from_mins(2);
/// Secrets are counted up to this many pages; beyond that the count is unknown.
const MOST_PAGES: usize = 40;
/// Requests for client certificates, one page at most.
const SIGNED_REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests?limit=500\
    &fieldSelector=spec.signerName%3Dkubernetes.io%2Fkube-apiserver-client";
/// Label that a Secret gets when it is written with the new key (Gardener).
const KEY_NAME: &str = "credentials.gardener.cloud/key-name";

/// Polls these signs; never returns.
pub async fn watch_control_plane(context: &ObserverContext, mut cluster: watch::Receiver<Cluster>) {
    let mut connections = context.connections.clone();
    // The keys last read, and the rotation at that time.
    let mut last: Option<(Rotation, SigningKeys)> = None;
    loop {
        let connection = wait_for_connection(&mut connections).await;
        // What cannot be read stays unknown; the connection manager reports why.
        let accepted = connection.get("/openid/v1/jwks").await.ok().and_then(|body| key_ids(&body));
        let rotation = cluster.borrow_and_update().rotation.clone();
        let phase = &rotation.phase;
        let counts = *phase == Phase::Preparing
            && rotation.start().is_none_or(|at| !context.store().node_replacement_began(at));
        let reencrypted =
            if counts { count_secrets(&connection).await.ok().flatten() } else { None };
        let requests = if phase.is_open() { signed_requests(&connection).await } else { None };
        // Keys of an earlier rotation say nothing about this one.
        last.take_if(|(of, _)| of.initiated != rotation.initiated);
        let keys = if let Some(accepted) = accepted {
            let known = last.map(|(_, keys)| keys);
            Some(signing_keys(accepted, phase, known, &connection).await)
        } else {
            last.filter(|(of, _)| of.phase == *phase).map(|(_, keys)| keys)
        };
        last = keys.clone().map(|keys| (rotation.clone(), keys));
        context.update(|store| {
            store.update_control_plane(|plane| {
                plane.signing_keys = keys;
                plane.signed_requests = requests;
                if counts || *phase != Phase::Preparing {
                    plane.reencrypted = reencrypted;
                }
            });
        });
        let wait = if phase.is_running() { INTERVAL_RUNNING } else { INTERVAL_IDLE };
        tokio::select! {
            () = context.clock.sleep(wait) => {}
            () = wait_for_change(&mut cluster, &rotation) => {}
        }
    }
}

async fn wait_for_change(cluster: &mut watch::Receiver<Cluster>, rotation: &Rotation) {
    if cluster.wait_for(|cluster| cluster.rotation != *rotation).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Every `kid` of a JWKS; a key without one counts as "".
fn key_ids(body: &[u8]) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Keys {
        keys: Vec<Key>,
    }
    #[derive(Deserialize)]
    struct Key {
        #[serde(default)]
        kid: String,
    }
    let keys = serde_json::from_slice::<Keys>(body).ok()?.keys;
    Some(keys.iter().map(|key| clean(&key.kid)).collect())
}

/// The accepted keys, and which of them signs. During PREPARING, API servers may still sign with the old key, so the
/// signing key is requested once PREPARED; `known` is the previous result.
async fn signing_keys(
    accepted: BTreeSet<String>,
    phase: &Phase,
    known: Option<SigningKeys>,
    connection: &Connection,
) -> SigningKeys {
    let is_accepted = |key: &String| accepted.contains(key);
    let known = known.and_then(|keys| Some((keys.signing.filter(is_accepted)?, keys.audiences)));
    let signing = match phase {
        Phase::Prepared | Phase::Completing => match known {
            None if accepted.len() > 1 && *phase == Phase::Prepared => {
                let fresh = fresh_token(connection).await;
                fresh.and_then(|token| Some((token.key_id.filter(is_accepted)?, token.audiences)))
            }
            known => known,
        },
        Phase::Never | Phase::Preparing | Phase::Completed | Phase::Unknown(_) => None,
    };
    let (signing, audiences) = signing.unzip();
    SigningKeys { accepted, signing, audiences: audiences.unwrap_or_default() }
}

/// Claims of a fresh token valid for ten minutes: the key that signs now, and the audiences of the API server.
async fn fresh_token(connection: &Connection) -> Option<TokenFacts> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        status: Status<'a>,
    }
    #[derive(Deserialize)]
    struct Status<'a> {
        token: &'a str,
    }
    let body = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600}}"#;
    let request = http::Request::post("/api/v1/namespaces/default/serviceaccounts/default/token")
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.as_bytes().to_vec())
        .ok()?;
    let answer = Zeroizing::new(connection.read(request, ANSWER_LIMIT).await.ok()?);
    let answer: Answer<'_> = serde_json::from_slice(&answer).ok()?;
    token_facts(answer.status.token)
}

/// Requests for which the cluster signed a client certificate and that still exist; `None` if they cannot be read or
/// exceed one page. Certificates are public.
async fn signed_requests(connection: &Connection) -> Option<Vec<SignedRequest>> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        metadata: ListMeta,
        #[serde(deserialize_with = "null_as_empty")]
        items: Vec<Value>,
    }
    let request = http::Request::get(SIGNED_REQUESTS).body(Vec::new()).ok()?;
    let body = connection.read(request, PAGE_LIMIT).await.ok()?;
    let page = serde_json::from_slice::<Page>(&body).ok()?;
    if page.metadata.next().is_some() {
        return None;
    }
    let read = |item: Value| {
        let request = serde_json::from_value::<CertificateSigningRequest>(item).ok()?;
        Some(SignedRequest {
            name: clean(request.metadata.name.as_deref()?),
            requester: clean(request.spec.username.as_deref().unwrap_or_default()),
            certificate: read_client(&request.status?.certificate?.0)?,
        })
    };
    Some(page.items.into_iter().filter_map(read).collect())
}

/// How many Secrets have the label, and how many there are; requests only metadata.
async fn count_secrets(connection: &Connection) -> Result<Option<(usize, usize)>, KubeError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        metadata: ListMeta,
        #[serde(deserialize_with = "null_as_empty")]
        items: Vec<PartialObjectMeta<Secret>>,
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
        next = page.metadata.next();
        if next.is_none() {
            return Ok(Some((labelled, all)));
        }
    }
    Ok(None)
}

fn is_new(secret: &PartialObjectMeta<Secret>) -> bool {
    secret.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(KEY_NAME))
}
