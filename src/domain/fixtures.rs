//! Clusters for the tests of all layers: one builder keeps fixtures consistent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId, ClusterState, KubernetesVersion, NodePool};
use crate::domain::credential::{
    Access, ClientCertificate, CredentialFacts, Credentials, FoundContext, FoundFile, Issuance,
    KeyHash, KubeconfigLocation, SignIn, SigningKeys, Trust,
};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::rotation::{Phase, Rotation};

/// The fixtures' current time: 24 November 2026, 14:02:11 UTC.
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_528_931).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A healthy cluster of project `shop` in `eu01`, in the given phase, with matching times.
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
            image_expires: None,
            version: None,
            version_expires: None,
        }],
        problems: Vec::new(),
        schedules: Vec::new(),
        maintenance: Some(("02:00".into(), "04:00".into())),
        labels: BTreeMap::new(),
        idp: false,
        unhealthy: None,
    }
}

/// The issuance of a kubeconfig signed by client CA `signer` and trusting these cluster CAs.
pub fn issuance(signer: u8, authorities: &[u8], rotation: Option<Rotation>) -> Issuance {
    let key = |number: &u8| KeyHash::parse(&format!("{number:064x}"));
    let client = ClientCertificate {
        issuer: format!("CN=ca-client-{signer}"),
        authority_key_id: Some(format!("{signer:02x}")),
        serial: "2a".to_owned(),
        not_before: now() - hours(1),
        not_after: now() + hours(9),
    };
    let facts = CredentialFacts {
        client: Some(client),
        newest: authorities.last().and_then(key),
        authorities: authorities.iter().filter_map(key).collect(),
        ..CredentialFacts::default()
    };
    Issuance { facts, rotation }
}

/// `count` keys that sign service account tokens.
pub fn signing_keys(count: usize) -> SigningKeys {
    let accepted = (1..=count).map(|key| format!("k{key}")).collect();
    SigningKeys { accepted, ..SigningKeys::default() }
}

/// A context from a local file.
pub fn found_context(
    context: &str,
    server: &str,
    trust: Trust,
    sign_in: Vec<SignIn>,
) -> FoundContext {
    let (context, server) = (context.to_owned(), server.to_owned());
    FoundContext {
        context,
        server,
        trust,
        authorities: Vec::new(),
        exec_cluster: None,
        sign_in,
        unusable: None,
        missing_program: None,
        other_file: None,
    }
}

/// A local file.
pub fn found(path: &str, contexts: Result<Vec<FoundContext>, String>) -> FoundFile {
    let (path, is_default) = (path.to_owned(), path == "~/.kube/config");
    FoundFile { path, other_names: Vec::new(), is_default, wide_mode: None, contexts }
}

/// A local file with one context, for a cluster with that server.
pub fn found_file(path: &str, server: &str, trust: Trust, sign_in: SignIn) -> FoundFile {
    found(path, Ok(vec![found_context("web", server, trust, vec![sign_in])]))
}

/// The files that the recorded kubeconfigs were saved to.
pub fn files_of(credentials: &Credentials) -> Vec<FoundFile> {
    let mut files: BTreeMap<&str, Vec<FoundContext>> = BTreeMap::new();
    for access in &credentials.accesses {
        let KubeconfigLocation::File { path, context, .. } = &access.location else { continue };
        let facts = access.issuance.as_ref().map(|issuance| issuance.facts.clone());
        let CredentialFacts { server, client, authorities, .. } = facts.unwrap_or_default();
        let client = client.map(|client| ClientCertificate {
            not_after: access.expires.unwrap_or(client.not_after),
            ..client
        });
        let stackit = Some(access.kind);
        let plugin = SignIn::Plugin { command: "stackit".to_owned(), stackit };
        let way = client.map_or(plugin, SignIn::Certificate);
        let address = format!(
            "api.{}.0a1b2c3d4e.s.ske.{}.onstackit.cloud",
            access.cluster.name,
            access.cluster.region()
        );
        let server = if server.is_empty() { address } else { server };
        let found = found_context(context, &server, Trust::Authorities(authorities), vec![way]);
        files.entry(path).or_default().push(found);
    }
    files.into_iter().map(|(path, contexts)| found(path, Ok(contexts))).collect()
}

/// A kubeconfig that was delivered an hour ago and expires in nine hours, issued after the cluster's last start or
/// before it.
pub fn access(subject: &Cluster, after_start: bool, path: &str) -> Access {
    let is_open = !matches!(subject.rotation.phase, Phase::Never | Phase::Completed);
    let before = Rotation {
        phase: Phase::Completed,
        initiated: subject.rotation.initiated.map(|at| at - hours(24 * 101)),
        completed: subject.rotation.completed,
    };
    let issuance = match (after_start, is_open) {
        (true, true) => issuance(2, &[1, 2], Some(subject.rotation.clone())),
        (true, false) => issuance(2, &[2], Some(subject.rotation.clone())),
        (false, _) => issuance(1, &[1], Some(before)),
    };
    Access {
        cluster: subject.id.clone(),
        created: subject.created,
        kind: KubeconfigKind::Admin,
        issued: now() - hours(1),
        expires: Some(now() + hours(9)),
        location: KubeconfigLocation::File {
            path: path.to_owned(),
            context: subject.id.name.to_string(),
            whole: false,
        },
        issuance: Some(issuance),
        forgotten: false,
    }
}

fn hours(hours: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(hours)
}
