//! Texts about rolls and nodes, shared by dashboard, fleet column, headless output and notifications.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::app::texts::texts;
use crate::domain::age::{long, passed};
use crate::domain::failure::Failure;
use crate::domain::roll::blocker::cause::NameSample;
use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage, Since};
use crate::domain::roll::durations::{DurationRange, RollEstimate, USUAL_NODE};
use crate::domain::roll::generation::EstimateReason;
use crate::domain::roll::history::RollGoal;
use crate::domain::roll::limits::Limits;
use crate::domain::roll::progress::{NodeCounts, PoolRoll, PoolState, RollProgress};
use crate::domain::roll::start_steps::{StartStepDetail, StartStepName};
use crate::domain::roll::timeline::{RegressionCause, TimelineEvent};
use crate::domain::roll::{Roll, RollNote};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{Unavailable, Unseen};
use crate::domain::text::{clean, plural};

texts! {
    list_and_more(list, count) = "{list} and {count} more";
    and_then(first, second) = "{first}, {second}";
    at_least(time) = "at least {time}";
    COLUMN_KIND = "KIND";
    COLUMN_NODE = "NODE";
    COLUMN_POOL = "POOL";
    COLUMN_ZONE = "ZONE";
    COLUMN_STATE = "STATE";
    COLUMN_SINCE = "SINCE";
    COLUMN_TEXT = "TEXT";
    COLUMN_FIX = "FIX";
    COLUMN_INSPECT = "INSPECT";
    or_earlier(time) = "{time} or earlier";
    NODE = "node";
    MANY_NODES = "nodes";

    NO_NODES = "no nodes";
    ONLY_NODE_NEW = "the only node is new";
    all_new(total) = "all {total} nodes new";
    ONLY_NODE_REPLACED = "the only node is replaced";
    all_replaced(total) = "all {total} nodes replaced";
    left_to_replace(old, goal) = "{old} of {goal} left to replace";
    about(count) = "about {count}";
    done(numbers) = "done {numbers}";

    NODES_NOT_VISIBLE = "nodes not visible";
    usually(range) = "usually {range} per node";
    about_left(range) = "about {range} left";
    about_once_unblocked(range) = "about {range} once unblocked";
    estimate_left(range) = "estimated {range} left";
    estimate_once_unblocked(range) = "estimated {range} once unblocked";
    stalled(time) = "stalled {time}";
    FINISHING = "waiting for SKE to report PREPARED";
    worst_case_of(time) = "worst case {time} (every drain times out; Gardener defaults)";
    NO_ROLL = "no rollout";
    nodes_no_roll(nodes) = "{nodes}, no rollout";
    blocked(nodes) = "{nodes} blocked";
    missing(nodes) = "{nodes} missing";
    STAGE_MISSING = "missing";
    ESTIMATED = "counts estimated";
    unchanged_for(time) = "no node has changed for {time}";
    stalled_without_reason(time) = "No remaining node has changed for {time}; no blocker found.";
    STALLED = "rollout stalled";
    WAS_STALLED = "rollout was stalled";
    ended(nodes) = "rollout ended: {nodes} replaced";
    ended_early(old, all) = "rollout ended with {old} of {all} left to replace";
    RESUMED = "rollout resumed";
    as_of_ago(text, time) = "{text} (as of {time} ago)";

    STAGE_BLOCKED = "blocked";
    STAGE_DRAINING = "draining";
    STAGE_NEW = "new";
    STAGE_READY = "ready";
    STAGE_REMOVING = "removing";
    STAGE_JOINING = "joining";
    STAGE_CORDONED = "cordoned";
    STAGE_OLD = "old";
    STAGE_PRESERVED = "preserved";
    draining_blocked(draining, blocked) = "{draining} draining ({blocked} blocked)";
    FORCED_OVERDUE = "past Gardener's default drain timeout of 2h; SKE's is unknown";
    forced_in(time) = "force-drained in {time} (Gardener default 2h)";
    not_ready_because(reason) = "not ready: {reason}";
    NOT_READY = "not ready";
    SYSTEM_PODS_STARTING = "system pods are starting";
    CONFIGURING = "applying its configuration";
    removed_because(reason) = "new node is removed: {reason}";
    REMOVED = "new node is removed: failed, or autoscaler scale-down";
    CORDONED = "unschedulable, not being removed";
    UNSCHEDULABLE = "unschedulable";
    PRESERVED = "failed node; not counted";

    POOL_NOT_BEGUN = "control plane first; nodes not started";
    POOL_ALL_NEW = "all nodes new";
    POOL_MISSING = "no nodes found";
    POOL_ANOTHER_ROLL = "another rollout";
    surge_and_unavailable(surge, unavailable) = "surge {surge}, unavailable {unavailable}";
    DRAINS_FIRST_FORCED = "; both shares are 0: a node is drained before its replacement exists";
    DRAINS_FIRST = "; a node is drained before its replacement exists";

    EXACT = "exact (from node generation labels)";
    estimated_because(reasons) = "estimated: {reasons}";
    TEMPLATES_UNREAD = "pool templates not read yet";
    SECRETS_FORBIDDEN = "from node taints and ages (no permission to read Secrets)";
    NO_TEMPLATE = "from node taints and ages (a pool has no template)";
    TEMPLATES_LAG = "the template list is older than the node list";
    LABELS_ABSENT = "nodes without a generation label are classified by age";
    START_UNKNOWN = "SKE does not report when the rotation started";

    STEP_ACCEPTED = "accepted";
    STEP_CONTROL_PLANE = "control plane update";
    STEP_SECRETS = "Secret re-encryption";
    STEP_NODES = "node rollout";
    STEP_PREPARED = "PREPARED";
    API_SERVER_NOT_READY = "API server not ready";
    NEW_AUTHORITY = "new CA in the CA bundle";
    NEW_AUTHORITY_OLD_KEY = "new CA in the CA bundle; new signing key not accepted yet";
    some_of(done, total) = "{done} of {total}";

    ROTATION_STARTED = "rotation started";
    nodes_began(pool) = "pool {pool}: node rollout started";
    another_roll(pool) = "pool {pool}: another rollout; nodes are replaced again";
    reconfigured(pool) = "pool {pool}: configuration changed; nodes are applying it";
    node_joining(node) = "{node} joining";
    node_ready(node, took) = "{node} ready{took}";
    node_draining(node) = "{node} draining";
    node_cordoned(node) = "{node} cordoned";
    node_removed(node, took) = "{node} removed{took}";
    node_being_removed(node) = "{node} is being removed";
    node_not_ready(node) = "{node} is no longer ready";
    node_blocked_by(node, kind, name) = "{node} blocked by {kind} {name}";
    node_unblocked(node) = "{node} unblocked";
    progress_regressed(to, from, causes) = "{to}, was {from}: {causes}";
    after(time) = " after {time}";
    REGRESSION_PHASE = "SKE reports another phase";
    regression_another_roll(pool) = "nodes of pool {pool} are replaced again";
    regression_template(pool) = "generation of pool {pool} corrected";
    cordoned_new(pool, nodes) =
        "pool {pool}: {nodes} cordoned; evicted pods cannot be scheduled there";
    NEW_NODE = "new node is";
    NEW_NODES = "new nodes are";
    regression_pool_removed(pool) = "pool {pool} no longer exists";
    regression_old_node(node) = "{node} of the old generation was added";
    regression_node_counted(node) = "{node} is no longer preserved";
    FEWER_NEW_NODES = "there are fewer new nodes";

    clock_ahead(time) = "the cluster's clock is {time} ahead of this machine's; ages are corrected";
    clock_behind(time) = "the cluster's clock is {time} behind this machine's; ages are corrected";
    kind_unseen(kind, why, consequence) = "{kind}: {why}{consequence}";
    STALE_OR_INCOMPLETE = "; the data shown may be stale or incomplete";
    WEBHOOKS_NOT_VISIBLE = "; blocking webhooks cannot be detected";
    ROLL_NOT_VISIBLE = "; the rollout is not visible";
    BLOCKERS_NOT_VISIBLE = "; drain blockers cannot be detected";
    changed_since_start(pool) = "pool {pool} changed after the start; its nodes are replaced again";
    not_of_rotation(pool) = "pool {pool}: another rollout, not part of the rotation";
    unlisted_pool(pool) = "pool {pool} is not listed by SKE; it may have been removed";
    preserved_nodes(pool, nodes) = "pool {pool}: {nodes} preserved, not counted";
    FAILED_NODE = "failed node";
    FAILED_NODES = "failed nodes";
    NOT_READ_YET = "not read yet";

    NODES_WITHOUT_POOL = "nodes without a pool";
    nodes_without_pool_in(zone) = "nodes without a pool in {zone}";
    of_pool(pool) = "pool {pool}";
    of_pool_in(pool, zone) = "pool {pool} in {zone}";

    CONNECTING = "connecting to the cluster's API server";
    NOT_ACCEPTED_YET = "the new credentials and the API server do not match yet; retrying";
    CREDENTIALS_REFUSED = "the API server rejects the credentials";
    NO_ACCESS = "SKE issues no kubeconfig";
    KUBECONFIG_REFUSED = "kubeconfig rejected";
    UNREACHABLE = "the API server is unreachable";
    HIBERNATED = "hibernated: the API server is off";
    WOULD_DISABLE_STATIC_TOKENS =
        "observing nodes needs a kubeconfig, which permanently disables static tokens; issue one yourself to proceed";
    READ_ONLY = "observing nodes needs a kubeconfig; read-only mode requests none";
    SWITCHED_OFF = "observing nodes is off: kubernetes.watch = \"never\" in the configuration";
    limit_reached(count) =
        "not observed: limit of {count} clusters reached (kubernetes.limit)";
    NOT_OBSERVED = "not observed now";
    SHORT_NOT_OBSERVED = "not observed";
    SHORT_NOT_VISIBLE = "not visible";
    SHORT_CONNECTING = "connecting";
    SHORT_NOT_ACCEPTED_YET = "retrying";
    SHORT_CREDENTIALS_REFUSED = "login rejected";
    SHORT_NO_ACCESS = "no access";
    SHORT_UNREACHABLE = "unreachable";
    SHORT_HIBERNATED = "hibernated";
    SHORT_WOULD_DISABLE_STATIC_TOKENS = "not checked";
    reported_bounds(minimum, maximum) = "SKE reports {minimum}–{maximum} nodes.";
    pool_bounds(pool, minimum, maximum, zones) = "{pool}  {minimum}–{maximum} nodes  {zones}";
    USUAL_NODE_TIME = "Usually 7–10m per node; several at a time if surge allows.";
    measured_node(time, count) = "{time} per node here (median of {count})";
    and_more_lines(count) = "  and {count} more";
    lines_hidden(lines, key) = "… {lines}: {key}";
    LINE = "more line";
    LINES = "more lines";
    TITLE = " nodes ";
    TIMELINE_TITLE = " timeline ";
    LIVE = " live ";
    unavailable_since(time, why) = "since {time}: {why}";
    title_as_of(age) = " as of {age} ago ";

    NO_POOL = "no pool";
    NO_ZONE = "no zone";
    DRAINS_BEFORE_ADDING = "drains before adding";
    percent(number) = "{number} %";

    LABEL_BLOCKER = "blocker";
    LABEL_NOTE = "note";
    LABEL_WHY = "why";
    LABEL_FIX = "fix";
    LABEL_INSPECT = "inspect";
    LABEL_SKE_ERROR = "SKE error";
    pace(interval, most) = "new nodes per {interval}, at most {most}";
    LABEL_PACE = "pace";
    LABEL_POOL = "pool";
    LABEL_STATE = "state";
    LABEL_VERSION = "version";
    LABEL_ESTIMATED = "estimated";
    LABEL_PODS = "pods";
    LABEL_EVENTS = "events";
    blocked_for(time) = "for {time}";
    PLACE_UNKNOWN = "unknown (no label on the node)";
    created(at, age) = "created {at}, {age} ago";
    BY_AGE_ONLY = "by age only: the node has no generation label";
    NO_EVENTS = "none (Kubernetes keeps events for 1h by default)";
    no_events_read(why) = "none read ({why})";
    events_unreadable(why) = "cannot be read: {why}";
    PODS_UNREADABLE = "cannot be read";
    pods_unknown_since(time) = "unknown since {time}: pods cannot be read";
    no_pods_read(why) = "none found ({why})";
    ALL_EVICTED = "all evicted";
    pods_to_evict(pods) = "{pods} to evict";
    daemon_set_pods(pods) = " · {pods} of DaemonSets remain";
    POD = "pod";
    PODS = "pods";
    more_pods(count) = "and {count} more";
    pod_overdue(time) = "deletion overdue by {time}";
    POD_TERMINATING = "terminating";
    POD_PENDING = "pending";
    POD_READY = "ready";

    notifications_on(cluster, phases, nodes) = "{cluster}: notifications on ({phases}{nodes}).";
    notifications_off(cluster) = "{cluster}: notifications off.";
    NOTIFY_COMPLETED = "completed";
    NOTIFY_PREPARED = "PREPARED, completed";
    NOTIFY_NODES = ", blocked, resumed";
    NOTIFY_NO_NODES = "; nodes are not observed";
    OBSERVING_RECORD =
        "observing nodes with admin kubeconfigs valid for ten minutes, in memory only";
}

