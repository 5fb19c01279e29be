//! A Kubernetes API over TLS for tests: lists in pages, watches, client certificates, and faults on order.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::domain::secret::Secret;

/// Nodes.
pub const NODES: &str = "/api/v1/nodes";
/// Pods.
pub const PODS: &str = "/api/v1/pods";
/// Secrets that describe nodes.
pub const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// Events.
pub const EVENTS: &str = "/api/v1/events";

/// Faults and habits.
#[derive(Default, Clone)]
pub struct Rules {
    /// Status for paths that begin so, instead of an answer.
    pub statuses: BTreeMap<&'static str, u16>,
    /// Status for the beginning of watches.
    pub watch_status: Option<u16>,
    /// Credentials by number that get no 401; `None` means all.
    pub accepted: Option<BTreeSet<u64>>,
    /// Connections are closed as soon as they come.
    pub away: bool,
    /// Requests are taken and never answered.
    pub silent: bool,
    /// Watches are taken and never answered.
    pub unborn_watches: bool,
    /// Watches begin and tell nothing.
    pub deaf_watches: bool,
    /// Fewer objects a page than asked for.
    pub page: Option<usize>,
    /// Pages of a list are held back from this one on, until it is `None` again.
    pub hold_page: Option<usize>,
    /// `Date` header.
    pub date: Option<String>,
}

#[derive(Default)]
struct World {
    version: u64,
    objects: BTreeMap<&'static str, BTreeMap<(String, String), Value>>,
    log: Vec<(u64, &'static str, &'static str, Value)>,
    /// Versions up to this are forgotten.
    forgotten: u64,
    /// Watches that began before the number grew are cut.
    cuts: u64,
    rules: Rules,
    requests: Vec<(u64, String)>,
}

