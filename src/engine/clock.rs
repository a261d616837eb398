//! Time from outside, so that output can be the same twice.

use jiff::Timestamp;
use std::time::Instant;

/// Where times come from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The time of the machine.
    System,
    /// Always this time; nothing takes any.
    Fixed(Timestamp),
}

/// A moment from which a duration is measured.
#[derive(Clone, Copy, Debug)]
pub struct Begun(Instant);

impl Clock {
    /// The time now.
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Fixed(time) => time,
        }
    }

    /// Begins to measure.
    pub fn start(self) -> Begun {
        Begun(Instant::now())
    }

    /// Milliseconds since then; 0 for a fixed clock.
    pub fn milliseconds_since(self, begun: Begun) -> u64 {
        match self {
            Self::System => u64::try_from(begun.0.elapsed().as_millis()).unwrap_or(u64::MAX),
            Self::Fixed(_) => 0,
        }
    }
}
