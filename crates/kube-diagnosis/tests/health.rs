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

#[test]
fn what_somebody_has_suspended_is_paused() {
    let object = json!({"spec": {"suspend": true}, "status": {"phase": "Ready"}});
    let found = health(&object);
    assert!(found.unknown.is_empty());
    let paused = found.facts.iter().find(|fact| fact.sign == Sign::Paused);
    assert_eq!(paused.map(|fact| fact.at.as_str()), Some("spec.suspend"));
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
