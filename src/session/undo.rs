//! Undoing a run: its changes as a procedure that takes them back, newest first.

use super::resume::same_namespace;
use super::run::{Begin, Expected};
use super::start::new_id;
use super::{Conduct, Notice, Refusal, Session, SessionError, Workspace};
use crate::compare::{desired, only_restarts};
use crate::document::{Runbook, Step};
use crate::engine::EngineError;
use crate::event::{self, Mode, ObjectReference, PlannedChange};
use crate::journal;
use crate::plan::Plan;
use crate::state::{Made, RunState};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A run to undo.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// Id of the run whose changes are taken back, or the end of it.
    pub run: String,
    /// Shows what would be taken back, and changes nothing.
    pub dry_run: bool,
    /// How it is conducted.
    pub conduct: Conduct,
    /// Id of the run that undoes it; a new one if none.
    pub id: Option<String>,
}

/// A run that takes back what another one changed.
///
/// # Errors
/// When there is no such run, when it is in doubt, or when nothing is left of what it changed.
pub fn undo(workspace: &Workspace, options: Undo) -> Result<Session, SessionError> {
    let Undo { run, dry_run, mut conduct, id } = options;
    let earlier = journal::find(&workspace.state_dir, &run)?;
    let reading = journal::read(&workspace.state_dir, &earlier)?;
    let state = RunState::replay(&reading.records).map_err(EngineError::from)?;
    if let Some(step) = state.in_doubt().first() {
        return Err(Refusal::UndoInDoubt { run: earlier, step: (*step).to_owned() }.into());
    }
    let target = state.target().cloned().unwrap_or_default();
    let wanted = conduct.cluster.namespace.as_deref();
    same_namespace(&earlier, wanted, target.namespace.as_deref(), true)?;
    if conduct.cluster.sandbox.is_none() {
        conduct.cluster.sandbox = target.sandbox;
    }
    let (name, loaded) = procedure(&earlier, &state)?;
    let plan =
        Plan::new(&name, loaded, &[], target.namespace.as_deref()).map_err(SessionError::Params)?;
    let mode = if dry_run { Mode::DryRun } else { Mode::Undo };
    let run = id.unwrap_or_else(new_id);
    let begin = Begin {
        plan,
        mode,
        undoes: Some(earlier),
        alert: None,
        part: event::Part::default(),
        run,
        conduct,
    };
    let session = Session::new(workspace, begin)?;
    let expected = Expected { cluster_uid: target.cluster_uid, user: None };
    Ok(session.on(expected, Notice::of_journal(&reading)))
}

/// How long the pods of what is taken back are waited for.
const ROLLOUT: &str = "5m";

/// What a step of an undo is called.
fn title(change: &PlannedChange) -> String {
    let object = change.object.short();
    match change.verb.as_str() {
        "delete" => format!("Recreate {object}"),
        "create" => format!("Delete {object}"),
        _ if only_restarts(&desired(&change.before), &desired(&change.after)) => {
            format!("Restart {object} a second time, since a restart cannot be undone")
        }
        _ if change.is_written_out() => format!("Undo: {} ({object})", change.summary),
        _ => format!("Undo {} of {object}", change.summary),
    }
}

