//! `PodDisruptionBudget`s: their figures, and evictions within them, as kube-controller-manager and kube-apiserver do it.

use std::fmt;

use jiff::Timestamp;

use crate::simulator::cluster::data_plane::{DataPlane, text};
use crate::simulator::cluster::objects::{
    IntOrPercent, ObjectBody, ObjectKey, ObjectKind, StoredBudget, StoredController, StoredObject,
    Text,
};
use crate::simulator::scene::WorkloadKind;

/// Why a pod is not evicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvictionRefusal {
    /// There is no such pod.
    Absent,
    /// More than one budget covers it; the API cannot do that at all.
    Several,
    /// Its budget allows no disruption now.
    Budget {
        /// Namespace and name.
        budget: Named,
        /// `status.desiredHealthy`.
        desired: u32,
        /// `status.currentHealthy`.
        healthy: u32,
    },
}

/// A budget's namespace and name, as they are written ("payments/api").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(pub ObjectKey);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.namespace, self.0.name)
    }
}

impl DataPlane {
    /// Makes the budgets of a workload.
    pub(in crate::simulator::cluster) fn make_budgets(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (keys, app) = (workload.budgets.clone(), Text::clone(&workload.name));
        let (min, max) = (workload.min_available.clone(), workload.max_unavailable.clone());
        for key in keys {
            let mut meta = self.meta(key.clone(), at);
            meta.labels.insert("app".into(), Text::clone(&app));
            let budget = StoredBudget {
                app: Text::clone(&app),
                min_available: min.clone(),
                max_unavailable: max.clone(),
                generation: 1,
                allowed: 0,
                healthy: 0,
                desired: 0,
                expected: 0,
            };
            self.store.put(StoredObject { meta, body: ObjectBody::Budget(budget) });
            self.budgets.insert(key, number);
        }
    }

    /// Makes the object that controls the pods of a workload, if there is one.
    pub(in crate::simulator::cluster) fn make_controller(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let Some(kind) = controller_kind(workload.kind) else { return };
        let key = ObjectKey {
            namespace: Text::clone(&workload.namespace),
            name: Text::clone(&workload.name),
        };
        let (app, wanted) = (Text::clone(&workload.name), workload.replicas);
        let mut meta = self.meta(key, at);
        meta.labels.insert("app".into(), Text::clone(&app));
        let body = ObjectBody::Controller(StoredController {
            kind,
            workload: number,
            app,
            wanted,
            there: 0,
            ready: 0,
            generation: 1,
        });
        self.store.put(StoredObject { meta, body });
    }

