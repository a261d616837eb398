//! `runbook resume RUN`, `runbook resume --due`

use super::after::AfterArguments;
use super::arguments::{ConductArguments, workspace};
use super::conduct::conduct;
use super::due::{Due, resume_due};
use super::exit::{CommandError, Exit};
use super::{Format, Global};
use crate::event::StepMark;
use crate::session::{self, Resume};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// Run: its id, a part of it, latest, or latest:RUNBOOK
    #[arg(required_unless_present = "due")]
    run: Option<String>,
    /// Resume all runs that wait for a time that has come, one after the other; the exit code is
    /// the worst
    #[arg(long, conflicts_with_all = ["run", "mark_done", "mark_not_done", "skip", "despite"])]
    due: bool,
    /// Mark a step as done by hand: it does not run again, but its expectations are still checked
    #[arg(long, value_name = "STEP", requires = "reason")]
    mark_done: Vec<String>,
    /// Mark a step in doubt as not done
    #[arg(long, value_name = "STEP", requires = "reason")]
    mark_not_done: Vec<String>,
    /// Skip a step
    #[arg(long, value_name = "STEP", requires = "reason")]
    skip: Vec<String>,
    /// Reason, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Resume although this has changed since the run started
    #[arg(long, value_enum, value_name = "WHAT")]
    despite: Vec<Despite>,
    #[command(flatten)]
    conduct: ConductArguments,
    /// Output format
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    after: AfterArguments,
}

/// What may have changed since a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Despite {
    /// The runbook, at a step that has changed something
    Runbook,
    /// The cluster
    Cluster,
    /// The user
    User,
}

pub(super) fn resume(global: &Global, arguments: ResumeArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let Some(run) = arguments.run else {
        let params = arguments.conduct.params(&workspace)?;
        let (output, after) = (arguments.output, arguments.after);
        let conduct = arguments.conduct.conduct();
        return resume_due(global, &workspace, &Due { params, conduct, output, after });
    };
    let marks = [
        (StepMark::Done, arguments.mark_done),
        (StepMark::NotDone, arguments.mark_not_done),
        (StepMark::Skip, arguments.skip),
    ];
    let marked = |(mark, paths): (StepMark, Vec<String>)| {
        paths.into_iter().map(move |path| (mark, path)).collect::<Vec<_>>()
    };
    let insists = |what: Despite| arguments.despite.contains(&what);
    let session = session::resume(
        &workspace,
        Resume {
            run,
            params: arguments.conduct.params(&workspace)?,
            marks: marks.into_iter().flat_map(marked).collect(),
            reason: arguments.reason.unwrap_or_default(),
            despite: session::Despite {
                runbook: insists(Despite::Runbook),
                cluster: insists(Despite::Cluster),
                user: insists(Despite::User),
            },
            where_it_began: false,
            conduct: arguments.conduct.conduct(),
        },
    )?;
    conduct(global, session, arguments.output, &arguments.after)
}
