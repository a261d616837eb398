//! `runbook prune --keep N --older-than 90d`

use super::arguments::{clock, state_dir};
use super::exit::{CommandError, Exit};
use super::history::{Since, in_days};
use super::{Global, ResultFormat, output};
use crate::action::Duration;
use crate::event::short_id;
use crate::history::{Forgo, Need, Retention, Standing, TakesBack, needs};
use crate::journal::{self, Journal, RunInfo};
use crate::state::RunState;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct PruneArguments {
    /// Keep the newest N runs of each runbook on each target; without this and --older-than, what the
    /// settings say
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Remove only runs older than this, such as 90d; with --keep, a run is removed only if it is both older and
    /// not among the newest
    #[arg(long, value_name = "DURATION")]
    older_than: Option<Duration>,
    /// Remove the runs; without it, they are only listed
    #[arg(short, long)]
    yes: bool,
    /// List the runs that would be removed, and remove none; the default
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Remove these as well, although they are needed; can be repeated
    #[arg(long, value_enum, value_name = "WHAT")]
    include: Vec<Included>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

/// Runs that are kept unless they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Included {
    /// Runs whose changes could be undone
    Changes,
    /// Runs that could be resumed, also those that wait for an approval
    Unfinished,
}

/// What is to become of the runs that the retention lets go.
#[derive(Default)]
struct Sorted {
    gone: Vec<RunInfo>,
    kept: Vec<(RunInfo, Need)>,
    /// Of all runs, how many there are.
    all: usize,
}

pub(super) fn prune(global: &Global, arguments: &PruneArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let now = clock()?.now();
    let retention = retention(global, arguments, now)?;
    let forgo = Forgo {
        changes: arguments.include.contains(&Included::Changes),
        unfinished: arguments.include.contains(&Included::Unfinished),
    };
    let mut sorted = sorted(&folder, retention, forgo)?;
    let mut failed = Vec::new();
    if arguments.yes {
        Journal::remove_remains(&folder);
        for info in &sorted.gone {
            if let Err(error) = Journal::remove(&folder, &info.run) {
                failed.push((info.run.clone(), error.to_string()));
            }
        }
        sorted.gone.retain(|info| failed.iter().all(|(run, _)| *run != info.run));
    }
    match arguments.output {
        ResultFormat::Text => {
            output::write(&text(&folder, &sorted, arguments.yes))?;
            failed.iter().for_each(|(_, error)| output::error(error));
        }
        ResultFormat::Json => output::json(&document(&folder, &sorted, arguments.yes, &failed))?,
    }
    Ok(if failed.is_empty() { Exit::Passed } else { Exit::NotJudged })
}

