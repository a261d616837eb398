//! What a dry run does instead of acting, and what it does not know because of that.

use super::Run;
use super::ended::Ended;
use super::scope::Scope;
use crate::action::Action;
use crate::document::{Body, Origin, Step};
use crate::event::{Effect, Outcome};
use std::sync::PoisonError;

impl Run {
    /// What comes of a step in a dry run; none if it is done as in any run.
    pub(super) async fn dry(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
    ) -> Option<Ended> {
        match action.effect() {
            Effect::Write => {
                let context =
                    self.context(scope, path, self.deadline(scope, step, action.timeout()));
                Some(self.preview(path, action, &context).await)
            }
            Effect::Opaque => {
                self.leave_out(path);
                let manual_commands = action.manual_commands(&scope.namespace).join("; ");
                Some(Ended::without_output(
                    Outcome::Unknown,
                    format!("cannot be previewed and is not executed: {manual_commands}"),
                ))
            }
            Effect::Read | Effect::Operator if action.leaves_file() => {
                let commands = action.manual_commands(&scope.namespace).join("; ");
                let text = format!("leaves a file on this machine and is not executed: {commands}");
                Some(Ended::without_output(Outcome::Unknown, text))
            }
            Effect::Read | Effect::Operator
                if !self.trust_reads
                    && scope.runbook.origin != Origin::Embedded
                    && action.is_promised() =>
            {
                Some(Ended::without_output(
                    Outcome::Unknown,
                    "declared as read-only by the runbook: not executed in a dry run without \
                        --trust-reads",
                ))
            }
            Effect::Read | Effect::Operator => self.behind(),
        }
    }

    /// What comes of a construct in a dry run; none if it is done as in any run. What only
    /// calculates, or calls what is asked itself, knows as much as what it is made from.
    pub(super) fn dry_construct(&self, step: &Step) -> Option<Ended> {
        match &step.body {
            Body::Confirm(_) | Body::Approve(_) => {
                Some(Ended::without_output(Outcome::Skipped, "a dry run asks nobody"))
            }
            Body::Pause(_) => self.behind(),
            // of a runbook that only looks one line says as much as all of its steps would
            Body::Run(_) if !self.changes_something(step) => self.behind(),
            // it says what it would wait for
            Body::Run(_)
            | Body::Value(_)
            | Body::Verb(_)
            | Body::WaitForTime(_)
            | Body::Group(_) => None,
        }
    }

    /// What is looked at after a step that was not done would be looked at too early.
    fn behind(&self) -> Option<Ended> {
        let before = self.left_out()?;
        Some(Ended::without_output(Outcome::Unknown, format!("step {before} was not executed")))
    }

    fn changes_something(&self, step: &Step) -> bool {
        matches!(self.plan.effect_of(step), Effect::Write | Effect::Opaque)
    }

    /// Remembers the first step that was not done: what is looked at after it would be looked at
    /// too early.
    pub(super) fn leave_out(&self, path: &str) {
        self.left_out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| path.to_owned());
    }

    /// The first step that was not done.
    pub(super) fn left_out(&self) -> Option<String> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
