//! Rolls tracked over several snapshots: what is kept, and the effect of snapshots out of order.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::{Cluster, NodePool};
use crate::domain::fixtures::now;
use crate::domain::preflight::nodes::nodes_to_replace;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::BlockerCause;
use crate::domain::roll::blocker::cause::ObjectName;
use crate::domain::roll::classify::{JoiningReason, NodeStage, Since};
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::generation::EstimateReason;
use crate::domain::roll::history::{RollGoal, RollHistory};
use crate::domain::roll::progress::PoolState;
use crate::domain::roll::regression::find_cause;
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::timeline::{MAX_ENTRIES, RegressionCause, TimelineEntry, TimelineEvent};
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Node, Template, Templates, Terminating, Unseen};

/// Name of the generation before the start.
pub const OLD: &str = "gardener-node-agent-web-0000000000000001";
/// Name of the generation created by the rotation.
pub const NEW: &str = "gardener-node-agent-web-0000000000000002";

/// A ready node of pool `web`; its uid is its name and generation.
pub fn node(name: &str, zone: &str, created: Timestamp, generation: &str) -> Node {
    Node {
        uid: format!("{name}/{generation}"),
        name: name.into(),
        pool: "web".into(),
        zone: zone.into(),
        created: Some(created),
        generation: Some(generation.into()),
        checksum: None,
        version: "1.33.4".into(),
        marked_for_deletion: generation == OLD,
        rolling: false,
        cordoned: false,
        terminating: None,
        ready: true,
        ready_changed: Some(created),
        not_ready_because: None,
        still_joining: false,
        preserved: false,
    }
}

/// A node from before the start.
pub fn old(name: &str, zone: &str) -> Node {
    node(name, zone, ago(60 * 24 * 30), OLD)
}

/// A node whose drain started at `since`.
pub fn draining(node: Node, since: Timestamp) -> Node {
    let terminating = Terminating { since: Some(since), reason: "MachineDeleted".into() };
    Node { terminating: Some(terminating), cordoned: true, ..node }
}

/// A node that is not ready.
pub fn joining(node: Node) -> Node {
    Node { ready: false, ..node }
}

/// The template of pool `web` with this name.
pub fn template(name: &str, created: Timestamp) -> Template {
    Template { name: name.into(), pool: "web".into(), created: Some(created), checksum: None }
}

/// A snapshot of these nodes, with the rotation's template.
pub fn snapshot(nodes: Vec<Node>) -> ClusterSnapshot {
    let mut nodes: Vec<Arc<Node>> = nodes.into_iter().map(Arc::new).collect();
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    ClusterSnapshot {
        nodes,
        templates: Templates::Known(vec![template(NEW, ago(174))]),
        ..ClusterSnapshot::default()
    }
}

/// Events of the timeline.
fn happened(tracker: &RollTracker) -> Vec<TimelineEvent> {
    tracker.timeline().entries().map(|entry| entry.what.clone()).collect()
}

/// Causes of each regression of progress.
fn regressions(tracker: &RollTracker) -> Vec<Vec<RegressionCause>> {
    let causes = happened(tracker).into_iter().filter_map(|event| {
        let TimelineEvent::ProgressRegressed { causes, .. } = event else { return None };
        Some(causes)
    });
    causes.collect()
}

fn ready(node: &str, minutes: i64) -> TimelineEvent {
    TimelineEvent::Ready { node: node.into(), took: Some(SignedDuration::from_mins(minutes)) }
}

fn gone(node: &str, minutes: Option<i64>) -> TimelineEvent {
    TimelineEvent::Gone { node: node.into(), took: minutes.map(SignedDuration::from_mins) }
}

fn preparing() -> Cluster {
    cluster(Phase::Preparing)
}

const ZONE: &str = "eu01-1";

#[test]
fn a_replacement_is_recorded_from_joining_to_removal() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let born = node("web-2", ZONE, ago(20), NEW);
    let steps = [
        (30, vec![old("web-1", ZONE)]),
        (19, vec![old("web-1", ZONE), joining(born.clone())]),
        (18, vec![old("web-1", ZONE), joining(born.clone())]),
        (17, vec![old("web-1", ZONE), Node { ready_changed: Some(ago(17)), ..born.clone() }]),
        (
            16,
            vec![
                draining(old("web-1", ZONE), ago(16)),
                Node { ready_changed: Some(ago(17)), ..born.clone() },
            ],
        ),
        (
            13,
            vec![
                draining(old("web-1", ZONE), ago(16)),
                Node { ready_changed: Some(ago(17)), ..born.clone() },
            ],
        ),
        (12, vec![Node { ready_changed: Some(ago(17)), ..born }]),
    ];
    for (minutes, nodes) in steps {
        assert!(tracker.observe(&subject, &snapshot(nodes), ago(minutes)).is_some());
    }
    assert_eq!(
        happened(&tracker),
        [
            TimelineEvent::Phase(Phase::Preparing),
            TimelineEvent::NodesBegan { pool: "web".into() },
            TimelineEvent::Joining { node: "web-2".into() },
            ready("web-2", 3),
            TimelineEvent::Draining { node: "web-1".into() },
            gone("web-1", Some(4)),
        ]
    );
}

#[test]
fn a_node_is_ready_when_its_system_pods_are_if_that_was_seen() {
    let ready_at =
        |minutes| Node { ready_changed: Some(ago(18)), ..node("web-2", ZONE, ago(minutes), NEW) };
    let starting = || Node { still_joining: true, ..ready_at(20) };
    for (seen, took) in [(17, 4), (30, 2)] {
        let mut tracker = RollTracker::default();
        tracker.observe(&preparing(), &snapshot(vec![old("web-1", ZONE)]), ago(31));
        let first = tracker.observe(&preparing(), &snapshot(vec![starting()]), ago(seen)).unwrap();
        let node = first.nodes().next().unwrap();
        assert_eq!(node.since.unwrap().at, ago(20).min(ago(seen)), "since it was created");
        tracker.observe(&preparing(), &snapshot(vec![ready_at(20)]), ago(16));
        assert!(happened(&tracker).contains(&ready("web-2", took)), "{:?}", happened(&tracker));
    }
}

#[test]
fn a_drain_that_ended_unobserved_is_not_measured() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let leaves = draining(old("web-1", ZONE), ago(60));
    tracker.observe(&subject, &snapshot(vec![leaves, old("web-2", ZONE)]), ago(58));
    tracker.observe(&subject, &snapshot(vec![old("web-2", ZONE)]), ago(2));
    assert_eq!(happened(&tracker).last(), Some(&gone("web-1", None)));
}

