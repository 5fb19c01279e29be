//! What happens inside one cluster: machines, pods, budgets and Secrets, moved on by tasks that come due.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::objects::{
    LabelMap, ObjectKey, ObjectKind, ObjectMeta, StoredObject, Text,
};
use crate::simulator::cluster::store::ObjectStore;
use crate::simulator::cluster::task_queue::{PodId, Task, TaskQueue};
use crate::simulator::cluster::workloads::Workload;
use crate::simulator::machine_deployment::{Machine, MachineDeployment, Speed};
use crate::simulator::rng::Rng;

/// The inside of a cluster. It is empty until it is built.
#[derive(Debug)]
pub struct DataPlane {
    pub store: ObjectStore,
    pub machine_deployments: Vec<MachineDeployment>,
    /// What happened to every node, in the order in which they were asked for.
    pub node_histories: Vec<NodeHistory>,
    pub tasks: TaskQueue,
    pub spec: ClusterSpec,
    pub template: u32,
    pub built: bool,
    /// Whether it has no machines because it sleeps.
    pub hibernated: bool,
    /// How fast it goes.
    pub speed: Speed,
    pub rng: Rng,
    /// Service accounts that may do everything, by user name.
    pub admins: BTreeSet<String>,
    pub(in crate::simulator::cluster) workloads: Vec<Workload>,
    pub(in crate::simulator::cluster) nodes: BTreeMap<Text, NodeInfo>,
    pub(in crate::simulator::cluster) pending: BTreeSet<ObjectKey>,
    pub(in crate::simulator::cluster) budgets: BTreeMap<ObjectKey, usize>,
    pub(in crate::simulator::cluster) events: super::events::EventLog,
    pub(in crate::simulator::cluster) dirty: DirtyFlags,
    pub(in crate::simulator::cluster) number: u32,
}

/// What does not change about a cluster.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub name: Text,
    pub region: Text,
    pub version: Text,
    /// Technical name, hexadecimal.
    pub shoot: Text,
    /// Name of its project, fit for a namespace.
    pub team: Text,
    /// Machine type, most machines, whether the autoscaler works, and whether new nodes join, by pool.
    pub pools: BTreeMap<Text, PoolSpec>,
    /// Until a drain is forced.
    pub drain_timeout: SignedDuration,
}

/// What does not change about a pool.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    pub machine: Text,
    /// Most machines in each zone.
    pub most: usize,
    /// Least machines in each zone.
    pub least: usize,
    pub autoscale: bool,
    /// Whether new nodes become ready.
    pub joins: bool,
}

/// A node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    pub pool: Text,
    pub zone: Text,
    /// Millicores, all and taken.
    pub cpu: (u32, u32),
    pub pods: BTreeSet<ObjectKey>,
    /// How many of each workload.
    pub counts: BTreeMap<usize, u32>,
    pub open: bool,
    /// Whether others are preferred.
    pub avoided: bool,
}

/// What has to be looked at again.
#[derive(Debug, Default)]
pub struct DirtyFlags {
    /// Zones may have to begin something.
    pub machines: bool,
    /// Pods may find a place.
    pub pods: bool,
    /// Workloads whose budgets have other figures now.
    pub budgets: BTreeSet<usize>,
    /// Workloads that may have to make pods.
    pub workloads: BTreeSet<usize>,
}

impl DataPlane {
    /// The inside of a cluster that was not looked into yet.
    pub fn new(spec: ClusterSpec, template: u32, speed: Speed, rng: Rng) -> Self {
        Self {
            store: ObjectStore::default(),
            machine_deployments: Vec::new(),
            node_histories: Vec::new(),
            tasks: TaskQueue::default(),
            spec,
            template,
            built: false,
            hibernated: false,
            speed,
            rng,
            admins: BTreeSet::new(),
            workloads: Vec::new(),
            nodes: BTreeMap::new(),
            pending: BTreeSet::new(),
            budgets: BTreeMap::new(),
            events: super::events::EventLog::default(),
            dirty: DirtyFlags::default(),
            number: 0,
        }
    }

