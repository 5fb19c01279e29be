//! The configuration of one run: flags over environment over file over stackit CLI over defaults, each value with its
//! origin.

pub mod file;
pub mod keys;
mod stackit;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ratatui::style::Color;

use crate::app::keymap::Keymap;
use crate::cli::args::Flags;
pub use crate::cli::config::file::{ConfigProblem, join};
use crate::cli::config::file::{FileContent, FileValues, Value, check_list, from_text, read};
use crate::cli::config::keys::{Key, ValueKind, find as find_key, keys};
use crate::clients::auth::{self, AuthSettings, SetBy, SourceConfig};
use crate::clients::http::check_certificates;
use crate::domain::age::format_duration;
use crate::domain::lifetime::Lifetime;
use crate::domain::misplaced_secret::show;
use crate::domain::secret::Secret;
use crate::runtime::stackit::{find, token_program};
use crate::store::files;

/// Content of `config.example.toml`.
pub const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// Values by path, each with its origin.
#[derive(Debug, Clone)]
pub struct Config {
    values: Values,
    /// Locations of the values that the file sets.
    positions: BTreeMap<&'static str, String>,
    /// How to sign in; `None` if no source is set.
    pub auth: Option<SourceConfig>,
}

/// Key of the additional certificate authority.
pub const CA_FILE: &str = "endpoints.ca_file";
/// Largest file of additional certificate authorities, in bytes.
pub const CA_LIMIT: u64 = 4 * 1024 * 1024;
/// Key of the stackit CLI's profile.
const STACKIT_PROFILE: &str = "stackit_profile";
/// Origin of a default value.
const DEFAULT: &str = "default";

/// Values by path, each with its origin.
type Values = BTreeMap<&'static str, (Value, String)>;

/// Sources of configuration.
#[derive(Clone)]
pub struct ConfigSources<'a> {
    /// Reads an environment variable.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub default_file: Option<PathBuf>,
    /// The home folder, for `~`.
    pub home: Option<PathBuf>,
}

impl ConfigSources<'_> {
    /// An environment variable, unless empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Notes for the user, none of them an error.
    pub notes: Vec<String>,
    /// The selected profile, and all known profiles.
    pub profile: Option<String>,
    pub profiles: Vec<String>,
}

/// The file to read, from flag, variable or default location; and whether it was named explicitly.
pub fn path(flags: &Flags, sources: &ConfigSources<'_>) -> (Option<PathBuf>, bool) {
    let variable = || sources.variable("SKEYS_CONFIG").map(PathBuf::from);
    let named = flags.config.clone().or_else(variable);
    match named {
        Some(path) => (Some(path), true),
        None => (sources.default_file.clone(), false),
    }
}

/// Reads flags, environment, file and the configuration of the stackit CLI.
///
/// # Errors
/// Every problem, each with its location.
pub fn load(flags: &Flags, sources: &ConfigSources<'_>) -> Result<Loaded, Vec<ConfigProblem>> {
    load_with(flags, sources, None)
}

/// As [`load`]; with lines to add to the file, it need not exist.
pub fn load_with(
    flags: &Flags,
    sources: &ConfigSources<'_>,
    lines: Option<&str>,
) -> Result<Loaded, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let mut notes = Vec::new();
    let mut config = Config { values: defaults(), positions: BTreeMap::new(), auth: None };
    // An empty flag means no profile, even if the environment sets one.
    let profile = flags.profile.clone().or_else(|| sources.variable("SKEYS_PROFILE"));
    let profile = profile.filter(|name| !name.is_empty());
    let mut profiles = Vec::new();
    match path(flags, sources) {
        (Some(path), named) => match read_file(&path, named, lines) {
            Ok(found) => {
                profiles.extend(found.profiles.keys().cloned());
                let file = show(path.display());
                problems.extend(config.apply_file(found, profile.as_deref(), &file).err());
            }
            Err(found) => problems.extend(found),
        },
        (None, _) => notes.push(
            "No home folder is set: no configuration is read and no state is saved. Use --config to set a file."
                .to_owned(),
        ),
    }
    for key in keys() {
        let mut names = key.environment.iter();
        if let Some((name, text)) = names.find_map(|name| Some((name, sources.variable(name)?))) {
            problems.extend(config.set(&key, name, from_text(&key, &text)).err());
        }
    }
    problems.extend(config.apply_flags(flags));
    let stackit_profile = config.text_if_set(STACKIT_PROFILE);
    let of_stackit = stackit::read(stackit_profile, sources.environment, sources.home.as_deref());
    let is_unset = |path: &str| config.set_by(path).is_none();
    let invalid = of_stackit.problems.into_iter().filter(|(path, _)| is_unset(path));
    problems.extend(invalid.map(|(_, problem)| problem));
    for (path, value) in of_stackit.values {
        if config.set_by(path).is_none() {
            config.values.insert(path, value);
        }
    }
    notes.extend(of_stackit.notes);
    problems.extend(config.check_ca_file(sources.home.as_deref()).err());
    if !problems.is_empty() {
        return Err(problems);
    }
    config.auth = choose_source(flags, sources, &config);
    Ok(Loaded { config, notes, profile, profiles })
}

