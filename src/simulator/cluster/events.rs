//! Events of a cluster: the narrative of nodes and pods, bounded in number and age.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, StoredEvent, StoredObject, Text,
};

/// Events live this long, as kube-apiserver keeps them.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Events that are kept at most.
const LIMIT: usize = 4_000;

/// Events that are there.
#[derive(Debug, Default)]
pub struct EventLog {
    order: VecDeque<(Timestamp, ObjectKey)>,
    known: BTreeMap<(Text, &'static str), ObjectKey>,
}

/// What an event says.
#[derive(Debug)]
pub struct NewEvent {
    pub reason: &'static str,
    pub message: String,
    pub warning: bool,
    /// Who says so.
    pub component: &'static str,
}

/// An event that is no warning.
pub fn normal(component: &'static str, reason: &'static str, message: String) -> NewEvent {
    NewEvent { reason, message, warning: false, component }
}

/// An event that is a warning.
pub fn warning(component: &'static str, reason: &'static str, message: String) -> NewEvent {
    NewEvent { reason, message, warning: true, component }
}

impl DataPlane {
    /// Notes an event about a node or pod; the same words about the same thing count up.
    pub(in crate::simulator::cluster) fn record_event(
        &mut self,
        kind: ObjectKind,
        about: &ObjectKey,
        at: Timestamp,
        note: NewEvent,
    ) {
        let Some(object) = self.store.get(kind, about) else { return };
        let uid = Text::clone(&object.meta.uid);
        self.remove_excess_events(at);
        let same = (Text::clone(&uid), note.reason);
        if let Some(key) = self.events.known.get(&same) {
            let key = key.clone();
            let mut again = false;
            self.store.edit(ObjectKind::Event, &key, |object| {
                if let ObjectBody::Event(event) = &mut object.body
                    && event.message == note.message
                {
                    event.count += 1;
                    event.last = at;
                    again = true;
                }
            });
            if again {
                return;
            }
        }
        let namespace = if about.namespace.is_empty() { "default" } else { &about.namespace };
        let name = format!("{}.{}", about.name, self.rng.hex(16));
        let key = ObjectKey::new(namespace, &name);
        let event = StoredEvent {
            kind: if kind == ObjectKind::Node { "Node" } else { "Pod" },
            about: about.clone(),
            // The node controller and kubelet name nodes by their name instead of their uid.
            uid: if kind == ObjectKind::Node { Text::clone(&about.name) } else { uid },
            reason: note.reason,
            message: note.message,
            warning: note.warning,
            component: note.component,
            first: at,
            last: at,
            count: 1,
        };
        let meta = self.meta(key.clone(), at);
        self.store.put(StoredObject { meta, body: ObjectBody::Event(Box::new(event)) });
        self.events.known.insert(same, key.clone());
        self.events.order.push_back((at, key));
    }

    fn remove_excess_events(&mut self, at: Timestamp) {
        while let Some((first, _)) = self.events.order.front() {
            let old = at.duration_since(*first) > LIFE;
            if !old && self.events.order.len() < LIMIT {
                return;
            }
            let Some((_, key)) = self.events.order.pop_front() else { return };
            self.store.remove(ObjectKind::Event, &key);
            self.events.known.retain(|_, known| *known != key);
        }
    }

    /// Removes events that are too old, as a server does on its own.
    pub fn remove_expired_events(&mut self, now: Timestamp) {
        self.remove_excess_events(now);
    }
}
