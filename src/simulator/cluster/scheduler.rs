//! Where pods go: the scheduler, and the volumes that follow them.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::{DataPlane, NodeInfo, text};
use crate::simulator::cluster::events::{normal, warning};
use crate::simulator::cluster::objects::{
    Deletion, LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredAttachment, StoredObject,
    StoredPod, StoredVolume, Text,
};
use crate::simulator::cluster::task_queue::{PodId, Task};

/// Attaching and detaching take about this long, seconds.
const ATTACHING: i64 = 12;
const DETACHING: i64 = 15;
/// A pod whose volume is elsewhere asks again after this long, seconds.
const ATTACH_RETRY: i64 = 15;

/// Why a node does not take a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnfitReason {
    Closed,
    Pool,
    Volume,
    Cpu,
}

impl DataPlane {
    /// Looks for a place for every pod that has none.
    pub(in crate::simulator::cluster) fn schedule_pods(&mut self, at: Timestamp) {
        for key in self.pending.clone() {
            let Some(object) = self.store.get(ObjectKind::Pod, &key) else {
                self.pending.remove(&key);
                continue;
            };
            let Some(pod) = object.pod() else { continue };
            match self.find_node(&key, pod) {
                Ok(host) => self.assign(&key, &host, at),
                Err(message) => self.mark_unschedulable(&key, message, at),
            }
        }
    }

    fn find_node(&self, key: &ObjectKey, pod: &StoredPod) -> Result<Text, String> {
        let (zone, node) = self.bound_to(key, pod);
        let fit = |name: &Text, host: &NodeInfo| {
            if pod.pool.as_ref().is_some_and(|pool| *pool != host.pool) {
                Err(UnfitReason::Pool)
            } else if !host.open {
                Err(UnfitReason::Closed)
            } else if zone.as_ref().is_some_and(|zone| *zone != host.zone)
                || node.as_ref().is_some_and(|node| node != name)
            {
                Err(UnfitReason::Volume)
            } else if host.cpu.1.saturating_add(pod.cpu) > host.cpu.0 {
                Err(UnfitReason::Cpu)
            } else {
                let same = host.counts.get(&pod.workload).copied().unwrap_or(0);
                Ok((host.avoided, same, host.cpu.1))
            }
        };
        let mut best = None;
        let mut unfit = Vec::new();
        for (name, host) in &self.nodes {
            match fit(name, host) {
                Ok(score) => {
                    if best.as_ref().is_none_or(|(known, _)| score < *known) {
                        best = Some((score, name));
                    }
                }
                Err(why) => unfit.push(why),
            }
        }
        if let Some((_, name)) = best {
            return Ok(Text::clone(name));
        }
        let reasons: Vec<String> = [
            (UnfitReason::Cpu, "Insufficient cpu"),
            (UnfitReason::Volume, "node(s) had volume node affinity conflict"),
            (UnfitReason::Pool, "node(s) didn't match Pod's node affinity/selector"),
            (UnfitReason::Closed, "node(s) were unschedulable"),
        ]
        .into_iter()
        .filter_map(|(why, words)| {
            let count = unfit.iter().filter(|known| **known == why).count();
            (count > 0).then(|| format!("{count} {words}"))
        })
        .collect();
        let all = self.nodes.len();
        let reasons = reasons.join(", ");
        Err(format!(
            "0/{all} nodes are available: {reasons}. preemption: 0/{all} nodes are available: \
             {all} Preemption is not helpful for scheduling."
        ))
    }

    /// Zone, and node, that the volumes of a pod hold it in.
    fn bound_to(&self, key: &ObjectKey, pod: &StoredPod) -> (Option<Text>, Option<Text>) {
        let volume = pod.claims.iter().find_map(|claim| self.volume(&key.namespace, claim));
        if let Some(ObjectBody::PersistentVolume(volume)) = volume.map(|object| &object.body) {
            (Some(Text::clone(&volume.zone)), volume.node.clone())
        } else {
            (None, None)
        }
    }

