//! `--output jsonl`: the event stream, one record a line, as it happens.

use super::reporter::Reporter;
use crate::event::Record;
use crate::state::RunState;
use std::io::{self, Write};

/// Writes each record at once.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn record(&mut self, record: &Record, _: &RunState) -> io::Result<()> {
        let mut line = serde_json::to_string(record)?;
        line.push('\n');
        self.out.write_all(line.as_bytes())?;
        self.out.flush()
    }

    fn finish(&mut self, _: &RunState) -> io::Result<()> {
        Ok(())
    }
}
