//! Patches: JSON merge patch (RFC 7386), which serves strategic merges of what may be changed here as well, and
//! JSON patch (RFC 6902).

use serde_json::{Map, Value};

/// Merges a patch into a document; null removes.
pub fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        document.clone_from(patch);
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Some(fields) = document.as_object_mut() else { return };
    for (key, value) in patch {
        // Directives of strategic merges concern lists that cannot be changed here.
        if key.starts_with('$') {
            continue;
        }
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Applies a JSON patch.
///
/// # Errors
/// A sentence that names the operation that cannot be done.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), String> {
    for operation in patch.as_array().ok_or("the patch is no list")? {
        let text = |name: &str| operation.get(name).and_then(Value::as_str);
        let path = text("path").ok_or("an operation has no path")?;
        let value = || operation.get("value").cloned().unwrap_or(Value::Null);
        let cannot = || format!("the operation {operation} cannot be done");
        match text("op") {
            Some("add") => add(document, path, value()).ok_or_else(cannot)?,
            Some("replace") => {
                *document.pointer_mut(path).ok_or_else(cannot)? = value();
            }
            Some("remove") => {
                remove(document, path).ok_or_else(cannot)?;
            }
            Some("test") => {
                if document.pointer(path) != Some(&value()) {
                    return Err(format!("testing path {path} failed"));
                }
            }
            _ => return Err(cannot()),
        }
    }
    Ok(())
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *document = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.insert(last, value);
        }
        Value::Array(list) => {
            let at = if last == "-" { list.len() } else { last.parse().ok()? };
            if at > list.len() {
                return None;
            }
            list.insert(at, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match document.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&last),
        Value::Array(list) => {
            let at: usize = last.parse().ok()?;
            (at < list.len()).then(|| list.remove(at))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::kubernetes::patch::{apply, merge};

    #[test]
    fn merges_replace_and_remove() {
        let mut document = json!({"spec": {"unschedulable": true, "taints": [1]}, "a": 1});
        merge(&mut document, &json!({"spec": {"unschedulable": null, "x": {"y": 2}}, "$patch": 1}));
        assert_eq!(document, json!({"spec": {"taints": [1], "x": {"y": 2}}, "a": 1}));
    }

    #[test]
    fn json_patches_go_operation_by_operation() {
        let mut document = json!({"metadata": {"labels": {"a/b": "c"}}, "list": [1, 2]});
        apply(
            &mut document,
            &json!([
                {"op": "test", "path": "/metadata/labels/a~1b", "value": "c"},
                {"op": "remove", "path": "/metadata/labels/a~1b"},
                {"op": "add", "path": "/metadata/labels/d", "value": "e"},
                {"op": "add", "path": "/list/-", "value": 3},
                {"op": "add", "path": "/list/0", "value": 0},
                {"op": "replace", "path": "/list/1", "value": 9},
                {"op": "remove", "path": "/list/2"},
            ]),
        )
        .unwrap();
        assert_eq!(document, json!({"metadata": {"labels": {"d": "e"}}, "list": [0, 9, 3]}));
        assert!(apply(&mut document, &json!([{"op": "remove", "path": "/none/x"}])).is_err());
        assert!(
            apply(&mut document, &json!([{"op": "test", "path": "/list/0", "value": 7}])).is_err()
        );
        assert!(
            apply(&mut document, &json!([{"op": "replace", "path": "/none", "value": 7}])).is_err()
        );
    }
}
