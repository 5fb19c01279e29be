//! The one type for tokens, keys and kubeconfigs. It cannot be printed or serialized, and its memory is zeroed on drop.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A secret text. `Debug` shows only that there is one; reading it needs the word [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text; the original allocation is taken over, not copied.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for the one place that sends or writes it.
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

#[cfg(test)]
mod tests {
    use crate::domain::secret::Secret;

    #[test]
    fn debug_never_shows_the_text() {
        let secret = Secret::new("hunter2".into());
        assert!(!format!("{secret:?} {:?}", Some(vec![secret.clone()])).contains("hunter2"));
    }
}
