//! A corporate network: a proxy from the environment, and a private CA.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::plain;

const SKE: &str = "ske.skeys.invalid";
const TOKEN: &str = "token.skeys.invalid";

/// A proxy that answers for every host itself, with a certificate from its own CA.
struct Proxy {
    address: String,
    /// The CA, as PEM.
    authority: String,
    /// Received requests: `CONNECT` lines, and the first lines of tunnelled requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start() -> Self {
        skeys::testing::clients::install_crypto();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = [SKE, TOKEN].map(str::to_owned);
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(tunnel(stream, acceptor.clone(), Arc::clone(&log)));
            }
        });
        Self { address, authority: authority.pem(), asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn tunnel(mut stream: TcpStream, acceptor: TlsAcceptor, log: Arc<Mutex<Vec<String>>>) {
    let head = read_head(&mut stream).await;
    log.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    // Rejected by a client that does not trust the CA.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let line = read_head(&mut stream).await.lines().next().unwrap_or_default().to_owned();
    let body = match line.split(' ').next() {
        Some("POST") => json!({"access_token": "t", "expires_in": 3_600}),
        _ => json!({"items": []}),
    };
    log.lock().unwrap().push(line);
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    drop(stream.shutdown().await);
}

/// Reads a request, including a body with a length.
async fn read_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            _ => return text,
        }
    }
}

fn key() -> String {
    let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let credentials = json!({"kid": "k", "iss": "a@example.test", "sub": "s", "aud": "a",
        "privateKey": pair.serialize_pem()});
    json!({ "credentials": credentials }).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_25_proxy_and_authority_of_a_network_serve_the_token_endpoint_and_ske() {
    let proxy = Proxy::start().await;
    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("ca.pem");
    std::fs::write(&authority, &proxy.authority).unwrap();
    let (authority, key) = (authority.display().to_string(), key());
    let (ske, token) = (format!("https://{SKE}"), format!("https://{TOKEN}/token"));
    let due = |more: &[(&str, &str)]| {
        let mut environment = vec![
            ("HTTPS_PROXY", &*proxy.address),
            ("SKEYS_ENDPOINTS_SKE", &*ske),
            ("STACKIT_TOKEN_BASEURL", &*token),
            ("STACKIT_SERVICE_ACCOUNT_KEY", &*key),
            ("STACKIT_PROJECT_ID", "p"),
            ("STACKIT_REGION", "eu01"),
        ];
        environment.extend_from_slice(more);
        plain(home.path(), &["due"], &environment)
    };
    let trusted = ("SKEYS_ENDPOINTS_CA_FILE", &*authority);
    let (status, _, err) = due(&[trusted]);
    assert_eq!((status, &*err), (0, ""), "{:?}", proxy.asked());
    let through = [
        format!("CONNECT {TOKEN}:443 HTTP/1.1"),
        "POST /token HTTP/1.1".to_owned(),
        format!("CONNECT {SKE}:443 HTTP/1.1"),
        "GET /v2/projects/p/regions/eu01/clusters HTTP/1.1".to_owned(),
    ];
    assert_eq!(proxy.asked(), through);
    let (status, _, err) = due(&[]);
    assert_eq!(status, 1);
    assert!(err.contains("the issuer of its certificate is unknown to this machine"), "{err}");
    assert!(err.contains("endpoints.ca_file"), "{err}");
    // Only the attempt to connect: no token was sent.
    assert_eq!(proxy.asked()[through.len()..], through[..1]);
    let (status, _, _) = due(&[trusted, ("NO_PROXY", ".skeys.invalid")]);
    assert_eq!((status, proxy.asked().len()), (1, through.len() + 1), "nothing came this way");
}
