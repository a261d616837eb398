//! Whether a rule of a NetworkPolicy lets a pod ask the DNS. Of other namespaces no more is known than
//! their names, of addresses nothing: what depends on more is not decided.

use crate::causes::policy::{covers, ports_of};
use crate::object::{array, filled, text};
use crate::view::{View, declared_ports, fits, listed, protocol};
use serde_json::{Value, json};

/// Where the DNS of a cluster runs: that of OpenShift has a namespace of its own.
const NAMESPACES: &[&str] = &["kube-system", "openshift-dns"];
/// The API server labels every namespace with its name (pkg/apis/core/v1/defaults.go,
/// `SetDefaults_Namespace`), and with nothing else.
const LABEL: &str = "kubernetes.io/metadata.name";
/// The ports of its pods: those of OpenShift listen on 5353.
const PORTS: &[u64] = &[53, 5353];

pub(super) enum Access {
    Allowed,
    /// On what it depends, in words.
    Unknown(String),
    /// What is allowed instead, in words.
    Denied(String),
}

/// Whether a pod asks others than the DNS of its cluster, or others as well.
pub(super) fn asks_elsewhere(pod: &Value) -> bool {
    let spec = &pod["spec"];
    matches!(text(&spec["dnsPolicy"]), "None" | "Default")
        || array(&spec["dnsConfig"]["nameservers"]).next().is_some()
}

pub(super) fn access(view: &View<'_>, pod: &Value, rule: &Value) -> Access {
    if let Some(only) = other_ports(pod, rule) {
        return Access::Denied(only);
    }
    let peers: Vec<&Value> = array(&rule["to"]).collect();
    if peers.is_empty() {
        return Access::Allowed;
    }
    if asks_elsewhere(pod) {
        return Access::Unknown("the nameservers of the pod must be among its `to`".to_owned());
    }
    let namespace = text(&pod["metadata"]["namespace"]);
    let (mut unknown, mut denied) = (None, Vec::new());
    for peer in peers {
        match of_peer(view, namespace, peer) {
            Access::Allowed => return Access::Allowed,
            Access::Unknown(how) => {
                unknown.get_or_insert(how);
            }
            Access::Denied(only) => denied.push(only),
        }
    }
    let denied: Vec<&str> = denied.iter().map(String::as_str).collect();
    unknown.map_or_else(|| Access::Denied(format!("only {}", listed(&denied))), Access::Unknown)
}

/// What a rule allows, if it does not allow the port of the DNS. A resolver asks by UDP, and by TCP
/// only what does not fit; the option use-vc of resolv.conf makes it ask by TCP.
fn other_ports(pod: &Value, rule: &Value) -> Option<String> {
    let ports: Vec<&Value> = array(&rule["ports"]).collect();
    let by_tcp = array(&pod["spec"]["dnsConfig"]["options"]).any(|one| one["name"] == "use-vc");
    let is_asked = |port: &Value| protocol(port) == "UDP" || by_tcp && protocol(port) == "TCP";
    let of_dns: Vec<&Value> = ports.iter().copied().filter(|port| covers(port, PORTS)).collect();
    if ports.is_empty() || of_dns.iter().any(|port| is_asked(port)) {
        return None;
    }
    Some(format!("only {}", ports_of(rule)))
}

fn of_peer(view: &View<'_>, namespace: &str, peer: &Value) -> Access {
    let (pods, selector) = (&peer["podSelector"], &peer["namespaceSelector"]);
    if let Some(cidr) = filled(&peer["ipBlock"]["cidr"]) {
        let is_all = cidr.ends_with("/0") && array(&peer["ipBlock"]["except"]).next().is_none();
        // the address may be that of a cache on the node, or of the Service
        let how = || format!("the address that the pod asks must be in its ipBlock {cidr}");
        return if is_all { Access::Allowed } else { Access::Unknown(how()) };
    }
    let is_own = !selector.is_object();
    if runs_dns(view, namespace)
        && (is_own || is_selected(view, selector, namespace) != Some(false))
    {
        return Access::Allowed;
    }
    if is_own {
        return Access::Denied(format!("pods of the namespace {namespace}"));
    }
    let selected: Vec<Option<bool>> =
        NAMESPACES.iter().map(|one| is_selected(view, selector, one)).collect();
    // as the pods of the DNS are labelled by kubeadm, k3s and the clouds
    let has_pods = !pods.is_object() || fits(pods, &json!({"k8s-app": "kube-dns"}));
    if selected.contains(&Some(true)) {
        let how = || format!("its podSelector {} must select the pods of the DNS", words(pods));
        return if has_pods { Access::Allowed } else { Access::Unknown(how()) };
    }
    let own = words(selector);
    if selected.contains(&None) {
        return Access::Unknown(format!(
            "its namespaceSelector {own} must select kube-system, and of itself a namespace has \
                only the label {LABEL}"
        ));
    }
    Access::Denied(format!("namespaces with {own}"))
}

/// Whether the pods of the namespace of the pod may be those of the DNS.
fn runs_dns(view: &View<'_>, namespace: &str) -> bool {
    let declares = |pod: &Value| {
        declared_ports(pod)
            .iter()
            .any(|port| port.protocol == "UDP" && PORTS.contains(&port.number))
    };
    let serves = |service: &Value| {
        array(&service["spec"]["ports"]).any(|port| {
            protocol(port) == "UDP" && port["port"].as_u64().is_some_and(|own| PORTS.contains(&own))
        })
    };
    NAMESPACES.contains(&namespace)
        || view.of("Pod").iter().any(declares)
        || view.of("Service").iter().any(serves)
}

/// Whether a selector selects a namespace, if its name, or its labels where it was read, tell.
fn is_selected(view: &View<'_>, selector: &Value, namespace: &str) -> Option<bool> {
    let read = view.get("Namespace", namespace).map(|read| &read["metadata"]["labels"]);
    let mut labels = read.cloned().filter(Value::is_object).unwrap_or_else(|| json!({}));
    labels[LABEL] = namespace.into();
    if read.is_some() {
        return Some(fits(selector, &labels));
    }
    let by_label = selector["matchLabels"].as_object().into_iter().flatten();
    let by_label = by_label.map(|(key, value)| (key == LABEL).then(|| labels[key] == *value));
    let by_rule = array(&selector["matchExpressions"]).map(|rule| {
        (rule["key"] == LABEL).then(|| fits(&json!({"matchExpressions": [rule]}), &labels))
    });
    let all: Vec<Option<bool>> = by_label.chain(by_rule).collect();
    match all {
        all if all.contains(&Some(false)) => Some(false),
        all if all.contains(&None) => None,
        _ => Some(true),
    }
}

/// A selector as kubectl writes it: `app=dns,tier in (a,b)`.
fn words(selector: &Value) -> String {
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
