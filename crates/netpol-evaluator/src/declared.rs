//! Edges that workloads declare: addresses in their environment.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Destination, Edge, Inventory, PortName, Protocol, Source, host};

/// An address in the environment of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The edge from the template.
    pub edge: Edge,
    /// The workload: `deployment/web`.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// What the variable holds, without user and password: `data-manager:80`.
    pub to: String,
    /// The variable.
    pub variable: String,
}

/// The addresses in the literal and ConfigMap-given variables of workloads, of one namespace or of
/// all, each once a workload. A value counts as an address when it is a URL, or when it is
/// `host:port` and the host is a Service.
#[must_use]
pub fn declared(
    inventory: &Inventory,
    objects: &[Value],
    namespace: Option<&str>,
) -> Vec<Declared> {
    let mut maps: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    for object in objects.iter().filter(|object| object["kind"] == "ConfigMap") {
        maps.insert(place(object), &object["data"]);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for object in objects {
        let (own, name) = place(object);
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        if !is_workload(inventory, object) || namespace.is_some_and(|wanted| wanted != own) {
            continue;
        }
        for (variable, value) in variables(object, own, &maps) {
            for part in value.split([',', ' ']).filter(|part| !part.is_empty()) {
                let Some((destination, port)) = address(inventory, own, part) else { continue };
                let host = match &destination {
                    Destination::Host(host) => host.clone(),
                    Destination::Address(address) => address.to_string(),
                    Destination::Pod { name, .. } | Destination::Service { name, .. } => {
                        name.clone()
                    }
                };
                let to = format!("{host}:{port}");
                if seen.insert((own.to_owned(), kind.clone(), name.to_owned(), to.clone())) {
                    let source = Source::Workload {
                        kind: kind.clone(),
                        namespace: own.to_owned(),
                        name: name.to_owned(),
                    };
                    let edge = Edge {
                        source,
                        destination,
                        port: PortName::Number(port),
                        protocol: Protocol::Tcp,
                        addresses: Vec::new(),
                    };
                    found.push(Declared {
                        edge,
                        workload: format!("{kind}/{name}"),
                        namespace: own.to_owned(),
                        to,
                        variable: variable.clone(),
                    });
                }
            }
        }
    }
    found.sort_by(|left, right| {
        (&left.namespace, &left.workload, &left.to).cmp(&(
            &right.namespace,
            &right.workload,
            &right.to,
        ))
    });
    found
}

pub(super) fn place(object: &Value) -> (&str, &str) {
    (
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default(),
    )
}

fn address(inventory: &Inventory, namespace: &str, text: &str) -> Option<(Destination, u16)> {
    let (destination, port) = host::parse(text)?;
    let port = port?;
    if text.contains("://") {
        return Some((destination, port));
    }
    let Destination::Host(host) = &destination else { return None };
    let mut parts = host.split('.');
    let (name, place) = (parts.next()?, parts.next().unwrap_or(namespace));
    inventory
        .services
        .iter()
        .any(|service| service.name == name && service.namespace == place)
        .then_some((destination, port))
}

/// Whether an object is a workload. What a controller made is declared by that.
pub(super) fn is_workload(inventory: &Inventory, object: &Value) -> bool {
    let (namespace, name) = place(object);
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    inventory.workloads.iter().any(|workload| {
        workload.kind == kind && workload.name == name && workload.pod.namespace == namespace
    })
}

/// The containers of a workload's template, those of init last.
pub(super) fn containers(object: &Value) -> impl Iterator<Item = &Value> {
    let template = if object["kind"] == "CronJob" {
        &object["spec"]["jobTemplate"]["spec"]["template"]
    } else {
        &object["spec"]["template"]
    };
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|key| template["spec"][key].as_array().into_iter().flatten())
}

fn variables(
    object: &Value,
    namespace: &str,
    maps: &BTreeMap<(&str, &str), &Value>,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for container in containers(object) {
        for from in container["envFrom"].as_array().into_iter().flatten() {
            let map =
                from["configMapRef"]["name"].as_str().and_then(|name| maps.get(&(namespace, name)));
            let entries = map.and_then(|map| map.as_object()).into_iter().flatten();
            all.extend(
                entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))),
            );
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let reference = &variable["valueFrom"]["configMapKeyRef"];
            let from_map = || {
                let map = maps.get(&(namespace, reference["name"].as_str()?))?;
                map[reference["key"].as_str()?].as_str()
            };
            let value = variable["value"].as_str().or_else(from_map);
            all.extend(
                variable["name"]
                    .as_str()
                    .zip(value)
                    .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_in_the_environment() {
        let objects = vec![
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c",
                "namespace": "n"}, "data": {"URL": "http://api:80", "LOG": "debug",
                "HOSTS": "db:5432,other:1"}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db",
                "namespace": "n"}, "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web",
                "namespace": "n"}, "spec": {"template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                "name": "web",
                "envFrom": [{"configMapRef": {"name": "c"}}],
                "env": [
                    {"name": "API", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "URL"}}},
                    {"name": "RATIO", "value": "3:4"},
                    {"name": "STORE", "value": "redis://u:secret@cache.other/0"},
                    {"name": "URI", "valueFrom": {"secretKeyRef": {"name": "s", "key": "uri"}}}
                ]
            }]}}}}),
        ];
        let inventory = Inventory::from_objects(&objects);
        let found = declared(&inventory, &objects, Some("n"));
        let told: Vec<String> = found
            .iter()
            .map(|one| format!("{} {} {}", one.workload, one.to, one.variable))
            .collect();
        assert_eq!(
            told,
            [
                "deployment/web api:80 URL",
                "deployment/web cache.other:6379 STORE",
                "deployment/web db:5432 HOSTS"
            ]
        );
        assert!(declared(&inventory, &objects, Some("m")).is_empty());
    }
}
