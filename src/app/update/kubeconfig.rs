//! The kubeconfig form: filling in, questions, issuing once, saving; what was issued is never lost in silence.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::SignedDuration;
use tui_input::{Input, InputRequest};

use crate::app::availability::can;
use crate::app::dialog::{
    Dialog, FormQuestion, KubeconfigField, KubeconfigForm, KubeconfigFormStage, NameConflict,
    PlanState, UnsavedKubeconfig,
};
use crate::app::effect::{Effect, Request};
use crate::app::keymap::{Command, Context};
use crate::app::message::{Copied, IssuedKubeconfig};
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId, RequestOwner};
use crate::app::settings::Place;
use crate::app::state::State;
use crate::app::update::{arrange, guard, may_press, notices, observing};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{Access, KubeconfigLocation};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{
    EntryOwner, KubeconfigKind, MergeOptions, NotSaved, Plan, Saved, renamed,
};
use crate::domain::lifetime::Lifetime;
use crate::domain::record::{Outcome, Record};
use crate::domain::text::clean;

/// A granted end that is earlier than asked by more than this is said.
const CLAMP_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);
/// Longest text in a field, in characters.
const FIELD_LIMIT: usize = 256;

/// Opens the form, or says why not.
pub fn open(state: &mut State) -> Vec<Effect> {
    if let Err(reason) = can(state, Command::Kubeconfig) {
        notices::toast(state, reason);
        return Vec::new();
    }
    let Some(entry) = state.subject() else { return Vec::new() };
    let cluster = entry.cluster.clone();
    let name = names(state, &cluster.id).into_iter().next().unwrap_or_default();
    let project = state.fleet.project_name(cluster.id.project()).to_owned();
    // One that is there already and nowhere yet comes before another one.
    let issued = state
        .unsaved
        .iter()
        .rev()
        .find(|(_, held)| is_same_cluster(&held.request.cluster, &cluster))
        .map(|(request, held)| (*request, held.clone()));
    let asked = issued.as_ref().map(|(_, held)| &held.request);
    let kind = asked.map_or(KubeconfigKind::Admin, |asked| asked.kind);
    let lifetime = asked.map_or(state.settings.lifetime, |asked| asked.lifetime);
    let focus = if issued.is_some() { KubeconfigField::Place } else { KubeconfigField::Lifetime };
    let id = state.requests.begin_dialog();
    state.dialog = Some(Dialog::Issue(Box::new(KubeconfigForm {
        id,
        project,
        kind,
        lifetime: Input::new(lifetime.to_string()),
        place: state.settings.destination,
        path: Input::new(file_of(state, &name)),
        context: Input::new(name),
        make_current: state.settings.make_current,
        focus,
        plan: PlanState::Looking,
        plan_request: RequestId::default(),
        stage: KubeconfigFormStage::Editing,
        issued,
        touched: false,
        replace: false,
        one_way_agreed: false,
        guard: guard(state),
        cluster,
    })));
    look(state)
}

/// Whether two readings are of one cluster, and not of one and its successor under the name.
fn is_same_cluster(one: &Cluster, other: &Cluster) -> bool {
    one.id == other.id && State::is_same(one, other)
}

/// The file of its own for a name.
fn file_of(state: &State, name: &str) -> String {
    format!("{}/{name}.yaml", state.settings.folder.trim_end_matches('/'))
}

