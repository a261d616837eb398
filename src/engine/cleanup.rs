//! What is done always, and what that means for a resume: where a run was stopped and has cleaned
//! up, its earlier changes may be taken back, and nothing more is done on top of them.

use super::Run;
use super::scope::Scope;
use crate::document::Step;
use crate::event::{Outcome, covers};
use crate::state::{RunState, StepState};
use std::sync::atomic::Ordering;

impl Run {
    /// The scope of `steps`, which are followed by `always`.
    pub(super) fn unless_cleaned_up(
        &self,
        scope: &Scope,
        steps: &[Step],
        always: &[Step],
    ) -> Scope {
        let is_cleaned_up = scope.is_cleaned_up || self.was_cleaned_up(scope, steps, always);
        let mut scope = scope.clone();
        scope.is_cleaned_up = is_cleaned_up;
        scope
    }

    /// Remembers that what cleans up behind `steps` is done; `is_whole`: all of it.
    pub(super) fn note_cleanup(
        &self,
        scope: &Scope,
        steps: &[Step],
        always: &[Step],
        is_whole: bool,
    ) {
        if is_whole && self.was_cleaned_up(scope, steps, always) {
            self.is_cleaned_up.store(true, Ordering::Relaxed);
        }
    }

    fn was_cleaned_up(&self, scope: &Scope, steps: &[Step], always: &[Step]) -> bool {
        let paths =
            |steps: &[Step]| steps.iter().map(|step| scope.path_of(step)).collect::<Vec<_>>();
        !always.is_empty()
            && self.recorder.state(|state| was_cleaned_up(state, &paths(steps), &paths(always)))
    }
}

/// Whether `always` has changed something although not all of `steps` have ended.
fn was_cleaned_up(state: &RunState, steps: &[String], always: &[String]) -> bool {
    let is_open = |path: &String| {
        let outcome = state.step(path).and_then(StepState::outcome);
        outcome.is_none_or(|outcome| outcome == Outcome::Cancelled)
    };
    let is_of_always = |path: &str| always.iter().any(|own| covers(own, path));
    steps.iter().any(is_open) && state.made().iter().any(|made| is_of_always(made.path))
}
