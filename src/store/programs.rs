//! Finds the programs that other programs run.

use std::path::PathBuf;

use rustix::fs::{Access, access};

/// Finds a program in a `PATH`-style list of folders.
pub fn find_program(folders: &str, name: &str) -> Option<PathBuf> {
    // The meaning of a relative folder depends on the working directory.
    let folders = std::env::split_paths(folders).filter(|folder| folder.is_absolute());
    folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}
