//! Kubernetes events of nodes and pods, bounded in number and age.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, ObjectMeta, StoredEvent, StoredObject,
};
use crate::simulator::cluster::store::ObjectStore;
use crate::simulator::rng::Rng;

/// Lifetime of events, as in kube-apiserver.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
const LIMIT: usize = 4_000;

/// Content of an event.
#[derive(Debug)]
pub struct NewEvent {
    severity: &'static str,
    component: &'static str,
    reason: &'static str,
    message: String,
}

impl NewEvent {
    /// An event of type `Normal`.
    pub fn normal(
        component: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { severity: "Normal", component, reason, message: message.into() }
    }

    /// An event of type `Warning`.
    pub fn warning(component: &'static str, reason: &'static str, message: String) -> Self {
        Self { severity: "Warning", component, reason, message }
    }
}

/// The stored events.
#[derive(Debug, Default)]
pub struct EventLog {
    order: VecDeque<(Timestamp, ObjectKey)>,
    /// The last event of each object and reason.
    last: BTreeMap<(Arc<str>, &'static str), ObjectKey>,
}

impl EventLog {
    /// Records an event of a node or pod, if it exists; a repeated message increments the count.
    pub fn record(
        &mut self,
        store: &mut ObjectStore,
        rng: &mut Rng,
        kind: ObjectKind,
        involved: &ObjectKey,
        at: Timestamp,
        event: NewEvent,
    ) {
        let Some(object) = store.get(kind, involved) else { return };
        let uid = Arc::clone(&object.meta.uid);
        self.remove_expired(store, at);
        let same = (Arc::clone(&uid), event.reason);
        let mut repeated = false;
        if let Some(last) = self.last.get(&same) {
            store.edit(ObjectKind::Event, last, |object| {
                if let Some(last) = object.event_mut().filter(|last| last.message == event.message)
                {
                    last.count += 1;
                    last.last = at;
                    repeated = true;
                }
            });
        }
        if repeated {
            return;
        }
        let is_node = kind == ObjectKind::Node;
        let namespace = if is_node { "default".into() } else { Arc::clone(&involved.namespace) };
        let key = ObjectKey::new(namespace, format!("{}.{}", involved.name, rng.hex(16)));
        let body = StoredEvent {
            kind: if is_node { "Node" } else { "Pod" },
            involved: involved.clone(),
            // Node controller and kubelet use the name of a node instead of its uid.
            uid: if is_node { Arc::clone(&involved.name) } else { uid },
            reason: event.reason,
            message: event.message,
            severity: event.severity,
            component: event.component,
            first: at,
            last: at,
            count: 1,
        };
        let meta = ObjectMeta::new(key.clone(), rng.uid().into(), at);
        store.put(StoredObject { meta, body: ObjectBody::Event(Box::new(body)) });
        self.last.insert(same, key.clone());
        self.order.push_back((at, key));
    }

    /// Removes expired and surplus events.
    pub fn remove_expired(&mut self, store: &mut ObjectStore, now: Timestamp) {
        while let Some((first, _)) = self.order.front() {
            if now.duration_since(*first) <= LIFETIME && self.order.len() < LIMIT {
                return;
            }
            let Some((_, key)) = self.order.pop_front() else { return };
            store.remove(ObjectKind::Event, &key);
            self.last.retain(|_, last| *last != key);
        }
    }
}
