//! Causes, concluded from step results: concluded, ruled out, or not ruled out.

use super::scope::Scope;
use super::{EngineError, Run};
use crate::document::{Deferred, Finding};
use crate::event::{
    Event, FailedProof, FindingConcluded, FindingItem, Mode, Next, NotRuledOut, Outcome, Reason,
    Remedy,
};
use crate::expression::{Asks, Budget, Decided, Jq, Reference, decide, show, unread};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What can be said about a cause.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// It is so.
    Concluded,
    /// It is not so.
    RuledOut,
    /// It cannot be said, and why.
    Open(Reason),
}

/// Any of several conditions: one that holds decides; otherwise one that is open keeps the cause
/// open.
pub(super) fn any_of(conditions: impl IntoIterator<Item = Conclusion>) -> Conclusion {
    let mut result = Conclusion::RuledOut;
    for condition in conditions {
        match condition {
            Conclusion::Concluded => return Conclusion::Concluded,
            Conclusion::Open(why) if result == Conclusion::RuledOut => {
                result = Conclusion::Open(why);
            }
            Conclusion::RuledOut | Conclusion::Open(_) => {}
        }
    }
    result
}

/// A condition, and what rules the cause out. That decides whatever else is known; while it is
/// open, nobody is accused.
pub(super) fn weighed(when: Conclusion, not_when: Conclusion) -> Conclusion {
    match (when, not_when) {
        (_, Conclusion::Concluded) | (Conclusion::RuledOut, _) => Conclusion::RuledOut,
        (Conclusion::Open(why), _) | (Conclusion::Concluded, Conclusion::Open(why)) => {
            Conclusion::Open(why)
        }
        (Conclusion::Concluded, Conclusion::RuledOut) => Conclusion::Concluded,
    }
}

/// What can be said about a finding, and where it was found.
pub(super) struct Judged<'a> {
    pub(super) finding: &'a Finding,
    pub(super) conclusion: Conclusion,
    /// What its texts see, once for each item that has it; once if it has no list.
    found: Vec<Scope>,
}

impl Judged<'_> {
    pub(super) fn is_concluded(&self) -> bool {
        self.conclusion == Conclusion::Concluded
    }

    /// Why it can neither be said nor ruled out; none if it can.
    pub(super) fn why_open(&self) -> Option<&Reason> {
        match &self.conclusion {
            Conclusion::Open(why) => Some(why),
            Conclusion::Concluded | Conclusion::RuledOut => None,
        }
    }
}

impl Run {
    /// Concludes the findings of the run's own runbook and records them.
    pub(super) fn conclude(&self, scope: &Scope) -> Result<(), EngineError> {
        for judged in self.conclusions(scope) {
            match &judged.conclusion {
                Conclusion::RuledOut => {}
                Conclusion::Concluded => {
                    self.recorder
                        .record(Event::FindingConcluded(self.concluded(scope, &judged)))?;
                }
                Conclusion::Open(because) => {
                    self.recorder.record(Event::FindingNotRuledOut(NotRuledOut {
                        id: judged.finding.id.clone(),
                        because: because.to_string(),
                    }))?;
                }
            }
        }
        Ok(())
    }