#[test]
fn k8s_10_a_node_recreated_under_the_same_name_is_another_one() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &snapshot(vec![draining(old("web-1", ZONE), ago(9))]), ago(4));
    let again = node("web-1", ZONE, ago(5), NEW);
    tracker.observe(&subject, &snapshot(vec![again]), ago(3));
    assert_eq!(tracker.history().nodes.len(), 1);
    let events = happened(&tracker);
    assert!(events.contains(&gone("web-1", Some(6))), "{events:?}");
    let is_ready = |event: &&TimelineEvent| matches!(event, TimelineEvent::Ready { .. });
    assert_eq!(events.iter().filter(is_ready).count(), 1);
}

#[test]
fn k8s_03_a_short_list_in_between_does_not_count_nodes_as_gone_for_good() {
    let subject = preparing();
    let all =
        vec![old("web-1", ZONE), old("web-2", "eu01-2"), node("web-3", "eu01-3", ago(50), NEW)];
    let mut straight = RollTracker::default();
    let mut disturbed = RollTracker::default();
    for minutes in [30, 20, 10] {
        straight.observe(&subject, &snapshot(all.clone()), ago(minutes));
    }
    disturbed.observe(&subject, &snapshot(all.clone()), ago(30));
    disturbed.observe(&subject, &snapshot(vec![old("web-1", ZONE)]), ago(20));
    disturbed.observe(&subject, &snapshot(all.clone()), ago(10));
    let read = |tracker: &RollTracker| {
        Roll::evaluate(&subject, &snapshot(all.clone()), tracker.history(), ago(9))
    };
    assert_eq!(read(&straight).counts, read(&disturbed).counts);
}

#[test]
fn k8s_03_older_snapshots_are_left_out() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let newer = snapshot(vec![node("web-1", ZONE, ago(50), NEW)]);
    assert!(tracker.observe(&subject, &newer, ago(10)).is_some());
    let before = tracker.clone();
    assert!(tracker.observe(&subject, &snapshot(vec![old("web-1", ZONE)]), ago(11)).is_none());
    assert_eq!(tracker, before);
}

#[test]
fn the_same_snapshot_again_changes_only_the_time() {
    let subject = preparing();
    let seen = snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
    let mut once = RollTracker::default();
    once.observe(&subject, &seen, ago(10));
    let mut thrice = once.clone();
    thrice.observe(&subject, &seen, ago(10));
    thrice.observe(&subject, &seen, ago(10));
    assert_eq!(once, thrice);
}

#[test]
fn a_start_whose_time_shows_before_its_phase_rolls_once_the_phase_shows() {
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![old("web-1", ZONE)]);
    let mut subject = cluster(Phase::Completed);
    subject.rotation.initiated = Some(ago(11));
    let roll = tracker.observe(&subject, &seen, ago(10)).unwrap();
    assert_eq!(roll.rotation, None, "it was not seen to begin");
    subject.rotation.phase = Phase::Preparing;
    let roll = tracker.observe(&subject, &seen, ago(9)).unwrap();
    assert!(!roll.rotation.unwrap().done);
    subject.rotation.phase = Phase::Prepared;
    assert!(tracker.observe(&subject, &seen, ago(8)).unwrap().rotation.unwrap().done);
    assert_eq!(tracker.prepared_at(), Some(ago(8)));
    for phase in [Phase::Completing, Phase::Completed, Phase::Unknown("SOON".into())] {
        let mut next = subject.clone();
        next.rotation.phase = phase;
        let mut later = tracker.clone();
        later.observe(&next, &seen, ago(7)).unwrap();
        assert_eq!(later.prepared_at(), Some(ago(8)));
    }
    assert_eq!(tracker.history().watched_since, Some(ago(10)), "it is the same rotation");
    subject.rotation.phase = Phase::Preparing;
    tracker.observe(&subject, &seen, ago(7)).unwrap();
    assert_eq!(tracker.prepared_at(), None, "what SKE says in the end is so");
    assert_eq!(regressions(&tracker).last(), Some(&vec![RegressionCause::Phase]));
}

#[test]
fn snapshots_count_again_after_the_clock_was_set_back() {
    let subject = cluster(Phase::Preparing);
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![old("web-1", "eu01-1"), old("web-2", "eu01-1")]);
    let fewer = snapshot(vec![old("web-1", "eu01-1")]);
    tracker.observe(&subject, &seen, ago(10)).unwrap();
    tracker.observe(&subject, &fewer, ago(9)).unwrap();
    assert!(tracker.observe(&subject, &seen, ago(70)).is_none(), "it is older");
    tracker.clamp_times(ago(70));
    tracker.observe(&subject, &fewer, ago(69)).unwrap();
    let history = tracker.history();
    assert_eq!(
        (history.watched_since, history.change("web", "eu01-1")),
        (Some(ago(70)), Some(ago(70)))
    );
}

#[test]
fn k8s_28_a_reading_that_lacks_the_start_ends_no_history() {
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
    tracker.observe(&preparing(), &seen, ago(10));
    let before = happened(&tracker);
    let mut without = preparing();
    without.rotation.initiated = None;
    for (subject, minutes) in [(&without, 9), (&preparing(), 8)] {
        tracker.observe(subject, &seen, ago(minutes));
        assert_eq!(tracker.history().watched_since, Some(ago(10)), "{minutes}");
    }
    assert_eq!(happened(&tracker), before);
}

#[test]
fn k8s_14_the_timeline_begins_with_the_start_whatever_our_clock_shows() {
    for hours in [-3, 0, 3] {
        let mut seen = snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
        seen.skew_seconds = hours * 3600;
        let mut tracker = RollTracker::default();
        tracker.observe(&preparing(), &seen, now());
        let first = happened(&tracker).into_iter().next();
        assert_eq!(first, Some(TimelineEvent::Phase(Phase::Preparing)), "{hours}");
    }
}

#[test]
fn another_start_begins_a_new_history() {
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
    tracker.observe(&preparing(), &seen, ago(10));
    let mut next = preparing();
    next.rotation.initiated = Some(ago(5));
    assert!(tracker.observe(&next, &seen, ago(4)).is_some());
    assert_eq!(happened(&tracker), [TimelineEvent::Phase(Phase::Preparing)]);
    let mut other = next.clone();
    other.created = Some(ago(60));
    assert!(
        tracker.observe(&other, &seen, ago(3)).is_some(),
        "a cluster recreated under the same name"
    );
    assert_eq!(tracker.history().watched_since, Some(ago(3)));
}

