//! YAML text to a tree that keeps its place in the text.
//!
//! Scalars follow the YAML 1.2 core schema. What YAML 1.1 and 1.2 read differently (`yes`, `on`,
//! `0755`, `1_000`) is an error that asks for quotes, because a reader cannot know which of the two
//! the author meant.

use super::malformed::malformed;
use super::quoting::{negation, template_fault, unquoted, unquoted_text};
use super::scalar;
use crate::diagnostic::Correction;
use granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;

/// Largest accepted document, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Deepest accepted nesting.
const MAX_DEPTH: usize = 64;
/// Faults after which a text is not read further.
const MAX_FAULTS: usize = 1000;

/// A value with its place: a byte range in the document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Bytes of the value in the text.
    pub span: Range<usize>,
    /// The value.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// A leaf.
    Scalar {
        /// The text after YAML's own escapes.
        text: String,
        /// The typed value.
        value: Value,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order of writing, without duplicate keys.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Bytes of the key.
    pub key_span: Range<usize>,
    /// The value.
    pub node: Node,
}

/// Something wrong with the text, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable code.
    pub code: &'static str,
    /// Where.
    pub span: Range<usize>,
    /// What.
    pub message: String,
    /// Words under the carets.
    pub label: String,
    /// More lines, such as the known fields.
    pub notes: Vec<String>,
    /// The text as it was probably meant.
    pub correction: Option<Box<Correction>>,
}

impl Fault {
    /// A fault without further notes.
    pub fn new(
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let (message, label) = (message.into(), label.into());
        Self { code, span, message, label, notes: Vec::new(), correction: None }
    }

    /// The same, if a known word is near to the one that stands there.
    #[must_use]
    pub fn nearest(self, near: Option<&str>) -> Self {
        let Some(near) = near else { return self };
        let range = self.span.clone();
        Self { label: format!("did you mean `{near}`?"), ..self.corrected(range, near) }
    }

    /// The same, where this stands in the place of a range of the text.
    #[must_use]
    pub fn corrected(self, range: Range<usize>, text: impl Into<String>) -> Self {
        Self { correction: Some(Box::new(Correction { range, text: text.into() })), ..self }
    }
}

/// Joins the corrections that touch one line, so that what is shown is right in all of its parts.
pub(super) fn join_corrections(source: &str, faults: &mut [Fault]) {
    let mut order: Vec<usize> = (0..faults.len()).collect();
    order.retain(|at| faults[*at].correction.is_some());
    let range =
        |fault: &Fault| fault.correction.as_ref().map(|one| (one.range.start, one.range.end));
    order.sort_by_key(|at| range(&faults[*at]));
    for pair in order.windows(2) {
        let (Some((_, end)), Some((start, _))) = (range(&faults[pair[0]]), range(&faults[pair[1]]))
        else {
            continue;
        };
        // what overlaps cannot be joined
        let is_joined = |between: &&str| !between.contains('\n');
        let Some(between) = source.get(end..start).filter(is_joined) else { continue };
        let Some(mut first) = faults[pair[0]].correction.take() else { continue };
        if let Some(second) = &mut faults[pair[1]].correction {
            first.text.push_str(between);
            first.text.push_str(&second.text);
            first.range.end = second.range.end;
            **second = *first;
        }
    }
}

