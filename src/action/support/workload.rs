//! What the verbs that change workloads share: the target object, its pod template, permissions,
//! and guards.

use super::change::Guard;
use super::fan_out::reading;
use super::guard;
use crate::action::{Access, Context, Failure, FailureKind, Target, Which};
use crate::cluster::{ErrorKind, Resource, Selection, builtin};
use serde_json::Value;

/// The object of a target by name.
pub(in crate::action) struct Found {
    pub(in crate::action) resource: Resource,
    pub(in crate::action) object: Value,
}

/// Reads the object that a target names.
///
/// # Errors
/// When it does not exist, or cannot be read.
pub(in crate::action) async fn find(context: &Context, target: &Target) -> Result<Found, Failure> {
    let Which::Name(name) = &target.which else {
        return Err(Failure::error(format!("{target}: a change requires one object, by name")));
    };
    let cluster = context.cluster()?;
    let resource = cluster.resolve(&target.kind).await?;
    match cluster.get(&resource, Some(target.namespace(&context.namespace)), name).await {
        Ok(object) => Ok(Found { resource, object }),
        Err(error) if error.kind == ErrorKind::NotFound => {
            Err(Failure::new(FailureKind::Failed, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks that a target names one object of a kind that the verb supports.
pub(in crate::action) fn check_target(
    verb: &str,
    target: &Target,
    kinds: &[&str],
) -> Result<(), String> {
    if matches!(target.which, Which::Selector(_)) {
        return Err(format!("`{verb}` changes one object: use its name, such as deployment/NAME"));
    }
    match builtin(&target.kind) {
        Some(resource) if !kinds.is_empty() && !kinds.contains(&resource.kind.as_str()) => {
            Err(format!("`{verb}` supports {}, not {}", kinds.join(", "), resource.kind))
        }
        _ => Ok(()),
    }
}

/// The kinds that have a pod template which can be changed.
pub(in crate::action) const TEMPLATED: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CronJob"];
/// The kinds whose change of template is rolled out.
pub(in crate::action) const ROLLED: &[&str] = &["Deployment", "StatefulSet", "DaemonSet"];

/// The JSON pointer of the pod template.
pub(in crate::action) fn template_of(kind: &str) -> &'static str {
    if kind == "CronJob" { "/spec/jobTemplate/spec/template" } else { "/spec/template" }
}

/// The containers of a pod template, those that run before the others included.
pub(in crate::action) fn containers(template: &mut Value) -> impl Iterator<Item = &mut Value> {
    let lists = template.get_mut("spec").and_then(Value::as_object_mut).into_iter().flatten();
    lists
        .filter(|(key, _)| *key == "containers" || *key == "initContainers")
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
}

/// The name of a container.
pub(in crate::action) fn name_of(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// Refuses a change if an autoscaler owns the replicas of this workload. Lists the autoscalers of
/// the cluster.
///
/// # Errors
/// When they cannot be listed.
pub(in crate::action) async fn autoscaled(
    context: &Context,
    object: &Value,
    replicas: u64,
) -> Result<Option<Guard>, Failure> {
    let cluster = context.cluster()?;
    let resource = cluster.resolve("HorizontalPodAutoscaler").await?;
    let autoscalers = cluster
        .list(&resource, object["metadata"]["namespace"].as_str(), &Selection::default())
        .await?;
    Ok(guard::autoscaled(&autoscalers, object, replicas))
}

/// The permissions to read and patch the object of a target.
pub(in crate::action) fn patching(target: &Target, step: &str) -> Vec<Access> {
    let Some(resource) = builtin(&target.kind) else { return Vec::new() };
    let name = match &target.which {
        Which::Name(name) => name.as_str(),
        Which::Selector(_) => "",
    };
    let namespace = target.namespace(step);
    ["get", "patch"].into_iter().map(|verb| reading(&resource, verb, namespace, name)).collect()
}

/// `namespace/deployment/name`, for the lock.
pub(in crate::action) fn lock_of(target: &Target, step: &str) -> Vec<String> {
    let known = builtin(&target.kind);
    let kind = known.as_ref().map_or(&target.kind, |resource| &resource.kind).to_ascii_lowercase();
    // an object without a namespace is locked in that of the run
    let place = if known.is_some_and(|resource| !resource.namespaced) {
        ""
    } else {
        target.namespace(step)
    };
    match &target.which {
        Which::Name(name) => vec![format!("{place}/{kind}/{name}")],
        Which::Selector(_) => Vec::new(),
    }
}

/// The guards that refuse any change of this object.
pub(in crate::action) fn guards(object: &Value) -> Vec<Guard> {
    guard::managed(object).into_iter().collect()
}

/// A strategy by which pods keep their template until somebody deletes them, or lowers the partition
/// (apps/v1, RollingUpdateStatefulSetStrategy).
pub(in crate::action) fn kept_back(workload: &Value) -> Option<Guard> {
    let strategy = &workload["spec"]["updateStrategy"];
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    if strategy["type"] == "OnDelete" {
        return Some(Guard {
            id: "update-on-delete",
            reason: format!("{name} has the update strategy OnDelete: no pod would be replaced"),
            way: "delete the pods one by one".to_owned(),
        });
    }
    let partition = strategy["rollingUpdate"]["partition"].as_i64().filter(|from| *from > 0)?;
    let replicas = workload["spec"]["replicas"].as_i64().unwrap_or(1);
    let kept = partition.min(replicas);
    (kept > 0).then(|| Guard {
        id: "update-partition",
        reason: format!(
            "{name} has the update partition {partition}: {kept} of {replicas} pods would not be \
                replaced"
        ),
        way: "set updateStrategy.rollingUpdate.partition to 0 first".to_owned(),
    })
}

/// The guards that refuse a change of the template of this workload.
pub(in crate::action) fn template_guards(object: &Value) -> Vec<Guard> {
    guards(object).into_iter().chain(guard::paused(object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_replaces_no_pods_by_itself_is_refused() {
        let set = |strategy: Value| {
            let spec = json!({"replicas": 2, "updateStrategy": strategy});
            kept_back(&json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}))
        };
        let rolling = |partition: i64| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
        assert_eq!(set(json!({"type": "OnDelete"})).unwrap().id, "update-on-delete");
        assert_eq!(
            set(rolling(5)).unwrap().reason,
            "db has the update partition 5: 2 of 2 pods would not be replaced"
        );
        assert!(set(rolling(1)).unwrap().reason.contains("1 of 2 pods"));
        assert!(set(rolling(0)).is_none());
        assert!(set(Value::Null).is_none());
    }
}
