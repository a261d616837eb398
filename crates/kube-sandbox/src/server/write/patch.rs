//! Patching objects.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use super::{body, create, update};
use crate::kinds::Resource;
use crate::object;
use crate::server::fields::{self, Applied, Author};
use crate::server::patch::{PatchError, json_patch, merge_patch, strategic_merge_patch};
use crate::server::status::Status;
use crate::simulation::Simulation;

/// The form of what is applied.
pub(crate) const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

pub(crate) fn patch(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let resource = asked.target.resource;
    let before =
        world.store.get(resource.plural, asked.target.namespace_name(), asked.name()).cloned();
    if asked.content_type == APPLY {
        return apply(world, asked, before);
    }
    let before = before.ok_or_else(|| Status::not_found(resource, asked.name()))?;
    let object = patched(asked, resource.kind, &before)?;
    let object = same_object(asked, &before, object)?;
    update::replace(world, asked, &before, object, |before, object| {
        fields::updated(before, object, &Author::of(asked));
    })
    .map(Done::ok)
}

/// What a patch makes of an object.
pub(crate) fn patched(asked: &Asked<'_>, kind: &str, before: &Value) -> Result<Value, Status> {
    let mut object = before.clone();
    let read = || {
        serde_json::from_slice::<Value>(&asked.body)
            .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))
    };
    let refused = |error: PatchError| match error {
        PatchError::Malformed(reason) => Status::bad_request(reason),
        PatchError::Unfit(reason) => Status::unprocessable(&reason),
    };
    match asked.content_type.as_str() {
        JSON => json_patch(&mut object, &read()?).map_err(refused)?,
        MERGE => {
            let patch = read()?;
            if !patch.is_object() {
                return Err(Status::bad_request(
                    "error decoding patch: a merge patch of an object is an object",
                ));
            }
            merge_patch(&mut object, &patch);
        }
        STRATEGIC if !asked.target.resource.custom => {
            strategic_merge_patch(kind, &mut object, &read()?).map_err(refused)?;
        }
        _ => {
            // of custom kinds nobody knows which lists are merged
            let known: &[&str] = if asked.target.resource.custom {
                &[JSON, MERGE, APPLY]
            } else {
                &[JSON, MERGE, STRATEGIC, APPLY]
            };
            return Err(Status::unsupported_media_types(&known.join(", ")));
        }
    }
    Ok(object)
}

/// Makes sure that a patch has left an object of the same kind and name.
fn same_object(asked: &Asked<'_>, before: &Value, object: Value) -> Result<Value, Status> {
    let resource = asked.target.resource;
    if !object.is_object() || !object["metadata"].is_object() {
        return Err(Status::unprocessable("the patch leaves no object"));
    }
    for field in ["apiVersion", "kind"] {
        if object[field] != before[field] {
            let reason = format!(
                "{field} of the object cannot be changed from {} to {}",
                before[field], object[field]
            );
            return Err(Status::bad_request(reason));
        }
    }
    if object::name(&object) != asked.name() {
        let (own, name) = (object::name(&object), asked.name());
        return Err(Status::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        )));
    }
    if object::namespace(&object) != asked.target.namespace_name() {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    body::known(resource, object, asked.validation)
}

/// Server-side apply.
fn apply(
    world: &mut Simulation,
    asked: &Asked<'_>,
    before: Option<Arc<Value>>,
) -> Result<Done, Status> {
    let resource = asked.target.resource;
    let mut config = body::object(&asked.content_type, &asked.body)?;
    for field in ["apiVersion", "kind"] {
        if config[field].as_str().unwrap_or_default().is_empty() {
            return Err(Status::bad_request(format!(
                "Object '{}' is missing",
                if field == "kind" { "Kind" } else { "apiVersion" }
            )));
        }
    }
    if !object::list(&config["metadata"]["managedFields"]).is_empty() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    match object::name(&config) {
        "" => config["metadata"]["name"] = json!(asked.name()),
        own if own != asked.name() => {
            return Err(Status::bad_request(format!(
                "the name of the object ({own}) does not match the name on the URL ({})",
                asked.name()
            )));
        }
        _ => {}
    }
    let config = body::fit(asked, config)?;
    let author = Author::applying(asked);
    let force = asked.query.flag("force");
    let Some(before) = before else {
        if asked.target.subresource.is_some() || !config["metadata"]["uid"].is_null() {
            return Err(Status::not_found(resource, asked.name()));
        }
        let applied = merged(resource, None, &config, &author, force)?;
        return create::insert(world, asked, applied.object, move |object| {
            object["metadata"]["managedFields"] = applied.managers;
        })
        .map(Done::created);
    };
    let config = if asked.target.subresource.as_deref() == Some("status") {
        only_status(&config)
    } else {
        without_status(resource, config)
    };
    let applied = merged(resource, Some(&before), &config, &author, force)?;
    let stored = update::replace(world, asked, &before, applied.object, move |_, object| {
        object["metadata"]["managedFields"] = applied.managers;
    })?;
    Ok(Done { code: StatusCode::OK, object: stored })
}

pub(crate) fn merged(
    resource: &Resource,
    before: Option<&Value>,
    config: &Value,
    author: &Author,
    force: bool,
) -> Result<Applied, Status> {
    fields::apply(resource.kind, before, config, author, force)
        .map_err(|conflicts| Status::apply_conflict(conflicts.to_string(), conflicts.causes()))
}

fn only_status(config: &Value) -> Value {
    let mut only = config.clone();
    if let Value::Object(fields) = &mut only {
        fields.retain(|field, _| {
            matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status")
        });
    }
    if let Value::Object(fields) = &mut only["metadata"] {
        fields.retain(|field, _| {
            matches!(field.as_str(), "name" | "namespace" | "uid" | "resourceVersion")
        });
    }
    only
}

fn without_status(resource: &Resource, mut config: Value) -> Value {
    if resource.has("status")
        && let Value::Object(fields) = &mut config
    {
        fields.shift_remove("status");
    }
    config
}
