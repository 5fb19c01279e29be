//! Records the folders in which files are replaced, so that the next run removes leftovers of a killed one.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::store::files::{open_regular, read_regular};
use crate::store::{lock_file, private_file};

/// Contains one folder per line.
const NAME: &str = "written-folders";
const MAX_BYTES: u64 = 1024 * 1024;

/// Records a folder before a file is written in it.
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

/// Removes leftovers of killed runs: temporary files, which may contain a key, and locks.
pub fn remove_all(state_folder: &Path, now: SystemTime) {
    private_file::remove_stale_files(state_folder, now);
    for folder in folders(state_folder) {
        private_file::remove_stale_files(&folder, now);
        lock_file::remove_stale(&folder);
    }
}
