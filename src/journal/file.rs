//! An open journal, and reading one that is not ours.

use super::codec::Link;
use super::directory::{self, Durability, journal_path, run_dir, sync_dir};
use super::scan::{Scan, scan};
use super::{Error, artifact, codec};
use crate::event::{Record, RunStarted, Stored};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The journal of a run that this process executes. Locked until it is dropped.
#[derive(Debug)]
pub struct Journal {
    run: String,
    dir: PathBuf,
    path: PathBuf,
    file: File,
    durability: Durability,
    /// Length of the whole records; a record that could not be written is cut off again.
    length: u64,
    /// What the next record follows on.
    link: Link,
    stopped: bool,
}

/// A journal as read.
#[derive(Debug)]
pub struct Reading {
    /// The whole records; stored outputs stay in their files.
    pub records: Vec<Record>,
    /// Bytes after the last whole record: a record that was being written, or that was cut off by a
    /// crash.
    pub torn_bytes: usize,
    /// How many records at the beginning are not chained to each other: an earlier version wrote
    /// them.
    pub unchained: usize,
    /// The hash that the whole records come to: noted elsewhere, it shows later whether any of them
    /// was changed.
    pub chain: String,
}

impl Journal {
    /// Makes the directory of a new run and its journal, and locks it. Durable when this returns.
    ///
    /// # Errors
    /// When the run exists or the system refuses.
    pub fn create(state_dir: &Path, run: &str, durability: Durability) -> Result<Self, Error> {
        let dir = run_dir(state_dir, run)?;
        let runs = directory::runs_dir(state_dir);
        directory::make_dirs(&runs)?;
        directory::make_dir(&dir).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::Exists { run: run.to_owned(), path: dir.clone() }
            }
            _ => Error::from_io("make directory", &dir, source),
        })?;
        let artifacts = dir.join("artifacts");
        directory::make_dirs(&artifacts)?;
        let path = journal_path(&dir);
        let file = directory::private()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| Error::from_io("create", &path, source))?;
        lock(&file, run, &path)?;
        sync_dir(&dir, durability)?;
        sync_dir(&runs, durability)?;
        Ok(Self {
            run: run.to_owned(),
            dir,
            path,
            file,
            durability,
            length: 0,
            link: Link::default(),
            stopped: false,
        })
    }

    /// Takes the journal of an earlier run up again: locks it, cuts a torn tail off and returns its
    /// records.
    ///
    /// # Errors
    /// When another process has the run, when the journal is damaged or of another version, or when
    /// it holds no record.
    pub fn reopen(
        state_dir: &Path,
        run: &str,
        durability: Durability,
    ) -> Result<(Reading, Self), Error> {
        let dir = run_dir(state_dir, run)?;
        let path = journal_path(&dir);
        let mut file = directory::private()
            .read(true)
            .append(true)
            .open(&path)
            .map_err(|source| missing(source, "open", run, &path))?;
        lock(&file, run, &path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::from_io("read", &path, source))?;
        let Scan { mut records, whole, newer, unchained, link, count: _ } = scan(&bytes, &path)?;
        if newer {
            let header = records.first().and_then(header_of);
            let (schema, version) = header
                .map(|header| (header.schema.clone(), header.version.clone()))
                .unwrap_or_default();
            let hint = format!("it can be shown, and continued with runbook {version} or newer");
            return Err(Error::Schema { path, schema, hint });
        }
        if records.is_empty() {
            return Err(Error::Empty { run: run.to_owned() });
        }
        locate(&mut records, &dir)?;
        let length = whole as u64;
        if whole < bytes.len() {
            file.set_len(length).and_then(|()| file.sync_data()).map_err(|source| {
                Error::from_io("truncate the incomplete end of", &path, source)
            })?;
        }
        let reading =
            Reading { records, torn_bytes: bytes.len() - whole, unchained, chain: link.hex() };
        Ok((
            reading,
            Self { run: run.to_owned(), dir, path, file, durability, length, link, stopped: false },
        ))
    }

    /// Writes one record; durable when this returns.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and others of the system. After an error the journal takes no more
    /// records: nothing may happen that cannot be recorded.
    pub fn append(&mut self, record: &Record) -> Result<(), Error> {
        if self.stopped {
            return Err(Error::Stopped { run: self.run.clone() });
        }
        crate::failpoint::hit("before a record");
        let written = self.write(record);
        crate::failpoint::hit("after a record");
        if written.is_err() {
            self.stopped = true;
            // The reader cuts a torn tail off too, so this may fail.
            self.file.set_len(self.length).ok();
        }
        written
    }

    /// Writes the output of the record that comes next, which is too large for it, into a file of
    /// its own.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn store(
        &mut self,
        seq: u64,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Stored, Error> {
        if self.stopped {
            return Err(Error::Stopped { run: self.run.clone() });
        }
        let stored = artifact::write(&self.dir.join("artifacts"), seq, self.durability, fill);
        self.stopped = stored.is_err();
        stored
    }

    fn write(&mut self, record: &Record) -> Result<(), Error> {
        let stored = artifact::store(record, &self.dir.join("artifacts"), self.durability)?;
        let (line, link) = codec::encode(stored.as_ref().unwrap_or(record), self.link)
            .map_err(|error| artifact::unwritable(&self.path, error))?;
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| Error::from_io("write", &self.path, source))?;
        self.durability
            .file(&self.file)
            .map_err(|source| Error::from_io("sync", &self.path, source))?;
        self.length += line.len() as u64;
        self.link = link;
        Ok(())
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Whether what it writes is on the disk when a function returns.
    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// The run's directory.
    pub fn directory(&self) -> &Path {
        &self.dir
    }
}

/// Whether a process has a run.
pub fn is_running(state_dir: &Path, run: &str) -> bool {
    let journal = run_dir(state_dir, run).and_then(|dir| {
        let path = journal_path(&dir);
        File::open(&path).map_err(|source| missing(source, "open", run, &path))
    });
    journal.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Reads the journal of a run that may be in progress, without its lock.
///
/// # Errors
/// When there is no such run, or when the journal is damaged, of another version, or holds no
/// record.
pub fn read(state_dir: &Path, run: &str) -> Result<Reading, Error> {
    let dir = run_dir(state_dir, run)?;
    let path = journal_path(&dir);
    let bytes = std::fs::read(&path).map_err(|source| missing(source, "read", run, &path))?;
    let Scan { mut records, whole, newer: _, unchained, link, count: _ } = scan(&bytes, &path)?;
    if records.is_empty() {
        return Err(Error::Empty { run: run.to_owned() });
    }
    locate(&mut records, &dir)?;
    Ok(Reading { records, torn_bytes: bytes.len() - whole, unchained, chain: link.hex() })
}

pub(super) fn locate(records: &mut [Record], dir: &Path) -> Result<(), Error> {
    let artifacts = dir.join("artifacts");
    records.iter_mut().try_for_each(|record| artifact::locate(record, &artifacts))
}

fn header_of(record: &Record) -> Option<&RunStarted> {
    match &record.event {
        crate::event::Event::RunStarted(header) => Some(header),
        _ => None,
    }
}

pub(super) fn missing(source: io::Error, what: &'static str, run: &str, path: &Path) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { text: run.to_owned(), nearest: Vec::new() },
        _ => Error::from_io(what, path, source),
    }
}

pub(super) fn lock(file: &File, run: &str, path: &Path) -> Result<(), Error> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => Error::Locked { run: run.to_owned() },
        TryLockError::Error(source) => Error::from_io("lock", path, source),
    })
}
