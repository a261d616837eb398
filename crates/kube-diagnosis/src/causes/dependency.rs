//! A program that fails because another one of its namespace is down, as its log says: `dial tcp
//! db:5432: connection refused`.

use super::service::{of_port, selected};
use crate::cause::{Cause, Object};
use crate::object::{array, name, text};
use crate::view::View;
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
/// What a program says of a connection that it does not get.
const UNCONNECTED: &[&str] = &[
    "refused",
    "timeout",
    "timed out",
    "unreachable",
    "no such host",
    "name resolution",
    "name or service not known",
    "enotfound",
    "bad address",
    "cannot connect",
    "could not connect",
    "failed to connect",
    "unable to connect",
    "can't connect",
];

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
    if !EXPLAINED.contains(&cause.id) {
        return None;
    }
    let said = cause.detail.to_lowercase();
    if !UNCONNECTED.iter().any(|word| said.contains(word)) {
        return None;
    }
    let mut services = view.of("Service").iter();
    let (named, port) = services.find_map(|one| Some((one, named(one, &said)?)))?;
    let object = Object::of(named);
    // another port of the Service may be the one that is deaf
    let is_of_port = |one: &Cause| port.is_none_or(|port| is_of_port(view, named, port, one));
    found.iter().find(|one| one.object == object && (!PORTS.contains(&one.id) || is_of_port(one)))
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

/// Whether a line names a Service with a port of it, or by its name in the DNS of the cluster; and
/// with which port.
fn named(service: &Value, said: &str) -> Option<Option<u64>> {
    let (own, namespace) = (name(service), text(&service["metadata"]["namespace"]));
    let is_of_name = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_');
    let port = |rest: &str| {
        let rest = rest.split_once(':').filter(|(host, _)| !host.contains(' '))?.1;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u64>().ok()
    };
    let has =
        |port: u64| array(&service["spec"]["ports"]).any(|own| own["port"].as_u64() == Some(port));
    let ends = |rest: &str| {
        let is_it = match rest.strip_prefix(':') {
            Some(_) => port(rest).is_some_and(has),
            None => is_in_namespace(rest, namespace),
        };
        is_it.then(|| port(rest))
    };
    let mut places = said.match_indices(own).filter(|(at, _)| !said[..*at].ends_with(is_of_name));
    if own.is_empty() || said.contains("timeout=") {
        return None;
    }
    places.find_map(|(at, part)| ends(&said[at + part.len()..]))
}
