//! Going on with a run that was interrupted, paused, or whose process died.

use super::due::refuse_early;
use super::run::{Begin, Expected};
use super::target::{load, with_neighbours};
use super::undo::procedure;
use super::{Conduct, Notice, Params, Refusal, Session, SessionError, Workspace};
use crate::document::Runbook;
use crate::engine::{EngineError, Kept, kept};
use crate::event::{
    Effect, Event, Mode, PlannedStep, Record, RunStarted, StepKind, StepMark, StepMarked, short_id,
    typed_value,
};
use crate::journal::{self, Journal, RunInfo};
use crate::plan::{Given, Plan, check_namespace};
use crate::state::{ChangeState, RunState, StepState};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run to go on with.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// Id of the run, or its last characters.
    pub run: String,
    /// Parameters that are secret, and so were not recorded.
    pub params: Params,
    /// What a person says of steps, by path.
    pub marks: Vec<(StepMark, String)>,
    /// Why, for the record.
    pub reason: String,
    /// What may be another than when the run began.
    pub despite: Despite,
    /// In the context in which it began, unless a cluster is named.
    pub where_it_began: bool,
    /// How it is conducted.
    pub conduct: Conduct,
}

/// What may have changed since a run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Despite {
    /// The runbook, at a step that has changed something.
    pub runbook: bool,
    /// The cluster.
    pub cluster: bool,
    /// The user.
    pub user: bool,
}

/// The rest of a run. Its journal is locked from now on.
///
/// # Errors
/// When there is no such run, when another process has it, when it is over, or when what it began
/// with is not there any more.
pub fn resume(workspace: &Workspace, mut options: Resume) -> Result<Session, SessionError> {
    let run = journal::find(&workspace.state_dir, &options.run)?;
    let (reading, journal) = Journal::reopen(&workspace.state_dir, &run, workspace.durability)?;
    let mut notices = Notice::of_journal(&reading);
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    let Some(mut header) = state.header().cloned() else {
        return Err(Refusal::NoHeader { run }.into());
    };
    // one that was masked follows from the parameters, as it did then
    header.target.namespace.take_if(|namespace| check_namespace(namespace).is_err());
    refuse_ended(&run, &state)?;
    refuse_undone(workspace, &run, &header.runbook)?;
    refuse_early(&run, &state, &options.marks, workspace.clock.now())?;
    let plan = plan_again(workspace, &run, &header, &options)?;
    let undoes = undone(&header).is_some();
    let (state, records) = if undoes {
        let records = as_planned(reading.records, &plan.steps());
        (RunState::replay(&records).map_err(EngineError::from)?, records)
    } else {
        (state, reading.records)
    };
    let kept = Kept {
        despite_changes: options.despite.runbook || undoes,
        ..kept(&state, &plan.steps(), records)
    };
    if plan.digest != header.digest && !undoes {
        refuse_changed(&plan, &state, &kept, options.despite)?;
        notices.push(Notice::RunbookChanged { name: plan.runbook.name.clone() });
    }
    if header.target.sandbox.is_some() && state.has_lasting_changes() && !undoes {
        notices.push(Notice::SandboxAnew);
    }
    let marks = marked(&plan, &state, &options)?;
    // a run that began in the sandbox goes on there
    let place = &mut options.conduct.cluster;
    if place.sandbox.is_none() && !place.is_named() {
        place.sandbox.clone_from(&header.target.sandbox);
        if options.where_it_began && place.sandbox.is_none() {
            place.context.clone_from(&header.target.context);
        }
    }
    let Despite { cluster, user, .. } = options.despite;
    let expected = Expected {
        cluster_uid: header.target.cluster_uid.filter(|_| !cluster),
        user: header.target.user.filter(|_| !user),
    };
    let (mode, undoes, conduct) = (header.mode, header.undoes, options.conduct);
    let part = header.part.unwrap_or_default();
    let begin = Begin { plan, mode, undoes, alert: None, part, run, conduct };
    let session = Session::new(workspace, begin)?.with_typed(&options.params);
    Ok(session.going_on((journal, state, kept), marks, expected, notices))
}

/// The records of an undo with its steps written as they are now. A step of it is named after the
/// change that it takes back, which stands in a journal: one of this name does the same, whichever
/// version of the program wrote it.
fn as_planned(mut records: Vec<Record>, planned: &[PlannedStep]) -> Vec<Record> {
    for record in &mut records {
        if let Event::StepFinished(finished) = &mut record.event
            && let Some(step) = planned.iter().find(|step| step.path == finished.path)
            && step.action == StepKind::Undo
        {
            finished.digest.clone_from(&step.digest);
        }
    }
    records
}

/// The run that this run undoes, if it does. Records of earlier versions say it by the name of the
/// runbook alone.
fn undone(header: &RunStarted) -> Option<&str> {
    let named = || header.runbook.strip_prefix("undo/").filter(|_| header.mode != Mode::Run);
    header.undoes.as_deref().or_else(named)
}

