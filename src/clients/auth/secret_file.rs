//! Reads files with secrets up to a size limit, and warns if others can read or change them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::{BlockingError, Clock};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::{looks_secret, show};
use crate::domain::secret::Secret;
use crate::domain::shell::argument;

const LARGEST_FILE: u64 = 1024 * 1024;
/// Capacity for the largest file, and one more byte.
const ROOM: usize = 1024 * 1024 + 1;
/// Hint for a key or token that was set instead of a path.
const MISPLACED: &str = "STACKIT_SERVICE_ACCOUNT_KEY takes a key itself, STACKIT_PRIVATE_KEY a private key, STACKIT_ACCESS_TOKEN a token";
/// Timeout for reading a token file.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Reads a file that may be on a disk that does not answer: while one read hangs, no other thread is blocked.
#[derive(Default)]
pub struct SingleReader {
    /// Alive while a file is being read.
    under_way: Mutex<Weak<()>>,
}

impl SingleReader {
    /// Runs a read that may block outside of the tasks. `what` names it in errors.
    ///
    /// # Errors
    /// The read exceeds ten seconds, or panics.
    pub async fn read<T: Send + 'static>(
        &self,
        clock: &Clock,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let failure = |error| {
            let (kind, reason) = match error {
                BlockingError::TimedOut => {
                    (FailureKind::File, format!("no answer within {} s", READ_LIMIT.as_secs()))
                }
                BlockingError::Panicked => {
                    (FailureKind::Bug, "an internal task panicked".to_owned())
                }
            };
            Failure::new(kind, format!("could not read {what}: {reason}"))
        };
        let token = Arc::new(());
        {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if under_way.strong_count() > 0 {
                return Err(failure(BlockingError::TimedOut));
            }
            *under_way = Arc::downgrade(&token);
        }
        let work = move || {
            let read = work();
            drop(token);
            read
        };
        clock.run_blocking(READ_LIMIT, work).await.map_err(failure)
    }
}

/// Message when a replaced file cannot be used, so that its previous content stays in use.
pub fn keeps(what: &str, failure: &Failure) -> String {
    format!("{}; the {what} read before stays in use as long as it works", failure.message)
}

/// Reads a small secret file as text.
///
/// # Errors
/// The file and the system's reason.
pub fn read_file(path: &Path) -> Result<Secret, Failure> {
    let name = show(path.display());
    if looks_secret(&path.display().to_string()) {
        let message = format!("{name} is set where the path of a file is expected");
        return Err(Failure::new(FailureKind::File, message).hint(MISPLACED));
    }
    let refuse =
        |what: String| Failure::new(FailureKind::File, format!("could not read {name}: {what}"));
    let unreadable = |error: std::io::Error| refuse(error.to_string()).caused_by(error);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // A growing buffer would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(refuse("it is larger than 1 MiB".to_owned()));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_) => Err(refuse("it is not UTF-8 text".to_owned())),
    }
}

/// A warning if others can read or change a secret file.
pub fn warn_if_open_to_others(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let name = show(path.display());
    let remedy = argument(path.to_str().unwrap_or_default());
    let remedy = remedy.map_or_else(String::new, |word| format!(": chmod 600 {word}"));
    let open = match (mode & 0o044 != 0, mode & 0o022 != 0) {
        (true, true) => "readable and writable",
        (true, false) => "readable",
        (false, true) => "writable",
        (false, false) => return None,
    };
    Some(format!("{name} is {open} by other users (mode {mode:04o}){remedy}"))
}
