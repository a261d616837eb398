//! Earlier runs: found, compared, followed, removed.

use crate::support::{Place, Said, said};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};

/// Ids as the program makes them: they begin with their time.
const RUNS: [&str; 4] = [
    "01K9ZQ4T000000000000000001",
    "01K9ZQ4T0000000000000000X2",
    "01K9ZQ4T0000000000000000Y3",
    "01K9ZQ4V000000000000000004",
];

const COUNT: &str = "runbook: v1
title: Count
params:
  limit: {type: int, default: 2}
namespace: shop
steps:
  - id: small
    title: All are small
    value: '[{name: \"a\", n: 1}, {name: \"b\", n: 3}]'
    expect:
      - all: .n <= $params.limit
findings:
  - id: too-large
    when: $steps.small.failed
    cause: A number is too large
    remedy: {text: count again}
";

fn run_as(place: &Place, run: &str, now: &str, arguments: &[&str]) -> Said {
    let mut command = place.command();
    said(command.env("RUNBOOK_RUN_ID", run).env("RUNBOOK_NOW", now).args(arguments))
}

/// Four runs: failed, passed, a dry run, and one of another runbook.
fn four() -> Place {
    let place = Place::new();
    place.write("runbooks/shop/count.yaml", COUNT);
    let more = ["--set", "limit=5"];
    let count = ["run", "shop/count"];
    for (run, day, arguments, code) in [
        (RUNS[0], 17, count.to_vec(), 1),
        (RUNS[1], 18, [&count[..], &more].concat(), 0),
        (RUNS[2], 19, [&count[..], &["--dry-run"]].concat(), 1),
        (RUNS[3], 20, vec!["run", "ta-bot/smoke", "--sandbox=healthy"], 0),
    ] {
        let said = run_as(&place, run, &format!("2026-11-{day}T03:12:07Z"), &arguments);
        assert_eq!(said.code, code, "{}", said.all());
    }
    place
}

/// The ids in a list, by their last character.
fn listed(place: &Place, arguments: &[&str]) -> String {
    let (document, code) = place.json(&[&["history"], arguments].concat());
    assert_eq!(code, 0);
    let runs = document["runs"].as_array().unwrap();
    runs.iter().map(|run| run["run"].as_str().unwrap().chars().last().unwrap()).collect()
}

#[test]
fn all_filters_must_hold() {
    let place = four();
    for (arguments, wanted) in [
        (&[][..], "4321"),
        (&["shop/count"], "321"),
        (&["--runbook", "shop/"], "321"),
        (&["--verdict", "passed"], "42"),
        (&["--verdict", "passed,failed", "--limit", "2"], "43"),
        (&["--since", "2026-11-19"], "43"),
        (&["--since", "36h"], "43"),
        (&["--target", "healthy"], "4"),
        (&["--target", "shop", "--verdict", "failed"], "31"),
        (&["-n", "petrosa-apps"], "4"),
        (&["--alert", "Nothing"], ""),
        (&["shop/count", "--since", "2026-11-18", "--verdict", "passed"], "2"),
    ] {
        assert_eq!(listed(&place, arguments), wanted, "{arguments:?}");
    }
    insta::assert_snapshot!("history_list", place.run(&["history"]).all());
    let narrow = said(place.command().env("COLUMNS", "40").args(["history", "--limit", "2"]));
    insta::assert_snapshot!("history_narrow", narrow.all());
    let none = place.run(&["history", "--alert", "Nothing"]);
    assert_eq!(none.stdout, "no run matches; 4 runs are recorded\n");
    assert_eq!(place.run(&["history", "--since", "yesterday"]).code, 2);
    for limit in ["-1", "0", "many"] {
        let said = place.run(&["history", "--limit", limit]);
        assert!(said.code == 2 && said.stderr.contains("a whole number from 1"), "{}", said.all());
    }
}

