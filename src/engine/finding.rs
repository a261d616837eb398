//! Causes, concluded from step results: concluded, ruled out, or not ruled out.

use super::scope::Scope;
use super::{EngineError, Run};
use crate::document::{Deferred, Finding};
use crate::event::{Event, FindingConcluded, Next, NotRuledOut, Reason, Remedy};
use crate::expression::{Budget, Decided, Jq, Reference, decide};
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

impl Run {
    /// Concludes the findings of the run's own runbook and records them.
    pub(super) fn conclude(&self, scope: &Scope) -> Result<(), EngineError> {
        for (finding, conclusion) in self.conclusions(scope) {
            match conclusion {
                Conclusion::RuledOut => {}
                Conclusion::Concluded => {
                    self.recorder
                        .record(Event::FindingConcluded(self.concluded(scope, finding)))?;
                }
                Conclusion::Open(because) => {
                    self.recorder.record(Event::FindingNotRuledOut(NotRuledOut {
                        id: finding.id.clone(),
                        because: because.to_string(),
                    }))?;
                }
            }
        }
        Ok(())
    }

    /// What can be said about every finding now, in order of declaration.
    pub(super) fn conclusions<'a>(&self, scope: &'a Scope) -> Vec<(&'a Finding, Conclusion)> {
        let mut so_far = Vec::new();
        let mut all = Vec::new();
        for finding in &scope.runbook.findings {
            let conclusion =
                any_of(finding.when.iter().map(|when| self.judge_finding(scope, when, &so_far)));
            if conclusion == Conclusion::Concluded {
                so_far.push(json!({"id": finding.id, "severity": finding.severity}));
            }
            all.push((finding, conclusion));
        }
        all
    }

    /// `$findings` at this moment.
    pub(super) fn findings_so_far(&self, scope: &Scope) -> Value {
        let concluded = self
            .conclusions(scope)
            .into_iter()
            .filter(|(_, conclusion)| *conclusion == Conclusion::Concluded);
        Value::Array(
            concluded
                .map(|(finding, _)| json!({"id": finding.id, "severity": finding.severity}))
                .collect(),
        )
    }

    fn judge_finding(&self, scope: &Scope, when: &Jq, so_far: &[Value]) -> Conclusion {
        let judged = |id: &str| match scope.result(id) {
            Some(result) if result.outcome.is_judged() => None,
            Some(result) => Some(result.leaves_open(id)),
            None => Some(Reason::not_executed(id)),
        };
        let unknown = |reference: &Reference| {
            if reference.root == "steps" { judged(reference.name.as_deref()?) } else { None }
        };
        let decided = decide(when, &unknown, &|part| {
            let bindings = scope.bindings(part.references(), || Value::Array(so_far.to_vec()));
            part.condition(&Value::Null, &bindings, Budget::default())
                .map_err(|error| format!("cannot evaluate its condition: {error}").into())
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

    /// Whether the step that proves it has passed.
    pub(super) fn is_fixed(scope: &Scope, finding: &Finding) -> bool {
        finding
            .fixed_by
            .as_deref()
            .and_then(|id| scope.result(id))
            .is_some_and(|proof| proof.outcome.is_good())
    }

    fn concluded(&self, scope: &Scope, finding: &Finding) -> FindingConcluded {
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
        let fixed = Self::is_fixed(scope, finding);
        let (remedy, next) = if fixed { (Remedy::default(), None) } else { (remedy, next) };
        let mut seen = BTreeSet::new();
        let steps = finding
            .when
            .iter()
            .flat_map(Jq::references)
            .filter(|reference| reference.root == "steps")
            .filter_map(|reference| scope.result(reference.name.as_deref()?));
        FindingConcluded {
            id: finding.id.clone(),
            severity: finding.severity,
            cause: text(&finding.cause),
            steps: steps
                .map(|result| result.path)
                .filter(|path| seen.insert(path.clone()))
                .collect(),
            remedy: (remedy != Remedy::default()).then_some(remedy),
            command: next.as_ref().map(Next::to_string),
            next,
            fixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_condition_that_holds_decides_and_an_open_one_keeps_it_open() {
        let open = || Conclusion::Open("why".into());
        assert_eq!(any_of([Conclusion::RuledOut, Conclusion::RuledOut]), Conclusion::RuledOut);
        assert_eq!(any_of([open(), Conclusion::Concluded]), Conclusion::Concluded);
        assert_eq!(any_of([Conclusion::RuledOut, open()]), open());
        assert_eq!(any_of([]), Conclusion::RuledOut);
    }
}
