//! What NetworkPolicies say of a pod, as far as their fields alone tell. Whether the network of the
//! cluster enforces policies is not in the API.

use crate::object::{array, text};
use crate::view::{View, declared_ports, fits, listed, protocol};
use serde_json::{Value, json};

/// The API server labels every namespace with its name (pkg/apis/core/v1/defaults.go,
/// `SetDefaults_Namespace`), and with nothing else.
pub(super) const NAME: &str = "kubernetes.io/metadata.name";

pub(super) const POLICY: &[&str] = &["NetworkPolicy", "Pod"];

/// The policies that isolate a pod in a direction (networking/v1, NetworkPolicySpec.policyTypes).
pub(super) fn isolating<'a>(view: &View<'a>, pod: &Value, direction: &str) -> Vec<&'a Value> {
    let has_type = |policy: &Value| match policy["spec"]["policyTypes"].as_array() {
        Some(types) => types.iter().any(|one| one == direction),
        None => direction == "Ingress" || policy["spec"]["egress"].is_array(),
    };
    let is_of = |policy: &&Value| {
        let selector = &policy["spec"]["podSelector"];
        fits(selector, &pod["metadata"]["labels"]) && has_type(policy)
    };
    view.of("NetworkPolicy").iter().filter(is_of).collect()
}

/// Whether a port of a rule is one of these; one that has a name may be. Policies are about the ports
/// of pods.
pub(super) fn covers(port: &Value, wanted: &[u64]) -> bool {
    match (port["port"].as_u64(), port["endPort"].as_u64()) {
        (Some(from), to) => wanted.iter().any(|one| (from..=to.unwrap_or(from)).contains(one)),
        (None, _) => true,
    }
}

/// Whether a rule allows a port of a pod by this protocol, for whomever. A port with a name is that
/// of the container that declares it (networking/v1, NetworkPolicyPort).
pub(super) fn allows(rule: &Value, pod: &Value, (number, by): (u64, &str)) -> bool {
    let is_named = |wanted: &str| {
        declared_ports(pod)
            .iter()
            .any(|own| (own.name, own.number, own.protocol) == (wanted, number, by))
    };
    let is_one = |port: &Value| {
        protocol(port) == by
            && match port["port"].as_str() {
                Some(wanted) => is_named(wanted),
                None => covers(port, &[number]),
            }
    };
    let ports = rule["ports"].as_array();
    ports.is_none_or(|ports| ports.is_empty() || ports.iter().any(is_one))
}

/// Whether a rule of ingress is for every client that may be in the cluster: an empty `from`, all
/// namespaces, all addresses.
pub(super) fn is_for_all(rule: &Value) -> bool {
    let is_any = |selector: &Value| {
        let (labels, rules) = (&selector["matchLabels"], &selector["matchExpressions"]);
        labels.as_object().is_none_or(serde_json::Map::is_empty) && array(rules).next().is_none()
    };
    let is_all = |peer: &Value| {
        let block = &peer["ipBlock"];
        text(&block["cidr"]).ends_with("/0") && array(&block["except"]).next().is_none()
            || peer["namespaceSelector"].is_object()
                && is_any(&peer["namespaceSelector"])
                && is_any(&peer["podSelector"])
    };
    let mut peers = array(&rule["from"]).peekable();
    peers.peek().is_none() || peers.any(is_all)
}

/// The ports of a rule: `8080/UDP, 30000-30100/TCP`.
pub(super) fn ports_of(rule: &Value) -> String {
    let shown = |port: &Value| match (&port["port"], port["endPort"].as_u64()) {
        (Value::Null, _) => format!("every port/{}", protocol(port)),
        (from, Some(to)) => format!("{from}-{to}/{}", protocol(port)),
        (from, None) => format!("{}/{}", from.to_string().trim_matches('"'), protocol(port)),
    };
    let all: Vec<String> = array(&rule["ports"]).map(shown).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    if all.is_empty() { "every port".to_owned() } else { listed(&all) }
}

/// Whether a selector selects a namespace, if its name, or its labels where it was read, tell.
pub(super) fn selects_namespace(
    view: &View<'_>,
    selector: &Value,
    namespace: &str,
) -> Option<bool> {
    let read = view.get("Namespace", namespace).map(|read| &read["metadata"]["labels"]);
    let mut labels = read.cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    labels[NAME] = namespace.into();
    if read.is_some() {
        return Some(fits(selector, &labels));
    }
    let by_label = selector["matchLabels"].as_object().into_iter().flatten();
    let by_label = by_label.map(|(key, value)| (key == NAME).then(|| labels[key] == *value));
    let by_rule = array(&selector["matchExpressions"]).map(|rule| {
        (rule["key"] == NAME).then(|| fits(&json!({"matchExpressions": [rule]}), &labels))
    });
    let all: Vec<Option<bool>> = by_label.chain(by_rule).collect();
    match all {
        all if all.contains(&Some(false)) => Some(false),
        all if all.contains(&None) => None,
        _ => Some(true),
    }
}

/// A selector as kubectl writes it: `app=dns,tier in (a,b)`.
pub(super) fn selector_words(selector: &Value) -> String {
    let by_label = selector["matchLabels"].as_object().into_iter().flatten();
    let by_label = by_label.map(|(key, value)| format!("{key}={}", text(value)));
    let by_rule = array(&selector["matchExpressions"]).map(|rule| {
        let values: Vec<&str> = array(&rule["values"]).map(text).collect();
        let (key, values) = (text(&rule["key"]), values.join(","));
        match text(&rule["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    by_label.chain(by_rule).collect::<Vec<_>>().join(",")
}
