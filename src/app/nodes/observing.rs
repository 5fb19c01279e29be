//! Decides which clusters are observed, applies the results, and announces stalled and resumed rolls.

use std::time::Duration;

use crate::app::context::UpdateContext;
use crate::app::effect::{Effect, Request};
use crate::app::event::Event;
use crate::app::fleet::state::Fleet;
use crate::app::nodes::blocker_text;
use crate::app::nodes::state::{NodesState, Observation};
use crate::app::nodes::text;
use crate::app::notices::ToastAbout;
use crate::app::now::Now;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::settings::ObservationScope;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::Reference;
use crate::domain::record::Outcome;
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::ObserverEvent;

/// How long observation continues after a cluster is no longer needed, so that switching back and forth requests no
/// additional kubeconfig.
const KEEP_OBSERVING: Duration = Duration::from_secs(45);

/// The clusters to observe, most needed first, within the limit; and how many of the first ones the user asked for.
/// `on_screen`: clusters whose nodes are shown, or about to be replaced.
fn wanted(
    nodes: &NodesState,
    on_screen: &[ClusterId],
    cx: &UpdateContext<'_>,
) -> (Vec<ClusterId>, usize) {
    let (fleet, settings) = (cx.fleet, &cx.shared.settings);
    if settings.read_only || settings.watch == ObservationScope::Never {
        // Requesting a kubeconfig is a write.
        return (Vec::new(), 0);
    }
    let mut found: Vec<ClusterId> = Vec::new();
    let take = |found: &mut Vec<ClusterId>, ids: &mut dyn Iterator<Item = &ClusterId>| {
        for id in ids {
            if found.len() >= settings.watch_limit {
                break;
            }
            let listed =
                fleet.entries.get(id).is_some_and(|entry| entry.not_listed_since.is_none());
            if listed && !found.contains(id) {
                found.push(id.clone());
            }
        }
    };
    take(&mut found, &mut on_screen.iter());
    take(&mut found, &mut nodes.watched.iter().filter(|id| fleet.rolls(id)));
    let asked_for = found.len();
    if settings.watch == ObservationScope::Running {
        // Already observed clusters come first, so that filters and sorting do not cost kubeconfigs.
        let rest = nodes.observing.keys().chain(&fleet.rolling);
        take(&mut found, &mut rest.filter(|id| fleet.rolls(id) && fleet.is_polled(&id.scope)));
    }
    (found, asked_for)
}

/// Starts and ends observations as needed.
pub fn update_observers(
    nodes: &mut NodesState,
    on_screen: &[ClusterId],
    cx: &mut UpdateContext<'_>,
) {
    let now = cx.shared.now.monotonic;
    let settings = &cx.shared.settings;
    let (wanted, asked_for) = wanted(nodes, on_screen, cx);
    for (id, observation) in &mut nodes.observing {
        let needed = wanted.contains(id);
        observation.unneeded_since =
            if needed { None } else { observation.unneeded_since.or(Some(now)) };
    }
    let mut ended: Vec<ClusterId> = nodes
        .observing
        .iter()
        .filter(|(id, observation)| {
            let over = observation
                .unneeded_since
                .is_some_and(|left| now.saturating_sub(left) >= KEEP_OBSERVING);
            over || !cx.fleet.entries.contains_key(*id) || settings.read_only
        })
        .map(|(id, _)| id.clone())
        .collect();
    let is_new = |id: &&ClusterId| !nodes.observing.contains_key(*id);
    let urgent = wanted.iter().take(asked_for).filter(is_new).count();
    let missing: Vec<ClusterId> = wanted.iter().filter(is_new).cloned().collect();
    // Clusters the user asked for replace lingering ones; the others wait for those to end.
    let mut free = settings.watch_limit.saturating_sub(nodes.observing.len() - ended.len());
    for (id, observation) in &nodes.observing {
        if free >= urgent {
            break;
        }
        if observation.unneeded_since.is_some() && !ended.contains(id) {
            ended.push(id.clone());
            free += 1;
        }
    }
    for id in ended {
        end(nodes, &id, cx);
        drop_snapshot_if_over(nodes, cx.fleet, &id);
    }
    for id in missing.into_iter().take(free) {
        begin(nodes, &id, cx);
    }
}

