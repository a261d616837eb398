//! What a verb wants to change: values, computed from what is there. Nothing here sends anything.

use crate::cluster::{Method, Resource, Write};
use crate::compare::{Difference, desired, differences, only_restarts, patch, trimmed};
use crate::encoding::hex;
use crate::event::{ObjectReference, PlannedChange};
use crate::secret::Masker;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

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

/// Something that speaks against a change. It stops the step, unless it is overridden by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// For `--override`.
    pub id: &'static str,
    /// What speaks against it, with the name of the owner.
    pub reason: String,
    /// What to do instead.
    pub way: String,
}

/// What a verb wants to do, before consent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// In the order of sending; empty if everything is as wanted already.
    pub changes: Vec<Change>,
    /// What speaks against it.
    pub guards: Vec<Guard>,
    /// Further fields of the step's output.
    pub output: Map<String, Value>,
}

impl Intent {
    /// One change, or none if the object is as wanted already.
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

    /// Makes an object that is not there.
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

/// An object as it may be recorded: trimmed, and the values of a Secret as fingerprints that tell
/// equal from different.
pub fn recorded(object: &Value, masker: &Masker) -> Value {
    hidden(object, masker, &|text| masker.fingerprint(text).unwrap_or_else(|| hashed(text)))
}

/// An object as it would be recorded beside this change: earlier versions hashed the values of
/// Secrets without a key.
fn recorded_like(planned: &PlannedChange, object: &Value, masker: &Masker) -> Value {
    let values = [&planned.before, &planned.after]
        .into_iter()
        .flat_map(|object| [&object["data"], &object["stringData"]]);
    let plain = values
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .any(|value| value.as_str().is_some_and(|text| text.starts_with(PLAIN)));
    if plain { hidden(object, masker, &hashed) } else { recorded(object, masker) }
}

fn hidden(object: &Value, masker: &Masker, hide: &dyn Fn(&str) -> String) -> Value {
    masker.learn_object(object);
    let mut object = trimmed(object);
    if object["kind"] == "Secret" {
        for field in ["data", "stringData"] {
            for value in object
                .get_mut(field)
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                if let Some(text) = value.as_str() {
                    *value = Value::from(hide(text));
                }
            }
        }
        // it repeats the values
        if let Some(annotations) =
            object["metadata"].get_mut("annotations").and_then(Value::as_object_mut)
        {
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

/// What hashes without a key begin with.
const PLAIN: &str = "sha256:";

fn hashed(text: &str) -> String {
    let hex: String = hex(&Sha256::digest(text)[..6]);
    format!("{PLAIN}{hex}")
}

/// Whether masking would change the value: what is recorded then cannot be sent again.
fn masks(masker: &Masker, value: &Value) -> bool {
    let text = value.to_string();
    masker.mask(&text) != text
}

/// What a look at the object says of a request whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was made.
    Done,
    /// It was not made.
    NotDone,
    /// Neither the state before nor the state wanted.
    CannotTell(String),
}

/// Compares the object as it is now with what was recorded before the request.
pub fn observe(planned: &PlannedChange, current: Option<&Value>, masker: &Masker) -> Seen {
    let current = current.map(|object| recorded_like(planned, object, masker));
    let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    match (planned.verb.as_str(), &current) {
        ("delete" | "evict", None) => Seen::Done,
        ("delete" | "evict", Some(now)) if uid(now) != uid(&planned.before) => Seen::Done,
        ("delete" | "evict", Some(now)) if !now["metadata"]["deletionTimestamp"].is_null() => {
            Seen::Done
        }
        ("delete" | "evict", Some(_)) => Seen::NotDone,
        (_, None) if planned.before.is_null() => Seen::NotDone,
        (_, None) => Seen::CannotTell(format!("{} no longer exists", planned.object.short())),
        (_, Some(now)) if !planned.before.is_null() && uid(now) != uid(&planned.before) => {
            Seen::CannotTell(format!(
                "{} was replaced by another object of the same name",
                planned.object.short()
            ))
        }
        (_, Some(_)) if planned.after.is_null() => Seen::CannotTell(
            "the change was not previewed, so there is nothing to compare with".to_owned(),
        ),
        (_, Some(now)) => {
            let now = desired(now);
            let wanted: Vec<Difference> =
                differences(&desired(&planned.before), &desired(&planned.after));
            let at = |difference: &Difference| now.pointer(&difference.pointer).cloned();
            if planned.masked && planned.object.kind != "Secret" && wanted.is_empty() {
                return Seen::CannotTell(format!(
                    "the changed value of {} is secret and not recorded",
                    planned.object.short()
                ));
            }
            if planned.before.is_null() {
                // what exists under the name and holds all that was to be made is what was made
                return if contains(&now, &desired(&planned.after)) {
                    Seen::Done
                } else {
                    Seen::CannotTell(format!(
                        "{} exists, but differs from the requested object",
                        planned.object.short()
                    ))
                };
            }
            if wanted.is_empty() {
                return Seen::CannotTell(format!(
                    "the changed value of {} is secret and looks the same before and after",
                    planned.object.short()
                ));
            }
            if wanted.iter().all(|difference| at(difference) == difference.after) {
                return Seen::Done;
            }
            if wanted.iter().all(|difference| at(difference) == difference.before) {
                return Seen::NotDone;
            }
            let other = wanted
                .iter()
                .find(|difference| at(difference) != difference.after)
                .map(|difference| difference.path.clone())
                .unwrap_or_default();
            Seen::CannotTell(format!(
                "{other} of {} has neither the previous nor the requested value",
                planned.object.short()
            ))
        }
    }
}

/// Whether `whole` has everything that `part` has. Lists agree as a whole.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|whole| contains(whole, value))),
        _ => whole == part,
    }
}

