//! Machines of a cluster and their nodes: made, joining, rolling, gone. What may begin is decided in `roll`.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::{DataPlane, spaced, text};
use crate::simulator::cluster::events::{normal, warning};
use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::nodes::{
    CHECKSUM_ANNOTATION, CRITICAL_COMPONENTS_TAINT, NOT_READY_TAINT, SCALE_DOWN_DISABLED,
    SCALE_DOWN_DISABLED_BY_MCM, UNINITIALIZED_TAINT, digest, mark_rolling, ready,
};
use crate::simulator::cluster::objects::{ObjectBody, ObjectKey, ObjectKind, Text};
use crate::simulator::cluster::task_queue::Task;
use crate::simulator::machine_deployment::{Machine, MachineAction, MachineStage, scaled};

/// Creating a machine takes about this long in reality, until it takes pods.
const CREATION: SignedDuration = SignedDuration::from_mins(4);
/// When its node appears, and when its kubelet is ready, as shares of that.
const REGISTERED_AFTER: f64 = 0.6;
const KUBELET_AFTER: f64 = 0.8;
/// After this long a machine that does not join is given up.
const CREATION_TIMEOUT: SignedDuration = SignedDuration::from_mins(20);
/// Machines that are gone for longer are forgotten.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(6);
/// The autoscaler acts about this often.
const AUTOSCALE: i64 = 360;
/// A kubelet whose node is refused tries again after about this long; seconds.
const REGISTER_AGAIN: i64 = 10;

impl DataPlane {
    /// A name for a new machine: pool, zone, machine set and chance.
    pub(in crate::simulator::cluster) fn machine_name(
        &mut self,
        pool: &str,
        zone: u32,
        template: u32,
    ) -> Text {
        let set = digest(&[&self.spec.shoot, pool, &zone.to_string(), &template.to_string()], 5);
        let (shoot, name) = (&self.spec.shoot, &self.spec.name);
        let name = format!("shoot--{shoot}--{name}-{pool}-z{zone}-{set}");
        format!("{name}-{}", self.rng.name_suffix(5)).into()
    }

    /// Begins what the limits of each zone allow, and notices when a zone is done.
    pub(in crate::simulator::cluster) fn step_machines(&mut self, at: Timestamp) {
        if self.hibernated {
            return;
        }
        let template = self.template;
        for index in 0..self.machine_deployments.len() {
            while let Some(decision) =
                self.machine_deployments.get(index).and_then(|zone| zone.next_action(template))
            {
                match decision {
                    MachineAction::Create => self.create_machine(index, at, 0.0),
                    MachineAction::Drain(name) => self.begin_drain(&name, at),
                }
            }
            let Some(zone) = self.machine_deployments.get_mut(index) else { return };
            if zone.rolling && zone.is_done(template) {
                zone.rolling = false;
                let names: Vec<Text> =
                    zone.machines.iter().map(|node| Text::clone(&node.name)).collect();
                for name in names {
                    self.edit_node(&name, |object| {
                        object.meta.annotations.remove(SCALE_DOWN_DISABLED);
                        object.meta.annotations.remove(SCALE_DOWN_DISABLED_BY_MCM);
                    });
                }
            }
        }
    }

    /// Asks for a machine. A head start is a share of its creation that lies in the past.
    pub(in crate::simulator::cluster) fn create_machine(
        &mut self,
        index: usize,
        at: Timestamp,
        head_start: f64,
    ) {
        let template = self.template;
        let Some(zone) = self.machine_deployments.get(index) else { return };
        let (pool, zone_name, number) =
            (Text::clone(&zone.pool), Text::clone(&zone.zone), zone.number);
        let name = self.machine_name(&pool, number, template);
        let lasts = scaled(CREATION, 0.8 + 0.5 * self.rng.fraction());
        let begin = self.speed.after(at, scaled(lasts, -head_start));
        let joins = self.spec.pools.get(&pool).is_none_or(|pool| pool.joins);
        let moment = |share: f64| self.speed.after(begin, scaled(lasts, share)).max(at);
        let (registered, kubelet, joined) =
            (moment(REGISTERED_AFTER), moment(KUBELET_AFTER), moment(1.0));
        self.tasks.add(registered, Task::RegisterNode(Text::clone(&name)));
        if joins {
            self.tasks.add(kubelet, Task::KubeletReady(Text::clone(&name)));
            self.tasks.add(joined, Task::NodeJoined(Text::clone(&name)));
        } else {
            let end = self.speed.after(begin, CREATION_TIMEOUT);
            self.tasks.add(end, Task::JoinTimeout(Text::clone(&name)));
        }
        // The autoscaler makes and removes nodes for as long as the program runs.
        self.node_histories
            .retain(|history| history.gone.is_none_or(|gone| at.duration_since(gone) < REMEMBERED));
        self.node_histories.push(NodeHistory {
            name: Text::clone(&name),
            pool,
            zone: zone_name,
            template,
            requested: begin,
            registered: None,
            ready: None,
            draining: None,
            forced: None,
            gone: None,
        });
        if let Some(zone) = self.machine_deployments.get_mut(index) {
            zone.machines.push(Machine::new(name, template, MachineStage::Creating, begin));
        }
    }

