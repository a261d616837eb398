//! Whether a rollout is complete. Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::diagnosis::object::condition;

/// The progress of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RolloutStatus {
    /// Every desired pod has the newest revision and is available.
    Done,
    /// In progress, and why.
    Waiting(String),
    /// It cannot complete by itself, and why.
    Failed(String),
}

/// The state of the rollout of a Deployment, StatefulSet or DaemonSet.
///
/// The order of the checks is kubectl's, generation first, with three differences: a Deployment
/// whose replicas are all new and available is done although an old `ProgressDeadlineExceeded`
/// condition is still there; paused, `ReplicaFailure` and `OnDelete` rollouts end instead of
/// waiting for ever or claiming success; a StatefulSet's `minReadySeconds` counts.
pub fn rollout_status(workload: &Value) -> RolloutStatus {
    rollout_status_since(workload, None)
}

/// The same after a change at this time: a deadline that was exceeded before the change does not
/// count. The time is compared with the cluster's clock.
pub fn rollout_status_since(workload: &Value, changed: Option<Timestamp>) -> RolloutStatus {
    let kind = workload["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        return RolloutStatus::Failed(format!(
            "{kind:?} has no rollout: only Deployment, StatefulSet and DaemonSet have one"
        ));
    }
    let generation = number(&workload["metadata"]["generation"]);
    let observed = number(&workload["status"]["observedGeneration"]);
    if observed < generation || observed == 0 && kind != "Deployment" {
        return RolloutStatus::Waiting(format!(
            "the controller has not seen generation {generation} yet (it saw {observed})"
        ));
    }
    match kind {
        "Deployment" => deployment(workload, changed),
        "StatefulSet" => stateful_set(workload),
        _ => daemon_set(workload),
    }
}

