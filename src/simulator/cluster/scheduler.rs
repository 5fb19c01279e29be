//! The scheduler, and volumes following their pods.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::{DataPlane, NodeInfo};
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::objects::{
    Deletion, LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredAttachment, StoredObject,
    StoredPod, StoredVolume,
};
use crate::simulator::cluster::task_queue::{PodId, Task};

/// Seconds that attaching and detaching take.
const ATTACHING: i64 = 12;
const DETACHING: i64 = 15;
/// Retry interval of a pod whose volume is attached to another node.
const ATTACH_RETRY: SignedDuration = SignedDuration::from_secs(15);

/// Why pods do not fit on nodes, in the order of the scheduler's message.
const INSUFFICIENT_CPU: &str = "Insufficient cpu";
const VOLUME_CONFLICT: &str = "node(s) had volume node affinity conflict";
const SELECTOR_MISMATCH: &str = "node(s) didn't match Pod's node affinity/selector";
const UNSCHEDULABLE: &str = "node(s) were unschedulable";

impl DataPlane {
    /// Schedules all pending pods that fit.
    pub(super) fn schedule_pods(&mut self, at: Timestamp) {
        for key in self.pending.clone() {
            let Some(pod) = self.store.pod(&key) else {
                self.pending.remove(&key);
                continue;
            };
            match self.find_node(&key, pod) {
                Ok(node) => self.assign(&key, &node, at),
                Err(message) => self.mark_unschedulable(&key, message, at),
            }
        }
    }

    fn find_node(&self, key: &ObjectKey, pod: &StoredPod) -> Result<Arc<str>, String> {
        let mut volumes = pod.claims.iter().filter_map(|claim| self.volume(key, claim));
        let bound = volumes.find_map(|volume| {
            let ObjectBody::PersistentVolume(volume) = &volume.body else { return None };
            Some((&volume.zone, volume.node.as_ref()))
        });
        let score = |name: &Arc<str>, node: &NodeInfo| {
            if pod.pool.as_ref().is_some_and(|pool| *pool != node.pool) {
                Err(SELECTOR_MISMATCH)
            } else if !node.schedulable {
                Err(UNSCHEDULABLE)
            } else if bound.is_some_and(|(zone, bound)| {
                *zone != node.zone || bound.is_some_and(|bound| bound != name)
            }) {
                Err(VOLUME_CONFLICT)
            } else if node.requested_cpu.saturating_add(pod.cpu) > node.cpu {
                Err(INSUFFICIENT_CPU)
            } else {
                let same = node.counts.get(&pod.workload).copied().unwrap_or(0);
                Ok((node.avoided, same, node.requested_cpu))
            }
        };
        let mut best = None;
        let mut unfit = Vec::new();
        for (name, node) in &self.nodes {
            match score(name, node) {
                Ok(score) if best.is_none_or(|(known, _)| score < known) => {
                    best = Some((score, name));
                }
                Ok(_) => {}
                Err(reason) => unfit.push(reason),
            }
        }
        if let Some((_, name)) = best {
            return Ok(Arc::clone(name));
        }
        let reasons: Vec<String> =
            [INSUFFICIENT_CPU, VOLUME_CONFLICT, SELECTOR_MISMATCH, UNSCHEDULABLE]
                .into_iter()
                .map(|reason| (unfit.iter().filter(|known| **known == reason).count(), reason))
                .filter(|(count, _)| *count > 0)
                .map(|(count, reason)| format!("{count} {reason}"))
                .collect();
        let all = self.nodes.len();
        let reasons = reasons.join(", ");
        Err(format!(
            "0/{all} nodes are available: {reasons}. preemption: 0/{all} nodes are available: \
             {all} Preemption is not helpful for scheduling."
        ))
    }

