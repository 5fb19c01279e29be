//! `skeys wait`: waits without a screen until a rotation is prepared or completed.
//!
//! It finds the cluster ([`search`]), reads it again and again, looks at its nodes while they are replaced, and shows
//! what changes ([`printer`]). What a reading means is decided in [`tracker`]. Nothing is sent that changes something,
//! but for the kubeconfigs of ten minutes that looking at nodes takes.

mod bar;
mod lines;
mod outage_text;
pub mod printer;
mod search;
mod status;
pub mod target;
pub mod tracker;

use std::io;
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::watch;

use crate::app::message::{Answer, Message};
use crate::app::nodes::observed::ObservedCluster;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::RequestId;
use crate::cli::args::Goal;
use crate::cli::commands::wait::printer::Printer;
use crate::cli::commands::wait::search::{Found, Search};
pub use crate::cli::commands::wait::status::ObservationPolicy;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::tracker::{How, PollIntervals, WaitResult, WaitTracker};
use crate::cli::output;
use crate::clients::http::random;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age::long;
use crate::domain::cluster::{Cluster, ClusterId, ClusterName, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::runtime::loop_input::{LoopInput, LoopReceiver, LoopSender, channel};
use crate::runtime::observers::Observers;
use crate::runtime::signals::exit_status;

/// Exit status when the time is over, as timeout(1) has it.
pub const TIMED_OUT: u8 = 124;

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Order {
    pub target: Target,
    pub goal: Goal,
    /// How long at most; for ever if it is not given.
    pub timeout: Option<Duration>,
    /// Where a name is looked for.
    pub scopes: Vec<Scope>,
}

/// What it is done with.
pub struct Services {
    pub clock: Clock,
    pub ske: SkeClient,
    pub cadence: PollIntervals,
    /// Lists under way at once, at most.
    pub concurrency: usize,
    pub looks: ObservationPolicy,
    /// Whether the source of the token can bring another one.
    pub renews: bool,
    /// Tells that what is drawn may be gone.
    pub redraws: watch::Receiver<()>,
    /// Told whenever it rests.
    pub rests: watch::Sender<IdleState>,
}

/// Until when it rests, for whoever turns the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdleState {
    /// On the monotonic clock.
    pub until: Duration,
    /// Whether an answer of SKE is awaited meanwhile.
    pub asking: bool,
}

/// How a wait ended.
enum Ended {
    Reached(How),
    Failed(String),
    TimedOut(Duration),
    Signal(u8),
}

/// Waits, says how it ended, and gives the exit status: 0 reached, 1 failed, 74 not to be printed, 124 out of time, 128
/// and the number of the signal that `stop` brings.
pub async fn run(
    order: Order,
    tools: Services,
    printer: &mut Printer,
    stop: impl Future<Output = u8>,
) -> u8 {
    let clock = tools.clock.clone();
    let deadline = order.timeout.map(|limit| (clock.monotonic().saturating_add(limit), limit));
    let out_of_time = async {
        match deadline {
            Some((at, limit)) => {
                clock.sleep_until(at).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    let mut wait = Wait::new(order, tools, printer);
    let ended = tokio::select! {
        biased;
        signal = stop => Ok(Ended::Signal(signal)),
        ended = wait.attend() => ended,
        limit = out_of_time => Ok(Ended::TimedOut(limit)),
    };
    let said = match ended {
        Ok(ended) => wait.end(ended).await,
        Err(error) => Err(error),
    };
    match said {
        Ok(status) => status,
        // Nobody reads what is said: a quiet end.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(error) => {
            // Standard error may be what takes nothing.
            drop(wait.printer.note(&output::sentence(&error)));
            output::NOT_PRINTED
        }
    }
}

/// What is known so far.
struct Seen {
    name: String,
    goal: Goal,
    looks: ObservationPolicy,
    search: Option<Search>,
    tracker: Option<WaitTracker>,
    observed: ObservedCluster,
}

impl Seen {
    fn outage(&self) -> Option<&Outage> {
        let searching = self.search.as_ref().and_then(Search::outage);
        self.tracker.as_ref().map_or(searching, WaitTracker::outage)
    }

    fn standing(&self, now: Now) -> WaitStatus<'_> {
        WaitStatus {
            name: &self.name,
            goal: self.goal,
            cluster: self.tracker.as_ref().and_then(WaitTracker::latest),
            at_rest: self.tracker.as_ref().is_some_and(WaitTracker::is_at_rest),
            observed: &self.observed,
            looks: self.looks,
            outage: self.outage(),
            now,
        }
    }
}

struct Wait<'a> {
    target: Target,
    scopes: Vec<Scope>,
    tools: Services,
    printer: &'a mut Printer,
    began: Now,
    seen: Seen,
    observers: Observers,
    /// Number of the look under way, and of the last one.
    looking: Option<RequestId>,
    looks: RequestId,
    /// When it rested last, and until when it meant to.
    rested: (Now, Duration),
    sender: LoopSender,
    sightings: LoopReceiver,
}