/// How a roll ended, judging by the observed nodes.
pub fn roll_ended(end: RollProgress) -> String {
    let all = plural(end.goal.nodes, "node", "nodes");
    let all = if end.goal.estimated { format!("about {all}") } else { all };
    if end.old == 0 { ended(all) } else { ended_early(end.old, all) }
}

/// "6 of 15 nodes left to replace", "6 of about 15 nodes …" if the roll started before it was observed, "all 24 nodes
/// replaced", "all 24 nodes new", "no nodes".
pub fn progress(progress: RollProgress) -> String {
    let RollGoal { nodes, estimated } = progress.goal;
    match (progress.done, nodes, estimated) {
        (_, 0, _) => NO_NODES.to_owned(),
        (true, 1, true) => ONLY_NODE_NEW.to_owned(),
        (true, _, true) => all_new(nodes),
        (true, 1, false) => ONLY_NODE_REPLACED.to_owned(),
        (true, _, false) => all_replaced(nodes),
        (false, _, false) => left_to_replace(progress.old, plural(nodes, NODE, MANY_NODES)),
        (false, _, true) => left_to_replace(progress.old, about(plural(nodes, NODE, MANY_NODES))),
    }
}

/// Short form of `progress`: "6 of 15 left to replace".
pub fn progress_short(of: RollProgress) -> String {
    if of.done || of.goal.nodes == 0 {
        return progress(of);
    }
    let goal = of.goal.nodes.to_string();
    left_to_replace(of.old, if of.goal.estimated { about(goal) } else { goal })
}

