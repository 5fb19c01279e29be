//! Watches one resource: paged list, watch from there, relist when the version has expired, poll if watches do not
//! work.
//!
//! Why not `kube_runtime::watcher`: it is tied to one client, so new credentials would require a new list; its lists
//! and opening a watch have no timeout, and its idle timeout runs on tokio's clock; after an HTTP 410 on opening a
//! watch it requests the same version forever; one malformed object hides its page; and body size is unlimited. The
//! rest is reimplemented here over the same requests (`kube::core::Request`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::sync::watch;

use crate::clients::compute::compute;
use crate::clients::kubernetes::connection::{Connection, PAGE_LIMIT};
use crate::clients::kubernetes::context::{ObserverContext, pause, wait_for_connection};
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::lines::{Lines, lines};
use crate::clients::kubernetes::object_cache::Item;
use crate::clients::kubernetes::resources::{WATCH_SECONDS, WatchEvent, WatchedResource};
use crate::clients::kubernetes::store::{ListStatus, Store};
use crate::domain::backoff;
use crate::domain::text::plural;

/// A watch silent for this long is compared with a list. Servers send bookmarks about every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// A working watch delivers the changes of a list within this time.
const LATENESS: Duration = Duration::from_secs(5);
/// The server should have ended a watch after this time.
const OLDEST_WATCH: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// A watch that lasted this long is not a failure, even without events.
const WORTHWHILE: Duration = Duration::from_secs(1);
/// Poll interval if watches do not work; longer if a list takes long.
const POLL: Duration = Duration::from_secs(10);
/// Watches are retried after this.
const POLL_FOR: Duration = Duration::from_mins(30);
/// Consecutive failures after which a resource counts as unreadable.
const PATIENCE: u32 = 3;
/// Consecutive watches that time out on opening, after which lists are polled instead.
const UNOPENED: u32 = 2;
/// Pause after HTTP 403 or for an unserved kind, first and later.
const DENIED: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(5));
/// The same for what was allowed before: a server that has just started does not know its roles yet.
const DENIED_ANEW: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(15));

/// Next action for a resource.
enum WatchState {
    /// List. If watches do not work: the monotonic time from which they are retried.
    List { polling_until: Option<Duration> },
    /// Watch from this version on.
    Watch { version: String },
    /// Watches do not work before this monotonic time: wait, then list.
    Poll { until: Duration },
    /// Wait, then continue with `next`.
    BackOff { wait: Duration, next: Box<Self> },
}

/// Why a watch ended without a failure.
enum WatchEnd {
    /// It ended, or the connection changed: resume.
    Ended,
    /// It delivered something and ended at once: resume, but not in a tight loop.
    ShortLived,
    /// Something in between buffers watches, or they are forbidden.
    Useless,
}

/// A complete list.
struct Listed<T> {
    items: Vec<Item<T>>,
    /// Version to watch from, if the server provides one.
    version: Option<String>,
    missing: Option<String>,
}

/// Keeps the store's objects of one resource current; never returns.
pub async fn watch_resource<T: PartialEq>(resource: WatchedResource<T>, context: &ObserverContext) {
    let mut watcher = Watcher {
        resource,
        context,
        connections: context.connections.clone(),
        outages: 0,
        failures: 0,
        unopened: 0,
        short_lived: 0,
        list_took: Duration::ZERO,
    };
    let mut state = WatchState::List { polling_until: None };
    loop {
        state = watcher.step(state).await;
    }
}

struct Watcher<'a, T> {
    resource: WatchedResource<T>,
    context: &'a ObserverContext,
    connections: watch::Receiver<Option<Arc<Connection>>>,
    /// Outages as of the last list.
    outages: u32,
    /// Consecutive failures.
    failures: u32,
    /// Consecutive watches that timed out on opening.
    unopened: u32,
    /// Consecutive watches that delivered something and ended at once.
    short_lived: u32,
    /// Duration of the last list.
    list_took: Duration,
}

