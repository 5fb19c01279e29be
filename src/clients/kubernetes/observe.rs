//! Observes one cluster until the future is dropped, and reports changes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, watch};

use crate::clients::kubernetes::checked_kubeconfig::ExpectedServer;
use crate::clients::kubernetes::checklist::{ChecklistRequest, write_checklists};
use crate::clients::kubernetes::connection_manager::ConnectionManager;
use crate::clients::kubernetes::context::ObserverContext;
use crate::clients::kubernetes::control_plane::watch_control_plane;
use crate::clients::kubernetes::resources::{self, ResourceVisitor, WatchedResource};
use crate::clients::kubernetes::store::Store;
use crate::clients::kubernetes::watcher::watch_resource;
use crate::clients::ske::KubeconfigResponse;
use crate::clock::Clock;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::snapshot::ObserverEvent;

/// Minimum interval of snapshots.
const MIN_SNAPSHOT_INTERVAL: Duration = Duration::from_millis(300);

/// Which cluster is observed, and under which conditions.
#[derive(Debug, Clone)]
pub struct ObserverTarget {
    /// The cluster as SKE reports it; the caller sends every new reading. Determines whether the cluster is hibernated,
    /// whether issuing disables static tokens, and when fresh credentials may not be accepted yet.
    pub cluster: watch::Receiver<Cluster>,
    /// Whether the SKE API is on loopback ([`crate::clients::ske::SkeClient::is_on_loopback`]).
    pub ske_on_loopback: bool,
    /// The user agreed that requesting a kubeconfig disables static tokens permanently.
    pub may_disable_static_tokens: bool,
}

/// Observes a cluster until the future is dropped, which also ends its tasks.
///
/// `issue` requests a kubeconfig valid for ten minutes from SKE; it stays in memory and is renewed after two thirds of
/// its lifetime, when the phase changes, and once after a rejection. `sink` gets [`ObserverEvent::Unavailable`] if
/// nothing can be shown, and [`ObserverEvent::Snapshot`] after a change or a recovery; a snapshot is current until the
/// next event.
pub async fn observe<F, Fut>(
    target: ObserverTarget,
    issue: F,
    clock: Clock,
    sink: impl FnMut(ObserverEvent) + Send,
) where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<KubeconfigResponse, Failure>> + Send,
{
    let (_nobody_writes, mut none) = mpsc::channel(1);
    observe_and_write(target, &mut none, issue, clock, sink).await;
}

/// Like [`observe`]; `checklists` are the pending writes of the shared checklist.
pub async fn observe_and_write<F, Fut>(
    target: ObserverTarget,
    checklists: &mut mpsc::Receiver<ChecklistRequest>,
    issue: F,
    clock: Clock,
    sink: impl FnMut(ObserverEvent) + Send,
) where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<KubeconfigResponse, Failure>> + Send,
{
    let (sender, connections) = watch::channel(None);
    let context = ObserverContext {
        clock,
        store: Mutex::new(Store::default()),
        changes: Notify::new(),
        check_requested: Notify::new(),
        held_back: AtomicBool::new(false),
        connections,
    };
    let expected = ExpectedServer {
        cluster: target.cluster.borrow().id.name.clone(),
        loopback: target.ske_on_loopback,
    };
    let cluster = target.cluster.clone();
    let connection_manager = ConnectionManager::new(
        &context,
        issue,
        target.cluster,
        expected,
        target.may_disable_static_tokens,
        sender,
    );
    // Polled only when woken; a plain join would poll all of them on each event of one.
    let mut parts = Parts { context: &context, futures: FuturesUnordered::new() };
    parts.futures.push(Box::pin(report(&context, sink)));
    parts.futures.push(Box::pin(connection_manager.run()));
    resources::visit_all(&mut parts);
    parts.futures.push(Box::pin(write_checklists(&context, checklists)));
    parts.futures.push(Box::pin(watch_control_plane(&context, cluster)));
    while parts.futures.next().await.is_some() {}
}

struct Parts<'a> {
    context: &'a ObserverContext,
    futures: FuturesUnordered<BoxFuture<'a, ()>>,
}

impl ResourceVisitor for Parts<'_> {
    fn visit<T: PartialEq + Send + Sync + 'static>(&mut self, resource: WatchedResource<T>) {
        self.futures.push(Box::pin(watch_resource(resource, self.context)));
    }
}

/// Reports outages at once and snapshots at most every [`MIN_SNAPSHOT_INTERVAL`].
async fn report(context: &ObserverContext, mut sink: impl FnMut(ObserverEvent)) {
    let mut next_snapshot = Duration::ZERO;
    loop {
        let trouble = context.store().take_unreported();
        if let Some(trouble) = trouble {
            sink(ObserverEvent::Unavailable(trouble));
        }
        if context.store().has_changes() && context.clock.monotonic() >= next_snapshot {
            let snapshot = Arc::new(context.store().snapshot());
            next_snapshot = context.clock.monotonic().saturating_add(MIN_SNAPSHOT_INTERVAL);
            sink(ObserverEvent::Snapshot(snapshot));
        }
        let is_early = context.store().has_changes();
        tokio::select! {
            () = context.changes.notified() => {}
            () = context.clock.sleep_until(next_snapshot), if is_early => {}
        }
    }
}
