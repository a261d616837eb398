//! Lints, as a table: what is added to a sound namespace, and what is said of it.

use netpol_evaluator::{Inventory, LintId, lint};
use serde_json::{Value, json};

use crate::support::{engine_ingress, platform, pod, policy, service, workload};

fn sentences(objects: &[Value], id: LintId) -> Vec<String> {
    let lints = lint(&Inventory::from_objects(objects), Some("apps"));
    lints
        .into_iter()
        .filter(|lint| lint.id == id)
        .map(|lint| format!("{}: {}", lint.object, lint.sentence))
        .collect()
}

/// A namespace without any fault.
fn sound() -> Vec<Value> {
    let http = json!([{"name": "http", "containerPort": 8000}]);
    let dns = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]});
    vec![
        workload("Deployment", "apps", "web", json!({"app": "web"}), http.clone()),
        workload("Deployment", "apps", "client", json!({"app": "client"}), json!([])),
        pod("apps", "web-1", json!({"app": "web", "pod-template-hash": "1"}), "10.9.0.1", http),
        service(
            "apps",
            "web",
            json!({"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}),
        ),
        policy(
            "apps",
            "default-deny",
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        ),
        policy(
            "apps",
            "dns",
            json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns]}),
        ),
        policy(
            "apps",
            "out",
            json!({"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"],
                "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                "ports": [{"port": 8000}]}]}),
        ),
        policy(
            "apps",
            "in",
            json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}],
                "ports": [{"port": "http"}]}]}),
        ),
    ]
}

#[test]
fn a_sound_namespace_has_none() {
    let lints = lint(&Inventory::from_objects(&sound()), None);
    assert!(lints.is_empty(), "{lints:#?}");
}

#[test]
fn a_job_that_has_ended_needs_no_policy_any_more() {
    for (conditions, wanted) in [
        (json!([]), 1),
        (json!([{"type": "Complete", "status": "True"}]), 0),
        (json!([{"type": "Failed", "status": "True"}]), 0),
    ] {
        let mut job = workload("Job", "apps", "migrate", json!({"app": "migrate"}), json!([]));
        job["status"]["conditions"] = conditions;
        let objects: Vec<Value> = sound()
            .into_iter()
            .filter(|object| object["metadata"]["name"] != "dns")
            .chain([job])
            .collect();
        let about = |text: &&String| text.contains("migrate");
        assert_eq!(
            sentences(&objects, LintId::WorkloadWithoutAllow).iter().filter(about).count(),
            wanted
        );
    }
}

#[test]
fn faults_are_found() {
    let extra = |spec: Value| policy("apps", "extra", spec);
    let web = || json!({"matchLabels": {"app": "web"}});
    for (id, object, expected) in [
        (
            LintId::SelectorMatchesNothing,
            extra(json!({"podSelector": {"matchLabels": {"app": "wed"}}})),
            "networkpolicy apps/extra: no pod and no pod template in apps has app=wed",
        ),
        (
            LintId::PeerMatchesNothing,
            extra(json!({"podSelector": web(),
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "gone"}}}]}]})),
            "networkpolicy apps/extra: ingress rule 0 selects pods labeled app=gone; there is \
                none in apps",
        ),
        (
            LintId::NamespaceLabelMissing,
            extra(json!({"podSelector": web(),
                    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"name": "kube-system"}}}]}]})),
            "networkpolicy apps/extra: ingress rule 0 selects namespaces labeled \
                name=kube-system; there is none; namespace kube-system has \
                kubernetes.io/metadata.name=kube-system",
        ),
        (
            LintId::ServicePortNotPodPort,
            extra(json!({"podSelector": web(), "ingress": [{"ports": [{"port": 80}]}]})),
            "networkpolicy apps/extra: ingress rule 0 allows TCP 80, which is the port of Service \
                apps/web; its pods listen on 8000",
        ),
        (
            LintId::ServicePortNotPodPort,
            extra(
                json!({"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"],
                    "egress": [{"to": [{"podSelector": web()}], "ports": [{"port": 80}]}]}),
            ),
            "networkpolicy apps/extra: egress rule 0 allows TCP 80, which is the port of Service \
                apps/web; its pods listen on 8000",
        ),
        (
            LintId::NamedPortMissing,
            extra(json!({"podSelector": web(), "ingress": [{"ports": [{"port": "https"}]}]})),
            "networkpolicy apps/extra: ingress rule 0 allows the port named https; no selected \
                pod has a TCP port with this name",
        ),
        (
            LintId::RulesWithoutType,
            extra(json!({"podSelector": web(), "policyTypes": ["Ingress"], "egress": [{}]})),
            "networkpolicy apps/extra: has egress rules without effect: policyTypes does not name \
                Egress",
        ),
        (
            LintId::ExceptOutsideCidr,
            extra(json!({"podSelector": web(),
                    "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8",
                    "except": ["192.168.0.0/16"]}}]}]})),
            "networkpolicy apps/extra: ingress rule 0 excepts 192.168.0.0/16, which is not in \
                10.0.0.0/8",
        ),
        (
            LintId::OneDirectionOnly,
            extra(json!({"podSelector": web(), "policyTypes": ["Egress"],
                    "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "client"}}}],
                    "ports": [{"port": 9000}]}]})),
            "networkpolicy apps/extra: egress rule 0 allows deployment apps/web to reach \
                deployment apps/client on TCP 9000, but no ingress rule of deployment apps/client \
                does",
        ),
        (
            LintId::OneDirectionOnly,
            extra(json!({"podSelector": {"matchLabels": {"app": "client"}},
                    "ingress": [{"from": [{"podSelector": web()}], "ports": [{"port": 9000}]}]})),
            "networkpolicy apps/extra: ingress rule 0 allows deployment apps/web to reach \
                deployment apps/client on TCP 9000, but no egress rule of deployment apps/web does",
        ),
        (
            LintId::WorkloadWithoutAllow,
            service(
                "apps",
                "client",
                json!({"selector": {"app": "client"}, "ports": [{"port": 80}]}),
            ),
            "deployment apps/client: is isolated for ingress by policy apps/default-deny, and no \
                rule allows ingress; Service client sends clients to it",
        ),
        (
            LintId::PlaceholderText,
            json!({"kind": "NetworkPolicy", "metadata": {"name": "extra", "namespace": "apps",
                "labels": {"version": "VERSION_PLACEHOLDER"}}, "spec": {"podSelector": web(),
                "ingress": [{}]}}),
            "networkpolicy apps/extra: the placeholder `VERSION_PLACEHOLDER` is still in its labels",
        ),
        (
            LintId::PlaceholderText,
            extra(json!({"podSelector": {"matchLabels": {"app": "<your-app>"}}})),
            "networkpolicy apps/extra: the placeholder `<your-app>` is still in its spec",
        ),
        (
            LintId::Unreadable,
            extra(json!({"podSelector": web(),
                    "ingress": [{"from": [{"ipBlock": {"cidr": "CHANGE_ME"}}]}]})),
            "networkpolicy apps/extra: cannot read network policy extra: `CHANGE_ME` is not an \
                address block; use ADDRESS/PREFIX, such as 10.0.0.0/8",
        ),
    ] {
        let mut objects = sound();
        objects.push(object);
        let found = sentences(&objects, id);
        assert_eq!(found, [expected], "{id}");
    }
}

