//! Services that lead nowhere although nothing is known to be wrong: whoever asks about one is told.

use crate::build::*;
use kube_diagnosis::{PortState, Snapshot, diagnose, wanted_ports};
use serde_json::{Value, json};

/// The sentence about the Service, and its reason.
fn said(objects: &[Value]) -> (String, String) {
    let found = found(objects);
    let all: Vec<_> = found.causes.iter().filter(|cause| cause.object.kind == "Service").collect();
    assert_eq!(all.len(), 1, "{:?}", named(objects));
    assert_eq!((all[0].id, &all[0].follows_from), ("no-endpoints", &None));
    (all[0].detail.clone(), all[0].reason.clone())
}

fn of(selector: Value) -> Value {
    service(json!({"spec": {"selector": selector}}))
}

fn nightly() -> Value {
    cronjob(json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": {
        "labels": {"app": "job"}}}}}}}))
}

fn of_job(name: &str, change: Value) -> Value {
    let base = pod(
        name,
        json!({"metadata": {"labels": {"app": "job"}}, "spec": {"restartPolicy": "Never"},
            "status": {"phase": "Succeeded", "containerStatuses": null}}),
    );
    owned(merged(base, change), "Job", "import")
}

#[test]
fn a_service_whose_selector_may_be_right_and_that_selects_no_pod() {
    let db = || vec![db(1, json!({})), db_pod(pod("db-0", json!({})))];
    let with = |mut all: Vec<Value>, service: Value| {
        all.push(service);
        all
    };
    let leaving = pod("web-a", json!({"metadata": {"deletionTimestamp": ago("-20m")}}));
    for (objects, wanted) in [
        // the number of a pod that the StatefulSet does not have
        (
            with(db(), of(json!({"app": null, "statefulset.kubernetes.io/pod-name": "db-3"}))),
            "no pod has the labels statefulset.kubernetes.io/pod-name=db-3",
        ),
        (
            with(db(), of(json!({"app": "db", "apps.kubernetes.io/pod-index": "7"}))),
            "no pod has the labels app=db,apps.kubernetes.io/pod-index=7",
        ),
        // a hash that was copied
        (
            with(
                [web(1, 1), vec![pod("web-a", json!({}))]].concat(),
                of(json!({"pod-template-hash": "deadbeef"})),
            ),
            "no pod has the labels app=web,pod-template-hash=deadbeef",
        ),
        (
            vec![of(json!({"app": "job"})), of_job("import-a", json!({}))],
            "no pod has the labels app=job but for pod import-a, which has ended",
        ),
        (
            vec![service(json!({})), leaving],
            "no pod has the labels app=web but for pod web-a, which is terminating",
        ),
        (
            vec![nightly(), of(json!({"app": "job"}))],
            "no pod has the labels app=job but for those of cronjob/nightly",
        ),
    ] {
        assert_eq!(said(&objects), (wanted.to_owned(), String::new()));
    }
}

#[test]
fn what_an_operator_has_made_is_told_apart() {
    let owned = owned(of(json!({"app": null, "role": "replica"})), "Cluster", "pg");
    let (detail, reason) = said(&[owned]);
    assert_eq!(
        (detail.as_str(), reason.as_str()),
        ("no pod has the labels role=replica", "Controlled")
    );
}

#[test]
fn a_service_whose_pods_start() {
    let starting = merged(
        ill_pod("web-a", unready("15s")),
        json!({"metadata": {"creationTimestamp": ago("20s")}}),
    );
    let objects = [web(1, 0), vec![starting, service(json!({}))]].concat();
    assert_eq!(said(&objects).0, "pod web-a is not ready yet");
}

/// What is at work with a pod is no fault from which the state of its Service would follow.
#[test]
fn a_service_whose_pod_is_at_work() {
    let probe = json!({"startupProbe": {"periodSeconds": 10, "failureThreshold": 60},
        "ports": [{"containerPort": 8080, "name": "http"}]});
    let pod = merged(
        ill_pod("web-a", unready("5m")),
        json!({"metadata": {"creationTimestamp": ago("5m")},
            "spec": {"containers": [merged(json!({"name": "main", "image": "example.com/web:1"}),
                probe)]}}),
    );
    let started = json!({"status": {"containerStatuses": [merged(unready("5m"),
        json!({"started": false, "state": {"running": {"startedAt": ago("5m")}}}))]}});
    let objects = [web(1, 0), vec![merged(pod, started), service(json!({}))]].concat();
    assert_eq!(named(&objects), ["deployment/web still-starting", "service/web no-endpoints"]);
}

/// A CronJob with the same label is no reason to be silent of the Deployment that is scaled to 0.
#[test]
fn a_workload_that_is_scaled_to_0_beside_a_cronjob_with_its_label() {
    let labelled = merged(
        nightly(),
        json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels":
            {"app": "web"}}}}}}}),
    );
    let objects = [web(0, 0), vec![labelled, service(json!({}))]].concat();
    assert_eq!(named(&objects), ["service/web scaled-to-zero"]);
}

/// A name that a container gives to a port of another protocol is none.
#[test]
fn a_named_port_of_another_protocol() {
    let dns = |protocol: &str| {
        let ports = json!([{"name": "dns", "containerPort": 5353, "protocol": protocol}]);
        let containers = json!([{"name": "main", "image": "example.com/dns:1", "ports": ports}]);
        let to = json!([{"port": 53, "targetPort": "dns"}]);
        let pod = pod("web-a", json!({"spec": {"containers": containers}}));
        [web(1, 1), vec![pod, service(json!({"spec": {"ports": to}}))]].concat()
    };
    assert_eq!(named(&dns("TCP")), Vec::<String>::new());
    let found = found(&dns("UDP"));
    assert_eq!((found.causes.len(), found.causes[0].id), (1, "target-port-mismatch"));
    assert_eq!(
        found.causes[0].detail,
        "port 53 has targetPort `dns` for TCP, and the containers of web-a declare 5353/UDP (dns)"
    );
}

/// Every pod of the Service that is meant is tried; of others ten, and the rest is not ruled out.
#[test]
fn a_service_with_many_pods() {
    let mut all = web(12, 12);
    all.extend((0..12).map(|number| pod(&format!("web-{number}"), json!({}))));
    all.push(service(json!({})));
    let mut snapshot: Snapshot = all.into_iter().collect();
    let some = wanted_ports(&snapshot, now(), 30);
    assert_eq!(some.len(), 10);
    for (pod, port) in some {
        snapshot.add_port(&pod, port, PortState { loopback: Some(true), address: Some(true) });
    }
    let found = diagnose(&snapshot, now());
    assert!(found.causes.is_empty(), "{:?}", found.causes);
    assert!(found.not_looked_at["not-listening"].contains("was not tried"));
    snapshot.ask_about("web");
    assert_eq!(wanted_ports(&snapshot, now(), 30).len(), 12);
    snapshot.ask_about("other");
    let found = diagnose(&snapshot, now());
    assert!(!found.not_looked_at.contains_key("not-listening"), "it is about another one");
}
