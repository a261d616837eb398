//! What a person or a program sees of tests: one file per format.

mod github;
mod json;
mod junit;
mod text;

pub use github::github;
pub use json::json;
pub use junit::junit;
pub use text::text;

use crate::rehearsal::{CaseResult, Coverage, Mutation, ScenarioRow};
use std::time::Duration;

/// The results of tests.
pub struct Tested<'a> {
    /// The cases, in the order of their files.
    pub results: &'a [CaseResult],
    /// What no case exercises, if that was asked for.
    pub coverage: &'a [Coverage],
    /// What mutants came to, if that was asked for.
    pub mutation: &'a [Mutation],
    /// Every scenario with every runbook, if that was asked for.
    pub matrix: &'a [ScenarioRow],
    /// How long it took on this machine.
    pub took: Duration,
}

impl Tested<'_> {
    /// The cases that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &CaseResult> {
        self.results.iter().filter(|result| !result.holds())
    }
}

/// Why a case does not hold, a line each: `verdict: expected failed, got passed`.
fn reasons(result: &CaseResult) -> Vec<String> {
    let unplayed = result.played.as_ref().err().map(ToString::to_string);
    let differences = result.differences.iter().map(|difference| {
        let (expected, actual) = (&difference.expected, &difference.actual);
        format!("{}: expected {expected}, got {actual}", difference.what)
    });
    unplayed.into_iter().chain(differences).collect()
}

/// The case with the variations of its world: `no-leader (sidecar#7)`.
fn name(result: &CaseResult) -> String {
    if result.variations.is_empty() {
        result.case.clone()
    } else {
        format!("{} ({})", result.case, result.variations.join(", "))
    }
}

/// A duration in whole milliseconds.
fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
