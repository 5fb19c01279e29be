//! Rolls and nodes in words, the same for dashboard, fleet column, headless output and notifications.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::app::texts::texts;
use crate::domain::age::{long, since};
use crate::domain::failure::Failure;
use crate::domain::roll::blocker::cause::NameSample;
use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage, Since};
use crate::domain::roll::durations::{DurationRange, RollEstimate, USUAL_NODE};
use crate::domain::roll::generation::EstimateReason;
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
    at_least(time) = "at least {time}";
    NODE = "node";
    MANY_NODES = "nodes";

    NO_NODES = "no nodes";
    ONLY_NODE_NEW = "the only node is new";
    all_new(total) = "all {total} nodes new";
    some_new(new, total) = "{new} of {total} nodes new";
    done(numbers) = "done {numbers}";

    NODES_UNSEEN = "nodes cannot be seen";
    usually(range) = "usually {range} a node";
    about_left(range) = "about {range} left";
    about_once_it_moves(range) = "about {range} once it moves";
    estimate_left(range) = "estimate {range} left";
    estimate_once_it_moves(range) = "estimate {range} once it moves";
    stalled(time) = "stalled {time}";
    FINISHING = "waiting for SKE to say PREPARED";
    worst_case_of(time) =
        "at worst {time}, if every machine and every drain used Gardener's default limits";
    NO_ROLL = "no roll";
    blocked(nodes) = "{nodes} blocked";
    ESTIMATED = "estimated";
    unchanged_for(time) = "no node has changed for {time}";
    stalled_without_reason(time) =
        "No node that is left has changed for {time}, and nothing that is seen holds it up.";
    STANDS_STILL = "the roll stands still";
    STOOD_STILL = "the roll stood still";
    GOES_ON = "the roll goes on";
    as_of_ago(text, time) = "{text} (as of {time} ago)";

    STAGE_BLOCKED = "blocked";
    STAGE_DRAINING = "draining";
    STAGE_NEW = "new";
    STAGE_LEAVING = "leaving";
    STAGE_JOINING = "joining";
    STAGE_CORDONED = "cordoned";
    STAGE_OLD = "old";
    STAGE_PRESERVED = "preserved";
    draining_blocked(draining, blocked) = "{draining} draining ({blocked} blocked)";
    FORCED_OVERDUE = "past Gardener's default limit of 2h; SKE's is not known";
    forced_in(time) = "forced in {time}, if Gardener's default of 2h holds";
    not_ready_because(reason) = "not ready: {reason}";
    NOT_READY = "not ready";
    SYSTEM_PODS_START = "its system pods start";
    CONFIGURING = "it applies its configuration";
    removed_because(reason) = "removed again: {reason}";
    REMOVED = "removed again: it failed, or the autoscaler takes it away";
    CORDONED = "unschedulable, but not being removed";
    UNSCHEDULABLE = "unschedulable";
    PRESERVED = "failed and kept on purpose; not counted";

    POOL_NOT_BEGUN = "control plane first, nodes not begun";
    POOL_ALL_NEW = "all nodes new";
    POOL_MISSING = "no nodes seen";
    POOL_ANOTHER_ROLL = "another roll";
    surge_and_unavailable(surge, unavailable) = "surge {surge}, unavailable {unavailable}";
    DRAINS_FIRST_FORCED =
        "; no share of either, so a node is drained before its replacement exists";
    DRAINS_FIRST = "; a node is drained before its replacement exists";

    EXACT = "exact: each node says which generation it is of";
    estimated_because(reasons) = "estimated: {reasons}";
    TEMPLATES_UNREAD = "the templates of the pools are not read yet";
    SECRETS_FORBIDDEN = "Secrets may not be read, so taints and ages of nodes are used";
    NO_TEMPLATE = "a pool has no template, so taints and ages of nodes are used";
    TEMPLATES_LAG = "the list of templates is older than the list of nodes";
    LABELS_ABSENT = "nodes without a generation label are judged by their age";
    START_UNKNOWN = "SKE does not say when the rotation started";

    STEP_ACCEPTED = "accepted";
    STEP_CONTROL_PLANE = "control plane renewing";
    STEP_SECRETS = "Secrets written anew";
    STEP_NODES = "nodes rolling";
    STEP_PREPARED = "PREPARED";
    API_SERVER_NOT_READY = "the API server is not ready";
    NEW_AUTHORITY = "the new certificate authority is there";
    NEW_AUTHORITY_OLD_KEY =
        "the new certificate authority is there, the new signing key is not accepted yet";
    some_of(done, total) = "{done} of {total}";

    ROTATION_STARTED = "rotation started";
    nodes_began(pool) = "pool {pool}: nodes begin";
    another_roll(pool) = "pool {pool}: another roll, nodes are replaced once more";
    reconfigured(pool) = "pool {pool}: nodes are to apply a changed configuration";
    node_joining(node) = "{node} joining";
    node_ready(node, took) = "{node} ready{took}";
    node_draining(node) = "{node} draining";
    node_cordoned(node) = "{node} cordoned";
    node_gone(node, took) = "{node} gone{took}";
    node_leaving(node) = "{node} is being removed again";
    node_not_ready(node) = "{node} is not ready any more";
    node_blocked_by(node, kind, name) = "{node} blocked by {kind} {name}";
    node_unblocked(node) = "{node} goes on";
    progress_fell(to, from, causes) = "{to} after {from}: {causes}";
    after(time) = " after {time}";
    FELL_BY_PHASE = "SKE shows another phase";
    fell_by_roll(pool) = "pool {pool} is replaced once more";
    fell_by_template(pool) = "the generation of pool {pool} is known differently now";
    fell_by_configuration(pool) = "nodes of pool {pool} are to apply a changed configuration";
    fell_by_loss(node) = "{node} is gone";
    fell_by_kept_node(node) = "{node} failed and is kept";
    fell_by_old_node(node) = "{node} of the old generation was added";
    fell_by_counted_node(node) = "{node} is no longer kept";

    clock_ahead(time) =
        "the cluster's clock is {time} ahead of this machine's; ages are corrected by that";
    clock_behind(time) =
        "the cluster's clock is {time} behind this machine's; ages are corrected by that";
    kind_unseen(kind, why, consequence) = "{kind}: {why}{consequence}";
    OLD_OR_INCOMPLETE = "; what is shown may be old or incomplete";
    WEBHOOKS_UNKNOWN = "; whether a webhook keeps nodes from joining cannot be told";
    ROLL_UNSEEN = "; the roll cannot be seen";
    DRAINS_UNSEEN = "; what holds a drain cannot be named";
    PDBS_UNKNOWN = "; whether one holds a drain cannot be told";
    changed_since_start(pool) =
        "pool {pool} was changed since the start; its nodes are replaced once more";
    not_of_rotation(pool) = "pool {pool}: another roll, not part of the rotation";
    unlisted_pool(pool) = "SKE does not list pool {pool}; it may have been removed";
    preserved_nodes(pool, nodes) = "pool {pool}: {nodes} kept on purpose, not counted";
    FAILED_NODE = "failed node is";
    FAILED_NODES = "failed nodes are";
    NOT_READ_YET = "not read yet";

    NODES_WITHOUT_POOL = "the nodes without a pool";
    nodes_without_pool_in(zone) = "the nodes without a pool in {zone}";
    of_pool(pool) = "pool {pool}";
    of_pool_in(pool, zone) = "pool {pool} in {zone}";

    CONNECTING = "looking at the cluster's own API";
    NOT_ACCEPTED_YET =
        "the API server and the fresh credentials do not fit together yet; tried again by itself";
    CREDENTIALS_REFUSED = "the API server refuses us";
    NO_ACCESS = "SKE gives no kubeconfig";
    KUBECONFIG_REFUSED = "the kubeconfig is not used";
    UNREACHABLE = "the API server cannot be reached";
    HIBERNATED = "the cluster sleeps; it has no API server now";
    ONE_WAY =
        "not looked at: asking for a kubeconfig may switch static tokens off for ever; issue one yourself if that is wanted";
    READ_ONLY =
        "nodes are not looked at in read-only mode: that takes a kubeconfig, and asking for one is a request that changes something";
    SWITCHED_OFF = "nodes are not looked at: the configuration says kubernetes.watch = \"never\"";
    limit_reached(count) =
        "not looked at: {count} clusters are looked at already, the most that the configuration allows (kubernetes.limit)";
    NOT_OBSERVED = "not looked at now";
    new_narrow(progress) = "{progress} new";
    SHORT_NOT_OBSERVED = "not watched";
    SHORT_CONNECTING = "looking";
    SHORT_NOT_ACCEPTED_YET = "login waits";
    SHORT_CREDENTIALS_REFUSED = "login refused";
    SHORT_NO_ACCESS = "no access";
    SHORT_UNREACHABLE = "unreachable";
    SHORT_HIBERNATED = "asleep";
    SHORT_ONE_WAY = "not asked";
    OBSERVING_RECORD =
        "nodes are looked at, with admin kubeconfigs of ten minutes that stay in memory";
}

