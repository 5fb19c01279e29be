//! The pace of a roll: number of new nodes created in each interval since its start.

use jiff::{SignedDuration, Timestamp};

use crate::domain::roll::Roll;
use crate::domain::roll::classify::{NodeRoll, NodeStage};

/// Possible interval lengths, in minutes.
const INTERVALS: [i64; 11] = [2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];

/// New nodes by interval, oldest first; the last interval is the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPace {
    pub interval: SignedDuration,
    pub created: Vec<usize>,
}

impl RollPace {
    /// The pace between two times, in at most `most` intervals; `None` if no node is known to have been created between
    /// them. Removed nodes are not counted.
    pub fn measure(roll: &Roll, from: Timestamp, until: Timestamp, most: usize) -> Option<Self> {
        let whole = until.duration_since(from);
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let is_enough = |minutes: &i64| SignedDuration::from_mins(*minutes) * most > whole;
        let minutes = INTERVALS.into_iter().find(is_enough)?;
        let seconds = minutes * 60;
        // The last interval ends at `until`, so the first one may be incomplete.
        let place = |at: Timestamp| {
            let ago = until.duration_since(at).as_secs();
            (at >= from && ago >= 0).then_some(ago / seconds)
        };
        let count = usize::try_from(whole.as_secs() / seconds + 1).ok()?;
        let mut created = vec![0; count];
        for at in roll.nodes().filter(|node| is_new(node)).filter_map(|node| node.created) {
            let slot = place(at).and_then(|ago| count.checked_sub(usize::try_from(ago).ok()? + 1));
            if let Some(slot) = slot.and_then(|slot| created.get_mut(slot)) {
                *slot += 1;
            }
        }
        let is_empty = created.iter().all(|count| *count == 0);
        (!is_empty).then_some(Self { interval: SignedDuration::from_mins(minutes), created })
    }
}

fn is_new(node: &NodeRoll) -> bool {
    match node.stage {
        NodeStage::New | NodeStage::Joining | NodeStage::Leaving => true,
        NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining | NodeStage::Preserved => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::fixtures::now;
    use crate::domain::roll::Roll;
    use crate::domain::roll::pace::RollPace;
    use crate::domain::roll::tests::at_once;
    use crate::domain::roll::tests::blockers::preparing;
    use crate::domain::roll::tests::stages::fixture;

    /// A roll whose new nodes were created this many minutes ago.
    fn roll(minutes: &[i64]) -> Roll {
        let mut roll = at_once(&preparing(), &fixture("all_new"));
        let mut ages = minutes.iter();
        for pool in &mut roll.pools {
            for zone in &mut pool.zones {
                for node in &mut zone.nodes {
                    node.created = ages.next().map(|minutes| ago(*minutes));
                }
            }
        }
        assert!(ages.next().is_none(), "the fixture has a node for each age");
        roll
    }

    fn ago(minutes: i64) -> Timestamp {
        now() - SignedDuration::from_mins(minutes)
    }

    #[test]
    fn new_nodes_are_counted_by_interval_up_to_now() {
        let pace = RollPace::measure(&roll(&[1, 3, 44]), ago(50), now(), 10).unwrap();
        assert_eq!(pace.interval, SignedDuration::from_mins(10));
        assert_eq!(pace.created, [0, 1, 0, 0, 0, 2]);
    }

    #[test]
    fn the_interval_grows_so_that_all_intervals_fit() {
        for hours in [1, 5, 30, 200] {
            let pace = RollPace::measure(&roll(&[1]), ago(hours * 60), now(), 24).unwrap();
            assert!(pace.created.len() <= 24, "{hours} h: {pace:?}");
            assert_eq!(pace.created.last(), Some(&1));
        }
    }

    #[test]
    fn nodes_from_before_or_from_a_clock_ahead_are_not_counted() {
        assert_eq!(RollPace::measure(&roll(&[90, -5]), ago(60), now(), 24), None);
        assert_eq!(RollPace::measure(&roll(&[1]), ago(-10), now(), 24), None);
    }
}
