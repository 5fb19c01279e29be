//! Records the folders in which files are replaced, so that the next run removes what a killed one left there.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::store::files::{open_regular, read_regular};
use crate::store::private_file;

/// One folder a line.
const NAME: &str = "written-folders";
const MAX_BYTES: u64 = 1024 * 1024;

/// Records a folder before something is written in it.
pub fn record_folder(state_folder: &Path, folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    if folders(state_folder).contains(&folder) {
        return Ok(());
    }
    private_file::create_folder(state_folder).map_err(io::Error::other)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let mut line = folder.as_os_str().as_bytes().to_vec();
    line.push(b'\n');
    open_regular(&state_folder.join(NAME), &mut options)?.write_all(&line)
}

fn folders(state_folder: &Path) -> Vec<PathBuf> {
    let bytes = read_regular(&state_folder.join(NAME), MAX_BYTES).unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect()
}

/// Removes what killed runs left: temporary files, in which a key can be, and locks.
pub fn remove_all(state_folder: &Path) {
    private_file::remove_stale_files(state_folder);
    for folder in folders(state_folder) {
        private_file::remove_stale_files(&folder);
        let files = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for lock in files.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
            if is_stale_lock(&lock) {
                // A later writer names one that stays.
                drop(fs::remove_file(lock));
            }
        }
    }
}

/// What a lock of this process holds: other programs leave theirs empty.
pub fn lock_content() -> String {
    format!("skeys {} {}\n", std::process::id(), host())
}

/// Whether a lock is one of skeys on this machine that does not live any more.
pub fn is_stale_lock(lock: &Path) -> bool {
    let bytes = read_regular(lock, 1024).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.trim().splitn(3, ' ');
    let is_ours = words.next() == Some("skeys");
    let process = words.next().unwrap_or_default();
    is_ours && private_file::is_dead(process) && words.next() == Some(host().as_str())
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
