//! A disk that is full: nothing may be changed that cannot be recorded.

use crate::changes::{RUN, Stage};
use crate::support::{Said, said};
use serde_json::Value;
use std::fs;

const STEPS: &str = "runbook: v1
title: Three changes
namespace: petrosa-apps
steps:
  - id: one
    annotate: {target: deployment/petrosa-ta-bot, annotations: {one: '1'}}
  - id: two
    apply: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {a: '1'}}}
  - id: three
    scale: {target: deployment/petrosa-ta-bot, replicas: 1}
";

/// Runs with files that cannot become larger than so many blocks of 512 bytes. What is written
/// beyond fails, as on a full disk.
fn run_within(stage: &Stage, blocks: u32) -> Said {
    let mut command = assert_cmd::Command::new("sh");
    let script = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec {} run steps.yaml --yes",
        env!("CARGO_BIN_EXE_runbook")
    );
    command
        .args(["-c", &script])
        .env("HOME", stage.place.path())
        .env("RUNBOOK_STATE_DIR", stage.place.state())
        .env("RUNBOOK_RUN_ID", RUN)
        .env("RUNBOOK_HOST", "test-host")
        .env("KUBECONFIG", stage.place.path().join("kubeconfig"))
        .current_dir(stage.place.path());
    said(&mut command)
}

#[cfg(unix)]
#[test]
fn promise_17_a_full_disk_stops_the_run_before_the_next_change_and_says_so() {
    let mut stopped_after = std::collections::BTreeSet::new();
    for blocks in 1..40 {
        let stage = Stage::new("healthy", false);
        stage.place.write("steps.yaml", STEPS);
        let said = run_within(&stage, blocks);
        let made = stage.writes().len();
        if said.code == 0 {
            assert_eq!(made, 3, "{}", said.all());
            break;
        }
        let all = format!("{blocks} blocks, {made} changes: {}", said.all());
        assert_eq!(said.code, 3, "{all}");
        assert!(
            said.stderr.contains("the run stopped because its journal could not be written"),
            "{all}"
        );
        assert!(
            said.stderr.contains("journal.jsonl") && said.stderr.contains("File too large"),
            "where and why: {all}"
        );
        let folder = stage.place.state().join("runs").join(RUN);
        let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
        let whole: Vec<Value> =
            journal.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let begun = whole.iter().filter(|record| record["event"] == "change_started").count();
        assert!(made <= begun, "a change without its intent on the disk: {all}\n{journal}");
        stopped_after.insert(made);
        if whole.is_empty() {
            continue;
        }
        // with room again it goes on, and no change is made twice
        let resumed = stage.run(&["resume", RUN, "--yes"]);
        let over = resumed.code == 2 && resumed.stderr.contains("has ended (passed)");
        assert!(resumed.code == 0 || over, "{all}\n{}", resumed.all());
        assert_eq!(stage.writes().len(), 3, "{all}\n{}", resumed.all());
    }
    assert_eq!(
        stopped_after.into_iter().collect::<Vec<_>>(),
        [0, 1, 2, 3],
        "it was stopped between all changes"
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_stops_the_run_before_anything_is_done() {
    let stage = Stage::new("healthy", false);
    stage.place.write("steps.yaml", STEPS);
    // a file where a folder should be stops also those whom no permission stops
    stage.place.write("state", "not a folder");
    let said = stage.run(&["run", "steps.yaml", "--yes"]);
    assert_eq!(said.code, 3, "{}", said.all());
    assert!(said.stderr.contains("state"), "{}", said.all());
    assert_eq!(stage.writes().len(), 0, "{}", said.all());
}