/// Drops the snapshot, which may be large, of an unobserved cluster without a roll.
fn drop_snapshot_if_over(nodes: &mut NodesState, fleet: &Fleet, id: &ClusterId) {
    if let Some(observed) = nodes.observed.get_mut(id).filter(|_| !fleet.rolls(id)) {
        observed.snapshot = None;
    }
}

/// Starts an observation. It takes an admin kubeconfig, so it is recorded in the journal, but not in the activity.
fn begin(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    let Some(cluster) = cx.fleet.cluster(id).cloned() else { return };
    let agreed = nodes.agreed.contains(id);
    let record = cx.record(Some(id), "observe", Outcome::Intended, text::OBSERVING_RECORD);
    cx.effect(Effect::Journal(Box::new(record)));
    let observe = Request::Observe { cluster: Box::new(cluster), agreed };
    let request = cx.request(RequestOwner::Observer(id.clone()), observe);
    let observation =
        Observation { request, unneeded_since: None, is_blocked: false, remaining: None };
    nodes.observing.insert(id.clone(), observation);
    nodes.observed.entry(id.clone()).or_default();
}

/// Ends an observation; the snapshot stays, with its age. Returns whether the cluster was observed.
fn end(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) -> bool {
    let Some(ended) = nodes.observing.remove(id) else { return false };
    cx.requests.end(ended.request);
    if let Some(observed) = nodes.observed.get_mut(id) {
        observed.stop_watching(cx.shared.now);
    }
    if ended.is_blocked {
        cx.raise(Event::RowsChanged);
    }
    cx.effect(Effect::Unobserve(id.clone()));
    true
}

/// Restarts the observers after a suspend of the machine or the program. `before`: the last time of an observation.
pub fn restart(nodes: &mut NodesState, before: Now, cx: &mut UpdateContext<'_>) {
    let observing: Vec<ClusterId> = nodes.observing.keys().cloned().collect();
    for id in observing {
        if let Some(observed) = nodes.observed.get_mut(&id) {
            observed.stop_watching(before);
        }
        let lingers = nodes.observing.get(&id).is_some_and(|one| one.unneeded_since.is_some());
        end(nodes, &id, cx);
        if !lingers {
            begin(nodes, &id, cx);
        }
    }
}

/// The user agreed that requesting a kubeconfig disables static tokens: the observer may request one now.
pub fn agree(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    nodes.agreed.insert(id.clone());
    if end(nodes, id, cx) {
        begin(nodes, id, cx);
    }
}

/// Drops all observations of a cluster that was deleted or replaced by a namesake.
pub fn remove(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    nodes.observed.remove(id);
    nodes.watched.remove(id);
    nodes.agreed.remove(id);
    end(nodes, id, cx);
}

/// Passes a reading of SKE to the observer and evaluates the roll.
pub fn cluster_read(nodes: &mut NodesState, cluster: &Cluster, cx: &mut UpdateContext<'_>) {
    if let Some(observed) = nodes.observed.get_mut(&cluster.id) {
        observed.take_reading(cluster, cx.shared.now);
    }
    if !nodes.observing.contains_key(&cluster.id) {
        drop_snapshot_if_over(nodes, cx.fleet, &cluster.id);
        return;
    }
    if let Some(observation) = nodes.observing.get_mut(&cluster.id) {
        observation.is_blocked &= cluster.rotation.phase == Phase::Preparing;
    }
    // The evaluation may reveal a stall.
    detect_changes(nodes, &cluster.id, cx);
    cx.effect(Effect::Reading(Box::new(cluster.clone())));
}

