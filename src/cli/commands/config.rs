//! `skeys config path|check|init`.

use std::path::Path;

use crate::cli::args::{ConfigCommand, Flags};
use crate::cli::config::{ConfigProblem, EXAMPLE, Places, load, path};
use crate::cli::output::Output;
use crate::domain::misplaced_secret::{looks_secret, show};
use crate::store::private_file;

/// Why there is no file.
pub const NO_PATH: &str = "No home folder is set; use --config or SKEYS_CONFIG.";

/// Carries the command out; the exit status is 0 fine, 1 failed, 2 wrong input.
pub fn run(command: &ConfigCommand, flags: &Flags, places: &Places<'_>) -> Output {
    let (path, _) = path(flags, places);
    let Some(path) = path else {
        return Output::failure(format!("{NO_PATH}\n"), 1);
    };
    match command {
        ConfigCommand::Path => {
            let text = path.display().to_string();
            // Programs read it: it stays as it is.
            let text = if looks_secret(&text) { show(text) } else { text };
            Output::success(format!("{text}\n"))
        }
        ConfigCommand::Check => check(flags, places),
        ConfigCommand::Init { force, .. } => init(&path, *force),
    }
}

fn check(flags: &Flags, places: &Places<'_>) -> Output {
    match load(flags, places) {
        Ok(loaded) => {
            let mut out = loaded.config.lines().join("\n");
            out.push('\n');
            for note in loaded.notes {
                out.push_str(&note);
                out.push('\n');
            }
            match loaded.config.keymap() {
                Ok(_) => Output::success(out),
                Err(problems) => failed(&problems),
            }
        }
        Err(problems) => failed(&problems),
    }
}

fn failed(problems: &[ConfigProblem]) -> Output {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Output::failure(lines.join("\n") + "\n", 2)
}

fn init(path: &Path, force: bool) -> Output {
    if path.exists() && !force {
        let text = format!("{} already exists; use --force to replace it.\n", show(path.display()));
        return Output::failure(text, 1);
    }
    let written = private_file::parent(path)
        .map_or(Ok(()), |folder| private_file::create_folder(&folder))
        .and_then(|()| private_file::replace(path, EXAMPLE.as_bytes(), &private_file::unobserved));
    match written {
        Ok(note) => {
            let note = note.map(|note| format!("Note: {note}\n")).unwrap_or_default();
            Output::success(format!("Written: {}\n{note}", show(path.display())))
        }
        Err(failure) => Output::failure(format!("{failure}\n"), 1),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::cli::args::{ConfigCommand, Flags};
    use crate::cli::commands::config::run;
    use crate::cli::config::{EXAMPLE, Places};

    #[test]
    fn init_writes_a_private_file_once_and_check_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.toml");
        let places =
            Places { environment: &|_| None, default_file: Some(file.clone()), home: None };
        let init =
            |force| run(&ConfigCommand::Init { force, guided: false }, &Flags::default(), &places);
        assert_eq!(init(false).status, 0);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), EXAMPLE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(init(false).status, 1);
        assert_eq!(init(true).status, 0);
        let checked = run(&ConfigCommand::Check, &Flags::default(), &places);
        assert_eq!(checked.status, 0, "{}", checked.err);
        assert!(checked.out.contains("poll.idle = \"30s\""));
    }

    #[test]
    fn check_prints_everything_that_is_wrong_and_ends_with_two() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[keys]\nrotate = [\"K\"]\n").unwrap();
        let places = Places { environment: &|_| None, default_file: Some(file), home: None };
        let checked = run(&ConfigCommand::Check, &Flags::default(), &places);
        assert_eq!(checked.status, 2);
        assert!(checked.err.contains("key K is bound to both"), "{}", checked.err);
        assert!(checked.err.contains("config.toml:2:10: key K"), "{}", checked.err);
        let text = "[keys]\nrotate = [\"X\"]\n\nrotat = [\"K\"]\nhelp = [\"wrong\"]\n";
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let checked = run(&ConfigCommand::Check, &Flags::default(), &places);
        assert_eq!(checked.status, 2);
        for expected in [
            "config.toml:4:9: keys.rotat: unknown command\n",
            "config.toml:5:8: keys.help: wrong is not a key\n",
        ] {
            assert!(checked.err.contains(expected), "{}", checked.err);
        }
        // A profile has its own.
        let text = "[keys]\nrotat = [\"K\"]\n[profiles.a.keys]\nhelpp = [\"?\"]\n";
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let flags = Flags { profile: Some("a".to_owned()), ..Flags::default() };
        let checked = run(&ConfigCommand::Check, &flags, &places);
        assert!(
            checked.err.ends_with("config.toml:4:9: keys.helpp: unknown command\n"),
            "{}",
            checked.err
        );
    }
}