/// Everything that is recorded is listed, and nothing is taken for what it is not.
#[test]
fn a_record_that_cannot_be_read_is_listed_as_such() {
    let place = four();
    let broken = "01K9ZQ4W000000000000000005";
    place.write(&format!("state/runs/{broken}/journal.jsonl"), "no journal\n");
    assert_eq!(listed(&place, &[]), "54321");
    assert_eq!(listed(&place, &["--verdict", "crashed"]), "");
    assert_eq!(listed(&place, &["--verdict", "unreadable"]), "5");
    assert_eq!(listed(&place, &["shop/"]), "321");
    let (document, code) = place.json(&["prune", "--keep", "9"]);
    assert_eq!(code, 0);
    let kept = document["kept"].as_array().unwrap();
    assert_eq!((kept.len(), &kept[0]["because"]), (1, &Value::from("unreadable")), "{document:#}");
    assert!(kept[0]["reason"].as_str().unwrap().contains(broken), "{document:#}");
}

/// The list is never wider than the terminal.
#[test]
fn a_list_folds() {
    let place = Place::new();
    let name = "shop/a-name-that-is-rather-long-for-a-list";
    place.write(&format!("runbooks/{name}.yaml"), COUNT);
    run_as(&place, RUNS[0], "2026-11-17T03:12:07Z", &["run", name, "--sandbox=plain/app-exit"]);
    run_as(&place, RUNS[1], "2026-11-17T03:12:07Z", &["run", "ta-bot/smoke", "--sandbox=healthy"]);
    for width in ["40", "80", "120"] {
        let said = said(place.command().env("COLUMNS", width).args(["history"]));
        let width: usize = width.parse().unwrap();
        let long =
            said.stdout.lines().find(|line| line.chars().count() > width.max(2 + name.len()));
        assert_eq!(long, None, "{width}: {}", said.stdout);
        insta::assert_snapshot!(format!("history_{width}"), said.stdout);
    }
}

/// Wherever a run is named, the same names are understood, and what is not one ends with code 2.
#[test]
fn a_run_is_named_the_same_way_everywhere() {
    let place = four();
    let before = fs::read_dir(place.state().join("runs")).unwrap().count();
    for command in [
        &["show"][..],
        &["log"],
        &["diff"],
        &["report"],
        &["status"],
        &["resume"],
        &["undo"],
        &["approve", "--step", "x"],
        &["record", "--run"],
    ] {
        let with = |run: &str| place.run(&[command, &[run]].concat());
        for wrong in ["01K9ZQ4T", "nothing", "latest:shop/nothing"] {
            let said = with(wrong);
            assert_eq!(said.code, 2, "{command:?} {wrong}: {}", said.all());
        }
        let ambiguous = with("01k9zq4t").stderr;
        for run in &RUNS[..3] {
            assert!(ambiguous.contains(run), "{command:?}: {ambiguous}");
        }
        for name in ["latest", "01K9ZQ4V", "000004", "latest:ta-bot/smoke"] {
            let said = with(name);
            let unknown = ["not found", "matches", "is recorded"];
            assert!(
                !unknown.iter().any(|word| said.stderr.contains(word)),
                "{command:?} {name}: {}",
                said.all()
            );
        }
    }
    assert_eq!(fs::read_dir(place.state().join("runs")).unwrap().count(), before);
    insta::assert_snapshot!("history_ambiguous", place.run(&["show", "01K9ZQ4T"]).all());
}

