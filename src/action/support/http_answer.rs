//! The result of one HTTP request: a response, no response, or a failure to send it.

use super::fan_out::{as_json, is_answer, item};
use crate::action::http::{Http, HttpMethod, Via};
use crate::action::{Context, Failure};
use crate::cluster::{Error, ErrorKind, HttpAnswer};
use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the target did with a request. Not being able to ask is a [`Failure`] instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Answer {
    /// It answered.
    Given {
        /// HTTP status code.
        status: u16,
        /// Headers by lower-case name.
        headers: BTreeMap<String, String>,
        /// Body, up to the limit.
        body: Bytes,
        /// Whether the limit cut the body.
        truncated: bool,
        /// Until the last byte.
        elapsed: Duration,
    },
    /// It refused the connection, did not answer in time, or broke off.
    Missing {
        /// Whether the connection was refused.
        refused: bool,
        /// What happened.
        reason: String,
        /// Until then.
        elapsed: Duration,
    },
}

impl From<HttpAnswer> for Answer {
    fn from(answer: HttpAnswer) -> Self {
        let HttpAnswer { status, headers, body, truncated, elapsed } = answer;
        Self::Given { status, headers, body, truncated, elapsed }
    }
}

impl Answer {
    /// The fields of an output item.
    pub(in crate::action) fn item(&self) -> Map<String, Value> {
        match self {
            Self::Given { status, headers, body, truncated, elapsed } => {
                let body = String::from_utf8_lossy(body);
                item([
                    ("status", json!(status)),
                    ("headers", json!(headers)),
                    ("json", if *truncated { Value::Null } else { as_json(&body) }),
                    ("body", json!(body)),
                    ("truncated", json!(truncated)),
                    ("elapsed_ms", milliseconds(*elapsed)),
                    ("refused", json!(false)),
                    ("reason", Value::Null),
                ])
            }
            Self::Missing { refused, reason, elapsed } => item([
                ("status", Value::Null),
                ("headers", json!({})),
                ("json", Value::Null),
                ("body", Value::Null),
                ("truncated", json!(false)),
                ("elapsed_ms", milliseconds(*elapsed)),
                ("refused", json!(refused)),
                ("reason", json!(reason)),
            ]),
        }
    }
}

fn milliseconds(elapsed: Duration) -> Value {
    json!(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// How long a target is waited for: its own time, unless the step ends before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) struct Patience {
    /// The time.
    pub(in crate::action) time: Duration,
    /// Whether it is the step that ends: silence then says nothing about the target.
    pub(in crate::action) of_step: bool,
}

impl Patience {
    /// The patience of an action with this timeout.
    pub(in crate::action) fn new(context: &Context, timeout: Duration) -> Self {
        let left = context.remaining();
        Self { time: timeout.min(left), of_step: left < timeout }
    }
}

/// Distinguishes an error of the target, which is a result, from one of the connection to it.
///
/// # Errors
/// When the target could not be asked.
pub(in crate::action) fn judge(
    result: Result<HttpAnswer, Error>,
    method: HttpMethod,
    via: Via,
    patience: Patience,
    elapsed: Duration,
) -> Result<Answer, Failure> {
    let error = match result {
        Ok(answer) => return Ok(answer.into()),
        Err(error) => error,
    };
    // with a Status it is the API server that ran out of time
    let silent = error.kind == ErrorKind::Timeout && error.status.is_none();
    if silent && patience.of_step {
        return Err(Failure::error(format!("timed out before there was a response: {error}")));
    }
    let about_target = match via {
        _ if is_answer(error.kind) => silent || error.kind == ErrorKind::ConnectionRefused,
        // nothing is in between that could have broken or could present another certificate
        Via::Direct => matches!(error.kind, ErrorKind::Tls | ErrorKind::Protocol),
        Via::Proxy if error.message.contains("no endpoints available") => {
            return Err(Failure::error(error.message));
        }
        Via::Proxy => is_unreached(&error.message),
        Via::Forward | Via::Pod => false,
    };
    if !about_target {
        return Err(if method.only_reads() || error.not_executed() {
            error.into()
        } else {
            in_doubt(method, &error.to_string())
        });
    }
    Ok(Answer::Missing {
        refused: error.kind == ErrorKind::ConnectionRefused,
        reason: error.message,
        elapsed,
    })
}

/// The failure of a request that may have changed something, which must not be retried.
pub(in crate::action) fn in_doubt(method: HttpMethod, why: &str) -> Failure {
    Failure::error(format!("it is unknown whether the {} took effect: {why}", method.text()))
}

/// What the API server's proxy reports when the target, and not the connection to it, is at fault.
fn is_unreached(message: &str) -> bool {
    let causes = ["i/o timeout", "EOF", "connection reset", "no route to host"];
    message.contains("error trying to reach service")
        && causes.iter().any(|cause| message.contains(cause))
}

impl HttpMethod {
    /// The method as it is sent.
    pub(in crate::action) fn text(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it changes nothing.
    pub fn only_reads(self) -> bool {
        match self {
            Self::Get | Self::Head => true,
            Self::Post | Self::Put | Self::Patch | Self::Delete => false,
        }
    }

    /// The verb of RBAC that the API server's proxy asks for.
    pub(in crate::action) fn rbac(self) -> &'static str {
        match self {
            Self::Get | Self::Head => "get",
            Self::Post => "create",
            Self::Put => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl Http {
    /// The body as it is sent: a string as it is, anything else as JSON.
    pub(in crate::action) fn body_text(&self) -> Option<String> {
        self.body.as_ref().map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned))
    }

    /// The headers, with the content type of a JSON body.
    pub(in crate::action) fn all_headers(&self) -> IndexMap<String, String> {
        let mut headers = self.headers.clone();
        let is_json = self.body.as_ref().is_some_and(|body| !body.is_string());
        if is_json && !headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
            headers.insert("Content-Type".to_owned(), "application/json".to_owned());
        }
        headers
    }

    /// Whether the URL may be asked from this machine: its host is declared, as `HOST` for every
    /// port or as `HOST:PORT`.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn allowed(&self, hosts: &[String]) -> Result<(), String> {
        self.url.as_ref().map_or(Ok(()), |url| is_declared(url, hosts))
    }

    /// The request for a path or a whole URL.
    ///
    /// # Errors
    /// The part that no HTTP request can have.
    pub(in crate::action) fn request(&self, uri: &str) -> Result<http::Request<Bytes>, String> {
        let mut request = http::Request::builder().method(self.method.text()).uri(uri);
        for (name, value) in self.all_headers() {
            request = request.header(name, value);
        }
        request.body(Bytes::from(self.body_text().unwrap_or_default())).map_err(|error| {
            format!("{} {uri} is not a valid HTTP request: {error}", self.method.text())
        })
    }
}

