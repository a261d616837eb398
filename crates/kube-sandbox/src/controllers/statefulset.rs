//! StatefulSets: pods with an ordinal, created in order and replaced in reverse order.
//!
//! After `pkg/controller/statefulset/stateful_set_control.go` of kube-controller-manager; without
//! volumes of their own.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::events;
use super::pods::{
    active, all, deleting, from_template, is_available, is_ready, number, omit_zeros, owned,
    terminate,
};
use super::revision::{self, REVISION};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "statefulset-controller";

/// Brings every StatefulSet one step nearer to what it asks for.
pub(crate) fn stateful_sets(store: &mut Store, now: Timestamp) {
    for set in all(store, "statefulsets") {
        if !deleting(&set) {
            let revision = revision::newest(store, &set, now);
            sync(store, &set, &revision, now);
            status(store, &set, &revision, now);
        }
    }
}

/// The pods by ordinal.
fn pods(store: &Store, set: &Value) -> Vec<(i64, Arc<Value>)> {
    let prefix = format!("{}-", object::name(set));
    let ordinal = |pod: &Value| {
        object::name(pod).strip_prefix(&prefix).and_then(|rest| rest.parse::<i64>().ok())
    };
    let mut pods: Vec<_> = owned(store, "pods", set)
        .into_iter()
        .filter_map(|pod| Some((ordinal(&pod)?, pod)))
        .collect();
    pods.sort_by_key(|(ordinal, _)| *ordinal);
    pods
}

fn sync(store: &mut Store, set: &Value, revision: &str, now: Timestamp) {
    let wanted = number(&set["spec"]["replicas"], 1);
    let one_by_one = set["spec"]["podManagementPolicy"] != "Parallel";
    let seconds = number(&set["spec"]["minReadySeconds"], 0);
    let pods = pods(store, set);
    for ordinal in 0..wanted {
        match pods.iter().find(|(own, _)| *own == ordinal) {
            None => {
                let name = format!("{}-{ordinal}", object::name(set));
                let mut pod =
                    from_template(set, &set["spec"]["template"], &name, Some(object::name(set)));
                for (key, value) in [
                    (REVISION, revision),
                    ("statefulset.kubernetes.io/pod-name", &name),
                    ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
                ] {
                    pod["metadata"]["labels"][key] = json!(value);
                }
                pod["spec"]["hostname"] = json!(name);
                if set["spec"]["serviceName"].is_string() {
                    pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
                }
                store.put(pod, now);
                let message =
                    format!("create Pod {name} in StatefulSet {} successful", object::name(set));
                events::record(store, set, COMPONENT, "SuccessfulCreate", &message, now);
                if one_by_one {
                    return;
                }
            }
            Some((_, pod)) if one_by_one && !(active(pod) && is_available(pod, seconds, now)) => {
                // one that is of an earlier template and will never be ready is not waited for
                if !deleting(pod)
                    && pod["metadata"]["labels"][REVISION] != revision
                    && !is_ready(pod)
                {
                    break;
                }
                return;
            }
            Some(_) => {}
        }
    }
    let delete = |store: &mut Store, pod: &Value| {
        terminate(store, pod, now);
        let message = format!(
            "delete Pod {} in StatefulSet {} successful",
            object::name(pod),
            object::name(set)
        );
        events::record(store, set, COMPONENT, "SuccessfulDelete", &message, now);
    };
    for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| *ordinal >= wanted) {
        if !deleting(pod) {
            delete(store, pod);
        }
        if one_by_one {
            return;
        }
    }
    if set["spec"]["updateStrategy"]["type"] == "OnDelete" {
        return;
    }
    let first = number(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"], 0);
    for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| (first..wanted).contains(ordinal)) {
        if pod["metadata"]["labels"][REVISION] != revision && !deleting(pod) {
            return delete(store, pod);
        }
        if !is_ready(pod) {
            return;
        }
    }
}

fn status(store: &mut Store, set: &Value, revision: &str, now: Timestamp) {
    let wanted = number(&set["spec"]["replicas"], 1);
    let seconds = number(&set["spec"]["minReadySeconds"], 0);
    let pods: Vec<Arc<Value>> =
        pods(store, set).into_iter().map(|(_, pod)| pod).filter(|pod| active(pod)).collect();
    let count = |which: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| which(pod)).count();
    let updated = count(&|pod| pod["metadata"]["labels"][REVISION] == revision);
    let (ready, before) = (count(&is_ready), set["status"]["currentRevision"].clone());
    let complete =
        i64::try_from(updated) == Ok(wanted) && updated == pods.len() && ready == pods.len();
    // the current revision is the former one until the update is complete
    let current = if complete || before.is_null() { json!(revision) } else { before };
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"], "replicas": pods.len(),
        "readyReplicas": ready,
        "availableReplicas": count(&|pod| is_available(pod, seconds, now)),
        "currentReplicas": count(&|pod| pod["metadata"]["labels"][REVISION] == current),
        "updatedReplicas": updated, "currentRevision": current, "updateRevision": revision,
        "collisionCount": 0,
    });
    omit_zeros(&mut status, &["replicas", "availableReplicas", "collisionCount"]);
    let mut after = set.clone();
    after["status"] = status;
    store.put(after, now);
}