/// "9/15", "9/~15", "done 24/24", "no nodes": replaced nodes, for a narrow column.
pub fn progress_narrow(progress: RollProgress) -> String {
    let numbers = replaced_of_goal(progress);
    if progress.done && progress.goal.nodes > 0 { done(numbers) } else { numbers }
}

/// "3 nodes, no rollout": the counts without a roll, or without its progress.
pub fn without_progress(roll: &Roll) -> String {
    match roll.counts.seen() {
        _ if !roll.sees_nodes() => NODES_NOT_VISIBLE.to_owned(),
        _ if !roll.idle => counts(roll.counts),
        0 => NO_NODES.to_owned(),
        seen => nodes_no_roll(plural(seen, NODE, MANY_NODES)),
    }
}

/// "3/5"; "1 joining" if no rollout replaces any of the pool's nodes.
pub fn pool_progress(pool: &PoolRoll) -> String {
    if pool.progress.goal.nodes == 0 && pool.counts.seen() > 0 {
        return counts(pool.counts);
    }
    replaced_of_goal(pool.progress)
}

/// "3/5", "3/~5": progress of a roll or a pool.
pub fn replaced_of_goal(progress: RollProgress) -> String {
    let RollGoal { nodes, estimated } = progress.goal;
    let sign = if estimated && !progress.done { "~" } else { "" };
    if nodes == 0 { NO_NODES.to_owned() } else { format!("{}/{sign}{nodes}", progress.replaced()) }
}

