//! The only place where state changes: `update` passes each message to the features concerned, and returns the effects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::app::cluster::tabs::Tab;
use crate::app::commands;
use crate::app::context::{Outbox, context};
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::ending::{self, end_program, persist};
use crate::app::event::Event;
use crate::app::fleet::row::row_source;
use crate::app::fleet::{discovery, polling, readings};
use crate::app::keymap::{Command, KeyContext};
use crate::app::kubeconfig::delivery::{self, Delivery};
use crate::app::menus::palette::PaletteItem;
use crate::app::message::{Answer, IssuedKubeconfig, Message, RotateOutcome};
use crate::app::motion::SearchDirection;
use crate::app::nodes::observing;
use crate::app::nodes::state::NodesState;
use crate::app::now::Now;
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId, RequestOwner};
use crate::app::rotation::pending::{PendingStep, PendingSteps};
use crate::app::screen::Screen;
use crate::app::session::window::window_status;
use crate::app::state::State;
use crate::app::text;
use crate::app::{
    actions, checklist, configuration, credentials, fleet, kubeconfig, log, menus, mouse, overlays,
    rotation,
};
use crate::domain::checklist::LocalChecklist;
use crate::domain::cluster::{ClusterId, Scope};
use crate::domain::credential::{Credentials, FoundFile};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::identity::Identity;
use crate::domain::kubeconfig::{NotSaved, Plan, Saved};
use crate::domain::last_known::LastFleet;
use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::{Phase, Step};
use crate::domain::text::clean;

/// Maximum characters taken from a paste.
const PASTE_LIMIT: usize = 256;

/// Maximum time between redraws, so that displayed ages are right.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// Interval of reading the account, the token's expiry, and notes about the token source.
const IDENTIFY: Duration = Duration::from_mins(1);

/// Interval of reading the kubeconfig files.
const READ_FILES: Duration = Duration::from_mins(1);

/// Interval of reading them and the local checklist while a step may be confirmed.
const READ_FILES_OFTEN: Duration = Duration::from_secs(10);

/// Interval of saving the fleet's last readings; also saved on exit.
const KEEP_FLEET: Duration = Duration::from_mins(10);

/// The effects at startup.
pub fn begin(state: &mut State) -> Vec<Effect> {
    let mut out = Outbox::default();
    state.session.identity_asked_at = state.shared.now.monotonic;
    let cx = context!(state, &mut out, ());
    cx.request(RequestOwner::Identity, Request::Identify);
    discovery::begin(&mut state.fleet, cx);
    if let Some(region) = state.fleet.selection.region.clone()
        && !cx.shared.settings.regions.contains(&region)
    {
        cx.toast(fleet::text::region_unavailable(region));
        state.fleet.selection.region = None;
    }
    if cx.shared.mouse {
        cx.terminal(TerminalEffect::Mouse(true));
    }
    cx.request(RequestOwner::PersistedState, Request::LoadFleet);
    state.fleet.tracked = tracked(&state.rotation.pending, &state.nodes);
    polling::poll(&mut state.fleet, cx);
    // One request per project, so that a slow one does not delay the others.
    let projects = cx.shared.settings.projects.iter();
    for (id, _) in projects.filter(|(_, name)| name.is_none()) {
        cx.request(RequestOwner::ProjectNames, Request::NameProjects(vec![id.clone()]));
    }
    commands::read_inventory(state, &mut out);
    out.effects
}

/// Applies a message at `now`; returns the effects.
pub fn update(state: &mut State, now: Now, message: Message) -> Vec<Effect> {
    let mut out = Outbox::default();
    let before = std::mem::replace(&mut state.shared.now, now);
    notice_sleep(state, &mut out, before);
    if matches!(message, Message::Key(_) | Message::Pasted(_) | Message::Mouse(_)) {
        refresh_rows(state);
    }
    take(state, &mut out, message);
    dispatch_events(state, &mut out);
    if !state.session.quitting {
        poll(state, &mut out);
    }
    let cx = context!(state, &mut out);
    observing::reevaluate(&mut state.nodes, cx);
    let on_screen = observed_on_screen(state);
    observing::update_observers(&mut state.nodes, &on_screen, context!(state, &mut out));
    dispatch_events(state, &mut out);
    evaluate_dialog(state);
    update_window(state, &mut out);
    out.effects
}

