//! Replaces a file atomically and privately; a crash leaves the old file or the new one, whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;

/// A step of the replacement, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteStep {
    /// Creating the folder.
    Folder,
    /// Creating the temporary file.
    Create,
    /// Giving it to the owner of the old file, with its mode.
    Owner,
    /// Writing the content.
    Write,
    /// Waiting until the content is on the disk.
    Sync,
    /// Putting it in the place of the old file.
    Rename,
    /// Waiting until the rename is on the disk.
    SyncFolder,
}

impl WriteStep {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Folder,
        Self::Create,
        Self::Owner,
        Self::Write,
        Self::Sync,
        Self::Rename,
        Self::SyncFolder,
    ];

    /// What did not work when this step failed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "creating the folder",
            Self::Create => "creating a temporary file",
            Self::Owner => "setting owner and mode",
            Self::Write => "writing",
            Self::Sync => "flushing to the disk",
            Self::Rename => "renaming into place",
            Self::SyncFolder => "flushing the folder to the disk",
        }
    }
}

/// Called before each step, which it can make fail; production passes [`unobserved`].
pub type Observer<'a> = &'a dyn Fn(WriteStep) -> io::Result<()>;

/// The observer of production: nothing happens.
pub fn unobserved(_: WriteStep) -> io::Result<()> {
    Ok(())
}

/// A failure with a file: what was tried, on which file, and the system's words.
pub fn failed(what: &str, path: &Path, error: io::Error) -> Failure {
    let failure = Failure::new(
        FailureKind::File,
        format!("{}: {what} failed: {error}", clean(&path.display().to_string())),
    );
    let kind = error.kind();
    let failure = failure.caused_by(error);
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        failure.hint("Free disk space and retry; the old file is unchanged")
    } else if matches!(kind, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) {
        failure.hint("Choose a folder that this account may write to")
    } else {
        failure
    }
}

/// Creates a folder and those above it, mode 0700; existing ones are left as they are.
pub fn create_folder(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed(WriteStep::Folder.word(), folder, error))
}

/// Replaces a file; `path` must not be a symbolic link (resolve it first).
///
/// # Errors
/// The step that failed; before [`WriteStep::Rename`] has happened the old file is untouched.
pub fn replace(path: &Path, content: &[u8], observer: Observer<'_>) -> Result<(), Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(folder), Some(name)) = (parent(path), name) else {
        return Err(Failure::new(FailureKind::File, "This path does not name a file"));
    };
    let at = |step: WriteStep, error: io::Error| failed(step.word(), path, error);
    observer(WriteStep::Folder).map_err(|error| at(WriteStep::Folder, error))?;
    create_folder(&folder)?;
    remove_leftovers(&folder, &name);
    observer(WriteStep::Create).map_err(|error| at(WriteStep::Create, error))?;
    let (guard, mut file) =
        Temporary::create(&folder, &name).map_err(|error| at(WriteStep::Create, error))?;
    observer(WriteStep::Owner)
        .and_then(|()| keep_owner(path, &file))
        .map_err(|error| at(WriteStep::Owner, error))?;
    observer(WriteStep::Write)
        .and_then(|()| file.write_all(content))
        .map_err(|error| at(WriteStep::Write, error))?;
    observer(WriteStep::Sync)
        .and_then(|()| file.sync_all())
        .map_err(|error| at(WriteStep::Sync, error))?;
    observer(WriteStep::Rename)
        .and_then(|()| fs::rename(&guard.0, path))
        .map_err(|error| at(WriteStep::Rename, error))?;
    observer(WriteStep::SyncFolder)
        .and_then(|()| File::open(&folder)?.sync_all())
        .map_err(|error| at(WriteStep::SyncFolder, error))
}

/// The folder of a path; `.` for a bare name.
pub fn parent(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

fn keep_owner(path: &Path, file: &File) -> io::Result<()> {
    let Ok(old) = fs::metadata(path) else { return Ok(()) };
    let new = file.metadata()?;
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(old.mode() & 0o600))
}

/// The temporary file; removed on drop unless it was renamed away.
struct Temporary(PathBuf);

impl Temporary {
    fn create(folder: &Path, name: &str) -> io::Result<(Self, File)> {
        let suffix = uuid::Uuid::new_v4().simple().to_string();
        let path = folder.join(format!(".{name}.skeys-{}-{suffix}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((Self(path), file))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename nothing is left to remove.
        drop(fs::remove_file(&self.0));
    }
}

/// Removes temporary files that a killed run left; those of a process that still lives stay.
fn remove_leftovers(folder: &Path, name: &str) {
    let start = format!(".{name}.skeys-");
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let file_name = entry.file_name();
        let Some(rest) = file_name.to_str().and_then(|text| text.strip_prefix(&start)) else {
            continue;
        };
        let owner = rest.split('-').next().and_then(|text| text.parse::<i32>().ok());
        let alive = owner
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        let ours = owner.is_some() && entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours && !alive {
            drop(fs::remove_file(entry.path()));
        }
    }
}
