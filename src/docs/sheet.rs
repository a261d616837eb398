//! What the page of a runbook says, as values.

use super::placeholder::filled;
use super::step::{Part, StepSheet, Writer};
use super::undone;
use crate::diagnosis;
use crate::document::{Deferred, Finding, OnFailure, Param, ParamType, Runbook, Step};
use crate::event::{Effect, Severity, typed_value};
use crate::expression::Jq;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The page of a runbook. Texts are as they are written: who draws them makes them harmless.
#[derive(Clone, Debug, Serialize)]
pub struct Sheet {
    /// Name in the catalogue.
    pub name: String,
    /// What it is for, in one line.
    pub title: String,
    /// When to use it and what it does.
    pub description: String,
    /// The strongest effect of its steps, in words.
    pub effect: &'static str,
    pub(super) facts: Vec<Fact>,
    pub(super) params: Vec<Parameter>,
    pub(super) values: Vec<Named>,
    /// What happens after a step that did not pass.
    pub(super) on_failure: &'static str,
    pub(super) steps: Vec<StepSheet>,
    pub(super) causes: Vec<Cause>,
    pub(super) undo: Vec<Undone>,
}

/// Where it is allowed, and what it answers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) text: String,
}

/// A parameter.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: String,
    /// The default as it is typed; none if there is none.
    pub(super) default: Option<String>,
    /// What stands in the place of a default: `required`, `optional`, `secret`.
    pub(super) otherwise: &'static str,
    pub(super) about: String,
}

/// A value with a name, and the program that yields it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) program: String,
}

/// A cause that the runbook can name.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cause {
    pub(super) id: String,
    pub(super) severity: &'static str,
    pub(super) cause: String,
    /// Any of these concludes it.
    pub(super) when: Vec<String>,
    /// Any of these rules it out.
    pub(super) not_when: Vec<String>,
    pub(super) call: Option<Call>,
    pub(super) text: String,
}

/// Another runbook with its parameters.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) with: Vec<(String, String)>,
}

/// How a change is taken back by hand.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Undone {
    pub(super) number: String,
    pub(super) verb: &'static str,
    pub(super) words: &'static str,
}

impl Sheet {
    /// The page of this runbook.
    pub fn of(runbook: &Runbook) -> Self {
        let known = &Known::of(runbook);
        let namespace = runbook.namespace.as_ref().map(|own| words(own, known));
        let writer = Writer { known };
        let place = namespace.clone().unwrap_or_else(|| "<namespace>".to_owned());
        let mut steps = writer.steps(&runbook.steps, "", 1, Part::Step, &place);
        steps.extend(writer.steps(&runbook.always, "", steps.len() + 1, Part::Always, &place));
        let undo = steps.iter().flat_map(StepSheet::all).filter_map(undone).collect();
        Self {
            name: runbook.name.clone(),
            title: runbook.title.clone(),
            description: runbook.description.clone(),
            effect: effect(runbook.effect()),
            facts: facts(runbook, namespace, known),
            params: runbook.params.iter().map(|(name, param)| parameter(name, param)).collect(),
            values: runbook.bound.iter().map(|bound| named(&bound.name, &bound.program)).collect(),
            on_failure: on_failure(runbook.on_failure),
            steps,
            causes: runbook.findings.iter().map(|finding| cause(finding, known)).collect(),
            undo,
        }
    }

    /// Every step, depth first.
    pub(super) fn all_steps(&self) -> Vec<&StepSheet> {
        self.steps.iter().flat_map(StepSheet::all).collect()
    }

    /// The runbooks that it names: those that it calls, and remedies.
    pub fn calls(&self) -> BTreeSet<&str> {
        let called = self.all_steps().into_iter().filter_map(|step| step.call.as_ref());
        let remedies = self.causes.iter().filter_map(|cause| cause.call.as_ref());
        called.chain(remedies).map(|call| call.name.as_str()).collect()
    }
}

/// What is known without a run.
#[derive(Debug)]
pub(super) struct Known {
    /// The defaults that may be shown, and null for an optional number. Every other parameter is left
    /// open, so that a template with it is kept.
    pub(super) open: Value,
    /// The same with `<name>` for every text that is left open: for templates that calculate.
    pub(super) filled: Value,
}

impl Known {
    fn of(runbook: &Runbook) -> Self {
        let shown = runbook.params.iter().filter(|(_, param)| !param.secret);
        let default = |param: &Param| match (&param.default, param.kind) {
            (None, ParamType::Int | ParamType::Number) => param.optional.then_some(Value::Null),
            (default, _) => default.clone(),
        };
        let mut params: Map<String, Value> =
            shown.filter_map(|(name, param)| Some((name.clone(), default(param)?))).collect();
        let open = context(runbook, &params);
        for (name, param) in &runbook.params {
            let is_text = matches!(param.kind, ParamType::String | ParamType::Enum);
            if is_text && !params.contains_key(name) {
                params.insert(name.clone(), format!("<{name}>").into());
            }
        }
        Self { open, filled: context(runbook, &params) }
    }
}

