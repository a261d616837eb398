//! Ports to which Services lead: which are to be tried, and what was found there.

use super::endpoint;
use super::service::{declared, is_headless, is_tcp, mismatch, selected, selector};
use crate::cause::{Cause, Evidence, Object};
use crate::object::{array, condition, name};
use crate::pod::is_ready;
use crate::snapshot::PortState;
use crate::view::{DeclaredPort, View, declared_ports, names, protocol};
use jiff::SignedDuration;
use serde_json::Value;

/// How long a program may take to listen in a pod that is ready at once, as it has no readiness
/// probe.
const LISTENING: SignedDuration = SignedDuration::from_secs(30);
/// The most pods of a Service that are tried where nobody asks about it.
const TRIED: usize = 10;

/// What was found at a port of a pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Connections of others are accepted.
    Open,
    /// Only those from the pod itself.
    Loopback,
    Refused,
    /// Why nothing can be told of it.
    Unknown(&'static str),
}

fn heard(view: &View<'_>, pod: &Value, number: u16) -> Heard {
    let state = view.snapshot.port(name(pod), number).unwrap_or_default();
    match (state.loopback, state.address) {
        (_, Some(true)) | (Some(true), None) => Heard::Open,
        (Some(true), Some(false)) => Heard::Loopback,
        (None, None) => Heard::Unknown("was not tried"),
        // a program may listen on the address of its pod only, unless something else looks wrong
        (Some(false), None) if !is_odd(pod, number) => {
            Heard::Unknown("refuses on its loopback address, and its own was not tried")
        }
        _ if !is_odd(pod, number) && is_young(view, pod) => {
            Heard::Unknown("refuses, and the pod has been ready for a moment only")
        }
        _ => Heard::Refused,
    }
}

/// Whether the kubelet connects to this port of a ready pod: it does so at the address of the pod.
fn is_probed(pod: &Value, number: u16) -> bool {
    let reaches = |probe: &Value| {
        ["httpGet", "tcpSocket", "grpc"].iter().map(|way| &probe[*way]).any(|way| {
            number_of(&way["port"], pod) == Some(u64::from(number)) && way["host"].is_null()
        })
    };
    let mut all = array(&pod["spec"]["containers"]).chain(array(&pod["spec"]["initContainers"]));
    is_ready(pod) && all.any(|container| reaches(&container["readinessProbe"]))
}

fn declares(pod: &Value, number: u16) -> bool {
    declared_ports(pod).iter().any(|declared| declared.number == u64::from(number))
}

/// A pod declares ports, and not this one.
fn is_odd(pod: &Value, number: u16) -> bool {
    !declared_ports(pod).is_empty() && !declares(pod, number)
}

fn is_young(view: &View<'_>, pod: &Value) -> bool {
    let ready = condition(pod, "Ready").map(|ready| &ready["lastTransitionTime"]);
    ready.is_some_and(|since| since.is_string() && !view.older(since, LISTENING))
}

