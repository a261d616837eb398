//! NetworkPolicies before the pods of a Service: whether any client can be admitted at each of its
//! ports, at each of its pods.

use crate::build::*;
use kube_diagnosis::{Cause, Snapshot, Weight, diagnose, weight};
use serde_json::{Value, json};

fn policy(name: &str, ingress: Value) -> Value {
    let base = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
    object("NetworkPolicy", name, merged(base, json!({"spec": {"ingress": ingress}})))
}

/// The healthy Deployment with its Service, from port 80 to the port `http` (8080), and more.
fn with(more: Vec<Value>) -> Vec<Value> {
    let mut all = web(1, 1);
    all.extend([pod("web-a", json!({})), service(json!({}))]);
    all.extend(more);
    all
}

/// What is said of Services, and what of clients when one asks about it.
fn said(objects: &[Value]) -> (Vec<String>, Vec<String>) {
    let mut snapshot: Snapshot = objects.iter().cloned().collect();
    snapshot.ask_about("web");
    let found = diagnose(&snapshot, now());
    assert!(found.causes.iter().all(|cause| weight(cause.id) == Weight::Harmless));
    (found.causes.iter().map(Cause::sentence).collect(), found.restricted)
}

const DENIED: &str = "service/web leads to ports that no NetworkPolicy allows: ";
const MISTAKEN: &str = "service/web has a NetworkPolicy that allows the port of the Service, not that \
    of its pods: ";

#[test]
fn a_port_at_which_no_client_can_be_admitted_is_named() {
    for (ingress, wanted) in [
        (json!([]), "8080/TCP (NetworkPolicy a)"),
        (json!([{"ports": [{"port": 8080, "protocol": "UDP"}]}]), "8080/TCP (NetworkPolicy a)"),
        (
            json!([{"ports": [{"port": 8080, "protocol": "UDP"}, {"port": 443}]}]),
            "8080/TCP (NetworkPolicy a)",
        ),
        (json!([{"ports": [{"protocol": "SCTP"}]}]), "8080/TCP (NetworkPolicy a)"),
        (json!([{"ports": [{"port": 8000, "endPort": 8079}]}]), "8080/TCP (NetworkPolicy a)"),
        (json!([{"ports": [{"port": "http", "protocol": "UDP"}]}]), "8080/TCP (NetworkPolicy a)"),
        // whoever is meant, the port is not
        (json!([{"from": [{"podSelector": {}}], "ports": [{"port": 1}]}]), "8080/TCP"),
    ] {
        let (causes, restricted) = said(&with(vec![policy("a", ingress.clone())]));
        assert_eq!(causes.len(), 1, "{ingress}: {causes:?}");
        assert!(causes[0].starts_with(&format!("{DENIED}{wanted}")), "{ingress}: {causes:?}");
        assert!(restricted.is_empty(), "{ingress}");
    }
}

#[test]
fn policies_that_admit_a_client_accuse_nobody() {
    let only = ["only some clients are admitted at 8080/TCP (NetworkPolicy a)"];
    for (ingress, restricted) in [
        (json!([{}]), false),
        (json!([{"ports": []}]), false),
        (json!([{"ports": [{"port": 8080}]}]), false),
        (json!([{"ports": [{"port": "http"}]}]), false),
        (json!([{"ports": [{"protocol": "TCP"}]}]), false),
        (json!([{"ports": [{"port": 8000, "endPort": 9000}]}]), false),
        (json!([{"ports": [{"port": 1}]}, {"ports": [{"port": 8080}]}]), false),
        (json!([{"from": [{"namespaceSelector": {}}]}]), false),
        (json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]), false),
        (json!([{"from": [{"podSelector": {}}]}]), true),
        (json!([{"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]}]), true),
        (json!([{"from": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}]}]), true),
        (
            json!([{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}]}]),
            true,
        ),
        (json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]), true),
        (json!([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]), true),
        // everybody, but not at this port
        (json!([{"ports": [{"port": 1}]}, {"from": [{"podSelector": {}}]}]), true),
    ] {
        let (causes, found) = said(&with(vec![policy("a", ingress.clone())]));
        assert_eq!(causes, Vec::<String>::new(), "{ingress}");
        let wanted: &[&str] = if restricted { &only } else { &[] };
        assert_eq!(found, wanted, "{ingress}");
    }
    assert_eq!(said(&with(vec![])), (vec![], vec![]));
}

