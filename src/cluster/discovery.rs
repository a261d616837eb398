//! Discovers the kinds that a cluster serves, once.

use std::sync::Arc;

use futures::future::join_all;
use http::Request;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Mutex;

use super::client::Cluster;
use super::error::{Doing, Error};
use crate::api::resource::Resource;

/// The remembered discovery of a cluster; at most one is under way at a time.
#[derive(Default)]
pub(super) struct Discovery {
    known: Mutex<Option<Arc<Served>>>,
}

/// What a cluster serves.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// In the server's order of groups and versions.
    pub(super) resources: Vec<Resource>,
    /// API groups whose server did not answer: what they serve is not known.
    pub(super) broken: Vec<String>,
}

/// The most API groups that are asked one by one, all at once.
const GROUPS: usize = 1000;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

impl Discovery {
    /// The remembered answer, or a new one.
    pub(super) async fn get(&self, cluster: &Cluster, again: bool) -> Result<Arc<Served>, Error> {
        let mut known = self.known.lock().await;
        if let (Some(served), false) = (&*known, again) {
            return Ok(served.clone());
        }
        let served = Arc::new(discover(cluster).await?);
        *known = Some(served.clone());
        Ok(served)
    }
}

/// Two requests on servers with aggregated discovery (1.26 and later), one more per group on
/// others.
async fn discover(cluster: &Cluster) -> Result<Served, Error> {
    let (core, groups) = tokio::join!(document(cluster, "/api"), document(cluster, "/apis"));
    let (core, groups) = (core?, groups?);
    let mut served = Served::default();
    for (document, root) in [(&core, "/api"), (&groups, "/apis")] {
        if document["kind"] == "APIGroupDiscoveryList" {
            aggregated(document, &mut served);
            continue;
        }
        let places = if root == "/api" { versions(document) } else { preferred(document) };
        if places.len() > GROUPS {
            return Err(cluster
                .doing("discover", format!("the kinds under {root}"))
                .not_understood(&format!("it names {} API groups", places.len())));
        }
        let lists =
            join_all(places.iter().map(|place| async move {
                document_at(cluster, &format!("{root}/{place}")).await
            }))
            .await;
        for (place, list) in places.iter().zip(lists) {
            match list {
                Ok(list) => resources(&list, place, &mut served),
                Err(error) if error.is_cluster_down() => return Err(error),
                Err(_) => served.broken.push(place.clone()),
            }
        }
    }
    Ok(served)
}

async fn document(cluster: &Cluster, path: &str) -> Result<Value, Error> {
    let request = Request::get(path).header(http::header::ACCEPT, AGGREGATED).body(Body::empty());
    let doing = cluster.doing("discover", format!("the kinds under {path}"));
    let (kind, list) =
        if path == "/api" { ("APIVersions", "versions") } else { ("APIGroupList", "groups") };
    match cluster.json(&doing, request).await? {
        document if document["kind"] == "APIGroupDiscoveryList" => {
            listing(&doing, "items", document)
        }
        document if document["kind"] == kind => listing(&doing, list, document),
        _ => {
            Err(doing
                .not_understood(&format!("it is neither a {kind} nor an APIGroupDiscoveryList")))
        }
    }
}

async fn document_at(cluster: &Cluster, path: &str) -> Result<Value, Error> {
    let doing = cluster.doing("discover", format!("the kinds under {path}"));
    match cluster.get_json(&doing, path).await? {
        document if document["kind"] == "APIResourceList" => listing(&doing, "resources", document),
        _ => Err(doing.not_understood("it is no APIResourceList")),
    }
}

/// A document with this list in it; Go writes an empty list as null.
fn listing(doing: &Doing, key: &str, document: Value) -> Result<Value, Error> {
    match document.get(key) {
        Some(Value::Array(_) | Value::Null) => Ok(document),
        _ => Err(doing.not_understood(&format!("it has no list {key}"))),
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    array(value).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn aggregated(list: &Value, served: &mut Served) {
    for group in array(&list["items"]) {
        let name = text(&group["metadata"]["name"]);
        for version in array(&group["versions"]) {
            if version["freshness"] == "Stale" {
                served.broken.push(format!("{name}/{}", text(&version["version"])));
            }
            for resource in array(&version["resources"]) {
                served.resources.push(Resource {
                    group: name.clone(),
                    version: text(&version["version"]),
                    kind: text(&resource["responseKind"]["kind"]),
                    plural: text(&resource["resource"]),
                    namespaced: resource["scope"] == "Namespaced",
                    short: short(resource),
                });
            }
        }
    }
}

fn short(resource: &Value) -> Vec<String> {
    let mut short = texts(&resource["shortNames"]);
    for key in ["singularResource", "singularName"] {
        short.extend(resource[key].as_str().filter(|name| !name.is_empty()).map(str::to_owned));
    }
    short
}

fn versions(core: &Value) -> Vec<String> {
    texts(&core["versions"])
}

fn preferred(groups: &Value) -> Vec<String> {
    array(&groups["groups"])
        .map(|group| text(&group["preferredVersion"]["groupVersion"]))
        .filter(|place| !place.is_empty())
        .collect()
}

fn resources(list: &Value, place: &str, served: &mut Served) {
    let (group, version) = place.split_once('/').unwrap_or(("", place));
    for resource in array(&list["resources"]) {
        let plural = text(&resource["name"]);
        // "pods/log" is a part of a kind, not one of its own.
        if plural.contains('/') {
            continue;
        }
        served.resources.push(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(&resource["kind"]),
            plural,
            namespaced: resource["namespaced"] == true,
            short: short(resource),
        });
    }
}
