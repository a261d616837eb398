//! What statuses say of their objects: `health/statuses.txt` has one in each paragraph, with what is
//! peculiar about it, what has to come out, and the status itself.

use kube_diagnosis::health::{Health, Sign, health};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const STATUSES: &str = include_str!("health/statuses.txt");

/// `healthy`, `broken` or `unknown`, and what is to be told.
fn told(found: &Health) -> String {
    let facts = found.facts.iter().filter_map(|fact| match fact.sign {
        Sign::Bad => Some(fact.id),
        Sign::Warning => Some("secondary-problem"),
        Sign::Paused => Some("paused"),
        Sign::Good | Sign::Open => None,
    });
    let behind = found.behind.iter().map(|_| "not-observed");
    let all: BTreeSet<&str> = facts.chain(behind).collect();
    let is_bad = found.facts.iter().any(|fact| fact.sign == Sign::Bad);
    let verdict = match (is_bad || !found.behind.is_empty(), found.unknown.is_empty()) {
        (_, false) => "unknown",
        (true, true) => "broken",
        (false, true) => "healthy",
    };
    match all.into_iter().collect::<Vec<_>>().join(", ") {
        all if all.is_empty() => verdict.to_owned(),
        all => format!("{verdict}: {all}"),
    }
}

#[test]
fn statuses() {
    let mut wrong = Vec::new();
    for paragraph in STATUSES.split("\n\n") {
        let lines: Vec<&str> = paragraph.trim().lines().collect();
        let [title, wanted, status] = lines[..] else { panic!("three lines: {paragraph}") };
        let status: Value = serde_json::from_str(status).expect("a status in JSON");
        let object = json!({"metadata": {"generation": 1}, "status": status});
        let found = told(&health(&object));
        if found != wanted {
            wrong.push(format!("{title}: {found}, and not {wanted}\n  {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the rest of an object says of its status.
#[test]
fn the_rest_of_the_object_counts() {
    let not_ready = |reason: &str| json!({"conditions": [{"type": "Ready", "status": "False", "reason": reason}]});
    let deleted = "2026-11-30T10:00:00Z";
    for (rest, status, wanted) in [
        // Flux
        (json!({"spec": {"suspend": true}}), json!({"phase": "Ready"}), "healthy: paused"),
        (json!({"spec": {"suspend": false}}), json!({"phase": "Ready"}), "healthy"),
        // KubeRay
        (json!({"spec": {"suspend": true}}), not_ready("HeadPodNotFound"), "healthy: paused"),
        (json!({"spec": {"suspend": false}}), not_ready("HeadPodNotFound"), "broken: not-ready"),
        // Percona
        (json!({"spec": {"pause": true}}), json!({"state": "paused"}), "healthy: paused"),
        // Cluster API
        (json!({"spec": {"paused": true}}), not_ready("NotReady"), "healthy: paused"),
        (json!({"spec": {"paused": true}}), not_ready("CreateError"), "broken: not-ready, paused"),
        // Argo Workflows
        (json!({"spec": {"shutdown": "Stop"}}), json!({"phase": "Failed"}), "healthy: paused"),
        (json!({"spec": {"shutdown": ""}}), json!({"phase": "Failed"}), "broken: unhealthy"),
        // of any operator
        (json!({"metadata": {"deletionTimestamp": deleted}}), not_ready("Gone"), "unknown"),
        (
            json!({"metadata": {"deletionTimestamp": deleted}}),
            not_ready("DeleteError"),
            "broken: not-ready",
        ),
    ] {
        let mut object = rest;
        object["status"] = status;
        assert_eq!(told(&health(&object)), wanted, "{object}");
    }
}

#[test]
fn who_stopped_it_is_told_with_the_field() {
    let at = |object: &Value| {
        let paused = health(object).facts.into_iter().find(|fact| fact.sign == Sign::Paused);
        paused.map(|fact| (fact.id, fact.at))
    };
    let suspended = json!({"spec": {"suspend": true}, "status": {"phase": "Ready"}});
    assert_eq!(at(&suspended), Some(("suspended", "spec.suspend".to_owned())));
    let stopped = json!({"spec": {"shutdown": "Stop"}, "status": {"phase": "Failed"}});
    assert_eq!(at(&stopped), Some(("cancelled", "phase".to_owned())));
    let cancelled = json!({"status": {"conditions": [
        {"type": "Succeeded", "status": "False", "reason": "PipelineRunCancelled"}]}});
    assert_eq!(at(&cancelled), Some(("cancelled", "Succeeded".to_owned())));
}

#[test]
fn the_message_of_what_is_bad_is_quoted() {
    let message = "BMC unreachable";
    for status in [
        json!({"phase": "Failed", "message": message}),
        json!({"phase": "Failed", "errorMessage": message}),
        json!({"phase": "Failed", "failureMessage": message}),
        json!({"phase": "Failed", "phaseReason": message}),
        json!({"phase": "Failed", "reason": message}),
        json!({"phase": "Failed", "description": message}),
        json!({"phase": "Failed", "messages": [message]}),
        json!({"phase": "Failed", "message": [message]}),
        json!({"phase": "Failed", "error": message}),
        json!({"phase": "Failed", "errors": [message]}),
        json!({"phase": "Failed", "errors": [{"message": message}]}),
        json!({"phase": "Failed", "errors": [{"description": message}]}),
        json!({"phase": "Failed", "error": {"message": message}}),
        json!({"phase": "Failed", "failureReason": message}),
        json!({"phase": "Failed", "failureMessages": [message]}),
        json!({"phase": "Failed", "errorMessages": [message]}),
        json!({"phase": "Failed", "validationErrors": [message]}),
        json!({"phase": "Failed", "statusMessage": message}),
        json!({"phase": "Failed", "problems": [message]}),
        json!({"syncStatus": "Failed", "lastSyncError": message}),
        json!({"stageStatus": "failed", "lastMessage": message}),
        json!({"state": {"phase": "Failed", "message": message}}),
        json!({"operationState": {"phase": "Failed", "message": message}}),
        json!({"conditions": [{"type": "Ready", "status": "False", "message": message}]}),
        json!({"conditions": {"Ready": {"status": "False", "message": message}}}),
        json!({"conditions": [{"type": "Ready", "status": "False", "error": message}]}),
        json!({"conditions": [{"type": "Ready", "status": "False"}], "errorMessage": message}),
        json!({"sealed": true, "message": message}),
        json!({"healthy": false, "message": message}),
    ] {
        let found = health(&json!({"status": status}));
        let bad = found.facts.iter().filter(|fact| fact.sign == Sign::Bad);
        let says: Vec<&str> = bad.map(|fact| fact.says.as_str()).collect();
        let quoted = says.iter().filter(|says| says.contains(message)).count();
        let is_raw = says.iter().any(|says| says.contains('{'));
        assert!(quoted == 1 && !is_raw, "{status}: {says:?}");
    }
}