#[test]
fn a_port_that_is_also_a_target_is_no_slip() {
    let silent = |name: &str| {
        workload("Deployment", "apps", name, json!({"app": name, "group": "silent"}), json!([]))
    };
    let to = |name: &str, target: u16| {
        service(
            "apps",
            name,
            json!({"selector": {"app": name}, "ports": [{"port": 80, "targetPort": target}]}),
        )
    };
    let rule = policy(
        "apps",
        "extra",
        json!({"podSelector": {"matchLabels": {"group": "silent"}},
            "ingress": [{"ports": [{"port": 80}]}]}),
    );
    let mut objects = sound();
    objects.extend([silent("one"), silent("two"), to("one", 8000), rule]);
    assert_eq!(sentences(&objects, LintId::ServicePortNotPodPort).len(), 1);
    objects.push(to("two", 80));
    assert!(sentences(&objects, LintId::ServicePortNotPodPort).is_empty());
}

#[test]
fn dns_is_asked_over_both_protocols() {
    for (ports, id, expected) in [
        (
            json!([{"port": 53, "protocol": "UDP"}]),
            LintId::DnsUdpWithoutTcp,
            "has access to DNS over UDP 53 but not TCP 53: long responses will fail",
        ),
        (
            json!([{"port": 53}]),
            LintId::DnsMissing,
            "is isolated for egress without access to DNS (UDP 53 to the DNS pods): names will \
                not resolve",
        ),
    ] {
        let mut objects = sound();
        objects[5]["spec"]["egress"][0]["ports"] = ports;
        let found = sentences(&objects, id);
        assert_eq!(
            found,
            [
                format!("deployment apps/client: {expected}"),
                format!("deployment apps/web: {expected}")
            ]
        );
    }
}

#[test]
fn the_platform_has_the_faults_that_it_is_known_for() {
    let mut objects = platform();
    let lints = |objects: &[Value]| {
        lint(&Inventory::from_objects(objects), Some("apps"))
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lints(&objects),
        [
            "error cronjob apps/gap-filler: is isolated for egress by policy \
                apps/default-deny-all, and no rule allows egress, not even DNS \
                [workload-without-allow]",
            "error deployment apps/engine: is isolated for ingress by policy \
                apps/default-deny-all, and no rule allows ingress; Service engine-service sends \
                clients to it [workload-without-allow]",
            "warning networkpolicy apps/ta-bot-egress: egress rule 1 allows deployment \
                apps/ta-bot to reach deployment apps/engine on TCP 8000, but no ingress rule of \
                deployment apps/engine does [one-direction-only]",
        ]
    );
    objects.push(engine_ingress());
    assert_eq!(
        lints(&objects),
        [
            "error networkpolicy apps/engine-ingress: ingress rule 1 selects namespaces labeled \
                name=ingress-nginx; there is none; namespace ingress-nginx has \
                kubernetes.io/metadata.name=ingress-nginx [namespace-label-missing]",
            "error networkpolicy apps/engine-ingress: ingress rule 2 selects namespaces labeled \
                kubernetes.io/metadata.name=observability; there is none [namespace-label-missing]",
            "error cronjob apps/gap-filler: is isolated for egress by policy \
                apps/default-deny-all, and no rule allows egress, not even DNS \
                [workload-without-allow]",
        ]
    );
}

#[test]
fn placeholders_are_recognised_and_names_are_not() {
    for (text, expected) in [
        ("<your-app>", true),
        ("your-app", true),
        ("CHANGE_ME", true),
        ("changeme", true),
        ("TODO", true),
        ("TODO-name", true),
        ("todo", false),
        ("todolist", false),
        ("yours", false),
        ("exchange", false),
        ("{{ name }}", true),
    ] {
        let objects = [policy("apps", "p", json!({"podSelector": {"matchLabels": {"app": text}}}))];
        assert_eq!(!sentences(&objects, LintId::PlaceholderText).is_empty(), expected, "{text}");
    }
}
