//! State that every feature may read: settings, keys, time, terminal, identity.

use std::time::Duration;

use crate::app::keymap::Keymap;
use crate::app::now::Now;
use crate::app::screen::Metrics;
use crate::app::settings::{Background, Settings, ThemeChoice};
use crate::domain::age::DisplayZone;
use crate::domain::identity::Identity;

/// Time after a dialog or stage appears during which its buttons are inactive.
const GUARD: Duration = Duration::from_millis(400);

/// Columns and rows of a terminal from which on the rotation dialog shows, by scrolling, all that a step breaks.
pub const LEAST_TO_ROTATE: (u16, u16) = (40, 12);

/// State that every feature may read; only the dispatcher changes it.
#[derive(Debug, Clone)]
pub struct Shared {
    pub settings: Settings,
    pub keymap: Keymap,
    /// The time of the current message.
    pub now: Now,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Metrics of the last draw.
    pub metrics: Metrics,
    /// `None` until known.
    pub identity: Option<Identity>,
    pub theme: ThemeChoice,
    /// The terminal's background, if known.
    pub background: Option<Background>,
    pub utc: bool,
    pub mouse: bool,
    /// Number of keys and clicks so far, to distinguish a decision from a key repeat.
    pub key_count: u64,
}

impl Shared {
    /// The zone in which times are displayed.
    pub fn zone(&self) -> DisplayZone {
        if self.utc { DisplayZone::UTC } else { self.settings.local_zone.clone() }
    }

    /// The account's name for the journal.
    pub fn who(&self) -> String {
        self.identity.as_ref().map_or_else(|| "?".to_owned(), |identity| identity.who.clone())
    }

    /// Whether the terminal is large enough to confirm a rotation step.
    pub fn fits_rotation_dialog(&self) -> bool {
        self.size.0 >= LEAST_TO_ROTATE.0 && self.size.1 >= LEAST_TO_ROTATE.1
    }

    /// A guard that starts now.
    pub fn guard(&self) -> Guard {
        Guard { keys: self.key_count, at: self.now.monotonic }
    }

    /// Whether the current key may press a button that appeared at `guard`.
    pub fn may_press(&self, guard: Guard) -> bool {
        self.now.monotonic.saturating_sub(guard.at) >= GUARD && self.key_count > guard.keys
    }
}

/// Distinguishes a decision from a key repeat or a key typed ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub keys: u64,
    pub at: Duration,
}
