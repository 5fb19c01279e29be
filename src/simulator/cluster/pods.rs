//! Pods: created by their controllers, bound to nodes, started, deleted, removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::budgets::TEMPLATE_HASH;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::objects::{
    Deletion, LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredController, StoredObject,
    StoredPod,
};
use crate::simulator::cluster::task_queue::{PodId, Task};
use crate::simulator::scene::WorkloadKind;
use crate::simulator::speed::scale;

/// Delay with which the disruption controller observes a changed budget.
const BUDGET_OBSERVED_AFTER: SignedDuration = SignedDuration::from_millis(500);

impl DataPlane {
    /// Creates missing pods of a workload, and deletes surplus ones.
    pub(super) fn reconcile_pods(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        match workload.scene.kind {
            WorkloadKind::Deployment if !workload.earlier.is_empty() => {
                self.roll_deployment(number, at);
            }
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
                self.replace_one_pod(number, at);
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
                self.replace_one_pod(number, at);
            }
            WorkloadKind::Bare => {}
        }
    }

    /// Replaces pods of a Deployment's earlier templates, with `maxSurge` and `maxUnavailable` of a quarter.
    fn roll_deployment(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (revision, wanted) = (workload.revision, workload.scene.replicas as usize);
        let mut alive: Vec<(bool, bool, ObjectKey)> = Vec::new();
        for key in &workload.pods {
            let Some(object) = self.store.get(ObjectKind::Pod, key) else { continue };
            let Some(pod) = object.pod().filter(|_| object.meta.deletion.is_none()) else {
                continue;
            };
            alive.push((pod.revision == revision, pod.ready.0, key.clone()));
        }
        let new = alive.iter().filter(|(new, ..)| *new).count();
        let most = wanted + wanted.div_ceil(4);
        let created = wanted.saturating_sub(new).min(most.saturating_sub(alive.len()));
        for _ in 0..created {
            self.create_pod(number, None, at);
        }
        let ready = alive.iter().filter(|(_, ready, _)| *ready).count();
        let mut spare = ready.saturating_sub(wanted - wanted / 4);
        // Unready ones first.
        alive.sort_by_key(|(_, ready, _)| *ready);
        for (_, ready, key) in alive.iter().filter(|(new, ..)| !new) {
            if !ready || spare > 0 {
                spare -= usize::from(*ready);
                self.delete_pod(key, None, at);
            }
        }
        for (.., key) in alive.iter().filter(|(new, ..)| *new).skip(wanted) {
            self.delete_pod(key, None, at);
        }
    }

    /// Deletes one pod of an earlier template, the last by name, if all pods are ready.
    fn replace_one_pod(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let is_ready = |key: &ObjectKey| {
            let object = self.store.get(ObjectKind::Pod, key);
            object.is_some_and(|object| {
                object.meta.deletion.is_none() && object.pod().is_some_and(|pod| pod.ready.0)
            })
        };
        let is_old = |key: &&ObjectKey| {
            self.store.pod(key).is_some_and(|pod| pod.revision < workload.revision)
        };
        let Some(old) = workload.pods.iter().rfind(is_old).cloned() else { return };
        if workload.pods.iter().all(is_ready) {
            self.delete_pod(&old, None, at);
        }
    }

    /// Schedules a reconciliation of all DaemonSets for new nodes.
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
            finished: None,
            crashes: false,
            ready: (false, at),
            revision: workload.revision,
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
                meta.labels.insert(TEMPLATE_HASH.into(), hash.into());
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
            pod.crashes = !recovers;
        });
        let event = NewEvent::normal("kubelet", "Started", "Started container main");
        self.pod_event(&id.key, at, event);
        self.dirty.budgets.insert(number);
        self.dirty.workloads.insert(number);
    }

    /// Deletes a pod like the API: it stops within its grace period.
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
            // Most stop before the period ends.
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
            self.store.edit_pod(&id.key, |pod| {
                pod.ready = (false, at);
                pod.finished = Some(at);
            });
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

    /// A pod that no longer matches its controller's selector is orphaned and replaced.
    fn release_pod(&mut self, object: &mut StoredObject) {
        let Some(number) = object.pod().map(|pod| pod.workload) else { return };
        let Some(workload) = self.workloads.get_mut(number) else { return };
        self.dirty.budgets.insert(number);
        if object.label("app") != Some(&*workload.key.name)
            && workload.pods.remove(&object.meta.key)
        {
            object.meta.owner = None;
            self.dirty.workloads.insert(number);
        }
    }

    /// Stores an object changed by a client, and reconciles its dependents. Returns the version of the change.
    pub fn replace(&mut self, mut object: StoredObject, at: Timestamp) -> u64 {
        let (kind, key) = (object.body.kind(), object.meta.key.clone());
        let before = self.store.get(kind, &key).map(Arc::clone);
        if kind == ObjectKind::Pod
            && before.as_ref().is_some_and(|before| before.meta.labels != object.meta.labels)
        {
            self.release_pod(&mut object);
        }
        self.store.edit(kind, &key, |stored| *stored = object.clone());
        let version = self.store.version();
        match (&object.body, before.as_ref().map(|before| &before.body)) {
            (ObjectBody::Node(node), Some(ObjectBody::Node(before))) => {
                self.follow_node(&key.name, before.unschedulable, node.unschedulable, at);
            }
            (ObjectBody::Budget(budget), Some(ObjectBody::Budget(before)))
                if !budget.has_same_spec(before) =>
            {
                self.budgets.remove(&key);
                for (number, workload) in self.workloads.iter_mut().enumerate() {
                    workload.budgets.retain(|known| *known != key);
                    let is_covered =
                        workload.key.namespace == key.namespace && workload.key.name == budget.app;
                    if is_covered {
                        workload.budgets.push(key.clone());
                        self.budgets.insert(key.clone(), number);
                    }
                }
                let observed = self.speed.after(at, BUDGET_OBSERVED_AFTER);
                self.tasks.add(observed, Task::ObserveBudget(key.clone()));
            }
            (ObjectBody::Controller(controller), Some(ObjectBody::Controller(before))) => {
                self.follow_controller(&key, controller, before, at);
            }
            _ => {}
        }
        let is_gone = object.meta.finalizers.is_empty()
            && object.meta.deletion.is_some_and(|deletion| deletion.by <= at);
        if is_gone && kind == ObjectKind::Pod {
            self.remove_pod(&key, at);
        } else if is_gone {
            self.delete_object(kind, &key, at);
        }
        self.settle(at);
        version
    }

    /// Reacts to a client that scaled a controller or changed its template.
    fn follow_controller(
        &mut self,
        key: &ObjectKey,
        controller: &StoredController,
        before: &StoredController,
        at: Timestamp,
    ) {
        let number = controller.workload;
        let Some(workload) = self.workloads.get_mut(number) else { return };
        if controller.kind != ObjectKind::DaemonSet {
            workload.scene.replicas = controller.replicas;
        }
        self.dirty.workloads.insert(number);
        self.dirty.budgets.insert(number);
        if controller.template_annotations != before.template_annotations {
            workload.begin_revision(&mut self.rng);
            let revision = workload.revision;
            self.store.edit(controller.kind, key, |object| {
                if let Some(controller) = object.controller_mut() {
                    controller.revision = revision;
                }
            });
            self.create_replica_set(number, at);
        }
    }
}