/// The default values. A test checks that they are valid.
pub(super) fn defaults() -> Values {
    let lines = keys().map(|key| format!("{} = {}\n", key.path, key.default));
    let read = read(DEFAULT, &lines.collect::<String>()).unwrap_or_default();
    read.values.into_iter().map(|(path, value)| (path, (value, DEFAULT.to_owned()))).collect()
}

/// Largest configuration that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// Reads a file plus additional lines; it may be missing if it is not named or if lines are added.
fn read_file(
    path: &Path,
    named: bool,
    lines: Option<&str>,
) -> Result<FileContent, Vec<ConfigProblem>> {
    let name = show(path.display());
    let text = files::read(path, MAX_BYTES).and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map(str::to_owned);
        text.map_err(|_not_text| std::io::Error::other("it is not UTF-8"))
    });
    let text = match text {
        Err(error) if error.kind() == ErrorKind::NotFound && (!named || lines.is_some()) => {
            String::new()
        }
        other => other.map_err(|error| {
            vec![ConfigProblem { position: name.clone(), text: format!("cannot be read: {error}") }]
        })?,
    };
    let mut content = read(&name, &text)?;
    let added = read(&name, lines.unwrap_or_default())?;
    content.values.extend(added.values);
    content.positions.extend(added.positions);
    Ok(content)
}

fn choose_source(
    flags: &Flags,
    sources: &ConfigSources<'_>,
    config: &Config,
) -> Option<SourceConfig> {
    let text = |path: &str| {
        let switch = config.switch(path).then_some("true");
        switch.or_else(|| config.text_if_set(path)).map(str::to_owned)
    };
    auth::choose(&AuthSettings {
        path: &|key| {
            let by = match config.set_by(key) {
                _ if flags.auth.0.iter().any(|(setting, _)| setting.key == key) => SetBy::Flag,
                None => SetBy::Default,
                Some(_) => SetBy::Configured,
            };
            Some((expand(&text(key)?, sources.home.as_deref()), by))
        },
        text: &text,
        variable: &|name| {
            let value = (sources.environment)(name).filter(|value| !value.trim().is_empty());
            value.map(Secret::new)
        },
        stackit: (sources.environment)("PATH")
            .and_then(|folders| find(&folders))
            .map(|program| token_program(program, text(STACKIT_PROFILE))),
    })
}

/// Replaces a leading `~` with the home folder.
pub fn expand(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
    }
}

impl Config {
    /// Sets a value, or returns its problem.
    fn set(
        &mut self,
        key: &Key,
        origin: &str,
        value: Result<Value, String>,
    ) -> Result<(), ConfigProblem> {
        let value = value.map_err(|text| ConfigProblem { position: origin.to_owned(), text })?;
        self.values.insert(key.path, (value, origin.to_owned()));
        self.positions.remove(key.path);
        Ok(())
    }

    /// Overrides values with those of a file and of the selected profile.
    ///
    /// # Errors
    /// The profile does not exist.
    fn apply_file(
        &mut self,
        content: FileContent,
        profile: Option<&str>,
        file: &str,
    ) -> Result<(), ConfigProblem> {
        let FileContent { values: common, mut profiles, positions } = content;
        let mut put = |found: FileValues, origin: &str| {
            let found = found.into_iter();
            self.values.extend(found.map(|(path, value)| (path, (value, origin.to_owned()))));
        };
        put(common, file);
        if let Some(name) = profile {
            let Some(found) = profiles.remove(name) else {
                let names: Vec<String> = profiles.into_keys().collect();
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let text = format!("unknown profile {}; known: {known}", show(name));
                return Err(ConfigProblem { position: file.to_owned(), text });
            };
            put(found, &format!("{file}, profile {}", show(name)));
        }
        // The empty name of no profile sorts first.
        for ((of, path), at) in positions {
            if of.is_empty() || profile == Some(&of) {
                self.positions.insert(path, at);
            }
        }
        Ok(())
    }

    /// Whether the additional certificate authority can be read.
    fn check_ca_file(&self, home: Option<&Path>) -> Result<(), ConfigProblem> {
        let Some(file) = self.text_if_set(CA_FILE) else { return Ok(()) };
        let path = expand(file, home);
        let check = || match std::fs::metadata(&path) {
            Err(error) => Err(format!("which cannot be read: {error}")),
            Ok(data) if data.is_dir() => Err("which is a folder".to_owned()),
            // The content of a FIFO can be read only once.
            Ok(data) if data.file_type().is_fifo() => Ok(()),
            Ok(_) => match files::read(&path, CA_LIMIT) {
                Err(error) => Err(format!("which cannot be read: {error}")),
                Ok(pem) => check_certificates(&pem)
                    .map_err(|_none| "which contains no readable certificate".to_owned()),
            },
        };
        check().map_err(|why| {
            let position = self.positions.get(CA_FILE).cloned();
            let position = position.unwrap_or_else(|| self.origin(CA_FILE).0.to_owned());
            let shown = show(file);
            let text =
                format!("{CA_FILE} is \"{shown}\", {why}; expected a file with certificates (PEM)");
            ConfigProblem { position, text }
        })
    }