#[test]
fn a_watch_that_begins_in_the_middle_reads_what_the_nodes_report() {
    let subject = preparing();
    let new = |name: &str, zone: &str, created, ready| Node {
        ready_changed: Some(ago(ready)),
        ..node(name, zone, ago(created), NEW)
    };
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![
        new("web-1", ZONE, 160, 156),
        new("web-2", "eu01-2", 150, 145),
        draining(old("web-3", "eu01-3"), ago(3)),
        old("web-4", "eu01-3"),
    ]);
    tracker.observe(&subject, &seen, ago(1));
    assert_eq!(
        happened(&tracker),
        [
            TimelineEvent::Phase(Phase::Preparing),
            TimelineEvent::NodesBegan { pool: "web".into() },
            ready("web-1", 4),
            ready("web-2", 5),
            TimelineEvent::Draining { node: "web-3".into() },
        ]
    );
    let roll = Roll::evaluate(&subject, &seen, tracker.history(), ago(0));
    assert_eq!(roll.times.joins.len(), 2);
    let waiting = roll.nodes().find(|node| node.stage == NodeStage::Old).unwrap();
    assert_eq!(waiting.since, Some(Since::at_least(ago(1))), "since when it waits is not known");
}

#[test]
fn snapshots_without_nodes_or_templates_do_not_count_as_empty_clusters() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let seen = snapshot(vec![old("web-1", ZONE)]);
    tracker.observe(&subject, &seen, ago(10));
    let mut unread = snapshot(Vec::new());
    unread.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    assert!(tracker.observe(&subject, &unread, ago(9)).is_some());
    let mut unread = snapshot(Vec::new());
    unread.templates = Templates::Unread;
    assert!(tracker.observe(&subject, &unread, ago(8)).is_some());
    assert_eq!(tracker.history().nodes.len(), 1);
}

/// Nodes left to replace, total, and whether that is an estimate.
fn figures(roll: &Roll) -> (usize, usize, bool) {
    let progress = roll.progress().unwrap();
    (progress.old, progress.goal.nodes, progress.goal.estimated)
}

#[test]
fn a_roll_has_one_goal_from_the_dialog_to_its_end() {
    let mut subject = preparing();
    let olds = |range: std::ops::Range<usize>| range.map(|n| old(&format!("web-{n}"), ZONE));
    let news = |count: usize| (0..count).map(|n| node(&format!("new-{n}"), ZONE, ago(50), NEW));
    let failed = Node { ready: false, preserved: true, ..old("web-failed", ZONE) };
    let mut before = snapshot(olds(0..5).chain([failed]).collect());
    before.templates = Templates::Known(vec![template(OLD, ago(9_000))]);
    for node in &mut before.nodes {
        Arc::make_mut(node).marked_for_deletion = false;
    }
    let (expected, _) = nodes_to_replace(&cluster(Phase::Completed), Some(&before)).unwrap();
    let mut tracker = RollTracker::default();
    let mut shown = vec![figures(&tracker.observe(&subject, &before, ago(60)).unwrap())];
    // Nodes are added and removed again, and the autoscaler adds more.
    for (at, old, new) in [(50, 0..5, 3), (40, 1..5, 3), (30, 3..5, 8), (20, 5..5, 6)] {
        let seen = snapshot(olds(old).chain(news(new)).collect());
        shown.push(figures(&tracker.observe(&subject, &seen, ago(at)).unwrap()));
    }
    let of = |left| (left, expected, false);
    assert_eq!(shown, [of(5), of(5), of(4), of(2), of(0)]);
    subject.rotation.phase = Phase::Prepared;
    let end = tracker.observe(&subject, &snapshot(news(7).collect()), ago(10)).unwrap();
    assert_eq!(figures(&end), (0, 5, false), "not the seven nodes there are now");
}

#[test]
fn nodes_that_the_autoscaler_adds_replace_none() {
    let mut subject = preparing();
    subject.pools[0].minimum = 0;
    let template = |seen: &mut ClusterSnapshot| seen.templates = Templates::Known(Vec::new());
    let mut tracker = RollTracker::default();
    // The pool has no nodes at first; others are added while its own drain.
    let mut before = snapshot(Vec::new());
    template(&mut before);
    tracker.observe(&subject, &before, ago(60));
    tracker.observe(&subject, &before, ago(59));
    let nodes = vec![
        old("web-1", ZONE),
        old("web-2", ZONE),
        node("web-3", ZONE, ago(58), NEW),
        node("web-4", "eu01-2", ago(58), NEW),
    ];
    let seen = snapshot(nodes);
    let roll = tracker.observe(&subject, &seen, ago(58)).unwrap();
    let progress = roll.pools[0].progress;
    assert_eq!((progress.goal, progress.replaced()), (RollGoal { nodes: 2, estimated: false }, 0));
    // Who did not see the beginning cannot tell.
    for before in [ClusterSnapshot { templates: Templates::Unread, ..before.clone() }, before] {
        let mut late = RollTracker::default();
        let at = if before.templates == Templates::Unread { 59 } else { 90 };
        late.observe(&subject, &before, ago(at));
        let roll = late.observe(&subject, &seen, ago(58)).unwrap();
        assert!(roll.rotation.unwrap().goal.estimated, "{:?}", before.templates);
    }
}

#[test]
fn the_goal_follows_the_nodes_until_their_rollout_begins() {
    let mut tracker = RollTracker::default();
    let olds = |count: usize| {
        let nodes = (0..count)
            .map(|n| Node { marked_for_deletion: false, ..old(&format!("web-{n}"), ZONE) });
        let mut seen = snapshot(nodes.collect());
        seen.templates = Templates::Known(vec![template(OLD, ago(9_000))]);
        seen
    };
    for (minutes, count) in [(12, 2), (11, 4), (10, 3)] {
        let roll = tracker.observe(&preparing(), &olds(count), ago(minutes)).unwrap();
        assert_eq!(figures(&roll), (count, count, false));
    }
    assert_eq!(
        happened(&tracker),
        [TimelineEvent::Phase(Phase::Preparing)],
        "none is gone by the rollout"
    );
    let begun = snapshot(vec![old("web-0", ZONE), node("web-9", ZONE, ago(10), NEW)]);
    assert_eq!(figures(&tracker.observe(&preparing(), &begun, ago(9)).unwrap()), (1, 3, false));
}

