//! A cluster as the SKE API describes it, in the product's terms.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::rotation::{Phase, Rotation};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text verbatim; nothing is checked, since servers decide what exists.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            /// The text, verbatim.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                Self::from(&*name.0)
            }
        }
    };
}

name_type!(
    /// Id of a STACKIT project (a UUID as the platform writes it).
    ProjectId
);
name_type!(
    /// Region of the SKE API ("eu01").
    Region
);
name_type!(
    /// Name of a cluster, unique within a project and region (1 to 11 characters on SKE).
    ClusterName
);

/// Where clusters are listed: one project in one region, one API call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    pub project: ProjectId,
    pub region: Region,
}

/// The full address of a cluster; a name alone is ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId {
    #[serde(flatten)]
    pub scope: Scope,
    #[serde(rename = "cluster")]
    pub name: ClusterName,
}

impl ClusterId {
    /// Builds an address.
    pub fn new(project: &str, region: &str, name: &str) -> Self {
        Self {
            scope: Scope { project: ProjectId::new(project), region: Region::new(region) },
            name: ClusterName::new(name),
        }
    }

    /// Project of the cluster.
    pub fn project(&self) -> &ProjectId {
        &self.scope.project
    }

    /// Region of the cluster.
    pub fn region(&self) -> &Region {
        &self.scope.region
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (project {}, {})", self.name, self.scope.project, self.scope.region)
    }
}

/// `status.aggregated` of the SKE API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// `STATE_HEALTHY`; the portal says "Active".
    Healthy,
    /// `STATE_CREATING`.
    Creating,
    /// `STATE_DELETING`.
    Deleting,
    /// `STATE_UNHEALTHY`; the portal says "Impaired". It may be transient.
    Unhealthy,
    /// `STATE_RECONCILING`.
    Reconciling,
    /// `STATE_HIBERNATED`.
    Hibernated,
    /// `STATE_HIBERNATING`.
    Hibernating,
    /// `STATE_WAKINGUP`.
    WakingUp,
    /// Unknown to this program, verbatim; empty if the API sent none.
    Unknown(String),
    /// Not read in this run; the cluster is known from an earlier one.
    NotRead,
}

impl ClusterState {
    /// The word for tables and sentences.
    pub fn label(&self) -> &str {
        match self {
            Self::Healthy => "healthy",
            Self::Creating => "creating",
            Self::Deleting => "deleting",
            Self::Unhealthy => "unhealthy",
            Self::Reconciling => "reconciling",
            Self::Hibernated => "hibernated",
            Self::Hibernating => "hibernating",
            Self::WakingUp => "waking up",
            Self::Unknown(text) if text.is_empty() => "not stated",
            Self::Unknown(text) => text,
            Self::NotRead => "not read yet",
        }
    }

    /// Sort order: most urgent first.
    pub fn severity(&self) -> u8 {
        match self {
            Self::Unhealthy => 0,
            Self::Unknown(_) => 1,
            Self::Deleting => 2,
            Self::Creating => 3,
            Self::Reconciling => 4,
            Self::WakingUp | Self::Hibernating => 5,
            Self::Hibernated => 6,
            Self::Healthy => 7,
            Self::NotRead => 8,
        }
    }
}

/// A Kubernetes version ("1.33.4"), ordered numerically.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct KubernetesVersion {
    numbers: (u32, u32, u32),
    text: String,
}

impl KubernetesVersion {
    /// Parses `MAJOR.MINOR[.PATCH]`; anything else is kept as text and counts as 0.0.0.
    pub fn new(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        let mut next = || parts.next().flatten();
        let numbers = match (next(), next()) {
            (Some(major), Some(minor)) => (major, minor, next().unwrap_or(0)),
            _ => (0, 0, 0),
        };
        Self { numbers, text: text.to_owned() }
    }

    /// As the API sent it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it could be parsed.
    pub fn is_known(&self) -> bool {
        self.numbers != (0, 0, 0)
    }

    /// Whether a rotation drops the old etcd encryption key before PREPARED rather than on *complete* (Gardener, 1.34
    /// and later).
    pub fn drops_encryption_key_early(&self) -> bool {
        (self.numbers.0, self.numbers.1) >= (1, 34)
    }

    /// Whether clusters of this version may still issue static-token kubeconfigs (below 1.27); true for a version that
    /// cannot be parsed. Source: "How to rotate credentials".
    pub fn may_have_static_tokens(&self) -> bool {
        (self.numbers.0, self.numbers.1) < (1, 27)
    }
}

impl From<String> for KubernetesVersion {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> Self {
        version.text
    }
}

