//! A runbook's text in a better form: short forms where it has long ones, and no spaces at the ends
//! of lines. What is written is edited in place: comments, quotes and layout stay as they are.

use super::canonical::{TYPED, WITHIN, canonical};
use super::catalogue::{CatalogueError, invalid};
use super::node::{Entry, Fault, Node, NodeKind, parse};
use crate::construct::{Approve, Confirm, Construct, Run};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// The text in its better form; with `upgrade`, also with the short forms.
///
/// # Errors
/// When it is not valid YAML.
pub fn formatted(file: &str, text: &str, upgrade: bool) -> Result<String, CatalogueError> {
    let source: Arc<str> = text.into();
    better(text, upgrade).map_err(|faults| invalid(file, &source, faults))
}

fn better(text: &str, upgrade: bool) -> Result<String, Vec<Fault>> {
    let root = parse(text)?;
    let edits = if upgrade { shortened(&root, text) } else { Vec::new() };
    let shorter = applied(text, edits);
    Ok(applied(&shorter, tidied(&parse(&shorter)?, &shorter)))
}

/// A part of the text, and what stands there instead.
#[derive(Clone, Debug)]
struct Edit {
    range: Range<usize>,
    text: &'static str,
}

/// The text with the edits that leave its meaning as it is. An edit may have several parts.
fn applied(text: &str, mut edits: Vec<Vec<Edit>>) -> String {
    let meaning = |text: &str| parse(text).ok().map(|root| canonical(&root).to_value());
    let before = meaning(text);
    let all = replaced(text, edits.concat());
    if meaning(&all) == before {
        return all;
    }
    // from the end, so that the places of the others stay
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.first().map_or(0, |part| part.range.start)));
    edits.into_iter().fold(text.to_owned(), |text, edit| {
        let changed = replaced(&text, edit);
        if meaning(&changed) == before { changed } else { text }
    })
}

fn replaced(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.range.start));
    edits.into_iter().fold(text.to_owned(), |mut text, edit| {
        text.replace_range(edit.range, edit.text);
        text
    })
}

/// Spaces at the ends of lines, and the end of the text. What stands within a value belongs to it.
fn tidied(root: &Node, text: &str) -> Vec<Vec<Edit>> {
    let mut values = Vec::new();
    scalars(root, &mut values);
    let mut edits = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\n', '\r']);
        let range = begin + bare.trim_end_matches([' ', '\t']).len()..begin + bare.len();
        let within = values.iter().any(|value| value.start < range.start && range.end < value.end);
        if !range.is_empty() && !within {
            edits.push(vec![Edit { range, text: "" }]);
        }
        begin += line.len();
    }
    if !text.is_empty() && !text.ends_with('\n') {
        edits.push(vec![Edit { range: text.len()..text.len(), text: "\n" }]);
    }
    edits
}

fn scalars(node: &Node, into: &mut Vec<Range<usize>>) {
    match &node.kind {
        NodeKind::Scalar { .. } => into.push(node.span.clone()),
        NodeKind::List(items) => items.iter().for_each(|item| scalars(item, into)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.node, into)),
    }
}

/// The edits that turn long forms into short ones.
fn shortened(root: &Node, text: &str) -> Vec<Vec<Edit>> {
    let mut shortener = Shortener { text, edits: Vec::new() };
    for key in ["steps", "always"] {
        shortener.steps(root.get(key));
    }
    if let Some(Node { kind: NodeKind::List(alerts), .. }) = root.get("alerts") {
        alerts.iter().for_each(|alert| shortener.item(alert, "name"));
    }
    if let Some(Node { kind: NodeKind::List(findings), .. }) = root.get("findings") {
        let remedies = findings.iter().filter_map(|finding| entry(finding, "remedy"));
        remedies.for_each(|remedy| shortener.field(remedy, "run"));
    }
    shortener.edits
}

struct Shortener<'a> {
    text: &'a str,
    edits: Vec<Vec<Edit>>,
}

