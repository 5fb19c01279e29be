//! Bodies that kubectl sends in the protobuf encoding of Kubernetes, read into the JSON that they stand for: questions
//! about access, requests for tokens, evictions. Answers are JSON, which every client takes.

use serde_json::{Map, Value, json};

/// Every message begins so.
const MAGIC: &[u8] = b"k8s\0";

/// One field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Reads a body; `None` if it is not such a message.
pub fn read(body: &[u8]) -> Option<Value> {
    let envelope = fields(body.strip_prefix(MAGIC)?)?;
    let kind = text(&envelope, 1).and_then(|meta| string(&fields(meta)?, 2))?;
    let message = fields(text(&envelope, 2)?)?;
    // In all of them the second field holds what is asked for.
    let spec_field = text(&message, 2).and_then(fields);
    let found = match kind.as_str() {
        "SelfSubjectAccessReview" => {
            let names =
                ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
            let attributes = text(&spec_field?, 1).and_then(fields).unwrap_or_default();
            let mut found = Map::new();
            for (number, name) in (1..).zip(names) {
                if let Some(value) = string(&attributes, number) {
                    found.insert(name.to_owned(), Value::String(value));
                }
            }
            json!({"spec": {"resourceAttributes": found}})
        }
        "TokenRequest" => {
            let spec = spec_field.unwrap_or_default();
            let audiences: Vec<String> = spec
                .iter()
                .filter(|(number, _)| *number == 1)
                .filter_map(|(_, field)| as_string(field))
                .collect();
            let mut found = Map::new();
            found.insert("audiences".to_owned(), json!(audiences));
            if let Some(seconds) = number(&spec, 4) {
                found.insert("expirationSeconds".to_owned(), json!(seconds));
            }
            json!({"spec": found})
        }
        "Eviction" => match delete_options(&spec_field.unwrap_or_default()) {
            options if options.is_empty() => json!({}),
            options => json!({"deleteOptions": options}),
        },
        "DeleteOptions" => Value::Object(delete_options(&message)),
        _ => json!({}),
    };
    Some(found)
}

/// How long a pod may take, which uid is meant, and whether it is only tried.
fn delete_options(message: &[(u64, Field<'_>)]) -> Map<String, Value> {
    let mut found = Map::new();
    if let Some(seconds) = number(message, 1) {
        found.insert("gracePeriodSeconds".to_owned(), json!(seconds));
    }
    let uid = text(message, 2).and_then(fields).and_then(|meant| string(&meant, 1));
    if let Some(uid) = uid {
        found.insert("preconditions".to_owned(), json!({"uid": uid}));
    }
    let dry: Vec<String> = message
        .iter()
        .filter(|(number, _)| *number == 5)
        .filter_map(|(_, field)| as_string(field))
        .collect();
    if !dry.is_empty() {
        found.insert("dryRun".to_owned(), json!(dry));
    }
    found
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => Field::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        found.push((key >> 3, field));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
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

fn text<'a>(fields: &[(u64, Field<'a>)], wanted: u64) -> Option<&'a [u8]> {
    fields.iter().find_map(|(number, field)| match field {
        Field::Bytes(bytes) if *number == wanted => Some(*bytes),
        Field::Bytes(_) | Field::Number(_) => None,
    })
}

fn string(fields: &[(u64, Field<'_>)], wanted: u64) -> Option<String> {
    text(fields, wanted).and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
}

fn as_string(field: &Field<'_>) -> Option<String> {
    match field {
        Field::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        Field::Number(_) => None,
    }
}

fn number(fields: &[(u64, Field<'_>)], wanted: u64) -> Option<i64> {
    fields.iter().find_map(|(number, field)| match field {
        // Negative numbers are written as large ones.
        Field::Number(value) if *number == wanted => Some(value.cast_signed()),
        Field::Number(_) | Field::Bytes(_) => None,
    })
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
