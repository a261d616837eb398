//! `uncordon`: marks a node as schedulable.

use super::cordon::{node, schedulable};
use super::support::change::Intent;
use super::support::fan_out::quote;
use super::support::workload;
use super::{Access, Context, Failure, Output, Reach, Verb};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

/// Marks a node as schedulable again.
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

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&node(&self.node), namespace)
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("kubectl uncordon {}", quote(&self.node))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&node(&self.node), namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        Ok(Some(Intent::of(schedulable(context, &self.node, true).await?, Vec::new())))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}
