//! The changes that a verb intends, as values computed from the current objects. Nothing here sends
//! a request.

mod observed;
mod recorded;
mod reversed;

pub use observed::{Seen, observe};
pub use recorded::recorded;
pub use reversed::reverse;

use crate::cluster::{Method, Resource, Write};
use crate::compare::{differences, patch, trimmed};
use crate::event::{ObjectReference, PlannedChange};
use crate::secret::Masker;
use recorded::masks;
use serde_json::{Map, Value, json};

/// One change of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The request.
    pub write: Write,
    /// The object as it was read; none if there is none.
    pub before: Option<Value>,
    /// What changes, in a few words: `3 → 1 replicas`.
    pub summary: String,
}

/// A rule that refuses a change. It stops the step, unless `--override` names its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// For `--override`.
    pub id: &'static str,
    /// Why the change is refused, with the name of the owner.
    pub reason: String,
    /// What to do instead.
    pub way: String,
}

/// What a verb intends to do, before approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// In the order in which they are sent; empty if the objects are as requested already.
    pub changes: Vec<Change>,
    /// The guards that refuse it.
    pub guards: Vec<Guard>,
    /// Further fields of the step's output.
    pub output: Map<String, Value>,
}

impl Intent {
    /// One change, or none if the object is as requested already.
    pub fn of(change: Option<Change>, guards: Vec<Guard>) -> Self {
        Self {
            guards: if change.is_some() { guards } else { Vec::new() },
            changes: change.into_iter().collect(),
            output: Map::new(),
        }
    }
}

impl Change {
    /// The change from an object as it was read to what it should be, as a JSON patch that tests
    /// what it replaces. None if nothing differs.
    pub fn between(
        resource: &Resource,
        before: &Value,
        wanted: &Value,
        summary: impl Into<String>,
    ) -> Option<Self> {
        let found = differences(&trimmed(before), &trimmed(wanted));
        if found.is_empty() {
            return None;
        }
        let mut operations = Vec::new();
        if let Some(uid) = before["metadata"]["uid"].as_str() {
            operations.push(json!({"op": "test", "path": "/metadata/uid", "value": uid}));
        }
        operations.extend(patch(&found));
        Some(Self {
            write: write(Method::JsonPatch, resource, before, Value::Array(operations)),
            before: Some(before.clone()),
            summary: summary.into(),
        })
    }

    /// Sends a body as it is written: a patch, or a manifest to be applied to what is there, if
    /// anything is.
    pub fn written(
        method: Method,
        resource: &Resource,
        (namespace, name): (&str, &str),
        body: Value,
        before: Option<Value>,
        summary: impl Into<String>,
    ) -> Self {
        let namespace = if resource.namespaced { namespace.to_owned() } else { String::new() };
        Self {
            write: Write {
                method,
                resource: resource.clone(),
                namespace,
                name: name.to_owned(),
                body,
            },
            before,
            summary: summary.into(),
        }
    }

    /// Creates an object that does not exist.
    pub fn create(resource: &Resource, object: Value, summary: impl Into<String>) -> Self {
        Self {
            write: write(Method::Create, resource, &object, object.clone()),
            before: None,
            summary: summary.into(),
        }
    }

    /// Deletes just this object: one of the same name that came later stays.
    pub fn delete(resource: &Resource, before: &Value, options: Value) -> Self {
        Self {
            write: write(Method::Delete, resource, before, deletion(before, options)),
            before: Some(before.clone()),
            summary: "deletion".to_owned(),
        }
    }

    /// Evicts just this pod, respecting disruption budgets.
    pub fn evict(resource: &Resource, pod: &Value, options: Value) -> Self {
        Self {
            write: write(Method::Evict, resource, pod, deletion(pod, options)),
            before: Some(pod.clone()),
            summary: "eviction".to_owned(),
        }
    }

    /// The object.
    pub fn object(&self) -> ObjectReference {
        let Write { resource, namespace, name, .. } = &self.write;
        ObjectReference {
            api_version: resource.api_version(),
            kind: resource.kind.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
        }
    }

    /// Registers what is secret in the request and in the object before it: from then on it can be
    /// spoken of.
    pub fn learn(&self, masker: &Masker) {
        if let Some(before) = &self.before {
            masker.learn_object(before);
        }
        let Write { resource, name, body, .. } = &self.write;
        if resource.kind != "Secret" {
            return;
        }
        masker.learn_object(&json!({"kind": "Secret", "metadata": {"name": name},
            "data": body["data"], "stringData": body["stringData"]}));
        for operation in body.as_array().into_iter().flatten() {
            let path = operation["path"].as_str().unwrap_or_default();
            let (field, key) = path
                .trim_start_matches('/')
                .split_once('/')
                .unwrap_or((path.trim_start_matches('/'), ""));
            let values = if key.is_empty() {
                operation["value"].clone()
            } else {
                json!({key: operation["value"]})
            };
            masker.learn_object(
                &json!({"kind": "Secret", "metadata": {"name": name}, field: values}),
            );
        }
    }

    /// The change as it is recorded. `after` is the object as the server previews it.
    pub fn planned(&self, after: Option<&Value>, masker: &Masker) -> PlannedChange {
        let hide =
            |object: Option<&Value>| object.map_or(Value::Null, |object| recorded(object, masker));
        let request = serde_json::to_value(&self.write).unwrap_or_default();
        let secret =
            self.write.resource.kind == "Secret" && !matches!(self.write.method, Method::Delete);
        let masked = secret
            || masks(masker, &request)
            || self.before.as_ref().is_some_and(|before| masks(masker, &trimmed(before)));
        let mut request = request;
        if secret {
            request["body"] = Value::Null;
        }
        let verb = match self.write.method {
            Method::Evict => "evict",
            method => method.verb(),
        };
        PlannedChange {
            object: self.object(),
            verb: verb.to_owned(),
            summary: self.summary.clone(),
            before: hide(self.before.as_ref()),
            after: hide(after),
            request,
            masked,
        }
    }
}

fn write(method: Method, resource: &Resource, object: &Value, body: Value) -> Write {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let namespace = if resource.namespaced { text("namespace") } else { String::new() };
    Write { method, resource: resource.clone(), namespace, name: text("name"), body }
}

fn deletion(before: &Value, options: Value) -> Value {
    let mut body = json!({"apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": {"uid": before["metadata"]["uid"]}});
    if let (Some(body), Value::Object(options)) = (body.as_object_mut(), options) {
        body.extend(options);
    }
    body
}
