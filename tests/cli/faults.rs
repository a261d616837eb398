//! Changes whose answers are errors or get lost: nothing is repeated blindly, and every attempt is in the journal.

use crate::changes::{RUN, Stage, http_send};
use runbook::sandbox::{Fault, Options};
use serde_json::Value;
use std::fs;

const SCALE: &str = "scale: {target: deployment/petrosa-ta-bot, replicas: 2}";
const JOB: &str = "create_job: {cron_job: binance-klines-gap-filler}";
const DELETE: &str = "delete: {kind: ConfigMap, name: petrosa-common-config}";
const APPLY: &str = "apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: '1'}}}";

fn stage(fault: Fault, action: &str) -> Stage {
    let stage = Stage::with(Options { scenario: "healthy".to_owned(), faults: vec![fault], ..Options::default() });
    // two changes: the second one must wait until it is known what came of the first
    let second = "  - id: second\n    annotate: {target: deployment/petrosa-ta-bot, annotations: {why: test}}\n";
    stage.place.write("faulty.yaml", format!("runbook: v1\ntitle: Faulty\nnamespace: petrosa-apps\nsteps:\n  - id: first\n    {action}\n{second}"));
    stage
}

/// The journal as the kinds of its records about changes: `started`, `retried`, or what a change came to.
fn attempts(stage: &Stage, path: &str) -> Vec<String> {
    let text = fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_step = records.filter(|record| record["path"] == path);
    let words = of_step.filter_map(|record| match record["event"].as_str()? {
        "change_started" => Some("started".to_owned()),
        "step_retried" => Some("retried".to_owned()),
        "change_finished" => Some(record["result"].as_str()?.to_owned()),
        _ => None,
    });
    words.collect()
}

#[test]
fn promise_13_an_answer_that_is_lost_or_an_error_is_followed_by_a_look_not_by_another_try() {
    let answers = [(Some(500), "HTTP 500"), (Some(502), "HTTP 502"), (Some(503), "HTTP 503"), (Some(504), "timed out"), (None, "broke")];
    for action in [SCALE, JOB, DELETE, APPLY] {
        // one kind of error and one loss say enough of the other verbs
        for (status, words) in answers.into_iter().filter(|(status, _)| action == SCALE || matches!(status, Some(503) | None)) {
            for done in [true, false] {
                let case = format!("{action}, answered with {status:?}, done: {done}");
                let stage = stage(Fault { write: 1, status, done, silent: false }, action);
                let said = stage.run(&["run", "faulty.yaml", "--yes"]);
                let all = format!("{case}\n{}", said.all());
                let sent: Vec<Value> = stage.writes();
                let names: Vec<&str> = sent.iter().filter_map(|write| write["resource"].as_str()).collect();
                if done {
                    assert_eq!(said.code, 0, "{all}");
                    assert_eq!(attempts(&stage, "first"), ["started", "observed"], "{all}");
                    assert_eq!((sent.len(), names[1]), (2, "deployments"), "sent once, and then the second change: {all}");
                } else {
                    assert_eq!(said.code, 3, "{all}");
                    assert_eq!(attempts(&stage, "first"), ["started", "not_made"], "{all}");
                    assert_eq!(sent.len(), 1, "sent once, and nothing after it: {all}");
                    let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(text.contains("the change was not made") && text.contains(words) && text.contains("run again"), "{words}: {all}");
                    assert_eq!(stage.run(&["resume", RUN, "--yes"]).code, 2, "a run that has ended is not gone on with");
                }
                assert!(fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl")).unwrap().contains(words), "{all}");
            }
        }
    }
}

#[test]
fn promise_13_what_the_server_asks_to_send_later_is_sent_later_and_each_attempt_is_recorded() {
    for action in [SCALE, JOB, DELETE, APPLY] {
        let stage = stage(Fault { write: 1, status: Some(429), ..Fault::default() }, action);
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(said.code, 0, "{action}: {}", said.all());
        assert_eq!(attempts(&stage, "first"), ["started", "not_made", "retried", "started", "made"], "{action}: {}", said.all());
        assert_eq!(stage.writes().len(), 3, "{action}: {}", said.all());
    }
}

#[test]
fn promise_13_where_even_a_look_is_impossible_the_change_is_in_doubt_and_nothing_follows() {
    for done in [true, false] {
        let stage = stage(Fault { write: 1, status: None, done, silent: true }, SCALE);
        let said = stage.run(&["run", "faulty.yaml", "--yes"]);
        assert_eq!(said.code, 5, "{}", said.all());
        assert_eq!(attempts(&stage, "first"), ["started"], "{}", said.all());
        let status = stage.run(&["status", RUN]);
        assert!(status.stdout.contains("In doubt      first"), "{}", status.all());
        // that it cannot be looked at now is no reason to give it up
        let resumed = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(resumed.code, 3, "{}", resumed.all());
        assert_eq!(attempts(&stage, "first"), ["started"], "{}", resumed.all());
        // the cluster answers again, and nothing has come of the request
        let again = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
        stage.place.write("kubeconfig", again.sandbox.kubeconfig());
        let resumed = stage.run(&["resume", RUN, "--yes"]);
        assert_eq!(resumed.code, 0, "{}", resumed.all());
        assert_eq!(attempts(&stage, "first"), ["started", "not_made", "started", "made"], "{}", resumed.all());
    }
}

#[test]
fn an_object_that_someone_else_changed_while_the_answer_was_lost_is_in_doubt() {
    let stage = stage(Fault { write: 1, status: None, done: false, silent: true }, SCALE);
    assert_eq!(stage.run(&["run", "faulty.yaml", "--yes"]).code, 5);
    // the same cluster answers again, and someone has set neither the number before nor the number wanted
    let again = Stage::with(Options { scenario: "healthy".to_owned(), ..Options::default() });
    let path = "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot";
    http_send(&again.sandbox.address().to_string(), "PATCH", path, r#"{"spec": {"replicas": 5}}"#);
    stage.place.write("kubeconfig", again.sandbox.kubeconfig());
    let resumed = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(resumed.code, 5, "{}", resumed.all());
    assert_eq!(again.writes().len(), 1, "only the other's: {}", resumed.all());
    let said = stage.run(&["resume", RUN, "--yes", "--mark-not-done", "first", "--reason", "looked"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(again.writes().len(), 3, "{}", said.all());
}
