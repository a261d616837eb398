//! `runbook record`

use super::arguments::{KubeconfigArguments, clock, namespace, workspace};
use super::exit::{CommandError, Exit};
use super::{Global, output};
use crate::recording::{Gap, RECORDED, Recording, Seen, add_run, case_of, with_case, world};
use crate::session::{ClusterChoice, Remembered, Wanted, WantedPath, Workspace, observe, remember};
use clap::Args;
use regex::Regex;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct RecordArguments {
    /// Namespace to record, the main one first; can be repeated
    #[arg(short, long = "namespace", value_name = "NAMESPACE", value_parser = namespace,
        required_unless_present = "run")]
    namespaces: Vec<String>,
    /// Record what this run saw: its id, a part of it, latest, or latest:RUNBOOK. With --namespace,
    /// in addition to the objects of the cluster
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Directory of the world
    #[arg(long, value_name = "DIR", default_value = "worlds/recording")]
    world: PathBuf,
    /// Record what pods respond to GET: POD_SELECTOR=/PATH or POD_SELECTOR=:PORT/PATH; can be
    /// repeated. The paths of HTTP probes are always recorded
    #[arg(long = "path", value_name = "SELECTOR=PATH", value_parser = wanted_path)]
    paths: Vec<WantedPath>,
    /// Record log lines that match; can be repeated
    #[arg(long = "log", value_name = "REGEX")]
    logs: Vec<Regex>,
    /// Number of lines to search from the end of each log
    #[arg(long, value_name = "N", default_value_t = 1000)]
    lines: u32,
    /// Record the result of a query to the Prometheus in these namespaces; can be repeated
    #[arg(long = "promql", value_name = "QUERY")]
    queries: Vec<String>,
    /// Do not search images for commands, which starts them in one container of each image
    #[arg(long)]
    no_exec: bool,
    /// Write a test case for this runbook into its rehearsal file
    #[arg(long, value_name = "RUNBOOK")]
    case: Option<String>,
    #[command(flatten)]
    cluster: RecordedCluster,
}

/// The cluster that is recorded.
#[derive(Clone, Debug, Args)]
struct RecordedCluster {
    /// Record a simulated cluster: a scenario, or the folder of a world
    #[arg(long, value_name = "SCENARIO", require_equals = true,
        conflicts_with_all = ["kubeconfig", "context"])]
    sandbox: Option<String>,
    #[command(flatten)]
    kubeconfig: KubeconfigArguments,
}

/// `app=web=/health`, `app=web=:8080/health`
fn wanted_path(text: &str) -> Result<WantedPath, String> {
    let wrong = || format!("`{text}` is not SELECTOR=/PATH or SELECTOR=:PORT/PATH");
    let (at, rest) = text
        .match_indices('=')
        .find(|(at, _)| text[at + 1..].starts_with(['/', ':']))
        .map(|(at, _)| (at, &text[at + 1..]))
        .ok_or_else(wrong)?;
    let selector = text[..at].to_owned();
    let (port, path) = match rest.strip_prefix(':') {
        None => (None, rest),
        Some(rest) => {
            let end = rest.find('/').ok_or_else(wrong)?;
            (Some(rest[..end].parse().map_err(|_| wrong())?), &rest[end..])
        }
    };
    if !selector.contains('=') {
        return Err(wrong());
    }
    Ok(WantedPath { selector, port, path: path.to_owned() })
}

pub(super) fn record(global: &Global, arguments: &RecordArguments) -> Result<Exit, CommandError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(recorded(global, arguments));
    runtime.shutdown_background();
    result
}

async fn recorded(global: &Global, arguments: &RecordArguments) -> Result<Exit, CommandError> {
    let workspace = workspace(global)?;
    let folder = &arguments.world;
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CommandError::Usage(format!(
            "{} is not empty: choose another directory with --world",
            folder.display()
        )));
    }
    let run = arguments.run.as_deref().map(|run| remember(&workspace, run)).transpose()?;
    let mut seen = match &run {
        Some(run) if arguments.namespaces.is_empty() => Seen {
            at: run.at,
            namespaces: vec![run.namespace.clone()],
            gaps: vec![Gap::new(
                "objects that the run did not read",
                "no namespace was named (-n)",
            )],
            ..Seen::default()
        },
        _ => live(&workspace, arguments).await?,
    };
    if let Some(run) = &run {
        add_run(&mut seen, &run.steps);
    }
    let recording = world(&seen);
    write(folder, &recording)?;
    conclude(&workspace, arguments, run.as_ref(), &recording)?;
    Ok(Exit::Passed)
}

