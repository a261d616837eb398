//! The scale subresource.

use axum::response::Response;
use serde_json::{Value, json};

use super::answer::Done;
use super::asked::Asked;
use super::{body, patch, update};
use crate::object;
use crate::server::Server;
use crate::server::fields::{self, Author};
use crate::server::request::ResourceRequest;
use crate::server::status::{FieldError, Status, json_response};
use crate::simulation::Simulation;

pub(crate) fn read(server: &Server, target: &ResourceRequest) -> Result<Response, Status> {
    let world = server.world();
    let name = target.name.as_deref().unwrap_or_default();
    let object = world
        .store
        .get(target.resource.plural, target.namespace_name(), name)
        .ok_or_else(|| Status::not_found(target.resource, name))?;
    Ok(json_response(&scale(object)))
}

pub(crate) fn write(world: &mut Simulation, asked: &Asked<'_>) -> Result<Done, Status> {
    let resource = asked.target.resource;
    let found =
        world.store.get(resource.plural, asked.target.namespace_name(), asked.name()).cloned();
    let before = found.ok_or_else(|| Status::not_found(resource, asked.name()))?;
    let applies = asked.verb == "patch" && asked.content_type == patch::APPLY;
    let wanted = if applies || asked.verb == "update" {
        body::object(&asked.content_type, &asked.body)?
    } else {
        patch::patched(asked, "Scale", &scale(&before))?
    };
    let replicas = replicas(&wanted, asked.name())?;
    let stored = if applies {
        let config = json!({"apiVersion": before["apiVersion"], "kind": before["kind"],
            "metadata": {"name": before["metadata"]["name"]}, "spec": {"replicas": replicas}});
        let applied = patch::merged(
            resource,
            Some(&before),
            &config,
            &Author::applying(asked),
            asked.query.flag("force"),
        )?;
        update::replace(world, asked, &before, applied.object, move |_, object| {
            object["metadata"]["managedFields"] = applied.managers;
        })?
    } else {
        let mut object = (*before).clone();
        for field in ["uid", "resourceVersion"] {
            if let Some(text) = wanted["metadata"][field].as_str() {
                object["metadata"][field] = json!(text);
            }
        }
        object["spec"]["replicas"] = json!(replicas);
        update::replace(world, asked, &before, object, |before, object| {
            fields::updated(before, object, &Author::of(asked));
        })?
    };
    Ok(Done::ok(scale(&stored)))
}

/// The replicas that a Scale asks for.
fn replicas(wanted: &Value, name: &str) -> Result<i64, Status> {
    if !wanted["spec"].is_object() && !wanted["spec"].is_null() {
        return Err(Status::bad_request(
            "Scale in version \"v1\" cannot be handled as a Scale: spec is not an object",
        ));
    }
    if !matches!(wanted["kind"].as_str(), None | Some("Scale")) {
        return Err(Status::bad_request(format!(
            "{} cannot be handled as a Scale",
            wanted["kind"]
        )));
    }
    let own = object::name(wanted);
    if !own.is_empty() && own != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        )));
    }
    // none is how a zero is written
    let replicas = match &wanted["spec"]["replicas"] {
        Value::Null => 0,
        value => value.as_i64().ok_or_else(|| {
            Status::bad_request(format!(
                "Scale in version \"v1\" cannot be handled \
                as a Scale: spec.replicas: {value} is not a number"
            ))
        })?,
    };
    if replicas < 0 {
        let mistake = FieldError::invalid(
            "spec.replicas",
            &json!(replicas),
            "must be greater than or equal to 0",
        );
        return Err(Status::invalid("Scale", "autoscaling", name, &[mistake]));
    }
    Ok(replicas)
}

fn scale(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut own = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        own[field] = metadata[field].clone();
    }
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let spec = if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) };
    let mut status = json!({"replicas": object["status"]["replicas"].as_u64().unwrap_or(0)});
    if let Some(selector) = selector(&object["spec"]["selector"]) {
        status["selector"] = json!(selector);
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": own, "spec": spec,
        "status": status})
}

/// A selector as it is written in a query: by key, as the server does it.
fn selector(selector: &Value) -> Option<String> {
    // that of a ReplicationController is a map of labels
    let labels = object::strings(if selector["matchLabels"].is_object() {
        &selector["matchLabels"]
    } else {
        selector
    });
    let mut parts: Vec<(String, String)> =
        labels.into_iter().map(|(key, value)| (key.clone(), format!("{key}={value}"))).collect();
    for expression in object::list(&selector["matchExpressions"]) {
        let key = expression["key"].as_str()?;
        let mut values: Vec<&str> =
            object::list(&expression["values"]).iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let text = match expression["operator"].as_str()? {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        parts.push((key.to_owned(), text));
    }
    parts.sort();
    (!parts.is_empty())
        .then(|| parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_says_how_many_and_which() {
        for (spec, expected) in [
            (
                json!({"replicas": 2, "selector": {"matchLabels": {"b": "1", "a": "2"}}}),
                json!([{"replicas": 2}, "a=2,b=1"]),
            ),
            (
                json!({"replicas": 0, "selector": {"matchLabels": {"b": "1"},
                    "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}}),
                json!([{}, "a in (x,y),b=1"]),
            ),
        ] {
            let scale =
                scale(&json!({"metadata": {"name": "x"}, "spec": spec, "status": {"replicas": 1}}));
            assert_eq!(json!([scale["spec"], scale["status"]["selector"]]), expected, "{spec}");
        }
    }
}
