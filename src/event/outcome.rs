//! The small vocabularies of events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a step ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every expectation holds.
    Passed,
    /// An expectation is false.
    Failed,
    /// It could not be judged: not reached, not allowed, no answer.
    Error,
    /// It depends on something that was not done or not known.
    Unknown,
    /// Its condition was false, or the run had stopped before it.
    Skipped,
    /// It failed and its rescue succeeded.
    Recovered,
    /// Its deadline passed.
    TimedOut,
    /// A person or a signal stopped it.
    Cancelled,
}

impl Outcome {
    /// Whether the step says something about the world: it passed, failed or was recovered.
    pub fn is_judged(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::TimedOut | Self::Recovered)
    }

    /// For a person, behind the name of the step: `could not be determined`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "could not be determined",
            Self::Unknown => "is unknown",
            Self::Skipped => "was skipped",
            Self::Recovered => "was recovered",
            Self::TimedOut => "timed out",
            Self::Cancelled => "was stopped",
        }
    }

    /// Whether the step counts as good: passed or recovered.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::Recovered)
    }

    /// Whether the step says that something is wrong: an expectation is false, or did not become
    /// true in time.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }

    /// The word used in machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
            Self::Recovered => "recovered",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whether a failure counts.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For information only.
    Info,
    /// Worth a look; leaves the verdict as it is.
    Warning,
    /// Decides the verdict.
    #[default]
    Critical,
}

/// What an action can do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Looks, changes nothing.
    Read,
    /// Asks a person.
    Operator,
    /// Changes something and can show beforehand what.
    Write,
    /// May change something and cannot be previewed.
    Opaque,
}

/// Kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// An ordinary run.
    Run,
    /// Nothing is changed.
    DryRun,
    /// An earlier run taken up again.
    Resume,
    /// Changes of an earlier run taken back.
    Undo,
}

/// Result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that counts holds.
    Passed,
    /// Something that counts is false.
    Failed,
    /// Nothing is false, and something could not be looked at.
    Error,
    /// Nothing is false, and something stayed unknown.
    Unknown,
    /// Waits for a person.
    Paused,
    /// A change may or may not have happened.
    InDoubt,
    /// Stopped by a person or a signal.
    Cancelled,
    /// Stopped by the time limit of the whole run.
    TimedOut,
    /// Of a dry run: nothing is false, and what it did not do stays unknown.
    Previewed,
    /// What was done of the runbook passed, and a person left steps out.
    Partial,
}

impl Verdict {
    /// Whether the run has stopped before its end, which says nothing of what it looks at.
    pub fn is_of_a_stop(self) -> bool {
        matches!(self, Self::Paused | Self::InDoubt | Self::Cancelled | Self::TimedOut)
    }

    /// For a person, at the end of a sentence: `could not be determined`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "could not be determined",
            Self::Unknown => "unknown",
            Self::Paused => "paused",
            Self::InDoubt => "in doubt",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
            Self::Previewed => "previewed",
            Self::Partial => "partial run passed",
        }
    }
}
