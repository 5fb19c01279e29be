//! What is due on a cluster, one entry per reason. The rules are the same as for sorting the fleet.

use jiff::{SignedDuration, Timestamp};

use crate::domain::attention::{expires_soon, is_overdue, stuck};
use crate::domain::cluster::{Cluster, ClusterState, VersionInUse};
use crate::domain::credential::{CredentialKind, KnownCredential, KubeconfigLocation};
use crate::domain::rotation::Phase;

/// A reason why the user must act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A running step makes no progress, according to the SKE API.
    Stuck { started: Option<Timestamp> },
    /// Clients must be updated and the rotation completed.
    Prepared { started: Option<Timestamp> },
    /// Unknown whether something is due: SKE reports an unknown phase or none.
    UnknownPhase { phase: String },
    /// The credentials are older than `limit`.
    Overdue { born: Timestamp, limit: SignedDuration },
    /// The credentials are as old as the cluster, which is older than `limit` or whose age is unknown.
    NeverRotated { created: Option<Timestamp>, limit: SignedDuration },
    /// Unknown whether the credentials are older than `limit`: SKE does not report the start of the last rotation. With
    /// `completed` set, that alone is longer ago than `limit`.
    UnknownAge { completed: Option<Timestamp>, limit: SignedDuration },
    /// A kubeconfig has expired or will soon.
    Kubeconfig { location: KubeconfigLocation, kind: CredentialKind, expires: Timestamp },
    /// The Kubernetes version of the cluster, or of a node pool, has expired or will soon.
    KubernetesVersion { pool: Option<String>, version: String, expires: Timestamp },
    /// The operating system image of a node pool has expired or will soon.
    Image { pool: String, image: String, expires: Timestamp },
}

/// Limits beyond which something is due.
#[derive(Debug, Clone, Copy)]
pub struct DueLimits {
    /// Maximum age of the credentials.
    pub age: SignedDuration,
    /// A kubeconfig that expires within this time is due.
    pub kubeconfig: SignedDuration,
}

impl Due {
    /// A stable identifier, for programs.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Stuck { .. } => "stuck",
            Self::Prepared { .. } => "prepared",
            Self::UnknownPhase { .. } => "phase_unknown",
            Self::Overdue { .. } => "overdue",
            Self::NeverRotated { .. } => "never_rotated",
            Self::UnknownAge { .. } => "credentials_age_unknown",
            Self::Kubeconfig { .. } => "kubeconfig_expires",
            Self::KubernetesVersion { .. } => "kubernetes_version_expires",
            Self::Image { .. } => "os_image_expires",
        }
    }

    /// Order of urgency: running steps first, expiries last.
    pub fn order(&self) -> u8 {
        match self {
            Self::Stuck { .. } => 0,
            Self::Prepared { .. } => 1,
            Self::UnknownPhase { .. } => 2,
            Self::Overdue { .. } => 3,
            Self::NeverRotated { .. } => 4,
            Self::UnknownAge { .. } => 5,
            Self::Kubeconfig { .. } => 6,
            Self::KubernetesVersion { .. } => 7,
            Self::Image { .. } => 8,
        }
    }
}

