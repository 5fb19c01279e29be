//! One generation of a cluster's credentials: CAs for servers and clients, and a signing key.

use std::net::IpAddr;

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

/// Validity of CAs, as in Gardener.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 3650);
/// Backdating of what clients verify by the machine's clock: tests use another clock.
const LEEWAY: SignedDuration = SignedDuration::from_hours(24 * 1000);

/// The keys of one generation.
pub struct KeyGeneration {
    created: Timestamp,
    pub server: CertifiedIssuer<'static, KeyPair>,
    pub client: CertifiedIssuer<'static, KeyPair>,
    signing: SigningKey,
}

/// A key that signs service account tokens.
struct SigningKey {
    id: String,
    private: EncodingKey,
    public: DecodingKey,
    x: String,
    y: String,
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

impl KeyGeneration {
    /// Generates the keys of a generation; the first one has number 1.
    pub fn generate(number: u32, created: Timestamp) -> Result<Self, rcgen::Error> {
        let authority = |rotated: &str, first: &str| {
            authority(&common_name(rotated, first, number, created), created)
        };
        Ok(Self {
            created,
            server: authority("ca", "kubernetes")?,
            client: authority("ca-client", "kubernetes-client")?,
            signing: SigningKey::generate()?,
        })
    }

    /// Issues a client certificate.
    pub fn issue_client(
        &self,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf_params(ExtendedKeyUsagePurpose::ClientAuth);
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, "gardener.cloud:system:admins");
        // Like Gardener, to tolerate clock skew.
        params.not_before = to_date(earlier(now, SignedDuration::from_mins(1)));
        params.not_after = to_date(until);
        let certificate = params.signed_by(&key, &self.client)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Issues a certificate for the API server, for these names and its address.
    pub fn issue_serving(
        &self,
        names: &[&str],
        host: IpAddr,
    ) -> Result<ServingCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf_params(ExtendedKeyUsagePurpose::ServerAuth);
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        for name in names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.subject_alt_names.push(SanType::IpAddress(host));
        params.not_before = to_date(earlier(self.created, LEEWAY));
        params.not_after = to_date(later(self.created, LIFETIME));
        let certificate = params.signed_by(&key, &self.server)?;
        Ok(ServingCertificate { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// Signs a service account token.
    pub fn sign(&self, claims: &Value) -> jsonwebtoken::errors::Result<String> {
        let kid = Some(self.signing.id.clone());
        let header = Header { kid, ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.signing.private)
    }

    /// The public signing key as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        let SigningKey { id, x, y, .. } = &self.signing;
        json!({"use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256", "x": x, "y": y})
    }

    /// The claims of a token signed by this generation; its validity period is not checked.
    pub fn verify(&self, token: &str) -> Option<Value> {
        if jsonwebtoken::decode_header(token).ok()?.kid.as_ref() != Some(&self.signing.id) {
            return None;
        }
        let mut validation = Validation::new(Algorithm::ES256);
        // The library would use the machine's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode(token, &self.signing.public, &validation);
        decoded.ok().map(|data| data.claims)
    }
}

impl SigningKey {
    fn generate() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate()?;
        let public = pair.public_key_raw();
        // An uncompressed point: a format byte, then both coordinates.
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

/// A user's certificate signing request for a key, all as PEM.
pub fn request_with_key(user: &str, key: &str) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, user);
    params.serialize_request(&KeyPair::from_pem(key)?)?.pem()
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
