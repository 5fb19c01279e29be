//! Certificate authorities and signing keys of one cluster, one set per generation, generated on first use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::simulator::speed::{earlier, later};

/// Validity of authorities, as Gardener issues them.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 3650);
/// What clients verify by the machine's clock is valid from so long before: tests have another clock.
const LEEWAY: SignedDuration = SignedDuration::from_hours(24 * 1000);

struct Generation {
    created: Timestamp,
    server: CertifiedIssuer<'static, KeyPair>,
    client: CertifiedIssuer<'static, KeyPair>,
    signing: SigningKey,
}

/// A key that signs tokens of service accounts.
struct SigningKey {
    id: String,
    private: EncodingKey,
    public: DecodingKey,
    x: String,
    y: String,
}

/// The authorities of one cluster by generation.
#[derive(Default)]
pub struct CertificateAuthorities {
    created: BTreeMap<u32, Timestamp>,
    generations: BTreeMap<u32, Generation>,
}

impl std::fmt::Debug for CertificateAuthorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CertificateAuthorities").field(&self.created).finish()
    }
}

/// A client certificate with its key, as PEM.
pub struct ClientCertificate {
    pub certificate: String,
    pub key: String,
}

/// A server certificate with its PKCS #8 key, as DER.
pub struct ServingCertificate {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl CertificateAuthorities {
    /// Adds a generation.
    pub fn add(&mut self, generation: u32, created: Timestamp) {
        self.created.insert(generation, created);
    }

    /// The server authority as PEM.
    pub fn server_pem(&mut self, generation: u32) -> Result<String, rcgen::Error> {
        Ok(self.generation(generation)?.server.pem())
    }

    /// The client authority as DER.
    pub fn client_der(&mut self, generation: u32) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.generation(generation)?.client.der().to_vec())
    }

    /// Issues a client certificate.
    pub fn issue_client(
        &mut self,
        generation: u32,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf_params(ExtendedKeyUsagePurpose::ClientAuth);
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, "gardener.cloud:system:admins");
        // As Gardener does, because clocks may differ.
        params.not_before = to_date(earlier(now, SignedDuration::from_mins(1)));
        params.not_after = to_date(until);
        let certificate = params.signed_by(&key, &self.generation(generation)?.client)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Issues a certificate for the API server.
    pub fn issue_serving(
        &mut self,
        generation: u32,
        names: &[&str],
    ) -> Result<ServingCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let Generation { created, server, .. } = self.generation(generation)?;
        let mut params = leaf_params(ExtendedKeyUsagePurpose::ServerAuth);
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        for name in names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.not_before = to_date(earlier(*created, LEEWAY));
        params.not_after = to_date(later(*created, LIFETIME));
        let certificate = params.signed_by(&key, server)?;
        Ok(ServingCertificate { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// Signs a token of a service account; `None` if the crypto library refuses.
    pub fn sign(&mut self, generation: u32, claims: &Value) -> Option<String> {
        let key = &self.generation(generation).ok()?.signing;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &key.private).ok()
    }

    /// The public signing key as a JSON Web Key.
    pub fn jwk(&mut self, generation: u32) -> Result<Value, rcgen::Error> {
        let SigningKey { id, x, y, .. } = &self.generation(generation)?.signing;
        Ok(json!({
            "use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256", "x": x, "y": y,
        }))
    }

    /// The claims of a token that this generation signed; validity in time is not checked.
    pub fn verify(&mut self, generation: u32, token: &str) -> Option<Value> {
        let key = &self.generation(generation).ok()?.signing;
        if jsonwebtoken::decode_header(token).ok()?.kid.as_deref() != Some(&key.id) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::ES256);
        // The library would ask the machine's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        jsonwebtoken::decode(token, &key.public, &validation).ok().map(|data| data.claims)
    }

    fn generation(&mut self, number: u32) -> Result<&Generation, rcgen::Error> {
        let created = self.created.get(&number).copied().unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(match self.generations.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Generation {
                created,
                server: authority(&common_name("ca", "kubernetes", number, created), created)?,
                client: authority(
                    &common_name("ca-client", "kubernetes-client", number, created),
                    created,
                )?,
                signing: SigningKey::generate()?,
            }),
        })
    }
}

impl SigningKey {
    fn generate() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate()?;
        let public = pair.public_key_raw();
        // An uncompressed point: one byte of format, then both coordinates.
        let point = public.get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(Sha256::digest(public)),
            private: EncodingKey::from_ec_der(&pair.serialize_der()),
            public: DecodingKey::from_ec_der(public),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }
}

/// The name of the first generation has no suffix; later ones end in the time of the rotation's start.
fn common_name(rotated: &str, first: &str, number: u32, created: Timestamp) -> String {
    if number <= 1 {
        return first.to_owned();
    }
    let hash = number.wrapping_mul(0x9e37_79b9);
    format!("{rotated}-{hash:08x}-{:05x}", created.as_second() & 0xf_ffff)
}

fn leaf_params(usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from(uuid::Uuid::new_v4().as_bytes().to_vec()));
    params
}

fn authority(
    name: &str,
    created: Timestamp,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.not_before = to_date(earlier(created, LEEWAY));
    params.not_after = to_date(later(created, LIFETIME));
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn to_date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
