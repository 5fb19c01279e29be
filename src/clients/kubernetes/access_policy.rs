//! Whether a cluster's own API may be used, by what SKE says of the cluster.

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::Cluster;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;

/// So long after the start of a rotation a fresh certificate may not be accepted yet: kube-apiserver learns of the new
/// authority only when its replicas were replaced.
const SETTLING: SignedDuration = SignedDuration::from_mins(15);

/// What decides whether the cluster's API is used; a change of it ends every wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPolicy {
    hibernates: bool,
    one_way: bool,
    /// The rotation.
    pub phase: Phase,
    initiated: Option<Timestamp>,
}

impl AccessPolicy {
    /// As SKE shows the cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            hibernates: cluster.is_hibernated(),
            one_way: cluster.issuing_is_one_way(),
            phase: cluster.rotation.phase.clone(),
            initiated: cluster.rotation.initiated,
        }
    }

    /// Why the cluster's API is not used, if so.
    pub fn refusal(&self, one_way_agreed: bool) -> Option<Unavailable> {
        if self.hibernates {
            return Some(Unavailable::Hibernated);
        }
        (self.one_way && !one_way_agreed).then_some(Unavailable::OneWay)
    }

    /// Whether a rotation began so lately that fresh certificates may not be accepted yet; `server_time` is the moment by the
    /// platform's clock.
    pub fn is_settling(&self, server_time: Timestamp) -> bool {
        self.initiated.is_some_and(|start| server_time.duration_since(start) < SETTLING)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::clients::kubernetes::access_policy::AccessPolicy;
    use crate::domain::cluster::{ClusterState, KubernetesVersion};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;
    use crate::domain::snapshot::Unavailable;

    #[test]
    fn k8s_13_no_kubeconfig_is_requested_for_a_hibernated_cluster() {
        let mut cluster = cluster("shop", Phase::Prepared);
        for (state, hibernated, hibernates) in [
            (ClusterState::Healthy, false, false),
            (ClusterState::Reconciling, true, true),
            (ClusterState::Hibernating, false, true),
            (ClusterState::Hibernated, true, true),
            (ClusterState::WakingUp, true, false),
            (ClusterState::Deleting, true, true),
            (ClusterState::Unknown("STATE_X".into()), true, true),
        ] {
            (cluster.state, cluster.hibernated) = (state, hibernated);
            let closed = AccessPolicy::of(&cluster).refusal(true);
            assert_eq!(
                closed,
                hibernates.then_some(Unavailable::Hibernated),
                "{:?}",
                cluster.state
            );
        }
    }

    #[test]
    fn disabling_static_tokens_needs_consent() {
        let mut cluster = cluster("shop", Phase::Never);
        cluster.version = KubernetesVersion::new("1.26.1");
        assert_eq!(AccessPolicy::of(&cluster).refusal(false), Some(Unavailable::OneWay));
        assert_eq!(AccessPolicy::of(&cluster).refusal(true), None);
        cluster.rotation.phase = Phase::Unknown(String::new());
        assert_eq!(
            AccessPolicy::of(&cluster).refusal(false),
            Some(Unavailable::OneWay),
            "no phase is stated"
        );
        cluster.rotation.phase = Phase::Completed;
        assert_eq!(AccessPolicy::of(&cluster).refusal(false), None);
    }

    #[test]
    fn k8s_01_the_settling_period_ends_and_a_future_start_counts() {
        let mut cluster = cluster("shop", Phase::Preparing);
        let mut settles = |minutes: i64| {
            cluster.rotation.initiated = now().checked_sub(SignedDuration::from_mins(minutes)).ok();
            AccessPolicy::of(&cluster).is_settling(now())
        };
        assert!(settles(3) && settles(-2));
        assert!(!settles(20));
        cluster.rotation.initiated = None;
        assert!(!AccessPolicy::of(&cluster).is_settling(now()));
    }
}
