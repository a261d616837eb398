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
