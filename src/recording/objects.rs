//! Which objects a world has, as what, and what is kept of each.

use super::disguise::Disguise;
use super::{Gap, Seen, items, kind, name, namespace, text};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The objects of a world.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What was declared, without its state.
    pub(super) manifests: Vec<Value>,
    /// What controllers made, with its state.
    pub(super) states: Vec<Value>,
    /// The state of what was declared: a reference to the object, and what is merged into it.
    pub(super) patches: Vec<(Value, Value)>,
    pub(super) gaps: Vec<Gap>,
}

/// Annotations that repeat the object, or belong to a controller.
const DROPPED_ANNOTATIONS: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.daemonset.template.generation",
    "control-plane.alpha.kubernetes.io/leader",
    "pv.kubernetes.io/bind-completed",
];
/// Labels that name the uid of an object of the other cluster.
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
/// Kinds whose status nobody simulates: it is part of the manifest.
const KEPT_STATUS: [&str; 4] =
    ["Node", "PersistentVolume", "PersistentVolumeClaim", "HorizontalPodAutoscaler"];
/// Kinds whose state a controller goes on from.
const STATE: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"];
/// What the sandbox writes into a status by itself.
const OWN_STATUS: [&str; 4] =
    ["observedGeneration", "uncountedTerminatedPods", "active", "collisionCount"];

/// Sorts what was seen.
pub(super) fn sort(seen: &Seen, disguise: &Disguise) -> Sorted {
    let mut sorted = Sorted::default();
    for object in &seen.objects {
        if !belongs(object, &seen.objects) {
            continue;
        }
        let object = &of_known_owners(object, &seen.objects);
        if !text(object, "/metadata/deletionTimestamp").is_empty() {
            let why = "it was being deleted: the sandbox would finish that at once";
            sorted.gaps.push(Gap::new(words(object), why));
            continue;
        }
        let mut kept = cleaned(object);
        disguise.object(&mut kept);
        let status = kept.as_object_mut().and_then(|fields| fields.shift_remove("status"));
        let status = status.unwrap_or_default();
        if is_state(object) {
            kept["status"] = status;
            sorted.states.push(without_nulls(kept));
            continue;
        }
        if KEPT_STATUS.contains(&kind(object)) {
            kept["status"] = status;
        } else if STATE.contains(&kind(object)) && !status.is_null() {
            let with = json!({"status": without_nulls(own_state(status))});
            sorted.patches.push((reference(object), with));
        }
        if let Some(written) = object["metadata"].get("managedFields") {
            let with = json!({"metadata": {"managedFields": without_nulls(written.clone())}});
            sorted.patches.push((reference(object), with));
        }
        sorted.manifests.push(without_nulls(kept));
    }
    sorted.manifests.extend(missing_nodes(seen));
    sorted.manifests.extend(missing_namespaces(seen));
    sorted
}

fn reference(object: &Value) -> Value {
    json!({"kind": kind(object), "namespace": namespace(object), "name": name(object)})
}

/// `Pod shop/web-1`
pub(super) fn words(object: &Value) -> String {
    match namespace(object) {
        "" => format!("{} {}", kind(object), name(object)),
        namespace => format!("{} {namespace}/{}", kind(object), name(object)),
    }
}

/// Whether a controller has made an object, or it says what happens at the moment.
fn is_state(object: &Value) -> bool {
    matches!(kind(object), "Event" | "Lease") || is_owned(object)
}

fn is_owned(object: &Value) -> bool {
    items(object, "/metadata/ownerReferences").iter().any(|owner| owner["controller"] == true)
}

/// An object without owners that were not seen: it would be collected as garbage.
fn of_known_owners(object: &Value, all: &[Value]) -> Value {
    let known = |owner: &Value| {
        all.iter().any(|other| {
            (kind(other), name(other)) == (text(owner, "/kind"), text(owner, "/name"))
                && [namespace(object), ""].contains(&namespace(other))
        })
    };
    let mut object = object.clone();
    if let Some(owners) =
        object["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut)
    {
        owners.retain(known);
    }
    object
}

/// Whether an object is worth having: it does not come by itself from another one.
pub fn belongs(object: &Value, all: &[Value]) -> bool {
    let own = name(object);
    match kind(object) {
        "ConfigMap" => own != "kube-root-ca.crt",
        "ServiceAccount" => own != "default",
        "Secret" => text(object, "/type") != "kubernetes.io/service-account-token",
        "ControllerRevision" => false,
        "EndpointSlice" => {
            let manager = &object["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"];
            !manager.as_str().is_some_and(|manager| manager.contains("controller"))
        }
        "Endpoints" => !all.iter().any(|other| {
            kind(other) == "Service"
                && (name(other), namespace(other)) == (own, namespace(object))
                && other["spec"]["selector"].is_object()
        }),
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => {
            !own.starts_with("system:")
        }
        "Service" => (namespace(object), own) != ("default", "kubernetes"),
        _ => true,
    }
}

/// An object without what belongs to its cluster.
fn cleaned(object: &Value) -> Value {
    let mut kept = object.clone();
    if let Some(metadata) = kept["metadata"].as_object_mut() {
        for field in ["managedFields", "uid", "resourceVersion", "generation", "selfLink"] {
            metadata.shift_remove(field);
        }
        for (field, dropped) in [("annotations", &DROPPED_ANNOTATIONS[..]), ("labels", &UID_LABELS)]
        {
            if let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) {
                entries.retain(|key, _| !dropped.contains(&key.as_str()));
            }
        }
        for owner in
            metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten()
        {
            // the sandbox knows its own
            owner["uid"] = json!("recorded");
        }
    }
    match kind(object) {
        "Pod" => without_token(&mut kept),
        "Job" => without_identity(&mut kept),
        "Node" => anonymous(&mut kept),
        "Deployment" => {
            let annotations = kept["metadata"]["annotations"].as_object_mut();
            annotations.map(|all| all.shift_remove("deployment.kubernetes.io/revision"));
        }
        "Namespace" => {
            kept = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name(object), "labels": object["metadata"]["labels"]}});
        }
        "Event" => {
            for field in ["uid", "resourceVersion"] {
                kept["involvedObject"].as_object_mut().map(|fields| fields.shift_remove(field));
            }
        }
        _ => {}
    }
    kept
}

