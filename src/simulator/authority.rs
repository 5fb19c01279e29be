//! Real certificate authorities of one cluster, a pair per generation, made when first needed.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber,
};

/// Authorities live this long, as Gardener makes them.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// The authorities of one generation.
struct Pair {
    generation: u32,
    server: CertifiedIssuer<'static, KeyPair>,
    client: CertifiedIssuer<'static, KeyPair>,
}

/// All authorities of one cluster that were needed so far.
#[derive(Default)]
pub struct Authorities(Vec<Pair>);

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authorities({} generations)", self.0.len())
    }
}

/// A client certificate with its key, as PEM.
pub struct ClientCertificate {
    /// Certificate.
    pub certificate: String,
    /// Private key.
    pub key: String,
}

impl Authorities {
    /// The certificate of a generation's server authority, as PEM.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn server_pem(&mut self, generation: u32, born: Timestamp) -> Result<String, rcgen::Error> {
        Ok(self.pair(generation, born)?.server.pem())
    }

    /// Issues a client certificate that ends at `until`.
    ///
    /// # Errors
    /// The crypto library's sentence.
    pub fn issue(
        &mut self,
        generation: u32,
        born: Timestamp,
        user: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<ClientCertificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, "gardener.cloud:system:admins");
        // Gardener dates back by one minute, so that clocks may differ.
        params.not_before = date(now.saturating_sub(SignedDuration::from_mins(1)).unwrap_or(now));
        params.not_after = date(until);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from(uuid::Uuid::new_v4().as_bytes().to_vec()));
        let certificate = params.signed_by(&key, &self.pair(generation, born)?.client)?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    fn pair(&mut self, generation: u32, born: Timestamp) -> Result<&Pair, rcgen::Error> {
        let known = |pair: &Pair| pair.generation == generation;
        if !self.0.iter().any(known) {
            self.0.push(Pair {
                generation,
                server: authority(&name("ca", "kubernetes", generation, born), born)?,
                client: authority(&name("ca-client", "kubernetes-client", generation, born), born)?,
            });
        }
        self.0.iter().find(|pair| known(pair)).ok_or(rcgen::Error::CouldNotParseKeyPair)
    }
}

/// Before the first rotation the names are general; afterwards they end in the moment of the start.
fn name(rotated: &str, first: &str, generation: u32, born: Timestamp) -> String {
    if generation <= 1 {
        first.to_owned()
    } else {
        let hash = generation.wrapping_mul(0x9e37_79b9);
        format!("{rotated}-{hash:08x}-{:05x}", born.as_second() & 0xf_ffff)
    }
}

fn authority(
    name: &str,
    born: Timestamp,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.not_before = date(born);
    params.not_after = date(born.saturating_add(LIFE).unwrap_or(born));
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
