//! Machines of a cluster and their nodes: requested, joining, rolling, removed. `machine_deployment` selects them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::{DataPlane, throttled};
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::machine_deployment::{Machine, MachineAction, MachineStage};
use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::nodes::{
    CHECKSUM_ANNOTATION, CRITICAL_COMPONENTS_TAINT, NOT_READY_TAINT, PRESERVE_ANNOTATION,
    ROLL_ANNOTATIONS, UNINITIALIZED_TAINT, digest, mark_rolling, ready,
};
use crate::simulator::cluster::objects::{Condition, ObjectKey, ObjectKind};
use crate::simulator::cluster::task_queue::Task;
use crate::simulator::speed::{scale, vary};

/// Time from the request of a machine until its node is schedulable.
const CREATION: SignedDuration = SignedDuration::from_mins(4);
/// Fractions of that time after which the node registers and its kubelet is ready.
const REGISTERED_AFTER: f64 = 0.6;
const KUBELET_AFTER: f64 = 0.8;
/// Machines that have not joined after this time are replaced.
const CREATION_TIMEOUT: SignedDuration = SignedDuration::from_mins(20);
/// Histories of nodes removed longer ago are dropped.
const HISTORY_LIMIT: SignedDuration = SignedDuration::from_hours(6);
/// Seconds between actions of the autoscaler.
const AUTOSCALE: i64 = 360;
/// Seconds between checks of a failed machine that is preserved.
const PRESERVED: i64 = 30;
/// Seconds until a kubelet retries a rejected registration.
const REGISTER_AGAIN: i64 = 10;

impl DataPlane {
    /// A name for a new machine: pool, zone, machine set and a random suffix.
    pub(super) fn machine_name(&mut self, pool: &str, zone: u32, template: u32) -> Arc<str> {
        let shoot = &self.spec.shoot_id;
        let set = digest(&[shoot, pool, &zone.to_string(), &template.to_string()], 5);
        let name = &self.spec.name;
        let suffix = self.rng.name_suffix(5);
        format!("shoot--{shoot}--{name}-{pool}-z{zone}-{set}-{suffix}").into()
    }

    /// Creates and drains machines within the limits, and completes finished rolls.
    pub(super) fn reconcile_machines(&mut self, at: Timestamp) {
        if self.hibernated {
            return;
        }
        let template = self.template;
        for index in 0..self.machine_deployments.len() {
            while let Some(action) = self.next_action(index) {
                match action {
                    MachineAction::Create => self.create_machine(index, at, 0.0),
                    MachineAction::Drain(name) => self.begin_drain(&name, at, at),
                }
            }
            let Some(deployment) = self.machine_deployments.get_mut(index) else { return };
            if deployment.rolling && deployment.is_rolled(template) {
                deployment.rolling = false;
                let machines = deployment.machines.iter();
                let names: Vec<Arc<str>> = machines.map(|m| Arc::clone(&m.name)).collect();
                for name in names {
                    self.edit_node(&name, |object| {
                        for key in ROLL_ANNOTATIONS {
                            object.meta.annotations.remove(key);
                        }
                    });
                }
            }
        }
    }

    /// Reconciles the machines after a change of their deployments.
    pub fn reconcile_all_machines(&mut self, at: Timestamp) {
        self.dirty.machines = true;
        self.settle(at);
    }

    pub(super) fn next_action(&self, index: usize) -> Option<MachineAction> {
        self.machine_deployments.get(index)?.next_action(self.template)
    }

    /// Requests a machine; `head_start` is the fraction of its creation that has already elapsed.
    pub(super) fn create_machine(&mut self, index: usize, at: Timestamp, head_start: f64) {
        let template = self.template;
        let Some(deployment) = self.machine_deployments.get(index) else { return };
        let (pool, zone) = (Arc::clone(&deployment.pool), Arc::clone(&deployment.zone));
        let number = deployment.number;
        let name = self.machine_name(&pool, number, template);
        let duration = vary(CREATION, &mut self.rng);
        let begin = self.speed.after(at, scale(duration, -head_start));
        let moment = |fraction: f64| self.speed.after(begin, scale(duration, fraction)).max(at);
        self.tasks.add(moment(REGISTERED_AFTER), Task::RegisterNode(Arc::clone(&name)));
        if self.spec.pools.get(&pool).is_none_or(|pool| pool.joins) {
            self.tasks.add(moment(KUBELET_AFTER), Task::KubeletReady(Arc::clone(&name)));
            self.tasks.add(moment(1.0), Task::NodeJoined(Arc::clone(&name)));
        } else {
            let end = self.speed.after(begin, CREATION_TIMEOUT);
            self.tasks.add(end, Task::JoinTimeout(Arc::clone(&name)));
        }
        // The autoscaler creates and removes nodes as long as the program runs.
        self.node_histories.retain(|history| {
            history.gone.is_none_or(|gone| at.duration_since(gone) < HISTORY_LIMIT)
        });
        self.node_histories.push(NodeHistory::new(&name, &pool, &zone, template, begin));
        if let Some(deployment) = self.machine_deployments.get_mut(index) {
            let stage = MachineStage::Creating;
            deployment.machines.push(Machine::new(name, template, stage, begin));
        }
    }