/// One cluster. Clones share it.
#[derive(Clone)]
pub struct FakeCluster {
    /// Where it listens on loopback.
    pub port: u16,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<()>,
    in_flight: Arc<AtomicI64>,
    authority: Arc<String>,
    clients: Arc<CertifiedIssuer<'static, KeyPair>>,
    is_curt: bool,
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Counts something under way, also when it is dropped half done.
struct Busy(Arc<AtomicI64>);

impl Busy {
    fn new(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the server does about client certificates in the handshake.
pub enum Handshake {
    /// Takes those of its own authority, as the platform does in effect.
    Lenient,
    /// Ends the handshake at every certificate that it can be shown.
    Strict,
    /// Shuts the door without a word on everybody who shows a certificate.
    Curt,
}

impl FakeCluster {
    /// Begins to listen on loopback.
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
            world: Arc::default(),
            changed: watch::Sender::new(()),
            in_flight: Arc::default(),
            authority: Arc::new(servers.pem()),
            clients: Arc::new(clients),
            is_curt: matches!(handshake, Handshake::Curt),
        };
        this.world().version = 100;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = this.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Small writes would wait for delayed acknowledgements.
                stream.set_nodelay(true).unwrap();
                if server.world().rules.away {
                    continue;
                }
                tokio::spawn(server.clone().converse(acceptor.clone(), stream));
            }
        });
        this
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Changes the rules from now on.
    pub fn rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.world().rules);
        self.changed.send_replace(());
    }

    /// Requests that were neither answered nor handed to a watch yet, and handshakes under way.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Requests whose path and query hold all words.
    pub fn count(&self, words: &[&str]) -> usize {
        let world = self.world();
        world
            .requests
            .iter()
            .filter(|(_, path)| words.iter().all(|word| path.contains(word)))
            .count()
    }

    /// All requests, to be printed.
    pub fn ledger(&self) -> String {
        let world = self.world();
        let lines: Vec<String> =
            world.requests.iter().map(|(number, path)| format!("{number} {path}")).collect();
        lines.join("\n")
    }

    /// Requests made with a credential.
    pub fn count_of(&self, credential: u64) -> usize {
        self.world().requests.iter().filter(|(number, _)| *number == credential).count()
    }

    /// Adds or changes an object.
    pub fn put(&self, path: &'static str, mut object: Value) {
        let mut world = self.world();
        world.version += 1;
        object["metadata"]["resourceVersion"] = world.version.to_string().into();
        let key = key(&object);
        let known = world.objects.entry(path).or_default().insert(key, object.clone());
        let verb = if known.is_some() { "MODIFIED" } else { "ADDED" };
        let version = world.version;
        world.log.push((version, path, verb, object));
        drop(world);
        self.changed.send_replace(());
    }

    /// Takes an object away.
    pub fn delete(&self, path: &'static str, name: &str) {
        let mut world = self.world();
        let objects = world.objects.entry(path).or_default();
        let Some(key) = objects.keys().find(|(_, known)| known == name).cloned() else { return };
        let mut object = objects.remove(&key).unwrap();
        world.version += 1;
        object["metadata"]["resourceVersion"] = world.version.to_string().into();
        let version = world.version;
        world.log.push((version, path, "DELETED", object));
        drop(world);
        self.changed.send_replace(());
    }

    /// Ends every watch that is open now.
    pub fn cut(&self) {
        self.world().cuts += 1;
        self.changed.send_replace(());
    }

    /// Forgets how it came to be as it is: every older version is gone.
    pub fn forget(&self) {
        let mut world = self.world();
        world.version += 1;
        world.forgotten = world.version;
    }

    /// Names and uids of a kind, in order.
    pub fn uids(&self, path: &'static str) -> Vec<(String, String)> {
        let world = self.world();
        let objects = world.objects.get(path).into_iter().flat_map(BTreeMap::values);
        let text = |object: &Value, field: &str| {
            object["metadata"][field].as_str().unwrap_or_default().to_owned()
        };
        objects.map(|object| (text(object, "name"), text(object, "uid"))).collect()
    }

    /// A kubeconfig with credential `number`, which lives for `seconds`.
    pub fn kubeconfig(&self, number: u64, seconds: i64) -> Secret {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, number.to_string());
        // rustls judges by the machine's clock; for the client only the difference of the two counts.
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

    async fn converse(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let busy = Busy::new(&self.in_flight);
        let accepted = acceptor.accept(stream).await;
        drop(busy);
        let Ok(stream) = accepted else { return };
        let credential = (stream.get_ref().1.peer_certificates())
            .and_then(|chain| {
                let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
                certificate.subject().iter_common_name().next()?.as_str().ok()?.parse().ok()
            })
            .unwrap_or(0);
        if self.is_curt && credential > 0 {
            return;
        }
        let service = service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, Infallible>(this.answer(credential, request).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service);
        drop(serving.await);
    }

    async fn answer(
        &self,
        credential: u64,
        request: Request<Incoming>,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let (path, query) =
            (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let busy = Busy::new(&self.in_flight);
        let rules = {
            let mut world = self.world();
            world.requests.push((credential, format!("{path}?{query}")));
            world.rules.clone()
        };
        let is_watch = query.contains("watch=true");
        if rules.silent || (is_watch && rules.unborn_watches) {
            drop(busy);
            std::future::pending::<()>().await;
            return status(500, "never");
        }
        let forced = rules.statuses.iter().find(|(start, _)| path.starts_with(**start));
        let is_stranger =
            rules.accepted.as_ref().is_some_and(|accepted| !accepted.contains(&credential));
        let response = if is_stranger {
            status(401, "Unauthorized")
        } else if let Some((_, code)) = forced {
            status(*code, "as ordered")
        } else if let Some(code) = rules.watch_status.filter(|_| is_watch) {
            status(code, "as ordered for watches")
        } else if is_watch {
            self.watch(&path, &query, rules.deaf_watches)
        } else {
            self.read(&path, &query, &rules).await
        };
        drop(busy);
        let mut response = response;
        if let Some(date) = rules.date {
            response.headers_mut().insert("date", date.parse().unwrap());
        }
        response
    }

    async fn read(
        &self,
        path: &str,
        query: &str,
        rules: &Rules,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        match path {
            "/readyz" => return whole(200, Value::from("ok")),
            "/openid/v1/jwks" => return whole(200, json!({"keys": [{"kid": "a"}, {"kid": "b"}]})),
            _ => {}
        }
        let start: usize =
            parameter(query, "continue").and_then(|token| token.parse().ok()).unwrap_or(0);
        let limit =
            parameter(query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let limit = rules.page.unwrap_or(limit).min(limit);
        let mut changed = self.changed.subscribe();
        while self.world().rules.hold_page.is_some_and(|from| start / limit.max(1) >= from) {
            changed.changed().await.unwrap();
        }
        let world = self.world();
        let all: Vec<&Value> = world
            .objects
            .iter()
            .filter(|(known, _)| **known == path || path == "/api/v1/secrets" && **known == SECRETS)
            .flat_map(|(_, objects)| objects.values())
            .collect();
        let page: Vec<&Value> = all.iter().skip(start).take(limit).copied().collect();
        let next = if start + page.len() < all.len() {
            (start + page.len()).to_string()
        } else {
            String::new()
        };
        whole(
            200,
            json!({"kind": "List", "metadata": {"resourceVersion": world.version.to_string(), "continue": next}, "items": page}),
        )
    }

    fn watch(
        &self,
        path: &str,
        query: &str,
        is_deaf: bool,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let from: u64 =
            parameter(query, "resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        let (cuts, forgotten) = {
            let world = self.world();
            (world.cuts, world.forgotten)
        };
        let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
        if from < forgotten {
            let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}});
            sender.send(Bytes::from(format!("{gone}\n"))).unwrap();
        } else {
            tokio::spawn(self.clone().feed(path.to_owned(), from, cuts, is_deaf, sender));
        }
        let frames = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|bytes| (Ok::<_, Infallible>(Frame::data(bytes)), receiver))
        });
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    }

    async fn feed(
        self,
        path: String,
        mut from: u64,
        cuts: u64,
        is_deaf: bool,
        sender: mpsc::UnboundedSender<Bytes>,
    ) {
        let mut changed = self.changed.subscribe();
        loop {
            let news: Vec<String> = {
                let world = self.world();
                let later = world
                    .log
                    .iter()
                    .filter(|(version, known, ..)| *version > from && *known == path);
                let lines = later.map(|(_, _, verb, object)| {
                    format!("{}\n", json!({"type": verb, "object": object}))
                });
                let lines = lines.collect();
                from = world.version;
                lines
            };
            if !is_deaf {
                for line in news {
                    // Cut anywhere, as networks do.
                    let (head, tail) = line.split_at(line.len() / 2);
                    if sender.send(Bytes::from(head.to_owned())).is_err()
                        || sender.send(Bytes::from(tail.to_owned())).is_err()
                    {
                        return;
                    }
                }
            }
            if self.world().cuts > cuts {
                return;
            }
            tokio::select! {
                changed = changed.changed() => changed.unwrap(),
                () = sender.closed() => return,
            }
        }
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

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

fn whole(code: u16, body: Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(code)
        .body(BodyExt::boxed(Full::new(Bytes::from(body.to_string()))))
        .unwrap()
}

fn status(code: u16, message: &str) -> Response<BoxBody<Bytes, Infallible>> {
    whole(code, json!({"kind": "Status", "status": "Failure", "message": message, "code": code}))
}
