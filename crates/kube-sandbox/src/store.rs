//! The objects, their versions, and the changes that watches report.

use crate::digest::sha256;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::kinds::{self, Resource};
use super::object;
use super::server::fields::{self, Author};

/// How many changes a watch can catch up on; who is further behind is told to list again.
const REMEMBERED: usize = 4096;

/// Where an object is. Ordered as lists are: by kind, namespace, name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) plural: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The uid that the first object of this kind, namespace and name has in a cluster; none for a kind
/// that is not simulated.
pub(crate) fn first_uid(cluster: &str, kind: &str, namespace: &str, name: &str) -> Option<String> {
    let resource = kinds::by_kind(kind)?;
    let namespace = if resource.namespaced { namespace } else { "" };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Some(uid(cluster, &Key { plural: resource.plural, namespace, name }, 0))
}

/// One change, as watches report it.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) plural: &'static str,
    /// The object before; none when it was created.
    pub(crate) before: Option<Arc<Value>>,
    /// The object after. For a deletion: as it was last, with the version of the deletion.
    pub(crate) object: Arc<Value>,
    pub(crate) deleted: bool,
}

impl Change {
    /// Whether nothing can follow from it.
    fn is_idle(&self) -> bool {
        let Some(before) = self.before.as_ref().filter(|_| !self.deleted) else { return false };
        let same = |of: &str, field: &str| before[of][field] == self.object[of][field];
        matches!(self.plural, "events" | "leases")
            && ["ownerReferences", "finalizers", "deletionTimestamp"]
                .iter()
                .all(|field| same("metadata", field))
            && same("spec", "holderIdentity")
    }
}

/// A version from which changes are no longer, or not yet, known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    TooOld,
    TooNew,
}

/// All objects of the simulated cluster.
#[derive(Debug)]
pub(crate) struct Store {
    cluster: String,
    objects: BTreeMap<Key, Arc<Value>>,
    /// How often an object of this place was removed: what is created there again is another
    /// object.
    removed: BTreeMap<Key, u64>,
    changes: VecDeque<Change>,
    forgotten: u64,
    /// The version of the last change from which something can follow.
    moved: u64,
    /// The version of the last change of each kind.
    changed: BTreeMap<&'static str, u64>,
    /// The kinds that objects of the cluster define.
    custom: Vec<&'static Resource>,
    revision: watch::Sender<u64>,
}

impl Clone for Store {
    /// Whoever watches one is not told of the other.
    fn clone(&self) -> Self {
        Self {
            cluster: self.cluster.clone(),
            objects: self.objects.clone(),
            removed: self.removed.clone(),
            changes: self.changes.clone(),
            forgotten: self.forgotten,
            moved: self.moved,
            changed: self.changed.clone(),
            custom: self.custom.clone(),
            revision: watch::Sender::new(*self.revision.borrow()),
        }
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        Self::of("")
    }

