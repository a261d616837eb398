//! A change whose answer was lost: what proves that it was made, or was not, and when it may be
//! sent again.
//!
//! - A look that shows it made proves that it was made.
//! - A look that does not show it proves nothing: the request may still be under way. So the run
//!   looks for a while, and ends in doubt.
//! - A resume that still does not see it sends it again only where the request itself keeps it from
//!   being done twice ([`Again::Refused`]: it tests what it replaces, or names the uid that it
//!   ends; whichever of the two comes first is carried out, and the other one is refused), or where
//!   twice is as good as once ([`Again::Harmless`]). A refusal is then followed by another look: it
//!   may be the word that the first one came through.
//! - Everything else waits for the word of a person.

use super::{EngineError, Run};
use crate::action::Context;
use crate::action::support::change::{Seen, observe, recorded};
use crate::api::{Again, Write};
use crate::event::{
    ChangeDoubted, ChangeFinished, ChangeResult, ChangeStarted, Event, PlannedChange, StepMark,
    StepMarked,
};
use crate::state::{ChangeStage, ChangeState};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long looks follow a lost answer, if the step has the time.
const LOOKS: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How long one look may take, also when the step's time is over: without one nothing is known at
/// all.
const LOOK: Duration = Duration::from_secs(5);
/// After this time no API server works on a request any more: it gives one up after 60 s unless it
/// is told otherwise.
const UNDER_WAY: Duration = Duration::from_secs(90);

/// What is said of an effect that nobody looks for.
pub(super) const UNSEEN: &str = "its effect cannot be observed";

/// A request whose answer was lost.
pub(super) struct Lost<'a> {
    pub(super) path: &'a str,
    pub(super) index: usize,
    pub(super) planned: &'a PlannedChange,
    /// None if it cannot be sent again from the record.
    pub(super) write: Option<&'a Write>,
    /// What happened to the answer.
    pub(super) why: String,
    /// Why its effect cannot be observed, where it is no request.
    pub(super) unseen: &'a str,
}

/// What is known in the end.
pub(super) enum Known {
    /// It was made.
    Done,
    /// It was not made as far as can be seen, or a person says so: it may be sent again.
    NotDone,
    /// Nobody knows: the run ends in doubt.
    InDoubt,
}

impl Run {
    /// Looks for a while at the object of a request that this process has sent. Only being seen
    /// proves something: see the module.
    pub(super) async fn lost(
        &self,
        lost: &Lost<'_>,
        context: &Context,
    ) -> Result<Known, EngineError> {
        let until = context.deadline.min(Instant::now() + LOOKS);
        let (begun, mut pause, mut looks) = (Instant::now(), FIRST_PAUSE, 0_u32);
        let seen = loop {
            let (seen, current) = self.see(lost).await;
            looks += 1;
            let left = until.saturating_duration_since(Instant::now());
            if seen == Seen::Done {
                return self.settled(lost, ChangeResult::Observed, current.as_ref(), false);
            }
            if left.is_zero() {
                break seen;
            }
            (context.progress)(&format!("{}; checking {}", lost.why, lost.planned.object.short()));
            tokio::select! {
                () = tokio::time::sleep(pause.min(left)) => {}
                () = context.cancel.cancelled() => break seen,
                () = self.stop.token(true).cancelled() => break seen,
            }
            pause = (pause * 2).min(LAST_PAUSE);
        };
        match seen {
            Seen::CannotTell(reason) => self.asked(lost, &reason, context).await,
            Seen::Done | Seen::NotDone => {
                let times = if looks == 1 {
                    "one check does".to_owned()
                } else {
                    format!("{looks} checks in {} s do", begun.elapsed().as_secs().max(1))
                };
                self.doubtful(
                    lost,
                    &format!("{times} not show it yet; the request may still be in progress"),
                    context,
                )
            }
        }
    }

