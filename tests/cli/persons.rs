//! What only a person can allow or say: approvals by someone else, actions that cannot be previewed, and what is in doubt of them.

use crate::changes::{RUN, Stage, http_send};
use crate::support::{Said, said};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn stage(steps: &str) -> Stage {
    let stage = Stage::new("healthy", false);
    stage.place.write("steps.yaml", format!("runbook: v1\ntitle: Steps\nnamespace: petrosa-apps\nhosts: [127.0.0.1]\nsteps:\n{steps}"));
    stage
}

fn run_as_user(stage: &Stage, user: &str, arguments: &[&str]) -> Said {
    let mut command = stage.place.command();
    command.env_remove("RUNBOOK_NOW").env("RUNBOOK_RUN_ID", RUN).env("RUNBOOK_USER", user).env("KUBECONFIG", stage.place.path().join("kubeconfig"));
    said(command.args(arguments))
}

fn words(said: &Said) -> String {
    format!("{} {}", said.stdout, said.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.all()))
}

fn outcome(document: &Value, path: &str) -> Value {
    document["steps"].as_array().unwrap().iter().find(|step| step["path"] == path).map(|step| step["outcome"].clone()).unwrap_or_default()
}

/// The lines that a command of the runbook has left.
fn trace(stage: &Stage) -> usize {
    fs::read_to_string(stage.place.path().join("trace")).map_or(0, |text| text.lines().count())
}

const FOUR_EYES: &str = "  - id: other
    approve: {question: 'May it be scaled down?'}
  - id: scale
    scale: {target: deployment/petrosa-ta-bot, replicas: 1}
";

#[test]
fn promise_16_what_someone_else_must_approve_is_not_approved_by_who_runs_it() {
    let stage = stage(FOUR_EYES);
    let said = run_as_user(&stage, "ada", &["run", "steps.yaml", "--yes"]);
    assert_eq!(said.code, 4, "--yes is one's own word: {}", said.all());
    assert!(words(&said).contains("runbook approve 00000001 --step other"), "{}", said.all());
    // ada's own word is recorded, and does not count
    let own = run_as_user(&stage, "ada", &["approve", RUN, "--step", "other", "--yes"]);
    assert!(own.stderr.contains("It counts where someone else than ada@test-host goes on with the run."), "{}", own.all());
    let said = run_as_user(&stage, "ada", &["resume", RUN, "--yes"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(stage.writes().len(), 0, "{}", said.all());

    let approved = run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]);
    assert!(approved.code == 0 && approved.stdout.starts_with("approved by bob@test-host until "), "{}", approved.all());
    let said = run_as_user(&stage, "ada", &["resume", RUN, "--yes", "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(outcome(&document(&said), "other"), "passed");
    assert_eq!(stage.writes().len(), 1);
    let shown = stage.run(&["show", RUN]);
    assert!(words(&shown).contains("other approved by bob@test-host (runbook approve)"), "{}", shown.all());
    let late = run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]);
    assert!(late.code == 2 && late.stderr.contains("is over"), "{}", late.all());
}

#[test]
fn promise_16_an_approval_does_not_hold_for_another_text_and_not_for_ever() {
    let stage = stage(FOUR_EYES);
    assert_eq!(run_as_user(&stage, "ada", &["run", "steps.yaml", "--yes"]).code, 4);
    assert_eq!(run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]).code, 0);
    // whoever goes on must be someone else
    let own = run_as_user(&stage, "bob", &["resume", RUN, "--yes"]);
    assert_eq!(own.code, 4, "{}", own.all());
    let text = fs::read_to_string(stage.place.path().join("steps.yaml")).unwrap();
    stage.place.write("steps.yaml", text.replace("replicas: 1", "replicas: 0"));
    let changed = run_as_user(&stage, "ada", &["resume", RUN, "--yes"]);
    assert_eq!(changed.code, 4, "bob has seen another text: {}", changed.all());
    stage.place.write("steps.yaml", text);
    assert_eq!(run_as_user(&stage, "cleo", &["approve", RUN, "--step", "other", "--yes", "--expires", "0s"]).code, 0);
    assert_eq!(stage.writes().len(), 0);
}

const LOCAL: &str = "  - id: local
    command: {argv: [sh, -c, 'echo done >> trace; echo good']}
    expect:
      - that: .stdout == \"good\\n\"
  - id: after
    value: $steps.local.outcome
";

