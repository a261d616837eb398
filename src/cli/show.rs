//! `runbook show RUN`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Format, Global, output};
use crate::engine::EngineError;
use crate::journal;
use crate::report::{Show, write_line};
use crate::session::Notice;
use crate::state::RunState;
use clap::Args;
use std::io::{self, BufWriter, Write};

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    run: String,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn show(global: &Global, arguments: &ShowArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let reading = journal::read(&folder, &run)?;
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    output::notices(&Notice::of_journal(&reading));
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.output {
        Format::Text => {
            Show::write(&state.summary(), &reading.records, output::look(global), &mut out)?;
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
            writeln!(out, "{:#}", serde_json::to_value(state.summary()).unwrap_or_default())?;
        }
        Format::Jsonl => {
            reading.records.iter().try_for_each(|record| write_line(record, &mut out))?;
        }
    }
    out.flush()?;
    Ok(Exit::Passed)
}
