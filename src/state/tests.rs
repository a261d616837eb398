use super::{RunState, verdict};
use crate::event::sample::{Story, diagnosis, finished, started};
use crate::event::{
    Event, FindingConcluded, Mode, Outcome, Record, RunInterrupted, Severity, StepFinished,
    StepKind, StepMark, StepMarked, StepRetried, Verdict,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

fn passed(path: &str) -> StepFinished {
    finished(path, "", Outcome::Passed, "")
}

/// Ends a chain of told records.
fn told(_: &mut Story) {}

fn refusal(story: &Story) -> String {
    RunState::replay(&story.records).map_or_else(|error| error.to_string(), |_| "legal".into())
}

#[test]
fn transitions() {
    type Case = (&'static str, fn(&mut Story), &'static str);
    let table: Vec<Case> = vec![
        ("done once", |s| told(s.done(passed("a"))), "legal"),
        (
            "skipped without a start",
            |s| told(s.end(finished("a", "", Outcome::Skipped, ""))),
            "legal",
        ),
        ("end without a start", |s| told(s.end(passed("a"))), "ended without having begun"),
        ("end twice", |s| told(s.done(passed("a")).end(passed("a"))), "was not begun again"),
        ("begin twice", |s| told(s.begin("a", "").begin("a", "")), "is begun already"),
        ("begin after the end", |s| told(s.done(passed("a")).begin("a", "")), "is over already"),
        (
            "begin again after a crash",
            |s| told(s.begin("a", "").resume().done(passed("a"))),
            "legal",
        ),
        (
            "done again after a resume",
            |s| told(s.done(passed("a")).resume().done(passed("a"))),
            "legal",
        ),
        ("found done after a crash", |s| told(s.begin("a", "").resume().end(passed("a"))), "legal"),
        (
            "end again after a resume, unbegun",
            |s| told(s.done(passed("a")).resume().end(passed("a"))),
            "not begun again",
        ),
        (
            "after the end of the run",
            |s| told(s.finish(Verdict::Passed, 0, &[]).begin("a", "")),
            "the run is over",
        ),
        (
            "resumed after its end",
            |s| told(s.finish(Verdict::Paused, 4, &[]).resume().begin("a", "")),
            "legal",
        ),
        (
            "retried without a start",
            |s| {
                let retried = StepRetried {
                    path: "a".into(),
                    attempt: 1,
                    reason: String::new(),
                    delay_ms: 0,
                };
                s.push(Event::StepRetried(retried));
            },
            "without having begun",
        ),
        (
            "a second header",
            |s| {
                let header = s.records[0].event.clone();
                s.push(header);
            },
            "header already",
        ),
    ];
    for (name, tell, expected) in table {
        let mut story = Story::new(Mode::Run, &[]);
        tell(&mut story);
        let seen = refusal(&story);
        assert!(seen.contains(expected), "{name}: {seen}");
    }
}

#[test]
fn a_gap_and_a_missing_header_are_refused() {
    let mut story = Story::new(Mode::Run, &[]);
    story.begin("a", "").end(passed("a"));
    story.records.remove(1);
    assert_eq!(refusal(&story), "record 3 cannot follow those before it: record 2 was expected");
    let headless = Record {
        seq: 1,
        at: Timestamp::UNIX_EPOCH,
        event: Event::StepStarted(started("a", "", "get")),
    };
    assert!(RunState::new().apply(&headless).is_err());
}

#[test]
fn verdicts() {
    use Outcome::{Cancelled, Error, Failed, Passed, Recovered, Skipped, TimedOut, Unknown};
    use Severity::{Critical, Info, Warning};
    let table = [
        (vec![], (Verdict::Passed, 0)),
        (
            vec![(Passed, Critical), (Recovered, Critical), (Skipped, Critical)],
            (Verdict::Passed, 0),
        ),
        (vec![(Failed, Warning), (Error, Info), (Unknown, Warning)], (Verdict::Passed, 0)),
        (vec![(Cancelled, Critical)], (Verdict::Cancelled, 3)),
        (vec![(Cancelled, Critical), (Unknown, Critical)], (Verdict::Unknown, 3)),
        (vec![(Unknown, Critical), (Error, Critical)], (Verdict::Error, 3)),
        (vec![(Error, Critical), (TimedOut, Critical)], (Verdict::Failed, 1)),
    ];
    for (steps, expected) in table {
        assert_eq!(verdict(steps.clone(), &[]), expected, "{steps:?}");
    }
    let finding = |severity| FindingConcluded {
        id: "f".into(),
        severity,
        cause: "c".into(),
        objects: None,
        each: Vec::new(),
        steps: vec![],
        remedy: None,
        command: None,
        next: None,
        fixed: false,
        not_fixed: Vec::new(),
    };
    assert_eq!(verdict([(Error, Critical)], &[finding(Critical)]), (Verdict::Failed, 1));
    assert_eq!(verdict([(Passed, Critical)], &[finding(Warning)]), (Verdict::Passed, 0));
    assert_eq!(
        verdict([(Passed, Critical)], &[FindingConcluded { fixed: true, ..finding(Critical) }]),
        (Verdict::Passed, 0)
    );
}

#[test]
fn groups_stand_for_their_steps() {
    let group = |outcome| StepFinished { action: "group".into(), ..finished("g", "", outcome, "") };
    let child = |outcome, severity| StepFinished { severity, ..finished("g/a", "", outcome, "") };
    let critical = Severity::Critical;
    let table = [
        (
            "a warning inside",
            child(Outcome::Failed, Severity::Warning),
            group(Outcome::Failed),
            Verdict::Passed,
        ),
        (
            "a failure inside",
            child(Outcome::Failed, critical),
            group(Outcome::Failed),
            Verdict::Failed,
        ),
        ("rescued", child(Outcome::Failed, critical), group(Outcome::Recovered), Verdict::Passed),
        ("its own error", child(Outcome::Passed, critical), group(Outcome::Error), Verdict::Error),
    ];
    for (name, child, group, expected) in table {
        let mut story = Story::new(Mode::Run, &[]);
        story.begin_group("g", "").done(child).end(group);
        let state = RunState::replay(&story.records).unwrap();
        assert_eq!(state.verdict().0, expected, "{name}");
        let counts = state.counts();
        let own = u32::from(name == "its own error");
        assert_eq!(counts.passed + counts.failed + counts.error, 1 + own, "{name}");
    }
}

#[test]
fn a_crashed_run_is_in_doubt_and_can_be_resumed() {
    let mut story = Story::new(Mode::Run, &[("a", ""), ("b", ""), ("c", "")]);
    story.done(passed("a")).begin("b", "");
    assert_eq!(
        RunState::replay(&story.records).unwrap().in_doubt(),
        Vec::<&str>::new(),
        "what only looks is never in doubt"
    );
    let mut story = Story::new(Mode::Run, &[("a", ""), ("b", ""), ("c", "")]);
    story.done(passed("a")).sends("b", "");
    let state = RunState::replay(&story.records).unwrap();
    assert_eq!(state.in_doubt(), ["b"]);
    assert_eq!(state.not_begun(), ["c"]);
    assert!(state.finished("a").is_some() && state.finished("b").is_none());
    let summary = state.summary();
    assert_eq!((summary.ended, summary.verdict, summary.exit_code), (None, None, None));
    assert_eq!(summary.steps[1].outcome, None);
    assert!(summary.next[0].starts_with("runbook resume "));
}

#[test]
fn a_resume_draws_findings_anew() {
    let mut story = diagnosis();
    story.resume();
    let state = RunState::replay(&story.records).unwrap();
    assert!(
        state.findings().is_empty()
            && state.not_ruled_out().is_empty()
            && state.end_of_run().is_none()
    );
    assert_eq!(state.summary().mode, Mode::Resume);
}

#[test]
fn a_finding_is_concluded_or_open_never_both() {
    let mut story = Story::new(Mode::Run, &[]);
    story.open("f", "x").finding("f", "cause", "cmd").finding("f", "cause", "cmd");
    let state = RunState::replay(&story.records).unwrap();
    assert_eq!((state.findings().len(), state.not_ruled_out().len()), (1, 0));
}

#[test]
fn changes_are_those_that_were_made() {
    let mut story = Story::new(Mode::Run, &[("scale", "")]);
    story.sends("scale", "");
    assert_eq!(
        RunState::replay(&story.records).unwrap().summary().changes,
        Vec::<serde_json::Value>::new()
    );
    story.made("scale");
    let state = RunState::replay(&story.records).unwrap();
    let told = |summary: &str| {
        [json!({"step": "scale", "verb": "patch", "object": "apps/v1 Deployment ns/x",
                "summary": summary})]
    };
    assert_eq!(state.summary().changes, told("3 → 1 replicas requested"));
    assert!(state.in_doubt().is_empty());
    // until a rollout that belongs to the step has seen its end
    let rollout = |path: &str| StepFinished { action: StepKind::Rollout, ..passed(path) };
    story.done(rollout("other/rollout"));
    assert_eq!(
        RunState::replay(&story.records).unwrap().summary().changes,
        told("3 → 1 replicas requested")
    );
    story.done(rollout("scale/rollout"));
    assert_eq!(RunState::replay(&story.records).unwrap().summary().changes, told("3 → 1 replicas"));
}

#[test]
fn a_change_is_sent_once_planned_and_ends_once_sent() {
    let mut story = Story::new(Mode::Run, &[]);
    story.sends("scale", "").made("scale").made("scale");
    assert!(RunState::replay(&story.records).unwrap_err().text.contains("without having begun"));
    let mut story = Story::new(Mode::Run, &[]);
    story.begin("scale", "").made("scale");
    assert!(RunState::replay(&story.records).unwrap_err().text.contains("has no change 0"));
}

#[test]
fn what_a_person_says_settles_a_doubt() {
    for (mark, made) in [(StepMark::Done, 1), (StepMark::NotDone, 0)] {
        let mut story = Story::new(Mode::Run, &[]);
        story.sends("scale", "").resume();
        story.push(Event::StepMarked(StepMarked {
            path: "scale".into(),
            mark,
            by: "ada@host".into(),
            reason: "looked".into(),
        }));
        let state = RunState::replay(&story.records).unwrap();
        assert_eq!((state.in_doubt().len(), state.summary().changes.len()), (0, made), "{mark:?}");
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let path = prop::sample::select(vec!["a", "b", "g/a"]);
    let outcome = prop::sample::select(vec![
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Skipped,
        Outcome::Unknown,
    ]);
    (0..12u8, path, outcome).prop_map(|(kind, path, outcome)| {
        let mut story = Story::new(Mode::Run, &[]);
        match kind {
            0 => {}
            1 => told(story.resume()),
            2 => told(story.finish(Verdict::Passed, 0, &[])),
            3 => told(story.finding(path, "", "")),
            4 => told(story.open(path, "")),
            5 => {
                let retried = StepRetried {
                    path: path.into(),
                    attempt: 1,
                    reason: String::new(),
                    delay_ms: 1,
                };
                story.push(Event::StepRetried(retried));
            }
            6 => {
                told(story.push(Event::RunInterrupted(RunInterrupted { signal: "SIGINT".into() })));
            }
            7..=8 => told(story.begin(path, "")),
            _ => told(story.end(finished(path, "", outcome, ""))),
        }
        story.records.pop().unwrap().event
    })
}

proptest! {
    #[test]
    fn the_fold_never_panics_and_a_replay_equals_the_live_run(events in prop::collection::vec((any_event(), 0..20u8), 0..40)) {
        let mut live = RunState::new();
        let mut journal = Vec::new();
        let header = (Story::new(Mode::Run, &[]).records.remove(0).event, 0);
        for (event, gap) in std::iter::once(header).chain(events) {
            let seq = live.seq() + 1 + u64::from(gap == 19);
            let record = Record { seq, at: Timestamp::UNIX_EPOCH, event };
            let before = live.clone();
            match live.apply(&record) {
                Ok(()) => journal.push(record),
                Err(_) => prop_assert_eq!(&before, &live),
            }
            let _ = (live.summary(), live.verdict(), live.in_doubt().len(), live.not_begun().len());
        }
        prop_assert_eq!(RunState::replay(&journal).unwrap(), live);
    }
}

#[test]
fn the_state_holds_no_outputs() {
    let mut story = Story::new(Mode::Run, &[]);
    for step in 0..100 {
        story.done(StepFinished {
            output: json!({"items": vec!["x".repeat(1000); 100]}),
            ..passed(&format!("step-{step}"))
        });
    }
    let state = RunState::replay(&story.records).unwrap();
    assert_eq!(state.ended().count(), 100);
    assert!(state.ended().all(|step| step.output.is_null() && step.stored.is_none()));
    assert!(format!("{state:?}").len() < 100_000);
}
