//! The border: what every text of every event passes before it is written or shown.
//!
//! Each struct lists all its fields, so that a new one does not compile until it is decided what it
//! is: a text, which passes the border, or something that is kept as it is. Kept are numbers, times
//! and closed vocabularies, and the names by which records find each other again: paths and ids of
//! steps, which the runbook writes, ids of runs, digests, seals. A digest that was masked would
//! allow nothing, and a step whose path was masked would be done twice.

use super::{
    ChangeDoubted, ChangeFinished, ChangeNoted, ChangeStarted, ChangesPlanned, FailedProof,
    FindingConcluded, FindingItem, JudgedItem, Judgement, LockEvent, Next, NotRuledOut,
    ObjectReference, PlannedChange, PlannedStep, ProgramStarted, Reason, Remedy, RunFinished,
    RunInterrupted, RunResumed, RunStarted, Saved, StepApproved, StepAsked, StepDue, StepFinished,
    StepMarked, StepRetried, StepStarted, Target,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Makes texts fit to be written and shown. What has passed once passes again unchanged.
pub trait Border {
    /// The text as it may be said.
    fn text(&self, text: &str) -> String;

    /// The value with all its texts as they may be said.
    fn value(&self, value: &Value) -> Value;
}

/// What has texts.
pub trait MapText: Sized {
    /// The same with all its texts as the border lets them through.
    #[must_use]
    fn map_text(self, border: &dyn Border) -> Self;
}

impl MapText for String {
    fn map_text(self, border: &dyn Border) -> Self {
        border.text(&self)
    }
}

impl MapText for Value {
    fn map_text(self, border: &dyn Border) -> Self {
        border.value(&self)
    }
}

impl MapText for Map<String, Value> {
    fn map_text(self, border: &dyn Border) -> Self {
        match border.value(&Value::Object(self)) {
            Value::Object(fields) => fields,
            _ => Self::new(),
        }
    }
}

/// By path.
impl MapText for BTreeMap<String, String> {
    fn map_text(self, border: &dyn Border) -> Self {
        self.into_iter().map(|(path, text)| (path, text.map_text(border))).collect()
    }
}

impl<T: MapText> MapText for Box<T> {
    fn map_text(self, border: &dyn Border) -> Self {
        Self::new((*self).map_text(border))
    }
}

impl<T: MapText> MapText for Option<T> {
    fn map_text(self, border: &dyn Border) -> Self {
        self.map(|text| text.map_text(border))
    }
}

impl<T: MapText> MapText for Vec<T> {
    fn map_text(self, border: &dyn Border) -> Self {
        self.into_iter().map(|text| text.map_text(border)).collect()
    }
}

/// The ids of runs and the paths of steps are kept here as well.
impl MapText for Next {
    fn map_text(self, border: &dyn Border) -> Self {
        match self {
            Self::Run { runbook, with, namespace, options } => Self::Run {
                with: with.map_text(border),
                runbook: runbook.map_text(border),
                namespace: namespace.map_text(border),
                options: options.map_text(border),
            },
            Self::Resume { run, mark, withheld, options } => {
                Self::Resume { run, mark, withheld, options: options.map_text(border) }
            }
            Self::Approve { run, step, typed, options } => Self::Approve {
                run,
                step,
                typed: typed.map_text(border),
                options: options.map_text(border),
            },
            Self::Status { run } => Self::Status { run },
            Self::Undo { run, options } => Self::Undo { run, options: options.map_text(border) },
        }
    }
}

/// The ids of steps are kept here as well.
impl MapText for Reason {
    fn map_text(self, border: &dyn Border) -> Self {
        match self {
            Self::Says { text } => Self::Says { text: text.map_text(border) },
            Self::OnlyWhen { condition } => {
                Self::OnlyWhen { condition: condition.map_text(border) }
            }
            Self::Parameter { name, value } => {
                Self::Parameter { name, value: value.map(|value| value.map_text(border)) }
            }
            Self::Ended { step, outcome } => Self::Ended { step, outcome },
            Self::SkippedBy { by, text } => {
                Self::SkippedBy { by: by.map_text(border), text: text.map_text(border) }
            }
            Self::LeftOut { option } => Self::LeftOut { option },
            Self::Refused => Self::Refused,
            Self::Guard { guard, text, instead } => Self::Guard {
                guard,
                text: text.map_text(border),
                instead: instead.map_text(border),
            },
            Self::NotPassed { step } => Self::NotPassed { step },
            Self::DependsOn { step, outcome, cause } => {
                Self::DependsOn { step, outcome, cause: cause.map_text(border) }
            }
            Self::Unread { step, text } => Self::Unread { step, text: text.map_text(border) },
        }
    }
}

impl MapText for StepDue {
    fn map_text(self, _: &dyn Border) -> Self {
        let Self { path, digest, from, due } = self;
        Self { path, digest, from, due }
    }
}

impl MapText for ChangeStarted {
    fn map_text(self, _: &dyn Border) -> Self {
        let Self { path, index } = self;
        Self { path, index }
    }
}

/// `Type { what passes the border; what is kept as it is }`. Values come before texts: from a value
/// the border may learn what it then finds in a text.
macro_rules! texts {
    ($($type:ident { $($said:ident),*; $($kept:ident),* })*) => {
        $(impl MapText for $type {
            fn map_text(self, border: &dyn Border) -> Self {
                let Self { $($said,)* $($kept,)* } = self;
                Self { $($said: $said.map_text(border),)* $($kept,)* }
            }
        })*
    };
}

texts! {
    Target { context, server, cluster_uid, namespace, also_changes, user, sandbox; }
    PlannedStep { title; path, action, effect, digest }
    RunStarted {
        params, runbook, title, hiding, alert, target, steps, version, host, directory, arguments;
        schema, run, digest, mode, undoes, part, withheld
    }
    RunResumed { host, target; digest, kept, changed }
    StepStarted { title, item; path, id, action, effect, digest }
    StepRetried { reason; path, attempt, delay_ms }
    ProgramStarted { program, host; path, group }
    StepFinished {
        output, expectations, title, item, summary, reason, why, saved;
        path, id, action, effect, digest, outcome, severity, attempts, duration_ms, met_secrets,
        stored
    }
    Saved { file; bytes, sha256, left_out }
    Judgement { expected, actual, items, that, reason, brief, message, at; outcome }
    JudgedItem { value, name, because; }
    Remedy { with, run, text; }
    FindingConcluded {
        objects, remedy, cause, command, next, each, not_fixed;
        id, severity, steps, fixed
    }
    FailedProof { reason; step, outcome }
    FindingItem { objects, remedy, cause, command, next; }
    NotRuledOut { because; id }
    RunInterrupted { signal; }
    RunFinished { next, commands, waiting; verdict, exit_code, duration_ms, due }
    ChangesPlanned { changes, overridden, typed; path, digest }
    PlannedChange { before, after, request, object, summary; verb, masked }
    ObjectReference { api_version, kind, namespace, name; }
    ChangeNoted { note; path, index }
    ChangeDoubted { reason; path, index }
    ChangeFinished { after, reason; path, index, result, unproven }
    StepApproved { by, how, user; path, plan, changes, expires, seal }
    StepAsked { question, typed; path, digest }
    StepMarked { by, reason; path, mark }
    LockEvent { lease, other; what }
}
