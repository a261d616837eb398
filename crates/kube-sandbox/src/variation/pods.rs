//! Variations of the set of pods.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Chance;
use crate::object;

/// The namespace of what a cluster itself needs: not varied, every cluster has its own.
const SYSTEM: &str = "kube-system";

pub(super) fn is_application(manifest: &Value) -> bool {
    manifest["kind"] == "Deployment" && object::namespace(manifest) != SYSTEM
}

/// The Deployments that are somebody's applications.
pub(super) fn applications(manifests: &mut [Value]) -> impl Iterator<Item = &mut Value> {
    manifests.iter_mut().filter(|manifest| is_application(manifest))
}

/// The namespace with the most applications.
pub(super) fn home(manifests: &[Value]) -> String {
    let namespaces: Vec<&str> = manifests
        .iter()
        .filter(|manifest| is_application(manifest))
        .map(object::namespace)
        .collect();
    let count = |name: &&&str| namespaces.iter().filter(|other| other == name).count();
    // of equals the first
    let most = namespaces.iter().rev().max_by_key(count);
    most.map_or("default", |name| name).to_owned()
}

/// Applications of several pods get another number of them.
fn scale(manifests: &mut [Value], replicas: u64) {
    for application in applications(manifests).filter(|application| {
        application["spec"]["replicas"].as_u64().is_some_and(|wanted| wanted > 2)
    }) {
        application["spec"]["replicas"] = json!(replicas);
    }
}

pub(super) fn one_replica(manifests: &mut Vec<Value>, _: &mut Chance) {
    scale(manifests, 1);
}

pub(super) fn two_replicas(manifests: &mut Vec<Value>, _: &mut Chance) {
    scale(manifests, 2);
}

pub(super) fn five_replicas(manifests: &mut Vec<Value>, _: &mut Chance) {
    scale(manifests, 5);
}

pub(super) fn finished_pods(manifests: &mut Vec<Value>, _: &mut Chance) {
    let jobs: Vec<Value> = manifests
        .iter()
        .filter(|manifest| is_application(manifest))
        .map(|application| {
            let name = format!("{}-migrate", object::name(application));
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name,
                "namespace": object::namespace(application)}, "spec": {"backoffLimit": 0,
                "template": {
                "metadata": {"labels": application["spec"]["template"]["metadata"]["labels"]},
                "spec": {"restartPolicy": "Never",
                "containers": [{"name": "migrate", "image": "fluent/fluent-bit:2.2.2",
                "command": ["migrate"]}]}}}})
        })
        .collect();
    manifests.extend(jobs);
}

/// One pod of each ReplicaSet, as another one with this name.
fn likenesses(objects: &[&Value], suffix: &str) -> Vec<Value> {
    let mut seen: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for pod in objects.iter().filter(|object| {
        object["kind"] == "Pod"
            && object::namespace(object) != SYSTEM
            && object["status"]["phase"] == "Running"
    }) {
        let owner = &pod["metadata"]["ownerReferences"][0];
        let Some(name) = owner["name"]
            .as_str()
            .filter(|name| owner["kind"] == "ReplicaSet" && !seen.contains(name))
        else {
            continue;
        };
        seen.push(name);
        let mut copy = (*pod).clone();
        copy["metadata"]["name"] = json!(format!("{name}-{suffix}"));
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            object::merge(&mut copy["metadata"], &json!({field: null}));
        }
        object::merge(&mut copy["status"], &json!({"podIP": null, "podIPs": null}));
        found.push(copy);
    }
    found
}

fn set_ready(pod: &mut Value, ready: bool, reason: &str) {
    for condition in
        pod["status"]["conditions"].as_array_mut().into_iter().flatten().filter(|condition| {
            condition["type"] == "Ready" || condition["type"] == "ContainersReady"
        })
    {
        condition["status"] = json!(if ready { "True" } else { "False" });
        condition["reason"] = json!(reason);
    }
    for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        status["ready"] = json!(ready);
    }
}

pub(super) fn evicted_pods(objects: &[&Value], chance: &mut Chance, now: Timestamp) -> Vec<Value> {
    let suffix = chance.of(&["ev1ct", "lef7s"]).to_owned();
    let at = object::time(now.saturating_add(SignedDuration::from_secs(-40_000)).unwrap_or(now));
    let mut pods = likenesses(objects, &suffix);
    for pod in &mut pods {
        pod["status"]["phase"] = json!("Failed");
        pod["status"]["reason"] = json!("Evicted");
        pod["status"]["message"] = json!("The node was low on resource: memory.");
        set_ready(pod, false, "PodFailed");
        for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
            status["started"] = json!(false);
            status["state"] = json!({"terminated": {"exitCode": 137,
                "reason": "ContainerStatusUnknown", "finishedAt": at}});
        }
    }
    pods
}

pub(super) fn terminating_pods(
    objects: &[&Value],
    chance: &mut Chance,
    now: Timestamp,
) -> Vec<Value> {
    let suffix = chance.of(&["g0ing", "leavs"]).to_owned();
    let grace = 120;
    let end = object::time(now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now));
    let mut pods = likenesses(objects, &suffix);
    for pod in &mut pods {
        pod["metadata"]["deletionTimestamp"] = json!(end);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        // what keeps it from being gone at once
        pod["metadata"]["finalizers"] = json!(["example.com/drain"]);
        set_ready(pod, false, "ContainersNotReady");
    }
    pods
}

pub(super) fn old_restarts(objects: &[&Value], _: &mut Chance, now: Timestamp) -> Vec<Value> {
    let ago = |seconds: i64| {
        object::time(now.saturating_add(SignedDuration::from_secs(-seconds)).unwrap_or(now))
    };
    let last = json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": ago(2_600_000),
        "finishedAt": ago(2_592_000)}});
    let running = objects.iter().filter(|object| {
        object["kind"] == "Pod"
            && object::namespace(object) != SYSTEM
            && object["status"]["phase"] == "Running"
    });
    let restarted = running.map(|pod| {
        let mut pod = (*pod).clone();
        for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
            status["restartCount"] = json!(7);
            status["lastState"] = last.clone();
        }
        pod
    });
    restarted.collect()
}
