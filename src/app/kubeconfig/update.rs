//! The kubeconfig form: input, questions, and the single request to SKE.

use crossterm::event::{KeyEvent, KeyEventKind};
use tui_input::Input;

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::event::Event;
use crate::app::fleet::state::Fleet;
use crate::app::keymap::Command;
use crate::app::kubeconfig::delivery::{self, Delivery};
use crate::app::kubeconfig::destination::Destination;
use crate::app::kubeconfig::form::{
    FormQuestion, KubeconfigField, KubeconfigForm, KubeconfigFormStage, PlanState,
};
use crate::app::kubeconfig::names::{file_of, free_name, names};
use crate::app::kubeconfig::state::KubeconfigState;
use crate::app::kubeconfig::text;
use crate::app::motion::neighbour;
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId, RequestOwner};
use crate::app::text_field::{paste_into, type_into};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{Credentials, KubeconfigLocation};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{
    EntryOwner, FileTarget, KubeconfigKind, MergeQuery, NotSaved, Plan, Saved,
};
use crate::domain::lifetime::Lifetime;
use crate::domain::text::clean;

/// Opens the form for a cluster.
pub fn open(kubeconfig: &mut KubeconfigState, cluster: Cluster, cx: &mut UpdateContext<'_>) {
    let settings = &cx.shared.settings;
    let name = names(cx.fleet, &cluster.id).into_iter().next().unwrap_or_default();
    let destination = Destination::named(&settings.destination);
    // An undelivered kubeconfig takes precedence over a new one.
    let issued = kubeconfig
        .unsaved
        .iter()
        .rev()
        .find(|(_, held)| held.request.cluster.is_same_cluster(&cluster))
        .map(|(request, held)| (*request, held.clone()));
    let asked = issued.as_ref().map(|(_, held)| &held.request);
    let kind = asked.map_or(KubeconfigKind::Admin, |asked| asked.kind);
    let lifetime = asked.map_or(settings.lifetime, |asked| asked.lifetime);
    let focus =
        if issued.is_some() { KubeconfigField::Destination } else { KubeconfigField::Lifetime };
    kubeconfig.form = Some(Box::new(KubeconfigForm {
        id: cx.requests.begin_dialog(),
        kind,
        lifetime: Input::new(lifetime.to_string()),
        destination,
        path: Input::new(file_of(settings, &name)),
        context: Input::new(name),
        make_current: settings.make_current,
        focus,
        plan: PlanState::Checking,
        plan_request: RequestId::default(),
        stage: KubeconfigFormStage::Editing,
        issued,
        touched: false,
        replace: false,
        may_disable_static_tokens: false,
        guard: cx.shared.guard(),
        cluster,
    }));
    plan(kubeconfig, cx);
}

/// Checks the file to be written; an earlier agreement to replace entries no longer counts.
fn plan(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    form.replace = false;
    let Some(file) = form.target() else {
        form.plan = PlanState::Ready(Box::default());
        form.plan_request = RequestId::default();
        return;
    };
    let plan = Request::Plan { file, query: form.query() };
    form.plan_request = cx.request(RequestOwner::Plan(form.id), plan);
    form.plan = PlanState::Checking;
}

/// Applies the check of the file.
pub fn planned(
    form: &mut KubeconfigForm,
    fleet: &Fleet,
    credentials: &Credentials,
    result: Result<Box<Plan>, Failure>,
) {
    form.plan = match result {
        Err(failure) => PlanState::Impossible(failure),
        Ok(mut plan) => {
            if let Some(owner) = remembered_owner(form, fleet, credentials, &plan) {
                plan.owner = owner;
            }
            PlanState::Ready(plan)
        }
    }
}

/// The owner of the existing entry according to skeys' own records, if no address identifies it.
fn remembered_owner(
    form: &KubeconfigForm,
    fleet: &Fleet,
    credentials: &Credentials,
    plan: &Plan,
) -> Option<EntryOwner> {
    if matches!(plan.owner, EntryOwner::This | EntryOwner::Another(_)) || plan.taken.is_empty() {
        return None;
    }
    let location = KubeconfigLocation::File {
        path: plan.path.clone(),
        context: clean(form.context.value().trim()),
        whole: form.destination == Destination::File,
    };
    let here = credentials.accesses.iter().filter(|access| location.replaces(&access.location));
    let id = &here.max_by_key(|access| access.issued)?.cluster;
    if *id == form.cluster.id {
        return Some(EntryOwner::This);
    }
    let project = clean(fleet.project_name(id.project()));
    Some(EntryOwner::Another(text::cluster_in(&id.name, id.region(), &project)))
}

