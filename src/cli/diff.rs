//! `runbook diff RUN [RUN]`

use super::arguments::state_dir;
use super::exit::{CommandError, Exit};
use super::{Global, ResultFormat, output, pager};
use crate::engine::EngineError;
use crate::event::{Summary, short_id};
use crate::history::{diff as difference, previous};
use crate::journal;
use crate::report::run_diff;
use crate::state::RunState;
use clap::Args;
use std::path::Path;

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    #[arg(default_value = "latest")]
    run: String,
    /// Another run to compare it with; the one that began first is the earlier one. Without it, RUN is compared with the run before it of the same
    /// runbook on the same target
    later: Option<String>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: ResultFormat,
}

pub(super) fn diff(global: &Global, arguments: &DiffArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let (before, after) = match &arguments.later {
        Some(later) => in_order(&folder, run, journal::find(&folder, later)?)?,
        None => {
            let earlier = previous(journal::newest(&folder)?, &run).ok_or_else(|| {
                CommandError::Usage(format!(
                    "there is no earlier run of this runbook on this target than {run}; name the \
                        other run: runbook diff RUN {run}"
                ))
            })?;
            (earlier.run, run)
        }
    };
    let found = difference(&summary(&folder, &before)?, &summary(&folder, &after)?);
    match arguments.output {
        ResultFormat::Text => pager::write(global, &run_diff(&found, &output::look(global)))?,
        ResultFormat::Json => output::json(&serde_json::to_value(&found).unwrap_or_default())?,
    }
    Ok(Exit::Passed)
}

/// Two runs, the earlier one first, whichever was named first.
fn in_order(folder: &Path, one: String, other: String) -> Result<(String, String), CommandError> {
    let began = |run: &str| summary(folder, run).map(|summary| summary.started);
    if began(&one)? <= began(&other)? {
        return Ok((one, other));
    }
    output::hint(&format!(
        "Run {} began before run {}: it is shown as the earlier one.",
        short_id(&other),
        short_id(&one)
    ));
    Ok((other, one))
}

fn summary(folder: &Path, run: &str) -> Result<Summary, CommandError> {
    let reading = journal::read(folder, run)?;
    Ok(RunState::replay(&reading.records).map_err(EngineError::from)?.summary())
}
