//! The connection to a cluster: one client, one pool, no hidden retries.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::middleware::AuthLayer;
use kube::client::{Body, ConfigExt};
use serde_json::Value;
use tower::{BoxError, ServiceBuilder};

use super::answer;
use super::client_config::ClientConfig;
use super::config::{Intermediaries, LoadedConfig, Options, load};
use super::discovery::Discovery;
use super::error::{Doing, Error, ErrorKind, unusable_config};
use super::memory::Dial;
use crate::api::Place;

/// A client of one cluster; clones share its connections.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    client: kube::Client,
    target: Place,
    intermediaries: Arc<Intermediaries>,
    request_timeout: Duration,
    discovery: Discovery,
    own: ClientConfig,
}

/// How long connecting to the API server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Lists, objects and error bodies larger than this are refused instead of filling the memory.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// How much of an error body is read.
const ERROR_BODY_LIMIT: usize = 256 * 1024;

impl Cluster {
    /// Reads the kubeconfig (`KUBECONFIG`, `~/.kube/config`, or the service account of this pod)
    /// and builds the client. No request is made, but a credential plugin is run.
    ///
    /// # Errors
    /// [`ErrorKind::NoKubeconfig`] and [`ErrorKind::Kubeconfig`].
    pub async fn connect(options: &Options) -> Result<Cluster, Error> {
        let LoadedConfig { config, context, intermediaries, own } = load(options).await?;
        // "https://host/" is shown and compared as "https://host".
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let target = Place { context, server, namespace: config.default_namespace.clone() };
        let named = match &target.context {
            Some(context) => format!("context {context:?}"),
            None => "the in-cluster service account".to_owned(),
        };
        let building = {
            let config = config.clone();
            let runtime = tokio::runtime::Handle::current();
            let dial = options.dial.clone();
            // A credential plugin runs in here, which blocks its thread.
            tokio::task::spawn_blocking(move || {
                let _guard = runtime.enter();
                build(&config, dial)
            })
        };
        let built = match tokio::time::timeout(
            options.request_timeout.max(CONNECT_TIMEOUT),
            building,
        )
        .await
        {
            Ok(Ok(built)) => built,
            Ok(Err(error)) => {
                return Err(Error::new(
                    ErrorKind::Kubeconfig,
                    format!("{named} cannot be used: {error}"),
                ));
            }
            Err(_) => {
                let plugin = intermediaries
                    .plugin
                    .as_ref()
                    .map(|plugin| format!(" {}", plugin.name))
                    .unwrap_or_default();
                return Err(Error::new(
                    ErrorKind::Kubeconfig,
                    format!(
                        "the credential plugin{plugin} of {named} timed out: run it manually and \
                            log in"
                    ),
                ));
            }
        };
        let client = built.map_err(|error| unusable_config(&error, &named, &intermediaries))?;
        let intermediaries = Arc::new(intermediaries);
        Ok(Cluster {
            inner: Arc::new(Inner {
                client,
                target,
                intermediaries,
                request_timeout: options.request_timeout,
                discovery: Discovery::default(),
                own,
            }),
        })
    }

    /// What other programs need to reach it.
    pub fn client_config(&self) -> &ClientConfig {
        &self.inner.own
    }

    /// Which cluster and namespace this is.
    pub fn target(&self) -> Place {
        self.inner.target.clone()
    }

    pub(super) fn client(&self) -> &kube::Client {
        &self.inner.client
    }

    pub(super) fn namespace<'a>(&'a self, namespace: Option<&'a str>) -> &'a str {
        namespace.unwrap_or(&self.inner.target.namespace)
    }

    pub(super) fn discovery(&self) -> &Discovery {
        &self.inner.discovery
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.inner.request_timeout
    }

