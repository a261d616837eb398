//! What is probably meant by a text that is not YAML. Nothing is proposed that can be read no
//! further than the text as it is.

use super::node::{Fault, failure};
use super::quoting::is_of_key;
use std::ops::Range;

/// Lines before that of a syntax error in which its cause is looked for: a quote that is not closed
/// is noticed at the next one.
const LINES: usize = 40;

/// The mistake that makes a text invalid YAML at this byte, if it is known.
pub(super) fn malformed(source: &str, at: usize) -> Option<Fault> {
    let lines = lines_before(source, at);
    let (near, line) = (lines.iter().take(2), lines.first()?);
    // a tab is noticed at the end of the line before
    let end = at + source.get(at..)?.find('\n').map_or(0, |newline| newline + 1);
    let tab = lines_before(source, end).iter().take(2).find_map(tab);
    let candidates = near
        .clone()
        .filter_map(Line::without_space)
        .chain(near.clone().filter_map(Line::after_quote))
        .chain(lines.iter().filter_map(Line::open_quote))
        .chain(near.filter_map(Line::without_colon))
        .chain(line.indented(&lines[1..]))
        .chain(lines.iter().filter_map(Line::open_bracket));
    tab.into_iter().chain(candidates).find(|fault| reads_further(source, at, fault))
}

/// Whether the text can be read beyond this byte once the correction is made.
fn reads_further(source: &str, at: usize, fault: &Fault) -> bool {
    let Some(correction) = &fault.correction else { return false };
    let mut corrected = source.to_owned();
    corrected.replace_range(correction.range.clone(), &correction.text);
    let grown = (at + correction.text.len()).saturating_sub(correction.range.len());
    failure(&corrected).is_none_or(|at| at > grown)
}

/// A line of the text that is neither empty nor a comment.
struct Line<'a> {
    /// Its first byte in the text.
    start: usize,
    /// The text, without spaces at the end.
    text: &'a str,
    /// The lines above have none that is not empty.
    above: &'a str,
}

/// The lines that end before this byte and the one that contains it, nearest first.
fn lines_before(source: &str, at: usize) -> Vec<Line<'_>> {
    let at = source.floor_char_boundary(at);
    let end = source[at..].find('\n').map_or(source.len(), |newline| at + newline);
    let mut rest = &source[..end];
    let mut lines = Vec::new();
    while lines.len() < LINES && !rest.is_empty() {
        let start = rest.rfind('\n').map_or(0, |newline| newline + 1);
        let text = rest[start..].trim_end();
        let above = &rest[..start];
        if !text.is_empty() && !text.trim_start().starts_with('#') {
            lines.push(Line { start, text, above });
        }
        rest = above.strip_suffix('\n').unwrap_or_default();
    }
    lines
}

/// A line that is indented with tabs, where YAML allows spaces only (YAML 1.2.2, section 6.1).
fn tab(line: &Line<'_>) -> Option<Fault> {
    let indent = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
    line.text[..indent].contains('\t').then(|| {
        let above = line.above.trim_end().rsplit('\n').next().unwrap_or_default();
        let spaces = above.len() - above.trim_start_matches([' ', '-']).len();
        let message = "a line is indented with a tab";
        line.fault(0..indent, message, "YAML indents with spaces")
            .corrected(line.start..line.start + indent, " ".repeat(spaces))
    })
}

impl<'a> Line<'a> {
    fn fault(&self, place: Range<usize>, message: &str, label: &str) -> Fault {
        let place = self.start + place.start..self.start + place.end;
        Fault::new("RB0001", place, message, label)
    }

    /// The same line with something in the place of a part of it.
    fn with(&self, fault: Fault, part: Range<usize>, text: &str) -> Fault {
        fault.corrected(self.start + part.start..self.start + part.end, text)
    }

    /// How deep the line is indented, and where the content of its item of a list begins.
    fn columns(&self) -> (usize, usize) {
        let indent = self.text.len() - self.text.trim_start_matches(' ').len();
        (indent, self.text.len() - self.text.trim_start_matches([' ', '-']).len())
    }

    /// The bytes of the key, and those of the value behind it.
    fn field(&self) -> Option<(Range<usize>, Range<usize>)> {
        let (_, start) = self.columns();
        let end = start + self.text[start..].find(|c: char| !is_of_key(c))?;
        let value = self.text[end..].strip_prefix(':')?;
        let begin = self.text.len() - value.trim_start().len();
        (end > start).then_some((start..end, begin..self.text.len()))
    }

    /// `title:Back`
    fn without_space(&self) -> Option<Fault> {
        let (key, value) = self.field()?;
        let is_missing = value.start == key.end + 1 && !value.is_empty();
        is_missing.then(|| {
            let colon = key.end..key.end + 1;
            let fault = self.fault(colon.clone(), "no space after a colon", "requires a space");
            self.with(fault, colon, ": ")
        })
    }

    /// `steps` above its list.
    fn without_colon(&self) -> Option<Fault> {
        let (_, start) = self.columns();
        let word = &self.text[start..];
        word.chars().all(is_of_key).then(|| {
            let end = self.text.len()..self.text.len();
            let fault = self.fault(start..end.end, "a key without a colon", "requires `:`");
            self.with(fault, end, ":")
        })
    }

