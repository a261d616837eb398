//! What the types cannot say: unique ids, references to what is known by then, parameters that
//! exist.

use super::body::{Body, Written};
use super::node::{Fault, Node, NodeKind};
use super::runbook::{Runbook, Step};
use crate::action::{Reach, is_declared};
use crate::diagnostic::{Correction, nearest};
use crate::expression::Reference;
use serde_json::Value;
use std::cell::Cell;
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
    /// It is evaluated before the first round of the loop of the step in which it stands.
    pub(super) before_loop: bool,
    /// Where.
    pub(super) span: Range<usize>,
}

impl Use {
    /// A reference in the text of a node.
    pub fn new(reference: &Reference, node: &Node, source: &str) -> Self {
        let span = node.locate(source, &reference.range);
        let output = !source.get(span.end..).is_some_and(is_about_the_end);
        Self {
            root: reference.root.clone(),
            name: reference.name.clone(),
            span,
            output,
            before_loop: false,
        }
    }
}

/// Whether what follows `steps.ID` asks only how the step ended.
fn is_about_the_end(rest: &str) -> bool {
    let Some(field) = rest.trim_start().strip_prefix('.') else { return false };
    let end = field.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(field.len());
    matches!(&field[..end], "failed" | "passed" | "outcome" | "reason")
}

/// Where a step stands: what has ended before it begins, and in which loops and parallel groups it
/// is.
#[derive(Clone, Debug)]
struct StepPlace {
    span: Range<usize>,
    begin: usize,
    end: usize,
    /// (id of the enclosing step, branch in it if it is parallel, whether it is a loop), outermost
    /// first.
    around: Vec<Around>,
}

#[derive(Clone, Debug, PartialEq)]
struct Around {
    id: String,
    branch: Option<usize>,
    is_loop: bool,
}

/// Checks a runbook whose parts are right each for itself; if it is not whole, steps are missing that
/// could not be read.
pub(super) fn check(runbook: &Runbook, root: &Node, uses: &[Use], is_whole: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut places = BTreeMap::new();
    let mut clock = 0;
    for step in runbook.steps.iter().chain(&runbook.always) {
        place(step, &[], &mut clock, &mut places, &mut faults);
    }
    let ids = KnownNames::new(places.keys().map(String::as_str));
    let mut findings = BTreeSet::new();
    for (finding, node) in runbook.findings.iter().zip(items(root.get("findings"))) {
        let at = node.get("id").unwrap_or(node);
        // a finding of several ids is told once
        let is_told = faults.iter().any(|fault: &Fault| fault.span == at.span);
        if !findings.insert(finding.id.as_str()) && !is_told {
            faults.push(Fault::new(
                "RB0301",
                at.span.clone(),
                format!("duplicate finding `{}`", finding.id),
                "ids must be unique within a runbook",
            ));
        }
        if let Some(step) = finding.fixed_by.as_deref().filter(|step| !places.contains_key(*step)) {
            let at = node.get("fixed_by").unwrap_or(node);
            faults.push(Fault::new(
                "RB0302",
                at.span.clone(),
                format!("undefined step `{step}`"),
                ids.label(step, "no such step"),
            ));
        }
    }
    let params = KnownNames::new(runbook.params.keys().map(String::as_str));
    let looped: BTreeSet<&str> = runbook
        .all_steps()
        .into_iter()
        .filter(|step| step.for_each.is_some())
        .map(|step| step.id.as_str())
        .collect();
    let owners = Owners::new(&places);
    let listed: Vec<_> = items(root.get("findings"))
        .iter()
        .filter(|finding| finding.get("for_each").is_some())
        .map(|finding| finding.span.clone())
        .collect();
    let saved: Vec<_> = runbook
        .all_steps()
        .into_iter()
        .flat_map(|step| &step.save)
        .filter(|save| save.for_each.is_some())
        .map(|save| save.span.clone())
        .collect();
    let is_listed =
        |span: &Range<usize>| listed.iter().chain(&saved).any(|item| item.contains(&span.start));
    for reference in uses {
        let owner = owners.of(&reference.span);
        match (reference.root.as_str(), &reference.name) {
            ("params", Some(name)) if !runbook.params.contains_key(name) => {
                let label = params.label(name, "not declared in `params`");
                let mut fault = Fault::new(
                    "RB0304",
                    reference.span.clone(),
                    format!("undefined parameter `{name}`"),
                    label,
                );
                if !runbook.params.is_empty() {
                    fault.notes.push(format!("parameters: {}", params.some()));
                }
                faults.push(fault);
            }
            // a step that could not be read has an id still
            ("steps", Some(name))
                if !is_whole && !places.contains_key(name) && has_step(root, name) => {}
            ("steps", Some(name)) => {
                faults.extend(step_reference(name, reference, owner, &places, &ids));
            }
            ("item", _)
                if !is_listed(&reference.span)
                    && !owner.is_some_and(|(id, place)| {
                        looped.contains(id.as_str()) && !reference.before_loop
                            || place.around.iter().any(|around| around.is_loop)
                    }) =>
            {
                faults.push(Fault::new(
                    "RB0305",
                    reference.span.clone(),
                    "`item` outside of a `for_each`",
                    "no item here",
                ));
            }
            _ => {}
        }
    }
    faults.extend(hosts(runbook, root));
    for fault in faults.iter_mut().filter(|fault| fault.code == "RB0301") {
        fault.correction = another_id(root, fault, &places).map(Box::new);
    }
    faults
}

