//! Text for a terminal: finished lines stay, the lines of running steps move below them.

use super::plain::write_lines;
use super::reporter::Reporter;
use super::step_line::{NARROW, name, with_items};
use super::text::{duration, one_line, whole, width};
use super::theme::{Charset, Detail, Line, Look};
use super::transcript::Transcript;
use crate::event::{Effect, Event, Record, StepStarted};
use crate::state::{RunState, StepState};
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// The most running steps that have a line of their own.
const RUNNING: usize = 8;

/// Writes finished lines to the output and moves those of running steps on the progress display.
pub struct Terminal<W> {
    out: W,
    bars: MultiProgress,
    transcript: Transcript,
    running: IndexMap<String, RunningStep>,
}

/// Columns of the time that a running step takes, such as ` · 59 m 59 s`, if it has no limit.
const TOOK: usize = 13;

/// Columns of the longest time below a limit: `59 s`, `9 m 59 s`.
fn longest(limit: Duration) -> usize {
    let below = match limit.as_secs() {
        ..61 => "59 s",
        61..601 => "9 m 59 s",
        601..3601 => "59 m 59 s",
        _ => "23 h 59 m 59 s",
    };
    width(&whole(limit)).max(width(below))
}

struct RunningStep {
    name: String,
    message: String,
    /// How long it may take.
    limit: Option<Duration>,
    bar: Option<ProgressBar>,
}

impl RunningStep {
    /// The message as far as it leaves room for the time that the step takes.
    fn shown(&self, look: &Look) -> String {
        let took = self.limit.map_or(TOOK, |limit| 3 + longest(limit));
        let around = 6 + width(&self.name) + took + width(&of(self.limit));
        look.truncate(&self.message, look.width.saturating_sub(around))
    }
}

impl<W: Write + Send> Terminal<W> {
    /// Writes finished lines to `out` and draws running ones on `bars`. Whoever else writes to the
    /// terminal (logs, questions) does it inside `bars.suspend`.
    pub fn new(out: W, bars: MultiProgress, look: Look) -> Self {
        Self { out, bars, transcript: Transcript::new(look), running: IndexMap::new() }
    }

    fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let (bars, out, color) = (&self.bars, &mut self.out, self.transcript.look.color);
        bars.suspend(|| write_lines(out, lines, color))
    }

    /// A group shows through its steps, and a question is its own line.
    fn begin(&mut self, started: &StepStarted, state: &RunState) {
        if started.action.is_group()
            || started.effect == Effect::Operator
            || self.transcript.look.detail == Detail::Quiet
        {
            return;
        }
        let message = one_line(&started.title);
        let item = |path: &str| state.step(path).map(StepState::item);
        let path = one_line(&with_items(&started.path, item));
        // there, it is called as within its group
        let is_narrow = self.transcript.look.width < NARROW;
        let name = if is_narrow { name(&path).to_owned() } else { path };
        self.running
            .insert(started.path.clone(), RunningStep { name, message, limit: None, bar: None });
        self.fill();
    }

    fn end(&mut self, path: &str) {
        if let Some(RunningStep { bar: Some(bar), .. }) = self.running.shift_remove(path) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }

    /// Gives a line to each running step that has none, as far as there is room.
    fn fill(&mut self) {
        for running in
            self.running.values_mut().take(RUNNING).filter(|running| running.bar.is_none())
        {
            let bar = ProgressBar::new_spinner()
                .with_style(style(&self.transcript.look, running.limit))
                .with_prefix(running.name.clone())
                .with_message(running.shown(&self.transcript.look));
            let bar = self.bars.add(bar);
            bar.enable_steady_tick(Duration::from_millis(100));
            running.bar = Some(bar);
        }
    }

    fn clear(&mut self) {
        for (_, running) in self.running.drain(..) {
            if let Some(bar) = running.bar {
                bar.finish_and_clear();
            }
        }
    }
}

impl<W: Write + Send> Reporter for Terminal<W> {
    fn record(&mut self, record: &Record, state: &RunState) -> io::Result<()> {
        match &record.event {
            Event::StepStarted(started) => self.begin(started, state),
            Event::StepFinished(finished) => self.end(&finished.path),
            Event::StepRetried(retried) => {
                let (attempt, reason) = (retried.attempt, one_line(&retried.reason));
                let pause = duration(retried.delay_ms);
                self.progress(
                    &retried.path,
                    &format!("attempt {attempt}: {reason}; retrying in {pause}"),
                );
            }
            Event::RunFinished(_) => self.clear(),
            Event::RunStarted(_)
            | Event::RunResumed(_)
            | Event::ChangesPlanned(_)
            | Event::ChangeStarted(_)
            | Event::ChangeNoted(_)
            | Event::ChangeDoubted(_)
            | Event::ChangeFinished(_)
            | Event::ProgramStarted(_)
            | Event::StepDue(_)
            | Event::StepAsked(_)
            | Event::StepApproved(_)
            | Event::StepMarked(_)
            | Event::Lock(_)
            | Event::FindingConcluded(_)
            | Event::FindingNotRuledOut(_)
            | Event::RunInterrupted(_) => {}
        }
        let lines = self.transcript.record(record, state);
        self.write(&lines)?;
        self.fill();
        Ok(())
    }

    fn progress(&mut self, path: &str, message: &str) {
        if let Some(running) = self.running.get_mut(path) {
            running.message = one_line(message);
            if let Some(bar) = &running.bar {
                bar.set_message(running.shown(&self.transcript.look));
            }
        }
    }

    fn limit(&mut self, path: &str, limit: Duration) {
        if let Some(running) = self.running.get_mut(path) {
            running.limit = Some(limit);
            if let Some(bar) = &running.bar {
                bar.set_style(style(&self.transcript.look, running.limit));
                bar.set_message(running.shown(&self.transcript.look));
            }
        }
    }

    fn finish(&mut self, state: &RunState) -> io::Result<()> {
        self.clear();
        let lines = self.transcript.finish(state);
        self.write(&lines)
    }
}

/// ` of 5 m`, if it is known.
fn of(limit: Option<Duration>) -> String {
    limit.map(|limit| format!(" of {}", whole(limit))).unwrap_or_default()
}

/// `⠹ rollout  2 of 3 updated, waiting for zz81p: ContainerCreating · 12 s of 5 m`
fn style(look: &Look, limit: Option<Duration>) -> ProgressStyle {
    let separator = look.separator();
    let limit = of(limit);
    let ticks = match look.charset {
        Charset::Unicode => "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ",
        Charset::Ascii => "|/-\\ ",
    };
    ProgressStyle::with_template("  {spinner} {prefix}  {msg}{took}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars(ticks)
        .with_key("took", move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let elapsed = state.elapsed();
            if elapsed.as_secs() > 0 {
                // A display that cannot be drawn on is not worth an error.
                let _ = write!(out, "{separator}{}{limit}", whole(elapsed));
            }
        })
}
