//! What a step does, by name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a step does: a construct of the language, or a verb. In records it is its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum StepKind {
    /// Steps in it, or one for each item of a list: it stands for them.
    Group,
    /// No step of the runbook, but what comes before the first one: reaching the cluster,
    /// permissions, the lock.
    Preflight,
    /// Another runbook as a step.
    Run,
    /// Calculates.
    Value,
    /// Asks who runs it.
    Confirm,
    /// Asks somebody else.
    Approve,
    /// Waits.
    Pause,
    /// Waits for a time of the clock.
    WaitForTime,
    /// Watches a rollout to its end.
    Rollout,
    /// Takes back a change of an earlier run.
    Undo,
    /// Another verb.
    Verb(String),
}

impl StepKind {
    /// The name in records.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Group => "group",
            Self::Preflight => "preflight",
            Self::Run => "run",
            Self::Value => "value",
            Self::Confirm => "confirm",
            Self::Approve => "approve",
            Self::Pause => "pause",
            Self::WaitForTime => "wait_for_time",
            Self::Rollout => "rollout",
            Self::Undo => "undo",
            Self::Verb(name) => name,
        }
    }

    /// Whether it stands for the steps in it.
    pub fn is_group(&self) -> bool {
        *self == Self::Group
    }
}

impl From<&str> for StepKind {
    fn from(name: &str) -> Self {
        let named = [
            Self::Group,
            Self::Preflight,
            Self::Run,
            Self::Value,
            Self::Confirm,
            Self::Approve,
            Self::Pause,
            Self::WaitForTime,
            Self::Rollout,
            Self::Undo,
        ];
        named
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .unwrap_or_else(|| Self::Verb(name.to_owned()))
    }
}

impl From<String> for StepKind {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<StepKind> for String {
    fn from(kind: StepKind) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
