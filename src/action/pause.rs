//! `pause`: waits a while.

use super::{Access, Context, Duration, Failure, FailureKind, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Waits for a fixed time. Prefer `wait` or `until`, which wait for a condition.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pause(pub Duration);

impl Verb for Pause {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("sleep {}", self.0.0.as_secs_f64())]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        (context.progress)(&format!("{} to wait", self.0));
        tokio::select! {
            () = tokio::time::sleep(self.0.0) => Ok(Output::new(serde_json::Value::Null,
            self.0.to_string())),
            () = context.cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled,
            "stopped while waiting")),
        }
    }
}
