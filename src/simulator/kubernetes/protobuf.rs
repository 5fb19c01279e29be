//! Decodes bodies that kubectl sends in the protobuf encoding of Kubernetes: access reviews, token requests, evictions.
//! Responses are JSON, which all clients accept.

use serde_json::{Map, Value, json};

use crate::simulator::kubernetes::json::set;

const MAGIC: &[u8] = b"k8s\0";

/// Number of a field, its value if numeric, otherwise its bytes.
type Field<'a> = (u64, Option<u64>, &'a [u8]);

/// Decodes a body; `None` if it is not such a message.
pub fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let type_meta = fields(bytes(&envelope, 1)?)?;
    let message = fields(bytes(&envelope, 2).unwrap_or_default())?;
    let kind = texts(&type_meta, &["apiVersion", "kind"]);
    let name = kind.get("kind").and_then(Value::as_str).unwrap_or_default();
    let mut found = match name {
        "DeleteOptions" => delete_options(&message),
        "Eviction" => {
            let options = bytes(&message, 2).map(fields);
            match options {
                Some(options) => json!({"deleteOptions": delete_options(&options?)}),
                None => json!({}),
            }
        }
        "SelfSubjectAccessReview" => json!({"spec": access_spec(&spec(&message)?)?}),
        "SelfSubjectReview" => json!({}),
        "TokenRequest" => json!({"spec": token_spec(&spec(&message)?)?}),
        _ => return None,
    };
    // The first field is the metadata, except in `DeleteOptions`.
    if name != "DeleteOptions" {
        let metadata = fields(bytes(&message, 1).unwrap_or_default())?;
        set(&mut found, "metadata", texts(&metadata, &["name", "", "namespace"]));
    }
    for field in ["apiVersion", "kind"] {
        set(&mut found, field, kind.get(field).cloned().unwrap_or_default());
    }
    Some(found)
}

fn spec<'a>(message: &[Field<'a>]) -> Option<Vec<Field<'a>>> {
    fields(bytes(message, 2).unwrap_or_default())
}

/// The string fields, numbered from 1.
fn texts(message: &[Field<'_>], names: &[&str]) -> Value {
    let pairs = (1..).zip(names).filter(|(_, name)| !name.is_empty());
    let text = |number| string(bytes(message, number)?).filter(|text| !text.is_empty());
    let found: Map<String, Value> = pairs
        .filter_map(|(number, name)| Some(((*name).to_owned(), text(number)?.into())))
        .collect();
    Value::Object(found)
}

fn access_spec(spec: &[Field<'_>]) -> Option<Value> {
    let mut found = json!({});
    if let Some(attributes) = bytes(spec, 1) {
        let names = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
        set(&mut found, "resourceAttributes", texts(&fields(attributes)?, &names));
    }
    if let Some(attributes) = bytes(spec, 2) {
        let attributes = texts(&fields(attributes)?, &["path", "verb"]);
        set(&mut found, "nonResourceAttributes", attributes);
    }
    Some(found)
}

fn token_spec(spec: &[Field<'_>]) -> Option<Value> {
    let mut found = json!({"audiences": strings(spec, 1)});
    if let Some(bound) = bytes(spec, 3) {
        let names = ["kind", "apiVersion", "name", "uid"];
        set(&mut found, "boundObjectRef", texts(&fields(bound)?, &names));
    }
    if let Some(seconds) = number(spec, 4) {
        set(&mut found, "expirationSeconds", json!(seconds));
    }
    Some(found)
}

fn delete_options(message: &[Field<'_>]) -> Value {
    let mut options = json!({});
    if let Some(seconds) = number(message, 1) {
        set(&mut options, "gracePeriodSeconds", json!(seconds));
    }
    if let Some(preconditions) = bytes(message, 2).and_then(fields) {
        let preconditions = texts(&preconditions, &["uid", "resourceVersion"]);
        set(&mut options, "preconditions", preconditions);
    }
    if let Some(orphan) = number(message, 3) {
        set(&mut options, "orphanDependents", json!(orphan != 0));
    }
    if let Some(policy) = bytes(message, 4).and_then(string) {
        set(&mut options, "propagationPolicy", json!(policy));
    }
    let dry_run = strings(message, 5);
    if !dry_run.is_empty() {
        set(&mut options, "dryRun", json!(dry_run));
    }
    options
}

fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let (value, length) = match key & 7 {
            0 => (Some(varint(&mut bytes)?), 0),
            1 => (None, 8),
            2 => (None, usize::try_from(varint(&mut bytes)?).ok()?),
            5 => (None, 4),
            _ => return None,
        };
        let (content, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        found.push((key >> 3, value, content));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn all<'a>(fields: &[Field<'a>], wanted: u64) -> impl Iterator<Item = &'a [u8]> {
    let fields =
        fields.iter().filter(move |(number, value, _)| *number == wanted && value.is_none());
    fields.map(|(_, _, bytes)| *bytes)
}

fn bytes<'a>(fields: &[Field<'a>], wanted: u64) -> Option<&'a [u8]> {
    all(fields, wanted).next()
}

