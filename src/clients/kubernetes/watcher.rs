//! Keeps one kind of objects in view: list in pages, watch from there, list again when the server has forgotten where
//! we were, poll where watches do not work.
//!
//! Why not `kube_runtime::watcher`: it belongs to one client, so that new credentials would mean a new list; its lists
//! and the beginning of its watches have no time limit, and its idle limit runs on tokio's clock; an HTTP 410 at the
//! beginning of a watch keeps it asking for the same version for ever; one object that cannot be read hides its page;
//! and it reads bodies of any size. What it does otherwise is done here over the same requests (`kube::core::Request`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use crate::clients::http::random;
use crate::clients::kubernetes::connection::{Connection, PAGE_LIMIT};
use crate::clients::kubernetes::context::{ObserverContext, connected, pause};
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::kind::{Change, Kind, WATCH_SECONDS};
use crate::clients::kubernetes::lines::Lines;
use crate::clients::kubernetes::object_cache::Item;
use crate::clients::kubernetes::store::{ListStatus, ResourceKind, Store};
use crate::domain::backoff;
use crate::domain::text::plural;

/// A watch that says nothing for so long is compared with a list. Servers send bookmarks about every minute.
const SILENCE: Duration = Duration::from_secs(90);
/// A working watch tells what a list showed within this.
const LATENESS: Duration = Duration::from_secs(5);
/// The server should have ended a watch by then.
const OLDEST_WATCH: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// A watch that lived so long was worth it, even if nothing happened.
const WORTHWHILE: Duration = Duration::from_secs(1);
/// How often is polled where watches do not work; slower where a list takes long.
const POLL: Duration = Duration::from_secs(10);
/// Watches are tried again after this.
const POLL_FOR: Duration = Duration::from_mins(30);
/// Failures in a row from which on a kind counts as not readable.
const PATIENCE: u32 = 3;
/// Pause after HTTP 403 or a kind that is not served, first and later.
const DENIED: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(5));

/// Where a kind stands between two requests.
#[derive(Default)]
struct Place {
    /// Version to watch from; `None`: list first.
    version: Option<String>,
    failures: u32,
    /// Watches that did not begin in time, in a row.
    unborn: u32,
    /// Watches that told something and ended at once, in a row.
    hasty: u32,
    /// Polling until this monotonic moment.
    poll_until: Option<Duration>,
    /// How long the last list took.
    list_took: Duration,
    /// Outages until the last list.
    outages: u32,
}

impl Place {
    /// Watches are of no use for a while.
    fn poll(&mut self, context: &ObserverContext) {
        self.poll_until = Some(context.clock.monotonic().saturating_add(POLL_FOR));
    }
}

/// Keeps one kind in view; never ends.
pub async fn watch_resource<T: PartialEq>(kind: Kind<T>, context: &ObserverContext) {
    let mut connections = context.connections.clone();
    let mut place = Place::default();
    loop {
        let connection = connected(&mut connections).await;
        // A watch would tell one by one what happened in an outage, and each step would pass for the present.
        let outages = context.store().outages();
        if std::mem::replace(&mut place.outages, outages) != outages {
            place.version = None;
        }
        let step = if place.version.is_none() {
            relist(&kind, context, &mut place).await
        } else if place.poll_until.is_some_and(|until| context.clock.monotonic() < until) {
            pause(context, &mut connections, POLL.max(place.list_took.saturating_mul(5))).await;
            place.version = None;
            Ok(())
        } else {
            place.poll_until = None;
            look(&kind, context, &connection, &mut connections, &mut place).await
        };
        if let Err(error) = step {
            place.failures = place.failures.saturating_add(1);
            if error.asks_for_a_new_list()
                || !error.is_about_the_connection() && place.failures >= PATIENCE
            {
                place.version = None;
            }
            let wait = take_note(kind.resource_kind, context, &error, place.failures);
            pause(context, &mut connections, wait).await;
        }
    }
}

