//! Changes whose answers are errors or get lost: nothing is repeated blindly, and every attempt is
//! in the journal.

use crate::changes::{RUN, Stage, http_send};
use crate::support::Said;
use runbook::sandbox::{Fault, Options};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const SCALE: &str = "scale: {target: deployment/petrosa-ta-bot, replicas: 2}";
const JOB: &str = "create_job: {cron_job: binance-klines-gap-filler}";
const DELETE: &str = "delete: {kind: ConfigMap, name: petrosa-common-config}";
const APPLY: &str =
    "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: '1'}}}";

fn stage(fault: Fault, action: &str) -> Stage {
    patient(fault, &format!("{action}\n    timeout: 3s"))
}

fn patient(fault: Fault, action: &str) -> Stage {
    let stage = Stage::with(Options {
        scenario: "healthy".to_owned(),
        faults: vec![fault],
        ..Options::default()
    });
    // two changes: the second one must wait until it is known what came of the first
    let second = "  - id: second\n    annotate: {target: deployment/petrosa-ta-bot, annotations: \
        {why: test}}\n";
    stage.place.write(
        "faulty.yaml",
        format!(
            "runbook: v1\ntitle: Faulty\nnamespace: petrosa-apps\nsteps:\n  - id: first\n    \
            {action}\n{second}"
        ),
    );
    stage
}

fn journal(stage: &Stage) -> String {
    fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl")).unwrap()
}

/// The journal as the kinds of its records about changes: `started`, `retried`, `doubted`, or what
/// a change came to.
fn attempts(stage: &Stage, path: &str) -> Vec<String> {
    let text = journal(stage);
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_step = records.filter(|record| record["path"] == path);
    let words = of_step.filter_map(|record| match record["event"].as_str()? {
        "change_started" => Some("started".to_owned()),
        "step_retried" => Some("retried".to_owned()),
        "change_doubted" => Some("doubted".to_owned()),
        "change_finished" => Some(record["result"].as_str()?.to_owned()),
        _ => None,
    });
    words.collect()
}

/// The requests that changed something.
fn carried_out(stage: &Stage, resource: &str) -> usize {
    stage
        .writes()
        .iter()
        .filter(|write| {
            write["resource"] == resource
                && write["status"].as_u64().is_some_and(|status| status < 300)
        })
        .count()
}

#[test]
fn promise_13_an_answer_that_is_lost_or_an_error_is_followed_by_looks_not_by_another_try() {
    // an answer that is not the object is as good as none
    let answers = [
        (Some(500), "HTTP 500"),
        (Some(502), "HTTP 502"),
        (Some(503), "HTTP 503"),
        (Some(504), "timed out"),
        (None, "broke"),
        (Some(200), "is not JSON"),
    ];
    for action in [SCALE, JOB, DELETE, APPLY] {
        // one kind of error and one loss say enough of the other verbs
        for (status, words) in answers
            .into_iter()
            .filter(|(status, _)| action == SCALE || matches!(status, Some(503) | None))
        {
            for done in [true, false] {
                let case = format!("{action}, answered with {status:?}, done: {done}");
                let stage = stage(Fault { write: 1, status, done, ..Fault::default() }, action);
                let said = stage.run(&["run", "faulty.yaml", "--yes"]);
                let all = format!("{case}\n{}", said.all());
                let sent: Vec<Value> = stage.writes();
                let names: Vec<&str> =
                    sent.iter().filter_map(|write| write["resource"].as_str()).collect();
                if done {
                    assert_eq!(said.code, 0, "{all}");
                    assert_eq!(attempts(&stage, "first"), ["started", "observed"], "{all}");
                    assert_eq!(
                        (sent.len(), names[1]),
                        (2, "deployments"),
                        "sent once, and then the second change: {all}"
                    );
                    assert!(journal(&stage).contains(words), "{all}");
                } else {
                    in_doubt(&stage, &said, words, &all);
                }
            }
        }
    }
}

/// The run knows that it does not know, and goes on when the cluster shows what came of the
/// request.
fn in_doubt(stage: &Stage, said: &Said, words: &str, all: &str) {
    assert_eq!(said.code, 5, "{all}");
    assert_eq!(attempts(stage, "first"), ["started", "doubted"], "{all}");
    assert_eq!(stage.writes().len(), 1, "sent once, and nothing after it: {all}");
    for said in [said, &stage.run(&["status", RUN])] {
        let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("In doubt")
                && text.contains(words)
                && text.contains("may still be in progress"),
            "{words}: {}\n{all}",
            said.all()
        );
        assert!(!text.contains("not made"), "{}", said.all());
    }
    let resumed = stage.run(&["resume", RUN, "--yes"]);
    if all.starts_with(JOB) {
        // a Job that is not there may have run and be gone again
        assert_eq!(resumed.code, 5, "{}", resumed.all());
        assert_eq!(stage.writes().len(), 1, "{}", resumed.all());
        let words = resumed.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("check again then"), "{}", resumed.all());
        let said =
            stage.run(&["resume", RUN, "--yes", "--mark-not-done", "first", "--reason", "looked"]);
        assert_eq!(
            (said.code, attempts(stage, "first").last().map(String::as_str)),
            (0, Some("made")),
            "{}",
            said.all()
        );
    } else {
        assert_eq!(resumed.code, 0, "{}", resumed.all());
        assert_eq!(
            attempts(stage, "first"),
            ["started", "doubted", "not_made", "started", "made"],
            "{}",
            resumed.all()
        );
    }
}

