//! One run at a time: locks that are lost in the middle of a run, and those of runs that have
//! crashed.

use crate::changes::{RUN, Stage, http_send};
use crate::support::said;
use serde_json::{Value, json};
use std::fs;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases";
const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/petrosa-apps/leases/runbook-deployment-petrosa-ta-bot";

/// Two changes with a command between them that takes as long as a file does not exist.
fn two(stage: &Stage, second: &str) -> String {
    stage.place.write(
        "two.yaml",
        format!(
            "runbook: v1\ntitle: Two\nnamespace: petrosa-apps\nsteps:\n  - id: first\n    scale: \
                {{target: deployment/petrosa-ta-bot, replicas: 2}}\n  - id: between\n    timeout: \
                60s\n    command: {{argv: [sh, -c, 'until [ -e go-on ]; do sleep 0.02; done'], \
                effect: read}}\n  - id: second\n    {second}\n"
        ),
    )
}

fn lease(holder: &str, renewed: jiff::Timestamp) -> Value {
    let time = renewed.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let metadata = json!({"name": "runbook-deployment-petrosa-ta-bot", "namespace": "petrosa-apps",
        "annotations": {"runbook/host": "far-away", "runbook/runbook": "ta-bot/restart",
        "runbook/step": "restart"}});
    let spec = json!({"holderIdentity": holder, "leaseDurationSeconds": 30, "acquireTime": time,
        "renewTime": time});
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": spec})
}

fn journal(stage: &Stage, run: &str) -> String {
    fs::read_to_string(stage.place.state().join("runs").join(run).join("journal.jsonl"))
        .unwrap_or_default()
}

/// Runs the two changes, and does something to the Lease between them.
fn disturbed(stage: &Stage, second: &str, disturb: impl FnOnce(&str)) -> crate::support::Said {
    let file = two(stage, second);
    let address = stage.sandbox.address().to_string();
    let mut command = stage.place.command();
    command
        .env_remove("RUNBOOK_NOW")
        .env("RUNBOOK_RUN_ID", RUN)
        .env("KUBECONFIG", stage.place.path().join("kubeconfig"));
    std::thread::scope(|scope| {
        let run = scope.spawn(move || said(command.args(["run", &file, "--yes"])));
        while !journal(stage, RUN)
            .lines()
            .any(|line| line.contains("\"step_started\"") && line.contains("\"between\""))
        {
            assert!(!run.is_finished(), "{}", run.join().unwrap().all());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        disturb(&address);
        stage.place.write("go-on", "");
        run.join().unwrap()
    })
}

const SECONDS: [&str; 3] = [
    "scale: {target: deployment/petrosa-ta-bot, replicas: 1}",
    "delete: {kind: ConfigMap, name: petrosa-common-config}",
    "command: {argv: [sh, -c, 'touch done-all-the-same']}",
];

#[test]
fn promise_14_a_run_whose_lock_is_taken_between_two_changes_makes_no_further_change() {
    for second in SECONDS {
        let stage = Stage::new("healthy", false);
        let said = disturbed(&stage, second, |address| {
            let taken = lease("01K9OTHERRUN", jiff::Timestamp::now());
            let changes = json!({"metadata": {"annotations": taken["metadata"]["annotations"]},
                "spec": taken["spec"]});
            let sent = http_send(address, "PATCH", LEASE, &changes.to_string());
            assert!(sent.contains("01K9OTHERRUN"), "{sent}");
        });
        assert_eq!(said.code, 3, "{second}: {}", said.all());
        let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "run 01K9OTHERRUN of ta-bot/restart on far-away at step restart",
            "no further changes are made",
            "runbook undo",
        ] {
            assert!(text.contains(words), "{words}: {}", said.all());
        }
        let names: Vec<Value> =
            stage.writes().into_iter().map(|write| write["name"].clone()).collect();
        assert_eq!(names, ["petrosa-ta-bot"], "the first change only: {}", said.all());
        assert!(!stage.place.path().join("done-all-the-same").exists());
        assert!(journal(&stage, RUN).lines().any(|line| line.contains("\"event\":\"lock\"")
            && line.contains("\"lost\"")
            && line.contains("01K9OTHERRUN")));
        // the lock of the other is left alone
        let left = http_send(&stage.sandbox.address().to_string(), "GET", LEASE, "");
        assert!(left.contains("01K9OTHERRUN"), "{left}");
    }
}

