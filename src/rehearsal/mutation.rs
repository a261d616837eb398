//! Whether the cases of a runbook notice when one of its judgements is changed.

use super::play::Play;
use super::runner::{Runner, Task};
use crate::document::{Case, CatalogueError, Runbook, Suite, mutants};
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
    /// Plays the cases of a suite on every mutant of the runbook, until one notices it. Cases that
    /// do not hold on the runbook itself say nothing and must be left out.
    ///
    /// # Errors
    /// When the runbook cannot be read.
    pub fn of(
        play: &Play,
        runbook: &Runbook,
        suite: &Suite,
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
                        let lives = !suite.cases.iter().any(|case| notices(&play, suite, case));
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

fn notices(play: &Play, suite: &Suite, case: &Case) -> bool {
    let tasks = [Task::of(suite, case)];
    !Runner { play, jobs: 1 }.run(&tasks, |_| {}).iter().all(|result| result.holds())
}
