//! Which generation of a cluster's credentials signs, and which generations its API server accepts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::key_generation::{ClientCertificate, KeyGeneration, ServingCertificate};

/// Credentials of one cluster; generations count from 1.
pub struct ClusterCredentials {
    pub current: u32,
    /// Generations whose client certificates and service account tokens are accepted, newest first.
    pub accepted: Vec<u32>,
    /// Generation that signed the API server's own certificate.
    pub serving: u32,
    /// Generations in the CA bundle, newest first.
    pub bundle: Vec<u32>,
    /// Generation that signs service account tokens.
    pub signing: u32,
    /// The token of the static user, until it is invalidated.
    pub static_token: Option<String>,
    /// Number of rollouts of the API server; connections do not survive one.
    pub rollouts: u64,
    created: BTreeMap<u32, Timestamp>,
    /// Generated on first use.
    generations: BTreeMap<u32, KeyGeneration>,
}

impl ClusterCredentials {
    /// Credentials with a single generation.
    pub fn new(current: u32, created: Timestamp) -> Self {
        Self {
            current,
            accepted: vec![current],
            serving: current,
            bundle: vec![current],
            signing: current,
            static_token: None,
            rollouts: 0,
            created: [(current, created)].into(),
            generations: BTreeMap::new(),
        }
    }

    /// Adds a generation: it signs and is in the bundle, but the API server does not accept it yet.
    pub fn add_generation(&mut self, at: Timestamp) {
        self.current += 1;
        self.created.insert(self.current, at);
        self.bundle.insert(0, self.current);
    }

    /// Rolls out the API server with both generations; invalidates the static token.
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

    /// Rolls out the API server with only the new generation.
    pub fn drop_old(&mut self) {
        self.accepted = vec![self.current];
        self.serving = self.current;
        self.bundle = vec![self.current];
        self.signing = self.current;
        self.rollouts += 1;
    }

    fn generation(&mut self, number: u32) -> Result<&KeyGeneration, rcgen::Error> {
        let created = self.created.get(&number).copied().unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(match self.generations.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(KeyGeneration::generate(number, created)?),
        })
    }

    fn each<T>(
        &mut self,
        generations: Vec<u32>,
        map: impl Fn(&KeyGeneration) -> T,
    ) -> Result<Vec<T>, rcgen::Error> {
        generations.into_iter().map(|number| Ok(map(self.generation(number)?))).collect()
    }

    /// The bundle of server CAs as PEM, newest first.
    pub fn bundle_pem(&mut self) -> Result<String, rcgen::Error> {
        Ok(self.each(self.bundle.clone(), |generation| generation.server.pem())?.concat())
    }

    /// Client CAs that the API server accepts, as DER.
    pub fn client_authorities(&mut self) -> Result<Vec<Vec<u8>>, rcgen::Error> {
        self.each(self.accepted.clone(), |generation| generation.client.der().to_vec())
    }

    /// Issues a client certificate.
    pub fn issue_client(
        &mut self,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        self.generation(self.current)?.issue_client(user, now, until)
    }

    /// Issues a certificate for the API server.
    pub fn issue_serving(
        &mut self,
        names: &[&str],
        host: IpAddr,
    ) -> Result<ServingCertificate, rcgen::Error> {
        self.generation(self.serving)?.issue_serving(names, host)
    }

    /// Signs claims with the current key; empty if the crypto library fails.
    pub fn sign(&mut self, claims: &Value) -> String {
        let generation = self.generation(self.signing).ok();
        generation.and_then(|generation| generation.sign(claims).ok()).unwrap_or_default()
    }

    /// Claims of a token signed by an accepted key; its validity period is not checked.
    pub fn verify(&mut self, token: &str) -> Option<Value> {
        let claims = self.each(self.accepted.clone(), |generation| generation.verify(token));
        claims.ok()?.into_iter().flatten().next()
    }

    /// The accepted keys as a JSON Web Key Set.
    pub fn key_set(&mut self) -> Value {
        json!({"keys": self.each(self.accepted.clone(), KeyGeneration::jwk).unwrap_or_default()})
    }
}
