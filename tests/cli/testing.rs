//! `runbook test`: cases of a small world, what they notice, and how they are told.

use crate::support::Place;
use serde_json::Value;

const WORLD: &[(&str, &str)] = &[
    ("world.yaml", "world: v1\ntitle: A shop\nnamespace: shop\n"),
    (
        "manifests/shop.yaml",
        r#"apiVersion: v1
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
    spec:
      containers:
      - {name: web, image: "shop/web:1.0", command: [shop, web], ports: [{containerPort: 8080}]}
"#,
    ),
    (
        "applications.yaml",
        r#"images:
- {images: ["shop/web:1.0"], tools: few}
tools: {few: [sh]}
apps:
- app: web
  command: shop web
  ports: [{port: 8080}]
  values: {stock: "true"}
  routes: [{route: GET /health, json: "{'stock': stock}"}]
"#,
    ),
];

const RUNBOOK: &str = r#"runbook: v1
title: The shop has three web pods
namespace: shop
params:
  replicas: {type: int, default: 3}
on_failure: continue
steps:
  - id: health
    title: Every pod reaches the stock
    http: {target: {kind: Pod, selector: app=web}, container: web, path: /health}
    expect:
      - all: .json.stock
  - id: enough
    title: There are enough pods
    get: {kind: Deployment, name: web}
    until: .status.readyReplicas >= 2
    every: 5s
    timeout: 5m
  - id: ask
    title: Ask
    confirm: {question: "Scale the shop?"}
  - id: grow
    title: Scale the shop
    when: $steps.enough.passed and $steps.ask.passed
    scale: {target: deployment/web, replicas: "{{ params.replicas }}"}
    then: {rollout: {target: deployment/web}}
findings:
  - id: no-stock
    when: $steps.health.failed
    cause: The shop does not reach its stock
"#;

const SUITE: &str = r#"rehearsal: v1
world: shop
cases:
  - case: it grows
    answers: {ask: true}
    twice: true
    undo: true
    expect:
      changes: [patch deployments shop/web]
      steps: {health: passed, grow: passed}
  - case: it dies before it grows
    answers: {ask: true}
    crash: {at: grow}
    expect:
      changes: [patch deployments shop/web]
      state:
        - {object: deployment/web, that: .spec.replicas == 3}
        - {object: configmap/none, absent: true}
  - case: nobody answers
    expect: {verdict: paused}
  - case: it does not reach its stock
    answers: {ask: false}
    scenario:
      apps: [{app: web, values: {stock: "false"}}]
    expect: {verdict: failed, findings: [no-stock], steps: {grow: unknown}}
  - case: a pod comes late
    answers: {ask: true}
    params: {replicas: 2}
    scenario:
      changes:
        - patch: {kind: Deployment, namespace: shop, name: web}
          with: {spec: {replicas: 1}}
      then:
        - after: 2m
          patch: {kind: Deployment, namespace: shop, name: web}
          with: {spec: {replicas: 2}}
  - case: the first answer of the server is an error
    answers: {ask: false}
    scenario:
      faults: [{verbs: [get], resources: [deployments], status: 503, times: 1}]
    expect: {verdict: unknown, steps: {enough: passed}}
"#;

fn place() -> Place {
    let place = Place::new();
    for (name, text) in WORLD {
        place.write(&format!("worlds/shop/{name}"), text);
    }
    place.write("runbooks/shop/grow.yaml", RUNBOOK);
    place.write("runbooks/shop/grow.test.yaml", SUITE);
    place
}

/// The document without what depends on the machine.
fn document(place: &Place, arguments: &[&str]) -> (Value, i32) {
    let (mut document, code) = place.json(&[&["test", "shop/grow"], arguments].concat());
    for case in document["cases"].as_array_mut().unwrap() {
        case.as_object_mut().unwrap().remove("duration_ms");
    }
    (document, code)
}

#[test]
fn cases_hold_and_are_the_same_every_time() {
    let place = place();
    let (first, code) = document(&place, &[]);
    assert_eq!(code, 0, "{first:#}");
    assert_eq!(first["summary"]["cases"], 6);
    for jobs in ["--jobs=1", "--jobs=4"] {
        assert_eq!(document(&place, &[jobs]).0, first);
    }
    let crashed = &first["cases"][1]["stages"];
    assert_eq!(crashed[0]["verdict"], Value::Null);
    assert_eq!(crashed[1]["stage"], "resume");
}

