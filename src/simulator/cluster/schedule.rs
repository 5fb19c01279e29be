//! Where pods go: the scheduler, and the volumes that follow them.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::{PodId, Task};
use crate::simulator::cluster::events::{normal, warning};
use crate::simulator::cluster::interior::{Host, Interior, text};
use crate::simulator::cluster::objects::{
    Attachment, Body, Deletion, Key, Kind, Local, Object, Pod, Text, Volume,
};

/// Attaching and detaching take about this long, seconds.
const ATTACHING: i64 = 12;
const DETACHING: i64 = 15;
/// A pod whose volume is elsewhere asks again after this long, seconds.
const ATTACH_RETRY: i64 = 15;

/// Why a node does not take a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    Closed,
    Pool,
    Volume,
    Cpu,
}

impl Interior {
    /// Looks for a place for every pod that has none.
    pub(in crate::simulator::cluster) fn schedule(&mut self, at: Timestamp) {
        for key in self.pending.clone() {
            let Some(object) = self.store.get(Kind::Pod, &key) else {
                self.pending.remove(&key);
                continue;
            };
            let Some(pod) = object.pod() else { continue };
            match self.place_for(&key, pod) {
                Ok(host) => self.place(&key, &host, at),
                Err(message) => self.cannot_place(&key, message, at),
            }
        }
    }

    fn place_for(&self, key: &Key, pod: &Pod) -> Result<Text, String> {
        let (zone, node) = self.bound_to(key, pod);
        let fit = |name: &Text, host: &Host| {
            if pod.pool.as_ref().is_some_and(|pool| *pool != host.pool) {
                Err(Unfit::Pool)
            } else if !host.open {
                Err(Unfit::Closed)
            } else if zone.as_ref().is_some_and(|zone| *zone != host.zone)
                || node.as_ref().is_some_and(|node| node != name)
            {
                Err(Unfit::Volume)
            } else if host.cpu.1.saturating_add(pod.cpu) > host.cpu.0 {
                Err(Unfit::Cpu)
            } else {
                let same = host.counts.get(&pod.workload).copied().unwrap_or(0);
                Ok((host.avoided, same, host.cpu.1))
            }
        };
        let mut best = None;
        let mut unfit = Vec::new();
        for (name, host) in &self.hosts {
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
            (Unfit::Cpu, "Insufficient cpu"),
            (Unfit::Volume, "node(s) had volume node affinity conflict"),
            (Unfit::Pool, "node(s) didn't match Pod's node affinity/selector"),
            (Unfit::Closed, "node(s) were unschedulable"),
        ]
        .into_iter()
        .filter_map(|(why, words)| {
            let count = unfit.iter().filter(|known| **known == why).count();
            (count > 0).then(|| format!("{count} {words}"))
        })
        .collect();
        let all = self.hosts.len();
        let reasons = reasons.join(", ");
        Err(format!(
            "0/{all} nodes are available: {reasons}. preemption: 0/{all} nodes are available: \
             {all} Preemption is not helpful for scheduling."
        ))
    }

    /// Zone, and node, that the volumes of a pod hold it in.
    fn bound_to(&self, key: &Key, pod: &Pod) -> (Option<Text>, Option<Text>) {
        let volume = pod.claims.iter().find_map(|claim| self.volume(&key.namespace, claim));
        if let Some(Body::Volume(volume)) = volume.map(|object| &object.body) {
            (Some(Text::clone(&volume.zone)), volume.node.clone())
        } else {
            (None, None)
        }
    }

    fn volume(&self, namespace: &Text, claim: &Text) -> Option<&Object> {
        let key = Key { namespace: Text::clone(namespace), name: Text::clone(claim) };
        let Body::Claim(volume) = &self.store.get(Kind::Claim, &key)?.body else { return None };
        self.store.get(Kind::Volume, &Key::global(volume)).map(|object| &**object)
    }

    fn place(&mut self, key: &Key, host: &Text, at: Timestamp) {
        self.bind(key, host, at);
        let Key { namespace, name } = key;
        let message = format!("Successfully assigned {namespace}/{name} to {host}");
        self.note(Kind::Pod, key, at, normal("default-scheduler", "Scheduled", message));
        let Some(id) = self.pod_id(key) else { return };
        let claims = self
            .pod(&id)
            .and_then(Object::pod)
            .filter(|pod| pod.local != Local::OwnDisk)
            .map(|pod| pod.claims.clone())
            .unwrap_or_default();
        if claims.is_empty() {
            self.start_soon(key, at);
            return;
        }
        let zone = self.hosts.get(host).map_or_else(|| text(""), |host| Text::clone(&host.zone));
        for claim in &claims {
            if self.volume(&key.namespace, claim).is_none() {
                self.make_volume(key, claim, &zone, None, at);
            }
        }
        self.attach(&id, at);
    }