/// Detects time without observation: after a clock jump or suspend.
fn notice_sleep(state: &mut State, out: &mut Outbox, before: Now) {
    let now = state.shared.now;
    let suspended = state.session.suspended.take().filter(|at| now.was_suspended(at.monotonic));
    // The monotonic clock may stop during sleep, or continue.
    let planned = before.monotonic.saturating_add(LONGEST_REST);
    if now.has_jumped_since(before) || suspended.is_none() && now.was_suspended(planned) {
        if state.session.quit_dialog.is_none()
            && let Some(dialog) = state.action.take()
        {
            context!(state, out).toast(actions::text::closed(dialog.action.label()));
        }
        state.fleet.is_skew_outdated |= now.has_jumped_since(before);
        make_due(state, out);
        polling::mark_unconfirmed(&mut state.fleet);
        observing::restart(&mut state.nodes, before, context!(state, out));
        if now.wall < before.wall {
            // Recorded times in the future would hide every change until then.
            state.nodes.observed.values_mut().for_each(|observed| observed.clamp_times(now.wall));
        }
    } else if let Some(at) = suspended {
        observing::restart(&mut state.nodes, at, context!(state, out));
    }
}

fn make_due(state: &mut State, out: &mut Outbox) {
    state.cluster.due = state.shared.now.monotonic;
    state.inventory.requested_at = None;
    polling::make_due(&mut state.fleet, state.shared.now);
    rotation::outcome::make_due(&mut state.rotation, context!(state, out));
}

fn take(state: &mut State, out: &mut Outbox, message: Message) {
    match message {
        Message::Key(key) => press(state, out, key),
        Message::Pasted(text) => paste(state, out, text.expose()),
        Message::Mouse(event) => mouse::mouse(state, out, event),
        Message::Resized(columns, rows) => {
            let before = std::mem::replace(&mut state.shared.size, (columns, rows));
            if before == state.shared.size {
                // The size changed in between, and the terminal may have cut the screen.
                context!(state, out).terminal(TerminalEffect::Redraw);
            }
        }
        Message::Ticked => {}
        Message::Resumed => {
            make_due(state, out);
            // The terminal was restored, including its title.
            state.session.window = None;
            context!(state, out).terminal(TerminalEffect::Redraw);
        }
        Message::LoggedIn(ended) => {
            if let Err(failure) = ended {
                state.notices.error(failure);
            }
            commands::run(state, out, Command::Refresh);
        }
        Message::BackgroundKnown(background) => state.shared.background = Some(background),
        Message::ConfigurationRead(read) => configuration::read(state, out, *read),
        Message::Terminated => end_program(state, out),
        Message::HungUp => {
            state.session.hung_up = true;
            end_program(state, out);
        }
        Message::Answered(request, answer) => answered(state, out, request, answer),
        Message::TaskFailed(failure) => state.notices.error(failure),
    }
}

fn press(state: &mut State, out: &mut Outbox, key: KeyEvent) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    state.shared.key_count = state.shared.key_count.saturating_add(1);
    let context = state.context();
    let command = state.shared.keymap.lookup(context, key);
    if let Some(command @ (Command::Interrupt | Command::Redraw | Command::Suspend)) = command {
        commands::run(state, out, command);
        return;
    }
    match (state.overlay(), command) {
        _ if context == KeyContext::Filter => {
            if !state.is_searching() {
                fleet::update::filter_key(&mut state.view, row_source!(state), command, key);
            } else if state.search.key(command, key) {
                commands::find(state, SearchDirection::FromHere);
            }
        }
        (Some(overlay), _) => overlays::key(state, out, overlay, (command, key)),
        (None, Some(command)) => commands::run(state, out, command),
        (None, None) => {}
    }
}

