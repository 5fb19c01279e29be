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

/// What is offered in a context for what was typed: filters where it names one (`phase prepared`), parts of the scope
/// (`scope shop`, `profile night`), a cluster of just that name, commands, other clusters.
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
        .filter(|binding| {
            binding.id.contains(&wanted) || binding.help.to_lowercase().contains(&wanted)
        })
        .map(PaletteItem::Command);
    let named = fleet
        .selected()
        .map(|entry| &entry.cluster.id)
        .filter(|id| !wanted.is_empty() && id.name.as_str().to_lowercase().contains(&wanted));
    let (whole, part): (Vec<_>, Vec<_>) =
        named.partition(|id| id.name.as_str().eq_ignore_ascii_case(&wanted));
    let cluster = |id: &ClusterId| PaletteItem::Cluster(id.clone());
    let filters = filters(&wanted, fleet).into_iter().map(PaletteItem::Filter);
    let scopes = match wanted.split_once(' ') {
        Some(("scope", rest)) => scope::items(fleet, settings, rest),
        Some(("profile", _)) => scope::items(fleet, settings, &wanted),
        _ => Vec::new(),
    };
    let first = filters.chain(scopes.into_iter().map(PaletteItem::Scope));
    let first = first.chain(whole.into_iter().map(cluster));
    first.chain(commands).chain(part.into_iter().take(CLUSTERS).map(cluster)).collect()
}

/// The filters that were named: one for each value that there is, or for the value that was typed.
fn filters(wanted: &str, fleet: &Fleet) -> Vec<String> {
    let (key, value) = wanted.split_once(' ').unwrap_or((wanted, ""));
    let value = value.trim();
    let scopes = || fleet.selected_scopes().map(|(scope, _)| scope);
    let values: BTreeSet<&str> = match key {
        "phase" => PHASES.split(", ").collect(),
        "state" => STATES.split(", ").collect(),
        "region" => scopes().map(|scope| scope.region.as_str()).collect(),
        "project" => scopes().map(|scope| fleet.project_name(&scope.project)).collect(),
        "age" => BTreeSet::new(),
        _ => {
            let words = ["stuck", "marked"].into_iter();
            let named = words.filter(|word| !wanted.is_empty() && word.starts_with(wanted));
            return named.map(str::to_owned).collect();
        }
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
