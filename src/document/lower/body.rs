//! What a step does: a verb, a construct, or steps within it.

use super::Lower;
use super::step::{HEAD, StepHead};
use crate::action::{Action, VerbName};
use crate::construct::{self, Construct};
use crate::diagnostic::nearest;
use crate::document::body::{Body, Group, Written};
use crate::document::deferred::Deferred;
use crate::document::deserialize;
use crate::document::node::{Entry, Fault, Node, NodeKind};
use crate::document::quoting::{CUT, is_rest_of_program};
use crate::expression;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;

/// Steps that run at the same time in a parallel group, if the group does not say.
const DEFAULT_PARALLEL: usize = 8;
/// The most steps that run at the same time, whatever the group says: each holds what it reads.
const MOST_PARALLEL: usize = 64;

/// What a step can do, by key: verbs, then constructs.
fn actions() -> impl Iterator<Item = &'static str> {
    Action::VERBS.iter().chain(construct::NAMES).copied()
}

/// Whether this key of a step says what it does.
pub(in crate::document) fn is_action(key: &str) -> bool {
    actions().any(|name| name == key)
}

/// Keys of a group.
const GROUP: &[&str] = &["steps", "rescue", "always"];

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, or the number of steps at the same time")]
pub(super) enum Parallel {
    Switch(bool),
    Bound(usize),
}

