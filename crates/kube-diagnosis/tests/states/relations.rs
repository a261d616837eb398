//! What belongs to what: which causes concern an object, what follows from what, and what was not
//! looked at.

use crate::build::*;
use kube_diagnosis::{Object, PortState, Snapshot, diagnose, kind_named};
use serde_json::{Value, json};

/// A namespace with a Deployment that crashes, all that leads to it, and things of others.
fn shop() -> Snapshot {
    let mut objects = web_with(merged(
        ill_pod("web-a", crashing("Error", 1)),
        json!({"spec": {"volumes": [{"name": "data",
            "persistentVolumeClaim": {"claimName": "data"}}]}}),
    ));
    let hpa = json!({"spec": {"maxReplicas": 1, "scaleTargetRef": {"kind": "Deployment",
        "name": "web"}}});
    objects.extend([
        service(json!({})),
        object("HorizontalPodAutoscaler", "web", hpa),
        object(
            "Ingress",
            "shop",
            json!({"spec": {"defaultBackend": {"service": {"name": "web",
            "port": {"number": 80}}}}}),
        ),
        object(
            "PodDisruptionBudget",
            "web",
            json!({"spec": {"selector": {
            "matchLabels": {"app": "web"}}}}),
        ),
        node("w1", json!({})),
        claim(json!({})),
        db(1, json!({})),
        db_pod(pod("db-0", json!({}))),
        owned(job("nightly-1", "Failed", "BackoffLimitExceeded", json!({})), "CronJob", "nightly"),
        cronjob(json!({"status": {"lastSuccessfulTime": null}})),
        node("w9", json!({"spec": {"unschedulable": true}})),
    ]);
    objects.into_iter().collect()
}

#[test]
fn the_causes_that_concern_an_object() {
    let snapshot = shop();
    let found = diagnose(&snapshot, now());
    let (crash, claim) = (
        "deployment/web app-exit",
        "persistentvolumeclaim/data \
        storage-class-missing",
    );
    let (empty, job) = ("service/web no-ready-endpoints", "job/nightly-1 job-failed");
    for (kind, name, wanted) in [
        ("deploy", "web", vec![crash, empty, claim]),
        ("Pod", "web-a", vec![crash, empty, claim]),
        ("svc", "web", vec![crash, empty]),
        ("ing", "shop", vec![crash, empty]),
        ("hpa", "web", vec![crash]),
        ("pdb", "web", vec![crash, empty]),
        ("pvc", "data", vec![claim]),
        ("sts", "db", vec![]),
        ("po", "db-0", vec![]),
        ("cronjobs", "nightly", vec![job]),
        ("node", "w1", vec![crash, empty]),
        ("no", "w9", vec!["node/w9 node-cordoned"]),
        ("ns", "n", vec![crash, job, empty, claim]),
        ("deployment", "other", vec![]),
    ] {
        let target = Object::named(kind, if kind.starts_with("no") { "" } else { "n" }, name);
        let concerning: Vec<String> = found
            .concerning(&snapshot, &target)
            .into_iter()
            .map(|cause| format!("{} {}", cause.object, cause.id))
            .collect();
        assert_eq!(concerning, wanted, "{kind}/{name}");
        for cause in &found.causes {
            let word = format!("{} {}", cause.object, cause.id);
            let concerns = cause.concerns(&snapshot, &target);
            assert_eq!(concerns, wanted.contains(&word.as_str()), "{kind}/{name}: {word}");
        }
    }
}

/// Two Services lead to the same pods: what is wrong with one is nothing to the other.
#[test]
fn another_service_of_the_same_pods_concerns_none() {
    let other = json!({"metadata": {"name": "other"}});
    let of = |objects: Vec<Value>, name: &str| {
        let snapshot: Snapshot = objects.into_iter().collect();
        let found = diagnose(&snapshot, now());
        let concerning = found.concerning(&snapshot, &Object::named("Service", "n", name));
        let words = concerning.iter().map(|cause| format!("{} {}", cause.object, cause.id));
        words.collect::<Vec<_>>()
    };
    let crash = "deployment/web app-exit";
    let mut ill = web_with(ill_pod("web-a", crashing("Error", 1)));
    ill.extend([service(json!({})), service(other.clone())]);
    assert_eq!(of(ill.clone(), "web"), [crash, "service/web no-ready-endpoints"]);
    assert_eq!(of(ill, "other"), [crash, "service/other no-ready-endpoints"]);

    let mut mistaken = web(1, 1);
    let wrong = json!({"spec": {"ports": [{"port": 80, "targetPort": "admin"}]}});
    mistaken.extend([pod("web-a", json!({})), service(wrong), service(other)]);
    assert_eq!(of(mistaken.clone(), "web"), ["service/web target-port-mismatch"]);
    assert_eq!(of(mistaken, "other"), Vec::<String>::new());
}