impl<'a> Wait<'a> {
    fn new(order: Order, tools: Services, printer: &'a mut Printer) -> Self {
        let (sender, sightings) = channel();
        let seen = Seen {
            name: order.target.name(),
            goal: order.goal,
            looks: tools.looks,
            search: None,
            tracker: None,
            observed: ObservedCluster::default(),
        };
        let began = now(&tools.clock);
        Self {
            target: order.target,
            scopes: order.scopes,
            began,
            rested: (began, Duration::MAX),
            tools,
            printer,
            seen,
            observers: Observers::default(),
            looking: None,
            looks: RequestId(0),
            sender,
            sightings,
        }
    }

    fn now(&self) -> Now {
        now(&self.tools.clock)
    }

    /// Waits until it is over, unless it is dropped before.
    async fn attend(&mut self) -> io::Result<Ended> {
        match self.target.clone() {
            Target::Whole(id) => self.watch(id, None).await,
            Target::Name(name) => match self.find(name).await? {
                Ok((id, cluster)) => self.watch(id, cluster).await,
                Err(sentence) => Ok(Ended::Failed(sentence)),
            },
        }
    }

    /// Finds the cluster of a name. Every project and region must have answered, or another one may have it, too; the
    /// cluster is handed over as it was read where that took one round, for else it may be another by now.
    async fn find(
        &mut self,
        name: ClusterName,
    ) -> io::Result<Result<(ClusterId, Option<Cluster>), String>> {
        let mut first = true;
        // It stays where the end of the wait finds it, whenever that comes.
        self.seen.search = Some(Search::new(name, self.scopes.iter().cloned()));
        while let Some(search) = &mut self.seen.search {
            ask(search, &self.tools).await;
            match search.stands() {
                Found::One(cluster) => {
                    if let Some(doubt) = search.doubt() {
                        self.printer.note(&doubt)?;
                    }
                    return Ok(Ok((cluster.id.clone(), first.then_some(*cluster))));
                }
                Found::Failed(sentence) => return Ok(Err(sentence)),
                Found::NotYet => first = false,
            }
            let due = search.next(now(&self.tools.clock), self.tools.cadence.idle, random());
            while self.now().monotonic < due {
                self.rest_until(due, false)?.await;
            }
        }
        Ok(Err("the search was lost".to_owned()))
    }

    /// Reads the cluster until the wait is over.
    async fn watch(&mut self, id: ClusterId, first: Option<Cluster>) -> io::Result<Ended> {
        self.seen.tracker = Some(WaitTracker::new(self.seen.goal, id.clone(), self.tools.renews));
        let mut due = self.now().monotonic;
        if let Some(cluster) = first {
            if let Some(ended) = self.take(Ok(cluster)) {
                return Ok(ended);
            }
            due = self.next_read();
        }
        let mut reading: Fuse<BoxFuture<'static, Result<Cluster, Failure>>> = Fuse::terminated();
        loop {
            if reading.is_terminated() && due <= self.now().monotonic {
                reading = read(self.tools.ske.clone(), id.clone()).boxed().fuse();
            }
            let asking = !reading.is_terminated();
            let rest = self.rest_until(if asking { Duration::MAX } else { due }, asking)?;
            tokio::select! {
                biased;
                result = &mut reading, if asking => {
                    if let Some(ended) = self.take(result) {
                        return Ok(ended);
                    }
                    due = self.next_read();
                }
                Some(incoming) = self.sightings.recv() => self.hear(incoming),
                () = rest => {}
            }
        }
    }

