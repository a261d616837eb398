//! How much memory an evaluation may add to the process.
//!
//! What one operation makes is bounded where it is made; what many of them keep is only seen from
//! outside. So the process itself is looked at while an evaluation goes on: that counts everything,
//! also what the engine keeps for itself.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What the process may grow by during one evaluation, in bytes.
const MOST_GROWTH: u64 = 64 << 20;
/// Between two ordinary looks.
pub(super) const OFTEN: Duration = Duration::from_millis(4);
/// Between two looks while large values are made.
pub(super) const AT_ONCE: Duration = Duration::from_millis(1);

/// From when on an evaluation is looked at, by its own account.
const WORTH_A_LOOK: u64 = 1 << 20;

/// The memory of the process since an evaluation was first looked at.
///
/// Others grow, too: an evaluation is stopped only if it may itself have made that much, by its own
/// account of all that it made.
pub(super) struct MemoryWatch {
    made: Cell<u64>,
    base: Cell<Option<u64>>,
    looked: Cell<Option<Instant>>,
}

impl MemoryWatch {
    pub(super) fn new() -> Self {
        Self { made: Cell::new(0), base: Cell::new(None), looked: Cell::new(None) }
    }

    /// Accounts for something that was made; never for its end.
    pub(super) fn made(&self, bytes: usize) {
        self.made.set(self.made.get().saturating_add(bytes as u64));
    }

    /// Whether the process has grown too much; looks at most once in `interval`.
    pub(super) fn is_over(&self, interval: Duration) -> bool {
        let made = self.made.get();
        if made < WORTH_A_LOOK
            || self.looked.get().is_some_and(|looked| looked.elapsed() < interval)
        {
            return false;
        }
        self.looked.set(Some(Instant::now()));
        let Some(now) = resident() else { return false };
        match self.base.get() {
            Some(base) => made > MOST_GROWTH && now > base.saturating_add(MOST_GROWTH),
            None => {
                self.base.set(Some(now));
                false
            }
        }
    }
}

/// The resident memory of this process; known on Linux only, elsewhere the bounds of single
/// operations must do.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

pub(super) fn message() -> String {
    format!("stopped: the evaluation exceeds {} MiB of memory", MOST_GROWTH >> 20)
}
