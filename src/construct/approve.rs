//! `approve`: another person must agree before the run goes on.

use super::Construct;
use crate::action::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Pauses the run until another person approves it with `runbook approve`. The cluster identifies
/// the person (SelfSubjectReview), who must not be the one who resumes the run. Records who
/// approved which plan and question, and when; if these change, another approval is required. The
/// output is `{by, at}`. Short form: `approve: QUESTION`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// Question to approve.
    pub question: String,
    /// How long an approval is valid.
    #[serde(default = "one_hour")]
    pub expires: Duration,
}

fn one_hour() -> Duration {
    Duration(std::time::Duration::from_secs(3600))
}

impl Construct for Approve {
    const NAME: &'static str = "approve";

    fn check(&self) -> Result<(), String> {
        if self.question.trim().is_empty() {
            return Err("the `question` is empty".to_owned());
        }
        if self.expires.0.is_zero() {
            return Err("`expires` must be greater than zero".to_owned());
        }
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("# requires approval: {}", self.question)]
    }
}
