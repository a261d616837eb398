//! The same runbook with one judgement changed: what no test notices is not tested.

use super::canonical::{WITHIN, canonical};
use super::catalogue::CatalogueError;
use super::from_diagnosis::is_rest;
use super::lower::lower;
use super::node::{Entry, Node, NodeKind, parse};
use super::runbook::Runbook;
use crate::diagnostic::line_of;
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// Keys of an expectation that hold a condition on each item, and what says the opposite.
const CONDITIONS: [(&str, &str); 4] =
    [("that", "that"), ("all", "all"), ("any", "none"), ("none", "any")];

/// One judgement changed.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What: `step leader: expectation 1 negated`.
    pub what: String,
    /// The judgement that was changed.
    pub judgement: Judged,
    /// Its line in the text, from 1.
    pub line: usize,
    /// The changed runbook.
    pub runbook: Runbook,
}

/// Which judgement it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// An expectation of this step.
    Expectation(String),
    /// Whether this step is executed.
    When(String),
    /// Whether this cause is concluded.
    Finding(String),
}

/// A way to a node: keys and places in lists.
#[derive(Clone, Debug)]
enum Turn {
    Key(String),
    Place(usize),
}

/// What is done there.
enum Change {
    /// The node goes.
    Drop,
    /// The condition says the opposite.
    Negate,
    /// The condition never holds.
    Never,
    /// The list has no item.
    Empty,
    /// The key becomes another one.
    Key(&'static str),
    /// The number is one more.
    Increment,
}

struct Site {
    what: String,
    judgement: Judged,
    way: Vec<Turn>,
    span: Range<usize>,
    change: Change,
}

/// All mutants of a runbook that are runbooks: each expectation dropped and negated, each `when`
/// dropped and negated, each condition of a finding and each that rules it out dropped and negated.
///
/// # Errors
/// When the text is no runbook.
pub fn mutants(runbook: &Runbook) -> Result<Vec<Mutant>, CatalogueError> {
    let invalid = |faults| super::catalogue::invalid(&runbook.file, &runbook.source, faults);
    let root = canonical(&parse(&runbook.source).map_err(invalid)?);
    let mut sites = Vec::new();
    for key in ["steps", "always"] {
        steps(root.get(key), &[Turn::Key(key.to_owned())], &mut sites);
    }
    findings(root.get("findings"), &runbook.source, &mut sites);
    Ok(sites.into_iter().filter_map(|site| mutant(runbook, &root, site)).collect())
}

fn mutant(runbook: &Runbook, root: &Node, site: Site) -> Option<Mutant> {
    let mut root = root.clone();
    apply(&mut root, &site.way, &site.change)?;
    let source: Arc<str> = runbook.source.clone();
    let changed = lower(&runbook.name, &runbook.file, &source, &root).ok()?;
    let changed = Runbook { origin: runbook.origin, ..changed };
    let Site { what, judgement, span, .. } = site;
    let line = line_of(&runbook.source, span.start);
    Some(Mutant { what, judgement, line, runbook: changed })
}

fn turned(way: &[Turn], more: impl IntoIterator<Item = Turn>) -> Vec<Turn> {
    way.iter().cloned().chain(more).collect()
}

fn key(name: &str) -> Turn {
    Turn::Key(name.to_owned())
}

/// The sites in the steps under a node: a list, or one step.
fn steps(node: Option<&Node>, way: &[Turn], sites: &mut Vec<Site>) {
    match node.map(|node| (&node.kind, node)) {
        Some((NodeKind::List(items), _)) => {
            for (place, item) in items.iter().enumerate() {
                step(item, &turned(way, [Turn::Place(place)]), sites);
            }
        }
        Some((NodeKind::Map(_), node)) => step(node, way, sites),
        Some((NodeKind::Scalar { .. }, _)) | None => {}
    }
}

fn step(node: &Node, way: &[Turn], sites: &mut Vec<Site>) {
    let id = node.get("id").and_then(Node::as_str).unwrap_or("then");
    if let Some(when) = node.get("when") {
        for (word, change) in [("dropped", Change::Drop), ("negated", Change::Negate)] {
            let what = format!("step {id}: `when` {word}");
            let judgement = Judged::When(id.to_owned());
            let (way, span) = (turned(way, [key("when")]), when.span.clone());
            sites.push(Site { what, judgement, way, span, change });
        }
    }
    if let Some(Node { kind: NodeKind::List(items), .. }) = node.get("expect") {
        for (place, item) in items.iter().enumerate() {
            let own = turned(way, [key("expect"), Turn::Place(place)]);
            let named = format!("step {id}: expectation {}", place + 1);
            expectation(item, (&named, id), &own, sites);
        }
    }
    for within in WITHIN {
        steps(node.get(within), &turned(way, [key(within)]), sites);
    }
}

fn expectation(node: &Node, (what, step): (&str, &str), way: &[Turn], sites: &mut Vec<Site>) {
    let mut add = |word: &str, way: Vec<Turn>, change: Change| {
        let what = format!("{what} {word}");
        let judgement = Judged::Expectation(step.to_owned());
        sites.push(Site { what, judgement, way, span: node.span.clone(), change });
    };
    add("dropped", way.to_vec(), Change::Drop);
    for (name, opposite) in CONDITIONS {
        if node.get(name).is_some() {
            let change = if name == opposite { Change::Negate } else { Change::Key(opposite) };
            add("negated", turned(way, [key(name)]), change);
        }
    }
    if node.get("exactly").is_some() {
        add("with one more", turned(way, [key("exactly")]), Change::Increment);
    }
}

fn findings(node: Option<&Node>, source: &str, sites: &mut Vec<Site>) {
    let Some(Node { kind: NodeKind::List(items), .. }) = node else { return };
    for (place, item) in items.iter().enumerate() {
        let id = item.get("id").and_then(Node::as_str).unwrap_or_default();
        // what was written once for all of them is not judged one by one
        if item.get("id").is_some_and(|id| is_rest(id, source)) {
            continue;
        }
        if let Some(list) = item.get("for_each") {
            let way = vec![key("findings"), Turn::Place(place), key("for_each")];
            let what = format!("finding {id}: list emptied");
            let (judgement, span) = (Judged::Finding(id.to_owned()), list.span.clone());
            sites.push(Site { what, judgement, way, span, change: Change::Empty });
        }
        for (name, word) in [("when", "condition"), ("not_when", "exclusion")] {
            let Some(conditions) = item.get(name) else { continue };
            let way = [key("findings"), Turn::Place(place), key(name)];
            let judgement = Judged::Finding(id.to_owned());
            let named = format!("finding {id}: {word}");
            alternatives(conditions, (&named, &judgement), &way, sites);
        }
    }
}

/// A condition, or a list of them of which any decides.
fn alternatives(
    node: &Node,
    (what, judgement): (&str, &Judged),
    way: &[Turn],
    sites: &mut Vec<Site>,
) {
    let mut both = |what: &str, way: &[Turn], span: &Range<usize>| {
        for (word, change) in [("dropped", Change::Never), ("negated", Change::Negate)] {
            let what = format!("{what} {word}");
            let (judgement, way) = (judgement.clone(), way.to_vec());
            sites.push(Site { what, judgement, way, span: span.clone(), change });
        }
    };
    match &node.kind {
        NodeKind::List(conditions) => {
            for (number, condition) in conditions.iter().enumerate() {
                let own = turned(way, [Turn::Place(number)]);
                both(&format!("{what} {}", number + 1), &own, &condition.span);
            }
        }
        NodeKind::Scalar { .. } | NodeKind::Map(_) => both(what, way, &node.span),
    }
}

/// Changes what is at the end of the way; none if nothing is there.
fn apply(node: &mut Node, way: &[Turn], change: &Change) -> Option<()> {
    match (way, &mut node.kind) {
        ([], _) => rewrite(node, change),
        ([Turn::Key(name)], NodeKind::Map(entries)) if matches!(change, Change::Drop) => {
            entries.retain(|entry| entry.key != *name);
            Some(())
        }
        ([Turn::Key(name)], NodeKind::Map(entries)) if matches!(change, Change::Key(_)) => {
            let Change::Key(other) = change else { return None };
            entry(entries, name)?.key = (*other).to_owned();
            Some(())
        }
        ([Turn::Place(place)], NodeKind::List(items)) if matches!(change, Change::Drop) => {
            (*place < items.len()).then(|| drop(items.remove(*place)))
        }
        ([Turn::Key(name), rest @ ..], NodeKind::Map(entries)) => {
            apply(&mut entry(entries, name)?.node, rest, change)
        }
        ([Turn::Place(place), rest @ ..], NodeKind::List(items)) => {
            apply(items.get_mut(*place)?, rest, change)
        }
        _ => None,
    }
}

fn entry<'a>(entries: &'a mut [Entry], name: &str) -> Option<&'a mut Entry> {
    entries.iter_mut().find(|entry| entry.key == name)
}

