//! `runbook record`: a recorded world gives the same verdict and causes as what was recorded.

use crate::support::{NOW, Place, findings, said};
use base64::Engine;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Scenarios, each with a runbook that finds something in it.
const ROWS: [(&str, &str); 8] = [
    ("healthy", "ta-bot/smoke"),
    ("tabot-nats-down", "ta-bot/nats-down"),
    ("tabot-mysql-selector-mismatch", "ta-bot/mysql-down"),
    ("tabot-mysql-secret-malformed", "ta-bot/mysql-down"),
    ("tabot-rollout-stuck", "ta-bot/await-version"),
    ("te-ingress-missing", "platform/networkpolicy-audit"),
    ("te-ingress-missing", "tradeengine/network-connectivity"),
    ("gapfiller-job-partial", "binance-extractor/gap-filler-verify"),
];
const NAMESPACES: [&str; 8] =
    ["-n", "petrosa-apps", "-n", "nats", "-n", "monitoring", "-n", "internet"];

/// Runs a runbook under an id of its own.
fn run(place: &Place, runbook: &str, world: &str, number: usize) -> (Value, i32) {
    let sandbox = format!("--sandbox={world}");
    let mut command = place.command();
    command.env("RUNBOOK_RUN_ID", format!("01K9ZQ4T0000000000000000{number:02}"));
    let waits = ["--set", "min_version=1.0.99", "--set", "timeout=2s"];
    let parameters = if runbook == "ta-bot/await-version" { &waits[..] } else { &[] };
    let said = said(command.args(["run", runbook, &sandbox, "--output", "json"]).args(parameters));
    let document = serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("{runbook} on {world}: {error}: {}", said.all()));
    (document, said.code)
}

/// The texts of all files under a folder.
fn texts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&texts(&path));
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}

#[test]
fn a_recorded_world_gives_the_same_verdict_and_causes() {
    let place = Place::new();
    for (number, (scenario, runbook)) in ROWS.into_iter().enumerate() {
        let (before, code) = run(&place, runbook, scenario, number);
        let id = format!("01K9ZQ4T0000000000000000{number:02}");
        let folder = format!("worlds/{number}");
        let sandbox = format!("--sandbox={scenario}");
        let record =
            [&["record", "--run", &id, "--world", &folder, &sandbox], &NAMESPACES[..]].concat();
        let said = place.run(&record);
        assert_eq!(said.code, 0, "{scenario}: {}", said.all());
        let (after, again) = run(&place, runbook, &format!("{folder}/recorded"), 50 + number);
        assert_eq!(
            (&before["verdict"], findings(&before), code),
            (&after["verdict"], findings(&after), again),
            "{scenario}, {runbook}: {}\n{after:#}",
            said.stdout
        );
    }
}

#[test]
fn no_secret_value_is_written() {
    let place = Place::new();
    let uri = "mysql://petrosa:not-a-real-password@mysql:3306/petrosa";
    let said =
        place.run(
            &[
                &[
                    "record",
                    "--sandbox=healthy",
                    "--world",
                    "worlds/one",
                    "--no-exec",
                    "--log",
                    ".",
                ][..],
                &["--path", "app=petrosa-ta-bot=/health"],
                &NAMESPACES[..],
            ]
            .concat(),
        );
    assert_eq!(said.code, 0, "{}", said.all());
    let written = texts(&place.path().join("worlds/one"));
    let encoded = base64::engine::general_purpose::STANDARD.encode(uri);
    for secret in ["not-a-real-password", &encoded] {
        assert!(!written.contains(secret), "{secret} is in the recording");
    }
    // nor does it say where it comes from, but when and from which version
    let header = fs::read_to_string(place.path().join("worlds/one/world.yaml")).unwrap();
    assert!(header.contains("v1.") && header.contains(&NOW[..10]), "{header}");
    assert!(!header.contains("127.0.0.1") && !header.contains("sandbox-operator"), "{header}");
}

#[test]
fn a_run_alone_is_a_world_as_far_as_it_goes() {
    let place = Place::new();
    drop(run(&place, "ta-bot/nats-down", "tabot-nats-down", 1));
    let said =
        place.run(&["record", "--run", "01K9ZQ4T000000000000000001", "--world", "worlds/run"]);
    assert_eq!(said.code, 0, "{}", said.all());
    for part in
        ["Not captured:", "objects that the run did not read", "verdict: failed", "findings: ["]
    {
        assert!(said.stdout.contains(part), "{part}: {}", said.all());
    }
    assert_eq!(place.run(&["sandbox", "list"]).code, 0);
    let again = place.run(&["record", "--run", "1", "--world", "worlds/run"]);
    assert!(again.code == 2 && again.stderr.contains("is not empty"), "{}", again.all());
}

#[test]
fn what_may_not_be_read_is_listed_and_a_cluster_that_is_down_is_no_world() {
    let place = Place::new();
    let record = |scenario: &str, folder: &str| {
        let sandbox = format!("--sandbox={scenario}");
        place.run(&[&["record", &sandbox, "--world", folder], &NAMESPACES[..]].concat())
    };
    let said = record("rbac-missing", "worlds/partly");
    assert_eq!(said.code, 0, "{}", said.all());
    let report = fs::read_to_string(place.path().join("worlds/partly/RECORDED.md")).unwrap();
    assert!(report.contains("not allowed") && said.stdout.contains("Not captured:"), "{report}");
    assert_eq!(record("api-down", "worlds/none").code, 3);
    assert!(!place.path().join("worlds/none").exists());
}

#[test]
fn the_case_is_written_next_to_the_runbook_and_can_be_tested() {
    let place = Place::new();
    let runbook = "runbook: v1
title: NATS
sandbox: petrosa/healthy
namespace: nats
steps:
  - id: pods
    get: {kind: Pod, selector: app=nats-server, optional: true}
    expect:
      - that: (.items | length) > 0
findings:
  - id: gone
    when: $steps.pods.failed
    cause: There is no pod
    remedy: {text: kubectl get pods}
";
    place.write("runbooks/nats.yaml", runbook);
    drop(run(&place, "nats", "tabot-nats-down", 1));
    let said = place.run(&[
        "record",
        "-n",
        "nats",
        "--sandbox=tabot-nats-down",
        "--world",
        "worlds/incident",
        "--run",
        "01K9ZQ4T000000000000000001",
        "--case",
        "nats",
    ]);
    assert_eq!(said.code, 0, "{}", said.all());
    let file = fs::read_to_string(place.path().join("runbooks/nats.test.yaml")).unwrap();
    assert!(file.contains("expect: {verdict: failed, findings: [gone]}"), "{file}");
    let tested = place.run(&["test", "nats"]);
    assert_eq!(tested.code, 0, "{}", tested.all());
}
