//! `http`: sends a request to every pod, to a Service, or to a URL.

use super::exec::ExecEffect;
use super::support::fan_out::reading;
use super::support::http_manual;
use super::{Access, Context, Duration, Failure, Output, Pods, Reach, Target, Verb, Which, Wrong};
use crate::cluster::{PodsOf, builtin};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The most bytes of a body in the output.
const BODY: usize = 1024 * 1024;

/// Sends an HTTP request. The output item is `{pod, status, headers, body, json, truncated,
/// elapsed_ms, refused, reason}`. For a workload or a pod selector, the output is a list with one
/// item per pod; for one pod, a Service or a URL, and with `pods: one`, it is one item; for a
/// Service with `pods: all`, it is a list with one item per ready pod of the Service. With `via:
/// pod`, the pods are those of `from`. `status` is null if the target refused the connection or
/// timed out; `reason` then explains it. The body is limited to 1 MiB.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Destination of the request: a workload, a pod or a Service.
    pub target: Option<Target>,
    /// Port of the pod or Service: a number or a name. Defaults to the only declared port, or to
    /// the port of the HTTP probes if there are several.
    pub port: Option<HttpPort>,
    /// Container whose port is used. Defaults to the container in the annotation
    /// `kubectl.kubernetes.io/default-container`, or to the only one that declares a port.
    pub container: Option<String>,
    /// Path and query.
    #[serde(default = "root")]
    pub path: String,
    /// Full URL instead of `target`, `port` and `path`, for `via: direct` and `via: pod`.
    pub url: Option<String>,
    /// How the request is sent.
    #[serde(default)]
    pub via: Via,
    /// With `via: pod`: pods that send the request.
    pub from: Option<Target>,
    /// Method.
    #[serde(default)]
    pub method: HttpMethod,
    /// Headers.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Body. Any value but a string is sent as JSON.
    pub body: Option<serde_json::Value>,
    /// Effect of the request: `read` if it changes nothing, such as a query sent with POST. By
    /// default, only GET and HEAD read.
    pub effect: Option<ExecEffect>,
    /// Timeout of one response.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// Whether to query all pods or one. Defaults to all pods, and to one pod for a Service.
    pub pods: Option<Pods>,
}

impl Http {
    /// Whether to query all pods or one.
    pub(super) fn pods(&self) -> Pods {
        self.pods.unwrap_or_default()
    }
}

fn root() -> String {
    "/".to_owned()
}

fn five_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(5))
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a port is a number from 1 to 65535, or a name")]
#[schemars(rename = "Port")]
pub enum HttpPort {
    /// Its number.
    Number(u16),
    /// The name of a container's or a service's port.
    Name(String),
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Through a port-forward inside this program; no local port is opened.
    #[default]
    Forward,
    /// Through the API server's proxy; needs `pods/proxy` or `services/proxy`.
    Proxy,
    /// From inside the pods of `from`, with curl, wget or python3, whichever the image has: their
    /// network policies apply.
    Pod,
    /// From this machine.
    Direct,
}