    fn is_creating(&self, name: &str) -> bool {
        self.machine(name).is_some_and(|machine| machine.stage == MachineStage::Creating)
    }

    pub(super) fn register_node(&mut self, name: &Arc<str>, at: Timestamp) {
        let found = self.machine_deployments.iter().find_map(|deployment| {
            let machine = deployment.machines.iter().find(|machine| machine.name == *name)?;
            let (pool, zone) = (Arc::clone(&deployment.pool), Arc::clone(&deployment.zone));
            Some((pool, zone, machine.template))
        });
        let Some((pool, zone, template)) = found.filter(|_| self.is_creating(name)) else { return };
        if self.refusing_service("nodes").is_some() {
            let requested = self.node_history(name).map_or(at, |history| history.requested);
            if at < self.speed.after(requested, CREATION_TIMEOUT) {
                self.retry(name, at, Task::RegisterNode(Arc::clone(name)));
            } else {
                self.delete_machine(name, at);
            }
            return;
        }
        self.create_node(&pool, &zone, name, template, at);
        if let Some(history) = self.node_history(name) {
            history.registered = Some(at);
        }
        self.node_event(name, at, NewEvent::normal("kubelet", "Starting", "Starting kubelet."));
        let message = format!("Node {name} event: Registered Node {name} in Controller");
        let event = NewEvent::normal("node-controller", "RegisteredNode", message);
        self.node_event(name, at, event);
        self.mark_daemon_sets_dirty();
    }

    pub(super) fn mark_kubelet_ready(&mut self, name: &Arc<str>, at: Timestamp) {
        if !self.nodes.contains_key(name) {
            self.retry(name, at, Task::KubeletReady(Arc::clone(name)));
            return;
        }
        self.edit_node(name, |object| {
            if let Some(node) = object.node_mut() {
                node.ready = ready(at);
                node.remove_taint(NOT_READY_TAINT);
                node.remove_taint(UNINITIALIZED_TAINT);
            }
        });
        self.node_status_event(name, at, "NodeReady");
        self.start_waiting_pods(name, at);
    }

    /// Retries a task that ran too early for a machine being created.
    fn retry(&mut self, name: &str, at: Timestamp, task: Task) {
        if self.is_creating(name) {
            let next = self.in_roughly(at, REGISTER_AGAIN);
            self.tasks.add(throttled(at, next), task);
        }
    }

    pub(super) fn mark_node_joined(&mut self, name: &Arc<str>, at: Timestamp) {
        if !self.store.node(name).is_some_and(|node| node.ready.status) {
            self.retry(name, at, Task::NodeJoined(Arc::clone(name)));
            return;
        }
        let Some(pool) = self.nodes.get(name).map(|node| Arc::clone(&node.pool)) else { return };
        let machine = self.machine_mut(name);
        let Some(machine) = machine.filter(|m| m.stage == MachineStage::Creating) else { return };
        machine.stage = MachineStage::Ready;
        let template = machine.template;
        let checksum = self.node_agent_checksum(&pool, template);
        self.edit_node(name, |object| {
            if let Some(node) = object.node_mut() {
                node.remove_taint(CRITICAL_COMPONENTS_TAINT);
            }
            object.meta.annotations.insert(CHECKSUM_ANNOTATION.into(), checksum.into());
        });
        if let Some(history) = self.node_history(name) {
            history.ready = Some(at);
        }
        self.dirty.machines = true;
        self.dirty.pods = true;
    }

    pub(super) fn give_up_machine(&mut self, name: &Arc<str>, at: Timestamp) {
        if self.is_creating(name) {
            if self.is_preserved(name) {
                self.edit_node(name, |object| {
                    let (reason, message) = ("PreservedByUser", "Preservation by user request");
                    if let Some(node) = object.node_mut() {
                        let preserved = Condition { status: true, since: at, reason, message };
                        node.preserved.get_or_insert(preserved);
                    }
                });
                let next = self.in_roughly(at, PRESERVED);
                self.tasks.add(throttled(at, next), Task::JoinTimeout(Arc::clone(name)));
                return;
            }
            let message = format!("Node {name} status is now: NodeNotReady");
            let event = NewEvent::warning("node-controller", "NodeNotReady", message);
            self.node_event(name, at, event);
            self.delete_machine(name, at);
        }
    }

