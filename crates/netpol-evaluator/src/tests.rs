use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn labels(value: Value) -> Labels {
    serde_json::from_value(value).unwrap()
}

fn pod(namespace: &str, name: &str, app: &str, ip: &str) -> Pod {
    Pod {
        namespace: namespace.into(),
        name: name.into(),
        labels: labels(json!({"app": app})),
        ip: Some(ip.parse().unwrap()),
        node: Some("node-1".into()),
        host_network: false,
        sidecar: false,
        ports: vec![ContainerPort { name: "http".into(), port: 8080, protocol: Protocol::Tcp }],
    }
}

fn policy(spec: Value) -> NetworkPolicy {
    NetworkPolicy::from_object(
        &json!({"metadata": {"name": "policy", "namespace": "apps"}, "spec": spec}),
    )
    .unwrap()
}

fn judge(
    policies: &[NetworkPolicy],
    source: Endpoint<'_>,
    destination: Endpoint<'_>,
    protocol: Protocol,
    port: u16,
) -> Verdict {
    let namespaces: BTreeMap<String, Labels> = [
        ("apps".to_owned(), labels(json!({"kubernetes.io/metadata.name": "apps"}))),
        ("other".to_owned(), labels(json!({"kubernetes.io/metadata.name": "other", "team": "x"}))),
    ]
    .into();
    evaluate(
        Cluster { policies, namespaces: &namespaces },
        &Connection { source, destination, protocol, port },
    )
}

#[test]
fn ingress_rules_decide_who_comes_in() {
    let web = pod("apps", "web", "web", "10.244.0.2");
    let client = pod("apps", "client", "client", "10.244.0.3");
    let stranger = pod("other", "stranger", "client", "10.244.0.4");
    let anywhere: std::net::IpAddr = "203.0.113.9".parse().unwrap();
    for (name, spec, from_client, from_stranger, from_address) in [
        ("not selected", json!({"podSelector": {"matchLabels": {"app": "db"}}}), true, true, true),
        ("deny all", json!({"podSelector": {}}), false, false, false),
        ("empty rule", json!({"podSelector": {}, "ingress": [{}]}), true, true, true),
        (
            "own namespace",
            json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}),
            true,
            false,
            false,
        ),
        (
            "by pod",
            json!({"podSelector": {},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}]}),
            true,
            false,
            false,
        ),
        (
            "by namespace",
            json!({"podSelector": {},
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}]}),
            false,
            true,
            false,
        ),
        (
            "both in one element is and",
            json!({"podSelector": {},
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}},
                "podSelector": {"matchLabels": {"app": "web"}}}]}]}),
            false,
            false,
            false,
        ),
        (
            "two elements are or",
            json!({"podSelector": {},
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}},
                {"podSelector": {"matchLabels": {"app": "client"}}}]}]}),
            true,
            true,
            false,
        ),
        (
            "block",
            json!({"podSelector": {},
                "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0",
                "except": ["10.244.0.0/16"]}}]}]}),
            false,
            false,
            true,
        ),
        (
            "other port",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}),
            false,
            false,
            false,
        ),
        (
            "named port",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]}),
            true,
            true,
            true,
        ),
        (
            "unknown name",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": "web"}]}]}),
            false,
            false,
            false,
        ),
        (
            "range",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8000, "endPort": 8080}]}]}),
            true,
            true,
            true,
        ),
        (
            "short range",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8000, "endPort": 8079}]}]}),
            false,
            false,
            false,
        ),
        (
            "other protocol",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 8080, "protocol": "UDP"}]}]}),
            false,
            false,
            false,
        ),
        (
            "protocol alone",
            json!({"podSelector": {}, "ingress": [{"ports": [{"protocol": "TCP"}]}]}),
            true,
            true,
            true,
        ),
        (
            "egress only",
            json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": []}),
            false,
            true,
            true,
        ),
    ] {
        let policies = [policy(spec)];
        for (who, source, expected) in [
            ("client", Endpoint::Pod(&client), from_client),
            ("stranger", Endpoint::Pod(&stranger), from_stranger),
            ("address", Endpoint::Address(anywhere), from_address),
        ] {
            assert_eq!(
                judge(&policies, source, Endpoint::Pod(&web), Protocol::Tcp, 8080).allowed(),
                expected,
                "{name}: {who}"
            );
        }
    }
}

