//! The way of every event: masked, numbered, folded, written, shown; in this order.

use super::Clock;
use crate::encoding::hex;
use crate::event::{Event, MapText, Record, Saved, StepFinished};
use crate::expression::Data;
use crate::journal::{self, Journal};
use crate::secret::Masker;
use crate::state::{IllegalTransition, RunState};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most bytes of all files that a run saves.
const MOST_SAVED: u64 = 256 << 20;

/// Looks at events as they happen. It cannot fail: what cannot be shown must not stop a run.
pub trait Sink: Send {
    /// An event has been written.
    fn record(&mut self, record: &Record, state: &RunState);

    /// A step says what it waits for; not an event.
    fn progress(&mut self, path: &str, message: &str);

    /// How long a step may take; not an event.
    fn limit(&mut self, path: &str, limit: Duration) {
        let _ = (path, limit);
    }
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal could not be written. Nothing may be done that is not recorded.
    #[error("the run stopped because its journal could not be written: {0}")]
    Journal(#[from] journal::Error),
    /// A defect of the program.
    #[error("the run stopped because of an invalid event (this is a bug in runbook): {0}")]
    Illegal(#[from] IllegalTransition),
}

/// Takes events. Cloning gives another handle on the same run.
#[derive(Clone)]
pub struct Recorder {
    clock: Clock,
    masker: Masker,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    state: RunState,
    journal: Option<Journal>,
    sinks: Vec<Box<dyn Sink>>,
    /// What steps that have not ended have saved, by path.
    saved: BTreeMap<String, Vec<Saved>>,
    /// How many secrets were known when a step began, by path.
    known_secrets: BTreeMap<String, usize>,
}

impl Inner {
    /// The files that there are, with the paths of the steps that saved them. Of one that a step
    /// which is done again has saved again, that of now.
    fn files(&self) -> impl Iterator<Item = (&str, &Saved)> {
        let is_again = |path: &String, saved: &Saved| {
            let mut now = self.saved.get(path).into_iter().flatten();
            now.any(|now| now.file == saved.file)
        };
        let before = self
            .state
            .ended()
            .flat_map(|step| step.saved.iter().map(move |saved| (&step.path, saved)));
        let now = self
            .saved
            .iter()
            .flat_map(|(path, saved)| saved.iter().map(move |saved| (path, saved)));
        before
            .filter(move |(path, saved)| !is_again(path, saved))
            .chain(now)
            .map(|(path, saved)| (path.as_str(), saved))
    }

    /// Takes an event that has passed the border.
    fn take(&mut self, clock: Clock, event: Event) -> Result<(), EngineError> {
        let record = Record { seq: self.state.seq() + 1, at: clock.now(), event };
        self.state.apply(&record)?;
        if let Some(journal) = &mut self.journal {
            journal.append(&record)?;
        }
        for sink in &mut self.sinks {
            sink.record(&record, &self.state);
        }
        Ok(())
    }
}

/// Takes what fits into a record, and refuses the rest.
struct Room {
    text: Vec<u8>,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > journal::LIMIT {
            return Err(io::Error::other("too large for a record"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Recorder {
    /// A recorder that goes on from a state: a new one, or that of an earlier process. Every text
    /// passes through `masker`, which must know what is secret before the first event.
    pub fn new(
        clock: Clock,
        masker: Masker,
        state: RunState,
        journal: Option<Journal>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Self {
        let inner =
            Inner { state, journal, sinks, saved: BTreeMap::new(), known_secrets: BTreeMap::new() };
        Self { clock, masker, inner: Arc::new(Mutex::new(inner)) }
    }

    /// Where times come from.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What is secret. Clones share what they learn.
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// Something as it will stand in the record: for what is signed, digested or compared there. It
    /// passes the border again unchanged.
    pub fn as_recorded<T: MapText>(&self, said: T) -> T {
        said.map_text(&self.masker)
    }

    /// Takes an event: its texts pass the border, and it is durable when this returns.
    ///
    /// # Errors
    /// When it could not be written; nothing more may be done then.
    pub fn record(&self, event: Event) -> Result<(), EngineError> {
        let event = self.as_recorded(event);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::StepStarted(started) = &event {
            inner.known_secrets.insert(started.path.clone(), self.masker.known());
        }
        inner.take(self.clock, event)
    }

    /// Takes the end of a step with its output, which passes the border part by part: into the
    /// record, or into a file beside it if it is too large. It is not held by the state.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn finish(&self, finished: Box<StepFinished>, output: &Data) -> Result<(), EngineError> {
        let clean = &|value: &Value| self.masker.clean_value(value);
        let mut room = Room { text: Vec::new() };
        let fits = output.write(&mut room, clean).is_ok();
        // after the output, of which the masker may have learnt what the other texts repeat
        let mut finished = self.as_recorded(finished);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        finished.saved = inner.saved.remove(&finished.path).unwrap_or_default();
        let before = inner.known_secrets.remove(&finished.path);
        finished.met_secrets = before.is_some_and(|before| self.masker.known() > before);
        if fits {
            finished.output = serde_json::from_slice(&room.text).unwrap_or_default();
            return inner.take(self.clock, Event::StepFinished(finished));
        }
        let seq = inner.state.seq() + 1;
        match &mut inner.journal {
            Some(journal) => {
                let stored = journal.store(seq, |out| output.write(out, clean))?;
                finished.stored = Some(journal::with_its_end(stored, finished.effect));
            }
            None => finished.output = clean(&output.to_value()),
        }
        inner.take(self.clock, Event::StepFinished(finished))
    }

    /// The files that the run has saved, by path.
    pub(super) fn saved(&self) -> Vec<Saved> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files: Vec<Saved> = inner.files().map(|(_, saved)| saved.clone()).collect();
        files.sort_by(|one, other| one.file.cmp(&other.file));
        files
    }

    /// The content of a file that the run has saved.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read_saved(&self, file: &str) -> io::Result<Vec<u8>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let journal = inner.journal.as_ref().map(Journal::saved_dir);
        drop(inner);
        std::fs::read(journal.ok_or(io::ErrorKind::NotFound)?.join(file))
    }

    /// Keeps a file for the step at `path`, whose record will name it. The content has passed the
    /// border; `left_out` bytes of it are not there.
    ///
    /// # Errors
    /// Why it cannot be kept, for a person.
    pub(super) fn save(
        &self,
        path: &str,
        file: &str,
        content: &[u8],
        left_out: u64,
    ) -> Result<Saved, String> {
        let file = self.masker.clean(file);
        journal::check_saved_path(&file)?;
        let sha256 = hex(&Sha256::digest(content));
        let saved = Saved { file, bytes: content.len() as u64, sha256, left_out };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut together = saved.bytes;
        for (step, other) in inner.files() {
            if other.file != saved.file {
                together += other.bytes;
            } else if step != path {
                return Err(format!("`{}` was saved by step {step}", saved.file));
            }
        }
        if together > MOST_SAVED {
            return Err(format!(
                "`{}` was not saved: the files of a run have at most {} MiB together",
                saved.file,
                MOST_SAVED >> 20
            ));
        }
        if let Some(journal) = &inner.journal {
            journal.keep(&saved.file, content).map_err(|error| error.to_string())?;
        }
        let own = inner.saved.entry(path.to_owned()).or_default();
        own.retain(|other| other.file != saved.file);
        own.push(saved.clone());
        Ok(saved)
    }

    /// Passes on what a step waits for, through the same border as what is recorded.
    pub fn progress(&self, path: &str, message: &str) {
        let message = self.masker.clean(message);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in &mut inner.sinks {
            sink.progress(path, &message);
        }
    }

    /// Passes on how long a step may take.
    pub fn limit(&self, path: &str, limit: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in &mut inner.sinks {
            sink.limit(path, limit);
        }
    }

    /// Looks at the state.
    pub fn state<T>(&self, look: impl FnOnce(&RunState) -> T) -> T {
        look(&self.inner.lock().unwrap_or_else(PoisonError::into_inner).state)
    }

    /// The journal and the state, to go on with elsewhere.
    pub fn into_parts(self) -> (Option<Journal>, RunState) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.journal.take(), std::mem::take(&mut inner.state))
    }

    /// The state at the end. The journal is free from now on, also while another handle is still
    /// there: that of a task that is about to end.
    pub fn into_state(self) -> RunState {
        self.into_parts().1
    }
}
