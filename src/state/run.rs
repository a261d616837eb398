//! The fold: one record after the other, and which may follow which.

use super::{ChangeStage, ChangeState, StepState};
use crate::event::{
    ChangeDoubted, ChangeFinished, ChangeNoted, ChangeStarted, ChangesPlanned, Effect, Event,
    FindingConcluded, LockEvent, Next, NotRuledOut, Outcome, ProgramStarted, Record, RunFinished,
    RunInterrupted, RunResumed, RunStarted, StepApproved, StepAsked, StepDue, StepFinished,
    StepMark, StepMarked, StepRetried, StepStarted, Target, covers,
};
use indexmap::IndexMap;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A record that cannot follow those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} cannot follow those before it: {text}")]
pub struct IllegalTransition {
    /// Place of the refused record.
    pub seq: u64,
    /// What is wrong with it.
    pub text: String,
}

/// Everything that the records so far say about a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    seq: u64,
    header: Option<(Timestamp, RunStarted)>,
    /// In the order of first begin.
    steps: IndexMap<String, Reached>,
    /// By path of the step.
    changes: IndexMap<String, Vec<ChangeState>>,
    /// By path of the step.
    plans: IndexMap<String, StepPlan>,
    /// What steps ask, by path.
    questions: IndexMap<String, StepAsked>,
    /// What steps wait for, by path.
    dues: IndexMap<String, StepDue>,
    /// Paths of the steps whose output tells that a change was seen to its end.
    pub(super) told: BTreeSet<String>,
    approvals: Vec<(Timestamp, StepApproved)>,
    marks: IndexMap<String, StepMarked>,
    locks: Vec<LockEvent>,
    /// The last one that each step has started; by path.
    programs: IndexMap<String, ProgramStarted>,
    findings: Vec<FindingConcluded>,
    not_ruled_out: Vec<NotRuledOut>,
    interrupted: Option<RunInterrupted>,
    resumes: Vec<RunResumed>,
    finished: Option<(Timestamp, RunFinished)>,
    /// Whether a process executes it, as somebody saw who looked.
    pub(super) seen_running: Option<bool>,
}

/// How far a step has come.
#[derive(Clone, Debug, PartialEq)]
struct Reached {
    /// The part of the run (0, then one more with each resume) in which it came there: only a later
    /// part may begin the step again.
    part: usize,
    /// The record that says so.
    seq: u64,
    state: StepState,
}

/// What a step plans to change.
#[derive(Clone, Debug, PartialEq)]
struct StepPlan {
    digest: String,
    /// The word that consent must type.
    typed: Option<String>,
    /// Where its changes begin among those of the step: what an earlier plan has made comes before
    /// them.
    first: usize,
}

impl RunState {
    /// The state before the first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state after all of `records`.
    ///
    /// # Errors
    /// The first record that cannot follow those before it.
    pub fn replay(records: &[Record]) -> Result<Self, IllegalTransition> {
        let mut state = Self::new();
        for record in records {
            state.apply(record)?;
        }
        Ok(state)
    }

