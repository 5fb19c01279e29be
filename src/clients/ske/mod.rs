//! The SKE API v2. Every request is sent once; a 401, which had no effect, is repeated with a renewed token, and a list
//! after a pause that the server asked for.

mod bounded;
pub mod decode;
#[cfg(test)]
mod tests;
pub mod wire;

use std::fmt;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;

use crate::clients::api::{ApiClient, mark_not_sent};
use crate::clients::auth::TokenSource;
use crate::clients::compute::compute;
use crate::clients::http::{Http, is_loopback};
use crate::clients::request::{HttpRequest, LIST_LIMIT};
use crate::clients::response::HttpResponse;
use crate::clock::Clock;
use crate::domain::action::Accepted;
use crate::domain::cluster::{Cluster, ClusterId, Listing, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::lifetime::Lifetime;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;

/// How long pauses that the server asks for are kept, in all.
const PATIENCE: Duration = Duration::from_mins(2);
/// The shortest pause.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Issuing is slow at times.
const ISSUE_FIRST_BYTE: Duration = Duration::from_mins(1);

/// Lifetime of the kubeconfigs that skeys itself uses, in seconds: the minimum that the API grants. Not a `Lifetime`,
/// whose limits are for users. Source: SKE API v2, `CreateKubeconfigPayload`.
pub const SHORT_LIFE_SECONDS: u32 = 600;

/// One cluster, as just read.
#[derive(Debug, Clone)]
pub struct Reading {
    pub cluster: Cluster,
    /// The server's clock minus ours; `None` if unknown.
    pub skew: Option<SignedDuration>,
}

/// A kubeconfig, as just issued.
#[derive(Debug, Clone)]
pub struct KubeconfigResponse {
    /// The YAML.
    pub kubeconfig: Secret,
    /// Expiry according to the server; only the admin kind has one.
    pub expires: Option<Timestamp>,
}

/// A client of one SKE API as one account. Clones share connections and token.
#[derive(Clone)]
pub struct SkeClient {
    api: ApiClient,
}

impl fmt::Debug for SkeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SkeClient({})", self.api.base)
    }
}

impl SkeClient {
    /// A client for the API at `base`.
    ///
    /// # Errors
    /// `base` is neither https nor http on loopback.
    pub fn new(base: &str, http: Http, tokens: TokenSource) -> Result<Self, Failure> {
        Ok(Self { api: ApiClient::new(base, "the address of the SKE API", http, tokens)? })
    }

    /// Lists the clusters of a project in a region.
    ///
    /// # Errors
    /// `NotOffered` for an unknown region, `NotFound` if SKE is not enabled, `Forbidden` with the missing permission.
    pub async fn list(&self, scope: &Scope) -> Result<Listing, Failure> {
        let purpose = format!("list the clusters of project {} in {}", scope.project, scope.region);
        let mut request = self.request(Method::GET, &purpose, scope, &["clusters"])?;
        request.limit = LIST_LIMIT;
        let answer = self.send(&request, "ske.cluster.list").await.map_err(|failure| {
            if failure.kind == FailureKind::NotFound {
                failure.hint("SKE may not be enabled in this project, or the project was deleted")
            } else {
                failure
            }
        })?;
        let (clusters, skipped) = compute(|| decode::list(scope, &answer.body))
            .map_err(|reason| answer.format_failure(&request, &reason))?;
        Ok(Listing { clusters, skipped, skew: answer.skew })
    }

