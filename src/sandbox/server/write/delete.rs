//! Deleting objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use crate::sandbox::kinds::Resource;
use crate::sandbox::object;
use crate::sandbox::server::listing::Filter;
use crate::sandbox::server::status::{FieldError, Status};
use crate::sandbox::world::World;

/// Keeps an object until what it owns is gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an object until what it owns has been let go.
pub(crate) const ORPHAN: &str = "orphan";

/// How an object is to be deleted.
#[derive(Debug)]
struct Options {
    grace: Option<u64>,
    /// A finalizer that stands for what happens to the objects that it owns; none: they go afterwards.
    propagation: Option<&'static str>,
    preconditions: Value,
}

impl Options {
    fn of(asked: &Asked<'_>) -> Result<Self, Status> {
        let options = asked.options()?;
        let policy = asked.query.get("propagationPolicy").or_else(|| options["propagationPolicy"].as_str());
        let orphaned = options["orphanDependents"].as_bool().or_else(|| asked.query.get("orphanDependents").map(|value| value == "true"));
        let propagation = match (policy, orphaned) {
            (Some("Foreground"), _) => Some(FOREGROUND),
            (Some("Orphan"), _) | (None, Some(true)) => Some(ORPHAN),
            (Some("Background"), _) | (None, Some(false)) => None,
            // these are older than the collection of garbage
            (None, None) => matches!(asked.target.resource.kind, "Job" | "ReplicationController").then_some(ORPHAN),
            (Some(other), _) => {
                let mistake = FieldError::unsupported("propagationPolicy", &json!(other), &["Background", "Foreground", "Orphan"]);
                return Err(Status::invalid("DeleteOptions", "meta.k8s.io", "", &[mistake]));
            }
        };
        let grace = match &options["gracePeriodSeconds"] {
            Value::Null => asked.query.number("gracePeriodSeconds"),
            other => other.as_u64(),
        };
        Ok(Self { grace, propagation, preconditions: options["preconditions"].clone() })
    }
}

pub(crate) fn delete(world: &mut World, asked: &Asked<'_>) -> Result<Done, Status> {
    let options = Options::of(asked)?;
    let resource = asked.target.resource;
    let found = world.store.get(resource.plural, asked.target.namespace_name(), asked.name()).cloned();
    let before = found.ok_or_else(|| Status::not_found(resource, asked.name()))?;
    remove(world, asked, &before, &options).map(Done::ok)
}

pub(crate) fn delete_all(world: &mut World, asked: &Asked<'_>) -> Result<Done, Status> {
    let options = Options::of(asked)?;
    let resource = asked.target.resource;
    if matches!(resource.kind, "Service" | "Namespace") {
        return Err(Status::method_not_allowed());
    }
    let filter = Filter::of(asked.query, resource)?;
    let chosen: Vec<Arc<Value>> =
        world.store.list(resource.plural, asked.target.namespace.as_deref()).filter(|object| filter.matches(object)).cloned().collect();
    for object in &chosen {
        remove(world, asked, object, &options)?;
    }
    let items: Vec<Value> = chosen.iter().map(|object| (**object).clone()).collect();
    let metadata = json!({"resourceVersion": world.store.revision().to_string()});
    Ok(Done::ok(json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(), "metadata": metadata, "items": items})))
}

/// Deletes an object as a client that says nothing about how would.
pub(crate) fn plainly(world: &mut World, asked: &Asked<'_>, before: &Arc<Value>, grace: Option<u64>) -> Result<Value, Status> {
    remove(world, asked, before, &Options { grace, propagation: None, preconditions: Value::Null })
}

fn remove(world: &mut World, asked: &Asked<'_>, before: &Arc<Value>, options: &Options) -> Result<Value, Status> {
    let resource = asked.target.resource;
    let (namespace, name) = (object::namespace(before), object::name(before));
    for (field, label) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (wanted, found) = (&options.preconditions[field], &before["metadata"][field]);
        if !wanted.is_null() && wanted != found {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let reason = format!("Precondition failed: {label} in precondition: {}, {label} in object meta: {}", text(wanted), text(found));
            return Err(Status::conflict(resource, name, &reason));
        }
    }
    let mut object = (**before).clone();
    let mut finalizers = object::list(&object["metadata"]["finalizers"]).to_vec();
    // what was asked for before is asked for no longer
    finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    finalizers.extend(options.propagation.map(|finalizer| json!(finalizer)));
    let waits = !finalizers.is_empty();
    if waits {
        object["metadata"]["finalizers"] = json!(finalizers);
    }
    let grace = match resource.kind {
        "Pod" => options.grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30),
        _ => 0,
    };
    if object["metadata"]["deletionTimestamp"].is_null() {
        let until = asked.now.saturating_add(jiff::SignedDuration::from_secs(i64::try_from(grace).unwrap_or(0))).unwrap_or(asked.now);
        object["metadata"]["deletionTimestamp"] = json!(object::time(until));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }
    let namespace_ends = resource.kind == "Namespace";
    if namespace_ends {
        object["status"]["phase"] = json!("Terminating");
    }
    let answered = waits || namespace_ends || (resource.kind == "Pod" && grace > 0);
    if asked.dry_run {
        return Ok(if answered { world.store.prepared(resource, object, asked.now) } else { deleted(resource, before) });
    }
    if !answered {
        world.store.delete(resource.plural, namespace, name);
        return Ok(deleted(resource, before));
    }
    let stored = world.store.write(resource, object, asked.now);
    if !waits && !namespace_ends {
        // the processes end at once: nothing in them asks for the time that it was given
        world.store.delete(resource.plural, namespace, name);
    }
    Ok((*stored).clone())
}

/// What is said about an object that is gone: the object itself, or that it went well.
fn deleted(resource: &Resource, object: &Value) -> Value {
    if matches!(resource.kind, "Pod" | "Service" | "ServiceAccount" | "PersistentVolumeClaim" | "PersistentVolume" | "ResourceQuota") {
        return object.clone();
    }
    let mut details = json!({"name": object::name(object)});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    details["kind"] = json!(resource.plural);
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
