//! `runbook history`

use super::arguments::{clock, state_dir};
use super::exit::{CommandError, Exit};
use super::{Global, ResultFormat, output, pager};
use crate::action::Duration;
use crate::event::{self, Mode, Verdict};
use crate::history::{Filter, Listed, Selection, Standing, select};
use crate::journal;
use crate::report::wrap;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time;
use unicode_width::UnicodeWidthStr;

/// Narrower than this, times have no seconds.
const SECONDS: usize = 60;

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// Show only runs of this runbook, or of all runbooks in a folder: ta-bot/
    #[arg(value_name = "RUNBOOK")]
    name: Option<String>,
    /// Same as RUNBOOK
    #[arg(long, value_name = "RUNBOOK", conflicts_with = "name")]
    runbook: Option<String>,
    /// Show only runs with this verdict or state; separate several with commas
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    verdict: Vec<Wanted>,
    /// Show only runs that began in this period, such as 2h or 7d, or at this time or later, such
    /// as 2026-11-20 or 2026-11-20T03:12Z; without a zone in UTC
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Show only runs on this context, sandbox scenario or namespace; can be repeated
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Show only runs with this kubeconfig context
    #[arg(long)]
    context: Option<String>,
    /// Show only runs in this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// Show only runs that answer this alert
    #[arg(long, value_name = "ALERT")]
    alert: Option<String>,
    /// Maximum number of runs, newest first
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = number)]
    limit: usize,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

/// A number of runs, as it is typed.
fn number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "use a whole number from 1".to_owned())
}

/// How a run stands, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    Passed,
    Failed,
    /// Could not be determined
    Error,
    /// A required result is unknown
    Unknown,
    /// Waits for a person or a time
    Paused,
    /// A change may or may not have happened
    #[value(alias = "in_doubt")]
    InDoubt,
    /// Stopped by a person or a signal
    Cancelled,
    /// Stopped by the time limit of the run
    #[value(alias = "timed_out")]
    TimedOut,
    /// A dry run in which nothing failed
    Previewed,
    /// A part of the runbook was run, and it passed
    Partial,
    /// In progress
    Running,
    /// Its process ended without recording a verdict
    Crashed,
    /// Its record cannot be read
    Unreadable,
}

impl From<Wanted> for Standing {
    fn from(wanted: Wanted) -> Self {
        Self::Ended(match wanted {
            Wanted::Passed => Verdict::Passed,
            Wanted::Failed => Verdict::Failed,
            Wanted::Error => Verdict::Error,
            Wanted::Unknown => Verdict::Unknown,
            Wanted::Paused => Verdict::Paused,
            Wanted::InDoubt => Verdict::InDoubt,
            Wanted::Cancelled => Verdict::Cancelled,
            Wanted::TimedOut => Verdict::TimedOut,
            Wanted::Previewed => Verdict::Previewed,
            Wanted::Partial => Verdict::Partial,
            Wanted::Running => return Self::Running,
            Wanted::Crashed => return Self::Crashed,
            Wanted::Unreadable => return Self::Unreadable,
        })
    }
}

/// A beginning of time, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// So long before now.
    Ago(time::Duration),
    /// A time.
    At(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(Duration(ago)) = text.parse::<Duration>() {
            return Ok(Self::Ago(ago));
        }
        let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        let at = text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
            .or_else(|| text.parse::<Date>().ok().and_then(|date| utc(date.at(0, 0, 0, 0))));
        at.map(Self::At).ok_or_else(|| {
            "use a period such as 2h or 7d, or a time such as 2026-11-20 or 2026-11-20T03:12Z"
                .to_owned()
        })
    }
}

