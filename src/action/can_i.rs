//! `can_i`: whether the current user may do something.

use super::{Access, Context, Failure, Output, Verb};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Asks the API server whether the current user may do this. The output is `{allowed, reason}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CanI {
    /// `get`, `list`, `patch`, …
    pub verb: String,
    /// Plural name: `deployments`.
    pub resource: String,
    /// API group: `apps`; empty for the core.
    #[serde(default)]
    pub group: String,
    /// `exec`, `log`, `scale`, …
    #[serde(default)]
    pub subresource: String,
    /// Name of one object; any if absent.
    #[serde(default)]
    pub name: String,
    /// Namespace, if another than the step's; empty for all.
    pub namespace: Option<String>,
}

impl Verb for CanI {
    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!("kubectl auth can-i {} {} -n {}", self.verb, self.resource, self.namespace.as_deref().unwrap_or(namespace))]
    }

    async fn perform(&self, context: &Context) -> Result<Output, Failure> {
        let access = Access {
            verb: self.verb.clone(),
            group: self.group.clone(),
            resource: self.resource.clone(),
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone().unwrap_or_else(|| context.namespace.clone()),
            name: self.name.clone(),
        };
        let answer = context.cluster()?.can_i(&access).await?;
        Ok(Output::new(json!({"allowed": answer.allowed, "reason": answer.reason}), if answer.allowed { "yes" } else { "no" }))
    }
}
