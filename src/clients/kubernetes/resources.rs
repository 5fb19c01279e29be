//! The resources that are watched: where they are served, what is requested of them, how they are decoded.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::Resource;
use kube::api::{ListParams, WatchParams};
use kube::core::{PartialObjectMeta, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::clients::kubernetes::checklist::checklist;
use crate::clients::kubernetes::decode;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::object_cache::{Item, Key};
use crate::clients::kubernetes::store::{ObjectCaches, ResourceKind};
use crate::domain::checklist::Checklist;
use crate::domain::snapshot::admission::{Admission, Endpoints, Namespace};
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, Event, Node, Pod, RootBundle, ServiceAccount, Template,
    TokenSecret,
};

/// Objects per page.
pub const PAGE: u32 = 500;
/// The server ends a watch after this; seconds.
pub const WATCH_SECONDS: u32 = 240;

/// Objects of one kind that are listed and watched.
pub struct WatchedResource<T> {
    /// Its place in the store, which has its name for people.
    pub resource_kind: ResourceKind,
    path: &'static str,
    labels: Option<&'static str>,
    fields: Option<&'static str>,
    metadata_only: bool,
    /// Pages that are read at most.
    pub most_pages: usize,
    read: fn(&str) -> Option<Item<T>>,
    /// Its objects in the store.
    pub cache: ObjectCaches<T>,
}

impl<T> WatchedResource<T> {
    fn new(
        resource_kind: ResourceKind,
        path: &'static str,
        most_pages: usize,
        read: fn(&str) -> Option<Item<T>>,
        cache: ObjectCaches<T>,
    ) -> Self {
        let (labels, fields) = (None, None);
        Self { resource_kind, path, labels, fields, metadata_only: false, most_pages, read, cache }
    }
}

impl<T> WatchedResource<T> {
    /// Objects that are kept at most, whether a list or a watch brings them.
    pub fn most_objects(&self) -> usize {
        self.most_pages.saturating_mul(usize::try_from(PAGE).unwrap_or(usize::MAX))
    }
}

/// `v1 Node`; as many as Kubernetes itself is made for.
pub fn nodes() -> WatchedResource<Node> {
    let read = |text: &str| decode_object::<core::Node, _>(text, decode::node);
    WatchedResource::new(ResourceKind::Nodes, "/api/v1/nodes", 10, read, |store| &mut store.nodes)
}

/// `v1 Pod`: finished ones, too, since they may keep a node from being removed.
pub fn pods() -> WatchedResource<Pod> {
    let read = |text: &str| decode_object::<core::Pod, _>(text, decode::pod);
    WatchedResource::new(ResourceKind::Pods, "/api/v1/pods", 200, read, |store| &mut store.pods)
}

/// `policy/v1 PodDisruptionBudget`.
pub fn budgets() -> WatchedResource<Budget> {
    let read = |text: &str| decode_object::<PodDisruptionBudget, _>(text, decode::budget);
    WatchedResource::new(
        ResourceKind::Budgets,
        "/apis/policy/v1/poddisruptionbudgets",
        20,
        read,
        |store| &mut store.budgets,
    )
}

/// `storage.k8s.io/v1 VolumeAttachment`.
pub fn attachments() -> WatchedResource<Attachment> {
    let read = |text: &str| decode_object::<VolumeAttachment, _>(text, decode::attachment);
    WatchedResource::new(
        ResourceKind::Attachments,
        "/apis/storage.k8s.io/v1/volumeattachments",
        40,
        read,
        |store| &mut store.attachments,
    )
}

/// `v1 PersistentVolume` that is bound to a node or a zone.
pub fn volumes() -> WatchedResource<BoundVolume> {
    let read = |text: &str| decode_object::<core::PersistentVolume, _>(text, decode::bound_volume);
    WatchedResource::new(ResourceKind::Volumes, "/api/v1/persistentvolumes", 40, read, |store| {
        &mut store.volumes
    })
}

/// `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration`.
pub fn validating_webhooks() -> WatchedResource<Admission> {
    let read =
        |text: &str| decode_object::<ValidatingWebhookConfiguration, _>(text, decode::validating);
    WatchedResource::new(
        ResourceKind::ValidatingWebhooks,
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        4,
        read,
        |store| &mut store.validating_webhooks,
    )
}

/// `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`.
pub fn mutating_webhooks() -> WatchedResource<Admission> {
    let read =
        |text: &str| decode_object::<MutatingWebhookConfiguration, _>(text, decode::mutating);
    WatchedResource::new(
        ResourceKind::MutatingWebhooks,
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        4,
        read,
        |store| &mut store.mutating_webhooks,
    )
}

