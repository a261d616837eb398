//! Runs that the released version made: what it wrote is understood by the one that follows it.
//! `fixtures/released` has its state directory: a finished run with a change, the paused undo of
//! it, and a run that is paused for an approval in the sandbox.

use crate::changes::{OTHER, RUN, Stage, http_send};
use crate::support::{Place, Said};
use serde_json::Value;

const FINISHED: &str = "01K9ZQ4T0000000000RE1EASED";
const PAUSED: &str = "01K9ZQ4T0000000000RE1EASEP";
const UNDO: &str = "01K9ZQ4T0000000000RE1EASEV";

/// Puts the state directory and the runbooks of the released version in place.
fn put(place: &Place) {
    for (run, journal) in [
        (
            FINISHED,
            include_str!("fixtures/released/state/runs/01K9ZQ4T0000000000RE1EASED/journal.jsonl"),
        ),
        (
            PAUSED,
            include_str!("fixtures/released/state/runs/01K9ZQ4T0000000000RE1EASEP/journal.jsonl"),
        ),
        (
            UNDO,
            include_str!("fixtures/released/state/runs/01K9ZQ4T0000000000RE1EASEV/journal.jsonl"),
        ),
    ] {
        place.write(&format!("state/runs/{run}/journal.jsonl"), journal);
    }
    place.write("state/key", include_str!("fixtures/released/state/key"));
    place.write("marks.yaml", include_str!("fixtures/released/marks.yaml"));
    place.write("waits.yaml", include_str!("fixtures/released/waits.yaml"));
}

/// The cluster as the finished run has left it.
fn marked() -> Stage {
    let stage = Stage::new("healthy", false);
    put(&stage.place);
    http_send(
        &stage.sandbox.address().to_string(),
        "PATCH",
        "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot",
        r#"{"metadata": {"annotations": {"why": "test"}}}"#,
    );
    stage
}

fn words(said: &Said) -> String {
    format!("{} {}", said.stdout, said.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(said: &Said, code: i32, texts: &[&str]) {
    let words = words(said);
    assert_eq!(said.code, code, "{}", said.all());
    for text in texts {
        assert!(words.contains(text), "{text}: {}", said.all());
    }
}

#[test]
fn a_released_run_is_shown_as_it_was() {
    let place = Place::new();
    put(&place);
    let chain = "step left-out was skipped: only when $steps.";
    says(&place.run(&["show", PAUSED]), 0, &["only when $steps.look.failed", chain]);
    let chained = "step missing is unknown: only when $steps.mark.failed";
    says(&place.run(&["show", FINISHED]), 0, &[chain, chained, "mark patch apps/v1 Deployment"]);
    says(&place.run(&["show", UNDO]), 0, &["undo/RE1EASED Undo the changes of run RE1EASED"]);
    says(&place.run(&["report", FINISHED]), 0, &["left-out", "only when $steps.mark.failed"]);
    let waits = ["Waiting for scale", "runbook approve RE1EASEP --step scale", "Done look"];
    says(&place.run(&["status", PAUSED]), 0, &waits);

    let (document, code) = place.json(&["show", FINISHED]);
    assert_eq!(code, 0);
    let reasons: Vec<&Value> =
        document["steps"].as_array().unwrap().iter().map(|step| &step["reason"]).collect();
    assert_eq!(
        reasons,
        [
            "",
            "only when $steps.mark.failed",
            "step left-out was skipped: only when $steps.mark.failed",
            "step missing is unknown: only when $steps.mark.failed",
        ]
    );
}

#[test]
fn a_released_run_that_waits_is_approved_and_resumed() {
    let place = Place::new();
    put(&place);
    // without the approval it waits again, and changes nothing
    let waits = [
        "Kept from earlier: look",
        "step left-out was skipped: step look passed",
        "Waits for approval: scale",
    ];
    says(&place.run(&["resume", PAUSED]), 4, &waits);
    let said = place.run(&["approve", PAUSED, "--step", "scale", "--yes"]);
    says(&said, 0, &["approved by sandbox-operator until 2026-11-20T04:12:07Z", "- 3 + 1"]);
    says(&place.run(&["resume", PAUSED]), 0, &["scale 3 → 1 replicas", "Passed in"]);
    says(&place.run(&["resume", PAUSED]), 2, &["RE1EASEP"]);
}

#[test]
fn a_released_run_is_undone() {
    let stage = marked();
    let before = stage.writes().len();
    let dry = stage.run_as(OTHER, &["undo", FINISHED, "--dry-run"]);
    says(&dry, 0, &["- why: test"]);
    assert_eq!(stage.writes().len(), before, "{}", dry.all());
    says(&stage.run(&["undo", FINISHED, "--yes"]), 0, &["Undo the changes of run RE1EASED"]);
    assert_eq!(stage.writes().len(), before + 1);
    let journal = stage.place.state().join("runs").join(RUN).join("journal.jsonl");
    let journal = std::fs::read_to_string(journal).unwrap();
    let says = journal.contains(&format!(r#""undoes":"{FINISHED}""#));
    assert!(says, "the header says what it undoes: {journal}");
}

#[test]
fn a_released_undo_that_waits_is_resumed() {
    let stage = marked();
    let before = stage.writes().len();
    let said = stage.run(&["resume", UNDO, "--yes"]);
    says(&said, 0, &["Undo the changes of run RE1EASED", "Passed in"]);
    assert_eq!(stage.writes().len(), before + 1, "{}", said.all());
}