/// Request method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "Method")]
pub enum HttpMethod {
    /// GET
    #[default]
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Verb for Http {
    fn effect(&self) -> Effect {
        match self.effect {
            Some(declared) => declared.effect(),
            None if self.method.only_reads() => Effect::Read,
            None => Effect::Opaque,
        }
    }

    fn reach(&self) -> Reach {
        match self.via {
            Via::Direct => Reach::Url(self.url.clone().unwrap_or_default()),
            _ => Reach::Cluster,
        }
    }

    fn is_promised(&self) -> bool {
        !self.method.only_reads()
    }

    fn check(&self) -> Result<(), String> {
        self.check_route()?;
        for target in [&self.target, &self.from].into_iter().flatten() {
            target.pods().map_err(|failure| failure.message)?;
        }
        self.check_request()
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        let asker = if self.via == Via::Pod { &self.from } else { &self.target };
        let Some(asker) = asker else { return Vec::new() };
        let place = asker.namespace(namespace);
        let on = |resource: &str, subresource: &str, verb: &str| Access {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: place.to_owned(),
            ..Access::default()
        };
        // opening a stream is a get, and since Kubernetes 1.35 a create as well
        let stream = |subresource| ["get", "create"].map(|verb| on("pods", subresource, verb));
        let mut all = match (self.via, service_name(asker)) {
            (Via::Proxy, Some(_)) => vec![on("services", "proxy", self.method.rbac())],
            (Via::Proxy, None) => vec![on("pods", "proxy", self.method.rbac())],
            (Via::Forward, _) => stream("portforward").to_vec(),
            (Via::Pod, _) => stream("exec").to_vec(),
            (Via::Direct, _) => return Vec::new(),
        };
        match (self.via, service_name(asker)) {
            // a port that is given is passed on as it is
            (Via::Proxy, Some(name)) if self.port.is_none() => {
                all.extend(seen("Service", place, name));
            }
            (Via::Proxy, Some(_)) => {}
            _ => all.extend(asker.pod_permissions(namespace)),
        }
        if let (Via::Pod, Some(target)) = (self.via, &self.target) {
            let place = target.namespace(namespace);
            match (service_name(target), &target.which) {
                (Some(name), _) if !matches!(self.port, Some(HttpPort::Number(_))) => {
                    all.extend(seen("Service", place, name));
                }
                (None, Which::Name(name)) => all.extend(seen("Pod", place, name)),
                _ => {}
            }
        }
        all
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        http_manual::commands(self, namespace)
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        super::support::wrong::request(output)
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let output = self.ask(context, BODY, |answer| Ok(answer.item())).await?;
        let summary = summary(&output.value);
        Ok(Output::new(output.value, summary))
    }
}

impl Http {
    /// Whether the arguments name one way for the request to travel.
    fn check_route(&self) -> Result<(), String> {
        let fault = |text: &str| Err(text.to_owned());
        match (self.via, &self.target, &self.url, &self.from) {
            (Via::Forward | Via::Proxy, _, Some(_), _) => {
                fault("a `url` requires `via: direct` or `via: pod`")
            }
            (Via::Forward | Via::Proxy, None, None, _) => fault("a `target` is missing"),
            (Via::Direct, _, None, _) => fault("`via: direct` requires a `url`"),
            (Via::Direct, Some(_), _, _) => fault(
                "`via: direct` requires a `url`, not a `target`: this machine may not reach pods",
            ),
            (Via::Pod, _, _, None) => {
                fault("`via: pod` requires `from`: the pods that send the request")
            }
            (Via::Pod, Some(_), Some(_), _) => fault("use either `target` or `url`"),
            (Via::Pod, None, None, _) => fault("a `target` or a `url` is missing"),
            (Via::Forward | Via::Proxy | Via::Direct, _, _, Some(_)) => {
                fault("`from` requires `via: pod`")
            }
            (Via::Pod, Some(target), _, _)
                if !target.is_one_pod() && service_name(target).is_none() =>
            {
                fault("`via: pod` requires a Service, one pod or a `url`")
            }
            _ => Ok(()),
        }
    }