impl Node {
    /// The entries, if this is a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            NodeKind::List(_) | NodeKind::Scalar { .. } => None,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, value: Value::String(_) } => Some(text),
            NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// What a person calls this kind of value.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Scalar { value, .. } => match value {
                Value::Null => "nothing",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                _ => "a string",
            },
        }
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar { value, .. } => value.clone(),
            NodeKind::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            NodeKind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect(),
            ),
        }
    }

    /// Where a byte range of this scalar's text lies in the document; the whole scalar where
    /// escapes or folding forbid to say.
    pub fn locate(&self, source: &str, range: &Range<usize>) -> Range<usize> {
        let NodeKind::Scalar { text, .. } = &self.kind else { return self.span.clone() };
        let Some(raw) = source.get(self.span.clone()) else { return self.span.clone() };
        if let Some(offset) = raw.find(text.trim_end_matches('\n')) {
            let start = self.span.start + offset;
            return start + range.start..start + range.end.max(range.start);
        }
        // a block scalar: the same lines, indented
        let mut cursor = 0;
        let mut begin = 0;
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end_matches('\n');
            let Some(found) = raw.get(cursor..).and_then(|rest| rest.find(bare)) else {
                return self.span.clone();
            };
            let at = cursor + found;
            if range.start < begin + line.len() {
                let start = self.span.start + at + (range.start - begin);
                let end = self.span.start + at + (range.end.saturating_sub(begin)).min(bare.len());
                return start..end.max(start);
            }
            cursor = at + bare.len();
            begin += line.len();
        }
        self.span.clone()
    }
}

/// Reads one document. All faults of the text are reported, or the tree is returned with none.
///
/// # Errors
/// Every fault that the text has on this level; a syntax error ends the reading.
pub(super) fn parse(source: &str) -> Result<Node, Vec<Fault>> {
    if source.len() > MAX_BYTES {
        let message =
            format!("the file has {} bytes; a runbook may have at most {MAX_BYTES}", source.len());
        return Err(vec![Fault::new("RB0001", 0..0, message, "")]);
    }
    let mut builder = Builder { parser: parser(source), source, faults: Vec::new() };
    match builder.document() {
        Ok(Some(node)) if builder.faults.is_empty() => Ok(node),
        Ok(Some(_)) => Err(builder.faults),
        Ok(None) if builder.faults.is_empty() => Err(vec![Fault::new(
            "RB0001",
            0..0,
            "the file is empty",
            "a runbook starts with `runbook: v1`",
        )]),
        Ok(None) => Err(builder.faults),
        Err(fault) => {
            builder.faults.push(fault);
            Err(builder.faults)
        }
    }
}

fn parser(source: &str) -> Parser<'_, granit_parser::StrInput<'_>> {
    let mut options = Options::default();
    options.emit_comments = false;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    Parser::new_from_str_with_options(source, options)
}

/// The byte from which on a text is not YAML.
pub(super) fn failure(source: &str) -> Option<usize> {
    let error = parser(source).find_map(Result::err)?;
    Some(error.marker().byte_offset().unwrap_or(0).min(source.len()))
}