    pub(in crate::simulator::cluster) fn node_history(
        &mut self,
        name: &str,
    ) -> Option<&mut NodeHistory> {
        self.node_histories.iter_mut().rev().find(|history| *history.name == *name)
    }

    /// A new machine's node appears.
    pub(in crate::simulator::cluster) fn register_node(&mut self, name: &Text, at: Timestamp) {
        let Some((pool, zone, template)) = self.machine_deployments.iter().find_map(|zone| {
            let is_it = |machine: &&Machine| {
                machine.name == *name && machine.stage == MachineStage::Creating
            };
            let machine = zone.machines.iter().find(is_it)?;
            Some((Text::clone(&zone.pool), Text::clone(&zone.zone), machine.template))
        }) else {
            return;
        };
        if self.refuses_nodes() {
            let requested = self.node_history(name).map_or(at, |history| history.requested);
            if at < self.speed.after(requested, CREATION_TIMEOUT) {
                self.retry(name, at, Task::RegisterNode(Text::clone(name)));
            } else {
                self.delete_machine(name, at);
            }
            return;
        }
        self.create_node(&pool, &zone, name, template, at);
        if let Some(history) = self.node_history(name) {
            history.registered = Some(at);
        }
        let key = ObjectKey::global(name);
        self.record_event(
            ObjectKind::Node,
            &key,
            at,
            normal("kubelet", "Starting", "Starting kubelet.".into()),
        );
        let message = format!("Node {name} event: Registered Node {name} in Controller");
        self.record_event(
            ObjectKind::Node,
            &key,
            at,
            normal("node-controller", "RegisteredNode", message),
        );
        self.mark_daemon_sets_dirty();
    }

    /// Its kubelet is ready.
    pub(in crate::simulator::cluster) fn mark_kubelet_ready(&mut self, name: &Text, at: Timestamp) {
        if !self.nodes.contains_key(name) {
            self.retry(name, at, Task::KubeletReady(Text::clone(name)));
            return;
        }
        self.edit_node(name, |object| {
            if let ObjectBody::Node(node) = &mut object.body {
                node.ready = ready(at);
                node.remove_taint(NOT_READY_TAINT);
                node.remove_taint(UNINITIALIZED_TAINT);
            }
        });
        let message = format!("Node {name} status is now: NodeReady");
        self.record_event(
            ObjectKind::Node,
            &ObjectKey::global(name),
            at,
            normal("kubelet", "NodeReady", message),
        );
        self.start_waiting_pods(name, at);
    }

    /// What came too early for a machine that is not given up comes again.
    fn retry(&mut self, name: &str, at: Timestamp, task: Task) {
        if self.machine(name).is_some_and(|machine| machine.stage == MachineStage::Creating) {
            let again = self.in_about(at, REGISTER_AGAIN);
            self.tasks.add(spaced(at, again), task);
        }
    }

