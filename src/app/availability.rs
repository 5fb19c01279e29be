//! Whether a command is available now, and if not, why; shared by dispatcher, footer, menus and help.
#![expect(clippy::wildcard_enum_match_arm, reason = "other commands are always possible")]

use crate::app::cluster::tabs::Tab;
use crate::app::fleet::state::Entry;
use crate::app::keymap::{Command, KeyContext};
use crate::app::menus::export::listed;
use crate::app::rotation::update::pending_reason;
use crate::app::screen::Screen;
use crate::app::state::State;
use crate::app::text;
use crate::app::{checklist, credentials, menus};
use crate::domain::action::{Action, Trigger, permits};
use crate::domain::known_checklist::KnownChecklist;
use crate::domain::rotation::Step;

/// Checks whether a command is available now.
///
/// # Errors
/// One sentence that starts with the action: "Complete: nodes are still being replaced".
pub fn can(state: &State, command: Command) -> Result<(), String> {
    let on_cluster = |action: Action| match state.subject() {
        Some(entry) => {
            can_act(state, entry, action).map_err(|reason| text::refused(action.label(), &reason))
        }
        None => Err(text::no_cluster(action.label())),
    };
    let reason = match command {
        Command::Rotate => {
            return on_cluster(Action::Rotate(state.due_step().unwrap_or(Step::Start)));
        }
        Command::Kubeconfig => return on_cluster(Action::Issue),
        Command::WakeUp => return on_cluster(Action::Trigger(Trigger::WakeUp)),
        Command::Reconcile => return on_cluster(Action::Trigger(Trigger::Reconcile)),
        Command::LogIn if !state.logs_in() => text::LOG_IN_NOT_SUPPORTED,
        Command::Reload if state.shared.settings.demo.is_some() => text::RELOAD_DEMO,
        Command::Watch if state.subject().is_none() => text::WATCH_NO_CLUSTER,
        Command::Events if state.screen.tab() != Some(Tab::Nodes) => text::EVENTS_ELSEWHERE,
        Command::Forget => return credentials::forget::question(state).map(drop),
        Command::Add | Command::Remove | Command::Share
            if state.screen.tab() != Some(Tab::Checklist) =>
        {
            checklist::text::ELSEWHERE
        }
        Command::Add | Command::Remove | Command::Share | Command::Open | Command::Mark
            if state.screen.tab() == Some(Tab::Checklist) && !state.has_dialog() =>
        {
            return can_change_checklist(state, command).map_err(str::to_owned);
        }
        Command::Open => match state.context() {
            KeyContext::Fleet if state.subject().is_none() => text::OPEN_NO_CLUSTER,
            KeyContext::Cluster | KeyContext::Activity if state.lists_records() => {
                if state.record_at_cursor().is_some() {
                    return Ok(());
                }
                text::OPEN_NO_ENTRY
            }
            KeyContext::Cluster => text::OPEN_NOTHING,
            _ => return Ok(()),
        },
        Command::Filter
            if (state.screen != Screen::Fleet || state.log.is_some()) && !state.is_searchable() =>
        {
            text::SEARCH_ELSEWHERE
        }
        Command::NextMatch | Command::PreviousMatch if state.search.text.is_empty() => {
            text::SEARCH_FIRST
        }
        Command::Copy
            if matches!(state.screen, Screen::Activity(_))
                && state.record_at_cursor().is_none()
                && state.notices.errors.is_empty()
                && state.view.marked(&state.fleet).next().is_none() =>
        {
            text::COPY_NOTHING
        }
        Command::Export if listed(state).is_none() => menus::text::EXPORT_NOTHING,
        Command::Back
            if state.screen == Screen::Fleet
                && !state.has_dialog()
                && state.view.filter.is_empty()
                && state.notices.errors.is_empty()
                && state.notices.toast.is_none() =>
        {
            text::BACK_AT_TOP
        }
        Command::Mark if state.screen == Screen::Fleet && state.view.shown.is_empty() => {
            text::MARK_NO_CLUSTER
        }
        Command::Mark if state.context() == KeyContext::Cluster => match state.screen.tab() {
            Some(Tab::Credentials) if state.markable().is_some() => return Ok(()),
            Some(Tab::Credentials) => text::MARK_NOT_RENEWED,
            _ => text::MARK_ELSEWHERE,
        },
        Command::MarkAll | Command::Sort if state.fleet.selected().next().is_none() => {
            text::NO_CLUSTERS
        }
        _ => return Ok(()),
    };
    Err(reason.to_owned())
}

fn can_change_checklist(state: &State, command: Command) -> Result<(), &'static str> {
    let Some(id) = state.screen.cluster() else { return Ok(()) };
    let KnownChecklist { list, source, .. } = state.checklist_of(id);
    if state.shared.settings.read_only {
        return Err(text::READ_ONLY);
    }
    if !source.is_changeable() {
        return Err(checklist::text::NOT_NOW);
    }
    match command {
        Command::Share if state.nodes.current_snapshot(id).is_none() => {
            Err(checklist::text::NOT_OBSERVED)
        }
        Command::Open | Command::Remove | Command::Mark if list.clients().is_empty() => {
            Err(checklist::text::NO_CLIENT)
        }
        _ => Ok(()),
    }
}

/// Checks whether an action is available for a cluster now.
///
/// # Errors
/// The reason, without the action's name.
pub fn can_act(state: &State, entry: &Entry, action: Action) -> Result<(), String> {
    if state.shared.settings.read_only {
        return Err(text::READ_ONLY.to_owned());
    }
    let cluster = &entry.cluster;
    if let Some(since) = entry.not_listed_since {
        return Err(text::not_listed(state.zone().clock(since)));
    }
    if entry.is_last_known() {
        return Err(entry.cluster.state.label().to_owned());
    }
    if let Some((at, _)) = &state.session.signed_out {
        return Err(text::token_rejected(state.zone().clock(*at)));
    }
    let pending = state.rotation.pending.get(&cluster.id).filter(|pending| pending.blocks());
    if let (Some(pending), Action::Rotate(_)) = (pending, action) {
        return Err(pending_reason(pending, &state.shared));
    }
    if let Some(permission) = state.fleet.permissions.missing(cluster.id.project(), action) {
        let project = state.fleet.project_name(cluster.id.project());
        return Err(text::not_permitted(permission, project));
    }
    permits(cluster, action).map_err(|refusal| refusal.to_string())
}
