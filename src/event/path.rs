//! The step that an event is about.

use super::Event;

impl Event {
    /// Path of the step that it is about; none if it is about the run.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::StepStarted(event) => Some(&event.path),
            Self::StepRetried(event) => Some(&event.path),
            Self::ChangesPlanned(event) => Some(&event.path),
            Self::ChangeStarted(event) => Some(&event.path),
            Self::ChangeNoted(event) => Some(&event.path),
            Self::ChangeDoubted(event) => Some(&event.path),
            Self::ChangeFinished(event) => Some(&event.path),
            Self::ProgramStarted(event) => Some(&event.path),
            Self::StepDue(event) => Some(&event.path),
            Self::StepAsked(event) => Some(&event.path),
            Self::StepApproved(event) => Some(&event.path),
            Self::StepMarked(event) => Some(&event.path),
            Self::StepFinished(event) => Some(&event.path),
            Self::RunStarted(_)
            | Self::RunResumed(_)
            | Self::Lock(_)
            | Self::FindingConcluded(_)
            | Self::FindingNotRuledOut(_)
            | Self::RunInterrupted(_)
            | Self::RunFinished(_) => None,
        }
    }
}
