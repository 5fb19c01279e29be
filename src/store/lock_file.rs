//! client-go's lock of a kubeconfig: it is held while the lock file exists.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::domain::failure::Failure;
use crate::store::files::open_regular;
use crate::store::private_file::failed;
use crate::store::process;

/// Extension of a lock file.
const ENDING: &str = "lock";
/// Most bytes read from a lock file.
const LARGEST: u64 = 1024;

/// A lock of this process, removed on drop.
pub struct LockFile(PathBuf);

impl LockFile {
    /// Path of the lock file: client-go uses the given name, not the target of a link.
    pub fn path(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".");
        name.push(ENDING);
        name.into()
    }

    /// `None` if it exists: another process holds the lock.
    ///
    /// # Errors
    /// The lock cannot be created.
    pub fn try_create(file: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(file);
        remove_if_stale(&path);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                let lock = Self(path);
                file.write_all(content().as_bytes())
                    .map_err(|error| failed("locking", &lock.0, error))?;
                Ok(Some(lock))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(failed("locking", &path, error)),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Cannot be reported here; the next writer reports a stale lock.
        drop(fs::remove_file(&self.0));
    }
}

/// Removes locks of killed runs from a folder.
pub fn remove_stale(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|end| end == ENDING)).for_each(|path| {
        remove_if_stale(&path);
    });
}

/// Content of our lock file: other programs leave theirs empty.
fn content() -> String {
    format!("skeys {} {}\n", process::number(), process::host())
}

/// A lock of skeys whose process has ended. It is held under a file lock, so that of several processes that find it,
/// none removes a new lock that another one has created in its place.
struct StaleLock {
    path: PathBuf,
    _held: File,
}

impl StaleLock {
    fn find(path: &Path) -> Option<Self> {
        let held = open_regular(path, OpenOptions::new().read(true).write(true)).ok()?;
        held.try_lock().ok()?;
        let mut content = String::new();
        (&held).take(LARGEST).read_to_string(&mut content).ok()?;
        // Another process may have removed it before we locked it.
        let (held_file, there) = (held.metadata().ok()?, fs::symlink_metadata(path).ok()?);
        let is_there = (held_file.dev(), held_file.ino()) == (there.dev(), there.ino());
        (is_there && is_stale(&content)).then(|| Self { path: path.to_owned(), _held: held })
    }

    fn remove(self) {
        // If it stays, a later writer reports it.
        drop(fs::remove_file(&self.path));
    }
}

fn remove_if_stale(path: &Path) {
    if let Some(stale) = StaleLock::find(path) {
        stale.remove();
    }
}

fn is_stale(content: &str) -> bool {
    let mut words = content.trim().splitn(3, ' ');
    let is_ours = words.next() == Some("skeys");
    let (number, host) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    is_ours && process::has_ended(number, host)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::store::lock_file::{LockFile, StaleLock, content, remove_stale};
    use crate::store::process;

    /// No process has the highest PID.
    fn left_by_a_killed_run() -> String {
        content().replacen(&process::number(), &i32::MAX.to_string(), 1)
    }

    #[test]
    fn file_38_of_two_that_find_a_stale_lock_one_removes_it_and_none_its_fresh_one() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config");
        let lock = LockFile::path(&file);
        fs::write(&lock, left_by_a_killed_run()).unwrap();
        let found = [StaleLock::find(&lock), StaleLock::find(&lock)];
        assert!(LockFile::try_create(&file).unwrap().is_none(), "one is removing it");
        let mut fresh = Vec::new();
        for stale in found {
            if let Some(stale) = stale {
                stale.remove();
            }
            fresh.extend(LockFile::try_create(&file).unwrap());
        }
        assert_eq!((fresh.len(), fs::read_to_string(&lock).unwrap()), (1, content()));
    }

    #[test]
    fn file_38_only_a_lock_of_a_killed_run_of_this_machine_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = left_by_a_killed_run().replace(&process::host(), "another.example");
        for (name, text, stays) in [
            ("dead.lock", left_by_a_killed_run(), false),
            ("alive.lock", content(), true),
            ("elsewhere.lock", elsewhere, true),
            ("kubectl.lock", String::new(), true),
            ("dead.txt", left_by_a_killed_run(), true),
        ] {
            let path = home.path().join(name);
            fs::write(&path, text).unwrap();
            remove_stale(home.path());
            assert_eq!(path.exists(), stays, "{name}");
        }
    }
}
