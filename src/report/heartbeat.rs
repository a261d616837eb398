//! Signs of life for a pipe: what is waited for, every half minute in which nothing else is said.

use super::reporter::Reporter;
use super::text::{one_line, whole};
use super::theme::Look;
use crate::event::{Effect, Event, Record};
use crate::state::RunState;
use indexmap::IndexMap;
use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long nothing is said before a sign of life.
pub const SILENCE: Duration = Duration::from_secs(30);

/// Says on its output which steps run, since when, and what they last saw.
pub struct Heartbeat {
    running: Arc<Mutex<Running>>,
    /// Goes away with this, and ends the thread.
    said: Sender<()>,
}

type Running = IndexMap<String, Waits>;

struct Waits {
    since: Instant,
    limit: Option<Duration>,
    seen: String,
}

impl Heartbeat {
    /// Writes to `out` until this is dropped. A reader that went away is no reason to fail.
    pub fn new(out: impl Write + Send + 'static, look: Look) -> Self {
        Self::every(SILENCE, out, look)
    }

    fn every(silence: Duration, mut out: impl Write + Send + 'static, look: Look) -> Self {
        let running: Arc<Mutex<Running>> = Arc::default();
        let (said, silent) = channel();
        let shared = Arc::clone(&running);
        thread::spawn(move || {
            loop {
                match silent.recv_timeout(silence) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let lines = lines(&locked(&shared), Instant::now(), &look);
                        drop(out.write_all(lines.as_bytes()).and_then(|()| out.flush()));
                    }
                }
            }
        });
        Self { running, said }
    }

    fn waits(&self, path: &str, tell: impl FnOnce(&mut Waits)) {
        if let Some(waits) = locked(&self.running).get_mut(path) {
            tell(waits);
        }
    }
}

fn locked(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line for each step that runs.
fn lines(running: &Running, now: Instant, look: &Look) -> String {
    let line = |(path, waits): (&String, &Waits)| {
        let limit = waits.limit.map(|limit| format!(" of {}", whole(limit))).unwrap_or_default();
        let took = whole(now.saturating_duration_since(waits.since));
        let seen = if waits.seen.is_empty() { "running" } else { waits.seen.as_str() };
        format!("  {} {path}  {seen}{}{took}{limit}\n", look.ellipsis(), look.separator())
    };
    running.iter().map(line).collect()
}

impl Reporter for Heartbeat {
    fn record(&mut self, record: &Record, _: &RunState) -> io::Result<()> {
        match &record.event {
            Event::StepStarted(started)
                if !started.action.is_group() && started.effect != Effect::Operator =>
            {
                let (since, limit) = (Instant::now(), None);
                let waits = Waits { since, limit, seen: one_line(&started.title) };
                locked(&self.running).insert(started.path.clone(), waits);
            }
            Event::StepFinished(finished) => {
                locked(&self.running).shift_remove(&finished.path);
            }
            Event::RunFinished(_) => locked(&self.running).clear(),
            _ => {}
        }
        // whoever is not there any more needs no sign
        self.said.send(()).ok();
        Ok(())
    }

    fn progress(&mut self, path: &str, message: &str) {
        self.waits(path, |waits| waits.seen = one_line(message));
    }

    fn limit(&mut self, path: &str, limit: Duration) {
        self.waits(path, |waits| waits.limit = Some(limit));
    }

    fn finish(&mut self, _: &RunState) -> io::Result<()> {
        locked(&self.running).clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::started;
    use crate::report::{Charset, Detail};
    use jiff::Timestamp;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LOOK: Look =
        Look { width: 80, charset: Charset::Ascii, color: false, detail: Detail::Normal };

    fn record(event: Event) -> Record {
        Record { seq: 1, at: Timestamp::UNIX_EPOCH, event }
    }

    #[test]
    fn a_line_says_what_is_waited_for_since_when_and_until_when() {
        let since = Instant::now();
        let limit = Some(Duration::from_secs(300));
        let waits = |seen: &str, limit| Waits { since, limit, seen: seen.to_owned() };
        let running = IndexMap::from([
            ("rollout".to_owned(), waits("2 of 3 updated", limit)),
            ("look".to_owned(), waits("", None)),
        ]);
        assert_eq!(
            lines(&running, since + Duration::from_secs(90), &LOOK),
            "  ... rollout  2 of 3 updated - 1 m 30 s of 5 m\n  ... look  running - 1 m 30 s\n"
        );
    }

    #[test]
    fn only_silence_is_broken_and_only_while_something_runs() {
        let out = Out::default();
        let mut heartbeat = Heartbeat::every(Duration::from_millis(10), out.clone(), LOOK);
        let said = || String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        thread::sleep(Duration::from_millis(60));
        assert_eq!(said(), "", "nothing runs");
        let state = RunState::new();
        let begun = record(Event::StepStarted(started("wait", "Wait for it", "wait")));
        heartbeat.record(&begun, &state).unwrap();
        heartbeat.progress("wait", "1 of 3\nready");
        let until = Instant::now() + Duration::from_secs(10);
        while !said().contains("wait  1 of 3 ready") {
            assert!(Instant::now() < until, "{}", said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}
