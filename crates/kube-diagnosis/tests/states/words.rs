//! What is said of a cause: the one thing that an operator needs to know of it.

use crate::build::*;
use serde_json::{Value, json};

/// The sentence of the only cause, and what to do about it.
fn only(objects: &[Value]) -> (String, String) {
    let found = found(objects);
    assert_eq!(found.causes.len(), 1, "{:?}", found.causes);
    (found.causes[0].sentence(), found.causes[0].hint.clone())
}

#[test]
fn a_namespace_that_finalizers_keep_says_what_they_are_on() {
    let space = |conditions: Value| {
        let change = json!({"metadata": {"namespace": null, "deletionTimestamp": ago("5m")},
            "status": {"phase": "Terminating", "conditions": conditions}});
        [object("Namespace", "n", change)]
    };
    let stated = |kind: &str, message: &str| json!({"type": kind, "status": "True", "reason": "r", "message": message});
    let finalizers = stated(
        "NamespaceFinalizersRemaining",
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource \
            instances, example.com/keep in 2 resource instances",
    );
    let left = stated(
        "NamespaceContentRemaining",
        "Some resources are remaining: configmaps. has 1 resource instances, topics.kafka.example \
            has 2 resource instances",
    );
    for (conditions, wanted) in [
        (
            json!([finalizers, left]),
            "namespace/n is terminating, and finalizers remain: example.com/hold on 1 object, \
                example.com/keep on 2 objects; objects left: 1 of configmaps, 2 of \
                topics.kafka.example",
        ),
        (
            json!([stated("NamespaceFinalizersRemaining", "something new")]),
            "namespace/n is terminating, and finalizers remain: something new",
        ),
        (
            json!([left]),
            "namespace/n is terminating, and its content is not removed: 1 of configmaps, 2 of \
                topics.kafka.example",
        ),
    ] {
        assert_eq!(only(&space(conditions)).0, wanted);
    }
}

#[test]
fn a_certificate_with_a_common_name_alone_is_said_to_have_one() {
    let shop = |certificate: Value| {
        let base = json!({"subject": "C=DE, CN=shop.example.com", "names": [],
            "not_before": ago("80d"), "not_after": "2026-06-01T00:00:00Z", "key_fits": true});
        let tls = json!([{"hosts": ["shop.example.com"], "secretName": "shop-tls"}]);
        [
            object("Ingress", "shop", json!({"spec": {"tls": tls}})),
            object("Secret", "shop-tls", json!({"certificate": merged(base, certificate)})),
        ]
    };
    let (sentence, hint) = only(&shop(json!({})));
    assert!(
        sentence.ends_with(
            "secret/shop-tls has the common name shop.example.com, which clients do not check, and \
                no alternative name for shop.example.com"
        ),
        "{sentence}"
    );
    assert!(hint.contains("subjectAltName"), "{hint}");
    let (sentence, _) = only(&shop(json!({"subject": "C=DE"})));
    assert!(sentence.ends_with("is for no host, not for shop.example.com"), "{sentence}");
    let (sentence, _) = only(&shop(json!({"names": ["api.example.com"]})));
    assert!(sentence.ends_with("is for api.example.com, not for shop.example.com"), "{sentence}");
    assert_eq!(named(&shop(json!({"names": ["shop.example.com"]}))), Vec::<String>::new());
}

