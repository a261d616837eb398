//! How the objects of a namespace belong together: who owns, selects, scales and uses whom. Pure.

use crate::cluster::builtin;
use crate::diagnosis::object::{array, filled, text};
use crate::diagnosis::{Object, Snapshot};
use crate::network::{LabelSelector, Labels};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What one object is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::action) enum Relation {
    /// A controller made the other.
    Owns,
    /// A Service, PodDisruptionBudget or NetworkPolicy applies to the pod.
    Selects,
    /// A HorizontalPodAutoscaler scales the workload.
    Scales,
    /// An Ingress leads to the Service.
    RoutesTo,
    /// A pod or an Ingress refers to the ConfigMap, Secret, claim or ServiceAccount.
    Uses,
    /// A pod is on the node.
    RunsOn,
}

/// One relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::action) struct Edge {
    pub(in crate::action) from: Object,
    pub(in crate::action) relation: Relation,
    pub(in crate::action) to: Object,
}

/// The kinds between which relations are looked for.
pub(in crate::action) const KINDS: [&str; 13] = [
    "Pod",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "PersistentVolumeClaim",
];

/// Every relation between the objects of a snapshot, each once and in order.
pub(in crate::action) fn edges(snapshot: &Snapshot) -> BTreeSet<Edge> {
    KINDS
        .iter()
        .flat_map(|kind| snapshot.of(kind))
        .flat_map(|object| edges_of(snapshot, object))
        .collect()
}

/// The object of this kind and name in the namespace, if its kind has one.
pub(in crate::action) fn named(kind: &str, namespace: &str, name: &str) -> Object {
    let namespaced = builtin(kind).is_none_or(|resource| resource.namespaced);
    Object::named(kind, if namespaced { namespace } else { "" }, name)
}

fn edges_of(snapshot: &Snapshot, object: &Value) -> Vec<Edge> {
    let own = Object::of(object);
    let place = own.namespace.clone();
    let edge = |from: Object, relation, to: Object| Edge { from, relation, to };
    let owners = array(&object["metadata"]["ownerReferences"]).map(|owner| {
        let owner = named(text(&owner["kind"]), &place, text(&owner["name"]));
        edge(owner, Relation::Owns, own.clone())
    });
    let mut all: Vec<Edge> = owners.collect();
    let spec = &object["spec"];
    match own.kind.as_str() {
        "Pod" => {
            all.extend(
                references(spec).into_iter().map(|(kind, name)| {
                    edge(own.clone(), Relation::Uses, named(kind, &place, name))
                }),
            );
            let node = filled(&spec["nodeName"]);
            all.extend(
                node.map(|node| edge(own.clone(), Relation::RunsOn, named("Node", "", node))),
            );
        }
        "Service" | "PodDisruptionBudget" | "NetworkPolicy" => {
            let pods = snapshot.of("Pod").iter().filter(|pod| selects(object, pod));
            all.extend(pods.map(|pod| edge(own.clone(), Relation::Selects, Object::of(pod))));
        }
        "HorizontalPodAutoscaler" => {
            let target = &spec["scaleTargetRef"];
            let target = named(text(&target["kind"]), &place, text(&target["name"]));
            all.push(edge(own, Relation::Scales, target));
        }
        "Ingress" => {
            let services = backends(spec).map(|name| (Relation::RoutesTo, "Service", name));
            let secrets = array(&spec["tls"])
                .filter_map(|tls| filled(&tls["secretName"]))
                .map(|name| (Relation::Uses, "Secret", name));
            all.extend(services.chain(secrets).map(|(relation, kind, name)| {
                edge(own.clone(), relation, named(kind, &place, name))
            }));
        }
        _ => {}
    }
    all
}

/// The Services of an Ingress.
fn backends(spec: &Value) -> impl Iterator<Item = &str> {
    let paths = array(&spec["rules"])
        .flat_map(|rule| array(&rule["http"]["paths"]))
        .map(|path| &path["backend"]);
    std::iter::once(&spec["defaultBackend"])
        .chain(paths)
        .filter_map(|backend| filled(&backend["service"]["name"]))
}

