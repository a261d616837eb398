//! Getting one object, and lists of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Server;
use super::request::{Query, ResourceRequest};
use super::status::{Status, json_response};
use super::table;
use crate::kinds::Resource;
use crate::object;
use crate::store::{Store, Unknown};
use netpol_evaluator::LabelSelector;

/// Which objects of a list are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    labels: LabelSelector,
    /// Field, value, and whether they must be equal.
    fields: Vec<(String, String, bool)>,
}

impl Filter {
    pub(crate) fn of(query: &Query, resource: &Resource) -> Result<Self, Status> {
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let parts = query
            .get("fieldSelector")
            .unwrap_or_default()
            .split(',')
            .filter(|part| !part.is_empty());
        let fields =
            parts.map(|part| field_requirement(part, resource)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(&object::labels(object))
            && self
                .fields
                .iter()
                .all(|(field, value, equal)| (field_value(object, field) == *value) == *equal)
    }
}

/// The fields that can be selected, by kind, beside the name and the namespace.
fn selectable(resource: &Resource) -> &'static [&'static str] {
    match resource.plural {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "secrets" => &["type"],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "jobs" => &["status.successful"],
        "services" => &["spec.clusterIP", "spec.type"],
        "replicasets" => &["status.replicas"],
        _ => &[],
    }
}

fn field_requirement(part: &str, resource: &Resource) -> Result<(String, String, bool), Status> {
    let split = part.split_once("!=").map(|pair| (pair, false)).or_else(|| {
        part.split_once("==").or_else(|| part.split_once('=')).map(|pair| (pair, true))
    });
    let Some(((field, value), equal)) = split else {
        return Err(Status::bad_request(format!(
            "invalid field selector \"{part}\"; can't understand '{part}'"
        )));
    };
    let known = field == "metadata.name"
        || (resource.namespaced && field == "metadata.namespace")
        || selectable(resource).contains(&field);
    if known {
        Ok((field.to_owned(), value.to_owned(), equal))
    } else {
        Err(Status::bad_request(format!("field label not supported: {field}")))
    }
}

fn field_value(object: &Value, field: &str) -> String {
    let value = match field {
        "source" => &object["source"]["component"],
        _ => object.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&Value::Null),
    };
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null if field == "spec.hostNetwork" || field == "spec.unschedulable" => {
            "false".to_owned()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// How objects are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    Table,
    MetadataOnly,
}

impl Shape {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let accept =
            headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        for part in accept.split(',').map(|part| part.replace(' ', "")) {
            let has = |text: &str| part.contains(text);
            match part.split(';').next().unwrap_or_default() {
                "application/json" | "application/*" | "*/*" | "" => {}
                _ => continue,
            }
            if has("as=Table") && has("v=v1;") | part.ends_with("v=v1") {
                return Ok(Self::Table);
            }
            if has("as=PartialObjectMetadata") {
                return Ok(Self::MetadataOnly);
            }
            if !has("as=") {
                return Ok(Self::Plain);
            }
        }
        Err(Status {
            code: 406,
            reason: "NotAcceptable",
            message: "only the following media types are accepted: application/json".to_owned(),
            details: None,
        })
    }
}

pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"]})
}

pub(crate) fn get(
    server: &Server,
    target: &ResourceRequest,
    headers: &HeaderMap,
) -> Result<Response, Status> {
    let shape = Shape::of(headers)?;
    let world = server.world();
    let name = target.name.as_deref().unwrap_or_default();
    let object = world
        .store
        .get(target.resource.plural, target.namespace_name(), name)
        .ok_or_else(|| Status::not_found(target.resource, name))?;
    Ok(json_response(&shaped(target.resource, shape, object, world.clock.now())))
}

/// One object, written as it is wanted.
pub(crate) fn shaped(resource: &Resource, shape: Shape, object: &Value, now: Timestamp) -> Value {
    match shape {
        Shape::Plain => object.clone(),
        Shape::MetadataOnly => metadata_only(object),
        Shape::Table => table::table(
            resource,
            &[Arc::new(object.clone())],
            now,
            json!({"resourceVersion": object["metadata"]["resourceVersion"]}),
        ),
    }
}

pub(crate) fn list(
    server: &Server,
    target: &ResourceRequest,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response, Status> {
    let shape = Shape::of(headers)?;
    let filter = Filter::of(query, target.resource)?;
    let world = server.world();
    let (from, revision) = start(query, &world.store)?;
    let mut items: BTreeMap<String, Arc<Value>> = world
        .store
        .list(target.resource.plural, target.namespace.as_deref())
        .filter(|object| filter.matches(object))
        .map(|object| {
            (format!("{}/{}", object::namespace(object), object::name(object)), Arc::clone(object))
        })
        .collect();
    if let Some(from) = from {
        items = items.split_off(&from);
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let Some(limit) = query
        .number("limit")
        .filter(|limit| *limit > 0)
        .and_then(|limit| usize::try_from(limit).ok())
        && let Some(next) = items.keys().nth(limit).cloned()
    {
        let left = items.split_off(&next);
        metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(json!([revision, next]).to_string()));
        metadata["remainingItemCount"] = json!(left.len());
    }
    let items: Vec<Arc<Value>> = items.into_values().collect();
    Ok(json_response(&match shape {
        Shape::Table => table::table(target.resource, &items, world.clock.now(), metadata),
        Shape::MetadataOnly => {
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata, "items": items.iter().map(|object| metadata_only(object)).collect::<Vec<_>>()})
        }
        Shape::Plain => {
            json!({"kind": format!("{}List", target.resource.kind),
                "apiVersion": target.resource.api_version(), "metadata": metadata,
                "items": items.iter().map(|object| without_kind(object)).collect::<Vec<_>>()})
        }
    }))
}

/// The key at which a list begins, if not with the first, and the version that it is of.
fn start(query: &Query, store: &Store) -> Result<(Option<String>, u64), Status> {
    let current = store.revision();
    if let Some(wanted) = query.number("resourceVersion") {
        let exact = query.get("resourceVersionMatch") == Some("Exact");
        if wanted > current {
            return Err(Status::too_large_version(wanted, current));
        }
        if exact && wanted != current {
            return Err(Status::expired(format!(
                "The resourceVersion for the provided list is too old: {wanted}"
            )));
        }
    }
    let Some(token) = query.get("continue") else { return Ok((None, current)) };
    let (revision, key) =
        continuation(token).ok_or_else(|| Status::bad_request("continue key is not valid"))?;
    // the list continues at the version at which it began; once that is forgotten it has to begin
    // again
    if store.since(revision).is_err_and(|unknown| unknown == Unknown::TooOld) {
        return Err(Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You \
                can start a new list without the continue parameter.",
        ));
    }
    Ok((Some(key), revision))
}

/// The elements of a list do not repeat what the list says.
fn without_kind(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.shift_remove("kind");
        fields.shift_remove("apiVersion");
    }
    object
}

fn continuation(token: &str) -> Option<(u64, String)> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}
