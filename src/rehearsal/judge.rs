//! What came of a case beside what must.

use super::play::Played;
use super::stage::{Stage, StageKind};
use crate::compare::desired;
use crate::document::{Case, Condition};
use crate::event::Verdict;
use crate::expression::{Bindings, Budget};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Something that came out differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What.
    pub what: Subject,
    /// What must come out.
    pub expected: String,
    /// What came out.
    pub actual: String,
}

/// What can come out differently. In JSON it is its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Subject {
    /// The verdict of the run.
    Verdict,
    /// Its causes.
    Findings,
    /// What it changed.
    Changes,
    /// How the step at this path ended.
    Step(String),
    /// Something else, in words.
    Other(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict => formatter.write_str("verdict"),
            Self::Findings => formatter.write_str("findings"),
            Self::Changes => formatter.write_str("changes"),
            Self::Step(path) => write!(formatter, "step {path}"),
            Self::Other(what) => formatter.write_str(what),
        }
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl From<&str> for Subject {
    fn from(what: &str) -> Self {
        Self::Other(what.to_owned())
    }
}

impl Difference {
    fn new(
        what: impl Into<Subject>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), expected: expected.into(), actual: actual.into() }
    }
}

/// What is different from what must come of the case; nothing if it holds.
pub fn judge(case: &Case, played: &Played) -> Vec<Difference> {
    let mut differences = Vec::new();
    let of = |kind| played.stages.iter().find(|stage| stage.kind == kind);
    let Some(last) = played.last() else {
        return vec![Difference::new("run", "an end", "none")];
    };
    differences.extend(of_run(case, played, last));
    if let Some(again) = of(StageKind::Again) {
        differences.extend(lists("changes of the second run", &[], &again.changes));
        differences.extend(passed("verdict of the second run", again));
    }
    if let Some(undone) = of(StageKind::Undone) {
        differences.extend(passed("verdict of the undo", undone));
    }
    if case.undo {
        differences.extend(restored(played));
    }
    differences.extend(case.expect.state.iter().filter_map(|condition| holds(condition, played)));
    differences
}

/// What came of the run itself.
fn of_run(case: &Case, played: &Played, last: &Stage) -> Vec<Difference> {
    let expect = &case.expect;
    let mut differences = Vec::new();
    if last.verdict != Some(expect.verdict) {
        let actual = last.verdict.map_or("none".to_owned(), word);
        differences.push(Difference::new(Subject::Verdict, word(expect.verdict), actual));
    }
    differences.extend(lists(Subject::Findings, &expect.findings, &last.findings));
    differences.extend(lists(Subject::Changes, &expect.changes, &played.changes()));
    for (path, wanted) in &expect.steps {
        let outcome = last.state.step(path).and_then(|step| step.outcome());
        if outcome != Some(*wanted) {
            let actual = outcome.map_or("not reached", |outcome| outcome.as_str());
            differences.push(Difference::new(Subject::Step(path.clone()), wanted.as_str(), actual));
        }
    }
    let saved: Vec<String> =
        last.state.ended().flat_map(|step| &step.saved).map(|saved| saved.file.clone()).collect();
    if !expect.saved.iter().all(|wanted| saved.iter().any(|file| fits(wanted, file))) {
        differences.push(Difference::new("saved files", told(&expect.saved), told(&saved)));
    }
    differences
}

/// Whether a text is what is wanted: a star at the end stands for any end.
fn fits(wanted: &str, text: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(begin) => text.starts_with(begin),
        None => text == wanted,
    }
}

fn passed(what: &str, stage: &Stage) -> Option<Difference> {
    let verdict = stage.verdict;
    (verdict != Some(Verdict::Passed))
        .then(|| Difference::new(what, "passed", verdict.map_or("none".to_owned(), word)))
}

fn word(verdict: Verdict) -> String {
    json!(verdict).as_str().unwrap_or_default().to_owned()
}

/// Lists that must have the same members, in whichever order. A member may end with `*`.
fn lists(what: impl Into<Subject>, expected: &[String], actual: &[String]) -> Option<Difference> {
    let mut left: Vec<&String> = actual.iter().collect();
    let mut missing = false;
    // those without a star first: they fit one thing alone
    let (globs, exact): (Vec<&String>, Vec<&String>) =
        expected.iter().partition(|wanted| wanted.ends_with('*'));
    for wanted in exact.into_iter().chain(globs) {
        match left.iter().position(|text| fits(wanted, text)) {
            Some(at) => drop(left.remove(at)),
            None => missing = true,
        }
    }
    (missing || !left.is_empty()).then(|| Difference::new(what, told(expected), told(actual)))
}

fn told(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

/// What an undo left different in the objects that the run had changed.
fn restored(played: &Played) -> Vec<Difference> {
    let changed: BTreeSet<(String, String, String)> = played
        .stages
        .iter()
        .filter(|stage| stage.kind != StageKind::Undone)
        .flat_map(|stage| stage.state.changing_steps().flat_map(|(_, changes)| changes))
        .filter(|change| change.is_made())
        .map(|change| {
            let object = &change.planned.object;
            (object.kind.clone(), object.namespace.clone(), object.name.clone())
        })
        .collect();
    let mut differences = Vec::new();
    for (kind, namespace, name) in changed {
        let was = find(&played.before, &kind, &namespace, &name).map(|object| desired(&object));
        let is = find(&played.end, &kind, &namespace, &name).map(|object| desired(&object));
        if was != is {
            let what = format!("{namespace}/{}/{name} after the undo", kind.to_lowercase());
            let text = |object: Option<Value>| {
                object.map_or("absent".to_owned(), |object| object.to_string())
            };
            differences.push(Difference::new(what.as_str(), text(was), text(is)));
        }
    }
    differences
}

fn find(objects: &[Arc<Value>], kind: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = objects.iter().find(|object| {
        let metadata = &object["metadata"];
        text(&object["kind"]).eq_ignore_ascii_case(kind)
            && text(&metadata["name"]) == name
            && text(&metadata["namespace"]) == namespace
    });
    found.cloned()
}

/// Whether a condition on an object holds at the end.
fn holds(condition: &Condition, played: &Played) -> Option<Difference> {
    let mut parts: Vec<&str> = condition.object.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    let kind = parts.pop().unwrap_or_default();
    let namespace = parts.pop().unwrap_or(&played.namespace);
    let object =
        find(&played.after, kind, namespace, name).or_else(|| find(&played.after, kind, "", name));
    match (&condition.that, object) {
        (None, None) => None,
        (None, Some(_)) => Some(Difference::new(condition.object.as_str(), "absent", "present")),
        (Some(_), None) => Some(Difference::new(condition.object.as_str(), "present", "absent")),
        (Some(that), Some(object)) => {
            let actual = match that.condition(&*object, &Bindings::new(), Budget::default()) {
                Ok(true) => return None,
                Ok(false) => "false".to_owned(),
                Err(error) => error.to_string(),
            };
            let what = format!("{}: {}", condition.object, that.source());
            Some(Difference::new(what.as_str(), "true", actual))
        }
    }
}
