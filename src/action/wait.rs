//! `wait`: watches objects until a condition holds.

use super::{Access, Context, Failure, JqText, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Watches objects until a condition holds or the step's `timeout` ends. Ends early in a state from which it cannot become true.
/// With `name` the condition's `.` and the output is the object (null while it does not exist); otherwise `{items: [...]}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Kind: `Pod`, `deployment`, `job`, …
    pub kind: String,
    /// Name of one object. It need not exist yet.
    pub name: Option<String>,
    /// Label selector.
    pub selector: Option<String>,
    /// Namespace, if another than the step's.
    pub namespace: Option<String>,
    /// The condition to wait for.
    pub until: Option<JqText>,
    /// Wait until there is no such object. An absent one passes at once.
    #[serde(default)]
    pub absent: bool,
}

impl Verb for Wait {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Err(Failure::error("not built yet"))
    }
}
