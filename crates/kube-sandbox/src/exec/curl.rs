//! curl 7.88: the options that operators use.

use std::sync::Arc;
use std::time::Duration;

use super::arguments::{Arguments, Specification};
use super::target::{Dialled, Url, dial};
use super::{Outcome, Session};
use crate::app::{Request, Response, respond};
use netpol_evaluator::Protocol;

const OPTIONS: Specification = Specification {
    flags: &[
        ('s', "silent"),
        ('S', "show-error"),
        ('f', "fail"),
        ('i', "include"),
        ('v', "verbose"),
        ('I', "head"),
        ('k', "insecure"),
        ('L', "location"),
        ('4', "ipv4"),
        ('g', "globoff"),
    ],
    valued: &[
        ('X', "request"),
        ('H', "header"),
        ('d', "data"),
        ('o', "output"),
        ('w', "write-out"),
        ('m', "max-time"),
        ('\0', "connect-timeout"),
        ('\0', "data-raw"),
        ('\0', "data-binary"),
        ('A', "user-agent"),
    ],
};

const PROGRESS: &str = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  \
    Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n\r  \
    0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";

/// An error of curl: its exit code and text, and how long it was waited for.
struct Failure {
    code: u8,
    message: String,
    waited: Option<Duration>,
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), waited: None }
    }

    /// Nothing happened until a limit was reached.
    fn after(self, limits: &Limits) -> Self {
        Self { waited: Some(limits.connecting.unwrap_or(super::TIMEOUT_TAKES)), ..self }
    }
}

pub(crate) fn run(session: &Session, words: &[&str]) -> Outcome {
    let arguments = match Arguments::parse(&OPTIONS, words) {
        Ok(arguments) => arguments,
        Err(option) => {
            return Outcome::failed(
                4,
                format!("curl: (4) the sandbox does not simulate the option {option}\n"),
            );
        }
    };
    let [text] = arguments.operands.as_slice() else {
        let why = if arguments.operands.is_empty() {
            "curl: try 'curl --help' or 'curl --manual' for more information\n"
        } else {
            "curl: (4) the sandbox takes one URL at a time\n"
        };
        return Outcome::failed(if arguments.operands.is_empty() { 2 } else { 4 }, why);
    };
    let mut outcome = Outcome::default();
    // without -s and with the body on a pipe curl shows its progress
    let silent = arguments.has("silent");
    if !silent {
        outcome.stderr.extend_from_slice(PROGRESS.as_bytes());
    }
    let (mut status, mut size) = (0, 0);
    match exchange(session, &arguments, text, &mut outcome) {
        Ok(response) => {
            status = response.status;
            let failed = arguments.has("fail") && status >= 400;
            if !failed {
                let mut written = Vec::new();
                if arguments.has("include") || arguments.has("head") {
                    written.extend_from_slice(head(session, &response).as_bytes());
                }
                if !arguments.has("head") {
                    size = response.body.len();
                    written.extend_from_slice(&response.body);
                }
                match arguments.value("output") {
                    None | Some("-") => outcome.stdout = written,
                    Some(_) => {}
                }
            } else {
                let message = format!("The requested URL returned error: {status}");
                fail(&mut outcome, &arguments, Failure::new(22, message));
            }
        }
        Err(failure) => fail(&mut outcome, &arguments, failure),
    }
    if let Some(format) = arguments.value("write-out") {
        outcome.stdout.extend_from_slice(write_out(format, status, size, outcome.code).as_bytes());
    }
    outcome
}

fn fail(outcome: &mut Outcome, arguments: &Arguments, failure: Failure) {
    outcome.code = failure.code;
    if let Some(waited) = failure.waited {
        outcome.took = waited.min(super::TIMEOUT_TAKES);
    }
    if !arguments.has("silent") {
        outcome.stderr.push(b'\n');
    }
    if !arguments.has("silent") || arguments.has("show-error") {
        outcome.stderr.extend_from_slice(
            format!("curl: ({}) {}\n", failure.code, failure.message).as_bytes(),
        );
    }
}

/// How long curl waits.
struct Limits {
    /// `--max-time`, for the whole exchange.
    whole: Option<Duration>,
    /// The shorter of `--max-time` and `--connect-timeout`.
    connecting: Option<Duration>,
}

impl Limits {
    fn of(arguments: &Arguments) -> Self {
        let whole = arguments.seconds("max-time");
        let connecting = [whole, arguments.seconds("connect-timeout")].into_iter().flatten().min();
        Self { whole, connecting }
    }
}

/// Sends the request; `outcome` gets what `--verbose` prints meanwhile.
fn exchange(
    session: &Session,
    arguments: &Arguments,
    text: &str,
    outcome: &mut Outcome,
) -> Result<Arc<Response>, Failure> {
    let mut say = |lines: String| {
        if arguments.has("verbose") {
            outcome.stderr.extend_from_slice(lines.as_bytes());
        }
    };
    let url = url(text)?;
    let Url { host, port, .. } = &url;
    let dialled = dial(session, host, *port, Protocol::Tcp);
    let Dialled::Pod { address, pod, port: listening } = dialled else {
        return Err(not_connected(&dialled, &url, &Limits::of(arguments)));
    };
    say(format!(
        "*   Trying {address}:{port}...\n* Connected to {host} ({address}) port {port} (#0)\n"
    ));
    if url.scheme == "https" {
        return Err(Failure::new(
            35,
            "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number",
        ));
    }
    let request = request(arguments, &url);
    say(request_head(&request, &url));
    match respond(&session.snapshot, pod, listening, &request, &session.watch, 0) {
        Some(response) => {
            say(head(session, &response).lines().map(|line| format!("< {line}\r\n")).collect());
            Ok(response)
        }
        None if speaks_first(session, pod, listening) => {
            Err(Failure::new(1, "Received HTTP/0.9 when not allowed"))
        }
        None => Err(Failure::new(52, "Empty reply from server")),
    }
}

