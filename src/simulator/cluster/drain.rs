//! Drains as machine-controller-manager does them: cordon, evict within the budgets, detach volumes, remove.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::data_plane::{DataPlane, spaced};
use crate::simulator::cluster::events::normal;
use crate::simulator::cluster::nodes::{UNSCHEDULABLE_TAINT, taint};
use crate::simulator::cluster::objects::{
    Condition, ObjectBody, ObjectKey, ObjectKind, StoredObject, Text,
};
use crate::simulator::cluster::task_queue::Task;
use crate::simulator::machine_deployment::MachineStage;
use crate::simulator::scene::WorkloadKind;

/// Refused evictions are tried again after this long, seconds.
const RETRY: i64 = 20;
/// The drain looks again this soon after a pod has gone, seconds.
const SOON: i64 = 5;
/// An empty machine is removed after about this long, seconds.
const REMOVAL: i64 = 150;
/// A volume that does not come off its node is waited for this long.
const DETACH_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

impl DataPlane {
    /// A machine is to go: its node is cordoned and emptied.
    pub(in crate::simulator::cluster) fn begin_drain(&mut self, name: &Text, at: Timestamp) {
        self.drain_since(name, at, at);
    }

    /// The same for a drain that began a while ago, as a scene may have it: ages in scenes are those of reality,
    /// however fast the world runs from now on.
    pub(in crate::simulator::cluster) fn drain_since(
        &mut self,
        name: &Text,
        since: Timestamp,
        at: Timestamp,
    ) {
        let Some(machine) = self.machine_mut(name) else { return };
        machine.stage = MachineStage::Draining;
        machine.draining = Some(since);
        if let Some(history) = self.node_history(name) {
            history.draining = Some(since);
        }
        self.edit_node(name, |object| close(object, since));
        let message = format!("Node {name} status is now: NodeNotSchedulable");
        self.record_event(
            ObjectKind::Node,
            &ObjectKey::global(name),
            since,
            normal("kubelet", "NodeNotSchedulable", message),
        );
        self.schedule_drain_check(name, at, 2);
        let left = self.spec.drain_timeout.saturating_sub(at.duration_since(since));
        let end = self.speed.after(at, left.max(SignedDuration::ZERO));
        self.tasks.add(end, Task::ForceDrain(Text::clone(name)));
    }

    /// Orders the next look, unless one comes earlier.
    fn schedule_drain_check(&mut self, name: &Text, at: Timestamp, seconds: i64) {
        let next = self.speed.after(at, SignedDuration::from_secs(seconds));
        let next = spaced(at, next);
        let Some(machine) = self.machine_mut(name) else { return };
        if machine.next_check.is_none_or(|known| known <= at || known > next) {
            machine.next_check = Some(next);
            self.tasks.add(next, Task::EvaluateDrain(Text::clone(name)));
        }
    }

    /// Something left a node: if it drains, the drain goes on soon.
    pub(in crate::simulator::cluster) fn resume_drain(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_some_and(|machine| machine.stage == MachineStage::Draining) {
            self.schedule_drain_check(name, at, SOON);
        }
    }

    /// The drain goes on: evicts what may be evicted. Pods with volumes go one after the other.
    pub(in crate::simulator::cluster) fn evaluate_drain(&mut self, name: &Text, at: Timestamp) {
        let Some(machine) = self.machine(name) else { return };
        if machine.stage != MachineStage::Draining || machine.next_check != Some(at) {
            return;
        }
        let mut one_moves = self.detaches_under_way(name, at);
        let mut waiting = Vec::new();
        let mut left = 0_usize;
        for key in self.evictable(name) {
            let Some(object) = self.store.get(ObjectKind::Pod, &key) else { continue };
            let with_volumes = object.pod().is_some_and(|pod| !pod.claims.is_empty());
            left += 1;
            if object.meta.deletion.is_some() {
                one_moves |= with_volumes;
            } else {
                waiting.push((key, with_volumes));
            }
        }
        let mut blocked = None;
        for (key, with_volumes) in waiting {
            if with_volumes && one_moves {
                continue;
            }
            match self.evict(&key, None, at) {
                Ok(()) => one_moves |= with_volumes,
                Err(EvictionRefusal::Budget { budget, .. }) => {
                    blocked.get_or_insert(budget);
                }
                Err(EvictionRefusal::Several | EvictionRefusal::Absent) => {}
            }
        }
        let since = |known: Option<&(Timestamp, String)>| known.map_or(at, |(since, _)| *since);
        if let Some(machine) = self.machine_mut(name) {
            machine.blocked =
                blocked.map(|budget| (since(machine.blocked.as_ref()), budget.to_string()));
        }
        if left == 0 && !self.detaches_under_way(name, at) {
            self.delete_machine(name, at);
        } else {
            self.schedule_drain_check(name, at, RETRY);
        }
    }

    /// Pods that a drain has to wait for.
    fn evictable(&self, name: &str) -> Vec<ObjectKey> {
        let stays = |key: &ObjectKey| {
            self.store
                .get(ObjectKind::Pod, key)
                .and_then(|object| object.pod())
                .and_then(|pod| self.workloads.get(pod.workload))
                .is_some_and(|workload| workload.kind == WorkloadKind::DaemonSet)
        };
        let pods = self.nodes.get(name).into_iter().flat_map(|host| &host.pods);
        pods.filter(|key| !stays(key)).cloned().collect()
    }

    fn detaches_under_way(&self, name: &str, at: Timestamp) -> bool {
        let wait = DETACH_TIMEOUT;
        self.store.list(ObjectKind::VolumeAttachment).any(|object| {
            object.attachment().is_some_and(|attachment| *attachment.node == *name)
                && object
                    .meta
                    .deletion
                    .is_some_and(|deletion| self.speed.real_time(deletion.by, at) < wait)
        })
    }

    /// The time is over: what is still there is deleted.
    pub(in crate::simulator::cluster) fn force_drain(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_none_or(|machine| machine.stage != MachineStage::Draining) {
            return;
        }
        if let Some(history) = self.node_history(name) {
            history.forced = Some(at);
        }
        for key in self.evictable(name) {
            self.remove_pod(&key, at);
        }
        self.delete_machine(name, at);
    }

    /// The machine is empty, or given up: it is removed.
    pub(in crate::simulator::cluster) fn delete_machine(&mut self, name: &Text, at: Timestamp) {
        let Some(machine) = self.machine_mut(name).filter(|m| m.stage != MachineStage::Leaving)
        else {
            return;
        };
        machine.stage = MachineStage::Leaving;
        machine.blocked = None;
        if machine.draining.is_none() {
            machine.draining = Some(at);
            if let Some(history) = self.node_history(name) {
                history.draining.get_or_insert(at);
            }
            self.edit_node(name, |object| close(object, at));
        }
        let gone = self.in_about(at, REMOVAL);
        self.tasks.add(gone, Task::RemoveMachine(Text::clone(name)));
        self.dirty.machines = true;
    }
}

/// Cordons a node and says that it is going.
fn close(object: &mut StoredObject, at: Timestamp) {
    let ObjectBody::Node(node) = &mut object.body else { return };
    node.terminating = Some(Condition {
        status: true,
        since: at,
        reason: "ScaleDown".into(),
        message: "Machine Controller is scaling down machine".into(),
    });
    node.unschedulable = true;
    if !node.has_taint(UNSCHEDULABLE_TAINT) {
        node.taints.push(taint(UNSCHEDULABLE_TAINT, "NoSchedule", Some(at)));
    }
}
