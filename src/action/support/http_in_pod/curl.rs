//! curl: its exit code identifies every failure.

use super::response::{given, missing, split_answer};
use super::{Tried, first_line};
use crate::action::http::Http;
use crate::action::support::kubectl_line;
use crate::cluster::Executed;
use std::time::Duration;

/// The command, which prints the time that the request took after the body, on a line of its own.
pub(super) fn command(http: &Http, url: &str, timeout: Duration) -> Vec<String> {
    let mut words = kubectl_line::curl(http, url, timeout.as_secs_f32());
    // -v: newer versions say only there that a connection was refused
    words.splice(1..1, ["-v", "-w", "\n%{time_total}"].map(str::to_owned));
    words
}

/// An option that this curl does not know, a feature or a protocol that it was built without, no
/// certificate authorities in the image.
const UNFIT: [i32; 4] = [1, 2, 4, 77];
/// A malformed URL, a proxy without a name, output that cannot be written, input that cannot be
/// read, no memory, a wrong call.
const FAILED: [i32; 6] = [3, 5, 23, 26, 27, 43];
/// An error of the target or the connection: unknown name, not connected, unexpected response,
/// HTTP/2, partial response, timeout, TLS, empty response, send or receive error, certificates,
/// encoding, HTTP/2 stream, HTTP/3.
const ANSWERS: [i32; 20] =
    [6, 7, 8, 16, 18, 28, 35, 51, 52, 55, 56, 59, 60, 61, 83, 90, 91, 92, 95, 97];

/// Reads the output of a curl that ended with this exit code.
pub(super) fn read(code: i32, done: &Executed, elapsed: Duration, limit: usize) -> Tried {
    let stdout = &done.stdout[..];
    let cut = done.truncated;
    // the last line is curl's own, unless the limit took it
    let (answer, elapsed) = match stdout.iter().rposition(|byte| *byte == b'\n').filter(|_| !cut) {
        Some(end) => {
            let seconds = std::str::from_utf8(&stdout[end + 1..])
                .ok()
                .and_then(|text| text.trim().replace(',', ".").parse().ok());
            let own = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            (&stdout[..end], own.unwrap_or(elapsed))
        }
        None => (stdout, elapsed),
    };
    let stderr = String::from_utf8_lossy(&done.stderr);
    let said = stderr.lines().find_map(|line| line.strip_prefix("curl: ")).unwrap_or_default();
    match code {
        0 => match split_answer(answer) {
            Some((status, headers, body)) => given(status, headers, body, cut, elapsed, limit),
            None => {
                Tried::Unclear("it ended with exit code 0 but printed no HTTP response".to_owned())
            }
        },
        code if UNFIT.contains(&code) && !said.contains("HTTP/0.9") => {
            Tried::Unfit(format!("curl {said}"))
        }
        code if FAILED.contains(&code) => Tried::Failed(format!("curl {said}")),
        code if ANSWERS.contains(&code) || (code == 1 && said.contains("HTTP/0.9")) => {
            let cause = stderr
                .lines()
                .find_map(|line| line.strip_prefix("* connect to ")?.split_once(" failed: "))
                .map(|(_, cause)| cause);
            match cause.filter(|cause| !said.contains(cause)) {
                Some(cause) => missing(&format!("curl {said} ({cause})"), elapsed),
                None => missing(&format!("curl {said}"), elapsed),
            }
        }
        code => Tried::Unclear(format!("it ended with exit code {code}: {}", first_line(&stderr))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{done, short};
    use super::*;
    use crate::action::support::http_answer::Answer;

    #[test]
    fn reads_curl() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nup\n\nand up\n\n0.002";
        let cases = [
            (0, ok, "", Some((Some(200), false, "up\n\nand up\n"))),
            (
                0,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\n\n0.1",
                "",
                Some((Some(201), false, "")),
            ),
            (
                0,
                "HTTP/1.1 200 Connection established\r\n\r\nHTTP/2 503\r\nA: b\r\n\r\nx\n0.1",
                "",
                Some((Some(503), false, "x")),
            ),
            (0, "HTTP/1.1 204 No Content\r\n\r\n\n0,001", "", Some((Some(204), false, ""))),
            (0, "\n0.1", "", None),
            (2, "", "curl: option --x: is unknown", None),
            (3, "\n0", "curl: (3) URL malformed", None),
            (
                6,
                "\n0.01",
                "curl: (6) Could not resolve host: x",
                Some((None, false, "curl (6) Could not resolve host: x")),
            ),
            (
                7,
                "\n0.01",
                "curl: (7) Failed to connect to x port 1: Connection refused",
                Some((None, true, "curl (7) Failed to connect to x port 1: Connection refused")),
            ),
            (
                7,
                "\n0.01",
                "* connect to ::1 port 9 from ::1 port 4 failed: Connection refused\ncurl: (7) \
                    Failed to connect to x: Couldn't connect to server",
                Some((
                    None,
                    true,
                    "curl (7) Failed to connect to x: Couldn't connect to server (Connection \
                        refused)",
                )),
            ),
            (
                28,
                "\n2.0",
                "curl: (28) Operation timed out",
                Some((None, false, "curl (28) Operation timed out")),
            ),
            (
                1,
                "\n0",
                "curl: (1) Received HTTP/0.9 when not allowed",
                Some((None, false, "curl (1) Received HTTP/0.9 when not allowed")),
            ),
            (1, "\n0", "curl: (1) Protocol \"https\" not supported", None),
            (
                60,
                "\n0",
                "curl: (60) SSL certificate problem: certificate has expired",
                Some((None, false, "curl (60) SSL certificate problem: certificate has expired")),
            ),
            (77, "\n0", "curl: (77) error setting certificate verify locations", None),
            (99, "\n0", "something new", None),
        ];
        for (code, stdout, stderr, wanted) in cases {
            let found = short(read(code, &done(stdout, stderr), Duration::ZERO, 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{code} {stdout} {stderr}"
            );
        }
        let Tried::Answer(Answer::Given { headers, body, truncated, elapsed, .. }) =
            read(0, &done(ok, ""), Duration::ZERO, 2)
        else {
            panic!()
        };
        assert_eq!(
            (headers["content-type"].as_str(), &body[..], truncated, elapsed),
            ("text/plain", &b"up"[..], true, Duration::from_millis(2))
        );
    }
}
