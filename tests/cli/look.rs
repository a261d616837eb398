//! The verbs that look at everything around an object, against the sandbox: what changed, what
//! belongs to what, paths of the API server, handshakes, and what a cluster may not have.

use crate::support::Place;
use serde_json::Value;

/// The steps of a run in a world where a rollout is stuck: id, outcome, reason.
fn run(steps: &str) -> Vec<(String, String, String)> {
    run_in("petrosa/tabot-rollout-stuck", "petrosa-apps", steps)
}

fn run_in(scenario: &str, namespace: &str, steps: &str) -> Vec<(String, String, String)> {
    let place = Place::new();
    let file = place.write(
        "look.yaml",
        format!(
            "runbook: v1\ntitle: T\nnamespace: {namespace}\nsandbox: {scenario}\n\
                steps:\n{steps}"
        ),
    );
    let (document, _) = place.json(&["run", &file, "--sandbox"]);
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = document["steps"].as_array();
    steps
        .unwrap_or_else(|| panic!("{document}"))
        .iter()
        .map(|step| (text(step, "id"), text(step, "outcome"), text(step, "reason")))
        .collect()
}

#[test]
fn what_is_around_an_object_is_told() {
    let steps = run(r#"
  - id: changes
    changes: {target: deployment/petrosa-ta-bot, since: 2h}
    expect: |
      .items[0] | .rank == 1 and .what == "revision" and .relation == "target"
        and .images[0].after == "yurisa2/petrosa-ta-bot:v1.0.99"
  - id: before
    changes: {target: deployment/petrosa-ta-bot, since: 2h, before: "2020-01-01T00:00:00Z"}
    expect: .items | length == 0
  - id: related
    related: {target: deployment/petrosa-ta-bot}
    expect: |
      (.configmaps == ["petrosa-common-config"]) and (.services | length == 2)
        and (.secrets == ["petrosa-sensitive-credentials"]) and (.pods | length == 6)
  - id: back
    related: {target: configmap/petrosa-common-config}
    expect: .deployments == ["petrosa-realtime-strategies", "petrosa-ta-bot"]
  - id: describe
    describe: {target: deployment/petrosa-ta-bot}
    expect: |
      (.causes | length > 0) and (.events | length > 0) and (.pods | length == 6)
        and (.object.metadata | has("managedFields") | not)
        and any(.conditions[]; .reason == "ProgressDeadlineExceeded")
  - id: secret
    describe: {target: secret/petrosa-sensitive-credentials}
    expect: '.object.data["mysql-uri"] | endswith(" bytes")'
  - id: certificate
    secret: {name: petrosa-sensitive-credentials, key: mysql-uri, shape: certificate}
    expect: (.valid | not) and .certificate.error == "it contains no certificate in PEM"
  - id: ready
    api: {path: "/readyz?verbose"}
    expect: (.checks | length) == 3 and all(.checks[]; .ok)
  - id: range
    promql:
      query: up{job="petrosa-ta-bot"}
      target: {kind: service, name: prometheus, namespace: monitoring}
      range: 10m
      above: 0
    expect: .began != null and (.result[0].values | length) > 10
  - id: tls
    tls: {target: service/petrosa-ta-bot-service, timeout: 3s}
    expect: all(.[]; .connected and (.handshake | not))
"#);
    assert!(steps.len() >= 10, "{steps:?}");
    for (id, outcome, reason) in &steps {
        assert_eq!(outcome, "passed", "{id}: {reason}");
    }
}

#[test]
fn what_a_cluster_does_not_have_is_an_error_and_never_empty() {
    for (step, wanted) in [
        ("top: {}", "metrics-server is not installed"),
        ("top: {nodes: true}", "metrics-server is not installed"),
        ("node_stats: {node: nowhere}", "the stats of the kubelet of node"),
        ("related: {target: configmap/nothing}", "configmap/nothing does not exist"),
        ("describe: {target: deployment/nothing}", "not found"),
        ("changes: {target: deployment/nothing}", "deployment/nothing does not exist"),
    ] {
        let steps =
            run_in("plain/hpa-no-metrics", "default", &format!("  - {{id: look, {step}}}\n"));
        let [(_, outcome, reason)] = &steps[..] else { panic!("{steps:?}") };
        assert!(outcome == "error" && reason.contains(wanted), "{step}: {outcome}: {reason}");
    }
}
