//! Machines of a cluster and their nodes: made, joining, rolling, gone. What may begin is decided in `roll`.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::Task;
use crate::simulator::cluster::events::{normal, warning};
use crate::simulator::cluster::history::NodeLife;
use crate::simulator::cluster::interior::{Interior, spaced, text};
use crate::simulator::cluster::nodes::{
    CHECKSUM, CRITICAL, KEPT, KEPT_BY_MCM, NOT_READY, UNINITIALIZED, digest, mark_rolling, ready,
};
use crate::simulator::cluster::objects::{Body, Key, Kind, Text};
use crate::simulator::roll::{Decision, Machine, Stage, part};

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

impl Interior {
    /// A name for a new machine: pool, zone, machine set and chance.
    pub(in crate::simulator::cluster) fn machine_name(
        &mut self,
        pool: &str,
        zone: u32,
        template: u32,
    ) -> Text {
        let set = digest(&[&self.about.shoot, pool, &zone.to_string(), &template.to_string()], 5);
        let (shoot, name) = (&self.about.shoot, &self.about.name);
        let name = format!("shoot--{shoot}--{name}-{pool}-z{zone}-{set}");
        format!("{name}-{}", self.dice.letters(5)).into()
    }

    /// Begins what the limits of each zone allow, and notices when a zone is done.
    pub(in crate::simulator::cluster) fn step_zones(&mut self, at: Timestamp) {
        if self.asleep {
            return;
        }
        let template = self.template;
        for index in 0..self.zones.len() {
            while let Some(decision) = self.zones.get(index).and_then(|zone| zone.decide(template))
            {
                match decision {
                    Decision::Create => self.create_machine(index, at, 0.0),
                    Decision::Drain(name) => self.begin_drain(&name, at),
                }
            }
            let Some(zone) = self.zones.get_mut(index) else { return };
            if zone.rolling && zone.is_done(template) {
                zone.rolling = false;
                let names: Vec<Text> =
                    zone.nodes.iter().map(|node| Text::clone(&node.name)).collect();
                for name in names {
                    self.edit_node(&name, |object| {
                        object.meta.annotations.remove(KEPT);
                        object.meta.annotations.remove(KEPT_BY_MCM);
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
        let Some(zone) = self.zones.get(index) else { return };
        let (pool, zone_name, number) =
            (Text::clone(&zone.pool), Text::clone(&zone.zone), zone.number);
        let name = self.machine_name(&pool, number, template);
        let lasts = part(CREATION, 0.8 + 0.5 * self.dice.share());
        let begin = self.pace.then(at, part(lasts, -head_start));
        let joins = self.about.pools.get(&pool).is_none_or(|pool| pool.joins);
        let moment = |share: f64| self.pace.then(begin, part(lasts, share)).max(at);
        let (registered, kubelet, joined) =
            (moment(REGISTERED_AFTER), moment(KUBELET_AFTER), moment(1.0));
        self.agenda.add(registered, Task::Register(Text::clone(&name)));
        if joins {
            self.agenda.add(kubelet, Task::KubeletReady(Text::clone(&name)));
            self.agenda.add(joined, Task::Joined(Text::clone(&name)));
        } else {
            let end = self.pace.then(begin, CREATION_TIMEOUT);
            self.agenda.add(end, Task::NotJoined(Text::clone(&name)));
        }
        // The autoscaler makes and removes nodes for as long as the program runs.
        self.lives.retain(|life| life.gone.is_none_or(|gone| at.duration_since(gone) < REMEMBERED));
        self.lives.push(NodeLife {
            name: Text::clone(&name),
            pool,
            zone: zone_name,
            template,
            asked: begin,
            registered: None,
            ready: None,
            draining: None,
            forced: None,
            gone: None,
        });
        if let Some(zone) = self.zones.get_mut(index) {
            zone.nodes.push(Machine::new(name, template, Stage::Creating, begin));
        }
    }

    pub(in crate::simulator::cluster) fn life(&mut self, name: &str) -> Option<&mut NodeLife> {
        self.lives.iter_mut().rev().find(|life| *life.name == *name)
    }

    /// A new machine's node appears.
    pub(in crate::simulator::cluster) fn register(&mut self, name: &Text, at: Timestamp) {
        let Some((pool, zone, template)) = self.zones.iter().find_map(|zone| {
            let is_it =
                |machine: &&Machine| machine.name == *name && machine.stage == Stage::Creating;
            let machine = zone.nodes.iter().find(is_it)?;
            Some((Text::clone(&zone.pool), Text::clone(&zone.zone), machine.template))
        }) else {
            return;
        };
        if self.refuses_nodes() {
            let asked = self.life(name).map_or(at, |life| life.asked);
            if at < self.pace.then(asked, CREATION_TIMEOUT) {
                self.again(name, at, Task::Register(Text::clone(name)));
            } else {
                self.leave(name, at);
            }
            return;
        }
        self.appear(&pool, &zone, name, template, at);
        if let Some(life) = self.life(name) {
            life.registered = Some(at);
        }
        let key = Key::global(name);
        self.note(Kind::Node, &key, at, normal("kubelet", "Starting", "Starting kubelet.".into()));
        let message = format!("Node {name} event: Registered Node {name} in Controller");
        self.note(Kind::Node, &key, at, normal("node-controller", "RegisteredNode", message));
        self.daemons_may_start();
    }

    /// Its kubelet is ready.
    pub(in crate::simulator::cluster) fn kubelet_ready(&mut self, name: &Text, at: Timestamp) {
        if !self.hosts.contains_key(name) {
            self.again(name, at, Task::KubeletReady(Text::clone(name)));
            return;
        }
        self.edit_node(name, |object| {
            if let Body::Node(node) = &mut object.body {
                node.ready = ready(at);
                node.remove_taint(NOT_READY);
                node.remove_taint(UNINITIALIZED);
            }
        });
        let message = format!("Node {name} status is now: NodeReady");
        self.note(Kind::Node, &Key::global(name), at, normal("kubelet", "NodeReady", message));
        self.start_daemons(name, at);
    }

    /// What came too early for a machine that is not given up comes again.
    fn again(&mut self, name: &str, at: Timestamp, task: Task) {
        if self.machine(name).is_some_and(|machine| machine.stage == Stage::Creating) {
            let again = self.in_about(at, REGISTER_AGAIN);
            self.agenda.add(spaced(at, again), task);
        }
    }

    /// It takes pods.
    pub(in crate::simulator::cluster) fn joined(&mut self, name: &Text, at: Timestamp) {
        let node = self.store.get(Kind::Node, &Key::global(name));
        if !node.and_then(|object| object.node()).is_some_and(|node| node.ready.status) {
            self.again(name, at, Task::Joined(Text::clone(name)));
            return;
        }
        let Some(host) = self.hosts.get(name) else { return };
        let pool = Text::clone(&host.pool);
        let Some(machine) = self.machine_mut(name).filter(|m| m.stage == Stage::Creating) else {
            return;
        };
        machine.stage = Stage::Ready;
        let template = machine.template;
        let checksum = self.template_checksum(&pool, template);
        self.edit_node(name, |object| {
            if let Body::Node(node) = &mut object.body {
                node.remove_taint(CRITICAL);
            }
            object.meta.annotations.insert(CHECKSUM.into(), checksum.into());
        });
        if let Some(life) = self.life(name) {
            life.ready = Some(at);
        }
        self.stir.zones = true;
        self.stir.pods = true;
    }

    /// A machine that does not become ready is given up; another one is made.
    pub(in crate::simulator::cluster) fn not_joined(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_none_or(|machine| machine.stage != Stage::Creating) {
            return;
        }
        let message = format!("Node {name} status is now: NodeNotReady");
        let key = Key::global(name);
        self.note(Kind::Node, &key, at, warning("node-controller", "NodeNotReady", message));
        self.leave(name, at);
    }

    /// Old machines are to be replaced from now on.
    pub fn begin_roll(&mut self, at: Timestamp) {
        let template = self.template;
        let mut names = Vec::new();
        for zone in &mut self.zones {
            zone.rolling = true;
            names.extend(zone.nodes.iter().map(|m| (Text::clone(&m.name), m.template != template)));
        }
        for (name, old) in names {
            self.edit_node(&name, |object| mark_rolling(object, old));
        }
        self.stir.zones = true;
        self.settle(at);
    }

    /// Whether every zone has what it should have.
    pub fn is_rolled(&self) -> bool {
        self.zones.iter().all(|zone| !zone.rolling)
    }

    /// A machine is gone.
    pub(in crate::simulator::cluster) fn gone(&mut self, name: &Text, at: Timestamp) {
        let key = Key::global(name);
        let message = format!("Node {name} event: Removing Node {name} from Controller");
        self.note(Kind::Node, &key, at, normal("node-controller", "RemovingNode", message));
        self.remove_node(name, at);
        if let Some(life) = self.life(name) {
            // Also of a machine whose node never came.
            life.gone.get_or_insert(at);
        }
        for zone in &mut self.zones {
            zone.nodes.retain(|machine| machine.name != *name);
        }
        self.stir.zones = true;
    }

    /// The node object and everything on it is removed.
    pub(in crate::simulator::cluster) fn remove_node(&mut self, name: &Text, at: Timestamp) {
        for pod in self.hosts.get(name).map(|host| host.pods.clone()).unwrap_or_default() {
            self.remove_pod(&pod, at);
        }
        self.drop_attachments(name);
        self.hosts.remove(name);
        if self.store.remove(Kind::Node, &Key::global(name)).is_some()
            && let Some(life) = self.life(name)
        {
            life.gone = Some(at);
        }
        self.stir.pods = true;
    }

    /// Somebody deletes a node object: its machine is replaced.
    pub fn delete_node(&mut self, name: &str, at: Timestamp) {
        let name = text(name);
        if let Some(life) = self.life(&name) {
            life.draining.get_or_insert(at);
        }
        self.remove_node(&name, at);
        self.leave(&name, at);
        self.settle(at);
    }

    /// All machines vanish, as hibernation does it.
    pub fn fall_asleep(&mut self, at: Timestamp) {
        self.asleep = true;
        let names: Vec<Text> = self
            .zones
            .iter_mut()
            .flat_map(|zone| std::mem::take(&mut zone.nodes))
            .map(|machine| machine.name)
            .collect();
        for name in names {
            self.remove_node(&name, at);
        }
        self.settle(at);
    }

    /// Machines are made again.
    pub fn wake(&mut self, at: Timestamp) {
        self.asleep = false;
        self.stir.zones = true;
        self.settle(at);
    }

    /// Now and then the autoscaler wants one machine more or less in some zone.
    pub(in crate::simulator::cluster) fn autoscale(&mut self, at: Timestamp) {
        let next = self.in_about(at, AUTOSCALE);
        self.agenda.add(next, Task::Autoscale);
        let chosen: Vec<usize> = (0..self.zones.len())
            .filter(|index| {
                self.zones
                    .get(*index)
                    .and_then(|zone| self.about.pools.get(&zone.pool))
                    .is_some_and(|pool| pool.autoscale)
            })
            .collect();
        let Some(index) = chosen.get(self.dice.below(chosen.len())).copied() else { return };
        let up = self.dice.below(2) == 0;
        let Some(zone) = self.zones.get_mut(index) else { return };
        let Some(pool) = self.about.pools.get(&zone.pool) else { return };
        if up && zone.desired < pool.most {
            zone.desired += 1;
        } else if !up && !zone.rolling && zone.desired > pool.least.max(1) {
            zone.desired -= 1;
        }
        self.stir.zones = true;
    }
}
