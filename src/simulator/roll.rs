//! The node roll of one cluster: surge, unavailable and zones as the platform counts them. Pure; time is handed in.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::dice::Dice;

/// Creating a machine takes about this long in reality.
const CREATION: SignedDuration = SignedDuration::from_mins(4);
/// Draining and removing one takes about this long.
const DRAIN: SignedDuration = SignedDuration::from_mins(3);

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Generation of its credentials.
    pub generation: u32,
    /// What it does.
    pub stage: Stage,
    /// When it was asked for.
    pub created: Timestamp,
}

/// What a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Being made until then.
    Creating(Timestamp),
    /// Works.
    Ready,
    /// Its pods leave until then; `None` while a PodDisruptionBudget holds one.
    Draining(Option<Timestamp>),
}

/// The machines of one pool in one zone. Zones roll in parallel and independently.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the zone of a zone is its name")]
pub struct Zone {
    /// Pool.
    pub pool: String,
    /// Zone.
    pub zone: String,
    /// Machines wanted.
    pub desired: usize,
    /// More machines than wanted, at most.
    pub surge: usize,
    /// Fewer working machines than wanted, at most.
    pub unavailable: usize,
    /// Machines.
    pub nodes: Vec<Node>,
    /// Whether drains cannot end.
    pub blocked: bool,
    /// Whether no new machine can be had.
    pub no_capacity: bool,
}

/// Spreads a pool's number over its zones, the remainder to the first ones.
pub fn spread(number: u32, zones: u32, zone: u32) -> usize {
    let zones = zones.max(1);
    let share = number / zones + u32::from(zone < number % zones);
    usize::try_from(share).unwrap_or(0)
}

impl Zone {
    /// Surge and unavailable as they work out here: where both come out as zero, one may be missing.
    pub fn limits(surge: usize, unavailable: usize) -> (usize, usize) {
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    /// The next moment at which something ends here.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.nodes
            .iter()
            .filter_map(|node| match node.stage {
                Stage::Creating(until) => Some(until),
                Stage::Draining(until) => until,
                Stage::Ready => None,
            })
            .min()
    }

    /// Whether every machine works and is of this generation.
    pub fn is_done(&self, generation: u32) -> bool {
        self.nodes.len() == self.desired
            && self.nodes.iter().all(|n| n.generation == generation && n.stage == Stage::Ready)
    }

    /// Ends what is due and begins what the limits allow.
    pub fn step(&mut self, now: Timestamp, generation: u32, speed: f64, dice: &mut Dice) {
        self.nodes
            .retain(|node| !matches!(node.stage, Stage::Draining(Some(until)) if until <= now));
        for node in &mut self.nodes {
            if matches!(node.stage, Stage::Creating(until) if until <= now) {
                node.stage = Stage::Ready;
            }
        }
        loop {
            if self.can_create(generation) {
                let until = after(now, CREATION, speed, dice);
                self.nodes.push(Node {
                    name: format!("{}-{}-{}", self.pool, self.zone, dice.letters(5)),
                    generation,
                    stage: Stage::Creating(until),
                    created: now,
                });
            } else if let Some(at) = self.next_to_drain(generation) {
                let until = (!self.blocked).then(|| after(now, DRAIN, speed, dice));
                if let Some(node) = self.nodes.get_mut(at) {
                    node.stage = Stage::Draining(until);
                }
            } else {
                return;
            }
        }
    }

    fn can_create(&self, generation: u32) -> bool {
        let new = self.nodes.iter().filter(|node| node.generation == generation).count();
        // Machines that are going still count against the surge: a stuck drain stops its zone.
        !self.no_capacity && new < self.desired && self.nodes.len() < self.desired + self.surge
    }

    fn next_to_drain(&self, generation: u32) -> Option<usize> {
        let ready = self.nodes.iter().filter(|node| node.stage == Stage::Ready).count();
        if ready <= self.desired.saturating_sub(self.unavailable) {
            return None;
        }
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.generation != generation && node.stage == Stage::Ready)
            .min_by_key(|(_, node)| node.created)
            .map(|(at, _)| at)
    }
}

/// A moment about `lasts` from now, made shorter by the speed.
pub fn after(now: Timestamp, lasts: SignedDuration, speed: f64, dice: &mut Dice) -> Timestamp {
    let seconds = lasts.as_secs_f64() * (0.8 + 0.5 * dice.share()) / speed.max(0.01);
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|lasts| now.saturating_add(lasts).ok())
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::simulator::dice::Dice;
    use crate::simulator::roll::{Node, Stage, Zone, spread};

    fn zone(desired: usize, surge: usize, unavailable: usize) -> Zone {
        let (surge, unavailable) = Zone::limits(surge, unavailable);
        let nodes = (0..desired)
            .map(|number| Node {
                name: number.to_string(),
                generation: 1,
                stage: Stage::Ready,
                created: Timestamp::UNIX_EPOCH,
            })
            .collect();
        let (pool, zone) = ("web".to_owned(), "eu01-1".to_owned());
        Zone { pool, zone, desired, surge, unavailable, nodes, blocked: false, no_capacity: false }
    }

    #[test]
    fn the_remainder_goes_to_the_first_zones() {
        assert_eq!((0..3).map(|zone| spread(7, 3, zone)).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!((0..3).map(|zone| spread(1, 3, zone)).collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn a_zone_without_surge_drains_before_it_creates() {
        let mut zone = zone(2, 0, 0);
        zone.step(Timestamp::UNIX_EPOCH, 2, 1.0, &mut Dice::new(1));
        assert_eq!(zone.nodes.len(), 2);
        assert_eq!(zone.nodes.iter().filter(|n| matches!(n.stage, Stage::Draining(_))).count(), 1);
    }

    #[test]
    fn a_blocked_drain_stops_its_zone() {
        let mut zone = zone(3, 1, 0);
        zone.blocked = true;
        let mut dice = Dice::new(1);
        let mut now = Timestamp::UNIX_EPOCH;
        for _ in 0..200 {
            zone.step(now, 2, 1.0, &mut dice);
            now = now.saturating_add(jiff::SignedDuration::from_mins(1)).unwrap();
        }
        assert!(!zone.is_done(2));
        assert_eq!(zone.nodes.iter().filter(|n| n.stage == Stage::Draining(None)).count(), 1);
        zone.blocked = false;
    }

    proptest! {
        #[test]
        fn limits_hold_at_every_step_and_the_roll_ends(
            desired in 1_usize..12, surge in 0_usize..4, unavailable in 0_usize..4, seed in any::<u64>(),
        ) {
            let mut zone = zone(desired, surge, unavailable);
            let mut dice = Dice::new(seed);
            let mut now = Timestamp::UNIX_EPOCH;
            for _ in 0..10_000 {
                zone.step(now, 2, 1.0, &mut dice);
                let ready = zone.nodes.iter().filter(|n| n.stage == Stage::Ready).count();
                prop_assert!(zone.nodes.len() <= desired + zone.surge);
                prop_assert!(ready + zone.unavailable >= desired);
                match zone.next_end() {
                    Some(next) => now = next,
                    None => break,
                }
            }
            prop_assert!(zone.is_done(2));
        }
    }
}
