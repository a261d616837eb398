//! Shared by all controllers that create pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Moment, events, letters};
use crate::admission::{self, Refusal};
use crate::object;
use crate::store::Store;

/// The names that were given to pods: none is given twice, and every run gives the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(BTreeMap<String, u64>);

impl Names {
    /// The next name that begins with this one.
    pub(super) fn next(&mut self, store: &Store, namespace: &str, base: &str) -> String {
        let turn = self.0.entry(format!("{namespace}/{base}")).or_default();
        loop {
            let name = format!("{base}-{}", letters(&format!("{base}/{turn}"), 5));
            *turn += 1;
            if store.get("pods", namespace, &name).is_none() {
                return name;
            }
        }
    }

    /// Takes back the name that was given last: its pod was refused.
    pub(super) fn take_back(&mut self, namespace: &str, base: &str) {
        if let Some(turn) = self.0.get_mut(&format!("{namespace}/{base}")) {
            *turn = turn.saturating_sub(1);
        }
    }
}

/// The objects of a kind as they are now, so that the store can be changed meanwhile.
pub(super) fn all(store: &Store, plural: &'static str) -> Vec<Arc<Value>> {
    store.list(plural, None).cloned().collect()
}

/// The objects of a kind that this one controls.
pub(super) fn owned(store: &Store, plural: &'static str, owner: &Value) -> Vec<Arc<Value>> {
    let uid = &owner["metadata"]["uid"];
    store
        .list(plural, Some(object::namespace(owner)))
        .filter(|object| object::owned_by(object, uid))
        .cloned()
        .collect()
}

/// The reference by which an object says who controls it.
pub(super) fn owner_reference(object: &Value) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": object["metadata"]["name"], "uid": object["metadata"]["uid"], "controller": true,
        "blockOwnerDeletion": true})
}

/// Says whether an object is on its way out.
pub(super) fn deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Says whether a pod counts as one that its controller has: it has neither ended nor is it on its
/// way out.
pub(super) fn active(pod: &Value) -> bool {
    !deleting(pod) && !ended(pod)
}

/// Says whether all containers of a pod have ended.
pub(super) fn ended(pod: &Value) -> bool {
    pod["status"]["phase"] == "Succeeded" || pod["status"]["phase"] == "Failed"
}

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object::list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition["status"] == "True")
}

/// Ready for as long as the controller asks for.
pub(super) fn is_available(pod: &Value, seconds: i64, moment: &Moment) -> bool {
    let since = || {
        condition(pod, "Ready")
            .and_then(|condition| object::timestamp(&condition["lastTransitionTime"]))
    };
    is_ready(pod)
        && (seconds == 0
            || since()
                .is_some_and(|since| moment.passed(since, SignedDuration::from_secs(seconds))))
}

/// A whole number, or another where there is none.
pub(super) fn number(value: &Value, otherwise: i64) -> i64 {
    value.as_i64().unwrap_or(otherwise)
}

/// A number of pods, given as such or as a share of a total, as
/// `intstr.GetScaledValueFromIntOrPercent` reads it.
pub(super) fn share(value: &Value, total: i64, up: bool) -> i64 {
    let percent = value
        .as_str()
        .and_then(|text| text.strip_suffix('%'))
        .and_then(|text| text.parse::<i64>().ok());
    match percent {
        Some(percent) if up => (total.saturating_mul(percent)).saturating_add(99) / 100,
        Some(percent) => total.saturating_mul(percent) / 100,
        None => number(value, 0),
    }
    .max(0)
}

