//! The configuration of the `stackit` CLI: values of its active profile for keys that are not set for skeys.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::cli::config::file::{ConfigProblem, Value, from_text};
use crate::cli::config::keys::{Key, keys};
use crate::domain::misplaced_secret::show;
use crate::domain::text::clean;
use crate::store::files;

/// Prefix of the origin of each value from here.
pub const ORIGIN: &str = "stackit CLI";

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// The CLI writes this region into every file by default, so it does not express a choice.
const DEFAULT_REGION: &str = "eu01";

/// Result of reading.
#[derive(Default)]
pub struct StackitConfig {
    /// Values by path, each with its origin.
    pub values: Vec<(&'static str, (Value, String))>,
    /// What could not be read and is ignored.
    pub notes: Vec<String>,
    /// Invalid values, by path, that must not be ignored.
    pub problems: Vec<(&'static str, ConfigProblem)>,
}

/// Reads the configuration of the active profile; problems with it never keep skeys from starting. `profile` is the
/// configured profile; by default, the CLI's own rules select the active one.
pub fn read(
    profile: Option<&str>,
    environment: &dyn Fn(&str) -> Option<String>,
    home: Option<&Path>,
) -> StackitConfig {
    let Some(folder) = folder(environment, home) else { return StackitConfig::default() };
    read_profile(&folder, profile).unwrap_or_else(|note| {
        let note = format!("The configuration of the stackit CLI is not used: {}", clean(&note));
        StackitConfig { notes: vec![note], ..StackitConfig::default() }
    })
}

fn folder(environment: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> Option<PathBuf> {
    if cfg!(target_os = "macos") {
        return Some(home?.join("Library/Application Support/stackit"));
    }
    let set = environment("XDG_CONFIG_HOME").map(PathBuf::from);
    let set = set.filter(|folder| folder.is_absolute());
    Some(set.or_else(|| Some(home?.join(".config")))?.join("stackit"))
}

fn read_profile(folder: &Path, named: Option<&str>) -> Result<StackitConfig, String> {
    let profile = match named {
        Some(name) => Some(name.to_owned()),
        None => read_text(&folder.join("cli-profile.txt"))?,
    };
    let profile = profile.as_deref().map_or("default", str::trim);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if profile.is_empty() || !profile.chars().all(is_name) {
        return Err(format!("\"{}\" is not the name of a profile", show(profile)));
    }
    let is_default = profile == "default";
    let folder = if is_default { folder.to_owned() } else { folder.join("profiles").join(profile) };
    let path = folder.join("cli-config.json");
    let name = path.display();
    let Some(text) = read_text(&path)? else {
        let missing = format!("its profile {profile} has no file {name}");
        return if is_default { Ok(StackitConfig::default()) } else { Err(missing) };
    };
    let json: Json = serde_json::from_str(&text).map_err(|error| {
        format!("{name} is not JSON at line {}, column {}", error.line(), error.column())
    })?;
    let json = json.as_object().ok_or_else(|| format!("{name} is not a JSON object"))?;
    let origin = format!("{ORIGIN}, profile {profile}: {name}");
    let mut found = StackitConfig::default();
    for key in keys() {
        let set = names(&key).find_map(|name| json.get(&name)?.as_str()).map(str::trim);
        let Some(text) = set.filter(|text| !text.is_empty()) else { continue };
        if key.path == "regions" && text == DEFAULT_REGION {
            continue;
        }
        match from_text(&key, text) {
            Ok(value) => found.values.push((key.path, (value, origin.clone()))),
            // The default address in its place would be another server, which gets the token.
            Err(text) if key.path.starts_with("endpoints.") => {
                found.problems.push((key.path, ConfigProblem { position: origin.clone(), text }));
            }
            Err(why) => found.notes.push(format!("{}: {}", clean(&origin), clean(&why))),
        }
    }
    Ok(found)
}

/// Names of a key in the CLI's file: the environment name without the prefix. Authentication is not configured there.
fn names(key: &Key) -> impl Iterator<Item = String> {
    let names = key.environment.iter().filter(|_| !key.path.starts_with("auth."));
    names.filter_map(|name| Some(name.strip_prefix("STACKIT_")?.to_lowercase()))
}

/// Reads a regular file; `None` if there is none.
fn read_text(path: &Path) -> Result<Option<String>, String> {
    let text = files::read_regular(path, MAX_BYTES)
        .and_then(|bytes| std::str::from_utf8(&bytes).map(str::to_owned).map_err(io::Error::other));
    match text {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::cli::args::Flags;
    use crate::cli::config::{Config, ConfigSources, Loaded, load};

    const DEFAULT: &str = r#"{
  "alb_custom _endpoint": "", "allowed_url_domain": "stackit.cloud", "assume_yes": false, "output_format": "",
  "project_id": "9f1c2b7e-41d0-4f0c-8a55-6d3f0b1c77e2", "region": "eu01", "ske_custom_endpoint": "",
  "session_time_limit": "12h", "token_custom_endpoint": "", "verbosity": "info"
}"#;
    const NIGHT_SHIFT: &str = r#"{
  "project_id": "c2e84d55-3f6a-4be9-9a07-8812c0de4f64", "region": "eu02",
  "resource_manager_custom_endpoint": "https://rm.example.test", "ske_custom_endpoint": "https://ske.example.test",
  "token_custom_endpoint": "https://token.example.test", "service_account_key_path": "/not/from/here"
}"#;

    /// A home folder with the folder of the CLI, and two profiles.
    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "cli-config.json", DEFAULT);
        write(home.path(), "profiles/night-shift/cli-config.json", NIGHT_SHIFT);
        home
    }

