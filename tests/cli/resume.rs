//! A run that was stopped goes on where it stopped.

use crate::support::{Place, said};
use std::fs;
use std::process::{Command, Stdio};

const SLOW: &str = "runbook: v1\ntitle: Slow\nsteps:\n  - id: first\n    title: Quick\n    value: $run.id\n  - id: slow\n    title: Takes its time\n    pause: 30s\n  - id: last\n    title: After it\n    value: $steps.first.output\n";

fn journal(place: &Place) -> std::path::PathBuf {
    place.state().join("runs/01K9ZQ4T000000000000000000/journal.jsonl")
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_run_in_order_and_resume_keeps_what_is_done() {
    let place = Place::new();
    let file = place.write("slow.yaml", SLOW);
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", &file])
        .current_dir(place.path())
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("RUNBOOK_RUN_ID", "01K9ZQ4T000000000000000000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // the slow step has begun when its intent is in the journal
    for _ in 0..400 {
        if fs::read_to_string(journal(&place)).is_ok_and(|text| text.contains("\"id\":\"slow\"") && text.contains("step_started")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(document["verdict"], "cancelled");

    // shorter now: a changed step is done again, an unchanged one is kept
    place.write("slow.yaml", SLOW.replace("30s", "10ms"));
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    assert!(resumed.all().contains("Kept from before: first"), "{}", resumed.all());
    let text = fs::read_to_string(journal(&place)).unwrap();
    let begun = |id: &str| text.lines().filter(|line| line.contains("\"step_started\"") && line.contains(&format!("\"path\":\"{id}\""))).count();
    assert_eq!((begun("first"), begun("slow"), begun("last")), (1, 2, 1), "{text}");
}

#[test]
fn a_torn_journal_is_repaired_and_gone_on_with() {
    let place = Place::new();
    let file = place.write("quick.yaml", SLOW.replace("30s", "10ms"));
    assert_eq!(place.run(&["run", &file]).code, 0);
    let path = journal(&place);
    let whole = fs::read_to_string(&path).unwrap();
    // as if the process had been killed while it wrote the outcome of `slow`
    let until: Vec<&str> = whole.lines().take_while(|line| !(line.contains("step_finished") && line.contains("\"path\":\"slow\""))).collect();
    fs::write(&path, format!("{}\n{{\"seq\":5,\"at\":\"2026", until.join("\n"))).unwrap();
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!((&document["verdict"], document["steps"].as_array().unwrap().len()), (&"passed".into(), 3));
}

#[test]
fn a_run_that_has_ended_has_nothing_to_go_on_with() {
    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let again = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(again.code, 2, "{}", again.all());
    insta::assert_snapshot!("resume_ended", again.all());
}

#[test]
fn a_damaged_middle_is_refused_with_its_place() {
    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let path = journal(&place);
    let text = fs::read_to_string(&path).unwrap().replacen("\"step_started\"", "\"step_startet\"", 1);
    fs::write(&path, text).unwrap();
    let shown = said(place.command().args(["show", "01K9ZQ4T"]));
    assert_eq!(shown.code, 3);
    assert!(shown.stderr.contains("journal.jsonl:2: the journal is damaged"), "{}", shown.stderr);
}
