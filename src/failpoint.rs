//! Places where a test build of the program dies, to prove that a crash there does no harm.
//!
//! Without the feature `failpoints` all of this is nothing.

/// Ends the process with SIGKILL if this is the place that `RUNBOOK_FAILPOINT` names by its number,
/// counted from 1.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(place: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
    if let Ok(path) = std::env::var("RUNBOOK_FAILPOINT_LOG") {
        use std::io::Write;
        if let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) {
            let _ = writeln!(file, "{count} {place}");
        }
    }
    if std::env::var("RUNBOOK_FAILPOINT").ok().and_then(|number| number.parse().ok()) == Some(count)
    {
        let _ = std::process::Command::new("kill")
            .arg("-9")
            .arg(std::process::id().to_string())
            .status();
        std::thread::sleep(std::time::Duration::from_secs(5));
    }
}

/// Nothing.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn hit(_place: &str) {}
