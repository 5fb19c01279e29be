//! Keeps a way to one cluster's API server open: asks SKE for short-lived kubeconfigs, tries them, renews them, and
//! says what is wrong when nothing works. Followers of single kinds only use the connection that stands here.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clients::http::random;
use crate::clients::kubernetes::access::{CheckedKubeconfig, Expected};
use crate::clients::kubernetes::access_policy::AccessPolicy;
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

/// How often the API server is asked whether it is ready, and with it whether it takes our credentials.
const PULSE: Duration = Duration::from_secs(15);
/// Doubts do not make it be asked more often than this.
const LEAST_PULSE: Duration = Duration::from_secs(1);
/// A fresh certificate that is not accepted yet is tried again after this, and up to a third more.
const NOT_YET: Duration = Duration::from_secs(15);
/// Refused credentials are tried again after this, and so is SKE where it refuses to issue any.
const REFUSED: Duration = Duration::from_mins(1);
/// A kubeconfig that is not used is not worth asking for again soon.
const STRANGE: Duration = Duration::from_mins(5);
/// SKE is asked for kubeconfigs no faster than this.
const LEAST_ISSUE: Duration = Duration::from_secs(2);

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

    /// Two thirds of its life are over, or it is from before the phase changed: the bundle of authorities is another.
    fn is_due(&self, now: Duration, phase: &Phase) -> bool {
        self.phase != *phase || self.age(now) >= self.life().saturating_mul(2) / 3
    }
}

/// How an attempt to connect ended.
enum ConnectionAttempt {
    Accepted(Option<bool>),
    /// The server refuses us.
    Refused(Failure),
    /// We refuse the server: what we know of it may be old.
    Untrusted(Failure),
    Away(Failure),
}

/// A server that is away for so many lives of a kubeconfig may have gone to another address.
const LONG_AWAY: u32 = 3;

/// Keeps the connection; see [`ConnectionManager::run`].
pub struct ConnectionManager<'a, F> {
    context: &'a ObserverContext,
    issue: F,
    cluster: watch::Receiver<Cluster>,
    one_way_agreed: bool,
    expected: Expected,
    connections: watch::Sender<Option<Arc<Connection>>>,
    /// Accepted at least once.
    current: Option<ActiveConnection>,
    /// What `current` followed. Replicas learn of a new authority one by one, so that what one of them took the next
    /// may refuse.
    previous: Option<ActiveConnection>,
    /// Issued and not accepted yet.
    candidate: Option<ActiveConnection>,
    /// The access policy at the last turn.
    access_policy: AccessPolicy,
    /// The access policy was closed.
    was_closed: bool,
    /// SKE is not asked before this monotonic moment.
    not_before: Duration,
    /// Trials in a row that found nobody.
    away: u32,
    /// Requests to SKE in a row that gave nothing.
    unissued: u32,
    /// Fresh kubeconfigs in a row that were refused although they should not be.
    refused: u32,
    /// Since when fresh credentials are not accepted.
    waiting_since: Option<Timestamp>,
}

impl<'a, F, Fut> ConnectionManager<'a, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<KubeconfigResponse, Failure>>,
{
    /// A manager without a connection. `one_way_agreed`: a person agreed to what [`Unavailable::OneWay`] warns of.
    pub fn new(
        context: &'a ObserverContext,
        issue: F,
        cluster: watch::Receiver<Cluster>,
        expected: Expected,
        one_way_agreed: bool,
        connections: watch::Sender<Option<Arc<Connection>>>,
    ) -> Self {
        let access_policy = AccessPolicy::of(&cluster.borrow());
        if let Some(trouble) = access_policy.closed(one_way_agreed) {
            context.tell(|store| store.fail(trouble));
        }
        Self {
            context,
            issue,
            cluster,
            one_way_agreed,
            expected,
            connections,
            current: None,
            previous: None,
            candidate: None,
            access_policy,
            was_closed: false,
            not_before: Duration::ZERO,
            away: 0,
            unissued: 0,
            refused: 0,
            waiting_since: None,
        }
    }

    /// Keeps the connection; never ends.
    pub async fn run(mut self) {
        loop {
            let wait = self.step().await;
            self.rest(wait).await;
        }
    }

