//! What a step does: a verb, or one of the constructs that the engine does itself.

use super::ended::{End, Ended};
use super::scope::{Blank, Scope};
use super::{EngineError, Run};
use crate::action::{Action, Output};
use crate::construct::{Construct, Pause};
use crate::document::{Body, Step, Written};
use crate::event::{Effect, Mode, Outcome};
use crate::expression::{Budget, Expectation, Jq};
use serde_json::Value;
use std::sync::Arc;

impl Run {
    /// A step that has no steps in it, from its intent to its end.
    pub(super) async fn act(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        if let Some(blank) = self.hindered(scope, step, path) {
            return self.undone(scope, step, path, blank);
        }
        let begun = self.begin(scope, step, path)?;
        let end = match self.body(scope, step, path).await {
            Ok(end) => end,
            Err(Stuck::Engine(error)) => return Err(error),
            Err(Stuck::Unresolved(reason)) => Ended::without_output(Outcome::Error, reason).into(),
        };
        self.close(scope, step, path, begun, end)
    }

    /// Why a step is not executed although its turn has come: it needs what is not known, or it is
    /// a change behind a step that was left out.
    pub(super) fn hindered(&self, scope: &Scope, step: &Step, path: &str) -> Option<Blank> {
        let expected = step.expect.iter().flat_map(Expectation::references);
        // a step that does not exist in `until` is for the condition to judge, a name is not
        let until = step.poll.iter().filter_map(|poll| poll.until.as_ref());
        let names = until.flat_map(Jq::references).filter(|reference| reference.root != "steps");
        let references = step.body.references().into_iter().chain(expected).chain(names);
        scope.blank(references).or_else(|| {
            let reason = self.unguarded(step, path)?;
            Some((Outcome::Unknown, reason))
        })
    }

    async fn body(self: &Arc<Self>, scope: &Scope, step: &Step, path: &str) -> Result<End, Stuck> {
        if self.mode == Mode::DryRun
            && let Some(ended) = self.dry_construct(step)
        {
            return Ok(ended.into());
        }
        Ok(match &step.body {
            Body::Verb(written) => {
                let action = written.resolve(&scope.context_for(&written.arguments))?;
                self.verb(scope, step, path, &action).await?
            }
            Body::Value(program) => self.value(scope, step, program).into(),
            Body::Run(call) => self.call(scope, step, path, &resolved(scope, call)?).await?.into(),
            Body::Confirm(confirm) => {
                self.answered(scope, step, path, &resolved(scope, confirm)?).await?
            }
            Body::Approve(approve) => self.approval_of_another(path, &resolved(scope, approve)?)?,
            Body::Pause(pause) => {
                self.paused_for(scope, step, path, resolved(scope, pause)?).await.into()
            }
            Body::WaitForTime(wait) => {
                self.wait_for_time(scope, step, path, &resolved(scope, wait)?).await?
            }
            // it begins and ends in `Run::group`
            Body::Group(_) => {
                return Err("a group has steps and does nothing itself".to_owned().into());
            }
        })
    }

    async fn verb(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
    ) -> Result<End, EngineError> {
        if self.mode == Mode::DryRun
            && let Some(ended) = self.dry(scope, step, path, action).await
        {
            return Ok(ended.into());
        }
        match action.effect() {
            Effect::Write => {
                let deadline = self.deadline(scope, step, action.timeout());
                self.change(scope, step, path, action, self.context(scope, path, deadline)).await
            }
            Effect::Opaque => self.opaque(scope, step, path, action).await,
            Effect::Read | Effect::Operator => {
                self.attempts(scope, step, path, action).await.map(End::from)
            }
        }
    }

    fn value(&self, scope: &Scope, step: &Step, program: &Jq) -> Ended {
        let bindings = scope.bindings(program.references(), || self.findings_so_far(scope));
        match program.run_one(&Value::Null, &bindings, Budget::default()) {
            Ok(output) => self.judge(scope, step, Output::new(output, "")).into_ended(1),
            Err(error) => {
                Ended { attempts: 1, ..Ended::without_output(Outcome::Error, error.to_string()) }
            }
        }
    }

    async fn paused_for(&self, scope: &Scope, step: &Step, path: &str, pause: Pause) -> Ended {
        let deadline = self.deadline(scope, step, Some(pause.0.0));
        let context = self.context(scope, path, deadline);
        (context.progress)("waiting");
        let ended =
            |outcome, reason: &str| Ended { attempts: 1, ..Ended::without_output(outcome, reason) };
        tokio::select! {
            () = tokio::time::sleep(pause.0.0) => self
                .judge(scope, step, Output::new(Value::Null, pause.0.to_string()))
                .into_ended(1),
            () = context.cancel.cancelled() => ended(Outcome::Cancelled, "stopped while waiting"),
            () = tokio::time::sleep_until(deadline + super::attempt::GRACE) => {
                ended(Outcome::Error, "the time of the step is shorter than the pause")
            }
        }
    }
}

/// Why the body of a step has no end.
enum Stuck {
    /// The run cannot go on.
    Engine(EngineError),
    /// Its arguments cannot be made of what is known.
    Unresolved(String),
}

impl From<EngineError> for Stuck {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<String> for Stuck {
    fn from(reason: String) -> Self {
        Self::Unresolved(reason)
    }
}

fn resolved<T: Construct>(scope: &Scope, written: &Written<T>) -> Result<T, String> {
    written.resolve(&scope.context_for(&written.arguments))
}
