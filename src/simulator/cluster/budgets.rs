//! Controllers and PodDisruptionBudgets: their status, and evictions within it, as kube-controller-manager and
//! kube-apiserver do it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{
    IntOrPercent, ObjectBody, ObjectKey, ObjectKind, StoredBudget, StoredController, StoredObject,
};
use crate::simulator::scene::WorkloadKind;

/// Why a pod is not evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvictionRefusal {
    NotFound,
    /// The eviction API does not support more than one budget for a pod.
    SeveralBudgets,
    /// The budget allows no disruption now.
    Budget {
        budget: ObjectKey,
        desired: u32,
        healthy: u32,
    },
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
            generation: 1,
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
            generation: 1,
        };
        self.put_labelled(own.clone(), &own, ObjectBody::Controller(controller), at);
    }

    /// Counts the pods of a workload for its controller, its budgets and its endpoints.
    pub(super) fn count_pods(&mut self, number: usize) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (mut healthy, mut pods) = (0, 0);
        for key in &workload.pods {
            let Some(object) = self.store.get(ObjectKind::Pod, key) else { continue };
            pods += 1;
            if object.meta.deletion.is_none() && object.pod().is_some_and(|pod| pod.ready.0) {
                healthy += 1;
            }
        }
        let replicas = workload.scene.replicas;
        if let Some(kind) = controller_kind(workload.scene.kind) {
            let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            self.store.edit(kind, &workload.key, |object| {
                if let Some(controller) = object.controller_mut() {
                    controller.replicas =
                        if kind == ObjectKind::DaemonSet { nodes } else { replicas };
                    (controller.pods, controller.ready) = (pods, healthy);
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

    /// Evicts a pod, if its budget allows it, with its own grace period or another one.
    pub fn evict(
        &mut self,
        key: &ObjectKey,
        grace: Option<i64>,
        at: Timestamp,
    ) -> Result<(), EvictionRefusal> {
        let object = self.store.get(ObjectKind::Pod, key).ok_or(EvictionRefusal::NotFound)?;
        let pod = object.pod().ok_or(EvictionRefusal::NotFound)?;
        let budgets = self.workloads.get(pod.workload).map_or(&[][..], |w| &w.budgets);
        // Pods that are not bound, or are being deleted, are not disrupted.
        if pod.node.is_some() && object.meta.deletion.is_none() {
            if budgets.len() > 1 {
                return Err(EvictionRefusal::SeveralBudgets);
            }
            let stored = budgets.first().and_then(|key| self.store.get(ObjectKind::Budget, key));
            if let Some(stored) = stored
                && let Some(&StoredBudget { allowed, healthy, desired, .. }) = stored.budget()
            {
                let unready = !pod.ready.0 && healthy >= desired && desired > 0;
                if allowed == 0 && !unready {
                    let budget = stored.meta.key.clone();
                    return Err(EvictionRefusal::Budget { budget, desired, healthy });
                }
            }
        }
        self.delete_pod(key, grace, at);
        // The next eviction has to see the new figures.
        while let Some(workload) = self.dirty.budgets.pop_first() {
            self.count_pods(workload);
        }
        Ok(())
    }

    /// A client deletes a budget.
    pub fn delete_budget(&mut self, key: &ObjectKey) {
        self.store.remove(ObjectKind::Budget, key);
        if let Some(workload) = self.budgets.remove(key).and_then(|n| self.workloads.get_mut(n)) {
            workload.budgets.retain(|known| known != key);
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
