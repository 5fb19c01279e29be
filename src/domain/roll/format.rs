//! A roll in the product's words, the same for dashboard, fleet column, headless output and notifications.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::{long, since};
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::Blocker;
use crate::domain::roll::classify::{NodeRoll, NodeStage, Wait, short};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::eta::{DurationRange, RollEstimate, USUAL_NODE};
use crate::domain::roll::generation::{EstimateReason, RolloutStage, rollout_stage};
use crate::domain::roll::limits::Limits;
use crate::domain::roll::progress::{Counts, Figure, PoolRoll, PoolState};
use crate::domain::roll::steps::StepName;
use crate::domain::roll::timeline::{Cause, TimelineEvent};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::snapshot::{ClusterSnapshot, Pod};
use crate::domain::text::{clean, plural};

/// "9 of 15 nodes new", "all 24 nodes new", "no nodes".
pub fn figure(figure: Figure) -> String {
    match (figure.done, figure.total()) {
        (_, 0) => "no nodes".to_owned(),
        (true, 1) => "the only node is new".to_owned(),
        (true, total) => format!("all {total} nodes new"),
        (false, total) => format!("{} of {total} nodes new", figure.new),
    }
}

/// "9/15", "done 24/24", "no nodes": the figure for a narrow column.
pub fn figure_narrow(figure: Figure) -> String {
    if figure.total() == 0 {
        return "no nodes".to_owned();
    }
    let numbers = format!("{}/{}", figure.new, figure.total());
    if figure.done { format!("done {numbers}") } else { numbers }
}

/// "about 40–60m left", "estimate 25–40m left", "usually 7–10m a node", "stalled 47m"; `None` when there is nothing to wait for.
pub fn outlook(outlook: RollEstimate, now: Timestamp) -> Option<String> {
    match outlook {
        RollEstimate::Idle | RollEstimate::Done => None,
        RollEstimate::Unknown => Some("nodes cannot be seen".to_owned()),
        RollEstimate::NotBegun | RollEstimate::Early => {
            Some(format!("usually {} a node", span(USUAL_NODE)))
        }
        RollEstimate::Left { span: left, held, estimate, .. } => {
            let about = if estimate { "estimate" } else { "about" };
            let end = if held { "once it moves" } else { "left" };
            Some(format!("{about} {} {end}", span(left)))
        }
        RollEstimate::Stalled { since: last } => {
            Some(format!("stalled {}", long(since(last, now))))
        }
        RollEstimate::Finishing => Some("waiting for SKE to say PREPARED".to_owned()),
    }
}

/// "at worst 7h, if every machine and every drain used Gardener's default limits"; `None` while there is no forecast.
pub fn worst_case(outlook: RollEstimate) -> Option<String> {
    match outlook {
        RollEstimate::Left { worst, .. } => Some(format!(
            "at worst {}, if every machine and every drain used Gardener's default limits",
            long(worst)
        )),
        RollEstimate::Idle
        | RollEstimate::Unknown
        | RollEstimate::NotBegun
        | RollEstimate::Early
        | RollEstimate::Stalled { .. }
        | RollEstimate::Finishing
        | RollEstimate::Done => None,
    }
}

/// "40–60m", or "~20–30m" where it is an estimate: how long it still takes, where there is room for no more words;
/// `None` while it is held up.
pub fn left(outlook: RollEstimate) -> Option<String> {
    match outlook {
        RollEstimate::Left { span: left, held: false, estimate: true, .. } => {
            Some(format!("~{}", span(left)))
        }
        RollEstimate::Left { span: left, held: false, estimate: false, .. } => Some(span(left)),
        RollEstimate::Left { held: true, .. }
        | RollEstimate::Idle
        | RollEstimate::Unknown
        | RollEstimate::NotBegun
        | RollEstimate::Early
        | RollEstimate::Stalled { .. }
        | RollEstimate::Finishing
        | RollEstimate::Done => None,
    }
}

