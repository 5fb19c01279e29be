//! Decodes bodies that kubectl sends in the protobuf encoding of Kubernetes: reviews of access, requests for tokens,
//! evictions. Answers are JSON, which every client accepts.

use serde_json::{Map, Value, json};

use crate::simulator::kubernetes::json::set;

const MAGIC: &[u8] = b"k8s\0";

/// Number of a field, its value if that is a number, and its bytes otherwise.
type Field<'a> = (u64, Option<u64>, &'a [u8]);

/// Decodes a body; `None` if it is no such message.
pub fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let kind = bytes(&envelope, 1).and_then(|meta| string(bytes(&fields(meta)?, 2)?))?;
    let message = fields(bytes(&envelope, 2)?)?;
    // The second field of all of them is the spec.
    let spec = bytes(&message, 2).and_then(fields);
    Some(match kind.as_str() {
        "SelfSubjectAccessReview" => {
            let names =
                ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
            let attributes = bytes(&spec?, 1).and_then(fields).unwrap_or_default();
            let attributes: Map<String, Value> = (1..)
                .zip(names)
                .filter_map(|(number, name)| Some((name, string(bytes(&attributes, number)?)?)))
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect();
            json!({"spec": {"resourceAttributes": attributes}})
        }
        "TokenRequest" => {
            let fields = spec.unwrap_or_default();
            let mut spec = json!({"audiences": strings(&fields, 1)});
            if let Some(seconds) = number(&fields, 4) {
                set(&mut spec, "expirationSeconds", json!(seconds));
            }
            json!({"spec": spec})
        }
        "Eviction" => match delete_options(&spec.unwrap_or_default()) {
            Value::Object(options) if options.is_empty() => json!({}),
            options => json!({"deleteOptions": options}),
        },
        "DeleteOptions" => delete_options(&message),
        _ => json!({}),
    })
}

fn delete_options(message: &[Field<'_>]) -> Value {
    let mut options = json!({});
    if let Some(seconds) = number(message, 1) {
        set(&mut options, "gracePeriodSeconds", json!(seconds));
    }
    let uid = bytes(message, 2).and_then(fields).and_then(|uid| string(bytes(&uid, 1)?));
    if let Some(uid) = uid {
        set(&mut options, "preconditions", json!({"uid": uid}));
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
    // Negative numbers are written as large ones.
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

    #[test]
    fn what_kubectl_sends_is_read() {
        let attributes = [field(1, b"shop"), field(2, b"list"), field(5, b"secrets")].concat();
        let review = message("SelfSubjectAccessReview", &field(2, &field(1, &attributes)));
        let expected = json!({"namespace": "shop", "verb": "list", "resource": "secrets"});
        assert_eq!(read(&review).unwrap(), json!({"spec": {"resourceAttributes": expected}}));
        let spec = [field(1, b"vault"), vec![4 << 3, 0x90, 0x1c]].concat();
        let spec_field = message("TokenRequest", &field(2, &spec));
        let expected = json!({"audiences": ["vault"], "expirationSeconds": 3_600});
        assert_eq!(read(&spec_field).unwrap(), json!({"spec": expected}));
        let eviction = message("Eviction", &field(2, &[1 << 3, 7]));
        let expected = json!({"deleteOptions": {"gracePeriodSeconds": 7}});
        assert_eq!(read(&eviction).unwrap(), expected);
        let tried = message("Eviction", &field(2, &field(5, b"All")));
        assert_eq!(read(&tried).unwrap(), json!({"deleteOptions": {"dryRun": ["All"]}}));
        let options = [vec![1 << 3, 7], field(2, &field(1, b"u-1")), field(5, b"All")].concat();
        let expected = json!({
            "gracePeriodSeconds": 7, "preconditions": {"uid": "u-1"}, "dryRun": ["All"],
        });
        assert_eq!(read(&message("DeleteOptions", &options)).unwrap(), expected);
    }

    #[test]
    fn what_is_cut_or_something_else_is_refused() {
        assert_eq!(read(b"{}"), None);
        let whole = message("Eviction", &field(2, &[1 << 3, 7]));
        for length in 5..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
    }
}
