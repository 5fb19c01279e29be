//! Looking at clusters: who is looked at, what came of it, and what is told when a roll stands still or moves on.

use std::sync::Arc;
use std::time::Duration;

use crate::app::dialog::Dialog;
use crate::app::effect::{Effect, Request};
use crate::app::message::Now;
use crate::app::observation::{LINGER, Observation, rolls, seen_now, unseen, wanted};
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::state::State;
use crate::app::update::{arrange, notices};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::Reference;
use crate::domain::preflight::findings;
use crate::domain::record::Outcome;
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::ObserverEvent;

/// Begins and ends looking, as screens and phases ask for.
pub fn look(state: &mut State) -> Vec<Effect> {
    let now = state.now.monotonic;
    let (wanted, asked_for) = wanted(state);
    let mut effects = Vec::new();
    for (id, look) in &mut state.observing {
        let needed = wanted.contains(id);
        look.left = if needed { None } else { look.left.or(Some(now)) };
    }
    let room = state.settings.watch_limit;
    let mut ended: Vec<ClusterId> = state
        .observing
        .iter()
        .filter(|(id, look)| {
            let over = look.left.is_some_and(|left| now.saturating_sub(left) >= LINGER);
            over || !state.fleet.entries.contains_key(*id) || state.settings.read_only
        })
        .map(|(id, _)| id.clone())
        .collect();
    let is_new = |id: &&ClusterId| !state.observing.contains_key(*id);
    let urgent = wanted.iter().take(asked_for).filter(is_new).count();
    let missing: Vec<ClusterId> = wanted.iter().filter(is_new).cloned().collect();
    // Who is asked for takes the place of who lingers; the others wait until that is over.
    let mut free = room.saturating_sub(state.observing.len() - ended.len());
    for (id, look) in &state.observing {
        if free >= urgent {
            break;
        }
        if look.left.is_some() && !ended.contains(id) {
            ended.push(id.clone());
            free += 1;
        }
    }
    for id in ended {
        effects.extend(end(state, &id));
        let over = !rolls(state, &id);
        if let Some(observed) = state.observed.get_mut(&id).filter(|_| over) {
            observed.let_go();
        }
    }
    for id in missing.into_iter().take(free) {
        effects.extend(begin(state, &id));
    }
    show_in_dialog(state);
    effects
}

/// Begins to look. It takes an admin kubeconfig, so that the journal tells of it; the activity is for what happens.
fn begin(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    let Some(cluster) = state.fleet.cluster(id).cloned() else { return Vec::new() };
    let agreed = state.agreed.contains(id);
    let number = state.requests.begin(RequestOwner::Observer(id.clone()));
    state.observing.insert(id.clone(), Observation { number, left: None, agreed });
    state.observed.entry(id.clone()).or_default();
    let text = "nodes are looked at, with admin kubeconfigs of ten minutes that stay in memory";
    let record = notices::record(state, Some(id), "look", None, Outcome::Intended, text.to_owned());
    let cluster = Box::new(cluster);
    let observe = Effect::Request(number, Request::Observe { cluster, agreed });
    vec![Effect::Journal(Box::new(record)), observe]
}

/// What was seen stays, as old as it is; what it said of now does not.
fn end(state: &mut State, id: &ClusterId) -> Option<Effect> {
    let ended = state.observing.remove(id)?;
    state.requests.end(ended.number);
    if let Some(observed) = state.observed.get_mut(id) {
        observed.lose_sight(state.now);
    }
    if let Some(entry) = state.fleet.entries.get_mut(id)
        && std::mem::take(&mut entry.held)
    {
        arrange(state);
    }
    Some(Effect::Unobserve(id.clone()))
}

/// The wall clock was set back: what was remembered must not lie ahead, or nothing would count until then.
pub fn rewind(state: &mut State) {
    let now = state.now.wall;
    for observed in state.observed.values_mut() {
        observed.rewind(now);
    }
}

/// Time passed in which nothing could be seen, since the machine or the program was asleep: whoever is looked at is
/// looked at anew. `before`: the last moment at which anything was seen.
pub fn slept(state: &mut State, before: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    let looked_at: Vec<ClusterId> = state.observing.keys().cloned().collect();
    for id in looked_at {
        if let Some(observed) = state.observed.get_mut(&id) {
            observed.lose_sight(before);
        }
        let lingers = state.observing.get(&id).is_some_and(|look| look.left.is_some());
        effects.extend(end(state, &id));
        if !lingers {
            effects.extend(begin(state, &id));
        }
    }
    effects
}

