//! StatefulSets: pods with an ordinal, created in order and replaced in reverse order.
//!
//! After `pkg/controller/statefulset/stateful_set_control.go` of kube-controller-manager; without
//! volumes of their own.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::pods::{
    active, all, deleting, from_template, is_available, is_ready, number, omit_zeros, owned,
    refused, terminate,
};
use super::revision::{self, REVISION};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "statefulset-controller";

/// Brings every StatefulSet one step nearer to what it asks for.
pub(crate) fn stateful_sets(store: &mut Store, moment: &Moment) {
    for set in all(store, "statefulsets") {
        if !deleting(&set) {
            let revision = revision::newest(store, &set, moment.now);
            sync(store, &set, &revision, moment);
            status(store, &set, &revision, moment);
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

/// Creates what is missing, then deletes what is too many, then replaces what is outdated.
fn sync(store: &mut Store, set: &Value, revision: &str, moment: &Moment) {
    let now = moment.now;
    let pods = pods(store, set);
    if create_missing(store, set, &pods, revision, moment)
        && delete_surplus(store, set, &pods, now)
        && set["spec"]["updateStrategy"]["type"] != "OnDelete"
    {
        update(store, set, &pods, revision, now);
    }
}

fn one_by_one(set: &Value) -> bool {
    set["spec"]["podManagementPolicy"] != "Parallel"
}

/// Creates pods in the order of their ordinals, if need be one at a time. Says whether there is
/// none to wait for.
fn create_missing(
    store: &mut Store,
    set: &Value,
    pods: &[(i64, Arc<Value>)],
    revision: &str,
    moment: &Moment,
) -> bool {
    let seconds = number(&set["spec"]["minReadySeconds"], 0);
    for ordinal in 0..number(&set["spec"]["replicas"], 1) {
        match pods.iter().find(|(own, _)| *own == ordinal) {
            None => {
                create(store, set, ordinal, revision, moment.now);
                if one_by_one(set) {
                    return false;
                }
            }
            // not even one of an earlier template is replaced before it is ready: whoever takes a
            // change back has to delete it (the documentation calls that a forced rollback)
            Some((_, pod))
                if one_by_one(set) && !(active(pod) && is_available(pod, seconds, moment)) =>
            {
                return false;
            }
            Some(_) => {}
        }
    }
    true
}

fn create(store: &mut Store, set: &Value, ordinal: i64, revision: &str, now: Timestamp) {
    let name = format!("{}-{ordinal}", object::name(set));
    let mut pod = from_template(set, &set["spec"]["template"], &name, Some(object::name(set)));
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
    if let Err(refusal) = super::pods::create(store, pod, now) {
        let message = format!(
            "Create Pod {name} in StatefulSet {} failed error: {}",
            object::name(set),
            refusal.message()
        );
        return refused(store, set, COMPONENT, &message, now);
    }
    let message = format!("Create Pod {name} in StatefulSet {} successful", object::name(set));
    events::record(store, set, COMPONENT, "SuccessfulCreate", &message, now);
}

fn delete(store: &mut Store, set: &Value, pod: &Value, now: Timestamp) {
    terminate(store, pod, now);
    let message =
        format!("Delete Pod {} in StatefulSet {} successful", object::name(pod), object::name(set));
    events::record(store, set, COMPONENT, "SuccessfulDelete", &message, now);
}

/// Deletes pods beyond the replicas, the last first. Says whether there is none to wait for.
fn delete_surplus(
    store: &mut Store,
    set: &Value,
    pods: &[(i64, Arc<Value>)],
    now: Timestamp,
) -> bool {
    let wanted = number(&set["spec"]["replicas"], 1);
    for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| *ordinal >= wanted) {
        if !deleting(pod) {
            delete(store, set, pod, now);
        }
        if one_by_one(set) {
            return false;
        }
    }
    true
}

/// Replaces the last pod of an earlier template, if all after it are ready.
fn update(
    store: &mut Store,
    set: &Value,
    pods: &[(i64, Arc<Value>)],
    revision: &str,
    now: Timestamp,
) {
    let first = number(&set["spec"]["updateStrategy"]["rollingUpdate"]["partition"], 0);
    let updated = first..number(&set["spec"]["replicas"], 1);
    for (_, pod) in pods.iter().rev().filter(|(ordinal, _)| updated.contains(ordinal)) {
        if pod["metadata"]["labels"][REVISION] != revision && !deleting(pod) {
            return delete(store, set, pod, now);
        }
        if !is_ready(pod) {
            return;
        }
    }
}

fn status(store: &mut Store, set: &Value, revision: &str, moment: &Moment) {
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
        "availableReplicas": count(&|pod| is_available(pod, seconds, moment)),
        "currentReplicas": count(&|pod| pod["metadata"]["labels"][REVISION] == current),
        "updatedReplicas": updated, "currentRevision": current, "updateRevision": revision,
        "collisionCount": 0,
    });
    omit_zeros(&mut status, &["replicas", "availableReplicas", "collisionCount"]);
    let mut after = set.clone();
    after["status"] = status;
    store.put(after, moment.now);
}
