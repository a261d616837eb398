//! The promises about changes, each as a test.

use crate::catalogue::{names, required};
use crate::support::{Place, Said, said};
use runbook::sandbox::{Options, Sandbox};
use serde_json::Value;

/// A served sandbox that several processes can share, and a place to run them in.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) place: Place,
    _runtime: tokio::runtime::Runtime,
}

impl Stage {
    pub(crate) fn new(scenario: &str, forbid_writes: bool) -> Self {
        Self::with(Options { scenario: scenario.to_owned(), forbid_writes, ..Options::default() })
    }

    pub(crate) fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let sandbox = runtime.block_on(runbook::sandbox::start(options)).unwrap();
        let place = Place::new();
        place.write("kubeconfig", sandbox.kubeconfig());
        Self { sandbox, place, _runtime: runtime }
    }

    pub(crate) fn run_as(&self, run: &str, arguments: &[&str]) -> Said {
        let mut command = self.place.command();
        command
            .env_remove("RUNBOOK_NOW")
            .env("RUNBOOK_RUN_ID", run)
            .env("KUBECONFIG", self.place.path().join("kubeconfig"));
        said(command.args(arguments))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_as(RUN, arguments)
    }

    pub(crate) fn scale(&self, replicas: u32) -> String {
        self.place.write(
            "scale.yaml",
            format!(
                "runbook: v1\ntitle: Scale\nnamespace: petrosa-apps\nsteps:\n  - id: scale\n    \
                    title: Scale it\n    scale: {{target: deployment/petrosa-ta-bot, replicas: \
                    {replicas}}}\n  - id: after\n    title: Look at it\n    get: {{kind: \
                    Deployment, name: petrosa-ta-bot}}\n    expect:\n      - that: .spec.replicas \
                    == {replicas}\n"
            ),
        )
    }

    /// Everything that was sent to be changed, without the lock.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let text = http_get(&format!("{}", self.sandbox.address()), "/sandbox/writes");
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        all.into_iter().filter(|write| write["resource"] != "leases").collect()
    }
}

pub(crate) const RUN: &str = "01K9ZQ4T000000000000000001";
pub(crate) const OTHER: &str = "01K9ZQ4T000000000000000002";

pub(crate) fn http_get(address: &str, path: &str) -> String {
    http_send(address, "GET", path, "")
}

