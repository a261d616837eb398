//! The part of a runbook that a run does: which steps are left out, and which changes then have
//! nobody who looked before them.

use super::ended::{End, Ended, Waits};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Go, Upcoming};
use crate::blocking::asking;
use crate::document::{Body, Step};
use crate::event::{Effect, Mode, Outcome, Part, Reason, Severity, covers};
use crate::plan::Plan;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The option by which a person leaves out one step after the other.
pub(super) const ASKING: &str = "--step";

/// Which steps are done.
pub(super) struct Selection {
    part: Part,
    /// Paths of the steps of the plan, in order.
    planned: Vec<String>,
    /// Paths of steps that are done whenever what is around them is: they clean up or make good.
    indispensable: BTreeSet<String>,
    /// Nobody is asked any more.
    asked_enough: AtomicBool,
    /// Id of the first step that was left out and would have stopped the run, had it not passed.
    unguarded: Mutex<Option<String>>,
}

impl Selection {
    pub(super) fn new(plan: &Plan, part: Part) -> Self {
        let mut indispensable = BTreeSet::new();
        for step in &plan.runbook.always {
            indispensable.insert(step.id.clone());
        }
        for step in plan.runbook.steps.iter().chain(&plan.runbook.always) {
            in_any_case(step, "", &mut indispensable);
        }
        Self {
            planned: plan.steps().into_iter().map(|step| step.path).collect(),
            asked_enough: AtomicBool::new(!part.asks),
            part,
            indispensable,
            unguarded: Mutex::new(None),
        }
    }

    /// The part, for the record; none if it is all.
    pub(super) fn part(&self) -> Option<Part> {
        Some(self.part.clone()).filter(|part| !part.is_whole())
    }

    /// The option that leaves a step out.
    pub(super) fn leaves_out(&self, path: &str) -> Option<&'static str> {
        let option = self.part.leaves_out(path, self.planned.iter().map(String::as_str))?;
        (!self.is_indispensable(path)).then_some(option)
    }

    fn is_indispensable(&self, path: &str) -> bool {
        self.indispensable.iter().any(|known| covers(known, path))
    }

    /// The step that nobody looked at before this change, though the run would have stopped there.
    /// Where something was changed already, what makes good or cleans up must not be missing.
    pub(super) fn unguarded(&self, path: &str, has_changed: bool) -> Option<String> {
        let unguarded = self.unguarded.lock().unwrap_or_else(PoisonError::into_inner);
        unguarded.clone().filter(|_| !has_changed || !self.is_indispensable(path))
    }

    fn note(&self, step: &Step) {
        let mut unguarded = self.unguarded.lock().unwrap_or_else(PoisonError::into_inner);
        unguarded.get_or_insert_with(|| step.id.clone());
    }
}

/// What is done in a group after it, or when it fails.
fn in_any_case(step: &Step, prefix: &str, into: &mut BTreeSet<String>) {
    let Body::Group(group) = &step.body else { return };
    let prefix = format!("{prefix}{}/", step.id);
    into.extend(
        group.rescue.iter().chain(&group.always).map(|step| format!("{prefix}{}", step.id)),
    );
    group.steps.iter().for_each(|step| in_any_case(step, &prefix, into));
}

impl Run {
    /// Leaves a step out, if the run does another part.
    pub(super) fn outside(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Option<Outcome>, EngineError> {
        let Some(option) = self.selection.leaves_out(path) else { return Ok(None) };
        self.pass_over(scope, step, path, option).map(Some)
    }

    fn pass_over(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        option: &str,
    ) -> Result<Outcome, EngineError> {
        self.note_left_out(scope, step);
        let ended = Ended::without_output(Outcome::Skipped, Reason::left_out(option));
        self.end(scope, step, path, 0, ended)
    }

    /// Remembers a step that was left out, here or in an earlier process, for the changes behind it.
    pub(super) fn note_left_out(&self, scope: &Scope, step: &Step) {
        let counts = scope.severity.min(step.severity) == Severity::Critical;
        if !Self::goes_on(scope, step.on_failure) || (scope.guards && counts) {
            self.selection.note(step);
        }
    }

    /// Why a change is not made although its turn has come: the run would have stopped before it,
    /// had a step that was left out not passed.
    pub(super) fn unguarded(&self, step: &Step, path: &str) -> Option<Reason> {
        let changes = matches!(step.body, Body::Verb(_))
            && matches!(step.body.effect(), Effect::Write | Effect::Opaque);
        let has_changed = || !self.recorder.state(|state| state.made().is_empty());
        let guard = self.selection.unguarded(path, changes && has_changed()).filter(|_| changes)?;
        Some(Reason::depends_on(&guard, Outcome::Skipped, &Reason::default()))
    }

    /// Asks before a step, if the run asks before every step. The end of the step, unless it is to
    /// be done.
    pub(super) async fn asked_before(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Option<Outcome>, EngineError> {
        // what asks a person anyway needs no question before it
        let asks = !matches!(step.body, Body::Group(_)) && step.effect() != Effect::Operator;
        if !asks || self.selection.asked_enough.load(Ordering::Relaxed) {
            return Ok(None);
        }
        // nor does what is not executed whatever the answer is
        if self.hindered(scope, step, path).is_some() {
            return Ok(None);
        }
        let upcoming = Upcoming {
            path: path.to_owned(),
            title: self.title_of(scope, step),
            verb: step.verb().to_owned(),
            effect: self.plan.effect_of(step),
            is_dry: self.mode == Mode::DryRun,
            place: super::asked::place(&self.permit.target),
        };
        let prompt = self.prompt.clone();
        let rehearsed = self.recorder.clock().is_simulated();
        match asking(rehearsed, move || prompt.before(&upcoming)).await {
            Some(Go::On) => Ok(None),
            Some(Go::ToTheEnd) => {
                self.selection.asked_enough.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Some(Go::Past) => self.pass_over(scope, step, path, ASKING).map(Some),
            None => {
                let command = self.resume_command(None);
                let waits = Waits { what: "an answer", command, due: None, before: "" };
                self.close(scope, step, path, 0, End::Waits(waits)).map(Some)
            }
        }
    }
}
