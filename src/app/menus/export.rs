//! Exports the current list as a table, in a format, to a file or the clipboard.

use crate::app::cluster::tabs::Tab;
use crate::app::context::UpdateContext;
use crate::app::credentials::report::{self, CredentialsReport};
use crate::app::effect::Request;
use crate::app::menus::choices::ExportTarget;
use crate::app::menus::text;
use crate::app::requests::RequestOwner;
use crate::app::screen::Screen;
use crate::app::state::State;
use crate::app::{activity, checklist, credentials, fleet, nodes};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::KnownCredential;
use crate::domain::record::Outcome;
use crate::domain::table::{Exported, Table, TableFormat};
use crate::domain::text::plural;

/// Maximum length of a cluster name within a file name.
const NAME_LIMIT: usize = 64;

/// Describes the current list ("32 clusters"); `None` if there is nothing to export.
pub fn listed(state: &State) -> Option<String> {
    let records = || state.activity.list(state.screen.cluster()).len();
    let (count, one, many) = match (&state.screen, state.screen.tab()) {
        (Screen::Fleet, _) => (state.view.shown.len(), text::ONE_CLUSTER, text::CLUSTERS),
        (Screen::Activity(_), _) | (_, Some(Tab::Activity)) => {
            (records(), text::ONE_RECORD, text::RECORDS)
        }
        (Screen::Cluster { id, .. }, Some(Tab::Nodes)) => {
            let roll = state.nodes.roll(id)?;
            (roll.nodes().count() + roll.blockers.len(), text::ONE_NODE, text::NODES_AND_BLOCKERS)
        }
        (Screen::Cluster { id, .. }, Some(Tab::Checklist)) => {
            (state.checklist_of(id).list.clients().len(), text::ONE_CLIENT, text::CLIENTS)
        }
        // Even if nothing is listed, the report says what was not checked.
        (Screen::Cluster { id, .. }, Some(Tab::Credentials)) => {
            let (credentials, pods) = credentials_report(state, state.fleet.cluster(id)?).counts();
            let credentials = plural(credentials, text::ONE_CREDENTIAL, text::CREDENTIALS);
            return Some(match pods {
                0 => credentials,
                _ => text::with_pods(credentials, plural(pods, text::ONE_POD, text::PODS)),
            });
        }
        (Screen::Cluster { .. }, _) => {
            (usize::from(state.subject().is_some()), text::ONE_CLUSTER, text::CLUSTERS)
        }
    };
    (count > 0).then(|| plural(count, one, many))
}

/// The current list, and its base name for a file.
fn content(state: &State, format: TableFormat) -> Option<(String, Exported)> {
    if let Screen::Cluster { id, tab: Tab::Credentials, .. } = &state.screen {
        let report = credentials_report(state, state.fleet.cluster(id)?);
        return Some((base_name("credentials", id), report::exported(&report, format)));
    }
    table(state).map(|(name, table)| (name, Exported::Table(table)))
}

/// Everything known about the credentials of a cluster.
fn credentials_report(state: &State, cluster: &Cluster) -> CredentialsReport {
    let id = &cluster.id;
    let trial = |known: KnownCredential| {
        let trial = state.inventory.trial(id, &known.location).cloned();
        (known, trial)
    };
    let found = state.in_cluster(cluster);
    let reading = || credentials::text::READING.to_owned();
    let no_files = state.inventory.files.is_none().then(reading);
    CredentialsReport {
        cluster: cluster.clone(),
        now: state.server_now(),
        is_outdated: state.credentials.is_outdated(cluster),
        known: state.known_credentials(cluster).into_iter().map(trial).collect(),
        files: state.inventory.files.clone().unwrap_or_default(),
        no_files: state.inventory.not_read.clone().or(no_files),
        not_recorded: None,
        in_cluster: found.ok_or_else(|| state.unseen(id).unwrap_or_default()),
        context: state.kubectl_context(cluster),
        checklist: state.checklist_of(id),
        checklist_unseen: state.checklist_unseen(id),
    }
}

fn base_name(what: &str, id: &ClusterId) -> String {
    format!("{what}-{}", name_part(id.name.as_str()))
}

/// The current list as a table, and its base name for a file.
fn table(state: &State) -> Option<(String, Table)> {
    let of = base_name;
    let records = |about: Option<&ClusterId>| {
        let records = state.activity.list(about);
        activity::table::table(records.into_iter().map(|(_, record)| record))
    };
    let clusters = |ids: &[ClusterId]| {
        let rows = ids.iter().filter_map(|id| state.fleet.entries.get(id));
        fleet::table::table(rows.map(|entry| state.row(entry)), state.view.chosen_columns())
    };
    Some(match &state.screen {
        Screen::Fleet => ("fleet".to_owned(), clusters(&state.view.shown)),
        Screen::Activity(_) => ("activity".to_owned(), records(None)),
        Screen::Cluster { id, tab: Tab::Activity, .. } => (of("activity", id), records(Some(id))),
        Screen::Cluster { id, tab: Tab::Nodes, .. } => {
            let observed = state.nodes.observed.get(id)?;
            let now = observed.as_of(state.shared.now.wall);
            (of("nodes", id), nodes::table::table(observed.roll.as_ref()?, now))
        }
        Screen::Cluster { id, tab: Tab::Checklist, .. } => {
            let rotation = &state.fleet.cluster(id)?.rotation;
            (of("checklist", id), checklist::table::table(&state.checklist_of(id).list, rotation))
        }
        Screen::Cluster { tab: Tab::Credentials, .. } => return None,
        Screen::Cluster { id, tab: Tab::Overview | Tab::Rotation, .. } => {
            (of("cluster", id), clusters(std::slice::from_ref(id)))
        }
    })
}

