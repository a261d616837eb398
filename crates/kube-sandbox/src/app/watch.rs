//! The time that processes see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

/// The time at which processes are asked. It notices whether one of them has read it: what came of
/// the others is the same at any time. Its clones notice together.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    at: Timestamp,
    read: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn at(at: Timestamp) -> Self {
        Self { at, read: Arc::default() }
    }

    /// The time, for what depends on it.
    pub(crate) fn read(&self) -> Timestamp {
        self.read.store(true, Ordering::Relaxed);
        self.at
    }

    /// The time, for what only carries it to where it may be read.
    pub(super) fn carried(&self) -> Timestamp {
        self.at
    }

    /// Another one of the same time, that nobody has read.
    pub(super) fn unread(&self) -> Self {
        Self::at(self.at)
    }

    pub(crate) fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_notice_together_that_the_time_was_read_and_others_do_not() {
        let watch = Watch::at(Timestamp::UNIX_EPOCH);
        let (other, unread) = (watch.clone(), watch.unread());
        assert_eq!((watch.carried(), watch.was_read()), (Timestamp::UNIX_EPOCH, false));
        assert_eq!(other.read(), Timestamp::UNIX_EPOCH);
        assert_eq!((watch.was_read(), unread.was_read()), (true, false));
    }
}