/// Whether the pods follow what is taken back, and are waited for; a workload that does not replace
/// them by itself has no end to wait for. It is waited when all is taken back: a state in between
/// may be one that nobody wants.
fn is_waited_for(change: &PlannedChange) -> bool {
    let spec = &change.before["spec"];
    let rolled = matches!(change.object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
    change.is_rolled_out()
        && rolled
        && spec["paused"] != true
        && spec["updateStrategy"]["type"] != "OnDelete"
}

/// The changes of a run as a runbook that takes them back, newest first, with its name.
///
/// # Errors
/// When nothing was changed, or nothing of it is left.
pub(super) fn procedure(
    run: &str,
    state: &RunState,
) -> Result<(String, BTreeMap<String, Arc<Runbook>>), SessionError> {
    let (lasting, passing): (Vec<Made>, Vec<Made>) =
        state.made().into_iter().partition(|made| made.lasts);
    let (opaque, undone): (Vec<&Made>, Vec<&Made>) =
        lasting.iter().partition(|made| made.is_opaque());
    let opaque: Vec<String> = opaque.iter().map(|made| made.path.to_owned()).collect();
    if undone.is_empty() {
        let gone: BTreeSet<String> =
            passing.iter().map(|made| made.change.object.short()).collect();
        let gone = gone.into_iter().collect();
        return Err(Refusal::NothingToUndo { run: run.to_owned(), opaque, gone }.into());
    }
    let rolled: BTreeSet<&ObjectReference> = undone
        .iter()
        .filter(|made| is_waited_for(made.change))
        .map(|made| &made.change.object)
        .collect();
    let takes_back = undone.iter().rev().map(|made| takes_back(run, made));
    let waits = rolled.into_iter().enumerate().map(|(number, object)| waits(number, object));
    let steps = takes_back.chain(waits).collect::<Result<Vec<_>, _>>()?;
    let described = if opaque.is_empty() {
        String::new()
    } else {
        format!("Not undone, because it is unknown how: {}.", opaque.join(", "))
    };
    let id = event::short_id(run);
    let name = format!("undo/{id}");
    let title = format!("Undo the changes of run {id}");
    let runbook = Runbook::built(&name, title, described, steps);
    Ok((name.clone(), BTreeMap::from([(name, Arc::new(runbook))])))
}

/// The step that takes a change back.
fn takes_back(run: &str, made: &Made) -> Result<Step, SessionError> {
    let Made { path, index, change, .. } = made;
    let ObjectReference { namespace, kind, name, .. } = &change.object;
    let id: String =
        path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let object = format!("{namespace}/{}/{name}", kind.to_ascii_lowercase());
    let arguments = json!({"run": run, "step": path, "change": index, "object": object});
    built(format!("{}-{index}", id.trim_matches('-')), title(change), "undo", arguments)
}

/// The step that waits until the pods of a workload are those of its template.
fn waits(number: usize, object: &ObjectReference) -> Result<Step, SessionError> {
    let ObjectReference { kind, name, namespace, .. } = object;
    let target = json!({"kind": kind, "name": name, "namespace": namespace});
    let title = format!("The pods of {} are ready", object.short());
    let arguments = json!({"target": target, "timeout": ROLLOUT});
    built(format!("rollout-{number}"), title, "rollout", arguments)
}

fn built(
    id: String,
    title: String,
    verb: &str,
    arguments: serde_json::Value,
) -> Result<Step, SessionError> {
    Step::built(id, title, verb, arguments).map_err(SessionError::Defect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sample::{RUN, Story};
    use crate::event::{ChangesPlanned, Event};

    /// A run of which one step has scaled `ns/deployment/x`, as `change` tells it.
    fn scaled(change: impl Fn(&mut PlannedChange)) -> RunState {
        let mut story = Story::new(Mode::Run, &[("checks/down", "Scale down")]);
        story.sends("checks/down", "Scale down").made("checks/down");
        for record in &mut story.records {
            if let Event::ChangesPlanned(ChangesPlanned { changes, .. }) = &mut record.event {
                changes.iter_mut().for_each(&change);
            }
        }
        RunState::replay(&story.records).unwrap()
    }

    fn plan(state: &RunState) -> Plan {
        let (name, loaded) = procedure(RUN, state).unwrap();
        Plan::new(&name, loaded, &[], None).unwrap()
    }

    #[test]
    fn the_changes_of_a_run_become_steps_and_its_workloads_are_waited_for() {
        let plan = plan(&scaled(|_| {}));
        let steps: Vec<_> = plan
            .steps()
            .into_iter()
            .map(|step| format!("{} {}: {}", step.action, step.path, step.title))
            .collect();
        assert_eq!(
            steps,
            [
                "undo checks-down-0: Undo 3 → 1 replicas of deployment/x",
                "rollout rollout-0: The pods of deployment/x are ready",
            ]
        );
        assert_eq!(plan.runbook.name, "undo/LEADER42");
        let targets: Vec<_> = plan
            .runbook
            .all_steps()
            .iter()
            .filter_map(|step| step.body.action().map(|action| action.targets("other")))
            .collect();
        assert_eq!(targets, [vec!["ns/deployment/x".to_owned()], Vec::new()]);
    }

    #[test]
    fn what_a_step_is_called_is_no_part_of_what_it_does() {
        let digests = |state: &RunState| {
            plan(state).steps().into_iter().map(|step| step.digest).collect::<Vec<_>>()
        };
        let before = digests(&scaled(|_| {}));
        assert_ne!(before[0], before[1]);
        let braces = scaled(|change| change.summary = "{{ not a template }} \"quoted\"".to_owned());
        assert_eq!(digests(&braces), before);
        assert_eq!(
            plan(&braces).steps()[0].title,
            "Undo {{ not a template }} \"quoted\" of deployment/x"
        );
        let other = scaled(|change| change.object.name = "y".to_owned());
        assert_ne!(digests(&other), before);
    }

    #[test]
    fn a_run_without_changes_has_nothing_to_undo_and_says_why() {
        let refusal = |state: &RunState| match procedure(RUN, state) {
            Err(SessionError::Refused(refusal)) => refusal.to_string(),
            other => format!("{other:?}"),
        };
        let nothing = RunState::replay(&Story::new(Mode::Run, &[]).records).unwrap();
        assert!(refusal(&nothing).ends_with("has nothing to undo: it changed nothing"));
        let opaque = scaled(|change| change.verb = "run".to_owned());
        assert!(
            refusal(&opaque).ends_with("what it did in checks/down cannot be undone"),
            "{}",
            refusal(&opaque)
        );
    }

    #[test]
    fn a_run_that_has_deleted_all_that_it_created_has_nothing_to_undo() {
        let probe = json!({"metadata": {"uid": "a"}});
        let mut story = Story::new(Mode::Run, &[("create", ""), ("delete", "")]);
        for path in ["create", "delete"] {
            story.sends(path, "").made(path);
        }
        for record in &mut story.records {
            match &mut record.event {
                Event::ChangesPlanned(planned) => {
                    let change = &mut planned.changes[0];
                    change.verb.clone_from(&planned.path);
                    change.before =
                        if planned.path == "delete" { probe.clone() } else { json!(null) };
                }
                Event::ChangeFinished(finished) if finished.path == "create" => {
                    finished.after = probe.clone();
                }
                _ => {}
            }
        }
        let state = RunState::replay(&story.records).unwrap();
        let Err(SessionError::Refused(refusal)) = procedure(RUN, &state) else { panic!() };
        assert_eq!(
            refusal.to_string(),
            format!("run {RUN} has nothing to undo: it has deleted what it created: deployment/x")
        );
    }
}