#[test]
fn a_local_command_with_an_effect_waits_for_consent_is_not_run_by_a_dry_run_and_runs_once() {
    let local = stage(&LOCAL.replace("$steps.local.outcome", "$steps.local.output.exit_code"));
    let dry = local.run_as("01K9ZQ4T0000000000000000D1", &["run", "steps.yaml", "--dry-run", "--yes"]);
    assert_eq!((dry.code, trace(&local)), (0, 0), "{}", dry.all());
    assert!(words(&dry).contains("1 opaque"), "{}", dry.all());
    let said = local.run(&["run", "steps.yaml"]);
    assert_eq!((said.code, trace(&local)), (4, 0), "{}", said.all());
    let approved = local.run(&["approve", RUN, "--step", "local", "--yes"]);
    assert!(words(&approved).contains("echo done >> trace"), "what is approved is shown: {}", approved.all());
    let said = local.run(&["resume", RUN]);
    assert_eq!((said.code, trace(&local)), (0, 1), "{}", said.all());
    assert_eq!(local.run(&["resume", RUN]).code, 2);

    let bad = stage(
        "  - id: local\n    command: {argv: [sh, -c, 'echo done >> trace; exit 7']}\n    expect:\n      - that: .exit_code == 0\n  - id: after\n    annotate: {target: deployment/petrosa-ta-bot, annotations: {why: test}}\n",
    );
    let said = bad.run(&["run", "steps.yaml", "--yes"]);
    assert_eq!((said.code, trace(&bad), bad.writes().len()), (1, 1, 0), "{}", said.all());
    let missing = stage("  - id: local\n    command: {argv: [no-such-program-here]}\n");
    let said = missing.run(&["run", "steps.yaml", "--yes"]);
    assert_eq!(said.code, 3, "what was not started is not in doubt: {}", said.all());
}

