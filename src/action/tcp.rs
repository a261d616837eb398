//! `tcp`: does a port accept a connection, seen from a pod.

use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Connects to a port from inside pods. The output is a list with one item a pod: `{pod, host, port, result, elapsed_ms, reason}`, `result` being `connected`,
/// `refused`, `timeout`, `no_route` or `unresolved`. An image without nc, curl or python3 is an error of that item, not a refusal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The pods that connect.
    pub from: Target,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How long one connection may take.
    #[serde(default = "three_seconds")]
    pub timeout: Duration,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

fn three_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(3))
}

impl Verb for Tcp {
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
