//! The objects of one cluster with their resource versions, and a bounded log of changes from which watches are
//! served and past states are rebuilt.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::simulator::cluster::objects::{ObjectKey, ObjectKind, StoredObject};

/// Changes that are remembered.
const LOG_LIMIT: usize = 5_000;
/// Versions of a cluster begin here, so that they look like those of a cluster that has lived.
const FIRST_VERSION: u64 = 184_000;

/// One change of one object.
#[derive(Debug, Clone)]
pub struct ObjectChange {
    /// Version that it made.
    pub version: u64,
    pub kind: ObjectKind,
    /// The object before; `None` when it was created.
    pub before: Option<Arc<StoredObject>>,
    /// The object afterwards; `None` when it was removed.
    pub after: Option<Arc<StoredObject>>,
}

impl ObjectChange {
    fn key(&self) -> Option<&ObjectKey> {
        self.after.as_ref().or(self.before.as_ref()).map(|object| &object.meta.key)
    }
}

/// Why the past cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableVersion {
    /// That version is forgotten; this is the oldest one that is not.
    TooOld(u64),
    /// That version is still to come; this is the present one.
    TooNew(u64),
}

/// The objects.
#[derive(Debug)]
pub struct ObjectStore {
    objects: BTreeMap<ObjectKind, BTreeMap<ObjectKey, Arc<StoredObject>>>,
    log: VecDeque<ObjectChange>,
    version: u64,
    forgotten: u64,
}

impl Default for ObjectStore {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            version: FIRST_VERSION,
            forgotten: FIRST_VERSION,
        }
    }
}

impl ObjectStore {
    /// The present version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// One object.
    pub fn get(&self, kind: ObjectKind, key: &ObjectKey) -> Option<&Arc<StoredObject>> {
        self.objects.get(&kind)?.get(key)
    }

    /// Objects of a kind, by namespace and name.
    pub fn list(&self, kind: ObjectKind) -> impl Iterator<Item = &Arc<StoredObject>> {
        self.objects.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.objects.get(&kind).map_or(0, BTreeMap::len)
    }

    /// Adds an object, or puts it in the place of one with the same name.
    pub fn put(&mut self, mut object: StoredObject) {
        self.version += 1;
        object.meta.version = self.version;
        let (kind, key) = (object.body.kind(), object.meta.key.clone());
        let after = Arc::new(object);
        let before = self.objects.entry(kind).or_default().insert(key, Arc::clone(&after));
        self.remember(ObjectChange { version: self.version, kind, before, after: Some(after) });
    }

    /// Changes an object; a change that changes nothing leaves no trace. Returns whether it is there.
    pub fn edit(
        &mut self,
        kind: ObjectKind,
        key: &ObjectKey,
        change: impl FnOnce(&mut StoredObject),
    ) -> bool {
        let Some(place) = self.objects.get_mut(&kind).and_then(|objects| objects.get_mut(key))
        else {
            return false;
        };
        let mut next = StoredObject::clone(place);
        change(&mut next);
        if next == **place {
            return true;
        }
        self.version += 1;
        next.meta.version = self.version;
        let after = Arc::new(next);
        let before = std::mem::replace(place, Arc::clone(&after));
        let version = self.version;
        self.remember(ObjectChange { version, kind, before: Some(before), after: Some(after) });
        true
    }

    /// Removes an object.
    pub fn remove(&mut self, kind: ObjectKind, key: &ObjectKey) -> Option<Arc<StoredObject>> {
        let before = self.objects.get_mut(&kind)?.remove(key)?;
        self.version += 1;
        self.remember(ObjectChange {
            version: self.version,
            kind,
            before: Some(Arc::clone(&before)),
            after: None,
        });
        Some(before)
    }

    fn remember(&mut self, change: ObjectChange) {
        if self.log.len() >= LOG_LIMIT
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.version;
        }
        self.log.push_back(change);
    }

    /// Forgets all changes so far, as compaction does; whoever stands at an earlier version must list again.
    pub fn compact(&mut self) {
        self.log.clear();
        self.forgotten = self.version;
    }

    /// Changes of one kind after a version, oldest first.
    ///
    /// # Errors
    /// The version is forgotten.
    pub fn changes(
        &self,
        kind: ObjectKind,
        after: u64,
    ) -> Result<impl Iterator<Item = &ObjectChange> + Clone, UnavailableVersion> {
        if after < self.forgotten {
            return Err(UnavailableVersion::TooOld(self.forgotten));
        }
        let start = self.log.partition_point(|change| change.version <= after);
        Ok(self.log.range(start..).filter(move |change| change.kind == kind))
    }

    /// Objects of a kind as they were at a version.
    ///
    /// # Errors
    /// The version is forgotten, or still to come.
    pub fn list_at(
        &self,
        kind: ObjectKind,
        version: u64,
    ) -> Result<Vec<Arc<StoredObject>>, UnavailableVersion> {
        if version > self.version {
            return Err(UnavailableVersion::TooNew(self.version));
        }
        let later: Vec<&ObjectChange> = self.changes(kind, version)?.collect();
        if later.is_empty() {
            return Ok(self.list(kind).cloned().collect());
        }
        // Newest first, so that the state before the oldest change is what remains.
        let mut past: BTreeMap<&ObjectKey, Option<&Arc<StoredObject>>> = BTreeMap::new();
        for change in later.into_iter().rev() {
            if let Some(key) = change.key() {
                past.insert(key, change.before.as_ref());
            }
        }
        let mut objects: BTreeMap<&ObjectKey, &Arc<StoredObject>> = self
            .objects
            .get(&kind)
            .into_iter()
            .flatten()
            .filter(|(key, _)| !past.contains_key(key))
            .collect();
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
        LabelMap, ObjectBody, ObjectKey, ObjectKind, ObjectMeta, StoredObject,
    };
    use crate::simulator::cluster::store::{ObjectStore, UnavailableVersion};

    fn object(name: u8, value: u8, secret: bool) -> StoredObject {
        let meta = ObjectMeta {
            key: ObjectKey::global(&name.to_string()),
            uid: name.to_string().into(),
            created: Timestamp::UNIX_EPOCH,
            version: 0,
            labels: LabelMap::new(),
            annotations: LabelMap::new(),
            owner: None,
            finalizers: Vec::new(),
            deletion: None,
            written: None,
        };
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
        #[test]
        fn replaying_a_watch_from_any_version_gives_the_list(
            steps in prop::collection::vec((0_u8..3, 0_u8..6, any::<u8>(), any::<bool>()), 1..60),
        ) {
            let mut store = ObjectStore::default();
            let mut past = vec![(store.version(), picture(&store, ObjectKind::ConfigMap))];
            for (step, name, value, other) in steps {
                let kind = if other { ObjectKind::ServiceAccount } else { ObjectKind::ConfigMap };
                let key = ObjectKey::global(&name.to_string());
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
            Some(UnavailableVersion::TooOld(oldest)),
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
