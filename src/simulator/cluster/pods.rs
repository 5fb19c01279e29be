//! Pods: created by their controllers, bound to nodes, started, deleted, removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::objects::{
    Deletion, LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredObject, StoredPod,
};
use crate::simulator::cluster::task_queue::{PodId, Task};
use crate::simulator::scene::WorkloadKind;
use crate::simulator::speed::scale;

impl DataPlane {
    /// Creates the pods that a workload lacks, and deletes surplus ones.
    pub(super) fn reconcile_pods(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        match workload.scene.kind {
            WorkloadKind::Deployment => {
                let is_alive = |key: &&ObjectKey| {
                    let object = self.store.get(ObjectKind::Pod, key);
                    object.is_some_and(|object| object.meta.deletion.is_none())
                };
                let wanted = usize::try_from(workload.scene.replicas).unwrap_or(0);
                let alive: Vec<ObjectKey> =
                    workload.pods.iter().filter(is_alive).cloned().collect();
                for _ in alive.len()..wanted {
                    self.create_pod(number, None, at);
                }
                for key in alive.iter().skip(wanted) {
                    self.delete_pod(key, None, at);
                }
            }
            WorkloadKind::StatefulSet => {
                let (replicas, own) = (workload.scene.replicas, workload.key.clone());
                let pod_key = |ordinal| own.sibling(format!("{}-{ordinal}", own.name));
                let missing = (0..replicas).map(pod_key).filter(|key| !workload.pods.contains(key));
                let missing: Vec<ObjectKey> = missing.collect();
                let is_surplus = |key: &&ObjectKey| {
                    let ordinal = key.name.rsplit('-').next().and_then(|n| n.parse::<u32>().ok());
                    ordinal.is_some_and(|ordinal| ordinal >= replicas)
                };
                let surplus: Vec<ObjectKey> =
                    workload.pods.iter().filter(is_surplus).cloned().collect();
                for key in missing {
                    self.create_pod(number, Some(key.name), at);
                }
                for key in surplus {
                    self.delete_pod(&key, None, at);
                }
            }
            WorkloadKind::DaemonSet => {
                let served =
                    workload.pods.iter().filter_map(|key| self.store.pod(key)?.node.as_ref());
                let served: BTreeSet<&Arc<str>> = served.collect();
                let missing = self.nodes.keys().filter(|node| !served.contains(node));
                for node in missing.cloned().collect::<Vec<_>>() {
                    let key = self.create_pod(number, None, at);
                    self.bind(&key, &node, at);
                    if self.store.node(&node).is_some_and(|node| node.ready.status) {
                        self.start_containers(&key, at);
                    }
                }
            }
            WorkloadKind::Bare => {}
        }
    }

    /// Lets every DaemonSet run on new nodes.
    pub(super) fn mark_daemon_sets_dirty(&mut self) {
        let daemon_sets = self.workloads.iter().enumerate().filter_map(|(number, workload)| {
            (workload.scene.kind == WorkloadKind::DaemonSet).then_some(number)
        });
        self.dirty.workloads.extend(daemon_sets);
    }

    /// Starts the pods that wait for the kubelet of their node.
    pub(super) fn start_waiting_pods(&mut self, node: &str, at: Timestamp) {
        for key in self.nodes.get(node).map(|node| node.pods.clone()).unwrap_or_default() {
            self.start_containers(&key, at);
        }
    }

    pub(super) fn create_pod(
        &mut self,
        number: usize,
        name: Option<Arc<str>>,
        at: Timestamp,
    ) -> ObjectKey {
        let Some(workload) = self.workloads.get_mut(number) else { return ObjectKey::global("") };
        let app = Arc::clone(&workload.key.name);
        let name = name.unwrap_or_else(|| match &workload.owner {
            Some(owner) => format!("{}-{}", owner.name, self.rng.name_suffix(5)).into(),
            None => Arc::clone(&app),
        });
        let key = workload.key.sibling(name);
        workload.pods.insert(key.clone());
        let has_volume =
            workload.scene.volume || workload.scene.local == LocalStorage::PersistentVolume;
        let claim = has_volume.then(|| format!("data-{}", key.name).into());
        self.last_number += 1;
        let pod = StoredPod {
            workload: number,
            node: None,
            pool: workload.scene.pool.as_deref().map(Arc::from),
            cpu: workload.scene.cpu,
            grace: i64::from(workload.scene.grace),
            claims: claim.into_iter().collect(),
            local_storage: workload.scene.local,
            scheduled: None,
            unschedulable: None,
            started: None,
            ready: (false, at),
            number: self.last_number,
        };
        let (kind, owner) = (workload.scene.kind, workload.owner.clone());
        let finalizer = workload.scene.finalizer.clone();
        let mut meta = self.new_meta(key.clone(), at);
        meta.finalizers.extend(finalizer);
        meta.labels.insert("app".into(), app);
        match (kind, &owner) {
            (WorkloadKind::Deployment, Some(owner)) => {
                let hash = owner.name.rsplit('-').next().unwrap_or_default();
                meta.labels.insert("pod-template-hash".into(), hash.into());
            }
            (WorkloadKind::StatefulSet, _) => {
                let name = Arc::clone(&key.name);
                meta.labels.insert("statefulset.kubernetes.io/pod-name".into(), name);
            }
            _ => {}
        }
        meta.owner = owner;
        self.store.put(StoredObject { meta, body: ObjectBody::Pod(Box::new(pod)) });
        self.pending.insert(key.clone());
        self.dirty.pods = true;
        self.dirty.budgets.insert(number);
        key
    }

