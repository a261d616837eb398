//! The typed runbook: what a file says, compiled and checked.

use super::body::Body;
use super::deferred::Deferred;
use super::param::Param;
use super::referred::Referred;
use crate::action::Duration;
use crate::event::{Effect, Severity, StepKind};
use crate::expression::{Bindings, Budget, Expectation, Jq, Reference};
use crate::secret::Masker;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ops::Range;
use std::sync::Arc;

/// Names that jq programs see with a `$`, and templates without.
pub const VARIABLES: &[&str] = &["params", "steps", "findings", "run", "alert", "item"];

/// One runbook.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// Name in the catalogue.
    pub name: String,
    /// The file as shown to a person.
    pub file: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The text.
    pub source: Arc<str>,
    /// What it is for, in one line.
    pub title: String,
    /// When to use it and what it does.
    pub description: String,
    /// Alerts that it answers.
    pub alerts: Vec<AlertMapping>,
    /// Rows of the source documents that it covers.
    pub covers: Vec<String>,
    /// Contexts in which it may run; empty: all.
    pub contexts: Vec<String>,
    /// The state of the sandbox in which it has something to find.
    pub sandbox: Option<Rehearsal>,
    /// Hosts that `http` with `via: direct` may ask.
    pub hosts: Option<Deferred>,
    /// Inputs, in order of writing.
    pub params: IndexMap<String, Param>,
    /// Namespace of the steps.
    pub namespace: Option<Deferred>,
    /// Values with a name, known with the parameters.
    pub bound: Vec<Let>,
    /// What happens after a step that did not pass.
    pub on_failure: OnFailure,
    /// The procedure.
    pub steps: Vec<Step>,
    /// Done at the end, however the steps ended.
    pub always: Vec<Step>,
    /// Causes that it can conclude, in order of declaration.
    pub findings: Vec<Finding>,
    /// Whose outputs are looked at later.
    pub referred: Referred,
    /// Parameters that nothing uses, with the places of their names.
    pub unused: Vec<(String, Range<usize>)>,
}

/// An alert that a runbook answers, and how its labels become parameters.
#[derive(Clone, Debug)]
pub struct AlertMapping {
    /// Name of the alert.
    pub name: String,
    /// Parameters that are made of its `labels` and `annotations`.
    pub with: IndexMap<String, Deferred>,
}

/// The state of the sandbox in which a runbook is tried.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What `--sandbox` takes: `WORLD/SCENARIO` or `SCENARIO`.
    pub scenario: String,
    /// Its place in the text.
    pub span: Range<usize>,
}

/// What a caller has to know of a runbook.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Inputs, in order of writing.
    pub params: IndexMap<String, Param>,
    /// Namespace of the steps.
    pub namespace: Option<Deferred>,
}

/// Where a runbook comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From inside the program.
    Embedded,
    /// From a file that a person named, or that has a name of its own.
    #[default]
    File,
    /// From a file in `./runbooks` that nobody named, and that hides another runbook of its name
    /// inside the program.
    Hiding,
}

/// What happens after a step that did not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nothing more is begun: a procedure.
    #[default]
    Stop,
    /// The next step is begun: a diagnosis collects.
    Continue,
}

/// One step: an action or a group.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique within the runbook.
    pub id: String,
    /// For a person.
    pub title: Deferred,
    /// Namespace of this step, if another than the runbook's.
    pub namespace: Option<Deferred>,
    /// Values with a name, known before anything else of the step is looked at.
    pub bound: Vec<Let>,
    /// The places of what is bound around the step.
    pub around: Vec<Range<usize>>,
    /// Only then is the step done.
    pub when: Option<Jq>,
    /// The step is done once for each of these.
    pub for_each: Option<Jq>,
    /// Repetition of what fails for a passing reason.
    pub retry: Option<Retry>,
    /// Repetition until something is so.
    pub poll: Option<Poll>,
    /// How long the step may take: a duration, or a template that yields one.
    pub timeout: Option<Deferred>,
    /// What happens after it did not pass; that of the runbook if none.
    pub on_failure: Option<OnFailure>,
    /// Whether a failure counts.
    pub severity: Severity,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// What it does.
    pub body: Body,
    /// What of its output is kept in files beside the journal.
    pub save: Vec<Save>,
    /// Done after its change was made: the verification that belongs to it.
    pub then: Vec<Step>,
    /// Consent is a typed word, the name of what is changed.
    pub typed: bool,
    /// Place of the step in the text.
    pub span: Range<usize>,
}

/// Repetition of what fails for a passing reason.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "retry")]
pub struct Retry {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Pause before the second attempt.
    #[serde(default = "one_second")]
    pub delay: Duration,
    /// Factor by which the pause grows.
    #[serde(default = "two")]
    pub backoff: f64,
    /// Longest pause.
    #[serde(default = "thirty_seconds")]
    pub max_delay: Duration,
}

fn one_second() -> Duration {
    Duration(std::time::Duration::from_secs(1))
}

fn thirty_seconds() -> Duration {
    Duration(std::time::Duration::from_secs(30))
}

fn two() -> f64 {
    2.0
}

