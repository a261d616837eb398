//! `runbook show RUN`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output, pager};
use crate::engine::EngineError;
use crate::event::{self, Event, Record, StepFinished, covers};
use crate::journal;
use crate::report::{Show, output_of, write_line};
use crate::session::Notice;
use crate::state::RunState;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    run: String,
    /// Show only this step, and those in it
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn show(global: &Global, arguments: &ShowArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let reading = journal::read(&folder, &run)?;
    let mut state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    state.see_running(journal::is_running(&folder, &run));
    output::notices(&Notice::of_journal(&reading));
    if let Some(path) = &arguments.step {
        return step(global, arguments.output, path, &state, &reading.records);
    }
    if arguments.output == Format::Text && io::stdout().is_terminal() {
        let mut text = Vec::new();
        Show::write(&state.summary(), &reading.records, output::look(global), &mut text)?;
        pager::write(global, &String::from_utf8_lossy(&text))?;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.output {
        Format::Text => {
            // what is long and goes to a file is not held in memory
            if !io::stdout().is_terminal() {
                Show::write(&state.summary(), &reading.records, output::look(global), &mut out)?;
            }
            if state.ended().any(|step| !step.saved.is_empty()) {
                let saved = journal::saved_dir(&folder, &run)?;
                write!(out, "\nSaved files\n  {}\n", saved.display())?;
            }
            if global.verbose > 0 {
                write!(
                    out,
                    "\nChain\n  {} records come to sha256:{}\n",
                    reading.records.len(),
                    reading.chain
                )?;
            }
        }
        Format::Json => {
            let mut document = serde_json::to_value(state.summary()).unwrap_or_default();
            with_outputs(&mut document, &reading.records)?;
            writeln!(out, "{document:#}")?;
        }
        Format::Jsonl => {
            reading.records.iter().try_for_each(|record| write_line(record, &mut out))?;
        }
    }
    out.flush()?;
    Ok(Exit::Passed)
}

/// Shows a step, and those in it.
fn step(
    global: &Global,
    format: Format,
    path: &str,
    state: &RunState,
    records: &[Record],
) -> Result<Exit, CommandError> {
    let mut summary = state.summary();
    let known: Vec<String> = summary.steps.iter().map(|step| step.path.clone()).collect();
    summary.steps.retain(|step| covers(path, &step.path));
    if summary.steps.is_empty() {
        return Err(CommandError::Usage(format!(
            "run {} has no record of a step `{path}`; its steps: {}",
            event::short_id(&summary.run),
            known.join(", ")
        )));
    }
    match format {
        Format::Text => {
            let mut text = Vec::new();
            Show::steps(&summary, records, output::look(global), &mut text)?;
            pager::write(global, &String::from_utf8_lossy(&text))?;
        }
        Format::Json => {
            let mut document = json!({"schema": "runbook.steps/v1", "run": summary.run,
                "steps": summary.steps});
            with_outputs(&mut document, records)?;
            output::json(&document)?;
        }
        Format::Jsonl => {
            let mut out = BufWriter::new(io::stdout().lock());
            let of_it = records
                .iter()
                .filter(|record| record.event.path().is_some_and(|of| covers(path, of)));
            of_it.into_iter().try_for_each(|record| write_line(record, &mut out))?;
            out.flush()?;
        }
    }
    Ok(Exit::Passed)
}

/// Adds to each step of a document what it returned, which the summary of a run does not have.
fn with_outputs(document: &mut Value, records: &[Record]) -> std::io::Result<()> {
    let last: BTreeMap<&str, &StepFinished> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::StepFinished(step) => Some((step.path.as_str(), &**step)),
            _ => None,
        })
        .collect();
    for step in document["steps"].as_array_mut().into_iter().flatten() {
        if let Some(ended) = step["path"].as_str().and_then(|path| last.get(path)) {
            step["output"] = output_of(ended)?;
        }
    }
    Ok(())
}
