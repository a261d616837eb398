//! What a pod template refers to: new pods do not start without it.

use super::change::Guard;
use crate::action::Context;
use crate::cluster::{ErrorKind, builtin};
use serde_json::Value;
use std::collections::BTreeSet;

/// An object of the namespace, by kind and name.
type Reference = (&'static str, String);

/// Refuses to replace pods that run by pods that could not start, as something is gone that their
/// template refers to. What may not be read is not known to be missing.
pub(in crate::action) async fn missing(
    context: &Context,
    workload: &Value,
    template: &Value,
) -> Option<Guard> {
    let cluster = context.cluster().ok()?;
    let (metadata, kind) = (&workload["metadata"], workload["kind"].as_str().unwrap_or_default());
    for (referred, name) in references(template, &workload["spec"]["volumeClaimTemplates"]) {
        let Some(resource) = builtin(referred) else { continue };
        let read = cluster.get(&resource, metadata["namespace"].as_str(), &name).await;
        if read.is_err_and(|error| error.kind == ErrorKind::NotFound) {
            return Some(Guard {
                id: "missing-reference",
                reason: format!(
                    "the pod template of {}/{} refers to {referred} {name}, which does not exist: new \
                        pods would not start",
                    kind.to_ascii_lowercase(),
                    metadata["name"].as_str().unwrap_or_default()
                ),
                way: format!("create {referred} {name} first"),
            });
        }
    }
    None
}

/// What the pods of a template cannot do without. A claim that a StatefulSet makes for each pod takes
/// the place of the volume of its name (apps/v1, StatefulSetSpec.volumeClaimTemplates).
fn references(template: &Value, claims: &Value) -> BTreeSet<Reference> {
    let spec = &template["spec"];
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = BTreeSet::new();
    let mut add = |kind: &'static str, source: &Value, key: &str| {
        if let Some(name) = source[key].as_str().filter(|_| source["optional"] != true) {
            found.insert((kind, name.to_owned()));
        }
    };
    for container in array(&spec["containers"]).iter().chain(&array(&spec["initContainers"])) {
        for from in array(&container["envFrom"]) {
            add("ConfigMap", &from["configMapRef"], "name");
            add("Secret", &from["secretRef"], "name");
        }
        for variable in array(&container["env"]) {
            add("ConfigMap", &variable["valueFrom"]["configMapKeyRef"], "name");
            add("Secret", &variable["valueFrom"]["secretKeyRef"], "name");
        }
    }
    let made = array(claims);
    let is_made =
        |volume: &Value| made.iter().any(|claim| claim["metadata"]["name"] == volume["name"]);
    for volume in array(&spec["volumes"]).iter().filter(|volume| !is_made(volume)) {
        add("ConfigMap", &volume["configMap"], "name");
        add("Secret", &volume["secret"], "secretName");
        add("PersistentVolumeClaim", &volume["persistentVolumeClaim"], "claimName");
        for source in array(&volume["projected"]["sources"]) {
            add("ConfigMap", &source["configMap"], "name");
            add("Secret", &source["secret"], "name");
        }
    }
    add("ServiceAccount", spec, "serviceAccountName");
    found
}

#[cfg(test)]
mod tests {
    use super::references;
    use serde_json::json;

    #[test]
    fn all_that_a_template_cannot_do_without_is_found() {
        let template = json!({"spec": {
            "serviceAccountName": "app",
            "containers": [{"envFrom": [{"configMapRef": {"name": "a"}},
                    {"secretRef": {"name": "b", "optional": true}}],
                "env": [{"name": "X", "value": "1"},
                    {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}]}],
            "initContainers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "d"}}}]}],
            "volumes": [{"configMap": {"name": "e"}}, {"secret": {"secretName": "f"}}, {"emptyDir": {}},
                {"persistentVolumeClaim": {"claimName": "g"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "made"}},
                {"projected": {"sources": [{"secret": {"name": "h"}},
                    {"configMap": {"name": "i", "optional": true}}]}}]}});
        let found: Vec<String> = references(&template, &json!([{"metadata": {"name": "data"}}]))
            .into_iter()
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect();
        assert_eq!(
            found.join(", "),
            "ConfigMap a, ConfigMap d, ConfigMap e, PersistentVolumeClaim g, Secret c, Secret f, \
                Secret h, ServiceAccount app"
        );
    }
}
