//! Programs of this machine: they die with the run, and see no more of the environment than they
//! need.

use crate::changes::{RUN, Stage};
use crate::support::Place;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts the program, in the background.
fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place.path())
        .env("RUNBOOK_STATE_DIR", place.state());
    command.env("RUNBOOK_RUN_ID", RUN).env("RUNBOOK_HOST", "test-host").current_dir(place.path());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(name: &str, child: &Child) {
    assert!(
        Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

/// A program whose child writes again and again.
const BEATS: &str = "runbook: v1\ntitle: Beats\nsteps:\n  - id: beats\n    timeout: 60s\n    \
    command: {argv: [sh, -c, '(while :; do echo . >> beats; sleep 0.1; done) & wait']}\n";

fn beats(place: &Place) -> u64 {
    std::fs::metadata(place.path().join("beats")).map(|file| file.len()).unwrap_or_default()
}

fn rests(place: &Place) -> bool {
    let before = beats(place);
    std::thread::sleep(Duration::from_millis(500));
    before == beats(place)
}

#[test]
fn a_program_dies_with_a_run_that_is_killed() {
    let place = Place::new();
    place.write("beats.yaml", BEATS);
    let mut run = start(&place, &["run", "beats.yaml", "--yes"]);
    until("it beats", || beats(&place) > 2);
    let status = place.run(&["status", RUN]);
    assert!(
        status.stdout.contains("beats: command sh (process group ")
            && status.stdout.contains(") may still be running on host test-host"),
        "{}",
        status.all()
    );
    signal("KILL", &run);
    run.wait().unwrap();
    until("its group is ended", || rests(&place));
    until("nothing is left", || {
        !place.run(&["status", RUN]).stdout.contains("may still be running")
    });
    assert!(place.run(&["status", RUN]).stdout.contains("In doubt"));
    let mut elsewhere = place.command();
    let status =
        crate::support::said(elsewhere.env("RUNBOOK_HOST", "other-host").args(["status", RUN]));
    assert!(
        status.stdout.contains("may still be running on host test-host"),
        "of another machine nobody knows: {}",
        status.all()
    );
}

#[test]
fn a_program_dies_with_the_second_signal() {
    let place = Place::new();
    place.write("beats.yaml", BEATS);
    let mut run = start(&place, &["run", "beats.yaml", "--yes"]);
    until("it beats", || beats(&place) > 2);
    signal("TERM", &run);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!rests(&place), "the first signal lets a change end");
    signal("TERM", &run);
    assert_eq!(run.wait().unwrap().code(), Some(5), "what it did is in doubt");
    until("its group is ended", || rests(&place));
}

#[test]
fn a_terminal_that_is_gone_stops_a_run_in_order() {
    let place = Place::new();
    place.write(
        "long.yaml",
        "runbook: v1\ntitle: Long\nsteps:\n  - {id: long, pause: 60s}\nalways:\n  - id: last\n    \
            command: {argv: [touch, done-at-the-end], effect: read}\n",
    );
    let mut run = start(&place, &["run", "long.yaml"]);
    let journal = place.state().join("runs").join(RUN).join("journal.jsonl");
    until("it waits", || {
        std::fs::read_to_string(&journal).unwrap_or_default().contains("\"step_started\"")
    });
    signal("HUP", &run);
    assert_eq!(run.wait().unwrap().code(), Some(129));
    assert!(place.path().join("done-at-the-end").exists());
    let shown = place.run(&["show", RUN]);
    assert!(shown.stdout.contains("SIGHUP"), "{}", shown.all());
}

#[test]
fn under_nohup_a_hangup_changes_nothing() {
    let place = Place::new();
    place.write("short.yaml", "runbook: v1\ntitle: Short\nsteps:\n  - {id: short, pause: 2s}\n");
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" run short.yaml", env!("CARGO_BIN_EXE_runbook")])
        .current_dir(place.path());
    command
        .env("RUNBOOK_STATE_DIR", place.state())
        .env("RUNBOOK_RUN_ID", RUN)
        .stdout(Stdio::null());
    let mut run = command.spawn().unwrap();
    let journal = place.state().join("runs").join(RUN).join("journal.jsonl");
    until("it waits", || {
        std::fs::read_to_string(&journal).unwrap_or_default().contains("\"step_started\"")
    });
    signal("HUP", &run);
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn a_program_sees_of_the_environment_only_what_it_needs() {
    let steps = "steps:\n  - id: env\n    command: {argv: [env], effect: read, env: {WANTED: \"{{ \
        params.token }}\"}}\n";
    let text = format!(
        "runbook: v1\ntitle: Env\nparams: {{token: {{type: string, default: given}}}}\n{steps}"
    );
    let place = Place::new();
    let file = place.write("env.yaml", &text);
    let mut command = place.command();
    command
        .env("GH_TOKEN", "geheim")
        .env("AWS_SECRET_ACCESS_KEY", "geheim")
        .env("RUNBOOK_PARAM_TOKEN", "given")
        .env("https_proxy", "http://proxy");
    let said = crate::support::said(command.args([
        "run",
        &file,
        "--kubeconfig",
        "some-file",
        "-o",
        "json",
    ]));
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(said.code, 0, "{}", said.all());
    let shown = place.run(&["show", "000000"]);
    let shown = shown.stdout + &document.to_string();
    for (word, there) in [
        ("WANTED=given", true),
        ("https_proxy=http://proxy", true),
        ("HOME=", true),
        ("some-file", true),
        ("geheim", false),
        ("RUNBOOK_PARAM", false),
    ] {
        assert_eq!(shown.contains(word), there, "{word}: {shown}");
    }

    // a simulated run never hands the real cluster on
    let stage = Stage::new("healthy", false);
    let file = stage.place.write("env.yaml", text + "  - id: look\n    get: {kind: Namespace}\n");
    let said = stage.run(&["run", &file, "--sandbox", "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let shown = stage.run(&["show", RUN]).stdout;
    let real = stage.place.path().join("kubeconfig").display().to_string();
    assert!(shown.contains("KUBECONFIG=") && !shown.contains(&real), "{shown}");
    assert!(
        !stage.place.state().join("runs").join(RUN).join("kubeconfig").exists(),
        "it ends with the sandbox"
    );
}
