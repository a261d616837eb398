//! Deployments make ReplicaSets, ReplicaSets make pods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{events, letters};
use crate::sandbox::object;
use crate::sandbox::store::Store;

const REVISION: &str = "deployment.kubernetes.io/revision";

/// The templates that a Deployment had before the present one, oldest first, by namespace and name.
pub(crate) type History = BTreeMap<(String, String), Vec<Value>>;

/// One ReplicaSet for each template of each Deployment; the present one has all the replicas.
pub(crate) fn deployments(store: &mut Store, history: &History, now: Timestamp) {
    let all: Vec<Value> = store.list("deployments", None).map(|deployment| (**deployment).clone()).collect();
    for mut deployment in all {
        let (namespace, name) = (object::namespace(&deployment).to_owned(), object::name(&deployment).to_owned());
        let present = deployment["spec"]["template"].clone();
        let former = history.get(&(namespace.clone(), name.clone())).map(Vec::as_slice).unwrap_or_default();
        let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let revision = former.len() + 1;
        for (index, template) in former.iter().chain([&present]).enumerate() {
            let current = index + 1 == revision;
            let set = replica_set(&deployment, template, index + 1, if current { replicas } else { 0 });
            let set_name = object::name(&set).to_owned();
            let fresh = store.get("replicasets", &namespace, &set_name).is_none();
            store.put(set, now);
            if fresh && current && replicas > 0 {
                let message = format!("Scaled up replica set {set_name} from 0 to {replicas}");
                events::record(store, &deployment, "deployment-controller", "ScalingReplicaSet", &message, now);
            }
        }
        deployment["metadata"]["annotations"][REVISION] = json!(revision.to_string());
        store.put(deployment, now);
    }
}

fn replica_set(deployment: &Value, template: &Value, revision: usize, replicas: u64) -> Value {
    let hash = letters(&template.to_string(), 10);
    let mut template = template.clone();
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = json!(hash);
    let desired = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", object::name(deployment)), "namespace": object::namespace(deployment),
            "labels": template["metadata"]["labels"],
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": desired.to_string(),
                "deployment.kubernetes.io/max-replicas": (desired + desired.div_ceil(4)).to_string(),
                REVISION: revision.to_string(),
            },
            "ownerReferences": [owner(deployment)],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"observedGeneration": 1, "replicas": 0},
    })
}

fn owner(object: &Value) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true})
}

/// The pods that each ReplicaSet wants.
pub(crate) fn replica_sets(store: &mut Store, now: Timestamp) {
    let sets: Vec<Value> = store.list("replicasets", None).map(|set| (**set).clone()).collect();
    for set in sets {
        let namespace = object::namespace(&set);
        for ordinal in 0..set["spec"]["replicas"].as_u64().unwrap_or(0) {
            let name = format!("{}-{}", object::name(&set), letters(&format!("{}/{ordinal}", object::name(&set)), 5));
            if store.get("pods", namespace, &name).is_some() {
                continue;
            }
            let template = &set["spec"]["template"];
            let mut spec = template["spec"].clone();
            spec["nodeName"] = json!("node");
            spec["enableServiceLinks"] = json!(true);
            spec["preemptionPolicy"] = json!("PreemptLowerPriority");
            spec["priority"] = json!(0);
            if spec.get("serviceAccountName").is_none() {
                spec["serviceAccountName"] = json!("default");
                spec["serviceAccount"] = json!("default");
            }
            spec["tolerations"] = json!([
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ]);
            let mut metadata = json!({"name": name, "generateName": format!("{}-", object::name(&set)), "namespace": namespace, "labels": template["metadata"]["labels"], "ownerReferences": [owner(&set)]});
            if template["metadata"]["annotations"].is_object() {
                metadata["annotations"] = template["metadata"]["annotations"].clone();
            }
            store.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending", "qosClass": qos(&template["spec"])}}), now);
            events::record(store, &set, "replicaset-controller", "SuccessfulCreate", &format!("Created pod: {name}"), now);
        }
    }
}

fn qos(spec: &Value) -> &'static str {
    let containers = object::list(&spec["containers"]);
    let any = containers.iter().any(|container| container["resources"].as_object().is_some_and(|resources| !resources.is_empty()));
    let guaranteed = any
        && containers
            .iter()
            .all(|container| container["resources"]["limits"].is_object() && container["resources"]["requests"] == container["resources"]["limits"]);
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, false) => "Burstable",
        (true, true) => "Guaranteed",
    }
}

/// What ReplicaSets and Deployments say about their pods.
pub(crate) fn deployment_status(store: &mut Store, now: Timestamp) {
    let sets: Vec<Value> = store.list("replicasets", None).map(|set| (**set).clone()).collect();
    for mut set in sets {
        let uid = set["metadata"]["uid"].clone();
        let pods: Vec<_> = store.list("pods", Some(object::namespace(&set))).filter(|pod| object::owned_by(pod, &uid)).collect();
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        let mut status = json!({"replicas": pods.len(), "fullyLabeledReplicas": pods.len(), "readyReplicas": ready, "availableReplicas": ready, "observedGeneration": set["metadata"]["generation"]});
        drop_zeros(&mut status);
        status["replicas"] = json!(pods.len());
        set["status"] = status;
        store.put(set, now);
    }
    let all: Vec<Value> = store.list("deployments", None).map(|deployment| (**deployment).clone()).collect();
    for mut deployment in all {
        let uid = deployment["metadata"]["uid"].clone();
        let namespace = object::namespace(&deployment).to_owned();
        let revision = &deployment["metadata"]["annotations"][REVISION];
        let owned: Vec<_> = store.list("replicasets", Some(&namespace)).filter(|set| object::owned_by(set, &uid)).collect();
        let sum = |field: &str, current: bool| -> u64 {
            owned.iter().filter(|set| !current || set["metadata"]["annotations"][REVISION] == *revision).filter_map(|set| set["status"][field].as_u64()).sum()
        };
        let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let available = sum("availableReplicas", false);
        let mut status = json!({
            "observedGeneration": deployment["metadata"]["generation"], "replicas": sum("replicas", false), "updatedReplicas": sum("replicas", true),
            "readyReplicas": sum("readyReplicas", false), "availableReplicas": available, "unavailableReplicas": wanted.saturating_sub(available),
        });
        drop_zeros(&mut status);
        let current =
            owned.iter().find(|set| set["metadata"]["annotations"][REVISION] == *revision).map(|set| object::name(set).to_owned()).unwrap_or_default();
        let condition = |kind: &str, holds: bool, reason: &str, message: String| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastUpdateTime": object::time(now), "lastTransitionTime": object::time(now), "reason": reason, "message": message});
        status["conditions"] = if available >= wanted {
            json!([
                condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned()),
                condition("Progressing", true, "NewReplicaSetAvailable", format!("ReplicaSet \"{current}\" has successfully progressed.")),
            ])
        } else {
            json!([
                condition("Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".to_owned()),
                condition("Progressing", false, "ProgressDeadlineExceeded", format!("ReplicaSet \"{current}\" has timed out progressing.")),
            ])
        };
        deployment["status"] = status;
        store.put(deployment, now);
    }
}

fn drop_zeros(status: &mut Value) {
    if let Value::Object(fields) = status {
        fields.retain(|_, value| value.as_u64() != Some(0));
    }
}

fn is_ready(pod: &Value) -> bool {
    object::list(&pod["status"]["conditions"]).iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