/// Names for a cluster in a file, the one to begin with first: as short as tells it from all other clusters of the
/// fleet, then longer ones.
pub fn names(state: &State, id: &ClusterId) -> Vec<String> {
    let namesakes =
        || {
            state.fleet.entries.iter().filter(|(other, entry)| {
                other.name == id.name && *other != id && entry.gone.is_none()
            })
        };
    let near: Vec<_> =
        namesakes().map(|(other, _)| other).filter(|other| other.region() == id.region()).collect();
    let mut project = name_part(state.fleet.project_name(id.project()));
    let same = |other: &&ClusterId| name_part(state.fleet.project_name(other.project())) == project;
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

/// A name that nothing has yet, as far as can be seen.
fn free_name(state: &State, form: &KubeconfigForm, plan: &Plan) -> Option<String> {
    let mut candidates = names(state, &form.cluster.id);
    let longest = candidates.last().cloned().unwrap_or_default();
    candidates.extend((2..100).map(|number| format!("{longest}-{number}")));
    if form.place == Place::File {
        // Whether a file is there is not known before it is looked at: the next one after the present one.
        let is_present = |name: &String| form.path.value().trim() == file_of(state, name);
        let at = candidates.iter().position(is_present);
        return candidates.into_iter().nth(at.map_or(0, |at| at + 1));
    }
    candidates
        .into_iter()
        .find(|name| form.context.value().trim() != name && !plan.names.contains(name))
}

/// Where no address tells for sure, this program may remember what it put there.
fn remembered(state: &State, form: &KubeconfigForm, plan: &Plan) -> Option<EntryOwner> {
    if matches!(plan.whose, EntryOwner::This | EntryOwner::Another(_)) || plan.taken.is_empty() {
        return None;
    }
    let place = KubeconfigLocation::File {
        path: plan.path.clone(),
        context: clean(form.context.value().trim()),
        whole: form.place == Place::File,
    };
    let accesses = &state.fleet.credentials.accesses;
    let here = accesses.iter().filter(|access| place.replaces(&access.place));
    let id = &here.max_by_key(|access| access.issued)?.cluster;
    if *id == form.cluster.id {
        return Some(EntryOwner::This);
    }
    let project = clean(state.fleet.project_name(id.project()));
    Some(EntryOwner::Another(format!("{} in {}, project {project}", id.name, id.region())))
}

/// Takes in how the destination looks.
fn looked(state: &mut State, mut plan: Plan) {
    let Some(Dialog::Issue(form)) = &state.dialog else { return };
    if let Some(whose) = remembered(state, form, &plan) {
        plan.whose = whose;
    }
    if let Some(form) = self::form(state) {
        form.plan = PlanState::Ready(Box::new(plan));
    }
}

/// Asks what is to be done about what is in the way.
fn ask_taken(state: &mut State) {
    let Some(Dialog::Issue(form)) = &state.dialog else { return };
    let Some(plan) = form.plan() else { return };
    let taken = NameConflict {
        names: plan.taken.clone(),
        whose: plan.whose.clone(),
        other: free_name(state, form, plan),
    };
    ask(state, FormQuestion::NameConflict(taken));
}

/// Looks at the destination anew; what was agreed about the old one no longer counts.
fn look(state: &mut State) -> Vec<Effect> {
    let Some(dialog) = form(state).map(|form| form.id) else { return Vec::new() };
    let request = state.requests.begin(RequestOwner::Destination(dialog));
    let Some(form) = form(state) else { return Vec::new() };
    form.plan = PlanState::Looking;
    form.plan_request = request;
    form.replace = false;
    let plan = Request::Plan {
        destination: form.destination(),
        context: form.context.value().trim().to_owned(),
        known: form.known(),
    };
    vec![Effect::Request(request, plan)]
}

fn form(state: &mut State) -> Option<&mut KubeconfigForm> {
    match &mut state.dialog {
        Some(Dialog::Issue(form)) => Some(form),
        _ => None,
    }
}

/// The form that a request belongs to, if it is still open.
fn form_of(state: &mut State, dialog: DialogId) -> Option<&mut KubeconfigForm> {
    form(state).filter(|form| form.id == dialog)
}

/// The destination was looked at.
pub fn planned(
    state: &mut State,
    request: RequestId,
    dialog: DialogId,
    result: Result<Box<Plan>, Failure>,
) -> Vec<Effect> {
    if let Some(form) = form_of(state, dialog).filter(|form| form.plan_request == request) {
        match result {
            Ok(plan) => looked(state, *plan),
            Err(failure) => form.plan = PlanState::Impossible(failure),
        }
    }
    Vec::new()
}

/// A key while the form is open.
pub fn key(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    if command == Some(Command::Help) {
        state.help = Some((Context::Form, 0));
        return Vec::new();
    }
    match form.stage.clone() {
        KubeconfigFormStage::Editing => edit(state, command, key),
        KubeconfigFormStage::Asking { question, answer } => {
            answer_key(state, &question, answer, command, key)
        }
        KubeconfigFormStage::Issuing(_)
        | KubeconfigFormStage::Saving(_)
        | KubeconfigFormStage::Failed(_) => match command {
            Some(Command::Back) => back(state),
            Some(Command::Open) if matches!(form.stage, KubeconfigFormStage::Failed(_)) => {
                back(state)
            }
            _ => Vec::new(),
        },
    }
}

/// One step back: what was issued is not dropped without a question, and what is being written is written.
pub fn back(state: &mut State) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    match &form.stage {
        KubeconfigFormStage::Editing => return close(state),
        KubeconfigFormStage::Asking { .. } => return back_to_editing(state),
        KubeconfigFormStage::Issuing(request) => {
            let request = *request;
            abandon(state, request);
        }
        KubeconfigFormStage::Saving(_) => {}
        KubeconfigFormStage::Failed(_) => {
            form.stage = KubeconfigFormStage::Editing;
            form.focus = KubeconfigField::Cancel;
            return look(state);
        }
    }
    Vec::new()
}

