//! Where a line names a host with a port, as the clients of many languages write it: `db:5432`,
//! `redis/10.96.1.1:6379`, `"db" (10.96.3.3), port 5432`, `host=db port=5432`. The name alone is none:
//! it may be any word of the sentence.

use super::dependency::is_in_namespace;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

/// What stands around a host.
const QUOTES: &[char] = &['"', '\'', '`', ']', '\\'];
/// What stands before one without quotes whose port has no colon: `to db port 80`, `host=db port=80`.
const BEFORE: &[&str] = &["host ", "host=", "host: ", "hostname=", "server=", "to "];
/// What stands before one in quotes that may have no port: `Can't connect to MySQL server on 'db'`.
const ALONE: &[&str] = &["mysql server on '", "mariadb server on '"];

/// What stands between a host and its port.
const PORT: &[&str] = &[
    "and accepting tcp/ip connections on port ",
    "port=",
    "port: ",
    "port ",
    "port:",
    "port\":",
    "port': ",
];

/// A host as others call it.
#[derive(Clone, Copy)]
pub(super) enum Host<'a> {
    /// The name and the namespace of a Service.
    Name(&'a str, &'a str),
    Address(&'a str),
}

/// A place of a line, in lower case, that names a host; and with which port.
#[derive(Clone, Copy)]
pub(super) struct Mention {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) port: Option<u64>,
}

/// The places where a line names this host.
pub(super) fn mentions(line: &str, host: Host<'_>) -> Vec<Mention> {
    let (Host::Name(own, _) | Host::Address(own)) = host;
    if own.is_empty() {
        return Vec::new();
    }
    line.match_indices(own).filter_map(|(at, _)| mention(line, at, host)).collect()
}

fn mention(line: &str, start: usize, host: Host<'_>) -> Option<Mention> {
    let (Host::Name(own, _) | Host::Address(own)) = host;
    let (before, mut rest) = (&line[..start], &line[start + own.len()..]);
    if before.ends_with(is_of_name) {
        return None;
    }
    let mut is_whole = false;
    if let Host::Name(_, namespace) = host
        && rest.starts_with('.')
    {
        // of another namespace, or of no cluster
        if !is_in_namespace(rest, namespace) {
            return None;
        }
        is_whole = true;
        rest = rest.trim_start_matches(|one| is_of_name(one) && one != '_');
    }
    if rest.starts_with(is_of_name) {
        return None;
    }
    let is_address = matches!(host, Host::Address(_));
    let found = port(before, rest, is_address);
    let alone = || is_whole || ALONE.iter().any(|words| before.ends_with(words));
    let (port, rest) = match found {
        Some((port, rest)) => (Some(port), rest),
        None if alone() => (None, rest),
        None => return None,
    };
    Some(Mention { start, end: line.len() - rest.len(), port })
}

pub(super) fn is_of_name(one: char) -> bool {
    one.is_ascii_alphanumeric() || matches!(one, '-' | '.' | '_')
}

/// The port that follows a host, and what follows the port.
fn port<'a>(before: &str, rest: &'a str, is_address: bool) -> Option<(u64, &'a str)> {
    let bare = rest.trim_start_matches(QUOTES);
    let is_quoted = bare.len() < rest.len();
    if let Some(after) = bare.strip_prefix(':').or_else(|| behind_slash(bare)) {
        return number(after);
    }
    let (inside, after) = in_brackets(bare).unwrap_or(("", bare));
    if let Ok(socket) = inside.parse::<SocketAddr>() {
        return Some((socket.port().into(), after));
    }
    let is_resolved = inside.parse::<IpAddr>().is_ok();
    if !inside.is_empty() && !is_resolved {
        return None;
    }
    let sign = after.trim_start_matches([',', ';', ' ', '\'', '"']);
    let is_host = is_quoted || is_resolved || is_address;
    if let Some(after) = PORT.iter().find_map(|word| sign.strip_prefix(word)) {
        let is_meant = is_host || BEFORE.iter().any(|word| before.ends_with(word));
        return number(after.trim_start_matches(['\'', '"'])).filter(|_| is_meant);
    }
    // `('10.96.3.3', 5432)` of Python, `db [10.96.3.3] 5432 (postgresql)` of netcat
    let is_pair = is_quoted && after.starts_with(", ") || is_resolved && after.starts_with(' ');
    number(sign).filter(|_| is_pair)
}

/// What follows the address that Java has resolved, or has not: `redis/10.96.1.1:6379`.
fn behind_slash(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix('/')?;
    let after = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1,
        None => rest.strip_prefix("<unresolved>").unwrap_or_else(|| {
            rest.trim_start_matches(|one: char| one.is_ascii_digit() || one == '.')
        }),
    };
    after.strip_prefix(':')
}

/// What stands in brackets at the start, and what follows them.
fn in_brackets(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).or_else(|| {
        let rest = rest.strip_prefix('[')?;
        rest.split_once(']')
    })
}

fn number(rest: &str) -> Option<(u64, &str)> {
    let after = rest.trim_start_matches(|one: char| one.is_ascii_digit());
    rest[..rest.len() - after.len()].parse().ok().map(|port| (port, after))
}

/// The IPv4 addresses of a line that have a port, but for that of a DNS server.
pub(super) fn addresses(line: &str) -> Vec<Mention> {
    let is_part = |one: char| one.is_ascii_digit() || matches!(one, '.' | ':');
    let mut found = Vec::new();
    let mut start = 0;
    for part in line.split(|one| !is_part(one)) {
        let bare = part.trim_end_matches([':', '.']);
        if let Ok(socket) = bare.parse::<SocketAddrV4>()
            && socket.port() != 53
        {
            let port = Some(u64::from(socket.port()));
            found.push(Mention { start, end: start + bare.len(), port });
        }
        let separator = line[start + part.len()..].chars().next().map_or(0, char::len_utf8);
        start += part.len() + separator;
    }
    found
}
