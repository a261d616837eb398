//! `value`: a pure step: jq over earlier results.

use super::Construct;
use crate::action::JqText;
use schemars::JsonSchema;
use serde::Deserialize;

/// Evaluates a jq program over `$steps`, `$params`, `$findings` and `$run`. Its single result is
/// the output.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Value(pub JqText);

impl Construct for Value {
    const NAME: &'static str = "value";

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn manual_commands(&self) -> Vec<String> {
        Vec::new()
    }
}
