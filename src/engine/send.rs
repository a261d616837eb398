//! One change, recorded before and after, and what its answer proves.

use super::doubt::{Known, Lost};
use super::ended::{Ended, not_made};
use super::{EngineError, Run};
use crate::action::support::change::{Seen, observe, recorded};
use crate::action::{Context, Failure, FailureKind};
use crate::api::{Error, ErrorKind, Method, Sender, Write};
use crate::event::{
    ChangeFinished, ChangeResult, ChangeStarted, Event, Outcome, PlannedChange, Reason,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before what the server asked to send later, if it names none; kubectl's for evictions.
const LATER: Duration = Duration::from_secs(5);

/// A change that is to be sent.
pub(super) struct Request<'a> {
    pub(super) path: &'a str,
    /// Its place in the step.
    pub(super) index: usize,
    pub(super) planned: &'a PlannedChange,
    pub(super) write: &'a Write,
    pub(super) context: &'a Context,
    /// An earlier request of the step may have been carried out, or still be.
    pub(super) doubted: bool,
}

/// What came of one request.
pub(super) enum Sent {
    Made,
    NotMade(Box<Ended>),
    InDoubt,
}

/// What an answer says.
enum Answered {
    /// What came of the request.
    Sent(Sent),
    /// The server certainly did not carry it out.
    Refused(Error),
}

impl From<Known> for Sent {
    fn from(known: Known) -> Self {
        match known {
            Known::Done => Self::Made,
            Known::NotDone => Self::NotMade(Box::new(Ended::without_output(
                Outcome::Error,
                "marked as not made; run again",
            ))),
            Known::InDoubt => Self::InDoubt,
        }
    }
}

impl Request<'_> {
    fn lost(&self, why: impl Into<String>) -> Lost<'_> {
        Lost {
            path: self.path,
            index: self.index,
            planned: self.planned,
            write: Some(self.write),
            why: why.into(),
            unseen: super::doubt::UNSEEN,
        }
    }

    /// Whether the object is gone afterwards.
    fn ends(&self) -> bool {
        matches!(self.write.method, Method::Delete | Method::Evict)
    }
}

fn not_sent(outcome: Outcome, reason: impl Into<Reason>, attempts: u32) -> Sent {
    Sent::NotMade(Box::new(Ended { attempts, ..Ended::without_output(outcome, reason) }))
}

