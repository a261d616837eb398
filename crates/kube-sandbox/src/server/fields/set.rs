//! Sets of fields, in memory and in the form `FieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::server::schema::{self, List};

/// One step into an object, as `FieldsV1` writes it: `f:spec`, `k:{"name":"a"}`, `v:"x"`.
pub(crate) type Element = String;

/// A set of fields, as a tree. A node is in the set if it is owned; its children are beneath it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) owned: bool,
    pub(crate) children: BTreeMap<Element, Fields>,
}

impl Fields {
    pub(crate) fn is_empty(&self) -> bool {
        !self.owned && self.children.is_empty()
    }

    /// Reads `FieldsV1`.
    pub(crate) fn read(value: &Value) -> Self {
        let mut fields = Self::default();
        for (key, child) in value.as_object().into_iter().flatten() {
            if key == "." {
                fields.owned = true;
            } else {
                let mut child = Self::read(child);
                child.owned |= child.children.is_empty();
                fields.children.insert(key.clone(), child);
            }
        }
        fields
    }

    /// Writes `FieldsV1`.
    pub(crate) fn write(&self) -> Value {
        let mut object = Map::new();
        if self.owned && !self.children.is_empty() {
            object.insert(".".to_owned(), json!({}));
        }
        for (element, child) in &self.children {
            object.insert(element.clone(), child.write());
        }
        Value::Object(object)
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.owned |= other.owned;
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().union(child);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.owned &= !other.owned;
        for (element, child) in &other.children {
            if let Some(own) = self.children.get_mut(element) {
                own.subtract(child);
                if own.is_empty() {
                    self.children.remove(element);
                }
            }
        }
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { owned: self.owned && other.owned, children: BTreeMap::new() };
        for (element, child) in &self.children {
            let child = other
                .children
                .get(element)
                .map(|other| child.intersection(other))
                .unwrap_or_default();
            if !child.is_empty() {
                both.children.insert(element.clone(), child);
            }
        }
        both
    }

    /// The fields in the set, as messages write them: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, path: &str, paths: &mut Vec<String>) {
        if self.owned {
            paths.push(path.to_owned());
        }
        for (element, child) in &self.children {
            child.collect(&format!("{path}{}", step(element)), paths);
        }
    }

    /// The fields that an object sets, without those that belong to the server.
    pub(crate) fn of(kind: &str, object: &Value) -> Self {
        let mut fields = Self::default();
        collect(kind, &mut Vec::new(), object, &mut fields);
        fields.without_system();
        fields
    }

    /// Takes out what nobody can own.
    pub(crate) fn without_system(&mut self) {
        self.owned = false;
        for element in ["f:apiVersion", "f:kind"] {
            self.children.remove(element);
        }
        let Some(metadata) = self.children.get_mut("f:metadata") else {
            return;
        };
        metadata.owned = false;
        for field in [
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "generation",
            "managedFields",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ] {
            metadata.children.remove(&format!("f:{field}"));
        }
        if metadata.is_empty() {
            self.children.remove("f:metadata");
        }
    }
}

/// One step of a path in a message.
fn step(element: &str) -> String {
    let (kind, rest) = element.split_at_checked(2).unwrap_or((element, ""));
    match kind {
        "f:" => format!(".{rest}"),
        "v:" => format!("[={rest}]"),
        _ => {
            let keys: Map<String, Value> = serde_json::from_str(rest).unwrap_or_default();
            let keys: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
    }
}

pub(crate) fn field(name: &str) -> Element {
    format!("f:{name}")
}

/// The step to an element of a list, by what identifies it there; none in a list that is changed as
/// a whole.
pub(crate) fn item(list: List, item: &Value) -> Option<Element> {
    match list {
        List::Atomic => None,
        List::Set => Some(format!("v:{item}")),
        List::Map(keys) => {
            let mut sorted = keys.to_vec();
            sorted.sort_unstable();
            let mut id = Map::new();
            for key in sorted {
                let value = item
                    .get(key)
                    .cloned()
                    .or_else(|| schema::key_default(key).map(|default| json!(default)));
                id.insert(key.to_owned(), value.unwrap_or(Value::Null));
            }
            Some(format!("k:{}", Value::Object(id)))
        }
    }
}

fn collect<'a>(kind: &str, path: &mut Vec<&'a str>, value: &'a Value, fields: &mut Fields) {
    match value {
        Value::Object(object) if !object.is_empty() && !schema::atomic_map(path) => {
            for (key, child) in object {
                path.push(key);
                collect(kind, path, child, fields.children.entry(field(key)).or_default());
                path.pop();
            }
        }
        Value::Array(items) if !items.is_empty() && schema::list(kind, path) != List::Atomic => {
            for one in items {
                let Some(element) = item(schema::list(kind, path), one) else {
                    continue;
                };
                let child = fields.children.entry(element).or_default();
                child.owned = true;
                if one.is_object() {
                    collect(kind, path, one, child);
                }
            }
        }
        _ => fields.owned = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_object_are_written_as_the_server_does() {
        let container = json!({"name": "a", "image": "i", "ports": [{"containerPort": 80}],
            "args": ["x"], "resources": {}});
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "x"},
            "finalizers": ["f"], "uid": "u"},
            "spec": {"containers": [container], "nodeSelector": {"a": "b"}},
        });
        let expected = json!({
            "f:metadata": {"f:finalizers": {"v:\"f\"": {}}, "f:labels": {"f:app": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"a\"}": {
                    ".": {}, "f:args": {}, "f:image": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {},
                    "f:containerPort": {}}}, "f:resources": {},
                }},
                "f:nodeSelector": {},
            },
        });
        let fields = Fields::of("Pod", &object);
        assert_eq!(fields.write(), expected);
        assert_eq!(Fields::read(&expected), fields);
        assert_eq!(fields.paths()[0], ".metadata.finalizers[=\"f\"]");
        assert!(fields.paths().contains(&".spec.containers[name=\"a\"].ports[containerPort=80,protocol=\"TCP\"].containerPort".to_owned()));
    }

    #[test]
    fn sets_are_joined_cut_and_subtracted() {
        let set = |value: Value| Fields::read(&value);
        let (one, other) = (
            set(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}})),
            set(json!({"f:a": {"f:b": {}}, "f:d": {}})),
        );
        assert_eq!(one.intersection(&other), set(json!({"f:a": {"f:b": {}}})));
        let mut left = one.clone();
        left.subtract(&other);
        assert_eq!(left, set(json!({"f:a": {}, "f:c": {}})));
        let mut all = one.clone();
        all.union(&other);
        assert_eq!(all.write(), json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}, "f:d": {}}));
    }
}
