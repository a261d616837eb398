//! wget of GNU and BusyBox: neither prints the body of an error response.

use super::response::{given, headers_of, missing, status_of};
use super::{Tried, first_line};
use crate::action::http::{Http, HttpMethod};
use crate::cluster::Executed;
use std::collections::BTreeMap;
use std::time::Duration;

/// The command: only options that both know.
pub(super) fn command(http: &Http, url: &str, timeout: Duration) -> Vec<String> {
    let seconds = timeout.as_secs_f64().ceil().max(1.0);
    let mut words: Vec<String> = ["wget", "-S", "-O", "-", "-t", "1", "-T", &seconds.to_string()]
        .map(str::to_owned)
        .to_vec();
    for (name, value) in http.all_headers() {
        words.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    let body = http.body_text();
    match http.method {
        HttpMethod::Get => {}
        HttpMethod::Head => words.push("--spider".to_owned()),
        HttpMethod::Post => words.push(format!("--post-data={}", body.unwrap_or_default())),
        HttpMethod::Put | HttpMethod::Patch | HttpMethod::Delete => {
            // busybox refuses these as unknown options
            words.push(format!("--method={}", http.method.text()));
            words.extend(body.map(|body| format!("--body-data={body}")));
        }
    }
    words.push(url.to_owned());
    words
}

/// Both kinds of wget print the head of the answer to standard error, indented, and follow
/// redirects.
pub(super) fn read(
    method: HttpMethod,
    code: i32,
    done: &Executed,
    elapsed: Duration,
    limit: usize,
) -> Tried {
    let stderr = String::from_utf8_lossy(&done.stderr);
    let lines: Vec<&str> = stderr.lines().map(str::trim).collect();
    if lines.iter().any(|line| {
        ["unrecognized option", "invalid option", "not an http or ftp url"]
            .iter()
            .any(|sign| line.contains(sign))
    }) {
        return Tried::Unfit(first_line(&stderr));
    }
    if let Some((at, status)) =
        lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, status_of(line)?)))
    {
        let is_header = |line: &&&str| {
            line.split_once(':').is_some_and(|(name, _)| !name.contains(' ') && !name.is_empty())
        };
        let headers = headers_of(lines[at + 1..].iter().take_while(is_header).copied());
        let body = if method == HttpMethod::Head { &[][..] } else { &done.stdout[..] };
        // of an error only the status is known; of an answer that broke off not even all of the
        // body
        return match last_word(&lines) {
            _ if code == 0 || status >= 400 => {
                given(status, headers, body, done.truncated || code != 0, elapsed, limit)
            }
            Some(reason) => missing(reason, elapsed),
            // the answer had begun
            None => missing(
                lines.iter().rev().find(|line| !line.is_empty()).unwrap_or(
                    &"the response is \
                    incomplete",
                ),
                elapsed,
            ),
        };
    }
    // busybox says the status of an error in a sentence of its own
    let said =
        lines.iter().find_map(|line| status_of(line.split_once("server returned error: ")?.1));
    match said {
        Some(status) => given(status, BTreeMap::new(), &[], true, elapsed, limit),
        None => match last_word(&lines).filter(|_| code != 0) {
            Some(reason) => missing(reason, elapsed),
            None => Tried::Unclear(format!(
                "it ended with exit code {code} and printed no HTTP response: {}",
                first_line(&stderr)
            )),
        },
    }
}

/// The line in which wget reports an error of the target or the connection; none if there is no
/// such line.
fn last_word<'a>(lines: &[&'a str]) -> Option<&'a str> {
    const TELLING: [&str; 14] = [
        "refused",
        "timed out",
        "bad address",
        "unable to resolve",
        "failed:",
        "no route to host",
        "unreachable",
        "connection reset",
        "connection closed",
        "error getting response",
        "bad header",
        "no data received",
        "handshake",
        "certificate",
    ];
    let telling = |line: &&&str| {
        let line = line.to_ascii_lowercase();
        !line.contains("note: tls certificate validation not implemented")
            && TELLING.iter().any(|sign| line.contains(sign))
    };
    lines.iter().find(telling).copied()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{done, short};
    use super::*;

    #[test]
    fn reads_wget() {
        let gnu = "--2024-- http://x/\nConnecting to x... connected.\nHTTP request sent, awaiting \
            response... \n  HTTP/1.1 200 OK\n  Content-Length: 2\nLength: 2 [text/plain]\n";
        let refused = "wget: can't connect to remote host (10.0.0.1): Connection refused";
        let cases = [
            (HttpMethod::Get, 0, "up", gnu, Some((Some(200), false, "up"))),
            (
                HttpMethod::Get,
                0,
                "up",
                "Connecting to x (10.0.0.1:80)\n  HTTP/1.0 200 OK\n  A: b\n  \nwriting to \
                    stdout\n-  100%",
                Some((Some(200), false, "up")),
            ),
            (
                HttpMethod::Get,
                8,
                "",
                "  HTTP/1.1 404 Not Found\n  A: b\n2024 ERROR 404: Not Found.",
                Some((Some(404), false, "")),
            ),
            (
                HttpMethod::Get,
                1,
                "",
                "wget: server returned error: HTTP/1.1 503 Service Unavailable",
                Some((Some(503), false, "")),
            ),
            (HttpMethod::Get, 1, "", refused, Some((None, true, refused))),
            (
                HttpMethod::Get,
                1,
                "",
                "wget: download timed out",
                Some((None, false, "wget: download timed out")),
            ),
            (
                HttpMethod::Get,
                4,
                "",
                "Resolving x... failed: Name or service not known.\nwget: unable to resolve host \
                    address ‘x’",
                Some((None, false, "Resolving x... failed: Name or service not known.")),
            ),
            (HttpMethod::Put, 1, "", "wget: unrecognized option '--method=PUT'\nBusyBox", None),
            (HttpMethod::Get, 0, "up", "", None),
            (HttpMethod::Get, 1, "", "wget: not an http or ftp url: https://x/", None),
            (HttpMethod::Get, 1, "", "wget: applet not found", None),
            (
                HttpMethod::Get,
                1,
                "",
                "wget: note: TLS certificate validation not implemented\nwget: error getting \
                    response: Connection reset by peer",
                Some((None, false, "wget: error getting response: Connection reset by peer")),
            ),
        ];
        for (method, code, stdout, stderr, wanted) in cases {
            let found = short(read(method, code, &done(stdout, stderr), Duration::ZERO, 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{code} {stderr}"
            );
        }
    }
}
