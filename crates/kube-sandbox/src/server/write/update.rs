//! Replacing objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use super::{body, create, validate};
use crate::controllers::complete;
use crate::object;
use crate::server::fields::{self, Author};
use crate::server::status::{FieldError, Status};
use crate::simulation::Simulation;

/// What the server alone says about an object.
const SYSTEM: [&str; 7] = [
    "uid",
    "creationTimestamp",
    "resourceVersion",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

pub(crate) fn update(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let resource = asked.target.resource;
    let object = body::fit(asked, body::object(&asked.content_type, &asked.body)?)?;
    match (object::name(&object), asked.name()) {
        ("", name) => {
            return Err(Status::bad_request(format!(
                "the name of the object ( based on URL) was undeterminable: name must be provided \
                    ({name})"
            )));
        }
        (own, name) if own != name => {
            return Err(Status::bad_request(format!(
                "the name of the object ({own}) does not match the name on the URL ({name})"
            )));
        }
        _ => {}
    }
    let Some(before) =
        world.store.get(resource.plural, asked.target.namespace_name(), asked.name()).cloned()
    else {
        let created = matches!(
            resource.kind,
            "Lease" | "Endpoints" | "Event" | "LimitRange" | "EndpointSlice"
        ) || resource.group == "rbac.authorization.k8s.io";
        if !created || asked.target.subresource.is_some() || !object["metadata"]["uid"].is_null() {
            return Err(Status::not_found(resource, asked.name()));
        }
        return create::insert(world, asked, object, |object| {
            fields::created(object, &Author::of(asked));
        })
        .map(Done::created);
    };
    if matches!(resource.kind, "Lease" | "PodDisruptionBudget")
        && object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty()
    {
        let mistake = FieldError::invalid(
            "metadata.resourceVersion",
            &json!(0),
            "must be specified for an update",
        );
        return Err(Status::invalid(resource.kind, resource.group, asked.name(), &[mistake]));
    }
    replace(world, asked, &before, object, |before, object| {
        fields::updated(before, object, &Author::of(asked));
    })
    .map(Done::ok)
}

/// Stores the new state of an object once it is complete and valid. The fields' owners are noted
/// when its defaults are there.
pub(crate) fn replace(
    world: &mut Simulation,
    asked: &Asked<'_>,
    before: &Arc<Value>,
    mut object: Value,
    own: impl FnOnce(&Value, &mut Value),
) -> Result<Value, Status> {
    let resource = asked.target.resource;
    let (wanted, found) = (&object["metadata"], &before["metadata"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if !text(&wanted["uid"]).is_empty() && wanted["uid"] != found["uid"] {
        let reason = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            text(&wanted["uid"]),
            text(&found["uid"])
        );
        return Err(Status::conflict(resource, asked.name(), &reason));
    }
    if !matches!(text(&wanted["resourceVersion"]).as_str(), "" | "0")
        && wanted["resourceVersion"] != found["resourceVersion"]
    {
        return Err(Status::modified(resource, asked.name()));
    }
    restore(&mut object["metadata"], found, &SYSTEM);
    if asked.target.subresource.as_deref() == Some("status") {
        let mut whole = (**before).clone();
        whole["status"] = object["status"].clone();
        // who owns what may be said with any update
        restore(&mut whole["metadata"], &object["metadata"], &["managedFields"]);
        object = whole;
    } else {
        if resource.has("status") {
            restore(&mut object, before, &["status"]);
        }
        if resource.kind == "Namespace" {
            restore(&mut object, before, &["spec"]);
        }
        if resource.kind == "Service"
            && object["spec"]["clusterIP"].as_str().unwrap_or_default().is_empty()
        {
            restore(&mut object["spec"], &before["spec"], &["clusterIP", "clusterIPs"]);
        }
        body::drop_nulls(&mut object);
        validate::created(resource, &object)?;
        complete(&mut object, &world.store);
        if resource.has("status") {
            restore(&mut object, before, &["status"]);
        }
        if resource.kind == "Namespace" {
            restore(&mut object, before, &["spec"]);
        }
        body::drop_nulls(&mut object);
        validate::updated(resource, before, &object)?;
    }
    body::drop_nulls(&mut object);
    own(before, &mut object);
    let namespace = asked.target.namespace_name();
    let finished = !object["metadata"]["deletionTimestamp"].is_null()
        && object::list(&object["metadata"]["finalizers"]).is_empty()
        && !matches!(resource.kind, "Namespace" | "Pod");
    if asked.dry_run {
        return Ok(world.store.prepared(resource, object, asked.now));
    }
    let stored = world.store.write(resource, object, asked.now);
    if finished {
        world.store.delete(resource.plural, namespace, asked.name());
    }
    Ok((*stored).clone())
}

/// Puts fields back to what they were, also if they were not there.
fn restore(target: &mut Value, before: &Value, names: &[&str]) {
    let Value::Object(target) = target else {
        return;
    };
    for name in names {
        match before.get(name) {
            Some(value) => drop(target.insert((*name).to_owned(), value.clone())),
            None => drop(target.shift_remove(*name)),
        }
    }
}
