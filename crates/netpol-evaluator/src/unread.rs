//! Connections that a workload may need and that nobody could look at, because where they lead is
//! not known: the address is in a Secret, or in a ConfigMap that is not there.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::declared::{containers, is_workload, place};
use super::{GraphNode, Inventory};

/// Endings of the names of variables that hold an address.
const ADDRESSES: [&str; 14] = [
    "ADDR",
    "ADDRESS",
    "ADDRESSES",
    "BROKERS",
    "CONNECTION_STRING",
    "DSN",
    "ENDPOINT",
    "ENDPOINTS",
    "HOST",
    "HOSTS",
    "SERVER",
    "SERVERS",
    "URI",
    "URL",
];

/// A variable that holds an address, as its name says, and whose value was not read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotLookedAt {
    /// The workload that has the variable.
    pub source: GraphNode,
    /// The variable; `*` stands for all that a Secret or ConfigMap sets.
    pub variable: String,
    /// Why its value is not known.
    pub reason: String,
}

/// The variables of the workloads of a namespace whose names say that they hold an address, and whose
/// values are in a Secret or were not found. Secrets are never read.
#[must_use]
pub fn not_looked_at(
    inventory: &Inventory,
    objects: &[Value],
    namespace: &str,
) -> Vec<NotLookedAt> {
    let map = |name: &str| {
        objects
            .iter()
            .find(|object| object["kind"] == "ConfigMap" && place(object) == (namespace, name))
    };
    let mut found = BTreeSet::new();
    for object in objects {
        let (own, name) = place(object);
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        if own != namespace || kind == "job" || !is_workload(inventory, object) {
            continue;
        }
        let source = GraphNode { namespace: own.to_owned(), name: format!("{kind}/{name}") };
        let unread = containers(object).flat_map(|container| {
            let all = container["envFrom"].as_array().into_iter().flatten();
            let one = container["env"].as_array().into_iter().flatten();
            all.filter_map(|from| of_all(from, &map)).chain(one.filter_map(|one| of_one(one, &map)))
        });
        found.extend(unread.map(|(variable, reason)| NotLookedAt {
            source: source.clone(),
            variable,
            reason,
        }));
    }
    found.into_iter().collect()
}

fn of_all<'a>(from: &Value, map: &impl Fn(&str) -> Option<&'a Value>) -> Option<(String, String)> {
    if let Some(secret) = from["secretRef"]["name"].as_str() {
        return Some(("*".to_owned(), format!("in Secret {secret}, which is not read")));
    }
    let name = from["configMapRef"]["name"].as_str()?;
    let missing = || format!("ConfigMap {name} does not exist or could not be read");
    map(name).is_none().then(|| ("*".to_owned(), missing()))
}

fn of_one<'a>(
    variable: &Value,
    map: &impl Fn(&str) -> Option<&'a Value>,
) -> Option<(String, String)> {
    let name = variable["name"].as_str().filter(|name| is_address(name))?;
    let from = &variable["valueFrom"];
    let reason = if let Some(secret) = from["secretKeyRef"]["name"].as_str() {
        format!("in Secret {secret}, which is not read")
    } else {
        let reference = &from["configMapKeyRef"];
        let (owner, key) = (reference["name"].as_str()?, reference["key"].as_str()?);
        match map(owner) {
            None => format!("ConfigMap {owner} does not exist or could not be read"),
            Some(map) if map["data"][key].is_string() => return None,
            Some(_) => format!("ConfigMap {owner} has no key {key}"),
        }
    };
    Some((name.to_owned(), reason))
}

fn is_address(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    ADDRESSES.iter().any(|end| {
        name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with(['_', '.']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_that_is_not_read_is_named() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c",
                "namespace": "n"}, "data": {"URL": "http://api:80"}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web",
                "namespace": "n"}, "spec": {"template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                "name": "web",
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "gone"}},
                    {"configMapRef": {"name": "c"}}],
                "env": [
                    {"name": "API_URL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "URL"}}},
                    {"name": "OLD_URL", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "OLD"}}},
                    {"name": "MONGODB_URI", "valueFrom": {"secretKeyRef": {"name": "s", "key": "u"}}},
                    {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
                    {"name": "CURL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
                    {"name": "LITERAL_HOST", "value": "x"}
                ]
            }]}}}}),
        ];
        let inventory = Inventory::from_objects(&objects);
        let found: Vec<String> = not_looked_at(&inventory, &objects, "n")
            .iter()
            .map(|one| format!("{} {}: {}", one.source.name, one.variable, one.reason))
            .collect();
        assert_eq!(
            found,
            [
                "deployment/web *: ConfigMap gone does not exist or could not be read",
                "deployment/web *: in Secret all, which is not read",
                "deployment/web MONGODB_URI: in Secret s, which is not read",
                "deployment/web OLD_URL: ConfigMap c has no key OLD",
            ]
        );
        assert!(not_looked_at(&inventory, &objects, "m").is_empty());
    }
}
