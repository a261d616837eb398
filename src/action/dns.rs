//! `dns`: does a name resolve, seen from a pod.

use super::{Access, Context, Failure, Output, Pods, Target, Verb};
use schemars::JsonSchema;
use serde::Deserialize;

/// Resolves a name from inside pods. The output is a list with one item a pod: `{pod, name, result, addresses, reason}`, `result` being `resolved`,
/// `not_found` or `timeout`. An image without getent, nslookup or python3 is an error of that item.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The pods that ask.
    pub from: Target,
    /// The name.
    pub name: String,
    /// All pods or one.
    #[serde(default)]
    pub pods: Pods,
}

impl Verb for Dns {
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
