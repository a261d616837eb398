//! The objects that decide about connections, read from values of the API.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::service::{identity, labels, protocol};
use super::{
    Cluster, ContainerPort, EndpointSlice, ForeignPolicy, Labels, NetworkPolicy, Pod, Service,
};

/// The objects of a cluster, or of a directory of manifests.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The labels of each namespace.
    pub namespaces: BTreeMap<String, Labels>,
    /// The policies that can be read.
    pub policies: Vec<NetworkPolicy>,
    /// All NetworkPolicy objects as they were given, also those that cannot be read.
    pub policy_objects: Vec<Value>,
    /// Objects that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The pods that have not finished.
    pub pods: Vec<PodState>,
    /// The workloads, by their pod templates.
    pub workloads: Vec<Workload>,
    /// The Services.
    pub services: Vec<Service>,
    /// Their endpoints.
    pub slices: Vec<EndpointSlice>,
    /// Policies of other APIs, which are not evaluated.
    pub foreign: Vec<ForeignPolicy>,
}

/// A pod and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// The pod as an end of connections.
    pub pod: Pod,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
}

/// A Deployment, CronJob or the like, by its pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// The kind, in lower case: `deployment`, `cronjob`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// A pod of the template, named `kind/name`, without an address.
    pub pod: Pod,
    /// Whether it is a finished Job, which creates no more pods.
    pub ended: bool,
}

