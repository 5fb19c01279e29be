//! A Kubernetes API over TLS for tests: paged lists, watches, client certificates, and fault injection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::domain::secret::Secret;

/// Path of nodes.
pub const NODES: &str = "/api/v1/nodes";
/// Path of pods.
pub const PODS: &str = "/api/v1/pods";
/// Secrets with the desired state of nodes.
pub const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// Path of events.
pub const EVENTS: &str = "/api/v1/events";

/// Faults and behaviour.
#[derive(Default, Clone)]
pub struct Rules {
    /// Status for paths with this prefix, instead of a response.
    pub statuses: BTreeMap<&'static str, u16>,
    /// Status for new watches.
    pub watch_status: Option<u16>,
    /// Numbers of the credentials that get no 401; `None` means all.
    pub accepted: Option<BTreeSet<u64>>,
    /// Connections are closed at once.
    pub away: bool,
    /// Requests are never answered.
    pub silent: bool,
    /// Watches are never answered.
    pub unopened_watches: bool,
    /// Paths with this prefix are never answered.
    pub hangs: Option<&'static str>,
    /// Watches send one line and end.
    pub short_lived_watches: bool,
    /// Watches open and send nothing.
    pub held_back_watches: bool,
    /// Lists have no version.
    pub unversioned_lists: bool,
    /// Objects per page, fewer than requested.
    pub page: Option<usize>,
    /// Pages from this one on are held back until it is `None` again.
    pub hold_page: Option<usize>,
    /// Responses for paths with this prefix are computed at once and sent when it is `None` again.
    pub late: Option<&'static str>,
    /// `Date` header.
    pub date: Option<String>,
}

/// State of the server.
#[derive(Default)]
pub struct ServerState {
    /// Version of the last change.
    pub version: u64,
    /// By path, then namespace and name.
    pub objects: BTreeMap<&'static str, BTreeMap<(String, String), Value>>,
    /// Version, path, verb and object of every change.
    pub log: Vec<(u64, &'static str, &'static str, Value)>,
    /// Versions up to this are expired.
    pub forgotten: u64,
    /// Watches that started before the last increment are cut.
    pub cuts: u64,
    /// Faults and behaviour.
    pub rules: Rules,
    /// Credential, and path with query of every request.
    pub requests: Vec<(u64, String)>,
}