/// Whoever looks at one object and leaves out what only follows is still told the cause.
#[test]
fn a_root_concerns_what_its_consequences_concern() {
    let taint = "0/1 nodes are available: 1 node(s) had untolerated taint \
        {node.kubernetes.io/disk-pressure: }.";
    let mut objects = web_with(unscheduled("web-a", taint));
    objects.push(node(
        "w1",
        json!({"status": {"conditions": [{"type": "DiskPressure",
        "status": "True", "message": "words"}]}}),
    ));
    objects.push(service(json!({})));
    let snapshot: Snapshot = objects.into_iter().collect();
    let found = diagnose(&snapshot, now());
    for (kind, name) in [("Deployment", "web"), ("Pod", "web-a"), ("Service", "web")] {
        let concerning = found.concerning(&snapshot, &Object::named(kind, "n", name));
        let roots: Vec<&str> = concerning
            .iter()
            .filter(|cause| cause.follows_from.is_none())
            .map(|cause| cause.id)
            .collect();
        assert_eq!(roots, ["node-pressure"], "{kind}");
        // the Service by way of the Deployment
        let followers = &concerning[0].followed_by;
        assert_eq!(followers.len(), 2, "{followers:?}");
    }
}

#[test]
fn kinds_as_they_are_typed() {
    for (word, kind) in [
        ("deploy", Some("Deployment")),
        ("Deployments", Some("Deployment")),
        ("HPA", Some("HorizontalPodAutoscaler")),
        ("pvc", Some("PersistentVolumeClaim")),
        ("rollout", None),
    ] {
        assert_eq!(kind_named(word), kind, "{word}");
    }
    let rollout = Object::named("Rollout", "n", "web");
    assert_eq!(rollout.canonical(), rollout);
}

/// The pods of a ReplicaSet that another controller makes are those of that controller.
#[test]
fn the_workload_is_what_people_know() {
    let of = |owner: &str, change: Value| {
        let set = owned(merged(web(1, 0).remove(1), change), owner, "web");
        named(&[set, ill_pod("web-a", crashing("Error", 1))])
    };
    assert_eq!(of("Rollout", json!({})), ["rollout/web app-exit"]);
    let bare = merged(web(1, 0).remove(1), json!({"metadata": {"ownerReferences": null}}));
    let ill = ill_pod("web-a", crashing("Error", 1));
    assert_eq!(named(&[bare, ill.clone()]), ["replicaset/web-1 app-exit"]);
    // the ReplicaSet was not read
    assert_eq!(named(&[web(1, 0).remove(0), ill]), ["deployment/web app-exit"]);
    let of_node = owned(ill_pod("etcd-w1", crashing("Error", 1)), "Node", "w1");
    assert_eq!(named(&[of_node]), ["pod/etcd-w1 app-exit"]);
}

/// What the API server returns of a list has no kinds, and an event may be of the newer group.
#[test]
fn objects_as_lists_have_them() {
    let mut snapshot = Snapshot::default();
    let bare = |object: Value| merged(object, json!({"kind": null}));
    let pod = ill_pod("web-a", waiting("ContainerCreating", ""));
    let event = json!({"type": "Warning", "reason": "FailedMount", "note": "no such secret",
        "deprecatedLastTimestamp": ago("1m"),
        "regarding": {"kind": "Pod", "name": "web-a", "namespace": "n", "uid": "Pod-web-a"}});
    for (kind, objects) in [("Pod", vec![bare(pod)]), ("Event", vec![event])] {
        snapshot.add(kind, objects);
    }
    for object in web(1, 0) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        snapshot.add(&kind, [bare(object)]);
    }
    let found = diagnose(&snapshot, now());
    assert_eq!(found.causes.len(), 1);
    assert_eq!(
        found.causes[0].sentence(),
        "deployment/web cannot mount a volume: no such secret (pod web-a)"
    );
}

