//! A step that waits for a time: here, or without a process.

use super::ended::{End, Ended, Waits};
use super::scope::Scope;
use super::{EngineError, Run};
use crate::action::Output;
use crate::construct::WaitForTime;
use crate::document::Step;
use crate::event::{Event, Mode, Outcome, StepDue};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// How often the remaining time is shown, and the clock read again: a machine that slept is behind.
const TICK: Duration = Duration::from_secs(5);

impl Run {
    /// A `wait_for_time` step: waits until the time that is recorded, or that it determines now.
    /// What is further away than somebody attends to is waited for without a process.
    pub(super) async fn wait_for_time(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        wait: &WaitForTime,
    ) -> Result<End, EngineError> {
        let digest = scope.digest(step);
        let known = self.recorder.state(|state| state.due(path).cloned());
        let waits = match known.filter(|known| known.digest == digest) {
            Some(known) => known,
            None => match self.moment(scope, step, path, wait).await? {
                Ok((from, due)) => StepDue { path: path.to_owned(), digest, from, due },
                Err(ended) => return Ok(ended.into()),
            },
        };
        let left = left(waits.due, self.recorder.clock().now());
        if self.mode == Mode::DryRun && !left.is_zero() {
            self.leave_out(path);
            let reason = format!("would wait until {} ({})", waits.due, shown(left));
            return Ok(Ended::without_output(Outcome::Unknown, reason).into());
        }
        if self.recorder.state(|state| state.due(path) != Some(&waits)) {
            self.recorder.record(Event::StepDue(waits.clone()))?;
        }
        if left > wait.attended.0 {
            let (what, command) = ("its time", self.resume_command(None));
            return Ok(End::Waits(Waits { what, command, due: Some(waits.due), before: "" }));
        }
        Ok(self.until_due(scope, step, path, &waits).await.into())
    }

    /// When the wait begins and ends; the end of the step if that cannot be determined.
    async fn moment(
        &self,
        scope: &Scope,
        step: &Step,
        path: &str,
        wait: &WaitForTime,
    ) -> Result<Result<(Timestamp, Timestamp), Ended>, EngineError> {
        let mut cronjob = Value::Null;
        if let Some(look) = wait.look() {
            // what is expected of the step is expected of its wait
            let bare = Step { expect: Vec::new(), poll: None, ..step.clone() };
            let ended = self.attempts(scope, &bare, path, &look).await?;
            if ended.outcome != Outcome::Passed {
                return Ok(Err(ended));
            }
            cronjob = ended.output.to_value();
        }
        let from = self.recorder.clock().now();
        let due = wait.due(&cronjob, from).map(|due| (from, due));
        Ok(due.map_err(|reason| Ended {
            attempts: 1,
            ..Ended::without_output(Outcome::Error, reason)
        }))
    }

    /// Waits here, with the remaining time in sight.
    async fn until_due(&self, scope: &Scope, step: &Step, path: &str, waits: &StepDue) -> Ended {
        let clock = self.recorder.clock();
        let all = left(waits.due, clock.now());
        // a clock that stands still does not keep it waiting
        let (begun, end) = (Instant::now(), self.deadline(scope, step, Some(all)));
        let context = self.context(scope, path, end);
        let ended =
            |outcome, reason: &str| Ended { attempts: 1, ..Ended::without_output(outcome, reason) };
        loop {
            let left = left(waits.due, clock.now()).min(all.saturating_sub(begun.elapsed()));
            if left.is_zero() {
                let output = json!({"from": waits.from, "due": waits.due});
                let output = Output::new(output, format!("was due at {}", waits.due));
                return self.judge(scope, step, output).into_ended(1);
            }
            (context.progress)(&format!("waits until {}: {} left", waits.due, shown(left)));
            let tick = if clock.is_simulated() { left } else { left.min(TICK) };
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                () = context.cancel.cancelled() => {
                    return ended(Outcome::Cancelled, "stopped while waiting");
                }
                () = tokio::time::sleep_until(end + super::attempt::GRACE) => {
                    return ended(Outcome::Error, "the time of the step is shorter than the wait");
                }
            }
        }
    }
}

/// How long it is until then; nothing if it has passed.
fn left(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now).max(SignedDuration::ZERO)).unwrap_or_default()
}

/// A duration for a person, in whole seconds.
fn shown(left: Duration) -> String {
    crate::action::Duration(Duration::from_secs(left.as_secs_f64().ceil() as u64)).to_string()
}