    fn volume(&self, namespace: &Text, claim: &Text) -> Option<&StoredObject> {
        let key = ObjectKey { namespace: Text::clone(namespace), name: Text::clone(claim) };
        let ObjectBody::PersistentVolumeClaim(volume) =
            &self.store.get(ObjectKind::PersistentVolumeClaim, &key)?.body
        else {
            return None;
        };
        self.store
            .get(ObjectKind::PersistentVolume, &ObjectKey::global(volume))
            .map(|object| &**object)
    }

    fn assign(&mut self, key: &ObjectKey, host: &Text, at: Timestamp) {
        self.bind(key, host, at);
        let ObjectKey { namespace, name } = key;
        let message = format!("Successfully assigned {namespace}/{name} to {host}");
        self.record_event(
            ObjectKind::Pod,
            key,
            at,
            normal("default-scheduler", "Scheduled", message),
        );
        let Some(id) = self.pod_id(key) else { return };
        let claims = self
            .pod(&id)
            .and_then(StoredObject::pod)
            .filter(|pod| pod.local != LocalStorage::PersistentVolume)
            .map(|pod| pod.claims.clone())
            .unwrap_or_default();
        if claims.is_empty() {
            self.start_containers(key, at);
            return;
        }
        let zone = self.nodes.get(host).map_or_else(|| text(""), |host| Text::clone(&host.zone));
        for claim in &claims {
            if self.volume(&key.namespace, claim).is_none() {
                self.make_volume(key, claim, &zone, None, at);
            }
        }
        self.attach_volumes(&id, at);
    }

    fn mark_unschedulable(&mut self, key: &ObjectKey, message: String, at: Timestamp) {
        let mut new = false;
        self.store.edit(ObjectKind::Pod, key, |object| {
            if let ObjectBody::Pod(pod) = &mut object.body {
                let since = pod.unschedulable.as_ref().map_or(at, |(since, _)| *since);
                new = pod.unschedulable.as_ref().is_none_or(|(_, known)| *known != message);
                pod.unschedulable = Some((since, message.clone()));
            }
        });
        if new {
            let note = warning("default-scheduler", "FailedScheduling", message);
            self.record_event(ObjectKind::Pod, key, at, note);
        }
    }

    /// A claim and the volume that it is bound to.
    pub(in crate::simulator::cluster) fn make_volume(
        &mut self,
        pod: &ObjectKey,
        claim: &Text,
        zone: &str,
        node: Option<&Text>,
        at: Timestamp,
    ) {
        let claim = ObjectKey { namespace: Text::clone(&pod.namespace), name: Text::clone(claim) };
        let meta = self.meta(claim.clone(), at);
        let name = match node {
            Some(_) => format!("local-pv-{}", self.rng.hex(8)),
            None => format!("pvc-{}", meta.uid),
        };
        self.store.put(StoredObject { meta, body: ObjectBody::PersistentVolumeClaim(text(&name)) });
        let meta = self.meta(ObjectKey::global(&name), at);
        let volume = StoredVolume { claim, zone: text(zone), node: node.cloned() };
        self.store.put(StoredObject { meta, body: ObjectBody::PersistentVolume(volume) });
    }

    fn attachment_key(&self, volume: &str) -> Option<ObjectKey> {
        self.store
            .list(ObjectKind::VolumeAttachment)
            .find(|object| object.attachment().is_some_and(|a| *a.volume == *volume))
            .map(|object| object.meta.key.clone())
    }

    /// A volume is on a node, or will be.
    pub(in crate::simulator::cluster) fn new_attachment(
        &mut self,
        volume: &Text,
        node: &Text,
        attached: bool,
        at: Timestamp,
    ) {
        let key = ObjectKey::global(&format!("csi-{}", self.rng.hex(64)));
        let meta = self.meta(key, at);
        let attachment = StoredAttachment {
            node: Text::clone(node),
            volume: Text::clone(volume),
            attached,
            detach_error: None,
        };
        self.store.put(StoredObject { meta, body: ObjectBody::VolumeAttachment(attachment) });
    }

