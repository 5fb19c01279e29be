//! Context and file names for a cluster.

use crate::app::fleet::state::Fleet;
use crate::app::kubeconfig::form::KubeconfigForm;
use crate::app::settings::Settings;
use crate::domain::cluster::ClusterId;
use crate::domain::kubeconfig::Plan;

/// Names for a cluster in a file, the default first: the shortest one that is unique in the fleet, then longer ones.
pub fn names(fleet: &Fleet, id: &ClusterId) -> Vec<String> {
    let namesakes = || {
        fleet.entries.iter().filter(|(other, entry)| {
            other.name == id.name && *other != id && entry.not_listed_since.is_none()
        })
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

/// A project name as part of a context or file name.
fn name_part(text: &str) -> String {
    plain_word(text).to_lowercase()
}

/// Sanitizes a text so that it cannot be a path, a hidden file or an option.
fn plain_word(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().map(plain).collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// Path of a separate file for a name; always in the configured folder.
pub fn file_of(settings: &Settings, name: &str) -> String {
    let word = plain_word(name);
    let word = if word.is_empty() { "kubeconfig" } else { &word };
    format!("{}/{word}.yaml", settings.folder.trim_end_matches('/'))
}

/// A name that is apparently unused.
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
        // Whether the file exists is unknown until it is checked: takes the name after the current one.
        let is_present = |name: &String| form.path.value().trim() == file_of(settings, name);
        let at = candidates.iter().position(is_present);
        return candidates.into_iter().nth(at.map_or(0, |at| at + 1));
    }
    candidates
        .into_iter()
        .find(|name| form.context.value().trim() != name && !plan.names.contains(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use crate::app::kubeconfig::names::file_of;
    use crate::app::settings::Settings;

    fn file(name: &str) -> String {
        file_of(&Settings { folder: "/home/me/kube/".to_owned(), ..Settings::defaults() }, name)
    }

    #[test]
    fn host_10_a_cluster_cannot_choose_where_its_file_lies() {
        for (name, path) in [
            ("shop-prod", "/home/me/kube/shop-prod.yaml"),
            ("../../.ssh/config", "/home/me/kube/ssh-config.yaml"),
            ("a/../../b", "/home/me/kube/a-..-..-b.yaml"),
            ("..", "/home/me/kube/kubeconfig.yaml"),
            ("--output", "/home/me/kube/output.yaml"),
        ] {
            assert_eq!(file(name), path);
        }
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn host_10_any_name_stays_in_the_folder(name in any::<String>()) {
            let file = file(&name);
            let path = Path::new(&file);
            prop_assert_eq!(path.parent(), Some(Path::new("/home/me/kube")));
            let name = path.file_name().unwrap().to_str().unwrap();
            prop_assert!(!name.starts_with(['-', '.']), "{}", name);
        }
    }
}
