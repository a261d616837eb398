//! What follows from deletions: what belonged to an object goes with it, or is let go.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::delete::{FOREGROUND, ORPHAN};
use crate::sandbox::kinds::{Resource, by_kind};
use crate::sandbox::object;
use crate::sandbox::store::Store;
use crate::sandbox::world::World;

/// What is to be done next.
enum Step {
    Remove(Arc<Value>),
    Replace(Value),
}

/// Collects until nothing is left to do.
pub(crate) fn collect(world: &mut World, now: Timestamp) {
    loop {
        let steps = steps(&world.store, now);
        let before = world.store.revision();
        for step in steps {
            match step {
                Step::Remove(object) => {
                    if let Some(resource) = resource(&object) {
                        world.store.delete(resource.plural, object::namespace(&object), object::name(&object));
                    }
                }
                Step::Replace(object) => {
                    if let Some(resource) = resource(&object) {
                        world.store.write(resource, object, now);
                    }
                }
            }
        }
        if world.store.revision() == before {
            return;
        }
    }
}

fn resource(object: &Value) -> Option<&'static Resource> {
    object["kind"].as_str().and_then(by_kind)
}

fn steps(store: &Store, now: Timestamp) -> Vec<Step> {
    let uids: BTreeSet<&str> = store.all().filter_map(|(_, object)| object["metadata"]["uid"].as_str()).collect();
    let mut steps = Vec::new();
    let mut waited: BTreeSet<&str> = BTreeSet::new();
    let mut orphans: BTreeSet<&str> = BTreeSet::new();
    let mut owners: BTreeSet<&str> = BTreeSet::new();
    let mut namespaces: BTreeSet<&str> = BTreeSet::new();
    for (key, object) in store.all() {
        if object["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let (uid, finalizers) = (object["metadata"]["uid"].as_str().unwrap_or_default(), object::list(&object["metadata"]["finalizers"]));
        if finalizers.iter().any(|finalizer| finalizer == ORPHAN) {
            orphans.insert(uid);
        }
        if finalizers.iter().any(|finalizer| finalizer == FOREGROUND) {
            owners.insert(uid);
        }
        if key.plural == "namespaces" {
            namespaces.insert(&key.name);
        }
    }
    let mut filled: BTreeSet<&str> = BTreeSet::new();
    for (key, object) in store.all() {
        filled.insert(&key.namespace);
        let references = object::list(&object["metadata"]["ownerReferences"]);
        let of = |reference: &Value| reference["uid"].as_str().unwrap_or_default().to_owned();
        if references.iter().any(|reference| orphans.contains(of(reference).as_str())) {
            let kept: Vec<&Value> = references.iter().filter(|reference| !orphans.contains(of(reference).as_str())).collect();
            let mut object = (**object).clone();
            object["metadata"]["ownerReferences"] = if kept.is_empty() { Value::Null } else { json!(kept) };
            steps.push(Step::Replace(object));
            continue;
        }
        let foreground = references.iter().filter_map(|reference| owners.get(of(reference).as_str()).copied());
        waited.extend(foreground);
        let left = references.iter().any(|reference| uids.contains(of(reference).as_str()) && !owners.contains(of(reference).as_str()));
        if (!references.is_empty() && !left) || namespaces.contains(key.namespace.as_str()) {
            steps.extend(end(object, now));
        }
    }
    for (key, object) in store.all() {
        if object["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let finalizers = object::list(&object["metadata"]["finalizers"]);
        let kept: Vec<&Value> =
            finalizers.iter().filter(|finalizer| *finalizer != ORPHAN && (*finalizer != FOREGROUND || waited.contains(uid))).collect();
        if key.plural == "namespaces" && filled.contains(key.name.as_str()) {
            continue;
        }
        // without any finalizer it is up to the kubelet
        if kept.is_empty() && (!finalizers.is_empty() || key.plural == "namespaces") {
            steps.push(Step::Remove(Arc::clone(object)));
        } else if kept.len() < finalizers.len() {
            let kept = json!(kept);
            let mut object = (**object).clone();
            object["metadata"]["finalizers"] = kept;
            steps.push(Step::Replace(object));
        }
    }
    steps
}

/// Deletes an object, or marks it as deleted while something keeps it.
fn end(object: &Arc<Value>, now: Timestamp) -> Option<Step> {
    if object::list(&object["metadata"]["finalizers"]).is_empty() {
        return Some(Step::Remove(Arc::clone(object)));
    }
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return None;
    }
    let mut object = (**object).clone();
    object["metadata"]["deletionTimestamp"] = json!(object::time(now));
    object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    Some(Step::Replace(object))
}
