//! What the machine needs from the configuration; `cli` fills it.

use std::time::Duration;

use jiff::SignedDuration;
use ratatui::style::Color;

use crate::domain::age::DisplayZone;
use crate::domain::age_policy::AgePolicy;
use crate::domain::cluster::{ClusterName, ProjectId, Region};
use crate::domain::lifetime::Lifetime;
use crate::domain::text::matches_glob;

/// What was set for this run alone, by a flag or the environment: what an earlier run selected does not count then.
#[derive(Debug, Clone, Copy, Default)]
pub struct SetForRun {
    pub projects: bool,
    pub regions: bool,
}

/// Settings of one run: what the configuration says, and what the machine is. They change as a whole, when the file of the
/// configuration does ([`Settings::reread`]); what the user toggles lives in the state.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Projects to list, with names where the configuration gives them.
    pub projects: Vec<(ProjectId, Option<String>)>,
    /// Where the list of projects comes from.
    pub projects_origin: String,
    pub set_for_run: SetForRun,
    /// The profile of the configuration; `None` is its values outside of all profiles.
    pub profile: Option<String>,
    /// All profiles that there are.
    pub profiles: Vec<String>,
    /// Address of the SKE API.
    pub ske: String,
    pub regions: Vec<Region>,
    /// Globs (`*`, `?`) of cluster names that want their name typed for a start too.
    pub protected: Vec<String>,
    /// Whether nothing may be written or changed.
    pub read_only: bool,
    /// Credentials older than this are overdue.
    pub overdue_after: AgePolicy,
    /// A kubeconfig that ends within this time is due.
    pub warn_before: SignedDuration,
    /// Poll interval while no rotation runs.
    pub poll_idle: Duration,
    /// Interval of reads of a cluster on screen while a step runs.
    pub poll_running: Duration,
    /// Which clusters are observed through their own API.
    pub watch: ObservationScope,
    /// Most clusters observed concurrently.
    pub watch_limit: usize,
    /// Lifetime that the kubeconfig form begins with.
    pub lifetime: Lifetime,
    /// Destination that the kubeconfig form begins with, by its word.
    pub destination: String,
    /// Folder for separate kubeconfig files, as written in the configuration.
    pub folder: String,
    /// More kubeconfig files to look at; the last part of a path may have `*` and `?`.
    pub search: Vec<String>,
    /// Whether the form begins with "make it the current context".
    pub make_current: bool,
    /// Time until a kubeconfig is cleared from the clipboard.
    pub clipboard_clear: Duration,
    pub theme: ThemeChoice,
    /// Colours that replace the theme's, as the terminal can show them.
    pub colors: Palette,
    pub depth: ColorDepth,
    /// The terminal's background, if it is known at the start.
    pub background: Option<Background>,
    pub ascii: bool,
    /// Whether moments are shown in UTC to begin with.
    pub utc: bool,
    /// Whether the mouse is on to begin with.
    pub mouse: bool,
    pub local_zone: DisplayZone,
    /// Columns of the fleet, by id; empty means all that fit.
    pub columns: Vec<String>,
    /// Sort key of the fleet, by column id or "attention".
    pub sort: String,
    /// How the clipboard is reached ("tmux", "terminal (OSC 52)", "desktop").
    pub clipboard_way: String,
    /// Folder of exported files, in shown form.
    pub export_folder: String,
    /// Set in a demo on the embedded simulator: how many times faster than this machine's its time passes.
    pub demo: Option<f64>,
}

impl Settings {
    /// What the profile is kept under.
    pub fn profile_key(&self) -> &str {
        self.profile.as_deref().unwrap_or_default()
    }

    /// Whether a cluster's name matches a `protected` glob.
    pub fn is_protected(&self, name: &ClusterName) -> bool {
        self.protected.iter().any(|glob| matches_glob(glob, name.as_str()))
    }

    /// What the configuration says after its file changed: cloud, machine and terminal stay, and read-only stays on.
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
            // The demo has its own.
            folder: if now.demo.is_some() { now.folder } else { read.folder },
            depth: now.depth,
            background: now.background,
            local_zone: now.local_zone,
            clipboard_way: now.clipboard_way,
            export_folder: now.export_folder,
            demo: now.demo,
            ..read
        }
    }

    /// The defaults of the product, for one project and region; tests and the demo begin here.
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
            clipboard_way: "desktop".to_owned(),
            export_folder: ".".to_owned(),
            demo: None,
        }
    }
}

/// Which clusters are looked at through their own Kubernetes API, each with an admin kubeconfig of ten minutes that is
/// held in memory only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservationScope {
    /// Those whose nodes roll, those that are watched, and the one on screen while its nodes matter.
    Running,
    /// Only those that are watched and the one on screen.
    Open,
    /// None.
    Never,
}

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorDepth {
    /// No colours, whatever the theme (`NO_COLOR`).
    None,
    /// The sixteen that the user chose.
    Sixteen,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits.
    Full,
}

/// Colours by what they mean; `None`: the user's own foreground, or what lies below.
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
    /// The meanings, in the words of the configuration.
    pub const ROLES: [&'static str; 7] =
        ["accent", "dim", "busy", "attention", "bad", "good", "warn"];

    /// Each meaning with its colour.
    fn colors(&mut self) -> impl Iterator<Item = (&'static str, &mut Option<Color>)> {
        let Self { accent, dim, busy, attention, bad, good, warn } = self;
        Self::ROLES.into_iter().zip([accent, dim, busy, attention, bad, good, warn])
    }

    /// Sets the colour of a meaning; an unknown one changes nothing.
    pub fn set(&mut self, role: &str, color: Color) {
        if let Some((_, place)) = self.colors().find(|(known, _)| *known == role) {
            *place = Some(color);
        }
    }

    /// These colours over others.
    #[must_use]
    pub fn over(mut self, mut below: Self) -> Self {
        for ((_, color), (_, below)) in self.colors().zip(below.colors()) {
            *color = color.or(*below);
        }
        self
    }
}

/// Whether the terminal's background is dark or light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    Dark,
    Light,
}

/// Which colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeChoice {
    /// Sixteen colours that read on dark and light; finer ones once the terminal told its background.
    Auto,
    Dark,
    Light,
    /// Bold and bright.
    HighContrast,
    /// No colours (`NO_COLOR`).
    Mono,
}

impl ThemeChoice {
    /// All, in the order of the theme key.
    pub const ALL: [Self; 5] =
        [Self::Auto, Self::Dark, Self::Light, Self::HighContrast, Self::Mono];

    /// Their words, in the same order.
    pub const WORDS: [&str; Self::ALL.len()] = {
        let [auto, dark, light, high_contrast, mono] = Self::ALL;
        [auto.word(), dark.word(), light.word(), high_contrast.word(), mono.word()]
    };

    /// The word in the configuration.
    pub const fn word(self) -> &'static str {
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
        Self::ALL.into_iter().find(|choice| choice.word() == word)
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|choice| *choice == self).unwrap_or(0);
        Self::ALL.get(at + 1).copied().unwrap_or(Self::Auto)
    }
}
