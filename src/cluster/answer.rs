//! Validates the responses of an API server: every list, object, event and status passes here
//! before anything is concluded from it.
//!
//! A response of the wrong shape is an error of its own class (`ErrorKind::Malformed`), never an
//! empty list, and never an object without the fields that every object has. Responses have a
//! memory budget, so that no server can exhaust the memory of this process.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{Doing, Error};
use crate::api::resource::{Resource, builtin};

/// The most memory, estimated, that one answer or all pages of one list may take.
pub(super) const MEMORY: usize = 512 * 1024 * 1024;
/// What a value takes besides its text.
const VALUE: usize = size_of::<Value>();
/// What an entry of an object takes besides its key and value: the key's header, its hash, and its
/// place in the index.
const ENTRY: usize = 48;

/// Reads JSON within a budget of memory, which is reduced by what was read.
///
/// # Errors
/// Why it cannot be used, for the end of a sentence.
pub(super) fn parse(bytes: &[u8], budget: &mut usize) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Weighed(budget)
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok(value),
        Err(_) if *budget == 0 => {
            Err(format!("it is larger than {} MiB in memory", MEMORY / 1024 / 1024))
        }
        Err(error) => Err(format!("it is not JSON ({error})")),
    }
}

/// Builds a value as long as there is room for it.
struct Weighed<'a>(&'a mut usize);

impl Weighed<'_> {
    fn take<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        let left = self.0.checked_sub(bytes);
        *self.0 = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| E::custom("too large"))
    }
}

