//! Reads and writes the state saved between runs.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::credential::{Credentials, KubeconfigLocation};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::persisted::PersistedState;
use crate::domain::text::clean;
use crate::store::files::{read_json, read_regular};
use crate::store::lock::{LockOutcome, locked};
use crate::store::private_file::{self, failed};

/// The version that is written.
const VERSION: u32 = 2;
const NAME: &str = "state.json";
/// Locked while the state file is rewritten, since each write replaces the file itself.
const LOCK: &str = "state.lock";
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most marked and watched clusters that are saved.
const MOST_CLUSTERS: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    state: PersistedState,
}

/// Reads the state. An unusable file is moved aside with a note, and defaults are used.
pub fn load(folder: &Path) -> (PersistedState, Option<String>) {
    let path = folder.join(NAME);
    if let Ok(kept) = usable(&path) {
        return (kept, None);
    }
    // Locked, so that another instance cannot put a good file in its place first. Without the lock, nothing is moved.
    let loaded = private_file::create_folder(folder)
        .and_then(|()| locked(&folder.join(LOCK), || Ok(load_locked(folder))))
        .and_then(LockOutcome::into_result);
    loaded.unwrap_or_else(|not_locked| {
        usable_or(&path, |why| format!("{why}; defaults are used. {}", not_locked.message))
    })
}

/// The saved kubeconfig records, and a note if the file is unusable; it is not changed.
pub fn credentials(folder: &Path) -> (Credentials, Option<String>) {
    let unknown = |why| format!("{why}; what it recorded is unknown");
    let (kept, note) = usable_or(&folder.join(NAME), unknown);
    (kept.credentials, note)
}

/// The saved state; or defaults, and a note built from the file and its problem.
fn usable_or(path: &Path, note: impl FnOnce(String) -> String) -> (PersistedState, Option<String>) {
    match usable(path) {
        Ok(kept) => (kept, None),
        Err(why) => {
            let shown = clean(&path.display().to_string());
            (PersistedState::default(), Some(note(format!("{shown}: {why}"))))
        }
    }
}

fn usable(path: &Path) -> Result<PersistedState, String> {
    match read(path) {
        Ok(text) => match read_json::<File>(&text) {
            Ok(file) if file.version <= VERSION => Ok(file.into_state()),
            Ok(file) => Err(format!("it was written by a newer version (format {})", file.version)),
            Err(_) if text.is_empty() => Err("it is empty".to_owned()),
            Err(error) if error.line() > 0 => {
                Err(format!("it is damaged at line {}", error.line()))
            }
            Err(_) => Err("it is damaged".to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PersistedState::default()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn load_locked(folder: &Path) -> (PersistedState, Option<String>) {
    let path = folder.join(NAME);
    usable_or(&path, |why| set_aside(folder, &path, &why))
}

fn set_aside(folder: &Path, path: &Path, why: &str) -> String {
    // The file's own modification time, so that no clock is needed.
    let time = fs::symlink_metadata(path)
        .ok()
        .and_then(|data| data.modified().ok())
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let mut aside = folder.join(format!("{NAME}.broken-{time}"));
    for number in 2..100 {
        if aside.symlink_metadata().is_err() {
            break;
        }
        aside = folder.join(format!("{NAME}.broken-{time}-{number}"));
    }
    match fs::rename(path, &aside) {
        Ok(()) => format!(
            "{why}; moved to {}; defaults are used",
            clean(&aside.file_name().unwrap_or_default().to_string_lossy())
        ),
        Err(error) => format!("{why}; cannot be moved ({error}); defaults are used"),
    }
}

fn read(path: &Path) -> io::Result<String> {
    read_regular(path, MAX_BYTES).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces the state, atomically and privately. Kubeconfig records that another instance saved are kept, expired ones
/// are dropped if SKE's clock is known. Returns all saved records, and a note if the existing file could not be used.
pub fn save(
    folder: &Path,
    kept: &PersistedState,
    server_now: Option<Timestamp>,
) -> Result<LockOutcome<(Credentials, Option<String>)>, Failure> {
    private_file::create_folder(folder)?;
    locked(&folder.join(LOCK), || {
        let path = folder.join(NAME);
        if let Err(error) = read(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // A file that may be readable again soon is not moved aside.
            return Err(failed("reading", &path, error));
        }
        let (there, note) = load_locked(folder);
        let mut credentials = there.credentials;
        credentials.join(kept.credentials.clone());
        credentials.prune(server_now);
        let state = PersistedState { credentials: credentials.clone(), ..kept.clone() };
        let content =
            serde_json::to_vec_pretty(&File { version: VERSION, state }).map_err(|error| {
                Failure::new(FailureKind::Bug, format!("The state cannot be encoded: {error}"))
            })?;
        // Not worth a message each time: it may not survive a power failure.
        drop(private_file::replace(&path, &content)?);
        Ok((credentials, note))
    })
}

impl File {
    fn into_state(self) -> PersistedState {
        let Self { mut state, .. } = self;
        state.clusters.truncate(MOST_CLUSTERS);
        for access in &mut state.credentials.accesses {
            // Files as version 1 wrote them.
            if let KubeconfigLocation::Other(words) = &access.location
                && let Some((path, context)) = words.rsplit_once(", context ")
            {
                let (path, context) = (path.to_owned(), context.to_owned());
                access.location = KubeconfigLocation::File { path, context, whole: false };
            }
        }
        state
    }
}
