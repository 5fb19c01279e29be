//! Settings of the state machine, filled in by `cli`.

use std::time::Duration;

use jiff::SignedDuration;
use ratatui::style::Color;

use crate::domain::age::DisplayZone;
use crate::domain::age_policy::AgePolicy;
use crate::domain::cluster::{ClusterName, ProjectId, Region};
use crate::domain::credential::Credentials;
use crate::domain::lifetime::Lifetime;
use crate::domain::text::matches_glob;

/// What a flag or the environment sets for this run only: overrides the selection of an earlier run.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetForRun {
    pub projects: bool,
    pub regions: bool,
}

/// Settings of one run: configuration and environment. Replaced as a whole when the configuration file changes
/// ([`Settings::reread`]); values the user toggles are in the state.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Projects to list, with their names if configured.
    pub projects: Vec<(ProjectId, Option<String>)>,
    /// The source of the project list.
    pub projects_origin: String,
    pub set_for_run: SetForRun,
    /// The profile of the configuration; `None`: values outside of all profiles.
    pub profile: Option<String>,
    /// All configured profiles.
    pub profiles: Vec<String>,
    pub ske: String,
    pub regions: Vec<Region>,
    /// Globs (`*`, `?`) of cluster names that also have to be typed for a start.
    pub protected: Vec<String>,
    /// Whether all writes are disabled.
    pub read_only: bool,
    /// Age after which credentials are overdue.
    pub overdue_after: AgePolicy,
    /// Time before the end of a kubeconfig at which it is due.
    pub warn_before: SignedDuration,
    /// Poll interval while no rotation is running.
    pub poll_idle: Duration,
    /// Poll interval of the cluster on screen while a step is running.
    pub poll_running: Duration,
    /// Which clusters are observed through their own API.
    pub watch: ObservationScope,
    /// Maximum number of concurrently observed clusters.
    pub watch_limit: usize,
    /// Initial lifetime in the kubeconfig form.
    pub lifetime: Lifetime,
    /// Initial destination in the kubeconfig form, by id.
    pub destination: String,
    /// Folder for separate kubeconfig files, as written in the configuration.
    pub folder: String,
    /// Additional kubeconfig files; the last path component may contain `*` and `?`.
    pub search: Vec<String>,
    /// Initial value of "make it the current context" in the form.
    pub make_current: bool,
    /// Time until a kubeconfig is cleared from the clipboard.
    pub clipboard_clear: Duration,
    pub theme: ThemeChoice,
    /// Colours that override the theme's, limited to what the terminal supports.
    pub colors: Palette,
    pub depth: ColorDepth,
    /// The terminal's background, if known at the start.
    pub background: Option<Background>,
    pub ascii: bool,
    /// Whether times are initially shown in UTC.
    pub utc: bool,
    /// Whether the mouse is initially on.
    pub mouse: bool,
    pub local_zone: DisplayZone,
    /// Columns of the fleet, by id; empty means all that fit.
    pub columns: Vec<String>,
    /// Sort key of the fleet, by column id or "attention".
    pub sort: String,
    /// How the clipboard is accessed ("tmux", "terminal (OSC 52)", "desktop").
    pub clipboard_route: String,
    /// Folder of exported files, as displayed.
    pub export_folder: String,
    /// Speed of simulated time relative to real time; only set in a demo.
    pub demo: Option<f64>,
}

impl Settings {
    /// The kubeconfig files that are read beside the default ones: configured, and written by skeys.
    pub fn more_files(&self, credentials: &Credentials) -> Vec<String> {
        self.search.iter().cloned().chain(credentials.files()).collect()
    }

    /// The key of the profile in persisted state.
    pub fn profile_key(&self) -> &str {
        self.profile.as_deref().unwrap_or_default()
    }

    /// Whether a cluster's name matches a `protected` glob.
    pub fn is_protected(&self, name: &ClusterName) -> bool {
        self.protected.iter().any(|glob| matches_glob(glob, name.as_str()))
    }

    /// Settings after the configuration file changed: cloud, machine and terminal stay, and read-only stays on.
    #[must_use]
    pub fn reread(&self, read: Self) -> Self {
        let now = self.clone();
        Self {
            projects: now.projects,
            projects_origin: now.projects_origin,
            set_for_run: now.set_for_run,
            profile: now.profile,
            profiles: if now.demo.is_some() { now.profiles } else { read.profiles },
            ske: now.ske,
            regions: now.regions,
            read_only: now.read_only || read.read_only,
            // The demo has its own folder.
            folder: if now.demo.is_some() { now.folder } else { read.folder },
            depth: now.depth,
            background: now.background,
            local_zone: now.local_zone,
            clipboard_route: now.clipboard_route,
            export_folder: now.export_folder,
            demo: now.demo,
            ..read
        }
    }

