//! One step: its fields besides what it does.

use super::Lower;
use super::body::{Parallel, is_action};
use super::save::SaveFields;
use crate::action::{Action, Duration, JqText};
use crate::document::body::Body;
use crate::document::canonical::TYPED;
use crate::document::deferred::Deferred;
use crate::document::node::{Entry, Fault, Node, NodeKind};
use crate::document::runbook::{OnFailure, Poll, Retry, Step};
use crate::event::Severity;
use crate::expression::Expect;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "step")]
pub(super) struct StepHead {
    /// Name of the step in `$steps.ID`; unique in the runbook.
    id: String,
    /// What it does, for people.
    #[expect(dead_code, reason = "read with its place")]
    title: Option<String>,
    /// Namespace of the step and of everything in it.
    #[expect(dead_code, reason = "read with its place")]
    namespace: Option<String>,
    /// Condition for executing the step.
    #[expect(dead_code, reason = "read with its place")]
    when: Option<JqText>,
    /// A list, or jq that results in one: the step is executed once per `$item`. The output
    /// is `[{item, outcome, output}]`.
    #[schemars(with = "Option<JqText>")]
    #[expect(dead_code, reason = "read with its place")]
    for_each: Option<serde::de::IgnoredAny>,
    /// Retries of transient failures; by default, reads are tried three times.
    retry: Option<Retry>,
    /// Repeats the step until the condition holds.
    #[expect(dead_code, reason = "read with its place")]
    until: Option<JqText>,
    /// Time between two repetitions.
    every: Option<Duration>,
    /// Time limit of the step; default: 60s.
    timeout: Option<Duration>,
    /// For how long the condition of `until` must hold.
    #[serde(rename = "for")]
    hold: Option<Duration>,
    /// What happens after it did not pass.
    on_failure: Option<OnFailure>,
    /// Whether a failure counts.
    #[serde(default)]
    severity: Severity,
    /// What must hold: an expectation, or a list of them.
    #[serde(default)]
    expect: Vec<Expect>,
    /// Of a group: whether its steps run at the same time, or how many do.
    pub(super) parallel: Option<Parallel>,
    /// Verifies a change: a step, or a list of steps. They need no `id`.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    #[expect(dead_code, reason = "read with its places")]
    then: Option<serde::de::IgnoredAny>,
    /// Files that keep part of the output.
    #[serde(default)]
    #[expect(dead_code, reason = "read with its places")]
    save: Vec<SaveFields>,
    /// Names for values: `$name` in jq, `name` in templates.
    #[schemars(with = "Option<indexmap::IndexMap<String, JqText>>")]
    #[serde(rename = "let")]
    #[expect(dead_code, reason = "read with its places")]
    bound: Option<serde::de::IgnoredAny>,
}

/// Keys of a step besides its verb.
pub(super) const HEAD: &[&str] = &[
    "id",
    "title",
    "namespace",
    "when",
    "for_each",
    "retry",
    "until",
    "every",
    "timeout",
    "for",
    "on_failure",
    "severity",
    "expect",
    "parallel",
    "save",
    "then",
    "let",
];

/// Fields that say how a run proceeds: a check and a plan need them.
const WRITTEN_OUT: &[&str] = &["id", "retry", "every", "for", "on_failure", "severity", "parallel"];

