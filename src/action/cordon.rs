//! `cordon`: a node takes no new pods.

use super::change::Intent;
use super::{Access, Context, Failure, Verb, node};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

/// Keeps new pods from a node; those that are there stay.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cordon {
    /// Name of the node.
    pub node: String,
}

impl Verb for Cordon {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        node::permissions(&self.node)
    }

    fn by_hand(&self, _: &str) -> Vec<String> {
        vec![format!("kubectl cordon {}", super::fan::quote(&self.node))]
    }

    fn targets(&self, _: &str) -> Vec<String> {
        vec![format!("/node/{}", self.node)]
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        node::intend(context, &self.node, true).await
    }
}
