//! From the positioned tree to the typed runbook. Every fault is collected; nothing stops at the
//! first.

mod alerts;
mod body;
mod condition;
mod finding;
mod params;
mod save;
mod scope;
mod step;
#[cfg(test)]
mod tests;

pub(super) use body::is_action;
#[cfg(test)]
pub(super) use body::is_step_field;

use super::canonical::canonical;
use super::check::{self, Use};
use super::deferred::Deferred;
use super::deserialize::{Found, from_node, has_template};
use super::foreign;
use super::node::{Fault, Node, NodeKind};
use super::param::{Param, ParamType};
use super::quoting::quoted_template;
use super::referred::Referred;
use super::runbook::{OnFailure, Origin, Rehearsal, Runbook};
use crate::diagnostic::Correction;
use indexmap::IndexMap;
use schemars::JsonSchema;
use scope::Names;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "runbook")]
struct Header {
    /// Version of the format: `v1`.
    runbook: String,
    /// What the runbook is for, in one line.
    title: String,
    /// When to use it, and what it does.
    #[serde(default)]
    description: String,
    /// Alerts that it answers.
    #[serde(default)]
    #[expect(dead_code, reason = "read with its places")]
    alerts: Vec<alerts::AlertFields>,
    /// Rows of the source documents that it covers.
    #[serde(default)]
    covers: Vec<String>,
    /// Kubeconfig contexts in which it may run; all by default.
    #[serde(default)]
    contexts: Vec<String>,
    /// Scenario of `--sandbox`: `WORLD/SCENARIO` or `SCENARIO`.
    sandbox: Option<String>,
    /// Hosts that steps may request from this machine: `HOST` or `HOST:PORT`.
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    hosts: Vec<String>,
    /// Inputs, by name.
    #[serde(default)]
    params: IndexMap<String, Param>,
    /// Namespace of all steps.
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    namespace: Option<String>,
    /// Names for values: `$name` in jq, `name` in templates.
    #[schemars(with = "Option<IndexMap<String, crate::action::JqText>>")]
    #[serde(rename = "let")]
    #[expect(dead_code, reason = "read with its places")]
    bound: Option<serde::de::IgnoredAny>,
    /// What happens after a step that did not pass.
    #[serde(default)]
    on_failure: OnFailure,
    /// What is done, in this order.
    #[schemars(with = "Vec<Value>")]
    #[expect(dead_code, reason = "read with its place")]
    steps: serde::de::IgnoredAny,
    /// Steps that are done at the end in any case.
    #[schemars(with = "Option<Vec<Value>>")]
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    always: Option<serde::de::IgnoredAny>,
    /// Causes that follow from the results.
    #[schemars(with = "Option<Vec<Value>>")]
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    findings: Option<serde::de::IgnoredAny>,
}

/// The structures of a runbook, by name.
pub(super) fn schemas(
    generator: &mut schemars::SchemaGenerator,
) -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("runbook", generator.subschema_for::<Header>()),
        ("alert", generator.subschema_for::<alerts::AlertFields>()),
        ("param", generator.subschema_for::<Param>()),
        ("step", generator.subschema_for::<step::StepHead>()),
        ("expectation", generator.subschema_for::<crate::expression::Expect>()),
        ("save", generator.subschema_for::<save::SaveFields>()),
        ("finding", generator.subschema_for::<finding::FindingFields>()),
        ("remedy", generator.subschema_for::<finding::RemedyFields>()),
    ]
}