impl Lower<'_> {
    pub(super) fn steps(&mut self, node: Option<&Node>, what: &str) -> Vec<Step> {
        let Some(node) = node else { return Vec::new() };
        match &node.kind {
            NodeKind::List(items) if !items.is_empty() => {
                items.iter().filter_map(|item| self.step(item)).collect()
            }
            NodeKind::List(_) => {
                self.faults.push(Fault::new(
                    "RB0104",
                    node.span.clone(),
                    format!("`{what}` is empty"),
                    "needs at least one step",
                ));
                Vec::new()
            }
            NodeKind::Map(_) | NodeKind::Scalar { .. } => {
                self.faults.push(Fault::new(
                    "RB0104",
                    node.span.clone(),
                    format!("`{what}` must be a list of steps, not {}", node.describe()),
                    "expected a list",
                ));
                Vec::new()
            }
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        let Some(entries) = node.entries() else {
            self.faults.push(Fault::new(
                "RB0104",
                node.span.clone(),
                format!("a step must be a mapping, not {}", node.describe()),
                "expected a step",
            ));
            return None;
        };
        let (head, mut rest): (Vec<Entry>, Vec<Entry>) =
            entries.iter().cloned().partition(|entry| HEAD.contains(&entry.key.as_str()));
        let typed = self.typed(&mut rest);
        let head_node = Node { span: node.span.clone(), kind: NodeKind::Map(head) };
        let fields: Option<StepHead> = self.read(&head_node);
        self.written_out(&head_node, WRITTEN_OUT);
        let outside = self.names.clone();
        let bound = self.bind_before(&head_node);
        if let Some(namespace) = head_node.get("namespace") {
            self.names.places.push(namespace.span.clone());
        }
        let body = self.body(node, &rest, fields.as_ref());
        let then = head_node.get("then").map(|node| self.then(node)).unwrap_or_default();
        if let Some(node) = head_node.get("then").filter(|_| matches!(body, Some(Body::Group(_)))) {
            self.faults.push(Fault::new(
                "RB0104",
                node.span.clone(),
                "`then` verifies a change, but a group is not a change",
                "move it to a step after the group",
            ));
        }
        let title = head_node.get("title").map(|node| self.deferred(node));
        let namespace = head_node.get("namespace").map(|node| self.deferred(node));
        let timeout = head_node.get("timeout").map(|node| self.deferred(node));
        let for_each = self.list(head_node.get("for_each"));
        let when = self.condition(head_node.get("when"));
        let until = self.condition(head_node.get("until"));
        let expected = fields.as_ref().map(|fields| fields.expect.as_slice()).unwrap_or_default();
        let expect = self.expectations(expected, head_node.get("expect"));
        let save = self.saves(head_node.get("save"));
        self.names = outside;
        let fields = fields?;
        let polls = until.is_some() || fields.hold.is_some() || fields.every.is_some();
        if fields.timeout.is_none() {
            let waits = body.as_ref().and_then(Body::action).is_some_and(Action::needs_deadline);
            self.faults.extend(without_deadline(&head_node, polls, waits));
        }
        let every = fields.every.unwrap_or(Duration(std::time::Duration::from_secs(1)));
        Some(Step {
            title: title.unwrap_or_else(|| Deferred::text(fields.id.clone())),
            namespace,
            bound,
            around: self.names.places.clone(),
            when,
            for_each,
            retry: fields.retry,
            poll: polls.then_some(Poll { until, every, hold: fields.hold }),
            timeout,
            on_failure: fields.on_failure,
            severity: fields.severity,
            expect,
            body: body?,
            save,
            then,
            typed,
            span: node.span.clone(),
            id: fields.id,
        })
    }

    /// `confirm: typed` beside another verb is no question of its own but how the change is
    /// consented to.
    fn typed(&mut self, rest: &mut Vec<Entry>) -> bool {
        let verbs = rest.iter().filter(|entry| is_action(&entry.key)).count();
        let Some(place) = rest.iter().position(|entry| {
            entry.key == "confirm" && matches!(entry.node.kind, NodeKind::Scalar { .. })
        }) else {
            return false;
        };
        if verbs < 2 {
            return false;
        }
        let entry = rest.remove(place);
        if entry.node.as_str() != Some(TYPED) {
            self.faults.push(Fault::new(
                "RB0104",
                entry.node.span.clone(),
                "for a change, the only value of `confirm` is `typed`",
                "use `typed`: the operator types the name of the object",
            ));
        }
        true
    }

    /// The verification of a change: a list of steps, or one.
    fn then(&mut self, node: &Node) -> Vec<Step> {
        match &node.kind {
            NodeKind::Map(_) => self.step(node).into_iter().collect(),
            NodeKind::List(_) | NodeKind::Scalar { .. } => self.steps(Some(node), "then"),
        }
    }
}

/// What is wrong with a step without a timeout: one that repeats, or one that waits.
fn without_deadline(step: &Node, repeats: bool, waits: bool) -> Vec<Fault> {
    let fault = |at, message| Fault::new("RB0106", at, message, "add `timeout:` to the step");
    let key = ["until", "for", "every"].iter().find_map(|key| step.get(key)).unwrap_or(step);
    let repeats = repeats.then(|| fault(key.span.clone(), "a repeated step requires a timeout"));
    let start = step.span.start..step.span.start + 1;
    let waits = waits.then(|| fault(start, "a wait requires a timeout"));
    repeats.into_iter().chain(waits).collect()
}
