//! What the certificates in a kubeconfig say: who signed the client certificate, and which authorities it trusts.

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
use crate::domain::text::clean;

/// SHA-256 of a public key (DER of `SubjectPublicKeyInfo`), in lower-case hex. Two certificates of one key have one.
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
    /// Reads the hex form back; `None` unless it is 64 hex digits.
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

/// What an X.509 client certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// Distinguished name of the issuer, cleaned.
    pub issuer: String,
    /// Extension `authorityKeyIdentifier`, in lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_key_id: Option<String>,
    /// Serial number, in lower-case hex.
    pub serial: String,
    /// `notBefore`; Gardener dates it back by one minute.
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl ClientCertificate {
    /// What identifies the signing CA: its key id, or its name if the certificate has no key id.
    pub fn signer(&self) -> &str {
        self.authority_key_id.as_deref().unwrap_or(&self.issuer)
    }
}

/// What one kubeconfig says: its certificates, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CredentialFacts {
    /// Host and port of its API server; empty in what earlier versions wrote down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server: String,
    /// The client certificate; `None` in kubeconfigs that sign in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientCertificate>,
    /// Keys of `certificate-authority-data`: two between start and complete, else one.
    pub authorities: BTreeSet<KeyHash>,
    /// The one of them whose certificate begins last, if only one does.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub newest: Option<KeyHash>,
}

/// Which certificate could not be read. It never quotes what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("certificate-authority-data contains no valid certificate")]
    Authority,
    #[error("client-certificate-data contains no valid certificate")]
    Client,
}

impl CredentialFacts {
    /// Reads `server`, `certificate-authority-data` and `client-certificate-data`; both data are base64 of PEM.
    ///
    /// # Errors
    /// Which of the two holds something that is no certificate.
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

/// A certificate that a client trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    pub key: KeyHash,
    /// `notBefore`, in seconds of Unix time.
    begins: i64,
    /// Whether it can sign others. Go accepts one that cannot, too, where the server shows that very certificate.
    pub is_ca: bool,
}

/// The only one that begins last.
pub fn newest(authorities: &[Authority]) -> Option<KeyHash> {
    let last = authorities.iter().map(|authority| authority.begins).max()?;
    let latest = authorities.iter().filter(|authority| authority.begins == last);
    let mut latest = latest.map(|authority| &authority.key);
    let first = latest.next()?;
    latest.all(|other| other == first).then(|| first.clone())
}

/// The certificates (DER) in base64 of PEM, at least one; blocks of other kinds do not count, as for Go's `crypto/tls`.
pub fn decode_certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    decode_base64(text).and_then(|pem| decode_pem(&pem))
}

/// What a field that ends with `-data` holds.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    // YAML may fold long values over lines. With room for all, no copies of a key are left behind.
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    joined.extend(text.split_whitespace());
    STANDARD.decode(&*joined).ok()
}

/// So many blocks one after the other that are none end the search in a PEM.
const MOST_SKIPPED: usize = 64;

/// A block of a PEM: its label, and what it holds, which may be a private key.
struct PemBlock<'a> {
    label: &'a [u8],
    has_headers: bool,
    der: Zeroizing<Vec<u8>>,
}

/// The next block of a PEM and what follows it, as `encoding/pem` of Go reads it, and kubectl by that: other text between
/// blocks is skipped, and so is a block whose first or last line holds anything else.
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
            // Without another end there is no other block either.
            None => after(body, b"\n-----END ")?,
        };
        let (last, next) = line(end);
        // With room for all, it does not grow and leave copies of a key behind.
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

/// What stands before and after the first of some bytes.
fn after<'a>(text: &'a [u8], what: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(what.len()).position(|window| window == what)?;
    Some((text.get(..at)?, text.get(at + what.len()..)?))
}

/// The first line without blanks at its end, and what follows it.
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

/// Whether a PEM holds the private key of the first certificate of another PEM; `None` where it holds no private key that
/// can be read.
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

/// The certificates in a PEM; `None` if none is in it. As for `AppendCertsFromPEM` of Go, what cannot be read as a
/// certificate does not count.
pub fn read_authorities(pem: &[u8]) -> Option<Vec<Authority>> {
    let authority = |block: PemBlock<'_>| {
        let (_, certificate) = X509Certificate::from_der(&block.der).ok()?;
        Some(Authority {
            key: KeyHash::of(certificate.public_key().raw),
            begins: certificate.validity().not_before.timestamp(),
            is_ca: is_ca(&certificate),
        })
    };
    let certificates =
        pem_blocks(pem).filter(|block| block.label == b"CERTIFICATE" && !block.has_headers);
    let authorities: Vec<_> = certificates.filter_map(authority).collect();
    (!authorities.is_empty()).then_some(authorities)
}

/// Whether it can sign others, as Go has it.
fn is_ca(certificate: &X509Certificate<'_>) -> bool {
    certificate.version() != X509Version::V3 || certificate.is_ca()
}

/// Whether certificates (DER) hold one that cannot sign others.
pub fn holds_server_certificate<'a>(ders: impl IntoIterator<Item = &'a Vec<u8>>) -> bool {
    let mut read = ders.into_iter().filter_map(|der| X509Certificate::from_der(der).ok());
    read.any(|(_, certificate)| !is_ca(&certificate))
}

/// The first certificate of a PEM, as a client certificate; the others are its chain.
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
