//! Request bodies as documents of the type that the server expects.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenRequest};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use k8s_openapi::api::policy::v1::{Eviction, PodDisruptionBudget};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::Value;

use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::protobuf;
use crate::simulator::kubernetes::status::{bad_request, unsupported_media_type};

const ACCEPTED: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// A content type without its parameters.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The document in the body of a request for an object of a kind, in one of its API versions. Fields are typed for that
/// kind; unknown ones are dropped, or rejected in strict mode.
pub fn read(request: &HttpRequest, versions: &[&str], kind: &str) -> Result<Value, JsonResponse> {
    let body = request.body.as_slice();
    let format = media_type(&request.content_type);
    let unrecognized = |error: String| {
        bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {error}"
        ))
    };
    let mut document: Value = match format {
        "" | "application/json" => {
            serde_json::from_slice(body).map_err(|error| unrecognized(error.to_string()))?
        }
        "application/yaml" => {
            let text = String::from_utf8_lossy(body);
            yaml_serde::from_str(&text).map_err(|error| unrecognized(error.to_string()))?
        }
        "application/vnd.kubernetes.protobuf" => {
            protobuf::read(body).ok_or_else(|| unrecognized("unknown message".to_owned()))?
        }
        _ => return Err(unsupported_media_type(&ACCEPTED)),
    };
    if !document.is_object() {
        let found = type_name(&document);
        let message = format!("json: cannot unmarshal {found} into Go value of type struct");
        return Err(unrecognized(message));
    }
    let version = versions.first().copied().unwrap_or_default();
    for (field, default) in [("apiVersion", version), ("kind", kind)] {
        if document.get(field).and_then(Value::as_str).unwrap_or_default().is_empty() {
            set(&mut document, field, default.into());
        }
    }
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    let (found, found_kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
    if !versions.contains(&&*found) || found_kind != kind {
        return Err(bad_request(format!(
            "{found_kind} in version \"{found}\" cannot be handled as a {kind}"
        )));
    }
    set(&mut document, "apiVersion", version.into());
    let short = version.rsplit('/').next().unwrap_or_default();
    let cannot = |why: &str| {
        bad_request(format!("{kind} in version \"{short}\" cannot be handled as a {kind}: {why}"))
    };
    let typed = typed(kind, &document).map_err(|why| cannot(&why))?;
    if request.value("fieldValidation") == "Strict" {
        let is_json = format != "application/vnd.kubernetes.protobuf";
        let text = if is_json { body } else { b"{}" };
        let wrong = strict_errors(&document, &typed, text);
        if !wrong.is_empty() {
            return Err(cannot(&format!("strict decoding error: {}", wrong.join(", "))));
        }
    }
    Ok(typed)
}

/// Errors in strict mode: unknown fields of a document, and duplicate fields of its text.
pub fn strict_errors(document: &Value, typed: &Value, text: &[u8]) -> Vec<String> {
    let unknown = unknown_fields(document, typed).into_iter();
    let mut found: Vec<String> = unknown.map(|path| format!("unknown field \"{path}\"")).collect();
    let mut doubled = Vec::new();
    // Invalid JSON is rejected elsewhere.
    let mut reader = serde_json::Deserializer::from_slice(text);
    drop(DoubledFields { path: String::new(), found: &mut doubled }.deserialize(&mut reader));
    found.extend(doubled.into_iter().map(|path| format!("duplicate field \"{path}\"")));
    found
}

/// Collects the paths of duplicate fields.
struct DoubledFields<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for DoubledFields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DoubledFields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut known = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = match &*self.path {
                "" => key.clone(),
                above => format!("{above}.{key}"),
            };
            if !known.insert(key) {
                self.found.push(path.clone());
            }
            map.next_value_seed(DoubledFields { path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let path = || self.path.clone();
        while list.next_element_seed(DoubledFields { path: path(), found: self.found })?.is_some() {
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The type of a value, as in JSON errors.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A document with only the fields of its kind.
///
/// # Errors
/// A field has another type.
pub fn typed(kind: &str, document: &Value) -> Result<Value, String> {
    match kind {
        "ConfigMap" => convert::<ConfigMap>(document),
        "DaemonSet" => convert::<DaemonSet>(document),
        "DeleteOptions" => convert::<DeleteOptions>(document),
        "Deployment" => convert::<Deployment>(document),
        "Eviction" => convert::<Eviction>(document),
        "Node" => convert::<Node>(document),
        "Pod" => convert::<Pod>(document),
        "PodDisruptionBudget" => convert::<PodDisruptionBudget>(document),
        "Scale" => convert::<Scale>(document),
        "SelfSubjectAccessReview" => convert::<SelfSubjectAccessReview>(document),
        "SelfSubjectReview" => convert::<SelfSubjectReview>(document),
        "StatefulSet" => convert::<StatefulSet>(document),
        "TokenRequest" => convert::<TokenRequest>(document),
        "ValidatingWebhookConfiguration" => convert::<ValidatingWebhookConfiguration>(document),
        other => Err(format!("{other} is not modelled")),
    }
}

fn convert<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, String> {
    let typed: T = T::deserialize(without_nulls(document)).map_err(|error| error.to_string())?;
    serde_json::to_value(typed).map_err(|error| error.to_string())
}

/// `null` counts as an absent field.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// Paths of the fields of a document that are not in its typed form.
pub fn unknown_fields(document: &Value, typed: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_unknown(document, typed, "", &mut found);
    found
}

fn collect_unknown(document: &Value, typed: &Value, path: &str, found: &mut Vec<String>) {
    match (document, typed) {
        (Value::Object(fields), Value::Object(known)) => {
            for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match known.get(key) {
                    Some(typed) => collect_unknown(value, typed, &path, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(list), Value::Array(known)) => {
            for (index, (value, typed)) in list.iter().zip(known).enumerate() {
                collect_unknown(value, typed, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}