/// Applies an event of an observer.
pub fn observed(
    nodes: &mut NodesState,
    (id, request): (&ClusterId, RequestId),
    event: ObserverEvent,
    cx: &mut UpdateContext<'_>,
) {
    if nodes.observing.get(id).is_none_or(|observation| observation.request != request) {
        return;
    }
    let Some(cluster) = cx.fleet.cluster(id) else { return };
    let Some(observed) = nodes.observed.get_mut(id) else { return };
    if !observed.take_event(cluster, event, cx.shared.now) {
        return;
    }
    let snapshot = observed.snapshot.as_ref();
    if let Some(issuance) = snapshot.and_then(|snapshot| snapshot.control_plane.issuance.clone()) {
        // skeys' own kubeconfig identifies a generation of credentials.
        let reference = Reference { cluster: id.clone(), created: cluster.created, issuance };
        cx.raise(Event::GenerationObserved(Box::new(reference)));
    }
    detect_changes(nodes, id, cx);
}

/// Evaluates the rolls that are due: a stall only shows over time.
pub fn reevaluate(nodes: &mut NodesState, cx: &mut UpdateContext<'_>) {
    let now = cx.shared.now;
    let is_due = |id: &ClusterId, nodes: &NodesState| {
        nodes.observing.contains_key(id) && nodes.observed.get(id).is_some_and(|o| o.is_due(now))
    };
    let due: Vec<ClusterId> =
        nodes.observed.keys().filter(|id| is_due(id, nodes)).cloned().collect();
    for id in due {
        if let (Some(cluster), Some(observed)) =
            (cx.fleet.cluster(&id), nodes.observed.get_mut(&id))
        {
            observed.evaluate(cluster, now);
            detect_changes(nodes, &id, cx);
        }
    }
}

/// When the next evaluation is due or a lingering observation ends (monotonic clock).
pub fn next_wake(nodes: &NodesState, fleet: &Fleet) -> Option<Duration> {
    nodes
        .observed
        .iter()
        // A finished roll does not change.
        .filter(|(id, _)| nodes.observing.contains_key(*id) && fleet.rolls(id))
        .filter_map(|(_, observed)| observed.next_evaluation())
        .chain(
            nodes
                .observing
                .values()
                .filter_map(|one| Some(one.unneeded_since?.saturating_add(KEEP_OBSERVING))),
        )
        .min()
}

/// Announces a stalled or resumed roll.
fn detect_changes(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    let rolling = cx.fleet.rolls(id);
    let Some(observed) = nodes.observed.get_mut(id) else { return };
    if !observed.live || observed.snapshot.as_ref().is_none_or(|snapshot| snapshot.is_being_read())
    {
        return;
    }
    let is_blocked = rolling && observed.is_blocked();
    let unknown = observed.snapshot.as_ref().is_some_and(|snapshot| !snapshot.tells_drains());
    if observed.blocked_announced && !is_blocked && unknown && observed.tracker.has_blocked() {
        // A blocker that is no longer visible may still exist.
        return;
    }
    let announced = std::mem::replace(&mut observed.blocked_announced, is_blocked);
    let text = match (announced, is_blocked) {
        (false, true) => {
            let worst = observed.roll.as_ref().and_then(Roll::worst);
            worst.map_or_else(|| text::STALLED.to_owned(), blocker_text::brief)
        }
        (true, false) if rolling => text::RESUMED.to_owned(),
        _ => String::new(),
    };
    let progress = observed.progress();
    let remaining = progress.filter(|_| rolling).map(|progress| progress.old);
    let was_rolling = nodes.observing.get(id).is_some_and(|one| one.remaining.is_some());
    let of_rotation = observed.roll.as_ref().and_then(|roll| roll.rotation);
    if let Some(end) = of_rotation.filter(|_| was_rolling && !rolling) {
        cx.journal(cx.record(Some(id), "roll", Outcome::Observed, text::roll_ended(end)));
    }
    if let Some(observation) = nodes.observing.get_mut(id)
        && (observation.is_blocked, observation.remaining) != (is_blocked, remaining)
    {
        (observation.is_blocked, observation.remaining) = (is_blocked, remaining);
        cx.raise(Event::RowsChanged);
    }
    if text.is_empty() {
        return;
    }
    cx.toast_about(ToastAbout::Cluster(id.clone()), format!("{}: {text}", cx.fleet.label(id)));
    cx.raise(Event::Announce { cluster: id.clone(), text: text.clone() });
    cx.journal(cx.record(Some(id), "roll", Outcome::Observed, text));
}

