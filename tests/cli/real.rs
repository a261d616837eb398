//! The same procedures on a real cluster, when `RUNBOOK_TEST_KUBECONFIG` names one with the systems
//! of the runbooks on it, and `RUNBOOK_TEST_WORLD` the program that plants faults there (`fault
//! NAME`, `heal`).

use crate::support::{Place, findings};
use std::process::Command;

/// Fault, runbook, the findings of which one must be named and no other, exit code.
const FAULTS: &[(&str, &str, &[&str], i32)] = &[
    ("tabot-one-pod-mysql-down", "ta-bot/no-signals", &["mysql-down"], 1),
    ("tabot-one-pod-mysql-down", "ta-bot/mysql-down", &["one-pod-only"], 1),
    ("tabot-no-leader", "ta-bot/no-signals", &["leader-stuck"], 1),
    ("tabot-no-prometheus", "ta-bot/metrics-verification", &[], 3),
];

fn cluster() -> Option<String> {
    let kubeconfig = std::env::var("RUNBOOK_TEST_KUBECONFIG").ok();
    if kubeconfig.is_none() {
        eprintln!("not run: RUNBOOK_TEST_KUBECONFIG is not set");
    }
    kubeconfig
}

/// One test, because there is one cluster.
#[test]
fn a_real_cluster_gets_the_same_verdicts() {
    let Some(kubeconfig) = cluster() else { return };
    let run = |runbook: &str| {
        let place = Place::new();
        let mut command = place.command();
        command.env_remove("RUNBOOK_NOW");
        let said = crate::support::said(command.args([
            "run",
            runbook,
            "--kubeconfig",
            &kubeconfig,
            "--output",
            "json",
        ]));
        let document: serde_json::Value = serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said.all()));
        (document, said.code)
    };
    // a world that has just healed has analysed nothing yet, and nobody can judge that
    for _ in 0..60 {
        if run("ta-bot/no-signals").1 != 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    for runbook in [
        "ta-bot/no-signals",
        "ta-bot/leader-election",
        "ta-bot/mysql-down",
        "ta-bot/nats-down",
        "ta-bot/health",
        "ta-bot/smoke",
        "ta-bot/metrics-verification",
    ] {
        let (document, code) = run(runbook);
        assert_eq!(
            (findings(&document), code),
            (Vec::new(), 0),
            "{runbook} on the healthy world: {document:#}"
        );
        assert!(document["target"]["cluster_uid"].is_string());
    }
    let Ok(world) = std::env::var("RUNBOOK_TEST_WORLD") else { return };
    let world = |arguments: &[&str]| {
        Command::new(&world).args(arguments).status().is_ok_and(|status| status.success())
    };
    let mut planted = "";
    let mut wrong = Vec::new();
    for (fault, runbook, wanted, code) in FAULTS {
        if planted != *fault {
            if !planted.is_empty() {
                assert!(world(&["heal"]), "the world did not heal from {planted}");
            }
            assert!(world(&["fault", fault]), "{fault} could not be planted");
            planted = fault;
        }
        let (document, exit) = run(runbook);
        let named = findings(&document);
        if named != *wanted || exit != *code {
            wrong.push(format!(
                "{fault} {runbook}: named {named:?} exit {exit}, wanted {wanted:?} exit {code}"
            ));
        }
    }
    assert!(world(&["heal"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is read after a change is not of before it: the controller has observed the change. The
/// sandbox cannot show it, as its controllers act at once.
#[test]
fn what_is_read_after_a_restart_is_of_after_it() {
    let Some(kubeconfig) = cluster() else { return };
    let place = Place::new();
    let file = place.write("restart.yaml", OBSERVED);
    let mut command = place.command();
    command.env_remove("RUNBOOK_NOW");
    let said = crate::support::said(command.args([
        "run",
        &file,
        "--yes",
        "--kubeconfig",
        &kubeconfig,
        "--output",
        "json",
    ]));
    assert_eq!(said.code, 0, "{}", said.all());
}

const OBSERVED: &str = r#"
runbook: v1
title: A reading after a restart
namespace: runbook-test-observed
steps:
  - id: all
    steps:
      - id: make
        apply:
          manifests:
            - {apiVersion: v1, kind: Namespace, metadata: {name: runbook-test-observed}}
            - apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web, namespace: runbook-test-observed}
              spec:
                replicas: 1
                selector: {matchLabels: {app: web}}
                template:
                  metadata: {labels: {app: web}}
                  spec:
                    terminationGracePeriodSeconds: 0
                    containers:
                      - {name: main, image: "docker.io/library/busybox:1.37", command: [sleep, "600"]}
        then:
          rollout: {target: deployment/web, timeout: 120s}
      - id: restart
        restart: {target: deployment/web}
      - id: read
        get: {kind: Deployment, name: web}
        expect: .status.observedGeneration >= .metadata.generation
    always:
      - id: remove
        delete: {kind: Namespace, name: runbook-test-observed, wait: false}
"#;
