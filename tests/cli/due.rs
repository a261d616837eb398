//! A run that waits for a time goes on when that has come, and not before.

use crate::support::{Place, Said, said};
use std::fs;
use std::process::{Command, Stdio};

const OBSERVED: &str = r#"runbook: v1
title: Observe for a day
params:
  left: {type: duration, default: 24h}
steps:
  - {id: before, title: Before, value: $run.id}
  - {id: observe, title: Observe, wait_for_time: {for: "{{ params.left }}"}}
  - {id: after, title: After, value: $steps.observe.output}
"#;

const FIRST: &str = "01K9ZQ4T000000000000000000";
const SECOND: &str = "01K9ZQ4T000000000000000001";

/// The program at this time.
fn at(place: &Place, now: &str, run: &str, arguments: &[&str]) -> Said {
    said(place.command().env("RUNBOOK_NOW", now).env("RUNBOOK_RUN_ID", run).args(arguments))
}

#[test]
fn a_run_waits_for_a_time_without_a_process() {
    let place = Place::new();
    let file = place.write("observed.yaml", OBSERVED);
    let begin = "2026-11-20T03:12:07.5Z";
    let paused = at(&place, begin, FIRST, &["run", &file]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    let due = "observe (due at 2026-11-21T03:12:08Z)";
    assert!(paused.stdout.replace("\n  ", " ").contains(due), "{}", paused.all());
    assert!(paused.stdout.contains("runbook resume 00000000"), "{}", paused.all());

    let status = place.run(&["status", FIRST]);
    assert!(status.stdout.contains(&format!("Waiting for   {due}")), "{}", status.all());
    let (document, _) = place.json(&["status", FIRST]);
    assert_eq!(document["due"]["observe"], "2026-11-21T03:12:08Z");
    let (document, _) = place.json(&["show", FIRST]);
    assert_eq!(document["due"]["observe"], "2026-11-21T03:12:08Z");
    let (document, _) = place.json(&["history"]);
    assert_eq!(document["runs"][0]["due"], "2026-11-21T03:12:08Z");
    let history = place.run(&["history"]);
    assert!(history.stdout.contains("due at 2026-11-21T03:12:08Z"), "{}", history.all());

    // too early: it says when, and nothing is recorded
    let early = at(&place, "2026-11-21T03:12:07Z", FIRST, &["resume", FIRST]);
    assert_eq!(early.code, 4, "{}", early.all());
    assert!(early.stderr.contains("is due at 2026-11-21T03:12:08Z"), "{}", early.all());
    assert!(early.stderr.contains("--skip observe"), "{}", early.all());
    let early = at(&place, "2026-11-21T03:12:07Z", FIRST, &["resume", "--due"]);
    assert_eq!((early.code, early.stdout.lines().next()), (0, Some("no run is due")));
    assert!(early.stdout.contains("due at 2026-11-21T03:12:08Z"), "{}", early.all());

    let due = at(&place, "2026-11-21T03:12:08Z", FIRST, &["resume", "--due"]);
    assert_eq!(due.code, 0, "{}", due.all());
    assert_eq!(due.stdout.trim(), format!("00000000  {file}  passed"), "{}", due.all());
    let journal = place.state().join("runs").join(FIRST).join("journal.jsonl");
    let text = fs::read_to_string(journal).unwrap();
    let output = r#""output":{"from":"2026-11-20T03:12:07.5Z","due":"2026-11-21T03:12:08Z"}"#;
    assert!(text.contains(output), "{text}");
    let none = at(&place, "2026-11-22T03:12:08Z", FIRST, &["resume", "--due"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, "no run is due\n"));
}

#[test]
fn the_time_of_a_wait_is_recorded_once_and_skipping_it_is_a_word_of_a_person() {
    let place = Place::new();
    let file = place.write("observed.yaml", OBSERVED);
    for run in [FIRST, SECOND] {
        assert_eq!(at(&place, "2026-11-20T03:00:00Z", run, &["run", &file]).code, 4);
    }
    let skip = ["resume", FIRST, "--skip", "observe", "--reason", "tested elsewhere"];
    let skipped = at(&place, "2026-11-20T04:00:00Z", FIRST, &skip);
    // what needs the wait does not know of it
    assert_eq!(skipped.code, 3, "{}", skipped.all());
    assert!(skipped.stdout.contains("tested elsewhere"), "{}", skipped.all());

    // both at once: one line each, the exit code of the worst; the one that is over is none of them
    let failing = place.write("failing.yaml", OBSERVED.replace("$steps.observe.output", "error"));
    let third = "01K9ZQ4T000000000000000002";
    assert_eq!(at(&place, "2026-11-20T03:00:01Z", third, &["run", &failing]).code, 4);
    let all = at(&place, "2026-11-21T03:00:01Z", FIRST, &["resume", "--due", "-o", "json"]);
    assert_eq!(all.code, 3, "{}", all.all());
    let document: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    let verdicts: Vec<_> = document["runs"].as_array().unwrap().iter().collect();
    assert_eq!(
        (verdicts[0]["verdict"].as_str(), verdicts[1]["verdict"].as_str()),
        (Some("passed"), Some("error")),
        "{document}"
    );
    let journal = place.state().join("runs").join(SECOND).join("journal.jsonl");
    let text = fs::read_to_string(journal).unwrap();
    assert_eq!(text.matches("\"event\":\"step_due\"").count(), 1, "{text}");
}

#[cfg(unix)]
#[test]
fn a_wait_whose_process_was_killed_lasts_as_long_as_before() {
    let place = Place::new();
    let file = place.write("observed.yaml", OBSERVED);
    let journal = place.state().join("runs").join(FIRST).join("journal.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", &file, "--set", "left=5s"])
        .current_dir(place.path())
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("RUNBOOK_RUN_ID", FIRST)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..400 {
        if fs::read_to_string(&journal).is_ok_and(|text| text.contains("step_due")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let due = || place.command().env_remove("RUNBOOK_NOW").args(["resume", "--due"]).output();
    // its process waits for it
    let alive = String::from_utf8(due().unwrap().stdout).unwrap();
    assert_eq!(alive, "no run is due\n");
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(6));
    let done = String::from_utf8(due().unwrap().stdout).unwrap();
    assert!(done.contains("passed"), "{done}");
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(text.matches("\"event\":\"step_due\"").count(), 1, "{text}");
}
