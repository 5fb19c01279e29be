//! Plans and saves kubeconfigs into files under client-go's lock.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::iter::successors;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use jiff::Timestamp;
use rustix::fs::Access as Right;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::domain::credential::KubeconfigLocation;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{
    self, ClusterIdentity, FileTarget, ListedFile, MAX_BYTES, MergeOptions, MergeQuery, NotSaved,
    ParsedKubeconfig, Plan, Saved,
};
use crate::domain::shell;
use crate::domain::text::{clean, plural, shown_path};
use crate::store::files::{irregular_kind, read_regular};
use crate::store::lock::LockOutcome;
use crate::store::lock_file::LockFile;
use crate::store::private_file::{self, Observer, failed};
use crate::store::programs::find_program;
use crate::store::stale_files;

/// Suffix of the backup of an old file.
const BACKUP: &str = ".skeys-backup";
/// Longest file name in bytes on common file systems.
const MAX_NAME: usize = 255;

/// The kubeconfigs of this machine.
#[derive(Debug, Clone)]
pub struct Kubeconfigs {
    home: Option<PathBuf>,
    kubeconfig_env: Option<OsString>,
    /// Only files in this folder are read or written, if set.
    only_in: Option<PathBuf>,
    /// Where folders with written files are recorded.
    state_folder: Option<PathBuf>,
    /// `$PATH`, in which kubectl finds the programs that kubeconfigs name; `None` if that is not checked.
    programs: Option<String>,
    clock: Clock,
}

/// A path with its links resolved, checked.
struct Target {
    path: PathBuf,
    link: bool,
    data: Option<fs::Metadata>,
}

impl Kubeconfigs {
    /// `home` is the home folder, `kubeconfig_env` the value of `$KUBECONFIG`.
    pub fn new(home: Option<PathBuf>, kubeconfig_env: Option<OsString>, clock: Clock) -> Self {
        Self { home, kubeconfig_env, only_in: None, state_folder: None, programs: None, clock }
    }

    /// Kubeconfigs in a separate folder, for the demo: the user's are neither read nor written. `home` is shown as `~`.
    pub fn only_in(folder: PathBuf, home: Option<PathBuf>, clock: Clock) -> Self {
        Self { only_in: Some(folder), ..Self::new(home, None, clock) }
    }

    /// Checks in this `$PATH` whether kubectl can run the stackit CLI.
    #[must_use]
    pub fn with_programs(self, programs: Option<String>) -> Self {
        Self { programs, ..self }
    }

    /// Whether kubectl does not find a program.
    pub(super) fn lacks(&self, program: &str) -> bool {
        self.programs.as_ref().is_some_and(|folders| find_program(folders, program).is_none())
    }

    /// Records folders with written files, so that the next run cleans up after a killed one.
    #[must_use]
    pub fn with_state_folder(self, state_folder: Option<PathBuf>) -> Self {
        Self { state_folder, ..self }
    }

    /// The parts of `$KUBECONFIG` as client-go reads them, made absolute: without empty parts and duplicates, and `~`
    /// is not expanded.
    pub(super) fn listed(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for part in self.kubeconfig_env.iter().flat_map(std::env::split_paths) {
            let part = absolute(&part).unwrap_or(part);
            if !part.as_os_str().is_empty() && !files.contains(&part) {
                files.push(part);
            }
        }
        files
    }

    /// Whether kubectl reads what `$KUBECONFIG` lists instead of `~/.kube/config`, even if it lists only empty parts.
    fn replaces_usual(&self) -> bool {
        self.kubeconfig_env.as_ref().is_some_and(|listed| !listed.is_empty())
    }

    /// Whether kubectl reads a file by default.
    pub(super) fn is_default(&self, file: &Path) -> bool {
        let listed = self.listed();
        let usual = || self.home.as_ref().map(|home| home.join(".kube/config"));
        let is_usual = || !self.replaces_usual() && usual().is_some_and(|usual| usual == file);
        self.only_in.is_none() && (is_usual() || listed.iter().any(|listed| listed == file))
    }

