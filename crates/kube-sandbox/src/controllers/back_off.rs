//! When a container that ends again and again is started, and when it waits.
//!
//! After `doBackOff` of `pkg/kubelet/kuberuntime/kuberuntime_manager.go` and
//! `client-go/util/flowcontrol/backoff.go`: the first start comes at once, the next ones after 10
//! seconds and twice as long each time, at most five minutes; who has run for ten minutes begins
//! anew.

use jiff::{SignedDuration, Timestamp};

const FIRST: SignedDuration = SignedDuration::from_secs(10);
const MOST: SignedDuration = SignedDuration::from_secs(300);
/// How long a program runs until its failures are forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(600);
/// How often the kubelet says that it waits.
const SAID: i64 = 12;

/// One run of the program of a container; it goes on where there is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// Where a container is that ends again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How often it has been started again.
    pub(crate) restarts: u64,
    /// The present run, or the last one if it waits.
    pub(crate) run: Run,
    pub(crate) previous: Option<Run>,
    /// How long it waits, if it does.
    pub(crate) wait: Option<SignedDuration>,
    /// How often the kubelet has said that it waits, and when first and last.
    pub(crate) said: u64,
    pub(crate) said_between: Option<(Timestamp, Timestamp)>,
}

impl Turn {
    /// When it goes on, where each run takes so long.
    pub(crate) fn next(&self, each: SignedDuration) -> Timestamp {
        let (since, length) = match (self.wait, self.run.until) {
            (Some(wait), Some(end)) => (end, wait),
            _ => (self.run.from, each),
        };
        since.saturating_add(length).unwrap_or(Timestamp::MAX)
    }
}

/// Where a container is now that ran from `began` to `first_end`, and takes `each` from then on.
pub(crate) fn turn(
    began: Timestamp,
    first_end: Timestamp,
    each: SignedDuration,
    now: Timestamp,
) -> Turn {
    let later = |at: Timestamp, by: SignedDuration| at.saturating_add(by).unwrap_or(at);
    let (mut start, mut end) = (began, first_end.max(began));
    let mut turn = Turn {
        restarts: 0,
        run: Run { from: began, until: None },
        previous: None,
        wait: None,
        said: 0,
        said_between: None,
    };
    let mut back_off: Option<(SignedDuration, Timestamp)> = None;
    while now >= end {
        let known = back_off.filter(|(_, since)| end.duration_since(*since) <= FORGOTTEN);
        let wait = known.map_or(SignedDuration::ZERO, |(wait, _)| wait);
        let next = later(end, wait);
        turn.run = Run { from: start, until: Some(end) };
        if !wait.is_zero() {
            let turns = now.min(next).duration_since(end).as_secs() / SAID;
            turn.said += u64::try_from(turns + 1).unwrap_or(1);
            let first = turn.said_between.map_or(end, |(first, _)| first);
            let last = later(end, SignedDuration::from_secs(turns * SAID));
            turn.said_between = Some((first, last));
        }
        if now < next {
            turn.wait = Some(wait);
            return turn;
        }
        let longer = known.map_or(FIRST, |(wait, _)| wait.checked_mul(2).unwrap_or(MOST).min(MOST));
        back_off = Some((longer, next));
        turn.previous = Some(turn.run);
        turn.restarts += 1;
        (start, end) = (next, later(next, each));
        turn.run = Run { from: start, until: None };
        if turn.restarts > 100_000 {
            break;
        }
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_container_waits_longer_each_time() {
        for (second, restarts, wait) in [
            (0, 0, None),
            (1, 1, None), // the first start comes at once
            (2, 1, Some(10)),
            (11, 1, Some(10)),
            (12, 2, None),
            (13, 2, Some(20)),
            (33, 3, None),
            (34, 3, Some(40)),
            (400, 6, Some(300)),
            (3600, 16, Some(300)),
        ] {
            let turn = turn(at(0), at(1), SignedDuration::from_secs(1), at(second));
            let waited = turn.wait.map(|wait| wait.as_secs());
            assert_eq!((turn.restarts, waited), (restarts, wait), "after {second} s");
            assert_eq!(turn.run.until.is_some(), wait.is_some(), "after {second} s");
        }
    }

    #[test]
    fn who_runs_for_long_is_not_held_back() {
        let turn = turn(at(0), at(700), SignedDuration::from_secs(700), at(2100));
        assert_eq!((turn.restarts, turn.wait), (3, None));
    }
}
