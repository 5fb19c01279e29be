//! Plans and saves kubeconfigs into files under client-go's lock, and looks for static tokens in those of this machine.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use jiff::Timestamp;
use rustix::fs::Access as Right;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::domain::cluster::ClusterId;
use crate::domain::credential::{KubeconfigLocation, StaticToken};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{
    self, ClusterIdentity, EntryOwner, FileTarget, MAX_BYTES, MergeOptions, MergeRefusal, NotSaved,
    ParsedKubeconfig, Plan, Saved,
};
use crate::domain::shell;
use crate::domain::text::{clean, plural};
use crate::store::files::{irregular_kind, read_regular};
use crate::store::lock::Attempt;
use crate::store::private_file::{self, failed, unobserved};

/// The kubeconfigs of this machine.
#[derive(Debug, Clone)]
pub struct Kubeconfigs {
    home: Option<PathBuf>,
    kubeconfig_env: Option<OsString>,
    /// Nothing outside of this folder is read or written.
    only_in: Option<PathBuf>,
    clock: Clock,
}

/// Where a path leads, checked.
struct Target {
    path: PathBuf,
    link: bool,
    data: Option<fs::Metadata>,
}

impl Kubeconfigs {
    /// `home` is the home folder, `kubeconfig_env` the value of `$KUBECONFIG`.
    pub fn new(home: Option<PathBuf>, kubeconfig_env: Option<OsString>, clock: Clock) -> Self {
        Self { home, kubeconfig_env, only_in: None, clock }
    }

    /// Kubeconfigs of a folder of their own, for a rehearsal: those of the person are neither read nor written. `home`
    /// is what `~` stands for.
    pub fn only_in(folder: PathBuf, home: Option<PathBuf>, clock: Clock) -> Self {
        Self { home, kubeconfig_env: None, only_in: Some(folder), clock }
    }

    /// The parts of `$KUBECONFIG` as client-go reads them: empty ones and doubles left out, `~` kept as a name.
    fn listed(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for part in self.kubeconfig_env.iter().flat_map(std::env::split_paths) {
            if !part.as_os_str().is_empty() && !files.contains(&part) {
                files.push(part);
            }
        }
        files
    }

    /// The file that is merged into: the first existing of `$KUBECONFIG`, its last if none exists, or `~/.kube/config`.
    pub fn default_target(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.only_in {
            return Ok(folder.join("config"));
        }
        let listed = self.listed();
        let existing = listed.iter().find(|file| file.symlink_metadata().is_ok());
        if let Some(file) = existing.or(listed.last()) {
            return Ok(file.clone());
        }
        let home = self.home.as_ref().ok_or_else(|| {
            Failure::new(FailureKind::NotPossible, "No home folder and no KUBECONFIG is set")
                .hint("Set HOME or KUBECONFIG, or save to a separate file")
        })?;
        Ok(home.join(".kube/config"))
    }

    /// What a file looks like now; refuses what could not be written. Writes nothing.
    pub fn plan(
        &self,
        file: &FileTarget,
        context: &str,
        known: &ClusterIdentity,
    ) -> Result<Plan, Failure> {
        let path = self.path(file)?;
        let target = self.target(&path)?;
        Ok(self.plan_of(file, (context, known), &path, &target)?.0)
    }

    fn path(&self, file: &FileTarget) -> Result<PathBuf, Failure> {
        match file {
            FileTarget::Merge => self.default_target(),
            FileTarget::Own(typed) => {
                if typed.trim().is_empty() {
                    return Err(Failure::new(FailureKind::NotPossible, "A file needs a path"));
                }
                match (typed.strip_prefix("~/"), &self.home) {
                    (Some(rest), Some(home)) => Ok(home.join(rest)),
                    (Some(_), None) => Err(Failure::new(
                        FailureKind::NotPossible,
                        "~ cannot be expanded: no home folder is set",
                    )),
                    (None, _) => Ok(PathBuf::from(typed)),
                }
            }
        }
    }

    fn target(&self, path: &Path) -> Result<Target, Failure> {
        let target = target(path)?;
        match &self.only_in {
            Some(folder) if !is_inside(folder, &target.path) => Err(Failure::new(
                FailureKind::NotPossible,
                format!("{} does not belong to this demo", self.shown(path)),
            )
            .hint(format!("The demo writes only below {}", self.shown(folder)))),
            _ => Ok(target),
        }
    }

    /// A path as a shell reads it; `None` where none could.
    fn in_shell(&self, path: &Path) -> Option<String> {
        let shown = self.shown(path);
        // Behind the tilde nothing may be quoted.
        match shown.strip_prefix("~/") {
            Some(rest) if shell::quote(rest).as_deref() == Some(rest) => Some(shown),
            _ => shell::argument(path.to_str()?),
        }
    }

