//! `approve`: someone else must allow the run to go on.

use super::{Access, Context, Duration, Failure, FailureKind, Output, Verb};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

/// Waits until somebody other than who runs this has allowed it, with `runbook approve RUN --step ID`: the run pauses, and is resumed afterwards.
/// The output is `{by, at}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// What is to be allowed, for the person who is asked.
    pub question: String,
    /// How old an approval may be.
    #[serde(default = "one_hour")]
    pub expires: Duration,
}

fn one_hour() -> Duration {
    Duration(std::time::Duration::from_secs(3600))
}

impl Verb for Approve {
    fn effect(&self) -> Effect {
        Effect::Operator
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        vec![format!("# ask someone else: {}", self.question)]
    }

    /// The engine answers from the record of the run; here nobody is.
    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::new(FailureKind::NeedsPerson, format!("someone else must allow it: {}", self.question)))
    }
}