/// Another id for a step whose id is taken.
fn another_id(
    root: &Node,
    fault: &Fault,
    places: &BTreeMap<String, StepPlace>,
) -> Option<Correction> {
    let step = root.mapping_at(fault.span.start)?;
    let id = step.get("id")?;
    let name = id.as_str()?;
    let free = (2..).map(|number| format!("{name}-{number}")).find(|id| !places.contains_key(id));
    places
        .contains_key(name)
        .then(|| Correction { range: id.span.clone(), text: free.unwrap_or_default() })
}

/// Names that a wrong one is compared with. Comparing is slow, so that of many wrong ones only the
/// first get a suggestion.
struct KnownNames<'a> {
    all: Vec<&'a str>,
    /// Comparisons that are left.
    left: Cell<usize>,
}

/// Comparisons for all suggestions of one document.
const COMPARISONS: usize = 50_000;
/// Names that are listed in a note.
const LISTED: usize = 20;

impl<'a> KnownNames<'a> {
    fn new(names: impl Iterator<Item = &'a str>) -> Self {
        Self { all: names.collect(), left: Cell::new(COMPARISONS) }
    }

    /// The nearest name as a question, or other words.
    fn label(&self, wrong: &str, otherwise: &str) -> String {
        let near = self.left.get().checked_sub(self.all.len()).and_then(|left| {
            self.left.set(left);
            nearest(wrong, self.all.iter().copied())
        });
        near.map_or_else(|| otherwise.to_owned(), |near| format!("did you mean `{near}`?"))
    }

    fn some(&self) -> String {
        let first = self.all.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        match self.all.len().saturating_sub(LISTED) {
            0 => first,
            more => format!("{first} and {more} more"),
        }
    }
}

/// The places in the order of the text, each with the one around it: whose text a reference stands
/// in is found without looking at all.
struct Owners<'a> {
    places: Vec<(&'a String, &'a StepPlace, Option<usize>)>,
}

impl<'a> Owners<'a> {
    fn new(places: &'a BTreeMap<String, StepPlace>) -> Self {
        let mut sorted: Vec<_> = places.iter().collect();
        sorted.sort_by_key(|(_, place)| (place.span.start, std::cmp::Reverse(place.span.end)));
        let (mut nested, mut open) = (Vec::with_capacity(sorted.len()), Vec::<usize>::new());
        for (index, (id, place)) in sorted.iter().enumerate() {
            while open.last().is_some_and(|outer| !contains(&sorted[*outer].1.span, &place.span)) {
                open.pop();
            }
            nested.push((*id, *place, open.last().copied()));
            open.push(index);
        }
        Self { places: nested }
    }

    /// The innermost step around a place.
    fn of(&self, span: &Range<usize>) -> Option<(&'a String, &'a StepPlace)> {
        let mut at = self
            .places
            .partition_point(|(_, place, _)| place.span.start <= span.start)
            .checked_sub(1);
        while let Some((id, place, outer)) = at.map(|at| &self.places[at]) {
            if contains(&place.span, span) {
                return Some((id, place));
            }
            at = *outer;
        }
        None
    }
}

/// Steps that ask a URL from this machine that the runbook does not declare.
fn hosts(runbook: &Runbook, root: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    let declared = match &runbook.hosts {
        None => Some(Vec::new()),
        Some(hosts) => hosts
            .render(&Value::Null)
            .ok()
            .and_then(|value| serde_json::from_value::<Vec<String>>(value).ok()),
    };
    for step in runbook.all_steps() {
        let Body::Verb(Written { sketch, arguments }) = &step.body else { continue };
        let Reach::Url(url) = sketch.reach() else { continue };
        let at = step.span.start..step.span.start + 1;
        if runbook.hosts.is_none() {
            let label = "add `hosts: [HOST]` to the runbook";
            let message = format!(
                "step `{}` requests a URL from this machine, but the runbook declares no `hosts`",
                step.id
            );
            let mut fault = Fault::new("RB0306", at, message, label);
            fault.correction = declare(&url, root).filter(|_| faults.is_empty()).map(Box::new);
            faults.push(fault);
        } else if let (Some(declared), true) = (&declared, arguments.references().is_empty())
            && let Err(why) = is_declared(&url, declared)
        {
            faults.push(Fault::new(
                "RB0306",
                at,
                format!("step `{}`: {why}", step.id),
                "add it to `hosts`",
            ));
        }
    }
    faults
}

