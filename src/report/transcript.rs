//! The text of a run, record by record: the same for a terminal and a pipe. Pure.

use super::conclusion;
use super::details::Details;
use super::names::Names;
use super::step_line::{self, Columns};
use super::text::{duration, one_line, part, width, wrap};
use super::theme::{DIM, Detail, Line, Look, STRONG, WARN};
use crate::event::short_id;
use crate::event::{
    Event, LockChange, LockEvent, Mode, Outcome, Reason, Record, RunInterrupted, RunResumed,
    StepFinished, StepRetried, is_within,
};
use crate::state::{ChangeStage, RunState, StepState};
use std::collections::BTreeSet;

/// What has been said so far, as far as it matters for what is said next.
pub(super) struct Transcript {
    pub(super) look: Look,
    pub(super) names: Names,
    columns: Option<Columns>,
    /// The group that the last line belongs to: a line of another one needs its heading.
    group: String,
    /// Steps that have their line: what verifies a change needs no other heading.
    said: BTreeSet<String>,
    /// Groups that have had their heading.
    headings: BTreeSet<String>,
    headed: bool,
    last_is_blank: bool,
    /// Steps in the order of beginning whose lines are not written yet: those of steps that run
    /// side by side come in the order in which they are written, whichever ends first.
    waiting: Vec<(String, Option<StepFinished>)>,
}

impl Transcript {
    pub(super) fn new(look: Look) -> Self {
        Self {
            look,
            names: Names::default(),
            columns: None,
            group: String::new(),
            said: BTreeSet::new(),
            headings: BTreeSet::new(),
            headed: false,
            last_is_blank: true,
            waiting: Vec::new(),
        }
    }

    /// The lines that a record adds.
    pub(super) fn record(&mut self, record: &Record, state: &RunState) -> Vec<Line> {
        let lines = match &record.event {
            Event::RunStarted(_) => self.header(state),
            Event::RunResumed(resumed) => self.resumed(resumed, state),
            Event::StepRetried(retried) => self.retried(retried, state),
            Event::StepStarted(started) => {
                if !started.action.is_group() {
                    self.waiting.push((started.path.clone(), None));
                }
                Vec::new()
            }
            Event::StepFinished(step) => self.ended(step, state),
            Event::RunInterrupted(interrupted) => {
                let mut lines = self.rest(state);
                lines.extend(self.interrupted(interrupted, state));
                lines
            }
            Event::Lock(lock) => self.lock(lock),
            Event::ChangesPlanned(_)
            | Event::ChangeStarted(_)
            | Event::ChangeNoted(_)
            | Event::ChangeDoubted(_)
            | Event::ChangeFinished(_)
            | Event::ProgramStarted(_)
            | Event::StepDue(_)
            | Event::StepAsked(_)
            | Event::StepApproved(_)
            | Event::StepMarked(_)
            | Event::FindingConcluded(_)
            | Event::FindingNotRuledOut(_) => Vec::new(),
            Event::RunFinished(_) => self.rest(state),
        };
        self.note_end(&lines);
        lines
    }

    /// The end of the text.
    pub(super) fn finish(&mut self, state: &RunState) -> Vec<Line> {
        let mut lines = conclusion::lines(state, &self.look);
        if !self.last_is_blank {
            lines.insert(0, Line::empty());
        }
        self.note_end(&lines);
        lines
    }

    fn note_end(&mut self, lines: &[Line]) {
        if let Some(last) = lines.last() {
            self.last_is_blank = last.is_blank();
        }
    }

    pub(super) fn columns(&mut self, state: &RunState) -> Columns {
        let look = self.look;
        *self.columns.get_or_insert_with(|| {
            let planned = state.header().map(|header| header.steps.as_slice()).unwrap_or_default();
            Columns::new(planned.iter().map(|step| step.path.as_str()), &look)
        })
    }

