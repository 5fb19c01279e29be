//! Admission webhooks that guard nodes: their service, what stands behind it, and what is refused while nothing does.

use jiff::Timestamp;

use crate::simulator::cluster::data_plane::{DataPlane, text};
use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, StoredEndpoint, StoredObject, StoredService, StoredWebhook,
    Text,
};

/// Label of slices: their service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl DataPlane {
    /// Makes the webhook that a workload answers for, with its service, if there is one.
    pub(in crate::simulator::cluster) fn make_webhook(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number).filter(|w| w.guards_nodes) else { return };
        let (namespace, name) = (Text::clone(&workload.namespace), Text::clone(&workload.name));
        let service = ObjectKey { namespace: Text::clone(&namespace), name: Text::clone(&name) };
        let number = u32::try_from(number).unwrap_or(0);
        let meta = self.meta(service.clone(), at);
        let body = ObjectBody::Service(StoredService { app: Text::clone(&name), number });
        self.store.put(StoredObject { meta, body });
        let slice = format!("{name}-{}", self.rng.name_suffix(5));
        let mut meta = self.meta(ObjectKey { namespace, name: slice.into() }, at);
        meta.labels.insert(SERVICE_NAME.into(), Text::clone(&name));
        self.store.put(StoredObject { meta, body: ObjectBody::EndpointSlice(Vec::new()) });
        let meta = self.meta(ObjectKey::global(&name), at);
        let webhook = StoredWebhook { service, failure_policy: text("Fail") };
        self.store.put(StoredObject { meta, body: ObjectBody::ValidatingWebhook(webhook) });
    }

    /// Writes what stands behind the service of a workload.
    pub(in crate::simulator::cluster) fn list_endpoints(&mut self, number: usize) {
        let Some(workload) = self.workloads.get(number).filter(|w| w.guards_nodes) else { return };
        let endpoint = |key: &ObjectKey| {
            let object = self.store.get(ObjectKind::Pod, key)?;
            let pod = object.pod()?;
            Some(StoredEndpoint {
                pod: Text::clone(&key.name),
                node: pod.node.clone()?,
                number: pod.number,
                serving: pod.ready.0,
                terminating: object.meta.deletion.is_some(),
            })
        };
        let endpoints: Vec<StoredEndpoint> = workload.pods.iter().filter_map(endpoint).collect();
        let service = ObjectKey {
            namespace: Text::clone(&workload.namespace),
            name: Text::clone(&workload.name),
        };
        if let Some(slice) = self.slice_of(&service) {
            self.store.edit(ObjectKind::EndpointSlice, &slice, |object| {
                object.body = ObjectBody::EndpointSlice(endpoints);
            });
        }
    }

    /// Whether a webhook that must agree to new nodes cannot be asked.
    pub(in crate::simulator::cluster) fn refuses_nodes(&self) -> bool {
        self.store.list(ObjectKind::ValidatingWebhook).any(|object| {
            let ObjectBody::ValidatingWebhook(webhook) = &object.body else { return false };
            let serves = |slice: ObjectKey| {
                self.store.get(ObjectKind::EndpointSlice, &slice).is_some_and(|slice| {
                    matches!(&slice.body, ObjectBody::EndpointSlice(all) if all.iter().any(|one| one.serving))
                })
            };
            *webhook.failure_policy == *"Fail"
                && !self.slice_of(&webhook.service).is_some_and(serves)
        })
    }

    fn slice_of(&self, service: &ObjectKey) -> Option<ObjectKey> {
        let slices = self.store.list(ObjectKind::EndpointSlice);
        let mut of_it = slices.filter(|object| {
            object.meta.key.namespace == service.namespace
                && object.label(SERVICE_NAME) == Some(&*service.name)
        });
        of_it.next().map(|object| object.meta.key.clone())
    }

    /// Somebody deletes the configuration of a webhook.
    pub fn delete_webhook(&mut self, key: &ObjectKey) {
        self.store.remove(ObjectKind::ValidatingWebhook, key);
    }
}