/// Asks how to resolve a name conflict.
fn ask_about_conflict(form: &mut KubeconfigForm, cx: &UpdateContext<'_>) {
    let Some(plan) = form.plan() else { return };
    let other = free_name(cx.fleet, &cx.shared.settings, form, plan);
    form.ask(FormQuestion::NameConflict(other), cx.shared.guard());
}

/// A key while the form is open.
pub fn key(
    kubeconfig: &mut KubeconfigState,
    command: Option<Command>,
    key: KeyEvent,
    cx: &mut UpdateContext<'_>,
) {
    let Some(form) = &mut kubeconfig.form else { return };
    if command == Some(Command::Back) {
        back(kubeconfig, cx);
        return;
    }
    let pressed = command == Some(Command::Open) && key.kind == KeyEventKind::Press;
    match &mut form.stage {
        KubeconfigFormStage::Editing if command == Some(Command::Open) && !pressed => {}
        KubeconfigFormStage::Editing if pressed => press(kubeconfig, cx),
        KubeconfigFormStage::Editing if command == Some(Command::Submit) => {
            if key.kind == KeyEventKind::Press {
                submit(kubeconfig, cx);
            }
        }
        KubeconfigFormStage::Editing => edit(kubeconfig, command, key, cx),
        KubeconfigFormStage::Asking { question, answer } => {
            let answers: Vec<usize> = (0..question.answers().len()).collect();
            match command {
                Some(Command::Next | Command::Right | Command::Down) => {
                    *answer = neighbour(&answers, *answer, true);
                }
                Some(Command::Previous | Command::Left | Command::Up) => {
                    *answer = neighbour(&answers, *answer, false);
                }
                Some(Command::Open) if pressed && cx.shared.may_press(form.guard) => {
                    let (question, answer) = (question.clone(), *answer);
                    answer_question(kubeconfig, &question, answer, cx);
                }
                _ => {}
            }
        }
        KubeconfigFormStage::Failed(_) if command == Some(Command::Open) => back(kubeconfig, cx),
        KubeconfigFormStage::Issuing(_)
        | KubeconfigFormStage::Saving(_)
        | KubeconfigFormStage::Failed(_) => {}
    }
}

/// Presses the confirm button, whatever has the focus.
fn submit(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &kubeconfig.form else { return };
    let is_open = matches!(form.stage, KubeconfigFormStage::Editing);
    if is_open && cx.shared.may_press(form.guard) {
        confirm(kubeconfig, cx);
    }
}

/// A click on the confirm button: focuses it, or presses it if already focused.
pub fn click(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    if form.focus == KubeconfigField::Confirm {
        submit(kubeconfig, cx);
    } else {
        form.focus = KubeconfigField::Confirm;
    }
}

/// A click on an answer: focuses it, or selects it if already focused.
pub fn click_answer(kubeconfig: &mut KubeconfigState, clicked: usize, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    let KubeconfigFormStage::Asking { question, answer } = &mut form.stage else { return };
    if *answer != clicked {
        *answer = clicked;
    } else if cx.shared.may_press(form.guard) {
        let question = question.clone();
        answer_question(kubeconfig, &question, clicked, cx);
    }
}

/// One step back: an issued kubeconfig is not dropped without a question, and a write in progress is not cancelled.
pub fn back(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    match form.stage {
        KubeconfigFormStage::Editing => close(kubeconfig, cx),
        KubeconfigFormStage::Asking { .. } => form.stage = KubeconfigFormStage::Editing,
        KubeconfigFormStage::Issuing(request) => {
            kubeconfig.form = None;
            let text = abandoned_text(request, cx);
            cx.toast(text);
        }
        KubeconfigFormStage::Saving(_) => {}
        KubeconfigFormStage::Failed(_) => {
            form.stage = KubeconfigFormStage::Editing;
            form.focus = KubeconfigField::Cancel;
            plan(kubeconfig, cx);
        }
    }
}

/// The message after the user stops waiting for SKE; a kubeconfig that still arrives is kept.
fn abandoned_text(request: RequestId, cx: &UpdateContext<'_>) -> String {
    let until = match cx.requests.owner(request) {
        Some(RequestOwner::Kubeconfig(asked)) => asked.until(),
        _ => None,
    };
    match until {
        Some(at) => text::stopped_waiting(cx.shared.zone().full(at)),
        None => text::STOPPED_WAITING.to_owned(),
    }
}

