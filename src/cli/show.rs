//! `runbook show RUN`

use super::exit::{CommandError, Exit};
use super::session::state_dir;
use super::{Format, Global, output};
use crate::engine::EngineError;
use crate::journal;
use crate::report::Show;
use crate::state::RunState;
use clap::Args;
use std::fmt::Write;

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// Id of the run, or the end of it
    run: String,
    /// How the result is written
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

pub(super) fn show(global: &Global, arguments: &ShowArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let reading = journal::read(&folder, &run)?;
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    output::of_journal(&reading);
    let text = match arguments.output {
        Format::Text => {
            let chain = match global.verbose {
                0 => String::new(),
                _ => format!("\nChain\n  {} records come to sha256:{}\n", reading.records.len(), reading.chain),
            };
            Show::render(&state.summary(), &reading.records, output::look(global)) + &chain
        }
        Format::Json => format!("{:#}\n", serde_json::to_value(state.summary()).unwrap_or_default()),
        Format::Jsonl => reading.records.iter().fold(String::new(), |mut text, record| {
            let _ = writeln!(text, "{}", serde_json::to_string(record).unwrap_or_default());
            text
        }),
    };
    output::write(&text)?;
    Ok(Exit::Passed)
}