/// Handles pasted text: only for the focused field, never as keys.
fn paste(state: &mut State, out: &mut Outbox, text: &str) {
    let part = || {
        let begin: String = text.chars().take(PASTE_LIMIT).collect();
        clean(&begin).trim().to_owned()
    };
    match (state.overlay(), state.context()) {
        (_, KeyContext::Filter) if state.is_searching() => {
            state.search.paste(&part());
            commands::find(state, SearchDirection::FromHere);
        }
        (_, KeyContext::Filter) => {
            fleet::update::paste_filter(&mut state.view, row_source!(state), &part());
        }
        (Some(overlay), _) => overlays::paste(state, out, overlay, &part()),
        (None, _) if state.screen.tab() == Some(Tab::Credentials) => {
            credentials::update::paste(&mut state.inventory, text, context!(state, out));
        }
        (None, _) => {}
    }
}

/// The content of an answer of the requested kind; any other kind is a defect, and treated as a failure.
macro_rules! of_kind {
    ($answer:expr, $kind:pat => $value:expr) => {
        match $answer {
            Ok($kind) => Ok($value),
            Ok(_) => Err(wrong_answer()),
            Err(failure) => Err(failure),
        }
    };
}

fn wrong_answer() -> Failure {
    Failure::new(FailureKind::Bug, text::WRONG_ANSWER)
}

/// Passes the result of a request to its owner. An unexpected or repeated answer is a no-op.
fn answered(
    state: &mut State,
    out: &mut Outbox,
    request: RequestId,
    answer: Result<Answer, Failure>,
) {
    let owner = match (state.requests.owner(request), &answer) {
        (Some(owner @ RequestOwner::Observer(_)), Ok(Answer::Observed(_)))
        | (Some(owner @ RequestOwner::Delivery { .. }), Ok(Answer::SaveIsLate(_))) => {
            Some(owner.clone())
        }
        _ => state.requests.end(request),
    };
    let Some(owner) = owner else { return };
    let in_use = in_use(state);
    let cx = context!(state, out);
    match (owner, answer) {
        (RequestOwner::Identity, Ok(Answer::Identity { identity, notes })) => {
            identified(state, out, *identity, notes);
        }
        (RequestOwner::ProjectNames, Ok(Answer::ProjectNames(names))) => {
            state.fleet.projects.extend(names);
            state.view.outdated = true;
        }
        (RequestOwner::Discovery, answer) => {
            let result = of_kind!(answer, Answer::Discovered(found) => found);
            discovery::answered(&mut state.fleet, result, context!(state, out, ()));
        }
        (RequestOwner::Restart, Ok(Answer::RestartReady)) => ending::restart_ready(state, out),
        (RequestOwner::Clusters(scope), answer) => {
            let result = of_kind!(answer, Answer::Clusters(listing) => listing);
            let (pending, cx) = (&state.rotation.pending, context!(state, out, ()));
            readings::listed(&mut state.fleet, (&scope, request), result, &in_use, pending, cx);
        }
        (RequestOwner::Cluster(id), answer) => {
            let result = of_kind!(answer, Answer::Cluster(cluster, skew) => (cluster, skew));
            readings::read(&mut state.fleet, (&id, request), result, context!(state, out, ()));
        }
        (RequestOwner::Rotation { cluster, step }, answer) => {
            let outcome = of_kind!(answer, Answer::Rotation(outcome) => outcome)
                .unwrap_or_else(|failure| RotateOutcome::Unknown(failure, None));
            if let RotateOutcome::FilesChanged(files) = &outcome {
                (state.inventory.read_by, state.inventory.not_read) = (request, None);
                take_files(state, Arc::clone(files));
            }
            let (sent, cx) = ((&cluster, step, request), context!(state, out));
            rotation::outcome::answered(&mut state.rotation, sent, outcome, cx);
        }
        (RequestOwner::Action { cluster, action }, answer) => {
            let result = of_kind!(answer, Answer::Action(trace) => trace);
            actions::update::answered((&cluster, action, request), result, cx);
        }
        (RequestOwner::Inventory, answer) => {
            let read = of_kind!(answer, Answer::Inventory(files) => files);
            inventory_read(state, request, read);
        }
        (RequestOwner::Trials(id), Ok(Answer::Tried(tried))) => {
            credentials::update::tried(&mut state.inventory, &id, tried, cx);
        }
        (RequestOwner::Checklist(id), answer) => {
            checklist_read(state, id, of_kind!(answer, Answer::Checklist(list) => list));
        }
        (RequestOwner::ChecklistChange { cluster, dialog }, answer) => {
            let result = of_kind!(answer, Answer::Checklist(list) => list);
            checklist::update::written(&mut state.checklist, (cluster, dialog), result, cx);
        }
        (RequestOwner::Plan(dialog), answer) => {
            planned(state, (dialog, request), of_kind!(answer, Answer::Plan(plan) => plan));
        }
        (RequestOwner::Kubeconfig(asked), answer) => {
            let result = of_kind!(answer, Answer::Kubeconfig(issued) => issued);
            issued(state, out, (request, *asked), result);
        }
        (RequestOwner::Delivery { kubeconfig, dialog }, answer) => {
            delivery_answered(state, out, Delivery { request, kubeconfig, dialog }, answer);
        }
        (RequestOwner::Copy(what), Ok(Answer::Copied(copied))) => {
            cx.toast(text::copied(&copied.how, &what));
        }
        (RequestOwner::Export(what), Ok(Answer::TableSaved(path))) => {
            menus::export::saved(&what, path, cx);
        }
        (RequestOwner::ClearClipboard, Ok(Answer::ClipboardCleared(cleared))) => {
            cx.toast(if cleared { text::CLIPBOARD_CLEARED } else { text::CLIPBOARD_KEPT });
        }
        (RequestOwner::PersistedState, Ok(Answer::Credentials { credentials, note })) => {
            credentials_loaded(state, credentials, note);
        }
        (RequestOwner::PersistedState, Ok(Answer::LastFleet(last))) => fleet_loaded(state, last),
        (RequestOwner::PersistedState, Ok(Answer::FleetSaved)) => {}
        (RequestOwner::Log, Ok(Answer::Log(lines))) => {
            if let Some(log) = &mut state.log {
                log.lines = Some(lines);
            }
        }
        (RequestOwner::Observer(id), Ok(Answer::Observed(event))) => {
            observing::observed(&mut state.nodes, (&id, request), event, cx);
        }
        (RequestOwner::Restart, Err(failure)) => {
            // It says that the dashboard is restarting.
            cx.notices.toast = None;
            cx.notices.error(failure);
        }
        (_, Err(failure)) => cx.notices.error(failure),
        (_, Ok(_)) => cx.notices.error(wrong_answer()),
    }
}

