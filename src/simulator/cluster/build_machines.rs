//! Builds the machines and nodes of a cluster as a scene describes them: how many of them are new, and how old each is.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::build::InitialState;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::node_history::NodeHistory;
use crate::simulator::cluster::nodes::{
    CHECKSUM_ANNOTATION, CRITICAL_COMPONENTS_TAINT, NOT_READY_TAINT, UNINITIALIZED_TAINT,
    mark_rolling, ready,
};
use crate::simulator::cluster::objects::{ObjectBody, Text};
use crate::simulator::machine_deployment::{
    Machine, MachineDeployment, MachineStage, scaled, spread,
};

/// How long a drain that cannot end has lasted when a scene begins in the middle of a roll, at most.
const BLOCKED_FOR: SignedDuration = SignedDuration::from_mins(47);

impl DataPlane {
    /// Makes machines and nodes. Returns the node whose drain cannot end, if a roll is under way.
    pub(in crate::simulator::cluster) fn build_machines(
        &mut self,
        initial: &InitialState<'_>,
    ) -> Option<Text> {
        let scene = initial.scene;
        let mut stuck = None;
        for pool in &scene.pools {
            for number in 0..pool.zones {
                let name = format!("{}-{}", self.spec.region, number + 1);
                let desired = spread(pool.nodes, pool.zones, number);
                let (surge, unavailable) = MachineDeployment::limits(
                    spread(pool.surge, pool.zones, number),
                    spread(pool.unavailable, pool.zones, number),
                );
                let zone = MachineDeployment {
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
                self.machine_deployments.push(zone);
                if self.hibernated {
                    continue;
                }
                let blocked =
                    scene.blocked.as_ref().is_some_and(|[p, z, _]| *p == pool.name && *z == name);
                let (new, old) = mix(initial, desired, surge, blocked);
                self.build_nodes(initial, new, old);
                if initial.rolling && blocked && old > 0 {
                    stuck = self.first_old();
                }
            }
        }
        if let Some(name) = &stuck {
            let begun = initial.initiated.unwrap_or(initial.now);
            let begun = begun.saturating_add(SignedDuration::from_mins(4)).unwrap_or(begun);
            let since = initial.now.saturating_sub(BLOCKED_FOR).unwrap_or(begun).max(begun);
            let since = since.min(initial.now);
            self.drain_since(name, since, initial.now);
            let budget = initial.scene.blocked.as_ref().map(|[_, _, budget]| budget.clone());
            if let Some(machine) = self.machine_mut(name) {
                machine.blocked = budget.map(|budget| (since, budget));
            }
        }
        stuck
    }

    /// The node of the zone made last that is replaced first.
    fn first_old(&self) -> Option<Text> {
        let zone = self.machine_deployments.last()?;
        zone.machines
            .iter()
            .filter(|machine| machine.template != self.template)
            .min_by_key(|machine| machine.created)
            .map(|machine| Text::clone(&machine.name))
    }

    /// Nodes of the zone made last.
    fn build_nodes(&mut self, initial: &InitialState<'_>, new: usize, old: usize) {
        let Some((pool, zone, number)) = self
            .machine_deployments
            .last()
            .map(|zone| (Text::clone(&zone.pool), Text::clone(&zone.zone), zone.number))
        else {
            return;
        };
        for at in 0..new + old {
            let template = if at < new { self.template } else { self.template.saturating_sub(1) };
            let since = if at < new {
                self.node_creation(initial, at, new)
            } else {
                self.old_node_creation(initial, at - new)
            };
            let name = self.machine_name(&pool, number, template);
            self.create_node(&pool, &zone, &name, template, since);
            let checksum = self.template_checksum(&pool, template);
            self.edit_node(&name, |object| {
                if initial.rolling {
                    mark_rolling(object, at >= new);
                }
                object
                    .meta
                    .annotations
                    .insert(CHECKSUM_ANNOTATION.into(), checksum.as_str().into());
                if let ObjectBody::Node(node) = &mut object.body {
                    node.ready = ready(since);
                    for taint in [CRITICAL_COMPONENTS_TAINT, UNINITIALIZED_TAINT, NOT_READY_TAINT] {
                        node.remove_taint(taint);
                    }
                }
            });
            self.node_histories.push(NodeHistory {
                name: Text::clone(&name),
                pool: Text::clone(&pool),
                zone: Text::clone(&zone),
                template,
                requested: since,
                registered: Some(since),
                ready: Some(since),
                draining: None,
                forced: None,
                gone: None,
            });
            if let Some(zone) = self.machine_deployments.last_mut() {
                zone.machines.push(Machine::new(name, template, MachineStage::Ready, since));
            }
        }
    }

    /// When a node of the present template became ready.
    fn node_creation(&mut self, initial: &InitialState<'_>, at: usize, of: usize) -> Timestamp {
        let minutes = |minutes: i64| SignedDuration::from_mins(minutes);
        let begun = match initial.initiated {
            Some(initiated) if self.template > 1 => initiated,
            _ => initial.created,
        };
        let first = begun.saturating_add(minutes(9)).unwrap_or(begun).min(initial.now);
        let closed = initial.completed.filter(|completed| *completed > begun);
        let last = closed.unwrap_or(initial.now).min(initial.now);
        let wave = i64::try_from(at).unwrap_or(0) * 8;
        let by_wave = first.saturating_add(minutes(wave)).unwrap_or(first);
        let share = f64::from(u32::try_from(at + 1).unwrap_or(1))
            / f64::from(u32::try_from(of + 1).unwrap_or(1));
        let evenly =
            first.saturating_add(scaled(last.duration_since(first), share)).unwrap_or(first);
        let jitter = SignedDuration::from_secs(i64::try_from(self.rng.below(90)).unwrap_or(0));
        let moment = by_wave.min(evenly).saturating_add(jitter).unwrap_or(first);
        moment.min(initial.now)
    }

    /// When a node of the template before became ready: in the course of the last roll, or with the cluster.
    fn old_node_creation(&mut self, initial: &InitialState<'_>, at: usize) -> Timestamp {
        let begun = initial
            .completed
            .and_then(|completed| completed.saturating_sub(SignedDuration::from_hours(9)).ok())
            .map_or(initial.created, |begun| begun.max(initial.created));
        let minutes = i64::try_from(9 + at * 8 + self.rng.below(3)).unwrap_or(9);
        let born = begun.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(begun);
        born.min(initial.initiated.unwrap_or(initial.now)).min(initial.now)
    }
}

/// How many nodes of a zone are new and how many old.
fn mix(initial: &InitialState<'_>, desired: usize, surge: usize, blocked: bool) -> (usize, usize) {
    if !initial.rolling {
        return (desired, 0);
    }
    let new = share_of(desired, initial.scene.progress);
    if !blocked || desired == 0 {
        return (new, desired - new);
    }
    // One old node drains, and where there may be more nodes than wanted, its successor is there.
    let new = new.min(desired - 1);
    (new + usize::from(surge > 0), desired - new)
}

/// A share of a number of nodes, rounded to whole ones.
fn share_of(count: usize, share: f64) -> usize {
    (0..count)
        .filter(|at| {
            let at = u32::try_from(*at).unwrap_or(u32::MAX);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            f64::from(at) + 0.5 < share * f64::from(count)
        })
        .count()
}
