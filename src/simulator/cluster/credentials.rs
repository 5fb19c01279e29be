//! Which generation of a cluster's credentials signs, and which ones its API server accepts.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::certificate_authorities::{
    CertificateAuthorities, ClientCertificate, ServingCertificate,
};

/// Credentials of one cluster; generations count from 1.
#[derive(Debug)]
pub struct ClusterCredentials {
    /// Generation that signs new client certificates.
    pub current: u32,
    /// Generations whose client certificates and service account tokens are accepted, newest first.
    pub accepted: Vec<u32>,
    /// Generation that signed the API server's own certificate.
    pub serving: u32,
    /// Generations in the bundle of authorities, newest first.
    pub bundle: Vec<u32>,
    /// Generation that signs service account tokens.
    pub signing: u32,
    /// The token of the static user, while it is accepted.
    pub static_token: Option<String>,
    /// Number of rollouts of the API server; connections do not survive one.
    pub rollouts: u64,
    authorities: CertificateAuthorities,
}

impl ClusterCredentials {
    /// Credentials of which only one generation exists.
    pub fn new(current: u32, created: Timestamp) -> Self {
        let mut authorities = CertificateAuthorities::default();
        authorities.add(current, created);
        Self {
            current,
            accepted: vec![current],
            serving: current,
            bundle: vec![current],
            signing: current,
            static_token: None,
            rollouts: 0,
            authorities,
        }
    }

    /// Adds a generation: it signs and is in the bundle, but the API server does not accept it yet.
    pub fn add_generation(&mut self, at: Timestamp) {
        self.current += 1;
        self.authorities.add(self.current, at);
        self.bundle.insert(0, self.current);
    }

    /// Rolls the API server out with both generations; the static token ends.
    pub fn trust_new(&mut self) {
        if !self.accepted.contains(&self.current) {
            self.accepted.insert(0, self.current);
        }
        self.static_token = None;
        self.rollouts += 1;
    }

    /// Signs service account tokens with the new key from now on.
    pub fn sign_with_new(&mut self) {
        self.signing = self.current;
    }

    /// Rolls the API server out with the new generation alone.
    pub fn drop_old(&mut self) {
        self.accepted = vec![self.current];
        self.serving = self.current;
        self.bundle = vec![self.current];
        self.signing = self.current;
        self.rollouts += 1;
    }

    /// The bundle of server authorities as PEM, newest first.
    pub fn bundle_pem(&mut self) -> Result<String, rcgen::Error> {
        self.bundle.iter().map(|generation| self.authorities.server_pem(*generation)).collect()
    }

    /// Issues a client certificate.
    pub fn issue_client(
        &mut self,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        self.authorities.issue_client(self.current, user, now, until)
    }

    /// Issues a certificate for the API server.
    pub fn issue_serving(&mut self, names: &[&str]) -> Result<ServingCertificate, rcgen::Error> {
        self.authorities.issue_serving(self.serving, names)
    }

    /// Client authorities that the API server accepts, as DER.
    pub fn client_authorities(&mut self) -> Result<Vec<Vec<u8>>, rcgen::Error> {
        self.accepted.iter().map(|generation| self.authorities.client_der(*generation)).collect()
    }

    /// Signs claims with the present key; empty if the crypto library refuses.
    pub fn sign(&mut self, claims: &Value) -> String {
        self.authorities.sign(self.signing, claims).unwrap_or_default()
    }

    /// Claims of a token that an accepted key signed; validity in time is not checked.
    pub fn verify(&mut self, token: &str) -> Option<Value> {
        self.accepted.iter().find_map(|generation| self.authorities.verify(*generation, token))
    }

    /// The accepted keys as a JSON Web Key Set.
    pub fn key_set(&mut self) -> Value {
        let keys = self.accepted.iter();
        let keys = keys.filter_map(|generation| self.authorities.jwk(*generation).ok());
        json!({"keys": keys.collect::<Vec<Value>>()})
    }
}
