//! Edges followed from the name to the pods, as tables.

use std::net::IpAddr;

use netpol_evaluator::{
    Decision, Destination, Edge, Inventory, Path, PathError, PortName, Protocol, Source, StageName,
    StageOutcome, trace,
};
use serde_json::{Value, json};

use crate::support::{engine_ingress, namespace, platform, pod, policy, service, workload};

fn from(text: &str) -> Source {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [namespace, name] => Source::Pod { namespace: (*namespace).into(), name: (*name).into() },
        [kind, namespace, name] => Source::Workload {
            kind: (*kind).into(),
            namespace: (*namespace).into(),
            name: (*name).into(),
        },
        _ => Source::Address(text.parse().unwrap()),
    }
}

fn edge(source: &str, host: &str, port: PortName, addresses: &[&str]) -> Edge {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Edge {
        source: from(source),
        destination: Destination::Host(host.into()),
        port,
        protocol: Protocol::Tcp,
        addresses,
    }
}

fn follow(objects: &[Value], source: &str, host: &str, port: u16) -> Path {
    trace(&Inventory::from_objects(objects), &edge(source, host, PortName::Number(port), &[]))
        .unwrap()
}

fn sentence(path: &Path, name: StageName) -> &str {
    path.stages.iter().find(|stage| stage.stage == name).map_or("", |stage| stage.sentence.as_str())
}

#[test]
fn the_platform_before_and_after_its_ingress_policy() {
    let mut objects = platform();
    let before = follow(&objects, "deployment/apps/ta-bot", "engine-service", 80);
    assert_eq!(
        (before.verdict, before.first_failing),
        (Decision::Denied, Some(StageName::Ingress))
    );
    let stages: Vec<_> = before.stages.iter().map(|stage| (stage.stage, stage.outcome)).collect();
    use StageName::{DnsTcp, DnsUdp, Egress, Endpoints, Ingress, Name, ServicePort};
    use StageOutcome::{Failed, Passed};
    assert_eq!(
        stages,
        [
            (DnsUdp, Passed),
            (DnsTcp, Passed),
            (Name, Passed),
            (ServicePort, Passed),
            (Endpoints, Passed),
            (Egress, Passed),
            (Ingress, Failed)
        ]
    );
    assert_eq!(
        sentence(&before, ServicePort),
        "TCP port 80 of the Service is port http of the pods"
    );
    objects.push(engine_ingress());
    for (source, host, verdict, failing) in [
        ("deployment/apps/ta-bot", "engine-service", Decision::Allowed, None),
        ("apps/ta-bot-1", "engine-service.apps", Decision::Allowed, None),
        ("apps/ta-bot-1", "engine-service.apps.svc.cluster.local", Decision::Allowed, None),
        ("apps/ta-bot-1", "10.96.0.7", Decision::Allowed, None),
        ("cronjob/apps/gap-filler", "engine-service", Decision::Denied, Some(DnsUdp)),
        ("cronjob/apps/extractor", "engine-service", Decision::Denied, Some(Egress)),
        ("ingress-nginx/controller-1", "engine-service.apps", Decision::Denied, Some(Ingress)),
        ("ingress-nginx/controller-1", "engine-service", Decision::Denied, Some(Name)),
        ("203.0.113.4", "10.9.1.2", Decision::Denied, Some(ServicePort)),
    ] {
        let port =
            if host == "10.9.1.2" { PortName::Name("web".into()) } else { PortName::Number(80) };
        let path =
            trace(&Inventory::from_objects(&objects), &edge(source, host, port, &[])).unwrap();
        assert_eq!(
            (path.verdict, path.first_failing),
            (verdict, failing),
            "{source} {host}: {path}"
        );
    }
    let elsewhere = follow(&objects, "ingress-nginx/controller-1", "engine-service", 80);
    assert_eq!(
        sentence(&elsewhere, Name),
        "Service ingress-nginx/engine-service does not exist; did you mean engine-service.apps?"
    );
}

#[test]
fn the_forgotten_jobs_are_told_which_policy_nearly_selects_them() {
    let path = follow(&platform(), "cronjob/apps/gap-filler", "fapi.example.com", 443);
    assert_eq!((path.verdict, path.first_failing), (Decision::Denied, Some(StageName::DnsUdp)));
    assert_eq!(
        path.stages[0].sentence,
        "names will not resolve: policy apps/default-deny-all isolates cronjob apps/gap-filler and \
            no policy with egress rules selects it"
    );
    let misses: Vec<&str> =
        path.stages[0].near_misses.iter().map(|miss| miss.sentence.as_str()).collect();
    assert_eq!(
        misses,
        ["policy apps/extractor-egress would select cronjob apps/gap-filler if label \
                `component` were `klines-extractor`; it is `klines-gap-filler`"]
    );
}

