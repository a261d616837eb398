//! Where a run stands that did not end: what is done, what it waits for, and what is in doubt. Pure.

use super::conclusion::{some, wrapped};
use super::text::one_line;
use super::theme::{DIM, GOOD, Line, Look, PLAIN, REMOVED, WARN};
use crate::event::{Effect, Outcome, Reason, Verdict};
use crate::state::{RunState, StepState};

/// The most lines of a difference.
const PREVIEW: usize = 40;

/// The steps of a run that is paused or stopped, by what has become of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Standing<'a> {
    done: Vec<&'a str>,
    /// A person did not allow their changes.
    rejected: Vec<&'a str>,
    /// Cancelled after they had begun.
    stopped: Vec<&'a str>,
    wait_for_time: Vec<String>,
    wait_for_answer: Vec<&'a str>,
    wait_for_approval: Vec<&'a str>,
    checked_again: Vec<&'a str>,
    in_progress: Vec<&'a str>,
    not_started: Vec<&'a str>,
    in_doubt: Vec<&'a str>,
    /// Something is left of what it has changed.
    has_changed: bool,
}

impl<'a> Standing<'a> {
    fn of(state: &'a RunState) -> Self {
        let has_changed = state.has_lasting_changes();
        let mut standing = Self { in_doubt: state.in_doubt(), has_changed, ..Self::default() };
        for step in state.ended().filter(|step| !step.action.is_group()) {
            let path = step.path.as_str();
            match step.outcome {
                outcome if outcome.is_good() => standing.done.push(path),
                Outcome::Cancelled if step.why == Some(Reason::Refused) => {
                    standing.rejected.push(path);
                }
                Outcome::Cancelled if step.attempts > 0 => standing.stopped.push(path),
                Outcome::Cancelled => standing.not_started.push(path),
                _ => {}
            }
        }
        standing.not_started.extend(state.not_begun());
        let paused = state.end_of_run().is_some_and(|end| end.verdict == Verdict::Paused);
        let times = state.waits_for_times();
        for path in state.running() {
            let Some(StepState::Begun { started, .. }) = state.step(path) else { continue };
            if started.action.is_group() || standing.in_doubt.contains(&path) {
                continue;
            }
            if let Some(due) = times.get(path) {
                standing.wait_for_time.push(format!("{path} (due at {due})"));
                continue;
            }
            let list = if started.effect == Effect::Operator {
                &mut standing.wait_for_answer
            } else if state.is_running() == Some(true) {
                &mut standing.in_progress
            } else if paused && !state.changes_of(path).is_empty() {
                &mut standing.wait_for_approval
            } else {
                &mut standing.checked_again
            };
            list.push(path);
        }
        standing
    }

    /// A sentence for each list that is not empty.
    fn sentences(&self) -> Vec<String> {
        let all = [
            ("Done", &self.done),
            ("Rejected", &self.rejected),
            ("Stopped", &self.stopped),
            ("Waits for an answer", &self.wait_for_answer),
            ("Waits for approval", &self.wait_for_approval),
            ("Checked again on resume", &self.checked_again),
            ("In progress", &self.in_progress),
            ("Not started", &self.not_started),
        ];
        // nothing stops a rollout or a Job but another change
        let goes_on = (self.has_changed && !self.stopped.is_empty()).then_some(
            "Only the watching has stopped: the changes that were made stay, and the cluster goes on \
                with them.",
        );
        let times: Vec<&str> = self.wait_for_time.iter().map(String::as_str).collect();
        let (before, after) = all.split_at(3);
        let times = [("Waits for a time", &times)];
        before
            .iter()
            .chain(&times)
            .chain(after)
            .filter(|(_, paths)| !paths.is_empty())
            .map(|(label, paths)| format!("{label}: {}.", some(paths.iter().copied())))
            .chain(goes_on.map(str::to_owned))
            .collect()
    }
}

/// Where the run stands, with the changes that wait for approval and what is in doubt.
pub(super) fn lines(state: &RunState, look: &Look) -> Vec<Line> {
    let standing = Standing::of(state);
    let waiting = state.end_of_run().into_iter().flat_map(|end| &end.waiting);
    let reasons = waiting.map(|(path, why)| format!("{path}: {why}."));
    let texts: Vec<String> = standing.sentences().into_iter().chain(reasons).collect();
    let mut lines = wrapped("", &texts.join(" "), look);
    for path in &standing.wait_for_answer {
        let asked = state.question(path).map(|asked| one_line(&asked.question));
        lines.extend(asked.iter().flat_map(|asked| wrapped("", &format!("{path}: {asked}"), look)));
    }
    for path in &standing.wait_for_approval {
        lines.push(Line::empty());
        lines.extend(preview(state, path, look));
    }
    lines.extend(doubt(state, &standing.in_doubt, look));
    lines
}

/// What a step that waits for approval would change.
fn preview(state: &RunState, path: &str, look: &Look) -> Vec<Line> {
    let changes: Vec<_> = state
        .changes_of(path)
        .iter()
        .filter(|change| !change.is_made())
        .map(|change| change.planned.clone())
        .collect();
    let diff = crate::compare::difference(&changes);
    let mut lines: Vec<Line> = changes
        .iter()
        .flat_map(|change| {
            wrapped("", &format!("{path}: {} {}", change.object.short(), change.summary), look)
        })
        .collect();
    lines.extend(diff.iter().take(PREVIEW).map(|line| {
        Line::new(4).push(change_style(line), look.truncate(line, look.width.saturating_sub(6)))
    }));
    if diff.len() > PREVIEW {
        let more = format!("{} and {} more lines", look.ellipsis(), diff.len() - PREVIEW);
        lines.push(Line::new(4).push(DIM, more));
    }
    lines
}

fn change_style(line: &str) -> anstyle::Style {
    match line.as_bytes().first() {
        Some(b'+') => GOOD,
        Some(b'-') => REMOVED,
        _ => PLAIN,
    }
}

/// The steps whose changes may or may not have happened, and why.
fn doubt(state: &RunState, paths: &[&str], look: &Look) -> Vec<Line> {
    if paths.is_empty() {
        return Vec::new();
    }
    let reasons = paths
        .iter()
        .flat_map(|path| state.changes_of(path))
        .filter_map(|change| change.doubt.clone());
    let names = some(paths.iter().copied());
    std::iter::once(format!("In doubt: {names}: it may or may not have happened."))
        .chain(reasons)
        .flat_map(|text| wrapped("", &text, look))
        .map(|line| Line::empty().push(WARN, line.render(false)))
        .collect()
}
