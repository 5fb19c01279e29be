//! Findings about the credentials inside a cluster, before *complete*.

use jiff::Timestamp;

use crate::domain::cluster::Cluster;
use crate::domain::credential::{Credentials, Generation, InCluster, StaleToken, restart_commands};
use crate::domain::kubectl::KubectlContext;
use crate::domain::preflight::finding::Finding;
use crate::domain::roll::blocker::cause::{NameSample, ObjectName};
use crate::domain::snapshot::ClusterSnapshot;

/// Tokens and certificates that stop working on *complete*, pods that may not trust the new CA, and what cannot be seen
/// of them. `context`: how kubectl reaches the cluster.
pub fn in_cluster(
    cluster: &Cluster,
    credentials: &Credentials,
    snapshot: &ClusterSnapshot,
    (context, now): (Option<&KubectlContext>, Timestamp),
) -> Vec<Finding> {
    let found = InCluster::of(cluster, credentials, snapshot, now);
    let has_unclear_pods = found.has_unclear_pods();
    let InCluster { tokens, certificates, pods, unseen, .. } = found;
    let named = |is_wanted: &dyn Fn(&StaleToken) -> bool| -> NameSample {
        let wanted = tokens.iter().filter(|token| is_wanted(token));
        wanted.map(|token| ObjectName::new(&token.namespace, &token.name)).collect()
    };
    let is_unclear = |token: &StaleToken| token.generation == Generation::Unknown;
    let in_use = named(&|token| !is_unclear(token) && token.used_since_start);
    let unused = named(&|token| !is_unclear(token) && !token.used_since_start);
    let unclear = named(&is_unclear);
    let mut out = Vec::new();
    if in_use.count > 0 {
        out.push(Finding::TokensInUse(in_use));
    }
    if unclear.count > 0 {
        let in_use = tokens.iter().any(|token| is_unclear(token) && token.used_since_start);
        out.push(Finding::UnclearTokens { tokens: unclear, in_use });
    }
    if unused.count > 0 {
        out.push(Finding::UnusedTokens(unused));
    }
    let named = |wanted: Generation| -> NameSample {
        let wanted = certificates.iter().flatten().filter(|stale| stale.generation == wanted);
        wanted.map(|stale| ObjectName::new("", &stale.request)).collect()
    };
    let (breaking, unclear) = (named(Generation::Previous), named(Generation::Unknown));
    if breaking.count > 0 {
        out.push(Finding::BreakingCertificates(breaking));
    }
    if unclear.count > 0 {
        out.push(Finding::UnclearCertificates(unclear));
    }
    if !pods.is_empty() {
        let restart = restart_commands(&pods).iter().map(|command| command.line(context)).collect();
        out.push(Finding::PodsWithOldAuthority {
            pods: pods.iter().map(|pod| &**pod).collect(),
            restart,
        });
    }
    out.extend(has_unclear_pods.then_some(Finding::UnclearPods));
    out.extend(unseen.into_iter().map(|(kind, why)| Finding::InClusterUnseen(kind, why)));
    out.extend(certificates.is_none().then_some(Finding::RequestsUnseen));
    out
}
