//! `api`: reads a path of the API server as it is.

use super::support::fan_out::{as_json, quote};
use super::{Access, Context, Duration, Failure, Output, Reach, Verb, Wrong};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most bytes of a body.
const BODY: usize = 4 * 1024 * 1024;

/// Reads a path of the API server with GET, as `kubectl get --raw` does: `/readyz?verbose`,
/// `/livez?verbose`, `/version`, `/metrics`, `/apis/metrics.k8s.io/v1beta1/nodes`. The output is
/// `{status, body, json, truncated, elapsed_ms, checks: [{name, ok, says}]}`. `json` is the body
/// parsed as JSON, or null; `checks` are the health checks of `?verbose`, and an empty list for any
/// other body. A status of 400 and above is an answer. The body is limited to 4 MiB; `truncated` is
/// then true. Secrets cannot be read; use `secret`. Example: `api: {path: "/readyz?verbose"}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Path with its query; begins with `/`.
    pub path: String,
    /// Timeout of the response.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

/// What a path of the API server is about.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    group: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    /// The subresource and what follows it.
    rest: Vec<&'a str>,
}

impl Verb for Api {
    fn effect(&self) -> Effect {
        Effect::Read
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        let path = self.bare();
        let fault = |why: &str| Err(format!("`path: {}` {why}", self.path));
        if !path.starts_with('/') || path.contains("//") {
            return fault("is not a path of the API server: it must begin with `/`");
        }
        // what the server would read in another way than this check
        if path.split('/').any(|part| part == "." || part == "..")
            || path.contains(['%', '\\', ';'])
        {
            return fault("must be written plainly, without `..` and `%`");
        }
        if self.path.contains(char::is_whitespace) || self.path.contains('#') {
            return fault("is not a URL path");
        }
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        if query.split('&').any(|pair| pair.split('=').next() == Some("watch")) {
            return fault("never ends: use `wait` to watch");
        }
        let Some(parts) = parts(path) else { return Ok(()) };
        match (parts.resource, parts.rest.as_slice()) {
            ("secrets", _) => fault("would reveal a Secret: use `secret`"),
            ("watch", _) => fault("never ends: use `wait` to watch"),
            ("pods" | "services", ["proxy", ..]) => {
                fault("asks an application: use `http` with `via: proxy`")
            }
            (_, ["exec" | "attach" | "portforward", ..]) => fault("does not only read"),
            ("nodes", ["proxy", inner, ..])
                if !["stats", "metrics", "healthz", "configz", "pods", "logs"].contains(inner) =>
            {
                fault("asks the kubelet for something else than stats, metrics, healthz or configz")
            }
            _ => Ok(()),
        }
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        let path = self.bare();
        vec![match parts(path) {
            None => Access { verb: "get".to_owned(), path: path.to_owned(), ..Access::default() },
            Some(parts) => Access {
                verb: if parts.name.is_empty() { "list" } else { "get" }.to_owned(),
                group: parts.group.to_owned(),
                resource: parts.resource.to_owned(),
                subresource: parts.rest.first().copied().unwrap_or_default().to_owned(),
                namespace: parts.namespace.to_owned(),
                name: parts.name.to_owned(),
                path: String::new(),
            },
        }]
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("kubectl get --raw {}", quote(&self.path))]
    }

    fn wrong(&self, output: &Value) -> Option<Wrong> {
        let status = output["status"].as_u64().filter(|status| *status >= 400)?;
        let failed = failed(output);
        let reason = match failed.first() {
            Some(_) => format!("HTTP {status}: {}", failed.join(", ")),
            None => format!("HTTP {status}"),
        };
        Some(Wrong { fields: &["status", "checks", "json", "body"], reason })
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let timeout = self.timeout.0.min(context.remaining());
        let answer = context.cluster()?.get_raw(&self.path, timeout, BODY).await?;
        let body = String::from_utf8_lossy(&answer.body);
        let checks = checks(&body);
        let output = json!({
            "status": answer.status, "json": if answer.truncated { Value::Null } else { as_json(&body) },
            "checks": checks, "truncated": answer.truncated,
            "elapsed_ms": u64::try_from(answer.elapsed.as_millis()).unwrap_or(u64::MAX),
            "body": body,
        });
        let failed = failed(&output);
        let summary = match checks.len() {
            0 => answer.status.to_string(),
            all => format!("{} of {all} checks", all - failed.len()),
        };
        Ok(Output::new(output, summary))
    }
}

