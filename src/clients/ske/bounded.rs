//! Reads JSON of any size into a value of bounded size: long arrays are truncated.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Maximum items kept per array.
pub const LONGEST_ARRAY: usize = 1_000;
/// Maximum values kept per text, over all arrays and objects.
const MOST_VALUES: usize = 100_000;

/// A value, and what was truncated.
#[derive(Debug, Default)]
pub struct BoundedValue {
    pub value: Value,
    /// Fields whose array was truncated, and the number of items dropped.
    pub cut: Vec<(String, usize)>,
}

impl<'de> serde::Deserialize<'de> for BoundedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut cut, mut left) = (Vec::new(), MOST_VALUES);
        let reader = Reader { field: "", left: &mut left, cut: &mut cut };
        let value = reader.deserialize(deserializer)?;
        Ok(Self { value, cut })
    }
}

struct Reader<'a> {
    /// The field being read.
    field: &'a str,
    left: &'a mut usize,
    cut: &'a mut Vec<(String, usize)>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Self { field, left, cut } = self;
        let mut kept = Vec::new();
        while kept.len() < LONGEST_ARRAY && *left > 0 {
            *left -= 1;
            match items.next_element_seed(Reader { field: "", left, cut })? {
                Some(item) => kept.push(item),
                None => return Ok(Value::Array(kept)),
            }
        }
        let mut lost = 0_usize;
        while items.next_element::<IgnoredAny>()?.is_some() {
            lost = lost.saturating_add(1);
        }
        if lost > 0 && !field.is_empty() {
            cut.push((field.to_owned(), lost));
        }
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let Self { left, cut, .. } = self;
        let mut kept = Map::new();
        while *left > 0 {
            *left -= 1;
            let Some(field) = fields.next_key::<String>()? else { return Ok(Value::Object(kept)) };
            let value = fields.next_value_seed(Reader { field: &field, left, cut })?;
            kept.insert(field, value);
        }
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(kept))
    }
}
