//! What the kubeconfig files of this machine hold, as facts read from certificates and tokens. Never a secret.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::cluster::ClusterId;
use crate::domain::credential::certificate::{ClientCertificate, KeyHash};
use crate::domain::kubeconfig::KubeconfigKind;

/// A kubeconfig file of this machine. One that is gone holds no contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile<Contexts = Vec<FoundContext>> {
    /// The file in shown form (`~/…`).
    pub path: String,
    /// Other names of the same file, in shown form.
    pub other_names: Vec<String>,
    /// Whether kubectl reads it when no other file is named.
    pub is_default: bool,
    /// Its permission bits, if other users may read or write the file.
    pub wide_mode: Option<u32>,
    /// Its contexts, or why they cannot be read, in a clause.
    pub contexts: Result<Contexts, String>,
}

impl<Contexts> FoundFile<Contexts> {
    /// Whether a path in shown form leads to it.
    pub fn is_at(&self, path: &str) -> bool {
        self.path == path || self.other_names.iter().any(|name| name == path)
    }
}

/// The cluster for which the stackit CLI asks SKE, from the cluster entry of the kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCluster {
    pub project: String,
    /// `None` in older ones: the CLI takes its own.
    pub region: Option<String>,
    pub name: String,
}

impl ExecCluster {
    /// Whether it is this cluster.
    pub fn is(&self, id: &ClusterId) -> bool {
        let region = self.region.as_deref().unwrap_or(id.region().as_str());
        (&*self.project, region, &*self.name)
            == (id.project().as_str(), id.region().as_str(), id.name.as_str())
    }
}

/// A context with the cluster and the user that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundContext {
    /// `contexts[].name`, cleaned.
    pub context: String,
    /// `cluster.server` as host and port, cleaned.
    pub server: String,
    pub trust: Trust,
    /// The authority that it trusts whose certificate begins last, if only one does.
    pub newest: Option<KeyHash>,
    /// Whether one of the certificates that it trusts is no authority: it may be the one that the server shows.
    pub trusts_server_certificate: bool,
    /// What the stackit CLI would be told; `None` where it is not what signs in.
    pub exec_cluster: Option<ExecCluster>,
    /// Every way to sign in that kubectl uses for the user; one that the API server accepts is enough.
    pub sign_in: Vec<SignIn>,
    /// Why kubectl cannot connect with it, whatever its certificates say, in a clause.
    pub unusable: Option<String>,
    /// The other file of `$KUBECONFIG` in which kubectl finds its cluster or its user, in shown form.
    pub other_file: Option<String>,
}

impl FoundContext {
    /// When the last of its ways to sign in ends by itself; `None` where one has no end.
    pub fn ends(&self) -> Option<Timestamp> {
        let ends: Option<Vec<Timestamp>> = self.sign_in.iter().map(SignIn::expires).collect();
        ends?.into_iter().max()
    }
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
    /// `tls-server-name` is not the server: nobody knows for which names its certificate holds.
    OtherName,
    /// They cannot be read: [`FoundContext::unusable`] says why.
    Unreadable,
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
    /// Whether it goes into the header of each request.
    pub fn is_token(&self) -> bool {
        matches!(self, Self::StaticToken | Self::ServiceAccountToken(_) | Self::OtherToken(_))
    }

    /// When it ends by itself.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Certificate(certificate) => Some(certificate.not_after),
            Self::ServiceAccountToken(token) | Self::OtherToken(token) => token.expires,
            Self::StaticToken | Self::Plugin { .. } | Self::Other(_) | Self::Unreadable(_) => None,
        }
    }
}