    /// What can be said about every finding now, in order of declaration.
    pub(super) fn conclusions<'a>(&self, scope: &'a Scope) -> Vec<Judged<'a>> {
        let mut so_far = Vec::new();
        let mut all = Vec::new();
        for finding in &scope.runbook.findings {
            let judged = self.judged(scope, finding, &so_far);
            if judged.is_concluded() {
                so_far.push(json!({"id": finding.id, "severity": finding.severity}));
            }
            all.push(judged);
        }
        all
    }

    fn judged<'a>(&self, scope: &Scope, finding: &'a Finding, so_far: &[Value]) -> Judged<'a> {
        let Some(list) = &finding.for_each else {
            let (scope, conclusion) = self.judge_in(scope, finding, so_far);
            return Judged { finding, conclusion, found: vec![scope] };
        };
        let items = match self.items_of(scope, list, so_far) {
            Ok(items) => items,
            Err(why) => {
                return Judged { finding, conclusion: Conclusion::Open(why), found: Vec::new() };
            }
        };
        let (mut found, mut conclusion) = (Vec::new(), Conclusion::RuledOut);
        for item in items {
            let (inner, of_item) = self.judge_in(&scope.iteration(item), finding, so_far);
            if of_item == Conclusion::Concluded {
                found.push(inner);
            }
            conclusion = any_of([conclusion, of_item]);
        }
        if let Conclusion::Open(why) = &mut conclusion
            && let Some(fruitless) = scope.fruitless(list.references())
        {
            *why = fruitless;
        }
        if conclusion == Conclusion::RuledOut
            && let Some(why) = scope.unread(list.references())
        {
            conclusion = Conclusion::Open(why);
        }
        Judged { finding, conclusion, found }
    }

    /// The items that a cause is looked for in, or why they are not known. An object with
    /// `not_looked_at` in the place of the list says so itself.
    fn items_of(&self, scope: &Scope, list: &Jq, so_far: &[Value]) -> Result<Vec<Value>, Reason> {
        if let Some(why) = self.unknown_behind(scope, list.references()) {
            return Err(why);
        }
        let bindings = scope.bindings(list.references(), || Value::Array(so_far.to_vec()));
        let wrong = |what: String| Reason::from(format!("cannot evaluate its `for_each`: {what}"));
        match list.run_one(&Value::Null, &bindings, Budget::default()) {
            Ok(Value::Array(items)) => Ok(items),
            Ok(other) => Err(match other["not_looked_at"].as_str() {
                Some(why) => why.into(),
                None => wrong(format!("{} is not a list", show(&other))),
            }),
            Err(error) => {
                Err(scope.fruitless(list.references()).unwrap_or_else(|| wrong(error.to_string())))
            }
        }
    }

    /// The conclusion in this scope, which then has the finding's own names as well.
    fn judge_in(&self, scope: &Scope, finding: &Finding, so_far: &[Value]) -> (Scope, Conclusion) {
        let scope = scope.with(&finding.bound, || Value::Array(so_far.to_vec()));
        let judged =
            |all: &[Jq]| any_of(all.iter().map(|one| self.judge_finding(&scope, one, so_far)));
        let is_listed = finding.for_each.is_some() && finding.when.is_empty();
        let when = match scope.item.as_deref().filter(|_| is_listed).map(unread_in) {
            Some(Some(why)) => Conclusion::Open(why.into()),
            Some(None) => Conclusion::Concluded,
            None => judged(&finding.when),
        };
        let conclusion = weighed(when, judged(&finding.not_when));
        (scope, conclusion)
    }

    /// `$findings` at this moment.
    pub(super) fn findings_so_far(&self, scope: &Scope) -> Value {
        let judged = self.conclusions(scope).into_iter().filter(Judged::is_concluded);
        let known = judged
            .map(|judged| json!({"id": judged.finding.id, "severity": judged.finding.severity}));
        Value::Array(known.collect())
    }

    /// Why nothing is known of what these references name; none if something is.
    fn unknown_behind<'a>(
        &self,
        scope: &Scope,
        references: impl IntoIterator<Item = &'a Reference>,
    ) -> Option<Reason> {
        references.into_iter().find_map(|reference| {
            let blank = scope.blank_behind(reference).map(|(_, why)| why);
            scope
                .reached([reference])
                .into_iter()
                .filter(|reached| reached.root == "steps")
                .find_map(|reached| unjudged(scope, reached))
                .or(blank)
        })
    }

    fn judge_finding(&self, scope: &Scope, when: &Jq, so_far: &[Value]) -> Conclusion {
        let unknown = |reference: &Reference| self.unknown_behind(scope, [reference]);
        let decided = decide(when, &unknown, &|part| {
            let bindings = scope.bindings(part.references(), || Value::Array(so_far.to_vec()));
            part.condition(&Value::Null, &bindings, Budget::default()).map_err(|error| {
                let wrong = || format!("cannot evaluate its condition: {error}").into();
                scope.fruitless(part.references()).unwrap_or_else(wrong)
            })
        });
        match decided {
            Decided::Yes => Conclusion::Concluded,
            // what was not read may be what the cause would be seen in
            Decided::No => {
                scope.unread(when.references()).map_or(Conclusion::RuledOut, Conclusion::Open)
            }
            Decided::Open(why) => Conclusion::Open(why),
        }
    }

    /// Whether the run has changed something since the cause was seen, and the step that proves the
    /// remedy has passed behind it.
    pub(super) fn is_fixed(&self, scope: &Scope, finding: &Finding) -> bool {
        let proof = finding.fixed_by.as_deref().and_then(|id| scope.result(id));
        let Some(proof) = proof.filter(|proof| proof.outcome.is_good()) else { return false };
        let seen =
            scope.looks_at(finding.when.iter().chain(&finding.for_each).flat_map(Jq::references));
        self.mode != Mode::DryRun
            && self.recorder.state(|state| state.has_acted_between(&seen, &proof.path))
    }

    /// What did not pass after the remedy was carried out: what was looked at right after each
    /// change, and the step that proves it. Empty if it helped, or was not carried out.
    fn not_fixed(&self, scope: &Scope, finding: &Finding) -> Vec<FailedProof> {
        let proof = finding.fixed_by.as_deref().and_then(|id| scope.result(id));
        let Some(proof) = proof.filter(|proof| !proof.outcome.is_good()) else {
            return Vec::new();
        };
        self.recorder.state(|state| {
            let after = |path: &str| {
                state.changing_steps().any(|(change, _)| {
                    path.strip_prefix(change).is_some_and(|rest| rest.starts_with('/'))
                })
            };
            // skipped elsewhere, it is the proof of another remedy than the one that was chosen
            let is_skipped = proof.outcome == Outcome::Skipped && !after(&proof.path);
            if is_skipped || !state.has_lasting_changes() {
                return Vec::new();
            }
            let looks = state.steps().filter_map(|(path, _)| state.finished(path));
            let looks = looks.filter(|step| {
                step.path != proof.path && after(&step.path) && step.outcome.is_bad()
            });
            looks
                .map(|step| FailedProof {
                    step: step.path.clone(),
                    reason: step.reason.clone(),
                    outcome: step.outcome,
                })
                .chain([FailedProof {
                    step: proof.path.clone(),
                    reason: proof.reason.to_string(),
                    outcome: proof.outcome,
                }])
                .collect()
        })
    }

    fn concluded(&self, scope: &Scope, judged: &Judged<'_>) -> FindingConcluded {
        let finding = judged.finding;
        let fixed = self.is_fixed(scope, finding);
        let not_fixed = self.not_fixed(scope, finding);
        // what was done is not done again
        let done = fixed || !not_fixed.is_empty();
        let mut items: Vec<FindingItem> =
            judged.found.iter().map(|scope| self.found(scope, finding, done)).collect();
        let first = items.first().cloned().unwrap_or_default();
        if finding.for_each.is_none() {
            items.clear();
        }
        let references = finding.when.iter().chain(&finding.for_each).flat_map(Jq::references);
        let mut seen = BTreeSet::new();
        let steps = scope
            .reached(references)
            .into_iter()
            .filter(|reference| reference.root == "steps")
            .filter_map(|reference| scope.result(reference.name.as_deref()?));
        FindingConcluded {
            id: finding.id.clone(),
            severity: finding.severity,
            objects: first.objects,
            cause: first.cause,
            steps: steps
                .map(|result| result.path)
                .filter(|path| seen.insert(path.clone()))
                .collect(),
            remedy: first.remedy,
            command: first.command,
            next: first.next,
            each: items,
            fixed,
            not_fixed,
        }
    }

    /// The cause as it is said of one item.
    fn found(&self, scope: &Scope, finding: &Finding, done: bool) -> FindingItem {
        let text = |deferred: &Deferred| {
            deferred
                .render_text(&scope.context_for(deferred))
                .unwrap_or_else(|error| format!("[{error}]"))
        };
        let with = finding
            .with
            .as_ref()
            .and_then(|with| with.render(&scope.context_for(with)).ok())
            .and_then(|with| with.as_object().cloned())
            .unwrap_or_default();
        let remedy = Remedy {
            run: finding.run.as_ref().map(text),
            with,
            text: finding.text.as_ref().map(text),
        };
        // what is masked is quoted for the shell as it is shown
        let remedy = self.recorder.as_recorded(remedy);
        let next =
            remedy.run.as_ref().map(|name| self.plan.command(name, &remedy.with, &self.invocation));
        let (remedy, next) = if done { (Remedy::default(), None) } else { (remedy, next) };
        FindingItem {
            cause: text(&finding.cause),
            objects: finding.objects.as_ref().map(|list| self.objects(scope, list)),
            remedy: (remedy != Remedy::default()).then_some(remedy),
            command: next.as_ref().map(Next::to_string),
            next,
        }
    }
}

