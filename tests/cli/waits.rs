//! Waits: for what comes, for what fails, and in vain.

use crate::changes::Stage;
use crate::support::{Said, findings};
use serde_json::Value;

fn stage(steps: &str) -> Stage {
    let stage = Stage::new("healthy", false);
    stage.place.write(
        "steps.yaml",
        format!(
            "runbook: v1\ntitle: Steps\nnamespace: petrosa-apps\non_failure: \
            continue\nsteps:\n{steps}"
        ),
    );
    stage
}

fn run(stage: &Stage) -> (Value, Said) {
    let said = stage.run(&["run", "steps.yaml", "--yes", "--output", "json"]);
    (
        serde_json::from_str(&said.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said.all())),
        said,
    )
}

/// Outcome and reason of a step.
fn ended<'a>(document: &'a Value, id: &str) -> (&'a str, &'a str) {
    let step =
        document["steps"].as_array().unwrap().iter().find(|step| step["path"] == id).unwrap();
    (step["outcome"].as_str().unwrap(), step["reason"].as_str().unwrap())
}

#[test]
fn a_pod_that_is_being_replaced_ends_no_wait() {
    let ready = r#"(.items | length) == 3 and all(.items[]; .metadata.deletionTimestamp == null and any(.status.conditions[]?; .type == "Ready" and .status == "True"))"#;
    let stage = stage(&format!(
        "  - id: restart\n    restart: {{target: deployment/petrosa-ta-bot}}\n  - id: ready\n    \
            timeout: 30s\n    wait: {{kind: Pod, selector: app=petrosa-ta-bot, until: '{ready}'}}\n"
    ));
    let (document, said) = run(&stage);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(ended(&document, "ready").0, "passed");
}

#[test]
fn the_counters_of_a_job_are_final_when_it_is_over() {
    let complete = r#"any(.status.conditions[]?; .type == "Complete" and .status == "True")"#;
    let stage = stage(&format!(
        "  - id: try\n    timeout: 60s\n    create_job: {{cron_job: binance-klines-gap-filler, \
            name: by-hand}}\n    expect: [{{that: .succeeded == 1}}]\n  - id: vain\n    timeout: \
            30s\n    wait: {{kind: Job, name: '{{{{ steps.try.output.job }}}}', until: \
            .status.failed == 1}}\n  - id: complete\n    timeout: 30s\n    wait: {{kind: Job, \
            name: '{{{{ steps.try.output.job }}}}', until: '{complete}'}}\n"
    ));
    let (document, said) = run(&stage);
    assert_eq!(ended(&document, "try").0, "passed", "{}", said.all());
    assert_eq!(ended(&document, "complete").0, "passed", "{}", said.all());
    let (outcome, reason) = ended(&document, "vain");
    assert_eq!(outcome, "failed", "{}", said.all());
    assert!(
        reason.starts_with("the condition can no longer hold: job by-hand-")
            && reason.ends_with(" is complete"),
        "{reason}"
    );
}

#[test]
fn what_was_waited_for_in_vain_names_the_pods() {
    let mount = r#"{"spec":{"template":{"spec":{"volumes":[{"name":"tls","secret":{"secretName":"nosuch"}}]}}}}"#;
    let stage = stage(&format!(
        "  - id: patch\n    patch: {{target: deployment/petrosa-ta-bot, patch: {mount}}}\n  - id: \
            rollout\n    rollout: {{target: deployment/petrosa-ta-bot, timeout: 2s}}\n  - id: \
            wait\n    timeout: 1s\n    wait: {{kind: Pod, selector: app=petrosa-ta-bot, until: \
            'all(.items[]; .status.phase == \"Running\")'}}\n  - id: triage\n    triage: {{target: \
            deployment/petrosa-ta-bot}}\n    expect:\n      - all: .symptoms == []\n"
    ));
    let (document, said) = run(&stage);
    let failed =
        "FailedMount: MountVolume.SetUp failed for volume \"tls\" : secret \"nosuch\" not found";
    for (id, wanted) in [("rollout", "timed_out"), ("wait", "timed_out"), ("triage", "failed")] {
        let (outcome, reason) = ended(&document, id);
        assert_eq!(outcome, wanted, "{id}: {}", said.all());
        assert!(reason.contains("petrosa-ta-bot-") && reason.contains(failed), "{id}: {reason}");
    }
    let step =
        document["steps"].as_array().unwrap().iter().find(|step| step["path"] == "triage").unwrap();
    assert_eq!(step["expectations"][0]["outcome"], "failed");
    assert_eq!(findings(&document), Vec::<&str>::new());
}

#[test]
fn a_failed_expectation_names_what_is_wrong_with_the_pods() {
    let stage = Stage::new("tabot-rollout-stuck", true);
    stage.place.write(
        "steps.yaml",
        "runbook: v1\ntitle: Steps\nnamespace: petrosa-apps\nsteps:\n  - id: pods\n    get: {kind: \
            Pod, selector: app=petrosa-ta-bot}\n    expect:\n      - all: \
            any(.status.conditions[]?; .type == \"Ready\" and .status == \"True\")\n        over: \
            .items\n",
    );
    let (document, said) = run(&stage);
    let (outcome, reason) = ended(&document, "pods");
    assert_eq!(outcome, "failed", "{}", said.all());
    assert!(reason.contains("ImagePullBackOff"), "{reason}");
    let shown = stage.run_as("01K9ZQ4T000000000000000009", &["run", "steps.yaml"]);
    assert!(shown.all().contains("ImagePullBackOff"), "{}", shown.all());
}
