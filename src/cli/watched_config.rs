//! The configuration of a running dashboard: whether its file changed, and its new content.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::app::keymap::Keymap;
use crate::app::message::ChangedConfiguration;
use crate::app::settings::Settings;
use crate::cli::args::Flags;
use crate::cli::config::keys::is_live;
use crate::cli::config::{Config, ConfigProblem, ConfigSources, Loaded, load, path};
use crate::cli::settings::read_settings;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;

/// The configuration of a running dashboard. Flags, environment and profile stay those of the start.
pub struct WatchedConfig {
    flags: Flags,
    sources: ConfigSources<'static>,
    file: PathBuf,
    /// The configuration at the start, and the last one read; without secrets.
    started: Config,
    last: Config,
    /// Whether the configuration of the stackit CLI applies.
    reads_stackit: bool,
    /// Identity of the file read last, and of one not read yet because it may still be incomplete.
    read: Option<Identity>,
    fresh: Option<Identity>,
}

/// Distinguishes versions of a file: editors replace the file, or write into it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: (u64, u64),
    bytes: u64,
    /// Time of the last change of content or mode, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Identity {
    /// `None` without a file, for an empty one (as on a full disk), or for one that cannot be read twice.
    fn of(file: &Path) -> Option<Self> {
        let data = fs::metadata(file).ok().filter(has_content)?;
        Some(Self {
            inode: (data.dev(), data.ino()),
            bytes: data.len(),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }
}

fn has_content(data: &fs::Metadata) -> bool {
    data.is_file() && data.len() > 0
}

/// Whether a file can still be read as the configuration.
pub fn is_usable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| has_content(&data))
}

impl WatchedConfig {
    /// Watches the configuration that was loaded with these flags; `None` if there is no path for a file.
    pub fn new(flags: Flags, sources: ConfigSources<'static>, loaded: &Loaded) -> Option<Self> {
        let (file, _) = path(&flags, &sources);
        let mut config = loaded.config.clone();
        config.auth = None;
        Some(Self {
            flags,
            sources,
            file: file?,
            started: config.clone(),
            last: config,
            reads_stackit: true,
            read: None,
            fresh: None,
        })
    }

    /// For the demo, which has its own projects and regions.
    #[must_use]
    pub fn without_stackit(self) -> Self {
        Self { reads_stackit: false, ..self }
    }

    /// Reads the file once two consecutive checks find the same new content. A missing or empty file changes nothing:
    /// editors remove or truncate it before they write. May block.
    pub fn check(&mut self) -> Option<Result<ChangedConfiguration, Failure>> {
        let found = Identity::of(&self.file)?;
        if self.read == Some(found) || self.fresh.replace(found) != Some(found) {
            return None;
        }
        let read = self.read();
        if Identity::of(&self.file) != Some(found) {
            return None;
        }
        self.read = Some(found);
        Some(read.map(|(loaded, keymap)| self.changed(loaded, keymap)))
    }

    fn read(&self) -> Result<(Loaded, Keymap), Failure> {
        let mut loaded = load(&self.flags, &self.sources).map_err(broken)?;
        let config = &mut loaded.config;
        config.auth = None;
        if !self.reads_stackit {
            config.ignore_stackit();
        }
        let keymap = config.keymap();
        Ok((loaded, keymap))
    }

    fn changed(&mut self, loaded: Loaded, keymap: Keymap) -> ChangedConfiguration {
        let Loaded { config, profiles, .. } = loaded;
        let changed = self.last.changed_keys(&config);
        let settings = Settings { profiles, ..read_settings(&config, self.sources.environment) };
        let old = std::mem::replace(&mut self.last, config);
        let since_start = self.started.changed_keys(&self.last);
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        // read_only is never loosened before the next start: changing a file must not make a running dashboard write.
        let is_loosened = |key: &str| key == "read_only" && old.switch(key);
        let (live, at_start): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| is_live(key) && !is_loosened(key));
        let is_pending = |key: &&str| is_loosened(key) || since_start.contains(key);
        let at_start = at_start.into_iter().filter(is_pending).collect();
        ChangedConfiguration { file: clean(&name), settings, keymap, live, at_start }
    }
}

