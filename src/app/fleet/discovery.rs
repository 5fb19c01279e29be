//! The projects of the account, where none are set, and what it may do in them.

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::fleet::state::{Fleet, ScopeState};
use crate::app::requests::RequestOwner;
use crate::domain::cluster::Scope;
use crate::domain::failure::Failure;
use crate::domain::permissions::Discovered;

/// Asks what the account may do; with its projects, where none are set and none were found.
pub fn begin(fleet: &mut Fleet, cx: &mut UpdateContext<'_>) {
    if cx.requests.open().any(|(_, owner)| matches!(owner, RequestOwner::Discovery)) {
        return;
    }
    fleet.discovers = cx.shared.settings.projects.is_empty() && fleet.scopes.is_empty();
    cx.request(RequestOwner::Discovery, Request::Discover { projects: fleet.discovers });
}

/// What came of it. That permissions are not known disturbs nobody: nothing is refused then.
pub fn answered(
    fleet: &mut Fleet,
    result: Result<Discovered, Failure>,
    cx: &mut UpdateContext<'_>,
) {
    let wanted = std::mem::take(&mut fleet.discovers);
    match result {
        Ok(found) => {
            fleet.permissions = found.permissions;
            for (project, name) in found.projects.into_iter().flatten() {
                for region in &cx.shared.settings.regions {
                    let scope = Scope { project: project.clone(), region: region.clone() };
                    fleet.scopes.insert(scope, ScopeState::default());
                }
                fleet.projects.extend(name.map(|name| (project, name)));
            }
        }
        Err(failure) if wanted => cx.error(failure),
        Err(_) => {}
    }
}
