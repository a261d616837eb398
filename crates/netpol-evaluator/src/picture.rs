//! From a cluster to the graph of one namespace: its workloads, and the edges between them with
//! their verdicts.

use std::collections::BTreeSet;

use super::resolve::{port_on, selects};
use super::{
    Decision, Declared, Destination, Direction, Edge, Graph, GraphEdge, GraphNode, Inventory,
    Labels, Peer, PodState, PortName, PortRule, Source, Workload, trace,
};

/// The workloads of a namespace with these edges, each evaluated. The graph shows the workload behind
/// a Service instead of the Service.
#[must_use]
pub fn picture(inventory: &Inventory, namespace: &str, edges: &[Edge]) -> Graph {
    let node = |name: &str| GraphNode { namespace: namespace.to_owned(), name: name.to_owned() };
    let workloads = inventory
        .workloads
        .iter()
        .filter(|workload| workload.pod.namespace == namespace && workload.kind != "job");
    let nodes: BTreeSet<GraphNode> =
        workloads.map(|workload| node(&format!("{}/{}", workload.kind, workload.name))).collect();
    let edges = edges.iter().map(|edge| judged(inventory, edge)).collect();
    Graph { nodes, edges, not_looked_at: Vec::new() }
}

/// Every workload of the namespace to every port of every Service in it: what the policies allow,
/// whether needed or not.
#[must_use]
pub fn all_pairs(inventory: &Inventory, namespace: &str) -> Vec<Edge> {
    let mut edges = Vec::new();
    for workload in inventory
        .workloads
        .iter()
        .filter(|workload| workload.pod.namespace == namespace && workload.kind != "job")
    {
        for service in inventory
            .services
            .iter()
            .filter(|service| service.namespace == namespace && !selects(service, &workload.pod))
        {
            edges.extend(service.ports.iter().map(|port| Edge {
                source: Source::Workload {
                    kind: workload.kind.clone(),
                    namespace: namespace.to_owned(),
                    name: workload.name.clone(),
                },
                destination: Destination::Service {
                    namespace: namespace.to_owned(),
                    name: service.name.clone(),
                },
                port: PortName::Number(port.port),
                protocol: port.protocol,
                addresses: Vec::new(),
            }));
        }
    }
    edges
}

/// The edges that policies intend: rules that name pods, between workloads of which one is in the
/// namespace. Whether they are allowed is another question.
#[must_use]
pub fn intended(inventory: &Inventory, namespace: &str) -> Vec<Edge> {
    let workloads: Vec<&Workload> =
        inventory.workloads.iter().filter(|workload| workload.kind != "job").collect();
    let unlabelled = Labels::new();
    let mut edges = Vec::new();
    for policy in &inventory.policies {
        let subjects = || {
            workloads.iter().filter(|one| {
                one.pod.namespace == policy.reference.namespace
                    && policy.pod_selector.matches(&one.pod.labels)
            })
        };
        for (direction, rule) in policy.directions.iter().flat_map(|direction| {
            policy.rules(*direction).iter().map(move |rule| (*direction, rule))
        }) {
            for peer in &rule.peers {
                let Peer::Selected { namespaces, pods: Some(pods) } = peer else { continue };
                if pods.is_empty() || policy.pod_selector.is_empty() {
                    continue;
                }
                let meant = |one: &&&Workload| {
                    let labels =
                        inventory.namespaces.get(&one.pod.namespace).unwrap_or(&unlabelled);
                    let near = namespaces
                        .as_ref()
                        .map_or(one.pod.namespace == policy.reference.namespace, |namespaces| {
                            namespaces.matches(labels)
                        });
                    near && pods.matches(&one.pod.labels)
                };
                for other in workloads.iter().filter(meant) {
                    for subject in subjects() {
                        let (from, to) = if direction == Direction::Egress {
                            (subject, other)
                        } else {
                            (other, subject)
                        };
                        if from.pod.namespace == namespace || to.pod.namespace == namespace {
                            edges.extend(
                                rule.ports
                                    .iter()
                                    .filter_map(|port| between(inventory, from, to, port)),
                            );
                        }
                    }
                }
            }
        }
    }
    edges
}

/// The edge to the Service in front of a workload's port, or else to one of its pods.
fn between(inventory: &Inventory, from: &Workload, to: &Workload, rule: &PortRule) -> Option<Edge> {
    let number = port_on(&to.pod, rule.port.as_ref()?, rule.protocol)?;
    let source = Source::Workload {
        kind: from.kind.clone(),
        namespace: from.pod.namespace.clone(),
        name: from.name.clone(),
    };
    let fronts = inventory.services.iter().filter(|service| selects(service, &to.pod));
    let front = fronts
        .flat_map(|service| service.ports.iter().map(move |port| (service, port)))
        .find(|(_, port)| {
            port.protocol == rule.protocol
                && port_on(&to.pod, &port.target, port.protocol) == Some(number)
        });
    let (destination, port) = match front {
        Some((service, port)) => (
            Destination::Service {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
            },
            port.port,
        ),
        None => {
            let is_its = |state: &&PodState| {
                state.pod.namespace == to.pod.namespace
                    && to
                        .pod
                        .labels
                        .iter()
                        .all(|(key, value)| state.pod.labels.get(key) == Some(value))
            };
            let pod = &inventory.pods.iter().find(is_its)?.pod;
            (Destination::Pod { namespace: pod.namespace.clone(), name: pod.name.clone() }, number)
        }
    };
    Some(Edge {
        source,
        destination,
        port: PortName::Number(port),
        protocol: rule.protocol,
        addresses: Vec::new(),
    })
}

