//! Runbooks of TA Bot that change what the application keeps: its configuration, its limits, its counters.

use crate::network::{Stage, findings};
use serde_json::{Value, json};

const RUNBOOK: &str = "ta-bot/configuration";

/// Whether every pod tells this of the strategy, and of the symbol.
fn tells(stage: &Stage, strategy: &Value, symbol: &Value) {
    let ask = |id: &str, path: &str, wanted: &Value| {
        format!(
            "  - id: {id}\n    title: Ask\n    http: {{target: {{kind: Pod, selector: app=petrosa-ta-bot}}, port: 8080, path: {path}}}\n    expect:\n      - all: '.json == {wanted}'\n"
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

#[test]
fn a_strategy_is_set_overridden_and_brought_back_on_every_pod() {
    let stage = Stage::new("healthy");
    let global = json!({"period": 14, "overbought": 70, "oversold": 30});
    let set = json!({"period": 21, "overbought": 80, "oversold": 20});
    let (document, code) = stage.run(&["run", RUNBOOK, "--set", "op=set", "--set", "period=21", "--set", "overbought=80", "--set", "oversold=20", "--yes"]);
    passed(&document, code);
    tells(&stage, &set, &set);
    // what was there before is offered as a command, which brings it back
    let restore = document["findings"][0]["command"].as_str().unwrap().to_owned();
    let words: Vec<&str> = restore.split_whitespace().skip(1).chain(["--yes"]).collect();
    let (document, code) = stage.run(&words);
    passed(&document, code);
    tells(&stage, &global, &global);

    let (document, code) = stage.run(&["run", RUNBOOK, "--set", "op=override", "--yes"]);
    passed(&document, code);
    // oversold is inherited
    tells(&stage, &global, &json!({"period": 10, "overbought": 75, "oversold": 30}));
    for _ in 0..2 {
        // the second time there is nothing to delete, which is well
        let (document, code) = stage.run(&["run", RUNBOOK, "--set", "op=delete", "--yes"]);
        passed(&document, code);
        tells(&stage, &global, &global);
    }
}

#[test]
fn pods_that_disagree_agree_after_a_refresh() {
    let stage = Stage::new("tabot-config-replicas-disagree");
    let (document, code) = stage.run(&["run", RUNBOOK]);
    assert_eq!((code, findings(&document)), (1, vec![("replicas-disagree".to_owned(), false)]));
    let command = document["findings"][0]["command"].as_str().unwrap().to_owned();
    let words: Vec<&str> = command.split_whitespace().skip(1).chain(["--yes"]).collect();
    let (document, code) = stage.run(&words);
    passed(&document, code);
    // what is stored counts
    let stored = json!({"period": 21, "overbought": 80, "oversold": 20});
    tells(&stage, &stored, &stored);
}

#[test]
fn values_that_make_no_sense_change_nothing() {
    let stage = Stage::new("healthy");
    for arguments in [&["op=set", "period=0"][..], &["op=set", "overbought=20"], &["op=override", "oversold=90"], &["op=set", "overbought=100"]] {
        let mut words = vec!["run", RUNBOOK, "--yes"];
        arguments.iter().for_each(|argument| words.extend(["--set", argument]));
        let (document, code) = stage.run(&words);
        assert_eq!((code, findings(&document)), (1, vec![("invalid-values".to_owned(), false)]), "{arguments:?}: {document:#}");
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
    let (document, code) = stage.run(&["resume", &run, "--yes", "--skip", "ask", "--reason", "asked on the telephone"]);
    passed(&document, code);
    let step = |path: &str| document["steps"].as_array().unwrap().iter().find(|step| step["path"] == path).unwrap()["outcome"].clone();
    assert_eq!((step("analyse"), step("after"), step("signals")), (json!("passed"), json!("passed"), json!("passed")));
}

#[test]
fn a_server_without_a_pod_is_started_and_every_pod_connects_again() {
    for (scenario, name, finding) in
        [("tabot-mysql-no-endpoints", "ta-bot/mysql-down", "no-endpoints"), ("tabot-nats-down", "ta-bot/nats-down", "endpoint-missing")]
    {
        let stage = Stage::new(scenario);
        let (document, code) = stage.run(&["run", name]);
        assert_eq!((code, findings(&document)), (1, vec![(finding.to_owned(), false)]), "{document:#}");
        let command = document["findings"][0]["command"].as_str().unwrap().to_owned();
        let words: Vec<&str> = command.split_whitespace().skip(1).chain(["--yes"]).collect();
        let (document, code) = stage.run(&words);
        assert_eq!((code, findings(&document)), (0, vec![(finding.to_owned(), true)]), "{command}: {document:#}");
        let (document, code) = stage.run(&["run", name]);
        assert_eq!((code, findings(&document)), (0, vec![]), "{document:#}");
    }
}

#[test]
fn a_higher_limit_ends_the_latency_and_the_run_is_green() {
    let stage = Stage::new("tabot-latency-cpu");
    let (document, code) = stage.run(&["run", "ta-bot/high-latency", "--set", "remedy=cpu", "--yes"]);
    assert_eq!((code, findings(&document)), (0, vec![("cpu-throttled".to_owned(), true)]), "{document:#}");
}
