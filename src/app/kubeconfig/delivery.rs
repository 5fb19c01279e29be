//! The answer of SKE, and the delivery of a kubeconfig. An issued kubeconfig is never lost silently.

use std::time::Duration;

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::event::Event;
use crate::app::kubeconfig::destination::Destination;
use crate::app::kubeconfig::form::{KubeconfigForm, KubeconfigFormStage};
use crate::app::kubeconfig::state::{KubeconfigState, PrintOnExit};
use crate::app::kubeconfig::text;
use crate::app::kubeconfig::unsaved::UnsavedKubeconfig;
use crate::app::message::{Copied, IssuedKubeconfig};
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId, RequestOwner};
use crate::domain::cluster::ClusterId;
use crate::domain::credential::{Access, KubeconfigLocation};
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::{EntryOwner, KubeconfigKind, MergeOptions, renamed};
use crate::domain::record::{Outcome, Record};

/// A delivery in progress: its request, the request that returned the kubeconfig, and the dialog that sent it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    pub request: RequestId,
    pub kubeconfig: RequestId,
    pub dialog: DialogId,
}

/// Handles the answer of SKE. An issued kubeconfig is held until it is saved or discarded. Returns the failure as
/// displayed.
pub fn issued(
    kubeconfig: &mut KubeconfigState,
    (request, asked): (RequestId, KubeconfigRequest),
    result: Result<IssuedKubeconfig, Failure>,
    cx: &mut UpdateContext<'_>,
) -> Option<Failure> {
    let is_renewal = kubeconfig.renewal_item(request).is_some();
    let waits = |form: &&mut KubeconfigForm| matches!(form.stage, KubeconfigFormStage::Issuing(waited) if waited == request);
    let form = kubeconfig.form_of(asked.dialog).filter(waits);
    let is_awaited = is_renewal || form.is_some();
    let issued = match result {
        Ok(issued) => issued,
        Err(failure) => {
            let (label, asked) = (cx.fleet.label(&asked.cluster.id), (request, asked));
            let shown = not_issued(form.map(|form| &mut form.stage), asked, failure, cx);
            if !is_awaited {
                cx.notices.error(shown.clone().tried(text::kubeconfig_of(label)));
            }
            return Some(shown);
        }
    };
    let id = asked.cluster.id.clone();
    let held = UnsavedKubeconfig { request: asked, issued };
    let shorter = held.is_shorter_than_asked();
    let text = if shorter { text::LOG_ISSUED_SHORTER } else { "issued" };
    let expires = held.issued.expires;
    let record = cx.record(Some(&id), "kubeconfig", Outcome::Done, text);
    let record = cx.about(record, request, None);
    cx.journal(record.ending(expires));
    if let Some(form) = form {
        form.issued = Some((request, held.clone()));
        kubeconfig.unsaved.insert(request, held);
        deliver(kubeconfig, cx);
        return None;
    }
    kubeconfig.unsaved.insert(request, held);
    if is_renewal {
        return None;
    }
    let label = cx.fleet.label(&id);
    let end = expires.map(|at| text::expires_at(cx.shared.zone().full(at)));
    let end = end.unwrap_or_default();
    cx.toast(text::issued_not_saved(&label, &end));
    None
}

fn not_issued(
    form: Option<&mut KubeconfigFormStage>,
    (request, asked): (RequestId, KubeconfigRequest),
    mut failure: Failure,
    cx: &mut UpdateContext<'_>,
) -> Failure {
    let id = &asked.cluster.id;
    let unknown = failure.leaves_outcome_unknown() && asked.kind == KubeconfigKind::Admin;
    let mut shown = failure.clone();
    let expires = asked.until().filter(|_| unknown);
    if unknown {
        let hint = text::MAYBE_ISSUED;
        let end = expires.map(|at| text::expires_anyway(cx.shared.zone().full(at)));
        shown.hint = Some(format!("{hint}{}", end.unwrap_or_default()));
        failure.hint = Some(hint.to_owned());
    }
    if let Some(stage) = form {
        *stage = KubeconfigFormStage::Failed(shown.clone());
    }
    let outcome = if unknown { Outcome::Unknown } else { Outcome::Refused };
    let record = cx.record(Some(id), "kubeconfig", outcome, failure.to_string());
    let record = cx.about(record, request, failure.trace);
    cx.journal(record.ending(expires));
    shown
}

