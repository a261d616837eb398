//! The one owned, versioned event stream: what the engine emits, the journal stores and reporters
//! read.
//!
//! Every text of a recorded event has passed the border ([`MapText`]), behind which no secret and
//! no control character exists. Records are additive: a field is never renamed or removed.

mod alert;
mod border;
mod change;
mod judgement;
mod kind;
mod next;
mod outcome;
mod part;
mod path;
mod reason;
#[cfg(test)]
pub(crate) mod sample;
mod saved;
mod summary;

pub use alert::{Alert, AlertRule, AlertState, AlertStatus, AnsweredAlert, Standing, Threshold};
pub use border::{Border, MapText};
pub use change::{
    ChangeDoubted, ChangeFinished, ChangeNoted, ChangeResult, ChangeStarted, ChangesPlanned,
    LockChange, LockEvent, ObjectReference, PlannedChange, StepApproved, StepAsked, StepMark,
    StepMarked,
};
pub use judgement::{JudgedItem, Judgement, Truth};
pub use kind::StepKind;
pub use next::{Mark, Next, assignment, shell_word, short_id, typed_value, variable};
pub use outcome::{Effect, Mode, Outcome, Severity, Verdict};
pub use part::{Part, covers, is_within};
pub use reason::Reason;
pub use saved::Saved;
pub use summary::{Counts, SUMMARY_SCHEMA, StepSummary, Summary};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Version of the journal's records, in the first record of every run.
pub const JOURNAL_SCHEMA: &str = "runbook.journal/v1";

/// One line of a journal and of `--output jsonl`: an event with its place and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the run, from 1, without gaps.
    pub seq: u64,
    /// When the event was made.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Makes the events, and what has to know all of them, from one table.
macro_rules! events {
    ($($(#[$about:meta])* $name:ident($content:ty),)*) => {
        /// What can happen in a run.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        pub enum Event {
            $($(#[$about])* $name($content),)*
        }

        /// The name of an event, without its content.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum EventKind {
            $($(#[$about])* $name,)*
        }

        impl EventKind {
            /// All that there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        impl Event {
            /// Which one it is.
            pub fn kind(&self) -> EventKind {
                match self {
                    $(Self::$name(_) => EventKind::$name,)*
                }
            }
        }

        impl MapText for Event {
            fn map_text(self, border: &dyn Border) -> Self {
                match self {
                    $(Self::$name(content) => Self::$name(content.map_text(border)),)*
                }
            }
        }
    };
}

events! {
    /// The header: first record of every run.
    RunStarted(Box<RunStarted>),
    /// Another process took the run up again.
    RunResumed(RunResumed),
    /// Intent: the step is about to act. Durable before the action begins.
    StepStarted(StepStarted),
    /// One attempt of a retried step did not succeed; another follows.
    StepRetried(StepRetried),
    /// What a step will change; durable before consent is asked.
    ChangesPlanned(ChangesPlanned),
    /// Intent: a request is about to be sent. Durable before it is.
    ChangeStarted(ChangeStarted),
    /// By what it can be found out later what came of a change. Durable before it takes effect.
    ChangeNoted(ChangeNoted),
    /// What came of a request is not known.
    ChangeDoubted(ChangeDoubted),
    /// Outcome of a request.
    ChangeFinished(ChangeFinished),
    /// A program of this machine was started.
    ProgramStarted(ProgramStarted),
    /// A step waits for a time; durable before it waits.
    StepDue(StepDue),
    /// A step asks a person; durable before the question is shown.
    StepAsked(StepAsked),
    /// A person allowed the changes of a step, or answered its question.
    StepApproved(StepApproved),
    /// A person says how a step ended.
    StepMarked(StepMarked),
    /// The lock of the run was taken or lost.
    Lock(LockEvent),
    /// Outcome: the step is over. Durable before the next step begins.
    StepFinished(Box<StepFinished>),
    /// A cause was concluded.
    FindingConcluded(FindingConcluded),
    /// A cause could not be excluded, because something could not be looked at.
    FindingNotRuledOut(NotRuledOut),
    /// A person or a signal asked the run to stop.
    RunInterrupted(RunInterrupted),
    /// The run is over, or paused.
    RunFinished(RunFinished),
}

/// Where a run acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the kubeconfig context.
    pub context: Option<String>,
    /// URL of the API server.
    pub server: Option<String>,
    /// UID of the namespace kube-system: the identity of the cluster.
    pub cluster_uid: Option<String>,
    /// Namespace of the runbook, after parameters.
    pub namespace: Option<String>,
    /// Other namespaces in which it may change something, because a step or a called runbook says
    /// so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_changes: Vec<String>,
    /// The user as the API server sees it.
    pub user: Option<String>,
    /// Name of the scenario, when the cluster is simulated.
    pub sandbox: Option<String>,
}

impl Target {
    /// The cluster for a person: the scenario of a simulated one, or the context.
    pub fn cluster(&self) -> Option<String> {
        let simulated = self.sandbox.as_ref().map(|scenario| format!("sandbox {scenario}"));
        simulated.or_else(|| self.context.clone())
    }

    /// Cluster and namespace, as far as they are known: `prod-eu, shop`.
    pub fn place(&self) -> String {
        let known: Vec<String> =
            [self.cluster(), self.namespace.clone()].into_iter().flatten().collect();
        known.join(", ")
    }
}

/// A step as the plan knows it before the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Place in the run, such as `checks/leader`.
    pub path: String,
    /// What the step is called for a person.
    pub title: String,
    /// The verb, or `group`.
    pub action: StepKind,
    /// What the action can do.
    pub effect: Effect,
    /// Digest of the step as written; a resume keeps a finished step only if it is unchanged.
    pub digest: String,
}

/// Header of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`JOURNAL_SCHEMA`].
    pub schema: String,
    /// The run's id (a ULID).
    pub run: String,
    /// Name in the catalogue.
    pub runbook: String,
    /// Title of the runbook.
    pub title: String,
    /// `sha256:…` over the runbook's text and those it calls.
    pub digest: String,
    /// The file of the runbook, where it hides another of its name inside the program and nobody
    /// named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hiding: Option<String>,
    /// Kind of run.
    pub mode: Mode,
    /// Id of the run whose changes it takes back, or shows how; none in records of earlier
    /// versions, whose runbook is called `undo/…` then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The alert that it answers; none if it was started otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Box<AnsweredAlert>>,
    /// The part of the runbook that it does; none if it does all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Where it acts.
    pub target: Target,
    /// Resolved parameters; what is secret in them is masked.
    pub params: Map<String, Value>,
    /// Parameters that are not declared secret and in which something was masked all the same: a
    /// resume cannot take their values from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// The steps of the plan, in order, without those of loops and called runbooks.
    pub steps: Vec<PlannedStep>,
    /// Version of the program.
    pub version: String,
    /// Host on which the run began.
    pub host: String,
    /// Working directory in which it began; none in rehearsals and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The command line, masked.
    pub arguments: Vec<String>,
}

/// A run taken up again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    /// Host of the resuming process.
    pub host: String,
    /// Where it acts now.
    pub target: Target,
    /// `sha256:…` of the runbook as it is now.
    pub digest: String,
    /// Paths of the finished steps that are kept.
    pub kept: Vec<String>,
    /// Paths of finished steps that have changed since and are done again.
    pub changed: Vec<String>,
}