#[test]
fn hosts_outside_are_judged_by_egress_alone() {
    let rule = |rule: Value| {
        let mut objects = platform();
        objects.push(policy(
            "apps",
            "out",
            json!({"podSelector": {"matchLabels": {"app": "ta-bot"}}, "policyTypes": ["Egress"],
                "egress": [rule]}),
        ));
        objects
    };
    let block = |cidr: &str, except: &[&str]| {
        json!({"to": [{"ipBlock": {"cidr": cidr,
        "except": except}}], "ports": [{"port": 443}]})
    };
    for (objects, addresses, expected) in [
        (rule(json!({"ports": [{"port": 443}]})), &[][..], Decision::Allowed),
        (rule(json!({"ports": [{"port": 80}]})), &[], Decision::Denied),
        (rule(json!({"to": [{"namespaceSelector": {}}]})), &[], Decision::Denied),
        (rule(block("0.0.0.0/0", &["10.0.0.0/8"])), &[], Decision::Allowed),
        (rule(block("10.0.0.0/8", &[])), &[], Decision::Denied),
        (rule(block("198.51.100.0/24", &[])), &[], Decision::Unknown),
        (rule(block("198.51.100.0/24", &[])), &["198.51.100.3"], Decision::Allowed),
        (rule(block("198.51.100.0/24", &[])), &["198.51.100.3", "203.0.113.3"], Decision::Denied),
    ] {
        let path = trace(
            &Inventory::from_objects(&objects),
            &edge("apps/ta-bot-1", "api.example.com", PortName::Number(443), addresses),
        )
        .unwrap();
        assert_eq!(path.verdict, expected, "{path}");
    }
    assert_eq!(
        follow(&platform(), "monitoring/prometheus-0", "api.example.com", 443).verdict,
        Decision::Allowed
    );
}

