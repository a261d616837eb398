//! A part of a runbook: what is left out is not passed, and guards nothing.

use crate::changes::{RUN, Stage};
use serde_json::Value;

const STEPS: &str = "runbook: v1
title: Look, then note it
namespace: petrosa-apps
steps:
  - id: look
    get: {kind: Deployment, name: petrosa-ta-bot}
    expect: .spec.replicas > 0
  - id: pods
    get: {kind: Pod, selector: app=petrosa-ta-bot}
    on_failure: continue
  - id: count
    value: $steps.pods.output.items | length
    on_failure: continue
    expect: . > 0
  - id: mark
    annotate: {target: deployment/petrosa-ta-bot, annotations: {noted: '1'}}
always:
  - id: end
    get: {kind: Pod, selector: app=petrosa-ta-bot}
findings:
  - id: no-pods
    when: $steps.count.output == 0
    cause: there are no pods
";

fn stage() -> Stage {
    let stage = Stage::new("healthy", false);
    stage.place.write("steps.yaml", STEPS);
    stage
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn outcomes(document: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = document["steps"].as_array().unwrap();
    steps.iter().map(|step| (text(&step["id"]), text(&step["outcome"]))).collect()
}

fn run(stage: &Stage, arguments: &[&str]) -> (Value, i32) {
    let fixed = ["run", "steps.yaml", "--yes", "--output", "json"];
    let said = stage.run(&[&fixed, arguments].concat());
    (document(&said.stdout), said.code)
}

#[test]
fn a_part_that_is_well_is_partial_and_leaves_open_what_it_did_not_look_at() {
    let stage = stage();
    let (document, code) = run(&stage, &["--only", "look"]);
    assert_eq!((code, &document["verdict"]), (0, &"partial".into()));
    assert_eq!(document["part"]["only"][0], "look");
    let wanted = [
        ("look", "passed"),
        ("pods", "skipped"),
        ("count", "skipped"),
        ("mark", "skipped"),
        ("end", "passed"),
    ];
    let wanted: Vec<_> = wanted.map(|(id, end)| (id.to_owned(), end.to_owned())).into();
    assert_eq!(outcomes(&document), wanted, "what must always be done is done");
    assert_eq!(document["steps"][1]["reason"], "skipped by --only");
    assert_eq!(document["not_ruled_out"][0]["id"], "no-pods");
    assert_eq!(stage.writes().len(), 0);
    let shown = stage.run(&["show", RUN]).stdout;
    assert!(shown.contains("skipped by --only"), "{shown}");
}

#[test]
fn what_needs_a_step_that_was_left_out_is_unknown() {
    let (document, code) = run(&stage(), &["--only", "look,count"]);
    assert_eq!((code, &document["verdict"]), (3, &"unknown".into()));
    let count = &document["steps"][2];
    assert_eq!((&count["id"], &count["outcome"]), (&"count".into(), &"unknown".into()));
    assert!(count["reason"].as_str().unwrap().contains("skipped by --only"), "{count}");
}

#[test]
fn a_change_is_not_made_behind_a_look_that_was_left_out() {
    for part in [&["--only", "mark"][..], &["--start-at", "pods"]] {
        let stage = stage();
        let (document, code) = run(&stage, part);
        assert_eq!((code, stage.writes().len()), (3, 0), "{document:#}");
        let mark = document["steps"].as_array().unwrap().iter().find(|step| step["id"] == "mark");
        assert_eq!(mark.unwrap()["reason"], "step look was skipped");
    }
    // what would not have stopped the run guards nothing
    let stage = stage();
    let (document, code) = run(&stage, &["--only", "look", "--only", "mark"]);
    assert_eq!((code, stage.writes().len()), (0, 1), "{document:#}");
    assert_eq!(document["verdict"], "partial");
}

#[test]
fn a_dry_run_of_a_part_previews_that_part() {
    let stage = stage();
    let (document, code) = run(&stage, &["--only", "look,mark", "--dry-run"]);
    // what is always looked at is unknown behind a change that was not made
    assert_eq!((code, &document["verdict"]), (0, &"previewed".into()), "{document:#}");
    assert_eq!(document["part"]["only"][1], "mark");
    assert_eq!(stage.writes().len(), 0);
    let stage = self::stage();
    let (document, code) = run(&stage, &["--only", "look", "--dry-run"]);
    assert_eq!((code, &document["verdict"]), (0, &"partial".into()), "{document:#}");
    assert_eq!(stage.writes().len(), 0);
}

#[test]
fn a_resume_goes_on_with_the_same_part() {
    let stage = stage();
    stage.place.write(
        "steps.yaml",
        STEPS.replace(
            "  - id: mark\n",
            "  - id: ask\n    confirm: \
        Go on?\n  - id: mark\n",
        ),
    );
    let said = stage.run(&["run", "steps.yaml", "--only", "look,ask,mark", "--yes"]);
    assert_eq!(said.code, 4, "{}", said.all());
    let head = "Only look, ask, mark: the other steps are skipped";
    assert!(said.stdout.contains(head), "{}", said.all());
    let resumed = ["resume", RUN, "--yes", "--skip", "ask", "--reason", "yes", "-o", "json"];
    let said = stage.run(&resumed);
    assert_eq!((said.code, stage.writes().len()), (0, 1), "{}", said.all());
    let document = document(&said.stdout);
    assert_eq!(document["verdict"], "partial");
    assert_eq!(document["steps"][1]["reason"], "skipped by --only");
    let listed = stage.run(&["history", "--verdict", "partial"]);
    assert!(listed.stdout.contains("partial"), "{}", listed.all());
}

#[test]
fn a_step_that_does_not_exist_is_a_mistake() {
    let stage = stage();
    let said = stage.run(&["run", "steps.yaml", "--only", "looks"]);
    let near = "has no step looks; did you mean look?";
    assert!(said.code == 2 && said.stderr.contains(near), "{}", said.all());
    let said = stage.run(&["run", "steps.yaml", "--start-at", "rollout"]);
    assert!(said.code == 2 && said.stderr.contains("runbook plan"), "{}", said.all());
}

#[test]
fn a_change_that_makes_good_or_cleans_up_is_not_made_behind_a_look_that_was_left_out() {
    let stage = stage();
    stage.place.write(
        "rescue.yaml",
        "runbook: v1
title: Change and make good
namespace: petrosa-apps
steps:
  - id: guard
    get: {kind: Deployment, name: petrosa-ta-bot}
    expect: .spec.replicas > 100
  - id: group
    steps:
      - id: mark
        annotate: {target: deployment/petrosa-ta-bot, annotations: {noted: '1'}}
        then: {id: verify, get: {kind: Deployment, name: petrosa-ta-bot}}
    rescue:
      - id: again
        annotate: {target: deployment/petrosa-ta-bot, annotations: {noted: '2'}}
always:
  - id: end
    annotate: {target: deployment/petrosa-ta-bot, annotations: {noted: '3'}}
",
    );
    let run = |part: &[&str]| {
        stage.run(&[&["run", "rescue.yaml", "--yes", "--output", "json"], part].concat())
    };
    let said = run(&["--only", "group"]);
    assert_eq!((said.code, stage.writes().len()), (3, 0), "{}", said.all());
    let said = run(&["--only", "group/mark/verify"]);
    assert_eq!((said.code, stage.writes().len()), (2, 0), "{}", said.all());
    assert!(said.all().contains("checked after group/mark: --only group/mark"), "{}", said.all());
    let said = run(&["--only", "guard", "--start-at", "group"]);
    assert_eq!((said.code, stage.writes().len()), (2, 0), "{}", said.all());
    assert!(said.all().contains("no step of"), "{}", said.all());
}

#[test]
fn a_loop_over_what_only_the_run_knows_is_a_part() {
    let text = "runbook: v1
title: Twice
namespace: petrosa-apps
steps:
  - id: pairs
    for_each: '[1, 2] + [$run.id | length]'
    steps:
      - id: double
        value: $item * 2
  - id: other
    value: 1
";
    for (part, doubled) in [(&["--only", "pairs"][..], 3), (&["--start-at", "other"], 0)] {
        let stage = stage();
        stage.place.write("loop.yaml", text);
        let said = stage.run(&[&["run", "loop.yaml", "--output", "json"], part].concat());
        assert_eq!(said.code, 0, "{}", said.all());
        let steps = outcomes(&document(&said.stdout));
        let is_doubled =
            |(id, outcome): &&(String, String)| id.ends_with("double") && outcome == "passed";
        assert_eq!(steps.iter().filter(is_doubled).count(), doubled, "{}", said.all());
    }
}

#[test]
fn a_look_whose_group_would_have_stopped_the_run_guards_the_change_behind_it() {
    let stage = stage();
    let (head, change) = STEPS.split_once("  - id: mark").unwrap();
    let (head, _) = head.split_once("  - id: look").unwrap();
    let group = "  - id: g\n    steps:\n    - {id: look, on_failure: continue, value: '1'}\n    - {id: other, \
        value: '1'}\n";
    let (change, _) = change.split_once("always:").unwrap();
    stage.place.write("steps.yaml", format!("{head}{group}  - id: mark{change}"));
    let (document, code) = run(&stage, &["--only", "g/other,mark"]);
    assert_eq!((code, stage.writes().len()), (3, 0), "{document:#}");
    let reason = document["steps"].as_array().unwrap().last().unwrap()["reason"].clone();
    assert_eq!(reason, "step look was skipped", "{document:#}");
}
