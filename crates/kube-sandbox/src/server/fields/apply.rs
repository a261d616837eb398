//! Server-side apply: one manager says which fields it wants, and has those alone.

use std::fmt;

use serde_json::{Map, Value, json};

use super::compare::compare;
use super::managers::{self, Author, Manager};
use super::set::{Fields, field, item};
use crate::server::schema::{self, List};

/// What comes of an apply.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) object: Value,
    /// The new `metadata.managedFields`.
    pub(crate) managers: Value,
}

/// The fields that others own, and who they are.
#[derive(Debug)]
pub(crate) struct Conflicts(Vec<(String, String)>);

impl fmt::Display for Conflicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(manager, path)] = self.0.as_slice() {
            return write!(
                formatter,
                "Apply failed with 1 conflict: conflict with {manager}: {path}"
            );
        }
        write!(formatter, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last = None;
        for (manager, path) in &self.0 {
            if last != Some(manager) {
                write!(
                    formatter,
                    "{}conflicts with {manager}:",
                    if last.is_some() { "\n" } else { "" }
                )?;
            }
            last = Some(manager);
            write!(formatter, "\n- {path}")?;
        }
        Ok(())
    }
}

impl Conflicts {
    /// The causes of the status.
    pub(crate) fn causes(&self) -> Vec<Value> {
        let cause = |(manager, path): &(String, String)| {
            json!({"reason": "FieldManagerConflict",
            "message": format!("conflict with {manager}"), "field": path})
        };
        self.0.iter().map(cause).collect()
    }
}

/// How messages name a manager.
fn named(manager: &Manager) -> String {
    let mut text = json!(manager.name).to_string();
    if !manager.subresource.is_empty() {
        text = format!("{text} with subresource {}", json!(manager.subresource));
    }
    if manager.operation == "Update" {
        format!("{text} using {}", manager.api_version)
    } else {
        text
    }
}

/// Applies what a manager wants to an object, or makes the object.
pub(crate) fn apply(
    kind: &str,
    before: Option<&Value>,
    config: &Value,
    author: &Author,
    force: bool,
) -> Result<Applied, Conflicts> {
    let wanted = Fields::of(kind, config);
    let Some(before) = before else {
        return Ok(Applied {
            object: config.clone(),
            managers: managers::write(vec![Manager::new(author, wanted)]),
        });
    };
    let mut all = managers::read(before);
    if all.is_empty() {
        // whoever made the object, nothing is known of it
        let unknown = Author {
            manager: "before-first-apply".to_owned(),
            operation: "Update",
            ..author.clone()
        };
        all.push(Manager::new(&unknown, Fields::of(kind, before)));
    }
    let former = all.iter().position(|manager| manager.is(author)).map(|index| all.remove(index));
    let mut object = before.clone();
    merge(kind, &mut Vec::new(), &mut object, config);
    if let Some(former) = &former {
        let mut kept = wanted.clone();
        all.iter().for_each(|manager| kept.union(&manager.fields));
        prune(&mut object, &former.fields, &kept, true);
    }
    let difference = compare(kind, before, &object);
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for manager in &all {
        let contested = manager.fields.intersection(&difference.changed);
        conflicts.extend(contested.paths().into_iter().map(|path| (named(manager), path)));
    }
    if !conflicts.is_empty() && !force {
        conflicts.sort();
        return Err(Conflicts(conflicts));
    }
    managers::take(&mut all, None, &difference.changed);
    managers::take(&mut all, None, &difference.removed);
    let time = former
        .filter(|former| former.fields == wanted)
        .map_or_else(|| author.time.clone(), |former| former.time);
    all.push(Manager { time, ..Manager::new(author, wanted) });
    Ok(Applied { object, managers: managers::write(all) })
}

/// Puts what is wanted into an object; what is not mentioned stays.
fn merge<'a>(kind: &str, path: &mut Vec<&'a str>, target: &mut Value, config: &'a Value) {
    match config {
        Value::Object(wanted) if !schema::atomic_map(path) => {
            if !target.is_object() {
                *target = Value::Object(Map::new());
            }
            let Value::Object(fields) = target else {
                return;
            };
            for (key, value) in wanted {
                path.push(key);
                merge(kind, path, fields.entry(key.clone()).or_insert(Value::Null), value);
                path.pop();
            }
        }
        Value::Array(wanted) if schema::list(kind, path) != List::Atomic => {
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            let Value::Array(items) = target else {
                return;
            };
            let list = schema::list(kind, path);
            for value in wanted {
                let element = item(list, value);
                match items.iter_mut().find(|own| item(list, own) == element) {
                    Some(own) => merge(kind, path, own, value),
                    None => items.push(value.clone()),
                }
            }
        }
        _ => *target = config.clone(),
    }
}

/// Removes what a manager owned and nobody owns any more.
fn prune(value: &mut Value, former: &Fields, kept: &Fields, top: bool) {
    for (element, child) in &former.children {
        let none = Fields::default();
        // what every object has stays, whoever owned the last thing within
        let stays = top && matches!(element.as_str(), "f:metadata" | "f:spec" | "f:status");
        match kept.children.get(element) {
            Some(kept) => with(value, element, |inner| prune(inner, child, kept, false)),
            None if stays => with(value, element, |inner| prune(inner, child, &none, false)),
            None => remove(value, element),
        }
    }
}

