//! Runs that wait for a time without a process.

use super::{Refusal, SessionError, Workspace};
use crate::engine::EngineError;
use crate::event::{StepMark, Verdict};
use crate::journal::{self, Journal};
use crate::state::RunState;
use jiff::Timestamp;

/// A run that waits for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The run's id.
    pub run: String,
    /// Name of the runbook.
    pub runbook: String,
    /// The first of its steps that goes on.
    pub step: String,
    /// When that is.
    pub due: Timestamp,
}

/// All runs that wait for a time and have no process, those that are due first.
///
/// # Errors
/// When the records cannot be listed.
pub fn waiting(workspace: &Workspace) -> Result<Vec<Waiting>, SessionError> {
    let mut found = Vec::new();
    for info in journal::list(&workspace.state_dir)? {
        let Some(header) = info.header else { continue };
        let first = match &info.finished {
            Some(end) if end.verdict == Verdict::Paused => {
                first(end.due.iter().map(|(path, due)| (path.as_str(), *due)))
            }
            Some(_) => None,
            None => left_behind(workspace, &info.run)?,
        };
        if let Some((step, due)) = first {
            found.push(Waiting { run: info.run, runbook: header.runbook, step, due });
        }
    }
    found.sort_by(|a, b| (a.due, &a.run).cmp(&(b.due, &b.run)));
    Ok(found)
}

fn first<'a>(dues: impl Iterator<Item = (&'a str, Timestamp)>) -> Option<(String, Timestamp)> {
    let first = dues.min_by(|(a, one), (b, other)| (one, a).cmp(&(other, b)));
    first.map(|(path, due)| (path.to_owned(), due))
}

/// What a run without an end waits for, if its process died while it did.
fn left_behind(
    workspace: &Workspace,
    run: &str,
) -> Result<Option<(String, Timestamp)>, SessionError> {
    // one that is locked is alive, and one that cannot be read is not for here to tell
    let reopened = Journal::reopen(&workspace.state_dir, run, workspace.durability);
    let Ok((reading, _lock)) = reopened else { return Ok(None) };
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    Ok(first(state.waits_for_times().into_iter()))
}

/// Refuses a run whose steps all wait for a time that is still to come, and are not skipped.
pub(super) fn refuse_early(
    run: &str,
    state: &RunState,
    marks: &[(StepMark, String)],
    now: Timestamp,
) -> Result<(), Refusal> {
    let dues = state.waits_for_times();
    let paused = state.end_of_run().is_some_and(|end| end.verdict == Verdict::Paused);
    let is_group = |path: &str| state.step(path).is_some_and(|step| step.action().is_group());
    let skipped = |path: &str| marks.iter().any(|(_, marked)| marked == path);
    let waits = |path: &&str| dues.get(path).is_some_and(|due| *due > now) && !skipped(path);
    let open: Vec<&str> = state.running().into_iter().filter(|path| !is_group(path)).collect();
    if !paused || open.is_empty() || !open.iter().all(waits) {
        return Ok(());
    }
    match first(dues.into_iter()) {
        Some((step, due)) => Err(Refusal::NotDue { run: run.to_owned(), step, due }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::Story;
    use crate::event::{Event, Mode, StepDue};

    fn paused(steps: &[(&str, Option<&str>)]) -> RunState {
        let mut story = Story::new(Mode::Run, &[]);
        for (path, due) in steps {
            story.begin(path, "");
            if let Some(due) = due {
                let (path, digest) = (String::from(*path), String::new());
                let from = Timestamp::UNIX_EPOCH;
                let due = due.parse().unwrap();
                story.push(Event::StepDue(StepDue { path, digest, from, due }));
            }
        }
        story.finish(Verdict::Paused, 4, &[]);
        RunState::replay(&story.records).unwrap()
    }

    #[test]
    fn a_run_that_only_waits_for_a_time_does_not_go_on_before() {
        let (early, late) = ("2026-03-10T10:00:00Z", "2026-03-12T10:00:00Z");
        let now: Timestamp = "2026-03-11T10:00:00Z".parse().unwrap();
        for (steps, skipped, refused) in [
            (&[("a", Some(late))][..], None, true),
            (&[("a", Some(early))], None, false),
            (&[("a", Some(late))], Some("a"), false),
            (&[("a", Some(late))], Some("b"), true),
            // one of them is due, or waits for a person
            (&[("a", Some(late)), ("b", Some(early))], None, false),
            (&[("a", Some(late)), ("b", None)], None, false),
        ] {
            let marks: Vec<_> =
                skipped.iter().map(|path| (StepMark::Skip, String::from(*path))).collect();
            let result = refuse_early("RUN", &paused(steps), &marks, now);
            assert_eq!(result.is_err(), refused, "{steps:?} {skipped:?}");
        }
    }
}