/// Says what a failure means for the kind, and how long to wait.
fn take_note(
    resource_kind: ResourceKind,
    context: &ObserverContext,
    error: &KubeError,
    failures: u32,
) -> Duration {
    // What others have answered for does not wait for one list that hangs.
    let hangs =
        matches!(error, KubeError::TimedOut(_)) && context.store().is_waited_for(resource_kind);
    let patient = failures < PATIENCE && !hangs;
    if error.is_about_the_connection() {
        context.doubt.notify_one();
    }
    let is_denied = matches!(error, KubeError::Forbidden(_) | KubeError::NotServed(_));
    // A server that has just started may forbid what it allows a moment later.
    if !patient || is_denied && !context.store().is_listed(resource_kind) {
        let standing = match error {
            KubeError::Forbidden(words) => ListStatus::Forbidden(words.clone()),
            KubeError::Unreachable(_)
            | KubeError::Untrusted(_)
            | KubeError::Broken(_)
            | KubeError::TimedOut(_)
            | KubeError::Refused(_)
            | KubeError::NotServed(_)
            | KubeError::Gone(_)
            | KubeError::Busy(_)
            | KubeError::Status { .. }
            | KubeError::Format(_)
            | KubeError::TooLarge(_) => ListStatus::Failing(error.to_string()),
        };
        context.tell(|store| store.stand(resource_kind, standing));
    }
    let wait = backoff::delay(failures, random());
    match error {
        KubeError::Forbidden(_) | KubeError::NotServed(_) if patient => DENIED.0,
        KubeError::Forbidden(_) | KubeError::NotServed(_) => DENIED.1,
        // The usual course of things: list again at once, but not again and again.
        KubeError::Gone(_) if failures == 1 => Duration::ZERO,
        KubeError::Busy(Some(asked)) => wait.max(*asked).min(backoff::LONGEST_RETRY_AFTER),
        KubeError::Gone(_)
        | KubeError::Busy(None)
        | KubeError::Unreachable(_)
        | KubeError::Untrusted(_)
        | KubeError::Broken(_)
        | KubeError::TimedOut(_)
        | KubeError::Refused(_)
        | KubeError::Status { .. }
        | KubeError::Format(_)
        | KubeError::TooLarge(_) => wait,
    }
}

/// A whole list.
struct Listed<T> {
    items: Vec<Item<T>>,
    version: Option<String>,
    missing: Option<String>,
}