    /// One look; says how long to rest. `None`: until SKE says something new about the cluster.
    async fn step(&mut self) -> Option<Duration> {
        let access_policy = AccessPolicy::of(&self.cluster.borrow_and_update());
        if access_policy != self.access_policy {
            (self.access_policy, self.not_before) = (access_policy, Duration::ZERO);
        }
        if let Some(trouble) = self.access_policy.closed(self.one_way_agreed) {
            (self.current, self.previous, self.candidate) = (None, None, None);
            (self.away, self.refused, self.waiting_since) = (0, 0, None);
            self.was_closed = true;
            self.context.tell(|store| store.control_plane(|plane| plane.ready = None));
            self.down(trouble);
            return None;
        }
        if std::mem::take(&mut self.was_closed) {
            self.down(Unavailable::Connecting);
        }
        if self.wants_fresh() && self.context.clock.monotonic() >= self.not_before {
            self.obtain().await;
        }
        let until_issue = self.not_before.saturating_sub(self.context.clock.monotonic());
        match (self.candidate.clone(), self.current.clone()) {
            (Some(candidate), _) => Some(self.try_out(&candidate, true).await),
            (None, Some(current)) => {
                let rest = self.try_out(&current, false).await;
                Some(if until_issue.is_zero() { rest } else { rest.min(until_issue) })
            }
            (None, None) => Some(until_issue.max(LEAST_ISSUE)),
        }
    }

    /// While the server is away, no fresh kubeconfig helps; it says itself when the old one has ended.
    fn wants_fresh(&self) -> bool {
        let now = self.context.clock.monotonic();
        let newest = self.candidate.as_ref().or(self.current.as_ref());
        newest.is_none_or(|held| {
            if self.away > 0 {
                held.age(now) >= held.life().saturating_mul(LONG_AWAY)
            } else {
                held.is_due(now, &self.access_policy.phase)
            }
        })
    }