#[test]
fn promise_14_a_lock_that_was_taken_and_freed_meanwhile_is_lost_all_the_same() {
    let stage = Stage::new("healthy", false);
    let said =
        disturbed(&stage, SECONDS[0], |address| drop(http_send(address, "DELETE", LEASE, "{}")));
    assert_eq!(said.code, 3, "{}", said.all());
    let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("was lost to nobody: it was deleted"), "{}", said.all());
    assert_eq!(stage.writes().len(), 1, "{}", said.all());
}

#[test]
fn promise_14_a_lock_that_is_still_held_lets_the_run_go_on() {
    let stage = Stage::new("healthy", false);
    let said = disturbed(&stage, SECONDS[0], |_| {});
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(stage.writes().len(), 2, "{}", said.all());
    let left = http_send(&stage.sandbox.address().to_string(), "GET", LEASE, "");
    assert!(left.contains("NotFound"), "freed at the end: {left}");
}

#[test]
fn promise_14_the_lock_of_a_run_that_crashed_expires_and_whose_it_was_is_recorded() {
    let ago = |seconds| {
        jiff::Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds)).unwrap()
    };
    for (seconds, code) in [(5, 3), (3600, 0)] {
        let stage = Stage::new("healthy", false);
        let address = stage.sandbox.address().to_string();
        let mut held = lease("01K9CRASHED", ago(seconds));
        // what others wrote there is not trusted
        held["metadata"]["annotations"]["runbook/host"] =
            "far-away\u{1b}[2J\u{202e} password=hunter2-hunter2".into();
        let made = http_send(&address, "POST", LEASES, &held.to_string());
        assert!(made.contains("01K9CRASHED"), "{made}");
        let file = stage.scale(1);
        let said = stage.run(&["run", &file, "--yes"]);
        assert_eq!(said.code, code, "{}", said.all());
        let text = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains(
                "run 01K9CRASHED of ta-bot/restart on far-away password=[secret password]"
            ),
            "{}",
            said.all()
        );
        for said in [said.all(), journal(&stage, RUN)] {
            let hostile = ["[2J", "\\u001b", "\u{202e}", "hunter2"];
            assert!(!hostile.iter().any(|part| said.contains(part)), "{said}");
        }
        if code == 0 {
            assert!(text.contains("which has expired"), "{}", said.all());
            let recorded = journal(&stage, RUN);
            let lock = recorded.lines().find(|line| line.contains("\"event\":\"lock\"")).unwrap();
            assert!(
                lock.contains("\"taken\"")
                    && lock.contains("01K9CRASHED")
                    && lock.contains("expired"),
                "{lock}"
            );
        } else {
            assert_eq!(stage.writes().len(), 0);
        }
    }
}

#[test]
fn a_run_that_was_kept_from_its_first_step_can_be_gone_on_with() {
    let stage = Stage::new("healthy", false);
    let address = stage.sandbox.address().to_string();
    let file = stage.scale(1);
    assert_eq!(stage.run(&["run", &file]).code, 4, "waits for approval");
    http_send(&address, "POST", LEASES, &lease("01K9OTHERRUN", jiff::Timestamp::now()).to_string());
    let refused = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(refused.code, 3, "{}", refused.all());
    let status = stage.run(&["status", RUN]);
    assert!(status.stdout.contains("runbook resume"), "{}", status.all());
    http_send(&address, "DELETE", LEASE, "{}");
    let said = stage.run(&["resume", RUN, "--yes", "--output", "json"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &document["verdict"]), (0, &"passed".into()), "{}", said.all());
    assert_eq!(stage.run(&["resume", RUN]).code, 2, "now it is over");
}
