//! CAs and signing keys of a cluster, one generation per rotation.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A CA.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub pem: String,
}

/// A certificate and its key, as PEM.
pub struct Certificate {
    pub pem: String,
    pub key: String,
}

impl Authority {
    /// A self-signed CA.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, name);
        // Gardener's are valid for ten years; `notBefore` shows which one is newer.
        let now = Timestamp::now().as_second();
        params.not_before = date(now - 60);
        params.not_after = date(now + 10 * 365 * 86_400);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// Its key, as PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Certificate {
        let key = KeyPair::generate().unwrap();
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_params(&self.params, &self.key);
        Certificate {
            pem: params.signed_by(&key, &issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate for a server on this machine.
    pub fn sign_server(&self, name: &str) -> Certificate {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a user of a group.
    pub fn sign_client(&self, user: &str, group: &str, until: Timestamp) -> Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        // Gardener backdates them by a minute.
        params.not_before = date(Timestamp::now().as_second() - 60);
        params.not_after = date(until.as_second());
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }
}

fn date(seconds: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

/// The keys that a rotation replaces.
pub struct Generation {
    pub server: Authority,
    pub client: Authority,
    pub tokens: KeyPair,
}

impl Generation {
    /// New keys. The CAs of the first generation have generic names, as in Gardener.
    pub fn new(number: usize) -> Self {
        let name = |first: &str, rotated: &str| match number {
            1 => first.to_owned(),
            _ => format!("{rotated}-{number:08x}-{number:05x}"),
        };
        Self {
            server: Authority::new(&name("kubernetes", "ca")),
            client: Authority::new(&name("kubernetes-client", "ca-client")),
            tokens: KeyPair::generate().unwrap(),
        }
    }
}