impl Shortener<'_> {
    fn steps(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        match &node.kind {
            NodeKind::List(items) => items.iter().for_each(|item| self.steps(Some(item))),
            NodeKind::Map(entries) => {
                entries.iter().for_each(|entry| self.part(entry));
                WITHIN.iter().for_each(|key| self.steps(node.get(key)));
            }
            NodeKind::Scalar { .. } => {}
        }
    }

    fn part(&mut self, entry: &Entry) {
        match entry.key.as_str() {
            "expect" => self.expectations(entry),
            "for_each" => self.literal(&entry.node),
            Run::NAME => self.field(entry, "runbook"),
            Confirm::NAME | Approve::NAME => {
                let question = only(&entry.node, "question").and_then(Node::as_str);
                if question != Some(TYPED) {
                    self.field(entry, "question");
                }
            }
            _ => {}
        }
    }

    /// `key: {field: VALUE}` becomes `key: VALUE`.
    fn field(&mut self, entry: &Entry, field: &str) {
        if let Some(value) = only(&entry.node, field) {
            self.unwrap(entry.key_span.end, value, &[format!(":{field}:"), format!(":{{{field}:")]);
        }
    }

    fn expectations(&mut self, entry: &Entry) {
        let from = entry.key_span.end;
        match &entry.node.kind {
            NodeKind::Map(_) => self.field(entry, "that"),
            NodeKind::List(items) => {
                if let [item] = items.as_slice()
                    && let Some(value) = only(item, "that")
                    && self.unwrap(
                        from,
                        value,
                        &[":-that:", ":-{that:", ":[{that:", ":[that:"].map(str::to_owned),
                    )
                {
                    return;
                }
                items.iter().for_each(|item| self.item(item, "that"));
            }
            NodeKind::Scalar { .. } => {}
        }
    }

    /// `{field: VALUE}` in a list becomes `VALUE`.
    fn item(&mut self, item: &Node, field: &str) {
        if let Some(value) = only(item, field) {
            let joints = [format!("{field}:"), format!("{{{field}:")];
            self.unwrap(item.span.start, value, &joints);
        }
    }

    /// Takes away what stands between a place and a value, and what closes it behind the value;
    /// whether it was one of these, apart from spaces.
    fn unwrap(&mut self, from: usize, value: &Node, joints: &[String]) -> bool {
        let range = from..self.start(from, value);
        let between: String =
            self.text[range.clone()].chars().filter(|c| !c.is_whitespace()).collect();
        if !joints.contains(&between) {
            return false;
        }
        let end = value.span.end;
        let mut close = end;
        for open in between.chars().rev().filter(|c| "{[".contains(*c)) {
            let rest = &self.text[close..];
            let space = rest.len() - rest.trim_start().len();
            if !rest[space..].starts_with(if open == '{' { '}' } else { ']' }) {
                return false;
            }
            close += space + 1;
        }
        let joint = if between.starts_with(':') { ": " } else { "" };
        self.edits.push(vec![Edit { range, text: joint }, Edit { range: end..close, text: "" }]);
        true
    }

    /// Where a value begins, with the `>-` of a block.
    fn start(&self, from: usize, value: &Node) -> usize {
        let before = &self.text[from..value.span.start];
        let header = before
            .rfind(['|', '>'])
            .filter(|at| before[at + 1..].chars().all(|c| c.is_whitespace() || "+-".contains(c)));
        header.map_or(value.span.start, |at| from + at)
    }

    /// `'["a", "b"]'` becomes `["a", "b"]`.
    fn literal(&mut self, node: &Node) {
        let Some(text) = node.as_str() else { return };
        let (start, end) = (node.span.start, node.span.end);
        let raw = &self.text[start..end];
        let is_list = serde_json::from_str::<Vec<Value>>(text).is_ok();
        let quotes = raw.strip_prefix('\'').and_then(|raw| raw.strip_suffix('\''));
        if is_list && quotes == Some(text) {
            self.edits.push(vec![
                Edit { range: start..start + 1, text: "" },
                Edit { range: end - 1..end, text: "" },
            ]);
        }
    }
}

fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    node.entries()?.iter().find(|entry| entry.key == key)
}

