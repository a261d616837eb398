//! `events`: what the cluster reports about objects.

use super::{Access, Context, Duration, Failure, Output, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Reads events, oldest first. The output is `{items: [{time, type, reason, object, message, count}]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Only events about this object, or about the objects that the selector matches. Without it: of the whole namespace.
    pub target: Option<Target>,
    /// Only events of type `Warning`.
    #[serde(default)]
    pub warnings: bool,
    /// Only events younger than this.
    pub since: Option<Duration>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
}

impl Verb for Events {
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
