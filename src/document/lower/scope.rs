//! `let`: names for values, seen by everything in the scope in which they are bound.

use super::Lower;
use crate::diagnostic::nearest;
use crate::document::check::Use;
use crate::document::node::{Entry, Fault, Node};
use crate::document::runbook::{Let, VARIABLES};
use std::ops::Range;

/// What templates see beside what is bound.
const IN_TEMPLATES: [&str; 5] = ["params", "steps", "run", "alert", "item"];
/// What the `let` of a runbook sees.
const BEFORE_STEPS: [&str; 3] = ["params", "run", "alert"];
/// Words that mean something else in a template or in jq.
const RESERVED: [&str; 16] = [
    "loop", "self", "super", "true", "false", "none", "null", "not", "and", "or", "in", "is", "if",
    "else", "ENV", "__loc__",
];

/// The names that are bound at a place of the document.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    bound: Vec<String>,
    /// Where they are bound, and where steps get another namespace, from the outside inwards.
    pub(super) places: Vec<Range<usize>>,
}

impl Names {
    /// The variables of a program.
    pub(super) fn variables(&self) -> Vec<&str> {
        VARIABLES.iter().copied().chain(self.bound.iter().map(String::as_str)).collect()
    }

    /// What is wrong with a name that a template uses, if it stands for nothing.
    pub(super) fn undefined(&self, used: &Use) -> Option<Fault> {
        let known = || IN_TEMPLATES.into_iter().chain(self.bound.iter().map(String::as_str));
        if known().any(|name| name == used.root) {
            return None;
        }
        let near = nearest(&used.root, known());
        let label = near.map_or_else(
            || format!("one of {}", known().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("template: undefined variable `{}`", used.root);
        Some(Fault::new("RB0202", used.span.clone(), message, label))
    }
}

impl Lower<'_> {
    /// The `let` of the runbook: known as soon as the parameters are.
    pub(super) fn bind_for_all(&mut self, node: Option<&Node>) -> Vec<Let> {
        let before = self.uses.len();
        let bound = self.bind(node);
        for used in &self.uses[before..] {
            let known =
                BEFORE_STEPS.iter().copied().chain(self.names.bound.iter().map(|n| n.as_str()));
            if !known.clone().any(|name| name == used.root) {
                let message =
                    format!("`${}` is not known yet: nothing has been executed", used.root);
                let label = "the `let` of a runbook sees only `$params`, `$run` and `$alert`: move it to the \
                    `let` of a step or finding";
                self.faults.push(Fault::new("RB0303", used.span.clone(), message, label));
            }
        }
        bound
    }

    /// The `let` of a step: known before the step begins, and before each round of its loop.
    pub(super) fn bind_before(&mut self, step: &Node) -> Vec<Let> {
        let before = self.uses.len();
        let bound = self.bind(step.get("let"));
        self.uses[before..].iter_mut().for_each(|used| used.before_loop = true);
        bound
    }

    /// What a `let` binds, in order of writing: each sees those before it. The names are bound from
    /// here on.
    pub(super) fn bind(&mut self, node: Option<&Node>) -> Vec<Let> {
        let Some(node) = node else { return Vec::new() };
        let Some(entries) = node.entries() else {
            let message = format!("`let` must be a mapping of names, not {}", node.describe());
            let label = "let: {NAME: JQ}";
            self.faults.push(Fault::new("RB0104", node.span.clone(), message, label));
            return Vec::new();
        };
        let bound = entries.iter().filter_map(|entry| self.bind_one(entry)).collect();
        self.names.places.push(node.span.clone());
        bound
    }

    fn bind_one(&mut self, entry: &Entry) -> Option<Let> {
        let Entry { key, key_span, node } = entry;
        if let Err((message, label)) = self.names.check(key) {
            self.faults.push(Fault::new("RB0307", key_span.clone(), message, label));
        }
        let program = self.program(node);
        // also if its program is wrong: what uses it is not wrong as well
        self.names.bound.push(key.clone());
        Some(Let { name: key.clone(), program: program? })
    }
}

impl Names {
    /// Whether a name can be bound here; what is wrong otherwise.
    fn check(&self, name: &str) -> Result<(), (String, &'static str)> {
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if VARIABLES.contains(&name) || RESERVED.contains(&name) {
            Err((
                format!("`let` cannot bind `{name}`: the name has a meaning of its own"),
                "use another name",
            ))
        } else if self.bound.iter().any(|other| other == name) {
            Err((format!("`{name}` is bound already"), "names in a scope must differ"))
        } else if !is_word {
            Err((
                format!("`let` cannot bind `{name}`: it is no name of a variable"),
                "use letters, digits and `_`",
            ))
        } else {
            Ok(())
        }
    }
}
