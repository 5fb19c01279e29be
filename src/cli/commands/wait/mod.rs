//! `skeys wait`: waits without a dashboard until a rotation is prepared or completed.
//!
//! It finds the cluster ([`search`]), polls it, observes its nodes while they are replaced, and prints changes
//! ([`printer`]). [`tracker`] decides when the wait is over. The only writes are the ten-minute kubeconfigs for
//! observing nodes.

mod bar;
mod lines;
pub mod printer;
pub mod search;
mod status;
pub mod target;
pub mod text;
pub mod tracker;

use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::app::message::{Answer, Message};
use crate::app::nodes::observed::ObservedCluster;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::RequestId;
use crate::app::settings::ObservationScope;
use crate::cli::args::{Goal, WaitFor};
use crate::cli::commands::wait::printer::Printer;
use crate::cli::commands::wait::search::ClusterSearch;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::tracker::{Reached, WaitResult, WaitTracker};
use crate::cli::config::{ConfigSources, Loaded};
use crate::cli::output;
use crate::cli::wiring::Session;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age::long;
use crate::domain::cluster::{Cluster, ClusterId, ClusterName, Listing, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::Phase;
use crate::domain::rotation_report::accepted_start;
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::loop_input::{LoopInput, LoopReceiver, LoopSender, channel};
use crate::runtime::observers::Observers;
use crate::runtime::signals;
use crate::store::journal::{EXTRACT_BYTES, Journal};
use crate::store::private_file::check_private;

/// Exit status after a timeout, as in timeout(1).
pub const TIMED_OUT: u8 = 124;

/// What a wait works with.
pub struct Services {
    pub session: Session,
    /// Changes when the terminal may have lost the bar.
    pub redraws: watch::Receiver<()>,
    /// Set whenever the wait is idle, for tests.
    pub rests: watch::Sender<IdleState>,
}

impl Services {
    /// Opens the token source; no request is made.
    pub async fn open(
        loaded: &Loaded,
        sources: &ConfigSources<'_>,
        machine: (Clock, Option<PathBuf>),
    ) -> Result<Self, Failure> {
        let session = Session::open(loaded, sources, machine).await?;
        let (redraws, rests) = (signals::watch_redraws(), watch::Sender::default());
        Ok(Self { session, redraws, rests })
    }
}

/// A cluster as read, and the server's clock minus ours.
type Reading = (Cluster, Option<SignedDuration>);

/// Until when a wait is idle, for tests that advance the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdleState {
    /// On the monotonic clock.
    pub until: Duration,
    /// Whether a request to SKE is pending.
    pub asking: bool,
}

/// How the wait ended.
enum Ended {
    ByItself(Result<Reached, String>),
    TimedOut(String),
    Signal(u8),
}

/// Completes `limit` after `began`; returns the waiting time in words.
pub async fn time_out(clock: &Clock, began: Duration, limit: Option<Duration>) -> String {
    let Some(limit) = limit else { return std::future::pending().await };
    clock.sleep_until(began.saturating_add(limit)).await;
    long(limit.try_into().unwrap_or_default())
}

/// Waits, prints the result, and returns the exit status: 0 reached, 1 failed, 74 not printed, 124 timed out, 128 plus
/// the signal that `stop` resolves to. Waiting time and timeout count from `began`, on the monotonic clock.
pub async fn run(
    (arguments, began): (WaitFor, Duration),
    services: Services,
    printer: &mut Printer,
    stop: impl Future<Output = u8>,
) -> u8 {
    let clock = services.session.clock.clone();
    let (target, limit) = (arguments.cluster.clone(), arguments.timeout);
    let mut wait = Wait::new(arguments, services, printer);
    let ended = tokio::select! {
        biased;
        signal = stop => Ok(Ended::Signal(signal)),
        ended = wait.wait(target) => ended.map(Ended::ByItself),
        limit = time_out(&clock, began, limit) => Ok(Ended::TimedOut(limit)),
    };
    match async { wait.report(ended?).await }.await {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 1,
        Err(error) => {
            // Standard error may be the stream that failed.
            drop(wait.printer.note(&output::sentence(&error)));
            output::NOT_PRINTED
        }
    }
}

