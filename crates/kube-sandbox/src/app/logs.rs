//! The log lines of a process.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Watch;
use super::context::AppContext;
use super::format::Seconds;
use crate::controllers::Run;
use crate::snapshot::Snapshot;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// The lines that a container has written after `from`, until and with `now`, oldest first.
pub(crate) fn lines(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    container: usize,
    from: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Line> {
    let context = AppContext::new(snapshot, pod, container, &Watch::at(now), 0).map(Arc::new);
    let Some(context) = context else {
        return Vec::new();
    };
    let run = context.container().run;
    if let Some(ended) = &snapshot.pods[pod].ended {
        let written = ended.lines.get(container).map(Vec::as_slice).unwrap_or_default();
        return written
            .iter()
            .filter(|line| from.is_none_or(|from| line.at > from))
            .cloned()
            .collect();
    }
    written(&context, run, from, now)
}

/// The lines that the program wrote before it was started again.
pub(crate) fn former_lines(
    snapshot: &Arc<Snapshot>,
    pod: usize,
    container: usize,
    from: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Line> {
    let context = AppContext::new(snapshot, pod, container, &Watch::at(now), 0).map(Arc::new);
    let Some(context) = context else {
        return Vec::new();
    };
    let known = context.container();
    match (known.run.until, known.previous) {
        (Some(_), _) => written(&context, known.run, from, now),
        (None, Some(previous)) => written(&context, previous, from, now),
        // it was started again before the world began: it wrote the same
        (None, None) => lines(snapshot, pod, container, from, now),
    }
}

/// What one run of a program has written.
fn written(
    context: &Arc<AppContext>,
    run: Run,
    from: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Line> {
    let app = context.snapshot.apps.app(context.app);
    let started = run.from;
    let now = run.until.map_or(now, |until| until.min(now));
    let mut found = Vec::new();
    for (place, rule) in app.logs.iter().enumerate() {
        if !context.holds("log-when", place, rule.when.as_ref()) {
            continue;
        }
        // what a rule writes depends on the state of the world, not on the moment: rendered once
        let Ok(text) = context.render("log", place) else {
            continue;
        };
        let texts: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        for (turn, moment) in moments(started, rule.after, rule.every, from, now) {
            for (index, text) in texts.iter().enumerate() {
                // no two lines of a container bear the same time
                let nanoseconds =
                    place as i64 * 100_000 + index as i64 * 1_000 + (turn % 97) as i64;
                let Ok(at) = moment.checked_add(SignedDuration::from_nanos(nanoseconds)) else {
                    continue;
                };
                if from.is_none_or(|from| at > from) && at <= now {
                    found.push(Line { at, text: format!("{}{text}", app.log_prefix.at(at)) });
                }
            }
        }
    }
    found.sort_by_key(|line| line.at);
    found
}

/// When a rule writes, counted.
pub(crate) fn moments(
    started: Timestamp,
    after: Seconds,
    every: Option<Seconds>,
    from: Option<Timestamp>,
    now: Timestamp,
) -> impl Iterator<Item = (u64, Timestamp)> {
    let first = started.saturating_add(SignedDuration::from_secs_f64(after.0)).unwrap_or(started);
    let step = every.map(|every| SignedDuration::from_secs_f64(every.0.max(0.1)));
    let skipped = match (step, from) {
        // one turn earlier than the first that counts, because lines are a little later than their
        // turn
        (Some(step), Some(from)) if from > first => {
            (from.duration_since(first).as_millis() / step.as_millis().max(1)).saturating_sub(1)
        }
        _ => 0,
    };
    let skipped = u64::try_from(skipped).unwrap_or(0);
    let turns = if step.is_some() { u64::MAX } else { 1 };
    (skipped..turns)
        .map_while(move |turn| {
            let offset = step.unwrap_or_default().checked_mul(i32::try_from(turn).ok()?)?;
            Some((turn, first.checked_add(offset).ok()?))
        })
        .take_while(move |(_, moment)| *moment <= now)
}

/// When a rule that writes `every` so often does so next.
pub(crate) fn next_moment(
    started: Timestamp,
    after: Seconds,
    every: Seconds,
    now: Timestamp,
) -> Option<Timestamp> {
    let step = SignedDuration::from_secs_f64(every.0.max(0.1));
    let later = now
        .checked_add(step)
        .ok()?
        .max(started.checked_add(SignedDuration::from_secs_f64(after.0)).ok()?);
    moments(started, after, Some(every), Some(now), later)
        .map(|(_, moment)| moment)
        .find(|moment| *moment > now)
}
