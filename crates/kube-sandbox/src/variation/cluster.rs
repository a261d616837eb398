//! Variations of the cluster around the applications.

use serde_json::{Value, json};

use super::Chance;
use super::pods::{home, is_application};
use crate::object;

/// A namespace for tests, and in it the same applications with the same labels; beside the
/// applications themselves others with longer names.
pub(super) fn look_alikes(manifests: &mut Vec<Value>, chance: &mut Chance) {
    let home = home(manifests);
    let other = format!("{home}-{}", chance.of(&["staging", "blue", "test"]));
    let mut more =
        vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other,
            "labels": {"team": "platform", "environment": "staging"}}})];
    for manifest in manifests.iter().filter(|manifest| {
        object::namespace(manifest) == home
            && matches!(
                manifest["kind"].as_str(),
                Some("Service" | "ConfigMap" | "Secret" | "ServiceAccount")
            )
    }) {
        let mut copy = manifest.clone();
        copy["metadata"]["namespace"] = json!(other);
        object::merge(&mut copy, &json!({"spec": {"clusterIP": null}}));
        if copy["spec"].as_object().is_some_and(serde_json::Map::is_empty) {
            object::merge(&mut copy, &json!({"spec": null}));
        }
        more.push(copy);
    }
    for application in manifests.iter().filter(|manifest| {
        is_application(manifest)
            && object::namespace(manifest) == home
            && manifest["spec"]["replicas"].as_u64() == Some(3)
    }) {
        let mut copy = application.clone();
        copy["metadata"]["namespace"] = json!(other);
        copy["spec"]["replicas"] = json!(1);
        more.push(copy);
    }
    manifests.extend(more);
}

pub(super) fn cordoned_node(manifests: &mut Vec<Value>, _: &mut Chance) {
    let Some(node) = manifests.iter().find(|manifest| manifest["kind"] == "Node") else { return };
    let mut second = node.clone();
    object::merge(
        &mut second,
        &json!({
            "metadata": {"name": "spare-node", "labels": {"kubernetes.io/hostname": "spare-node"}},
            "spec": {"podCIDR": "10.244.9.0/24", "podCIDRs": ["10.244.9.0/24"],
            "unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable",
            "effect": "NoSchedule"}]},
        }),
    );
    second["status"]["addresses"] = json!([{"type": "InternalIP", "address": "10.245.0.9"},
        {"type": "Hostname", "address": "spare-node"}]);
    manifests.push(second);
}

/// An autoscaler whose bounds hold what there is.
pub(super) fn autoscaler(manifests: &mut Vec<Value>, _: &mut Chance) {
    if manifests.iter().any(|manifest| manifest["kind"] == "HorizontalPodAutoscaler") {
        return;
    }
    let of = |application: &Value| {
        let name = object::name(application);
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "namespace": object::namespace(application)},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment",
            "name": name}, "minReplicas": 1, "maxReplicas": 12,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 70}}}]}})
    };
    let home = home(manifests);
    let more: Vec<Value> = manifests
        .iter()
        .filter(|manifest| {
            is_application(manifest)
                && object::namespace(manifest) == home
                && manifest["spec"]["replicas"].as_u64() > Some(1)
        })
        .map(of)
        .collect();
    manifests.extend(more);
}

pub(super) fn disruption_budgets(manifests: &mut Vec<Value>, _: &mut Chance) {
    if manifests.iter().any(|manifest| manifest["kind"] == "PodDisruptionBudget") {
        return;
    }
    let of = |application: &Value| {
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": object::name(application),
            "namespace": object::namespace(application)},
            "spec": {"maxUnavailable": 1, "selector": application["spec"]["selector"]}})
    };
    let home = home(manifests);
    let more: Vec<Value> = manifests
        .iter()
        .filter(|manifest| is_application(manifest) && object::namespace(manifest) == home)
        .map(of)
        .collect();
    manifests.extend(more);
}

pub(super) fn foreign_cronjob(manifests: &mut Vec<Value>, _: &mut Chance) {
    manifests.push(
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly-report",
            "namespace": "default", "labels": {"app": "reports"}},
        "spec": {"schedule": "30 1 * * *", "suspend": true,
        "jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "reports"}},
            "spec": {"restartPolicy": "Never",
            "containers": [{"name": "report", "image": "fluent/fluent-bit:2.2.2",
            "command": ["report"]}]}}}}}}),
    );
}