    /// The file to merge into, as for `kubectl config`: the first existing one of `$KUBECONFIG`, its last if none exists,
    /// or `~/.kube/config`.
    pub fn default_target(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.only_in {
            return Ok(folder.join("config"));
        }
        let listed = self.listed();
        let existing = listed.iter().find(|file| file.metadata().is_ok());
        if let Some(file) = existing.or(listed.last()) {
            return Ok(file.clone());
        }
        if self.replaces_usual() {
            return Err(Failure::new(FailureKind::NotPossible, "KUBECONFIG lists no file")
                .hint("Unset KUBECONFIG or set it to a file, or save to a separate file"));
        }
        let home = self.home.as_ref().ok_or_else(|| {
            Failure::new(FailureKind::NotPossible, "No home folder and no KUBECONFIG is set")
                .hint("Set HOME or KUBECONFIG, or save to a separate file")
        })?;
        Ok(home.join(".kube/config"))
    }

    /// The current state of a file; refuses a file that could not be written. Writes nothing.
    pub fn plan(&self, file: &FileTarget, query: &MergeQuery) -> Result<Plan, Failure> {
        let path = self.path(file)?;
        let target = self.target(&path)?;
        Ok(self.plan_of(file, query, None, (&path, &target))?.0)
    }

    /// Whether a kubeconfig can be saved now: the file can take it, and its folder a lock. Leaves nothing behind.
    pub fn check(&self, file: &FileTarget, query: &MergeQuery) -> Result<LockOutcome<()>, Failure> {
        self.plan(file, query)?;
        let path = self.path(file)?;
        if private_file::parent(&path).is_none_or(|folder| !folder.exists()) {
            return Ok(LockOutcome::Done(()));
        }
        Ok(match LockFile::try_create(&path)? {
            Some(_lock) => LockOutcome::Done(()),
            None => LockOutcome::Locked(self.lock_held(&path)),
        })
    }

    fn path(&self, file: &FileTarget) -> Result<PathBuf, Failure> {
        match file {
            FileTarget::Merge => self.default_target(),
            FileTarget::MergeInto(shown) => self.path_of_shown(shown).ok_or_else(|| {
                Failure::new(FailureKind::NotPossible, format!("{shown} is not a known file"))
            }),
            FileTarget::Own(typed) => self.typed_path(typed.trim()),
        }
    }

    /// The default folder of kubeconfigs.
    pub(super) fn usual_folder(&self) -> Option<PathBuf> {
        let in_home = || self.home.as_ref().map(|home| home.join(".kube"));
        self.only_in.clone().or_else(in_home)
    }

    /// The path of a file in shown form (`~/…`), if it may be read.
    pub fn path_of_shown(&self, shown: &str) -> Option<PathBuf> {
        let path = match (shown.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(shown),
        };
        let may_read = self.only_in.as_ref().is_none_or(|folder| is_inside(folder, &path));
        (path.is_absolute() && may_read).then_some(path)
    }

