//! The scope menu: profile, region and projects to narrow the fleet to.

use std::collections::BTreeMap;

use crate::app::fleet::state::{Fleet, ScopeStatus};
use crate::app::menus::choices::ScopeChoice;
use crate::app::menus::text;
use crate::app::settings::Settings;
use crate::domain::cluster::{ProjectId, Region};
use crate::domain::selection::SelectedProjects;
use crate::domain::text::{cut_end, plural, width};

/// Maximum columns of the reason why a project cannot be listed.
const NOTE_LIMIT: usize = 48;

/// Maximum columns of project names before ids are no longer aligned.
const NAME_LIMIT: usize = 24;

/// A line of the scope menu.
#[derive(Debug, Clone)]
pub struct ScopeItem {
    pub choice: ScopeChoice,
    pub text: String,
    /// Number of known clusters, or why they cannot be listed.
    pub note: String,
    /// Whether it is currently selected.
    pub present: bool,
}

impl ScopeItem {
    /// The part of the scope, as a word.
    pub fn part(&self) -> &'static str {
        match self.choice {
            ScopeChoice::Profile(_) => text::SCOPE_PROFILE,
            ScopeChoice::Region(_) => text::SCOPE_REGION,
            ScopeChoice::Projects(_) => text::SCOPE_PROJECT,
        }
    }
}

/// The lines that contain every word of the query.
pub fn items(fleet: &Fleet, settings: &Settings, query: &str) -> Vec<ScopeItem> {
    let query = query.to_lowercase();
    let mut items = profiles(settings);
    items.extend(regions(fleet, settings));
    items.extend(projects(fleet, settings));
    items.retain(|item| {
        let line = format!("{} {}", item.part(), item.text).to_lowercase();
        query.split_whitespace().all(|word| line.contains(word))
    });
    items
}

/// Initial cursor position: the selected projects.
pub fn present(items: &[ScopeItem]) -> usize {
    let is_present =
        |item: &ScopeItem| item.present && matches!(item.choice, ScopeChoice::Projects(_));
    items.iter().position(is_present).unwrap_or(0)
}

fn profiles(settings: &Settings) -> Vec<ScopeItem> {
    if settings.profiles.is_empty() {
        return Vec::new();
    }
    let names = [None].into_iter().chain(settings.profiles.iter().map(Some));
    let item = |name: Option<&String>| ScopeItem {
        choice: ScopeChoice::Profile(name.cloned()),
        text: name.cloned().unwrap_or_else(|| text::NO_PROFILE.to_owned()),
        note: String::new(),
        present: settings.profile.as_ref() == name,
    };
    names.map(item).collect()
}

fn regions(fleet: &Fleet, settings: &Settings) -> Vec<ScopeItem> {
    let item = |region: Option<&_>| ScopeItem {
        choice: ScopeChoice::Region(region.cloned()),
        text: region.map_or_else(|| text::ALL_REGIONS.to_owned(), Region::to_string),
        note: String::new(),
        present: fleet.selection.region.as_ref() == region,
    };
    [None].into_iter().chain(settings.regions.iter().map(Some)).map(item).collect()
}

fn projects(fleet: &Fleet, settings: &Settings) -> Vec<ScopeItem> {
    let (found, _) = Fleet::parts(fleet.scopes.keys());
    let all = plural(found.len(), "project", "projects");
    let is_selected = |projects: &SelectedProjects| fleet.selection.projects == *projects;
    let line = |projects: SelectedProjects, text: String| ScopeItem {
        present: is_selected(&projects),
        choice: ScopeChoice::Projects(projects),
        text,
        note: String::new(),
    };
    let has_others = fleet.configured.len() < found.len() && !fleet.configured.is_empty();
    let all = match &fleet.discovery_failure {
        Some(failure) => text::others_unknown(all, &failure.message),
        None if has_others => text::others_too(all),
        None => text::all_projects(all),
    };
    let mut items = Vec::new();
    if has_others {
        let configured = plural(fleet.configured.len(), "project", "projects");
        let text = text::configured_projects(configured, &settings.projects_origin);
        items.push(line(SelectedProjects::Configured, text));
        items.push(line(SelectedProjects::All, all));
    } else {
        let present = !matches!(fleet.selection.projects, SelectedProjects::One(_));
        items.push(ScopeItem { present, ..line(SelectedProjects::Configured, all) });
    }
    let notes = notes(fleet);
    let mut named: Vec<(&str, &ProjectId)> =
        found.into_iter().map(|id| (fleet.project_name(id), id)).collect();
    named.sort_by_key(|(name, _)| name.to_lowercase());
    let is_named = |(name, id): &&(&str, &ProjectId)| *name != id.as_str();
    let names = named.iter().filter(is_named).map(|(name, _)| width(name)).max().unwrap_or(0);
    items.extend(named.into_iter().map(|(name, id)| {
        let gap = " ".repeat(names.min(NAME_LIMIT).saturating_sub(width(name)) + 2);
        let text = if name == id.as_str() { name.to_owned() } else { format!("{name}{gap}{id}") };
        let note = notes.get(id).cloned().unwrap_or_default();
        ScopeItem { note, ..line(SelectedProjects::One(id.clone()), text) }
    }));
    items
}

/// Number of known clusters per project, or why its last list failed.
fn notes(fleet: &Fleet) -> BTreeMap<&ProjectId, String> {
    let mut counts: BTreeMap<&ProjectId, usize> = BTreeMap::new();
    for (scope, state) in &fleet.scopes {
        if state.seen.is_some() {
            counts.entry(&scope.project).or_default();
        }
    }
    for id in fleet.entries.keys() {
        *counts.entry(id.project()).or_default() += 1;
    }
    let mut notes: BTreeMap<&ProjectId, String> =
        counts.into_iter().map(|(id, count)| (id, plural(count, "cluster", "clusters"))).collect();
    for (scope, state) in &fleet.scopes {
        if let ScopeStatus::Failing(outage) = &state.status {
            notes.insert(&scope.project, cut_end(&outage.failure.message, NOTE_LIMIT));
        }
    }
    notes
}
