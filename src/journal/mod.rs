//! The append-only record of a run on disk: one checked line per record, durable before the run goes on.
//!
//! A run is a directory, `STATE_DIR/runs/RUN/`: `journal.jsonl` and `artifacts/` with outputs too large for a line.
//! Directories are 0700 and files 0600. Whoever appends holds the lock of `journal.jsonl`.

mod artifact;
mod codec;
mod directory;
mod error;
mod file;
mod list;
mod scan;

pub use artifact::{LIMIT, load};
pub use directory::default_state_dir;
pub use error::Error;
pub use file::{Journal, Reading, read};
pub use list::{RunHeader, RunInfo, find, list, short_id};

#[cfg(test)]
mod tests;
