//! HTTP to a port of a pod, by a port-forward inside this process: no local port is opened.

use std::time::Duration;
use tokio::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use kube::api::{Api, Portforwarder};
use tokio::io::{AsyncReadExt, DuplexStream};

use super::client::{Cluster, upgrade_error};
use super::error::{Error, ErrorKind, one_line};
use super::http::{HttpAnswer, broken, no_answer, read_answer};
use crate::api::resource::check_name;

/// How long the reason of a broken forward is waited for: it comes on its own channel, a moment
/// before or after.
const REASON: Duration = Duration::from_millis(500);

/// A forward says when a connection fails but not when it is made. Kubelets report a refused
/// connection within a few milliseconds, so a port that stays silent this long has accepted.
const ACCEPTED: Duration = Duration::from_millis(400);

/// An open forward; ends when dropped.
struct Forward {
    forwarder: Portforwarder,
    stream: Option<DuplexStream>,
    /// Resolves with what the error channel says.
    error: Shared<BoxFuture<'static, Option<String>>>,
    shown: String,
}

/// A connection through a forward, which ends when this is dropped.
pub(super) struct ForwardStream {
    pub(super) io: DuplexStream,
    /// Why the forward broke, if it did.
    pub(super) why: BoxFuture<'static, Option<Error>>,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl Cluster {
    /// Sends a request to a port of a pod. The path and query of its URI count, its host does not;
    /// without a `Host` header it is `localhost:PORT`. A GET or HEAD is sent once more if the
    /// stream breaks before its answer.
    ///
    /// # Errors
    /// [`ErrorKind::ConnectionRefused`] when nothing listens on the port in the pod; otherwise what
    /// keeps the forward from being opened. An HTTP status is an answer, not an error.
    pub async fn forward_http(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> Result<HttpAnswer, Error> {
        let request = localised(request, port)?;
        let again = matches!(*request.method(), Method::GET | Method::HEAD);
        let shown = shown(namespace, pod, port);
        let exchange = async {
            match self.forward_once(namespace, pod, port, request.clone(), limit).await {
                Err(error) if again && error.kind == ErrorKind::Protocol => {
                    self.forward_once(namespace, pod, port, request, limit).await
                }
                other => other,
            }
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(&shown, timeout)),
        }
    }

    /// Whether a port of a pod accepts connections: fine when it does.
    ///
    /// # Errors
    /// [`ErrorKind::ConnectionRefused`] when nothing listens; otherwise what keeps the forward from
    /// being opened.
    pub async fn forward_connect(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<(), Error> {
        let mut forward = self.open_forward(namespace, pod, port).await?;
        let Some(mut stream) = forward.stream.take() else { return Ok(()) };
        let mut byte = [0];
        tokio::select! {
            biased;
            why = forward.reason() => match why {
                Some(why) => Err(why),
                None => Ok(()),
            },
            // Data, or a close without a reason: something was there.
            read = stream.read(&mut byte) => match read {
                Ok(0) | Err(_) => forward.reason_soon().await.map_or(Ok(()), Err),
                Ok(_) => Ok(()),
            },
            () = tokio::time::sleep(ACCEPTED) => Ok(()),
        }
    }

    /// A connection to a port of a pod, for a protocol of its own.
    pub(super) async fn forward_stream(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<ForwardStream, Error> {
        let mut forward = self.open_forward(namespace, pod, port).await?;
        let Some(io) = forward.stream.take() else {
            let why = format!("the forward to {} has no stream", forward.shown);
            return Err(Error::new(ErrorKind::Protocol, why));
        };
        Ok(ForwardStream { io, why: async move { forward.reason_soon().await }.boxed() })
    }

    async fn forward_once(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<HttpAnswer, Error> {
        let mut forward = self.open_forward(namespace, pod, port).await?;
        let Some(stream) = forward.stream.take() else {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("the forward to {} has no stream", forward.shown),
            ));
        };
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            let driven = tokio::spawn(connection);
            let started = Instant::now();
            let answer = async {
                read_answer(sender.send_request(request.map(Full::new)).await?, limit, started)
                    .await
            };
            let answer = answer.await;
            driven.abort();
            answer
        };
        match exchange.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let shown = forward.shown.clone();
                Err(forward.reason_soon().await.unwrap_or_else(|| broken(&shown, &error)))
            }
        }
    }

    async fn open_forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forward, Error> {
        check_name("name", pod)?;
        check_name("namespace", namespace)?;
        let doing =
            self.doing("forward", format!("port {port} of pod {pod} in namespace {namespace}"));
        let pods: Api<k8s_openapi::api::core::v1::Pod> =
            Api::namespaced(self.client().clone(), namespace);
        let ports = [port];
        let mut forwarder =
            match tokio::time::timeout(self.request_timeout(), pods.portforward(pod, &ports)).await
            {
                Ok(Ok(forwarder)) => forwarder,
                Ok(Err(error)) => return Err(upgrade_error(&doing, error)),
                Err(_) => return Err(doing.timed_out(self.request_timeout())),
            };
        let stream = forwarder.take_stream(port);
        let error = match forwarder.take_error(port) {
            Some(error) => error.boxed(),
            None => futures::future::ready(None).boxed(),
        };
        Ok(Forward { forwarder, stream, error: error.shared(), shown: shown(namespace, pod, port) })
    }
}

impl Forward {
    /// What the error channel says; none when it closes without saying anything.
    async fn reason(&self) -> Option<Error> {
        let text = one_line(&self.error.clone().await?, 500);
        Some(if text.contains("refused") {
            Error::new(
                ErrorKind::ConnectionRefused,
                format!("nothing listens at {}: {}", self.shown, last_cause(&text)),
            )
        } else {
            Error::new(ErrorKind::Server, format!("the forward to {} failed: {text}", self.shown))
        })
    }

    async fn reason_soon(&self) -> Option<Error> {
        tokio::time::timeout(REASON, self.reason()).await.ok().flatten()
    }
}

/// Kubelets wrap the reason in several layers that repeat pod and port, and add that IPv6 failed as
/// well.
fn last_cause(text: &str) -> &str {
    let text = text.find("dial tcp").map_or(text, |start| &text[start..]);
    text.split(" IPv6 ").next().unwrap_or(text)
}

fn shown(namespace: &str, pod: &str, port: u16) -> String {
    format!("pod {namespace}/{pod}:{port}")
}

/// The request as it goes over the stream: path and query only, with a host.
fn localised(mut request: Request<Bytes>, port: u16) -> Result<Request<Bytes>, Error> {
    if request.uri().scheme_str() == Some("https") {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "https over a port-forward is not supported; send the request from inside a pod (via: \
                pod) or through the API server (via: proxy)",
        ));
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("{path:?} is not a valid URL path: {error}"))
    })?;
    if !request.headers().contains_key(http::header::HOST) {
        let host = HeaderValue::from_str(&format!("localhost:{port}"))
            .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
        request.headers_mut().insert(http::header::HOST, host);
    }
    Ok(request)
}
