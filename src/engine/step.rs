//! One step: whether it is done, for which items, and what came of it.

use super::ended::{Ended, Lack, judged};
use super::scope::{Blank, Scope, StepResult};
use super::{EngineError, Run};
use crate::document::{Body, Step};
use crate::event::{
    Effect, Event, Mode, Outcome, Reason, StepFinished, StepKind, StepMark, StepStarted, Truth,
};
use crate::expression::{Budget, Data, Decided, Expectation, Jq, Reference, decide, show};
use crate::plan::check_namespace;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;

/// A condition over earlier steps, three-valued.
pub(super) enum Decision {
    Yes,
    No,
    Open(Outcome, Reason),
}

impl Run {
    /// Steps one after the other. Whether all of them ended well.
    pub(super) async fn sequence(
        self: &Arc<Self>,
        scope: &Scope,
        steps: &[Step],
    ) -> Result<bool, EngineError> {
        let mut good = true;
        for (index, step) in steps.iter().enumerate() {
            if self.halted(scope) {
                return Ok(false);
            }
            // only what is kept can be older than what comes before it
            let before = if self.kept.steps.is_empty() { &[] } else { &steps[..index] };
            let before = before.iter().map(|step| scope.path_of(step));
            let outcome = self.step(&scope.after(before), step).await?;
            if self.lets_pass(outcome) {
                continue;
            }
            good = false;
            if self.halted(scope) || Self::goes_on(scope, step.on_failure) {
                continue;
            }
            for rest in steps.iter().skip(index + 1) {
                let reason = Reason::NotPassed { step: step.id.clone() };
                self.end(
                    scope,
                    rest,
                    &scope.path_of(rest),
                    0,
                    Ended::without_output(Outcome::Skipped, reason),
                )?;
            }
            break;
        }
        Ok(good)
    }

