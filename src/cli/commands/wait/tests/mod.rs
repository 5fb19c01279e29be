//! Tests of what a wait decides and prints, without a server.

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
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::text;
use crate::domain::cluster::Cluster;
use crate::domain::fixtures;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::cause::{NameSample, NodeName, ObjectName, PdbBlock, PdbFix};
use crate::domain::roll::blocker::{Blocker, BlockerCause};
use crate::domain::roll::classify::Since;
use crate::domain::roll::durations::{DurationRange, ReplacementTimes, RollEstimate};
use crate::domain::roll::history::RollGoal;
use crate::domain::roll::progress::{NodeCounts, RollProgress};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Templates};

/// `seconds` after the start of the wait, which is the fixtures' now: 24 November 2026, 14:02:11 UTC.
fn after(seconds: u64) -> Now {
    let passed = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    Now { wall: fixtures::now() + passed, monotonic: Duration::from_secs(seconds) }
}

/// `minutes` before the start of the wait.
fn ago(minutes: i64) -> Timestamp {
    fixtures::now() - SignedDuration::from_mins(minutes)
}

fn cluster(phase: Phase) -> Cluster {
    fixtures::cluster("shop", phase)
}

/// An observed roll with `new` of 15 nodes replaced, and 40 to 60 minutes left.
fn seen(new: usize) -> ObservedCluster {
    let roll = Roll {
        pools: Vec::new(),
        counts: NodeCounts { new, old: 15 - new, ..NodeCounts::default() },
        rotation: Some(RollProgress {
            goal: RollGoal { nodes: 15, estimated: false },
            old: 15 - new,
            awaited: 0,
            done: false,
        }),
        another: None,
        idle: false,
        estimate_reasons: std::collections::BTreeSet::new(),
        steps: Vec::new(),
        estimate: RollEstimate::Remaining {
            range: DurationRange {
                low: SignedDuration::from_mins(40),
                high: SignedDuration::from_mins(60),
            },
            worst_case: SignedDuration::from_hours(7),
            blocked: false,
            from_usual: false,
        },
        times: ReplacementTimes::default(),
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

/// As [`seen`], with a drain blocked by a PodDisruptionBudget.
fn blocked(new: usize) -> ObservedCluster {
    let mut observed = seen(new);
    if let Some(roll) = &mut observed.roll {
        roll.counts.draining = 1;
        roll.counts.blocked = 1;
        let cause = BlockerCause::Pdb(PdbBlock {
            budget: ObjectName::new("payments", "api"),
            misconfigured: false,
            pods: NameSample { count: 0, first: Vec::new() },
            status: None,
            fix: PdbFix::AwaitReplicas(1),
            unready: None,
            missing: None,
        });
        let name = |name: &str| name.to_owned();
        roll.blockers.push(Blocker {
            node: Some(NodeName { full: name("shoot--x--shop-web-7"), short: name("web-7") }),
            place: Some((name("web"), name("eu01-1"))),
            ..Blocker::new(cause, Some(Since::exact(ago(47))))
        });
    }
    observed
}

/// The parts of a `WaitStatus`.
struct Scene {
    cluster: Option<Cluster>,
    observed: ObservedCluster,
    outage: Option<Outage>,
    goal: Goal,
    unobserved: Option<&'static str>,
    is_idle: bool,
}

impl Scene {
    fn new(phase: Phase) -> Self {
        Self {
            cluster: Some(cluster(phase)),
            observed: ObservedCluster::default(),
            outage: None,
            goal: Goal::Prepared,
            unobserved: None,
            is_idle: false,
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
            is_idle: self.is_idle,
            observed: &self.observed,
            unobserved: self.unobserved,
            outage: self.outage.as_ref(),
            now: after(seconds),
            server_now: after(seconds).wall,
        }
    }
}

#[test]
fn texts() {
    let all =
        text::ALL.iter().fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("texts", all);
    });
}
