//! HTTP to a pod or Service through the API server's proxy, on the existing connection.

use std::time::Duration;
use tokio::time::Instant;

use bytes::Bytes;
use http::Request;
use kube::client::Body;
use serde_json::Value;

use super::client::Cluster;
use super::error::{Error, ErrorKind};
use super::http::{HttpAnswer, broken, no_answer, read_answer};
use crate::api::resource::check_name;
use crate::encoding::percent_encode;

/// What the API server is to proxy to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyTo {
    /// A port of a pod.
    Pod {
        /// The name of the pod.
        name: String,
        /// The port number.
        port: u16,
    },
    /// A port of a service; the API server chooses one of its endpoints.
    Service {
        /// The name of the service.
        name: String,
        /// The port of the service, by number or name.
        port: String,
    },
}

impl Cluster {
    /// Sends a request through the proxy of the API server; it needs the permission `pods/proxy` or
    /// `services/proxy`. The path and query of the URI count, and its scheme (https makes the API
    /// server speak TLS to the application).
    ///
    /// # Errors
    /// What the API server itself says (a `Status`): [`ErrorKind::Forbidden`],
    /// [`ErrorKind::NotFound`], [`ErrorKind::ConnectionRefused`]. An application that answers with
    /// a `Status` object of its own and the same code cannot be told from it.
    pub async fn proxy_http(
        &self,
        namespace: &str,
        target: &ProxyTo,
        request: Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> Result<HttpAnswer, Error> {
        if request.headers().contains_key(http::header::AUTHORIZATION) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the API server proxy does not forward the Authorization header; use a \
                    port-forward (via: forward)",
            ));
        }
        let (plural, name, port) = match target {
            ProxyTo::Pod { name, port } => ("pods", name, port.to_string()),
            ProxyTo::Service { name, port } => ("services", name, port.clone()),
        };
        check_name("name", name)?;
        check_name("namespace", namespace)?;
        let scheme = if request.uri().scheme_str() == Some("https") { "https:" } else { "" };
        let rest = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let path = format!(
            "/api/v1/namespaces/{}/{plural}/{scheme}{}:{}/proxy{rest}",
            percent_encode(namespace),
            percent_encode(name),
            percent_encode(&port)
        );
        let shown = format!("{plural}/{name}:{port} in namespace {namespace}");
        let doing = self.doing("proxy", format!("{} to {shown}", request.method()));
        let (mut parts, body) = request.into_parts();
        parts.uri = path.parse().map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("{path:?} is not a valid URL path: {error}"))
        })?;
        parts.headers.remove(http::header::HOST);
        let request = Request::from_parts(parts, Body::from(body));
        let exchange = async {
            let started = Instant::now();
            let response = self.send_raw(&doing, Ok(request)).await?;
            let answer = read_answer(response, limit, started)
                .await
                .map_err(|error| broken(&shown, &error))?;
            match own_error(&answer) {
                None => Ok(answer),
                Some(text) if text.contains("connection refused") => Err(Error::new(
                    ErrorKind::ConnectionRefused,
                    format!("nothing listens at {shown}: {text}"),
                )),
                Some(_) => Err(doing.refused(answer.status, None, &answer.body)),
            }
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(&shown, timeout)),
        }
    }
}

/// The text of an error of the API server itself, as far as it can be told from the application's
/// answer.
fn own_error(answer: &HttpAnswer) -> Option<String> {
    if answer.status < 400 || answer.truncated {
        return None;
    }
    if let Ok(status) = serde_json::from_slice::<Value>(&answer.body) {
        let own = status["kind"] == "Status"
            && status["apiVersion"] == "v1"
            && status["code"] == answer.status;
        return own.then(|| status["message"].as_str().unwrap_or_default().to_owned());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let own = text.to_ascii_lowercase().starts_with("error trying to reach service");
    own.then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn tells_the_api_server_from_the_application() {
        let status =
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","code":403}"#;
        let cases = [
            (403, status, Some("no")),
            (500, status, None),
            (200, status, None),
            (503, r#"{"status":"down"}"#, None),
            (
                503,
                "error trying to reach service: dial tcp 10.0.0.1:80: connect: connection refused",
                Some("error trying"),
            ),
            (503, "<html>", None),
        ];
        for (status, body, expected) in cases {
            let answer = HttpAnswer {
                status,
                headers: BTreeMap::new(),
                body: Bytes::from(body),
                truncated: false,
                elapsed: Duration::ZERO,
            };
            let found = own_error(&answer);
            assert_eq!(found.is_some(), expected.is_some(), "{status} {body}");
            assert!(
                found.unwrap_or_default().starts_with(expected.unwrap_or_default()),
                "{status} {body}"
            );
        }
    }
}