/// A step begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Place in the run; unique within it.
    pub path: String,
    /// Id within its runbook.
    pub id: String,
    /// What the step is called for a person.
    pub title: String,
    /// The verb.
    pub action: StepKind,
    /// What the action can do.
    pub effect: Effect,
    /// Digest of the step as written.
    pub digest: String,
    /// The item of a round of a loop, in short; empty where it is no round, and in records of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub item: String,
}

/// An attempt failed and is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRetried {
    /// Place in the run.
    pub path: String,
    /// Number of the attempt that failed, from 1.
    pub attempt: u32,
    /// Why it failed.
    pub reason: String,
    /// Pause before the next attempt, in milliseconds.
    pub delay_ms: u64,
}

/// A step waits for a time. It is determined once: a resume waits for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepDue {
    /// Place of the step in the run.
    pub path: String,
    /// Digest of the step as written: another step waits for another time.
    pub digest: String,
    /// When the wait began.
    pub from: Timestamp,
    /// What it waits for.
    pub due: Timestamp,
}

/// A program of this machine was started by a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStarted {
    /// Place of the step in the run.
    pub path: String,
    /// The program.
    pub program: String,
    /// Its process group.
    pub group: u32,
    /// The machine.
    pub host: String,
}

/// A step is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFinished {
    /// Place in the run.
    pub path: String,
    /// Id within its runbook.
    pub id: String,
    /// What the step is called for a person.
    pub title: String,
    /// The verb.
    pub action: StepKind,
    /// What the action can do.
    pub effect: Effect,
    /// Digest of the step as written.
    pub digest: String,
    /// The item of a round of a loop, in short; empty where it is no round, and in records of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub item: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a failure counts.
    pub severity: Severity,
    /// Result in a few words for the end of the step's line: `3 of 3`, `0 of 3, want 1`.
    pub summary: String,
    /// Why it did not pass; empty when it did.
    pub reason: String,
    /// The same as a value, where it is more than these words; none in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
    /// Attempts made, from 1; 0 when the action was not begun.
    pub attempts: u32,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// The judged expectations, in order.
    pub expectations: Vec<Judgement>,
    /// What the action returned, masked; null when there is nothing.
    pub output: Value,
    /// The file that holds the output, if it is too large for a record; `output` is null then.
    #[serde(skip)]
    pub stored: Option<Stored>,
    /// The files that the step saved, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saved: Vec<Saved>,
    /// Whether secrets were met in it that nothing before it had met: a process that goes on with
    /// the run knows them only if it reads again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub met_secrets: bool,
}