    /// It takes pods.
    pub(in crate::simulator::cluster) fn mark_node_joined(&mut self, name: &Text, at: Timestamp) {
        let node = self.store.get(ObjectKind::Node, &ObjectKey::global(name));
        if !node.and_then(|object| object.node()).is_some_and(|node| node.ready.status) {
            self.retry(name, at, Task::NodeJoined(Text::clone(name)));
            return;
        }
        let Some(host) = self.nodes.get(name) else { return };
        let pool = Text::clone(&host.pool);
        let Some(machine) = self.machine_mut(name).filter(|m| m.stage == MachineStage::Creating)
        else {
            return;
        };
        machine.stage = MachineStage::Ready;
        let template = machine.template;
        let checksum = self.template_checksum(&pool, template);
        self.edit_node(name, |object| {
            if let ObjectBody::Node(node) = &mut object.body {
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

    /// A machine that does not become ready is given up; another one is made.
    pub(in crate::simulator::cluster) fn give_up_machine(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_none_or(|machine| machine.stage != MachineStage::Creating) {
            return;
        }
        let message = format!("Node {name} status is now: NodeNotReady");
        let key = ObjectKey::global(name);
        self.record_event(
            ObjectKind::Node,
            &key,
            at,
            warning("node-controller", "NodeNotReady", message),
        );
        self.delete_machine(name, at);
    }

    /// Old machines are to be replaced from now on.
    pub fn start_roll(&mut self, at: Timestamp) {
        let template = self.template;
        let mut names = Vec::new();
        for zone in &mut self.machine_deployments {
            zone.rolling = true;
            names.extend(
                zone.machines.iter().map(|m| (Text::clone(&m.name), m.template != template)),
            );
        }
        for (name, old) in names {
            self.edit_node(&name, |object| mark_rolling(object, old));
        }
        self.dirty.machines = true;
        self.settle(at);
    }

    /// Whether every zone has what it should have.
    pub fn is_rolled(&self) -> bool {
        self.machine_deployments.iter().all(|zone| !zone.rolling)
    }

    /// A machine is gone.
    pub(in crate::simulator::cluster) fn remove_machine(&mut self, name: &Text, at: Timestamp) {
        let key = ObjectKey::global(name);
        let message = format!("Node {name} event: Removing Node {name} from Controller");
        self.record_event(
            ObjectKind::Node,
            &key,
            at,
            normal("node-controller", "RemovingNode", message),
        );
        self.remove_node(name, at);
        if let Some(history) = self.node_history(name) {
            // Also of a machine whose node never came.
            history.gone.get_or_insert(at);
        }
        for zone in &mut self.machine_deployments {
            zone.machines.retain(|machine| machine.name != *name);
        }
        self.dirty.machines = true;
    }

    /// The node object and everything on it is removed.
    pub(in crate::simulator::cluster) fn remove_node(&mut self, name: &Text, at: Timestamp) {
        for pod in self.nodes.get(name).map(|host| host.pods.clone()).unwrap_or_default() {
            self.remove_pod(&pod, at);
        }
        self.drop_attachments(name);
        self.nodes.remove(name);
        if self.store.remove(ObjectKind::Node, &ObjectKey::global(name)).is_some()
            && let Some(history) = self.node_history(name)
        {
            history.gone = Some(at);
        }
        self.dirty.pods = true;
    }

    /// Somebody deletes a node object: its machine is replaced.
    pub fn delete_node(&mut self, name: &str, at: Timestamp) {
        let name = text(name);
        if let Some(history) = self.node_history(&name) {
            history.draining.get_or_insert(at);
        }
        self.remove_node(&name, at);
        self.delete_machine(&name, at);
        self.settle(at);
    }

    /// All machines vanish, as hibernation does it.
    pub fn hibernate(&mut self, at: Timestamp) {
        self.hibernated = true;
        let names: Vec<Text> = self
            .machine_deployments
            .iter_mut()
            .flat_map(|zone| std::mem::take(&mut zone.machines))
            .map(|machine| machine.name)
            .collect();
        for name in names {
            self.remove_node(&name, at);
        }
        self.settle(at);
    }

    /// Machines are made again.
    pub fn wake_up(&mut self, at: Timestamp) {
        self.hibernated = false;
        self.dirty.machines = true;
        self.settle(at);
    }

    /// Now and then the autoscaler wants one machine more or less in some zone.
    pub(in crate::simulator::cluster) fn run_autoscaler(&mut self, at: Timestamp) {
        let next = self.in_about(at, AUTOSCALE);
        self.tasks.add(next, Task::Autoscale);
        let chosen: Vec<usize> = (0..self.machine_deployments.len())
            .filter(|index| {
                self.machine_deployments
                    .get(*index)
                    .and_then(|zone| self.spec.pools.get(&zone.pool))
                    .is_some_and(|pool| pool.autoscale)
            })
            .collect();
        let Some(index) = chosen.get(self.rng.below(chosen.len())).copied() else { return };
        let up = self.rng.below(2) == 0;
        let Some(zone) = self.machine_deployments.get_mut(index) else { return };
        let Some(pool) = self.spec.pools.get(&zone.pool) else { return };
        if up && zone.desired < pool.most {
            zone.desired += 1;
        } else if !up && !zone.rolling && zone.desired > pool.least.max(1) {
            zone.desired -= 1;
        }
        self.dirty.machines = true;
    }
}
