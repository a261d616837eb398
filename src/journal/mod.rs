//! The append-only record of a run on disk: one checked line per record, durable before the run
//! goes on.
//!
//! A run is a directory, `STATE_DIR/runs/RUN/`: `journal.jsonl` and `artifacts/` with outputs too
//! large for a line. Directories are 0700 and files 0600. Whoever appends holds the lock of
//! `journal.jsonl`. `STATE_DIR/key` is no part of any run.

mod artifact;
mod codec;
mod directory;
mod error;
mod file;
mod key;
mod list;
mod scan;

pub use artifact::{LIMIT, load, with_its_end};
pub use directory::default_state_dir;
pub use error::Error;
pub use file::{Journal, Reading, is_running, read};
pub use key::Key;
pub use list::{RunHeader, RunInfo, find, list};

#[cfg(test)]
mod tests;
