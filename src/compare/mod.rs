//! Compares two states of an object: the differences, the diff shown to the user, and the patch.
//! Pure.

mod lines;

pub use lines::{difference, lines};

use serde_json::{Map, Value, json};

/// What is different at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The place as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The place for a person: `spec.template.spec.containers[ta-bot].image`.
    pub path: String,
    /// The value before; none if there was none.
    pub before: Option<Value>,
    /// The value after; none if there is none.
    pub after: Option<Value>,
}

/// An object without what the server keeps for itself: status, versions, managed fields. The uid
/// stays.
pub fn trimmed(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for kept_by_server in
                ["managedFields", "resourceVersion", "generation", "creationTimestamp", "selfLink"]
            {
                metadata.shift_remove(kept_by_server);
            }
        }
    }
    object
}

/// An object without what controllers write into it of their own accord: two states that agree in
/// the rest ask for the same.
pub fn desired(object: &Value) -> Value {
    let mut object = trimmed(object);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("uid");
        // an empty map is no map: with it, single keys can be compared
        for map in ["labels", "annotations"] {
            metadata.entry(map).or_insert_with(|| Value::Object(Map::new()));
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io/"));
        }
    }
    // the server makes the selector of a Job from its uid, which is another one in a preview
    if object["kind"] == "Job" {
        for labels in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
            if let Some(labels) = object.pointer_mut(labels).and_then(Value::as_object_mut) {
                labels.retain(|key, _| {
                    !matches!(key.as_str(), "controller-uid" | "batch.kubernetes.io/controller-uid")
                });
            }
        }
    }
    // the node controller answers a cordon with taints
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && let Some(taints) = spec.get_mut("taints").and_then(Value::as_array_mut)
    {
        taints.retain(|taint| {
            !taint["key"].as_str().unwrap_or_default().starts_with("node.kubernetes.io/")
        });
        if taints.is_empty() {
            spec.shift_remove("taints");
        }
    }
    object
}

/// What a restart writes into the pod template: the time, as kubectl does
/// (staging/src/k8s.io/kubectl/pkg/polymorphichelpers/objectrestarter.go), and which step of which
/// run it was.
pub const RESTART: [&str; 2] = ["kubectl.kubernetes.io/restartedAt", "runbook/restartedBy"];

/// Whether two states of a workload differ in nothing but that pods were, or are, restarted.
pub fn only_restarts(before: &Value, after: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) =
            object.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut)
        {
            let annotations = metadata.get_mut("annotations").and_then(Value::as_object_mut);
            let empty = annotations.is_none_or(|annotations| {
                annotations.retain(|key, _| !RESTART.contains(&key.as_str()));
                annotations.is_empty()
            });
            if empty {
                metadata.shift_remove("annotations");
            }
        }
        object
    };
    before != after && without(before) == without(after)
}

/// What differs between two values, in the order of the fields. A list whose length changes differs
/// as a whole.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(before, after, String::new(), String::new(), &mut found);
    found
}

fn compare(
    before: &Value,
    after: &Value,
    pointer: String,
    path: String,
    found: &mut Vec<Difference>,
) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                let path = joined(&path, key);
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => compare(old, new, pointer, path, found),
                    (old, new) => found.push(Difference {
                        pointer,
                        path,
                        before: old.cloned(),
                        after: new.cloned(),
                    }),
                }
            }
        }
        (Value::Array(old), Value::Array(new))
            if old.len() == new.len() && names(old) == names(new) =>
        {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                let name = old["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                compare(old, new, format!("{pointer}/{index}"), format!("{path}[{name}]"), found);
            }
        }
        _ => found.push(Difference {
            pointer,
            path,
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn names(items: &[Value]) -> Vec<Option<&str>> {
    items.iter().map(|item| item["name"].as_str()).collect()
}

/// `metadata.labels["app.kubernetes.io/name"]`
fn joined(path: &str, key: &str) -> String {
    let plain =
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), plain) {
        (true, _) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (false, false) => format!("{path}[{key:?}]"),
    }
}