    /// Settles what an earlier process left in doubt. Whether the step may go on.
    pub(super) async fn settle_doubt(
        &self,
        path: &str,
        context: &Context,
        unseen: &str,
    ) -> Result<bool, EngineError> {
        self.late(path).await?;
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        for (index, change) in
            known.iter().enumerate().filter(|(_, change)| change.stage == ChangeStage::Started)
        {
            let write = serde_json::from_value::<Write>(change.planned.request.clone()).ok();
            let why = if change.doubt.is_some() {
                "its response was lost"
            } else {
                "the run ended before a response arrived"
            }
            .to_owned();
            let planned = &change.planned;
            let lost = Lost { path, index, planned, write: write.as_ref(), why, unseen };
            let known = match self.see(&lost).await {
                (Seen::Done, current) => {
                    self.settled(&lost, ChangeResult::Observed, current.as_ref(), false)?
                }
                (Seen::CannotTell(reason), _) => self.asked(&lost, &reason, context).await?,
                (Seen::NotDone, current) => match (
                    write.as_ref().map(Write::again),
                    under_way(change.sent, self.recorder.clock().now()),
                ) {
                    // the record says that it was not made before it is planned and sent anew: what
                    // is sent then tells the rest
                    (Some(Again::Refused | Again::Harmless), _) => {
                        self.settled(&lost, ChangeResult::NotMade, current.as_ref(), true)?
                    }
                    (_, Some(left)) => {
                        let reason = format!(
                            "a check does not show it; the request may still be in progress for \
                                {} s: check again then",
                            left.as_secs() + 1
                        );
                        self.doubtful(&lost, &reason, context)?
                    }
                    (_, None) => {
                        let reason = format!(
                            "a check does not show it, and no request takes longer than {} s; but \
                                the object may have been created and deleted again",
                            UNDER_WAY.as_secs()
                        );
                        self.asked(&lost, &reason, context).await?
                    }
                },
            };
            if matches!(known, Known::InDoubt) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Requests that a look alone took for not made, and that came through after all.
    pub(super) async fn late(&self, path: &str) -> Result<(), EngineError> {
        let known: Vec<ChangeState> = self.recorder.state(|state| state.changes_of(path).to_vec());
        for (index, change) in known.iter().enumerate().filter(|(_, change)| change.is_unproven()) {
            let write = serde_json::from_value::<Write>(change.planned.request.clone()).ok();
            let why = "its response was lost, and it took effect late".to_owned();
            let planned = &change.planned;
            let lost = Lost { path, index, planned, write: write.as_ref(), why, unseen: UNSEEN };
            if let (Seen::Done, current) = self.see(&lost).await {
                self.recorder
                    .record(Event::ChangeStarted(ChangeStarted { path: path.to_owned(), index }))?;
                self.settled(&lost, ChangeResult::Observed, current.as_ref(), false)?;
            }
        }
        Ok(())
    }

    /// One look at the object.
    pub(super) async fn see(&self, lost: &Lost<'_>) -> (Seen, Option<Value>) {
        let cannot = |reason: String| (Seen::CannotTell(reason), None);
        let Some(write) = lost.write else {
            return cannot(lost.unseen.to_owned());
        };
        let Some(port) = self.permit.port() else {
            return cannot("there is no cluster to check".to_owned());
        };
        match timeout(LOOK, port.look(&write.resource, &write.namespace, &write.name)).await {
            Ok(Ok(current)) => (observe(lost.planned, current.as_ref(), &self.masker), current),
            Ok(Err(error)) => cannot(format!("it cannot be checked: {error}")),
            Err(_) => cannot(format!("it cannot be checked: timed out after {} s", LOOK.as_secs())),
        }
    }

    /// Asks a person whether it was made. Without anybody to ask it stays in doubt.
    async fn asked(
        &self,
        lost: &Lost<'_>,
        reason: &str,
        context: &Context,
    ) -> Result<Known, EngineError> {
        let question = format!(
            "{}: {} of {}: was it made? ({reason})",
            lost.path,
            lost.planned.summary,
            lost.planned.object.short()
        );
        let Some(made) = self.ask(lost.path, &question, None).await else {
            return self.doubtful(lost, reason, context);
        };
        self.recorder.record(Event::StepMarked(StepMarked {
            path: lost.path.to_owned(),
            mark: if made { StepMark::Done } else { StepMark::NotDone },
            by: self.consent.operator.clone(),
            reason: "answered at the prompt".to_owned(),
        }))?;
        Ok(if made { Known::Done } else { Known::NotDone })
    }

    /// Records what is known so far; the run ends in doubt.
    fn doubtful(
        &self,
        lost: &Lost<'_>,
        reason: &str,
        context: &Context,
    ) -> Result<Known, EngineError> {
        let reason = format!("{}; {reason}", lost.why);
        (context.progress)(&reason);
        self.recorder.record(Event::ChangeDoubted(ChangeDoubted {
            path: lost.path.to_owned(),
            index: lost.index,
            reason,
        }))?;
        Ok(Known::InDoubt)
    }

    fn settled(
        &self,
        lost: &Lost<'_>,
        result: ChangeResult,
        current: Option<&Value>,
        unproven: bool,
    ) -> Result<Known, EngineError> {
        let object = lost.planned.object.short();
        let (reason, known) = match result {
            ChangeResult::NotMade => (
                format!(
                    "{}; a check of {object} does not show it: it can safely be sent again",
                    lost.why
                ),
                Known::NotDone,
            ),
            ChangeResult::Made | ChangeResult::Observed => {
                (format!("{}; a check of {object} shows that it was made", lost.why), Known::Done)
            }
        };
        let after = current.map(|object| recorded(object, &self.masker)).unwrap_or_default();
        let (path, index) = (lost.path.to_owned(), lost.index);
        self.recorder.record(Event::ChangeFinished(ChangeFinished {
            path,
            index,
            result,
            after,
            reason,
            unproven,
        }))?;
        Ok(known)
    }
}

/// How long a request that was sent then may still be under way; none if it cannot be any more.
fn under_way(sent: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let gone = Duration::try_from(now.duration_since(sent?)).unwrap_or_default();
    UNDER_WAY.checked_sub(gone).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_no_longer_than_an_api_server_works_on_one() {
        let at = |second: i64| Timestamp::from_second(1_000_000 + second).unwrap();
        for (sent, now, left) in [
            (None, at(0), None),
            (Some(at(0)), at(0), Some(90)),
            (Some(at(0)), at(89), Some(1)),
            (Some(at(0)), at(90), None),
            (Some(at(0)), at(1000), None),
            // a clock that was set back proves nothing
            (Some(at(50)), at(0), Some(90)),
        ] {
            assert_eq!(under_way(sent, now), left.map(Duration::from_secs), "{sent:?} {now:?}");
        }
    }
}