/// A person agreed that asking for a kubeconfig switches static tokens off: whoever looks may ask now.
pub fn agreed(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    state.agreed.insert(id.clone());
    let mut effects: Vec<Effect> = end(state, id).into_iter().collect();
    if !effects.is_empty() {
        effects.extend(begin(state, id));
    }
    effects
}

/// Another cluster stands under this address, or none: what was seen is no longer about it.
pub fn forget(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    state.observed.remove(id);
    state.watched.remove(id);
    state.agreed.remove(id);
    end(state, id).into_iter().collect()
}

/// SKE showed the cluster: whoever looks at it learns of it, and the roll is read in its light.
pub fn reading(state: &mut State, cluster: &Cluster) -> Vec<Effect> {
    let now = state.now;
    if let Some(observed) = state.observed.get_mut(&cluster.id) {
        observed.reading(cluster, now);
    }
    if !state.observing.contains_key(&cluster.id) {
        let over = cluster.rotation.phase != Phase::Preparing;
        if let Some(observed) = state.observed.get_mut(&cluster.id).filter(|_| over) {
            observed.let_go();
        }
        return Vec::new();
    }
    // It counts as reading the roll anew, so that it must notice what time alone tells.
    let mut effects = noticed(state, &cluster.id);
    effects.push(Effect::Reading(Box::new(cluster.clone())));
    effects
}

/// Somebody looked at a cluster.
pub fn sighted(
    state: &mut State,
    id: &ClusterId,
    number: RequestId,
    sighting: ObserverEvent,
) -> Vec<Effect> {
    let now = state.now;
    if state.observing.get(id).is_none_or(|look| look.number != number) {
        return Vec::new();
    }
    let Some(cluster) = state.fleet.cluster(id).cloned() else { return Vec::new() };
    let Some(observed) = state.observed.get_mut(id) else { return Vec::new() };
    if !observed.sighted(&cluster, sighting, now) {
        return Vec::new();
    }
    let mut effects: Vec<Effect> = note_generation(state, &cluster).into_iter().collect();
    effects.extend(noticed(state, id));
    effects
}

/// Keeps what the kubeconfig that skeys got for itself tells of the generations of credentials.
fn note_generation(state: &mut State, cluster: &Cluster) -> Option<Effect> {
    let snapshot = state.observed.get(&cluster.id)?.snapshot.as_ref()?;
    let reference = Reference {
        cluster: cluster.id.clone(),
        created: cluster.created,
        issuance: snapshot.control_plane.issuance.clone()?,
    };
    if !state.fleet.credentials.note(reference) {
        return None;
    }
    arrange(state);
    Some(notices::kept(state))
}

/// Rolls that were read a while ago are read anew: a standstill is told by time alone.
pub fn read_anew(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let due: Vec<ClusterId> = state
        .observed
        .iter()
        .filter(|(id, observed)| {
            state.observing.contains_key(*id) && observed.is_to_be_read_anew(now)
        })
        .map(|(id, _)| id.clone())
        .collect();
    let mut effects = Vec::new();
    for id in due {
        let cluster = state.fleet.cluster(&id).cloned();
        if let (Some(cluster), Some(observed)) = (cluster, state.observed.get_mut(&id)) {
            observed.read_roll(&cluster, now);
            effects.extend(noticed(state, &id));
        }
    }
    effects
}

/// When rolls are to be read anew, on the monotonic clock.
pub fn next_reading(state: &State) -> Option<Duration> {
    state
        .observed
        .iter()
        // A roll that is over stands still for ever.
        .filter(|(id, _)| state.observing.contains_key(*id) && rolls(state, id))
        .filter_map(|(_, observed)| observed.read_anew_at())
        .chain(state.observing.values().filter_map(|look| Some(look.left?.saturating_add(LINGER))))
        .min()
}

