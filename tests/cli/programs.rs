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
    let said = crate::support::said(command.args(["run", &file, "-o", "json"]));
    let document: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(said.code, 0, "{}", said.all());
    let shown = place.run(&["show", "000000"]);
    let shown = shown.stdout + &document.to_string();
    for (word, there) in [
        ("WANTED=given", true),
        ("https_proxy=http://proxy", true),
        ("HOME=", true),
        ("KUBECONFIG", false),
        ("geheim", false),
        ("RUNBOOK_PARAM", false),
    ] {
        assert_eq!(shown.contains(word), there, "{word}: {shown}");
    }
}

/// A step that shows the kubeconfig of its program, with a file that says that it runs.
const SHOWS: &str = "runbook: v1\ntitle: Shows\nnamespace: petrosa-apps\nsteps:\n  - id: look\n    \
    get: {kind: Namespace}\n  - id: shows\n    namespace: observability\n    timeout: 60s\n    \
    command:\n      argv: [sh, -c, 'cp \"$KUBECONFIG\" seen; stat -c %a \"$KUBECONFIG\"; cat \
    \"$KUBECONFIG\"; echo > there; while [ -e wait ]; do sleep 0.1; done']\n      effect: read\n";

fn run_as(place: &Place, run: &str, arguments: &[&str]) -> crate::support::Said {
    crate::support::said(place.command().env("RUNBOOK_RUN_ID", run).args(arguments))
}

fn kubeconfigs(place: &Place) -> usize {
    std::fs::read_dir(place.state().join("kubeconfigs")).map_or(0, Iterator::count)
}

