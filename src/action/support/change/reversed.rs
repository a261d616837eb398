//! The change that reverts another one. Pure.

use super::Change;
use super::recorded::recorded_like;
use crate::cluster::Resource;
use crate::compare::{Difference, desired, differences, only_restarts, trimmed};
use crate::event::PlannedChange;
use crate::secret::Masker;
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
    if !planned.before.is_null() && now == was && !(planned.masked && back.is_empty()) {
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
    if now != then {
        let places: Vec<_> =
            differences(then, now).into_iter().map(|difference| difference.path).take(3).collect();
        return Err(format!("someone else has changed {object} since: {}", places.join(", ")));
    }
    Ok(())
}

/// Whether a previous value is secret, so that its record has only a fingerprint of it.
fn is_lost(planned: &PlannedChange, back: &[Difference]) -> bool {
    let is_hidden = |difference: &Difference| {
        difference.after.as_ref().is_some_and(|value| value.to_string().contains("[secret "))
    };
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
