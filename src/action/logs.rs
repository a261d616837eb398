//! `logs`: log lines of all pods and containers.

use super::{Access, Context, Duration, Failure, Output, Pods, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Reads logs. The output is a list with one item a container: `{pod, container, previous, lines: [{time, text}], matches, truncated}`;
/// `matches` are the lines that `match` finds, newest last: `{time, text, groups: {name: text}}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Whose logs.
    pub target: Target,
    /// Container; the pod's default container if none is named.
    pub container: Option<String>,
    /// Every container of the pod, init containers included.
    #[serde(default)]
    pub all_containers: bool,
    /// Only lines younger than this. Without `since` and `tail`: from the start of the container.
    pub since: Option<Duration>,
    /// Only the last lines, this many.
    pub tail: Option<u32>,
    /// Also the logs of the container instance before, where a container was restarted.
    #[serde(default)]
    pub previous: bool,
    /// Regular expression for `matches`; named groups `(?<name>…)` become fields of `groups`.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Logs {
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
