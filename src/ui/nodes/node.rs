//! Details of one node: state, blockers with their fix, pods while it drains, events.

use std::cmp::Reverse;

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::nodes::blocker_text;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text;
use crate::domain::age::{long, passed};
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::{Blocker, BlockerCause, Severity};
use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::snapshot::{ClusterSnapshot, Event, Pod, Unseen};
use crate::domain::text::{clean, cut_middle, plural, width};
use crate::ui::line_context::LineContext;
use crate::ui::nodes::roll::sign;
use crate::ui::text::{as_fits, pad_end};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::facts::Facts;

/// Label width in columns.
const LABEL: usize = 10;

/// The stage of a node and its duration ("✗ blocked 47m").
pub fn stage(node: &NodeRoll, roll: &Roll, now: Timestamp, theme: Theme) -> Vec<Span<'static>> {
    let (glyph, tone) = sign(node, roll.idle);
    let word = text::stage(node, roll.idle);
    // A blocked node shows the same duration as its blocker.
    let since = node.blocked_since.or(node.since);
    let lasts = since.filter(|_| node.stage != NodeStage::Old);
    let lasts = lasts.map(|began| format!(" {}", text::lasting(began, now)));
    let word = format!("{glyph} {word}{}", lasts.unwrap_or_default());
    vec![theme.span(word, tone)]
}

/// The blockers of a node, then those of its zone and of the whole roll.
pub fn concerning<'a>(roll: &'a Roll, node: &NodeRoll) -> Vec<&'a Blocker> {
    let own = roll.blockers_of(node);
    // A pod without a node waits for any node, not for this one.
    let waits = |cause: &BlockerCause| matches!(cause, BlockerCause::UnschedulablePods { .. });
    let around = roll.blockers.iter().filter(|blocker| {
        blocker.node.is_none()
            && blocker.severity() != Severity::Note
            && !waits(&blocker.cause)
            && blocker.place.as_ref().is_none_or(|place| node.is_in(place))
    });
    own.chain(around).collect()
}

/// Details of a node, with at most `events` events. Durations end at the snapshot's time.
pub fn lines(
    node: &NodeRoll,
    observed: &ObservedCluster,
    cx: LineContext<'_>,
    events: usize,
) -> Vec<Line<'static>> {
    let LineContext { state, .. } = cx;
    let (Some(roll), Some(snapshot)) = (&observed.roll, &observed.snapshot) else {
        return Vec::new();
    };
    let now = observed.as_of(state.shared.now.wall);
    let mut facts = Facts::new(cx, LABEL);
    for blocker in concerning(roll, node).into_iter().take(3) {
        // The border already shows how long the node itself is blocked.
        let is_own = blocker.node.as_ref().is_some_and(|blocked| blocked.full == node.name);
        held_by(blocker, (now, !is_own), &mut facts);
        facts.blank();
    }
    identity(node, roll, now, &mut facts);
    let on_node = pods_on(node, snapshot);
    if node.stage.is_old() && node.stage != NodeStage::Old {
        facts.blank();
        pods(&on_node, (observed, snapshot), now, &mut facts);
    }
    facts.blank();
    let found = events_of(node, &on_node, snapshot);
    if found.is_empty() {
        let text = match snapshot.unseen.get("events") {
            Some(Unseen::Partly(reason)) => text::no_events_read(clean(reason)),
            Some(reason) => text::events_unreadable(text::unseen(reason)),
            None => text::NO_EVENTS.to_owned(),
        };
        facts.text(text::LABEL_EVENTS, &text, Tone::Dim);
    }
    for event in found.into_iter().take(events) {
        event_line(event, node, snapshot, now, &mut facts);
    }
    facts.into_lines()
}

fn identity(node: &NodeRoll, roll: &Roll, now: Timestamp, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    let zone = roll
        .pools
        .iter()
        .filter(|pool| pool.name == node.pool)
        .flat_map(|pool| &pool.zones)
        .find(|zone| zone.name == node.zone);
    let place = match (node.pool.as_str(), node.zone.as_str()) {
        ("", "") => text::PLACE_UNKNOWN.to_owned(),
        (pool, "") => clean(pool),
        ("", zone) => clean(zone),
        (pool, zone) => clean(&format!("{pool} · {zone}")),
    };
    facts.fact(text::LABEL_POOL, place);
    if let Some(limits) = zone.and_then(|zone| zone.limits) {
        facts.text("", &text::limits(limits), Tone::Dim);
    }
    if let Some(detail) = text::stage_detail(node, now) {
        facts.text(text::LABEL_STATE, &detail, Tone::Plain);
    }
    let created = node.created.map(|at| {
        let created = text::created(state.zone().short(at), passed(at, now));
        vec![theme.span(format!("   {created}"), Tone::Dim)]
    });
    let mut version = vec![vec![Span::raw(node.version.clone())]];
    version.extend(created);
    facts.fact(text::LABEL_VERSION, as_fits(version, facts.values().columns));
    if node.estimated {
        facts.text(text::LABEL_ESTIMATED, text::BY_AGE_ONLY, Tone::Warn);
    }
}

