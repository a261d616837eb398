//! The end of a step as one value, and how it is folded into the run.

use super::scope::{Scope, StepResult};
use super::{EngineError, Run};
use crate::action::{Failure, FailureKind};
use crate::document::Step;
use crate::event::{Judgement, Next, Outcome, Reason, Severity};
use crate::expression::Data;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How far a step has come in this process.
pub(super) enum End {
    /// It is over.
    Ended(Ended),
    /// A person must say something first, or it is not yet time.
    Waits(Waits),
    /// A request was sent, and nobody knows what came of it.
    InDoubt,
}

/// What came of a step, before it is recorded.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) summary: String,
    pub(super) reason: Reason,
    pub(super) attempts: u32,
    pub(super) expectations: Vec<Judgement>,
    pub(super) output: Data,
    /// What the record shows in place of the output: outputs that have a record of their own are
    /// not recorded twice.
    pub(super) recorded: Option<Value>,
    /// What was not done within it, although it may have ended well.
    pub(super) lacks: Option<Box<Lack>>,
}

/// What a step with steps in it does not tell those that depend on it, and why.
pub(super) enum Lack {
    /// Nothing: a person left a part of it out.
    All(Reason),
    /// Its output is incomplete: what is not in it may be so all the same.
    Some(Reason),
}

impl Lack {
    /// What the end of these steps leaves open.
    pub(super) fn of<'s>(steps: impl IntoIterator<Item = &'s Step>, inner: &Scope) -> Option<Self> {
        let results =
            steps.into_iter().filter_map(|step| Some((&step.id, inner.result(&step.id)?)));
        let open = results.filter_map(|(id, result)| match result.reason {
            Reason::LeftOut { .. } | Reason::SkippedBy { .. } => {
                Some(Self::All(result.leaves_open(id)))
            }
            Reason::NotPassed { .. } => Some(Self::Some(result.leaves_open(id))),
            _ => None,
        });
        open.min_by_key(|lack| matches!(lack, Self::Some(_)))
    }
}

/// What a step waits for.
pub(super) struct Waits {
    /// `approval`, `an answer`, `its time`.
    pub(super) what: &'static str,
    /// What a person types.
    pub(super) command: Next,
    /// The time, if it waits for one.
    pub(super) due: Option<Timestamp>,
    /// Why what was said before is not enough; empty if nothing was.
    pub(super) before: &'static str,
}

/// Why no further step begins, beside a signal. Filled in by [`Run::close`] alone.
#[derive(Default)]
pub(super) struct Halt(Mutex<Halted>);

#[derive(Default)]
struct Halted {
    waiting: BTreeMap<String, Waits>,
    in_doubt: bool,
}

impl Halt {
    fn halted(&self) -> MutexGuard<'_, Halted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is so.
    pub(super) fn is_set(&self) -> bool {
        let halted = self.halted();
        halted.in_doubt || !halted.waiting.is_empty()
    }

    /// The steps that wait for a person or for a time, by path.
    pub(super) fn waiting(&self) -> BTreeMap<String, Waits> {
        std::mem::take(&mut self.halted().waiting)
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Ended {
    /// An end without output.
    pub(super) fn without_output(outcome: Outcome, reason: impl Into<Reason>) -> Self {
        Self {
            outcome,
            summary: String::new(),
            reason: reason.into(),
            attempts: 0,
            expectations: Vec::new(),
            output: Data::default(),
            recorded: None,
            lacks: None,
        }
    }
}

impl Run {
    /// Whether no further step may begin.
    pub(super) fn halted(&self, scope: &Scope) -> bool {
        self.stop.token(scope.always).is_cancelled() || self.halt.is_set()
    }

    /// The one place where the end of a step becomes one of the run: it is recorded, or the run
    /// waits for a person, or ends in doubt. A step without an outcome is met again on resume.
    pub(super) fn close(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        begun: u64,
        end: End,
    ) -> Result<Outcome, EngineError> {
        match end {
            End::Ended(ended) => return self.end(scope, step, path, begun, ended),
            End::Waits(waits) => {
                self.recorder.progress(path, &waits.reason());
                self.halt.halted().waiting.insert(path.to_owned(), waits);
            }
            End::InDoubt => self.halt.halted().in_doubt = true,
        }
        Ok(Outcome::Unknown)
    }
}

impl Waits {
    /// `the approval has expired; waits for approval: runbook approve …`
    fn reason(&self) -> String {
        let Self { what, command, due, before } = self;
        if let Some(due) = due {
            return format!("waits until {due}: {command}");
        }
        let before = if before.is_empty() { String::new() } else { format!("{before}; ") };
        format!("{before}waits for {what}: {command}")
    }
}

pub(super) fn failed(failure: &Failure, attempts: u32) -> Ended {
    let outcome = match failure.kind {
        FailureKind::Transient | FailureKind::Error => Outcome::Error,
        FailureKind::Failed => Outcome::Failed,
        FailureKind::TimedOut => Outcome::TimedOut,
        FailureKind::NotThere => Outcome::Unknown,
        FailureKind::Cancelled => Outcome::Cancelled,
    };
    Ended { attempts, ..Ended::without_output(outcome, failure.message.clone()) }
}

/// A change that was not made, because its verb, the server or someone who was faster speaks
/// against it: that says nothing about the application. Only what was waited for in vain does.
pub(super) fn not_made(failure: &Failure, attempts: u32) -> Ended {
    let ended = failed(failure, attempts);
    Ended {
        outcome: if ended.outcome == Outcome::Failed { Outcome::Error } else { ended.outcome },
        ..ended
    }
}

/// The outcome of what consists of these steps: the worst of those that count; or why it is none of
/// theirs: it was stopped, by a signal or by a step that may itself not count.
pub(super) fn judged<'s>(
    steps: impl IntoIterator<Item = &'s Step>,
    inner: &Scope,
    halted: bool,
) -> (Outcome, Reason) {
    let counted: Vec<_> = steps
        .into_iter()
        .filter(|child| child.severity == Severity::Critical)
        .filter_map(|child| inner.result(&child.id))
        .collect();
    let outcome = worst(counted.iter().map(|result| result.outcome));
    let is_behind = |result: &StepResult| matches!(result.reason, Reason::NotPassed { .. });
    match outcome.is_good() {
        true if halted => (Outcome::Cancelled, Reason::default()),
        true if counted.iter().any(is_behind) => {
            (Outcome::Unknown, "it stopped before all of its steps were executed".into())
        }
        _ => (outcome, Reason::default()),
    }
}

/// The outcome of several: false before not judged, not judged before unknown.
pub(super) fn worst(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
    let rank = |outcome: Outcome| match outcome {
        Outcome::Failed => 6,
        Outcome::TimedOut => 5,
        Outcome::Error => 4,
        Outcome::Unknown => 3,
        Outcome::Cancelled => 2,
        Outcome::Recovered => 1,
        Outcome::Passed | Outcome::Skipped => 0,
    };
    let worst =
        outcomes.into_iter().max_by_key(|outcome| rank(*outcome)).unwrap_or(Outcome::Passed);
    if worst == Outcome::Skipped { Outcome::Passed } else { worst }
}
