//! What a server says of those that it serves: it is about them, and not about itself.

use super::level::Level;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];
/// How many words behind a request its status stands.
const NEAR: usize = 5;
/// Fields of an object of JSON with the status of a request.
const STATUS: &[&str] = &["status", "statusCode", "status_code", "code", "response_code", "resp"];
const METHOD: &[&str] = &["method", "request_method", "verb"];

/// Words of who comes and is turned away.
const TURNED_AWAY: &[&str] = &[
    "login",
    "logon",
    "log in",
    "sign in",
    "password",
    "authentication fail",
    "credential",
    "invalid user",
    "invalid token",
    "unauthorized request",
    "unauthorized access",
    "bad request",
    "invalid request",
    "malformed request",
    "banned",
];
/// Words in front of the address of a peer that has come by itself.
const FROM: &[&str] = &[
    "from",
    "ip",
    "client",
    "client_ip",
    "clientip",
    "remote",
    "remote_addr",
    "remote_ip",
    "peer",
    "rhost",
    "src",
];

/// The status of the request that a line of an access log is about.
pub(super) fn access(line: &str, object: Option<&Value>, level: Option<Level>) -> Option<u16> {
    if !matches!(level, None | Some(Level::Low)) {
        return None;
    }
    let Some(object) = object else { return of_text(line) };
    let any = |keys: &[&str]| keys.iter().map(|key| &object[*key]).find(|value| !value.is_null());
    let says_wrong = ["error", "err", "exception"].iter().any(|key| !object[*key].is_null());
    any(METHOD).filter(|method| method.is_string() && !says_wrong)?;
    let status = any(STATUS)?;
    let number = status.as_u64().or_else(|| status.as_str()?.parse().ok());
    number.and_then(|number| u16::try_from(number).ok())
}

/// `10.0.0.9 - - [...] "GET /ready HTTP/1.1" 503 157`, `GET /ready 503 1.2 ms`, `[GIN] … | 503 |`, and
/// of Rails `Completed 503 Service Unavailable in 3ms`.
fn of_text(line: &str) -> Option<u16> {
    let status = |words: &str| {
        words.split([' ', '"', '|']).filter(|word| !word.is_empty()).take(NEAR).find_map(code)
    };
    if line.starts_with("[GIN]") {
        return status(line.split_once('|')?.1);
    }
    if let Some(rest) = line.strip_prefix("Completed ") {
        return code(rest.split(' ').next()?);
    }
    if let Some(status) = of_fields(line) {
        return Some(status);
    }
    let request = METHODS.iter().find_map(|method| {
        let (before, rest) = line.split_once(&format!("{method} "))?;
        let is_word = !before.ends_with(|one: char| one.is_alphanumeric());
        is_word.then_some((before, rest.trim_start_matches('"')))
    });
    let (before, rest) = request.filter(|(_, rest)| rest.starts_with(['/', '*', 'h']))?;
    match rest.split_once(" HTTP/") {
        Some((_, version)) => status(version.split_once('"')?.1),
        // what has the name of a host is asked, and not served
        None if before.is_empty() && rest.starts_with('/') => code(rest.split_whitespace().nth(1)?),
        None => None,
    }
}

/// `method=GET path=/ready status=503`, and of the API machinery `verb="GET" URI="/readyz" resp=500`.
fn of_fields(line: &str) -> Option<u16> {
    let fields = || line.split_whitespace().filter_map(|word| word.split_once('='));
    let bare = |value: &str| value.trim_matches('"').to_owned();
    let mut methods = fields().filter(|(key, _)| METHOD.contains(key));
    methods.find(|(_, value)| METHODS.contains(&bare(value).as_str()))?;
    fields().filter(|(key, _)| STATUS.contains(key)).find_map(|(_, value)| code(&bare(value)))
}

fn code(word: &str) -> Option<u16> {
    let number = word.parse().ok().filter(|_| word.len() == 3)?;
    (100..600).contains(&number).then_some(number)
}

/// Whether a line of nginx is about a request for another path than these: what it did not find for
/// somebody. If what is behind it does not answer, that is for all.
pub(super) fn is_of_other_request(line: &str, paths: &[&str]) -> bool {
    let request = line.split_once("client: ").and_then(|(_, rest)| rest.split_once("request: \""));
    let target = request.and_then(|(_, request)| request.split(' ').nth(1));
    let path = target.and_then(|target| target.split('?').next());
    path.is_some_and(|path| !paths.contains(&path)) && !line.contains("upstream")
}

/// Whether a line is about a peer that a server turns away: `Failed login for eve from 1.2.3.4`.
pub(super) fn is_of_peer(line: &str) -> bool {
    let lower = line.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let hangs_up = has("handshake error") && (has(": eof") || has("connection reset"));
    if !hangs_up && !TURNED_AWAY.iter().any(|words| has(words)) {
        return false;
    }
    let parts = lower.split(|one: char| one.is_whitespace() || "\"'()[]{},;=<>".contains(one));
    let words: Vec<&str> = parts
        .map(|word| word.trim_end_matches([':', '.']))
        .filter(|word| word.contains(char::is_alphanumeric))
        .collect();
    let is_address =
        |word: &str| word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok();
    words.windows(2).any(|two| FROM.contains(&two[0]) && is_address(two[1]))
}
