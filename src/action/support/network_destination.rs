//! Parses the destination of `network_path`: a host, a URL, an address or an object. Pure.

use crate::cluster::builtin;
use crate::network::{Destination, PortName, host};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The kinds that a path may start from or end at, beside pods and Services.
pub(in crate::action) const WORKLOADS: &[&str] =
    &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

/// The destination as far as the text says.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::action) struct Parsed {
    /// What is meant.
    pub(in crate::action) to: To,
    /// The port in it, if any.
    pub(in crate::action) port: Option<PortName>,
}

/// What a destination names.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::action) enum To {
    Workload { kind: String, name: String },
    Pod(String),
    Service(String),
    Address(IpAddr),
    Host(String),
}

impl To {
    /// The name or address that a client uses; none for pods, which have no name.
    pub(in crate::action) fn host(&self, namespace: Option<&str>) -> Option<String> {
        match self {
            To::Address(address) => Some(address.to_string()),
            To::Host(name) | To::Service(name) if !name.contains('.') => Some(
                namespace.map_or_else(|| name.clone(), |namespace| format!("{name}.{namespace}")),
            ),
            To::Host(name) | To::Service(name) => Some(name.clone()),
            To::Pod(_) | To::Workload { .. } => None,
        }
    }
}

/// Reads a destination: a URL, `host:port`, a host, an address, or `kind/name`.
pub(in crate::action) fn parse(text: &str) -> Result<Parsed, String> {
    let wrong = || {
        format!(
            "`{text}` is not a destination: use a host name, a URL, an address, pod/NAME, \
                service/NAME or deployment/NAME"
        )
    };
    let text_only = |to| Ok(Parsed { to, port: None });
    if let Some((kind, name)) = text.split_once('/').filter(|_| !text.contains("://")) {
        if name.is_empty() || name.contains('/') {
            return Err(wrong());
        }
        return match builtin(kind).map(|resource| resource.kind) {
            Some(kind) if kind == "Pod" => text_only(To::Pod(name.to_owned())),
            Some(kind) if kind == "Service" => text_only(To::Service(name.to_owned())),
            Some(found) if WORKLOADS.contains(&found.as_str()) => {
                text_only(To::Workload { kind: found, name: name.to_owned() })
            }
            _ => Err(wrong()),
        };
    }
    let (destination, port) = host::parse(text).ok_or_else(wrong)?;
    let to = match destination {
        Destination::Address(address) => To::Address(address),
        Destination::Host(name) => To::Host(name),
        Destination::Pod { .. } | Destination::Service { .. } => return Err(wrong()),
    };
    Ok(Parsed { to, port: port.map(PortName::Number) })
}

/// The namespaces that could matter: those of both ends, and the second part of a host name, which
/// may be one.
pub(in crate::action) fn candidates(
    to: &To,
    source: &str,
    given: Option<&str>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::from([source.to_owned()]);
    names.extend(given.map(str::to_owned));
    if let To::Host(host) = to {
        let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        let named = match parts.as_slice() {
            [_, namespace] | [_, namespace, "svc", ..] | [_, _, namespace, "svc", ..] => {
                Some(*namespace)
            }
            _ => None,
        };
        names.extend(named.map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_as_clients_write_them() {
        let host = |name: &str| To::Host(name.to_owned());
        for (text, to, port) in [
            ("mysql", host("mysql"), None),
            ("mysql:3306", host("mysql"), Some(3306)),
            ("http://petrosa-data-manager:80", host("petrosa-data-manager"), Some(80)),
            (
                "http://petrosa-tradeengine-service/health?x=1",
                host("petrosa-tradeengine-service"),
                Some(80),
            ),
            ("https://fapi.binance.com", host("fapi.binance.com"), Some(443)),
            ("mysql+pymysql://user:p@ss@mysql/db", host("mysql"), Some(3306)),
            ("nats://nats-server.nats:4222", host("nats-server.nats"), Some(4222)),
            ("10.1.2.3:80", To::Address("10.1.2.3".parse().unwrap()), Some(80)),
            ("[fd00::1]:80", To::Address("fd00::1".parse().unwrap()), Some(80)),
            ("fd00::1", To::Address("fd00::1".parse().unwrap()), None),
            ("pod/a", To::Pod("a".into()), None),
            ("svc/a", To::Service("a".into()), None),
            ("deploy/a", To::Workload { kind: "Deployment".into(), name: "a".into() }, None),
        ] {
            assert_eq!(parse(text), Ok(Parsed { to, port: port.map(PortName::Number) }), "{text}");
        }
        for text in ["", "a b", "mysql:x", "configmap/a", "a/b/c", "http://", "-x", "mysql:99999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn namespaces_that_could_matter() {
        let of = |to: &str| {
            candidates(&parse(to).unwrap().to, "apps", None)
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of("mysql"), "apps");
        assert_eq!(of("nats-server.nats"), "apps nats");
        assert_eq!(of("a.b.svc.cluster.local."), "apps b");
        assert_eq!(of("mysql-0.mysql.db.svc"), "apps db");
        assert_eq!(of("fapi.binance.com"), "apps");
    }
}
