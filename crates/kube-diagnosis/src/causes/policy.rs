//! NetworkPolicies by which nobody can connect to a Service, as far as their fields alone say. Whether
//! the network of the cluster enforces policies is not in the API. That a policy closes a Service may
//! be meant, so it is the Service that carries it.

use super::Kind;
use super::port::{number_of, target};
use super::service::selected;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name};
use crate::view::{View, fits, listed};
use serde_json::Value;

pub(super) const POLICY: &[&str] = &["NetworkPolicy", "Pod"];
const INGRESS: &str = "ingress-denied";
const SERVICE_PORT: &str = "policy-allows-service-port";
const OF_SERVICE: &[&str] = &["NetworkPolicy", "Pod", "Service"];

pub(super) const KINDS: &[Kind] = &[
    Kind(INGRESS, "leads to ports that no NetworkPolicy allows", OF_SERVICE),
    Kind(
        SERVICE_PORT,
        "has a NetworkPolicy that allows the port of the Service, not that of its pods",
        OF_SERVICE,
    ),
];

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

/// Whether a rule allows one of these ports of a pod, for whomever. A port with a name is that of the
/// container that declares it.
fn allows(rule: &Value, pod: &Value, wanted: &[u64]) -> bool {
    let is_one = |port: &Value| match port["port"].as_str() {
        Some(_) => number_of(&port["port"], pod).is_some_and(|port| wanted.contains(&port)),
        None => covers(port, wanted),
    };
    let ports = rule["ports"].as_array();
    ports.is_none_or(|ports| ports.is_empty() || ports.iter().any(is_one))
}

fn denied(id: &'static str, object: &Object, policies: &[&Value]) -> Cause {
    let names: Vec<&str> = policies.iter().map(|policy| name(policy)).collect();
    let seen = policies.iter().map(|policy| {
        let rules = array(&policy["spec"]["ingress"]).count();
        Evidence::new(format!("{}: spec.ingress", Object::of(policy)), format!("{rules} rules"))
    });
    let them = if names.len() == 1 { "NetworkPolicy" } else { "NetworkPolicies" };
    let detail = format!("{them} {}", listed(&names));
    Cause::new(id, object.clone(), "", detail).seen(seen)
}

/// Services behind which no pod may be connected to.
pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    if !view.has_read(POLICY) {
        return Vec::new();
    }
    let of = |service: &Value| {
        let policies = closed(view, service)?;
        let own = array(&service["spec"]["ports"]).filter_map(|port| port["port"].as_u64());
        let own: Vec<u64> = own.collect();
        let mut rules = policies.iter().flat_map(|policy| array(&policy["spec"]["ingress"]));
        let (id, hint) = if rules.any(|rule| allows(rule, &Value::Null, &own)) {
            (SERVICE_PORT, "name the port of the pods (targetPort of the Service) in the policy")
        } else {
            (
                INGRESS,
                "allow ingress to these pods from their clients, or remove the policy; --set from=… \
                    of kubernetes/service-unreachable evaluates one of them",
            )
        };
        Some(denied(id, &Object::of(service), &policies).hint(hint))
    };
    view.of("Service").iter().filter_map(of).collect()
}

/// The policies that isolate all pods of a Service and have no rule that would allow anybody to
/// connect to a port that it leads to.
fn closed<'a>(view: &View<'a>, service: &Value) -> Option<Vec<&'a Value>> {
    let pods = selected(view, service);
    let mut all: Vec<&Value> = Vec::new();
    for pod in &pods {
        let policies = isolating(view, pod, "Ingress");
        let mut rules = policies.iter().flat_map(|policy| array(&policy["spec"]["ingress"]));
        let ports = array(&service["spec"]["ports"]);
        let ports = ports.map(|port| target(view, service, port, pod).map(u64::from));
        let is_open = match ports.collect::<Option<Vec<u64>>>() {
            Some(ports) if !ports.is_empty() => rules.any(|rule| allows(rule, pod, &ports)),
            // which ports are meant is not known
            _ => rules.next().is_some(),
        };
        // a pod in the network of its node is subject to no policy
        if policies.is_empty() || is_open || pod["spec"]["hostNetwork"] == true {
            return None;
        }
        for policy in policies {
            if !all.iter().any(|other| name(other) == name(policy)) {
                all.push(policy);
            }
        }
    }
    (!all.is_empty()).then_some(all)
}
