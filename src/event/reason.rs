//! Why a step ended as it did, as a value; and the sentence that is said of it.

use super::{Outcome, StepMarked};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a step did not pass. What a record says of it in words is this value, displayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Reason {
    /// What a look at the world, the server or a person says. Empty where nothing is to be said.
    Says {
        /// In words.
        text: String,
    },
    /// Its condition does not hold.
    OnlyWhen {
        /// The condition in one line.
        condition: String,
    },
    /// Its condition asks for another value of a parameter.
    Parameter {
        /// The parameter.
        name: String,
        /// Its value in a word, empty if it is; none if it was not given.
        value: Option<String>,
    },
    /// How a step ended: its condition asks for another end, or it needs what that step has not
    /// returned.
    Ended {
        /// Id of that step.
        step: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// A person left it out.
    SkippedBy {
        /// Who.
        by: String,
        /// What that person said of it.
        text: String,
    },
    /// The run does a part of its runbook, and the step is not in it.
    LeftOut {
        /// The option that says so, such as `--only`.
        option: String,
    },
    /// A person did not allow its changes.
    Refused,
    /// A guard refused its changes and was not overridden.
    Guard {
        /// Id of the guard.
        guard: String,
        /// What speaks against the changes.
        text: String,
        /// What to do instead.
        instead: String,
    },
    /// A step before it did not pass.
    NotPassed {
        /// Id of that step.
        step: String,
    },
    /// It needs a step of which nothing is known.
    DependsOn {
        /// Id of that step.
        step: String,
        /// How that step ended; none if it was not executed.
        outcome: Option<Outcome>,
        /// Why, where something is to be said of it.
        cause: Option<Box<Reason>>,
    },
    /// It is made from what a step could not read in full.
    Unread {
        /// Id of that step.
        step: String,
        /// What could not be read, and why.
        text: String,
    },
}

impl Reason {
    /// Nothing is known of the step `id`, which has ended like this.
    pub fn depends_on(id: &str, outcome: Outcome, reason: &Self) -> Self {
        let cause = Some(Box::new(reason.root())).filter(|cause| !cause.is_empty());
        Self::DependsOn { step: id.to_owned(), outcome: Some(outcome), cause }
    }

    /// Nothing is known of the step `id`, because it was not executed.
    pub fn not_executed(id: &str) -> Self {
        Self::DependsOn { step: id.to_owned(), outcome: None, cause: None }
    }

    /// A person left the step out.
    pub fn skipped(mark: &StepMarked) -> Self {
        Self::SkippedBy { by: mark.by.clone(), text: mark.reason.clone() }
    }

    /// An option left the step out.
    pub fn left_out(option: &str) -> Self {
        Self::LeftOut { option: option.to_owned() }
    }

    /// What the step `id` could not read, as whoever reads that step sees it: of a chain of steps
    /// the first is named.
    #[must_use]
    pub fn read_by(&self, id: &str) -> Self {
        match self {
            Self::Unread { .. } => self.clone(),
            other => Self::Unread { step: id.to_owned(), text: other.to_string() },
        }
    }

    /// Whether nothing is to be said.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Says { text } if text.is_empty())
    }

    /// The first cause, in short: a chain of steps that depend on each other has one cause, and it
    /// is told with its explanation at the step where it arose.
    fn root(&self) -> Self {
        match self {
            Self::DependsOn { cause: Some(cause), .. } => cause.root(),
            Self::Says { text } | Self::Unread { text, .. } | Self::Guard { text, .. } => {
                Self::from(text.split(';').next().unwrap_or(text).trim())
            }
            Self::DependsOn { cause: None, .. }
            | Self::OnlyWhen { .. }
            | Self::Parameter { .. }
            | Self::Ended { .. }
            | Self::SkippedBy { .. }
            | Self::LeftOut { .. }
            | Self::Refused
            | Self::NotPassed { .. } => self.clone(),
        }
    }
}

