//! The CLUSTER argument: a name, or a cluster's full address.

use std::fmt;
use std::str::FromStr;

use crate::cli::commands::wait::text;
use crate::domain::cluster::{ClusterId, ClusterName};
use crate::domain::text::clean;

/// The cluster that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The only cluster of this name in the configured projects and regions.
    Name(ClusterName),
    /// `project/region/name`.
    Whole(ClusterId),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.trim().is_empty()) {
            return Err(text::EMPTY_PART.to_owned());
        }
        match parts.as_slice() {
            [name] => Ok(Self::Name(ClusterName::new(name))),
            [project, region, name] => Ok(Self::Whole(ClusterId::new(project, region, name))),
            _ => Err(text::TARGET_FORM.to_owned()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&clean(name.as_str())),
            Self::Whole(id) => f.write_str(&address(id)),
        }
    }
}

impl Target {
    /// Name of the cluster, without control characters.
    pub fn name(&self) -> String {
        let (Self::Name(name) | Self::Whole(ClusterId { name, .. })) = self;
        clean(name.as_str())
    }

    /// Why `--project` or `--region` exclude a full address, if so.
    pub fn contradiction(&self, projects: &[String], regions: &[String]) -> Option<String> {
        let Self::Whole(id) = self else { return None };
        let lacks = |given: &[String], own: &str| {
            !given.is_empty() && !given.iter().any(|given| given == own)
        };
        let flag = if lacks(projects, id.project().as_str()) {
            text::FLAG_PROJECT
        } else if lacks(regions, id.region().as_str()) {
            text::FLAG_REGION
        } else {
            return None;
        };
        Some(text::contradicts(self, flag))
    }
}

/// `project/region/name`, without control characters.
pub fn address(id: &ClusterId) -> String {
    clean(&format!("{}/{}/{}", id.project(), id.region(), id.name))
}

#[cfg(test)]
mod tests {
    use crate::cli::commands::wait::target::{Target, address};
    use crate::domain::cluster::{ClusterId, ClusterName};

    #[test]
    fn a_target_is_a_name_or_a_full_address() {
        let name = "shop-prod".parse::<Target>().unwrap();
        assert_eq!(name, Target::Name(ClusterName::new("shop-prod")));
        let whole = "p-1/eu01/shop-prod".parse::<Target>().unwrap();
        assert_eq!(whole, Target::Whole(ClusterId::new("p-1", "eu01", "shop-prod")));
        assert_eq!(whole.to_string(), "p-1/eu01/shop-prod");
        for wrong in ["", " ", "/", "eu01/shop-prod", "p//shop-prod", "a/b/c/d"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn flags_that_exclude_the_address_contradict_it() {
        let whole: Target = "p-1/eu01/shop-prod".parse().unwrap();
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!(whole.contradiction(&[], &[]), None);
        assert_eq!(whole.contradiction(&list(&["p-2", "p-1"]), &list(&["eu01"])), None);
        assert!(whole.contradiction(&list(&["p-2"]), &[]).unwrap().contains("--project"));
        assert!(whole.contradiction(&[], &list(&["eu02"])).unwrap().contains("--region"));
        let name: Target = "shop-prod".parse().unwrap();
        assert_eq!(name.contradiction(&list(&["p-2"]), &[]), None);
    }

    #[test]
    fn host_01_escape_bytes_in_a_name_are_replaced() {
        let target: Target = "a\u{1b}]0;x\u{7}".parse().unwrap();
        assert_eq!(target.to_string(), "a␛]0;x␇");
        assert_eq!(address(&ClusterId::new("p", "r", "\u{1b}")), "p/r/␛");
    }
}