    /// Asks SKE for a kubeconfig and makes it the candidate. Where that fails, the trouble is told if nothing else
    /// works, and SKE is left alone for a while.
    async fn obtain(&mut self) {
        // Read before it is asked for: SKE may go on meanwhile, but not back.
        let rotation = Some(self.cluster.borrow().rotation.clone());
        let access = match (self.issue)().await {
            Ok(issued) => CheckedKubeconfig::read(&issued.kubeconfig, &self.expected)
                .map_err(|failure| (Unavailable::KubeconfigRefused(failure), STRANGE))
                .and_then(|access| {
                    self.connect(access)
                        .map_err(|failure| (Unavailable::Unreachable(failure), STRANGE))
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
                self.context.tell(|store| {
                    let issuance = Issuance { facts, rotation };
                    store.control_plane(|plane| {
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
                    self.down(trouble);
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
            backoff::delay(self.unissued.saturating_add(2), random()).max(LEAST_ISSUE)
        } else {
            REFUSED
        };
        asked.unwrap_or_default().max(own)
    }

    /// Tries credentials and draws the conclusions; says how long to rest.
    async fn try_out(&mut self, held: &ActiveConnection, is_candidate: bool) -> Duration {
        let attempt = self.attempt(&held.connection).await;
        let refusal = match attempt {
            ConnectionAttempt::Accepted(ready) => {
                self.accept(held, ready);
                return PULSE;
            }
            ConnectionAttempt::Away(failure) => return self.note_away(failure),
            ConnectionAttempt::Refused(_) if !is_candidate && self.falls_back() => {
                return Duration::ZERO;
            }
            ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_) if !is_candidate => {
                // They may simply have ended, for instance while the server was away: one fresh kubeconfig is tried.
                (self.away, self.refused) = (0, self.refused.max(1));
                self.current = None;
                return Duration::ZERO;
            }
            refusal @ (ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_)) => refusal,
        };
        // The old credentials live on where the new ones are not known yet.
        if let Some(current) = self.current.clone() {
            match self.attempt(&current.connection).await {
                ConnectionAttempt::Accepted(ready) => {
                    self.stay(ready);
                    return not_yet();
                }
                ConnectionAttempt::Away(failure) => return self.note_away(failure),
                ConnectionAttempt::Refused(_) | ConnectionAttempt::Untrusted(_) => {
                    self.current = None;
                }
            }
        }
        self.note_refused(refusal)
    }

    async fn attempt(&self, connection: &Connection) -> ConnectionAttempt {
        let result = connection.ready().await;
        if let Some(skew) = connection.skew_seconds() {
            self.context.tell(|store| store.skew(skew));
        }
        match result {
            Ok(ready) => ConnectionAttempt::Accepted(ready),
            Err(error @ KubeError::Refused(_)) => {
                ConnectionAttempt::Refused(connection.failure(&error))
            }
            Err(error @ KubeError::Untrusted(_)) => {
                ConnectionAttempt::Untrusted(connection.failure(&error))
            }
            Err(error) => ConnectionAttempt::Away(connection.failure(&error)),
        }
    }

    /// Makes what was current a candidate again where the credentials before it may still be good.
    fn falls_back(&mut self) -> bool {
        let now = self.context.clock.monotonic();
        let previous = self.previous.take().filter(|held| held.age(now) < held.life());
        if previous.is_none() || !self.is_settling() {
            return false;
        }
        self.candidate = std::mem::replace(&mut self.current, previous);
        true
    }

    fn accept(&mut self, held: &ActiveConnection, ready: Option<bool>) {
        if self.candidate.take().is_some() {
            self.previous = self.current.take();
        }
        self.current = Some(held.clone());
        (self.refused, self.waiting_since) = (0, None);
        self.stay(ready);
    }

    /// The current credentials work.
    fn stay(&mut self, ready: Option<bool>) {
        self.away = 0;
        let current = self.current.as_ref().map(|held| Arc::clone(&held.connection));
        self.connections.send_if_modified(|standing| {
            let is_same = match (&*standing, &current) {
                (Some(standing), Some(current)) => Arc::ptr_eq(standing, current),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            standing.clone_from(&current);
            !is_same
        });
        self.context.tell(|store| {
            store.control_plane(|plane| plane.ready = ready);
            store.recover();
        });
    }

    /// One silent failure is forgiven to a connection that worked: replicas come and go.
    fn note_away(&mut self, failure: Failure) -> Duration {
        self.away = self.away.saturating_add(1);
        let is_up = self.connections.borrow().is_some();
        if !is_up || self.away > 1 {
            self.down(Unavailable::Unreachable(failure));
        }
        backoff::delay(self.away, random()).max(LEAST_PULSE / 2)
    }

    /// Fresh credentials are refused: that is normal soon after a start, as it is while a rotation is completed that the
    /// server still shows its old certificate. Else one fresh kubeconfig is tried.
    fn note_refused(&mut self, refusal: ConnectionAttempt) -> Duration {
        self.away = 0;
        let is_normal = match refusal {
            ConnectionAttempt::Refused(_) => self.is_settling(),
            ConnectionAttempt::Untrusted(_) => self.access_policy.phase == Phase::Completing,
            ConnectionAttempt::Accepted(_) | ConnectionAttempt::Away(_) => false,
        };
        if is_normal {
            let since = *self.waiting_since.get_or_insert_with(|| self.context.clock.now());
            self.down(Unavailable::NotAcceptedYet { since });
            return not_yet();
        }
        self.waiting_since = None;
        self.refused = self.refused.saturating_add(1);
        if self.refused == 1 {
            self.candidate = None;
            return Duration::ZERO;
        }
        match refusal {
            ConnectionAttempt::Refused(failure) => {
                self.down(Unavailable::CredentialsRefused(failure));
            }
            ConnectionAttempt::Untrusted(failure) | ConnectionAttempt::Away(failure) => {
                self.down(Unavailable::Unreachable(failure));
            }
            ConnectionAttempt::Accepted(_) => {}
        }
        REFUSED
    }

    fn is_settling(&self) -> bool {
        let skew = SignedDuration::from_secs(self.context.store().skew_seconds());
        let there = self.context.clock.now().saturating_add(skew).unwrap_or(Timestamp::MAX);
        self.access_policy.is_settling(there)
    }

    fn down(&self, trouble: Unavailable) {
        self.connections.send_if_modified(|standing| standing.take().is_some());
        self.context.tell(|store: &mut Store| store.fail(trouble));
    }

    /// Rests until the time is over, somebody doubts the connection, or SKE says something new about the cluster.
    async fn rest(&mut self, wait: Option<Duration>) {
        let clock = self.context.clock.clone();
        let began = clock.monotonic();
        let doubts_count = self.connections.borrow().is_some();
        let time = async {
            match wait {
                Some(wait) => clock.sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let doubt = async {
            if !doubts_count {
                std::future::pending::<()>().await;
            }
            self.context.doubt.notified().await;
            clock.sleep_until(began.saturating_add(LEAST_PULSE)).await;
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
            () = doubt => {}
            () = news => {}
        }
    }
}

fn not_yet() -> Duration {
    NOT_YET.saturating_add(NOT_YET.mul_f64(random() / 3.0))
}
