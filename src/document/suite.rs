//! Rehearsal files: the situations in which a runbook is tested, and what must come of it.
//!
//! `runbooks/ta-bot/no-signals.test.yaml` is the suite of `ta-bot/no-signals`.

use super::catalogue::{CatalogueError, invalid};
use super::deserialize::from_node;
use super::node::{Fault, Node, NodeKind, parse};
use super::runbook::Runbook;
use crate::action::OutsideResponses;
use crate::diagnostic::nearest;
use crate::event::{Outcome, Verdict};
use crate::expression::{Jq, compile};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The end of the name of a rehearsal file.
pub const SUITE: &str = ".test.yaml";

/// The cases of one runbook.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The runbook's name.
    pub runbook: String,
    /// The file as shown to a person.
    pub file: String,
    /// Its text.
    pub source: Arc<str>,
    /// The cases, in the order of the file.
    pub cases: Vec<Case>,
}

/// A situation, what is done in it, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, which no other case of the suite has.
    pub name: String,
    /// Where it stands in the file.
    pub span: Range<usize>,
    /// The state of the simulated cluster.
    pub situation: Situation,
    /// The namespace of the run; the runbook's own if none.
    pub namespace: Option<String>,
    /// Parameters.
    pub params: IndexMap<String, Value>,
    /// Guards that do not hold the run up.
    pub overrides: Vec<String>,
    /// Answers to questions, by step.
    pub answers: IndexMap<String, Answer>,
    /// Which changes a person approves.
    pub approve: Approve,
    /// Reads, shows what would be changed, and changes nothing.
    pub dry_run: bool,
    /// The step at which the process dies; the run is resumed then.
    pub crash: Option<String>,
    /// A second run finds nothing to do.
    pub twice: bool,
    /// The run is undone, and the objects that it changed are as before.
    pub undo: bool,
    /// What may be different in its world.
    pub vary: Vary,
    /// What programs of this machine and hosts outside of the cluster respond with.
    pub outside: OutsideResponses,
    /// What must come of it.
    pub expect: Expected,
}

/// What may be different in the world of a case without changing what comes of it.
#[derive(Clone, Debug, Default)]
pub struct Vary {
    /// Kinds of variation that would rightly change it.
    pub except: Vec<String>,
    /// Nothing may.
    pub never: bool,
    /// Parameters that tell the runbook of what a kind of variation has moved.
    pub params: IndexMap<String, IndexMap<String, Value>>,
}

impl Vary {
    /// Whether a kind of variation is legal.
    pub fn allows(&self, kind: &str) -> bool {
        !self.never && !self.except.iter().any(|except| except == kind)
    }

    /// The two together.
    fn and(&self, other: &Self) -> Self {
        let except = self.except.iter().chain(&other.except).cloned().collect();
        let params = self.params.iter().chain(&other.params);
        let params = params.map(|(kind, params)| (kind.clone(), params.clone())).collect();
        Self { except, never: self.never || other.never, params }
    }
}

/// Where a case stands in its file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The value of `expect`, if it has one.
    pub expect: Option<Range<usize>>,
    /// The values of the fields of `expect`.
    pub fields: IndexMap<String, Range<usize>>,
    /// The steps of `expect`.
    pub steps: Option<IndexMap<String, Value>>,
    /// The column of the keys of the case.
    pub indent: usize,
    /// The end of the case.
    pub end: usize,
}

/// The state of the simulated cluster.
#[derive(Clone, Debug)]
pub enum Situation {
    /// A scenario of a world: what `--sandbox` takes.
    Named(String),
    /// A world, changed by a scenario that is written in the case.
    Inline {
        /// The world.
        world: String,
        /// The scenario, as its file would say it.
        scenario: Value,
        /// Where it is written.
        span: Range<usize>,
    },
}

/// What a person answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Yes or no.
    Plain(bool),
    /// A word that is typed.
    Word(String),
}

/// Which changes a person approves.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Approve {
    /// All, or none: then the run waits.
    All(bool),
    /// Those of these steps.
    Steps(Vec<String>),
}

/// What must come of a case.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The verdict.
    pub verdict: Verdict,
    /// The causes that are found, and no others.
    pub findings: Vec<String>,
    /// The requests that change something, and no others: `patch deployments/web`.
    pub changes: Vec<String>,
    /// How these steps end.
    pub steps: IndexMap<String, Outcome>,
    /// What is so in the cluster afterwards.
    pub state: Vec<Condition>,
}

/// A condition on an object.
#[derive(Clone, Debug)]
pub struct Condition {
    /// `[NAMESPACE/]KIND/NAME`.
    pub object: String,
    /// What must be true of it; none: it must not exist.
    pub that: Option<Jq>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "rehearsal file")]
struct WrittenSuite {
    rehearsal: String,
    world: Option<String>,
    #[serde(default)]
    vary: WrittenVary,
    #[expect(dead_code, reason = "read with their places")]
    cases: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "case")]