/// A blocker of the cluster on screen in full, with its age if `with_age`.
pub fn held_by(blocker: &Blocker, (now, with_age): (Timestamp, bool), facts: &mut Facts<'_>) {
    let LineContext { theme, .. } = facts.cx;
    let (label, tone) = match blocker.severity() {
        Severity::Blocks => (text::LABEL_BLOCKER, Tone::Bad),
        Severity::Delays => (text::LABEL_BLOCKER, Tone::Warn),
        Severity::Note => (text::LABEL_NOTE, Tone::Plain),
    };
    facts.text(label, &blocker_text::brief(blocker), tone);
    if let Some(began) = blocker.since.filter(|_| with_age) {
        let text = text::blocked_for(text::lasting(began, now));
        facts.fact("", theme.span(text, Tone::Dim));
    }
    remedy(blocker, now, facts);
}

/// Why it blocks, how to fix it, a command to inspect it, and related SKE errors.
pub fn remedy(blocker: &Blocker, now: Timestamp, facts: &mut Facts<'_>) {
    facts.text(text::LABEL_WHY, &blocker_text::why(blocker, now), Tone::Plain);
    facts.text(text::LABEL_FIX, &blocker_text::fix(blocker), Tone::Plain);
    if let Some(command) = blocker_text::inspect(blocker) {
        let state = facts.cx.state;
        let context = state.subject().and_then(|entry| state.kubectl_context(&entry.cluster));
        facts.text(text::LABEL_INSPECT, &command.line(context.as_ref()), Tone::Plain);
    }
    for problem in blocker.reported.iter().take(2) {
        let problem = blocker_text::reported_error(blocker, problem);
        facts.text(text::LABEL_SKE_ERROR, &problem, Tone::Dim);
    }
}

fn pods_on<'a>(node: &NodeRoll, snapshot: &'a ClusterSnapshot) -> Vec<&'a Pod> {
    let here = |pod: &&Pod| pod.node.as_deref() == Some(&node.name);
    snapshot.pods.iter().map(AsRef::as_ref).filter(here).collect()
}

/// Pods of a draining node that are still to be evicted, the longest waiting first.
fn pods(
    on_node: &[&Pod],
    (observed, snapshot): (&ObservedCluster, &ClusterSnapshot),
    now: Timestamp,
    facts: &mut Facts<'_>,
) {
    let LineContext { state, theme, .. } = facts.cx;
    let incomplete = match snapshot.unseen.get("pods") {
        _ if snapshot.is_blind_to("pods") => {
            facts.text(text::LABEL_PODS, text::PODS_UNREADABLE, Tone::Warn);
            return;
        }
        // Pods of the last successful read may be gone.
        Some(Unseen::Failing(_)) => {
            let since = observed.tracker.history().unread_since("pods");
            let since = since.map(|since| state.zone().log(since.at, state.shared.now.wall));
            let text = since.map_or(text::PODS_UNREADABLE.to_owned(), text::pods_unknown_since);
            facts.text(text::LABEL_PODS, &text, Tone::Warn);
            return;
        }
        Some(Unseen::Partly(why)) => Some(clean(why)),
        Some(Unseen::Unread) | None => None,
    };
    let mut to_evict: Vec<&Pod> =
        on_node.iter().copied().filter(|pod| !pod.stays_on_its_node()).collect();
    let remaining = on_node.len() - to_evict.len();
    to_evict
        .sort_by_key(|pod| (pod.deletion_deadline.is_none(), pod.deletion_deadline, pod.created));
    let remain = match remaining {
        0 => String::new(),
        count => text::daemon_set_pods(plural(count, text::POD, text::PODS)),
    };
    let text = match (to_evict.len(), incomplete) {
        (0, Some(why)) => text::no_pods_read(why),
        (0, None) => text::ALL_EVICTED.to_owned(),
        (count, Some(_)) => {
            text::at_least(text::pods_to_evict(plural(count, text::POD, text::PODS)))
        }
        (count, None) => text::pods_to_evict(plural(count, text::POD, text::PODS)),
    };
    facts.fact(text::LABEL_PODS, text + &remain);
    let clock = ClusterClock::new(now, snapshot.skew_seconds);
    for pod in to_evict.iter().take(6) {
        let (word, tone) = pod_state(pod, clock);
        let name = clean(&format!("{}/{}", pod.namespace, pod.name));
        let name = cut_middle(&name, facts.values().columns.saturating_sub(width(&word) + 2));
        facts.fact("", vec![Span::raw(name), theme.span(format!("  {word}"), tone)]);
    }
    if to_evict.len() > 6 {
        facts.fact("", theme.span(text::more_pods(to_evict.len() - 6), Tone::Dim));
    }
}