#[test]
fn ports_are_told_when_they_were_tried() {
    let objects = || {
        let mut objects = web(1, 1);
        let ports = json!({"spec": {"ports": [{"port": 80, "targetPort": 9090},
            {"port": 53, "targetPort": 9090, "protocol": "UDP"}]}});
        objects.extend([pod("web-a", json!({})), service(ports)]);
        objects
    };
    let with = |state: Option<PortState>| {
        let mut snapshot: Snapshot = objects().into_iter().collect();
        if let Some(state) = state {
            snapshot.add_port("web-a", 9090, state);
        }
        diagnose(&snapshot, now())
    };
    let open = |loopback: bool, address: bool| {
        Some(PortState { loopback: Some(loopback), address: Some(address) })
    };
    for (state, wanted) in [
        (open(false, false), vec!["target-port-mismatch"]),
        (open(true, false), vec!["listens-on-loopback"]),
        (open(true, true), vec![]),
        (None, vec![]),
        (Some(PortState::default()), vec![]),
    ] {
        let found = with(state);
        let ids: Vec<&str> = found.causes.iter().map(|cause| cause.id).collect();
        assert_eq!(ids, wanted, "{state:?}");
        let tried = state.is_some_and(|state| state.address.is_some());
        assert_eq!(found.not_looked_at.contains_key("target-port-mismatch"), !tried, "{state:?}");
    }
    // a pod that declares nothing may listen anywhere
    let silent = json!({"spec": {"containers": [{"name": "main"}]}});
    let mut all = web(1, 1);
    all.extend([pod("web-a", silent), service(json!({"spec": {"ports": [{"port": 80}]}}))]);
    let mut snapshot: Snapshot = all.into_iter().collect();
    let found = diagnose(&snapshot, now());
    assert_eq!(found.not_looked_at["not-listening"], "port 80 of pod/web-a was not tried");
    assert!(!found.not_looked_at.contains_key("target-port-mismatch"));
    // it may listen on the address of the pod only
    snapshot.add_port("web-a", 80, PortState { loopback: Some(false), address: None });
    let found = diagnose(&snapshot, now());
    assert_eq!(found.causes, []);
    assert!(found.not_looked_at["not-listening"].contains("refuses on its loopback address"));
    snapshot.add_port("web-a", 80, PortState { loopback: Some(false), address: Some(false) });
    assert_eq!(diagnose(&snapshot, now()).causes[0].id, "not-listening");
}

/// What could not be read accuses nobody, kind by kind.
#[test]
fn what_was_not_read_accuses_nobody() {
    let all = shop();
    let whole = diagnose(&all, now());
    let kinds = [
        "Pod",
        "Event",
        "ReplicaSet",
        "Service",
        "StorageClass",
        "Job",
        "Node",
        "PersistentVolumeClaim",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
    ];
    for kind in kinds {
        let mut snapshot = all.clone();
        snapshot.unread(kind, "forbidden");
        let found = diagnose(&snapshot, now());
        for cause in &found.causes {
            let is_known = whole.causes.iter().any(|one| one.id == cause.id);
            assert!(is_known, "{kind} was not read: {}", cause.sentence());
        }
        assert!(found.not_looked_at.values().any(|why| why.ends_with("forbidden")), "{kind}");
    }
    let bound = claim(json!({"status": {"phase": "Bound"}}));
    let found = found(&[bound]);
    assert!(found.not_looked_at.contains_key("volume-filling-up"));
}

/// Five hundred pods with two thousand events: each pod is looked at with its own events only, so
/// that the number of causes is that of the workloads and no event of one stands with another.
#[test]
fn many_pods_are_told_by_workload() {
    let mut objects: Vec<Value> = Vec::new();
    for number in 0..50 {
        let (deployment, set) = (format!("web{number}"), format!("web{number}-1"));
        for object in web(10, 0) {
            let own = if object["kind"] == "Deployment" { &deployment } else { &set };
            let kind = object["kind"].as_str().unwrap().to_owned();
            let named = merged(
                object,
                json!({"metadata": {"name": own,
                "uid": format!("{kind}-{own}")}}),
            );
            let is_set = kind == "ReplicaSet";
            objects.push(if is_set { owned(named, "Deployment", &deployment) } else { named });
        }
        for pod in 0..10 {
            let name = format!("{deployment}-{pod}");
            objects.push(owned(ill_pod(&name, unready("1h")), "ReplicaSet", &set));
            for event in 0..4 {
                let words = format!("Readiness probe failed: of {deployment}, {event}");
                objects.push(of_main(&name, "Unhealthy", &format!("{}s", event + 1), &words));
            }
        }
    }
    let found = found(&objects);
    assert_eq!(found.causes.len(), 50);
    for cause in &found.causes {
        assert_eq!(cause.pods.len(), 10);
        let own = format!("of {}, 0", cause.object.name);
        assert!(cause.evidence[0].says.ends_with(&own), "{:?}", cause.evidence);
    }
}

