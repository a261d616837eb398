//! One look at the world, judged by what the step expects of it.

use super::Run;
use super::ended::Ended;
use super::scope::Scope;
use crate::action::{Output, Unseen, Wrong};
use crate::diagnosis::symptom;
use crate::document::Step;
use crate::event::{Judgement, Outcome, Truth};
use crate::expression::{Budget, Data, Expectation, Reference, unread};
use serde_json::Value;
use std::sync::Arc;

/// The largest output, in bytes, of which the symptoms of its pods are looked for where an
/// expectation fails.
const LOOKED_AT: usize = 4 << 20;

/// One look at the world: what came back and how it was judged.
pub(super) struct Look {
    pub(super) output: Data,
    pub(super) summary: String,
    expectations: Vec<Judgement>,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
}

impl Run {
    /// Judges an output by the step's expectations.
    pub(super) fn judge(&self, scope: &Scope, step: &Step, output: Output) -> Look {
        let value = Arc::new(output.value);
        let data = output.large.unwrap_or_else(|| value.clone().into());
        let references: Vec<&Reference> =
            step.expect.iter().flat_map(Expectation::references).collect();
        let bindings = scope.bindings(references, || self.findings_so_far(scope));
        let mut expectations: Vec<Judgement> = step
            .expect
            .iter()
            .map(|expectation| {
                let judged = expectation.judge(&data, &bindings, Budget::default());
                Judgement { message: message(scope, expectation), ..judged }
            })
            .collect();
        expectations.extend(output.unseen.map(|Unseen { that, reason }| Judgement {
            that,
            outcome: Truth::Error,
            expected: Value::Null,
            actual: Value::Null,
            items: Vec::new(),
            reason,
            brief: None,
            message: None,
            at: None,
        }));
        let unread = data.unread();
        if let Some(reason) = unread.as_deref().filter(|_| !expectations.is_empty()) {
            let whole = data.to_value();
            for (expectation, judged) in step.expect.iter().zip(&mut expectations) {
                if let Some(why) = undecided(expectation, judged.outcome, &whole, reason) {
                    (judged.outcome, judged.reason, judged.brief) = (Truth::Error, why, None);
                }
            }
        }
        let wrong = self
            .wrong(step, &value, &expectations)
            .map(|wrong| settle(step, &mut expectations, wrong, &output.summary));
        let first = |truth| expectations.iter().find(|judgement| judgement.outcome == truth);
        let (outcome, reason, summary) = match (first(Truth::False), wrong, first(Truth::Error)) {
            (Some(judgement), ..) => {
                (Outcome::Failed, judgement.reason.clone(), judgement.in_brief().to_owned())
            }
            (None, Some(reason), _) => (Outcome::Failed, reason, output.summary),
            (None, None, Some(judgement)) => {
                (Outcome::Error, judgement.reason.clone(), String::new())
            }
            (None, None, None) => match unread {
                // of some items nothing is known, and no expectation says that it does not matter
                Some(reason) if step.expect.is_empty() => (Outcome::Error, reason, output.summary),
                _ => {
                    let summary = if output.summary.is_empty() {
                        expectations
                            .first()
                            .map(|judgement| judgement.reason.clone())
                            .unwrap_or_default()
                    } else {
                        output.summary
                    };
                    (Outcome::Passed, String::new(), summary)
                }
            },
        };
        // what is wrong with pods of which something else was expected
        let mut ill = if outcome == Outcome::Failed && data.size() < LOOKED_AT {
            symptom::blame(&data.to_value(), self.recorder.clock().now())
        } else {
            Vec::new()
        };
        ill.retain(|ill| !is_said(&ill.words, &expectations));
        let reason =
            if ill.is_empty() { reason } else { format!("{reason}; {}", symptom::few(&ill)) };
        Look { output: data, summary, expectations, outcome, reason }
    }