#[test]
fn a_pod_that_its_node_rejects_is_told_by_the_words_of_the_kubelet() {
    let failed = |reason: &str, message: &str| {
        let status = json!({"status": {"phase": "Failed", "reason": reason, "message": message,
            "conditions": null, "containerStatuses": null}});
        [merged(pod("p", json!({"metadata": {"ownerReferences": null}})), status)]
    };
    let starts = |reason: &str, message: &str| {
        let starting = ill_pod("p", waiting("ContainerCreating", ""));
        let bare = json!({"metadata": {"ownerReferences": null}});
        [merged(starting, bare), event("Pod", "p", reason, "1m", message)]
    };
    let sysctl = "forbidden sysctl: \"kernel.msgmax\" not allowlisted";
    let rejected = format!("Pod was rejected: {sysctl}");
    for (objects, wanted) in [
        (failed("SysctlForbidden", &rejected).to_vec(), "allowedUnsafeSysctls"),
        (failed("AppArmor", "Pod was rejected: words").to_vec(), "appArmorProfile"),
        (failed("SomethingNew", &rejected).to_vec(), "what the message names"),
        (failed("SomethingNew", "").to_vec(), "check the events"),
        (starts("SysctlForbidden", sysctl).to_vec(), "allowedUnsafeSysctls"),
        (starts("SomethingNew", "words").to_vec(), "check the events"),
    ] {
        let (sentence, hint) = only(&objects);
        assert!(hint.contains(wanted), "{sentence}: {hint}");
    }
}

/// What the pod `web-a` of the Deployment `web` wants on each node, and what `high-b` has.
fn ports(waits: Value, has: Value, holder: Value) -> Vec<Value> {
    let with = |port: Value| json!({"spec": {"containers": [{"name": "main", "ports": [port]}]}});
    let message = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod \
        ports.";
    let made = json!({"metadata": {"generateName": "web-1-", "creationTimestamp": ago("5m")}});
    let waiting = merged(merged(unscheduled("web-1-a", message), made), with(waits));
    let high = pod("high-b", with(has));
    let high = merged(high, json!({"metadata": {"ownerReferences": null}}));
    let high = merged(high, holder);
    let mut all = web_with(waiting);
    all.push(owned(high, "DaemonSet", "high"));
    all
}

fn preempted(victim: &str, when: &str, change: Value) -> Value {
    let event = event("Pod", victim, "Preempted", when, "Preempted by pod Pod-high-b on node w1");
    merged(merged(event, json!({"type": "Normal", "involvedObject": {"uid": "gone"}})), change)
}

#[test]
fn a_host_port_that_is_taken_is_told_with_the_pod_that_has_it() {
    let port = |change: Value| merged(json!({"containerPort": 8080, "hostPort": 8080}), change);
    let same = || ports(port(json!({})), port(json!({})), json!({}));
    let (sentence, hint) = only(&same());
    assert!(
        sentence.ends_with(
            "for the requested pod ports; pod high-b of daemonset/high uses 8080/TCP on node w1 (pod \
                web-1-a)"
        ),
        "{sentence}"
    );
    assert!(hint.contains("where pod high-b of daemonset/high uses it"), "{hint}");
    for other in [
        ports(port(json!({})), port(json!({"hostPort": 8081})), json!({})),
        ports(port(json!({})), port(json!({"protocol": "UDP"})), json!({})),
        ports(port(json!({"hostIP": "10.0.0.1"})), port(json!({"hostIP": "10.0.0.2"})), json!({})),
        ports(port(json!({})), port(json!({})), json!({"spec": {"nodeName": null}})),
        ports(port(json!({})), port(json!({})), json!({"status": {"phase": "Succeeded"}})),
    ] {
        let found = found(&other);
        let cause = found.causes.iter().find(|cause| cause.id == "host-port-taken").unwrap();
        assert!(!cause.sentence().contains("high-b"), "{}", cause.sentence());
    }
    let leaving = json!({"metadata": {"deletionTimestamp": ago("1s")}});
    let (sentence, hint) = only(&ports(port(json!({})), port(json!({})), leaving));
    assert!(sentence.contains("until it has terminated"), "{sentence}");
    assert!(hint.starts_with("wait until pod high-b of daemonset/high has"), "{hint}");
    // one address of all is all
    let any = ports(port(json!({"hostIP": "10.0.0.1"})), port(json!({})), json!({}));
    assert!(only(&any).0.contains("pod high-b"), "{any:?}");
}

