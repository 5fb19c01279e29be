//! Plans and saves kubeconfigs into files under client-go's lock, and looks for static tokens in those of this machine.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
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
use crate::store::bounded::open_regular;
use crate::store::private_file::{self, Observer, unobserved};

const LOCK_WAIT: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(100);

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
            Failure::new(
                FailureKind::NotPossible,
                "There is no home folder, and KUBECONFIG is not set",
            )
            .hint("Set HOME or KUBECONFIG, or choose a file of its own")
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
                        "There is no home folder that ~ could stand for",
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
                format!("{} is not of this demo", self.shown(path)),
            )
            .hint(format!("The demo writes below {} only", self.shown(folder)))),
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
            plan.notes.push(format!("is a link to {link}, which is written; the link stays"));
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
            plan.whose = survey.whose;
            plan.names = survey.names;
            plan.blank = survey.blank;
            plan.current = survey.current;
            return Ok((plan, text));
        }
        plan.taken.push(format!("file {}", plan.path));
        plan.whose = kubeconfig::owner_of_file(&text.unwrap_or_default(), known);
        Ok((plan, String::new()))
    }

    fn unusable(&self, path: &Path, why: &Failure) -> Failure {
        Failure::new(FailureKind::File, format!("{}: {}", self.shown(path), why.message))
            .hint(why.hint.clone().unwrap_or_else(|| "Save to a separate file instead".to_owned()))
    }

    /// Saves into a file. With `fingerprint` the file must still be the one that was planned for.
    ///
    /// # Errors
    /// [`NotSaved`]; nothing was changed then.
    pub async fn save(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
    ) -> Result<Saved, NotSaved> {
        self.save_observed(file, fresh, options, fingerprint, &|_| Ok(())).await
    }

    async fn save_observed(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
        observer: &(dyn Fn(private_file::WriteStep) -> io::Result<()> + Sync),
    ) -> Result<Saved, NotSaved> {
        let path = self.path(file).map_err(NotSaved::Failed)?;
        let before = self.target(&path).map_err(NotSaved::Failed)?;
        if let Some(folder) = private_file::parent(&before.path) {
            private_file::create_folder(&folder).map_err(NotSaved::Failed)?;
        }
        // client-go locks the name that it was given, not the target of a link.
        let _lock = self.lock(&path).await.map_err(NotSaved::Failed)?;
        self.write(file, fresh, options, fingerprint, &path, observer)
    }

    fn write(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
        path: &Path,
        observer: Observer<'_>,
    ) -> Result<Saved, NotSaved> {
        let target = self.target(path).map_err(NotSaved::Failed)?;
        let known = ClusterIdentity::Server(fresh.server().to_owned());
        let (plan, text) = self
            .plan_of(file, (&options.context, &known), path, &target)
            .map_err(NotSaved::Failed)?;
        if plan.fingerprint.as_deref() != fingerprint {
            return Err(NotSaved::Changed(plan));
        }
        // Whoever agreed to replace did not know yet that it is another cluster's.
        let another = matches!(plan.whose, EntryOwner::Another(_)) && !options.replace_another;
        if !plan.taken.is_empty() && (another || !options.replace) {
            return Err(NotSaved::Taken(plan));
        }
        let mut notes = plan.notes.clone();
        let content = if *file == FileTarget::Merge {
            let merged = match kubeconfig::merge(&text, fresh, options) {
                Ok(merged) => merged,
                Err(MergeRefusal::Taken(_)) => return Err(NotSaved::Taken(plan)),
                Err(MergeRefusal::Refused(why)) => {
                    return Err(NotSaved::Failed(self.unusable(path, &why)));
                }
            };
            if plan.exists {
                let mut name = target.path.clone().into_os_string();
                name.push(".skeys-backup");
                let backup = PathBuf::from(name);
                private_file::replace(&backup, text.as_bytes(), &unobserved)
                    .map_err(NotSaved::Failed)?;
                notes.push(format!("the old file is kept as {}", self.shown(&backup)));
            }
            if plan.others > 0 {
                notes.push(format!(
                    "{} untouched",
                    plural(plan.others, "other context", "other contexts")
                ));
            }
            merged.text
        } else {
            kubeconfig::renamed(fresh, &options.context).map_err(NotSaved::Failed)?
        };
        private_file::replace(&target.path, content.expose().as_bytes(), observer)
            .map_err(NotSaved::Failed)?;
        let place = KubeconfigLocation::File {
            path: plan.path,
            context: clean(&options.context),
            whole: *file != FileTarget::Merge,
        };
        Ok(Saved { place, notes })
    }

    async fn lock(&self, path: &Path) -> Result<Lock, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let end = self.clock.monotonic().saturating_add(LOCK_WAIT);
        loop {
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&lock) {
                Ok(_) => return Ok(Lock(lock)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(private_file::failed("locking", &lock, &error)),
            }
            if self.clock.monotonic() >= end {
                return Err(self.held(&lock));
            }
            self.clock.sleep(LOCK_PAUSE).await;
        }
    }

    fn held(&self, lock: &Path) -> Failure {
        let age = fs::symlink_metadata(lock)
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .and_then(|time| u64::try_from(self.clock.now().duration_since(time).as_secs()).ok());
        let age = age.map_or_else(
            || "of unknown age".to_owned(),
            |seconds| format!("{} old", humantime::format_duration(Duration::from_secs(seconds))),
        );
        let shown = self.shown(lock);
        let failure = Failure::new(
            FailureKind::File,
            format!("{shown}: the lock is held by another program; it is {age}"),
        );
        failure.hint(match self.in_shell(lock) {
            Some(word) => {
                format!("If no kubectl or other tool is writing this file, remove it: rm {word}")
            }
            None => "If no kubectl or other tool is writing this file, remove it".to_owned(),
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

/// The lock file; removed on drop, whatever happened.
struct Lock(PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody is left to be told; the next writer names a lock that stayed.
        drop(fs::remove_file(&self.0));
    }
}

fn kubeconfig_refusal(message: &str) -> Failure {
    Failure::new(FailureKind::File, message)
}

fn fingerprint(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(bytes))
}

/// Reads a regular file of bounded size; a FIFO that took its place does not block.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let inner = || -> io::Result<Vec<u8>> {
        let file = open_regular(path, OpenOptions::new().read(true))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_BYTES {
            return Err(io::Error::other("the file is larger than 16 MiB"));
        }
        Ok(bytes)
    };
    inner().map_err(|error| private_file::failed("reading", path, &error))
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
            return Err(refuse(path, "is a link that leads nowhere"));
        }
        Err(_) if link => {
            return Err(refuse(path, "is a link that leads back to itself, or cannot be followed"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(private_file::failed("looking at it", path, &error)),
    };
    let data = fs::metadata(&real).ok();
    let me = rustix::process::geteuid().as_raw();
    if let Some(data) = &data {
        let kind = data.file_type();
        let word = if kind.is_dir() {
            Some("is a folder")
        } else if kind.is_fifo() {
            Some("is a FIFO")
        } else if kind.is_socket() {
            Some("is a socket")
        } else if kind.is_block_device() || kind.is_char_device() {
            Some("is a device")
        } else {
            None
        };
        if let Some(word) = word {
            return Err(refuse(path, word));
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
            None => return Err(refuse(path, "is in no folder that exists")),
        }
    }
    let data = fs::metadata(&folder)
        .map_err(|error| private_file::failed("looking at it", &folder, &error))?;
    if !data.is_dir() {
        return Err(refuse(&folder, "is not a folder"));
    }
    if data.mode() & 0o002 != 0 && data.mode() & 0o1000 == 0 {
        return Err(refuse(
            path,
            "is in a folder that everybody can write to, without the sticky bit",
        ));
    }
    if data.mode() & 0o200 == 0
        || rustix::fs::access(&folder, Right::WRITE_OK | Right::EXEC_OK).is_err()
    {
        return Err(refuse(path, "is in a read-only folder"));
    }
    Ok(())
}
