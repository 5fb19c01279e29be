//! TLS of one API server: its certificate, and the request for client certificates, which `authenticate` verifies.
//!
//! A real kube-apiserver does not reject unknown clients in the handshake: it requests a certificate, verifies that the
//! client has its key, and responds with 401.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::simulator::cluster::SimulatedCluster;

/// TLS configuration between two rollouts of an API server.
#[derive(Debug, Clone)]
pub struct TlsMaterial {
    pub config: Arc<ServerConfig>,
    /// Like `config`, but client certificates are rejected in the handshake.
    pub refusing: Arc<ServerConfig>,
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// The rollout that it belongs to, from `SimulatedCluster::api_server_rollout`.
    pub rollout: (String, u64),
}

/// Requests certificates and sends the CAs as hints, but accepts any chain or none.
#[derive(Debug)]
struct AnyClientCertificate {
    verifier: Arc<dyn ClientCertVerifier>,
    accepts: bool,
}

impl ClientCertVerifier for AnyClientCertificate {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.accepts {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// TLS configuration for the current rollout of a cluster's API server.
pub fn build_material(cluster: &mut SimulatedCluster, host: IpAddr) -> anyhow::Result<TlsMaterial> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for der in cluster.credentials.client_authorities()? {
        roots.add(CertificateDer::from(der))?;
    }
    let roots = Arc::new(roots);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let name = cluster.api_server_name();
    let names = [&*name, "localhost", "kubernetes", "kubernetes.default.svc"];
    let serving = cluster.credentials.issue_serving(&names, host)?;
    let config = |accepts| -> Result<Arc<ServerConfig>, Error> {
        let verifier = AnyClientCertificate { verifier: Arc::clone(&verifier), accepts };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(serving.key.clone()));
        let chain = vec![CertificateDer::from(serving.certificate.clone())];
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A resumed session would not notice a changed certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    };
    Ok(TlsMaterial {
        config: config(true)?,
        refusing: config(false)?,
        rollout: cluster.api_server_rollout(),
        verifier,
    })
}
