//! What programs read: one document, one event a line, and nothing else on stdout.

use crate::support::Place;
use serde_json::Value;

#[test]
fn the_summary_document_has_its_fields() {
    let (document, code) = Place::new().json(&["run", "ta-bot/no-signals", "--sandbox"]);
    assert_eq!(code, 1);
    for (path, wanted) in [
        ("/schema", Value::from("runbook.run/v1")),
        ("/run", "01K9ZQ4T000000000000000000".into()),
        ("/runbook", "ta-bot/no-signals".into()),
        ("/mode", "run".into()),
        ("/verdict", "failed".into()),
        ("/exit_code", 1.into()),
        ("/started", "2026-11-20T03:12:07Z".into()),
        ("/target/sandbox", "tabot-no-leader".into()),
        ("/target/namespace", "petrosa-apps".into()),
        ("/params/log_window", "15m".into()),
        ("/findings/0/id", "leader-stuck".into()),
        ("/findings/0/remedy/run", "ta-bot/restart".into()),
        ("/findings/0/command", "runbook run ta-bot/restart --sandbox=tabot-no-leader".into()),
        ("/findings/0/steps/0", "leader".into()),
        ("/next/0", "runbook run ta-bot/restart --sandbox=tabot-no-leader".into()),
    ] {
        assert_eq!(document.pointer(path), Some(&wanted), "{path}");
    }
    assert!(document["digest"].as_str().unwrap().starts_with("sha256:"));
    let leader =
        document["steps"].as_array().unwrap().iter().find(|step| step["id"] == "leader").unwrap();
    assert_eq!(leader["outcome"], "failed");
    assert_eq!(leader["reason"], "0 of 3, want 1");
    let expectation = &leader["expectations"][0];
    assert_eq!(
        (&expectation["outcome"], &expectation["expected"], &expectation["actual"]),
        (&"failed".into(), &1.into(), &0.into())
    );
    assert_eq!(expectation["items"].as_array().unwrap().len(), 3);
}

#[test]
fn the_event_stream_is_what_the_journal_keeps() {
    let place = Place::new();
    let said = place.run(&["run", "ta-bot/no-signals", "--sandbox", "--output", "jsonl"]);
    let again = place.run(&["show", "01K9ZQ4T", "--output", "jsonl"]);
    let read = |text: &str| {
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    };
    let (events, kept) = (read(&said.stdout), read(&again.stdout));
    assert_eq!(events, kept);
    assert_eq!(events.first().unwrap()["event"], "run_started");
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"].as_u64(), Some(index as u64 + 1));
    }
}

#[test]
fn the_same_run_twice_says_the_same() {
    let strip = |text: String| {
        regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap().replace_all(&text, "PLACE").into_owned()
    };
    let first = strip(
        Place::new()
            .run(&["run", "ta-bot/mysql-down", "--sandbox=tabot-one-pod-mysql-down"])
            .stdout,
    );
    let second = strip(
        Place::new()
            .run(&["run", "ta-bot/mysql-down", "--sandbox=tabot-one-pod-mysql-down"])
            .stdout,
    );
    assert_eq!(first, second);
}

#[test]
fn parameters_come_from_file_environment_and_option_in_this_order() {
    let place = Place::new();
    let file = place.write("p.yaml", "log_window: 5m\nmin_candles: 10\n");
    let mut command = place.command();
    command.env("RUNBOOK_PARAM_LOG_WINDOW", "1m").env("RUNBOOK_PARAM_WINDOW", "3m");
    let said = crate::support::said(command.args([
        "run",
        "ta-bot/no-signals",
        "--sandbox",
        "--params",
        &file,
        "--set",
        "min_candles=20",
        "--output",
        "json",
    ]));
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (
            &document["params"]["log_window"],
            &document["params"]["window"],
            &document["params"]["min_candles"]
        ),
        (&"5m".into(), &"3m".into(), &20.into())
    );
}

#[test]
fn the_role_of_a_plan_is_one_list_that_says_what_the_manifests_say() {
    let place = Place::new();
    let said = place.run(&["plan", "ta-bot/restart", "--rbac", "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let list: Value = serde_json::from_str(&said.stdout).unwrap();
    let text = place.run(&["plan", "ta-bot/restart", "--rbac"]).stdout;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let documents: Vec<Value> = documents.into_iter().filter(Value::is_object).collect();
    assert_eq!((&list["kind"], &list["items"]), (&"List".into(), &Value::from(documents)));
    let kinds: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["Role", "RoleBinding"]);
}
