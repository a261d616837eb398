//! Conditions (jq) and text templates: compiled once, evaluated with a budget. Pure.

mod allowance;
mod bindings;
mod budget;
mod data;
mod decide;
mod error;
mod evidence;
mod expectation;
mod explain;
mod jq;
mod library;
mod matches;
mod memory;
mod need;
mod outline;
mod prelude;
mod present;
mod rewrite;
mod sharing;
mod strict;
mod syntax;
mod template;
mod value;
mod worker;

pub use bindings::Bindings;
pub use data::{Data, Entered, Looked, Operand};
pub use decide::{Decided, decide};
pub use error::{Budget, CompileError, EvalError, EvalErrorKind};
pub use evidence::core as core_of;
pub use expectation::{Expect, Expectation, compile_expectation};
pub use jq::{Asks, Connective, Jq, Reference, compile};
pub use outline::outline;
pub use present::{present, with_present};
pub use template::{Template, template};
pub use value::{capped, show, unread};

#[cfg(test)]
mod tests;