fn identified(state: &mut State, out: &mut Outbox, identity: Identity, notes: Vec<String>) {
    for note in notes.iter().filter(|note| !state.session.notes.contains(note)) {
        context!(state, out).toast(note);
    }
    state.session.notes = notes;
    state.shared.identity = Some(identity);
}

fn inventory_read(state: &mut State, request: RequestId, read: Result<Vec<FoundFile>, Failure>) {
    if request < state.inventory.read_by {
        return;
    }
    state.inventory.read_by = request;
    match read {
        Ok(files) => {
            state.inventory.not_read = None;
            take_files(state, files.into());
        }
        Err(failure) => {
            let before = state.inventory.not_read.replace(failure.message.clone());
            // Once told, a failure that lasts is shown where the files are.
            if before.as_ref() != Some(&failure.message) {
                state.notices.error(failure);
            }
        }
    }
}

/// Takes the checklist of this machine, unless a write is in progress, whose result is newer.
fn checklist_read(state: &mut State, id: ClusterId, read: Result<LocalChecklist, Failure>) {
    let changes = |owner: &RequestOwner| matches!(owner, RequestOwner::ChecklistChange { cluster, .. } if *cluster == id);
    if !state.requests.open().any(|(_, owner)| changes(owner)) {
        state.checklist.local.insert(id, read);
    }
}

fn take_files(state: &mut State, files: Arc<[FoundFile]>) {
    if state.inventory.files.as_deref() != Some(&*files) {
        state.inventory.files = Some(files);
        state.view.outdated = true;
    }
}

