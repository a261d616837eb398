//! What a runbook can be used with, and probably does not do what was meant.

mod effect;
mod midway;
mod nullable;
mod unjudged;
mod unrendered;
mod unused;

use super::canonical::WITHIN;
use super::node::{Node, NodeKind, parse};
use super::quoting::is_program;
use super::runbook::Runbook;
use crate::diagnostic::{Correction, Diagnostic, DiagnosticSeverity};
use std::ops::Range;
use std::path::PathBuf;

/// A warning before it has its file.
struct Warning {
    code: &'static str,
    span: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
    correction: Option<Correction>,
}

impl Warning {
    fn new(
        code: &'static str,
        span: Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        let (message, label) = (message.into(), label.into());
        Self { code, span, message, label, help: None, correction: None }
    }
}

impl Runbook {
    /// What it can be used with, and probably does not do what was meant.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut all: Vec<Warning> = unjudged::unjudged(self).chain(unused::unused(self)).collect();
        if let Ok(root) = parse(&self.source) {
            for_each_step(&root, &mut |step| all.extend(effect::unsaid(step)));
            all.extend(midway::midway(&root));
            all.extend(unrendered::unrendered(&root, &self.source));
            all.extend(nullable::bounds(self, &root));
        }
        all.sort_by_key(|warning| warning.span.start);
        all.into_iter().map(|warning| self.warning(warning)).collect()
    }

    fn warning(&self, warning: Warning) -> Diagnostic {
        let Warning { code, span, message, label, help, correction } = warning;
        let file = Some(PathBuf::from(&self.file));
        let diagnostic = Diagnostic::error(code, message, file, self.source.clone());
        Diagnostic { severity: DiagnosticSeverity::Warning, help, ..diagnostic }
            .with_label(span, label)
            .with_correction(correction)
    }
}

/// Every step of a runbook, those within others included.
fn for_each_step<'a>(node: &'a Node, see: &mut dyn FnMut(&'a Node)) {
    for key in WITHIN {
        match node.get(key).map(|inner| (&inner.kind, inner)) {
            Some((NodeKind::List(items), _)) => items.iter().for_each(|item| {
                see(item);
                for_each_step(item, see);
            }),
            Some((NodeKind::Map(_), one)) => {
                see(one);
                for_each_step(one, see);
            }
            Some((NodeKind::Scalar { .. }, _)) | None => {}
        }
    }
}

/// What a text of a runbook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A jq program.
    Program,
    /// A template, or a text that could be one.
    Text,
}

/// In what a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// A step or a finding.
    Fields,
    /// An expectation, or what is saved.
    Condition,
    /// Names for values.
    Let,
    /// The arguments of a verb, or anything else.
    Arguments,
}

/// Every text of the steps and findings, with what it is.
fn for_each_text<'a>(root: &'a Node, see: &mut dyn FnMut(&'a Node, Kind)) {
    for key in ["steps", "always", "findings", "let"] {
        let entry = root.entries().unwrap_or_default().iter().find(|entry| entry.key == key);
        if let Some(entry) = entry {
            let within = if key == "let" { Within::Let } else { Within::Fields };
            texts(&entry.node, within, Kind::Text, see);
        }
    }
}

fn texts<'a>(node: &'a Node, within: Within, kind: Kind, see: &mut dyn FnMut(&'a Node, Kind)) {
    match &node.kind {
        NodeKind::Scalar { .. } => see(node, kind),
        NodeKind::List(items) => items.iter().for_each(|item| texts(item, within, kind, see)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| {
            let (within, kind) = meaning(within, &entry.key);
            texts(&entry.node, within, kind, see);
        }),
    }
}

/// What is under a key, and what a text there is.
fn meaning(within: Within, key: &str) -> (Within, Kind) {
    match (within, key) {
        (Within::Fields, "expect") => (Within::Condition, Kind::Program),
        (Within::Fields, "save") => (Within::Condition, Kind::Text),
        (Within::Fields, "let") => (Within::Let, Kind::Text),
        (Within::Fields, key) if WITHIN.contains(&key) => (Within::Fields, Kind::Text),
        (Within::Fields | Within::Condition, key) if is_program(key) || key == "from" => {
            (Within::Arguments, Kind::Program)
        }
        (Within::Let, _) | (Within::Arguments, "until") => (Within::Arguments, Kind::Program),
        _ => (Within::Arguments, Kind::Text),
    }
}