/// "9 of 15 nodes new, about 40–60m left": one line for a status, `wait`, or a notification.
pub fn summary(roll: &Roll, now: Timestamp) -> String {
    let mut parts = vec![match roll.figure() {
        Some(shown) => figure(shown),
        None if matches!(roll.outlook, RollEstimate::Unknown) => String::new(),
        None => "no roll".to_owned(),
    }];
    parts.extend(outlook(roll.outlook, now));
    if roll.counts.blocked > 0 {
        parts.push(format!("{} blocked", plural(roll.counts.blocked, "node", "nodes")));
    }
    if roll.is_estimated() {
        parts.push("estimated".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// "PDB payments/api allows 0 · web-7 blocked 47m": one line for the fleet and for whoever waits. The culprit comes
/// first, so that it is not what a narrow screen cuts off.
pub fn headline(blocker: &Blocker, now: Timestamp) -> String {
    let lasts = blocker.since.map(|began| {
        let lasted = long(since(began.at, now));
        if began.at_least { format!("at least {lasted}") } else { lasted }
    });
    let pool = blocker.place.as_ref().map_or("", |(pool, _)| pool);
    let node = blocker.node.as_ref().map(|name| short(name, pool));
    let brief = blocker.brief.replace("PodDisruptionBudget", "PDB");
    match (node, lasts) {
        (Some(node), Some(lasts)) if blocker.holds_drain() => {
            format!("{brief} · {node} blocked {lasts}")
        }
        (Some(node), Some(lasts)) => format!("{brief} · {node} {lasts}"),
        (Some(node), None) => format!("{brief} · {node}"),
        (None, Some(lasts)) => format!("{brief}, {lasts}"),
        (None, None) => brief,
    }
}

/// "no node has changed for 47m": a standstill of which nothing is named; `None` where there is none.
pub fn standstill(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.outlook else { return None };
    Some(format!("no node has changed for {}", long(since(last, now))))
}

/// Why a roll that stands still does so: the worst thing that is named, or that nothing is.
pub fn evidence(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.outlook else { return None };
    Some(match roll.worst() {
        Some(blocker) => blocker.why.clone(),
        None => format!(
            "No node that is left has changed for {}, and nothing that is seen holds it up.",
            long(since(last, now))
        ),
    })
}

/// "40–60m", "1h 20m–2h 40m", "5–10m": rounded outwards, so that it never claims more than it knows.
pub fn span(span: DurationRange) -> String {
    let step = match span.high.as_mins() {
        ..15 => 1,
        15..=90 => 5,
        91..240 => 10,
        _ => 30,
    };
    let low = span.low.as_mins().max(0) / step * step;
    let high = (span.high.as_secs().max(0) + 60 * step - 1) / (60 * step) * step;
    let (low, high) = (low, high.max(low + step));
    let minutes = |count: i64| SignedDuration::from_mins(count);
    match (low, high) {
        (0, high) => format!("0–{}", long_minutes(minutes(high))),
        (low, high) if high <= 90 => format!("{low}–{high}m"),
        (low, high) => format!("{}–{}", long_minutes(minutes(low)), long_minutes(minutes(high))),
    }
}

/// As ages are written, but never in seconds.
fn long_minutes(duration: SignedDuration) -> String {
    if duration.as_mins() < 2 { format!("{}m", duration.as_mins()) } else { long(duration) }
}

/// The word for a stage; the glyphs are the screen's.
pub fn stage(node: &NodeRoll) -> &'static str {
    match node.stage {
        NodeStage::Draining if node.blocked => "blocked",
        NodeStage::Draining => "draining",
        NodeStage::New => "new",
        NodeStage::Leaving => "leaving",
        NodeStage::Joining => "joining",
        NodeStage::Cordoned => "cordoned",
        NodeStage::Old => "old",
        NodeStage::Preserved => "preserved",
    }
}

/// What there is to say of a node beside its stage, in a clause; `None` when the stage says it all.
pub fn stage_detail(node: &NodeRoll, now: Timestamp) -> Option<String> {
    match node.stage {
        NodeStage::Draining => node.deadline.map(|at| {
            if at <= now {
                "past Gardener's default limit of 2h; SKE's is not known".to_owned()
            } else {
                format!("forced in {}, if Gardener's default of 2h holds", long(since(now, at)))
            }
        }),
        NodeStage::Joining => Some(match (node.wait, &node.reason) {
            (Some(Wait::NotReady), Some(reason)) => format!("not ready: {reason}"),
            (Some(Wait::NotReady) | None, _) => "not ready".to_owned(),
            (Some(Wait::Starting), _) => "its system pods start".to_owned(),
            (Some(Wait::Configuring), _) => "it applies its configuration".to_owned(),
        }),
        NodeStage::Leaving => Some(match &node.reason {
            Some(reason) => format!("removed again: {reason}"),
            None => "removed again: it failed, or the autoscaler takes it away".to_owned(),
        }),
        NodeStage::Cordoned => Some("unschedulable, but not being removed".to_owned()),
        NodeStage::Preserved => Some("failed and kept on purpose; not counted".to_owned()),
        NodeStage::New if node.cordoned => Some("unschedulable".to_owned()),
        NodeStage::New | NodeStage::Old => None,
    }
}

/// "7 new · 1 joining · 2 draining (1 blocked) · 3 old"; zeros are left out.
pub fn counts(counts: Counts) -> String {
    let draining = match (counts.draining, counts.blocked) {
        (0, _) => String::new(),
        (count, 0) => format!("{count} draining"),
        (count, blocked) => format!("{count} draining ({blocked} blocked)"),
    };
    let part = |count: usize, word: &str| match count {
        0 => String::new(),
        count => format!("{count} {word}"),
    };
    let parts = [
        part(counts.new, "new"),
        part(counts.joining, "joining"),
        draining,
        part(counts.cordoned, "cordoned"),
        part(counts.old, "old"),
        part(counts.leaving, "leaving"),
        part(counts.preserved, "preserved"),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "no nodes".to_owned() } else { parts.join(" · ") }
}

/// How far a pool is, when its figure does not say it.
pub fn pool_state(pool: &PoolRoll) -> Option<&'static str> {
    match pool.state {
        PoolState::NotBegun => Some("control plane first, nodes not begun"),
        PoolState::AllNew => Some("all nodes new"),
        PoolState::Empty => Some("no nodes"),
        PoolState::Missing => Some("no nodes seen"),
        PoolState::Rolling if pool.another => Some("another roll"),
        PoolState::Rolling | PoolState::Settled => None,
    }
}

/// "surge 1, unavailable 0", and what follows for the zone.
pub fn limits(limits: Limits) -> String {
    let consequence = match (limits.forced, limits.drains_first()) {
        (true, _) => "; no share of either, so a node is drained before its replacement exists",
        (false, true) => "; a node is drained before its replacement exists",
        (false, false) => "",
    };
    let unavailable = if limits.forced { 0 } else { limits.unavailable };
    format!("surge {}, unavailable {unavailable}{consequence}", limits.surge)
}

/// Where the figures come from: "exact: …" or "estimated: …, …".
pub fn basis(guesses: &BTreeSet<EstimateReason>) -> String {
    if guesses.is_empty() {
        return "exact: each node says which generation it is of".to_owned();
    }
    let reasons: Vec<&str> = guesses.iter().map(|guess| reason(*guess)).collect();
    format!("estimated: {}", reasons.join(", "))
}

/// Why a figure is an estimate, as a clause.
pub fn reason(guess: EstimateReason) -> &'static str {
    match guess {
        EstimateReason::TemplatesUnread => "the templates of the pools are not read yet",
        EstimateReason::SecretsForbidden => {
            "Secrets may not be read, so taints and ages of nodes are used"
        }
        EstimateReason::NoTemplate => {
            "a pool has no template, so taints and ages of nodes are used"
        }
        EstimateReason::TemplatesLag => "the list of templates is older than the list of nodes",
        EstimateReason::LabelsAbsent => "nodes without a generation label are judged by their age",
        EstimateReason::StartUnknown => "SKE does not say when the rotation started",
    }
}