fn credentials_loaded(state: &mut State, credentials: Credentials, note: Option<String>) {
    if let Some(note) = note {
        state.notices.error(Failure::new(FailureKind::File, note));
    }
    state.credentials.join(credentials);
    state.view.outdated = true;
}

/// Applies the fleet saved by the last run, unless that used another SKE API.
fn fleet_loaded(state: &mut State, last: LastFleet) {
    if last.ske == state.shared.settings.ske {
        state.fleet.remember(last.clusters);
        state.view.outdated = true;
    }
}

/// Passes the check of a file to the dialog that requested it.
fn planned(
    state: &mut State,
    (dialog, request): (DialogId, RequestId),
    result: Result<Box<Plan>, Failure>,
) {
    if let Some(renewal) = state.kubeconfig.renewal_of(dialog) {
        kubeconfig::renew::planned(renewal, request, result);
        return;
    }
    let form = state.kubeconfig.form_of(dialog);
    if let Some(form) = form.filter(|form| form.plan_request == request) {
        kubeconfig::update::planned(form, &state.fleet, &state.credentials, result);
    }
}

fn issued(
    state: &mut State,
    out: &mut Outbox,
    (request, asked): (RequestId, KubeconfigRequest),
    result: Result<IssuedKubeconfig, Failure>,
) {
    let (kubeconfig, cx) = (&mut state.kubeconfig, context!(state, out));
    let failure = delivery::issued(kubeconfig, (request, asked), result, cx);
    kubeconfig::renew::issued(kubeconfig, request, failure, cx);
}

fn delivery_answered(
    state: &mut State,
    out: &mut Outbox,
    delivery: Delivery,
    answer: Result<Answer, Failure>,
) {
    let cx = context!(state, out);
    match answer {
        Ok(Answer::Copied(copied)) => {
            delivery::copied(&mut state.kubeconfig, delivery, copied, cx);
            if state.session.quitting {
                delivery::clear_clipboard(&mut state.kubeconfig, Duration::MAX, cx);
            }
        }
        Ok(Answer::SaveIsLate(failure)) => {
            delivery::late(&mut state.kubeconfig, delivery, failure, cx);
        }
        answer => {
            let result = of_kind!(answer, Answer::Saved(result) => result);
            let result = result.unwrap_or_else(|failure| Err(NotSaved::Failed(failure)));
            saved(state, out, delivery, result);
        }
    }
}

fn saved(state: &mut State, out: &mut Outbox, delivery: Delivery, result: Result<Saved, NotSaved>) {
    let (kubeconfig, cx) = (&mut state.kubeconfig, context!(state, out));
    if result.is_ok() {
        delivery::take_back(kubeconfig, delivery.request);
    }
    let until = kubeconfig.unsaved.get(&delivery.kubeconfig).and_then(|held| held.issued.expires);
    let credentials = &state.credentials;
    kubeconfig::update::saved(kubeconfig, credentials, delivery, result.clone(), cx);
    kubeconfig.late.remove(&delivery.request);
    kubeconfig::renew::saved(kubeconfig, delivery.request, (result, until), cx);
}

/// Clusters that are in use or awaited: their rows stay even if no longer listed. Lists can be incomplete.
fn in_use(state: &State) -> Vec<ClusterId> {
    let places = [state.view.cursor.as_ref(), state.dialog_cluster(), state.screen.cluster()];
    let unsaved = state.kubeconfig.unsaved.values().map(|held| &held.request.cluster.id);
    let awaited = state.rotation.pending.keys().chain(&state.nodes.watched).chain(unsaved);
    places.into_iter().flatten().chain(awaited).cloned().collect()
}

/// Passes events to the features concerned until none are left.
fn dispatch_events(state: &mut State, out: &mut Outbox) {
    while let Some(event) = out.events.pop_front() {
        dispatch(state, out, event);
    }
}