impl Since {
    /// The time that is meant; the earliest that there is if the period is longer than that.
    pub(super) fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

/// A period as one types it: whole days as days.
pub(super) fn in_days(period: time::Duration) -> String {
    const DAY: u64 = 86_400;
    match period.as_secs() {
        seconds if seconds >= DAY && seconds % DAY == 0 => format!("{}d", seconds / DAY),
        _ => Duration(period).to_string(),
    }
}

pub(super) fn history(global: &Global, arguments: &HistoryArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let now = clock()?.now();
    let filter = Filter {
        runbook: arguments.name.clone().or_else(|| arguments.runbook.clone()),
        standings: arguments.verdict.iter().copied().map(Standing::from).collect(),
        since: arguments.since.map(|since| since.time(now)),
        targets: arguments.target.clone(),
        context: arguments.context.clone(),
        namespace: arguments.namespace.clone(),
        alert: arguments.alert.clone(),
    };
    let is_running = |run: &str| journal::is_running(&folder, run);
    let selection = select(journal::newest(&folder)?, &filter, arguments.limit, is_running);
    match arguments.output {
        ResultFormat::Text => {
            pager::write(global, &text(&selection, output::look(global).width))?;
            if selection.more {
                output::hint("There are more: --limit N shows N runs.");
            }
        }
        ResultFormat::Json => {
            let runs: Vec<Value> = selection.runs.iter().map(document).collect();
            output::json(&json!({"schema": "runbook.history/v1", "runs": runs,
                "more": selection.more}))?;
        }
    }
    Ok(Exit::Passed)
}

fn document(listed: &Listed) -> Value {
    let Listed { info, standing } = listed;
    let header = info.header.as_ref();
    let end = info.finished.as_ref();
    json!({"run": info.run, "runbook": header.map(|header| &header.runbook),
        "title": header.map(|header| &header.title), "mode": header.map(|header| header.mode),
        "started": header.map(|header| header.started), "ended": info.ended,
        "target": header.map(|header| &header.target),
        "alert": header.map(|header| &header.alert), "standing": standing.as_str(),
        "verdict": end.map(|end| end.verdict), "exit_code": end.map(|end| end.exit_code),
        "due": due(listed)})
}

/// When the first of its steps goes on that wait for a time.
fn due(listed: &Listed) -> Option<Timestamp> {
    listed.info.finished.iter().flat_map(|end| end.due.values()).min().copied()
}

fn text(selection: &Selection, width: usize) -> String {
    match (selection.runs.is_empty(), selection.seen) {
        (true, 0) => return "no runs yet\n".to_owned(),
        (true, seen) => return format!("no run matches; {} recorded\n", runs(seen)),
        (false, _) => {}
    }
    let names: Vec<String> = selection.runs.iter().map(name).collect();
    let longest = names.iter().map(|name| columns(name)).max().unwrap_or_default();
    let rows: Vec<(String, String, String)> = selection
        .runs
        .iter()
        .zip(names)
        .map(|(listed, name)| (line(listed, width < SECONDS), name, place(listed)))
        .collect();
    // all in one line, or all folded: a list is read by its columns
    let fits = rows.iter().all(|(head, _, place)| {
        let rest = if place.is_empty() { 0 } else { 2 + columns(place) };
        columns(head) + 2 + longest + rest <= width
    });
    let mut text = String::new();
    for (head, name, place) in rows {
        if fits {
            let _ = writeln!(text, "{}", format!("{head}  {name:<longest$}  {place}").trim_end());
            continue;
        }
        let beside = columns(&head) + 2 + columns(&name) <= width;
        let (first, second) = if beside { (format!("{head}  {name}"), "") } else { (head, &*name) };
        let _ = writeln!(text, "{}", first.trim_end());
        for line in [second, &*place].iter().flat_map(|part| wrap(part, width.saturating_sub(2))) {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// Columns that a text takes.
fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run is".to_owned() } else { format!("{count} runs are") }
}

/// The id of a run, when it began, and how it stands.
fn line(listed: &Listed, short: bool) -> String {
    let format = if short { "%Y-%m-%d %H:%MZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    let started = listed.info.header.as_ref().map(|header| header.started.strftime(format));
    let started = started.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
    let room = if short { 17 } else { 20 };
    let verdict = listed.standing.as_str().replace('_', " ");
    format!("{}  {started:<room$}  {verdict:<9}", event::short_id(&listed.info.run))
}

/// The runbook, and what kind of run it was if it was no ordinary one.
fn name(listed: &Listed) -> String {
    let Some(header) = &listed.info.header else { return String::new() };
    match header.mode {
        Mode::DryRun => format!("{} (dry run)", header.runbook),
        Mode::Run | Mode::Resume | Mode::Undo => header.runbook.clone(),
    }
}

/// Where it ran, for which alert, and what it waits for.
fn place(listed: &Listed) -> String {
    let header = listed.info.header.as_ref();
    let place = header.map(|header| header.target.place()).filter(|place| !place.is_empty());
    let alert = header
        .and_then(|header| header.alert.as_ref())
        .map(|alert| format!("alert {}", crate::secret::sanitize(alert)));
    let due = due(listed).map(|due| format!("due at {due}"));
    [place, alert, due].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_or_a_time() {
        let now: Timestamp = "2026-11-20T03:12:07Z".parse().unwrap();
        for (text, wanted) in [
            ("2h", "2026-11-20T01:12:07Z"),
            ("7d", "2026-11-13T03:12:07Z"),
            ("2026-11-19", "2026-11-19T00:00:00Z"),
            ("2026-11-19T12:30", "2026-11-19T12:30:00Z"),
            ("2026-11-19 12:30", "2026-11-19T12:30:00Z"),
            ("2026-11-19T12:30:00+02:00", "2026-11-19T10:30:00Z"),
        ] {
            let since: Since = text.parse().unwrap();
            assert_eq!(since.time(now).to_string(), wanted, "{text}");
        }
        let long: Since = "999999999d".parse().unwrap();
        assert_eq!(long.time(now), Timestamp::MIN);
        for wrong in ["", "yesterday", "2026-13-01", "-2h", "7"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