/// What of an item of a list could not be read: a selection keeps what it could not judge, and
/// nobody is accused for that.
fn unread_in(item: &Value) -> Option<String> {
    let is_unread = |value: &&Value| value["unread"] == true;
    let fields = item.as_object().into_iter().flat_map(|fields| fields.values());
    std::iter::once(item).chain(fields).find(is_unread).and_then(unread)
}

/// Why nothing is known of what a reference to a step asks for. What was read is known also where
/// an expectation about it could not be judged.
fn unjudged(scope: &Scope, reference: &Reference) -> Option<Reason> {
    let id = reference.name.as_deref()?;
    let Some(result) = scope.result(id) else { return Some(Reason::not_executed(id)) };
    let was_read = result.only_open && !result.output.is_null() && result.unread.is_none();
    let is_known = result.outcome.is_judged() || (was_read && reference.asks == Asks::Output);
    (!is_known).then(|| result.leaves_open(id))
}

impl Run {
    /// What a cause concerns. What cannot be evaluated is said in the place of the list.
    fn objects(&self, scope: &Scope, list: &Jq) -> Vec<Value> {
        let bindings = scope.bindings(list.references(), || self.findings_so_far(scope));
        match list.run_one(&Value::Null, &bindings, Budget::default()) {
            Ok(Value::Array(objects)) => objects.into_iter().map(named).collect(),
            Ok(other) => vec![json!(format!("[{} is not a list]", show(&other)))],
            Err(error) => vec![json!(format!("[{error}]"))],
        }
    }
}

