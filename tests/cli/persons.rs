//! What only a person can allow or say: approvals by someone else, actions that cannot be
//! previewed, and what is in doubt of them.

use crate::changes::{RUN, Stage, http_send};
use crate::support::{Said, chained_again, said};
use runbook::sandbox::Options;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn stage(steps: &str) -> Stage {
    let stage = Stage::new("healthy", false);
    stage.place.write(
        "steps.yaml",
        format!(
            "runbook: v1\ntitle: Steps\nnamespace: petrosa-apps\nhosts: \
            [127.0.0.1]\nsteps:\n{steps}"
        ),
    );
    stage
}

/// As another user of the cluster, whom the user of the kubeconfig may impersonate. What the
/// environment says of users is nothing.
fn run_as_user(stage: &Stage, user: &str, arguments: &[&str]) -> Said {
    let mut command = stage.place.command();
    command
        .env_remove("RUNBOOK_NOW")
        .env("RUNBOOK_RUN_ID", RUN)
        .env("KUBECONFIG", stage.place.path().join("kubeconfig"));
    command.envs([("RUNBOOK_USER", "mallory"), ("USER", "mallory"), ("LOGNAME", "mallory")]);
    said(command.args(arguments).args(["--as", user]))
}

fn journal_of(stage: &Stage) -> PathBuf {
    stage.place.state().join("runs").join(RUN).join("journal.jsonl")
}

fn words(said: &Said) -> String {
    format!("{} {}", said.stdout, said.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn document(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.all()))
}

fn outcome(document: &Value, path: &str) -> Value {
    document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["path"] == path)
        .map(|step| step["outcome"].clone())
        .unwrap_or_default()
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
    assert!(
        own.stderr.contains("It is valid only if a person other than ada resumes the run."),
        "{}",
        own.all()
    );
    let status = || stage.run(&["status", RUN]).all();
    assert!(status().contains("runbook approve 00000001 --step other"), "{}", status());
    let said = run_as_user(&stage, "ada", &["resume", RUN, "--yes"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(stage.writes().len(), 0, "{}", said.all());

    let approved = run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]);
    assert!(
        approved.code == 0 && approved.stdout.starts_with("approved by bob until "),
        "{}",
        approved.all()
    );
    assert!(status().contains("other (by bob, until "), "{}", status());
    let said = run_as_user(&stage, "ada", &["resume", RUN, "--yes", "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(outcome(&document(&said), "other"), "passed");
    assert_eq!(stage.writes().len(), 1);
    let shown = stage.run(&["show", RUN]);
    assert!(
        words(&shown).contains("other approved by bob (runbook approve --as)"),
        "{}",
        shown.all()
    );
    let late = run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]);
    assert!(late.code == 2 && late.stderr.contains("has ended"), "{}", late.all());
}

#[test]
fn promise_16_an_approval_does_not_hold_for_another_text_and_not_for_ever() {
    let stage = stage(FOUR_EYES);
    assert_eq!(run_as_user(&stage, "ada", &["run", "steps.yaml", "--yes"]).code, 4);
    assert_eq!(run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]).code, 0);
    // whoever goes on must be someone else
    let own = run_as_user(&stage, "bob", &["resume", RUN, "--yes", "--despite", "user"]);
    assert_eq!(own.code, 4, "{}", own.all());
    let text = fs::read_to_string(stage.place.path().join("steps.yaml")).unwrap();
    stage.place.write("steps.yaml", text.replace("replicas: 1", "replicas: 0"));
    let changed = run_as_user(&stage, "ada", &["resume", RUN, "--yes"]);
    assert_eq!(changed.code, 4, "bob has seen another text: {}", changed.all());
    stage.place.write("steps.yaml", text);
    assert_eq!(
        run_as_user(
            &stage,
            "cleo",
            &["approve", RUN, "--step", "other", "--yes", "--expires", "0s"]
        )
        .code,
        0
    );
    assert_eq!(stage.writes().len(), 0);
}

