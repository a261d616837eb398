//! Decodes the objects that clients send.

use serde_json::{Map, Value, json};

use super::asked::{Asked, Validation};
use super::quantities;
use crate::kinds::Resource;
use crate::object;
use crate::server::messages;
use crate::server::status::Status;

/// Reads JSON, YAML or the binary form, an object in any case.
pub(crate) fn object(content_type: &str, body: &[u8]) -> Result<Value, Status> {
    let value: Value = match content_type {
        "" | "application/json" | "*/*" => serde_json::from_slice(body)
            .map_err(|error| Status::bad_request(format!("error decoding the body: {error}")))?,
        "application/yaml" | "application/apply-patch+yaml" => yaml(body)?,
        "application/vnd.kubernetes.protobuf" => messages::object(body).ok_or_else(|| {
            Status::bad_request("the object provided is unrecognized: the message cannot be read")
        })?,
        _ => {
            return Err(Status::unsupported_media_types(
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            ));
        }
    };
    if !value.is_object() {
        return Err(Status::bad_request(
            "the object provided is unrecognized: it is not an object",
        ));
    }
    if !value["metadata"].is_object() && !value["metadata"].is_null() {
        return Err(Status::bad_request(
            "the object provided is unrecognized: its metadata is not an object",
        ));
    }
    Ok(value)
}

fn yaml(body: &[u8]) -> Result<Value, Status> {
    let wrong = |reason: String| Status::bad_request(format!("error decoding YAML: {reason}"));
    let text = std::str::from_utf8(body).map_err(|error| wrong(error.to_string()))?;
    serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))
}

/// Makes sure that an object is what the path says, completes its kind and namespace, and drops
/// what the API does not know.
pub(crate) fn fit(asked: &Asked<'_>, mut value: Value) -> Result<Value, Status> {
    let resource = asked.target.resource;
    let version = resource.api_version();
    match (value["apiVersion"].as_str(), value["kind"].as_str()) {
        (None | Some(""), _) => value["apiVersion"] = json!(version),
        (Some(other), _) if other != version => {
            return Err(Status::bad_request(format!(
                "the API version in the data ({other}) does not match the expected API version \
                    ({version})"
            )));
        }
        _ => {}
    }
    match value["kind"].as_str() {
        None | Some("") => value["kind"] = json!(resource.kind),
        Some(other) if other != resource.kind => {
            return Err(Status::bad_request(format!(
                "{other} in version \"{}\" cannot be handled as a {}",
                resource.version, resource.kind
            )));
        }
        Some(_) => {}
    }
    if !value["metadata"].is_object() {
        value["metadata"] = Value::Object(Map::new());
    }
    let namespace = object::namespace(&value).to_owned();
    if resource.namespaced {
        if !namespace.is_empty() && namespace != asked.target.namespace_name() {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                    request",
            ));
        }
        value["metadata"]["namespace"] = json!(asked.target.namespace_name());
    } else if !namespace.is_empty() {
        return Err(Status::bad_request("namespace is not allowed on this type"));
    }
    known(resource, value, asked.validation)
}

/// Refuses values of the wrong type, and fields that the API does not know or drops them.
pub(crate) fn known(
    resource: &Resource,
    mut value: Value,
    validation: Validation,
) -> Result<Value, Status> {
    drop_nulls(&mut value);
    quantities::as_text(&mut value);
    let handled = format!(
        "{} in version \"{}\" cannot be handled as a {}",
        resource.kind, resource.version, resource.kind
    );
    let unknown = kube_types::check(resource.kind, &mut value)
        .map_err(|reason| Status::bad_request(format!("{handled}: {reason}")))?;
    if validation == Validation::Strict && !unknown.is_empty() {
        let fields: Vec<String> =
            unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
        return Err(Status::bad_request(format!(
            "{handled}: strict decoding error: {}",
            fields.join(", ")
        )));
    }
    Ok(value)
}

/// A field that is null is a field that is not there.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::kinds::{CUSTOM, RESOURCES};

    #[test]
    fn every_kind_has_a_type() {
        // a definition is read for what it defines
        for resource in RESOURCES.iter().filter(|kind| kind.plural != CUSTOM) {
            let mut object = json!({"apiVersion": resource.api_version(), "kind": resource.kind,
                "metadata": {"labels": 1}});
            assert!(kube_types::check(resource.kind, &mut object).is_err(), "{}", resource.kind);
        }
    }
}
