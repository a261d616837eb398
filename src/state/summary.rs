//! The summary document of a state.

use super::{RunState, StepState};
use crate::event::{
    Counts, Mark, Mode, Next, SUMMARY_SCHEMA, Severity, StepKind, StepSummary, Summary, is_within,
    shell_word, short_id,
};
use jiff::Timestamp;
use serde_json::{Value, json};

impl RunState {
    /// The run in one document; also of a run that has not ended, whose `ended` and `verdict` are
    /// none.
    pub fn summary(&self) -> Summary {
        let header = self.header();
        let started = self.started_at().unwrap_or(Timestamp::UNIX_EPOCH);
        let end = self.end_of_run();
        let mode = match header.map_or(Mode::Run, |header| header.mode) {
            Mode::Run if !self.resumes().is_empty() => Mode::Resume,
            mode => mode,
        };
        let run = header.map(|header| header.run.clone()).unwrap_or_default();
        Summary {
            schema: SUMMARY_SCHEMA.into(),
            runbook: header.map(|header| header.runbook.clone()).unwrap_or_default(),
            title: header.map(|header| header.title.clone()).unwrap_or_default(),
            digest: self
                .resumes()
                .last()
                .map(|resumed| resumed.digest.clone())
                .or_else(|| header.map(|header| header.digest.clone()))
                .unwrap_or_default(),
            mode,
            started,
            ended: self.ended_at(),
            duration_ms: self.ended_at().map(|ended| milliseconds(started, ended)),
            alert: header.and_then(|header| header.alert.clone()),
            part: header.and_then(|header| header.part.clone()),
            target: self.target().cloned().unwrap_or_default(),
            params: header.map(|header| header.params.clone()).unwrap_or_default(),
            verdict: end.map(|end| end.verdict),
            running: self.is_running(),
            exit_code: end.map(|end| end.exit_code),
            counts: self.counts(),
            steps: self.steps().map(|(path, step)| step_summary(path, step)).collect(),
            findings: self.findings().to_vec(),
            not_ruled_out: self.not_ruled_out().to_vec(),
            changes: if mode == Mode::DryRun { Vec::new() } else { self.changes() },
            due: self
                .waits_for_times()
                .into_iter()
                .map(|(path, due)| (path.to_owned(), due))
                .collect(),
            next: match end {
                Some(end) => end.next.clone(),
                None if run.is_empty() => Vec::new(),
                None if self.is_running() == Some(true) => vec![format!("runbook log -f {run}")],
                None => vec![self.resume_command(None).to_string()],
            },
            run,
        }
    }

    /// The same state, of which is known whether a process executes the run now. A journal does not
    /// tell a run in progress from one whose process died.
    pub fn see_running(&mut self, running: bool) {
        self.seen_running = Some(running);
    }

    /// Whether a process executes the run, which has not ended; none where nobody has looked.
    pub fn is_running(&self) -> Option<bool> {
        self.seen_running.filter(|_| self.end_of_run().is_none())
    }

    /// What is said of a run that has not ended, without a capital letter.
    pub fn words_without_end(&self) -> &'static str {
        match self.is_running() {
            Some(true) => "not finished: still running",
            Some(false) => "not finished: its process died",
            None => "not finished: the process ended, or is still running",
        }
    }

    /// The command that goes on with the run where its last process acted.
    pub fn resume_command(&self, mark: Option<Mark>) -> Next {
        self.resume_command_with(mark, self.place_options())
    }

    /// The command that goes on with the run, with these options.
    pub fn resume_command_with(&self, mark: Option<Mark>, options: Vec<String>) -> Next {
        let header = self.header();
        Next::Resume {
            run: header.map(|header| short_id(&header.run)).unwrap_or_default().to_owned(),
            mark,
            withheld: header.map(|header| header.withheld.clone()).unwrap_or_default(),
            options,
        }
    }

    /// The options that a command about this run has to repeat, so that it acts where the run did:
    /// those that its last process named, or the scenario.
    pub fn place_options(&self) -> Vec<String> {
        let commands = self.end_of_run().into_iter().flat_map(|end| &end.commands);
        let named = commands.into_iter().find_map(|next| match next {
            Next::Resume { options, .. } | Next::Undo { options, .. } => Some(options.clone()),
            Next::Run { .. } | Next::Approve { .. } | Next::Status { .. } => None,
        });
        let scenario = self.target().and_then(|target| target.sandbox.as_deref());
        let scenario = || scenario.map(|name| format!("--sandbox={}", shell_word(name)));
        named.unwrap_or_else(|| scenario().into_iter().collect())
    }

    /// Ended steps by outcome. Groups stand for their steps and are not counted, unless one ended
    /// badly and no step in it says so: then the counts would hide what the verdict is about.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in self.ended().filter(|step| !step.action.is_group() || self.is_unexplained(step))
        {
            counts.add(step.outcome);
        }
        counts
    }

    /// Whether the run has seen the end of what a step asked for: the verb has waited for it, or a
    /// rollout that verifies the step has.
    fn saw_the_end(&self, path: &str) -> bool {
        let waited = self.finished(path).is_some_and(|step| step.outcome.is_good())
            && self.told.contains(path);
        waited
            || self.ended().any(|step| {
                step.action == StepKind::Rollout
                    && step.outcome.is_good()
                    && is_within(&step.path, path)
            })
    }

    /// Changes made in the cluster, oldest first, each with the path of its `step`; of opaque steps
    /// what they say of themselves.
    pub fn changes(&self) -> Vec<Value> {
        let known = self.changing_steps().flat_map(|(path, changes)| {
            changes.iter().filter(|change| change.is_made()).map(move |change| (path, change))
        });
        let known = known.map(|(path, change)| {
            let planned = &change.planned;
            json!({"step": path, "verb": planned.verb, "object": planned.object.to_string(),
                "summary": planned.told(self.saw_the_end(path))})
        });
        known.collect()
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond().saturating_sub(from.as_millisecond())).unwrap_or(0)
}

fn step_summary(path: &str, step: &StepState) -> StepSummary {
    match step {
        StepState::Begun { started, last_failure, .. } => StepSummary {
            id: started.id.clone(),
            path: path.to_owned(),
            title: started.title.clone(),
            action: started.action.clone(),
            effect: started.effect,
            outcome: None,
            severity: Severity::default(),
            summary: String::new(),
            reason: last_failure.clone().unwrap_or_default(),
            attempts: 0,
            duration_ms: 0,
            expectations: Vec::new(),
            saved: Vec::new(),
        },
        StepState::Finished(finished) => StepSummary {
            id: finished.id.clone(),
            path: path.to_owned(),
            title: finished.title.clone(),
            action: finished.action.clone(),
            effect: finished.effect,
            outcome: Some(finished.outcome),
            severity: finished.severity,
            summary: finished.summary.clone(),
            reason: finished.reason.clone(),
            attempts: finished.attempts,
            duration_ms: finished.duration_ms,
            expectations: finished.expectations.clone(),
            saved: finished.saved.clone(),
        },
    }
}
