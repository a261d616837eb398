//! What is proposed lets the connection pass, and cuts nobody else off.

use netpol_evaluator::{
    Connection, Decision, Destination, Edge, Endpoint, Fix, Inventory, NetworkPolicy, PortName,
    Protocol, Source, Translation, evaluate, explain, propose, propose_for_path, trace,
};
use serde_json::{Value, json};

use crate::naive::End;
use crate::support::{endpoint, platform, protocol};
use crate::worlds::{OUTSIDE, PORTS, PROTOCOLS, Random, World};

/// The two operations of JSON patch that are proposed.
fn patched(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    for operation in patch.as_array().unwrap() {
        let (parent, last) = operation["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let value = operation["value"].clone();
        match object.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(value),
            other => other[last] = value,
        }
    }
    object
}

fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    name.len() <= 253
        && name.split('.').all(part)
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
}

fn with(world: &World, added: &[Value]) -> Inventory {
    Inventory::from_objects(world.objects().chain(added))
}

/// What of all edges between pods passes.
fn passing(world: &World, inventory: &Inventory) -> Vec<bool> {
    let mut passing = Vec::new();
    for from in &world.pods {
        for to in &world.pods {
            for name in PROTOCOLS {
                for port in PORTS {
                    let connection =
                        connection(inventory, End::Pod(from), End::Pod(to), name, port);
                    passing.push(evaluate(inventory.cluster(), &connection).allowed());
                }
            }
        }
    }
    passing
}

fn connection<'a>(
    inventory: &'a Inventory,
    from: End<'_>,
    to: End<'_>,
    name: &str,
    port: u16,
) -> Connection<'a> {
    Connection {
        source: endpoint(inventory, from),
        destination: endpoint(inventory, to),
        protocol: protocol(name),
        port,
    }
}

fn proposed(inventory: &Inventory, connection: &Connection<'_>) -> Fix {
    let explanation = explain(
        inventory.cluster(),
        connection,
        &evaluate(inventory.cluster(), connection),
        Translation::default(),
    );
    propose(inventory.cluster(), connection, &explanation)
}

#[test]
fn proposals_open_the_edge_and_shut_no_other() {
    let (mut opened, mut alternatives) = (0, 0);
    for seed in 0..150 {
        let world = World::generate(seed);
        let inventory = Inventory::from_objects(world.objects());
        let before = passing(&world, &inventory);
        let mut random = Random::new(seed);
        let ends: Vec<End<'_>> = world
            .pods
            .iter()
            .map(End::Pod)
            .chain(OUTSIDE.iter().map(|address| End::Address(address)))
            .collect();
        for _ in 0..12 {
            let (from, to, name, port) = (
                *random.pick(&ends),
                *random.pick(&ends),
                *random.pick(&PROTOCOLS),
                *random.pick(&PORTS),
            );
            let edge = connection(&inventory, from, to, name, port);
            let verdict = evaluate(inventory.cluster(), &edge);
            let fix = proposed(&inventory, &edge);
            if verdict.allowed() {
                assert_eq!(fix, Fix::default(), "seed {seed}");
                continue;
            }
            assert!(fix.obstacles.is_empty(), "seed {seed}: {:?}", fix.obstacles);
            let after = with(&world, &fix.policies);
            assert!(after.unreadable.is_empty());
            assert!(
                evaluate(after.cluster(), &connection(&after, from, to, name, port)).allowed(),
                "seed {seed}: {:#?}",
                fix.policies
            );
            let shut = passing(&world, &after)
                .into_iter()
                .zip(&before)
                .filter(|(after, before)| **before && !*after)
                .count();
            assert_eq!(shut, 0, "seed {seed}: {:#?}", fix.policies);
            assert!(
                fix.policies
                    .iter()
                    .all(|policy| is_subdomain(policy["metadata"]["name"].as_str().unwrap())),
                "{:?}",
                fix.policies
            );
            opened += 1;
            for alternative in &fix.alternatives {
                let mut changed = world.clone();
                let same = |object: &&mut Value| {
                    NetworkPolicy::from_object(object).unwrap().reference == alternative.policy
                };
                let object = changed.policies.iter_mut().find(same).unwrap();
                *object = patched(object, &alternative.patch);
                let inventory = Inventory::from_objects(changed.objects());
                let verdict =
                    evaluate(inventory.cluster(), &connection(&inventory, from, to, name, port));
                let side = if alternative.direction == netpol_evaluator::Direction::Egress {
                    verdict.egress
                } else {
                    verdict.ingress
                };
                assert!(side.passes(), "seed {seed}: {alternative:#?}");
                alternatives += 1;
            }
        }
    }
    assert!(opened > 300 && alternatives > 100, "{opened} {alternatives}");
}