/// "about 40–60m left", "usually 7–10m per node", "stalled 47m"; `None` if there is nothing to wait for.
pub fn estimate(estimate: RollEstimate, now: Timestamp) -> Option<String> {
    match estimate {
        RollEstimate::Idle | RollEstimate::Done => None,
        RollEstimate::Unknown => Some(NODES_NOT_VISIBLE.to_owned()),
        RollEstimate::NotBegun | RollEstimate::NodesMissing => Some(usually(range(USUAL_NODE))),
        RollEstimate::Remaining { range: left, blocked, from_usual, .. } => {
            let text = match (from_usual, blocked) {
                (false, false) => about_left,
                (false, true) => about_once_unblocked,
                (true, false) => estimate_left,
                (true, true) => estimate_once_unblocked,
            };
            Some(text(range(left)))
        }
        RollEstimate::Stalled { since: last } => Some(stalled(passed(last, now))),
        RollEstimate::Finishing => Some(FINISHING.to_owned()),
    }
}

/// The worst case; `None` while unknown.
pub fn worst_case(estimate: RollEstimate) -> Option<String> {
    let RollEstimate::Remaining { worst_case, .. } = estimate else { return None };
    Some(worst_case_of(long(worst_case)))
}

/// "40–60m", or "~20–30m" if based on usual times: time left, for a narrow column; `None` while the roll is blocked.
pub fn time_left(estimate: RollEstimate) -> Option<String> {
    let RollEstimate::Remaining { range: left, blocked: false, from_usual, .. } = estimate else {
        return None;
    };
    Some(if from_usual { format!("~{}", range(left)) } else { range(left) })
}

