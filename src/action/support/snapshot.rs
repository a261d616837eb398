//! Reads what a diagnosis looks at: one list for each kind, and then the little that these show to
//! be needed.

use super::certificate;
use super::custom::custom;
use super::node_summary::{kubelet_path, volumes_of_claims};
use super::port_state::port_state;
use crate::action::{Context, Failure, Target, Which};
use crate::cluster::{Cluster, Error, ErrorKind, LogOptions, Resource, Selection, builtin};
use crate::diagnosis::object::{
    array, data_keys, filled, has_address, is_deleting, name, stated, text,
};
use crate::diagnosis::pod::{is_live, is_ready};
use crate::diagnosis::{Object, PortState, Snapshot, wanted_keys, wanted_logs, wanted_ports};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::{join_all, ready};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is listed of a namespace.
pub(in crate::action) const KINDS: [&str; 17] = [
    "Pod",
    "Event",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "Service",
    "Ingress",
    "HorizontalPodAutoscaler",
    "ResourceQuota",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "Lease",
    "NetworkPolicy",
];
/// The most Secrets that are looked at, and logs and ports at a time.
const MOST: usize = 10;
/// The most logs that are read.
const LOGS: usize = 30;
/// The most ports that are tried.
const PORTS: usize = 30;
/// How many lines of a log, and how many bytes: a trace names its cause far above its end. The API
/// server cuts off the end of what has more bytes.
const TAIL: (i64, u64) = (60, 65_536);

/// Everything that tells what is wrong in a namespace, or with this object in it: the logs of its pods
/// are read first, and of a Service every port of its pods is tried.
///
/// # Errors
/// When the pods cannot be listed. Anything else that cannot be read is not looked at.
pub(in crate::action) async fn of_namespace(
    context: &Context,
    namespace: &str,
    target: Option<&Object>,
) -> Result<Snapshot, Failure> {
    let cluster = context.cluster()?;
    let service = target.filter(|one| one.kind == "Service").map(|one| one.name.as_str());
    let mut snapshot = Snapshot::default();
    let lists = join_all(KINDS.iter().map(|kind| list(cluster, kind, Some(namespace))));
    let (lists, space) = tokio::join!(lists, space(cluster, namespace));
    for (kind, read) in KINDS.iter().zip(lists) {
        match read {
            Err(error) if *kind == "Pod" => return Err(error.into()),
            read => add(&mut snapshot, kind, read),
        }
    }
    snapshot.add("Namespace", space?);
    if let Some(service) = service {
        snapshot.ask_about(service);
    }
    if let Some(target) = target {
        snapshot.look_first_at(target);
    }
    let waiting = has_waiting_claims(&snapshot);
    let (classes, volumes, nodes, secrets, services, stats, ingress_classes, slices) = tokio::join!(
        list_if(waiting, cluster, "StorageClass", None),
        list_if(waiting, cluster, "PersistentVolume", None),
        nodes(cluster, &snapshot),
        secrets(context, cluster, namespace, &snapshot),
        list_if(wants_aggregated(&snapshot), cluster, "APIService", None),
        volume_stats(cluster, namespace, &snapshot),
        list_if(has_unserved_ingress(&snapshot), cluster, "IngressClass", None),
        list_if(has_made_endpoints(&snapshot, service), cluster, "EndpointSlice", Some(namespace)),
    );
    for (kind, read) in [
        ("StorageClass", classes),
        ("PersistentVolume", volumes),
        ("Node", nodes),
        ("Secret", secrets),
        ("APIService", services),
        ("VolumeStats", stats),
        ("IngressClass", ingress_classes),
        ("EndpointSlice", slices),
    ] {
        if let Some(read) = read {
            add(&mut snapshot, kind, read);
        }
    }
    let ((words, unread), ports, keys, custom) = tokio::join!(
        last_words(cluster, namespace, &snapshot, context.now),
        ports(cluster, namespace, &snapshot, service.is_some(), context.now),
        keys(cluster, namespace, &snapshot, context.now),
        custom(cluster, namespace)
    );
    custom.add_to(&mut snapshot);
    for (kind, object) in keys {
        snapshot.add(&kind, [object]);
    }
    for (pod, container, words) in words {
        snapshot.add_last_words(&pod, &container, context.masker.mask(&words));
    }
    for (pod, container) in unread {
        let because = format!("the logs of {LOGS} other containers were");
        snapshot.log_unread(&pod, &container, because);
    }
    for (pod, port, state) in ports {
        snapshot.add_port(&pod, port, state);
    }
    Ok(snapshot)
}

