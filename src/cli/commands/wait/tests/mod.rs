//! Tests of what a wait decides and says, without anything to be asked.

mod bar;
mod lines;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::nodes::observed::ObservedCluster;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::cli::args::Goal;
use crate::cli::commands::wait::status::{ObservationPolicy, WaitStatus};
use crate::domain::cluster::Cluster;
use crate::domain::fixtures;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::{Blocker, BlockerKind};
use crate::domain::roll::classify::Since;
use crate::domain::roll::eta::{DurationRange, RollEstimate};
use crate::domain::roll::progress::{Counts, Figure};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Templates};

/// So many seconds after the begin of the wait, which is the fixtures' now: 24 November 2026, 14:02:11 UTC.
fn after(seconds: u64) -> Now {
    let passed = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    Now { wall: fixtures::now() + passed, monotonic: Duration::from_secs(seconds) }
}

/// So many minutes before the begin.
fn ago(minutes: i64) -> Timestamp {
    fixtures::now() - SignedDuration::from_mins(minutes)
}

fn cluster(phase: Phase) -> Cluster {
    fixtures::cluster("shop", phase)
}

/// What was seen when so many nodes of 15 are new, and 40 to 60 minutes are left.
fn seen(new: usize) -> ObservedCluster {
    let roll = Roll {
        pools: Vec::new(),
        counts: Counts { new, old: 15 - new, ..Counts::default() },
        rotation: Some(Figure { new, old: 15 - new, between: 0, done: false }),
        another: None,
        guesses: std::collections::BTreeSet::new(),
        steps: Vec::new(),
        outlook: RollEstimate::Left {
            span: DurationRange {
                low: SignedDuration::from_mins(40),
                high: SignedDuration::from_mins(60),
            },
            worst: SignedDuration::from_hours(7),
            held: false,
            estimate: false,
        },
        blockers: Vec::new(),
        notes: Vec::new(),
    };
    let snapshot =
        ClusterSnapshot { templates: Templates::Known(Vec::new()), ..ClusterSnapshot::default() };
    ObservedCluster {
        snapshot: Some(Arc::new(snapshot)),
        roll: Some(roll),
        live: true,
        ..ObservedCluster::default()
    }
}

/// The same, with a drain that a PodDisruptionBudget has held up since the begin.
fn blocked(new: usize) -> ObservedCluster {
    let mut observed = seen(new);
    if let Some(roll) = &mut observed.roll {
        roll.counts.draining = 1;
        roll.counts.blocked = 1;
        roll.blockers.push(Blocker {
            kind: BlockerKind::MisconfiguredBudget,
            object: None,
            node: Some("shoot--x--shop-web-7".into()),
            place: Some(("web".into(), "eu01-1".into())),
            since: Some(Since::told(ago(47))),
            brief: "PodDisruptionBudget payments/api allows 0".into(),
            why: String::new(),
            frees: String::new(),
            command: None,
            reported: Vec::new(),
        });
    }
    observed
}

/// How things stand, all of it.
struct Scene {
    cluster: Option<Cluster>,
    observed: ObservedCluster,
    outage: Option<Outage>,
    goal: Goal,
    looks: ObservationPolicy,
    at_rest: bool,
}

impl Scene {
    fn new(phase: Phase) -> Self {
        Self {
            cluster: Some(cluster(phase)),
            observed: ObservedCluster::default(),
            outage: None,
            goal: Goal::Prepared,
            looks: ObservationPolicy::AtNodes,
            at_rest: false,
        }
    }

    fn rolling(observed: ObservedCluster) -> Self {
        Self { observed, ..Self::new(Phase::Preparing) }
    }

    fn at(&self, seconds: u64) -> WaitStatus<'_> {
        WaitStatus {
            name: "shop-prod",
            goal: self.goal,
            cluster: self.cluster.as_ref(),
            at_rest: self.at_rest,
            observed: &self.observed,
            looks: self.looks,
            outage: self.outage.as_ref(),
            now: after(seconds),
        }
    }
}
