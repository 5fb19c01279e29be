//! Service account tokens and the CA bundles of pods, without anything secret.

use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount as Account};
use kube::core::PartialObjectMeta;

use crate::clients::kubernetes::decode::{annotation, at, label, some, text};
use crate::domain::snapshot::{RootBundle, ServiceAccount, TokenSecret};

/// Reads the metadata of a Secret with a token.
pub fn token_secret(secret: &PartialObjectMeta<Secret>) -> Option<TokenSecret> {
    let meta = &secret.metadata;
    Some(TokenSecret {
        namespace: text(meta.namespace.as_ref()),
        name: some(meta.name.as_ref())?,
        account: annotation(meta, "kubernetes.io/service-account.name").unwrap_or_default(),
        created: at(meta.creation_timestamp.as_ref()),
        last_used: label(meta, "kubernetes.io/legacy-token-last-used")
            .and_then(|day| day.parse().ok()),
    })
}

/// Reads a service account; one that lists no Secret is skipped.
pub fn service_account(account: &Account) -> Option<ServiceAccount> {
    let meta = &account.metadata;
    let secrets = account.secrets.as_ref()?.iter();
    let secrets: Vec<String> = secrets.filter_map(|secret| some(secret.name.as_ref())).collect();
    (!secrets.is_empty()).then_some(ServiceAccount {
        namespace: text(meta.namespace.as_ref()),
        name: some(meta.name.as_ref())?,
        secrets,
    })
}

/// Reads a CA bundle.
pub fn root_bundle(bundle: &ConfigMap) -> Option<RootBundle> {
    let meta = &bundle.metadata;
    let written = meta.managed_fields.iter().flatten().filter_map(|entry| at(entry.time.as_ref()));
    let pem = bundle.data.as_ref()?.get("ca.crt")?;
    Some(RootBundle {
        namespace: text(meta.namespace.as_ref()),
        authorities: pem.matches("-----BEGIN CERTIFICATE-----").count(),
        written: written.max(),
    })
}
