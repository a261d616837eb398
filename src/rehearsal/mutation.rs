//! Whether the cases of a runbook notice when one of its judgements is changed.

use super::play::Play;
use super::runner::{CaseResult, Runner, Task};
use crate::document::{Case, CatalogueError, Judged, Runbook, Suite, mutants};
use crate::event::Outcome;
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

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
        let next = AtomicUsize::new(0);
        let mut alive = vec![false; mutants.len()];
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..jobs.clamp(1, mutants.len().max(1)) {
                let (sender, next, mutants) = (sender.clone(), &next, &mutants);
                scope.spawn(move || {
                    while let Some((at, mutant)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        mutants.get(at).map(|mutant| (at, mutant))
                    } {
                        let play = play.with(&mutant.runbook);
                        let cases = chosen(&mutant.judgement, suite, results);
                        let lives = !cases.iter().any(|case| notices(&play, suite, case));
                        if sender.send((at, lives)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (at, lives) in receiver {
                alive[at] = lives;
                each();
            }
        });
        let line = |at: usize| runbook.source.get(..at).unwrap_or_default().lines().count().max(1);
        let survivors = mutants.iter().zip(alive).filter(|(_, alive)| *alive).map(|(mutant, _)| {
            Survivor { what: mutant.what.clone(), line: line(mutant.span.start + 1) }
        });
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
            let of = |path: &str| {
                let last = path.rsplit('/').next().unwrap_or_default();
                last.split('[').next() == Some(id)
            };
            let all = stages().flat_map(|stage| &stage.outcomes);
            all.filter(|(path, _)| of(path)).map(|(_, outcome)| *outcome).collect()
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

fn notices(play: &Play, suite: &Suite, case: &Case) -> bool {
    let tasks = [Task::of(suite, case)];
    !Runner { play, jobs: 1 }.run(&tasks, |_| {}).iter().all(|result| result.holds())
}
