//! Content of the kubeconfig files on this machine, as facts read from certificates and tokens. Never a secret.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::cluster::ClusterId;
use crate::domain::credential::certificate::{Authority, ClientCertificate, KeyHash};
use crate::domain::kubeconfig::KubeconfigKind;

/// A kubeconfig file on this machine. A missing file has no contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile<Contexts = Vec<FoundContext>> {
    /// The file in shown form (`~/…`).
    pub path: String,
    /// Other names of the same file, in shown form.
    pub other_names: Vec<String>,
    /// Whether kubectl reads it by default.
    pub is_default: bool,
    /// Its permission bits, if other users may read or write the file.
    pub wide_mode: Option<u32>,
    /// Its contexts, or why they cannot be read, in a clause.
    pub contexts: Result<Contexts, String>,
}

impl<Contexts> FoundFile<Contexts> {
    /// Whether a path in shown form refers to it.
    pub fn is_at(&self, path: &str) -> bool {
        self.path == path || self.other_names.iter().any(|name| name == path)
    }
}

/// The cluster that the stackit CLI requests from SKE, from the cluster entry of the kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCluster {
    pub project: String,
    /// `None` in older kubeconfigs: the CLI uses the region that it is configured for.
    pub region: Option<String>,
    pub name: String,
}

impl ExecCluster {
    /// Whether it is this cluster; `None` if that depends on the configuration of the CLI.
    pub fn is(&self, id: &ClusterId) -> Option<bool> {
        if (&*self.project, &*self.name) != (id.project().as_str(), id.name.as_str()) {
            return Some(false);
        }
        self.region.as_ref().map(|region| region == id.region().as_str())
    }
}

/// A context with its cluster and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundContext {
    /// `contexts[].name`, cleaned.
    pub context: String,
    /// `cluster.server` as host, port and path, cleaned.
    pub server: String,
    pub trust: Trust,
    /// The certificates of [`Trust::Authorities`].
    pub authorities: Vec<Authority>,
    /// The cluster passed to the stackit CLI; `None` if another credential is used.
    pub exec_cluster: Option<ExecCluster>,
    /// All credentials that kubectl uses for the user; one that the API server accepts is enough.
    pub sign_in: Vec<SignIn>,
    /// Why kubectl cannot connect with it, regardless of its certificates, as a clause.
    pub unusable: Option<String>,
    /// A program that it needs, and that was not in `PATH` when the files were read.
    pub missing_program: Option<String>,
    /// The other file of `$KUBECONFIG` in which kubectl finds its cluster or its user, in shown form.
    pub other_file: Option<String>,
}

impl FoundContext {
    /// Whether one of the trusted certificates is not a CA: the server may present that very certificate.
    pub fn trusts_server_certificate(&self) -> bool {
        self.authorities.iter().any(|authority| !authority.is_ca)
    }

    /// Whether kubectl accepts a server certificate signed with this key at a time; true if its certificates are unknown.
    pub fn may_sign(&self, key: &KeyHash, at: Timestamp) -> bool {
        let mut certificates =
            self.authorities.iter().filter(|authority| authority.key == *key).peekable();
        certificates.peek().is_none() || certificates.any(|one| one.is_ca && one.is_valid(at))
    }

    /// Whether the stackit CLI authenticates.
    pub fn is_stackit(&self) -> bool {
        self.sign_in.iter().any(|way| matches!(way, SignIn::Plugin { stackit: Some(_), .. }))
    }

    /// When the last of its credentials expires; `None` if one does not expire.
    pub fn ends(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.sign_in.iter().map(SignIn::expires).collect();
        ends?.into_iter().max()
    }
}

/// Which server certificates a context accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// `certificate-authority-data`, or the file in `certificate-authority`.
    Authorities(BTreeSet<KeyHash>),
    /// `insecure-skip-tls-verify`: any.
    Anything,
    /// Neither is set: the operating system's CAs.
    System,
    /// `tls-server-name` is not the server: it is unknown which names its certificate is valid for.
    OtherName,
    /// Unreadable: see [`FoundContext::unusable`].
    Unreadable,
}

/// One way to authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// `client-certificate-data`, or the file in `client-certificate`.
    Certificate(ClientCertificate),
    /// A token that is not a JWT.
    StaticToken,
    /// A token of a Kubernetes service account.
    ServiceAccountToken(TokenFacts),
    /// A JWT of another issuer.
    OtherToken(TokenFacts),
    /// The command of a credential plugin, cleaned; and the kind, if it is one that SKE issues.
    Plugin { command: String, stackit: Option<KubeconfigKind> },
    /// "basic authentication" or "auth provider …".
    Other(String),
    /// The field that cannot be read, and the reason.
    Unreadable(String),
}

/// Claims of a JWT; the signature is not verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenFacts {
    /// `kid` of the header: the signing key.
    pub key_id: Option<String>,
    /// `iss`, cleaned.
    pub issuer: String,
    /// `sub`, cleaned.
    pub subject: String,
    /// `aud`, cleaned; legacy tokens have none.
    pub audiences: Vec<String>,
    /// `exp`; legacy tokens have none.
    pub expires: Option<Timestamp>,
}

impl SignIn {
    /// Whether it is sent in the header of each request.
    pub fn is_token(&self) -> bool {
        matches!(self, Self::StaticToken | Self::ServiceAccountToken(_) | Self::OtherToken(_))
    }

    /// When it expires.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Certificate(certificate) => Some(certificate.not_after),
            Self::ServiceAccountToken(token) | Self::OtherToken(token) => token.expires,
            Self::StaticToken | Self::Plugin { .. } | Self::Other(_) | Self::Unreadable(_) => None,
        }
    }
}