/// "9 of 15 nodes new", "all 24 nodes new", "no nodes".
pub fn progress(progress: RollProgress) -> String {
    match (progress.done, progress.total()) {
        (_, 0) => NO_NODES.to_owned(),
        (true, 1) => ONLY_NODE_NEW.to_owned(),
        (true, total) => all_new(total),
        (false, total) => some_new(progress.new, total),
    }
}

/// "9/15", "done 24/24", "no nodes": progress for a narrow column.
pub fn progress_narrow(progress: RollProgress) -> String {
    if progress.total() == 0 {
        return NO_NODES.to_owned();
    }
    let numbers = format!("{}/{}", progress.new, progress.total());
    if progress.done { done(numbers) } else { numbers }
}

/// "about 40–60m left", "usually 7–10m a node", "stalled 47m"; `None` when there is nothing to wait for.
pub fn estimate(estimate: RollEstimate, now: Timestamp) -> Option<String> {
    match estimate {
        RollEstimate::Idle | RollEstimate::Done => None,
        RollEstimate::Unknown => Some(NODES_UNSEEN.to_owned()),
        RollEstimate::NotBegun | RollEstimate::NodesMissing => Some(usually(range(USUAL_NODE))),
        RollEstimate::Remaining { range: left, blocked, from_usual, .. } => {
            let text = match (from_usual, blocked) {
                (false, false) => about_left,
                (false, true) => about_once_it_moves,
                (true, false) => estimate_left,
                (true, true) => estimate_once_it_moves,
            };
            Some(text(range(left)))
        }
        RollEstimate::Stalled { since: last } => Some(stalled(passed(last, now))),
        RollEstimate::Finishing => Some(FINISHING.to_owned()),
    }
}

