//! Services that lead nowhere.

use super::port::unheard;
use super::selector::nothing_selected;
use super::{Kind, alias, endpoint};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, filled, has_address, is_deleting, name, text};
use crate::pod::{is_live, is_ready, starting_since};
use crate::view::{DeclaredPort, View, declared_ports, listed, names, protocol, said, selects};
use crate::weight::{Weight, weight};
use jiff::SignedDuration;
use serde_json::Value;

const SERVICE: &[&str] = &["Service", "Pod"];

pub(super) const KINDS: &[Kind] = &[
    Kind("selector-matches-nothing", "selects no pod", SERVICE),
    Kind("target-port-mismatch", "points to a port that its pods do not declare", SERVICE),
    Kind("not-listening", "points to a port on which its pods do not listen", SERVICE),
    Kind(
        "listens-on-loopback",
        "points to a port on which its pods listen on loopback only",
        SERVICE,
    ),
    Kind("no-endpoints", "has no ready endpoints at present", SERVICE),
    Kind("scaled-to-zero", "selects the pods of a workload that is scaled to 0", SERVICE),
    Kind("no-ready-endpoints", "has no ready endpoint", SERVICE),
    Kind("alias-of-nothing", "is an alias of a Service that does not exist", &["Service"]),
    Kind("alias-unresolvable", "is an alias that DNS cannot resolve", &["Service"]),
    Kind("load-balancer-pending", "waits for its load balancer", &["Service"]),
];

/// Kinds whose pod template shows which pods there would be.
pub(super) const TEMPLATES: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"];

pub(super) fn find(view: &View<'_>, so_far: &[Cause]) -> Vec<Cause> {
    let mut found: Vec<Cause> = Vec::new();
    let services = if view.has_read(&["Pod"]) { view.of("Service") } else { &[] };
    for service in services {
        found.extend(of_service(view, service, so_far));
    }
    found.extend(alias::find(view));
    found.extend(view.of("Service").iter().filter_map(|service| balancer(view, service)));
    found
}

/// Whether a Service finds its pods by their labels.
pub(super) fn selector(service: &Value) -> Option<&Value> {
    let selector = &service["spec"]["selector"];
    let is_set = selector.as_object().is_some_and(|selector| !selector.is_empty());
    (is_set && service["spec"]["type"] != "ExternalName").then_some(selector)
}

/// The live pods that a Service selects, or of which somebody else has made its endpoints.
pub(super) fn selected<'a>(view: &View<'a>, service: &Value) -> Vec<&'a Value> {
    let Some(selector) = selector(service) else { return endpoint::pods(view, service) };
    let pods = view.of("Pod").iter();
    pods.filter(|pod| is_live(pod) && selects(selector, &pod["metadata"]["labels"])).collect()
}

fn of_service(view: &View<'_>, service: &Value, so_far: &[Cause]) -> Vec<Cause> {
    if is_deleting(service) {
        return Vec::new();
    }
    let (selector, pods) = (selector(service), selected(view, service));
    if pods.is_empty() {
        let nothing = selector.map(|selector| nothing_selected(view, service, selector, so_far));
        return nothing.into_iter().collect();
    }
    let ports = array(&service["spec"]["ports"]);
    let mut found: Vec<Cause> =
        ports.filter_map(|port| of_port(view, service, port, &pods)).collect();
    if found.is_empty() && selector.is_some() {
        found.extend(unready(view, service, &pods, so_far));
    }
    found
}

/// What is wrong with one port of a Service of these pods.
pub(super) fn of_port(
    view: &View<'_>,
    service: &Value,
    port: &Value,
    pods: &[&Value],
) -> Option<Cause> {
    // without a virtual address, and without a selector, nobody uses targetPort
    let is_used = selector(service).is_some() && !is_headless(service);
    let named = port["targetPort"].as_str().filter(|_| is_used);
    let unnamed = named.and_then(|wanted| unnamed(service, port, wanted, pods));
    // only TCP was tried
    unnamed.or_else(|| is_tcp(port).then(|| unheard(view, service, port, pods))?)
}

/// Whether its name leads to the addresses of its pods.
pub(super) fn is_headless(service: &Value) -> bool {
    service["spec"]["clusterIP"] == "None"
}

pub(super) fn is_tcp(port: &Value) -> bool {
    protocol(port) == "TCP"
}

pub(super) fn shown(selector: &Value) -> String {
    let labels = selector.as_object().into_iter().flatten();
    labels.map(|(key, value)| format!("{key}={}", text(value))).collect::<Vec<_>>().join(",")
}

/// How long a load balancer may take to be made.
const BALANCING: SignedDuration = SignedDuration::from_mins(5);