/// The edges that workloads declare.
#[must_use]
pub fn edges_of(declared: Vec<Declared>) -> Vec<Edge> {
    declared.into_iter().map(|one| one.edge).collect()
}

fn judged(inventory: &Inventory, edge: &Edge) -> GraphEdge {
    let (source, own) = match &edge.source {
        Source::Workload { kind, namespace, name } => (
            GraphNode { namespace: namespace.clone(), name: format!("{kind}/{name}") },
            namespace.as_str(),
        ),
        Source::Pod { namespace, name } => (
            GraphNode { namespace: namespace.clone(), name: format!("pod/{name}") },
            namespace.as_str(),
        ),
        Source::Labels { namespace, labels } => {
            let text: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (GraphNode { namespace: namespace.clone(), name: text.join(",") }, namespace.as_str())
        }
        Source::Address(address) => {
            (GraphNode { namespace: String::new(), name: address.to_string() }, "")
        }
    };
    let destination = destination(inventory, &edge.destination, own);
    match trace(inventory, edge) {
        Ok(path) => GraphEdge::from_path(source, destination, &path),
        Err(error) => GraphEdge {
            source,
            destination,
            port: format!("{} {}", edge.protocol, edge.port),
            verdict: Decision::Unknown,
            reason: error.to_string(),
        },
    }
}

fn destination(inventory: &Inventory, destination: &Destination, own: &str) -> GraphNode {
    let behind = |namespace: &str, name: &str| {
        let service = inventory
            .services
            .iter()
            .find(|service| service.namespace == namespace && service.name == name);
        let workload = service.and_then(|service| {
            inventory
                .workloads
                .iter()
                .find(|workload| workload.kind != "job" && selects(service, &workload.pod))
        });
        let name = match (workload, service) {
            (Some(workload), _) => format!("{}/{}", workload.kind, workload.name),
            (None, Some(_)) => format!("service/{name}"),
            (None, None) => name.to_owned(),
        };
        GraphNode { namespace: namespace.to_owned(), name }
    };
    match destination {
        Destination::Service { namespace, name } => behind(namespace, name),
        Destination::Pod { namespace, name } => {
            let pod = inventory
                .pods
                .iter()
                .find(|state| state.pod.namespace == *namespace && state.pod.name == *name)
                .map(|state| &state.pod);
            let made = |workload: &&Workload| {
                let labels = pod.map(|pod| &pod.labels);
                workload.pod.namespace == *namespace
                    && labels.is_some_and(|labels| {
                        workload
                            .pod
                            .labels
                            .iter()
                            .all(|(key, value)| labels.get(key) == Some(value))
                    })
            };
            let name = inventory.workloads.iter().find(made).map_or_else(
                || format!("pod/{name}"),
                |workload| format!("{}/{}", workload.kind, workload.name),
            );
            GraphNode { namespace: namespace.clone(), name }
        }
        Destination::Address(address) => {
            GraphNode { namespace: String::new(), name: address.to_string() }
        }
        Destination::Host(host) => {
            let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
            match parts.as_slice() {
                [name] => behind(own, name),
                [name, namespace] if inventory.namespaces.contains_key(*namespace) => {
                    behind(namespace, name)
                }
                [name, namespace, "svc", ..] => behind(namespace, name),
                _ => GraphNode { namespace: String::new(), name: host.clone() },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_service_stands_as_the_workload_behind_it() {
        let deployment = |name: &str| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name,
                "namespace": "n"},
            "spec": {"template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}})
        };
        let objects = [
            deployment("web"),
            deployment("api"),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api",
                "namespace": "n"}, "spec": {"selector": {"app": "api"}, "ports": [{"port": 80}]}}),
        ];
        let inventory = Inventory::from_objects(&objects);
        let graph = picture(&inventory, "n", &all_pairs(&inventory, "n"));
        assert_eq!(
            graph.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
            ["deployment/api", "deployment/web"]
        );
        let [edge] = graph.edges.as_slice() else { panic!("{:?}", graph.edges) };
        assert_eq!(
            (edge.source.name.as_str(), edge.destination.name.as_str(), edge.verdict),
            ("deployment/web", "deployment/api", Decision::Allowed)
        );
    }
}