    /// Overrides values with the given flags; returns problems with the flags.
    fn apply_flags(&mut self, flags: &Flags) -> Vec<ConfigProblem> {
        let one = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
        let switch = |on: bool, word: &str| one(&on.then(|| word.to_owned()));
        let given = [
            ("projects", "project", flags.project.clone()),
            ("regions", "region", flags.region.clone()),
            ("read_only", "read-only", switch(flags.read_only, "true")),
            ("display.theme", "theme", one(&flags.theme)),
            ("log.file", "log-file", one(&flags.log_file)),
            ("log.level", "log-level", one(&flags.log_level)),
            ("display.ascii", "ascii", switch(flags.ascii, "always")),
            ("display.utc", "utc", switch(flags.utc, "true")),
        ];
        let paths = flags.auth.0.iter().map(|(setting, path)| {
            (setting.key, setting.flag.unwrap_or_default(), vec![path.display().to_string()])
        });
        let mut problems = Vec::new();
        for (path, flag, items) in given.into_iter().chain(paths) {
            let (Some(key), Some(first)) = (find_key(path), items.first()) else { continue };
            let is_list = key.kind == ValueKind::Ids;
            let value = if is_list { check_list(&key, &items) } else { from_text(&key, first) };
            problems.extend(self.set(&key, &format!("--{flag}"), value).err());
        }
        problems
    }

    /// Every key with its value and origin, as text without secrets.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = keys()
            .filter_map(|key| self.values.get(key.path).map(|value| (key, value)))
            .map(|(key, (value, origin))| {
                format!("{} = {}   # {origin}", key.path, format_value(value))
            })
            .collect();
        match &self.auth {
            Some(source) => {
                lines.push(format!("signs in with {}", source.summary));
                let unused = source.unused.iter();
                lines.extend(unused.map(|summary| format!("also set, not used: {summary}")));
            }
            None => lines.push("cannot sign in: no token source is configured".to_owned()),
        }
        lines
    }

    /// Keys whose value differs in another configuration.
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let paths = keys().map(|key| key.path);
        paths.filter(|path| self.value(path) != other.value(path)).collect()
    }

    /// Overrides a configured value, for the demo.
    pub fn put(&mut self, path: &'static str, value: Value) {
        self.values.insert(path, (value, "demo".to_owned()));
    }

    /// Resets values from the configuration of the stackit CLI to their defaults.
    pub fn ignore_stackit(&mut self) {
        for (path, default) in defaults() {
            if self.origin(path).0.starts_with(stackit::ORIGIN) {
                self.values.insert(path, default);
            }
        }
    }

    /// Origin of a value in a few words; and whether it is a flag or the environment, and thus of this run only.
    pub fn origin(&self, path: &str) -> (&str, bool) {
        let origin = self.values.get(path).map_or(DEFAULT, |(_, origin)| origin.as_str());
        let is_named = find_key(path).is_some_and(|key| key.environment.contains(&origin));
        (origin, is_named || origin.starts_with("--"))
    }

    /// What set a value; `None` for a default.
    pub fn set_by(&self, path: &str) -> Option<&str> {
        Some(self.origin(path).0).filter(|origin| *origin != DEFAULT)
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.values.get(path).map(|(value, _)| value)
    }

    /// A switch.
    pub fn switch(&self, path: &str) -> bool {
        self.value(path) == Some(&Value::Switch(true))
    }

    /// A duration.
    pub fn duration(&self, path: &str) -> Duration {
        if let Some(Value::Duration(it)) = self.value(path) { *it } else { Duration::ZERO }
    }

    /// A number.
    pub fn number(&self, path: &str) -> usize {
        let number = if let Some(Value::Number(it)) = self.value(path) { *it } else { 0 };
        usize::try_from(number).unwrap_or(0)
    }

    /// A text; empty when not set.
    pub fn text(&self, path: &str) -> &str {
        if let Some(Value::Text(it)) = self.value(path) { it } else { "" }
    }

    fn text_if_set(&self, path: &str) -> Option<&str> {
        Some(self.text(path)).filter(|text| !text.is_empty())
    }

    /// A list.
    pub fn list(&self, path: &str) -> &[String] {
        if let Some(Value::List(it)) = self.value(path) { it } else { &[] }
    }

    /// The lifetime of kubeconfigs.
    pub fn lifetime(&self) -> Lifetime {
        let value = self.value("kubeconfig.lifetime");
        if let Some(Value::Lifetime(it)) = value { *it } else { Lifetime::MIN }
    }

    /// Configured colours by role.
    pub fn colors(&self) -> &BTreeMap<&'static str, Color> {
        static NONE: BTreeMap<&str, Color> = BTreeMap::new();
        if let Some(Value::Colors(it)) = self.value("display.colors") { it } else { &NONE }
    }

    /// Configured keys by command.
    pub fn keys(&self) -> &BTreeMap<String, Vec<String>> {
        static NONE: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if let Some(Value::Keys(it)) = self.value("keys") { it } else { &NONE }
    }

    /// The keymap with the configured keys, which were checked when they were read.
    pub fn keymap(&self) -> Keymap {
        Keymap::new(self.keys()).unwrap_or_default()
    }
}

