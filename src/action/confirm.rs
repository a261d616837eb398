//! `confirm`: a question that only a person can answer.

use super::{Access, Context, Failure, FailureKind, Output, Verb};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

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

impl Verb for Confirm {
    fn effect(&self) -> Effect {
        Effect::Operator
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("# answer: {}", self.question)]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let (prompt, question, typed) =
            (context.prompt.clone(), self.question.clone(), self.typed.clone());
        let answer = tokio::task::spawn_blocking(move || prompt.ask(&question, typed.as_deref()));
        match answer.await {
            Ok(Some(true)) => Ok(Output::new(json!({"answer": true}), "yes")),
            Ok(Some(false)) => Err(Failure::new(FailureKind::Cancelled, "answered no")),
            Ok(None) => Err(Failure::new(
                FailureKind::NeedsPerson,
                format!("needs a person to answer: {}", self.question),
            )),
            Err(_) => Err(Failure::error("the prompt ended without an answer")),
        }
    }
}
