//! `undo`: reverts one change of an earlier run.

use super::support::change::{Intent, reverse};
use super::{Access, Context, Failure, FailureKind, Output, Reach, Verb, WhichRun};
use crate::cluster::Write;
use crate::event::{Effect, PlannedChange};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Reverts a change that an earlier run recorded: restores previous values, deletes created
/// objects, recreates deleted objects, and restarts restarted pods a second time. Refuses the
/// change if someone else has changed the object since. `runbook undo RUN` generates such steps.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Id of the run.
    pub run: String,
    /// Path of the step that made the change.
    pub step: String,
    /// Index of the change in the step, starting at 0.
    pub change: u64,
    /// Changed object, for the lock: `namespace/kind/name`.
    pub object: Option<String>,
}

impl Verb for Undo {
    fn effect(&self) -> Effect {
        Effect::Write
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn permissions(&self, _: &str) -> Vec<Access> {
        Vec::new()
    }

    fn manual_commands(&self, _: &str) -> Vec<String> {
        vec![format!("runbook undo {}", self.run)]
    }

    fn targets(&self, _: &str) -> Vec<String> {
        self.object.iter().cloned().collect()
    }

    async fn intend(&self, context: &Context) -> Result<Option<Intent>, Failure> {
        let failed = |reason: String| Failure::new(FailureKind::Failed, reason);
        let earlier = context.records.find(&WhichRun::Run(self.run.clone())).map_err(failed)?;
        let earlier = earlier.ok_or_else(|| failed(format!("run {} does not exist", self.run)))?;
        let entry = earlier["changes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|entry| entry["step"] == self.step.as_str() && entry["index"] == self.change);
        let entry = entry.ok_or_else(|| {
            failed(format!("run {} has no change {} in step {}", self.run, self.change, self.step))
        })?;
        let unreadable = |error: serde_json::Error| {
            failed(format!("cannot read the record of run {}: {error}", self.run))
        };
        let write: Write = serde_json::from_value(entry["request"].clone()).map_err(unreadable)?;
        let planned: PlannedChange = serde_json::from_value(entry.clone()).map_err(unreadable)?;
        let current =
            context.cluster()?.get_optional(&write.resource, &write.namespace, &write.name).await?;
        let after: &Value = &entry["after"];
        let change = reverse(&planned, after, current.as_ref(), &write.resource, &context.masker)
            .map_err(failed)?;
        Ok(Some(Intent::of(change, Vec::new())))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}
