//! Runbooks of TA Bot that change what the application keeps: its configuration, its limits, its
//! counters.

use crate::network::{Stage, findings};
use serde_json::{Value, json};

const RUNBOOK: &str = "ta-bot/configuration";

/// Whether every pod tells this of the strategy, and of the symbol.
fn tells(stage: &Stage, strategy: &Value, symbol: &Value) {
    let ask = |id: &str, path: &str, wanted: &Value| {
        format!(
            "  - id: {id}\n    title: Ask\n    http: {{target: {{kind: Pod, selector: \
                app=petrosa-ta-bot}}, port: 8080, path: {path}}}\n    expect:\n      - all: '.json \
                == {wanted}'\n"
        )
    };
    let text = format!(
        "runbook: v1\ntitle: Ask\nnamespace: petrosa-apps\nsteps:\n{}{}",
        ask("strategy", "/api/v1/strategies/rsi/config", strategy),
        ask("symbol", "/api/v1/strategies/rsi/config/BTCUSDT", symbol)
    );
    let file = stage.place.write("ask.yaml", text);
    let (document, code) = stage.run(&["run", &file]);
    assert_eq!(code, 0, "{document:#}");
}

fn passed(document: &Value, code: i32) {
    assert_eq!(code, 0, "{document:#}");
}

/// Runs what a finding offers.
fn follow(stage: &Stage, document: &Value, finding: &str) -> (Value, i32) {
    let named = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|named| named["id"] == finding)
        .unwrap_or_else(|| panic!("{finding}: {document:#}"));
    let words: Vec<&str> =
        named["command"].as_str().unwrap().split_whitespace().skip(1).chain(["--yes"]).collect();
    stage.run(&words)
}

#[test]
fn each_change_reaches_every_pod_and_names_the_command_that_takes_it_back() {
    let global = json!({"period": 14, "overbought": 70, "oversold": 30});
    let own = json!({"period": 12, "overbought": 75, "oversold": 25});
    let override_own: &[&str] = &["op=override", "period=12", "oversold=25"];
    // what was there before, the change, the strategy and the symbol after it, what brings back the
    // state before
    for (before, change, strategy, symbol, finding) in [
        (
            &[][..],
            &["op=set", "period=21", "overbought=80", "oversold=20"][..],
            json!({"period": 21, "overbought": 80, "oversold": 20}),
            None,
            "restore-point",
        ),
        // oversold is inherited
        (
            &[],
            &["op=override"],
            global.clone(),
            Some(json!({"period": 10, "overbought": 75, "oversold": 30})),
            "restore-inherited",
        ),
        // and is inherited again where the override had one
        (
            override_own,
            &["op=override", "period=9"],
            global.clone(),
            Some(json!({"period": 9, "overbought": 75, "oversold": 30})),
            "restore-override",
        ),
        (override_own, &["op=delete"], global.clone(), None, "restore-override"),
    ] {
        let stage = Stage::new("healthy");
        let make = |arguments: &[&str]| {
            let mut words = vec!["run", RUNBOOK, "--yes"];
            arguments.iter().for_each(|argument| words.extend(["--set", argument]));
            stage.run(&words)
        };
        if !before.is_empty() {
            let (document, code) = make(before);
            passed(&document, code);
            tells(&stage, &global, &own);
        }
        let (document, code) = make(change);
        passed(&document, code);
        assert_eq!(findings(&document), [(finding.to_owned(), false)], "{change:?}");
        tells(&stage, &strategy, symbol.as_ref().unwrap_or(&strategy));
        let (document, code) = follow(&stage, &document, finding);
        passed(&document, code);
        tells(&stage, &global, if before.is_empty() { &global } else { &own });
    }
}

#[test]
fn an_override_that_is_not_there_is_deleted_without_a_word() {
    let stage = Stage::new("healthy");
    let (document, code) = stage.run(&["run", RUNBOOK, "--set", "op=delete", "--yes"]);
    passed(&document, code);
    assert_eq!((findings(&document), &document["not_ruled_out"]), (vec![], &json!([])));
}

