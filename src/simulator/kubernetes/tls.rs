//! TLS of one API server: its certificate, and client certificates that are asked for but judged by the authenticator.
//!
//! A real kube-apiserver does not refuse strangers in the handshake: it asks for a certificate, checks that the client
//! holds its key, and answers 401 to whoever the authenticator does not know.

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
use crate::simulator::kubeconfig::published_name;

/// What an API server needs between two rollouts.
#[derive(Debug, Clone)]
pub struct TlsMaterial {
    /// How it takes connections.
    pub config: Arc<ServerConfig>,
    /// How it takes them when it refuses client certificates in the handshake.
    pub refusing: Arc<ServerConfig>,
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// The cluster that it belongs to; one that is made anew has another one.
    pub shoot: String,
    /// The rollout that it belongs to.
    pub rollout: u64,
}

/// Asks for certificates and offers the authorities as hints, but takes any chain, or none at all.
#[derive(Debug)]
struct AnyClientCertificate {
    verifier: Arc<dyn ClientCertVerifier>,
    takes: bool,
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
        if self.takes {
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

/// What a cluster's API server needs as things are.
///
/// # Errors
/// The crypto library's sentence.
pub fn build_material(cluster: &mut SimulatedCluster) -> Result<TlsMaterial, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for der in cluster.credentials.client_authorities().map_err(|error| error.to_string())? {
        roots.add(CertificateDer::from(der)).map_err(|error| error.to_string())?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| error.to_string())?;
    let name = published_name(cluster);
    let serving = cluster
        .credentials
        .serving(&[&name, "localhost", "kubernetes", "kubernetes.default.svc"])
        .map_err(|error| error.to_string())?;
    let config = |takes| {
        let verifier = AnyClientCertificate { verifier: Arc::clone(&verifier), takes };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(serving.key.clone()));
        let chain = vec![CertificateDer::from(serving.certificate.clone())];
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A resumed session would not see that the certificate has changed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    };
    let made = |takes| config(takes).map_err(|error: Error| error.to_string());
    Ok(TlsMaterial {
        config: made(true)?,
        refusing: made(false)?,
        verifier: Arc::clone(&verifier),
        shoot: cluster.shoot.clone(),
        rollout: cluster.credentials.rollouts,
    })
}