    /// Product defaults without projects and regions; the basis for tests and the demo.
    pub fn defaults() -> Self {
        Self {
            projects: Vec::new(),
            projects_origin: String::new(),
            set_for_run: SetForRun::default(),
            profile: None,
            profiles: Vec::new(),
            ske: "https://ske.api.stackit.cloud".to_owned(),
            regions: Vec::new(),
            protected: Vec::new(),
            read_only: false,
            overdue_after: AgePolicy::only(SignedDuration::from_hours(180 * 24)),
            warn_before: SignedDuration::from_hours(7 * 24),
            poll_idle: Duration::from_secs(30),
            poll_running: Duration::from_secs(3),
            watch: ObservationScope::Running,
            watch_limit: 6,
            lifetime: Lifetime::PRESETS.get(1).map_or(Lifetime::MIN, |(_, lifetime)| *lifetime),
            destination: "merge".to_owned(),
            folder: "~/.kube/ske".to_owned(),
            search: Vec::new(),
            make_current: false,
            clipboard_clear: Duration::from_secs(45),
            theme: ThemeChoice::Auto,
            colors: Palette::default(),
            depth: ColorDepth::Sixteen,
            background: None,
            ascii: false,
            utc: false,
            mouse: false,
            local_zone: DisplayZone::UTC,
            columns: Vec::new(),
            sort: "attention".to_owned(),
            clipboard_route: "desktop".to_owned(),
            export_folder: ".".to_owned(),
            demo: None,
        }
    }
}

/// Which clusters are observed through their own Kubernetes API, each with an admin kubeconfig that is valid for ten
/// minutes and only held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservationScope {
    /// Rolling clusters, watched ones, and the one on screen while its nodes matter.
    Running,
    /// Only watched clusters and the one on screen.
    Open,
    Never,
}

/// Number of colours supported by the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorDepth {
    /// No colours, whatever the theme (`NO_COLOR`).
    None,
    /// The 16 colours configured by the user.
    Sixteen,
    /// xterm's 256 colours.
    Indexed,
    /// 24-bit colours.
    Full,
}

/// Colours by meaning; `None`: the user's own foreground, or the palette below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Palette {
    pub accent: Option<Color>,
    pub dim: Option<Color>,
    pub busy: Option<Color>,
    pub attention: Option<Color>,
    pub bad: Option<Color>,
    pub good: Option<Color>,
    pub warn: Option<Color>,
}

impl Palette {
    /// The meanings, as named in the configuration.
    pub const ROLES: [&'static str; 7] =
        ["accent", "dim", "busy", "attention", "bad", "good", "warn"];

    /// The meanings with their colours.
    fn colors(&mut self) -> impl Iterator<Item = (&'static str, &mut Option<Color>)> {
        let Self { accent, dim, busy, attention, bad, good, warn } = self;
        Self::ROLES.into_iter().zip([accent, dim, busy, attention, bad, good, warn])
    }

    /// Sets the colour of a meaning; unknown ones are ignored.
    pub fn set(&mut self, role: &str, color: Color) {
        if let Some((_, place)) = self.colors().find(|(known, _)| *known == role) {
            *place = Some(color);
        }
    }

    /// Merges palettes; these colours take precedence.
    #[must_use]
    pub fn over(mut self, mut below: Self) -> Self {
        for ((_, color), (_, below)) in self.colors().zip(below.colors()) {
            *color = color.or(*below);
        }
        self
    }
}

/// The terminal's background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    Dark,
    Light,
}

/// The colour theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeChoice {
    /// 16 colours that are readable on dark and light, or 24-bit colours once the background is known.
    Auto,
    Dark,
    Light,
    /// Bold text and strong contrast.
    HighContrast,
    /// No colours (`NO_COLOR`).
    Mono,
}

impl ThemeChoice {
    /// All themes, in the order of the theme key.
    pub const ALL: [Self; 5] =
        [Self::Auto, Self::Dark, Self::Light, Self::HighContrast, Self::Mono];

    /// Their configuration values, in the same order.
    pub const WORDS: [&str; Self::ALL.len()] = {
        let [auto, dark, light, high_contrast, mono] = Self::ALL;
        [auto.label(), dark.label(), light.label(), high_contrast.label(), mono.label()]
    };

    /// The configuration value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::Mono => "mono",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.label() == word)
    }

    /// The next theme; wraps around.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|choice| *choice == self).unwrap_or(0);
        Self::ALL.get(at + 1).copied().unwrap_or(Self::Auto)
    }
}
