//! One page of HTML for the incident channel: self-contained, without scripts and without network.
//! Pure.

mod part;
mod step;

use super::conclusion::{by_reason, some, unsaid};
use super::text::{duration, one_line, params, part};
use super::theme::OutcomeMark;
use crate::event::{
    Event, FailedProof, FindingConcluded, LockChange, Mode, Record, Severity, Summary, Verdict,
    short_id,
};
use crate::state::{ChangeStage, RunState};
use minijinja::Environment;
use minijinja::value::Serde;
use part::{Cause, Change, Fact, Happening, Mark, Open, Page};
use step::{Span, steps};

/// The page around the parts.
const TEMPLATE: &str = include_str!("page.html");

/// The run as a page; also of a run that has not ended. `records` are those of the state.
pub fn html(records: &[Record], state: &RunState) -> String {
    let summary = state.summary();
    let (mark, verdict) = verdict(state, summary.verdict);
    let span = Span::of(records);
    // the command of a remedy stands beside its cause
    let commands: Vec<String> = state
        .findings()
        .iter()
        .flat_map(FindingConcluded::items)
        .filter_map(|i| i.command)
        .collect();
    let is_remedy = |command: &String| commands.contains(command);
    let page = Page {
        mark,
        verdict,
        facts: facts(state, &summary),
        title: summary.title,
        runbook: summary.runbook,
        run: short_id(&summary.run).to_owned(),
        causes: state.findings().iter().flat_map(causes).collect(),
        open: open(state),
        next: summary.next.into_iter().filter(|command| !is_remedy(command)).collect(),
        changes: changes(state),
        counts: counts(state),
        steps: steps(records, state, span),
        not_begun: not_begun(state),
        happenings: happenings(records, span),
        took: duration(span.length_ms()),
        version: state.header().map(|header| header.version.clone()).unwrap_or_default(),
    };
    let mut environment = Environment::new();
    environment
        .add_template("run.html", TEMPLATE)
        .and_then(|()| {
            environment.get_template("run.html")?.render(minijinja::Value::from(Serde(&page)))
        })
        .unwrap_or_else(|error| format!("<!doctype html><title>runbook</title><p>{error}\n"))
}

fn verdict(state: &RunState, verdict: Option<Verdict>) -> (Mark, &'static str) {
    let Some(verdict) = verdict else {
        return (OutcomeMark::Open.into(), state.words_without_end());
    };
    (OutcomeMark::of_verdict(verdict).into(), verdict.words())
}

/// Who, where, when, with which parameters.
fn facts(state: &RunState, summary: &Summary) -> Vec<Fact> {
    let Some(header) = state.header() else { return Vec::new() };
    let target = &header.target;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let alert = header.alert.as_ref().map(|alert| alert.alert.name.clone());
    let mode = match header.mode {
        Mode::DryRun => "dry run: nothing was changed",
        _ => "",
    };
    let ended = summary.ended.map(|at| at.to_string()).unwrap_or_default();
    [
        ("Run", summary.run.clone()),
        ("Mode", mode.to_owned()),
        ("Part", summary.part.as_ref().and_then(part).unwrap_or_default()),
        ("Alert", alert.unwrap_or_default()),
        ("Context", target.cluster().unwrap_or_default()),
        ("Namespace", text(&target.namespace)),
        ("API server", text(&target.server)),
        ("User", text(&target.user)),
        ("Host", header.host.clone()),
        ("Started", summary.started.to_string()),
        ("Ended", ended),
        ("Parameters", params(&summary.params)),
        ("Command", header.arguments.join(" ")),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| Fact { label, text: one_line(&text) })
    .collect()
}

fn causes(finding: &FindingConcluded) -> Vec<Cause> {
    let mark = match finding.severity {
        _ if finding.fixed => OutcomeMark::Good,
        Severity::Critical => OutcomeMark::Bad,
        Severity::Warning | Severity::Info => OutcomeMark::Attention,
    };
    let note = match (finding.fixed, finding.severity) {
        (true, _) => "fixed by this run",
        (false, _) if !finding.not_fixed.is_empty() => "its remedy is carried out and not proven",
        (false, Severity::Critical) => "",
        (false, Severity::Warning | Severity::Info) => "warning",
    };
    let all = finding.items().into_iter();
    all.map(|item| Cause {
        mark: mark.into(),
        id: finding.id.clone(),
        note,
        text: one_line(&item.cause),
        objects: unsaid(&item),
        todo: item.remedy.as_ref().and_then(|remedy| remedy.text.clone()).unwrap_or_default(),
        not_fixed: finding.not_fixed.iter().map(failed_proof).collect(),
        command: item.command.unwrap_or_default(),
    })
    .collect()
}

