//! `approve`: another person must agree before the run goes on.

use super::Construct;
use crate::action::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Stops the run until another person has approved it with `runbook approve`. Who a person is says
/// the cluster (SelfSubjectReview), and who goes on with the run is not another one. Who, when,
/// which plan and which question is recorded; what has changed since must be approved again. The
/// output is `{by, at}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// What is to be approved.
    pub question: String,
    /// How long an approval holds.
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
            return Err("an approval that `expires` at once never holds".to_owned());
        }
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("# have it approved: {}", self.question)]
    }
}
