//! What is said of a verdict, as a table of sentences.

use netpol_evaluator::{
    Connection, Endpoint, Explanation, Inventory, Translation, evaluate, explain,
};
use serde_json::{Value, json};

use crate::support::{engine_ingress, find, namespace, platform, pod, policy};

/// `namespace/name` of a pod, or an address.
fn end<'a>(inventory: &'a Inventory, text: &str) -> Endpoint<'a> {
    match text.split_once('/') {
        Some((namespace, name)) => Endpoint::Pod(find(
            inventory,
            &json!({"metadata": {"namespace": namespace, "name": name}}),
        )),
        None => Endpoint::Address(text.parse().unwrap()),
    }
}

fn explained(
    objects: &[Value],
    from: &str,
    to: &str,
    protocol: &str,
    port: u16,
    service_port: Option<u16>,
) -> Explanation {
    let inventory = Inventory::from_objects(objects);
    let (source, destination) = (end(&inventory, from), end(&inventory, to));
    let connection =
        Connection { source, destination, protocol: crate::support::protocol(protocol), port };
    explain(
        inventory.cluster(),
        &connection,
        &evaluate(inventory.cluster(), &connection),
        Translation { service_port },
    )
}

#[test]
fn sides_name_the_rule_or_its_absence() {
    let mut objects = platform();
    let before = explained(&objects, "apps/ta-bot-1", "apps/engine-1", "TCP", 8000, None);
    assert_eq!(before.egress.sentence, "rule 1 of policy apps/ta-bot-egress allows it");
    assert_eq!(
        before.ingress.sentence,
        "policy apps/default-deny-all isolates pod apps/engine-1 and no policy with ingress rules \
            selects it; policy apps/engine-egress is about egress only"
    );
    objects.push(engine_ingress());
    let after = explained(&objects, "apps/ta-bot-1", "apps/engine-1", "TCP", 8000, None);
    assert!(after.allowed);
    assert_eq!(
        after.to_string(),
        "pod apps/ta-bot-1 -> pod apps/engine-1 TCP 8000: allowed\negress: rule 1 of policy \
            apps/ta-bot-egress allows it\ningress: rule 0 of policy apps/engine-ingress allows it"
    );
    let outside = explained(&objects, "monitoring/prometheus-0", "203.0.113.9", "TCP", 443, None);
    assert_eq!(
        outside.egress.sentence,
        "no policy selects pod monitoring/prometheus-0, everything is allowed"
    );
    assert_eq!(outside.ingress.sentence, "203.0.113.9 is not a pod, policies do not apply to it");
}

#[test]
fn fields_are_stable() {
    let mut objects = platform();
    objects.push(engine_ingress());
    let value = serde_json::to_value(explained(
        &objects,
        "ingress-nginx/controller-1",
        "apps/engine-1",
        "TCP",
        8000,
        None,
    ))
    .unwrap();
    assert_eq!(value["egress"]["outcome"], "not_isolated");
    assert_eq!(value["ingress"]["outcome"], "denied");
    assert_eq!(value["ingress"]["rules"], 3);
    assert_eq!(
        value["ingress"]["isolating"][0],
        json!({"namespace": "apps", "name": "default-deny-all"})
    );
    let miss = &value["ingress"]["near_misses"][0];
    assert_eq!(miss["policy"]["name"], "engine-ingress");
    assert_eq!(
        (&miss["rule"], &miss["peer"], &miss["port"], &miss["distance"]),
        (&json!(1), &json!(0), &json!(0), &json!(1))
    );
    assert_eq!(
        miss["difference"],
        json!({"kind": "peer_namespace", "requirement": {"key": "name", "operator": "In",
            "values": ["ingress-nginx"]}, "found": null})
    );
}

