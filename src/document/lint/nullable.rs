//! Bounds on values that can be missing: null is neither below nor above a limit, so that the
//! condition is undetermined.

use super::{Kind, Warning, for_each_text};
use crate::document::node::{Node, NodeKind};
use crate::document::runbook::Runbook;
use std::ops::Range;

/// What is said of comparisons with a parameter that may be left out.
pub(super) fn bounds(runbook: &Runbook, root: &Node) -> Vec<Warning> {
    let optional = runbook.params.iter().filter(|(_, param)| param.optional);
    let open: Vec<String> = optional
        .filter(|(_, param)| param.default.is_none())
        .map(|(name, _)| format!("$params.{name}"))
        .collect();
    if open.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for_each_text(root, &mut |node, kind| {
        let Some(text) = node.as_str().filter(|_| kind == Kind::Program) else { return };
        for name in open.iter().filter(|name| is_bound(text, name)) {
            let around = around(root, &node.span).and_then(|span| runbook.source.get(span));
            if !around.is_some_and(|around| is_guarded(around, name)) {
                let message = format!("`{name}` is null if it is not given, and null has no order");
                let label = format!("say what holds then: `{name} == null or …`");
                all.push(Warning::new("RB0504", node.span.clone(), message, label));
            }
        }
    });
    all
}

/// Whether a program compares this variable by order.
fn is_bound(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let after = text[at + name.len()..].trim_start();
        let before = text[..at].trim_end();
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || "_.".contains(c));
        let order =
            |text: &str| text.ends_with(['<', '>']) || text.ends_with("<=") || text.ends_with(">=");
        ends && (after.starts_with(['<', '>']) || order(before))
    })
}

/// Whether something around asks whether the variable is there.
fn is_guarded(around: &str, name: &str) -> bool {
    ["== null", "!= null", "//"].iter().any(|asks| around.contains(&format!("{name} {asks}")))
}

/// The step or finding around a place, outermost first: its `when` guards all that is in it.
fn around(root: &Node, span: &Range<usize>) -> Option<Range<usize>> {
    ["steps", "always", "findings"].iter().find_map(|key| match &root.get(key)?.kind {
        NodeKind::List(items) => {
            let holds = |item: &&Node| item.span.start <= span.start && span.end <= item.span.end;
            items.iter().find(holds).map(|item| item.span.clone())
        }
        NodeKind::Map(_) | NodeKind::Scalar { .. } => None,
    })
}
