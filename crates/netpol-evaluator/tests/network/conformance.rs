//! The cases of the end-to-end suite of Kubernetes (`test/e2e/network/netpol`) as a table: nine
//! pods `x/a` to `z/c`, ports 80 and 81.

use netpol_evaluator::Inventory;
use serde_json::{Value, json};

use crate::naive::{self, End};
use crate::support::{endpoint, namespace, pod, policy, protocol, verdict};
use crate::worlds::World;

/// Whether a pod reaches another; a pod always reaches itself.
type Expected = fn(&str, &str) -> bool;

struct Case {
    name: &'static str,
    policies: Vec<Value>,
    /// Protocol, port, who reaches whom.
    probes: Vec<(&'static str, u16, Expected)>,
}

fn case(
    name: &'static str,
    policies: Vec<Value>,
    probes: Vec<(&'static str, u16, Expected)>,
) -> Case {
    Case { name, policies, probes }
}

fn address(namespace: usize, pod: usize) -> String {
    format!("10.1.{namespace}.{}", pod + 2)
}

fn model() -> World {
    let ports = json!([
        {"name": "serve-80-tcp", "containerPort": 80, "protocol": "TCP"}, {"name": "serve-81-tcp",
        "containerPort": 81, "protocol": "TCP"},
        {"name": "serve-80-udp", "containerPort": 80, "protocol": "UDP"}, {"name": "serve-81-udp",
        "containerPort": 81, "protocol": "UDP"},
        {"name": "serve-80-sctp", "containerPort": 80, "protocol": "SCTP"},
    ]);
    let names = ["x", "y", "z"];
    let namespaces = names
        .iter()
        .map(|name| namespace(name, json!({"ns": name, "kubernetes.io/metadata.name": name})))
        .collect();
    let mut pods = Vec::new();
    for (row, space) in names.iter().enumerate() {
        for (column, name) in ["a", "b", "c"].iter().enumerate() {
            pods.push(pod(space, name, json!({"pod": name}), &address(row, column), ports.clone()));
        }
    }
    World { namespaces, pods, policies: Vec::new() }
}

fn check(case: &Case) {
    let mut world = model();
    world.policies = case.policies.clone();
    check_world(case, &world);
}

fn check_world(case: &Case, world: &World) {
    let inventory = Inventory::from_objects(world.objects());
    assert!(inventory.unreadable.is_empty(), "{}: {:?}", case.name, inventory.unreadable);
    let label = |pod: &Value| {
        format!(
            "{}/{}",
            pod["metadata"]["namespace"].as_str().unwrap(),
            pod["metadata"]["name"].as_str().unwrap()
        )
    };
    for (name, port, expected) in &case.probes {
        for from in &world.pods {
            for to in &world.pods {
                let wanted = label(from) == label(to) || expected(&label(from), &label(to));
                let ends = (End::Pod(from), End::Pod(to));
                let found = verdict(
                    &inventory,
                    endpoint(&inventory, ends.0),
                    endpoint(&inventory, ends.1),
                    protocol(name),
                    *port,
                );
                assert_eq!(
                    found.allowed(),
                    wanted,
                    "{}: {} -> {} {name} {port}: {found:?}",
                    case.name,
                    label(from),
                    label(to)
                );
                assert_eq!(
                    naive::allowed(world, ends.0, ends.1, name, u64::from(*port)),
                    wanted,
                    "naive, {}",
                    case.name
                );
            }
        }
    }
}

/// A policy of namespace x.
fn x(spec: Value) -> Value {
    policy("x", "policy", spec)
}

fn outside(namespace: &str, pod: &str) -> bool {
    !pod.starts_with(namespace)
}

#[test]
fn ingress() {
    let a = || json!({"matchLabels": {"pod": "a"}});
    for case in [
        case(
            "default-deny-ingress",
            vec![x(json!({"podSelector": {}, "policyTypes": ["Ingress"]}))],
            vec![("TCP", 80, |_, to| outside("x", to))],
        ),
        case(
            "default-deny-all",
            vec![x(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))],
            vec![("TCP", 80, |from, to| outside("x", from) && outside("x", to))],
        ),
        case(
            "from pods within the namespace by PodSelector",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "x/b")],
        ),
        case(
            "to one target from everywhere in the cluster",
            vec![
                x(json!({"podSelector": {}, "policyTypes": ["Ingress"]})),
                policy(
                    "x",
                    "target",
                    json!({"podSelector": a(), "ingress": [{"from": [{"namespaceSelector": {}}]}]}),
                ),
            ],
            vec![("TCP", 80, |_, to| outside("x", to) || to == "x/a")],
        ),
        case(
            "from one namespace by its default label and MatchExpressions",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["y"]}]}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from.starts_with('y'))],
        ),
        case(
            "PodSelector with MatchExpressions",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "pod",
                    "operator": "In", "values": ["b"]}]}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "x/b")],
        ),
        case(
            "NamespaceSelector with MatchExpressions, NotIn",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [{"key": "ns",
                    "operator": "NotIn", "values": ["x", "z"]}]}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from.starts_with('y'))],
        ),
        case(
            "PodSelector or NamespaceSelector",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}},
                    {"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "x/b" || from.starts_with('y'))],
        ),
        case(
            "PodSelector and NamespaceSelector",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "b"}},
                    "namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "y/b")],
        ),
        case(
            "several PodSelectors and NamespaceSelectors",
            vec![x(json!({"podSelector": a(), "ingress": [{"from": [
                {"namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "NotIn",
                "values": ["x"]}]}, "podSelector": {"matchExpressions": [{"key": "pod",
                "operator": "In", "values": ["b", "c"]}]}},
            ]}]}))],
            vec![("TCP", 80, |from, to| {
                to != "x/a" || (outside("x", from) && !from.ends_with('a'))
            })],
        ),
        case(
            "any of several PodSelectors",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "b"}}},
                    {"podSelector": {"matchLabels": {"pod": "c"}}}]}]}))],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "x/b" || from == "x/c")],
        ),
        case(
            "from one namespace on one port",
            vec![x(json!({"podSelector": {},
                    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}],
                    "ports": [{"port": 81}]}]}))],
            vec![
                ("TCP", 81, |from, to| outside("x", to) || from.starts_with('y')),
                ("TCP", 80, |_, to| outside("x", to)),
            ],
        ),
        case(
            "several stacked policies with overlapping podSelectors",
            vec![
                policy(
                    "x",
                    "one",
                    json!({"podSelector": a(),
                        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}],
                        "ports": [{"port": 81}]}]}),
                ),
                policy(
                    "x",
                    "two",
                    json!({"podSelector": {},
                        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}],
                        "ports": [{"port": 80}]}]}),
                ),
            ],
            vec![
                ("TCP", 80, |from, to| outside("x", to) || from.starts_with('y')),
                ("TCP", 81, |from, to| outside("x", to) || (to == "x/a" && from.starts_with('y'))),
            ],
        ),
        case(
            "allow-all",
            vec![x(json!({"podSelector": {}, "ingress": [{}]}))],
            vec![("TCP", 80, |_, _| true), ("UDP", 81, |_, _| true)],
        ),
        case(
            "allow-all beside deny-all: policies add up",
            vec![
                policy("x", "deny", json!({"podSelector": {}})),
                policy("x", "allow", json!({"podSelector": {}, "ingress": [{}]})),
            ],
            vec![("TCP", 80, |_, _| true)],
        ),
        case(
            "on one named port",
            vec![x(json!({"podSelector": {}, "ingress": [{"ports": [{"port": "serve-81-tcp"}]}]}))],
            vec![
                ("TCP", 81, |_, _| true),
                ("TCP", 80, |_, to| outside("x", to)),
                ("UDP", 81, |_, to| outside("x", to)),
            ],
        ),
        case(
            "from a namespace on one named port",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "x"}}}],
                    "ports": [{"port": "serve-80-tcp"}]}]}))],
            vec![
                ("TCP", 80, |from, to| to != "x/a" || from.starts_with('x')),
                ("TCP", 81, |_, to| to != "x/a"),
            ],
        ),
        case(
            "a range of ports",
            vec![x(
                json!({"podSelector": a(), "ingress": [{"ports": [{"port": 79, "endPort": 80}]}]}),
            )],
            vec![
                ("TCP", 80, |_, _| true),
                ("TCP", 81, |_, to| to != "x/a"),
                ("UDP", 80, |_, to| to != "x/a"),
            ],
        ),
        case(
            "UDP alone",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"ports": [{"port": 81, "protocol": "UDP"}]}]}))],
            vec![
                ("UDP", 81, |_, _| true),
                ("TCP", 81, |_, to| to != "x/a"),
                ("UDP", 80, |_, to| to != "x/a"),
            ],
        ),
        case(
            "SCTP by port",
            vec![x(json!({"podSelector": a(),
                    "ingress": [{"ports": [{"port": 80, "protocol": "SCTP"}]}]}))],
            vec![("SCTP", 80, |_, _| true), ("TCP", 80, |_, to| to != "x/a")],
        ),
        case(
            "default policyTypes: ingress alone",
            vec![x(json!({"podSelector": {}, "ingress": []}))],
            vec![("TCP", 80, |_, to| outside("x", to))],
        ),
        case(
            "policyTypes leave ingress rules out",
            vec![x(json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [],
                    "egress": [{}]}))],
            vec![("TCP", 80, |_, _| true)],
        ),
    ] {
        check(&case);
    }
}

