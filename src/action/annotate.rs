//! `annotate`: annotations of an object.

use super::change::Intent;
use super::fan::quote;
use super::{Access, Context, Failure, Target, Verb, metadata, workload};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Sets or takes away annotations of one object of any kind. Nothing is changed where they are so already.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Annotate {
    /// The object: `deployment/NAME`, `{kind, name}`.
    pub target: Target,
    /// The annotations; null takes one away.
    pub annotations: BTreeMap<String, Option<String>>,
}

impl Verb for Annotate {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("annotate", &self.target, &[])
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!("kubectl annotate {} -n {} --overwrite {}", self.target.kubectl(), quote(self.target.namespace(namespace)), metadata::kubectl(&self.annotations))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        metadata::intend(context, &self.target, "annotations", &self.annotations).await
    }
}