fn string(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn strings(fields: &[Field<'_>], wanted: u64) -> Vec<String> {
    all(fields, wanted).filter_map(string).collect()
}

fn number(fields: &[Field<'_>], wanted: u64) -> Option<i64> {
    let mut fields = fields.iter().filter(|(number, ..)| *number == wanted);
    // Negative numbers are encoded as large unsigned ones.
    fields.find_map(|(_, value, _)| value.map(u64::cast_signed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::kubernetes::protobuf::read;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length], bytes].concat()
    }

    fn message(kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"x/v1"), field(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), field(1, &meta), field(2, raw)].concat()
    }

    fn with_kind(kind: &str, mut fields: serde_json::Value) -> serde_json::Value {
        fields["apiVersion"] = "x/v1".into();
        fields["kind"] = kind.into();
        fields
    }

    #[test]
    fn what_kubectl_sends_is_read() {
        let attributes = [field(1, b"shop"), field(2, b"list"), field(5, b"secrets")].concat();
        let kind = "SelfSubjectAccessReview";
        let review = message(kind, &field(2, &field(1, &attributes)));
        let expected = json!({"namespace": "shop", "verb": "list", "resource": "secrets"});
        let expected = json!({"metadata": {}, "spec": {"resourceAttributes": expected}});
        assert_eq!(read(&review).unwrap(), with_kind(kind, expected));
        let path = field(2, &[field(1, b"/healthz"), field(2, b"get")].concat());
        let expected = json!({"path": "/healthz", "verb": "get"});
        let expected = json!({"metadata": {}, "spec": {"nonResourceAttributes": expected}});
        assert_eq!(read(&message(kind, &field(2, &path))).unwrap(), with_kind(kind, expected));
        let spec = [field(1, b"vault"), vec![4 << 3, 0x90, 0x1c]].concat();
        let token = message("TokenRequest", &field(2, &spec));
        let expected = json!({"audiences": ["vault"], "expirationSeconds": 3_600});
        let expected = json!({"metadata": {}, "spec": expected});
        assert_eq!(read(&token).unwrap(), with_kind("TokenRequest", expected));
        let metadata = [field(1, b"web"), field(3, b"shop")].concat();
        let wanted = [field(1, b"u-1"), field(2, b"17")].concat();
        let options =
            [vec![1 << 3, 7], field(2, &wanted), field(4, b"Orphan"), field(5, b"All")].concat();
        let decoded = json!({
            "gracePeriodSeconds": 7, "preconditions": {"uid": "u-1", "resourceVersion": "17"},
            "propagationPolicy": "Orphan", "dryRun": ["All"],
        });
        let eviction = [field(1, &metadata), field(2, &options)].concat();
        let expected =
            json!({"metadata": {"name": "web", "namespace": "shop"}, "deleteOptions": decoded});
        let found = read(&message("Eviction", &eviction)).unwrap();
        assert_eq!(found, with_kind("Eviction", expected));
        let found = read(&message("DeleteOptions", &options)).unwrap();
        assert_eq!(found, with_kind("DeleteOptions", decoded));
    }

    #[test]
    fn what_is_cut_or_something_else_is_refused() {
        assert_eq!(read(b"{}"), None);
        assert_eq!(read(&message("Pod", &field(1, b""))), None);
        let whole = message("Eviction", &field(2, &[1 << 3, 7]));
        for length in 5..whole.len() {
            let cut = read(&whole[..length]);
            assert!(cut.is_none_or(|cut| cut.get("deleteOptions").is_none()), "{length}");
        }
    }
}
