//! Whether the cases of a runbook notice when one of its judgements is changed.

use super::play::Play;
use super::pool::in_parallel;
use super::runner::{CaseResult, Task, play_one};
use crate::document::{Case, CatalogueError, Judged, Mutant, Runbook, Suite, mutants};
use crate::event::Outcome;
use serde::Serialize;

/// What the cases of a runbook make of its mutants.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Mutation {
    /// The runbook.
    pub runbook: String,
    /// How many mutants there are.
    pub all: usize,
    /// Those that no case notices, with their lines.
    pub survivors: Vec<Survivor>,
}

/// A mutant that no case notices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Survivor {
    /// What was changed.
    pub what: String,
    /// The line in the runbook.
    pub line: usize,
}

impl Mutation {
    /// Plays the cases of a suite, of which these results are known, on every mutant of the runbook,
    /// until one notices it.
    ///
    /// # Errors
    /// When the runbook cannot be read.
    pub fn of(
        play: &Play,
        runbook: &Runbook,
        (suite, results): (&Suite, &[&CaseResult]),
        jobs: usize,
        mut each: impl FnMut(),
    ) -> Result<Self, CatalogueError> {
        let mutants = mutants(runbook)?;
        let lives = |mutant: &Mutant| {
            let play = play.with(&mutant.runbook);
            let notices = |case: &Case| !play_one(&play, &Task::of(suite, case)).holds();
            !chosen(&mutant.judgement, suite, results).into_iter().any(notices)
        };
        let alive = in_parallel(&mutants, jobs, lives, |_| each());
        let survivors = mutants.iter().zip(alive).filter(|(_, alive)| *alive);
        let survivors =
            survivors.map(|(mutant, _)| Survivor { what: mutant.what.clone(), line: mutant.line });
        let survivors = survivors.collect();
        Ok(Self { runbook: runbook.name.clone(), all: mutants.len(), survivors })
    }
}

/// The cases that may notice a change of this judgement, those first that most likely do: where the
/// cause was concluded, or the step did not pass. A case that does not hold says nothing.
fn chosen<'a>(judgement: &Judged, suite: &'a Suite, results: &[&CaseResult]) -> Vec<&'a Case> {
    let mut cases: Vec<(u8, &Case)> = Vec::new();
    for case in &suite.cases {
        let Some(result) = results.iter().find(|result| result.case == case.name) else { continue };
        let Some(played) = result.played.as_ref().ok().filter(|_| result.holds()) else { continue };
        let stages = || played.stages.iter();
        let outcomes = |id: &str| -> Vec<Outcome> {
            let all = stages().flat_map(|stage| &stage.outcomes);
            all.filter(|(step, _)| step == id).map(|(_, outcome)| *outcome).collect()
        };
        let rank = match judgement {
            Judged::Finding(id) => {
                u8::from(!stages().any(|stage| stage.findings.iter().any(|found| found == id)))
            }
            Judged::When(id) => {
                u8::from(!outcomes(id).iter().any(|outcome| *outcome != Outcome::Skipped))
            }
            Judged::Expectation(id) => {
                let outcomes = outcomes(id);
                // what was not executed was not judged
                if outcomes.iter().all(|outcome| *outcome == Outcome::Skipped) {
                    continue;
                }
                u8::from(outcomes.iter().all(|outcome| outcome.is_good()))
            }
        };
        cases.push((rank, case));
    }
    cases.sort_by_key(|(rank, _)| *rank);
    cases.into_iter().map(|(_, case)| case).collect()
}
