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