#[test]
fn nothing_is_changed_while_the_pods_disagree() {
    let stage = Stage::new("tabot-config-replicas-disagree");
    let stored = json!({"period": 21, "overbought": 80, "oversold": 20});
    for op in ["op=set", "op=override", "op=delete"] {
        let (document, code) = stage.run(&["run", RUNBOOK, "--set", op, "--yes"]);
        assert_eq!(
            (code, findings(&document)),
            (1, vec![("replicas-disagree".to_owned(), false)]),
            "{op}: {document:#}"
        );
        assert!(
            !document["steps"]
                .as_array()
                .unwrap()
                .iter()
                .any(|step| step["path"] == "change/refresh"),
            "{op}"
        );
    }
    let (document, _) = stage.run(&["run", RUNBOOK]);
    let (document, code) = follow(&stage, &document, "replicas-disagree");
    passed(&document, code);
    // what was stored is there still, and can be taken back to now
    tells(&stage, &stored, &stored);
    let (document, code) = stage.run(&["run", RUNBOOK, "--set", "op=set", "--yes"]);
    passed(&document, code);
    let (document, code) = follow(&stage, &document, "restore-point");
    passed(&document, code);
    tells(&stage, &stored, &stored);
}

#[test]
fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let stage = Stage::new("healthy");
    let usual = json!({"period": 14, "overbought": 70, "oversold": 30});
    for (op, id, sent) in [
        ("op=set", "set", "-X PUT"),
        ("op=override", "override", "-X PUT"),
        ("op=delete", "delete", "-X DELETE"),
        ("op=refresh", "refresh", "-X POST"),
    ] {
        let (document, code) =
            stage.run(&["run", RUNBOOK, "--set", op, "--set", "period=9", "--dry-run"]);
        passed(&document, code);
        let steps = document["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["path"] == format!("change/{id}")).unwrap();
        assert!(
            step["outcome"] == "unknown" && step["reason"].as_str().unwrap().contains(sent),
            "{op}: {step:#}"
        );
        tells(&stage, &usual, &usual);
    }
}

#[test]
fn values_that_make_no_sense_change_nothing() {
    let stage = Stage::new("healthy");
    for arguments in [
        &["op=set", "period=0"][..],
        &["op=set", "overbought=20"],
        &["op=override", "oversold=90"],
        &["op=set", "overbought=100"],
    ] {
        let mut words = vec!["run", RUNBOOK, "--yes"];
        arguments.iter().for_each(|argument| words.extend(["--set", argument]));
        let (document, code) = stage.run(&words);
        assert_eq!(
            (code, findings(&document)),
            (1, vec![("invalid-values".to_owned(), false)]),
            "{arguments:?}: {document:#}"
        );
    }
    let usual = json!({"period": 14, "overbought": 70, "oversold": 30});
    tells(&stage, &usual, &usual);
}

#[test]
fn an_analysis_that_may_cost_money_is_asked_for_by_a_person_and_not_by_yes() {
    let stage = Stage::new("healthy");
    let (document, code) = stage.run(&["run", "ta-bot/record-test-signal", "--yes"]);
    assert_eq!(code, 4, "{document:#}");
    let run = document["run"].as_str().unwrap().to_owned();
    let (document, code) = stage.run(&[
        "resume",
        &run,
        "--yes",
        "--skip",
        "ask",
        "--reason",
        "asked on the telephone",
    ]);
    passed(&document, code);
    let step = |path: &str| {
        document["steps"].as_array().unwrap().iter().find(|step| step["path"] == path).unwrap()["outcome"].clone()
    };
    assert_eq!(
        (step("analyse"), step("after"), step("signals")),
        (json!("passed"), json!("passed"), json!("passed"))
    );
}