#[test]
fn egress() {
    let a = || json!({"matchLabels": {"pod": "a"}});
    let block = |except: Value| {
        json!({"podSelector": a(), "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.1.0/24", "except": except}}]}]})
    };
    for case in [
        case(
            "deny from some pods",
            vec![x(json!({"podSelector": a(), "policyTypes": ["Egress"]}))],
            vec![("TCP", 80, |from, _| from != "x/a")],
        ),
        case(
            "deny from a namespace",
            vec![x(json!({"podSelector": {}, "policyTypes": ["Egress"]}))],
            vec![("TCP", 80, |from, _| outside("x", from))],
        ),
        case(
            "on one named port",
            vec![x(json!({"podSelector": a(), "policyTypes": ["Egress"],
                    "egress": [{"ports": [{"port": "serve-80-tcp"}]}]}))],
            vec![("TCP", 80, |_, _| true), ("TCP", 81, |from, _| from != "x/a")],
        ),
        case(
            "ingress and egress together",
            vec![x(json!({"podSelector": a(), "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}],
                    "egress": [{"ports": [{"port": 80}]}]}))],
            vec![
                ("TCP", 80, |from, to| to != "x/a" || from.starts_with('y')),
                ("TCP", 81, |from, to| from != "x/a" && (to != "x/a" || from.starts_with('y'))),
            ],
        ),
        case(
            "the client's side denies although the server allows",
            vec![
                policy(
                    "x",
                    "client",
                    json!({"podSelector": a(), "policyTypes": ["Egress"],
                        "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"ns": "x"}}}]}]}),
                ),
                policy(
                    "y",
                    "server",
                    json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}),
                ),
            ],
            vec![("TCP", 80, |from, to| from != "x/a" || to.starts_with('x'))],
        ),
        case(
            "to a block",
            vec![x(block(json!([])))],
            vec![("TCP", 80, |from, to| from != "x/a" || to.starts_with('y'))],
        ),
        case(
            "to a block with an exception",
            vec![x(block(json!(["10.1.1.2/32"])))],
            vec![("TCP", 80, |from, to| from != "x/a" || (to.starts_with('y') && to != "y/a"))],
        ),
        case(
            "an address in the exception of one policy and the block of another",
            vec![
                policy("x", "except", block(json!(["10.1.1.2/32"]))),
                policy(
                    "x",
                    "allow",
                    json!({"podSelector": a(), "policyTypes": ["Egress"],
                        "egress": [{"to": [{"ipBlock": {"cidr": "10.1.1.2/32"}}]}]}),
                ),
            ],
            vec![("TCP", 80, |from, to| from != "x/a" || to.starts_with('y'))],
        ),
        case(
            "to a pod of another namespace by both selectors",
            vec![x(json!({"podSelector": {}, "policyTypes": ["Egress"],
                    "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"ns": "y"}},
                    "podSelector": {"matchLabels": {"pod": "a"}}}]}]}))],
            vec![("TCP", 80, |from, to| outside("x", from) || to == "y/a")],
        ),
        case(
            "default policyTypes: egress rules isolate both ways",
            vec![x(json!({"podSelector": a(), "egress": [{}]}))],
            vec![("TCP", 80, |_, to| to != "x/a")],
        ),
        case(
            "default policyTypes: an empty list of egress rules is none",
            vec![x(json!({"podSelector": a(), "egress": [], "ingress": [{}]}))],
            vec![("TCP", 80, |_, _| true)],
        ),
    ] {
        check(&case);
    }
}

