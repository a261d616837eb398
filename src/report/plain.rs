//! Text for a pipe or a file: that of the terminal without motion.

use super::reporter::Reporter;
use super::theme::{Line, Look};
use super::transcript::Transcript;
use crate::event::Record;
use crate::state::RunState;
use std::io::{self, Write};

/// Writes each line when it is known.
pub struct Plain<W> {
    out: W,
    transcript: Transcript,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub fn new(out: W, look: Look) -> Self {
        Self { out, transcript: Transcript::new(look) }
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn record(&mut self, record: &Record, state: &RunState) -> io::Result<()> {
        let lines = self.transcript.record(record, state);
        write_lines(&mut self.out, &lines, self.transcript.look.color)
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        let lines = self.transcript.finish(state);
        write_lines(&mut self.out, &lines, self.transcript.look.color)
    }
}

/// Writes lines in one piece.
pub(super) fn write_lines(out: &mut impl Write, lines: &[Line], color: bool) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let text: String = lines.iter().map(|line| line.render(color) + "\n").collect();
    out.write_all(text.as_bytes())?;
    out.flush()
}
