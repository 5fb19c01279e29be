//! The watched resources: path, selectors, decoder, and cache.

use std::sync::Arc;

use jiff::Timestamp;
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
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::clients::kubernetes::decode;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::object_cache::{Item, Key, ObjectCache};
use crate::domain::checklist::Checklist;
use crate::domain::snapshot::admission::{Endpoints, Namespace, WebhookConfiguration};
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, Event, Node, Pod, RootBundle, ServiceAccount, Template,
    TokenSecret,
};

/// Objects per page.
pub const PAGE: u32 = 500;
/// The server ends a watch after this many seconds.
pub const WATCH_SECONDS: u32 = 240;
/// Maximum events kept, of nodes and of pods each.
const MOST_EVENTS: usize = 500;

/// Objects of one kind that are listed and watched.
pub struct WatchedResource<T> {
    pub kind: ResourceKind,
    path: &'static str,
    labels: Option<&'static str>,
    fields: Option<&'static str>,
    metadata_only: bool,
    /// Maximum pages to read.
    pub most_pages: usize,
    read: fn(&str) -> Option<Item<T>>,
    /// The time by which only the latest objects are kept.
    latest: Option<fn(&T) -> Option<Timestamp>>,
    /// Its cache in the store.
    pub cache: fn(&mut ResourceCaches) -> &mut ObjectCache<T>,
}

impl<T: PartialEq> WatchedResource<T> {
    /// Maximum objects kept, whether from a list or a watch.
    pub fn most_objects(&self) -> usize {
        self.most_pages.saturating_mul(usize::try_from(PAGE).unwrap_or(usize::MAX))
    }

    /// Whether only the latest objects are kept.
    pub fn is_bounded(&self) -> bool {
        self.latest.is_some()
    }

    fn empty_cache(&self) -> ObjectCache<T> {
        match self.latest {
            Some(moment) => ObjectCache::bounded(MOST_EVENTS, moment),
            None => ObjectCache::default(),
        }
    }
}

/// Visits each resource generically.
pub trait ResourceVisitor {
    fn visit<T: PartialEq + Send + Sync + 'static>(&mut self, resource: WatchedResource<T>);
}

