//! A suite from its text, with every fault at its place.

use super::{Answer, Approve, Case, Condition, Expected, Situation, Suite, Vary};
use crate::action::OutsideResponses;
use crate::document::catalogue::{CatalogueError, invalid};
use crate::document::deserialize::from_node;
use crate::document::foreign::{self, translated};
use crate::document::node::{Fault, Node, NodeKind, parse};
use crate::event::{Outcome, Verdict};
use crate::expression::{Jq, compile};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "rehearsal file")]
struct WrittenSuite {
    /// Version of the format: `v1`.
    rehearsal: String,
    /// World of all cases.
    world: Option<String>,
    /// Differences of `--vary` that would rightly change the results.
    #[serde(default)]
    vary: Vary,
    /// Responses of programs and hosts, in all cases.
    #[serde(default)]
    outside: OutsideResponses,
    /// The cases.
    #[schemars(with = "Vec<Value>")]
    #[expect(dead_code, reason = "read with their places")]
    cases: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "case")]
struct WrittenCase {
    /// Name of the case; unique in the file.
    case: String,
    /// World of the case.
    world: Option<String>,
    /// Name of a scenario, or a scenario as its file describes it; default: `healthy`.
    scenario: Option<Value>,
    /// Namespace of the run.
    namespace: Option<String>,
    /// Parameters of the run.
    #[serde(default)]
    params: IndexMap<String, Value>,
    /// Guards to override.
    #[serde(default)]
    overrides: Vec<String>,
    /// Answers to `confirm` steps, by step.
    #[serde(default)]
    answers: IndexMap<String, Answer>,
    /// Changes that are approved: all, none, or those of a list of steps.
    #[serde(default = "all")]
    approve: Approve,
    /// Whether the changes are only previewed.
    #[serde(default)]
    dry_run: bool,
    /// The process ends when this step starts; the run is then resumed.
    crash: Option<WrittenCrash>,
    /// Whether a run that pauses until a time is resumed.
    #[serde(default = "yes")]
    resume: bool,
    /// Whether a second run follows, which must change nothing.
    #[serde(default)]
    twice: bool,
    /// Whether the run is undone; every object must be as before.
    #[serde(default)]
    undo: bool,
    /// Differences of `--vary` that would rightly change the result.
    #[serde(default)]
    vary: Vary,
    /// Responses of programs and hosts.
    #[serde(default)]
    outside: OutsideResponses,
    /// The expected result.
    #[serde(default)]
    expect: WrittenExpected,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "crash")]
struct WrittenCrash {
    /// Step at which the process ends.
    at: String,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "expect")]
struct WrittenExpected {
    /// Verdict of the run; default: `passed`.
    verdict: Option<Verdict>,
    /// Causes that are concluded, and no others.
    #[serde(default)]
    findings: Vec<String>,
    /// Requests that change an object, and no others.
    #[serde(default)]
    changes: Vec<String>,
    /// Files that the run saves.
    #[serde(default)]
    saved: Vec<String>,
    /// Outcomes of single steps, by path.
    #[serde(default)]
    steps: IndexMap<String, Outcome>,
    /// Conditions on objects at the end of the run.
    #[serde(default)]
    state: Vec<WrittenCondition>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "condition")]
struct WrittenCondition {
    /// `[NAMESPACE/]KIND/NAME`.
    object: String,
    /// What must be true of it.
    that: Option<String>,
    /// Whether it must not exist.
    #[serde(default)]
    absent: bool,
}

fn yes() -> bool {
    true
}

fn all() -> Approve {
    Approve::All(true)
}

/// The structures of a rehearsal file, by name.
pub(in crate::document) fn schemas(
    generator: &mut schemars::SchemaGenerator,
) -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("rehearsal", generator.subschema_for::<WrittenSuite>()),
        ("case", generator.subschema_for::<WrittenCase>()),
        ("case expect", generator.subschema_for::<WrittenExpected>()),
        ("state", generator.subschema_for::<WrittenCondition>()),
    ]
}

impl Suite {
    /// Reads the suite of a runbook.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(runbook: &str, file: &str, text: String) -> Result<Self, CatalogueError> {
        let source: Arc<str> = text.into();
        let result = parse(&source).and_then(|root| {
            let (root, faults) = translated(foreign::Place::Suite, &root, &source);
            Reader { faults, ..Reader::default() }.suite(&root)
        });
        let cases = result.map_err(|faults| invalid(file, &source, faults))?;
        Ok(Self { runbook: runbook.to_owned(), file: file.to_owned(), source, cases })
    }
}

/// What holds for all cases of a file.
#[derive(Default)]
struct Common {
    world: Option<String>,
    vary: Vary,
    outside: OutsideResponses,
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
        let common = written.map_or_else(Common::default, |written| Common {
            world: written.world,
            vary: written.vary,
            outside: written.outside,
        });
        let mut cases = Vec::new();
        match root.get("cases") {
            Some(Node { kind: NodeKind::List(items), .. }) => {
                cases.extend(items.iter().filter_map(|item| self.case(item, &common)));
            }
            Some(node) => {
                let message = format!("`cases` must be a list, not {}", node.describe());
                self.faults.push(Fault::new("RB0104", node.span.clone(), message, "- case: NAME"));
            }
            None => {}
        }
        if self.faults.is_empty() { Ok(cases) } else { Err(self.faults) }
    }

    fn typed<'de, T: Deserialize<'de>>(&mut self, node: &'de Node) -> Option<T> {
        let (value, found) = from_node(node);
        self.faults.extend(found.faults);
        value
    }

    fn case(&mut self, node: &Node, common: &Common) -> Option<Case> {
        let written: WrittenCase = self.typed(node)?;
        let span = node.get("case").map_or(node.span.clone(), |name| name.span.clone());
        if !self.names.insert(written.case.clone()) {
            let message = format!("two cases are named `{}`", written.case);
            self.faults.push(Fault::new("RB0702", span.clone(), message, "named a second time"));
        }
        let world = written.world.as_deref().or(common.world.as_deref());
        let situation = self.situation(node, world, written.scenario)?;
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
            resume: written.resume,
            twice: written.twice,
            undo: written.undo,
            vary: common.vary.and(&written.vary),
            outside: written.outside.and(&common.outside),
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
        let WrittenExpected { verdict, findings, changes, steps, saved, state } = written;
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
        Some(Expected { verdict, findings, changes, steps, saved, state: conditions })
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