    pub(super) fn doing(&self, verb: &'static str, what: impl Into<String>) -> Doing {
        let Inner { target, intermediaries, .. } = &*self.inner;
        Doing {
            verb,
            what: what.into(),
            server: target.server.clone(),
            context: target.context.clone(),
            intermediaries: Arc::clone(intermediaries),
        }
    }

    /// GETs a JSON document within the request timeout.
    pub(super) async fn get_json(&self, doing: &Doing, path: &str) -> Result<Value, Error> {
        self.json(doing, super::http::get(path)).await
    }

    /// POSTs a JSON document that changes nothing (a review) within the request timeout.
    pub(super) async fn post_json(
        &self,
        doing: &Doing,
        path: &str,
        body: &Value,
    ) -> Result<Value, Error> {
        let request = Request::post(path)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string().into_bytes()));
        self.json(doing, request).await
    }

    /// Sends a request and reads its JSON answer within the request timeout.
    pub(super) async fn json(
        &self,
        doing: &Doing,
        request: http::Result<Request<Body>>,
    ) -> Result<Value, Error> {
        self.json_within(doing, request, self.inner.request_timeout, &mut { answer::MEMORY }).await
    }

    /// The same within this time and this budget of memory.
    pub(super) async fn json_within(
        &self,
        doing: &Doing,
        request: http::Result<Request<Body>>,
        limit: Duration,
        budget: &mut usize,
    ) -> Result<Value, Error> {
        let exchange = async {
            let response = self.send(doing, request).await?;
            whole(doing, response.into_body(), BODY_LIMIT).await
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(bytes) => answer::parse(&bytes?, budget)
                .map_err(|why| doing.not_understood(&format!("its response is invalid: {why}"))),
            Err(_) => Err(doing.timed_out(limit)),
        }
    }

    /// Sends a request; an error status becomes an [`Error`]. Without a time limit of its own.
    pub(super) async fn send(
        &self,
        doing: &Doing,
        request: http::Result<Request<Body>>,
    ) -> Result<Response<Body>, Error> {
        let response = self.send_raw(doing, request).await?;
        let status = response.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return if status.is_redirection() {
                Err(doing.not_understood(&format!("it redirects (HTTP {})", status.as_u16())))
            } else {
                Ok(response)
            };
        }
        let retry_after = retry_after(response.headers());
        let body = match collect(doing, response.into_body(), ERROR_BODY_LIMIT).await {
            Ok((body, _)) => body,
            // The status alone says enough.
            Err(_) => Bytes::new(),
        };
        Err(doing.refused(status.as_u16(), retry_after, &body))
    }

    /// Sends a request and returns whatever answer there is.
    pub(super) async fn send_raw(
        &self,
        doing: &Doing,
        request: http::Result<Request<Body>>,
    ) -> Result<Response<Body>, Error> {
        let request = request.map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("cannot {} {}: the request is malformed: {error}", doing.verb, doing.what),
            )
        })?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let begun = std::time::Instant::now();
        let answer = self.inner.client.send(request).await.map_err(|error| doing.not_sent(error));
        let ms = begun.elapsed().as_millis();
        match &answer {
            Ok(response) => {
                tracing::debug!(%method, path, status = response.status().as_u16(), ms, "request");
            }
            Err(error) => tracing::debug!(%method, path, %error, ms, "request"),
        }
        answer
    }

    /// Opens a WebSocket within the request timeout.
    pub(super) async fn websocket(
        &self,
        doing: &Doing,
        path: &str,
    ) -> Result<kube::client::Connection, Error> {
        let request = Request::get(path).body(Vec::new()).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("cannot {} {}: the request is malformed: {error}", doing.verb, doing.what),
            )
        })?;
        match tokio::time::timeout(self.inner.request_timeout, self.inner.client.connect(request))
            .await
        {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(upgrade_error(doing, error)),
            Err(_) => Err(doing.timed_out(self.inner.request_timeout)),
        }
    }
}

