//! `runbook run NAME`

use super::after::AfterArguments;
use super::arguments::{ConductArguments, run_id, workspace};
use super::conduct::conduct;
use super::exit::{CommandError, Exit};
use super::keyboard;
use super::parameters::begin;
use super::pick::pick;
use super::{Format, Global};
use crate::event::Part;
use crate::session::Start;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Name of the runbook, such as ta-bot/no-signals, or path of its file; on a terminal,
    /// omit it to pick one from a list
    name: Option<String>,
    /// Read the cluster and preview the changes, but change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    part: PartArguments,
    #[command(flatten)]
    conduct: ConductArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    after: AfterArguments,
}

/// A part of the runbook.
#[derive(Debug, Args)]
struct PartArguments {
    /// Run only this step, with all that is in it; can be repeated. Changes are made only if no
    /// step before them is skipped that would have stopped the run
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// Start at this step; the steps before it are skipped
    #[arg(long, value_name = "STEP")]
    start_at: Option<String>,
    /// Ask before every step: run it, skip it, run all the rest, or pause
    #[arg(long)]
    step: bool,
}

impl PartArguments {
    /// The part; an error where it would have to be asked for and nobody is there.
    fn part(self, output: Format) -> Result<Part, CommandError> {
        if self.step && (output != Format::Text || !keyboard::is_attended()) {
            let why = "--step asks before every step, and there is no terminal to ask at";
            return Err(CommandError::Usage(why.to_owned()));
        }
        Ok(Part { only: self.only, start_at: self.start_at, asks: self.step })
    }
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
        part: arguments.part.part(arguments.output)?,
        conduct: arguments.conduct.conduct(),
        run: run_id(),
    };
    let session = begin(&workspace, options, arguments.output == Format::Text)?;
    conduct(global, session, arguments.output, &arguments.after)
}
