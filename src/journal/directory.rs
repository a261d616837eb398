//! The directories and files of runs, readable by their owner alone.

use super::Error;
use etcetera::{BaseStrategy, choose_base_strategy};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Where runs are kept unless told otherwise: `$XDG_STATE_HOME/runbook`, usually
/// `~/.local/state/runbook`.
///
/// # Errors
/// When there is no home directory.
pub fn default_state_dir() -> Result<PathBuf, Error> {
    let base = choose_base_strategy().map_err(|_| Error::NoHome)?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("runbook"))
}

pub(super) fn runs_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("runs")
}

/// The directory of a run. Refuses what could lead elsewhere, such as `../x`.
pub(super) fn run_dir(state_dir: &Path, run: &str) -> Result<PathBuf, Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if run.is_empty() || !run.bytes().all(plain) {
        return Err(Error::BadRunId { run: run.to_owned() });
    }
    Ok(runs_dir(state_dir).join(run))
}

pub(super) fn journal_path(run_dir: &Path) -> PathBuf {
    run_dir.join("journal.jsonl")
}

/// Makes a directory and those above it that are missing.
pub(super) fn make_dirs(path: &Path) -> Result<(), Error> {
    builder(true).create(path).map_err(|source| Error::from_io("make directory", path, source))
}

/// Makes one directory, which must not exist.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    builder(false).create(path)
}

fn builder(recursive: bool) -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Options for a file that only its owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether what is written is on the disk before the program goes on. It is for every run; of a
/// rehearsal nothing remains, and nobody waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk when a function returns.
    Synced,
    /// The system writes it when it likes: a crash may lose it.
    Lazy,
}

impl Durability {
    /// Waits for the content of a file.
    pub(super) fn file(self, file: &File) -> io::Result<()> {
        if self == Self::Synced { file.sync_data() } else { Ok(()) }
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(path: &Path, durability: Durability) -> Result<(), Error> {
    if durability == Durability::Lazy {
        return Ok(());
    }
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(|source| Error::from_io("sync", path, source))
}
