//! `v1 ConfigMap` of the shared checklist.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::domain::checklist::Checklist;
use crate::domain::text::clean;

/// Data key of the list.
pub const CHECKLIST_KEY: &str = "checklist.json";

/// Reads the list in the `ConfigMap`.
pub fn checklist(object: &ConfigMap) -> Result<Checklist, String> {
    let text = object.data.as_ref().and_then(|data| data.get(CHECKLIST_KEY));
    let text = text.ok_or_else(|| format!("it has no key {CHECKLIST_KEY}"))?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("{CHECKLIST_KEY}, line {}: no JSON", error.line()))?;
    Checklist::from_json(&value).map_err(|why| format!("{CHECKLIST_KEY}: {}", clean(&why)))
}
