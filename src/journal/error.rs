//! What can go wrong with a journal.

use super::RunInfo;
use std::io;
use std::path::{Path, PathBuf};

/// Why a journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No room is left: nothing more may be done that could not be recorded.
    #[error("the disk is full: cannot write {path}: free some space, then resume the run")]
    DiskFull {
        /// File or folder that could not be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried: `open`, `write`, …
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A journal that could not be written once is not written again by this process.
    #[error("an earlier record of run {run} could not be written; resume the run in a new process")]
    Stopped {
        /// The run.
        run: String,
    },
    /// Another process has the run.
    #[error(
        "run {run} is being executed by another process: wait for it to finish, or stop it there \
            with Ctrl-C"
    )]
    Locked {
        /// The run.
        run: String,
    },
    /// A line other than a torn last one is not what was written.
    #[error(
        "{path}:{line}: the journal is damaged: {reason}; the run cannot be resumed, check the \
            cluster and start a new run"
    )]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A stored output is missing or not what was written.
    #[error("{path}: the stored output of record {seq} is damaged: {reason}")]
    Artifact {
        /// File of the output.
        path: PathBuf,
        /// The record that it belongs to.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
    /// The file of the key holds something else.
    #[error(
        "{path} is not a valid key, which has 64 hexadecimal digits: restore it, or remove it and \
            approve again"
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Written in a form that this version does not know.
    #[error(
        "{path}: the journal has schema {schema}, this version reads runbook.journal/v1; {hint}"
    )]
    Schema {
        /// The journal.
        path: PathBuf,
        /// Schema in the header.
        schema: String,
        /// What to do.
        hint: String,
    },
    /// A newer version wrote an event that this one does not know.
    #[error(
        "{path}:{line}: unknown event `{event}`, written by runbook {version}: use that version or \
            a newer one"
    )]
    UnknownEvent {
        /// The journal.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Name of the event.
        event: String,
        /// Version of the program that began the run.
        version: String,
    },
    /// The process ended before the first record was durable.
    #[error("run {run} never started: its journal has no complete record; start a new run")]
    Empty {
        /// The run.
        run: String,
    },
    /// A run with this id exists.
    #[error("run {run} already exists at {path}")]
    Exists {
        /// The run.
        run: String,
        /// Its directory.
        path: PathBuf,
    },
    /// Not a name that a directory of a run can have.
    #[error("`{run}` is not a run id: use only letters, digits, `-` and `_`")]
    BadRunId {
        /// What was given.
        run: String,
    },
    /// Nothing matches.
    #[error(
        "run `{text}` not found{}",
        listed("; nearest: ", nearest, "; no runs are recorded yet")
    )]
    NotFound {
        /// What was given.
        text: String,
        /// The most similar run ids, best first.
        nearest: Vec<String>,
    },
    /// Several match.
    #[error(
        "`{text}` matches {} runs: {}{}; use more characters of the id",
        matches.len() + more,
        ids(matches),
        if *more > 0 { format!(" and {more} more") } else { String::new() }
    )]
    Ambiguous {
        /// What was given.
        text: String,
        /// Runs that match, newest first.
        matches: Vec<RunInfo>,
        /// How many others match.
        more: usize,
    },
    /// The newest run of a runbook that never ran.
    #[error("no run of `{runbook}` is recorded")]
    NoneOf {
        /// Name of the runbook, as given.
        runbook: String,
    },
    /// There is no home directory to keep state in.
    #[error("no state directory: HOME is not set; set XDG_STATE_HOME or HOME")]
    NoHome,
}

fn ids(runs: &[RunInfo]) -> String {
    runs.iter().map(|info| info.run.as_str()).collect::<Vec<_>>().join(", ")
}

fn listed(before: &str, names: &[String], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { format!("{before}{}", names.join(", ")) }
}

impl Error {
    /// Sorts an error of the system: a full disk is its own kind.
    pub(super) fn from_io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { what, path, source },
        }
    }
}
