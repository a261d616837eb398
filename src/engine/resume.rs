//! Which steps of an earlier process are kept. Pure.

use super::part::ASKING;
use crate::event::{Event, PlannedStep, Reason, Record, StepFinished, StepKind};
use crate::state::RunState;
use std::collections::BTreeMap;

/// The finished steps of an earlier process.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// By path; those that were not changed since. With their outputs, of which large ones stay in
    /// their files until they are needed.
    pub steps: BTreeMap<String, StepFinished>,
    /// Paths of those that were changed and are done again.
    pub changed: Vec<String>,
    /// A change that is written otherwise now counts as made all the same: a person says so.
    pub despite_changes: bool,
}

impl Kept {
    /// The paths that are kept.
    pub fn paths(&self) -> Vec<String> {
        self.steps.keys().cloned().collect()
    }
}

/// Decides what is kept: what was judged, and is still written as it was. What could not be looked
/// at is looked at again, and whether a step is skipped is decided again. Groups and called runbooks
/// are gone through again: in them, each step is kept or not. `records` are those that led to the
/// state.
pub fn kept(state: &RunState, planned: &[PlannedStep], records: Vec<Record>) -> Kept {
    let mut kept = Kept::default();
    let digests: BTreeMap<_, _> =
        planned.iter().map(|step| (step.path.as_str(), step.digest.as_str())).collect();
    let has_steps = |step: &StepFinished| step.action.is_group() || step.action == StepKind::Run;
    for finished in state.ended().filter(|step| !has_steps(step)) {
        // a person left it out
        let is_left_out = matches!(&finished.why, Some(Reason::LeftOut { option })
            if option == ASKING);
        if !finished.outcome.is_judged() && !is_left_out {
            continue;
        }
        match digests.get(finished.path.as_str()) {
            Some(digest) if *digest != finished.digest => kept.changed.push(finished.path.clone()),
            // a step of a loop or of a called runbook is not in the plan: its own digest is
            // compared when it is met again
            Some(_) | None => drop(kept.steps.insert(finished.path.clone(), finished.clone())),
        }
    }
    for record in records {
        if let Event::StepFinished(finished) = record.event
            && let Some(step) = kept.steps.get_mut(&finished.path)
        {
            *step = *finished;
        }
    }
    kept
}
