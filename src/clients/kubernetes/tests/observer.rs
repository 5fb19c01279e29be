//! A test observer with a manual clock that records its events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clients::kubernetes::tests::cluster::FakeCluster;
use crate::clients::kubernetes::{ObserverTarget, observe};
use crate::clients::ske::KubeconfigResponse;
use crate::clock::Clock;
use crate::domain::cluster::Cluster;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures;
use crate::domain::rotation::Phase;
use crate::domain::secret::Secret;
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};

/// Real time after which a test gives up.
const PATIENCE: u32 = 3_000;

/// An observer under test.
pub struct TestObserver {
    pub fake: FakeCluster,
    pub clock: Clock,
    /// The cluster as SKE reports it.
    pub cluster: watch::Sender<Cluster>,
    /// All events so far.
    pub events: Arc<Mutex<Vec<ObserverEvent>>>,
    issued: Arc<AtomicU64>,
    /// Failure of SKE to issue a kubeconfig, if set.
    pub refuse_issue: Arc<Mutex<Option<Failure>>>,
    /// Overrides the kubeconfig that SKE issues.
    pub kubeconfig: Arc<Mutex<Option<Secret>>>,
    task: JoinHandle<()>,
}

impl Drop for TestObserver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A rotated cluster without anything special.
pub fn quiet() -> Cluster {
    fixtures::cluster("shop", Phase::Completed)
}

/// A cluster whose rotation started `minutes` ago.
pub fn started(minutes: i64) -> Cluster {
    let mut cluster = fixtures::cluster("shop", Phase::Preparing);
    cluster.rotation.initiated =
        fixtures::now().saturating_sub(jiff::SignedDuration::from_mins(minutes)).ok();
    cluster
}

impl TestObserver {
    /// Starts observing.
    pub fn of(fake: &FakeCluster, cluster: Cluster) -> Self {
        Self::with_consent(fake, cluster, false)
    }

    /// Starts observing, with or without consent to disable static tokens.
    pub fn with_consent(
        fake: &FakeCluster,
        cluster: Cluster,
        may_disable_static_tokens: bool,
    ) -> Self {
        let clock = Clock::manual(fixtures::now());
        let (sender, receiver) = watch::channel(cluster);
        let (events, issued) =
            (Arc::<Mutex<Vec<ObserverEvent>>>::default(), Arc::new(AtomicU64::new(0)));
        let refuse_issue = Arc::<Mutex<Option<Failure>>>::default();
        let kubeconfig = Arc::<Mutex<Option<Secret>>>::default();
        let issue = {
            let (fake, issued) = (fake.clone(), Arc::clone(&issued));
            let (refuse, given) = (Arc::clone(&refuse_issue), Arc::clone(&kubeconfig));
            move || {
                let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
                let refusal = refuse.lock().unwrap().clone();
                let given = given.lock().unwrap().clone();
                let kubeconfig = given.unwrap_or_else(|| fake.kubeconfig(number, 600));
                async move {
                    match refusal {
                        Some(failure) => Err(failure),
                        None => Ok(KubeconfigResponse { kubeconfig, expires: None }),
                    }
                }
            }
        };
        let subject =
            ObserverTarget { cluster: receiver, ske_on_loopback: true, may_disable_static_tokens };
        let task = tokio::spawn({
            let (clock, events) = (clock.clone(), Arc::clone(&events));
            async move {
                observe(subject, issue, clock, move |event| events.lock().unwrap().push(event))
                    .await;
            }
        });
        let fake = fake.clone();
        Self { fake, clock, cluster: sender, events, issued, refuse_issue, kubeconfig, task }
    }

    /// Number of kubeconfigs requested.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::SeqCst)
    }

    /// All snapshots so far.
    pub fn snapshots(&self) -> Vec<Arc<ClusterSnapshot>> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter_map(|event| match event {
                ObserverEvent::Snapshot(snapshot) => Some(Arc::clone(snapshot)),
                ObserverEvent::Unavailable(_) => None,
            })
            .collect()
    }

    /// All outage reasons so far.
    pub fn unavailable(&self) -> Vec<Unavailable> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter_map(|event| match event {
                ObserverEvent::Unavailable(trouble) => Some(trouble.clone()),
                ObserverEvent::Snapshot(_) => None,
            })
            .collect()
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> Arc<ClusterSnapshot> {
        self.snapshots().last().cloned().unwrap_or_default()
    }

    /// The last event, if it is an outage reason.
    pub fn trouble(&self) -> Option<Unavailable> {
        match self.events.lock().unwrap().last() {
            Some(ObserverEvent::Unavailable(trouble)) => Some(trouble.clone()),
            Some(ObserverEvent::Snapshot(_)) | None => None,
        }
    }

    /// Waits for a condition, advancing the clock only slightly.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.turning(Duration::from_millis(40), what, holds).await;
    }

    /// Waits for a condition, advancing the clock in steps of ten seconds; for long waits with little traffic.
    pub async fn turning_fast_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.turning(Duration::from_secs(10), what, holds).await;
    }

    /// Waits for a condition, advancing the clock in steps of a second.
    pub async fn turning_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.turning(Duration::from_secs(1), what, holds).await;
    }

    async fn turning(&self, by: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            if holds(self) {
                return;
            }
            self.settle().await;
            self.clock.turn(by);
        }
        let (troubles, snapshot) = (self.unavailable(), self.snapshot());
        panic!(
            "{what}: never; {} kubeconfigs, troubles {troubles:#?}, {} nodes, unseen {:?}",
            self.issued(),
            snapshot.nodes.len(),
            snapshot.unseen
        );
    }

    /// Advances the clock by `seconds`, one at a time.
    pub async fn turn(&self, seconds: u32) {
        for _ in 0..seconds {
            self.settle().await;
            self.clock.turn(Duration::from_secs(1));
        }
        self.settle().await;
    }

    /// Lets everything happen that needs no time.
    pub async fn settle(&self) {
        rest().await;
        // Some requests are held back on purpose.
        for _ in 0..50 {
            if self.fake.in_flight() == 0 {
                break;
            }
            rest().await;
        }
        rest().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the network of this machine needs real time")]
async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// SKE does not answer.
pub fn away() -> Failure {
    Failure::new(FailureKind::Unreachable, "no SKE")
}