fn failed_proof(proof: &FailedProof) -> String {
    format!("{}: {}: {}", proof.outcome.words(), proof.step, one_line(&proof.reason))
}

fn open(state: &RunState) -> Vec<Open> {
    by_reason(state.not_ruled_out())
        .into_iter()
        .map(|(because, ids)| Open { ids: some(ids.into_iter()), because: one_line(because) })
        .collect()
}

fn changes(state: &RunState) -> Vec<Change> {
    let made = state.changing_steps().flat_map(|(path, changes)| {
        changes.iter().map(move |change| {
            let (mark, ended) = match &change.stage {
                ChangeStage::Planned => (OutcomeMark::NotDone, "not made".to_owned()),
                ChangeStage::Started => (OutcomeMark::Open, "in doubt".to_owned()),
                ChangeStage::Finished(_) if change.is_made() => {
                    (OutcomeMark::Good, "made".to_owned())
                }
                ChangeStage::Finished(finished) => (OutcomeMark::Bad, one_line(&finished.reason)),
            };
            Change {
                step: path.to_owned(),
                verb: change.planned.verb.clone(),
                object: change.planned.object.to_string(),
                summary: change.planned.summary.clone(),
                mark: mark.into(),
                ended,
                diff: crate::compare::difference(std::slice::from_ref(&change.planned)),
            }
        })
    });
    made.collect()
}

/// `4 passed`, `1 failed`.
fn counts(state: &RunState) -> Vec<String> {
    let counts = state.counts();
    [
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (counts.error, "undetermined"),
        (counts.unknown, "unknown"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect()
}

fn not_begun(state: &RunState) -> Vec<String> {
    let planned = state.header().map(|header| header.steps.as_slice()).unwrap_or_default();
    let paths = state.not_begun();
    planned
        .iter()
        .filter(|step| paths.contains(&step.path.as_str()))
        .map(|step| format!("{}: {}", step.path, one_line(&step.title)))
        .collect()
}

/// What happened besides steps: people, processes, locks.
fn happenings(records: &[Record], span: Span) -> Vec<Happening> {
    let told = records.iter().filter_map(|record| {
        let text = match &record.event {
            Event::StepAsked(asked) => format!("{} asks: {}", asked.path, asked.question),
            Event::StepApproved(approved) => {
                let user = approved.user.as_ref().unwrap_or(&approved.by);
                format!("{} is approved by {user}", approved.path)
            }
            Event::StepMarked(marked) => {
                format!("{} is marked by {}: {}", marked.path, marked.by, marked.reason)
            }
            Event::StepRetried(retried) => format!(
                "{}: attempt {} did not succeed: {}",
                retried.path, retried.attempt, retried.reason
            ),
            Event::ProgramStarted(started) => {
                format!("{} starts {}", started.path, started.program)
            }
            Event::Lock(lock) => {
                let what = match lock.what {
                    LockChange::Taken => "is taken",
                    LockChange::TakenOver => "is taken over",
                    LockChange::Lost => "is lost",
                };
                format!("the lock {} {what}", lock.lease)
            }
            Event::RunResumed(resumed) => format!("the run is resumed on {}", resumed.host),
            Event::RunInterrupted(interrupted) => format!("the run gets {}", interrupted.signal),
            _ => return None,
        };
        Some(Happening { at: span.at(record), text: one_line(&text) })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, diagnosis, finished};
    use crate::event::{Mode, Outcome};
    use serde_json::json;

    fn page(records: &[Record]) -> String {
        html(records, &RunState::replay(records).unwrap())
    }

    #[test]
    fn causes_and_commands_come_before_the_steps() {
        let page = page(&diagnosis().records);
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
        let order = ["Failed</span>", ">Causes<", ">Steps<", ">Run</h2>"].map(place);
        assert!(order.is_sorted(), "{order:?}");
        // one file: nothing is loaded, nothing is executed
        for outside in ["<script", "src=", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_a_cluster_says_is_text() {
        let mut story = Story::new(Mode::Run, &[("a", "A")]);
        let evil = "<script>alert(1)</script>";
        let mut step = finished("a", evil, Outcome::Passed, evil);
        step.output = json!([{"pod": evil, "text": "</pre><img src=x>"}]);
        story.begin("a", evil).end(step);
        let page = page(&story.records);
        assert!(!page.contains("<script>") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn a_run_without_an_end_has_a_page() {
        let mut story = Story::new(Mode::Run, &[("a", "A"), ("b", "B")]);
        story.begin("a", "A");
        let page = page(&story.records);
        assert!(page.contains("Not finished") && page.contains("not ended"), "{page}");
        assert!(page.contains(">Not begun<"), "{page}");
    }
}
