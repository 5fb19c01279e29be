//! Discovers the projects in which the account may list clusters, and its permissions there.

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::event::Event;
use crate::app::fleet::state::{Entry, Fleet};
use crate::app::fleet::text;
use crate::app::requests::RequestOwner;
use crate::domain::cluster::{ClusterId, ProjectId};
use crate::domain::failure::Failure;
use crate::domain::permissions::Discovered;
use crate::domain::selection::{SelectedProjects, Selection};

/// Requests the account's projects and permissions.
pub fn begin(fleet: &mut Fleet, cx: &mut UpdateContext<'_, ()>) {
    if cx.requests.open().any(|(_, owner)| matches!(owner, RequestOwner::Discovery)) {
        return;
    }
    fleet.is_discovering = fleet.scopes.is_empty();
    cx.request(RequestOwner::Discovery, Request::Discover);
}

/// The result. A failure is shown only if there is nothing to list yet; without a result, nothing is refused and no
/// other project is offered.
pub fn answered(
    fleet: &mut Fleet,
    result: Result<Discovered, Failure>,
    cx: &mut UpdateContext<'_, ()>,
) {
    let wanted = std::mem::take(&mut fleet.is_discovering);
    let projects = result.and_then(|found| {
        if let Some(permissions) = found.permissions {
            fleet.permissions = permissions;
        }
        found.projects
    });
    match projects {
        Ok(projects) => {
            fleet.discovery_failure = None;
            drop_unavailable(fleet, |id| projects.iter().any(|(found, _)| found == id), cx);
            for (project, name) in projects {
                fleet.add_project(&project, &cx.shared.settings.regions);
                fleet.projects.extend(name.map(|name| (project, name)));
            }
            let unplaced = std::mem::take(&mut fleet.unplaced);
            fleet.remember(unplaced);
            cx.raise(Event::RowsChanged);
        }
        Err(failure) => {
            if wanted {
                cx.notices.error(failure.clone());
            }
            fleet.discovery_failure = Some(failure);
        }
    }
}

/// Resets a selection, left by an earlier run, of a project that is neither configured nor found. A project with
/// readings from this run exists and stays, so that nothing in progress is lost.
fn drop_unavailable(
    fleet: &mut Fleet,
    is_found: impl Fn(&ProjectId) -> bool,
    cx: &mut UpdateContext<'_, ()>,
) {
    let SelectedProjects::One(project) = fleet.selection.projects.clone() else { return };
    let was_listed =
        fleet.scopes.iter().any(|(scope, state)| scope.project == project && state.seen.is_some());
    let was_read = |entry: &Entry| *entry.cluster.id.project() == project && !entry.is_last_known();
    if was_listed
        || fleet.entries.values().any(was_read)
        || fleet.configured.contains(&project)
        || is_found(&project)
    {
        return;
    }
    cx.toast(text::project_unavailable(fleet.project_name(&project)));
    fleet.scopes.retain(|scope, _| scope.project != project);
    let gone: Vec<ClusterId> =
        fleet.entries.keys().filter(|id| *id.project() == project).cloned().collect();
    for id in gone {
        fleet.forget(&id);
        cx.raise(Event::ClusterForgotten(id));
    }
    let selection = Selection { projects: SelectedProjects::default(), ..fleet.selection.clone() };
    fleet.select(selection, cx.shared.now);
}
