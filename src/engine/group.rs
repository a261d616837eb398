//! Steps within a step: one after the other or side by side, with rescue and always.

use super::ended::{Ended, Lack, judged};
use super::scope::{Scope, StepResult};
use super::{EngineError, Run};
use crate::document::{Group, Step};
use crate::event::{Outcome, Reason};
use crate::expression::Data;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl Run {
    /// A group. Its outcome is the worst of its steps; recovered if the rescue made good what
    /// failed.
    pub(super) async fn group(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        group: &Arc<Group>,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        let begun = self.begin(scope, step, path)?;
        let mut inner = scope.inside(path, step.severity);
        inner.guards |= !Self::goes_on(scope, step.on_failure);
        if let Some(timeout) = super::attempt::timeout(scope, step) {
            let own = Instant::now() + timeout;
            inner.deadline = Some(inner.deadline.map_or(own, |outer| own.min(outer)));
        }
        let steps = self.unless_cleaned_up(&inner, &group.steps, &group.always);
        if group.parallel > 1 {
            self.side_by_side(&steps, group).await?;
        } else {
            self.sequence(&steps, &group.steps).await?;
        }
        let (mut outcome, mut reason) = judged(&group.steps, &inner, false);
        if self.is_rescued(&steps, group, outcome, &reason).await? {
            (outcome, reason) = (Outcome::Recovered, Reason::default());
        }
        let is_whole = self.sequence(&inner.unstoppable(), &group.always).await?;
        self.note_cleanup(&inner, &group.steps, &group.always, is_whole);
        let (always, of_always) = judged(&group.always, &inner, false);
        if outcome.is_good() && !always.is_good() {
            (outcome, reason) = (always, of_always);
        }
        if self.halted(scope) && outcome.is_good() {
            (outcome, reason) = (Outcome::Cancelled, Reason::default());
        }
        let results: Vec<_> = group
            .children()
            .filter_map(|child| Some((child.id.clone(), inner.result(&child.id)?)))
            .collect();
        let passed = results.iter().filter(|(_, result)| result.outcome.is_good()).count();
        let outcome_of = |result: &StepResult| Value::from(result.outcome.as_str());
        let output = results.iter().map(|(id, result)| {
            (
                id.clone(),
                Data::object([
                    ("outcome", outcome_of(result).into()),
                    ("output", result.output.clone()),
                ]),
            )
        });
        // the outputs stand in the records of the steps
        let recorded =
            results.iter().map(|(id, result)| (id.clone(), json!({"outcome": outcome_of(result)})));
        let ended = Ended {
            outcome,
            summary: format!("{passed} of {}", results.len()),
            reason,
            attempts: 1,
            expectations: Vec::new(),
            output: Data::object(output),
            recorded: Some(Value::Object(recorded.collect())),
            lacks: Lack::of(&group.steps, &inner).map(Box::new),
        };
        self.end(scope, step, path, begun, ended)
    }

    /// Runs the rescue of a group whose steps ended like this, unless they ended well. Whether it
    /// has made good what failed.
    async fn is_rescued(
        self: &Arc<Self>,
        inner: &Scope,
        group: &Group,
        outcome: Outcome,
        reason: &Reason,
    ) -> Result<bool, EngineError> {
        if outcome.is_good()
            || self.is_left_out(outcome)
            || group.rescue.is_empty()
            || self.halted(inner)
        {
            return Ok(false);
        }
        self.sequence(inner, &group.rescue).await?;
        let (rescue, _) = judged(&group.rescue, inner, self.halted(inner));
        // a rescue of which every step was left out has made nothing good
        let results = group.rescue.iter().filter_map(|child| inner.result(&child.id));
        let is_done =
            rescue.is_good() && results.map(|result| result.outcome).any(Outcome::is_good);
        // what is unknown or was refused, unlike what only stopped the group, is not made good
        let failed = matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Error);
        Ok(is_done && (failed || !reason.is_empty()))
    }

    /// The steps of a parallel group, as many at a time as it says, each a task of its own. All of
    /// them are done, whatever comes of one.
    async fn side_by_side(
        self: &Arc<Self>,
        scope: &Scope,
        group: &Arc<Group>,
    ) -> Result<bool, EngineError> {
        let mut branches = JoinSet::new();
        let mut good = true;
        let mut before = CancellationToken::new();
        before.cancel();
        for index in 0..group.steps.len() {
            if branches.len() >= group.parallel {
                good &= next(&mut branches).await?;
            }
            let (run, scope, group) = (Arc::clone(self), scope.branch(), Arc::clone(group));
            let first = std::mem::replace(&mut before, scope.begun.clone());
            branches.spawn(async move {
                let _lets_the_next_begin = scope.begun.clone().drop_guard();
                first.cancelled().await;
                if run.halted(&scope) {
                    return Ok(Outcome::Cancelled);
                }
                run.step(&scope, &group.steps[index]).await
            });
        }
        while !branches.is_empty() {
            good &= next(&mut branches).await?;
        }
        Ok(good)
    }
}

/// Waits for one branch. Whether it ended well.
async fn next(branches: &mut JoinSet<Result<Outcome, EngineError>>) -> Result<bool, EngineError> {
    match branches.join_next().await {
        None => Ok(true),
        Some(Ok(outcome)) => {
            outcome.map(|outcome| outcome.is_good() || outcome == Outcome::Skipped)
        }
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // nobody aborts a branch
            Err(_) => Ok(false),
        },
    }
}