/// One cluster. Clones share it.
#[derive(Clone)]
pub struct FakeCluster {
    /// Port on loopback.
    pub port: u16,
    state: Arc<Mutex<ServerState>>,
    /// Notified of every change of the state.
    pub changed: watch::Sender<()>,
    /// Number of requests and handshakes in progress.
    pub in_flight: Arc<AtomicI64>,
    authority: Arc<String>,
    clients: Arc<CertifiedIssuer<'static, KeyPair>>,
    /// See [`Handshake::Curt`].
    pub is_curt: bool,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// How the server handles client certificates in the handshake.
pub enum Handshake {
    /// Accepts those of its own CA, as the platform does in effect.
    Lenient,
    /// Aborts the handshake for every certificate.
    Strict,
    /// Closes the connection silently on every client that presents a certificate.
    Curt,
}

impl FakeCluster {
    /// Listens on loopback.
    pub async fn start(handshake: Handshake) -> Self {
        crate::clients::install_crypto();
        let (servers, clients) = (authority("kubernetes"), authority("kubernetes-client"));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &servers)
            .unwrap();
        let mut roots = RootCertStore::empty();
        let verifier = match handshake {
            Handshake::Lenient | Handshake::Curt => {
                roots.add(clients.der().clone()).unwrap();
                WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated()
            }
            Handshake::Strict => {
                roots.add(authority("another").der().clone()).unwrap();
                WebPkiClientVerifier::builder(Arc::new(roots))
            }
        };
        let config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::default(),
            changed: watch::Sender::new(()),
            in_flight: Arc::default(),
            authority: Arc::new(servers.pem()),
            clients: Arc::new(clients),
            is_curt: matches!(handshake, Handshake::Curt),
        };
        this.state().version = 100;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = this.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Small writes would wait for delayed ACKs.
                stream.set_nodelay(true).unwrap();
                if server.state().rules.away {
                    continue;
                }
                tokio::spawn(server.clone().converse(acceptor.clone(), stream));
            }
        });
        this
    }

    /// Locks the state.
    pub fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap()
    }

    /// Changes the rules.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state().rules);
        self.changed.send_replace(());
    }

    /// Requests neither answered nor handed to a watch yet, and handshakes in progress.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Requests whose path and query contain all words.
    pub fn count(&self, words: &[&str]) -> usize {
        let state = self.state();
        state
            .requests
            .iter()
            .filter(|(_, path)| words.iter().all(|word| path.contains(word)))
            .count()
    }

    /// All requests, for debug output.
    pub fn ledger(&self) -> String {
        let state = self.state();
        let lines: Vec<String> =
            state.requests.iter().map(|(number, path)| format!("{number} {path}")).collect();
        lines.join("\n")
    }

    /// Requests made with a credential.
    pub fn count_of(&self, credential: u64) -> usize {
        self.state().requests.iter().filter(|(number, _)| *number == credential).count()
    }

    /// Adds or changes an object.
    pub fn put(&self, path: &'static str, mut object: Value) {
        let mut state = self.state();
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let key = key(&object);
        let known = state.objects.entry(path).or_default().insert(key, object.clone());
        let verb = if known.is_some() { "MODIFIED" } else { "ADDED" };
        let version = state.version;
        state.log.push((version, path, verb, object));
        drop(state);
        self.changed.send_replace(());
    }

    /// Removes an object.
    pub fn delete(&self, path: &'static str, name: &str) {
        let mut state = self.state();
        let objects = state.objects.entry(path).or_default();
        let Some(key) = objects.keys().find(|(_, known)| known == name).cloned() else { return };
        let mut object = objects.remove(&key).unwrap();
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let version = state.version;
        state.log.push((version, path, "DELETED", object));
        drop(state);
        self.changed.send_replace(());
    }

    /// Ends every open watch.
    pub fn cut(&self) {
        self.state().cuts += 1;
        self.changed.send_replace(());
    }

    /// Sends a bookmark with the current version to watches of a kind.
    pub fn bookmark(&self, path: &'static str) {
        let mut state = self.state();
        let version = state.version;
        let object =
            serde_json::json!({"kind": "X", "metadata": {"resourceVersion": version.to_string()}});
        state.log.push((version, path, "BOOKMARK", object));
        drop(state);
        self.changed.send_replace(());
    }

    /// Expires all versions before the current one.
    pub fn forget_the_past(&self) {
        let mut state = self.state();
        state.forgotten = state.version;
    }

    /// Expires all versions so far, including the current one.
    pub fn forget(&self) {
        let mut state = self.state();
        state.version += 1;
        state.forgotten = state.version;
    }

    /// Names and uids of a kind, in order.
    pub fn uids(&self, path: &'static str) -> Vec<(String, String)> {
        let state = self.state();
        let objects = state.objects.get(path).into_iter().flat_map(BTreeMap::values);
        let text = |object: &Value, field: &str| {
            object["metadata"][field].as_str().unwrap_or_default().to_owned()
        };
        objects.map(|object| (text(object, "name"), text(object, "uid"))).collect()
    }

    /// A kubeconfig with credential `number`, valid for `seconds`.
    pub fn kubeconfig(&self, number: u64, seconds: i64) -> Secret {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, number.to_string());
        // rustls uses the machine's clock; for the client only the difference of the two matters.
        let now = machine_time();
        params.not_before = now - time::Duration::minutes(1);
        params.not_after = now + time::Duration::seconds(seconds);
        let certificate = params.signed_by(&key, &*self.clients).unwrap();
        let encode = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        Secret::new(format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: main\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{}', certificate-authority-data: {}}}}}]\n\
             contexts: [{{name: main, context: {{cluster: c, user: u}}}}]\n\
             users: [{{name: u, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n",
            self.port,
            encode(&self.authority),
            encode(&certificate.pem()),
            encode(&key.serialize_pem()),
        ))
    }
}

#[expect(clippy::disallowed_methods, reason = "the TLS library looks at the machine's clock")]
fn machine_time() -> time::OffsetDateTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    time::OffsetDateTime::UNIX_EPOCH + since
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
