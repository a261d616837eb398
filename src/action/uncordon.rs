//! `uncordon`: a node takes pods again.

use super::change::Intent;
use super::{Access, Context, Failure, Verb, node};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

/// Lets a node take pods again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uncordon {
    /// Name of the node.
    pub node: String,
}

impl Verb for Uncordon {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        node::permissions(&self.node)
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        vec![format!("kubectl uncordon {}", super::fan::quote(&self.node))]
    }

    fn targets(&self, _: &str) -> Vec<String> {
        vec![format!("/node/{}", self.node)]
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        node::intend(context, &self.node, false).await
    }
}
