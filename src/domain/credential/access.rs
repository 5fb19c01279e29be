//! Records of kubeconfigs issued by this program: where they were delivered and when they expire. Never the secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::cluster::{Cluster, ClusterId, is_same_creation};
use crate::domain::credential::generation::Issuance;
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::lenient::or_default;

/// One issued kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    #[serde(flatten)]
    pub cluster: ClusterId,
    /// When that cluster was created, if SKE reported it: a later cluster with the same name is a different one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub kind: KubeconfigKind,
    /// When it was issued, by this machine's clock; for display and order, never for a verdict.
    pub issued: Timestamp,
    /// `expirationTimestamp` as the server returned it; only the admin kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(rename = "place", default)]
    pub location: KubeconfigLocation,
    /// Facts from its certificates; `None` in records of earlier versions.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub issuance: Option<Issuance>,
    /// Whether the user threw it away: it is no longer listed, but still tells generations apart.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

/// Where a kubeconfig was delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KubeconfigLocation {
    #[serde(rename = "clipboard")]
    Clipboard,
    #[serde(rename = "standard output after exit")]
    Stdout,
    #[serde(untagged)]
    File {
        /// The file in shown form (`~/…`).
        path: String,
        context: String,
        /// Whether the file contains nothing else.
        whole: bool,
    },
    /// Elsewhere, as described by an earlier version.
    #[serde(untagged)]
    Other(String),
}

impl Default for KubeconfigLocation {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl KubeconfigLocation {
    /// In words ("~/.kube/config, context shop-prod").
    pub fn describe(&self) -> String {
        match self {
            Self::File { path, context, .. } => format!("{path}, context {context}"),
            Self::Clipboard => "clipboard".to_owned(),
            Self::Stdout => "standard output".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }

    /// The file in shown form, and its context.
    pub fn entry(&self) -> Option<(&str, &str)> {
        match self {
            Self::File { path, context, .. } => Some((path, context)),
            Self::Clipboard | Self::Stdout | Self::Other(_) => None,
        }
    }

    /// Whether both are the same entry of the same file.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        self.entry().is_some() && self.entry() == other.entry()
    }

    /// Whether a delivery here replaces an earlier one.
    pub fn replaces(&self, earlier: &Self) -> bool {
        match (self, earlier.entry()) {
            (Self::File { path, context, whole }, Some((old_path, old_context))) => {
                path == old_path && (*whole || context == old_context)
            }
            _ => false,
        }
    }
}

impl Access {
    /// Whether it was saved to a file.
    pub fn is_in_file(&self) -> bool {
        matches!(self.location, KubeconfigLocation::File { .. })
    }

    /// When it expires: as SKE returned it, otherwise with its certificate.
    pub fn ends(&self) -> Option<Timestamp> {
        let client = || self.issuance.as_ref()?.facts.client.as_ref();
        self.expires.or_else(|| Some(client()?.not_after))
    }

    /// Whether it has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    /// Whether it is for this cluster rather than an earlier one with the same address.
    pub fn is_of(&self, cluster: &Cluster) -> bool {
        self.cluster == cluster.id && is_same_creation(self.created, cluster.created)
    }
}
