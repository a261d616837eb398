//! `runbook history`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::event;
use crate::journal;
use clap::Args;
use serde_json::json;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct HistoryArguments {
    /// Show only runs of this runbook
    runbook: Option<String>,
    /// Maximum number of runs, newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn history(global: &Global, arguments: &HistoryArguments) -> Result<Exit, CommandError> {
    let runs = journal::list(&state_dir(global)?)?;
    let wanted = runs.into_iter().filter(|run| match (&arguments.runbook, &run.header) {
        (None, _) => true,
        (Some(name), Some(header)) => header.runbook == *name,
        (Some(_), None) => false,
    });
    let (mut text, mut documents) = (String::new(), Vec::new());
    for run in wanted.take(arguments.limit) {
        let verdict = match &run.finished {
            Some(finished) => serde_json::to_value(finished.verdict)
                .ok()
                .and_then(|value| value.as_str().map(str::to_owned))
                .unwrap_or_default(),
            None => "not ended".to_owned(),
        };
        let (started, runbook, place) = match &run.header {
            Some(header) => (
                header.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                header.runbook.as_str(),
                [header.context.as_deref(), header.namespace.as_deref()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            None => ("unreadable".to_owned(), "", String::new()),
        };
        let due = run.finished.iter().flat_map(|end| end.due.values()).min();
        let waits = due.map(|due| format!("  due at {due}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}  {started:<20}  {verdict:<9}  {runbook:<28} {place}{waits}",
            event::short_id(&run.run)
        );
        documents.push(json!({"run": run.run,
            "runbook": run.header.as_ref().map(|header| &header.runbook),
            "started": run.header.as_ref().map(|header| header.started),
            "verdict": run.finished.as_ref().map(|end| end.verdict),
            "exit_code": run.finished.as_ref().map(|end| end.exit_code), "due": due}));
    }
    match arguments.output {
        Format::Text if text.is_empty() => output::write("no runs yet\n")?,
        Format::Text => output::write(&text)?,
        Format::Json | Format::Jsonl => output::write(&format!(
            "{:#}\n",
            json!({"schema": "runbook.history/v1", "runs": documents})
        ))?,
    }
    Ok(Exit::Passed)
}