#[test]
fn directions_default_as_the_api_says() {
    for (spec, expected) in [
        (json!({}), vec![Direction::Ingress]),
        (json!({"egress": []}), vec![Direction::Ingress]),
        (json!({"egress": [{}]}), vec![Direction::Ingress, Direction::Egress]),
        (json!({"policyTypes": ["Egress"]}), vec![Direction::Egress]),
        (json!({"policyTypes": []}), vec![Direction::Ingress]),
    ] {
        assert_eq!(policy(spec.clone()).directions, expected, "{spec}");
    }
}

#[test]
fn both_sides_must_allow() {
    let (client, web) =
        (pod("apps", "client", "client", "10.244.0.3"), pod("apps", "web", "web", "10.244.0.2"));
    let deny = policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    let out = policy(
        json!({"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}],
            "ports": [{"port": "http"}]}]}),
    );
    let into = policy(json!({"podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {}}]}]}));
    let ask = |policies: &[NetworkPolicy]| {
        judge(policies, Endpoint::Pod(&client), Endpoint::Pod(&web), Protocol::Tcp, 8080)
    };
    let one_sided = ask(&[deny.clone(), out.clone()]);
    assert!(one_sided.egress.passes() && !one_sided.ingress.passes() && !one_sided.allowed());
    assert!(!ask(&[deny.clone(), into.clone()]).allowed());
    let both = ask(&[deny, out, into]);
    assert!(both.allowed());
    assert!(
        matches!(both.egress, Side::Allowed { ref by,
            .. } if by.rule == 0 && by.peer == Some(0) && by.port == Some(0)),
        "{both:?}"
    );
}

#[test]
fn nodes_own_pods_and_host_network_are_exempt() {
    let web = pod("apps", "web", "web", "10.244.0.2");
    let host = Pod { host_network: true, ..pod("apps", "host", "client", "10.245.0.1") };
    let policies = [policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))];
    assert_eq!(
        judge(&policies, Endpoint::Node, Endpoint::Pod(&web), Protocol::Tcp, 1).ingress,
        Side::Exempt(Exemption::OwnNode)
    );
    assert_eq!(
        judge(&policies, Endpoint::Pod(&web), Endpoint::Pod(&web), Protocol::Tcp, 1).egress,
        Side::Exempt(Exemption::SamePod)
    );
    let from_host = judge(&policies, Endpoint::Pod(&host), Endpoint::Pod(&web), Protocol::Tcp, 1);
    assert_eq!(from_host.egress, Side::Exempt(Exemption::HostNetwork));
    assert_eq!(from_host.ingress, Side::Exempt(Exemption::OwnNode));
    assert!(
        !judge(&policies, Endpoint::Pod(&web), Endpoint::Pod(&host), Protocol::Tcp, 1).allowed(),
        "a pod may not call its node"
    );
    for node in [None, Some("node-2".to_owned())] {
        let elsewhere = Pod { node, ..host.clone() };
        assert!(
            !judge(&policies, Endpoint::Pod(&elsewhere), Endpoint::Pod(&web), Protocol::Tcp, 1)
                .allowed(),
            "{elsewhere:?}"
        );
    }
}

#[test]
fn malformed_policies_are_errors() {
    for spec in [
        json!({"policyTypes": ["Sideways"]}),
        json!({"ingress": [{"from": [{"ipBlock": {"cidr": "nowhere"}}]}]}),
        json!({"egress": 7}),
    ] {
        assert!(
            NetworkPolicy::from_object(&json!({"metadata": {"name": "p"}, "spec": spec})).is_err(),
            "{spec}"
        );
    }
}
