//! The folder of one demo: its kubeconfigs and other files. It contains nothing of the user's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::domain::shell;
use crate::domain::text::shown_path;
use crate::store::private_file::create_folder;
use crate::store::process;

/// Prefix of folder names; process ID and host name follow.
const PREFIX: &str = "demo-";

/// The folder of one demo.
pub struct DemoFolder {
    path: PathBuf,
    home: Option<PathBuf>,
}

impl DemoFolder {
    /// Creates a folder for this process in `base`, or in the temporary folder if `base` is not writable. Removes the
    /// folders of ended demos from `base`. `home` is abbreviated to `~`.
    pub fn create(base: Option<&Path>, home: Option<PathBuf>) -> io::Result<Self> {
        let name = format!("{PREFIX}{}-{}", process::number(), process::host());
        let kept = base.and_then(|base| {
            remove_ended(base);
            let path = base.join(&name);
            create_folder(&path).is_ok().then_some(path)
        });
        let path = match kept {
            Some(path) => path,
            None => tempfile::Builder::new().prefix("skeys-demo-").tempdir()?.keep(),
        };
        Ok(Self { path, home })
    }

    /// Folder of its kubeconfigs.
    pub fn kubeconfigs(&self) -> PathBuf {
        self.path.join("kube")
    }

    /// Folder for kubeconfigs written as separate files, as a user would type it.
    pub fn own_files(&self) -> String {
        self.shown(&self.kubeconfigs().join("own"))
    }

    /// Folder of its journal and state.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Removes what is no longer needed, and returns a message about what is kept.
    pub fn end(self) -> Option<String> {
        // A later demo removes what cannot be removed now.
        drop(fs::remove_dir_all(self.state()));
        let config = self.kubeconfigs().join("config");
        if !config.exists() && !self.kubeconfigs().join("own").exists() {
            drop(fs::remove_dir_all(&self.path));
            return None;
        }
        let folder = self.shown(&self.kubeconfigs());
        let file = shell::quote(config.to_str().unwrap_or_default()).unwrap_or_default();
        Some(format!(
            "The kubeconfigs of this demo are in {folder}; yours were not touched.\n\
             Its clusters ended with it. While a demo runs, use them from another terminal:\n  \
             KUBECONFIG={file} kubectl get nodes\n\
             For clusters that keep running, use `skeys simulate`. The next demo removes this folder.\n"
        ))
    }

    fn shown(&self, path: &Path) -> String {
        shown_path(path, self.home.as_deref())
    }
}

/// Removes the folders of demos whose process has ended on this host.
fn remove_ended(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let has_ended = process.is_some_and(|(number, host)| process::has_ended(number, host));
        if has_ended && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cli::demo_folder::DemoFolder;
    use crate::store::process;

    #[test]
    fn cred_10_a_demo_keeps_its_kubeconfigs_and_prints_their_path() {
        let base = tempfile::tempdir().unwrap();
        // No process has this number.
        let of = |host: &str| base.path().join(format!("demo-2147483646-{host}"));
        let (ended, elsewhere) = (of(&process::host()), of("another.example"));
        fs::create_dir_all(ended.join("kube")).unwrap();
        fs::create_dir_all(&elsewhere).unwrap();
        fs::create_dir_all(base.path().join("demo-mine")).unwrap();
        let folder = || DemoFolder::create(Some(base.path()), Some(base.path().into())).unwrap();
        let unused = folder();
        assert!(!ended.exists() && base.path().join("demo-mine").exists());
        assert!(elsewhere.exists(), "in a shared home folder: it may be running there");
        let path = unused.path.clone();
        assert_eq!(unused.end(), None);
        assert!(!path.exists());
        let used = folder();
        let config = used.kubeconfigs().join("config");
        fs::create_dir_all(used.kubeconfigs()).unwrap();
        fs::create_dir_all(used.state()).unwrap();
        fs::write(&config, "x").unwrap();
        let state = used.state();
        let text = used.end().unwrap();
        assert!(text.contains(&format!("KUBECONFIG={} kubectl", config.display())), "{text}");
        assert!(config.exists() && !state.exists());
    }
}
