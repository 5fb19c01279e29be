//! What is still to happen in a cluster, in order of time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::simulator::cluster::objects::{ObjectKey, Text};

/// Something that happens at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Rotation(RotationStep),
    /// The API server is there again after hibernation.
    ApiServerStarted,
    /// The cluster has woken up.
    WakeUpFinished,
    /// A reconcile is over.
    ReconcileFinished,
    /// A new machine's node appears.
    RegisterNode(Text),
    KubeletReady(Text),
    /// It takes pods.
    NodeJoined(Text),
    /// It did not become ready in time.
    JoinTimeout(Text),
    /// The drain of a machine goes on.
    EvaluateDrain(Text),
    /// The drain of a machine is forced.
    ForceDrain(Text),
    /// A machine is gone.
    RemoveMachine(Text),
    /// Containers of a pod have started.
    ContainersStarted(PodId),
    /// Containers of a pod have stopped.
    ContainersStopped(PodId),
    /// A pod needs its volumes on its node.
    AttachVolumes(PodId),
    /// Its volumes are there.
    VolumesAttached(PodId),
    /// A volume is off its node.
    VolumeDetached(ObjectKey),
    /// The autoscaler looks around.
    Autoscale,
}

/// Steps of a rotation, in the order in which the platform takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// The API server accepts new and old; the static token ends.
    TrustNewCredentials,
    /// One more part of the Secrets is written with the new encryption key: this one of [`PARTS`].
    ReencryptSecrets(usize),
    /// New tokens are signed with the new key.
    SignWithNewKey,
    /// One more part of the namespaces gets the new bundle: this one of [`PARTS`].
    PublishBundle(usize),
    /// Pools get new templates, and nodes begin to roll.
    RollNodes,
    /// The API server accepts only new.
    DropOldCredentials,
    /// Everything that is left is removed.
    Finish,
}

/// In so many parts Secrets and namespaces are gone through.
pub const PARTS: usize = 8;

/// One pod and not another of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodId {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Text,
}

/// Tasks by their time.
#[derive(Debug, Default)]
pub struct TaskQueue {
    tasks: BTreeMap<(Timestamp, u64), Task>,
    count: u64,
}

impl TaskQueue {
    /// Adds a task; of two at the same time the one that was added first comes first.
    pub fn add(&mut self, at: Timestamp, task: Task) {
        self.count += 1;
        self.tasks.insert((at, self.count), task);
    }

    /// When the next task is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.tasks.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next task that is due by then.
    pub fn take(&mut self, until: Timestamp) -> Option<(Timestamp, Task)> {
        let entry = self.tasks.first_entry()?;
        let at = entry.key().0;
        (at <= until).then(|| (at, entry.remove()))
    }

    /// Adds the tasks of another agenda.
    pub fn append(&mut self, other: Self) {
        for ((at, _), task) in other.tasks {
            self.add(at, task);
        }
    }
}
