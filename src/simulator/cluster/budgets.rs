//! Controllers and PodDisruptionBudgets: their status, and evictions within it, like kube-controller-manager and
//! kube-apiserver.

use std::sync::Arc;

use jiff::Timestamp;

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::objects::{
    Deletion, IntOrPercent, LabelMap, ObjectBody, ObjectKey, ObjectKind, ObjectMeta,
    OwnerReference, StoredBudget, StoredController, StoredObject, TEMPLATE_GENERATION,
};
use crate::simulator::scene::WorkloadKind;

/// Why a pod is not evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvictionRefusal {
    NotFound,
    /// The eviction API does not support more than one budget for a pod.
    SeveralBudgets,
    /// An admission webhook must be called, but its service has no endpoints.
    Webhook(ObjectKey),
    /// An admission webhook denies it, in the API server's words.
    Denied(String),
    /// The budget has just been changed.
    Unobserved(ObjectKey),
    /// The budget currently allows no disruption.
    Budget {
        budget: ObjectKey,
        desired: u32,
        healthy: u32,
    },
}

/// Label of pods and ReplicaSets: the hash of their template.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";
/// Annotation of Deployments and ReplicaSets: the revision of the template.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// The relevant state of a pod.
struct CountedPod {
    owner: Option<Arc<str>>,
    revision: u32,
    deleted: bool,
    healthy: bool,
}

impl DataPlane {
    fn put_labelled(&mut self, key: ObjectKey, app: &ObjectKey, body: ObjectBody, at: Timestamp) {
        let mut meta = self.new_meta(key, at);
        meta.labels.insert("app".into(), Arc::clone(&app.name));
        self.store.put(StoredObject { meta, body });
    }

    pub(super) fn create_budgets(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let own = workload.key.clone();
        let budget = StoredBudget {
            app: Arc::clone(&own.name),
            min_available: workload.scene.min_available.clone(),
            max_unavailable: workload.scene.max_unavailable.clone(),
            unhealthy_policy: None,
            generation: 1,
            observed: 1,
            allowed: 0,
            healthy: 0,
            desired: 0,
            expected: 0,
        };
        for key in workload.budgets.clone() {
            self.put_labelled(key.clone(), &own, ObjectBody::Budget(budget.clone()), at);
            self.budgets.insert(key, number);
        }
    }

    pub(super) fn create_controller(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let Some(kind) = controller_kind(workload.scene.kind) else { return };
        let own = workload.key.clone();
        let controller = StoredController {
            kind,
            workload: number,
            app: Arc::clone(&own.name),
            replicas: workload.scene.replicas,
            pods: 0,
            ready: 0,
            updated: 0,
            revision: 1,
            template_annotations: LabelMap::new(),
            generation: 1,
        };
        self.put_labelled(own.clone(), &own, ObjectBody::Controller(controller), at);
        self.store.edit(ObjectKind::DaemonSet, &own, |object| {
            object.meta.annotations.insert(TEMPLATE_GENERATION.into(), "1".into());
        });
        self.create_replica_set(number, at);
    }

    /// Creates the ReplicaSet for a Deployment's current template.
    pub(super) fn create_replica_set(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let Some(owner) = workload.owner.clone().filter(|owner| owner.kind == "ReplicaSet") else {
            return;
        };
        let (own, revision) = (workload.key.clone(), workload.revision);
        let Some(deployment) = self.store.get(ObjectKind::Deployment, &own) else { return };
        let Some(controller) = deployment.controller() else { return };
        let body = ObjectBody::Controller(StoredController {
            kind: ObjectKind::ReplicaSet,
            generation: 1,
            ..controller.clone()
        });
        let mut meta = ObjectMeta::new(own.sibling(Arc::clone(&owner.name)), owner.uid, at);
        meta.owner = Some(OwnerReference {
            version: "apps/v1",
            kind: "Deployment",
            name: Arc::clone(&own.name),
            uid: Arc::clone(&deployment.meta.uid),
        });
        meta.labels.insert("app".into(), Arc::clone(&own.name));
        let hash = owner.name.rsplit('-').next().unwrap_or_default();
        meta.labels.insert(TEMPLATE_HASH.into(), hash.into());
        meta.annotations.insert(REVISION.into(), revision.to_string().into());
        self.store.put(StoredObject { meta, body });
    }

