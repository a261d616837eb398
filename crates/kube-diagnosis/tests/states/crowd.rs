//! More ill containers than logs are read of.

use crate::build::*;
use kube_diagnosis::{Object, Snapshot, diagnose, wanted_logs};
use serde_json::{Value, json};

const MOST: usize = 30;

/// A Deployment whose two pods crash.
fn crashes(name: &str) -> Vec<Value> {
    let rename = |object: Value, own: &str| {
        let uid = format!("{}-{own}", object["kind"].as_str().unwrap_or_default());
        merged(object, json!({"metadata": {"name": own, "uid": uid}}))
    };
    let mut both = web(2, 0);
    let set = format!("{name}-1");
    let all =
        [rename(both.remove(0), name), { owned(rename(both.remove(0), &set), "Deployment", name) }];
    let of = |pod: &str| {
        let labels = json!({"metadata": {"labels": {"app": name}}});
        let ill = ill_pod(&format!("{name}-{pod}"), crashing("Error", 1));
        owned(merged(ill, labels), "ReplicaSet", &set)
    };
    all.into_iter().chain([of("a"), of("b")]).collect()
}

/// Forty of them, and others after these.
fn crowd() -> Vec<Value> {
    let mut all: Vec<Value> = (0..40).flat_map(|at| crashes(&format!("app{at:02}"))).collect();
    let own = json!({"metadata": {"name": "own"}, "spec": {"selector": {"app": "app39"}}});
    let backend = json!({"service": {"name": "own", "port": {"number": 80}}});
    let rules = json!({"rules": [{"http": {"paths": [{"backend": backend}]}}]});
    let ill = json!({"spec": {"restartPolicy": "Never"}, "status": {"phase": "Failed",
        "conditions": null, "containerStatuses": [{"name": "main", "ready": false,
        "restartCount": 0, "state": ended("Error", 4, "2h")}]}});
    let failed = json!({"status": {"failed": 4}});
    all.extend([
        service(own),
        object("Ingress", "front", json!({"spec": rules})),
        job("import", "Failed", "BackoffLimitExceeded", failed),
        owned(pod("import-a", ill), "Job", "import"),
    ]);
    all
}

#[test]
fn the_logs_of_what_one_asks_about_are_read_first() {
    for (kind, name, wanted) in [
        ("Deployment", "app39", "app39-a"),
        ("ReplicaSet", "app39-1", "app39-a"),
        ("Pod", "app39-a", "app39-a"),
        ("pods", "app39-b", "app39-b"),
        ("Service", "own", "app39-a"),
        ("Ingress", "front", "app39-a"),
        ("Job", "import", "import-a"),
        ("Pod", "import-a", "import-a"),
        // of others nothing is to be read
        ("Deployment", "app99", "app00-a"),
        ("Namespace", "n", "app00-a"),
    ] {
        let mut snapshot: Snapshot = crowd().into_iter().collect();
        snapshot.look_first_at(&Object::named(kind, "n", name));
        let logs = wanted_logs(&snapshot, now(), MOST);
        assert_eq!(logs.len(), MOST);
        assert_eq!(logs[0].0, wanted, "{kind}/{name}");
        // one pod speaks for all of a workload
        let mut pods: Vec<&str> = logs.iter().map(|(pod, ..)| &pod[..pod.len() - 2]).collect();
        pods.dedup();
        assert_eq!(pods.len(), MOST);
    }
}

/// What is told of a workload is told by the log of the pod that one asks about.
#[test]
fn the_pod_that_one_asks_about_speaks_for_its_workload() {
    let mut snapshot: Snapshot = crashes("app").into_iter().collect();
    snapshot.look_first_at(&Object::named("Pod", "n", "app-b"));
    snapshot.add_last_words("app-b", "main", "ERROR no licence");
    let causes = diagnose(&snapshot, now()).causes;
    assert!(causes[0].detail.contains("ERROR no licence"), "{:?}", causes[0]);
}

#[test]
fn a_log_that_was_not_read_is_said_not_to_be() {
    let mut snapshot: Snapshot = crowd().into_iter().collect();
    let all = wanted_logs(&snapshot, now(), usize::MAX);
    assert_eq!(all.len(), 41);
    for (at, (pod, container, _)) in all.iter().enumerate() {
        // those in between are empty
        if at == 0 {
            snapshot.add_last_words(pod, container, "ERROR no licence");
        } else if at >= MOST {
            snapshot.log_unread(pod, container, "30 others were");
        }
    }
    let causes = diagnose(&snapshot, now()).causes;
    let unread: Vec<_> =
        causes.iter().filter(|cause| cause.detail.contains("was not read")).collect();
    assert_eq!(unread.len(), 41 - MOST);
    for cause in unread {
        let mut seen = cause.evidence.iter().filter(|one| one.source.starts_with("log of pod/"));
        assert_eq!(seen.next().unwrap().says, "not read: 30 others were");
    }
    assert!(
        causes.iter().any(|cause| cause.object.kind == "Job" && cause.detail.contains("not read"))
    );
    let mut few: Snapshot = crashes("app").into_iter().collect();
    few.add_last_words("app-a", "main", "ERROR no licence");
    let causes = diagnose(&few, now()).causes;
    assert!(causes.iter().all(|cause| !cause.detail.contains("not read")), "{causes:?}");
}