    fn shown(&self, path: &Path) -> String {
        let short = self.home.as_ref().and_then(|home| path.strip_prefix(home).ok());
        clean(
            &short
                .map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display())),
        )
    }

    fn plan_of(
        &self,
        file: &FileTarget,
        (context, known): (&str, &ClusterIdentity),
        path: &Path,
        target: &Target,
    ) -> Result<(Plan, String), Failure> {
        let mut plan = Plan { path: self.shown(path), ..Plan::default() };
        if target.link {
            let link = self.shown(&target.path);
            plan.notes.push(format!("symlink to {link}; the target is written, the link is kept"));
            plan.link = Some(link);
        }
        let Some(data) = &target.data else {
            plan.blank = true;
            return Ok((plan, String::new()));
        };
        let bytes = read(&target.path)?;
        let mode = data.mode() & 0o7777;
        plan.exists = true;
        plan.mode = Some(mode);
        plan.fingerprint = Some(fingerprint(&bytes));
        if mode & !0o600 != 0 {
            plan.notes.push(format!("mode {mode:04o} becomes {:04o}", mode & 0o600));
        }
        let text = String::from_utf8(bytes);
        if *file == FileTarget::Merge {
            let text = text.map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let line =
                    error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
                self.unusable(path, &kubeconfig_refusal(&format!("line {line}: it is not UTF-8")))
            })?;
            let survey = kubeconfig::survey(&text, context, known)
                .map_err(|why| self.unusable(path, &why))?;
            plan.others = survey.others;
            plan.taken = survey.taken;
            plan.owner = survey.owner;
            plan.names = survey.names;
            plan.blank = survey.blank;
            plan.current = survey.current;
            return Ok((plan, text));
        }
        plan.taken.push(format!("file {}", plan.path));
        plan.owner = kubeconfig::owner_of_file(&text.unwrap_or_default(), known);
        Ok((plan, String::new()))
    }

    fn unusable(&self, path: &Path, why: &Failure) -> Failure {
        Failure::new(FailureKind::File, format!("{}: {}", self.shown(path), why.message))
            .hint(why.hint.clone().unwrap_or_else(|| "Save to a separate file instead".to_owned()))
    }

    /// The file as a person reads it.
    pub fn name(&self, file: &FileTarget) -> String {
        let path = self.path(file);
        path.map_or_else(|failure| failure.message, |path| self.shown(&path))
    }

    /// Saves into a file. With `fingerprint` the file must still be the one that was planned for.
    ///
    /// # Errors
    /// [`NotSaved`]; nothing was changed then.
    pub fn save(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
    ) -> Result<Attempt<Saved>, NotSaved> {
        let path = self.path(file)?;
        let before = self.target(&path)?;
        if let Some(folder) = private_file::parent(&before.path) {
            private_file::create_folder(&folder)?;
        }
        match LockFile::try_create(&path)? {
            Some(_lock) => self.write(file, fresh, options, fingerprint, &path).map(Attempt::Done),
            None => Ok(Attempt::Locked(self.lock_held(&path))),
        }
    }

    fn write(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
        path: &Path,
    ) -> Result<Saved, NotSaved> {
        let target = self.target(path)?;
        let known = ClusterIdentity::Server(fresh.server().to_owned());
        let (plan, text) = self.plan_of(file, (&options.context, &known), path, &target)?;
        if plan.fingerprint.as_deref() != fingerprint {
            return Err(NotSaved::Changed(plan));
        }
        // Whoever agreed to replace did not know yet that it is another cluster's.
        let another = matches!(plan.owner, EntryOwner::Another(_)) && !options.replace_another;
        if !plan.taken.is_empty() && (another || !options.replace) {
            return Err(NotSaved::Taken(plan));
        }
        let mut notes = plan.notes.clone();
        let content = if *file == FileTarget::Merge {
            let merged = match kubeconfig::merge(&text, fresh, options) {
                Ok(merged) => merged,
                Err(MergeRefusal::Taken(_)) => return Err(NotSaved::Taken(plan)),
                Err(MergeRefusal::Refused(why)) => {
                    return Err(self.unusable(path, &why).into());
                }
            };
            if plan.exists {
                let mut name = target.path.clone().into_os_string();
                name.push(".skeys-backup");
                let backup = PathBuf::from(name);
                private_file::replace(&backup, text.as_bytes(), &unobserved)?;
                notes.push(format!("backup: {}", self.shown(&backup)));
            }
            if plan.others > 0 {
                notes.push(format!(
                    "{} unchanged",
                    plural(plan.others, "other context", "other contexts")
                ));
            }
            merged.text
        } else {
            kubeconfig::renamed(fresh, &options.context)?
        };
        private_file::replace(&target.path, content.expose().as_bytes(), &unobserved)?;
        let place = KubeconfigLocation::File {
            path: plan.path,
            context: clean(&options.context),
            whole: *file != FileTarget::Merge,
        };
        Ok(Saved { place, notes })
    }

    fn lock_held(&self, file: &Path) -> Failure {
        let lock = LockFile::path(file);
        let age = fs::symlink_metadata(&lock)
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .and_then(|time| u64::try_from(self.clock.now().duration_since(time).as_secs()).ok());
        let age = age.map_or_else(
            || "of unknown age".to_owned(),
            |seconds| format!("{} old", humantime::format_duration(Duration::from_secs(seconds))),
        );
        let shown = self.shown(&lock);
        let failure =
            Failure::new(FailureKind::File, format!("{shown}: locked by another program ({age})"));
        failure.hint(match self.in_shell(&lock) {
            Some(word) => {
                format!("If no other program writes this file, remove the lock: rm {word}")
            }
            None => "If no other program writes this file, remove the lock".to_owned(),
        })
    }

    /// Contexts of this machine that use a static token for a cluster. What cannot be read is skipped.
    pub fn static_tokens(&self, cluster: &ClusterId) -> Vec<StaticToken> {
        let mut files = self.listed();
        let in_home = || self.home.as_ref().map(|home| home.join(".kube"));
        if let Some(folder) = self.only_in.clone().or_else(in_home) {
            if files.is_empty() {
                files.push(folder.join("config"));
            }
            let mut more: Vec<PathBuf> =
                fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
            more.sort();
            files.extend(more.into_iter().filter(|path| {
                path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "conf")
            }));
        }
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for file in files {
            let Ok(real) = fs::canonicalize(&file) else { continue };
            if seen.contains(&real) || !fs::metadata(&real).is_ok_and(|data| data.is_file()) {
                continue;
            }
            let text = read(&real).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            seen.push(real);
            for context in kubeconfig::static_tokens(&text.unwrap_or_default(), cluster) {
                found.push(StaticToken { file: self.shown(&file), context });
            }
        }
        found
    }
}