#[test]
fn a_program_gets_the_context_and_the_namespace_of_its_step() {
    let stage = Stage::new("healthy", false);
    let file = stage.place.write("shows.yaml", SHOWS);
    let said = stage.run(&["run", &file, "--as", "system:admin", "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let seen = std::fs::read_to_string(stage.place.path().join("seen")).unwrap();
    let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["contexts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&seen["contexts"][0]["context"]["namespace"], &seen["users"][0]["user"]["as"]),
        (&"observability".into(), &"system:admin".into())
    );
    let shown = stage.run(&["show", RUN]).stdout;
    assert!(shown.contains("600"), "{shown}");
    // the credentials of the run are secrets of the run
    let token = seen["users"][0]["user"]["token"].as_str().unwrap();
    let journal = stage.place.state().join("runs").join(RUN).join("journal.jsonl");
    let journal = std::fs::read_to_string(journal).unwrap();
    assert!(shown.contains("observability") && journal.contains("[secret kubeconfig]"), "{shown}");
    for text in [&shown, &journal, &said.stdout] {
        assert!(!text.contains(token), "{text}");
    }
    assert_eq!(kubeconfigs(&stage.place), 0, "it ends with the run");

    // a simulated run never hands the real cluster on
    let said = stage.run_as(crate::changes::OTHER, &["run", &file, "--sandbox", "-o", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let seen = std::fs::read_to_string(stage.place.path().join("seen")).unwrap();
    let real = stage.sandbox.address().to_string();
    assert!(!seen.contains(&real) && seen.contains("observability"), "{seen}");
    assert_eq!(kubeconfigs(&stage.place), 0, "it ends with the sandbox");
}

#[test]
fn the_kubeconfig_of_a_killed_run_is_removed_by_the_next() {
    let stage = Stage::new("healthy", false);
    let place = &stage.place;
    let file = place.write("shows.yaml", SHOWS);
    place.write("wait", "");
    let kubeconfig = place.path().join("kubeconfig").display().to_string();
    let mut run = start(place, &["run", &file, "--kubeconfig", &kubeconfig]);
    until("its program runs", || place.path().join("there").exists());
    assert_eq!(kubeconfigs(place), 1);
    // the run that has it keeps it
    std::fs::remove_file(place.path().join("wait")).unwrap();
    place.write("other.yaml", SHOWS.replace("there", "other"));
    signal("STOP", &run);
    let said = stage.run_as(crate::changes::OTHER, &["run", "other.yaml"]);
    assert_eq!((said.code, kubeconfigs(place)), (0, 1), "{}", said.all());
    signal("KILL", &run);
    run.wait().unwrap();
    let third = "01K9ZQ4T000000000000000003";
    let said = stage.run_as(third, &["run", "other.yaml"]);
    assert_eq!((said.code, kubeconfigs(place)), (0, 0), "{}", said.all());
}

#[test]
fn a_cluster_that_is_named_and_not_there_starts_no_program() {
    let place = Place::new();
    let file = place.write(
        "touch.yaml",
        "runbook: v1\ntitle: Touch\nsteps:\n  - id: touch\n    command: {argv: [touch, done], \
            effect: read}\n",
    );
    let said = place.run(&["run", &file, "--kubeconfig", "some-file"]);
    assert!(
        said.code != 0 && said.all().contains("the kubeconfig some-file does not exist"),
        "{}",
        said.all()
    );
    assert!(!place.path().join("done").exists());
}

#[test]
fn a_missing_program_stops_a_run_before_it_changes_anything() {
    let place = Place::new();
    let steps = |effect: &str, when: &str| {
        format!(
            "runbook: v1\ntitle: Tool\nsteps:\n  - id: first\n    command: {{argv: [touch, first]}}\n  \
                - id: tool\n    {when}command: {{argv: [no-such-tool], effect: {effect}, requires: \
                {{version: \">=2\", install: \"https://tool.example\"}}}}\n"
        )
    };
    let said = |run: u8, effect: &str, when: &str| {
        let file = place.write("tool.yaml", steps(effect, when));
        let said =
            run_as(&place, &format!("01K9ZQ4T0000000000000000{run:02}"), &["run", &file, "--yes"]);
        let first = place.path().join("first");
        let made = first.exists();
        drop(std::fs::remove_file(first));
        (said.code, made, said.all().split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let missing = "no-such-tool is not installed: install it: https://tool.example";
    let (code, made, text) = said(1, "opaque", "");
    assert!(code != 0 && !made && text.contains(missing), "{text}");
    let (code, made, text) = said(2, "read", "");
    assert!(code != 0 && made && text.contains(missing) && text.contains("unknown"), "{text}");
    let (code, made, text) = said(3, "opaque", "when: $run.namespace == \"x\"\n    ");
    assert!(code == 0 && made && !text.contains(missing), "{text}");
}

#[test]
fn a_dry_run_starts_no_program_that_the_user_does_not_trust() {
    let place = Place::new();
    let file = place.write(
        "touch.yaml",
        "runbook: v1\ntitle: Touch\nsteps:\n  - id: touch\n    command: {argv: [touch, done], \
            effect: read, requires: {tool: sh, version: \">=0\", version_args: [-c, 'touch \
            asked; echo 1.0']}}\n",
    );
    let exists = |name: &str| place.path().join(name).exists();
    run_as(&place, RUN, &["run", &file, "--dry-run"]);
    assert!(!exists("done") && !exists("asked"));
    let said = run_as(&place, crate::changes::OTHER, &["run", &file, "--dry-run", "--trust-reads"]);
    assert!(said.code == 0 && exists("done") && exists("asked"), "{}", said.all());
}

#[test]
fn no_way_around_an_error_makes_an_answer_of_what_was_not_read() {
    let place = Place::new();
    let step = |id: usize, (script, output, expect): &(&str, &str, &str)| {
        format!(
            "  - id: s{id}\n    command: {{argv: [sh, -c, \"{script}\"], effect: read, output: \
            {output}}}\n    expect: {expect}\n"
        )
    };
    let (no_json, fails) = ("echo no json", "exit 3");
    let open = [
        (no_json, "json", "'.exit_code == 0 and (.parsed.items // [] | length) == 0'"),
        (no_json, "json", "'(.parsed.items // []) == []'"),
        (no_json, "json", "'[.parsed.items[]? | select(.bad)] == []'"),
        (no_json, "json", "{none: .bad, over: '.parsed.items // []'}"),
        (no_json, "json", "'.parsed != {\"bad\": 1}'"),
        (no_json, "json", "'(.parsed | tostring | test(\"bad\")) | not'"),
        (no_json, "json", "'(try .parsed.items[] catch \"ok\") == \"ok\"'"),
        (no_json, "json", "'(tostring | test(\"bad\")) | not'"),
        (fails, "lines", "'.parsed == []'"),
    ];
    let steps: String = open.iter().enumerate().map(|(id, one)| step(id, one)).collect();
    let head = "runbook: v1\ntitle: T\non_failure: continue\nsteps:\n";
    let text = format!("{head}{steps}{}", step(99, &(no_json, "json", ".exit_code == 0")));
    let runbook = place.write("unread.yaml", text);
    let (document, code) = place.json(&["run", &runbook, "--yes"]);
    assert_eq!(code, 3, "{document:#}");
    for finished in document["steps"].as_array().unwrap() {
        // what is not about the part that was not read is decided
        let wanted = if finished["path"] == "s99" { "passed" } else { "error" };
        assert_eq!(finished["outcome"], wanted, "{finished:#}");
    }
}
