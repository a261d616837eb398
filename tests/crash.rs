//! The crash matrix: the program is killed at every record of its journal and at every request that
//! changes something, and gone on with. Whatever the place, no change is made twice, and the end is
//! that of a run that nothing interrupted.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use futures::{StreamExt, stream};
use runbook::sandbox::{Options, Sandbox, start};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const FIRST: &str = "01K9ZQ4T000000000000000009";
const RUN: &str = "01K9ZQ4T000000000000000000";

/// Name, scenario, steps.
const PROCEDURES: &[(&str, &str, &str)] = &[
    (
        "rollback",
        "tabot-rollback-good",
        "
  - id: history
    rollout: {target: deployment/petrosa-ta-bot, history: true}
  - id: rollback
    rollback: {target: deployment/petrosa-ta-bot, reason: crash test}
    then: {rollout: {target: deployment/petrosa-ta-bot, timeout: 30s}}
",
    ),
    (
        "scale-down and restore",
        "healthy",
        "
  - id: note
    annotate: {target: deployment/petrosa-ta-bot, annotations: {why: crash test}}
  - id: down
    scale: {target: deployment/petrosa-ta-bot, replicas: 1}
    then: {rollout: {target: deployment/petrosa-ta-bot, timeout: 30s}}
  - id: up
    scale: {target: deployment/petrosa-ta-bot, replicas: 3}
    then: {rollout: {target: deployment/petrosa-ta-bot, timeout: 30s}}
",
    ),
    (
        "restart",
        "healthy",
        "
  - id: restart
    restart: {target: deployment/petrosa-ta-bot}
    then: {rollout: {target: deployment/petrosa-ta-bot, timeout: 30s}}
",
    ),
    (
        "apply and delete",
        "healthy",
        "
  - id: apply
    apply:
      manifests:
        - {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: '1'}}
        - {apiVersion: v1, kind: ConfigMap, metadata: {name: two}, data: {a: '2'}}
  - id: delete
    delete: {kind: ConfigMap, name: one}
",
    ),
    (
        "drain",
        "healthy",
        "
  - id: drain
    timeout: 60s
    drain: {node: node, delete_emptydir_data: true, force: true}
  - id: uncordon
    uncordon: {node: node}
",
    ),
];

/// A restore: the database counts how often it is committed.
const RESTORE: &str = "
  - id: restore
    timeout: 60s
    restore:
      target: deployment/postgres
      command: [psql, -X]
      file: dump.sql
      sha256: \"a88ef590bb61c90d2aa0436e06a89a12\\
        630018b3683e21c1fa87045c68f4ff70\"
      format: pg_dump
      transaction: psql
  - id: rows
    sql: {target: deployment/postgres, client: psql, statement: SELECT query_to_xml('trades')}
    expect: '.[0].rows[1].rows == \"1000\"'
";
const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n-- PostgreSQL database dump complete\n";

/// Runbooks of the catalogue that change something: scenario, what is run before and not killed,
/// and what is run.
const CATALOGUE: &[(&str, &[&str], &[&str])] = &[
    ("tabot-rollback-good", &[], &["run", "ta-bot/rollback"]),
    ("healthy", &[], &["run", "ta-bot/emergency-scale-down", "--set", "reason=crash test"]),
    (
        "healthy",
        &["run", "ta-bot/emergency-scale-down", "--set", "reason=crash test"],
        &["run", "ta-bot/restore-replicas"],
    ),
];

/// Behind the last request only looks follow: every so many of their records are enough.
const AFTERWARDS: usize = 8;
/// So many points at a time: the processes mostly wait for their clusters.
const SIDE_BY_SIDE: usize = 4;

fn program(place: &Path, kubeconfig: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place)
        .env("RUNBOOK_STATE_DIR", place.join("state"))
        .env("RUNBOOK_RUN_ID", RUN)
        .env("RUNBOOK_HOST", "test-host")
        .env("KUBECONFIG", kubeconfig)
        .current_dir(place);
    command
}

/// What a run left: its exit code, the requests that changed something by object, and what the
/// cluster is asked for.
#[derive(Debug, PartialEq)]
struct Left {
    code: Option<i32>,
    writes: BTreeMap<String, u64>,
    desired: Value,
}

