//! Short forms written out: the same tree as if the author had used the long form of everything.
//! Values keep the places that they have in the text.
//!
//! Everything that reads a runbook reads this tree, so that nothing else knows of short forms.

use super::deserialize::has_template;
use super::from_diagnosis::from_diagnosis;
use super::lower::is_action;
use super::node::{Entry, Node, NodeKind};
use crate::construct::{Approve, Confirm, Construct, Run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// The value of `confirm` beside a change.
pub(super) const TYPED: &str = "typed";
/// Keys of a step under which there are steps.
pub(super) const WITHIN: [&str; 4] = ["steps", "rescue", "always", "then"];

/// The tree of a runbook without short forms. What is wrong stays as it is, and is reported where
/// it is read.
pub(super) fn canonical(root: &Node) -> Node {
    let mut root = root.clone();
    let mut names = Names::default();
    for key in ["steps", "always"] {
        names.collect(root.get(key));
    }
    for key in ["steps", "always"] {
        if let Some(node) = root.get_mut(key) {
            steps(node, None, &mut names);
        }
    }
    if let Some(Node { kind: NodeKind::List(alerts), .. }) = root.get_mut("alerts") {
        alerts.iter_mut().for_each(|alert| long_form(alert, "name"));
    }
    if let Some(Node { kind: NodeKind::List(findings), .. }) = root.get_mut("findings") {
        for finding in findings.iter_mut() {
            if let Some(remedy) = finding.get_mut("remedy") {
                long_form(remedy, "run");
            }
        }
        *findings = from_diagnosis(findings);
    }
    root
}

/// The ids of a runbook, so that one that is made up is none of them.
#[derive(Default)]
struct Names {
    known: BTreeSet<String>,
}

impl Names {
    fn collect(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        match &node.kind {
            NodeKind::List(items) => items.iter().for_each(|item| self.collect(Some(item))),
            NodeKind::Map(_) => {
                self.known.extend(node.get("id").and_then(Node::as_str).map(str::to_owned));
                WITHIN.iter().for_each(|key| self.collect(node.get(key)));
            }
            NodeKind::Scalar { .. } => {}
        }
    }

    /// The id of a verification that has none: its verb; after the change too, if something else
    /// has that id; and with a number, if even that is taken.
    fn invent(&mut self, verb: &str, change: &str) -> String {
        let long = format!("{change}-{verb}");
        let numbered = (2..).map(|number| format!("{long}-{number}"));
        let free = [verb.to_owned(), long.clone()]
            .into_iter()
            .chain(numbered)
            .find(|name| !self.known.contains(name))
            .unwrap_or(long);
        self.known.insert(free.clone());
        free
    }
}

/// The steps under a node: a list, or one step. `change`: the step that they verify.
fn steps(node: &mut Node, change: Option<&str>, names: &mut Names) {
    match &mut node.kind {
        NodeKind::List(items) => {
            items.iter_mut().for_each(|item| steps(item, change, names));
        }
        NodeKind::Map(_) => step(node, change, names),
        NodeKind::Scalar { .. } => {}
    }
}

fn step(node: &mut Node, change: Option<&str>, names: &mut Names) {
    let NodeKind::Map(entries) = &mut node.kind else { return };
    if let Some(change) = change
        && !entries.iter().any(|entry| entry.key == "id")
        && let Some(verb) = entries.iter().find(|entry| is_action(&entry.key))
    {
        let (span, id) = (verb.key_span.clone(), names.invent(&verb.key, change));
        let entry =
            Entry { key: "id".to_owned(), key_span: span.clone(), node: Node::text(id, span) };
        entries.insert(0, entry);
    }
    let actions = entries.iter().filter(|entry| is_action(&entry.key)).count();
    for entry in entries.iter_mut() {
        match entry.key.as_str() {
            "expect" => expectations(&mut entry.node),
            "for_each" => literal(&mut entry.node),
            "save" => files(&mut entry.node),
            Run::NAME => long_form(&mut entry.node, "runbook"),
            Approve::NAME => long_form(&mut entry.node, "question"),
            // beside another action it says how a change is consented to
            Confirm::NAME if actions == 1 && entry.node.as_str() != Some(TYPED) => {
                long_form(&mut entry.node, "question");
            }
            _ => {}
        }
    }
    let id = node.get("id").and_then(Node::as_str).unwrap_or_default().to_owned();
    for key in WITHIN {
        if let Some(inner) = node.get_mut(key) {
            steps(inner, (key == "then").then_some(id.as_str()), names);
        }
    }
}

/// `NAME` becomes `{key: NAME}`.
fn long_form(node: &mut Node, key: &str) {
    if node.as_str().is_some() {
        *node = within(node, key);
    }
}

/// The name of a file, or what is saved as it, or a list of both becomes a list of what is saved.
fn files(node: &mut Node) {
    match &mut node.kind {
        NodeKind::List(items) => items.iter_mut().for_each(|item| long_form(item, "file")),
        NodeKind::Scalar { value: Value::Null, .. } => {}
        NodeKind::Map(_) | NodeKind::Scalar { .. } => {
            let mut only = node.clone();
            long_form(&mut only, "file");
            node.kind = NodeKind::List(vec![only]);
        }
    }
}

/// A condition, an expectation, or a list of both becomes a list of expectations.
fn expectations(node: &mut Node) {
    match &mut node.kind {
        NodeKind::List(items) => items.iter_mut().for_each(condition),
        // nothing at all is no condition
        NodeKind::Scalar { value: Value::Null, .. } => {}
        NodeKind::Map(_) | NodeKind::Scalar { .. } => {
            let mut only = node.clone();
            condition(&mut only);
            node.kind = NodeKind::List(vec![only]);
        }
    }
}

fn condition(node: &mut Node) {
    if let NodeKind::Scalar { text, value } = &mut node.kind
        && !value.is_null()
    {
        // `true` and `1` are programs, too
        *value = Value::from(text.as_str());
        *node = within(node, "that");
    }
}

/// A list that is written out, as YAML or as JSON, becomes the program that yields it. One with
/// templates stays: a program has none.
fn literal(node: &mut Node) {
    let list = match (&node.kind, node.as_str()) {
        (NodeKind::List(_), _) => Some(node.to_value()),
        (_, Some(text)) => serde_json::from_str(text).ok().filter(Value::is_array),
        (NodeKind::Map(_) | NodeKind::Scalar { .. }, None) => None,
    };
    if let Some(list) = list.filter(|_| !node.any_text(&has_template)) {
        *node = Node::text(list.to_string(), node.span.clone());
    }
}

fn within(node: &Node, key: &str) -> Node {
    let start = node.span.start;
    let entry = Entry { key: key.to_owned(), key_span: start..start, node: node.clone() };
    Node { span: node.span.clone(), kind: NodeKind::Map(vec![entry]) }
}

impl Node {
    /// A string.
    pub(super) fn text(text: String, span: Range<usize>) -> Self {
        Self { span, kind: NodeKind::Scalar { value: Value::from(text.as_str()), text } }
    }

    /// The value of a key, to be changed.
    fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.kind {
            NodeKind::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
            }
            NodeKind::List(_) | NodeKind::Scalar { .. } => None,
        }
    }

    /// Whether this holds for a string in it.
    pub(super) fn any_text(&self, is: &dyn Fn(&str) -> bool) -> bool {
        match &self.kind {
            NodeKind::Scalar { text, .. } => is(text),
            NodeKind::List(items) => items.iter().any(|item| item.any_text(is)),
            NodeKind::Map(entries) => entries.iter().any(|entry| entry.node.any_text(is)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::node::parse;

    fn written_out(text: &str) -> Value {
        canonical(&parse(text).unwrap()).to_value()
    }

    #[test]
    fn every_short_form_has_one_long_form() {
        let table = [
            ("expect: .x == 1", "expect: [{that: .x == 1}]"),
            ("expect: true", "expect: [{that: 'true'}]"),
            ("expect: {all: .x, over: .items}", "expect: [{all: .x, over: .items}]"),
            ("expect: [.x, {all: .y}]", "expect: [{that: .x}, {all: .y}]"),
            ("run: ta-bot/health", "run: {runbook: ta-bot/health}"),
            ("confirm: Go on?", "confirm: {question: Go on?}"),
            ("approve: Go on?", "approve: {question: Go on?}"),
            ("for_each: [a, {b: 1}]", "for_each: '[\"a\",{\"b\":1}]'"),
            ("for_each: ['a\\(1)']", "for_each: '[\"a\\\\(1)\"]'"),
            // beside a change
            ("confirm: typed\n    restart: {target: deployment/x}", ""),
            ("confirm: typed", ""),
            ("for_each: ['{{ params.x }}']", ""),
            ("expect: ", ""),
        ];
        for (short, long) in table {
            let long = if long.is_empty() { short } else { long };
            let text = |step: &str| format!("steps:\n  - id: a\n    {step}\n");
            let (canonical, wanted) = (written_out(&text(short)), parse(&text(long)).unwrap());
            assert_eq!(canonical, wanted.to_value(), "{short}");
            assert_eq!(written_out(&text(long)), canonical, "{short}");
        }
        assert_eq!(
            written_out("alerts: [A, {name: B, with: {x: z}}]"),
            serde_json::json!({"alerts": [{"name": "A"}, {"name": "B", "with": {"x": "z"}}]})
        );
        assert_eq!(
            written_out("findings: [{remedy: a/b}, {remedy: {text: Wait.}}]"),
            serde_json::json!({"findings": [{"remedy": {"run": "a/b"}}, {"remedy": {"text": "Wait."}}]})
        );
    }

    #[test]
    fn short_forms_are_written_out_wherever_steps_are() {
        let text = "steps:\n  - id: g\n    steps: [{id: a, expect: .x}]\n    rescue: [{id: b, \
            expect: .x}]\n    always: [{id: c, expect: .x, then: {get: {}, expect: .x}}]\nalways: \
            [{id: d, expect: .x}]\n";
        let found = written_out(text).to_string();
        assert_eq!(found.matches(r#""expect":[{"that":".x"}]"#).count(), 5, "{found}");
    }

    /// The ids of the steps, in order of writing.
    fn ids(node: &Node) -> Vec<String> {
        let inner = |node: &Node| -> Vec<String> {
            match &node.kind {
                NodeKind::List(items) => items.iter().flat_map(ids).collect(),
                _ => ids(node),
            }
        };
        let own = node.get("id").and_then(Node::as_str).map(str::to_owned);
        let within = WITHIN.iter().filter_map(|key| node.get(key)).flat_map(inner);
        own.into_iter().chain(within).collect()
    }

    #[test]
    fn ids_that_are_made_up_are_no_others() {
        let change = |id: &str, then: &str| format!("{{id: {id}, restart: {{}}, then: {then}}}");
        let (one, two) = ("{rollout: {}}", "[{rollout: {}}, {get: {}}, {id: own, get: {}}]");
        let table = [
            (vec![change("a", one)], "a rollout"),
            (vec![change("a", one), change("b", one)], "a rollout b b-rollout"),
            (vec![change("a", two)], "a rollout get own"),
            // one that is written wins, wherever it stands
            (vec![change("a", one), "{id: rollout}".to_owned()], "a a-rollout rollout"),
            (
                vec![change("a", one), "{id: rollout}".into(), "{id: a-rollout}".into()],
                "a a-rollout-2 rollout a-rollout",
            ),
            (vec![change("then", one), change("b", one)], "then rollout b b-rollout"),
        ];
        for (steps, wanted) in table {
            let text = format!("steps: [{}]", steps.join(", "));
            assert_eq!(ids(&canonical(&parse(&text).unwrap())).join(" "), wanted, "{text}");
        }
    }
}