/// Reads all pages. What was read before stays in the store meanwhile. New credentials in between are used at once.
async fn list<T>(kind: &Kind<T>, context: &ObserverContext) -> Result<Listed<T>, KubeError> {
    let mut connections = context.connections.clone();
    let mut listed = Listed { items: Vec::new(), version: None, missing: None };
    let (mut next, mut unreadable) = (None, 0);
    for _page in 0..kind.most_pages {
        let connection = connected(&mut connections).await;
        let request = kind.list(next.as_deref())?;
        let body = connection.read(request, PAGE_LIMIT).await?;
        let page = kind.page(&body)?;
        listed.items.extend(page.items);
        listed.version = page.version.or(listed.version);
        unreadable += page.unreadable;
        next = page.next;
        if next.is_none() {
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

fn take_over<T: PartialEq>(
    kind: &Kind<T>,
    context: &ObserverContext,
    listed: Listed<T>,
    place: &mut Place,
) -> bool {
    // Without a version there is nothing to watch from.
    if listed.version.is_none() {
        place.poll(context);
    }
    place.version = Some(listed.version.unwrap_or_default());
    context.tell(|store| {
        let changed = (kind.object_cache)(store).swap(listed.items);
        if changed {
            store.mark();
        }
        store.stand(kind.resource_kind, ListStatus::Seen(listed.missing));
        changed
    })
}

async fn relist<T: PartialEq>(
    kind: &Kind<T>,
    context: &ObserverContext,
    place: &mut Place,
) -> Result<(), KubeError> {
    let began = context.clock.monotonic();
    let listed = list(kind, context).await?;
    place.list_took = context.clock.monotonic().saturating_sub(began);
    take_over(kind, context, listed, place);
    if place.poll_until.is_some() {
        place.failures = 0;
    }
    Ok(())
}

/// Watches from where we are until the watch ends, the connection changes, or watching proves to be of no use.
async fn look<T: PartialEq>(
    kind: &Kind<T>,
    context: &ObserverContext,
    connection: &Connection,
    connections: &mut watch::Receiver<Option<Arc<Connection>>>,
    place: &mut Place,
) -> Result<(), KubeError> {
    let request = kind.watch(place.version.as_deref().unwrap_or_default())?;
    let opened = tokio::select! {
        biased;
        opened = connection.open(request) => opened,
        Ok(()) = connections.changed() => return Ok(()),
    };
    let body = match opened {
        Ok(body) => body,
        Err(error) => return not_begun(context, place, error),
    };
    place.unborn = 0;
    context.tell(|store| {
        // An outage may have been noticed while the answer was on its way.
        if store.outages() == place.outages {
            store.confirm(kind.resource_kind);
        }
    });
    let mut lines = Lines::new(body);
    let began = context.clock.monotonic();
    let mut heard = began;
    let mut productive = false;
    loop {
        let oldest = began.saturating_add(OLDEST_WATCH);
        let patience = heard.saturating_add(SILENCE).min(oldest);
        tokio::select! {
            biased;
            line = lines.next() => match line {
                Ok(Some(line)) => {
                    heard = context.clock.monotonic();
                    apply(kind, context, place, &line)?;
                    (productive, place.failures) = (true, 0);
                }
                // The next attempt tells whether the server is still there.
                ended @ (Ok(None) | Err(KubeError::Broken(_))) => {
                    let lived = context.clock.monotonic().saturating_sub(began);
                    if lived >= WORTHWHILE {
                        (place.failures, place.hasty) = (0, 0);
                        return Ok(());
                    }
                    if productive {
                        // Nothing is wrong with what is shown; the server is only not asked without end.
                        place.hasty = place.hasty.saturating_add(1);
                        pause(context, connections, backoff::delay(place.hasty, random())).await;
                        return Ok(());
                    }
                    return ended.and(Err(KubeError::Broken("a watch ended at once".to_owned())));
                }
                Err(error) => return Err(error),
            },
            Ok(()) = connections.changed() => return Ok(()),
            () = context.clock.sleep_until(patience) => {
                if context.clock.monotonic() >= oldest || is_deaf(kind, context, &mut lines, place).await? {
                    return Ok(());
                }
                heard = context.clock.monotonic();
            }
        }
    }
}

/// What a watch that did not begin means: something to wait for, or that it is time to poll.
fn not_begun(
    context: &ObserverContext,
    place: &mut Place,
    error: KubeError,
) -> Result<(), KubeError> {
    let of_no_use = match error {
        // Lists work, or we would not be here: something in between holds the answer back.
        KubeError::TimedOut(_) => {
            place.unborn = place.unborn.saturating_add(1);
            place.unborn >= 2
        }
        // Listing is allowed and served, watching is not.
        KubeError::Forbidden(_) | KubeError::NotServed(_) => true,
        KubeError::Unreachable(_)
        | KubeError::Untrusted(_)
        | KubeError::Broken(_)
        | KubeError::Refused(_)
        | KubeError::Gone(_)
        | KubeError::Busy(_)
        | KubeError::Status { .. }
        | KubeError::Format(_)
        | KubeError::TooLarge(_) => false,
    };
    if let KubeError::Status { code: 400, .. } = error {
        // Perhaps the version is what it dislikes.
        place.version = None;
    }
    if of_no_use {
        place.poll(context);
        return Ok(());
    }
    Err(error)
}

/// Compares a silent watch with a list. A list that shows changes which the watch does not tell proves that the watch
/// is of no use (a proxy that holds answers back); then the list counts and polling begins.
async fn is_deaf<T: PartialEq>(
    kind: &Kind<T>,
    context: &ObserverContext,
    lines: &mut Lines,
    place: &mut Place,
) -> Result<bool, KubeError> {
    // Of many events only some are listed and kept, so that a list proves nothing; other kinds found out for them.
    if kind.resource_kind.is_bounded() {
        if context.held_back.load(Ordering::Relaxed) {
            place.poll(context);
        }
        return Ok(place.poll_until.is_some());
    }
    let listed = list(kind, context).await?;
    if let Some(line) = context.clock.timeout(LATENESS, lines.next()).await {
        return match line? {
            Some(line) => apply(kind, context, place, &line).map(|()| false),
            None => Ok(true),
        };
    }
    let before = place.version.clone();
    if take_over(kind, context, listed, place) {
        context.held_back.store(true, Ordering::Relaxed);
        place.poll(context);
        return Ok(true);
    }
    place.version = before;
    Ok(false)
}

/// Takes over what a line of a watch tells.
fn apply<T: PartialEq>(
    kind: &Kind<T>,
    context: &ObserverContext,
    place: &mut Place,
    line: &[u8],
) -> Result<(), KubeError> {
    let Some(change) = kind.change(line)? else { return Ok(()) };
    let (version, changed) = match change {
        Change::Put(item) => {
            (item.version.clone(), (kind.object_cache)(&mut context.store()).put(item))
        }
        Change::Remove(item) => (
            item.version.clone(),
            (kind.object_cache)(&mut context.store()).remove(&item.key, &item.uid),
        ),
        Change::Bookmark(version) | Change::Unreadable(version) => (version, false),
    };
    if !version.is_empty() {
        place.version = Some(version);
    }
    if changed {
        context.tell(Store::mark);
    }
    Ok(())
}