    /// The quote with which the value begins, and where it is closed.
    fn quote(&self) -> Option<(Range<usize>, char, Option<usize>)> {
        let value = self.field().map_or_else(|| self.columns().1..self.text.len(), |(_, v)| v);
        let quote = self.text[value.clone()].chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (mut end, mut inner) = (None, self.text[value.start + 1..].char_indices().peekable());
        while let Some((at, c)) = inner.next() {
            match c {
                '\\' if quote == '"' => drop(inner.next()),
                '\'' if quote == '\'' && inner.peek().is_some_and(|(_, c)| *c == '\'') => {
                    inner.next();
                }
                _ if c == quote => {
                    end = Some(value.start + 1 + at);
                    break;
                }
                _ => {}
            }
        }
        Some((value, quote, end))
    }

    /// `title: "Back`
    fn open_quote(&self) -> Option<Fault> {
        let (value, quote, end) = self.quote()?;
        end.is_none().then(|| {
            let text = quote.to_string();
            let message = "a quote is not closed";
            let end = self.text.len()..self.text.len();
            let fault = self.fault(value.start..value.start + 1, message, "opened here");
            self.with(fault, end, &text)
        })
    }

    /// `title: "Back" to work`
    fn after_quote(&self) -> Option<Fault> {
        let (value, _, end) = self.quote()?;
        let rest = end? + 1..value.end;
        let is_text = !self.text[rest.clone()].trim_start().starts_with([',', ']', '}', ':', '#']);
        (is_text && !rest.is_empty()).then(|| {
            let quoted = format!("'{}'", self.text[value.clone()].replace('\'', "''"));
            let message = "text after a closing quote";
            let fault = self.fault(rest, message, "quote the whole text");
            self.with(fault, value, &quoted)
        })
    }

    /// `argv: [ls, -l`
    fn open_bracket(&self) -> Option<Fault> {
        let mut open = Vec::new();
        let mut quote = None;
        for (at, c) in self.text.char_indices() {
            match (c, quote) {
                (_, Some(other)) if c == other => quote = None,
                (_, Some(_)) => {}
                ('"' | '\'', None) => quote = Some(c),
                ('[' | '{', None) => open.push((at, c)),
                (']' | '}', None) => drop(open.pop()),
                _ => {}
            }
        }
        let (at, first) = open.first().copied()?;
        let closing: String =
            open.iter().rev().map(|(_, c)| if *c == '[' { ']' } else { '}' }).collect();
        let end = self.text.len()..self.text.len();
        let message = format!("`{first}` is not closed");
        Some(self.with(self.fault(at..at + 1, &message, "opened here"), end, &closing))
    }

    /// A line that is indented like none above: as each of those that it may belong to.
    fn indented(&self, above: &'a [Line<'a>]) -> impl Iterator<Item = Fault> {
        let (indent, _) = self.columns();
        let mut known: Vec<usize> = Vec::new();
        for line in above {
            let (outer, inner) = line.columns();
            known.extend([inner, outer].into_iter().filter(|column| *column != indent));
        }
        known.sort_by_key(|column| column.abs_diff(indent));
        known.dedup();
        known.into_iter().take(6).map(move |column| {
            let message = "the indentation is not that of a line above";
            let label = format!("indent with {column} spaces");
            let place = 0..indent.max(1).min(self.text.len());
            self.with(self.fault(place, message, &label), 0..indent, &" ".repeat(column))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::document::node::parse;

    #[test]
    fn what_is_malformed_says_what_is_meant() {
        let table = [
            (
                "a: 1\ntitle: \"Back\nb: 2\n",
                "a quote is not closed",
                "a: 1\ntitle: \"Back\"\nb: 2\n",
            ),
            ("t: 'it''s\nb: 'c'\n", "a quote is not closed", "t: 'it''s'\nb: 'c'\n"),
            ("- \"a\n- b\n", "a quote is not closed", "- \"a\"\n- b\n"),
            ("t: \"A\" b\nc: d\n", "text after a closing quote", "t: '\"A\" b'\nc: d\n"),
            ("t: [a, b\nc: d\n", "`[` is not closed", "t: [a, b]\nc: d\n"),
            ("t: {a: [b\nc: d\n", "`{` is not closed", "t: {a: [b]}\nc: d\n"),
            (
                "t:\n  a: {b: [c, d]\n  e: f\n",
                "`{` is not closed",
                "t:\n  a: {b: [c, d]}\n  e: f\n",
            ),
            ("a: 1\ntitle:Back\n", "no space after a colon", "a: 1\ntitle: Back\n"),
            ("title:Back\na: 1\n", "no space after a colon", "title: Back\na: 1\n"),
            ("a: 1\nsteps\n  - id: b\n", "a key without a colon", "a: 1\nsteps:\n  - id: b\n"),
            (
                "s:\n  - id: a\n   t: b\n",
                "the indentation is not that of a line above",
                "s:\n  - id: a\n    t: b\n",
            ),
            (
                "s:\n  - id: a\n     t: b\n",
                "the indentation is not that of a line above",
                "s:\n  - id: a\n    t: b\n",
            ),
            (
                "s:\n  - id: a\n    t: b\n - id: c\n",
                "the indentation is not that of a line above",
                "s:\n  - id: a\n    t: b\n  - id: c\n",
            ),
            (
                "s:\n  - id: a\n\tb: c\n",
                "a line is indented with a tab",
                "s:\n  - id: a\n    b: c\n",
            ),
            ("s:\n  a: 1\n  \tb: c\n", "a line is indented with a tab", "s:\n  a: 1\n  b: c\n"),
        ];
        for (text, message, meant) in table {
            let faults = parse(text).unwrap_err();
            let fault = faults.last().unwrap();
            assert_eq!(fault.message, message, "{text}");
            let correction = fault.correction.clone().unwrap();
            let mut corrected = text.to_owned();
            corrected.replace_range(correction.range, &correction.text);
            assert_eq!(corrected, meant);
        }
    }
}