/// What is kept: what the command line says, or else what the settings say.
fn retention(
    global: &Global,
    arguments: &PruneArguments,
    now: Timestamp,
) -> Result<Retention, CommandError> {
    let since = |age| Since::Ago(age).time(now);
    let PruneArguments { keep, older_than, .. } = arguments;
    if keep.is_some() || older_than.is_some() {
        return Ok(Retention { keep: *keep, since: older_than.map(|Duration(age)| since(age)) });
    }
    let (keep, older_than) = (&global.settings.keep, &global.settings.older_than);
    let sources =
        [keep.as_ref().map(|one| &one.source), older_than.as_ref().map(|one| &one.source)];
    let Some(source) = sources.into_iter().flatten().next() else {
        return Err(CommandError::Usage(
            "no retention is set: use --keep N or --older-than DURATION, or [retention] in \
                runbook.toml"
                .to_owned(),
        ));
    };
    let said = [
        keep.as_ref().map(|one| format!("--keep {}", one.value)),
        older_than.as_ref().map(|one| format!("--older-than {}", in_days(one.value))),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    output::hint(&format!("{} ({source})", said.join(" ")));
    Ok(Retention {
        keep: keep.as_ref().map(|one| one.value),
        since: older_than.as_ref().map(|one| since(one.value)),
    })
}

/// Reads what the retention lets go, and only that, in full.
fn sorted(folder: &Path, retention: Retention, forgo: Forgo) -> Result<Sorted, CommandError> {
    let runs = journal::list(folder)?;
    let is_running = |run: &str| journal::is_running(folder, run);
    let taken_back: Vec<TakesBack> =
        runs.iter().filter_map(|info| TakesBack::of(info, is_running)).collect();
    let mut sorted = Sorted { all: runs.len(), ..Sorted::default() };
    for info in runs.iter().filter(|info| info.header.is_none()) {
        if Standing::of(info, is_running) == Standing::Unreadable {
            sorted.kept.push((info.clone(), Need::Unreadable));
        }
    }
    for info in retention.lets_go(&runs) {
        let state = journal::read(folder, &info.run)
            .ok()
            .and_then(|reading| RunState::replay(&reading.records).ok());
        let standing = Standing::of(info, is_running);
        let needs = needs(info, standing, state.as_ref(), &taken_back);
        match needs.into_iter().find(|need| !need.is_forgone(forgo)) {
            Some(need) => sorted.kept.push((info.clone(), need)),
            None => sorted.gone.push(info.clone()),
        }
    }
    Ok(sorted)
}

fn document(folder: &Path, sorted: &Sorted, removed: bool, failed: &[(String, String)]) -> Value {
    let row = |info: &RunInfo| {
        let header = info.header.as_ref();
        json!({"run": info.run, "runbook": header.map(|header| &header.runbook),
            "started": header.map(|header| header.started)})
    };
    let gone = sorted.gone.iter().map(row).collect::<Vec<_>>();
    let kept = sorted.kept.iter().map(|(info, need)| {
        let mut row = row(info);
        row["because"] = need.as_str().into();
        row["reason"] = reason(folder, info, need).into();
        row
    });
    let failed = failed.iter().map(|(run, error)| json!({"run": run, "error": error}));
    json!({"schema": "runbook.prune/v1", "dry_run": !removed, "runs": sorted.all, "removed": gone,
        "kept": kept.collect::<Vec<_>>(), "failed": failed.collect::<Vec<_>>()})
}

/// Why a run is kept, with the command that settles it.
fn reason(folder: &Path, info: &RunInfo, need: &Need) -> String {
    let id = short_id(&info.run);
    match need {
        Need::Running => "it is running".to_owned(),
        Need::Paused => format!("it is paused: runbook resume {id}"),
        Need::InDoubt { step } => format!("step {step} is in doubt: runbook status {id}"),
        Need::Unfinished => format!("it can be resumed: runbook resume {id}"),
        Need::Changes { count: 1 } => format!("its change can be undone: runbook undo {id}"),
        Need::Changes { count } => {
            format!("its {count} changes can be undone: runbook undo {id}")
        }
        Need::TakenBack { by } => {
            format!("run {} undoes it and has not passed", short_id(by))
        }
        Need::Unreadable => {
            let place = folder.join("runs").join(&info.run);
            format!("its record cannot be read; look at {}", place.display())
        }
    }
}

fn text(folder: &Path, sorted: &Sorted, removed: bool) -> String {
    let Sorted { gone, kept, all } = sorted;
    let mut text = String::new();
    let what = if removed { "Removed" } else { "Would remove" };
    let runs = if *all == 1 { "run" } else { "runs" };
    let _ = writeln!(text, "{what} {} of {all} {runs}", gone.len());
    for info in gone {
        let _ = writeln!(text, "  {}", line(info));
    }
    if !kept.is_empty() {
        text.push_str("Kept, because they are needed\n");
        for (info, need) in kept {
            let _ = writeln!(text, "  {}\n    {}", line(info), reason(folder, info, need));
        }
    }
    if !removed && !gone.is_empty() {
        text.push_str("Nothing was removed; --yes removes these runs.\n");
    }
    text
}

fn line(info: &RunInfo) -> String {
    let header = info.header.as_ref();
    let started = header.map(|header| header.started.strftime("%Y-%m-%d %H:%MZ").to_string());
    let runbook = header.map(|header| header.runbook.as_str()).unwrap_or_default();
    let line = format!("{}  {}  {runbook}", short_id(&info.run), started.unwrap_or_default());
    line.trim_end().to_owned()
}
