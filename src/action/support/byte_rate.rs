//! How fast bytes come, for a person.

use crate::encoding::size;
use std::time::Duration;

/// `12.3 MiB, 4.1 MiB/s`
pub(in crate::action) fn rate(bytes: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    match per_second(bytes, millis) {
        Some(rate) => format!("{}, {}/s", size(bytes), size(rate)),
        None => size(bytes),
    }
}

/// Bytes in a second; none where no time has passed.
pub(in crate::action) fn per_second(bytes: u64, millis: u64) -> Option<u64> {
    (u128::from(bytes) * 1000).checked_div(millis.into()).and_then(|rate| u64::try_from(rate).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_time() {
        assert_eq!(rate(300, Duration::ZERO), "300 B");
        assert_eq!(rate(3 << 20, Duration::from_millis(1500)), "3.0 MiB, 2.0 MiB/s");
    }
}
