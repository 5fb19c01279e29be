//! Exported tables: new files, each under an unused name.

use std::path::{Path, PathBuf};

use crate::domain::failure::{Failure, FailureKind};
use crate::store::private_file::create_new;

/// Most names tried: `name.csv`, `name-2.csv`, and so on.
const NAMES: usize = 100;

/// Writes a new file, mode 0600; never over an existing one. Returns its path.
///
/// # Errors
/// The step that failed; no file is left behind.
pub fn save(folder: &Path, name: &str, ending: &str, text: &str) -> Result<PathBuf, Failure> {
    for number in 1..=NAMES {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{name}{number}.{ending}"));
        if create_new(&path, text.as_bytes())? {
            return Ok(path);
        }
    }
    Err(Failure::new(FailureKind::File, format!("{name}.{ending}: all similar names are taken")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use crate::store::exports::save;

    #[test]
    fn file_29_an_export_never_replaces_a_file() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("t.csv"), "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", home.path().join("t-2.csv")).unwrap();
        let path = save(home.path(), "t", "csv", "a,b\r\n").unwrap();
        assert_eq!(path, home.path().join("t-3.csv"));
        assert_eq!(fs::read_to_string(home.path().join("t.csv")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\r\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 3, "no temporary file is left");
    }

    #[test]
    fn file_29_an_export_to_a_folder_that_is_not_there_says_so() {
        let home = tempfile::tempdir().unwrap();
        let failure = save(&home.path().join("gone"), "t", "csv", "").unwrap_err();
        assert!(
            failure.message.contains("gone/t.csv: creating a temporary file failed"),
            "{failure}"
        );
    }
}
