//! Strategic merge patches: merge patches that know what identifies the elements of lists.

use serde_json::{Map, Value};

use super::PatchError;
use crate::server::schema::{self, Strategy};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const REMOVE: &str = "$deleteFromPrimitiveList/";

/// Merges a patch into an object of a kind.
pub(crate) fn apply(kind: &str, target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let mut patched = target.clone();
    let Value::Object(changes) = patch else {
        return Err(PatchError::Malformed("the patch is not an object".to_owned()));
    };
    merge_map(kind, &mut Vec::new(), &mut patched, changes)?;
    *target = patched;
    Ok(())
}

fn merge_map<'a>(
    kind: &str,
    path: &mut Vec<&'a str>,
    target: &mut Value,
    changes: &'a Map<String, Value>,
) -> Result<(), PatchError> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return Ok(());
    };
    match changes.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => fields.clear(),
        Some("delete") => {
            fields.clear();
            return Ok(());
        }
        Some(other) => {
            return Err(PatchError::Malformed(format!("Unknown patch type found: {other}")));
        }
    }
    if let Some(retained) = changes.get(RETAIN) {
        let Value::Array(retained) = retained else {
            return Err(PatchError::Malformed("invalid patch format of retainKeys".to_owned()));
        };
        fields.retain(|key, _| retained.iter().any(|one| one == key));
    }
    for (key, change) in changes {
        if let Some(field) = key.strip_prefix(REMOVE) {
            let unwanted = change.as_array().ok_or_else(|| {
                PatchError::Malformed("invalid patch format of primitive list".to_owned())
            })?;
            if let Some(Value::Array(items)) = fields.get_mut(field) {
                items.retain(|item| !unwanted.contains(item));
            }
        }
    }
    for (key, change) in changes {
        if key == DIRECTIVE || key == RETAIN || key.starts_with(REMOVE) || key.starts_with(ORDER) {
            continue;
        }
        if change.is_null() {
            fields.shift_remove(key);
            continue;
        }
        path.push(key);
        match change {
            Value::Object(inner) => {
                merge_map(kind, path, fields.entry(key.clone()).or_insert(Value::Null), inner)?;
            }
            Value::Array(items) => {
                merge_list(kind, path, fields.entry(key.clone()).or_insert(Value::Null), items)?;
            }
            _ => {
                fields.insert(key.clone(), change.clone());
            }
        }
        path.pop();
    }
    for (key, order) in changes {
        if let Some(field) = key.strip_prefix(ORDER) {
            let order = order.as_array().ok_or_else(|| {
                PatchError::Malformed("invalid patch format of setElementOrder list".to_owned())
            })?;
            path.push(field);
            if let Some(Value::Array(items)) = fields.get_mut(field) {
                sort(items, order, schema::strategy(kind, path));
            }
            path.pop();
        }
    }
    Ok(())
}

fn merge_list<'a>(
    kind: &str,
    path: &mut Vec<&'a str>,
    target: &mut Value,
    changes: &'a [Value],
) -> Result<(), PatchError> {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Value::Array(items) = target else {
        return Ok(());
    };
    let directive =
        |change: &Value| change.get(DIRECTIVE).and_then(Value::as_str).map(str::to_owned);
    let strategy = schema::strategy(kind, path);
    if strategy == Strategy::Replace
        || changes.iter().any(|change| directive(change).as_deref() == Some("replace"))
    {
        *items = changes.iter().filter(|change| change.get(DIRECTIVE).is_none()).cloned().collect();
        return Ok(());
    }
    let Strategy::Merge(key) = strategy else {
        for change in changes {
            if !items.contains(change) {
                items.push(change.clone());
            }
        }
        return Ok(());
    };
    for change in changes {
        let (Value::Object(inner), Some(id)) = (change, change.get(key)) else {
            return Err(PatchError::Unfit(format!(
                "map: {change} does not contain declared merge key: {key}"
            )));
        };
        if directive(change).as_deref() == Some("delete") {
            items.retain(|item| item.get(key) != Some(id));
            continue;
        }
        let index = items.iter().position(|item| item.get(key) == Some(id)).unwrap_or_else(|| {
            items.push(Value::Null);
            items.len() - 1
        });
        merge_map(kind, path, &mut items[index], inner)?;
    }
    Ok(())
}

