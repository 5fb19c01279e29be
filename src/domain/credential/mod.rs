//! Which issued kubeconfigs work now and after *complete*, decided by certificates and keys, never by comparing clocks.

mod access;
mod certificate;
mod credentials;
mod generation;
#[cfg(test)]
mod tests;
mod verdict;

pub use crate::domain::credential::access::{Access, KubeconfigLocation, StaticToken};
pub use crate::domain::credential::certificate::{
    ClientCertificate, CredentialFacts, KeyHash, decode_certificates,
};
pub use crate::domain::credential::credentials::{Credentials, Reference};
pub use crate::domain::credential::generation::Issuance;
pub use crate::domain::credential::verdict::Verdict;
