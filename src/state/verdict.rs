//! From outcomes to a verdict.

use super::{RunState, StepState};
use crate::event::{FindingConcluded, Outcome, Reason, Severity, StepFinished, Verdict, is_within};

/// The verdict of outcomes and findings, with its exit code. Only what is critical counts, and the
/// worst wins: false before not judged, not judged before unknown, unknown before cancelled.
pub fn verdict(
    steps: impl IntoIterator<Item = (Outcome, Severity)>,
    findings: &[FindingConcluded],
) -> (Verdict, u8) {
    let cause =
        findings.iter().any(|finding| finding.severity == Severity::Critical && !finding.fixed);
    let worst = steps
        .into_iter()
        .filter(|(_, severity)| *severity == Severity::Critical)
        .map(|(outcome, _)| rank(outcome))
        .chain(cause.then_some(4))
        .max();
    match worst {
        Some(4) => (Verdict::Failed, 1),
        Some(3) => (Verdict::Error, 3),
        Some(2) => (Verdict::Unknown, 3),
        // by a person's no; what a signal stopped has the exit code of the signal
        Some(1) => (Verdict::Cancelled, 3),
        _ => (Verdict::Passed, 0),
    }
}

fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Failed | Outcome::TimedOut => 4,
        Outcome::Error => 3,
        Outcome::Unknown => 2,
        Outcome::Cancelled => 1,
        Outcome::Passed | Outcome::Recovered | Outcome::Skipped => 0,
    }
}

impl RunState {
    /// The verdict of the steps and findings so far, with its exit code. A part that is well says
    /// nothing of the whole.
    pub fn verdict(&self) -> (Verdict, u8) {
        let counted = self.counted().map(|step| (step.outcome, step.severity));
        match verdict(counted, self.findings()) {
            (Verdict::Passed, _) if self.is_stopped_early() => (Verdict::Unknown, 3),
            (Verdict::Passed, code) if self.left_out() > 0 => (Verdict::Partial, code),
            other => other,
        }
    }

    /// Whether a step that counts was not executed because of one before it, which may itself not
    /// count.
    pub fn is_stopped_early(&self) -> bool {
        let recovered = self.recovered();
        self.ended().any(|step| {
            step.severity == Severity::Critical
                && matches!(step.why, Some(Reason::NotPassed { .. }))
                && !recovered.iter().any(|group| is_within(&step.path, group))
        })
    }

    /// The paths of the groups of which a rescue made the failure good.
    fn recovered(&self) -> Vec<&str> {
        let groups = self.ended().filter(|step| step.outcome == Outcome::Recovered);
        groups.map(|step| step.path.as_str()).collect()
    }

    /// How many steps were left out because the run does a part of its runbook; of a group those
    /// that are written in it.
    pub fn left_out(&self) -> usize {
        let is_left_out = |step: &&StepFinished| matches!(step.why, Some(Reason::LeftOut { .. }));
        let planned = self.header().map(|header| header.steps.as_slice()).unwrap_or_default();
        let within = |group: &StepFinished| {
            let inner = planned.iter().filter(|step| !step.action.is_group());
            inner.filter(|step| is_within(&step.path, &group.path)).count().max(1)
        };
        let count = |step: &StepFinished| if step.action.is_group() { within(step) } else { 1 };
        self.ended().filter(is_left_out).map(count).sum()
    }

    /// The ended steps that count for the verdict. A failure inside a recovered group does not: the
    /// rescue made it good. A group stands for its steps, unless it ended badly and no step in it
    /// says so.
    pub fn counted(&self) -> impl Iterator<Item = &StepFinished> {
        let recovered = self.recovered();
        self.ended().filter(move |step| {
            let forgiven = rank(step.outcome) > 0
                && recovered.iter().any(|group| is_within(&step.path, group));
            !forgiven && (!step.action.is_group() || self.is_unexplained(step))
        })
    }

    /// Whether a group ended other than well and no step in it ended that way: its own line must
    /// say so.
    pub fn is_unexplained(&self, group: &StepFinished) -> bool {
        rank(group.outcome) > 0
            && !self.ended().any(|step| {
                !step.action.is_group()
                    && is_within(&step.path, &group.path)
                    && rank(step.outcome) >= rank(group.outcome)
            })
    }

    /// The steps that have ended, in the order of first begin.
    pub fn ended(&self) -> impl Iterator<Item = &StepFinished> {
        self.steps().filter_map(|(_, state)| match state {
            StepState::Begun { .. } => None,
            StepState::Finished(finished) => Some(&**finished),
        })
    }
}