/// The name of a step.
pub fn step(name: StepName) -> &'static str {
    match name {
        StepName::Accepted => "accepted",
        StepName::ControlPlane => "control plane renewing",
        StepName::Secrets => "Secrets written anew",
        StepName::Nodes => "nodes rolling",
        StepName::Prepared => "PREPARED",
    }
}

/// A line of the timeline.
pub fn happening(what: &TimelineEvent) -> String {
    let took = |took: &Option<SignedDuration>| match took {
        Some(took) => format!(" after {}", long(*took)),
        None => String::new(),
    };
    match what {
        TimelineEvent::Phase(Phase::Preparing) => "rotation started".to_owned(),
        TimelineEvent::Phase(phase) => clean(phase.word()),
        TimelineEvent::NodesBegan { pool } => format!("pool {}: nodes begin", clean(pool)),
        TimelineEvent::AnotherRoll { pool } => {
            format!("pool {}: another roll, nodes are replaced once more", clean(pool))
        }
        TimelineEvent::Reconfigured { pool } => {
            format!("pool {}: nodes are to apply a changed configuration", clean(pool))
        }
        TimelineEvent::Joining { node } => format!("{node} joining"),
        TimelineEvent::Ready { node, took: time } => format!("{node} ready{}", took(time)),
        TimelineEvent::Draining { node } => format!("{node} draining"),
        TimelineEvent::Cordoned { node } => format!("{node} cordoned"),
        TimelineEvent::Gone { node, took: time } => format!("{node} gone{}", took(time)),
        TimelineEvent::Leaving { node } => format!("{node} is being removed again"),
        TimelineEvent::NotReady { node } => format!("{node} is not ready any more"),
        TimelineEvent::Blocked { node, by } => format!("{node} blocked by {by}"),
        TimelineEvent::Freed { node } => format!("{node} goes on"),
        TimelineEvent::Back { from, to, causes } => {
            let causes: Vec<String> = causes.iter().map(cause).collect();
            format!("{} after {}: {}", figure_narrow(*to), figure_narrow(*from), causes.join(", "))
        }
    }
}