/// Tells an open dialog what is seen now, or why nothing is.
fn show_in_dialog(state: &mut State) {
    let Some(Dialog::Rotate(dialog)) = &state.dialog else { return };
    let id = &dialog.shown.id;
    let (snapshot, why) = (seen_now(state, id), unseen(state, id));
    let now = state.now.wall;
    let Some(Dialog::Rotate(dialog)) = &mut state.dialog else { return };
    let is_same = match (&dialog.evidence.snapshot, &snapshot) {
        (Some(known), Some(snapshot)) => Arc::ptr_eq(known, snapshot),
        (None, None) => true,
        _ => false,
    };
    if is_same && dialog.evidence.unseen == why {
        return;
    }
    dialog.evidence.snapshot = snapshot;
    dialog.evidence.unseen = why;
    dialog.findings = findings(dialog.step, &dialog.shown, &dialog.evidence, now);
}

/// Notices that a roll stands still or moves on, as far as it is seen now.
fn noticed(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    let rolling = rolls(state, id);
    let Some(observed) = state.observed.get_mut(id) else { return Vec::new() };
    if !observed.live || observed.snapshot.as_ref().is_none_or(|snapshot| snapshot.is_being_read())
    {
        return Vec::new();
    }
    let held = rolling && observed.is_held();
    let unknown = observed.snapshot.as_ref().is_some_and(|snapshot| !snapshot.tells_drains());
    if observed.told_held && !held && unknown && observed.history.has_blocked() {
        // What held a node is not seen any more, which does not mean that it is gone.
        return Vec::new();
    }
    let told = std::mem::replace(&mut observed.told_held, held);
    let text = match (told, held) {
        (false, true) => {
            let worst = observed.roll.as_ref().and_then(Roll::worst);
            worst.map_or_else(|| "the roll stands still".to_owned(), |worst| worst.brief.clone())
        }
        (true, false) if rolling => "the roll goes on".to_owned(),
        _ => String::new(),
    };
    let figure = observed.roll.as_ref().and_then(Roll::figure).filter(|_| rolling);
    let remaining = figure.map(|figure| figure.old);
    let Some(entry) = state.fleet.entries.get_mut(id) else { return Vec::new() };
    let before = (entry.held, entry.remaining);
    (entry.held, entry.remaining) = (held, remaining);
    if before != (held, remaining) {
        arrange(state);
    }
    if text.is_empty() {
        return Vec::new();
    }
    notices::mention(state, format!("{}: {text}", state.fleet.label(id)));
    let mut effects = tell(state, id, &text);
    let record = notices::record(state, Some(id), "roll", None, Outcome::Seen, text);
    effects.push(notices::journal(state, record));
    effects
}