/// `discovery.k8s.io/v1 EndpointSlice`.
pub fn endpoints() -> WatchedResource<Endpoints> {
    let read = |text: &str| decode_object::<EndpointSlice, _>(text, decode::endpoints);
    WatchedResource::new(
        ResourceKind::Endpoints,
        "/apis/discovery.k8s.io/v1/endpointslices",
        40,
        read,
        |store| &mut store.endpoints,
    )
}

/// Metadata of `v1 Namespace`.
pub fn namespaces() -> WatchedResource<Namespace> {
    let read = |text: &str| {
        decode_object::<PartialObjectMeta<core::Namespace>, _>(text, decode::namespace)
    };
    WatchedResource {
        metadata_only: true,
        ..WatchedResource::new(ResourceKind::Namespaces, "/api/v1/namespaces", 20, read, |store| {
            &mut store.namespaces
        })
    }
}

/// `v1 Event` about nodes; a field selector has no "or", so pods have a list of their own.
pub fn node_events() -> WatchedResource<Event> {
    let read = |text: &str| decode_object::<core::Event, _>(text, decode::node_event);
    WatchedResource {
        fields: Some("involvedObject.kind=Node"),
        ..WatchedResource::new(ResourceKind::NodeEvents, "/api/v1/events", 20, read, |store| {
            &mut store.node_events
        })
    }
}

/// `v1 Event` about pods.
pub fn pod_events() -> WatchedResource<Event> {
    let read = |text: &str| decode_object::<core::Event, _>(text, decode::pod_event);
    WatchedResource {
        fields: Some("involvedObject.kind=Pod"),
        ..WatchedResource::new(ResourceKind::PodEvents, "/api/v1/events", 20, read, |store| {
            &mut store.pod_events
        })
    }
}

/// Metadata of the Secrets that describe what the nodes of a pool are meant to be.
pub fn templates() -> WatchedResource<Template> {
    let read =
        |text: &str| decode_object::<PartialObjectMeta<core::Secret>, _>(text, decode::template);
    WatchedResource {
        labels: Some("gardener.cloud/role=operating-system-config"),
        metadata_only: true,
        ..WatchedResource::new(
            ResourceKind::Templates,
            "/api/v1/namespaces/kube-system/secrets",
            4,
            read,
            |store| &mut store.templates,
        )
    }
}

/// Metadata of the Secrets with tokens of service accounts.
pub fn token_secrets() -> WatchedResource<TokenSecret> {
    let read = |text: &str| {
        decode_object::<PartialObjectMeta<core::Secret>, _>(text, decode::token_secret)
    };
    WatchedResource {
        fields: Some("type=kubernetes.io/service-account-token"),
        metadata_only: true,
        ..WatchedResource::new(ResourceKind::TokenSecrets, "/api/v1/secrets", 20, read, |store| {
            &mut store.token_secrets
        })
    }
}

/// `v1 ServiceAccount`.
pub fn service_accounts() -> WatchedResource<ServiceAccount> {
    let read = |text: &str| decode_object::<core::ServiceAccount, _>(text, decode::service_account);
    WatchedResource::new(
        ResourceKind::ServiceAccounts,
        "/api/v1/serviceaccounts",
        40,
        read,
        |store| &mut store.service_accounts,
    )
}

/// `v1 ConfigMap` `kube-root-ca.crt` of every namespace.
pub fn root_bundles() -> WatchedResource<RootBundle> {
    let read = |text: &str| decode_object::<core::ConfigMap, _>(text, decode::root_bundle);
    WatchedResource {
        fields: Some("metadata.name=kube-root-ca.crt"),
        ..WatchedResource::new(ResourceKind::RootBundles, "/api/v1/configmaps", 20, read, |store| {
            &mut store.root_bundles
        })
    }
}

/// `v1 ConfigMap` `default/skeys-checklist`.
pub fn checklists() -> WatchedResource<Result<Arc<Checklist>, String>> {
    let read = |text: &str| {
        decode_object::<core::ConfigMap, _>(text, |object| Some(checklist(object).map(Arc::new)))
    };
    WatchedResource {
        fields: Some("metadata.name=skeys-checklist"),
        ..WatchedResource::new(
            ResourceKind::Checklists,
            "/api/v1/namespaces/default/configmaps",
            1,
            read,
            |store| &mut store.checklists,
        )
    }
}