#[test]
fn what_was_different() {
    let place = four();
    // the run before it of the same kind: the dry run is none
    insta::assert_snapshot!("diff", place.run(&["diff", "X2"]).all());
    let ascii = said(place.command().env("LC_ALL", "C").args([
        "diff",
        "X2",
        "01K9ZQ4T00000000000000000001",
    ]));
    assert_eq!(ascii.code, 2, "{}", ascii.all());
    let ascii = said(place.command().env("LC_ALL", "C").args(["diff", "X2", RUNS[0]]));
    assert!(ascii.stdout.contains("limit: 2 -> 5") && ascii.stdout.is_ascii(), "{}", ascii.all());
    let same = place.run(&["diff", RUNS[0], RUNS[0]]);
    assert!(same.stdout.ends_with("\nNothing was different.\n"), "{}", same.all());
    let (document, code) = place.json(&["diff", RUNS[0], RUNS[1]]);
    assert_eq!(code, 0);
    for (path, wanted) in [
        ("/schema", Value::from("runbook.diff/v1")),
        ("/same", false.into()),
        ("/before/verdict", "failed".into()),
        ("/after/verdict", "passed".into()),
        ("/params/0/name", "limit".into()),
        ("/findings/0/id", "too-large".into()),
        ("/findings/0/after/known", "not_found".into()),
        ("/steps/0/path", "small".into()),
        ("/steps/0/expectations/0/after/outcome", "passed".into()),
    ] {
        assert_eq!(document.pointer(path), Some(&wanted), "{path}");
    }
    let (turned, _) = place.json(&["diff", RUNS[1], RUNS[0]]);
    assert_eq!(turned["before"]["run"], RUNS[0], "the earlier one comes first");
    let said = place.run(&["diff", RUNS[1], RUNS[0]]);
    assert!(said.stderr.contains("is shown as the earlier one"), "{}", said.stderr);
    let first = place.run(&["diff", RUNS[0]]);
    assert_eq!(first.code, 2, "{}", first.all());
}