/// Whether a Service, PodDisruptionBudget or NetworkPolicy applies to a pod of its namespace.
fn selects(object: &Value, pod: &Value) -> bool {
    let spec = &object["spec"];
    let labels: Labels = pod["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let parsed = |selector: &Value| LabelSelector::deserialize(selector).ok();
    match text(&object["kind"]) {
        // a Service without a selector has no pods, and every other empty selector has all
        "Service" => {
            spec["selector"].as_object().filter(|own| !own.is_empty()).is_some_and(|own| {
                own.iter().all(|(key, value)| pod["metadata"]["labels"][key.as_str()] == *value)
            })
        }
        "PodDisruptionBudget" => {
            parsed(&spec["selector"]).is_some_and(|selector| selector.matches(&labels))
        }
        _ => parsed(&spec["podSelector"]).is_some_and(|selector| selector.matches(&labels)),
    }
}

/// What the spec of a pod refers to by name: kind and name.
pub(in crate::action) fn references(spec: &Value) -> BTreeSet<(&'static str, &str)> {
    let mut found: BTreeSet<_> =
        mentioned(spec).into_iter().map(|(kind, name, _)| (kind, name)).collect();
    let pulls = array(&spec["imagePullSecrets"]).filter_map(|pull| filled(&pull["name"]));
    found.extend(pulls.map(|name| ("Secret", name)));
    // a part of every ServiceAccount's token, and of every pod
    found.remove(&("ConfigMap", "kube-root-ca.crt"));
    found
}

/// That part of it without which the pod does not start.
pub(in crate::action) fn needs(spec: &Value) -> BTreeSet<(&'static str, &str)> {
    let needed = mentioned(spec).into_iter().filter(|(.., source)| source["optional"] != true);
    needed.map(|(kind, name, _)| (kind, name)).collect()
}

/// What containers, volumes and the pod itself refer to: kind, name and where it is named.
fn mentioned<'a>(spec: &'a Value) -> Vec<(&'static str, &'a str, &'a Value)> {
    let mut found = Vec::new();
    let mut add = |kind: &'static str, source: &'a Value, key: &str| {
        found.extend(filled(&source[key]).map(|name| (kind, name, source)));
    };
    let containers =
        ["initContainers", "containers"].into_iter().flat_map(|list| array(&spec[list]));
    for container in containers {
        for entry in array(&container["env"]) {
            add("ConfigMap", &entry["valueFrom"]["configMapKeyRef"], "name");
            add("Secret", &entry["valueFrom"]["secretKeyRef"], "name");
        }
        for from in array(&container["envFrom"]) {
            add("ConfigMap", &from["configMapRef"], "name");
            add("Secret", &from["secretRef"], "name");
        }
    }
    for volume in array(&spec["volumes"]) {
        // a volume names a Secret in its own way
        add("Secret", &volume["secret"], "secretName");
        add("PersistentVolumeClaim", &volume["persistentVolumeClaim"], "claimName");
        let projected = array(&volume["projected"]["sources"]);
        for source in std::iter::once(volume).chain(projected) {
            add("ConfigMap", &source["configMap"], "name");
            add("Secret", &source["secret"], "name");
        }
    }
    add("ServiceAccount", spec, "serviceAccountName");
    found
}

/// The objects above this one, nearest first: ReplicaSet, Deployment.
pub(in crate::action) fn owners(edges: &BTreeSet<Edge>, object: &Object) -> Vec<Object> {
    let mut chain: Vec<Object> = Vec::new();
    let mut at = object;
    while let Some(edge) =
        edges.iter().find(|edge| edge.relation == Relation::Owns && edge.to == *at)
    {
        if chain.contains(&edge.from) {
            break;
        }
        chain.push(edge.from.clone());
        at = &edge.from;
    }
    chain
}

/// The object with all that it owns, directly or not.
pub(in crate::action) fn family(edges: &BTreeSet<Edge>, object: &Object) -> BTreeSet<Object> {
    let mut all = BTreeSet::from([object.clone()]);
    let mut open = vec![object.clone()];
    while let Some(owner) = open.pop() {
        for edge in
            edges.iter().filter(|edge| edge.relation == Relation::Owns && edge.from == owner)
        {
            if all.insert(edge.to.clone()) {
                open.push(edge.to.clone());
            }
        }
    }
    all
}
