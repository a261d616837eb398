//! Ports of pods behind a Service to which no NetworkPolicy lets anybody connect. That a policy closes
//! a port may be meant, so it is the Service that carries it.

use super::policy::{POLICY, allows, is_for_all, isolating, ports_of};
use super::port::target;
use super::service::selected;
use super::{Kind, evaluate};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name};
use crate::view::{View, listed, names, protocol};
use serde_json::Value;

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

/// A port of a Service, with a pod to which it leads and that policies isolate.
struct Way<'a> {
    port: &'a Value,
    pod: &'a Value,
    /// That of the pod, if it is known.
    number: Option<u64>,
    policies: Vec<&'a Value>,
}

impl<'a> Way<'a> {
    /// The rules by which somebody may connect. Where the port is not known it may be any of them.
    fn open(&self) -> impl Iterator<Item = &'a Value> {
        let rules = self.policies.iter().flat_map(|policy| array(&policy["spec"]["ingress"]));
        let by = protocol(self.port);
        rules.filter(move |rule| {
            self.number.is_none_or(|number| allows(rule, self.pod, (number, by)))
        })
    }

    fn is_closed(&self) -> bool {
        self.open().next().is_none()
    }

    /// Policies are about the ports of pods, and somebody has named that of the Service.
    fn is_mistaken(&self) -> bool {
        let mut rules = self.policies.iter().flat_map(|policy| array(&policy["spec"]["ingress"]));
        let own = self.port["port"].as_u64().filter(|own| Some(*own) != self.number);
        own.is_some_and(|own| {
            rules.any(|rule| allows(rule, &Value::Null, (own, protocol(self.port))))
        })
    }

    fn shown(&self) -> String {
        let number = self.number.map(|number| format!("{number}/{}", protocol(self.port)));
        number.unwrap_or_else(|| "every port".to_owned())
    }
}

/// The ways of a Service to pods that policies isolate: a pod in the network of its node is subject
/// to none. A Service without ports leads to any.
fn ways<'a>(view: &View<'a>, service: &'a Value) -> Vec<Way<'a>> {
    let mut found = Vec::new();
    for pod in selected(view, service) {
        let policies = isolating(view, pod, "Ingress");
        if policies.is_empty() || pod["spec"]["hostNetwork"] == true {
            continue;
        }
        let mut ports: Vec<&Value> = array(&service["spec"]["ports"]).collect();
        if ports.is_empty() {
            ports.push(&Value::Null);
        }
        found.extend(ports.into_iter().map(|port| {
            let number = target(view, service, port, pod).map(u64::from);
            Way { port, pod, number, policies: policies.clone() }
        }));
    }
    found
}

/// Services of which no client can be admitted at a port of a pod.
pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    if !view.has_read(POLICY) {
        return Vec::new();
    }
    let of = |service| {
        let closed = ways(view, service).into_iter().filter(Way::is_closed);
        let (mistaken, denied): (Vec<_>, Vec<_>) = closed.partition(Way::is_mistaken);
        let hint = "name the port of the pods (targetPort of the Service) in the policy";
        let mistaken = cause(view, SERVICE_PORT, service, &mistaken).map(|one| one.hint(hint));
        let command = evaluate::service(&Object::of(service), "deployment/NAME");
        let hint = format!(
            "allow ingress to these pods at this port from their clients, or remove the policy (to \
                evaluate one of them: {command})"
        );
        let denied = cause(view, INGRESS, service, &denied).map(|one| one.hint(hint));
        mistaken.into_iter().chain(denied)
    };
    view.of("Service").iter().flat_map(of).collect()
}

/// Of the Service that one asks about: which of its ports are for some clients only. That the tool
/// connects says nothing of them, as no policy is about it.
pub(super) fn restricted(view: &View<'_>) -> Vec<String> {
    let service = view.snapshot.asked_about().and_then(|name| view.get("Service", name));
    let ways = service.map(|service| ways(view, service)).unwrap_or_default();
    let is_restricted = |way: &&Way<'_>| !way.is_closed() && !way.open().any(is_for_all);
    let some = ways.iter().filter(is_restricted);
    unique(some.map(|way| {
        format!("only some clients are admitted at {} ({})", way.shown(), named(&way.policies))
    }))
}

fn named(policies: &[&Value]) -> String {
    let them = if policies.len() == 1 { "NetworkPolicy" } else { "NetworkPolicies" };
    format!("{them} {}", names(policies.iter().copied()))
}

fn unique(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// What is closed of a Service, if anything is.
fn cause(view: &View<'_>, id: &'static str, service: &Value, ways: &[Way<'_>]) -> Option<Cause> {
    let mut policies: Vec<&Value> = Vec::new();
    let mut pods: Vec<&Value> = Vec::new();
    for way in ways {
        let is_known = |all: &[&Value], one: &Value| all.iter().any(|own| name(own) == name(one));
        if !is_known(&pods, way.pod) {
            pods.push(way.pod);
        }
        for policy in &way.policies {
            if !is_known(&policies, policy) {
                policies.push(policy);
            }
        }
    }
    policies.first()?;
    let all = selected(view, service).len();
    let shown = |way: &Way<'_>| match way.port["port"].as_u64() {
        Some(port) if id == SERVICE_PORT => format!("port {port}, not {}", way.shown()),
        _ => way.shown(),
    };
    let ports = unique(ways.iter().map(shown));
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    let whose = match pods.len() {
        ill if ill < all => format!(" of {ill} of {all} pods: {}", names(pods.iter().copied())),
        _ => String::new(),
    };
    let detail = format!("{}{whose} ({})", listed(&ports), named(&policies));
    Some(Cause::new(id, Object::of(service), "", detail).seen(policies.into_iter().map(evidence)))
}

/// What a policy allows instead.
fn evidence(policy: &Value) -> Evidence {
    let ports = unique(array(&policy["spec"]["ingress"]).map(ports_of));
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    let says = match ports[..] {
        [] => "no rules".to_owned(),
        _ => format!("only {}", listed(&ports)),
    };
    Evidence::new(format!("{}: spec.ingress", Object::of(policy)), says)
}
