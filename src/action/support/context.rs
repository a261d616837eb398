//! The input and the result of an action: its context, its output, its failure.

use super::outside::Outside;
use super::programs::Programs;
use crate::cluster::{self, Cluster};
use crate::event::{Effect, PlannedChange, Saved, Target, Verdict};
use crate::expression::Data;
use crate::secret::Masker;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What an action may use. Everything comes from outside: nothing in an action is global.
#[derive(Clone)]
pub struct Context {
    /// The cluster; none for steps that need none.
    pub cluster: Option<Cluster>,
    /// Namespace of the step.
    pub namespace: String,
    /// What the run has read from Secrets is learnt here.
    pub masker: Masker,
    /// When the step must be over.
    pub deadline: Instant,
    /// Stops the action early.
    pub cancel: CancellationToken,
    /// The time of the run, for ages.
    pub now: Timestamp,
    /// Says what the action waits for and what it last saw.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
    /// Records that a program of this machine was started: its name and its process group.
    pub started: Arc<dyn Fn(&str, u32) + Send + Sync>,
    /// Records, durably, by what it can be found out later what came of a change that cannot be
    /// previewed. Nothing may be done that is not recorded.
    pub note: Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>,
    /// What such programs get.
    pub programs: Arc<Programs>,
    /// Asks a person.
    pub prompt: Arc<dyn Prompt>,
    /// Id of the run, for stamps and names that are the same when the step is done again.
    pub run: Arc<str>,
    /// Place of the step in the run.
    pub path: String,
    /// The changes that were made by the step, once they are made.
    pub made: Arc<Vec<PlannedChange>>,
    /// Earlier runs.
    pub records: Arc<dyn Records>,
    /// The files that this run saves.
    pub shelf: Arc<dyn Shelf>,
    /// The hosts that the runbook declares for requests from this machine.
    pub hosts: Arc<[String]>,
    /// In a rehearsal: what programs and hosts respond with, of which none is started or asked.
    pub outside: Option<Arc<Outside>>,
}

/// The files that a run saves beside its journal.
pub trait Shelf: Send + Sync {
    /// Those that there are, by path.
    fn files(&self) -> Vec<Saved>;

    /// The content of one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, file: &str) -> io::Result<Vec<u8>>;

    /// Keeps one more, which the record of the step at this path will name.
    ///
    /// # Errors
    /// Why it cannot be kept, for a person.
    fn keep(&self, step: &str, file: &str, content: &[u8]) -> Result<Saved, String>;

    /// The run so far as a page of HTML.
    fn page(&self) -> String;
}

/// Nothing is kept: for what is no run.
impl Shelf for () {
    fn files(&self) -> Vec<Saved> {
        Vec::new()
    }

    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn keep(&self, _: &str, _: &str, _: &[u8]) -> Result<Saved, String> {
        Err("nothing is kept here".to_owned())
    }

    fn page(&self) -> String {
        String::new()
    }
}

/// Looks up earlier runs.
pub trait Records: Send + Sync {
    /// An earlier run: by id, or the newest run of a runbook that changed something.
    ///
    /// # Errors
    /// Why it cannot be read, for a person.
    fn find(&self, which: &WhichRun) -> Result<Option<EarlierRun>, String>;
}

/// An earlier run, as its records tell it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlierRun {
    /// Its id.
    pub run: String,
    /// Name of the runbook.
    pub runbook: String,
    /// When it began.
    pub started: Timestamp,
    /// Its result; none if it has not ended.
    pub verdict: Option<Verdict>,
    /// Its parameters; what is secret in them is masked.
    pub params: Map<String, Value>,
    /// Where it acted.
    pub target: Target,
    /// What it changed, oldest first.
    pub changes: Vec<EarlierChange>,
}

/// A change that an earlier run made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlierChange {
    /// The change, with the object before it and as it came out; null if that is not known.
    #[serde(flatten)]
    pub change: PlannedChange,
    /// Path of the step that made it.
    pub step: String,
    /// Its place among the changes of that step.
    pub index: usize,
}

/// Selects an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichRun {
    /// That of this id, or end of an id.
    Run(String),
    /// The newest that changed something, of this runbook, on this cluster and namespace.
    Newest {
        /// Name of the runbook.
        runbook: String,
        /// UID of the cluster.
        cluster: Option<String>,
        /// Namespace.
        namespace: String,
    },
}

impl Context {
    /// The cluster, or the reason why there is none.
    ///
    /// # Errors
    /// When the run has no cluster.
    pub fn cluster(&self) -> Result<&Cluster, Failure> {
        self.cluster.as_ref().ok_or_else(|| Failure::error("no cluster"))
    }

    /// Where a file of this machine is: in a rehearsal, in a folder that stands for this machine.
    pub fn local_path(&self, path: &str) -> PathBuf {
        match &self.outside {
            Some(outside) => outside.place(Path::new(path)),
            None => PathBuf::from(path),
        }
    }