    /// Whether the machine of a node is annotated to be kept on failure.
    fn is_preserved(&self, name: &Arc<str>) -> bool {
        let node = self.store.get(ObjectKind::Node, &ObjectKey::global(Arc::clone(name)));
        let value = node.and_then(|node| node.meta.annotations.get(PRESERVE_ANNOTATION));
        value.is_some_and(|value| **value != *"false")
    }

    /// Starts replacing machines of older templates.
    pub fn start_roll(&mut self, at: Timestamp) {
        let template = self.template;
        let mut nodes = Vec::new();
        for deployment in &mut self.machine_deployments {
            deployment.rolling = true;
            let machines = deployment.machines.iter();
            nodes.extend(machines.map(|m| (Arc::clone(&m.name), m.template != template)));
        }
        for (name, old) in nodes {
            self.edit_node(&name, |object| mark_rolling(object, old));
        }
        self.reconcile_all_machines(at);
    }

    /// Whether no roll is in progress.
    pub fn is_rolled(&self) -> bool {
        self.machine_deployments.iter().all(|deployment| !deployment.rolling)
    }

    pub(super) fn remove_machine(&mut self, name: &Arc<str>, at: Timestamp) {
        let message = format!("Node {name} event: Removing Node {name} from Controller");
        self.node_event(name, at, NewEvent::normal("node-controller", "RemovingNode", message));
        self.remove_node(name, at);
        if let Some(history) = self.node_history(name) {
            // Also for a machine whose node never registered.
            history.gone.get_or_insert(at);
        }
        for deployment in &mut self.machine_deployments {
            deployment.machines.retain(|machine| machine.name != *name);
        }
        self.dirty.machines = true;
    }

    /// Removes a node object and everything on it.
    fn remove_node(&mut self, name: &Arc<str>, at: Timestamp) {
        for pod in self.nodes.get(name).map(|node| node.pods.clone()).unwrap_or_default() {
            self.remove_pod(&pod, at);
        }
        self.remove_attachments(name);
        self.nodes.remove(name);
        let key = ObjectKey::global(Arc::clone(name));
        if self.store.remove(ObjectKind::Node, &key).is_some()
            && let Some(history) = self.node_history(name)
        {
            history.gone = Some(at);
        }
        self.dirty.pods = true;
    }

    /// A client deletes a node object: its machine is replaced.
    pub fn delete_node(&mut self, name: &Arc<str>, at: Timestamp) {
        if let Some(history) = self.node_history(name) {
            history.draining.get_or_insert(at);
        }
        self.remove_node(name, at);
        self.delete_machine(name, at);
        self.settle(at);
    }

    /// Removes all machines.
    pub fn hibernate(&mut self, at: Timestamp) {
        self.hibernated = true;
        let deployments = self.machine_deployments.iter_mut();
        let machines = deployments.flat_map(|d| std::mem::take(&mut d.machines));
        let names: Vec<Arc<str>> = machines.map(|machine| machine.name).collect();
        for name in names {
            self.remove_node(&name, at);
        }
        self.settle(at);
    }

    /// Requests all machines again.
    pub fn wake_up(&mut self, at: Timestamp) {
        self.hibernated = false;
        self.reconcile_all_machines(at);
    }

    /// Adds or removes one machine in a zone.
    pub(super) fn run_autoscaler(&mut self, at: Timestamp) {
        let next = self.in_roughly(at, AUTOSCALE);
        self.tasks.add(next, Task::RunAutoscaler);
        let pools = &self.spec.pools;
        let mut scaled: Vec<_> = self
            .machine_deployments
            .iter_mut()
            .filter_map(|d| pools.get(&d.pool).filter(|pool| pool.autoscale).map(|pool| (d, pool)))
            .collect();
        let chosen = self.rng.below(scaled.len());
        let Some((deployment, pool)) = scaled.get_mut(chosen) else { return };
        let up = self.rng.below(2) == 0;
        if up && deployment.desired < pool.maximum {
            deployment.desired += 1;
        } else if !up && !deployment.rolling && deployment.desired > pool.minimum.max(1) {
            deployment.desired -= 1;
        }
        self.dirty.machines = true;
    }
}