    /// Counts the pods of a workload for its controllers, its budgets and its endpoints.
    pub(super) fn count_pods(&mut self, number: usize) {
        let Some(workload) = self.workloads.get(number) else { return };
        let counted: Vec<CountedPod> = workload
            .pods
            .iter()
            .filter_map(|key| {
                let object = self.store.get(ObjectKind::Pod, key)?;
                let pod = object.pod()?;
                Some(CountedPod {
                    owner: object.meta.owner.as_ref().map(|owner| Arc::clone(&owner.uid)),
                    revision: pod.revision,
                    deleted: object.meta.deletion.is_some(),
                    healthy: object.meta.deletion.is_none() && pod.ready.0,
                })
            })
            .collect();
        let count = |wanted: &dyn Fn(&CountedPod) -> bool| {
            u32::try_from(counted.iter().filter(|pod| wanted(pod)).count()).unwrap_or(u32::MAX)
        };
        let (pods, healthy) = (count(&|_| true), count(&|pod| pod.healthy));
        let revision = workload.revision;
        let active = count(&|pod| !pod.deleted);
        let updated = count(&|pod| !pod.deleted && pod.revision == revision);
        let replicas = workload.scene.replicas;
        if let Some(kind) = controller_kind(workload.scene.kind) {
            let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            self.store.edit(kind, &workload.key, |object| {
                if let Some(controller) = object.controller_mut() {
                    controller.replicas =
                        if kind == ObjectKind::DaemonSet { nodes } else { replicas };
                    (controller.pods, controller.ready) = (active, healthy);
                    (controller.updated, controller.revision) = (updated, revision);
                }
            });
        }
        for owner in workload.earlier.iter().chain(&workload.owner) {
            let is_owned = |pod: &CountedPod| pod.owner.as_ref() == Some(&owner.uid);
            let key = workload.key.sibling(Arc::clone(&owner.name));
            self.store.edit(ObjectKind::ReplicaSet, &key, |object| {
                if let Some(controller) = object.controller_mut() {
                    controller.replicas = count(&|pod| is_owned(pod) && !pod.deleted);
                    controller.pods = controller.replicas;
                    controller.ready = count(&|pod| is_owned(pod) && pod.healthy);
                }
            });
        }
        for key in &workload.budgets {
            self.store.edit(ObjectKind::Budget, key, |object| {
                let Some(budget) = object.budget_mut() else { return };
                let (expected, desired) = match (&budget.min_available, &budget.max_unavailable) {
                    (_, Some(most)) => (replicas, replicas.saturating_sub(most.of(replicas))),
                    (Some(IntOrPercent::Int(least)), None) => (pods, *least),
                    (Some(least), None) => (replicas, least.of(replicas)),
                    (None, None) => (replicas, replicas),
                };
                budget.healthy = healthy;
                budget.desired = desired;
                budget.expected = expected;
                budget.allowed =
                    if expected == 0 { 0 } else { u32::saturating_sub(healthy, desired) };
            });
        }
        self.update_endpoints(number);
    }

    /// The budgets whose selector covers a pod.
    fn budgets_of(&self, pod: &StoredObject) -> Vec<&StoredObject> {
        let (namespace, app) = (&pod.meta.key.namespace, pod.label("app"));
        let in_namespace = self.budgets.range(ObjectKey::new(Arc::clone(namespace), "")..);
        in_namespace
            .take_while(|(key, _)| key.namespace == *namespace)
            .filter_map(|(key, _)| self.store.get(ObjectKind::Budget, key))
            .filter(|object| object.budget().is_some_and(|budget| Some(&*budget.app) == app))
            .map(|object| &**object)
            .collect()
    }

