//! From Kubernetes API objects to what a rotation needs of them. Every field is optional, and every text is cleaned.
//! Irrelevant objects (finished pods, volumes that attach anywhere) become `None`.

mod admission;
mod budget;
mod checklist;
mod event;
mod node;
mod pod;
mod storage;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

pub use crate::clients::kubernetes::decode::admission::{
    endpoints, mutating, namespace, validating,
};
pub use crate::clients::kubernetes::decode::budget::budget;
pub use crate::clients::kubernetes::decode::checklist::{CHECKLIST_KEY, checklist};
pub use crate::clients::kubernetes::decode::event::{creation_event, node_event, pod_event};
pub use crate::clients::kubernetes::decode::node::{node, template};
pub use crate::clients::kubernetes::decode::pod::pod;
pub use crate::clients::kubernetes::decode::storage::{attachment, bound_volume};
pub use crate::clients::kubernetes::decode::tokens::{root_bundle, service_account, token_secret};
use crate::domain::snapshot::Labels;
use crate::domain::text::clean;

/// A non-empty text, cleaned.
fn some(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| clean(text))
}

/// A text, cleaned; empty if absent.
fn text(text: Option<&String>) -> String {
    some(text).unwrap_or_default()
}

fn label(meta: &ObjectMeta, key: &str) -> Option<String> {
    some(meta.labels.as_ref().and_then(|labels| labels.get(key)))
}

fn annotation(meta: &ObjectMeta, key: &str) -> Option<String> {
    some(meta.annotations.as_ref().and_then(|annotations| annotations.get(key)))
}

/// Whether an annotation is present and not "false".
fn is_annotated(meta: &ObjectMeta, key: &str) -> bool {
    let value = meta.annotations.as_ref().and_then(|annotations| annotations.get(key));
    value.is_some_and(|value| !value.eq_ignore_ascii_case("false"))
}

fn labels(map: Option<&BTreeMap<String, String>>) -> Labels {
    map.into_iter().flatten().map(|(key, value)| (clean(key), clean(value))).collect()
}

fn at(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// "Reason: message", or whichever is present.
fn because(reason: Option<&String>, message: Option<&String>) -> Option<String> {
    match (some(reason), some(message)) {
        (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
        (reason, message) => reason.or(message),
    }
}
