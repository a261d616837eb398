//! Symptoms: what prevents a pod from working, as a pure function of the pod, its events and the
//! time.
//!
//! Each cause is reported once, from its first event on; a healthy state that only looks unhealthy
//! has no symptom. An event counts as long as the pod is still in the state that the event is
//! about: the API server keeps events for an hour, whatever happens to the pod.

mod command;
mod container;
mod image;
mod killer;
mod maker;
mod mount;
mod probe;
mod rejected;
mod scheduling;
mod seen;
mod start;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use command::unloadable;
pub(crate) use maker::not_made_of;
pub use maker::{Maker, not_made};
pub(crate) use probe::{SILENT, own_words as own_words_of_probe, said as said_by_probe};
pub use words::{Said, blame, few, ill, unready};
pub(crate) use words::{point, shortened};

use crate::object::{array, condition, filled, text, timestamp};
use crate::pod;
use jiff::{SignedDuration, Timestamp};
pub(crate) use seen::{ObjectEvent, ObjectEvents, involved, read_all, reported};
use serde_json::{Value, json};

/// One thing that keeps a pod from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symptom {
    /// What it is, in a word that never changes: `oom-killed`, `volume-mount-failed`, …
    pub id: &'static str,
    /// The container, or none for the pod as a whole.
    pub container: Option<String>,
    /// The reason in the words of the API: `CrashLoopBackOff`, `OOMKilled`, `FailedMount`, …
    pub reason: String,
    /// What the API says about it; may be empty.
    pub message: String,
    /// The exit code of the last run, where there was one.
    pub exit_code: Option<i64>,
    /// Of a run that has ended: what it left as its last words, or what its probe said. May be
    /// empty; the message has it in full.
    pub last_words: String,
    /// How often the container was started again.
    pub restarts: u64,
    /// What to look at next.
    pub hint: String,
}

impl Symptom {
    pub(crate) fn of_pod(
        id: &'static str,
        reason: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            id,
            container: None,
            reason: reason.into(),
            message: message.into(),
            exit_code: None,
            last_words: String::new(),
            restarts: 0,
            hint: hint.into(),
        }
    }

    /// The symptom for jq.
    pub fn value(&self) -> Value {
        // what tells most comes first: lines are cut at their end
        json!({"reason": self.reason, "message": self.message, "container": self.container,
            "exit_code": self.exit_code, "restarts": self.restarts, "hint": self.hint,
            "id": self.id, "brief": self.brief()})
    }
}

/// How long a pod may be starting, with nothing said against it, before that is a symptom.
const STARTING: SignedDuration = SignedDuration::from_mins(2);
/// How long a pod may be without a node and without a word of the scheduler.
const UNSEEN: SignedDuration = SignedDuration::from_secs(15);
/// How long after its deletion time a pod may still be there.
const TERMINATING: SignedDuration = SignedDuration::from_secs(30);
/// How long a condition may lag behind what it is made of.
const LAG: SignedDuration = SignedDuration::from_secs(10);

const PREEMPTED: &str = "add room to the cluster, or raise the priority of the pod: one with higher \
    priority takes its place";

/// What to do about an eviction by the kubelet: a pod that has used more than its own limit is
/// evicted from a node that lacks nothing (pkg/kubelet/eviction/helpers.go, localStorageEviction).
fn eviction_hint(message: &str) -> &'static str {
    if message.contains("Usage of EmptyDir volume") {
        "raise sizeLimit of this emptyDir volume, or write less to it: the pod exceeded its own limit"
    } else if message.contains("local ephemeral storage limit")
        || message.contains("ephemeral local storage usage exceeds")
    {
        "raise limits.ephemeral-storage, or write less to the disk of the node: the pod exceeded \
            its own limit"
    } else {
        "check the conditions of its node and the requests of the pod: the node was short of a \
            resource"
    }
}

/// A pod that was ended as a whole for this reason.
fn ended_for(reason: &str, message: &str) -> Symptom {
    let (id, hint) = match reason {
        "Evicted" => ("evicted", eviction_hint(message)),
        "DeadlineExceeded" => (
            "deadline-exceeded",
            "find out what takes so long, or raise activeDeadlineSeconds of the pod",
        ),
        "Terminated" | "NodeShutdown" | "Shutdown" => {
            ("node-shutdown", "delete the pod if it is no longer needed: its node was shut down")
        }
        "Preempting" => ("preempted", PREEMPTED),
        "NodeAffinity" | "UnexpectedAdmissionError" => (
            "node-refused",
            "check the labels, taints and devices of the node: its kubelet rejected the pod",
        ),
        _ if reason.starts_with("OutOf") => (
            "node-refused",
            "check the free resources of the node: it no longer had room for the pod",
        ),
        _ => ("pod-failed", rejected::hint_of_failed(reason, message)),
    };
    Symptom::of_pod(id, reason, message, hint)
}