/// An object that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl Inventory {
    /// Reads objects, including those in lists; other kinds are ignored.
    #[must_use]
    pub fn from_objects<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut inventory = Self::default();
        for object in objects {
            inventory.add(object["kind"].as_str().unwrap_or_default(), object);
        }
        inventory
    }

    /// Reads one object or list; `kind` is a separate argument because the items of a list do not
    /// contain it.
    pub fn add(&mut self, kind: &str, object: &Value) {
        if let (Some(kind), Some(items)) = (kind.strip_suffix("List"), object["items"].as_array()) {
            for item in items {
                let item_kind = item["kind"].as_str().unwrap_or(kind);
                match item["apiVersion"].as_str().or(object["apiVersion"].as_str()) {
                    Some(version) if item["apiVersion"].is_null() => {
                        let mut item = item.clone();
                        item["apiVersion"] = version.into();
                        self.add(item_kind, &item);
                    }
                    _ => self.add(item_kind, item),
                }
            }
            return;
        }
        self.know_namespace("kube-system");
        let version = object["apiVersion"].as_str().unwrap_or_default();
        if let Some(foreign) = ForeignPolicy::from_object(version, kind, object) {
            self.foreign.push(foreign);
            return;
        }
        match kind {
            "Namespace" => self.add_namespace(object),
            "NetworkPolicy" => self.add_policy(object),
            "Pod" => self.add_pod(object),
            "Service" => self.services.extend(Service::from_object(object)),
            "EndpointSlice" => self.slices.extend(EndpointSlice::from_object(object)),
            "Deployment"
            | "StatefulSet"
            | "DaemonSet"
            | "ReplicaSet"
            | "ReplicationController"
            | "Job" => {
                self.add_workload(kind, object, &object["spec"]["template"]);
            }
            "CronJob" => {
                self.add_workload(kind, object, &object["spec"]["jobTemplate"]["spec"]["template"]);
            }
            _ => {}
        }
    }

    /// A namespace that is mentioned but not given has at least the label that the API server gives
    /// it.
    fn know_namespace(&mut self, name: &str) {
        if !self.namespaces.contains_key(name) {
            self.namespaces.insert(
                name.to_owned(),
                [("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into(),
            );
        }
    }

    fn add_namespace(&mut self, object: &Value) {
        if let Some((_, name)) = identity(object) {
            let mut labels = labels(&object["metadata"]["labels"]);
            // the API server adds it; a manifest need not have it
            labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert_with(|| name.clone());
            self.namespaces.insert(name, labels);
        }
    }

    fn add_policy(&mut self, object: &Value) {
        self.policy_objects.push(object.clone());
        match NetworkPolicy::from_object(object) {
            Ok(policy) => self.policies.push(policy),
            Err(error) => {
                let (namespace, name) = identity(object).unwrap_or_default();
                self.unreadable.push(Unreadable {
                    kind: "NetworkPolicy".to_owned(),
                    namespace,
                    name,
                    reason: error.to_string(),
                });
            }
        }
    }

    fn add_pod(&mut self, object: &Value) {
        let finished = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let Some((namespace, name)) = identity(object).filter(|_| !finished) else { return };
        let conditions = object["status"]["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        self.know_namespace(&namespace);
        let mut pod = pod_of(namespace, name, &object["metadata"], &object["spec"]);
        pod.ip = object["status"]["podIP"].as_str().and_then(|text| text.parse().ok());
        self.pods.push(PodState { pod, ready });
    }

    fn add_workload(&mut self, kind: &str, object: &Value, template: &Value) {
        // what another workload made speaks for itself through its owner
        let owned = object["metadata"]["ownerReferences"].as_array().is_some_and(|owners| {
            owners.iter().any(|owner| owner["controller"] == Value::Bool(true))
        });
        let Some((namespace, name)) = identity(object).filter(|_| !owned) else { return };
        self.know_namespace(&namespace);
        let kind = kind.to_lowercase();
        let pod =
            pod_of(namespace, format!("{kind}/{name}"), &template["metadata"], &template["spec"]);
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let ends = |condition: &Value| {
            (condition["type"] == "Complete" || condition["type"] == "Failed")
                && condition["status"] == "True"
        };
        let ended = kind == "job" && conditions.into_iter().any(ends);
        self.workloads.push(Workload { kind, name, pod, ended });
    }

    /// What policies are evaluated against.
    #[must_use]
    pub fn cluster(&self) -> Cluster<'_> {
        Cluster { policies: &self.policies, namespaces: &self.namespaces }
    }

    /// Representative pods: one per workload that may create more, and the pods without a workload.
    #[must_use]
    pub fn subjects(&self) -> Vec<&Pod> {
        let mut templates: BTreeMap<&str, Vec<&Workload>> = BTreeMap::new();
        for workload in &self.workloads {
            templates.entry(&workload.pod.namespace).or_default().push(workload);
        }
        let covered = |state: &PodState| {
            let workloads =
                templates.get(state.pod.namespace.as_str()).map_or(&[][..], Vec::as_slice);
            workloads.iter().any(|workload| {
                workload
                    .pod
                    .labels
                    .iter()
                    .all(|(key, value)| state.pod.labels.get(key) == Some(value))
            })
        };
        let bare = self.pods.iter().filter(|state| !covered(state)).map(|state| &state.pod);
        let working = self.workloads.iter().filter(|workload| !workload.ended);
        working.map(|workload| &workload.pod).chain(bare).collect()
    }
}

fn pod_of(namespace: String, name: String, metadata: &Value, spec: &Value) -> Pod {
    let sidecars = spec["initContainers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|container| container["restartPolicy"] == "Always");
    let containers = spec["containers"].as_array().into_iter().flatten().chain(sidecars);
    let ports: Vec<ContainerPort> = containers
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .filter_map(|port| {
            let number = u16::try_from(port["containerPort"].as_u64()?).ok()?;
            Some(ContainerPort {
                name: port["name"].as_str().unwrap_or_default().to_owned(),
                port: number,
                protocol: protocol(&port["protocol"]),
            })
        })
        .collect();
    // both forms of injection: a container, and an init container that stays
    let sidecar = ["containers", "initContainers"].iter().any(|field| {
        let all = spec[field].as_array().into_iter().flatten();
        all.into_iter().any(|container| container["name"] == "istio-proxy")
    });
    let host_network = spec["hostNetwork"] == Value::Bool(true);
    let node = spec["nodeName"].as_str().map(str::to_owned);
    Pod {
        namespace,
        name,
        labels: labels(&metadata["labels"]),
        ip: None,
        node,
        host_network,
        ports,
        sidecar,
    }
}
