//! A program that fails because another one of its namespace is down, as its log says: `dial tcp
//! db:5432: connection refused`.

use super::address::{Host, Mention, addresses, mentions};
use super::alias::{alias_of, end_of};
use super::resolution;
use super::service::{is_headless, of_port, selected};
use crate::cause::{Cause, Object};
use crate::object::{array, filled, name, text};
use crate::view::{View, declared_ports};
use crate::weight::{Weight, weight};
use serde_json::Value;

/// Ids of what the log of a program explains.
const EXPLAINED: &[&str] = &[
    "app-exit",
    "init-container-fails",
    "init-container-waits",
    "readiness-failing",
    "startup-failing",
    "startup-probe-kills",
];
/// Ids of one port of a Service.
const PORTS: &[&str] = &["listens-on-loopback", "not-listening", "target-port-mismatch"];
/// What a program says of a connection that it does not get, beside a name that it cannot resolve.
const UNCONNECTED: &[&str] = &[
    "connection refused",
    "refused",
    "i/o timeout",
    "timeout",
    "timed out",
    "deadline exceeded",
    "unreachable",
    "not reachable",
    // errno: ETIMEDOUT, EHOSTUNREACH, ENETUNREACH
    "timedout",
    "hostunreach",
    "netunreach",
    "no route to host",
    "bad address",
    "cannot connect",
    "could not connect",
    "couldn't connect",
    "failed to connect",
    "unable to connect",
    "unabletoconnect",
    "can't connect",
    "not possible to connect",
    "error connecting",
    "connect call failed",
    "connection failed",
    "cannot reach",
    "unable to reach",
    "could not be established",
    "failed to establish",
];

/// With what libpq goes on.
const ASKS: &str = "is the server running on host";

/// What a cause follows from, if its log names a Service that leads nowhere.
pub(super) fn root(
    view: &View<'_>,
    cause: &Cause,
    found: &[Cause],
) -> Option<(Object, &'static str)> {
    // a warning about the Service would hide that the program does not run
    let down = down(view, cause, found).filter(|down| weight(down.id) == Weight::Fault)?;
    Some(down.follows_from.clone().unwrap_or((down.object.clone(), down.id)))
        .filter(|(root, _)| *root != cause.object)
}

/// Says of a program that needs another one which somebody has switched off that it is so.
pub(super) fn explain(view: &View<'_>, found: &mut [Cause]) {
    for at in 0..found.len() {
        let down = down(view, &found[at], found);
        let off = down.filter(|down| weight(down.id) == Weight::Setting).map(Cause::sentence);
        if let Some(off) = off {
            found[at].hint = format!("{off}, which its log names; otherwise {}", found[at].hint);
        }
    }
}

/// What is known of the Service that the log of a program names, as it gets no connection to it.
fn down<'a>(view: &View<'_>, cause: &Cause, found: &'a [Cause]) -> Option<&'a Cause> {
    let (named, port) = wanted(view, cause)?;
    let object = Object::of(named);
    // another port of the Service may be the one that is deaf
    let is_of_port = |one: &Cause| port.is_none_or(|port| is_of_port(view, named, port, one));
    found.iter().find(|one| one.object == object && (!PORTS.contains(&one.id) || is_of_port(one)))
}

/// The Service to which a program gets no connection, as its log says, and with which port.
pub(super) fn wanted<'a>(view: &View<'a>, cause: &Cause) -> Option<(&'a Value, Option<u64>)> {
    let is_explained = EXPLAINED.contains(&cause.id);
    is_explained.then(|| said(cause)).and_then(|said| named(view, &said))
}