/// Whether the host of a URL is declared, as `HOST` for every port or as `HOST:PORT`.
///
/// # Errors
/// Why not, for a person.
pub fn is_declared(url: &str, hosts: &[String]) -> Result<(), String> {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return Ok(());
    };
    let bare = |host: &str| {
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .trim_end_matches('.')
            .to_ascii_lowercase()
    };
    let host = bare(uri.host().unwrap_or_default());
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let covers = |declared: &String| {
        let (name, wanted) = match declared.rsplit_once(':') {
            // an IPv6 address without brackets has colons, and no port
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
                (name, digits.parse::<u16>().ok())
            }
            _ => (declared.as_str(), Some(port)),
        };
        bare(name) == host && wanted == Some(port)
    };
    if hosts.iter().any(covers) {
        return Ok(());
    }
    let declared = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
    Err(format!("{host}:{port} is not in the `hosts` of the runbook ({declared})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::FailureKind;

    #[test]
    fn only_declared_hosts_are_asked_from_this_machine() {
        let cases = [
            ("http://a.example/x", "a.example", true),
            ("http://A.example./x", "a.example", true),
            ("http://a.example:8080/", "a.example", true),
            ("http://a.example:8080/", "a.example:8080", true),
            ("http://a.example:8081/", "a.example:8080", false),
            ("https://a.example/", "a.example:443", true),
            ("http://a.example/", "a.example:443", false),
            ("http://b.a.example/", "a.example", false),
            ("http://a.example.evil/", "a.example", false),
            ("http://a.example@evil/", "a.example", false),
            ("http://[::1]:80/", "::1", true),
            ("http://[::1]:80/", "[::1]:80", true),
            ("http://[::1]:81/", "[::1]:80", false),
            ("http://a.example/", "*", false),
        ];
        for (url, declared, wanted) in cases {
            let http: Http = serde_json::from_value(json!({"url": url, "via": "direct"})).unwrap();
            assert_eq!(http.allowed(&[declared.to_owned()]).is_ok(), wanted, "{url} {declared}");
            assert!(http.allowed(&[]).is_err(), "{url}");
        }
    }

    #[test]
    fn tells_the_target_from_the_way_to_it() {
        let own = Patience { time: Duration::from_secs(5), of_step: false };
        let steps = Patience { of_step: true, ..own };
        let unreached = "the server failed to proxy: error trying to reach service: dial tcp: i/o \
            timeout (HTTP 503)";
        // None: it could not be asked; otherwise whether the connection was refused
        let cases = [
            (ErrorKind::ConnectionRefused, "", Via::Forward, own, Some(true)),
            (ErrorKind::ConnectionRefused, "", Via::Proxy, own, Some(true)),
            (ErrorKind::Timeout, "", Via::Forward, own, Some(false)),
            (ErrorKind::Timeout, "", Via::Forward, steps, None),
            (ErrorKind::Forbidden, "", Via::Forward, own, None),
            (ErrorKind::Unreachable, "", Via::Forward, own, None),
            (ErrorKind::Protocol, "", Via::Forward, own, None),
            (ErrorKind::Protocol, "", Via::Direct, own, Some(false)),
            (ErrorKind::Tls, "", Via::Direct, own, Some(false)),
            (ErrorKind::Tls, "", Via::Proxy, own, None),
            (ErrorKind::Unreachable, "", Via::Direct, own, None),
            (ErrorKind::Server, unreached, Via::Proxy, own, Some(false)),
            (ErrorKind::Server, "no agent available", Via::Proxy, own, None),
        ];
        for (kind, message, via, patience, wanted) in cases {
            let judged = judge(
                Err(Error::new(kind, message)),
                HttpMethod::Get,
                via,
                patience,
                Duration::ZERO,
            );
            let found =
                judged.ok().map(|answer| matches!(answer, Answer::Missing { refused: true, .. }));
            assert_eq!(found, wanted, "{kind:?} {message} {via:?} {patience:?}");
        }
        let mut error = Error::new(ErrorKind::Timeout, "the API server timed out");
        error.status = Some(json!({"kind": "Status"}));
        for (method, kind) in
            [(HttpMethod::Get, FailureKind::Transient), (HttpMethod::Post, FailureKind::Error)]
        {
            assert_eq!(
                judge(Err(error.clone()), method, Via::Proxy, own, Duration::ZERO)
                    .unwrap_err()
                    .kind,
                kind
            );
        }
        let unsent = Error::new(ErrorKind::Unreachable, "no route");
        assert_eq!(
            judge(Err(unsent), HttpMethod::Post, Via::Forward, own, Duration::ZERO)
                .unwrap_err()
                .kind,
            FailureKind::Transient
        );
    }
}
