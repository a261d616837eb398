//! Objects of a namespace in few words: each is healthy as it is made, and a change makes a state of
//! it.

use jiff::{SignedDuration, Timestamp};
use kube_diagnosis::{Cause, Diagnosis, Snapshot, diagnose};
use serde_json::{Value, json};

/// When everything is looked at.
pub(crate) fn now() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

/// So long before that: `30s`, `5m`, `2h`, `3d`; with a minus after it.
pub(crate) fn ago(time: &str) -> String {
    let (number, unit) = time.split_at(time.len() - 1);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 86_400,
    };
    (now() - SignedDuration::from_secs(number.parse::<i64>().unwrap() * factor)).to_string()
}

/// The base with these changes, as a merge patch makes them (RFC 7386).
pub(crate) fn merged(base: Value, change: Value) -> Value {
    match (base, change) {
        (Value::Object(mut base), Value::Object(change)) => {
            for (key, value) in change {
                let before = base.remove(&key).unwrap_or_default();
                if !value.is_null() {
                    base.insert(key, merged(before, value));
                }
            }
            Value::Object(base)
        }
        (_, change) => change,
    }
}

/// An object that was made a day ago.
pub(crate) fn object(kind: &str, name: &str, change: Value) -> Value {
    let base = json!({"kind": kind, "metadata": {"name": name, "namespace": "n",
        "uid": format!("{kind}-{name}"), "generation": 1, "creationTimestamp": ago("1d")}});
    merged(base, change)
}

/// The same with an owner that controls it.
pub(crate) fn owned(object: Value, kind: &str, owner: &str) -> Value {
    let owner = json!([{"kind": kind, "name": owner, "uid": format!("{kind}-{owner}"),
        "controller": true}]);
    merged(object, json!({"metadata": {"ownerReferences": owner}}))
}

/// A warning about an object.
pub(crate) fn event(kind: &str, name: &str, reason: &str, when: &str, message: &str) -> Value {
    json!({"kind": "Event", "type": "Warning", "reason": reason, "message": message,
        "lastTimestamp": ago(when), "metadata": {"name": format!("{name}.{reason}"),
        "namespace": "n", "creationTimestamp": ago(when)},
        "involvedObject": {"kind": kind, "name": name, "namespace": "n",
        "uid": format!("{kind}-{name}")}})
}

/// A warning about the container `main` of a pod.
pub(crate) fn of_main(pod: &str, reason: &str, when: &str, message: &str) -> Value {
    let field = json!({"involvedObject": {"fieldPath": "spec.containers{main}"}});
    merged(event("Pod", pod, reason, when, message), field)
}

/// A container that runs and is ready.
pub(crate) fn running() -> Value {
    json!({"name": "main", "ready": true, "started": true, "restartCount": 0, "lastState": {},
        "state": {"running": {"startedAt": ago("1d")}}})
}

/// A container that does not get ready.
pub(crate) fn unready(since: &str) -> Value {
    merged(running(), json!({"ready": false, "state": {"running": {"startedAt": ago(since)}}}))
}

/// A container that waits.
pub(crate) fn waiting(reason: &str, message: &str) -> Value {
    json!({"name": "main", "ready": false, "started": false, "restartCount": 0, "lastState": {},
        "state": {"waiting": {"reason": reason, "message": message}}})
}

/// How a run ended.
pub(crate) fn ended(reason: &str, code: i64, when: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": code, "startedAt": ago("1h"),
        "finishedAt": ago(when)}})
}

/// A container that is started again and again.
pub(crate) fn crashing(reason: &str, code: i64) -> Value {
    merged(
        waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        json!({"restartCount": 6, "lastState": ended(reason, code, "1m")}),
    )
}

/// A ready pod of the Deployment `web`.
pub(crate) fn pod(name: &str, change: Value) -> Value {
    let base = object(
        "Pod",
        name,
        json!({"metadata": {"labels": {"app": "web", "pod-template-hash": "1"}},
        "spec": {"nodeName": "w1", "containers": [{"name": "main", "image": "example.com/web:1",
            "ports": [{"containerPort": 8080, "name": "http"}], "readinessProbe": {}}]},
        "status": {"phase": "Running", "startTime": ago("1d"), "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": ago("1d")}],
            "containerStatuses": [running()]}}),
    );
    merged(owned(base, "ReplicaSet", "web-1"), change)
}

/// A pod in which this container is not ready.
pub(crate) fn ill_pod(name: &str, container: Value) -> Value {
    let phase = if container["state"]["running"].is_object() || container["restartCount"] != 0 {
        "Running"
    } else {
        "Pending"
    };
    pod(
        name,
        json!({"status": {"phase": phase, "containerStatuses": [container], "conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": ago("1h")}]}}),
    )
}

