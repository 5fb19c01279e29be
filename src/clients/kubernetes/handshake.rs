//! Diagnoses a connection that broke before an answer: was the server away, or did it refuse our certificate?
//!
//! With TLS 1.3 the client believes that it is connected before the server has judged the client's certificate. The
//! alert then meets a request on its way, and all that the HTTP stack reports is a cancelled request. Here nothing is
//! sent after the handshake, so that the alert can be read.

use std::sync::Arc;
use std::time::Duration;

use kube::client::ConfigExt as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clients::error_chain::find_source;
use crate::clients::kubernetes::access::CheckedKubeconfig;
use crate::clients::kubernetes::error::{KubeError, is_about_our_certificate};
use crate::clock::Clock;

/// Longest wait for connection and handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A server that has not complained by then has nothing against the handshake.
const VERDICT: Duration = Duration::from_secs(2);

/// How a handshake ended.
enum HandshakeEnd {
    /// The server waits for a request.
    Open,
    /// The server closed the connection without an alert, after it had shown its certificate.
    Closed,
    /// It did not come about, or was ended with a reason.
    Failed(KubeError),
}

/// Connects once more and reads what the server says about the handshake. `None`: it has nothing against it, or it
/// cannot be checked (through a proxy).
pub async fn diagnose_handshake(access: &CheckedKubeconfig, clock: &Clock) -> Option<KubeError> {
    if access.config().proxy_url.is_some() {
        return None;
    }
    let with_certificate = access.config().rustls_client_config().ok()?;
    match attempt_handshake(access, with_certificate, clock).await {
        HandshakeEnd::Open => None,
        HandshakeEnd::Failed(error) => Some(error),
        HandshakeEnd::Closed => {
            let mut stranger = access.config().clone();
            stranger.auth_info = kube::config::AuthInfo::default();
            let without = stranger.rustls_client_config().ok()?;
            match attempt_handshake(access, without, clock).await {
                // It talks to a stranger, or asks the stranger for a certificate: it is there, and ours is the reason.
                HandshakeEnd::Open | HandshakeEnd::Failed(KubeError::Refused(_)) => Some(
                    KubeError::Refused("connection closed after the client certificate".into()),
                ),
                HandshakeEnd::Closed => None,
                HandshakeEnd::Failed(error) => Some(error),
            }
        }
    }
}

async fn attempt_handshake(
    access: &CheckedKubeconfig,
    config: ClientConfig,
    clock: &Clock,
) -> HandshakeEnd {
    let address = &access.config().cluster_url;
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = address.port_u16().unwrap_or(443);
    let Ok(name) = ServerName::try_from(host.clone()) else {
        return HandshakeEnd::Failed(KubeError::Unreachable("invalid host name".into()));
    };
    let connecting = async {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let mut stream = match clock.timeout(HANDSHAKE, connecting).await {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => return HandshakeEnd::Failed(KubeError::from_handshake(error)),
        None => return HandshakeEnd::Failed(KubeError::TimedOut(HANDSHAKE)),
    };
    let mut byte = [0];
    match clock.timeout(VERDICT, stream.read(&mut byte)).await {
        None | Some(Ok(1..)) => HandshakeEnd::Open,
        Some(Ok(0)) => HandshakeEnd::Closed,
        Some(Err(error)) => match find_source::<rustls::Error>(&error) {
            Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
                HandshakeEnd::Failed(KubeError::from_handshake(error))
            }
            Some(_) | None => HandshakeEnd::Closed,
        },
    }
}
