//! Admission webhooks for nodes or evictions: their service, its endpoints, what is rejected without endpoints, and
//! what they deny.

use std::sync::Arc;

use jiff::Timestamp;

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, StoredEndpoint, StoredObject, StoredService, StoredWebhook,
};

/// Label of an EndpointSlice with its service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl DataPlane {
    /// Creates the webhook of a workload, if it has one, with its service.
    pub(super) fn create_webhook(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let Some(resource) = workload.scene.guarded() else { return };
        let denies = workload.scene.denies_evictions;
        let service = workload.key.clone();
        let name = &service.name;
        let meta = self.new_meta(service.clone(), at);
        let number = u32::try_from(number).unwrap_or(0);
        let body = ObjectBody::Service(StoredService { app: Arc::clone(name), number });
        self.store.put(StoredObject { meta, body });
        let slice = service.sibling(format!("{name}-{}", self.rng.name_suffix(5)));
        let mut meta = self.new_meta(slice, at);
        meta.labels.insert(SERVICE_NAME.into(), Arc::clone(name));
        self.store.put(StoredObject { meta, body: ObjectBody::EndpointSlice(Vec::new()) });
        let meta = self.new_meta(ObjectKey::global(Arc::clone(name)), at);
        let failure_policy = "Fail".into();
        let webhook = StoredWebhook { service, resource, denies, failure_policy, generation: 1 };
        self.store.put(StoredObject { meta, body: ObjectBody::ValidatingWebhook(webhook) });
    }

    /// Updates the endpoints of a workload's service.
    pub(super) fn update_endpoints(&mut self, number: usize) {
        let guarded = self.workloads.get(number).filter(|w| w.scene.guarded().is_some());
        let Some(workload) = guarded else { return };
        let endpoint = |key: &ObjectKey| {
            let object = self.store.get(ObjectKind::Pod, key)?;
            let pod = object.pod()?;
            Some(StoredEndpoint {
                pod: Arc::clone(&key.name),
                node: pod.node.clone()?,
                number: pod.number,
                serving: pod.ready.0,
                terminating: object.meta.deletion.is_some(),
            })
        };
        let endpoints = workload.pods.iter().filter_map(endpoint).collect();
        if let Some(slice) = self.endpoint_slice(&workload.key).map(|s| s.meta.key.clone()) {
            self.store.edit(ObjectKind::EndpointSlice, &slice, |object| {
                object.body = ObjectBody::EndpointSlice(endpoints);
            });
        }
    }

    /// The service of a webhook that makes the API server reject a resource, since it has no endpoints.
    pub(super) fn refusing_service(&self, resource: &str) -> Option<&ObjectKey> {
        let mut asked = self.asked_webhooks(resource);
        let refusing = |webhook: &&StoredWebhook| {
            *webhook.failure_policy == *"Fail" && !self.is_served(&webhook.service)
        };
        asked.find(refusing).map(|webhook| &webhook.service)
    }

    /// The service of a webhook that denies a resource.
    pub(super) fn denying_service(&self, resource: &str) -> Option<&ObjectKey> {
        let mut asked = self.asked_webhooks(resource);
        let denying = asked.find(|webhook| webhook.denies && self.is_served(&webhook.service));
        denying.map(|webhook| &webhook.service)
    }

    fn asked_webhooks(&self, resource: &str) -> impl Iterator<Item = &StoredWebhook> {
        self.store.list(ObjectKind::ValidatingWebhook).filter_map(move |object| {
            let ObjectBody::ValidatingWebhook(webhook) = &object.body else { return None };
            (webhook.resource == resource).then_some(webhook)
        })
    }

    fn is_served(&self, service: &ObjectKey) -> bool {
        self.endpoint_slice(service).is_some_and(|slice| {
            matches!(&slice.body, ObjectBody::EndpointSlice(all) if all.iter().any(|one| one.serving))
        })
    }

    fn endpoint_slice(&self, service: &ObjectKey) -> Option<&Arc<StoredObject>> {
        self.store.list(ObjectKind::EndpointSlice).find(|object| {
            object.meta.key.namespace == service.namespace
                && object.label(SERVICE_NAME) == Some(&*service.name)
        })
    }
}
