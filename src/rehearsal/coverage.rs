//! What of a runbook no case exercises.

use super::runner::CaseResult;
use crate::document::{Body, Runbook, Step};
use crate::event::Outcome;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What no case of a runbook shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The runbook.
    pub runbook: String,
    /// Steps that are never executed.
    pub not_executed: Vec<String>,
    /// Steps that are judged and never pass.
    pub never_passed: Vec<String>,
    /// Steps that are judged and never fail or stay without an answer.
    pub never_failed: Vec<String>,
    /// Steps with a condition that always holds.
    pub never_skipped: Vec<String>,
    /// Findings that are never concluded.
    pub never_concluded: Vec<String>,
    /// How many of these things there are.
    pub all: usize,
}

impl Coverage {
    /// What the results of a runbook's suite leave out.
    pub fn of(runbook: &Runbook, results: &[&CaseResult]) -> Self {
        let Seen { outcomes, findings } = Seen::of(results);
        let mut coverage = Self { runbook: runbook.name.clone(), ..Self::default() };
        for step in runbook.all_steps() {
            let had = outcomes.get(step.id.as_str());
            let any = |wanted: fn(Outcome) -> bool| {
                had.is_some_and(|had| had.iter().any(|outcome| wanted(*outcome)))
            };
            coverage.all += 1;
            if !any(|outcome| outcome != Outcome::Skipped) {
                coverage.not_executed.push(step.id.clone());
                continue;
            }
            if is_judged(step) {
                coverage.all += 2;
                if !any(Outcome::is_good) {
                    coverage.never_passed.push(step.id.clone());
                }
                if !any(|outcome| !outcome.is_good() && outcome != Outcome::Skipped) {
                    coverage.never_failed.push(step.id.clone());
                }
            }
            if step.when.is_some() {
                coverage.all += 1;
                if !any(|outcome| outcome == Outcome::Skipped) {
                    coverage.never_skipped.push(step.id.clone());
                }
            }
        }
        let rest: Vec<_> = runbook.findings.iter().filter(|finding| finding.is_rest).collect();
        if !rest.is_empty() {
            coverage.all += 1;
            if !rest.iter().any(|finding| findings.contains(finding.id.as_str())) {
                coverage.never_concluded.push("*".to_owned());
            }
        }
        for finding in runbook.findings.iter().filter(|finding| !finding.is_rest) {
            coverage.all += 1;
            if !findings.contains(finding.id.as_str()) {
                coverage.never_concluded.push(finding.id.clone());
            }
        }
        coverage
    }

    /// How many things are left out.
    pub fn missing(&self) -> usize {
        let Self { not_executed, never_passed, never_failed, never_skipped, .. } = self;
        [not_executed, never_passed, never_failed, never_skipped, &self.never_concluded]
            .iter()
            .map(|list| list.len())
            .sum()
    }
}

/// Whether a step says that something is good or bad.
fn is_judged(step: &Step) -> bool {
    let until = step.poll.as_ref().is_some_and(|poll| poll.until.is_some());
    !matches!(step.body, Body::Group(_)) && (until || !step.expect.is_empty())
}

/// What happened in the cases.
struct Seen<'a> {
    outcomes: BTreeMap<&'a str, BTreeSet<Outcome>>,
    findings: BTreeSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn of(results: &[&'a CaseResult]) -> Self {
        let mut seen = Self { outcomes: BTreeMap::new(), findings: BTreeSet::new() };
        let stages = results.iter().filter_map(|result| result.played.as_ref().ok());
        for stage in stages.flat_map(|played| &played.stages) {
            for (id, outcome) in &stage.outcomes {
                seen.outcomes.entry(id).or_default().insert(*outcome);
            }
            seen.findings.extend(stage.findings.iter().map(String::as_str));
        }
        seen
    }
}
