//! Renews kubeconfig entries in place: shows the changes, then issues and saves one entry after the other.

use std::sync::Arc;

use crossterm::event::{KeyEvent, KeyEventKind};
use tui_input::Input;

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::event::Event;
use crate::app::keymap::Command;
use crate::app::kubeconfig::renewal::{
    Renewal, RenewalField, RenewalItem, RenewalItemStage, RenewalStage, RenewedEntry,
};
use crate::app::kubeconfig::state::KubeconfigState;
use crate::app::kubeconfig::text;
use crate::app::kubeconfig::update::ask_ske;
use crate::app::motion::neighbour;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::text_field::{paste_into, type_into};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{ClusterIdentity, EntryOwner, NotSaved, Plan, Saved};
use crate::domain::lifetime::Lifetime;

/// Opens the dialog and checks the files.
pub fn open(
    kubeconfig: &mut KubeconfigState,
    cluster: Cluster,
    entries: Vec<RenewedEntry>,
    cx: &mut UpdateContext<'_>,
) {
    let id = cx.requests.begin_dialog();
    let known = ClusterIdentity::Address(cluster.id.clone());
    let mut items = Vec::new();
    for entry in entries {
        let plan = Request::Plan { file: entry.target(), query: entry.query(known.clone()) };
        let stage = RenewalItemStage::Checking(cx.request(RequestOwner::Plan(id), plan));
        items.push(RenewalItem { entry, plan: None, issued: None, stage });
    }
    let mut renewal = Renewal {
        id,
        lifetime: Input::new(cx.shared.settings.lifetime.to_string()),
        items,
        focus: RenewalField::Cancel,
        stage: RenewalStage::Reviewing,
        scroll: 0,
        guard: cx.shared.guard(),
        cluster,
    };
    renewal.focus = renewal.fields().first().copied().unwrap_or(renewal.focus);
    kubeconfig.renewal = Some(Box::new(renewal));
}

/// Applies the check of a file.
pub fn planned(renewal: &mut Renewal, request: RequestId, result: Result<Box<Plan>, Failure>) {
    let waits = |item: &&mut RenewalItem| matches!(item.stage, RenewalItemStage::Checking(asked) if asked == request);
    let Some(item) = renewal.items.iter_mut().find(waits) else { return };
    item.stage = match result {
        Ok(plan) if matches!(plan.owner, EntryOwner::Another(_)) => {
            RenewalItemStage::Failed(of_another(&plan))
        }
        Ok(plan) => {
            item.plan = Some(plan);
            RenewalItemStage::Ready
        }
        Err(failure) => RenewalItemStage::Failed(failure),
    };
}

/// Failure: the entry belongs to another cluster.
fn of_another(plan: &Plan) -> Failure {
    let owner = plan.owner.describe();
    let text = text::of_another_cluster(owner.trim_start_matches(", "));
    Failure::new(FailureKind::NotPossible, text)
}

/// A key while the dialog is open.
pub fn key(
    kubeconfig: &mut KubeconfigState,
    command: Option<Command>,
    key: KeyEvent,
    cx: &mut UpdateContext<'_>,
) {
    let Some(renewal) = &mut kubeconfig.renewal else { return };
    let has_lifetime = renewal.focus == RenewalField::Lifetime;
    match command {
        Some(Command::Back) => back(kubeconfig, cx),
        Some(Command::Open) if key.kind == KeyEventKind::Press => press(kubeconfig, cx),
        Some(Command::Open) => {}
        Some(Command::Next) => step_focus(renewal, true),
        Some(Command::Previous) => step_focus(renewal, false),
        Some(command @ (Command::Up | Command::Down)) => {
            cx.shared.metrics.scroll(&mut renewal.scroll, command);
        }
        Some(Command::Left | Command::Right) if has_lifetime => {
            let longer = command == Some(Command::Right);
            if let Some(preset) = Lifetime::preset_beside(renewal.lifetime().ok(), longer) {
                renewal.lifetime = Input::new(preset.to_owned());
            }
        }
        Some(Command::Left | Command::Right) => {
            step_focus(renewal, command == Some(Command::Right));
        }
        _ if has_lifetime => drop(type_into(&mut renewal.lifetime, key)),
        _ => {}
    }
}

fn step_focus(renewal: &mut Renewal, forward: bool) {
    renewal.focus = neighbour(renewal.fields(), renewal.focus, forward);
}

/// Pastes into the lifetime field.
pub fn paste(renewal: &mut Renewal, text: &str) {
    if renewal.focus == RenewalField::Lifetime {
        paste_into(&mut renewal.lifetime, text);
    }
}

/// Closes the dialog. A request in progress is still answered, and its kubeconfig offered for saving.
pub fn back(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(renewal) = kubeconfig.renewal.take() else { return };
    if renewal.stage == RenewalStage::Running {
        let waits = |item: &&RenewalItem| matches!(item.stage, RenewalItemStage::Ready);
        cx.toast(text::renewal_stopped(renewal.items.iter().filter(waits).count()));
    }
}

