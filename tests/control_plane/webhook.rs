//! A webhook that denies every request.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::Authority;

/// A listener with TLS.
struct TlsListener(TcpListener, TlsAcceptor);

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.0.accept().await.unwrap();
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

async fn deny(body: String) -> String {
    let review: Value = serde_json::from_str(&body).unwrap();
    let response = json!({
        "uid": review["request"]["uid"], "allowed": false,
        "status": {"message": "drains are frozen"},
    });
    json!({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
        .to_string()
}

/// Serves it for the duration of the test; returns its `clientConfig`.
pub async fn serve_denials() -> Value {
    let authority = Authority::new("webhooks");
    let certificate = authority.sign_server("webhook");
    let chain = vec![CertificateDer::from_pem_slice(certificate.pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let listener = TlsListener(listener, TlsAcceptor::from(Arc::new(config)));
    let router = Router::new().fallback(post(deny));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    json!({"url": url, "caBundle": STANDARD.encode(authority.pem)})
}
