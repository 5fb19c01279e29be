//! Pods: made by their controllers, placed, started, deleted, gone.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::{DataPlane, text};
use crate::simulator::cluster::events::normal;
use crate::simulator::cluster::objects::{
    Deletion, LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredObject, StoredPod, Text,
};
use crate::simulator::cluster::task_queue::{PodId, Task};
use crate::simulator::machine_deployment::scaled;
use crate::simulator::scene::WorkloadKind;

impl DataPlane {
    /// Makes the pods that a workload lacks, and takes away those that are too many.
    pub(in crate::simulator::cluster) fn reconcile_pods(&mut self, number: usize, at: Timestamp) {
        let Some(workload) = self.workloads.get(number) else { return };
        let alive = |key: &&ObjectKey| {
            self.store
                .get(ObjectKind::Pod, key)
                .is_some_and(|object| object.meta.deletion.is_none())
        };
        match workload.kind {
            WorkloadKind::Deployment => {
                let wanted = usize::try_from(workload.replicas).unwrap_or(0);
                let there: Vec<ObjectKey> = workload.pods.iter().filter(alive).cloned().collect();
                for _ in there.len()..wanted {
                    self.new_pod(number, None, None, at);
                }
                for key in there.iter().skip(wanted) {
                    self.delete_pod(key, None, at);
                }
            }
            WorkloadKind::StatefulSet => {
                let names: Vec<Text> = (0..workload.replicas)
                    .map(|ordinal| text(&format!("{}-{ordinal}", workload.name)))
                    .filter(|name| {
                        let key = ObjectKey {
                            namespace: Text::clone(&workload.namespace),
                            name: Text::clone(name),
                        };
                        !workload.pods.contains(&key)
                    })
                    .collect();
                let most = workload.replicas;
                let too_many = |key: &&ObjectKey| {
                    let ordinal = key.name.rsplit('-').next().and_then(|n| n.parse::<u32>().ok());
                    ordinal.is_some_and(|ordinal| ordinal >= most)
                };
                let surplus: Vec<ObjectKey> =
                    workload.pods.iter().filter(too_many).cloned().collect();
                for name in names {
                    self.new_pod(number, Some(name), None, at);
                }
                for key in surplus {
                    self.delete_pod(&key, None, at);
                }
            }
            WorkloadKind::DaemonSet => {
                let served: BTreeSet<Text> = workload
                    .pods
                    .iter()
                    .filter_map(|key| self.store.get(ObjectKind::Pod, key)?.pod()?.node.clone())
                    .collect();
                let nodes: Vec<Text> =
                    self.nodes.keys().filter(|host| !served.contains(*host)).cloned().collect();
                for host in nodes {
                    let key = self.new_pod(number, None, None, at);
                    self.pending.remove(&key);
                    self.bind(&key, &host, at);
                    if self.is_ready(&host) {
                        self.start_containers(&key, at);
                    }
                }
            }
            WorkloadKind::Bare => {}
        }
    }

    fn is_ready(&self, host: &str) -> bool {
        let found = self.store.get(ObjectKind::Node, &ObjectKey::global(host));
        found.and_then(|object| object.node()).is_some_and(|node| node.ready.status)
    }

    /// Daemons have to be on every node.
    pub(in crate::simulator::cluster) fn mark_daemon_sets_dirty(&mut self) {
        let daemons = self.workloads.iter().enumerate().filter_map(|(number, workload)| {
            (workload.kind == WorkloadKind::DaemonSet).then_some(number)
        });
        self.dirty.workloads.extend(daemons);
    }

    /// Pods that wait on a node for its kubelet start.
    pub(in crate::simulator::cluster) fn start_waiting_pods(&mut self, host: &str, at: Timestamp) {
        let pods = self.nodes.get(host).map(|host| host.pods.clone()).unwrap_or_default();
        for key in pods {
            self.start_containers(&key, at);
        }
    }

