//! The node roll of one pool in one zone: surge, unavailable and zones as the platform counts them. Pure; it decides
//! what may begin, and `cluster::machines` does it.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::objects::Text;
use crate::simulator::rng::Rng;

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Name; its node has the same.
    pub name: Text,
    /// Which template of its pool it was made from; old ones are replaced.
    pub template: u32,
    pub stage: MachineStage,
    /// When it was asked for.
    pub created: Timestamp,
    /// Since when it drains.
    pub draining: Option<Timestamp>,
    /// Since when a PodDisruptionBudget holds its drain up, and which one.
    pub blocked: Option<(Timestamp, String)>,
    /// When the drain looks at it next; earlier orders are out of date.
    pub next_check: Option<Timestamp>,
}

/// What a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineStage {
    /// Is made, starts and joins.
    Creating,
    Ready,
    /// Its pods leave.
    Draining,
    /// Empty; it is being removed.
    Leaving,
}

impl Machine {
    /// A machine that is being made.
    pub fn new(name: Text, template: u32, stage: MachineStage, created: Timestamp) -> Self {
        Self { name, template, stage, created, draining: None, blocked: None, next_check: None }
    }

    /// Whether it is on its way out.
    pub fn is_going(&self) -> bool {
        matches!(self.stage, MachineStage::Draining | MachineStage::Leaving)
    }
}

/// What may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineAction {
    /// One more machine.
    Create,
    /// This machine is drained and removed.
    Drain(Text),
}

/// The machines of one pool in one zone. Zones roll in parallel and independently.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "the zone of a zone is its name")]
pub struct MachineDeployment {
    pub pool: Text,
    pub zone: Text,
    /// Number of the zone, from 1.
    pub number: u32,
    /// Machines wanted.
    pub desired: usize,
    /// More machines than wanted, at most.
    pub surge: usize,
    /// Fewer working machines than wanted, at most.
    pub unavailable: usize,
    pub machines: Vec<Machine>,
    /// Whether old machines are being replaced.
    pub rolling: bool,
    /// Whether no new machine can be had.
    pub no_capacity: bool,
}

/// Spreads a pool's number over its zones, the remainder to the first ones.
pub fn spread(number: u32, zones: u32, zone: u32) -> usize {
    let zones = zones.max(1);
    let share = number / zones + u32::from(zone < number % zones);
    usize::try_from(share).unwrap_or(0)
}

impl MachineDeployment {
    /// Surge and unavailable as they work out here: where both come out as zero, one may be missing.
    pub fn limits(surge: usize, unavailable: usize) -> (usize, usize) {
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    /// Whether every machine works and is of this template.
    pub fn is_done(&self, template: u32) -> bool {
        self.machines.len() == self.desired
            && self
                .machines
                .iter()
                .all(|n| n.template == template && n.stage == MachineStage::Ready)
    }

    /// Machines that work.
    pub fn ready(&self) -> usize {
        self.machines.iter().filter(|node| node.stage == MachineStage::Ready).count()
    }

    /// The next thing that the limits allow, if there is one.
    pub fn next_action(&self, template: u32) -> Option<MachineAction> {
        if self.can_create(template) {
            Some(MachineAction::Create)
        } else {
            self.next_to_drain(template).map(MachineAction::Drain)
        }
    }

    fn can_create(&self, template: u32) -> bool {
        let staying = |node: &&Machine| !node.is_going();
        let new = self.machines.iter().filter(|n| n.template == template).filter(staying).count();
        let old = self.machines.iter().filter(|n| n.template != template).filter(staying).count();
        // Outside of a roll old machines are as good as new ones.
        let have = if self.rolling { new } else { new + old };
        // Machines that are going still count against the surge: a stuck drain stops its zone.
        !self.no_capacity && have < self.desired && self.machines.len() < self.desired + self.surge
    }

    fn next_to_drain(&self, template: u32) -> Option<Text> {
        let oldest = |old: bool| {
            self.machines
                .iter()
                .filter(|node| {
                    (node.template != template) == old && node.stage == MachineStage::Ready
                })
                .min_by_key(|node| node.created)
                .map(|node| Text::clone(&node.name))
        };
        if self.rolling {
            let enough = self.ready() > self.desired.saturating_sub(self.unavailable);
            return enough.then(|| oldest(true)).flatten();
        }
        let staying = self.machines.iter().filter(|node| !node.is_going()).count();
        (staying > self.desired).then(|| oldest(true).or_else(|| oldest(false))).flatten()
    }
}

/// Reality, or faster.
#[derive(Debug, Clone, Copy)]
pub struct Speed(f64);

impl Speed {
    /// So many times faster than in reality.
    pub fn new(speed: f64) -> Self {
        Self(speed.max(0.01))
    }

    /// A moment `lasts` from a moment.
    pub fn after(self, at: Timestamp, lasts: SignedDuration) -> Timestamp {
        SignedDuration::try_from_secs_f64(lasts.as_secs_f64() / self.0)
            .ok()
            .and_then(|lasts| at.saturating_add(lasts).ok())
            .unwrap_or(at)
    }

    /// A moment about `lasts` from a moment.
    pub fn roughly_after(self, at: Timestamp, lasts: SignedDuration, rng: &mut Rng) -> Timestamp {
        self.after(at, scaled(lasts, 0.8 + 0.5 * rng.fraction()))
    }

