//! HTTP from inside a pod with what its image has: curl, wget or python3.

use super::http_answer::{Answer, Patience, in_doubt};
use super::kubectl_line::curl;
use super::tool::is_absent;
use crate::action::http::{Http, Method};
use crate::action::{Context, Failure, FailureKind};
use crate::cluster::{Executed, Exit};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How much longer than the request its command may take: the program has to start.
const START: Duration = Duration::from_secs(5);
/// Room for headers beside the body.
const HEAD: usize = 64 * 1024;

/// The programs, the most exact one first. curl tells every failure by its exit code; wget hides
/// the body of an error.
const CLIENTS: [Client; 3] = [Client::Curl, Client::Wget, Client::Python];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Curl,
    Wget,
    Python,
}

/// What came of one program.
#[derive(Debug, PartialEq, Eq)]
enum Tried {
    /// The target answered, or did not.
    Answer(Answer),
    /// The program cannot do this, and has not sent anything; what it said.
    Unfit(String),
    /// The request was not made.
    Failed(String),
    /// It ended in a way that says nothing of the target: the request may have been sent.
    Unclear(String),
}

/// Sends the request from a pod, from the first of its containers that has a program for it: they
/// share its network. `first` remembers, for the other pods of the same call, which program did it.
///
/// # Errors
/// When no program of the image can do it, or the command could not be run.
pub(in crate::action) async fn ask(
    context: &Context,
    http: &Http,
    url: &str,
    (namespace, pod, containers): (&str, &str, &[String]),
    first: &AtomicUsize,
    limit: usize,
) -> Result<Answer, Failure> {
    let cluster = context.cluster()?;
    let start = first.load(Ordering::Relaxed);
    let mut said: Vec<String> = Vec::new();
    let places = containers.iter().flat_map(|container| {
        (start..CLIENTS.len()).chain(0..start).map(move |index| (container, index))
    });
    for (container, index) in places {
        let client = CLIENTS[index];
        let patience = Patience::new(context, http.timeout.0);
        let command = client.command(http, url, patience.time, limit);
        let stdin = http.body_text().filter(|_| client != Client::Wget).map(String::into_bytes);
        let started = Instant::now();
        let allowed = (patience.time + START).min(context.remaining());
        let done = cluster
            .exec(namespace, pod, Some(container), &command, stdin, allowed, limit + HEAD)
            .await?;
        let elapsed = started.elapsed();
        match done.exit {
            Exit::Code(126 | 127) => said.push(format!("{} is not in the image", client.program())),
            Exit::Code(code) => match client.read(http.method, code, &done, elapsed, limit) {
                Tried::Answer(Answer::Missing { refused: false, .. })
                    if patience.of_step && elapsed >= patience.time =>
                {
                    return Err(Failure::error(format!(
                        "the request to {url} from pod {pod} timed out"
                    )));
                }
                Tried::Answer(answer) => {
                    first.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Tried::Unfit(why) => said.push(format!("{}: {why}", client.program())),
                Tried::Unclear(why) if http.method.only_reads() => {
                    said.push(format!("{}: {why}", client.program()));
                }
                Tried::Unclear(why) => {
                    return Err(in_doubt(
                        http.method,
                        &format!("{} in pod {pod}: {why}", client.program()),
                    ));
                }
                Tried::Failed(why) => {
                    return Err(Failure::error(format!(
                        "{} in pod {pod} could not request {url}: {why}",
                        client.program()
                    )));
                }
            },
            Exit::NotStarted(text) if is_absent(&text) => {
                said.push(format!("{} is not in the image", client.program()));
            }
            Exit::NotStarted(text) => {
                return Err(Failure::error(format!(
                    "{} did not start in pod {pod}: {text}",
                    client.program()
                )));
            }
            Exit::Unknown(text) => {
                let message =
                    format!("the result of {} in pod {pod} is unknown: {text}", client.program());
                return Err(if http.method.only_reads() {
                    Failure::new(FailureKind::Transient, message)
                } else {
                    in_doubt(http.method, &message)
                });
            }
            Exit::TimedOut => {
                let message =
                    format!("{} in pod {pod} timed out and may still be running", client.program());
                return Err(Failure::error(message));
            }
        }
    }
    Err(Failure::error(format!(
        "the image of pod {pod} has no suitable HTTP client: {}",
        said.join("; ")
    )))
}

impl Client {
    fn program(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Wget => "wget",
            Self::Python => "python3",
        }
    }

    fn command(self, http: &Http, url: &str, timeout: Duration, limit: usize) -> Vec<String> {
        match self {
            Self::Curl => {
                let mut words = curl(http, url, timeout.as_secs_f32());
                // -w: after the body, on a line of its own; -v: newer versions say only there that a connection was refused
                words.splice(1..1, ["-v", "-w", "\n%{time_total}"].map(str::to_owned));
                words
            }
            Self::Wget => wget(http, url, timeout),
            Self::Python => {
                let request = json!({
                    "method": http.method.text(), "url": url, "headers": http.all_headers(),
                    "body": http.body.is_some(),
                    "timeout": timeout.as_secs_f32(), "limit": limit.saturating_add(1),
                });
                ["python3", "-c", PYTHON, &request.to_string()].map(str::to_owned).to_vec()
            }
        }
    }

    fn read(
        self,
        method: Method,
        code: i32,
        done: &Executed,
        elapsed: Duration,
        limit: usize,
    ) -> Tried {
        match self {
            Self::Curl => read_curl(code, done, elapsed, limit),
            Self::Wget => read_wget(method, code, done, elapsed, limit),
            Self::Python => read_python(code, done, limit),
        }
    }
}