/// "9 of 15 nodes new, about 40–60m left": one status line, also for `wait` and notifications.
pub fn summary(roll: &Roll, now: Timestamp) -> String {
    let mut parts = Vec::from_iter(roll.progress().map(progress));
    if parts.is_empty() && roll.estimate != RollEstimate::Unknown {
        parts.push(NO_ROLL.to_owned());
    }
    parts.extend(estimate(roll.estimate, now));
    parts.extend(missing_nodes(roll.counts));
    if roll.counts.blocked > 0 {
        parts.push(blocked(plural(roll.counts.blocked, NODE, MANY_NODES)));
    }
    if roll.is_estimated() {
        parts.push(ESTIMATED.to_owned());
    }
    parts.join(", ")
}

/// "1 node missing": nodes below the minimum of a zone; `None` if there are none.
pub fn missing_nodes(counts: NodeCounts) -> Option<String> {
    (counts.missing > 0).then(|| missing(plural(counts.missing, NODE, MANY_NODES)))
}

/// "no node has changed for 47m"; `None` unless the roll is stalled.
pub fn stall(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.estimate else { return None };
    Some(unchanged_for(passed(last, now)))
}

/// Reports that a stalled roll has no known blocker; `None` if it has one, or is not stalled.
pub fn unexplained_stall(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.estimate else { return None };
    roll.worst().is_none().then(|| stalled_without_reason(passed(last, now)))
}

/// "40–60m", "1h 20m–2h 40m", "5–10m": rounded outwards, so as not to claim more precision than there is.
pub fn range(range: DurationRange) -> String {
    let step = match range.high.as_mins() {
        ..15 => 1,
        15..=90 => 5,
        91..240 => 10,
        _ => 30,
    };
    let low = range.low.as_mins().max(0) / step * step;
    let high = (range.high.as_secs().max(0) + 60 * step - 1) / (60 * step) * step;
    // Formatted like ages, but never in seconds.
    let minutes = |count: i64| match count {
        ..2 => format!("{count}m"),
        _ => long(SignedDuration::from_mins(count)),
    };
    match (low, high.max(low + step)) {
        (0, high) => format!("0–{}", minutes(high)),
        (low, high) if high <= 90 => format!("{low}–{high}m"),
        (low, high) => format!("{}–{}", minutes(low), minutes(high)),
    }
}

/// The name of a stage; without a roll, no node is called new. The UI chooses the glyph.
pub fn stage(node: &NodeRoll, idle: bool) -> &'static str {
    match node.stage {
        NodeStage::New if idle => STAGE_READY,
        NodeStage::Draining if node.blocked => STAGE_BLOCKED,
        NodeStage::Draining => STAGE_DRAINING,
        NodeStage::New => STAGE_NEW,
        NodeStage::Leaving => STAGE_REMOVING,
        NodeStage::Joining => STAGE_JOINING,
        NodeStage::Cordoned => STAGE_CORDONED,
        NodeStage::Old => STAGE_OLD,
        NodeStage::Preserved => STAGE_PRESERVED,
    }
}

