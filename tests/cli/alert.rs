//! `runbook alert` and `runbook alerts`: from what Alertmanager sends to runs.

use crate::support::{Place, Said, said};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

/// A runbook that says what it was given.
const ECHO: &str = "\
runbook: v1
title: Says what it was given
alerts: [KubePodCrashLooping, KubePodNotReady, {name: Mapped, with: {target: 'node/{{ labels.host }}'}}]
params:
  namespace: {type: string}
  target: {type: string}
  fails: {type: bool, default: false}
steps:
  - id: given
    title: 'Look at {{ params.target }} for {{ alert.name if alert else \"nobody\" }}'
    value: '{name: $alert.name?, firing: $alert.firing?, threshold: $alert.rule.threshold.value?}'
    expect: ($params.fails | not)
";

fn place() -> Place {
    let place = Place::new();
    place.write("runbooks/echo.yaml", ECHO);
    place
}

fn piped(place: &Place, arguments: &[&str], payload: &Value) -> Said {
    said(place.command().args(["alert", "-"]).args(arguments).write_stdin(payload.to_string()))
}

fn pod(name: &str, pod: &str) -> Value {
    json!({"status": "firing", "startsAt": "2026-11-20T03:00:07Z",
        "labels": {"alertname": name, "namespace": "shop", "pod": pod}})
}

fn webhook(alerts: &[Value]) -> Value {
    json!({"version": "4", "status": "firing", "alerts": alerts})
}

#[test]
fn a_typed_alert_is_answered_with_its_labels() {
    let said = place().run(&["alert", "KubePodCrashLooping", "namespace=shop", "pod=api-0"]);
    insta::assert_snapshot!("typed", said.all());
}

