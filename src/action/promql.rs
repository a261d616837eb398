//! `promql`: a question to Prometheus.

use super::metrics::finite;
use super::reach::{reach, reach_permissions};
use super::http::{Port, Via};
use super::fan::quote;
use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Asks Prometheus. The output is `{outcome, value, result: [{metric, value, time, age_s}]}`: `outcome` is `data`, `no_data` or `nan`; `value` is the
/// number of the only series, or null. A Prometheus that does not answer is an error: nothing is known then.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Promql {
    /// The query.
    pub query: String,
    /// The Prometheus service, or its pods.
    pub target: Option<Target>,
    /// Its port.
    pub port: Option<Port>,
    /// A URL instead, for a Prometheus outside the cluster.
    pub url: Option<String>,
    /// How the request travels to `target`.
    #[serde(default)]
    pub via: Via,
    /// How long the answer may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(10))
}

impl Verb for Promql {
    fn check(&self) -> Result<(), String> {
        match (&self.target, &self.url) {
            (Some(_), Some(_)) => Err("either a `target` or a `url`".to_owned()),
            (None, None) => Err("needs the Prometheus service as `target`, or a `url`".to_owned()),
            _ if self.query.trim().is_empty() => Err("the query is empty".to_owned()),
            _ if matches!(self.via, Via::Pod | Via::Direct) => Err("a target is asked `via: forward` or `via: proxy`".to_owned()),
            _ => Ok(()),
        }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        self.target.as_ref().map(|target| reach_permissions(target, self.via, namespace)).unwrap_or_default()
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        let ask = |base: &str| format!("curl -sSG {} --data-urlencode {}", quote(&format!("{base}/api/v1/query")), quote(&format!("query={}", self.query)));
        match (&self.target, &self.url) {
            (Some(target), _) => vec![
                format!("kubectl port-forward -n {} {} 9090:{} &", quote(target.namespace(namespace)), target.kubectl(), self.port.as_ref().map_or_else(|| "9090".to_owned(), Port::to_string)),
                ask("http://localhost:9090"),
            ],
            (None, Some(url)) => vec![ask(url.trim_end_matches('/'))],
            (None, None) => Vec::new(),
        }
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let timeout = self.timeout.0.min(context.remaining());
        let path = format!("/api/v1/query?query={}", encode(&self.query));
        let get = |uri: &str| Request::get(uri).body(Bytes::new()).map_err(|error| Failure::error(format!("not a URL: {error}")));
        let answer = match (&self.target, &self.url) {
            (Some(target), _) => reach(context, target, self.port.as_ref(), self.via, Pods::One, &get(&path)?, timeout).await?.value,
            (None, url) => {
                let url = format!("{}{path}", url.as_deref().unwrap_or_default().trim_end_matches('/'));
                Value::Object(super::reach::answered(crate::cluster::direct_http(get(&url)?, timeout, super::http::LIMIT).await)?)
            }
        };
        read(&answer, context.now)
    }
}

/// The output for an answer of Prometheus. Nothing but a successful answer says anything about the data.
fn read(answer: &Value, now: Timestamp) -> Result<Output, Failure> {
    let body = &answer["json"];
    if body["status"] != "success" {
        let why = body["error"].as_str().or(answer["reason"].as_str()).map(str::to_owned).unwrap_or_else(|| format!("status {}", answer["status"]));
        return Err(Failure::error(format!("Prometheus did not answer the query: {why}")));
    }
    let data = &body["data"];
    let series = match data["resultType"].as_str() {
        Some("vector") => data["result"].as_array().cloned().unwrap_or_default(),
        Some("scalar") => vec![json!({"metric": {}, "value": data["result"]})],
        other => return Err(Failure::error(format!("Prometheus answered with a {}, and an instant vector or a scalar was wanted", other.unwrap_or("nothing")))),
    };
    let mut result = Vec::new();
    let mut nan = 0;
    for one in &series {
        let value: f64 = one["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        nan += usize::from(value.is_nan());
        let time = one["value"][0].as_f64().and_then(|seconds| Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(seconds)).ok());
        let age = time.map(|time| now.duration_since(time).as_secs_f64());
        result.push(json!({"metric": one["metric"], "value": finite(value), "time": time.map(|time| time.to_string()), "age_s": age}));
    }
    let outcome = match (result.len(), nan) {
        (0, _) => "no_data",
        (all, nan) if all == nan => "nan",
        _ => "data",
    };
    let value = if let [only] = result.as_slice() { only["value"].clone() } else { Value::Null };
    let summary = match (outcome, &value) {
        ("no_data", _) => "no data".to_owned(),
        ("nan", _) => "NaN".to_owned(),
        (_, Value::Null) => format!("{} series", result.len()),
        (_, value) => value.to_string(),
    };
    Ok(Output::new(json!({"outcome": outcome, "value": value, "result": result}), summary))
}

/// Percent-encodes a query (RFC 3986).
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_data_nan_and_an_error_are_three_things() {
        let now: Timestamp = "2026-11-20T03:12:07Z".parse().unwrap();
        let answer = |result: Value| json!({"status": 200, "json": {"status": "success", "data": {"resultType": "vector", "result": result}}});
        assert_eq!(read(&answer(json!([])), now).unwrap().value, json!({"outcome": "no_data", "value": null, "result": []}));
        let nan = read(&answer(json!([{"metric": {"a": "b"}, "value": [1795144320.0, "NaN"]}])), now).unwrap().value;
        assert_eq!((&nan["outcome"], &nan["value"]), (&json!("nan"), &json!("NaN")));
        let data = read(&answer(json!([{"metric": {}, "value": [1795144320.0, "3"]}])), now).unwrap();
        assert_eq!((&data.value["value"], data.summary.as_str()), (&json!(3.0), "3.0"));
        let refused = json!({"status": 400, "json": {"status": "error", "errorType": "bad_data", "error": "parse error"}});
        assert!(read(&refused, now).unwrap_err().message.contains("parse error"));
        assert!(read(&json!({"status": null, "json": null, "reason": "refused"}), now).is_err());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode(r#"up{job="a b"}"#), "up%7Bjob%3D%22a%20b%22%7D");
    }
}
