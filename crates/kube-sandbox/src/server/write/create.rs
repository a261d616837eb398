//! Creating objects.

use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use super::{body, validate};
use crate::admission::{self, Refusal};
use crate::controllers::{complete, letters, with_selector};
use crate::object;
use crate::server::fields::{self, Author};
use crate::server::status::Status;
use crate::simulation::Simulation;

/// How many names are tried for an object that wants one with a given beginning.
const ATTEMPTS: u64 = 8;
/// The longest beginning of a generated name that is kept.
const LONGEST_PREFIX: usize = 58;

pub(crate) fn create(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let object = body::fit(asked, body::object(&asked.content_type, &asked.body)?)?;
    if !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        return Err(Status::internal("resourceVersion should not be set on objects to be created"));
    }
    let mut object = object;
    generate_name(world, asked, &mut object)?;
    insert(world, asked, object, |object| fields::created(object, &Author::of(asked)))
        .map(Done::created)
}

/// Stores a new object once it is complete and valid. The fields' owners are noted when its
/// defaults are there.
pub(crate) fn insert(
    world: &mut Simulation,
    asked: &Asked<'_>,
    mut object: Value,
    own: impl FnOnce(&mut Value),
) -> Result<Value, Status> {
    let resource = asked.target.resource;
    let name = object::name(&object).to_owned();
    if resource.namespaced {
        let namespace = asked.target.namespace_name();
        let Some(found) = world.store.get("namespaces", "", namespace) else {
            return Err(Status::namespace_not_found(namespace));
        };
        if !found["metadata"]["deletionTimestamp"].is_null() {
            let message = format!(
                "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} \
                    because it is being terminated",
                resource.qualified()
            );
            return Err(Status::forbidden(resource.plural, resource.group, &name, message));
        }
    }
    if let Value::Object(fields) = &mut object
        && resource.has("status")
    {
        fields.shift_remove("status");
    }
    if let Value::Object(metadata) = &mut object["metadata"] {
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.shift_remove(field);
        }
    }
    // what is not valid may lack what the defaults build on
    validate::created(resource, &object)?;
    complete(&mut object, &world.store);
    if resource.kind == "Pod" && object["status"].is_null() {
        object["status"] = json!({"phase": "Pending"});
    }
    if world.store.get(resource.plural, asked.target.namespace_name(), &name).is_some() {
        return Err(Status::already_exists(resource, &name));
    }
    admission::created(&world.store, resource, &object).map_err(|refusal| match refusal {
        Refusal::Forbidden(why) => Status::forbidden(resource.plural, resource.group, &name, why),
        Refusal::Failed(why) => Status::internal(why),
    })?;
    body::drop_nulls(&mut object);
    own(&mut object);
    let mut object = world.store.prepared(resource, object, asked.now);
    if asked.dry_run
        && let Some(uid) = object["metadata"]["uid"].as_str()
    {
        // what is really made later gets another uid than what was tried
        object["metadata"]["uid"] = json!(format!("ffffffff{}", uid.get(8..).unwrap_or_default()));
    }
    if resource.kind == "Job" {
        object = with_selector(&object);
    }
    if asked.dry_run {
        return Ok(object);
    }
    Ok((*world.store.write(resource, object, asked.now)).clone())
}

fn generate_name(world: &Simulation, asked: &Asked<'_>, object: &mut Value) -> Result<(), Status> {
    let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default();
    if !object::name(object).is_empty() || prefix.is_empty() {
        return Ok(());
    }
    let kept: String = prefix.chars().take(LONGEST_PREFIX).collect();
    let (resource, namespace) = (asked.target.resource, asked.target.namespace_name());
    let revision = world.store.revision();
    let mut names = (revision..revision + ATTEMPTS)
        .map(|number| format!("{kept}{}", letters(&format!("{namespace}/{kept}/{number}"), 5)));
    let free = names.find(|name| world.store.get(resource.plural, namespace, name).is_none());
    object["metadata"]["name"] =
        json!(free.ok_or_else(|| Status::already_exists(resource, prefix))?);
    Ok(())
}
