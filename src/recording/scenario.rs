//! The scenario `recorded`: what controllers had made of the manifests when they were seen.

use super::objects::Sorted;
use super::{Seen, items, kind, name, namespace, text};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The node of the sandbox, which is not there when others are.
const BASE_NODE: &str = "node";

/// The document.
pub(super) fn planted(seen: &Seen, sorted: &Sorted) -> Value {
    let mut changes: Vec<Value> = Vec::new();
    let nodes: BTreeSet<&str> =
        sorted.manifests.iter().filter(|object| kind(object) == "Node").map(name).collect();
    if !nodes.is_empty() && !nodes.contains(BASE_NODE) {
        changes.push(json!({"delete": {"kind": "Node", "name": BASE_NODE}}));
    }
    let patch = |(reference, with): &(Value, Value)| json!({"patch": reference, "with": with});
    changes.extend(sorted.patches.iter().map(patch));
    changes.extend(sorted.states.iter().map(|object| json!({"apply": object})));
    let mut scenario = json!({
        "title": format!("As recorded at {}", seen.at.strftime("%Y-%m-%d %H:%M UTC")),
        "description": "The state of the objects, answers and logs at the time of the recording.",
        "recorded": seen.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "changes": changes,
    });
    let renewed: Vec<Value> = sorted
        .states
        .iter()
        .filter(|object| kind(object) == "Lease" && is_held(object, seen.at))
        .map(|lease| json!({"kind": "Lease", "namespace": namespace(lease), "name": name(lease)}))
        .collect();
    if !renewed.is_empty() {
        scenario["renewed"] = json!(renewed);
    }
    let unpullable = unpullable(seen);
    if !unpullable.is_empty() {
        scenario["unpullable"] = json!(unpullable);
    }
    scenario
}

/// Whether the holder of a Lease was renewing it.
fn is_held(lease: &Value, at: Timestamp) -> bool {
    let held = !text(lease, "/spec/holderIdentity").is_empty();
    let seconds = lease["spec"]["leaseDurationSeconds"].as_i64().unwrap_or(15);
    let renewed = text(lease, "/spec/renewTime").parse::<Timestamp>();
    held && renewed.is_ok_and(|renewed| at.duration_since(renewed).as_secs() <= seconds)
}

/// Images that a container waits for.
pub(super) fn unpullable(seen: &Seen) -> BTreeSet<&str> {
    let pods = seen.objects.iter().filter(|object| kind(object) == "Pod");
    let waits = |status: &&Value| {
        matches!(text(status, "/state/waiting/reason"), "ImagePullBackOff" | "ErrImagePull")
    };
    let mut found = BTreeSet::new();
    for pod in pods {
        for status in items(pod, "/status/containerStatuses").iter().filter(waits) {
            let own = |container: &&Value| container["name"] == status["name"];
            let container = items(pod, "/spec/containers").iter().find(own);
            found.extend(container.map(|container| text(container, "/image")));
        }
    }
    found
}
