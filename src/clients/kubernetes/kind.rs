//! The kinds of objects that are kept in view: where they are served, what of them is asked for, how they are read.

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

use crate::clients::kubernetes::decode;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::object_cache::{Item, Key};
use crate::clients::kubernetes::store::{ObjectCaches, ResourceKind};
use crate::domain::snapshot::admission::{Admission, Endpoints, Namespace};
use crate::domain::snapshot::{Attachment, BoundVolume, Budget, Event, Node, Pod, Template};

/// Objects that are asked for at once.
pub const PAGE: u32 = 500;
/// The server ends a watch after this; seconds.
pub const WATCH_SECONDS: u32 = 240;

/// One kind of objects.
pub struct Kind<T> {
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
    pub object_cache: ObjectCaches<T>,
}

/// `v1 Node`.
pub fn nodes() -> Kind<Node> {
    Kind {
        resource_kind: ResourceKind::Nodes,
        path: "/api/v1/nodes",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 20,
        read: |text| read::<core::Node, _>(text, decode::node),
        object_cache: |store| &mut store.nodes,
    }
}

/// `v1 Pod` that has not finished.
pub fn pods() -> Kind<Pod> {
    Kind {
        resource_kind: ResourceKind::Pods,
        path: "/api/v1/pods",
        labels: None,
        fields: Some("status.phase!=Succeeded,status.phase!=Failed"),
        metadata_only: false,
        most_pages: 200,
        read: |text| read::<core::Pod, _>(text, decode::pod),
        object_cache: |store| &mut store.pods,
    }
}

/// `policy/v1 PodDisruptionBudget`.
pub fn budgets() -> Kind<Budget> {
    Kind {
        resource_kind: ResourceKind::Budgets,
        path: "/apis/policy/v1/poddisruptionbudgets",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 20,
        read: |text| read::<PodDisruptionBudget, _>(text, decode::budget),
        object_cache: |store| &mut store.budgets,
    }
}

/// `storage.k8s.io/v1 VolumeAttachment`.
pub fn attachments() -> Kind<Attachment> {
    Kind {
        resource_kind: ResourceKind::Attachments,
        path: "/apis/storage.k8s.io/v1/volumeattachments",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 40,
        read: |text| read::<VolumeAttachment, _>(text, decode::attachment),
        object_cache: |store| &mut store.attachments,
    }
}

/// `v1 PersistentVolume` that is bound to a node or a zone.
pub fn volumes() -> Kind<BoundVolume> {
    Kind {
        resource_kind: ResourceKind::Volumes,
        path: "/api/v1/persistentvolumes",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 40,
        read: |text| read::<core::PersistentVolume, _>(text, decode::bound_volume),
        object_cache: |store| &mut store.volumes,
    }
}

/// `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration`.
pub fn validating_webhooks() -> Kind<Admission> {
    Kind {
        resource_kind: ResourceKind::ValidatingWebhooks,
        path: "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 4,
        read: |text| read::<ValidatingWebhookConfiguration, _>(text, decode::validating),
        object_cache: |store| &mut store.validating_webhooks,
    }
}

/// `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`.
pub fn mutating_webhooks() -> Kind<Admission> {
    Kind {
        resource_kind: ResourceKind::MutatingWebhooks,
        path: "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 4,
        read: |text| read::<MutatingWebhookConfiguration, _>(text, decode::mutating),
        object_cache: |store| &mut store.mutating_webhooks,
    }
}

/// `discovery.k8s.io/v1 EndpointSlice`.
pub fn endpoints() -> Kind<Endpoints> {
    Kind {
        resource_kind: ResourceKind::Endpoints,
        path: "/apis/discovery.k8s.io/v1/endpointslices",
        labels: None,
        fields: None,
        metadata_only: false,
        most_pages: 40,
        read: |text| read::<EndpointSlice, _>(text, decode::endpoints),
        object_cache: |store| &mut store.endpoints,
    }
}

/// Metadata of `v1 Namespace`.
pub fn namespaces() -> Kind<Namespace> {
    Kind {
        resource_kind: ResourceKind::Namespaces,
        path: "/api/v1/namespaces",
        labels: None,
        fields: None,
        metadata_only: true,
        most_pages: 20,
        read: |text| read::<PartialObjectMeta<core::Namespace>, _>(text, decode::namespace),
        object_cache: |store| &mut store.namespaces,
    }
}

/// `v1 Event` about nodes; a field selector has no "or", so pods have a list of their own.
pub fn node_events() -> Kind<Event> {
    Kind {
        resource_kind: ResourceKind::NodeEvents,
        path: "/api/v1/events",
        labels: None,
        fields: Some("involvedObject.kind=Node"),
        metadata_only: false,
        most_pages: 20,
        read: |text| read::<core::Event, _>(text, decode::node_event),
        object_cache: |store| &mut store.node_events,
    }
}

/// `v1 Event` about pods.
pub fn pod_events() -> Kind<Event> {
    Kind {
        resource_kind: ResourceKind::PodEvents,
        path: "/api/v1/events",
        labels: None,
        fields: Some("involvedObject.kind=Pod"),
        metadata_only: false,
        most_pages: 20,
        read: |text| read::<core::Event, _>(text, decode::pod_event),
        object_cache: |store| &mut store.pod_events,
    }
}

/// Metadata of the Secrets that describe what the nodes of a pool are meant to be.
pub fn templates() -> Kind<Template> {
    Kind {
        resource_kind: ResourceKind::Templates,
        path: "/api/v1/namespaces/kube-system/secrets",
        labels: Some("gardener.cloud/role=operating-system-config"),
        fields: None,
        metadata_only: true,
        most_pages: 4,
        read: |text| read::<PartialObjectMeta<core::Secret>, _>(text, decode::template),
        object_cache: |store| &mut store.templates,
    }
}

/// Reads one object. `None`: it is not one of this kind, or has no name.
fn read<K, T>(text: &str, decode: fn(&K) -> Option<T>) -> Option<Item<T>>
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

/// What a line of a watch says.
pub enum Change<T> {
    /// Added or modified.
    Put(Item<T>),
    Remove(Item<T>),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// An object that could not be read, with its version.
    Unreadable(String),
}

#[derive(Deserialize)]
struct RawChange<'a> {
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

impl<T> Kind<T> {
    /// Asks for a page.
    pub fn list(&self, next: Option<&str>) -> Result<http::Request<Vec<u8>>, KubeError> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = self.labels.map(str::to_owned);
        params.field_selector = self.fields.map(str::to_owned);
        params.continue_token = next.map(str::to_owned);
        let request = Request::new(self.path);
        if self.metadata_only { request.list_metadata(&params) } else { request.list(&params) }
            .map_err(|error| KubeError::Format(error.to_string()))
    }

    /// Asks to watch from a version on.
    pub fn watch(&self, version: &str) -> Result<http::Request<Vec<u8>>, KubeError> {
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

    /// Reads a page, object by object, so that a strange one never hides the others.
    ///
    /// # Errors
    /// It is not a list.
    pub fn page(&self, body: &[u8]) -> Result<Page<T>, KubeError> {
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
    /// It is not an event, or it tells an error.
    pub fn change(&self, line: &str) -> Result<Option<Change<T>>, KubeError> {
        let change: RawChange<'_> = serde_json::from_str(line).map_err(|error| format(&error))?;
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
                Some(item) if change.verb == "DELETED" => Change::Remove(item),
                Some(item) => Change::Put(item),
                None => Change::Unreadable(version()),
            }),
            "BOOKMARK" => Some(Change::Bookmark(version())),
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
