//! Real certificate authorities and signing keys of one cluster, a set per generation, made when first needed.

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

/// Authorities live this long, as Gardener makes them.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);
/// What clients judge by the machine's clock is valid from so long before: in tests the world has another clock.
const LEEWAY: SignedDuration = SignedDuration::from_hours(24 * 1000);

/// The authorities and the signing key of one generation.
struct Generation {
    number: u32,
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

/// All authorities of one cluster that were needed so far.
#[derive(Default)]
pub struct CertificateAuthorities(Vec<Generation>);

impl std::fmt::Debug for CertificateAuthorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorities({} generations)", self.0.len())
    }
}

/// A certificate with its key, as PEM.
pub struct ClientCertificate {
    pub certificate: String,
    pub key: String,
}

/// A certificate with its key, as DER.
pub struct ServingCertificate {
    pub certificate: Vec<u8>,
    /// Private key, PKCS #8.
    pub key: Vec<u8>,
}

impl CertificateAuthorities {
    /// The certificate of a generation's server authority, as PEM.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn server_pem(&mut self, number: u32, created: Timestamp) -> Result<String, rcgen::Error> {
        Ok(self.generation(number, created)?.server.pem())
    }

    /// The certificate of a generation's client authority, as DER.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn client_der(&mut self, number: u32, created: Timestamp) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.generation(number, created)?.client.der().to_vec())
    }

    /// Issues a client certificate that ends at `until`.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn issue(
        &mut self,
        number: u32,
        created: Timestamp,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf(ExtendedKeyUsagePurpose::ClientAuth);
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, "gardener.cloud:system:admins");
        // Gardener dates back by one minute, so that clocks may differ.
        params.not_before = date(now.saturating_sub(SignedDuration::from_mins(1)).unwrap_or(now));
        params.not_after = date(until);
        let certificate = params.signed_by(&key, &self.generation(number, created)?.client)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Issues a certificate for the API server.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn serving(
        &mut self,
        number: u32,
        created: Timestamp,
        names: &[&str],
    ) -> Result<ServingCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = leaf(ExtendedKeyUsagePurpose::ServerAuth);
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        for name in names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.not_before = date(created.saturating_sub(LEEWAY).unwrap_or(created));
        params.not_after = date(created.saturating_add(LIFE).unwrap_or(created));
        let certificate = params.signed_by(&key, &self.generation(number, created)?.server)?;
        Ok(ServingCertificate { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }

    /// Signs a token of a service account; `None` if the crypto library refuses.
    pub fn sign(&mut self, number: u32, created: Timestamp, claims: &Value) -> Option<String> {
        let key = &self.generation(number, created).ok()?.signing;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &key.private).ok()
    }

    /// The public signing key of a generation as a JSON Web Key.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn jwk(&mut self, number: u32, created: Timestamp) -> Result<Value, rcgen::Error> {
        let key = &self.generation(number, created)?.signing;
        Ok(json!({
            "use": "sig", "kty": "EC", "kid": key.id, "crv": "P-256", "alg": "ES256",
            "x": key.x, "y": key.y,
        }))
    }

    /// The claims of a token that a generation signed; times are not judged here.
    pub fn verify(&mut self, number: u32, created: Timestamp, token: &str) -> Option<Value> {
        let key = &self.generation(number, created).ok()?.signing;
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(&key.id) {
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

    fn generation(&mut self, number: u32, created: Timestamp) -> Result<&Generation, rcgen::Error> {
        let known =
            |generation: &Generation| generation.number == number && generation.created == created;
        if !self.0.iter().any(known) {
            self.0.push(Generation {
                number,
                created,
                server: authority(&name("ca", "kubernetes", number, created), created)?,
                client: authority(
                    &name("ca-client", "kubernetes-client", number, created),
                    created,
                )?,
                signing: SigningKey::new()?,
            });
        }
        self.0.iter().find(|generation| known(generation)).ok_or(rcgen::Error::CouldNotParseKeyPair)
    }
}

impl SigningKey {
    fn new() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate()?;
        let public = pair.public_key_raw();
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(public));
        // An uncompressed point: one byte that says so, then both coordinates.
        let point = public.get(1..).unwrap_or_default();
        let (x, y) = point.split_at(point.len() / 2);
        Ok(Self {
            id,
            private: EncodingKey::from_ec_der(&pair.serialize_der()),
            public: DecodingKey::from_ec_der(public),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }
}

/// Before the first rotation the names are general; afterwards they end in the moment of the start.
fn name(rotated: &str, first: &str, number: u32, created: Timestamp) -> String {
    if number <= 1 {
        first.to_owned()
    } else {
        let hash = number.wrapping_mul(0x9e37_79b9);
        format!("{rotated}-{hash:08x}-{:05x}", created.as_second() & 0xf_ffff)
    }
}

fn leaf(usage: ExtendedKeyUsagePurpose) -> CertificateParams {
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
    params.not_before = date(created.saturating_sub(LEEWAY).unwrap_or(created));
    params.not_after = date(created.saturating_add(LIFE).unwrap_or(created));
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