/// What is known so far.
struct WaitState {
    name: String,
    goal: Goal,
    /// Why nodes are not observed, if so.
    unobserved: Option<&'static str>,
    /// Since when finding the scopes to search fails.
    no_scopes: Option<Outage>,
    search: Option<ClusterSearch>,
    tracker: Option<WaitTracker>,
    observed: ObservedCluster,
}

impl WaitState {
    fn outage(&self) -> Option<&Outage> {
        let searching = self.search.as_ref().map_or(self.no_scopes.as_ref(), ClusterSearch::outage);
        self.tracker.as_ref().map_or(searching, WaitTracker::outage)
    }

    fn latest(&self) -> Option<&Cluster> {
        self.tracker.as_ref().and_then(WaitTracker::latest)
    }

    fn status(&self, now: Now) -> WaitStatus<'_> {
        WaitStatus {
            name: &self.name,
            goal: self.goal,
            cluster: self.latest(),
            is_idle: self.tracker.as_ref().is_some_and(WaitTracker::is_idle),
            observed: &self.observed,
            unobserved: self.unobserved,
            outage: self.outage(),
            now,
            server_now: self
                .tracker
                .as_ref()
                .map_or(now.wall, |tracker| tracker.of_server(now.wall)),
        }
    }
}

struct Wait<'a> {
    services: Services,
    printer: &'a mut Printer,
    began: Now,
    state: WaitState,
    observers: Observers,
    /// The running observer, and the last one.
    observing: Option<RequestId>,
    last_observer: RequestId,
    /// When the last pause began, and when it was due to end.
    pause: (Now, Duration),
    sender: LoopSender,
    events: LoopReceiver,
}

impl<'a> Wait<'a> {
    fn new(arguments: WaitFor, services: Services, printer: &'a mut Printer) -> Self {
        let (sender, events) = channel();
        let state = WaitState {
            name: arguments.cluster.name(),
            goal: arguments.goal,
            unobserved: match services.session.settings.watch {
                // Issuing a kubeconfig is a write.
                _ if services.session.settings.read_only => Some(text::READ_ONLY),
                ObservationScope::Never => Some(text::NOT_CONFIGURED),
                ObservationScope::Open | ObservationScope::Running => None,
            },
            no_scopes: None,
            search: None,
            tracker: None,
            observed: ObservedCluster::default(),
        };
        let began = now(&services.session.clock);
        Self {
            began,
            pause: (began, Duration::MAX),
            services,
            printer,
            state,
            observers: Observers::default(),
            observing: None,
            last_observer: RequestId(0),
            sender,
            events,
        }
    }

    fn now(&self) -> Now {
        now(&self.services.session.clock)
    }

    /// Waits until the goal is reached or cannot be reached.
    async fn wait(&mut self, target: Target) -> io::Result<Result<Reached, String>> {
        match target {
            Target::Whole(id) => self.poll(id, None).await,
            Target::Name(name) => match self.find(name).await? {
                Ok((id, cluster)) => self.poll(id, cluster).await,
                Err(sentence) => Ok(Err(sentence)),
            },
        }
    }

    /// Finds the cluster of a name, with its reading if the search took one round; otherwise the reading is too old.
    async fn find(
        &mut self,
        name: ClusterName,
    ) -> io::Result<Result<(ClusterId, Option<Reading>), String>> {
        let mut first = true;
        let scopes = match self.scopes().await? {
            Ok(scopes) => scopes,
            Err(sentence) => return Ok(Err(sentence)),
        };
        // Part of the state, so that a timeout can report it.
        self.state.search = Some(ClusterSearch::new(name, scopes));
        while let Some(search) = &mut self.state.search {
            let Session { ske, concurrency, clock, settings, .. } = &self.services.session;
            self.services.rests.send_replace(IdleState { until: Duration::MAX, asking: true });
            let lists = ske.list_all(search.unanswered(), *concurrency, None);
            let skew = list_scopes(search, lists, clock).await;
            match search.result() {
                Some(Ok(cluster)) => {
                    if let Some(warning) = search.unlistable_warning() {
                        self.printer.note(&warning)?;
                    }
                    return Ok(Ok((cluster.id.clone(), first.then_some((cluster, skew)))));
                }
                Some(Err(sentence)) => return Ok(Err(sentence)),
                None => first = false,
            }
            let due = search.next_round(now(clock), settings.poll_idle, fastrand::f64());
            while self.now().monotonic < due {
                self.pause_until(due, false)?.await;
            }
        }
        Ok(Err(text::SEARCH_ENDED.to_owned()))
    }

