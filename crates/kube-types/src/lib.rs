#![doc = include_str!("../README.md")]

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v2 as autoscaling,
    batch::v1 as batch, coordination::v1 as coordination, core::v1 as core,
    discovery::v1 as discovery, networking::v1 as networking, policy::v1 as policy,
    rbac::v1 as rbac, storage::v1 as storage,
};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as registration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Removes the fields of an object that its kind does not have, and names them, as
/// `spec.containers[0].nosuch`. A kind without a type here has all fields.
///
/// # Errors
/// When a field has a value of the wrong type: what the type's reader says.
pub fn check(kind: &str, value: &mut Value) -> Result<Vec<String>, String> {
    let read = match kind {
        "ConfigMap" => again::<core::ConfigMap>,
        "Endpoints" => again::<core::Endpoints>,
        "Event" => again::<core::Event>,
        "LimitRange" => again::<core::LimitRange>,
        "Namespace" => again::<core::Namespace>,
        "Node" => again::<core::Node>,
        "PersistentVolumeClaim" => again::<core::PersistentVolumeClaim>,
        "PersistentVolume" => again::<core::PersistentVolume>,
        "Pod" => again::<core::Pod>,
        "ReplicationController" => again::<core::ReplicationController>,
        "ResourceQuota" => again::<core::ResourceQuota>,
        "Secret" => again::<core::Secret>,
        "ServiceAccount" => again::<core::ServiceAccount>,
        "Service" => again::<core::Service>,
        "ControllerRevision" => again::<apps::ControllerRevision>,
        "MutatingWebhookConfiguration" => again::<admission::MutatingWebhookConfiguration>,
        "ValidatingWebhookConfiguration" => again::<admission::ValidatingWebhookConfiguration>,
        "APIService" => again::<registration::APIService>,
        "StorageClass" => again::<storage::StorageClass>,
        "DaemonSet" => again::<apps::DaemonSet>,
        "Deployment" => again::<apps::Deployment>,
        "ReplicaSet" => again::<apps::ReplicaSet>,
        "StatefulSet" => again::<apps::StatefulSet>,
        "HorizontalPodAutoscaler" => again::<autoscaling::HorizontalPodAutoscaler>,
        "CronJob" => again::<batch::CronJob>,
        "Job" => again::<batch::Job>,
        "Lease" => again::<coordination::Lease>,
        "EndpointSlice" => again::<discovery::EndpointSlice>,
        "Ingress" => again::<networking::Ingress>,
        "IngressClass" => again::<networking::IngressClass>,
        "NetworkPolicy" => again::<networking::NetworkPolicy>,
        "PodDisruptionBudget" => again::<policy::PodDisruptionBudget>,
        "ClusterRoleBinding" => again::<rbac::ClusterRoleBinding>,
        "ClusterRole" => again::<rbac::ClusterRole>,
        "RoleBinding" => again::<rbac::RoleBinding>,
        "Role" => again::<rbac::Role>,
        _ => return Ok(Vec::new()),
    };
    let known = read(value)?;
    let mut unknown = Vec::new();
    remove_unknown(value, &known, "", &mut unknown);
    Ok(unknown)
}

/// The object as its type reads and writes it.
fn again<K: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, String> {
    let object: K = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(object).map_err(|error| error.to_string())
}

fn remove_unknown(value: &mut Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (value, known) {
        (Value::Object(fields), Value::Object(known)) => fields.retain(|key, value| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.get(key) {
                Some(known) => {
                    remove_unknown(value, known, &path, unknown);
                    true
                }
                None => {
                    unknown.push(path);
                    false
                }
            }
        }),
        (Value::Array(items), Value::Array(known)) => {
            for (index, (item, known)) in items.iter_mut().zip(known).enumerate() {
                remove_unknown(item, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_fields_are_named_and_removed_and_wrong_types_refused() {
        let with = |spec: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x"}, "spec": spec})
        };
        let mut object = with(json!({"selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "a", "nosuch": 1}]}}, "other": {}}));
        assert_eq!(
            check("Deployment", &mut object).unwrap(),
            ["spec.template.spec.containers[0].nosuch", "spec.other"]
        );
        assert_eq!(object["spec"]["template"]["spec"]["containers"][0], json!({"name": "a"}));
        let refused = check("Deployment", &mut with(json!({"replicas": "three"}))).unwrap_err();
        assert!(refused.contains("invalid type: string \"three\", expected i32"), "{refused}");
    }
}
