//! An action that cannot be previewed: only its intent and its end are known, and in between only a
//! person can say.

use super::change::digest;
use super::consent::{Answer, word};
use super::doubt::UNSEEN;
use super::ended::{End, Ended, failed};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Action, Context, Output, Settled};
use crate::document::Step;
use crate::event::{
    ChangeDoubted, ChangeFinished, ChangeNoted, ChangeResult, ChangeStarted, ChangesPlanned, Event,
    ObjectReference, Outcome, PlannedChange, Reason, StepMark,
};
use crate::state::{ChangeStage, ChangeState};
use serde_json::{Value, json};
use std::sync::Arc;

impl Run {
    /// An opaque step.
    pub(super) async fn opaque(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
    ) -> Result<End, EngineError> {
        let mut context = self.context(scope, path, self.deadline(scope, step, action.timeout()));
        let unseen = self.look(path, action, &context).await?;
        if !self.settle_doubt(path, &context, &unseen).await? {
            return Ok(End::InDoubt);
        }
        if let Some(ended) = self.known_end(scope, step, path) {
            return Ok(ended.into());
        }
        if let Some(ended) = self.permit.cleared(action, &context).await? {
            return Ok(ended.into());
        }
        let asked = tokio::time::Instant::now();
        let title = self.title_of(scope, step);
        if let Some(end) = self.not_allowed(step, path, &title, action, &context).await? {
            return Ok(end);
        }
        // a person may think as long as they like
        context.deadline += asked.elapsed();
        if let Some(reason) = self.permit.lock_lost().await {
            return Ok(Ended::without_output(Outcome::Error, reason).into());
        }
        self.carried_out(scope, step, path, action, &context).await
    }

    /// Looks for what came of what an earlier process left in doubt, where the verb can tell. Why it
    /// cannot be told, where it cannot.
    async fn look(
        &self,
        path: &str,
        action: &Action,
        context: &Context,
    ) -> Result<String, EngineError> {
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        let mut unseen = UNSEEN.to_owned();
        for (index, change) in known.iter().enumerate().filter(|(_, change)| change.in_doubt()) {
            let (result, after, reason) = match action.look(context, change.note.as_deref()).await {
                Settled::Done(output) => {
                    let after = json!({"output": output.value, "summary": output.summary});
                    (ChangeResult::Observed, after, output.summary)
                }
                Settled::NotDone(reason) => (ChangeResult::NotMade, Value::Null, reason),
                Settled::CannotTell(reason) => {
                    unseen = reason;
                    continue;
                }
            };
            (context.progress)(&reason);
            self.recorder.record(Event::ChangeFinished(ChangeFinished {
                path: path.to_owned(),
                index,
                result,
                after,
                reason,
                unproven: false,
            }))?;
        }
        Ok(unseen)
    }

    /// The end that is known already: from a person, or from a process that died before it judged.
    fn known_end(&self, scope: &Scope, step: &Step, path: &str) -> Option<Ended> {
        let judged = |output, summary: &str| {
            self.judge(scope, step, Output::new(output, summary)).into_ended(1)
        };
        if let Some(mark) = self.recorder.state(|state| state.marked(path).cloned()) {
            let by = format!("{}: {}", mark.by, mark.reason);
            match mark.mark {
                StepMark::Skip => {
                    let reason = Reason::skipped(&mark);
                    return Some(Ended::without_output(Outcome::Skipped, reason));
                }
                StepMark::Done => return Some(judged(json!({"by_hand": by}), "done by hand")),
                StepMark::NotDone => {}
            }
        }
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        match &known.iter().find(|change| change.is_made())?.stage {
            ChangeStage::Finished(finished) => Some(judged(
                finished.after["output"].clone(),
                finished.after["summary"].as_str().unwrap_or_default(),
            )),
            _ => None,
        }
    }

    /// Records what is to be done, and asks for it. The end, unless it is allowed.
    async fn not_allowed(
        &self,
        step: &Step,
        path: &str,
        title: &str,
        action: &Action,
        context: &Context,
    ) -> Result<Option<End>, EngineError> {
        // its digest is one of what stands in the record
        let planned = self.recorder.as_recorded(PlannedChange {
            object: ObjectReference {
                kind: action.name().to_owned(),
                name: path.to_owned(),
                ..ObjectReference::default()
            },
            verb: "run".to_owned(),
            summary: action.manual_commands(&context.namespace).join("; "),
            before: Value::Null,
            after: Value::Null,
            request: Value::Null,
            masked: false,
        });
        let changes = vec![planned];
        // what is approved is the action as it is done, with all that its line for a person leaves
        // out
        let whole = json!([format!("{action:?}"), context.namespace]);
        let digest = digest(&self.consent.key, self.place(path), &changes, &[whole]);
        self.recorder.record(Event::ChangesPlanned(ChangesPlanned {
            path: path.to_owned(),
            changes: changes.clone(),
            overridden: Vec::new(),
            digest: digest.clone(),
            typed: word(step, &changes),
        }))?;
        Ok(match self.consent(step, path, title, &changes, &digest).await? {
            Answer::Yes => None,
            Answer::No => Some(Ended::without_output(Outcome::Cancelled, Reason::Refused).into()),
            Answer::Nobody(waits) => Some(End::Waits(waits)),
        })
    }

    /// Records what a verb says of its change.
    fn noter(
        &self,
        path: &str,
        index: usize,
    ) -> Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync> {
        let (recorder, path) = (self.recorder.clone(), path.to_owned());
        Arc::new(move |note| {
            let noted = ChangeNoted { path: path.clone(), index, note: note.to_owned() };
            recorder.record(Event::ChangeNoted(noted)).map_err(|error| error.to_string())
        })
    }

    /// Does it, once. Whatever is not answered stays in doubt.
    async fn carried_out(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
        context: &Context,
    ) -> Result<End, EngineError> {
        let index = 0;
        let context = &Context { note: self.noter(path, index), ..context.clone() };
        let begun = ChangeStarted { path: path.to_owned(), index };
        self.recorder.record(Event::ChangeStarted(begun))?;
        crate::failpoint::hit("before the opaque action");
        let result = tokio::select! {
            result = action.perform(context) => result,
            () = self.stop.token(true).cancelled() => return Ok(End::InDoubt),
            () = tokio::time::sleep_until(context.deadline + super::attempt::GRACE) => {
                return Ok(End::InDoubt);
            }
        };
        crate::failpoint::hit("after the opaque action");
        let done = |result, after: Value, reason: &str| {
            let (path, reason) = (path.to_owned(), reason.to_owned());
            self.recorder.record(Event::ChangeFinished(ChangeFinished {
                path,
                index,
                result,
                after,
                reason,
                unproven: false,
            }))
        };
        match result {
            Ok(output) => {
                let after = json!({"output": output.value, "summary": output.summary});
                done(ChangeResult::Made, after, "")?;
                Ok(self.judge(scope, step, output).into_ended(1).into())
            }
            Err(failure) if failure.not_executed => {
                done(ChangeResult::NotMade, Value::Null, &failure.message)?;
                Ok(failed(&failure, 1).into())
            }
            Err(failure) => {
                (context.progress)(&failure.message);
                let (path, reason) = (path.to_owned(), failure.message);
                self.recorder.record(Event::ChangeDoubted(ChangeDoubted {
                    path,
                    index,
                    reason,
                }))?;
                Ok(End::InDoubt)
            }
        }
    }
}
