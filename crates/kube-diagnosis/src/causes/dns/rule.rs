//! Whether a rule of a NetworkPolicy lets a pod ask the DNS. Of other namespaces no more is known than
//! their names, of addresses nothing: what depends on more is not decided.

use crate::causes::block::{self, covers as is_in_block};
use crate::causes::policy::{NAME, covers, ports_of, selector_words, selects_namespace};
use crate::object::{array, filled, text};
use crate::view::{View, declared_ports, fits, listed, protocol};
use serde_json::{Value, json};
use std::net::IpAddr;

/// Where the DNS of a cluster runs: that of OpenShift has a namespace of its own.
const NAMESPACES: &[&str] = &["kube-system", "openshift-dns"];
/// The port of its pods.
const PORT: u64 = 53;
/// The same where those of OpenShift are counted in.
const PORTS: &[u64] = &[PORT, 5353];

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

/// Whether a rule lets a pod ask; `asked` is the address of the server that it asked, if it says so.
pub(super) fn access(view: &View<'_>, pod: &Value, rule: &Value, asked: Option<IpAddr>) -> Access {
    let ports: Vec<&Value> = array(&rule["ports"]).collect();
    let by_tcp = array(&pod["spec"]["dnsConfig"]["options"]).any(|one| one["name"] == "use-vc");
    // a resolver asks by UDP, and by TCP only what does not fit; the option of resolv.conf makes it
    // ask by TCP
    let is_asked = |port: &Value| protocol(port) == "UDP" || by_tcp && protocol(port) == "TCP";
    let has = |wanted: &[u64], is: &dyn Fn(&Value) -> bool| {
        ports.is_empty() || ports.iter().any(|port| covers(port, wanted) && is(port))
    };
    if !has(PORTS, &is_asked) {
        return Access::Denied(format!("only {}", ports_of(rule)));
    }
    let is_odd = !has(&[PORT], &is_asked) && !is_openshift(view, pod);
    match of_peers(view, pod, rule, asked) {
        Access::Allowed if is_odd => Access::Unknown(format!(
            "it allows {}, and the DNS servers of most clusters listen on {PORT}",
            ports_of(rule)
        )),
        other => other,
    }
}

/// Whether a rule is about the port of the DNS by its own words.
pub(super) fn is_near(rule: &Value) -> bool {
    array(&rule["ports"]).any(|port| !port["port"].is_null() && covers(port, PORTS))
}

/// Whether the pods of the DNS listen on another port: those of OpenShift do. Its admission writes
/// into every pod by which of its SecurityContextConstraints it is there.
fn is_openshift(view: &View<'_>, pod: &Value) -> bool {
    let has = |object: &Value| {
        let notes = object["metadata"]["annotations"].as_object();
        notes.is_some_and(|notes| notes.keys().any(|key| key.starts_with("openshift.io/")))
    };
    has(pod) || view.of("Namespace").iter().any(has)
}

fn of_peers(view: &View<'_>, pod: &Value, rule: &Value, asked: Option<IpAddr>) -> Access {
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
        match of_peer(view, namespace, peer, asked) {
            Access::Allowed => return Access::Allowed,
            Access::Unknown(how) => {
                unknown.get_or_insert(how);
            }
            Access::Denied(only) => denied.push(only),
        }
    }
    let denied: Vec<&str> = denied.iter().map(String::as_str).collect();
    let only = || Access::Denied(format!("only {}", listed(&denied)));
    unknown.map_or_else(only, Access::Unknown)
}

/// Whether a block lets a pod ask. The address may be that of a cache on the node or of the Service,
/// and most networks judge by those of the pods behind it.
fn of_block(block: &Value, asked: Option<IpAddr>) -> Access {
    if text(&block["cidr"]).ends_with("/0") && array(&block["except"]).next().is_none() {
        return Access::Allowed;
    }
    let words = block::words(block);
    Access::Unknown(match asked {
        Some(address) if !is_in_block(block, address) => {
            format!("its ipBlock {words} does not cover {address}, which the pod asks")
        }
        Some(_) => format!("the addresses of the DNS servers must be in its ipBlock {words}"),
        None => format!("the address that the pod asks must be in its ipBlock {words}"),
    })
}

fn of_peer(view: &View<'_>, namespace: &str, peer: &Value, asked: Option<IpAddr>) -> Access {
    let (pods, selector) = (&peer["podSelector"], &peer["namespaceSelector"]);
    if filled(&peer["ipBlock"]["cidr"]).is_some() {
        return of_block(&peer["ipBlock"], asked);
    }
    let is_own = !selector.is_object();
    if runs_dns(view, namespace)
        && (is_own || selects_namespace(view, selector, namespace) != Some(false))
    {
        return Access::Allowed;
    }
    if is_own {
        return Access::Denied(format!("pods of the namespace {namespace}"));
    }
    let selected: Vec<Option<bool>> =
        NAMESPACES.iter().map(|one| selects_namespace(view, selector, one)).collect();
    // as the pods of the DNS are labelled by kubeadm, k3s and the clouds
    let has_pods = !pods.is_object() || fits(pods, &json!({"k8s-app": "kube-dns"}));
    if selected.contains(&Some(true)) {
        let how =
            || format!("its podSelector {} must select the pods of the DNS", selector_words(pods));
        return if has_pods { Access::Allowed } else { Access::Unknown(how()) };
    }
    let own = selector_words(selector);
    if selected.contains(&None) {
        return Access::Unknown(format!(
            "its namespaceSelector {own} must select kube-system, and of itself a namespace has \
                only the label {NAME}"
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
