//! Maximum age of a cluster's credentials, by name, project or label.

use std::time::Duration;

use jiff::SignedDuration;

use crate::domain::cluster::Cluster;
use crate::domain::text::matches_glob;

/// Minimum and maximum of the age that a rule may allow.
pub const AGE_RANGE: (Duration, Duration) =
    (Duration::from_hours(24), Duration::from_hours(24 * 3650));

/// Prefix of a label pattern.
const LABEL: &str = "label:";

/// One rule: the maximum age for clusters that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgeRule {
    pattern: String,
    after: SignedDuration,
}

/// The maximum age of credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgePolicy {
    /// If no rule matches.
    pub default: SignedDuration,
    /// The first match wins.
    pub rules: Vec<AgeRule>,
}

impl AgeRule {
    /// Parses `PATTERN=DURATION`. The pattern is a glob (`*`, `?`) for the name, or, if it contains `/`, for
    /// `PROJECT/REGION/NAME`; after `label:` it is a label key, `=` and a glob for the value.
    ///
    /// # Errors
    /// A clause with the problem.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((pattern, after)) = text.rsplit_once('=') else {
            return Err("\"=\" is missing".to_owned());
        };
        let after = humantime::parse_duration(after.trim()).map_err(|error| error.to_string())?;
        if pattern.trim().is_empty() {
            return Err("the pattern is empty".to_owned());
        }
        let is_half = |label: &str| label.split_once('=').is_none_or(|(key, _)| key.is_empty());
        if pattern.trim().strip_prefix(LABEL).is_some_and(is_half) {
            return Err("a label is written as label:KEY=VALUE".to_owned());
        }
        if after < AGE_RANGE.0 || after > AGE_RANGE.1 {
            return Err("the duration must be from 1d to 3650d".to_owned());
        }
        let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
        Ok(Self { pattern: pattern.trim().to_owned(), after })
    }

    fn matches(&self, cluster: &Cluster) -> bool {
        let id = &cluster.id;
        let label = self.pattern.strip_prefix(LABEL).and_then(|label| label.split_once('='));
        if let Some((key, value)) = label {
            cluster.labels.get(key).is_some_and(|own| matches_glob(value, own))
        } else if self.pattern.contains('/') {
            let whole = format!("{}/{}/{}", id.project(), id.region(), id.name);
            matches_glob(&self.pattern, &whole)
        } else {
            matches_glob(&self.pattern, id.name.as_str())
        }
    }
}

impl AgePolicy {
    /// The same age for all clusters.
    pub fn only(default: SignedDuration) -> Self {
        Self { default, rules: Vec::new() }
    }

    /// The maximum age of a cluster's credentials.
    pub fn limit(&self, cluster: &Cluster) -> SignedDuration {
        let rule = self.rules.iter().find(|rule| rule.matches(cluster));
        rule.map_or(self.default, |rule| rule.after)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::age_policy::{AgePolicy, AgeRule};
    use crate::domain::cluster::ClusterId;
    use crate::domain::fixtures::cluster;
    use crate::domain::rotation::Phase;

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
            let mut subject = cluster(name, Phase::Never);
            subject.id = ClusterId::new(project, region, name);
            let limit = policy.limit(&subject);
            assert_eq!(limit, SignedDuration::from_hours(24 * days), "{project}/{region}/{name}");
        }
    }

    #[test]
    fn a_rule_may_name_a_label() {
        let rules = ["label:environment=prod*=30d", "label:team="].map(AgeRule::parse);
        let [Ok(rule), Err(_)] = rules else { panic!("{rules:?}") };
        let policy = AgePolicy { default: SignedDuration::from_hours(24 * 180), rules: vec![rule] };
        let mut subject = cluster("shop", Phase::Never);
        for (key, value, days) in
            [("environment", "production", 30), ("environment", "dev", 180), ("team", "prod", 180)]
        {
            subject.labels = [(key.to_owned(), value.to_owned())].into();
            assert_eq!(policy.limit(&subject), SignedDuration::from_hours(24 * days), "{value}");
        }
    }

    #[test]
    fn a_rule_without_pattern_or_with_an_age_that_makes_no_sense_is_refused() {
        for wrong in [
            "",
            "90d",
            "=90d",
            " =90d",
            "*=",
            "*=soon",
            "*=1h",
            "*=4000d",
            "label:a=90d",
            "label:=b=90d",
        ] {
            assert!(AgeRule::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
