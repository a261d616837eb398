//! Services that are another name (`ExternalName`): of what, and whether that leads anywhere.

use crate::cause::{Cause, Evidence, Object};
use crate::object::{filled, is_deleting, name, text};
use crate::view::View;
use serde_json::Value;
use std::net::IpAddr;

/// The aliases that lead nowhere.
pub(super) fn find(view: &View<'_>) -> Vec<Cause> {
    let all = || view.of("Service").iter();
    let dangling = all().filter_map(|service| dangling(view, service));
    dangling.chain(all().filter_map(|service| unresolvable(view, service))).collect()
}

/// The Service of its namespace of which a Service is another name: `externalName:
/// db.shop.svc.cluster.local`.
pub(super) fn alias_of(service: &Value) -> Option<&str> {
    let namespace = text(&service["metadata"]["namespace"]);
    let outside = filled(&service["spec"]["externalName"])?;
    let (other, rest) = outside.split_once('.')?;
    let is_own = rest.strip_prefix(namespace).is_some_and(|rest| rest.starts_with(".svc"));
    (is_own && service["spec"]["type"] == "ExternalName").then_some(other)
}

/// Where the aliases end that begin with this one: the name of the Service, which may not exist, or
/// the circle in which they lead.
pub(super) fn end_of<'a>(view: &View<'a>, service: &'a Value) -> Result<&'a str, Vec<&'a str>> {
    let mut way = vec![name(service)];
    let mut next = alias_of(service);
    while let Some(other) = next {
        if let Some(at) = way.iter().position(|own| *own == other) {
            return Err(way.split_off(at));
        }
        way.push(other);
        next = view.get("Service", other).and_then(alias_of);
    }
    Ok(way.last().copied().unwrap_or_default())
}

/// An ExternalName of the own namespace of which there is no Service.
fn dangling(view: &View<'_>, service: &Value) -> Option<Cause> {
    let other = alias_of(service).filter(|other| view.get("Service", other).is_none())?;
    let object = Object::of(service);
    let outside = text(&service["spec"]["externalName"]);
    let seen = Evidence::new(format!("{object}: spec.externalName"), outside);
    let cause = Cause::new("alias-of-nothing", object, "ExternalName", format!("service/{other}"));
    Some(cause.seen([seen]).hint("correct externalName, or create the Service"))
}

/// An ExternalName that is an address, which CoreDNS does not serve as the target of a CNAME
/// (core/v1, ServiceSpec.externalName: a DNS name), or that leads in a circle of aliases. Of a circle
/// the first by name carries it.
fn unresolvable(view: &View<'_>, service: &Value) -> Option<Cause> {
    const ID: &str = "alias-unresolvable";
    let outside = text(&service["spec"]["externalName"]);
    if service["spec"]["type"] != "ExternalName" || is_deleting(service) {
        return None;
    }
    let object = Object::of(service);
    let seen = Evidence::new(format!("{object}: spec.externalName"), outside);
    if outside.parse::<IpAddr>().is_ok() {
        let hint = format!(
            "give it a DNS name, or make it a Service without a selector, with an EndpointSlice that \
                has {outside}"
        );
        let detail = format!("externalName is the address {outside}");
        return Some(Cause::new(ID, object, "ExternalName", detail).seen([seen]).hint(hint));
    }
    let circle = end_of(view, service).err()?;
    let first = circle.iter().min()?;
    let root = Object::named("Service", &object.namespace, first);
    let follows_from = (root != object).then_some((root, ID));
    let them: Vec<String> = circle.iter().map(|one| format!("service/{one}")).collect();
    let detail = match them.len() {
        1 => format!("{} is an alias of itself", them[0]),
        _ => format!("{} are aliases of each other", them.join(", ")),
    };
    let cause = Cause { follows_from, ..Cause::new(ID, object, "ExternalName", detail) };
    Some(cause.seen([seen]).hint("set externalName of one of them to the name of what serves"))
}