/// Reads a runbook from its tree. The runbook is there only without faults.
pub(super) fn lower(
    name: &str,
    file: &str,
    source: &Arc<str>,
    root: &Node,
) -> Result<Runbook, Vec<Fault>> {
    if let Some(fault) = foreign::manifest(root) {
        return Err(vec![fault]);
    }
    let (root, faults) = foreign::translated(foreign::Place::Head, root, source);
    let root = &canonical(&root);
    let mut lower = Lower {
        file,
        source,
        foreign: faults.len(),
        faults,
        uses: Vec::new(),
        params: BTreeSet::new(),
        defaults: Map::new(),
        durations: BTreeSet::new(),
        names: Names::default(),
    };
    let runbook = lower.runbook(name, file, root);
    if let Some(runbook) = &runbook {
        let is_whole = lower.faults.is_empty();
        lower.faults.extend(check::check(runbook, root, &lower.uses, is_whole));
    }
    lower.faults.sort_by_key(|fault| fault.span.start);
    lower.faults.dedup();
    match runbook {
        Some(runbook) if lower.faults.is_empty() => Ok(runbook),
        _ => Err(lower.faults),
    }
}

struct Lower<'a> {
    file: &'a str,
    source: &'a Arc<str>,
    faults: Vec<Fault>,
    /// How many of the faults are words of other tools, which have been understood.
    foreign: usize,
    uses: Vec<Use>,
    /// The names of the parameters.
    params: BTreeSet<String>,
    /// The defaults of the parameters.
    defaults: Map<String, Value>,
    /// The parameters that are durations.
    durations: BTreeSet<String>,
    /// What is bound where the reading is.
    names: Names,
}

impl Lower<'_> {
    fn runbook(&mut self, name: &str, file: &str, root: &Node) -> Option<Runbook> {
        if root.entries().is_none() {
            self.faults.push(Fault::new(
                "RB0101",
                root.span.clone(),
                format!("a runbook must be a mapping, not {}", root.describe()),
                "start with `runbook: v1`",
            ));
            return None;
        }
        let header: Option<Header> = self.read(root);
        self.written_out(root, &["title", "covers", "contexts", "sandbox", "on_failure"]);
        let params = header.iter().flat_map(|header| &header.params);
        self.params = params.clone().map(|(name, _)| name.clone()).collect();
        self.durations = params
            .clone()
            .filter(|(_, param)| param.kind == ParamType::Duration)
            .map(|(name, _)| name.clone())
            .collect();
        self.defaults = params
            .filter_map(|(name, param)| Some((name.clone(), param.default.clone()?)))
            .collect();
        if let Some(version) = root.get("runbook").filter(|node| node.as_str() != Some("v1")) {
            self.faults.push(Fault::new(
                "RB0101",
                version.span.clone(),
                "unknown format version: this program reads `v1`",
                "v1",
            ));
        }
        let namespace = root.get("namespace").map(|node| self.deferred(node));
        let hosts = root.get("hosts").map(|node| self.deferred(node));
        let bound = self.bind_for_all(root.get("let"));
        let steps = self.steps(root.get("steps"), "steps");
        let always =
            root.get("always").map(|node| self.steps(Some(node), "always")).unwrap_or_default();
        let findings = self.findings(root.get("findings"));
        let rehearsal = root.get("sandbox").map(|node| node.span.clone()).unwrap_or_default();
        let alerts = self.alerts(root.get("alerts"), header.as_ref().map(|header| &header.params));
        let header = header?;
        self.params(&header.params, root.get("params"));
        Some(Runbook {
            name: name.to_owned(),
            file: file.to_owned(),
            origin: Origin::default(),
            source: self.source.clone(),
            title: header.title,
            description: header.description.trim().to_owned(),
            alerts,
            covers: header.covers,
            contexts: header.contexts,
            sandbox: header.sandbox.map(|scenario| Rehearsal { scenario, span: rehearsal }),
            hosts,
            params: header.params,
            namespace,
            bound,
            on_failure: header.on_failure,
            referred: Referred::new(
                steps.iter().chain(&always),
                self.uses
                    .iter()
                    .filter(|used| used.root == "steps" && used.output)
                    .map(|used| used.name.as_deref()),
            ),
            unused: self.unused(root.get("params")),
            steps,
            always,
            findings,
        })
        .filter(|_| {
            let own = &self.faults[self.foreign..];
            header.runbook == "v1" && own.iter().all(|fault| fault.code != "RB0103")
        })
    }

    /// The parameters that nothing refers to, by their places.
    fn unused(&self, params: Option<&Node>) -> Vec<(String, Range<usize>)> {
        let is_used = |name: &str| {
            let mut of_params = self.uses.iter().filter(|used| used.root == "params");
            of_params.any(|used| used.name.as_deref().is_none_or(|used| used == name))
        };
        let all = params.and_then(Node::entries).unwrap_or_default().iter();
        let unused = all.filter(|entry| !is_used(&entry.key));
        unused.map(|entry| (entry.key.clone(), entry.key_span.clone())).collect()
    }

    /// Reads a struct; faults are kept.
    fn read<'de, T: Deserialize<'de>>(&mut self, node: &'de Node) -> Option<T> {
        let (value, Found { faults, .. }) = from_node(node);
        self.faults.extend(faults);
        value
    }

    fn deferred(&mut self, node: &Node) -> Deferred {
        self.templates(node, &BTreeSet::new())
    }

    /// Fields that must be known before anything is rendered: a template in them is a fault.
    fn written_out(&mut self, node: &Node, fields: &[&str]) {
        for field in fields {
            let Some(value) = node.get(field).filter(|value| value.any_text(&has_template)) else {
                continue;
            };
            self.faults.push(Fault::new(
                "RB0202",
                value.span.clone(),
                format!("`{field}` must be written out: it cannot be a template"),
                "it is read before a run has parameters",
            ));
        }
    }

    /// The templates of a node, in which these scalars are none: programs, and literal texts.
    fn templates(&mut self, node: &Node, verbatim: &BTreeSet<(usize, usize)>) -> Deferred {
        let (before, faults) = (self.uses.len(), self.faults.len());
        let (source, params) = (self.source, &self.params);
        let deferred =
            Deferred::compile(node, self.source, verbatim, &mut self.faults, &mut self.uses);
        let undefined = self.uses[before..].iter().filter_map(|used| self.names.undefined(used));
        self.faults.extend(undefined);
        self.faults[faults..].iter_mut().for_each(|fault| fault.meant(node, source, params));
        deferred
    }
}

