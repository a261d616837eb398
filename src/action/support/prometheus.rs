//! Requests to Prometheus, and what its answers have in common.

use super::fan_out::item;
use super::http_answer::Answer;
use crate::action::http::{Http, HttpMethod, HttpPort, Via};
use crate::action::{Context, Duration, Failure, FailureKind, Pods, Target, Verb, Which};
use indexmap::IndexMap;
use serde_json::{Value, json};

/// The most bytes of an answer.
pub(in crate::action) const ANSWER: usize = 16 * 1024 * 1024;
/// How long one answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A Prometheus: a Service or a pod of the cluster, or a URL.
#[derive(Clone, Debug)]
pub struct Prometheus {
    target: Option<Target>,
    port: Option<HttpPort>,
    url: Option<String>,
}

impl Prometheus {
    /// Reads `service/prometheus:9090`, `pod/NAME`, or `http://HOST:PORT`, in this namespace.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, namespace: Option<&str>) -> Result<Self, String> {
        if text.contains("://") {
            let asked = Self { target: None, port: None, url: Some(text.to_owned()) };
            return asked.http("/").check().map(|()| asked);
        }
        let wrong = || format!("`{text}` is not service/NAME, service/NAME:PORT or a URL");
        let (target, port) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
        let (kind, name) = target.split_once('/').ok_or_else(wrong)?;
        if kind.is_empty() || name.is_empty() || port == Some("") || name.contains('/') {
            return Err(wrong());
        }
        let port = port.map(|port| match port.parse() {
            Ok(number) => HttpPort::Number(number),
            Err(_) => HttpPort::Name(port.to_owned()),
        });
        let target = Target {
            kind: kind.to_owned(),
            which: Which::Name(name.to_owned()),
            namespace: namespace.map(str::to_owned),
        };
        let asked = Self { target: Some(target), port, url: None };
        asked.http("/").check().map(|()| asked)
    }

    /// Host and port of a URL, which a person has allowed by naming it.
    pub fn host(&self) -> Option<String> {
        let url: http::Uri = self.url.as_ref()?.parse().ok()?;
        let default = if url.scheme_str() == Some("https") { 443 } else { 80 };
        Some(format!("{}:{}", url.host()?, url.port_u16().unwrap_or(default)))
    }

    /// Whether a cluster is needed to reach it.
    pub fn is_in_cluster(&self) -> bool {
        self.target.is_some()
    }

    fn http(&self, path: &str) -> Http {
        let target = self.target.as_ref();
        let timeout = Duration(PATIENCE);
        get(target, self.port.as_ref(), self.url.as_deref(), Via::Forward, timeout, path)
    }

    /// The `data` of the answer for a path such as `/api/v1/rules`.
    ///
    /// # Errors
    /// When there is no answer, or it is none of Prometheus.
    pub async fn data(&self, context: &Context, path: &str) -> Result<Value, Failure> {
        let http = self.http(path);
        let asked = http
            .ask(context, ANSWER, |answer| Ok(item([("data", data(answer)?)])))
            .await
            .map(|mut output| output.value["data"].take());
        asked.map_err(silent)
    }
}

/// A Prometheus without pods says nothing about what it would have answered.
pub(in crate::action) fn silent(failure: Failure) -> Failure {
    match failure {
        Failure { kind: FailureKind::Failed, message, .. } => Failure::error(message),
        failure => failure,
    }
}

/// The request for a path.
pub(in crate::action) fn get(
    target: Option<&Target>,
    port: Option<&HttpPort>,
    url: Option<&str>,
    via: Via,
    timeout: Duration,
    path: &str,
) -> Http {
    let url = url.map(|url| format!("{}{path}", url.trim_end_matches('/')));
    Http {
        target: target.cloned(),
        port: port.cloned(),
        container: None,
        path: if url.is_some() { "/".to_owned() } else { path.to_owned() },
        via: if url.is_some() { Via::Direct } else { via },
        url,
        from: None,
        method: HttpMethod::Get,
        headers: IndexMap::new(),
        effect: None,
        body: None,
        timeout,
        pods: Some(Pods::One),
    }
}

/// The `data` of an answer.
///
/// # Errors
/// When it is none of Prometheus, or an error.
pub(in crate::action) fn data(answer: Answer) -> Result<Value, Failure> {
    let (status, body) = match answer {
        Answer::Missing { reason, .. } => {
            return Err(Failure::new(
                FailureKind::Transient,
                format!("Prometheus did not respond: {reason}"),
            ));
        }
        Answer::Given { truncated: true, .. } => {
            return Err(Failure::error(format!(
                "the Prometheus response exceeds {} MiB: query fewer series",
                ANSWER >> 20
            )));
        }
        Answer::Given { status, body, .. } => (status, body),
    };
    // 503: too busy or still starting
    let failed = |message: String| {
        Failure::new(
            if status >= 500 { FailureKind::Transient } else { FailureKind::Error },
            message,
        )
    };
    let Ok(mut said) = serde_json::from_slice::<Value>(&body) else {
        let start: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
        return Err(failed(format!("this is not a Prometheus response: HTTP {status}: {start}")));
    };
    if said["status"] == "error" {
        let kind = said["errorType"].as_str().unwrap_or("error");
        return Err(failed(format!(
            "Prometheus rejected the query: {kind}: {}",
            said["error"].as_str().unwrap_or("no reason given")
        )));
    }
    if status != 200 || said["status"] != "success" {
        return Err(failed(format!(
            "this is not a Prometheus response: HTTP {status}, with status {}",
            said["status"]
        )));
    }
    Ok(said.get_mut("data").map_or(json!(null), Value::take))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prometheus_is_named_like_a_target_or_by_its_url() {
        let shown = |text: &str| {
            Prometheus::parse(text, Some("monitoring")).map(|asked| {
                let Prometheus { target, port, url } = &asked;
                let port = port.as_ref().map(ToString::to_string).unwrap_or_default();
                let target = target.as_ref().map(ToString::to_string);
                let place = target.or(url.clone()).unwrap_or_default();
                format!("{place} {port} {}", asked.host().unwrap_or_default())
            })
        };
        for (text, wanted) in [
            ("service/prometheus:9090", "service/prometheus 9090 "),
            ("service/prometheus:web", "service/prometheus web "),
            ("deployment/prometheus", "deployment/prometheus  "),
            (
                "http://p.example.com:9090/prom",
                "http://p.example.com:9090/prom  p.example.com:9090",
            ),
            ("https://p.example.com", "https://p.example.com  p.example.com:443"),
        ] {
            assert_eq!(shown(text).unwrap(), wanted);
        }
        for text in ["prometheus", "service/", "service/x:", "/x", "http://", "a/b/c"] {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