#[test]
fn changes() {
    let deny = x(json!({"podSelector": {"matchLabels": {"pod": "a"}}}));
    let allow = x(json!({"podSelector": {"matchLabels": {"pod": "a"}}, "ingress": [{}]}));
    check(&case("created", vec![deny], vec![("TCP", 80, |_, to| to != "x/a")]));
    check(&case("updated", vec![allow], vec![("TCP", 80, |_, _| true)]));
    check(&case("deleted", vec![], vec![("TCP", 80, |_, _| true)]));
    let by_namespace = x(json!({"podSelector": {"matchLabels": {"pod": "a"}},
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "renamed"}}}]}]}));
    let mut world = model();
    world.policies = vec![by_namespace];
    check_world(
        &case(
            "before the label of a namespace changes",
            vec![],
            vec![("TCP", 80, |_, to| to != "x/a")],
        ),
        &world,
    );
    world.namespaces[1]["metadata"]["labels"]["ns"] = "renamed".into();
    check_world(
        &case(
            "after the label of a namespace changed",
            vec![],
            vec![("TCP", 80, |from, to| to != "x/a" || from.starts_with('y'))],
        ),
        &world,
    );
    world.policies = vec![x(json!({"podSelector": {"matchLabels": {"pod": "a"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "new"}}}]}]}))];
    world.pods[1]["metadata"]["labels"]["pod"] = "new".into();
    check_world(
        &case(
            "after the label of a pod changed",
            vec![],
            vec![("TCP", 80, |from, to| to != "x/a" || from == "x/b")],
        ),
        &world,
    );
}
