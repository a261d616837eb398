//! What came of one process of a case.

use crate::engine::Sink;
use crate::event::{Event, Outcome, Record, Verdict};
use crate::sandbox::Dial;
use crate::state::RunState;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
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
    /// The verdict; none of a process that died.
    pub verdict: Option<Verdict>,
    /// The causes that were found, by id.
    pub findings: Vec<String>,
    /// How its steps ended, by id.
    pub outcomes: Vec<(String, Outcome)>,
    /// The requests that changed something: `patch deployments web-apps/web`.
    pub changes: Vec<String>,
    /// A digest of its events with their times: equal ones happened equally.
    pub digest: String,
    /// What is known of the run; forgotten where everything came out as it must.
    pub state: RunState,
    /// Its events; forgotten as well.
    pub records: Vec<Record>,
}

impl Stage {
    pub(super) fn new(
        kind: StageKind,
        state: RunState,
        records: Vec<Record>,
        changes: Vec<String>,
    ) -> Self {
        let mut hash = Sha256::new();
        let mut outcomes = Vec::new();
        for record in &records {
            hash.update(serde_json::to_vec(record).unwrap_or_default());
            if let Event::StepFinished(finished) = &record.event {
                outcomes.push((finished.id.clone(), finished.outcome));
            }
        }
        Self {
            kind,
            verdict: state.end_of_run().map(|end| end.verdict),
            findings: state.findings().iter().map(|found| found.id.clone()).collect(),
            outcomes,
            changes,
            digest: format!("sha256:{}", crate::encoding::hex(&hash.finalize())),
            state,
            records,
        }
    }

    /// When a run that is paused until a time goes on.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let end = self.state.end_of_run().filter(|end| end.verdict == Verdict::Paused)?;
        end.due.values().min().copied()
    }

    /// Lets go of what only explains a difference.
    pub(super) fn forget(&mut self) {
        (self.state, self.records) = (RunState::new(), Vec::new());
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