impl<'de> DeserializeSeed<'de> for Weighed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Weighed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<Value, E> {
        self.take(VALUE).map(|()| Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<Value, E> {
        self.take(VALUE).map(|()| value.into())
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<Value, E> {
        self.take(VALUE).map(|()| value.into())
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<Value, E> {
        self.take(VALUE).map(|()| value.into())
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<Value, E> {
        self.take(VALUE).map(|()| value.into())
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<Value, E> {
        self.take(VALUE + text.len()).map(|()| text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        self.take(VALUE)?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Weighed(self.0))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        self.take(VALUE)?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.take::<A::Error>(ENTRY + key.len())?;
            let value = entries.next_value_seed(Weighed(self.0))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// The one object that was asked for, by its name.
///
/// # Errors
/// `ErrorKind::Malformed` when it is another one, or none at all.
pub(super) fn object(
    doing: &Doing,
    resource: &Resource,
    namespace: &str,
    name: &str,
    object: Value,
) -> Result<Value, Error> {
    let wrong = named(resource, namespace, name, None, &object);
    wrong.map_or(Ok(object), |why| Err(doing.not_understood(&why)))
}

/// What is wrong with an object that is to be of this kind, place and, where it is known, uid.
pub(super) fn named(
    resource: &Resource,
    namespace: &str,
    name: &str,
    uid: Option<&str>,
    object: &Value,
) -> Option<String> {
    if let Some(wrong) = misshapen(resource, is_builtin(resource), object) {
        return Some(wrong);
    }
    if object["kind"].is_null() {
        return Some("an object without a kind".to_owned());
    }
    let metadata = &object["metadata"];
    let place = if resource.namespaced { namespace } else { "" };
    let is = |key: &str, wanted: &str| metadata[key].as_str().unwrap_or_default() == wanted;
    if !is("name", name) || !is("namespace", place) {
        let found = format!(
            "{}/{}",
            metadata["namespace"].as_str().unwrap_or_default(),
            metadata["name"].as_str().unwrap_or_default()
        );
        return Some(format!(
            "the object is {}, not the requested one",
            found.trim_start_matches('/')
        ));
    }
    let other = uid.filter(|uid| metadata["uid"] != **uid);
    other.map(|_| "the object has another uid: it is not the requested one".to_owned())
}

/// A page of a list.
pub(super) struct Page {
    pub(super) items: Vec<Value>,
}

/// What stands around the items of a page.
pub(super) struct Envelope {
    /// Where the next page begins; empty behind the last one.
    pub(super) next: String,
    /// The place in history; empty where a kind has none, which only served kinds that are not
    /// built in may.
    pub(super) resource_version: String,
}

/// The page of a list of this kind, in this namespace if one was asked for.
///
/// # Errors
/// `ErrorKind::Malformed` when it is no such list, or one of its items is no such object.
pub(super) fn page(
    doing: &Doing,
    resource: &Resource,
    namespace: Option<&str>,
    list: Value,
) -> Result<Page, Error> {
    let (_, items) = envelope(doing, resource, list)?;
    let known = is_builtin(resource);
    match items.iter().find_map(|item| misplaced(resource, known, namespace, item)) {
        Some(why) => Err(doing.not_understood(&format!("an item of the list is invalid: {why}"))),
        None => Ok(Page { items }),
    }
}

/// The items of a page, of which nothing is known yet, and what stands around them.
///
/// # Errors
/// `ErrorKind::Malformed` when it is no list of this kind.
pub(super) fn envelope(
    doing: &Doing,
    resource: &Resource,
    mut list: Value,
) -> Result<(Envelope, Vec<Value>), Error> {
    let wrong = |why: String| Err(doing.not_understood(&why));
    if !list.is_object() {
        return wrong(format!("the list is {}", shape(&list)));
    }
    let known = is_builtin(resource);
    match list["kind"].as_str() {
        Some(kind) if known && kind != format!("{}List", resource.kind) => {
            return wrong(format!("it sent a {kind} instead of a {}List", resource.kind));
        }
        // the name of the list of a custom kind is anybody's choice
        Some(kind @ ("Status" | "Table" | "List")) if kind != resource.kind => {
            return wrong(format!("it sent a {kind} instead of a list of {}", resource.kind));
        }
        Some(_) => {}
        None => return wrong("the list has no kind".to_owned()),
    }
    let metadata = &list["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
    let (next, resource_version) = (text("continue"), text("resourceVersion"));
    if known && resource_version.is_empty() {
        return wrong("the list has no resourceVersion".to_owned());
    }
    let items = match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        // Go writes an empty list as null
        Some(Value::Null) => Vec::new(),
        Some(other) => return wrong(format!("the items of the list are {}", shape(&other))),
        None => return wrong("the list has no items".to_owned()),
    };
    Ok((Envelope { next, resource_version }, items))
}

/// What is wrong with an object that is to be of this kind and, if one was asked for, namespace.
fn misplaced(
    resource: &Resource,
    known: bool,
    namespace: Option<&str>,
    object: &Value,
) -> Option<String> {
    if let Some(wrong) = misshapen(resource, known, object) {
        return Some(wrong);
    }
    let found = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let asked = namespace.filter(|_| resource.namespaced)?;
    (!found.is_empty() && found != asked)
        .then(|| format!("it is in namespace {found} instead of {asked}"))
}

/// What is wrong with an object of which a watch tells.
pub(super) fn watched(
    resource: &Resource,
    namespace: Option<&str>,
    object: &Value,
) -> Option<String> {
    misplaced(resource, is_builtin(resource), namespace, object)
}

/// What is wrong with an object that is to be of this kind, which is built in or not.
fn misshapen(resource: &Resource, known: bool, object: &Value) -> Option<String> {
    if !object.is_object() {
        return Some(format!("the object is {}", shape(object)));
    }
    match &object["kind"] {
        Value::Null => {}
        Value::String(kind) if *kind == resource.kind => {}
        other => {
            return Some(format!(
                "the object is a {}, not a {}",
                other.as_str().unwrap_or("thing without a name"),
                resource.kind
            ));
        }
    }
    let metadata = &object["metadata"];
    if !metadata.is_object() {
        return Some(format!("the metadata of the object are {}", shape(metadata)));
    }
    if metadata["name"].as_str().is_none_or(str::is_empty) {
        return Some("the object has no name".to_owned());
    }
    let maps = ["labels", "annotations"]
        .into_iter()
        .find(|key| !metadata[key].is_null() && !metadata[key].is_object());
    if let Some(key) = maps {
        return Some(format!("metadata.{key} is {}", shape(&metadata[key])));
    }
    if known {
        return inside(object);
    }
    let spec = &object["spec"];
    (!spec.is_null() && !spec.is_object()).then(|| format!("spec is {}", shape(spec)))
}

/// What is wrong inside an object of a built-in kind: the places that are read and written
/// everywhere.
fn inside(object: &Value) -> Option<String> {
    let part = |place: &str, value: &Value, fits: fn(&Value) -> bool| {
        (!value.is_null() && !fits(value)).then(|| format!("{place} is {}", shape(value)))
    };
    let (spec, status) = (&object["spec"], &object["status"]);
    let metadata = &object["metadata"];
    part("spec", spec, Value::is_object)
        .or_else(|| part("status", status, Value::is_object))
        .or_else(|| part("metadata.ownerReferences", &metadata["ownerReferences"], Value::is_array))
        .or_else(|| part("status.conditions", &status["conditions"], Value::is_array))
        .or_else(|| part("status.containerStatuses", &status["containerStatuses"], Value::is_array))
        .or_else(|| part("spec.jobTemplate", &spec["jobTemplate"], Value::is_object))
        .or_else(|| part("spec.jobTemplate.spec", &spec["jobTemplate"]["spec"], Value::is_object))
        .or_else(|| pods("spec", spec))
        .or_else(|| template("spec.template", &spec["template"]))
        .or_else(|| {
            template("spec.jobTemplate.spec.template", &spec["jobTemplate"]["spec"]["template"])
        })
}

fn template(place: &str, template: &Value) -> Option<String> {
    for (key, value) in [
        ("", template),
        (".metadata", &template["metadata"]),
        (".metadata.labels", &template["metadata"]["labels"]),
        (".metadata.annotations", &template["metadata"]["annotations"]),
        (".spec", &template["spec"]),
    ] {
        if !value.is_null() && !value.is_object() {
            return Some(format!("{place}{key} is {}", shape(value)));
        }
    }
    pods(&format!("{place}.spec"), &template["spec"])
}

fn pods(place: &str, spec: &Value) -> Option<String> {
    ["containers", "initContainers"].into_iter().find_map(|key| match &spec[key] {
        Value::Null => None,
        Value::Array(containers) if containers.iter().all(Value::is_object) => None,
        Value::Array(_) => Some(format!("{place}.{key} has a container that is no object")),
        other => Some(format!("{place}.{key} is {}", shape(other))),
    })
}

fn is_builtin(resource: &Resource) -> bool {
    builtin(&format!("{}/{}", resource.api_version(), resource.kind)).is_some()
}

/// What a value is, for the end of a sentence.
fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