    /// How long a wait is that took from one moment to another, as it would be in reality.
    pub fn real_time(self, from: Timestamp, to: Timestamp) -> SignedDuration {
        scaled(to.duration_since(from), self.0)
    }
}

/// A share, or a multiple, of a duration.
pub fn scaled(of: SignedDuration, share: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(of.as_secs_f64() * share).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use crate::simulator::machine_deployment::{
        Machine, MachineAction, MachineDeployment, MachineStage, spread,
    };
    use crate::simulator::rng::Rng;

    fn zone(desired: usize, surge: usize, unavailable: usize) -> MachineDeployment {
        let (surge, unavailable) = MachineDeployment::limits(surge, unavailable);
        let nodes = (0..desired)
            .map(|number| {
                Machine::new(
                    number.to_string().into(),
                    1,
                    MachineStage::Ready,
                    Timestamp::UNIX_EPOCH,
                )
            })
            .collect();
        MachineDeployment {
            pool: "web".into(),
            zone: "eu01-1".into(),
            number: 1,
            desired,
            surge,
            unavailable,
            machines: nodes,
            rolling: true,
            no_capacity: false,
        }
    }

    /// A zone with machines that take a random time for what they do.
    struct Played {
        zone: MachineDeployment,
        ends: Vec<(Timestamp, String)>,
        rng: Rng,
        blocked: bool,
        count: usize,
    }

    impl Played {
        fn step(&mut self, now: Timestamp) {
            for (_, name) in self.ends.iter().filter(|(at, _)| *at <= now) {
                let at = self.zone.machines.iter().position(|n| *n.name == **name).unwrap();
                if self.zone.machines[at].is_going() {
                    self.zone.machines.remove(at);
                } else {
                    self.zone.machines[at].stage = MachineStage::Ready;
                }
            }
            self.ends.retain(|(at, _)| *at > now);
            while let Some(decision) = self.zone.next_action(2) {
                let seconds = i64::try_from(60 + self.rng.below(240)).unwrap();
                let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
                match decision {
                    MachineAction::Create => {
                        self.count += 1;
                        let name = format!("new-{}", self.count);
                        let machine =
                            Machine::new(name.as_str().into(), 2, MachineStage::Creating, now);
                        self.zone.machines.push(machine);
                        self.ends.push((end, name));
                    }
                    MachineAction::Drain(name) => {
                        let node = self.zone.machines.iter_mut().find(|n| n.name == name).unwrap();
                        node.stage = MachineStage::Draining;
                        if !self.blocked {
                            self.ends.push((end, name.to_string()));
                        }
                    }
                }
            }
        }
    }

    fn play(zone: MachineDeployment, seed: u64) -> Played {
        Played { zone, ends: Vec::new(), rng: Rng::new(seed), blocked: false, count: 0 }
    }

    #[test]
    fn the_remainder_goes_to_the_first_zones() {
        assert_eq!((0..3).map(|zone| spread(7, 3, zone)).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!((0..3).map(|zone| spread(1, 3, zone)).collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn a_zone_without_surge_drains_before_it_creates() {
        let mut played = play(zone(2, 0, 0), 1);
        played.step(Timestamp::UNIX_EPOCH);
        let nodes = &played.zone.machines;
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes.iter().filter(|n| n.stage == MachineStage::Draining).count(), 1);
    }

    #[test]
    fn a_blocked_drain_stops_its_zone() {
        let mut played = play(zone(3, 1, 0), 1);
        played.blocked = true;
        let mut now = Timestamp::UNIX_EPOCH;
        for _ in 0..200 {
            played.step(now);
            now = now.saturating_add(SignedDuration::from_mins(1)).unwrap();
        }
        assert!(!played.zone.is_done(2));
        let going = played.zone.machines.iter().filter(|node| node.is_going()).count();
        assert_eq!(going, 1);
    }

    #[test]
    fn outside_of_a_roll_only_what_is_missing_or_too_much_changes() {
        let mut zone = zone(3, 1, 0);
        zone.rolling = false;
        assert_eq!(zone.next_action(2), None);
        zone.machines[0].stage = MachineStage::Leaving;
        assert_eq!(zone.next_action(2), Some(MachineAction::Create));
        zone.machines[0].stage = MachineStage::Ready;
        zone.desired = 2;
        assert_eq!(zone.next_action(2), Some(MachineAction::Drain("0".into())));
    }

    proptest! {
        #[test]
        fn limits_hold_at_every_step_and_the_roll_ends(
            desired in 1_usize..12, surge in 0_usize..4, unavailable in 0_usize..4, seed in any::<u64>(),
        ) {
            let mut played = play(zone(desired, surge, unavailable), seed);
            let mut now = Timestamp::UNIX_EPOCH;
            for _ in 0..10_000 {
                played.step(now);
                let zone = &played.zone;
                prop_assert!(zone.machines.len() <= desired + zone.surge);
                prop_assert!(zone.ready() + zone.unavailable >= desired);
                match played.ends.iter().map(|(at, _)| *at).min() {
                    Some(next) => now = next,
                    None => break,
                }
            }
            prop_assert!(played.zone.is_done(2));
        }
    }
}
