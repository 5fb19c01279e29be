//! Pending tasks of a cluster, by time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::simulator::cluster::objects::ObjectKey;

/// A task that runs at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Rotation(RotationStep),
    /// The API server of a cluster on wake-up is available.
    ApiServerStarted,
    WakeUpFinished,
    ReconcileFinished,
    /// The node of a new machine registers.
    RegisterNode(Arc<str>),
    KubeletReady(Arc<str>),
    /// A new node becomes schedulable.
    NodeJoined(Arc<str>),
    /// A new machine's node did not become ready in time.
    JoinTimeout(Arc<str>),
    /// The drain of a machine continues.
    EvaluateDrain(Arc<str>),
    /// The drain of a machine times out.
    ForceDrain(Arc<str>),
    RemoveMachine(Arc<str>),
    ContainersStarted(PodId),
    ContainersStopped(PodId),
    /// A pod needs its volumes on its node.
    AttachVolumes(PodId),
    VolumesAttached(PodId),
    VolumeDetached(ObjectKey),
    RunAutoscaler,
    /// The request of a certificate issued long enough ago is removed.
    RemoveCertificateRequest(ObjectKey),
    /// The disruption controller observes a changed budget.
    ObserveBudget(ObjectKey),
}

/// Steps of a rotation, in the platform's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// The API server accepts both generations; the static token is invalidated.
    TrustNewCredentials,
    /// One of [`BATCHES`] of the Secrets is re-encrypted with the new key.
    ReencryptSecrets(usize),
    SignWithNewKey,
    /// One of [`BATCHES`] of the namespaces gets the new bundle.
    PublishBundle(usize),
    /// Pools get new templates, and nodes start to roll.
    RollNodes,
    /// The API server accepts the new generation only.
    DropOldCredentials,
    Finish,
}

/// Number of batches in which a rotation changes Secrets and namespaces.
pub const BATCHES: usize = 8;

/// Identifies one pod, even if another one has the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodId {
    pub key: ObjectKey,
    pub uid: Arc<str>,
}

/// Tasks by time.
#[derive(Debug, Default)]
pub struct TaskQueue {
    tasks: BTreeMap<(Timestamp, u64), Task>,
    count: u64,
}

impl TaskQueue {
    /// Adds a task; tasks with the same time keep their order.
    pub fn add(&mut self, at: Timestamp, task: Task) {
        self.count += 1;
        self.tasks.insert((at, self.count), task);
    }

    /// When the next task is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next task, if it is due at `until`.
    pub fn take(&mut self, until: Timestamp) -> Option<(Timestamp, Task)> {
        let entry = self.tasks.first_entry()?;
        let at = entry.key().0;
        (at <= until).then(|| (at, entry.remove()))
    }

    /// Adds the tasks of another queue.
    pub fn append(&mut self, other: Self) {
        other.tasks.into_iter().for_each(|((at, _), task)| self.add(at, task));
    }
}
