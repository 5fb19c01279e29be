//! The credentials file of the STACKIT SDKs: a JSON object with the names of the environment as its keys.

use std::io::ErrorKind;

use crate::clients::auth::secret_file::read_file;
use crate::clients::auth::source::{AuthSettings, SetBy, Setting};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// Where it lies.
pub const FILE: Setting = Setting {
    default: "\"~/.stackit/credentials.json\"",
    ..Setting::path(
        "auth.credentials_file",
        &["SKEYS_AUTH_CREDENTIALS_FILE", "STACKIT_CREDENTIALS_PATH"],
        "Credentials file of the STACKIT SDKs (JSON), for what the environment does not set",
    )
};

/// The values of the file.
pub struct CredentialsFile {
    /// Its path, for sentences.
    pub name: String,
    values: SecretValue,
}

impl CredentialsFile {
    /// Reads it; `None` if there is none where it is by default.
    ///
    /// # Errors
    /// It is named and missing, or cannot be read: what it is, and why.
    pub fn read(set: &AuthSettings<'_>) -> Result<Option<Self>, (String, Failure)> {
        let Some((path, by)) = (set.path)(FILE.key) else { return Ok(None) };
        let name = clean(&path.display().to_string());
        let refuse = |failure: Failure| {
            let hint = "correct the file, or name another one in auth.credentials_file";
            Err((format!("the credentials file {name}"), failure.hint(hint)))
        };
        let wrong = |what: &str| Failure::new(FailureKind::File, format!("{name}: {what}"));
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && by == SetBy::Default => {
                return Ok(None);
            }
            Err(error) => return refuse(wrong(&error.to_string()).caused_by(error)),
            // Whoever reads a FIFO waits for its writer.
            Ok(data) if !data.is_file() => return refuse(wrong("not a regular file")),
            Ok(_) => {}
        }
        let text = match read_file(&path) {
            Ok(text) => text,
            Err(failure) => return refuse(failure),
        };
        match serde_json::from_str(text.expose()).map(SecretValue::new) {
            Ok(values) if values.is_object() => Ok(Some(Self { name, values })),
            Ok(_) => refuse(wrong("not a JSON object")),
            Err(error) => refuse(wrong(&format!(
                "not JSON at line {}, column {}",
                error.line(),
                error.column()
            ))),
        }
    }

    /// A value that is not empty.
    pub fn text(&self, name: &str) -> Option<Secret> {
        let text = self.values.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| Secret::new(text.to_owned()))
    }
}