    /// Lists several scopes, so many at a time, in the order of the answers. With a clock, pauses that the server asks for
    /// are kept for two minutes in all: for callers that do not list again.
    pub fn list_all(
        &self,
        scopes: impl IntoIterator<Item = Scope>,
        concurrency: usize,
        patient: Option<&Clock>,
    ) -> impl Stream<Item = (Scope, Result<Listing, Failure>)> {
        let end = patient.map(|clock| clock.monotonic().saturating_add(PATIENCE));
        let list = move |scope: Scope| async move {
            loop {
                let listed = self.list(&scope).await;
                let limited = listed.as_ref().err();
                let limited = limited.filter(|it| it.kind == FailureKind::RateLimited);
                let (Some(clock), Some(at)) = (patient, limited.and_then(|it| it.retry_at)) else {
                    return (scope, listed);
                };
                let pause = Duration::try_from(at.duration_since(clock.now())).unwrap_or_default();
                let until = clock.monotonic().saturating_add(pause.max(SHORTEST_PAUSE));
                if end.is_none_or(|end| until > end) {
                    return (scope, listed);
                }
                clock.sleep_until(until).await;
            }
        };
        stream::iter(scopes).map(list).buffer_unordered(concurrency.max(1))
    }

    /// Reads one cluster.
    ///
    /// # Errors
    /// `NotFound` if it is gone; others as for every read.
    pub async fn get(&self, id: &ClusterId) -> Result<Reading, Failure> {
        let request = self.cluster_request(Method::GET, &format!("read {id}"), id, &[])?;
        let answer = self.send(&request, "ske.cluster.get").await?;
        let cluster = compute(|| decode::one(id, &answer.body))
            .map_err(|reason| answer.format_failure(&request, &reason))?;
        Ok(Reading { cluster, skew: answer.skew })
    }

    /// Requests a step of the rotation, once.
    ///
    /// # Errors
    /// [`Failure::leaves_outcome_unknown`] tells whether it may have taken effect nevertheless.
    pub async fn rotate(&self, id: &ClusterId, step: Step) -> Result<Accepted, Failure> {
        let purpose = format!("{step} the credentials rotation of {id}");
        self.post_action(id, &purpose, step.endpoint(), "ske.cluster.credential.rotate").await
    }

    /// Requests waking up the cluster, once.
    pub async fn wake_up(&self, id: &ClusterId) -> Result<Accepted, Failure> {
        self.post_action(id, &format!("wake up {id}"), "wakeup", "ske.cluster.wakeup").await
    }

    /// Requests reconciling the cluster, once.
    pub async fn reconcile(&self, id: &ClusterId) -> Result<Accepted, Failure> {
        self.post_action(id, &format!("reconcile {id}"), "reconcile", "ske.cluster.reconcile").await
    }

    /// Issues an admin kubeconfig, once.
    ///
    /// # Errors
    /// Like [`SkeClient::rotate`]: if the outcome is unknown, one may have been issued.
    pub async fn issue(
        &self,
        id: &ClusterId,
        lifetime: Lifetime,
    ) -> Result<KubeconfigResponse, Failure> {
        self.issue_for(id, &format!("issue a kubeconfig for {id}"), lifetime.seconds()).await
    }

    /// Issues an admin kubeconfig valid for [`SHORT_LIFE_SECONDS`], with which skeys itself reads the nodes. It stays
    /// in memory; users get theirs from [`SkeClient::issue`].
    ///
    /// # Errors
    /// Like [`SkeClient::rotate`]: if the outcome is unknown, one may have been issued; it expires soon.
    pub async fn issue_short_lived(&self, id: &ClusterId) -> Result<KubeconfigResponse, Failure> {
        let purpose = format!("issue a kubeconfig for observing {id}");
        self.issue_for(id, &purpose, SHORT_LIFE_SECONDS).await
    }

    /// Whether the API is on loopback (the simulator).
    pub fn is_on_loopback(&self) -> bool {
        is_loopback(&self.api.base)
    }

    /// Reads the kubeconfig that logs in through the `stackit` command; contains no secret.
    pub async fn login_kubeconfig(&self, id: &ClusterId) -> Result<KubeconfigResponse, Failure> {
        let purpose = format!("read the login kubeconfig of {id}");
        let request = self.cluster_request(Method::GET, &purpose, id, &["kubeconfig", "login"])?;
        self.kubeconfig(request, "ske.cluster.kubeconfig.create").await
    }