impl Run {
    /// One change, recorded before and after. What the server certainly did not do for a passing
    /// reason is sent again until the deadline; everything else is sent once.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Sent, EngineError> {
        let Some(sender) = self.permit.sender() else {
            return Ok(not_sent(Outcome::Error, "this run cannot make changes", 0));
        };
        let mut attempt = 0;
        loop {
            if let Some(reason) = self.permit.lock_lost().await {
                return Ok(not_sent(Outcome::Error, reason, 0));
            }
            let left = request.context.remaining();
            if left.is_zero() {
                let object = request.planned.object.short();
                let reason =
                    format!("timed out before {object} was changed: this change was not sent");
                return Ok(not_sent(Outcome::Error, reason, attempt));
            }
            attempt += 1;
            let Some(answer) = self.sent_once(request, sender, left).await? else {
                return Ok(Sent::InDoubt);
            };
            match self.answered_with(request, answer).await? {
                Answered::Sent(sent) => return Ok(sent),
                Answered::Refused(error) => {
                    if let Some(sent) = self.refused(request, &error, attempt).await? {
                        return Ok(sent);
                    }
                }
            }
        }
    }

    /// Sends it once; the intent is durable before. None: the run was told to end at once, and what
    /// was sent stays in doubt.
    async fn sent_once(
        &self,
        request: &Request<'_>,
        sender: &Arc<dyn Sender>,
        left: Duration,
    ) -> Result<Option<Result<Value, Error>>, EngineError> {
        let (path, index) = (request.path.to_owned(), request.index);
        self.recorder.record(Event::ChangeStarted(ChangeStarted { path, index }))?;
        crate::failpoint::hit("before the request");
        let uid = request.planned.before["metadata"]["uid"].as_str();
        let answer = tokio::select! {
            answer = sender.send(request.write, uid, Some(left)) => Some(answer),
            () = self.stop.token(true).cancelled() => None,
        };
        if answer.is_some() {
            crate::failpoint::hit("after the request");
        }
        Ok(answer)
    }

    /// What the answer says came of the request.
    async fn answered_with(
        &self,
        request: &Request<'_>,
        answer: Result<Value, Error>,
    ) -> Result<Answered, EngineError> {
        let Request { planned, context, .. } = *request;
        let ends = request.ends();
        let sent = match answer {
            // the object, and nothing of the change in it: nobody has said that it was made
            Ok(after) if !ends && observe(planned, Some(&after), &self.masker) == Seen::NotDone => {
                let lost = request.lost("the response shows the object without the change");
                self.lost(&lost, context).await?.into()
            }
            Ok(after) => {
                let after = if ends { Value::Null } else { recorded(&after, &self.masker) };
                self.finished(request, ChangeResult::Made, after, String::new())?;
                Sent::Made
            }
            Err(error) if ends && error.kind == ErrorKind::NotFound => {
                let reason = "it was already deleted".to_owned();
                self.finished(request, ChangeResult::Observed, Value::Null, reason)?;
                Sent::Made
            }
            Err(error) if error.not_executed() => return Ok(Answered::Refused(error)),
            Err(error) => {
                let lost = request.lost(format!("no conclusive response: {error}"));
                self.lost(&lost, context).await?.into()
            }
        };
        Ok(Answered::Sent(sent))
    }

    /// A request that was certainly not carried out. None: it is sent again.
    async fn refused(
        &self,
        request: &Request<'_>,
        error: &Error,
        attempt: u32,
    ) -> Result<Option<Sent>, EngineError> {
        let Request { path, planned, context, .. } = *request;
        // what an earlier request has changed already is refused now
        if request.doubted
            && let (Seen::Done, current) = self.see(&request.lost("")).await
        {
            let after = current.map(|object| recorded(&object, &self.masker)).unwrap_or_default();
            let reason = format!("{error}; an earlier request whose response was lost created it");
            self.finished(request, ChangeResult::Observed, after, reason)?;
            return Ok(Some(Sent::Made));
        }
        let before = planned.before.clone();
        self.finished(request, ChangeResult::NotMade, before, error.to_string())?;
        let failure =
            kept_by_budget(planned, error).unwrap_or_else(|| changed_meanwhile(planned, error));
        let passing = matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unreachable);
        let pause = error.retry_after.unwrap_or(LATER);
        if !passing || Instant::now() + pause >= context.deadline {
            return Ok(Some(Sent::NotMade(Box::new(not_made(&failure, attempt)))));
        }
        self.retried(path, attempt, &Failure::from(error.clone()), pause)?;
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(None),
            () = context.cancel.cancelled() => {
                let reason = "stopped before the change was made";
                Ok(Some(not_sent(Outcome::Cancelled, reason, attempt)))
            }
        }
    }

    /// Records what came of it.
    fn finished(
        &self,
        request: &Request<'_>,
        result: ChangeResult,
        after: Value,
        reason: String,
    ) -> Result<(), EngineError> {
        let (path, index) = (request.path.to_owned(), request.index);
        let unproven = false;
        self.recorder.record(Event::ChangeFinished(ChangeFinished {
            path,
            index,
            result,
            after,
            reason,
            unproven,
        }))
    }
}

/// The step's time is over and a disruption budget still allows no eviction: an answer, not a lack
/// of one.
fn kept_by_budget(planned: &PlannedChange, error: &Error) -> Option<Failure> {
    let causes = error.status.as_ref()?["details"]["causes"].as_array()?;
    let budget = causes.iter().find(|cause| cause["reason"] == "DisruptionBudget")?["message"]
        .as_str()?
        .trim_end_matches('.');
    let text = format!(
        "{} was not evicted before the timeout of the step: {budget}; add a replica, or increase \
            the timeout",
        planned.object.short()
    );
    Some(Failure::new(FailureKind::TimedOut, text))
}

/// The tests of a patch failed, or a precondition did: someone was faster.
fn changed_meanwhile(planned: &PlannedChange, error: &Error) -> Failure {
    if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Invalid) {
        let object = planned.object.short();
        return Failure::new(
            FailureKind::Failed,
            format!(
                "{object} was not changed: it was modified since the preview ({error}); check it \
                    and run again"
            ),
        );
    }
    Failure::from(error.clone())
}