/// The person does not want to wait for SKE any more. What comes all the same is kept for them.
fn abandon(state: &mut State, request: RequestId) {
    let until = match state.requests.owner(request) {
        Some(RequestOwner::Kubeconfig(asked)) => asked.until(),
        _ => None,
    };
    state.dialog = None;
    let zone = state.zone();
    let text = match until {
        Some(at) => format!(
            "Not waiting any more. If SKE issues it all the same, it is kept here to be saved; it expires by {}.",
            zone.full(at)
        ),
        None => {
            "Not waiting any more. If SKE returns it all the same, it is kept here to be saved."
                .to_owned()
        }
    };
    notices::toast(state, text);
}

fn edit(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    let pressable = match &state.dialog {
        Some(Dialog::Issue(form)) => may_press(state, form.guard),
        _ => false,
    };
    let Some(form) = form(state) else { return Vec::new() };
    match command {
        Some(Command::Back) => return back(state),
        Some(Command::Next) => {
            step_focus(form, true);
            return Vec::new();
        }
        Some(Command::Previous) => {
            step_focus(form, false);
            return Vec::new();
        }
        Some(Command::Open) => {
            if key.kind != KeyEventKind::Press {
                return Vec::new();
            }
            return match form.focus {
                KubeconfigField::Cancel => close(state),
                KubeconfigField::Confirm if pressable => confirm(state),
                KubeconfigField::Confirm => Vec::new(),
                // Enter presses buttons only; in a field it goes on to the next.
                KubeconfigField::KubeconfigKind
                | KubeconfigField::Lifetime
                | KubeconfigField::Place
                | KubeconfigField::Path
                | KubeconfigField::Context
                | KubeconfigField::MakeCurrent => {
                    step_focus(form, true);
                    Vec::new()
                }
            };
        }
        _ => {}
    }
    edit_field(state, command, key)
}

fn step_focus(form: &mut KubeconfigForm, forward: bool) {
    let fields = form.fields();
    let at = fields.iter().position(|field| *field == form.focus).unwrap_or(0);
    let next = if forward { at + 1 } else { at + fields.len() - 1 };
    form.focus = fields.get(next % fields.len().max(1)).copied().unwrap_or(KubeconfigField::Cancel);
}

