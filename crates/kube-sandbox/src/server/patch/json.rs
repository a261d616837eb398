//! JSON patches, RFC 6902: the six operations.

use serde::Deserialize;
use serde_json::Value;

use super::PatchError;

/// The most operations that the API server takes.
const MOST: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Operation {
    Add {
        path: String,
        #[serde(default)]
        value: Value,
    },
    Remove {
        path: String,
    },
    Replace {
        path: String,
        #[serde(default)]
        value: Value,
    },
    Move {
        from: String,
        path: String,
    },
    Copy {
        from: String,
        path: String,
    },
    Test {
        path: String,
        #[serde(default)]
        value: Value,
    },
}

/// Does all operations in their order, or none of them.
pub(crate) fn apply(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let operations: Vec<Operation> = serde_json::from_value(patch.clone())
        .map_err(|error| PatchError::Malformed(format!("error decoding patch: {error}")))?;
    if operations.len() > MOST {
        let count = operations.len();
        return Err(PatchError::Unfit(format!(
            "The allowed maximum operations in a JSON patch is {MOST}, got {count}"
        )));
    }
    let mut patched = target.clone();
    for operation in operations {
        perform(&mut patched, operation)?;
    }
    *target = patched;
    Ok(())
}

fn perform(target: &mut Value, operation: Operation) -> Result<(), PatchError> {
    match operation {
        Operation::Add { path, value } => add(target, &path, value),
        Operation::Remove { path } => remove(target, &path).map(drop),
        Operation::Replace { path, value } => {
            let place = target.pointer_mut(&path).ok_or_else(|| {
                PatchError::Unfit(format!(
                    "replace operation does not apply: doc is missing key: {path}: missing value"
                ))
            })?;
            *place = value;
            Ok(())
        }
        Operation::Move { from, path } => {
            if path.starts_with(&format!("{from}/")) {
                return Err(PatchError::Unfit(format!(
                    "move operation does not apply: {path} is inside {from}"
                )));
            }
            let value = remove(target, &from)?;
            add(target, &path, value)
        }
        Operation::Copy { from, path } => {
            let value = target.pointer(&from).cloned();
            let value = value.ok_or_else(|| {
                PatchError::Unfit(format!(
                    "copy operation does not apply: doc is missing from path: {from}: missing value"
                ))
            })?;
            add(target, &path, value)
        }
        Operation::Test { path, value } => {
            if *target.pointer(&path).unwrap_or(&Value::Null) == value {
                Ok(())
            } else {
                Err(PatchError::Unfit(format!("testing value {path} failed: test failed")))
            }
        }
    }
}

/// The container that a path leads into, and the last part of the path.
fn parent<'a>(
    target: &'a mut Value,
    path: &str,
    operation: &str,
) -> Result<(&'a mut Value, String), PatchError> {
    let absent = || {
        PatchError::Unfit(format!(
            "{operation} operation does not apply: doc is missing path: {path}: missing value"
        ))
    };
    let (before, last) = path.rsplit_once('/').ok_or_else(absent)?;
    let parent = target.pointer_mut(before).ok_or_else(absent)?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = parent(target, path, "add")?;
    match parent {
        Value::Object(fields) => {
            fields.insert(last, value);
            Ok(())
        }
        Value::Array(items) => {
            let index = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            let index = index.filter(|index| *index <= items.len());
            let index = index.ok_or_else(|| {
                PatchError::Unfit(format!(
                    "add operation does not apply: invalid \
                    index {last} at path {path}: invalid index referenced"
                ))
            })?;
            items.insert(index, value);
            Ok(())
        }
        _ => Err(PatchError::Unfit(format!(
            "add operation does not apply: doc is missing path: {path}: missing value"
        ))),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, PatchError> {
    let (parent, last) = parent(target, path, "remove")?;
    let removed = match parent {
        Value::Object(fields) => fields.shift_remove(&last),
        Value::Array(items) => last
            .parse()
            .ok()
            .filter(|index| *index < items.len())
            .map(|index: usize| items.remove(index)),
        _ => None,
    };
    removed.ok_or_else(|| {
        PatchError::Unfit(format!(
            "remove operation does not apply: doc is missing key: {path}: missing value"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations_change_the_document() {
        let before = json!({"a": {"b~/c": 1}, "l": [1, 2]});
        for (patch, expected) in [
            (
                json!([{"op": "add", "path": "/x", "value": 1}]),
                json!({"a": {"b~/c": 1}, "l": [1, 2], "x": 1}),
            ),
            (
                json!([{"op": "add", "path": "/l/-", "value": 3}, {"op": "add", "path": "/l/0",
                    "value": 0}]),
                json!({"a": {"b~/c": 1}, "l": [0, 1, 2, 3]}),
            ),
            (
                json!([{"op": "remove", "path": "/a/b~0~1c"}, {"op": "remove", "path": "/l/0"}]),
                json!({"a": {}, "l": [2]}),
            ),
            (
                json!([{"op": "replace", "path": "/l/1", "value": 9}]),
                json!({"a": {"b~/c": 1}, "l": [1, 9]}),
            ),
            (
                json!([{"op": "move", "from": "/l", "path": "/a/m"}]),
                json!({"a": {"b~/c": 1, "m": [1, 2]}}),
            ),
            (
                json!([{"op": "copy", "from": "/l/0", "path": "/n"}, {"op": "test", "path": "/n",
                    "value": 1}]),
                json!({"a": {"b~/c": 1}, "l": [1, 2], "n": 1}),
            ),
            (json!([]), before.clone()),
        ] {
            let mut patched = before.clone();
            apply(&mut patched, &patch).unwrap();
            assert_eq!(patched, expected, "{patch}");
        }
    }

    #[test]
    fn what_does_not_apply_changes_nothing() {
        let before = json!({"a": 1, "l": [1]});
        for (patch, malformed) in [
            (
                json!([{"op": "add", "path": "/x", "value": 1}, {"op": "test", "path": "/a",
                    "value": 2}]),
                false,
            ),
            (json!([{"op": "remove", "path": "/x"}]), false),
            (json!([{"op": "remove", "path": ""}]), false),
            (json!([{"op": "replace", "path": "/x", "value": 1}]), false),
            (json!([{"op": "add", "path": "/l/7", "value": 1}]), false),
            (json!([{"op": "add", "path": "/a/b", "value": 1}]), false),
            (json!([{"op": "nosuch", "path": "/a"}]), true),
            (json!({"a": 2}), true),
        ] {
            let mut patched = before.clone();
            let error = apply(&mut patched, &patch).unwrap_err();
            assert_eq!(
                (matches!(error, PatchError::Malformed(_)), &patched),
                (malformed, &before),
                "{patch}: {error}"
            );
        }
    }
}
