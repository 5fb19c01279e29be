//! The objects of one cluster with their resource versions, and a bounded log of changes that serves watches and past
//! states.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::simulator::cluster::objects::{
    ObjectKey, ObjectKind, StoredNode, StoredObject, StoredPod,
};

/// Number of changes kept.
const LOG_LIMIT: usize = 5_000;
/// The first version, as in a cluster that has been running for a while.
const FIRST_VERSION: u64 = 184_000;

/// One change of one object.
#[derive(Debug, Clone)]
pub struct StoreChange {
    /// The resulting version.
    pub version: u64,
    pub kind: ObjectKind,
    /// The object before; `None` if it was created.
    pub before: Option<Arc<StoredObject>>,
    /// The object afterwards; `None` if it was removed.
    pub after: Option<Arc<StoredObject>>,
}

impl StoreChange {
    fn key(&self) -> Option<&ObjectKey> {
        self.after.as_ref().or(self.before.as_ref()).map(|object| &object.meta.key)
    }
}

/// Why the objects of a version cannot be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableVersion {
    /// It is compacted; with the oldest one that is not.
    TooOld(u64),
    /// It does not exist yet; with the current one.
    TooNew(u64),
}

/// The objects.
#[derive(Debug)]
pub struct ObjectStore {
    objects: BTreeMap<ObjectKind, BTreeMap<ObjectKey, Arc<StoredObject>>>,
    log: VecDeque<StoreChange>,
    version: u64,
    /// The last version whose change is no longer in the log.
    compacted: u64,
}

impl Default for ObjectStore {
    fn default() -> Self {
        let (objects, log) = (BTreeMap::new(), VecDeque::new());
        Self { objects, log, version: FIRST_VERSION, compacted: FIRST_VERSION }
    }
}

impl ObjectStore {
    /// The current version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// One object.
    pub fn get(&self, kind: ObjectKind, key: &ObjectKey) -> Option<&Arc<StoredObject>> {
        self.objects.get(&kind)?.get(key)
    }

    /// The body of a node.
    pub fn node(&self, name: &str) -> Option<&StoredNode> {
        self.get(ObjectKind::Node, &ObjectKey::global(name))?.node()
    }

    /// The body of a pod.
    pub fn pod(&self, key: &ObjectKey) -> Option<&StoredPod> {
        self.get(ObjectKind::Pod, key)?.pod()
    }

    /// Objects of a kind, by namespace and name.
    pub fn list(&self, kind: ObjectKind) -> impl Iterator<Item = &Arc<StoredObject>> {
        self.objects.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// Keys of the objects of a kind that match.
    pub fn keys(
        &self,
        kind: ObjectKind,
        matches: impl Fn(&StoredObject) -> bool,
    ) -> Vec<ObjectKey> {
        let found = self.list(kind).filter(|object| matches(object));
        found.map(|object| object.meta.key.clone()).collect()
    }

    /// Adds an object, or replaces the one with the same name.
    pub fn put(&mut self, mut object: StoredObject) {
        self.version += 1;
        object.meta.version = self.version;
        let (kind, key) = (object.body.kind(), object.meta.key.clone());
        let after = Arc::new(object);
        let before = self.objects.entry(kind).or_default().insert(key, Arc::clone(&after));
        self.log_change(kind, before, Some(after));
    }

    /// Changes an object, if it exists; a no-op is not logged. Returns whether it exists.
    pub fn edit(
        &mut self,
        kind: ObjectKind,
        key: &ObjectKey,
        change: impl FnOnce(&mut StoredObject),
    ) -> bool {
        let stored = self.objects.get_mut(&kind).and_then(|objects| objects.get_mut(key));
        let Some(stored) = stored else { return false };
        let mut next = StoredObject::clone(stored);
        change(&mut next);
        if next != **stored {
            self.version += 1;
            next.meta.version = self.version;
            let after = Arc::new(next);
            let before = std::mem::replace(stored, Arc::clone(&after));
            self.log_change(kind, Some(before), Some(after));
        }
        true
    }

    /// Changes a pod, if it exists.
    pub fn edit_pod(&mut self, key: &ObjectKey, change: impl FnOnce(&mut StoredPod)) {
        self.edit(ObjectKind::Pod, key, |object| {
            if let Some(pod) = object.pod_mut() {
                change(pod);
            }
        });
    }

    /// Removes an object.
    pub fn remove(&mut self, kind: ObjectKind, key: &ObjectKey) -> Option<Arc<StoredObject>> {
        let before = self.objects.get_mut(&kind)?.remove(key)?;
        self.version += 1;
        self.log_change(kind, Some(Arc::clone(&before)), None);
        Some(before)
    }

    fn log_change(
        &mut self,
        kind: ObjectKind,
        before: Option<Arc<StoredObject>>,
        after: Option<Arc<StoredObject>>,
    ) {
        if self.log.len() >= LOG_LIMIT
            && let Some(oldest) = self.log.pop_front()
        {
            self.compacted = oldest.version;
        }
        self.log.push_back(StoreChange { version: self.version, kind, before, after });
    }

    /// Drops the log, like compaction: clients at an earlier version must relist.
    pub fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.version;
    }

    /// Changes of one kind after a version, oldest first.
    ///
    /// # Errors
    /// The version is compacted; with the oldest one that is not.
    pub fn changes(
        &self,
        kind: ObjectKind,
        after: u64,
    ) -> Result<impl Iterator<Item = &StoreChange> + Clone, u64> {
        if after < self.compacted {
            return Err(self.compacted);
        }
        let start = self.log.partition_point(|change| change.version <= after);
        Ok(self.log.range(start..).filter(move |change| change.kind == kind))
    }