struct Builder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    source: &'a str,
    faults: Vec<Fault>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Range<usize>)>, Fault> {
        loop {
            match self.parser.next_event() {
                None => return Ok(None),
                Some(Err(error)) => {
                    let at = error.marker().byte_offset().unwrap_or(0).min(self.source.len());
                    let meant = unquoted(self.source, at)
                        .or_else(|| unquoted_text(self.source, at))
                        .or_else(|| malformed(self.source, at));
                    return Err(meant.unwrap_or_else(|| {
                        let message = format!("invalid YAML: {}", error.info());
                        Fault::new("RB0001", at..at, message, "cannot be read from here on")
                    }));
                }
                Some(Ok((Event::Comment(..) | Event::Anchor(..), _))) => {}
                Some(Ok((event, span))) => return Ok(Some((event, bytes(&span, self.source)))),
            }
        }
    }

    fn document(&mut self) -> Result<Option<Node>, Fault> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(..)
                | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    self.faults.push(Fault::new(
                        "RB0001",
                        span,
                        "the file contains a second document",
                        "a file contains one runbook",
                    ));
                    return Ok(root);
                }
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        // an empty document reads as one empty scalar
        Ok(root
            .filter(|node| !matches!(&node.kind, NodeKind::Scalar { text, .. } if text.is_empty())))
    }

    fn node(&mut self, event: Event<'a>, span: Range<usize>, depth: usize) -> Result<Node, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::new(
                "RB0001",
                span,
                format!("nested deeper than {MAX_DEPTH} levels"),
                "too deep",
            ));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), &span);
                let value = if style == ScalarStyle::Plain {
                    self.resolve(&text, &span)
                } else {
                    Value::String(text.to_string())
                };
                Ok(Node { span, kind: NodeKind::Scalar { text: text.into_owned(), value } })
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), &span);
                let (mut items, mut end) = (Vec::new(), span.end);
                loop {
                    match self.next()? {
                        Some((Event::SequenceEnd, close)) => break end = end.max(close.end),
                        Some((event, at)) => items.push(self.node(event, at, depth + 1)?),
                        None => break,
                    }
                    end = items.last().map_or(end, |item: &Node| item.span.end);
                }
                Ok(Node { span: span.start..end, kind: NodeKind::List(items) })
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain_only(anchor, tag.is_some(), &span);
                self.mapping(span, depth)
            }
            _ => {
                self.faults.push(Fault::new(
                    "RB0002",
                    span.clone(),
                    "YAML aliases are not supported in runbooks",
                    "write the value out",
                ));
                Ok(Node {
                    span,
                    kind: NodeKind::Scalar { text: String::new(), value: Value::Null },
                })
            }
        }
    }

    fn mapping(&mut self, span: Range<usize>, depth: usize) -> Result<Node, Fault> {
        let (mut entries, mut end) = (Vec::<Entry>::new(), span.end);
        let mut known = HashMap::<String, usize>::new();
        loop {
            if self.faults.len() > MAX_FAULTS {
                return Err(Fault::new(
                    "RB0001",
                    span,
                    format!("more than {MAX_FAULTS} errors: the rest is not reported"),
                    "fix these first",
                ));
            }
            let (event, key_span) = match self.next()? {
                Some((Event::MappingEnd, close)) => {
                    end = end.max(close.end);
                    break;
                }
                Some(found) => found,
                None => break,
            };
            let before = self.faults.len();
            let key = self.node(event, key_span.clone(), depth + 1)?;
            if depth == 0 && matches!(key.kind, NodeKind::Scalar { .. }) {
                // `on:` of others is no field here, whatever it is to YAML
                let kept = self.faults.split_off(before);
                self.faults.extend(kept.into_iter().filter(|fault| fault.code != "RB0003"));
            }
            let Some((event, at)) = self.next()? else { break };
            let value = self.node(event, at, depth + 1)?;
            end = value.span.end.max(key.span.end);
            let NodeKind::Scalar { text, .. } = key.kind else {
                self.faults.push(template_fault(&key_span, self.source).unwrap_or_else(|| {
                    Fault::new("RB0002", key_span, "a key must be a string", "use a name")
                }));
                continue;
            };
            if let Some(first) = known.get(&text).map(|at| &entries[*at]) {
                let line = self
                    .source
                    .get(..first.key_span.start)
                    .map_or(0, |before| before.matches('\n').count())
                    + 1;
                self.faults.push(Fault::new(
                    "RB0002",
                    key.span,
                    format!("duplicate key `{text}`"),
                    format!("first defined in line {line}"),
                ));
                continue;
            }
            known.insert(text.clone(), entries.len());
            entries.push(Entry { key: text, key_span: key.span, node: value });
        }
        self.meant_as_bool(&entries);
        Ok(Node { span: span.start..end, kind: NodeKind::Map(entries) })
    }

    /// `yes` where only true or false can stand is one of them, and no text to be quoted.
    fn meant_as_bool(&mut self, entries: &[Entry]) {
        let is_typed =
            || entries.iter().any(|e| e.key == "type" && e.node.as_str() == Some("bool"));
        let is_bool = |key: &str| scalar::is_bool(key) || key == "default" && is_typed();
        for entry in entries.iter().filter(|entry| is_bool(&entry.key)) {
            let Some(meant) = entry.node.as_str().and_then(scalar::boolean) else { continue };
            let is_its =
                |fault: &&mut Fault| fault.code == "RB0003" && fault.span == entry.node.span;
            let Some(fault) = self.faults.iter_mut().rev().find(is_its) else { continue };
            fault.label = format!("write {meant}");
            *fault = fault.clone().corrected(entry.node.span.clone(), meant);
        }
    }

    fn plain_only(&mut self, anchor: usize, tagged: bool, span: &Range<usize>) {
        if anchor != 0 {
            self.faults.push(Fault::new(
                "RB0002",
                span.clone(),
                "YAML anchors are not supported in runbooks",
                "write the value out",
            ));
        }
        if tagged {
            self.faults.push(negation(self.source, span).unwrap_or_else(|| {
                let message = "YAML tags are not supported in runbooks";
                Fault::new("RB0002", span.clone(), message, "remove it")
            }));
        }
    }

    /// The value of a plain scalar.
    fn resolve(&mut self, text: &str, span: &Range<usize>) -> Value {
        scalar::value(text).unwrap_or_else(|ambiguous| {
            let message = format!("`{text}` is {ambiguous}");
            let quoted = format!("\"{text}\"");
            let fault = Fault::new("RB0003", span.clone(), message, format!("quote it: {quoted}"));
            self.faults.push(fault.corrected(span.clone(), quoted));
            Value::String(text.to_owned())
        })
    }
}