impl Api {
    fn bare(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// The names of the checks that failed.
fn failed(output: &Value) -> Vec<&str> {
    let checks = output["checks"].as_array().into_iter().flatten();
    checks.filter(|check| check["ok"] == false).filter_map(|check| check["name"].as_str()).collect()
}

/// The resource at a path; none if it is no resource but a document, such as `/version` or the
/// list of an API group
/// (staging/src/k8s.io/apiserver/pkg/endpoints/request/requestinfo.go).
fn parts(path: &str) -> Option<Parts<'_>> {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let group = match words.next()? {
        "api" => "",
        "apis" => words.next()?,
        _ => return None,
    };
    words.next()?;
    let words: Vec<&str> = words.collect();
    let (namespace, words) = match words.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        words => ("", words),
    };
    let (resource, words) = words.split_first()?;
    let (name, rest) = words.split_first().map_or(("", &[][..]), |(name, rest)| (*name, rest));
    Some(Parts { group, namespace, resource, name, rest: rest.to_vec() })
}

/// The lines of a verbose health check: `[+]ping ok`, `[-]etcd failed: reason withheld`.
fn checks(body: &str) -> Vec<Value> {
    let line = |line: &str| {
        let (ok, rest) = match (line.strip_prefix("[+]"), line.strip_prefix("[-]")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (name, says) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(json!({"name": name, "ok": ok, "says": says.trim()}))
    };
    body.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(path: &str) -> Api {
        serde_json::from_value(json!({"path": path})).unwrap()
    }

    #[test]
    fn only_what_reads_and_reveals_no_secret() {
        for (path, good) in [
            ("/readyz?verbose", true),
            ("/version", true),
            ("/", true),
            ("/apis/metrics.k8s.io/v1beta1/nodes", true),
            ("/api/v1/namespaces/shop/configmaps/a", true),
            ("/api/v1/nodes/n1/proxy/stats/summary", true),
            ("/api/v1/namespaces/shop/pods/a/log?tailLines=5", true),
            ("readyz", false),
            ("https://elsewhere/", false),
            ("//elsewhere/", false),
            ("/api/v1/namespaces/../secrets", false),
            ("/api/v1/namespaces/shop/secrets", false),
            ("/api/v1/namespaces/shop/secrets/a", false),
            ("/api/v1/secrets?limit=1", false),
            ("/api/v1/namespaces/shop/%73ecrets", false),
            ("/api/v1/pods?watch=true", false),
            ("/api/v1/watch/pods", false),
            ("/api/v1/namespaces/shop/pods/a/exec?command=ls", false),
            ("/api/v1/namespaces/shop/pods/a:80/proxy/", false),
            ("/api/v1/nodes/n1/proxy/exec/shop/a/c", false),
            ("/api/v1/nodes/n1/proxy/run/shop/a/c", false),
            ("/readyz verbose", false),
        ] {
            assert_eq!(api(path).check().is_ok(), good, "{path}");
        }
    }

    #[test]
    fn permissions_are_those_of_the_resource_or_of_the_path() {
        for (path, wanted) in [
            ("/readyz?verbose", "get /readyz (cluster-wide)"),
            ("/apis/apps/v1", "get /apis/apps/v1 (cluster-wide)"),
            ("/apis/metrics.k8s.io/v1beta1/nodes", "list nodes.metrics.k8s.io (cluster-wide)"),
            ("/api/v1/namespaces/shop/pods/a/log", "get pods/log a in shop"),
            ("/api/v1/namespaces/shop", "get namespaces shop (cluster-wide)"),
            ("/api/v1/nodes/n1/proxy/stats/summary", "get nodes/proxy n1 (cluster-wide)"),
        ] {
            assert_eq!(api(path).permissions("n")[0].to_string(), wanted, "{path}");
        }
        assert_eq!(
            api("/readyz?verbose").manual_commands("n"),
            ["kubectl get --raw '/readyz?verbose'"]
        );
    }

    #[test]
    fn health_checks_are_values() {
        let body = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/rbac ok\n\
            readyz check failed\n";
        let output = json!({"status": 500, "checks": checks(body)});
        assert_eq!(
            output["checks"][1],
            json!({"name": "etcd", "ok": false, "says": "failed: reason withheld"})
        );
        assert_eq!(output["checks"].as_array().map(Vec::len), Some(3));
        assert_eq!(api("/readyz").wrong(&output).unwrap().reason, "HTTP 500: etcd");
        assert!(api("/readyz").wrong(&json!({"status": 200, "checks": []})).is_none());
        assert_eq!(checks("ok"), Vec::<Value>::new());
    }
}
