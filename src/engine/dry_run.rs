//! What a dry run does instead of acting, and what it does not know because of that.

use super::Run;
use super::scope::Scope;
use super::step::Ended;
use crate::action::Action;
use crate::document::{Body, Origin, Step};
use crate::event::{Effect, Outcome};
use std::sync::PoisonError;

/// Whether an action reads only because the document says so: nothing keeps a command in a pod, a
/// command on this machine, or a POST from changing something.
fn is_a_promise(action: &Action) -> bool {
    match action {
        Action::Command(_) | Action::Exec(_) => true,
        Action::Http(http) => !http.method.only_reads(),
        _ => false,
    }
}

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
                let context = self.context(scope, path, self.deadline(scope, step, action));
                Some(self.preview(path, action, &context).await)
            }
            Effect::Opaque => {
                self.leave_out(path);
                let manual_commands = action.manual_commands(&scope.namespace).join("; ");
                Some(Ended::without_output(
                    Outcome::Unknown,
                    format!("cannot be previewed and is not run: {manual_commands}"),
                ))
            }
            Effect::Operator => Some(Ended::without_output(
                Outcome::Skipped,
                "a person is asked here, but not in a dry run",
            )),
            Effect::Read
                if !self.trust_reads
                    && scope.runbook.origin != Origin::Embedded
                    && is_a_promise(action) =>
            {
                Some(Ended::without_output(
                    Outcome::Unknown,
                    "only the runbook says that it reads: not run in a dry run without \
                        --trust-reads",
                ))
            }
            // what only calculates, or calls what is asked itself, knows as much as what it is made
            // from
            Effect::Read if matches!(action, Action::Value(_)) => None,
            // of a runbook that only looks one line says as much as all of its steps would
            Effect::Read
                if matches!(action,
                Action::Run(call) if self.changes_something(&call.runbook)) =>
            {
                None
            }
            Effect::Read => self.left_out().map(|before| {
                Ended::without_output(Outcome::Unknown, format!("step {before} was not run"))
            }),
        }
    }

    fn changes_something(&self, name: &str) -> bool {
        let Some(runbook) = self.plan.loaded.get(name) else { return false };
        let called = |step: &Step| match &step.body {
            Body::Action { sketch, .. } => match sketch.as_ref() {
                Action::Run(call) => self.changes_something(&call.runbook),
                _ => false,
            },
            Body::Group(_) => false,
        };
        runbook
            .all_steps()
            .into_iter()
            .any(|step| matches!(step.own_effect(), Effect::Write | Effect::Opaque) || called(step))
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