    /// Whether the request itself can be sent.
    fn check_request(&self) -> Result<(), String> {
        let fault = |text: &str| Err(text.to_owned());
        if self.url.is_some() && (self.port.is_some() || self.path != root()) {
            return fault("put `port` and `path` into the `url`");
        }
        if !self.path.starts_with('/') {
            return Err(format!("the path `{}` does not start with `/`", self.path));
        }
        if self.port == Some(HttpPort::Number(0)) {
            return fault("0 is not a valid port");
        }
        if self.timeout.0.is_zero() {
            return fault("`timeout` must be greater than zero");
        }
        if self.method == HttpMethod::Head && self.body.is_some() {
            return fault("a HEAD request cannot have a `body`");
        }
        if self.via == Via::Proxy
            && self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"))
        {
            return fault(
                "the API server proxy does not forward the Authorization header: use `via: \
                    forward`",
            );
        }
        let request = self.request(self.url.as_deref().unwrap_or(&self.path))?;
        let uri = request.uri();
        match &self.url {
            Some(url)
                if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() =>
            {
                Err(format!("`{url}` is not a URL: use http://HOST:PORT/PATH"))
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for HttpPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The name of the service, where the target is one.
pub(super) fn service_name(target: &Target) -> Option<&str> {
    match target.pods() {
        Ok(PodsOf::Service(_)) => match &target.which {
            Which::Name(name) => Some(name),
            Which::Selector(_) => None,
        },
        _ => None,
    }
}

/// A `get` of one object.
fn seen(kind: &str, namespace: &str, name: &str) -> Option<Access> {
    builtin(kind).map(|resource| reading(&resource, "get", namespace, name))
}

/// The number of successful responses and their status: `2 of 3 returned 200`; for one item, its
/// status.
pub(super) fn summary(output: &Value) -> String {
    let status = |item: &Value| match (item["status"].as_u64(), item["refused"] == true) {
        (Some(status), _) => status.to_string(),
        (None, true) => "refused".to_owned(),
        (None, false) => "no response".to_owned(),
    };
    let Some(items) = output.as_array() else {
        let status = status(output);
        return if status.starts_with(|first: char| first.is_ascii_digit()) {
            format!("status {status}")
        } else {
            status
        };
    };
    let known = items.iter().filter(|item| item.get("error").is_none());
    let (good, bad): (Vec<&Value>, Vec<&Value>) =
        known.partition(|item| item["status"].as_u64().is_some_and(|status| status < 400));
    let list = |items: &[&Value]| {
        items
            .iter()
            .map(|item| status(item))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (good.is_empty(), bad.is_empty()) {
        (true, _) => format!("0 of {} succeeded: {}", items.len(), list(&bad)),
        (false, _) => format!("{} of {} returned {}", good.len(), items.len(), list(&good)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn http(value: Value) -> Http {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn faults() {
        let cases = [
            (json!({"target": "pod/p"}), true),
            (json!({"url": "https://x/health", "via": "direct"}), true),
            (json!({"url": "http://x/health", "via": "pod", "from": "deployment/d"}), true),
            (json!({"target": "service/s", "via": "pod", "from": "deployment/d"}), true),
            (json!({}), false),
            (json!({"url": "http://x"}), false),
            (json!({"target": "pod/p", "via": "direct"}), false),
            (json!({"target": "pod/p", "via": "pod"}), false),
            (json!({"target": "pod/p", "from": "pod/q"}), false),
            (json!({"target": "deployment/d", "via": "pod", "from": "pod/q"}), false),
            (json!({"target": {"kind": "service", "selector": "a=b"}}), false),
            (json!({"url": "x:80", "via": "direct"}), false),
            (json!({"url": "http://x", "port": 80, "via": "direct"}), false),
            (json!({"target": "pod/p", "path": "health"}), false),
            (json!({"target": "pod/p", "path": "/a b"}), false),
            (json!({"target": "pod/p", "port": 0}), false),
            (json!({"target": "pod/p", "timeout": "0s"}), false),
            (json!({"target": "pod/p", "headers": {"a b": "c"}}), false),
            (json!({"target": "pod/p", "headers": {"a": "b\nc"}}), false),
            (json!({"target": "pod/p", "method": "HEAD", "body": "x"}), false),
            (json!({"target": "pod/p", "via": "proxy", "headers": {"Authorization": "x"}}), false),
        ];
        for (value, good) in cases {
            assert_eq!(http(value.clone()).check().is_ok(), good, "{value}");
        }
    }

    #[test]
    fn a_request_that_changes_nothing_can_be_declared() {
        for (method, declared, wanted) in [
            ("GET", None, Effect::Read),
            ("POST", None, Effect::Opaque),
            ("POST", Some("read"), Effect::Read),
            ("GET", Some("opaque"), Effect::Opaque),
        ] {
            assert_eq!(
                http(json!({"target": "pod/p", "method": method, "effect": declared})).effect(),
                wanted,
                "{method}"
            );
        }
    }

    #[test]
    fn permissions() {
        let short = |value: Value| {
            let all = http(value).permissions("n").into_iter();
            all.map(|access| format!("{} {}/{}", access.verb, access.resource, access.subresource))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let cases = [
            (
                json!({"target": "pod/p"}),
                "get pods/portforward, create pods/portforward, get pods/",
            ),
            (
                json!({"target": "service/s", "port": 80, "via": "proxy", "method": "POST"}),
                "create services/proxy",
            ),
            (json!({"target": "service/s", "via": "proxy"}), "get services/proxy, get services/"),
            (
                json!({"url": "http://x", "via": "pod", "from": "pod/p"}),
                "get pods/exec, create pods/exec, get pods/",
            ),
            (json!({"url": "http://x", "via": "direct"}), ""),
        ];
        for (value, wanted) in cases {
            assert_eq!(short(value.clone()), wanted, "{value}");
        }
    }

    #[test]
    fn results_in_a_few_words() {
        let cases = [
            (json!([{"status": 200}, {"status": 200}, {"status": 503}]), "2 of 3 returned 200"),
            (json!([{"status": 204}, {"status": 200}]), "2 of 2 returned 200, 204"),
            (
                json!([{"status": null, "refused": true}, {"status": 500}]),
                "0 of 2 succeeded: 500, refused",
            ),
            (json!([{"status": 200}, {"error": "forbidden"}]), "1 of 2 returned 200"),
            (json!({"status": 404}), "status 404"),
            (json!({"status": null, "refused": false}), "no response"),
        ];
        for (output, wanted) in cases {
            assert_eq!(summary(&output), wanted, "{output}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_without_a_status() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let context = crate::action::support::real_pods::context(None, "n");
        let output = http(json!({"url": format!("http://{address}/"), "via": "direct"}))
            .perform(&context)
            .await
            .unwrap();
        assert_eq!(
            (&output.value["status"], &output.value["refused"], output.summary.as_str()),
            (&Value::Null, &json!(true), "refused")
        );
    }
}