    fn write(home: &Path, name: &str, text: &str) {
        let folder = if cfg!(target_os = "macos") {
            "Library/Application Support/stackit"
        } else {
            ".config/stackit"
        };
        let path = home.join(folder).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn loaded(home: &Path, flags: &Flags, environment: &[(&str, &str)], file: &str) -> Loaded {
        let path = home.join("config.toml");
        std::fs::write(&path, file).unwrap();
        let lookup = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let home = Some(home.to_owned());
        load(flags, &ConfigSources { environment: &lookup, default_file: Some(path), home })
            .unwrap()
    }

    fn lines(config: &Config, path: &str) -> String {
        let start = format!("{path} = ");
        config.lines().into_iter().find(|line| line.starts_with(&start)).unwrap()
    }

    #[test]
    fn the_active_profile_of_the_cli_fills_what_nobody_sets_and_is_named_as_the_origin() {
        let home = home();
        let config = loaded(home.path(), &Flags::default(), &[], "").config;
        assert_eq!(config.list("projects"), ["9f1c2b7e-41d0-4f0c-8a55-6d3f0b1c77e2"]);
        // The CLI writes its default unasked.
        assert_eq!(config.list("regions"), ["eu01", "eu02"]);
        assert!(lines(&config, "endpoints.ske").ends_with("# default"));
        let origin = "   # stackit CLI, profile default: ";
        assert!(lines(&config, "projects").contains(origin), "{}", lines(&config, "projects"));
        write(home.path(), "cli-profile.txt", "night-shift");
        let config = loaded(home.path(), &Flags::default(), &[], "").config;
        let texts = ["endpoints.ske", "endpoints.token", "endpoints.resource_manager"];
        let found = texts.map(|path| config.text(path));
        let expected =
            ["https://ske.example.test", "https://token.example.test", "https://rm.example.test"];
        assert_eq!((config.list("regions"), found), (&["eu02".to_owned()][..], expected));
        assert_eq!(config.text("auth.service_account_key"), "");
        let environment = [("STACKIT_CLI_PROFILE", "default")];
        let config = loaded(home.path(), &Flags::default(), &environment, "").config;
        assert_eq!(config.list("projects"), ["9f1c2b7e-41d0-4f0c-8a55-6d3f0b1c77e2"]);
    }

    #[test]
    fn an_invalid_address_is_no_reason_to_use_the_default_one() {
        let home = home();
        write(home.path(), "cli-config.json", r#"{"ske_custom_endpoint": "http://ske.internal"}"#);
        let path = home.path().join("config.toml");
        let sources = || ConfigSources {
            environment: &|_| None,
            default_file: Some(path.clone()),
            home: Some(home.path().to_owned()),
        };
        std::fs::write(&path, "").unwrap();
        let problems = load(&Flags::default(), &sources()).err().unwrap();
        let told = problems[0].to_string();
        assert!(told.contains("stackit CLI, profile default") && told.contains("http"), "{told}");
        std::fs::write(&path, "[endpoints]\nske = \"https://ske.example.test\"\n").unwrap();
        let config = load(&Flags::default(), &sources()).unwrap().config;
        assert_eq!(config.text("endpoints.ske"), "https://ske.example.test", "it is not used");
    }

    #[test]
    fn flags_environment_and_file_override_the_cli() {
        let home = home();
        write(home.path(), "cli-profile.txt", "night-shift\n");
        let (flag, environment) =
            (vec!["flag".to_owned()], [("STACKIT_PROJECT_ID", "environment")]);
        let file = "projects = [\"file\"]\n";
        let flags = Flags { project: flag, ..Flags::default() };
        for (flags, environment, file, project, origin) in [
            (&flags, &environment[..], file, "flag", "--project"),
            (&Flags::default(), &environment, file, "environment", "STACKIT_PROJECT_ID"),
            (&Flags::default(), &[], file, "file", "config.toml"),
            (&Flags::default(), &[], "", "c2e84d55-3f6a-4be9-9a07-8812c0de4f64", "cli-config.json"),
        ] {
            let config = loaded(home.path(), flags, environment, file).config;
            assert_eq!(config.list("projects"), [project]);
            assert!(lines(&config, "projects").ends_with(origin));
            assert_eq!(config.list("regions"), ["eu02"]);
        }
    }

    #[test]
    fn file_14_what_is_wrong_with_the_files_of_the_cli_is_a_note_and_nothing_more() {
        let not_used = "The configuration of the stackit CLI is not used: ";
        for (name, text, expected) in [
            ("cli-config.json", "{\"project_id\": canary", "is not JSON at line 1, column 16"),
            ("cli-config.json", "[]", "is not a JSON object"),
            ("cli-config.json", &*" ".repeat(1024 * 1024 + 1), "cannot be read: "),
            (
                "cli-profile.txt",
                "../../elsewhere",
                "\"../../elsewhere\" is not the name of a profile",
            ),
            ("cli-profile.txt", "gone", "its profile gone has no file "),
        ] {
            let home = home();
            write(home.path(), name, text);
            let loaded = loaded(home.path(), &Flags::default(), &[], "");
            let [note] = &*loaded.notes else { panic!("{:?}", loaded.notes) };
            assert!(note.starts_with(not_used) && note.contains(expected), "{note}");
            assert!(!note.contains("canary") && loaded.config.list("projects").is_empty());
        }
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "other", "");
        assert!(loaded(home.path(), &Flags::default(), &[], "").notes.is_empty());
        let folder = home.path().join("config/stackit");
        std::fs::create_dir_all(&folder).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = folder.join("cli-config.json");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let elsewhere = home.path().join("config").display().to_string();
        let loaded = loaded(home.path(), &Flags::default(), &[("XDG_CONFIG_HOME", &elsewhere)], "");
        if cfg!(not(target_os = "macos")) {
            assert!(
                loaded.notes[0].ends_with("cannot be read: it is a FIFO"),
                "{:?}",
                loaded.notes
            );
        }
    }

    #[test]
    fn other_types_and_blank_values_are_left_out() {
        let home = home();
        write(home.path(), "cli-config.json", r#"{"project_id": 7, "region": " ", "extra": [{}]}"#);
        let loaded = loaded(home.path(), &Flags::default(), &[], "");
        assert!(loaded.notes.is_empty() && loaded.config.list("projects").is_empty());
        assert_eq!(loaded.config.list("regions"), ["eu01", "eu02"]);
    }
}
