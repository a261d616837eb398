//! Programs that get no connection to a Service, and the policies between them.

use crate::build::*;
use kube_diagnosis::{Cause, Snapshot, diagnose};
use serde_json::{Value, json};

const LOG: &str = "ERROR dial tcp db:5432: i/o timeout";

fn policy(name: &str, of: &str, spec: Value) -> Value {
    let base = json!({"spec": {"podSelector": {"matchLabels": {"app": of}}}});
    object("NetworkPolicy", name, merged(base, json!({"spec": spec})))
}

fn into(rules: Value) -> Vec<Value> {
    vec![policy("db-in", "db", json!({"policyTypes": ["Ingress"], "ingress": rules}))]
}

fn out(rules: Value) -> Vec<Value> {
    vec![policy("web-out", "web", json!({"policyTypes": ["Egress"], "egress": rules}))]
}

fn app(name: &str) -> Value {
    json!({"podSelector": {"matchLabels": {"app": name}}})
}

/// The Service `db` of two healthy pods, whose port 5432 leads to 8080.
fn store() -> Vec<Value> {
    let spec = json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"},
        "clusterIP": "10.96.3.3", "ports": [{"port": 5432, "targetPort": "http"}]}});
    let of = |name: &str| db_pod(pod(name, json!({})));
    vec![db(2, json!({})), of("db-0"), of("db-1"), service(spec)]
}

/// What is said of a program that leaves this log, with more.
fn said(log: &str, change: Value, more: &[Value]) -> Cause {
    let mut all = web_with(merged(ill_pod("web-a", crashing("Error", 1)), change));
    all.extend(store());
    all.extend_from_slice(more);
    let mut snapshot: Snapshot = all.into_iter().collect();
    snapshot.add_last_words("web-a", "main", log);
    let causes = diagnose(&snapshot, now()).causes;
    causes.into_iter().find(|cause| cause.object.to_string() == "deployment/web").unwrap()
}

const CUT: &str = "no NetworkPolicy lets deployment/web connect to service/db: ";
const IN: &str = "allow deployment/web at 8080/TCP in spec.ingress of networkpolicy/db-in";
const OUT: &str =
    "allow the pods of service/db at 8080/TCP in spec.egress of networkpolicy/web-out";

#[test]
fn the_policy_that_cuts_a_program_from_its_service_is_named() {
    let elsewhere =
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}});
    for (policies, wanted) in [
        (into(json!([])), IN.to_owned()),
        (into(json!([{"from": [app("api")]}])), IN.to_owned()),
        (into(json!([{"from": [app("api")]}, {"ports": [{"port": 9}]}])), IN.to_owned()),
        (into(json!([{"from": [app("web")], "ports": [{"port": 5432}]}])), IN.to_owned()),
        (into(json!([{"from": [elsewhere]}])), IN.to_owned()),
        (into(json!([{"from": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}])), IN.to_owned()),
        (out(json!([{"to": [app("api")]}])), OUT.to_owned()),
        (out(json!([{"ports": [{"port": 53, "protocol": "UDP"}]}])), OUT.to_owned()),
        ([into(json!([])), out(json!([]))].concat(), format!("{OUT}, and {IN}")),
        (
            [
                into(json!([])),
                vec![policy("more", "db", json!({"ingress": [{"from": [app("api")]}]}))],
            ]
            .concat(),
            format!("{IN} or networkpolicy/more"),
        ),
    ] {
        let cause = said(LOG, json!({}), &policies);
        let command = "runbook run kubernetes/service-unreachable --set namespace=n --set \
            target=service/db --set from=deployment/web); otherwise ";
        assert!(
            cause.hint.starts_with(&format!("{CUT}{wanted} (to evaluate it: {command}")),
            "{cause:?}"
        );
        let seen = |one: &kube_diagnosis::Evidence| one.source.starts_with("networkpolicy/");
        assert!(cause.evidence.iter().any(seen), "{cause:?}");
    }
}

#[test]
fn policies_that_may_let_a_program_connect_are_not_blamed() {
    let any = json!({"namespaceSelector": {}});
    let own = json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
    for policies in [
        vec![],
        into(json!([{}])),
        into(json!([{"from": [app("web")]}])),
        into(json!([{"from": [app("api"), app("web")], "ports": [{"port": "http"}]}])),
        into(json!([{"from": [any]}])),
        // the labels of the namespace are not known
        into(json!([{"from": [own]}])),
        into(json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])),
        out(json!([{"to": [app("db")], "ports": [{"port": 8080}]}])),
        out(json!([{"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]}])),
        // one that is enough
        [into(json!([])), into(json!([{"from": [app("web")]}]))].concat(),
        // of other pods, and of the other direction
        vec![policy("other", "api", json!({"policyTypes": ["Ingress", "Egress"]}))],
        vec![policy("db", "db", json!({"policyTypes": ["Egress"], "egress": []}))],
    ] {
        let cause = said(LOG, json!({}), &policies);
        assert!(!cause.hint.contains("NetworkPolicy"), "{policies:?}: {}", cause.hint);
    }
    let closed = into(json!([]));
    // one of the pods can be reached
    let half = json!({"spec": {"podSelector": {"matchLabels": {"half": "a"}}}});
    let labels = json!({"metadata": {"labels": {"half": "a"}}});
    let of_half = [merged(closed[0].clone(), half), db_pod(pod("db-2", labels))];
    let block = |cidr: &str| into(json!([{"from": [{"ipBlock": {"cidr": cidr}}]}]));
    let no_address = json!({"status": {"podIP": null}});
    let two = json!({"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}});
    for (log, change, more) in [
        (LOG, no_address, block("192.168.0.0/16")),
        (LOG, two, block("fd00::/8")),
        (LOG, json!({"spec": {"hostNetwork": true}}), closed.clone()),
        ("ERROR dial tcp api:5432: i/o timeout", json!({}), closed.clone()),
        ("ERROR dial tcp db:9999: i/o timeout", json!({}), closed.clone()),
        ("ERROR lookup db:5432 on 10.96.0.10:53: no such host", json!({}), closed.clone()),
        ("ERROR db:5432: password authentication failed", json!({}), closed),
        (LOG, json!({}), of_half.to_vec()),
    ] {
        let cause = said(log, change, &more);
        assert!(!cause.hint.contains(CUT), "{log}: {}", cause.hint);
    }
}