/// Reads one object. `None`: it is not one of this kind, or has no name.
fn decode_object<K, T>(text: &str, decode: fn(&K) -> Option<T>) -> Option<Item<T>>
where
    K: DeserializeOwned + Resource,
{
    let object: K = serde_json::from_str(text).ok()?;
    let meta = object.meta();
    let name = meta.name.clone().filter(|name| !name.is_empty())?;
    Some(Item {
        key: Key { namespace: meta.namespace.clone().unwrap_or_default(), name },
        uid: meta.uid.clone().unwrap_or_default(),
        version: meta.resource_version.clone().unwrap_or_default(),
        value: decode(&object),
    })
}

/// One page of a list.
pub struct Page<T> {
    pub items: Vec<Item<T>>,
    /// Objects that could not be read.
    pub unreadable: usize,
    /// Where the next page begins.
    pub next: Option<String>,
    /// Version of the whole list; a watch goes on from here.
    pub version: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(default)]
    metadata: RawListMeta,
    #[serde(default, borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
struct RawListMeta {
    #[serde(default, rename = "resourceVersion")]
    version: Option<String>,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// A line of a watch.
pub enum WatchEvent<T> {
    /// Added or modified.
    Put(Item<T>),
    Remove(Item<T>),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// An object that could not be read, with its version.
    Unreadable(String),
}

#[derive(Deserialize)]
struct RawWatchEvent<'a> {
    #[serde(rename = "type")]
    verb: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
struct RawObject {
    #[serde(default)]
    metadata: RawListMeta,
}

impl<T> WatchedResource<T> {
    /// Asks for a page.
    pub fn list_request(&self, next: Option<&str>) -> Result<http::Request<Vec<u8>>, KubeError> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = self.labels.map(str::to_owned);
        params.field_selector = self.fields.map(str::to_owned);
        params.continue_token = next.map(str::to_owned);
        let request = Request::new(self.path);
        if self.metadata_only { request.list_metadata(&params) } else { request.list(&params) }
            .map_err(|error| KubeError::Format(error.to_string()))
    }

    /// Asks to watch from a version on.
    pub fn watch_request(&self, version: &str) -> Result<http::Request<Vec<u8>>, KubeError> {
        let mut params = WatchParams::default().timeout(WATCH_SECONDS);
        params.label_selector = self.labels.map(str::to_owned);
        params.field_selector = self.fields.map(str::to_owned);
        let request = Request::new(self.path);
        if self.metadata_only {
            request.watch_metadata(&params, version)
        } else {
            request.watch(&params, version)
        }
        .map_err(|error| KubeError::Format(error.to_string()))
    }

    /// Reads a page, object by object, so that an unreadable one never hides the others.
    ///
    /// # Errors
    /// It is not a list.
    pub fn decode_page(&self, body: &[u8]) -> Result<Page<T>, KubeError> {
        let page: RawPage<'_> = serde_json::from_slice(body).map_err(|error| format(&error))?;
        let raw = page.items.unwrap_or_default();
        let all = raw.len();
        let items: Vec<Item<T>> =
            raw.into_iter().filter_map(|object| (self.read)(object.get())).collect();
        Ok(Page {
            unreadable: all.saturating_sub(items.len()),
            items,
            next: filled(page.metadata.next),
            version: filled(page.metadata.version),
        })
    }

    /// Reads a line of a watch; `None` for a verb that this program does not know.
    ///
    /// # Errors
    /// It is not an event, or it is an error.
    pub fn decode_event(&self, line: &str) -> Result<Option<WatchEvent<T>>, KubeError> {
        let change: RawWatchEvent<'_> =
            serde_json::from_str(line).map_err(|error| format(&error))?;
        let object = change.object.get();
        let version = || {
            serde_json::from_str::<RawObject>(object)
                .unwrap_or_default()
                .metadata
                .version
                .unwrap_or_default()
        };
        Ok(match change.verb.as_str() {
            "ADDED" | "MODIFIED" | "DELETED" => Some(match (self.read)(object) {
                Some(item) if change.verb == "DELETED" => WatchEvent::Remove(item),
                Some(item) => WatchEvent::Put(item),
                None => WatchEvent::Unreadable(version()),
            }),
            "BOOKMARK" => Some(WatchEvent::Bookmark(version())),
            "ERROR" => {
                let status = serde_json::from_str(object).unwrap_or_default();
                return Err(KubeError::from_event(&status));
            }
            _ => None,
        })
    }
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// Where the text stops being what it should be; never the text itself.
fn format(error: &serde_json::Error) -> KubeError {
    KubeError::Format(format!("line {}, column {}", error.line(), error.column()))
}