/// wget of GNU and of busybox: only what both know.
fn wget(http: &Http, url: &str, timeout: Duration) -> Vec<String> {
    let seconds = timeout.as_secs_f64().ceil().max(1.0);
    let mut words: Vec<String> = ["wget", "-S", "-O", "-", "-t", "1", "-T", &seconds.to_string()]
        .map(str::to_owned)
        .to_vec();
    for (name, value) in http.all_headers() {
        words.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    let body = http.body_text();
    match http.method {
        Method::Get => {}
        Method::Head => words.push("--spider".to_owned()),
        Method::Post => words.push(format!("--post-data={}", body.unwrap_or_default())),
        Method::Put | Method::Patch | Method::Delete => {
            // busybox refuses these as unknown options
            words.push(format!("--method={}", http.method.text()));
            words.extend(body.map(|body| format!("--body-data={body}")));
        }
    }
    words.push(url.to_owned());
    words
}

/// Its failures are one line of JSON; its answer is one line of JSON and then the body.
const PYTHON: &str = r#"import sys,json,time,http.client as h,urllib.parse as p
q=json.loads(sys.argv[1]);t=time.time()
def say(**k):
 k["elapsed"]=time.time()-t;print(json.dumps(k),flush=True)
try:
 u=p.urlsplit(q["url"])
 c=(h.HTTPSConnection if u.scheme=="https" else h.HTTPConnection)(u.hostname,u.port,timeout=q["timeout"])
 c.request(q["method"],(u.path or "/")+("?"+u.query if u.query else ""),sys.stdin.buffer.read() if q["body"] else None,q["headers"])
 r=c.getresponse();b=r.read(q["limit"])
 say(status=r.status,headers=r.getheaders());sys.stdout.buffer.write(b)
except (OSError,h.HTTPException) as e:
 say(reason=type(e).__name__+": "+str(e),refused=isinstance(e,ConnectionRefusedError))
"#;

fn given(
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

fn missing(reason: &str, elapsed: Duration) -> Tried {
    let refused = reason.to_ascii_lowercase().contains("refused");
    Tried::Answer(Answer::Missing { refused, reason: reason.to_owned(), elapsed })
}

fn read_curl(code: i32, done: &Executed, elapsed: Duration, limit: usize) -> Tried {
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
        code if CURL_UNFIT.contains(&code) && !said.contains("HTTP/0.9") => {
            Tried::Unfit(format!("curl {said}"))
        }
        code if CURL_FAILED.contains(&code) => Tried::Failed(format!("curl {said}")),
        code if CURL_ANSWERS.contains(&code) || (code == 1 && said.contains("HTTP/0.9")) => {
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

/// An option that this curl does not know, a feature or a protocol that it was built without, no
/// certificate authorities in the image.
const CURL_UNFIT: [i32; 4] = [1, 2, 4, 77];
/// A malformed URL, a proxy without a name, output that cannot be written, input that cannot be
/// read, no memory, a wrong call.
const CURL_FAILED: [i32; 6] = [3, 5, 23, 26, 27, 43];
/// What the target or the way to it did: no such name, not connected, weird answer, HTTP/2, broke
/// off, too late, TLS, nothing, sent or received no more, certificates, encoding, HTTP/2 stream,
/// HTTP/3.
const CURL_ANSWERS: [i32; 20] =
    [6, 7, 8, 16, 18, 28, 35, 51, 52, 55, 56, 59, 60, 61, 83, 90, 91, 92, 95, 97];

/// The first line that says anything; what `curl -v` and wget tell of their progress does not.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines.clone().find(|line| !line.starts_with(['*', '<', '>', '{', '}']));
    said.or_else(|| lines.next()).unwrap_or("it printed nothing").chars().take(200).collect()
}

/// Status, headers and body of the last answer in a text that starts with its head; interim answers
/// and those of proxies come before it.
fn split_answer(text: &[u8]) -> Option<(u16, BTreeMap<String, String>, &[u8])> {
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

fn status_of(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

fn headers_of<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
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

/// Both kinds of wget print the head of the answer to standard error, indented, and follow
/// redirects.
fn read_wget(method: Method, code: i32, done: &Executed, elapsed: Duration, limit: usize) -> Tried {
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
        let body = if method == Method::Head { &[][..] } else { &done.stdout[..] };
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

/// The line in which wget says what the target or the way to it did; none if it says nothing of
/// them.
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

fn read_python(code: i32, done: &Executed, limit: usize) -> Tried {
    let (head, body) = match done.stdout.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&done.stdout[..end], &done.stdout[end + 1..]),
        None => (&done.stdout[..], &[][..]),
    };
    let Ok(said) = serde_json::from_slice::<Value>(head) else {
        let stderr = String::from_utf8_lossy(&done.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Tried::Unclear(format!("it ended with exit code {code}: {last}"));
    };
    let elapsed = Duration::try_from_secs_f64(said["elapsed"].as_f64().unwrap_or_default())
        .unwrap_or_default();
    match said["status"].as_u64().and_then(|status| u16::try_from(status).ok()) {
        Some(status) => {
            let pairs = said["headers"].as_array().into_iter().flatten();
            let lines: Vec<String> = pairs
                .map(|pair| {
                    format!(
                        "{}: {}",
                        pair[0].as_str().unwrap_or_default(),
                        pair[1].as_str().unwrap_or_default()
                    )
                })
                .collect();
            given(
                status,
                headers_of(lines.iter().map(String::as_str)),
                body,
                done.truncated,
                elapsed,
                limit,
            )
        }
        None => Tried::Answer(Answer::Missing {
            refused: said["refused"] == true,
            reason: said["reason"].as_str().unwrap_or("python3 gave no reason").to_owned(),
            elapsed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(stdout: &str, stderr: &str) -> Executed {
        Executed {
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            exit: Exit::Code(0),
        }
    }

    /// Status and body, or refused and reason; None when the program cannot be used or failed.
    fn short(tried: Tried) -> Option<(Option<u16>, bool, String)> {
        match tried {
            Tried::Answer(Answer::Given { status, body, .. }) => {
                Some((Some(status), false, String::from_utf8_lossy(&body).into_owned()))
            }
            Tried::Answer(Answer::Missing { refused, reason, .. }) => Some((None, refused, reason)),
            Tried::Unfit(_) | Tried::Failed(_) | Tried::Unclear(_) => None,
        }
    }

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
            let found = short(read_curl(code, &done(stdout, stderr), Duration::ZERO, 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{code} {stdout} {stderr}"
            );
        }
        let Tried::Answer(Answer::Given { headers, body, truncated, elapsed, .. }) =
            read_curl(0, &done(ok, ""), Duration::ZERO, 2)
        else {
            panic!()
        };
        assert_eq!(
            (headers["content-type"].as_str(), &body[..], truncated, elapsed),
            ("text/plain", &b"up"[..], true, Duration::from_millis(2))
        );
    }

    #[test]
    fn reads_wget() {
        let gnu = "--2024-- http://x/\nConnecting to x... connected.\nHTTP request sent, awaiting \
            response... \n  HTTP/1.1 200 OK\n  Content-Length: 2\nLength: 2 [text/plain]\n";
        let refused = "wget: can't connect to remote host (10.0.0.1): Connection refused";
        let cases = [
            (Method::Get, 0, "up", gnu, Some((Some(200), false, "up"))),
            (
                Method::Get,
                0,
                "up",
                "Connecting to x (10.0.0.1:80)\n  HTTP/1.0 200 OK\n  A: b\n  \nwriting to \
                    stdout\n-  100%",
                Some((Some(200), false, "up")),
            ),
            (
                Method::Get,
                8,
                "",
                "  HTTP/1.1 404 Not Found\n  A: b\n2024 ERROR 404: Not Found.",
                Some((Some(404), false, "")),
            ),
            (
                Method::Get,
                1,
                "",
                "wget: server returned error: HTTP/1.1 503 Service Unavailable",
                Some((Some(503), false, "")),
            ),
            (Method::Get, 1, "", refused, Some((None, true, refused))),
            (
                Method::Get,
                1,
                "",
                "wget: download timed out",
                Some((None, false, "wget: download timed out")),
            ),
            (
                Method::Get,
                4,
                "",
                "Resolving x... failed: Name or service not known.\nwget: unable to resolve host \
                    address ‘x’",
                Some((None, false, "Resolving x... failed: Name or service not known.")),
            ),
            (Method::Put, 1, "", "wget: unrecognized option '--method=PUT'\nBusyBox", None),
            (Method::Get, 0, "up", "", None),
            (Method::Get, 1, "", "wget: not an http or ftp url: https://x/", None),
            (Method::Get, 1, "", "wget: applet not found", None),
            (
                Method::Get,
                1,
                "",
                "wget: note: TLS certificate validation not implemented\nwget: error getting \
                    response: Connection reset by peer",
                Some((None, false, "wget: error getting response: Connection reset by peer")),
            ),
        ];
        for (method, code, stdout, stderr, wanted) in cases {
            let found = short(read_wget(method, code, &done(stdout, stderr), Duration::ZERO, 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{code} {stderr}"
            );
        }
    }

    #[test]
    fn reads_python() {
        let cases = [
            (
                "{\"status\": 200, \"headers\": [[\"A\", \"b\"]], \"elapsed\": 0.1}\nup\nup",
                Some((Some(200), false, "up\nup")),
            ),
            (
                "{\"reason\": \"ConnectionRefusedError: no\", \"refused\": true, \"elapsed\": \
                    0.1}\n",
                Some((None, true, "ConnectionRefusedError: no")),
            ),
            ("Traceback", None),
        ];
        for (stdout, wanted) in cases {
            let found = short(read_python(0, &done(stdout, ""), 1000));
            assert_eq!(
                found,
                wanted.map(|(status, refused, text)| (status, refused, text.to_owned())),
                "{stdout}"
            );
        }
    }

    /// Which of the three a program's end is, where there is no answer.
    #[test]
    fn what_may_have_been_sent_is_not_tried_again_with_another_program() {
        let kind = |tried| match tried {
            Tried::Unfit(_) => "unfit",
            Tried::Failed(_) => "failed",
            Tried::Unclear(_) => "unclear",
            Tried::Answer(_) => "answer",
        };
        for (code, wanted) in [
            (2, "unfit"),
            (4, "unfit"),
            (77, "unfit"),
            (3, "failed"),
            (26, "failed"),
            (99, "unclear"),
            (137, "unclear"),
            (7, "answer"),
            (52, "answer"),
        ] {
            assert_eq!(
                kind(read_curl(code, &done("\n0", "curl: (x) y"), Duration::ZERO, 10)),
                wanted,
                "{code}"
            );
        }
        assert_eq!(
            kind(read_wget(Method::Get, 1, &done("", "Killed"), Duration::ZERO, 10)),
            "unclear"
        );
        assert_eq!(
            read_curl(99, &done("", "* Trying\nsomething new\n"), Duration::ZERO, 10),
            Tried::Unclear("it ended with exit code 99: something new".to_owned())
        );
    }

    #[test]
    fn programs_that_are_not_there() {
        assert!(is_absent(r#"exec: "curl": executable file not found in $PATH: unknown"#));
        assert!(!is_absent("container not found"));
    }
}