#[test]
fn a_single_step() {
    let place = four();
    insta::assert_snapshot!("show_step", place.run(&["show", RUNS[0], "--step", "small"]).all());
    let (document, _) = place.json(&["show", RUNS[0], "--step", "small"]);
    assert_eq!(document["steps"][0]["outcome"], "failed");
    assert_eq!(document["steps"][0]["output"][1]["name"], "b");
    let (document, _) = place.json(&["show", RUNS[0]]);
    assert_eq!(document["steps"][0]["output"][0]["name"], "a");
    let unknown = place.run(&["show", RUNS[0], "--step", "smal"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("its steps: small"), "{}", unknown.all());
    let lines = place.run(&["show", RUNS[0], "--step", "small", "-o", "jsonl"]).stdout;
    assert!(lines.lines().count() >= 2 && lines.lines().all(|line| line.contains("\"small\"")));
}

#[test]
fn a_run_is_followed_to_its_end_from_elsewhere() {
    let place = Place::new();
    let text = "runbook: v1\ntitle: Slow\nsteps:\n  - id: wait\n    title: Waits\n    pause: 1s\n  \
        - id: two\n    title: Is two\n    value: '1'\n    expect: [{that: . == 2}]\n";
    let file = place.write("slow.yaml", text);
    let begin = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command
            .env("RUNBOOK_STATE_DIR", place.state())
            .args(["run", &file])
            .current_dir(place.path())
            .stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let begun = |count: usize| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while listed_count(&place) < count && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    let mut child = begin();
    begun(1);
    let follow = |output: &str| said(place.command().args(["log", "-f", "--output", output]));
    let told = follow("text");
    assert!(child.wait().unwrap().code() == Some(1) && told.code == 1, "{}", told.all());
    assert!(
        told.stdout.contains("✘ two") && told.stderr.contains("has ended with exit code 1"),
        "{}",
        told.all()
    );
    // of a run that is over it tells the same
    let again = follow("text");
    assert_eq!((again.stdout, again.code), (told.stdout, 1));
    assert_eq!(place.run(&["log"]).code, 0);

    let mut child = begin();
    begun(2);
    assert_eq!(listed_with(&place, "running"), 1);
    standing(&place, "still running", "in progress", true);
    child.kill().unwrap();
    child.wait().unwrap();
    let told = follow("text");
    assert!(told.code == 3 && told.stderr.contains("has crashed"), "{}", told.all());
    assert_eq!(listed_with(&place, "crashed"), 1);
    standing(&place, "its process died", "the process of the run died", false);
    let lines = follow("jsonl").stdout;
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

/// Whatever shows the last run says whether it goes on.
fn standing(place: &Place, words: &str, shown: &str, running: bool) {
    for command in [&["status"][..], &["report", "-o", "text"], &["report", "-o", "markdown"]] {
        let said = place.run(&[command, &["latest"]].concat());
        assert!(said.stdout.contains(words), "{command:?}: {}", said.all());
        let follows = said.stdout.contains("runbook log -f");
        assert!(follows == running || command.len() == 3, "{command:?}: {}", said.all());
    }
    let said = place.run(&["show", "latest"]);
    assert!(said.stdout.contains(shown), "{}", said.all());
    for command in ["show", "status"] {
        assert_eq!(place.json(&[command, "latest"]).0["running"], running, "{command}");
    }
}

fn listed_count(place: &Place) -> usize {
    let (document, _) = place.json(&["history"]);
    // a header that is being written is none yet
    let runs = document["runs"].as_array().unwrap();
    runs.iter().filter(|run| !run["runbook"].is_null()).count()
}

fn listed_with(place: &Place, verdict: &str) -> usize {
    let (document, _) = place.json(&["history", "--verdict", verdict]);
    document["runs"].as_array().unwrap().len()
}

#[test]
fn what_is_pruned_and_what_is_kept_because_it_is_needed() {
    let place = four();
    let text = "runbook: v1\ntitle: Asks\nsteps:\n  - id: sure\n    title: Asks\n    confirm: \
        {question: Sure?}\n";
    let file = place.write("ask.yaml", text);
    let paused =
        run_as(&place, "01K9ZQ4R000000000000000005", "2026-01-01T00:00:00Z", &["run", &file]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    let changed = run_as(
        &place,
        "01K9ZQ4R000000000000000006",
        "2026-01-02T00:00:00Z",
        &["run", "ta-bot/restart", "--sandbox=healthy", "--yes"],
    );
    assert_eq!(changed.code, 0, "{}", changed.all());
    let listing = place.run(&["prune", "--keep", "0", "--older-than", "36h"]);
    insta::assert_snapshot!("prune", listing.all());
    assert_eq!(listed(&place, &[]), "432165", "nothing was removed");
    let (document, code) = place.json(&["prune", "--keep", "0", "--older-than", "36h", "--yes"]);
    assert_eq!((code, document["removed"].as_array().unwrap().len()), (0, 2));
    assert_eq!(document["kept"][0]["because"], "changes");
    assert_eq!(document["kept"][1]["because"], "paused");
    assert_eq!(listed(&place, &[]), "4365");
    let all = ["--include", "changes", "--include", "unfinished"];
    let said = place.run(&[&["prune", "--keep", "1", "--yes"], &all[..]].concat());
    assert!(said.stdout.starts_with("Removed 0 of 4 runs\n"), "{}", said.all());
    let said = place.run(&[&["prune", "--keep", "0", "--yes"], &all[..]].concat());
    assert!(said.stdout.starts_with("Removed 4 of 4 runs\n"), "{}", said.all());
    assert_eq!(place.run(&["prune", "--yes"]).code, 2, "a retention must be stated");
}

#[test]
fn the_last_runs_for_prometheus() {
    let place = four();
    let said = place.run(&["report", "-o", "prometheus"]);
    insta::assert_snapshot!("prometheus", said.all());
    let written = place.run(&["report", "-o", "prometheus", "--file", "runbook.prom"]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(place.path().join("runbook.prom")).unwrap(), said.stdout);
    let one = place.run(&["report", RUNS[0], "-o", "prometheus"]).stdout;
    assert!(one.contains("verdict=\"failed\"} 1\n"), "{one}");
}