/// Enter: presses a focused button; in a field it moves on, finally to the confirm button.
fn press(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    if form.focus == KubeconfigField::Cancel {
        close(kubeconfig, cx);
    } else if form.focus == KubeconfigField::Confirm {
        submit(kubeconfig, cx);
    } else {
        form.focus = form.after(form.focus);
        if form.focus == KubeconfigField::Confirm {
            // Holding Enter down ends here without pressing the button.
            form.guard = cx.shared.guard();
        }
    }
}

fn edit(
    kubeconfig: &mut KubeconfigState,
    command: Option<Command>,
    key: KeyEvent,
    cx: &mut UpdateContext<'_>,
) {
    let Some(form) = &mut kubeconfig.form else { return };
    let is_issued = form.issued.is_some();
    let forward = !matches!(command, Some(Command::Left | Command::Up));
    let turns =
        matches!(command, Some(Command::Left | Command::Right | Command::Up | Command::Down));
    let switches = matches!(command, Some(Command::Mark | Command::Left | Command::Right));
    let sideways = matches!(command, Some(Command::Left | Command::Right));
    match (form.focus, command) {
        (_, Some(Command::Next)) => form.step_focus(true),
        (_, Some(Command::Previous)) => form.step_focus(false),
        (KubeconfigField::Kind, _) if turns && !is_issued => {
            let kinds = [KubeconfigKind::Admin, KubeconfigKind::Login, KubeconfigKind::Idp];
            form.kind = neighbour(&kinds, form.kind, forward);
            form.touched = true;
            plan(kubeconfig, cx);
        }
        (KubeconfigField::Lifetime, _) if sideways && !is_issued => form.choose_preset(forward),
        (KubeconfigField::Destination, _) if turns => {
            form.destination = neighbour(&Destination::ALL, form.destination, forward);
            form.touched = true;
            plan(kubeconfig, cx);
        }
        (KubeconfigField::MakeCurrent, _) if switches && !form.becomes_current() => {
            form.make_current = !form.make_current;
            form.touched = true;
            plan(kubeconfig, cx);
        }
        (KubeconfigField::Cancel | KubeconfigField::Confirm, _) if sideways => {
            let buttons = [KubeconfigField::Cancel, KubeconfigField::Confirm];
            form.focus = neighbour(&buttons, form.focus, true);
        }
        // Text fields have one line: up and down move to adjacent fields.
        (_, Some(Command::Up)) => form.step_focus(false),
        (_, Some(Command::Down)) => form.step_focus(true),
        _ => {
            if form.input().is_some_and(|input| type_into(input, key)) {
                form.touched = true;
                if form.focus != KubeconfigField::Lifetime {
                    plan(kubeconfig, cx);
                }
            }
        }
    }
}

/// Pastes into the focused field.
pub fn paste(kubeconfig: &mut KubeconfigState, text: &str, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    if !matches!(form.stage, KubeconfigFormStage::Editing) {
        return;
    }
    let Some(field) = form.input() else { return };
    paste_into(field, text);
    form.touched = true;
    plan(kubeconfig, cx);
}

fn close(kubeconfig: &mut KubeconfigState, cx: &UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    if form.issued.is_some() {
        form.ask(FormQuestion::Lose, cx.shared.guard());
    } else if form.touched {
        form.ask(FormQuestion::Discard, cx.shared.guard());
    } else {
        kubeconfig.form = None;
    }
}

fn answer_question(
    kubeconfig: &mut KubeconfigState,
    question: &FormQuestion,
    answer: usize,
    cx: &mut UpdateContext<'_>,
) {
    let Some(form) = &mut kubeconfig.form else { return };
    form.stage = KubeconfigFormStage::Editing;
    match (question, answer) {
        (_, 0) => {}
        (FormQuestion::DisableStaticTokens, _) => {
            form.may_disable_static_tokens = true;
            cx.raise(Event::StaticTokensAgreed(form.cluster.id.clone()));
            confirm(kubeconfig, cx);
        }
        (FormQuestion::NameConflict(other), 1) => {
            if let Some(name) = other {
                if form.destination == Destination::File {
                    form.path = Input::new(file_of(&cx.shared.settings, name));
                } else {
                    form.context = Input::new(name.clone());
                }
            }
            let is_file = form.destination == Destination::File;
            form.focus = if is_file { KubeconfigField::Path } else { KubeconfigField::Context };
            form.touched = true;
            plan(kubeconfig, cx);
        }
        (FormQuestion::NameConflict(_), _) => {
            form.replace = true;
            confirm(kubeconfig, cx);
        }
        (FormQuestion::Discard, _) => kubeconfig.form = None,
        (FormQuestion::Lose, _) => {
            let dropped = form.issued.take().map(|(request, _)| request);
            kubeconfig.form = None;
            if let Some((request, held)) =
                dropped.and_then(|request| kubeconfig.unsaved.remove_entry(&request))
            {
                cx.journal(delivery::dropped_record(request, &held, text::LOG_DISCARDED, cx));
            }
        }
    }
}

