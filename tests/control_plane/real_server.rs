//! etcd and kube-apiserver as processes of this test.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use serde_json::{Value, json};

use crate::server::Server;

const START_LIMIT: Duration = Duration::from_mins(3);
/// The user of kubeconfigs that Gardener issues, and its group.
const USER: &str = "gardener.cloud:admin:demo@simulator";
const ADMINS: &str = "gardener.cloud:system:admins";
/// Kinds that are copied, in an order in which they can be created; whether they have a status to be written.
const COPIED: &[(&str, &str, bool)] = &[
    ("/api/v1", "namespaces", false),
    ("/api/v1", "serviceaccounts", false),
    ("/api/v1", "nodes", true),
    ("/api/v1", "configmaps", false),
    ("/api/v1", "secrets", false),
    ("/api/v1", "persistentvolumes", true),
    ("/api/v1", "persistentvolumeclaims", true),
    ("/apis/apps/v1", "daemonsets", true),
    ("/apis/apps/v1", "deployments", true),
    ("/apis/apps/v1", "replicasets", true),
    ("/apis/apps/v1", "statefulsets", true),
    ("/apis/policy/v1", "poddisruptionbudgets", true),
    ("/api/v1", "pods", true),
    ("/api/v1", "events", false),
    ("/apis/storage.k8s.io/v1", "volumeattachments", true),
];

/// A running kube-apiserver; it stops when it is dropped.
pub struct RealServer {
    pub server: Server,
    processes: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Drop for RealServer {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Writes a line that is seen even if the test passes.
pub fn say(line: &str) {
    // Not `eprintln!`, whose lines are shown only if a test fails.
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The folder with the programs; `None`, and a line that says so, if there is none.
pub fn assets() -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    if folder.is_none() {
        say(
            "LEFT OUT: KUBEBUILDER_ASSETS is not set, so nothing is compared with a real kube-apiserver",
        );
    }
    folder
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test-ca");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// A certificate and its key, as PEM.
    fn sign(&self, name: &str, group: Option<&str>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl RealServer {
    /// Starts etcd and kube-apiserver, without controllers: nothing changes but by requests.
    pub async fn start(assets: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (certificate, key) = authority.sign("kube-apiserver", None);
        let (client, client_key) = authority.sign("admin", Some("system:masters"));
        let (user, user_key) = authority.sign(USER, Some(ADMINS));
        let token_key = KeyPair::generate().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for (name, content) in [
            ("ca.pem", &authority.pem),
            ("server.pem", &certificate),
            ("server.key", &key),
            ("tokens.key", &token_key.serialize_pem()),
            ("tokens.pub", &token_key.public_key_pem()),
        ] {
            std::fs::write(path(name), content).unwrap();
        }
        let [etcd, peer, port] = [free_port(), free_port(), free_port()];
        let (etcd, peer) = (format!("http://127.0.0.1:{etcd}"), format!("http://127.0.0.1:{peer}"));
        let run = |program: &str, arguments: &[String]| {
            let log = std::fs::File::create(path(&format!("{program}.log"))).unwrap();
            Command::new(assets.join(program))
                .args(arguments)
                .env_clear()
                .env("HOME", folder.path())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap()
        };
        let mut processes = vec![run(
            "etcd",
            &[
                format!("--data-dir={}", path("etcd")),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        )];
        processes.push(run(
            "kube-apiserver",
            &[
                format!("--etcd-servers={etcd}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", path("certificates")),
                format!("--tls-cert-file={}", path("server.pem")),
                format!("--tls-private-key-file={}", path("server.key")),
                format!("--client-ca-file={}", path("ca.pem")),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", path("tokens.pub")),
                format!("--service-account-signing-key-file={}", path("tokens.key")),
                "--service-cluster-ip-range=100.104.0.0/16".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                "--anonymous-auth=false".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                // They refuse or change what is copied.
                "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority"
                    .to_owned(),
            ],
        ));
        let identity = client + &client_key;
        let base = format!("https://127.0.0.1:{port}");
        let server = Server::new(base, authority.pem.as_bytes(), identity.as_bytes());
        let mut found = Self { server, processes, folder };
        found.wait_until_ready().await;
        let subject =
            json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": ADMINS});
        let role = json!({
            "kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "cluster-admin",
        });
        let binding =
            json!({"metadata": {"name": "admins"}, "subjects": [subject], "roleRef": role});
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        assert_eq!(found.server.write("POST", path, "json", &binding).await.code, 201);
        let identity = user + &user_key;
        let base = found.server.base.clone();
        found.server = Server::new(base, authority.pem.as_bytes(), identity.as_bytes());
        found
    }

    async fn wait_until_ready(&mut self) {
        let start = Instant::now();
        loop {
            if self.server.get("/readyz").await.code == 200
                && self.server.get("/api/v1/namespaces/default").await.code == 200
            {
                return;
            }
            let ended = self.processes.iter_mut().any(|p| p.try_wait().unwrap().is_some());
            if ended || start.elapsed() > START_LIMIT {
                let log = std::fs::read_to_string(self.folder.path().join("kube-apiserver.log"));
                let log = log.unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                panic!("kube-apiserver does not start:\n{}", tail.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Creates the objects of another server here, with their status.
    pub async fn copy_from(&self, other: &Server) {
        for (group, plural, has_status) in COPIED {
            let list = other.get(&format!("{group}/{plural}")).await.json();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            let copies = items.into_iter().map(|item| self.copy(group, plural, *has_status, item));
            futures_util::StreamExt::for_each_concurrent(
                futures_util::stream::iter(copies),
                8,
                |copy| copy,
            )
            .await;
        }
    }

    async fn copy(&self, group: &str, plural: &str, has_status: bool, mut item: Value) {
        let metadata = item["metadata"].as_object_mut().unwrap();
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.remove(field);
        }
        let name = metadata["name"].as_str().unwrap().to_owned();
        let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or("").to_owned();
        let path = match &*namespace {
            "" => format!("{group}/{plural}"),
            _ => format!("{group}/namespaces/{namespace}/{plural}"),
        };
        let status = item.as_object_mut().unwrap().remove("status");
        let answer = self.server.write("POST", &path, "json", &item).await;
        let exists = answer.code == 409;
        assert!(
            matches!(answer.code, 201 | 409),
            "{plural} {namespace}/{name}: {}\n{item}",
            String::from_utf8_lossy(&answer.body)
        );
        if let Some(status) = status.filter(|_| has_status && !exists) {
            let path = format!("{path}/{name}/status");
            let patch = json!({"status": status});
            let answer = self.server.write("PATCH", &path, "merge-patch+json", &patch).await;
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.code, 200, "status of {plural} {namespace}/{name}: {text}");
        }
    }
}
