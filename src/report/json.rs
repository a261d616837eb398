//! `--output json`: the summary document, once, at the end.

use super::reporter::Reporter;
use crate::event::Record;
use crate::state::RunState;
use std::io::{self, Write};

/// Writes one document when the run is over.
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn record(&mut self, _: &Record, _: &RunState) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(&state.summary())?;
        text.push('\n');
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