/// A Service that waits for its load balancer.
fn balancer(view: &View<'_>, service: &Value) -> Option<Cause> {
    let (spec, status) = (&service["spec"], &service["status"]);
    if spec["type"] != "LoadBalancer"
        || has_address(service)
        || !status.is_object()
        || is_deleting(service)
        || !view.older(&service["metadata"]["creationTimestamp"], BALANCING)
    {
        return None;
    }
    let object = Object::of(service);
    let failed = view.last_event(service, |event| event.warning);
    let detail = match (&failed, filled(&spec["loadBalancerClass"])) {
        (Some(failed), _) => format!("{}: {}", failed.reason, failed.message),
        (None, Some(class)) => format!("no controller has provisioned one of class {class}"),
        (None, None) => "no controller has provisioned one: the cluster may have no load balancer \
            implementation"
            .to_owned(),
    };
    let said = match &failed {
        Some(failed) => said(service, failed),
        None => Evidence::new(format!("{object}: status"), "loadBalancer has no ingress"),
    };
    let hint = "check the cloud controller or the load balancer of the cluster, and its quota";
    Some(Cause::new("load-balancer-pending", object, "", detail).seen([said]).hint(hint))
}

/// A port that is named, of which no container of any of the pods has the name, for the same
/// protocol (pkg/api/v1/pod/util.go, `FindPort`).
fn unnamed(service: &Value, port: &Value, wanted: &str, pods: &[&Value]) -> Option<Cause> {
    let has = |pod: &Value, port: &Value| {
        declared_ports(pod)
            .iter()
            .any(|own| port["targetPort"] == own.name && own.protocol == protocol(port))
    };
    // a pod may serve one port of several; one that serves none gets nothing at all
    let serves = |pod: &Value| {
        array(&service["spec"]["ports"])
            .any(|port| !port["targetPort"].is_string() || has(pod, port))
    };
    let is_served = pods.iter().any(|pod| has(pod, port));
    let pods: Vec<&Value> = pods.iter().copied().filter(|pod| !is_served || !serves(pod)).collect();
    if pods.is_empty() {
        return None;
    }
    let declared = declared(&pods);
    let detail = format!(
        "port {} has targetPort `{wanted}` for {}, and the containers of {} declare {declared}",
        port["port"],
        protocol(port),
        names(pods.iter().copied()),
    );
    Some(mismatch(service, port, detail))
}

pub(super) fn mismatch(service: &Value, port: &Value, detail: String) -> Cause {
    let object = Object::of(service);
    let source = format!("{object}: spec.ports");
    let says = format!("port {}, targetPort {}", port["port"], port["targetPort"]);
    let hint = if is_headless(service) {
        "correct port of the Service, which clients of a headless Service use, or the port of the container"
    } else {
        "correct targetPort of the Service, or the port of the container"
    };
    Cause::new("target-port-mismatch", object, "", detail)
        .seen([Evidence::new(source, says)])
        .hint(hint)
}

/// The ports that the containers of pods declare, in words.
pub(super) fn declared(pods: &[&Value]) -> String {
    let mut all: Vec<String> = Vec::new();
    for DeclaredPort { name, number, protocol } in pods.iter().flat_map(|pod| declared_ports(pod)) {
        let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
        let one = match protocol {
            "TCP" => format!("{number}{name}"),
            other => format!("{number}/{other}{name}"),
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    if all.is_empty() { "no port".to_owned() } else { listed(&all) }
}

/// Pods that are all not ready: it follows from what is wrong with them, or they are starting.
fn unready(view: &View<'_>, service: &Value, pods: &[&Value], so_far: &[Cause]) -> Option<Cause> {
    if service["spec"]["publishNotReadyAddresses"] == true || pods.iter().any(|pod| is_ready(pod)) {
        return None;
    }
    let has = |cause: &Cause, pod: &Value| cause.pods.iter().any(|ill| ill == name(pod));
    let is_fault = |cause: &&Cause| weight(cause.id) == Weight::Fault;
    let own = so_far.iter().filter(is_fault).find(|cause| pods.iter().any(|pod| has(cause, pod)));
    // what is at work is no fault of the pod, and its Service leads nowhere all the same
    let is_at_work = |pod: &Value| so_far.iter().any(|cause| !is_fault(&cause) && has(cause, pod));
    let starts = |pod: &&&Value| {
        own.is_none() && (starting_since(pod, view.now).is_some() || is_at_work(pod))
    };
    let object = Object::of(service);
    let cause = if let Some(pod) = pods.iter().find(starts) {
        Cause::new("no-endpoints", object, "", format!("pod {} is not ready yet", name(pod)))
            .hint("wait until it is ready")
    } else {
        let detail = match pods {
            [one] => format!("pod {} is not ready", name(one)),
            _ => format!("none of {} pods is ready", pods.len()),
        };
        let follows_from = own.map(|cause| (cause.object.clone(), cause.id));
        let cause = Cause::new("no-ready-endpoints", object, "", detail);
        Cause { follows_from, ..cause }.hint("find out why its pods are not ready")
    };
    let said = pods
        .iter()
        .map(|pod| Evidence::new(format!("pod/{}", name(pod)), crate::pod::pod_status(pod)));
    Some(cause.seen(said).pods(pods.iter().copied()))
}
