//! File locks. Nothing here waits for one: callers retry.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;
use crate::store::files::open_regular;
use crate::store::private_file::failed;

/// Outcome of work that needs a lock.
#[derive(Debug, PartialEq, Eq)]
pub enum LockOutcome<T> {
    Done(T),
    /// Nothing was done; the failure names the holder of the lock.
    Locked(Failure),
}

impl<T> LockOutcome<T> {
    /// The result, for a caller that does not retry.
    ///
    /// # Errors
    /// Another process holds the lock.
    pub fn into_result(self) -> Result<T, Failure> {
        match self {
            Self::Done(done) => Ok(done),
            Self::Locked(failure) => Err(failure),
        }
    }
}

/// Locks a private file, which is created if it is missing; `None` if another process holds the lock. Released when the
/// file is dropped, or by the system when the process ends for any reason.
///
/// # Errors
/// The system's, or it is not a regular file.
pub fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = open_regular(path, &mut options)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Runs work under the lock of a private file.
///
/// # Errors
/// The file cannot be locked, and those of the work.
pub fn locked<T>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<LockOutcome<T>, Failure> {
    match try_lock(path).map_err(|error| failed("locking", path, error))? {
        Some(_lock) => work().map(LockOutcome::Done),
        None => Ok(LockOutcome::Locked(held(path))),
    }
}

/// The failure for a held lock, with its holder if the system knows it.
fn held(path: &Path) -> Failure {
    let holder = holder(path).unwrap_or_else(|| "another process".to_owned());
    let shown = clean(&path.display().to_string());
    Failure::new(FailureKind::File, format!("{shown}: its lock is held by {holder}"))
}

fn holder(path: &Path) -> Option<String> {
    let file = std::fs::metadata(path).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = holder_in(&locks, &file)?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

/// The process that holds a lock of a file, according to the lines of `/proc/locks`.
fn holder_in(locks: &str, file: &Metadata) -> Option<u32> {
    let inode = file.ino().to_string();
    let mut candidates = locks.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let process = words.nth(4)?;
        let is_inode = words.next()?.rsplit(':').next() == Some(&inode);
        // A process in another PID namespace has no PID here.
        process.parse().ok().filter(|process| is_inode && *process > 0)
    });
    // Inodes repeat across file systems, and some show another device there than in the metadata of a file.
    candidates.find(|process| has_open(*process, file))
}

fn has_open(process: u32, file: &Metadata) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let mut files = files.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    files.any(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use crate::store::lock::{held, holder_in, try_lock};

    #[test]
    fn file_26_who_locks_a_file_of_the_same_inode_elsewhere_is_not_the_holder() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(home.path().join("locked")).unwrap().metadata().unwrap();
        let other = std::fs::File::create(home.path().join("other")).unwrap();
        let (me, inode) = (std::process::id(), std::os::unix::fs::MetadataExt::ino(&file));
        let elsewhere = std::os::unix::process::parent_id();
        let line =
            |process: u32| format!("1: FLOCK  ADVISORY  WRITE {process} fe:00:{inode} 0 EOF\n");
        let waits = format!("1: -> FLOCK  ADVISORY  WRITE {me} fe:00:{inode} 0 EOF\n");
        let lines = line(elsewhere) + &waits;
        let found =
            [holder_in(&lines, &file), holder_in(&(lines + &line(me)), &other.metadata().unwrap())];
        let _opened = std::fs::File::open(home.path().join("locked")).unwrap();
        let held = holder_in(&(line(elsewhere) + &line(me)), &file);
        assert_eq!((found, held), ([None, None], Some(me)));
    }

    #[test]
    fn file_26_the_holder_of_a_lock_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("locked");
        let lock = try_lock(&path).unwrap();
        assert!(lock.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        let text = held(&path).message;
        assert!(text.contains("locked: its lock is held by "), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        }
        drop(lock);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
