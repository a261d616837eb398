//! `runbook resume RUN`

use super::exit::{CommandError, Exit};
use super::report::ReportFile;
use super::session::{Session, state_dir};
use super::target::{ClusterArguments, ParamArguments, catalogue, load, with_neighbours};
use super::{Format, Global, output};
use crate::engine::kept;
use crate::event::Verdict;
use crate::journal::{self, Journal};
use crate::plan::{Given, Plan};
use crate::state::RunState;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// Id of the run, or the end of it
    run: String,
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

pub(super) fn resume(global: &Global, mut arguments: ResumeArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let (records, journal) = Journal::reopen(&folder, &run)?;
    let state = RunState::replay(&records).map_err(crate::engine::EngineError::from)?;
    let Some(header) = state.header().cloned() else {
        return Err(CommandError::Usage(format!("run {run} has no header and cannot be resumed")));
    };
    if let Some(end) = state.end_of_run().filter(|end| !matches!(end.verdict, Verdict::Cancelled | Verdict::Paused | Verdict::InDoubt)) {
        let verdict = serde_json::to_value(end.verdict).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        return Err(CommandError::Usage(format!(
            "run {run} has ended ({verdict}) and has nothing to go on with; see it with: runbook show {}",
            journal::short_id(&run)
        )));
    }
    let catalogue = catalogue(global);
    let (name, loaded) = load(&catalogue, &header.runbook)?;
    let given: Vec<_> = header
        .params
        .iter()
        .filter(|(name, _)| !is_secret(&loaded, &header.runbook, name))
        .map(|(name, value)| Given { name: name.clone(), value: value.clone(), is_text: false })
        .collect();
    let plan = Plan::new(&name, loaded, &given, None).map_err(CommandError::Params)?;
    let plan = with_neighbours(plan, &catalogue)?;
    if plan.digest != header.digest {
        output::hint(&format!("The runbook {name} has changed since the run began: changed steps are done again."));
    }
    // a run that began in the sandbox goes on there
    if arguments.cluster.sandbox.is_none() {
        arguments.cluster.sandbox = header.target.sandbox.clone();
    }
    let kept = kept(&state, &plan.steps());
    Session { global, plan, cluster: &arguments.cluster, format: arguments.output, reports: &arguments.report, run, earlier: Some((journal, state, kept)) }
        .run()
}

fn is_secret(loaded: &std::collections::BTreeMap<String, std::sync::Arc<crate::document::Runbook>>, runbook: &str, name: &str) -> bool {
    loaded.get(runbook).and_then(|runbook| runbook.params.get(name)).is_some_and(|param| param.secret)
}
