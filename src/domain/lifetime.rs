//! Lifetime of a kubeconfig: parsed from user input, within the product's limits.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::format_duration;

/// Lifetime of an issued kubeconfig, in whole seconds between [`Lifetime::MIN`] and [`Lifetime::MAX`].
/// Source: "How to rotate credentials" (one hour to six months); SKE API v2 `CreateKubeconfigPayload.expirationSeconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(u32);

impl Lifetime {
    /// One hour, the shortest lifetime that the product offers.
    pub const MIN: Self = Self(3_600);
    /// Six months, which SKE counts as exactly 180 days.
    pub const MAX: Self = Self(15_552_000);
    /// Lifetimes selectable with one key.
    pub const PRESETS: [(&'static str, Self); 6] = [
        ("1h", Self(3_600)),
        ("8h", Self(28_800)),
        ("1d", Self(86_400)),
        ("7d", Self(604_800)),
        ("30d", Self(2_592_000)),
        ("180d", Self(15_552_000)),
    ];

    /// Parses humantime text ("8h", "1d 12h", "2weeks"). "6 months" means 180 days.
    ///
    /// # Errors
    /// The problem and the limits.
    pub fn parse(text: &str) -> Result<Self, LifetimeError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LifetimeError::Empty);
        }
        let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if matches!(joined.as_str(), "6months" | "6month" | "6M") {
            return Ok(Self::MAX);
        }
        let duration = humantime::parse_duration(text).map_err(|error| {
            LifetimeError::Unreadable { text: text.to_owned(), reason: error.to_string() }
        })?;
        Self::from_duration(duration).map_err(|error| match error {
            LifetimeError::TooShort(_) => LifetimeError::TooShort(text.to_owned()),
            LifetimeError::TooLong(_) => LifetimeError::TooLong(text.to_owned()),
            LifetimeError::Empty | LifetimeError::Unreadable { .. } => error,
        })
    }

    /// Accepts a duration within the limits; truncates to seconds.
    ///
    /// # Errors
    pub fn from_duration(duration: Duration) -> Result<Self, LifetimeError> {
        let print = || humantime::format_duration(duration).to_string();
        let seconds = u32::try_from(duration.as_secs())
            .map_err(|_too_large| LifetimeError::TooLong(print()))?;
        if seconds < Self::MIN.0 {
            Err(LifetimeError::TooShort(print()))
        } else if seconds > Self::MAX.0 {
            Err(LifetimeError::TooLong(print()))
        } else {
            Ok(Self(seconds))
        }
    }

    /// The next longer or shorter preset, as typed.
    pub fn preset_beside(now: Option<Self>, longer: bool) -> Option<&'static str> {
        let mut presets = Self::PRESETS.iter();
        let next = if longer {
            presets.find(|(_, preset)| now.is_none_or(|now| *preset > now))
        } else {
            presets.rfind(|(_, preset)| now.is_none_or(|now| *preset < now))
        };
        next.map(|(text, _)| *text)
    }

    /// Seconds, 3 600 to 15 552 000.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// When a kubeconfig requested now would expire, if the server grants the full lifetime.
    pub fn until(self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_secs(i64::from(self.0))).unwrap_or(Timestamp::MAX)
    }
}

impl fmt::Display for Lifetime {
    /// Days, hours, minutes and seconds; parsing it yields the same lifetime.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(Duration::from_secs(self.0.into())))
    }
}

/// Why a text is not a lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    #[error("enter a lifetime from 1h to 180d, for example 8h")]
    Empty,
    #[error("{0} is too short; allowed: 1h to 180d")]
    TooShort(String),
    #[error("{0} is too long; allowed: 1h to 180d (6 months)")]
    TooLong(String),
    #[error("{text} is not a duration ({reason}); enter 1h to 180d, for example 8h, 1d 12h or 30d")]
    Unreadable {
        /// What was typed.
        text: String,
        /// Message of humantime.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::lifetime::{Lifetime, LifetimeError};

    #[test]
    fn the_limits_are_inclusive_and_named() {
        assert_eq!(Lifetime::parse("1h"), Ok(Lifetime::MIN));
        assert_eq!(Lifetime::parse("180d"), Ok(Lifetime::MAX));
        assert_eq!(Lifetime::parse("6 months"), Ok(Lifetime::MAX));
        assert_eq!(
            Lifetime::parse("45m").unwrap_err().to_string(),
            "45m is too short; allowed: 1h to 180d"
        );
        assert_eq!(
            Lifetime::parse("181d").unwrap_err().to_string(),
            "181d is too long; allowed: 1h to 180d (6 months)"
        );
        assert_eq!(Lifetime::parse("  "), Err(LifetimeError::Empty));
        assert!(Lifetime::parse("8 parsecs").unwrap_err().to_string().contains("1h to 180d"));
        assert!(Lifetime::parse("9999999999999y").is_err());
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn printing_and_reading_back_gives_the_same(seconds in 3_600_u64..=15_552_000) {
            let lifetime = Lifetime::from_duration(std::time::Duration::from_secs(seconds)).unwrap();
            prop_assert_eq!(Lifetime::parse(&lifetime.to_string()), Ok(lifetime));
        }

        #[test]
        fn any_text_ends_in_a_lifetime_or_a_sentence(text in any::<String>()) {
            match Lifetime::parse(&text) {
                Ok(lifetime) => prop_assert!(lifetime >= Lifetime::MIN && lifetime <= Lifetime::MAX),
                Err(error) => prop_assert!(error.to_string().contains("1h to 180d")),
            }
        }
    }
}