async fn get(sandbox: &Sandbox, path: &str) -> Value {
    use http_body_util::{BodyExt, Empty};
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Empty<bytes::Bytes>>();
    let answer =
        client.get(format!("http://{}{path}", sandbox.address()).parse().unwrap()).await.unwrap();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// The writes that were accepted, without those of the lock.
async fn writes(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for write in get(sandbox, "/sandbox/writes").await.as_array().unwrap() {
        let accepted = write["status"].as_u64().is_some_and(|status| status < 300);
        if accepted && write["resource"] != "leases" {
            let text = |key: &str| write[key].as_str().unwrap_or_default().to_owned();
            *counts
                .entry(format!("{} {} {}", text("verb"), text("resource"), text("name")))
                .or_insert(0) += 1;
        }
    }
    counts
}

async fn left(sandbox: &Sandbox, code: Option<i32>) -> Left {
    let deployment =
        get(sandbox, "/apis/apps/v1/namespaces/petrosa-apps/deployments/petrosa-ta-bot").await;
    let mut template = deployment["spec"]["template"].clone();
    if let Some(annotations) = template["metadata"]["annotations"].as_object_mut() {
        annotations.remove("kubectl.kubernetes.io/restartedAt");
    }
    let maps = [
        get(sandbox, "/api/v1/namespaces/petrosa-apps/configmaps/one").await["data"].clone(),
        get(sandbox, "/api/v1/namespaces/petrosa-apps/configmaps/two").await["data"].clone(),
    ];
    let node = get(sandbox, "/api/v1/nodes/node").await["spec"]["unschedulable"].clone();
    let desired = json!({"replicas": deployment["spec"]["replicas"], "template": template,
        "maps": maps, "node": node});
    Left { code, writes: writes(sandbox).await, desired }
}

struct Stage {
    sandbox: Sandbox,
    place: tempfile::TempDir,
}

impl Stage {
    async fn new(scenario: &str, steps: &str, first: &[&str]) -> Self {
        let sandbox =
            start(Options { scenario: scenario.to_owned(), ..Options::default() }).await.unwrap();
        let place = tempfile::tempdir().unwrap();
        let namespace =
            if scenario.starts_with("eafix/") { "eafix-trading" } else { "petrosa-apps" };
        std::fs::write(place.path().join("dump.sql"), DUMP).unwrap();
        std::fs::write(place.path().join("kubeconfig"), sandbox.kubeconfig()).unwrap();
        std::fs::write(
            place.path().join("procedure.yaml"),
            format!("runbook: v1\ntitle: Procedure\nnamespace: {namespace}\nsteps:{steps}"),
        )
        .unwrap();
        let stage = Self { sandbox, place };
        if !first.is_empty() {
            let mut command = program(stage.place.path(), &stage.place.path().join("kubeconfig"));
            command.args(first).arg("--yes").env("RUNBOOK_RUN_ID", FIRST);
            let output =
                tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        stage
    }

    async fn run(&self, arguments: &[&str], failpoint: Option<u64>) -> (Option<i32>, String) {
        let mut command = program(self.place.path(), &self.place.path().join("kubeconfig"));
        command.args(arguments).env("RUNBOOK_FAILPOINT_LOG", self.place.path().join("points"));
        if let Some(point) = failpoint {
            command.env("RUNBOOK_FAILPOINT", point.to_string());
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (
            output.status.code(),
            format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
        )
    }

    fn points(&self) -> Vec<String> {
        std::fs::read_to_string(self.place.path().join("points"))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// A procedure killed at one point, and gone on with; what came out wrong.
async fn killed_at(
    name: &str,
    point: &str,
    stage: &impl AsyncFn() -> Stage,
    run: &[&str],
    whole: &Left,
) -> Option<String> {
    let (number, place) = point.split_once(' ').unwrap();
    let stage = stage().await;
    let (killed, said) = stage.run(run, Some(number.parse().unwrap())).await;
    if killed.is_some() {
        return Some(format!("{name}: point {point} was not met: {said}"));
    }
    let begun =
        std::fs::metadata(stage.place.path().join("state/runs").join(RUN).join("journal.jsonl"))
            .is_ok_and(|file| file.len() > 0);
    let (code, said) = if begun {
        stage.run(&["resume", RUN, "--yes"], None).await
    } else {
        std::fs::remove_dir_all(stage.place.path().join("state/runs").join(RUN)).ok();
        stage.run(run, None).await
    };
    // the last record says that the run is over: there is nothing to go on with
    let over = said.contains("has ended (passed)");
    let after = left(&stage.sandbox, if over { Some(0) } else { code }).await;
    (after != *whole).then(|| {
        format!("{name}: killed at {number} ({place}):\n{after:?}\ninstead of\n{whole:?}\n{said}")
    })
}

/// A procedure killed at one point after the other, and gone on with; what came out wrong, and the
/// number of points.
async fn matrix(
    name: &str,
    stage: impl AsyncFn() -> Stage,
    run: &[&str],
    chosen: impl Fn(&[String]) -> Vec<String>,
) -> (Vec<String>, usize) {
    let run = [run, &["--yes"]].concat();
    let whole_stage = stage().await;
    let (code, said) = whole_stage.run(&run, None).await;
    assert_eq!(code, Some(0), "{name}: {said}");
    let whole = left(&whole_stage.sandbox, code).await;
    let points = chosen(&whole_stage.points());
    let all = points.iter().map(|point| killed_at(name, point, &stage, &run, &whole));
    let wrong: Vec<String> =
        stream::iter(all).buffered(SIDE_BY_SIDE).filter_map(async |wrong| wrong).collect().await;
    println!("{name}: {} points", points.len());
    (wrong, points.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_repeats_no_change() {
    let mut total = 0;
    let mut wrong = Vec::new();
    for (name, scenario, steps) in PROCEDURES {
        let (more, points) = matrix(
            name,
            || Stage::new(scenario, steps, &[]),
            &["run", "procedure.yaml"],
            <[String]>::to_vec,
        )
        .await;
        wrong.extend(more);
        total += points;
    }
    for (scenario, first, run) in CATALOGUE {
        let chosen = |points: &[String]| {
            let last = points.iter().rposition(|point| point.ends_with("request")).unwrap();
            let looks = points.iter().skip(last + 5).step_by(AFTERWARDS);
            points.iter().take(last + 5).chain(looks).cloned().collect::<Vec<_>>()
        };
        let (more, points) = matrix(run[1], || Stage::new(scenario, "", first), run, chosen).await;
        wrong.extend(more);
        total += points;
    }
    println!("{total} points of crash");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_commits_a_restore_once() {
    let stage = || Stage::new("eafix/healthy", RESTORE, &[]);
    let (wrong, points) =
        matrix("restore", stage, &["run", "procedure.yaml"], <[String]>::to_vec).await;
    assert!(wrong.is_empty(), "{} of {points}:\n{}", wrong.len(), wrong.join("\n\n"));
}
