//! Time from outside, so that output can be the same twice.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where times come from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The time of the machine.
    System,
    /// Always this time; nothing takes any.
    Fixed(Timestamp),
    /// A time that began at a moment and goes on as the clock of the tokio runtime does: where that
    /// is paused, waiting takes no time of the machine.
    Runtime {
        /// The time at the beginning.
        begin: Timestamp,
        /// When that was.
        since: Instant,
    },
}

/// A moment from which a duration is measured.
#[derive(Clone, Copy, Debug)]
pub struct Begun(Instant);

impl Clock {
    /// A clock of the current tokio runtime, at which it is this time now.
    pub fn starting_at(begin: Timestamp) -> Self {
        Self::Runtime { begin, since: Instant::now() }
    }

    /// The time now.
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Fixed(time) => time,
            Self::Runtime { begin, since } => {
                let passed = SignedDuration::try_from(since.elapsed()).unwrap_or_default();
                begin.saturating_add(passed).unwrap_or(begin)
            }
        }
    }

    /// Whether it is another time than that of the machine, as in a rehearsal.
    pub fn is_simulated(self) -> bool {
        matches!(self, Self::Runtime { .. })
    }

    /// When a simulated cluster begins whose time is this one; the time of the machine if none.
    pub fn of_simulation(self) -> Option<Timestamp> {
        match self {
            Self::System => None,
            Self::Fixed(_) | Self::Runtime { .. } => Some(self.now()),
        }
    }

    /// Begins to measure.
    pub fn start(self) -> Begun {
        Begun(Instant::now())
    }

    /// Milliseconds since then; 0 for a fixed clock.
    pub fn milliseconds_since(self, begun: Begun) -> u64 {
        match self {
            Self::System | Self::Runtime { .. } => {
                u64::try_from(begun.0.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
            Self::Fixed(_) => 0,
        }
    }
}
