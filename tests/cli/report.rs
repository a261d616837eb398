//! Reports: written after a run, or rendered later from its journal; the same either way.

use crate::support::{Place, said};
use std::fs;

const RUN: &str = "01K9ZQ4T000000000000000000";

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

/// The text without what changes with every edit of the runbook and every release.
fn stable(text: &str) -> String {
    let changing =
        regex::Regex::new(r#"sha256:[0-9a-f]{64}|(?<head>name="version" value=")[^"]*"#).unwrap();
    changing.replace_all(text, "${head}…").into_owned()
}

#[test]
fn a_smoke_test_after_a_deploy() {
    for (scenario, code) in [("healthy", 0), ("tabot-no-leader", 1)] {
        let place = Place::new();
        let run = place.run(&[
            "run",
            "ta-bot/smoke",
            &format!("--sandbox={scenario}"),
            "--report",
            "junit=smoke.xml",
            "--report",
            "markdown=smoke.md",
            "--report",
            "json=smoke.json",
            "--output",
            "json",
        ]);
        assert_eq!(run.code, code, "{}", run.all());
        let name = scenario.replace('-', "_");
        insta::assert_snapshot!(format!("junit_{name}"), stable(&read(&place, "smoke.xml")));
        insta::assert_snapshot!(format!("markdown_{name}"), read(&place, "smoke.md"));
        assert_eq!(read(&place, "smoke.json"), run.stdout);
    }
}

#[test]
fn every_format_of_an_earlier_run() {
    let place = Place::new();
    let run = place.run(&[
        "run",
        "ta-bot/smoke",
        "--sandbox=tabot-no-leader",
        "--report",
        "junit=smoke.xml",
    ]);
    let again = place.run(&["report", "01K9ZQ4T"]);
    assert_eq!((again.code, again.stdout), (0, run.stdout), "{}", again.stderr);
    let written = read(&place, "smoke.xml");
    assert_eq!(place.run(&["report", RUN, "--format", "junit"]).stdout, written);
    assert_eq!(place.run(&["report", RUN, "-o", "junit", "--file", "again.xml"]).stdout, "");
    assert_eq!(read(&place, "again.xml"), written);
    assert_eq!(
        place.run(&["report", RUN, "--format", "jsonl"]).stdout.trim_end(),
        place.run(&["show", RUN, "--output", "jsonl"]).stdout.trim_end()
    );
    // `show` has the outputs, too
    let (mut shown, _) = place.json(&["show", RUN]);
    for step in shown["steps"].as_array_mut().unwrap() {
        assert!(step.as_object_mut().unwrap().shift_remove("output").is_some(), "{step}");
    }
    assert_eq!(place.json(&["report", RUN]).0, shown);
}

/// Not reached at all, or of a process that died: the report exists and is red.
#[test]
fn a_run_that_could_not_be_judged_or_was_cut_off() {
    let place = Place::new();
    let run =
        place.run(&["run", "ta-bot/smoke", "--sandbox=api-down", "--report", "junit=smoke.xml"]);
    assert_eq!(run.code, 3, "{}", run.all());
    assert!(read(&place, "smoke.xml").contains("<error "), "{}", read(&place, "smoke.xml"));

    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let path = place.state().join("runs").join(RUN).join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let until: Vec<&str> = whole
        .lines()
        .take_while(|line| {
            !(line.contains("step_finished") && line.contains("\"path\":\"leader\""))
        })
        .collect();
    fs::write(&path, format!("{}\n{{\"seq\":9,\"at\":\"2026", until.join("\n"))).unwrap();
    let report = place.run(&["report", RUN, "--format", "junit"]);
    assert_eq!(report.code, 0, "{}", report.all());
    insta::assert_snapshot!("junit_cut_off", stable(&report.all()));
    for format in ["text", "markdown", "json", "jsonl"] {
        assert_eq!(place.run(&["report", RUN, "--format", format]).code, 0, "{format}");
    }
}

#[test]
fn a_report_that_cannot_be_written_does_not_hide_the_verdict() {
    for (scenario, code) in [("healthy", 3), ("tabot-no-leader", 1)] {
        let place = Place::new();
        let run = place.run(&[
            "run",
            "ta-bot/smoke",
            &format!("--sandbox={scenario}"),
            "--report",
            "junit=missing/smoke.xml",
            "--report",
            "markdown=smoke.md",
        ]);
        assert_eq!(run.code, code, "{}", run.all());
        assert!(
            run.stdout.contains(if code == 1 { "✘ Failed" } else { "✔ Passed" }),
            "{}",
            run.stdout
        );
        assert_eq!(
            run.stderr,
            "error: cannot write missing/smoke.xml: No such file or directory (os error 2)\n"
        );
        assert!(place.path().join("smoke.md").is_file(), "the other report is written");
        let later = place.run(&["report", RUN, "--file", "missing/smoke.txt"]);
        assert_eq!(later.code, 3, "{}", later.all());
    }
}

#[test]
fn what_cannot_be_meant_is_said() {
    let place = Place::new();
    for (arguments, words) in [
        (
            vec!["run", "ta-bot/smoke", "--sandbox", "--report", "smoke.xml"],
            "use KIND=FILE, such as junit=smoke.xml",
        ),
        (
            vec!["run", "ta-bot/smoke", "--sandbox", "--report", "xml=smoke.xml"],
            "`xml` is not a report format",
        ),
        (vec!["report", RUN, "--output", "smoke.txt"], "invalid value 'smoke.txt'"),
        (vec!["report"], "name a run, such as latest"),
    ] {
        let said = place.run(&arguments);
        assert_eq!(said.code, 2, "{}", said.all());
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    assert_eq!(place.run(&["report", RUN]).code, 2, "there is no such run");
}

#[test]
fn no_secret_is_in_a_report() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: T\nparams:\n  token: {type: string, secret: true}\nsteps:\n  - \
        id: use\n    title: Uses {{ params.token }}\n    value: $params.token\n    expect:\n      \
        - that: . == \"other\"\n        message: \"not {{ params.token }}\"\nfindings:\n  - id: \
        wrong\n    when: $steps.use.failed\n    cause: The token is {{ params.token }}\n    \
        remedy: {text: \"stop using {{ params.token }}\"}\n";
    let file = place.write("t.yaml", text);
    let mut arguments =
        vec!["run".to_owned(), file, "--set".into(), "token=hunter2-hunter2".into()];
    let formats = ["text", "markdown", "junit", "json", "jsonl"];
    arguments.extend(
        formats
            .iter()
            .flat_map(|format| ["--report".to_owned(), format!("{format}=report.{format}")]),
    );
    let run = said(place.command().args(arguments));
    assert_eq!(run.code, 1, "{}", run.all());
    for format in formats {
        let report = read(&place, &format!("report.{format}"));
        assert!(report.contains("wrong") && !report.contains("hunter2"), "{format}: {report}");
    }
}

#[test]
fn the_example_for_ci_is_what_the_program_understands() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/github-actions.yaml");
    let workflow: serde_json::Value =
        serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap();
    let commands = jobs
        .values()
        .flat_map(|job| job["steps"].as_array().unwrap())
        .filter_map(|step| step["run"].as_str());
    let smoke =
        commands.flat_map(str::lines).find(|line| line.trim().starts_with("runbook run ")).unwrap();
    let words: Vec<&str> = smoke
        .split_whitespace()
        .skip(1)
        .take_while(|word| *word != ">")
        .map(|word| if word.contains("version=") { "version=v1.0.70" } else { word })
        .collect();
    let place = Place::new();
    let run = place.run(&[&words[..], &["--sandbox=healthy"]].concat());
    assert!([0, 1].contains(&run.code), "{}", run.all());
    assert!(read(&place, "smoke.xml").contains("<testsuite "));
}
