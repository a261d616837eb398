//! Worlds as the library sees them.

use netpol_evaluator::{Connection, Endpoint, Inventory, Pod, Protocol, Verdict, evaluate};
use serde_json::{Value, json};

use crate::naive::End;

pub(crate) fn protocol(name: &str) -> Protocol {
    serde_json::from_value(json!(name)).unwrap()
}

pub(crate) fn find<'a>(inventory: &'a Inventory, pod: &Value) -> &'a Pod {
    let metadata = &pod["metadata"];
    let same = |candidate: &&Pod| {
        metadata["name"] == candidate.name && metadata["namespace"] == candidate.namespace
    };
    inventory.pods.iter().map(|state| &state.pod).find(same).unwrap()
}

pub(crate) fn endpoint<'a>(inventory: &'a Inventory, end: End<'_>) -> Endpoint<'a> {
    match end {
        End::Pod(pod) => Endpoint::Pod(find(inventory, pod)),
        End::Address(address) => Endpoint::Address(address.parse().unwrap()),
    }
}

pub(crate) fn verdict(
    inventory: &Inventory,
    source: Endpoint<'_>,
    destination: Endpoint<'_>,
    protocol: Protocol,
    port: u16,
) -> Verdict {
    evaluate(inventory.cluster(), &Connection { source, destination, protocol, port })
}

pub(crate) fn policy(namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name,
        "namespace": namespace}, "spec": spec})
}

pub(crate) fn pod(
    namespace: &str,
    name: &str,
    labels: Value,
    address: &str,
    ports: Value,
) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "ports": ports}]},
        "status": {"phase": "Running", "podIP": address,
        "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

pub(crate) fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

pub(crate) fn workload(
    kind: &str,
    namespace: &str,
    name: &str,
    labels: Value,
    ports: Value,
) -> Value {
    let template = json!({"metadata": {"labels": labels},
        "spec": {"containers": [{"name": "main", "ports": ports}]}});
    let spec = if kind == "CronJob" {
        json!({"jobTemplate": {"spec": {"template": template}}})
    } else {
        json!({"template": template})
    };
    json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

pub(crate) fn service(namespace: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name,
        "namespace": namespace}, "spec": spec})
}

/// A trading platform under a default deny: the client may go out, nothing may come in, and the
/// jobs are forgotten.
pub(crate) fn platform() -> Vec<Value> {
    let http = || {
        json!([{"name": "http", "containerPort": 8000}, {"name": "metrics",
        "containerPort": 9090}])
    };
    let dns = json!([{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}]);
    let rules = |extra: Value| {
        Value::Array(dns.as_array().unwrap().iter().cloned().chain([extra]).collect())
    };
    vec![
        namespace("apps", json!({"kubernetes.io/metadata.name": "apps"})),
        namespace("ingress-nginx", json!({"kubernetes.io/metadata.name": "ingress-nginx"})),
        namespace("monitoring", json!({"kubernetes.io/metadata.name": "monitoring"})),
        namespace("kube-system", json!({"kubernetes.io/metadata.name": "kube-system"})),
        pod(
            "kube-system",
            "coredns-1",
            json!({"k8s-app": "kube-dns"}),
            "10.9.0.2",
            json!([{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp",
                "containerPort": 53}]),
        ),
        workload("Deployment", "apps", "engine", json!({"app": "engine"}), http()),
        workload("Deployment", "apps", "ta-bot", json!({"app": "ta-bot"}), json!([])),
        workload(
            "CronJob",
            "apps",
            "extractor",
            json!({"app": "extractor", "component": "klines-extractor"}),
            json!([]),
        ),
        workload(
            "CronJob",
            "apps",
            "gap-filler",
            json!({"app": "extractor", "component": "klines-gap-filler"}),
            json!([]),
        ),
        pod(
            "apps",
            "engine-1",
            json!({"app": "engine", "pod-template-hash": "5b9"}),
            "10.9.1.2",
            http(),
        ),
        pod(
            "apps",
            "ta-bot-1",
            json!({"app": "ta-bot", "pod-template-hash": "7c4"}),
            "10.9.1.3",
            json!([]),
        ),
        pod(
            "ingress-nginx",
            "controller-1",
            json!({"app.kubernetes.io/name": "ingress-nginx"}),
            "10.9.2.2",
            json!([]),
        ),
        pod("monitoring", "prometheus-0", json!({"app": "prometheus"}), "10.9.3.2", json!([])),
        service(
            "apps",
            "engine-service",
            json!({"clusterIP": "10.96.0.7", "selector": {"app": "engine"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}),
        ),
        policy(
            "apps",
            "default-deny-all",
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        ),
        policy(
            "apps",
            "engine-egress",
            json!({"podSelector": {"matchLabels": {"app": "engine"}}, "policyTypes": ["Egress"],
                "egress": [{}]}),
        ),
        policy(
            "apps",
            "ta-bot-egress",
            json!({"podSelector": {"matchLabels": {"app": "ta-bot"}}, "policyTypes": ["Egress"],
                "egress": rules(json!({"to": [{"podSelector": {"matchLabels": {"app": "engine"}}}],
                "ports": [{"port": 8000}]}))}),
        ),
        policy(
            "apps",
            "extractor-egress",
            json!({"podSelector": {"matchLabels": {"component": "klines-extractor"}},
                "policyTypes": ["Egress"], "egress": rules(json!({"ports": [{"port": 443}]}))}),
        ),
    ]
}

/// The rule set that opens the engine.
pub(crate) fn engine_ingress() -> Value {
    policy(
        "apps",
        "engine-ingress",
        json!({"podSelector": {"matchLabels": {"app": "engine"}}, "policyTypes": ["Ingress"],
            "ingress": [
            {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}], "ports": [{"port": 8000}, {"port": 9090}]},
            {"from": [{"namespaceSelector": {"matchLabels": {"name": "ingress-nginx"}}}],
            "ports": [{"port": 8000}]},
            {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}], "ports": [{"port": 9090}]},
        ]}),
    )
}