fn edit_field(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    let issued = form.issued.is_some();
    match (form.focus, command) {
        (
            KubeconfigField::KubeconfigKind,
            Some(Command::Left | Command::Right | Command::Up | Command::Down),
        ) if !issued => {
            let forward = !matches!(command, Some(Command::Left | Command::Up));
            form.kind = neighbour(
                &[KubeconfigKind::Admin, KubeconfigKind::Login, KubeconfigKind::Idp],
                form.kind,
                forward,
            );
            form.touched = true;
            Vec::new()
        }
        (KubeconfigField::Lifetime, Some(Command::Left | Command::Right)) if !issued => {
            preset(form, command == Some(Command::Right));
            Vec::new()
        }
        (
            KubeconfigField::Place,
            Some(Command::Left | Command::Right | Command::Up | Command::Down),
        ) => {
            let forward = !matches!(command, Some(Command::Left | Command::Up));
            form.place = neighbour(&Place::ALL, form.place, forward);
            form.touched = true;
            look(state)
        }
        (KubeconfigField::MakeCurrent, Some(Command::Mark | Command::Left | Command::Right))
            if form.becomes_current() =>
        {
            Vec::new()
        }
        (KubeconfigField::MakeCurrent, Some(Command::Mark | Command::Left | Command::Right)) => {
            form.make_current = !form.make_current;
            form.touched = true;
            Vec::new()
        }
        (
            KubeconfigField::Cancel | KubeconfigField::Confirm,
            Some(Command::Left | Command::Right),
        ) => {
            form.focus = if form.focus == KubeconfigField::Cancel {
                KubeconfigField::Confirm
            } else {
                KubeconfigField::Cancel
            };
            Vec::new()
        }
        // A text is one line: up and down lead to its neighbours.
        (_, Some(Command::Up)) => {
            step_focus(form, false);
            Vec::new()
        }
        (_, Some(Command::Down)) => {
            step_focus(form, true);
            Vec::new()
        }
        (KubeconfigField::Lifetime, _) if issued => Vec::new(),
        (KubeconfigField::Lifetime, _) => {
            form.touched |= type_into(&mut form.lifetime, key);
            Vec::new()
        }
        (KubeconfigField::Path, _) => {
            let changed = type_into(&mut form.path, key);
            form.touched |= changed;
            if changed { look(state) } else { Vec::new() }
        }
        (KubeconfigField::Context, _) => {
            let changed = type_into(&mut form.context, key);
            form.touched |= changed;
            if changed { look(state) } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

fn neighbour<T: Copy + PartialEq>(all: &[T], present: T, forward: bool) -> T {
    let at = all.iter().position(|item| *item == present).unwrap_or(0);
    let next = if forward { at + 1 } else { at + all.len() - 1 };
    all.get(next % all.len().max(1)).copied().unwrap_or(present)
}

fn preset(form: &mut KubeconfigForm, forward: bool) {
    let now = form.lifetime().ok();
    let next = if forward {
        Lifetime::PRESETS.iter().find(|(_, preset)| now.is_none_or(|now| *preset > now))
    } else {
        Lifetime::PRESETS.iter().rev().find(|(_, preset)| now.is_none_or(|now| *preset < now))
    };
    if let Some((text, _)) = next {
        form.lifetime = Input::new((*text).to_owned());
        form.touched = true;
    }
}

/// Types into a field; says whether its text changed.
fn type_into(input: &mut Input, key: KeyEvent) -> bool {
    let before = input.value().to_owned();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let request = match key.code {
        KeyCode::Char('u') if control => Some(InputRequest::DeleteLine),
        KeyCode::Char('w') if control => Some(InputRequest::DeletePrevWord),
        KeyCode::Char(_) if control => None,
        KeyCode::Char(c) if before.chars().count() < FIELD_LIMIT => {
            Some(InputRequest::InsertChar(c))
        }
        KeyCode::Backspace => Some(InputRequest::DeletePrevChar),
        KeyCode::Delete => Some(InputRequest::DeleteNextChar),
        KeyCode::Left => Some(InputRequest::GoToPrevChar),
        KeyCode::Right => Some(InputRequest::GoToNextChar),
        KeyCode::Home => Some(InputRequest::GoToStart),
        KeyCode::End => Some(InputRequest::GoToEnd),
        _ => None,
    };
    if let Some(request) = request {
        input.handle(request);
    }
    input.value() != before
}

/// Text was pasted into the focused field.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    if !matches!(form.stage, KubeconfigFormStage::Editing) {
        return Vec::new();
    }
    let field = match form.focus {
        KubeconfigField::Lifetime if form.issued.is_none() => &mut form.lifetime,
        KubeconfigField::Path => &mut form.path,
        KubeconfigField::Context => &mut form.context,
        KubeconfigField::Lifetime
        | KubeconfigField::KubeconfigKind
        | KubeconfigField::Place
        | KubeconfigField::MakeCurrent
        | KubeconfigField::Cancel
        | KubeconfigField::Confirm => return Vec::new(),
    };
    for c in text.chars() {
        field.handle(InputRequest::InsertChar(c));
    }
    form.touched = true;
    look(state)
}

fn close(state: &mut State) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    if form.issued.is_some() {
        ask(state, FormQuestion::Lose);
    } else if form.touched {
        ask(state, FormQuestion::Discard);
    } else {
        state.dialog = None;
    }
    Vec::new()
}