/// A pod without the token that the API server mounts into every pod.
fn without_token(pod: &mut Value) {
    let is_token = |name: &Value| name.as_str().is_some_and(|name| name.starts_with("kube-api-"));
    if let Some(volumes) = pod["spec"]["volumes"].as_array_mut() {
        volumes.retain(|volume| !is_token(&volume["name"]));
    }
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                mounts.retain(|mount| !is_token(&mount["name"]));
            }
        }
    }
}

/// A Job that gets its selector anew.
fn without_identity(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    job["spec"].as_object_mut().map(|spec| spec.shift_remove("selector"));
    if let Some(labels) = job["spec"]["template"]["metadata"]["labels"].as_object_mut() {
        labels.retain(|key, _| {
            !key.ends_with("controller-uid")
                && !matches!(key.as_str(), "job-name")
                && key != "batch.kubernetes.io/job-name"
        });
    }
}

/// A node without the identity of its machine.
fn anonymous(node: &mut Value) {
    if let Some(status) = node["status"].as_object_mut() {
        status.retain(|key, _| {
            matches!(
                key.as_str(),
                "addresses" | "allocatable" | "capacity" | "conditions" | "nodeInfo"
            )
        });
    }
    for field in ["machineID", "systemUUID", "bootID"] {
        if node["status"]["nodeInfo"][field].is_string() {
            node["status"]["nodeInfo"][field] = json!("");
        }
    }
}

/// The part of a status from which a controller goes on.
fn own_state(mut status: Value) -> Value {
    if let Some(fields) = status.as_object_mut() {
        fields.retain(|key, _| !OWN_STATUS.contains(&key.as_str()));
    }
    status
}

/// The nodes of pods that could not be read themselves.
fn missing_nodes(seen: &Seen) -> Vec<Value> {
    let known: BTreeSet<&str> =
        seen.objects.iter().filter(|object| kind(object) == "Node").map(name).collect();
    let used: BTreeSet<&str> = seen
        .objects
        .iter()
        .filter(|object| kind(object) == "Pod")
        .map(|pod| text(pod, "/spec/nodeName"))
        .filter(|node| !node.is_empty() && !known.contains(node))
        .collect();
    let node = |name: &str| {
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady"});
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"conditions": [ready]}})
    };
    used.into_iter().map(node).collect()
}

/// The namespaces that could not be read themselves.
fn missing_namespaces(seen: &Seen) -> Vec<Value> {
    let known: BTreeSet<&str> =
        seen.objects.iter().filter(|object| kind(object) == "Namespace").map(name).collect();
    let asked = seen.namespaces.iter().map(String::as_str);
    let used: BTreeSet<&str> = seen.objects.iter().map(namespace).chain(asked).collect();
    let missing = used.into_iter().filter(|name| !name.is_empty() && !known.contains(name));
    let base = ["default", "kube-system", "kube-public", "kube-node-lease"];
    missing
        .filter(|name| !base.contains(name))
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .collect()
}

/// A value without empty fields.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Whether a pod has ended.
pub fn is_ended(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a container of a pod runs.
pub fn is_running(pod: &Value, container: &str) -> bool {
    items(pod, "/status/containerStatuses")
        .iter()
        .any(|status| status["name"] == container && status["state"]["running"].is_object())
}

/// Namespaces that the applications name in their environment and that were not asked for.
pub(super) fn unseen_namespaces(seen: &Seen) -> Vec<Gap> {
    let texts = configured(seen);
    let others =
        seen.objects.iter().filter(|object| kind(object) == "Namespace").map(name).filter(|name| {
            !seen.namespaces.iter().any(|asked| asked == name) && *name != "kube-system"
        });
    let named = others.filter(|name| texts.iter().any(|text| is_host_of(text, name)));
    named
        .map(|name| {
            let why = format!("applications name it in their configuration; add -n {name}");
            Gap::new(format!("the objects of namespace {name}"), why)
        })
        .collect()
}

/// Whether a text has a host of a namespace: `service.namespace`, at the end of a word.
fn is_host_of(text: &str, namespace: &str) -> bool {
    let dotted = format!(".{namespace}");
    text.match_indices(&dotted).any(|(at, _)| {
        let after = text[at + dotted.len()..].chars().next();
        after.is_none_or(|next| matches!(next, ':' | '/' | '.' | ',' | '"' | ' ' | '\n'))
    })
}

/// What ConfigMaps and environments say.
fn configured(seen: &Seen) -> Vec<&str> {
    let mut texts = Vec::new();
    for object in &seen.objects {
        if kind(object) == "ConfigMap" && namespace(object) != "kube-system" {
            texts.extend(
                object["data"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(_, value)| value.as_str()),
            );
        }
        for container in super::program::containers(object) {
            texts.extend(items(container, "/env").iter().map(|variable| text(variable, "/value")));
        }
    }
    texts
}
