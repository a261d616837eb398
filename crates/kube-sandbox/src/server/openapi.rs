//! The part of OpenAPI that clients ask before they write: which parameters a patch takes. Schemas
//! are not published, so that clients leave validation to the server.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::status::{Status, json_response};
use crate::kinds::{Resource, all};

/// Answers `/openapi/v3` and what is beneath it.
pub(crate) fn answer(custom: &[&'static Resource], path: &str) -> Result<Response, Status> {
    let rest = path.trim_start_matches("/openapi/v3").trim_matches('/');
    let body = if rest.is_empty() {
        index(custom)
    } else {
        document(custom, rest).ok_or_else(Status::no_such_path)?
    };
    Ok(json_response(&body))
}

/// Where a group is: `api/v1`, `apis/apps/v1`.
fn place(resource: &Resource) -> String {
    if resource.group.is_empty() {
        format!("api/{}", resource.version)
    } else {
        format!("apis/{}/{}", resource.group, resource.version)
    }
}

fn index(custom: &[&'static Resource]) -> Value {
    let places = all(custom).map(place);
    let paths: Map<String, Value> = places
        .map(|place| (place.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{place}")})))
        .collect();
    json!({"paths": paths})
}

fn document(custom: &[&'static Resource], wanted: &str) -> Option<Value> {
    let parameter = |name: &str| {
        json!({"name": name, "in": "query", "schema": {"type": "string",
        "uniqueItems": true}})
    };
    let parameters: Vec<Value> =
        ["dryRun", "fieldManager", "fieldValidation", "force"].into_iter().map(parameter).collect();
    let mut paths = Map::new();
    for resource in all(custom).filter(|resource| place(resource) == wanted) {
        let namespace = if resource.namespaced { "namespaces/{namespace}/" } else { "" };
        let kind =
            json!({"group": resource.group, "version": resource.version, "kind": resource.kind});
        let patch = json!({"parameters": parameters, "responses": {"200": {"description": "OK"}},
            "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind});
        paths.insert(
            format!("/{wanted}/{namespace}{}/{{name}}", resource.plural),
            json!({"patch": patch}),
        );
    }
    let info = json!({"title": "Kubernetes", "version": "v1.35.4+sandbox"});
    (!paths.is_empty()).then(
        || json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}),
    )
}
