//! Parses the output of a program into a response of the target.

use super::Tried;
use crate::action::support::http_answer::Answer;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// A response with this status.
pub(super) fn given(
    status: u16,
    headers: BTreeMap<String, String>,
    body: &[u8],
    cut: bool,
    elapsed: Duration,
    limit: usize,
) -> Tried {
    let kept = &body[..body.len().min(limit)];
    Tried::Answer(Answer::Given {
        status,
        headers,
        body: Bytes::copy_from_slice(kept),
        truncated: cut || kept.len() < body.len(),
        elapsed,
    })
}

/// No response, for this reason.
pub(super) fn missing(reason: &str, elapsed: Duration) -> Tried {
    let refused = reason.to_ascii_lowercase().contains("refused");
    Tried::Answer(Answer::Missing { refused, reason: reason.to_owned(), elapsed })
}

/// Status, headers and body of the last answer in a text that starts with its head; interim answers
/// and those of proxies come before it.
pub(super) fn split_answer(text: &[u8]) -> Option<(u16, BTreeMap<String, String>, &[u8])> {
    let (end, gap) = head_end(text)?;
    let (head, body) = (&text[..end], &text[end + gap..]);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let first = lines.next()?;
    let status = status_of(first)?;
    let interim = status < 200 || first.to_ascii_lowercase().ends_with("connection established");
    if interim && body.starts_with(b"HTTP/") {
        return split_answer(body);
    }
    Some((status, headers_of(lines), body))
}

/// Where a head ends and how long the empty line is.
fn head_end(text: &[u8]) -> Option<(usize, usize)> {
    let crlf = text.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, 4));
    let lf = text.windows(2).position(|window| window == b"\n\n").map(|at| (at, 2));
    match (crlf, lf) {
        (Some(crlf), Some(lf)) => Some(crlf.min(lf)),
        (one, other) => one.or(other),
    }
}

/// The status in a status line.
pub(super) fn status_of(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

/// The headers in the lines of a head.
pub(super) fn headers_of<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let all = headers.entry(name.trim().to_ascii_lowercase()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(value.trim());
    }
    headers
}
