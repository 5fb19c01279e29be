//! The command palette: commands, what the fleet can be narrowed to, and clusters by name.

use std::collections::BTreeSet;

use crate::app::fleet::filter::{PHASES, STATES};
use crate::app::fleet::state::Fleet;
use crate::app::keymap::{BINDINGS, Binding, Command, KeyContext, Task};
use crate::app::menus::scope::{self, ScopeItem};
use crate::app::settings::Settings;
use crate::domain::cluster::ClusterId;

/// Clusters that are offered at most.
const CLUSTERS: usize = 20;

/// Something that the palette offers.
#[derive(Debug, Clone)]
pub enum PaletteItem {
    Command(&'static Binding),
    /// The fleet shows what matches this filter.
    Filter(String),
    Cluster(ClusterId),
    /// Only these projects, this region or this profile.
    Scope(ScopeItem),
}

/// What is offered in a context for what was typed, what fits it best first: filters where it names one
/// (`phase prepared`), parts of the scope (`scope shop`, `profile night`), a cluster of just that name, then commands
/// and clusters by name, then commands by what they do.
pub fn offers(
    context: KeyContext,
    query: &str,
    fleet: &Fleet,
    settings: &Settings,
) -> Vec<PaletteItem> {
    let wanted = query.trim().to_lowercase();
    let commands = BINDINGS
        .iter()
        .filter(|binding| binding.contexts.contains(&context) && is_named(binding))
        .filter_map(|binding| Some((command_rank(binding, &wanted)?, binding)))
        .map(|(rank, binding)| (rank, PaletteItem::Command(binding)));
    let mut clusters: Vec<(Rank, &ClusterId)> = fleet
        .selected()
        .map(|entry| &entry.cluster.id)
        .filter_map(|id| Some((cluster_rank(id, &wanted)?, id)))
        .collect();
    clusters.sort_by_key(|(rank, _)| *rank);
    clusters.truncate(CLUSTERS);
    let clusters = clusters.into_iter().map(|(rank, id)| (rank, PaletteItem::Cluster(id.clone())));
    let (key, value) = wanted.split_once([' ', ':']).unwrap_or((&wanted, ""));
    let scopes = match key {
        "scope" if wanted != key => scope::items(fleet, settings, value),
        "profile" if wanted != key => scope::items(fleet, settings, &wanted),
        _ => Vec::new(),
    };
    let filters = filters(&wanted, fleet).into_iter();
    let mut offered: Vec<(Rank, PaletteItem)> = scopes
        .into_iter()
        .map(|item| (Rank::Whole, PaletteItem::Scope(item)))
        .chain(commands)
        .chain(filters.map(|(rank, filter)| (rank, PaletteItem::Filter(filter))))
        .chain(clusters)
        .collect();
    offered.sort_by_key(|(rank, _)| *rank);
    offered.into_iter().map(|(_, item)| item).collect()
}
/// How well an offer fits what was typed, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Just that was named.
    Whole,
    /// Its name begins so.
    Begins,
    /// Its name contains it.
    Contains,
    /// What it does is described so.
    Described,
}

fn name_rank(name: &str, wanted: &str) -> Option<Rank> {
    match name.find(wanted)? {
        0 => Some(Rank::Begins),
        _ => Some(Rank::Contains),
    }
}

fn command_rank(binding: &Binding, wanted: &str) -> Option<Rank> {
    let described = || binding.help.to_lowercase().contains(wanted).then_some(Rank::Described);
    name_rank(binding.id, wanted).or_else(described)
}

fn cluster_rank(id: &ClusterId, wanted: &str) -> Option<Rank> {
    let name = id.name.as_str().to_lowercase();
    match name.as_str() {
        _ if wanted.is_empty() => None,
        name if name == wanted => Some(Rank::Whole),
        name => name_rank(name, wanted),
    }
}

/// Keys of filters whose values are known.
const FILTER_KEYS: [&str; 5] = ["phase", "state", "region", "project", "age"];

/// The filters that were named: one for each value that there is, or for the value that was typed.
fn filters(wanted: &str, fleet: &Fleet) -> Vec<(Rank, String)> {
    let (key, value) = wanted.split_once([' ', ':']).unwrap_or((wanted, ""));
    if FILTER_KEYS.contains(&key) {
        let found = filters_of(key, value.trim(), fleet);
        return found.into_iter().map(|filter| (Rank::Whole, filter)).collect();
    }
    // One letter begins too much.
    let is_begun = |name: &&str| wanted.len() > 1 && name.starts_with(wanted);
    let words = ["stuck", "marked"].into_iter().filter(is_begun);
    let words = words.map(|word| {
        let rank = if word == wanted { Rank::Whole } else { Rank::Begins };
        (rank, word.to_owned())
    });
    let keys = FILTER_KEYS.into_iter().filter(is_begun);
    let keys = keys.flat_map(|key| filters_of(key, "", fleet));
    words.chain(keys.map(|filter| (Rank::Begins, filter))).collect()
}

/// The filters of a key: one for each value that contains what was typed, or for that.
fn filters_of(key: &str, value: &str, fleet: &Fleet) -> Vec<String> {
    let scopes = || fleet.selected_scopes().map(|(scope, _)| scope);
    let values: BTreeSet<&str> = match key {
        "phase" => PHASES.split(", ").collect(),
        "state" => STATES.split(", ").collect(),
        "region" => scopes().map(|scope| scope.region.as_str()).collect(),
        "project" => scopes().map(|scope| fleet.project_name(&scope.project)).collect(),
        _ => BTreeSet::new(),
    };
    // A word of a filter ends at a blank; what stands before it is enough to find it.
    let word = |value: &str| value.split_whitespace().next().unwrap_or_default().to_lowercase();
    let fits = values.into_iter().filter(|known| known.to_lowercase().contains(value));
    let mut found: Vec<String> = fits.map(|known| format!("{key}:{}", word(known))).collect();
    if found.is_empty() && !value.is_empty() {
        found.push(format!("{key}:{}", word(value)));
    }
    found
}

/// Whether the palette lists a binding: all but navigation and the palette itself.
fn is_named(binding: &Binding) -> bool {
    let navigates = binding.task == Task::Move
        || matches!(
            binding.command,
            Command::NextMatch
                | Command::PreviousMatch
                | Command::Number(_)
                | Command::Back
                | Command::Interrupt
        );
    !navigates && binding.command != Command::Palette
}