/// The log of the last attempt says why a Job has failed.
#[test]
fn a_failed_job_says_its_last_words() {
    let ill = json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Failed",
        "conditions": null, "containerStatuses": [{"name": "main", "ready": false,
        "restartCount": 0, "state": ended("Error", 4, "2h")}]}});
    let failed = json!({"status": {"failed": 4}});
    let mut snapshot: Snapshot = [
        job("import", "Failed", "BackoffLimitExceeded", failed),
        owned(pod("import-a", ill), "Job", "import"),
    ]
    .into_iter()
    .collect();
    let wanted = kube_diagnosis::wanted_logs(&snapshot, now(), 5);
    assert_eq!(wanted, [("import-a".to_owned(), "main".to_owned(), false)]);
    snapshot.add_last_words("import-a", "main", "connecting\nno such table: orders");
    assert_eq!(
        diagnose(&snapshot, now()).causes[0].sentence(),
        "job/import failed: BackoffLimitExceeded, 4 attempts; last main: exit code 4: \
            no such table: orders"
    );
}

/// `web` says that it gets no connection to this address, and `db` crashes behind its Service.
fn depending(address: &str, of_db: Value) -> Vec<String> {
    let message = format!("FATAL dial tcp {address}: connection refused");
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let mut all = web_with(ill_pod("web-a", merged(crashing("Error", 1), last)));
    let set = db(1, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}}));
    let ports = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"},
        "ports": [{"port": 5432}]}});
    let of_db = match of_db {
        Value::Null => pod("db-0", json!({})),
        container => ill_pod("db-0", container),
    };
    all.extend([set, db_pod(of_db), service(ports)]);
    named(&all).into_iter().filter(|one| one.starts_with("deployment/web")).collect()
}

/// The first cause that is named is the root.
#[test]
fn a_program_that_needs_another_one_that_is_down_follows_from_it() {
    let down = || waiting("CreateContainerConfigError", "secret \"db\" not found");
    let follows = ["deployment/web app-exit <- config-missing"];
    for address in ["db:5432", "db.n.svc.cluster.local:5432", "tcp://db:5432"] {
        assert_eq!(depending(address, down()), follows, "{address}");
    }
    let alone = ["deployment/web app-exit"];
    for address in [
        "db:6379",
        "mydb:5432",
        "db-old:5432",
        "db.other:5432",
        "db.n-archive.svc:5432",
        "db.n.example.com:5432",
    ] {
        assert_eq!(depending(address, down()), alone, "{address}");
    }
    // it runs, and may have been down
    assert_eq!(depending("db:5432", Value::Null), alone);
}

#[test]
fn two_programs_that_wait_for_each_other_are_both_told() {
    let circle = crashing("Error", 1);
    let last =
        json!({"lastState": {"terminated": {"message": "dial tcp web:80: connection refused"}}});
    let message =
        json!({"lastState": {"terminated": {"message": "dial tcp db:5432: connection refused"}}});
    let mut all = web_with(ill_pod("web-a", merged(circle.clone(), message)));
    let set = db(1, json!({"status": {"readyReplicas": 0, "availableReplicas": 0}}));
    let ports = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"},
        "ports": [{"port": 5432}]}});
    let db = db_pod(ill_pod("db-0", merged(circle, last)));
    all.extend([set, db, service(ports), service(json!({}))]);
    let roots: Vec<String> =
        named(&all).into_iter().filter(|one| !one.contains("service/")).collect();
    assert_eq!(roots, ["deployment/web app-exit", "statefulset/db app-exit"]);
}

/// Somebody has scaled it to zero: that is no fault of its own, and the log of another says so.
#[test]
fn a_program_that_needs_what_is_switched_off_is_told_so() {
    let message = "FATAL dial tcp db:5432: connection refused";
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let mut all = web_with(ill_pod("web-a", merged(crashing("Error", 1), last)));
    let off = json!({"spec": {"replicas": 0}, "status": {"replicas": 0, "readyReplicas": 0,
        "availableReplicas": 0}});
    let ports = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"},
        "ports": [{"port": 5432}]}});
    all.extend([db(0, off), service(ports)]);
    let cause = found(&all).causes.remove(0);
    assert!(cause.follows_from.is_none());
    assert!(cause.hint.starts_with("service/db"), "{}", cause.hint);
}