    /// Scopes in which the name is searched; retries during an outage.
    async fn scopes(&mut self) -> io::Result<Result<Vec<Scope>, String>> {
        loop {
            self.services.rests.send_replace(IdleState { until: Duration::MAX, asking: true });
            let failure = match self.services.session.scopes().await {
                Ok(scopes) => return Ok(Ok(scopes)),
                Err(failure) if failure.is_transient() => failure,
                Err(failure) => return Ok(Err(failure.to_string())),
            };
            let (now, idle) = (self.now(), self.services.session.settings.poll_idle);
            let outage = Outage::after(self.state.no_scopes.take(), failure, now);
            let due = outage.next(now, idle, false, fastrand::f64());
            self.state.no_scopes = Some(outage);
            while self.now().monotonic < due {
                self.pause_until(due, false)?.await;
            }
        }
    }

    /// Polls the cluster until the wait is over.
    async fn poll(
        &mut self,
        id: ClusterId,
        first: Option<Reading>,
    ) -> io::Result<Result<Reached, String>> {
        let accepted = self.accepted_start(&id).await?;
        let renews = self.services.session.tokens.can_change();
        self.state.tracker = Some(WaitTracker::new(self.state.goal, id.clone(), renews, accepted));
        let mut due = self.now().monotonic;
        if let Some(reading) = first {
            if let Some(ended) = self.take_reading(Ok(reading)) {
                return Ok(ended);
            }
            due = self.next_read();
        }
        let mut reading: Fuse<BoxFuture<'static, Result<Reading, Failure>>> = Fuse::terminated();
        loop {
            if reading.is_terminated() && due <= self.now().monotonic {
                reading = read(self.services.session.ske.clone(), id.clone()).boxed().fuse();
            }
            let asking = !reading.is_terminated();
            let pause = self.pause_until(if asking { Duration::MAX } else { due }, asking)?;
            tokio::select! {
                biased;
                result = &mut reading, if asking => {
                    if let Some(ended) = self.take_reading(result) {
                        return Ok(ended);
                    }
                    due = self.next_read();
                }
                Some(incoming) = self.events.recv() => self.take_observation(incoming),
                () = pause => {}
            }
        }
    }

    /// When a start was accepted, according to the local journal.
    async fn accepted_start(&mut self, id: &ClusterId) -> io::Result<Option<Timestamp>> {
        let Session { state_folder, clock, .. } = &self.services.session;
        let (folder, wanted) = (state_folder.clone(), id.clone());
        let read = move || {
            let Some(folder) = folder else { return Ok(None) };
            check_private(&folder)?;
            let extract = Journal::open(&folder)?.extract(EXTRACT_BYTES, |id| *id == wanted)?;
            Ok(accepted_start(&extract.records))
        };
        match run_blocking(clock, FILE_LIMIT, "journal", read).await.flatten() {
            Ok(accepted) => Ok(accepted),
            Err(failure) => {
                self.printer.note(&failure.to_string())?;
                Ok(None)
            }
        }
    }