    /// One step with all that is in it.
    pub(super) fn step<'a>(
        self: &'a Arc<Self>,
        scope: &'a Scope,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<Outcome, EngineError>> {
        async move {
            let path = scope.path_of(step);
            if let Some(outcome) = self.outside(scope, step, &path)? {
                return Ok(outcome);
            }
            let scope = &scope.with(&step.bound, || self.findings_so_far(scope));
            // what was changed stays so, whatever its condition would say now
            let is_changed = self
                .kept(scope, step, &path)
                .is_some_and(|kept| matches!(kept.effect, Effect::Write | Effect::Opaque));
            if let Some(when) = step.when.as_ref().filter(|_| !is_changed) {
                match self.decide(scope, when) {
                    Decision::Yes => {}
                    Decision::No => {
                        let reason = self.unmet(scope, when);
                        return self.end(
                            scope,
                            step,
                            &path,
                            0,
                            Ended::without_output(Outcome::Skipped, reason),
                        );
                    }
                    Decision::Open(Outcome::Unknown, reason) => {
                        return self.undone(scope, step, &path, (Outcome::Unknown, reason));
                    }
                    Decision::Open(outcome, reason) => {
                        let reason = format!("cannot evaluate its `when`: {reason}").into();
                        return self.undone(scope, step, &path, (outcome, reason));
                    }
                }
            }
            match &step.for_each {
                None => self.once(scope, step, &path).await,
                Some(list) => self.each(scope, step, list, &path).await,
            }
        }
        .boxed()
    }

    /// Whether the next step has its turn whatever the runbook says of failures.
    pub(super) fn lets_pass(&self, outcome: Outcome) -> bool {
        outcome.is_good() || outcome == Outcome::Skipped || self.is_left_out(outcome)
    }

    /// Whether a step ended like this because a dry run does not do it: that is no failure, and what
    /// is behind it may be previewed all the same.
    pub(super) fn is_left_out(&self, outcome: Outcome) -> bool {
        self.mode == Mode::DryRun && outcome == Outcome::Unknown
    }

    /// A step of which it is not known what it is to do. What could not be evaluated was tried; what
    /// merely depends on something else was not.
    pub(super) fn undone(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        (outcome, reason): Blank,
    ) -> Result<Outcome, EngineError> {
        if outcome != Outcome::Unknown {
            self.begin(scope, step, path)?;
        }
        self.end(scope, step, path, 0, Ended::without_output(outcome, reason))
    }

    /// A step for one item, or without any.
    pub(super) async fn once(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        let scope = &match placed(scope, step) {
            Ok(placed) => placed,
            Err(blank) => return self.undone(scope, step, path, blank),
        };
        let outcome = self.alone(scope, step, path).await?;
        if step.then.is_empty() || !outcome.is_good() || self.halted(scope) {
            return Ok(outcome);
        }
        self.verify(scope, step, path, outcome).await
    }

    /// The verification of a change. If it does not pass, neither did the change, for all that
    /// depends on it; the journal has both.
    async fn verify(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        path: &str,
        outcome: Outcome,
    ) -> Result<Outcome, EngineError> {
        let inner = scope.after([path.to_owned()]).inside(path, step.severity);
        self.sequence(&inner, &step.then).await?;
        let (verdict, _) = judged(&step.then, &inner, false);
        if verdict.is_good() || self.is_left_out(verdict) {
            return Ok(outcome);
        }
        if let Some(result) = scope.result(&step.id) {
            let failed = step.then.iter().find(|child| {
                inner.result(&child.id).is_some_and(|result| !result.outcome.is_good())
            });
            let reason = format!(
                "it was executed, but step {} did not pass",
                failed.map(|child| child.id.as_str()).unwrap_or_default()
            )
            .into();
            scope.put(&step.id, StepResult { outcome: verdict, reason, ..result });
        }
        Ok(verdict)
    }

    /// A step for one item, without its verification.
    async fn alone(
        self: &Arc<Self>,
        scope: &Scope,
        step: &Step,
        path: &str,
    ) -> Result<Outcome, EngineError> {
        if let Some(kept) = self.kept(scope, step, path)
            && let Some(output) = self.output_of(scope, step, path, kept).await?
        {
            if let Some(Reason::LeftOut { .. }) = kept.why {
                self.note_left_out(scope, step);
            }
            let inherited = scope.unread(read_by(step));
            scope.put(
                &step.id,
                StepResult::new(kept.outcome, path, kept.because(), output, inherited),
            );
            return Ok(kept.outcome);
        }
        if let Some(mark) = self
            .recorder
            .state(|state| state.marked(path).filter(|mark| mark.mark == StepMark::Skip).cloned())
        {
            return self.end(
                scope,
                step,
                path,
                0,
                Ended::without_output(Outcome::Skipped, Reason::skipped(&mark)),
            );
        }
        if let Some(outcome) = self.settled_before(scope, step, path)? {
            return Ok(outcome);
        }
        if let Some(outcome) = self.asked_before(scope, step, path).await? {
            return Ok(outcome);
        }
        match &step.body {
            Body::Group(group) => self.group(scope, step, group, path).await,
            _ => self.act(scope, step, path).await,
        }
    }

    pub(super) fn decide(&self, scope: &Scope, when: &Jq) -> Decision {
        let unknown = |reference: &Reference| scope.blank_behind(reference);
        let decided = decide(when, &unknown, &|part| {
            let bindings = scope.bindings(part.references(), || self.findings_so_far(scope));
            part.condition(&Value::Null, &bindings, Budget::default()).map_err(|error| match scope
                .fruitless(part.references())
            {
                Some(why) => (Outcome::Unknown, why),
                None => (Outcome::Error, error.to_string().into()),
            })
        });
        match decided {
            Decided::Yes => Decision::Yes,
            Decided::No => match scope.unread(when.references()) {
                Some(why) => Decision::Open(Outcome::Unknown, why),
                None => Decision::No,
            },
            Decided::Open((outcome, reason)) => Decision::Open(outcome, reason),
        }
    }

    /// Records the intent. Durable when it returns; gives the moment of beginning.
    pub(super) fn begin(&self, scope: &Scope, step: &Step, path: &str) -> Result<u64, EngineError> {
        tracing::info!(path, verb = step.verb(), "step begins");
        self.recorder.record(Event::StepStarted(StepStarted {
            path: path.to_owned(),
            id: step.id.clone(),
            title: self.title_of(scope, step),
            action: kind_of(step, path),
            effect: step.effect(),
            digest: scope.digest(step),
            item: item(scope, path),
        }))?;
        scope.begun.cancel();
        Ok(self.elapsed())
    }

    /// Milliseconds since the run's process began; 0 for a fixed clock.
    pub(super) fn elapsed(&self) -> u64 {
        self.recorder.clock().milliseconds_since(self.begun)
    }

    /// Records the outcome and keeps the result for later steps.
    pub(super) fn end(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        begun: u64,
        ended: Ended,
    ) -> Result<Outcome, EngineError> {
        let ended = match &ended.output {
            output if is_loop(step, path) || output.is_null() => ended,
            output => match self.save(scope, step, path, output) {
                Ok(()) => ended,
                Err(_) if !ended.outcome.is_good() => ended,
                Err((outcome, reason)) => Ended { outcome, reason, ..ended },
            },
        };
        let inherited = scope.unread(read_by(step));
        let ended = match &inherited {
            Some(why) if ended.outcome.is_good() => Ended {
                outcome: Outcome::Error,
                reason: why.clone(),
                summary: String::new(),
                ..ended
            },
            _ => ended,
        };
        let outcome = ended.outcome;
        tracing::info!(
            path,
            outcome = outcome.as_str(),
            attempts = ended.attempts,
            reason = %ended.reason,
            "step ends"
        );
        let recorded = ended.recorded.map_or_else(|| ended.output.clone(), Data::from);
        // the list of a loop and the output of a called runbook lack what was not looked at in them
        let is_read = matches!(step.body, Body::Verb(_) | Body::Value(_)) && !is_loop(step, path);
        let result = StepResult::new(outcome, path, ended.reason.clone(), ended.output, inherited);
        let is_open = ended.expectations.iter().any(|one| one.outcome == Truth::Error);
        let only_open = is_read && is_open && outcome == Outcome::Error;
        scope.put(&step.id, StepResult { only_open, ..result });
        match ended.lacks.map(|lacks| *lacks) {
            Some(Lack::All(why)) => scope.blank_out(&step.id, why),
            Some(Lack::Some(why)) => scope.leave_open(&step.id, why),
            None => {}
        }
        let effect = match &step.body {
            Body::Group(_) => Effect::Read,
            body => body.effect(),
        };
        let finished = Box::new(StepFinished {
            path: path.to_owned(),
            id: step.id.clone(),
            title: self.title_of(scope, step),
            action: kind_of(step, path),
            effect,
            digest: scope.digest(step),
            item: item(scope, path),
            outcome,
            severity: scope.severity.min(step.severity),
            summary: ended.summary,
            reason: ended.reason.to_string(),
            why: Some(ended.reason).filter(|reason| !matches!(reason, Reason::Says { .. })),
            attempts: ended.attempts,
            duration_ms: if begun == 0 && ended.attempts == 0 {
                0
            } else {
                self.elapsed().saturating_sub(begun)
            },
            expectations: ended.expectations,
            output: Value::Null,
            stored: None,
            saved: Vec::new(),
            met_secrets: false,
        });
        self.recorder.finish(finished, &recorded)?;
        Ok(outcome)
    }

    pub(super) fn title_of(&self, scope: &Scope, step: &Step) -> String {
        step.title.render_text(&scope.context_for(&step.title)).unwrap_or_else(|_| step.id.clone())
    }
}