#[test]
fn who_approves_is_who_the_cluster_says() {
    let stage = stage(FOUR_EYES);
    assert_eq!(run_as_user(&stage, "ada", &["run", "steps.yaml", "--yes"]).code, 4);
    // the environment of the same user is no second person
    for variable in ["RUNBOOK_USER", "USER", "LOGNAME"] {
        let mut command = stage.place.command();
        command.env("KUBECONFIG", stage.place.path().join("kubeconfig")).env(variable, "bob");
        let approved =
            said(command.args(["approve", RUN, "--step", "other", "--yes", "--as", "ada"]));
        assert!(approved.stdout.starts_with("approved by ada until "), "{}", approved.all());
    }
    let resumed = run_as_user(&stage, "ada", &["resume", RUN, "--yes"]);
    assert!(
        resumed.code == 4 && words(&resumed).contains("the person who runs this cannot approve it"),
        "{}",
        resumed.all()
    );

    // a cluster that does not answer, and one that is not that of the run, say nothing of it
    let before = fs::read_to_string(journal_of(&stage)).unwrap();
    let kubeconfig = stage.sandbox.kubeconfig();
    let elsewhere = Stage::with(Options {
        scenario: "healthy".to_owned(),
        cluster: "other".to_owned(),
        ..Options::default()
    });
    let nobody = regex::Regex::new("127.0.0.1:[0-9]+")
        .unwrap()
        .replace(&kubeconfig, "127.0.0.1:1")
        .into_owned();
    for (kubeconfig, code, reason) in
        [(nobody, 3, "127.0.0.1:1"), (elsewhere.sandbox.kubeconfig(), 2, "this is another cluster")]
    {
        stage.place.write("other-kubeconfig", kubeconfig);
        let refused = run_as_user(
            &stage,
            "bob",
            &["approve", RUN, "--step", "other", "--yes", "--kubeconfig", "other-kubeconfig"],
        );
        assert!(refused.code == code && refused.stderr.contains(reason), "{}", refused.all());
        assert_eq!(fs::read_to_string(journal_of(&stage)).unwrap(), before, "nothing is recorded");
    }
    assert_eq!(stage.writes().len(), 0);
    assert_eq!(run_as_user(&stage, "bob", &["approve", RUN, "--step", "other", "--yes"]).code, 0);
    assert_eq!(run_as_user(&stage, "ada", &["resume", RUN, "--yes"]).code, 0);
}

const CHANGE: &str = "  - id: scale
    scale: {target: deployment/petrosa-ta-bot, replicas: 2}
";

