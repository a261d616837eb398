//! Beginning a run.

use super::run::Begin;
use super::target::planned;
use super::{Conduct, Params, Refusal, Session, SessionError, Workspace};
use crate::diagnostic::nearest;
use crate::event::{AnsweredAlert, Mode, Part, PlannedStep, is_within};
use crate::plan::Plan;

/// A run to begin.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Name of the runbook, or the path of its file.
    pub runbook: String,
    /// Parameters of the runbook.
    pub params: Params,
    /// Reads for real, shows what would be changed, and changes nothing.
    pub dry_run: bool,
    /// The alert that it answers, if it does.
    pub alert: Option<AnsweredAlert>,
    /// The part of the runbook that it does.
    pub part: Part,
    /// How it is conducted.
    pub conduct: Conduct,
    /// The run's id; a new one if none.
    pub run: Option<String>,
}

impl Start {
    /// A run of this runbook with its defaults.
    pub fn of(runbook: impl Into<String>) -> Self {
        Self { runbook: runbook.into(), ..Self::default() }
    }
}

/// What a run would do, without a cluster.
///
/// # Errors
/// When the runbook cannot be had, or its parameters are wrong.
pub fn plan(workspace: &Workspace, options: &Start) -> Result<Plan, SessionError> {
    let Start { runbook, params, conduct, .. } = options;
    planned(workspace, runbook, params, &conduct.cluster)
}

/// A run of a runbook.
///
/// # Errors
/// As [`plan`]; when the records cannot be kept.
pub fn start(workspace: &Workspace, options: Start) -> Result<Session, SessionError> {
    let plan = plan(workspace, &options)?;
    let mode = if options.dry_run { Mode::DryRun } else { Mode::Run };
    let run = options.run.unwrap_or_else(new_id);
    let Start { alert, part, conduct, params, .. } = options;
    known(&plan, &part)?;
    let begin = Begin { plan, mode, undoes: None, alert, part, run, conduct };
    Ok(Session::new(workspace, begin)?.with_typed(&params))
}

/// Refuses a part that names what is no step of the plan or no part of its own, or that is empty.
fn known(plan: &Plan, part: &Part) -> Result<(), Refusal> {
    let steps = plan.steps();
    let runbook = || plan.runbook.name.clone();
    let paths = || steps.iter().map(|step| step.path.as_str());
    if let Some(unknown) = part.named().find(|path| !paths().any(|known| known == *path)) {
        let near = nearest(unknown, paths()).map(str::to_owned);
        return Err(Refusal::NoSuchStep { runbook: runbook(), step: unknown.clone(), near });
    }
    for path in part.named() {
        // a group can be done in part, a change cannot
        let mut owners = steps.iter().filter(|step| is_within(path, &step.path));
        if let Some(owner) = owners.find(|step| !step.action.is_group()) {
            return Err(Refusal::PartOfAChange { step: path.clone(), change: owner.path.clone() });
        }
    }
    // a loop whose items are known in the run only has no steps of its own in the plan
    let is_around = |step: &PlannedStep| paths().any(|path| is_within(path, &step.path));
    let mut done = steps.iter().filter(|step| part.leaves_out(&step.path, paths()).is_none());
    if !part.is_whole() && done.all(is_around) {
        return Err(Refusal::EmptyPart { runbook: runbook() });
    }
    Ok(())
}

/// A run of a runbook on a simulated cluster: that of its options, or the one that the runbook
/// declares. Programs of this machine are real; a dry run starts none.
///
/// # Errors
/// As [`start`]; when a real cluster is named.
pub fn rehearse(workspace: &Workspace, mut options: Start) -> Result<Session, SessionError> {
    let cluster = &mut options.conduct.cluster;
    if cluster.is_named() {
        return Err(Refusal::RealCluster.into());
    }
    cluster.sandbox.get_or_insert_default();
    start(workspace, options)
}

/// The id of a new run.
pub(super) fn new_id() -> String {
    ulid::Ulid::generate().to_string()
}