/// A URL that curl takes.
fn url(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text)
        .ok_or_else(|| Failure::new(3, "URL using bad/illegal format or missing URL"))?;
    if url.scheme == "http" || url.scheme == "https" {
        return Ok(url);
    }
    let message = format!("Protocol \"{}\" not supported or disabled in libcurl", url.scheme);
    Err(Failure::new(1, message))
}

/// Why there is no connection to a pod.
fn not_connected(dialled: &Dialled, url: &Url, limits: &Limits) -> Failure {
    let Url { scheme, host, port, .. } = url;
    match dialled {
        Dialled::ApiServer { .. } if scheme == "https" => {
            Failure::new(60, "SSL certificate problem: unable to get local issuer certificate")
        }
        Dialled::Pod { .. } | Dialled::ApiServer { .. } => {
            Failure::new(4, "the sandbox does not simulate the API server as seen from pods")
        }
        Dialled::Refused { .. } => Failure::new(
            7,
            format!(
                "Failed to connect to {host} port {port} after 1 ms: Couldn't connect to server"
            ),
        ),
        Dialled::TimedOut { .. } => connection_timed_out(url, limits),
        Dialled::NoSuchHost => Failure::new(6, format!("Could not resolve host: {host}")),
        Dialled::NoAnswer => resolving_timed_out(host, limits),
    }
}

fn connection_timed_out(url: &Url, limits: &Limits) -> Failure {
    let Url { host, port, .. } = url;
    let message = match limits.connecting {
        Some(limit) if limit == limits.whole.unwrap_or_default() => {
            format!("Connection timed out after {} milliseconds", limit.as_millis())
        }
        Some(limit) => format!(
            "Failed to connect to {host} port {port} after {} ms: Timeout was reached",
            limit.as_millis()
        ),
        None => format!(
            "Failed to connect to {host} port {port} after 134321 ms: Couldn't connect to server"
        ),
    };
    Failure::new(28, message).after(limits)
}

/// The resolver gives up by itself after 20 seconds.
fn resolving_timed_out(host: &str, limits: &Limits) -> Failure {
    match limits.connecting.filter(|limit| limit.as_secs() < 20) {
        Some(limit) => Failure::new(
            28,
            format!("Resolving timed out after {} milliseconds", limit.as_millis()),
        ),
        None => Failure::new(6, format!("Could not resolve host: {host}")),
    }
    .after(limits)
}

fn request(arguments: &Arguments, url: &Url) -> Request {
    let data =
        ["data", "data-raw", "data-binary"].into_iter().find_map(|name| arguments.value(name));
    let usual = match data {
        _ if arguments.has("head") => "HEAD",
        Some(_) => "POST",
        None => "GET",
    };
    Request {
        method: arguments.value("request").unwrap_or(usual).to_owned(),
        target: url.target.clone(),
        body: data.unwrap_or_default().as_bytes().to_vec(),
    }
}

/// The head of the request as `--verbose` prints it.
fn request_head(request: &Request, url: &Url) -> String {
    let Url { host, port, .. } = url;
    let shown = if *port == 80 { host.clone() } else { format!("{host}:{port}") };
    format!(
        "> {} {} HTTP/1.1\r\n> Host: {shown}\r\n> User-Agent: curl/7.88.1\r\n> Accept: */*\r\n\
            > \r\n",
        request.method, url.target
    )
}

/// Says whether the process greets whoever connects.
fn speaks_first(session: &Session, pod: usize, port: u16) -> bool {
    let snapshot = &session.snapshot;
    let app = snapshot
        .listener(pod, port, Protocol::Tcp)
        .and_then(|container| snapshot.pods[pod].containers[container].app)
        .map(|app| snapshot.apps.app(app));
    app.is_some_and(|app| {
        !app.users.is_empty()
            || app.ports.iter().any(|entry| entry.port == port && entry.greeting.is_some())
    })
}

fn head(session: &Session, response: &Response) -> String {
    let reason = http::StatusCode::from_u16(response.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let date = session.watch.read().strftime("%a, %d %b %Y %H:%M:%S GMT");
    format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: {}\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n",
        response.status,
        response.content_type,
        response.body.len()
    )
}

fn write_out(format: &str, status: u16, size: usize, code: u8) -> String {
    let mut text = format.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r");
    for (variable, value) in [
        ("http_code", format!("{status:03}")),
        ("response_code", format!("{status:03}")),
        ("size_download", size.to_string()),
        ("exitcode", code.to_string()),
        ("time_total", "0.002000".to_owned()),
        ("time_connect", "0.001000".to_owned()),
        ("num_redirects", "0".to_owned()),
    ] {
        text = text.replace(&format!("%{{{variable}}}"), &value);
    }
    text
}
