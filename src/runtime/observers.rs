//! Tasks that observe clusters through their own API, one per cluster.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use tracing::{Instrument as _, error, info, info_span, trace};

use crate::app::message::{Answer, Message};
use crate::app::nodes::text;
use crate::app::requests::RequestId;
use crate::clients::kubernetes::{ChecklistRequest, ObserverTarget, observe_and_write};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::checklist::{Checklist, SharedWrite};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::runtime::blocking::catch_panic;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Pause before observing restarts after a defect.
const RESTART_DELAY: Duration = Duration::from_mins(1);

/// The running observer of each cluster.
#[derive(Default)]
pub struct Observers(Mutex<BTreeMap<ClusterId, Observer>>);

struct Observer {
    checklists: mpsc::Sender<ChecklistRequest>,
    readings: watch::Sender<Cluster>,
    task: AbortHandle,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Events between an observer and a loop that may be behind. Only the latest count: a snapshot replaces pending events,
/// so there are at most two however slow the loop is.
#[derive(Default)]
struct PendingEvents {
    /// The latest snapshot, and the latest unavailability after it.
    events: Mutex<(Option<ObserverEvent>, Option<ObserverEvent>)>,
    pushed: Notify,
}

impl PendingEvents {
    fn push(&self, event: ObserverEvent) {
        match &event {
            ObserverEvent::Snapshot(_) => trace!("snapshot"),
            ObserverEvent::Unavailable(reason) => {
                info!(reason = text::unavailable(reason), "unavailable");
            }
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ObserverEvent::Snapshot(_) => *events = (Some(event), None),
            ObserverEvent::Unavailable(_) => events.1 = Some(event),
        }
        self.pushed.notify_one();
    }

    async fn take(&self) -> impl Iterator<Item = ObserverEvent> + use<> {
        self.pushed.notified().await;
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, unavailable) = std::mem::take(&mut *events);
        snapshot.into_iter().chain(unavailable)
    }

    /// Sends events as answers to `request`.
    async fn forward(&self, request: RequestId, sender: &LoopSender) -> Infallible {
        loop {
            for event in self.take().await {
                let message = Message::Answered(request, Ok(Answer::Observed(event)));
                drop(sender.send(LoopInput::Message(message)).await);
            }
        }
    }
}

impl Observers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterId, Observer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts observing a cluster; events are sent under `number` until [`Observers::end`]. `agreed`: the user agreed
    /// that requesting a kubeconfig disables static tokens.
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
        let (checklists, mut writes) = mpsc::channel(1);
        let target = ObserverTarget {
            cluster: reader,
            ske_on_loopback: ske.is_on_loopback(),
            may_disable_static_tokens: agreed,
        };
        let (ske, clock, sender, about) = (ske.clone(), clock.clone(), sender.clone(), id.clone());
        let span = info_span!("observe", cluster = %id);
        let work = async move {
            info!("began");
            let pending = PendingEvents::default();
            let restarting = async {
                while let Err(defect) = catch_panic(
                    &format!("observing {about}"),
                    observe_and_write(
                        target.clone(),
                        &mut writes,
                        || ske.issue_short_lived(&about),
                        clock.clone(),
                        |event| pending.push(event),
                    ),
                )
                .await
                {
                    error!(error = %defect, "failed");
                    // The last snapshot is stale now.
                    pending.push(ObserverEvent::Unavailable(Unavailable::Connecting));
                    let defect = defect.hint("It is observed again in a minute");
                    drop(sender.send(LoopInput::Message(Message::TaskFailed(defect))).await);
                    clock.sleep(RESTART_DELAY).await;
                }
            };
            tokio::select! {
                () = restarting => {}
                never = pending.forward(number, &sender) => match never {},
            }
        };
        let task = tokio::spawn(work.instrument(span));
        self.lock().insert(id, Observer { checklists, readings, task: task.abort_handle() });
    }

    /// Passes on a newer reading of SKE.
    pub fn reading(&self, cluster: Cluster) {
        if let Some(observer) = self.lock().get(&cluster.id) {
            observer.readings.send_replace(cluster);
        }
    }

    /// Writes the checklist in a cluster, and returns its new content.
    ///
    /// # Errors
    /// The cluster is not observed or cannot be reached, or the list differs from the one the user saw.
    pub async fn write_checklist(
        &self,
        id: &ClusterId,
        write: SharedWrite,
    ) -> Result<Checklist, Failure> {
        let unobserved = || {
            Failure::new(FailureKind::NotPossible, "The cluster is not observed; nothing was sent")
        };
        let sender = self.lock().get(id).map(|observer| observer.checklists.clone());
        let (answer, answered) = oneshot::channel();
        let sender = sender.ok_or_else(unobserved)?;
        sender.send((write, answer)).await.map_err(|_ended| unobserved())?;
        answered.await.unwrap_or_else(|_ended| {
            Err(Failure::new(
                FailureKind::Unreachable,
                "The connection to the cluster ended; unknown whether the checklist was written",
            ))
        })
    }

    /// Stops observing all clusters.
    pub fn end_all(&self) {
        self.lock().clear();
    }

    /// Stops observing a cluster.
    pub fn end(&self, id: &ClusterId) {
        if self.lock().remove(id).is_some() {
            info!(cluster = %id, "no longer observed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};
    use crate::runtime::observers::PendingEvents;

    #[tokio::test]
    async fn a_loop_that_is_behind_gets_the_last_snapshot_and_what_came_after_it() {
        let pending = PendingEvents::default();
        let snapshot = || ObserverEvent::Snapshot(Arc::new(ClusterSnapshot::default()));
        let unavailable = || ObserverEvent::Unavailable(Unavailable::Connecting);
        for _ in 0..100 {
            pending.push(unavailable());
            pending.push(snapshot());
        }
        assert!(matches!(
            pending.take().await.collect::<Vec<_>>()[..],
            [ObserverEvent::Snapshot(_)]
        ));
        pending.push(snapshot());
        pending.push(unavailable());
        pending.push(unavailable());
        let events: Vec<_> = pending.take().await.collect();
        assert!(matches!(
            events[..],
            [ObserverEvent::Snapshot(_), ObserverEvent::Unavailable(Unavailable::Connecting)]
        ));
    }
}
