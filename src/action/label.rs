//! `label`: labels of an object.

use super::change::Intent;
use super::fan::quote;
use super::{Access, Context, Failure, Target, Verb, metadata, workload};
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Sets or takes away labels of one object of any kind. Nothing is changed where they are so already.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The object: `deployment/NAME`, `{kind, name}`.
    pub target: Target,
    /// The labels; null takes one away.
    pub labels: BTreeMap<String, Option<String>>,
}

impl Verb for Label {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn check(&self) -> Result<(), String> {
        workload::check_target("label", &self.target, &[])
    }

    fn permissions(&self, namespace: &str) -> Vec<Access> {
        workload::patching(&self.target, namespace)
    }

    fn by_hand(&self, namespace: &str) -> Vec<String> {
        vec![format!("kubectl label {} -n {} --overwrite {}", self.target.kubectl(), quote(self.target.namespace(namespace)), metadata::kubectl(&self.labels))]
    }

    fn targets(&self, namespace: &str) -> Vec<String> {
        workload::lock_of(&self.target, namespace)
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        metadata::intend(context, &self.target, "labels", &self.labels).await
    }
}