fn ask(state: &mut State, question: FormQuestion) {
    let guard = guard(state);
    if let Some(form) = form(state) {
        form.stage = KubeconfigFormStage::Asking { question, answer: 0 };
        form.guard = guard;
    }
}

fn answer_key(
    state: &mut State,
    question: &FormQuestion,
    answer: usize,
    command: Option<Command>,
    key: KeyEvent,
) -> Vec<Effect> {
    let answers = question.answers().len();
    let Some(form) = form(state) else { return Vec::new() };
    let turned = match command {
        Some(Command::Next | Command::Right | Command::Down) => Some((answer + 1) % answers),
        Some(Command::Previous | Command::Left | Command::Up) => {
            Some((answer + answers - 1) % answers)
        }
        _ => None,
    };
    if let Some(answer) = turned {
        form.stage = KubeconfigFormStage::Asking { question: question.clone(), answer };
        return Vec::new();
    }
    let guard = form.guard;
    match command {
        Some(Command::Back) => back(state),
        Some(Command::Open) if key.kind == KeyEventKind::Press && may_press(state, guard) => {
            answered(state, question, answer)
        }
        _ => Vec::new(),
    }
}

fn back_to_editing(state: &mut State) -> Vec<Effect> {
    if let Some(form) = form(state) {
        form.stage = KubeconfigFormStage::Editing;
    }
    Vec::new()
}

fn answered(state: &mut State, question: &FormQuestion, answer: usize) -> Vec<Effect> {
    let Some(form) = form(state) else { return Vec::new() };
    form.stage = KubeconfigFormStage::Editing;
    match (question, answer) {
        (_, 0) => Vec::new(),
        (FormQuestion::OneWay, _) => {
            form.one_way_agreed = true;
            let id = form.cluster.id.clone();
            let mut effects = observing::agreed(state, &id);
            effects.extend(confirm(state));
            effects
        }
        (FormQuestion::NameConflict(taken), 1) => {
            let other = taken.other.clone();
            let path = other.as_ref().map(|name| file_of(state, name));
            let Some(form) = self::form(state) else { return Vec::new() };
            if form.place == Place::File {
                form.focus = KubeconfigField::Path;
                form.path = path.map_or_else(|| form.path.clone(), Input::new);
            } else {
                form.focus = KubeconfigField::Context;
                form.context = other.map_or_else(|| form.context.clone(), Input::new);
            }
            form.touched = true;
            look(state)
        }
        (FormQuestion::NameConflict(_), _) => {
            form.replace = true;
            confirm(state)
        }
        (FormQuestion::Discard, _) => {
            state.dialog = None;
            Vec::new()
        }
        (FormQuestion::Lose, _) => {
            let dropped = form.issued.take().map(|(request, _)| request);
            state.dialog = None;
            let record = dropped.and_then(|request| drop_one(state, request, "dropped, not saved"));
            record.map(|record| notices::journal(state, record)).into_iter().collect()
        }
    }
}

fn confirm(state: &mut State) -> Vec<Effect> {
    let read_only = state.settings.read_only;
    let Some(form) = form(state) else { return Vec::new() };
    if read_only {
        notices::toast(state, "Kubeconfig: read-only mode".to_owned());
        return Vec::new();
    }
    if let Some(problem) = form.problem() {
        notices::toast(state, problem);
        return Vec::new();
    }
    if form.issued.is_none() && form.cluster.issuing_is_one_way() && !form.one_way_agreed {
        ask(state, FormQuestion::OneWay);
        return Vec::new();
    }
    if form.plan().is_some_and(|plan| !plan.taken.is_empty()) && !form.replace {
        ask_taken(state);
        return Vec::new();
    }
    if form.issued.is_some() { deliver(state) } else { issue(state) }
}

