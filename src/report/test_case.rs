//! A run as cases, one for each step that counts: what JUnit and Markdown are drawn from. Pure.

use super::text::{fields, one_line, value};
use crate::event::{
    Effect, Judgement, Outcome, Severity, StepFinished, StepStarted, Truth, Verdict,
};
use crate::state::{ChangeState, RunState, StepState};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How a case ends for a reader who knows only green, red and grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be judged: never green.
    Error,
    /// It was not done.
    Skipped,
    /// It ended badly and does not count: a warning, or made good by a rescue.
    Forgiven,
}

/// One step of a run, or the run itself where no step says why it did not pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TestCase {
    /// Path of the step and its title.
    pub(super) name: String,
    pub(super) ending: Ending,
    /// What kind of end, in a word: `expectation`, `timed_out`, `in_doubt`, …
    pub(super) kind: &'static str,
    /// Why it did not pass, on one line; the result in a few words if it did.
    pub(super) reason: String,
    /// The expectations that are to blame, with what was seen; empty if there are none.
    pub(super) details: String,
    /// In milliseconds.
    pub(super) duration_ms: u64,
}

/// Every case of a run, in the order of first begin, and then what was not reached. A run that is
/// not known to have passed has at least one that is red.
pub(super) fn cases(state: &RunState) -> Vec<TestCase> {
    let counted: BTreeSet<&str> = state.counted().map(|step| step.path.as_str()).collect();
    // what a dry run leaves out is no fault of it
    let previewed = state.end_of_run().is_some_and(|end| end.verdict == Verdict::Previewed);
    let mut cases = Vec::new();
    for (path, step) in state.steps() {
        match step {
            StepState::Finished(step) if !step.action.is_group() || state.is_unexplained(step) => {
                let case = ended(step, counted.contains(path));
                let left_out = previewed && step.outcome == Outcome::Unknown;
                cases.push(if left_out {
                    TestCase { ending: Ending::Skipped, details: String::new(), ..case }
                } else {
                    case
                });
            }
            StepState::Begun { started, last_failure, .. }
                if !started.action.is_group() || is_empty(state, path) =>
            {
                cases.push(begun(started, last_failure.as_deref(), state));
            }
            StepState::Finished(_) | StepState::Begun { .. } => {}
        }
    }
    let planned = state.header().map(|header| header.steps.as_slice()).unwrap_or_default();
    for step in planned.iter().filter(|step| {
        state.step(&step.path).is_none() && (!step.action.is_group() || is_empty(state, &step.path))
    }) {
        cases.push(TestCase {
            name: name(&step.path, &step.title),
            ending: Ending::Skipped,
            kind: "not_begun",
            reason: not_begun(&step.path, state),
            ..blank()
        });
    }
    let red = cases.iter().any(|case| matches!(case.ending, Ending::Failed | Ending::Error));
    cases.extend(if red { None } else { whole(state) });
    cases
}

fn blank() -> TestCase {
    TestCase {
        name: String::new(),
        ending: Ending::Passed,
        kind: "",
        reason: String::new(),
        details: String::new(),
        duration_ms: 0,
    }
}

fn name(path: &str, title: &str) -> String {
    let title = one_line(title);
    if title.is_empty() || title == path { path.to_owned() } else { format!("{path}: {title}") }
}

/// Whether no other step is planned or known in the group.
fn is_empty(state: &RunState, group: &str) -> bool {
    let planned = state.header().map(|header| header.steps.as_slice()).unwrap_or_default();
    let mut all =
        planned.iter().map(|step| step.path.as_str()).chain(state.steps().map(|(path, _)| path));
    !all.any(|path| path.strip_prefix(group).is_some_and(|rest| rest.starts_with(['/', '['])))
}

