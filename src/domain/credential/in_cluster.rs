//! Credentials inside a cluster that a rotation invalidates, or that some pods do not know yet. Judged by metadata
//! only: tokens never leave the cluster.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::cluster::Cluster;
use crate::domain::credential::credentials::Credentials;
use crate::domain::credential::generation::{Generation, signer_generation};
use crate::domain::kubectl::Kubectl;
use crate::domain::rotation::{CLOCK_TOLERANCE, Phase};
use crate::domain::snapshot::{ClusterSnapshot, Pod, Templates, TokenSecret, Unseen};

/// Kinds that are read for it.
const KINDS: [&str; 4] = ["token secrets", "serviceaccounts", "configmaps", "pods"];

/// Credentials inside a cluster that stop, or may stop, working on *complete*.
#[derive(Debug, Clone)]
pub struct InCluster {
    pub tokens: Vec<StaleToken>,
    /// Client certificates of the CSR API; `None` if its requests are not read while a rotation is open.
    pub certificates: Option<Vec<StaleCertificate>>,
    /// Pods that may trust only the old CA.
    pub pods: Vec<Arc<Pod>>,
    /// Whether this is known of every pod. While nodes are replaced it is not, since most pods are replaced with them.
    pub pods_are_judged: bool,
    /// Kinds whose current state is not known, and why.
    pub unseen: Vec<(&'static str, Unseen)>,
}

impl InCluster {
    /// What a snapshot shows. `now`: by the cluster's clock.
    pub fn of(
        cluster: &Cluster,
        credentials: &Credentials,
        snapshot: &ClusterSnapshot,
        now: Timestamp,
    ) -> Self {
        let phase = &cluster.rotation.phase;
        let is_read = !phase.is_open() || snapshot.control_plane.signed_requests.is_some();
        let (pods, pods_are_judged) = match phase {
            Phase::Never | Phase::Completed => (Vec::new(), true),
            Phase::Preparing => (Vec::new(), false),
            Phase::Prepared | Phase::Completing | Phase::Unknown(_) => {
                pods_with_old_authority(snapshot)
            }
        };
        let unseen: Vec<_> = KINDS
            .into_iter()
            .filter_map(|kind| Some((kind, snapshot.unseen.get(kind)?.clone())))
            .collect();
        Self {
            tokens: stale_tokens(cluster, snapshot),
            certificates: is_read.then(|| stale_certificates(cluster, credentials, snapshot, now)),
            pods,
            pods_are_judged: pods_are_judged && (!phase.is_open() || are_pods_read(&unseen)),
            unseen,
        }
    }

    /// Whether pods cannot be judged although they were read.
    pub fn has_unclear_pods(&self) -> bool {
        !self.pods_are_judged && are_pods_read(&self.unseen)
    }

    /// Whether something certainly stops working on *complete*.
    pub fn breaks(&self) -> bool {
        let mut certificates = self.certificates.iter().flatten();
        self.tokens.iter().any(|token| token.generation.ends_on_complete())
            || !self.pods.is_empty()
            || certificates.any(|stale| stale.generation.ends_on_complete())
    }

    /// Whether everything was read and judged.
    pub fn is_complete(&self) -> bool {
        let certificates = self.certificates.as_ref();
        self.unseen.is_empty()
            && self.pods_are_judged
            && self.tokens.iter().all(|token| token.generation.ends_on_complete())
            && certificates
                .is_some_and(|all| all.iter().all(|stale| stale.generation.ends_on_complete()))
    }
}

fn are_pods_read(unseen: &[(&str, Unseen)]) -> bool {
    unseen.iter().all(|(kind, _)| !["configmaps", "pods"].contains(kind))
}

/// A service account token in a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleToken {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Name of the service account.
    pub account: String,
    /// [`Generation::Previous`]: it stops working on *complete*; [`Generation::Unknown`]: it may.
    pub generation: Generation,
    /// Whether Kubernetes created it and a newer one exists; `None` if that could not be read. One that a user created is
    /// not recreated.
    pub is_replaced: Option<bool>,
    /// Day of the last use in UTC, as the API server recorded it.
    pub last_used: Option<Date>,
    /// Whether that is the day of the start or later; any use if the start is unknown.
    pub used_since_start: bool,
}