fn rewrite(node: &mut Node, change: &Change) -> Option<()> {
    let NodeKind::Scalar { text, value } = &mut node.kind else { return None };
    match change {
        Change::Negate => *text = format!("({}) | not", text.trim()),
        Change::Never => *text = format!("false and ({})", text.trim()),
        Change::Empty => "[]".clone_into(text),
        Change::Increment => {
            let number = value.as_u64()? + 1;
            *text = number.to_string();
            *value = number.into();
            return Some(());
        }
        Change::Drop | Change::Key(_) => return None,
    }
    *value = Value::from(text.as_str());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Catalogue;

    /// What is changed in the mutants of a runbook.
    fn changed(text: &str) -> Vec<String> {
        let loaded = Catalogue::new(&[]).load_text("x", text.to_owned()).unwrap();
        mutants(&loaded["x"]).unwrap().into_iter().map(|mutant| mutant.what).collect()
    }

    #[test]
    fn a_short_form_has_the_mutants_of_the_long_one() {
        let text = |expect: &str, when: &str| {
            format!(
                "runbook: v1\ntitle: T\nsteps:\n  - {{id: a, get: {{kind: Pod}}, expect: {expect}}}\n\
                    findings:\n  - {{id: f, when: {when}, not_when: $steps.a.passed, cause: c}}\n"
            )
        };
        let short = changed(&text(".x == 1", "$steps.a.failed"));
        assert_eq!(short, changed(&text("[{that: .x == 1}]", "$steps.a.failed")));
        assert_eq!(
            short,
            [
                "step a: expectation 1 dropped",
                "step a: expectation 1 negated",
                "finding f: condition dropped",
                "finding f: condition negated",
                "finding f: exclusion dropped",
                "finding f: exclusion negated",
            ]
        );
    }
}