/// That the runbook of a run is not found because this is another directory than that of the run.
fn elsewhere(workspace: &Workspace, header: &RunStarted) -> Option<SessionError> {
    let is_known = workspace.catalogue().list().any(|entry| entry.name == header.runbook);
    let directory = header.directory.clone().filter(|_| !is_known)?;
    let is_other =
        header.host != workspace.host || workspace.directory.as_ref() != Some(&directory);
    let began = (header.host.clone(), directory);
    is_other.then(|| Refusal::Elsewhere { runbook: header.runbook.clone(), began }.into())
}

/// The plan of a run, with the parameters that it began with.
fn plan_again(
    workspace: &Workspace,
    run: &str,
    header: &RunStarted,
    options: &Resume,
) -> Result<Plan, SessionError> {
    let catalogue = workspace.catalogue();
    let (name, loaded) = match undone(header) {
        Some(earlier) => {
            let earlier = &journal::find(&workspace.state_dir, earlier)?;
            let reading = journal::read(&workspace.state_dir, earlier)?;
            let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
            procedure(earlier, &state)?
        }
        None => load(&catalogue, &header.runbook)
            .map_err(|error| elsewhere(workspace, header).unwrap_or_else(|| error.into()))?,
    };
    let mut given: Vec<_> = header
        .params
        .iter()
        .filter(|(name, _)| !is_secret(&loaded, &header.runbook, name))
        .filter(|(name, _)| !header.withheld.contains(name))
        .map(|(name, value)| Given { name: name.clone(), value: value.clone(), is_text: false })
        .collect();
    let recorded: BTreeMap<String, Value> =
        given.iter().map(|given| (given.name.clone(), given.value.clone())).collect();
    if let Some(runbook) = loaded.get(&name) {
        // what is secret was not recorded and has to be given again; an environment that has
        // changed changes nothing
        let mut again = options.params.given(runbook);
        again.retain(|given| {
            !recorded.contains_key(&given.name) || options.params.names(&given.name)
        });
        let is_given = |name: &&String| again.iter().any(|given| given.name == **name);
        if let Some(name) = header.withheld.iter().find(|name| !is_given(name)) {
            return Err(Refusal::Withheld { run: run.to_owned(), param: name.clone() }.into());
        }
        given.extend(again);
        if let Some(namespace) = &header.target.namespace {
            options.params.agree(namespace, runbook)?;
        }
    }
    let wanted = options.conduct.cluster.namespace.as_deref();
    same_namespace(run, wanted, header.target.namespace.as_deref(), false)?;
    let mut plan = Plan::new(&name, loaded, &given, header.target.namespace.as_deref())
        .map_err(SessionError::Params)?;
    let differs = |(name, value): &(&String, &Value)| {
        options.params.names(name) && plan.params.get(*name) != Some(*value)
    };
    if let Some((param, value)) = recorded.iter().find(differs) {
        return Err(Refusal::OtherParam {
            run: short_id(run).to_owned(),
            param: param.clone(),
            value: typed_value(value),
        }
        .into());
    }
    // whether a namespace was named then is not known and makes no difference: a plan that it did
    // not reach was refused
    plan.moved = plan.moved.filter(|moved| moved.from.is_some());
    Ok(with_neighbours(plan, &catalogue))
}

/// Refuses a run of which another run has taken something back: what its record says is done is not
/// so any more.
fn refuse_undone(workspace: &Workspace, run: &str, runbook: &str) -> Result<(), SessionError> {
    let undoes = |info: &RunInfo| {
        let header = info.header.as_ref();
        header.is_some_and(|header| header.undoes.as_deref() == Some(run))
    };
    for info in journal::newest(&workspace.state_dir)?.filter(undoes) {
        let reading = journal::read(&workspace.state_dir, &info.run)?;
        let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
        if !state.made().is_empty() || !state.in_doubt().is_empty() {
            return Err(Refusal::Undone {
                run: short_id(run).to_owned(),
                by: short_id(&info.run).to_owned(),
                runbook: runbook.to_owned(),
            }
            .into());
        }
    }
    Ok(())
}

/// Refuses a runbook of which a step that has changed the cluster is written otherwise now.
fn refuse_changed(
    plan: &Plan,
    state: &RunState,
    kept: &Kept,
    despite: Despite,
) -> Result<(), Refusal> {
    let made = |path: &&String| state.changes_of(path).iter().any(ChangeState::is_made);
    match kept.changed.iter().find(made) {
        Some(step) if !despite.runbook => {
            Err(Refusal::StepChanged { runbook: plan.runbook.name.clone(), step: step.clone() })
        }
        _ => Ok(()),
    }
}