/// What a person with an editor can do to a journal: change records, and work the hashes out again.
/// What is sent then is what was approved, worked out again, or nothing.
#[test]
fn an_approval_covers_what_is_sent_whatever_the_record_says() {
    const RESTART: &str = "  - id: scale\n    restart: {target: deployment/petrosa-ta-bot}\n";
    type Edit = fn(&str) -> String;
    let edits: [(&str, &str, u64, Edit); 6] = [
        (CHANGE, "another request", 2, |text| {
            text.replace(
                "\"path\":\"/spec/replicas\",\"value\":2",
                "\"path\":\"/spec/replicas\",\"value\":0",
            )
        }),
        (CHANGE, "another object", 2, |text| {
            text.replace(
                "\"name\":\"petrosa-ta-bot\",\"body\"",
                "\"name\":\"petrosa-tradeengine\",\"body\"",
            )
        }),
        (CHANGE, "another method", 2, |text| {
            text.replace("\"method\":\"json_patch\"", "\"method\":\"delete\"")
        }),
        // nobody gave these
        (CHANGE, "another who approves", 0, |text| {
            text.replace("\"how\":\"runbook approve\"", "\"how\":\"prompt\"")
        }),
        (CHANGE, "an approval without a seal", 0, |text| {
            regex::Regex::new(",\"seal\":\"[^\"]*\"").unwrap().replace(text, "").into_owned()
        }),
        // a restart worked out again has another time: it is another one
        (RESTART, "another time", 0, |text| {
            text.replace(
                "\"value\":{\"kubectl.kubernetes.io/restartedAt\":\"2",
                "\"value\":{\"kubectl.kubernetes.io/restartedAt\":\"1",
            )
        }),
    ];
    for (steps, what, replicas, edit) in edits {
        let stage = stage(steps);
        assert_eq!(stage.run(&["run", "steps.yaml"]).code, 4);
        assert_eq!(stage.run(&["approve", RUN, "--step", "scale", "--yes"]).code, 0);
        let journal = fs::read_to_string(journal_of(&stage)).unwrap();
        assert_eq!(chained_again(&journal), journal);
        let edited = edit(&journal);
        assert_ne!(edited, journal, "{what}: {journal}");
        fs::write(journal_of(&stage), &edited).unwrap();
        for command in ["show", "status", "report", "resume", "undo"] {
            let said = stage.run(&[command, RUN]);
            assert!(
                said.code == 3
                    && said
                        .stderr
                        .contains("the journal is damaged: it does not match the previous records"),
                "{command}: {}",
                said.all()
            );
        }
        fs::write(journal_of(&stage), chained_again(&edited)).unwrap();
        // worked out again, a time is another one
        std::thread::sleep(std::time::Duration::from_millis(if steps == RESTART {
            1100
        } else {
            0
        }));
        let said = stage.run(&["resume", RUN]);
        if replicas == 0 {
            assert_eq!((said.code, stage.writes().len()), (4, 0), "{what}: {}", said.all());
            continue;
        }
        let writes: Vec<_> = stage
            .writes()
            .into_iter()
            .map(|write| (write["verb"].clone(), write["name"].clone()))
            .collect();
        assert_eq!(
            (said.code, writes),
            (0, vec![("patch".into(), "petrosa-ta-bot".into())]),
            "{what}: {}",
            said.all()
        );
        let path = "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot";
        let now: Value =
            serde_json::from_str(&http_send(&stage.sandbox.address().to_string(), "GET", path, ""))
                .unwrap();
        assert_eq!(now["spec"]["replicas"], replicas, "{what}");
    }
    // as it was approved it goes on, though it could not be worked out the same
    let stage = stage(RESTART);
    assert_eq!(stage.run(&["run", "steps.yaml"]).code, 4);
    assert_eq!(stage.run(&["approve", RUN, "--step", "scale", "--yes"]).code, 0);
    let said = stage.run(&["resume", RUN]);
    assert_eq!((said.code, stage.writes().len()), (0, 1), "{}", said.all());
}

#[test]
fn what_was_changed_before_it_is_approved_is_refused() {
    let stage = stage(CHANGE);
    assert_eq!(stage.run(&["run", "steps.yaml"]).code, 4);
    let journal = fs::read_to_string(journal_of(&stage)).unwrap();
    let edited = journal.replace(
        "\"path\":\"/spec/replicas\",\"value\":2",
        "\"path\":\"/spec/replicas\",\"value\":0",
    );
    fs::write(journal_of(&stage), chained_again(&edited)).unwrap();
    let approved = stage.run(&["approve", RUN, "--step", "scale", "--yes"]);
    assert!(
        approved.code == 2 && approved.stderr.contains("differs from its preview"),
        "{}",
        approved.all()
    );
    assert!(approved.stderr.contains("runbook resume 00000001"), "{}", approved.all());
}

const SECRET: &str = "  - id: secret
    apply: {manifest: {apiVersion: v1, kind: Secret, metadata: {name: pin}, stringData: {pin: '{{ \
    params.pin }}'}}}
";