impl Default for Reason {
    fn default() -> Self {
        Self::Says { text: String::new() }
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::Says { text }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::Says { text: text.to_owned() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Says { text } => f.write_str(text),
            Self::OnlyWhen { condition } => write!(f, "only when {condition}"),
            Self::Parameter { name, value } => match value.as_deref() {
                None => write!(f, "parameter {name} is not given"),
                Some("") => write!(f, "parameter {name} is empty"),
                Some(value) => write!(f, "parameter {name} is {value}"),
            },
            Self::Ended { step, outcome } => write!(f, "step {step} {}", outcome.words()),
            Self::SkippedBy { by, text } => write!(f, "skipped by {by}: {text}"),
            Self::LeftOut { option } => write!(f, "skipped by {option}"),
            Self::Refused => f.write_str("declined at the prompt"),
            Self::Guard { guard, text, instead } => {
                write!(f, "{text}; {instead}, or override the guard: --override {guard}")
            }
            Self::NotPassed { step } => write!(f, "step {step} did not pass"),
            Self::Unread { step, text } => write!(f, "step {step}: {text}"),
            Self::DependsOn { step, outcome, cause } => {
                // an end that says something is no reason: what was made of it could not be judged
                let how = match outcome {
                    None => "was not executed",
                    Some(outcome) if outcome.is_judged() => Outcome::Error.words(),
                    Some(outcome) => outcome.words(),
                };
                write!(f, "step {step} {how}")?;
                cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_chain_of_steps_names_the_step_before_and_the_first_cause_in_short() {
        let refused = Reason::from("connection refused; is it running?");
        let first = Reason::depends_on("a", Outcome::Error, &refused);
        assert_eq!(first.to_string(), "step a could not be determined: connection refused");
        let second = Reason::depends_on("b", Outcome::Unknown, &first);
        assert_eq!(second.to_string(), "step b is unknown: connection refused");
        let condition = "any($steps.c.output[]; .bad)".to_owned();
        let skipped = Reason::depends_on("c", Outcome::Skipped, &Reason::OnlyWhen { condition });
        let said = "step c was skipped: only when any($steps.c.output[]; .bad)";
        assert_eq!(skipped.to_string(), said, "a condition has no explanation behind it");
        let nothing = Reason::depends_on("d", Outcome::Cancelled, &Reason::default());
        assert_eq!(nothing.to_string(), "step d was stopped");
        let after = Reason::depends_on("e", Outcome::Unknown, &nothing);
        assert_eq!(after.to_string(), "step e is unknown: step d was stopped");
        assert_eq!(Reason::not_executed("f").to_string(), "step f was not executed");
        let (guard, instead) = ("last-replica".to_owned(), "scale it up first".to_owned());
        let refused = Reason::Guard { guard, text: "it has one replica".to_owned(), instead };
        let said = "it has one replica; scale it up first, or override the guard: --override \
            last-replica";
        assert_eq!(refused.to_string(), said);
        let behind = Reason::depends_on("h", Outcome::Error, &refused);
        assert_eq!(behind.to_string(), "step h could not be determined: it has one replica");
        // what was said of a step is not taken for a chain, whatever it looks like
        let named = Reason::depends_on("g", Outcome::Error, &Reason::from("step x: no"));
        assert_eq!(named.to_string(), "step g could not be determined: step x: no");
    }

    #[test]
    fn of_what_could_not_be_read_the_first_step_is_named() {
        let logs = Reason::from("pod/a could not be read: gone").read_by("logs");
        assert_eq!(logs.to_string(), "step logs: pod/a could not be read: gone");
        assert_eq!(logs.read_by("count"), logs);
        let unknown = Reason::depends_on("count", Outcome::Error, &logs);
        let said = "step count could not be determined: pod/a could not be read: gone";
        assert_eq!(unknown.to_string(), said);
    }

    #[test]
    fn a_reason_is_the_same_from_its_record() {
        let (step, text) = ("a".to_owned(), "b".to_owned());
        let unread = Reason::Unread { step: step.clone(), text };
        for (reason, record) in [
            (Reason::from("b"), json!({"is": "says", "text": "b"})),
            (
                Reason::depends_on("a", Outcome::Skipped, &Reason::NotPassed { step }),
                json!({"is": "depends_on", "step": "a", "outcome": "skipped",
                    "cause": {"is": "not_passed", "step": "a"}}),
            ),
            (Reason::left_out("--only"), json!({"is": "left_out", "option": "--only"})),
            (unread, json!({"is": "unread", "step": "a", "text": "b"})),
        ] {
            assert_eq!(serde_json::to_value(&reason).unwrap(), record);
            assert_eq!(serde_json::from_value::<Reason>(record).unwrap(), reason);
        }
    }
}