/// A port at which something was looked for. What a container declares proves nothing alone: the
/// field is only information. A Service sends connections to each of its pods: one that does not
/// listen is enough.
pub(super) fn unheard(
    view: &View<'_>,
    service: &Value,
    port: &Value,
    pods: &[&Value],
) -> Option<Cause> {
    let known: Vec<(&Value, u16, Heard)> = pods
        .iter()
        .filter_map(|pod| Some((*pod, target(view, service, port, pod)?)))
        .map(|(pod, number)| (pod, number, heard(view, pod, number)))
        .filter(|(.., heard)| !matches!(heard, Heard::Unknown(_)))
        .collect();
    let deaf: Vec<&(&Value, u16, Heard)> =
        known.iter().filter(|(.., heard)| *heard != Heard::Open).collect();
    let (_, number, _) = **deaf.first()?;
    let is_partial = deaf.len() < known.len();
    let ill = names(deaf.iter().map(|(pod, ..)| *pod));
    let who = if is_partial {
        let tried = if known.len() < pods.len() { "tried pods" } else { "pods" };
        format!("{} of {} {tried}: {ill}", deaf.len(), known.len())
    } else {
        format!("pod {ill}")
    };
    let leads = match port["targetPort"].as_str() {
        _ if is_headless(service) => format!("clients connect to port {number} of its pods"),
        Some(named) => format!("port {} forwards to `{named}` ({number})", port["port"]),
        None => format!("port {} forwards to {number}", port["port"]),
    };
    let object = Object::of(service);
    let cause = if deaf.iter().all(|(.., heard)| *heard == Heard::Loopback) {
        let detail = format!("{leads}, which is served on 127.0.0.1 only ({who})");
        Cause::new("listens-on-loopback", object, "", detail)
            .hint("make the program listen on 0.0.0.0 or [::]")
    } else if !is_partial
        && !pods.iter().any(|pod| declares(pod, number))
        && pods.iter().any(|pod| is_odd(pod, number))
    {
        match by_endpoint(service, port, pods) {
            Some(own) => {
                let detail = format!(
                    "clients that look up its name connect to port {number}, where nothing listens \
                        ({who}); its EndpointSlices and SRV records have {own}"
                );
                let hint =
                    format!("let such clients connect to {own}, or make it port of the Service");
                Cause { reason: HEADLESS.to_owned(), ..mismatch(service, port, detail) }.hint(hint)
            }
            None => {
                let detail = format!(
                    "{leads}, where nothing listens ({who}); the containers declare {}",
                    declared(pods)
                );
                mismatch(service, port, detail)
            }
        }
    } else {
        let hint = if is_partial {
            "make the selector of the Service select only pods that serve this port, or make each \
                of them listen on it"
        } else {
            "check on which port the program listens, and targetPort of the Service"
        };
        let detail = format!("{leads}, where nothing listens ({who})");
        Cause::new("not-listening", object, "", detail).hint(hint)
    };
    Some(cause.seen(known.iter().map(|(pod, number, _)| evidence(view, pod, *number))))
}

/// The reason of a headless Service that works for clients of its endpoints. The runbooks tell it by
/// this.
const HEADLESS: &str = "Headless";

/// The port that the endpoints of a headless Service have, if all of its pods declare it: clients that
/// look up EndpointSlices or SRV records use it, and not the port of the Service.
fn by_endpoint(service: &Value, port: &Value, pods: &[&Value]) -> Option<u64> {
    let of = |pod: &&Value| {
        let is_declared =
            |number: &u64| declared_ports(pod).iter().any(|own| own.number == *number);
        behind(port, pod).filter(is_declared)
    };
    let first = pods.first().and_then(of).filter(|_| is_headless(service))?;
    pods.iter().all(|pod| of(pod) == Some(first)).then_some(first)
}

fn evidence(view: &View<'_>, pod: &Value, number: u16) -> Evidence {
    let said = |open: Option<bool>| match open {
        Some(true) => "accepts connections",
        Some(false) => "refuses connections",
        None => "not known",
    };
    let PortState { loopback, address } = view.snapshot.port(name(pod), number).unwrap_or_default();
    Evidence::new(
        format!("pod/{}: port {number}", name(pod)),
        format!("loopback {}, pod address {}", said(loopback), said(address)),
    )
}

/// The ports of pods at which should be looked. Of the Service that one asks about these are all;
/// otherwise those that the pods do not declare although they declare others come first, then one of
/// each workload behind every other port, then further pods.
pub(super) fn wanted_ports(view: &View<'_>, most: usize) -> Vec<(String, u16)> {
    ports(view, TRIED, most)
}

/// The ports of so many pods of each Service, or of all of the one that is meant.
fn ports(view: &View<'_>, pods: usize, most: usize) -> Vec<(String, u16)> {
    let mut wanted: Vec<(bool, bool, &str, u16)> = Vec::new();
    let meant = view.snapshot.asked_about();
    let services = view.of("Service").iter();
    for service in services.filter(|service| meant.is_none_or(|meant| meant == name(service))) {
        // what somebody else calls ready is tried whatever the pod says
        let is_made = selector(service).is_none();
        let ready: Vec<&Value> =
            selected(view, service).into_iter().filter(|pod| is_made || is_ready(pod)).collect();
        let firsts = one_of_each(view, &ready);
        let is_first = |pod: &&Value| firsts.iter().any(|first| name(first) == name(pod));
        let further = ready.iter().copied().filter(|pod| !is_first(pod));
        let pods = if meant.is_some() { usize::MAX } else { pods };
        let some: Vec<&Value> = firsts.iter().copied().chain(further).take(pods).collect();
        for port in array(&service["spec"]["ports"]).filter(|port| is_tcp(port)) {
            for pod in &some {
                let Some(number) = target(view, service, port, pod) else { continue };
                let is_odd = is_odd(pod, number);
                // the ports of a headless Service may be there for its name only
                if meant.is_some() || !is_headless(service) {
                    wanted.push((!is_odd, !is_first(pod), name(pod), number));
                }
            }
        }
    }
    wanted.sort_by_key(|(is_even, is_further, ..)| (*is_even, *is_further));
    let mut found: Vec<(String, u16)> = Vec::new();
    for (.., pod, number) in wanted {
        if found.len() >= most {
            break;
        }
        if !found.iter().any(|(other, port)| other == pod && *port == number) {
            found.push((pod.to_owned(), number));
        }
    }
    found
}