    /// Counts the pods of a workload for its controller, its budgets and its service.
    pub(in crate::simulator::cluster) fn count_pods(&mut self, number: usize) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (mut healthy, mut there) = (0, 0);
        for key in &workload.pods {
            let Some(object) = self.store.get(ObjectKind::Pod, key) else { continue };
            there += 1;
            if object.meta.deletion.is_none() && object.pod().is_some_and(|pod| pod.ready.0) {
                healthy += 1;
            }
        }
        if let Some(kind) = controller_kind(workload.kind) {
            let key = ObjectKey {
                namespace: Text::clone(&workload.namespace),
                name: Text::clone(&workload.name),
            };
            let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            let wanted = if kind == ObjectKind::DaemonSet { nodes } else { workload.replicas };
            self.store.edit(kind, &key, |object| {
                if let ObjectBody::Controller(controller) = &mut object.body {
                    (controller.wanted, controller.there, controller.ready) =
                        (wanted, there, healthy);
                }
            });
        }
        let replicas = workload.replicas;
        for key in workload.budgets.clone() {
            self.store.edit(ObjectKind::Budget, &key, |object| {
                let ObjectBody::Budget(budget) = &mut object.body else { return };
                let (expected, desired) = match (&budget.min_available, &budget.max_unavailable) {
                    (_, Some(most)) => (replicas, replicas.saturating_sub(most.of(replicas))),
                    (Some(IntOrPercent::Int(least)), None) => (there, *least),
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
        self.list_endpoints(number);
    }

    /// Evicts a pod, if its budget allows it; the grace period is its own unless another one is wanted.
    ///
    /// # Errors
    /// Why not.
    pub fn evict(
        &mut self,
        key: &ObjectKey,
        grace: Option<i64>,
        at: Timestamp,
    ) -> Result<(), EvictionRefusal> {
        let object = self.store.get(ObjectKind::Pod, key).ok_or(EvictionRefusal::Absent)?;
        let pod = object.pod().ok_or(EvictionRefusal::Absent)?;
        let (ready, placed, deleted) =
            (pod.ready.0, pod.node.is_some(), object.meta.deletion.is_some());
        let budgets = self.workloads.get(pod.workload).map_or(&[][..], |w| &w.budgets);
        // Pods that do not run yet, or go already, disturb nobody.
        if placed && !deleted {
            match budgets {
                [] => {}
                [budget] => {
                    let found = self.store.get(ObjectKind::Budget, budget);
                    if let Some(figures) = found.and_then(|object| object.budget()) {
                        let spare_unready =
                            !ready && figures.healthy >= figures.desired && figures.desired > 0;
                        if figures.allowed == 0 && !spare_unready {
                            return Err(EvictionRefusal::Budget {
                                budget: Named(budget.clone()),
                                desired: figures.desired,
                                healthy: figures.healthy,
                            });
                        }
                    }
                }
                [_, _, ..] => return Err(EvictionRefusal::Several),
            }
        }
        self.delete_pod(key, grace, at);
        // The next eviction has to see the new figures.
        while let Some(workload) = self.dirty.budgets.pop_first() {
            self.count_pods(workload);
        }
        Ok(())
    }

    /// Changes budgets so that they allow one disruption, as a person does who frees a drain.
    pub fn relax_budgets(
        &mut self,
        which: impl Fn(&ObjectKey, &StoredBudget) -> bool,
        at: Timestamp,
    ) {
        let chosen: Vec<(ObjectKey, usize)> = self
            .budgets
            .iter()
            .filter(|(key, _)| {
                let found = self.store.get(ObjectKind::Budget, key);
                found.and_then(|object| object.budget()).is_some_and(|budget| which(key, budget))
            })
            .map(|(key, workload)| (key.clone(), *workload))
            .collect();
        for (key, workload) in chosen {
            self.store.edit(ObjectKind::Budget, &key, |object| {
                if let ObjectBody::Budget(budget) = &mut object.body {
                    budget.min_available = None;
                    budget.max_unavailable = Some(IntOrPercent::Int(1));
                    budget.generation += 1;
                }
            });
            self.dirty.budgets.insert(workload);
        }
        self.settle(at);
    }

    /// Somebody deletes a budget.
    pub fn delete_budget(&mut self, key: &ObjectKey) {
        self.store.remove(ObjectKind::Budget, key);
        if let Some(workload) = self.budgets.remove(key).and_then(|n| self.workloads.get_mut(n)) {
            workload.budgets.retain(|known| known != key);
        }
    }

    /// Whether a budget, written as "namespace/name", holds up every drain.
    pub fn is_misconfigured(&self, named: &str) -> bool {
        let (namespace, name) = named.split_once('/').unwrap_or(("default", named));
        let key = ObjectKey { namespace: text(namespace), name: text(name) };
        self.store
            .get(ObjectKind::Budget, &key)
            .and_then(|object| object.budget())
            .is_some_and(StoredBudget::is_misconfigured)
    }
}

/// What controls pods of such a workload.
fn controller_kind(kind: WorkloadKind) -> Option<ObjectKind> {
    match kind {
        WorkloadKind::Deployment => Some(ObjectKind::Deployment),
        WorkloadKind::StatefulSet => Some(ObjectKind::StatefulSet),
        WorkloadKind::DaemonSet => Some(ObjectKind::DaemonSet),
        WorkloadKind::Bare => None,
    }
}