    fn header(&mut self, state: &RunState) -> Vec<Line> {
        let Some(header) =
            state.header().filter(|_| !self.headed && self.look.detail > Detail::Quiet)
        else {
            return Vec::new();
        };
        self.headed = true;
        let tag = match header.mode {
            Mode::DryRun => "DRY RUN, nothing is changed",
            Mode::Undo => "UNDO, changes are reverted",
            Mode::Run | Mode::Resume => "",
        };
        let edge = self.look.width.saturating_sub(2);
        let first = Line::empty().push(STRONG, header.runbook.as_str());
        let start = first.width() + 2;
        let beside = start + width(&header.title).min(24) + 2 + width(tag) <= edge;
        let tag_room = if tag.is_empty() || !beside { 0 } else { width(tag) + 2 };
        let title =
            self.look.truncate(&one_line(&header.title), edge.saturating_sub(start + tag_room));
        let first = first.pad_to(start).text(title);
        let mut lines = match (tag, beside) {
            ("", _) => vec![first],
            (tag, true) => vec![first.pad_to(edge - width(tag)).push(WARN, tag)],
            (tag, false) => vec![first, Line::empty().push(WARN, tag)],
        };
        let target = state.target().cloned().unwrap_or_default();
        let place = target.cluster();
        let run = format!("run {}", short_id(&header.run));
        let also = (!target.also_changes.is_empty())
            .then(|| format!("also changes {}", target.also_changes.join(", ")));
        let parts: Vec<String> =
            [place, target.namespace, also, Some(run)].into_iter().flatten().collect();
        lines.extend(rows(&parts, &self.look).into_iter().map(|row| Line::empty().push(DIM, row)));
        if let Some(file) = &header.hiding {
            let text = format!("This is {}, which overrides the built-in runbook", one_line(file));
            lines.extend(wrap(&text, edge).into_iter().map(|part| Line::empty().push(WARN, part)));
        }
        if let Some(part) = header.part.as_ref().and_then(part) {
            lines.extend(wrap(&part, edge).into_iter().map(|part| Line::empty().push(WARN, part)));
        }
        lines.push(Line::empty());
        lines
    }

    fn resumed(&mut self, resumed: &RunResumed, state: &RunState) -> Vec<Line> {
        let mut lines = self.header(state);
        if self.look.detail == Detail::Quiet {
            return lines;
        }
        let mut say = |label: &str, paths: &[String]| {
            if !paths.is_empty() {
                let text =
                    format!("{label}: {}", conclusion::some(paths.iter().map(String::as_str)));
                lines.extend(
                    wrap(&text, self.look.width.saturating_sub(4))
                        .into_iter()
                        .map(|part| Line::new(2).push(DIM, part)),
                );
            }
        };
        say("Kept from earlier", &resumed.kept);
        say("Modified since, executed again", &resumed.changed);
        lines
    }

    fn retried(&mut self, retried: &StepRetried, state: &RunState) -> Vec<Line> {
        if self.look.detail < Detail::Verbose {
            return Vec::new();
        }
        let below = self.columns(state).below;
        let text = format!(
            "{}: attempt {} did not succeed: {}; retrying in {}",
            retried.path,
            retried.attempt,
            one_line(&retried.reason),
            duration(retried.delay_ms)
        );
        let room = self.look.width.saturating_sub(below + 2).max(20);
        wrap(&text, room).into_iter().map(|part| Line::new(below).push(DIM, part)).collect()
    }

    /// A lock that came easily is worth no line.
    fn lock(&self, lock: &LockEvent) -> Vec<Line> {
        let text = match lock.what {
            LockChange::Taken if lock.other.is_empty() => return Vec::new(),
            LockChange::Taken => format!("Lock {} taken after {}", lock.lease, lock.other),
            LockChange::TakenOver => format!("Lock {} taken over from {}", lock.lease, lock.other),
            LockChange::Lost => {
                format!(
                    "Lock {} was lost to {}: no further changes are made",
                    lock.lease, lock.other
                )
            }
        };
        wrap(&text, self.look.width.saturating_sub(2))
            .into_iter()
            .map(|part| Line::new(2).push(WARN, part))
            .collect()
    }

    fn interrupted(&self, interrupted: &RunInterrupted, state: &RunState) -> Vec<Line> {
        // a change that was planned and not sent was not begun
        let is_unsent = |path: &&str| {
            let changes = state.changes_of(path);
            !changes.is_empty() && changes.iter().all(|change| change.stage == ChangeStage::Planned)
        };
        let (unsent, running): (Vec<&str>, Vec<&str>) =
            state.running().into_iter().partition(is_unsent);
        let text = if interrupted.is_deadline() {
            "The time limit of the run has passed: no further step is started.".to_owned()
        } else if !running.is_empty() {
            format!("Stopped in the middle of {}.", conclusion::some(running.into_iter()))
        } else if !unsent.is_empty() {
            format!("Stopped before any change of {}.", conclusion::some(unsent.into_iter()))
        } else {
            // the verdict says it
            return Vec::new();
        };
        let parts = wrap(&text, self.look.width.saturating_sub(2)).into_iter();
        let before = (!self.last_is_blank).then(Line::empty).into_iter();
        before
            .chain(parts.map(|part| Line::empty().push(WARN, part)))
            .chain([Line::empty()])
            .collect()
    }