/// Why the share of new nodes fell, as a clause.
pub fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Phase => "SKE shows another phase".to_owned(),
        Cause::AnotherRoll(pool) => format!("pool {} is replaced once more", clean(pool)),
        Cause::OtherTemplate(pool) => {
            format!("the generation of pool {} is known differently now", clean(pool))
        }
        Cause::Reconfigured(pool) => {
            format!("nodes of pool {} are to apply a changed configuration", clean(pool))
        }
        Cause::NodeLost(node) => format!("{node} is gone"),
        Cause::NodeNotReady(node) => format!("{node} is not ready any more"),
        Cause::NodeLeaving(node) => format!("{node} is being removed again"),
        Cause::NodeKept(node) => format!("{node} failed and is kept"),
        Cause::OldNodeAdded(node) => format!("{node} of the old generation was added"),
        Cause::NodeCountsAgain(node) => format!("{node} is no longer kept"),
    }
}

/// What a reader should know of the figures.
pub fn notes(
    rotation: &Rotation,
    snapshot: &ClusterSnapshot,
    pools: &[PoolRoll],
    clock: ClusterClock,
) -> Vec<String> {
    let mut out: Vec<String> = clock.note().into_iter().collect();
    for (kind, reason) in &snapshot.unseen {
        let consequence = match *kind {
            "endpointslices" if !snapshot.is_whole(kind) => {
                "; whether a webhook keeps nodes from joining cannot be told"
            }
            _ if !snapshot.is_blind_to(kind) => "; what is shown may be old or incomplete",
            "nodes" => "; the roll cannot be seen",
            "pods" => "; what holds a drain cannot be named",
            "poddisruptionbudgets" => "; whether one holds a drain cannot be told",
            "validatingwebhookconfigurations" | "mutatingwebhookconfigurations" => {
                "; whether a webhook keeps nodes from joining cannot be told"
            }
            _ => "",
        };
        out.push(format!("{kind}: {}{consequence}", clean(&reason.to_string())));
    }
    let rolling = rollout_stage(rotation) == RolloutStage::Rolling;
    for pool in pools {
        let name = clean(&pool.name);
        if pool.another && rolling {
            out.push(format!(
                "pool {name} was changed since the start; its nodes are replaced once more"
            ));
        } else if pool.another {
            out.push(format!("pool {name}: another roll, not part of the rotation"));
        }
        if !pool.known_to_ske && !pool.name.is_empty() {
            out.push(format!("SKE does not list pool {name}; it may have been removed"));
        }
        if pool.counts.preserved > 0 {
            out.push(format!(
                "pool {name}: {} kept on purpose, not counted",
                plural(pool.counts.preserved, "failed node is", "failed nodes are")
            ));
        }
    }
    out
}

/// "a, b, c and 4 more".
pub fn list(items: impl IntoIterator<Item = String>, most: usize) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The first three pods of some, by namespace and name.
pub fn first_names(pods: &[&Pod]) -> String {
    list(pods.iter().map(|pod| clean(&format!("{}/{}", pod.namespace, pod.name))), 3)
}