/// Details of a node's stage, as a clause; `None` if there are none.
pub fn stage_detail(node: &NodeRoll, now: Timestamp) -> Option<String> {
    Some(match (node.stage, &node.reason) {
        (NodeStage::Draining, _) => match node.deadline? {
            at if at <= now => FORCED_OVERDUE.to_owned(),
            at => forced_in(passed(now, at)),
        },
        (NodeStage::Joining, reason) => match (node.joining_reason, reason) {
            (Some(JoiningReason::NotReady), Some(reason)) => not_ready_because(reason),
            (Some(JoiningReason::NotReady) | None, _) => NOT_READY.to_owned(),
            (Some(JoiningReason::Starting), _) => SYSTEM_PODS_STARTING.to_owned(),
            (Some(JoiningReason::Configuring), _) => CONFIGURING.to_owned(),
        },
        (NodeStage::Leaving, Some(reason)) => removed_because(reason),
        (NodeStage::Leaving, None) => REMOVED.to_owned(),
        (NodeStage::Cordoned, _) => CORDONED.to_owned(),
        (NodeStage::Preserved, _) => PRESERVED.to_owned(),
        (NodeStage::New, _) if node.cordoned => UNSCHEDULABLE.to_owned(),
        (NodeStage::New | NodeStage::Old, _) => return None,
    })
}

/// "7 new · 1 joining · 2 draining (1 blocked) · 3 old"; zeros are omitted.
pub fn counts(counts: NodeCounts) -> String {
    let draining = match (counts.draining, counts.blocked) {
        (draining, blocked) if blocked > 0 => draining_blocked(draining, blocked),
        (draining, _) => format!("{draining} {STAGE_DRAINING}"),
    };
    let parts = [
        (counts.new, format!("{} {STAGE_NEW}", counts.new)),
        (counts.joining, format!("{} {STAGE_JOINING}", counts.joining)),
        (counts.draining, draining),
        (counts.cordoned, format!("{} {STAGE_CORDONED}", counts.cordoned)),
        (counts.old, format!("{} {STAGE_OLD}", counts.old)),
        (counts.leaving, format!("{} {STAGE_REMOVING}", counts.leaving)),
        (counts.preserved, format!("{} {STAGE_PRESERVED}", counts.preserved)),
        (counts.missing, format!("{} {STAGE_MISSING}", counts.missing)),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    if parts.is_empty() { NO_NODES.to_owned() } else { parts.join(" · ") }
}

/// The state of a pool, if its progress does not show it.
pub fn pool_state(pool: &PoolRoll) -> Option<&'static str> {
    match pool.state {
        PoolState::NotBegun => Some(POOL_NOT_BEGUN),
        PoolState::AllNew => Some(POOL_ALL_NEW),
        PoolState::Empty => Some(NO_NODES),
        PoolState::Missing => Some(POOL_MISSING),
        PoolState::Rolling if pool.another => Some(POOL_ANOTHER_ROLL),
        PoolState::Rolling | PoolState::Settled => None,
    }
}

/// "surge 1, unavailable 0", and the consequence for a zone.
pub fn limits(limits: Limits) -> String {
    let consequence = match (limits.forced, limits.drains_first()) {
        (true, _) => DRAINS_FIRST_FORCED,
        (false, true) => DRAINS_FIRST,
        (false, false) => "",
    };
    let unavailable = if limits.forced { 0 } else { limits.unavailable };
    surge_and_unavailable(limits.surge, unavailable) + consequence
}

/// The basis of the counts: "exact: …" or "estimated: …, …".
pub fn basis(reasons: &BTreeSet<EstimateReason>) -> String {
    if reasons.is_empty() {
        return EXACT.to_owned();
    }
    let reasons = reasons.iter().map(|reason| match reason {
        EstimateReason::TemplatesUnread => TEMPLATES_UNREAD,
        EstimateReason::SecretsForbidden => SECRETS_FORBIDDEN,
        EstimateReason::NoTemplate => NO_TEMPLATE,
        EstimateReason::TemplatesLag => TEMPLATES_LAG,
        EstimateReason::LabelsAbsent => LABELS_ABSENT,
        EstimateReason::StartUnknown => START_UNKNOWN,
    });
    estimated_because(reasons.collect::<Vec<_>>().join(", "))
}

