//! Effective surge and unavailable of a pool in one of its zones.
//!
//! Gardener distributes the four numbers of a pool over its zones (`DistributeOverZones`), and the machine controller
//! allows one missing machine where both result in zero (`ResolveFenceposts`). Zones roll independently.

use crate::domain::cluster::NodePool;

/// The limits of one pool in one zone, in machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum additional machines during a roll.
    pub surge: u32,
    /// Maximum missing machines during a roll.
    pub unavailable: u32,
    pub minimum: u32,
    /// Maximum machines, without surge.
    pub maximum: u32,
    /// Both shares are zero, so one machine may be missing although the pool specifies otherwise.
    pub forced: bool,
}

impl Limits {
    /// The share of the zone at `index` of the pool's list.
    pub fn of(pool: &NodePool, index: usize) -> Self {
        let part = |number| share(number, pool.zones.len(), index);
        let (surge, unavailable) = (part(pool.max_surge), part(pool.max_unavailable));
        let forced = surge == 0 && unavailable == 0;
        Self {
            surge,
            unavailable: if forced { 1 } else { unavailable },
            minimum: part(pool.minimum),
            maximum: part(pool.maximum),
            forced,
        }
    }

    /// Number of machines that can be replaced at the same time.
    pub fn batch(self) -> usize {
        usize::try_from(self.surge.saturating_add(self.unavailable)).unwrap_or(usize::MAX).max(1)
    }

    /// Whether a node is drained before its replacement exists.
    pub fn drains_first(self) -> bool {
        self.surge == 0
    }
}

/// Distributes a number over zones, the remainder to the first ones.
pub fn share(number: u32, zones: usize, index: usize) -> u32 {
    let zones = u32::try_from(zones).unwrap_or(u32::MAX).max(1);
    let index = u32::try_from(index).unwrap_or(u32::MAX);
    number / zones + u32::from(index < number % zones)
}

/// Zones of a pool in which a node is drained before its replacement exists.
pub fn zones_that_drain_first(pool: &NodePool) -> Vec<&str> {
    pool.zones
        .iter()
        .enumerate()
        .filter(|(index, _)| Limits::of(pool, *index).drains_first())
        .map(|(_, zone)| zone.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::fixtures::cluster;
    use crate::domain::roll::limits::{Limits, share, zones_that_drain_first};
    use crate::domain::rotation::Phase;

    #[test]
    fn the_remainder_goes_to_the_first_zones() {
        let spread = |number| (0..3).map(|index| share(number, 3, index)).collect::<Vec<_>>();
        assert_eq!(spread(7), [3, 2, 2]);
        assert_eq!(spread(1), [1, 0, 0]);
        assert_eq!(spread(0), [0, 0, 0]);
        assert_eq!(share(4, 0, 0), 4);
    }

    #[test]
    fn a_zone_without_surge_and_unavailable_may_miss_one_all_the_same() {
        let mut pool = cluster("a", Phase::Never).pools.remove(0);
        pool.max_surge = 1;
        pool.max_unavailable = 0;
        let shares: Vec<_> = (0..3)
            .map(|index| Limits::of(&pool, index))
            .map(|limits| (limits.surge, limits.unavailable, limits.forced, limits.batch()))
            .collect();
        assert_eq!(shares, [(1, 0, false, 1), (0, 1, true, 1), (0, 1, true, 1)]);
        assert_eq!(zones_that_drain_first(&pool), ["eu01-2", "eu01-3"]);
        pool.max_surge = 3;
        assert!(zones_that_drain_first(&pool).is_empty());
        pool.max_surge = 0;
        pool.max_unavailable = 6;
        assert_eq!(Limits::of(&pool, 1).batch(), 2);
        assert!(!Limits::of(&pool, 1).forced);
    }
}
