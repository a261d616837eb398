//! `--output jsonl`: the event stream, one record a line, as it happens.

use super::output::write_line;
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
        write_line(record, &mut self.out)?;
        self.out.flush()
    }

    fn finish(&mut self, _: &RunState) -> io::Result<()> {
        Ok(())
    }
}