/// client-go's lock of a kubeconfig: it exists. Removed on drop, whatever happened.
struct LockFile(PathBuf);

impl LockFile {
    /// client-go locks the name that it was given, not the target of a link.
    fn path(file: &Path) -> PathBuf {
        let mut name = file.as_os_str().to_owned();
        name.push(".lock");
        name.into()
    }

    /// `None` if it exists: another program holds the lock.
    fn try_create(file: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(file);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => Ok(Some(Self(path))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(failed("locking", &path, error)),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Nothing can report it; the next writer reports a stale lock.
        drop(fs::remove_file(&self.0));
    }
}

fn kubeconfig_refusal(message: &str) -> Failure {
    Failure::new(FailureKind::File, message)
}

fn fingerprint(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(bytes))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_regular(path, MAX_BYTES as u64).map_err(|error| failed("reading", path, error))
}

fn refuse(path: &Path, why: &str) -> Failure {
    Failure::new(FailureKind::File, format!("{} {why}", clean(&path.display().to_string())))
        .hint("Choose another file")
}

/// Whether a path leads into a folder, whatever links and dots are on its way.
fn is_inside(folder: &Path, path: &Path) -> bool {
    let has_dots = path.components().any(|part| part == Component::ParentDir);
    !has_dots && real(path).starts_with(real(folder))
}

/// A path with the links in the part of it that exists resolved.
fn real(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        if let Ok(mut real) = fs::canonicalize(ancestor) {
            real.extend(missing.into_iter().rev());
            return real;
        }
        missing.extend(ancestor.file_name());
    }
    path.to_owned()
}

/// Resolves links and refuses what cannot or must not be written.
fn target(path: &Path) -> Result<Target, Failure> {
    let link = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink());
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if link && error.kind() == io::ErrorKind::NotFound => {
            return Err(refuse(path, "is a dangling symlink"));
        }
        Err(_) if link => {
            return Err(refuse(path, "is a symlink loop, or cannot be resolved"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(failed("reading its metadata", path, error)),
    };
    let data = fs::metadata(&real).ok();
    let me = rustix::process::geteuid().as_raw();
    if let Some(data) = &data {
        if let Some(kind) = irregular_kind(&real) {
            return Err(refuse(path, &format!("is {kind}")));
        }
        if data.uid() != me {
            return Err(refuse(path, "belongs to another user"));
        }
        if data.permissions().mode() & 0o200 == 0 {
            return Err(refuse(path, "is read-only"));
        }
    }
    check_folder(path, &real)?;
    Ok(Target { path: real, link, data })
}

/// The nearest existing folder must be writable, and not by everybody without the sticky bit.
fn check_folder(path: &Path, real: &Path) -> Result<(), Failure> {
    let mut folder =
        private_file::parent(real).ok_or_else(|| refuse(path, "does not name a file"))?;
    while fs::symlink_metadata(&folder).is_err() {
        match private_file::parent(&folder) {
            Some(above) => folder = above,
            None => return Err(refuse(path, "is in a folder that does not exist")),
        }
    }
    let data =
        fs::metadata(&folder).map_err(|error| failed("reading its metadata", &folder, error))?;
    if !data.is_dir() {
        return Err(refuse(&folder, "is not a folder"));
    }
    if data.mode() & 0o002 != 0 && data.mode() & 0o1000 == 0 {
        return Err(refuse(path, "is in a world-writable folder without the sticky bit"));
    }
    if data.mode() & 0o200 == 0
        || rustix::fs::access(&folder, Right::WRITE_OK | Right::EXEC_OK).is_err()
    {
        return Err(refuse(path, "is in a read-only folder"));
    }
    Ok(())
}