/// What templates see with these parameters.
fn context(runbook: &Runbook, params: &Map<String, Value>) -> Value {
    let mut known = runbook.bound_by(params);
    known.insert("params".to_owned(), Value::Object(params.clone()));
    known.insert("run".to_owned(), json!({"runbook": runbook.name}));
    Value::Object(known)
}

/// A text as far as it is known, with what a person fills in.
pub(super) fn words(text: &Deferred, known: &Known) -> String {
    match text.partial(&known.filled) {
        Value::Null => String::new(),
        value => filled(&typed_value(&value), &known.filled),
    }
}

/// A program on as many lines as it is written.
pub(super) fn program(program: &Jq) -> String {
    program.source().trim().to_owned()
}

pub(super) fn named(name: &str, value: &Jq) -> Named {
    Named { name: name.to_owned(), program: program(value) }
}

/// An effect in words.
pub(super) fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "reads only",
        Effect::Operator => "reads, and asks a person",
        Effect::Write => "changes objects",
        Effect::Opaque => "runs commands that can change anything",
    }
}

pub(super) fn on_failure(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Stop => "stop",
        OnFailure::Continue => "continue",
    }
}

pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "",
        Severity::Warning => "warning",
        Severity::Info => "for information",
    }
}

fn facts(runbook: &Runbook, namespace: Option<String>, known: &Known) -> Vec<Fact> {
    let contexts = match runbook.contexts.as_slice() {
        [] => "in every context".to_owned(),
        contexts => format!("only in these contexts: {}", contexts.join(", ")),
    };
    let namespace = namespace.unwrap_or_else(|| "that of the context, or of -n".to_owned());
    let hosts = runbook.hosts.as_ref().map(|hosts| words(hosts, known)).unwrap_or_default();
    let alerts: Vec<&str> = runbook.alerts.iter().map(|alert| alert.name.as_str()).collect();
    [
        ("Allowed", contexts),
        ("Namespace", namespace),
        ("Effect", effect(runbook.effect()).to_owned()),
        ("Hosts that it may ask", hosts),
        ("Answers the alerts", alerts.join(", ")),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| Fact { label, text })
    .collect()
}

fn parameter(name: &str, param: &Param) -> Parameter {
    let mut kind = param.kind.as_str().to_owned();
    if !param.values.is_empty() {
        kind = format!(
            "{kind}: {}",
            param.values.iter().map(typed_value).collect::<Vec<_>>().join(", ")
        );
    }
    let bounds = [("at least", param.min), ("at most", param.max)];
    for (label, bound) in bounds {
        kind.extend(bound.map(|bound| format!(", {label} {bound}")));
    }
    kind.extend(param.pattern.as_ref().map(|pattern| format!(", matches {pattern}")));
    Parameter {
        name: name.to_owned(),
        kind,
        default: param.default.as_ref().filter(|_| !param.secret).map(typed_value),
        otherwise: match (param.secret, param.default.is_some() || param.optional) {
            (true, _) => "secret",
            (false, true) => "optional",
            (false, false) => "required",
        },
        about: param.description.clone(),
    }
}

fn cause(finding: &Finding, known: &Known) -> Cause {
    let programs = |programs: &[Jq]| programs.iter().map(program).collect();
    // one that is taken over from a diagnosis has its words from there
    let says = words(&finding.cause, known);
    let title = diagnosis::title(&finding.id).filter(|_| says == "<item.cause>");
    let text = finding.text.as_ref().map(|text| words(text, known));
    Cause {
        id: finding.id.clone(),
        severity: severity(finding.severity),
        cause: title.map_or(says, |title| format!("an object {title}")),
        when: programs(&finding.when),
        not_when: programs(&finding.not_when),
        call: finding.run.as_ref().map(|run| {
            let with =
                finding.with.as_ref().map(|with| with.partial(&known.filled)).unwrap_or_default();
            call(words(run, known), &with, known)
        }),
        text: text.filter(|text| text != "<item.remedy>").unwrap_or_default(),
    }
}

/// A call with what is known of its parameters.
pub(super) fn call(name: String, with: &Value, known: &Known) -> Call {
    let with = with.as_object().into_iter().flatten();
    let with = with.filter(|(_, value)| !value.is_null());
    Call {
        name,
        with: with
            .map(|(name, value)| (name.clone(), filled(&typed_value(value), &known.filled)))
            .collect(),
    }
}

fn undone(step: &StepSheet) -> Option<Undone> {
    let words = undone::by_hand(step.verb).filter(|_| step.changes)?;
    Some(Undone { number: step.number.clone(), verb: step.verb, words })
}

impl Step {
    /// Whether it changes something itself, its verification aside.
    pub(super) fn changes(&self) -> bool {
        matches!(self.own_effect(), Effect::Write | Effect::Opaque)
    }
}
