//! `metrics`: the Prometheus text exposition of every pod.

use super::http::{Port, Via};
use super::{Access, Context, Failure, Output, Pods, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

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
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("not built yet"))
    }
}