    /// Makes a typed path absolute. Of the shell's expansions, only `~/` is supported.
    fn typed_path(&self, typed: &str) -> Result<PathBuf, Failure> {
        let refused = |why: &str| {
            Failure::new(FailureKind::NotPossible, format!("{} {why}", clean(typed)))
                .hint("Type the path of a file")
        };
        if typed.is_empty() {
            return Err(Failure::new(FailureKind::NotPossible, "A file needs a path"));
        }
        let (first, rest) = typed.split_once('/').map_or((typed, None), |(a, b)| (a, Some(b)));
        let last = typed.rsplit('/').next().unwrap_or_default();
        if ["", ".", "..", "~", "$HOME", "${HOME}"].contains(&last) {
            return Err(refused("names a folder"));
        }
        let path = match (first, rest, &self.home) {
            ("~" | "$HOME" | "${HOME}", Some(rest), Some(home)) => home.join(rest),
            ("~" | "$HOME" | "${HOME}", ..) => {
                return Err(refused("needs a home folder, and there is none"));
            }
            _ if first.starts_with('~') => {
                return Err(refused(&format!(
                    "begins with {}, which skeys does not expand",
                    clean(first)
                )));
            }
            _ if typed.contains('$') => {
                return Err(refused("holds a variable, which skeys does not expand"));
            }
            _ => PathBuf::from(typed),
        };
        absolute(&path)
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

    /// A path quoted for a shell; `None` if that is impossible.
    fn in_shell(&self, path: &Path) -> Option<String> {
        let shown = self.shown(path);
        // `~/` is used only if the rest needs no quotes.
        match shown.strip_prefix("~/") {
            Some(rest) if shell::quote(rest).as_deref() == Some(rest) => Some(shown),
            _ => shell::argument(path.to_str()?),
        }
    }

    pub(super) fn shown(&self, path: &Path) -> String {
        shown_path(path, self.home.as_deref())
    }

    fn plan_of(
        &self,
        file: &FileTarget,
        query: &MergeQuery,
        issued: Option<&ParsedKubeconfig>,
        (path, target): (&Path, &Target),
    ) -> Result<(Plan, Zeroizing<Vec<u8>>), Failure> {
        let mut plan = Plan { path: self.shown(path), ..Plan::default() };
        if target.link {
            let link = self.shown(&target.path);
            plan.notes.push(format!("symlink to {link}; the target is written, the link is kept"));
            plan.link = Some(link);
        }
        self.survey_other_files(&mut plan, file, query, (path, &target.path))?;
        let Some(data) = &target.data else {
            plan.blank = true;
            if file.merges() {
                kubeconfig::survey("", query, issued).map_err(|why| self.unusable(path, &why))?;
            }
            return Ok((plan, Zeroizing::default()));
        };
        let bytes = read(&target.path)?;
        let mode = data.mode() & 0o7777;
        plan.exists = true;
        plan.mode = Some(mode);
        if mode & !0o600 != 0 {
            plan.notes.push(format!("mode {mode:04o} becomes {:04o}", mode & 0o600));
        }
        if data.nlink() > 1 {
            plan.notes.push("its other hard links keep the old content".to_owned());
        }
        if !file.merges() {
            plan.fingerprint = Some(fingerprint(&plan, plan.mode, &bytes));
            plan.taken.push(format!("file {}", plan.path));
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            (plan.owner, plan.lost) = kubeconfig::contents_of_file(text, &query.known);
            plan.lost.retain(|name| *name != clean(&query.context));
            return Ok((plan, bytes));
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            let why = format!("line {line}: not UTF-8");
            self.unusable(path, &Failure::new(FailureKind::File, why))
        })?;
        let found =
            kubeconfig::survey(text, query, issued).map_err(|why| self.unusable(path, &why))?;
        plan = Plan {
            path: plan.path,
            link: plan.link,
            exists: plan.exists,
            mode: plan.mode,
            notes: plan.notes,
            taken: [found.taken, plan.taken].concat(),
            sharing: [found.sharing, plan.sharing].concat(),
            owner: kubeconfig::combine_owners(vec![plan.owner, found.owner]),
            current: plan.current.or(found.current),
            ..found
        };
        // Renewals in place of one file follow each other, and the first one narrows its mode.
        let mode = plan.mode.filter(|_| !query.in_place);
        plan.fingerprint = Some(fingerprint(&plan, mode, &[]));
        Ok((plan, bytes))
    }

