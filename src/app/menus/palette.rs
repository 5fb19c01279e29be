//! The command palette: commands, parts of the scope, filters, and clusters by name.

use std::collections::BTreeSet;

use crate::app::fleet::filter::{PHASES, STATES, is_term};
use crate::app::fleet::state::Fleet;
use crate::app::keymap::{BINDINGS, Binding, Command, HelpSection, KeyContext};
use crate::app::menus::scope::{self, ScopeItem};
use crate::app::settings::Settings;
use crate::domain::cluster::ClusterId;

/// Maximum number of clusters offered.
const CLUSTERS: usize = 20;

/// A palette item.
#[derive(Debug, Clone)]
pub enum PaletteItem {
    Command(&'static Binding),
    /// Filter the fleet.
    Filter(String),
    Cluster(ClusterId),
    /// Narrow the selection to these projects, this region or this profile.
    Scope(ScopeItem),
}

/// Items for a query, best match first: filters if it names one (`phase prepared`), parts of the scope (`scope shop`,
/// `profile night`), a cluster of exactly that name, then commands and clusters by name, then commands by description.
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
/// How well an item matches the query, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Exact match.
    Whole,
    /// The name starts with the query.
    Begins,
    /// The name contains the query.
    Contains,
    /// The description contains the query.
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

/// Filter keys with known values.
const FILTER_KEYS: [&str; 5] = ["phase", "state", "region", "project", "age"];

/// The query as a filter, if it begins with a term.
fn whole_filter(wanted: &str) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = wanted.split_whitespace();
    while let Some(word) = rest.next() {
        let is_key = FILTER_KEYS.contains(&word.trim_start_matches('!'));
        let value = if is_key { rest.next() } else { None };
        words.push(value.map_or_else(|| word.to_owned(), |value| format!("{word}:{value}")));
    }
    let is_filter = |word: &String| {
        word.starts_with(['!', '~']) && word.len() > 1 || is_term(word.trim_start_matches('!'))
    };
    words.first().is_some_and(is_filter).then(|| words.join(" "))
}

/// The named filters: one for each known value, or for the entered value.
fn filters(wanted: &str, fleet: &Fleet) -> Vec<(Rank, String)> {
    let (key, value) = wanted.split_once([' ', ':']).unwrap_or((wanted, ""));
    let is_one_value = FILTER_KEYS.contains(&key) && !value.trim().contains(' ');
    if let Some(filter) = whole_filter(wanted).filter(|_| !is_one_value) {
        return vec![(Rank::Whole, filter)];
    }
    if FILTER_KEYS.contains(&key) {
        let found = filters_of(key, value.trim(), fleet);
        return found.into_iter().map(|filter| (Rank::Whole, filter)).collect();
    }
    // One letter matches too many.
    let is_begun = |name: &&str| wanted.len() > 1 && name.starts_with(wanted);
    let words = ["stuck", "due", "marked"].into_iter().filter(is_begun);
    let words = words.map(|word| (Rank::Begins, word.to_owned()));
    let keys = FILTER_KEYS.into_iter().filter(is_begun);
    let keys = keys.flat_map(|key| filters_of(key, "", fleet));
    words.chain(keys.map(|filter| (Rank::Begins, filter))).collect()
}

/// Filters of a key: one for each value that contains the input, or one for the input itself.
fn filters_of(key: &str, value: &str, fleet: &Fleet) -> Vec<String> {
    let scopes = || fleet.selected_scopes().map(|(scope, _)| scope);
    let values: BTreeSet<&str> = match key {
        "phase" => PHASES.split(", ").collect(),
        "state" => STATES.split(", ").collect(),
        "region" => scopes().map(|scope| scope.region.as_str()).collect(),
        "project" => scopes().map(|scope| fleet.project_name(&scope.project)).collect(),
        _ => BTreeSet::new(),
    };
    // Filter words end at whitespace; the first word of a value is enough to match it.
    let word = |value: &str| value.split_whitespace().next().unwrap_or_default().to_lowercase();
    let fits = values.into_iter().filter(|known| known.to_lowercase().contains(value));
    let mut found: Vec<String> = fits.map(|known| format!("{key}:{}", word(known))).collect();
    if found.is_empty() && !value.is_empty() {
        found.push(format!("{key}:{}", word(value)));
    }
    found
}

/// Whether the palette lists a binding: all except navigation and the palette itself.
fn is_named(binding: &Binding) -> bool {
    let navigates = binding.section == HelpSection::Move
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