/// What a person says of steps, for the record.
fn marked(plan: &Plan, state: &RunState, options: &Resume) -> Result<Vec<StepMarked>, Refusal> {
    let planned = plan.steps();
    let mark = |(mark, path): &(StepMark, String)| {
        let effect = planned.iter().find(|step| step.path == *path).map(|step| step.effect);
        let effect = effect.or_else(|| state.step(path).map(StepState::effect));
        match effect {
            None => {
                let runbook = plan.runbook.name.clone();
                return Err(Refusal::NoStep { runbook, step: path.clone() });
            }
            Some(Effect::Read | Effect::Operator) if *mark != StepMark::Skip => {
                return Err(Refusal::NothingToMark { step: path.clone() });
            }
            Some(_) => {}
        }
        let (by, reason) = (String::new(), options.reason.clone());
        Ok(StepMarked { path: path.clone(), mark: *mark, by, reason })
    };
    options.marks.iter().map(mark).collect()
}

/// Refuses another namespace than that of the run.
pub(super) fn same_namespace(
    run: &str,
    wanted: Option<&str>,
    of_run: Option<&str>,
    undo: bool,
) -> Result<(), Refusal> {
    match (wanted, of_run) {
        (Some(wanted), Some(of_run)) if wanted != of_run => Err(Refusal::OtherNamespace {
            run: short_id(run).to_owned(),
            of_run: of_run.to_owned(),
            wanted: wanted.to_owned(),
            undo,
        }),
        _ => Ok(()),
    }
}

/// Refuses a run that has ended and has nothing to go on with.
pub(super) fn refuse_ended(run: &str, state: &RunState) -> Result<(), Refusal> {
    match state.end_of_run().filter(|_| !state.is_resumable()) {
        Some(end) => Err(Refusal::Ended { run: run.to_owned(), verdict: end.verdict }),
        None => Ok(()),
    }
}

fn is_secret(loaded: &BTreeMap<String, Arc<Runbook>>, runbook: &str, name: &str) -> bool {
    loaded
        .get(runbook)
        .and_then(|runbook| runbook.params.get(name))
        .is_some_and(|param| param.secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{Story, finished};
    use crate::event::{Outcome, StepFinished, Verdict};

    #[test]
    fn a_step_of_an_undo_is_the_same_whichever_version_wrote_it() {
        let end = |action: &str| StepFinished {
            action: action.into(),
            digest: "sha256:of-a-text".to_owned(),
            ..finished(action, "", Outcome::Passed, "")
        };
        let mut story = Story::new(Mode::Undo, &[]);
        story.done(end("undo")).done(end("rollout"));
        let planned = ["undo", "rollout"].map(|path| PlannedStep {
            path: path.to_owned(),
            title: String::new(),
            action: path.into(),
            effect: Effect::Write,
            digest: "sha256:of-values".to_owned(),
        });
        let state = RunState::replay(&as_planned(story.records, &planned)).unwrap();
        let kept = kept(&state, &planned, Vec::new());
        assert_eq!(kept.paths(), ["undo"]);
        assert_eq!(kept.changed, ["rollout"], "what only looks, looks again");
    }

    #[test]
    fn which_run_is_undone_is_in_the_header_and_in_older_ones_in_the_name() {
        let header = |mode, runbook: &str, undoes: Option<&str>| {
            let story = Story::new(mode, &[]);
            let state = RunState::replay(&story.records).unwrap();
            let (runbook, undoes) = (runbook.to_owned(), undoes.map(str::to_owned));
            RunStarted { runbook, undoes, ..state.header().cloned().unwrap() }
        };
        for (mode, runbook, undoes, wanted) in [
            (Mode::Undo, "undo/LEADER42", Some("RUN"), Some("RUN")),
            (Mode::Undo, "undo/LEADER42", None, Some("LEADER42")),
            (Mode::DryRun, "undo/LEADER42", None, Some("LEADER42")),
            (Mode::Run, "undo/mine", None, None),
            (Mode::Run, "ta-bot/restart", None, None),
        ] {
            assert_eq!(undone(&header(mode, runbook, undoes)), wanted, "{runbook} {undoes:?}");
        }
    }

    #[test]
    fn what_is_over_is_not_gone_on_with() {
        let ended = |verdict| {
            let mut story = Story::new(Mode::Run, &[]);
            story.done(finished("a", "", Outcome::Passed, "")).finish(verdict, 0, &[]);
            refuse_ended("RUN", &RunState::replay(&story.records).unwrap()).is_err()
        };
        for verdict in
            [Verdict::Passed, Verdict::Failed, Verdict::Error, Verdict::Unknown, Verdict::Partial]
        {
            assert!(ended(verdict), "{verdict:?}");
        }
        for verdict in [Verdict::Paused, Verdict::InDoubt, Verdict::Cancelled, Verdict::TimedOut] {
            assert!(!ended(verdict), "{verdict:?}");
        }
    }

    #[test]
    fn a_run_stays_in_its_namespace() {
        for (wanted, of_run, good) in [
            (None, Some("a"), true),
            (Some("a"), Some("a"), true),
            (Some("b"), Some("a"), false),
            (Some("b"), None, true),
        ] {
            let result = same_namespace("RUN", wanted, of_run, false);
            assert_eq!(result.is_ok(), good, "{wanted:?} {of_run:?}");
        }
    }
}