/// Sanitizes a server-provided name for use in a file name.
fn name_part(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().take(NAME_LIMIT).map(safe).collect()
}

/// The request for a chosen export, with its owner. `None` if the list is empty by now.
pub fn request(
    state: &State,
    format: TableFormat,
    target: ExportTarget,
) -> Option<(RequestOwner, Request)> {
    let what = listed(state)?;
    let (name, content) = content(state, format)?;
    let table = Box::new(content);
    Some(match target {
        ExportTarget::File => {
            let time = state.shared.now.wall.strftime("%Y%m%dT%H%M%SZ");
            let name = format!("skeys-{name}-{time}");
            (RequestOwner::Export(what), Request::SaveTable { table, format, name })
        }
        ExportTarget::Clipboard => {
            let what = text::exported_as(what, format.names().0);
            (RequestOwner::Copy(what), Request::CopyTable(table, format))
        }
    })
}

/// A file was written: reports its path.
pub fn saved(what: &str, path: String, cx: &mut UpdateContext<'_>) {
    let text = text::exported_to(what, path);
    cx.add_record(cx.record(None, "export", Outcome::Done, text.as_str()));
    cx.toast(text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::Value;

    use crate::app::cluster::tabs::Tab;
    use crate::app::effect::Request;
    use crate::app::fleet::state::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::menus::choices::ExportTarget;
    use crate::app::menus::export::{listed, request};
    use crate::app::nodes::observed::ObservedCluster;
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::screen::Screen;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;
    use crate::domain::snapshot::{ClusterSnapshot, TokenSecret, Unseen};
    use crate::domain::table::TableFormat;

    /// The credentials tab of a cluster of which nothing is known.
    fn on_tab() -> State {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let (settings, keymap) = (Settings::defaults(), Keymap::default());
        let mut state = State::new(settings, keymap, PersistedState::default(), at, 1);
        let shop = cluster("shop", Phase::Prepared);
        state.screen = Screen::Cluster { id: shop.id.clone(), tab: Tab::Credentials };
        state.fleet.put(Entry::new(shop, at, RequestId(1)));
        state.inventory.files = Some(Arc::default());
        state
    }

    fn exported(state: &State, format: TableFormat) -> String {
        match request(state, format, ExportTarget::Clipboard) {
            Some((_, Request::CopyTable(content, format))) => content.text(format),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_found_in_the_cluster_is_in_every_format_and_so_is_what_was_not_read() {
        let mut state = on_tab();
        let token = TokenSecret {
            namespace: "ci".into(),
            name: "robot-token".into(),
            account: "robot".into(),
            created: now().checked_sub(jiff::SignedDuration::from_hours(900)).ok(),
            last_used: None,
        };
        let snapshot = ClusterSnapshot {
            token_secrets: vec![Arc::new(token)],
            unseen: [("pods", Unseen::Failing("forbidden".into()))].into(),
            ..ClusterSnapshot::default()
        };
        let observed = ObservedCluster {
            snapshot: Some(Arc::new(snapshot)),
            live: true,
            ..ObservedCluster::default()
        };
        state.nodes.observed.insert(cluster("shop", Phase::Prepared).id, observed);
        assert_eq!(listed(&state).as_deref(), Some("1 credential"));
        let json: Value = serde_json::from_str(&exported(&state, TableFormat::Json)).unwrap();
        let token = &json["in_cluster"]["tokens"][0];
        assert_eq!(
            (&token["secret"], &token["breaks_on_complete"]),
            (&"robot-token".into(), &true.into())
        );
        assert_eq!(json["in_cluster"]["not_checked"]["pods"], "forbidden");
        assert_eq!((&json["everything_checked"], &json["breaks"]), (&false.into(), &true.into()));
        let markdown = exported(&state, TableFormat::Markdown);
        assert!(
            markdown.contains("- service-account token ci/robot-token (robot): stops"),
            "{markdown}"
        );
        assert!(markdown.contains("- pods not checked: forbidden\n"), "{markdown}");
        let csv = exported(&state, TableFormat::Csv);
        let of = |start: &str| csv.lines().find(|line| line.starts_with(start)).unwrap_or(&csv);
        let token = of("service-account token,ci/robot-token,");
        assert!(
            token.contains(",breaks_on_complete,") && token.contains("(robot): stops"),
            "{token}"
        );
        assert!(of("not checked,pods,").ends_with(",unknown,,,,forbidden,"), "{csv}");
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        assert!(rows.records().all(|row| row.is_ok()), "as many cells as columns: {csv}");
    }

    #[test]
    fn a_cluster_that_is_not_observed_and_files_that_are_not_read_are_exported_as_not_checked() {
        let mut state = on_tab();
        state.inventory.files = None;
        state.inventory.not_read = Some("no answer within 10 s".into());
        assert_eq!(listed(&state).as_deref(), Some("0 credentials"));
        let csv = exported(&state, TableFormat::Csv);
        for place in ["kubeconfig files", "in the cluster", "checklist"] {
            assert!(csv.contains(&format!("not checked,{place},")), "{place}: {csv}");
        }
        let json: Value = serde_json::from_str(&exported(&state, TableFormat::Json)).unwrap();
        assert_eq!(json["files_not_read"][0]["reason"], "no answer within 10 s");
        assert!(json["in_cluster"]["not_checked"].as_str().is_some_and(|why| !why.is_empty()));
        let markdown = exported(&state, TableFormat::Markdown);
        assert!(markdown.contains("the kubeconfig files were not read"), "{markdown}");
    }
}
