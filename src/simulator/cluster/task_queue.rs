//! What is still to happen in a cluster, in order of time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::simulator::cluster::objects::ObjectKey;

/// Something that happens at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Rotation(RotationStep),
    /// The API server of a cluster that wakes up is available.
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
    /// A request whose certificate was issued long enough ago is removed.
    RemoveCertificateRequest(ObjectKey),
    /// The disruption controller sees a changed budget.
    ObserveBudget(ObjectKey),
}

/// Steps of a rotation, in the order in which the platform takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// The API server accepts both generations; the static token ends.
    TrustNewCredentials,
    /// One of [`BATCHES`] of the Secrets is written with the new encryption key.
    ReencryptSecrets(usize),
    SignWithNewKey,
    /// One of [`BATCHES`] of the namespaces gets the new bundle.
    PublishBundle(usize),
    /// Pools get new templates, and nodes begin to roll.
    RollNodes,
    /// The API server accepts the new generation only.
    DropOldCredentials,
    Finish,
}

/// Number of batches in which a rotation changes Secrets and namespaces.
pub const BATCHES: usize = 8;

/// One pod, and not another one of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodId {
    pub key: ObjectKey,
    pub uid: Arc<str>,
}

/// Tasks by their time.
#[derive(Debug, Default)]
pub struct TaskQueue {
    tasks: BTreeMap<(Timestamp, u64), Task>,
    count: u64,
}

impl TaskQueue {
    /// Adds a task; tasks of the same time keep their order.
    pub fn add(&mut self, at: Timestamp, task: Task) {
        self.count += 1;
        self.tasks.insert((at, self.count), task);
    }

    /// When the next task is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next task that is due by then.
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
