//! Watches: changes after a version, then further changes until the client or the server closes the watch. A watch
//! sleeps until the cluster notifies it; it does not poll.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, Frame};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::StoredObject;
use crate::simulator::cluster::store::StoreChange;
use crate::simulator::kubernetes::read_objects::WatchOptions;
use crate::simulator::kubernetes::status;
use crate::simulator::speed::{earlier, later};
use crate::simulator::state::{Shared, WatchProgress};

const BOOKMARK_EVERY: SignedDuration = SignedDuration::from_secs(60);
const BOOKMARK_BEFORE_END: SignedDuration = SignedDuration::from_secs(2);
/// The server closes a watch after this time, unless the client sets another timeout.
const TIMEOUT_SECONDS: u64 = 1_800;
/// Maximum number of changes written at once.
const BATCH: usize = 500;
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);

/// An open watch.
pub struct WatchStream {
    id: ClusterId,
    shoot_id: String,
    options: WatchOptions,
    version: u64,
    lines: VecDeque<Bytes>,
    first: bool,
    end: Timestamp,
    reset: Option<Timestamp>,
    bookmark: Timestamp,
    changes: watch::Receiver<()>,
    registration: WatchRegistration,
    ended: bool,
}

/// Unregisters a watch when it is closed.
struct WatchRegistration {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for WatchRegistration {
    fn drop(&mut self) {
        self.shared.lock().watches.remove(&self.number);
    }
}

enum NextStep {
    Send(Bytes),
    Sleep(Duration),
    Reset,
    End,
}

/// Every minute, and shortly before the server closes the watch.
fn next_bookmark(now: Timestamp, end: Timestamp) -> Timestamp {
    let last = earlier(end, BOOKMARK_BEFORE_END);
    let next = later(now, BOOKMARK_EVERY);
    if last > now { next.min(last) } else { next }
}

impl WatchStream {
    /// Opens a watch; a fault may reset it after some seconds.
    pub fn open(
        shared: &Arc<Shared>,
        number: u64,
        cluster: &SimulatedCluster,
        options: WatchOptions,
        reset_after: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let after = |seconds: u64| now.saturating_add(Duration::from_secs(seconds)).ok();
        let end = after(options.timeout.unwrap_or(TIMEOUT_SECONDS)).unwrap_or(Timestamp::MAX);
        let store = &cluster.data_plane.store;
        let mut stream = Self {
            id: cluster.id.clone(),
            shoot_id: cluster.shoot_id.clone(),
            version: options.after.unwrap_or(store.version()),
            lines: VecDeque::new(),
            first: true,
            end,
            reset: reset_after.and_then(after),
            bookmark: next_bookmark(now, end),
            changes: cluster.subscribe(),
            registration: WatchRegistration { shared: Arc::clone(shared), number },
            ended: false,
            options,
        };
        match stream.options.after {
            Some(_) if stream.options.compacted => {
                stream.write_line("ERROR", status::too_old(stream.version, store.version() + 1));
                stream.ended = true;
            }
            Some(_) => {}
            None => {
                for object in store.list(stream.options.writer.resource.kind) {
                    if stream.options.selector.matches(object) {
                        stream.write_event("ADDED", object, object.meta.version);
                    }
                }
                if stream.options.initial_events {
                    let bookmark = stream.options.writer.bookmark(stream.version, true);
                    stream.write_line("BOOKMARK", bookmark);
                }
            }
        }
        stream
    }

    fn write_event(&mut self, kind: &str, object: &StoredObject, version: u64) {
        let value = self.options.writer.one(object, version, self.first);
        self.first = false;
        self.write_line(kind, value);
    }

    fn write_line(&mut self, kind: &str, object: Value) {
        let line = json!({"type": kind, "object": object}).to_string() + "\n";
        self.lines.push_back(line.into());
    }

    fn write_change(&mut self, change: &StoreChange) {
        let selector = &self.options.selector;
        let selected = |object: &&Arc<StoredObject>| selector.matches(object);
        let before = change.before.as_ref().filter(selected);
        match (before, change.after.as_ref().filter(selected)) {
            (None, Some(after)) => self.write_event("ADDED", after, change.version),
            (Some(_), Some(after)) => self.write_event("MODIFIED", after, change.version),
            (Some(before), None) => {
                // An object that no longer matches is shown in its last matching state.
                self.write_event("DELETED", before, change.version);
            }
            (None, None) => {}
        }
    }

    /// Writes changes and returns the next step.
    fn next_step(&mut self) -> NextStep {
        if let Some(step) = self.buffered() {
            return step;
        }
        let shared = Arc::clone(&self.registration.shared);
        let now = shared.clock.now();
        let mut state = shared.lock();
        let Some(cluster) = state.cloud.cluster_mut(&self.id) else { return NextStep::End };
        if cluster.shoot_id != self.shoot_id {
            return NextStep::End;
        }
        cluster.advance(now);
        self.changes.mark_unchanged();
        self.options.writer.view.now = now;
        let store = &cluster.data_plane.store;
        match store.changes(self.options.writer.resource.kind, self.version) {
            Ok(changes) => {
                let batch: Vec<&StoreChange> = changes.take(BATCH).collect();
                self.version = match batch.last() {
                    Some(last) if batch.len() == BATCH => last.version,
                    _ => store.version().max(self.version),
                };
                for change in batch {
                    self.write_change(change);
                }
            }
            Err(oldest) => {
                self.write_line("ERROR", status::too_old(self.version, oldest));
                self.ended = true;
            }
        }
        let due = cluster.next_due();
        let step = self.buffered().unwrap_or_else(|| self.step_without_changes(now, due));
        let progress = WatchProgress {
            cluster: self.id.clone(),
            version: self.version,
            caught_up: matches!(step, NextStep::Sleep(_)),
        };
        state.watches.insert(self.registration.number, progress);
        step
    }

    fn buffered(&mut self) -> Option<NextStep> {
        let line = self.lines.pop_front().map(NextStep::Send);
        line.or_else(|| self.ended.then_some(NextStep::End))
    }

    fn step_without_changes(&mut self, now: Timestamp, due: Option<Timestamp>) -> NextStep {
        if self.reset.is_some_and(|reset| reset <= now) {
            return NextStep::Reset;
        }
        self.ended = self.end <= now;
        if self.options.bookmarks && self.bookmark <= now {
            self.bookmark = next_bookmark(now, self.end);
            let bookmark = self.options.writer.bookmark(self.version, false);
            self.write_line("BOOKMARK", bookmark);
        }
        if let Some(step) = self.buffered() {
            return step;
        }
        let bookmark = self.options.bookmarks.then_some(self.bookmark);
        let until = [due, self.reset, bookmark, Some(self.end)].into_iter().flatten().min();
        let sleep = until
            .and_then(|until| Duration::try_from(until.duration_since(now)).ok())
            .unwrap_or(SHORTEST_SLEEP);
        NextStep::Sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }

    /// The next frame of the body.
    pub async fn next_frame(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        loop {
            match self.next_step() {
                NextStep::Send(line) => return Some((Ok(Frame::data(line)), self)),
                NextStep::End => return None,
                NextStep::Reset => {
                    self.ended = true;
                    self.lines.clear();
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), self));
                }
                NextStep::Sleep(duration) => {
                    tokio::select! {
                        biased;
                        // Fails if the cluster was deleted.
                        _ = self.changes.changed() => {}
                        () = self.registration.shared.clock.sleep(duration) => {}
                    }
                }
            }
        }
    }
}
