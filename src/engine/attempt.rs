//! One action, repeated where that is right.

use super::ended::{Ended, failed};
use super::judge::Look;
use super::repeat::{Backoff, Held};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Action, Connection, Context, Failure, FailureKind, Output};
use crate::document::{Poll, Step};
use crate::event::{Event, Outcome, StepRetried};
use crate::expression::{Budget, present, with_present};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step may take that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// An action knows its deadline and can say what it last saw; one that does not end by itself is
/// ended this much later.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How a read is repeated that failed for a passing reason and does not say.
pub(super) const READ_RETRY: (u32, Duration, f64, Duration) =
    (3, Duration::from_millis(200), 2.0, Duration::from_secs(2));

const SECOND: Duration = Duration::from_secs(1);

/// The time that a look of a poll must have had, for its failure at the end of the step to count: one
/// that had less was cut off.
const ENOUGH: Duration = Duration::from_secs(5);

impl Run {
    /// The action, again and again where the step or the kind of failure asks for it.
    pub(super) async fn attempts(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        action: &Action,
    ) -> Result<Ended, EngineError> {
        let deadline = self.deadline(scope, step, action.timeout());
        let context = self.context(scope, path, deadline);
        let within = within(scope, (step, action), deadline);
        let mut backoff = Backoff::of(step, action);
        let mut since: Option<Instant> = None;
        let mut attempts = 0;
        let mut last: Option<(Held, Look)> = None;
        loop {
            attempts += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let pause = match self.attempt(action, &context, &within).await {
                Ok(output) => {
                    backoff.answered();
                    let look = self.judge(scope, step, output);
                    let Some(poll) = &step.poll else { return Ok(look.into_ended(attempts)) };
                    let held = Held::new(self.polled(scope, poll, &look), poll, &mut since);
                    if let Held::Enough = held {
                        return Ok(look.into_ended(attempts));
                    }
                    let until = poll.until.as_ref().filter(|_| matches!(held, Held::No));
                    let now = until.and_then(|until| {
                        let findings = || self.findings_so_far(scope);
                        present(until, &look.output, &scope.bindings(until.references(), findings))
                    });
                    (context.progress)(&with_present(held.progress(&look), now));
                    let pause = held.pause(poll);
                    if Instant::now() + pause >= deadline {
                        return Ok(held.too_late(look, &within, attempts));
                    }
                    last = Some((held, look));
                    pause
                }
                Err(failure) => {
                    // of a look that was cut off by the end of the time, the one before it counts,
                    // unless that failed, too
                    let was_cut_off = left < ENOUGH && Instant::now() >= deadline;
                    if let Some((held, look)) = last.take().filter(|_| was_cut_off) {
                        return Ok(held.too_late(look, &within, attempts));
                    }
                    match backoff.after(&failure) {
                        Some(pause) if Instant::now() + pause <= deadline => {
                            self.retried(path, attempts, &failure, pause)?;
                            pause
                        }
                        Some(_) | None => return Ok(failed(&failure, attempts)),
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = context.cancel.cancelled() => {
                    let ended = Ended::without_output(Outcome::Cancelled, "stopped");
                    return Ok(Ended { attempts, ..ended });
                }
            }
        }
    }

    /// One attempt, in the time that the step has.
    async fn attempt(
        &self,
        action: &Action,
        context: &Context,
        within: &str,
    ) -> Result<Output, Failure> {
        tokio::select! {
            result = action.perform(context) => result,
            () = context.cancel.cancelled() => {
                Err(Failure::new(FailureKind::Cancelled, "stopped"))
            }
            // nobody answered: that says nothing about what was asked for
            () = tokio::time::sleep_until(context.deadline + GRACE) => {
                Err(Failure::error(format!("timed out after {within}")))
            }
        }
    }

    /// Records and says that another attempt follows.
    pub(super) fn retried(
        &self,
        path: &str,
        attempt: u32,
        failure: &Failure,
        pause: Duration,
    ) -> Result<(), EngineError> {
        self.recorder.progress(path, &failure.message);
        self.recorder.record(Event::StepRetried(StepRetried {
            path: path.to_owned(),
            attempt,
            reason: failure.message.clone(),
            delay_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        }))
    }

    /// When a step must be over.
    pub(super) fn deadline(&self, scope: &Scope, step: &Step, own: Option<Duration>) -> Instant {
        let own = Instant::now() + timeout(scope, step).or(own).unwrap_or(DEFAULT_TIMEOUT);
        scope.deadline.map_or(own, |outer| own.min(outer))
    }

    pub(super) fn context(&self, scope: &Scope, path: &str, deadline: Instant) -> Context {
        let (recorder, place) = (self.recorder.clone(), path.to_owned());
        recorder.limit(path, deadline.saturating_duration_since(Instant::now()));
        Context {
            cluster: self.permit.connection.as_ref().and_then(Connection::client),
            namespace: scope.namespace.clone(),
            masker: self.masker.clone(),
            deadline,
            cancel: self.stop.token(scope.always).clone(),
            now: self.recorder.clock().now(),
            progress: Arc::new(move |text| recorder.progress(&place, text)),
            started: self.starter(path),
            // what only reads has nothing to find again
            note: Arc::new(|_| Ok(())),
            programs: self.programs.clone(),
            prompt: self.prompt.clone(),
            run: self.run_id.clone(),
            path: path.to_owned(),
            made: Arc::default(),
            records: self.records.clone(),
            shelf: self.shelf.clone(),
            hosts: scope.hosts(),
            outside: self.outside.clone(),
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
                    .map_err(|error| format!("cannot evaluate its `until`: {error}"))
            }
        }
    }
}

/// The time that a step says it may take.
pub(super) fn timeout(scope: &Scope, step: &Step) -> Option<Duration> {
    let deferred = step.timeout.as_ref()?;
    let text = deferred.render_text(&scope.context_for(deferred)).ok()?;
    text.parse::<crate::action::Duration>().ok().map(|timeout| timeout.0)
}

/// The time that a step has until its deadline, for a person: its own, or what is left to the group
/// around it.
fn within(scope: &Scope, (step, action): (&Step, &Action), deadline: Instant) -> String {
    let shown = |duration| crate::action::Duration(duration).to_string();
    let own = timeout(scope, step).or_else(|| action.timeout()).unwrap_or(DEFAULT_TIMEOUT);
    let left = deadline.saturating_duration_since(Instant::now());
    if scope.deadline != Some(deadline) || left >= own {
        return shown(own);
    }
    let left = if left < SECOND { left.as_millis() as u64 } else { left.as_secs() * 1000 };
    format!("{}, which was left of the timeout of its group", shown(Duration::from_millis(left)))
}