struct WrittenCase {
    case: String,
    world: Option<String>,
    scenario: Option<Value>,
    namespace: Option<String>,
    #[serde(default)]
    params: IndexMap<String, Value>,
    #[serde(default)]
    overrides: Vec<String>,
    #[serde(default)]
    answers: IndexMap<String, Answer>,
    #[serde(default = "all")]
    approve: Approve,
    #[serde(default)]
    dry_run: bool,
    crash: Option<WrittenCrash>,
    #[serde(default)]
    twice: bool,
    #[serde(default)]
    undo: bool,
    #[serde(default)]
    vary: WrittenVary,
    #[serde(default)]
    outside: OutsideResponses,
    #[serde(default)]
    expect: WrittenExpected,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename = "vary")]
struct WrittenVary {
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    never: bool,
    #[serde(default)]
    params: IndexMap<String, IndexMap<String, Value>>,
}

impl From<WrittenVary> for Vary {
    fn from(WrittenVary { except, never, params }: WrittenVary) -> Self {
        Self { except, never, params }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "crash")]
struct WrittenCrash {
    at: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename = "expect")]
struct WrittenExpected {
    verdict: Option<Verdict>,
    #[serde(default)]
    findings: Vec<String>,
    #[serde(default)]
    changes: Vec<String>,
    #[serde(default)]
    steps: IndexMap<String, Outcome>,
    #[serde(default)]
    state: Vec<WrittenCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "condition")]
struct WrittenCondition {
    object: String,
    that: Option<String>,
    #[serde(default)]
    absent: bool,
}

fn all() -> Approve {
    Approve::All(true)
}

impl Suite {
    /// Reads the suite of a runbook.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(runbook: &str, file: &str, text: String) -> Result<Self, CatalogueError> {
        let source: Arc<str> = text.into();
        let result = parse(&source).and_then(|root| Reader::default().suite(&root));
        let cases = result.map_err(|faults| invalid(file, &source, faults))?;
        Ok(Self { runbook: runbook.to_owned(), file: file.to_owned(), source, cases })
    }
}

impl Suite {
    /// Where a case stands; none if there is none of this name.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn place(&self, case: &str) -> Result<Option<Place>, CatalogueError> {
        let root =
            parse(&self.source).map_err(|faults| invalid(&self.file, &self.source, faults))?;
        let Some(Node { kind: NodeKind::List(cases), .. }) = root.get("cases") else {
            return Ok(None);
        };
        let named = |node: &&Node| node.get("case").and_then(Node::as_str) == Some(case);
        Ok(cases.iter().find(named).map(|node| self.place_of(node)))
    }

    fn place_of(&self, node: &Node) -> Place {
        let expect = node.get("expect");
        let fields = expect.and_then(Node::entries).unwrap_or_default();
        let steps = expect.and_then(|expect| expect.get("steps")).and_then(Node::entries);
        let steps = steps.map(|steps| {
            steps.iter().map(|entry| (entry.key.clone(), entry.node.to_value())).collect()
        });
        let key = node.entries().and_then(|entries| entries.first());
        let start = key.map_or(node.span.start, |entry| entry.key_span.start);
        let line = self.source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let last = node.entries().and_then(|entries| entries.last());
        Place {
            expect: expect.map(|expect| expect.span.clone()),
            fields: fields
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.span.clone()))
                .collect(),
            steps,
            indent: start - line,
            end: last.map_or(node.span.end, |entry| entry.node.span.end),
        }
    }

    /// The line of a byte of the text, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.source.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
    names: BTreeSet<String>,
}

impl Reader {
    fn suite(mut self, root: &Node) -> Result<Vec<Case>, Vec<Fault>> {
        let written: Option<WrittenSuite> = self.typed(root);
        if let Some(written) = &written
            && written.rehearsal != "v1"
        {
            let span = root.get("rehearsal").map_or(0..0, |node| node.span.clone());
            let message = format!("unknown version `{}` of a rehearsal file", written.rehearsal);
            self.faults.push(Fault::new("RB0701", span, message, "this program reads `v1`"));
        }
        let (world, vary) =
            written.map_or_else(Default::default, |written| (written.world, written.vary.into()));
        let mut cases = Vec::new();
        if let Some(NodeKind::List(items)) = root.get("cases").map(|node| &node.kind) {
            cases.extend(items.iter().filter_map(|item| self.case(item, world.as_deref(), &vary)));
        }
        if self.faults.is_empty() { Ok(cases) } else { Err(self.faults) }
    }

    fn typed<'de, T: Deserialize<'de>>(&mut self, node: &'de Node) -> Option<T> {
        let (value, found) = from_node(node);
        self.faults.extend(found.faults);
        value
    }

    fn case(&mut self, node: &Node, world: Option<&str>, vary: &Vary) -> Option<Case> {
        let written: WrittenCase = self.typed(node)?;
        let span = node.get("case").map_or(node.span.clone(), |name| name.span.clone());
        if !self.names.insert(written.case.clone()) {
            let message = format!("two cases are named `{}`", written.case);
            self.faults.push(Fault::new("RB0702", span.clone(), message, "named a second time"));
        }
        let situation =
            self.situation(node, written.world.as_deref().or(world), written.scenario)?;
        let expect = self.expected(node, written.expect)?;
        Some(Case {
            name: written.case,
            span,
            situation,
            namespace: written.namespace,
            params: written.params,
            overrides: written.overrides,
            answers: written.answers,
            approve: written.approve,
            dry_run: written.dry_run,
            crash: written.crash.map(|crash| crash.at),
            twice: written.twice,
            undo: written.undo,
            vary: vary.and(&written.vary.into()),
            outside: written.outside,
            expect,
        })
    }

