//! Which generation of a cluster's credentials signs, and which ones its API server accepts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::certificate_authorities::{
    CertificateAuthorities, ClientCertificate, ServingCertificate,
};

/// Credentials of one cluster. Generations are numbered from 1.
#[derive(Debug)]
pub struct ClusterCredentials {
    /// Generation that signs new client certificates.
    pub current: u32,
    /// Generations whose client certificates are accepted.
    pub clients: Vec<u32>,
    /// Generation that signed the API server's own certificate.
    pub serving: u32,
    /// Generations in the bundle of authorities, newest first.
    pub bundle: Vec<u32>,
    /// Generation that signs tokens of service accounts.
    pub signing: u32,
    /// Generations whose tokens are accepted, newest first.
    pub keys: Vec<u32>,
    /// The token of the static user, while it is accepted.
    pub static_token: Option<String>,
    /// Grows whenever the API server is rolled out anew; connections do not survive that.
    pub rollouts: u64,
    created: BTreeMap<u32, Timestamp>,
    authorities: CertificateAuthorities,
}

impl ClusterCredentials {
    /// Credentials of which one generation is accepted.
    pub fn settled(current: u32, created: Timestamp) -> Self {
        Self {
            current,
            clients: vec![current],
            serving: current,
            bundle: vec![current],
            signing: current,
            keys: vec![current],
            static_token: None,
            rollouts: 0,
            created: [(current, created)].into(),
            authorities: CertificateAuthorities::default(),
        }
    }

    /// A rotation begins: new authorities sign and are in the bundle, but the API server does not know them yet.
    pub fn add_generation(&mut self, at: Timestamp) {
        self.current += 1;
        self.created.insert(self.current, at);
        self.bundle.insert(0, self.current);
    }

    /// The API server is rolled out with both generations; the static token ends.
    pub fn trust_new(&mut self) {
        if !self.clients.contains(&self.current) {
            self.clients.insert(0, self.current);
        }
        if !self.keys.contains(&self.current) {
            self.keys.insert(0, self.current);
        }
        self.static_token = None;
        self.rollouts += 1;
    }

    /// New tokens are signed with the new key.
    pub fn sign_with_new(&mut self) {
        self.signing = self.current;
    }

    /// The API server is rolled out with the new generation alone.
    pub fn drop_old(&mut self) {
        self.clients = vec![self.current];
        self.serving = self.current;
        self.bundle = vec![self.current];
        self.signing = self.current;
        self.keys = vec![self.current];
        self.rollouts += 1;
    }

    fn created_at(&self, generation: u32) -> Timestamp {
        self.created.get(&generation).copied().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The bundle of server authorities as PEM, newest first.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn bundle_pem(&mut self) -> Result<String, rcgen::Error> {
        let mut pem = String::new();
        for generation in self.bundle.clone() {
            pem.push_str(&self.authorities.server_pem(generation, self.created_at(generation))?);
        }
        Ok(pem)
    }

    /// Issues a client certificate that ends at `until`.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn issue(
        &mut self,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        let created = self.created_at(self.current);
        self.authorities.issue(self.current, created, user, now, until)
    }

    /// A certificate for the API server.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn serving(&mut self, names: &[&str]) -> Result<ServingCertificate, rcgen::Error> {
        let created = self.created_at(self.serving);
        self.authorities.serving(self.serving, created, names)
    }

    /// Client authorities that the API server accepts, as DER.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn client_authorities(&mut self) -> Result<Vec<Vec<u8>>, rcgen::Error> {
        let mut found = Vec::new();
        for generation in self.clients.clone() {
            found.push(self.authorities.client_der(generation, self.created_at(generation))?);
        }
        Ok(found)
    }

    /// Signs claims with the key that signs now; empty if the crypto library refuses.
    pub fn sign(&mut self, claims: &Value) -> String {
        let created = self.created_at(self.signing);
        self.authorities.sign(self.signing, created, claims).unwrap_or_default()
    }

    /// Claims of a token that one of the accepted keys signed; times are not judged here.
    pub fn verify(&mut self, token: &str) -> Option<Value> {
        let keys = self.keys.clone();
        keys.into_iter().find_map(|key| self.authorities.verify(key, self.created_at(key), token))
    }

    /// The accepted keys as a JSON Web Key Set.
    pub fn key_set(&mut self) -> Value {
        let keys = self.keys.clone();
        let keys: Vec<Value> = keys
            .into_iter()
            .filter_map(|key| self.authorities.jwk(key, self.created_at(key)).ok())
            .collect();
        json!({"keys": keys})
    }
}