/// A node and what is on it.
///
/// # Errors
/// When the node cannot be read.
pub(in crate::action) async fn of_node(cluster: &Cluster, node: &str) -> Result<Snapshot, Failure> {
    let kind = builtin("Node").ok_or_else(|| Failure::error("nodes are unknown"))?;
    let mut object = cluster.get(&kind, None, node).await?;
    object["kind"] = "Node".into();
    Ok([object].into_iter().collect())
}

/// The objects of these kinds in a namespace.
///
/// # Errors
/// When the first kind cannot be listed. Any other that cannot be read is not looked at.
pub(in crate::action) async fn of_kinds(
    cluster: &Cluster,
    namespace: &str,
    kinds: &[&str],
) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::default();
    let lists = join_all(kinds.iter().map(|kind| list(cluster, kind, Some(namespace)))).await;
    for (index, (kind, read)) in kinds.iter().zip(lists).enumerate() {
        match read {
            Err(error) if index == 0 => return Err(error.into()),
            read => add(&mut snapshot, kind, read),
        }
    }
    Ok(snapshot)
}

impl Target {
    /// The object that it names, its kind as the API writes it.
    pub(in crate::action) fn object(&self, namespace: &str) -> Object {
        let name = self.asked();
        match builtin(&self.kind) {
            Some(kind) => {
                Object::named(&kind.kind, if kind.namespaced { namespace } else { "" }, name)
            }
            None => Object::named(&self.kind, namespace, name),
        }
    }

    /// The name, or the selector, as it is written: for a target of which `one_object` holds it is
    /// the name.
    pub(in crate::action) fn asked(&self) -> &str {
        match &self.which {
            Which::Name(name) | Which::Selector(name) => name,
        }
    }

    /// A fault if it does not name one object.
    pub(in crate::action) fn one_object(&self) -> Result<(), String> {
        match self.which {
            Which::Selector(_) => {
                Err("`target` must name one object: `deployment/NAME`".to_owned())
            }
            Which::Name(_) => Ok(()),
        }
    }
}

/// The object, with its kind as the API writes it; an error for one that is not there: it has no
/// cause, and is not healthy.
///
/// # Errors
/// When it does not exist, or cannot be read.
pub(in crate::action) async fn exists(
    context: &Context,
    snapshot: &Snapshot,
    target: &Object,
) -> Result<Object, Failure> {
    if snapshot.get(&target.kind, &target.name).is_some() {
        return Ok(target.clone());
    }
    let cluster = context.cluster()?;
    let kind = cluster.resolve(&target.kind).await?;
    let namespace = if kind.namespaced { target.namespace.as_str() } else { "" };
    let asked = (!namespace.is_empty()).then_some(namespace);
    match cluster.get(&kind, asked, &target.name).await {
        Ok(found) => Ok(named(&kind, &found)),
        Err(error) if error.kind == ErrorKind::NotFound => {
            Err(Failure::error(format!("{target} does not exist: {}", error.message)))
        }
        Err(error) => Err(error.into()),
    }
}

/// An object of this kind, by its name.
pub(in crate::action) fn named(kind: &Resource, object: &Value) -> Object {
    let is_builtin = builtin(&kind.qualified()).is_some();
    let mut named = if is_builtin { Object::of(object) } else { Object::custom(object) };
    named.kind.clone_from(&kind.kind);
    named
}

/// Adds a list, or why it could not be read.
pub(in crate::action) fn add(snapshot: &mut Snapshot, kind: &str, read: Result<Vec<Value>, Error>) {
    match read {
        Ok(objects) => snapshot.add(kind, objects),
        // a cluster that does not serve the kind has none of it
        Err(error) if error.kind == ErrorKind::Unsupported => snapshot.add(kind, []),
        Err(error) => snapshot.unread(kind, error.message),
    }
}

async fn list(cluster: &Cluster, kind: &str, namespace: Option<&str>) -> Result<Vec<Value>, Error> {
    let Some(resource) = builtin(kind) else { return Ok(Vec::new()) };
    cluster.list(&resource, namespace, &Selection::default()).await
}

async fn list_if(
    wanted: bool,
    cluster: &Cluster,
    kind: &str,
    namespace: Option<&str>,
) -> Option<Result<Vec<Value>, Error>> {
    if !wanted {
        return None;
    }
    Some(match cluster.resolve(kind).await {
        Ok(resource) => cluster.list(&resource, namespace, &Selection::default()).await,
        Err(error) => Err(error),
    })
}

