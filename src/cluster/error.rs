//! The errors between this process and a cluster, in classes that decide what happens next.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

pub(super) use crate::api::{Error, ErrorKind};

use super::config::{Intermediaries, without_credentials};
use super::plugin;

/// What a request was for, so that its error can say so: "list pods in namespace shop".
#[derive(Debug, Clone)]
pub(super) struct Doing {
    pub(super) verb: &'static str,
    pub(super) what: String,
    pub(super) server: String,
    pub(super) context: Option<String>,
    pub(super) intermediaries: Arc<Intermediaries>,
}

impl Doing {
    fn deed(&self) -> String {
        format!("{} {}", self.verb, self.what)
    }

    fn context_hint(&self) -> String {
        match &self.context {
            Some(context) => format!("context {context:?}"),
            None => "the in-cluster service account".to_owned(),
        }
    }

    /// The error of a client that is to be sent but gets no response head in time.
    pub(super) fn timed_out(&self, after: Duration) -> Error {
        Error::new(
            ErrorKind::Timeout,
            format!(
                "{} did not respond within {} s to the request to {}; check the VPN and the load \
                    of the API server",
                self.server,
                (after.as_secs_f64() * 10.0).round() / 10.0,
                self.deed()
            ),
        )
    }

    /// The connection broke while the answer was read.
    pub(super) fn broken(&self, cause: &(dyn StdError + 'static)) -> Error {
        Error::new(
            ErrorKind::Protocol,
            format!(
                "the connection to {} broke during the request to {}: {}",
                self.server,
                self.deed(),
                deepest(cause)
            ),
        )
    }

    /// The answer is not what a Kubernetes API server sends.
    pub(super) fn not_understood(&self, why: &str) -> Error {
        Error::new(
            ErrorKind::Malformed,
            format!(
                "{} did not respond like a Kubernetes API server to the request to {}: {why}; \
                    check the server address of {}",
                self.server,
                self.deed(),
                self.context_hint()
            ),
        )
    }

    /// The request could not be sent, or no response head came.
    pub(super) fn not_sent(&self, error: kube::Error) -> Error {
        let (server, deed) = (&self.server, self.deed());
        if let kube::Error::Auth(auth) = &error {
            return credentials(auth, &self.context_hint(), &self.intermediaries);
        }
        if let Some(auth) = find::<kube::client::AuthError>(&error) {
            return credentials(auth, &self.context_hint(), &self.intermediaries);
        }
        let cause = deepest(&error);
        let connect = find::<hyper_util::client::legacy::Error>(&error)
            .is_some_and(|error| error.is_connect());
        // TLS can also break later, when the request is with the server; but an alert is its
        // refusal of us, which in TLS 1.3 comes after the handshake
        let refused =
            |tls: &&rustls::Error| connect || matches!(tls, rustls::Error::AlertReceived(_));
        if let Some(tls) = find::<rustls::Error>(&error).filter(refused) {
            // rustls adds both times in seconds since 1970, which tells nobody anything
            let cause = cause.split(": verification time").next().unwrap_or_default();
            return Error::new(
                ErrorKind::Tls,
                format!(
                    "no trusted connection to {server} to {deed}: {cause}; {}",
                    tls_hint(tls, &self.context_hint())
                ),
            );
        }
        if let (true, Some(proxy)) = (connect, &self.intermediaries.proxy) {
            return Error::new(
                ErrorKind::Unreachable,
                format!(
                    "could not reach {server} through the proxy {proxy} to {deed}: {cause}; check \
                        that the proxy is correct, is running, and allows the connection"
                ),
            );
        }
        if connect {
            return Error::new(
                ErrorKind::Unreachable,
                format!(
                    "could not reach {server} to {deed}: {cause}; check that {} is correct, that \
                        the VPN is up and that the API server is running",
                    self.context_hint()
                ),
            );
        }
        self.broken(&error)
    }

    /// The API server answered with an error status; `body` is the start of what it said.
    pub(super) fn refused(&self, code: u16, retry_after: Option<Duration>, body: &[u8]) -> Error {
        let status =
            serde_json::from_slice::<Value>(body).ok().filter(|value| value["kind"] == "Status");
        let text = match &status {
            Some(status) => status["message"].as_str().unwrap_or_default().to_owned(),
            None => one_line(&String::from_utf8_lossy(body), 300),
        };
        let text = if text.is_empty() { format!("HTTP {code} without a reason") } else { text };
        let reason =
            status.as_ref().and_then(|status| status["reason"].as_str()).unwrap_or_default();
        let kind = classify(code, reason, status.as_ref());
        let (server, deed) = (&self.server, self.deed());
        let message = match kind {
            ErrorKind::Unauthorized => format!(
                "{server} rejected the credentials of {} to {deed}: {text}; log in again, since \
                    the token or certificate may have expired",
                self.context_hint()
            ),
            ErrorKind::Forbidden => match missing_permission(&text) {
                Some(permission) => format!("not allowed: {permission}; needed to {deed}"),
                None => format!("{server} refused to {deed}: {text}"),
            },
            ErrorKind::NotFound => format!("cannot {deed}: {text}"),
            ErrorKind::Unsupported => format!("{server} cannot {deed}: {text} (HTTP {code})"),
            ErrorKind::Throttled => format!("{server} is throttling the request to {deed}: {text}"),
            ErrorKind::Timeout => format!("{server} timed out on the request to {deed}: {text}"),
            ErrorKind::Gone => format!("the list position is too old to {deed}: {text}"),
            _ => format!("{server} failed to {deed}: {text} (HTTP {code})"),
        };
        Error { kind, message, status, retry_after }
    }
}

/// By `Status.reason`, then by the HTTP code.
fn classify(code: u16, reason: &str, status: Option<&Value>) -> ErrorKind {
    match (reason, code) {
        ("Unauthorized", _) | (_, 401) => ErrorKind::Unauthorized,
        ("Forbidden", _) | (_, 403) => ErrorKind::Forbidden,
        ("NotFound", _) | (_, 404) => {
            // A missing API also answers 404, but names no object.
            let named = status.is_some_and(|status| {
                status["details"]["name"].as_str().is_some_and(|name| !name.is_empty())
            });
            if named { ErrorKind::NotFound } else { ErrorKind::Unsupported }
        }
        ("Conflict" | "AlreadyExists", _) | (_, 409) => ErrorKind::Conflict,
        ("Expired" | "Gone", _) | (_, 410) => ErrorKind::Gone,
        // 408 is what a proxy in between says that waited for too long, for either side
        ("Timeout", _) | (_, 408 | 504) => ErrorKind::Timeout,
        ("TooManyRequests", _) | (_, 429) => ErrorKind::Throttled,
        (_, 405 | 406 | 415) => ErrorKind::Unsupported,
        (_, 400..=499) => ErrorKind::Invalid,
        _ => ErrorKind::Server,
    }
}

fn credentials(
    error: &kube::client::AuthError,
    context: &str,
    intermediaries: &Intermediaries,
) -> Error {
    Error::new(
        ErrorKind::Kubeconfig,
        format!(
            "no credentials for {context}: {}",
            plugin::why(error, intermediaries.plugin.as_ref())
        ),
    )
}

/// The same for errors while the client is built.
pub(super) fn unusable_config(
    error: &kube::Error,
    context: &str,
    intermediaries: &Intermediaries,
) -> Error {
    if let Some(auth) = find::<kube::client::AuthError>(error) {
        return credentials(auth, context, intermediaries);
    }
    let why = match error {
        // it quotes the password
        kube::Error::ProxyProtocolUnsupported { proxy_url } => {
            format!("its proxy {} is neither http nor socks5", without_credentials(proxy_url))
        }
        other => deepest(other),
    };
    Error::new(ErrorKind::Kubeconfig, format!("{context} cannot be used: {why}"))
}

fn tls_hint(error: &rustls::Error, context: &str) -> String {
    use rustls::{CertificateError, Error as Tls};
    let certificate = match error {
        Tls::InvalidCertificate(certificate) => certificate,
        Tls::AlertReceived(_) => {
            return format!(
                "the server rejected the client certificate of {context}: it may have expired"
            );
        }
        _ => {
            return format!(
                "check that {context} uses a TLS port and that there is no proxy in between"
            );
        }
    };
    match certificate {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate of the server has expired: renew it, or correct the clock of this \
                machine"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet: correct the clock of this machine".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate is for another name: check the server address and \
                tls-server-name of {context}"
            )
        }
        _ => format!(
            "the certificate is not signed by the certificate authority of {context}: it \
            may be another cluster, or a proxy in between"
        ),
    }
}