#[test]
fn an_approval_of_what_is_secret_holds_for_the_same_value_and_does_not_reveal_it() {
    let stage = Stage::new("healthy", false);
    stage.place.write(
        "steps.yaml",
        format!(
            "runbook: v1\ntitle: Steps\nnamespace: \
            petrosa-apps\nparams:\n  pin: {{type: string, secret: true}}\nsteps:\n{SECRET}"
        ),
    );
    let with = |pin: &str, arguments: &[&str]| {
        stage.run(&[arguments, &["--set", &format!("pin={pin}")]].concat())
    };
    let said = with("4711-4711", &["run", "steps.yaml"]);
    assert_eq!(said.code, 4, "{}", said.all());
    let digest = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"changes_planned\""))
            .map(|line| line.split("hmac-sha256:").nth(1).unwrap()[..64].to_owned())
            .collect::<Vec<_>>()
    };
    let approved = stage.run(&["approve", RUN, "--step", "secret", "--yes"]);
    assert_eq!(approved.code, 0, "{}", approved.all());
    let said = with("4712-4712", &["resume", RUN]);
    assert_eq!(
        (said.code, stage.writes().len()),
        (4, 0),
        "another value was not approved: {}",
        said.all()
    );
    let said = with("4711-4711", &["resume", RUN]);
    assert_eq!((said.code, stage.writes().len()), (0, 1), "this one was: {}", said.all());
    let journal = fs::read_to_string(journal_of(&stage)).unwrap();
    assert!(!journal.contains("4711-4711") && !journal.contains("NDcxMS00NzEx"), "{journal}");
    // nor is there a hash of it that anybody could compare: those are made with the key
    assert!(journal.contains("\"data\":{\"pin\":\"hmac-sha256:"), "{journal}");
    let digests = digest(&journal);
    assert!(
        digests.len() == 3 && digests[0] == digests[2] && digests[0] != digests[1],
        "{digests:?}"
    );
    // the same on another machine is another digest: it cannot be found by trying
    let other = Stage::new("healthy", false);
    other
        .place
        .write("steps.yaml", fs::read_to_string(stage.place.path().join("steps.yaml")).unwrap());
    assert_eq!(other.run(&["run", "steps.yaml", "--set", "pin=4711-4711"]).code, 4);
    assert_ne!(digest(&fs::read_to_string(journal_of(&other)).unwrap())[0], digests[0]);
}

const SURE: &str = "  - id: sure
    confirm: {question: 'Go on with {{ params.what }}?'}
    expect: [{that: .answer}]
  - id: free
    confirm: {question: 'Really?', typed: it is}
  - id: mark
    annotate: {target: deployment/petrosa-ta-bot, annotations: {asked: '1'}}
";

/// The commands that the end of a run says are next.
fn next(said: &Said) -> Vec<String> {
    let lines = said.stdout.lines().filter_map(|line| {
        line.split_once("runbook ").filter(|(before, _)| {
            before.trim().is_empty() || before.contains("Next") || before.contains("ontinue")
        })
    });
    lines.map(|(_, command)| command.to_owned()).collect()
}

