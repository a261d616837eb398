//! `annotate`: sets and removes annotations of an object.

use super::support::change::Intent;
use super::support::metadata_map::{self, Keys, Map};
use super::support::workload;
use super::{Access, Context, Failure, Output, Reach, Scalar, Target, Verb};
use crate::event::Effect;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// Sets and removes annotations of an object of any kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotate {
    /// Object: `deployment/NAME`, `node/NAME`, `namespace/NAME`.
    pub target: Target,
    /// Value of each annotation; null removes the annotation.
    pub annotations: IndexMap<String, Option<Scalar>>,
    /// Whether to replace existing values.
    #[serde(default = "yes")]
    pub overwrite: bool,
}

fn yes() -> bool {
    true
}

impl Verb for Annotate {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn check(&self) -> Result<(), String> {
        metadata_map::check(Map::Annotations, self.keys())?;
        workload::check_target("annotate", &self.target, &[])
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn manual_commands(&self, namespace: &str) -> Vec<String> {
        metadata_map::manual_commands(
            Map::Annotations,
            &self.target,
            namespace,
            self.keys(),
            self.overwrite,
        )
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        metadata_map::intend(context, Map::Annotations, &self.target, self.keys(), self.overwrite)
            .await
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}

impl Annotate {
    fn keys(&self) -> &Keys {
        &self.annotations
    }
}
