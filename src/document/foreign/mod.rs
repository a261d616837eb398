//! What somebody writes who knows other tools: it is told the word of this one, and read as if it
//! stood there, so that it is told once.
//!
//! The words are a table (`words.rs`); this walks through a document and knows which of them can be
//! where.

mod fill;
mod programs;
mod structure;
mod words;

pub(super) use programs::{Never, condition, is_length, never_a_condition, template};

use super::catalogue::diagnose_all;
use super::deserialize::has_template;
use super::node::{Entry, Fault, Node, NodeKind, parse};
use crate::action::Action;
use crate::diagnostic::Diagnostic;
use fill::Filler;
use std::ops::Range;
use std::path::Path;
use words::{Shape, WORDS, Word, Write};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The head of a runbook.
    Head,
    /// A step.
    Step,
    /// A step that verifies a change: it needs no id.
    Verification,
    /// The fields of this verb.
    Verb(&'static str),
    /// An expectation.
    Expectation,
    /// The declaration of a parameter.
    Param,
    /// The declaration of a parameter of this type.
    ParamOf(&'static str),
    /// A finding.
    Finding,
    /// The head of a rehearsal file.
    Suite,
    /// A case of it.
    Case,
    /// What a case expects.
    CaseExpect,
    /// The head of a world.
    WorldHead,
    /// A scenario of a world.
    Scenario,
    /// The file of the applications of a world.
    Applications,
    /// An application of a world.
    App,
}

/// The document with our words, and what is said of those that were not.
pub(super) fn translated(at: Place, root: &Node, source: &str) -> (Node, Vec<Fault>) {
    let mut translator = Translator { source, faults: Vec::new() };
    let mut root = root.clone();
    translator.mapping(at, &mut root);
    (root, translator.faults)
}

/// What is said of a manifest in the place of a runbook: none of its fields is one of a runbook.
pub(super) fn manifest(root: &Node) -> Option<Fault> {
    let text = |key: &str| root.get(key).and_then(Node::as_str);
    let (version, kind) = (text("apiVersion")?, text("kind")?);
    let is_meant = kind.eq_ignore_ascii_case("runbook")
        || root.get("runbook").is_some()
        || root.get("steps").is_some();
    let span = root.get("kind")?.span.clone();
    let message = format!("this is a manifest of kind {kind} ({version}), not a runbook");
    let label = "a runbook begins with `runbook: v1`, and has a `title` and `steps`";
    (!is_meant).then(|| Fault::new("RB0101", span, message, label))
}

/// What is said of words of other tools in a file of a world; `file` is its name in the folder of
/// the world, `path` what a person sees.
pub fn foreign_words(file: &str, path: &Path, text: &str) -> Vec<Diagnostic> {
    let at = match file.split('/').next() {
        Some("world.yaml") => Place::WorldHead,
        Some("scenarios") => Place::Scenario,
        Some("applications.yaml") => Place::Applications,
        _ => return Vec::new(),
    };
    let Ok(root) = parse(text) else { return Vec::new() };
    let faults = translated(at, &root, text).1;
    diagnose_all(&path.display().to_string(), &text.into(), faults)
}

struct Translator<'a> {
    source: &'a str,
    faults: Vec<Fault>,
}