/// Sends one request past the program and gives the body of the answer.
pub(crate) fn http_send(address: &str, method: &str, path: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: \
        {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn promise_1_no_dry_run_of_the_catalogue_writes_anything() {
    for scenario in ["healthy", "tabot-rollback-good", "tabot-no-leader"] {
        let stage = Stage::new(scenario, true);
        for (number, name) in names().iter().enumerate() {
            let run = format!("01K9ZQ4T0000000000000001{number:02}");
            let arguments =
                [&["run", name, "--dry-run", "--output", "json"][..], required(name)].concat();
            let said = stage.run_as(&run, &arguments);
            let document: Value = serde_json::from_str(&said.stdout)
                .unwrap_or_else(|error| panic!("{name}: {error}: {}", said.all()));
            assert_eq!(document["mode"], "dry-run", "{name}");
            assert_eq!(document["changes"].as_array().unwrap().len(), 0, "{name}");
            // 3: nothing is measured where nobody leads
            assert!([0, 1, 3].contains(&said.code), "{name} on {scenario}: {}", said.all());
        }
        assert_eq!(stage.writes(), Vec::<Value>::new(), "{scenario}");
    }
}

#[test]
fn promise_2_a_step_behind_an_unexecuted_write_is_unknown_and_names_it() {
    let stage = Stage::new("healthy", true);
    let file = stage.scale(1);
    let said = stage.run(&["run", &file, "--dry-run"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stdout.contains("unknown: step scale was not executed"), "{}", said.all());
    assert!(
        said.stdout
            .contains("Dry run: 0 read · 1 previewed · 0 opaque · 1 unknown. Nothing was changed."),
        "{}",
        said.all()
    );
    insta::assert_snapshot!("dry_run", crate::changes::stable(&said.all()));
}

#[test]
fn promise_4_a_changed_step_that_has_changed_the_cluster_is_not_done_again() {
    let stage = Stage::new("healthy", false);
    let two = |replicas: u32| {
        let text = format!(
            "runbook: v1\ntitle: Two\nnamespace: petrosa-apps\nsteps:\n  - id: scale\n    scale: \
                {{target: deployment/petrosa-ta-bot, replicas: {replicas}}}\n  - id: ask\n    \
                confirm: {{question: Go on?}}\n"
        );
        stage.place.write("two.yaml", text)
    };
    let file = two(1);
    assert_eq!(stage.run(&["run", &file, "--yes"]).code, 4, "the question waits");
    two(2);
    let said = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(
        said.stderr.contains("step scale of two.yaml was modified after it changed the cluster"),
        "{}",
        said.all()
    );
    let insisted = stage.run(&["resume", RUN, "--yes", "--despite", "runbook"]);
    assert_eq!(insisted.code, 4, "{}", insisted.all());
    assert_eq!(stage.writes().len(), 1);
}

#[test]
fn promise_14_the_second_of_two_runs_is_told_who_holds_the_lock() {
    let stage = Stage::new("lease-held", false);
    let file = stage.scale(1);
    let said = stage.run(&["run", &file, "--yes"]);
    assert_eq!(said.code, 3, "{}", said.all());
    let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["another run holds the lock", "other-run@other-host", "last renewed", "--takeover"]
    {
        assert!(words.contains(word), "{word}: {}", said.all());
    }
    assert_eq!(stage.writes(), Vec::<Value>::new());
    let said = stage.run_as(OTHER, &["run", &file, "--yes", "--takeover"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let shown = stage.run(&["show", OTHER]);
    assert!(shown.stdout.contains("taken over"), "{}", shown.all());
    assert_eq!(stage.writes().len(), 1);
}

#[test]
fn promise_15_scaling_what_an_autoscaler_owns_stops_and_says_so() {
    let stage = Stage::new("tabot-scale-hpa-fights", false);
    let file = stage.scale(1);
    for arguments in [vec!["run", file.as_str(), "--dry-run"], vec!["run", file.as_str(), "--yes"]]
    {
        let said = stage.run_as(if arguments.contains(&"--yes") { RUN } else { OTHER }, &arguments);
        assert_eq!(said.code, 3, "{}", said.all());
        let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains("HorizontalPodAutoscaler")
                && words.contains("--override hpa-owns-replicas"),
            "{}",
            said.all()
        );
    }
    assert_eq!(stage.writes(), Vec::<Value>::new());
}

#[test]
fn promise_16_an_approval_records_who_when_and_what() {
    let stage = Stage::new("healthy", false);
    let file = stage.scale(2);
    let said = stage.run(&["run", &file]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert!(said.stdout.contains("runbook approve 00000001 --step scale"), "{}", said.all());
    assert_eq!(stage.writes(), Vec::<Value>::new());
    insta::assert_snapshot!("status_paused", stable(&stage.run(&["status", RUN]).all()));
    let shown = stage.run(&["show", RUN]).stdout;
    assert!(shown.contains("waits for approval"), "{shown}");
    // no terminal, no --yes: not approved by accident
    assert_eq!(stage.run(&["approve", RUN, "--step", "scale"]).code, 2);
    assert_eq!(stage.run(&["approve", RUN, "--step", "nothing", "--yes"]).code, 2);
    let approved = stage.run(&["approve", RUN, "--step", "scale", "--yes"]);
    assert_eq!(approved.code, 0, "{}", approved.all());
    assert!(
        approved.stdout.starts_with("approved by sandbox-operator until "),
        "{}",
        approved.all()
    );
    insta::assert_snapshot!("status_approved", stable(&stage.run(&["status", RUN]).all()));
    let said = stage.run(&["resume", RUN]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(stage.writes().len(), 1);
    let shown = stage.run(&["show", RUN]);
    let words = shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("scale approved by sandbox-operator (runbook approve)"),
        "{}",
        shown.all()
    );
}

#[test]
fn promise_16_an_expired_approval_does_not_count() {
    let stage = Stage::new("healthy", false);
    let file = stage.scale(2);
    assert_eq!(stage.run(&["run", &file]).code, 4);
    assert_eq!(stage.run(&["approve", RUN, "--step", "scale", "--yes", "--expires", "0s"]).code, 0);
    let status = stage.run(&["status", RUN]).all();
    assert!(status.contains("Waiting for") && !status.contains("Approved"), "{status}");
    let said = stage.run(&["resume", RUN]);
    assert_eq!(said.code, 4, "{}", said.all());
    assert_eq!(stage.writes(), Vec::<Value>::new());
}

#[test]
fn an_eviction_that_a_budget_never_allows_times_out_with_its_name() {
    let stage = Stage::new("node-drain-pdb-blocked", false);
    let text = "runbook: v1\ntitle: Drain\nsteps:\n  - id: drain\n    timeout: 7s\n    drain: \
        {node: node, delete_emptydir_data: true, force: true, pod_selector: app=petrosa-ta-bot}\n  \
        - id: after\n    annotate: {target: node/node, annotations: {drained: 'yes'}}\n";
    let file = stage.place.write("drain.yaml", text);
    let stopped = stage.run_as(OTHER, &["run", &file, "--yes"]);
    assert!(
        stopped.code == 3 && stopped.stdout.contains("--override disruption-budget"),
        "{}",
        stopped.all()
    );
    assert_eq!(stage.writes(), Vec::<Value>::new());
    let said =
        stage.run(&["run", &file, "--yes", "--override", "disruption-budget", "--output", "json"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        (said.code, &document["steps"][0]["outcome"]),
        (1, &"timed_out".into()),
        "{}",
        said.all()
    );
    let reason = document["steps"][0]["reason"].as_str().unwrap();
    let attempts = document["steps"][0]["attempts"].as_u64();
    assert!(
        reason.starts_with("pod/petrosa-ta-bot-")
            && reason
                .contains("The disruption budget petrosa-ta-bot needs 3 healthy pods and has 3"),
        "{reason}"
    );
    assert_eq!(
        (attempts, &document["steps"][1]["outcome"]),
        (Some(2), &"skipped".into()),
        "{}",
        said.all()
    );
}

#[test]
fn what_wants_a_typed_word_is_not_done_by_yes() {
    let stage = Stage::new("healthy", false);
    let arguments = [
        "run",
        "ta-bot/emergency-scale-down",
        "--set",
        "replicas=0",
        "--set",
        "reason=test",
        "--yes",
    ];
    let said = stage.run(&arguments);
    assert_eq!(said.code, 4, "{}", said.all());
    let missing = stage.run(&["approve", RUN, "--step", "stop", "--yes"]);
    assert_eq!(missing.code, 2, "{}", missing.all());
    assert!(missing.stderr.contains("--typed petrosa-ta-bot"), "{}", missing.all());
    assert_eq!(stage.run(&["approve", RUN, "--step", "stop", "--typed", "petrosa-ta-bot"]).code, 0);
    let said = stage.run(&["resume", RUN, "--yes"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let restored =
        stage.run_as(OTHER, &["run", "ta-bot/restore-replicas", "--yes", "--output", "json"]);
    assert_eq!(restored.code, 0, "{}", restored.all());
    assert!(restored.stdout.contains("0 → 3 replicas"), "{}", restored.all());
}

#[test]
fn an_undo_stops_where_someone_else_has_changed_the_object_since() {
    let stage = Stage::new("healthy", false);
    let file = stage.scale(1);
    assert_eq!(stage.run(&["run", &file, "--yes"]).code, 0);
    let again = stage.scale(2);
    assert_eq!(stage.run_as(OTHER, &["run", &again, "--yes"]).code, 0);
    let said = stage.run_as("01K9ZQ4T000000000000000003", &["undo", RUN, "--yes"]);
    assert_eq!(said.code, 3, "{}", said.all());
    let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("someone else has changed deployment/petrosa-ta-bot since: spec.replicas"),
        "{}",
        said.all()
    );
    assert_eq!(stage.writes().len(), 2);
}

#[test]
fn missing_permissions_stop_a_change_before_its_first_step_and_come_with_a_role() {
    let stage = Stage::new("rbac-missing", false);
    let said = stage.run(&["run", "ta-bot/restart", "--yes"]);
    assert_eq!(said.code, 3, "{}", said.all());
    assert_eq!(stage.writes(), Vec::<Value>::new());
    let role = stage.run(&["plan", "ta-bot/restart", "--rbac"]);
    assert!(
        role.stdout.contains("kind: Role\n") && role.stdout.contains("kind: RoleBinding\n"),
        "{}",
        role.all()
    );
}

/// Without what depends on the time.
fn stable(text: &str) -> String {
    let text = regex::Regex::new(r" *\d+(\.\d+)? m?s\b").unwrap().replace_all(text, " TIME");
    regex::Regex::new(r"20\d\d-[-0-9T:]+Z").unwrap().replace_all(&text, "TIMESTAMP").into_owned()
}

const BOT: &str = "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot";

#[test]
fn promise_7_a_deadline_that_was_exceeded_before_the_rollback_does_not_fail_it() {
    let stage = Stage::new("tabot-rollout-stuck", false);
    let look = || {
        serde_json::from_str::<Value>(&http_get(&stage.sandbox.address().to_string(), BOT)).unwrap()
    };
    let exceeded = |deployment: &Value| {
        deployment["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|condition| condition["reason"] == "ProgressDeadlineExceeded")
    };
    assert!(exceeded(&look()), "the scenario begins with a rollout that is given up: {}", look());
    // what nobody has changed since is given up at once, and says so
    let wait = "runbook: v1\ntitle: Wait\nnamespace: petrosa-apps\nsteps:\n  - id: wait\n    \
        rollout: {target: deployment/petrosa-ta-bot, timeout: 30s}\n";
    let wait = stage.place.write("wait.yaml", wait);
    let said = stage.run_as(OTHER, &["run", &wait]);
    assert!(
        said.code == 1 && said.stdout.contains("exceeded its progress deadline"),
        "{}",
        said.all()
    );
    let said = stage.run(&["run", "ta-bot/rollback", "--yes", "--output", "json"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    let outcome = |path: &str| {
        document["steps"]
            .as_array()
            .unwrap()
            .iter()
            .find(|step| step["path"] == path)
            .map(|step| step["outcome"].clone())
    };
    assert_eq!(outcome("rollback/rollout"), Some("passed".into()), "{}", said.all());
}

#[test]
fn promise_7_a_stale_condition_that_stays_for_a_while_does_not_end_the_wait() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let stage = Stage::new("healthy", false);
    let address = stage.sandbox.address().to_string();
    let stale = serde_json::json!({"status": {"conditions": [{"type": "Progressing",
        "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "left over", "lastUpdateTime": "2026-01-01T00:00:00Z",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    let file = stage.place.write(
        "restart.yaml",
        "runbook: v1\ntitle: Restart\nnamespace: petrosa-apps\nsteps:\n  - id: restart\n    \
            restart: {target: deployment/petrosa-ta-bot}\n    then: {rollout: {target: \
            deployment/petrosa-ta-bot, timeout: 60s}}\n",
    );
    let over = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        // the controller of the sandbox takes it away sooner than a real one
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let sent =
                    http_send(&address, "PATCH", &format!("{BOT}/status"), &stale.to_string());
                assert!(sent.contains("left over"), "{sent}");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let said = stage.run(&["run", &file, "--yes"]);
        over.store(true, Ordering::SeqCst);
        said
    });
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn a_remedy_that_does_not_help_is_not_proposed_again_and_undo_is_offered() {
    let runbook = "runbook: v1
title: Scale
namespace: petrosa-apps
params: {remedy: {type: enum, values: [none, apply], default: none}}
on_failure: continue
steps:
  - id: diagnose
    steps:
      - {id: look, get: {kind: Deployment, name: petrosa-ta-bot}, expect: .spec.replicas == 5}
    rescue:
      - id: scale
        when: $params.remedy == \"apply\"
        scale: {target: deployment/petrosa-ta-bot, replicas: 4}
        then: {id: replicas, get: {kind: Deployment, name: petrosa-ta-bot}, expect: .spec.replicas == 5}
      - id: proof
        when: $params.remedy == \"apply\"
        get: {kind: Deployment, name: petrosa-ta-bot}
        expect: .metadata.generation == 0
findings:
  - id: too-few
    when: $steps.look.failed
    cause: Too few replicas
    remedy: {run: scale, with: {remedy: apply}}
    fixed_by: proof
";
    let stage = Stage::new("healthy", false);
    stage.place.write("runbooks/scale.yaml", runbook);
    let finding = |said: &str| serde_json::from_str::<Value>(said).unwrap()["findings"][0].clone();
    // without the remedy it is proposed
    let before = stage.run(&["run", "scale", "--output", "json"]);
    let before = finding(&before.stdout);
    assert!(before["not_fixed"].is_null() && before["command"].is_string(), "{before}");
    let after = stage
        .run_as(OTHER, &["run", "scale", "--set", "remedy=apply", "--yes", "--output", "json"]);
    let document: Value = serde_json::from_str(&after.stdout).unwrap();
    let after = finding(&after.stdout);
    let steps: Vec<&str> = after["not_fixed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|proof| proof["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["diagnose/scale/replicas", "diagnose/proof"], "{after}");
    assert!(after["command"].is_null() && after["remedy"].is_null(), "{after}");
    let next = document["next"].to_string();
    assert!(next.contains("runbook undo") && !next.contains("remedy=apply"), "{next}");
}

#[test]
fn a_proof_of_a_remedy_says_how_it_ended() {
    for (proof, wanted) in [
        ("when: '$run.id == \"never\"', get: {kind: Deployment, name: petrosa-ta-bot}", "skipped"),
        ("get: {kind: Deployment, name: petrosa-ta-bot}, expect: .spec.nothing > 1", "error"),
    ] {
        let runbook = format!(
            "runbook: v1
title: Scale
namespace: petrosa-apps
on_failure: continue
steps:
  - {{id: look, severity: info, get: {{kind: Deployment, name: petrosa-ta-bot}}, expect: .spec.replicas == 5}}
  - id: scale
    scale: {{target: deployment/petrosa-ta-bot, replicas: 4}}
    then: {{id: proof, {proof}}}
findings:
  - id: too-few
    when: $steps.look.failed
    cause: Too few replicas
    remedy: {{text: scale it}}
    fixed_by: proof
"
        );
        let stage = Stage::new("healthy", false);
        let file = stage.place.write("scale.yaml", runbook);
        let said = stage.run(&["run", &file, "--yes", "--output", "json"]);
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        let finding = &document["findings"][0];
        assert_eq!(finding["not_fixed"][0]["outcome"], wanted, "{document:#}");
        assert!(finding["remedy"].is_null(), "{finding}");
    }
}

#[test]
fn nothing_is_fixed_by_a_run_that_has_changed_nothing() {
    let stage = Stage::new("healthy", false);
    let runbook = "runbook: v1
title: Look
namespace: petrosa-apps
steps:
  - {id: look, severity: info, get: {kind: Deployment, name: petrosa-ta-bot}, expect: .spec.replicas == 9}
  - {id: proof, get: {kind: Deployment, name: petrosa-ta-bot}, expect: .spec.replicas == 3}
findings:
  - {id: bad, when: $steps.look.failed, cause: Too few, fixed_by: proof}
";
    let runbook = stage.place.write("look.yaml", runbook);
    let said = stage.run(&["run", &runbook, "--output", "json"]);
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &document["findings"][0]["fixed"]), (1, &Value::Null), "{document:#}");
}
