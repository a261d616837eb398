//! What a reporter is, and several at once.

use crate::event::Record;
use crate::state::RunState;
use std::io;
use std::time::Duration;

/// Shows or writes a run as it happens.
pub trait Reporter: Send {
    /// Takes one record; `state` is that after it.
    ///
    /// # Errors
    /// When it cannot be written. The reporter gets nothing more then.
    fn record(&mut self, record: &Record, state: &RunState) -> io::Result<()>;

    /// What the running step at `path` waits for and last saw. Not part of the record: most
    /// reporters ignore it.
    fn progress(&mut self, path: &str, message: &str) {
        let _ = (path, message);
    }

    /// How long the running step at `path` may take. Not part of the record either.
    fn limit(&mut self, path: &str, limit: Duration) {
        let _ = (path, limit);
    }

    /// The process's part of the run is over; also after a crash was found in a journal.
    ///
    /// # Errors
    /// When the rest cannot be written.
    fn finish(&mut self, state: &RunState) -> io::Result<()>;
}

/// A reporter that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}")]
pub struct ReporterFailure {
    /// What it was called.
    pub name: String,
    /// What the system said.
    pub source: io::Error,
}

/// Several reporters, of which one that fails does not disturb the others.
#[derive(Default)]
pub struct FanOut {
    reporters: Vec<(String, Box<dyn Reporter>)>,
    failures: Vec<ReporterFailure>,
}

impl FanOut {
    /// No reporter yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reporter; `name` says in an error what could not be written.
    pub fn add(&mut self, name: impl Into<String>, reporter: impl Reporter + 'static) {
        self.reporters.push((name.into(), Box::new(reporter)));
    }

    /// The reporters that failed, in order. One whose reader went away (`| head`) is not among
    /// them.
    pub fn failures(&self) -> &[ReporterFailure] {
        &self.failures
    }

    fn each(&mut self, mut tell: impl FnMut(&mut dyn Reporter) -> io::Result<()>) {
        self.reporters.retain_mut(|(name, reporter)| match tell(reporter.as_mut()) {
            Ok(()) => true,
            Err(source) => {
                if source.kind() != io::ErrorKind::BrokenPipe {
                    self.failures.push(ReporterFailure { name: name.clone(), source });
                }
                false
            }
        });
    }
}

impl Reporter for FanOut {
    /// Never fails: see [`FanOut::failures`].
    fn record(&mut self, record: &Record, state: &RunState) -> io::Result<()> {
        self.each(|reporter| reporter.record(record, state));
        Ok(())
    }

    fn progress(&mut self, path: &str, message: &str) {
        for (_, reporter) in &mut self.reporters {
            reporter.progress(path, message);
        }
    }

    fn limit(&mut self, path: &str, limit: Duration) {
        for (_, reporter) in &mut self.reporters {
            reporter.limit(path, limit);
        }
    }

    /// Never fails: see [`FanOut::failures`].
    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        self.each(|reporter| reporter.finish(state));
        Ok(())
    }
}