/// The scope of a step with its own namespace: that of all that is in it, and of what verifies it.
/// A namespace that is not known is never replaced by another.
fn placed(scope: &Scope, step: &Step) -> Result<Scope, Blank> {
    let Some(own) = &step.namespace else { return Ok(scope.clone()) };
    if let Some(blank) = scope.blank(own.references()) {
        return Err(blank);
    }
    let namespace = own
        .render_text(&scope.context_for(own))
        .map_err(|error| error.to_string())
        .and_then(|name| check_namespace(&name).map(|()| name));
    let namespace =
        namespace.map_err(|error| (Outcome::Error, format!("its `namespace`: {error}").into()))?;
    Ok(scope.placed_in(namespace))
}

/// What the verdict of a step is made from, beside what it looks at itself: its program, its
/// expectations, the list that it goes through. The arguments of a verb say what is looked at, not
/// what is seen.
pub(super) fn read_by(step: &Step) -> impl Iterator<Item = &Reference> {
    let program = match &step.body {
        Body::Value(program) => Some(program),
        _ => None,
    };
    let expectations = step.expect.iter().flat_map(Expectation::references);
    program.into_iter().chain(&step.for_each).flat_map(Jq::references).chain(expectations)
}

/// What it does; a loop is shown as the group that it is.
fn kind_of(step: &Step, path: &str) -> StepKind {
    if is_loop(step, path) { StepKind::Group } else { step.kind() }
}

/// Whether this is a loop as a whole, and not one of its rounds.
fn is_loop(step: &Step, path: &str) -> bool {
    step.for_each.is_some() && !path.ends_with(']')
}

/// What a round of a loop is about, in short: a text as it is, an object by its name.
pub(super) fn item(scope: &Scope, path: &str) -> String {
    const MOST: usize = 40;
    let Some(item) = scope.item.as_deref().filter(|_| path.ends_with(']')) else {
        return String::new();
    };
    let named = item["name"].as_str().or_else(|| item["metadata"]["name"].as_str());
    let text = item.as_str().or(named).map_or_else(|| show(item), str::to_owned);
    let text = one_line(&text);
    if text.chars().count() <= MOST {
        text
    } else {
        format!("{}...", text.chars().take(MOST - 3).collect::<String>())
    }
}

/// A program in one line, for a reason.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
