//! Lenient parsing of data from other versions of this program or a server: a malformed part does not affect others.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value of the wrong type counts as absent.
pub fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// The list items that have the right type.
pub fn usable_items<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let items: Vec<Value> = or_default(deserializer)?;
    Ok(items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect())
}

/// The map entries that have the right type.
pub fn usable_values<'de, T, D>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let entries: BTreeMap<String, Value> = or_default(deserializer)?;
    let usable = |(name, value)| Some((name, T::deserialize(value).ok()?));
    Ok(entries.into_iter().filter_map(usable).collect())
}