    /// kubectl reads the files of `$KUBECONFIG` as one: the new entries may hide entries of other files, and contexts of
    /// other files may use them.
    fn survey_other_files(
        &self,
        plan: &mut Plan,
        file: &FileTarget,
        query: &MergeQuery,
        (path, target): (&Path, &Path),
    ) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        let mut files: Vec<(String, Zeroizing<Vec<u8>>, bool)> = Vec::new();
        for listed in self.listed() {
            // One that does not exist may be the target.
            let real = fs::canonicalize(&listed).unwrap_or_else(|_missing| listed.clone());
            if seen.insert(real.clone()) {
                let bytes = read(&real).unwrap_or_default();
                files.push((self.shown(&listed), bytes, real == target));
            }
        }
        if files.len() < 2 {
            return Ok(());
        }
        let listed = files.iter().map(|(path, bytes, is_target)| ListedFile {
            path: path.clone(),
            text: std::str::from_utf8(bytes).unwrap_or_default(),
            is_target: *is_target,
        });
        let listed: Vec<_> = listed.collect();
        let found =
            kubeconfig::survey_listed(&listed, query).map_err(|why| self.unusable(path, &why))?;
        plan.sharing.extend(found.sharing);
        if !file.merges() {
            return Ok(());
        }
        let note = |shown: String| {
            format!("kubectl reads this file first: the new entry hides those of {shown}")
        };
        plan.notes.extend(found.hidden_in.into_iter().map(note));
        plan.taken.extend(found.taken);
        plan.owner = found.owner;
        plan.current = found.current;
        Ok(())
    }

    fn unusable(&self, path: &Path, why: &Failure) -> Failure {
        Failure::new(FailureKind::File, format!("{}: {}", self.shown(path), why.message))
            .hint(why.hint.clone().unwrap_or_else(|| "Save to a separate file instead".to_owned()))
    }

    /// The file for display.
    pub fn name(&self, file: &FileTarget) -> String {
        let path = self.path(file);
        path.map_or_else(|failure| failure.message, |path| self.shown(&path))
    }

    /// Saves into a file, whose plan must still match `fingerprint`. `keeps_backup`: this is a later entry of a batch,
    /// and the backup keeps the file as it was before the first one.
    ///
    /// # Errors
    /// [`NotSaved`]; nothing was changed.
    pub fn save(
        &self,
        file: &FileTarget,
        fresh: &ParsedKubeconfig,
        options: &MergeOptions,
        fingerprint: Option<&str>,
        keeps_backup: bool,
        observer: Observer<'_>,
    ) -> Result<LockOutcome<Saved>, NotSaved> {
        let path = self.path(file)?;
        let before = self.target(&path)?;
        if let Some(folder) = private_file::parent(&before.path) {
            private_file::create_folder(&folder)?;
            self.remember(&folder);
        }
        if let Some(folder) = private_file::parent(&path).filter(|_| before.link) {
            self.remember(&folder);
        }
        let Some(_lock) = LockFile::try_create(&path)? else {
            return Ok(LockOutcome::Locked(self.lock_held(&path)));
        };
        let target = self.target(&path)?;
        let query = MergeQuery {
            context: options.context.clone(),
            known: ClusterIdentity::Server(fresh.server().to_owned()),
            kind: fresh.kind(),
            make_current: options.make_current,
            in_place: options.in_place,
        };
        // Only for a renewal in place were its changes shown.
        let issued = options.in_place.then_some(fresh);
        let (plan, old) = self.plan_of(file, &query, issued, (&path, &target))?;
        if plan.fingerprint.as_deref() != fingerprint {
            return Err(NotSaved::Changed(plan));
        }
        if !plan.taken.is_empty() && !options.may_replace(&plan.owner) {
            return Err(NotSaved::Taken(plan));
        }
        let mut notes = plan.notes.clone();
        let content = match file {
            FileTarget::Merge | FileTarget::MergeInto(_) => {
                // The plan has checked that it is UTF-8.
                let text = String::from_utf8_lossy(&old);
                kubeconfig::merge(&text, fresh, options)
                    .map_err(|why| self.unusable(&path, &why))?
            }
            FileTarget::Own(_) => kubeconfig::renamed(fresh, &options.context)?,
        };
        if plan.exists {
            let backup = with_ending(&target.path, BACKUP);
            if !(keeps_backup && backup.is_file()) {
                notes.extend(private_file::replace_observed(&backup, &old, observer)?);
            }
            notes.push(format!("backup: {}", self.shown(&backup)));
        }
        if !plan.sharing.is_empty() {
            notes.push(format!("also changed: {}", plan.sharing.join(", ")));
        }
        if plan.others > 0 {
            notes.push(format!(
                "{} untouched",
                plural(plan.others, "other context", "other contexts")
            ));
        }
        let content = content.expose().as_bytes();
        if let Some(note) = private_file::replace_observed(&target.path, content, observer)? {
            notes.push(format!("saved, but {note}"));
        }
        let location = KubeconfigLocation::File {
            path: plan.path,
            context: clean(&options.context),
            whole: !file.merges(),
        };
        Ok(LockOutcome::Done(Saved { location, notes }))
    }

    /// If recording fails, a killed run leaves a private file behind; saving works anyway.
    fn remember(&self, folder: &Path) {
        if let Some(state_folder) = &self.state_folder {
            drop(stale_files::record_folder(state_folder, folder));
        }
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
}

