//! Three runbooks as somebody writes them on the first day, in short forms: they load, and they
//! find what is wrong in the simulated cluster.

use crate::support::Place;

/// Runs a runbook in a scenario and gives its verdict and causes, with what they concern.
fn found(text: &str, scenario: &str) -> String {
    let place = Place::new();
    let file = place.write("mine.yaml", text);
    let (document, _) = place.json(&["run", &file, "--yes", &format!("--sandbox={scenario}")]);
    let concerned = document["findings"].as_array().unwrap().iter().map(|finding| {
        let objects = finding["objects"].as_array().unwrap();
        let first = objects[0]["kind"].as_str().or(objects[0].as_str()).unwrap();
        format!("{}: {} {first}", finding["id"].as_str().unwrap(), objects.len())
    });
    let verdict = document["verdict"].as_str().unwrap().to_owned();
    std::iter::once(verdict).chain(concerned).collect::<Vec<_>>().join(", ")
}

/// Is the application up? Which pods are not?
const PODS: &str = r#"runbook: v1
title: Pods of an application
params:
  app: {type: string, default: petrosa-ta-bot}
namespace: petrosa-apps
let: {selector: '"app=" + $params.app'}
on_failure: continue
steps:
  - id: pods
    title: Pods with {{ selector }} are ready
    get: {kind: Pod, selector: "{{ selector }}"}
    expect:
      all: any(.status.conditions[]?; .type == "Ready" and .status == "True")
      over: .items
      message: not every pod of {{ params.app }} is ready
  - id: kinds
    for_each: [Deployment, Service]
    get: {kind: "{{ item }}"}
    expect: .items | length > 0
findings:
  - id: not-ready
    let:
      bad: >-
        [$steps.pods.output.items[]
        | select(any(.status.conditions[]?; .type == "Ready" and .status == "True") | not)]
    when: ($bad | length) > 0
    not_when: $steps.kinds.failed
    objects: $bad
    cause: "{{ bad | length }} of {{ steps.pods.output['items'] | length }} pods are not ready"
    remedy: ta-bot/health
"#;

/// A change that a person confirms, with its verification.
const RESTART: &str = r#"runbook: v1
title: Restart an application
params:
  app: {type: string, default: petrosa-ta-bot}
namespace: petrosa-apps
let: {target: '"deployment/" + $params.app'}
steps:
  - id: restart
    title: Restart {{ target }}
    restart: {target: "{{ target }}"}
    then:
      rollout: {target: "{{ target }}"}
    timeout: 2m
  - id: check
    run: ta-bot/health
"#;

/// What another runbook says, as a cause of one's own.
const CALL: &str = r#"runbook: v1
title: Is the bot in order?
namespace: petrosa-apps
on_failure: continue
steps:
  - id: health
    run: ta-bot/health
findings:
  - id: unhealthy
    let: {found: $steps.health.output.findings}
    when: $steps.health.failed
    objects: $found
    cause: ta-bot/health found {{ found | join(", ") }}
    remedy: {text: Call somebody.}
"#;

#[test]
fn what_somebody_writes_on_the_first_day_works() {
    for text in [PODS, RESTART, CALL] {
        let place = Place::new();
        let file = place.write("mine.yaml", text);
        let said = place.run(&["check", &file]);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{}", said.all());
        let said = place.run(&["fmt", "--upgrade", "--check", &file]);
        assert_eq!(said.code, 0, "{}", said.all());
    }
    for (text, scenario, wanted) in [
        (PODS, "healthy", "passed"),
        (PODS, "tabot-rollout-stuck", "failed, not-ready: 3 Pod"),
        (RESTART, "healthy", "passed"),
        (CALL, "healthy", "passed"),
        (CALL, "tabot-one-pod-mysql-down", "failed, unhealthy: 1 dependency-disconnected"),
    ] {
        assert_eq!(found(text, scenario), wanted, "{scenario}");
    }
}
