//! Reads what another version, of this program or of a server, wrote: a part of the wrong kind costs no other.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value of a wrong kind counts as not stated.
pub fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// The items of a list that are of the right kind.
pub fn usable_items<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let items: Vec<Value> = or_default(deserializer)?;
    Ok(items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect())
}

/// The entries of a map that are of the right kind.
pub fn usable_values<'de, T, D>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let entries: BTreeMap<String, Value> = or_default(deserializer)?;
    let usable = |(name, value)| Some((name, T::deserialize(value).ok()?));
    Ok(entries.into_iter().filter_map(usable).collect())
}
