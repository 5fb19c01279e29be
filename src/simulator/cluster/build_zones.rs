//! Builds the machines and nodes of a cluster as a scene describes them: how many of them are new, and how old each is.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::build::Standing;
use crate::simulator::cluster::history::NodeLife;
use crate::simulator::cluster::interior::Interior;
use crate::simulator::cluster::nodes::{
    CHECKSUM, CRITICAL, NOT_READY, UNINITIALIZED, mark_rolling, ready,
};
use crate::simulator::cluster::objects::{Body, Text};
use crate::simulator::roll::{Machine, Stage, Zone, part, spread};

/// How long a drain that cannot end has lasted when a scene begins in the middle of a roll, at most.
const BLOCKED_FOR: SignedDuration = SignedDuration::from_mins(47);

impl Interior {
    /// Makes machines and nodes. Returns the node whose drain cannot end, if a roll is under way.
    pub(in crate::simulator::cluster) fn build_zones(
        &mut self,
        standing: &Standing<'_>,
    ) -> Option<Text> {
        let scene = standing.scene;
        let mut stuck = None;
        for pool in &scene.pools {
            for number in 0..pool.zones {
                let name = format!("{}-{}", self.about.region, number + 1);
                let desired = spread(pool.nodes, pool.zones, number);
                let (surge, unavailable) = Zone::limits(
                    spread(pool.surge, pool.zones, number),
                    spread(pool.unavailable, pool.zones, number),
                );
                let zone = Zone {
                    pool: pool.name.as_str().into(),
                    zone: name.as_str().into(),
                    number: number + 1,
                    desired,
                    surge,
                    unavailable,
                    nodes: Vec::new(),
                    rolling: standing.rolling,
                    no_capacity: scene.no_capacity.as_ref() == Some(&pool.name),
                };
                self.zones.push(zone);
                if self.asleep {
                    continue;
                }
                let blocked =
                    scene.blocked.as_ref().is_some_and(|[p, z, _]| *p == pool.name && *z == name);
                let (new, old) = mix(standing, desired, surge, blocked);
                self.build_nodes(standing, new, old);
                if standing.rolling && blocked && old > 0 {
                    stuck = self.first_old();
                }
            }
        }
        if let Some(name) = &stuck {
            let begun = standing.initiated.unwrap_or(standing.now);
            let begun = begun.saturating_add(SignedDuration::from_mins(4)).unwrap_or(begun);
            let since = standing.now.saturating_sub(BLOCKED_FOR).unwrap_or(begun).max(begun);
            let since = since.min(standing.now);
            self.drain_since(name, since, standing.now);
            let budget = standing.scene.blocked.as_ref().map(|[_, _, budget]| budget.clone());
            if let Some(machine) = self.machine_mut(name) {
                machine.blocked = budget.map(|budget| (since, budget));
            }
        }
        stuck
    }

    /// The node of the zone made last that is replaced first.
    fn first_old(&self) -> Option<Text> {
        let zone = self.zones.last()?;
        zone.nodes
            .iter()
            .filter(|machine| machine.template != self.template)
            .min_by_key(|machine| machine.created)
            .map(|machine| Text::clone(&machine.name))
    }

    /// Nodes of the zone made last.
    fn build_nodes(&mut self, standing: &Standing<'_>, new: usize, old: usize) {
        let Some((pool, zone, number)) = self
            .zones
            .last()
            .map(|zone| (Text::clone(&zone.pool), Text::clone(&zone.zone), zone.number))
        else {
            return;
        };
        for at in 0..new + old {
            let template = if at < new { self.template } else { self.template.saturating_sub(1) };
            let since = if at < new {
                self.born(standing, at, new)
            } else {
                self.born_before(standing, at - new)
            };
            let name = self.machine_name(&pool, number, template);
            self.appear(&pool, &zone, &name, template, since);
            let checksum = self.template_checksum(&pool, template);
            self.edit_node(&name, |object| {
                if standing.rolling {
                    mark_rolling(object, at >= new);
                }
                object.meta.annotations.insert(CHECKSUM.into(), checksum.as_str().into());
                if let Body::Node(node) = &mut object.body {
                    node.ready = ready(since);
                    for taint in [CRITICAL, UNINITIALIZED, NOT_READY] {
                        node.remove_taint(taint);
                    }
                }
            });
            self.lives.push(NodeLife {
                name: Text::clone(&name),
                pool: Text::clone(&pool),
                zone: Text::clone(&zone),
                template,
                asked: since,
                registered: Some(since),
                ready: Some(since),
                draining: None,
                forced: None,
                gone: None,
            });
            if let Some(zone) = self.zones.last_mut() {
                zone.nodes.push(Machine::new(name, template, Stage::Ready, since));
            }
        }
    }

    /// When a node of the present template became ready.
    fn born(&mut self, standing: &Standing<'_>, at: usize, of: usize) -> Timestamp {
        let minutes = |minutes: i64| SignedDuration::from_mins(minutes);
        let begun = match standing.initiated {
            Some(initiated) if self.template > 1 => initiated,
            _ => standing.created,
        };
        let first = begun.saturating_add(minutes(9)).unwrap_or(begun).min(standing.now);
        let closed = standing.completed.filter(|completed| *completed > begun);
        let last = closed.unwrap_or(standing.now).min(standing.now);
        let wave = i64::try_from(at).unwrap_or(0) * 8;
        let by_wave = first.saturating_add(minutes(wave)).unwrap_or(first);
        let share = f64::from(u32::try_from(at + 1).unwrap_or(1))
            / f64::from(u32::try_from(of + 1).unwrap_or(1));
        let evenly = first.saturating_add(part(last.duration_since(first), share)).unwrap_or(first);
        let jitter = SignedDuration::from_secs(i64::try_from(self.dice.below(90)).unwrap_or(0));
        let moment = by_wave.min(evenly).saturating_add(jitter).unwrap_or(first);
        moment.min(standing.now)
    }

    /// When a node of the template before became ready: in the course of the last roll, or with the cluster.
    fn born_before(&mut self, standing: &Standing<'_>, at: usize) -> Timestamp {
        let begun = standing
            .completed
            .and_then(|completed| completed.saturating_sub(SignedDuration::from_hours(9)).ok())
            .map_or(standing.created, |begun| begun.max(standing.created));
        let minutes = i64::try_from(9 + at * 8 + self.dice.below(3)).unwrap_or(9);
        let born = begun.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(begun);
        born.min(standing.initiated.unwrap_or(standing.now)).min(standing.now)
    }
}

/// How many nodes of a zone are new and how many old.
fn mix(standing: &Standing<'_>, desired: usize, surge: usize, blocked: bool) -> (usize, usize) {
    if !standing.rolling {
        return (desired, 0);
    }
    let new = share_of(desired, standing.scene.progress);
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