    /// Reads the kubeconfig that logs in through the identity provider; contains no secret.
    pub async fn idp_kubeconfig(&self, id: &ClusterId) -> Result<KubeconfigResponse, Failure> {
        let purpose = format!("read the identity-provider kubeconfig of {id}");
        let request = self.cluster_request(Method::GET, &purpose, id, &["kubeconfig", "idp"])?;
        self.kubeconfig(request, "ske.cluster.kubeconfig.idp.create").await
    }

    async fn issue_for(
        &self,
        id: &ClusterId,
        purpose: &str,
        seconds: u32,
    ) -> Result<KubeconfigResponse, Failure> {
        let mut request = self.cluster_request(Method::POST, purpose, id, &["kubeconfig"])?;
        let payload = serde_json::json!({ "expirationSeconds": seconds.to_string() }).to_string();
        request.body = Some(("application/json", Secret::new(payload)));
        self.kubeconfig(request, "ske.cluster.kubeconfig.create").await
    }

    async fn kubeconfig(
        &self,
        mut request: HttpRequest,
        permission: &str,
    ) -> Result<KubeconfigResponse, Failure> {
        request.first_byte = ISSUE_FIRST_BYTE;
        request.answers_secret = true;
        let answer = self.send(&request, permission).await?;
        let (kubeconfig, expires) = decode::kubeconfig(&answer.body)
            .map_err(|reason| answer.format_failure(&request, &reason))?;
        Ok(KubeconfigResponse { kubeconfig, expires })
    }

    async fn post_action(
        &self,
        id: &ClusterId,
        purpose: &str,
        endpoint: &str,
        permission: &str,
    ) -> Result<Accepted, Failure> {
        let request = self.cluster_request(Method::POST, purpose, id, &[endpoint])?;
        self.send(&request, permission).await?.accepted(&request)
    }

    async fn send(&self, request: &HttpRequest, permission: &str) -> Result<HttpResponse, Failure> {
        let token = match self.api.tokens.token().await {
            Ok(token) => token,
            Err(failure) => {
                let failure = self.explain_clock(request, failure).await;
                return Err(mark_not_sent(request, failure));
            }
        };
        let answer = self.api.send(request.clone(), token).await?;
        match answer.failure(request) {
            None => Ok(answer),
            Some(failure) if failure.kind == FailureKind::Forbidden => {
                Err(failure.hint(format!("the account needs the permission {permission}")))
            }
            Some(failure) if failure.kind == FailureKind::SignedOut => {
                Err(failure.hint("sign in again or check the token source"))
            }
            Some(failure) => Err(failure),
        }
    }

    /// A token that has expired by this machine's clock may be valid: SKE's response without a token reveals the time.
    async fn explain_clock(&self, request: &HttpRequest, failure: Failure) -> Failure {
        if request.method != Method::GET {
            return failure;
        }
        let skew = async { self.api.http.send(request).await.ok()?.skew };
        self.api.tokens.explain_clock(failure, skew).await
    }

    fn cluster_request(
        &self,
        method: Method,
        purpose: &str,
        id: &ClusterId,
        rest: &[&str],
    ) -> Result<HttpRequest, Failure> {
        let mut path = vec!["clusters", id.name.as_str()];
        path.extend(rest);
        self.request(method, purpose, &id.scope, &path)
    }

    fn request(
        &self,
        method: Method,
        purpose: &str,
        scope: &Scope,
        rest: &[&str],
    ) -> Result<HttpRequest, Failure> {
        let mut path =
            vec!["v2", "projects", scope.project.as_str(), "regions", scope.region.as_str()];
        path.extend(rest);
        let mut request = HttpRequest::new(method, self.api.url(&path)?, purpose);
        request.region = scope.region.to_string();
        Ok(request)
    }
}
