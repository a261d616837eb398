//! Steps within a step: one after the other or side by side, with rescue and always.

use super::ended::{Ended, worst};
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
        if let Some(timeout) = super::attempt::timeout(scope, step) {
            let own = Instant::now() + timeout;
            inner.deadline = Some(inner.deadline.map_or(own, |outer| own.min(outer)));
        }
        let good = if group.parallel > 1 {
            self.side_by_side(&inner, group).await?
        } else {
            self.sequence(&inner, &group.steps).await?
        };
        let mut outcome = worst(
            group
                .steps
                .iter()
                .filter_map(|child| inner.result(&child.id))
                .map(|result| result.outcome),
        );
        if !good
            && !group.rescue.is_empty()
            && !self.halted(scope)
            && self.sequence(&inner, &group.rescue).await?
        {
            let ends: Vec<Outcome> = group
                .rescue
                .iter()
                .filter_map(|child| inner.result(&child.id))
                .map(|result| result.outcome)
                .collect();
            // a rescue of which every step was left out has made nothing good
            if ends.iter().any(|end| end.is_good())
                && ends.iter().all(|end| end.is_good() || *end == Outcome::Skipped)
            {
                outcome = Outcome::Recovered;
            }
        }
        if !self.sequence(&inner.unstoppable(), &group.always).await? && outcome.is_good() {
            outcome = worst(
                group
                    .always
                    .iter()
                    .filter_map(|child| inner.result(&child.id))
                    .map(|result| result.outcome),
            );
        }
        if self.halted(scope) && outcome.is_good() {
            outcome = Outcome::Cancelled;
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
            reason: Reason::default(),
            attempts: 1,
            expectations: Vec::new(),
            output: Data::object(output),
            recorded: Some(Value::Object(recorded.collect())),
        };
        self.end(scope, step, path, begun, ended)
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
