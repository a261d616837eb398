//! The text as it was probably meant.

use super::{Diagnostic, clamp};
use std::ops::Range;

/// What stands in the place of a part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// Bytes of the source that are replaced.
    pub range: Range<usize>,
    /// What stands there instead; nothing to remove them.
    pub text: String,
}

impl Correction {
    /// The lines of a source that it touches, as they are afterwards; none if nothing is left of
    /// them.
    pub fn lines(&self, source: &str) -> Option<String> {
        let range = clamp(source, &self.range);
        let start = source[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let removed = &source[range.clone()];
        // a correction that ends with its line ends before the next one
        let end = if removed.ends_with('\n') {
            range.end
        } else {
            source[range.end..].find('\n').map_or(source.len(), |newline| range.end + newline)
        };
        let lines =
            format!("{}{}{}", &source[start..range.start], self.text, &source[range.end..end]);
        let lines = lines.trim_end_matches('\n');
        (!lines.trim().is_empty()).then(|| lines.to_owned())
    }
}

impl Diagnostic {
    /// The same, with the text as it was probably meant.
    #[must_use]
    pub fn with_correction(mut self, correction: Option<Correction>) -> Self {
        self.correction = correction;
        self
    }

    /// The lines as they were probably meant, with their indentation.
    pub fn corrected(&self) -> Option<String> {
        self.correction.as_ref()?.lines(&self.source)
    }
}