/// Tells whoever watches this cluster, wherever they look.
pub fn tell(state: &State, id: &ClusterId, text: &str) -> Vec<Effect> {
    if !state.watched.contains(id) {
        return Vec::new();
    }
    let label = state.fleet.label(id);
    // Whoever looks elsewhere has nothing else to tell it by: the region is always there.
    let title =
        if label == id.name.as_str() { format!("{label} ({})", id.region()) } else { label };
    vec![Effect::Notify { title, text: text.to_owned() }]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::dialog::Dialog;
    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message, Now};
    use crate::app::observation::unseen;
    use crate::app::requests::{RequestId, RequestOwner};
    use crate::app::settings::{ObservationScope, Settings};
    use crate::app::state::{Screen, State, Tab};
    use crate::app::update::{rotation, settle, update};
    use crate::domain::cluster::ClusterId;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::roll::eta::RollEstimate;
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
        let (look, settings) = (state.look.clone(), state.settings.clone());
        state.fleet.arrange(&look, at.wall, &settings);
        state
    }

    fn id(name: &str) -> ClusterId {
        cluster(name, Phase::Never).id
    }

    /// Lets time pass.
    fn pass(state: &mut State, seconds: u64, message: Message) -> Vec<Effect> {
        let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        let later = Now {
            wall: state.now.wall.checked_add(by).unwrap(),
            monotonic: state.now.monotonic + Duration::from_secs(seconds),
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

    fn told(effects: &[Effect]) -> Vec<&str> {
        let found = effects.iter().filter_map(|effect| {
            if let Effect::Notify { text, .. } = effect { Some(text.as_str()) } else { None }
        });
        found.collect()
    }

    fn open(state: &mut State, name: &str, tab: Tab) {
        state.screen = Screen::Cluster { id: id(name), created: None, tab };
    }

    /// Two new nodes, and an old one that drains since so many minutes before the fixtures' now.
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

    fn sight(state: &mut State, name: &str, sighting: ObserverEvent) -> Vec<Effect> {
        let number = state.observing.get(&id(name)).map_or(RequestId(0), |look| look.number);
        pass(state, 1, Message::Answered(number, Answer::Observed(sighting)))
    }

    #[test]
    fn those_that_roll_are_looked_at_up_to_the_limit_and_the_open_one_first() {
        let rolling = ["a1", "b2", "c3", "d4"].map(|name| (name, Phase::Preparing));
        let mut state = machine(&rolling, |settings| settings.watch_limit = 2);
        let effects = pass(&mut state, 1, Message::Ticked);
        assert_eq!(begun(&effects), ["a1", "b2"]);
        assert!(unseen(&state, &id("d4")).unwrap().contains("kubernetes.limit"));
        open(&mut state, "d4", Tab::Rotation);
        let effects = pass(&mut state, 1, Message::Ticked);
        assert_eq!((begun(&effects), ended(&effects)), (vec!["d4"], vec!["b2"]));
    }

    #[test]
    fn a_resting_cluster_is_looked_at_only_while_its_nodes_are_on_screen_and_a_while_longer() {
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
    fn nobody_is_looked_at_in_read_only_mode_or_when_the_configuration_says_never() {
        let forbid: [fn(&mut Settings); 2] = [
            |settings| settings.read_only = true,
            |settings| settings.watch = ObservationScope::Never,
        ];
        for change in forbid {
            let mut state = machine(&[("shop", Phase::Preparing)], change);
            open(&mut state, "shop", Tab::Nodes);
            state.watched.insert(id("shop"));
            assert_eq!(begun(&pass(&mut state, 1, Message::Ticked)), [""; 0]);
            assert!(unseen(&state, &id("shop")).is_some());
        }
    }

    #[test]
    fn a_standstill_and_its_end_are_told_once_and_only_who_watches_is_notified() {
        let mut state = machine(&[("shop", Phase::Preparing), ("pay", Phase::Preparing)], |_| {});
        state.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(told(&sight(&mut state, "shop", snapshot(10))), [""; 0]);
        for name in ["shop", "pay"] {
            let effects = sight(&mut state, name, snapshot(47));
            let expected: &[&str] = if name == "shop" { &["the roll stands still"] } else { &[] };
            assert_eq!(told(&effects), expected);
            assert!(state.fleet.entries[&id(name)].held);
            assert_eq!(told(&sight(&mut state, name, snapshot(47))), [""; 0], "told twice");
        }
        settle(&mut state);
        assert_eq!(state.fleet.counts.stuck, 2);
        let effects = sight(&mut state, "shop", snapshot(1));
        assert_eq!(told(&effects), ["the roll goes on"]);
        settle(&mut state);
        assert_eq!(state.fleet.counts.stuck, 1);
    }

    #[test]
    fn time_alone_makes_a_standstill_but_not_while_nothing_is_seen() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(10));
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        sight(&mut state, "shop", ObserverEvent::Unavailable(Unavailable::Unreachable(failure)));
        pass(&mut state, 7_200, Message::Ticked);
        let roll = state.observed[&id("shop")].roll.clone().unwrap();
        assert_eq!(roll.outlook, RollEstimate::Unknown);
        assert!(!state.fleet.entries[&id("shop")].held);
        assert_eq!(roll.counts.new, 2, "what was seen stays");
        sight(&mut state, "shop", snapshot(10));
        assert!(state.fleet.entries[&id("shop")].held);
    }

    #[test]
    fn a_standstill_is_told_however_often_ske_answers() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(0));
        let mut effects = Vec::new();
        for number in 0..600 {
            let mut answer = state.fleet.cluster(&id("shop")).unwrap().clone();
            answer.pools[0].maximum = 100 + number;
            let read = Answer::Cluster(Ok((Box::new(answer), SignedDuration::ZERO)));
            let request = state.requests.begin(RequestOwner::Cluster(id("shop")));
            effects.extend(pass(&mut state, 3, Message::Answered(request, read)));
            effects.extend(pass(&mut state, 0, Message::Ticked));
        }
        assert_eq!(told(&effects), ["the roll stands still"]);
        assert!(state.fleet.entries[&id("shop")].held);
    }

    #[test]
    fn prepared_that_comes_while_nothing_is_seen_makes_no_count_of_an_old_picture() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(10));
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        sight(&mut state, "shop", ObserverEvent::Unavailable(Unavailable::Unreachable(failure)));
        let mut answer = state.fleet.cluster(&id("shop")).unwrap().clone();
        answer.rotation.phase = Phase::Prepared;
        let read = Answer::Cluster(Ok((Box::new(answer), SignedDuration::ZERO)));
        let request = state.requests.begin(RequestOwner::Cluster(id("shop")));
        pass(&mut state, 1, Message::Answered(request, read));
        let roll = state.observed[&id("shop")].roll.clone().unwrap();
        assert_eq!((roll.rotation, roll.counts.old_left()), (None, 1), "two of three were new");
    }

    #[test]
    fn a_picture_is_let_go_when_nobody_looks_and_nothing_rolls() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(10));
        read(&mut state, "shop", Phase::Prepared);
        assert!(state.observed[&id("shop")].snapshot.is_some(), "it lingers");
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(ended(&pass(&mut state, 46, Message::Ticked)), ["shop"]);
        let observed = &state.observed[&id("shop")];
        assert!(observed.snapshot.is_none() && observed.roll.is_some(), "the count stays");
        read(&mut state, "shop", Phase::Completing);
        assert!(state.observed[&id("shop")].roll.is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_blinds_nobody() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(10));
        let back = Now {
            wall: state.now.wall.checked_sub(SignedDuration::from_mins(30)).unwrap(),
            monotonic: state.now.monotonic + Duration::from_secs(1),
        };
        update(&mut state, back, Message::Ticked);
        sight(&mut state, "shop", snapshot(10));
        let watched = state.observed[&id("shop")].history.memory().watched_since;
        assert_eq!(watched, Some(back.wall), "what is remembered does not lie ahead");
        pass(&mut state, 3 * 3_600, Message::Ticked);
        assert!(state.fleet.entries[&id("shop")].held, "and a standstill shows in time");
    }

    #[test]
    fn what_comes_late_from_an_observer_that_was_ended_is_left_out() {
        let mut state = machine(&[("shop", Phase::Completed)], |_| {});
        sight(&mut state, "shop", snapshot(10));
        assert!(state.observed.is_empty());
    }

    fn read(state: &mut State, name: &str, phase: Phase) -> Vec<Effect> {
        let read = Ok((Box::new(cluster(name, phase)), SignedDuration::ZERO));
        let request = state.requests.begin(RequestOwner::Cluster(id(name)));
        pass(state, 1, Message::Answered(request, Answer::Cluster(read)))
    }

    #[test]
    fn an_old_answer_of_ske_turns_no_phase_back_and_rings_nothing() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.watched.insert(id("shop"));
        assert_eq!(told(&read(&mut state, "shop", Phase::Prepared)), ["PREPARED"]);
        for _ in 0..3 {
            assert_eq!(told(&read(&mut state, "shop", Phase::Preparing)), [""; 0]);
            assert_eq!(state.fleet.entries[&id("shop")].cluster.rotation.phase, Phase::Prepared);
            assert_eq!(told(&read(&mut state, "shop", Phase::Prepared)), [""; 0]);
        }
        // What SKE goes on saying is the truth.
        read(&mut state, "shop", Phase::Preparing);
        pass(&mut state, 601, Message::Ticked);
        read(&mut state, "shop", Phase::Preparing);
        assert_eq!(state.fleet.entries[&id("shop")].cluster.rotation.phase, Phase::Preparing);
        assert!(state.fleet.rolling.contains(&id("shop")));
    }

    #[test]
    fn time_that_was_slept_through_is_no_standstill() {
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        let other = Message::Answered(
            RequestId(0),
            Answer::Observed(ObserverEvent::Unavailable(Unavailable::Unreachable(failure))),
        );
        // From the background, whatever comes first; from sleep.
        for (wakes, suspended) in
            [(Message::Resumed, true), (other, true), (Message::Ticked, false)]
        {
            let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
            state.watched.insert(id("shop"));
            pass(&mut state, 1, Message::Ticked);
            sight(&mut state, "shop", snapshot(5));
            assert!(state.observed[&id("shop")].live);
            let old = state.observing[&id("shop")].number;
            // In the background the monotonic clock goes on; while the machine sleeps it does not.
            state.suspended = suspended.then_some(state.now);
            let later = Now {
                wall: state.now.wall.checked_add(SignedDuration::from_hours(2)).unwrap(),
                monotonic: state.now.monotonic
                    + Duration::from_secs(if suspended { 7_200 } else { 1 }),
            };
            let effects = update(&mut state, later, wakes);
            assert_eq!((told(&effects), ended(&effects)), (vec![], vec!["shop"]));
            assert_eq!(begun(&effects), ["shop"], "it is looked at anew");
            assert!(!state.observed[&id("shop")].live);
            assert_eq!(unseen(&state, &id("shop")), Some(Unavailable::Connecting.to_string()));
            assert_eq!(told(&pass(&mut state, 10, Message::Ticked)), [""; 0]);
            // What the look before it saw comes too late.
            let late = Message::Answered(old, Answer::Observed(snapshot(47)));
            assert_eq!(told(&pass(&mut state, 1, late)), [""; 0]);
            assert!(!state.observed[&id("shop")].live);
        }
    }

    #[test]
    fn going_back_and_forth_at_the_limit_asks_for_no_further_kubeconfig() {
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
        assert_eq!(begun(&pass(&mut state, 46, Message::Ticked)), ["b2"], "its turn comes again");
    }

    #[test]
    fn what_was_told_is_not_told_again_because_somebody_looked_away() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(told(&sight(&mut state, "shop", snapshot(47))), ["the roll stands still"]);
        state.settings.read_only = true;
        assert_eq!(ended(&pass(&mut state, 1, Message::Ticked)), ["shop"]);
        assert!(!state.fleet.entries[&id("shop")].held, "nobody knows");
        state.settings.read_only = false;
        pass(&mut state, 1, Message::Ticked);
        assert_eq!(told(&sight(&mut state, "shop", snapshot(47))), [""; 0]);
        assert!(state.fleet.entries[&id("shop")].held);
        assert_eq!(told(&sight(&mut state, "shop", snapshot(1))), ["the roll goes on"]);
    }

    #[test]
    fn a_blocker_that_is_not_seen_any_more_is_not_told_to_be_gone() {
        let mut state = machine(&[("shop", Phase::Preparing)], |_| {});
        state.watched.insert(id("shop"));
        pass(&mut state, 1, Message::Ticked);
        let ObserverEvent::Snapshot(stands) = snapshot(10) else { panic!("a snapshot") };
        let with = |change: &dyn Fn(&mut ClusterSnapshot)| {
            let mut snapshot = (*stands).clone();
            change(&mut snapshot);
            ObserverEvent::Snapshot(Arc::new(snapshot))
        };
        let held = |snapshot: &mut ClusterSnapshot| {
            let pod = Pod { namespace: "payments".into(), ..pod("api-1", Some("c")) };
            snapshot.pods.push(Arc::new(pod));
            snapshot.budgets.push(Arc::new(budget(0, 1, 1, 1)));
        };
        let brief = "PodDisruptionBudget payments/api never lets a pod go";
        assert_eq!(told(&sight(&mut state, "shop", with(&held))), [brief]);
        let blind = |snapshot: &mut ClusterSnapshot| {
            snapshot.unseen.insert("pods", Unseen::Failing("no answer".into()));
        };
        assert_eq!(told(&sight(&mut state, "shop", with(&blind))), [""; 0]);
        assert_eq!(told(&sight(&mut state, "shop", with(&held))), [""; 0]);
        assert_eq!(told(&sight(&mut state, "shop", with(&|_| {}))), ["the roll goes on"]);
    }

    #[test]
    fn a_dialog_shows_only_what_is_seen_now() {
        let mut state = machine(&[("shop", Phase::Prepared)], |_| {});
        open(&mut state, "shop", Tab::Nodes);
        pass(&mut state, 1, Message::Ticked);
        sight(&mut state, "shop", snapshot(5));
        rotation::open(&mut state);
        pass(&mut state, 1, Message::Ticked);
        let evidence = |state: &State| match &state.dialog {
            Some(Dialog::Rotate(dialog)) => dialog.evidence.clone(),
            _ => panic!("the dialog"),
        };
        assert!(evidence(&state).snapshot.is_some() && evidence(&state).unseen.is_none());
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        sight(&mut state, "shop", ObserverEvent::Unavailable(Unavailable::Unreachable(failure)));
        assert!(evidence(&state).snapshot.is_none());
        assert!(evidence(&state).unseen.unwrap().contains("no answer"));
        sight(&mut state, "shop", snapshot(5));
        assert!(evidence(&state).snapshot.is_some());
    }
}
