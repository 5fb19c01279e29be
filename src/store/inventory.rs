//! Finds the kubeconfig files of this machine and reads their credentials. Nothing that they name is run.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::domain::credential::FoundFile;
use crate::domain::kubeconfig::{KubeconfigEntries, MAX_BYTES, read_entries, resolve};
use crate::domain::secret::Secret;
use crate::domain::text::{clean, grouped, matches_glob, plural};
use crate::store::files::read_regular;
use crate::store::kubeconfigs::Kubeconfigs;

/// Most files that are read.
const MOST_FILES: usize = 1_000;
/// Largest certificate or token file named by a kubeconfig, in bytes.
const NAMED_LIMIT: u64 = 1024 * 1024;
/// Extensions of kubeconfigs.
const ENDS: [&str; 3] = ["yaml", "yml", "conf"];

impl Kubeconfigs {
    /// The kubeconfig files of this machine: those of `$KUBECONFIG`, `~/.kube/config`, `~/.kube/*.yaml`, `*.yml` and
    /// `*.conf`, and `more`: files that skeys wrote, in shown form, and configured paths, with `*` and `?` in the last
    /// part. Unreadable files and folders are included with the reason; of missing files only those of `more` are,
    /// without contexts. Of too many files, named ones are read first; the first file left out is included with the
    /// number of all.
    pub fn find_all(&self, more: &[String]) -> Vec<FoundFile> {
        let mut candidates = Candidates::default();
        for file in self.listed() {
            candidates.add(file, Origin::Usual);
        }
        if let Some(folder) = self.usual_folder() {
            candidates.add(folder.join("config"), Origin::Usual);
            candidates.add_entries(&folder, |name| {
                let end = Path::new(name).extension().and_then(OsStr::to_str);
                end.is_some_and(|end| ENDS.contains(&end))
            });
        }
        let mut named = Vec::new();
        for path in more.iter().filter_map(|shown| self.path_of_shown(shown)) {
            let (folder, pattern) = (path.parent(), path.file_name().and_then(OsStr::to_str));
            match (folder, pattern) {
                (Some(folder), Some(pattern)) if pattern.contains(['*', '?']) => {
                    candidates.add_entries(folder, |name| matches_glob(pattern, name));
                }
                _ => named.push(path),
            }
        }
        for path in named {
            candidates.add(path, Origin::Named);
        }
        let (read, left_out) = candidates.limited();
        let mut found: Vec<_> = read.into_iter().map(|one| self.found(one)).collect();
        if let Some(first) = left_out.first() {
            let path = self.shown(&first.file);
            let count = plural(left_out.len(), "file", "files");
            let why = format!("{count} left out; skeys reads {} files", grouped(MOST_FILES));
            found.push(not_read(path, why));
        }
        let failed = candidates.failed.iter();
        found.extend(failed.map(|(folder, why)| not_read(self.shown(folder), why.clone())));
        let mut files = resolve(found);
        if self.lacks("stackit") {
            let all = files.iter_mut().filter_map(|file| file.contexts.as_mut().ok()).flatten();
            for context in all.filter(|context| context.is_stackit()) {
                context.missing_program = Some("stackit".to_owned());
            }
        }
        files
    }

    /// The text of a kubeconfig in shown form, to try its credentials, and those of the files that kubectl reads
    /// together with it: in the order of `$KUBECONFIG`, without missing ones.
    ///
    /// # Errors
    /// Why one cannot be read, as a clause.
    pub fn read_files(&self, shown: &str) -> Result<Vec<(PathBuf, Secret)>, String> {
        let path = self.path_of_shown(shown).ok_or_else(|| "its path is not known".to_owned())?;
        let mut files = self.listed();
        files.retain(|file| file.exists());
        if !files.contains(&path) {
            files = vec![path];
        }
        let read = |file: PathBuf| {
            let text = read_text(&file)?;
            Ok((file, Secret::new(text.to_string())))
        };
        files.into_iter().map(read).collect()
    }

    /// Reads a file that a kubeconfig names.
    ///
    /// # Errors
    /// Why it cannot be read, as a clause.
    pub fn read_named(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
        let bytes = read_regular(file, NAMED_LIMIT);
        bytes.map_err(|error| clean(&error.to_string()))
    }