    /// A reading came, or not; `Some` when that ends the wait.
    fn take(&mut self, result: Result<Cluster, Failure>) -> Option<Ended> {
        let now = self.now();
        let tracker = self.seen.tracker.as_mut()?;
        let before = tracker.latest().cloned();
        let verdict = match result {
            Ok(cluster) => tracker.reading(cluster, now),
            Err(failure) => tracker.failure(failure, now),
        };
        if let Some(cluster) =
            tracker.latest().cloned().filter(|_| tracker.latest() != before.as_ref())
        {
            if self.seen.observed.snapshot.is_some() {
                self.seen.observed.take_reading(&cluster, now);
            }
            self.look(cluster);
        }
        match verdict {
            WaitResult::GoesOn => None,
            WaitResult::Reached(how) => Some(Ended::Reached(how)),
            WaitResult::Failed(sentence) => Some(Ended::Failed(sentence)),
        }
    }

    fn next_read(&self) -> Duration {
        let now = self.now();
        let next = |tracker: &WaitTracker| tracker.next(now, self.tools.cadence, random());
        self.seen.tracker.as_ref().map_or(now.monotonic, next)
    }

    /// Begins and ends looking at the nodes, as the phase asks for.
    fn look(&mut self, cluster: Cluster) {
        // The one-way switch cannot be meant while nodes are replaced; asked all the same, since it is for ever.
        let wanted = self.tools.looks == ObservationPolicy::AtNodes
            && cluster.rotation.phase == Phase::Preparing
            && !cluster.issuing_is_one_way();
        match (self.looking.is_some(), wanted) {
            (false, true) => {
                let Services { ske, clock, .. } = &self.tools;
                let number = RequestId(self.looks.0.saturating_add(1));
                (self.looks, self.looking) = (number, Some(number));
                self.observers.begin(cluster, (number, false), ske, clock, &self.sender);
            }
            (true, true) => self.observers.reading(cluster),
            (true, false) => {
                self.observers.end(&cluster.id);
                self.seen.observed.lose_sight(now(&self.tools.clock));
                self.looking = None;
            }
            (false, false) => {}
        }
    }

    /// The machine or the program was asleep: what was seen before is not of now, and it is looked at anew.
    fn slept(&mut self, before: Now) {
        self.seen.observed.lose_sight(before);
        let now = self.now().wall;
        if now < before.wall {
            self.seen.observed.rewind(now);
        }
        if let Some(tracker) = &mut self.seen.tracker {
            tracker.slept();
        }
        let latest = self.seen.tracker.as_ref().and_then(WaitTracker::latest).cloned();
        if let Some(cluster) = latest.filter(|_| self.looking.is_some()) {
            self.observers.end(&cluster.id);
            self.looking = None;
            self.look(cluster);
        }
    }

    /// Somebody looked at the nodes.
    fn hear(&mut self, incoming: LoopInput) {
        let now = self.now();
        let cluster = self.seen.tracker.as_ref().and_then(WaitTracker::latest);
        let (Some(cluster), LoopInput::Message(message)) = (cluster, incoming) else { return };
        let (number, sighting) =
            if let Message::Answered(number, Answer::Observed(sighting)) = message {
                (Some(number), sighting)
            } else if let Message::TaskFailed(failure) = message {
                (self.looking, ObserverEvent::Unavailable(Unavailable::NoAccess(failure)))
            } else {
                return;
            };
        // What an earlier look saw comes too late.
        if number.is_none() || number != self.looking {
            return;
        }
        self.seen.observed.take_event(cluster, sighting, now);
    }