    /// The lines of all steps that have ended and before which every step has.
    fn ended(&mut self, step: &StepFinished, state: &RunState) -> Vec<Line> {
        match self.waiting.iter_mut().find(|(path, _)| *path == step.path) {
            Some((_, place)) => *place = Some(step.clone()),
            None => self.waiting.push((step.path.clone(), Some(step.clone()))),
        }
        let ready = self.waiting.iter().take_while(|(_, finished)| finished.is_some()).count();
        let ready: Vec<_> =
            self.waiting.drain(..ready).filter_map(|(_, finished)| finished).collect();
        ready.iter().flat_map(|step| self.step(step, state)).collect()
    }

    /// The lines of what has ended behind a step that has not.
    fn rest(&mut self, state: &RunState) -> Vec<Line> {
        let rest: Vec<_> = self.waiting.drain(..).filter_map(|(_, finished)| finished).collect();
        rest.iter().flat_map(|step| self.step(step, state)).collect()
    }

    fn step(&mut self, step: &StepFinished, state: &RunState) -> Vec<Line> {
        for item in step.expectations.iter().flat_map(|judgement| &judgement.items) {
            self.names.learn(&one_line(&item.name));
        }
        if !self.is_shown(step, state) {
            return Vec::new();
        }
        let mode = state.header().map_or(Mode::Run, |header| header.mode);
        let columns = self.columns(state);
        let group = step_line::parent(&step.path);
        let mut lines = Vec::new();
        if group != self.group {
            // whoever comes back from a group in it knows the way
            let is_known = self.headings.contains(group) && is_within(&self.group, group);
            if !group.is_empty() && !self.said.contains(group) && !is_known {
                self.headings.insert(group.to_owned());
                // A round of a loop without a record of its own is called as the loop is.
                let around = group.rsplit_once('[').map_or(group, |(around, _)| around);
                let title = state
                    .step(group)
                    .or_else(|| state.step(around))
                    .map_or("", |group| group.title());
                let item = |path: &str| state.step(path).map(StepState::item);
                let shown = one_line(&step_line::with_items(group, item));
                lines.push(step_line::heading((group, &shown), title, &columns, &self.look));
            }
            self.group = group.to_owned();
        }
        self.said.insert(step.path.clone());
        lines.extend(step_line::step(step, mode, &columns, &self.look));
        lines.extend(Details::of(step, mode, &self.names, &columns, &self.look));
        lines
    }

    /// A group whose steps have said everything has no line of its own.
    fn is_shown(&self, step: &StepFinished, state: &RunState) -> bool {
        let said = step.action.is_group()
            && match step.outcome {
                // of a loop over nothing no step says anything
                Outcome::Passed => state.ended().any(|other| is_within(&other.path, &step.path)),
                Outcome::Recovered | Outcome::Skipped => false,
                Outcome::Failed
                | Outcome::Error
                | Outcome::Unknown
                | Outcome::TimedOut
                | Outcome::Cancelled => !state.is_unexplained(step),
            };
        let loud = match step.outcome {
            Outcome::Failed | Outcome::TimedOut | Outcome::Error | Outcome::Unknown => true,
            Outcome::Passed | Outcome::Recovered | Outcome::Skipped | Outcome::Cancelled => {
                self.look.detail > Detail::Quiet
            }
        };
        // the header says which part is run
        let is_outside =
            self.look.detail < Detail::Verbose && matches!(&step.why, Some(Reason::LeftOut { .. }));
        loud && !said && !is_outside
    }
}

/// Parts beside each other, on as many rows as they need.
fn rows(parts: &[String], look: &Look) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for part in parts {
        let wider = |row: &String| width(row) + width(look.separator()) + width(part);
        match rows.last_mut().filter(|row| wider(row) <= look.width) {
            Some(row) => row.extend([look.separator(), part]),
            None => rows.push(part.clone()),
        }
    }
    rows
}
