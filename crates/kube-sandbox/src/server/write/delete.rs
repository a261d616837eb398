//! Deleting objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use crate::kinds::Resource;
use crate::object;
use crate::server::listing::Filter;
use crate::server::status::{FieldError, Status};
use crate::simulation::Simulation;

/// Keeps an object until what it owns is gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Keeps an object until what it owns has been let go.
const ORPHAN: &str = "orphan";

/// How an object is to be deleted.
#[derive(Debug)]
struct Options {
    grace: Option<u64>,
    /// A finalizer that stands for what happens to the objects that it owns; none: they go
    /// afterwards.
    propagation: Option<&'static str>,
    preconditions: Value,
}

impl Options {
    fn of(asked: &Asked<'_>) -> Result<Self, Status> {
        let options = asked.options()?;
        let policy =
            asked.query.get("propagationPolicy").or_else(|| options["propagationPolicy"].as_str());
        let orphaned = options["orphanDependents"]
            .as_bool()
            .or_else(|| asked.query.get("orphanDependents").map(|value| value == "true"));
        let propagation = match (policy, orphaned) {
            (Some("Foreground"), _) => Some(FOREGROUND),
            (Some("Orphan"), _) | (None, Some(true)) => Some(ORPHAN),
            (Some("Background"), _) | (None, Some(false)) => None,
            // these are older than the collection of garbage
            (None, None) => matches!(asked.target.resource.kind, "Job" | "ReplicationController")
                .then_some(ORPHAN),
            (Some(other), _) => {
                let mistake = FieldError::unsupported(
                    "propagationPolicy",
                    &json!(other),
                    &["Background", "Foreground", "Orphan"],
                );
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

pub(crate) fn delete(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let options = Options::of(asked)?;
    let resource = asked.target.resource;
    let found =
        world.store.get(resource.plural, asked.target.namespace_name(), asked.name()).cloned();
    let before = found.ok_or_else(|| Status::not_found(resource, asked.name()))?;
    remove(world, asked, &before, &options).map(Done::ok)
}

pub(crate) fn delete_all(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let options = Options::of(asked)?;
    let resource = asked.target.resource;
    if matches!(resource.kind, "Service" | "Namespace") {
        return Err(Status::method_not_allowed());
    }
    let filter = Filter::of(asked.query, resource)?;
    let chosen: Vec<Arc<Value>> = world
        .store
        .list(resource.plural, asked.target.namespace.as_deref())
        .filter(|object| filter.matches(object))
        .cloned()
        .collect();
    for object in &chosen {
        remove(world, asked, object, &options)?;
    }
    let items: Vec<Value> = chosen.iter().map(|object| (**object).clone()).collect();
    let metadata = json!({"resourceVersion": world.store.revision().to_string()});
    Ok(Done::ok(
        json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(),
            "metadata": metadata, "items": items}),
    ))
}

/// Deletes an object as a client that says nothing about how would.
pub(crate) fn plainly(
    world: &mut Simulation,
    asked: &Asked<'_>,
    before: &Arc<Value>,
    grace: Option<u64>,
) -> Result<Value, Status> {
    remove(world, asked, before, &Options { grace, propagation: None, preconditions: Value::Null })
}

fn remove(
    world: &mut Simulation,
    asked: &Asked<'_>,
    before: &Arc<Value>,
    options: &Options,
) -> Result<Value, Status> {
    let resource = asked.target.resource;
    let (namespace, name) = (object::namespace(before), object::name(before));
    for (field, label) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (wanted, found) = (&options.preconditions[field], &before["metadata"][field]);
        if !wanted.is_null() && wanted != found {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let reason = format!(
                "Precondition failed: {label} in precondition: {}, {label} in object meta: {}",
                text(wanted),
                text(found)
            );
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
        // nothing runs, or nothing runs any more
        "Pod"
            if !object["spec"]["nodeName"].is_string()
                || matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) =>
        {
            0
        }
        "Pod" => options
            .grace
            .or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_u64())
            .unwrap_or(30),
        _ => 0,
    };
    // a shorter time than before counts, a longer one does not
    let sooner = object["metadata"]["deletionGracePeriodSeconds"]
        .as_u64()
        .is_none_or(|before| grace < before);
    if object["metadata"]["deletionTimestamp"].is_null() || sooner {
        let until = asked
            .now
            .saturating_add(jiff::SignedDuration::from_secs(i64::try_from(grace).unwrap_or(0)))
            .unwrap_or(asked.now);
        object["metadata"]["deletionTimestamp"] = json!(object::time(until));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }
    if resource.kind == "Namespace" {
        object["status"]["phase"] = json!("Terminating");
    }
    // the controllers do the rest: they empty the namespace, end the processes of the pod, do what
    // the finalizers stand for
    let waits = waits || resource.kind == "Namespace" || (resource.kind == "Pod" && grace > 0);
    match (waits, asked.dry_run) {
        (true, true) => Ok(world.store.prepared(resource, object, asked.now)),
        (true, false) => Ok((*world.store.write(resource, object, asked.now)).clone()),
        (false, true) => Ok(deleted(resource, before)),
        (false, false) => {
            world.store.delete(resource.plural, namespace, name);
            Ok(deleted(resource, before))
        }
    }
}

/// What is said about an object that is gone: the object itself, or that it went well.
fn deleted(resource: &Resource, object: &Value) -> Value {
    if matches!(
        resource.kind,
        "Pod"
            | "Service"
            | "ServiceAccount"
            | "PersistentVolumeClaim"
            | "PersistentVolume"
            | "ResourceQuota"
    ) {
        return object.clone();
    }
    let mut details = json!({"name": object::name(object)});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    details["kind"] = json!(resource.plural);
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details})
}