/// What of the output of a step is kept in files beside the journal.
#[derive(Clone, Debug)]
pub struct Save {
    /// Path of the file below the folder of what the run saves.
    pub file: Deferred,
    /// The list over the output of which each item becomes a file; one file if none.
    pub for_each: Option<Jq>,
    /// The content over the output: text as it is, anything else as YAML or JSON. The item or the
    /// output if none.
    pub content: Option<Jq>,
    /// The most bytes of a file.
    pub max_bytes: Option<Deferred>,
    /// Place in the text.
    pub span: Range<usize>,
}

/// Repetition of a read until something is so.
#[derive(Clone, Debug)]
pub struct Poll {
    /// The condition over the output; the step's expectations if none.
    pub until: Option<Jq>,
    /// Pause between two looks.
    pub every: Duration,
    /// How long it must stay so.
    pub hold: Option<Duration>,
}

/// A value with a name: `$name` in jq, `name` in templates.
#[derive(Clone, Debug)]
pub struct Let {
    /// The name.
    pub name: String,
    /// What yields the value.
    pub program: Jq,
}

/// A named cause.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Unique within the runbook.
    pub id: String,
    /// It is one of those that `ids: '*'` takes over: none of them stands for itself.
    pub is_rest: bool,
    /// The list in whose items it is looked for, each as `$item`.
    pub for_each: Option<Jq>,
    /// Values with a name, known when it is judged.
    pub bound: Vec<Let>,
    /// Any of these concludes it; each is judged alone, so that a step that could not be looked at
    /// only blocks the conditions that touch it.
    pub when: Vec<Jq>,
    /// Any of these rules it out, whatever else is known.
    pub not_when: Vec<Jq>,
    /// The list of what is concerned.
    pub objects: Option<Jq>,
    /// For a person.
    pub cause: Deferred,
    /// How much it counts.
    pub severity: Severity,
    /// A runbook to run.
    pub run: Option<Deferred>,
    /// Its parameters.
    pub with: Option<Deferred>,
    /// Words for a person.
    pub text: Option<Deferred>,
    /// The step that proves, when it passes after the cause was concluded, that the run itself has
    /// removed it.
    pub fixed_by: Option<String>,
}

impl Step {
    /// The verb, the construct, or `group`.
    pub fn verb(&self) -> &'static str {
        self.body.name()
    }

    /// The same as a value.
    pub fn kind(&self) -> StepKind {
        StepKind::from(self.verb())
    }

    /// What the step itself can do, its verification not included; for a group the strongest of its
    /// steps.
    pub fn own_effect(&self) -> Effect {
        self.body.effect()
    }

    /// What the step can do with its verification.
    pub fn effect(&self) -> Effect {
        let own = self.own_effect();
        self.then.iter().map(Step::effect).fold(own, Ord::max)
    }

    /// The steps within it: those of a group, and its verification.
    pub fn children(&self) -> impl Iterator<Item = &Step> {
        let group = match &self.body {
            Body::Group(group) => Some(group),
            _ => None,
        };
        group.into_iter().flat_map(|group| group.children()).chain(&self.then)
    }
}

impl Runbook {
    /// The strongest effect of its steps, called runbooks not included.
    pub fn effect(&self) -> Effect {
        self.steps.iter().chain(&self.always).map(Step::effect).max().unwrap_or(Effect::Read)
    }

    /// Whether it has such a parameter, and its value is secret.
    pub fn is_secret(&self, param: &str) -> bool {
        self.params.get(param).is_some_and(|param| param.secret)
    }

    /// Registers the values of the parameters that are secret.
    pub fn learn_secrets(&self, params: &Map<String, Value>, masker: &Masker) {
        for (name, value) in params.iter().filter(|(name, _)| self.is_secret(name)) {
            match value {
                Value::String(text) => masker.learn(text, name),
                Value::Array(items) => items.iter().for_each(|item| {
                    masker.learn(item.as_str().unwrap_or(&item.to_string()), name);
                }),
                other => masker.learn(&other.to_string(), name),
            }
        }
    }

    /// What it binds for all of it, as far as these parameters alone tell.
    pub fn bound_by(&self, params: &Map<String, Value>) -> Map<String, Value> {
        let mut known = Map::new();
        for Let { name, program } in &self.bound {
            let is_known = |reference: &Reference| match reference.root.as_str() {
                "params" => reference.name.as_ref().is_none_or(|name| params.contains_key(name)),
                other => known.contains_key(other),
            };
            if !program.references().iter().all(is_known) {
                continue;
            }
            let bound = known.iter().map(|(name, value)| (String::clone(name), value.clone()));
            let bindings = Bindings::from_iter(bound).with("params", Value::from(params.clone()));
            if let Ok(value) = program.run_one(&Value::Null, &bindings, Budget::default()) {
                known.insert(name.clone(), value);
            }
        }
        known
    }

    /// Every step, depth first, in order of writing.
    pub fn all_steps(&self) -> Vec<&Step> {
        fn collect<'a>(step: &'a Step, into: &mut Vec<&'a Step>) {
            into.push(step);
            step.children().for_each(|child| collect(child, into));
        }
        let mut all = Vec::new();
        self.steps.iter().chain(&self.always).for_each(|step| collect(step, &mut all));
        all
    }
}