    /// Objects of a kind as of a version.
    ///
    /// # Errors
    /// The version is compacted, or does not exist yet.
    pub fn list_at(
        &self,
        kind: ObjectKind,
        version: u64,
    ) -> Result<Vec<Arc<StoredObject>>, UnavailableVersion> {
        if version > self.version {
            return Err(UnavailableVersion::TooNew(self.version));
        }
        let later = self.changes(kind, version).map_err(UnavailableVersion::TooOld)?;
        // The first later change of each object has its past state.
        let mut past: BTreeMap<&ObjectKey, Option<&Arc<StoredObject>>> = BTreeMap::new();
        for change in later {
            if let Some(key) = change.key() {
                past.entry(key).or_insert(change.before.as_ref());
            }
        }
        let present = self.objects.get(&kind).into_iter().flatten();
        let mut objects: BTreeMap<&ObjectKey, &Arc<StoredObject>> =
            present.filter(|(key, _)| !past.contains_key(key)).collect();
        objects.extend(past.into_iter().filter_map(|(key, object)| Some((key, object?))));
        Ok(objects.into_values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::simulator::cluster::objects::{
        ObjectBody, ObjectKey, ObjectKind, ObjectMeta, StoredObject,
    };
    use crate::simulator::cluster::store::{ObjectStore, UnavailableVersion};

    fn object(name: u8, value: u8, secret: bool) -> StoredObject {
        let key = ObjectKey::global(name.to_string());
        let meta = ObjectMeta::new(key, name.to_string().into(), Timestamp::UNIX_EPOCH);
        let body = if secret {
            ObjectBody::ServiceAccount(vec![value.to_string().into()])
        } else {
            ObjectBody::ConfigMap([("value".to_owned(), value.to_string())].into())
        };
        StoredObject { meta, body }
    }

    fn picture(store: &ObjectStore, kind: ObjectKind) -> BTreeMap<ObjectKey, StoredObject> {
        store
            .list(kind)
            .map(|object| (object.meta.key.clone(), StoredObject::clone(object)))
            .collect()
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn replaying_a_watch_from_any_version_gives_the_list(
            steps in prop::collection::vec((0_u8..3, 0_u8..6, any::<u8>(), any::<bool>()), 1..60),
        ) {
            let mut store = ObjectStore::default();
            let mut past = vec![(store.version(), picture(&store, ObjectKind::ConfigMap))];
            for (step, name, value, other) in steps {
                let kind = if other { ObjectKind::ServiceAccount } else { ObjectKind::ConfigMap };
                let key = ObjectKey::global(name.to_string());
                match step {
                    0 => store.put(object(name, value, other)),
                    1 => {
                        store.edit(kind, &key, |found| found.body = object(name, value, other).body);
                    }
                    _ => {
                        store.remove(kind, &key);
                    }
                }
                past.push((store.version(), picture(&store, ObjectKind::ConfigMap)));
            }
            let present = picture(&store, ObjectKind::ConfigMap);
            for (version, then) in past {
                let at: BTreeMap<ObjectKey, StoredObject> = store
                    .list_at(ObjectKind::ConfigMap, version)
                    .unwrap()
                    .into_iter()
                    .map(|object| (object.meta.key.clone(), StoredObject::clone(&object)))
                    .collect();
                prop_assert_eq!(&at, &then);
                let mut replayed = then;
                let mut last = version;
                for change in store.changes(ObjectKind::ConfigMap, version).unwrap() {
                    prop_assert!(change.version > last);
                    last = change.version;
                    match (&change.before, &change.after) {
                        (before, Some(after)) => {
                            let replaced =
                                replayed.insert(after.meta.key.clone(), StoredObject::clone(after));
                            prop_assert_eq!(replaced.as_ref(), before.as_deref());
                        }
                        (Some(before), None) => {
                            prop_assert!(replayed.remove(&before.meta.key).is_some());
                        }
                        (None, None) => unreachable!(),
                    }
                }
                prop_assert_eq!(replayed, present.clone());
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_said_to_be() {
        let mut store = ObjectStore::default();
        let before = store.version();
        store.put(object(1, 1, false));
        assert_eq!(store.changes(ObjectKind::ConfigMap, before).unwrap().count(), 1);
        store.compact();
        let oldest = store.version();
        assert_eq!(
            store.changes(ObjectKind::ConfigMap, before).err(),
            Some(oldest),
            "a version before the compaction"
        );
        assert_eq!(
            store.list_at(ObjectKind::ConfigMap, before).err(),
            Some(UnavailableVersion::TooOld(oldest))
        );
        assert_eq!(store.list_at(ObjectKind::ConfigMap, oldest).unwrap().len(), 1);
        assert_eq!(
            store.list_at(ObjectKind::ConfigMap, oldest + 1).err(),
            Some(UnavailableVersion::TooNew(oldest))
        );
        for number in 0..=5_100_u32 {
            store.put(object(u8::try_from(number % 7).unwrap(), 0, false));
        }
        assert!(store.changes(ObjectKind::ConfigMap, oldest).is_err());
    }

    #[test]
    fn a_change_that_changes_nothing_makes_no_version() {
        let mut store = ObjectStore::default();
        store.put(object(1, 1, false));
        let version = store.version();
        assert!(store.edit(ObjectKind::ConfigMap, &ObjectKey::global("1"), |_| {}));
        assert!(!store.edit(ObjectKind::ConfigMap, &ObjectKey::global("2"), |_| {}));
        assert_eq!(store.version(), version);
    }
}