/// Tokens in Secrets that stop, or may stop, working on *complete*; those in use first. Empty unless a rotation is
/// open. If its start is unknown, all of them may.
fn stale_tokens(cluster: &Cluster, snapshot: &ClusterSnapshot) -> Vec<StaleToken> {
    let rotation = &cluster.rotation;
    if !rotation.phase.is_open() {
        return Vec::new();
    }
    let start = rotation.start();
    let key_changed = start.and_then(|start| key_changed_by(snapshot, start));
    let day = start.map(|start| start.to_zoned(TimeZone::UTC).date());
    let is_whole =
        ["serviceaccounts", "token secrets"].into_iter().all(|kind| snapshot.is_whole(kind));
    let mut stale: Vec<StaleToken> = snapshot
        .token_secrets
        .iter()
        .filter_map(|secret| {
            let is_replaced = is_replaced(secret, snapshot);
            let generation = match (secret.created, start) {
                _ if is_replaced => Generation::Previous,
                (None, _) | (_, None) => Generation::Unknown,
                (Some(created), Some(start))
                    if start.checked_sub(CLOCK_TOLERANCE).is_ok_and(|limit| created < limit) =>
                {
                    Generation::Previous
                }
                (Some(created), _) if key_changed.is_some_and(|changed| created > changed) => {
                    Generation::Current
                }
                (Some(_), Some(_)) => Generation::Unknown,
            };
            // The newest one that Kubernetes lists: it lists another one beside the old one when the key has changed.
            let is_newest = |start: Timestamp| {
                let listed = listed_with(secret, snapshot).unwrap_or_default();
                let is_old = |other: &TokenSecret| {
                    other.namespace == secret.namespace
                        && listed.contains(&other.name)
                        && other.created.is_some_and(|created| created < start)
                };
                let has_changed = rotation.phase != Phase::Preparing
                    || snapshot.token_secrets.iter().any(|other| is_old(other));
                !listed.is_empty() && secret.created >= Some(start) && has_changed
            };
            let is_new = generation == Generation::Current
                || generation == Generation::Unknown && start.is_some_and(is_newest);
            (!is_new).then(|| StaleToken {
                namespace: secret.namespace.clone(),
                name: secret.name.clone(),
                account: secret.account.clone(),
                generation,
                is_replaced: (is_replaced || is_whole).then_some(is_replaced),
                last_used: secret.last_used,
                used_since_start: secret
                    .last_used
                    .is_some_and(|used| day.is_none_or(|day| used >= day)),
            })
        })
        .collect();
    stale.sort_by_key(|token| (!token.used_since_start, token.is_replaced == Some(true)));
    stale
}

/// A client certificate signed by the cluster that stops, or may stop, working on *complete*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleCertificate {
    /// Name of the `CertificateSigningRequest`.
    pub request: String,
    /// The requesting user.
    pub requester: String,
    pub expires: Timestamp,
    /// [`Generation::Previous`]: it stops working on *complete*; [`Generation::Unknown`]: its signing CA is unknown.
    pub generation: Generation,
}

/// Client certificates of the CSR API that stop, or may stop, working on *complete*, if their requests still exist.
/// `now`: by the cluster's clock.
fn stale_certificates(
    cluster: &Cluster,
    credentials: &Credentials,
    snapshot: &ClusterSnapshot,
    now: Timestamp,
) -> Vec<StaleCertificate> {
    let known = credentials.known_of(cluster);
    let requests = snapshot.control_plane.signed_requests.iter().flatten();
    let judged = requests.filter(|request| request.certificate.not_after > now).map(|request| {
        let generation = signer_generation(&request.certificate, &known, &cluster.rotation);
        StaleCertificate {
            request: request.name.clone(),
            requester: request.requester.clone(),
            expires: request.certificate.not_after,
            // The cluster signed it itself.
            generation: match generation {
                Generation::NotCurrent => Generation::Previous,
                Generation::Current
                | Generation::Previous
                | Generation::Ended
                | Generation::Unknown => generation,
            },
        }
    });
    judged
        .filter(|stale| matches!(stale.generation, Generation::Previous | Generation::Unknown))
        .collect()
}

