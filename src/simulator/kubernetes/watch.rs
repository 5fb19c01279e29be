//! Watches: what changed after a version, then whatever changes, until somebody ends it. A watch sleeps until the world
//! moves; it never asks again and again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, Frame};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::domain::cluster::ClusterId;
use crate::simulator::Shared;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::StoredObject;
use crate::simulator::cluster::store::{ObjectChange, UnavailableVersion};
use crate::simulator::kubernetes::read_objects::WatchOptions;
use crate::simulator::kubernetes::status;
use crate::simulator::state::WatchProgress;

/// A bookmark is sent this often.
const BOOKMARK_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// The server ends a watch after this long if the client does not say.
const TIMEOUT_SECONDS: u64 = 1_800;
/// Changes that are written at once.
const AT_ONCE: usize = 500;
/// A watch looks again after this long at the latest; and not sooner than this after it looked.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);

/// A watch under way.
pub struct WatchStream {
    shared: Arc<Shared>,
    id: ClusterId,
    shoot: String,
    options: WatchOptions,
    position: u64,
    pending: VecDeque<Bytes>,
    first: bool,
    end: Timestamp,
    cut: Option<Timestamp>,
    bookmark: Timestamp,
    changes: watch::Receiver<u64>,
    registration: WatchRegistration,
    ended: bool,
}

/// Takes a watch off the list when it goes away.
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
    Cut,
    End,
}

impl WatchStream {
    /// Begins a watch. The cluster is locked while this runs.
    pub fn begin(
        shared: &Arc<Shared>,
        number: u64,
        cluster: &SimulatedCluster,
        options: WatchOptions,
        cut_after: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let after = |seconds: u64| now.saturating_add(Duration::from_secs(seconds)).ok();
        let store = &cluster.data_plane.store;
        let mut stream = Self {
            shared: Arc::clone(shared),
            id: cluster.id.clone(),
            shoot: cluster.shoot.clone(),
            position: options.after.unwrap_or(store.version()),
            pending: VecDeque::new(),
            first: true,
            end: after(options.timeout.unwrap_or(TIMEOUT_SECONDS)).unwrap_or(Timestamp::MAX),
            cut: cut_after.and_then(after),
            bookmark: now.saturating_add(BOOKMARK_EVERY).unwrap_or(Timestamp::MAX),
            changes: cluster.subscribe(),
            registration: WatchRegistration { shared: Arc::clone(shared), number },
            ended: false,
            options,
        };
        if stream.options.compacted && stream.options.after.is_some() {
            stream.line("ERROR", status::too_old(stream.position, store.version() + 1));
            stream.ended = true;
        }
        if stream.options.after.is_none() {
            let kind = stream.options.writer.resource.kind;
            for object in store.list(kind) {
                if stream.options.selector.matches(object) {
                    stream.write("ADDED", object, object.meta.version);
                }
            }
        }
        stream
    }

    fn write(&mut self, word: &str, object: &StoredObject, version: u64) {
        let value = self.options.writer.one(object, version, self.first);
        self.first = false;
        self.line(word, value);
    }

    fn line(&mut self, word: &str, object: Value) {
        let mut text = json!({"type": word, "object": object}).to_string();
        text.push('\n');
        self.pending.push_back(Bytes::from(text));
    }

    /// What the selection sees of a change.
    fn take(&mut self, change: &ObjectChange) {
        let seen = |object: &Option<Arc<StoredObject>>| {
            object.as_ref().filter(|object| self.options.selector.matches(object)).cloned()
        };
        match (seen(&change.before), seen(&change.after)) {
            (None, Some(after)) => self.write("ADDED", &after, change.version),
            (Some(_), Some(after)) => self.write("MODIFIED", &after, change.version),
            (Some(before), None) => {
                // An object that is not selected any more is shown as it is now.
                let shown = change.after.as_ref().unwrap_or(&before);
                self.write("DELETED", shown, change.version);
            }
            (None, None) => {}
        }
    }

    /// Collects what has changed, and says what to do next.
    fn next_step(&mut self) -> NextStep {
        if let Some(line) = self.pending.pop_front() {
            return NextStep::Send(line);
        }
        if self.ended {
            return NextStep::End;
        }
        let shared = Arc::clone(&self.shared);
        let now = shared.clock.now();
        let mut state = shared.lock();
        let Some(cluster) = state.cloud.cluster_mut(&self.id) else { return NextStep::End };
        if cluster.shoot != self.shoot {
            return NextStep::End;
        }
        cluster.advance(now);
        self.changes.mark_unchanged();
        self.options.writer.view.now = now;
        let store = &cluster.data_plane.store;
        let kind = self.options.writer.resource.kind;
        match store.changes(kind, self.position) {
            Ok(changes) => {
                let some: Vec<ObjectChange> = changes.take(AT_ONCE).cloned().collect();
                let all = some.len() < AT_ONCE;
                let last = some.last().map_or(self.position, |change| change.version);
                self.position = if all { store.version().max(self.position) } else { last };
                for change in &some {
                    self.take(change);
                }
            }
            Err(UnavailableVersion::TooOld(oldest)) => {
                self.line("ERROR", status::too_old(self.position, oldest));
                self.ended = true;
            }
            Err(UnavailableVersion::TooNew(_)) => {}
        }
        let due = cluster.next_due();
        let step = self.decide(now, due);
        let progress = WatchProgress {
            cluster: self.id.clone(),
            position: self.position,
            caught_up: matches!(step, NextStep::Sleep(_)),
        };
        state.watches.insert(self.registration.number, progress);
        step
    }

    fn decide(&mut self, now: Timestamp, due: Option<Timestamp>) -> NextStep {
        if let Some(line) = self.pending.pop_front() {
            return NextStep::Send(line);
        }
        if self.ended {
            return NextStep::End;
        }
        if self.cut.is_some_and(|cut| cut <= now) {
            return NextStep::Cut;
        }
        let ends = self.end <= now;
        self.ended |= ends;
        if self.options.bookmarks && (ends || self.bookmark <= now) {
            self.bookmark = now.saturating_add(BOOKMARK_EVERY).unwrap_or(Timestamp::MAX);
            let bookmark = self.options.writer.bookmark(self.position);
            self.line("BOOKMARK", bookmark);
            return self.pending.pop_front().map_or(NextStep::End, NextStep::Send);
        }
        if ends {
            return NextStep::End;
        }
        let bookmark = self.options.bookmarks.then_some(self.bookmark);
        let until = [due, self.cut, bookmark, Some(self.end)].into_iter().flatten().min();
        let sleep = until
            .and_then(|until| Duration::try_from(until.duration_since(now)).ok())
            .unwrap_or(SHORTEST_SLEEP);
        NextStep::Sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }

    /// The next piece of the answer.
    pub async fn next_frame(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        loop {
            match self.next_step() {
                NextStep::Send(line) => return Some((Ok(Frame::data(line)), self)),
                NextStep::End => return None,
                NextStep::Cut => {
                    self.ended = true;
                    self.pending.clear();
                    let cut = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Some((Err(cut), self));
                }
                NextStep::Sleep(duration) => {
                    tokio::select! {
                        biased;
                        // A bell that is gone belongs to a cluster that is gone.
                        _ = self.changes.changed() => {}
                        () = self.shared.clock.sleep(duration) => {}
                    }
                }
            }
        }
    }
}
