//! Counters that the API omits if they are 0 (`omitempty` in k8s.io/api apps/v1 and batch/v1). Adds
//! them, so that a condition on `.status.readyReplicas` is not undetermined exactly when no pod is
//! ready.

use crate::cluster::Resource;
use serde_json::{Value, json};

/// The counters of a kind's status, of all that have been left out where they are 0.
fn counters(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment") => &[
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
        ],
        ("apps", "ReplicaSet") => {
            &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"]
        }
        ("apps", "StatefulSet") => &[
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
        ],
        ("apps", "DaemonSet") => {
            &["updatedNumberScheduled", "numberAvailable", "numberUnavailable"]
        }
        ("batch", "Job") => &["active", "succeeded", "failed"],
        _ => &[],
    }
}

/// Writes the counters out that were left out.
pub(in crate::action) fn write_out(object: &mut Value, resource: &Resource) {
    let names = counters(resource);
    let Some(fields) = object.as_object_mut().filter(|_| !names.is_empty()) else { return };
    let status = fields.entry("status").or_insert_with(|| json!({}));
    if let Some(status) = status.as_object_mut() {
        for name in names {
            status.entry(*name).or_insert(Value::from(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::builtin;

    #[test]
    fn what_is_left_out_is_zero_and_what_is_there_stays() {
        for (kind, object, wanted) in [
            (
                "Job",
                json!({"status": {"failed": 2}}),
                json!({"status": {"failed": 2, "active": 0, "succeeded": 0}}),
            ),
            (
                "DaemonSet",
                json!({}),
                json!({"status": {"updatedNumberScheduled": 0, "numberAvailable": 0,
                    "numberUnavailable": 0}}),
            ),
            ("Pod", json!({"status": {}}), json!({"status": {}})),
            ("Job", Value::Null, Value::Null),
        ] {
            let mut object = object;
            write_out(&mut object, &builtin(kind).unwrap());
            assert_eq!(object, wanted, "{kind}");
        }
    }
}
