//! Pods that get no answer from the DNS, and whether the policies that isolate them explain it.

use crate::build::*;
use kube_diagnosis::{Cause, Object, Snapshot, diagnose};
use serde_json::{Value, json};

const SILENCE: &str = "lookup pay.n.svc on 10.0.0.10:53: Temporary failure in name resolution";

fn policy(name: &str, spec: Value) -> Value {
    let base = json!({"spec": {"podSelector": {}, "policyTypes": ["Egress"]}});
    object("NetworkPolicy", name, merged(base, json!({"spec": spec})))
}

/// A program that has ended with this message, isolated by these rules; with more.
fn with(message: &str, egress: &Value, of_pod: Value, more: &[Value]) -> Vec<Cause> {
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let pod = merged(ill_pod("web-a", merged(crashing("Error", 1), last)), of_pod);
    let mut all = web_with(pod);
    all.push(policy("closed", json!({"egress": egress})));
    all.extend_from_slice(more);
    found(&all).causes
}

fn is_denied(causes: &[Cause]) -> bool {
    causes.iter().any(|cause| cause.id == "dns-denied")
}

/// To these peers at the port of the DNS.
fn to(peers: Value) -> Value {
    json!([{"to": peers, "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]}])
}

fn namespace(labels: Value) -> Value {
    json!({"namespaceSelector": {"matchLabels": labels}})
}

fn by_name(operator: &str, name: &str) -> Value {
    json!([{"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name",
        "operator": operator, "values": [name]}]}}])
}