/// The one value of a mapping that has nothing but this key.
fn only<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match node.entries()? {
        [entry] if entry.key == key => {
            Some(&entry.node).filter(|value| matches!(value.kind, NodeKind::Scalar { .. }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Catalogue;

    #[test]
    fn long_forms_become_short_ones_and_nothing_else_changes() {
        let table = [
            ("expect: [{that: .x == 1}]", "expect: .x == 1"),
            ("expect: [{ that: '.x == 1' } ] # why", "expect: '.x == 1' # why"),
            ("expect:\n      - that: .x == 1\n      # why", "expect: .x == 1\n      # why"),
            ("expect:\n      - {that: .x}", "expect: .x"),
            ("expect:\n      that: .x", "expect: .x"),
            (
                "expect:\n      - that: >-\n          .x\n          == 1\n    when: .y",
                "expect: >-\n          .x\n          == 1\n    when: .y",
            ),
            (
                "expect:\n      # first\n      - that: .x   # of x\n      - that: '.y'\n      - {that: \
                    .z}\n      - all: .a",
                "expect:\n      # first\n      - .x   # of x\n      - '.y'\n      - .z\n      - all: .a",
            ),
            (
                "expect: [{that: .x}, {that: .y, message: m}]",
                "expect: [.x, {that: .y, message: m}]",
            ),
            ("run: {runbook: a/b}", "run: a/b"),
            ("run:\n      runbook: a/b", "run: a/b"),
            ("confirm: {question: \"Go on?\"}", "confirm: \"Go on?\""),
            ("approve: {question: 'Go on?'}", "approve: 'Go on?'"),
            ("for_each: '[\"a\", \"b\"]'", "for_each: [\"a\", \"b\"]"),
            ("steps: [{id: b, expect: [{that: .x}]}]", "steps: [{id: b, expect: .x}]"),
            ("expect: [{that: .x}]  ", "expect: .x"),
        ];
        for (long, short) in table {
            let text = |step: &str| format!("# head\nsteps:\n  - id: a   # id\n    {step}\n");
            assert_eq!(better(&text(long), true).unwrap(), text(short), "{long}");
            assert_eq!(better(&text(short), true).unwrap(), text(short), "{short}");
        }
        for text in [
            "expect: [{that: .x, message: m}]",
            "expect:\n      - that:   # why\n          .x",
            "run: {runbook: a/b, with: {c: 1}}",
            "confirm: {question: typed}",
            "confirm: {question: Go on?, typed: x}",
            "for_each: '[$params.x]'",
            "expect: {all: .x}",
        ] {
            let text = format!("steps:\n  - id: a\n    {text}\n");
            assert_eq!(better(&text, true).unwrap(), text, "{text}");
        }
        let remedies = "findings:\n  - remedy: {run: a/b}\n  - remedy: {run: a, with: {b: 1}}\n";
        let wanted = "findings:\n  - remedy: a/b\n  - remedy: {run: a, with: {b: 1}}\n";
        assert_eq!(better(remedies, true).unwrap(), wanted);
    }

    #[test]
    fn without_upgrade_only_the_ends_of_lines_change() {
        let text = "a: [{that: x}]  \n# note \t\nb: |\n  kept  \n  too\nc: 1";
        let wanted = "a: [{that: x}]\n# note\nb: |\n  kept  \n  too\nc: 1\n";
        assert_eq!(better(text, false).unwrap(), wanted);
        assert_eq!(better(wanted, false).unwrap(), wanted);
        assert!(better("a: [", false).is_err());
    }

    #[test]
    fn the_whole_catalogue_means_the_same_in_its_better_form() {
        let catalogue = Catalogue::new(&[]);
        for listed in catalogue.list() {
            let runbook = catalogue.load(&listed.name).unwrap();
            let shorter = better(&runbook.source, true).unwrap();
            let meaning = |text: &str| canonical(&parse(text).unwrap()).to_value();
            assert_eq!(meaning(&shorter), meaning(&runbook.source), "{}", listed.name);
            assert_eq!(better(&shorter, true).unwrap(), shorter, "{}", listed.name);
            assert!(shorter.len() <= runbook.source.len(), "{}", listed.name);
            catalogue.load_text(&listed.name, shorter).unwrap();
        }
    }
}
