//! Tasks that look at clusters through their own API, one for each, until they are told to stop.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::app::message::{Answer, Message};
use crate::app::requests::RequestId;
use crate::clients::kubernetes::{ObserverTarget, observe};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::runtime::blocking::catch_panic;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// After looking broke by a defect, it begins anew.
const ANEW: Duration = Duration::from_mins(1);

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

    /// Begins to look at a cluster; what comes of it is sent under a number until [`Observers::end`]. `agreed`: a
    /// person agreed that asking for a kubeconfig switches static tokens off.
    pub fn begin(
        &self,
        cluster: Cluster,
        (number, agreed): (RequestId, bool),
        ske: &SkeClient,
        clock: &Clock,
        sender: &LoopSender,
    ) {
        let id = cluster.id.clone();
        let (readings, reader) = watch::channel(cluster);
        let subject = ObserverTarget {
            cluster: reader,
            ske_on_loopback: ske.is_on_loopback(),
            one_way_agreed: agreed,
        };
        let (ske, clock, sender, about) = (ske.clone(), clock.clone(), sender.clone(), id.clone());
        let task = tokio::spawn(async move {
            let tell = |message| drop(sender.send(LoopInput::Message(message)));
            let sighted = |sighting| tell(Message::Answered(number, Answer::Observed(sighting)));
            loop {
                let issue = || ske.issue_short_lived(&about);
                let looking = observe(subject.clone(), issue, clock.clone(), sighted);
                let Err(defect) = catch_panic(&format!("observing {about}"), looking).await else {
                    return;
                };
                // What was seen last is not of now any more.
                sighted(ObserverEvent::Unavailable(Unavailable::Connecting));
                tell(Message::TaskFailed(defect.hint("It is observed again in a minute")));
                clock.sleep(ANEW).await;
            }
        });
        self.lock().insert(id, Observer { readings, task: task.abort_handle() });
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