#[test]
fn rules_that_keep_a_pod_from_the_dns() {
    let web = namespace(json!({"kubernetes.io/metadata.name": "web", "team": "a"}));
    for (egress, only) in [
        (json!([]), "no rules"),
        (json!([{"ports": [{"port": 443}]}]), "only 443/TCP"),
        (json!([{"ports": [{"port": 53}]}]), "only 53/TCP"),
        (json!([{"ports": [{"port": 53, "protocol": "TCP"}]}]), "only 53/TCP"),
        (json!([{"ports": [{"port": "dns-tcp"}]}]), "only dns-tcp/TCP"),
        (json!([{"ports": [{"protocol": "TCP"}]}]), "only every port/TCP"),
        (json!([{"ports": [{"port": 80, "endPort": 90, "protocol": "UDP"}]}]), "only 80-90/UDP"),
        (json!([{"to": [{"podSelector": {}}]}]), "only pods of the namespace n"),
        (to(json!([{"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}])), "namespace n"),
        (to(json!([web])), "only namespaces with kubernetes.io/metadata.name=web,team=a"),
        (to(by_name("In", "web")), "only namespaces with kubernetes.io/metadata.name in (web)"),
    ] {
        let causes = with(SILENCE, &egress, json!({}), &[]);
        let denied = causes.iter().find(|cause| cause.id == "dns-denied");
        let denied = denied.unwrap_or_else(|| panic!("{egress}"));
        assert_eq!(denied.object.to_string(), "networkpolicy/closed", "{egress}");
        assert!(denied.evidence[0].says.contains(only), "{egress}: {:?}", denied.evidence);
    }
}

#[test]
fn rules_that_let_a_pod_ask_the_dns() {
    let system = || json!({"kubernetes.io/metadata.name": "kube-system"});
    let dns = |app: &str| {
        merged(namespace(system()), json!({"podSelector": {"matchLabels": {"k8s-app": app}}}))
    };
    for egress in [
        json!([{}]),
        json!([{"to": []}]),
        json!([{"ports": []}]),
        json!([{"ports": [{"port": 53, "protocol": "UDP"}]}]),
        json!([{"ports": [{"port": "dns", "protocol": "UDP"}]}]),
        json!([{"ports": [{"port": 1, "endPort": 65535, "protocol": "UDP"}]}]),
        json!([{"ports": [{"port": 443}]}, {"to": [{"namespaceSelector": {}}]}]),
        to(json!([{"podSelector": {}}, namespace(system())])),
        to(json!([namespace(json!({"kubernetes.io/metadata.name": "openshift-dns"}))])),
        to(by_name("In", "kube-system")),
        to(by_name("NotIn", "n")),
        to(json!([dns("kube-dns")])),
        to(json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}])),
    ] {
        let causes = with(SILENCE, &egress, json!({}), &[]);
        assert!(!is_denied(&causes), "{egress}");
        assert!(!causes[0].hint.contains("check whether"), "{egress}: {}", causes[0].hint);
    }
}

const COMMAND: &str = "runbook run kubernetes/dns --set from=deployment/web --set from_namespace=n";

/// The pods of OpenShift's DNS listen on 5353; those of others rarely do.
#[test]
fn the_port_of_a_rule_may_be_that_of_another_dns() {
    let scc = || json!({"metadata": {"annotations": {"openshift.io/scc": "restricted-v2"}}});
    let space = object("Namespace", "n", merged(json!({"metadata": {"namespace": null}}), scc()));
    let by_udp = json!({"port": 5353, "protocol": "UDP"});
    let look = "networkpolicy/closed allows DNS: it allows 5353/UDP, and the DNS servers of most \
        clusters listen on 53";
    for (ports, of_pod, more, wanted) in [
        (json!([by_udp]), json!({}), vec![], Some(look)),
        (json!([by_udp]), scc(), vec![], None),
        (json!([by_udp]), json!({}), vec![space], None),
        (json!([by_udp, {"port": 53, "protocol": "UDP"}]), json!({}), vec![], None),
        (json!([{"port": 5000, "endPort": 6000, "protocol": "UDP"}]), json!({}), vec![], {
            Some("it allows 5000-6000/UDP")
        }),
    ] {
        let causes = with(SILENCE, &json!([{"ports": ports}]), of_pod, &more);
        assert!(!is_denied(&causes), "{ports}");
        let hint = &causes[0].hint;
        assert_eq!(hint.contains("check whether"), wanted.is_some(), "{ports}: {hint}");
        assert!(wanted.is_none_or(|wanted| hint.contains(wanted)), "{ports}: {hint}");
    }
}

/// What is wrong is told of a rule that is about the port of the DNS, and of no other.
#[test]
fn the_hint_of_a_policy_says_what_it_allows_instead() {
    for (egress, near) in [
        (json!([{"ports": [{"port": 53}]}]), "networkpolicy/closed allows only 53/TCP; "),
        (json!([{"ports": [{"port": 5353}]}]), "networkpolicy/closed allows only 5353/TCP; "),
        (json!([{"ports": [{"port": 443}]}]), ""),
        (json!([]), ""),
        (
            to(json!([{"podSelector": {}}])),
            "networkpolicy/closed allows only pods of the namespace n; ",
        ),
        (
            json!([{"ports": [{"port": 443}]}, {"ports": [{"port": 53}]}]),
            "networkpolicy/closed allows only 53/TCP; ",
        ),
    ] {
        let causes = with(SILENCE, &egress, json!({}), &[]);
        let denied = causes.iter().find(|cause| cause.id == "dns-denied").unwrap();
        let rest = "allow egress to port 53, UDP and TCP, of the DNS of the cluster: kube-dns in \
            kube-system (to evaluate it: ";
        assert_eq!(denied.hint, format!("{near}{rest}{COMMAND})"), "{egress}");
    }
}

/// The labels of another namespace and the address of the DNS are not in the snapshot.
#[test]
fn rules_of_which_it_is_not_known_are_only_to_be_looked_at() {
    let labels = json!({"kubernetes.io/metadata.name": "kube-system"});
    let odd = json!({"podSelector": {"matchLabels": {"app": "coredns"}}});
    for (peer, how) in [
        (namespace(json!({"name": "kube-system"})), "its namespaceSelector name=kube-system must"),
        (
            json!({"ipBlock": {"cidr": "10.0.0.0/16"}}),
            "DNS servers must be in its ipBlock 10.0.0.0/16",
        ),
        (
            json!({"ipBlock": {"cidr": "10.96.0.0/12"}}),
            "its ipBlock 10.96.0.0/12 does not cover 10.0.0.10, which the pod asks",
        ),
        (
            json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}),
            "its ipBlock 0.0.0.0/0 except 10.0.0.0/8 does not cover 10.0.0.10",
        ),
        (merged(namespace(labels), odd), "its podSelector app=coredns must"),
    ] {
        let causes = with(SILENCE, &to(json!([peer])), json!({}), &[]);
        assert!(!is_denied(&causes), "{peer}");
        let hint = &causes[0].hint;
        let begin = "check whether networkpolicy/closed allows DNS: ";
        assert!(hint.starts_with(begin) && hint.contains(how), "{peer}: {hint}");
        assert!(hint.contains(COMMAND), "{hint}");
    }
    // the server is not said
    let block = to(json!([{"ipBlock": {"cidr": "10.96.0.0/12"}}]));
    let causes = with("Error: getaddrinfo EAI_AGAIN pay", &block, json!({}), &[]);
    let how = "the address that the pod asks must be in its ipBlock 10.96.0.0/12";
    assert!(causes[0].hint.contains(how), "{}", causes[0].hint);
    // nothing is said of it where the DNS has answered
    let causes = with(
        "lookup pay on 10.0.0.10:53: no such host",
        &to(json!([namespace(json!({"name": "kube-system"}))])),
        json!({}),
        &[],
    );
    assert!(!causes[0].hint.contains("check whether"), "{}", causes[0].hint);
}