#[test]
fn a_node_that_a_short_list_left_out_is_neither_new_nor_added() {
    let all = || {
        snapshot(vec![old("web-1", ZONE), old("web-2", ZONE), node("web-3", ZONE, ago(50), NEW)])
    };
    let short = snapshot(vec![old("web-1", ZONE)]);
    let mut tracker = RollTracker::default();
    let first = figures(&tracker.observe(&preparing(), &all(), ago(12)).unwrap());
    tracker.observe(&preparing(), &short, ago(11));
    assert_eq!(figures(&tracker.observe(&preparing(), &all(), ago(10)).unwrap()), first);
    let is_ready = |event: &TimelineEvent| matches!(event, TimelineEvent::Ready { .. });
    assert_eq!(happened(&tracker).iter().filter(|event| is_ready(event)).count(), 1);
}

#[test]
fn a_pool_that_is_removed_is_why_the_share_falls() {
    let mut subject = preparing();
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let of_db = |name: &str| Node { pool: "db".into(), ..node(name, ZONE, ago(50), "db-2") };
    let old_db = |name: &str| Node { marked_for_deletion: true, ..of_db(name) };
    let web = || vec![old("web-1", ZONE), old("web-2", ZONE)];
    let seen = |db: [Node; 2]| {
        let mut seen = snapshot(web().into_iter().chain(db).collect());
        let of_db = Template { pool: "db".into(), ..template("db-3", ago(170)) };
        seen.templates = Templates::Known(vec![template(NEW, ago(174)), of_db]);
        seen
    };
    let done = |name: &str| Node { generation: Some("db-3".into()), ..of_db(name) };
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &seen([old_db("db-1"), old_db("db-2")]), ago(12));
    tracker.observe(&subject, &seen([done("db-3"), done("db-4")]), ago(11));
    subject.pools.pop();
    let roll = tracker.observe(&subject, &snapshot(web()), ago(10)).unwrap();
    assert_eq!(figures(&roll), (2, 2, false));
    assert_eq!(regressions(&tracker), [vec![RegressionCause::PoolRemoved("db".into())]]);
}

#[test]
fn nodes_that_fail_are_cordoned_or_vanish_are_in_the_timeline() {
    let (new, cordoned) =
        (|| node("web-2", ZONE, ago(50), NEW), Node { cordoned: true, ..old("web-1", ZONE) });
    let mut tracker = RollTracker::default();
    let steps = [
        vec![old("web-1", ZONE), new(), old("web-3", ZONE)],
        vec![cordoned.clone(), joining(new()), old("web-3", ZONE)],
        vec![cordoned, Node { still_joining: true, ..new() }],
    ];
    let mut last = None;
    for (minutes, nodes) in [12, 11, 10].into_iter().zip(steps) {
        last = tracker.observe(&preparing(), &snapshot(nodes), ago(minutes));
    }
    let events = happened(&tracker);
    let expected = [
        TimelineEvent::Cordoned { node: "web-1".into() },
        TimelineEvent::NotReady { node: "web-2".into() },
        gone("web-3", None),
    ];
    assert!(expected.iter().all(|event| events.contains(event)), "{events:?}");
    let failed = |entry: &&TimelineEntry| matches!(entry.what, TimelineEvent::NotReady { .. });
    assert_eq!(tracker.timeline().entries().find(failed).unwrap().at, ago(11));
    let roll = last.unwrap();
    let joins = roll.nodes().find(|node| node.stage == NodeStage::Joining).unwrap();
    assert_eq!(joins.since, Some(Since::exact(ago(11))), "not since it was created");
}

#[test]
fn a_pool_without_nodes_changes_no_figure_of_the_others() {
    let mut subject = preparing();
    subject.pools[0].zones = vec![ZONE.into()];
    let db = NodePool { name: "db".into(), minimum: 0, ..subject.pools[0].clone() };
    subject.pools.push(db);
    let olds = snapshot(["a", "b", "c"].map(|name| old(name, ZONE)).to_vec());
    let news = snapshot(["d", "e", "f"].map(|name| node(name, ZONE, ago(50), NEW)).to_vec());
    let mut tracker = RollTracker::default();
    let roll = watch(&mut tracker, &subject, vec![(12, olds), (11, news.clone())]);
    assert_eq!((figures(&roll), roll.is_estimated()), ((0, 3, false), false));
    subject.rotation.phase = Phase::Prepared;
    let roll = watch(&mut tracker, &subject, vec![(10, news)]);
    assert_eq!((figures(&roll), roll.estimate), ((0, 3, false), RollEstimate::Done));
}

#[test]
fn after_a_roll_whose_goal_is_estimated_the_nodes_there_are_count() {
    let mut subject = preparing();
    subject.pools[0].max_unavailable = 3;
    let new = |name: &str| node(name, ZONE, ago(50), NEW);
    let failed = Node { preserved: true, ..joining(new("failed")) };
    let half = snapshot(vec![new("a"), new("b"), old("c", ZONE), old("d", ZONE)]);
    let all = snapshot(vec![new("a"), new("b"), new("e"), new("f"), new("g"), failed]);
    let mut tracker = RollTracker::default();
    assert_eq!(figures(&watch(&mut tracker, &subject, vec![(12, half)])), (2, 4, true));
    subject.rotation.phase = Phase::Prepared;
    assert_eq!(figures(&watch(&mut tracker, &subject, vec![(11, all)])), (0, 5, true));
}

#[test]
fn a_replacement_that_is_not_visible_yet_is_awaited_above_the_minimum_too() {
    let mut subject = preparing();
    let pool = &mut subject.pools[0];
    (pool.minimum, pool.maximum, pool.zones) = (1, 9, vec![ZONE.into()]);
    (pool.max_surge, pool.max_unavailable) = (0, 1);
    let mut tracker = RollTracker::default();
    let olds = || vec![old("a", ZONE), old("b", ZONE), old("c", ZONE)];
    let new = node("d", ZONE, ago(50), NEW);
    for (minutes, nodes, figures) in [
        (12, olds(), (0, 0)),
        (11, olds()[..2].to_vec(), (1, 0)),
        (10, vec![old("a", ZONE), old("b", ZONE), new.clone()], (0, 1)),
        (9, vec![old("a", ZONE), new], (1, 1)),
    ] {
        let roll = tracker.observe(&subject, &snapshot(nodes), ago(minutes)).unwrap();
        let progress = roll.rotation.unwrap();
        assert_eq!((progress.awaited, progress.replaced()), figures, "{minutes}");
        assert_eq!(roll.counts.missing, 0);
    }
}

