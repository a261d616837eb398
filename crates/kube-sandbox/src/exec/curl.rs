//! curl 7.88, as far as operators use it.

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
                fail(
                    &mut outcome,
                    &arguments,
                    Failure {
                        code: 22,
                        message: format!("The requested URL returned error: {status}"),
                        waited: None,
                    },
                );
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

fn exchange(
    session: &Session,
    arguments: &Arguments,
    text: &str,
    outcome: &mut Outcome,
) -> Result<Response, Failure> {
    let failure = |code, message: String| Failure { code, message, waited: None };
    let url = Url::parse(text)
        .ok_or_else(|| failure(3, "URL using bad/illegal format or missing URL".to_owned()))?;
    let Url { scheme, host, port, target } = &url;
    if scheme != "http" && scheme != "https" {
        return Err(failure(
            1,
            format!("Protocol \"{scheme}\" not supported or disabled in libcurl"),
        ));
    }
    let (whole, connecting) = (arguments.seconds("max-time"), arguments.seconds("connect-timeout"));
    let limit = [whole, connecting].into_iter().flatten().min();
    let (_, pod, listening) = match dial(session, host, *port, Protocol::Tcp) {
        Dialled::Pod { address, pod, port: listening } => {
            if arguments.has("verbose") {
                outcome.stderr.extend_from_slice(
                    format!(
                        "*   Trying {address}:{port}...\n* \
                    Connected to {host} ({address}) port {port} (#0)\n"
                    )
                    .as_bytes(),
                );
            }
            (address, pod, listening)
        }
        Dialled::ApiServer { .. } if scheme == "https" => {
            return Err(failure(
                60,
                "SSL certificate problem: unable to get local issuer certificate".to_owned(),
            ));
        }
        Dialled::ApiServer { .. } => {
            return Err(failure(
                4,
                "the sandbox does not simulate the API server as seen from pods".to_owned(),
            ));
        }
        Dialled::Refused { .. } => {
            return Err(failure(
                7,
                format!(
                    "Failed to connect to {host} port {port} after 1 ms: Couldn't connect to server"
                ),
            ));
        }
        Dialled::TimedOut { .. } => {
            let message = match limit {
                Some(limit) if limit == whole.unwrap_or_default() => {
                    format!("Connection timed out after {} milliseconds", limit.as_millis())
                }
                Some(limit) => format!(
                    "Failed to connect to {host} port {port} after {} ms: Timeout was reached",
                    limit.as_millis()
                ),
                None => format!(
                    "Failed to connect to {host} port {port} after 134321 ms: Couldn't connect to \
                        server"
                ),
            };
            return Err(Failure {
                code: 28,
                message,
                waited: Some(limit.unwrap_or(super::TIMEOUT_TAKES)),
            });
        }
        Dialled::NoSuchHost => return Err(failure(6, format!("Could not resolve host: {host}"))),
        Dialled::NoAnswer => {
            let (code, message) = match limit.filter(|limit| limit.as_secs() < 20) {
                Some(limit) => {
                    (28, format!("Resolving timed out after {} milliseconds", limit.as_millis()))
                }
                None => (6, format!("Could not resolve host: {host}")),
            };
            return Err(Failure {
                code,
                message,
                waited: Some(limit.unwrap_or(super::TIMEOUT_TAKES)),
            });
        }
    };
    if scheme == "https" {
        return Err(failure(
            35,
            "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number".to_owned(),
        ));
    }
    let data = ["data", "data-raw", "data-binary"].into_iter().any(|name| arguments.has(name));
    let method = if arguments.has("head") {
        "HEAD"
    } else if data {
        "POST"
    } else {
        "GET"
    };
    let method = arguments.value("request").unwrap_or(method).to_owned();
    let body = ["data", "data-raw", "data-binary"]
        .into_iter()
        .find_map(|name| arguments.value(name))
        .unwrap_or_default();
    let request = Request { method, target: target.clone(), body: body.as_bytes().to_vec() };
    if arguments.has("verbose") {
        let shown = if *port == 80 { host.clone() } else { format!("{host}:{port}") };
        outcome.stderr.extend_from_slice(
            format!(
                "> {} {target} HTTP/1.1\r\n> Host: {shown}\r\n> User-Agent: curl/7.88.1\r\n> \
                Accept: */*\r\n> \r\n",
                request.method
            )
            .as_bytes(),
        );
    }
    match respond(&session.snapshot, pod, listening, &request, session.at, 0) {
        Some(response) => {
            if arguments.has("verbose") {
                let head: String =
                    head(session, &response).lines().map(|line| format!("< {line}\r\n")).collect();
                outcome.stderr.extend_from_slice(head.as_bytes());
            }
            Ok(response)
        }
        None if speaks_first(session, pod, listening) => {
            Err(failure(1, "Received HTTP/0.9 when not allowed".to_owned()))
        }
        None => Err(failure(52, "Empty reply from server".to_owned())),
    }
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
    let date = session.at.strftime("%a, %d %b %Y %H:%M:%S GMT");
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
