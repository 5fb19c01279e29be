//! The objects of one kind, each once. A full list replaces them at once; single changes are by name and uid.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// Key of an object. A server has one object per name at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Namespace; empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
}

/// An object as read from the server.
#[derive(Debug, Clone)]
pub struct Item<T> {
    /// Its key, as the server writes it.
    pub key: Key,
    /// `metadata.uid`; changes if an object is recreated under the same name.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// The decoded value; `None` if the object is irrelevant.
    pub value: Option<T>,
}

/// How many objects are kept, and the time by which the oldest are evicted.
struct Bound<T> {
    most: usize,
    moment: fn(&T) -> Option<Timestamp>,
}

/// The objects of one kind.
pub struct ObjectCache<T> {
    objects: BTreeMap<Key, CachedObject<T>>,
    bound: Option<Bound<T>>,
}

struct CachedObject<T> {
    uid: String,
    value: Arc<T>,
}

impl<T> Default for ObjectCache<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), bound: None }
    }
}

impl<T: PartialEq> ObjectCache<T> {
    /// A cache that keeps the `most` latest objects; up to a quarter more between evictions.
    pub fn bounded(most: usize, moment: fn(&T) -> Option<Timestamp>) -> Self {
        Self { objects: BTreeMap::new(), bound: Some(Bound { most, moment }) }
    }

    /// Stores an added or modified object; returns whether the cache changed.
    pub fn put(&mut self, item: Item<T>) -> bool {
        let Some(value) = item.value else { return self.remove(&item.key, &item.uid) };
        let known = self.objects.get(&item.key);
        if known.is_some_and(|cached| cached.uid == item.uid && *cached.value == value) {
            return false;
        }
        self.objects.insert(item.key, CachedObject { uid: item.uid, value: Arc::new(value) });
        let limit = self.bound.as_ref().map(|bound| bound.most.saturating_add(bound.most / 4));
        if limit.is_some_and(|limit| self.objects.len() > limit) {
            self.trim();
        }
        true
    }

    /// Whether a new object would exceed `most`.
    pub fn is_too_many(&self, key: &Key, most: usize) -> bool {
        self.objects.len() >= most && !self.objects.contains_key(key)
    }

    /// Removes an object, unless it was recreated under the same name.
    pub fn remove(&mut self, key: &Key, uid: &str) -> bool {
        let is_it = self.objects.get(key).is_some_and(|cached| cached.uid == uid || uid.is_empty());
        is_it && self.objects.remove(key).is_some()
    }

    /// Replaces everything with a full list; returns whether anything changed. Unchanged objects stay shared.
    pub fn replace_all(&mut self, items: Vec<Item<T>>) -> bool {
        let mut fresh: BTreeMap<Key, CachedObject<T>> = BTreeMap::new();
        for item in items {
            let Some(value) = item.value else { continue };
            let known = self.objects.get(&item.key);
            let known = known.filter(|cached| cached.uid == item.uid && *cached.value == value);
            let value = known.map_or_else(|| Arc::new(value), |cached| Arc::clone(&cached.value));
            fresh.insert(item.key, CachedObject { uid: item.uid, value });
        }
        let before = std::mem::replace(&mut self.objects, fresh);
        self.trim();
        let is_new = |key: &Key, cached: &CachedObject<T>| {
            before.get(key).is_none_or(|known| !Arc::ptr_eq(&known.value, &cached.value))
        };
        before.len() != self.objects.len()
            || self.objects.iter().any(|(key, cached)| is_new(key, cached))
    }

    /// All objects, by namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values().map(|cached| &cached.value)
    }

    /// [`Self::all`] as a vector.
    pub fn to_vec(&self) -> Vec<Arc<T>> {
        self.all().cloned().collect()
    }

    fn trim(&mut self) {
        let Some(Bound { most, moment }) = &self.bound else { return };
        let excess = self.objects.len().saturating_sub(*most);
        if excess == 0 {
            return;
        }
        let mut by_age: Vec<(Option<Timestamp>, Key)> =
            self.objects.iter().map(|(key, cached)| (moment(&cached.value), key.clone())).collect();
        by_age.sort();
        for (_, key) in by_age.into_iter().take(excess) {
            self.objects.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::clients::kubernetes::object_cache::{Item, Key, ObjectCache};

    fn item(name: &str, uid: &str, value: Option<i64>) -> Item<i64> {
        let key = Key { namespace: String::new(), name: name.into() };
        Item { key, uid: uid.into(), version: "1".into(), value }
    }

    fn content(object_cache: &ObjectCache<i64>) -> Vec<i64> {
        object_cache.all().map(|value| **value).collect()
    }

    #[test]
    fn k8s_10_a_recreated_object_counts_once_and_survives_a_late_delete_of_the_old_one() {
        let mut object_cache = ObjectCache::default();
        assert!(object_cache.put(item("a", "old", Some(1))));
        assert!(
            object_cache.put(item("a", "new", Some(1))),
            "another one, although it looks the same"
        );
        assert!(!object_cache.remove(&item("a", "old", None).key, "old"));
        assert_eq!(content(&object_cache), [1]);
        assert!(object_cache.remove(&item("a", "new", None).key, "new"));
        assert!(content(&object_cache).is_empty());
    }

    #[test]
    fn a_list_replaces_all_and_shares_what_is_equal() {
        let mut object_cache = ObjectCache::default();
        object_cache.replace_all(vec![item("a", "1", Some(1)), item("b", "2", Some(2))]);
        let before = object_cache.all().next().cloned().unwrap();
        assert!(!object_cache.replace_all(vec![item("b", "2", Some(2)), item("a", "1", Some(1))]));
        assert!(object_cache.replace_all(vec![item("a", "1", Some(1)), item("c", "3", None)]));
        assert!(std::sync::Arc::ptr_eq(&before, object_cache.all().next().unwrap()));
        assert_eq!(content(&object_cache), [1]);
    }

    #[test]
    fn a_bounded_cache_keeps_the_latest() {
        let mut object_cache = ObjectCache::bounded(8, |value| Timestamp::from_second(*value).ok());
        for number in 0..100 {
            object_cache.put(item(&number.to_string(), "u", Some(number)));
            assert!(content(&object_cache).len() <= 10);
        }
        object_cache.replace_all((0..100).map(|n| item(&n.to_string(), "u", Some(n))).collect());
        assert!(
            !object_cache
                .replace_all((0..100).map(|n| item(&n.to_string(), "u", Some(n))).collect())
        );
        let mut left = content(&object_cache);
        left.sort_unstable();
        assert_eq!(left, (92..100).collect::<Vec<_>>());
    }
}