#[test]
fn a_goal_is_exact_only_if_no_node_can_have_been_replaced_before() {
    let goal = |surge, unavailable, begun: bool, change: &dyn Fn(&mut Cluster)| {
        let mut subject = preparing();
        (subject.pools[0].max_surge, subject.pools[0].max_unavailable) = (surge, unavailable);
        change(&mut subject);
        let mut seen =
            snapshot(["eu01-1", "eu01-2", "eu01-3"].map(|zone| old(zone, zone)).to_vec());
        if !begun {
            seen.templates = Templates::Known(vec![template(OLD, ago(9_000))]);
        }
        figures(&Roll::evaluate(&subject, &seen, &RollHistory::default(), now()))
    };
    let none: &dyn Fn(&mut Cluster) = &|_| {};
    assert_eq!(goal(3, 0, true, none), (3, 3, false));
    assert_eq!(goal(3, 0, true, &|subject| subject.pools.clear()), (3, 3, true));
    assert_eq!(goal(1, 0, true, none), (3, 3, true), "two zones drain first");
    assert_eq!(goal(0, 3, false, none), (3, 3, false));
}

#[test]
fn nodes_are_missing_only_while_a_roll_waits_for_them() {
    use PoolState::{Empty, Missing, NotBegun, Rolling, Settled};
    let of = |phase, nodes: Vec<Node>, name: &str, created| {
        let mut seen = snapshot(nodes);
        seen.templates = Templates::Known(vec![template(name, ago(created))]);
        let roll = Roll::evaluate(&cluster(phase), &seen, &RollHistory::default(), now());
        let of_zones: usize = roll.pools[0].zones.iter().map(|zone| zone.counts.missing).sum();
        assert_eq!(of_zones, roll.counts.missing);
        (roll.pools[0].state, of_zones)
    };
    let plain = || vec![Node { marked_for_deletion: false, ..old("web-1", ZONE) }];
    let new = || vec![node("web-1", ZONE, ago(50), NEW)];
    for (phase, nodes, template, found) in [
        (Phase::Preparing, plain(), (OLD, 9_000), (NotBegun, 0)),
        (Phase::Preparing, new(), (NEW, 174), (Rolling, 2)),
        (Phase::Preparing, Vec::new(), (NEW, 174), (Missing, 3)),
        (Phase::Prepared, new(), (NEW, 174), (Settled, 0)),
        (Phase::Prepared, Vec::new(), (NEW, 174), (Empty, 0)),
        (Phase::Never, Vec::new(), (NEW, 174), (Empty, 0)),
        (Phase::Never, plain(), (NEW, 174), (Rolling, 2)),
    ] {
        assert_eq!(of(phase, nodes, template.0, template.1), found);
    }
}

#[test]
fn a_pool_that_cannot_be_read_begins_with_the_first_that_can() {
    let mut subject = preparing();
    for name in ["db", "cache"] {
        subject.pools.push(NodePool { name: name.into(), ..subject.pools[0].clone() });
    }
    let of = |pool: &str| Node {
        pool: pool.into(),
        marked_for_deletion: false,
        ..node(pool, ZONE, ago(9_000), pool)
    };
    let mut nodes = vec![of("db"), of("cache")];
    nodes.extend(["eu01-1", "eu01-2", "eu01-3"].map(|zone| node(zone, zone, ago(50), NEW)));
    let mut seen = snapshot(nodes);
    let of_cache = Template { pool: "cache".into(), ..template("cache", ago(9_000)) };
    seen.templates = Templates::Known(vec![template(NEW, ago(174)), of_cache]);
    let roll = Roll::evaluate(&subject, &seen, &RollHistory::default(), now());
    let states: Vec<_> = roll.pools.iter().map(|pool| pool.state).collect();
    assert_eq!(states, [PoolState::AllNew, PoolState::Rolling, PoolState::NotBegun]);
}

#[test]
fn a_node_that_is_gone_is_replaced_once_a_new_one_is_there() {
    let mut subject = preparing();
    let pool = &mut subject.pools[0];
    pool.zones.truncate(1);
    (pool.minimum, pool.maximum, pool.max_surge, pool.max_unavailable) = (3, 3, 0, 1);
    let new = |name: &str, minutes| node(name, ZONE, ago(minutes), NEW);
    let all = [old("a", ZONE), old("b", ZONE), old("c", ZONE)];
    let steps = [
        (all.to_vec(), (0, 3, 0), false),
        (all[..2].to_vec(), (0, 3, 1), false),
        (all[..1].to_vec(), (0, 3, 2), false),
        (vec![all[0].clone(), new("d", 30)], (1, 3, 1), false),
        (vec![new("d", 30), new("e", 20)], (2, 3, 1), false),
        (vec![new("d", 30), new("e", 20), new("f", 10)], (3, 3, 0), true),
    ];
    let mut tracker = RollTracker::default();
    for (step, (nodes, figures, done)) in steps.into_iter().enumerate() {
        let at = ago(40 - i64::try_from(step).unwrap());
        let roll = tracker.observe(&subject, &snapshot(nodes), at).unwrap();
        let progress = roll.pools[0].progress;
        let found = (progress.replaced(), progress.goal.nodes, roll.counts.missing);
        assert_eq!((found, progress.done), (figures, done), "step {step}");
        assert_eq!(roll.rotation.unwrap().replaced(), figures.0, "step {step}");
    }
    assert!(regressions(&tracker).is_empty());
}

#[test]
fn who_comes_in_the_middle_of_a_roll_shows_the_same_goal_and_says_that_it_is_estimated() {
    let mut subject = preparing();
    let pool = &mut subject.pools[0];
    (pool.minimum, pool.maximum, pool.zones) = (3, 9, vec![ZONE.into()]);
    (pool.max_surge, pool.max_unavailable) = (1, 0);
    let new = |name: &str| node(name, ZONE, ago(50), NEW);
    let whole = snapshot((0..4).map(|n| old(&format!("web-{n}"), ZONE)).collect());
    let seen = snapshot(vec![
        new("new-0"),
        new("new-1"),
        draining(old("web-2", ZONE), ago(1)),
        old("web-3", ZONE),
        joining(new("new-2")),
    ]);
    let mut first = RollTracker::default();
    assert_eq!(figures(&first.observe(&subject, &whole, ago(60)).unwrap()), (4, 4, false));
    assert_eq!(figures(&first.observe(&subject, &seen, ago(9)).unwrap()), (2, 4, false));
    let mut second = RollTracker::default();
    assert_eq!(figures(&second.observe(&subject, &seen, ago(9)).unwrap()), (2, 4, true));
    let later = snapshot((0..6).map(|n| new(&format!("new-{n}"))).collect());
    assert_eq!(figures(&second.observe(&subject, &later, ago(5)).unwrap()), (0, 4, true));
    subject.pools[0].max_unavailable = 1;
    let mut third = RollTracker::default();
    let all_old = third.observe(&subject, &whole, ago(60)).unwrap();
    assert_eq!(figures(&all_old), (4, 4, true), "one may be missing already");
}