    fn cannot_place(&mut self, key: &Key, message: String, at: Timestamp) {
        let mut new = false;
        self.store.edit(Kind::Pod, key, |object| {
            if let Body::Pod(pod) = &mut object.body {
                let since = pod.unschedulable.as_ref().map_or(at, |(since, _)| *since);
                new = pod.unschedulable.as_ref().is_none_or(|(_, known)| *known != message);
                pod.unschedulable = Some((since, message.clone()));
            }
        });
        if new {
            let note = warning("default-scheduler", "FailedScheduling", message);
            self.note(Kind::Pod, key, at, note);
        }
    }

    /// A claim and the volume that it is bound to.
    pub(in crate::simulator::cluster) fn make_volume(
        &mut self,
        pod: &Key,
        claim: &Text,
        zone: &str,
        node: Option<&Text>,
        at: Timestamp,
    ) {
        let claim = Key { namespace: Text::clone(&pod.namespace), name: Text::clone(claim) };
        let meta = self.meta(claim.clone(), at);
        let name = match node {
            Some(_) => format!("local-pv-{}", self.dice.hex(8)),
            None => format!("pvc-{}", meta.uid),
        };
        self.store.put(Object { meta, body: Body::Claim(text(&name)) });
        let meta = self.meta(Key::global(&name), at);
        let volume = Volume { claim, zone: text(zone), node: node.cloned() };
        self.store.put(Object { meta, body: Body::Volume(volume) });
    }

    fn attachment_key(&self, volume: &str) -> Option<Key> {
        self.store
            .list(Kind::Attachment)
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
        let key = Key::global(&format!("csi-{}", self.dice.hex(64)));
        let meta = self.meta(key, at);
        let attachment = Attachment {
            node: Text::clone(node),
            volume: Text::clone(volume),
            attached,
            detach_error: None,
        };
        self.store.put(Object { meta, body: Body::Attachment(attachment) });
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
    pub(in crate::simulator::cluster) fn attach(&mut self, id: &PodId, at: Timestamp) {
        let Some((node, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if self.attachment_key(volume).is_some() {
                let message = format!(
                    "Multi-Attach error for volume \"{volume}\" Volume is already exclusively \
                     attached to one node and can't be attached to another"
                );
                let note = warning("attachdetach-controller", "FailedAttachVolume", message);
                self.note(Kind::Pod, &id.key, at, note);
                let again = self.pace.then(at, SignedDuration::from_secs(ATTACH_RETRY));
                self.agenda.add(again, Task::Attach(id.clone()));
                return;
            }
        }
        for volume in &volumes {
            self.new_attachment(volume, &node, false, at);
        }
        let done = self.in_about(at, ATTACHING);
        self.agenda.add(done, Task::Attached(id.clone()));
    }

    /// Its volumes are there.
    pub(in crate::simulator::cluster) fn attached(&mut self, id: &PodId, at: Timestamp) {
        let Some((_, volumes)) = self.volumes_of(id) else { return };
        for volume in &volumes {
            if let Some(key) = self.attachment_key(volume) {
                self.store.edit(Kind::Attachment, &key, |object| {
                    if let Body::Attachment(attachment) = &mut object.body {
                        attachment.attached = true;
                    }
                });
            }
            let message = format!("AttachVolume.Attach succeeded for volume \"{volume}\"");
            let note = normal("attachdetach-controller", "SuccessfulAttachVolume", message);
            self.note(Kind::Pod, &id.key, at, note);
        }
        self.start_soon(&id.key, at);
    }

    /// A pod has gone; its volume comes off the node.
    pub(in crate::simulator::cluster) fn detach(
        &mut self,
        namespace: &Text,
        claim: &Text,
        node: &Text,
        works: bool,
        at: Timestamp,
    ) {
        let volume = self.volume(namespace, claim).map(|v| Text::clone(&v.meta.key.name));
        let Some(key) = volume.and_then(|volume| self.attachment_key(&volume)) else { return };
        self.store.edit(Kind::Attachment, &key, |object| {
            let Body::Attachment(attachment) = &mut object.body else { return };
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
            self.agenda.add(done, Task::Detached(key));
        }
    }

    /// A volume is off its node.
    pub(in crate::simulator::cluster) fn detached(&mut self, key: &Key, at: Timestamp) {
        let is_going = |object: &Object| object.meta.deletion.is_some();
        if self.store.get(Kind::Attachment, key).is_some_and(|object| is_going(object))
            && let Some(object) = self.store.remove(Kind::Attachment, key)
            && let Some(attachment) = object.attachment()
        {
            self.hasten(&Text::clone(&attachment.node), at);
        }
    }

    /// A node is gone, and what was attached to it is not any more.
    pub(in crate::simulator::cluster) fn drop_attachments(&mut self, node: &str) {
        let keys: Vec<Key> = self
            .store
            .list(Kind::Attachment)
            .filter(|object| object.attachment().is_some_and(|a| *a.node == *node))
            .map(|object| object.meta.key.clone())
            .collect();
        for key in keys {
            self.store.remove(Kind::Attachment, &key);
        }
    }
}