    /// A pod as its controller makes it: on no node yet.
    pub(in crate::simulator::cluster) fn new_pod(
        &mut self,
        number: usize,
        name: Option<Text>,
        zone: Option<&str>,
        at: Timestamp,
    ) -> ObjectKey {
        let Some(workload) = self.workloads.get(number) else { return ObjectKey::global("") };
        let (owner, app) = (workload.owner.clone(), Text::clone(&workload.name));
        let name = name.unwrap_or_else(|| match &owner {
            Some(owner) => format!("{}-{}", owner.name, self.rng.name_suffix(5)).into(),
            None => Text::clone(&app),
        });
        let Some(workload) = self.workloads.get_mut(number) else { return ObjectKey::global("") };
        let key = ObjectKey { namespace: Text::clone(&workload.namespace), name };
        workload.pods.insert(key.clone());
        let has_volume = workload.volume || workload.local == LocalStorage::PersistentVolume;
        let claim = has_volume.then(|| text(&format!("data-{}", key.name)));
        let mut pod = StoredPod {
            workload: number,
            node: None,
            pool: workload.pool.clone(),
            cpu: workload.cpu,
            grace: workload.grace,
            claims: claim.into_iter().collect(),
            local: workload.local,
            scheduled: None,
            unschedulable: None,
            started: None,
            ready: (false, at),
            number: 0,
        };
        let (kind, finalizer) = (workload.kind, workload.finalizer.clone());
        let set = owner.as_ref().map(|owner| Text::clone(&owner.name));
        self.number += 1;
        pod.number = self.number;
        let mut meta = self.meta(key.clone(), at);
        meta.owner = owner;
        meta.finalizers.extend(finalizer);
        meta.labels.insert("app".into(), app);
        match (kind, set) {
            (WorkloadKind::Deployment, Some(set)) => {
                let hash = set.rsplit('-').next().unwrap_or_default();
                meta.labels.insert("pod-template-hash".into(), text(hash));
            }
            (WorkloadKind::StatefulSet, _) => {
                let name = Text::clone(&key.name);
                meta.labels.insert("statefulset.kubernetes.io/pod-name".into(), name);
            }
            _ => {}
        }
        let claims = pod.claims.clone();
        self.store.put(StoredObject { meta, body: ObjectBody::Pod(Box::new(pod)) });
        if let Some(zone) = zone {
            for claim in &claims {
                self.make_volume(&key, claim, zone, None, at);
            }
        }
        self.pending.insert(key.clone());
        self.dirty.pods = true;
        self.dirty.budgets.insert(number);
        key
    }

    /// Places a pod on a node.
    pub(in crate::simulator::cluster) fn bind(
        &mut self,
        key: &ObjectKey,
        host: &Text,
        at: Timestamp,
    ) {
        let mut found = None;
        self.store.edit(ObjectKind::Pod, key, |object| {
            if let ObjectBody::Pod(pod) = &mut object.body {
                pod.node = Some(Text::clone(host));
                pod.scheduled = Some(at);
                pod.unschedulable = None;
                found = Some((pod.workload, pod.cpu));
            }
        });
        if let (Some((workload, cpu)), Some(host)) = (found, self.nodes.get_mut(host)) {
            host.pods.insert(key.clone());
            host.cpu.1 = host.cpu.1.saturating_add(cpu);
            *host.counts.entry(workload).or_default() += 1;
        }
        self.pending.remove(key);
    }

    /// Its containers will start.
    pub(in crate::simulator::cluster) fn start_containers(
        &mut self,
        key: &ObjectKey,
        at: Timestamp,
    ) {
        let Some(id) = self.pod_id(key) else { return };
        let start = self
            .pod(&id)
            .and_then(StoredObject::pod)
            .filter(|pod| pod.started.is_none())
            .and_then(|pod| self.workloads.get(pod.workload))
            .map(|workload| workload.start);
        if let Some(start) = start {
            let at = self.speed.roughly_after(at, start, &mut self.rng);
            self.tasks.add(at, Task::ContainersStarted(id));
        }
    }

    /// Containers of a pod have started.
    pub(in crate::simulator::cluster) fn mark_started(&mut self, id: &PodId, at: Timestamp) {
        let Some(pod) = self.pod(id).and_then(StoredObject::pod) else { return };
        let number = pod.workload;
        let recovers = self.workloads.get(number).is_none_or(|workload| workload.recovers);
        self.store.edit(ObjectKind::Pod, &id.key, |object| {
            if let ObjectBody::Pod(pod) = &mut object.body {
                pod.started = Some(at);
                pod.ready = (recovers && object.meta.deletion.is_none(), at);
            }
        });
        let message = "Started container main".to_owned();
        self.record_event(ObjectKind::Pod, &id.key, at, normal("kubelet", "Started", message));
        self.dirty.budgets.insert(number);
    }

    /// Deletes a pod as its API does: it stops within its grace period.
    pub fn delete_pod(&mut self, key: &ObjectKey, grace: Option<i64>, at: Timestamp) {
        let Some(id) = self.pod_id(key) else { return };
        let Some(object) = self.pod(&id) else { return };
        let Some(pod) = object.pod() else { return };
        let (number, placed) = (pod.workload, pod.node.is_some());
        let grace = if placed { grace.unwrap_or(pod.grace).max(0) } else { 0 };
        let known = object.meta.deletion;
        if known.is_some_and(|known| known.grace <= grace) && grace > 0 {
            return;
        }
        let by = self.speed.after(at, SignedDuration::from_secs(grace));
        self.store.edit(ObjectKind::Pod, key, |object| {
            object.meta.deletion = Some(Deletion { by, grace });
        });
        self.dirty.budgets.insert(number);
        self.dirty.workloads.insert(number);
        if known.is_none() && placed {
            let message = "Stopping container main".to_owned();
            self.record_event(ObjectKind::Pod, key, at, normal("kubelet", "Killing", message));
        }
        if grace == 0 {
            self.mark_stopped(&id, at);
        } else {
            // Most stop before their time is over.
            let stops = scaled(SignedDuration::from_secs(grace), 0.3 + 0.6 * self.rng.fraction());
            let stops = self.speed.after(at, stops);
            self.tasks.add(stops, Task::ContainersStopped(id));
        }
    }