fn issue(state: &mut State) -> Vec<Effect> {
    let (now, there) = (state.now.wall, state.server_now());
    let Some(form) = form(state) else { return Vec::new() };
    let asked = KubeconfigRequest {
        cluster: form.cluster.clone(),
        kind: form.kind,
        lifetime: form.lifetime().unwrap_or(Lifetime::MIN),
        asked: now,
        asked_there: there,
        dialog: form.id,
    };
    let destination = form.destination();
    let request = state.requests.begin(RequestOwner::Kubeconfig(Box::new(asked.clone())));
    if let Some(form) = self::form(state) {
        form.stage = KubeconfigFormStage::Issuing(request);
    }
    let KubeconfigRequest { cluster, kind, lifetime, .. } = asked;
    let text = match kind {
        KubeconfigKind::Admin => format!("{} kubeconfig for {lifetime}", kind.word()),
        KubeconfigKind::Login | KubeconfigKind::Idp => format!("{} kubeconfig", kind.word()),
    };
    let intent = notices::record(
        state,
        Some(&cluster.id),
        "kubeconfig",
        Some(request),
        Outcome::Intended,
        text,
    );
    let (shown, intent) = (Box::new(cluster), Box::new(intent));
    let issue = Request::Issue { shown, kind, lifetime, destination, intent };
    vec![Effect::Request(request, issue)]
}

/// Whether SKE granted an earlier end than was asked for.
fn is_shorter(held: &UnsavedKubeconfig) -> bool {
    held.request
        .until()
        .zip(held.issued.expires)
        .is_some_and(|(wanted, granted)| wanted.duration_since(granted) > CLAMP_TOLERANCE)
}

/// SKE answered, or did not. What it issued is kept until it is saved or dropped, whoever waits for it.
pub fn issued(
    state: &mut State,
    request: RequestId,
    asked: KubeconfigRequest,
    result: Result<IssuedKubeconfig, Failure>,
) -> Vec<Effect> {
    let id = asked.cluster.id.clone();
    let dialog = asked.dialog;
    let waits = |form: &mut KubeconfigForm| matches!(form.stage, KubeconfigFormStage::Issuing(waited) if waited == request);
    let is_waited_for = form_of(state, dialog).is_some_and(waits);
    let issued = match result {
        Ok(issued) => issued,
        Err(failure) => return not_issued(state, request, asked, failure, is_waited_for),
    };
    let held = UnsavedKubeconfig { request: asked, issued };
    let text = if is_shorter(&held) { "issued, for shorter than asked" } else { "issued" };
    let expires = held.issued.expires;
    let mut record = notices::record(
        state,
        Some(&id),
        "kubeconfig",
        Some(request),
        Outcome::Done,
        text.to_owned(),
    );
    record.expires = expires;
    let mut effects = vec![notices::journal(state, record)];
    state.unsaved.insert(request, held.clone());
    if let Some(form) = form_of(state, dialog).filter(|_| is_waited_for) {
        form.issued = Some((request, held));
        effects.extend(deliver(state));
    } else {
        let label = state.fleet.label(&id);
        let end = expires
            .map_or_else(String::new, |at| format!(" It expires {}.", state.zone().full(at)));
        let text = format!("SKE issued the kubeconfig of {label}; it is not saved yet.{end}");
        notices::toast(state, text);
    }
    effects
}

fn not_issued(
    state: &mut State,
    request: RequestId,
    asked: KubeconfigRequest,
    failure: Failure,
    is_waited_for: bool,
) -> Vec<Effect> {
    let (id, zone) = (asked.cluster.id.clone(), state.zone());
    let unknown = failure.leaves_outcome_unknown() && asked.kind == KubeconfigKind::Admin;
    let mut failure = failure;
    let mut shown = failure.clone();
    let expires = asked.until().filter(|_| unknown);
    if unknown {
        let hint = "One may have been issued and cannot be recovered";
        let end = expires.map(|at| format!("; it ends by itself at {}", zone.full(at)));
        shown.hint = Some(format!("{hint}{}", end.unwrap_or_default()));
        failure.hint = Some(hint.to_owned());
    }
    if let Some(form) = form_of(state, asked.dialog).filter(|_| is_waited_for) {
        form.stage = KubeconfigFormStage::Failed(shown);
    } else {
        let label = state.fleet.label(&id);
        notices::error(state, shown.tried(format!("kubeconfig of {label}")));
    }
    let outcome = if unknown { Outcome::Unknown } else { Outcome::Refused };
    let mut record = notices::record(
        state,
        Some(&id),
        "kubeconfig",
        Some(request),
        outcome,
        failure.to_string(),
    );
    record.expires = expires;
    record.trace = failure.trace;
    vec![notices::journal(state, record)]
}

