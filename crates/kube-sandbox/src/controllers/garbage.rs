//! Deletes objects whose owners are gone, and objects marked for deletion without finalizers.
//!
//! After `pkg/controller/garbagecollector/garbagecollector.go` and `pkg/controller/namespace/` of
//! kube-controller-manager.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pods::{all, deleting, terminate};
use crate::kinds;
use crate::object;
use crate::store::Store;

/// Removes what is to go.
pub(crate) fn collect_garbage(store: &mut Store, now: Timestamp) {
    let everything: Vec<Arc<Value>> =
        kinds::all(store.custom()).flat_map(|resource| all(store, resource.plural)).collect();
    let live: BTreeSet<&str> =
        everything.iter().filter_map(|object| object["metadata"]["uid"].as_str()).collect();
    let going: BTreeSet<&str> = everything
        .iter()
        .filter(|object| object["kind"] == "Namespace" && deleting(object))
        .map(|object| object::name(object))
        .collect();
    for object in &everything {
        let owners = object::list(&object["metadata"]["ownerReferences"]);
        let orphaned = !owners.is_empty()
            && !owners
                .iter()
                .any(|owner| owner["uid"].as_str().is_some_and(|uid| live.contains(uid)));
        if orphaned || going.contains(object::namespace(object)) {
            remove(store, object, now);
        } else if deleting(object) && object["kind"] != "Pod" {
            finish(store, &everything, object, now);
        }
    }
}

fn remove(store: &mut Store, object: &Value, now: Timestamp) {
    if object["kind"] == "Pod" {
        terminate(store, object, now);
    } else if !object::list(&object["metadata"]["finalizers"]).is_empty() {
        if !deleting(object) {
            let mut object = object.clone();
            object["metadata"]["deletionTimestamp"] = json!(object::time(now));
            store.put(object, now);
        }
    } else {
        delete(store, object);
    }
}

/// Asks an object with finalizers to go.
pub(crate) fn ask_to_go(store: &mut Store, object: &Value, now: Timestamp) {
    remove(store, object, now);
}

fn delete(store: &mut Store, object: &Value) {
    if let Some(resource) = store.kind_of(object) {
        store.delete(resource.plural, object::namespace(object), object::name(object));
    }
}

/// An object that was asked to go: does what its finalizers stand for, and removes it when none is
/// left.
fn finish(store: &mut Store, everything: &[Arc<Value>], object: &Value, now: Timestamp) {
    let uid = &object["metadata"]["uid"];
    let dependents = || everything.iter().filter(|dependent| object::owned_by(dependent, uid));
    let mut left = Vec::new();
    for finalizer in object::list(&object["metadata"]["finalizers"]) {
        match finalizer.as_str() {
            Some("foregroundDeletion") if dependents().next().is_some() => {
                dependents().for_each(|dependent| remove(store, dependent, now));
                left.push(finalizer.clone());
            }
            Some("foregroundDeletion") => {}
            Some("orphan") => {
                for dependent in dependents() {
                    let mut freed = (**dependent).clone();
                    let owners: Vec<&Value> =
                        object::list(&dependent["metadata"]["ownerReferences"])
                            .iter()
                            .filter(|owner| owner["uid"] != *uid)
                            .collect();
                    freed["metadata"]["ownerReferences"] = json!(owners);
                    store.put(freed, now);
                }
            }
            _ => left.push(finalizer.clone()),
        }
    }
    let name = object::name(object);
    if object["kind"] == "Namespace"
        && everything.iter().any(|other| object::namespace(other) == name)
    {
        return;
    }
    if left.is_empty() {
        delete(store, object);
    } else if left.len() != object::list(&object["metadata"]["finalizers"]).len() {
        let mut object = object.clone();
        object["metadata"]["finalizers"] = json!(left);
        store.put(object, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, metadata: Value) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name,
            "namespace": "a"}});
        object::merge(&mut object["metadata"], &metadata);
        object
    }

    #[test]
    fn what_has_no_owner_left_goes() {
        let now = Timestamp::UNIX_EPOCH;
        let mut store = Store::new();
        store.put(config("owner", json!({})), now);
        let uid = store.get("configmaps", "a", "owner").unwrap()["metadata"]["uid"].clone();
        store.put(config("owned", json!({"ownerReferences": [{"uid": uid}]})), now);
        store.put(config("orphan", json!({"ownerReferences": [{"uid": "gone"}]})), now);
        store.put(
            config(
                "held",
                json!({"ownerReferences": [{"uid": "gone"}], "finalizers": ["example.com/hold"]}),
            ),
            now,
        );
        store.put(config("leaving", json!({"deletionTimestamp": "1970-01-01T00:00:00Z"})), now);
        collect_garbage(&mut store, now);
        let names: Vec<String> =
            store.list("configmaps", None).map(|object| object::name(object).to_owned()).collect();
        assert_eq!(names, ["held", "owned", "owner"]);
        assert!(deleting(store.get("configmaps", "a", "held").unwrap()));
    }

    #[test]
    fn finalizers_say_what_becomes_of_dependents() {
        for (finalizer, first, last) in [
            ("foregroundDeletion", vec!["owner"], vec![]),
            ("orphan", vec!["owned"], vec!["owned"]),
        ] {
            let now = Timestamp::UNIX_EPOCH;
            let mut store = Store::new();
            store.put(
                config(
                    "owner",
                    json!({"deletionTimestamp": "1970-01-01T00:00:00Z", "finalizers": [finalizer]}),
                ),
                now,
            );
            let uid = store.get("configmaps", "a", "owner").unwrap()["metadata"]["uid"].clone();
            store.put(config("owned", json!({"ownerReferences": [{"uid": uid}]})), now);
            for expected in [first, last] {
                collect_garbage(&mut store, now);
                let names: Vec<String> = store
                    .list("configmaps", None)
                    .map(|object| object::name(object).to_owned())
                    .collect();
                assert_eq!(names, expected, "{finalizer}");
            }
        }
    }
}
