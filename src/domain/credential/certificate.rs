//! Facts from the certificates in a kubeconfig: who signed the client certificate, and which CAs it trusts.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate, X509Version};
use zeroize::Zeroizing;

use crate::domain::kubeconfig::server_address;
use crate::domain::lenient::or_default;
use crate::domain::rotation::CLOCK_TOLERANCE;
use crate::domain::text::clean;

/// SHA-256 of a public key (DER of `SubjectPublicKeyInfo`), in lower-case hex. Certificates of the same key share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyHash(String);

impl TryFrom<String> for KeyHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not 64 hex digits")
    }
}

impl KeyHash {
    /// Parses the hex form; `None` unless it is 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The hex form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(der: &[u8]) -> Self {
        Self(hex(&Sha256::digest(der)))
    }
}

/// Facts from an X.509 client certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// Distinguished name of the issuer, cleaned.
    pub issuer: String,
    /// Extension `authorityKeyIdentifier`, in lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_key_id: Option<String>,
    /// Serial number, in lower-case hex.
    pub serial: String,
    /// `notBefore`; Gardener backdates it by one minute.
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl ClientCertificate {
    /// Identifies the signing CA: its key id, or its name if the certificate has no key id.
    pub fn signer(&self) -> &str {
        self.authority_key_id.as_deref().unwrap_or(&self.issuer)
    }
}

/// Facts from a kubeconfig: its certificates and its server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CredentialFacts {
    /// Host and port of its API server; empty in records of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The client certificate; `None` in kubeconfigs with another kind of credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientCertificate>,
    /// Keys of `certificate-authority-data`: two between start and complete, otherwise one.
    pub authorities: BTreeSet<KeyHash>,
    /// The one with the latest `notBefore`, if unique.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub newest: Option<KeyHash>,
}

/// Which certificate could not be read. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("certificate-authority-data contains no valid certificate")]
    Authority,
    #[error("client-certificate-data contains no valid certificate")]
    Client,
}

impl CredentialFacts {
    /// Reads `server`, `certificate-authority-data` and `client-certificate-data`; the latter two are base64 of PEM.
    ///
    /// # Errors
    /// Which of the two is not a certificate.
    pub fn read(
        server: &str,
        authorities: &str,
        client: Option<&str>,
    ) -> Result<Self, CertificateError> {
        let authorities = decode_base64(authorities)
            .and_then(|pem| read_authorities(&pem))
            .ok_or(CertificateError::Authority)?;
        let client = client
            .map(|text| decode_base64(text).and_then(|pem| read_client(&pem)))
            .map(|client| client.ok_or(CertificateError::Client))
            .transpose()?;
        let newest = newest(&authorities);
        let authorities = authorities.into_iter().map(|authority| authority.key).collect();
        Ok(Self { server: server_address(server), client, authorities, newest })
    }
}

/// A trusted certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub key: KeyHash,
    /// `notBefore` and `notAfter`, in seconds of Unix time.
    pub validity: (i64, i64),
    /// Whether it can sign others. Go also accepts one that cannot, if the server presents that very certificate.
    pub is_ca: bool,
}

impl Authority {
    /// Whether it is valid at a time.
    pub fn is_valid(&self, at: Timestamp) -> bool {
        let (begin, end) = self.validity;
        begin <= at.as_second().saturating_add(CLOCK_TOLERANCE.as_secs()) && at.as_second() < end
    }
}

/// The key with the latest `notBefore`, if unique.
pub fn newest(authorities: &[Authority]) -> Option<KeyHash> {
    let last = authorities.iter().map(|authority| authority.validity.0).max()?;
    let latest = authorities.iter().filter(|authority| authority.validity.0 == last);
    let mut latest = latest.map(|authority| &authority.key);
    let first = latest.next()?;
    latest.all(|other| other == first).then(|| first.clone())
}

/// The certificates (DER) in base64 of PEM, at least one; blocks of other kinds are ignored, as in Go's `crypto/tls`.
pub fn decode_certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    decode_base64(text).and_then(|pem| decode_pem(&pem))
}

/// Decodes the value of a `-data` field.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    // YAML may fold long values. Preallocated, so that no copies of a key are left in memory.
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    joined.extend(text.split_whitespace());
    STANDARD.decode(&*joined).ok()
}

/// Maximum number of consecutive invalid blocks that are skipped in a PEM.
const MOST_SKIPPED: usize = 64;

/// A PEM block: its label, and its content, which may be a private key.
struct PemBlock<'a> {
    label: &'a [u8],
    has_headers: bool,
    der: Zeroizing<Vec<u8>>,
}

