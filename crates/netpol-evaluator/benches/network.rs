//! How long a cluster of 10,000 pods and 500 policies takes: one edge, one edge with its
//! explanation, the audit of a namespace.

#![expect(clippy::unwrap_used, reason = "a benchmark fails where it panics")]

use std::time::{Duration, Instant};

use netpol_evaluator::{
    Connection, Destination, Edge, Endpoint, Inventory, PortName, Protocol, Source, Translation,
    evaluate, explain, lint, trace,
};
use serde_json::{Value, json};

const NAMESPACES: usize = 20;
const WORKLOADS: usize = 50;
const REPLICAS: usize = 10;
const POLICIES: usize = 25;

fn cluster() -> Vec<Value> {
    let mut objects = Vec::new();
    for space in 0..NAMESPACES {
        let namespace = format!("team-{space}");
        objects.push(json!({"kind": "Namespace", "metadata": {"name": namespace,
            "labels": {"team": format!("t{space}")}}}));
        for workload in 0..WORKLOADS {
            let tier = if workload % 2 == 0 { "front" } else { "back" };
            let labels = json!({"app": format!("app-{workload}"), "tier": tier});
            let spec = json!({"containers": [{"name": "main",
                "ports": [{"name": "http", "containerPort": 8000}]}]});
            let name = format!("app-{workload}");
            objects.push(json!({"kind": "Deployment", "metadata": {"name": name,
                "namespace": namespace}, "spec": {"template": {"metadata": {"labels": labels},
                "spec": spec}}}));
            objects.push(json!({"kind": "Service", "metadata": {"name": name,
                "namespace": namespace},
                "spec": {"clusterIP": format!("10.96.{space}.{workload}"),
                "selector": {"app": name},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}));
            for replica in 0..REPLICAS {
                objects.push(
                    json!({"kind": "Pod", "metadata": {"name": format!("{name}-{replica}"),
                    "namespace": namespace, "labels": labels}, "spec": spec,
                    "status": {"podIP": format!("10.{space}.{workload}.{replica}"),
                    "conditions": [{"type": "Ready", "status": "True"}]}}),
                );
            }
        }
        for policy in 0..POLICIES {
            let spec = match policy {
                0 => json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
                1 => {
                    json!({"podSelector": {}, "policyTypes": ["Egress"],
                        "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}]})
                }
                _ => {
                    json!({"podSelector": {"matchLabels": {"app": format!("app-{policy}")}},
                        "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "app",
                    "operator": "In", "values": [format!("app-{}", policy + 1), format!("app-{}",
                    policy + 2)]}]}}], "ports": [{"port": "http"}]},
                                {"from": [{"namespaceSelector": {"matchLabels": {"team": "t0"}}}]}],
                    "egress": [{"to": [{"podSelector": {"matchLabels": {"app": format!("app-{}",
                    policy - 1)}}}], "ports": [{"port": 8000}]}]})
                }
            };
            objects.push(json!({"kind": "NetworkPolicy",
                "metadata": {"name": format!("policy-{policy}"), "namespace": namespace},
                "spec": spec}));
        }
    }
    objects
}

/// The time of one call, as the mean of many.
fn mean(times: u32, mut call: impl FnMut()) -> Duration {
    let begin = Instant::now();
    for _ in 0..times {
        call();
    }
    begin.elapsed() / times
}

fn main() {
    let objects = cluster();
    let begin = Instant::now();
    let inventory = Inventory::from_objects(&objects);
    println!(
        "{} pods, {} policies, read in {:?}",
        inventory.pods.len(),
        inventory.policies.len(),
        begin.elapsed()
    );
    let pod = |namespace: &str, name: &str| {
        &inventory
            .pods
            .iter()
            .find(|state| state.pod.namespace == namespace && state.pod.name == name)
            .unwrap()
            .pod
    };
    let (from, to) = (pod("team-19", "app-7-3"), pod("team-19", "app-9-1"));
    let cluster = inventory.cluster();
    let connection = Connection {
        source: Endpoint::Pod(from),
        destination: Endpoint::Pod(to),
        protocol: Protocol::Tcp,
        port: 8000,
    };
    println!(
        "one edge: {:?}",
        mean(1000, || _ = std::hint::black_box(evaluate(cluster, &connection)))
    );
    let verdict = evaluate(cluster, &connection);
    println!(
        "one edge, explained: {:?}",
        mean(1000, || _ =
            std::hint::black_box(explain(cluster, &connection, &verdict, Translation::default())))
    );
    let edge = |source: &str, destination: &str| Edge {
        source: Source::Workload {
            kind: "deployment".into(),
            namespace: "team-19".into(),
            name: source.into(),
        },
        destination: Destination::Host(destination.into()),
        port: PortName::Number(80),
        protocol: Protocol::Tcp,
        addresses: Vec::new(),
    };
    println!(
        "one path to a Service: {:?}",
        mean(100, || _ = std::hint::black_box(trace(&inventory, &edge("app-8", "app-7")).unwrap()))
    );
    println!(
        "lints of one namespace: {:?}",
        mean(1, || _ = std::hint::black_box(lint(&inventory, Some("team-19"))))
    );
    println!(
        "lints of all namespaces: {:?}",
        mean(1, || _ = std::hint::black_box(lint(&inventory, None)))
    );
    let begin = Instant::now();
    let paths = (0..WORKLOADS).flat_map(|from| (0..WORKLOADS).map(move |to| (from, to)));
    let denied = paths
        .filter(|(from, to)| {
            trace(&inventory, &edge(&format!("app-{from}"), &format!("app-{to}")))
                .unwrap()
                .first_failing
                .is_some()
        })
        .count();
    println!(
        "audit of one namespace, {} paths, {denied} denied: {:?}",
        WORKLOADS * WORKLOADS,
        begin.elapsed()
    );
}
