//! `confirm`: a question that only a person can answer.

use super::{Access, Context, Failure, FailureKind, Output, Verb};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Asks the operator a question at the terminal; without a terminal, the run pauses until `runbook
/// approve`. The output is `{answer: true, by}`; the answer "no" fails the step. An answer is valid
/// for this question only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Question to ask.
    pub question: String,
    /// Word to type as confirmation, for changes that cannot be undone.
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
            (context.prompt.clone(), context.masker.clean(&self.question), self.typed.clone());
        let answer = tokio::task::spawn_blocking(move || prompt.ask(&question, typed.as_deref()));
        match answer.await {
            Ok(Some(true)) => Ok(Output::new(json!({"answer": true}), "yes")),
            Ok(Some(false)) => Err(Failure::new(FailureKind::Cancelled, "the answer was no")),
            Ok(None) => Err(Failure::new(
                FailureKind::NeedsPerson,
                format!("waits for an answer: {}", self.question),
            )),
            Err(_) => Err(Failure::error("the prompt ended without an answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::support::real_pods::context;
    use crate::action::{Approval, Prompt};
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Listens(Mutex<String>);

    impl Prompt for Listens {
        fn ask(&self, question: &str, _: Option<&str>) -> Option<bool> {
            self.0.lock().unwrap().push_str(question);
            Some(true)
        }

        fn approve(&self, _: &Approval) -> Option<bool> {
            None
        }
    }

    #[tokio::test]
    async fn the_question_has_no_secret_in_it() {
        let prompt = Arc::new(Listens::default());
        let context = Context { prompt: prompt.clone(), ..context(None, "n") };
        context.masker.learn("hunter2-hunter2", "db/password");
        Confirm { question: "Is it hunter2-hunter2?".to_owned(), typed: None }
            .perform(&context)
            .await
            .unwrap();
        assert_eq!(*prompt.0.lock().unwrap(), "Is it [secret db/password]?");
    }
}