    /// The store of the cluster of this name: its objects have other uids than those of other
    /// clusters.
    pub(crate) fn of(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            objects: BTreeMap::new(),
            removed: BTreeMap::new(),
            changes: VecDeque::new(),
            forgotten: 0,
            moved: 0,
            changed: BTreeMap::new(),
            custom: Vec::new(),
            revision: watch::Sender::new(1000),
        }
    }

    /// The version of the whole store.
    pub(crate) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// The version of the last change from which something can follow. Nothing follows from an
    /// event that is counted again, nor from a Lease that its holder renews.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// The version of the last change of an object of this kind.
    pub(crate) fn changed(&self, plural: &str) -> u64 {
        self.changed.get(plural).copied().unwrap_or_default()
    }

    /// The kinds that CustomResourceDefinitions of the cluster define.
    pub(crate) fn custom(&self) -> &[&'static Resource] {
        &self.custom
    }

    /// The kind of an object, if the cluster has it.
    pub(crate) fn kind_of(&self, object: &Value) -> Option<&'static Resource> {
        kinds::among(&self.custom, object)
    }

    fn define_kinds(&mut self) {
        // each was read when it was checked
        let defined = self.list(kinds::CUSTOM, None).filter_map(|one| kinds::define(one).ok());
        self.custom = defined.collect();
    }

    /// Tells of every new version.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub(crate) fn get(
        &self,
        plural: &'static str,
        namespace: &str,
        name: &str,
    ) -> Option<&Arc<Value>> {
        self.objects.get(&Key { plural, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The objects of one kind in order; of one namespace, if one is given.
    pub(crate) fn list<'a>(
        &'a self,
        plural: &'static str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Value>> {
        let first = Key {
            plural,
            namespace: namespace.unwrap_or_default().to_owned(),
            name: String::new(),
        };
        self.objects
            .range(first..)
            .take_while(move |(key, _)| {
                key.plural == plural && namespace.is_none_or(|namespace| key.namespace == namespace)
            })
            .map(|(_, object)| object)
    }

    /// Every object, in order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.values()
    }

    /// Creates or replaces an object for the world itself, which owns the fields that it sets. Says
    /// whether it changed.
    pub(crate) fn put(&mut self, object: impl Into<Arc<Value>>, now: Timestamp) -> bool {
        let object = object.into();
        let Some(resource) = self.kind_of(&object) else {
            return false;
        };
        let before = self.objects.get(&key_of(resource, &object));
        // most of what controllers put is there already
        if before.is_some_and(|before| Arc::ptr_eq(before, &object)) {
            return false;
        }
        let mut object = Arc::unwrap_or_clone(object);
        match before {
            Some(before) if is_same(before, &object) => {
                object["metadata"]["managedFields"] = before["metadata"]["managedFields"].clone();
            }
            Some(before) => {
                let status = before["spec"] == object["spec"] && before["data"] == object["data"];
                let author = Author::of_world(&object, status, now);
                fields::updated(before, &mut object, &author);
            }
            // nobody contends for what is derived: without owners it is lighter to carry around
            None if object["metadata"]["managedFields"].is_null()
                && !Author::is_derived(&object) =>
            {
                let author = Author::of_world(&object, false, now);
                fields::created(&mut object, &author);
            }
            None => {}
        }
        let before = self.revision();
        self.write(resource, object, now);
        self.revision() != before
    }

    /// Creates or replaces an object and answers it as it is then.
    pub(crate) fn write(
        &mut self,
        resource: &'static Resource,
        object: Value,
        now: Timestamp,
    ) -> Arc<Value> {
        let key = key_of(resource, &object);
        let mut object = self.prepared(resource, object, now);
        let before = self.objects.get(&key).cloned();
        if let Some(before) = &before
            && **before == object
        {
            return Arc::clone(before);
        }
        let revision = self.revision() + 1;
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        let object = Arc::new(object);
        self.objects.insert(key, Arc::clone(&object));
        if resource.plural == kinds::CUSTOM {
            self.define_kinds();
        }
        self.remember(Change {
            revision,
            plural: resource.plural,
            before,
            object: Arc::clone(&object),
            deleted: false,
        });
        object
    }

    /// An object as it would be stored, apart from its version: uid, creation time and generation
    /// are the store's.
    pub(crate) fn prepared(
        &self,
        resource: &'static Resource,
        mut object: Value,
        now: Timestamp,
    ) -> Value {
        let key = key_of(resource, &object);
        let before = self.objects.get(&key);
        let metadata = &mut object["metadata"];
        match before {
            Some(before) => {
                for field in ["uid", "creationTimestamp", "resourceVersion"] {
                    metadata[field] = before["metadata"][field].clone();
                }
            }
            None => {
                metadata["uid"] =
                    json!(uid(&self.cluster, &key, self.removed.get(&key).copied().unwrap_or(0)));
                metadata["creationTimestamp"] = json!(object::time(now));
                if let Value::Object(fields) = metadata {
                    fields.shift_remove("resourceVersion");
                }
            }
        }
        // other kinds have no generation, even if they have a spec
        if matches!(resource.group, "apps" | "batch" | "networking.k8s.io" | "policy")
            || resource.plural == "pods"
            || resource.custom
        {
            let generation =
                before.and_then(|before| before["metadata"]["generation"].as_u64()).unwrap_or(0);
            let changed = before.is_none_or(|before| {
                before["spec"] != object["spec"]
                    || before["metadata"]["deletionTimestamp"]
                        != object["metadata"]["deletionTimestamp"]
            });
            object["metadata"]["generation"] = json!(generation + u64::from(changed));
        } else if let Value::Object(fields) = &mut object["metadata"] {
            fields.shift_remove("generation");
        }
        // what is empty is not written
        if let Value::Object(fields) = &mut object["metadata"] {
            let empty = |value: &Value| {
                value.is_null()
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            fields.retain(|_, value| !empty(value));
        }
        object
    }

    /// Removes an object.
    pub(crate) fn delete(&mut self, plural: &'static str, namespace: &str, name: &str) -> bool {
        let key = Key { plural, namespace: namespace.to_owned(), name: name.to_owned() };
        let Some(before) = self.objects.remove(&key) else {
            return false;
        };
        *self.removed.entry(key).or_default() += 1;
        let revision = self.revision() + 1;
        let mut object = (*before).clone();
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        self.remember(Change {
            revision,
            plural,
            before: Some(before),
            object: Arc::new(object),
            deleted: true,
        });
        if plural == kinds::CUSTOM {
            self.define_kinds();
            self.remove_undefined();
        }
        true
    }

    /// Removes the objects of kinds that are no longer defined.
    fn remove_undefined(&mut self) {
        let known = |key: &Key| kinds::all(&self.custom).any(|kind| kind.plural == key.plural);
        let lost: Vec<Key> = self.objects.keys().filter(|key| !known(key)).cloned().collect();
        for Key { plural, namespace, name } in lost {
            self.delete(plural, &namespace, &name);
        }
    }

    fn remember(&mut self, change: Change) {
        let revision = change.revision;
        if !change.is_idle() {
            self.moved = revision;
        }
        self.changed.insert(change.plural, revision);
        self.changes.push_back(change);
        if self.changes.len() > REMEMBERED {
            self.forget(self.changes.len() - REMEMBERED);
        }
        self.revision.send_replace(revision);
    }

    fn forget(&mut self, count: usize) {
        if let Some(last) = self.changes.drain(..count).next_back() {
            self.forgotten = last.revision;
        }
    }

    /// Forgets every change so far, as a server does whose storage was compacted.
    pub(crate) fn compact(&mut self) {
        self.forget(self.changes.len());
    }

    /// The changes after a version, oldest first.
    pub(crate) fn since(&self, revision: u64) -> Result<Vec<Change>, Unknown> {
        if revision < self.forgotten {
            return Err(Unknown::TooOld);
        }
        if revision > self.revision() {
            return Err(Unknown::TooNew);
        }
        let first = self.changes.partition_point(|change| change.revision <= revision);
        Ok(self.changes.range(first..).cloned().collect())
    }
}

fn key_of(resource: &'static Resource, object: &Value) -> Key {
    let namespace =
        if resource.namespaced { object::namespace(object).to_owned() } else { String::new() };
    Key { plural: resource.plural, namespace, name: object::name(object).to_owned() }
}

/// Says whether two states of an object differ in nothing that anybody can own.
fn is_same(before: &Value, after: &Value) -> bool {
    let without = |object: &Value| {
        object.as_object().map_or(0, |fields| {
            fields.iter().filter(|(key, value)| *key != "metadata" && !value.is_null()).count()
        })
    };
    let fields = before
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| *key != "metadata" && !value.is_null());
    let metadata = ["labels", "annotations", "ownerReferences", "finalizers", "generateName"];
    without(before) == without(after)
        && fields.into_iter().all(|(key, value)| *value == after[key])
        && metadata.iter().all(|field| before["metadata"][field] == after["metadata"][field])
}

