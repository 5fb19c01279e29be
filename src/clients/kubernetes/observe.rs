//! Keeps one cluster in view until it is dropped, and tells what is seen.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, watch};

use crate::clients::kubernetes::access::Expected;
use crate::clients::kubernetes::connection_manager::ConnectionManager;
use crate::clients::kubernetes::context::ObserverContext;
use crate::clients::kubernetes::control_plane::watch_control_plane;
use crate::clients::kubernetes::kind;
use crate::clients::kubernetes::store::Store;
use crate::clients::kubernetes::watcher::watch_resource;
use crate::clients::ske::KubeconfigResponse;
use crate::clock::Clock;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::snapshot::ObserverEvent;

/// Pictures come no faster than this.
const LEAST_APART: Duration = Duration::from_millis(300);

/// Which cluster is looked at, and what the caller answers for.
#[derive(Debug, Clone)]
pub struct ObserverTarget {
    /// The cluster as SKE shows it; the caller sends every new reading. It decides whether the cluster sleeps, whether
    /// asking is a one-way switch, and when fresh credentials may not be accepted yet.
    pub cluster: watch::Receiver<Cluster>,
    /// Whether the SKE API is on this machine ([`crate::clients::ske::SkeClient::is_on_loopback`]).
    pub ske_on_loopback: bool,
    /// A person agreed that asking for a kubeconfig switches static tokens off for ever.
    pub one_way_agreed: bool,
}

/// Looks at a cluster until the future is dropped; it never ends by itself, and everything it does ends with it.
///
/// `issue` asks SKE for a kubeconfig that lives ten minutes; it stays in memory and is asked for again after two
/// thirds of its life, when the phase changes, and once after a refusal. `sink` gets [`ObserverEvent::Unavailable`] when
/// nothing can be shown, and [`ObserverEvent::Snapshot`] when something changed or trouble is over; no trouble since the
/// last snapshot means that the snapshot holds.
pub async fn observe<F, Fut>(
    subject: ObserverTarget,
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
        news: Notify::new(),
        doubt: Notify::new(),
        held_back: AtomicBool::new(false),
        connections,
    };
    let expected = Expected {
        cluster: subject.cluster.borrow().id.name.clone(),
        loopback: subject.ske_on_loopback,
    };
    let cluster = subject.cluster.clone();
    let connection_manager = ConnectionManager::new(
        &context,
        issue,
        subject.cluster,
        expected,
        subject.one_way_agreed,
        sender,
    );
    // Woken one by one; a plain join would poll all of them for each event of one.
    let mut parts: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    parts.push(Box::pin(tell(&context, sink)));
    parts.push(Box::pin(connection_manager.run()));
    parts.push(Box::pin(watch_resource(kind::nodes(), &context)));
    parts.push(Box::pin(watch_resource(kind::templates(), &context)));
    parts.push(Box::pin(watch_resource(kind::pods(), &context)));
    parts.push(Box::pin(watch_resource(kind::budgets(), &context)));
    parts.push(Box::pin(watch_resource(kind::attachments(), &context)));
    parts.push(Box::pin(watch_resource(kind::volumes(), &context)));
    parts.push(Box::pin(watch_resource(kind::validating_webhooks(), &context)));
    parts.push(Box::pin(watch_resource(kind::mutating_webhooks(), &context)));
    parts.push(Box::pin(watch_resource(kind::endpoints(), &context)));
    parts.push(Box::pin(watch_resource(kind::namespaces(), &context)));
    parts.push(Box::pin(watch_resource(kind::node_events(), &context)));
    parts.push(Box::pin(watch_resource(kind::pod_events(), &context)));
    parts.push(Box::pin(watch_control_plane(&context, cluster)));
    while parts.next().await.is_some() {}
}

/// Tells trouble at once and snapshots at most every [`LEAST_APART`].
async fn tell(context: &ObserverContext, mut sink: impl FnMut(ObserverEvent)) {
    let mut next_picture = Duration::ZERO;
    loop {
        let trouble = context.store().untold_trouble();
        if let Some(trouble) = trouble {
            sink(ObserverEvent::Unavailable(trouble));
        }
        if context.store().has_news() && context.clock.monotonic() >= next_picture {
            let snapshot = Arc::new(context.store().snapshot());
            next_picture = context.clock.monotonic().saturating_add(LEAST_APART);
            sink(ObserverEvent::Snapshot(snapshot));
        }
        let is_early = context.store().has_news();
        tokio::select! {
            () = context.news.notified() => {}
            () = context.clock.sleep_until(next_picture), if is_early => {}
        }
    }
}
