//! Findings: causes with their conditions and remedies.

use super::Lower;
use crate::action::JqText;
use crate::document::deserialize::has_template;
use crate::document::from_diagnosis::{is_rest, unknown_cause};
use crate::document::node::{Fault, Node, NodeKind};
use crate::document::runbook::Finding;
use crate::event::Severity;
use crate::expression::Jq;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "finding")]
pub(super) struct FindingFields {
    /// Name of the cause; unique in the runbook.
    id: String,
    /// jq that results in a list: the cause is looked for in each `$item`.
    #[schemars(with = "Option<JqText>")]
    #[expect(dead_code, reason = "read with its place")]
    for_each: Option<IgnoredAny>,
    /// Identifier of `diagnose` that this cause is.
    #[schemars(with = "Option<String>")]
    #[expect(dead_code, reason = "read with its place")]
    is: Option<IgnoredAny>,
    /// A condition, or a list of conditions, any of which concludes the cause.
    #[schemars(with = "Option<JqText>")]
    #[expect(dead_code, reason = "read with its places")]
    when: Option<IgnoredAny>,
    /// A condition, or a list of conditions, any of which rules the cause out.
    #[schemars(with = "Option<JqText>")]
    #[expect(dead_code, reason = "read with its places")]
    not_when: Option<IgnoredAny>,
    /// jq that results in the list of what is concerned.
    #[schemars(with = "Option<JqText>")]
    #[expect(dead_code, reason = "read with its place")]
    objects: Option<IgnoredAny>,
    /// Names for values: `$name` in jq, `name` in templates.
    #[schemars(with = "Option<IndexMap<String, JqText>>")]
    #[serde(rename = "let")]
    #[expect(dead_code, reason = "read with its places")]
    bound: Option<IgnoredAny>,
    /// What is wrong, for people.
    #[expect(dead_code, reason = "read with its place")]
    cause: String,
    /// How much the cause counts.
    #[serde(default)]
    severity: Severity,
    /// What to do: the name of a runbook, `run` with `with`, or `text`.
    #[expect(dead_code, reason = "read with its place")]
    remedy: Option<RemedyFields>,
    /// Step that proves that the run has removed the cause.
    fixed_by: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "remedy")]
#[expect(dead_code, reason = "read with its places")]
pub(super) struct RemedyFields {
    /// Runbook to run.
    run: Option<String>,
    /// Its parameters.
    #[serde(default)]
    with: IndexMap<String, serde_json::Value>,
    /// What to do, in words.
    text: Option<String>,
}

impl Lower<'_> {
    pub(super) fn findings(&mut self, node: Option<&Node>) -> Vec<Finding> {
        match node.map(|node| &node.kind) {
            None => Vec::new(),
            Some(NodeKind::List(items)) => {
                items.iter().filter_map(|item| self.finding(item)).collect()
            }
            Some(NodeKind::Map(_) | NodeKind::Scalar { .. }) => {
                let span = node.map_or(0..0, |node| node.span.clone());
                self.faults.push(Fault::new(
                    "RB0104",
                    span,
                    "`findings` must be a list",
                    "expected a list",
                ));
                Vec::new()
            }
        }
    }

    fn finding(&mut self, node: &Node) -> Option<Finding> {
        let fields: Option<FindingFields> = self.read(node);
        self.written_out(node, &["id", "severity", "fixed_by"]);
        let outside = self.names.clone();
        let for_each = self.list(node.get("for_each"));
        let bound = self.bind(node.get("let"));
        let when = self.conditions(node.get("when"));
        let not_when = self.conditions(node.get("not_when"));
        let objects = node.get("objects").and_then(|node| self.program(node));
        self.faults.extend(node.get("is").and_then(unknown_cause));
        let remedy = node.get("remedy");
        if let Some(remedy) = remedy {
            self.faults.extend(wrong_remedy(remedy));
        }
        let mut part =
            |key: &str| remedy.and_then(|remedy| remedy.get(key)).map(|node| self.deferred(node));
        let (run, with, text) = (part("run"), part("with"), part("text"));
        let cause = node.get("cause").map(|node| self.deferred(node));
        self.names = outside;
        let fields = fields?;
        if node.get("for_each").is_none() && node.get("when").is_none() {
            let message = format!("finding `{}` has no condition", fields.id);
            let label = "add `when`, or `for_each` for the items that have it";
            self.faults.push(Fault::new("RB0104", node.span.clone(), message, label));
        }
        Some(Finding {
            id: fields.id,
            is_rest: node.get("id").is_some_and(|id| is_rest(id, self.source)),
            for_each,
            bound,
            when,
            not_when,
            objects,
            cause: cause?,
            severity: fields.severity,
            run,
            with,
            text,
            fixed_by: fields.fixed_by,
        })
    }

    /// A condition, or a list of them.
    fn conditions(&mut self, node: Option<&Node>) -> Vec<Jq> {
        let Some(node) = node else { return Vec::new() };
        let all = match &node.kind {
            NodeKind::List(items) => items.as_slice(),
            NodeKind::Scalar { .. } | NodeKind::Map(_) => std::slice::from_ref(node),
        };
        all.iter().filter_map(|one| self.condition(Some(one))).collect()
    }
}

/// What is wrong with a remedy as a whole.
fn wrong_remedy(remedy: &Node) -> Option<Fault> {
    let name = remedy.get("run").and_then(Node::as_str);
    if remedy.get("run").is_none() && remedy.get("text").is_none() {
        return Some(Fault::new(
            "RB0104",
            remedy.span.clone(),
            "a remedy must be the name of a runbook, `run` (with parameters in `with`) or `text`",
            "neither `run` nor `text`",
        ));
    }
    name.filter(|name| name.contains(char::is_whitespace) && !has_template(name)).map(|name| {
        let message = format!("a remedy is the name of a runbook, which `{name}` is not");
        Fault::new("RB0104", remedy.span.clone(), message, "use `remedy: {text: …}` for words")
    })
}