#[test]
fn near_misses() {
    let gap_filler = pod(
        "apps",
        "gap-filler-1",
        json!({"app": "extractor", "component": "klines-gap-filler"}),
        "10.9.1.9",
        json!([]),
    );
    let extra = |spec: Value| policy("apps", "extra", spec);
    let ingress = |rule: Value| {
        extra(json!({"podSelector": {"matchLabels": {"app": "engine"}}, "policyTypes": ["Ingress"],
                "ingress": [rule]}))
    };
    let ta_bot = json!([{"podSelector": {"matchLabels": {"app": "ta-bot"}}}]);
    for (object, from, to, protocol, port, service_port, expected) in [
        (
            gap_filler,
            "apps/gap-filler-1",
            "203.0.113.7",
            "TCP",
            443,
            None,
            "policy apps/extractor-egress would select pod apps/gap-filler-1 if label `component` \
                were `klines-extractor`; it is `klines-gap-filler`",
        ),
        (
            engine_ingress(),
            "ingress-nginx/controller-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 1 of policy apps/engine-ingress allows peers in namespaces labeled \
                name=ingress-nginx; namespace ingress-nginx has no such label (it has \
                kubernetes.io/metadata.name=ingress-nginx)",
        ),
        (
            engine_ingress(),
            "monitoring/prometheus-0",
            "apps/engine-1",
            "TCP",
            9090,
            None,
            "rule 2 of policy apps/engine-ingress allows peers in namespaces labeled \
                kubernetes.io/metadata.name=observability; namespace monitoring has \
                kubernetes.io/metadata.name=monitoring",
        ),
        (
            ingress(json!({"from": ta_bot, "ports": [{"port": 80}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            Some(80),
            "rule 0 of policy apps/extra allows TCP 80, which is the Service port; the pod listens \
                on 8000",
        ),
        (
            ingress(json!({"from": ta_bot, "ports": [{"port": 8000}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "UDP",
            8000,
            None,
            "rule 0 of policy apps/extra would match protocol TCP; the connection is UDP",
        ),
        (
            ingress(json!({"from": ta_bot, "ports": [{"port": 8080}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 0 of policy apps/extra allows TCP 8080; the connection is to TCP 8000",
        ),
        (
            ingress(json!({"ports": [{"port": "web"}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 0 of policy apps/extra allows the port named web; pod apps/engine-1 has no TCP \
                port with this name",
        ),
        (
            ingress(json!({"ports": [{"port": "metrics"}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 0 of policy apps/extra allows the port named metrics, which is 9090 on pod \
                apps/engine-1; the connection is to 8000",
        ),
        (
            ingress(json!({"from": [{"podSelector": {"matchLabels": {"app": "ta-bots"}}}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 0 of policy apps/extra allows pods labeled app=ta-bots; pod apps/ta-bot-1 has \
                app=ta-bot",
        ),
        (
            ingress(json!({"from": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]})),
            "monitoring/prometheus-0",
            "apps/engine-1",
            "TCP",
            9090,
            None,
            "rule 0 of policy apps/extra has a podSelector without namespaceSelector, which \
                selects pods of apps; pod monitoring/prometheus-0 is elsewhere",
        ),
        (
            ingress(
                json!({"from": [{"ipBlock": {"cidr": "10.9.0.0/16", "except": ["10.9.3.0/24"]}}]}),
            ),
            "monitoring/prometheus-0",
            "apps/engine-1",
            "TCP",
            9090,
            None,
            "rule 0 of policy apps/extra allows addresses in 10.9.0.0/16 except 10.9.3.0/24, which \
                holds pod monitoring/prometheus-0",
        ),
        (
            ingress(json!({"from": [{"namespaceSelector": {}}]})),
            "203.0.113.7",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "rule 0 of policy apps/extra selects pods by label; 203.0.113.7 is not the address of \
                a pod, only ipBlock sees it",
        ),
        (
            extra(
                json!({"podSelector": {"matchLabels": {"app": "engine"}}, "policyTypes": ["Egress"],
                    "ingress": [{}]}),
            ),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "policy apps/extra has ingress rules that match, but its policyTypes do not name \
                Ingress",
        ),
        (
            policy(
                "monitoring",
                "misplaced",
                json!({"podSelector": {"matchLabels": {"app": "engine"}}, "ingress": [{}]}),
            ),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "policy monitoring/misplaced would select pod apps/engine-1 if it were in namespace \
                apps; it is in monitoring",
        ),
        (
            extra(json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn",
                    "values": ["engine"]}, {"key": "app", "operator": "Exists"}]},
                    "ingress": [{}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "policy apps/extra would select pod apps/engine-1 if label `app` were not `engine`; it \
                is `engine`",
        ),
        (
            extra(json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "engine"}},
                    "ingress": [{}]})),
            "apps/ta-bot-1",
            "apps/engine-1",
            "TCP",
            8000,
            None,
            "policy apps/extra would select pod apps/engine-1 if label `app.kubernetes.io/name` \
                were `engine`; it has no such label (it has app=engine)",
        ),
    ] {
        let mut objects = platform();
        objects.push(object);
        let explanation = explained(&objects, from, to, protocol, port, service_port);
        assert!(!explanation.allowed, "{expected}");
        // the first of its side; the other side may have one as well
        let first =
            [explanation.egress.near_misses.first(), explanation.ingress.near_misses.first()];
        assert!(
            first.into_iter().flatten().any(|miss| miss.to_string() == expected),
            "{expected}\n{explanation}"
        );
    }
}

#[test]
fn the_nearest_comes_first_and_two_differences_are_not_near() {
    let rule = |value: &str, port: u16| json!({"from": [{"podSelector": {"matchLabels": {"app": value}}}], "ports": [{"port": port}]});
    let objects = [
        namespace("apps", json!({})),
        pod("apps", "server", json!({"app": "server"}), "10.9.1.2", json!([])),
        pod("apps", "client", json!({"app": "client"}), "10.9.1.3", json!([])),
        policy(
            "apps",
            "rules",
            json!({"podSelector": {}, "ingress": [rule("other", 8000), rule("client", 9090),
                rule("clients", 8000), rule("other", 9090)]}),
        ),
    ];
    let explanation = explained(&objects, "apps/client", "apps/server", "TCP", 8000, None);
    let rules: Vec<usize> = explanation.ingress.near_misses.iter().map(|miss| miss.rule).collect();
    assert_eq!(rules, [2, 1, 0]);
    assert!(explanation.ingress.near_misses.is_sorted_by_key(|miss| miss.distance));
}