/// A row: name and type of its cache, kind and its name in [`ClusterSnapshot::unseen`], API object, decoder, path,
/// maximum pages, and fields of [`WatchedResource`] that differ from the defaults.
///
/// [`ClusterSnapshot::unseen`]: crate::domain::snapshot::ClusterSnapshot::unseen
macro_rules! resources {
    ($(
        $(#[$doc:meta])*
        $cache:ident: $value:ty = $kind:ident $name:literal,
        $object:ty => $decode:expr, $path:literal, $most_pages:literal
        $(, $field:ident: $setting:expr)*;
    )*) => {
        /// A kind that is listed and watched.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ResourceKind {
            $($(#[$doc])* $kind,)*
        }

        impl ResourceKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The API's plural, where it is unique.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }

        /// The cache of each kind.
        pub struct ResourceCaches {
            $(pub $cache: ObjectCache<$value>,)*
        }

        impl Default for ResourceCaches {
            fn default() -> Self {
                Self { $($cache: $cache().empty_cache(),)* }
            }
        }

        $(
        $(#[$doc])*
        pub fn $cache() -> WatchedResource<$value> {
            let usual = WatchedResource {
                kind: ResourceKind::$kind,
                path: $path,
                labels: None,
                fields: None,
                metadata_only: false,
                most_pages: $most_pages,
                read: |text| decode_object::<$object, _>(text, $decode),
                latest: None,
                cache: |caches| &mut caches.$cache,
            };
            WatchedResource { $($field: $setting,)* ..usual }
        })*

        /// Visits all resources.
        pub fn visit_all(visitor: &mut impl ResourceVisitor) {
            $(visitor.visit($cache());)*
        }
    };
}

resources! {
    /// `v1 Node`; up to the 5,000 that Kubernetes supports.
    nodes: Node = Nodes "nodes", core::Node => decode::node, "/api/v1/nodes", 10;
    /// Metadata of the Secrets with the desired state of a pool's nodes.
    templates: Template = Templates "secrets",
        PartialObjectMeta<core::Secret> => decode::template, "/api/v1/namespaces/kube-system/secrets", 4,
        labels: Some("gardener.cloud/role=operating-system-config"), metadata_only: true;
    /// `v1 Pod`, including finished ones: they may keep a node from being removed.
    pods: Pod = Pods "pods", core::Pod => decode::pod, "/api/v1/pods", 200;
    /// `policy/v1 PodDisruptionBudget`.
    budgets: Budget = Budgets "poddisruptionbudgets",
        PodDisruptionBudget => decode::budget, "/apis/policy/v1/poddisruptionbudgets", 20;
    /// `storage.k8s.io/v1 VolumeAttachment`.
    attachments: Attachment = Attachments "volumeattachments",
        VolumeAttachment => decode::attachment, "/apis/storage.k8s.io/v1/volumeattachments", 40;
    /// `v1 PersistentVolume` that is bound to a node or a zone.
    volumes: BoundVolume = Volumes "persistentvolumes",
        core::PersistentVolume => decode::bound_volume, "/api/v1/persistentvolumes", 40;
    /// `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration`.
    validating_webhooks: WebhookConfiguration = ValidatingWebhooks "validatingwebhookconfigurations",
        ValidatingWebhookConfiguration => decode::validating,
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", 4;
    /// `admissionregistration.k8s.io/v1 MutatingWebhookConfiguration`.
    mutating_webhooks: WebhookConfiguration = MutatingWebhooks "mutatingwebhookconfigurations",
        MutatingWebhookConfiguration => decode::mutating,
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", 4;
    /// `discovery.k8s.io/v1 EndpointSlice`.
    endpoints: Endpoints = Endpoints "endpointslices",
        EndpointSlice => decode::endpoints, "/apis/discovery.k8s.io/v1/endpointslices", 40;
    /// Metadata of `v1 Namespace`.
    namespaces: Namespace = Namespaces "namespaces",
        PartialObjectMeta<core::Namespace> => decode::namespace, "/api/v1/namespaces", 20,
        metadata_only: true;
    /// Metadata of the Secrets with service account tokens.
    token_secrets: TokenSecret = TokenSecrets "token secrets",
        PartialObjectMeta<core::Secret> => decode::token_secret, "/api/v1/secrets", 20,
        fields: Some("type=kubernetes.io/service-account-token"), metadata_only: true;
    /// `v1 ServiceAccount`.
    service_accounts: ServiceAccount = ServiceAccounts "serviceaccounts",
        core::ServiceAccount => decode::service_account, "/api/v1/serviceaccounts", 40;
    /// `v1 ConfigMap` `kube-root-ca.crt` of every namespace.
    root_bundles: RootBundle = RootBundles "configmaps",
        core::ConfigMap => decode::root_bundle, "/api/v1/configmaps", 20,
        fields: Some("metadata.name=kube-root-ca.crt");
    /// `v1 ConfigMap` `default/skeys-checklist`.
    checklists: Result<Arc<Checklist>, String> = Checklists "checklist",
        core::ConfigMap => |object| Some(decode::checklist(object).map(Arc::new)),
        "/api/v1/namespaces/default/configmaps", 1,
        fields: Some("metadata.name=skeys-checklist");
    /// `v1 Event` about nodes; a field selector has no "or", so pods have their own list.
    node_events: Event = NodeEvents "events", core::Event => decode::node_event, "/api/v1/events", 20,
        fields: Some("involvedObject.kind=Node"), latest: Some(|event| event.at);
    /// `v1 Event` about pods.
    pod_events: Event = PodEvents "events", core::Event => decode::pod_event, "/api/v1/events", 20,
        fields: Some("involvedObject.kind=Pod"), latest: Some(|event| event.at);
    /// `v1 Event` about controllers that could not create a pod.
    creation_events: Event = CreationEvents "events", core::Event => decode::creation_event,
        "/api/v1/events", 20, fields: Some("reason=FailedCreate"), latest: Some(|event| event.at);
}

/// Decodes one object. `None`: another kind, or no name.
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
    /// Objects that could not be decoded.
    pub unreadable: usize,
    /// Continue token of the next page.
    pub next: Option<String>,
    /// Version of the whole list; the watch starts from here.
    pub version: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(default)]
    metadata: ListMeta,
    /// Always present in Kubernetes, if only as null: a body without it is not a list.
    #[serde(borrow, deserialize_with = "null_as_empty")]
    items: Vec<&'a RawValue>,
}

/// Reads a required field that may be null.
pub fn null_as_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `ListMeta`.
#[derive(Deserialize, Default)]
pub struct ListMeta {
    #[serde(default, rename = "resourceVersion")]
    version: Option<String>,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl ListMeta {
    /// Continue token of the next page.
    pub fn next(self) -> Option<String> {
        filled(self.next)
    }
}

/// One event of a watch.
pub enum WatchEvent<T> {
    /// Added or modified.
    Put(Item<T>),
    Remove(Item<T>),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// An object that could not be decoded, with its version.
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
    metadata: ListMeta,
}

impl<T> WatchedResource<T> {
    /// Request for a page.
    pub fn list_request(&self, next: Option<&str>) -> Result<http::Request<Vec<u8>>, KubeError> {
        let mut params = ListParams::default().limit(PAGE);
        params.label_selector = self.labels.map(str::to_owned);
        params.field_selector = self.fields.map(str::to_owned);
        params.continue_token = next.map(str::to_owned);
        let request = Request::new(self.path);
        if self.metadata_only { request.list_metadata(&params) } else { request.list(&params) }
            .map_err(|error| KubeError::Format(error.to_string()))
    }

    /// Request for a watch from a version on.
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

    /// Decodes a page object by object, so that a malformed one does not hide the others.
    pub fn decode_page(&self, body: &[u8]) -> Result<Page<T>, KubeError> {
        let page: RawPage<'_> = serde_json::from_slice(body).map_err(|error| format(&error))?;
        let raw = page.items;
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

    /// Decodes a line of a watch; `None` for an unknown event type.
    ///
    /// # Errors
    /// It is not an event, or it is an error event.
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

/// Position where the text stops matching; never the text itself.
fn format(error: &serde_json::Error) -> KubeError {
    KubeError::Format(format!("line {}, column {}", error.line(), error.column()))
}