/// The first pod of each workload.
fn one_of_each<'a>(view: &View<'_>, pods: &[&'a Value]) -> Vec<&'a Value> {
    let mut workloads: Vec<Object> = Vec::new();
    let mut is_first = |pod: &&Value| {
        let workload = view.workload(pod);
        let is_new = !workloads.contains(&workload);
        if is_new {
            workloads.push(workload);
        }
        is_new
    };
    pods.iter().copied().filter(|pod| is_first(pod)).collect()
}

/// The number of the port of a pod to which a port of a Service leads. Clients of a headless Service
/// look up the address of the pod, and use the port of the Service.
pub(super) fn target(view: &View<'_>, service: &Value, port: &Value, pod: &Value) -> Option<u16> {
    let number = match port {
        _ if is_headless(service) => port["port"].as_u64(),
        _ if selector(service).is_none() => endpoint::number(view, service, port, pod),
        _ => behind(port, pod),
    };
    number.and_then(|number| u16::try_from(number).ok())
}

/// The number of the port of a pod that `targetPort` says.
fn behind(port: &Value, pod: &Value) -> Option<u64> {
    match &port["targetPort"] {
        Value::String(wanted) => {
            named(pod, |own| own.name == wanted && own.protocol == protocol(port))
        }
        Value::Null => port["port"].as_u64(),
        number => number.as_u64(),
    }
}

/// The number of a port of a probe that is written as a number, or as the name that a container
/// gives to it: of any protocol (pkg/probe/util.go, `ResolveContainerPort`).
pub(super) fn number_of(port: &Value, pod: &Value) -> Option<u64> {
    match port {
        Value::String(wanted) => named(pod, |own| own.name == wanted),
        port => port.as_u64(),
    }
}

fn named(pod: &Value, is_it: impl Fn(&DeclaredPort<'_>) -> bool) -> Option<u64> {
    declared_ports(pod).iter().find(|port| is_it(port)).map(|port| port.number)
}

/// Why nothing can be told of a port.
pub(super) struct Untried {
    /// Of one that looks wrong.
    pub(super) odd: Option<String>,
    /// Of any.
    pub(super) any: Option<String>,
    /// Of one that is open, whether it is so for others, too.
    pub(super) address: Option<String>,
}

/// Why nothing can be told of a port of a pod, if that is so.
fn silence(view: &View<'_>, pod: &Value, number: u16) -> Option<String> {
    match heard(view, pod, number) {
        Heard::Unknown(why) => Some(format!("port {number} of pod/{} {why}", name(pod))),
        Heard::Open | Heard::Loopback | Heard::Refused => None,
    }
}

/// The ports that should be looked at of pods that are there.
fn all_ports<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a Value, u16)> {
    let all = ports(view, usize::MAX, usize::MAX).into_iter();
    all.filter_map(|(pod, number)| Some((view.get("Pod", &pod)?, number)))
}

/// The ports of the Service that one asks about of which nothing can be told, and why not.
pub(super) fn silent(view: &View<'_>) -> Vec<String> {
    all_ports(view).filter_map(|(pod, number)| silence(view, pod, number)).collect()
}

pub(super) fn untried(view: &View<'_>) -> Untried {
    let mut untried = Untried { odd: None, any: None, address: None };
    for (pod, number) in all_ports(view) {
        let state = view.snapshot.port(name(pod), number).unwrap_or_default();
        let is_open = (state.loopback, state.address) == (Some(true), None);
        if is_open && !is_probed(pod, number) {
            let pod = name(pod);
            untried.address.get_or_insert_with(|| {
                format!("port {number} of pod/{pod} was not tried at the address of the pod")
            });
        }
        if let Some(why) = silence(view, pod, number) {
            if is_odd(pod, number) {
                untried.odd.get_or_insert_with(|| why.clone());
            }
            untried.any.get_or_insert(why);
        }
    }
    untried
}