/// Says whether an element of a list is the one that is written like this.
fn is_at(element: &str, one: &Value) -> bool {
    match element.split_at_checked(2) {
        Some(("v:", text)) => serde_json::from_str::<Value>(text).is_ok_and(|value| value == *one),
        Some(("k:", text)) => {
            let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let same = |(key, value): (&String, &Value)| match one.get(key) {
                Some(own) => own == value,
                None => schema::key_default(key).is_some_and(|default| value == default),
            };
            !keys.is_empty() && keys.iter().all(same)
        }
        _ => false,
    }
}

fn with(value: &mut Value, element: &str, act: impl FnOnce(&mut Value)) {
    let inner = match value {
        Value::Object(fields) => {
            fields.iter_mut().find(|(key, _)| field(key) == element).map(|(_, value)| value)
        }
        Value::Array(items) => items.iter_mut().find(|one| is_at(element, one)),
        _ => None,
    };
    if let Some(inner) = inner {
        act(inner);
    }
}

fn remove(value: &mut Value, element: &str) {
    match value {
        Value::Object(fields) => fields.retain(|key, _| field(key) != element),
        Value::Array(items) => items.retain(|one| !is_at(element, one)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(manager: &str, operation: &'static str) -> Author {
        Author {
            manager: manager.to_owned(),
            operation,
            api_version: "apps/v1".to_owned(),
            subresource: String::new(),
            time: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    fn deployment(spec: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": spec})
    }

    fn put(applied: Applied) -> Value {
        let Applied { mut object, managers } = applied;
        managers::set(&mut object, managers);
        object
    }

    fn applied(
        before: Option<&Value>,
        spec: Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, String> {
        apply("Deployment", before, &deployment(spec), &author(manager, "Apply"), force)
            .map(put)
            .map_err(|conflicts| conflicts.to_string())
    }

    #[test]
    fn fields_of_others_are_conflicts() {
        let mut live = deployment(json!({"replicas": 1, "paused": false, "minReadySeconds": 1}));
        managers::created(&mut live, &author("kubectl", "Update"));
        for (spec, expected) in [
            (json!({"replicas": 1}), Ok(())),
            (
                json!({"replicas": 2}),
                Err("Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: \
                        .spec.replicas"),
            ),
            (
                json!({"replicas": 2, "paused": true}),
                Err("Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- \
                        .spec.paused\n- .spec.replicas"),
            ),
            (json!({"progressDeadlineSeconds": 1}), Ok(())),
        ] {
            assert_eq!(
                applied(Some(&live), spec.clone(), "me", false).map(drop),
                expected.map_err(str::to_owned),
                "{spec}"
            );
        }
        let forced = applied(Some(&live), json!({"replicas": 2}), "me", true).unwrap();
        let owners: Vec<(String, Vec<String>)> = managers::read(&forced)
            .iter()
            .map(|one| (one.name.clone(), one.fields.paths()))
            .collect();
        assert_eq!(owners[0], ("me".to_owned(), vec![".spec.replicas".to_owned()]));
        assert!(!owners[1].1.contains(&".spec.replicas".to_owned()), "{owners:?}");
        let error = applied(Some(&forced), json!({"replicas": 3}), "other", false).unwrap_err();
        assert_eq!(error, "Apply failed with 1 conflict: conflict with \"me\": .spec.replicas");
    }

    #[test]
    fn what_is_no_longer_applied_goes() {
        let container = |name: &str, image: &str| json!({"name": name, "image": image});
        let with = |containers: Value, labels: Value| {
            json!({"template": {"metadata": {"labels": labels},
                "spec": {"containers": containers}}})
        };
        let live = applied(
            None,
            with(json!([container("a", "1"), container("b", "1")]), json!({"x": "1", "y": "1"})),
            "me",
            false,
        )
        .unwrap();
        let shared = applied(
            Some(&live),
            with(json!([container("a", "1")]), json!({"y": "1"})),
            "other",
            false,
        )
        .unwrap();
        let after =
            applied(Some(&shared), with(json!([container("c", "1")]), json!({})), "me", false)
                .unwrap();
        let template = &after["spec"]["template"];
        assert_eq!(template["metadata"]["labels"], json!({"y": "1"}), "the other still wants it");
        assert_eq!(
            template["spec"]["containers"],
            json!([container("a", "1"), container("c", "1")])
        );
        let gone = apply(
            "Deployment",
            Some(&after),
            &json!({"metadata": {"name": "d"}}),
            &author("me", "Apply"),
            false,
        )
        .map(put)
        .unwrap();
        assert_eq!(gone["spec"]["template"]["spec"]["containers"], json!([container("a", "1")]));
        assert_eq!(gone["metadata"]["name"], "d");
    }

    #[test]
    fn objects_without_owners_belong_to_those_before() {
        let live = deployment(json!({"replicas": 1}));
        let error = applied(Some(&live), json!({"replicas": 2}), "me", false).unwrap_err();
        assert_eq!(
            error,
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: \
                .spec.replicas"
        );
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let live = applied(
            None,
            json!({"replicas": 1,
                "template": {"spec": {"containers": [{"name": "a",
                "ports": [{"containerPort": 1}]}]}}}),
            "me",
            false,
        )
        .unwrap();
        let again = applied(
            Some(&live),
            json!({"replicas": 1,
                "template": {"spec": {"containers": [{"name": "a",
                "ports": [{"containerPort": 1}]}]}}}),
            "me",
            false,
        )
        .unwrap();
        assert_eq!(live, again);
    }
}
