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
use crate::simulator::Inner;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::Object;
use crate::simulator::cluster::store::{Change, Lost};
use crate::simulator::kubernetes::read::Beginning;
use crate::simulator::kubernetes::status;
use crate::simulator::state::Watching;

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
pub struct Watcher {
    inner: Arc<Inner>,
    id: ClusterId,
    shoot: String,
    beginning: Beginning,
    position: u64,
    waiting: VecDeque<Bytes>,
    first: bool,
    end: Timestamp,
    cut: Option<Timestamp>,
    bookmark: Timestamp,
    bell: watch::Receiver<u64>,
    registered: Registered,
    over: bool,
}

/// Takes a watch off the list when it goes away.
struct Registered {
    inner: Arc<Inner>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.inner.lock().watches.remove(&self.number);
    }
}

enum Turn {
    Send(Bytes),
    Sleep(Duration),
    Cut,
    End,
}

impl Watcher {
    /// Begins a watch. The cluster is locked while this runs.
    pub fn begin(
        inner: &Arc<Inner>,
        number: u64,
        cluster: &SimulatedCluster,
        beginning: Beginning,
        cut_after: Option<u64>,
        now: Timestamp,
    ) -> Self {
        let after = |seconds: u64| now.saturating_add(Duration::from_secs(seconds)).ok();
        let store = &cluster.inside.store;
        let mut watcher = Self {
            inner: Arc::clone(inner),
            id: cluster.id.clone(),
            shoot: cluster.shoot.clone(),
            position: beginning.after.unwrap_or(store.version()),
            waiting: VecDeque::new(),
            first: true,
            end: after(beginning.timeout.unwrap_or(TIMEOUT_SECONDS)).unwrap_or(Timestamp::MAX),
            cut: cut_after.and_then(after),
            bookmark: now.saturating_add(BOOKMARK_EVERY).unwrap_or(Timestamp::MAX),
            bell: cluster.listen(),
            registered: Registered { inner: Arc::clone(inner), number },
            over: false,
            beginning,
        };
        if watcher.beginning.compacted && watcher.beginning.after.is_some() {
            watcher.line("ERROR", status::too_old(watcher.position, store.version() + 1));
            watcher.over = true;
        }
        if watcher.beginning.after.is_none() {
            let kind = watcher.beginning.writer.resource.kind;
            for object in store.list(kind) {
                if watcher.beginning.selection.takes(object) {
                    watcher.write("ADDED", object, object.meta.version);
                }
            }
        }
        watcher
    }

    fn write(&mut self, word: &str, object: &Object, version: u64) {
        let value = self.beginning.writer.one(object, version, self.first);
        self.first = false;
        self.line(word, value);
    }

    fn line(&mut self, word: &str, object: Value) {
        let mut text = json!({"type": word, "object": object}).to_string();
        text.push('\n');
        self.waiting.push_back(Bytes::from(text));
    }

    /// What the selection sees of a change.
    fn take(&mut self, change: &Change) {
        let seen = |object: &Option<Arc<Object>>| {
            object.as_ref().filter(|object| self.beginning.selection.takes(object)).cloned()
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
    fn turn(&mut self) -> Turn {
        if let Some(line) = self.waiting.pop_front() {
            return Turn::Send(line);
        }
        if self.over {
            return Turn::End;
        }
        let inner = Arc::clone(&self.inner);
        let now = inner.clock.now();
        let mut shared = inner.lock();
        let Some(cluster) = shared.world.cluster_mut(&self.id) else { return Turn::End };
        if cluster.shoot != self.shoot {
            return Turn::End;
        }
        cluster.advance(now);
        self.bell.mark_unchanged();
        self.beginning.writer.view.now = now;
        let store = &cluster.inside.store;
        let kind = self.beginning.writer.resource.kind;
        match store.changes(kind, self.position) {
            Ok(changes) => {
                let some: Vec<Change> = changes.take(AT_ONCE).cloned().collect();
                let all = some.len() < AT_ONCE;
                let last = some.last().map_or(self.position, |change| change.version);
                self.position = if all { store.version().max(self.position) } else { last };
                for change in &some {
                    self.take(change);
                }
            }
            Err(Lost::TooOld(oldest)) => {
                self.line("ERROR", status::too_old(self.position, oldest));
                self.over = true;
            }
            Err(Lost::TooNew(_)) => {}
        }
        let due = cluster.next_due();
        let turn = self.next(now, due);
        let watching = Watching {
            cluster: self.id.clone(),
            position: self.position,
            idle: matches!(turn, Turn::Sleep(_)),
        };
        shared.watches.insert(self.registered.number, watching);
        turn
    }

    fn next(&mut self, now: Timestamp, due: Option<Timestamp>) -> Turn {
        if let Some(line) = self.waiting.pop_front() {
            return Turn::Send(line);
        }
        if self.over {
            return Turn::End;
        }
        if self.cut.is_some_and(|cut| cut <= now) {
            return Turn::Cut;
        }
        let ends = self.end <= now;
        self.over |= ends;
        if self.beginning.bookmarks && (ends || self.bookmark <= now) {
            self.bookmark = now.saturating_add(BOOKMARK_EVERY).unwrap_or(Timestamp::MAX);
            let bookmark = self.beginning.writer.bookmark(self.position);
            self.line("BOOKMARK", bookmark);
            return self.waiting.pop_front().map_or(Turn::End, Turn::Send);
        }
        if ends {
            return Turn::End;
        }
        let bookmark = self.beginning.bookmarks.then_some(self.bookmark);
        let until = [due, self.cut, bookmark, Some(self.end)].into_iter().flatten().min();
        let sleep = until
            .and_then(|until| Duration::try_from(until.duration_since(now)).ok())
            .unwrap_or(SHORTEST_SLEEP);
        Turn::Sleep(sleep.clamp(SHORTEST_SLEEP, LONGEST_SLEEP))
    }

    /// The next piece of the answer.
    pub async fn piece(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        loop {
            match self.turn() {
                Turn::Send(line) => return Some((Ok(Frame::data(line)), self)),
                Turn::End => return None,
                Turn::Cut => {
                    self.over = true;
                    self.waiting.clear();
                    let cut = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Some((Err(cut), self));
                }
                Turn::Sleep(duration) => {
                    tokio::select! {
                        biased;
                        // A bell that is gone belongs to a cluster that is gone.
                        _ = self.bell.changed() => {}
                        () = self.inner.clock.sleep(duration) => {}
                    }
                }
            }
        }
    }
}
