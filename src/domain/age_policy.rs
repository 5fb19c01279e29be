//! How old the credentials of a cluster may get, by its name or project.

use std::time::Duration;

use jiff::SignedDuration;

use crate::domain::cluster::ClusterId;
use crate::domain::text::matches_glob;

/// The shortest and the longest age that a rule may allow.
pub const AGE_RANGE: (Duration, Duration) =
    (Duration::from_hours(24), Duration::from_hours(24 * 3650));

/// One rule: clusters that match may have credentials of this age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgeRule {
    pattern: String,
    after: SignedDuration,
}

/// The allowed age of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgePolicy {
    /// For clusters that no rule matches.
    pub default: SignedDuration,
    /// The first that matches counts.
    pub rules: Vec<AgeRule>,
}

impl AgeRule {
    /// Reads `PATTERN=DURATION`. The pattern is a glob (`*`, `?`) of the name, or, with a `/` in it, of
    /// `PROJECT/REGION/NAME`.
    ///
    /// # Errors
    /// What is wrong, in a clause.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((pattern, after)) = text.rsplit_once('=') else {
            return Err("there is no = in it".to_owned());
        };
        let after = humantime::parse_duration(after.trim()).map_err(|error| error.to_string())?;
        if pattern.trim().is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        if after < AGE_RANGE.0 || after > AGE_RANGE.1 {
            return Err("the duration is not from 1d to 3650d".to_owned());
        }
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        Ok(Self { pattern: pattern.trim().to_owned(), after })
    }

    fn matches(&self, id: &ClusterId) -> bool {
        if self.pattern.contains('/') {
            let whole = format!("{}/{}/{}", id.project(), id.region(), id.name);
            matches_glob(&self.pattern, &whole)
        } else {
            matches_glob(&self.pattern, id.name.as_str())
        }
    }
}

impl AgePolicy {
    /// One age for all clusters.
    pub fn only(default: SignedDuration) -> Self {
        Self { default, rules: Vec::new() }
    }

    /// The allowed age of the credentials of a cluster.
    pub fn limit(&self, id: &ClusterId) -> SignedDuration {
        let rule = self.rules.iter().find(|rule| rule.matches(id));
        rule.map_or(self.default, |rule| rule.after)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::age_policy::{AgePolicy, AgeRule};
    use crate::domain::cluster::ClusterId;

    #[test]
    fn the_first_rule_that_matches_a_name_or_an_address_counts() {
        let rules = ["*-prod=30d", "p-1/*=90d", "*/eu02/*=1w"];
        let policy = AgePolicy {
            default: SignedDuration::from_hours(24 * 180),
            rules: rules.map(|rule| AgeRule::parse(rule).unwrap()).to_vec(),
        };
        for (project, region, name, days) in [
            ("p-1", "eu01", "shop-prod", 30),
            ("p-1", "eu02", "shop", 90),
            ("p-2", "eu02", "shop", 7),
            ("p-2", "eu01", "shop", 180),
        ] {
            let limit = policy.limit(&ClusterId::new(project, region, name));
            assert_eq!(limit, SignedDuration::from_hours(24 * days), "{project}/{region}/{name}");
        }
    }

    #[test]
    fn a_rule_without_pattern_or_with_an_age_that_makes_no_sense_is_refused() {
        for wrong in ["", "90d", "=90d", " =90d", "*=", "*=soon", "*=1h", "*=4000d"] {
            assert!(AgeRule::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
