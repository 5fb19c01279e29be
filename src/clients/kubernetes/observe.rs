//! Keeps one cluster in view until it is dropped, and tells what is seen.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, watch};

use crate::clients::kubernetes::access::Expected;
use crate::clients::kubernetes::control_plane::watch_control_plane;
use crate::clients::kubernetes::eye::Eye;
use crate::clients::kubernetes::follow::follow;
use crate::clients::kubernetes::keeper::Keeper;
use crate::clients::kubernetes::kind;
use crate::clients::kubernetes::store::Store;
use crate::clients::ske::Issued;
use crate::clock::Clock;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::observed::Sighting;

/// Pictures come no faster than this.
pub const LEAST_APART: Duration = Duration::from_millis(300);

/// Which cluster is looked at, and what the caller answers for.
#[derive(Debug, Clone)]
pub struct Subject {
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
/// thirds of its life, when the phase changes, and once after a refusal. `sink` gets [`Sighting::Trouble`] when
/// nothing can be shown, and [`Sighting::Picture`] when something changed or trouble is over; no trouble since the
/// last picture means that the picture holds.
pub async fn observe<F, Fut>(
    subject: Subject,
    issue: F,
    clock: Clock,
    sink: impl FnMut(Sighting) + Send,
) where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<Issued, Failure>> + Send,
{
    let (sender, connections) = watch::channel(None);
    let eye = Eye {
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
    let keeper =
        Keeper::new(&eye, issue, subject.cluster, expected, subject.one_way_agreed, sender);
    // Woken one by one; a plain join would poll all of them for each event of one.
    let mut parts: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    parts.push(Box::pin(tell(&eye, sink)));
    parts.push(Box::pin(keeper.run()));
    parts.push(Box::pin(follow(kind::nodes(), &eye)));
    parts.push(Box::pin(follow(kind::templates(), &eye)));
    parts.push(Box::pin(follow(kind::pods(), &eye)));
    parts.push(Box::pin(follow(kind::budgets(), &eye)));
    parts.push(Box::pin(follow(kind::attachments(), &eye)));
    parts.push(Box::pin(follow(kind::volumes(), &eye)));
    parts.push(Box::pin(follow(kind::validating_webhooks(), &eye)));
    parts.push(Box::pin(follow(kind::mutating_webhooks(), &eye)));
    parts.push(Box::pin(follow(kind::endpoints(), &eye)));
    parts.push(Box::pin(follow(kind::namespaces(), &eye)));
    parts.push(Box::pin(follow(kind::node_events(), &eye)));
    parts.push(Box::pin(follow(kind::pod_events(), &eye)));
    parts.push(Box::pin(watch_control_plane(&eye, cluster)));
    while parts.next().await.is_some() {}
}

/// Tells trouble at once and pictures at most every [`LEAST_APART`].
async fn tell(eye: &Eye, mut sink: impl FnMut(Sighting)) {
    let mut next_picture = Duration::ZERO;
    loop {
        let trouble = eye.store().untold_trouble();
        if let Some(trouble) = trouble {
            sink(Sighting::Trouble(trouble));
        }
        if eye.store().has_news() && eye.clock.steady() >= next_picture {
            let picture = Arc::new(eye.store().picture());
            next_picture = eye.clock.steady().saturating_add(LEAST_APART);
            sink(Sighting::Picture(picture));
        }
        let is_early = eye.store().has_news();
        tokio::select! {
            () = eye.news.notified() => {}
            () = eye.clock.sleep_until(next_picture), if is_early => {}
        }
    }
}
