//! Drains like machine-controller-manager: cordon, evict within the budgets, detach volumes, delete.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::data_plane::{DataPlane, throttled};
use crate::simulator::cluster::machine_deployment::MachineStage;
use crate::simulator::cluster::nodes::mark_terminating;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};
use crate::simulator::cluster::task_queue::Task;
use crate::simulator::scene::WorkloadKind;

/// Seconds until refused evictions are retried.
const RETRY: i64 = 20;
/// Seconds until a drain continues after a pod was removed.
const SOON: i64 = 5;
/// Seconds that deleting a drained machine takes.
const DELETION: i64 = 150;
/// Volumes still attached after this time are ignored.
const DETACH_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

impl DataPlane {
    /// Starts a drain, which a scene may backdate: its ages are in real time, at any speed.
    pub(super) fn begin_drain(&mut self, name: &Arc<str>, since: Timestamp, at: Timestamp) {
        let Some(machine) = self.machine_mut(name) else { return };
        machine.stage = MachineStage::Draining;
        machine.draining = Some(since);
        if let Some(history) = self.node_history(name) {
            history.draining = Some(since);
        }
        self.edit_node(name, |object| mark_terminating(object, since));
        self.node_status_event(name, since, "NodeNotSchedulable");
        self.schedule_drain_check(name, at, 2);
        let left = self.spec.drain_timeout.saturating_sub(at.duration_since(since));
        let end = self.speed.after(at, left.max(SignedDuration::ZERO));
        self.tasks.add(end, Task::ForceDrain(Arc::clone(name)));
    }

    /// Schedules the next evaluation, unless an earlier one is scheduled.
    fn schedule_drain_check(&mut self, name: &Arc<str>, at: Timestamp, seconds: i64) {
        let next = throttled(at, self.speed.after(at, SignedDuration::from_secs(seconds)));
        let Some(machine) = self.machine_mut(name) else { return };
        if machine.next_check.is_none_or(|known| known <= at || known > next) {
            machine.next_check = Some(next);
            self.tasks.add(next, Task::EvaluateDrain(Arc::clone(name)));
        }
    }

    fn is_draining(&self, name: &str) -> bool {
        self.machine(name).is_some_and(|machine| machine.stage == MachineStage::Draining)
    }

    pub(super) fn resume_drain(&mut self, name: &Arc<str>, at: Timestamp) {
        if self.is_draining(name) {
            self.schedule_drain_check(name, at, SOON);
        }
    }

    /// Evicts the pods that may be evicted. Pods with volumes are evicted one by one.
    pub(super) fn evaluate_drain(&mut self, name: &Arc<str>, at: Timestamp) {
        let due = self.machine(name).and_then(|machine| machine.next_check) == Some(at);
        if !due || !self.is_draining(name) {
            return;
        }
        let pods = self.drained_pods(name);
        let mut volume_moves = self.is_detaching(name, at);
        let mut waiting = Vec::new();
        for key in &pods {
            let Some(object) = self.store.get(ObjectKind::Pod, key) else { continue };
            let has_volumes = object.pod().is_some_and(|pod| !pod.claims.is_empty());
            if object.meta.deletion.is_some() {
                volume_moves |= has_volumes;
            } else {
                waiting.push((key, has_volumes));
            }
        }
        let mut blocked = None;
        for (key, has_volumes) in waiting {
            if has_volumes && volume_moves {
                continue;
            }
            match self.evict(key, None, at) {
                Ok(()) => volume_moves |= has_volumes,
                Err(
                    EvictionRefusal::Budget { budget, .. } | EvictionRefusal::Unobserved(budget),
                ) => {
                    blocked.get_or_insert(budget);
                }
                Err(
                    EvictionRefusal::SeveralBudgets
                    | EvictionRefusal::Webhook(_)
                    | EvictionRefusal::Denied(_)
                    | EvictionRefusal::NotFound,
                ) => {}
            }
        }
        if let Some(machine) = self.machine_mut(name) {
            let since = machine.blocked.as_ref().map_or(at, |(since, _)| *since);
            machine.blocked = blocked.map(|budget| (since, budget.to_string()));
        }
        if pods.is_empty() && !self.is_detaching(name, at) {
            self.delete_machine(name, at);
        } else {
            self.schedule_drain_check(name, at, RETRY);
        }
    }

    fn drained_pods(&self, name: &str) -> Vec<ObjectKey> {
        let of_daemon_set = |key: &ObjectKey| {
            let workload = self.store.pod(key).and_then(|pod| self.workloads.get(pod.workload));
            workload.is_some_and(|workload| workload.scene.kind == WorkloadKind::DaemonSet)
        };
        let pods = self.nodes.get(name).into_iter().flat_map(|node| &node.pods);
        pods.filter(|key| !of_daemon_set(key)).cloned().collect()
    }

    fn is_detaching(&self, name: &str, at: Timestamp) -> bool {
        self.store.list(ObjectKind::VolumeAttachment).any(|object| {
            object.attachment().is_some_and(|attachment| *attachment.node == *name)
                && object
                    .meta
                    .deletion
                    .is_some_and(|deletion| self.speed.real_time(deletion.by, at) < DETACH_TIMEOUT)
        })
    }

    /// Ends a drain that timed out: deletes the remaining pods.
    pub(super) fn force_drain(&mut self, name: &Arc<str>, at: Timestamp) {
        if !self.is_draining(name) {
            return;
        }
        if let Some(history) = self.node_history(name) {
            history.forced = Some(at);
        }
        for key in self.drained_pods(name) {
            self.remove_pod(&key, at);
        }
        self.delete_machine(name, at);
    }

    /// Deletes a machine that has been drained or given up.
    pub(super) fn delete_machine(&mut self, name: &Arc<str>, at: Timestamp) {
        let machine = self.machine_mut(name).filter(|m| m.stage != MachineStage::Deleting);
        let Some(machine) = machine else { return };
        machine.stage = MachineStage::Deleting;
        machine.blocked = None;
        if machine.draining.is_none() {
            machine.draining = Some(at);
            if let Some(history) = self.node_history(name) {
                history.draining.get_or_insert(at);
            }
            self.edit_node(name, |object| mark_terminating(object, at));
        }
        let deleted = self.in_roughly(at, DELETION);
        self.tasks.add(deleted, Task::RemoveMachine(Arc::clone(name)));
        self.dirty.machines = true;
    }
}