/// The error of a WebSocket that was not opened.
pub(super) fn upgrade_error(doing: &Doing, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => {
            let code = status.code;
            let body = serde_json::to_vec(&*status).ok().and_then(|bytes| {
                let mut value: Value = serde_json::from_slice(&bytes).ok()?;
                value["kind"] = "Status".into();
                serde_json::to_vec(&value).ok()
            });
            doing.refused(code, None, &body.unwrap_or_default())
        }
        kube::Error::UpgradeConnection(error) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} did not open a WebSocket to {} {}: {error}; a proxy or load balancer in \
                    between may not let WebSockets through",
                doing.server, doing.verb, doing.what
            ),
        ),
        other => doing.not_sent(other),
    }
}

/// Builds the client without kube's own retry layer, which would send changes again unseen, and
/// without Nagle's algorithm, which makes each request on a reused connection wait 40 ms for a
/// delayed acknowledgement.
fn build(config: &kube::Config, dial: Option<Dial>) -> Result<kube::Client, kube::Error> {
    if let Some(dial) = dial {
        // nobody listens in the memory of a process: the certificates of the machine are not read
        return stack(config, dial, config.auth_layer()?);
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_keepalive(Some(Duration::from_secs(30)));
    match config.proxy_url.clone() {
        None => secured(config, connector),
        Some(proxy) => match proxy.scheme_str() {
            Some("socks5") => secured(config, SocksV5::new(proxy, connector)),
            Some("http") => {
                let mut tunnel = Tunnel::new(proxy.clone(), connector);
                if let Some(credentials) = proxy_credentials(&proxy) {
                    tunnel = tunnel.with_auth(credentials);
                }
                secured(config, tunnel)
            }
            _ => Err(kube::Error::ProxyProtocolUnsupported { proxy_url: Box::new(proxy) }),
        },
    }
}

fn proxy_credentials(proxy: &http::Uri) -> Option<http::HeaderValue> {
    use base64::Engine;
    let (user, _) = proxy.authority()?.as_str().rsplit_once('@')?;
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(crate::encoding::percent_decode(user));
    let mut value = http::HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A client over connections to which TLS is added.
fn secured<C>(config: &kube::Config, connector: C) -> Result<kube::Client, kube::Error>
where
    C: tower::Service<http::Uri> + Clone + Send + Sync + 'static,
    C::Response: hyper::rt::Read
        + hyper::rt::Write
        + hyper_util::client::legacy::connect::Connection
        + Send
        + Unpin
        + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    let auth = config.auth_layer()?;
    let mut tls = config.clone();
    if auth.is_some() {
        // A plugin that gave a token gives no certificate: asking it for one would run it a second
        // time.
        tls.auth_info.exec = None;
    }
    stack(config, tls.rustls_https_connector_with_connector(connector)?, auth)
}

fn stack<C>(
    config: &kube::Config,
    connector: C,
    auth: Option<AuthLayer>,
) -> Result<kube::Client, kube::Error>
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let hyper = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(80))
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(hyper);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

/// Reads a whole body, which must not be larger than the limit.
async fn whole(doing: &Doing, body: Body, limit: usize) -> Result<Bytes, Error> {
    let (bytes, whole) = collect(doing, body, limit).await?;
    if whole {
        Ok(bytes)
    } else {
        Err(doing.not_understood(&format!("its response exceeds {} MiB", limit / 1024 / 1024)))
    }
}

/// Reads a body up to a limit; says whether it was read to its end.
pub(super) async fn collect(
    doing: &Doing,
    mut body: Body,
    limit: usize,
) -> Result<(Bytes, bool), Error> {
    // one buffer: to keep the parts would let a server of tiny ones fill the memory with what is
    // around them
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| doing.broken(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            return Ok((read.freeze(), false));
        }
    }
    Ok((read.freeze(), true))
}

/// `Retry-After` in seconds; the HTTP date form is not used by API servers.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds =
        headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// Whether the answer means "the subject is absent" or "not served" rather than a failure.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported)
}
