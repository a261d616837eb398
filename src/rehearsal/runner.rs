//! Many cases, several at a time.

use super::judge::{Difference, judge};
use super::play::{Play, Played, Unplayed};
use crate::document::{Case, Suite};
use crate::sandbox::Variation;
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The stack of a thread that plays cases: as much as the main thread of a program has.
const STACK: usize = 8 << 20;

/// A case with its world changed by these variations.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// The suite of the case.
    pub suite: &'a Suite,
    /// The case.
    pub case: Cow<'a, Case>,
    /// What is different in its world without meaning anything.
    pub variations: Vec<Variation>,
}

impl<'a> Task<'a> {
    /// A case in its world as it is.
    pub fn of(suite: &'a Suite, case: &'a Case) -> Self {
        Self { suite, case: Cow::Borrowed(case), variations: Vec::new() }
    }
}

/// What came of one case.
#[derive(Debug)]
pub struct CaseResult {
    /// The runbook.
    pub runbook: String,
    /// The case.
    pub case: String,
    /// The file of the suite.
    pub file: String,
    /// The line of the case in it.
    pub line: usize,
    /// The variations of its world.
    pub variations: Vec<String>,
    /// What came of it.
    pub played: Result<Played, Unplayed>,
    /// What is different from what must come of it.
    pub differences: Vec<Difference>,
    /// How long it took on this machine.
    pub took: Duration,
}

impl CaseResult {
    /// Whether everything came out as it must.
    pub fn holds(&self) -> bool {
        self.played.is_ok() && self.differences.is_empty()
    }
}

/// Plays cases.
pub struct Runner<'a> {
    /// Where they are played.
    pub play: &'a Play,
    /// How many at a time.
    pub jobs: usize,
}

impl Runner<'_> {
    /// Plays all of them. Results are given as they come, with their places, and returned in the
    /// order of the tasks.
    pub fn run(&self, tasks: &[Task<'_>], mut each: impl FnMut(&CaseResult)) -> Vec<CaseResult> {
        let next = AtomicUsize::new(0);
        let mut results: Vec<Option<CaseResult>> = Vec::new();
        results.resize_with(tasks.len(), || None);
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..self.jobs.clamp(1, tasks.len().max(1)) {
                let (sender, next) = (sender.clone(), &next);
                let work = move || {
                    while let Some((at, task)) = {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        tasks.get(at).map(|task| (at, task))
                    } {
                        if sender.send((at, self.one(task))).is_err() {
                            return;
                        }
                    }
                };
                let spawned =
                    std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
                // fewer threads play all cases as well, as long as there is one
                if let Err(error) = spawned {
                    tracing::warn!(%error, "a thread could not be started");
                }
            }
            drop(sender);
            for (at, result) in receiver {
                each(&result);
                results[at] = Some(result);
            }
        });
        results.into_iter().flatten().collect()
    }

    fn one(&self, task: &Task<'_>) -> CaseResult {
        let begun = Instant::now();
        let mut played = self.play.play(&task.suite.runbook, &task.case, &task.variations);
        let differences =
            played.as_ref().map(|played| judge(&task.case, played)).unwrap_or_default();
        if let (Ok(played), true) = (&mut played, differences.is_empty()) {
            played.forget();
        }
        CaseResult {
            runbook: task.suite.runbook.clone(),
            case: task.case.name.clone(),
            file: task.suite.file.clone(),
            line: task.suite.line(task.case.span.start),
            variations: task.variations.iter().map(ToString::to_string).collect(),
            played,
            differences,
            took: begun.elapsed(),
        }
    }
}