    /// The volume bound to a claim in the namespace of a pod.
    fn volume(&self, pod: &ObjectKey, claim: &Arc<str>) -> Option<&StoredObject> {
        let claim = pod.sibling(Arc::clone(claim));
        let claim = self.store.get(ObjectKind::PersistentVolumeClaim, &claim)?;
        let ObjectBody::PersistentVolumeClaim(volume) = &claim.body else { return None };
        let key = ObjectKey::global(Arc::clone(volume));
        self.store.get(ObjectKind::PersistentVolume, &key).map(|object| &**object)
    }

    fn assign(&mut self, key: &ObjectKey, node: &Arc<str>, at: Timestamp) {
        self.bind(key, node, at);
        let message = format!("Successfully assigned {key} to {node}");
        self.pod_event(key, at, NewEvent::normal("default-scheduler", "Scheduled", message));
        let (Some(pod), Some(id)) = (self.store.pod(key), self.pod_id(key)) else { return };
        if pod.claims.is_empty() || pod.local_storage == LocalStorage::PersistentVolume {
            self.start_containers(key, at);
            return;
        }
        let claims = pod.claims.clone();
        let zone = self.nodes.get(node).map_or_else(|| "".into(), |node| Arc::clone(&node.zone));
        for claim in &claims {
            if self.volume(key, claim).is_none() {
                self.create_volume(key, claim, &zone, None, at);
            }
        }
        self.attach_volumes(&id, at);
    }

    fn mark_unschedulable(&mut self, key: &ObjectKey, message: String, at: Timestamp) {
        let mut changed = false;
        self.store.edit_pod(key, |pod| {
            let since = pod.unschedulable.as_ref().map_or(at, |(since, _)| *since);
            changed = pod.unschedulable.as_ref().is_none_or(|(_, known)| *known != message);
            pod.unschedulable = Some((since, message.clone()));
        });
        if changed {
            let event = NewEvent::warning("default-scheduler", "FailedScheduling", message);
            self.pod_event(key, at, event);
        }
    }

    /// Creates a claim of a pod and its volume, and returns the volume's name.
    pub(super) fn create_volume(
        &mut self,
        pod: &ObjectKey,
        claim: &Arc<str>,
        zone: &Arc<str>,
        node: Option<&Arc<str>>,
        at: Timestamp,
    ) -> Arc<str> {
        let claim = pod.sibling(Arc::clone(claim));
        let mut meta = self.new_meta(claim.clone(), at);
        meta.finalizers.push("kubernetes.io/pvc-protection".to_owned());
        let name: Arc<str> = match node {
            Some(_) => format!("local-pv-{}", self.rng.hex(8)).into(),
            None => format!("pvc-{}", meta.uid).into(),
        };
        let body = ObjectBody::PersistentVolumeClaim(Arc::clone(&name));
        self.store.put(StoredObject { meta, body });
        let mut meta = self.new_meta(ObjectKey::global(Arc::clone(&name)), at);
        meta.finalizers.push("kubernetes.io/pv-protection".to_owned());
        let volume = StoredVolume { claim, zone: Arc::clone(zone), node: node.cloned() };
        self.store.put(StoredObject { meta, body: ObjectBody::PersistentVolume(volume) });
        name
    }

    fn attachments(&self, matches: impl Fn(&StoredAttachment) -> bool) -> Vec<ObjectKey> {
        self.store
            .keys(ObjectKind::VolumeAttachment, |object| object.attachment().is_some_and(&matches))
    }

    fn attachment_of(&self, volume: &str) -> Option<ObjectKey> {
        self.attachments(|attachment| *attachment.volume == *volume).into_iter().next()
    }

    pub(super) fn create_attachment(
        &mut self,
        volume: &Arc<str>,
        node: &Arc<str>,
        attached: bool,
        at: Timestamp,
    ) {
        let key = ObjectKey::global(format!("csi-{}", self.rng.hex(64)));
        let meta = self.new_meta(key, at);
        let (node, volume) = (Arc::clone(node), Arc::clone(volume));
        let attachment = StoredAttachment { node, volume, attached, detach_error: None };
        self.store.put(StoredObject { meta, body: ObjectBody::VolumeAttachment(attachment) });
    }

