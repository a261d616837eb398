//! `value`: a pure step: jq over earlier results.

use super::{Access, Context, Failure, JqText, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// A jq program over `$steps`, `$params`, `$findings` and `$run`. Its one result is the output.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Value(pub JqText);

impl Verb for Value {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn judges(&self) -> bool {
        false
    }

    /// The engine evaluates the program, because it has the earlier results.
    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("a value is evaluated by the engine"))
    }
}