/// Brings an issued kubeconfig to its destination.
fn deliver(state: &mut State) -> Vec<Effect> {
    let Some(Dialog::Issue(form)) = &state.dialog else { return Vec::new() };
    let Some((kubeconfig, held)) = form.issued.clone() else { return Vec::new() };
    let (dialog, place) = (form.id, form.place);
    let context = form.context.value().trim().to_owned();
    let sent = match place {
        Place::Merge | Place::File => {
            let plan = form.plan();
            let told = plan.is_some_and(|plan| plan.whose.names_another());
            Ok(Request::Save {
                destination: form.destination(),
                fresh: held.issued.fresh,
                options: MergeOptions {
                    context,
                    make_current: form.make_current,
                    replace: form.replace,
                    replace_another: form.replace && told,
                },
                fingerprint: plan.and_then(|plan| plan.fingerprint.clone()),
            })
        }
        Place::Clipboard => renamed(&held.issued.fresh, &context).map(Request::CopySecret),
        Place::Stdout => match renamed(&held.issued.fresh, &context) {
            Ok(text) => {
                state.print.push(text);
                return delivered(state, kubeconfig, dialog, KubeconfigLocation::Stdout, None, &[]);
            }
            Err(failure) => Err(failure),
        },
    };
    match sent {
        Ok(request) => {
            let number = state.requests.begin(RequestOwner::Delivery { kubeconfig, dialog });
            if let Some(form) = form_of(state, dialog) {
                form.stage = KubeconfigFormStage::Saving(number);
            }
            vec![Effect::Request(number, request)]
        }
        Err(failure) => {
            if let Some(form) = form_of(state, dialog) {
                form.stage = KubeconfigFormStage::Failed(failure);
            }
            Vec::new()
        }
    }
}

/// The kubeconfig reached its destination: remember it, say until when it works, close its form. `said`: how to begin
/// the sentence, if not with the place.
fn delivered(
    state: &mut State,
    kubeconfig: RequestId,
    dialog: DialogId,
    place: KubeconfigLocation,
    said: Option<String>,
    notes: &[String],
) -> Vec<Effect> {
    let (now, zone) = (state.server_now(), state.zone());
    let Some(held) = state.unsaved.remove(&kubeconfig) else { return Vec::new() };
    let (cluster, expires) = (&held.request.cluster, held.issued.expires);
    let label = state.fleet.label(&cluster.id);
    if form_of(state, dialog).is_some() {
        state.dialog = None;
    }
    let words = match place {
        KubeconfigLocation::Stdout => "standard output after exit".to_owned(),
        _ => place.words(),
    };
    let mut text = said.map_or_else(
        || format!("Kubeconfig of {label} → {words}"),
        |said| format!("{said}: kubeconfig of {label}"),
    );
    if let Some(at) = expires {
        text.push_str(&format!(", expires {}", zone.full(at)));
    }
    if is_shorter(&held) {
        text.push_str(" (shorter than asked)");
    }
    for note in notes {
        text.push_str("; ");
        text.push_str(note);
    }
    state.fleet.credentials.prune(now);
    state.fleet.credentials.put(Access {
        cluster: cluster.id.clone(),
        created: cluster.created,
        kind: held.request.kind,
        issued: held.request.asked,
        expires,
        place,
        issuance: held.issued.issuance.clone(),
    });
    arrange(state);
    let id = cluster.id.clone();
    let record = notices::record(
        state,
        Some(&id),
        "save",
        Some(kubeconfig),
        Outcome::Done,
        format!("kubeconfig → {words}"),
    );
    let effects = vec![notices::journal(state, record), notices::kept(state)];
    notices::toast(state, text);
    effects
}

/// The kubeconfig was copied, or not.
pub fn copied(
    state: &mut State,
    request: RequestId,
    kubeconfig: RequestId,
    dialog: DialogId,
    result: Result<Copied, Failure>,
) -> Vec<Effect> {
    let clear = state.settings.clipboard_clear;
    match result {
        Ok(copied) => {
            state.clipboard.insert(request, state.now.monotonic.saturating_add(clear));
            let unless = if copied.can_check { " unless something else is copied" } else { "" };
            let note = format!("cleared in {}s{unless}", clear.as_secs());
            let place = KubeconfigLocation::Clipboard;
            delivered(state, kubeconfig, dialog, place, Some(copied.how), &[note])
        }
        Err(failure) => not_delivered(state, request, kubeconfig, dialog, failure),
    }
}

