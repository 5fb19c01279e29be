//! Which issued kubeconfigs work now and after *complete*, decided by certificates and keys, never by comparing clocks.

mod access;
mod certificate;
mod credentials;
mod found;
mod generation;
mod in_cluster;
mod inventory;
mod judge;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod tests;
mod trial;
mod verdict;

pub use crate::domain::credential::access::{Access, KubeconfigLocation};
pub use crate::domain::credential::certificate::{
    Authority, CertificateError, ClientCertificate, CredentialFacts, KeyHash, decode_base64,
    decode_certificates, holds_server_certificate, is_key_of, newest, read_authorities,
    read_client,
};
pub use crate::domain::credential::credentials::{Credentials, Reference};
pub use crate::domain::credential::found::{
    ExecCluster, FoundContext, FoundFile, SignIn, TokenFacts, Trust,
};
pub use crate::domain::credential::generation::{Bundle, Generation, Issuance};
pub use crate::domain::credential::in_cluster::{
    InCluster, StaleCertificate, StaleToken, restart_commands,
};
pub use crate::domain::credential::inventory::{
    CLEAR_LOGIN_CACHE, CredentialKind, HeldAccess, KnownCredential, login_cache_may_be_stale,
};
pub use crate::domain::credential::judge::{SigningKeys, VerdictReason};
pub use crate::domain::credential::trial::{Trial, TrialSummary};
pub use crate::domain::credential::verdict::Verdict;
