//! The status of Deployments.
//!
//! After `pkg/controller/deployment/progress.go` and `calculateStatus` of `sync.go` of
//! kube-controller-manager.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Moment;
use super::deployment::{fence, newest, sets_of};
use super::pods::{all, condition, deleting, number, omit_zeros};
use crate::object;
use crate::store::Store;

/// The longest deadline, which means none.
const NO_DEADLINE: i64 = i32::MAX as i64;
const AN_INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// The condition about the progress of the rollout.
pub(super) fn progressing(deployment: &Value) -> Option<&Value> {
    condition(deployment, "Progressing")
}

/// `SetDeploymentCondition`: the same status and reason change nothing, not even the times.
fn set(
    deployment: &mut Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let before = condition(deployment, kind).cloned();
    if before
        .as_ref()
        .is_some_and(|before| before["status"] == status && before["reason"] == reason)
    {
        return;
    }
    let transition = before
        .filter(|before| before["status"] == status)
        .map_or_else(|| json!(object::time(now)), |before| before["lastTransitionTime"].clone());
    let mut conditions: Vec<Value> = object::list(&deployment["status"]["conditions"])
        .iter()
        .filter(|condition| condition["type"] != kind)
        .cloned()
        .collect();
    conditions.push(json!({"type": kind, "status": status, "lastUpdateTime": object::time(now),
            "lastTransitionTime": transition, "reason": reason, "message": message}));
    deployment["status"]["conditions"] = json!(conditions);
}

pub(super) fn set_progressing(
    deployment: &mut Value,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    if has_deadline(deployment) {
        set(deployment, "Progressing", status, reason, message, now);
    }
}

fn has_deadline(deployment: &Value) -> bool {
    deployment["spec"]["progressDeadlineSeconds"]
        .as_i64()
        .is_none_or(|seconds| seconds != NO_DEADLINE)
}

/// Writes the status of every Deployment.
pub(crate) fn deployment_status(store: &mut Store, moment: &Moment) {
    for deployment in all(store, "deployments") {
        if !deleting(&deployment) {
            let status = next_status(store, &deployment, moment);
            let mut deployment = deployment;
            object::write(&mut deployment, &["status"], &status);
            store.put(deployment, moment.now);
        }
    }
}

fn next_status(store: &Store, before: &Value, moment: &Moment) -> Value {
    let now = moment.now;
    let sets = sets_of(store, before);
    let new = newest(&sets, before);
    let sum = |field: &str| sets.iter().map(|set| number(&set["status"][field], 0)).sum::<i64>();
    let (wanted, total, available) =
        (number(&before["spec"]["replicas"], 1), sum("replicas"), sum("availableReplicas"));
    let asked: i64 = sets.iter().map(|set| number(&set["spec"]["replicas"], 1)).sum();
    let mut status = json!({
        "observedGeneration": before["metadata"]["generation"], "replicas": total,
        "updatedReplicas": new.map_or(0, |new| number(&sets[new]["status"]["replicas"], 0)),
        "readyReplicas": sum("readyReplicas"), "availableReplicas": available,
        "unavailableReplicas": (asked - available).max(0),
    });
    let counts = status.clone();
    omit_zeros(&mut status, &["observedGeneration"]);
    status["conditions"] = json!(object::list(&before["status"]["conditions"]));
    let deadline = &before["spec"]["progressDeadlineSeconds"];
    let mut after = json!({"spec": {"progressDeadlineSeconds": deadline}, "status": status});
    if available >= wanted - fence(before).1 {
        set(
            &mut after,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            now,
        );
    } else {
        set(
            &mut after,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            now,
        );
    }
    replica_failure(&mut after, sets.iter().find_map(|set| condition(set, "ReplicaFailure")), now);
    if before["spec"]["paused"] != true {
        let name = new.map_or_else(
            || format!("Deployment \"{}\"", object::name(before)),
            |new| format!("ReplicaSet \"{}\"", object::name(&sets[new])),
        );
        progress(&mut after, before, &counts, &name, moment);
    }
    after["status"].take()
}

/// `getReplicaFailures`: what keeps a ReplicaSet from having its pods.
fn replica_failure(after: &mut Value, failure: Option<&Value>, now: Timestamp) {
    if let Some(failure) = failure {
        let message = failure["message"].as_str().unwrap_or_default();
        set(after, "ReplicaFailure", "True", "FailedCreate", message, now);
    } else if let Some(conditions) = after["status"]["conditions"].as_array_mut() {
        conditions.retain(|condition| condition["type"] != "ReplicaFailure");
    }
}

/// `syncRolloutStatus`
fn progress(after: &mut Value, before: &Value, counts: &Value, name: &str, moment: &Moment) {
    let now = moment.now;
    let (Some(current), true) = (progressing(before), has_deadline(before)) else {
        return;
    };
    let is = |field: &str| number(&counts[field], 0);
    let was = |field: &str| number(&before["status"][field], 0);
    if is("replicas") == is("updatedReplicas") && current["reason"] == "NewReplicaSetAvailable" {
        return;
    }
    let wanted = number(&before["spec"]["replicas"], 1);
    let complete = is("updatedReplicas") == wanted
        && is("replicas") == wanted
        && is("availableReplicas") == wanted;
    let moved = is("updatedReplicas") > was("updatedReplicas")
        || is("replicas") - is("updatedReplicas") < was("replicas") - was("updatedReplicas")
        || is("readyReplicas") > was("readyReplicas")
        || is("availableReplicas") > was("availableReplicas");
    if complete {
        set_progressing(
            after,
            "True",
            "NewReplicaSetAvailable",
            &format!("{name} has successfully progressed."),
            now,
        );
    } else if moved {
        // progress counts anew each time: the time of the update is what the deadline is measured
        // from
        let transition = if current["status"] == "True" {
            current["lastTransitionTime"].clone()
        } else {
            json!(object::time(now))
        };
        let mut conditions: Vec<Value> = object::list(&after["status"]["conditions"])
            .iter()
            .filter(|condition| condition["type"] != "Progressing")
            .cloned()
            .collect();
        conditions.push(json!({"type": "Progressing", "status": "True",
            "lastUpdateTime": object::time(now), "lastTransitionTime": transition,
            "reason": "ReplicaSetUpdated", "message": format!("{name} is progressing.")}));
        after["status"]["conditions"] = json!(conditions);
    } else if timed_out(current, number(&before["spec"]["progressDeadlineSeconds"], 600), moment) {
        set_progressing(
            after,
            "False",
            "ProgressDeadlineExceeded",
            &format!("{name} has timed out progressing."),
            now,
        );
    }
}

/// `DeploymentTimedOut`
fn timed_out(current: &Value, seconds: i64, moment: &Moment) -> bool {
    match current["reason"].as_str() {
        Some("NewReplicaSetAvailable" | "DeploymentPaused") => false,
        Some("ProgressDeadlineExceeded") => true,
        // later than the deadline
        _ => object::timestamp(&current["lastUpdateTime"]).is_some_and(|since| {
            moment.passed(since, SignedDuration::from_secs(seconds) + AN_INSTANT)
        }),
    }
}
