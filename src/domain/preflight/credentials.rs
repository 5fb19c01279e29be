//! Findings about the credentials inside a cluster before it is completed.

use crate::domain::cluster::Cluster;
use crate::domain::credential::{
    StaleToken, pods_with_old_authority, restart_commands, stale_tokens,
};
use crate::domain::kubectl::KubectlContext;
use crate::domain::preflight::finding::Finding;
use crate::domain::roll::blocker::cause::{NameSample, ObjectName};
use crate::domain::snapshot::ClusterSnapshot;

/// Tokens that *complete* ends, pods that may not know the new authority, and what of both cannot be seen.
/// `context`: how kubectl reaches the cluster.
pub fn in_cluster(
    cluster: &Cluster,
    snapshot: &ClusterSnapshot,
    context: Option<&KubectlContext>,
) -> Vec<Finding> {
    let tokens = stale_tokens(cluster, snapshot);
    let named = |is_wanted: fn(&&StaleToken) -> bool| -> NameSample {
        let wanted = tokens.iter().filter(is_wanted);
        wanted.map(|token| ObjectName::new(&token.namespace, &token.name)).collect()
    };
    let (used, unused) = (named(|token| token.used_since_start), named(|t| !t.used_since_start));
    let mut out = Vec::new();
    if used.count > 0 {
        out.push(Finding::TokensInUse(used));
    }
    if unused.count > 0 {
        out.push(Finding::UnusedTokens(unused));
    }
    let pods = pods_with_old_authority(snapshot);
    if !pods.is_empty() {
        let restart = restart_commands(&pods).iter().map(|command| command.line(context)).collect();
        out.push(Finding::PodsWithOldAuthority { pods: pods.into_iter().collect(), restart });
    }
    for kind in ["token secrets", "configmaps"] {
        if let Some(why) = snapshot.unseen.get(kind) {
            out.push(Finding::KindUnseen(kind, why.clone()));
        }
    }
    out
}