#[test]
fn a_server_without_a_pod_is_started_and_every_pod_connects_again() {
    for (scenario, name, finding) in [
        ("tabot-mysql-no-endpoints", "ta-bot/mysql-down", "no-endpoints"),
        ("tabot-nats-down", "ta-bot/nats-down", "endpoint-missing"),
    ] {
        let stage = Stage::new(scenario);
        let (document, code) = stage.run(&["run", name]);
        assert_eq!(
            (code, findings(&document)),
            (1, vec![(finding.to_owned(), false)]),
            "{document:#}"
        );
        let command = document["findings"][0]["command"].as_str().unwrap().to_owned();
        let words: Vec<&str> = command.split_whitespace().skip(1).chain(["--yes"]).collect();
        let (document, code) = stage.run(&words);
        assert_eq!(
            (code, findings(&document)),
            (0, vec![(finding.to_owned(), true)]),
            "{command}: {document:#}"
        );
        let (document, code) = stage.run(&["run", name]);
        assert_eq!((code, findings(&document)), (0, vec![]), "{document:#}");
    }
}

/// The CPU limit and the number of candles that the deployment of TA Bot has.
fn has(stage: &Stage, limit: &str, lookback: Value) {
    let wanted = json!({"limit": limit, "lookback": lookback});
    let text = format!(
        "runbook: v1\ntitle: Ask\nnamespace: petrosa-apps\nsteps:\n  - id: ask\n    title: \
            Ask\n    get: {{kind: Deployment, name: petrosa-ta-bot}}\n    expect:\n      - that: \
            '.spec.template.spec.containers[0] | {{limit: .resources.limits.cpu, lookback: \
            ([.env[] | select(.name == \"LOOKBACK\") | .value][0])}} == {wanted}'\n"
    );
    let file = stage.place.write("ask.yaml", text);
    let (document, code) = stage.run(&["run", &file]);
    assert_eq!(code, 0, "{document:#}");
}

#[test]
fn a_remedy_of_the_latency_ends_it_and_undo_takes_it_back() {
    for (scenario, finding, before, after) in [
        ("tabot-latency-cpu", "cpu-throttled", ("50m", json!("200")), ("100m", json!("200"))),
        (
            "tabot-latency-candles",
            "candles-too-many",
            ("500m", json!("5000")),
            ("500m", json!("200")),
        ),
    ] {
        let stage = Stage::new(scenario);
        let (document, code) = stage.run(&["run", "ta-bot/high-latency"]);
        assert_eq!(
            (code, findings(&document)),
            (1, vec![(finding.to_owned(), false)]),
            "{document:#}"
        );
        let (document, code) = follow(&stage, &document, finding);
        assert_eq!(
            (code, findings(&document)),
            (0, vec![(finding.to_owned(), true)]),
            "{document:#}"
        );
        has(&stage, after.0, after.1);
        let (document, code) = stage.run(&["undo", document["run"].as_str().unwrap(), "--yes"]);
        passed(&document, code);
        has(&stage, before.0, before.1);
    }
}

#[test]
fn a_remedy_for_what_is_not_the_cause_changes_nothing() {
    for (scenario, arguments, finding) in [
        ("tabot-latency", &["remedy=cpu"][..], "latency-unexplained"),
        ("tabot-latency", &["remedy=lookback"], "latency-unexplained"),
        ("tabot-latency-candles", &["remedy=cpu"], "candles-too-many"),
        // a limit that is lower than the present one
        ("tabot-latency-cpu", &["remedy=cpu", "cpu_limit=25m"], "cpu-throttled"),
    ] {
        let stage = Stage::new(scenario);
        let mut words = vec!["run", "ta-bot/high-latency", "--yes"];
        arguments.iter().for_each(|argument| words.extend(["--set", argument]));
        let (document, code) = stage.run(&words);
        assert_eq!(
            (code, findings(&document)),
            (1, vec![(finding.to_owned(), false)]),
            "{scenario} {arguments:?}: {document:#}"
        );
        assert_eq!(document["changes"], json!([]), "{scenario} {arguments:?}");
    }
    let stage = Stage::new("healthy");
    let (document, code) =
        stage.run(&["run", "ta-bot/high-latency", "--set", "remedy=cpu", "--yes"]);
    assert_eq!(
        (code, findings(&document), &document["changes"]),
        (0, vec![], &json!([])),
        "{document:#}"
    );
}