#[test]
fn a_namespace_that_was_read_is_judged_by_its_labels() {
    let space = |labels: Value| {
        object("Namespace", "n", json!({"metadata": {"namespace": null, "labels": labels}}))
    };
    let own = json!({"kubernetes.io/metadata.name": "n", "team": "a"});
    let egress = to(json!([namespace(own)]));
    for (labels, wanted) in [(json!({"team": "a"}), false), (json!({"team": "b"}), true)] {
        let causes = with(SILENCE, &egress, json!({}), &[space(labels), dns_of_namespace()]);
        assert_eq!(is_denied(&causes), wanted);
    }
}

fn dns_of_namespace() -> Value {
    object(
        "Service",
        "dns",
        json!({"spec": {"clusterIP": "10.96.9.9", "ports": [{"port": 53, "protocol": "UDP"}]}}),
    )
}

#[test]
fn the_dns_may_be_in_the_namespace_or_within_the_pod() {
    let own = json!([{"to": [{"podSelector": {}}]}]);
    assert!(!is_denied(&with(SILENCE, &own, json!({}), &[dns_of_namespace()])));
    let spec = |spec: Value| json!({"spec": spec});
    let no_dns = json!([{"ports": [{"port": 443}]}]);
    for (of_pod, wanted) in [
        (json!({"hostNetwork": true}), false),
        (json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.1"]}}), false),
        (json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}), true),
        (json!({"dnsPolicy": "Default"}), true),
    ] {
        assert_eq!(
            is_denied(&with(SILENCE, &no_dns, spec(of_pod.clone()), &[])),
            wanted,
            "{of_pod}"
        );
    }
    // another server than that of the cluster may be anywhere
    let policy = json!({"dnsPolicy": "Default"});
    assert!(!is_denied(&with(SILENCE, &own, spec(policy), &[])));
    let tcp = json!({"dnsConfig": {"options": [{"name": "use-vc"}]}});
    let only_tcp = json!([{"ports": [{"port": 53}]}]);
    assert!(!is_denied(&with(SILENCE, &only_tcp, spec(tcp), &[])));
}

#[test]
fn only_silence_follows_from_a_policy() {
    let closed = json!([{"ports": [{"port": 443}]}]);
    for (message, wanted) in [
        ("Caused by: java.net.UnknownHostException: pay", true),
        ("Error: getaddrinfo EAI_AGAIN pay", true),
        ("Error: getaddrinfo ENOTFOUND pay", false),
        ("dial tcp: lookup pay on 10.0.0.10:53: no such host", false),
        ("dial tcp 10.96.1.1:80: i/o timeout", false),
    ] {
        assert_eq!(is_denied(&with(message, &closed, json!({}), &[])), wanted, "{message}");
    }
}

/// The kubelet pulls images and mounts volumes: the policies of the pod are nothing to it.
#[test]
fn what_the_node_cannot_resolve_is_no_matter_of_a_policy() {
    let message = "dial tcp: lookup r.example on 10.0.0.2:53: read udp: i/o timeout";
    let closed = policy("closed", json!({"egress": []}));
    let mut pulls = web_with(ill_pod("web-a", waiting("ErrImagePull", message)));
    let mut mounts = web_with(ill_pod("web-a", waiting("ContainerCreating", "")));
    let nfs = "mount.nfs: Failed to resolve server nfs: Temporary failure in name resolution";
    mounts.push(event("Pod", "web-a", "FailedMount", "1m", nfs));
    for (all, id) in [(&mut pulls, "registry-unreachable"), (&mut mounts, "volume-mount-failed")] {
        all.push(closed.clone());
        assert_eq!(named(all), [format!("deployment/web {id}")]);
    }
}

/// One policy is told once, whatever it keeps; and of several that isolate a pod, the one that
/// isolates most.
#[test]
fn a_policy_that_keeps_several_workloads_is_told_once() {
    let last = json!({"lastState": {"terminated": {"message": SILENCE}}});
    let ill = || merged(crashing("Error", 1), last.clone());
    let mut all = web_with(ill_pod("web-a", ill()));
    let down = json!({"status": {"readyReplicas": 0, "availableReplicas": 0}});
    all.extend([db(1, down), db_pod(ill_pod("db-0", ill()))]);
    let selector = json!({"matchLabels": {"app": "web"}});
    all.push(policy(
        "allow",
        json!({"podSelector": selector, "egress": [{"ports": [{"port": 443}]}]}),
    ));
    all.push(policy("closed", json!({})));
    assert_eq!(
        named(&all),
        [
            "deployment/web app-exit <- dns-denied",
            "statefulset/db app-exit <- dns-denied",
            "networkpolicy/closed dns-denied"
        ]
    );
    let snapshot: Snapshot = all.into_iter().collect();
    let found = diagnose(&snapshot, now());
    let denied = found.causes.iter().find(|cause| cause.id == "dns-denied").unwrap();
    assert_eq!(
        denied.sentence(),
        "networkpolicy/closed isolates pods that no NetworkPolicy allows to query DNS: \
            deployment/web, statefulset/db (pods web-a, db-0)"
    );
    for (kind, name) in
        [("Deployment", "web"), ("Pod", "db-0"), ("netpol", "closed"), ("Namespace", "n")]
    {
        let concerning = found.concerning(&snapshot, &Object::named(kind, "n", name));
        assert!(concerning.contains(&denied), "{kind}/{name}");
    }
}