/// What a program says last, in lower case. libpq before version 14 names the server only in the lines
/// below.
fn said(cause: &Cause) -> String {
    let detail = cause.detail.to_lowercase();
    if !detail.contains("could not connect to server") || detail.contains(ASKS) {
        return detail;
    }
    let below = cause.evidence.iter().find_map(|one| {
        let says = one.says.to_lowercase();
        let (_, server) = says.split_once(ASKS)?;
        let server = server.split('?').next().unwrap_or_default();
        Some(server.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    below.map_or(detail.clone(), |server| format!("{detail}: {server}"))
}

/// Whether a cause is of the port with this number of a Service.
fn is_of_port(view: &View<'_>, service: &Value, number: u64, cause: &Cause) -> bool {
    let mut ports = array(&service["spec"]["ports"]);
    let port = ports.find(|own| own["port"].as_u64() == Some(number));
    let pods = selected(view, service);
    let own = port.and_then(|port| of_port(view, service, port, &pods));
    own.is_some_and(|own| own.id == cause.id)
}

/// Whether what follows the name of a Service is its namespace: `.shop`, `.shop.svc`.
pub(super) fn is_in_namespace(rest: &str, namespace: &str) -> bool {
    let rest = rest.strip_prefix('.').and_then(|rest| rest.strip_prefix(namespace));
    rest.is_some_and(|rest| {
        rest.starts_with(".svc")
            || !rest.starts_with(|one: char| one.is_alphanumeric() || ".-".contains(one))
    })
}

/// The Service that a line names as the one to which a program gets no connection, and with which
/// port: a line may name others as well, and means the nearest to the words that say so.
fn named<'a>(view: &View<'a>, said: &str) -> Option<(&'a Value, Option<u64>)> {
    let failures = failures(said);
    if failures.is_empty() {
        return None;
    }
    let gap = |mention: &Mention| {
        let gaps = failures.iter().map(|(from, to)| {
            from.saturating_sub(mention.end).max(mention.start.saturating_sub(*to))
        });
        gaps.min()
    };
    let all = || view.of("Service").iter();
    let end = |alias| end_of(view, alias).ok().filter(|end| view.get("Service", end).is_some());
    let aliases = all().filter(|one| alias_of(one).is_some());
    let aliases: Vec<(&str, &str)> =
        aliases.filter_map(|one| Some((end(one)?, name(one)))).collect();
    // an alias that ends nowhere is meant itself
    let services = all().filter(|one| alias_of(one).is_none() || end(one).is_none());
    let places = services.flat_map(|service| {
        let hosts = hosts(service, &aliases).into_iter().flat_map(|host| mentions(said, host));
        let known = hosts.filter(|one| one.port.is_none_or(|port| leads(view, service, port)));
        known.map(move |one| (service, one)).collect::<Vec<_>>()
    });
    let near = places.filter_map(|(service, one)| Some((gap(&one)?, one, service)));
    let (own, mention, service) = near.min_by_key(|(gap, one, _)| (*gap, one.start))?;
    // an address with the same port may be the one to which the name leads
    let mut others = addresses(said).into_iter().filter(|other| other.port != mention.port);
    let is_other = others.any(|other| gap(&other).is_some_and(|gap| gap < own));
    (!is_other).then_some((service, mention.port))
}

/// Where a line says that there is no connection. `timeout=10s` only says what is set.
fn failures(said: &str) -> Vec<(usize, usize)> {
    let is_set = |rest: &str| {
        let rest = rest.trim_start_matches(|one: char| one.is_alphanumeric() || one == '_');
        rest.starts_with('=')
    };
    let words = UNCONNECTED.iter().chain(resolution::words());
    let all = words.flat_map(|word| said.match_indices(*word));
    let all = all.map(|(at, word)| (at, at + word.len()));
    all.filter(|(from, to)| !(said[*from..].starts_with("timeout") && is_set(&said[*to..])))
        .collect()
}

/// How a program may call a Service: by its name, its address, or the name of another Service that
/// is only another name of it. The aliases are of all Services.
fn hosts<'a>(service: &'a Value, aliases: &[(&str, &'a str)]) -> Vec<Host<'a>> {
    let (own, namespace) = (name(service), text(&service["metadata"]["namespace"]));
    let aliases = aliases.iter().filter(|(of, _)| *of == own).map(|(_, alias)| *alias);
    let spec = &service["spec"];
    let addresses = array(&spec["clusterIPs"]).chain([&spec["clusterIP"]]).filter_map(filled);
    let addresses = addresses.filter(|address| *address != "None").map(Host::Address);
    [own]
        .into_iter()
        .chain(aliases)
        .map(|one| Host::Name(one, namespace))
        .chain(addresses)
        .collect()
}

/// Whether a Service leads anywhere from this port. Clients of a headless one connect to its pods; of
/// one with a name outside of the cluster no port is known.
fn leads(view: &View<'_>, service: &Value, port: u64) -> bool {
    let has = array(&service["spec"]["ports"]).any(|own| own["port"].as_u64() == Some(port));
    let is_of_pod = |pod: &&Value| declared_ports(pod).iter().any(|own| own.number == port);
    has || service["spec"]["type"] == "ExternalName"
        || is_headless(service) && selected(view, service).iter().any(is_of_pod)
}