#[test]
fn a_change_that_comes_through_while_it_is_looked_for_was_made() {
    let stage = stage(
        Fault { write: 1, late: Some(Duration::from_millis(700)), ..Fault::default() },
        SCALE,
    );
    let said = stage.run(&["run", "faulty.yaml", "--yes"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(attempts(&stage, "first"), ["started", "observed"], "{}", said.all());
    assert_eq!(carried_out(&stage, "deployments"), 2, "{:?}", stage.writes());
}

#[test]
fn a_change_that_comes_through_late_is_found_on_resume() {
    for action in [SCALE, JOB, DELETE, APPLY, "restart: {target: deployment/petrosa-ta-bot}"] {
        let stage = stage(
            Fault { write: 1, late: Some(Duration::from_secs(5)), ..Fault::default() },
            action,
        );
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(
            (said.code, attempts(&stage, "first")),
            (5, vec!["started".to_owned(), "doubted".to_owned()]),
            "{action}: {}",
            said.all()
        );
        std::thread::sleep(Duration::from_secs(5));
        let said = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(said.code, 0, "{action}: {}", said.all());
        assert_eq!(
            attempts(&stage, "first"),
            ["started", "doubted", "observed"],
            "{action}: {}",
            said.all()
        );
    }
}

#[test]
fn a_change_that_is_sent_again_while_the_first_request_is_under_way_is_made_once() {
    let patch = r#"patch: {target: deployment/petrosa-ta-bot, type: json, patch: [{op: add, path: /spec/template/spec/containers/0/env/-, value: {name: X, value: "1"}}]}"#;
    for action in [SCALE, DELETE, "restart: {target: deployment/petrosa-ta-bot}", patch] {
        let stage = stage(
            Fault { write: 1, late: Some(Duration::from_secs(9)), ..Fault::default() },
            action,
        );
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(said.code, 5, "{action}: {}", said.all());
        let said = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(said.code, 0, "{action}: {}", said.all());
        std::thread::sleep(Duration::from_secs(9));
        let last = stage.writes().pop().unwrap();
        assert!(
            last["status"].as_u64().unwrap() >= 400,
            "{action}: the first request was refused when it came through: {last}"
        );
    }
}

#[test]
fn promise_13_what_the_server_asks_to_send_later_is_sent_later_and_each_attempt_is_recorded() {
    for action in [SCALE, JOB, DELETE, APPLY] {
        let stage = patient(Fault { write: 1, status: Some(429), ..Fault::default() }, action);
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(said.code, 0, "{action}: {}", said.all());
        assert_eq!(
            attempts(&stage, "first"),
            ["started", "not_made", "retried", "started", "made"],
            "{action}: {}",
            said.all()
        );
        assert_eq!(stage.writes().len(), 3, "{action}: {}", said.all());
    }
}

#[test]
fn promise_13_where_even_a_look_is_impossible_the_change_is_in_doubt_and_nothing_follows() {
    for done in [true, false] {
        let stage = stage(Fault { write: 1, status: None, done, silent: true, late: None }, SCALE);
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(said.code, 5, "{}", said.all());
        assert_eq!(attempts(&stage, "first"), ["started", "doubted"], "{}", said.all());
        let status = stage.run(&["status", RUN]);
        assert!(status.stdout.contains("In doubt      first"), "{}", status.all());
        // that it cannot be looked at now is no reason to give it up
        let resumed = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(resumed.code, 3, "{}", resumed.all());
        assert_eq!(attempts(&stage, "first"), ["started", "doubted"], "{}", resumed.all());
        // the cluster answers again, and nothing has come of the request
        let again = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
        stage.place.write("kubeconfig", again.sandbox.kubeconfig());
        let resumed = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(resumed.code, 0, "{}", resumed.all());
        assert_eq!(
            attempts(&stage, "first"),
            ["started", "doubted", "not_made", "started", "made"],
            "{}",
            resumed.all()
        );
    }
}

#[test]
fn an_object_that_someone_else_changed_while_the_answer_was_lost_is_in_doubt() {
    let stage = stage(Fault { write: 1, silent: true, ..Fault::default() }, SCALE);
    assert_eq!(stage.run(&["run", "faulty.yaml", "--yes"]).code, 5);
    // the same cluster answers again, and someone has set neither the number before nor the number
    // wanted
    let again = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
    let path = "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot";
    http_send(&again.sandbox.address().to_string(), "PATCH", path, r#"{"spec": {"replicas": 5}}"#);
    stage.place.write("kubeconfig", again.sandbox.kubeconfig());
    let resumed = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(resumed.code, 5, "{}", resumed.all());
    assert_eq!(again.writes().len(), 1, "only the other's: {}", resumed.all());
    let said =
        stage.run(&["resume", RUN, "--yes", "--mark-not-done", "first", "--reason", "looked"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(again.writes().len(), 3, "{}", said.all());
}