    /// Processes a reading or a failure; `Some` if the wait is over.
    fn take_reading(&mut self, result: Result<Reading, Failure>) -> WaitResult {
        let now = self.now();
        let tracker = self.state.tracker.as_mut()?;
        let before = tracker.latest().cloned();
        let result = match result {
            Ok((cluster, skew)) => {
                tracker.set_skew(skew);
                tracker.take_reading(cluster, now)
            }
            Err(failure) => tracker.take_failure(failure, now),
        };
        if let Some(cluster) =
            tracker.latest().cloned().filter(|_| tracker.latest() != before.as_ref())
        {
            if self.state.observed.snapshot.is_some() {
                self.state.observed.take_reading(&cluster, now);
            }
            self.update_observer(cluster);
        }
        result
    }

    fn next_read(&self) -> Duration {
        let now = self.now();
        let settings = &self.services.session.settings;
        let next = |tracker: &WaitTracker| tracker.next_read(now, settings, fastrand::f64());
        self.state.tracker.as_ref().map_or(now.monotonic, next)
    }

    /// Starts or stops observing nodes, as the phase needs it.
    fn update_observer(&mut self, cluster: Cluster) {
        // Nodes are not replaced while static tokens exist; checked anyway, since disabling them is permanent.
        let wanted = self.state.unobserved.is_none()
            && cluster.rotation.phase == Phase::Preparing
            && !cluster.issuing_disables_static_tokens();
        match (self.observing.is_some(), wanted) {
            (false, true) => {
                let Session { ske, clock, .. } = &self.services.session;
                let number = RequestId(self.last_observer.0.saturating_add(1));
                (self.last_observer, self.observing) = (number, Some(number));
                self.observers.begin(cluster, (number, false), ske, clock, &self.sender);
            }
            (true, true) => self.observers.reading(cluster),
            (true, false) => {
                self.observers.end(&cluster.id);
                self.state.observed.stop_watching(now(&self.services.session.clock));
                self.observing = None;
            }
            (false, false) => {}
        }
    }

    /// After a suspend of machine or process, observed nodes are stale, and observing restarts.
    fn handle_suspend(&mut self, before: Now) {
        self.state.observed.stop_watching(before);
        let now = self.now().wall;
        if now < before.wall {
            self.state.observed.clamp_times(now);
        }
        if let Some(tracker) = &mut self.state.tracker {
            tracker.handle_suspend();
        }
        if let Some(cluster) = self.state.latest().cloned().filter(|_| self.observing.is_some()) {
            self.observers.end(&cluster.id);
            self.observing = None;
            self.update_observer(cluster);
        }
    }

    /// Processes an event of the observer.
    fn take_observation(&mut self, incoming: LoopInput) {
        let now = self.now();
        let cluster = self.state.tracker.as_ref().and_then(WaitTracker::latest);
        let (Some(cluster), LoopInput::Message(message)) = (cluster, incoming) else { return };
        let (number, event) =
            if let Message::Answered(number, Ok(Answer::Observed(event))) = message {
                (Some(number), event)
            } else if let Message::TaskFailed(failure) = message {
                (self.observing, ObserverEvent::Unavailable(Unavailable::NoAccess(failure)))
            } else {
                return;
            };
        // Events of an earlier observer are stale.
        if number.is_none() || number != self.observing {
            return;
        }
        self.state.observed.take_event(cluster, event, now);
    }

    /// Shows the status and returns a future that completes when something is due, at `due` at the latest.
    fn pause_until(
        &mut self,
        due: Duration,
        asking: bool,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let now = self.now();
        if self.services.redraws.has_changed().unwrap_or(false) {
            self.services.redraws.mark_unchanged();
            self.printer.invalidate();
        }
        let (before, planned) = self.pause;
        if now.has_jumped_since(before) || now.was_suspended(planned) {
            self.handle_suspend(before);
        }
        let observed = &mut self.state.observed;
        if let Some(cluster) = self.state.tracker.as_ref().and_then(WaitTracker::latest)
            && observed.is_due(now)
        {
            observed.evaluate(cluster, now);
        }
        self.printer.show(&self.state.status(now), self.began)?;
        let until = self.next_due(now, due);
        self.pause = (now, until);
        self.services.rests.send_replace(IdleState { until, asking });
        let clock = self.services.session.clock.clone();
        let mut redraws = self.services.redraws.clone();
        let redraw = async move {
            if redraws.changed().await.is_err() {
                // No redraw can follow.
                std::future::pending::<()>().await;
            }
        };
        Ok(async move {
            tokio::select! {
                () = clock.sleep_until(until) => {}
                () = redraw => {}
            }
        })
    }