    /// Containers of a pod have stopped.
    pub(in crate::simulator::cluster) fn mark_stopped(&mut self, id: &PodId, at: Timestamp) {
        let Some(object) = self.pod(id) else { return };
        if object.meta.finalizers.is_empty() {
            self.remove_pod(&id.key, at);
            return;
        }
        self.store.edit(ObjectKind::Pod, &id.key, |object| {
            if let ObjectBody::Pod(pod) = &mut object.body {
                pod.ready = (false, at);
            }
        });
    }

    /// A pod is gone, whatever stood in its way.
    pub(in crate::simulator::cluster) fn remove_pod(&mut self, key: &ObjectKey, at: Timestamp) {
        let Some(object) = self.store.remove(ObjectKind::Pod, key) else { return };
        self.pending.remove(key);
        let Some(pod) = object.pod() else { return };
        if let Some(workload) = self.workloads.get_mut(pod.workload) {
            workload.pods.remove(key);
        }
        self.dirty.workloads.insert(pod.workload);
        self.dirty.budgets.insert(pod.workload);
        self.dirty.pods = true;
        let Some(name) = &pod.node else { return };
        if let Some(host) = self.nodes.get_mut(name) {
            host.pods.remove(key);
            host.cpu.1 = host.cpu.1.saturating_sub(pod.cpu);
            if let Some(count) = host.counts.get_mut(&pod.workload) {
                *count = count.saturating_sub(1);
            }
        }
        let detaches = self.workloads.get(pod.workload).is_none_or(|workload| workload.detaches);
        for claim in &pod.claims {
            self.detach_volume(&key.namespace, claim, name, detaches, at);
        }
        self.resume_drain(name, at);
    }

    /// Takes a changed object over: a node that takes pods or not, a pod that nothing holds any more, a budget with
    /// other figures, a controller that wants another number of pods.
    pub fn replace(&mut self, mut object: StoredObject, at: Timestamp) {
        let (kind, key) = (object.body.kind(), object.meta.key.clone());
        match &mut object.body {
            ObjectBody::Node(_) => self.replace_node(object, at),
            ObjectBody::Budget(budget) => {
                budget.generation += 1;
                self.store.edit(kind, &key, |known| *known = object);
                self.dirty.budgets.extend(self.budgets.get(&key));
            }
            ObjectBody::Controller(controller) => {
                controller.generation += 1;
                let (number, wanted) = (controller.workload, controller.wanted);
                self.store.edit(kind, &key, |known| *known = object);
                if let Some(workload) = self.workloads.get_mut(number) {
                    workload.replicas = wanted;
                }
                self.dirty.workloads.insert(number);
                self.dirty.budgets.insert(number);
            }
            ObjectBody::Pod(_)
            | ObjectBody::ConfigMap(_)
            | ObjectBody::Event(_)
            | ObjectBody::Namespace
            | ObjectBody::PersistentVolume(_)
            | ObjectBody::PersistentVolumeClaim(_)
            | ObjectBody::Secret(_)
            | ObjectBody::ServiceAccount(_)
            | ObjectBody::VolumeAttachment(_)
            | ObjectBody::Service(_)
            | ObjectBody::EndpointSlice(_)
            | ObjectBody::ValidatingWebhook(_) => {
                let over = object.meta.finalizers.is_empty()
                    && object.meta.deletion.is_some_and(|deletion| deletion.by <= at);
                self.store.edit(kind, &key, |known| *known = object);
                if over {
                    self.remove_pod(&key, at);
                }
            }
        }
        self.settle(at);
    }

    /// Somebody wants another number of pods.
    pub fn scale(&mut self, namespace: &str, name: &str, replicas: u32, at: Timestamp) {
        let found = self
            .workloads
            .iter()
            .position(|workload| *workload.namespace == *namespace && *workload.name == *name);
        if let Some(number) = found
            && let Some(workload) = self.workloads.get_mut(number)
        {
            workload.replicas = replicas;
            self.dirty.workloads.insert(number);
            self.dirty.budgets.insert(number);
            self.settle(at);
        }
    }
}