#[test]
fn kinds_of_services() {
    let http = json!([{"name": "http", "containerPort": 8000}]);
    let mut objects = vec![
        namespace("a", json!({})),
        pod("a", "client", json!({"app": "client"}), "10.9.0.1", json!([])),
        pod("a", "web-0", json!({"app": "web"}), "10.9.0.2", http.clone()),
        pod("a", "db-0", json!({"app": "db"}), "10.9.0.3", json!([])),
        service(
            "a",
            "web",
            json!({"clusterIP": "10.96.0.1", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}),
        ),
        service(
            "a",
            "headless",
            json!({"clusterIP": "None", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8000}]}),
        ),
        service(
            "a",
            "alias",
            json!({"type": "ExternalName", "externalName": "web.a.svc.cluster.local"}),
        ),
        service(
            "a",
            "loop",
            json!({"type": "ExternalName", "externalName": "loop.a.svc.cluster.local"}),
        ),
        service("a", "outside", json!({"type": "ExternalName", "externalName": "db.example.com"})),
        service("a", "bare", json!({"clusterIP": "10.96.0.2", "ports": [{"port": 5432}]})),
        service(
            "a",
            "nobody",
            json!({"clusterIP": "10.96.0.3", "selector": {"app": "none"}, "ports": [{"port": 80}]}),
        ),
        service(
            "a",
            "unnamed",
            json!({"clusterIP": "10.96.0.4", "selector": {"app": "db"},
                "ports": [{"port": 80, "targetPort": "http"}]}),
        ),
        service(
            "a",
            "planned",
            json!({"clusterIP": "10.96.0.5", "selector": {"app": "new"},
                "ports": [{"port": 80, "targetPort": "http"}]}),
        ),
        workload("Deployment", "a", "new", json!({"app": "new"}), http),
        service(
            "a",
            "sliced",
            json!({"clusterIP": "10.96.0.6", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}),
        ),
        json!({"kind": "EndpointSlice", "metadata": {"name": "sliced-1", "namespace": "a",
            "labels": {"kubernetes.io/service-name": "sliced"}},
            "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["10.9.0.2"], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": "web-0"}},
                          {"addresses": ["10.9.0.9"], "conditions": {"ready": false},
                          "targetRef": {"kind": "Pod", "name": "web-1"}}]}),
        // a slice of pods that have no port of that name, and one of pods without an address
        service(
            "a",
            "portless",
            json!({"clusterIP": "10.96.0.9", "selector": {"app": "db"},
                "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}),
        ),
        json!({"kind": "EndpointSlice", "metadata": {"name": "portless-1", "namespace": "a",
            "labels": {"kubernetes.io/service-name": "portless"}}, "ports": null,
            "endpoints": [{"addresses": ["10.9.0.3"], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "name": "db-0"}}]}),
        service(
            "a",
            "pending",
            json!({"clusterIP": "10.96.0.10", "selector": {"app": "db"},
                "ports": [{"port": 80, "targetPort": 5432}]}),
        ),
        json!({"kind": "EndpointSlice", "metadata": {"name": "pending-1", "namespace": "a",
            "labels": {"kubernetes.io/service-name": "pending"}}, "ports": null,
            "endpoints": []}),
        json!({"kind": "EndpointSlice", "metadata": {"name": "by-hand", "namespace": "a",
            "labels": {"kubernetes.io/service-name": "manual"}},
            "ports": [{"name": "", "port": 5432}], "endpoints": [{"addresses": ["192.0.2.5"]}]}),
        service("a", "manual", json!({"clusterIP": "10.96.0.8", "ports": [{"port": 5432}]})),
    ];
    // what reaches the pods of the web at their own port is all that may
    objects.push(policy(
        "a",
        "web",
        json!({"podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"ports": [{"port": 8000}]}]}),
    ));
    for (host, port, verdict, stage, expected) in [
        (
            "web",
            80,
            Decision::Allowed,
            StageName::ServicePort,
            "TCP port 80 of the Service is port 8000 of the pods",
        ),
        (
            "web",
            8000,
            Decision::Denied,
            StageName::ServicePort,
            "Service a/web has no port TCP 8000; it has TCP 80",
        ),
        (
            "headless",
            80,
            Decision::Denied,
            StageName::ServicePort,
            "Service a/headless is headless: port 80 of the pods is used as it is, its targetPort \
                8000 has no effect",
        ),
        (
            "headless",
            8000,
            Decision::Allowed,
            StageName::ServicePort,
            "Service a/headless is headless: port 8000 of the pods is used as it is",
        ),
        (
            "web-0.headless.a.svc.cluster.local",
            8000,
            Decision::Allowed,
            StageName::Ingress,
            "rule 0 of policy a/web allows it",
        ),
        (
            "alias",
            80,
            Decision::Allowed,
            StageName::Name,
            "Service a/alias is an alias of web.a.svc.cluster.local",
        ),
        (
            "loop",
            80,
            Decision::Denied,
            StageName::Name,
            "Service a/loop is an alias of loop.a.svc.cluster.local",
        ),
        (
            "outside",
            5432,
            Decision::Allowed,
            StageName::Egress,
            "no policy selects pod a/client, everything is allowed",
        ),
        (
            "bare",
            5432,
            Decision::Denied,
            StageName::Endpoints,
            "Service a/bare has no selector and no EndpointSlice",
        ),
        (
            "nobody",
            80,
            Decision::Denied,
            StageName::Endpoints,
            "no pod has the labels of Service a/nobody: app=none",
        ),
        (
            "unnamed",
            80,
            Decision::Denied,
            StageName::ServicePort,
            "Service a/unnamed leads to the TCP port http of its pods, and none has a port of this \
                name: db-0",
        ),
        (
            "portless",
            80,
            Decision::Denied,
            StageName::ServicePort,
            "Service a/portless leads to the TCP port http of its pods, and none has a port of \
                this name: db-0",
        ),
        (
            "pending",
            80,
            Decision::Denied,
            StageName::Endpoints,
            "Service a/pending has no endpoint; its pods: db-0",
        ),
        (
            "planned",
            80,
            Decision::Allowed,
            StageName::Endpoints,
            "there is no pod yet; evaluated for the template of deployment/new",
        ),
        (
            "sliced",
            80,
            Decision::Allowed,
            StageName::Endpoints,
            "1 ready endpoint; not ready: web-1",
        ),
        (
            "manual",
            5432,
            Decision::Allowed,
            StageName::Egress,
            "no policy selects pod a/client, everything is allowed",
        ),
        (
            "wep",
            80,
            Decision::Denied,
            StageName::Name,
            "Service a/wep does not exist; did you mean web?",
        ),
    ] {
        let path = follow(&objects, "a/client", host, port);
        assert_eq!((path.verdict, sentence(&path, stage)), (verdict, expected), "{path}");
    }
}

#[test]
fn endpoints_may_differ() {
    let objects = [
        namespace("a", json!({})),
        pod("a", "client", json!({}), "10.9.0.1", json!([])),
        pod("a", "web-0", json!({"app": "web"}), "10.9.0.2", json!([])),
        pod("a", "web-1", json!({"app": "web", "canary": "true"}), "10.9.0.3", json!([])),
        service(
            "a",
            "web",
            json!({"clusterIP": "10.96.0.1", "selector": {"app": "web"}, "ports": [{"port": 80}]}),
        ),
        policy("a", "canary", json!({"podSelector": {"matchLabels": {"canary": "true"}}})),
    ];
    let path = follow(&objects, "a/client", "web", 80);
    assert_eq!(path.first_failing, Some(StageName::Ingress));
    assert!(
        sentence(&path, StageName::Ingress).ends_with("selects it (1 of 2 endpoints)"),
        "{path}"
    );
}

#[test]
fn dns_is_an_edge_of_its_own() {
    let with = |rule: Value| {
        vec![
            namespace("a", json!({})),
            pod("a", "client", json!({"app": "client"}), "10.9.0.1", json!([])),
            policy(
                "a",
                "out",
                json!({"podSelector": {}, "policyTypes": ["Egress"],
                    "egress": [{"ports": [{"port": 443}]}, rule]}),
            ),
            pod(
                "kube-system",
                "coredns-1",
                json!({"k8s-app": "kube-dns"}),
                "10.9.9.2",
                json!([{"name": "dns", "containerPort": 5353, "protocol": "UDP"},
                    {"name": "dns-tcp", "containerPort": 5353}]),
            ),
            service(
                "kube-system",
                "kube-dns",
                json!({"clusterIP": "10.96.0.10", "selector": {"k8s-app": "kube-dns"},
                    "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
                    {"name": "dns-tcp", "port": 53, "targetPort": "dns-tcp"}]}),
            ),
        ]
    };
    for (rule, udp, tcp, verdict) in [
        (
            json!({"ports": [{"port": 5353, "protocol": "UDP"}, {"port": 5353}]}),
            StageOutcome::Passed,
            StageOutcome::Passed,
            Decision::Allowed,
        ),
        (
            json!({"ports": [{"port": 5353, "protocol": "UDP"}]}),
            StageOutcome::Passed,
            StageOutcome::Warning,
            Decision::Allowed,
        ),
        // policies see the port of the pods
        (
            json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}),
            StageOutcome::Failed,
            StageOutcome::Warning,
            Decision::Denied,
        ),
    ] {
        let path = follow(&with(rule), "a/client", "api.example.com", 443);
        assert_eq!(
            (path.stages[0].outcome, path.stages[1].outcome, path.verdict),
            (udp, tcp, verdict),
            "{path}"
        );
    }
    // without DNS pods, the usual ones are assumed
    let mut objects = with(
        json!({"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}),
    );
    objects.truncate(3);
    assert_eq!(follow(&objects, "a/client", "api.example.com", 443).verdict, Decision::Allowed);
    let mut local = with(json!({}));
    local[2]["spec"]["egress"] = json!([{"ports": [{"port": 443}]}]);
    local.push(pod(
        "kube-system",
        "node-local-1",
        json!({"k8s-app": "node-local-dns"}),
        "10.0.0.1",
        json!([]),
    ));
    assert_eq!(follow(&local, "a/client", "api.example.com", 443).verdict, Decision::Unknown);
}

#[test]
fn policies_of_other_kinds_make_an_allowed_edge_unknown() {
    let istio = |namespace: &str, labels: Value| {
        json!({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "p", "namespace": namespace},
            "spec": {"selector": {"matchLabels": labels}}})
    };
    let cilium = |labels: Value| {
        json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "p", "namespace": "apps"},
        "spec": {"endpointSelector": {"matchLabels": labels}}})
    };
    let admin = |subject: Value| {
        json!({"apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy", "metadata": {"name": "p"}, "spec": {"subject": subject}})
    };
    let calico = |kind: &str, namespace: Option<&str>| {
        json!({"apiVersion": "projectcalico.org/v3", "kind": kind,
            "metadata": {"name": "p", "namespace": namespace}, "spec": {"selector": "app == 'x'"}})
    };
    for (object, expected) in [
        (istio("apps", json!({"app": "engine"})), Decision::Unknown),
        (istio("apps", json!({"app": "other"})), Decision::Allowed),
        (istio("monitoring", json!({})), Decision::Allowed),
        (istio("istio-system", json!({})), Decision::Unknown),
        // it decides about what comes to its pods, not about what they send
        (istio("apps", json!({"app": "ta-bot"})), Decision::Allowed),
        (cilium(json!({"k8s:app": "ta-bot"})), Decision::Unknown),
        (cilium(json!({"app": "other"})), Decision::Allowed),
        (
            admin(json!({"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}})),
            Decision::Unknown,
        ),
        (
            admin(json!({"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}})),
            Decision::Allowed,
        ),
        (
            admin(json!({"pods": {"namespaceSelector": {},
                    "podSelector": {"matchLabels": {"app": "other"}}}})),
            Decision::Allowed,
        ),
        (calico("NetworkPolicy", Some("apps")), Decision::Unknown),
        (calico("NetworkPolicy", Some("monitoring")), Decision::Allowed),
        (calico("GlobalNetworkPolicy", None), Decision::Unknown),
    ] {
        let mut objects = platform();
        objects.extend([engine_ingress(), object.clone()]);
        let path = follow(&objects, "apps/ta-bot-1", "engine-service", 80);
        assert_eq!(path.verdict, expected, "{object}");
        assert_eq!(path.not_evaluated.len(), 1);
        assert_eq!(path.not_evaluated[0].concerns, expected == Decision::Unknown);
    }
    let mut denied = platform();
    denied.push(istio("apps", json!({})));
    assert_eq!(follow(&denied, "apps/ta-bot-1", "engine-service", 80).verdict, Decision::Denied);
}

#[test]
fn a_block_does_not_decide_about_a_pod_without_address() {
    let mut objects = platform();
    objects.push(policy(
        "apps",
        "engine-ingress",
        json!({"podSelector": {"matchLabels": {"app": "engine"}},
            "ingress": [{"from": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}]}),
    ));
    assert_eq!(
        follow(&objects, "deployment/apps/ta-bot", "engine-service", 80).verdict,
        Decision::Unknown
    );
    let path = follow(&objects, "apps/ta-bot-1", "engine-service", 80);
    assert_eq!(path.verdict, Decision::Allowed);
    assert_eq!(
        path.notes,
        ["rule 0 of policy apps/engine-ingress allows a pod by ipBlock; some network plugins do \
                not apply blocks to pods"]
    );
}

#[test]
fn sources_that_are_not_there_are_errors() {
    let inventory = Inventory::from_objects(&platform());
    let missing = |source: &str| {
        trace(&inventory, &edge(source, "engine-service", PortName::Number(80), &[])).unwrap_err()
    };
    assert_eq!(
        missing("apps/gone"),
        PathError::NoPod { namespace: "apps".into(), name: "gone".into() }
    );
    assert_eq!(
        missing("cronjob/apps/gone").to_string(),
        "cronjob apps/gone does not exist; existing workloads: deployment/engine, \
            deployment/ta-bot, cronjob/extractor, cronjob/gap-filler"
    );
    let labels = Source::Labels {
        namespace: "apps".into(),
        labels: [("app".to_owned(), "ta-bot".to_owned())].into(),
    };
    let address: IpAddr = "10.9.1.2".parse().unwrap();
    let direct = Edge {
        source: labels,
        destination: Destination::Address(address),
        port: PortName::Name("http".into()),
        protocol: Protocol::Tcp,
        addresses: vec![],
    };
    assert_eq!(trace(&inventory, &direct).unwrap().first_failing, Some(StageName::Ingress));
}

#[test]
fn objects_of_any_shape_do_no_harm() {
    let odd = [
        json!(null),
        json!({"kind": "Pod"}),
        json!({"kind": "Service", "metadata": {"name": "s"},
            "spec": {"ports": [{"port": 70000}, {"port": "x"}], "selector": 7}}),
        json!({"kind": "EndpointSlice", "metadata": {"name": "s",
            "labels": {"kubernetes.io/service-name": "s"}}, "endpoints": [{}], "ports": 3}),
        json!({"kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "a"},
            "spec": {"podSelector": null, "ingress": null, "policyTypes": null}}),
        json!({"kind": "NetworkPolicyList",
            "items": [{"metadata": {"name": "q", "namespace": "a"},
            "spec": {"podSelector": {"matchLabels": null}}}, 7]}),
        json!({"kind": "CronJob", "metadata": {"name": "c"}, "spec": {}}),
        json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "c"}, "spec": {"endpointSelector": []}}),
    ];
    let inventory = Inventory::from_objects(&odd);
    assert_eq!(inventory.policies.len(), 2);
    assert_eq!(inventory.unreadable.len(), 1);
    assert_eq!(inventory.services.len(), 1);
    assert!(!netpol_evaluator::lint(&inventory, None).is_empty());
    assert!(trace(&inventory, &edge("cronjob//c", "s", PortName::Number(80), &[])).is_ok());
}

#[test]
fn a_service_that_leads_to_a_port_of_no_container_is_the_cause_and_not_the_policy() {
    let http = json!([{"name": "http", "containerPort": 8000}, {"containerPort": 9090}]);
    let web = |target: u16, ports: &Value, policies: &[Value]| {
        let spec = json!({"clusterIP": "10.96.0.1", "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": target}]});
        let objects = [
            namespace("a", json!({})),
            pod("a", "client", json!({}), "10.9.0.1", json!([])),
            pod("a", "web-0", json!({"app": "web"}), "10.9.0.2", ports.clone()),
            pod("a", "web-1", json!({"app": "web"}), "10.9.0.3", ports.clone()),
            service("a", "web", spec),
        ];
        follow(&[&objects[..], policies].concat(), "a/client", "web", 80)
    };
    let of = |direction: &str, port: Option<u16>| {
        let peers = port.map(|port| json!({"ports": [{"port": port}]}));
        let rules: Vec<Value> = peers.into_iter().collect();
        policy(
            "a",
            &format!("{direction}-{port:?}"),
            json!({"podSelector":
            {"matchLabels": {"app": "web"}}, "policyTypes": [direction],
            direction.to_lowercase(): rules}),
        )
    };
    let opened = of("Ingress", Some(8000));
    let path = web(9000, &http, std::slice::from_ref(&opened));
    assert_eq!(path.first_failing, Some(StageName::ServicePort), "{path}");
    assert!(path.stages.iter().all(|stage| stage.stage != StageName::Ingress
        || stage.outcome == StageOutcome::Passed));
    assert_eq!(
        sentence(&path, StageName::ServicePort),
        "TCP port 80 of the Service leads to port 9000, which no container of its pods declares \
        and policies deny; they declare port 8000, which policies allow"
    );
    let found = path.misdirected.unwrap();
    assert_eq!((found.target_port, found.declared, found.pods.len()), (9000, 8000, 2));

    for (target, ports, policies, failing) in [
        // what is declared is meant, and a policy that does not open it is the cause
        (9090, &http, vec![opened.clone()], Some(StageName::Ingress)),
        // policies that open nothing are the cause, wherever the Service leads
        (9000, &http, vec![of("Ingress", None)], Some(StageName::Ingress)),
        // a container need not declare a port: what policies allow may well be listened on
        (9000, &http, vec![], None),
        (9000, &http, vec![of("Ingress", Some(9000))], None),
        // a pod that declares nothing says nothing
        (9000, &json!([]), vec![opened], Some(StageName::Ingress)),
    ] {
        let path = web(target, ports, &policies);
        assert_eq!((path.first_failing, path.misdirected.is_some()), (failing, false), "{path}");
    }
}

