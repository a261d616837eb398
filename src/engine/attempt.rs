//! One action: rendered, begun, repeated where that is right, judged, ended.

use super::scope::Scope;
use super::step::{Ended, worst};
use super::{EngineError, Run};
use crate::action::{
    Action, Context, Failure, FailureKind, Output, VerbName, Wrong, support::symptom,
};
use crate::document::{Body, Poll, Retry, Step};
use crate::event::{Effect, Event, Judgement, Mode, Outcome, StepRetried, Truth};
use crate::expression::{Budget, Data, Expectation, Jq, Reference};
use serde::de::DeserializeSeed;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The largest output, in bytes, of which the symptoms of its pods are looked for where an
/// expectation fails.
const LOOKED_AT: usize = 4 << 20;
/// How long a step may take that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// An action knows its deadline and can say what it last saw; one that does not end by itself is
/// ended this much later.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How a read is repeated that failed for a passing reason and does not say.
const READ_RETRY: (u32, Duration, f64, Duration) =
    (3, Duration::from_millis(200), 2.0, Duration::from_secs(2));

/// One look at the world: what came back and how it was judged.
pub(super) struct Look {
    output: Data,
    summary: String,
    expectations: Vec<Judgement>,
    outcome: Outcome,
    reason: String,
}

impl Run {
    /// An action with its expectations.
    pub(super) async fn action(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        let Body::Action { verb, arguments, program, .. } = &step.body else {
            return Ok(Outcome::Passed);
        };
        let needed = arguments
            .references()
            .into_iter()
            .chain(program.iter().flat_map(Jq::references))
            .chain(step.expect.iter().flat_map(Expectation::references));
        if let Some(reason) = scope.blank(needed) {
            return self.end(scope, step, path, 0, Ended::without_output(Outcome::Unknown, reason));
        }
        let begun = self.begin(scope, step, path)?;
        let prepared = arguments
            .render(&scope.context_for(arguments))
            .map_err(|error| error.to_string())
            .and_then(|value| {
                let action = VerbName(verb)
                    .deserialize(value)
                    .map_err(|error| format!("{verb}: {error}"))?;
                action.check().map(|()| action)
            });
        let action = match prepared {
            Ok(action) => action,
            Err(reason) => {
                return self.end(
                    scope,
                    step,
                    path,
                    begun,
                    Ended::without_output(Outcome::Error, reason),
                );
            }
        };
        if self.mode == Mode::DryRun
            && let Some(ended) = self.dry(scope, step, path, &action).await
        {
            return self.end(scope, step, path, begun, ended);
        }
        let ended = match &action {
            _ if action.effect() == Effect::Write => {
                let context = self.context(scope, path, self.deadline(scope, step, &action));
                match self.change(scope, step, path, &action, context).await? {
                    Some(ended) => ended,
                    None => return Ok(Outcome::Unknown),
                }
            }
            _ if action.effect() == Effect::Opaque => {
                match self.opaque(scope, step, path, &action).await? {
                    Some(ended) => ended,
                    None => return Ok(Outcome::Unknown),
                }
            }
            Action::Approve(approve) => match self.approval_of_another(path, approve)? {
                Some(ended) => ended,
                None => return Ok(Outcome::Unknown),
            },
            Action::Confirm(confirm) => {
                let context = self.context(scope, path, self.deadline(scope, step, &action));
                match self.answered(scope, step, path, confirm, &context).await? {
                    Some(ended) => ended,
                    None => return Ok(Outcome::Unknown),
                }
            }
            Action::Run(call) => self.call(scope, step, path, &call.runbook, &call.with).await?,
            Action::Value(_) => match program.as_ref().map(|program| self.evaluate(scope, program))
            {
                Some(Ok(output)) => self.judge(scope, step, Output::new(output, "")).into_ended(1),
                Some(Err(reason)) => {
                    Ended { attempts: 1, ..Ended::without_output(Outcome::Error, reason) }
                }
                None => Ended::without_output(Outcome::Error, "no program"),
            },
            _ => self.attempts(scope, step, path, &action).await?,
        };
        if self.paused.load(Ordering::SeqCst)
            && ended.outcome == Outcome::Unknown
            && action.effect() == Effect::Operator
        {
            // the question is asked again on resume: there is no outcome yet
            return Ok(Outcome::Unknown);
        }
        self.end(scope, step, path, begun, ended)
    }