#[test]
fn what_is_approved_answers_the_question_and_the_pause_says_what_to_type() {
    let stage = Stage::new("healthy", false);
    let text = format!(
        "runbook: v1\ntitle: Steps\nnamespace: petrosa-apps\nparams:\n  what: {{type: string, \
            default: this}}\nsteps:\n{SURE}"
    );
    stage.place.write("steps.yaml", &text);
    let said = stage.run(&["run", "steps.yaml", "--yes"]);
    assert_eq!(
        (said.code, next(&said)),
        (4, vec!["approve 00000001 --step sure".to_owned(), "resume 00000001".to_owned()]),
        "{}",
        said.all()
    );
    assert!(words(&said).contains("Waits for an answer: sure."), "{}", said.all());
    let typed = stage.run(&["approve", RUN, "--step", "sure", "--yes", "--typed", "it is"]);
    assert!(
        typed.code == 2 && typed.stderr.contains("requires no typed confirmation"),
        "{}",
        typed.all()
    );
    let approved = stage.run(&["approve", "00000001", "--step", "sure", "--yes"]);
    assert!(
        approved.code == 0 && words(&approved).contains("Go on with this?"),
        "the question is shown: {}",
        approved.all()
    );
    // another question is not answered by it
    stage.place.write("steps.yaml", text.replace("Go on with", "Is it time for"));
    let said = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(stage.run(&["approve", RUN, "--step", "sure", "--yes"]).code, 0);
    stage.place.write("steps.yaml", &text);
    // the first answer still stands for the first question
    let said = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(
        (said.code, next(&said)),
        (
            4,
            vec![
                "approve 00000001 --step free --typed 'it is'".to_owned(),
                "resume 00000001".to_owned()
            ]
        ),
        "{}",
        said.all()
    );
    let status = stage.run(&["status", RUN]);
    assert!(
        words(&status).contains(
            "Next runbook approve 00000001 --step free --typed 'it is' runbook resume 00000001"
        ),
        "{}",
        status.all()
    );
    let untyped = stage.run(&["approve", RUN, "--step", "free", "--yes"]);
    assert!(untyped.code == 2 && untyped.stderr.contains("--typed 'it is'"), "{}", untyped.all());
    assert_eq!(stage.run(&["approve", RUN, "--step", "free", "--typed", "it is"]).code, 0);
    let said = stage.run(&["resume", RUN, "--yes", "--output", "json"]);
    assert_eq!((said.code, stage.writes().len()), (0, 1), "{}", said.all());
    let steps = document(&said)["steps"].clone();
    assert!(
        steps
            .as_array()
            .unwrap()
            .iter()
            .any(|step| step["path"] == "free" && step["summary"] == "yes, by sandbox-operator"),
        "{steps}"
    );
    let shown = words(&stage.run(&["show", RUN]));
    assert!(
        shown.contains("sure asks: Go on with this?")
            && shown.contains("free approved by sandbox-operator (runbook approve)"),
        "{shown}"
    );
}

#[test]
fn what_an_approval_cannot_answer_is_refused_with_what_does() {
    let stage = stage(
        "  - id: parts\n    steps:\n      - id: local\n        command: {argv: [sh, -c, 'echo done \
            >> trace; kill -9 $PPID; sleep 1']}\n",
    );
    assert_eq!(stage.run(&["run", "steps.yaml", "--yes"]).code, -1, "killed");
    for (step, reason) in [
        ("parts/local", "--mark-done parts/local"),
        ("parts", "step parts (group) does not wait for a person"),
        ("none", "is not waiting"),
    ] {
        let said = stage.run(&["approve", RUN, "--step", step, "--yes"]);
        assert!(said.code == 2 && said.stderr.contains(reason), "{}", said.all());
    }
    let said = stage.run(&["resume", RUN, "--yes"]);
    let marks = |mark: &str| format!("resume 00000001 {mark} parts/local --reason 'seen by hand'");
    assert_eq!(
        (said.code, &next(&said)[..3]),
        (5, &["resume 00000001".to_owned(), marks("--mark-done"), marks("--mark-not-done")][..]),
        "{}",
        said.all()
    );
    let said = stage.run(&[
        "resume",
        "00000001",
        "--mark-done",
        "parts/local",
        "--reason",
        "seen by hand",
    ]);
    assert_eq!((said.code, trace(&stage)), (0, 1), "what is printed goes on: {}", said.all());
    let over = stage.run(&["approve", RUN, "--step", "parts/local", "--yes"]);
    assert!(over.code == 2 && over.stderr.contains("has ended"), "{}", over.all());
}