    /// When the status next changes on its own, at `due` at the latest.
    fn next_due(&self, now: Now, due: Duration) -> Duration {
        let outage =
            self.state.outage().map(Outage::reported_from).filter(|at| *at > now.monotonic);
        let evaluation = self.observing.and_then(|_| self.state.observed.next_evaluation());
        let redraw = self.printer.is_live().then(|| {
            // Waiting times count seconds in the first two minutes and minutes afterwards.
            let waited = now.monotonic.saturating_sub(self.began.monotonic).as_secs();
            let next = if waited < 120 { waited + 1 } else { (waited / 60 + 1) * 60 };
            self.began.monotonic.saturating_add(Duration::from_secs(next))
        });
        // Without a stop, no signal reports the return to the foreground.
        let shown = || now.monotonic.saturating_add(Duration::from_secs(1));
        let shown = self.printer.is_in_background().then(shown);
        [Some(due), outage, evaluation, redraw, shown].into_iter().flatten().min().unwrap_or(due)
    }

    /// Prints how the wait ended; returns the exit status.
    async fn report(&mut self, ended: Ended) -> io::Result<u8> {
        self.observers = Observers::default();
        let now = self.now();
        let status = self.state.status(now);
        let (exit_status, summary) = match ended {
            Ended::ByItself(Ok(reached)) => {
                self.printer.reached(&status, reached, self.began)?;
                (0, status.reached_word(reached))
            }
            Ended::ByItself(Err(sentence)) => {
                self.printer.note(&sentence)?;
                (1, sentence)
            }
            Ended::TimedOut(limit) => {
                self.printer.note(&text::timed_out_at(&limit, status.sentence()))?;
                (TIMED_OUT, text::timed_out(limit))
            }
            Ended::Signal(number) => {
                // The terminal may be closed.
                drop(self.printer.note(&text::interrupted(status.sentence())));
                return Ok(signals::exit_status(number));
            }
        };
        if let Some(notifier) = self.printer.notify(&self.state.name, &summary)? {
            notifier.notify_desktop(&self.state.name, &summary, &self.services.session.clock).await;
        }
        Ok(exit_status)
    }
}

fn now(clock: &Clock) -> Now {
    Now { wall: clock.now(), monotonic: clock.monotonic() }
}

/// Adds lists of the pending scopes to the search. Does not stop at two matches, so that the error can name all of
/// them.
pub async fn list_scopes(
    search: &mut ClusterSearch,
    lists: impl Stream<Item = (Scope, Result<Listing, Failure>)>,
    clock: &Clock,
) -> Option<SignedDuration> {
    let mut skew = None;
    let mut lists = pin!(lists);
    while let Some((scope, result)) = lists.next().await {
        skew = result.as_ref().ok().and_then(|listing| listing.skew).or(skew);
        search.take_list(&scope, result, now(clock));
        if search.has_failed() {
            break;
        }
    }
    skew
}

/// Reads a cluster, and the server's clock minus ours. A cluster counts as missing only if the list omits it too.
async fn read(ske: SkeClient, id: ClusterId) -> Result<Reading, Failure> {
    let missing = match ske.get(&id).await {
        Ok(reading) => return Ok((reading.cluster, reading.skew)),
        Err(failure) if failure.kind == FailureKind::NotFound => failure,
        Err(failure) => return Err(failure),
    };
    match ske.list(&id.scope).await {
        Ok(listing) => {
            let listed = listing.clusters.into_iter().find(|other| other.id == id);
            listed.map(|cluster| (cluster, listing.skew)).ok_or(missing)
        }
        // The account may be allowed to read clusters but not to list them.
        Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Forbidden) => {
            Err(missing)
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests;
