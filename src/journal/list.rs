//! Which runs there are, newest first.

use super::Error;
use super::directory::{journal_path, run_dir, runs_dir};
use super::ends::{self, Ends, RunHeader};
use crate::event::RunFinished;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use ulid::Ulid;

/// The most runs that are read at once.
const AT_ONCE: usize = 1024;
/// What a thread reads at least: for less, none is worth its start.
const PER_THREAD: usize = 64;

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunInfo {
    /// The run's id.
    pub run: String,
    /// What its header says; none when that cannot be read.
    pub header: Option<RunHeader>,
    /// How it ended; none while it runs, and after a crash.
    pub finished: Option<RunFinished>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// The runs, newest first, each read when it is asked for.
#[derive(Debug)]
pub struct Newest<'a> {
    state_dir: &'a Path,
    left: VecDeque<String>,
    read: VecDeque<RunInfo>,
    /// How many are read next: most lists want few.
    portion: usize,
}

impl Iterator for Newest<'_> {
    type Item = RunInfo;

    fn next(&mut self) -> Option<RunInfo> {
        if self.read.is_empty() {
            let portion = self.portion.min(self.left.len());
            let runs: Vec<String> = self.left.drain(..portion).collect();
            self.portion = AT_ONCE;
            self.read = infos(self.state_dir, &runs).into();
        }
        self.read.pop_front()
    }
}

/// The runs, newest first. One whose header cannot be read comes where its id says, or last.
///
/// # Errors
/// When the directory of runs cannot be read. That it does not exist is an empty list.
pub fn newest(state_dir: &Path) -> Result<Newest<'_>, Error> {
    let ids = ids(state_dir)?;
    // such ids begin with the time at which they were made
    if ids.iter().all(|id| Ulid::from_string(id).is_ok()) {
        return Ok(Newest {
            state_dir,
            left: ids.into(),
            read: VecDeque::new(),
            portion: PER_THREAD,
        });
    }
    let mut read = infos(state_dir, &ids);
    let key = |info: &RunInfo| info.header.as_ref().map(|header| header.started);
    read.sort_by(|a, b| key(b).cmp(&key(a)).then_with(|| b.run.cmp(&a.run)));
    Ok(Newest { state_dir, left: VecDeque::new(), read: read.into(), portion: 0 })
}

/// All runs, in the same order.
///
/// # Errors
/// See [`newest`].
pub fn list(state_dir: &Path) -> Result<Vec<RunInfo>, Error> {
    Ok(newest(state_dir)?.collect())
}

/// Names of the directories of runs, newest id first.
pub(super) fn ids(state_dir: &Path) -> Result<Vec<String>, Error> {
    let path = runs_dir(state_dir);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::from_io("read", &path, error)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::from_io("read", &path, source))?;
        let name = entry.file_name().into_string().ok();
        runs.extend(name.filter(|name| {
            run_dir(state_dir, name).is_ok() && may_be_journal(&journal_path(&entry.path()))
        }));
    }
    runs.sort_by(|a, b| b.cmp(a));
    Ok(runs)
}

/// Whether there is a journal, or something that hides whether there is one: a run that cannot be
/// looked at is listed as such, and not left out.
fn may_be_journal(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// What is to be listed of these runs, in their order. Several threads read: a list waits for the
/// system most of the time.
pub(super) fn infos(state_dir: &Path, runs: &[String]) -> Vec<RunInfo> {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(8);
    let part = runs.len().div_ceil(threads).max(PER_THREAD);
    let all = |runs: &[String]| runs.iter().map(|run| info(state_dir, run)).collect::<Vec<_>>();
    if runs.len() <= part {
        return all(runs);
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            runs.chunks(part).map(|runs| (runs, scope.spawn(move || all(runs)))).collect();
        let read = parts.into_iter().map(|(runs, part)| part.join().unwrap_or_else(|_| all(runs)));
        read.flatten().collect()
    })
}

fn info(state_dir: &Path, run: &str) -> RunInfo {
    let read = run_dir(state_dir, run)
        .ok()
        .and_then(|dir| File::open(journal_path(&dir)).ok())
        .and_then(|mut file| ends::read(&mut file).ok());
    let Ends { header, finished } = read.unwrap_or_default();
    let (ended, finished) = finished.unzip();
    RunInfo { run: run.to_owned(), header, finished, ended }
}
