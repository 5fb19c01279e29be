//! Diagnoses a connection that closed before a response: is the server away, or does it reject our certificate?
//!
//! With TLS 1.3 the client considers itself connected before the server has verified the client's certificate. The
//! alert then collides with a request, and the HTTP stack reports only a cancelled request. Here nothing is sent after
//! the handshake, so the alert can be read.

use std::sync::Arc;
use std::time::Duration;

use kube::client::ConfigExt as _;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clients::error_chain::find_source;
use crate::clients::kubernetes::checked_kubeconfig::CheckedKubeconfig;
use crate::clients::kubernetes::error::{KubeError, is_about_our_certificate};
use crate::clock::Clock;

/// Timeout for connection and handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A server that sends no alert within this time accepts the handshake.
const VERDICT: Duration = Duration::from_secs(2);

/// How a handshake ended.
enum HandshakeEnd {
    /// The server waits for a request.
    Open,
    /// The server closed the connection without an alert, after presenting its certificate.
    Closed,
    /// The handshake did not complete, or was aborted with a reason.
    Failed(KubeError),
}

/// Connects once more and reads the server's reaction to the handshake. `None`: no objection, or it cannot be checked
/// (through a proxy).
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
                // It accepts a client without a certificate, or requests one: so it is up and rejects ours.
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