    fn situation(
        &mut self,
        node: &Node,
        world: Option<&str>,
        scenario: Option<Value>,
    ) -> Option<Situation> {
        let named = |scenario: &str| match world {
            Some(world) if !scenario.contains('/') => format!("{world}/{scenario}"),
            _ => scenario.to_owned(),
        };
        let span = node.get("scenario").map_or(node.span.clone(), |node| node.span.clone());
        match (scenario, world) {
            (None, _) => Some(Situation::Named(named("healthy"))),
            (Some(Value::String(name)), _) => Some(Situation::Named(named(&name))),
            (Some(scenario @ Value::Object(_)), Some(world)) => {
                Some(Situation::Inline { world: world.to_owned(), scenario, span })
            }
            (Some(Value::Object(_)), None) => {
                let message = "a scenario that is written in a case needs its world";
                self.faults.push(Fault::new("RB0703", span, message, "add `world: NAME`"));
                None
            }
            (Some(_), _) => {
                let message = "a scenario is a name, or a mapping as in the file of a scenario";
                self.faults.push(Fault::new("RB0703", span, message, ""));
                None
            }
        }
    }

    fn expected(&mut self, node: &Node, written: WrittenExpected) -> Option<Expected> {
        let WrittenExpected { verdict, findings, changes, steps, state } = written;
        let places = match node.get("expect").and_then(|expect| expect.get("state")) {
            Some(Node { kind: NodeKind::List(items), .. }) => items.as_slice(),
            _ => &[],
        };
        let mut conditions = Vec::new();
        for (WrittenCondition { object, that, absent }, place) in state.into_iter().zip(places) {
            let that = match (that, absent) {
                (Some(source), false) => Some(self.condition(&source, place)?),
                (None, true) => None,
                (Some(_), true) | (None, false) => {
                    let message = "a condition on an object has either `that` or `absent: true`";
                    self.faults.push(Fault::new("RB0104", place.span.clone(), message, ""));
                    return None;
                }
            };
            conditions.push(Condition { object, that });
        }
        let verdict = verdict.unwrap_or(Verdict::Passed);
        Some(Expected { verdict, findings, changes, steps, state: conditions })
    }

    fn condition(&mut self, source: &str, place: &Node) -> Option<Jq> {
        match compile(source, &[]) {
            Ok(jq) => Some(jq),
            Err(error) => {
                let at = place.get("that").unwrap_or(place);
                self.faults.push(Fault::new("RB0301", at.span.clone(), error.to_string(), ""));
                None
            }
        }
    }
}

impl Suite {
    /// Refuses cases that name steps or findings that the runbook does not have.
    ///
    /// # Errors
    /// Each such name, with its place.
    pub fn fits(&self, runbook: &Runbook) -> Result<(), CatalogueError> {
        let steps: Vec<&str> =
            runbook.all_steps().into_iter().map(|step| step.id.as_str()).collect();
        let findings: Vec<&str> =
            runbook.findings.iter().map(|finding| finding.id.as_str()).collect();
        let mut faults = Vec::new();
        for case in &self.cases {
            let expected = &case.expect;
            for name in &expected.findings {
                let named = Named { what: "finding", name, known: &findings };
                faults.extend(named.fault(self, case));
            }
            let paths = expected.steps.keys().chain(case.answers.keys()).chain(&case.crash);
            for path in paths {
                // the last part of a path is the name of a step, of this runbook or a called one
                let (name, called) =
                    path.rsplit_once('/').map_or((path.as_str(), false), |(_, name)| (name, true));
                let name = name.split('[').next().unwrap_or(name);
                if !called {
                    let named = Named { what: "step", name, known: &steps };
                    faults.extend(named.fault(self, case));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(invalid(&self.file, &self.source, faults)) }
    }
}

/// A name in a case.
struct Named<'a> {
    what: &'static str,
    name: &'a str,
    known: &'a [&'a str],
}

impl Named<'_> {
    /// That there is no such thing.
    fn fault(&self, suite: &Suite, case: &Case) -> Option<Fault> {
        let Self { what, name, known } = self;
        if known.contains(name) {
            return None;
        }
        let label = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "not in the runbook".to_owned(),
        };
        let rest = suite.source.get(case.span.start..).unwrap_or_default();
        let at = case.span.start + rest.find(name).unwrap_or_default();
        let message = format!("the runbook has no {what} `{name}`");
        Some(Fault::new("RB0704", at..at + name.len(), message, label))
    }
}

impl Case {
    /// The world in which it is played, if it names one.
    pub fn world(&self) -> Option<&str> {
        match &self.situation {
            Situation::Named(name) => name.rsplit_once('/').map(|(world, _)| world),
            Situation::Inline { world, .. } => Some(world),
        }
    }
}