/// Commands that do their work and kill the program before it hears of it.
const KILLS: &str = "  - id: sure
    confirm: {question: 'Is it time?'}
  - id: local
    command: {argv: [sh, -c, 'echo done >> trace; kill -9 $PPID; sleep 1; echo good']}
    expect:
      - that: (.by_hand // .stdout) != null
  - id: after
    annotate: {target: deployment/petrosa-ta-bot, annotations: {why: test}}
";

#[test]
fn promise_3_an_opaque_action_that_was_cut_off_is_asked_about_and_never_repeated_unasked() {
    for (mark, traces) in [("--mark-done", 1), ("--mark-not-done", 2), ("--skip", 1)] {
        let stage = stage(KILLS);
        assert_eq!(stage.run(&["run", "steps.yaml", "--yes"]).code, 4, "--yes answers no question");
        let wrong = stage.run(&["resume", RUN, "--yes", "--mark-done", "sure", "--reason", "yes"]);
        assert!(wrong.code == 2 && wrong.stderr.contains("leave it out with --skip sure"), "a question is not done by hand: {}", wrong.all());
        let answered = ["resume", RUN, "--yes", "--skip", "sure", "--reason", "the clock says so"];
        assert_eq!(stage.run(&answered).code, -1, "killed");
        assert_eq!(trace(&stage), 1);
        let status = stage.run(&["status", RUN]);
        assert!(words(&status).contains("In doubt local"), "{}", status.all());
        for _ in 0..2 {
            let said = stage.run(&["resume", RUN, "--yes"]);
            assert_eq!((said.code, trace(&stage)), (5, 1), "{}", said.all());
            assert_eq!(stage.writes().len(), 0, "nothing follows: {}", said.all());
        }
        // undoing what is in doubt is no way out either
        assert_eq!(stage.run(&["undo", RUN, "--yes"]).code, 2);
        if mark == "--mark-not-done" {
            let text = fs::read_to_string(stage.place.path().join("steps.yaml")).unwrap();
            stage.place.write("steps.yaml", text.replace("kill -9 $PPID; sleep 1; ", ""));
        }
        let said = stage.run(&["resume", RUN, "--yes", mark, "local", "--reason", "looked at it"]);
        assert_eq!((said.code, trace(&stage)), (0, traces), "{mark}: {}", said.all());
        assert_eq!(stage.writes().len(), 1, "{mark}: {}", said.all());
        let shown = stage.run(&["show", RUN]);
        assert!(words(&shown).contains("looked at it"), "{mark}: {}", shown.all());
    }
}

#[test]
fn what_was_done_by_hand_is_judged_all_the_same() {
    let stage = stage(&KILLS.replace("(.by_hand // .stdout) != null", ".by_hand == \"never\""));
    stage.run(&["run", "steps.yaml", "--yes"]);
    stage.run(&["resume", RUN, "--yes", "--skip", "sure", "--reason", "yes"]);
    let said = stage.run(&["resume", RUN, "--yes", "--mark-done", "local", "--reason", "looked"]);
    assert_eq!(said.code, 1, "{}", said.all());
    assert_eq!(stage.writes().len(), 0, "{}", said.all());
}

#[test]
fn an_opaque_exec_and_an_opaque_request_are_done_once_after_consent() {
    let stage = stage(
        "  - id: exec\n    exec: {target: deployment/petrosa-ta-bot, pods: one, command: [echo, hello]}\n    expect:\n      - that: .stdout == \"hello\\n\"\n  - id: put\n    http: {target: deployment/petrosa-ta-bot, pods: one, port: 8080, method: PUT, path: /api/v1/strategies/rsi/config, body: {period: 21}}\n    expect:\n      - that: .status == 200\n  - id: look\n    http: {target: deployment/petrosa-ta-bot, port: 8080, path: /api/v1/strategies/rsi/config}\n    expect:\n      - any: .json.period == 21\n",
    );
    let dry = stage.run_as("01K9ZQ4T0000000000000000D2", &["run", "steps.yaml", "--dry-run", "--output", "json"]);
    assert_eq!(
        (outcome(&document(&dry), "exec"), outcome(&document(&dry), "put"), outcome(&document(&dry), "look")),
        ("unknown".into(), "unknown".into(), "unknown".into())
    );
    let said = stage.run(&["run", "steps.yaml"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(stage.run(&["approve", RUN, "--step", "exec", "--yes"]).code, 0);
    let said = stage.run(&["resume", RUN]);
    assert_eq!(said.code, 4, "each has its own consent: {}", said.all());
    assert_eq!(stage.run(&["approve", RUN, "--step", "put", "--yes"]).code, 0);
    let said = stage.run(&["resume", RUN, "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(outcome(&document(&said), "look"), "passed");
}

#[test]
fn a_request_whose_answer_is_lost_is_in_doubt_and_sent_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let read = stream.read(&mut [0; 4096]).unwrap_or(0);
            count.fetch_add(usize::from(read > 0), Ordering::SeqCst);
            // the head of an answer, and then nothing
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        }
    });
    let stage = stage(&format!(
        "  - id: post\n    http: {{url: 'http://127.0.0.1:{port}/pay', via: direct, method: POST, body: {{amount: 1}}}}\n    expect:\n      - that: (.by_hand // .status) != null\n  - id: after\n    annotate: {{target: deployment/petrosa-ta-bot, annotations: {{why: test}}}}\n"
    ));
    for arguments in [&["run", "steps.yaml", "--yes"][..], &["resume", RUN, "--yes"]] {
        let said = stage.run(arguments);
        assert_eq!((said.code, asked.load(Ordering::SeqCst), stage.writes().len()), (5, 1, 0), "{}", said.all());
    }
    let said = stage.run(&["resume", RUN, "--yes", "--mark-done", "post", "--reason", "the bank says so"]);
    assert_eq!((said.code, asked.load(Ordering::SeqCst), stage.writes().len()), (0, 1, 1), "{}", said.all());
}

#[test]
fn a_job_is_made_once_waited_for_and_left_for_the_cluster_to_clean_up() {
    let stage = stage(
        "  - id: job\n    timeout: 60s\n    create_job: {cron_job: binance-klines-gap-filler, name: by-hand, cleanup: true, env: {TIMEFRAME: 5m}}\n    expect:\n      - that: .succeeded == 1\n  - id: ask\n    confirm: {question: 'Go on?'}\n",
    );
    let address = stage.sandbox.address().to_string();
    let jobs = || -> Vec<Value> {
        let list: Value = serde_json::from_str(&http_send(&address, "GET", "/apis/batch/v1/namespaces/petrosa-apps/jobs", "")).unwrap();
        let of_ours = |job: &&Value| job["metadata"]["name"].as_str().unwrap().starts_with("by-hand-");
        list["items"].as_array().unwrap().iter().filter(of_ours).cloned().collect()
    };
    let dry = stage.run_as("01K9ZQ4T0000000000000000D3", &["run", "steps.yaml", "--dry-run"]);
    assert_eq!((dry.code, jobs().len()), (0, 0), "{}", dry.all());
    let said = stage.run(&["run", "steps.yaml", "--yes", "--output", "json"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(outcome(&document(&said), "job"), "passed", "{}", said.all());
    let [job] = jobs().try_into().unwrap();
    assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 600, "{job}");
    let env = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(env.iter().any(|entry| entry["name"] == "TIMEFRAME" && entry["value"] == "5m"), "{job}");
    let said = stage.run(&["resume", RUN, "--yes", "--skip", "ask", "--reason", "asked"]);
    assert_eq!((said.code, jobs().len()), (0, 1), "{}", said.all());
    // another run is another Job
    let said = stage.run_as("01K9ZQ4T000000000000000009", &["run", "steps.yaml", "--yes"]);
    assert_eq!((said.code, jobs().len()), (4, 2), "{}", said.all());
    let undone = stage.run_as("01K9ZQ4T00000000000000000A", &["undo", RUN, "--yes"]);
    assert_eq!((undone.code, jobs().len()), (0, 1), "{}", undone.all());
}