/// Reports the first problem and the number of others.
fn broken(problems: Vec<ConfigProblem>) -> Failure {
    let more = match problems.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" ({more} more; `skeys config check` lists all)"),
    };
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let text = format!(
        "The changed configuration is not used and the previous values stay in effect: {first}{more}"
    );
    Failure::new(FailureKind::File, text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rustix::fs::CWD;

    use crate::app::keymap::Keymap;
    use crate::cli::args::Flags;
    use crate::cli::config::file::Value;
    use crate::cli::config::keys::{ValueKind, is_live, keys};
    use crate::cli::config::{CA_FILE, ConfigSources, defaults, load};
    use crate::cli::settings::read_settings;
    use crate::cli::watched_config::WatchedConfig;

    fn sources(folder: &Path) -> ConfigSources<'static> {
        let file = folder.join("config.toml");
        let environment = &|name: &str| (name == "LANG").then(|| "C.UTF-8".to_owned());
        ConfigSources { environment, default_file: Some(file), home: None }
    }

    /// A folder with this configuration, and its watch after the first read.
    fn watched(text: &str, flags: Flags) -> (tempfile::TempDir, WatchedConfig) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), text);
        let sources = sources(folder.path());
        let loaded = load(&flags, &sources).unwrap();
        let mut watched = WatchedConfig::new(flags, sources, &loaded).unwrap();
        assert_eq!(checked_twice(&mut watched), "");
        (folder, watched)
    }

    /// Replaces the file with a new one, as editors do.
    fn write(folder: &Path, text: &str) {
        fs::write(folder.join("new"), text).unwrap();
        fs::rename(folder.join("new"), folder.join("config.toml")).unwrap();
    }

    /// Result of two checks; the first never has one, since the file may still be incomplete.
    fn checked_twice(watched: &mut WatchedConfig) -> String {
        assert!(watched.check().is_none());
        let found = watched.check();
        assert!(watched.check().is_none(), "it is told once");
        match found {
            None => String::new(),
            Some(Ok(changed)) => {
                format!("{}: {:?} {:?}", changed.file, changed.live, changed.at_start)
                    .replace("config.toml: [] []", "")
            }
            Some(Err(failure)) => failure.message,
        }
    }

    #[test]
    fn file_32_a_broken_configuration_is_told_with_its_place_and_the_values_before_hold() {
        let (folder, mut watched) = watched("", Flags::default());
        let at = folder.path().join("config.toml").display().to_string();
        write(folder.path(), "[poll]\nidle = \"1s\"\nidel = 1\n");
        let told = checked_twice(&mut watched);
        let begin = "The changed configuration is not used and the previous values stay in effect";
        let expected = format!("{begin}: {at}:2:8: poll.idle is \"1s\"; expected");
        assert!(told.starts_with(&expected), "{told}");
        assert!(told.ends_with(" (1 more; `skeys config check` lists all)"), "{told}");
        write(folder.path(), "[keys]\nrotate = [\"K\"]\n");
        let told = checked_twice(&mut watched);
        assert!(told.contains(&format!("{at}:2:11: key K is bound to both")), "{told}");
        write(folder.path(), "[display]\ntheme = \"dark\"\n");
        assert_eq!(checked_twice(&mut watched), "config.toml: [\"display.theme\"] []");
    }

    #[test]
    fn file_33_a_configuration_that_is_being_written_or_was_removed_changes_nothing() {
        let (folder, mut watched) = watched("protected = [\"*\"]\n", Flags::default());
        fs::remove_file(folder.path().join("config.toml")).unwrap();
        for _ in 0..3 {
            assert!(watched.check().is_none());
        }
        write(folder.path(), "");
        for _ in 0..3 {
            assert!(watched.check().is_none(), "protected holds");
        }
        for text in
            ["", "protected", "protected = [\"*\"]\n", "protected = [\"*\"]\nread_only = true\n"]
        {
            fs::write(folder.path().join("config.toml"), text).unwrap();
            assert!(watched.check().is_none(), "{text}");
        }
        let changed = watched.check().unwrap().unwrap();
        assert_eq!(changed.live, ["read_only"]);
        assert_eq!(changed.settings.protected, ["*"]);
    }

    #[test]
    fn what_holds_from_the_start_on_is_named_apart_until_it_is_as_at_the_start() {
        let (folder, mut watched) = watched("regions = [\"eu01\"]\n", Flags::default());
        for (text, expected) in [
            ("regions = [\"eu02\"]\n[poll]\nidle = \"40s\"\n", "[\"poll.idle\"] [\"regions\"]"),
            ("# another comment\nregions = [\"eu02\"]\n[poll]\nidle = \"40s\"\n", ""),
            ("regions = [\"eu01\"]\n", "[\"poll.idle\"] []"),
            ("read_only = true\nregions = [\"eu01\"]\n", "[\"read_only\"] []"),
            ("regions = [\"eu01\"]\n", "[] [\"read_only\"]"),
        ] {
            write(folder.path(), text);
            let told = checked_twice(&mut watched);
            assert_eq!(told.trim_start_matches("config.toml: "), expected, "{text}");
        }
    }

    #[test]
    fn a_flag_goes_before_a_changed_file_and_a_profile_counts() {
        let flags = Flags { utc: true, profile: Some("night".into()), ..Flags::default() };
        let (folder, mut watched) = watched("[profiles.night]\n", flags);
        write(
            folder.path(),
            "[display]\nutc = false\nmouse = true\n[profiles.night.poll]\nidle = \"40s\"\n",
        );
        assert_eq!(
            checked_twice(&mut watched),
            "config.toml: [\"poll.idle\", \"display.mouse\"] []"
        );
        write(folder.path(), "# nothing\n");
        let told = checked_twice(&mut watched);
        assert!(told.contains("unknown profile night"), "{told}");
    }

    #[test]
    fn a_key_that_is_live_changes_settings_or_keys_and_another_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let sources = sources(folder.path());
        let read = |text: &str| {
            write(folder.path(), text);
            let loaded = load(&Flags::default(), &sources).unwrap();
            let keymap = Keymap::new(loaded.config.keys()).unwrap();
            format!("{:?} {keymap:?}", read_settings(&loaded.config, sources.environment))
        };
        let fifo = folder.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let before = read("");
        for key in keys() {
            let other = match (key.kind, &defaults()[key.path].0) {
                (ValueKind::Switch, Value::Switch(on)) => (!*on).to_string(),
                (ValueKind::Duration(least, _), _) => {
                    format!("\"{}\"", humantime::format_duration(least))
                }
                (ValueKind::Number(least, _), _) => least.to_string(),
                (ValueKind::Word(words), _) => format!("{:?}", words[1]),
                (ValueKind::AgeRules, _) => "[\"a=9d\"]".to_owned(),
                (ValueKind::List | ValueKind::Ids, _) => "[\"another\"]".to_owned(),
                (ValueKind::Files, _) => "[\"/another\"]".to_owned(),
                (ValueKind::Lifetime, _) => "\"1h\"".to_owned(),
                (ValueKind::Keys, _) => "{rotate = [\"f9\"]}".to_owned(),
                (ValueKind::Colors, _) => "{bad = 7}".to_owned(),
                (ValueKind::Words(words), _) => format!("[{:?}]", words[1]),
                (ValueKind::Address | ValueKind::OptionalAddress, _) => {
                    "\"https://another\"".to_owned()
                }
                _ if key.path == CA_FILE => format!("{:?}", fifo.display().to_string()),
                _ => "\"/another\"".to_owned(),
            };
            let text = format!("{} = {other}", key.path);
            assert_eq!(read(&text) != before, is_live(key.path), "{text}");
        }
    }
}