#[test]
fn a_group_is_answered_once_for_each_runbook_and_its_parameters() {
    let mut resolved = pod("KubePodNotReady", "api-9");
    resolved["status"] = json!("resolved");
    resolved["endsAt"] = json!("2026-11-20T03:05:00Z");
    let mut alerts: Vec<Value> = (0..18).map(|_| pod("KubePodCrashLooping", "api-0")).collect();
    alerts.extend([pod("KubePodNotReady", "api-0"), pod("KubePodNotReady", "api-1"), resolved]);
    let text = piped(&place(), &[], &webhook(&alerts)).all();
    let run = regex::Regex::new(r"(?m)^run \w{8}$").unwrap();
    insta::assert_snapshot!("group", run.replace_all(&text, "run RUN"));
    let place = place();
    let said = piped(&place, &["-o", "json", "--resolved"], &webhook(&alerts));
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    let targets: Vec<&str> = document["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["params"]["target"].as_str().unwrap())
        .collect();
    assert_eq!(targets, ["pod/api-0", "pod/api-1", "pod/api-9"]);
    assert_eq!(document["runs"][0]["alert"]["also"].as_array().unwrap().len(), 18);
    assert_eq!(document["schema"], "runbook.alert/v1");
    let few = piped(&place, &["--max-runs", "1"], &webhook(&alerts));
    assert_eq!(few.code, 3);
    assert!(few.stderr.contains("need more than 1 runs; raise --max-runs"), "{}", few.stderr);
}

#[test]
fn resolved_alerts_alone_start_nothing() {
    let mut resolved = pod("KubePodNotReady", "api-9");
    resolved["status"] = json!("resolved");
    resolved["endsAt"] = json!("2026-11-20T03:05:00Z");
    insta::assert_snapshot!("resolved", piped(&place(), &[], &webhook(&[resolved])).all());
    assert_eq!(piped(&place(), &[], &webhook(&[])).stdout, "no alerts\n");
}

#[test]
fn what_cannot_be_answered_is_said_and_the_rest_is_answered() {
    let place = place();
    let run = |arguments: &[&str]| place.run(arguments).all();
    insta::assert_snapshot!("unknown", run(&["alert", "KubePodCrashLopping", "pod=api-0"]));
    insta::assert_snapshot!(
        "missing",
        run(&["alert", "KubePodNotReady", "namespace=shop", "job=api"])
    );
    insta::assert_snapshot!(
        "unfit",
        run(&["alert", "KubePodNotReady", "namespace=shop", "pod=../x"])
    );
    insta::assert_snapshot!("mapped", run(&["alert", "Mapped", "namespace=shop", "pod=api-0"]));
    let odd = json!({"labels": {"alertname": "Odd"}});
    let said = piped(&place, &["-q"], &webhook(&[odd, pod("KubePodNotReady", "api-0")]));
    assert_eq!(said.code, 2, "{}", said.all());
    assert!(said.stderr.contains("no runbook answers the alert Odd"), "{}", said.stderr);
    assert_eq!(fs::read_dir(place.state().join("runs")).unwrap().count(), 1);
}

#[test]
fn parameters_that_are_given_win_over_labels() {
    for (arguments, target, namespace, code) in [
        (&["pod=api-0", "namespace=a"][..], "pod/api-0", "a", 0),
        (&["pod=api-0", "namespace=a", "--set", "target=pod/b"], "pod/b", "a", 0),
        (&["pod=api-0", "namespace=a", "-n", "b"], "pod/api-0", "b", 0),
        (&["pod=api-0", "namespace=a", "--set", "fails=true"], "pod/api-0", "a", 1),
        (&["pod=../x", "namespace=a", "--set", "target={{x}}"], "{{x}}", "a", 0),
    ] {
        let all = [&["alert", "KubePodNotReady"], arguments].concat();
        let (document, exit) = place().json(&all);
        let params = &document["runs"][0]["params"];
        assert_eq!((&params["target"], &params["namespace"]), (&json!(target), &json!(namespace)));
        assert_eq!(exit, code, "{arguments:?}");
    }
}

#[test]
fn what_is_no_payload_is_refused() {
    for (payload, wanted) in [
        ("", "the payload is not JSON"),
        ("{\"alerts\": []}", "not an object without `version`"),
        (r#"{"version": "4", "alerts": [{}]}"#, "alert 1 of the payload: the label `alertname`"),
        ("\u{0}", "the payload is not JSON"),
    ] {
        let said = said(place().command().args(["alert", "-"]).write_stdin(payload));
        assert_eq!(said.code, 2, "{payload}");
        assert!(said.stderr.contains(wanted), "{payload}: {}", said.stderr);
    }
    let said = said(place().command().args(["alert", "-"]).write_stdin(vec![0xff_u8, 0xfe]));
    assert_eq!((said.code, said.stderr.contains("not UTF-8")), (2, true), "{}", said.stderr);
}

#[test]
fn hostile_labels_do_nothing_on_a_terminal() {
    let mut alert = pod("KubePodNotReady", "api-0");
    alert["labels"]["evil"] = json!("a\u{1b}[2Jb\nKubePodNotReady, firing");
    let said = piped(&place(), &[], &webhook(&[alert]));
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(!said.stdout.contains('\u{1b}'), "{}", said.stdout);
    assert!(!said.stdout.contains("\nKubePodNotReady, firing"), "{}", said.stdout);
}

/// A payload that Alertmanager really sent.
fn fixture(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/fixtures/alerts");
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn payloads_that_alertmanager_sent_are_understood() {
    let table = [
        ("crash-looping.json", &["pod/api-54b78b4548-jjn6q"][..], 0),
        ("resolved.json", &[], 1),
        // one of the group fires, and one is resolved
        ("group.json", &["pod/api-54b78b4548-jjn6q"], 1),
        ("job-failed.json", &["job/import"], 0),
    ];
    for (name, targets, resolved) in table {
        let place = place();
        place.write("runbooks/job.yaml", ECHO.replace("KubePodCrashLooping", "KubeJobFailed"));
        let said = piped(&place, &["-o", "json"], &fixture(name));
        assert_eq!(said.code, 0, "{name}: {}", said.all());
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(document["resolved"].as_array().unwrap().len(), resolved, "{name}");
        let runs = document["runs"].as_array().unwrap();
        let found: Vec<&str> =
            runs.iter().map(|run| run["params"]["target"].as_str().unwrap()).collect();
        assert_eq!(found, targets, "{name}");
        for run in runs {
            assert_eq!(run["params"]["namespace"], "shop", "{name}");
            assert!(run["alert"]["rule"]["threshold"]["value"].is_number(), "{name}: {run:#}");
            assert_eq!(run["alert"]["firing"], Value::Null, "nobody asked");
        }
    }
}

#[test]
fn the_runbook_in_the_documentation_answers_its_alerts() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts.md");
    let page = fs::read_to_string(page).unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = block.lines().next().unwrap().strip_prefix("# ").unwrap();
    for (name, labels, target) in [
        ("KubePodNotReady", "pod=api-0", "pod/api-0"),
        ("ShopPodSlow", "instance=api-1", "pod/api-1"),
    ] {
        let place = Place::new();
        place.write(file, block);
        assert_eq!(place.run(&["check", "runbooks"]).code, 0);
        let (document, code) = place.json(&["alert", name, "namespace=shop", labels]);
        assert_eq!((&document["runs"][0]["params"]["target"], code), (&json!(target), 0));
    }
}

/// With the labels that kube-prometheus and the exporters of each give.
#[test]
fn alerts_of_clusters_of_all_kinds_lead_to_their_objects() {
    let exporter = "job=kube-state-metrics instance=10.0.0.1:8080 service=kube-state-metrics \
        endpoint=http pod=kube-state-metrics-1";
    let table = [
        (
            "KubernetesContainerOomKiller",
            "namespace=a pod=x container=m",
            "pod-crash-looping pod/x",
        ),
        (
            "KubeDeploymentRolloutStuck",
            "namespace=a deployment=x KSM",
            "workload-unavailable deployment/x",
        ),
        (
            "KubeDaemonSetRolloutStuck",
            "namespace=a daemonset=x KSM",
            "workload-unavailable daemonset/x",
        ),
        ("KubeJobFailed", "namespace=a job_name=x KSM", "job-failed job/x"),
        ("KubeHpaMaxedOut", "namespace=a horizontalpodautoscaler=x KSM", "hpa hpa/x"),
        (
            "KubePdbNotEnoughHealthyPods",
            "namespace=a poddisruptionbudget=x KSM",
            "pod-disruption-budget pdb/x",
        ),
        ("KubeNodeNotReady", "node=x condition=Ready KSM", "node node/x"),
        (
            "NodeFilesystemSpaceFillingUp",
            "instance=x:9100 job=node-exporter pod=node-exporter-1 \
            namespace=monitoring mountpoint=/",
            "node node/x",
        ),
        (
            "NginxHighHttp5xxErrorRate",
            "exported_namespace=a exported_service=x pod=ingress-1 \
            namespace=ingress",
            "service-unreachable service/x",
        ),
        ("TargetDown", "job=x namespace=a service=x", "target-down service/x"),
        (
            "ArgoCdAppOutOfSync",
            "name=x namespace=a pod=argocd-application-controller-0",
            "resource applications.argoproj.io/x",
        ),
        (
            "FluxSourceIssue",
            "customresource_kind=GitRepository name=x exported_namespace=a \
            namespace=m pod=ksm",
            "resource GitRepository/x",
        ),
        (
            "CNPGClusterOffline",
            "namespace=a cnpg_cluster=x",
            "resource clusters.postgresql.cnpg.io/x",
        ),
        (
            "KubeAggregatedAPIDown",
            "name=v1.x.io namespace=a",
            "resource apiservices.apiregistration.k8s.io/v1.x.io",
        ),
    ];
    for (name, labels, wanted) in table {
        let labels = labels.replace("KSM", exporter);
        let mut arguments = vec!["alert", name, "--sandbox=healthy"];
        arguments.extend(labels.split_whitespace());
        let (document, _) = Place::new().json(&arguments);
        let run = &document["runs"][0];
        let runbook = run["runbook"].as_str().unwrap_or_else(|| panic!("{name}: {document:#}"));
        let target = run["params"]["target"].as_str().unwrap();
        assert_eq!(format!("{runbook} {target}"), format!("kubernetes/{wanted}"), "{name}");
        let namespace = &run["params"]["namespace"];
        assert!(namespace.is_null() || namespace == "a", "{name}: {namespace}");
    }
}

/// A Prometheus that answers every request so, and its address.
fn prometheus(status: u16, body: &Value) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = body.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            drop(stream.read(&mut buffer));
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: \
                    close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    url
}

fn rules(alerts: &Value) -> Value {
    json!({"status": "success", "data": {"groups": [{"name": "pods", "rules": [{
        "type": "alerting", "name": "KubePodNotReady", "query": "sum by (pod) (x) > 0.5",
        "duration": 900, "health": "ok", "labels": {}, "alerts": alerts}]}]}})
}

#[test]
fn prometheus_says_whether_it_still_fires_and_by_which_rule() {
    let active = json!([{"state": "firing", "activeAt": "2026-11-20T02:57:07Z", "value": "4e+00",
        "labels": {"alertname": "KubePodNotReady", "pod": "api-0"}}]);
    let table = [
        (200, rules(&active), json!(true), json!(0.5), ""),
        (200, rules(&json!([])), json!(false), json!(0.5), ""),
        (
            200,
            json!({"status": "success", "data": {"groups": []}}),
            Value::Null,
            Value::Null,
            "this Prometheus has no rule for KubePodNotReady",
        ),
        (503, json!("starting"), Value::Null, Value::Null, "not a Prometheus response: HTTP 503"),
    ];
    let typed = ["alert", "KubePodNotReady", "namespace=shop", "pod=api-0"];
    for (status, body, firing, threshold, because) in table {
        let (place, url) = (place(), prometheus(status, &body));
        let arguments = [&typed[..], &["--prometheus", &url]].concat();
        let (document, code) = place.json(&arguments);
        assert_eq!(code, 0, "{document:#}");
        let alert = &document["runs"][0]["alert"];
        assert_eq!(alert["firing"], firing, "{alert:#}");
        assert_eq!(alert["rule"]["threshold"]["value"], threshold, "{alert:#}");
        let said = alert["because"].as_str().unwrap_or_default();
        assert!(said.contains(because) && said.is_empty() == because.is_empty(), "{said}");
    }
    let url = prometheus(200, &rules(&active));
    let arguments = [&typed[..], &["--prometheus", &url]].concat();
    insta::assert_snapshot!("prometheus", place().run(&arguments).all());
    let wrong = place().run(&[&typed[..], &["--prometheus", "prometheus"]].concat());
    assert_eq!(wrong.code, 2, "{}", wrong.all());
}

#[test]
fn a_simulated_prometheus_without_rules_leaves_it_unknown() {
    let arguments = [
        "alert",
        "KubePodNotReady",
        "namespace=petrosa-apps",
        "pod=api-0",
        "--sandbox=healthy",
        "--prometheus",
        "service/prometheus",
        "--prometheus-namespace",
        "monitoring",
    ];
    let (document, _) = place().json(&arguments);
    let alert = &document["runs"][0]["alert"];
    assert_eq!(
        (&alert["firing"], &alert["because"]),
        (&Value::Null, &json!("this Prometheus has no rule for KubePodNotReady"))
    );
}

#[test]
fn a_resumed_run_sees_the_alert_as_it_was() {
    let place = Place::new();
    place.write(
        "runbooks/ask.yaml",
        "runbook: v1\ntitle: Asks\nalerts: [A]\nsteps:\n  - id: sure\n    confirm: Go on?\n  - \
            id: seen\n    value: $alert\n    expect: '.name == \"A\" and .labels.pod == \"x\"'\n",
    );
    let paused = place.run(&["alert", "A", "pod=x"]);
    assert_eq!(paused.code, 4, "{}", paused.all());
    let approved = place.run(&["approve", "01K9ZQ4T", "--step", "sure", "--yes"]);
    assert_eq!(approved.code, 0, "{}", approved.all());
    let resumed = place.run(&["resume", "01K9ZQ4T"]);
    assert_eq!(resumed.code, 0, "{}", resumed.all());
}

#[test]
fn the_alerts_of_the_catalogue_are_listed() {
    let place = place();
    let listed = place.run(&["alerts", "kubepod"]);
    assert!(listed.stdout.contains("KubePodCrashLooping") && listed.code == 0, "{}", listed.all());
    assert_eq!(place.run(&["alerts", "nothing-like-it"]).stdout, "no alerts found\n");
    let (document, code) = place.json(&["alerts", "--coverage"]);
    assert_eq!((&document["schema"], code), (&json!("runbook.alerts/v1"), 0));
    assert_eq!(document["coverage"]["families"].as_array().unwrap().len(), 139);
    assert_eq!(document["alerts"]["Mapped"], json!(["echo"]));
    let text = place.run(&["alerts", "--coverage"]).stdout;
    assert!(text.contains(" of 40 families of common alerts have runbooks"), "{text}");
    let url = prometheus(200, &rules(&json!([])));
    let live = place.run(&["alerts", "--coverage", "--prometheus", &url]);
    let last = "\n\n1 of 1 alerts of this Prometheus have a runbook\n";
    assert!(live.stdout.ends_with(last), "{}", live.all());
    let dead = place.run(&["alerts", "--coverage", "--prometheus", &prometheus(500, &json!(null))]);
    assert_eq!(dead.code, 3, "{}", dead.all());
}