#[test]
fn a_regression_names_its_causes() {
    let subject = preparing();
    let new = |name: &str| node(name, ZONE, ago(50), NEW);
    let mut tracker = RollTracker::default();
    let first = || vec![old("web-1", ZONE), old("web-2", ZONE)];
    tracker.observe(&subject, &snapshot(first()), ago(10));
    tracker.observe(&subject, &snapshot(vec![new("web-3"), old("web-2", ZONE)]), ago(9));
    assert_eq!(regressions(&tracker), [[]; 0]);
    let added = snapshot(vec![new("web-3"), old("web-2", ZONE), old("web-4", ZONE)]);
    let roll = tracker.observe(&subject, &added, ago(8)).unwrap();
    assert_eq!(figures(&roll), (2, 3, false));
    assert_eq!(regressions(&tracker), [[RegressionCause::OldNodeAdded("web-4".into())]]);
}

#[test]
fn why_the_share_falls_follows_from_what_the_old_node_was_before() {
    use NodeStage::{Cordoned, Draining, Joining, Leaving, New, Old, Preserved};
    let seen = snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
    let mut pool =
        Roll::evaluate(&preparing(), &seen, &RollHistory::default(), now()).pools.remove(0);
    let (is_old, is_new) = (pool.zones[0].nodes[1].clone(), pool.zones[0].nodes[0].clone());
    let (web, name) = (|| "web".to_owned(), || "web-1".to_owned());
    for (before, first, another, cause) in [
        (Some(New), false, true, Some(RegressionCause::AnotherRoll(web()))),
        (Some(New), false, false, Some(RegressionCause::OtherTemplate(web()))),
        (Some(Joining), false, false, Some(RegressionCause::OtherTemplate(web()))),
        (Some(Leaving), false, true, Some(RegressionCause::AnotherRoll(web()))),
        (Some(Preserved), false, false, Some(RegressionCause::NodeCountsAgain(name()))),
        (None, false, false, Some(RegressionCause::OldNodeAdded(name()))),
        (None, true, false, None),
        (Some(Draining), false, true, None),
        (Some(Cordoned), false, false, None),
        (Some(Old), false, true, None),
    ] {
        pool.another = another;
        assert_eq!(find_cause(&pool, &is_old, before, first), cause, "{before:?}");
        assert_eq!(find_cause(&pool, &is_new, before, first), None);
    }
}

#[test]
fn a_configuration_that_changes_in_place_is_no_node_that_fails() {
    let mut subject = preparing();
    subject.pools[0].minimum = 0;
    let asks = |checksum: &str, nodes: Vec<Node>| {
        let mut seen = snapshot(nodes);
        let asked = Template { checksum: Some(checksum.into()), ..template(NEW, ago(174)) };
        seen.templates = Templates::Known(vec![asked]);
        seen
    };
    let applied = |name: &str, checksum: &str| Node {
        checksum: Some(checksum.into()),
        ..node(name, ZONE, ago(150), NEW)
    };
    let both = |checksum: &str| vec![applied("web-1", checksum), applied("web-2", checksum)];
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &asks("a", both("a")), ago(31));
    let lags = asks("b", both("a"));
    tracker.observe(&subject, &lags, ago(30));
    let early = Roll::evaluate(&subject, &lags, tracker.history(), ago(25));
    assert_eq!(early.counts.joining, 2);
    assert_eq!(early.nodes().next().unwrap().since, Some(Since::exact(ago(30))));
    assert!(early.blockers.is_empty(), "{:?}", early.blockers);
    let late = Roll::evaluate(&subject, &lags, tracker.history(), ago(10));
    assert!(matches!(
        late.blockers[0].cause,
        BlockerCause::NodeNotReady { why: Some(JoiningReason::Configuring), .. }
    ));
    assert_eq!(late.blockers[0].since, Some(Since::exact(ago(30))));
    tracker.observe(
        &subject,
        &asks("b", vec![applied("web-1", "b"), applied("web-2", "a")]),
        ago(9),
    );
    tracker.observe(&subject, &asks("b", both("b")), ago(8));
    let reconfigured = TimelineEvent::Reconfigured { pool: "web".into() };
    assert_eq!(happened(&tracker).last(), Some(&reconfigured));
    assert_eq!(regressions(&tracker), [[]; 0], "no node is to be replaced for that");
    let first = Roll::evaluate(&subject, &lags, &RollHistory::default(), ago(0));
    assert!(first.blockers.is_empty(), "since when is not known");
    let mut fresh = RollTracker::default();
    fresh.observe(&subject, &lags, ago(30));
    let waited = Roll::evaluate(&subject, &lags, fresh.history(), ago(10));
    assert_eq!(waited.blockers[0].since, Some(Since::at_least(ago(30))));
    let born = Node { checksum: None, ..node("web-3", ZONE, ago(20), NEW) };
    let young = Roll::evaluate(
        &subject,
        &asks("b", vec![applied("web-1", "b"), born]),
        fresh.history(),
        ago(5),
    );
    let joins = young.nodes().find(|node| node.stage == NodeStage::Joining).unwrap();
    assert_eq!(joins.since, Some(Since::exact(ago(20))), "it waits since it was made");
}

#[test]
fn k8s_12_a_second_template_in_one_rotation_is_remembered_as_another_roll() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &snapshot(vec![node("web-1", ZONE, ago(150), NEW)]), ago(60));
    let mut changed = snapshot(vec![node("web-1", ZONE, ago(150), NEW)]);
    changed.templates = Templates::Known(vec![template("gardener-node-agent-web-3", ago(50))]);
    tracker.observe(&subject, &changed, ago(49));
    let roll = Roll::evaluate(&subject, &changed, tracker.history(), ago(49));
    assert!(roll.pools[0].another);
    assert!(happened(&tracker).contains(&TimelineEvent::AnotherRoll { pool: "web".into() }));
    assert_eq!(regressions(&tracker), [vec![RegressionCause::AnotherRoll("web".into())]]);
    assert!(!happened(&tracker).contains(&TimelineEvent::Reconfigured { pool: "web".into() }));
}

