//! An action that cannot be previewed: only its intent and its end are known, and in between only a
//! person can say.

use super::change::digest;
use super::consent::{Answer, word};
use super::ended::{End, Ended, failed};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Action, Output};
use crate::document::Step;
use crate::event::{
    ChangeFinished, ChangeResult, ChangeStarted, ChangesPlanned, Event, ObjectReference, Outcome,
    PlannedChange, StepMark,
};
use crate::state::{ChangeStage, ChangeState};
use serde_json::{Value, json};

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
        if !self.settle_doubt(path, &context).await? {
            return Ok(End::InDoubt);
        }
        if let Some(mark) = self.recorder.state(|state| state.marked(path).cloned()) {
            let by = format!("{}: {}", mark.by, mark.reason);
            match mark.mark {
                StepMark::Skip => {
                    return Ok(
                        Ended::without_output(Outcome::Skipped, format!("skipped by {by}")).into()
                    );
                }
                StepMark::Done => {
                    return Ok(self
                        .judge(scope, step, Output::new(json!({"by_hand": by}), "done by hand"))
                        .into_ended(1)
                        .into());
                }
                StepMark::NotDone => {}
            }
        }
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        if let Some(ChangeState { stage: ChangeStage::Finished(finished), .. }) =
            known.iter().find(|change| change.is_made())
        {
            // it ended, and the process died before it was judged
            let summary = finished.after["summary"].as_str().unwrap_or_default().to_owned();
            return Ok(self
                .judge(scope, step, Output::new(finished.after["output"].clone(), summary))
                .into_ended(1)
                .into());
        }
        if let Some(ended) = self.permit.cleared(action, &context).await? {
            return Ok(ended.into());
        }
        let summary = action.manual_commands(&context.namespace).join("; ");
        // its digest is one of what stands in the record
        let planned = self.recorder.as_recorded(PlannedChange {
            object: ObjectReference {
                kind: action.name().to_owned(),
                name: path.to_owned(),
                ..ObjectReference::default()
            },
            verb: "run".to_owned(),
            summary,
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
        let asked = tokio::time::Instant::now();
        match self.consent(step, path, &self.title_of(scope, step), &changes, &digest).await? {
            Answer::Yes => {}
            Answer::No => {
                return Ok(
                    Ended::without_output(Outcome::Cancelled, "rejected at the prompt").into()
                );
            }
            Answer::Nobody(waits) => return Ok(End::Waits(waits)),
        }
        // a person may think as long as they like
        context.deadline += asked.elapsed();
        if let Some(reason) = self.permit.lock_lost().await {
            return Ok(Ended::without_output(Outcome::Error, reason).into());
        }
        let index = 0;
        self.recorder
            .record(Event::ChangeStarted(ChangeStarted { path: path.to_owned(), index }))?;
        crate::failpoint::hit("before the opaque action");
        let result = tokio::select! {
            result = action.perform(&context) => result,
            () = self.stop.token(true).cancelled() => {
                return Ok(End::InDoubt);
            }
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
                done(
                    ChangeResult::Made,
                    json!({"output": output.value, "summary": output.summary}),
                    "",
                )?;
                Ok(self.judge(scope, step, output).into_ended(1).into())
            }
            Err(failure) if failure.not_executed => {
                done(ChangeResult::NotMade, Value::Null, &failure.message)?;
                Ok(failed(&failure, 1).into())
            }
            Err(failure) => {
                (context.progress)(&failure.message);
                Ok(End::InDoubt)
            }
        }
    }
}