fn pod_state(pod: &Pod, clock: ClusterClock) -> (String, Tone) {
    match pod.deletion_deadline {
        Some(by) if clock.planned(by) < clock.now() => {
            (text::pod_overdue(long(clock.age(by))), Tone::Bad)
        }
        Some(_) => (text::POD_TERMINATING.to_owned(), Tone::Busy),
        None if pod.pending => (text::POD_PENDING.to_owned(), Tone::Dim),
        None if pod.ready => (text::POD_READY.to_owned(), Tone::Dim),
        None => (text::NOT_READY.to_owned(), Tone::Warn),
    }
}

/// Events of the node and of its pods, newest first.
fn events_of<'a>(
    node: &NodeRoll,
    on_node: &[&Pod],
    snapshot: &'a ClusterSnapshot,
) -> Vec<&'a Event> {
    let about_node = |event: &Event| event.kind == "Node" && event.name == node.name;
    let about_pod = |event: &Event| on_node.iter().any(|pod| event.is_about(pod));
    let mut found: Vec<&Event> = snapshot
        .events
        .iter()
        .map(AsRef::as_ref)
        .filter(|event| about_node(event) || about_pod(event))
        .collect();
    found.sort_by_key(|event| Reverse(event.at));
    found
}

fn event_line(
    event: &Event,
    node: &NodeRoll,
    snapshot: &ClusterSnapshot,
    now: Timestamp,
    facts: &mut Facts<'_>,
) {
    let LineContext { state, .. } = facts.cx;
    let clock = ClusterClock::new(now, snapshot.skew_seconds);
    let at = event.at.map_or_else(String::new, |at| state.zone().clock(clock.ours(at)));
    let times = if event.count > 1 { format!(" ×{}", event.count) } else { String::new() };
    let about = if event.name == node.name {
        String::new()
    } else {
        clean(&format!("{}/{} ", event.namespace, event.name))
    };
    let text = format!("{}{times}: {about}{}", clean(&event.reason), event.message);
    let tone = if event.warning { Tone::Warn } else { Tone::Plain };
    facts.text(&pad_end(&at, 8), &text, tone);
}

/// The title in the border.
pub fn title(node: &NodeRoll, cx: LineContext<'_>) -> Span<'static> {
    cx.part(format!(" {} ", cut_middle(&node.short, cx.columns.saturating_sub(26))), Role::Title)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::domain::fixtures::now;
    use crate::domain::roll::blocker::{Blocker, BlockerCause};
    use crate::domain::roll::clock_skew::ClusterClock;
    use crate::domain::roll::tests::at_once;
    use crate::domain::roll::tests::blockers::preparing;
    use crate::domain::roll::tests::stages::fixture;
    use crate::domain::snapshot::{ClusterSnapshot, Event, Pod};
    use crate::ui::fixtures::{ago, rolls};
    use crate::ui::nodes::node::{concerning, events_of, pod_state};

    #[test]
    fn k8s_32_pods_without_a_node_are_no_blocker_of_one_node() {
        let roll = at_once(&preparing(), &fixture("held_by_pods"));
        let is_pending =
            |blocker: &&Blocker| matches!(blocker.cause, BlockerCause::UnschedulablePods { .. });
        assert!(roll.blockers.iter().any(|blocker| is_pending(&blocker)));
        for node in roll.nodes() {
            assert_eq!(concerning(&roll, node).into_iter().find(is_pending), None);
        }
    }

    #[test]
    fn k8s_20_events_of_an_earlier_pod_are_none_of_the_node_of_the_present_one() {
        let roll = at_once(&preparing(), &fixture("held_by_pods"));
        let node = roll.nodes().next().unwrap();
        let pod = Pod { created: Some(ago(5)), ..rolls::pod("db-0", "web-1") };
        let event = |uid: &str, minutes| {
            let (namespace, name) = (pod.namespace.clone(), pod.name.clone());
            let at = Some(ago(minutes));
            let uid = uid.to_owned();
            let (kind, reason) = ("Pod".to_owned(), "FailedMount".to_owned());
            let message = String::new();
            Event { uid, at, kind, namespace, name, reason, message, warning: true, count: 1 }
        };
        let events = vec![Arc::new(event("before", 7)), Arc::new(event("now", 3))];
        let snapshot = ClusterSnapshot { events, ..ClusterSnapshot::default() };
        let found = events_of(node, &[&pod], &snapshot);
        assert_eq!(found.iter().map(|event| &*event.uid).collect::<Vec<_>>(), ["now"]);
    }

    #[test]
    fn a_terminating_pod_shows_how_long_its_deletion_is_overdue() {
        let deleted = |deletion_deadline| Pod { deletion_deadline, ..rolls::pod("api-1", "web-1") };
        for (pod, word) in [
            (deleted(None), "ready"),
            (deleted(Some(ago(-1))), "terminating"),
            (deleted(Some(ago(5))), "deletion overdue by 5m"),
        ] {
            assert_eq!(pod_state(&pod, ClusterClock::new(now(), 0)).0, word);
        }
    }
}
