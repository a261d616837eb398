//! Mistakes with their places: what is wrong, where, why, and what was probably meant.

mod correction;
mod github;
mod nearest;
mod render;
mod sarif;

pub use correction::Correction;
pub use github::github;
pub use nearest::nearest;
pub use render::{render, to_json};
pub use sarif::{SarifTool, sarif, sarif_log};

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// How much a diagnostic counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosticSeverity {
    /// The runbook cannot be used.
    Error,
    /// It can be used, and probably does not do what was meant.
    Warning,
}

/// One mistake in a text that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, such as `RB0102`.
    pub code: &'static str,
    /// How much it counts.
    pub severity: DiagnosticSeverity,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The file as a person names it; none for text from elsewhere.
    pub file: Option<PathBuf>,
    /// The whole text of the file.
    pub source: Arc<str>,
    /// The places, the decisive one first. Without one, no excerpt is shown.
    pub labels: Vec<SpanLabel>,
    /// More to know, such as `fields of …: …`.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The text as it was probably meant.
    pub correction: Option<Correction>,
}

/// A place in the text and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanLabel {
    /// Bytes of the source. A range outside it is shown at its end.
    pub range: Range<usize>,
    /// What is said there; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// An error without place, notes and help.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        file: Option<PathBuf>,
        source: Arc<str>,
    ) -> Self {
        Self {
            code,
            severity: DiagnosticSeverity::Error,
            message: message.into(),
            file,
            source,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
            correction: None,
        }
    }

    /// The same, with one more place.
    #[must_use]
    pub fn with_label(mut self, range: Range<usize>, text: impl Into<String>) -> Self {
        self.labels.push(SpanLabel { range, text: text.into() });
        self
    }

    /// The same, with one more note.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same, with what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the first label, both from 1, the column in characters.
    pub fn place(&self) -> Option<(usize, usize)> {
        Some(place_of(&self.source, self.labels.first()?.range.start))
    }
}

/// Line and column of a byte of a text, both from 1, the column in characters.
fn place_of(source: &str, at: usize) -> (usize, usize) {
    let at = clamp(source, &(at..at)).start;
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line_of(source, at), before[line_start..].chars().count() + 1)
}

/// The line of a byte of a text, from 1; the first one for what is not in it.
pub fn line_of(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The part of `range` that lies in `source`, on character boundaries.
fn clamp(source: &str, range: &Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(range.start);
    start..source.floor_char_boundary(range.end).max(start)
}

#[cfg(test)]
mod tests;