impl Lower<'_> {
    pub(super) fn body(
        &mut self,
        node: &Node,
        rest: &[Entry],
        head: Option<&StepHead>,
    ) -> Option<Body> {
        let (group, verbs): (Vec<&Entry>, Vec<&Entry>) =
            rest.iter().partition(|entry| GROUP.contains(&entry.key.as_str()));
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) =
            verbs.into_iter().partition(|entry| is_action(&entry.key));
        self.faults.extend(unknown.iter().map(|entry| unknown_field(entry)));
        match (known.as_slice(), group.is_empty()) {
            ([entry], true) => self.verb_or_construct(entry),
            ([], false) => {
                let find = |key: &str| {
                    group.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
                };
                if find("steps").is_none() {
                    self.faults.push(Fault::new(
                        "RB0104",
                        node.span.clone(),
                        "a group requires `steps`",
                        "no `steps`",
                    ));
                }
                let parallel = match head.and_then(|head| head.parallel) {
                    None | Some(Parallel::Switch(false)) => 1,
                    Some(Parallel::Switch(true)) => DEFAULT_PARALLEL,
                    Some(Parallel::Bound(bound)) => bound.clamp(1, MOST_PARALLEL),
                };
                let steps = self.steps(find("steps"), "steps");
                let rescue =
                    find("rescue").map(|node| self.steps(Some(node), "rescue")).unwrap_or_default();
                let always =
                    find("always").map(|node| self.steps(Some(node), "always")).unwrap_or_default();
                Some(Body::Group(Arc::new(Group { steps, parallel, rescue, always })))
            }
            ([], true) => {
                if unknown.is_empty() {
                    let mut fault = Fault::new(
                        "RB0103",
                        node.span.start..node.span.start + 1,
                        "a step without an action",
                        "this step does nothing",
                    );
                    fault
                        .notes
                        .push(format!("verbs: {}", actions().collect::<Vec<_>>().join(", ")));
                    self.faults.push(fault);
                }
                None
            }
            (several, _) => {
                let names: Vec<_> =
                    several.iter().chain(&group).map(|entry| format!("`{}`", entry.key)).collect();
                let at = several.last().map_or(node.span.clone(), |entry| entry.key_span.clone());
                self.faults.push(Fault::new(
                    "RB0103",
                    at,
                    format!("two actions in one step: {}", names.join(" and ")),
                    "a step has one action: move this to its own step",
                ));
                None
            }
        }
    }

    fn verb_or_construct(&mut self, entry: &Entry) -> Option<Body> {
        match entry.key.as_str() {
            construct::Value::NAME => {
                let _: construct::Value = self.read(&entry.node)?;
                Some(Body::Value(self.jq(&entry.node)?))
            }
            construct::Run::NAME => self.construct(entry).map(Body::Run),
            construct::Confirm::NAME => self.construct(entry).map(Body::Confirm),
            construct::Approve::NAME => self.construct(entry).map(Body::Approve),
            construct::Pause::NAME => self.construct(entry).map(Body::Pause),
            construct::WaitForTime::NAME => self.construct(entry).map(Body::WaitForTime),
            _ => self.action(entry),
        }
    }

    fn construct<T: Construct>(&mut self, entry: &Entry) -> Option<Written<T>> {
        let before = self.faults.len();
        let sketch: Option<T> = self.read(&entry.node);
        let written = Written { arguments: self.deferred(&entry.node), sketch: sketch? };
        let read = |value| serde_json::from_value::<T>(value).map_err(|error| error.to_string());
        let sketch = self.checked(before, entry, &written.arguments, |value| {
            read(value).and_then(|known| known.check().map(|()| known))
        });
        Some(Written { sketch: sketch.unwrap_or(written.sketch), ..written })
    }

    fn action(&mut self, entry: &Entry) -> Option<Body> {
        let before = self.faults.len();
        let (sketch, found) = deserialize::from_node_seed(&entry.node, VerbName(&entry.key));
        self.faults.extend(found.faults);
        let verbatim = &found.jq | &found.literal;
        let arguments = self.templates(&entry.node, &verbatim);
        for (start, end) in &found.jq {
            if let Some(node) = find(&entry.node, &(*start..*end))
                && let Some(jq) = self.jq(node)
            {
                self.own_objects_only(&jq, node);
            }
        }
        let sketch = sketch?;
        let checked = self.checked(before, entry, &arguments, |value| {
            let action =
                VerbName(&entry.key).deserialize(value).map_err(|error| error.to_string())?;
            action.check().map(|()| action)
        });
        Some(Body::Verb(Written { arguments, sketch: Box::new(checked.unwrap_or(sketch)) }))
    }

    /// The arguments as they are with the defaults of the parameters, if they need nothing else and
    /// were without faults until now. What is wrong with them then is a fault.
    fn checked<T>(
        &mut self,
        before: usize,
        entry: &Entry,
        arguments: &Deferred,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        let known = |reference: &&expression::Reference| {
            reference.root == "params"
                && reference.name.as_ref().is_some_and(|name| self.defaults.contains_key(name))
        };
        if self.faults.len() > before || !arguments.references().iter().all(known) {
            return None;
        }
        let value = arguments.render(&json!({"params": self.defaults}));
        match value.map_err(|error| error.to_string()).and_then(read) {
            Ok(known) => Some(known),
            Err(message) => {
                self.faults.push(Fault::new(
                    "RB0107",
                    entry.key_span.clone(),
                    format!("`{}`: {message}", entry.key),
                    format!("not valid for `{}`", entry.key),
                ));
                None
            }
        }
    }
}

/// A key of a step that is none.
fn unknown_field(entry: &Entry) -> Fault {
    let message = format!("unknown verb or step field `{}`", entry.key);
    let known = actions().chain(HEAD.iter().chain(GROUP).copied());
    let near = nearest(&entry.key, known);
    let mut fault = Fault::new("RB0103", entry.key_span.clone(), message, "unknown");
    if is_rest_of_program(&entry.key) {
        fault.label = CUT.to_owned();
    } else if near.is_some() {
        fault = fault.nearest(near);
    } else {
        fault.notes.push(format!("verbs: {}", actions().collect::<Vec<_>>().join(", ")));
    }
    fault
}

fn find<'n>(node: &'n Node, span: &Range<usize>) -> Option<&'n Node> {
    if node.span == *span {
        return Some(node);
    }
    match &node.kind {
        NodeKind::Scalar { .. } => None,
        NodeKind::List(items) => items.iter().find_map(|item| find(item, span)),
        NodeKind::Map(entries) => entries.iter().find_map(|entry| find(&entry.node, span)),
    }
}

/// Whether a step can have this key.
#[cfg(test)]
pub(in crate::document) fn is_step_field(key: &str) -> bool {
    actions().chain(HEAD.iter().chain(GROUP).copied()).any(|known| known == key)
}