    /// Does one thing that is due, and everything that follows from it at once.
    pub fn run(&mut self, at: Timestamp, task: Task) {
        match task {
            Task::RegisterNode(name) => self.register_node(&name, at),
            Task::KubeletReady(name) => self.mark_kubelet_ready(&name, at),
            Task::NodeJoined(name) => self.mark_node_joined(&name, at),
            Task::JoinTimeout(name) => self.give_up_machine(&name, at),
            Task::EvaluateDrain(name) => self.evaluate_drain(&name, at),
            Task::ForceDrain(name) => self.force_drain(&name, at),
            Task::RemoveMachine(name) => self.remove_machine(&name, at),
            Task::ContainersStarted(pod) => self.mark_started(&pod, at),
            Task::ContainersStopped(pod) => self.mark_stopped(&pod, at),
            Task::AttachVolumes(pod) => self.attach_volumes(&pod, at),
            Task::VolumesAttached(pod) => self.mark_attached(&pod, at),
            Task::VolumeDetached(volume) => self.mark_detached(&volume, at),
            Task::Autoscale => self.run_autoscaler(at),
            // These are the whole cluster's.
            Task::Rotation(_)
            | Task::ApiServerStarted
            | Task::WakeUpFinished
            | Task::ReconcileFinished => {}
        }
        self.settle(at);
    }

    /// Lets everything follow that follows at once.
    pub fn settle(&mut self, at: Timestamp) {
        // Each turn ends in fewer things to look at; the bound is for a scene that nobody thought of.
        for _ in 0..1_000 {
            if let Some(workload) = self.dirty.workloads.pop_first() {
                self.reconcile_pods(workload, at);
            } else if std::mem::take(&mut self.dirty.pods) {
                self.schedule_pods(at);
            } else if let Some(workload) = self.dirty.budgets.pop_first() {
                self.count_pods(workload);
            } else if std::mem::take(&mut self.dirty.machines) {
                self.step_machines(at);
            } else {
                return;
            }
        }
    }

    /// Metadata of an object that is created now.
    pub(in crate::simulator::cluster) fn meta(
        &mut self,
        key: ObjectKey,
        at: Timestamp,
    ) -> ObjectMeta {
        ObjectMeta {
            key,
            uid: self.rng.uid().into(),
            created: at,
            version: 0,
            labels: LabelMap::new(),
            annotations: LabelMap::new(),
            owner: None,
            finalizers: Vec::new(),
            deletion: None,
            written: None,
        }
    }

    /// The machines of all pools and zones.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machine_deployments.iter().flat_map(|deployment| &deployment.machines)
    }

    /// A machine by its name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines().find(|machine| *machine.name == *name)
    }

    pub(in crate::simulator::cluster) fn machine_mut(
        &mut self,
        name: &str,
    ) -> Option<&mut Machine> {
        self.machine_deployments
            .iter_mut()
            .flat_map(|zone| &mut zone.machines)
            .find(|machine| *machine.name == *name)
    }

    /// A pod, if it is still the same one.
    pub(in crate::simulator::cluster) fn pod(&self, id: &PodId) -> Option<&StoredObject> {
        let found = self.store.get(ObjectKind::Pod, &id.key)?;
        (found.meta.uid == id.uid).then_some(&**found)
    }

    pub(in crate::simulator::cluster) fn pod_id(&self, key: &ObjectKey) -> Option<PodId> {
        let found = self.store.get(ObjectKind::Pod, key)?;
        Some(PodId { key: key.clone(), uid: Text::clone(&found.meta.uid) })
    }

    /// A moment about so many seconds from a moment.
    pub(in crate::simulator::cluster) fn in_about(
        &mut self,
        at: Timestamp,
        seconds: i64,
    ) -> Timestamp {
        self.speed.roughly_after(at, SignedDuration::from_secs(seconds), &mut self.rng)
    }
}

/// A label or annotation.
pub(in crate::simulator::cluster) fn text(value: &str) -> Text {
    value.into()
}

/// When something that waits is tried again after `at`: however fast the world runs, it must not fill it.
pub(in crate::simulator::cluster) fn spaced(at: Timestamp, next: Timestamp) -> Timestamp {
    next.max(at.saturating_add(SignedDuration::from_millis(20)).unwrap_or(at))
}
