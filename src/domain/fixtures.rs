//! Clusters for tests and benches of every floor: one builder, so that fixtures agree.

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId, ClusterState, KubernetesVersion, NodePool};
use crate::domain::rotation::{Phase, Rotation};

/// The moment at which fixtures play: 24 November 2026, 14:02:11 UTC.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_528_931).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A healthy cluster of project `shop` in `eu01`, in the given phase, with moments that fit it.
pub fn cluster(name: &str, phase: Phase) -> Cluster {
    let ago = |hours: i64| now().saturating_sub(jiff::SignedDuration::from_hours(hours)).ok();
    let (initiated, completed) = match phase {
        Phase::Never => (None, None),
        Phase::Completed => (ago(24 * 12), ago(24 * 11)),
        Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Unknown(_) => {
            (ago(3), ago(24 * 100))
        }
    };
    Cluster {
        id: ClusterId::new("5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21", "eu01", name),
        created: ago(24 * 400),
        version: KubernetesVersion::new("1.33.4"),
        version_expires: ago(-24 * 121),
        state: ClusterState::Healthy,
        hibernated: false,
        rotation: Rotation { phase, initiated, completed },
        pools: vec![NodePool {
            name: "web".into(),
            minimum: 3,
            maximum: 6,
            max_surge: 3,
            max_unavailable: 0,
            zones: vec!["eu01-1".into(), "eu01-2".into(), "eu01-3".into()],
            machine_type: "c1.4".into(),
            image: "flatcar 4230.2.1".into(),
        }],
        problems: Vec::new(),
        schedules: Vec::new(),
        maintenance: Some(("02:00".into(), "04:00".into())),
        idp: false,
        unhealthy: None,
    }
}