#[test]
fn who_preempted_a_pod_is_told_of_the_one_in_its_place() {
    let refused = |event: Value| {
        let made = json!({"metadata": {"generateName": "web-1-", "creationTimestamp": ago("5m")}});
        let mut all = web_with(merged(
            unscheduled("web-1-a", "0/1 nodes are available: 1 Insufficient cpu."),
            made,
        ));
        all.extend([
            owned(
                pod("high-b", json!({"metadata": {"ownerReferences": null, "labels": null}})),
                "DaemonSet",
                "high",
            ),
            event,
        ]);
        all
    };
    let related = json!({"related": {"kind": "Pod", "namespace": "n", "name": "high-b"}});
    let elsewhere = json!({"related": {"kind": "Pod", "namespace": "m", "name": "big-0"}});
    for (event, wanted) in [
        (preempted("web-1-z", "5m", json!({})), "; pod high-b of daemonset/high preempted it"),
        (preempted("web-1-z", "5m", related.clone()), "; pod high-b of daemonset/high preempted"),
        (preempted("web-1-a", "7m", related.clone()), "; pod high-b of daemonset/high preempted"),
        (preempted("web-1-z", "5m", elsewhere), "; pod big-0 of namespace m preempted it"),
        (
            preempted("web-1-z", "5m", json!({"message": "Preempted by a pod on node w1"})),
            "; another pod preempted it",
        ),
    ] {
        let sentence = only(&refused(event)).0;
        assert!(sentence.contains(wanted), "{sentence}");
    }
    // long before, of another maker, of another namespace
    for event in [
        preempted("web-1-z", "40m", related.clone()),
        preempted("api-1-z", "5m", related.clone()),
        preempted("web-1-2-z", "5m", related.clone()),
        preempted("web-1-z", "5m", merged(related, json!({"involvedObject": {"namespace": "m"}}))),
    ] {
        let sentence = only(&refused(event)).0;
        assert!(!sentence.contains("preempted it"), "{sentence}");
    }
    let port = || json!({"containerPort": 8080, "hostPort": 8080});
    let mut both = ports(port(), port(), json!({}));
    both.push(preempted("web-1-z", "5m", json!({})));
    let (sentence, hint) = only(&both);
    let wanted = "pod high-b of daemonset/high, which preempted it, uses";
    assert!(
        sentence.contains(wanted) && hint.ends_with("raise the priority of the pod that waits"),
        "{sentence} {hint}"
    );
}

/// A program that has said why it does not start, and stays; a proxy whose server is down.
#[test]
fn why_a_container_that_runs_is_not_ready_is_told_from_its_log() {
    let said = |log: &str| {
        let probe = json!({"spec": {"containers": [{"name": "main", "image": "example.com/web:1",
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 80}}}]}});
        let all = web_with(merged(ill_pod("web-a", unready("1h")), probe));
        let mut snapshot: kube_diagnosis::Snapshot = all.into_iter().collect();
        snapshot.add_last_words("web-a", "main", log);
        kube_diagnosis::diagnose(&snapshot, now()).causes.remove(0).sentence()
    };
    let nginx = |request: &str| {
        format!(
            "[error] 29#29: *1 {request}\n10.0.0.9 - - [x] \"GET /healthz HTTP/1.1\" 502 157 \"-\" \
                \"kube-probe/1.34\""
        )
    };
    let upstream = "connect() failed (111: Connection refused) while connecting to upstream";
    let file = |path: &str| {
        format!(
            "open() \"/x\" failed (2: No such file), client: 10.0.0.9, request: \"GET {path} HTTP/1.1\""
        )
    };
    let uvicorn = "RuntimeError: model weights checksum mismatch\n\nERROR:    Application startup \
        failed. Will not exit.";
    for (log, wanted) in [
        (uvicorn.to_owned(), "its log says: RuntimeError: model weights checksum mismatch"),
        (
            nginx(upstream),
            "its log says: [error] 29#29: *1 connect() failed (111: Connection refused)",
        ),
        (nginx(&file("/healthz")), "its log says: [error] 29#29: *1 open()"),
    ] {
        assert!(said(&log).contains(wanted), "{}", said(&log));
    }
    for log in [nginx(&file("/other")), "Failed login attempt for user eve from 1.2.3.4".to_owned()]
    {
        assert!(!said(&log).contains("its log says"), "{}", said(&log));
    }
}