/// Sends a notification if the cluster is watched; returns whether it is.
pub fn announce(
    nodes: &NodesState,
    id: &ClusterId,
    text: String,
    cx: &mut UpdateContext<'_>,
) -> bool {
    if !nodes.watched.contains(id) {
        return false;
    }
    let label = cx.fleet.label(id);
    // A notification has no other context, so it always names the region.
    let title =
        if label == id.name.as_str() { format!("{label} ({})", id.region()) } else { label };
    cx.effect(Effect::Notify { title, text });
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crossterm::event::{KeyCode, KeyEvent};
    use jiff::SignedDuration;

    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::state::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message};
    use crate::app::now::Now;

    use crate::app::cluster::tabs::Tab;
    use crate::app::nodes::text;
    use crate::app::requests::{RequestId, RequestOwner};
    use crate::app::screen::Screen;
    use crate::app::settings::{ObservationScope, Settings};
    use crate::app::state::State;
    use crate::app::update::{refresh_rows, update};
    use crate::domain::cluster::ClusterId;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::roll::durations::RollEstimate;
    use crate::domain::roll::tests::budgets::{budget, pod};
    use crate::domain::rotation::Phase;
    use crate::domain::snapshot::{
        ClusterSnapshot, Node, ObserverEvent, Pod, Template, Templates, Terminating, Unavailable,
        Unseen,
    };

    fn machine(names: &[(&str, Phase)], change: impl Fn(&mut Settings)) -> State {
        let mut settings = Settings::defaults();
        change(&mut settings);
        let at = Now { wall: now(), monotonic: Duration::from_secs(1_000) };
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        for (name, phase) in names {
            let cluster = cluster(name, phase.clone());
            state.fleet.put(Entry::new(cluster, at, RequestId(1)));
        }
        state.view.outdated = true;
        refresh_rows(&mut state);
        state
    }

    fn id(name: &str) -> ClusterId {
        cluster(name, Phase::Never).id
    }

    fn pass(state: &mut State, seconds: u64, message: Message) -> Vec<Effect> {
        let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        let later = Now {
            wall: state.shared.now.wall.checked_add(by).unwrap(),
            monotonic: state.shared.now.monotonic + Duration::from_secs(seconds),
        };
        update(state, later, message)
    }

    fn begun(effects: &[Effect]) -> Vec<&str> {
        let found = effects.iter().filter_map(|effect| {
            if let Effect::Request(_, Request::Observe { cluster, .. }) = effect {
                Some(cluster.id.name.as_str())
            } else {
                None
            }
        });
        found.collect()
    }

    fn ended(effects: &[Effect]) -> Vec<&str> {
        let found = effects.iter().filter_map(|effect| {
            if let Effect::Unobserve(id) = effect { Some(id.name.as_str()) } else { None }
        });
        found.collect()
    }

    fn notified(effects: &[Effect]) -> Vec<&str> {
        let found = effects.iter().filter_map(|effect| {
            if let Effect::Notify { text, .. } = effect { Some(text.as_str()) } else { None }
        });
        found.collect()
    }

    fn open(state: &mut State, name: &str, tab: Tab) {
        state.screen = Screen::Cluster { id: id(name), tab };
    }

    /// Two new nodes, and an old one that has been draining since `drains` minutes before the fixtures' now.
    fn snapshot(drains: i64) -> ObserverEvent {
        let ago = |minutes| now().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
        let node = |name: &str, zone: &str, new: bool| Node {
            uid: name.to_owned(),
            name: name.to_owned(),
            pool: "web".into(),
            zone: zone.to_owned(),
            created: Some(ago(if new { 60 } else { 9_000 })),
            generation: Some(if new { "web-2" } else { "web-1" }.to_owned()),
            checksum: None,
            version: "1.33.4".into(),
            marked_for_deletion: !new,
            rolling: true,
            cordoned: !new,
            terminating: (!new)
                .then(|| Terminating { since: Some(ago(drains)), reason: "MachineDeleted".into() }),
            ready: true,
            ready_changed: Some(ago(if new { 56 } else { 9_000 })),
            not_ready_because: None,
            still_joining: false,
            preserved: false,
        };
        let nodes = [("a", "eu01-1", true), ("b", "eu01-2", true), ("c", "eu01-3", false)];
        ObserverEvent::Snapshot(Arc::new(ClusterSnapshot {
            nodes: nodes.map(|(name, zone, new)| Arc::new(node(name, zone, new))).to_vec(),
            templates: Templates::Known(vec![Template {
                name: "web-2".into(),
                pool: "web".into(),
                created: Some(ago(90)),
                checksum: None,
            }]),
            ..ClusterSnapshot::default()
        }))
    }

    fn observe_event(state: &mut State, name: &str, event: ObserverEvent) -> Vec<Effect> {
        let number = state.nodes.observing.get(&id(name)).map_or(RequestId(0), |one| one.request);
        pass(state, 1, Message::Answered(number, Ok(Answer::Observed(event))))
    }

    #[test]
    fn rolling_clusters_are_observed_up_to_the_limit_and_the_open_one_first() {
        let rolling = ["a1", "b2", "c3", "d4"].map(|name| (name, Phase::Preparing));
        let mut state = machine(&rolling, |settings| settings.watch_limit = 2);
        let effects = pass(&mut state, 1, Message::Ticked);
        assert_eq!(begun(&effects), ["a1", "b2"]);
        assert!(state.unseen(&id("d4")).unwrap().contains("kubernetes.limit"));
        open(&mut state, "d4", Tab::Rotation);
        let effects = pass(&mut state, 1, Message::Ticked);
        assert_eq!((begun(&effects), ended(&effects)), (vec!["d4"], vec!["b2"]));
    }

    #[test]
    fn an_idle_cluster_is_observed_only_while_its_nodes_are_on_screen_and_a_while_longer() {
        let mut state = machine(&[("shop", Phase::Completed)], |_| {});
        assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), [""; 0]);
        open(&mut state, "shop", Tab::Overview);
        assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), [""; 0]);
        open(&mut state, "shop", Tab::Nodes);
        assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), ["shop"]);
        state.screen = Screen::Fleet;
        assert_eq!(ended(&pass(&mut state, 1, Message::Ticked)), [""; 0]);
        assert_eq!(ended(&pass(&mut state, 44, Message::Ticked)), [""; 0]);
        assert_eq!(ended(&pass(&mut state, 2, Message::Ticked)), ["shop"]);
    }

    #[test]
    fn nothing_is_observed_in_read_only_mode_or_when_the_configuration_says_never() {
        let forbid: [fn(&mut Settings); 2] = [
            |settings| settings.read_only = true,
            |settings| settings.watch = ObservationScope::Never,
        ];
        for change in forbid {
            let mut state = machine(&[("shop", Phase::Preparing)], change);
            open(&mut state, "shop", Tab::Nodes);
            state.nodes.watched.insert(id("shop"));
            assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), [""; 0]);
            assert!(state.unseen(&id("shop")).is_some());
        }
    }

    #[test]
    fn a_stall_and_its_end_are_logged_once_and_notified_only_for_watched_clusters() {
        let mut state = machine(&[("shop", Phase::Preparing), ("pay", Phase::Preparing)], |_| {});
        state.nodes.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(notified(&observe_event(&mut state, "shop", snapshot(10))), [""; 0]);
        for name in ["shop", "pay"] {
            let effects = observe_event(&mut state, name, snapshot(47));
            let expected: &[&str] = if name == "shop" { &["rollout stalled"] } else { &[] };
            assert_eq!(notified(&effects), expected);
            assert!(state.nodes.is_blocked(&id(name)));
            assert_eq!(
                notified(&observe_event(&mut state, name, snapshot(47))),
                [""; 0],
                "notified twice"
            );
        }
        refresh_rows(&mut state);
        assert_eq!(state.view.counts.stuck, 2);
        let effects = observe_event(&mut state, "shop", snapshot(1));
        assert_eq!(notified(&effects), ["rollout resumed"]);
        refresh_rows(&mut state);
        assert_eq!(state.view.counts.stuck, 1);
    }

    #[test]
    fn a_stall_shows_by_time_but_not_while_nothing_is_observed() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(10));
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        observe_event(
            &mut state,
            "shop",
            ObserverEvent::Unavailable(Unavailable::Unreachable(failure)),
        );
        pass(&mut state, 7_200, Message::Ticked);
        let roll = state.nodes.observed[&id("shop")].roll.clone().unwrap();
        assert_eq!(roll.estimate, RollEstimate::Unknown);
        assert!(!state.nodes.is_blocked(&id("shop")));
        assert_eq!(roll.counts.new, 2, "what was seen stays");
        observe_event(&mut state, "shop", snapshot(10));
        assert!(state.nodes.is_blocked(&id("shop")));
    }

    #[test]
    fn a_stall_is_announced_however_often_ske_answers() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.nodes.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(0));
        let mut effects = Vec::new();
        for number in 0..600 {
            let mut answer = state.fleet.cluster(&id("shop")).unwrap().clone();
            answer.pools[0].maximum = 100 + number;
            let read = Ok(Answer::Cluster(Box::new(answer), None));
            let request = state.requests.begin(RequestOwner::Cluster(id("shop")));
            effects.extend(pass(&mut state, 3, Message::Answered(request, read)));
            effects.extend(pass(&mut state, 0, Message::Ticked));
        }
        assert_eq!(notified(&effects), ["rollout stalled"]);
        assert!(state.nodes.is_blocked(&id("shop")));
    }

    #[test]
    fn prepared_while_nothing_is_observed_makes_no_count_of_an_old_snapshot() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(10));
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        observe_event(
            &mut state,
            "shop",
            ObserverEvent::Unavailable(Unavailable::Unreachable(failure)),
        );
        let mut answer = state.fleet.cluster(&id("shop")).unwrap().clone();
        answer.rotation.phase = Phase::Prepared;
        let read = Ok(Answer::Cluster(Box::new(answer), None));
        let request = state.requests.begin(RequestOwner::Cluster(id("shop")));
        pass(&mut state, 1, Message::Answered(request, read));
        let roll = state.nodes.observed[&id("shop")].roll.clone().unwrap();
        assert_eq!((roll.rotation, roll.counts.old_left()), (None, 1), "two of three were new");
    }

    #[test]
    fn the_end_of_a_rollout_is_recorded_with_the_figures_of_the_rotation() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        let ObserverEvent::Snapshot(seen) = snapshot(10) else { panic!("no snapshot") };
        let (mut before, mut after) = ((*seen).clone(), (*seen).clone());
        for node in &mut before.nodes {
            let node = Arc::make_mut(node);
            let born = now().checked_sub(SignedDuration::from_mins(9_000)).ok();
            (node.uid, node.created) = (format!("old-{}", node.name), born);
            (node.generation, node.marked_for_deletion) = (Some("web-1".into()), true);
        }
        // One is replaced again already.
        Arc::make_mut(&mut after.nodes[0]).marked_for_deletion = true;
        for seen in [before, after] {
            observe_event(&mut state, "shop", ObserverEvent::Snapshot(Arc::new(seen)));
        }
        let effects = read(&mut state, "shop", Phase::Prepared);
        let records = effects.iter().filter_map(|effect| {
            if let Effect::Journal(record) = effect { Some(record.text.as_str()) } else { None }
        });
        let records: Vec<&str> = records.filter(|text| text.contains("rollout")).collect();
        assert_eq!(records, ["rollout ended: 2 nodes replaced"]);
    }

    #[test]
    fn a_snapshot_is_dropped_when_it_is_not_observed_and_nothing_rolls() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(10));
        read(&mut state, "shop", Phase::Prepared);
        assert!(state.nodes.observed[&id("shop")].snapshot.is_some(), "it lingers");
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(ended(&pass(&mut state, 46, Message::Ticked)), ["shop"]);
        let observed = &state.nodes.observed[&id("shop")];
        assert!(observed.snapshot.is_none() && observed.roll.is_some(), "the count stays");
        read(&mut state, "shop", Phase::Completing);
        assert!(state.nodes.observed[&id("shop")].roll.is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_hides_no_change() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(10));
        let back = Now {
            wall: state.shared.now.wall.checked_sub(SignedDuration::from_mins(30)).unwrap(),
            monotonic: state.shared.now.monotonic + Duration::from_secs(1),
        };
        update(&mut state, back, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(10));
        let watched = state.nodes.observed[&id("shop")].tracker.history().watched_since;
        assert_eq!(watched, Some(back.wall), "no recorded time is in the future");
        for _ in 0..180 {
            pass(&mut state, 60, Message::Ticked);
        }
        assert!(state.nodes.is_blocked(&id("shop")), "and a stall shows in time");
    }

    #[test]
    fn late_events_of_an_ended_observer_are_ignored() {
        let mut state = machine(&[("shop", Phase::Completed)], |_| {});
        observe_event(&mut state, "shop", snapshot(10));
        assert!(state.nodes.observed.is_empty());
    }

    fn read(state: &mut State, name: &str, phase: Phase) -> Vec<Effect> {
        let read = Ok(Answer::Cluster(Box::new(cluster(name, phase)), None));
        let request = state.requests.begin(RequestOwner::Cluster(id(name)));
        pass(state, 1, Message::Answered(request, read))
    }

    #[test]
    fn an_old_answer_of_ske_resets_no_phase_and_notifies_nobody() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.nodes.watched.insert(id("shop"));
        assert_eq!(notified(&read(&mut state, "shop", Phase::Prepared)), ["PREPARED"]);
        for _ in 0..3 {
            assert_eq!(notified(&read(&mut state, "shop", Phase::Preparing)), [""; 0]);
            assert_eq!(state.fleet.entries[&id("shop")].cluster.rotation.phase, Phase::Prepared);
            assert_eq!(notified(&read(&mut state, "shop", Phase::Prepared)), [""; 0]);
        }
        // SKE keeps reporting it, so it is believed.
        read(&mut state, "shop", Phase::Preparing);
        pass(&mut state, 601, Message::Ticked);
        read(&mut state, "shop", Phase::Preparing);
        assert_eq!(state.fleet.entries[&id("shop")].cluster.rotation.phase, Phase::Preparing);
        assert!(state.fleet.rolling.contains(&id("shop")));
    }

    #[test]
    fn time_of_a_suspension_is_no_stall() {
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        let other = Message::Answered(
            RequestId(0),
            Ok(Answer::Observed(ObserverEvent::Unavailable(Unavailable::Unreachable(failure)))),
        );
        // After a background phase, whatever message comes first; after sleep.
        for (wakes, suspended) in
            [(Message::Resumed, true), (other, true), (Message::Ticked, false)]
        {
            let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
            state.nodes.watched.insert(id("shop"));
            pass(&mut state, 1, Message::Ticked);
            observe_event(&mut state, "shop", snapshot(5));
            assert!(state.nodes.observed[&id("shop")].live);
            let old = state.nodes.observing[&id("shop")].request;
            // The monotonic clock runs while in the background, but not while the machine sleeps.
            state.session.suspended = suspended.then_some(state.shared.now);
            let later = Now {
                wall: state.shared.now.wall.checked_add(SignedDuration::from_hours(2)).unwrap(),
                monotonic: state.shared.now.monotonic
                    + Duration::from_secs(if suspended { 7_200 } else { 1 }),
            };
            let effects = update(&mut state, later, wakes);
            assert_eq!((notified(&effects), ended(&effects)), (vec![], vec!["shop"]));
            assert_eq!(begun(&effects), ["shop"], "it is observed again");
            assert!(!state.nodes.observed[&id("shop")].live);
            assert_eq!(state.unseen(&id("shop")), Some(text::CONNECTING.to_owned()));
            assert_eq!(notified(&pass(&mut state, 10, Message::Ticked)), [""; 0]);
            // Events of the ended observer are ignored.
            let late = Message::Answered(old, Ok(Answer::Observed(snapshot(47))));
            assert_eq!(notified(&pass(&mut state, 1, late)), [""; 0]);
            assert!(!state.nodes.observed[&id("shop")].live);
        }
    }

    #[test]
    fn going_back_and_forth_at_the_limit_requests_no_further_kubeconfig() {
        let rolling = [("a1", Phase::Preparing), ("b2", Phase::Preparing), ("x", Phase::Completed)];
        let mut state = machine(&rolling, |settings| settings.watch_limit = 2);
        assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), ["a1", "b2"]);
        open(&mut state, "x", Tab::Nodes);
        assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), ["x"]);
        for _ in 0..3 {
            state.screen = Screen::Fleet;
            assert_eq!(begun(&pass(&mut state, 5, Message::Ticked)), [""; 0]);
            open(&mut state, "x", Tab::Nodes);
            assert_eq!(begun(&pass(&mut state, 5, Message::Ticked)), [""; 0]);
        }
        state.screen = Screen::Fleet;
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(begun(&pass(&mut state, 46, Message::Ticked)), ["b2"], "it is observed again");
    }

    #[test]
    fn an_announcement_is_not_repeated_after_an_interruption() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.nodes.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(notified(&observe_event(&mut state, "shop", snapshot(47))), ["rollout stalled"]);
        state.shared.settings.read_only = true;
        assert_eq!(ended(&pass(&mut state, 1, Message::Ticked)), ["shop"]);
        assert!(!state.nodes.is_blocked(&id("shop")), "it is unknown");
        state.shared.settings.read_only = false;
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(notified(&observe_event(&mut state, "shop", snapshot(47))), [""; 0]);
        assert!(state.nodes.is_blocked(&id("shop")));
        assert_eq!(notified(&observe_event(&mut state, "shop", snapshot(1))), ["rollout resumed"]);
    }

    #[test]
    fn a_blocker_that_is_no_longer_visible_is_not_announced_as_resolved() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.nodes.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        let ObserverEvent::Snapshot(original) = snapshot(10) else { panic!("a snapshot") };
        let with = |change: &dyn Fn(&mut ClusterSnapshot)| {
            let mut snapshot = (*original).clone();
            change(&mut snapshot);
            ObserverEvent::Snapshot(Arc::new(snapshot))
        };
        let held = |snapshot: &mut ClusterSnapshot| {
            let pod = Pod { namespace: "payments".into(), ..pod("api-1", Some("c")) };
            snapshot.pods.push(Arc::new(pod));
            snapshot.budgets.push(Arc::new(budget(0, 1, 1, 1)));
        };
        let brief = "PodDisruptionBudget payments/api allows no evictions";
        assert_eq!(notified(&observe_event(&mut state, "shop", with(&held))), [brief]);
        let unread = |snapshot: &mut ClusterSnapshot| {
            snapshot.unseen.insert("pods", Unseen::Failing("no answer".into()));
        };
        assert_eq!(notified(&observe_event(&mut state, "shop", with(&unread))), [""; 0]);
        assert_eq!(notified(&observe_event(&mut state, "shop", with(&held))), [""; 0]);
        assert_eq!(
            notified(&observe_event(&mut state, "shop", with(&|_| {}))),
            ["rollout resumed"]
        );
    }

    #[test]
    fn a_dialog_shows_only_what_is_observed_now() {
        let mut state = machine(&[("shop", Phase::Prepared)], |_| {});
        open(&mut state, "shop", Tab::Nodes);
        pass(&mut state, 1, Message::Ticked);
        observe_event(&mut state, "shop", snapshot(5));
        pass(&mut state, 1, Message::Key(KeyEvent::from(KeyCode::Char('R'))));
        let evidence = |state: &State| state.rotation.dialog.as_ref().unwrap().evidence.clone();
        assert!(evidence(&state).snapshot.is_some() && evidence(&state).unseen.is_none());
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        observe_event(
            &mut state,
            "shop",
            ObserverEvent::Unavailable(Unavailable::Unreachable(failure)),
        );
        assert!(evidence(&state).snapshot.is_none());
        assert!(evidence(&state).unseen.unwrap().contains("no answer"));
        observe_event(&mut state, "shop", snapshot(5));
        assert!(evidence(&state).snapshot.is_some());
    }
}