fn bytes(span: &Span, source: &str) -> Range<usize> {
    let range = span.byte_range().unwrap_or(0..0);
    let end = range.end.min(source.len());
    range.start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = "a: 1\nb: -2.5\nc: true\nd: null\ne: '1'\nf: v1.0.68\ng: 15m\nh: 1e3\ni: \
            0x1F\nj: 1.0.68\nk: 'yes'\n";
        assert_eq!(
            parse(text).unwrap().to_value(),
            json!({"a": 1, "b": -2.5, "c": true, "d": null, "e": "1", "f": "v1.0.68", "g": "15m",
                "h": 1000.0, "i": 31, "j": "1.0.68", "k": "yes"})
        );
    }

    #[test]
    fn what_two_versions_of_yaml_read_differently_is_refused() {
        for text in ["yes", "no", "on", "Off", "0755", "010", "1_000", "y"] {
            let faults = parse(&format!("a: {text}")).unwrap_err();
            assert_eq!(
                (faults.len(), faults[0].code, faults[0].span.clone()),
                (1, "RB0003", 3..3 + text.len()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_word_for_true_or_false_is_quoted_only_where_a_text_can_stand() {
        let table = [
            ("optional: yes", "true"),
            ("a: {default: off, type: bool}", "false"),
            ("a: {type: string, default: no}", "\"no\""),
            ("answer: yes", "\"yes\""),
        ];
        for (text, meant) in table {
            let faults = parse(text).unwrap_err();
            let correction = faults[0].correction.as_ref().unwrap();
            assert_eq!((faults.len(), &*correction.text), (1, meant), "{text}");
        }
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let faults = parse("a: yes\nb: {{ params.x }}\na: 2\nc: *there\n").unwrap_err();
        let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert!(messages.len() >= 3, "{messages:?}");
        assert!(messages.iter().any(|m| m.contains("duplicate key `a`")), "{messages:?}");
        assert!(messages.iter().any(|m| m.contains("unquoted template")), "{messages:?}");
    }

    #[test]
    fn hostile_text_is_an_error_and_nothing_worse() {
        for text in [
            "",
            "  \n# only a comment\n",
            "a: [",
            "a: b: c",
            "{",
            "a: !!python/object x",
            "--- 1\n--- 2\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(50_000)] {
            assert!(parse(&deep).is_err());
        }
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
        assert!(parse(bomb).is_err());
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn a_range_of_a_scalar_is_found_in_the_text() {
        let text = "a: 'one two'\nb: |\n  first\n  second line\n";
        let node = parse(text).unwrap();
        let quoted = node.get("a").unwrap();
        assert_eq!(&text[quoted.locate(text, &(4..7))], "two");
        let block = node.get("b").unwrap();
        assert_eq!(&text[block.locate(text, &(13..17))], "line");
    }
}
