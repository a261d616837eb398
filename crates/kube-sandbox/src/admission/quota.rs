//! The quotas of a namespace.
//!
//! After `plugin/pkg/admission/resourcequota/` and `pkg/quota/v1/evaluator/core/pods.go` of
//! Kubernetes; without scopes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Refusal;
use crate::kinds::RESOURCES;
use crate::object;
use crate::quantity;
use crate::store::Store;

pub(super) fn check(store: &Store, pod: &Value) -> Result<(), Refusal> {
    let wanted = of_pod(pod);
    for quota in store.list("resourcequotas", Some(object::namespace(pod))) {
        let hard = object::strings(&quota["spec"]["hard"]);
        let name = object::name(quota);
        let unspecified: Vec<&str> = hard
            .keys()
            .map(String::as_str)
            .filter(|key| is_compute(key) && !wanted.contains_key(*key))
            .collect();
        if !unspecified.is_empty() {
            let containers: Vec<&str> = object::list(&pod["spec"]["containers"])
                .iter()
                .filter_map(|container| container["name"].as_str())
                .collect();
            let why = format!(
                "failed quota: {name}: must specify {} for: {}",
                unspecified.join(","),
                containers.join(",")
            );
            return Err(Refusal::of_pod(pod, &why));
        }
        let mut exceeded: [Vec<String>; 3] = Default::default();
        for (key, most) in &hard {
            let (Some(asked), Some(most)) = (wanted.get(key), quantity::number(most)) else {
                continue;
            };
            let used = used(store, object::namespace(pod), key).unwrap_or(0.0);
            if used + asked > most {
                for (list, number) in exceeded.iter_mut().zip([*asked, used, most]) {
                    list.push(format!("{key}={}", quantity::text(number)));
                }
            }
        }
        let [requested, used, limited] = exceeded.map(|list| list.join(","));
        if !requested.is_empty() {
            let why = format!(
                "exceeded quota: {name}, requested: {requested}, used: {used}, limited: {limited}"
            );
            return Err(Refusal::of_pod(pod, &why));
        }
    }
    Ok(())
}

fn is_compute(key: &str) -> bool {
    matches!(key, "cpu" | "memory") || key.starts_with("requests.") || key.starts_with("limits.")
}

/// What the containers of a pod ask for together of a resource.
pub(crate) fn requested(pod: &Value, field: &str, resource: &str) -> Option<f64> {
    let asked: Vec<f64> = object::list(&pod["spec"]["containers"])
        .iter()
        .filter_map(|container| quantity::number(container["resources"][field][resource].as_str()?))
        .collect();
    (!asked.is_empty()).then(|| asked.iter().sum())
}

/// What a pod counts for, by the keys of quotas.
fn of_pod(pod: &Value) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::from([("pods".to_owned(), 1.0), ("count/pods".to_owned(), 1.0)]);
    for resource in ["cpu", "memory"] {
        for field in ["requests", "limits"] {
            let own = requested(pod, field, resource);
            // who states a limit alone asks for as much
            let number = own.or_else(|| requested(pod, "limits", resource));
            counts.extend(number.map(|number| (format!("{field}.{resource}"), number)));
        }
        if let Some(number) = counts.get(&format!("requests.{resource}")).copied() {
            counts.insert(resource.to_owned(), number);
        }
    }
    counts
}

/// What a namespace uses of what a quota limits; nothing where that is not counted.
pub(crate) fn used(store: &Store, namespace: &str, key: &str) -> Option<f64> {
    let pods = || {
        store.list("pods", Some(namespace)).filter(|pod| {
            pod["status"]["phase"] != "Succeeded" && pod["status"]["phase"] != "Failed"
        })
    };
    if key == "pods" || is_compute(key) {
        return Some(pods().filter_map(|pod| of_pod(pod).get(key).copied()).sum());
    }
    let name = key.strip_prefix("count/").unwrap_or(key);
    let resource = RESOURCES.iter().find(|resource| resource.qualified() == name)?;
    let count = store.list(resource.plural, Some(namespace)).count();
    u32::try_from(count).ok().map(f64::from)
}