    /// Takes one more record in. A refused record leaves the state as it was.
    ///
    /// # Errors
    /// When the record cannot follow those before it.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalTransition> {
        let refuse = |text: String| Err(IllegalTransition { seq: record.seq, text });
        if self.seq.checked_add(1) != Some(record.seq) {
            return refuse(format!("record {} was expected", self.seq.saturating_add(1)));
        }
        match (&record.event, &self.header) {
            (Event::RunStarted(_), Some(_)) => {
                return refuse("the run has a header already".into());
            }
            (Event::RunStarted(_), None) | (_, Some(_)) => {}
            (_, None) => {
                return refuse("the first record of a run is its header (run_started)".into());
            }
        }
        // a person may allow a step, or say how one ended, while no process runs
        let outside = matches!(
            record.event,
            Event::RunResumed(_) | Event::StepApproved(_) | Event::StepMarked(_)
        );
        if self.finished.is_some() && !outside {
            return refuse("the run is over; only a resume may follow".into());
        }
        match &record.event {
            Event::RunStarted(header) => self.header = Some((record.at, (**header).clone())),
            Event::RunResumed(resumed) => self.resume(resumed),
            Event::StepStarted(started) => self.begin(record, started).or_else(refuse)?,
            Event::StepRetried(retried) => self.retry(retried).or_else(refuse)?,
            Event::ChangesPlanned(planned) => self.plan(planned).or_else(refuse)?,
            Event::ChangeStarted(started) => {
                self.start_change(record.at, started).or_else(refuse)?;
            }
            Event::ChangeNoted(noted) => self.note_change(noted).or_else(refuse)?,
            Event::ChangeDoubted(doubted) => self.doubt_change(doubted).or_else(refuse)?,
            Event::ChangeFinished(finished) => self.finish_change(finished).or_else(refuse)?,
            Event::ProgramStarted(started) => {
                drop(self.programs.insert(started.path.clone(), started.clone()));
            }
            Event::StepDue(due) => drop(self.dues.insert(due.path.clone(), due.clone())),
            Event::StepAsked(asked) => {
                drop(self.questions.insert(asked.path.clone(), asked.clone()));
            }
            Event::StepApproved(approved) => self.approvals.push((record.at, approved.clone())),
            Event::StepMarked(marked) => self.mark(marked),
            Event::Lock(lock) => self.locks.push(lock.clone()),
            Event::StepFinished(finished) => self.end(record.seq, finished).or_else(refuse)?,
            Event::FindingConcluded(finding) => {
                self.forget(&finding.id);
                self.findings.push(finding.clone());
            }
            Event::FindingNotRuledOut(open) => {
                self.forget(&open.id);
                self.not_ruled_out.push(open.clone());
            }
            Event::RunInterrupted(interrupted) => self.interrupted = Some(interrupted.clone()),
            Event::RunFinished(finished) => self.finished = Some((record.at, finished.clone())),
        }
        self.seq = record.seq;
        Ok(())
    }

    /// Programs of whose end nothing is recorded: they may still run.
    pub fn programs_without_end(&self) -> impl Iterator<Item = &ProgramStarted> {
        let ended = |path: &str| {
            let over = self.step(path).is_some_and(|step| step.outcome().is_some());
            over || self
                .changes_of(path)
                .last()
                .is_some_and(|change| matches!(change.stage, ChangeStage::Finished(_)))
        };
        self.programs.values().filter(move |program| !ended(&program.path))
    }

    /// Findings are conclusions from all steps of a part: the next part draws them anew.
    fn resume(&mut self, resumed: &RunResumed) {
        self.resumes.push(resumed.clone());
        // what kept an earlier part from its first step is looked at again
        self.steps.retain(|_, reached| !reached.state.is_preflight());
        self.findings.clear();
        self.not_ruled_out.clear();
        self.interrupted = None;
        self.finished = None;
    }

    fn forget(&mut self, finding: &str) {
        self.findings.retain(|known| known.id != finding);
        self.not_ruled_out.retain(|known| known.id != finding);
    }

    fn begin(&mut self, record: &Record, started: &StepStarted) -> Result<(), String> {
        let part = self.resumes.len();
        if let Some(Reached { part: known, state, .. }) = self.steps.get(&started.path)
            && *known == part
        {
            let how = if state.outcome().is_some() { "over" } else { "begun" };
            return Err(format!(
                "step `{}` is {how} already in this part of the run",
                started.path
            ));
        }
        let (started, at) = (started.clone(), record.at);
        let path = started.path.clone();
        let state = StepState::Begun { started, at, last_failure: None };
        self.steps.insert(path, Reached { part, seq: record.seq, state });
        Ok(())
    }

    /// A new plan of a step is allowed as long as nothing of an earlier one may have been sent, or
    /// all of it is known.
    fn plan(&mut self, planned: &ChangesPlanned) -> Result<(), String> {
        match self.step(&planned.path) {
            Some(StepState::Begun { .. }) => {}
            _ => return Err(format!("step `{}` plans changes without having begun", planned.path)),
        }
        let known = self.changes.entry(planned.path.clone()).or_default();
        if known.iter().any(ChangeState::in_doubt) {
            return Err(format!("step `{}` plans changes while one is in doubt", planned.path));
        }
        // what was made stays in the record of the run, before what is still to be done
        known.retain(ChangeState::is_made);
        let plan = StepPlan {
            digest: planned.digest.clone(),
            typed: planned.typed.clone(),
            first: known.len(),
        };
        self.plans.insert(planned.path.clone(), plan);
        known.extend(planned.changes.iter().map(|change| ChangeState {
            planned: change.clone(),
            stage: ChangeStage::Planned,
            sent: None,
            note: None,
            doubt: None,
        }));
        Ok(())
    }

    fn change(&mut self, path: &str, index: usize) -> Result<&mut ChangeState, String> {
        self.changes
            .get_mut(path)
            .and_then(|changes| changes.get_mut(index))
            .ok_or_else(|| format!("step `{path}` has no change {index}"))
    }

    /// A change that was begun and has not ended; `what` happens to it.
    fn begun(&mut self, path: &str, index: usize, what: &str) -> Result<&mut ChangeState, String> {
        let change = self.change(path, index)?;
        if !change.in_doubt() {
            return Err(format!("change {index} of step `{path}` {what} without having begun"));
        }
        Ok(change)
    }

    fn start_change(&mut self, at: Timestamp, started: &ChangeStarted) -> Result<(), String> {
        let change = self.change(&started.path, started.index)?;
        if change.is_made() {
            return Err(format!(
                "change {} of step `{}` is made already",
                started.index, started.path
            ));
        }
        change.stage = ChangeStage::Started;
        change.sent = Some(at);
        (change.note, change.doubt) = (None, None);
        Ok(())
    }

    fn note_change(&mut self, noted: &ChangeNoted) -> Result<(), String> {
        let change = self.begun(&noted.path, noted.index, "is noted")?;
        change.note = Some(noted.note.clone());
        Ok(())
    }

    fn doubt_change(&mut self, doubted: &ChangeDoubted) -> Result<(), String> {
        let change = self.begun(&doubted.path, doubted.index, "is doubted")?;
        change.doubt = Some(doubted.reason.clone());
        Ok(())
    }

    fn finish_change(&mut self, finished: &ChangeFinished) -> Result<(), String> {
        let change = self.begun(&finished.path, finished.index, "ended")?;
        change.stage = ChangeStage::Finished(Box::new(finished.clone()));
        change.doubt = None;
        Ok(())
    }

    /// What a person says of a change in doubt settles it.
    fn mark(&mut self, marked: &StepMarked) {
        for (index, change) in self
            .changes
            .get_mut(&marked.path)
            .into_iter()
            .flatten()
            .enumerate()
            .filter(|(_, change)| change.in_doubt())
        {
            let made = marked.mark == StepMark::Done;
            change.stage = ChangeStage::Finished(Box::new(ChangeFinished {
                path: marked.path.clone(),
                index,
                result: if made {
                    crate::event::ChangeResult::Observed
                } else {
                    crate::event::ChangeResult::NotMade
                },
                after: if made {
                    change.planned.after.clone()
                } else {
                    change.planned.before.clone()
                },
                reason: format!("{} says so: {}", marked.by, marked.reason),
                unproven: false,
            }));
            change.doubt = None;
        }
        self.marks.insert(marked.path.clone(), marked.clone());
    }

    fn retry(&mut self, retried: &StepRetried) -> Result<(), String> {
        match self.steps.get_mut(&retried.path) {
            Some(Reached { state: StepState::Begun { last_failure, .. }, .. }) => {
                *last_failure = Some(retried.reason.clone());
                Ok(())
            }
            Some(_) => Err(format!("step `{}` is over and cannot be retried", retried.path)),
            None => Err(format!("step `{}` was retried without having begun", retried.path)),
        }
    }

    /// A step that was begun before a crash may end without beginning again: a resume that finds
    /// its change done records just the outcome.
    fn end(&mut self, seq: u64, finished: &StepFinished) -> Result<(), String> {
        let part = self.resumes.len();
        let not_done = finished.attempts == 0
            && matches!(finished.outcome, Outcome::Skipped | Outcome::Unknown | Outcome::Cancelled);
        match self.steps.get(&finished.path) {
            Some(Reached { state: StepState::Begun { .. }, .. }) => {}
            Some(reached) if not_done && reached.part < part => {}
            Some(_) => {
                return Err(format!(
                    "step `{}` is over already and was not begun again",
                    finished.path
                ));
            }
            None if not_done => {}
            None => return Err(format!("step `{}` ended without having begun", finished.path)),
        }
        if finished.tells_of_the_end() {
            self.told.insert(finished.path.clone());
        } else {
            self.told.remove(&finished.path);
        }
        let state = StepState::Finished(Box::new(finished.without_output()));
        self.steps.insert(finished.path.clone(), Reached { part, seq, state });
        Ok(())
    }

    /// Place of the last record; 0 before the first. The next record has this plus one.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The header; none before the first record.
    pub fn header(&self) -> Option<&RunStarted> {
        self.header.as_ref().map(|(_, header)| header)
    }

    /// When the run began.
    pub fn started_at(&self) -> Option<Timestamp> {
        self.header.as_ref().map(|(at, _)| *at)
    }

    /// Where the run acts: as of the last resume, if there was one.
    pub fn target(&self) -> Option<&Target> {
        self.resumes
            .last()
            .map(|resumed| &resumed.target)
            .or_else(|| self.header().map(|header| &header.target))
    }

    /// Every step that has begun or ended, in the order of first begin.
    pub fn steps(&self) -> impl Iterator<Item = (&str, &StepState)> {
        self.steps.iter().map(|(path, reached)| (path.as_str(), &reached.state))
    }

    /// What is known of the step at `path`.
    pub fn step(&self, path: &str) -> Option<&StepState> {
        self.steps.get(path).map(|reached| &reached.state)
    }

    /// The outcome of the step at `path`; none while it has not ended.
    pub fn finished(&self, path: &str) -> Option<&StepFinished> {
        match self.step(path)? {
            StepState::Begun { .. } => None,
            StepState::Finished(finished) => Some(finished),
        }
    }

    /// The steps that were executed after the step at `path` came where it is.
    pub fn executed_after(&self, path: &str) -> impl Iterator<Item = (&str, &StepState)> {
        let seq = self.steps.get(path).map_or(u64::MAX, |reached| reached.seq);
        let later = self.steps.iter().filter(move |(_, reached)| reached.seq > seq);
        let executed = later.filter(|(_, reached)| reached.state.was_executed());
        executed.map(|(path, reached)| (path.as_str(), &reached.state))
    }

    /// The paths of those among them that change something, or may.
    pub fn changed_after(&self, path: &str) -> impl Iterator<Item = &str> {
        self.executed_after(path).filter(|(_, state)| state.changes()).map(|(path, _)| path)
    }

    /// Whether something was changed, a program was started that may have, or a person has said
    /// something, after the first of the steps `seen` and before `proof`.
    pub fn has_acted_between(&self, seen: &[String], proof: &str) -> bool {
        let Some(Reached { seq: last, .. }) = self.steps.get(proof) else { return false };
        let is_seen = |path: &str| seen.iter().any(|own| covers(own, path));
        let executed = || self.steps.iter().filter(|(_, reached)| reached.state.was_executed());
        let first = executed().filter(|(path, _)| is_seen(path)).map(|(_, reached)| reached.seq);
        let first = first.min().unwrap_or_default();
        let made = self.made();
        executed().any(|(path, reached)| {
            let is_good = reached.state.outcome().is_some_and(Outcome::is_good);
            let acts = match reached.state.effect() {
                Effect::Read => false,
                Effect::Opaque | Effect::Operator => is_good,
                Effect::Write => made.iter().any(|made| made.lasts && made.path == path),
            };
            acts && (first..*last).contains(&reached.seq)
        })
    }

    /// Whether there is something to go on with: the run has not ended, was stopped or waits, and has
    /// not cleaned up behind itself.
    pub fn is_resumable(&self) -> bool {
        let Some(end) = self.end_of_run() else { return true };
        // records of earlier versions have only lines
        let is_named = end.commands.is_empty()
            || end.commands.iter().any(|next| matches!(next, Next::Resume { .. }));
        (end.verdict.is_of_a_stop() && is_named) || self.kept_from_its_first_step()
    }

    /// Whether the last part of the run was kept from its first step: by a cluster that did not
    /// answer, missing permissions, another run. It can be gone on with.
    pub fn kept_from_its_first_step(&self) -> bool {
        self.steps.values().any(|reached| reached.state.is_preflight())
    }

    /// Paths of the steps that have begun and not ended: in flight while the run lives.
    pub fn running(&self) -> Vec<&str> {
        self.steps().filter(|(_, state)| state.outcome().is_none()).map(|(path, _)| path).collect()
    }

    /// Paths of the steps of which it is not known whether they changed something: a request
    /// without an answer, and what cannot be previewed and has not ended. While the run is known to
    /// live these are just in flight.
    pub fn in_doubt(&self) -> Vec<&str> {
        if self.is_running() == Some(true) {
            return Vec::new();
        }
        self.changing_steps()
            .filter(|(_, changes)| changes.iter().any(ChangeState::in_doubt))
            .map(|(path, _)| path)
            .collect()
    }

    /// The changes of a step, those that were made first.
    pub fn changes_of(&self, path: &str) -> &[ChangeState] {
        self.changes.get(path).map(Vec::as_slice).unwrap_or_default()
    }

    /// The digest of what a step plans, for its approval.
    pub fn changes_digest(&self, path: &str) -> Option<&str> {
        self.plans.get(path).map(|plan| plan.digest.as_str())
    }

    /// The changes that the last plan of a step is about, whatever has become of them.
    pub fn planned(&self, path: &str) -> &[ChangeState] {
        let first = self.plans.get(path).map_or(0, |plan| plan.first);
        self.changes_of(path).get(first..).unwrap_or_default()
    }

    /// The time that a step waits for, or has waited for.
    pub fn due(&self, path: &str) -> Option<&StepDue> {
        self.dues.get(path)
    }

    /// The steps that have begun and wait for a time, by path.
    pub fn waits_for_times(&self) -> BTreeMap<&str, Timestamp> {
        let running = self.running();
        let waits = self.dues.values().filter(|due| running.contains(&due.path.as_str()));
        waits.map(|due| (due.path.as_str(), due.due)).collect()
    }

    /// What a step asks a person.
    pub fn question(&self, path: &str) -> Option<&StepAsked> {
        self.questions.get(path)
    }

    /// The word that consent to a step must type, if it must.
    pub fn typed(&self, path: &str) -> Option<&str> {
        self.plans.get(path).and_then(|plan| plan.typed.as_deref())
    }

    /// Every step that plans or made changes, in the order of planning.
    pub fn changing_steps(&self) -> impl Iterator<Item = (&str, &[ChangeState])> {
        self.changes.iter().map(|(path, changes)| (path.as_str(), changes.as_slice()))
    }

    /// Approvals with their times, oldest first.
    pub fn approvals(&self) -> &[(Timestamp, StepApproved)] {
        &self.approvals
    }

    /// What a person said of a step, the last word of several.
    pub fn marked(&self, path: &str) -> Option<&StepMarked> {
        self.marks.get(path)
    }

    /// What happened to the locks of the run.
    pub fn locks(&self) -> &[LockEvent] {
        &self.locks
    }

    /// Paths of planned steps of which no record speaks.
    pub fn not_begun(&self) -> Vec<&str> {
        let planned = self.header().map(|header| header.steps.as_slice()).unwrap_or_default();
        planned
            .iter()
            .map(|step| step.path.as_str())
            .filter(|path| !self.steps.contains_key(*path))
            .collect()
    }

    /// Concluded causes of the current part of the run.
    pub fn findings(&self) -> &[FindingConcluded] {
        &self.findings
    }

    /// Causes that could not be excluded in the current part of the run.
    pub fn not_ruled_out(&self) -> &[NotRuledOut] {
        &self.not_ruled_out
    }

    /// The request to stop in the current part of the run, if there was one.
    pub fn interrupted(&self) -> Option<&RunInterrupted> {
        self.interrupted.as_ref()
    }

    /// Each resume, oldest first.
    pub fn resumes(&self) -> &[RunResumed] {
        &self.resumes
    }

    /// The end of the run; none while it runs, after a crash, and again after a resume.
    pub fn end_of_run(&self) -> Option<&RunFinished> {
        self.finished.as_ref().map(|(_, finished)| finished)
    }

    /// When the run ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.finished.as_ref().map(|(at, _)| *at)
    }
}