fn ended(step: &StepFinished, counts: bool) -> TestCase {
    let why = if step.reason.is_empty() { &step.summary } else { &step.reason };
    let why = one_line(if why.is_empty() { step.outcome.as_str() } else { why });
    let (ending, kind) = match step.outcome {
        Outcome::Passed | Outcome::Recovered => (Ending::Passed, step.outcome.as_str()),
        Outcome::Skipped => (Ending::Skipped, "skipped"),
        Outcome::Cancelled if step.attempts == 0 => (Ending::Skipped, "cancelled"),
        _ if !counts => (Ending::Forgiven, "rescued"),
        _ if step.severity == Severity::Warning => (Ending::Forgiven, "warning"),
        _ if step.severity == Severity::Info => (Ending::Forgiven, "info"),
        Outcome::Failed => (Ending::Failed, "expectation"),
        Outcome::Error | Outcome::Unknown | Outcome::TimedOut | Outcome::Cancelled => {
            (Ending::Error, step.outcome.as_str())
        }
    };
    let (reason, details) = match ending {
        Ending::Passed => (one_line(&step.summary), String::new()),
        Ending::Skipped => (why, String::new()),
        Ending::Forgiven => (format!("{kind}: {why}"), details(step)),
        Ending::Failed | Ending::Error => (why, details(step)),
    };
    TestCase {
        name: name(&step.path, &step.title),
        ending,
        kind,
        reason,
        details,
        duration_ms: step.duration_ms,
    }
}

/// A step without an outcome: it waits for a person, or the process died in it.
fn begun(started: &StepStarted, last_failure: Option<&str>, state: &RunState) -> TestCase {
    let paused = state.end_of_run().is_some_and(|end| end.verdict == Verdict::Paused);
    let due = state.due(&started.path).filter(|_| paused);
    let is_doubted = state.changes_of(&started.path).iter().any(ChangeState::in_doubt);
    let (kind, reason) = match started.effect {
        _ if due.is_some() => ("paused", "waits for a time"),
        // what was planned and not sent waits for an approval
        Effect::Operator | Effect::Write | Effect::Opaque if paused && !is_doubted => {
            ("paused", "waits for a person")
        }
        Effect::Write | Effect::Opaque => {
            ("in_doubt", "started, no outcome recorded: it may or may not have happened")
        }
        Effect::Read | Effect::Operator => ("no_outcome", "started, no outcome recorded"),
    };
    let details =
        last_failure.map(|reason| format!("previous attempt: {reason}\n")).unwrap_or_default();
    TestCase {
        name: name(&started.path, &started.title),
        ending: Ending::Error,
        kind,
        reason: reason.to_owned(),
        details,
        duration_ms: 0,
    }
}

/// Why a planned step has no record: the innermost group around it that has one says so, or the
/// run.
fn not_begun(path: &str, state: &RunState) -> String {
    let mut around = path;
    while let Some((group, _)) = around.rsplit_once('/') {
        around = group;
        if let Some(step) = state.finished(group) {
            let why = if step.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", one_line(&step.reason))
            };
            return format!(
                "not started: {group} {}{why}",
                step.outcome.as_str().replace('_', " ")
            );
        }
    }
    match state.end_of_run() {
        Some(_) => "not started".to_owned(),
        None => format!("not started: {NO_END}"),
    }
}

const NO_END: &str = "the process ended before the run did, or is still running";

/// The run itself as a case, if it did not pass.
fn whole(state: &RunState) -> Option<TestCase> {
    let (ending, kind, reason) = match state.end_of_run().map(|end| end.verdict) {
        Some(Verdict::Passed | Verdict::Previewed | Verdict::Partial) => return None,
        Some(Verdict::Failed) => {
            let causes: Vec<String> = state
                .findings()
                .iter()
                .filter(|finding| finding.severity == Severity::Critical && !finding.fixed)
                .flat_map(|finding| {
                    let items = finding.items().into_iter();
                    items.map(|item| format!("{}: {}", finding.id, one_line(&item.cause)))
                })
                .collect();
            (
                Ending::Failed,
                "finding",
                if causes.is_empty() { "failed".to_owned() } else { causes.join("; ") },
            )
        }
        Some(Verdict::Error) => (Ending::Error, "error", "could not be determined".to_owned()),
        Some(Verdict::Unknown) => {
            (Ending::Error, "unknown", "a required result is unknown".to_owned())
        }
        Some(Verdict::Paused) => {
            let due = state.waits_for_times().into_values().min();
            let waits = due.map_or_else(
                || "waits for a person".to_owned(),
                |due| format!("waits for a time: due at {due}"),
            );
            (Ending::Error, "paused", waits)
        }
        Some(Verdict::InDoubt) => {
            (Ending::Error, "in_doubt", "a change may or may not have happened".to_owned())
        }
        Some(Verdict::Cancelled) => {
            let signal = state
                .interrupted()
                .map(|interrupted| format!(" by {}", interrupted.signal))
                .unwrap_or_default();
            (Ending::Error, "cancelled", format!("stopped{signal}"))
        }
        Some(Verdict::TimedOut) => {
            (Ending::Error, "timed_out", "the time limit of the run has passed".to_owned())
        }
        None => (Ending::Error, "no_end", NO_END.to_owned()),
    };
    Some(TestCase { name: "the run".to_owned(), ending, kind, reason, ..blank() })
}