/// The first error of this type in the chain of causes, through the wrappings of `io::Error`, which
/// hide it.
pub(super) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        current = below(error);
    }
    None
}

/// The text of the deepest cause: "connection refused" instead of "service error".
pub(super) fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut current = error;
    while let Some(next) = below(current) {
        current = next;
    }
    if let Some(io) = current.downcast_ref::<std::io::Error>() {
        // "Connection refused (os error 111)" reads better without the number.
        let text = io.to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut letters = text.chars();
        return match letters.next() {
            Some(first) => first.to_lowercase().chain(letters).collect(),
            None => format!("{:?}", io.kind()),
        };
    }
    one_line(&current.to_string(), 500)
}

fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(io) = error.downcast_ref::<std::io::Error>()
        && let Some(inner) = io.get_ref()
    {
        return Some(inner);
    }
    error.source()
}

/// The text on one line, at most this many characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match joined.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &joined[..end]),
        None => joined,
    }
}
/// What RBAC says in its own long sentence (`… User "a" cannot get resource "b" in API group "" in
/// the namespace "c"`), in few words. None for any other refusal: admission, quota, a namespace
/// that is going away.
fn missing_permission(text: &str) -> Option<String> {
    let quoted = |after: &str| text.split_once(after).and_then(|(_, rest)| rest.split('"').next());
    let user = quoted("User \"")?;
    let (_, rest) = text.split_once("\" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let resource = rest.split('"').next()?;
    let place = match quoted("in the namespace \"") {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => " at the cluster scope".to_owned(),
    };
    Some(format!("{user} may not {verb} {resource}{place}"))
}
