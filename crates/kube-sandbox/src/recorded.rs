//! Objects as somebody saw them in another cluster: their times are moved to now, and references to
//! other objects get the uids of this one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::object;
use crate::store::first_uid;

/// The fields in which the API writes times.
const TIMES: [&str; 20] = [
    "acquireTime",
    "completionTime",
    "creationTimestamp",
    "deletionTimestamp",
    "eventTime",
    "finishedAt",
    "firstTimestamp",
    "lastHeartbeatTime",
    "lastObservedTime",
    "lastProbeTime",
    "lastScaleTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "lastTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "renewTime",
    "startTime",
    "startedAt",
    "timeAdded",
];

/// Makes an object of a recording one of a cluster in which so much time has passed since.
pub(crate) fn revive(manifest: &mut Value, passed: SignedDuration, cluster: &str) {
    move_times(manifest, passed);
    for entry in manifest["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
        move_time(&mut entry["time"], passed);
    }
    let namespace = object::namespace(manifest).to_owned();
    if let Some(owners) = manifest["metadata"]["ownerReferences"].as_array_mut() {
        owners.iter_mut().for_each(|owner| identify(owner, cluster, &namespace));
    }
    if manifest["kind"] == "Event" {
        identify(&mut manifest["involvedObject"], cluster, &namespace);
    }
}

/// Gives a reference the uid of what it refers to.
fn identify(reference: &mut Value, cluster: &str, namespace: &str) {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let namespace = reference["namespace"].as_str().unwrap_or(namespace);
    if let Some(uid) = first_uid(cluster, text("kind"), namespace, text("name")) {
        reference["uid"] = json!(uid);
    }
}

fn move_times(value: &mut Value, passed: SignedDuration) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if TIMES.contains(&key.as_str()) {
                    move_time(value, passed);
                } else {
                    move_times(value, passed);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_times(item, passed)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn move_time(value: &mut Value, passed: SignedDuration) {
    let Some(text) = value.as_str() else { return };
    let Ok(at) = text.parse::<Timestamp>() else { return };
    let write = if text.contains('.') { object::micro_time } else { object::time };
    *value = json!(write(at.saturating_add(passed).unwrap_or(at)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_and_owners_identified() {
        let mut pod = json!({"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"seen": "2026-01-01T00:00:00Z"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web"}]},
            "status": {"conditions": [{"type": "Ready", "lastTransitionTime": null}],
            "startTime": "2026-01-01T00:00:05.5Z"}});
        revive(&mut pod, SignedDuration::from_secs(60), "");
        assert_eq!(pod["metadata"]["creationTimestamp"], "2026-01-01T00:01:00Z");
        assert_eq!(pod["metadata"]["annotations"]["seen"], "2026-01-01T00:00:00Z");
        assert_eq!(pod["status"]["startTime"], "2026-01-01T00:01:05.500000Z");
        let uid = first_uid("", "ReplicaSet", "shop", "web");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"].as_str(), uid.as_deref());
    }
}