#[test]
fn a_run_of_an_earlier_version_is_shown_gone_on_with_and_taken_back() {
    let (changes, other) = ("01K9ZQ4T0000000000UNCHA1NA", "01K9ZQ4T0000000000UNCHA1NB");
    let put = |stage: &Stage| {
        for (run, text) in [
            (
                changes,
                include_str!("fixtures/unchained/runs/01K9ZQ4T0000000000UNCHA1NA/journal.jsonl"),
            ),
            (
                other,
                include_str!("fixtures/unchained/runs/01K9ZQ4T0000000000UNCHA1NB/journal.jsonl"),
            ),
        ] {
            stage.place.write(&format!("state/runs/{run}/journal.jsonl"), text);
        }
        stage.place.write("steps.yaml", include_str!("fixtures/unchained/steps.yaml"));
        stage.place.write("four.yaml", include_str!("fixtures/unchained/four.yaml"));
        // its first step has been made
        let annotated = r#"{"metadata": {"annotations": {"why": "test"}}}"#;
        http_send(
            &stage.sandbox.address().to_string(),
            "PATCH",
            "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot",
            annotated,
        );
        stage.writes().len()
    };
    let stage = Stage::new("healthy", false);
    let before = put(&stage);
    for command in ["show", "status", "report"] {
        let said = stage.run(&[command, changes]);
        assert!(
            said.code == 0
                && said
                    .stderr
                    .contains("Its records are not chained: an earlier version wrote them"),
            "{command}: {}",
            said.all()
        );
    }
    // its approvals do not name what is sent, and who gave them only said so
    let said = stage.run(&["resume", changes, "--yes"]);
    assert_eq!((said.code, stage.writes().len()), (4, before), "{}", said.all());
    assert!(
        words(&said).contains("approve UNCHA1NA --step scale --typed petrosa-ta-bot"),
        "{}",
        said.all()
    );
    let said = stage.run(&["resume", other, "--yes"]);
    assert_eq!((said.code, stage.writes().len()), (4, before), "{}", said.all());
    assert!(words(&said).contains("approve UNCHA1NB --step other"), "{}", said.all());
    let said = stage.run(&["approve", changes, "--step", "scale", "--typed", "petrosa-ta-bot"]);
    assert!(
        said.code == 0 && said.stderr.contains("Its first 13 records are not chained"),
        "{}",
        said.all()
    );
    let said = stage.run(&["resume", changes, "--yes"]);
    assert_eq!((said.code, stage.writes().len()), (0, before + 1), "{}", said.all());
    let said = stage.run_as("01K9ZQ4T000000000000000009", &["undo", changes, "--yes"]);
    assert_eq!((said.code, stage.writes().len()), (0, before + 3), "{}", said.all());
    // as it was left by the earlier version
    let stage = Stage::new("healthy", false);
    let before = put(&stage);
    let approved = stage.run(&["approve", changes, "--step", "scale", "--typed", "petrosa-ta-bot"]);
    assert!(
        approved.code == 2 && approved.stderr.contains("an earlier version wrote the record"),
        "{}",
        approved.all()
    );
    let approved = stage.run(&["approve", other, "--step", "other", "--yes"]);
    assert!(
        approved.code == 2
            && approved.stderr.contains("asks it again, and you can then approve it"),
        "{}",
        approved.all()
    );
    let said = stage.run_as("01K9ZQ4T000000000000000009", &["undo", changes, "--yes"]);
    assert_eq!((said.code, stage.writes().len()), (0, before + 1), "{}", said.all());
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
    let dry =
        local.run_as("01K9ZQ4T0000000000000000D1", &["run", "steps.yaml", "--dry-run", "--yes"]);
    assert_eq!((dry.code, trace(&local)), (0, 0), "{}", dry.all());
    assert!(words(&dry).contains("1 opaque"), "{}", dry.all());
    let said = local.run(&["run", "steps.yaml"]);
    assert_eq!((said.code, trace(&local)), (4, 0), "{}", said.all());
    let approved = local.run(&["approve", RUN, "--step", "local", "--yes"]);
    assert!(
        words(&approved).contains("echo done >> trace"),
        "what is approved is shown: {}",
        approved.all()
    );
    let said = local.run(&["resume", RUN]);
    assert_eq!((said.code, trace(&local)), (0, 1), "{}", said.all());
    assert_eq!(local.run(&["resume", RUN]).code, 2);

    let bad = stage(
        "  - id: local\n    command: {argv: [sh, -c, 'echo done >> trace; exit 7']}\n    \
            expect:\n      - that: .exit_code == 0\n  - id: after\n    annotate: {target: \
            deployment/petrosa-ta-bot, annotations: {why: test}}\n",
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
        assert!(
            wrong.code == 2 && wrong.stderr.contains("to skip it, use --skip sure"),
            "a question is not done by hand: {}",
            wrong.all()
        );
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
        "  - id: exec\n    exec: {target: deployment/petrosa-ta-bot, pods: one, command: [echo, \
            hello]}\n    expect:\n      - that: .stdout == \"hello\\n\"\n  - id: put\n    http: \
            {target: deployment/petrosa-ta-bot, pods: one, port: 8080, method: PUT, path: \
            /api/v1/strategies/rsi/config, body: {period: 21}}\n    expect:\n      - that: .status \
            == 200\n  - id: look\n    http: {target: deployment/petrosa-ta-bot, port: 8080, path: \
            /api/v1/strategies/rsi/config}\n    expect:\n      - any: .json.period == 21\n",
    );
    let dry = stage.run_as(
        "01K9ZQ4T0000000000000000D2",
        &["run", "steps.yaml", "--dry-run", "--output", "json"],
    );
    assert_eq!(
        (
            outcome(&document(&dry), "exec"),
            outcome(&document(&dry), "put"),
            outcome(&document(&dry), "look")
        ),
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
        "  - id: post\n    http: {{url: 'http://127.0.0.1:{port}/pay', via: direct, method: POST, \
            body: {{amount: 1}}}}\n    expect:\n      - that: (.by_hand // .status) != null\n  - \
            id: after\n    annotate: {{target: deployment/petrosa-ta-bot, annotations: {{why: \
            test}}}}\n"
    ));
    for arguments in [&["run", "steps.yaml", "--yes"][..], &["resume", RUN, "--yes"]] {
        let said = stage.run(arguments);
        assert_eq!(
            (said.code, asked.load(Ordering::SeqCst), stage.writes().len()),
            (5, 1, 0),
            "{}",
            said.all()
        );
    }
    let said =
        stage.run(&["resume", RUN, "--yes", "--mark-done", "post", "--reason", "the bank says so"]);
    assert_eq!(
        (said.code, asked.load(Ordering::SeqCst), stage.writes().len()),
        (0, 1, 1),
        "{}",
        said.all()
    );
}

