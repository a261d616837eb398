//! What can go wrong with a request, in classes that decide what happens next.

use serde_json::Value;
use std::time::Duration;

/// The class of an [`Error`]; it decides retries, exit codes and hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no kubeconfig at all, and this is not a pod of a cluster.
    NoKubeconfig,
    /// The kubeconfig cannot be used: unreadable, no such context, a credential plugin failed.
    Kubeconfig,
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// The TLS handshake failed: nothing was sent.
    Tls,
    /// 401: missing or expired credentials.
    Unauthorized,
    /// 403: RBAC, or admission, quota, PodSecurity, a namespace that is being deleted; the message
    /// says which.
    Forbidden,
    /// 404 for an object.
    NotFound,
    /// 409: a stale resourceVersion, a field owned by someone else, or a name that exists.
    Conflict,
    /// 410: a watch cursor or a continue token is too old.
    Gone,
    /// 400, 413, 422: the request itself is wrong and was not executed.
    Invalid,
    /// 429: not executed; wait and send it again (an eviction: a disruption budget).
    Throttled,
    /// No answer in time, here or at the server: whether a change happened is not known.
    Timeout,
    /// Nothing listens on the asked port of the pod or host.
    ConnectionRefused,
    /// 500, 502, 503: the server or something behind it failed.
    Server,
    /// The connection broke after the request was sent.
    Protocol,
    /// There was an answer, and not one that a Kubernetes API server gives to this request: whether
    /// a change happened is not known.
    Malformed,
    /// The server does not have this: an unknown kind, verb, or content type.
    Unsupported,
}

/// A failed request, in one sentence for an operator.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The class of the failure.
    pub kind: ErrorKind,
    /// What happened, where, why (the deepest cause) and what to do next.
    pub message: String,
    /// The `Status` object of the API server, when it sent one.
    pub status: Option<Value>,
    /// How long the server asked to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// An error of this class with this text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), status: None, retry_after: None }
    }

    /// Whether the same read may succeed when sent again. Says nothing about changes: see
    /// [`Error::not_executed`].
    pub fn retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Unreachable
            | ErrorKind::Throttled
            | ErrorKind::Timeout
            | ErrorKind::Server
            | ErrorKind::Protocol
            | ErrorKind::Gone => true,
            ErrorKind::NoKubeconfig
            | ErrorKind::Kubeconfig
            | ErrorKind::Tls
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Invalid
            | ErrorKind::ConnectionRefused
            | ErrorKind::Malformed
            | ErrorKind::Unsupported => false,
        }
    }

    /// Whether it is certain that the request had no effect. When it is not, a change is in doubt
    /// and the object has to be read before anything is decided.
    pub fn not_executed(&self) -> bool {
        match self.kind {
            ErrorKind::Timeout | ErrorKind::Server | ErrorKind::Protocol | ErrorKind::Malformed => {
                false
            }
            ErrorKind::NoKubeconfig
            | ErrorKind::Kubeconfig
            | ErrorKind::Unreachable
            | ErrorKind::Tls
            | ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Gone
            | ErrorKind::Invalid
            | ErrorKind::Throttled
            | ErrorKind::ConnectionRefused
            | ErrorKind::Unsupported => true,
        }
    }

    /// Whether every other request would fail the same way: the cluster was not reached or does not
    /// know us.
    pub fn is_cluster_down(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::NoKubeconfig
                | ErrorKind::Kubeconfig
                | ErrorKind::Unreachable
                | ErrorKind::Tls
                | ErrorKind::Unauthorized
        )
    }
}
