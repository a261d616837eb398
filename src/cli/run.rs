//! `runbook run NAME`

use super::changes::ChangeArguments;
use super::exit::{CommandError, Exit};
use super::report::ReportFile;
use super::session::{Expected, Session};
use super::target::{ClusterArguments, ParamArguments, plan};
use super::trust::{self, TrustArguments};
use super::{Format, Global};
use crate::event::Mode;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Name of the runbook, such as ta-bot/no-signals, or the path of its file
    name: String,
    /// Read for real, show what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    changes: ChangeArguments,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    params: ParamArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// How the result is written
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Write a report when the run is over, such as junit=smoke.xml; may be given several times
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<ReportFile>,
}

pub(super) fn run(global: &Global, mut arguments: RunArguments) -> Result<Exit, CommandError> {
    let plan =
        plan(global, &arguments.name, &arguments.params, arguments.cluster.namespace.as_deref())?;
    arguments.cluster.choose(global, plan.runbook.sandbox.as_ref())?;
    trust::before(global, &plan, &arguments.trust)?;
    let run =
        std::env::var("RUNBOOK_RUN_ID").unwrap_or_else(|_| ulid::Ulid::generate().to_string());
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Run };
    Session {
        global,
        plan,
        cluster: &arguments.cluster,
        mode,
        trust_reads: arguments.trust.trust_reads,
        changes: &arguments.changes,
        format: arguments.output,
        reports: &arguments.report,
        run,
        earlier: None,
        marks: Vec::new(),
        expected: Expected::default(),
    }
    .run()
}
