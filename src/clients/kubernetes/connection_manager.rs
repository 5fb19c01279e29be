//! Keeps a connection to one cluster's API server: requests short-lived kubeconfigs, tries and renews them, and reports
//! what is wrong if nothing works. The resource watchers only use this connection.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clients::kubernetes::access_policy::AccessPolicy;
use crate::clients::kubernetes::checked_kubeconfig::{CheckedKubeconfig, ExpectedServer};
use crate::clients::kubernetes::connection::Connection;
use crate::clients::kubernetes::context::ObserverContext;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::store::Store;
use crate::clients::ske::KubeconfigResponse;
use crate::domain::backoff;
use crate::domain::cluster::Cluster;
use crate::domain::credential::Issuance;
use crate::domain::failure::Failure;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;

/// How often readiness of the API server is checked, and with it whether it accepts our credentials.
const READINESS_INTERVAL: Duration = Duration::from_secs(15);
/// Minimum interval of checks on request.
const MIN_READINESS_INTERVAL: Duration = Duration::from_secs(1);
/// Retry interval for a fresh certificate that is not accepted yet, plus up to a third of jitter.
const NOT_ACCEPTED_RETRY: Duration = Duration::from_secs(15);
/// Retry interval for rejected credentials, and for SKE after it refused to issue any.
const REFUSED_RETRY: Duration = Duration::from_mins(1);
/// Retry interval after an unusable kubeconfig.
const INVALID_KUBECONFIG_RETRY: Duration = Duration::from_mins(5);
/// Maximum retry interval for an unreachable server, so that recovery is noticed soon.
const LONGEST_UNREACHABLE: Duration = Duration::from_secs(5);
/// Minimum interval of requests to SKE after one that issued no kubeconfig.
const MIN_ISSUE_INTERVAL: Duration = Duration::from_secs(2);

/// A connection, and when its credentials were issued.
#[derive(Clone)]
struct ActiveConnection {
    connection: Arc<Connection>,
    issued: Duration,
    phase: Phase,
}

impl ActiveConnection {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.issued)
    }

    fn life(&self) -> Duration {
        self.connection.access().life()
    }

    /// Two thirds of its lifetime have passed, or it predates a phase change, which changes the CA bundle.
    fn is_due(&self, now: Duration, phase: &Phase) -> bool {
        self.phase != *phase || self.age(now) >= self.life().saturating_mul(2) / 3
    }
}

/// How an attempt to connect ended.
enum ConnectionAttempt {
    Accepted(Option<bool>),
    /// The server rejects our credentials.
    Refused(Failure),
    /// We reject the server certificate: our CA bundle may be outdated.
    Untrusted(Failure),
    Unreachable(Failure),
}

/// After an outage of this many kubeconfig lifetimes, the server may have a new address.
const LONG_OUTAGE: u32 = 3;

/// Keeps the connection; see [`ConnectionManager::run`].
pub struct ConnectionManager<'a, F> {
    context: &'a ObserverContext,
    issue: F,
    cluster: watch::Receiver<Cluster>,
    may_disable_static_tokens: bool,
    expected: ExpectedServer,
    connections: watch::Sender<Option<Arc<Connection>>>,
    /// Accepted at least once.
    current: Option<ActiveConnection>,
    /// Predecessor of `current`. Replicas learn of a new CA one by one, so one may accept a certificate that the next
    /// rejects.
    previous: Option<ActiveConnection>,
    /// Issued and not accepted yet.
    candidate: Option<ActiveConnection>,
    /// The access policy as of the last step.
    access_policy: AccessPolicy,
    /// The access policy forbade access.
    was_closed: bool,
    /// No kubeconfig is requested before this monotonic time.
    not_before: Duration,
    /// Consecutive attempts that reached no server.
    unreachable: u32,
    /// Consecutive requests to SKE that issued nothing.
    unissued: u32,
    /// Consecutive unexpected rejections of fresh kubeconfigs.
    refused: u32,
    /// Since when fresh credentials have not been accepted.
    waiting_since: Option<Timestamp>,
}

