//! Reads: one object, and lists page by page, each of them as of one version.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{Key, Object};
use crate::simulator::cluster::store::{Lost, Store};
use crate::simulator::kubernetes::asked::{Asked, Target};
use crate::simulator::kubernetes::selectors::Selection;
use crate::simulator::kubernetes::status::{
    Answer, bad_request, failure, gone, invalid_option, not_found, too_new,
};
use crate::simulator::kubernetes::view::View;
use crate::simulator::kubernetes::write::{Page, Writer};

/// A watch that is to begin.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// How objects are written.
    pub writer: Writer,
    pub selection: Selection,
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
pub enum Read {
    Answer(Answer),
    Watch(Box<Beginning>),
}

/// Reads what was asked for.
pub fn read(store: &Store, target: Target<'_>, asked: &Asked, view: View) -> Read {
    let Some(form) = asked.form() else {
        let message = "only the following media types are accepted: application/json";
        return Read::Answer(failure(406, "NotAcceptable", message));
    };
    let writer = Writer { resource: target.resource, form, view };
    if !target.name.is_empty() && !asked.is_on("watch") {
        return Read::Answer(one(store, target, &writer));
    }
    let namespace = (!target.namespace.is_empty()).then_some(target.namespace);
    let (labels, fields) = (asked.value("labelSelector"), asked.value("fieldSelector"));
    let selection = match Selection::new(target.resource.name, namespace, labels, fields) {
        Ok(selection) if target.name.is_empty() => selection,
        Ok(selection) => selection.named(target.name),
        Err(message) => return Read::Answer(bad_request(&message)),
    };
    let numbers = asked
        .number("resourceVersion")
        .and_then(|version| Ok((version, asked.number("limit")?, asked.number("timeoutSeconds")?)));
    let (version, limit, timeout) = match numbers {
        Ok(numbers) => numbers,
        Err(message) => return Read::Answer(bad_request(&message)),
    };
    if asked.is_on("sendInitialEvents") {
        let why =
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return Read::Answer(invalid_option("sendInitialEvents", why));
    }
    if asked.is_on("watch") {
        return Read::Watch(Box::new(Beginning {
            writer,
            selection,
            after: version.filter(|version| *version > 0),
            bookmarks: asked.is_on("allowWatchBookmarks"),
            timeout,
            compacted: false,
        }));
    }
    let exact = asked.value("resourceVersionMatch") == "Exact";
    Read::Answer(list(store, &writer, &selection, asked.value("continue"), version, exact, limit))
}

fn one(store: &Store, target: Target<'_>, writer: &Writer) -> Answer {
    let key = Key::new(target.namespace, target.name);
    match store.get(target.resource.kind, &key) {
        Some(object) => (200, writer.one(object, object.meta.version, true)),
        None => not_found(target.resource, target.name),
    }
}

fn list(
    store: &Store,
    writer: &Writer,
    selection: &Selection,
    token: &str,
    version: Option<u64>,
    exact: bool,
    limit: Option<u64>,
) -> Answer {
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
        Err(Lost::TooOld(_)) if begin.is_some() => {
            return gone(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter.",
            );
        }
        Err(Lost::TooOld(oldest)) => {
            return gone(&format!(
                "The resourceVersion for the provided list is too old: {oldest}"
            ));
        }
        Err(Lost::TooNew(current)) => return too_new(at, current),
    };
    let later = |object: &&Arc<Object>| {
        begin.as_ref().is_none_or(|begin| object.meta.key > *begin) && selection.takes(object)
    };
    let mut rest = objects.iter().filter(later).map(|object| &**object);
    let limit = limit.filter(|limit| *limit > 0).and_then(|limit| usize::try_from(limit).ok());
    let mut page = Page { objects: Vec::new(), version: at, next: String::new(), remaining: None };
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

fn write_token(version: u64, key: &Key) -> String {
    let token = json!({"v": version, "namespace": &*key.namespace, "name": &*key.name});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

fn read_token(token: &str) -> Option<(u64, Key)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let token: Value = serde_json::from_slice(&bytes).ok()?;
    let text = |name: &str| token.get(name).and_then(Value::as_str);
    Some((token.get("v")?.as_u64()?, Key::new(text("namespace")?, text("name")?)))
}