/// What is to be seen of the cluster.
async fn live(workspace: &Workspace, arguments: &RecordArguments) -> Result<Seen, CommandError> {
    let clock = clock()?;
    let RecordedCluster { sandbox, kubeconfig } = &arguments.cluster;
    let mut choice = ClusterChoice {
        namespace: arguments.namespaces.first().cloned(),
        ..kubeconfig.choice(sandbox.clone())
    };
    choice.choose(workspace, None)?;
    let connected = choice.connect(&workspace.worlds(), clock.of_simulation()).await?;
    let cluster = connected.cluster?;
    let wanted = Wanted {
        namespaces: arguments.namespaces.clone(),
        paths: arguments.paths.clone(),
        lines: arguments.logs.clone(),
        tail: arguments.lines,
        queries: arguments.queries.clone(),
        exec: !arguments.no_exec,
    };
    Ok(observe(&cluster, &wanted, clock.now()).await?)
}

fn write(folder: &Path, recording: &Recording) -> Result<(), CommandError> {
    for (name, text) in &recording.files {
        let file = folder.join(name);
        let unwritten = |error: std::io::Error| {
            CommandError::Usage(format!("cannot write {}: {error}", file.display()))
        };
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(unwritten)?;
        }
        fs::write(&file, text).map_err(unwritten)?;
    }
    Ok(())
}

/// Says what was written, what is missing, and how to go on.
fn conclude(
    workspace: &Workspace,
    arguments: &RecordArguments,
    run: Option<&Remembered>,
    recording: &Recording,
) -> Result<(), CommandError> {
    let folder = arguments.world.display();
    let mut text = format!("{folder}: {} objects\n", recording.objects);
    if !recording.gaps.is_empty() {
        text.push_str("Not captured:\n");
        for gap in &recording.gaps {
            let _ = writeln!(text, "  {}: {}", gap.what, gap.why);
        }
    }
    let name = arguments.world.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| RECORDED.to_owned());
    let expected = run.and_then(|run| Some((run.verdict.as_deref()?, &run.findings[..])));
    let case = case_of(&name, &name, expected);
    match &arguments.case {
        Some(runbook) => {
            let file = write_case(workspace, runbook, &name, &case)?;
            let _ = writeln!(text, "{}: case `{name}`", file.display());
        }
        None => {
            text.push_str("A case for the rehearsal file of a runbook:\n");
            text.push_str(&case);
        }
    }
    let again = format!("runbook run NAME --sandbox={folder}/{RECORDED}");
    let _ = writeln!(text, "To run a runbook on it: {again}");
    output::write(&text)?;
    Ok(())
}

/// Adds the case to the rehearsal file next to a runbook.
fn write_case(
    workspace: &Workspace,
    runbook: &str,
    name: &str,
    case: &str,
) -> Result<PathBuf, CommandError> {
    let (own, loaded) = crate::session::load(&workspace.catalogue(), runbook)?;
    let file = loaded.get(&own).map(|runbook| PathBuf::from(&runbook.file)).unwrap_or_default();
    if !file.exists() {
        return Err(CommandError::Usage(format!(
            "{runbook} is built in and has no directory for a test; copy it first, or paste the \
                case"
        )));
    }
    let file = file.with_extension("test.yaml");
    let before = fs::read_to_string(&file).ok();
    let after = with_case(before.as_deref(), name, case).ok_or_else(|| {
        CommandError::Usage(format!(
            "{} has a case `{name}` already, or does not end with its cases; paste the case",
            file.display()
        ))
    })?;
    fs::write(&file, after)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_their_selectors() {
        let path = |selector: &str, port, path: &str| WantedPath {
            selector: selector.to_owned(),
            port,
            path: path.to_owned(),
        };
        for (text, expected) in [
            ("app=web=/health", path("app=web", None, "/health")),
            ("app=web,tier=a=:8080/x?y=1", path("app=web,tier=a", Some(8080), "/x?y=1")),
        ] {
            assert_eq!(wanted_path(text).unwrap(), expected);
        }
        for text in ["/health", "app=web", "app=/health", "app=web=:x/health"] {
            assert!(wanted_path(text).is_err(), "{text}");
        }
    }
}
