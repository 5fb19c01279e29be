//! The credentials file of the STACKIT SDKs: a JSON object keyed by environment variable names.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::clients::auth::secret_file::read_file;
use crate::clients::auth::source::{AuthSettings, SetBy, Setting, SourceConfig};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::secret::{Secret, SecretValue};

/// Path of the file.
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
    /// Path, for messages.
    pub name: String,
    values: SecretValue,
}

impl CredentialsFile {
    /// Reads the file; `None` if it is missing at the default path.
    ///
    /// # Errors
    /// It is set explicitly and missing, or cannot be read: a source that reports this when opened.
    pub fn read(set: &AuthSettings<'_>) -> Result<Option<Self>, SourceConfig> {
        let Some((path, by)) = (set.path)(FILE.key) else { return Ok(None) };
        let is_missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
        if by == SetBy::Default && std::fs::metadata(&path).is_err_and(|error| is_missing(&error)) {
            return Ok(None);
        }
        let summary = format!("the credentials file {}", show(path.display()));
        Self::open(path).map(Some).map_err(|failure| {
            let hint = "correct the file, or name another one in auth.credentials_file";
            let failure = failure.hint(hint);
            SourceConfig::new(summary, move |_| Err(failure.clone()))
        })
    }

    /// Reads the file at a path.
    ///
    /// # Errors
    /// Names the file and the problem.
    pub fn open(path: PathBuf) -> Result<Self, Failure> {
        let name = show(path.display());
        let wrong = |what: &str| Failure::new(FailureKind::File, format!("{name}: {what}"));
        let data = std::fs::metadata(&path);
        let data = data.map_err(|error| wrong(&error.to_string()).caused_by(error))?;
        // Reading a FIFO blocks until it has a writer.
        if !data.is_file() {
            return Err(wrong("not a regular file"));
        }
        let text = read_file(&path)?;
        let values =
            serde_json::from_str(text.expose()).map(SecretValue::new).map_err(|error| {
                wrong(&format!("not JSON at line {}, column {}", error.line(), error.column()))
            })?;
        if !values.is_object() {
            return Err(wrong("not a JSON object"));
        }
        Ok(Self { path, name, values })
    }

    /// A non-empty value, trimmed.
    pub fn text(&self, name: &str) -> Option<Secret> {
        let text = self.values.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| Secret::new(text.to_owned()))
    }
}
