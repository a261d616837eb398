//! Symptoms of controllers that cannot create pods: quotas, admission, missing service accounts.

use super::ObjectEvents;
use super::Symptom;
use crate::object::{condition, text};
use serde_json::Value;

/// An object that makes pods: ReplicaSet, StatefulSet, DaemonSet, Job.
pub type Maker = Value;

/// Why pods are missing that this object should have made: the last it was told, unless it has made
/// one since.
pub fn not_made(maker: &Maker, events: &[Value]) -> Option<Symptom> {
    not_made_of(maker, &ObjectEvents::of(maker, events))
}

/// The same of an object of which these events are.
pub(crate) fn not_made_of(maker: &Maker, seen: &ObjectEvents<'_>) -> Option<Symptom> {
    if !lacks(maker) {
        return None;
    }
    let failed = seen.last(|event| event.reason == "FailedCreate").filter(|failed| {
        // both come from one attempt at several pods, and a second has room for both
        seen.last(|event| event.reason == "SuccessfulCreate")
            .is_none_or(|made| made.at <= failed.at)
    });
    let message = match (
        failed,
        condition(maker, "ReplicaFailure").filter(|failure| failure["status"] == "True"),
    ) {
        (Some(failed), _) => failed.message,
        (None, Some(failure)) => text(&failure["message"]),
        (None, None) => return None,
    };
    let message = message.trim_start_matches("(combined from similar events): ");
    let (id, hint) = class(message);
    Some(Symptom::of_pod(id, "FailedCreate", message, hint))
}

/// It has fewer pods than it should have.
fn lacks(maker: &Maker) -> bool {
    let (spec, status) = (&maker["spec"], &maker["status"]);
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    match maker["kind"].as_str() {
        Some("DaemonSet") => {
            number(&status["currentNumberScheduled"]) < number(&status["desiredNumberScheduled"])
        }
        Some("Job") => {
            spec["suspend"] != true
                && status["completionTime"].is_null()
                && number(&status["active"]) == 0
        }
        _ => number(&status["replicas"]) < spec["replicas"].as_i64().unwrap_or(1),
    }
}

fn class(message: &str) -> (&'static str, &'static str) {
    if message.contains("exceeded quota") {
        ("quota-exceeded", "raise the named ResourceQuota, or request less")
    } else if message.contains("failed quota") {
        (
            "quota-needs-resources",
            "set the requests and limits that the named ResourceQuota requires",
        )
    } else if message.contains("error looking up service account")
        || message.contains("serviceaccount") && message.contains("not found")
    {
        ("service-account-missing", "create the ServiceAccount, or correct serviceAccountName")
    } else if message.contains("failed calling webhook") {
        ("admission-webhook-unavailable", "check the Service and pods of the named webhook")
    } else if let Some(hint) = missing_class(message) {
        ("admission-denied", hint)
    } else if message.contains("is forbidden")
        || message.contains("denied the request")
        || message.contains("violates PodSecurity")
    {
        ("admission-denied", "change the pod template to comply with the named policy")
    } else {
        ("pods-not-created", "check the events of the workload")
    }
}

/// A class that the pods name and that does not exist (plugin/pkg/admission/priority and
/// plugin/pkg/admission/runtimeclass).
fn missing_class(message: &str) -> Option<&'static str> {
    if message.contains("no PriorityClass with name") {
        return Some("create the PriorityClass, or correct priorityClassName");
    }
    (message.contains("RuntimeClass") && message.contains("not found"))
        .then_some("create the RuntimeClass, or correct runtimeClassName")
}