impl StepFinished {
    /// Whether the output tells that a change was seen to its end, and not only requested.
    pub fn tells_of_the_end(&self) -> bool {
        let in_record = || {
            self.output["changes"]
                .as_array()
                .is_some_and(|changes| changes.iter().any(|change| change["result"] == "done"))
        };
        self.stored.as_ref().map_or_else(in_record, |stored| stored.done)
    }

    /// Why it did not pass.
    pub fn because(&self) -> Reason {
        self.why.clone().unwrap_or_else(|| self.reason.as_str().into())
    }

    /// The same without its output, as what knows of all steps at once keeps it.
    #[must_use]
    pub fn without_output(&self) -> Self {
        Self {
            path: self.path.clone(),
            id: self.id.clone(),
            title: self.title.clone(),
            action: self.action.clone(),
            effect: self.effect,
            digest: self.digest.clone(),
            item: self.item.clone(),
            outcome: self.outcome,
            severity: self.severity,
            summary: self.summary.clone(),
            reason: self.reason.clone(),
            why: self.why.clone(),
            attempts: self.attempts,
            duration_ms: self.duration_ms,
            expectations: self.expectations.clone(),
            output: Value::Null,
            stored: None,
            saved: self.saved.clone(),
            met_secrets: self.met_secrets,
        }
    }
}

/// An output in a file of its own beside the journal, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
    /// It tells of the end of a change: see [`StepFinished::tells_of_the_end`].
    pub done: bool,
}

/// What to do about a finding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// Name of a runbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Parameters for it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// What a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A cause was concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingConcluded {
    /// Id within the runbook.
    pub id: String,
    /// How much it counts.
    pub severity: Severity,
    /// The cause, for a person.
    pub cause: String,
    /// What it concerns; none if the runbook does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<serde_json::Value>>,
    /// Paths of the steps that it was concluded from.
    pub steps: Vec<String>,
    /// What to do.
    pub remedy: Option<Remedy>,
    /// The remedy as a command to type.
    pub command: Option<String>,
    /// The same as a value; none in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Of a cause that was looked for in a list: every item that has it. The fields above are then
    /// those of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<FindingItem>,
    /// The run has removed the cause itself and proved it: it does not count any more, and nothing
    /// is left to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// The run has carried out the remedy, and these steps do not prove that it helped: nothing is
    /// proposed then, so that nobody repeats it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_fixed: Vec<FailedProof>,
}

/// A step after a remedy that did not pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedProof {
    /// Path of the step.
    pub step: String,
    /// Why it did not pass.
    pub reason: String,
    /// How it ended.
    #[serde(default = "failed")]
    pub outcome: Outcome,
}

/// The outcome of a proof in records that do not say it.
fn failed() -> Outcome {
    Outcome::Failed
}

impl FindingConcluded {
    /// The cause as it is said of each item that has it; of a cause without a list, once.
    pub fn items(&self) -> Vec<FindingItem> {
        if !self.each.is_empty() {
            return self.each.clone();
        }
        vec![FindingItem {
            cause: self.cause.clone(),
            objects: self.objects.clone(),
            remedy: self.remedy.clone(),
            command: self.command.clone(),
            next: self.next.clone(),
        }]
    }
}

/// A cause in one item of the list that it was looked for in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindingItem {
    /// The cause, for a person.
    pub cause: String,
    /// What it concerns; none if the runbook does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<Vec<serde_json::Value>>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
    /// The remedy as a command to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The same as a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// A cause could not be excluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRuledOut {
    /// Id of the finding.
    pub id: String,
    /// Which step could not be judged, and why.
    pub because: String,
}

/// The run was asked to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInterrupted {
    /// Name of the signal: `SIGINT`, `SIGTERM` or `SIGHUP`; or [`DEADLINE`].
    pub signal: String,
}

/// What stands in the place of a signal if the time limit of the whole run has passed.
pub const DEADLINE: &str = "timeout";

impl RunInterrupted {
    /// Whether it was the time limit of the whole run.
    pub fn is_deadline(&self) -> bool {
        self.signal == DEADLINE
    }
}

/// The run is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// Result.
    pub verdict: Verdict,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Duration since the start of this process's part, in milliseconds.
    pub duration_ms: u64,
    /// Commands to type next, most useful first.
    pub next: Vec<String>,
    /// The same as values; none in records of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Next>,
    /// Why steps still wait although a person has said something, by path: the approval has
    /// expired.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub waiting: BTreeMap<String, String>,
    /// The times that steps wait for, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<String, Timestamp>,
}
