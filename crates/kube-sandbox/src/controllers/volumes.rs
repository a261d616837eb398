//! PersistentVolumeClaims: bound to a volume of their class.
//!
//! After `pkg/controller/volume/persistentvolume/pv_controller.go` of kube-controller-manager; every
//! class that exists has a provisioner that works.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use super::pods::all;
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "persistentvolume-controller";

/// Binds the claims that can be bound, and says why the others cannot.
pub(crate) fn claims(store: &mut Store, now: Timestamp) {
    for claim in all(store, "persistentvolumeclaims") {
        // one that has lost its volume gets no other
        if matches!(claim["status"]["phase"].as_str(), Some("Bound" | "Lost")) {
            continue;
        }
        if claim["spec"]["volumeName"].is_string() {
            bind(store, &claim, None, now);
            continue;
        }
        let class = class_of(store, &claim);
        match class {
            Ok(class) if waits(&class) && !is_used(store, &claim) => {
                let message = "waiting for first consumer to be created before binding";
                hold(store, &claim, "WaitForFirstConsumer", message, false, now);
            }
            Ok(class) => bind(store, &claim, Some(&class), now),
            Err((reason, message)) => {
                hold(store, &claim, reason, &message, reason == "ProvisioningFailed", now);
            }
        }
    }
}

/// The class of a claim, or why it has none.
fn class_of(store: &Store, claim: &Value) -> Result<Value, (&'static str, String)> {
    let name = claim["spec"]["storageClassName"].as_str();
    let default = || {
        store.list("storageclasses", None).find(|class| {
            class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
                == "true"
        })
    };
    let found = match name {
        Some(name) if !name.is_empty() => {
            let class = store.get("storageclasses", "", name);
            let absent = || {
                let message = format!("storageclass.storage.k8s.io \"{name}\" not found");
                ("ProvisioningFailed", message)
            };
            return class.map(|class| (**class).clone()).ok_or_else(absent);
        }
        Some(_) => None,
        None => default(),
    };
    let unclassed = "no persistent volumes available for this claim and no storage class is set";
    found.map(|class| (**class).clone()).ok_or_else(|| ("FailedBinding", unclassed.to_owned()))
}

fn waits(class: &Value) -> bool {
    class["volumeBindingMode"] == "WaitForFirstConsumer"
}

/// Whether a pod asks for the claim.
fn is_used(store: &Store, claim: &Value) -> bool {
    store.list("pods", Some(object::namespace(claim))).any(|pod| {
        object::list(&pod["spec"]["volumes"])
            .iter()
            .any(|volume| volume["persistentVolumeClaim"]["claimName"] == object::name(claim))
    })
}

fn hold(
    store: &mut Store,
    claim: &Value,
    reason: &str,
    message: &str,
    warning: bool,
    now: Timestamp,
) {
    if claim["status"]["phase"] != "Pending" {
        let mut pending = claim.clone();
        pending["status"] = json!({"phase": "Pending"});
        store.put(pending, now);
    }
    if !events::is_known(store, claim, reason, message, Timestamp::UNIX_EPOCH) {
        let tell = if warning { events::warn } else { events::record };
        tell(store, claim, COMPONENT, reason, message, now);
    }
}

/// Binds a claim to its volume; to a new one of this class if it has none.
fn bind(store: &mut Store, claim: &Value, class: Option<&Value>, now: Timestamp) {
    let uid = claim["metadata"]["uid"].as_str().unwrap_or_default();
    let capacity = json!({"storage": claim["spec"]["resources"]["requests"]["storage"]});
    let modes = claim["spec"]["accessModes"].clone();
    let mut bound = claim.clone();
    if let Some(class) = class {
        let volume = format!("pvc-{uid}");
        let name = object::name(class);
        let reclaim = class["reclaimPolicy"].as_str().unwrap_or("Delete");
        let owner = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": object::namespace(claim), "name": object::name(claim), "uid": uid});
        let object = json!({"apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations":
                {"pv.kubernetes.io/provisioned-by": class["provisioner"]}},
            "spec": {"accessModes": modes, "capacity": capacity, "claimRef": owner,
                "persistentVolumeReclaimPolicy": reclaim, "storageClassName": name,
                "volumeMode": "Filesystem"},
            "status": {"phase": "Bound"}});
        store.put(object, now);
        bound["spec"]["volumeName"] = json!(volume);
        bound["spec"]["storageClassName"] = json!(name);
        let provisioner = class["provisioner"].as_str().unwrap_or_default();
        let message = format!("Successfully provisioned volume {volume}");
        events::record(store, claim, provisioner, "ProvisioningSucceeded", &message, now);
    }
    bound["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": capacity});
    store.put(bound, now);
}