impl Fault {
    /// The fault of a template in this node, with the template as it was probably meant.
    fn meant(&mut self, node: &Node, source: &str, params: &BTreeSet<String>) {
        let Some(scalar) = node.scalar_at(self.span.start) else { return };
        let raw = source.get(scalar.span.clone()).unwrap_or_default();
        let name = source.get(self.span.clone()).unwrap_or_default();
        let is_field = source.get(..self.span.start).is_some_and(|before| before.ends_with('.'));
        let (label, range, text) = if params.contains(name) && !is_field {
            let label = format!("a parameter is `{{{{ params.{name} }}}}`");
            (label, self.span.clone(), format!("params.{name}"))
        } else if let Some((text, says)) = foreign::template(raw) {
            let text = quoted_template(&text, source, scalar.span.start);
            (says.to_owned(), scalar.span.clone(), text)
        } else {
            return;
        };
        self.label = label;
        self.correction = Some(Box::new(Correction { range, text }));
    }
}

impl Node {
    /// The scalar in which a byte of the text is.
    fn scalar_at(&self, at: usize) -> Option<&Self> {
        match &self.kind {
            NodeKind::Scalar { .. } => self.span.contains(&at).then_some(self),
            NodeKind::List(items) => items.iter().find_map(|item| item.scalar_at(at)),
            NodeKind::Map(entries) => entries.iter().find_map(|entry| entry.node.scalar_at(at)),
        }
    }

    /// The mapping that begins at a byte of the text.
    pub(super) fn mapping_at(&self, at: usize) -> Option<&Self> {
        match &self.kind {
            NodeKind::Scalar { .. } => None,
            NodeKind::List(items) => items.iter().find_map(|item| item.mapping_at(at)),
            NodeKind::Map(_) if self.span.start == at && self.get("id").is_some() => Some(self),
            NodeKind::Map(entries) => entries.iter().find_map(|entry| entry.node.mapping_at(at)),
        }
    }
}
