//! What a pod is in: its status as kubectl shows it, and the symptoms an operator looks for. Pure.

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

/// One thing that is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symptom {
    /// The container, or none for the pod as a whole.
    pub container: Option<String>,
    /// The reason in the words of the API: `CrashLoopBackOff`, `OOMKilled`, `Unschedulable`, …
    pub reason: String,
    /// What the API says about it; may be empty.
    pub message: String,
    /// The exit code of the last run, where there was one.
    pub exit_code: Option<i64>,
    /// What to look at next.
    pub hint: String,
}

/// The pod's phase has ended: `Succeeded` or `Failed`.
pub fn is_finished(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The pod is being deleted.
pub fn is_deleting(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

/// The pod's `Ready` condition is true.
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// The names of the pod's containers, without init and ephemeral ones.
pub fn containers(pod: &Value) -> Vec<String> {
    array(&pod["spec"]["containers"]).filter_map(|container| Some(container["name"].as_str()?.to_owned())).collect()
}

/// The container that is meant when none is named: the annotated one if it exists, else the first.
pub fn default_container(pod: &Value) -> Option<String> {
    annotated_container(pod).or_else(|| containers(pod).into_iter().next())
}

/// The container that the annotation `kubectl.kubernetes.io/default-container` names, if there is one of that name.
pub fn annotated_container(pod: &Value) -> Option<String> {
    let annotated = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str()?;
    containers(pod).into_iter().find(|container| container == annotated)
}

/// The containers from which the pod's network can be seen, which they share: the one that is meant first, then the others.
pub fn network_containers(pod: &Value) -> Vec<String> {
    let meant = default_container(pod);
    let others = containers(pod).into_iter().filter(|name| Some(name) != meant.as_ref());
    meant.clone().into_iter().chain(others).collect()
}

/// The pod takes part in what its workload does: it has not finished and is not being deleted.
pub fn is_live(pod: &Value) -> bool {
    !is_finished(pod) && !is_deleting(pod)
}

/// How often the pod's containers were restarted in all.
pub fn restarts(pod: &Value) -> u64 {
    let statuses = [&pod["status"]["initContainerStatuses"], &pod["status"]["containerStatuses"]];
    statuses.into_iter().flat_map(array).filter_map(|status| status["restartCount"].as_u64()).sum()
}

/// The STATUS column of `kubectl get pods`.
pub fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    let mut reason = filled(&status["reason"]).unwrap_or(phase).to_owned();
    if condition(pod, "PodScheduled").is_some_and(|scheduled| scheduled["reason"] == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    let initializing = init_status(pod);
    let initialized = condition(pod, "Initialized").is_some_and(|condition| condition["status"] == "True");
    if initializing.is_none() || initialized {
        let mut running = false;
        for container in array(&status["containerStatuses"]).rev() {
            let state = &container["state"];
            if let Some(text) = filled(&state["waiting"]["reason"]) {
                text.clone_into(&mut reason);
            } else if state["terminated"].is_object() {
                reason = end_text(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            (if is_ready(pod) { "Running" } else { "NotReady" }).clone_into(&mut reason);
        }
    }
    if let (Some(text), false) = (initializing, initialized) {
        reason = text;
    }
    if is_deleting(pod) {
        if status["reason"] == "NodeLost" {
            "Unknown".clone_into(&mut reason);
        } else if !is_finished(pod) {
            "Terminating".clone_into(&mut reason);
        }
    }
    reason
}

/// `Init:…` while an init container is not through.
fn init_status(pod: &Value) -> Option<String> {
    let specs: Vec<&Value> = array(&pod["spec"]["initContainers"]).collect();
    for (index, container) in array(&pod["status"]["initContainerStatuses"]).enumerate() {
        let terminated = &container["state"]["terminated"];
        let sidecar = specs.iter().any(|spec| spec["name"] == container["name"] && spec["restartPolicy"] == "Always");
        if terminated.is_object() && terminated["exitCode"] == 0 || sidecar && container["started"] == true {
            continue;
        }
        let waiting = filled(&container["state"]["waiting"]["reason"]).filter(|reason| *reason != "PodInitializing");
        return Some(match (terminated.is_object(), waiting) {
            (true, _) => format!("Init:{}", end_text(terminated)),
            (false, Some(reason)) => format!("Init:{reason}"),
            (false, None) => format!("Init:{index}/{}", specs.len()),
        });
    }
    None
}

fn end_text(terminated: &Value) -> String {
    match (filled(&terminated["reason"]), terminated["signal"].as_i64().filter(|signal| *signal != 0)) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or_default()),
    }
}

/// How long a container may be created before that is a symptom.
const CREATING_MINUTES: i64 = 2;
/// How long after its deletion time a pod may still be there before that is a symptom.
const TERMINATING_SECONDS: i64 = 30;

/// Everything that is wrong with a pod at this time: first of the pod as a whole, then by container.
pub fn symptoms(pod: &Value, now: Timestamp) -> Vec<Symptom> {
    let mut found = pod_symptoms(pod, now);
    let slow =
        timestamp(&pod["metadata"]["creationTimestamp"]).is_some_and(|created| created.saturating_add(CREATING_MINUTES.minutes()).is_ok_and(|late| late < now));
    let ended = is_finished(pod) || is_deleting(pod);
    for (key, init) in [("initContainerStatuses", true), ("containerStatuses", false)] {
        for container in array(&pod["status"][key]) {
            found.extend(container_symptom(container, init, slow, ended));
        }
    }
    found
}

fn pod_symptoms(pod: &Value, now: Timestamp) -> Vec<Symptom> {
    let mut found = Vec::new();
    let mut add = |reason: &str, message: &str, hint: &str| {
        found.push(Symptom { container: None, reason: reason.to_owned(), message: message.to_owned(), exit_code: None, hint: hint.to_owned() });
    };
    let status = &pod["status"];
    if let Some(scheduled) = condition(pod, "PodScheduled").filter(|condition| condition["status"] == "False") {
        let reason = filled(&scheduled["reason"]).unwrap_or("Unschedulable");
        let hint = if reason == "SchedulingGated" {
            "a controller has to lift the scheduling gates of the pod"
        } else {
            "compare requests, node selectors, taints and volumes with what the nodes have"
        };
        add(reason, text(&scheduled["message"]), hint);
    }
    if status["phase"] == "Failed"
        && let Some(reason) = filled(&status["reason"])
    {
        let hint = match reason {
            "Evicted" => "the node was short of a resource: see its conditions and the pod's requests",
            "DeadlineExceeded" => "the pod ran longer than activeDeadlineSeconds",
            _ => "see the events of the pod",
        };
        add(reason, text(&status["message"]), hint);
    }
    if let Some(target) = condition(pod, "DisruptionTarget").filter(|condition| condition["status"] == "True") {
        add(filled(&target["reason"]).unwrap_or("DisruptionTarget"), text(&target["message"]), "the pod was made to leave: a drain, a preemption or a taint");
    }
    if let Some(ready) = condition(pod, "Ready").filter(|ready| ready["reason"] == "ReadinessGatesNotReady") {
        add("ReadinessGatesNotReady", text(&ready["message"]), "see which controller sets the readiness gates of the pod");
    }
    // The deletion time of a pod already contains its grace period.
    if let Some(deletion) = timestamp(&pod["metadata"]["deletionTimestamp"])
        && deletion.saturating_add(TERMINATING_SECONDS.seconds()).is_ok_and(|late| late < now)
    {
        let finalizers: Vec<&str> = array(&pod["metadata"]["finalizers"]).filter_map(Value::as_str).collect();
        let message = if finalizers.is_empty() {
            format!("should have been gone at {deletion}")
        } else {
            format!("should have been gone at {deletion}; finalizers: {}", finalizers.join(", "))
        };
        add("StuckTerminating", &message, "see whether its node is Ready and who removes its finalizers");
    }
    found
}

fn container_symptom(container: &Value, init: bool, slow: bool, ended: bool) -> Option<Symptom> {
    let name = text(&container["name"]).to_owned();
    let state = &container["state"];
    let last = &container["lastState"]["terminated"];
    let count = container["restartCount"].as_u64().unwrap_or_default();
    let symptom = |reason: &str, message: String, exit_code: Option<i64>, hint: &str| {
        Some(Symptom { container: Some(name.clone()), reason: reason.to_owned(), message, exit_code, hint: hint.to_owned() })
    };
    if let Some(reason) = filled(&state["waiting"]["reason"]) {
        let message = text(&state["waiting"]["message"]).to_owned();
        if reason == "CrashLoopBackOff" {
            let (reason, hint) =
                if last["reason"] == "OOMKilled" { ("OOMKilled", OUT_OF_MEMORY) } else { ("CrashLoopBackOff", "read the log of its previous run") };
            return symptom(reason, ended_text(last, count), last["exitCode"].as_i64(), hint);
        }
        if matches!(reason, "ContainerCreating" | "PodInitializing") && !slow {
            return None;
        }
        return symptom(reason, message, last["exitCode"].as_i64(), waiting_hint(reason));
    }
    let terminated = &state["terminated"];
    if terminated.is_object() {
        let code = terminated["exitCode"].as_i64().unwrap_or_default();
        if code == 0 && terminated["reason"] != "OOMKilled" {
            return None;
        }
        let hint = if terminated["reason"] == "OOMKilled" { OUT_OF_MEMORY } else { "read its log" };
        return symptom(&end_text(terminated), ended_text(terminated, count), Some(code), hint);
    }
    if state["running"].is_object() && last.is_object() && last["exitCode"] != 0 {
        let hint = if last["reason"] == "OOMKilled" { OUT_OF_MEMORY } else { "read the log of its previous run" };
        let reason = if last["reason"] == "OOMKilled" { "OOMKilled" } else { "Restarted" };
        return symptom(reason, ended_text(last, count), last["exitCode"].as_i64(), hint);
    }
    if state["running"].is_object() && container["ready"] == false && !init && !ended {
        let (message, hint) = if container["started"] == false {
            ("running, but its startup probe has not passed", "see the Unhealthy events of the pod and its log")
        } else {
            ("running, but its readiness probe does not pass", "see the Unhealthy events of the pod and ask its health path")
        };
        return symptom("NotReady", message.to_owned(), None, hint);
    }
    None
}

const OUT_OF_MEMORY: &str = "compare its memory use with limits.memory";

fn ended_text(terminated: &Value, restarts: u64) -> String {
    let mut parts = Vec::new();
    if terminated.is_object() {
        parts.push(format!("ended with {}", end_text(terminated)));
        if let Some(time) = filled(&terminated["finishedAt"]) {
            parts.push(format!("at {time}"));
        }
        if let Some(message) = filled(&terminated["message"]) {
            parts.push(format!("saying: {}", message.trim()));
        }
    }
    if restarts > 0 {
        parts.push(format!("({restarts} restarts)"));
    }
    parts.join(" ")
}

fn waiting_hint(reason: &str) -> &'static str {
    match reason {
        "ErrImagePull" | "ImagePullBackOff" => "check the image name and tag, imagePullSecrets and the registry",
        "InvalidImageName" => "correct the image name",
        "ErrImageNeverPull" => "the image is not on the node and imagePullPolicy forbids to pull it",
        "CreateContainerConfigError" => "a ConfigMap, a Secret or a key of one that it names is missing",
        "CreateContainerError" | "RunContainerError" | "StartError" => "check its command, its mounts and its security context",
        "ContainerCreating" | "PodInitializing" => "see the events of the pod for FailedMount, FailedAttachVolume and FailedCreatePodSandBox",
        _ => "see the events of the pod",
    }
}

/// From this many restarts on a crash loop does not heal by waiting: about two and a half minutes of tries.
const CRASHES: u64 = 5;

/// Why waiting for this object to become ready or complete makes no sense, if so: an image that cannot be pulled, a
/// failed pod or Job, a paused or stuck rollout. States that often pass (unschedulable, a first failed pull, the first
/// crashes) are not terminal.
pub fn terminal(object: &Value) -> Option<String> {
    match object["kind"].as_str()? {
        "Pod" => terminal_pod(object),
        "Job" => {
            let failed = condition(object, "Failed").or_else(|| condition(object, "FailureTarget"))?;
            let failed = Some(failed).filter(|failed| failed["status"] == "True")?;
            Some(with_message("the job has failed", filled(&failed["reason"]), text(&failed["message"])))
        }
        "Deployment" | "StatefulSet" | "DaemonSet" => match super::rollout::rollout_status(object) {
            super::rollout::Rollout::Failed(reason) => Some(reason),
            super::rollout::Rollout::Done | super::rollout::Rollout::Waiting(_) => None,
        },
        _ => None,
    }
}

fn terminal_pod(pod: &Value) -> Option<String> {
    if pod["status"]["phase"] == "Failed" {
        let reason = filled(&pod["status"]["reason"]);
        return Some(with_message("the pod has failed", reason, text(&pod["status"]["message"])));
    }
    let statuses = [&pod["status"]["initContainerStatuses"], &pod["status"]["containerStatuses"]];
    for container in statuses.into_iter().flat_map(array) {
        let waiting = &container["state"]["waiting"];
        let Some(reason) = filled(&waiting["reason"]) else { continue };
        let hopeless = match reason {
            "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "CreateContainerConfigError" => true,
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

fn with_message(what: &str, reason: Option<&str>, message: &str) -> String {
    let head = match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    };
    if message.is_empty() { head } else { format!("{head}: {message}") }
}

/// The condition of this type of an object's status.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    array(&object["status"]["conditions"]).find(|condition| condition["type"] == kind)
}

fn array(value: &Value) -> impl DoubleEndedIterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn filled(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
               "spec": {"containers": [{"name": "c"}, {"name": "d"}], "initContainers": [{"name": "i"}, {"name": "j"}]},
               "status": status})
    }

    fn waiting(reason: &str) -> Value {
        json!({"name": "c", "ready": false, "restartCount": 7, "state": {"waiting": {"reason": reason, "message": "text"}}})
    }

    #[test]
    fn shows_the_status_that_kubectl_shows() {
        let running = json!({"name": "c", "ready": true, "state": {"running": {}}});
        let completed = json!({"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let killed = json!({"name": "d", "state": {"terminated": {"exitCode": 137, "signal": 9}}});
        let failed = json!({"name": "d", "state": {"terminated": {"exitCode": 2}}});
        let through = json!({"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let cases = [
            (json!({}), "Unknown"),
            (json!({"phase": "Pending"}), "Pending"),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted"),
            (json!({"phase": "Running", "containerStatuses": [running]}), "Running"),
            (json!({"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff"), running]}), "CrashLoopBackOff"),
            (json!({"phase": "Running", "containerStatuses": [completed, running]}), "NotReady"),
            (
                json!({"phase": "Running", "containerStatuses": [completed, running],
                       "conditions": [{"type": "Ready", "status": "True"}]}),
                "Running",
            ),
            (json!({"phase": "Succeeded", "containerStatuses": [completed]}), "Completed"),
            (json!({"phase": "Failed", "containerStatuses": [killed]}), "Signal:9"),
            (json!({"phase": "Failed", "containerStatuses": [failed]}), "ExitCode:2"),
            (json!({"phase": "Pending", "initContainerStatuses": [through, {"name": "j", "state": {"running": {}}}]}), "Init:1/2"),
            (
                json!({"phase": "Pending", "initContainerStatuses": [
                    {"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
                "Init:ImagePullBackOff",
            ),
            (json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 1}}}]}), "Init:ExitCode:1"),
            (json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}), "SchedulingGated"),
        ];
        for (status, expected) in cases {
            assert_eq!(pod_status(&pod(status.clone())), expected, "{status}");
        }
        let mut deleting = pod(json!({"phase": "Running"}));
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(pod_status(&deleting), "Terminating");
        deleting["status"]["reason"] = json!("NodeLost");
        assert_eq!(pod_status(&deleting), "Unknown");
    }

    #[test]
    fn finds_the_symptoms() {
        let late: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let last =
            |reason: &str, code: i64| json!({"terminated": {"reason": reason, "exitCode": code, "finishedAt": "2026-01-01T00:30:00Z", "message": "boom\n"}});
        let mut crashing = waiting("CrashLoopBackOff");
        crashing["lastState"] = last("Error", 1);
        let mut out_of_memory = waiting("CrashLoopBackOff");
        out_of_memory["lastState"] = last("OOMKilled", 137);
        let restarted = json!({"name": "c", "ready": true, "restartCount": 1, "state": {"running": {}}, "lastState": last("Error", 2)});
        let unready = json!({"name": "c", "ready": false, "started": true, "state": {"running": {}}});
        let cases: [(Value, &[(&str, Option<i64>, &str)]); 11] = [
            (json!({"phase": "Running"}), &[]),
            (json!({"containerStatuses": [crashing]}), &[("CrashLoopBackOff", Some(1), "ended with Error at 2026-01-01T00:30:00Z saying: boom (7 restarts)")]),
            (json!({"containerStatuses": [out_of_memory]}), &[("OOMKilled", Some(137), "OOMKilled")]),
            (json!({"containerStatuses": [restarted]}), &[("Restarted", Some(2), "1 restarts")]),
            (json!({"containerStatuses": [waiting("ImagePullBackOff")]}), &[("ImagePullBackOff", None, "text")]),
            (json!({"initContainerStatuses": [waiting("ErrImagePull")]}), &[("ErrImagePull", None, "text")]),
            (json!({"containerStatuses": [waiting("ContainerCreating")]}), &[("ContainerCreating", None, "text")]),
            (json!({"phase": "Running", "containerStatuses": [unready]}), &[("NotReady", None, "readiness probe")]),
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]}),
                &[("Unschedulable", None, "0/3 nodes")],
            ),
            (json!({"phase": "Failed", "reason": "Evicted", "message": "disk"}), &[("Evicted", None, "disk")]),
            (
                json!({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "m"}]}),
                &[("EvictionByEvictionAPI", None, "m")],
            ),
        ];
        for (status, expected) in cases {
            let found = symptoms(&pod(status.clone()), late);
            assert_eq!(found.len(), expected.len(), "{status} {found:?}");
            for (symptom, (reason, code, part)) in found.iter().zip(expected) {
                assert_eq!((symptom.reason.as_str(), &symptom.exit_code), (*reason, code), "{status}");
                assert!(symptom.message.contains(part) && !symptom.hint.is_empty(), "{symptom:?}");
            }
        }
        let early: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        assert_eq!(symptoms(&pod(json!({"containerStatuses": [waiting("ContainerCreating")]})), early), []);
        let mut stuck = pod(json!({"phase": "Running"}));
        stuck["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:30:00Z");
        stuck["metadata"]["finalizers"] = json!(["a/b"]);
        let found = symptoms(&stuck, late);
        assert!(found[0].reason == "StuckTerminating" && found[0].message.ends_with("finalizers: a/b"), "{found:?}");
    }

    #[test]
    fn knows_when_waiting_is_useless() {
        let few = json!({"name": "c", "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        let cases = [
            (pod(json!({"containerStatuses": [waiting("ImagePullBackOff")]})), Some("container c: ImagePullBackOff: text")),
            (pod(json!({"containerStatuses": [waiting("CrashLoopBackOff")]})), Some("container c: CrashLoopBackOff: text")),
            (pod(json!({"containerStatuses": [waiting("ErrImagePull")]})), None),
            (pod(json!({"containerStatuses": [few]})), None),
            (pod(json!({"phase": "Failed", "reason": "Evicted"})), Some("the pod has failed: Evicted")),
            (pod(json!({"phase": "Succeeded"})), None),
            (
                json!({"kind": "Job", "status": {"conditions": [
                    {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]}}),
                Some("the job has failed: BackoffLimitExceeded: too often"),
            ),
            (json!({"kind": "Job", "status": {"conditions": [{"type": "Complete", "status": "True"}]}}), None),
            (
                json!({"kind": "Deployment", "spec": {"replicas": 1, "paused": true}, "status": {}}),
                Some("the rollout is paused: 0 of 1 replicas are updated; resume it"),
            ),
            (json!({"kind": "Deployment", "spec": {"replicas": 1}, "status": {}}), None),
            (json!({"kind": "ConfigMap"}), None),
        ];
        for (object, expected) in cases {
            assert_eq!(terminal(&object).as_deref(), expected, "{object}");
        }
    }

    #[test]
    fn takes_the_annotated_container_if_it_exists() {
        let mut object = pod(json!({}));
        assert_eq!(default_container(&object).as_deref(), Some("c"));
        object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("d");
        assert_eq!(default_container(&object).as_deref(), Some("d"));
        object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("x");
        assert_eq!(default_container(&object).as_deref(), Some("c"));
        assert_eq!(default_container(&json!({})), None);
    }
}