/// A time by which the signing key had changed. After a start that may take hours, but the pools get their new
/// templates later. The start is by the clock of SKE, the rest by that of the cluster.
fn key_changed_by(snapshot: &ClusterSnapshot, start: Timestamp) -> Option<Timestamp> {
    let Templates::Known(templates) = &snapshot.templates else { return None };
    let written = templates.iter().filter_map(|template| template.created);
    let limit = start.checked_add(CLOCK_TOLERANCE).ok()?;
    written.filter(|written| *written > limit).min()
}

/// The Secrets of the service account that lists it.
fn listed_with<'a>(secret: &TokenSecret, snapshot: &'a ClusterSnapshot) -> Option<&'a [String]> {
    let account = snapshot
        .service_accounts
        .iter()
        .find(|account| account.namespace == secret.namespace && account.name == secret.account)?;
    account.secrets.contains(&secret.name).then_some(&account.secrets)
}

/// Whether the service account that lists it also lists a later one.
fn is_replaced(secret: &TokenSecret, snapshot: &ClusterSnapshot) -> bool {
    let listed = listed_with(secret, snapshot).unwrap_or_default();
    listed.len() > 1
        && snapshot.token_secrets.iter().any(|other| {
            other.namespace == secret.namespace
                && listed.contains(&other.name)
                && other.created > secret.created
        })
}

/// Pods that started before their namespace got the new cluster CA: until restarted they may trust only the old one,
/// and fail after *complete* (`kube-root-ca.crt`, gardener/gardener#15301). Both times are by the cluster's clock.
/// Also returns whether this is known of all: a namespace may not have the new CA yet, or no longer both.
fn pods_with_old_authority(snapshot: &ClusterSnapshot) -> (Vec<Arc<Pod>>, bool) {
    let with_both = snapshot.root_bundles.iter().filter(|bundle| bundle.authorities > 1);
    let written: HashMap<&str, Timestamp> =
        with_both.filter_map(|bundle| Some((&*bundle.namespace, bundle.written?))).collect();
    let (mut found, mut are_judged) = (Vec::new(), true);
    for pod in &snapshot.pods {
        if pod.finished || pod.mirror || pod.deletion_deadline.is_some() || pod.node.is_none() {
            continue;
        }
        match (pod.created, written.get(&*pod.namespace)) {
            (Some(created), Some(written)) if created < *written => found.push(Arc::clone(pod)),
            (Some(_), Some(_)) => {}
            (None, _) | (_, None) => are_judged = false,
        }
    }
    (found, are_judged)
}

/// The commands that restart the workloads of pods, each once.
pub fn restart_commands(pods: &[Arc<Pod>]) -> Vec<Kubectl> {
    let workloads = pods.iter().filter_map(|pod| Some((&*pod.namespace, restarted_by(pod)?)));
    let workloads: BTreeSet<(&str, String)> = workloads.collect();
    let command = |(namespace, workload): &(&str, String)| {
        Kubectl::about(Some(namespace), "rollout restart", workload, "")
    };
    workloads.iter().filter_map(command).collect()
}

