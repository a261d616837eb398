//! `confirm`: a question that only a person can answer.

use super::Construct;
use schemars::JsonSchema;
use serde::Deserialize;

/// Asks the operator: at the terminal, or with `runbook approve`, where there is none and the run
/// pauses. The output is `{answer: true, by}`; a no fails the step. The answer holds for this
/// question, and not for another one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// The question.
    pub question: String,
    /// The word that must be typed, for what cannot be taken back.
    pub typed: Option<String>,
}

impl Construct for Confirm {
    const NAME: &'static str = "confirm";

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("# answer: {}", self.question)]
    }
}
