//! What the kubeconfig files of this machine hold, as facts read from certificates and tokens. Never a secret.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::credential::certificate::{ClientCertificate, KeyHash};
use crate::domain::kubeconfig::KubeconfigKind;

/// A kubeconfig file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The file in shown form (`~/…`).
    pub path: String,
    /// Whether kubectl reads it when no other file is named.
    pub is_default: bool,
    /// Its permission bits, where others than its owner may read or write it.
    pub wide_mode: Option<u32>,
    /// Its contexts, or why they cannot be read, in a clause.
    pub contexts: Result<Vec<FoundContext>, String>,
}

/// A context with the cluster and the user that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundContext {
    /// `contexts[].name`, cleaned.
    pub context: String,
    /// `cluster.server` as host and port, cleaned.
    pub server: String,
    pub trust: Trust,
    /// Every way to sign in that the user has; one that the API server accepts is enough.
    pub sign_in: Vec<SignIn>,
}

/// Which server certificates a context accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// `certificate-authority-data`, or the file that `certificate-authority` names.
    Authorities(BTreeSet<KeyHash>),
    /// `insecure-skip-tls-verify`: any.
    Anything,
    /// Neither is set: the authorities of the operating system.
    System,
    /// The field that cannot be read, and why.
    Unreadable(String),
}

/// One way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// `client-certificate-data`, or the file that `client-certificate` names.
    Certificate(ClientCertificate),
    /// A token that is no JWT.
    StaticToken,
    /// A token of a Kubernetes service account.
    ServiceAccountToken(TokenFacts),
    /// A JWT of another issuer.
    OtherToken(TokenFacts),
    /// The command of a credential plugin, cleaned; the kind, where it is one that SKE issues.
    Plugin { command: String, stackit: Option<KubeconfigKind> },
    /// "basic authentication" or "auth provider …".
    Other(String),
    /// The field that cannot be read, and why.
    Unreadable(String),
}

/// What a JWT says about itself; its signature is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenFacts {
    /// `kid` of the header: which key signed it.
    pub key_id: Option<String>,
    /// `iss`, cleaned.
    pub issuer: String,
    /// `sub`, cleaned.
    pub subject: String,
    /// `exp`; legacy tokens have none.
    pub expires: Option<Timestamp>,
}

impl SignIn {
    /// When it ends by itself.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Certificate(certificate) => Some(certificate.not_after),
            Self::ServiceAccountToken(token) | Self::OtherToken(token) => token.expires,
            Self::StaticToken | Self::Plugin { .. } | Self::Other(_) | Self::Unreadable(_) => None,
        }
    }
}
