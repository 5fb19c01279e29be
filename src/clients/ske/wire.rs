//! JSON of the SKE API v2, field for field (`ske-v2.json`, schemas). Everything is optional, since servers omit fields;
//! enums stay text here, so that an unknown value never fails a whole response. Nulls are removed before.
//!
//! The simulator writes these same types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::lenient::or_default;

/// `ListClustersResponse`.
#[derive(Serialize)]
pub struct ClusterList {
    pub items: Vec<Cluster>,
}

/// `Cluster`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    pub access: Option<Access>,
    pub hibernation: Option<Hibernation>,
    pub kubernetes: Option<Kubernetes>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub maintenance: Option<Maintenance>,
    pub name: Option<String>,
    pub nodepools: Vec<Nodepool>,
    pub status: Option<ClusterStatus>,
}

/// `Access`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    pub idp: Option<Idp>,
}

/// `IDP`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Idp {
    pub enabled: bool,
    /// `type`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// `Hibernation`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hibernation {
    pub schedules: Vec<HibernationSchedule>,
}

/// `HibernationSchedule`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HibernationSchedule {
    /// `start`, crontab.
    pub start: String,
    /// `end`, crontab.
    pub end: String,
    /// `timezone`, IANA name.
    pub timezone: Option<String>,
}

/// `Kubernetes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kubernetes {
    pub version: String,
}

/// `Maintenance`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Maintenance {
    pub auto_update: Option<AutoUpdate>,
    pub time_window: Option<TimeWindow>,
}

/// `MaintenanceAutoUpdate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoUpdate {
    pub kubernetes_version: bool,
    pub machine_image_version: bool,
}

/// `TimeWindow`; the date is a dummy (`0000-01-01T02:00:00Z`), only the time of day counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeWindow {
    pub start: String,
    pub end: String,
}

/// `Nodepool`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodepool {
    pub name: String,
    pub minimum: u32,
    pub maximum: u32,
    pub max_surge: Option<u32>,
    pub max_unavailable: Option<u32>,
    pub availability_zones: Vec<String>,
    /// `kubernetes`, only if it differs from the cluster. Malformed, it does not hide the pool.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    pub machine: Option<Machine>,
    pub volume: Option<Volume>,
}

/// `Machine`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Machine {
    pub image: Option<Image>,
    /// `type`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// `Image`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    pub name: String,
    pub version: String,
}

/// `Volume`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// `size`, GiB.
    pub size: u32,
    /// `type`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// `ClusterStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    pub aggregated: Option<String>,
    /// `creationTime`, RFC 3339.
    pub creation_time: Option<String>,
    pub credentials_rotation: Option<CredentialsRotation>,
    /// `egressAddressRanges`, CIDR.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress_address_ranges: Vec<String>,
    /// `error`, the older single form.
    pub error: Option<RuntimeError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ClusterError>,
    pub expiration: Option<Expiration>,
    pub hibernated: bool,
    /// `podAddressRanges`, CIDR.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pod_address_ranges: Vec<String>,
    pub service_account_issuer: Option<String>,
}

/// `CredentialsRotationState`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CredentialsRotation {
    /// `lastCompletionTime`, RFC 3339.
    pub last_completion_time: Option<String>,
    /// `lastInitiationTime`, RFC 3339.
    pub last_initiation_time: Option<String>,
    pub phase: Option<String>,
}

/// `RuntimeError`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeError {
    pub code: Option<String>,
    pub details: Option<String>,
    pub message: Option<String>,
}

/// `ClusterError`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterError {
    pub code: Option<String>,
    pub message: Option<String>,
}

/// `ExpirationStatus`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expiration {
    pub kubernetes: Option<KubernetesExpiration>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodepools: Vec<NodepoolExpiration>,
}

/// `ExpirationStatusNodepool`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodepoolExpiration {
    /// `kubernetesExpirationDate`, RFC 3339.
    #[serde(deserialize_with = "or_default")]
    pub kubernetes_expiration_date: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub kubernetes_version: Option<String>,
    pub name: String,
    /// `osExpirationDate`, RFC 3339.
    pub os_expiration_date: Option<String>,
}

/// `ExpirationStatusKubernetes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesExpiration {
    /// `expirationDate`, RFC 3339.
    pub expiration_date: Option<String>,
    pub version: Option<String>,
}

/// `CreateKubeconfigPayload`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateKubeconfig {
    /// `expirationSeconds`: a number written as a string, 600 to 15 552 000.
    pub expiration_seconds: Option<String>,
}

/// `Kubeconfig`, `LoginKubeconfig` and `IDPKubeconfig`. No `Debug`: it contains the secret.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kubeconfig {
    /// `expirationTimestamp`, RFC 3339; only for the admin kind.
    pub expiration_timestamp: Option<String>,
    /// `kubeconfig`, YAML text.
    pub kubeconfig: Option<String>,
}
