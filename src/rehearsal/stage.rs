//! What came of one process of a case.

use crate::engine::Sink;
use crate::event::{Event, Record, Verdict};
use crate::sandbox::Dial;
use crate::state::RunState;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Which process it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// The run itself, to its end, or until it died.
    Run,
    /// The same run, taken up again.
    Resumed,
    /// A second run.
    Again,
    /// The run undone.
    Undone,
}

impl StageKind {
    /// What a person reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Resumed => "resume",
            Self::Again => "second run",
            Self::Undone => "undo",
        }
    }
}

/// What came of one process.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Which.
    pub kind: StageKind,
    /// What is known of the run.
    pub state: RunState,
    /// Its events.
    pub records: Vec<Record>,
    /// The requests that changed something: `patch deployments web-apps/web`.
    pub changes: Vec<String>,
}

impl Stage {
    /// The verdict; none of a process that died.
    pub fn verdict(&self) -> Option<Verdict> {
        self.state.end_of_run().map(|end| end.verdict)
    }
}

/// Keeps the events.
#[derive(Clone, Default)]
pub(super) struct Keeps(Arc<Mutex<Vec<Record>>>);

impl Keeps {
    pub(super) fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Keeps {
    fn record(&mut self, record: &Record, _: &RunState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
    }

    fn progress(&mut self, _: &str, _: &str) {}
}

/// Lets the process die when a step begins: its records are kept as they are at that moment, and
/// nothing that it sends afterwards arrives.
pub(super) struct Dies {
    pub(super) at: String,
    pub(super) dial: Dial,
    pub(super) records: PathBuf,
    pub(super) kept: PathBuf,
    pub(super) died: CancellationToken,
}

impl Sink for Dies {
    fn record(&mut self, record: &Record, _: &RunState) {
        let Event::StepStarted(started) = &record.event else { return };
        if started.path == self.at && !self.died.is_cancelled() {
            self.dial.hang_up();
            // what is not copied is not found, and the case says so
            drop(copy(&self.records, &self.kept));
            self.died.cancel();
        }
    }

    fn progress(&mut self, _: &str, _: &str) {}
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let (path, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
