//! Large outputs: each is kept once, and found where it is needed.

use crate::support::Place;
use serde_json::Value;
use std::fs;

const LARGE: &str = r#"runbook: v1
title: Large outputs
steps:
  - {id: large, value: '[range(20000)]'}
  - {id: unused, value: '[range(20000)] | map(. + 5)'}
  - id: both
    parallel: true
    steps:
      - {id: inner, value: '[range(20000)] | map(. + 1)'}
      - {id: small, value: '7'}
  - id: each
    for_each: '[1, 2]'
    value: '[range(20000)] | map(. * $item)'
  - id: last
    value: '[$steps.large.output[19999], ($steps.both.output.inner.output | length), $steps.both.output.small.output, $steps.each.output[1].output[19999]]'
    expect:
      - that: . == [19999, 20000, 7, 39998]
"#;

fn run_folder(place: &Place) -> std::path::PathBuf {
    place.state().join("runs/01K9ZQ4T000000000000000000")
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_output_is_recorded_once_and_shown_from_where_it_is() {
    let place = Place::new();
    let file = place.write("large.yaml", LARGE);
    let run = place.run(&["run", &file, "--output", "jsonl"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let streamed = records(&run.stdout);
    let output = |path: &str| {
        streamed
            .iter()
            .find(|record| record["event"] == "step_finished" && record["path"] == path)
            .unwrap()["output"]
            .clone()
    };
    assert_eq!(output("unused")[19999], 20004);
    assert_eq!(output("each[1]")[19999], 39998);
    assert_eq!(
        output("both"),
        serde_json::json!({"inner": {"outcome": "passed"}, "small": {"outcome": "passed"}})
    );
    assert_eq!(
        output("each"),
        serde_json::json!([{"item": 1, "outcome": "passed"}, {"item": 2, "outcome": "passed"}])
    );
    assert_eq!(fs::read_dir(run_folder(&place).join("artifacts")).unwrap().count(), 5);
    assert!(fs::metadata(run_folder(&place).join("journal.jsonl")).unwrap().len() < 64 * 1024);
    for command in
        [["show", "01K9ZQ4T", "--output", "jsonl"], ["report", "01K9ZQ4T", "--format", "jsonl"]]
    {
        assert_eq!(records(&place.run(&command).stdout), streamed, "{command:?}");
    }
    let shown = place.run(&["show", "01K9ZQ4T"]).stdout;
    assert!(
        shown.contains("\n        20004\n      ]\n"),
        "{}",
        shown.lines().filter(|line| line.contains("2000")).collect::<String>()
    );
    let verbose = place.run(&["report", "01K9ZQ4T", "--verbose"]).stdout;
    assert!(verbose.contains("and 19996 more"), "{verbose}");
}

#[test]
fn a_resume_finds_the_outputs_that_it_needs() {
    let place = Place::new();
    let file = place.write("large.yaml", LARGE);
    assert_eq!(place.run(&["run", &file]).code, 0);
    let path = run_folder(&place).join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    // as if the process had been killed before the last step
    let before: Vec<&str> = whole
        .lines()
        .take_while(|line| !(line.contains("step_started") && line.contains("\"path\":\"last\"")))
        .collect();
    fs::write(&path, before.join("\n") + "\n").unwrap();
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    assert!(resumed.all().contains("Kept from earlier: "), "{}", resumed.all());
    // an output that was changed since is not believed
    let stored =
        fs::read_dir(run_folder(&place).join("artifacts")).unwrap().next().unwrap().unwrap().path();
    fs::write(&stored, "[]").unwrap();
    fs::write(&path, before.join("\n") + "\n").unwrap();
    let refused = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(refused.code, 3, "{}", refused.all());
    assert!(refused.all().contains("its digest does not match the journal"), "{}", refused.all());
}
