//! Which issued kubeconfigs work now and after *complete*, decided by certificates and keys, never by comparing clocks.

mod access;
mod certificate;
mod generation;
#[cfg(test)]
mod tests;
mod verdict;

pub use crate::domain::credential::access::{
    Access, Credentials, KubeconfigLocation, Reference, StaticToken,
};
pub use crate::domain::credential::certificate::{ClientCertificate, CredentialFacts, KeyHash};
pub use crate::domain::credential::generation::Issuance;
pub use crate::domain::credential::verdict::Verdict;
