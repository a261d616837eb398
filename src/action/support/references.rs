//! What a pod template refers to: new pods do not start without it.

use super::change::Guard;
use super::relation::needs;
use crate::action::Context;
use crate::cluster::{ErrorKind, builtin};
use crate::diagnosis::Object;
use crate::diagnosis::object::{array, name, text};
use futures::future::join_all;
use serde_json::Value;

/// Refuses to replace pods that run by pods that could not start, as something is gone that their
/// template refers to. What may not be read is not known to be missing.
pub(in crate::action) async fn missing(
    context: &Context,
    workload: &Value,
    template: &Value,
) -> Option<Guard> {
    let cluster = context.cluster().ok()?;
    let spec = spec_of(template, &workload["spec"]["volumeClaimTemplates"]);
    let object = Object::of(workload);
    let reads = needs(&spec).into_iter().map(|(kind, name)| {
        let namespace = Some(object.namespace.as_str());
        async move {
            let read = cluster.get(&builtin(kind)?, namespace, name).await;
            let is_missing = read.is_err_and(|error| error.kind == ErrorKind::NotFound);
            is_missing.then(|| format!("{kind} {name}"))
        }
    });
    let missing = join_all(reads).await.into_iter().flatten().next()?;
    Some(Guard {
        id: "missing-reference",
        reason: format!(
            "the pod template of {object} refers to {missing}, which does not exist: new pods would \
                not start"
        ),
        way: format!("create {missing} first"),
    })
}

/// The spec of the pods of a template. A claim that a StatefulSet makes for each pod takes the place of
/// the volume of its name (apps/v1, StatefulSetSpec.volumeClaimTemplates).
fn spec_of(template: &Value, claims: &Value) -> Value {
    let mut spec = template["spec"].clone();
    if let Some(volumes) = spec["volumes"].as_array_mut() {
        volumes.retain(|volume| !array(claims).any(|claim| name(claim) == text(&volume["name"])));
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::{needs, spec_of};
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
        let spec = spec_of(&template, &json!([{"metadata": {"name": "data"}}]));
        let found: Vec<String> =
            needs(&spec).into_iter().map(|(kind, name)| format!("{kind} {name}")).collect();
        assert_eq!(
            found.join(", "),
            "ConfigMap a, ConfigMap d, ConfigMap e, PersistentVolumeClaim g, Secret c, Secret f, \
                Secret h, ServiceAccount app"
        );
    }
}
