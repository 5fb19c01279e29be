//! `skeys config path|check|init`.

use std::path::Path;

use crate::cli::args::{ConfigCommand, Flags};
use crate::cli::config::{ConfigProblem, ConfigSources, EXAMPLE, Loaded, join, load, path};
use crate::cli::output::Output;
use crate::domain::misplaced_secret::{looks_secret, show};
use crate::store::files::irregular_kind;
use crate::store::private_file;

/// Why there is no path for the file.
pub const NO_PATH: &str = "No home folder is set; use --config or SKEYS_CONFIG.";

/// Runs the command; the exit status is 0 on success, 1 on failure, 2 for invalid input.
pub fn run(command: &ConfigCommand, flags: &Flags, sources: &ConfigSources<'_>) -> Output {
    let (path, _) = path(flags, sources);
    let Some(path) = path else {
        return Output::failure(format!("{NO_PATH}\n"), 1);
    };
    match command {
        ConfigCommand::Path => {
            let text = path.display().to_string();
            // Printed raw, since programs read it.
            let text = if looks_secret(&text) { show(text) } else { text };
            Output::success(format!("{text}\n"))
        }
        ConfigCommand::Check => check(flags, sources),
        ConfigCommand::Init { force, .. } => init(&path, *force),
    }
}

fn check(flags: &Flags, sources: &ConfigSources<'_>) -> Output {
    match load(flags, sources) {
        Ok(Loaded { config, notes, .. }) => {
            let lines = config.lines().into_iter().chain(notes);
            Output::success(lines.fold(String::new(), |out, line| out + &line + "\n"))
        }
        Err(problems) => failed(&problems),
    }
}

fn failed(problems: &[ConfigProblem]) -> Output {
    Output::failure(join(problems, "\n") + "\n", 2)
}

fn init(path: &Path, force: bool) -> Output {
    let shown = show(path.display());
    if path.symlink_metadata().is_ok() && !force {
        let text = format!("{shown} already exists; use --force to replace it.\n");
        return Output::failure(text, 1);
    }
    // A symlink is kept, and its target is written.
    let path = path.canonicalize().unwrap_or_else(|_missing| path.to_owned());
    let kind = if path.is_symlink() { Some("a dangling symlink") } else { irregular_kind(&path) };
    if let Some(kind) = kind {
        return Output::failure(format!("{shown} is {kind}; it is not replaced.\n"), 1);
    }
    match private_file::replace(&path, EXAMPLE.as_bytes()) {
        Ok(note) => {
            let note = note.map(|note| format!("Note: {note}\n")).unwrap_or_default();
            Output::success(format!("Written: {shown}\n{note}"))
        }
        Err(failure) => Output::failure(format!("{failure}\n"), 1),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use rustix::fs::CWD;

    use crate::cli::args::{ConfigCommand, Flags};
    use crate::cli::commands::config::run;
    use crate::cli::config::{ConfigSources, EXAMPLE};

    #[test]
    fn init_writes_a_private_file_once_and_check_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.toml");
        let sources =
            ConfigSources { environment: &|_| None, default_file: Some(file.clone()), home: None };
        let init =
            |force| run(&ConfigCommand::Init { force, guided: false }, &Flags::default(), &sources);
        assert_eq!(init(false).status, 0);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), EXAMPLE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(init(false).status, 1);
        assert_eq!(init(true).status, 0);
        let checked = run(&ConfigCommand::Check, &Flags::default(), &sources);
        assert_eq!(checked.status, 0, "{}", checked.err);
        assert!(checked.out.contains("poll.idle = \"30s\""));
    }

    #[test]
    fn file_05_file_06_init_keeps_a_link_and_replaces_nothing_but_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("dotfile"), "").unwrap();
        symlink("dotfile", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let init = |name: &str, force| {
            let sources =
                ConfigSources { environment: &|_| None, default_file: Some(at(name)), home: None };
            run(&ConfigCommand::Init { force, guided: false }, &Flags::default(), &sources)
        };
        assert_eq!(init("link", true).status, 0);
        assert!(at("link").is_symlink());
        assert_eq!(std::fs::read_to_string(at("dotfile")).unwrap(), EXAMPLE);
        assert!(init("dangling", false).err.contains("already exists"));
        assert!(init("dangling", true).err.contains("is a dangling symlink"));
        assert!(init("fifo", true).err.contains("is a FIFO"));
        assert!(at("dangling").is_symlink() && !at("fifo").is_file());
    }

    #[test]
    fn check_prints_everything_that_is_wrong_and_ends_with_two() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[keys]\nrotate = [\"K\"]\n").unwrap();
        let sources =
            ConfigSources { environment: &|_| None, default_file: Some(file), home: None };
        let checked = run(&ConfigCommand::Check, &Flags::default(), &sources);
        assert_eq!(checked.status, 2);
        assert!(checked.err.contains("key K is bound to both"), "{}", checked.err);
        assert!(checked.err.contains("config.toml:2:11: key K"), "{}", checked.err);
        let text = "[keys]\nrotate = [\"X\"]\n\nrotat = [\"K\"]\nhelp = [\"wrong\"]\n";
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let checked = run(&ConfigCommand::Check, &Flags::default(), &sources);
        assert_eq!(checked.status, 2);
        for expected in [
            "config.toml:4:1: keys.rotat: unknown command; did you mean rotate?\n",
            "config.toml:5:9: keys.help: \"wrong\" is not a key; valid: a character; ",
        ] {
            assert!(checked.err.contains(expected), "{}", checked.err);
        }
        // A profile has its own `[keys]`, which is checked whether or not the profile is selected.
        let text = "[keys]\nrotat = [\"K\"]\n[profiles.a.keys]\nhelpp = [\"?\"]\n";
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let checked = run(&ConfigCommand::Check, &Flags::default(), &sources);
        assert!(
            checked
                .err
                .ends_with("config.toml:4:1: keys.helpp: unknown command; did you mean help?\n"),
            "{}",
            checked.err
        );
    }
}