/// Delivers the form's kubeconfig to its destination.
pub fn deliver(kubeconfig: &mut KubeconfigState, cx: &mut UpdateContext<'_>) {
    let Some(form) = &mut kubeconfig.form else { return };
    let Some((brought_by, held)) = form.issued.clone() else { return };
    let context = form.context.value().trim().to_owned();
    let fresh = held.issued.fresh;
    let text = || renamed(&fresh, &context);
    let sent = match (form.target(), form.destination) {
        (Some(file), _) => {
            let plan = form.plan();
            let is_shown = plan.is_some_and(|plan| matches!(plan.owner, EntryOwner::Another(_)));
            Ok(Request::Save {
                file,
                options: MergeOptions {
                    context,
                    make_current: form.make_current,
                    replace: form.replace,
                    replace_another: form.replace && is_shown,
                    in_place: false,
                },
                fingerprint: plan.and_then(|plan| plan.fingerprint.clone()),
                keeps_backup: false,
                fresh,
            })
        }
        (None, Destination::Clipboard) => text().map(Request::CopySecret),
        (None, Destination::Merge | Destination::File | Destination::Print) => match text() {
            Ok(text) => {
                let id = &held.request.cluster.id;
                let record = cx.record(Some(id), "save", Outcome::Unknown, text::LOG_NOT_PRINTED);
                let record = cx.about(record, brought_by, None).ending(held.issued.expires);
                kubeconfig.print.push(PrintOnExit { text, not_printed: Some(record) });
                let (ids, location) = ((brought_by, form.id), KubeconfigLocation::Stdout);
                return delivered(kubeconfig, ids, location, None, Vec::new(), cx);
            }
            Err(failure) => Err(failure),
        },
    };
    form.stage = match sent {
        Ok(request) => {
            let owner = RequestOwner::Delivery { kubeconfig: brought_by, dialog: form.id };
            KubeconfigFormStage::Saving(cx.request(owner, request))
        }
        Err(failure) => KubeconfigFormStage::Failed(failure),
    };
}

/// Saving is late but may still succeed: its answer follows.
pub fn late(
    kubeconfig: &mut KubeconfigState,
    delivery: Delivery,
    failure: Failure,
    cx: &mut UpdateContext<'_>,
) {
    if kubeconfig.late.contains_key(&delivery.request) {
        return;
    }
    let Some(held) = kubeconfig.unsaved.get(&delivery.kubeconfig).cloned() else { return };
    let record =
        cx.record(Some(&held.request.cluster.id), "save", Outcome::Unknown, failure.to_string());
    cx.journal(cx.about(record, delivery.kubeconfig, None));
    kubeconfig.late.insert(delivery.request, (delivery.kubeconfig, held));
    match form_that_saves(kubeconfig, delivery) {
        Some(form) => form.stage = KubeconfigFormStage::Failed(failure),
        None => cx.notices.error(failure),
    }
}

/// Restores a late kubeconfig, so that its result counts even if it was saved elsewhere or discarded meanwhile.
pub fn take_back(kubeconfig: &mut KubeconfigState, request: RequestId) {
    if let Some((brought_by, held)) = kubeconfig.late.remove(&request) {
        kubeconfig.unsaved.entry(brought_by).or_insert(held);
    }
}

/// The kubeconfig was delivered: remembers it, reports its expiry, closes its form. `copied`: starts the sentence,
/// instead of the place.
pub fn delivered(
    kubeconfig: &mut KubeconfigState,
    (brought_by, dialog): (RequestId, DialogId),
    location: KubeconfigLocation,
    copied: Option<String>,
    notes: Vec<String>,
    cx: &mut UpdateContext<'_>,
) {
    let is_on_its_way = |(_, owner): (_, &RequestOwner)| matches!(owner, RequestOwner::Delivery { kubeconfig, .. } if *kubeconfig == brought_by);
    let held = if cx.requests.open().any(is_on_its_way) {
        // Another delivery of it is in progress and has its own answer.
        kubeconfig.unsaved.get(&brought_by).cloned()
    } else {
        if kubeconfig.form_of(dialog).is_some() {
            kubeconfig.form = None;
        }
        kubeconfig.unsaved.remove(&brought_by)
    };
    let Some(held) = held else { return };
    let (cluster, expires) = (&held.request.cluster, held.issued.expires);
    let label = cx.fleet.label(&cluster.id);
    let is_stdout = location == KubeconfigLocation::Stdout;
    let destination =
        if is_stdout { text::STDOUT_AFTER_EXIT.to_owned() } else { location.describe() };
    let mut text = copied
        .map_or_else(|| text::delivered(&label, &destination), |how| text::copied(&how, &label));
    if let Some(at) = expires {
        text.push_str(&text::expiring_at(cx.shared.zone().full(at)));
    }
    if held.is_shorter_than_asked() {
        text.push_str(text::SHORTER);
    }
    text.extend(notes.iter().map(|note| format!("; {note}")));
    cx.toast(text);
    let record =
        cx.record(Some(&cluster.id), "save", Outcome::Done, text::log_delivered(&destination));
    let record = cx.about(record, brought_by, None);
    cx.journal(record);
    cx.raise(Event::KubeconfigDelivered(Box::new(Access {
        cluster: cluster.id.clone(),
        created: cluster.created,
        kind: held.request.kind,
        issued: held.request.asked,
        expires,
        location,
        issuance: held.issued.issuance.clone(),
        forgotten: false,
    })));
}

