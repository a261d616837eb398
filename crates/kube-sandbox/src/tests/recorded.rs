//! Objects that were seen elsewhere: they keep their names, times and states.

use super::*;
use crate::object;
use jiff::Timestamp;

const HEADER: &str = "world: v1\ntitle: Recorded\nnamespace: shop\n";
const MANIFESTS: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'shop/web:1'}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: 'shop/web:1'}]}}}
";
const APPS: &str = "images: [{images: ['shop/web:1'], tools: none}]
apps:
- app: web
  command: ''
  of_image: shop/web
  ports: [{port: 80}]
  routes: [{route: GET /, text: '{{ pod.name }}'}]
  logs: [{after: 1, when: pod.name == 'web-1-a', text: begun}, {after: 2, text: ended}]
";
const SCENARIO: &str = "title: As recorded
description: A pod runs, one crashes, one finds no room.
recorded: 2026-01-01T12:00:00Z
changes:
- patch: {kind: Job, namespace: shop, name: once}
  with: {status: {failed: 1, startTime: '2026-01-01T11:00:00Z', conditions: [
    {type: Failed, status: 'True', reason: BackoffLimitExceeded,
    lastTransitionTime: '2026-01-01T11:30:00Z'}]}}
- apply: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, namespace: shop,
    labels: {app: web, pod-template-hash: '1'},
    ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: recorded,
      controller: true}]},
    spec: {replicas: 2, selector: {matchLabels: {app: web, pod-template-hash: '1'}}, template: {
      metadata: {labels: {app: web, pod-template-hash: '1'}},
      spec: {containers: [{name: web, image: 'shop/web:1'}]}}}}
";

fn pod(name: &str, owner: &str, spec: &str, status: &str) -> String {
    let labels =
        if owner == "web-1" { "app: web, pod-template-hash: '1'" } else { "job-name: once" };
    let kind = if owner == "web-1" { "apps/v1, kind: ReplicaSet" } else { "batch/v1, kind: Job" };
    format!(
        "- apply: {{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, \
            creationTimestamp: '2026-01-01T11:00:00Z', labels: {{{labels}}}, ownerReferences: \
            [{{apiVersion: {kind}, name: {owner}, uid: recorded, controller: true}}]}}, \
            spec: {{{spec} containers: [{{name: web, image: 'shop/web:1'}}]}}, \
            status: {{{status}}}}}\n"
    )
}

fn scenario() -> String {
    let node = "nodeName: node,";
    let running = "phase: Running, containerStatuses: [{name: web, ready: true, restartCount: 3, \
        state: {running: {startedAt: '2026-01-01T11:50:00Z'}}}]";
    let crashing = "phase: Running, containerStatuses: [{name: web, ready: false, restartCount: 7, \
        state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, \
        reason: OOMKilled, startedAt: '2026-01-01T11:58:00Z'}}}]";
    let ended = "phase: Failed, containerStatuses: [{name: web, ready: false, restartCount: 0, \
        state: {terminated: {exitCode: 1, startedAt: '2026-01-01T11:00:00Z', \
        finishedAt: '2026-01-01T11:00:05Z'}}}]";
    let unplaced = "phase: Pending, conditions: [{type: PodScheduled, status: 'False', \
        reason: Unschedulable, message: '0/1 nodes are available: 1 Insufficient cpu.'}]";
    [
        SCENARIO.to_owned(),
        pod("web-1-a", "web-1", node, running),
        pod("web-1-b", "web-1", node, crashing),
        pod("once-a", "once", node, ended),
        format!(
            "- apply: {{apiVersion: v1, kind: Pod, metadata: {{name: lone, namespace: shop}}, \
            spec: {{containers: [{{name: web, image: 'shop/web:1'}}]}}, status: {{{unplaced}}}}}\n"
        ),
    ]
    .concat()
}

async fn recorded() -> Cluster {
    let scenario = scenario();
    let files = [
        ("world.yaml", HEADER),
        ("manifests/shop.yaml", MANIFESTS),
        ("applications.yaml", APPS),
        ("scenarios/recorded.yaml", scenario.as_str()),
    ];
    let world = World::from_files(files).unwrap();
    let now = "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let options = Options { scenario: "recorded".to_owned(), now: Some(now), ..Options::default() };
    connected(start(&world, options).await.unwrap()).await
}

#[tokio::test]
async fn pods_keep_their_names_times_and_states() {
    let cluster = recorded().await;
    let list = cluster.get("/api/v1/namespaces/shop/pods").await.unwrap();
    let pods = object::list(&list["items"]);
    let names: Vec<&str> = pods.iter().map(object::name).collect();
    assert_eq!(names, ["lone", "once-a", "web-1-a", "web-1-b"], "and none is made besides");
    let status = |at: usize| &pods[at]["status"]["containerStatuses"][0];
    assert_eq!(pods[2]["metadata"]["creationTimestamp"], "2026-05-31T23:00:00Z");
    assert_eq!(status(2)["state"]["running"]["startedAt"], "2026-05-31T23:50:00Z");
    assert_eq!((&status(2)["restartCount"], &status(2)["ready"]), (&json!(3), &json!(true)));
    assert_eq!(status(3)["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(status(3)["ready"], false);
    assert_eq!(pods[1]["status"]["phase"], "Failed");
    assert!(pods[0]["spec"]["nodeName"].is_null(), "{:#}", pods[0]);
    let web = cluster.get("/apis/apps/v1/namespaces/shop/deployments/web").await.unwrap();
    assert_eq!(
        (&web["status"]["replicas"], &web["status"]["readyReplicas"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn what_ran_answers_and_what_ended_has_its_log() {
    let cluster = recorded().await;
    let path = |pod: &str, rest: &str| format!("/api/v1/namespaces/shop/pods/{pod}{rest}");
    let answer = cluster.get(&path("web-1-a:80", "/proxy/")).await.unwrap();
    assert_eq!(answer, json!("web-1-a"));
    assert!(cluster.get(&path("web-1-b:80", "/proxy/")).await.is_err());
    for (pod, expected) in
        [("web-1-a", "begun\nended\n"), ("web-1-b", "ended\n"), ("once-a", "ended\n")]
    {
        assert_eq!(cluster.get(&path(pod, "/log")).await.unwrap(), json!(expected), "{pod}");
    }
    let job = cluster.get("/apis/batch/v1/namespaces/shop/jobs/once").await.unwrap();
    assert_eq!(job["status"]["conditions"][0]["lastTransitionTime"], "2026-05-31T23:30:00Z");
}