/// The name of a step of the start.
pub fn start_step(name: StartStepName) -> &'static str {
    match name {
        StartStepName::Accepted => STEP_ACCEPTED,
        StartStepName::ControlPlane => STEP_CONTROL_PLANE,
        StartStepName::Secrets => STEP_SECRETS,
        StartStepName::Nodes => STEP_NODES,
        StartStepName::Prepared => STEP_PREPARED,
    }
}

/// Visible details of a step of the start.
pub fn start_step_detail(detail: StartStepDetail) -> String {
    match detail {
        StartStepDetail::ApiServerNotReady => API_SERVER_NOT_READY.to_owned(),
        StartStepDetail::NewAuthority { only_old_key: true } => NEW_AUTHORITY_OLD_KEY.to_owned(),
        StartStepDetail::NewAuthority { .. } => NEW_AUTHORITY.to_owned(),
        StartStepDetail::Secrets { done, total } => some_of(done, total),
        StartStepDetail::NodesUnseen => NODES_NOT_VISIBLE.to_owned(),
        StartStepDetail::Nodes(new) => progress(new),
    }
}

/// A line of the timeline.
pub fn timeline_event(event: &TimelineEvent) -> String {
    let took =
        |took: &Option<SignedDuration>| took.map(|took| after(long(took))).unwrap_or_default();
    match event {
        TimelineEvent::Phase(Phase::Preparing) => ROTATION_STARTED.to_owned(),
        TimelineEvent::Phase(phase) => clean(phase.label()),
        TimelineEvent::NodesBegan { pool } => nodes_began(clean(pool)),
        TimelineEvent::AnotherRoll { pool } => another_roll(clean(pool)),
        TimelineEvent::Reconfigured { pool } => reconfigured(clean(pool)),
        TimelineEvent::Joining { node } => node_joining(node),
        TimelineEvent::Ready { node, took: time } => node_ready(node, took(time)),
        TimelineEvent::Draining { node } => node_draining(node),
        TimelineEvent::Cordoned { node } => node_cordoned(node),
        TimelineEvent::Gone { node, took: time } => node_removed(node, took(time)),
        TimelineEvent::Leaving { node } => node_being_removed(node),
        TimelineEvent::NotReady { node } => node_not_ready(node),
        TimelineEvent::Blocked { node, by: (kind, name) } => node_blocked_by(node, kind, name),
        TimelineEvent::Unblocked { node } => node_unblocked(node),
        TimelineEvent::ProgressRegressed { from, to, causes } => {
            let causes: Vec<String> = causes.iter().map(regression_cause).collect();
            progress_regressed(progress_narrow(*to), progress_narrow(*from), causes.join(", "))
        }
    }
}

fn regression_cause(cause: &RegressionCause) -> String {
    match cause {
        RegressionCause::Phase => REGRESSION_PHASE.to_owned(),
        RegressionCause::AnotherRoll(pool) => regression_another_roll(clean(pool)),
        RegressionCause::OtherTemplate(pool) => regression_template(clean(pool)),
        RegressionCause::PoolRemoved(pool) => regression_pool_removed(clean(pool)),
        RegressionCause::OldNodeAdded(node) => regression_old_node(node),
        RegressionCause::NodeCountsAgain(node) => regression_node_counted(node),
        RegressionCause::FewerNewNodes => FEWER_NEW_NODES.to_owned(),
    }
}

/// A qualification of the counts.
pub fn note(note: &RollNote) -> String {
    match note {
        RollNote::ClockSkew(skew) if skew.is_positive() => clock_ahead(long(*skew)),
        RollNote::ClockSkew(skew) => clock_behind(long(skew.abs())),
        RollNote::Unseen { kind, why, nothing_known } => {
            let consequence = match *kind {
                _ if !nothing_known => STALE_OR_INCOMPLETE,
                "nodes" => ROLL_NOT_VISIBLE,
                "pods" | "poddisruptionbudgets" => BLOCKERS_NOT_VISIBLE,
                "endpointslices"
                | "validatingwebhookconfigurations"
                | "mutatingwebhookconfigurations" => WEBHOOKS_NOT_VISIBLE,
                _ => "",
            };
            kind_unseen(kind, unseen(why), consequence)
        }
        RollNote::ChangedSinceStart(pool) => changed_since_start(clean(pool)),
        RollNote::AnotherRoll(pool) => not_of_rotation(clean(pool)),
        RollNote::UnlistedPool(pool) => unlisted_pool(clean(pool)),
        RollNote::Preserved { pool, nodes } => {
            preserved_nodes(clean(pool), plural(*nodes, FAILED_NODE, FAILED_NODES))
        }
        RollNote::CordonedNew { pool, nodes } => {
            cordoned_new(clean(pool), plural(*nodes, NEW_NODE, NEW_NODES))
        }
    }
}