    /// What the output itself says is wrong, unless an expectation or the condition of the step
    /// decides about that. One that could not be judged decides nothing: a request that was refused
    /// has no status that equals another. But a bound is a question about a number, and stays open
    /// where there is none.
    fn wrong(&self, step: &Step, output: &Value, judged: &[Judgement]) -> Option<Wrong> {
        let action = step.body.action()?;
        let until = step.poll.as_ref().and_then(|poll| poll.until.as_ref());
        let decides = |(expectation, judgement): (&Expectation, &Judgement), field: &str| {
            (judgement.outcome != Truth::Error || expectation.has_bound())
                && expectation.mentions(field)
        };
        let decided = |field: &&str| {
            step.expect.iter().zip(judged).any(|pair| decides(pair, field))
                || until.is_some_and(|until| until.mentions(field))
        };
        action.wrong(output).filter(|wrong| !wrong.fields.iter().any(decided))
    }
}

impl Look {
    pub(super) fn into_ended(self, attempts: u32) -> Ended {
        Ended {
            outcome: self.outcome,
            summary: self.summary,
            reason: self.reason.into(),
            attempts,
            expectations: self.expectations,
            output: self.output,
            recorded: None,
            lacks: None,
        }
    }
}

/// Why an expectation says nothing: a part that it looks at was not read, and with a default, a `?`
/// or another way around the error it would hold of what nobody has seen. Where it is about each
/// item of a list, the items decide that. `reason` is that of the first part.
fn undecided(
    expectation: &Expectation,
    truth: Truth,
    output: &Value,
    reason: &str,
) -> Option<String> {
    let Some(fields) = output.as_object() else {
        return (truth == Truth::True && expectation.is_about_all()).then(|| reason.to_owned());
    };
    if output["unread"] == true {
        return (truth != Truth::Error).then(|| reason.to_owned());
    }
    let looks = |field: &str| expectation.mentions(field);
    // one that names no field at all looks at everything
    let everything = !fields.keys().any(|field| looks(field));
    let mut seen = fields
        .iter()
        .filter(|(field, _)| everything || looks(field))
        .filter_map(|(_, value)| Some((value, unread(value)?)));
    match truth {
        Truth::True if !expectation.needs_one() => seen.next().map(|(_, why)| why),
        Truth::False => seen.find(|(value, _)| value["unread"] == true).map(|(_, why)| why),
        Truth::True | Truth::Error => None,
    }
}

/// The words of an expectation with the values of this run.
fn message(scope: &Scope, expectation: &Expectation) -> Option<String> {
    let template = expectation.message()?;
    let references: Vec<&Reference> = template.references().iter().collect();
    Some(match template.render(&scope.context_of(&references)) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(error) => format!("[{error}]"),
    })
}

/// Expectations about a field that is not there, because of what is wrong, are not met: why is
/// known. Gives the reason.
fn settle(step: &Step, expectations: &mut [Judgement], wrong: Wrong, summary: &str) -> String {
    let unjudged = step.expect.iter().zip(expectations).filter(|(expectation, judgement)| {
        judgement.outcome == Truth::Error
            && wrong.fields.iter().any(|field| expectation.mentions(field))
    });
    for (_, judgement) in unjudged {
        judgement.outcome = Truth::False;
        (judgement.reason, judgement.brief) =
            if summary.is_empty() || wrong.reason.contains(summary) {
                (wrong.reason.clone(), None)
            } else {
                let brief = (!judgement.items.is_empty()).then(|| summary.to_owned());
                (format!("{summary}: {}", wrong.reason), brief)
            };
    }
    wrong.reason
}

/// Whether the expectations say already what is wrong with a pod.
fn is_said(words: &str, expectations: &[Judgement]) -> bool {
    expectations.iter().any(|judgement| {
        let because = judgement.items.iter().filter_map(|item| item.because.as_deref());
        because.chain([judgement.reason.as_str()]).any(|said| said.contains(words))
    })
}