/// Enter: moves from the lifetime to the confirm button, or presses a button.
fn press(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(renewal) = &mut kubeconfig.renewal else { return };
    match renewal.focus {
        RenewalField::Lifetime => renewal.focus = RenewalField::Confirm,
        // An accidental extra Enter must not cancel the renewal.
        RenewalField::Cancel if renewal.stage == RenewalStage::Running => {}
        RenewalField::Cancel => back(kubeconfig, cx),
        RenewalField::Confirm if !cx.shared.may_press(renewal.guard) => {}
        RenewalField::Confirm if cx.shared.settings.read_only => cx.toast(text::READ_ONLY),
        RenewalField::Confirm => {
            if let Some(problem) = renewal.problem() {
                cx.toast(problem);
                return;
            }
            if renewal.disables_static_tokens() {
                cx.raise(Event::StaticTokensAgreed(renewal.cluster.id.clone()));
            }
            renewal.stage = RenewalStage::Running;
            (renewal.focus, renewal.scroll) = (RenewalField::Cancel, 0);
            go_on(kubeconfig, cx);
        }
    }
}

/// Starts the next entry; after the last one, ends the renewal, or shows entries again whose changes differ.
fn go_on(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(renewal) = &mut kubeconfig.renewal else { return };
    let is_ready = |item: &RenewalItem| matches!(item.stage, RenewalItemStage::Ready);
    let Some(at) = renewal.items.iter().position(is_ready) else {
        let changed = |stage: &RenewalItemStage| matches!(stage, RenewalItemStage::Changed);
        let again = renewal.items.iter_mut().filter(|item| changed(&item.stage));
        let again = again.map(|item| item.stage = RenewalItemStage::Ready).count();
        renewal.stage = if again > 0 { RenewalStage::Reviewing } else { RenewalStage::Ended };
        renewal.guard = cx.shared.guard();
        if again > 0 {
            cx.toast(text::CHANGED_SINCE_SHOWN);
        }
        return;
    };
    let lifetime = renewal.lifetime().unwrap_or(Lifetime::MIN);
    let (dialog, cluster) = (renewal.id, renewal.cluster.clone());
    let file = renewal.items.get(at).map(|item| &item.entry.file);
    let is_saved = |item: &RenewalItem| {
        matches!(item.stage, RenewalItemStage::Done(_)) && Some(&item.entry.file) == file
    };
    let keeps_backup = renewal.items.iter().any(is_saved);
    let Some(item) = renewal.items.get_mut(at) else { return };
    let held = item.issued.and_then(|request| Some((request, kubeconfig.unsaved.get(&request)?)));
    item.stage = if let Some((brought_by, held)) = held {
        let save = Request::Save {
            file: item.entry.target(),
            fresh: Arc::clone(&held.issued.fresh),
            options: item.entry.options(),
            fingerprint: item.plan.as_ref().and_then(|plan| plan.fingerprint.clone()),
            keeps_backup,
        };
        let owner = RequestOwner::Delivery { kubeconfig: brought_by, dialog };
        RenewalItemStage::Saving(cx.request(owner, save))
    } else {
        let known = ClusterIdentity::Address(cluster.id.clone());
        let file = Some((item.entry.target(), item.entry.query(known)));
        let what = (item.entry.kind, lifetime);
        RenewalItemStage::Issuing(ask_ske(cluster, what, file, dialog, cx))
    };
}

/// Applies a result that the running renewal waited for, then continues with this or the next entry.
fn apply_result(
    kubeconfig: &mut KubeconfigState,
    request: RequestId,
    next: impl FnOnce(&mut RenewalItem),
    cx: &mut UpdateContext<'_>,
) {
    if let Some(item) = kubeconfig.renewal_item(request) {
        next(item);
        go_on(kubeconfig, cx);
    }
}

/// The answer of SKE; an issued kubeconfig is held as undelivered until it is saved.
pub fn issued(
    kubeconfig: &mut KubeconfigState,
    request: RequestId,
    failure: Option<Failure>,
    cx: &mut UpdateContext<'_>,
) {
    let next = |item: &mut RenewalItem| {
        item.issued = failure.is_none().then_some(request);
        item.stage = failure.map_or(RenewalItemStage::Ready, RenewalItemStage::Failed);
    };
    apply_result(kubeconfig, request, next, cx);
}

/// The result of saving.
pub fn saved(
    kubeconfig: &mut KubeconfigState,
    request: RequestId,
    (result, until): (Result<Saved, NotSaved>, Option<jiff::Timestamp>),
    cx: &mut UpdateContext<'_>,
) {
    let next = |item: &mut RenewalItem| match result {
        Ok(_) => (item.issued, item.stage) = (None, RenewalItemStage::Done(until)),
        Err(NotSaved::Failed(failure)) => item.stage = RenewalItemStage::Failed(failure),
        Err(NotSaved::Taken(plan)) => {
            item.stage = RenewalItemStage::Failed(of_another(&plan).hint(text::ISSUED_KEPT));
        }
        Err(NotSaved::Changed(plan)) => {
            (item.plan, item.stage) = (Some(Box::new(plan)), RenewalItemStage::Changed);
        }
    };
    apply_result(kubeconfig, request, next, cx);
}

/// Closes a renewal that has not started: its cluster is no longer listed.
pub fn cluster_missing(
    kubeconfig: &mut KubeconfigState,
    id: &ClusterId,
    cx: &mut UpdateContext<'_>,
) {
    let is_open = |renewal: &mut Box<Renewal>| {
        renewal.cluster.id == *id && renewal.stage == RenewalStage::Reviewing
    };
    if kubeconfig.renewal.take_if(is_open).is_some() {
        cx.toast(text::not_listed(&id.name));
    }
}