/// The JSON patch from one state to the other. Each operation is preceded by a test of what it
/// replaces, so that the server refuses the whole when someone else was faster, and when the same
/// patch came through before. That there is nothing at a place is tested with null: API servers
/// take what is absent for null.
pub fn patch(differences: &[Difference]) -> Vec<Value> {
    let mut operations = Vec::new();
    for Difference { pointer, before, after, .. } in differences {
        operations.push(json!({"op": "test", "path": pointer, "value": before}));
        operations.push(match (before, after) {
            (None, Some(after)) => json!({"op": "add", "path": pointer, "value": after}),
            (Some(_), Some(after)) => json!({"op": "replace", "path": pointer, "value": after}),
            (_, None) => json!({"op": "remove", "path": pointer}),
        });
    }
    operations
}

/// The test that pins what a JSON patch finds at a place: the value there, that there is none, or
/// the whole list for a place in a list, whose places move. None for the whole object.
pub fn pin(object: &Value, pointer: &str) -> Option<Value> {
    let mut at = String::new();
    let mut value = object;
    for key in pointer.strip_prefix('/')?.split('/') {
        if value.is_array() {
            break;
        }
        at.extend(["/", key]);
        let Some(inner) = value.get(key.replace("~1", "/").replace("~0", "~")) else {
            return Some(json!({"op": "test", "path": at, "value": null}));
        };
        value = inner;
    }
    Some(json!({"op": "test", "path": at, "value": value}))
}

/// The place in an object at these keys; what is absent on the way becomes an object.
///
/// # Errors
/// When something else than an object is in the way.
pub fn place<'a>(object: &'a mut Value, keys: &[&str]) -> Result<&'a mut Value, String> {
    let mut at = object;
    for (depth, key) in keys.iter().enumerate() {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(fields) = at else {
            return Err(format!("{} is not an object", keys[..depth].join(".")));
        };
        at = fields.entry((*key).to_owned()).or_insert(Value::Null);
    }
    Ok(at)
}