    fn volumes_of(&self, id: &PodId) -> Option<(Text, Vec<Text>)> {
        let pod = self.pod(id)?.pod()?;
        let volumes = pod
            .claims
            .iter()
            .filter_map(|claim| self.volume(&id.key.namespace, claim))
            .map(|object| Text::clone(&object.meta.key.name))
            .collect();
        Some((pod.node.clone()?, volumes))
    }

    /// A pod needs its volumes on its node; one that is still on another node has to come off there first.
    pub(in crate::simulator::cluster) fn attach_volumes(&mut self, id: &PodId, at: Timestamp) {
        let Some((node, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if self.attachment_key(volume).is_some() {
                let message = format!(
                    "Multi-Attach error for volume \"{volume}\" Volume is already exclusively \
                     attached to one node and can't be attached to another"
                );
                let note = warning("attachdetach-controller", "FailedAttachVolume", message);
                self.record_event(ObjectKind::Pod, &id.key, at, note);
                let again = self.speed.after(at, SignedDuration::from_secs(ATTACH_RETRY));
                self.tasks.add(again, Task::AttachVolumes(id.clone()));
                return;
            }
        }
        for volume in &volumes {
            self.new_attachment(volume, &node, false, at);
        }
        let done = self.in_about(at, ATTACHING);
        self.tasks.add(done, Task::VolumesAttached(id.clone()));
    }

    /// Its volumes are there.
    pub(in crate::simulator::cluster) fn mark_attached(&mut self, id: &PodId, at: Timestamp) {
        let Some((_, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if let Some(key) = self.attachment_key(volume) {
                self.store.edit(ObjectKind::VolumeAttachment, &key, |object| {
                    if let ObjectBody::VolumeAttachment(attachment) = &mut object.body {
                        attachment.attached = true;
                    }
                });
            }
            let message = format!("AttachVolume.Attach succeeded for volume \"{volume}\"");
            let note = normal("attachdetach-controller", "SuccessfulAttachVolume", message);
            self.record_event(ObjectKind::Pod, &id.key, at, note);
        }
        self.start_containers(&id.key, at);
    }

    /// A pod has gone; its volume comes off the node.
    pub(in crate::simulator::cluster) fn detach_volume(
        &mut self,
        namespace: &Text,
        claim: &Text,
        node: &Text,
        works: bool,
        at: Timestamp,
    ) {
        let volume = self.volume(namespace, claim).map(|v| Text::clone(&v.meta.key.name));
        let Some(key) = volume.and_then(|volume| self.attachment_key(&volume)) else { return };
        self.store.edit(ObjectKind::VolumeAttachment, &key, |object| {
            let ObjectBody::VolumeAttachment(attachment) = &mut object.body else { return };
            if attachment.node == *node {
                object.meta.deletion = Some(Deletion { by: at, grace: 0 });
                attachment.detach_error = (!works).then(|| {
                    let message =
                        "rpc error: code = Internal desc = failed to detach volume: timeout";
                    (at, message.to_owned())
                });
            }
        });
        if works {
            let done = self.in_about(at, DETACHING);
            self.tasks.add(done, Task::VolumeDetached(key));
        }
    }

    /// A volume is off its node.
    pub(in crate::simulator::cluster) fn mark_detached(&mut self, key: &ObjectKey, at: Timestamp) {
        let is_going = |object: &StoredObject| object.meta.deletion.is_some();
        if self.store.get(ObjectKind::VolumeAttachment, key).is_some_and(|object| is_going(object))
            && let Some(object) = self.store.remove(ObjectKind::VolumeAttachment, key)
            && let Some(attachment) = object.attachment()
        {
            self.resume_drain(&Text::clone(&attachment.node), at);
        }
    }

    /// A node is gone, and what was attached to it is not any more.
    pub(in crate::simulator::cluster) fn drop_attachments(&mut self, node: &str) {
        let keys: Vec<ObjectKey> = self
            .store
            .list(ObjectKind::VolumeAttachment)
            .filter(|object| object.attachment().is_some_and(|a| *a.node == *node))
            .map(|object| object.meta.key.clone())
            .collect();
        for key in keys {
            self.store.remove(ObjectKind::VolumeAttachment, &key);
        }
    }
}