    /// Shows how things stand and gives what ends when something is due, at the latest at `due`.
    fn rest_until(
        &mut self,
        due: Duration,
        asking: bool,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let now = self.now();
        if self.tools.redraws.has_changed().unwrap_or(false) {
            self.tools.redraws.mark_unchanged();
            self.printer.forget();
        }
        let (before, meant) = self.rested;
        if now.has_jumped_since(before) || now.overslept(meant) {
            self.slept(before);
        }
        let observed = &mut self.seen.observed;
        if let Some(cluster) = self.seen.tracker.as_ref().and_then(WaitTracker::latest)
            && observed.is_due(now)
        {
            observed.evaluate(cluster, now);
        }
        self.printer.show(&self.seen.standing(now), self.began)?;
        let until = self.wake(now, due);
        self.rested = (now, until);
        self.tools.rests.send_replace(IdleState { until, asking });
        let clock = self.tools.clock.clone();
        let mut redraws = self.tools.redraws.clone();
        let told = async move {
            if redraws.changed().await.is_err() {
                // Nobody is left to tell.
                std::future::pending::<()>().await;
            }
        };
        Ok(async move {
            tokio::select! {
                () = clock.sleep_until(until) => {}
                () = told => {}
            }
        })
    }

    /// When something is due that is no answer.
    fn wake(&self, now: Now, due: Duration) -> Duration {
        let told = self.seen.outage().map(Outage::told_from).filter(|at| *at > now.monotonic);
        let anew = self.looking.and_then(|_| self.seen.observed.next_evaluation());
        let moves = self.printer.moves().then(|| {
            // Waiting times count seconds in the first two minutes and minutes afterwards.
            let waited = now.monotonic.saturating_sub(self.began.monotonic).as_secs();
            let next = if waited < 120 { waited + 1 } else { (waited / 60 + 1) * 60 };
            self.began.monotonic.saturating_add(Duration::from_secs(next))
        });
        // Nothing tells that it is in the foreground again, unless it was stopped.
        let shown = || now.monotonic.saturating_add(Duration::from_secs(1));
        let shown = self.printer.is_in_background().then(shown);
        [Some(due), told, anew, moves, shown].into_iter().flatten().min().unwrap_or(due)
    }

    /// Says how it ended.
    async fn end(&mut self, ended: Ended) -> io::Result<u8> {
        self.observers = Observers::default();
        let now = self.now();
        let standing = self.seen.standing(now);
        let (status, told) = match ended {
            Ended::Reached(how) => {
                self.printer.reached(&standing, how, self.began)?;
                (0, standing.phase_word())
            }
            Ended::Failed(sentence) => {
                self.printer.note(&sentence)?;
                (1, sentence)
            }
            Ended::TimedOut(limit) => {
                let limit = long(limit.try_into().unwrap_or_default());
                self.printer
                    .note(&format!("out of time after {limit}: {}", standing.sentence()))?;
                (TIMED_OUT, format!("out of time after {limit}"))
            }
            Ended::Signal(number) => {
                // The terminal may be what went away.
                drop(self.printer.note(&format!("ended by a signal: {}", standing.sentence())));
                return Ok(exit_status(number));
            }
        };
        if let Some(notifier) = self.printer.ring(&self.seen.name, &told)? {
            notifier.notify_desktop(&self.seen.name, &told, &self.tools.clock).await;
        }
        Ok(status)
    }
}

fn now(clock: &Clock) -> Now {
    Now { wall: clock.now(), monotonic: clock.monotonic() }
}

/// Lists what was not listed yet, several places at once. Two of a name do not end it: all of them are to be named.
async fn ask(search: &mut Search, tools: &Services) {
    tools.rests.send_replace(IdleState { until: Duration::MAX, asking: true });
    let lists = search.unanswered().into_iter().map(|scope| async move {
        let listed = tools.ske.list(&scope).await.map(|listing| listing.clusters);
        (scope, listed)
    });
    let mut lists = stream::iter(lists).buffer_unordered(tools.concurrency.max(1));
    while let Some((scope, result)) = lists.next().await {
        search.listed(&scope, result, now(&tools.clock));
        if search.is_hopeless() {
            return;
        }
    }
}

/// Reads a cluster. That it is not there must be said by the list, too.
async fn read(ske: SkeClient, id: ClusterId) -> Result<Cluster, Failure> {
    let missing = match ske.get(&id).await {
        Ok(reading) => return Ok(reading.cluster),
        Err(failure) if failure.kind == FailureKind::NotFound => failure,
        Err(failure) => return Err(failure),
    };
    match ske.list(&id.scope).await {
        Ok(listing) => listing.clusters.into_iter().find(|other| other.id == id).ok_or(missing),
        // Who may read clusters need not be allowed to list them.
        Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Forbidden) => {
            Err(missing)
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests;