#[test]
fn what_came_out_differently_is_said_and_can_be_written_down() {
    let place = place();
    let wrong = SUITE
        .replace("expect: {verdict: paused}", "expect: {verdict: passed}")
        .replace("findings: [no-stock], ", "")
        .replace("steps: {enough: passed}", "steps: {enough: failed}")
        .replace("      changes: [patch deployments shop/web]\n      steps", "      steps");
    place.write("runbooks/shop/grow.test.yaml", &wrong);
    let (document, code) = document(&place, &[]);
    assert_eq!((code, &document["summary"]["failed"]), (1, &4.into()), "{document:#}");
    let said = place.run(&["test", "shop/grow"]);
    for part in [
        "verdict: expected passed, got paused",
        "findings: expected none, got no-stock",
        "step enough: expected failed, got passed",
        "changes: expected none, got patch deployments shop/web",
        "runbooks/shop/grow.test.yaml:18",
        "4 of 6 cases failed",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}", said.all());
    }
    let said = place.run(&["test", "shop/grow", "--output=github"]);
    let line =
        "::error file=runbooks/shop/grow.test.yaml,line=18,title=shop/grow%3A nobody answers";
    assert!(said.stdout.contains(line), "{}", said.stdout);
    let said = place.run(&["test", "shop/grow", "--output=junit"]);
    assert!(said.stdout.contains("tests=\"6\" failures=\"4\" errors=\"0\""), "{}", said.stdout);
    assert_eq!(place.run(&["test", "shop/grow", "--update"]).code, 0);
    let said = place.run(&["test", "shop/grow"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn mutants_and_gaps_are_named() {
    let place = place();
    let (document, code) = document(&place, &["--coverage", "--mutate"]);
    assert_eq!(code, 0, "{document:#}");
    let mutation = &document["mutation"][0];
    assert_eq!(mutation["survivors"], serde_json::json!([]), "{mutation:#}");
    assert_eq!(document["coverage"][0]["never_failed"], serde_json::json!(["enough"]));
    let few = SUITE.split("  - case: nobody answers").next().unwrap();
    place.write("runbooks/shop/grow.test.yaml", few);
    let (document, _) = self::document(&place, &["--coverage", "--mutate"]);
    assert_eq!(document["coverage"][0]["never_concluded"], serde_json::json!(["no-stock"]));
    let survivors = document["mutation"][0]["survivors"].as_array().unwrap();
    assert!(survivors.iter().any(|one| one["what"] == "finding no-stock: condition dropped"));
}

/// The last look of a poll would have no time left: what was seen before it decides.
#[test]
fn a_poll_in_vain_is_timed_out_and_not_undetermined() {
    let place = place();
    place.write(
        "runbooks/shop/poll.yaml",
        r#"runbook: v1
title: The stock comes back
namespace: shop
steps:
  - id: stock
    http: {target: {kind: Pod, selector: app=web}, container: web, path: /health}
    until: all(.[]; .json.stock)
    every: 5s
    timeout: 1m
findings:
  - id: no-stock
    when: $steps.stock.failed
    cause: The stock does not come back
"#,
    );
    place.write(
        "runbooks/shop/poll.test.yaml",
        r#"rehearsal: v1
world: shop
cases:
  - case: it never does
    scenario: {apps: [{app: web, values: {stock: "false"}}]}
    expect: {verdict: failed, findings: [no-stock], steps: {stock: timed_out}}
"#,
    );
    let said = place.run(&["test", "shop/poll"]);
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn variations_that_mean_nothing_change_nothing() {
    let place = place();
    place.write(
        "runbooks/shop/grow.test.yaml",
        SUITE.replace("world: shop\n", "world: shop\nvary: {except: [one-replica]}\n"),
    );
    let arguments = &["--case", "stock", "--vary=3"];
    let (document, code) = document(&place, arguments);
    assert_eq!(code, 0, "{document:#}");
    assert!(document["cases"].as_array().unwrap().len() > 20);
}

#[test]
fn faults_of_a_rehearsal_file_are_shown_where_they_are() {
    let place = place();
    for (from, to, message) in [
        ("[no-stock]", "[no-stok]", "the runbook has no finding `no-stok`"),
        ("steps: {grow: unknown}", "steps: {grw: unknown}", "did you mean `grow`?"),
        ("verdict: paused", "verdict: pause", "unknown value `pause`"),
        ("case: nobody answers", "case: it grows", "two cases are named `it grows`"),
        ("undo: true", "undone: true", "unknown field `undone`"),
    ] {
        place.write("runbooks/shop/grow.test.yaml", SUITE.replacen(from, to, 1));
        let said = place.run(&["test", "shop/grow"]);
        assert_eq!(said.code, 2, "{}", said.all());
        assert!(said.stderr.contains(message), "{message}: {}", said.all());
        assert!(said.stderr.contains("runbooks/shop/grow.test.yaml:"), "{}", said.all());
        let checked = place.run(&["check", "runbooks"]);
        assert!(checked.code == 2 && checked.stderr.contains(message), "{}", checked.all());
    }
    place.write("runbooks/shop/grow.test.yaml", SUITE);
    let (tested, _) = place.json(&["test", "--case", "it grows"]);
    let cases = tested["cases"].as_array().unwrap();
    let is_own = |case: &Value| case["runbook"] == "shop/grow";
    assert!(!cases.is_empty() && cases.iter().all(is_own), "only its own: {tested:#}");
    let said = place.run(&["test", "shop/grwo"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("did you mean `shop/grow`?"), "{}", said.all());
}