/// The kubeconfig was written, or not.
pub fn saved(
    state: &mut State,
    request: RequestId,
    kubeconfig: RequestId,
    dialog: DialogId,
    result: Result<Saved, NotSaved>,
) -> Vec<Effect> {
    match result {
        Ok(saved) => delivered(state, kubeconfig, dialog, saved.place, None, &saved.notes),
        Err(NotSaved::Taken(plan)) => {
            if let Some(form) = form_that_saves(state, request, dialog) {
                form.replace = false;
                looked(state, plan);
                ask_taken(state);
            }
            Vec::new()
        }
        Err(NotSaved::Changed(plan)) => {
            if let Some(form) = form_that_saves(state, request, dialog) {
                form.replace = false;
                form.stage = KubeconfigFormStage::Editing;
                form.focus = KubeconfigField::Cancel;
                looked(state, plan);
                notices::toast(
                    state,
                    "The file changed on disk. Review the result, then save.".to_owned(),
                );
            }
            Vec::new()
        }
        Err(NotSaved::Failed(failure)) => {
            not_delivered(state, request, kubeconfig, dialog, failure)
        }
    }
}

/// The form that waits for this delivery.
fn form_that_saves(
    state: &mut State,
    request: RequestId,
    dialog: DialogId,
) -> Option<&mut KubeconfigForm> {
    form_of(state, dialog)
        .filter(|form| matches!(form.stage, KubeconfigFormStage::Saving(saved) if saved == request))
}

/// It stays among what is not saved; its form, if it is there, offers other destinations.
fn not_delivered(
    state: &mut State,
    request: RequestId,
    kubeconfig: RequestId,
    dialog: DialogId,
    failure: Failure,
) -> Vec<Effect> {
    if let Some(form) = form_that_saves(state, request, dialog) {
        form.stage = KubeconfigFormStage::Failed(failure.clone());
    } else {
        notices::error(state, failure.clone());
    }
    let Some(held) = state.unsaved.get(&kubeconfig) else { return Vec::new() };
    let id = held.request.cluster.id.clone();
    let text = failure.to_string();
    let record =
        notices::record(state, Some(&id), "save", Some(kubeconfig), Outcome::Refused, text);
    vec![notices::journal(state, record)]
}

/// Drops an issued kubeconfig that was not saved; gives what the journal is to keep of it.
pub fn drop_one(state: &mut State, request: RequestId, why: &str) -> Option<Record> {
    let held = state.unsaved.remove(&request)?;
    let id = held.request.cluster.id;
    let mut record = notices::record(
        state,
        Some(&id),
        "kubeconfig",
        Some(request),
        Outcome::Done,
        why.to_owned(),
    );
    record.expires = held.issued.expires;
    Some(record)
}

/// A cluster is not there any more: kubeconfigs of it are of no use.
pub fn drop_unsaved(state: &mut State, id: &ClusterId, why: &str) -> Vec<Effect> {
    let held = state.unsaved.iter().filter(|(_, held)| held.request.cluster.id == *id);
    let requests: Vec<RequestId> = held.map(|(request, _)| *request).collect();
    let why = format!("dropped, not saved: {why}");
    let records: Vec<Record> =
        requests.into_iter().filter_map(|request| drop_one(state, request, &why)).collect();
    records.into_iter().map(|record| notices::journal(state, record)).collect()
}

/// The cluster is no longer listed: a form that has nothing issued yet cannot go on.
pub fn cluster_gone(state: &mut State, id: &ClusterId) {
    if let Some(form) = form(state)
        && form.cluster.id == *id
        && form.issued.is_none()
        // What was asked for ends with its own answer.
        && matches!(form.stage, KubeconfigFormStage::Editing | KubeconfigFormStage::Asking { .. })
    {
        form.stage = KubeconfigFormStage::Failed(Failure::new(
            FailureKind::NotFound,
            format!("{} is no longer listed", id.name),
        ));
    }
}
