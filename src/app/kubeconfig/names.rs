//! Names of contexts and files for a cluster.

use crate::app::fleet::state::Fleet;
use crate::app::kubeconfig::form::KubeconfigForm;
use crate::app::settings::Settings;
use crate::domain::cluster::ClusterId;
use crate::domain::kubeconfig::Plan;

/// Names for a cluster in a file, the one to begin with first: as short as tells it from all other clusters of the
/// fleet, then longer ones.
pub fn names(fleet: &Fleet, id: &ClusterId) -> Vec<String> {
    let namesakes = || {
        fleet
            .entries
            .iter()
            .filter(|(other, entry)| other.name == id.name && *other != id && entry.gone.is_none())
    };
    let near: Vec<_> =
        namesakes().map(|(other, _)| other).filter(|other| other.region() == id.region()).collect();
    let mut project = name_part(fleet.project_name(id.project()));
    let same = |other: &&ClusterId| name_part(fleet.project_name(other.project())) == project;
    if project.is_empty() || near.iter().any(same) {
        project = id.project().as_str().chars().take(8).collect();
    }
    let in_region = format!("{}-{}", id.name, id.region());
    let in_project = format!("{in_region}-{project}");
    let all = [id.name.to_string(), in_region, in_project];
    let from = match (namesakes().next(), near.first()) {
        (None, _) => 0,
        (Some(_), None) => 1,
        (Some(_), Some(_)) => 2,
    };
    all.into_iter().skip(from).collect()
}

/// A project's name as a part of a context's and a file's.
fn name_part(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(plain).collect::<String>().trim_matches(['-', '.']).to_lowercase()
}

/// The file of its own for a name.
pub fn file_of(settings: &Settings, name: &str) -> String {
    format!("{}/{name}.yaml", settings.folder.trim_end_matches('/'))
}

/// A name that nothing has yet, as far as can be seen.
pub fn free_name(
    fleet: &Fleet,
    settings: &Settings,
    form: &KubeconfigForm,
    plan: &Plan,
) -> Option<String> {
    let mut candidates = names(fleet, &form.cluster.id);
    let longest = candidates.last().cloned().unwrap_or_default();
    candidates.extend((2..100).map(|number| format!("{longest}-{number}")));
    if form.destination.has_path() {
        // Whether a file exists is unknown until it is checked: the name after the present one.
        let is_present = |name: &String| form.path.value().trim() == file_of(settings, name);
        let at = candidates.iter().position(is_present);
        return candidates.into_iter().nth(at.map_or(0, |at| at + 1));
    }
    candidates
        .into_iter()
        .find(|name| form.context.value().trim() != name && !plan.names.contains(name))
}
