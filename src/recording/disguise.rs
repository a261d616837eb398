//! Replaces secret values, in Secrets and wherever else they stand.
//!
//! What is known to be secret (the values of Secrets, and settings that look like credentials) is
//! replaced by the same other value everywhere, so that an application that had the right password
//! has the right one in the recording. What merely looks like a credential in free text is masked.

use super::shape::alike;
use super::{items, kind, name, namespace, program, text};
use crate::secret::Masker;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Shorter values are parts of ordinary words: they are replaced in their own place alone.
const SHORTEST: usize = 4;
/// Words that Secrets hold beside the secret ones.
const ORDINARY: [&str; 20] = [
    "true",
    "false",
    "null",
    "none",
    "yes",
    "no",
    "on",
    "off",
    "enabled",
    "disabled",
    "default",
    "localhost",
    "production",
    "mysql",
    "postgres",
    "admin",
    "root",
    "user",
    "guest",
    "Opaque",
];

/// What stands for each secret value.
#[derive(Debug, Default)]
pub(super) struct Disguise {
    /// The replacement of each value, by value; the longest are sought first.
    known: BTreeMap<String, String>,
    order: Vec<String>,
    masker: Masker,
    /// How many values of Secrets are also names of objects, which stay.
    pub(super) public: usize,
    /// How many values were replaced.
    pub(super) replaced: usize,
}

impl Disguise {
    /// Learns what is secret among these objects.
    pub(super) fn of(objects: &[Value]) -> Self {
        let mut disguise = Self::default();
        let names = names(objects);
        for (label, value) in secrets(objects).chain(settings(objects)) {
            disguise.learn(&value, &label, &names);
        }
        disguise.order = disguise.known.keys().cloned().collect();
        disguise.order.sort_by_key(|value| std::cmp::Reverse(value.len()));
        disguise
    }

    fn learn(&mut self, value: &str, label: &str, names: &str) {
        let other = alike(value, label);
        self.replaced += usize::from(other != value);
        let parts =
            std::iter::once((value.to_owned(), other.clone())).chain(password(value, &other));
        let trimmed = (value.trim().to_owned(), other.trim().to_owned());
        for (part, other) in parts.chain([trimmed]) {
            if part == other || self.known.contains_key(&part) || !is_sought(&part) {
                continue;
            }
            if names.contains(&part) {
                self.public += 1;
                continue;
            }
            self.masker.learn(&part, label);
            self.known.insert(part, other);
        }
    }

    /// Free text without secrets.
    pub(super) fn text(&self, text: &str) -> String {
        self.masker.clean(&self.swapped(text))
    }