impl Translator<'_> {
    /// A mapping at a place, and everything in it.
    fn mapping(&mut self, at: Place, node: &mut Node) {
        let (span, needs_id) = (node.span.clone(), at == Place::Step);
        let NodeKind::Map(entries) = &mut node.kind else { return };
        let at = if at == Place::Verification { Place::Step } else { at };
        let in_flow = self.source.get(span.start..).is_some_and(|text| text.starts_with('{'));
        let mut index = 0;
        while index < entries.len() {
            if let Some(word) = find(at, &entries[index], entries) {
                self.replace(word, entries, index, in_flow);
                // what stands there now is looked at too: `job:` is `steps:`, and wants a list
                if matches!(word.write, Write::Nothing) {
                    continue;
                }
            }
            index += 1;
        }
        if needs_id && !entries.iter().any(|entry| entry.key == "id") {
            self.faults.extend(structure::without_id(entries, self.source));
        }
        for entry in entries.iter_mut() {
            self.within(at, entry);
        }
    }

    /// What is under a key.
    fn within(&mut self, at: Place, entry: &mut Entry) {
        let key = entry.key.as_str();
        match (at, key) {
            (Place::Head, "steps" | "always")
            | (Place::Step, "steps" | "rescue" | "always" | "then") => {
                self.faults.extend(structure::list_of(&mut entry.node, "steps", self.source));
                let at = if key == "then" { Place::Verification } else { Place::Step };
                self.each(at, &mut entry.node);
            }
            (Place::Head, "findings") => {
                self.faults.extend(structure::list_of(&mut entry.node, "findings", self.source));
                self.each(Place::Finding, &mut entry.node);
            }
            (Place::Head, "params") => {
                self.faults.extend(structure::params(&mut entry.node, self.source));
                if let NodeKind::Map(params) = &mut entry.node.kind {
                    params.iter_mut().for_each(|param| self.mapping(Place::Param, &mut param.node));
                }
            }
            (Place::Step, "expect") => {
                if let NodeKind::List(items) = &mut entry.node.kind {
                    items.iter_mut().for_each(|item| self.expectation(item));
                } else {
                    self.expectation(&mut entry.node);
                }
            }
            (Place::Step, verb) => {
                if let Some(name) = Action::VERBS.iter().find(|name| **name == verb).copied() {
                    self.mapping(Place::Verb(name), &mut entry.node);
                }
            }
            (Place::Suite, "cases") => self.each(Place::Case, &mut entry.node),
            (Place::Case, "expect") => self.mapping(Place::CaseExpect, &mut entry.node),
            (Place::Case, "scenario") => self.mapping(Place::Scenario, &mut entry.node),
            (Place::Scenario, "changes" | "later" | "then") => {
                self.faults.extend(structure::patches(&mut entry.node, self.source));
            }
            (Place::Applications, "apps") => self.each(Place::App, &mut entry.node),
            _ => {}
        }
    }

    fn expectation(&mut self, node: &mut Node) {
        self.faults.extend(structure::expectation(node, self.source));
        self.mapping(Place::Expectation, node);
    }

    /// Each of a list, or one alone.
    fn each(&mut self, at: Place, node: &mut Node) {
        match &mut node.kind {
            NodeKind::List(items) => items.iter_mut().for_each(|item| self.mapping(at, item)),
            NodeKind::Map(_) => self.mapping(at, node),
            NodeKind::Scalar { .. } => {}
        }
    }

    /// Puts what is meant in the place of an entry.
    fn replace(&mut self, word: &Word, entries: &mut Vec<Entry>, index: usize, in_flow: bool) {
        let entry = &entries[index];
        let line = self.line(word, entry, in_flow);
        let key = line.as_deref().and_then(|line| line.split(':').next());
        let is_there = |key: &str| {
            entries.iter().enumerate().any(|(at, other)| at != index && other.key == key)
        };
        let (fault, range) = (self.fault(word, entry), self.range(entry));
        // as YAML within `{…}`, whatever it stands in
        let in_braces = |line: &str| match line.contains('\n') {
            true => line.lines().map(str::trim).collect::<Vec<_>>().join("\n"),
            false => format!("{{{line}}}"),
        };
        match (&line, word.write) {
            (Some(_), _) if key.is_some_and(is_there) => self.remove(fault, entries, index),
            // a value of several lines stays, under another key
            (Some(line), Write::Key(_)) => {
                let at = entry.key_span.clone();
                self.faults.push(fault.corrected(at, line.clone()));
                entries[index].key.clone_from(line);
            }
            (Some(line), _) => {
                self.faults.push(fault.corrected(range.clone(), line.clone()));
                let parsed = parse(&in_braces(line)).or_else(|_| parse(line));
                let parsed = parsed.ok().map(|node| placed(node, &range));
                if let Some(Node { kind: NodeKind::Map(parsed), .. }) = parsed {
                    entries.splice(index..=index, parsed);
                }
            }
            (None, _) => self.remove(fault, entries, index),
        }
    }

    fn line(&self, word: &Word, entry: &Entry, in_flow: bool) -> Option<String> {
        let filler = Filler { key: &entry.key, value: &entry.node, source: self.source, in_flow };
        match word.write {
            Write::Key(key) => Some(key.to_owned()),
            Write::Line(line) => filler.fill(line),
            Write::Program => filler.program(),
            Write::Nothing => None,
        }
    }

    /// What is said of it.
    fn fault(&self, word: &Word, entry: &Entry) -> Fault {
        let of = match word.at {
            Place::Head => "runbook",
            Place::Step | Place::Verification => "step",
            Place::Verb(verb) => verb,
            Place::Expectation | Place::CaseExpect => "expect",
            Place::Param | Place::ParamOf(_) => "param",
            Place::Finding => "finding",
            Place::Suite => "rehearsal file",
            Place::Case => "case",
            Place::WorldHead => "world",
            Place::Scenario => "scenario",
            Place::Applications | Place::App => "app",
        };
        let world = matches!(
            word.at,
            Place::WorldHead | Place::Scenario | Place::Applications | Place::App
        );
        if word.shape == Shape::Any || !is_known(word, &entry.key) {
            let code = match word.at {
                _ if world => "RB0601",
                Place::Step => "RB0103",
                _ => "RB0102",
            };
            let message = format!("unknown field `{}` of `{of}`", entry.key);
            return Fault::new(code, entry.key_span.clone(), message, word.says);
        }
        let code = if world { "RB0601" } else { "RB0104" };
        let value = match (word.shape, entry.node.as_str()) {
            (Shape::Is(_), Some(text)) => format!("`{text}`"),
            _ => shown(&entry.node),
        };
        let message = format!("`{}` cannot be {value}", entry.key);
        Fault::new(code, entry.node.span.clone(), message, word.says)
    }

    /// An entry from its key to the end of its value.
    fn range(&self, entry: &Entry) -> Range<usize> {
        let start = entry.key_span.start;
        let written = self.source.get(start..entry.node.span.end.max(entry.key_span.end));
        start..start + written.unwrap_or_default().trim_end().len()
    }

    fn remove(&mut self, fault: Fault, entries: &mut Vec<Entry>, index: usize) {
        let range = match (entries.get(index + 1), index.checked_sub(1).map(|at| &entries[at])) {
            (Some(next), _) => entries[index].key_span.start..next.key_span.start,
            (None, Some(previous)) => self.range(previous).end..self.range(&entries[index]).end,
            (None, None) => self.range(&entries[index]),
        };
        self.faults.push(fault.corrected(range, ""));
        entries.remove(index);
    }
}

