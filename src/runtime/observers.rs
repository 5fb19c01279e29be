//! Tasks that look at clusters through their own API, one for each, until they are told to stop.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::app::message::Message;
use crate::clients::kubernetes::{Subject, observe};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::runtime::perform::Incoming;

/// Who looks at which cluster now.
#[derive(Default)]
pub struct Observers(Mutex<BTreeMap<ClusterId, Observer>>);

struct Observer {
    readings: watch::Sender<Cluster>,
    task: AbortHandle,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterId, Observer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to look at a cluster; what comes of it is sent until [`Observers::end`].
    pub fn begin(
        &self,
        cluster: Cluster,
        agreed: bool,
        ske: &SkeClient,
        clock: &Clock,
        sender: &UnboundedSender<Incoming>,
    ) {
        let id = cluster.id.clone();
        let (readings, reader) = watch::channel(cluster);
        let subject = Subject {
            cluster: reader,
            ske_on_loopback: ske.is_on_loopback(),
            one_way_agreed: agreed,
        };
        let (ske, clock) = (ske.clone(), clock.clone());
        let (tell, about) = (sender.clone(), id.clone());
        let looking = tokio::spawn(async move {
            let issued_for = about.clone();
            let issue = move || {
                let (ske, id) = (ske.clone(), issued_for.clone());
                async move { ske.issue_short_lived(&id).await }
            };
            observe(subject, issue, clock, |sighting| {
                let message = Message::Sighted { id: about.clone(), sighting };
                drop(tell.send(Incoming::Message(message)));
            })
            .await;
        });
        let task = looking.abort_handle();
        let tell = sender.clone();
        tokio::spawn(async move {
            if looking.await.is_err_and(|error| error.is_panic()) {
                let failure = Failure::new(FailureKind::Bug, "looking at a cluster broke")
                    .hint("The rest goes on; open the cluster again to look anew");
                drop(tell.send(Incoming::Message(Message::TaskFailed(failure))));
            }
        });
        self.lock().insert(id, Observer { readings, task });
    }

    /// Hands on a newer reading of SKE.
    pub fn reading(&self, cluster: Cluster) {
        if let Some(observer) = self.lock().get(&cluster.id) {
            observer.readings.send_replace(cluster);
        }
    }

    /// Ends looking at a cluster.
    pub fn end(&self, id: &ClusterId) {
        self.lock().remove(id);
    }
}