/// The longest that it can take; `None` while that cannot be told.
pub fn worst_case(estimate: RollEstimate) -> Option<String> {
    let RollEstimate::Remaining { worst_case, .. } = estimate else { return None };
    Some(worst_case_of(long(worst_case)))
}

/// "40–60m", or "~20–30m" where it is made of what is usual: the time that is left, where there is room for no more
/// words; `None` while the roll is blocked.
pub fn time_left(estimate: RollEstimate) -> Option<String> {
    let RollEstimate::Remaining { range: left, blocked: false, from_usual, .. } = estimate else {
        return None;
    };
    Some(if from_usual { format!("~{}", range(left)) } else { range(left) })
}

/// "9 of 15 nodes new, about 40–60m left": one line for a status, `wait`, or a notification.
pub fn summary(roll: &Roll, now: Timestamp) -> String {
    let mut parts = Vec::from_iter(roll.progress().map(progress));
    if parts.is_empty() && roll.estimate != RollEstimate::Unknown {
        parts.push(NO_ROLL.to_owned());
    }
    parts.extend(estimate(roll.estimate, now));
    if roll.counts.blocked > 0 {
        parts.push(blocked(plural(roll.counts.blocked, NODE, MANY_NODES)));
    }
    if roll.is_estimated() {
        parts.push(ESTIMATED.to_owned());
    }
    parts.join(", ")
}

/// "no node has changed for 47m"; `None` unless the roll is stalled.
pub fn stall(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.estimate else { return None };
    Some(unchanged_for(passed(last, now)))
}

/// Says that no blocker of a stalled roll is known; `None` if one is, or the roll goes on.
pub fn unexplained_stall(roll: &Roll, now: Timestamp) -> Option<String> {
    let RollEstimate::Stalled { since: last } = roll.estimate else { return None };
    roll.worst().is_none().then(|| stalled_without_reason(passed(last, now)))
}

