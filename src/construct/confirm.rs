//! `confirm`: a question that only a person can answer.

use super::Construct;
use schemars::JsonSchema;
use serde::Deserialize;

/// Asks the operator a question at the terminal; without a terminal, the run pauses until `runbook
/// approve`. The output is `{answer: true, by}`; the answer "no" cancels the step. An answer is
/// valid for this question only. Short form: `confirm: QUESTION`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Question to ask.
    pub question: String,
    /// Word to type as confirmation, for changes that cannot be undone.
    pub typed: Option<String>,
}

impl Construct for Confirm {
    const NAME: &'static str = "confirm";

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("# answer: {}", self.question.replace('\n', "\n# "))]
    }
}