    fn found(&self, candidate: &Candidate) -> FoundFile<KubeconfigEntries> {
        let file = &candidate.file;
        // Relative to the folder of the kubeconfig, as for kubectl.
        let folder = file.parent().unwrap_or(Path::new("/"));
        let read = || {
            let text = read_text(file)?;
            let read = read_entries(&text, &|named| Self::read_named(&folder.join(named)));
            read.map_err(|failure| failure.message)
        };
        let contexts = if candidate.exists { read() } else { Ok(KubeconfigEntries::default()) };
        let mode = fs::metadata(file).map(|data| data.permissions().mode() & 0o777).ok();
        FoundFile {
            path: self.shown(file),
            other_names: candidate.other_names.iter().map(|name| self.shown(name)).collect(),
            is_default: self.is_default(file),
            wide_mode: mode.filter(|mode| mode & !0o600 != 0),
            contexts,
        }
    }
}

/// An entry for a file that was not read.
fn not_read(path: String, why: String) -> FoundFile<KubeconfigEntries> {
    let other_names = Vec::new();
    FoundFile { path, other_names, is_default: false, wide_mode: None, contexts: Err(why) }
}

/// Why a file is a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// kubectl reads it.
    Usual,
    /// It is in a searched folder.
    Found,
    /// skeys wrote it, or the configuration names it.
    Named,
}

/// A file that may be read.
struct Candidate {
    file: PathBuf,
    origin: Origin,
    other_names: Vec<PathBuf>,
    exists: bool,
}

/// The files that may be read, without duplicates.
#[derive(Default)]
struct Candidates {
    all: Vec<Candidate>,
    /// Index in `all` by canonical path.
    places: HashMap<PathBuf, usize>,
    /// Folders that cannot be searched, and why.
    failed: BTreeMap<PathBuf, String>,
}

impl Candidates {
    fn add(&mut self, file: PathBuf, origin: Origin) {
        let real = fs::canonicalize(&file);
        let exists = !matches!(&real, Err(error) if error.kind() == io::ErrorKind::NotFound);
        if !exists && origin != Origin::Named {
            return;
        }
        // Several names may refer to one file.
        let real = real.unwrap_or_else(|_unknown| file.clone());
        if let Some(known) = self.places.get(&real).and_then(|place| self.all.get_mut(*place)) {
            if known.origin == Origin::Found {
                known.origin = origin;
            }
            known.other_names.push(file);
            return;
        }
        self.places.insert(real, self.all.len());
        self.all.push(Candidate { file, origin, other_names: Vec::new(), exists });
    }

    /// Adds the files of a folder whose names match, sorted by name.
    fn add_entries(&mut self, folder: &Path, is_wanted: impl Fn(&str) -> bool) {
        let read = || fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>();
        let entries = match read() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.failed.insert(folder.to_owned(), clean(&error.to_string()));
                return;
            }
        };
        let mut files: Vec<PathBuf> = entries
            .iter()
            .filter(|entry| entry.file_name().to_str().is_some_and(&is_wanted))
            .map(fs::DirEntry::path)
            .collect();
        files.sort();
        for file in files {
            self.add(file, Origin::Found);
        }
    }

    /// The files to read, and those left out, both in order.
    fn limited(&self) -> (Vec<&Candidate>, Vec<&Candidate>) {
        let is_found = |candidate: &&Candidate| candidate.origin == Origin::Found;
        let named = self.all.iter().filter(|candidate| !is_found(candidate)).count();
        let (mut room, mut room_for_named) = (MOST_FILES.saturating_sub(named), MOST_FILES);
        self.all.iter().partition(|candidate| {
            let room = if is_found(candidate) { &mut room } else { &mut room_for_named };
            let fits = *room > 0;
            *room = room.saturating_sub(1);
            fits
        })
    }
}