/// A node pool: only what the roll needs. All four numbers are distributed over the zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePool {
    pub name: String,
    pub minimum: u32,
    pub maximum: u32,
    /// Maximum additional nodes during a roll.
    pub max_surge: u32,
    /// Maximum missing nodes during a roll.
    pub max_unavailable: u32,
    pub zones: Vec<String>,
    /// Machine type ("c1.4").
    pub machine_type: String,
    /// Machine image and version ("flatcar 4230.2.1").
    pub image: String,
    /// `status.expiration.nodepools[].osExpirationDate`.
    pub image_expires: Option<Timestamp>,
    /// Its Kubernetes version, if reported: `status.expiration.nodepools[].kubernetesVersion`, otherwise
    /// `kubernetes.version`, which overrides that of the cluster.
    pub version: Option<KubernetesVersion>,
    /// `status.expiration.nodepools[].kubernetesExpirationDate`.
    pub version_expires: Option<Timestamp>,
}

/// A Kubernetes version in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionInUse<'a> {
    /// The node pool with this version; `None`: the cluster.
    pub pool: Option<&'a str>,
    pub version: &'a KubernetesVersion,
    pub expires: Option<Timestamp>,
}

/// An error that SKE reports for the cluster: `status.errors[]`, and the older `status.error`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportedError {
    /// Code, verbatim; unknown codes are normal.
    pub code: String,
    pub message: String,
}

impl fmt::Display for ReportedError {
    /// The message first: it says more than the code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() || self.code.is_empty() {
            write!(f, "{}{}", self.message, self.code)
        } else {
            write!(f, "{} ({})", self.message, self.code)
        }
    }
}

impl ReportedError {
    /// Whether this code is known to block a node roll.
    pub fn blocks_roll(&self) -> bool {
        matches!(
            self.code.as_str(),
            "SKE_NODE_MISCONFIGURED_PDB"
                | "SKE_NODE_NO_VALID_HOST_FOUND"
                | "SKE_NETWORK_NO_AVAILABLE_IPS"
                | "SKE_QUOTA_EXCEEDED"
                | "SKE_NODE_MACHINE_TYPE_NOT_FOUND"
        )
    }

    /// Whether it reports a problem of the cluster.
    pub fn is_error(&self) -> bool {
        !self.is_only_incomplete() && !self.is_rest()
    }

    /// "and 400 more node pools, which are not shown": not an error, but how much was truncated.
    pub fn is_rest(&self) -> bool {
        self.code.is_empty() && self.message.starts_with("and ")
    }

    /// "The list may be incomplete": not about the cluster itself.
    pub fn is_only_incomplete(&self) -> bool {
        self.code == "SKE_FETCHING_ERRORS_NOT_POSSIBLE"
    }
}

/// One entry of `hibernation.schedules[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HibernationSchedule {
    /// Cron expression for hibernation.
    pub start: String,
    /// Cron expression for wake-up.
    pub end: String,
    /// IANA time zone; empty means UTC.
    pub timezone: String,
}

/// A cluster, as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    /// `status.creationTime`; distinguishes a cluster from a later one of the same name.
    pub created: Option<Timestamp>,
    pub version: KubernetesVersion,
    /// `status.expiration.kubernetes.expirationDate`.
    pub version_expires: Option<Timestamp>,
    /// `labels`, set by users.
    pub labels: BTreeMap<String, String>,
    /// `status.aggregated`.
    pub state: ClusterState,
    /// `status.hibernated`.
    pub hibernated: bool,
    /// `status.credentialsRotation`.
    pub rotation: Rotation,
    /// `nodepools`.
    pub pools: Vec<NodePool>,
    /// `status.errors[]` and `status.error`.
    pub problems: Vec<ReportedError>,
    pub schedules: Vec<HibernationSchedule>,
    /// Start and end of `maintenance.timeWindow` as "HH:MM" in UTC; the date in it is a dummy.
    pub maintenance: Option<(String, String)>,
    /// `access.idp.enabled`.
    pub idp: bool,
    /// Since when all readings show it unhealthy, and the last of them, by our clock; not part of the API.
    pub unhealthy: Option<(Timestamp, Timestamp)>,
}

/// Readings further apart do not tell the state in between.
const WITHOUT_BREAK: SignedDuration = SignedDuration::from_mins(5);

/// Clusters of one scope, as just read.
#[derive(Debug, Clone)]
pub struct Listing {
    /// In the server's order.
    pub clusters: Vec<Cluster>,
    /// Items without a usable name, or beyond the limit.
    pub skipped: usize,
    /// The server's clock minus ours; `None` if unknown.
    pub skew: Option<SignedDuration>,
}

