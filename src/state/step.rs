//! What is known of one step.

use crate::event::{Effect, Outcome, StepFinished, StepKind, StepStarted};
use jiff::Timestamp;

/// A step that has begun or ended.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Begun, no outcome yet: it runs, or the process died in it.
    Begun {
        /// What began.
        started: StepStarted,
        /// When it began.
        at: Timestamp,
        /// Why the last attempt that failed did so, if one did.
        last_failure: Option<String>,
    },
    /// Over. Its output is not here: the record has it.
    Finished(Box<StepFinished>),
}

impl StepState {
    /// What the step is called for a person.
    pub fn title(&self) -> &str {
        match self {
            Self::Begun { started, .. } => &started.title,
            Self::Finished(finished) => &finished.title,
        }
    }

    /// The item of the round of a loop that it is; empty if it is none.
    pub fn item(&self) -> &str {
        match self {
            Self::Begun { started, .. } => &started.item,
            Self::Finished(finished) => &finished.item,
        }
    }

    /// What it does.
    pub fn action(&self) -> &StepKind {
        match self {
            Self::Begun { started, .. } => &started.action,
            Self::Finished(finished) => &finished.action,
        }
    }

    /// What it can do.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Begun { started, .. } => started.effect,
            Self::Finished(finished) => finished.effect,
        }
    }

    /// Whether it is no step of the runbook, but what comes before the first one.
    pub fn is_preflight(&self) -> bool {
        *self.action() == StepKind::Preflight
    }

    /// The digest of how it was written when it came there.
    pub fn digest(&self) -> &str {
        match self {
            Self::Begun { started, .. } => &started.digest,
            Self::Finished(finished) => &finished.digest,
        }
    }

    /// Whether it did something itself: neither a group nor a called runbook does, nor what was
    /// skipped.
    pub fn was_executed(&self) -> bool {
        let has_steps = self.action().is_group() || *self.action() == StepKind::Run;
        let was_done = match self {
            Self::Begun { .. } => true,
            Self::Finished(finished) => finished.attempts > 0,
        };
        was_done && !has_steps
    }

    /// Whether it changes something, or may.
    pub fn changes(&self) -> bool {
        matches!(self.effect(), Effect::Write | Effect::Opaque)
    }

    /// How it ended; none while it has not.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Begun { .. } => None,
            Self::Finished(finished) => Some(finished.outcome),
        }
    }
}