/// Brings a list into the wanted order. What the order does not name stays behind what it was
/// behind.
fn sort(items: &mut Vec<Value>, order: &[Value], strategy: Strategy) {
    let same = |item: &Value, wanted: &Value| match strategy {
        Strategy::Merge(key) => item.get(key).is_some() && item.get(key) == wanted.get(key),
        Strategy::Union | Strategy::Replace => item == wanted,
    };
    let mut sorted: Vec<(usize, Value)> = Vec::new();
    let mut left: Vec<(usize, Value)> = Vec::new();
    for (index, item) in items.drain(..).enumerate() {
        let named = order.iter().any(|wanted| same(&item, wanted));
        if named { sorted.push((index, item)) } else { left.push((index, item)) }
    }
    sorted.sort_by_key(|(_, item)| order.iter().position(|wanted| same(item, wanted)));
    for (index, item) in left {
        let place = sorted.iter().position(|(other, _)| *other > index).unwrap_or(sorted.len());
        sorted.insert(place, (index, item));
    }
    items.extend(sorted.into_iter().map(|(_, item)| item));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(containers: Value) -> Value {
        json!({"spec": {"containers": containers}})
    }

    #[test]
    fn patches_merge_by_the_keys_of_the_api() {
        let two = || {
            pod(json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "x"}]},
                    {"name": "b", "image": "1"}]))
        };
        for (kind, target, patch, expected) in [
            (
                "Pod",
                two(),
                pod(json!([{"name": "b", "image": "2"}])),
                pod(json!([{"name": "a", "image": "1",
                        "ports": [{"containerPort": 80, "name": "x"}]}, {"name": "b",
                        "image": "2"}])),
            ),
            (
                "Pod",
                two(),
                pod(json!([{"$patch": "delete", "name": "a"}])),
                pod(json!([{"name": "b", "image": "1"}])),
            ),
            (
                "Pod",
                two(),
                pod(json!([{"name": "c"}, {"$patch": "replace"}])),
                pod(json!([{"name": "c"}])),
            ),
            (
                "Pod",
                two(),
                pod(json!([{"name": "a", "ports": [{"containerPort": 80, "name": null},
                        {"containerPort": 81}]}])),
                pod(json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80},
                        {"containerPort": 81}]}, {"name": "b", "image": "1"}])),
            ),
            (
                "Pod",
                two(),
                json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}],
                    "containers": [{"name": "c"}]}}),
                pod(json!([{"name": "a", "image": "1",
                        "ports": [{"containerPort": 80, "name": "x"}]}, {"name": "c"}, {"name": "b",
                        "image": "1"}])),
            ),
            (
                "Pod",
                json!({"spec": {"tolerations": [{"key": "a"}]}}),
                json!({"spec": {"tolerations": [{"key": "b"}]}}),
                json!({"spec": {"tolerations": [{"key": "b"}]}}),
            ),
            (
                "Pod",
                json!({"metadata": {"finalizers": ["a", "b"]}}),
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"],
                    "finalizers": ["c", "b"]}}),
                json!({"metadata": {"finalizers": ["b", "c"]}}),
            ),
            (
                "Deployment",
                json!({"spec": {"strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": 1}}}}),
                json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
                json!({"spec": {"strategy": {"type": "Recreate"}}}),
            ),
            (
                "ConfigMap",
                json!({"data": {"a": "1"}}),
                json!({"data": {"$patch": "replace", "b": "2"}}),
                json!({"data": {"b": "2"}}),
            ),
            (
                "ConfigMap",
                json!({"data": {"a": "1"}}),
                json!({"data": {"a": null, "b": null}, "x": {"y": null}}),
                json!({"data": {}, "x": {}}),
            ),
            (
                "Service",
                json!({"spec": {"ports": [{"port": 80, "targetPort": 1}]}}),
                json!({"spec": {"ports": [{"port": 80, "targetPort": 2}]}}),
                json!({"spec": {"ports": [{"port": 80, "targetPort": 2}]}}),
            ),
            (
                "Pod",
                json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
                json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
            ),
        ] {
            let mut patched = target.clone();
            apply(kind, &mut patched, &patch).unwrap();
            assert_eq!(patched, expected, "{target} + {patch}");
        }
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for (patch, malformed) in [
            (json!([]), true),
            (json!({"spec": {"$patch": "nosuch"}}), true),
            (json!({"spec": {"$retainKeys": 1}}), true),
            (json!({"spec": {"$setElementOrder/containers": 1}}), true),
            (pod(json!([{"image": "x"}])), false),
        ] {
            let error = apply("Pod", &mut pod(json!([{"name": "a"}])), &patch).unwrap_err();
            assert_eq!(matches!(error, PatchError::Malformed(_)), malformed, "{patch}: {error}");
        }
    }
}
