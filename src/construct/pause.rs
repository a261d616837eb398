//! `pause`: waits a while.

use super::Construct;
use crate::action::Duration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Waits for a fixed time. Prefer `wait` or `until`, which wait for a condition.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pause(pub Duration);

impl Construct for Pause {
    const NAME: &'static str = "pause";

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        vec![format!("sleep {}", self.0.0.as_secs_f64())]
    }
}