fn dispatch(state: &mut State, out: &mut Outbox, event: Event) {
    let cx = context!(state, out);
    match event {
        Event::ClusterRead { cluster, request, skew, changed } => {
            let rotation = &mut state.rotation;
            rotation::outcome::cluster_read(rotation, (&cluster, request), skew, cx);
            if changed {
                observing::cluster_read(&mut state.nodes, &cluster, cx);
            }
            let is_open = matches!(cluster.rotation.phase, Phase::Preparing | Phase::Prepared);
            let known = if is_open { state.known_credentials(&cluster) } else { Vec::new() };
            let cx = context!(state, out);
            credentials::update::cluster_read(&mut state.inventory, &cluster, known, cx);
        }
        Event::ClusterNotRead { cluster, request, failure } => {
            let read = (&cluster, request);
            rotation::outcome::cluster_not_read(&mut state.rotation, read, failure, cx);
        }
        Event::ClusterMissing(id) => {
            kubeconfig::update::cluster_missing(&mut state.kubeconfig, &id);
            kubeconfig::renew::cluster_missing(&mut state.kubeconfig, &id, cx);
            rotation::outcome::cluster_missing(&mut state.rotation, &id, cx);
        }
        Event::ClusterReplaced(id) => {
            if state.screen.cluster() == Some(&id) {
                state.screen = Screen::Fleet;
            }
            state.action.take_if(|dialog| dialog.cluster == id);
            state.kubeconfig.form.take_if(|form| form.cluster.id == id);
            state.kubeconfig.renewal.take_if(|renewal| renewal.cluster.id == id);
            forget(state, out, &id, text::CLUSTER_DELETED);
        }
        Event::ClusterForgotten(id) => forget(state, out, &id, text::CLUSTER_NOT_LISTED),
        Event::RowsChanged => state.view.outdated = true,
        Event::SignIn(Some(failure)) if failure.kind == FailureKind::SignedOut => {
            let since = state.session.signed_out.take().map_or(cx.shared.now.wall, |(at, _)| at);
            state.session.signed_out = Some((since, failure));
        }
        Event::SignIn(Some(_)) => {}
        Event::SignIn(None) => {
            if state.session.signed_out.take().is_some() {
                cx.toast(text::TOKEN_ACCEPTED);
            }
        }
        Event::Announce { cluster, text } => {
            if observing::announce(&state.nodes, &cluster, text, cx) {
                // Persisted, so that the next run does not announce it again.
                persist(state, out);
            }
        }
        Event::StaticTokensAgreed(id) => {
            observing::agree(&mut state.nodes, &id, cx);
        }
        Event::KubeconfigDelivered(access) => {
            state.inventory.unmark(&access.location);
            state.credentials.prune(state.server_clock());
            state.credentials.put(*access);
            state.view.outdated = true;
            persist(state, out);
            commands::read_inventory(state, out);
        }
        Event::CredentialForgotten(question) => {
            let (credentials, cx) = (&mut state.credentials, context!(state, out));
            if credentials::forget::forget(credentials, &question, cx) {
                state.view.outdated = true;
                persist(state, out);
            }
        }
        Event::GenerationObserved(reference) => {
            if state.credentials.note(*reference) {
                state.view.outdated = true;
                persist(state, out);
            }
        }
        Event::PreferencesChanged => persist(state, out),
        Event::Chosen(PaletteItem::Command(binding)) => commands::run(state, out, binding.command),
        Event::Chosen(PaletteItem::Filter(filter)) => commands::show_matching(state, filter),
        Event::Chosen(PaletteItem::Cluster(id)) => commands::open_named(state, out, id),
        Event::Chosen(PaletteItem::Scope(item)) => commands::select(state, out, item.choice),
        Event::Export(format, target) => {
            if let Some((owner, request)) = menus::export::request(state, format, target) {
                context!(state, out).request(owner, request);
            }
        }
    }
}

/// Drops everything that refers to a cluster.
fn forget(state: &mut State, out: &mut Outbox, id: &ClusterId, why: &str) {
    state.view.marks.remove(id);
    state.rotation.pending.remove(id);
    state.rotation.close_about(id);
    let cx = context!(state, out);
    delivery::forget(&mut state.kubeconfig, id, why, cx);
    observing::remove(&mut state.nodes, id, cx);
    state.inventory.forget(id);
    state.checklist.forget(id);
}

