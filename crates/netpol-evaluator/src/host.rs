//! Destinations as clients write them.

use std::net::IpAddr;

use super::Destination;

/// Reads a URL, `host:port`, a host or an address, with the port if one is written or follows from
/// the scheme. None for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<(Destination, Option<u16>)> {
    let (authority, usual) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            // what is before the last @ is a user and a password
            (authority.rsplit_once('@').map_or(authority, |(_, host)| host), usual_port(scheme))
        }
        None => (text, None),
    };
    let (host, port) = host_and_port(authority)?;
    let destination = host
        .parse()
        .map_or_else(|_| Destination::Host(host.to_ascii_lowercase()), Destination::Address);
    Some((destination, port.or(usual)))
}

/// `host`, `host:80`, `10.0.0.1:80`, `[::1]:80`, `::1`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let usable = |host: &str| {
        !host.is_empty()
            && !host.starts_with('-')
            && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c))
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?.parse().ok()?) };
        return usable(host).then_some((host, port));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    usable(host).then_some((host, port))
}

/// The ports that clients use when a URL names none (IANA's service names).
fn usual_port(scheme: &str) -> Option<u16> {
    Some(match scheme.split('+').next().unwrap_or_default() {
        "http" | "ws" => 80,
        "https" | "wss" => 443,
        "mysql" | "mariadb" => 3306,
        "postgres" | "postgresql" => 5432,
        "mongodb" => 27017,
        "redis" => 6379,
        "nats" => 4222,
        "amqp" => 5672,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write() {
        let host = |name: &str| Destination::Host(name.to_owned());
        let address = |text: &str| Destination::Address(text.parse().unwrap());
        for (text, destination, port) in [
            ("mysql", host("mysql"), None),
            ("MySQL:3306", host("mysql"), Some(3306)),
            ("http://api:8080", host("api"), Some(8080)),
            ("http://api/health?x=1", host("api"), Some(80)),
            ("https://api.example.com", host("api.example.com"), Some(443)),
            ("mysql+pymysql://user:p@ss@mysql/db", host("mysql"), Some(3306)),
            ("nats://nats-server.nats:4222", host("nats-server.nats"), Some(4222)),
            ("10.1.2.3:80", address("10.1.2.3"), Some(80)),
            ("[fd00::1]:80", address("fd00::1"), Some(80)),
            ("fd00::1", address("fd00::1"), None),
            ("custom://x", host("x"), None),
        ] {
            assert_eq!(parse(text), Some((destination, port)), "{text}");
        }
        for text in ["", "a b", "mysql:x", "http://", "-x", "mysql:99999", "[::1", "a/b"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
