//! `metrics`: the Prometheus text exposition of every pod.

use super::reach::{reach, reach_permissions};
use super::http::{Port, Via};
use super::fan::quote;
use super::{Access, Context, Failure, Output, Pods, Target, Verb};
use crate::cluster::exposition;
use bytes::Bytes;
use http::Request;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Scrapes metrics from pods. The output is a list with one item a pod: `{pod, status, families: {NAME: {type, help, samples: [{name, labels, value}], sum}}, invalid_lines, reason}`.
/// `status` is null where the pod refused the connection; `families` is empty for anything but 200.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Whose metrics.
    pub target: Target,
    /// Port of the pod.
    pub port: Port,
    /// Path.
    #[serde(default = "metrics_path")]
    pub path: String,
    /// How the request travels.
    #[serde(default)]
    pub via: Via,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

impl Verb for Metrics {
    fn check(&self) -> Result<(), String> {
        if matches!(self.via, Via::Pod | Via::Direct) { Err("metrics are scraped `via: forward` or `via: proxy`".to_owned()) } else { Ok(()) }
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        reach_permissions(&self.target, self.via, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![
            format!("kubectl port-forward -n {} {} 8080:{} &   # one pod at a time", quote(self.target.namespace(namespace)), self.target.kubectl(), self.port),
            format!("curl -sS {}", quote(&format!("http://localhost:8080{}", self.path))),
        ]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let timeout = std::time::Duration::from_secs(10).min(context.remaining());
        let request = Request::get(&self.path).body(Bytes::new()).map_err(|error| Failure::error(format!("not a path: {error}")))?;
        let mut output = reach(context, &self.target, Some(&self.port), self.via, self.pods, &request, timeout).await?;
        match &mut output.value {
            Value::Array(items) => items.iter_mut().for_each(families),
            single => families(single),
        }
        output.summary = super::reach::summary(&output);
        Ok(output)
    }
}

/// Replaces the body of an answer by the families in it.
fn families(answer: &mut Value) {
    let Some(fields) = answer.as_object_mut().filter(|fields| fields.contains_key("status")) else { return };
    let body = fields.shift_remove("body").unwrap_or_default();
    for key in ["json", "headers", "elapsed_ms"] {
        fields.shift_remove(key);
    }
    let (mut found, mut invalid) = (Map::new(), 0);
    if let (Some(200), Some(text)) = (fields.get("status").and_then(Value::as_u64), body.as_str()) {
        let exposition = exposition::parse(text);
        invalid = exposition.bad.len();
        for (name, family) in &exposition.families {
            let own: Vec<_> = exposition.samples.iter().filter(|sample| belongs(&sample.name, name, &family.kind)).collect();
            let sum = |wanted: &str| own.iter().filter(|sample| sample.name == wanted && sample.value.is_finite()).map(|sample| sample.value).sum::<f64>();
            let samples: Vec<Value> = own.iter().map(|sample| json!({"name": sample.name, "labels": sample.labels, "value": finite(sample.value)})).collect();
            let entry = json!({"type": family.kind, "help": family.help, "samples": samples, "sum": sum(name), "count": sum(&format!("{name}_count"))});
            found.insert(name.clone(), entry);
        }
    }
    fields.insert("families".to_owned(), Value::Object(found));
    fields.insert("invalid_lines".to_owned(), invalid.into());
}

/// Whether a sample is of a family: histograms and summaries have series of their own.
fn belongs(sample: &str, family: &str, kind: &str) -> bool {
    let rest = sample.strip_prefix(family);
    match kind {
        "histogram" | "summary" => matches!(rest, Some("" | "_bucket" | "_sum" | "_count")),
        _ => rest == Some(""),
    }
}

/// A number, or its name where JSON has no number for it.
pub(super) fn finite(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "NaN".into(),
        None => if value > 0.0 { "+Inf" } else { "-Inf" }.into(),
    }
}