/// Argument of `kubectl rollout restart` for a pod ("deployment/web"); `None` for pods that it cannot restart.
fn restarted_by(pod: &Pod) -> Option<String> {
    let owner = pod.owner.as_ref()?;
    match owner.kind.as_str() {
        // Named after the Deployment and the hash; without that label another controller created it.
        "ReplicaSet" => {
            let hash = pod.labels.get("pod-template-hash")?;
            let deployment = owner.name.strip_suffix(hash)?.strip_suffix('-')?;
            Some(format!("deployment/{deployment}"))
        }
        "StatefulSet" => Some(format!("statefulset/{}", owner.name)),
        "DaemonSet" => Some(format!("daemonset/{}", owner.name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;
    use jiff::civil::date;

    use crate::domain::credential::in_cluster::{
        InCluster, pods_with_old_authority, restart_commands, stale_certificates, stale_tokens,
    };
    use crate::domain::credential::{Credentials, Generation, Reference};
    use crate::domain::fixtures::{cluster, issuance, now};
    use crate::domain::rotation::Phase;
    use crate::domain::snapshot::{
        ClusterSnapshot, Labels, OwnerReference, Pod, RootBundle, ServiceAccount, SignedRequest,
        Template, Templates, TokenSecret, Unseen,
    };

    fn secret(name: &str, account: &str, minutes: i64) -> Arc<TokenSecret> {
        let start = cluster("web", Phase::Prepared).rotation.initiated.unwrap();
        Arc::new(TokenSecret {
            namespace: "ci".into(),
            name: name.into(),
            account: account.into(),
            created: Some(start + SignedDuration::from_mins(minutes)),
            last_used: None,
        })
    }

    #[test]
    fn k8s_29_certificates_of_the_csr_api_are_judged_by_their_signer() {
        let subject = cluster("web", Phase::Prepared);
        let mut credentials = Credentials::default();
        let signed = |name: &str, signer: u8| SignedRequest {
            name: name.to_owned(),
            requester: "kubernetes-admin".to_owned(),
            certificate: issuance(signer, &[1], None).facts.client.unwrap(),
        };
        let mut expired = signed("ended", 1);
        expired.certificate.not_after = now() - SignedDuration::from_mins(1);
        let mut snapshot = ClusterSnapshot::default();
        snapshot.control_plane.signed_requests =
            Some(vec![signed("old", 1), signed("new", 2), expired]);
        let found = |credentials: &Credentials, phase| {
            let subject = cluster("web", phase);
            let stale = stale_certificates(&subject, credentials, &snapshot, now());
            let told = |one: &super::StaleCertificate| (one.request.clone(), one.generation);
            stale.iter().map(told).collect::<Vec<_>>()
        };
        let unknown = |name: &str| (name.to_owned(), Generation::Unknown);
        assert_eq!(found(&credentials, Phase::Prepared), [unknown("old"), unknown("new")]);
        credentials.note(Reference {
            cluster: subject.id.clone(),
            created: subject.created,
            issuance: issuance(2, &[1, 2], Some(subject.rotation)),
        });
        let old = ("old".to_owned(), Generation::Previous);
        assert_eq!(found(&credentials, Phase::Prepared), [old]);
    }

    #[test]
    fn k8s_29_tokens_from_before_the_start_are_found_and_those_in_use_come_first() {
        let subject = cluster("web", Phase::Prepared);
        let used = TokenSecret {
            last_used: Some(date(2026, 11, 24)),
            ..(*secret("b", "own", -900)).clone()
        };
        let start = subject.rotation.initiated.unwrap();
        let template = |minutes| {
            let created = Some(start + SignedDuration::from_mins(minutes));
            Template { name: "t".into(), pool: "p".into(), created, checksum: None }
        };
        let listing = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
            Arc::new(ServiceAccount { namespace: "ci".into(), name: "listed".into(), secrets })
        };
        let snapshot = ClusterSnapshot {
            // The first one is of a pool whose template is still the old one.
            templates: Templates::Known(vec![template(-900), template(60), template(180)]),
            token_secrets: vec![
                secret("listed-old", "listed", -900),
                secret("listed-new", "listed", 10),
                secret("a", "own", -900),
                Arc::new(used),
                secret("unclear", "own", 10),
                secret("after", "own", 120),
            ],
            service_accounts: vec![listing(&["listed-old", "listed-new"])],
            ..ClusterSnapshot::default()
        };
        let stale = stale_tokens(&subject, &snapshot);
        let told: Vec<_> = stale
            .iter()
            .map(|t| (t.name.as_str(), t.generation, t.is_replaced, t.used_since_start))
            .collect();
        let (old, unclear) = (Generation::Previous, Generation::Unknown);
        assert_eq!(
            told,
            [
                ("b", old, Some(false), true),
                ("a", old, Some(false), false),
                ("unclear", unclear, Some(false), false),
                ("listed-old", old, Some(true), false),
            ]
        );
        // A start that was held up for hours changed the key late.
        for templates in [
            Templates::Known(vec![template(-900), template(180)]),
            Templates::Known(vec![template(-900)]),
            Templates::Forbidden,
        ] {
            for phase in [Phase::Preparing, Phase::Prepared] {
                let mut held_up =
                    ClusterSnapshot { templates: templates.clone(), ..snapshot.clone() };
                let mut subject = subject.clone();
                subject.rotation.phase = phase;
                let stale = stale_tokens(&subject, &held_up);
                let after = stale.iter().find(|token| token.name == "after");
                assert_eq!(after.map(|token| token.generation), Some(unclear));
                assert!(stale.iter().all(|token| token.name != "listed-new"));
                // Without an old one beside it, it may be from before the key changed.
                held_up.service_accounts = vec![listing(&["listed-new", "missing"])];
                let stale = stale_tokens(&subject, &held_up);
                let is_told = stale.iter().any(|token| token.name == "listed-new");
                assert_eq!(is_told, subject.rotation.phase == Phase::Preparing);
            }
        }
        for kind in ["serviceaccounts", "token secrets"] {
            let mut partly = snapshot.clone();
            partly.unseen.insert(kind, Unseen::Partly("only the first 9 were read".into()));
            let told: Vec<_> =
                stale_tokens(&subject, &partly).iter().map(|token| token.is_replaced).collect();
            assert_eq!(told, [None, None, None, Some(true)], "{kind}");
        }
        for phase in [Phase::Never, Phase::Completed, Phase::Unknown("X".into())] {
            assert!(stale_tokens(&cluster("web", phase), &snapshot).is_empty());
        }
        let mut undated = subject.clone();
        undated.rotation.initiated = None;
        let mut mixed = subject;
        mixed.rotation.completed = Some(now());
        for unclear in [undated, mixed] {
            let stale = stale_tokens(&unclear, &snapshot);
            let unknown = stale.iter().filter(|token| token.generation == Generation::Unknown);
            assert_eq!(
                (stale.len(), unknown.count()),
                (6, 5),
                "each of them may be from before it"
            );
        }
    }

    #[test]
    fn k8s_29_pods_that_began_before_the_new_authority_are_found() {
        let written = cluster("web", Phase::Prepared).rotation.initiated.unwrap();
        let pod = |name: &str, minutes: i64, kind: &str| {
            let owner = OwnerReference { kind: kind.into(), name: format!("{name}-7d9f8c6b5d") };
            Arc::new(Pod {
                namespace: "shop".into(),
                name: name.into(),
                created: Some(written + SignedDuration::from_mins(minutes)),
                node: Some("n1".into()),
                owner: Some(owner),
                labels: [("pod-template-hash".to_owned(), "7d9f8c6b5d".to_owned())]
                    .into_iter()
                    .collect(),
                ..Pod::default()
            })
        };
        let bundle = |authorities| {
            vec![Arc::new(RootBundle {
                namespace: "shop".into(),
                authorities,
                written: Some(written),
            })]
        };
        let undated = |bundles: Vec<Arc<RootBundle>>| -> Vec<Arc<RootBundle>> {
            let undated = |one: &RootBundle| RootBundle { written: None, ..one.clone() };
            bundles.iter().map(|one| Arc::new(undated(one))).collect()
        };
        let mut snapshot = ClusterSnapshot {
            pods: vec![pod("early", -1, "ReplicaSet"), pod("late", 1, "ReplicaSet")],
            root_bundles: bundle(2),
            ..ClusterSnapshot::default()
        };
        let (found, are_judged) = pods_with_old_authority(&snapshot);
        assert!(are_judged);
        assert_eq!(found.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["early"]);
        let of_rollout =
            Pod { labels: Labels::default(), ..(*pod("canary", 0, "ReplicaSet")).clone() };
        let early = || Arc::clone(&found[0]);
        let twice = [early(), early(), pod("x", 0, "Job"), Arc::new(of_rollout)];
        let lines: Vec<_> = restart_commands(&twice).iter().map(|c| c.line(None)).collect();
        assert_eq!(lines, ["kubectl -n shop rollout restart deployment/early"]);
        // Most pods are replaced with their nodes until then.
        let in_cluster = |phase| {
            let none = Credentials::default();
            let found = InCluster::of(&cluster("web", phase), &none, &snapshot, now());
            (found.pods, found.pods_are_judged)
        };
        assert_eq!(in_cluster(Phase::Preparing), (Vec::new(), false));
        assert_eq!(in_cluster(Phase::Completed), (Vec::new(), true));
        assert_eq!(in_cluster(Phase::Prepared), (found, true));
        // The new one is not there yet, or, while completing, the old one no longer is; or it is not known since when.
        for bundles in [bundle(1), Vec::new(), undated(bundle(2))] {
            snapshot.root_bundles = bundles;
            assert_eq!(pods_with_old_authority(&snapshot), (Vec::new(), false));
        }
    }
}