#[test]
fn k8s_12_a_second_template_soon_after_the_first_is_another_roll_for_who_watched() {
    let subject = preparing();
    let early = || snapshot(vec![node("web-1", ZONE, ago(165), NEW)]);
    let mut changed = early();
    changed.templates = Templates::Known(vec![template("gardener-node-agent-web-3", ago(160))]);
    let mut tracker = RollTracker::default();
    tracker.observe(&subject, &early(), ago(162));
    assert!(Roll::evaluate(&subject, &changed, tracker.history(), ago(159)).pools[0].another);
    // Without the first template, a node from the first minutes may also be of the old generation.
    assert!(
        !Roll::evaluate(&subject, &changed, &RollHistory::default(), ago(159)).pools[0].another
    );
}

#[test]
fn k8s_12_a_pool_that_is_done_first_stays_in_the_figure_of_the_other_roll() {
    let mut subject = cluster(Phase::Prepared);
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let third = "gardener-node-agent-web-3";
    let seen = |web: &str, db: [&str; 2]| {
        let of_db = |number: usize, label: &str| Node {
            pool: "db".into(),
            ..node(&format!("db-{number}"), ZONE, ago(100), label)
        };
        let mut seen =
            snapshot(vec![node("web-1", ZONE, ago(100), web), of_db(1, db[0]), of_db(2, db[1])]);
        let of_db = Template { pool: "db".into(), ..template("db-3", ago(50)) };
        seen.templates = Templates::Known(vec![template(third, ago(50)), of_db]);
        seen
    };
    let mut tracker = RollTracker::default();
    let (mut progress, mut of_pool) = (Vec::new(), Vec::new());
    for (minutes, seen) in [
        (30, seen(NEW, [NEW, NEW])),
        (20, seen(third, [NEW, NEW])),
        (10, seen(third, ["db-3", NEW])),
        (5, seen(third, ["db-3", "db-3"])),
        // The next one is only of that pool.
        (4, seen(third, ["db-3", NEW])),
    ] {
        tracker.observe(&subject, &seen, ago(minutes));
        let roll = Roll::evaluate(&subject, &seen, tracker.history(), ago(minutes));
        progress.push(roll.another.map(|another| (another.old, another.goal.nodes)));
        let of_db = roll.pools[1].progress;
        of_pool.push((of_db.old, of_db.goal.nodes, of_db.done));
    }
    assert_eq!(of_pool[..3], [(2, 2, false), (2, 2, false), (1, 2, false)]);
    assert_eq!(progress, [Some((3, 3)), Some((2, 3)), Some((1, 3)), None, Some((1, 1))]);
}

#[test]
fn a_new_node_that_failed_waits_since_it_failed() {
    let failed =
        Node { ready_changed: Some(ago(2)), ..joining(node("web-1", ZONE, ago(160), NEW)) };
    let seen = snapshot(vec![failed]);
    let roll = Roll::evaluate(&preparing(), &seen, &RollHistory::default(), ago(0));
    let node = roll.nodes().next().unwrap();
    assert_eq!(node.since, Some(Since::exact(ago(2))));
    assert!(roll.blockers.is_empty());
}

#[test]
fn k8s_12_the_template_of_the_rotation_itself_is_never_another_roll() {
    let mut tracker = RollTracker::default();
    let late = node("web-9", ZONE, ago(178), "gardener-node-agent-web-0000000000000009");
    let rolling = snapshot(vec![late, node("web-1", ZONE, ago(150), NEW)]);
    tracker.observe(&preparing(), &rolling, ago(60));
    let lagging = Roll::evaluate(&cluster(Phase::Prepared), &rolling, tracker.history(), ago(1));
    assert_eq!(lagging.another, None);
}

#[test]
fn a_blocked_drain_is_recorded_once_and_so_is_its_end() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    let held = fixture("blocked_by_budgets");
    for minutes in [3, 2, 1] {
        tracker.observe(&subject, &held, ago(minutes));
    }
    let mut free = held.clone();
    free.budgets.clear();
    tracker.observe(&subject, &free, ago(0));
    let node = "web-z2-aaaaa-77777".to_owned();
    let by = ("PodDisruptionBudget", ObjectName::new("billing", "one"));
    let of_blocks =
        [TimelineEvent::Blocked { node: node.clone(), by }, TimelineEvent::Unblocked { node }];
    assert!(happened(&tracker).ends_with(&of_blocks), "{:?}", happened(&tracker));
}

#[test]
fn the_history_is_bounded_over_a_long_life() {
    let subject = preparing();
    let mut tracker = RollTracker::default();
    for round in 0..3_000_i64 {
        let name = format!("web-{round}");
        let at = ago(3_000 - round);
        let fresh = node(&name, ZONE, at.checked_sub(SignedDuration::from_mins(2)).unwrap(), NEW);
        tracker.observe(&subject, &snapshot(vec![fresh]), at);
    }
    assert_eq!(tracker.timeline().entries().len(), MAX_ENTRIES);
    assert_eq!(tracker.history().nodes.len(), 1);
}

/// Watches snapshots, two minutes apart at most, and returns the last roll.
fn watch(tracker: &mut RollTracker, subject: &Cluster, steps: Vec<(i64, ClusterSnapshot)>) -> Roll {
    let mut last = None;
    for (minutes, seen) in steps {
        last = tracker.observe(subject, &seen, ago(minutes));
    }
    last.unwrap()
}

#[test]
fn without_a_start_all_new_nodes_stay_new_once_the_roll_was_watched() {
    let mut without = preparing();
    without.rotation.initiated = None;
    let half = || snapshot(vec![old("web-1", ZONE), node("web-2", ZONE, ago(50), NEW)]);
    let all =
        || snapshot(vec![node("web-2", ZONE, ago(50), NEW), node("web-3", ZONE, ago(20), NEW)]);
    let mut tracker = RollTracker::default();
    let roll = watch(&mut tracker, &without, vec![(11, half()), (10, all())]);
    assert_eq!((roll.counts.new, roll.counts.old_left()), (2, 0));
    let mut tracker = RollTracker::default();
    tracker.observe(&preparing(), &all(), ago(10));
    let roll = tracker.observe(&without, &all(), ago(9)).unwrap();
    assert_eq!((roll.counts.new, roll.counts.old_left()), (2, 0), "one reading lacks the start");
}