/// Merges a JSON merge patch (RFC 7396).
pub fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(object) = into.as_object_mut() else { return };
    for (key, value) in fields {
        if value.is_null() {
            object.shift_remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_an_image_is_one_place_named_by_the_container() {
        let with = |image: &str| {
            json!({"spec": {"containers": [{"name": "a", "image": "x:1"},
            {"name": "b", "image": image}]}})
        };
        let found = differences(&with("y:1"), &with("y:2"));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].pointer.as_str(), found[0].path.as_str()),
            ("/spec/containers/1/image", "spec.containers[b].image")
        );
        assert_eq!(
            patch(&found),
            [
                json!({"op": "test", "path": "/spec/containers/1/image", "value": "y:1"}),
                json!({"op": "replace", "path": "/spec/containers/1/image", "value": "y:2"})
            ]
        );
        assert_eq!(
            lines(Some(&with("y:1")), Some(&with("y:2"))),
            ["spec.containers[b].image", "- y:1", "+ y:2"]
        );
    }

    #[test]
    fn a_restart_is_told_from_other_changes_of_a_template() {
        let with = |annotations: Value, image: &str| {
            json!({"spec": {"template": {"metadata": {"annotations": annotations},
                "image": image}}})
        };
        let none = json!({"spec": {"template": {"metadata": {}, "image": "a"}}});
        let restarted = with(
            json!({"kubectl.kubernetes.io/restartedAt": "1", "runbook/restartedBy": "r"}),
            "a",
        );
        for (before, after, only) in [
            (&none, &restarted, true),
            (&restarted, &with(json!({"kubectl.kubernetes.io/restartedAt": "2"}), "a"), true),
            (&restarted, &with(json!({"kubectl.kubernetes.io/restartedAt": "2"}), "b"), false),
            (&restarted, &with(json!({"other": "2"}), "a"), false),
            (&none, &none, false),
        ] {
            assert_eq!(
                (only_restarts(before, after), only_restarts(after, before)),
                (only, only),
                "{before} {after}"
            );
        }
    }

    #[test]
    fn a_patch_tests_also_that_nothing_was_there() {
        let found = differences(&json!({"a": {}}), &json!({"a": {"b/c": 1}}));
        assert_eq!(
            patch(&found),
            [
                json!({"op": "test", "path": "/a/b~1c", "value": null}),
                json!({"op": "add", "path": "/a/b~1c", "value": 1})
            ]
        );
    }

    #[test]
    fn a_place_is_pinned_by_what_is_there() {
        let object = json!({"a": {"b/c": 1}, "l": [{"x": 1}]});
        for (pointer, wanted) in [
            ("/a/b~1c", json!({"op": "test", "path": "/a/b~1c", "value": 1})),
            ("/a/d", json!({"op": "test", "path": "/a/d", "value": null})),
            ("/n/d", json!({"op": "test", "path": "/n", "value": null})),
            ("/l/-", json!({"op": "test", "path": "/l", "value": [{"x": 1}]})),
            ("/l/0/x", json!({"op": "test", "path": "/l", "value": [{"x": 1}]})),
            ("/l", json!({"op": "test", "path": "/l", "value": [{"x": 1}]})),
        ] {
            assert_eq!(pin(&object, pointer), Some(wanted), "{pointer}");
        }
        assert_eq!((pin(&object, ""), pin(&object, "a")), (None, None));
    }

    #[test]
    fn a_place_behind_something_else_than_an_object_is_an_error() {
        let mut object = json!({"spec": {"template": {"metadata": null}, "text": "x"}});
        *place(&mut object, &["spec", "template", "metadata", "annotations", "a"]).unwrap() =
            json!(1);
        assert_eq!(object["spec"]["template"]["metadata"], json!({"annotations": {"a": 1}}));
        assert_eq!(
            place(&mut object, &["spec", "text", "a"]).unwrap_err(),
            "spec.text is not an object"
        );
        assert!(place(&mut json!([]), &["a"]).is_err());
    }

    #[test]
    fn keys_are_escaped_and_lists_of_another_length_differ_as_a_whole() {
        let before = json!({"metadata": {"labels": {"a/b": "1"}}, "list": [1]});
        let after = json!({"metadata": {"labels": {"a/b": "2", "c~d": "3"}}, "list": [1, 2]});
        let found = differences(&before, &after);
        let places: Vec<_> =
            found.iter().map(|found| (found.pointer.as_str(), found.path.as_str())).collect();
        assert_eq!(
            places,
            [
                ("/metadata/labels/a~1b", "metadata.labels[\"a/b\"]"),
                ("/metadata/labels/c~0d", "metadata.labels[\"c~d\"]"),
                ("/list", "list")
            ]
        );
        assert_eq!(lines(Some(&before), Some(&after)).last().map(String::as_str), Some("+ - 2"));
    }

    #[test]
    fn bookkeeping_is_no_difference() {
        let object = |version: &str, revision: &str| {
            json!({"metadata": {"name": "d", "uid": "u", "resourceVersion": version,
                "generation": version, "managedFields": [version],
                "annotations": {"deployment.kubernetes.io/revision": revision}}, "spec": {"a": 1},
                "status": version})
        };
        assert_eq!(desired(&object("1", "1")), desired(&object("2", "2")));
        assert_eq!(lines(Some(&object("1", "1")), Some(&object("2", "2"))), Vec::<String>::new());
        assert_eq!(trimmed(&object("1", "1"))["metadata"]["uid"], "u");
    }

    #[test]
    fn a_job_is_the_same_as_its_preview() {
        let job = |uid: &str| {
            json!({"kind": "Job", "metadata": {"name": "j", "uid": uid}, "spec": {
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}},
                "template": {"metadata": {"labels": {"app": "a", "controller-uid": uid,
                "batch.kubernetes.io/controller-uid": uid, "job-name": "j"}}}}})
        };
        assert_eq!(desired(&job("1")), desired(&job("2")));
        assert_eq!(
            desired(&job("1"))["spec"]["template"]["metadata"]["labels"],
            json!({"app": "a", "job-name": "j"})
        );
    }

    #[test]
    fn long_texts_show_their_changed_lines() {
        let with = |text: &str| json!({"data": {"conf": text}});
        assert_eq!(
            lines(Some(&with("a\nb\nc")), Some(&with("a\nx\nc"))),
            ["data.conf", "- b", "+ x"]
        );
    }

    #[test]
    fn merging_follows_the_rfc() {
        for (target, patch, wanted) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": [1]}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, wanted, "{target} {patch}");
        }
    }
}
