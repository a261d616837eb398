//! Why a session cannot be begun or does not go on. These are facts; what its users can do about
//! them is the caller's to say.

use crate::cluster;
use crate::document::CatalogueError;
use crate::engine::{EngineError, Signal};
use crate::event::Verdict;
use crate::journal;
use crate::plan::ParamError;
use crate::sandbox::WorldError;
use jiff::Timestamp;
use std::io;

/// Why a session came to no end.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The runbook cannot be had.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The parameters are not those of the runbook.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Params(Vec<ParamError>),
    /// It must not be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The simulated cluster cannot be started.
    #[error(transparent)]
    Sandbox(#[from] WorldError),
    /// The records of runs cannot be read or written.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The run could not go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file of this machine cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A defect of the program.
    #[error(
        "a step that undoes a change was not made right (a defect of this program, please \
        report it): {0}"
    )]
    Defect(serde_json::Error),
    /// It was stopped before the run began.
    #[error("stopped by {} before the run began", .0.name())]
    Stopped(Signal),
}

/// Why something must not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A namespace and a parameter that sets it differ.
    #[error("the namespace {namespace} and the parameter {param}={value} conflict")]
    TwoNamespaces {
        /// The namespace.
        namespace: String,
        /// The parameter that it sets.
        param: String,
        /// What is given for that.
        value: String,
    },
    /// The runbook runs in other contexts only.
    #[error("{runbook} runs only in the contexts {}, but this is {context}", allowed.join(", "))]
    Context {
        /// The runbook.
        runbook: String,
        /// Where it runs.
        allowed: Vec<String>,
        /// Where this is.
        context: String,
    },
    /// The context is protected, was not named, and something could be changed in it.
    #[error("the context {context} is protected ({by}), and this run can change it")]
    Protected {
        /// The context.
        context: String,
        /// Where that is said.
        by: String,
    },
    /// A runbook that nobody named hides one of the program and runs something here.
    #[error("{file} is not trusted")]
    Untrusted {
        /// Its file.
        file: String,
        /// The beginning of its digest.
        digest: String,
    },
    /// A rehearsal was to act on a real cluster.
    #[error("a rehearsal acts on a simulated cluster, and a real one is named")]
    RealCluster,
    /// The journal does not say what run it is.
    #[error("run {run} has no header")]
    NoHeader {
        /// The run.
        run: String,
    },
    /// The runbook is not in this catalogue.
    #[error("runbook {runbook} is not in this catalogue")]
    Elsewhere {
        /// The runbook.
        runbook: String,
        /// The host and the working directory of the run.
        began: (String, String),
    },
    /// The record does not have the value of a parameter.
    #[error(
        "the value of parameter {param} is not in the record of run {run}, because something \
            secret was masked in it"
    )]
    Withheld {
        /// The run.
        run: String,
        /// The parameter.
        param: String,
    },
    /// The run is over.
    #[error("run {run} has ended ({}) and cannot be resumed", word(*verdict))]
    Ended {
        /// The run.
        run: String,
        /// How it ended.
        verdict: Verdict,
    },
    /// What it changed was taken back, at least in part.
    #[error("run {run} was undone by run {by} and cannot be resumed")]
    Undone {
        /// The run.
        run: String,
        /// The run that has undone it.
        by: String,
        /// The runbook.
        runbook: String,
    },
    /// It began with another value of a parameter.
    #[error("run {run} began with {param}={value}, and continues with it")]
    OtherParam {
        /// The run.
        run: String,
        /// The parameter.
        param: String,
        /// Its value in the record.
        value: String,
    },
    /// It waits for a time that is still to come.
    #[error("run {run} is due at {due} (step {step})")]
    NotDue {
        /// The run.
        run: String,
        /// The step that waits.
        step: String,
        /// Until when.
        due: Timestamp,
    },
    /// The run acts in another namespace.
    #[error("run {run} is in namespace {of_run}")]
    OtherNamespace {
        /// The run.
        run: String,
        /// Its namespace.
        of_run: String,
        /// The one that is wanted.
        wanted: String,
        /// Whether it was to be undone.
        undo: bool,
    },
    /// A step that has changed the cluster is written otherwise now.
    #[error("step {step} of {runbook} was modified after it changed the cluster")]
    StepChanged {
        /// The runbook.
        runbook: String,
        /// The step.
        step: String,
    },
    /// There is no step of this path, and perhaps one of a similar path.
    #[error("{runbook} has no step {step}{}", near.as_ref().map(|near| format!("; did you mean \
        {near}?")).unwrap_or_default())]
    NoSuchStep {
        /// The runbook.
        runbook: String,
        /// What was named.
        step: String,
        /// The path that is nearest.
        near: Option<String>,
    },
    /// A part that names what is not a part of its own.
    #[error("{step} is what is checked after {change}: --only {change} does both")]
    PartOfAChange {
        /// What was named.
        step: String,
        /// The step that it belongs to.
        change: String,
    },
    /// A part in which there is nothing.
    #[error("no step of {runbook} is in this part")]
    EmptyPart {
        /// The runbook.
        runbook: String,
    },
    /// There is no such step.
    #[error("{runbook} has no step {step}")]
    NoStep {
        /// The runbook.
        runbook: String,
        /// The step.
        step: String,
    },
    /// A step that changes nothing cannot have been done by hand.
    #[error("step {step} makes no change that you could do by hand: it runs or asks again")]
    NothingToMark {
        /// The step.
        step: String,
    },
    /// It cannot be told whether this is the cluster of the run.
    #[error(
        "cannot determine whether this is the cluster of the run, with kube-system {before}: the \
            namespace kube-system is not readable"
    )]
    ClusterUnknown {
        /// UID of kube-system on the cluster of the run.
        before: String,
    },
    /// This is not the cluster of the run.
    #[error(
        "this is another cluster: the run started on the cluster with kube-system {before}, but \
            this one has {now}"
    )]
    OtherCluster {
        /// UID of kube-system on the cluster of the run.
        before: String,
        /// UID of kube-system here.
        now: String,
    },
    /// This is not the user of the run.
    #[error("the run was started by {before}, but this is {now}")]
    OtherUser {
        /// The user of the run.
        before: String,
        /// The user here.
        now: String,
    },
    /// What is in doubt cannot be undone.
    #[error("step {step} of run {run} is in doubt")]
    UndoInDoubt {
        /// The run.
        run: String,
        /// The step.
        step: String,
    },
    /// Nothing was changed, or nothing is left of it that could be undone.
    #[error("run {run} has nothing to undo: {}", nothing(opaque, gone))]
    NothingToUndo {
        /// The run.
        run: String,
        /// Steps whose effect nobody knows how to undo.
        opaque: Vec<String>,
        /// Objects that it created and deleted.
        gone: Vec<String>,
    },
    /// An approval cannot be given.
    #[error(transparent)]
    Approval(#[from] NotApproved),
}