    /// A text in which known values are replaced.
    fn swapped(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.order {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), &self.known[value]);
            }
        }
        text
    }

    /// An object without secrets.
    pub(super) fn object(&self, object: &mut Value) {
        match kind(object) {
            "Secret" => self.secret(object),
            "ConfigMap" => self.settings(object),
            _ => {
                for pointer in ENVIRONMENTS {
                    for container in containers_mut(object, pointer) {
                        self.environment(container);
                    }
                }
                self.rest(object);
            }
        }
    }

    fn secret(&self, secret: &mut Value) {
        let place = format!("{}/{}", namespace(secret), name(secret));
        for (key, value) in secret["data"].as_object_mut().into_iter().flatten() {
            let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
            let text =
                String::from_utf8(bytes).unwrap_or_else(|error| "x".repeat(error.as_bytes().len()));
            let other = self.known.get(&text).cloned();
            let other = other.unwrap_or_else(|| replacement(&text, &format!("{place}/{key}")));
            *value = STANDARD.encode(other).into();
        }
        if let Some(metadata) = secret.get_mut("metadata") {
            self.rest(metadata);
        }
    }

    fn settings(&self, map: &mut Value) {
        let place = format!("{}/{}", namespace(map), name(map));
        for (key, value) in map["data"].as_object_mut().into_iter().flatten() {
            let Some(text) = value.as_str() else { continue };
            *value = self.setting(key, text, &place).into();
        }
    }

    /// The value of a setting under its name.
    fn setting(&self, key: &str, value: &str, place: &str) -> String {
        if let Some(other) = self.known.get(value) {
            return other.clone();
        }
        if is_credential(key, value) {
            return replacement(value, &format!("{place}/{key}"));
        }
        if value.contains('\n') { self.text(value) } else { self.swapped(value) }
    }

    fn environment(&self, container: &mut Value) {
        for list in ["command", "args"] {
            for word in container[list].as_array_mut().into_iter().flatten() {
                if let Value::String(text) = word {
                    *text = self.text(text);
                }
            }
        }
        for variable in container["env"].as_array_mut().into_iter().flatten() {
            let key = variable["name"].as_str().unwrap_or_default().to_owned();
            if let Some(value) = variable["value"].as_str() {
                variable["value"] = self.setting(&key, value, "env").into();
            }
        }
    }

    /// Every other text.
    fn rest(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.swapped(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rest(item)),
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        // of an event, a condition or a container that ended: written by anybody
                        Value::String(text) if key == "message" => *text = self.text(text),
                        value => self.rest(value),
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Where containers are in the objects that have some.
const ENVIRONMENTS: [&str; 6] = [
    "/spec/containers",
    "/spec/initContainers",
    "/spec/template/spec/containers",
    "/spec/template/spec/initContainers",
    "/spec/jobTemplate/spec/template/spec/containers",
    "/spec/jobTemplate/spec/template/spec/initContainers",
];

fn containers_mut<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// What stands for a value in its own place.
fn replacement(value: &str, label: &str) -> String {
    if is_ordinary(value) { value.to_owned() } else { alike(value, label) }
}

fn is_ordinary(value: &str) -> bool {
    let number = value.len() <= 5 && value.chars().all(|own| own.is_ascii_digit());
    number || ORDINARY.contains(&value)
}

/// Whether a value is looked for in other texts.
fn is_sought(value: &str) -> bool {
    value.len() >= SHORTEST && !is_ordinary(value)
}

/// The password of a URI, and what stands for it.
fn password(value: &str, other: &str) -> Option<(String, String)> {
    let of = |uri: &str| {
        let (_, rest) = uri.split_once("://")?;
        let (credentials, _) = rest.rsplit_once('@')?;
        Some(credentials.split_once(':').map_or(credentials, |(_, password)| password).to_owned())
    };
    Some((of(value)?, of(other)?))
}

/// The values of Secrets, by their place.
fn secrets(objects: &[Value]) -> impl Iterator<Item = (String, String)> {
    let secrets = objects.iter().filter(|object| kind(object) == "Secret");
    secrets.flat_map(|secret| {
        let place = format!("{}/{}", namespace(secret), name(secret));
        let data = secret["data"].as_object().into_iter().flatten();
        let values = data.filter_map(move |(key, value)| {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            (!is_ordinary(&text)).then(|| (format!("{place}/{key}"), text))
        });
        values.collect::<Vec<_>>()
    })
}

/// Settings that look like credentials, by their names.
fn settings(objects: &[Value]) -> impl Iterator<Item = (String, String)> {
    let mut found = Vec::new();
    for object in objects {
        let mut take = |place: &str, key: &str, value: &str| {
            if is_credential(key, value) && !is_ordinary(value) {
                found.push((format!("{place}/{key}"), value.to_owned()));
            }
        };
        if kind(object) == "ConfigMap" {
            let place = format!("{}/{}", namespace(object), name(object));
            for (key, value) in object["data"].as_object().into_iter().flatten() {
                take(&place, key, value.as_str().unwrap_or_default());
            }
        }
        for container in program::containers(object) {
            for variable in items(container, "/env") {
                take("env", text(variable, "/name"), text(variable, "/value"));
            }
        }
    }
    found.into_iter()
}

/// Whether a setting looks like a credential, by its name or by its value.
fn is_credential(key: &str, value: &str) -> bool {
    if value.is_empty() || value.contains('\n') {
        return false;
    }
    let line = format!("{key}={value}");
    Masker::new().mask(&line) != line
}

/// Everything by which objects are known, as one text.
fn names(objects: &[Value]) -> String {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for object in objects {
        names.extend([kind(object), name(object), namespace(object)]);
        for labels in ["/metadata/labels", "/spec/selector", "/spec/template/metadata/labels"] {
            let labels = object.pointer(labels).and_then(Value::as_object);
            for (key, value) in labels.into_iter().flatten() {
                names.extend([Some(key.as_str()), value.as_str()].into_iter().flatten());
            }
        }
        for container in program::containers(object) {
            names.extend([text(container, "/name"), text(container, "/image")]);
        }
    }
    names.into_iter().collect::<Vec<_>>().join("\n")
}
