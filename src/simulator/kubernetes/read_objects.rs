//! Reads: single objects, paged lists as of one version, and the options of a watch.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{ObjectKey, StoredObject};
use crate::simulator::cluster::store::{ObjectStore, UnavailableVersion};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::{ListPage, ObjectWriter};
use crate::simulator::kubernetes::options::ListOptions;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::selectors::ObjectSelector;
use crate::simulator::kubernetes::status::{bad_request, gone, internal_error, not_found, too_new};

/// The options of a watch.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    pub writer: ObjectWriter,
    pub selector: ObjectSelector,
    /// The version to start after; `None` starts with the current objects.
    pub after: Option<u64>,
    pub bookmarks: bool,
    /// Whether the current objects are sent first, followed by a bookmark.
    pub initial_events: bool,
    pub timeout: Option<u64>,
    /// Whether all past versions are compacted, regardless of the log.
    pub compacted: bool,
}

/// Outcome of a read.
pub enum ReadOutcome {
    Answer(JsonResponse),
    Watch(Box<WatchOptions>),
}

/// Reads the target of a request, or rejects it; `streams_lists`: whether a list can be sent as a watch.
pub fn read(
    store: &ObjectStore,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
    streams_lists: bool,
) -> Result<ReadOutcome, JsonResponse> {
    let RequestTarget { resource, namespace, name, .. } = target;
    let is_list = name.is_empty() && !request.is_on("watch");
    let writer = ObjectWriter::new(resource, request, view, is_list)?;
    if !name.is_empty() {
        check_not_newer(parse_version(request.value("resourceVersion"))?, store.version())?;
        let object = store.get(resource.kind, &ObjectKey::new(namespace, name));
        let object = object.ok_or_else(|| not_found(resource, name))?;
        return Ok(ReadOutcome::Answer((200, writer.one(object, object.meta.version, true))));
    }
    let options = ListOptions::read(request, streams_lists)?;
    let (labels, fields) = (request.value("labelSelector"), request.value("fieldSelector"));
    let selector = ObjectSelector::new(resource, namespace, labels, fields).map_err(bad_request)?;
    if options.watch {
        let version = match options.initial_events {
            Some(true) => None,
            Some(false) if options.version.is_empty() => Some(store.version()),
            _ => parse_version(&options.version)?,
        };
        return Ok(ReadOutcome::Watch(Box::new(WatchOptions {
            writer,
            selector,
            after: version.filter(|version| *version > 0),
            bookmarks: options.bookmarks,
            // A client that starts with the current objects and wants bookmarks gets one after them, too.
            initial_events: options.initial_events.unwrap_or(
                streams_lists && options.bookmarks && matches!(&*options.version, "" | "0"),
            ),
            timeout: options.timeout,
            compacted: false,
        })));
    }
    list(store, &writer, &selector, request.value("continue"), &options).map(ReadOutcome::Answer)
}

/// Parses the version of a request.
fn parse_version(text: &str) -> Result<Option<u64>, JsonResponse> {
    if text.is_empty() {
        return Ok(None);
    }
    let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
    let wrong = format!("resourceVersion: Invalid value: \"{text}\": {why}");
    text.parse::<u64>().ok().map(Some).ok_or_else(|| internal_error(&wrong))
}

/// Parses the version of a list, which has a different error.
fn list_version(text: &str) -> Result<Option<u64>, JsonResponse> {
    parse_version(text).map_err(|(_, body)| {
        let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
        bad_request(message)
    })
}

/// Rejects a future version.
fn check_not_newer(version: Option<u64>, current: u64) -> Result<(), JsonResponse> {
    match version.filter(|version| *version > current) {
        Some(version) => Err(too_new(version, current)),
        None => Ok(()),
    }
}

fn list(
    store: &ObjectStore,
    writer: &ObjectWriter,
    selector: &ObjectSelector,
    token: &str,
    options: &ListOptions,
) -> Result<JsonResponse, JsonResponse> {
    let (at, after) = if token.is_empty() {
        let version = list_version(&options.version)?;
        check_not_newer(version, store.version())?;
        match version {
            Some(version) if options.exact => (version, None),
            _ => (store.version(), None),
        }
    } else {
        if !matches!(&*options.version, "" | "0") {
            return Err(bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let (version, key) =
            read_token(token).ok_or_else(|| bad_request("continue key is not valid"))?;
        (version, Some(key))
    };
    // Version 0 is answered from the cache, which ignores limits.
    let limit = options.limit.filter(|_| options.version != "0");
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
        let key = &object.meta.key;
        let is_after = |after: &ObjectKey| match selector.namespace() {
            "" => key > after,
            // The token of a namespace continues any other one by name.
            _ => key.name > after.name,
        };
        after.as_ref().is_none_or(is_after) && selector.matches(object)
    };
    let mut rest = stored.iter().filter(is_later).map(|object| &**object);
    let objects: Vec<&StoredObject> = rest.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
    let next = match (rest.count(), objects.last()) {
        (remaining @ 1.., Some(last)) => {
            Some((write_token(at, &last.meta.key), selector.is_everything().then_some(remaining)))
        }
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