/// Requests everything that is due, and handles timeouts.
fn poll(state: &mut State, out: &mut Outbox) {
    let now = state.shared.now;
    state.notices.expire(now);
    state.fleet.tracked = tracked(&state.rotation.pending, &state.nodes);
    let cx = context!(state, out);
    delivery::clear_clipboard(&mut state.kubeconfig, now.monotonic, cx);
    polling::poll(&mut state.fleet, context!(state, out, ()));
    let cx = context!(state, out);
    log::poll(&mut state.log, cx);
    rotation::outcome::advance(&mut state.rotation, cx);
    if state.session.fleet_saved_at.saturating_add(KEEP_FLEET) <= now.monotonic {
        ending::save_fleet(state, out);
    }
    if state.session.identity_asked_at.saturating_add(IDENTIFY) <= now.monotonic {
        state.session.identity_asked_at = now.monotonic;
        context!(state, out).request(RequestOwner::Identity, Request::Identify);
    }
    read_files(state, out);
    if let Some(id) = polled_cluster(state).filter(|_| state.cluster.due <= now.monotonic) {
        state.cluster.due = now.monotonic.saturating_add(state.shared.settings.poll_running);
        context!(state, out).read_cluster(&id, RequestId::default());
    }
}

/// Reads the kubeconfig files if they are due and not being read; with an open dialog, its checklist, too.
fn read_files(state: &mut State, out: &mut Outbox) {
    let asked = state.rotation.dialog.as_ref().filter(|dialog| dialog.stage.is_open());
    let asked = asked.map(|dialog| dialog.shown.id.clone());
    let interval = if asked.is_some() { READ_FILES_OFTEN } else { READ_FILES };
    let is_due =
        credentials::update::is_due(&state.inventory, interval, state.shared.now.monotonic);
    if is_due && !state.requests.open().any(|(_, owner)| *owner == RequestOwner::Inventory) {
        commands::read_inventory(state, out);
        if let Some(id) = asked {
            checklist::update::read(&id, context!(state, out));
        }
    }
}

/// Scopes with a pending step or a watched cluster: always listed.
fn tracked(pending: &PendingSteps, nodes: &NodesState) -> BTreeSet<Scope> {
    pending.keys().chain(&nodes.watched).map(|id| id.scope.clone()).collect()
}

/// The open cluster, if it needs frequent reads.
fn polled_cluster(state: &State) -> Option<ClusterId> {
    let entry = state.fleet.entries.get(state.screen.cluster()?)?;
    let runs = entry.not_listed_since.is_none() && entry.cluster.rotation.phase.is_running();
    runs.then(|| entry.cluster.id.clone())
}

/// Clusters whose nodes are on screen, or about to be replaced.
fn observed_on_screen(state: &State) -> Vec<ClusterId> {
    let phase = |id: &ClusterId| state.fleet.cluster(id).map(|cluster| &cluster.rotation.phase);
    let rolls = |id| matches!(phase(id), Some(Phase::Preparing | Phase::Prepared));
    let shows = matches!(state.screen.tab(), Some(Tab::Nodes | Tab::Credentials | Tab::Checklist));
    let about = state.rotation.dialog.iter().filter(|dialog| {
        dialog.step == Step::Start || dialog.shown.rotation.phase == Phase::Prepared
    });
    let open = state.screen.cluster().filter(|id| shows || rolls(id));
    about.map(|dialog| &dialog.shown.id).chain(open).cloned().collect()
}

/// Evaluates the evidence for an open dialog, until its step is confirmed.
fn evaluate_dialog(state: &mut State) {
    let open = state.rotation.dialog.as_ref().filter(|dialog| dialog.stage.is_open());
    let Some(evidence) = open.map(|dialog| state.evidence(&dialog.shown)) else { return };
    if let Some(dialog) = &mut state.rotation.dialog {
        dialog.evaluate(evidence, state.shared.now.wall);
    }
}

