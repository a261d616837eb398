//! What a process that goes on with a run keeps of its steps, and what it does again.

use super::ended::Ended;
use super::scope::{Scope, StepResult};
use super::step::read_by;
use super::{EngineError, Run};
use crate::document::{Body, Step};
use crate::event::{Effect, Outcome, StepFinished, is_within};
use crate::expression::{Budget, Data, Jq};
use crate::journal;
use crate::secret::has_labels;
use crate::state::{ChangeState, StepState};
use serde_json::Value;

/// Why nothing more is done where `always` was executed after the run was stopped.
const CLEANED_UP: &str = "the run was stopped before it, and has cleaned up since";

impl Run {
    /// What is kept of a step from an earlier process.
    pub(super) fn kept(&self, scope: &Scope, step: &Step, path: &str) -> Option<&StepFinished> {
        let kept = self.kept.steps.get(path)?;
        let is_kept = kept.digest == scope.digest(step) && !self.is_outdated(scope, step, path);
        is_kept.then_some(kept)
    }

    /// Whether what a step has seen is older than what it is about: a change that is written before
    /// it, or a step that it looks at. What looks after everything else looks again. What was seen
    /// before a change stays as it was seen.
    fn is_outdated(&self, scope: &Scope, step: &Step, path: &str) -> bool {
        let is_wait = matches!(step.body, Body::Pause(_) | Body::WaitForTime(_));
        if is_wait || step.own_effect() != Effect::Read {
            return false;
        }
        let until = step.poll.iter().filter_map(|poll| poll.until.as_ref());
        let references = step.body.references().into_iter().chain(read_by(step));
        let looked_at = scope.looks_at(references.chain(until.flat_map(Jq::references)));
        let is_among = |known: &str, others: &[String]| {
            others
                .iter()
                .any(|other| known == other || (is_within(known, other) && !is_within(path, other)))
        };
        self.recorder.state(|state| {
            let nothing_changed = state.changed_after(path).next().is_none();
            scope.always
                || state.changed_after(path).any(|known| is_among(known, &scope.behind))
                || (nothing_changed
                    && state.executed_after(path).any(|(known, _)| is_among(known, &looked_at)))
        })
    }

    /// The output of a kept step. Where the record lacks what is secret in it, it is read once more:
    /// then it is known again what is secret. None if it is not what was read before, and nothing was
    /// changed since.
    pub(super) async fn output_of(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        kept: &StepFinished,
    ) -> Result<Option<Data>, EngineError> {
        let recorded = match &kept.stored {
            Some(stored) if scope.runbook.referred.contains(&step.id) || kept.met_secrets => {
                journal::load(stored)?
            }
            Some(_) => return Ok(Some(Data::Dropped)),
            None => kept.output.clone().into(),
        };
        let reads = matches!(step.body, Body::Verb(_) | Body::Value(_))
            && step.own_effect() == Effect::Read;
        if !reads {
            return Ok(Some(recorded));
        }
        let whole = recorded.to_value();
        if !kept.met_secrets && !has_labels(&whole) {
            return Ok(Some(recorded));
        }
        let again = self.read_again(scope, step, path).await;
        if let Some(again) = again.filter(|again| self.masker.clean_value(again) == whole) {
            return Ok(Some(again.into()));
        }
        let was_changed = self.recorder.state(|state| state.changed_after(path).next().is_some());
        Ok(was_changed.then_some(recorded))
    }

    /// What a step reads now, without a record of it; none if it cannot be read.
    async fn read_again(&self, scope: &Scope, step: &Step, path: &str) -> Option<Value> {
        match &step.body {
            Body::Verb(written) => {
                let action = written.resolve(&scope.context_for(&written.arguments)).ok()?;
                let deadline = self.deadline(scope, step, action.timeout());
                let context = self.context(scope, path, deadline);
                let answer = action.perform(&context);
                Some(tokio::time::timeout_at(deadline, answer).await.ok()?.ok()?.value)
            }
            Body::Value(program) => {
                let bindings = scope.bindings(program.references(), || self.findings_so_far(scope));
                program.run_one(&Value::Null, &bindings, Budget::default()).ok()
            }
            _ => None,
        }
    }

    /// How a step ends that must not be done on resume: the run has cleaned up behind it, or it has
    /// made its change as it was written before.
    pub(super) fn settled_before(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Option<Outcome>, EngineError> {
        let has_steps = matches!(step.body, Body::Group(_) | Body::Run(_));
        if scope.is_cleaned_up && !has_steps {
            let before = self.recorder.state(|state| state.finished(path).cloned());
            if let Some(before) = before.filter(|before| before.outcome != Outcome::Cancelled) {
                let (outcome, why) = (before.outcome, before.because());
                let result = StepResult::new(outcome, path, why, Data::Dropped, None);
                scope.put(&step.id, result);
                return Ok(Some(outcome));
            }
            let ended = Ended::without_output(Outcome::Cancelled, CLEANED_UP);
            return self.end(scope, step, path, 0, ended).map(Some);
        }
        let is_written_otherwise = self.recorder.state(|state| {
            let is_made = state.changes_of(path).iter().any(ChangeState::is_made);
            let is_said = state.marked(path).is_some() || self.kept.despite_changes;
            let digest = state.step(path).map(StepState::digest);
            is_made && !is_said && digest != Some(scope.digest(step).as_str())
        });
        if !is_written_otherwise {
            return Ok(None);
        }
        let reason = "it has made its change with other parameters or another text, and does not \
            make it again; to count it as done, use --mark-done";
        self.undone(scope, step, path, (Outcome::Error, reason.into())).map(Some)
    }
}