/// Why a step cannot be approved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// The step has ended.
    #[error("step {step} of run {run} has already finished")]
    Over {
        /// The run.
        run: String,
        /// The step.
        step: String,
    },
    /// The step does not wait.
    #[error(
        "step {step} of run {run} is not waiting; waiting steps: {}",
        if waiting.is_empty() { "none".to_owned() } else { waiting.join(", ") }
    )]
    NotWaiting {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// The steps that do.
        waiting: Vec<String>,
    },
    /// The step is in doubt.
    #[error("step {step} is in doubt, which an approval cannot resolve")]
    InDoubt {
        /// The run.
        run: String,
        /// The step.
        step: String,
    },
    /// The record does not have the question.
    #[error("the record, written by an earlier version, lacks the question of step {step}")]
    NoQuestion {
        /// The run.
        run: String,
        /// The step.
        step: String,
    },
    /// The step was stopped while it did what needs no person.
    #[error("step {step} ({action}) does not wait for a person: it was stopped")]
    NoPerson {
        /// The run.
        run: String,
        /// The step.
        step: String,
        /// Its verb.
        action: String,
    },
    /// What would be sent is not what was planned.
    #[error(
        "the recorded request of step {step} differs from its preview: an earlier version wrote the \
            record, or the record was modified"
    )]
    NotAsPlanned {
        /// The run.
        run: String,
        /// The step.
        step: String,
    },
    /// The step wants a word typed, and it was another one or none.
    #[error("step {step} requires a typed confirmation")]
    Word {
        /// The step.
        step: String,
        /// The word.
        word: String,
    },
    /// The step wants no word.
    #[error("step {step} requires no typed confirmation")]
    NoWord {
        /// The step.
        step: String,
    },
    /// The run asks no cluster that could say who this is.
    #[error("the run uses no cluster")]
    NoCluster,
    /// Who this is was asked of a cluster that is not the one of the run.
    #[error(
        "this is another cluster: {server} with {}, but the run is on {} with {}",
        known(uid.as_ref()), of_run.as_deref().unwrap_or("none"), known(uid_of_run.as_ref())
    )]
    OtherCluster {
        /// Its address.
        server: String,
        /// UID of its kube-system.
        uid: Option<String>,
        /// Address of the cluster of the run.
        of_run: Option<String>,
        /// UID of kube-system there.
        uid_of_run: Option<String>,
    },
    /// The cluster does not say who this is.
    #[error(
        "the cluster does not identify you: it does not support SelfSubjectReview (Kubernetes \
            before 1.28), or does not allow it for this user"
    )]
    NoUser,
}

/// A verdict as it is written in records.
fn word(verdict: Verdict) -> String {
    let value = serde_json::to_value(verdict).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn nothing(opaque: &[String], gone: &[String]) -> String {
    match (opaque, gone) {
        ([], []) => "it changed nothing".to_owned(),
        ([], gone) => format!("it has deleted what it created: {}", gone.join(", ")),
        (opaque, _) => format!("what it did in {} cannot be undone", opaque.join(", ")),
    }
}

fn known(uid: Option<&String>) -> String {
    uid.map_or("an unreadable kube-system".to_owned(), |uid| format!("kube-system {uid}"))
}

impl From<NotApproved> for SessionError {
    fn from(error: NotApproved) -> Self {
        Self::Refused(Refusal::Approval(error))
    }
}
