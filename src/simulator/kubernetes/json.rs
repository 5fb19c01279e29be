//! Writing into JSON documents without the risk that indexing carries.

use serde_json::Value;

/// Sets a field of an object; anything else is left alone.
pub fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}
