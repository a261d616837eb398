//! A run that was stopped goes on where it stopped.

use crate::changes::{RUN, Stage};
use crate::support::{Place, said};
use runbook::sandbox::Options;
use std::fs;
use std::process::{Child, Command, Stdio};

const SLOW: &str = "runbook: v1\ntitle: Slow\nsteps:\n  - id: first\n    title: Quick\n    value: \
    $run.id\n  - id: slow\n    title: Takes its time\n    pause: 30s\n  - id: last\n    title: \
    After it\n    value: $steps.first.output\n";

pub(crate) fn journal(place: &Place) -> std::path::PathBuf {
    place.state().join("runs/01K9ZQ4T000000000000000000/journal.jsonl")
}

/// How often a step was begun, by the journal of its run.
pub(crate) fn begun(place: &Place, path: &str) -> usize {
    let text = fs::read_to_string(journal(place)).unwrap_or_default();
    let is_begin = |line: &&str| {
        line.contains("\"step_started\"") && line.contains(&format!("\"path\":\"{path}\""))
    };
    text.lines().filter(is_begin).count()
}

/// A run of a runbook in a process of its own.
pub(crate) fn started(place: &Place, file: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", file, "--yes"])
        .current_dir(place.path())
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("RUNBOOK_RUN_ID", "01K9ZQ4T000000000000000000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends a signal to a run when a step of it has begun: its intent is in the journal.
pub(crate) fn signalled(place: &Place, run: &Child, path: &str, signal: &str) {
    for _ in 0..400 {
        if begun(place, path) > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let status = Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Runs a runbook and presses Ctrl-C when the step at this path has begun.
pub(crate) fn interrupted(place: &Place, file: &str, path: &str) {
    let mut run = started(place, file);
    signalled(place, &run, path, "-INT");
    assert_eq!(run.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_run_in_order_and_resume_keeps_what_is_done() {
    let place = Place::new();
    let file = place.write("slow.yaml", SLOW);
    interrupted(&place, &file, "slow");
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(document["verdict"], "cancelled");

    // shorter now: a changed step is done again, an unchanged one is kept
    place.write("slow.yaml", SLOW.replace("30s", "10ms"));
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    assert!(resumed.all().contains("Kept from earlier: first"), "{}", resumed.all());
    let begun = |id: &str| begun(&place, id);
    assert_eq!((begun("first"), begun("slow"), begun("last")), (1, 2, 1), "{}", resumed.all());
}

#[test]
fn a_torn_journal_is_repaired_and_gone_on_with() {
    let place = Place::new();
    let file = place.write("quick.yaml", SLOW.replace("30s", "10ms"));
    assert_eq!(place.run(&["run", &file]).code, 0);
    let path = journal(&place);
    let whole = fs::read_to_string(&path).unwrap();
    // as if the process had been killed while it wrote the outcome of `slow`
    let until: Vec<&str> = whole
        .lines()
        .take_while(|line| !(line.contains("step_finished") && line.contains("\"path\":\"slow\"")))
        .collect();
    fs::write(&path, format!("{}\n{{\"seq\":5,\"at\":\"2026", until.join("\n"))).unwrap();
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
    let (document, _) = place.json(&["show", "01K9ZQ4T"]);
    assert_eq!(
        (&document["verdict"], document["steps"].as_array().unwrap().len()),
        (&"passed".into(), 3)
    );
}

#[test]
fn a_run_that_has_ended_has_nothing_to_go_on_with() {
    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let again = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(again.code, 2, "{}", again.all());
    insta::assert_snapshot!(again.all(), @r"
    --- stderr
    error: run 01K9ZQ4T000000000000000000 has ended (passed) and cannot be resumed; to see it: runbook show 00000000
    --- exit 2
    ");
}

#[test]
fn a_damaged_middle_is_refused_with_its_place() {
    let place = Place::new();
    place.run(&["run", "ta-bot/smoke", "--sandbox=healthy"]);
    let path = journal(&place);
    let text =
        fs::read_to_string(&path).unwrap().replacen("\"step_started\"", "\"step_startet\"", 1);
    fs::write(&path, text).unwrap();
    let shown = said(place.command().args(["show", "01K9ZQ4T"]));
    assert_eq!(shown.code, 3);
    assert!(shown.stderr.contains("journal.jsonl:2: the journal is damaged"), "{}", shown.stderr);
}

/// A run that has scaled and then waits for an answer.
const ASKS: &str = "runbook: v1\ntitle: Asks\nnamespace: petrosa-apps\nsteps:\n  - id: scale\n    \
    scale: {target: deployment/petrosa-ta-bot, replicas: 2}\n  - id: ask\n    confirm: {question: \
    Go on?}\n  - id: again\n    scale: {target: deployment/petrosa-ta-bot, replicas: 1}\n";

#[test]
fn promise_4_a_run_is_not_gone_on_with_on_another_cluster_or_as_another_user() {
    let healthy = || Options { scenario: "healthy".to_owned(), ..Options::default() };
    for (other, words, despite) in [
        (
            Options { cluster: "other".to_owned(), ..healthy() },
            "this is another cluster: the run started on the cluster with kube-system ",
            "cluster",
        ),
        (
            Options { user: Some("mallory".to_owned()), ..healthy() },
            "the run was started by sandbox-operator, but this is mallory; to resume anyway, use \
                --despite user",
            "user",
        ),
    ] {
        let stage = Stage::with(healthy());
        stage.place.write("asks.yaml", ASKS);
        assert_eq!(stage.run(&["run", "asks.yaml", "--yes"]).code, 4);
        let elsewhere = Stage::with(other);
        stage.place.write("kubeconfig", elsewhere.sandbox.kubeconfig());
        let before =
            fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl"))
                .unwrap();
        let wrong = if despite == "user" { "cluster" } else { "user" };
        for arguments in [
            &["resume", RUN, "--yes"][..],
            &["resume", RUN, "--yes", "--despite", wrong],
            &["resume", RUN, "--yes", "--skip", "ask", "--reason", "no"],
        ] {
            let said = stage.run(arguments);
            assert_eq!(said.code, 2, "{}", said.all());
            assert!(said.stderr.contains(words), "{}", said.all());
            assert!(said.stderr.contains(&format!("--despite {despite}")), "{}", said.all());
        }
        assert_eq!(elsewhere.writes().len(), 0, "nothing was sent, not even the lock");
        let after =
            fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl"))
                .unwrap();
        assert_eq!(after, before, "a refused resume leaves no mark");
        let said = stage.run(&[
            "resume",
            RUN,
            "--yes",
            "--despite",
            despite,
            "--skip",
            "ask",
            "--reason",
            "asked elsewhere",
        ]);
        assert_eq!(said.code, 0, "{}", said.all());
        let replicas: Vec<_> = elsewhere
            .writes()
            .into_iter()
            .map(|write| (write["verb"].clone(), write["name"].clone()))
            .collect();
        assert_eq!(
            replicas,
            [("patch".into(), "petrosa-ta-bot".into())],
            "what is done is not done again: {}",
            said.all()
        );
        let shown = stage.run(&["show", RUN]);
        let text =
            fs::read_to_string(stage.place.state().join("runs").join(RUN).join("journal.jsonl"))
                .unwrap();
        assert!(
            text.lines().any(|line| line.contains("\"run_resumed\"")
                && (line.contains("mallory") || despite == "cluster")),
            "{}",
            shown.all()
        );
    }
}

#[test]
fn promise_4_the_same_cluster_and_user_at_another_address_go_on() {
    let stage = Stage::new("healthy", false);
    stage.place.write("asks.yaml", ASKS);
    assert_eq!(stage.run(&["run", "asks.yaml", "--yes"]).code, 4);
    let again = Stage::new("healthy", false);
    stage.place.write("kubeconfig", again.sandbox.kubeconfig());
    let said = stage.run(&["resume", RUN, "--yes", "--skip", "ask", "--reason", "asked elsewhere"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn the_command_to_continue_names_the_catalogue_of_the_run() {
    let place = Place::new();
    place.write(
        "our ops/own/ask.yaml",
        "runbook: v1\ntitle: Ask\nsteps:\n  - id: sure\n    confirm: Sure?\n",
    );
    let paused = place.run(&["run", "own/ask", "--catalogue", "our ops"]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    let wanted = "runbook resume 00000000 --catalogue 'our ops'";
    assert!(paused.all().contains(wanted), "{}", paused.all());
    let without = place.run(&["resume", "00000000"]);
    assert_eq!(without.code, 2, "{}", without.all());
    let again = place.run(&["resume", "00000000", "--catalogue", "our ops"]);
    assert_eq!(again.code, 4, "{}", again.all());
}