impl<'a, F, Fut> ConnectionManager<'a, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<KubeconfigResponse, Failure>>,
{
    /// A manager without a connection. `may_disable_static_tokens`: the user agreed to what
    /// [`Unavailable::WouldDisableStaticTokens`] warns of.
    pub fn new(
        context: &'a ObserverContext,
        issue: F,
        cluster: watch::Receiver<Cluster>,
        expected: ExpectedServer,
        may_disable_static_tokens: bool,
        connections: watch::Sender<Option<Arc<Connection>>>,
    ) -> Self {
        let access_policy = AccessPolicy::of(&cluster.borrow());
        if let Some(trouble) = access_policy.refusal(may_disable_static_tokens) {
            context.update(|store| store.set_unavailable(trouble));
        }
        Self {
            context,
            issue,
            cluster,
            may_disable_static_tokens,
            expected,
            connections,
            current: None,
            previous: None,
            candidate: None,
            access_policy,
            was_closed: false,
            not_before: Duration::ZERO,
            unreachable: 0,
            unissued: 0,
            refused: 0,
            waiting_since: None,
        }
    }

    /// Keeps the connection; never ends.
    pub async fn run(mut self) {
        loop {
            let wait = self.step().await;
            self.wait(wait).await;
        }
    }

    /// One step; returns how long to wait. `None`: until SKE reports a change of the cluster.
    async fn step(&mut self) -> Option<Duration> {
        let access_policy = AccessPolicy::of(&self.cluster.borrow_and_update());
        if access_policy != self.access_policy {
            (self.access_policy, self.not_before) = (access_policy, Duration::ZERO);
        }
        if let Some(trouble) = self.access_policy.refusal(self.may_disable_static_tokens) {
            (self.current, self.previous, self.candidate) = (None, None, None);
            (self.unreachable, self.refused, self.waiting_since) = (0, 0, None);
            self.was_closed = true;
            self.context.update(|store| store.update_control_plane(|plane| plane.ready = None));
            self.disconnect(trouble);
            return None;
        }
        if std::mem::take(&mut self.was_closed) {
            self.disconnect(Unavailable::Connecting);
        }
        if self.needs_kubeconfig() && self.context.clock.monotonic() >= self.not_before {
            self.request_kubeconfig().await;
        }
        let until_issue = self.not_before.saturating_sub(self.context.clock.monotonic());
        match (self.candidate.clone(), self.current.clone()) {
            (Some(candidate), _) => Some(self.try_credentials(&candidate, true).await),
            (None, Some(current)) => {
                let rest = self.try_credentials(&current, false).await;
                Some(if until_issue.is_zero() { rest } else { rest.min(until_issue) })
            }
            (None, None) => Some(until_issue.max(MIN_ISSUE_INTERVAL)),
        }
    }

    /// While the server is away, a fresh kubeconfig does not help; once back, it rejects an expired one itself.
    fn needs_kubeconfig(&self) -> bool {
        let now = self.context.clock.monotonic();
        let newest = self.candidate.as_ref().or(self.current.as_ref());
        newest.is_none_or(|active| {
            if self.unreachable > 0 {
                active.age(now) >= active.life().saturating_mul(LONG_OUTAGE)
            } else {
                active.is_due(now, &self.access_policy.phase)
            }
        })
    }

    /// Requests a kubeconfig and makes it the candidate. A failure is reported if nothing else works, and SKE is not
    /// asked again for a while.
    async fn request_kubeconfig(&mut self) {
        // Read before the request: the rotation may advance in between, but not go back.
        let rotation = Some(self.cluster.borrow().rotation.clone());
        let access = match (self.issue)().await {
            Ok(issued) => CheckedKubeconfig::read(&issued.kubeconfig, &self.expected)
                .map_err(|failure| {
                    (Unavailable::KubeconfigRefused(failure), INVALID_KUBECONFIG_RETRY)
                })
                .and_then(|access| {
                    self.connect(access).map_err(|failure| {
                        (Unavailable::Unreachable(failure), INVALID_KUBECONFIG_RETRY)
                    })
                }),
            Err(failure) => {
                self.unissued = self.unissued.saturating_add(1);
                let wait = self.wait_for_ske(&failure);
                Err((Unavailable::NoAccess(failure), wait))
            }
        };
        match access {
            Ok(connection) => {
                self.unissued = 0;
                let facts = connection.access().facts().clone();
                self.context.update(|store| {
                    let issuance = Issuance { facts, rotation };
                    store.update_control_plane(|plane| {
                        let known = plane.issuance.take();
                        plane.issuance =
                            known.filter(|known| known.tells_same(&issuance)).or(Some(issuance));
                    });
                });
                let (issued, phase) =
                    (self.context.clock.monotonic(), self.access_policy.phase.clone());
                self.candidate = Some(ActiveConnection { connection, issued, phase });
            }
            Err((trouble, wait)) => {
                self.not_before = self.context.clock.monotonic().saturating_add(wait);
                if self.connections.borrow().is_none() {
                    self.disconnect(trouble);
                }
            }
        }
    }

