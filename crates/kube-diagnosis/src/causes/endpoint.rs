//! Where a Service leads, as its EndpointSlices say: kube-proxy sends connections to every ready
//! endpoint of every slice with its name, whoever made the slice (pkg/proxy/endpointslicecache.go).

use super::alias::{alias_of, end_of};
use super::port::silent;
use super::service::is_tcp;
use crate::object::{array, filled, name, text};
use crate::pod::is_live;
use crate::view::{View, protocol};
use serde_json::Value;

/// Of a Service that kube-proxy leaves to another proxy.
const PROXY: &str = "service.kubernetes.io/service-proxy-name";

/// The most sentences of one sort.
const MOST: usize = 3;

/// The slices of a Service with those of their endpoints that get connections.
fn slices<'a>(
    view: &View<'a>,
    service: &Value,
) -> impl Iterator<Item = (&'a Value, Vec<&'a Value>)> {
    let own = name(service).to_owned();
    let is_own = move |slice: &&Value| {
        slice["metadata"]["labels"]["kubernetes.io/service-name"] == own.as_str()
    };
    view.of("EndpointSlice").iter().filter(is_own).map(|slice| {
        let ready = |endpoint: &&Value| endpoint["conditions"]["ready"] != false;
        (slice, array(&slice["endpoints"]).filter(ready).collect())
    })
}

/// The name of the pod that an endpoint is.
fn pod_of(endpoint: &Value) -> Option<&str> {
    let reference = &endpoint["targetRef"];
    if reference["kind"] == "Pod" { filled(&reference["name"]) } else { None }
}

/// The live pods to which a Service leads.
pub(super) fn pods<'a>(view: &View<'a>, service: &Value) -> Vec<&'a Value> {
    let mut found: Vec<&Value> = Vec::new();
    for endpoint in slices(view, service).flat_map(|(_, endpoints)| endpoints) {
        let pod = pod_of(endpoint).and_then(|pod| view.get("Pod", pod));
        if let Some(pod) = pod.filter(|pod| is_live(pod))
            && !found.iter().any(|other| name(other) == name(pod))
        {
            found.push(pod);
        }
    }
    found
}

/// The port of a pod to which a port of the Service leads: both have the same name.
pub(super) fn number(view: &View<'_>, service: &Value, port: &Value, pod: &Value) -> Option<u64> {
    let is_it = |endpoint: &&Value| pod_of(endpoint) == Some(name(pod));
    let of_pod = |(_, endpoints): &(&Value, Vec<&Value>)| endpoints.iter().any(is_it);
    let mut ports =
        slices(view, service).filter(of_pod).flat_map(|(slice, _)| array(&slice["ports"]));
    let same = |own: &&Value| text(&own["name"]) == text(&port["name"]);
    ports.find(same).and_then(|own| own["port"].as_u64())
}

/// Of the Service that one asks about: to what it leads that was not tried, and why not.
pub(crate) fn untried(view: &View<'_>) -> Vec<String> {
    let Some(service) = view.snapshot.asked_about().and_then(|name| view.get("Service", name))
    else {
        return Vec::new();
    };
    if service["spec"]["type"] == "ExternalName" {
        return vec![external(view, service)];
    }
    let mut found = Vec::new();
    if let Some(proxy) = filled(&service["metadata"]["labels"][PROXY]) {
        found.push(format!("kube-proxy leaves the Service to the proxy {proxy} (label {PROXY})"));
    }
    let others = array(&service["spec"]["ports"]).filter(|port| !is_tcp(port));
    found.extend(others.map(|port| {
        format!("port {}/{} was not tried: only TCP is", port["port"], protocol(port))
    }));
    if let Some(why) = view.snapshot.why_unread("EndpointSlice") {
        found.push(format!("its EndpointSlices could not be read: {why}"));
    }
    found.extend(some(addresses(view, service)));
    found.extend(some(silent(view)));
    found
}

/// What is not known of the name to which a Service refers.
fn external(view: &View<'_>, service: &Value) -> String {
    let outside = text(&service["spec"]["externalName"]);
    if outside.parse::<std::net::IpAddr>().is_ok() {
        return format!("externalName is the address {outside}, which is no name");
    }
    if let Err(circle) = end_of(view, service) {
        return format!("the name {outside} is that of an alias that leads back to {}", circle[0]);
    }
    match alias_of(service) {
        Some(other) if view.get("Service", other).is_none() => {
            format!("the name {outside} is that of service/{other}, which does not exist")
        }
        Some(other) => format!("the name {outside} is that of service/{other}: ask about it"),
        None => format!("the name {outside} was not looked up"),
    }
}

/// The addresses that are of no pod, at least of none that is there.
fn addresses(view: &View<'_>, service: &Value) -> Vec<String> {
    let all = slices(view, service).flat_map(|(_, endpoints)| endpoints).filter_map(|endpoint| {
        let address = text(&endpoint["addresses"][0]);
        match pod_of(endpoint) {
            None => Some(format!("{address} is no pod, and was not tried")),
            Some(pod) if view.get("Pod", pod).is_none() => {
                Some(format!("{address} is the address of pod {pod}, which does not exist"))
            }
            Some(_) => None,
        }
    });
    let mut all: Vec<String> = all.collect();
    all.sort();
    all.dedup();
    all
}

/// The first of many sentences, and how many more there are.
fn some(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    if let Some(last) = all.last_mut().filter(|_| more > 0) {
        *last = format!("{last} (and {more} more)");
    }
    all
}
