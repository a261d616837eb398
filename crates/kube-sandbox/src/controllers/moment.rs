//! The time at which controllers act, and when they are to act again although nothing changed.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};

use crate::app::Watch;

/// A moment at which controllers act. It keeps what they found to be due later: until then, and as
/// long as nothing changes, they would do the same again, which is nothing.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// The same for the processes.
    pub(crate) watch: Watch,
    /// When what is under way goes on: a pod is ready, a program ends.
    soon: Cell<Option<Timestamp>>,
    /// When something is over: a deadline.
    late: Cell<Option<Timestamp>>,
}

impl Moment {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now, watch: Watch::at(now), soon: Cell::new(None), late: Cell::new(None) }
    }

    /// Whether so much time has passed since then. If not, something goes on when it has.
    pub(crate) fn awaits(&self, since: Timestamp, length: SignedDuration) -> bool {
        self.reached(&self.soon, since, length)
    }

    /// Whether so much time has passed since then. If not, something is over when it has.
    pub(crate) fn passed(&self, since: Timestamp, length: SignedDuration) -> bool {
        self.reached(&self.late, since, length)
    }

    /// Something is over at that time, if it is still to come.
    pub(crate) fn notes(&self, due: Timestamp) {
        self.reached(&self.late, due, SignedDuration::ZERO);
    }

    fn reached(
        &self,
        next: &Cell<Option<Timestamp>>,
        since: Timestamp,
        length: SignedDuration,
    ) -> bool {
        let due = since.saturating_add(length).unwrap_or(Timestamp::MAX);
        let reached = due <= self.now;
        if !reached {
            next.set(earliest(next.get(), Some(due)));
        }
        reached
    }

    /// When what is under way goes on; none when nothing is.
    pub(crate) fn soon(&self) -> Option<Timestamp> {
        self.soon.get()
    }

    /// When something is over; none when nothing is.
    pub(crate) fn late(&self) -> Option<Timestamp> {
        self.late.get()
    }

    /// Keeps what somebody else has found to be due.
    pub(crate) fn takes_over(&self, soon: Option<Timestamp>, late: Option<Timestamp>) {
        self.soon.set(earliest(self.soon.get(), soon));
        self.late.set(earliest(self.late.get(), late));
    }

    /// When the controllers are to act again although nothing changed.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        earliest(self.soon.get(), self.late.get())
    }
}

/// The earlier of two times, of which each may be absent.
pub(crate) fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_moment_is_the_earliest_that_is_still_to_come() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let moment = Moment::at(second(10));
        let seconds = SignedDuration::from_secs;
        assert!(moment.passed(second(0), seconds(10)) && moment.awaits(second(1), seconds(2)));
        assert_eq!(moment.next(), None, "what has passed is not due");
        assert!(!moment.passed(second(0), seconds(90)) && !moment.passed(second(0), seconds(30)));
        assert_eq!((moment.soon(), moment.next()), (None, Some(second(30))));
        assert!(!moment.awaits(second(0), seconds(40)));
        assert_eq!((moment.soon(), moment.next()), (Some(second(40)), Some(second(30))));
        moment.notes(second(9));
        assert_eq!(moment.next(), Some(second(30)), "what is over is not due");
        moment.notes(second(20));
        assert_eq!(moment.next(), Some(second(20)));
    }
}