/// The row for an entry at a place, and beside these.
fn find(at: Place, entry: &Entry, beside: &[Entry]) -> Option<&'static Word> {
    let kind =
        beside.iter().find(|entry| entry.key == "type").and_then(|entry| entry.node.as_str());
    let has_id = beside.iter().any(|entry| entry.key == "id");
    let is_there = |word: &&Word| match word.at {
        Place::ParamOf(wanted) => at == Place::Param && kind == Some(wanted),
        Place::Verb("*") => matches!(at, Place::Verb(_)),
        place => place == at,
    };
    WORDS
        .iter()
        .filter(is_there)
        .filter(|word| word.keys.contains(&entry.key.as_str()))
        .filter(|word| word.shape != Shape::Id || !has_id)
        .find(|word| has_shape(&entry.node, word.shape))
}

fn has_shape(node: &Node, shape: Shape) -> bool {
    let scalar = match &node.kind {
        NodeKind::Scalar { value, .. } => Some(value),
        NodeKind::List(_) | NodeKind::Map(_) => None,
    };
    let text = node.as_str().filter(|text| !has_template(text) || text.starts_with("${{"));
    match shape {
        Shape::Any => true,
        // a template alone stands for a value of any type
        Shape::Text => node.as_str().is_some_and(|text| !is_template(text)),
        Shape::Sentence => text.is_some_and(|text| text.trim().contains(char::is_whitespace)),
        Shape::Duration => text.is_some_and(|text| {
            let unit = text.trim_start_matches(|one: char| one.is_ascii_digit());
            unit.len() < text.len() && matches!(unit, "ms" | "s" | "m" | "h")
        }),
        Shape::Begins(begin) => node.as_str().is_some_and(|text| text.starts_with(begin)),
        Shape::Contains(part) => text.is_some_and(|text| text.contains(part)),
        Shape::Id => text.is_some_and(|text| {
            text.starts_with(|c: char| c.is_ascii_lowercase())
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
        }),
        Shape::Is(words) => text.is_some_and(|text| words.contains(&text)),
        Shape::Number => scalar.is_some_and(serde_json::Value::is_number),
        Shape::True => scalar == Some(&serde_json::Value::Bool(true)),
        Shape::False => scalar == Some(&serde_json::Value::Bool(false)),
        Shape::Bare => text.is_some_and(|text| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
        }),
        Shape::Above(limit) => {
            scalar.and_then(serde_json::Value::as_u64).is_some_and(|number| number > limit)
        }
        Shape::List => matches!(node.kind, NodeKind::List(_)),
        Shape::Map => matches!(node.kind, NodeKind::Map(_)),
    }
}

