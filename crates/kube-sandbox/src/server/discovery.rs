//! Discovery, in the classic and in the aggregated form.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::status::{Status, json_response};
use crate::kinds::{REVIEWS, Resource, VERBS, all, beneath, groups};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn answer(
    custom: &[&'static Resource],
    path: &str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Status> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let aggregated = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("g=apidiscovery.k8s.io;v=v2;"));
    let body = match parts.as_slice() {
        ["api"] if aggregated => return Ok(aggregate(vec![group(custom, "", "v1")])),
        ["apis"] if aggregated => {
            return Ok(aggregate(
                groups(custom)
                    .into_iter()
                    .map(|(name, version)| group(custom, name, version))
                    .collect(),
            ));
        }
        ["api"] => {
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        }
        ["apis"] => {
            json!({"kind": "APIGroupList", "apiVersion": "v1",
                "groups": groups(custom).into_iter().map(|(name, version)| api_group(name,
                version)).collect::<Vec<_>>()})
        }
        ["api", "v1"] => resource_list(custom, "", "v1"),
        ["apis", name] => {
            let (name, version) = groups(custom)
                .into_iter()
                .find(|(known, _)| known == name)
                .ok_or_else(Status::no_such_path)?;
            let mut object = api_group(name, version);
            object["kind"] = json!("APIGroup");
            object["apiVersion"] = json!("v1");
            object
        }
        ["apis", name, version] if groups(custom).contains(&(*name, *version)) => {
            resource_list(custom, name, version)
        }
        _ => return Err(Status::no_such_path()),
    };
    if *method == Method::GET {
        Ok(json_response(&body))
    } else {
        Err(Status::method_not_allowed())
    }
}

fn aggregate(items: Vec<Value>) -> Response {
    let body = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items});
    ([(header::CONTENT_TYPE, AGGREGATED)], body.to_string()).into_response()
}

fn api_group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn of_group<'a>(
    custom: &'a [&'static Resource],
    group: &'a str,
) -> impl Iterator<Item = &'static Resource> + 'a {
    all(custom).filter(move |resource| resource.group == group)
}

fn group(custom: &[&'static Resource], name: &str, version: &str) -> Value {
    let stored = of_group(custom, name).map(|resource| {
        let subresources: Vec<Value> = resource
            .subresources
            .iter()
            .map(|(name, kind, verbs)| {
                let (group, version) = if *kind == resource.kind {
                    (resource.group, resource.version)
                } else {
                    beneath(kind).unwrap_or_default()
                };
                json!({"subresource": name, "responseKind": {"group": group, "version": version,
                    "kind": kind}, "verbs": verbs})
            })
            .collect();
        let mut object = json!({
            "resource": resource.plural, "responseKind": {"group": resource.group,
            "version": resource.version, "kind": resource.kind},
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": resource.singular(), "verbs": VERBS,
        });
        if !resource.short.is_empty() {
            object["shortNames"] = json!(resource.short);
        }
        if !resource.categories().is_empty() {
            object["categories"] = json!(resource.categories());
        }
        if !subresources.is_empty() {
            object["subresources"] = json!(subresources);
        }
        object
    });
    let reviews = REVIEWS.iter().filter(|review| review.group == name).map(|review| {
        json!({"resource": review.plural, "responseKind": {"group": review.group, "version": "v1",
            "kind": review.kind}, "scope": "Cluster",
            "singularResource": review.kind.to_ascii_lowercase(), "verbs": ["create"]})
    });
    let resources: Vec<Value> = stored.chain(reviews).collect();
    let metadata = if name.is_empty() {
        json!({"creationTimestamp": null})
    } else {
        json!({"name": name, "creationTimestamp": null})
    };
    json!({"metadata": metadata,
        "versions": [{"version": version, "resources": resources, "freshness": "Current"}]})
}

fn resource_list(custom: &[&'static Resource], group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for resource in of_group(custom, group) {
        resources.push(json!({"name": resource.plural, "singularName": resource.singular(),
            "namespaced": resource.namespaced, "kind": resource.kind, "verbs": VERBS,
            "shortNames": resource.short, "categories": resource.categories()}));
        for (name, kind, verbs) in resource.subresources {
            let mut one = json!({"name": format!("{}/{name}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": verbs});
            if let Some((group, version)) = beneath(kind) {
                one["group"] = json!(group);
                one["version"] = json!(version);
            }
            resources.push(one);
        }
    }
    for review in REVIEWS.iter().filter(|review| review.group == group) {
        resources
            .push(json!({"name": review.plural, "singularName": review.kind.to_ascii_lowercase(),
                "namespaced": false, "kind": review.kind, "verbs": ["create"]}));
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": resources})
}
