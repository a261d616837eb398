//! The change that reverts another one. Pure.

use super::Change;
use super::recorded::recorded_like;
use crate::cluster::Resource;
use crate::compare::{Difference, desired, differences, only_restarts, trimmed};
use crate::event::PlannedChange;
use crate::secret::{Masker, behind, has_labels};
use serde_json::{Value, json};

/// The change that reverts another one; none if there is nothing to revert.
///
/// # Errors
/// Why it cannot be reverted: someone else has changed the object since, or the previous state is
/// not recorded.
pub fn reverse(
    planned: &PlannedChange,
    after: &Value,
    current: Option<&Value>,
    resource: &Resource,
    masker: &Masker,
) -> Result<Option<Change>, String> {
    if planned.verb == "evict" {
        return Ok(None);
    }
    let Some(current) = current else { return recreation(planned, resource) };
    let then = desired(after);
    let was = desired(&planned.before);
    // what is recorded is masked, so that only masked can be compared with it
    let now = desired(&masker.clean_value(&recorded_like(planned, current, masker)));
    let back = differences(&then, &was);
    // where only something masked differs, equal says nothing
    let is_back = told_apart(&was, &now).is_empty();
    if !planned.before.is_null() && is_back && !(planned.masked && back.is_empty()) {
        return Ok(None);
    }
    foreign_change(planned, (after, current), (&then, &now))?;
    if planned.before.is_null() {
        return Ok(Some(Change::delete(
            resource,
            current,
            json!({"propagationPolicy": "Background"}),
        )));
    }
    if is_lost(planned, &back) {
        return Err(format!(
            "the previous value of {} was secret and is not recorded: restore it by hand",
            planned.object.short()
        ));
    }
    let mut wanted = trimmed(current);
    for difference in back {
        set(&mut wanted, &difference.pointer, difference.after);
    }
    let summary = match (only_restarts(&then, &was), planned.is_rolled_out()) {
        (true, _) => "second restart",
        (false, true) => "previous state",
        (false, false) => "restored",
    };
    Ok(Change::between(resource, current, &wanted, summary))
}

/// Creates again what was deleted; nothing if the object had not existed before.
fn recreation(planned: &PlannedChange, resource: &Resource) -> Result<Option<Change>, String> {
    let object = planned.object.short();
    if planned.before.is_null() {
        return Ok(None);
    }
    if planned.verb != "delete" {
        return Err(format!("{object} no longer exists: someone else has deleted it since"));
    }
    if planned.masked {
        return Err(format!(
            "{object} contained secret values, which are not recorded: recreate it by hand"
        ));
    }
    let mut again = planned.before.clone();
    if let Some(metadata) = again.get_mut("metadata").and_then(Value::as_object_mut) {
        for server in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            metadata.shift_remove(server);
        }
    }
    Ok(Some(Change::create(resource, again, "recreated")))
}

/// Refuses to revert what someone else has changed since: the objects after the change and now, and
/// what is desired of them.
fn foreign_change(
    planned: &PlannedChange,
    (after, current): (&Value, &Value),
    (then, now): (&Value, &Value),
) -> Result<(), String> {
    let object = planned.object.short();
    if planned.verb == "delete" {
        return Err(format!("{object} exists again: someone else has created it since"));
    }
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    if uid(current) != uid(after) {
        return Err(format!("{object} was replaced by another object of the same name since"));
    }
    let mut others = told_apart(then, now);
    if planned.before.is_null() {
        others.retain(|other| !is_filled_in(planned, other));
    }
    if !others.is_empty() {
        let places: Vec<_> = others.into_iter().map(|difference| difference.path).take(3).collect();
        return Err(format!("someone else has changed {object} since: {}", places.join(", ")));
    }
    Ok(())
}

/// Whether a field of an object that the run has created is one that the cluster fills in, and that
/// the manifest left to it: what an autoscaler sets, to what a claim is bound.
fn is_filled_in(planned: &PlannedChange, difference: &Difference) -> bool {
    let fields: &[&str] = match planned.object.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => &["/spec/replicas"],
        "PersistentVolumeClaim" => &["/spec/volumeName", "/spec/storageClassName"],
        _ => &[],
    };
    fields.contains(&difference.pointer.as_str())
        && planned.request["body"].pointer(&difference.pointer).is_none()
}

/// What differs between an object as it was recorded and as it is. Where a secret stood in a text,
/// the record has a label: what is there now cannot be told apart from it, as long as the text
/// around it is the same.
fn told_apart(recorded: &Value, now: &Value) -> Vec<Difference> {
    let mut others = differences(recorded, now);
    others.retain(|Difference { before, after, .. }| match (before, after) {
        (Some(Value::String(recorded)), Some(Value::String(now))) => {
            behind(recorded, now).is_none()
        }
        _ => true,
    });
    others
}

/// Whether a previous value is secret, so that its record has only a fingerprint of it.
fn is_lost(planned: &PlannedChange, back: &[Difference]) -> bool {
    let is_hidden = |difference: &Difference| difference.after.as_ref().is_some_and(has_labels);
    planned.masked
        && (planned.object.kind == "Secret" || back.is_empty() || back.iter().any(is_hidden))
}

/// Sets, or with none removes, the value at a pointer whose parent exists.
fn set(object: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    let key = key.replace("~1", "/").replace("~0", "~");
    match (object.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(key, value)),
        (Some(Value::Object(fields)), None) => drop(fields.shift_remove(&key)),
        (Some(Value::Array(items)), Some(value)) => {
            if let Some(item) = key.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = value;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cluster_fills_in_is_nobody_s_change() {
        let made = |kind: &str, body: Value| -> PlannedChange {
            serde_json::from_value(json!({
                "object": {"api_version": "v1", "kind": kind, "namespace": "n", "name": "a"},
                "verb": "patch", "summary": "made", "before": null, "after": body,
                "request": {"body": body}, "masked": false}))
            .unwrap()
        };
        for (kind, body, now, filled) in [
            ("Deployment", json!({"spec": {}}), json!({"spec": {"replicas": 2}}), true),
            (
                "Deployment",
                json!({"spec": {"replicas": 1}}),
                json!({"spec": {"replicas": 2}}),
                false,
            ),
            (
                "PersistentVolumeClaim",
                json!({"spec": {}}),
                json!({"spec": {"volumeName": "pv"}}),
                true,
            ),
            ("Service", json!({"spec": {}}), json!({"spec": {"replicas": 2}}), false),
        ] {
            let planned = made(kind, body.clone());
            let others = told_apart(&body, &now);
            assert!(!others.is_empty(), "{kind}");
            let all = others.iter().all(|other| is_filled_in(&planned, other));
            assert_eq!(all, filled, "{kind} {body}");
        }
    }

    #[test]
    fn what_is_masked_in_the_record_is_not_told_apart() {
        for (masked, text, same) in [
            ("a [secret db/password] b", "a hunter2 b", true),
            ("a [secret db/password]", "a hunter2", true),
            ("[secret x] and [secret y].", "one and two.", true),
            ("a [secret db/password] b", "a hunter2 c", false),
            ("a [secret db/password] b", "c hunter2 b", false),
            ("a b", "a c", false),
        ] {
            let (recorded, now) = (json!({"args": [masked]}), json!({"args": [text]}));
            assert_eq!(told_apart(&recorded, &now).is_empty(), same, "{masked} {text}");
        }
    }
}