/// Why the current state of a kind is unknown, as a clause.
pub fn unseen(why: &Unseen) -> String {
    match why {
        Unseen::Unread => NOT_READ_YET.to_owned(),
        Unseen::Partly(text) | Unseen::Failing(text) => clean(text),
    }
}

/// Why nodes are not visible, as a sentence without a full stop.
pub fn unavailable(why: &Unavailable) -> String {
    let failed = |what: &str, failure: &Failure| {
        let advice = failure.advice().map(|advice| format!(". {advice}"));
        format!("{what}: {}{}", failure.message, advice.unwrap_or_default())
    };
    match why {
        Unavailable::Connecting => CONNECTING.to_owned(),
        Unavailable::NotAcceptedYet { .. } => NOT_ACCEPTED_YET.to_owned(),
        Unavailable::CredentialsRefused(failure) => failed(CREDENTIALS_REFUSED, failure),
        Unavailable::NoAccess(failure) => failed(NO_ACCESS, failure),
        Unavailable::KubeconfigRefused(failure) => failed(KUBECONFIG_REFUSED, failure),
        Unavailable::Unreachable(failure) => failed(UNREACHABLE, failure),
        Unavailable::Hibernated => HIBERNATED.to_owned(),
        Unavailable::WouldDisableStaticTokens => WOULD_DISABLE_STATIC_TOKENS.to_owned(),
    }
}

/// Short form of `unavailable`, for a narrow column.
pub fn unavailable_narrow(why: &Unavailable) -> &'static str {
    match why {
        Unavailable::Connecting => SHORT_CONNECTING,
        Unavailable::NotAcceptedYet { .. } => SHORT_NOT_ACCEPTED_YET,
        Unavailable::CredentialsRefused(_) => SHORT_CREDENTIALS_REFUSED,
        Unavailable::NoAccess(_) | Unavailable::KubeconfigRefused(_) => SHORT_NO_ACCESS,
        Unavailable::Unreachable(_) => SHORT_UNREACHABLE,
        Unavailable::Hibernated => SHORT_HIBERNATED,
        Unavailable::WouldDisableStaticTokens => SHORT_WOULD_DISABLE_STATIC_TOKENS,
    }
}

/// "47m", or "at least 47m" if it may have started before it was first seen.
pub fn lasting(began: Since, now: Timestamp) -> String {
    let lasted = passed(began.at, now);
    if began.at_least { at_least(lasted) } else { lasted }
}

/// "5m", "2h": a duration in a single unit.
pub fn interval(length: SignedDuration) -> String {
    match length.as_mins() {
        minutes @ ..60 => format!("{minutes}m"),
        minutes @ 60..1440 => format!("{}h", minutes / 60),
        minutes => format!("{}d", minutes / 1440),
    }
}

/// "pool web in eu01-2".
pub fn place(place: Option<&(String, String)>) -> String {
    match place.map_or(("", ""), |(pool, zone)| (pool, zone)) {
        ("", "") => NODES_WITHOUT_POOL.to_owned(),
        ("", zone) => nodes_without_pool_in(clean(zone)),
        (pool, "") => of_pool(clean(pool)),
        (pool, zone) => of_pool_in(clean(pool), clean(zone)),
    }
}

/// "payments/api-1, payments/api-2 and 4 more".
pub fn sample(sample: &NameSample) -> String {
    let names: Vec<String> = sample.first.iter().map(ToString::to_string).collect();
    and_more(names.join(", "), sample.count.saturating_sub(names.len()))
}

/// "a, b, c and 4 more".
pub fn list(items: impl Iterator<Item = String>, most: usize) -> String {
    let items: Vec<String> = items.collect();
    let shown: Vec<&str> = items.iter().take(most).map(String::as_str).collect();
    and_more(shown.join(", "), items.len().saturating_sub(most))
}

fn and_more(list: String, count: usize) -> String {
    if count == 0 { list } else { list_and_more(list, count) }
}

/// Capitalizes the text and adds a full stop.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
