//! `runbook resume RUN`

use super::changes::ChangeArguments;
use super::exit::{CommandError, Exit};
use super::report::ReportFile;
use super::session::{Expected, Session, state_dir};
use super::target::{ClusterArguments, ParamArguments, catalogue, load, with_neighbours};
use super::trust::{self, TrustArguments};
use super::undo::procedure;
use super::{Format, Global, output};
use crate::engine::{EngineError, kept};
use crate::event::{Effect, Mode, StepMark, StepMarked, Verdict};
use crate::journal::{self, Journal};
use crate::plan::{Given, Plan};
use crate::state::{ChangeState, RunState, StepState};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// Id of the run, or the end of it
    run: String,
    /// A step that was done by hand: it is not done again, and its expectations are still checked
    #[arg(long, value_name = "STEP", requires = "reason")]
    mark_done: Vec<String>,
    /// A step in doubt that was not done
    #[arg(long, value_name = "STEP", requires = "reason")]
    mark_not_done: Vec<String>,
    /// A step that shall not be done
    #[arg(long, value_name = "STEP", requires = "reason")]
    skip: Vec<String>,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    /// Go on although this is another than when the run began
    #[arg(long, value_enum, value_name = "WHAT")]
    despite: Vec<Despite>,
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

pub(super) fn resume(
    global: &Global,
    mut arguments: ResumeArguments,
) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let run = journal::find(&folder, &arguments.run)?;
    let (reading, journal) = Journal::reopen(&folder, &run)?;
    output::of_journal(&reading);
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    let Some(header) = state.header().cloned() else {
        return Err(CommandError::Usage(format!("run {run} has no header and cannot be resumed")));
    };
    refuse_ended(&run, &state)?;
    let catalogue = catalogue(global);
    let undone = header.runbook.strip_prefix("undo/").filter(|_| header.mode != Mode::Run);
    let (name, loaded) = match undone {
        Some(earlier) => {
            let earlier = &journal::find(&folder, earlier)?;
            let reading = journal::read(&folder, earlier)?;
            let earlier_state = RunState::replay(&reading.records).map_err(EngineError::from)?;
            procedure(&catalogue, earlier, &earlier_state)?
        }
        None => load(&catalogue, &header.runbook)?,
    };
    let mut given: Vec<_> = header
        .params
        .iter()
        .filter(|(name, _)| !is_secret(&loaded, &header.runbook, name))
        .map(|(name, value)| Given { name: name.clone(), value: value.clone(), is_text: false })
        .collect();
    if let Some(runbook) = loaded.get(&name) {
        // what is secret was not recorded and has to be given again
        given.extend(arguments.params.given(runbook)?);
        if let Some(namespace) = &header.target.namespace {
            arguments.params.agree(namespace, runbook)?;
        }
    }
    same_namespace(
        &run,
        arguments.cluster.namespace.as_deref(),
        header.target.namespace.as_deref(),
        "goes on there",
    )?;
    let mut plan = Plan::new(&name, loaded, &given, header.target.namespace.as_deref())
        .map_err(CommandError::Params)?;
    // whether -n was typed then is not known and makes no difference: a plan that it did not reach
    // was refused
    plan.moved = plan.moved.filter(|moved| moved.from.is_some());
    let plan = with_neighbours(plan, &catalogue)?;
    trust::before(global, &plan, &arguments.trust)?;
    let kept = kept(&state, &plan.steps(), reading.records);
    let insists = |what: Despite| arguments.despite.contains(&what);
    if plan.digest != header.digest {
        let changed = kept
            .changed
            .iter()
            .find(|path| state.changes_of(path).iter().any(ChangeState::is_made));
        if let Some(path) = changed.filter(|_| !insists(Despite::Runbook)) {
            return Err(CommandError::Usage(format!(
                "step {path} of {name} has changed since, and it has already changed the cluster: \
                    take the former text back, or insist with --despite runbook (the change is not \
                    made again)"
            )));
        }
        output::hint(&format!(
            "The runbook {name} has changed since the run began: changed steps are done again."
        ));
    }
    // a run that began in the sandbox goes on there
    if arguments.cluster.sandbox.is_none() && !arguments.cluster.is_named() {
        arguments.cluster.sandbox = header.target.sandbox.clone();
    }
    arguments.cluster.choose(global, plan.runbook.sandbox.as_ref())?;
    let expected = Expected {
        cluster_uid: header.target.cluster_uid.clone().filter(|_| !insists(Despite::Cluster)),
        user: header.target.user.clone().filter(|_| !insists(Despite::User)),
    };
    let mut marked = Vec::new();
    let marks = [
        (StepMark::Done, &arguments.mark_done),
        (StepMark::NotDone, &arguments.mark_not_done),
        (StepMark::Skip, &arguments.skip),
    ];
    for (mark, path) in
        marks.iter().flat_map(|(mark, paths)| paths.iter().map(move |path| (*mark, path)))
    {
        if !plan.steps().iter().any(|step| step.path == *path) && state.step(path).is_none() {
            return Err(CommandError::Usage(format!("{name} has no step {path}")));
        }
        let planned =
            plan.steps().into_iter().find(|step| step.path == *path).map(|step| step.effect);
        let effect = planned.or_else(|| state.step(path).map(StepState::effect));
        if mark != StepMark::Skip && !matches!(effect, Some(Effect::Write | Effect::Opaque)) {
            return Err(CommandError::Usage(format!(
                "step {path} changes nothing that could be done by hand: it is looked at or asked \
                    again; leave it out with --skip {path}"
            )));
        }
        let reason = arguments.reason.clone().unwrap_or_default();
        marked.push(StepMarked { path: path.clone(), mark, by: String::new(), reason });
    }
    Session {
        global,
        plan,
        cluster: &arguments.cluster,
        mode: header.mode,
        trust_reads: arguments.trust.trust_reads,
        changes: &arguments.changes,
        format: arguments.output,
        reports: &arguments.report,
        run,
        earlier: Some((journal, state, kept)),
        marks: marked,
        expected,
    }
    .run()
}

/// Refuses another namespace than that of the run.
pub(super) fn same_namespace(
    run: &str,
    typed: Option<&str>,
    of_run: Option<&str>,
    does: &str,
) -> Result<(), CommandError> {
    match (typed, of_run) {
        (Some(typed), Some(of_run)) if typed != of_run => {
            let run = journal::short_id(run);
            Err(CommandError::Usage(format!(
                "run {run} is in the namespace {of_run} and {does}: leave -n {typed} out, or begin \
                    another run"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses a run that has ended and has nothing to go on with.
pub(super) fn refuse_ended(run: &str, state: &RunState) -> Result<(), CommandError> {
    let over = |verdict| {
        !matches!(verdict, Verdict::Cancelled | Verdict::Paused | Verdict::InDoubt)
            && !state.kept_from_its_first_step()
    };
    let Some(end) = state.end_of_run().filter(|end| over(end.verdict)) else { return Ok(()) };
    let verdict = serde_json::to_value(end.verdict)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    let short = journal::short_id(run);
    Err(CommandError::Usage(format!(
        "run {run} has ended ({verdict}) and has nothing to go on with; see it with: runbook show \
            {short}"
    )))
}

fn is_secret(
    loaded: &std::collections::BTreeMap<String, std::sync::Arc<crate::document::Runbook>>,
    runbook: &str,
    name: &str,
) -> bool {
    loaded
        .get(runbook)
        .and_then(|runbook| runbook.params.get(name))
        .is_some_and(|param| param.secret)
}
