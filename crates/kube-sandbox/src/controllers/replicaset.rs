//! ReplicaSets: the desired number of pods.
//!
//! After `pkg/controller/replicaset/replica_set.go` of kube-controller-manager; which pods go first
//! is `ActivePodsWithRanks` of `pkg/controller/controller_utils.go`, which pods are its own is
//! `controller_ref_manager.go`.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Moment;
use super::events;
use super::pods::{
    Names, active, all, condition, create, deleting, from_template, is_available, is_ready, number,
    omit_zeros, owned, owner_reference, refused, set_condition, terminate,
};
use crate::admission::Refusal;
use crate::object;
use crate::store::Store;
use netpol_evaluator::LabelSelector;

const COMPONENT: &str = "replicaset-controller";

/// Makes the pods that are missing and ends those that are too many.
pub(crate) fn replica_sets(store: &mut Store, names: &mut Names, now: Timestamp) {
    for set in all(store, "replicasets") {
        if deleting(&set) {
            continue;
        }
        claim(store, &set, now);
        let pods: Vec<Arc<Value>> =
            owned(store, "pods", &set).into_iter().filter(|pod| active(pod)).collect();
        let wanted = usize::try_from(number(&set["spec"]["replicas"], 1)).unwrap_or(0);
        let mut refusal = None;
        for _ in pods.len()..wanted {
            let name = names.next(store, object::namespace(&set), object::name(&set));
            let pod =
                from_template(&set, &set["spec"]["template"], &name, Some(object::name(&set)));
            if let Err(why) = create(store, pod, now) {
                names.take_back(object::namespace(&set), object::name(&set));
                let message = format!("Error creating: {}", why.message());
                refused(store, &set, COMPONENT, &message, now);
                refusal = Some(why);
                break;
            }
            events::record(
                store,
                &set,
                COMPONENT,
                "SuccessfulCreate",
                &format!("Created pod: {name}"),
                now,
            );
        }
        note_refusal(store, &set, refusal.as_ref(), now);
        let count = pods.len().saturating_sub(wanted);
        for pod in leaving_first(pods).into_iter().take(count) {
            terminate(store, &pod, now);
            events::record(
                store,
                &set,
                COMPONENT,
                "SuccessfulDelete",
                &format!("Deleted pod: {}", object::name(&pod)),
                now,
            );
        }
    }
}

/// Writes whether a pod was refused.
fn note_refusal(store: &mut Store, set: &Value, refusal: Option<&Refusal>, now: Timestamp) {
    let known = condition(set, "ReplicaFailure");
    let mut after = match store.get("replicasets", object::namespace(set), object::name(set)) {
        Some(set) if known.is_some() || refusal.is_some() => (**set).clone(),
        _ => return,
    };
    match refusal {
        // what was refused first stays the reason
        Some(_) if known.is_some() => return,
        Some(refusal) => {
            let failure = json!({"type": "ReplicaFailure", "status": "True",
                "reason": "FailedCreate", "message": refusal.message()});
            set_condition(&mut after["status"], failure, now);
        }
        None => {
            if let Value::Object(status) = &mut after["status"] {
                status.shift_remove("conditions");
            }
        }
    }
    store.put(after, now);
}

fn is_controlled(pod: &Value) -> bool {
    object::list(&pod["metadata"]["ownerReferences"])
        .iter()
        .any(|owner| owner["controller"] == true)
}

/// Takes pods that fit and have no controller, and lets go of those that no longer fit.
fn claim(store: &mut Store, set: &Value, now: Timestamp) {
    let Ok(selector) = serde_json::from_value::<LabelSelector>(set["spec"]["selector"].clone())
    else {
        return;
    };
    let uid = &set["metadata"]["uid"];
    let pods: Vec<Arc<Value>> = store
        .list("pods", Some(object::namespace(set)))
        .filter(|pod| !deleting(pod) && (object::owned_by(pod, uid) || !is_controlled(pod)))
        .cloned()
        .collect();
    for pod in pods {
        let fits = selector.matches(&object::labels(&pod));
        let owners = object::list(&pod["metadata"]["ownerReferences"]);
        if object::owned_by(&pod, uid) && !fits {
            let mut released = (*pod).clone();
            released["metadata"]["ownerReferences"] =
                json!(owners.iter().filter(|owner| owner["uid"] != *uid).collect::<Vec<_>>());
            store.put(released, now);
        } else if fits && active(&pod) && !is_controlled(&pod) {
            let mut adopted = (*pod).clone();
            adopted["metadata"]["ownerReferences"] =
                json!(owners.iter().cloned().chain([owner_reference(set)]).collect::<Vec<_>>());
            store.put(adopted, now);
        }
    }
}

/// Pods in the order in which they are given up: those of least use, and of equals the newest,
/// first.
fn leaving_first(mut pods: Vec<Arc<Value>>) -> Vec<Arc<Value>> {
    pods.sort_by_cached_key(|pod| {
        let phase = match pod["status"]["phase"].as_str() {
            Some("Pending") => 0,
            Some("Running") => 2,
            _ => 1,
        };
        let cost = pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"]
            .as_str()
            .and_then(|cost| cost.parse::<i32>().ok());
        let since = super::pods::condition(pod, "Ready")
            .and_then(|ready| object::timestamp(&ready["lastTransitionTime"]));
        (
            pod["spec"]["nodeName"].is_string(),
            phase,
            is_ready(pod),
            cost.unwrap_or(0),
            Reverse(since),
            Reverse(object::timestamp(&pod["metadata"]["creationTimestamp"])),
            Reverse(object::name(pod).to_owned()),
        )
    });
    pods
}

/// Writes the status of every ReplicaSet.
pub(crate) fn replica_set_status(store: &mut Store, moment: &Moment) {
    for set in all(store, "replicasets") {
        let pods: Vec<Arc<Value>> =
            owned(store, "pods", &set).into_iter().filter(|pod| active(pod)).collect();
        let seconds = number(&set["spec"]["minReadySeconds"], 0);
        let mut status = json!({
            "replicas": pods.len(), "fullyLabeledReplicas": pods.len(),
            "readyReplicas": pods.iter().filter(|pod| is_ready(pod)).count(),
            "availableReplicas": pods.iter().filter(|pod| is_available(pod, seconds, moment)).count(),
            "observedGeneration": set["metadata"]["generation"],
        });
        omit_zeros(&mut status, &["replicas"]);
        if set["status"]["conditions"].is_array() {
            status["conditions"] = set["status"]["conditions"].clone();
        }
        if set["status"] != status {
            let mut set = (*set).clone();
            set["status"] = status;
            store.put(set, moment.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_least_use_leave_first() {
        let pod = |name: &str, phase: &str, ready: &str, since: &str| {
            Arc::new(json!({"metadata": {"name": name}, "spec": {"nodeName": "node"},
                    "status": {"phase": phase,
                    "conditions": [{"type": "Ready", "status": ready,
                    "lastTransitionTime": since}]}}))
        };
        let pods = vec![
            pod("old", "Running", "True", "2026-01-01T00:00:00Z"),
            pod("new", "Running", "True", "2026-01-01T00:01:00Z"),
            pod("unready", "Running", "False", "2026-01-01T00:00:00Z"),
            pod("waiting", "Pending", "False", "2026-01-01T00:00:00Z"),
            Arc::new(json!({"metadata": {"name": "unplaced"}, "status": {"phase": "Pending"}})),
        ];
        let names: Vec<String> =
            leaving_first(pods).iter().map(|pod| object::name(pod).to_owned()).collect();
        assert_eq!(names, ["unplaced", "waiting", "unready", "new", "old"]);
    }
}