fn confirm(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    if cx.shared.settings.read_only {
        cx.toast(text::READ_ONLY);
    } else if let Some(problem) = form.problem() {
        cx.toast(problem);
    } else if form.issued.is_none()
        && form.cluster.issuing_disables_static_tokens()
        && !form.may_disable_static_tokens
    {
        form.ask(FormQuestion::DisableStaticTokens, cx.shared.guard());
    } else if form.plan().is_some_and(|plan| !plan.taken.is_empty()) && !form.replace {
        ask_about_conflict(form, cx);
    } else if form.issued.is_some() {
        delivery::deliver(kubeconfig, cx);
    } else {
        issue(form, cx);
    }
}

fn issue(form: &mut KubeconfigForm, cx: &mut UpdateContext<'_>) {
    let lifetime = form.lifetime().unwrap_or(Lifetime::MIN);
    let file = form.target().map(|file| (file, form.query()));
    let what = (form.kind, lifetime);
    let request = ask_ske(form.cluster.clone(), what, file, form.id, cx);
    form.stage = KubeconfigFormStage::Issuing(request);
}

/// Requests a kubeconfig from SKE, once, for a dialog; the merge into `file` is checked first.
pub fn ask_ske(
    cluster: Cluster,
    (kind, lifetime): (KubeconfigKind, Lifetime),
    file: Option<(FileTarget, MergeQuery)>,
    dialog: DialogId,
    cx: &mut UpdateContext<'_>,
) -> RequestId {
    let asked = cx.shared.now.wall;
    let text = match kind {
        KubeconfigKind::Admin => text::log_request_for(kind.label(), lifetime),
        KubeconfigKind::Login | KubeconfigKind::Idp => text::log_request(kind.label()),
    };
    let id = cluster.id.clone();
    let shown = Box::new(cluster.clone());
    let owner = RequestOwner::Kubeconfig(Box::new(KubeconfigRequest {
        cluster,
        kind,
        lifetime,
        asked,
        asked_there: cx.fleet.server_now(asked),
        dialog,
    }));
    cx.request_logged(owner, &id, ("kubeconfig", text), |intent| Request::Issue {
        shown,
        kind,
        lifetime,
        file,
        intent,
    })
}

/// The result of saving.
pub fn saved(
    kubeconfig: &mut KubeconfigState,
    credentials: &Credentials,
    delivery: Delivery,
    result: Result<Saved, NotSaved>,
    cx: &mut UpdateContext<'_>,
) {
    let (plan, is_taken) = match result {
        Ok(saved) => {
            let ids = (delivery.kubeconfig, delivery.dialog);
            delivery::delivered(kubeconfig, ids, saved.location, None, saved.notes, cx);
            return;
        }
        Err(NotSaved::Failed(failure)) => {
            delivery::not_delivered(kubeconfig, delivery, failure, cx);
            return;
        }
        Err(NotSaved::Taken(plan)) => (plan, true),
        Err(NotSaved::Changed(plan)) => (plan, false),
    };
    let is_renewal = kubeconfig.renewal_item(delivery.request).is_some();
    let Some(form) = delivery::form_that_saves(kubeconfig, delivery) else {
        if !is_renewal {
            let failure = Failure::new(FailureKind::File, text::CHANGED_UNSEEN);
            delivery::not_delivered(kubeconfig, delivery, failure, cx);
        }
        return;
    };
    form.replace = false;
    planned(form, cx.fleet, credentials, Ok(Box::new(plan)));
    if is_taken {
        ask_about_conflict(form, cx);
    } else {
        form.stage = KubeconfigFormStage::Editing;
        form.focus = KubeconfigField::Cancel;
        cx.toast(text::FILE_CHANGED);
    }
}

/// The cluster is no longer listed: a form without an issued kubeconfig cannot continue.
pub fn cluster_missing(kubeconfig: &mut KubeconfigState, id: &ClusterId) {
    if let Some(form) = &mut kubeconfig.form
        && form.cluster.id == *id
        && form.issued.is_none()
        // A request in progress ends with its own answer.
        && matches!(form.stage, KubeconfigFormStage::Editing | KubeconfigFormStage::Asking { .. })
    {
        let text = text::not_listed(&id.name);
        form.stage = KubeconfigFormStage::Failed(Failure::new(FailureKind::NotFound, text));
    }
}
