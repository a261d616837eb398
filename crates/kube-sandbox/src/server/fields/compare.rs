//! Which fields differ between two states of an object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::set::{self, Fields, field};
use crate::server::schema::{self, List};

/// Parts that every object of a kind has, if only empty: nobody makes them by setting something
/// within.
const ALWAYS: [&str; 10] = [
    "metadata",
    "spec",
    "status",
    "template",
    "jobTemplate",
    "strategy",
    "updateStrategy",
    "containers",
    "resources",
    "loadBalancer",
];

/// The differences, without those that belong to the server.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What was added or has another value.
    pub(crate) changed: Fields,
    pub(crate) removed: Fields,
}

pub(crate) fn compare(kind: &str, before: &Value, after: &Value) -> Difference {
    let mut difference = Difference::default();
    walk(
        kind,
        &mut Vec::new(),
        false,
        Some(before),
        Some(after),
        &mut difference.changed,
        &mut difference.removed,
    );
    difference.changed.without_system();
    difference.removed.without_system();
    difference
}

fn walk<'a>(
    kind: &str,
    path: &mut Vec<&'a str>,
    item: bool,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    changed: &mut Fields,
    removed: &mut Fields,
) {
    let (before, after) =
        (before.filter(|value| !value.is_null()), after.filter(|value| !value.is_null()));
    let always = !item && path.last().is_some_and(|last| ALWAYS.contains(last));
    match (before, after) {
        (None, None) => return,
        (None, Some(value)) => changed.owned |= !(always && deep(kind, path, value)),
        (Some(value), None) => removed.owned |= !(always && deep(kind, path, value)),
        (Some(before), Some(after)) => {
            let same_depth = deep(kind, path, before) == deep(kind, path, after)
                && before.is_object() == after.is_object();
            if !(same_depth && deep(kind, path, after)) && before != after {
                changed.owned = true;
            }
        }
    }
    let inner =
        |value: Option<&'a Value>, path: &[&str]| value.filter(|value| deep(kind, path, value));
    let (before, after) = (inner(before, path), inner(after, path));
    let objects = (before.and_then(Value::as_object), after.and_then(Value::as_object));
    let keys: BTreeSet<&'a String> =
        objects.0.into_iter().chain(objects.1).flat_map(|object| object.keys()).collect();
    for key in keys {
        path.push(key);
        step(
            kind,
            path,
            field(key),
            objects.0.and_then(|object| object.get(key)),
            objects.1.and_then(|object| object.get(key)),
            changed,
            removed,
        );
        path.pop();
    }
    let lists = (before.and_then(Value::as_array), after.and_then(Value::as_array));
    let list = schema::list(kind, path);
    let named = |items: Option<&'a Vec<Value>>| -> Vec<(String, &'a Value)> {
        items.into_iter().flatten().filter_map(|one| Some((set::item(list, one)?, one))).collect()
    };
    let (before, after) = (named(lists.0), named(lists.1));
    let elements: BTreeSet<&String> =
        before.iter().chain(&after).map(|(element, _)| element).collect();
    let find = |items: &[(String, &'a Value)], element: &str| {
        items.iter().find(|(own, _)| own == element).map(|(_, value)| *value)
    };
    for element in elements {
        step(
            kind,
            path,
            element.clone(),
            find(&before, element),
            find(&after, element),
            changed,
            removed,
        );
    }
}

fn step<'a>(
    kind: &str,
    path: &mut Vec<&'a str>,
    element: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    changed: &mut Fields,
    removed: &mut Fields,
) {
    let (mut inner_changed, mut inner_removed) = (Fields::default(), Fields::default());
    walk(
        kind,
        path,
        !element.starts_with("f:"),
        before,
        after,
        &mut inner_changed,
        &mut inner_removed,
    );
    for (fields, inner) in [(changed, inner_changed), (removed, inner_removed)] {
        if !inner.is_empty() {
            fields.children.insert(element.clone(), inner);
        }
    }
}

/// Says whether a value consists of fields of their own.
fn deep(kind: &str, path: &[&str], value: &Value) -> bool {
    match value {
        Value::Object(object) => !object.is_empty() && !schema::atomic_map(path),
        Value::Array(items) => !items.is_empty() && schema::list(kind, path) != List::Atomic,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_found_in_maps_and_lists() {
        let pod = |containers: Value| {
            json!({"metadata": {"name": "p"},
            "spec": {"containers": containers}})
        };
        for (before, after, changed, removed) in [
            (
                json!({"data": {"a": "1", "b": "2"}}),
                json!({"data": {"a": "2", "c": "3"}}),
                json!({"f:data": {"f:a": {}, "f:c": {}}}),
                json!({"f:data": {"f:b": {}}}),
            ),
            (
                json!({}),
                json!({"data": {"a": "1"}}),
                json!({"f:data": {".": {}, "f:a": {}}}),
                json!({}),
            ),
            (
                json!({"metadata": {"resourceVersion": "1"}}),
                json!({"metadata": {"resourceVersion": "2", "generation": 1}}),
                json!({}),
                json!({}),
            ),
            (
                pod(json!([{"name": "a", "image": "1"}, {"name": "b"}])),
                pod(json!([{"name": "a", "image": "2"}])),
                json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}}),
                json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {".": {},
                    "f:name": {}}}}}),
            ),
            (
                json!({"spec": {"tolerations": [{"key": "a"}]}}),
                json!({"spec": {"tolerations": [{"key": "b"}]}}),
                json!({"f:spec": {"f:tolerations": {}}}),
                json!({}),
            ),
            (
                json!({"a": {"b": 1}}),
                json!({"a": {}}),
                json!({"f:a": {}}),
                json!({"f:a": {"f:b": {}}}),
            ),
        ] {
            let difference = compare("Pod", &before, &after);
            assert_eq!(
                (difference.changed.write(), difference.removed.write()),
                (changed, removed),
                "{before} {after}"
            );
        }
    }
}