/// "40–60m", "1h 20m–2h 40m", "5–10m": rounded outwards, so that it never claims more than is known.
pub fn range(range: DurationRange) -> String {
    let step = match range.high.as_mins() {
        ..15 => 1,
        15..=90 => 5,
        91..240 => 10,
        _ => 30,
    };
    let low = range.low.as_mins().max(0) / step * step;
    let high = (range.high.as_secs().max(0) + 60 * step - 1) / (60 * step) * step;
    // As ages are written, but never in seconds.
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

/// The word for a stage; the glyphs are the screen's.
pub fn stage(node: &NodeRoll) -> &'static str {
    match node.stage {
        NodeStage::Draining if node.blocked => STAGE_BLOCKED,
        NodeStage::Draining => STAGE_DRAINING,
        NodeStage::New => STAGE_NEW,
        NodeStage::Leaving => STAGE_LEAVING,
        NodeStage::Joining => STAGE_JOINING,
        NodeStage::Cordoned => STAGE_CORDONED,
        NodeStage::Old => STAGE_OLD,
        NodeStage::Preserved => STAGE_PRESERVED,
    }
}

/// What there is to know of a node beside its stage, in a clause; `None` when the stage says it all.
pub fn stage_detail(node: &NodeRoll, now: Timestamp) -> Option<String> {
    Some(match (node.stage, &node.reason) {
        (NodeStage::Draining, _) => match node.deadline? {
            at if at <= now => FORCED_OVERDUE.to_owned(),
            at => forced_in(passed(now, at)),
        },
        (NodeStage::Joining, reason) => match (node.joining_reason, reason) {
            (Some(JoiningReason::NotReady), Some(reason)) => not_ready_because(reason),
            (Some(JoiningReason::NotReady) | None, _) => NOT_READY.to_owned(),
            (Some(JoiningReason::Starting), _) => SYSTEM_PODS_START.to_owned(),
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

/// "7 new · 1 joining · 2 draining (1 blocked) · 3 old"; zeros are left out.
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
        (counts.leaving, format!("{} {STAGE_LEAVING}", counts.leaving)),
        (counts.preserved, format!("{} {STAGE_PRESERVED}", counts.preserved)),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    if parts.is_empty() { NO_NODES.to_owned() } else { parts.join(" · ") }
}

/// How far a pool is, when its progress does not say it.
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

/// "surge 1, unavailable 0", and what follows for the zone.
pub fn limits(limits: Limits) -> String {
    let consequence = match (limits.forced, limits.drains_first()) {
        (true, _) => DRAINS_FIRST_FORCED,
        (false, true) => DRAINS_FIRST,
        (false, false) => "",
    };
    let unavailable = if limits.forced { 0 } else { limits.unavailable };
    surge_and_unavailable(limits.surge, unavailable) + consequence
}

/// How the counts are known: "exact: …" or "estimated: …, …".
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

/// What shows of a step of the start.
pub fn start_step_detail(detail: StartStepDetail) -> String {
    match detail {
        StartStepDetail::ApiServerNotReady => API_SERVER_NOT_READY.to_owned(),
        StartStepDetail::NewAuthority { only_old_key: true } => NEW_AUTHORITY_OLD_KEY.to_owned(),
        StartStepDetail::NewAuthority { .. } => NEW_AUTHORITY.to_owned(),
        StartStepDetail::Secrets { done, total } => some_of(done, total),
        StartStepDetail::NodesUnseen => NODES_UNSEEN.to_owned(),
        StartStepDetail::Nodes(new) => progress(new),
    }
}

/// A line of the timeline.
pub fn timeline_event(event: &TimelineEvent) -> String {
    let took =
        |took: &Option<SignedDuration>| took.map(|took| after(long(took))).unwrap_or_default();
    match event {
        TimelineEvent::Phase(Phase::Preparing) => ROTATION_STARTED.to_owned(),
        TimelineEvent::Phase(phase) => clean(phase.word()),
        TimelineEvent::NodesBegan { pool } => nodes_began(clean(pool)),
        TimelineEvent::AnotherRoll { pool } => another_roll(clean(pool)),
        TimelineEvent::Reconfigured { pool } => reconfigured(clean(pool)),
        TimelineEvent::Joining { node } => node_joining(node),
        TimelineEvent::Ready { node, took: time } => node_ready(node, took(time)),
        TimelineEvent::Draining { node } => node_draining(node),
        TimelineEvent::Cordoned { node } => node_cordoned(node),
        TimelineEvent::Gone { node, took: time } => node_gone(node, took(time)),
        TimelineEvent::Leaving { node } => node_leaving(node),
        TimelineEvent::NotReady { node } => node_not_ready(node),
        TimelineEvent::Blocked { node, by: (kind, name) } => node_blocked_by(node, kind, name),
        TimelineEvent::Unblocked { node } => node_unblocked(node),
        TimelineEvent::ProgressFell { from, to, causes } => {
            let causes: Vec<String> = causes.iter().map(regression_cause).collect();
            progress_fell(progress_narrow(*to), progress_narrow(*from), causes.join(", "))
        }
    }
}

fn regression_cause(cause: &RegressionCause) -> String {
    match cause {
        RegressionCause::Phase => FELL_BY_PHASE.to_owned(),
        RegressionCause::AnotherRoll(pool) => fell_by_roll(clean(pool)),
        RegressionCause::OtherTemplate(pool) => fell_by_template(clean(pool)),
        RegressionCause::Reconfigured(pool) => fell_by_configuration(clean(pool)),
        RegressionCause::NodeLost(node) => fell_by_loss(node),
        RegressionCause::NodeNotReady(node) => node_not_ready(node),
        RegressionCause::NodeLeaving(node) => node_leaving(node),
        RegressionCause::NodeKept(node) => fell_by_kept_node(node),
        RegressionCause::OldNodeAdded(node) => fell_by_old_node(node),
        RegressionCause::NodeCountsAgain(node) => fell_by_counted_node(node),
    }
}

/// What a reader should know of the counts.
pub fn note(note: &RollNote) -> String {
    match note {
        RollNote::ClockSkew(skew) if skew.is_positive() => clock_ahead(long(*skew)),
        RollNote::ClockSkew(skew) => clock_behind(long(skew.abs())),
        RollNote::Unseen { kind, why, nothing_known } => {
            let consequence = match *kind {
                _ if !nothing_known => OLD_OR_INCOMPLETE,
                "nodes" => ROLL_UNSEEN,
                "pods" => DRAINS_UNSEEN,
                "poddisruptionbudgets" => PDBS_UNKNOWN,
                "endpointslices"
                | "validatingwebhookconfigurations"
                | "mutatingwebhookconfigurations" => WEBHOOKS_UNKNOWN,
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
    }
}

/// Why a kind is not known as it is now, in a clause.
pub fn unseen(why: &Unseen) -> String {
    match why {
        Unseen::Unread => NOT_READ_YET.to_owned(),
        Unseen::Partly(text) | Unseen::Failing(text) => clean(text),
    }
}

/// Why a cluster's own API shows nothing, as a sentence without a full stop.
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
        Unavailable::OneWay => ONE_WAY.to_owned(),
    }
}

/// The same in a word or two.
pub fn unavailable_narrow(why: &Unavailable) -> &'static str {
    match why {
        Unavailable::Connecting => SHORT_CONNECTING,
        Unavailable::NotAcceptedYet { .. } => SHORT_NOT_ACCEPTED_YET,
        Unavailable::CredentialsRefused(_) => SHORT_CREDENTIALS_REFUSED,
        Unavailable::NoAccess(_) | Unavailable::KubeconfigRefused(_) => SHORT_NO_ACCESS,
        Unavailable::Unreachable(_) => SHORT_UNREACHABLE,
        Unavailable::Hibernated => SHORT_HIBERNATED,
        Unavailable::OneWay => SHORT_ONE_WAY,
    }
}

/// "47m", or "at least 47m" when it may have begun before it was seen.
pub fn lasting(began: Since, now: Timestamp) -> String {
    let lasted = passed(began.at, now);
    if began.at_least { at_least(lasted) } else { lasted }
}

/// "47m": the time between two moments.
pub fn passed(from: Timestamp, to: Timestamp) -> String {
    long(since(from, to))
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

/// With a capital, and a full stop.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
