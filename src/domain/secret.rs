//! Types for tokens, keys and kubeconfigs. They cannot be printed or serialized, and are zeroized on drop.

use std::fmt;
use std::ops::{Deref, DerefMut};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroize as _;

/// A secret text. `Debug` shows only a placeholder; [`Secret::expose`] returns the text.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text and zeroizes the original.
    pub fn new(mut text: String) -> Self {
        // Converting the text could reallocate it and leave the old allocation intact.
        let secret = Self(SecretString::from(Box::<str>::from(text.as_str())));
        text.zeroize();
        secret
    }

    /// The text, only for sending or writing it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Values parsed from a text with keys or tokens. Zeroized on drop.
#[derive(PartialEq)]
pub struct SecretValue(Value);

impl SecretValue {
    /// Wraps values.
    pub fn new(value: Value) -> Self {
        Self(value)
    }
}

impl Deref for SecretValue {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for SecretValue {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl Drop for SecretValue {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use secrecy::SecretString;
    use serde::Serialize;
    use serde_json::json;
    use zeroize::ZeroizeOnDrop;

    use crate::domain::secret::{Secret, SecretValue, wipe};

    /// A type that implements the trait makes `none` ambiguous.
    trait Shows<Way> {
        fn none() {}
    }

    impl<T> Shows<()> for T {}
    impl<T: Display> Shows<u8> for T {}
    impl<T: Serialize> Shows<u16> for T {}

    fn is_wiped<T: ZeroizeOnDrop>(_: &T) {}

    #[test]
    fn host_04_a_secret_can_be_neither_displayed_nor_serialized_and_is_overwritten_on_drop() {
        <Secret as Shows<_>>::none();
        <SecretValue as Shows<_>>::none();
        let Secret(inner): Secret = Secret::new("hunter2".to_owned());
        is_wiped::<SecretString>(&inner);
    }

    #[test]
    fn debug_never_shows_the_text() {
        let secret = Secret::new("hunter2".into());
        assert!(!format!("{secret:?} {:?}", Some(vec![secret.clone()])).contains("hunter2"));
    }

    #[test]
    fn host_04_every_text_of_a_value_is_overwritten() {
        let mut value = json!({"users": [{"user": {"client-key-data": "c2VjcmV0"}}], "a": [["b"]]});
        wipe(&mut value);
        assert_eq!(value, json!({"users": [{"user": {"client-key-data": ""}}], "a": [[""]]}));
    }
}
