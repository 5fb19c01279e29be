//! Keeps a way to one cluster's API server open: asks SKE for short-lived kubeconfigs, tries them, renews them, and
//! says what is wrong when nothing works. Followers of single kinds only use the connection that stands here.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clients::http::random;
use crate::clients::kubernetes::access::{Access, Expected};
use crate::clients::kubernetes::connection::Connection;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::eye::Eye;
use crate::clients::kubernetes::gate::Gate;
use crate::clients::kubernetes::store::Store;
use crate::clients::ske::Issued;
use crate::domain::backoff;
use crate::domain::cluster::Cluster;
use crate::domain::credential::Issuance;
use crate::domain::failure::Failure;
use crate::domain::observed::Trouble;
use crate::domain::rotation::Phase;

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
struct Held {
    connection: Arc<Connection>,
    issued: Duration,
    phase: Phase,
}

impl Held {
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

/// How a trial of credentials ended.
enum Trial {
    Accepted(Option<bool>),
    /// The server refuses us.
    Refused(Failure),
    /// We refuse the server: what we know of it may be old.
    Untrusted(Failure),
    Away(Failure),
}

/// A server that is away for so many lives of a kubeconfig may have gone to another address.
const LONG_AWAY: u32 = 3;

/// Keeps the connection; see [`Keeper::run`].
pub struct Keeper<'a, F> {
    eye: &'a Eye,
    issue: F,
    cluster: watch::Receiver<Cluster>,
    one_way_agreed: bool,
    expected: Expected,
    connections: watch::Sender<Option<Arc<Connection>>>,
    /// Accepted at least once.
    current: Option<Held>,
    /// What `current` followed. Replicas learn of a new authority one by one, so that what one of them took the next
    /// may refuse.
    previous: Option<Held>,
    /// Issued and not accepted yet.
    candidate: Option<Held>,
    /// The gate at the last look.
    gate: Gate,
    /// The gate was closed.
    was_closed: bool,
    /// SKE is not asked before this steady moment.
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

impl<'a, F, Fut> Keeper<'a, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<Issued, Failure>>,
{
    /// A keeper that has nothing yet. `one_way_agreed`: a person agreed to what [`Trouble::OneWay`] warns of.
    pub fn new(
        eye: &'a Eye,
        issue: F,
        cluster: watch::Receiver<Cluster>,
        expected: Expected,
        one_way_agreed: bool,
        connections: watch::Sender<Option<Arc<Connection>>>,
    ) -> Self {
        let gate = Gate::of(&cluster.borrow());
        if let Some(trouble) = gate.closed(one_way_agreed) {
            eye.tell(|store| store.fail(trouble));
        }
        Self {
            eye,
            issue,
            cluster,
            one_way_agreed,
            expected,
            connections,
            current: None,
            previous: None,
            candidate: None,
            gate,
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
        let gate = Gate::of(&self.cluster.borrow_and_update());
        if gate != self.gate {
            (self.gate, self.not_before) = (gate, Duration::ZERO);
        }
        if let Some(trouble) = self.gate.closed(self.one_way_agreed) {
            (self.current, self.previous, self.candidate) = (None, None, None);
            (self.away, self.refused, self.waiting_since) = (0, 0, None);
            self.was_closed = true;
            self.eye.tell(|store| store.control_plane(|plane| plane.ready = None));
            self.down(trouble);
            return None;
        }
        if std::mem::take(&mut self.was_closed) {
            self.down(Trouble::Connecting);
        }
        if self.wants_fresh() && self.eye.clock.steady() >= self.not_before {
            self.obtain().await;
        }
        let until_issue = self.not_before.saturating_sub(self.eye.clock.steady());
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
        let now = self.eye.clock.steady();
        let newest = self.candidate.as_ref().or(self.current.as_ref());
        newest.is_none_or(|held| {
            if self.away > 0 {
                held.age(now) >= held.life().saturating_mul(LONG_AWAY)
            } else {
                held.is_due(now, &self.gate.phase)
            }
        })
    }

    /// Asks SKE for a kubeconfig and makes it the candidate. Where that fails, the trouble is told if nothing else
    /// works, and SKE is left alone for a while.
    async fn obtain(&mut self) {
        // Read before it is asked for: SKE may go on meanwhile, but not back.
        let rotation = Some(self.cluster.borrow().rotation.clone());
        let access = match (self.issue)().await {
            Ok(issued) => Access::read(&issued.kubeconfig, &self.expected)
                .map_err(|failure| (Trouble::KubeconfigRefused(failure), STRANGE))
                .and_then(|access| {
                    self.connect(access).map_err(|failure| (Trouble::Unreachable(failure), STRANGE))
                }),
            Err(failure) => {
                self.unissued = self.unissued.saturating_add(1);
                let wait = self.wait_for_ske(&failure);
                Err((Trouble::NoAccess(failure), wait))
            }
        };
        match access {
            Ok(connection) => {
                self.unissued = 0;
                let facts = connection.access().facts().clone();
                self.eye.tell(|store| {
                    let issuance = Issuance { facts, rotation };
                    store.control_plane(|plane| {
                        let known = plane.issuance.take();
                        plane.issuance =
                            known.filter(|known| known.tells_same(&issuance)).or(Some(issuance));
                    });
                });
                let (issued, phase) = (self.eye.clock.steady(), self.gate.phase.clone());
                self.candidate = Some(Held { connection, issued, phase });
            }
            Err((trouble, wait)) => {
                self.not_before = self.eye.clock.steady().saturating_add(wait);
                if self.connections.borrow().is_none() {
                    self.down(trouble);
                }
            }
        }
    }

    fn connect(&self, access: Access) -> Result<Arc<Connection>, Failure> {
        Connection::new(access, self.expected.cluster.clone(), self.eye.clock.clone())
    }

    fn wait_for_ske(&self, failure: &Failure) -> Duration {
        let asked = failure.retry_at.map(|at| at.duration_since(self.eye.clock.now()));
        let asked = asked.and_then(|wait| Duration::try_from(wait).ok());
        let own = if failure.is_passing() {
            backoff::delay(self.unissued.saturating_add(2), random()).max(LEAST_ISSUE)
        } else {
            REFUSED
        };
        asked.unwrap_or_default().max(own)
    }

    /// Tries credentials and draws the conclusions; says how long to rest.
    async fn try_out(&mut self, held: &Held, is_candidate: bool) -> Duration {
        let trial = self.trial(&held.connection).await;
        let refusal = match trial {
            Trial::Accepted(ready) => {
                self.accept(held, ready);
                return PULSE;
            }
            Trial::Away(failure) => return self.note_away(failure),
            Trial::Refused(_) if !is_candidate && self.falls_back() => return Duration::ZERO,
            Trial::Refused(_) | Trial::Untrusted(_) if !is_candidate => {
                // They may simply have ended, for instance while the server was away: one fresh kubeconfig is tried.
                (self.away, self.refused) = (0, self.refused.max(1));
                self.current = None;
                return Duration::ZERO;
            }
            refusal @ (Trial::Refused(_) | Trial::Untrusted(_)) => refusal,
        };
        // The old credentials live on where the new ones are not known yet.
        if let Some(current) = self.current.clone() {
            match self.trial(&current.connection).await {
                Trial::Accepted(ready) => {
                    self.stay(ready);
                    return not_yet();
                }
                Trial::Away(failure) => return self.note_away(failure),
                Trial::Refused(_) | Trial::Untrusted(_) => self.current = None,
            }
        }
        self.note_refused(refusal)
    }

    async fn trial(&self, connection: &Connection) -> Trial {
        let result = connection.ready().await;
        if let Some(skew) = connection.skew_seconds() {
            self.eye.tell(|store| store.skew(skew));
        }
        match result {
            Ok(ready) => Trial::Accepted(ready),
            Err(error @ KubeError::Refused(_)) => Trial::Refused(connection.failure(&error)),
            Err(error @ KubeError::Untrusted(_)) => Trial::Untrusted(connection.failure(&error)),
            Err(error) => Trial::Away(connection.failure(&error)),
        }
    }

    /// Makes what was current a candidate again where the credentials before it may still be good.
    fn falls_back(&mut self) -> bool {
        let now = self.eye.clock.steady();
        let previous = self.previous.take().filter(|held| held.age(now) < held.life());
        if previous.is_none() || !self.is_settling() {
            return false;
        }
        self.candidate = std::mem::replace(&mut self.current, previous);
        true
    }

    fn accept(&mut self, held: &Held, ready: Option<bool>) {
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
        self.eye.tell(|store| {
            store.control_plane(|plane| plane.ready = ready);
            store.recover();
        });
    }

    /// One silent failure is forgiven to a connection that worked: replicas come and go.
    fn note_away(&mut self, failure: Failure) -> Duration {
        self.away = self.away.saturating_add(1);
        let is_up = self.connections.borrow().is_some();
        if !is_up || self.away > 1 {
            self.down(Trouble::Unreachable(failure));
        }
        backoff::delay(self.away, random()).max(LEAST_PULSE / 2)
    }

    /// Fresh credentials are refused: that is normal soon after a start, as it is while a rotation is completed that the
    /// server still shows its old certificate. Else one fresh kubeconfig is tried.
    fn note_refused(&mut self, refusal: Trial) -> Duration {
        self.away = 0;
        let is_normal = match refusal {
            Trial::Refused(_) => self.is_settling(),
            Trial::Untrusted(_) => self.gate.phase == Phase::Completing,
            Trial::Accepted(_) | Trial::Away(_) => false,
        };
        if is_normal {
            let since = *self.waiting_since.get_or_insert_with(|| self.eye.clock.now());
            self.down(Trouble::NotAcceptedYet { since });
            return not_yet();
        }
        self.waiting_since = None;
        self.refused = self.refused.saturating_add(1);
        if self.refused == 1 {
            self.candidate = None;
            return Duration::ZERO;
        }
        match refusal {
            Trial::Refused(failure) => self.down(Trouble::CredentialsRefused(failure)),
            Trial::Untrusted(failure) | Trial::Away(failure) => {
                self.down(Trouble::Unreachable(failure));
            }
            Trial::Accepted(_) => {}
        }
        REFUSED
    }

    fn is_settling(&self) -> bool {
        let skew = SignedDuration::from_secs(self.eye.store().skew_seconds());
        let there = self.eye.clock.now().saturating_add(skew).unwrap_or(Timestamp::MAX);
        self.gate.is_settling(there)
    }

    fn down(&self, trouble: Trouble) {
        self.connections.send_if_modified(|standing| standing.take().is_some());
        self.eye.tell(|store: &mut Store| store.fail(trouble));
    }

    /// Rests until the time is over, somebody doubts the connection, or SKE says something new about the cluster.
    async fn rest(&mut self, wait: Option<Duration>) {
        let clock = self.eye.clock.clone();
        let began = clock.steady();
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
            self.eye.doubt.notified().await;
            clock.sleep_until(began.saturating_add(LEAST_PULSE)).await;
        };
        let gate = self.gate.clone();
        let news = async {
            loop {
                if self.cluster.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if Gate::of(&self.cluster.borrow_and_update()) != gate {
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
