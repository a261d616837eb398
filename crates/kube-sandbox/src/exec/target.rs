//! The destinations of clients in containers.

use std::net::IpAddr;

use super::Session;
use crate::snapshot::{Reach, Resolution};
use netpol_evaluator::Protocol;

/// A URL as far as clients take it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: String,
}

impl Url {
    /// Reads a URL; without a scheme it is http, as curl and wget take it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let path = path.split('#').next().unwrap_or_default();
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let port = port.unwrap_or(if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 });
        (!host.is_empty()).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            port,
            target,
        })
    }
}

/// What came of a connection by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// A process in a pod.
    Pod {
        address: IpAddr,
        pod: usize,
        port: u16,
    },
    /// The API server.
    ApiServer {
        address: IpAddr,
    },
    Refused {
        address: IpAddr,
    },
    TimedOut {
        address: IpAddr,
    },
    NoSuchHost,
    /// Names are not resolved at all.
    NoAnswer,
}

pub(crate) fn dial(session: &Session, host: &str, port: u16, protocol: Protocol) -> Dialled {
    let addresses = match session.snapshot.resolve(session.pod, host) {
        Resolution::Addresses(addresses) => addresses,
        Resolution::NoSuchHost => return Dialled::NoSuchHost,
        Resolution::NoAnswer => return Dialled::NoAnswer,
    };
    let Some(address) = addresses.first().copied() else {
        return Dialled::NoSuchHost;
    };
    match session.snapshot.reach(session.pod, address, port, protocol) {
        Reach::Pod { pod, port } => Dialled::Pod { address, pod, port },
        Reach::ApiServer => Dialled::ApiServer { address },
        Reach::Refused => Dialled::Refused { address },
        Reach::TimedOut => Dialled::TimedOut { address },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, expected) in [
            ("http://a:8080/x?y=1", Some(("http", "a", 8080, "/x?y=1"))),
            ("a", Some(("http", "a", 80, "/"))),
            ("https://a", Some(("https", "a", 443, "/"))),
            ("localhost:8080/health", Some(("http", "localhost", 8080, "/health"))),
            ("http://u:p@a/x#f", Some(("http", "a", 80, "/x"))),
            ("http://", None),
            ("http://a:x/", None),
        ] {
            let url = Url::parse(text);
            let parts = url
                .as_ref()
                .map(|url| (url.scheme.as_str(), url.host.as_str(), url.port, url.target.as_str()));
            assert_eq!(parts, expected, "{text}");
        }
    }
}