/// The same by an event on a pod that may be gone. The kubelet warns of what it evicts and rejects;
/// that an autoscaler of nodes has moved a pod is no warning.
pub(crate) fn ended_by(event: &ObjectEvent<'_>) -> Option<Symptom> {
    let ends = matches!(
        event.reason,
        "Evicted" | "Preempting" | "NodeAffinity" | "UnexpectedAdmissionError"
    ) || event.reason.starts_with("OutOf")
        || rejected::hint(event.reason).is_some();
    (event.warning && ends || event.reason == "DeadlineExceeded")
        .then(|| ended_for(event.reason, event.message))
}

/// Everything that keeps a pod from working at this time: first of the pod as a whole, then by
/// container. `events` may hold those of other objects, too.
///
/// # Examples
/// ```
/// # use kube_diagnosis::symptom::symptoms;
/// let pod = serde_json::json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}});
/// assert_eq!(symptoms(&pod, &[], jiff::Timestamp::UNIX_EPOCH)[0].id, "evicted");
/// ```
pub fn symptoms(pod: &Value, events: &[Value], now: Timestamp) -> Vec<Symptom> {
    symptoms_of(pod, ObjectEvents::of(pod, events), now)
}

/// The symptoms of a pod of which these events are.
pub(crate) fn symptoms_of(pod: &Value, seen: ObjectEvents<'_>, now: Timestamp) -> Vec<Symptom> {
    // the clock of the cluster may be ahead of this machine's
    let case = PodCase { pod, now: seen.newest().map_or(now, |newest| newest.max(now)), seen };
    if pod::is_deleting(pod) {
        return case.stuck().into_iter().collect();
    }
    if pod["status"]["phase"] == "Succeeded" {
        return Vec::new();
    }
    if let Some(symptom) = case.ended().or_else(|| scheduling::unscheduled(&case)) {
        return vec![symptom];
    }
    let mut found: Vec<Symptom> = case.disrupted().into_iter().chain(case.gated()).collect();
    found.extend(container::symptoms(&case));
    let resize = case.resize();
    if found.is_empty() {
        found
            .extend(start::not_started(&case).or_else(|| case.failed()).or_else(|| case.cut_off()));
    }
    found.extend(resize);
    found
}

/// A pod, what was seen of it, and when that is looked at.
struct PodCase<'a> {
    pod: &'a Value,
    seen: ObjectEvents<'a>,
    now: Timestamp,
}

