//! Variations of earlier revisions and events.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Chance;
use crate::object;

pub(super) fn old_revisions(objects: &[&Value], chance: &mut Chance, _: Timestamp) -> Vec<Value> {
    let hash = chance.of(&["5d4f8c7b9", "76c9d8f6b5"]);
    let mut found = Vec::new();
    for set in objects.iter().filter(|object| {
        object["kind"] == "ReplicaSet"
            && object::namespace(object) != "kube-system"
            && object["spec"]["replicas"].as_u64() > Some(0)
    }) {
        let owner = set["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default();
        let mut former = (*set).clone();
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"]
        {
            object::merge(&mut former["metadata"], &json!({field: null}));
        }
        former["metadata"]["name"] = json!(format!("{owner}-{hash}"));
        former["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("0");
        former["spec"]["replicas"] = json!(0);
        former["spec"]["template"]["metadata"]["annotations"]["checksum/config"] = json!("former");
        for labels in
            ["/metadata/labels", "/spec/selector/matchLabels", "/spec/template/metadata/labels"]
        {
            if let Some(labels) = former.pointer_mut(labels) {
                labels["pod-template-hash"] = json!(hash);
            }
        }
        former["status"] = json!({"replicas": 0});
        found.push(former);
    }
    found
}

pub(super) fn old_events(objects: &[&Value], chance: &mut Chance, now: Timestamp) -> Vec<Value> {
    let at = object::time(now.saturating_add(SignedDuration::from_secs(-3000)).unwrap_or(now));
    let (reason, message) = [
        ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ("BackOff", "Back-off restarting failed container"),
        ("FailedMount", "MountVolume.SetUp failed for volume \"config\" : configmap not found"),
    ][chance.below(3)];
    let pods = objects
        .iter()
        .filter(|object| object["kind"] == "Pod" && object["status"]["phase"] == "Running");
    let of = |pod: &&&Value| {
        json!({"apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{}.0ld", object::name(pod)),
            "namespace": object::namespace(pod)},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod",
            "namespace": object::namespace(pod), "name": object::name(pod),
            "uid": pod["metadata"]["uid"]},
            "reason": reason, "message": message, "type": "Warning", "count": 3,
            "firstTimestamp": at, "lastTimestamp": at, "eventTime": null,
            "source": {"component": "kubelet"}, "reportingComponent": "kubelet",
            "reportingInstance": ""})
    };
    pods.collect::<Vec<_>>().iter().map(of).collect()
}
