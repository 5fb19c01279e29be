//! What happens inside one cluster: machines, pods, budgets and Secrets, moved on by tasks that come due.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::{Agenda, PodId, Task};
use crate::simulator::cluster::history::NodeLife;
use crate::simulator::cluster::objects::{Key, Kind, Labels, Meta, Object, Text};
use crate::simulator::cluster::store::Store;
use crate::simulator::cluster::workloads::Workload;
use crate::simulator::dice::Dice;
use crate::simulator::roll::{Machine, Pace, Zone};

/// The inside of a cluster. It is empty until it is built.
#[derive(Debug)]
pub struct Interior {
    pub store: Store,
    pub zones: Vec<Zone>,
    /// What happened to every node, in the order in which they were asked for.
    pub lives: Vec<NodeLife>,
    pub agenda: Agenda,
    pub about: About,
    pub template: u32,
    pub built: bool,
    /// Whether it has no machines because it sleeps.
    pub asleep: bool,
    /// How fast it goes.
    pub pace: Pace,
    pub dice: Dice,
    /// Service accounts that may do everything, by user name.
    pub admins: BTreeSet<String>,
    pub(in crate::simulator::cluster) workloads: Vec<Workload>,
    pub(in crate::simulator::cluster) hosts: BTreeMap<Text, Host>,
    pub(in crate::simulator::cluster) pending: BTreeSet<Key>,
    pub(in crate::simulator::cluster) budgets: BTreeMap<Key, usize>,
    pub(in crate::simulator::cluster) events: super::events::Recent,
    pub(in crate::simulator::cluster) stir: Stir,
    pub(in crate::simulator::cluster) number: u32,
}

/// What does not change about a cluster.
#[derive(Debug, Clone)]
pub struct About {
    pub name: Text,
    pub region: Text,
    pub version: Text,
    /// Technical name, hexadecimal.
    pub shoot: Text,
    /// Name of its project, fit for a namespace.
    pub team: Text,
    /// Machine type, most machines, whether the autoscaler works, and whether new nodes join, by pool.
    pub pools: BTreeMap<Text, PoolAbout>,
    /// Until a drain is forced.
    pub drain_timeout: SignedDuration,
}

/// What does not change about a pool.
#[derive(Debug, Clone)]
pub struct PoolAbout {
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
pub struct Host {
    pub pool: Text,
    pub zone: Text,
    /// Millicores, all and taken.
    pub cpu: (u32, u32),
    pub pods: BTreeSet<Key>,
    /// How many of each workload.
    pub counts: BTreeMap<usize, u32>,
    pub open: bool,
    /// Whether others are preferred.
    pub avoided: bool,
}

/// What has to be looked at again.
#[derive(Debug, Default)]
pub struct Stir {
    /// Zones may have to begin something.
    pub zones: bool,
    /// Pods may find a place.
    pub pods: bool,
    /// Workloads whose budgets have other figures now.
    pub budgets: BTreeSet<usize>,
    /// Workloads that may have to make pods.
    pub workloads: BTreeSet<usize>,
}

impl Interior {
    /// The inside of a cluster that was not looked into yet.
    pub fn new(about: About, template: u32, pace: Pace, dice: Dice) -> Self {
        Self {
            store: Store::default(),
            zones: Vec::new(),
            lives: Vec::new(),
            agenda: Agenda::default(),
            about,
            template,
            built: false,
            asleep: false,
            pace,
            dice,
            admins: BTreeSet::new(),
            workloads: Vec::new(),
            hosts: BTreeMap::new(),
            pending: BTreeSet::new(),
            budgets: BTreeMap::new(),
            events: super::events::Recent::default(),
            stir: Stir::default(),
            number: 0,
        }
    }

    /// Does one thing that is due, and everything that follows from it at once.
    pub fn run(&mut self, at: Timestamp, task: Task) {
        match task {
            Task::Register(name) => self.register(&name, at),
            Task::KubeletReady(name) => self.kubelet_ready(&name, at),
            Task::Joined(name) => self.joined(&name, at),
            Task::NotJoined(name) => self.not_joined(&name, at),
            Task::Look(name) => self.look(&name, at),
            Task::Force(name) => self.force(&name, at),
            Task::Gone(name) => self.gone(&name, at),
            Task::Started(pod) => self.started(&pod, at),
            Task::Stopped(pod) => self.stopped(&pod, at),
            Task::Attach(pod) => self.attach(&pod, at),
            Task::Attached(pod) => self.attached(&pod, at),
            Task::Detached(volume) => self.detached(&volume, at),
            Task::Autoscale => self.autoscale(at),
            // These are the whole cluster's.
            Task::Rotation(_) | Task::ServerWakes | Task::Woken | Task::Reconciled => {}
        }
        self.settle(at);
    }

    /// Lets everything follow that follows at once.
    pub fn settle(&mut self, at: Timestamp) {
        // Each turn ends in fewer things to look at; the bound is for a scene that nobody thought of.
        for _ in 0..1_000 {
            if let Some(workload) = self.stir.workloads.pop_first() {
                self.fill(workload, at);
            } else if std::mem::take(&mut self.stir.pods) {
                self.schedule(at);
            } else if let Some(workload) = self.stir.budgets.pop_first() {
                self.count_pods(workload);
            } else if std::mem::take(&mut self.stir.zones) {
                self.step_zones(at);
            } else {
                return;
            }
        }
    }

    /// Metadata of an object that is created now.
    pub(in crate::simulator::cluster) fn meta(&mut self, key: Key, at: Timestamp) -> Meta {
        Meta {
            key,
            uid: self.dice.uid().into(),
            created: at,
            version: 0,
            labels: Labels::new(),
            annotations: Labels::new(),
            owner: None,
            finalizers: Vec::new(),
            deletion: None,
            written: None,
        }
    }

    /// A machine by its name.
    pub fn machine(&self, name: &str) -> Option<&Machine> {
        self.zones.iter().flat_map(|zone| &zone.nodes).find(|machine| *machine.name == *name)
    }

    pub(in crate::simulator::cluster) fn machine_mut(
        &mut self,
        name: &str,
    ) -> Option<&mut Machine> {
        self.zones
            .iter_mut()
            .flat_map(|zone| &mut zone.nodes)
            .find(|machine| *machine.name == *name)
    }

    /// A pod, if it is still the same one.
    pub(in crate::simulator::cluster) fn pod(&self, id: &PodId) -> Option<&Object> {
        let found = self.store.get(Kind::Pod, &id.key)?;
        (found.meta.uid == id.uid).then_some(&**found)
    }

    pub(in crate::simulator::cluster) fn pod_id(&self, key: &Key) -> Option<PodId> {
        let found = self.store.get(Kind::Pod, key)?;
        Some(PodId { key: key.clone(), uid: Text::clone(&found.meta.uid) })
    }

    /// A moment about so many seconds from a moment.
    pub(in crate::simulator::cluster) fn in_about(
        &mut self,
        at: Timestamp,
        seconds: i64,
    ) -> Timestamp {
        self.pace.about(at, SignedDuration::from_secs(seconds), &mut self.dice)
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
