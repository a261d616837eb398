//! The process group of a local program, which ends with the run, however the run ends.
//!
//! A watcher (a few lines of `sh` in a process group of its own) holds the other end of a pipe.
//! When the pipe closes without a message, because the run was stopped, killed or has crashed, the
//! watcher sends SIGTERM to the group, and SIGKILL after a grace period. Without `sh`, the group is
//! killed immediately when the run stops, but survives a run that is killed.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

/// Seconds between SIGTERM and SIGKILL.
pub(in crate::action) const GRACE: u8 = 5;

/// The first line is the group; a second one says that the program has ended by itself.
const WATCHER: &str = r#"read -r group && ! read -r ended || exit 0
kill -s TERM -- "-$group"
while [ "$grace" -gt 0 ] && kill -s 0 -- "-$group"; do sleep 1; grace=$((grace - 1)); done
kill -s KILL -- "-$group""#;

/// Ends a process group when it is dropped.
pub(in crate::action) struct Group {
    pid: Pid,
    watcher: Option<(Child, ChildStdin)>,
    over: bool,
}

impl Group {
    /// Watches the group of this leader.
    pub(in crate::action) async fn watch(leader: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(leader).ok()?)?;
        let mut group = Self { pid, watcher: watcher(), over: false };
        if let Some((_, pipe)) = &mut group.watcher
            && pipe.write_all(format!("{leader}\n").as_bytes()).await.is_err()
        {
            group.watcher = None;
        }
        Some(group)
    }

    /// The program has ended by itself. What it left behind in its group is terminated.
    pub(in crate::action) async fn ended(mut self) {
        if test_kill_process_group(self.pid).is_ok() {
            return;
        }
        self.over = true;
        if let Some((_, pipe)) = &mut self.watcher {
            // a watcher that is gone does nothing any more
            drop(pipe.write_all(b"ended\n").await);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let signal = if self.watcher.is_some() { Signal::TERM } else { Signal::KILL };
        if let Err(error) = kill_process_group(self.pid, signal) {
            tracing::debug!(%error, "the process group is gone");
        }
    }
}

fn watcher() -> Option<(Child, ChildStdin)> {
    let mut sh = Command::new("sh");
    sh.args(["-c", WATCHER]).env("grace", GRACE.to_string()).process_group(0);
    let spawned = sh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = spawned
        .inspect_err(|error| tracing::debug!(%error, "nothing watches over the program"))
        .ok()?;
    let pipe = child.stdin.take()?;
    Some((child, pipe))
}

/// Whether a process group of this machine has processes that run; one that has ended and that
/// nobody has waited for does not.
pub fn group_is_alive(group: u32) -> bool {
    let pid = i32::try_from(group).ok().and_then(Pid::from_raw);
    let exists = pid.is_some_and(|pid| {
        matches!(test_kill_process_group(pid), Ok(()) | Err(rustix::io::Errno::PERM))
    });
    // where there is no such file system, it is there
    exists
        && std::fs::read_dir("/proc").map_or(true, |processes| {
            let mut states = processes
                .flatten()
                .filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok())
                .peekable();
            states.peek().is_none() || states.any(|stat| runs_in(&stat, group))
        })
}

/// Whether `/proc/PID/stat` is of a process of this group that has not ended.
fn runs_in(stat: &str, group: u32) -> bool {
    // the name of a program may have parentheses and blanks
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let (state, of) =
        (fields.next().unwrap_or_default(), fields.nth(1).and_then(|of| of.parse::<u32>().ok()));
    of == Some(group) && !matches!(state, "Z" | "X")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_does_not_run() {
        assert!(runs_in("71 (a) (b) S 1 70 70 0", 70));
        assert!(!runs_in("71 (sh) Z 1 70 70 0", 70));
        assert!(!runs_in("71 (sh) S 70 71 70 0", 70));
        assert!(group_is_alive(rustix::process::getpgrp().as_raw_nonzero().get().unsigned_abs()));
        assert!(!group_is_alive(0));
    }
}