    fn connect(&self, access: CheckedKubeconfig) -> Result<Arc<Connection>, Failure> {
        Connection::new(access, self.expected.cluster.clone(), self.context.clock.clone())
    }

    fn wait_for_ske(&self, failure: &Failure) -> Duration {
        let asked = failure.retry_at.map(|at| at.duration_since(self.context.clock.now()));
        let asked = asked.and_then(|wait| Duration::try_from(wait).ok());
        let own = if failure.is_transient() {
            backoff::delay(self.unissued.saturating_add(2), fastrand::f64()).max(MIN_ISSUE_INTERVAL)
        } else {
            REFUSED_RETRY
        };
        asked.unwrap_or_default().max(own)
    }

    /// Tries credentials and acts on the result; returns how long to wait.
    async fn try_credentials(&mut self, active: &ActiveConnection, is_candidate: bool) -> Duration {
        let attempt = self.attempt(&active.connection).await;
        let refusal = match attempt {
            ConnectionAttempt::Accepted(ready) => {
                self.accept(active, ready);
                return READINESS_INTERVAL;
            }
            ConnectionAttempt::Unreachable(failure) => return self.handle_unreachable(failure),
            ConnectionAttempt::Refused(_) if !is_candidate && self.fall_back() => {
                return Duration::ZERO;
            }
            ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_) if !is_candidate => {
                // They may simply have expired, for instance during an outage: try one fresh kubeconfig.
                (self.unreachable, self.refused) = (0, self.refused.max(1));
                self.current = None;
                return Duration::ZERO;
            }
            refusal @ (ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_)) => refusal,
        };
        // The old credentials stay in use while the new ones are not accepted yet.
        if let Some(current) = self.current.clone() {
            match self.attempt(&current.connection).await {
                ConnectionAttempt::Accepted(ready) => {
                    self.keep_current(ready);
                    return retry_not_accepted();
                }
                ConnectionAttempt::Unreachable(failure) => return self.handle_unreachable(failure),
                ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_) => {
                    self.current = None;
                }
            }
        }
        self.handle_refusal(refusal)
    }

    async fn attempt(&self, connection: &Connection) -> ConnectionAttempt {
        let result = connection.ready().await;
        if let Some(skew) = connection.skew_seconds() {
            self.context.update(|store| store.set_skew(skew));
        }
        match result {
            Ok(ready) => ConnectionAttempt::Accepted(ready),
            Err(error @ KubeError::Refused(_)) => {
                ConnectionAttempt::Refused(connection.failure(&error))
            }
            Err(error @ KubeError::Untrusted(_)) => {
                ConnectionAttempt::Untrusted(connection.failure(&error))
            }
            Err(error) => ConnectionAttempt::Unreachable(connection.failure(&error)),
        }
    }

    /// Reverts to the previous credentials if they may still be valid, and makes the current ones a candidate again.
    fn fall_back(&mut self) -> bool {
        let now = self.context.clock.monotonic();
        let previous = self.previous.take().filter(|active| active.age(now) < active.life());
        if previous.is_none() || !self.is_settling() {
            return false;
        }
        self.candidate = std::mem::replace(&mut self.current, previous);
        true
    }

    fn accept(&mut self, active: &ActiveConnection, ready: Option<bool>) {
        if self.candidate.take().is_some() {
            self.previous = self.current.take();
        }
        self.current = Some(active.clone());
        (self.refused, self.waiting_since) = (0, None);
        self.keep_current(ready);
    }

    /// The current credentials work.
    fn keep_current(&mut self, ready: Option<bool>) {
        self.unreachable = 0;
        let current = self.current.as_ref().map(|active| Arc::clone(&active.connection));
        self.connections.send_if_modified(|connection| {
            let is_same = match (&*connection, &current) {
                (Some(connection), Some(current)) => Arc::ptr_eq(connection, current),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            connection.clone_from(&current);
            !is_same
        });
        self.context.update(|store| {
            store.update_control_plane(|plane| plane.ready = ready);
            store.clear_unavailable();
        });
    }

    /// Tolerates one failure of a working connection: replicas come and go.
    fn handle_unreachable(&mut self, failure: Failure) -> Duration {
        self.unreachable = self.unreachable.saturating_add(1);
        let is_up = self.connections.borrow().is_some();
        if !is_up || self.unreachable > 1 {
            self.disconnect(Unavailable::Unreachable(failure));
        }
        let wait = backoff::delay(self.unreachable, fastrand::f64());
        wait.clamp(MIN_READINESS_INTERVAL / 2, LONGEST_UNREACHABLE)
    }

    /// Handles rejected fresh credentials. A rejection is expected soon after a start, and an outdated server
    /// certificate during COMPLETING. Otherwise one fresh kubeconfig is tried.
    fn handle_refusal(&mut self, refusal: ConnectionAttempt) -> Duration {
        self.unreachable = 0;
        let is_normal = match refusal {
            ConnectionAttempt::Refused(_) => self.is_settling(),
            ConnectionAttempt::Untrusted(_) => self.access_policy.phase == Phase::Completing,
            ConnectionAttempt::Accepted(_) | ConnectionAttempt::Unreachable(_) => false,
        };
        if is_normal {
            let since = *self.waiting_since.get_or_insert_with(|| self.context.clock.now());
            self.disconnect(Unavailable::NotAcceptedYet { since });
            return retry_not_accepted();
        }
        self.waiting_since = None;
        self.refused = self.refused.saturating_add(1);
        if self.refused == 1 {
            self.candidate = None;
            return Duration::ZERO;
        }
        match refusal {
            ConnectionAttempt::Refused(failure) => {
                self.disconnect(Unavailable::CredentialsRefused(failure));
            }
            ConnectionAttempt::Untrusted(failure) | ConnectionAttempt::Unreachable(failure) => {
                self.disconnect(Unavailable::Unreachable(failure));
            }
            ConnectionAttempt::Accepted(_) => {}
        }
        REFUSED_RETRY
    }

    fn is_settling(&self) -> bool {
        let skew = SignedDuration::from_secs(self.context.store().skew_seconds());
        let there = self.context.clock.now().saturating_add(skew).unwrap_or(Timestamp::MAX);
        self.access_policy.is_settling(there)
    }

    fn disconnect(&self, trouble: Unavailable) {
        self.connections.send_if_modified(|connection| connection.take().is_some());
        self.context.update(|store: &mut Store| store.set_unavailable(trouble));
    }

    /// Waits for the timeout, a requested check, or a change of the access policy.
    async fn wait(&mut self, wait: Option<Duration>) {
        let clock = self.context.clock.clone();
        let began = clock.monotonic();
        let doubts_count = self.connections.borrow().is_some();
        let time = async {
            match wait {
                Some(wait) => clock.sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let check_requested = async {
            if !doubts_count {
                std::future::pending::<()>().await;
            }
            self.context.check_requested.notified().await;
            clock.sleep_until(began.saturating_add(MIN_READINESS_INTERVAL)).await;
        };
        let access_policy = self.access_policy.clone();
        let news = async {
            loop {
                if self.cluster.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if AccessPolicy::of(&self.cluster.borrow_and_update()) != access_policy {
                    return;
                }
            }
        };
        tokio::select! {
            () = time => {}
            () = check_requested => {}
            () = news => {}
        }
    }
}

fn retry_not_accepted() -> Duration {
    NOT_ACCEPTED_RETRY.saturating_add(NOT_ACCEPTED_RETRY.mul_f64(fastrand::f64() / 3.0))
}