/// A uid that is the same in every run, and another one for each object that has been at this
/// place.
fn uid(cluster: &str, key: &Key, removed: u64) -> String {
    let place = format!("{cluster}{}/{}/{}", key.plural, key.namespace, key.name);
    let hex = sha256(if removed == 0 { place } else { format!("{place}#{removed}") });
    let hex = &hex[..32];
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name,
            "namespace": "a"}, "data": {"k": value}})
    }

    #[test]
    fn writes_count_versions_and_keep_identity() {
        let mut store = Store::new();
        let now = Timestamp::UNIX_EPOCH;
        assert!(store.put(config("x", "1"), now));
        let first = store.get("configmaps", "a", "x").unwrap().clone();
        assert!(!store.put((*first).clone(), now), "an unchanged object is no change");
        assert!(store.put(config("x", "2"), now));
        let second = store.get("configmaps", "a", "x").unwrap();
        assert_eq!(first["metadata"]["uid"], second["metadata"]["uid"]);
        assert_ne!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
        assert!(store.delete("configmaps", "a", "x") && !store.delete("configmaps", "a", "x"));
        store.put(config("x", "2"), now);
        assert_ne!(
            first["metadata"]["uid"],
            store.get("configmaps", "a", "x").unwrap()["metadata"]["uid"],
            "what comes after a deletion is another object"
        );
    }

    #[test]
    fn generation_follows_the_spec_alone() {
        let mut store = Store::new();
        let deployment = |replicas: u64, ready: u64| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "d", "namespace": "a"}, "spec": {"replicas": replicas},
                "status": {"ready": ready}})
        };
        for (object, expected) in
            [(deployment(1, 0), 1), (deployment(1, 1), 1), (deployment(2, 1), 2)]
        {
            store.put(object, Timestamp::UNIX_EPOCH);
            assert_eq!(
                store.get("deployments", "a", "d").unwrap()["metadata"]["generation"],
                json!(expected)
            );
        }
    }

    #[test]
    fn changes_are_known_since_a_version_until_compaction() {
        let mut store = Store::new();
        let begin = store.revision();
        store.put(config("x", "1"), Timestamp::UNIX_EPOCH);
        store.put(config("y", "1"), Timestamp::UNIX_EPOCH);
        store.delete("configmaps", "a", "x");
        let kinds: Vec<_> = store
            .since(begin)
            .unwrap()
            .iter()
            .map(|change| (change.deleted, change.before.is_some()))
            .collect();
        assert_eq!(kinds, [(false, false), (false, false), (true, true)]);
        assert_eq!(store.since(store.revision()).unwrap().len(), 0);
        assert_eq!(store.since(store.revision() + 1).unwrap_err(), Unknown::TooNew);
        store.compact();
        assert_eq!(store.since(begin).unwrap_err(), Unknown::TooOld);
    }

    #[test]
    fn the_world_does_not_move_by_what_is_only_repeated() {
        let mut store = Store::new();
        let lease = |holder: &str, renewed: &str| {
            json!({"kind": "Lease", "metadata": {"name": "l", "namespace": "a"},
                "spec": {"holderIdentity": holder, "renewTime": renewed}})
        };
        let event = |count: u64| json!({"kind": "Event", "metadata": {"name": "e", "namespace": "a"}, "count": count});
        let leaving = json!({"kind": "Event", "metadata": {"name": "e", "namespace": "a",
            "deletionTimestamp": "2026-01-01T00:00:00Z"}, "count": 2});
        for (object, moves) in [
            (lease("x", "1"), true),
            (lease("x", "2"), false),
            (lease("y", "2"), true),
            (event(1), true),
            (event(2), false),
            (leaving, true),
            (config("c", "1"), true),
            (config("c", "2"), true),
        ] {
            let (before, version) = (store.moved(), store.revision());
            store.put(object.clone(), Timestamp::UNIX_EPOCH);
            assert!(store.revision() > version, "{object}");
            assert_eq!(store.moved() > before, moves, "{object}");
        }
        let before = store.moved();
        store.delete("leases", "a", "l");
        assert!(store.moved() > before);
    }

    #[test]
    fn lists_are_of_one_kind_and_namespace() {
        let mut store = Store::new();
        for (namespace, name) in [("b", "2"), ("a", "9"), ("b", "1")] {
            store.put(
                json!({"kind": "Secret", "metadata": {"name": name, "namespace": namespace}}),
                Timestamp::UNIX_EPOCH,
            );
            store.put(
                json!({"kind": "Service", "metadata": {"name": name, "namespace": namespace}}),
                Timestamp::UNIX_EPOCH,
            );
        }
        let names = |namespace| {
            store
                .list("secrets", namespace)
                .map(|object| object::name(object).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["9", "1", "2"]);
        assert_eq!(names(Some("b")), ["1", "2"]);
        assert_eq!(names(Some("c")), Vec::<String>::new());
    }
}
