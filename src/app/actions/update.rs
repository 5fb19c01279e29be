//! The request, and its answer.

use crate::app::actions::text;
use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::requests::{RequestId, RequestOwner};
use crate::domain::action::{Accepted, Trigger};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::record::Outcome;

/// Sends the action to SKE.
pub fn send(cluster: &ClusterId, action: Trigger, cx: &mut UpdateContext<'_>) {
    let verb = action.label().to_lowercase();
    let owner = RequestOwner::Action { cluster: cluster.clone(), action };
    let id = cluster.clone();
    cx.request_logged(owner, cluster, (&verb, verb.clone()), |intent| Request::Act {
        id,
        action,
        intent,
    });
}

/// The answer of SKE, or a failure.
pub fn answered(
    (id, action, request): (&ClusterId, Trigger, RequestId),
    result: Result<Accepted, Failure>,
    cx: &mut UpdateContext<'_>,
) {
    let verb = action.label().to_lowercase();
    let (outcome, text, trace) = match result {
        Ok(accepted) => {
            cx.toast(text::accepted(cx.fleet.label(id), &verb));
            (Outcome::Done, text::log_accepted(&verb, accepted.status), accepted.trace)
        }
        Err(failure) => {
            let text = text::log_failed(&verb, &id.name, &failure);
            let unknown = failure.leaves_outcome_unknown();
            let trace = failure.trace.clone();
            cx.notices.error(failure);
            (if unknown { Outcome::Unknown } else { Outcome::Refused }, text, trace)
        }
    };
    let record = cx.record(Some(id), &verb, outcome, text);
    cx.journal(cx.about(record, request, trace));
    cx.read_cluster(id, RequestId::default());
}