/// The kubeconfig was copied.
pub fn copied(
    kubeconfig: &mut KubeconfigState,
    delivery: Delivery,
    copied: Copied,
    cx: &mut UpdateContext<'_>,
) {
    let clear = cx.shared.settings.clipboard_clear;
    let at = cx.shared.now.monotonic.saturating_add(clear);
    kubeconfig.clipboard.insert(delivery.request, at);
    let unless = if copied.can_check { text::UNLESS_REPLACED } else { "" };
    let note = text::cleared_in(clear.as_secs(), unless);
    let (location, ids) = (KubeconfigLocation::Clipboard, (delivery.kubeconfig, delivery.dialog));
    delivered(kubeconfig, ids, location, Some(copied.how), vec![note], cx);
}

/// The form that waits for this delivery, if still open.
pub fn form_that_saves(
    kubeconfig: &mut KubeconfigState,
    delivery: Delivery,
) -> Option<&mut KubeconfigForm> {
    let is_late = kubeconfig.late.contains_key(&delivery.request);
    kubeconfig.form_of(delivery.dialog).filter(|form| match form.stage {
        KubeconfigFormStage::Saving(saved) => saved == delivery.request,
        KubeconfigFormStage::Failed(_) => is_late,
        KubeconfigFormStage::Editing
        | KubeconfigFormStage::Asking { .. }
        | KubeconfigFormStage::Issuing(_) => false,
    })
}

/// Delivery failed: nothing is lost. An open form offers other destinations, a renewal shows the reason.
pub fn not_delivered(
    kubeconfig: &mut KubeconfigState,
    delivery: Delivery,
    failure: Failure,
    cx: &mut UpdateContext<'_>,
) {
    let text = failure.to_string();
    let is_renewal = kubeconfig.renewal_item(delivery.request).is_some();
    match form_that_saves(kubeconfig, delivery) {
        Some(form) => form.stage = KubeconfigFormStage::Failed(failure),
        None if is_renewal => {}
        None => cx.notices.error(failure),
    }
    let Some(held) = kubeconfig.unsaved.get(&delivery.kubeconfig) else { return };
    let record = cx.record(Some(&held.request.cluster.id), "save", Outcome::Refused, text);
    cx.journal(cx.about(record, delivery.kubeconfig, None));
}

/// The journal record for an issued kubeconfig that is dropped before it was saved.
pub fn dropped_record(
    request: RequestId,
    held: &UnsavedKubeconfig,
    why: &str,
    cx: &UpdateContext<'_>,
) -> Record {
    let record = cx.record(Some(&held.request.cluster.id), "kubeconfig", Outcome::Done, why);
    cx.about(record, request, None).ending(held.issued.expires)
}

/// Drops the undelivered kubeconfigs of a cluster that no longer exists.
pub fn forget(
    kubeconfig: &mut KubeconfigState,
    id: &ClusterId,
    why: &str,
    cx: &mut UpdateContext<'_>,
) {
    let why = text::log_discarded(why);
    let of_cluster = |_: &_, held: &mut UnsavedKubeconfig| held.request.cluster.id == *id;
    for (request, held) in kubeconfig.unsaved.extract_if(.., of_cluster) {
        cx.journal(dropped_record(request, &held, &why, cx));
    }
}

/// Clears copied kubeconfigs from the clipboard whose time is up.
pub fn clear_clipboard(
    kubeconfig: &mut KubeconfigState,
    until: Duration,
    cx: &mut UpdateContext<'_>,
) {
    let due = kubeconfig.clipboard.extract_if(.., |_, at| *at <= until);
    for (copy, _) in due {
        cx.request(RequestOwner::ClearClipboard, Request::ClearClipboard(copy));
    }
}