    /// Whether the eviction of a pod would be refused.
    pub fn check_eviction(&self, key: &ObjectKey) -> Result<(), EvictionRefusal> {
        let object = self.store.get(ObjectKind::Pod, key).ok_or(EvictionRefusal::NotFound)?;
        let pod = object.pod().ok_or(EvictionRefusal::NotFound)?;
        if let Some(service) = self.refusing_service("pods/eviction") {
            return Err(EvictionRefusal::Webhook(service.clone()));
        }
        if let Some(ObjectKey { name, .. }) = self.denying_service("pods/eviction") {
            let why = "drains are closed until the weekend";
            return Err(EvictionRefusal::Denied(format!(
                "admission webhook \"{name}.example.com\" denied the request: {why}"
            )));
        }
        // Pods that do not run or are terminating are not disrupted.
        if pod.started.is_none() || object.meta.deletion.is_some() {
            return Ok(());
        }
        let budgets = self.budgets_of(object);
        let [stored] = budgets[..] else {
            return if budgets.is_empty() { Ok(()) } else { Err(EvictionRefusal::SeveralBudgets) };
        };
        let Some(budget) = stored.budget() else { return Ok(()) };
        let StoredBudget { allowed, healthy, desired, generation, observed, .. } = *budget;
        let always = budget.unhealthy_policy.as_deref() == Some("AlwaysAllow");
        if !pod.ready.0 && (always || healthy >= desired && desired > 0) {
            return Ok(());
        }
        let key = stored.meta.key.clone();
        if observed < generation {
            Err(EvictionRefusal::Unobserved(key))
        } else if allowed == 0 {
            Err(EvictionRefusal::Budget { budget: key, desired, healthy })
        } else {
            Ok(())
        }
    }

    /// Evicts a pod, if its budget allows it, with its own or another grace period.
    pub fn evict(
        &mut self,
        key: &ObjectKey,
        grace: Option<i64>,
        at: Timestamp,
    ) -> Result<(), EvictionRefusal> {
        let refusal = self.check_eviction(key);
        if let Err(EvictionRefusal::Denied(why)) = &refusal {
            let event = NewEvent::warning("drain-guard", "EvictionDenied", why.clone());
            self.pod_event(key, at, event);
        }
        refusal?;
        self.delete_pod(key, grace, at);
        // The next eviction must see the new status.
        while let Some(workload) = self.dirty.budgets.pop_first() {
            self.count_pods(workload);
        }
        Ok(())
    }

    /// The disruption controller observes the changed budgets of a workload.
    pub(super) fn observe_budget(&mut self, key: &ObjectKey) {
        self.store.edit(ObjectKind::Budget, key, |object| {
            if let Some(budget) = object.budget_mut() {
                budget.observed = budget.generation;
            }
        });
        self.dirty.budgets.extend(self.budgets.get(key));
    }

    /// A client deletes a budget.
    pub fn delete_budget(&mut self, key: &ObjectKey) {
        self.store.remove(ObjectKind::Budget, key);
        if let Some(workload) = self.budgets.remove(key).and_then(|n| self.workloads.get_mut(n)) {
            workload.budgets.retain(|known| known != key);
        }
    }

    /// A client deletes an object other than a pod: it is removed with its last finalizer.
    pub fn delete_object(&mut self, kind: ObjectKind, key: &ObjectKey, at: Timestamp) {
        let Some(object) = self.store.get(kind, key) else { return };
        if !object.meta.finalizers.is_empty() {
            self.store.edit(kind, key, |object| {
                object.meta.deletion.get_or_insert(Deletion { by: at, grace: 0 });
            });
            return;
        }
        if kind == ObjectKind::Budget {
            self.delete_budget(key);
        } else if kind == ObjectKind::Node {
            self.delete_node(&key.name, at);
        } else {
            self.store.remove(kind, key);
        }
    }

    /// Whether a budget, written as "namespace/name", is misconfigured.
    pub fn is_misconfigured(&self, budget: &str) -> bool {
        let (namespace, name) = budget.split_once('/').unwrap_or(("default", budget));
        self.store
            .get(ObjectKind::Budget, &ObjectKey::new(namespace, name))
            .and_then(|object| object.budget())
            .is_some_and(StoredBudget::is_misconfigured)
    }
}

fn controller_kind(kind: WorkloadKind) -> Option<ObjectKind> {
    match kind {
        WorkloadKind::Deployment => Some(ObjectKind::Deployment),
        WorkloadKind::StatefulSet => Some(ObjectKind::StatefulSet),
        WorkloadKind::DaemonSet => Some(ObjectKind::DaemonSet),
        WorkloadKind::Bare => None,
    }
}
