//! Replaces a file atomically and privately; after a crash, either the old or the new file is there, complete.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;
use crate::store::process;

/// The steps of a replacement, each named for error messages.
pub mod step {
    /// Before the temporary file exists.
    pub const FOLDER: &str = "creating the folder";
    /// Readable only by the owner.
    pub const CREATE: &str = "creating a temporary file";
    /// Giving it to the owner of the old file, with its mode.
    pub const OWNER: &str = "setting owner and mode";
    /// The content.
    pub const WRITE: &str = "writing";
    /// The content.
    pub const SYNC: &str = "flushing to the disk";
    /// From here on the old file is replaced.
    pub const RENAME: &str = "renaming into place";
    /// The rename.
    pub const SYNC_FOLDER: &str = "flushing the folder to the disk";
    /// All of them, in order.
    pub const ALL: [&str; 7] = [FOLDER, CREATE, OWNER, WRITE, SYNC, RENAME, SYNC_FOLDER];
}

/// Called before each step, with the option to fail it: for tests.
pub type Observer<'a> = &'a dyn Fn(&'static str) -> io::Result<()>;

/// Fails no step.
pub fn unobserved(_: &'static str) -> io::Result<()> {
    Ok(())
}

/// A file failure: what was attempted, on which file, and the system's message.
pub fn failed(what: &str, path: &Path, error: io::Error) -> Failure {
    let failure = Failure::new(
        FailureKind::File,
        format!("{}: {what} failed: {error}", clean(&path.display().to_string())),
    );
    let kind = error.kind();
    let failure = failure.caused_by(error);
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        failure.hint("Free disk space and retry; the old file is unchanged")
    } else if kind == io::ErrorKind::ResourceBusy {
        failure.hint("A bind-mounted file cannot be replaced; choose another file")
    } else if matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        failure.hint("Choose a folder that this account may write to")
    } else {
        failure
    }
}

/// Creates a folder and its parents, mode 0700; existing ones are not changed.
pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(step::FOLDER, folder, error))
}

/// Replaces a file; `path` must not be a symbolic link (resolve it first). Returns a note if the new file is in place
/// but may not be on the disk yet.
///
/// # Errors
/// The step that failed; the old file is untouched.
pub fn replace(path: &Path, content: &[u8]) -> Result<Option<String>, Failure> {
    replace_observed(path, content, &unobserved)
}

/// As [`replace`], with an observer.
///
/// # Errors
/// As of [`replace`].
pub fn replace_observed(
    path: &Path,
    content: &[u8],
    observer: Observer<'_>,
) -> Result<Option<String>, Failure> {
    let (Some(folder), Some(_)) = (parent(path), path.file_name()) else {
        return Err(Failure::new(FailureKind::File, "This path does not name a file"));
    };
    let at = |step: &'static str| move |error: io::Error| failed(step, path, error);
    observer(step::FOLDER).map_err(at(step::FOLDER))?;
    create_folder(&folder)?;
    observer(step::CREATE).map_err(at(step::CREATE))?;
    let mut file = create_temporary(&folder).map_err(at(step::CREATE))?;
    // Its modification time is the current time of the file system's clock.
    if let Ok(now) = file.as_file().metadata().and_then(|data| data.modified()) {
        remove_stale_files(&folder, now);
    }
    observer(step::OWNER)
        .and_then(|()| keep_owner(path, file.as_file()))
        .map_err(at(step::OWNER))?;
    observer(step::WRITE)
        .and_then(|()| file.as_file_mut().write_all(content))
        .map_err(at(step::WRITE))?;
    observer(step::SYNC).and_then(|()| file.as_file().sync_all()).map_err(at(step::SYNC))?;
    observer(step::RENAME).and_then(|()| Ok(file.persist(path)?)).map_err(at(step::RENAME))?;
    // The new file is in place: a later error does not fail the replacement.
    let synced = observer(step::SYNC_FOLDER).and_then(|()| File::open(&folder)?.sync_all());
    Ok(synced.err().map(|error| {
        let shown = clean(&folder.display().to_string());
        let is_unsupported = error.kind() == io::ErrorKind::Unsupported
            || error.raw_os_error() == Some(Errno::INVAL.raw_os_error());
        if is_unsupported {
            format!("the file system of {shown} cannot flush a folder; after a power failure the old file may be back")
        } else {
            format!("flushing the folder {shown} failed: {error}; after a power failure the old file may be back")
        }
    }))
}

