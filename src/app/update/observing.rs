//! Looking at clusters: who is looked at, what came of it, and what is told when a roll stands still or moves on.

use std::time::Duration;

use crate::app::dialog::Dialog;
use crate::app::effect::Effect;
use crate::app::observation::{LINGER, Watch, wanted};
use crate::app::state::State;
use crate::app::update::{arrange, notices};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::observed::Sighting;
use crate::domain::record::Outcome;
use crate::domain::roll::words;
use crate::domain::rotation::Phase;

/// A roll is read anew this often while nothing comes, since a standstill is told by time alone.
const READ_ANEW: Duration = Duration::from_secs(5);

/// Begins and ends looking, as screens and phases ask for.
pub fn look(state: &mut State) -> Vec<Effect> {
    let now = state.now.steady;
    let wanted = wanted(state);
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
    let missing: Vec<ClusterId> =
        wanted.into_iter().filter(|id| !state.observing.contains_key(id)).collect();
    // Who is needed takes the place of who lingers.
    let mut free = room.saturating_sub(state.observing.len() - ended.len());
    for (id, look) in &state.observing {
        if free >= missing.len() {
            break;
        }
        if look.left.is_some() && !ended.contains(id) {
            ended.push(id.clone());
            free += 1;
        }
    }
    for id in ended {
        state.observing.remove(&id);
        effects.push(Effect::Unobserve(id));
    }
    for id in missing.into_iter().take(free) {
        effects.extend(begin(state, &id));
    }
    effects
}

fn begin(state: &mut State, id: &ClusterId) -> Option<Effect> {
    let cluster = state.fleet.cluster(id)?.clone();
    let agreed = state.agreed.contains(id);
    state.observing.insert(id.clone(), Watch { left: None, agreed });
    state.observed.entry(id.clone()).or_default();
    Some(Effect::Observe { cluster: Box::new(cluster), agreed })
}

/// A person agreed that asking for a kubeconfig switches static tokens off: whoever looks may ask now.
pub fn agreed(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    state.agreed.insert(id.clone());
    if state.observing.remove(id).is_none() {
        return Vec::new();
    }
    let mut effects = vec![Effect::Unobserve(id.clone())];
    effects.extend(begin(state, id));
    effects
}

/// Another cluster stands under this address, or none: what was seen is no longer about it.
pub fn forget(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    state.observed.remove(id);
    state.watched.remove(id);
    state.agreed.remove(id);
    match state.observing.remove(id) {
        Some(_) => vec![Effect::Unobserve(id.clone())],
        None => Vec::new(),
    }
}

/// SKE showed the cluster: whoever looks at it learns of it, and the roll is read in its light.
pub fn reading(state: &mut State, cluster: &Cluster) -> Vec<Effect> {
    let now = state.now;
    if let Some(observed) = state.observed.get_mut(&cluster.id) {
        observed.reading(cluster, now);
    }
    if state.observing.contains_key(&cluster.id) {
        vec![Effect::Reading(Box::new(cluster.clone()))]
    } else {
        Vec::new()
    }
}

/// Somebody looked at a cluster.
pub fn sighted(state: &mut State, id: &ClusterId, sighting: Sighting) -> Vec<Effect> {
    let now = state.now;
    if !state.observing.contains_key(id) {
        return Vec::new();
    }
    let Some(cluster) = state.fleet.cluster(id).cloned() else { return Vec::new() };
    let Some(observed) = state.observed.get_mut(id) else { return Vec::new() };
    if !observed.sighted(&cluster, sighting, now) {
        return Vec::new();
    }
    show_in_dialog(state, id);
    noticed(state, id)
}

/// Rolls that were read a while ago are read anew: a standstill is told by time alone.
pub fn read_anew(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let due: Vec<ClusterId> = state
        .observed
        .iter()
        .filter(|(id, observed)| {
            state.observing.contains_key(*id)
                && observed.picture.is_some()
                && now.steady.saturating_sub(observed.read) >= READ_ANEW
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

/// When rolls are to be read anew, on the steady clock.
pub fn next_reading(state: &State) -> Option<Duration> {
    state
        .observed
        .iter()
        .filter(|(id, observed)| {
            // A roll that is over stands still for ever.
            state.observing.contains_key(*id)
                && observed.picture.is_some()
                && state.fleet.cluster(id).is_some_and(|c| c.rotation.phase == Phase::Preparing)
        })
        .map(|(_, observed)| observed.read.saturating_add(READ_ANEW))
        .chain(state.observing.values().filter_map(|look| Some(look.left?.saturating_add(LINGER))))
        .min()
}

/// What the cluster's own picture tells before a step.
fn show_in_dialog(state: &mut State, id: &ClusterId) {
    let picture = state.observed.get(id).and_then(|observed| observed.picture.clone());
    let now = state.now.wall;
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog
        && dialog.shown.id == *id
    {
        dialog.evidence.picture = picture;
        dialog.findings =
            crate::domain::preflight::findings(dialog.step, &dialog.shown, &dialog.evidence, now);
    }
}

/// Notices that a roll stands still or moves on.
fn noticed(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    let wall = state.now.wall;
    let Some(observed) = state.observed.get(id) else { return Vec::new() };
    let rolling = state.fleet.cluster(id).is_some_and(|c| c.rotation.phase == Phase::Preparing);
    let held = if rolling && observed.is_held() {
        let text = observed.roll.as_ref().and_then(|roll| {
            let named = roll.worst().map(|worst| words::headline(worst, wall));
            named.or_else(|| words::outlook(roll.outlook, wall))
        });
        Some(text.unwrap_or_else(|| "stands still".to_owned()))
    } else {
        None
    };
    let brief = observed.roll.as_ref().and_then(|roll| roll.worst().map(|b| b.brief.clone()));
    let Some(entry) = state.fleet.entries.get_mut(id) else { return Vec::new() };
    let before = std::mem::replace(&mut entry.held, held);
    let text = match (before.is_some(), entry.held.is_some()) {
        (false, true) => brief.unwrap_or_else(|| "the roll stands still".to_owned()),
        (true, false) if rolling => "the roll goes on".to_owned(),
        _ => return Vec::new(),
    };
    arrange(state);
    notices::mention(state, format!("{}: {text}", id.name));
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
    vec![Effect::Notify { title: format!("{} ({})", id.name, id.region()), text: text.to_owned() }]
}