fn format_value(value: &Value) -> String {
    let quoted = |text: &str| format!("{:?}", show(text));
    match value {
        Value::Switch(on) => on.to_string(),
        Value::Duration(duration) => quoted(&format_duration(*duration)),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::List(list) => {
            format!("[{}]", list.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
        }
        Value::Lifetime(lifetime) => quoted(&lifetime.to_string()),
        Value::Keys(keys) => format!("{} changed", keys.len()),
        Value::Colors(colors) => {
            let colors = colors.iter().map(|(role, color)| format!("{role} = \"{color}\""));
            format!("{{{}}}", colors.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use crate::cli::args::{Arguments, Flags};
    use crate::cli::config::file::{Value, read};
    use crate::cli::config::keys::keys;
    use crate::cli::config::{ConfigSources, EXAMPLE, Loaded, defaults, load};
    use crate::clients::auth::TokenSource;
    use crate::clients::http::Http;
    use crate::clock::Clock;
    use crate::domain::misplaced_secret::SHOWN;

    fn loaded(
        flags: &Flags,
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Loaded, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        loaded_at(Path::new("/home/a"), folder.path(), flags, environment, file)
    }

    /// As `loaded`, with a home folder and a folder for the file.
    fn loaded_at(
        home: &Path,
        folder: &Path,
        flags: &Flags,
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Loaded, Vec<String>> {
        let path = folder.join("config.toml");
        std::fs::write(&path, file).unwrap();
        let lookup = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let sources = ConfigSources {
            environment: &lookup,
            default_file: Some(path),
            home: Some(home.to_owned()),
        };
        load(flags, &sources).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn flags_override_environment_file_and_defaults() {
        let file = "regions = [\"eu02\"]\nprojects = [\"from-file\"]\n[display]\nutc = true\n";
        let environment = [("STACKIT_PROJECT_ID", "from-environment"), ("STACKIT_REGION", "eu01")];
        let config = loaded(&Flags::default(), &environment, file).unwrap().config;
        assert_eq!(config.list("projects"), ["from-environment"]);
        assert_eq!(config.list("regions"), ["eu01"]);
        assert!(config.switch("display.utc"));
        assert_eq!(config.number("poll.concurrency"), 6);
        let flags =
            Flags { project: vec!["from-flag".into()], read_only: true, ..Flags::default() };
        let config = loaded(&flags, &environment, file).unwrap().config;
        assert_eq!(config.list("projects"), ["from-flag"]);
        assert!(config.switch("read_only"));
        assert!(
            config
                .lines()
                .iter()
                .any(|l| l.starts_with("read_only = true") && l.ends_with("--read-only"))
        );
    }

    #[test]
    fn file_15_a_wrong_variable_is_named() {
        let environment = [("SKEYS_POLL_IDLE", "soon")];
        let problems = loaded(&Flags::default(), &environment, "").unwrap_err();
        assert!(problems[0].starts_with("SKEYS_POLL_IDLE: poll.idle is \"soon\""), "{problems:?}");
    }

    #[test]
    fn file_14_without_a_home_folder_defaults_apply_with_a_note() {
        let sources = ConfigSources { environment: &|_| None, default_file: None, home: None };
        let loaded = load(&Flags::default(), &sources).unwrap();
        assert_eq!(loaded.notes.len(), 1);
    }

    /// The token source in use, and others that are configured, with flags, environment, configuration and credentials
    /// file.
    fn signs_in(
        flags: &[&str],
        environment: &[(&str, &str)],
        file: &str,
        credentials: Option<&str>,
    ) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        if let Some(text) = credentials {
            std::fs::create_dir(home.path().join(".stackit")).unwrap();
            std::fs::write(home.path().join(".stackit/credentials.json"), text).unwrap();
        }
        let flags = Arguments::try_parse_from(["skeys"].iter().chain(flags)).unwrap().flags;
        let loaded = loaded_at(home.path(), home.path(), &flags, environment, file).unwrap();
        let Some(source) = loaded.config.auth else { return Vec::new() };
        let at_home = home.path().display().to_string();
        let summaries = [source.summary].into_iter().chain(source.unused);
        summaries.map(|summary| summary.replace(&at_home, "~")).collect()
    }

    #[test]
    fn the_sources_of_a_token_have_an_order_and_a_flag_goes_before_it() {
        let token = ("STACKIT_ACCESS_TOKEN", "t");
        let key = ("STACKIT_SERVICE_ACCOUNT_KEY", "{}");
        let key_path = ("STACKIT_SERVICE_ACCOUNT_KEY_PATH", "/key");
        let account_token = ("STACKIT_SERVICE_ACCOUNT_TOKEN", "t");
        let files = "[auth]\nservice_account_key = \"~/key.json\"\ntoken_file = \"/token\"\n";
        let only_token = "[auth]\ntoken_file = \"~/token\"\n";
        let stored_both = r#"{"STACKIT_SERVICE_ACCOUNT_KEY_PATH": "/stored", "STACKIT_SERVICE_ACCOUNT_KEY": "{}", "STACKIT_SERVICE_ACCOUNT_TOKEN": "t"}"#;
        let stored_text = r#"{"STACKIT_SERVICE_ACCOUNT_KEY": "{}"}"#;
        let stored_token = r#"{"STACKIT_SERVICE_ACCOUNT_TOKEN": "t"}"#;
        let in_file = "set in ~/.stackit/credentials.json";
        let of_stored = "the token of STACKIT_SERVICE_ACCOUNT_TOKEN in ~/.stackit/credentials.json";
        for (flags, environment, file, stored, expected) in [
            (&["--token-file", "t"][..], &[token, key][..], files, None, "the token in t"),
            (
                &["--service-account-key=k", "--token-file=t"],
                &[token],
                "",
                None,
                "the service-account key k",
            ),
            (&[], &[token, key], files, None, "the token of STACKIT_ACCESS_TOKEN"),
            (&[], &[key], files, None, "the service-account key ~/key.json"),
            (&[], &[key_path, key], "", Some(stored_both), "the service-account key /key"),
            (
                &[],
                &[key, account_token],
                only_token,
                Some(stored_both),
                "the service-account key of STACKIT_SERVICE_ACCOUNT_KEY",
            ),
            (
                &[],
                &[account_token],
                only_token,
                Some(stored_both),
                &*format!("the service-account key /stored, {in_file}"),
            ),
            (
                &[],
                &[account_token],
                only_token,
                Some(stored_text),
                &*format!("the service-account key of STACKIT_SERVICE_ACCOUNT_KEY, {in_file}"),
            ),
            (
                &[],
                &[account_token],
                only_token,
                Some(stored_token),
                "the token of STACKIT_SERVICE_ACCOUNT_TOKEN",
            ),
            (&[], &[], only_token, Some(stored_token), of_stored),
            (&[], &[], only_token, Some("{}"), "the token in ~/token"),
            (&[], &[], "", Some("{}"), ""),
            (&[], &[("STACKIT_ACCESS_TOKEN", " ")], "", None, ""),
        ] {
            let found = signs_in(flags, environment, file, stored);
            assert_eq!(found.first().map_or("", String::as_str), expected);
        }
    }

    #[test]
    fn workload_identity_comes_after_service_account_tokens_and_before_token_files() {
        let account_token = ("STACKIT_SERVICE_ACCOUNT_TOKEN", "t");
        let account = ("STACKIT_SERVICE_ACCOUNT_EMAIL", "a");
        let asked = ("STACKIT_USE_OIDC", "1");
        let federated = ("STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN", "t");
        let federated_file = ("STACKIT_FEDERATED_TOKEN_FILE", "/federated");
        let github =
            [("ACTIONS_ID_TOKEN_REQUEST_URL", "u"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t")];
        let azure = [("SYSTEM_OIDCREQUESTURI", "u"), ("SYSTEM_ACCESSTOKEN", "t")];
        for (environment, stored, expected) in [
            (
                &[account, federated, account_token][..],
                Some("{}"),
                "the token of STACKIT_SERVICE_ACCOUNT_TOKEN",
            ),
            (
                &[account, federated, federated_file, asked],
                None,
                "workload identity, the token of STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN",
            ),
            (
                &[account, federated_file, asked, github[0], github[1]],
                None,
                "workload identity, the token in /federated",
            ),
            (
                &[asked, github[0], github[1], azure[0], azure[1]],
                None,
                "workload identity of GitHub Actions",
            ),
            (&[asked, azure[0], azure[1]], None, "workload identity of Azure DevOps"),
            (&[asked], None, "workload identity"),
            (&[account, github[0], github[1]], None, "the token in ~/token"),
        ] {
            let file = "[auth]\ntoken_file = \"~/token\"\n";
            let found = signs_in(&[], environment, file, stored);
            assert_eq!(found.first().map_or("", String::as_str), expected);
        }
    }

    #[test]
    fn a_profile_overrides_the_rest_of_the_file_and_nothing_above_it() {
        let file = "projects = [\"common\"]\n[poll]\nidle = \"40s\"\n\
                    [profiles.night]\nprojects = [\"night\"]\nstackit_profile = \"shift\"\n\
                    [profiles.night.endpoints]\nske = \"https://night.example\"\n";
        let flags = Flags { profile: Some("night".to_owned()), ..Flags::default() };
        let by_name = [("SKEYS_PROFILE", "night")];
        for (flags, environment) in [(&flags, &[][..]), (&Flags::default(), &by_name)] {
            let config = loaded(flags, environment, file).unwrap().config;
            assert_eq!(config.list("projects"), ["night"]);
            assert_eq!(config.text("endpoints.ske"), "https://night.example");
            assert_eq!(config.duration("poll.idle").as_secs(), 40);
            let lines = config.lines();
            let line = lines.iter().find(|line| line.starts_with("projects = ")).unwrap();
            assert!(line.ends_with("config.toml, profile night"), "{line}");
        }
        let environment = [("STACKIT_PROJECT_ID", "environment"), ("STACKIT_CLI_PROFILE", "own")];
        let config = loaded(&flags, &environment, file).unwrap().config;
        assert_eq!(config.list("projects"), ["environment"]);
        assert_eq!(config.text("stackit_profile"), "own");
        assert_eq!(
            loaded(&Flags::default(), &[], file).unwrap().config.list("projects"),
            ["common"]
        );
        let none = Flags { profile: Some(String::new()), ..Flags::default() };
        let without = loaded(&none, &by_name, file).unwrap();
        assert_eq!(
            (without.config.list("projects"), without.profile),
            (&["common".to_owned()][..], None)
        );
        assert_eq!(without.profiles, ["night"]);
        let config = loaded(&flags, &[("STACKIT_REGION", "eu01")], file).unwrap().config;
        let set_for_run = ["projects", "regions", "read_only"].map(|path| config.origin(path).1);
        assert_eq!(set_for_run, [false, true, false]);
        let flags = Flags { profile: Some("nihgt".to_owned()), ..Flags::default() };
        let problems = loaded(&flags, &[], file).unwrap_err();
        assert!(
            problems[0].ends_with("config.toml: unknown profile nihgt; known: night"),
            "{problems:?}"
        );
    }

    #[test]
    fn colours_have_names_numbers_and_hex_and_a_profile_has_its_own() {
        let file = "[display.colors]\naccent = \"#7aa2f7\"\nbad = \"bright-red\"\ngood = 22\n\
                    [profiles.night.display.colors]\nwarn = \"3\"\n";
        for (flags, expected) in [
            (&[][..], "{accent = \"#7AA2F7\", bad = \"LightRed\", good = \"22\"}"),
            (&["--profile", "night"], "{warn = \"3\"}"),
        ] {
            let flags = Arguments::try_parse_from(["skeys"].iter().chain(flags)).unwrap().flags;
            let config = loaded(&flags, &[("COLORTERM", "truecolor")], file).unwrap().config;
            let lines = config.lines();
            let line = lines.iter().find_map(|line| line.strip_prefix("display.colors = "));
            assert!(line.unwrap().starts_with(expected), "{line:?}");
            let again = format!("display.colors = {expected}");
            let again = loaded(&Flags::default(), &[], &again).unwrap().config;
            assert_eq!(config.colors(), again.colors());
        }
    }

    #[test]
    fn what_is_set_beside_the_source_that_is_used_is_listed_and_not_used() {
        let environment = [("STACKIT_ACCESS_TOKEN", "t"), ("STACKIT_SERVICE_ACCOUNT_TOKEN", "t")];
        let file = "[auth]\ntoken_file = \"/token\"\n";
        let expected = ["STACKIT_ACCESS_TOKEN", "STACKIT_SERVICE_ACCOUNT_TOKEN"]
            .map(|name| format!("the token of {name}"));
        let expected = expected.into_iter().chain(["the token in /token".to_owned()]);
        assert_eq!(signs_in(&[], &environment, file, None), expected.collect::<Vec<_>>());
        let loaded = loaded(&Flags::default(), &environment, file).unwrap();
        let lines = loaded.config.lines().join("\n");
        let expected = "signs in with the token of STACKIT_ACCESS_TOKEN\n\
                        also set, not used: the token of STACKIT_SERVICE_ACCOUNT_TOKEN\n\
                        also set, not used: the token in /token";
        assert!(lines.ends_with(expected), "{lines}");
    }

    #[test]
    fn auth_07_a_broken_credentials_file_is_used_and_says_what_is_wrong() {
        for (text, expected) in [
            ("{\"canary\": canary", "not JSON at line 1, column 12"),
            ("[\"canary\"]", "not a JSON object"),
        ] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("c.json");
            std::fs::write(&path, text).unwrap();
            let name = path.display().to_string();
            let environment = [("STACKIT_CREDENTIALS_PATH", &*name)];
            let file = "[auth]\ntoken_file = \"/token\"\n";
            let loaded = loaded(&Flags::default(), &environment, file).unwrap();
            let source = loaded.config.auth.unwrap();
            assert_eq!(source.summary, format!("the credentials file {name}"));
            let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
            let http = Http::new(clock.clone(), None).unwrap();
            let failure = TokenSource::new(source, http, clock).unwrap_err();
            assert_eq!(failure.message, format!("{name}: {expected}"));
            let hint = failure.hint.clone().unwrap();
            assert!(hint.ends_with("(also set, not used: the token in /token)"), "{hint}");
            assert!(!format!("{failure:?}").contains("canary"));
        }
    }

    #[test]
    fn auth_11_a_credentials_file_that_is_missing_or_a_fifo_is_told_if_it_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for name in ["fifo", "missing"] {
            let path = home.path().join(name).display().to_string();
            let environment = [("STACKIT_CREDENTIALS_PATH", &*path)];
            let source = loaded(&Flags::default(), &environment, "").unwrap().config.auth.unwrap();
            assert_eq!(source.summary, format!("the credentials file {path}"));
        }
    }

    /// Secrets, and a part of each to search for.
    const CANARIES: [(&str, &str); 4] = [
        (
            "{\n \"credentials\": {\"kid\": \"canary\", \"privateKey\": \"-----BEGIN PRIVATE KEY-----\"}\n}",
            "canary",
        ),
        ("eyJhbGciOiJSUzUxMiJ9.eyJlbWFpbCI6ImNhbmFyeSJ9.Y2FuYXJ5", "ImNhbmFyeSJ9"),
        ("-----BEGIN PRIVATE KEY-----\nY2FuYXJ5Y2FuYXJ5\n-----END PRIVATE KEY-----", "Y2FuYXJ5"),
        ("Zx8Kq2LmN0vRt5Yw9Bc3Df7Gh1Jk4Pq6Su", "Zx8Kq2Lm"),
    ];

    #[test]
    fn auth_17_a_secret_in_any_setting_is_refused_and_not_shown() {
        let check = |name: &str, mark: &str, found: Result<Loaded, Vec<String>>| {
            let problems = found.err().unwrap_or_else(|| panic!("{name} is taken"));
            let text = problems.join("\n");
            assert!(!text.contains(mark) && text.contains(SHOWN), "{name}: {text}");
            text
        };
        let parsed = |flag: &str, value: &str| {
            Arguments::try_parse_from(["skeys", &format!("--{flag}={value}")]).unwrap().flags
        };
        for (secret, mark) in CANARIES {
            for key in keys() {
                for name in key.environment {
                    // Sign in by another source.
                    let environment = [(*name, secret), ("STACKIT_ACCESS_TOKEN", "e30.e30.c2ln")];
                    let text = check(name, mark, loaded(&Flags::default(), &environment, ""));
                    assert!(text.starts_with(&format!("{name}: {} is (a", key.path)), "{text}");
                }
                let string = toml::Value::String(secret.to_owned()).to_string();
                for value in
                    [string.clone(), format!("[{string}]"), format!("{{ rotate = [{string}] }}")]
                {
                    let file = format!("{} = {value}\n", key.path);
                    if let Err(problems) = loaded(&Flags::default(), &[], &file) {
                        assert!(!problems.concat().contains(mark), "{problems:?}");
                    } else {
                        panic!("{file} is taken");
                    }
                }
            }
            let owned = || vec![secret.to_owned()];
            let given = [
                Flags { project: owned(), ..Flags::default() },
                Flags { region: owned(), ..Flags::default() },
                Flags { log_file: Some(secret.to_owned()), ..Flags::default() },
                parsed("token-file", secret),
                parsed("service-account-key", secret),
                Flags { config: Some(secret.into()), ..Flags::default() },
                Flags { profile: Some(secret.to_owned()), ..Flags::default() },
            ];
            for flags in given {
                check("flag", mark, loaded(&flags, &[], ""));
            }
        }
    }

    #[test]
    fn auth_17_the_variable_for_what_is_in_a_file_is_named() {
        let (secret, _) = CANARIES[0];
        for (path, content) in [
            ("STACKIT_SERVICE_ACCOUNT_KEY_PATH", "STACKIT_SERVICE_ACCOUNT_KEY"),
            ("STACKIT_PRIVATE_KEY_PATH", "STACKIT_PRIVATE_KEY"),
            ("SKEYS_AUTH_TOKEN_FILE", "STACKIT_ACCESS_TOKEN"),
            ("STACKIT_FEDERATED_TOKEN_FILE", "STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN"),
        ] {
            let problems = loaded(&Flags::default(), &[(path, secret)], "").unwrap_err();
            let hint = format!("; set {content} to the content of the file");
            assert!(problems[0].ends_with(&hint), "{problems:?}");
        }
        let problems = loaded(&Flags::default(), &[("STACKIT_REGION", secret)], "").unwrap_err();
        assert!(problems[0].contains("; set keys and tokens in STACKIT_ACCESS_TOKEN, "));
    }

    #[test]
    fn auth_17_a_key_in_the_place_of_a_path_in_the_credentials_file_is_not_shown() {
        for (secret, mark) in CANARIES {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("c.json");
            let text = serde_json::json!({ "STACKIT_SERVICE_ACCOUNT_KEY_PATH": secret });
            std::fs::write(&path, text.to_string()).unwrap();
            let name = path.display().to_string();
            let environment = [("STACKIT_CREDENTIALS_PATH", &*name)];
            let source = loaded(&Flags::default(), &environment, "").unwrap().config.auth.unwrap();
            assert!(source.summary.contains(SHOWN), "{}", source.summary);
            let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
            let http = Http::new(clock.clone(), None).unwrap();
            let failure = TokenSource::new(source, http, clock).unwrap_err();
            assert!(!format!("{failure:?} {failure}").contains(mark), "{failure}");
            assert!(failure.to_string().contains("STACKIT_SERVICE_ACCOUNT_KEY takes"), "{failure}");
        }
    }

    #[test]
    fn durations_are_printed_as_they_are_written() {
        for (text, shown) in [
            ("180d", "180d"),
            ("7d", "7d"),
            ("1h 30m", "1h 30m"),
            ("90s", "1m 30s"),
            ("45s", "45s"),
            ("0s", "0s"),
            ("1500ms", "1s 500ms"),
            ("3us", "3us"),
        ] {
            let duration = humantime::parse_duration(text).unwrap();
            let found = super::format_duration(duration);
            assert_eq!(found, shown);
            assert_eq!(humantime::parse_duration(&found), Ok(duration));
        }
        let lines = loaded(&Flags::default(), &[], "").unwrap().config.lines();
        assert!(
            lines.iter().any(|line| line == "overdue_after = \"180d\"   # default"),
            "{lines:?}"
        );
        assert!(lines.iter().any(|line| line.starts_with("kubeconfig.warn_before = \"7d\"")));
    }

    #[test]
    fn ids_that_cannot_be_part_of_an_address_are_refused() {
        for wrong in ["", "a/b", "../x", "..", ".", "a b", "a?b", "a%2fb", "\u{e4}"] {
            for key in ["projects", "regions"] {
                let file = format!("{key} = [\"fine\", {wrong:?}]\n");
                let problems = loaded(&Flags::default(), &[], &file).unwrap_err();
                let expected = format!("{key} has {wrong:?}; expected a list of IDs");
                assert!(problems[0].contains(&expected), "{problems:?}");
            }
            let flags = Flags { project: vec![wrong.to_owned()], ..Flags::default() };
            let problems = loaded(&flags, &[], "").unwrap_err();
            assert!(problems[0].starts_with("--project: projects has "), "{problems:?}");
        }
    }

    #[test]
    fn the_example_has_every_key_with_its_default_and_no_other() {
        // Without the comment marks it is a complete configuration.
        let lines: Vec<&str> =
            EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let whole = lines.join("\n");
        let content = read("config.example.toml", &whole).unwrap_or_else(|p| panic!("{p:#?}"));
        for key in keys() {
            let found =
                content.values.get(key.path).unwrap_or_else(|| panic!("{} is missing", key.path));
            if !matches!(found, Value::Keys(_)) {
                assert_eq!(*found, defaults()[key.path].0, "{}", key.path);
            }
            for name in key.environment {
                assert!(EXAMPLE.contains(name), "{name} is not mentioned");
            }
        }
        for word in
            EXAMPLE.split(|c: char| !(c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit()))
        {
            if word.starts_with("SKEYS_") {
                assert!(keys().any(|key| key.environment.contains(&word)), "{word}");
            }
        }
        assert!(
            read("config.example.toml", EXAMPLE).unwrap().values.is_empty(),
            "nothing is set as shipped"
        );
    }

    #[test]
    fn file_15_a_certificate_authority_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("empty.pem"), "no certificate").unwrap();
        let missing = at("missing.pem");
        let file = format!(
            "[endpoints]\nca_file = \"{missing}\"\n[profiles.a.endpoints]\nca_file = '{}'\n[profiles.b.endpoints]\nca_file = \"\"\n",
            at("empty.pem")
        );
        let read = |profile: &str, environment: &[(&str, &str)]| {
            let flags = Flags { profile: Some(profile.to_owned()), ..Flags::default() };
            loaded_at(folder.path(), folder.path(), &flags, environment, &file)
        };
        let config = at("config.toml");
        let expected = "; expected a file with certificates (PEM)";
        for (profile, environment, place, why) in [
            ("", None, format!("{config}:2:11"), "which cannot be read: No such file"),
            ("a", None, format!("{config}:4:11"), "which contains no readable certificate"),
            ("a", Some("/"), "SKEYS_ENDPOINTS_CA_FILE".to_owned(), "which is a folder"),
        ] {
            let environment = environment.map(|path| ("SKEYS_ENDPOINTS_CA_FILE", path));
            let problems = read(profile, environment.as_slice()).unwrap_err();
            let start = format!("{place}: endpoints.ca_file is \"");
            assert!(problems[0].starts_with(&start), "{problems:?}\n{start}");
            assert!(problems[0].contains(why) && problems[0].ends_with(expected), "{problems:?}");
        }
        read("b", &[]).unwrap();
        let wrong = [("STACKIT_SKE_CUSTOM_ENDPOINT", "http://host")];
        let problems = read("b", &wrong).unwrap_err();
        let start = "STACKIT_SKE_CUSTOM_ENDPOINT: endpoints.ske http://host would send the token unencrypted; expected https://HOST";
        assert!(problems[0].starts_with(start), "{problems:?}");
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in keys() {
            let fits = read("default", &format!("{} = {}", key.path, key.default));
            assert!(fits.is_ok(), "{}: {fits:?}", key.path);
        }
    }
}
