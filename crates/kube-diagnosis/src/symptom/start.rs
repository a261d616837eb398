//! Symptoms of pods that are scheduled but do not start.

use super::ObjectEvent;
use super::mount::{attach_hint, mount_hint};
use super::{PodCase, STARTING, Symptom, image, rejected};
use crate::object::{array, text};

/// Events after which what was before no longer holds a pod up: its volumes and its network are
/// there.
const PROGRESS: &[&str] = &["Pulling", "Pulled", "Created", "Started"];
/// Warnings that hold no pod up.
const HARMLESS: &[&str] = &[
    "BackOff",
    "DNSConfigForming",
    "FailedScheduling",
    "FailedToRetrieveImagePullSecret",
    "FailedPreStopHook",
    "Unhealthy",
    "TaintManagerEviction",
];

/// Why the containers of a pod are not started.
pub(super) fn not_started(case: &PodCase<'_>) -> Option<Symptom> {
    let pending = matches!(case.status()["phase"].as_str(), None | Some("Pending"));
    if case.node().is_empty() || !pending || !is_starting(case) {
        return None;
    }
    let progress = case.seen.last(|event| PROGRESS.contains(&event.reason));
    let attached = case.seen.last(|event| event.reason == "SuccessfulAttachVolume");
    let holds = |event: &ObjectEvent<'_>| {
        let overtaken = |by: &Option<ObjectEvent<'_>>| by.is_some_and(|by| by.at >= event.at);
        let is_attached = event.reason == "FailedAttachVolume" && overtaken(&attached);
        event.warning && !is_attached && !HARMLESS.contains(&event.reason) && !overtaken(&progress)
    };
    if let Some(event) = case.seen.last(holds) {
        return Some(blocked(case, &event));
    }
    // an image that has failed to come is the state of its container a moment later
    if let Some(event) = case
        .seen
        .last(|event| event.reason == "Failed" && event.message.starts_with("Failed to pull"))
        && let Some(container) = event.container
        && progress.is_some_and(|progress| progress.reason == "Pulling" && progress.at <= event.at)
    {
        let (id, message, hint) =
            image::cause("ErrImagePull", &serde_json::Value::Null, container, &case.seen);
        return Some(Symptom {
            container: Some(container.to_owned()),
            ..Symptom::of_pod(id, "ErrImagePull", message, hint)
        });
    }
    slow(case, progress)
}

fn blocked(case: &PodCase<'_>, event: &ObjectEvent<'_>) -> Symptom {
    let (id, hint) = match event.reason {
        "FailedMount" | "FailedMapVolume" => ("volume-mount-failed", mount_hint(event.message)),
        "FailedAttachVolume" => ("volume-attach-failed", attach_hint(event.message)),
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus" => {
            ("sandbox-failed", sandbox_hint(event.message))
        }
        "NetworkNotReady" => {
            ("network-not-ready", "check the network plugin on the node: it is not ready")
        }
        "NodeNotReady" => return case.node_lost(event.message),
        // a moment later its phase is Failed, for the same reason
        reason => ("not-started", rejected::hint(reason).unwrap_or("check the events of the pod")),
    };
    Symptom::of_pod(id, event.reason, event.message, hint)
}

fn sandbox_hint(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    // so runc says it, beside words about the sandbox
    if lower.contains("memory limit too low") || lower.contains("oom-killed") {
        "raise resources.limits.memory: it is too low to start the pod"
    } else if lower.contains("runtimeclass")
        || lower.contains("runtime handler")
        || lower.contains("no runtime for")
    {
        "correct runtimeClassName, or use a node that has this runtime"
    } else if lower.contains("network") || lower.contains("cni") {
        "check the network plugin on the node: its pods, configuration and free addresses"
    } else {
        "check the container runtime and the network plugin on the node"
    }
}

/// Nothing is said against it, and it takes long.
fn slow(case: &PodCase<'_>, progress: Option<ObjectEvent<'_>>) -> Option<Symptom> {
    if let Some(pulling) = progress.filter(|progress| progress.reason == "Pulling") {
        if case.now.duration_since(pulling.at) <= STARTING {
            return None;
        }
        let message = format!("{}, since {}", pulling.message, pulling.at);
        let symptom = Symptom::of_pod(
            "image-pull-slow",
            "Pulling",
            message,
            "wait, or check the network of the node: the image is large, or its registry is slow",
        );
        return Some(Symptom { container: pulling.container.map(str::to_owned), ..symptom });
    }
    let times = [&case.status()["startTime"], &case.pod["metadata"]["creationTimestamp"]];
    if !times
        .into_iter()
        .find(|time| time.is_string())
        .is_some_and(|since| case.older(since, STARTING))
    {
        return None;
    }
    if case.status()["startTime"].is_null() {
        let message = format!("the kubelet of node {} has not started the pod", case.node());
        return Some(Symptom::of_pod(
            "not-started",
            "Pending",
            message,
            format!("check whether node {} is Ready and its kubelet responds", case.node()),
        ));
    }
    let waits = array(&case.status()["containerStatuses"])
        .map(|status| &status["state"]["waiting"])
        .find(|waiting| waiting.is_object());
    let reason = waits.map_or("Pending", |waiting| text(&waiting["reason"]));
    // the kubelet writes that a container runs when its postStart hook has ended
    if let Some(started) = progress.filter(|progress| progress.reason == "Started") {
        let container = started.container.unwrap_or_default();
        let message = format!(
            "container {container} was started at {}, and its postStart hook has not ended",
            started.at
        );
        let hint =
            "find out what its postStart hook waits for: until it ends, the pod is not ready";
        let symptom = Symptom::of_pod("post-start-hook-runs", reason, message, hint);
        return Some(Symptom { container: started.container.map(str::to_owned), ..symptom });
    }
    let hint = "check the events of the pod for FailedMount, FailedAttachVolume and \
        FailedCreatePodSandBox, and the kubelet of its node";
    Some(Symptom::of_pod(
        "not-started",
        reason,
        waits.map_or("", |waiting| text(&waiting["message"])),
        hint,
    ))
}

/// No container has run yet, and none says itself why.
fn is_starting(case: &PodCase<'_>) -> bool {
    let idle = |status: &serde_json::Value| {
        let waiting = &status["state"]["waiting"];
        waiting.is_object()
            && matches!(
                waiting["reason"].as_str(),
                None | Some("" | "ContainerCreating" | "PodInitializing")
            )
    };
    let (inits, mains) =
        (&case.status()["initContainerStatuses"], &case.status()["containerStatuses"]);
    let ended = |status: &serde_json::Value| status["state"]["terminated"]["exitCode"] == 0;
    let sidecar = |status: &serde_json::Value| {
        status["state"]["running"].is_object() && status["started"] == true
    };
    // an init container that runs is what the pod waits for
    array(inits).all(|status| idle(status) || ended(status) || sidecar(status))
        && array(mains).all(idle)
}
