//! Reads files that hold a secret, bounded, and warns when others can read them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;
use crate::domain::shell::argument;
use crate::domain::text::clean;

const LARGEST_FILE: u64 = 1024 * 1024;

/// Reads a small secret file as text.
///
/// # Errors
/// The file and the system's reason.
pub fn read_file(path: &Path) -> Result<Secret, Failure> {
    let name = clean(&path.display().to_string());
    let refuse =
        |what: String| Failure::new(FailureKind::File, format!("could not read {name}: {what}"));
    let unreadable = |error: std::io::Error| refuse(error.to_string()).caused_by(error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse("it is larger than 1 MiB".to_owned()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(refuse("it is not UTF-8 text".to_owned())),
    }
}

/// A warning if others than the owner can read a secret file.
pub fn warn_if_readable_by_others(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let name = clean(&path.display().to_string());
    let remedy = argument(path.to_str().unwrap_or_default());
    let remedy = remedy.map_or_else(String::new, |word| format!(": chmod 600 {word}"));
    (mode & 0o044 != 0).then(|| format!("{name} is readable by others (mode {mode:04o}){remedy}"))
}
