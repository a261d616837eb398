//! What can go wrong with an expression, before and while it is evaluated.

use std::ops::Range;
use std::time::Duration;

/// An expression that cannot be used: a syntax error, an unknown name, a refused construct.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The bytes of the source that are to blame; always within the source.
    pub range: Range<usize>,
    /// What to write instead, if that is known.
    pub help: Option<String>,
}

impl CompileError {
    pub(super) fn new(message: impl Into<String>, range: Range<usize>) -> Self {
        Self { message: message.into(), range, help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// An evaluation that gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What happened, as a lowercase fragment. It may quote data: mask it before it is shown.
    pub message: String,
    /// The class of the error.
    pub kind: EvalErrorKind,
}

impl EvalError {
    pub(super) fn new(kind: EvalErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), kind }
    }
}

/// The classes of [`EvalError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// The expression itself failed: a type error, an unbound variable, `error(…)`.
    Runtime,
    /// The step budget ([`Budget::fuel`]) ran out.
    OutOfFuel,
    /// The wall-clock budget ([`Budget::deadline`]) ran out.
    Deadline,
    /// A condition gave something else than true or false.
    NotBoolean,
    /// One output was wanted, and there were none or several.
    NotOne,
    /// A value was nested too deeply or grew too large.
    TooLarge,
    /// A template used a variable or attribute that does not exist.
    Undefined,
}

/// What one evaluation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The number of loop steps (elements iterated, numbers of a range, recursions).
    pub fuel: u64,
    /// The wall-clock time of one evaluation.
    pub deadline: Duration,
}

impl Default for Budget {
    /// Enough for lists of ten thousand pods, and still stopped within seconds.
    fn default() -> Self {
        Self { fuel: 5_000_000, deadline: Duration::from_secs(10) }
    }
}