fn path_fix(objects: &[Value], source: Source, host: &str, port: u16) -> (Fix, Decision) {
    let edge = Edge {
        source,
        destination: Destination::Host(host.to_owned()),
        port: PortName::Number(port),
        protocol: Protocol::Tcp,
        addresses: Vec::new(),
    };
    let inventory = Inventory::from_objects(objects);
    let fix = propose_for_path(inventory.cluster(), &trace(&inventory, &edge).unwrap());
    let after = Inventory::from_objects(objects.iter().chain(&fix.policies));
    (fix, trace(&after, &edge).unwrap().verdict)
}

#[test]
fn the_missing_ingress_policy_is_proposed() {
    let source = Source::Workload {
        kind: "deployment".into(),
        namespace: "apps".into(),
        name: "ta-bot".into(),
    };
    let (fix, after) = path_fix(&platform(), source, "engine-service", 80);
    assert_eq!(after, Decision::Allowed);
    assert_eq!(
        fix.policies,
        [json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "allow-engine-from-ta-bot-tcp-8000", "namespace": "apps"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "engine"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "ta-bot"}}}],
                "ports": [{"protocol": "TCP", "port": 8000}]}],
            },
        })]
    );
    let stranger = Source::Pod { namespace: "monitoring".into(), name: "prometheus-0".into() };
    let (fix, after) = path_fix(&platform(), stranger, "engine-service.apps", 80);
    assert_eq!(after, Decision::Allowed);
    assert_eq!(
        fix.policies[0]["spec"]["ingress"][0]["from"],
        json!([{"podSelector": {"matchLabels": {"app": "prometheus"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}])
    );
}

#[test]
fn forgotten_jobs_get_dns_and_the_host_or_the_selector_of_their_neighbours() {
    let source = Source::Workload {
        kind: "cronjob".into(),
        namespace: "apps".into(),
        name: "gap-filler".into(),
    };
    let (fix, after) = path_fix(&platform(), source, "fapi.example.com", 443);
    assert_eq!(after, Decision::Allowed);
    let names: Vec<&str> =
        fix.policies.iter().map(|policy| policy["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "allow-extractor-klines-gap-filler-to-kube-dns-udp-53",
            "allow-extractor-klines-gap-filler-to-kube-dns-tcp-53",
            "allow-extractor-klines-gap-filler-to-internet-tcp-443"
        ]
    );
    let selector = json!([{"op": "replace", "path": "/spec/podSelector",
        "value": {"matchExpressions": [{"key": "component", "operator": "In",
        "values": ["klines-extractor", "klines-gap-filler"]}]}}]);
    assert_eq!(fix.alternatives[0].patch, selector);
    assert_eq!(fix.alternatives[0].policy.name, "extractor-egress");
}

#[test]
fn what_no_policy_can_open_is_said() {
    let inventory = Inventory::from_objects(&platform());
    let host = netpol_evaluator::Pod {
        host_network: true,
        sidecar: false,
        namespace: "monitoring".into(),
        name: "agent".into(),
        ..Default::default()
    };
    let engine = &inventory.pods.iter().find(|state| state.pod.name == "engine-1").unwrap().pod;
    let edge = Connection {
        source: Endpoint::Pod(&host),
        destination: Endpoint::Pod(engine),
        protocol: Protocol::Tcp,
        port: 8000,
    };
    let fix = proposed(&inventory, &edge);
    assert!(fix.policies.is_empty());
    assert_eq!(
        fix.obstacles,
        ["monitoring/agent uses the network of its node and has no address yet; only an ipBlock \
                can name it"]
    );
}
