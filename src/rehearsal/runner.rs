//! Many cases, several at a time.

use super::judge::{Difference, judge};
use super::play::{Play, Played, Unplayed};
use super::pool::in_parallel;
use crate::document::{Case, Suite};
use crate::sandbox::Variation;
use std::borrow::Cow;
use std::time::{Duration, Instant};

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

/// Plays so many of the tasks at a time. Each result is shown as it comes; all are returned in the
/// order of the tasks.
pub fn play_all(
    play: &Play,
    tasks: &[Task<'_>],
    jobs: usize,
    each: impl FnMut(&CaseResult),
) -> Vec<CaseResult> {
    in_parallel(tasks, jobs, |task| play_one(play, task), each)
}

/// Plays one.
pub(super) fn play_one(play: &Play, task: &Task<'_>) -> CaseResult {
    let begun = Instant::now();
    let mut played = play.play(&task.suite.runbook, &task.case, &task.variations);
    let differences = played.as_ref().map(|played| judge(&task.case, played)).unwrap_or_default();
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