/// The next PEM block and the rest, as Go's `encoding/pem`, and thus kubectl, reads it: text between blocks is skipped,
/// and so are blocks with a malformed first or last line.
fn next_block(pem: &[u8]) -> Option<(PemBlock<'_>, &[u8])> {
    let mut rest = pem;
    for _ in 0..MOST_SKIPPED {
        rest = match rest.strip_prefix(b"-----BEGIN ") {
            Some(after) => after,
            None => after(rest, b"\n-----BEGIN ")?.1,
        };
        let (first, mut body) = line(rest);
        rest = body;
        let Some(label) = first.strip_suffix(b"-----") else { continue };
        let mut has_headers = false;
        while let (header, next) = line(body)
            && header.contains(&b':')
        {
            (has_headers, body) = (true, next);
        }
        rest = body;
        let (data, end) = match body.strip_prefix(b"-----END ").filter(|_| !has_headers) {
            Some(end) => (&[][..], end),
            // Without another end there is no other block, either.
            None => after(body, b"\n-----END ")?,
        };
        let (last, next) = line(end);
        // Preallocated: reallocation would leave copies of a key in memory.
        let mut joined = Zeroizing::new(Vec::with_capacity(data.len()));
        joined.extend(data.iter().filter(|byte| !byte.is_ascii_whitespace()));
        if last.strip_suffix(b"-----") == Some(label)
            && let Ok(der) = STANDARD.decode(&*joined)
        {
            return Some((PemBlock { label, has_headers, der: Zeroizing::new(der) }, next));
        }
    }
    None
}

/// Text before and after the first occurrence of `what`.
fn after<'a>(text: &'a [u8], what: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(what.len()).position(|window| window == what)?;
    Some((text.get(..at)?, text.get(at + what.len()..)?))
}

/// The first line without trailing whitespace, and the rest.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = after(text, b"\n").unwrap_or((text, &[]));
    (line.trim_ascii_end(), rest)
}

fn pem_blocks(pem: &[u8]) -> impl Iterator<Item = PemBlock<'_>> {
    let mut rest = pem;
    std::iter::from_fn(move || {
        let (block, next) = next_block(rest)?;
        rest = next;
        Some(block)
    })
}

fn decode_pem(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let certificates = pem_blocks(pem).filter(|block| block.label == b"CERTIFICATE");
    let mut ders = certificates.map(|mut block| std::mem::take(&mut *block.der)).peekable();
    ders.peek()?;
    Some(ders.collect())
}

/// Whether a PEM contains the private key of the first certificate of another PEM; `None` if it contains no readable
/// private key.
pub fn is_key_of(key: &[u8], certificate: &[u8]) -> Option<bool> {
    let PemBlock { label, der, .. } =
        pem_blocks(key).find(|block| block.label.ends_with(b"PRIVATE KEY"))?;
    let key = match label {
        b"PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.as_slice().into()),
        b"RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.as_slice().into()),
        b"EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.as_slice().into()),
        _ => return None,
    };
    let public = any_supported_type(&key).ok()?.public_key()?.to_vec();
    let certificates = decode_pem(certificate)?;
    let (_, certificate) = X509Certificate::from_der(certificates.first()?).ok()?;
    Some(certificate.public_key().raw == public.as_slice())
}

/// The certificates in a PEM; `None` if there are none. Invalid certificates are ignored, as in Go's
/// `AppendCertsFromPEM`.
pub fn read_authorities(pem: &[u8]) -> Option<Vec<Authority>> {
    let authority = |block: PemBlock<'_>| {
        let (_, certificate) = X509Certificate::from_der(&block.der).ok()?;
        let validity = certificate.validity();
        Some(Authority {
            key: KeyHash::of(certificate.public_key().raw),
            validity: (validity.not_before.timestamp(), validity.not_after.timestamp()),
            is_ca: is_ca(&certificate),
        })
    };
    let certificates =
        pem_blocks(pem).filter(|block| block.label == b"CERTIFICATE" && !block.has_headers);
    let authorities: Vec<_> = certificates.filter_map(authority).collect();
    (!authorities.is_empty()).then_some(authorities)
}

/// Whether it can sign others, by Go's rules.
fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    certificate.version() != X509Version::V3 || certificate.is_ca()
}

/// Whether any of these certificates (DER) cannot sign others.
pub fn holds_server_certificate<'a>(ders: impl IntoIterator<Item = &'a Vec<u8>>) -> bool {
    let mut read = ders.into_iter().filter_map(|der| X509Certificate::from_der(der).ok());
    read.any(|(_, certificate)| !is_ca(&certificate))
}

/// The first certificate of a PEM as a client certificate; the others are its chain.
pub fn read_client(pem: &[u8]) -> Option<ClientCertificate> {
    client_certificate(decode_pem(pem)?.first()?)
}

fn client_certificate(der: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let authority_key_id = certificate.extensions().iter().find_map(|extension| {
        if let ParsedExtension::AuthorityKeyIdentifier(id) = extension.parsed_extension() {
            id.key_identifier.as_ref().map(|id| hex(id.0))
        } else {
            None
        }
    });
    let validity = certificate.validity();
    Some(ClientCertificate {
        issuer: clean(&certificate.issuer().to_string()),
        authority_key_id,
        serial: hex(certificate.raw_serial()),
        not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}
