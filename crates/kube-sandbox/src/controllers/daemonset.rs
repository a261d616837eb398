//! DaemonSets: a pod on every node.
//!
//! After `pkg/controller/daemon/daemon_controller.go` and `update.go` of kube-controller-manager;
//! one pod is replaced at a time, whatever `maxUnavailable` and `maxSurge` say.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::pods::{
    Names, active, all, create, deleting, from_template, is_available, is_ready, number, owned,
    refused, terminate,
};
use super::revision::{self, REVISION};
use crate::object;
use crate::store::Store;

const COMPONENT: &str = "daemonset-controller";

/// Brings every DaemonSet one step nearer to what it asks for.
pub(crate) fn daemon_sets(store: &mut Store, names: &mut Names, moment: &Moment) {
    let now = moment.now;
    for set in all(store, "daemonsets") {
        if !deleting(&set) {
            let revision = revision::newest(store, &set, now);
            let hash = revision.rsplit('-').next().unwrap_or_default().to_owned();
            let nodes = nodes(store, &set);
            sync(store, names, &set, &nodes, &hash, now);
            status(store, &set, &nodes, &hash, moment);
        }
    }
}

/// The nodes that are to have a pod; a node that is cordoned keeps having one.
fn nodes(store: &Store, set: &Value) -> Vec<String> {
    let wanted = object::strings(&set["spec"]["template"]["spec"]["nodeSelector"]);
    let fits = |node: &&Arc<Value>| {
        let labels = object::labels(node);
        wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    store.list("nodes", None).filter(fits).map(|node| object::name(node).to_owned()).collect()
}

fn sync(
    store: &mut Store,
    names: &mut Names,
    set: &Value,
    nodes: &[String],
    hash: &str,
    now: Timestamp,
) {
    let pods = owned(store, "pods", set);
    let on = |node: &str| pods.iter().find(|pod| pod["spec"]["nodeName"] == node);
    let delete = |store: &mut Store, pod: &Value| {
        terminate(store, pod, now);
        events::record(
            store,
            set,
            COMPONENT,
            "SuccessfulDelete",
            &format!("Deleted pod: {}", object::name(pod)),
            now,
        );
    };
    for node in nodes.iter().filter(|node| on(node).is_none()) {
        let name = names.next(store, object::namespace(set), object::name(set));
        let mut pod = from_template(set, &set["spec"]["template"], &name, Some(object::name(set)));
        pod["metadata"]["labels"][REVISION] = json!(hash);
        pod["spec"]["nodeName"] = json!(node);
        if let Err(refusal) = create(store, pod, now) {
            names.take_back(object::namespace(set), object::name(set));
            let message = format!("Error creating: {}", refusal.message());
            refused(store, set, COMPONENT, &message, now);
            continue;
        }
        events::record(
            store,
            set,
            COMPONENT,
            "SuccessfulCreate",
            &format!("Created pod: {name}"),
            now,
        );
    }
    for pod in pods.iter().filter(|pod| active(pod)) {
        if !nodes.iter().any(|node| pod["spec"]["nodeName"] == node.as_str()) {
            delete(store, pod);
        }
    }
    let settled = nodes.iter().all(|node| {
        on(node).is_some_and(|pod| {
            active(pod) && (is_ready(pod) || pod["metadata"]["labels"][REVISION] != hash)
        })
    });
    let old = pods.iter().find(|pod| active(pod) && pod["metadata"]["labels"][REVISION] != hash);
    if let Some(old) =
        old.filter(|_| settled && set["spec"]["updateStrategy"]["type"] != "OnDelete")
    {
        delete(store, old);
    }
}

fn status(store: &mut Store, set: &Value, nodes: &[String], hash: &str, moment: &Moment) {
    let seconds = number(&set["spec"]["minReadySeconds"], 0);
    let pods: Vec<Arc<Value>> =
        owned(store, "pods", set).into_iter().filter(|pod| active(pod)).collect();
    let count = |which: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| which(pod)).count();
    let available = count(&|pod| is_available(pod, seconds, moment));
    let mut status = json!({
        "currentNumberScheduled": pods.len(), "desiredNumberScheduled": nodes.len(),
        "numberMisscheduled": 0, "numberReady": count(&is_ready),
        "observedGeneration": set["metadata"]["generation"],
    });
    for (field, number) in [
        ("updatedNumberScheduled", count(&|pod| pod["metadata"]["labels"][REVISION] == hash)),
        ("numberAvailable", available),
        ("numberUnavailable", nodes.len().saturating_sub(available)),
    ] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    let mut after = set.clone();
    after["status"] = status;
    store.put(after, moment.now);
}
