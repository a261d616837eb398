//! NetworkPolicies between a program and the Service of its namespace to which it gets no
//! connection, as its log says. That the fields of the policies do not allow it is sure only where
//! all that they depend on was read.

use super::block::covers;
use super::dependency::wanted;
use super::evaluate::{self, client};
use super::policy::{POLICY, allows, isolating, selects_namespace};
use super::port::target;
use super::resolution::is_unresolved;
use super::service::selected;
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, name, text};
use crate::view::{View, fits, protocol};
use serde_json::Value;
use std::net::IpAddr;

/// A connection from a pod to one behind a Service.
struct Way<'a> {
    service: &'a Value,
    from: &'a Value,
    to: &'a Value,
    /// The port of the pod, and its protocol.
    port: (u64, &'a str),
}

/// The policies of one side that isolate it, none of which allows the connection.
struct Side<'a> {
    /// `ingress` or `egress`.
    field: &'static str,
    policies: Vec<&'a Value>,
}

/// Says of programs which policy to change.
pub(super) fn explain(view: &View<'_>, found: &mut [Cause]) {
    if !view.has_read(POLICY) {
        return;
    }
    for cause in found.iter_mut().filter(|cause| cause.follows_from.is_none()) {
        let Some(pod) = cause.pods.first().and_then(|pod| view.get("Pod", pod)) else { continue };
        let Some((way, sides)) = cut(view, cause, pod) else { continue };
        let seen = sides.iter().flat_map(Side::evidence).collect::<Vec<_>>();
        cause.hint = format!("{}; otherwise {}", hint(cause, &way, &sides), cause.hint);
        cause.evidence.extend(seen);
    }
}

fn hint(cause: &Cause, way: &Way<'_>, sides: &[Side<'_>]) -> String {
    let (number, by) = way.port;
    let (from, to) = (client(cause, way.from), Object::of(way.service));
    let change = sides.iter().map(|side| {
        let whom = if side.field == "ingress" { from.clone() } else { format!("the pods of {to}") };
        let all: Vec<String> =
            side.policies.iter().map(|policy| Object::of(policy).to_string()).collect();
        format!("allow {whom} at {number}/{by} in spec.{} of {}", side.field, all.join(" or "))
    });
    let change: Vec<String> = change.collect();
    format!(
        "no NetworkPolicy lets {from} connect to {to}: {} (to evaluate it: {})",
        change.join(", and "),
        evaluate::service(&to, &from)
    )
}

/// Which sides of the way to a Service are closed, if no pod behind it can be reached.
fn cut<'a>(view: &View<'a>, cause: &Cause, from: &'a Value) -> Option<(Way<'a>, Vec<Side<'a>>)> {
    // it has not tried to connect
    if is_unresolved(&cause.detail.to_lowercase()) {
        return None;
    }
    let (service, number) = wanted(view, cause)?;
    let mut ports = array(&service["spec"]["ports"]);
    let port =
        ports.find(|own| number.is_none_or(|number| own["port"].as_u64() == Some(number)))?;
    let of = |to| {
        let number = target(view, service, port, to)?;
        let way = Way { service, from, to, port: (number.into(), protocol(port)) };
        let sides = way.closed(view)?;
        Some((way, sides))
    };
    let all: Option<Vec<_>> = selected(view, service).into_iter().map(of).collect();
    all?.into_iter().next()
}

impl<'a> Way<'a> {
    /// The sides that are surely closed, if there are any.
    fn closed(&self, view: &View<'a>) -> Option<Vec<Side<'a>>> {
        let is_of_node = |pod: &Value| pod["spec"]["hostNetwork"] == true;
        if is_of_node(self.from) || is_of_node(self.to) || name(self.from) == name(self.to) {
            return None;
        }
        let ends = [("egress", "Egress", self.from), ("ingress", "Ingress", self.to)];
        let sides = ends.into_iter().filter_map(|(field, direction, pod)| {
            let policies = isolating(view, pod, direction);
            let rules = policies.iter().flat_map(|policy| array(&policy["spec"][field]));
            let is_closed =
                !policies.is_empty() && rules.into_iter().all(|rule| self.bars(view, rule));
            is_closed.then_some(Side { field, policies })
        });
        let sides: Vec<Side<'_>> = sides.collect();
        (!sides.is_empty()).then_some(sides)
    }

    /// Whether a rule surely does not allow the connection. Rules of egress have `to`, and those of
    /// ingress `from`.
    fn bars(&self, view: &View<'_>, rule: &Value) -> bool {
        let bars = |key: &str, other: &Value| {
            let mut peers = array(&rule[key]).peekable();
            peers.peek().is_some() && peers.all(|peer| self.is_another(view, peer, other))
        };
        !allows(rule, self.to, self.port) || bars("to", self.to) || bars("from", self.from)
    }

    /// Whether a peer is surely none that means this pod. A block that has its address, or that of
    /// the Service, means it in some networks, and in others not.
    fn is_another(&self, view: &View<'_>, peer: &Value, pod: &Value) -> bool {
        let (block, spaces, pods) =
            (&peer["ipBlock"], &peer["namespaceSelector"], &peer["podSelector"]);
        if block.is_object() {
            let own = addresses(&pod["status"], "podIP");
            let of_service = addresses(&self.service["spec"], "clusterIP");
            return !own.is_empty()
                && !own.into_iter().chain(of_service).any(|address| covers(block, address));
        }
        let namespace = text(&pod["metadata"]["namespace"]);
        let is_elsewhere =
            spaces.is_object() && selects_namespace(view, spaces, namespace) == Some(false);
        is_elsewhere || pods.is_object() && !fits(pods, &pod["metadata"]["labels"])
    }
}

/// The addresses of a field, and of its list in clusters with two families.
fn addresses(of: &Value, field: &str) -> Vec<IpAddr> {
    let more =
        array(&of[format!("{field}s")]).map(|one| if one.is_object() { &one["ip"] } else { one });
    [&of[field]].into_iter().chain(more).filter_map(|one| text(one).parse().ok()).collect()
}

impl Side<'_> {
    fn evidence(&self) -> impl Iterator<Item = Evidence> {
        self.policies.iter().map(|policy| {
            let rules = &policy["spec"][self.field];
            let says = if rules.is_null() { "no rules".to_owned() } else { rules.to_string() };
            Evidence::new(format!("{}: spec.{}", Object::of(policy), self.field), says)
        })
    }
}
