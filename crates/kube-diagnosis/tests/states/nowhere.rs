//! Services that lead nowhere although nothing is known to be wrong: whoever asks about one is told.

use crate::build::*;
use kube_diagnosis::{Cause, PortState, Snapshot, diagnose, wanted_ports};
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
            "no pod has the labels app=job except for pod import-a, which has completed",
        ),
        (
            vec![service(json!({})), leaving],
            "no pod has the labels app=web except for pod web-a, which is terminating",
        ),
        (
            vec![nightly(), of(json!({"app": "job"}))],
            "no pod has the labels app=job except for those of cronjob/nightly",
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

const DEAF: PortState = PortState { loopback: Some(false), address: Some(false) };
const OPEN: PortState = PortState { loopback: Some(true), address: Some(true) };

/// A slice of the Service `web` with these endpoints, which lead to port 8080.
fn slice(name: &str, endpoints: Value) -> Value {
    object(
        "EndpointSlice",
        name,
        json!({"metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints}),
    )
}

fn endpoint(address: &str, pod: &str) -> Value {
    json!({"addresses": [address], "conditions": {"ready": true},
        "targetRef": {"kind": "Pod", "name": pod}})
}

/// Asked about the Service `web`, with what was found at port 8080 of the pod `web-a`.
fn asked(objects: Vec<Value>, tried: Option<PortState>) -> (Vec<String>, Vec<String>) {
    let mut snapshot: Snapshot = objects.into_iter().collect();
    snapshot.ask_about("web");
    if let Some(state) = tried {
        assert_eq!(wanted_ports(&snapshot, now(), 9), [("web-a".to_owned(), 8080)]);
        snapshot.add_port("web-a", 8080, state);
    }
    let found = diagnose(&snapshot, now());
    (found.causes.iter().map(|cause| cause.id.to_owned()).collect(), found.untried)
}

/// kube-proxy does not ask who has made a slice.
#[test]
fn a_service_leads_to_every_endpoint_of_its_slices() {
    let made = |slices: Vec<Value>| {
        let mut all = web(1, 1);
        all.extend([pod("web-a", json!({})), service(json!({"spec": {"selector": null}}))]);
        all.extend(slices);
        all
    };
    let own = || slice("web-own", json!([endpoint("10.0.0.1", "web-a")]));
    let nothing: (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    assert_eq!(asked(made(vec![own()]), Some(OPEN)), nothing);
    assert_eq!(asked(made(vec![own()]), Some(DEAF)).0, ["not-listening"]);
    assert_eq!(asked(made(vec![own()]), None).1, ["port 8080 of pod/web-a was not tried"]);
    let gone = slice("web-gone", json!([endpoint("10.0.0.9", "web-old")]));
    assert_eq!(
        asked(made(vec![own(), gone.clone()]), Some(OPEN)).1,
        ["10.0.0.9 is the address of pod web-old, which does not exist"]
    );
    let unready = merged(
        gone,
        json!({"endpoints": [{"addresses": ["10.0.0.9"],
        "conditions": {"ready": false}}]}),
    );
    assert_eq!(asked(made(vec![own(), unready]), Some(OPEN)), nothing);
    // beside those of the selector
    let mut all = web(1, 1);
    let hand = slice("web-hand", json!([{"addresses": ["192.0.2.1"], "conditions": {}}]));
    all.extend([pod("web-a", json!({})), service(json!({})), own(), hand]);
    assert_eq!(asked(all, Some(OPEN)).1, ["192.0.2.1 is no pod, and was not tried"]);
}

#[test]
fn what_cannot_be_tried_of_a_service_is_said() {
    let of = |change: Value| {
        let mut all = web(1, 1);
        let api = json!({"metadata": {"name": "api"}});
        all.extend([pod("web-a", json!({})), service(change), service(api)]);
        asked(all, None).1
    };
    let udp = json!({"spec": {"ports": [{"port": 53, "targetPort": 8080, "protocol": "UDP"}]}});
    assert_eq!(of(udp), ["port 53/UDP was not tried: only TCP is"]);
    let name = json!({"spec": {"type": "ExternalName", "externalName": "db.example.com"}});
    assert_eq!(of(name), ["the name db.example.com was not looked up"]);
    for (outside, wanted) in [
        ("10.1.2.3", "externalName is the address 10.1.2.3, which is no name"),
        ("no.n.svc", "the name no.n.svc is that of service/no, which does not exist"),
        ("api.n.svc", "the name api.n.svc is that of service/api: ask about it"),
        ("web.n.svc", "the name web.n.svc is that of an alias that leads back to web"),
    ] {
        let name = json!({"spec": {"type": "ExternalName", "externalName": outside}});
        assert_eq!(of(name), [wanted]);
    }
    let proxy =
        json!({"metadata": {"labels": {"service.kubernetes.io/service-proxy-name": "own"}}});
    assert!(of(proxy)[0].starts_with("kube-proxy leaves the Service to the proxy own"));
}

/// A Service with the label that the controller of Jobs gives to the pods of one.
#[test]
fn the_pod_of_a_job_that_its_label_names_has_completed() {
    let import = || job("import", "Complete", "", json!({}));
    let label = |key: &str, value: &str| of(json!({"app": null, key: value}));
    let done =
        |key: &str, value: &str| of_job("import-a", json!({"metadata": {"labels": {key: value}}}));
    for (key, value) in [
        ("job-name", "import"),
        ("batch.kubernetes.io/job-name", "import"),
        ("controller-uid", "Job-import"),
    ] {
        let mut all = vec![import(), done(key, value), label(key, value)];
        let labels = format!("no pod has the labels {key}={value}");
        let words = format!("{labels} except for pod import-a, which has completed");
        assert_eq!(said(&all), (words, String::new()));
        // its pod was deleted, or another Job is meant
        all.remove(1);
        assert_eq!(said(&all), (labels, String::new()));
    }
    let all = [import(), done("job-name", "import"), label("job-name", "imports")];
    let found = found(&all);
    let wrong = found.causes.iter().find(|cause| cause.id == "selector-matches-nothing").unwrap();
    assert!(!wrong.detail.ends_with(' '), "{}", wrong.detail);
}

/// An alias that leads back to itself is told once, and of others of the circle it follows.
#[test]
fn aliases_that_lead_in_a_circle() {
    let alias = |name: &str, of: &str| {
        let spec = json!({"type": "ExternalName", "externalName": format!("{of}.n.svc")});
        object("Service", name, json!({"spec": spec}))
    };
    let all = [alias("one", "two"), alias("two", "one"), alias("three", "two")];
    assert_eq!(
        named(&all),
        [
            "service/one alias-unresolvable",
            "service/three alias-unresolvable <- alias-unresolvable",
            "service/two alias-unresolvable <- alias-unresolvable"
        ]
    );
    let mut all = vec![alias("one", "two"), alias("two", "web")];
    all.extend([web(1, 1), vec![pod("web-a", json!({})), service(json!({}))]].concat());
    assert_eq!(named(&all), Vec::<String>::new());
}

/// Who looks up its EndpointSlices or SRV records uses the port of the endpoints (RFC 2782).
#[test]
fn a_headless_service_is_right_for_clients_of_its_endpoints() {
    for (target, reason) in
        [(json!(8080), "Headless"), (json!("http"), "Headless"), (json!(9090), "")]
    {
        let mut all = web(1, 1);
        let spec = json!({"clusterIP": "None", "ports": [{"port": 80, "targetPort": target}]});
        all.extend([pod("web-a", json!({})), service(json!({"spec": spec}))]);
        let mut snapshot: Snapshot = all.into_iter().collect();
        snapshot.add_port("web-a", 80, PortState { loopback: Some(false), address: Some(false) });
        let causes = diagnose(&snapshot, now()).causes;
        let found: Vec<_> = causes.iter().map(|one| (one.id, one.reason.as_str())).collect();
        assert_eq!(found, [("target-port-mismatch", reason)], "{target}");
    }
}

/// Who looks up the name of a headless Service connects to its port, and not to its targetPort.
#[test]
fn clients_of_a_headless_service_use_its_port() {
    let of = |port: u64, asked_about: bool| {
        let mut all = web(1, 1);
        let ports = json!([{"port": port, "targetPort": "nothing"}]);
        let change = json!({"spec": {"clusterIP": "None", "ports": ports}});
        all.extend([pod("web-a", json!({})), service(change)]);
        let mut snapshot: Snapshot = all.into_iter().collect();
        if asked_about {
            snapshot.ask_about("web");
        }
        let wanted = wanted_ports(&snapshot, now(), 9);
        for (pod, number) in &wanted {
            snapshot.add_port(pod, *number, if *number == 8080 { OPEN } else { DEAF });
        }
        let found = diagnose(&snapshot, now());
        found.causes.iter().map(Cause::sentence).collect::<Vec<_>>()
    };
    assert_eq!(of(80, false), Vec::<String>::new());
    assert_eq!(of(8080, true), Vec::<String>::new());
    assert_eq!(
        of(80, true),
        ["service/web points to a port that its pods do not declare: clients connect to port \
                80 of its pods, where nothing listens (pod web-a); the containers declare 8080 \
                (http)"]
    );
}

/// What an old revision had, or what Jobs have, is no pod for which a Service waits.
#[test]
fn a_selector_that_only_the_past_or_a_job_fits_is_wrong() {
    let labels = |object: Value, labels: Value| {
        merged(object, json!({"spec": {"template": {"metadata": {"labels": labels}}}}))
    };
    let old = object("ReplicaSet", "web-0", json!({"spec": {"replicas": 0}}));
    let old = labels(owned(old, "Deployment", "web"), json!({"app": "web", "version": "v1"}));
    let mut upgraded = web(1, 1);
    upgraded[0] = labels(upgraded[0].clone(), json!({"app": "web", "version": "v2"}));
    upgraded.extend([old, pod("web-a", json!({})), of(json!({"version": "v1"}))]);
    assert_eq!(named(&upgraded), ["service/web selector-matches-nothing"]);

    let mut misspelled = web(1, 1);
    let clean = cronjob(json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": {
        "labels": {"app": "web", "tier": "frontend"}}}}}}}));
    misspelled.extend([clean, pod("web-a", json!({})), of(json!({"tier": "frontend"}))]);
    assert_eq!(named(&misspelled), ["service/web selector-matches-nothing"]);
}