impl<T: PartialEq> Watcher<'_, T> {
    async fn step(&mut self, state: WatchState) -> WatchState {
        match state {
            WatchState::List { polling_until } => {
                self.connect().await;
                match self.list_and_store(polling_until).await {
                    Ok(next) => next,
                    Err(error) => self.back_off(&error, WatchState::List { polling_until }),
                }
            }
            WatchState::Watch { mut version } => {
                let (connection, is_outdated) = self.connect().await;
                // A watch would replay the outage's changes one by one, each looking like the current state.
                if is_outdated {
                    return WatchState::List { polling_until: None };
                }
                match self.watch(&connection, &mut version).await {
                    Ok(WatchEnd::Ended) => WatchState::Watch { version },
                    Ok(WatchEnd::ShortLived) => WatchState::BackOff {
                        wait: backoff::delay(self.short_lived, fastrand::f64()),
                        next: Box::new(WatchState::Watch { version }),
                    },
                    Ok(WatchEnd::Useless) => WatchState::Poll { until: self.end_of_polling() },
                    Err(error) => self.back_off(&error, WatchState::Watch { version }),
                }
            }
            WatchState::Poll { until } => {
                let (_, is_outdated) = self.connect().await;
                if !is_outdated {
                    self.pause(POLL.max(self.list_took.saturating_mul(5))).await;
                }
                WatchState::List { polling_until: Some(until) }
            }
            WatchState::BackOff { wait, next } => {
                self.pause(wait).await;
                *next
            }
        }
    }

    /// Waits for a connection; returns whether there was an outage since the last list.
    async fn connect(&mut self) -> (Arc<Connection>, bool) {
        let connection = wait_for_connection(&mut self.connections).await;
        let outages = self.context.store().outages();
        let is_outdated = std::mem::replace(&mut self.outages, outages) != outages;
        if is_outdated {
            // Failures during the outage do not matter for a server that is back.
            self.failures = 0;
        }
        (connection, is_outdated)
    }

    async fn pause(&mut self, wait: Duration) {
        pause(self.context, &mut self.connections, wait).await;
    }

    fn end_of_polling(&self) -> Duration {
        self.context.clock.monotonic().saturating_add(POLL_FOR)
    }

    /// Reports a failure and returns the next state.
    fn back_off(&mut self, error: &KubeError, failed: WatchState) -> WatchState {
        self.failures = self.failures.saturating_add(1);
        let is_lasting = !error.is_about_the_connection() && self.failures >= PATIENCE;
        let lists_again = error.asks_for_a_new_list() || is_lasting;
        let next = if lists_again && matches!(failed, WatchState::Watch { .. }) {
            WatchState::List { polling_until: None }
        } else {
            failed
        };
        WatchState::BackOff { wait: self.report_failure(error), next: Box::new(next) }
    }

    /// Reports a failure and returns how long to wait.
    fn report_failure(&self, error: &KubeError) -> Duration {
        let (context, kind, failures) = (self.context, self.resource.kind, self.failures);
        // Kinds that have responded do not wait for one list that hangs.
        let hangs = matches!(error, KubeError::TimedOut(_)) && context.store().is_late(kind);
        let patient = failures < PATIENCE && !hangs;
        if error.is_about_the_connection() {
            context.check_requested.notify_one();
        }
        let is_denied = matches!(error, KubeError::Forbidden(_) | KubeError::NotServed(_));
        // A server that has just started may forbid what it allows a moment later.
        if !patient || is_denied && !context.store().is_listed(kind) {
            let status = if let KubeError::Forbidden(text) = error {
                ListStatus::Forbidden(text.clone())
            } else {
                ListStatus::Failing(error.to_string())
            };
            context.update(|store| store.set_status(kind, status));
        }
        if is_denied {
            let was_allowed = context.store().is_listed(kind);
            let (first, later) = if was_allowed { DENIED_ANEW } else { DENIED };
            return if patient { first } else { later };
        }
        // The normal case: relist at once, but not in a tight loop.
        if matches!(error, KubeError::Gone(_)) && failures == 1 {
            return Duration::ZERO;
        }
        let asked = if let KubeError::Busy(Some(asked)) = error { *asked } else { Duration::ZERO };
        backoff::delay(failures, fastrand::f64()).max(asked.min(backoff::LONGEST_RETRY_AFTER))
    }

    async fn list_and_store(
        &mut self,
        polling_until: Option<Duration>,
    ) -> Result<WatchState, KubeError> {
        let began = self.context.clock.monotonic();
        let mut listed = self.list().await?;
        let now = self.context.clock.monotonic();
        self.list_took = now.saturating_sub(began);
        let version = listed.version.take();
        if self.store_list(listed).is_none() {
            return Ok(WatchState::List { polling_until });
        }
        // Without a version there is nothing to watch from.
        let polling_until =
            if version.is_none() { Some(self.end_of_polling()) } else { polling_until };
        if polling_until.is_some() {
            self.failures = 0;
        }
        Ok(match polling_until.filter(|until| now < *until) {
            Some(until) => WatchState::Poll { until },
            None => WatchState::Watch { version: version.unwrap_or_default() },
        })
    }

    /// Reads all pages; the store keeps its objects until then. New credentials are used from the next page on.
    async fn list(&self) -> Result<Listed<T>, KubeError> {
        let mut connections = self.context.connections.clone();
        let mut listed = Listed { items: Vec::new(), version: None, missing: None };
        let (mut next, mut unreadable) = (None, 0);
        for _page in 0..self.resource.most_pages {
            let connection = wait_for_connection(&mut connections).await;
            let request = self.resource.list_request(next.as_deref())?;
            let body = connection.read(request, PAGE_LIMIT).await?;
            let page = compute(|| self.resource.decode_page(&body))?;
            listed.items.extend(page.items);
            let is_too_long = listed.items.len() > self.resource.most_objects();
            listed.items.truncate(self.resource.most_objects());
            listed.version = page.version.or(listed.version);
            unreadable += page.unreadable;
            // A server may ignore the page limit.
            next = page.next.or_else(|| is_too_long.then(String::new));
            if next.is_none() || is_too_long {
                break;
            }
        }
        if next.is_some() {
            listed.missing = Some(format!("only the first {} were read", listed.items.len()));
        } else if unreadable > 0 {
            listed.missing =
                Some(format!("{} could not be read", plural(unreadable, "object", "objects")));
        }
        Ok(listed)
    }

    /// Stores a list, unless there was an outage while it was read; returns whether anything changed.
    fn store_list(&self, listed: Listed<T>) -> Option<bool> {
        self.context.update(|store| {
            if store.outages() != self.outages {
                return None;
            }
            let changed = (self.resource.cache)(&mut store.caches).replace_all(listed.items);
            if changed {
                store.mark_changed();
            }
            store.set_status(self.resource.kind, ListStatus::Seen(listed.missing));
            Some(changed)
        })
    }

    /// Watches from a version, which advances with each event, until the watch ends, the connection changes, or the
    /// watch turns out to be useless.
    async fn watch(
        &mut self,
        connection: &Connection,
        version: &mut String,
    ) -> Result<WatchEnd, KubeError> {
        let request = self.resource.watch_request(version)?;
        let opened = tokio::select! {
            biased;
            opened = connection.open(request) => opened,
            Ok(()) = self.connections.changed() => return Ok(WatchEnd::Ended),
        };
        let body = match opened {
            Ok(body) => body,
            Err(error) if self.is_useless(&error) => return Ok(WatchEnd::Useless),
            Err(error) => return Err(error),
        };
        self.unopened = 0;
        self.context.update(|store| {
            // An outage may have been noticed while the response was in flight.
            if store.outages() == self.outages {
                store.confirm_status(self.resource.kind);
            }
        });
        let mut lines = lines(body);
        let began = self.context.clock.monotonic();
        let oldest = began.saturating_add(OLDEST_WATCH);
        let mut last_event = began;
        let mut productive = false;
        loop {
            tokio::select! {
                biased;
                line = lines.try_next() => match line {
                    Ok(Some(line)) => {
                        last_event = self.context.clock.monotonic();
                        self.apply_event(&line, version)?;
                        (productive, self.failures) = (true, 0);
                    }
                    // The next attempt shows whether the server is still there.
                    ended @ (Ok(None) | Err(KubeError::Broken(_))) => {
                        let lived = self.context.clock.monotonic().saturating_sub(began);
                        if lived >= WORTHWHILE {
                            (self.failures, self.short_lived) = (0, 0);
                            return Ok(WatchEnd::Ended);
                        }
                        if productive {
                            // The cache is correct; the pause only limits the request rate.
                            self.short_lived = self.short_lived.saturating_add(1);
                            return Ok(WatchEnd::ShortLived);
                        }
                        return ended.and(Err(KubeError::Broken("a watch ended immediately".into())));
                    }
                    Err(error) => return Err(error),
                },
                Ok(()) = self.connections.changed() => return Ok(WatchEnd::Ended),
                () = self.context.clock.sleep_until(last_event.saturating_add(SILENCE).min(oldest)) => {
                    if self.context.clock.monotonic() >= oldest {
                        return Ok(WatchEnd::Ended);
                    }
                    if let Some(end) = self.compare_with_list(&mut lines, version).await? {
                        return Ok(end);
                    }
                    last_event = self.context.clock.monotonic();
                }
            }
        }
    }

    /// Whether a watch that failed to open means falling back to polling. Lists work, or there would be no watch.
    fn is_useless(&mut self, error: &KubeError) -> bool {
        // Something in between buffers the response.
        let is_late = matches!(error, KubeError::TimedOut(_));
        self.unopened = self.unopened.saturating_add(u32::from(is_late));
        is_late && self.unopened >= UNOPENED
            || matches!(error, KubeError::Forbidden(_) | KubeError::NotServed(_))
    }

    /// Compares a silent watch with a list. Changes that the watch does not deliver prove that it is held back (by a
    /// buffering proxy); then the list is used and polling starts.
    async fn compare_with_list(
        &self,
        lines: &mut Lines,
        version: &mut String,
    ) -> Result<Option<WatchEnd>, KubeError> {
        // Only some events are listed and kept, so a list proves nothing; the other resources detect it for them.
        if self.resource.is_bounded() {
            let held_back = self.context.held_back.load(Ordering::Relaxed);
            return Ok(held_back.then_some(WatchEnd::Useless));
        }
        let listed = self.list().await?;
        if let Some(line) = self.context.clock.timeout(LATENESS, lines.try_next()).await {
            return match line? {
                Some(line) => self.apply_event(&line, version).map(|()| None),
                None => Ok(Some(WatchEnd::Ended)),
            };
        }
        // After an outage everything is relisted anyway.
        let changed = self.store_list(listed).unwrap_or_default();
        if changed {
            self.context.held_back.store(true, Ordering::Relaxed);
        }
        Ok(changed.then_some(WatchEnd::Useless))
    }

    /// Stores an object, unless there are too many; returns whether anything changed.
    fn put(&self, item: Item<T>) -> bool {
        let (cache, kind) = (self.resource.cache, self.resource.kind);
        let most = self.resource.most_objects();
        let mut store = self.context.store();
        let cache = cache(&mut store.caches);
        if !cache.is_too_many(&item.key, most) {
            return cache.put(item);
        }
        store.set_status(kind, ListStatus::Seen(Some(format!("only {most} of them are kept"))));
        false
    }

    /// Applies one line of a watch to the store.
    fn apply_event(&self, line: &str, version: &mut String) -> Result<(), KubeError> {
        let Some(change) = self.resource.decode_event(line)? else { return Ok(()) };
        let cache = self.resource.cache;
        let (at, changed) = match change {
            WatchEvent::Put(item) => (item.version.clone(), self.put(item)),
            WatchEvent::Remove(item) => {
                let changed = cache(&mut self.context.store().caches).remove(&item.key, &item.uid);
                (item.version, changed)
            }
            WatchEvent::Bookmark(at) | WatchEvent::Unreadable(at) => (at, false),
        };
        if !at.is_empty() {
            *version = at;
        }
        if changed {
            self.context.update(Store::mark_changed);
        }
        Ok(())
    }
}