/// Whether the names of the peers would be there cannot be told by a pod that may not ask for them.
#[test]
fn what_a_pod_may_not_ask_says_nothing_of_the_names_of_its_peers() {
    let message = "lookup db-1.db.n.svc on 10.0.0.10:53: Temporary failure in name resolution";
    let last = json!({"lastState": {"terminated": {"message": message}}});
    let down = json!({"spec": {"serviceName": "db"},
        "status": {"readyReplicas": 0, "availableReplicas": 0}});
    let mut all = vec![db(1, down), db_pod(ill_pod("db-0", merged(crashing("Error", 1), last)))];
    let missing = ["statefulset/db governing-service-missing"];
    assert_eq!(named(&all)[..1], missing);
    all.push(policy("closed", json!({})));
    assert_eq!(
        named(&all),
        ["statefulset/db app-exit <- dns-denied", "networkpolicy/closed dns-denied"]
    );
}

/// As they are read of programs that run and are not ready.
#[test]
fn what_the_log_of_a_running_program_says_follows_from_it_as_well() {
    let closed = policy("closed", json!({"egress": [{"ports": [{"port": 443}]}]}));
    for line in [
        "2026/11/30 19:30:00 ERROR lookup pay.n.svc.cluster.local on 10.96.0.10:53: read udp \
            10.244.0.9:43521->10.96.0.10:53: i/o timeout",
        "Error: getaddrinfo EAI_AGAIN pay.n.svc.cluster.local",
        "requests.exceptions.ConnectionError: Failed to resolve pay ([Errno -3] Temporary failure \
            in name resolution)",
        "Caused by: java.net.UnknownHostException: pay",
        "curl: (6) Could not resolve host: pay.n.svc.cluster.local",
        "curl: (28) Resolving timed out after 5000 milliseconds",
        "SocketError: Failed to open TCP connection to pay:80 (getaddrinfo: Try again)",
        "System.Net.Http.HttpRequestException: Resource temporarily unavailable (pay:80)",
        "[emerg] host not found in upstream \"pay.n.svc.cluster.local\" in /etc/nginx/a.conf:5",
    ] {
        let all = web_with(ill_pod("web-a", unready("1h")));
        let mut snapshot: Snapshot = all.into_iter().chain([closed.clone()]).collect();
        snapshot.add_last_words("web-a", "main", format!("{line}\n{line}\n"));
        assert!(is_denied(&diagnose(&snapshot, now()).causes), "{line}");
    }
}

/// What else a program writes that runs, and how often, does not hide that it gets no answer.
#[test]
fn a_running_program_need_not_say_last_that_it_gets_no_answer() {
    const SAYS: &str = "lookup pay on 10.96.0.10:53: i/o timeout";
    let closed = policy("closed", json!({"egress": [{"ports": [{"port": 443}]}]}));
    let many = |line: &str, times: usize| format!("{line}\n").repeat(times);
    for (log, wanted) in [
        (format!("ERROR {SAYS}\nINFO will retry in 5s"), true),
        (format!("ERROR {SAYS}, retrying\nINFO next attempt in 5s, timeout 30s"), true),
        (format!("WARN {SAYS}\n{}", many("GET /ready 503", 3)), true),
        (format!("ERROR {SAYS}\n{}ERROR not ready", many("INFO waits", 3)), true),
        // long ago
        (format!("ERROR {SAYS}\n{}", many("INFO serves", 30)), false),
        (format!("ERROR {}", SAYS.replace("i/o timeout", "no such host")), false),
        ("ERROR dial tcp 10.96.1.1:80: i/o timeout".to_owned(), false),
    ] {
        for container in [unready("1h"), merged(unready("1h"), json!({"started": false}))] {
            let all = web_with(ill_pod("web-a", container));
            let mut snapshot: Snapshot = all.into_iter().chain([closed.clone()]).collect();
            snapshot.add_last_words("web-a", "main", log.as_str());
            let causes = diagnose(&snapshot, now()).causes;
            assert_eq!(is_denied(&causes), wanted, "{log}: {causes:?}");
        }
    }
}
