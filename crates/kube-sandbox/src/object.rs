//! Reads objects, and merges patches into them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use netpol_evaluator::Labels;

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// A map of strings: labels, annotations, the data of a ConfigMap.
pub(crate) fn strings(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

pub(crate) fn labels(object: &Value) -> Labels {
    strings(&object["metadata"]["labels"])
}

/// The elements of a list; nothing if it is none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time as `metav1.Time` writes it.
pub(crate) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as `metav1.MicroTime` writes it.
pub(crate) fn micro_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The time written in a field.
pub(crate) fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Says whether an object is owned by the controller of this uid.
pub(crate) fn owned_by(object: &Value, uid: &Value) -> bool {
    list(&object["metadata"]["ownerReferences"]).iter().any(|owner| owner["uid"] == *uid)
}

/// Sets the field at a path. An object in which it is so already stays the one that it is.
pub(crate) fn write(object: &mut Arc<Value>, path: &[&str], value: &Value) {
    if path.iter().fold(&**object, |at, key| &at[*key]) != value {
        let whole = Arc::make_mut(object);
        *path.iter().fold(whole, |at, key| &mut at[*key]) = value.clone();
    }
}

/// Merges a patch: objects field by field, null removes, lists whose elements all have a `name`
/// element by element, other lists as a whole. This is what a strategic merge does with containers,
/// their variables, and volumes.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (&mut *target, patch) {
        (Value::Object(fields), Value::Object(changes)) => merge_fields(fields, changes),
        (Value::Array(items), Value::Array(changes)) if named(items) && named(changes) => {
            for change in changes {
                match items.iter_mut().find(|item| item["name"] == change["name"]) {
                    Some(item) => merge(item, change),
                    None => items.push(change.clone()),
                }
            }
        }
        _ => *target = patch.clone(),
    }
}

fn merge_fields(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (key, change) in changes {
        if change.is_null() {
            fields.shift_remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

fn named(items: &[Value]) -> bool {
    !items.is_empty() && items.iter().all(|item| item["name"].is_string())
}

/// Whether two values are the same apart from nulls and from the field at this path.
pub(crate) fn is_same(one: &Value, other: &Value, without: &[&str]) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let counts = |(key, value): &(&String, &Value)| {
                !value.is_null() && without != [key.as_str()].as_slice()
            };
            let below = |key: &str| match without {
                [first, rest @ ..] if *first == key => rest,
                _ => &[],
            };
            let same = |(key, value): (&String, &Value)| {
                other.get(key).is_some_and(|other| is_same(value, other, below(key)))
            };
            one.iter().filter(counts).count() == other.iter().filter(counts).count()
                && one.iter().filter(counts).all(same)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other, &[]))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patches_merge_as_a_strategic_merge_does() {
        for (target, patch, expected) in [
            (
                json!({"a": 1, "b": 2}),
                json!({"b": null, "c": {"d": 3}}),
                json!({"a": 1, "c": {"d": 3}}),
            ),
            (json!({"l": [1, 2]}), json!({"l": [3]}), json!({"l": [3]})),
            (
                json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
                json!({"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}),
                json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"},
                    {"name": "C", "value": "4"}]}),
            ),
            (json!(null), json!({"a": 1}), json!({"a": 1})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} + {patch}");
        }
    }

    #[test]
    fn nulls_and_one_field_make_no_difference() {
        let one = json!({"a": {"b": {"hash": "x", "c": 1}}, "n": null, "l": [{"d": null}]});
        for (other, same) in [
            (json!({"a": {"b": {"c": 1, "hash": "y"}}, "l": [{}]}), true),
            (json!({"a": {"b": {"c": 1}}, "l": [{"d": null}], "m": null}), true),
            (json!({"a": {"b": {"c": 1}, "hash": "x"}, "l": [{}]}), false),
            (json!({"a": {"b": {"c": 2}}, "l": [{}]}), false),
            (json!({"a": {"b": {"c": 1}}, "l": [{}, {}]}), false),
            (json!({"a": {"b": {"c": 1}}, "l": [{}], "n": 1}), false),
            (json!({"a": {"b": {"c": 1}}}), false),
        ] {
            assert_eq!(is_same(&one, &other, &["a", "b", "hash"]), same, "{other}");
            assert_eq!(is_same(&other, &one, &["a", "b", "hash"]), same, "{other}");
        }
    }
}
