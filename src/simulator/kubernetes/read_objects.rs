//! Reads: one object, lists page by page, each of them as of one version, and the options of a watch.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{ObjectKey, StoredObject};
use crate::simulator::cluster::store::{ObjectStore, UnavailableVersion};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::{ListPage, ObjectWriter};
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::selectors::ObjectSelector;
use crate::simulator::kubernetes::status::{bad_request, gone, invalid_option, not_found, too_new};

/// The options of a watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    pub writer: ObjectWriter,
    pub selector: ObjectSelector,
    /// The version to start after; `None` starts with the present objects.
    pub after: Option<u64>,
    pub bookmarks: bool,
    pub timeout: Option<u64>,
    /// Whether all past versions are compacted, whatever they are.
    pub compacted: bool,
}

/// What a read comes to.
pub enum ReadOutcome {
    Answer(JsonResponse),
    Watch(Box<WatchOptions>),
}

/// Reads the target of a request, or refuses it.
pub fn read(
    store: &ObjectStore,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Result<ReadOutcome, JsonResponse> {
    let RequestTarget { resource, namespace, name, .. } = target;
    let writer = ObjectWriter::new(resource, request, view)?;
    let watches = request.is_on("watch");
    if !name.is_empty() && !watches {
        let object = store.get(resource.kind, &ObjectKey::new(namespace, name));
        let object = object.ok_or_else(|| not_found(resource, name))?;
        return Ok(ReadOutcome::Answer((200, writer.one(object, object.meta.version, true))));
    }
    let (labels, fields) = (request.value("labelSelector"), request.value("fieldSelector"));
    let mut selector =
        ObjectSelector::new(resource.name, namespace, labels, fields).map_err(bad_request)?;
    if !name.is_empty() {
        selector = selector.named(name);
    }
    let number = |name: &str| request.number(name).map_err(bad_request);
    let (version, limit) = (number("resourceVersion")?, number("limit")?);
    let timeout = number("timeoutSeconds")?;
    if request.is_on("sendInitialEvents") {
        let why =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Err(invalid_option("sendInitialEvents", why));
    }
    if watches {
        return Ok(ReadOutcome::Watch(Box::new(WatchOptions {
            writer,
            selector,
            after: version.filter(|version| *version > 0),
            bookmarks: request.is_on("allowWatchBookmarks"),
            timeout,
            compacted: false,
        })));
    }
    let exact = request.value("resourceVersionMatch") == "Exact";
    let token = request.value("continue");
    list(store, &writer, &selector, token, version, exact, limit).map(ReadOutcome::Answer)
}

fn list(
    store: &ObjectStore,
    writer: &ObjectWriter,
    selector: &ObjectSelector,
    token: &str,
    version: Option<u64>,
    exact: bool,
    limit: Option<u64>,
) -> Result<JsonResponse, JsonResponse> {
    let (at, after) = match (token, version) {
        ("", Some(version)) if version > store.version() => {
            return Err(too_new(version, store.version()));
        }
        ("", Some(version)) if exact => (version, None),
        ("", _) => (store.version(), None),
        (token, _) => {
            let (version, key) =
                read_token(token).ok_or_else(|| bad_request("continue key is not valid"))?;
            (version, Some(key))
        }
    };
    let stored = store.list_at(writer.resource.kind, at).map_err(|unavailable| {
        match unavailable {
            UnavailableVersion::TooOld(_) if after.is_some() => gone(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter.",
            ),
            UnavailableVersion::TooOld(oldest) => gone(&format!(
                "The resourceVersion for the provided list is too old: {oldest}"
            )),
            UnavailableVersion::TooNew(current) => too_new(at, current),
        }
    })?;
    let is_later = |object: &&Arc<StoredObject>| {
        after.as_ref().is_none_or(|after| object.meta.key > *after) && selector.matches(object)
    };
    let mut rest = stored.iter().filter(is_later).map(|object| &**object);
    let limit = limit.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let objects: Vec<&StoredObject> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let next = match (rest.count(), objects.last()) {
        (remaining @ 1.., Some(last)) => Some((write_token(at, &last.meta.key), remaining)),
        _ => None,
    };
    Ok((200, writer.list(&ListPage { objects, version: at, next })))
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
