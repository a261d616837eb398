//! How pods and Jobs end: states that waiting does not change. Pure.

use crate::diagnosis::object::{array, condition, filled, text};
use crate::diagnosis::pod::{is_deleting, is_finished};
use serde_json::Value;

/// From this many restarts on, a crash loop is considered permanent: about two and a half minutes
/// of attempts.
const CRASHES: u64 = 5;

/// Why this pod will not run, if so: an image that cannot be pulled, a failed pod. States that are
/// often temporary (unschedulable, a first failed pull, the first crashes) are not terminal.
pub fn terminal(pod: &Value) -> Option<String> {
    if pod["status"]["phase"] == "Failed" {
        let reason = filled(&pod["status"]["reason"]);
        return Some(with_message("the pod failed", reason, text(&pod["status"]["message"])));
    }
    let statuses = [&pod["status"]["initContainerStatuses"], &pod["status"]["containerStatuses"]];
    for container in statuses.into_iter().flat_map(array) {
        let waiting = &container["state"]["waiting"];
        let Some(reason) = filled(&waiting["reason"]) else { continue };
        let hopeless = match reason {
            "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "CreateContainerConfigError" => true,
            "CrashLoopBackOff" => container["restartCount"].as_u64().unwrap_or_default() >= CRASHES,
            _ => false,
        };
        if hopeless {
            let what = format!("container {}", text(&container["name"]));
            return Some(with_message(&what, Some(reason), text(&waiting["message"])));
        }
    }
    None
}

/// How an object has ended whose status is final and which no controller replaces: a finished Job,
/// or a pod without a controller whose containers have all ended. None for an object that is being
/// deleted.
pub fn final_state(object: &Value) -> Option<String> {
    if is_deleting(object) {
        return None;
    }
    let name = text(&object["metadata"]["name"]);
    match object["kind"].as_str()? {
        "Pod" => {
            let controlled = array(&object["metadata"]["ownerReferences"])
                .any(|owner| owner["controller"] == true);
            let over = array(&object["status"]["containerStatuses"])
                .all(|container| container["state"]["terminated"].is_object());
            if controlled || !over || !is_finished(object) {
                return None;
            }
            let what = format!(
                "pod {name} has {}",
                if object["status"]["phase"] == "Failed" { "failed" } else { "succeeded" }
            );
            Some(with_message(
                &what,
                filled(&object["status"]["reason"]),
                text(&object["status"]["message"]),
            ))
        }
        "Job" => match job_end(object)? {
            JobEnd::Complete => Some(format!("job {name} is complete")),
            JobEnd::Failed(reason) => Some(format!("job {name} has failed: {reason}")),
        },
        _ => None,
    }
}

/// How a Job has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// Enough of its pods have succeeded.
    Complete,
    /// It has failed, and why.
    Failed(String),
}

/// How a Job has ended, if it has. Only `Complete` and `Failed` are an end: `SuccessCriteriaMet`
/// and `FailureTarget` come before, while its counters are not final and pods of it may still run.
pub fn job_end(job: &Value) -> Option<JobEnd> {
    let is = |kind: &str| condition(job, kind).filter(|condition| condition["status"] == "True");
    if let Some(failed) = is("Failed") {
        return Some(JobEnd::Failed(match (text(&failed["reason"]), text(&failed["message"])) {
            ("", "") => "no reason given".to_owned(),
            (reason, "") => reason.to_owned(),
            (reason, message) => format!("{reason}: {message}"),
        }));
    }
    is("Complete").map(|_| JobEnd::Complete)
}

fn with_message(what: &str, reason: Option<&str>, message: &str) -> String {
    let head = match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    };
    if message.is_empty() { head } else { format!("{head}: {message}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p",
            "creationTimestamp": "2026-01-01T00:00:00Z"},
               "spec": {"containers": [{"name": "c"}, {"name": "d"}],
               "initContainers": [{"name": "i"}, {"name": "j"}]},
               "status": status})
    }

    fn waiting(reason: &str) -> Value {
        json!({"name": "c", "ready": false, "restartCount": 7,
            "state": {"waiting": {"reason": reason, "message": "text"}}})
    }

    #[test]
    fn knows_when_a_pod_will_not_run() {
        let few = json!({"name": "c", "restartCount": 1,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        for (status, expected) in [
            (
                json!({"containerStatuses": [waiting("ImagePullBackOff")]}),
                Some("container c: ImagePullBackOff: text"),
            ),
            (
                json!({"containerStatuses": [waiting("CrashLoopBackOff")]}),
                Some("container c: CrashLoopBackOff: text"),
            ),
            (json!({"containerStatuses": [waiting("ErrImagePull")]}), None),
            (json!({"containerStatuses": [few]}), None),
            (json!({"phase": "Failed", "reason": "Evicted"}), Some("the pod failed: Evicted")),
            (json!({"phase": "Succeeded"}), None),
        ] {
            assert_eq!(terminal(&pod(status.clone())).as_deref(), expected, "{status}");
        }
    }

    #[test]
    fn what_ends_for_good_is_neither_replaced_nor_deleted() {
        let job = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"kind": "Job", "metadata": {"name": "j"},
                "status": {"conditions": [{"type": kind, "status": status, "reason": reason,
                "message": message}]}})
        };
        let failed = pod(json!({"phase": "Failed",
                "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]}));
        let changed = |base: &Value, pointer: &str, value: Value| {
            let mut object = base.clone();
            object["metadata"][pointer] = value;
            object
        };
        for (object, expected) in [
            (failed.clone(), Some("pod p has failed")),
            (pod(json!({"phase": "Succeeded"})), Some("pod p has succeeded")),
            (
                pod(json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"})),
                Some("pod p has failed: Evicted: low on memory"),
            ),
            // its containers are still being ended
            (
                pod(json!({"phase": "Failed",
                        "containerStatuses": [{"name": "c", "state": {"running": {}}}]})),
                None,
            ),
            (pod(json!({"phase": "Running"})), None),
            (pod(json!({"containerStatuses": [waiting("ImagePullBackOff")]})), None),
            (changed(&failed, "deletionTimestamp", json!("2026-01-01T00:00:00Z")), None),
            (
                changed(
                    &failed,
                    "ownerReferences",
                    json!([{"kind": "StatefulSet", "controller": true}]),
                ),
                None,
            ),
            (
                changed(&failed, "ownerReferences", json!([{"kind": "ConfigMap"}])),
                Some("pod p has failed"),
            ),
            (
                job("Failed", "True", "BackoffLimitExceeded", "too often"),
                Some("job j has failed: BackoffLimitExceeded: too often"),
            ),
            (job("Failed", "True", "", ""), Some("job j has failed: no reason given")),
            (job("Complete", "True", "", ""), Some("job j is complete")),
            (job("Complete", "False", "", ""), None),
            (job("SuccessCriteriaMet", "True", "", ""), None),
            (job("FailureTarget", "True", "", ""), None),
            (
                json!({"kind": "Deployment", "spec": {"replicas": 1, "paused": true},
                    "status": {}}),
                None,
            ),
            (json!({"kind": "ConfigMap"}), None),
        ] {
            assert_eq!(final_state(&object).as_deref(), expected, "{object}");
        }
    }
}
