//! Drains as machine-controller-manager does them: cordon, evict within the budgets, detach volumes, remove.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::Task;
use crate::simulator::cluster::budgets::Refused;
use crate::simulator::cluster::events::normal;
use crate::simulator::cluster::interior::{Interior, spaced};
use crate::simulator::cluster::nodes::{UNSCHEDULABLE, taint};
use crate::simulator::cluster::objects::{Body, Condition, Key, Kind, Object, Text};
use crate::simulator::roll::Stage;
use crate::simulator::scene::WorkloadKind;

/// Refused evictions are tried again after this long, seconds.
const RETRY: i64 = 20;
/// The drain looks again this soon after a pod has gone, seconds.
const SOON: i64 = 5;
/// An empty machine is removed after about this long, seconds.
const REMOVAL: i64 = 150;
/// A volume that does not come off its node is waited for this long.
const DETACH_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

impl Interior {
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
        machine.stage = Stage::Draining;
        machine.draining = Some(since);
        if let Some(life) = self.life(name) {
            life.draining = Some(since);
        }
        self.edit_node(name, |object| close(object, since));
        let message = format!("Node {name} status is now: NodeNotSchedulable");
        self.note(
            Kind::Node,
            &Key::global(name),
            since,
            normal("kubelet", "NodeNotSchedulable", message),
        );
        self.look_in(name, at, 2);
        let left = self.about.drain_timeout.saturating_sub(at.duration_since(since));
        let end = self.pace.then(at, left.max(SignedDuration::ZERO));
        self.agenda.add(end, Task::Force(Text::clone(name)));
    }

    /// Orders the next look, unless one comes earlier.
    fn look_in(&mut self, name: &Text, at: Timestamp, seconds: i64) {
        let next = self.pace.then(at, SignedDuration::from_secs(seconds));
        let next = spaced(at, next);
        let Some(machine) = self.machine_mut(name) else { return };
        if machine.next_look.is_none_or(|known| known <= at || known > next) {
            machine.next_look = Some(next);
            self.agenda.add(next, Task::Look(Text::clone(name)));
        }
    }

    /// Something left a node: if it drains, the drain goes on soon.
    pub(in crate::simulator::cluster) fn hasten(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_some_and(|machine| machine.stage == Stage::Draining) {
            self.look_in(name, at, SOON);
        }
    }

    /// The drain goes on: evicts what may be evicted. Pods with volumes go one after the other.
    pub(in crate::simulator::cluster) fn look(&mut self, name: &Text, at: Timestamp) {
        let Some(machine) = self.machine(name) else { return };
        if machine.stage != Stage::Draining || machine.next_look != Some(at) {
            return;
        }
        let mut one_moves = self.detaches_under_way(name, at);
        let mut waiting = Vec::new();
        let mut left = 0_usize;
        for key in self.evictable(name) {
            let Some(object) = self.store.get(Kind::Pod, &key) else { continue };
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
                Err(Refused::Budget { budget, .. }) => {
                    blocked.get_or_insert(budget);
                }
                Err(Refused::Several | Refused::Absent) => {}
            }
        }
        let since = |known: Option<&(Timestamp, String)>| known.map_or(at, |(since, _)| *since);
        if let Some(machine) = self.machine_mut(name) {
            machine.blocked =
                blocked.map(|budget| (since(machine.blocked.as_ref()), budget.to_string()));
        }
        if left == 0 && !self.detaches_under_way(name, at) {
            self.leave(name, at);
        } else {
            self.look_in(name, at, RETRY);
        }
    }

    /// Pods that a drain has to wait for.
    fn evictable(&self, name: &str) -> Vec<Key> {
        let stays = |key: &Key| {
            self.store
                .get(Kind::Pod, key)
                .and_then(|object| object.pod())
                .and_then(|pod| self.workloads.get(pod.workload))
                .is_some_and(|workload| workload.kind == WorkloadKind::DaemonSet)
        };
        let pods = self.hosts.get(name).into_iter().flat_map(|host| &host.pods);
        pods.filter(|key| !stays(key)).cloned().collect()
    }

    fn detaches_under_way(&self, name: &str, at: Timestamp) -> bool {
        let wait = DETACH_TIMEOUT;
        self.store.list(Kind::Attachment).any(|object| {
            object.attachment().is_some_and(|attachment| *attachment.node == *name)
                && object
                    .meta
                    .deletion
                    .is_some_and(|deletion| self.pace.real(deletion.by, at) < wait)
        })
    }

    /// The time is over: what is still there is deleted.
    pub(in crate::simulator::cluster) fn force(&mut self, name: &Text, at: Timestamp) {
        if self.machine(name).is_none_or(|machine| machine.stage != Stage::Draining) {
            return;
        }
        if let Some(life) = self.life(name) {
            life.forced = Some(at);
        }
        for key in self.evictable(name) {
            self.remove_pod(&key, at);
        }
        self.leave(name, at);
    }

    /// The machine is empty, or given up: it is removed.
    pub(in crate::simulator::cluster) fn leave(&mut self, name: &Text, at: Timestamp) {
        let Some(machine) = self.machine_mut(name).filter(|m| m.stage != Stage::Leaving) else {
            return;
        };
        machine.stage = Stage::Leaving;
        machine.blocked = None;
        if machine.draining.is_none() {
            machine.draining = Some(at);
            if let Some(life) = self.life(name) {
                life.draining.get_or_insert(at);
            }
            self.edit_node(name, |object| close(object, at));
        }
        let gone = self.in_about(at, REMOVAL);
        self.agenda.add(gone, Task::Gone(Text::clone(name)));
        self.stir.zones = true;
    }
}

/// Cordons a node and says that it is going.
fn close(object: &mut Object, at: Timestamp) {
    let Body::Node(node) = &mut object.body else { return };
    node.terminating = Some(Condition {
        status: true,
        since: at,
        reason: "ScaleDown".into(),
        message: "Machine Controller is scaling down machine".into(),
    });
    node.unschedulable = true;
    if !node.has_taint(UNSCHEDULABLE) {
        node.taints.push(taint(UNSCHEDULABLE, "NoSchedule", Some(at)));
    }
}