/// Whether a text is one template and nothing else.
fn is_template(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("{{") && text.ends_with("}}") && text.matches("{{").count() == 1
}

/// Whether a key is one of ours, and only its value is not.
fn is_known(word: &Word, key: &str) -> bool {
    match word.write {
        Write::Line(line) => line.starts_with("<key>") || line.split(':').next() == Some(key),
        Write::Program => key == "command" || key == "run",
        Write::Nothing => matches!((word.at, key), (Place::Step, "on_failure")),
        Write::Key(_) => matches!((word.at, key), (Place::Step, "parallel" | "wait")),
    }
}

/// A value as a person says it.
fn shown(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar { text, value } if !value.is_null() && text.len() < 40 => {
            format!("{} `{}`", node.describe(), text.trim())
        }
        _ => node.describe().to_owned(),
    }
}

/// A tree whose places are all this one.
fn placed(mut node: Node, range: &Range<usize>) -> Node {
    node.span = range.clone();
    match &mut node.kind {
        NodeKind::Scalar { .. } => {}
        NodeKind::List(items) => {
            let old = std::mem::take(items);
            *items = old.into_iter().map(|item| placed(item, range)).collect();
        }
        NodeKind::Map(entries) => {
            let old = std::mem::take(entries);
            *entries = old
                .into_iter()
                .map(|entry| Entry {
                    key_span: range.clone(),
                    node: placed(entry.node, range),
                    key: entry.key,
                })
                .collect();
        }
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_table_is_one_of_ours() {
        let ours = |key: &&str| crate::document::lower::is_step_field(key);
        let of_steps = WORDS.iter().filter(|word| word.at == Place::Step);
        for word in of_steps.filter(|word| word.shape == Shape::Any) {
            let known: Vec<_> = word.keys.iter().filter(|key| ours(key)).collect();
            assert!(known.is_empty(), "{known:?} means something in a step");
        }
    }

    #[test]
    fn what_is_written_instead_is_one_of_our_keys() {
        for word in WORDS.iter().filter(|word| word.at == Place::Step) {
            let line = match word.write {
                Write::Key(line) | Write::Line(line) => line,
                Write::Program | Write::Nothing => continue,
            };
            let key = line.split(':').next().unwrap_or_default();
            let is_ours = crate::document::lower::is_step_field(key) || key == "<key>";
            assert!(is_ours, "`{line}` for {:?}", word.keys);
            assert!(!word.says.is_empty(), "{:?}", word.keys);
        }
    }

    #[test]
    fn a_template_stands_for_a_list() {
        let text =
            "steps:\n  - id: a\n    exec: {target: pod/a, command: \"{{ params.words }}\"}\n";
        let root = parse(text).unwrap();
        assert_eq!(translated(Place::Head, &root, text).1, []);
    }

    #[test]
    fn a_condition_of_others_is_translated_outside_of_its_strings() {
        let table = [
            (".a == 'x && y' && .b", r#".a == "x && y" and .b"#),
            (r#".a = "b = c""#, r#".a == "b = c""#),
            ("{{ params.deep }} && !steps.a.failed", "$params.deep and ($steps.a.failed | not)"),
            (r#".name == "app-{{ params.ns }}""#, r#".name == "app-\($params.ns)""#),
            (".phase not in ['a', 'b']", r#"(.phase | IN("a", "b") | not)"#),
            ("inputs.deep == true", "$params.deep == true"),
            ("len(.items) -gt 3", "(.items | length) > 3"),
        ];
        for (theirs, ours) in table {
            assert_eq!(condition(theirs).map(|(jq, _)| jq).as_deref(), Some(ours), "{theirs}");
        }
        for ours in [".a == 1", ".a and (.b | not)", r#"any(.items[]; .x == "y")"#, ".x |= 1"] {
            assert_eq!(condition(ours), None, "{ours}");
        }
    }
}
