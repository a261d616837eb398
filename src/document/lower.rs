//! From the positioned tree to the typed runbook. Every fault is collected; nothing stops at the
//! first.

use super::body::{Body, Group, Written};
use super::check::{self, Use};
use super::deferred::Deferred;
use super::deserialize::{self, Found, from_node};
use super::node::{Entry, Fault, Node, NodeKind};
use super::param::{Param, ParamType};
use super::referred::Referred;
use super::runbook::{
    Finding, OnFailure, Origin, Poll, Rehearsal, Retry, Runbook, Step, VARIABLES,
};
use crate::action::{Action, Duration, JqText, VerbName};
use crate::construct::{self, Construct};
use crate::diagnostic::nearest;
use crate::event::Severity;
use crate::expression::{self, CompileError, Expect, Jq};
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// Steps that run at the same time in a parallel group, if the group does not say.
const DEFAULT_PARALLEL: usize = 8;
/// The most steps that run at the same time, whatever the group says: each holds what it reads.
const MOST_PARALLEL: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "runbook")]
struct Header {
    runbook: String,
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    alerts: Vec<String>,
    #[serde(default)]
    covers: Vec<String>,
    #[serde(default)]
    contexts: Vec<String>,
    sandbox: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    hosts: Vec<String>,
    #[serde(default)]
    params: IndexMap<String, Param>,
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    namespace: Option<String>,
    #[serde(default)]
    on_failure: OnFailure,
    #[expect(dead_code, reason = "read with its place")]
    steps: serde::de::IgnoredAny,
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    always: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    #[expect(dead_code, reason = "read with its place")]
    findings: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "step")]
struct StepHead {
    id: String,
    #[expect(dead_code, reason = "read with its place")]
    title: Option<String>,
    #[expect(dead_code, reason = "read with its place")]
    namespace: Option<String>,
    #[expect(dead_code, reason = "read with its place")]
    when: Option<JqText>,
    #[expect(dead_code, reason = "read with its place")]
    for_each: Option<JqText>,
    retry: Option<Retry>,
    #[expect(dead_code, reason = "read with its place")]
    until: Option<JqText>,
    every: Option<Duration>,
    timeout: Option<Duration>,
    #[serde(rename = "for")]
    hold: Option<Duration>,
    on_failure: Option<OnFailure>,
    #[serde(default)]
    severity: Severity,
    #[serde(default)]
    expect: Vec<Expect>,
    parallel: Option<Parallel>,
    #[expect(dead_code, reason = "read with its places")]
    then: Option<serde::de::IgnoredAny>,
}

/// Keys of a step besides its verb.
const HEAD: &[&str] = &[
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
    "then",
];
/// What a step can do, by key: verbs, then constructs.
fn actions() -> impl Iterator<Item = &'static str> {
    Action::VERBS.iter().chain(construct::NAMES).copied()
}

/// Whether this key of a step says what it does.
pub(super) fn is_action(key: &str) -> bool {
    actions().any(|name| name == key)
}

/// Keys of a group.
const GROUP: &[&str] = &["steps", "rescue", "always"];

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Parallel {
    Switch(bool),
    Bound(usize),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "finding")]