    /// Time left until the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// How a person is asked.
pub trait Prompt: Send + Sync {
    /// Asks a question. None if nobody can answer.
    fn ask(&self, question: &Question) -> Option<bool>;

    /// Asks before a step whether it is to be done. None if nobody can answer, or nobody wants to
    /// now.
    fn before(&self, _: &Upcoming) -> Option<Go> {
        None
    }

    /// Shows changes and asks for confirmation. None if nobody can answer, or nobody wants to now.
    fn approve(&self, approval: &Approval) -> Option<Consented>;
}

/// A step before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// Its path.
    pub path: String,
    /// What it is called for a person.
    pub title: String,
    /// Its verb.
    pub verb: String,
    /// What it can do.
    pub effect: Effect,
    /// A dry run: changes are only shown.
    pub is_dry: bool,
    /// Where the run acts: `context prod-eu · namespace shop`. Empty where it acts nowhere.
    pub place: String,
}

/// What a person says before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It is to be done.
    On,
    /// It is to be done, and nobody is asked before the later ones.
    ToTheEnd,
    /// It is to be left out.
    Past,
}

/// What a person says of the changes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consented {
    /// They are to be made.
    Yes,
    /// They are to be made, and so are those of all later steps that want no typed word.
    All,
    /// They are not to be made.
    No,
}

/// What a person is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Path of the step; empty where it is of none.
    pub step: String,
    /// Where the run acts: `context prod-eu · namespace shop`. Empty where it acts nowhere.
    pub place: String,
    /// The question.
    pub text: String,
    /// Word to type as a yes.
    pub typed: Option<String>,
}

/// What a person is asked to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Path of the step.
    pub step: String,
    /// The step: `scale  Scale down to 1`.
    pub title: String,
    /// How far it reaches: objects, replicas, namespaces.
    pub reach: String,
    /// The cluster that it changes: `context prod-eu`.
    pub place: String,
    /// Why the step is done and what is looked at after it, line by line.
    pub why: Vec<String>,
    /// The difference, line by line.
    pub diff: Vec<String>,
    /// Word to type as confirmation, for changes that cannot be undone.
    pub typed: Option<String>,
}

/// What an action returns.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The output of the step, `.` of its expectations.
    pub value: Value,
    /// The output in its place, where it may be too large to be held as a value.
    pub large: Option<Data>,
    /// The result in a few words, for the end of the step's line.
    pub summary: String,
    /// What it could not look at, although its result is about that: nothing good is said then.
    pub unseen: Option<Unseen>,
}

/// A part of the question of a verb that stays open.
#[derive(Clone, Debug)]
pub struct Unseen {
    /// What was to be found out.
    pub that: String,
    /// Why it is not known.
    pub reason: String,
}

impl Output {
    /// An output with its result in a few words.
    pub fn new(value: Value, summary: impl Into<String>) -> Self {
        Self { value, large: None, summary: summary.into(), unseen: None }
    }

    /// An output that may be large.
    pub fn large(data: Data, summary: impl Into<String>) -> Self {
        Self { value: Value::Null, large: Some(data), summary: summary.into(), unseen: None }
    }

    /// The output as it is kept.
    pub fn into_data(self) -> Data {
        self.large.unwrap_or_else(|| self.value.into())
    }
}

/// What came of a change that cannot be previewed.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It was made; what is known of it.
    Done(Box<Output>),
    /// It was certainly not made, and never will be: how that is known.
    NotDone(String),
    /// Why it cannot be told.
    CannotTell(String),
}

/// Why an action gave no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// What happened, where, why, what to do; one sentence.
    pub message: String,
    /// It is certain that nothing was done.
    pub not_executed: bool,
}

/// What a failure says about the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The state could not be determined; a retry may succeed.
    Transient,
    /// The state could not be determined.
    Error,
    /// The state is known and wrong, such as a wait that met a terminal state.
    Failed,
    /// The deadline passed; the message says what was last seen.
    TimedOut,
    /// It was not looked at, because a program is not installed.
    NotThere,
    /// The operator declined, or the run was stopped.
    Cancelled,
}

impl Failure {
    /// It could not be looked at.
    pub fn error(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Error, message: message.into(), not_executed: false }
    }

    /// A wait that timed out. If the view was not fresh at the end, the current state is unknown,
    /// and the failure does not claim to know it.
    pub fn in_vain(text: String, not_fresh: Option<&cluster::Error>) -> Self {
        match not_fresh {
            Some(error) => Self::error(format!("{text} (not fresh: {error})")),
            None => Self::new(FailureKind::TimedOut, text),
        }
    }

    /// A failure of a kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), not_executed: false }
    }
}

impl From<cluster::Error> for Failure {
    fn from(error: cluster::Error) -> Self {
        let kind = if error.retryable() { FailureKind::Transient } else { FailureKind::Error };
        Self { kind, message: error.to_string(), not_executed: error.not_executed() }
    }
}
