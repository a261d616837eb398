//! `runbook undo RUN`

use super::after::AfterArguments;
use super::arguments::{ClusterArguments, run_id, workspace};
use super::changes::ChangeArguments;
use super::conduct::conduct;
use super::exit::{CommandError, Exit};
use super::{Format, Global};
use crate::session::{self, Undo};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct UndoArguments {
    /// Run to undo: its id, a part of it, latest, or latest:RUNBOOK
    run: String,
    /// Preview the changes to undo, but change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    changes: ChangeArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    after: AfterArguments,
}

pub(super) fn undo(global: &Global, arguments: UndoArguments) -> Result<Exit, CommandError> {
    let session = session::undo(
        &workspace(global)?,
        Undo {
            run: arguments.run,
            dry_run: arguments.dry_run,
            conduct: arguments.changes.of(arguments.cluster.conduct()),
            id: run_id(),
        },
    )?;
    conduct(global, session, arguments.output, &arguments.after)
}