#[test]
fn of_several_policies_one_that_admits_is_enough() {
    let admits = || policy("b", json!([{"ports": [{"port": 8080}]}]));
    let other = |selector: Value| merged(admits(), json!({"spec": {"podSelector": selector}}));
    assert_eq!(said(&with(vec![policy("a", json!([])), admits()])), (vec![], vec![]));
    // one that is about other pods, or about egress, is none of these
    let of_db = other(json!({"matchLabels": {"app": "db"}}));
    let of_egress = merged(admits(), json!({"spec": {"policyTypes": ["Egress"]}}));
    for more in [of_db, of_egress] {
        let (causes, _) = said(&with(vec![policy("a", json!([])), more]));
        assert_eq!(causes, [format!("{DENIED}8080/TCP (NetworkPolicy a)")]);
    }
    let closed = vec![policy("a", json!([])), policy("b", json!([{"ports": [{"port": 9}]}]))];
    assert_eq!(said(&with(closed)).0, [format!("{DENIED}8080/TCP (NetworkPolicies a, b)")]);
}

#[test]
fn each_port_and_each_pod_of_a_service_counts() {
    let ports = json!([{"name": "a", "port": 80, "targetPort": 8080},
        {"name": "b", "port": 9090, "targetPort": 80}]);
    let two = |ingress: Value| {
        let mut all = web(1, 1);
        all.extend([pod("web-a", json!({})), service(json!({"spec": {"ports": ports}}))]);
        all.push(policy("a", ingress));
        said(&all).0
    };
    let at = |port: u64| json!([{"ports": [{"port": port}]}]);
    assert_eq!(two(at(80)), [format!("{MISTAKEN}port 80, not 8080/TCP (NetworkPolicy a)")]);
    assert_eq!(two(at(8080)), [format!("{DENIED}80/TCP (NetworkPolicy a)")]);
    assert_eq!(two(at(9)), [format!("{DENIED}8080/TCP, 80/TCP (NetworkPolicy a)")]);
    assert_eq!(two(json!([{"ports": [{"port": 80}, {"port": 8080}]}])), Vec::<String>::new());

    let half = |ingress: Value, of_pod: Value| {
        let mut all = web(2, 2);
        let labels = json!({"metadata": {"labels": {"half": "b"}}});
        all.extend([pod("web-a", json!({})), pod("web-b", merged(labels, of_pod))]);
        let of = json!({"spec": {"podSelector": {"matchLabels": {"half": "b"}}}});
        all.extend([service(json!({})), merged(policy("a", ingress), of)]);
        said(&all).0
    };
    let one = "of 1 of 2 pods: web-b (NetworkPolicy a)";
    assert_eq!(half(at(9), json!({})), [format!("{DENIED}8080/TCP {one}")]);
    assert_eq!(half(at(80), json!({})), [format!("{MISTAKEN}port 80, not 8080/TCP {one}")]);
    assert_eq!(half(at(8080), json!({})), Vec::<String>::new());
    // policies are not about a pod in the network of its node
    assert_eq!(half(json!([]), json!({"spec": {"hostNetwork": true}})), Vec::<String>::new());
}

/// Where the number of the port is not known, any rule may be about it.
#[test]
fn a_port_without_a_number_is_closed_by_policies_without_rules_only() {
    let of = |ingress: Value| {
        let mut all = web(1, 1);
        let headless = json!({"spec": {"clusterIP": "None", "ports": null}});
        all.extend([pod("web-a", json!({})), service(headless), policy("a", ingress)]);
        said(&all).0
    };
    assert_eq!(of(json!([])), [format!("{DENIED}every port (NetworkPolicy a)")]);
    assert_eq!(of(json!([{"ports": [{"port": 5432}]}])), Vec::<String>::new());
}