#[test]
fn nodes_of_the_previous_rotation_are_not_new_while_the_next_one_has_no_time_yet() {
    let all = || snapshot(vec![node("web-1", ZONE, ago(50), NEW)]);
    let mut subject = preparing();
    let first = subject.rotation.initiated;
    let mut watched = RollTracker::default();
    watched.observe(&subject, &all(), ago(40));
    subject.rotation.phase = Phase::Completed;
    subject.rotation.completed = Some(ago(30));
    watched.observe(&subject, &all(), ago(20));
    subject.rotation.phase = Phase::Preparing;
    for initiated in [first, None] {
        subject.rotation.initiated = initiated;
        for mut tracker in [watched.clone(), RollTracker::default()] {
            let roll = tracker.observe(&subject, &all(), ago(10)).unwrap();
            assert_eq!((roll.pools[0].state, roll.counts.old), (PoolState::NotBegun, 1));
            assert!(roll.estimate_reasons.contains(&EstimateReason::StartUnknown));
        }
    }
}

#[test]
fn an_annotation_alone_makes_no_node_new() {
    let mut without = preparing();
    without.rotation.initiated = None;
    let nodes = ["a", "b"].map(|name| Node {
        rolling: true,
        marked_for_deletion: false,
        ..old(name, ZONE)
    });
    let seen = ClusterSnapshot { templates: Templates::Forbidden, ..snapshot(nodes.to_vec()) };
    let roll = Roll::evaluate(&without, &seen, &RollHistory::default(), now());
    assert_eq!((roll.counts.new, roll.counts.old), (0, 2));
}

#[test]
fn a_node_of_the_target_generation_that_is_to_be_deleted_means_another_roll() {
    let again = |name: &str| Node { marked_for_deletion: true, ..node(name, ZONE, ago(100), NEW) };
    let mut tracker = RollTracker::default();
    let first =
        snapshot(vec![node("web-1", ZONE, ago(100), NEW), node("web-2", ZONE, ago(100), NEW)]);
    let second = snapshot(vec![again("web-1"), again("web-2")]);
    let roll = watch(&mut tracker, &preparing(), vec![(11, first), (10, second)]);
    assert!(roll.pools[0].another);
    assert_eq!(regressions(&tracker), [vec![RegressionCause::AnotherRoll("web".into())]]);
}

#[test]
fn what_the_autoscaler_removes_is_not_awaited() {
    let mut subject = preparing();
    let pool = &mut subject.pools[0];
    (pool.minimum, pool.maximum, pool.zones) = (3, 9, vec![ZONE.into()]);
    let new = |name: &str| node(name, ZONE, ago(50), NEW);
    let whole = snapshot((0..9).map(|n| old(&format!("web-{n}"), ZONE)).collect());
    let all = snapshot((0..9).map(|n| new(&format!("new-{n}"))).collect());
    let few = snapshot(vec![new("new-0"), new("new-1")]);
    let mut tracker = RollTracker::default();
    let roll = watch(&mut tracker, &subject, vec![(12, whole), (11, all), (10, few)]);
    let progress = roll.rotation.unwrap();
    assert_eq!((roll.counts.missing, progress.old, progress.awaited), (1, 0, 1));
    assert_eq!(progress.replaced(), 8);
}

#[test]
fn a_pool_whose_only_node_is_gone_is_awaited() {
    let mut subject = preparing();
    let pool = &mut subject.pools[0];
    (pool.minimum, pool.maximum, pool.zones) = (1, 1, vec![ZONE.into()]);
    let surges = Roll::evaluate(&subject, &snapshot(Vec::new()), &RollHistory::default(), now());
    assert_eq!(figures(&surges), (0, 1, true));
    (subject.pools[0].max_surge, subject.pools[0].max_unavailable) = (0, 1);
    let mut tracker = RollTracker::default();
    let roll = watch(&mut tracker, &subject, vec![(12, snapshot(Vec::new()))]);
    assert_eq!(roll.pools[0].state, PoolState::Missing);
    assert_eq!(roll.estimate, RollEstimate::NodesMissing);
    let progress = roll.rotation.unwrap();
    assert_eq!((progress.goal, progress.awaited), (RollGoal { nodes: 1, estimated: true }, 1));
    let roll = watch(
        &mut tracker,
        &subject,
        vec![(11, snapshot(vec![node("web-2", ZONE, ago(11), NEW)]))],
    );
    assert_eq!(figures(&roll), (0, 1, true));
}

#[test]
fn a_pool_without_nodes_before_its_template_is_renewed_has_not_begun() {
    let mut subject = preparing();
    subject.pools.push(NodePool { name: "db".into(), ..subject.pools[0].clone() });
    let mut seen = snapshot(vec![Node { marked_for_deletion: false, ..old("web-1", ZONE) }]);
    let of_db = Template { pool: "db".into(), ..template("db-1", ago(9_000)) };
    seen.templates = Templates::Known(vec![template(OLD, ago(9_000)), of_db]);
    let mut tracker = RollTracker::default();
    let roll = watch(&mut tracker, &subject, vec![(12, seen.clone())]);
    assert_eq!(roll.estimate, RollEstimate::NotBegun);
    assert_eq!(roll.pools[1].state, PoolState::Missing);
    assert_eq!(happened(&tracker), [TimelineEvent::Phase(Phase::Preparing)]);
    seen.templates = Templates::Forbidden;
    let roll = Roll::evaluate(&subject, &seen, &RollHistory::default(), now());
    assert_eq!(roll.estimate, RollEstimate::NotBegun, "{:?}", roll.pools[1].state);
}

#[test]
fn a_pool_with_only_a_preserved_node_has_no_new_ones() {
    let failed = Node { preserved: true, ..joining(old("web-1", ZONE)) };
    let mut subject = preparing();
    (subject.pools[0].minimum, subject.pools[0].zones) = (1, vec![ZONE.into()]);
    let roll = Roll::evaluate(&subject, &snapshot(vec![failed]), &RollHistory::default(), now());
    assert_eq!((roll.pools[0].state, roll.estimate), (PoolState::Empty, RollEstimate::Finishing));
    assert_eq!(figures(&roll), (0, 0, false));
}

#[test]
fn after_the_roll_nodes_that_cannot_be_listed_are_not_none() {
    let mut seen = snapshot(Vec::new());
    seen.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    let roll = Roll::evaluate(&cluster(Phase::Prepared), &seen, &RollHistory::default(), now());
    assert_eq!((roll.rotation, roll.sees_nodes()), (None, false));
}