    /// The node of a pod, and its volumes.
    fn volumes_of(&self, id: &PodId) -> Option<(Arc<str>, Vec<Arc<str>>)> {
        let pod = self.pod(id)?.pod()?;
        let volumes = pod.claims.iter().filter_map(|claim| self.volume(&id.key, claim));
        let names = volumes.map(|object| Arc::clone(&object.meta.key.name)).collect();
        Some((pod.node.clone()?, names))
    }

    /// Attaches the volumes of a pod to its node, once they are detached from other nodes.
    pub(super) fn attach_volumes(&mut self, id: &PodId, at: Timestamp) {
        let Some((node, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if self.attachment_of(volume).is_some() {
                let message = format!(
                    "Multi-Attach error for volume \"{volume}\" Volume is already exclusively \
                     attached to one node and can't be attached to another"
                );
                let event =
                    NewEvent::warning("attachdetach-controller", "FailedAttachVolume", message);
                self.pod_event(&id.key, at, event);
                let again = self.speed.after(at, ATTACH_RETRY);
                self.tasks.add(again, Task::AttachVolumes(id.clone()));
                return;
            }
        }
        for volume in &volumes {
            self.create_attachment(volume, &node, false, at);
        }
        let done = self.in_roughly(at, ATTACHING);
        self.tasks.add(done, Task::VolumesAttached(id.clone()));
    }

    pub(super) fn mark_attached(&mut self, id: &PodId, at: Timestamp) {
        let Some((_, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if let Some(key) = self.attachment_of(volume) {
                self.store.edit(ObjectKind::VolumeAttachment, &key, |object| {
                    if let Some(attachment) = object.attachment_mut() {
                        attachment.attached = true;
                    }
                });
            }
            let message = format!("AttachVolume.Attach succeeded for volume \"{volume}\"");
            let event =
                NewEvent::normal("attachdetach-controller", "SuccessfulAttachVolume", message);
            self.pod_event(&id.key, at, event);
        }
        self.start_containers(&id.key, at);
    }

    /// Detaches the volume of a claim from the node of a removed pod.
    pub(super) fn detach_volume(
        &mut self,
        claim: &ObjectKey,
        node: &Arc<str>,
        works: bool,
        at: Timestamp,
    ) {
        let volume = self.volume(claim, &claim.name);
        let attachment = volume.and_then(|volume| self.attachment_of(&volume.meta.key.name));
        let Some(key) = attachment else { return };
        self.store.edit(ObjectKind::VolumeAttachment, &key, |object| {
            let deletion = Deletion { by: at, grace: 0 };
            if let Some(attachment) = object.attachment_mut().filter(|a| a.node == *node) {
                let error = "rpc error: code = Internal desc = failed to detach volume: timeout";
                attachment.detach_error = (!works).then_some((at, error));
                object.meta.deletion = Some(deletion);
            }
        });
        if works {
            let done = self.in_roughly(at, DETACHING);
            self.tasks.add(done, Task::VolumeDetached(key));
        }
    }

    pub(super) fn mark_detached(&mut self, key: &ObjectKey, at: Timestamp) {
        let kind = ObjectKind::VolumeAttachment;
        let object = self.store.get(kind, key).filter(|object| object.meta.deletion.is_some());
        let attachment = object.and_then(|object| object.attachment());
        if let Some(node) = attachment.map(|attachment| Arc::clone(&attachment.node)) {
            self.store.remove(kind, key);
            self.resume_drain(&node, at);
        }
    }

    /// Removes the attachments of a removed node.
    pub(super) fn remove_attachments(&mut self, node: &str) {
        for key in self.attachments(|attachment| *attachment.node == *node) {
            self.store.remove(ObjectKind::VolumeAttachment, &key);
        }
    }
}
