//! Builds the machines and nodes of a cluster as described by its scene: how many are new, and the age of each.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::build::InitialState;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::machine_deployment::{
    Machine, MachineDeployment, MachineStage, spread,
};
use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::nodes::{
    CHECKSUM_ANNOTATION, CRITICAL_COMPONENTS_TAINT, NOT_READY_TAINT, UNINITIALIZED_TAINT,
    mark_rolling, ready,
};
use crate::simulator::speed::{earlier, later, scale};

/// Maximum age of a blocked drain if a scene starts during a roll.
const BLOCKED_FOR: SignedDuration = SignedDuration::from_mins(47);

impl DataPlane {
    /// Creates machines and nodes. Returns the node whose drain is blocked, if there is one.
    pub(super) fn build_machines(&mut self, initial: &InitialState<'_>) -> Option<Arc<str>> {
        let scene = initial.scene;
        let mut blocked_node = None;
        for pool in &scene.pools {
            for number in 0..pool.zones {
                let name = format!("{}-{}", self.spec.region, number + 1);
                let desired = spread(pool.nodes, pool.zones, number);
                let (surge, unavailable) = MachineDeployment::limits(
                    spread(pool.surge, pool.zones, number),
                    spread(pool.unavailable, pool.zones, number),
                );
                let mut deployment = MachineDeployment {
                    pool: pool.name.as_str().into(),
                    zone: name.as_str().into(),
                    number: number + 1,
                    desired,
                    surge,
                    unavailable,
                    machines: Vec::new(),
                    rolling: initial.rolling,
                    no_capacity: scene.no_capacity.as_ref() == Some(&pool.name),
                };
                if !self.hibernated {
                    let blocked = scene.blocked.as_ref();
                    let blocked = blocked.is_some_and(|[p, z, _]| *p == pool.name && *z == name);
                    let (new, old) = new_and_old(initial, desired, surge, blocked);
                    self.build_nodes(&mut deployment, initial, new, old);
                    if initial.rolling && blocked && old > 0 {
                        let machines = deployment.machines.iter();
                        let oldest = machines
                            .filter(|machine| machine.template != self.template)
                            .min_by_key(|machine| machine.created);
                        blocked_node = oldest.map(|machine| Arc::clone(&machine.name));
                    }
                }
                self.machine_deployments.push(deployment);
            }
        }
        if let (Some(name), Some([_, _, budget])) = (&blocked_node, &scene.blocked) {
            let begun = initial.initiated.unwrap_or(initial.now);
            let begun = later(begun, SignedDuration::from_mins(4));
            let since = earlier(initial.now, BLOCKED_FOR).max(begun).min(initial.now);
            self.begin_drain(name, since, initial.now);
            if let Some(machine) = self.machine_mut(name) {
                machine.blocked = Some((since, budget.clone()));
            }
        }
        blocked_node
    }

    fn build_nodes(
        &mut self,
        deployment: &mut MachineDeployment,
        initial: &InitialState<'_>,
        new: usize,
        old: usize,
    ) {
        let (pool, zone) = (Arc::clone(&deployment.pool), Arc::clone(&deployment.zone));
        for at in 0..new + old {
            let template = if at < new { self.template } else { self.template.saturating_sub(1) };
            let since = if at < new {
                self.new_node_since(initial, at, new)
            } else {
                self.old_node_since(initial, at - new)
            };
            let name = self.machine_name(&pool, deployment.number, template);
            self.create_node(&pool, &zone, &name, template, since);
            let checksum = self.node_agent_checksum(&pool, template);
            self.edit_node(&name, |object| {
                if initial.rolling {
                    mark_rolling(object, at >= new);
                }
                object.meta.annotations.insert(CHECKSUM_ANNOTATION.into(), checksum.into());
                if let Some(node) = object.node_mut() {
                    node.ready = ready(since);
                    for taint in [CRITICAL_COMPONENTS_TAINT, UNINITIALIZED_TAINT, NOT_READY_TAINT] {
                        node.remove_taint(taint);
                    }
                }
            });
            self.node_histories.push(NodeHistory {
                registered: Some(since),
                ready: Some(since),
                ..NodeHistory::new(&name, &pool, &zone, template, since)
            });
            deployment.machines.push(Machine::new(name, template, MachineStage::Ready, since));
        }
    }

    /// When a node of the current template became ready.
    fn new_node_since(&mut self, initial: &InitialState<'_>, at: usize, of: usize) -> Timestamp {
        let begun = match initial.initiated {
            Some(initiated) if self.template > 1 => initiated,
            _ => initial.created,
        };
        let first = initial.minutes_after(begun, 9);
        let closed = initial.completed.filter(|completed| *completed > begun);
        let last = closed.unwrap_or(initial.now).min(initial.now);
        // One after the other, or evenly over the rotation if that was shorter.
        let wave = i64::try_from(at).unwrap_or(0) * 8;
        let by_wave = later(first, SignedDuration::from_mins(wave));
        let fraction = f64::from(u32::try_from(at + 1).unwrap_or(1))
            / f64::from(u32::try_from(of + 1).unwrap_or(1));
        let evenly = later(first, scale(last.duration_since(first), fraction));
        let jitter = SignedDuration::from_secs(i64::try_from(self.rng.below(90)).unwrap_or(0));
        later(by_wave.min(evenly), jitter).min(initial.now)
    }

    /// When a node of the previous template became ready: in the last roll, or with the cluster.
    fn old_node_since(&mut self, initial: &InitialState<'_>, at: usize) -> Timestamp {
        let begun = initial.completed.map_or(initial.created, |completed| {
            earlier(completed, SignedDuration::from_hours(9)).max(initial.created)
        });
        let minutes = i64::try_from(9 + at * 8 + self.rng.below(3)).unwrap_or(9);
        let ready = initial.minutes_after(begun, minutes);
        ready.min(initial.initiated.unwrap_or(ready))
    }
}

/// Number of new and of old nodes of a zone.
fn new_and_old(
    initial: &InitialState<'_>,
    desired: usize,
    surge: usize,
    blocked: bool,
) -> (usize, usize) {
    if !initial.rolling {
        return (desired, 0);
    }
    let new = fraction_of(desired, initial.scene.progress);
    if !blocked || desired == 0 {
        return (new, desired - new);
    }
    // One old node drains, and its successor exists if surge allows it.
    let new = new.min(desired - 1);
    (new + usize::from(surge > 0), desired - new)
}

fn fraction_of(count: usize, fraction: f64) -> usize {
    let float = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    (0..count).filter(|at| float(*at) + 0.5 < fraction * float(count)).count()
}