/// The change that takes another one back.
///
/// # Errors
/// Why it cannot be taken back: someone else has changed the object since, or what was there is not
/// recorded.
pub fn reverse(
    planned: &PlannedChange,
    after: &Value,
    current: Option<&Value>,
    resource: &Resource,
    masker: &Masker,
) -> Result<Option<Change>, String> {
    let object = planned.object.short();
    if planned.verb == "evict" {
        return Ok(None);
    }
    let Some(current) = current else {
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
        return Ok(Some(Change::create(resource, again, "recreated")));
    };
    // what is recorded is masked, so that only masked can be compared with it
    let (now, then) =
        (desired(&masker.clean_value(&recorded_like(planned, current, masker))), desired(after));
    let was = desired(&planned.before);
    let back = differences(&then, &was);
    let is_hidden = |difference: &Difference| {
        difference.after.as_ref().is_some_and(|value| value.to_string().contains("[secret "))
    };
    let is_lost = planned.masked
        && (planned.object.kind == "Secret" || back.is_empty() || back.iter().any(is_hidden));
    // where only something masked differs, equal says nothing
    if !planned.before.is_null() && now == was && !(planned.masked && back.is_empty()) {
        return Ok(None);
    }
    if planned.verb == "delete" {
        return Err(format!("{object} exists again: someone else has created it since"));
    }
    let uid = |object: &Value| object["metadata"]["uid"].clone();
    if uid(current) != uid(after) {
        return Err(format!("{object} was replaced by another object of the same name since"));
    }
    if now != then {
        let places: Vec<_> = differences(&then, &now)
            .into_iter()
            .map(|difference| difference.path)
            .take(3)
            .collect();
        return Err(format!("someone else has changed {object} since: {}", places.join(", ")));
    }
    if planned.before.is_null() {
        return Ok(Some(Change::delete(
            resource,
            current,
            json!({"propagationPolicy": "Background"}),
        )));
    }
    if is_lost {
        return Err(format!(
            "the previous value of {object} was secret and is not recorded: restore it by hand"
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
    fn what_an_earlier_version_recorded_of_a_secret_is_compared_as_it_did() {
        let secret = |value: &str| {
            json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "uid": "u"}, "data": {"pin": value}})
        };
        let keyed = Masker::default().with_fingerprint(|value| format!("keyed:{}", value.len()));
        for recording in [&keyed, &Masker::default()] {
            let planned = PlannedChange {
                object: ObjectReference::default(),
                verb: "patch".into(),
                summary: String::new(),
                before: recorded(&secret("MQ=="), recording),
                after: recorded(&secret("MTIzNDU2"), recording),
                request: Value::Null,
                masked: true,
            };
            assert_eq!(observe(&planned, Some(&secret("MQ==")), &keyed), Seen::NotDone);
            assert_eq!(observe(&planned, Some(&secret("MTIzNDU2")), &keyed), Seen::Done);
        }
        assert_eq!(recorded(&secret("MQ=="), &keyed)["data"]["pin"], "keyed:4");
    }
}