/// A hash of what was shown of a file, and of `content` if the whole file is replaced.
fn fingerprint(plan: &Plan, mode: Option<u32>, content: &[u8]) -> String {
    let location = (&plan.path, &plan.link);
    // The owner, and with it what is lost, may be known only once a kubeconfig is issued.
    let known = Some(&plan.dropped_from_another).filter(|fields| !fields.is_empty());
    let lost = known.unwrap_or(&plan.dropped);
    let shown = (location, mode, plan.blank, &plan.taken, lost, &plan.sharing);
    let mut digest = Sha256::new_with_prefix(format!("{shown:?}"));
    digest.update(format!("{:?}", kubeconfig::sum_of(&plan.changes)));
    digest.update(content);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest.finalize())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_regular(path, MAX_BYTES as u64).map_err(|error| failed("reading", path, error))
}

fn refuse(path: &Path, why: &str) -> Failure {
    Failure::new(FailureKind::File, format!("{} {why}", clean(&path.display().to_string())))
        .hint("Choose another file")
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| failed("finding the working folder", path, error))
}

/// Whether a path is inside a folder after resolving links; one with `..` never is.
fn is_inside(folder: &Path, path: &Path) -> bool {
    let has_dots = path.components().any(|part| part == Component::ParentDir);
    !has_dots && real(path).starts_with(real(folder))
}

/// A path with links resolved in its existing part.
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

/// Resolves links and refuses files that cannot or must not be written.
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
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            path.to_owned()
        }
        Err(error) => return Err(failed("reading its metadata", path, error)),
    };
    let name = real.file_name().map_or(0, |name| name.as_encoded_bytes().len());
    if name + BACKUP.len() > MAX_NAME {
        return Err(refuse(path, "cannot be backed up: its name is too long"));
    }
    let data = fs::metadata(&real).ok();
    if let Some(data) = &data {
        check_replaceable(path, &real, data)?;
        if data.permissions().mode() & 0o200 == 0 {
            return Err(refuse(path, "is read-only"));
        }
        let backup = with_ending(&real, BACKUP);
        // A symlink itself is replaced.
        if let Ok(data) = fs::symlink_metadata(&backup)
            && !data.is_symlink()
        {
            check_replaceable(&backup, &backup, &data)?;
        }
    }
    check_folder(path, &real)?;
    Ok(Target { path: real, link, data })
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Refuses a file that cannot be replaced.
fn check_replaceable(path: &Path, real: &Path, data: &fs::Metadata) -> Result<(), Failure> {
    if let Some(kind) = irregular_kind(real) {
        Err(refuse(path, &format!("is {kind}")))
    } else if data.uid() != rustix::process::geteuid().as_raw() {
        Err(refuse(path, "belongs to another user"))
    } else if is_mount(real) {
        Err(refuse(path, "is a mount point, such as a bind-mounted file: it cannot be replaced"))
    } else if rustix::fs::access(real, Right::WRITE_OK) == Err(Errno::PERM) {
        Err(refuse(path, "is immutable"))
    } else {
        Ok(())
    }
}

/// Whether a file is a mount point, so that it cannot be replaced.
fn is_mount(file: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        statx(CWD, file, AtFlags::empty(), StatxFlags::TYPE)
            .is_ok_and(|data| data.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let device = |path: &Path| fs::metadata(path).map(|data| data.dev()).ok();
        private_file::parent(file).is_some_and(|folder| device(&folder) != device(file))
    }
}

/// The nearest existing folder must be writable, and not world-writable without the sticky bit.
fn check_folder(path: &Path, real: &Path) -> Result<(), Failure> {
    let folders = successors(private_file::parent(real), |folder| private_file::parent(folder));
    let folder = folders.into_iter().find(|folder| fs::symlink_metadata(folder).is_ok());
    let folder = folder.ok_or_else(|| refuse(path, "is in a folder that does not exist"))?;
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
