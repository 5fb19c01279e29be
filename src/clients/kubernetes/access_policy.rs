//! Whether a cluster's own API may be used, according to SKE.

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::Cluster;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;

/// Time after a rotation start in which a fresh certificate may be rejected: kube-apiserver knows the new CA only once
/// its replicas have been replaced.
const SETTLING: SignedDuration = SignedDuration::from_mins(15);

/// Inputs that decide whether the cluster's API is used; a change ends every wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessPolicy {
    hibernates: bool,
    disables_static_tokens: bool,
    /// Phase of the rotation.
    pub phase: Phase,
    initiated: Option<Timestamp>,
}

impl AccessPolicy {
    /// From the cluster as SKE reports it.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            hibernates: cluster.is_hibernated(),
            disables_static_tokens: cluster.issuing_disables_static_tokens(),
            phase: cluster.rotation.phase.clone(),
            initiated: cluster.rotation.initiated,
        }
    }

    /// Why the cluster's API must not be used; `None` if it may.
    pub fn refusal(&self, may_disable_static_tokens: bool) -> Option<Unavailable> {
        if self.hibernates {
            return Some(Unavailable::Hibernated);
        }
        (self.disables_static_tokens && !may_disable_static_tokens)
            .then_some(Unavailable::WouldDisableStaticTokens)
    }

    /// Whether a rotation started so recently that fresh certificates may still be rejected; `server_time` is by the
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
        assert_eq!(
            AccessPolicy::of(&cluster).refusal(false),
            Some(Unavailable::WouldDisableStaticTokens)
        );
        assert_eq!(AccessPolicy::of(&cluster).refusal(true), None);
        cluster.rotation.phase = Phase::Unknown(String::new());
        assert_eq!(
            AccessPolicy::of(&cluster).refusal(false),
            Some(Unavailable::WouldDisableStaticTokens),
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