/// What is wrong with a step, in full.
fn details(step: &StepFinished) -> String {
    let mut text = String::new();
    // writing to a string does not fail
    if step.reason.contains('\n') {
        let _ = writeln!(text, "{}", step.reason.trim_end());
    }
    step.expectations
        .iter()
        .filter(|judgement| judgement.outcome != Truth::True)
        .for_each(|judgement| text.push_str(&expectation(judgement)));
    text
}

fn expectation(judgement: &Judgement) -> String {
    let word = match judgement.outcome {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Error => "could not be determined",
    };
    let mut text = format!("{word}: {}\n", one_line(&judgement.that));
    for line in judgement.message.iter().chain([&judgement.reason]).filter(|line| !line.is_empty())
    {
        let _ = writeln!(text, "  {}", one_line(line));
    }
    if judgement.outcome == Truth::False {
        let _ = writeln!(
            text,
            "  actual    {}\n  expected  {}",
            value(&judgement.actual),
            value(&judgement.expected)
        );
    }
    for item in &judgement.items {
        let _ = writeln!(text, "  {}  {}", one_line(&item.name), fields(&item.value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, diagnosis, finished};
    use crate::event::{Event, Mode};

    fn folded(story: &Story) -> RunState {
        RunState::replay(&story.records).unwrap()
    }

    #[test]
    fn every_outcome_has_its_ending() {
        let table = [
            (Outcome::Passed, 1, Severity::Critical, Ending::Passed, "passed"),
            (Outcome::Recovered, 1, Severity::Critical, Ending::Passed, "recovered"),
            (Outcome::Failed, 1, Severity::Critical, Ending::Failed, "expectation"),
            (Outcome::Failed, 1, Severity::Warning, Ending::Forgiven, "warning"),
            (Outcome::Failed, 1, Severity::Info, Ending::Forgiven, "info"),
            (Outcome::Error, 1, Severity::Critical, Ending::Error, "error"),
            (Outcome::Error, 1, Severity::Warning, Ending::Forgiven, "warning"),
            (Outcome::Unknown, 0, Severity::Critical, Ending::Error, "unknown"),
            (Outcome::TimedOut, 1, Severity::Critical, Ending::Error, "timed_out"),
            (Outcome::Skipped, 0, Severity::Critical, Ending::Skipped, "skipped"),
            (Outcome::Cancelled, 0, Severity::Critical, Ending::Skipped, "cancelled"),
            (Outcome::Cancelled, 1, Severity::Critical, Ending::Error, "cancelled"),
        ];
        for (outcome, attempts, severity, ending, kind) in table {
            let case = ended(
                &StepFinished { attempts, severity, ..finished("a", "A", outcome, "") },
                true,
            );
            assert_eq!((case.ending, case.kind), (ending, kind), "{outcome:?} {severity:?}");
        }
    }

    #[test]
    fn a_run_that_did_not_pass_is_red() {
        let table: [(Option<Verdict>, Option<(Ending, &str)>); 10] = [
            (Some(Verdict::Passed), None),
            (Some(Verdict::Failed), Some((Ending::Failed, "leader-stuck: no pod leads"))),
            (Some(Verdict::Error), Some((Ending::Error, "could not be determined"))),
            (Some(Verdict::Unknown), Some((Ending::Error, "a required result is unknown"))),
            (Some(Verdict::Paused), Some((Ending::Error, "waits for a person"))),
            (
                Some(Verdict::InDoubt),
                Some((Ending::Error, "a change may or may not have happened")),
            ),
            (Some(Verdict::Cancelled), Some((Ending::Error, "stopped"))),
            (
                Some(Verdict::TimedOut),
                Some((Ending::Error, "the time limit of the run has passed")),
            ),
            (Some(Verdict::Previewed), None),
            (None, Some((Ending::Error, NO_END))),
        ];
        for (verdict, wanted) in table {
            let mut story = Story::new(Mode::Run, &[("a", "A")]);
            story.done(finished("a", "A", Outcome::Passed, "3 of 3"));
            if verdict == Some(Verdict::Failed) {
                story.finding("leader-stuck", "no pod leads", "runbook run x");
            }
            if let Some(verdict) = verdict {
                story.finish(verdict, 1, &[]);
            }
            let all = cases(&folded(&story));
            assert_eq!(
                (all[0].name.as_str(), all[0].ending),
                ("a: A", Ending::Passed),
                "{verdict:?}"
            );
            assert_eq!(
                all.get(1).map(|case| (case.ending, case.reason.as_str())),
                wanted,
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn groups_stand_for_their_steps_and_a_rescue_forgives() {
        let group = |path: &str, outcome| StepFinished {
            action: "group".into(),
            ..finished(path, "G", outcome, "")
        };
        let mut story = Story::new(Mode::Run, &[]);
        story
            .begin_group("heal", "Heal")
            .done(finished("heal/try", "Try", Outcome::Failed, "no"))
            .end(group("heal", Outcome::Recovered));
        story
            .begin_group("fine", "Fine")
            .done(finished("fine/one", "One", Outcome::Passed, ""))
            .end(group("fine", Outcome::Passed));
        story.begin_group("each", "A loop").end(StepFinished {
            reason: "pods is forbidden".into(),
            ..group("each", Outcome::Error)
        });
        story.finish(Verdict::Error, 3, &[]);
        let found: Vec<_> = cases(&folded(&story))
            .into_iter()
            .map(|case| (case.name, case.ending, case.reason))
            .collect();
        let wanted = [
            ("heal/try: Try", Ending::Forgiven, "rescued: no"),
            ("fine/one: One", Ending::Passed, ""),
            ("each: G", Ending::Error, "pods is forbidden"),
        ];
        assert_eq!(
            found,
            wanted.map(|(name, ending, reason)| (name.to_owned(), ending, reason.to_owned()))
        );
    }

    #[test]
    fn after_a_crash_what_was_in_flight_is_red_and_the_rest_is_skipped() {
        let mut story =
            Story::new(Mode::Run, &[("read", "Look"), ("change", "Change"), ("g/after", "After")]);
        story.begin("read", "Look");
        story.push(Event::StepStarted(StepStarted {
            effect: Effect::Write,
            ..crate::event::sample::started("change", "Change", "scale")
        }));
        let found: Vec<_> =
            cases(&folded(&story)).into_iter().map(|case| (case.ending, case.kind)).collect();
        assert_eq!(
            found,
            [
                (Ending::Error, "no_outcome"),
                (Ending::Error, "in_doubt"),
                (Ending::Skipped, "not_begun")
            ]
        );
    }

    #[test]
    fn a_group_that_was_skipped_says_why_its_steps_were() {
        let mut story = Story::new(Mode::Run, &[("g", "G"), ("g/a", "A")]);
        story.end(StepFinished {
            reason: "only when $params.deep".into(),
            action: "group".into(),
            ..finished("g", "G", Outcome::Skipped, "")
        });
        story.finish(Verdict::Passed, 0, &[]);
        let found = cases(&folded(&story));
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].ending, found[0].reason.as_str()),
            (Ending::Skipped, "not started: g skipped: only when $params.deep")
        );
    }

    #[test]
    fn the_details_name_what_was_seen_and_by_whom() {
        let all = cases(&folded(&diagnosis()));
        let leader = all.iter().find(|case| case.name.starts_with("leader:")).unwrap();
        insta::assert_snapshot!(leader.details, @r#"
        false: .is_leader
          exactly one pod must hold the leader lease
          0 of 3, want 1
          actual    0
          expected  1
          pod/petrosa-ta-bot-7d9f8b6c5d-spgqs  is_leader false   leader_id null
          pod/petrosa-ta-bot-7d9f8b6c5d-x2lkd  is_leader false   leader_id null
          pod/petrosa-ta-bot-7d9f8b6c5d-zz81p  is_leader false   leader_id null
        "#);
    }
}