#[test]
fn a_job_is_made_once_waited_for_and_left_for_the_cluster_to_clean_up() {
    let stage = stage(
        "  - id: job\n    timeout: 60s\n    create_job: {cron_job: binance-klines-gap-filler, \
            name: by-hand, cleanup: true, env: {TIMEFRAME: 5m}}\n    expect:\n      - that: \
            .succeeded == 1\n  - id: ask\n    confirm: {question: 'Go on?'}\n",
    );
    let address = stage.sandbox.address().to_string();
    let jobs = || -> Vec<Value> {
        let list: Value = serde_json::from_str(&http_send(
            &address,
            "GET",
            "/apis/batch/v1/namespaces/petrosa-apps/jobs",
            "",
        ))
        .unwrap();
        let of_ours =
            |job: &&Value| job["metadata"]["name"].as_str().unwrap().starts_with("by-hand-");
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
    assert!(
        env.iter().any(|entry| entry["name"] == "TIMEFRAME" && entry["value"] == "5m"),
        "{job}"
    );
    let said = stage.run(&["resume", RUN, "--yes", "--skip", "ask", "--reason", "asked"]);
    assert_eq!((said.code, jobs().len()), (0, 1), "{}", said.all());
    // another run is another Job
    let said = stage.run_as("01K9ZQ4T000000000000000009", &["run", "steps.yaml", "--yes"]);
    assert_eq!((said.code, jobs().len()), (4, 2), "{}", said.all());
    let undone = stage.run_as("01K9ZQ4T00000000000000000A", &["undo", RUN, "--yes"]);
    assert_eq!((undone.code, jobs().len()), (0, 1), "{}", undone.all());
}