fn deployment(workload: &Value, changed: Option<Timestamp>) -> RolloutStatus {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let updated = number(&status["updatedReplicas"]);
    let all = number(&status["replicas"]);
    let available = number(&status["availableReplicas"]);
    let missing = if updated < wanted {
        format!("{updated} of {wanted} replicas are updated")
    } else if all > updated {
        format!(
            "{updated} of {wanted} replicas are updated, {} pending termination",
            counted(all - updated, "old")
        )
    } else if all > wanted {
        // kubectl does not look at this: after a scaling down it is done at once
        format!("{} pending termination", counted(all - wanted, "surplus"))
    } else if available < updated {
        format!("{available} of {updated} updated replicas are available")
    } else {
        return RolloutStatus::Done;
    };
    let ripening = ripening(spec, number(&status["readyReplicas"]) - available);
    let missing = format!("{missing}{}{ripening}", leaving(workload));
    if spec["paused"] == true {
        return RolloutStatus::Failed(format!("the rollout is paused: {missing}; resume it"));
    }
    let stalled = condition(workload, "Progressing")
        .filter(|progress| progress["reason"] == "ProgressDeadlineExceeded");
    if let Some(progress) = stalled
        && !before(progress, changed)
    {
        return RolloutStatus::Failed(with(
            &format!("the rollout exceeded its progress deadline: {missing}"),
            progress,
        ));
    }
    if let Some(failure) =
        condition(workload, "ReplicaFailure").filter(|failure| failure["status"] == "True")
        && !before(failure, changed)
    {
        let said = with(&format!("pods cannot be created: {missing}"), failure);
        // a quota that is full has room again once the pods before are gone, and those that are
        // ending are not counted here
        let replaces = all > updated
            || number_of(&workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
                > 1;
        let passes = replaces
            && failure["message"]
                .as_str()
                .is_some_and(|message| message.contains("exceeded quota"));
        return if passes { RolloutStatus::Waiting(said) } else { RolloutStatus::Failed(said) };
    }
    RolloutStatus::Waiting(missing)
}

/// So many replicas of a sort.
fn counted(count: i64, sort: &str) -> String {
    format!("{count} {sort} {}", if count == 1 { "replica" } else { "replicas" })
}

/// Pods that are ready, and must stay so for a time before they count as available.
fn ripening(spec: &Value, pods: i64) -> String {
    match (number(&spec["minReadySeconds"]), pods) {
        (seconds @ 1.., 1..) => {
            let are = if pods == 1 { "is" } else { "are" };
            format!("; {pods} {are} ready, and available after {seconds} s (minReadySeconds)")
        }
        _ => String::new(),
    }
}

/// Old pods that must have gone before there are new ones (pkg/controller/deployment/recreate.go).
/// Before Kubernetes 1.35 they are not counted (DeploymentReplicaSetTerminatingReplicas).
fn leaving(workload: &Value) -> String {
    let count = number(&workload["status"]["terminatingReplicas"]);
    match (workload["spec"]["strategy"]["type"] == "Recreate", count) {
        (true, 1) => "; 1 old pod is terminating, and new ones are made after it".to_owned(),
        (true, 2..) => {
            format!("; {count} old pods are terminating, and new ones are made after them")
        }
        _ => String::new(),
    }
}

fn before(condition: &Value, changed: Option<Timestamp>) -> bool {
    let updated = condition["lastUpdateTime"].as_str().or(condition["lastTransitionTime"].as_str());
    let updated = updated.and_then(|time| time.parse::<Timestamp>().ok());
    match (updated, changed) {
        (Some(updated), Some(changed)) => updated < changed,
        _ => false,
    }
}

fn stateful_set(workload: &Value) -> RolloutStatus {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let updated = number(&status["updatedReplicas"]);
    let ready = number(&status["readyReplicas"]);
    let through = status["currentRevision"] == status["updateRevision"]
        && status["updateRevision"].is_string();
    if spec["updateStrategy"]["type"] == "OnDelete" {
        // where both revisions are one, the pods of it are counted as those of either
        let current = if through { number(&status["currentReplicas"]) } else { 0 };
        let own = updated.max(current);
        let missing = wanted - number(&status["replicas"]);
        if missing > 0 {
            return RolloutStatus::Waiting(format!("{} of {wanted} pods exist", wanted - missing));
        }
        if own < wanted {
            return on_delete(own, wanted);
        }
    }
    if ready < wanted {
        return RolloutStatus::Waiting(format!("{ready} of {wanted} pods are ready"));
    }
    let partition = number(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
    let due = (wanted - partition).max(0);
    // The controller leaves the count out when both revisions are one.
    if updated < due && !through {
        return RolloutStatus::Waiting(format!(
            "{updated} of {due} pods are updated{}",
            beyond(partition)
        ));
    }
    if number(&spec["minReadySeconds"]) > 0
        && let Some(available) = status["availableReplicas"].as_i64()
        && available < wanted
    {
        let ripening = ripening(spec, ready - available);
        return RolloutStatus::Waiting(format!(
            "{available} of {wanted} pods are available{ripening}"
        ));
    }
    RolloutStatus::Done
}

fn beyond(partition: i64) -> String {
    if partition > 0 { format!(" (partition {partition})") } else { String::new() }
}

fn daemon_set(workload: &Value) -> RolloutStatus {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let wanted = number(&status["desiredNumberScheduled"]);
    let updated = number(&status["updatedNumberScheduled"]);
    let available = number(&status["numberAvailable"]);
    if updated < wanted {
        if spec["updateStrategy"]["type"] == "OnDelete" {
            return on_delete(updated, wanted);
        }
        return RolloutStatus::Waiting(format!("{updated} of {wanted} pods are updated"));
    }
    if available < wanted {
        let ripening = ripening(spec, number(&status["numberReady"]) - available);
        return RolloutStatus::Waiting(format!(
            "{available} of {wanted} pods are available{ripening}"
        ));
    }
    RolloutStatus::Done
}

fn on_delete(updated: i64, wanted: i64) -> RolloutStatus {
    RolloutStatus::Failed(format!(
        "the update strategy OnDelete replaces no pods by itself: {} of {wanted} pods are of \
            another revision and have to be deleted",
        wanted - updated
    ))
}

fn with(text: &str, condition: &Value) -> String {
    match condition["message"].as_str().filter(|message| !message.is_empty()) {
        Some(message) => format!("{text}: {message}"),
        None => text.to_owned(),
    }
}

/// A number that is written as text.
fn number_of(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(rollout: &RolloutStatus) -> &'static str {
        match rollout {
            RolloutStatus::Done => "done",
            RolloutStatus::Waiting(_) => "waiting",
            RolloutStatus::Failed(_) => "failed",
        }
    }

    fn check(object: &Value, expected: &str, part: &str) {
        let rollout = rollout_status(object);
        let text = match &rollout {
            RolloutStatus::Done => "",
            RolloutStatus::Waiting(text) | RolloutStatus::Failed(text) => text,
        };
        assert_eq!(kind(&rollout), expected, "{object}");
        assert!(text.contains(part), "{text:?} should contain {part:?}");
    }

    #[test]
    fn judges_deployments() {
        let deployment = |paused: bool, observed: i64, counts: [i64; 3], conditions: Value| {
            json!({
                "kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 3,
                "paused": paused},
                "status": {"observedGeneration": observed, "updatedReplicas": counts[0],
                "replicas": counts[1],
                           "availableReplicas": counts[2], "conditions": conditions}
            })
        };
        let late = json!([{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded",
                           "lastUpdateTime": "2026-01-01T00:00:00Z",
                           "message": "has timed out progressing."}]);
        let quota = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "exceeded quota"}]);
        check(&deployment(false, 2, [3, 3, 3], json!([])), "done", "");
        check(&deployment(false, 1, [3, 3, 3], late.clone()), "waiting", "generation 2");
        check(
            &deployment(false, 2, [1, 4, 3], json!([])),
            "waiting",
            "1 of 3 replicas are updated",
        );
        check(&deployment(false, 2, [3, 4, 3], json!([])), "waiting", "1 old replica pending");
        check(&deployment(false, 2, [3, 3, 2], json!([])), "waiting", "2 of 3 updated");
        check(&deployment(false, 2, [3, 3, 3], late.clone()), "done", "");
        check(&deployment(false, 2, [1, 4, 3], late.clone()), "failed", "progress deadline");
        check(&deployment(true, 2, [0, 3, 3], json!([])), "failed", "paused");
        check(&deployment(true, 2, [3, 3, 3], json!([])), "done", "");
        check(&deployment(false, 2, [1, 1, 1], quota.clone()), "failed", "exceeded quota");
        // the pods before still fill it, or are about to leave
        check(&deployment(false, 2, [1, 3, 2], quota.clone()), "waiting", "exceeded quota");
        let mut second = deployment(false, 2, [2, 2, 2], quota);
        second["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "2"});
        check(&second, "waiting", "exceeded quota");
        second["status"]["conditions"][0]["message"] =
            json!("error looking up service account a/b");
        check(&second, "failed", "service account");
        check(&json!({"kind": "Pod"}), "failed", "no rollout");

        let stale = deployment(false, 2, [1, 4, 3], late);
        let after = "2026-01-01T00:00:01Z".parse().ok();
        let before = "2025-12-31T00:00:00Z".parse().ok();
        assert_eq!(kind(&rollout_status_since(&stale, after)), "waiting");
        assert_eq!(kind(&rollout_status_since(&stale, before)), "failed");
    }

    #[test]
    fn judges_stateful_sets() {
        let set = |strategy: Value, status: Value| {
            json!({"kind": "StatefulSet", "metadata": {"generation": 1},
                   "spec": {"replicas": 3, "minReadySeconds": 5, "updateStrategy": strategy},
                   "status": status})
        };
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
        let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        let on_delete = json!({"type": "OnDelete"});
        let status = |ready: i64, updated: i64, available: i64, update: &str| {
            json!({"observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": updated,
                   "availableReplicas": available, "currentRevision": "a",
                   "updateRevision": update})
        };
        check(&set(rolling.clone(), json!({})), "waiting", "generation");
        check(&set(rolling.clone(), status(2, 3, 2, "b")), "waiting", "2 of 3 pods are ready");
        check(&set(rolling.clone(), status(3, 1, 3, "b")), "waiting", "1 of 3 pods are updated");
        check(&set(rolling.clone(), status(3, 3, 2, "b")), "waiting", "available");
        check(&set(rolling.clone(), status(3, 3, 3, "b")), "done", "");
        check(&set(rolling, status(3, 0, 3, "a")), "done", "");
        check(
            &set(partition.clone(), status(3, 0, 3, "b")),
            "waiting",
            "0 of 1 pods are updated (partition 2)",
        );
        check(&set(partition, status(3, 1, 3, "b")), "done", "");
        let of_all = |existing: i64, current: i64, status: Value| {
            let mut status = status;
            status["replicas"] = existing.into();
            status["currentReplicas"] = current.into();
            set(on_delete.clone(), status)
        };
        check(&of_all(3, 2, status(3, 1, 3, "b")), "failed", "2 of 3 pods");
        check(&of_all(3, 3, status(3, 0, 3, "a")), "done", "");
        // after a rollback: one of them is of the revision that was taken back
        check(&of_all(3, 2, status(2, 2, 2, "a")), "failed", "1 of 3 pods");
        // one was deleted, and is not there again, or not ready
        check(&of_all(2, 2, status(2, 2, 2, "a")), "waiting", "2 of 3 pods exist");
        check(&of_all(3, 3, status(2, 3, 2, "a")), "waiting", "2 of 3 pods are ready");
    }

    #[test]
    fn judges_daemon_sets() {
        let set = |strategy: &str, desired: i64, updated: i64, available: i64| {
            json!({"kind": "DaemonSet", "metadata": {"generation": 1},
                "spec": {"updateStrategy": {"type": strategy}},
                   "status": {"observedGeneration": 1, "desiredNumberScheduled": desired,
                              "updatedNumberScheduled": updated, "numberAvailable": available}})
        };
        check(&set("RollingUpdate", 2, 1, 2), "waiting", "1 of 2 pods are updated");
        check(&set("RollingUpdate", 2, 2, 1), "waiting", "1 of 2 pods are available");
        check(&set("RollingUpdate", 2, 2, 2), "done", "");
        check(&set("RollingUpdate", 0, 0, 0), "done", "");
        check(&set("OnDelete", 2, 1, 2), "failed", "OnDelete");
        check(&set("OnDelete", 2, 2, 1), "waiting", "1 of 2 pods are available");
    }

    #[test]
    fn says_for_what_time_or_for_which_pods_it_waits() {
        let deployment = |spec: Value, status: Value| {
            let mut object = json!({"kind": "Deployment", "metadata": {"generation": 1},
                "spec": {"replicas": 1}, "status": {"observedGeneration": 1}});
            for (part, change) in [("spec", spec), ("status", status)] {
                let fields = change.as_object().cloned().unwrap_or_default();
                object[part].as_object_mut().unwrap().extend(fields);
            }
            object
        };
        let says = |object: Value| match rollout_status(&object) {
            RolloutStatus::Waiting(text) => text,
            other => panic!("{other:?}"),
        };
        let ready = json!({"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1});
        let unready = json!({"replicas": 1, "updatedReplicas": 1});
        let plain = "0 of 1 updated replicas are available";
        assert_eq!(
            says(deployment(json!({"minReadySeconds": 900}), ready.clone())),
            format!("{plain}; 1 is ready, and available after 900 s (minReadySeconds)")
        );
        assert_eq!(says(deployment(json!({"minReadySeconds": 900}), unready)), plain);
        assert_eq!(says(deployment(json!({}), ready)), plain);
        let leaves = json!({"terminatingReplicas": 1});
        let recreate = json!({"strategy": {"type": "Recreate"}});
        let plain = "0 of 1 replicas are updated";
        assert_eq!(
            says(deployment(recreate.clone(), leaves.clone())),
            format!("{plain}; 1 old pod is terminating, and new ones are made after it")
        );
        assert_eq!(says(deployment(recreate, json!({}))), plain);
        assert_eq!(says(deployment(json!({}), leaves)), plain);
        let daemons = json!({"kind": "DaemonSet", "metadata": {"generation": 1},
            "spec": {"minReadySeconds": 60}, "status": {"observedGeneration": 1, "numberReady": 2,
            "desiredNumberScheduled": 2, "updatedNumberScheduled": 2}});
        assert_eq!(
            says(daemons),
            "0 of 2 pods are available; 2 are ready, and available after 60 s (minReadySeconds)"
        );
    }
}