/// Creates a file, mode 0600, atomically. `false` if the name exists; that file is not changed.
///
/// # Errors
/// The step that failed; no new file exists.
pub fn create_new(path: &Path, content: &[u8]) -> Result<bool, Failure> {
    let Some(folder) = parent(path) else {
        return Err(Failure::new(FailureKind::File, "This path does not name a file"));
    };
    let at = |step: &'static str| move |error: io::Error| failed(step, path, error);
    let mut file = create_temporary(&folder).map_err(at(step::CREATE))?;
    file.as_file_mut().write_all(content).map_err(at(step::WRITE))?;
    file.as_file().sync_all().map_err(at(step::SYNC))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(failed) => Err(at(step::RENAME)(failed.error)),
    }
}

/// The folder of a path; `.` for a bare name.
pub fn parent(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

fn keep_owner(path: &Path, file: &File) -> io::Result<()> {
    let Ok(old) = fs::symlink_metadata(path) else { return Ok(()) };
    // Only a member of a group can assign a file to it. The group has no rights, so failing is harmless.
    drop(std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid())));
    file.set_permissions(Permissions::from_mode(old.mode() & 0o600))
}

/// A file that is removed when dropped unless it is renamed; readable only by the owner.
fn create_temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!("{TEMPORARY}{}-{}-", process::number(), process::host());
    let open = |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    Builder::new().prefix(&prefix).rand_bytes(SUFFIX).make_in(folder, open)
}

/// Prefix of a temporary file's name; process ID and host name of its writer follow.
const TEMPORARY: &str = ".skeys-";
/// Length of the random end of its name.
const SUFFIX: usize = 32;
/// Age at which a temporary file counts as abandoned by any writer.
const ABANDONED: Duration = Duration::from_hours(24);

/// Removes this user's temporary files of killed runs: if the writer ran on this host and has ended, or, whoever the
/// writer was, after a day.
pub fn remove_stale_files(folder: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let me = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let Some(has_ended) = entry.file_name().to_str().and_then(writer_has_ended) else {
            continue;
        };
        let Ok(data) = fs::symlink_metadata(entry.path()) else { continue };
        let age = data.modified().ok().and_then(|modified| now.duration_since(modified).ok());
        let is_old = age.is_some_and(|age| age > ABANDONED);
        if data.file_type().is_file() && data.uid() == me && (has_ended || is_old) {
            drop(fs::remove_file(entry.path()));
        }
    }
}

/// Whether the process that wrote a temporary file has ended; `None` for another file.
fn writer_has_ended(name: &str) -> Option<bool> {
    let (number, rest) = name.strip_prefix(TEMPORARY)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    // Earlier versions did not include the host.
    let (host, suffix) =
        rest.rsplit_once('-').map_or((None, rest), |(host, suffix)| (Some(host), suffix));
    let is_suffix = suffix.len() == SUFFIX && suffix.chars().all(|c| c.is_ascii_alphanumeric());
    is_suffix.then(|| host.is_some_and(|host| process::has_ended(number, host)))
}

/// Refuses a folder in which this account cannot create files, or which it cannot create.
///
/// # Errors
/// The reason.
pub fn check_writable(folder: &Path) -> Result<(), Failure> {
    let nearest = folder.ancestors().find(|it| it.symlink_metadata().is_ok()).unwrap_or(folder);
    let probed = if nearest.is_dir() {
        access(nearest, Access::WRITE_OK | Access::EXEC_OK)
    } else {
        Err(Errno::NOTDIR)
    };
    probed.map_err(|error| {
        let (folder, error) = (clean(&folder.display().to_string()), io::Error::from(error));
        Failure::new(FailureKind::File, format!("{folder} cannot be written: {error}")).hint(
            format!("Give this account write access to {}", clean(&nearest.display().to_string())),
        )
    })
}

/// Refuses a folder in which others could replace a file: one of another user, or a world-writable one.
///
/// # Errors
/// Its owner, or its mode.
pub fn check_private(folder: &Path) -> Result<(), Failure> {
    let Ok(data) = fs::metadata(folder) else { return Ok(()) };
    let shown = clean(&folder.display().to_string());
    let (why, hint) = if data.uid() != rustix::process::geteuid().as_raw() {
        ("belongs to another user".to_owned(), format!("Give it to this account: chown {shown}"))
    } else if data.mode() & 0o002 != 0 {
        let mode = data.mode() & 0o7777;
        (format!("is writable by everyone (mode {mode:04o})"), "Set its mode to 0700".to_owned())
    } else {
        return Ok(());
    };
    Err(Failure::new(FailureKind::File, format!("{shown} {why}")).hint(hint))
}
