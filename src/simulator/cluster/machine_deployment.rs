//! The machines of one pool in one zone, and which one is created or drained next: `maxSurge` and `maxUnavailable` with
//! the semantics of machine-controller-manager. Pure; `machines` acts on it.

use std::sync::Arc;

use jiff::Timestamp;

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its node has the same name.
    pub name: Arc<str>,
    /// The template of its pool that it was created from; a roll replaces older ones.
    pub template: u32,
    pub stage: MachineStage,
    pub created: Timestamp,
    pub draining: Option<Timestamp>,
    /// The PodDisruptionBudget that blocks its drain, and since when.
    pub blocked: Option<(Timestamp, String)>,
    /// When its drain is evaluated next; earlier tasks are obsolete.
    pub next_check: Option<Timestamp>,
}

/// The stage of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineStage {
    Creating,
    Ready,
    Draining,
    /// Drained; the machine is being deleted.
    Deleting,
}

impl Machine {
    /// A machine that was just requested.
    pub fn new(name: Arc<str>, template: u32, stage: MachineStage, created: Timestamp) -> Self {
        Self { name, template, stage, created, draining: None, blocked: None, next_check: None }
    }

    /// Whether it is being drained or deleted.
    pub fn is_leaving(&self) -> bool {
        matches!(self.stage, MachineStage::Draining | MachineStage::Deleting)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineAction {
    Create,
    Drain(Arc<str>),
}

/// The machines of one pool in one zone. Zones roll in parallel and independently.
#[derive(Debug, Clone)]
pub struct MachineDeployment {
    pub pool: Arc<str>,
    pub zone: Arc<str>,
    /// Number of the zone, from 1.
    pub number: u32,
    pub desired: usize,
    /// Maximum number of machines above `desired`.
    pub surge: usize,
    /// Maximum number of ready machines below `desired`.
    pub unavailable: usize,
    pub machines: Vec<Machine>,
    /// Whether older machines are being replaced.
    pub rolling: bool,
    pub no_capacity: bool,
}

/// Distributes a pool's number over its zones, the remainder to the first ones.
pub fn spread(number: u32, zones: u32, zone: u32) -> usize {
    let zones = zones.max(1);
    let share = number / zones + u32::from(zone < number % zones);
    usize::try_from(share).unwrap_or(0)
}

impl MachineDeployment {
    /// Surge and unavailable; if both are zero, one machine may be unavailable.
    pub fn limits(surge: usize, unavailable: usize) -> (usize, usize) {
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    /// Whether every machine is ready and of this template.
    pub fn is_rolled(&self, template: u32) -> bool {
        let is_done = |m: &Machine| m.template == template && m.stage == MachineStage::Ready;
        self.machines.len() == self.desired && self.machines.iter().all(is_done)
    }

    /// Number of ready machines.
    pub fn ready(&self) -> usize {
        self.machines.iter().filter(|machine| machine.stage == MachineStage::Ready).count()
    }

    /// The next action that the limits allow, if there is one.
    pub fn next_action(&self, template: u32) -> Option<MachineAction> {
        if self.can_create(template) {
            Some(MachineAction::Create)
        } else {
            self.next_to_drain(template).map(MachineAction::Drain)
        }
    }

    fn can_create(&self, template: u32) -> bool {
        // Outside of a roll old machines count like new ones.
        let counts = |m: &&Machine| !m.is_leaving() && (!self.rolling || m.template == template);
        let existing = self.machines.iter().filter(counts).count();
        // Machines that are leaving still count against the surge: a blocked drain stops its zone.
        let has_room = self.machines.len() < self.desired + self.surge;
        !self.no_capacity && existing < self.desired && has_room
    }

    fn next_to_drain(&self, template: u32) -> Option<Arc<str>> {
        let oldest = |old: bool| {
            let of_age =
                |m: &&Machine| (m.template != template) == old && m.stage == MachineStage::Ready;
            let machine = self.machines.iter().filter(of_age).min_by_key(|m| m.created)?;
            Some(Arc::clone(&machine.name))
        };
        if self.rolling {
            let enough = self.ready() > self.desired.saturating_sub(self.unavailable);
            return enough.then(|| oldest(true)).flatten();
        }
        let staying = self.machines.iter().filter(|machine| !machine.is_leaving()).count();
        (staying > self.desired).then(|| oldest(true).or_else(|| oldest(false))).flatten()
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use crate::simulator::cluster::machine_deployment::{
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

    /// A zone whose machines join and leave after random times.
    struct RolledZone {
        zone: MachineDeployment,
        ends: Vec<(Timestamp, String)>,
        rng: Rng,
        blocked: bool,
        count: usize,
    }

    impl RolledZone {
        fn step(&mut self, now: Timestamp) {
            for (_, name) in self.ends.iter().filter(|(at, _)| *at <= now) {
                let at = self.zone.machines.iter().position(|n| *n.name == **name).unwrap();
                if self.zone.machines[at].is_leaving() {
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

    fn roll(zone: MachineDeployment, seed: u64) -> RolledZone {
        RolledZone { zone, ends: Vec::new(), rng: Rng::new(seed), blocked: false, count: 0 }
    }

    #[test]
    fn the_remainder_goes_to_the_first_zones() {
        assert_eq!((0..3).map(|zone| spread(7, 3, zone)).collect::<Vec<_>>(), [3, 2, 2]);
        assert_eq!((0..3).map(|zone| spread(1, 3, zone)).collect::<Vec<_>>(), [1, 0, 0]);
    }

    #[test]
    fn a_zone_without_surge_drains_before_it_creates() {
        let mut rolled = roll(zone(2, 0, 0), 1);
        rolled.step(Timestamp::UNIX_EPOCH);
        let nodes = &rolled.zone.machines;
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes.iter().filter(|n| n.stage == MachineStage::Draining).count(), 1);
    }

    #[test]
    fn a_blocked_drain_stops_its_zone() {
        let mut rolled = roll(zone(3, 1, 0), 1);
        rolled.blocked = true;
        let mut now = Timestamp::UNIX_EPOCH;
        for _ in 0..200 {
            rolled.step(now);
            now = now.saturating_add(SignedDuration::from_mins(1)).unwrap();
        }
        assert!(!rolled.zone.is_rolled(2));
        let going = rolled.zone.machines.iter().filter(|node| node.is_leaving()).count();
        assert_eq!(going, 1);
    }

    #[test]
    fn outside_of_a_roll_only_what_is_missing_or_too_much_changes() {
        let mut zone = zone(3, 1, 0);
        zone.rolling = false;
        assert_eq!(zone.next_action(2), None);
        zone.machines[0].stage = MachineStage::Deleting;
        assert_eq!(zone.next_action(2), Some(MachineAction::Create));
        zone.machines[0].stage = MachineStage::Ready;
        zone.desired = 2;
        assert_eq!(zone.next_action(2), Some(MachineAction::Drain("0".into())));
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn limits_hold_at_every_step_and_the_roll_ends(
            desired in 1_usize..12, surge in 0_usize..4, unavailable in 0_usize..4, seed in any::<u64>(),
        ) {
            let mut rolled = roll(zone(desired, surge, unavailable), seed);
            let mut now = Timestamp::UNIX_EPOCH;
            for _ in 0..10_000 {
                rolled.step(now);
                let zone = &rolled.zone;
                prop_assert!(zone.machines.len() <= desired + zone.surge);
                prop_assert!(zone.ready() + zone.unavailable >= desired);
                match rolled.ends.iter().map(|(at, _)| *at).min() {
                    Some(next) => now = next,
                    None => break,
                }
            }
            prop_assert!(rolled.zone.is_rolled(2));
        }
    }
}