fn read_text(file: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = read_regular(file, MAX_BYTES as u64).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_not_text| "not UTF-8".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use crate::clock::Clock;
    use crate::domain::credential::{FoundContext, FoundFile, SignIn};
    use crate::store::inventory::MOST_FILES;
    use crate::store::kubeconfigs::Kubeconfigs;

    fn kubeconfig(context: &str, user: &str) -> String {
        format!(
            "clusters: [{{name: c, cluster: {{server: 'https://one.example'}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: {context}, context: {{cluster: c, user: u}}}}]\n"
        )
    }

    #[test]
    fn file_12_a_hostile_kubeconfig_is_listed_with_its_reason_and_costs_nothing() {
        let home = tempfile::tempdir().unwrap();
        let kube = home.path().join(".kube");
        fs::create_dir_all(&kube).unwrap();
        let bomb: String = (1..40)
            .map(|at| format!("a{at}: &a{at} [*a{0}, *a{0}]\n", at - 1))
            .fold("a0: &a0 [x]\n".to_owned(), |text, line| text + &line);
        fs::write(kube.join("1-bomb.yaml"), bomb).unwrap();
        fs::write(kube.join("2-deep.yaml"), "[".repeat(100) + &"]".repeat(100)).unwrap();
        let large = fs::File::create(kube.join("3-large.yaml")).unwrap();
        large.set_len(100 * 1024 * 1024).unwrap();
        fs::create_dir(kube.join("4-folder.yaml")).unwrap();
        fs::write(kube.join("5-good.yaml"), kubeconfig("good", "token: abc")).unwrap();
        let kubeconfigs = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
        let found = kubeconfigs.find_all(&[]);
        let why = |at: usize| found[at].contexts.as_ref().unwrap_err().as_str();
        assert!(why(0).contains("aliases and tags expand to more than"), "{}", why(0));
        assert!(why(1).contains("nested deeper than"), "{}", why(1));
        assert!(why(2).contains("larger than"), "{}", why(2));
        assert_eq!(why(3), "it is a folder");
        assert_eq!(found[4].contexts.as_ref().unwrap()[0].context, "good");
    }

    #[test]
    fn file_39_of_too_many_files_the_named_ones_are_read_and_the_rest_is_counted() {
        let home = tempfile::tempdir().unwrap();
        let (kube, far) = (home.path().join(".kube"), home.path().join("far"));
        fs::create_dir_all(&kube).unwrap();
        fs::create_dir_all(&far).unwrap();
        for number in 0..=MOST_FILES {
            fs::write(kube.join(format!("{number:04}.yaml")), "").unwrap();
        }
        fs::write(far.join("own"), kubeconfig("own", "token: abc")).unwrap();
        let own = "~/far/own".to_owned();
        let kubeconfigs = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
        let read = |more: &[String]| {
            let found = kubeconfigs.find_all(more);
            let (read, not): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|file| file.contexts.is_ok());
            let not: Vec<_> =
                not.into_iter().map(|file| (file.path, file.contexts.unwrap_err())).collect();
            (read, not)
        };
        let (found, left_out) = read(&[]);
        assert_eq!(found.len(), MOST_FILES);
        let why = |count| format!("{count} left out; skeys reads 1,000 files");
        assert_eq!(left_out, [("~/.kube/1000.yaml".to_owned(), why("1 file"))]);
        let (found, left_out) = read(&[own.clone(), "~/.kube/1000.yaml".to_owned()]);
        assert_eq!(found.len(), MOST_FILES);
        let last: Vec<_> = found.iter().rev().take(2).map(|file| file.path.clone()).collect();
        assert_eq!(last, [own.as_str(), "~/.kube/1000.yaml"]);
        assert_eq!(left_out, [("~/.kube/0998.yaml".to_owned(), why("2 files"))]);
    }

    #[test]
    fn file_39_a_folder_that_cannot_be_searched_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".kube"), "a file").unwrap();
        let kubeconfigs = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
        let found = kubeconfigs.find_all(&["~/gone/*".to_owned(), "~/.kube/*".to_owned()]);
        let folder: Vec<_> = found.iter().filter(|file| file.path == "~/.kube").collect();
        assert_eq!(folder.len(), 1, "once: {found:?}");
        assert!(folder[0].contexts.as_ref().unwrap_err().contains("Not a directory"), "{found:?}");
        assert!(!found.iter().any(|file| file.path.starts_with("~/gone")), "{found:?}");
    }

    #[test]
    fn cred_02_a_login_is_no_access_while_kubectl_does_not_find_stackit() {
        let home = tempfile::tempdir().unwrap();
        let (kube, programs) = (home.path().join(".kube"), home.path().join("bin"));
        fs::create_dir_all(&kube).unwrap();
        fs::create_dir_all(&programs).unwrap();
        let exec = |command: &str| {
            let user = format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, \
                 args: [ske, kubeconfig, login], interactiveMode: IfAvailable, \
                 provideClusterInfo: true}}"
            );
            let extension = "{name: client.authentication.k8s.io/exec, extension: \
                {stackitProjectID: p, clusterName: web, region: eu01}}";
            let with = format!("'https://one.example', extensions: [{extension}]");
            kubeconfig("c", &user).replace("'https://one.example'", &with)
        };
        fs::write(kube.join("1.yaml"), exec("stackit")).unwrap();
        fs::write(kube.join("2.yaml"), exec("other")).unwrap();
        fs::write(kube.join("3.yaml"), kubeconfig("token", "token: abc")).unwrap();
        let why = |path: Option<&str>| -> Vec<Option<String>> {
            let all = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
            let found = all.with_programs(path.map(str::to_owned)).find_all(&[]);
            found.into_iter().map(|file| file.contexts.unwrap().remove(0).missing_program).collect()
        };
        let missing = [Some("stackit".to_owned()), None, None];
        let path = format!("/nowhere:{}", programs.display());
        assert_eq!(why(Some(&path)), missing);
        assert_eq!(why(Some("")), missing);
        assert_eq!(why(None), [None, None, None], "not checked");
        let program = programs.join("stackit");
        fs::write(&program, "").unwrap();
        assert_eq!(why(Some(&path)), missing, "it is not executable");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(why(Some(&path)), [None, None, None]);
    }

    #[test]
    fn every_kubeconfig_is_found_once_and_an_unreadable_one_stops_nothing() {
        let home = tempfile::tempdir().unwrap();
        let kube = home.path().join(".kube");
        fs::create_dir_all(kube.join("ske")).unwrap();
        let write = |name: &str, text: &str| {
            let path = kube.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let config = write("config", &kubeconfig("main", "token: abc"));
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
        write("prod.yaml", &kubeconfig("prod", "tokenFile: prod.token"));
        write("prod.token", "abc");
        write("broken.conf", "clusters: [");
        write("not-utf8.yml", "");
        fs::write(kube.join("not-utf8.yml"), b"a: \xff").unwrap();
        write("notes.txt", "no kubeconfig");
        write("ske/one.kubeconfig", &kubeconfig("own", "tokenFile: /gone"));
        write("ske/two.kubeconfig", &kubeconfig("two", ""));
        symlink(&config, kube.join("zz.yaml")).unwrap();
        let list = format!("{}:/gone", kube.join("zz.yaml").display());
        let clock = Clock::machine();
        let kubeconfigs = Kubeconfigs::new(Some(home.path().to_owned()), Some(list.into()), clock);
        let more = ["~/.kube/ske/o*.kubeconfig", "~/.kube/config", "~/gone.yaml"];
        let more = more.map(str::to_owned);
        let found = kubeconfigs.find_all(&more);
        let shown: Vec<(&str, String)> = found
            .iter()
            .map(|FoundFile { path, contexts, .. }| {
                let first =
                    |found: &Vec<FoundContext>| found.first().map(|found| found.context.clone());
                let contexts = contexts.as_ref().map(|found| first(found).unwrap_or_default());
                (path.as_str(), contexts.unwrap_or_else(Clone::clone))
            })
            .collect();
        assert_eq!(shown[0], ("~/.kube/zz.yaml", "main".to_owned()), "under its first name");
        assert!(
            shown[1].0 == "~/.kube/broken.conf" && shown[1].1.starts_with("line 1"),
            "{shown:?}"
        );
        assert_eq!(shown[2], ("~/.kube/not-utf8.yml", "not UTF-8".to_owned()));
        assert_eq!(shown[3], ("~/.kube/prod.yaml", "prod".to_owned()));
        assert_eq!(shown[4], ("~/.kube/ske/one.kubeconfig", "own".to_owned()));
        assert_eq!(shown[5], ("~/gone.yaml", String::new()), "what is gone holds nothing");
        assert_eq!(shown.len(), 6);
        assert!(found[0].is_at("~/.kube/config"), "{:?}", found[0].other_names);
        assert_eq!(found[0].wide_mode, Some(0o644));
        let defaults = |found: &[FoundFile]| {
            let default = found.iter().filter(|file| file.is_default);
            default.map(|file| file.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(defaults(&found), ["~/.kube/zz.yaml"], "what $KUBECONFIG lists");
        let own = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
        assert_eq!(defaults(&own.find_all(&more)), ["~/.kube/config"]);
        let demo = Kubeconfigs::only_in(kube, Some(home.path().to_owned()), Clock::machine());
        assert_eq!(defaults(&demo.find_all(&[])), [""; 0], "kubectl does not know the demo's");
        let way = |at: usize| &found[at].contexts.as_ref().unwrap()[0].sign_in[0];
        assert_eq!(*way(3), SignIn::StaticToken, "a file that it names is read beside it");
        assert!(matches!(way(4), SignIn::Unreadable(why) if why.starts_with("tokenFile /gone: ")));
    }
}