/// An object of the API by its name: the rest of it is in the record of the step that has read it.
fn named(object: Value) -> Value {
    let metadata = &object["metadata"];
    let text = |field: &Value| field.as_str().map(str::to_owned);
    match (text(&object["kind"]), text(&metadata["name"]), text(&metadata["namespace"])) {
        (Some(kind), Some(name), Some(namespace)) => {
            json!({"kind": kind, "namespace": namespace, "name": name})
        }
        (Some(kind), Some(name), None) => json!({"kind": kind, "name": name}),
        _ => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_the_api_is_named_and_everything_else_stays() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "n"}, "spec": {}});
        assert_eq!(named(pod), json!({"kind": "Pod", "namespace": "n", "name": "a"}));
        let node = json!({"kind": "Node", "metadata": {"name": "a"}});
        assert_eq!(named(node), json!({"kind": "Node", "name": "a"}));
        for other in [json!("a"), json!({"pod": "a", "restarts": 3}), json!(null)] {
            assert_eq!(named(other.clone()), other);
        }
    }

    #[test]
    fn what_rules_a_cause_out_decides_and_an_open_exclusion_accuses_nobody() {
        let open = |why: &str| Conclusion::Open(why.into());
        let (yes, no) = (|| Conclusion::Concluded, || Conclusion::RuledOut);
        for (when, not_when, wanted) in [
            (yes(), yes(), no()),
            (open("a"), yes(), no()),
            (no(), yes(), no()),
            (yes(), no(), yes()),
            (open("a"), no(), open("a")),
            (no(), no(), no()),
            (yes(), open("b"), open("b")),
            (open("a"), open("b"), open("a")),
            (no(), open("b"), no()),
        ] {
            assert_eq!(weighed(when, not_when), wanted);
        }
    }

    #[test]
    fn one_condition_that_holds_decides_and_an_open_one_keeps_it_open() {
        let open = || Conclusion::Open("why".into());
        assert_eq!(any_of([Conclusion::RuledOut, Conclusion::RuledOut]), Conclusion::RuledOut);
        assert_eq!(any_of([open(), Conclusion::Concluded]), Conclusion::Concluded);
        assert_eq!(any_of([Conclusion::RuledOut, open()]), open());
        assert_eq!(any_of([]), Conclusion::RuledOut);
    }
}
