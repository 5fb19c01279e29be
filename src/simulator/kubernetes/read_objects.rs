//! Reads: one object, and lists page by page, each of them as of one version.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{ObjectKey, StoredObject};
use crate::simulator::cluster::store::{ObjectStore, UnavailableVersion};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::{ListPage, ObjectWriter};
use crate::simulator::kubernetes::request::{ApiRequest, RequestTarget};
use crate::simulator::kubernetes::selectors::ObjectSelector;
use crate::simulator::kubernetes::status::{
    ApiResponse, bad_request, failure, gone, invalid_option, not_found, too_new,
};

/// A watch that is to begin.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// How objects are written.
    pub writer: ObjectWriter,
    pub selector: ObjectSelector,
    /// After which version; `None` begins with what is there.
    pub after: Option<u64>,
    /// Whether the client wants bookmarks.
    pub bookmarks: bool,
    /// Seconds until the server ends it.
    pub timeout: Option<u64>,
    /// Whether versions that came before are not known any more, whatever they are.
    pub compacted: bool,
}

/// What a read comes to.
pub enum ReadOutcome {
    Answer(ApiResponse),
    Watch(Box<WatchOptions>),
}

/// Reads what was asked for.
pub fn read(
    store: &ObjectStore,
    target: RequestTarget<'_>,
    request: &ApiRequest,
    view: ObjectView,
) -> ReadOutcome {
    let Some(format) = request.format() else {
        let message = "only the following media types are accepted: application/json";
        return ReadOutcome::Answer(failure(406, "NotAcceptable", message));
    };
    let writer = ObjectWriter { resource: target.resource, format, view };
    if !target.name.is_empty() && !request.is_on("watch") {
        return ReadOutcome::Answer(one(store, target, &writer));
    }
    let namespace = (!target.namespace.is_empty()).then_some(target.namespace);
    let (labels, fields) = (request.value("labelSelector"), request.value("fieldSelector"));
    let selector = match ObjectSelector::new(target.resource.name, namespace, labels, fields) {
        Ok(selector) if target.name.is_empty() => selector,
        Ok(selector) => selector.named(target.name),
        Err(message) => return ReadOutcome::Answer(bad_request(&message)),
    };
    let numbers = request.number("resourceVersion").and_then(|version| {
        Ok((version, request.number("limit")?, request.number("timeoutSeconds")?))
    });
    let (version, limit, timeout) = match numbers {
        Ok(numbers) => numbers,
        Err(message) => return ReadOutcome::Answer(bad_request(&message)),
    };
    if request.is_on("sendInitialEvents") {
        let why =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return ReadOutcome::Answer(invalid_option("sendInitialEvents", why));
    }
    if request.is_on("watch") {
        return ReadOutcome::Watch(Box::new(WatchOptions {
            writer,
            selector,
            after: version.filter(|version| *version > 0),
            bookmarks: request.is_on("allowWatchBookmarks"),
            timeout,
            compacted: false,
        }));
    }
    let exact = request.value("resourceVersionMatch") == "Exact";
    ReadOutcome::Answer(list(
        store,
        &writer,
        &selector,
        request.value("continue"),
        version,
        exact,
        limit,
    ))
}

fn one(store: &ObjectStore, target: RequestTarget<'_>, writer: &ObjectWriter) -> ApiResponse {
    let key = ObjectKey::new(target.namespace, target.name);
    match store.get(target.resource.kind, &key) {
        Some(object) => (200, writer.one(object, object.meta.version, true)),
        None => not_found(target.resource, target.name),
    }
}

fn list(
    store: &ObjectStore,
    writer: &ObjectWriter,
    selector: &ObjectSelector,
    token: &str,
    version: Option<u64>,
    exact: bool,
    limit: Option<u64>,
) -> ApiResponse {
    let kind = writer.resource.kind;
    let (at, begin) = if token.is_empty() {
        match version {
            Some(version) if version > store.version() => {
                return too_new(version, store.version());
            }
            Some(version) if exact => (version, None),
            _ => (store.version(), None),
        }
    } else {
        match read_token(token) {
            Some((version, key)) => (version, Some(key)),
            None => return bad_request("continue key is not valid"),
        }
    };
    let objects = match store.list_at(kind, at) {
        Ok(objects) => objects,
        Err(UnavailableVersion::TooOld(_)) if begin.is_some() => {
            return gone(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter.",
            );
        }
        Err(UnavailableVersion::TooOld(oldest)) => {
            return gone(&format!(
                "The resourceVersion for the provided list is too old: {oldest}"
            ));
        }
        Err(UnavailableVersion::TooNew(current)) => return too_new(at, current),
    };
    let later = |object: &&Arc<StoredObject>| {
        begin.as_ref().is_none_or(|begin| object.meta.key > *begin) && selector.matches(object)
    };
    let mut rest = objects.iter().filter(later).map(|object| &**object);
    let limit = limit.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let mut page =
        ListPage { objects: Vec::new(), version: at, next: String::new(), remaining: None };
    match limit {
        None => page.objects.extend(rest),
        Some(limit) => {
            page.objects.extend(rest.by_ref().take(limit));
            let remaining = rest.count();
            if let (1.., Some(last)) = (remaining, page.objects.last()) {
                page.next = write_token(at, &last.meta.key);
                page.remaining = Some(remaining);
            }
        }
    }
    (200, writer.list(&page))
}

fn write_token(version: u64, key: &ObjectKey) -> String {
    let token = json!({"v": version, "namespace": &*key.namespace, "name": &*key.name});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Option<(u64, ObjectKey)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let token: Value = serde_json::from_slice(&bytes).ok()?;
    let text = |name: &str| token.get(name).and_then(Value::as_str);
    Some((token.get("v")?.as_u64()?, ObjectKey::new(text("namespace")?, text("name")?)))
}