/// Whether two creation times may be of one cluster: SKE does not always report them.
pub fn is_same_creation(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

impl Cluster {
    /// The Kubernetes version of the cluster, then those of node pools that differ from it, or whose expiry only the pool
    /// reports.
    pub fn versions(&self) -> impl Iterator<Item = VersionInUse<'_>> {
        let own =
            VersionInUse { pool: None, version: &self.version, expires: self.version_expires };
        let of_pools = self.pools.iter().filter_map(|pool| {
            let version = pool.version.as_ref().unwrap_or(&self.version);
            let expires = pool.version_expires;
            let is_told =
                *version != self.version || expires.is_some() && self.version_expires.is_none();
            is_told.then_some(VersionInUse { pool: Some(&pool.name), version, expires })
        });
        std::iter::once(own).chain(of_pools)
    }

    /// When the first of its Kubernetes versions expires.
    pub fn first_version_expires(&self) -> Option<Timestamp> {
        self.versions().filter_map(|version| version.expires).min()
    }

    /// Whether a reading is of this cluster rather than a later one with the same name.
    pub fn is_same_cluster(&self, read: &Self) -> bool {
        self.id == read.id && is_same_creation(self.created, read.created)
    }

    /// Whether its API server is stopped, or will be. On wake-up the API server starts first.
    pub fn is_hibernated(&self) -> bool {
        matches!(self.state, ClusterState::Hibernated | ClusterState::Hibernating)
            || self.hibernated && self.state != ClusterState::WakingUp
    }

    /// Carries over state that spans readings; `before`: the previous reading; `at`: the time of this one.
    pub fn carry_over(&mut self, before: Option<&Self>, at: Timestamp) {
        // SKE does not always report it; without it, a later cluster would be taken for this one.
        self.created = self.created.or_else(|| before?.created);
        let known = before.and_then(|before| before.unhealthy);
        // Its state during a gap is unknown.
        let known = known.filter(|(_, last)| at.duration_since(*last) < WITHOUT_BREAK);
        let unhealthy = self.state == ClusterState::Unhealthy;
        self.unhealthy = unhealthy.then(|| (known.map_or(at, |(began, _)| began.min(at)), at));
    }

    /// When its current keys were created: at the last start, or with the cluster if it was never rotated.
    pub fn credentials_born(&self) -> Option<Timestamp> {
        let with_cluster = || self.created.filter(|_| self.rotation.phase == Phase::Never);
        self.rotation.initiated.or_else(with_cluster)
    }

    /// Minimum and maximum number of nodes, over all pools.
    pub fn node_bounds(&self) -> (u32, u32) {
        self.pools.iter().fold((0, 0), |(min, max), pool| {
            (min.saturating_add(pool.minimum), max.saturating_add(pool.maximum))
        })
    }

    /// Whether requesting an expiring kubeconfig may permanently disable static tokens: possibly never rotated, and
    /// possibly below 1.27. Unknown counts as yes, since it cannot be undone.
    pub fn issuing_disables_static_tokens(&self) -> bool {
        let never = match self.rotation.phase {
            Phase::Never => true,
            Phase::Unknown(_) => self.rotation.initiated.is_none(),
            Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Completed => false,
        };
        never && self.version.may_have_static_tokens()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::cluster::KubernetesVersion;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;

    #[test]
    fn versions_are_ordered_by_number_and_unknown_ones_are_kept() {
        assert!(KubernetesVersion::new("1.9.1") < KubernetesVersion::new("1.33.0"));
        assert!(KubernetesVersion::new("1.26.15").may_have_static_tokens());
        assert!(!KubernetesVersion::new("1.27.0").may_have_static_tokens());
        let unknown = KubernetesVersion::new("next");
        assert_eq!(unknown.as_str(), "next");
        assert!(!unknown.is_known());
        assert!(unknown.may_have_static_tokens(), "what is not known may");
    }

    #[test]
    fn asking_is_one_way_unless_it_is_known_not_to_be() {
        for (phase, initiated, version, disables_static_tokens) in [
            (Phase::Never, None, "1.26.1", true),
            (Phase::Never, None, "1.33.4", false),
            (Phase::Never, None, "", true),
            (Phase::Never, None, "next", true),
            (Phase::Unknown(String::new()), None, "1.26.1", true),
            (Phase::Unknown("SOON".into()), None, "", true),
            (Phase::Unknown("SOON".into()), None, "1.33.4", false),
            (Phase::Unknown("SOON".into()), Some(now()), "1.26.1", false),
            (Phase::Completed, Some(now()), "", false),
        ] {
            let mut subject = cluster("shop", phase.clone());
            subject.rotation.initiated = initiated;
            subject.version = KubernetesVersion::new(version);
            assert_eq!(
                subject.issuing_disables_static_tokens(),
                disables_static_tokens,
                "{phase:?} {version:?}"
            );
        }
    }
}
