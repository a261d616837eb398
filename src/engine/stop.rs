//! How a run is asked to stop: once to end in order, twice to end now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio_util::sync::CancellationToken;

/// What asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`.
    Terminate,
    /// The terminal is gone, or the connection to it.
    Hangup,
    /// The run's own deadline.
    Deadline,
}

impl Signal {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Deadline => crate::event::DEADLINE,
        }
    }

    /// The exit code that goes with it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
            Self::Deadline => 3,
        }
    }
}

/// Asks a run to stop. Cloning gives another handle on the same run.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// No new step; what only looks is given up.
    soon: CancellationToken,
    /// Nothing more, not even what must always be done.
    now: CancellationToken,
    signal: Arc<AtomicU8>,
}

impl Stop {
    /// A run that nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a signal: the first stops in order, the second at once. Says how many there were.
    pub fn take(&self, signal: Signal) -> u8 {
        let code = match signal {
            Signal::Interrupt => 1,
            Signal::Terminate => 2,
            Signal::Deadline => 3,
            Signal::Hangup => 4,
        };
        if self.signal.load(Ordering::SeqCst) == 0 {
            self.signal.store(code, Ordering::SeqCst);
        }
        if self.soon.is_cancelled() {
            if self.now.is_cancelled() {
                return 3;
            }
            self.now.cancel();
            return 2;
        }
        self.soon.cancel();
        1
    }

    /// The run's own time is over.
    pub fn time_is_up(&self) {
        self.take(Signal::Deadline);
    }

    /// What asked first, if anything did.
    pub fn signal(&self) -> Option<Signal> {
        match self.signal.load(Ordering::SeqCst) {
            1 => Some(Signal::Interrupt),
            2 => Some(Signal::Terminate),
            3 => Some(Signal::Deadline),
            4 => Some(Signal::Hangup),
            _ => None,
        }
    }

    /// The token for ordinary steps, or for those that are done in any case.
    pub fn token(&self, always: bool) -> &CancellationToken {
        if always { &self.now } else { &self.soon }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_is_gone_ends_the_run_in_order() {
        let stop = Stop::new();
        stop.take(Signal::Hangup);
        assert!(stop.token(false).is_cancelled() && !stop.token(true).is_cancelled());
        assert_eq!(
            stop.signal().map(|signal| (signal.name(), signal.exit_code())),
            Some(("SIGHUP", 129))
        );
    }

    #[test]
    fn a_ladder_of_three() {
        let stop = Stop::new();
        assert_eq!(stop.signal(), None);
        assert_eq!(stop.take(Signal::Terminate), 1);
        assert!(stop.token(false).is_cancelled() && !stop.token(true).is_cancelled());
        assert_eq!(stop.take(Signal::Interrupt), 2);
        assert!(stop.token(true).is_cancelled());
        assert_eq!(stop.take(Signal::Interrupt), 3);
        assert_eq!(stop.signal().map(Signal::exit_code), Some(143), "the first signal decides");
    }
}