#[test]
fn strict_encryption_concerns_clients_outside_of_the_mesh() {
    let strict = |namespace: &str, spec: Value| {
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "p", "namespace": namespace}, "spec": spec})
    };
    let mode = |mode: &str| json!({"mtls": {"mode": mode}});
    let by_port = json!({"portLevelMtls": {"8000": {"mode": "STRICT"}}});
    for (object, meshed, expected) in [
        (strict("apps", mode("STRICT")), false, Decision::Unknown),
        (strict("istio-system", mode("STRICT")), false, Decision::Unknown),
        (strict("apps", by_port), false, Decision::Unknown),
        (strict("monitoring", mode("STRICT")), false, Decision::Allowed),
        (strict("apps", mode("STRICT")), true, Decision::Allowed),
        (strict("apps", mode("PERMISSIVE")), false, Decision::Allowed),
        (strict("apps", json!({})), false, Decision::Allowed),
    ] {
        let mut objects = platform();
        for pod in objects.iter_mut().filter(|one| meshed && one["kind"] == "Pod") {
            let containers = pod["spec"]["containers"].as_array_mut().unwrap();
            containers.push(json!({"name": "istio-proxy"}));
        }
        objects.extend([engine_ingress(), object.clone()]);
        let path = follow(&objects, "apps/ta-bot-1", "engine-service", 80);
        assert_eq!(path.verdict, expected, "{object}, sidecar: {meshed}");
    }
}