    fn evaluate(&self, scope: &Scope, program: &Jq) -> Result<Value, String> {
        let bindings = scope.bindings(program.references(), || self.findings_so_far(scope));
        program
            .run_one(&Value::Null, &bindings, Budget::default())
            .map_err(|error| error.to_string())
    }

    /// The action, again and again where the step or the kind of failure asks for it.
    pub(super) async fn attempts(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
    ) -> Result<Ended, EngineError> {
        let deadline = self.deadline(scope, step, action);
        let context = self.context(scope, path, deadline);
        let (limit, mut delay, backoff, longest) = match &step.retry {
            Some(Retry { attempts, delay, backoff, max_delay }) => {
                ((*attempts).max(1), delay.0, *backoff, max_delay.0)
            }
            None if action.effect() == Effect::Read => READ_RETRY,
            None => (1, Duration::ZERO, 1.0, Duration::ZERO),
        };
        let mut attempts = 0;
        let mut held_since: Option<Instant> = None;
        let mut failures = 0;
        loop {
            attempts += 1;
            let result = tokio::select! {
                result = action.perform(&context) => result,
                () = context.cancel.cancelled() => Err(Failure::new(FailureKind::Cancelled,
                "stopped")),
                // nobody answered: that says nothing about what was asked for
                () = tokio::time::sleep_until(deadline + GRACE) => Err(Failure::error(format!("no \
                    answer within {}", shown(scope, step, action)))),
            };
            let pause = match result {
                Ok(output) => {
                    failures = 0;
                    let look = self.judge(scope, step, output);
                    let Some(poll) = &step.poll else { return Ok(look.into_ended(attempts)) };
                    let mut unjudged = None;
                    let pause = match self.polled(scope, poll, &look) {
                        Ok(true) => {
                            let since = *held_since.get_or_insert_with(Instant::now);
                            let hold = poll.hold.map_or(Duration::ZERO, |hold| hold.0);
                            let held = since.elapsed();
                            if held >= hold {
                                return Ok(look.into_ended(attempts));
                            }
                            (context.progress)(&format!(
                                "so for {} s of {} s",
                                held.as_secs(),
                                hold.as_secs()
                            ));
                            poll.every.0.min(hold.saturating_sub(held))
                        }
                        Ok(false) => {
                            held_since = None;
                            let seen =
                                if look.reason.is_empty() { &look.summary } else { &look.reason };
                            (context.progress)(seen);
                            poll.every.0
                        }
                        // what cannot be judged yet may be so later: a status that is not written,
                        // a list that is still empty
                        Err(reason) => {
                            held_since = None;
                            (context.progress)(&reason);
                            unjudged = Some(reason);
                            poll.every.0
                        }
                    };
                    if Instant::now() + pause > deadline {
                        let within = shown(scope, step, action);
                        if let Some(reason) = unjudged {
                            let reason = format!("could not be judged within {within}: {reason}");
                            return Ok(Ended {
                                outcome: Outcome::Error,
                                reason,
                                ..look.into_ended(attempts)
                            });
                        }
                        let seen = if look.reason.is_empty() {
                            look.summary.clone()
                        } else {
                            look.reason.clone()
                        };
                        let reason = format!("not so within {within}; last seen: {seen}");
                        return Ok(Ended {
                            outcome: Outcome::TimedOut,
                            reason,
                            ..look.into_ended(attempts)
                        });
                    }
                    pause
                }
                Err(failure)
                    if failure.kind == FailureKind::Transient
                        && (failures + 1 < limit || step.poll.is_some()) =>
                {
                    failures += 1;
                    let reason = failure.message.clone();
                    if Instant::now() + delay > deadline {
                        return Ok(failed(&failure, attempts));
                    }
                    (context.progress)(&reason);
                    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                    self.recorder.record(Event::StepRetried(StepRetried {
                        path: path.to_owned(),
                        attempt: attempts,
                        reason,
                        delay_ms,
                    }))?;
                    let pause = delay;
                    delay = delay.mul_f64(backoff.clamp(1.0, 10.0)).min(longest);
                    pause
                }
                Err(failure) => {
                    if failure.kind == FailureKind::NeedsPerson {
                        self.paused.store(true, Ordering::SeqCst);
                    }
                    return Ok(failed(&failure, attempts));
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = context.cancel.cancelled() => return Ok(Ended { attempts,
                ..Ended::without_output(Outcome::Cancelled, "stopped") }),
            }
        }
    }

    /// When a step must be over.
    pub(super) fn deadline(&self, scope: &Scope, step: &Step, action: &Action) -> Instant {
        let own = Instant::now()
            + timeout(scope, step).or_else(|| action.timeout()).unwrap_or(DEFAULT_TIMEOUT);
        scope.deadline.map_or(own, |outer| own.min(outer))
    }

    pub(super) fn context(&self, scope: &Scope, path: &str, deadline: Instant) -> Context {
        let (recorder, place) = (self.recorder.clone(), path.to_owned());
        Context {
            cluster: self.cluster.clone(),
            namespace: scope.namespace.clone(),
            masker: self.masker.clone(),
            deadline,
            cancel: self.stop.token(scope.always).clone(),
            now: self.recorder.clock().now(),
            progress: Arc::new(move |text| recorder.progress(&place, text)),
            started: self.starter(path),
            environment: self.environment.clone(),
            prompt: self.prompt.clone(),
            run: self.run_id.clone(),
            path: path.to_owned(),
            made: Arc::default(),
            records: self.records.clone(),
            hosts: scope.hosts(),
        }
    }

    /// Whether what is waited for is so.
    fn polled(&self, scope: &Scope, poll: &Poll, look: &Look) -> Result<bool, String> {
        match &poll.until {
            None if look.outcome == Outcome::Error => Err(look.reason.clone()),
            None => Ok(look.outcome == Outcome::Passed),
            Some(until) => {
                let bindings = scope.bindings(until.references(), || self.findings_so_far(scope));
                until
                    .condition(&look.output, &bindings, Budget::default())
                    .map_err(|error| format!("its `until` cannot be judged: {error}"))
            }
        }
    }

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
            .map(|expectation| expectation.judge(&data, &bindings, Budget::default()))
            .collect();
        let wrong = self
            .wrong(step, &value, &expectations)
            .map(|wrong| settle(step, &mut expectations, wrong, &output.summary));
        let first = |truth| expectations.iter().find(|judgement| judgement.outcome == truth);
        let (outcome, reason, summary) = match (first(Truth::False), wrong, first(Truth::Error)) {
            (Some(judgement), ..) => (Outcome::Failed, judgement.reason.clone(), brief(judgement)),
            (None, Some(reason), _) => (Outcome::Failed, reason, output.summary),
            (None, None, Some(judgement)) => {
                (Outcome::Error, judgement.reason.clone(), String::new())
            }
            (None, None, None) => match data.unread() {
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
        let ill = if outcome == Outcome::Failed && data.size() < LOOKED_AT {
            symptom::blame(&data.to_value(), self.recorder.clock().now())
        } else {
            None
        };
        let ill = ill.and_then(|ill| unsaid(&ill, &expectations));
        let reason = ill.map_or(reason.clone(), |ill| format!("{reason}; {ill}"));
        Look { output: data, summary, expectations, outcome, reason }
    }

    /// What the output itself says is wrong, unless an expectation or the condition of the step
    /// decides about that. One that could not be judged decides nothing: a request that was refused
    /// has no status that equals another. But a bound is a question about a number, and stays open
    /// where there is none.
    fn wrong(&self, step: &Step, output: &Value, judged: &[Judgement]) -> Option<Wrong> {
        let Body::Action { sketch, .. } = &step.body else { return None };
        let until = step.poll.as_ref().and_then(|poll| poll.until.as_ref());
        let decides = |(expectation, judgement): (&Expectation, &Judgement), field: &str| {
            (judgement.outcome != Truth::Error || expectation.has_bound())
                && expectation.mentions(field)
        };
        let decided = |field: &&str| {
            step.expect.iter().zip(judged).any(|pair| decides(pair, field))
                || until.is_some_and(|until| until.mentions(field))
        };
        sketch.wrong(output).filter(|wrong| !wrong.fields.iter().any(decided))
    }

    /// Another runbook as a step: its steps under this path, its verdict as the outcome.
    async fn call(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        name: &str,
        with: &serde_json::Map<String, Value>,
    ) -> Result<Ended, EngineError> {
        let Some(called) = self.plan.loaded.get(name).cloned() else {
            return Ok(Ended::without_output(
                Outcome::Error,
                format!("runbook {name} is not part of the plan"),
            ));
        };
        let (params, namespace) = match self.plan.called(&called, with) {
            Ok(settled) => settled,
            Err(errors) => {
                let reason = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                return Ok(Ended::without_output(Outcome::Error, format!("{name}: {reason}")));
            }
        };
        called.learn_secrets(&params, &self.masker);
        let namespace = namespace.unwrap_or_else(|| scope.namespace.clone());
        let inner = scope.called(called, params, namespace, path, step.severity);
        self.procedure(&inner).await?;
        let conclusions = self.conclusions(&inner);
        let causes: Vec<_> = conclusions
            .iter()
            .filter(|(_, conclusion)| *conclusion == super::finding::Conclusion::Concluded)
            .map(|(finding, _)| *finding)
            .collect();
        let counted = inner
            .runbook
            .steps
            .iter()
            .chain(&inner.runbook.always)
            .filter(|child| child.severity == crate::event::Severity::Critical);
        let mut outcome =
            worst(counted.filter_map(|child| inner.result(&child.id)).map(|result| result.outcome));
        if causes.iter().any(|finding| {
            finding.severity == crate::event::Severity::Critical && !Self::is_fixed(&inner, finding)
        }) {
            outcome = Outcome::Failed;
        }
        let ids: Vec<_> = causes.iter().map(|finding| finding.id.as_str()).collect();
        let steps: serde_json::Map<_, _> = inner
            .results()
            .into_iter()
            .map(|(id, result)| (id, Value::from(result.outcome.as_str())))
            .collect();
        Ok(Ended {
            outcome,
            summary: ids.join(", "),
            reason: if ids.is_empty() {
                String::new()
            } else {
                format!("found: {}", ids.join(", "))
            },
            attempts: 1,
            expectations: Vec::new(),
            output: json!({"verdict": outcome.as_str(), "findings": ids, "steps": steps}).into(),
            recorded: None,
        })
    }
}

impl Look {
    pub(super) fn into_ended(self, attempts: u32) -> Ended {
        Ended {
            outcome: self.outcome,
            summary: self.summary,
            reason: self.reason,
            attempts,
            expectations: self.expectations,
            output: self.output,
            recorded: None,
        }
    }
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
        judgement.reason = if summary.is_empty() || wrong.reason.contains(summary) {
            wrong.reason.clone()
        } else {
            format!("{summary}: {}", wrong.reason)
        };
    }
    wrong.reason
}

/// What is wrong with pods, without what the expectations already say of them.
fn unsaid(ill: &str, expectations: &[Judgement]) -> Option<String> {
    let said = |text: &str| {
        expectations.iter().any(|judgement| {
            judgement.reason.contains(text)
                || judgement
                    .items
                    .iter()
                    .any(|item| item.because.as_ref().is_some_and(|because| because.contains(text)))
        })
    };
    let left: Vec<&str> = ill
        .split("; ")
        .filter(|part| !said(part.split_once(": ").map_or(*part, |(_, rest)| rest)))
        .collect();
    (!left.is_empty()).then(|| left.join("; "))
}

/// The reason for the end of a line: what it says of single items stands below the line.
fn brief(judgement: &Judgement) -> String {
    let whole = judgement.reason.as_str();
    if judgement.items.is_empty() {
        whole.to_owned()
    } else {
        whole.split(": ").next().unwrap_or(whole).to_owned()
    }
}

pub(super) fn failed(failure: &Failure, attempts: u32) -> Ended {
    let outcome = match failure.kind {
        FailureKind::Transient | FailureKind::Error => Outcome::Error,
        FailureKind::Failed => Outcome::Failed,
        FailureKind::TimedOut => Outcome::TimedOut,
        FailureKind::Cancelled => Outcome::Cancelled,
        FailureKind::NeedsPerson => Outcome::Unknown,
    };
    Ended { attempts, ..Ended::without_output(outcome, failure.message.clone()) }
}

/// A change that was not made, because its verb, the server or someone who was faster speaks
/// against it: that says nothing about the application. Only what was waited for in vain does.
pub(super) fn not_made(failure: &Failure, attempts: u32) -> Ended {
    let ended = failed(failure, attempts);
    Ended {
        outcome: if ended.outcome == Outcome::Failed { Outcome::Error } else { ended.outcome },
        ..ended
    }
}

/// The time that a step says it may take.
pub(super) fn timeout(scope: &Scope, step: &Step) -> Option<Duration> {
    let deferred = step.timeout.as_ref()?;
    let text = deferred.render_text(&scope.context_for(deferred)).ok()?;
    text.parse::<crate::action::Duration>().ok().map(|timeout| timeout.0)
}

fn shown(scope: &Scope, step: &Step, action: &Action) -> String {
    crate::action::Duration(
        timeout(scope, step).or_else(|| action.timeout()).unwrap_or(DEFAULT_TIMEOUT),
    )
    .to_string()
}