/// A pod that has no node, and what the scheduler says.
pub(crate) fn unscheduled(name: &str, message: &str) -> Value {
    pod(
        name,
        json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "podIP": null,
            "startTime": null, "containerStatuses": null, "conditions": [{"type": "PodScheduled",
            "status": "False", "reason": "Unschedulable", "message": message,
            "lastTransitionTime": ago("1h")}]}}),
    )
}

/// The Deployment `web` with so many pods wanted, updated and available, and its ReplicaSet.
pub(crate) fn web(wanted: i64, available: i64) -> Vec<Value> {
    let template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "example.com/web:1"}]}});
    let status = |all: i64| {
        json!({"observedGeneration": 1, "replicas": all, "updatedReplicas": all,
        "readyReplicas": available, "availableReplicas": available})
    };
    let deployment = object(
        "Deployment",
        "web",
        json!({"spec": {"replicas": wanted, "template": template}, "status": status(wanted)}),
    );
    let hash = json!({"metadata": {"labels": {"pod-template-hash": "1"}}});
    let set = object(
        "ReplicaSet",
        "web-1",
        json!({"spec": {"replicas": wanted, "template": merged(template, hash)},
            "status": status(wanted)}),
    );
    vec![deployment, owned(set, "Deployment", "web")]
}

/// The Deployment `web` that wants one pod, and that pod in a state.
pub(crate) fn web_with(pod: Value) -> Vec<Value> {
    let mut all = web(1, 0);
    all.push(pod);
    all
}

/// A StatefulSet `db` that wants so many pods.
pub(crate) fn db(wanted: i64, change: Value) -> Value {
    let base = object(
        "StatefulSet",
        "db",
        json!({"spec": {"replicas": wanted, "updateStrategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": {"app": "db"}}}},
        "status": {"observedGeneration": 1, "replicas": wanted, "currentRevision": "db-1",
            "updateRevision": "db-1", "readyReplicas": wanted, "availableReplicas": wanted}}),
    );
    merged(base, change)
}

/// A pod of it.
pub(crate) fn db_pod(pod: Value) -> Value {
    let labels = json!({"metadata": {"labels": {"app": "db", "pod-template-hash": null,
        "controller-revision-hash": "db-1"}}});
    owned(merged(pod, labels), "StatefulSet", "db")
}

/// A Service of the Deployment `web`.
pub(crate) fn service(change: Value) -> Value {
    let base = object(
        "Service",
        "web",
        json!({"spec": {"type": "ClusterIP", "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": "http"}]}, "status": {"loadBalancer": {}}}),
    );
    merged(base, change)
}

/// A Job, and a condition that has come true.
pub(crate) fn job(name: &str, condition: &str, reason: &str, change: Value) -> Value {
    let conditions = match condition {
        "" => json!([]),
        kind => json!([{"type": kind, "status": "True", "reason": reason,
            "lastTransitionTime": ago("1h")}]),
    };
    let base = object(
        "Job",
        name,
        json!({"spec": {"backoffLimit": 3, "template": {"metadata": {"labels": {"app": "job"}}}},
            "status": {"conditions": conditions}}),
    );
    merged(base, change)
}

/// A CronJob that runs at two in the night and has done so.
pub(crate) fn cronjob(change: Value) -> Value {
    let base = object(
        "CronJob",
        "nightly",
        json!({"metadata": {"creationTimestamp": ago("30d")},
            "spec": {"schedule": "0 2 * * *", "concurrencyPolicy": "Allow"},
            "status": {"lastScheduleTime": "2026-01-15T02:00:00Z",
                "lastSuccessfulTime": "2026-01-15T02:01:00Z"}}),
    );
    merged(base, change)
}

/// A ready node with its labels.
pub(crate) fn node(name: &str, change: Value) -> Value {
    let base = object(
        "Node",
        name,
        json!({"metadata": {"namespace": null, "labels": {"kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux"}}, "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"},
            {"type": "MemoryPressure", "status": "False"}]}}),
    );
    merged(base, change)
}

/// A claim that waits.
pub(crate) fn claim(change: Value) -> Value {
    let base = object(
        "PersistentVolumeClaim",
        "data",
        json!({"spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}}),
    );
    merged(base, change)
}

/// The storage class of the claim, which makes its volumes at once.
pub(crate) fn class() -> Value {
    object("StorageClass", "fast", json!({"metadata": {"namespace": null}}))
}

pub(crate) fn found(objects: &[Value]) -> Diagnosis {
    diagnose(&objects.iter().cloned().collect::<Snapshot>(), now())
}

/// What is named: `deployment/web oom-killed`, or `service/web no-ready-endpoints <- oom-killed`.
pub(crate) fn named(objects: &[Value]) -> Vec<String> {
    let word = |cause: &Cause| match &cause.follows_from {
        Some((_, id)) => format!("{} {} <- {id}", cause.object, cause.id),
        None => format!("{} {}", cause.object, cause.id),
    };
    found(objects).causes.iter().map(word).collect()
}
