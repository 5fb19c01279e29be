//! Exports the current list as a table, in a format, to a file or the clipboard.

use crate::app::cluster::tabs::Tab;
use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::menus::choices::ExportTarget;
use crate::app::menus::text;
use crate::app::requests::RequestOwner;
use crate::app::screen::Screen;
use crate::app::state::State;
use crate::app::{activity, checklist, credentials, fleet, nodes};
use crate::domain::cluster::ClusterId;
use crate::domain::record::Outcome;
use crate::domain::table::{Table, TableFormat};
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
        (Screen::Cluster { .. }, Some(Tab::Credentials)) => {
            let known = state.known_credentials(&state.subject()?.cluster);
            (known.len(), text::ONE_CREDENTIAL, text::CREDENTIALS)
        }
        (Screen::Cluster { .. }, _) => {
            (usize::from(state.subject().is_some()), text::ONE_CLUSTER, text::CLUSTERS)
        }
    };
    (count > 0).then(|| plural(count, one, many))
}

/// The current list as a table, and its base name for a file.
fn table(state: &State) -> Option<(String, Table)> {
    let of = |what: &str, id: &ClusterId| format!("{what}-{}", name_part(id.name.as_str()));
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
        Screen::Cluster { id, tab: Tab::Credentials, .. } => {
            let cluster = state.fleet.cluster(id)?;
            let known = state.known_credentials(cluster);
            let tried = known.iter().map(|one| (one, state.inventory.trial(id, &one.location)));
            (of("credentials", id), credentials::table::table(tried, &cluster.rotation.phase))
        }
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
    let (name, table) = table(state)?;
    let table = Box::new(table);
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