/// A pod from a template.
pub(super) fn from_template(
    owner: &Value,
    template: &Value,
    name: &str,
    generated: Option<&str>,
) -> Value {
    let mut spec = template["spec"].clone();
    let defaults = json!({"serviceAccountName": "default", "serviceAccount": "default",
        "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0});
    for (key, value) in defaults.as_object().into_iter().flatten() {
        if spec.get(key).is_none_or(Value::is_null) {
            spec[key.as_str()] = value.clone();
        }
    }
    if spec.get("tolerations").is_none() {
        spec["tolerations"] = json!([
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": 300},
        ]);
    }
    let mut metadata = json!({"name": name, "namespace": object::namespace(owner),
        "labels": template["metadata"]["labels"], "ownerReferences": [owner_reference(owner)]});
    if let Some(prefix) = generated {
        metadata["generateName"] = json!(format!("{prefix}-"));
    }
    if template["metadata"]["annotations"].is_object() {
        metadata["annotations"] = template["metadata"]["annotations"].clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
        "status": {"phase": "Pending", "qosClass": qos(&template["spec"])}})
}

/// The quality of service that follows from the resources asked for.
pub(super) fn qos(spec: &Value) -> &'static str {
    let containers = object::list(&spec["containers"]);
    let any = containers.iter().any(|container| {
        container["resources"].as_object().is_some_and(|resources| !resources.is_empty())
    });
    let guaranteed = any
        && containers.iter().all(|container| {
            container["resources"]["limits"].is_object()
                && container["resources"]["requests"] == container["resources"]["limits"]
        });
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, false) => "Burstable",
        (true, true) => "Guaranteed",
    }
}

/// Creates a pod, unless it is refused.
pub(super) fn create(store: &mut Store, pod: Value, now: Timestamp) -> Result<(), Refusal> {
    admission::pod(store, &pod)?;
    store.put(pod, now);
    Ok(())
}

/// Says once of an object that a pod of it was refused.
pub(super) fn refused(
    store: &mut Store,
    owner: &Value,
    component: &str,
    message: &str,
    now: Timestamp,
) {
    if !events::is_known(store, owner, "FailedCreate", message, Timestamp::UNIX_EPOCH) {
        events::warn(store, owner, component, "FailedCreate", message, now);
    }
}

/// Asks a pod to end. The kubelet removes it; one that is on no node goes at once.
pub(super) fn terminate(store: &mut Store, pod: &Value, now: Timestamp) {
    if deleting(pod) {
        return;
    }
    if !pod["spec"]["nodeName"].is_string() {
        store.delete("pods", object::namespace(pod), object::name(pod));
        return;
    }
    let grace = number(&pod["spec"]["terminationGracePeriodSeconds"], 30);
    let mut pod = pod.clone();
    pod["metadata"]["deletionTimestamp"] =
        json!(object::time(now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(now)));
    pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    store.put(pod, now);
}

/// Sets a condition that has no `lastUpdateTime`; when its status changed is kept.
pub(super) fn set_condition(status: &mut Value, mut condition: Value, now: Timestamp) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else {
        return;
    };
    condition["lastTransitionTime"] = json!(object::time(now));
    match conditions.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => {
            if known["status"] == condition["status"] {
                condition["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = condition;
        }
        None => conditions.push(condition),
    }
}

/// Removes the numbers that the API omits when they are zero.
pub(super) fn omit_zeros(status: &mut Value, kept: &[&str]) {
    if let Value::Object(fields) = status {
        fields.retain(|key, value| kept.contains(&key.as_str()) || value.as_i64() != Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_asked() {
        for (value, total, up, expected) in [
            (json!("25%"), 3, true, 1),
            (json!("25%"), 3, false, 0),
            (json!(2), 3, true, 2),
            (json!("100%"), 3, false, 3),
            (json!("x"), 3, true, 0),
            (json!(null), 3, true, 0),
        ] {
            assert_eq!(share(&value, total, up), expected, "{value} {up}");
        }
    }

    #[test]
    fn names_are_never_given_twice() {
        let (mut names, store) = (Names::default(), Store::new());
        let (first, second) = (names.next(&store, "a", "web"), names.next(&store, "a", "web"));
        assert_ne!(first, second);
        assert_eq!(Names::default().next(&store, "a", "web"), first, "the same in every run");
    }
}
