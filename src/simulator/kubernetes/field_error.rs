//! Errors of single fields, and the response that lists them as `causes`.

use serde_json::{Value, json};

use crate::simulator::http::JsonResponse;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::status::detailed_failure;

/// The error of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    reason: &'static str,
    field: String,
    message: String,
}

impl FieldError {
    fn new(reason: &'static str, field: &str, message: String) -> Self {
        Self { reason, field: field.to_owned(), message }
    }

    /// A string that is invalid for the field.
    pub fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self::invalid_object(field, &value.into(), why)
    }

    /// A value that is invalid for the field.
    pub fn invalid_object(field: &str, value: &Value, why: &str) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    }

    /// A missing field.
    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() { String::new() } else { format!(": {why}") };
        Self::new("FieldValueRequired", field, format!("Required value{message}"))
    }

    /// A field that must not be set or changed.
    pub fn forbidden(field: &str, why: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }

    /// A string that is not among the supported ones.
    pub fn not_supported(field: &str, value: &str, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|word| format!("\"{word}\"")).collect();
        let supported = supported.join(", ");
        let message = format!("Unsupported value: \"{value}\": supported values: {supported}");
        Self::new("FieldValueNotSupported", field, message)
    }

    /// A string that is too long.
    pub fn too_long(field: &str, limit: usize) -> Self {
        let message = format!("Too long: may not be more than {limit} bytes");
        Self::new("FieldValueTooLong", field, message)
    }

    /// A duplicate entry.
    pub fn duplicate(field: &str, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
    }

    /// A field whose value cannot change.
    pub fn immutable(field: &str, value: &Value) -> Self {
        Self::invalid_object(field, value, "field is immutable")
    }
}

/// 422 with its causes; `Ok` if there are none.
pub fn refuse(
    group: &str,
    kind: &str,
    name: &str,
    errors: Vec<FieldError>,
) -> Result<(), JsonResponse> {
    if errors.is_empty() { Ok(()) } else { Err(invalid(group, kind, name, errors)) }
}

/// 422 for a patch whose result is not an object of its kind.
pub fn invalid_patch(document: &Value, why: &str) -> JsonResponse {
    invalid("", "", "", vec![FieldError::invalid("patch", &document.to_string(), why)])
}

/// 422 with its causes.
pub fn invalid(group: &str, kind: &str, name: &str, errors: Vec<FieldError>) -> JsonResponse {
    let mut texts: Vec<String> =
        errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    texts.dedup();
    let text = match &texts[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let causes: Vec<Value> = errors
        .into_iter()
        .map(|e| json!({"reason": e.reason, "message": e.message, "field": e.field}))
        .collect();
    let mut details = json!({"causes": causes});
    for (field, value) in [("group", group), ("kind", kind), ("name", name)] {
        if !value.is_empty() {
            set(&mut details, field, json!(value));
        }
    }
    let message = format!("{qualified} \"{name}\" is invalid: {text}");
    let message = message.trim_start();
    detailed_failure(422, "Invalid", message, details)
}
