//! `undo`: reverts one change of an earlier run.

use super::support::change::{Intent, reverse};
use super::{Access, Context, EarlierChange, Failure, FailureKind, Output, Reach, Verb, WhichRun};
use crate::cluster::Write;
use crate::event::Effect;
use schemars::JsonSchema;
use serde::Deserialize;

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
        let is_meant = |made: &&EarlierChange| {
            made.step == self.step && u64::try_from(made.index) == Ok(self.change)
        };
        let EarlierChange { change: made, .. } =
            earlier.changes.iter().find(is_meant).ok_or_else(|| {
                let (run, change, step) = (&self.run, self.change, &self.step);
                failed(format!("run {run} has no change {change} in step {step}"))
            })?;
        let write: Write = serde_json::from_value(made.request.clone()).map_err(|error| {
            failed(format!("cannot read the record of run {}: {error}", self.run))
        })?;
        let current =
            context.cluster()?.get_optional(&write.resource, &write.namespace, &write.name).await?;
        let change = reverse(made, &made.after, current.as_ref(), &write.resource, &context.masker)
            .map_err(failed)?;
        Ok(Some(Intent::of(change, Vec::new())))
    }

    async fn perform(&self, _: &Context) -> Result<Output, Failure> {
        Ok(Output::default())
    }
}
