//! `runbook undo RUN`

use super::changes::ChangeArguments;
use super::exit::{CommandError, Exit};
use super::report::ReportFile;
use super::session::{Session, state_dir};
use super::target::{ClusterArguments, catalogue};
use super::{Format, Global, output};
use crate::action::support::compare::{desired, only_restarts};
use crate::document::{Catalogue, Runbook};
use crate::event::{Mode, PlannedChange};
use crate::journal;
use crate::plan::Plan;
use crate::state::RunState;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(super) struct UndoArguments {
    /// Id of the run whose changes are taken back, or the end of it
    run: String,
    /// Show what would be taken back, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    changes: ChangeArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
    /// How the result is written
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
    /// Write a report when the run is over, such as junit=undo.xml; may be given several times
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<ReportFile>,
}

pub(super) fn undo(global: &Global, mut arguments: UndoArguments) -> Result<Exit, CommandError> {
    let folder = state_dir(global)?;
    let earlier = journal::find(&folder, &arguments.run)?;
    let reading = journal::read(&folder, &earlier)?;
    output::of_journal(&reading);
    let state = RunState::replay(&reading.records).map_err(crate::engine::EngineError::from)?;
    if let Some(path) = state.in_doubt().first() {
        return Err(CommandError::Usage(format!(
            "it is not known whether step {path} of run {earlier} was done: settle that first with \
                runbook resume {}",
            journal::short_id(&earlier)
        )));
    }
    let target = state.target().cloned().unwrap_or_default();
    super::resume::same_namespace(
        &earlier,
        arguments.cluster.namespace.as_deref(),
        target.namespace.as_deref(),
        "is taken back there",
    )?;
    if arguments.cluster.sandbox.is_none() {
        arguments.cluster.sandbox = target.sandbox;
    }
    arguments.cluster.choose(global, None)?;
    let (name, loaded) = procedure(&catalogue(global), &earlier, &state)?;
    let plan =
        Plan::new(&name, loaded, &[], target.namespace.as_deref()).map_err(CommandError::Params)?;
    let run =
        std::env::var("RUNBOOK_RUN_ID").unwrap_or_else(|_| ulid::Ulid::generate().to_string());
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Undo };
    let cluster_uid = target.cluster_uid;
    Session {
        global,
        plan,
        cluster: &arguments.cluster,
        mode,
        trust_reads: false,
        changes: &arguments.changes,
        format: arguments.output,
        reports: &arguments.report,
        run,
        earlier: None,
        marks: Vec::new(),
        expected: super::session::Expected { cluster_uid, user: None },
    }
    .run()
}

/// How long the pods of what is taken back are waited for.
const ROLLOUT: &str = "5m";

/// What a step of an undo is called.
fn title(change: &PlannedChange) -> String {
    let object = change.object.short();
    match change.verb.as_str() {
        "delete" => format!("Make {object} again"),
        "create" => format!("Delete {object}"),
        _ if only_restarts(&desired(&change.before), &desired(&change.after)) => {
            format!("Restart {object} a second time: that is what undoing a restart comes to")
        }
        _ if matches!(change.summary.as_str(), "patched" | "applied") => {
            format!("Take back what was {} ({object})", change.summary)
        }
        _ => format!("Take back {} of {object}", change.summary),
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

/// The name of the procedure that takes the changes of a run back.
pub(super) fn name_of(run: &str) -> String {
    format!("undo/{}", journal::short_id(run))
}

/// The changes of a run as a runbook that takes them back, newest first.
///
/// # Errors
/// When nothing was changed.
pub(super) fn procedure(
    catalogue: &Catalogue,
    run: &str,
    state: &RunState,
) -> Result<(String, BTreeMap<String, Arc<Runbook>>), CommandError> {
    let made: Vec<_> = state
        .changing_steps()
        .flat_map(|(path, changes)| {
            changes
                .iter()
                .enumerate()
                .filter(|(_, change)| change.is_made())
                .map(move |(index, change)| (path, index, change))
        })
        .collect();
    let opaque: Vec<&str> = made
        .iter()
        .filter(|(_, _, change)| change.planned.verb == "run")
        .map(|(path, ..)| *path)
        .collect();
    let mut steps = String::new();
    for (path, index, change) in
        made.iter().rev().filter(|(_, _, change)| change.planned.verb != "run")
    {
        let id: String =
            path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let object = &change.planned.object;
        let title = title(&change.planned);
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        // writing to a String cannot fail
        let _ = writeln!(
            steps,
            "  - id: {}-{index}\n    title: {}\n    undo: {{run: {}, step: {}, change: {index}, \
                object: {}}}",
            id.trim_matches('-'),
            quoted(&title.replace("{{", "{ {")),
            quoted(run),
            quoted(path),
            quoted(&format!(
                "{}/{}/{}",
                object.namespace,
                object.kind.to_ascii_lowercase(),
                object.name
            ))
        );
    }
    let mut waits = String::new();
    let rolled: BTreeSet<_> = made
        .iter()
        .filter(|(_, _, change)| is_waited_for(&change.planned))
        .map(|(_, _, change)| &change.planned.object)
        .collect();
    for (number, object) in rolled.into_iter().enumerate() {
        let target = serde_json::json!({"kind": object.kind, "name": object.name,
            "namespace": object.namespace});
        let title = serde_json::Value::from(format!("The pods of {} follow", object.short()));
        let _ = writeln!(
            waits,
            "  - id: rollout-{number}\n    title: {title}\n    rollout: {{target: {target}, \
                timeout: {ROLLOUT}}}"
        );
    }
    if steps.is_empty() {
        let why = if opaque.is_empty() {
            "it changed nothing".to_owned()
        } else {
            format!("what it did in {} cannot be taken back", opaque.join(", "))
        };
        return Err(CommandError::Usage(format!("run {run} has nothing to take back: {why}")));
    }
    let described = if opaque.is_empty() {
        String::new()
    } else {
        format!("Not taken back, because nobody knows how: {}.", opaque.join(", "))
    };
    let text = format!(
        "runbook: v1\ntitle: \"Take back what run {} changed\"\ndescription: \
            {}\nsteps:\n{steps}{waits}",
        journal::short_id(run),
        serde_json::Value::from(described)
    );
    let name = name_of(run);
    Ok((name.clone(), catalogue.load_text(&name, text)?))
}