struct FindingFields {
    id: String,
    when: OneOrMany,
    #[expect(dead_code, reason = "read with its place")]
    cause: String,
    #[serde(default)]
    severity: Severity,
    #[expect(dead_code, reason = "read with its place")]
    remedy: Option<RemedyFields>,
    fixed_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(#[expect(dead_code, reason = "read with its place")] String),
    Many(#[expect(dead_code, reason = "read with its place")] Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "remedy")]
#[expect(dead_code, reason = "read with its places")]
struct RemedyFields {
    run: Option<String>,
    #[serde(default)]
    with: IndexMap<String, serde_json::Value>,
    text: Option<String>,
}

/// Reads a runbook from its tree. The runbook is there only without faults.
pub(super) fn lower(
    name: &str,
    file: &str,
    source: &Arc<str>,
    root: &Node,
) -> Result<Runbook, Vec<Fault>> {
    let mut lower = Lower {
        file,
        source,
        faults: Vec::new(),
        uses: Vec::new(),
        defaults: Map::new(),
        durations: BTreeSet::new(),
        verifications: BTreeSet::new(),
    };
    let runbook = lower.runbook(name, file, root);
    if let Some(runbook) = &runbook {
        lower.faults.extend(check::check(runbook, root, &lower.uses));
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
    uses: Vec<Use>,
    /// The defaults of the parameters.
    defaults: Map<String, Value>,
    /// The parameters that are durations.
    durations: BTreeSet<String>,
    /// Names that verifications without an id have got.
    verifications: BTreeSet<String>,
}

/// Whether what follows a duration makes it a number, or only asks whether it is given. Every
/// number is less than every text in jq: a comparison would hold always.
fn is_converted(rest: &str) -> bool {
    let rest = rest.trim_start();
    let piped = rest.strip_prefix('|').map(str::trim_start);
    piped.is_some_and(|rest| rest.starts_with("duration"))
        || rest.starts_with("== null")
        || rest.starts_with("!= null")
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
        let params = header.iter().flat_map(|header| &header.params);
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
        let steps = self.steps(root.get("steps"), "steps");
        let always =
            root.get("always").map(|node| self.steps(Some(node), "always")).unwrap_or_default();
        let findings = self.findings(root.get("findings"));
        let namespace = root.get("namespace").map(|node| self.deferred(node));
        let hosts = root.get("hosts").map(|node| self.deferred(node));
        let rehearsal = root.get("sandbox").map(|node| node.span.clone()).unwrap_or_default();
        let header = header?;
        self.params(&header.params, root.get("params"));
        Some(Runbook {
            name: name.to_owned(),
            file: file.to_owned(),
            origin: Origin::default(),
            source: self.source.clone(),
            title: header.title,
            description: header.description.trim().to_owned(),
            alerts: header.alerts,
            covers: header.covers,
            contexts: header.contexts,
            sandbox: header.sandbox.map(|scenario| Rehearsal { scenario, span: rehearsal }),
            hosts,
            params: header.params,
            namespace,
            on_failure: header.on_failure,
            referred: Referred::new(
                steps.iter().chain(&always),
                self.uses
                    .iter()
                    .filter(|used| used.root == "steps" && used.output)
                    .map(|used| used.name.as_deref()),
            ),
            steps,
            always,
            findings,
        })
        .filter(|_| {
            header.runbook == "v1" && self.faults.iter().all(|fault| fault.code != "RB0103")
        })
    }

    /// Reads a struct; faults are kept.
    fn read<'de, T: Deserialize<'de>>(&mut self, node: &'de Node) -> Option<T> {
        let (value, Found { faults, .. }) = from_node(node);
        self.faults.extend(faults);
        value
    }

    fn deferred(&mut self, node: &Node) -> Deferred {
        Deferred::compile(node, self.source, &BTreeSet::new(), &mut self.faults, &mut self.uses)
    }

    fn params(&mut self, params: &IndexMap<String, Param>, node: Option<&Node>) {
        let places: HashMap<&str, &Node> = node
            .and_then(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|entry| (entry.key.as_str(), &entry.node))
            .collect();
        for (name, param) in params {
            let Some(node) = places.get(name.as_str()) else { continue };
            let mut fault = |key: &str, message: String| {
                let at = node.get(key).unwrap_or(node);
                self.faults.push(Fault::new(
                    "RB0105",
                    at.span.clone(),
                    message,
                    format!("parameter `{name}`"),
                ));
            };
            if let Some(Err(error)) =
                param.pattern.as_ref().map(|pattern| regex::Regex::new(pattern))
            {
                fault(
                    "pattern",
                    format!(
                        "not a valid regular expression: {}",
                        error.to_string().lines().last().unwrap_or_default()
                    ),
                );
                continue;
            }
            if param.kind == ParamType::Enum && param.values.is_empty() {
                fault("type", "an `enum` requires `values`".to_owned());
            }
            if let Some(Err(error)) = param.default.as_ref().map(|value| param.validate(value)) {
                fault("default", format!("the default is not allowed: {error}"));
            }
        }
    }

    fn steps(&mut self, node: Option<&Node>, what: &str) -> Vec<Step> {
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
        let body = self.body(node, &rest, fields.as_ref());
        let fields = fields?;
        let then =
            head_node.get("then").map(|node| self.then(node, &fields.id)).unwrap_or_default();
        if let Some(node) = head_node.get("then").filter(|_| matches!(body, Some(Body::Group(_)))) {
            self.faults.push(Fault::new(
                "RB0104",
                node.span.clone(),
                "`then` verifies a change, but a group is not a change",
                "move it to a step after the group",
            ));
        }
        let title = head_node.get("title").map(|node| self.deferred(node));
        let when = self.condition(head_node.get("when"));
        let until = self.condition(head_node.get("until"));
        let expect = self.expectations(&fields.expect, head_node.get("expect"));
        let polls = until.is_some() || fields.hold.is_some() || fields.every.is_some();
        if polls && fields.timeout.is_none() {
            let at = ["until", "for", "every"]
                .iter()
                .find_map(|key| head_node.get(key))
                .map_or(node.span.clone(), |node| node.span.clone());
            self.faults.push(Fault::new(
                "RB0106",
                at,
                "a repeated step requires a timeout",
                "add `timeout:` to the step",
            ));
        }
        if body.as_ref().and_then(Body::action).is_some_and(Action::needs_deadline)
            && fields.timeout.is_none()
        {
            self.faults.push(Fault::new(
                "RB0106",
                node.span.start..node.span.start + 1,
                "a wait requires a timeout",
                "add `timeout:` to the step",
            ));
        }
        let every = fields.every.unwrap_or(Duration(std::time::Duration::from_secs(1)));
        Some(Step {
            title: title.unwrap_or_else(|| Deferred::text(fields.id.clone())),
            namespace: head_node.get("namespace").map(|node| self.deferred(node)),
            when,
            for_each: head_node.get("for_each").and_then(|node| self.jq(node)),
            retry: fields.retry,
            poll: polls.then_some(Poll { until, every, hold: fields.hold }),
            timeout: head_node.get("timeout").map(|node| self.deferred(node)),
            on_failure: fields.on_failure,
            severity: fields.severity,
            expect,
            body: body?,
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
        if entry.node.as_str() != Some("typed") {
            self.faults.push(Fault::new(
                "RB0104",
                entry.node.span.clone(),
                "for a change, the only value of `confirm` is `typed`",
                "use `typed`: the operator types the name of the object",
            ));
        }
        true
    }

    /// The verification of a change: a list of steps, or one action without an id, which is then
    /// named after its verb; after the change too, if another verification has that name.
    fn then(&mut self, node: &Node, change: &str) -> Vec<Step> {
        let NodeKind::Map(entries) = &node.kind else { return self.steps(Some(node), "then") };
        let mut entries = entries.clone();
        if !entries.iter().any(|entry| entry.key == "id")
            && let Some(verb) = entries.iter().find(|entry| is_action(&entry.key))
        {
            let text = if self.verifications.insert(verb.key.clone()) {
                verb.key.clone()
            } else {
                format!("{change}-{}", verb.key)
            };
            let id = Node {
                span: verb.key_span.clone(),
                kind: NodeKind::Scalar { value: Value::from(text.as_str()), text },
            };
            entries.insert(
                0,
                Entry { key: "id".to_owned(), key_span: verb.key_span.clone(), node: id },
            );
        }
        self.step(&Node { span: node.span.clone(), kind: NodeKind::Map(entries) })
            .into_iter()
            .collect()
    }

    fn body(&mut self, node: &Node, rest: &[Entry], head: Option<&StepHead>) -> Option<Body> {
        let (group, verbs): (Vec<&Entry>, Vec<&Entry>) =
            rest.iter().partition(|entry| GROUP.contains(&entry.key.as_str()));
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) =
            verbs.into_iter().partition(|entry| is_action(&entry.key));
        for entry in &unknown {
            let mut fault = Fault::new(
                "RB0103",
                entry.key_span.clone(),
                format!("unknown verb or step field `{}`", entry.key),
                "unknown",
            );
            if let Some(near) =
                nearest(&entry.key, actions().chain(HEAD.iter().chain(GROUP).copied()))
            {
                fault.label = format!("did you mean `{near}`?");
            }
            fault.notes.push(format!("verbs: {}", actions().collect::<Vec<_>>().join(", ")));
            self.faults.push(fault);
        }
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
        let arguments = Deferred::compile(
            &entry.node,
            self.source,
            &found.jq,
            &mut self.faults,
            &mut self.uses,
        );
        for (start, end) in &found.jq {
            if let Some(node) = find(&entry.node, &(*start..*end)) {
                self.jq(node);
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
                    "here",
                ));
                None
            }
        }
    }

    fn findings(&mut self, node: Option<&Node>) -> Vec<Finding> {
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
        let fields: FindingFields = self.read(node)?;
        let when = match node.get("when").map(|node| (&node.kind, node)) {
            Some((NodeKind::List(items), _)) => {
                items.iter().filter_map(|item| self.condition(Some(item))).collect()
            }
            Some((_, single)) => self.condition(Some(single)).into_iter().collect(),
            None => Vec::new(),
        };
        let remedy = node.get("remedy");
        if let Some(remedy) =
            remedy.filter(|remedy| remedy.get("run").is_none() && remedy.get("text").is_none())
        {
            self.faults.push(Fault::new(
                "RB0104",
                remedy.span.clone(),
                "a remedy must be `run` (a runbook, with parameters in `with`) or `text`",
                "neither `run` nor `text`",
            ));
        }
        let mut part =
            |key: &str| remedy.and_then(|remedy| remedy.get(key)).map(|node| self.deferred(node));
        let (run, with, text) = (part("run"), part("with"), part("text"));
        let _: &OneOrMany = &fields.when;
        let cause = node.get("cause").map(|node| self.deferred(node))?;
        Some(Finding {
            id: fields.id,
            when,
            cause,
            severity: fields.severity,
            run,
            with,
            text,
            fixed_by: fields.fixed_by,
        })
    }

    /// `FILE:LINE:COLUMN` of a node, counted from one.
    fn place(&self, node: &Node) -> String {
        let before = self.source.get(..node.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.file)
    }

    fn expectations(
        &mut self,
        fields: &[Expect],
        node: Option<&Node>,
    ) -> Vec<expression::Expectation> {
        let items: &[Node] = match node.map(|node| &node.kind) {
            Some(NodeKind::List(items)) => items,
            _ => &[],
        };
        let mut compiled = Vec::new();
        for (expect, item) in fields.iter().zip(items) {
            match expression::compile_expectation(expect, VARIABLES) {
                Ok(expectation) => {
                    for field in ["that", "all", "any", "none", "same", "of", "over"] {
                        let jq = item.get(field).and_then(|node| self.jq(node));
                        if let Some(node) = item
                            .get(field)
                            .filter(|_| jq.is_some_and(|jq| jq.is_constant() && field != "over"))
                        {
                            self.constant(node.span.clone());
                        }
                    }
                    compiled.push(expectation.written_at(self.place(item)));
                }
                Err((field, error)) => {
                    let at = item.get(&field).unwrap_or(item);
                    self.jq_fault(at, error);
                }
            }
        }
        compiled
    }

    /// A jq program that must be a condition: one that does not look at anything is a mistake.
    fn condition(&mut self, node: Option<&Node>) -> Option<Jq> {
        let jq = self.jq(node?)?;
        if jq.is_constant() {
            self.constant(node?.span.clone());
        }
        Some(jq)
    }

    fn constant(&mut self, span: Range<usize>) {
        self.faults.push(Fault::new(
            "RB0203",
            span,
            "constant condition: it refers to nothing and never changes",
            "refer to the output or a variable",
        ));
    }

    fn jq(&mut self, node: &Node) -> Option<Jq> {
        let NodeKind::Scalar { text, value } = &node.kind else { return None };
        if value.is_null() {
            return None;
        }
        match expression::compile(text, VARIABLES) {
            Ok(jq) => {
                for reference in jq.references() {
                    let duration = reference.root == "params"
                        && reference
                            .name
                            .as_ref()
                            .is_some_and(|name| self.durations.contains(name));
                    if duration && !is_converted(&text[reference.range.end..]) {
                        let name = reference.name.as_deref().unwrap_or_default();
                        let message = format!(
                            "`$params.{name}` is a duration, which jq sees as a string such as \
                                \"5s\""
                        );
                        let label = format!("use ($params.{name} | duration) for seconds");
                        self.faults.push(Fault::new(
                            "RB0204",
                            node.locate(self.source, &reference.range),
                            message,
                            label,
                        ));
                    }
                }
                self.uses.extend(
                    jq.references().iter().map(|reference| Use::new(reference, node, self.source)),
                );
                Some(jq)
            }
            Err(error) => {
                self.jq_fault(node, error);
                None
            }
        }
    }

    fn jq_fault(&mut self, node: &Node, error: CompileError) {
        let mut span = node.locate(self.source, &error.range);
        if span.is_empty() && span.end < node.span.end {
            span.end += 1;
        }
        self.faults.push(Fault::new(
            "RB0201",
            span,
            format!("jq: {}", error.message),
            error.help.unwrap_or_default(),
        ));
    }
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