impl PodCase<'_> {
    fn status(&self) -> &Value {
        &self.pod["status"]
    }

    fn is_finished(&self) -> bool {
        pod::is_finished(self.pod)
    }

    /// Whether a time is longer ago than this. What has no time is not.
    fn older(&self, time: &Value, than: SignedDuration) -> bool {
        timestamp(time).is_some_and(|time| self.now.duration_since(time) > than)
    }

    fn node(&self) -> &str {
        text(&self.pod["spec"]["nodeName"])
    }

    /// A pod that should have been gone. Its deletion time already contains its grace period.
    fn stuck(&self) -> Option<Symptom> {
        let deletion = timestamp(&self.pod["metadata"]["deletionTimestamp"])?;
        if self.now.duration_since(deletion) <= TERMINATING {
            return None;
        }
        let finalizers: Vec<&str> =
            array(&self.pod["metadata"]["finalizers"]).filter_map(Value::as_str).collect();
        let mut message = format!("should have terminated at {deletion}");
        if !finalizers.is_empty() {
            message = format!("{message}; finalizers: {}", finalizers.join(", "));
        }
        if let Some(event) = self.seen.last(|event| event.reason == "FailedKillPod") {
            message = format!("{message}; {}", event.message);
        }
        let hint = if finalizers.is_empty() || self.is_running() {
            format!("check whether node {} is Ready and its kubelet responds", self.node())
        } else {
            "find out why the controller does not remove the finalizer".to_owned()
        };
        Some(Symptom::of_pod("stuck-terminating", "StuckTerminating", message, hint))
    }

    fn is_running(&self) -> bool {
        array(&self.status()["containerStatuses"])
            .any(|status| status["state"]["running"].is_object())
    }

    /// A pod that was ended as a whole: evicted, too long, with its node.
    fn ended(&self) -> Option<Symptom> {
        let status = self.status();
        if status["phase"] == "Unknown" || status["reason"] == "NodeLost" {
            return Some(self.node_lost(text(&status["message"])));
        }
        let reason = filled(&status["reason"]).filter(|_| status["phase"] == "Failed")?;
        Some(ended_for(reason, text(&status["message"])))
    }

    /// A pod that has failed, of which no container says why.
    fn failed(&self) -> Option<Symptom> {
        let message = text(&self.status()["message"]);
        let hint = match message {
            "" => "check the events and the log of the pod",
            _ => rejected::hint_of_failed("", message),
        };
        (self.status()["phase"] == "Failed")
            .then(|| Symptom::of_pod("pod-failed", "Failed", message, hint))
    }

    fn disrupted(&self) -> Option<Symptom> {
        let target =
            condition(self.pod, "DisruptionTarget").filter(|target| target["status"] == "True")?;
        let (id, hint) = match filled(&target["reason"]) {
            Some("PreemptionByScheduler") => ("preempted", PREEMPTED),
            _ => ("disrupted", "find out who evicts it: a drain, a preemption or a taint"),
        };
        Some(Symptom::of_pod(
            id,
            filled(&target["reason"]).unwrap_or("DisruptionTarget"),
            text(&target["message"]),
            hint,
        ))
    }

    fn gated(&self) -> Option<Symptom> {
        let ready = condition(self.pod, "Ready")
            .filter(|ready| ready["reason"] == "ReadinessGatesNotReady")?;
        let hint = "check the controller that sets the readiness gates of the pod";
        Some(Symptom::of_pod(
            "readiness-gate-unmet",
            "ReadinessGatesNotReady",
            text(&ready["message"]),
            hint,
        ))
    }

    /// A change of its resources that its node can never make (Kubernetes 1.33,
    /// InPlacePodVerticalScaling).
    fn resize(&self) -> Option<Symptom> {
        let pending = condition(self.pod, "PodResizePending")
            .filter(|pending| pending["status"] == "True" && pending["reason"] == "Infeasible")?;
        let hint = "request less, or move the pod: it keeps the resources that it has";
        let message = text(&pending["message"]);
        Some(Symptom::of_pod("resize-infeasible", "Infeasible", message, hint))
    }

    fn node_lost(&self, message: &str) -> Symptom {
        let message = if message.is_empty() {
            format!("the state of the pod is unknown since node {} stopped responding", self.node())
        } else {
            message.to_owned()
        };
        Symptom::of_pod(
            "node-lost",
            "NodeLost",
            message,
            format!("check whether node {} is Ready and its kubelet responds", self.node()),
        )
    }

    /// A pod whose containers run well, as far as is known, and that is not ready or has no
    /// address.
    fn cut_off(&self) -> Option<Symptom> {
        let status = self.status();
        let mut containers = array(&status["containerStatuses"]).peekable();
        // of a node that stopped responding, the controller changes Ready alone
        // (pkg/controller/util/node, `MarkPodsNotReady`); a sidecar makes ContainersReady false, too
        if status["phase"] != "Running"
            || containers.peek().is_none()
            || !containers.all(|status| status["ready"] == true)
            || condition(self.pod, "ContainersReady").is_some_and(|all| all["status"] == "False")
        {
            return None;
        }
        let late = |kind: &str| {
            condition(self.pod, kind).filter(|ready| {
                ready["status"] != "True" && self.older(&ready["lastTransitionTime"], LAG)
            })
        };
        if late("Ready").is_some() {
            let event = self.seen.last(|event| event.reason == "NodeNotReady");
            return Some(self.node_lost(event.map_or(
                "the pod is not ready although all its containers are: its node has stopped \
                    responding",
                |event| event.message,
            )));
        }
        if status["podIP"].is_string()
            || !self.older(&status["startTime"], LAG)
            || status["startTime"].is_null()
        {
            return None;
        }
        Some(Symptom::of_pod(
            "no-address",
            "NoPodIP",
            "the pod is running without an IP address",
            "check the network plugin on its node",
        ))
    }
}
