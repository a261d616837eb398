//! What the types cannot say: unique ids, references to what is known by then, parameters that exist.

use super::node::{Fault, Node};
use super::runbook::{Body, Runbook, Step};
use crate::diagnostic::nearest;
use crate::expression::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A reference in a program or template, at its place in the document.
#[derive(Clone, Debug)]
pub struct Use {
    /// `params`, `steps`, `item`, …
    pub(super) root: String,
    /// What of it.
    pub(super) name: Option<String>,
    /// It may look at the output of the step that is named.
    pub(super) output: bool,
    /// Where.
    span: Range<usize>,
}

impl Use {
    /// A reference in the text of a node.
    pub fn new(reference: &Reference, node: &Node, source: &str) -> Self {
        let span = node.locate(source, &reference.range);
        let output = !source.get(span.end..).is_some_and(is_about_the_end);
        Self { root: reference.root.clone(), name: reference.name.clone(), span, output }
    }
}

/// Whether what follows `steps.ID` asks only how the step ended.
fn is_about_the_end(rest: &str) -> bool {
    let Some(field) = rest.trim_start().strip_prefix('.') else { return false };
    let end = field.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(field.len());
    matches!(&field[..end], "failed" | "passed" | "outcome" | "reason")
}

/// Where a step stands: what has ended before it begins, and in which loops and parallel groups it is.
#[derive(Clone, Debug)]
struct Place {
    span: Range<usize>,
    begin: usize,
    end: usize,
    /// (id of the enclosing step, branch in it if it is parallel, whether it is a loop), outermost first.
    around: Vec<Around>,
}

#[derive(Clone, Debug, PartialEq)]
struct Around {
    id: String,
    branch: Option<usize>,
    is_loop: bool,
}

/// Checks a runbook whose parts are right each for itself.
pub(super) fn check(runbook: &Runbook, root: &Node, uses: &[Use]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut places = BTreeMap::new();
    let mut clock = 0;
    for step in runbook.steps.iter().chain(&runbook.always) {
        place(step, &[], &mut clock, &mut places, &mut faults);
    }
    let mut findings = BTreeSet::new();
    for (finding, node) in runbook.findings.iter().zip(items(root.get("findings"))) {
        if !findings.insert(finding.id.as_str()) {
            let at = node.get("id").unwrap_or(node);
            faults.push(Fault::new("RB0301", at.span.clone(), format!("duplicate finding `{}`", finding.id), "ids are unique within a runbook"));
        }
        if let Some(step) = finding.fixed_by.as_deref().filter(|step| !places.contains_key(*step)) {
            let at = node.get("fixed_by").unwrap_or(node);
            let label = match nearest(step, places.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "there is no such step".to_owned(),
            };
            faults.push(Fault::new("RB0302", at.span.clone(), format!("undefined step `{step}`"), label));
        }
    }
    for reference in uses {
        let owner = places.iter().filter(|(_, place)| contains(&place.span, &reference.span)).min_by_key(|(_, place)| place.span.len());
        match (reference.root.as_str(), &reference.name) {
            ("params", Some(name)) if !runbook.params.contains_key(name) => {
                let label = match nearest(name, runbook.params.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "not declared in `params`".to_owned(),
                };
                let mut fault = Fault::new("RB0304", reference.span.clone(), format!("undefined parameter `{name}`"), label);
                if !runbook.params.is_empty() {
                    fault.notes.push(format!("parameters: {}", runbook.params.keys().cloned().collect::<Vec<_>>().join(", ")));
                }
                faults.push(fault);
            }
            ("steps", Some(name)) => faults.extend(step_reference(name, reference, owner, &places)),
            ("item", _) if !owner.is_some_and(|(id, place)| is_looped(runbook, id, place)) => {
                faults.push(Fault::new("RB0305", reference.span.clone(), "`item` outside of a `for_each`", "there is no item here"));
            }
            _ => {}
        }
    }
    faults
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(super::node::Kind::List(items)) => items,
        _ => &[],
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn place(step: &Step, around: &[Around], clock: &mut usize, places: &mut BTreeMap<String, Place>, faults: &mut Vec<Fault>) {
    let begin = *clock;
    *clock += 1;
    if let Body::Group(group) = &step.body {
        for (index, child) in group.steps.iter().enumerate() {
            let branch = (group.parallel > 1).then_some(index);
            place(child, &within(around, step, branch), clock, places, faults);
        }
        for child in group.rescue.iter().chain(&group.always) {
            place(child, &within(around, step, None), clock, places, faults);
        }
    }
    let here = Place { span: step.span.clone(), begin, end: *clock, around: around.to_vec() };
    *clock += 1;
    // what verifies a change comes after it and may refer to it
    for child in &step.then {
        place(child, &within(around, step, None), clock, places, faults);
    }
    if places.contains_key(&step.id) {
        let at = step.span.start..step.span.start + 1;
        faults.push(Fault::new("RB0301", at, format!("duplicate step id `{}`", step.id), "ids are unique within a runbook"));
    } else if let Some(wrong) = step.id.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_".contains(*c))) {
        let at = step.span.start..step.span.start + 1;
        faults.push(Fault::new("RB0301", at, format!("step id `{}` has a `{wrong}` in it", step.id), "letters, digits, `-` and `_`"));
    } else {
        places.insert(step.id.clone(), here);
    }
}

fn within(around: &[Around], step: &Step, branch: Option<usize>) -> Vec<Around> {
    let mut inner = around.to_vec();
    inner.push(Around { id: step.id.clone(), branch, is_loop: step.for_each.is_some() });
    inner
}

fn is_looped(runbook: &Runbook, id: &str, place: &Place) -> bool {
    place.around.iter().any(|around| around.is_loop) || runbook.all_steps().iter().any(|step| step.id == id && step.for_each.is_some())
}

/// What is wrong with a reference to a step from inside the owner (none: from a finding, when all steps have ended).
fn step_reference(name: &str, reference: &Use, owner: Option<(&String, &Place)>, places: &BTreeMap<String, Place>) -> Option<Fault> {
    let fault = |code, message: String, label: String| Some(Fault::new(code, reference.span.clone(), message, label));
    let Some(meant) = places.get(name) else {
        let label = match nearest(name, places.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "no step has this id".to_owned(),
        };
        return fault("RB0302", format!("reference to a step that does not exist: `{name}`"), label);
    };
    let inside = owner.map(|(_, place)| place.around.as_slice()).unwrap_or_default();
    if let Some(around) = meant.around.iter().find(|around| around.is_loop && !inside.iter().any(|other| other.id == around.id)) {
        let message = format!("step `{name}` is inside the loop `{}` and has one result for each item", around.id);
        return fault("RB0303", message, format!("use `$steps[\"{}\"].output`", around.id));
    }
    let (id, owner) = owner?;
    if id == name {
        return fault("RB0303", format!("step `{name}` refers to itself"), "its own output is `.`".to_owned());
    }
    let parallel = meant.around.iter().any(|around| {
        around.branch.is_some() && owner.around.iter().any(|other| other.id == around.id && other.branch.is_some() && other.branch != around.branch)
    });
    if parallel {
        return fault("RB0303", format!("step `{name}` runs at the same time as `{id}`"), "put it before the parallel group".to_owned());
    }
    if meant.end > owner.begin {
        return fault("RB0303", format!("step `{name}` comes later than `{id}`"), "not known yet".to_owned());
    }
    None
}
