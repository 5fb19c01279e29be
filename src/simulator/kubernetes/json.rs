//! Writes into JSON documents without indexing, which could panic.

use serde_json::Value;

/// Sets a field of an object; a no-op for other values.
pub fn set(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}
