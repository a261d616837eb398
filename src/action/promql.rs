//! `promql`: a question to Prometheus.

use super::http::{Port, Via};
use super::{Access, Context, Duration, Failure, Output, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

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
