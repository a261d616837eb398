//! Whether an action is done once more: after a failure that passes, or until something holds.

use super::attempt::READ_RETRY;
use super::ended::Ended;
use super::judge::Look;
use crate::action::{Action, Failure, FailureKind};
use crate::document::{Poll, Retry, Step};
use crate::event::{Effect, Outcome};
use std::time::Duration;
use tokio::time::Instant;

/// How often, and after which pauses, a failure that passes is followed by another attempt.
pub(super) struct Backoff {
    limit: u32,
    delay: Duration,
    factor: f64,
    longest: Duration,
    /// Since the last success.
    failures: u32,
    polls: bool,
}

impl Backoff {
    /// As the step says; a read that does not say is repeated all the same.
    pub(super) fn of(step: &Step, action: &Action) -> Self {
        let (limit, delay, factor, longest) = match &step.retry {
            Some(Retry { attempts, delay, backoff, max_delay }) => {
                ((*attempts).max(1), delay.0, *backoff, max_delay.0)
            }
            None if action.effect() == Effect::Read => READ_RETRY,
            None => (1, Duration::ZERO, 1.0, Duration::ZERO),
        };
        Self { limit, delay, factor, longest, failures: 0, polls: step.poll.is_some() }
    }

    /// An attempt gave an answer.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// The pause before the next attempt; none if this failure is the end.
    pub(super) fn after(&mut self, failure: &Failure) -> Option<Duration> {
        let is_passing = failure.kind == FailureKind::Transient;
        if !is_passing || !(self.failures + 1 < self.limit || self.polls) {
            return None;
        }
        self.failures += 1;
        let pause = self.delay;
        self.delay = pause.mul_f64(self.factor.clamp(1.0, 10.0)).min(self.longest);
        Some(pause)
    }
}

/// What one look says about what is waited for.
pub(super) enum Held {
    /// It has held for long enough.
    Enough,
    /// It holds, and has to for longer.
    NotYet { held: Duration, hold: Duration },
    /// It does not hold.
    No,
    /// It cannot be judged, and may be later: a status that is not written, an empty list.
    Unjudged(String),
}

impl Held {
    /// `since`: when it began to hold, kept from look to look.
    pub(super) fn new(
        polled: Result<bool, String>,
        poll: &Poll,
        since: &mut Option<Instant>,
    ) -> Self {
        match polled {
            Ok(true) => {
                let held = since.get_or_insert_with(Instant::now).elapsed();
                let hold = poll.hold.map_or(Duration::ZERO, |hold| hold.0);
                if held >= hold { Self::Enough } else { Self::NotYet { held, hold } }
            }
            Ok(false) => {
                *since = None;
                Self::No
            }
            Err(reason) => {
                *since = None;
                Self::Unjudged(reason)
            }
        }
    }

    /// The pause before the next look.
    pub(super) fn pause(&self, poll: &Poll) -> Duration {
        match self {
            Self::NotYet { held, hold } => poll.every.0.min(hold.saturating_sub(*held)),
            Self::Enough | Self::No | Self::Unjudged(_) => poll.every.0,
        }
    }

    /// What is said while it is waited.
    pub(super) fn progress(&self, look: &Look) -> String {
        match self {
            Self::NotYet { held, hold } => {
                format!("held for {} s of {} s", held.as_secs(), hold.as_secs())
            }
            Self::Unjudged(reason) => reason.clone(),
            Self::Enough | Self::No => last_seen(look).to_owned(),
        }
    }

    /// The end of a step whose time is over.
    pub(super) fn too_late(&self, look: Look, within: &str, attempts: u32) -> Ended {
        let (outcome, reason) = match self {
            Self::Unjudged(reason) => {
                (Outcome::Error, format!("could not be determined within {within}: {reason}"))
            }
            Self::Enough | Self::NotYet { .. } | Self::No => {
                let seen = last_seen(&look);
                (Outcome::TimedOut, format!("condition not met within {within}; last seen: {seen}"))
            }
        };
        Ended { outcome, reason: reason.into(), ..look.into_ended(attempts) }
    }
}

fn last_seen(look: &Look) -> &str {
    if look.reason.is_empty() { &look.summary } else { &look.reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_limit() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff {
            limit: 4,
            delay: second,
            factor: 2.0,
            longest: second * 3,
            failures: 0,
            polls: false,
        };
        let failure = Failure::new(FailureKind::Transient, "reset");
        let pauses: Vec<_> = (0..4).map(|_| backoff.after(&failure)).collect();
        assert_eq!(pauses, [Some(second), Some(second * 2), Some(second * 3), None]);
        // an answer begins the count again, and a poll has no limit but its time
        backoff.answered();
        assert_eq!(backoff.after(&failure), Some(second * 3));
        backoff.polls = true;
        assert!((0..9).all(|_| backoff.after(&failure).is_some()));
        assert_eq!(backoff.after(&Failure::error("refused")), None);
    }
}
