//! The credentials file of the STACKIT SDKs: a JSON object with the names of the environment as its keys.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::clients::auth::secret_file::read_file;
use crate::clients::auth::source::{AuthSettings, SetBy, Setting};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::secret::{Secret, SecretValue};

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
    pub path: PathBuf,
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
        let is_missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
        if by == SetBy::Default && std::fs::metadata(&path).is_err_and(|error| is_missing(&error)) {
            return Ok(None);
        }
        Self::open(path).map(Some).map_err(|(name, failure)| {
            let hint = "correct the file, or name another one in auth.credentials_file";
            (format!("the credentials file {name}"), failure.hint(hint))
        })
    }

    /// Reads the file at a path.
    ///
    /// # Errors
    /// Its name, and what is wrong with it.
    pub fn open(path: PathBuf) -> Result<Self, (String, Failure)> {
        let name = show(path.display());
        let wrong = |what: &str| Failure::new(FailureKind::File, format!("{name}: {what}"));
        let values = match std::fs::metadata(&path) {
            Err(error) => Err(wrong(&error.to_string()).caused_by(error)),
            // Whoever reads a FIFO waits for its writer.
            Ok(data) if !data.is_file() => Err(wrong("not a regular file")),
            Ok(_) => read_file(&path).and_then(|text| {
                match serde_json::from_str(text.expose()).map(SecretValue::new) {
                    Ok(values) if values.is_object() => Ok(values),
                    Ok(_) => Err(wrong("not a JSON object")),
                    Err(error) => Err(wrong(&format!(
                        "not JSON at line {}, column {}",
                        error.line(),
                        error.column()
                    ))),
                }
            }),
        };
        match values {
            Ok(values) => Ok(Self { path, name, values }),
            Err(failure) => Err((name, failure)),
        }
    }

    /// A value that is not empty.
    pub fn text(&self, name: &str) -> Option<Secret> {
        let text = self.values.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| Secret::new(text.to_owned()))
    }
}
