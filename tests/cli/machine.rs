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

/// Whatever becomes of a command, stdout is one JSON document with a schema, and where that has an
/// exit code it is the one of the process.
#[test]
fn every_command_prints_one_document_whatever_happens() {
    let place = Place::new();
    let bad = place.write("bad.yaml", "runbook: v1\ntitle: T\nsteps: [{id: a, got: {}}]\n");
    let run = place.run(&["run", "ta-bot/smoke", "--sandbox=healthy", "-q"]);
    assert_eq!(run.code, 0, "{}", run.all());
    for (arguments, code) in [
        (&["run", "ta-bot/smoke", "--sandbox=tabot-no-leader"][..], 1),
        (&["run", "ta-bot/smoke"], 3),
        (&["run", "ta-bot/nothing", "--sandbox"], 2),
        (&["run", &bad], 2),
        (&["run", "ta-bot/smoke", "--sandbox", "--set", "x=1"], 2),
        (&["run", "ta-bot/smoke", "--sandbox=api-down"], 3),
        (&["run", "ta-bot/no-signals", "--sandbox", "--timeout", "1ms"], 3),
        (&["run", "ta-bot/restart", "--sandbox=healthy", "--dry-run"], 0),
        (&["run", "ta-bot/restart", "--sandbox=healthy"], 4),
        (&["run"], 2),
        (&["run", "--nothing"], 2),
        (&["alert", "TABotNoSignalsGenerated", "--sandbox"], 1),
        (&["alert", "NothingLikeIt"], 2),
        (&["alerts"], 0),
        (&["resume", "nothing"], 2),
        (&["resume", "--due"], 0),
        (&["status", "latest"], 0),
        (&["status", "nothing"], 2),
        (&["undo", "nothing"], 2),
        (&["undo", "latest"], 2),
        (&["coverage"], 0),
        (&["check"], 0),
        (&["check", &bad], 2),
        (&["plan", "ta-bot/smoke"], 0),
        (&["plan", "ta-bot/nothing"], 2),
        (&["list"], 0),
        (&["describe", "ta-bot/smoke"], 0),
        (&["describe", "ta-bot/nothing"], 2),
        (&["history"], 0),
        (&["history", "--verdict", "nothing"], 2),
        (&["show", "latest"], 0),
        (&["show", "latest", "--step", "nothing"], 2),
        (&["show", "nothing"], 2),
        (&["log", "nothing"], 2),
        (&["log", "latest"], 0),
        (&["diff", "latest", "latest"], 0),
        (&["diff", "nothing"], 2),
        (&["prune", "--keep", "9"], 0),
        (&["prune"], 2),
        (&["report", "latest"], 0),
        (&["report", "nothing"], 2),
        (&["sandbox", "list"], 0),
        (&["test", "ta-bot/nothing"], 2),
        (&["network", "graph", "--sandbox=healthy", "-n", "petrosa-apps"], 0),
        (&["network", "graph"], 3),
    ] {
        let mut command = place.command();
        // each run has an id of its own
        let said = crate::support::said(
            command.env_remove("RUNBOOK_RUN_ID").args(arguments).args(["-o", "json"]),
        );
        assert_eq!(said.code, code, "{arguments:?}: {}", said.all());
        let document: Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", said.all()));
        let schema = document["schema"].as_str().unwrap_or_default();
        assert!(schema.starts_with("runbook."), "{arguments:?}: {schema}");
        if let Some(stated) = document["exit_code"].as_i64()
            && !["show", "log", "report"].contains(&arguments[0])
        {
            assert_eq!(stated, i64::from(said.code), "{arguments:?}");
        }
        if schema == "runbook.error/v1" {
            let told = document["errors"].as_array().unwrap().len()
                + document["diagnostics"].as_array().unwrap().len();
            assert!(told > 0, "{arguments:?}: {document}");
        }
    }
}

#[test]
fn verdict_and_exit_code_agree() {
    let place = Place::new();
    for (arguments, verdict, exit_code) in [
        (&["run", "ta-bot/restart", "--sandbox=healthy", "--dry-run"][..], "previewed", 0),
        (&["run", "ta-bot/smoke", "--sandbox=healthy", "--dry-run"], "passed", 0),
        (&["run", "ta-bot/no-signals", "--sandbox", "--timeout", "1ms"], "timed_out", 3),
    ] {
        let said = crate::support::said(
            place.command().env_remove("RUNBOOK_RUN_ID").args(arguments).args(["-o", "json"]),
        );
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(
            (&document["verdict"], &document["exit_code"], said.code),
            (&verdict.into(), &exit_code.into(), exit_code),
            "{arguments:?}"
        );
    }
}