    pub(super) fn bind(&mut self, key: &ObjectKey, node: &Arc<str>, at: Timestamp) {
        self.store.edit_pod(key, |pod| {
            pod.node = Some(Arc::clone(node));
            pod.scheduled = Some(at);
            pod.unschedulable = None;
        });
        if let (Some(pod), Some(info)) = (self.store.pod(key), self.nodes.get_mut(node)) {
            info.pods.insert(key.clone());
            info.requested_cpu = info.requested_cpu.saturating_add(pod.cpu);
            *info.counts.entry(pod.workload).or_default() += 1;
        }
        self.pending.remove(key);
    }

    /// Starts the containers of a pod, unless they have started.
    pub(super) fn start_containers(&mut self, key: &ObjectKey, at: Timestamp) {
        let Some(pod) = self.store.pod(key).filter(|pod| pod.started.is_none()) else { return };
        if let (Some(workload), Some(id)) = (self.workloads.get(pod.workload), self.pod_id(key)) {
            let start = SignedDuration::from_secs(i64::from(workload.scene.start));
            let started = self.speed.roughly_after(at, start, &mut self.rng);
            self.tasks.add(started, Task::ContainersStarted(id));
        }
    }

    pub(super) fn mark_started(&mut self, id: &PodId, at: Timestamp) {
        let Some(object) = self.pod(id) else { return };
        let deleted = object.meta.deletion.is_some();
        let Some(number) = object.pod().map(|pod| pod.workload) else { return };
        let recovers = self.workloads.get(number).is_none_or(|workload| workload.scene.recovers);
        self.store.edit_pod(&id.key, |pod| {
            pod.started = Some(at);
            pod.ready = (recovers && !deleted, at);
        });
        let event = NewEvent::normal("kubelet", "Started", "Started container main");
        self.pod_event(&id.key, at, event);
        self.dirty.budgets.insert(number);
    }

    /// Deletes a pod as the API does: it stops within its grace period.
    pub fn delete_pod(&mut self, key: &ObjectKey, grace: Option<i64>, at: Timestamp) {
        let Some(id) = self.pod_id(key) else { return };
        let Some(object) = self.pod(&id) else { return };
        let Some(pod) = object.pod() else { return };
        let (number, bound) = (pod.workload, pod.node.is_some());
        let grace = if bound { grace.unwrap_or(pod.grace).max(0) } else { 0 };
        let known = object.meta.deletion;
        if known.is_some_and(|known| known.grace <= grace) && grace > 0 {
            return;
        }
        let period = SignedDuration::from_secs(grace);
        let by = self.speed.after(at, period);
        self.store.edit(ObjectKind::Pod, key, |object| {
            object.meta.deletion = Some(Deletion { by, grace });
        });
        self.dirty.budgets.insert(number);
        self.dirty.workloads.insert(number);
        if known.is_none() && bound {
            let event = NewEvent::normal("kubelet", "Killing", "Stopping container main");
            self.pod_event(key, at, event);
        }
        if grace == 0 {
            self.mark_stopped(&id, at);
        } else {
            // Most stop before the end of the period.
            let fraction = 0.3 + 0.6 * self.rng.fraction();
            let stopped = self.speed.after(at, scale(period, fraction));
            self.tasks.add(stopped, Task::ContainersStopped(id));
        }
    }

    pub(super) fn mark_stopped(&mut self, id: &PodId, at: Timestamp) {
        let Some(object) = self.pod(id) else { return };
        if object.meta.finalizers.is_empty() {
            self.remove_pod(&id.key, at);
        } else {
            self.store.edit_pod(&id.key, |pod| pod.ready = (false, at));
        }
    }

    /// Removes a pod, even if it has finalizers.
    pub(super) fn remove_pod(&mut self, key: &ObjectKey, at: Timestamp) {
        let Some(object) = self.store.remove(ObjectKind::Pod, key) else { return };
        self.pending.remove(key);
        let Some(pod) = object.pod() else { return };
        let workload = self.workloads.get_mut(pod.workload);
        let detaches = workload.is_none_or(|workload| {
            workload.pods.remove(key);
            workload.scene.detaches
        });
        self.dirty.workloads.insert(pod.workload);
        self.dirty.budgets.insert(pod.workload);
        self.dirty.pods = true;
        let Some(node) = &pod.node else { return };
        if let Some(info) = self.nodes.get_mut(node) {
            info.pods.remove(key);
            info.requested_cpu = info.requested_cpu.saturating_sub(pod.cpu);
            if let Some(count) = info.counts.get_mut(&pod.workload) {
                *count = count.saturating_sub(1);
            }
        }
        for claim in &pod.claims {
            self.detach_volume(&key.sibling(Arc::clone(claim)), node, detaches, at);
        }
        self.resume_drain(node, at);
    }

    /// Stores an object that a client changed, and reconciles what depends on it.
    pub fn replace(&mut self, mut object: StoredObject, at: Timestamp) {
        let (kind, key) = (object.body.kind(), object.meta.key.clone());
        if kind == ObjectKind::Node {
            self.replace_node(object, at);
            self.settle(at);
            return;
        }
        if let Some(budget) = object.budget_mut() {
            budget.generation += 1;
            self.dirty.budgets.extend(self.budgets.get(&key));
        }
        if let Some(controller) = object.controller_mut() {
            controller.generation += 1;
            let number = controller.workload;
            if let Some(workload) = self.workloads.get_mut(number) {
                workload.scene.replicas = controller.replicas;
                self.dirty.workloads.insert(number);
                self.dirty.budgets.insert(number);
            }
        }
        let removed = kind == ObjectKind::Pod
            && object.meta.finalizers.is_empty()
            && object.meta.deletion.is_some_and(|deletion| deletion.by <= at);
        self.store.edit(kind, &key, |stored| *stored = object);
        if removed {
            self.remove_pod(&key, at);
        }
        self.settle(at);
    }
}
