//! One action, repeated where that is right.

use super::ended::{Ended, failed};
use super::judge::Look;
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::{Action, Connection, Context, Failure, FailureKind};
use crate::document::{Poll, Retry, Step};
use crate::event::{Effect, Event, Outcome, StepRetried};
use crate::expression::Budget;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a step may take that does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// An action knows its deadline and can say what it last saw; one that does not end by itself is
/// ended this much later.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How a read is repeated that failed for a passing reason and does not say.
const READ_RETRY: (u32, Duration, f64, Duration) =
    (3, Duration::from_millis(200), 2.0, Duration::from_secs(2));

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
    pub(super) fn deadline(&self, scope: &Scope, step: &Step, own: Option<Duration>) -> Instant {
        let own = Instant::now() + timeout(scope, step).or(own).unwrap_or(DEFAULT_TIMEOUT);
        scope.deadline.map_or(own, |outer| own.min(outer))
    }

    pub(super) fn context(&self, scope: &Scope, path: &str, deadline: Instant) -> Context {
        let (recorder, place) = (self.recorder.clone(), path.to_owned());
        Context {
            cluster: self.connection.as_ref().and_then(Connection::client),
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
