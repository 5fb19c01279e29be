//! The body of a list: an object with `items`, which may be absent in an empty list.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The content of `items`. An object with other fields only is not a list: errors may have status 200, too.
pub struct ListBody<T>(pub T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for ListBody<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ListVisitor<T> {
            type Value = ListBody<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with items")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ListBody<T>, A::Error> {
                let (mut items, mut is_list, mut is_empty) = (None, false, true);
                while let Some(name) = fields.next_key::<String>()? {
                    is_empty = false;
                    if name == "items" {
                        is_list = true;
                        items = fields.next_value::<Option<T>>()?;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                if is_list || is_empty {
                    Ok(ListBody(items.unwrap_or_default()))
                } else {
                    Err(A::Error::missing_field("items"))
                }
            }
        }

        deserializer.deserialize_map(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::list_body::ListBody;

    #[test]
    fn api_35_an_object_without_items_is_no_list_unless_it_is_empty() {
        let read = |text: &str| serde_json::from_str(text).ok().map(|ListBody::<Vec<u8>>(all)| all);
        assert_eq!(read(r#"{"offset":0,"items":[1,2],"limit":100}"#), Some(vec![1, 2]));
        for empty in ["{}", r#"{"items":[]}"#, r#"{"items":null}"#] {
            assert_eq!(read(empty), Some(vec![]), "{empty}");
        }
        for wrong in [
            r#"{"code":14,"message":"upstream unavailable"}"#,
            r#"{"message":"x","items":7}"#,
            "[]",
            "7",
            "null",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