fn has_unserved_ingress(snapshot: &Snapshot) -> bool {
    snapshot.of("Ingress").iter().any(|ingress| !has_address(ingress))
}

/// Whether the endpoints of a Service may be made by somebody else than its selector does.
fn has_made_endpoints(snapshot: &Snapshot, asked: Option<&str>) -> bool {
    let is_made = |service: &Value| {
        let spec = &service["spec"];
        spec["selector"].as_object().is_none_or(serde_json::Map::is_empty)
            && spec["type"] != "ExternalName"
    };
    asked.is_some() || snapshot.of("Service").iter().any(is_made)
}

fn has_waiting_claims(snapshot: &Snapshot) -> bool {
    snapshot.of("PersistentVolumeClaim").iter().any(|claim| claim["status"]["phase"] == "Pending")
}

/// The namespace itself; none if it may not be read.
///
/// # Errors
/// When there is none of that name: lists of it are empty, and say nothing.
async fn space(cluster: &Cluster, namespace: &str) -> Result<Option<Value>, Failure> {
    let Some(kind) = builtin("Namespace") else { return Ok(None) };
    match cluster.get(&kind, None, namespace).await {
        Ok(mut space) => {
            space["kind"] = "Namespace".into();
            Ok(Some(space))
        }
        Err(error) if error.kind == ErrorKind::NotFound => {
            Err(Failure::error(format!("namespace {namespace} does not exist")))
        }
        Err(_) => Ok(None),
    }
}

/// Whether an API that another server serves may be what is missing: to an autoscaler without
/// metrics, or to a namespace that is not emptied.
fn wants_aggregated(snapshot: &Snapshot) -> bool {
    let is_blind = |hpa: &Value| stated(hpa, "ScalingActive", "False").is_some();
    snapshot.of("HorizontalPodAutoscaler").iter().any(is_blind)
        || snapshot.of("Namespace").iter().any(is_deleting)
}

