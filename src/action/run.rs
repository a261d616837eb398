//! `run`: another runbook as a step.

use super::{Access, Context, Failure, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Runs another runbook of the catalogue and adopts its verdict. The output is `{verdict, findings:
/// [id], steps: {ID: outcome}}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Name of the runbook in the catalogue.
    pub runbook: String,
    /// Parameters of the runbook.
    #[serde(default)]
    pub with: Map<String, Value>,
}

impl Verb for Run {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("runbook run {}", self.runbook)]
    }

    /// The engine runs it, because it has the plan.
    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("a runbook is run by the engine"))
    }
}