/// Everything that is due on a cluster. `known`: its credentials; `now`: by SKE's clock.
pub fn due(
    cluster: &Cluster,
    known: &[KnownCredential],
    limits: DueLimits,
    now: Timestamp,
) -> Vec<Due> {
    let mut due = Vec::new();
    // A start time that cannot belong to this rotation is omitted.
    let is_doubtful = cluster.rotation.inconsistent_times(now).is_some();
    let started = cluster.rotation.initiated.filter(|_| !is_doubtful);
    if stuck(cluster, now).is_some() {
        due.push(Due::Stuck { started });
    }
    // A cluster being created or deleted need not have a phase.
    if let Phase::Unknown(phase) = &cluster.rotation.phase
        && !matches!(cluster.state, ClusterState::Creating | ClusterState::Deleting)
    {
        due.push(Due::UnknownPhase { phase: phase.clone() });
    }
    match cluster.rotation.phase {
        Phase::Prepared => due.push(Due::Prepared { started }),
        _ if !is_overdue(cluster, now, limits.age) => {}
        Phase::Never => {
            due.push(Due::NeverRotated { created: cluster.created, limit: limits.age });
        }
        // The running rotation replaces them.
        Phase::Preparing | Phase::Completing => {}
        Phase::Completed | Phase::Unknown(_) => due.push(match cluster.credentials_born() {
            Some(born) => Due::Overdue { born, limit: limits.age },
            None => Due::UnknownAge { completed: cluster.rotation.completed, limit: limits.age },
        }),
    }
    due.extend(known.iter().filter_map(|known| {
        let expires = known.expires?;
        let (location, kind) = (known.location.clone(), known.kind);
        let is_due = expires.duration_since(now) < limits.kubeconfig || expires <= now;
        is_due.then_some(Due::Kubeconfig { location, kind, expires })
    }));
    due.extend(cluster.versions().filter_map(|VersionInUse { pool, version, expires }| {
        let expires = expires.filter(|at| expires_soon(*at, now))?;
        let (pool, version) = (pool.map(str::to_owned), version.as_str().to_owned());
        Some(Due::KubernetesVersion { pool, version, expires })
    }));
    due.extend(cluster.pools.iter().filter_map(|pool| {
        let expires = pool.image_expires.filter(|at| expires_soon(*at, now))?;
        Some(Due::Image { pool: pool.name.clone(), image: pool.image.clone(), expires })
    }));
    due
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::attention::{Attention, attention};
    use crate::domain::cluster::{Cluster, ClusterState, KubernetesVersion, NodePool};
    use crate::domain::credential::{CredentialKind, KnownCredential, KubeconfigLocation, Verdict};
    use crate::domain::due::{Due, DueLimits, due};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;

    fn days(days: i64) -> SignedDuration {
        SignedDuration::from_hours(24 * days)
    }

    const fn limits() -> DueLimits {
        DueLimits {
            age: SignedDuration::from_hours(24 * 180),
            kubeconfig: SignedDuration::from_hours(24 * 7),
        }
    }

    fn words(subject: &Cluster) -> Vec<&'static str> {
        due(subject, &[], limits(), now()).iter().map(Due::id).collect()
    }

    #[test]
    fn each_phase_is_due_for_its_own_reason() {
        assert_eq!(words(&cluster("a", Phase::Never)), ["never_rotated"]);
        assert_eq!(words(&cluster("a", Phase::Prepared)), ["prepared"]);
        for calm in [Phase::Preparing, Phase::Completing, Phase::Completed] {
            assert!(words(&cluster("a", calm)).is_empty());
        }
        let mut old = cluster("a", Phase::Completed);
        old.rotation.initiated = Some(now() - days(181));
        assert_eq!(words(&old), ["overdue"]);
        old.rotation.phase = Phase::Unknown("SOON".into());
        assert_eq!(words(&old), ["phase_unknown", "overdue"], "whatever the phase means");
        old.rotation.phase = Phase::Prepared;
        assert_eq!(words(&old), ["prepared"], "completing it is what is due");
    }

    #[test]
    fn api_20_the_start_of_another_rotation_is_not_that_of_this_one() {
        let mut subject = cluster("a", Phase::Prepared);
        let mut started = |initiated, completed| {
            subject.rotation.initiated = initiated;
            subject.rotation.completed = completed;
            let [Due::Prepared { started }] = due(&subject, &[], limits(), now())[..] else {
                panic!("{subject:?}")
            };
            started
        };
        let (two, one) = (Some(now() - days(2)), Some(now() - days(1)));
        assert_eq!(started(one, two), one);
        assert_eq!(started(two, one), None, "it was completed since");
        assert_eq!(started(Some(now() + days(1)), two), None, "it is still to come");
    }

    #[test]
    fn api_07_a_phase_that_cannot_be_read_is_due_as_not_known() {
        for phase in ["", "SOON"] {
            let mut subject = cluster("a", Phase::Unknown(phase.into()));
            assert_eq!(words(&subject), ["phase_unknown"]);
            subject.state = ClusterState::Creating;
            assert!(words(&subject).is_empty(), "there may be none yet");
        }
    }

    #[test]
    fn api_20_a_rotation_without_its_moments_is_due_as_of_unknown_age() {
        let mut subject = cluster("a", Phase::Completed);
        let mut words_of =
            |initiated: Option<i64>, completed: Option<i64>, created: Option<i64>| {
                let ago = |at: Option<i64>| at.map(|at| now() - days(at));
                subject.rotation.initiated = ago(initiated);
                subject.rotation.completed = ago(completed);
                subject.created = ago(created);
                words(&subject)
            };
        let unknown = ["credentials_age_unknown"];
        assert_eq!(words_of(None, None, Some(400)), unknown);
        assert_eq!(words_of(None, None, None), unknown);
        assert_eq!(words_of(None, Some(181), Some(400)), unknown, "older than that");
        let calm: [&str; 0] = [];
        assert_eq!(
            words_of(None, None, Some(100)),
            calm,
            "no credential is older than its cluster"
        );
        assert_eq!(words_of(None, Some(20), Some(400)), calm, "it was rotated lately");
        assert_eq!(words_of(Some(20), None, Some(400)), calm);
    }

    #[test]
    fn a_young_cluster_is_not_due_and_one_of_unknown_age_is() {
        let mut young = cluster("a", Phase::Never);
        young.created = Some(now() - days(3));
        assert!(words(&young).is_empty());
        young.created = None;
        assert_eq!(words(&young), ["never_rotated"]);
    }

    #[test]
    fn what_expires_is_due_before_it_does_and_afterwards() {
        let mut subject = cluster("a", Phase::Completed);
        for (in_days, is_due) in [(31, false), (29, true), (-1, true)] {
            subject.version_expires = Some(now() + days(in_days));
            subject.pools[0].image_expires = Some(now() + days(in_days));
            let expected: &[&str] =
                if is_due { &["kubernetes_version_expires", "os_image_expires"] } else { &[] };
            assert_eq!(words(&subject), expected, "{in_days}");
        }
        let mut subject = cluster("a", Phase::Completed);
        subject.pools[0].version_expires = Some(now() - days(1));
        assert!(
            words(&subject).is_empty(),
            "the version of the cluster, which reports another end"
        );
        subject.pools[0].version = Some(KubernetesVersion::new("1.31.9"));
        assert_eq!(words(&subject), ["kubernetes_version_expires"]);
        assert_eq!(attention(&subject, now(), days(180)), Attention::Expiring);
        subject.pools[0].version_expires = None;
        assert!(words(&subject).is_empty(), "unknown when");
        subject.pools[0] = NodePool {
            version: None,
            version_expires: Some(now() - days(1)),
            ..subject.pools[0].clone()
        };
        subject.version_expires = None;
        let found = due(&subject, &[], limits(), now());
        let [Due::KubernetesVersion { pool: Some(pool), version, .. }] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((&**pool, &**version), ("web", "1.33.4"), "only the pool reports it");
        let subject = cluster("a", Phase::Completed);
        for (in_days, within, is_due) in
            [(8, 7, false), (6, 7, true), (-1, 7, true), (0, 0, true), (1, 0, false)]
        {
            let known = KnownCredential {
                location: KubeconfigLocation::Clipboard,
                kind: CredentialKind::ClientCertificate,
                expires: Some(now() + days(in_days)),
                verdict: Verdict::Works,
                reasons: Vec::new(),
                wide_mode: None,
                other_file: None,
            };
            let limits = DueLimits { kubeconfig: days(within), ..limits() };
            let found = due(&subject, &[known], limits, now());
            assert_eq!(!found.is_empty(), is_due, "{in_days} {within}");
        }
    }
}
