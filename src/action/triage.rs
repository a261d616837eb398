//! `triage`: why pods are not well, in the words of the cluster.

use super::{Access, Context, Failure, Output, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Explains pods. The output is a list with one item a pod: `{pod, status, ready, restarts, node, age_s, symptoms: [{container, reason, message, exit_code, hint}]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triage {
    /// Whose pods; finished ones and those being deleted are included.
    pub target: Target,
}

impl Verb for Triage {
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
