//! The append-only record of a run on disk: one checked line per record, durable before the run
//! goes on.
//!
//! A run is a directory, `STATE_DIR/runs/RUN/`: `journal.jsonl`, `artifacts/` with outputs too
//! large for a line, and `saved/` with the files that steps save. Directories are 0700 and files
//! 0600. Whoever appends holds the lock of `journal.jsonl`. `STATE_DIR/key` is no part of any run.

mod artifact;
mod codec;
mod directory;
mod ends;
mod error;
mod file;
mod find;
mod follow;
mod key;
mod list;
mod remove;
mod saved;
mod scan;

pub use artifact::{LIMIT, load, with_its_end};
pub use directory::{Durability, default_state_dir};
pub use ends::RunHeader;
pub use error::Error;
pub use file::{Journal, Reading, is_running, read};
pub use find::find;
pub use follow::Follow;
pub use key::Key;
pub use list::{Newest, RunInfo, list, newest};
pub use saved::{check_saved_path, saved_dir};

#[cfg(test)]
mod tests;