/// The line that declares the host of a URL, before the steps.
fn declare(url: &str, root: &Node) -> Option<Correction> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let steps = root.entries()?.iter().find(|entry| entry.key == "steps")?.key_span.start;
    let quoted = if host.contains(['{', ':']) { format!("\"{host}\"") } else { host.to_owned() };
    Some(Correction { range: steps..steps, text: format!("hosts: [{quoted}]\n") })
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(super::node::NodeKind::List(items)) => items,
        _ => &[],
    }
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn place(
    step: &Step,
    around: &[Around],
    clock: &mut usize,
    places: &mut BTreeMap<String, StepPlace>,
    faults: &mut Vec<Fault>,
) {
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
    let here = StepPlace { span: step.span.clone(), begin, end: *clock, around: around.to_vec() };
    *clock += 1;
    // what verifies a change comes after it and may refer to it
    for child in &step.then {
        place(child, &within(around, step, None), clock, places, faults);
    }
    if places.contains_key(&step.id) {
        let at = step.span.start..step.span.start + 1;
        let message = format!("duplicate step id `{}`", step.id);
        let label = "ids must be unique within a runbook; a step of `then` needs none";
        faults.push(Fault::new("RB0301", at, message, label));
    } else if let Some(wrong) =
        step.id.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_".contains(*c)))
    {
        let at = step.span.start..step.span.start + 1;
        faults.push(Fault::new(
            "RB0301",
            at,
            format!("step id `{}` contains `{wrong}`", step.id),
            "use letters, digits, `-` and `_`",
        ));
    } else {
        places.insert(step.id.clone(), here);
    }
}

fn within(around: &[Around], step: &Step, branch: Option<usize>) -> Vec<Around> {
    let mut inner = around.to_vec();
    inner.push(Around { id: step.id.clone(), branch, is_loop: step.for_each.is_some() });
    inner
}

/// Whether a step of a document has this id, or something in it.
fn has_step(root: &Node, id: &str) -> bool {
    ["steps", "always"].iter().any(|key| root.get(key).is_some_and(|steps| has_id(steps, id)))
}

fn has_id(node: &Node, id: &str) -> bool {
    let is_it = node.get("id").is_some_and(|own| own.as_str() == Some(id));
    is_it
        || node.entries().into_iter().flatten().any(|entry| has_id(&entry.node, id))
        || matches!(&node.kind, NodeKind::List(items) if items.iter().any(|item| has_id(item, id)))
}

/// What is wrong with a reference to a step from inside the owner (none: from a finding, when all
/// steps have ended).
fn step_reference(
    name: &str,
    reference: &Use,
    owner: Option<(&String, &StepPlace)>,
    places: &BTreeMap<String, StepPlace>,
    ids: &KnownNames<'_>,
) -> Option<Fault> {
    let fault = |code, message: String, label: String| {
        Some(Fault::new(code, reference.span.clone(), message, label))
    };
    let Some(meant) = places.get(name) else {
        let label = ids.label(name, "no step has this id");
        return fault(
            "RB0302",
            format!("reference to a step that does not exist: `{name}`"),
            label,
        );
    };
    let inside = owner.map(|(_, place)| place.around.as_slice()).unwrap_or_default();
    if let Some(around) = meant
        .around
        .iter()
        .find(|around| around.is_loop && !inside.iter().any(|other| other.id == around.id))
    {
        let message =
            format!("step `{name}` is inside the loop `{}` and has one result per item", around.id);
        return fault("RB0303", message, format!("use `$steps[\"{}\"].output`", around.id));
    }
    let (id, owner) = owner?;
    if id == name {
        return fault(
            "RB0303",
            format!("step `{name}` refers to itself"),
            "its own output is `.`".to_owned(),
        );
    }
    let parallel = meant.around.iter().any(|around| {
        around.branch.is_some()
            && owner.around.iter().any(|other| {
                other.id == around.id && other.branch.is_some() && other.branch != around.branch
            })
    });
    if parallel {
        return fault(
            "RB0303",
            format!("step `{name}` runs at the same time as `{id}`"),
            "put it before the parallel group".to_owned(),
        );
    }
    if meant.end > owner.begin {
        return fault(
            "RB0303",
            format!("step `{name}` runs after `{id}`"),
            "not known yet".to_owned(),
        );
    }
    None
}
