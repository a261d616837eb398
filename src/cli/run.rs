//! `runbook run NAME`

use super::after::AfterArguments;
use super::arguments::{ConductArguments, run_id, workspace};
use super::conduct::conduct;
use super::exit::{CommandError, Exit};
use super::parameters::begin;
use super::pick::pick;
use super::{Format, Global};
use crate::session::Start;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Name of the runbook, such as ta-bot/no-signals, or path of its file; without one, a
    /// terminal shows all to pick from
    name: Option<String>,
    /// Read the cluster and preview the changes, but change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    conduct: ConductArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    after: AfterArguments,
}

pub(super) fn run(global: &Global, arguments: RunArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let runbook = match arguments.name {
        Some(name) => name,
        None if arguments.output == Format::Text => pick(global)?,
        None => return Err(CommandError::Unnamed),
    };
    let options = Start {
        params: arguments.conduct.params(&workspace)?,
        runbook,
        dry_run: arguments.dry_run,
        alert: None,
        conduct: arguments.conduct.conduct(),
        run: run_id(),
    };
    let session = begin(&workspace, options, arguments.output == Format::Text)?;
    conduct(global, session, arguments.output, &arguments.after)
}