/// Updates window title and terminal progress if they changed.
fn update_window(state: &mut State, out: &mut Outbox) {
    let status = window_status(&state.fleet, &state.nodes);
    if status == state.session.window || state.session.quitting {
        return;
    }
    state.session.window.clone_from(&status);
    context!(state, out).terminal(TerminalEffect::Status(status));
}

/// Recomputes counts and rows if data changed; the cursor stays on its cluster. Called before drawing, so that many
/// answers cost one sort, and before user input is handled.
pub fn refresh_rows(state: &mut State) {
    if state.view.outdated {
        state.fleet.rank_names();
        state.view.arrange(row_source!(state));
    }
}

/// The next wake-up (monotonic clock): the earliest due action, or visible change of an age.
pub fn next_wake(state: &State) -> Option<Duration> {
    let now = state.shared.now.monotonic;
    let pending = state.rotation.pending.values().filter_map(PendingStep::next_wake);
    polling::next_wake(&state.fleet, &state.requests)
        .into_iter()
        .chain(pending)
        .chain(polled_cluster(state).map(|_| state.cluster.due))
        .chain(state.notices.toast.as_ref().map(|toast| toast.until))
        .chain(state.kubeconfig.clipboard.values().copied())
        .chain(state.log.as_ref().map(|log| log.due))
        .chain(observing::next_wake(&state.nodes, &state.fleet))
        .chain([now.saturating_add(redraw_after(state))])
        .min()
        .map(|wake| wake.max(now))
}

/// Time until the screen changes without a message.
fn redraw_after(state: &State) -> Duration {
    let waits = state.fleet.selected_scopes().any(|(_, scope)| scope.wait_until.is_some());
    let seconds_matter = state.has_dialog()
        || state.session.quit_dialog.is_some()
        || !state.rotation.pending.is_empty()
        || state.fleet.failing().next().is_some()
        || waits;
    if seconds_matter { Duration::from_secs(1) } else { LONGEST_REST }
}

/// Journal records at exit: requests without an answer, and kubeconfigs that are not saved or possibly not printed.
pub fn unanswered(state: &mut State) -> Vec<Record> {
    let mut out = Outbox::default();
    let cx = context!(state, &mut out);
    let mut records = Vec::new();
    let (mut delivering, mut clears_clipboard) = (Vec::new(), false);
    let delivering_late: Vec<RequestId> = state.kubeconfig.late.keys().copied().collect();
    for (request, owner) in cx.requests.open() {
        match (owner, cx.requests.intent(request)) {
            (RequestOwner::Delivery { kubeconfig, .. }, _) => delivering.push(*kubeconfig),
            (RequestOwner::ClearClipboard, _) => clears_clipboard = true,
            (owner, Some(intent)) => {
                let expires =
                    if let RequestOwner::Kubeconfig(asked) = owner { asked.until() } else { None };
                records.push(Record {
                    at: cx.shared.now.wall,
                    outcome: Outcome::Unknown,
                    text: text::QUIT_BEFORE_ANSWER.to_owned(),
                    expires,
                    findings: Vec::new(),
                    ..intent.clone()
                });
            }
            (_, None) => {}
        }
    }
    if clears_clipboard && state.session.exit_messages.is_empty() {
        let text = text::CLIPBOARD_MAY_HOLD;
        state.session.exit_messages.push(text.to_owned());
        records.push(cx.record(None, "copy", Outcome::Unknown, text));
    }
    if state.session.hung_up {
        let print = state.kubeconfig.print.iter_mut();
        let lost = print.filter_map(|kubeconfig| kubeconfig.not_printed.take());
        records.extend(lost.map(|record| Record { at: cx.shared.now.wall, ..record }));
    }
    for request in delivering_late {
        delivery::take_back(&mut state.kubeconfig, request);
    }
    let unsaved = std::mem::take(&mut state.kubeconfig.unsaved);
    records.extend(unsaved.into_iter().map(|(request, held)| {
        let is_saving = delivering.contains(&request);
        let why = if is_saving { text::QUIT_WHILE_SAVING } else { text::QUIT_UNSAVED };
        delivery::dropped_record(request, &held, why, cx)
    }));
    records
}
