//! The inside of a cluster: machines, nodes, pods, budgets and Secrets, changed by tasks that become due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::events::{EventLog, NewEvent};
use crate::simulator::cluster::machine_deployment::{Machine, MachineDeployment};
use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind, ObjectMeta, StoredObject};
use crate::simulator::cluster::store::ObjectStore;
use crate::simulator::cluster::task_queue::{PodId, Task, TaskQueue};
use crate::simulator::cluster::workloads::Workload;
use crate::simulator::rng::Rng;
use crate::simulator::speed::{Speed, later};

/// The data plane of a cluster; empty until it is built.
#[derive(Debug)]
pub struct DataPlane {
    pub store: ObjectStore,
    pub machine_deployments: Vec<MachineDeployment>,
    /// Histories of all nodes, in the order of their requests.
    pub node_histories: Vec<NodeHistory>,
    pub tasks: TaskQueue,
    pub spec: ClusterSpec,
    pub template: u32,
    pub built: bool,
    pub hibernated: bool,
    pub speed: Speed,
    pub rng: Rng,
    /// User names of service accounts with cluster-admin.
    pub admins: BTreeSet<String>,
    pub(super) workloads: Vec<Workload>,
    pub(super) nodes: BTreeMap<Arc<str>, NodeInfo>,
    pub(super) pending: BTreeSet<ObjectKey>,
    /// Budgets and the numbers of their workloads.
    pub(super) budgets: BTreeMap<ObjectKey, usize>,
    pub(super) dirty: DirtyFlags,
    /// Number of the last node or pod; addresses are derived from it.
    pub(super) last_number: u32,
    events: EventLog,
}

/// The immutable properties of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    pub name: Arc<str>,
    pub region: Arc<str>,
    pub version: Arc<str>,
    /// Hexadecimal.
    pub shoot_id: Arc<str>,
    /// Namespace of the applications.
    pub namespace: Arc<str>,
    pub pools: BTreeMap<Arc<str>, PoolSpec>,
    pub drain_timeout: SignedDuration,
}

/// The immutable properties of a pool.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    /// Version of the kubelets ("v1.33.4").
    pub version: Arc<str>,
    pub machine_type: Arc<str>,
    /// Maximum and minimum number of machines in each zone.
    pub maximum: usize,
    pub minimum: usize,
    pub autoscale: bool,
    pub joins: bool,
}

/// A node as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    pub pool: Arc<str>,
    pub zone: Arc<str>,
    /// Allocatable and requested millicores.
    pub cpu: u32,
    pub requested_cpu: u32,
    pub pods: BTreeSet<ObjectKey>,
    pub counts: BTreeMap<usize, u32>,
    pub schedulable: bool,
    /// Whether other nodes are preferred.
    pub avoided: bool,
}

/// What needs to be reconciled.
#[derive(Debug, Default)]
pub struct DirtyFlags {
    /// Machines may have to be created or drained.
    pub machines: bool,
    /// Pending pods may fit.
    pub pods: bool,
    /// Workloads whose pods need to be counted for their budgets.
    pub budgets: BTreeSet<usize>,
    /// Workloads that may lack pods.
    pub workloads: BTreeSet<usize>,
}

impl DataPlane {
    /// A data plane that has not been built yet.
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
            dirty: DirtyFlags::default(),
            last_number: 0,
            events: EventLog::default(),
        }
    }

    /// Runs a due task and all of its immediate consequences.
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
            Task::RunAutoscaler => self.run_autoscaler(at),
            Task::RemoveCertificateRequest(request) => {
                self.store.remove(ObjectKind::CertificateRequest, &request);
            }
            Task::ObserveBudget(budget) => self.observe_budget(&budget),
            // `SimulatedCluster` runs these.
            Task::Rotation(_)
            | Task::ApiServerStarted
            | Task::WakeUpFinished
            | Task::ReconcileFinished => {}
        }
        self.settle(at);
    }

    /// Reconciles until nothing is dirty.
    pub fn settle(&mut self, at: Timestamp) {
        // Limit for scenes whose reconciliation does not converge.
        for _ in 0..1_000 {
            if let Some(workload) = self.dirty.workloads.pop_first() {
                self.reconcile_pods(workload, at);
            } else if std::mem::take(&mut self.dirty.pods) {
                self.schedule_pods(at);
            } else if let Some(workload) = self.dirty.budgets.pop_first() {
                self.count_pods(workload);
            } else if std::mem::take(&mut self.dirty.machines) {
                self.reconcile_machines(at);
            } else {
                return;
            }
        }
    }

    /// The metadata of a new object.
    pub fn new_meta(&mut self, key: ObjectKey, at: Timestamp) -> ObjectMeta {
        ObjectMeta::new(key, self.rng.uid().into(), at)
    }

    /// Records an event of a node, if it exists.
    pub(super) fn node_event(&mut self, name: &Arc<str>, at: Timestamp, event: NewEvent) {
        let (store, key) = (&mut self.store, ObjectKey::global(Arc::clone(name)));
        self.events.record(store, &mut self.rng, ObjectKind::Node, &key, at, event);
    }

    /// Records an event of a pod, if it exists.
    pub(super) fn pod_event(&mut self, key: &ObjectKey, at: Timestamp, event: NewEvent) {
        self.events.record(&mut self.store, &mut self.rng, ObjectKind::Pod, key, at, event);
    }

    /// Removes expired events; returns whether there were any.
    pub fn remove_expired_events(&mut self, now: Timestamp) -> bool {
        let before = self.store.version();
        self.events.remove_expired(&mut self.store, now);
        self.store.version() > before
    }

    /// The machines of all pools and zones.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machine_deployments.iter().flat_map(|deployment| &deployment.machines)
    }

    /// A machine by its name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines().find(|machine| *machine.name == *name)
    }

    pub(super) fn machine_mut(&mut self, name: &str) -> Option<&mut Machine> {
        let mut machines = self.machine_deployments.iter_mut().flat_map(|d| &mut d.machines);
        machines.find(|machine| *machine.name == *name)
    }

    pub(super) fn node_history(&mut self, name: &str) -> Option<&mut NodeHistory> {
        self.node_histories.iter_mut().rev().find(|history| *history.name == *name)
    }

    /// A pod, unless it was replaced by another of the same name.
    pub(super) fn pod(&self, id: &PodId) -> Option<&StoredObject> {
        let object = self.store.get(ObjectKind::Pod, &id.key)?;
        (object.meta.uid == id.uid).then_some(&**object)
    }

    pub(super) fn pod_id(&self, key: &ObjectKey) -> Option<PodId> {
        let object = self.store.get(ObjectKind::Pod, key)?;
        Some(PodId { key: key.clone(), uid: Arc::clone(&object.meta.uid) })
    }

    /// A time roughly `seconds` after another.
    pub(super) fn in_roughly(&mut self, at: Timestamp, seconds: i64) -> Timestamp {
        self.speed.roughly_after(at, SignedDuration::from_secs(seconds), &mut self.rng)
    }
}

/// The time of a retry after `at`: even at high speed, it must not flood the queue.
pub(super) fn throttled(at: Timestamp, next: Timestamp) -> Timestamp {
    next.max(later(at, SignedDuration::from_millis(20)))
}
