//! `run`: another runbook as a step.

use super::Construct;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Runs another runbook of the catalogue and adopts its verdict. The output is `{verdict, findings:
/// [id], steps: {ID: outcome}}`. Short form: `run: NAME`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Name of the runbook in the catalogue.
    pub runbook: String,
    /// Parameters of the runbook.
    #[serde(default)]
    pub with: Map<String, Value>,
}

impl Construct for Run {
    const NAME: &'static str = "run";

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("runbook run {}", self.runbook)]
    }
}