/// How full the volumes of claims are, as the kubelets of their pods tell.
async fn volume_stats(
    cluster: &Cluster,
    namespace: &str,
    snapshot: &Snapshot,
) -> Option<Result<Vec<Value>, Error>> {
    let mounts = |pod: &&Value| {
        array(&pod["spec"]["volumes"]).any(|volume| volume["persistentVolumeClaim"].is_object())
    };
    let running =
        snapshot.of("Pod").iter().filter(|pod| pod["status"]["phase"] == "Running").filter(mounts);
    let nodes: BTreeSet<&str> =
        running.filter_map(|pod| filled(&pod["spec"]["nodeName"])).collect();
    if nodes.is_empty() {
        return None;
    }
    let read = nodes.iter().take(MOST).map(|node| async move {
        let path = kubelet_path(node, "stats/summary");
        cluster.get_document(&path, &format!("the stats of the kubelet of node {node}")).await
    });
    let mut found = Vec::new();
    for summary in join_all(read).await {
        match summary {
            Ok(summary) => found.extend(volumes_of_claims(&summary, namespace)),
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(found))
}

/// The nodes of pods that are not ready, or all of them if a pod has none. If a DaemonSet finds no
/// node, of the others where pods may run on them: their labels and taints.
async fn nodes(cluster: &Cluster, snapshot: &Snapshot) -> Option<Result<Vec<Value>, Error>> {
    let ill = snapshot.of("Pod").iter().filter(|pod| is_live(pod) && !is_ready(pod));
    let names: BTreeSet<&str> = ill.map(|pod| text(&pod["spec"]["nodeName"])).collect();
    let is_nowhere = |set: &Value| set["status"]["desiredNumberScheduled"] == 0;
    let places = snapshot.of("DaemonSet").iter().any(is_nowhere);
    if names.is_empty() && !places {
        return None;
    }
    let nodes = list(cluster, "Node", None).await;
    // a pod without a node may have been refused by any
    let wanted = |node: &Value| names.contains("") || names.contains(name(node));
    let part = |node: Value| {
        if wanted(&node) { Some(node) } else { places.then(|| place(&node)) }
    };
    Some(nodes.map(|nodes| nodes.into_iter().filter_map(part).collect()))
}

/// What of a node says which pods may run on it, and nothing of how it is.
fn place(node: &Value) -> Value {
    let (metadata, taints) = (&node["metadata"], &node["spec"]["taints"]);
    json!({"metadata": {"name": metadata["name"], "labels": metadata["labels"]},
        "spec": {"taints": taints}})
}

/// The Secrets with the certificates of Ingresses, without anything secret.
async fn secrets(
    context: &Context,
    cluster: &Cluster,
    namespace: &str,
    snapshot: &Snapshot,
) -> Option<Result<Vec<Value>, Error>> {
    let names: BTreeSet<&str> = snapshot
        .of("Ingress")
        .iter()
        .flat_map(|ingress| array(&ingress["spec"]["tls"]))
        .filter_map(|entry| entry["secretName"].as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let kind = builtin("Secret").filter(|_| !names.is_empty())?;
    let read = names.iter().take(MOST).map(|name| cluster.get(&kind, Some(namespace), name));
    let mut found = Vec::new();
    for read in join_all(read).await {
        match read {
            Ok(secret) => found.push(public(context, &secret)),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(found))
}

/// A Secret with what is public of its certificate in the place of its data.
fn public(context: &Context, secret: &Value) -> Value {
    let value = |key: &str| STANDARD.decode(text(&secret["data"][key])).ok();
    let key = value("tls.key").filter(|key| !key.is_empty());
    if let Some(key) = &key {
        let place = format!("{}/tls.key", name(secret));
        context.masker.learn(&String::from_utf8_lossy(key), &place);
    }
    let certificate = match value("tls.crt").filter(|chain| !chain.is_empty()) {
        Some(chain) => certificate::describe(&chain, key.as_deref()),
        None => json!({"error": "key tls.crt is missing or empty"}),
    };
    let metadata = &secret["metadata"];
    json!({"apiVersion": "v1", "kind": "Secret", "type": secret["type"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "certificate": certificate, "keys": data_keys(secret).collect::<Vec<_>>()})
}

/// The ConfigMaps and Secrets of which ill containers mount a part, with the names of their keys and
/// nothing of their values. One that cannot be read says nothing.
async fn keys(
    cluster: &Cluster,
    namespace: &str,
    snapshot: &Snapshot,
    now: jiff::Timestamp,
) -> Vec<(String, Value)> {
    let read = wanted_keys(snapshot, now, MOST).into_iter().map(|wanted| async move {
        let kind = builtin(&wanted.kind)?;
        let object = cluster.get(&kind, Some(namespace), &wanted.name).await.ok()?;
        let metadata = json!({"name": wanted.name, "namespace": namespace});
        let keys: Vec<&str> = data_keys(&object).collect();
        let said = json!({"kind": wanted.kind, "metadata": metadata, "keys": keys});
        Some((wanted.kind, said))
    });
    join_all(read).await.into_iter().flatten().collect()
}

/// The last lines of containers, and the containers that are left out as there are too many. One
/// that cannot be read says nothing.
async fn last_words(
    cluster: &Cluster,
    namespace: &str,
    snapshot: &Snapshot,
    now: jiff::Timestamp,
) -> (Vec<(String, String, String)>, Vec<(String, String)>) {
    let mut wanted = wanted_logs(snapshot, now, usize::MAX);
    let left_out = wanted.split_off(wanted.len().min(LOGS));
    let left_out = left_out.into_iter().map(|(pod, container, _)| (pod, container)).collect();
    let read = wanted.into_iter().map(|(pod, container, previous)| async move {
        let options = LogOptions {
            container: Some(container.clone()),
            previous,
            tail: Some(TAIL.0),
            limit_bytes: TAIL.1,
            ..LogOptions::default()
        };
        let log = cluster.logs(namespace, &pod, &options).await.ok()?;
        let words = log.text.trim().to_owned();
        (!words.is_empty()).then_some((pod, container, words))
    });
    (stream::iter(read).buffered(MOST).filter_map(ready).collect().await, left_out)
}

/// What is found at ports to which Services lead, and at all those of one Service.
async fn ports(
    cluster: &Cluster,
    namespace: &str,
    snapshot: &Snapshot,
    thorough: bool,
    now: jiff::Timestamp,
) -> Vec<(String, u16, PortState)> {
    let mut wanted = wanted_ports(snapshot, now, PORTS);
    let mut found = Vec::new();
    while !wanted.is_empty() {
        let later = wanted.split_off(wanted.len().min(MOST));
        let tried = wanted.into_iter().map(|(pod, port)| async move {
            let state = port_state(cluster, (namespace, &pod, port), thorough).await;
            (pod, port, state)
        });
        found.extend(join_all(tried).await);
        wanted = later;
    }
    found
}
